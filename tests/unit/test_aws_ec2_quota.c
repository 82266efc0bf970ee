/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: how much one account may make. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aws_world.h"

static void state_is(const char *want)
{
	char state[128];

	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	assert_string_equal(element("state", state), want);
}

static void endpoint_fails(const char *vpc)
{
	ec2_fails(
		CONS, "VpcEndpointLimitExceeded",
		"Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s",
		vpc, svc_name, sub_cb);
}

static void delete_endpoint(void)
{
	ec2(CONS, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s", ep);
	assert_string_equal(got, "<unsuccessful/>");
}

/* The service's owner has an endpoint to it, too. */
static void make_providers_endpoint(void)
{
	ec2(PROV,
	    "Action=ModifyVpcEndpointServicePermissions&ServiceId=%s&AddAllowedPrincipals.1=" PROV,
	    svc);
	ec2(PROV,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s",
	    vpc_p, svc_name, sub_pa);
}

static void endpoints_have_quotas(void **state)
{
	(void)state;
	make_service();
	/* Of all, what is deleted does not count, whether it is shown or not. */
	m->limits[CV_MODEL_ENDPOINT] = m->n_endpoints + 1;
	for (int i = 0; i < 3; i++) {
		make_endpoint();
		endpoint_fails(vpc_c);
		delete_endpoint();
	}
	cv_model_advance(m, (uint64_t)calls_now + 1);
	state_is("deleted");
	make_endpoint();
	endpoint_fails(vpc_c);
	m->limits[CV_MODEL_ENDPOINT] = 0;
	/* Of each VPC, what the file has does not count. */
	m->limits[CV_MODEL_VPC] = 2;
	make_endpoint();
	endpoint_fails(vpc_c);
	assert_string_equal(err_text, "The maximum number of VPC endpoints has been reached: a VPC "
				      "has at most 2.");
	delete_endpoint();
	make_endpoint();
	endpoint_fails(vpc_c);
	/* One that was rejected is still there. */
	ec2(PROV, "Action=RejectVpcEndpointConnections&ServiceId=%s&VpcEndpointId.1=%s", svc, ep);
	endpoint_fails(vpc_c);
	/* Another VPC, another quota. */
	make_providers_endpoint();
}

/* Who deletes a lot sees it for less long; others see theirs as ever. */
static void deleted_endpoints_have_a_bound(void **state)
{
	(void)state;
	make_service();
	make_providers_endpoint();
	element("vpcEndpointId", ep);
	ec2(PROV, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s", ep);
	for (int i = 0; i < CV_MODEL_DELETED_EACH + 300; i++) {
		make_endpoint();
		delete_endpoint();
		cv_model_changes_clear(m);
		/* What was deleting is deleted, and what is too many is gone the next time. */
		if (i % 100 == 99)
			cv_model_advance(m, (uint64_t)calls_now);
	}
	cv_model_advance(m, (uint64_t)calls_now);
	assert_int_equal(m->n_deleted, CV_MODEL_DELETED_EACH + 1);
	assert_true(m->n_endpoints <= CV_MODEL_DELETED_EACH + 300);
	ec2(PROV, "Action=DescribeVpcEndpoints");
	assert_int_equal(times("<state>deleted</state>"), 1);
	state_is("deleted");
	cv_model_advance(m, (uint64_t)calls_now + CV_MODEL_DELETED_SECONDS);
	assert_int_equal(m->n_deleted, 0);
	assert_int_equal(m->accounts[0].n_deleted + m->accounts[1].n_deleted, 0);
}

static void endpoint_has_five_groups_at_most(void **state)
{
	char sgs[6][128], one[128];

	(void)state;
	make_service();
	for (int i = 0; i < 6; i++) {
		ec2(CONS, "Action=CreateSecurityGroup&GroupDescription=d&VpcId=%s&GroupName=g%d",
		    vpc_c, i);
		element("groupId", sgs[i]);
	}
	ec2_fails(
		CONS, "SecurityGroupsPerInterfaceLimitExceeded",
		"Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s"
		"&SecurityGroupId.1=%s&SecurityGroupId.2=%s&SecurityGroupId.3=%s&SecurityGroupId.4=%s"
		"&SecurityGroupId.5=%s&SecurityGroupId.6=%s",
		vpc_c, svc_name, sub_cb, sgs[0], sgs[1], sgs[2], sgs[3], sgs[4], sgs[5]);
	make_endpoint();
	element("groupId", one);
	ec2(CONS,
	    "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSecurityGroupId.1=%s"
	    "&AddSecurityGroupId.2=%s&AddSecurityGroupId.3=%s&AddSecurityGroupId.4=%s",
	    ep, sgs[0], sgs[1], sgs[2], sgs[3]);
	ec2_fails(CONS, "SecurityGroupsPerInterfaceLimitExceeded",
		  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSecurityGroupId.1=%s", ep, sgs[4]);
	/* One for another is none more. */
	ec2(CONS,
	    "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSecurityGroupId.1=%s"
	    "&RemoveSecurityGroupId.1=%s",
	    ep, sgs[4], one);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	assert_int_equal(times("<groupId>"), 5);
}

static void principals_have_a_bound(void **state)
{
	static const char add[] = "Action=ModifyVpcEndpointServicePermissions&ServiceId=";

	(void)state;
	make_service();
	for (int i = 1; i < CV_MODEL_PRINCIPALS_MAX; i++)
		ec2(PROV, "%s%s&AddAllowedPrincipals.1=arn:aws:iam::%012d:root", add, svc, i);
	/* It is there already. */
	ec2(PROV, "%s%s&AddAllowedPrincipals.1=" CONS, add, svc);
	ec2_fails(PROV, "ResourceLimitExceeded", "%s%s&AddAllowedPrincipals.1=*", add, svc);
	ec2(PROV, "%s%s&AddAllowedPrincipals.1=*&RemoveAllowedPrincipals.1=" CONS, add, svc);
}

/* A quota that is lower after a restart takes nothing away. */
static void what_is_put_back_has_no_quota(void **state)
{
	const struct cv_model_by by = {.account = CV_MODEL_NONE, .now = 1, .restore = true};
	struct cv_model_place_req place = {.subnet = sub_cb};
	struct cv_model_endpoint_req req = {.id = "vpce-0123456789abcdef0",
					    .vpc = vpc_c,
					    .places = &place,
					    .n_places = 1,
					    .state = CV_MODEL_AVAILABLE,
					    .by = &by};

	(void)state;
	make_service();
	m->limits[CV_MODEL_VPC] = 1;
	make_endpoint();
	req.service = svc;
	no_error(cv_model_endpoint_add(m, &req, &errs));
	delete_endpoint();
	endpoint_fails(vpc_c);
}

static void groups_have_a_quota(void **state)
{
	static const char create[] = "Action=CreateSecurityGroup&GroupDescription=d";
	char sg[128];

	(void)state;
	for (int i = 0; i < CV_MODEL_SGS_EACH; i++)
		ec2(CONS, "%s&VpcId=%s&GroupName=g%d", create, vpc_c, i);
	element("groupId", sg);
	ec2_fails(CONS, "SecurityGroupLimitExceeded", "%s&VpcId=%s&GroupName=more", create, vpc_c);
	ec2(PROV, "%s&VpcId=%s&GroupName=more", create, vpc_p);
	ec2(CONS, "Action=DeleteSecurityGroup&GroupId=%s", sg);
	ec2(CONS, "%s&VpcId=%s&GroupName=more", create, vpc_c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(endpoints_have_quotas),
		TEST(deleted_endpoints_have_a_bound),
		TEST(what_is_put_back_has_no_quota),
		TEST(groups_have_a_quota),
		TEST(endpoint_has_five_groups_at_most),
		TEST(principals_have_a_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
