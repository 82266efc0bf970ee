/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the tests of EC2's actions share: the small region with a load balancer that is in no service, a
 * second subnet in a zone, a third account. After cmocka.h, in test programs.
 */

#include "cv_model_change.h"
#include "model_world.h"

#include "aws_calls.h"

/* Ids of the world, and of what a test makes. */
static const char *vpc_p, *vpc_c, *sub_ca, *sub_cb, *sub_pa, *sg_c, *lb_web, *lb_free;
static char svc[128], ep[128], svc_name[128];

static inline const char *id_of(enum cv_model_kind kind, const char *vpc, const char *name)
{
	uint32_t scope =
		vpc != NULL ? cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, vpc) : CV_MODEL_NONE;
	uint32_t idx = cv_model_find(m, kind, scope, name);

	assert_int_not_equal(idx, CV_MODEL_NONE);
	switch (kind) {
	case CV_MODEL_VPC:
		return m->vpcs[idx].id;
	case CV_MODEL_SUBNET:
		return m->subnets[idx].id;
	case CV_MODEL_SG:
		return m->sgs[idx].id;
	case CV_MODEL_LB:
		return m->lbs[idx].arn;
	default:
		return m->endpoints[idx].id;
	}
}

static inline int setup(void **state)
{
	(void)state;
	build_world();
	no_error(add_lb("free", "p", PLACES({"a", NULL, 0}), 1));
	no_error(add_subnet("c", "b2", "10.0.3.0/24", "us-east-1b", NULL));
	no_error(add_account("333333333333", "third", NULL, NULL));
	no_error(cv_model_settle(m, &errs));
	vpc_p = id_of(CV_MODEL_VPC, NULL, "p");
	vpc_c = id_of(CV_MODEL_VPC, NULL, "c");
	sub_ca = id_of(CV_MODEL_SUBNET, "c", "a");
	sub_cb = id_of(CV_MODEL_SUBNET, "c", "b");
	sub_pa = id_of(CV_MODEL_SUBNET, "p", "a");
	sg_c = id_of(CV_MODEL_SG, "c", "sg");
	lb_web = id_of(CV_MODEL_LB, NULL, "web");
	lb_free = id_of(CV_MODEL_LB, NULL, "free");
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	cv_model_destroy(m);
	m = NULL;
	free(got);
	got = NULL;
	return 0;
}

#define TAGS(type)                               \
	"&TagSpecification.1.ResourceType=" type \
	"&TagSpecification.1.Tag.1.Key=env&TagSpecification.1.Tag.1.Value=prod"

/* A service of the free load balancer that the consumer may use, and an endpoint in it. */
static inline void make_service(void)
{
	ec2(PROV, "Action=CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1=%s",
	    lb_free);
	element("serviceId", svc);
	element("serviceName", svc_name);
	ec2(PROV,
	    "Action=ModifyVpcEndpointServicePermissions&ServiceId=%s&AddAllowedPrincipals.1=" CONS,
	    svc);
}

static inline void make_endpoint(void)
{
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s",
	    vpc_c, svc_name, sub_cb);
	element("vpcEndpointId", ep);
}
