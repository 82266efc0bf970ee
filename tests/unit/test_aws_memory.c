/* SPDX-License-Identifier: BSD-3-Clause */

/* What calls make and remove again costs nothing: whoever calls cannot fill the memory. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"

#include "aws_world.h"

#define TAGGED(type)                                                            \
	"&TagSpecification.1.ResourceType=" type                                \
	"&TagSpecification.1.Tag.1.Key=env&TagSpecification.1.Tag.1.Value=prod" \
	"&TagSpecification.1.Tag.2.Key=owner&TagSpecification.1.Tag.2.Value=nobody"

/* What the first round needs stays: tables that have grown. */
#define ROUNDS 3

/* Blocks of memory that are not given back by a round, once there was one. */
static long blocks_of(void (*round)(void))
{
	long n = 0;

	round();
	for (int i = 0; i < ROUNDS; i++) {
		/* The answer to the last call is the test's. */
		free(got);
		got = NULL;
		cv_model_changes_clear(m);
		alloc_watch(0);
		round();
		free(got);
		got = NULL;
		cv_model_changes_clear(m);
		n += alloc_live;
	}
	return n;
}

static void group_round(void)
{
	char id[128];

	ec2(CONS,
	    "Action=CreateSecurityGroup&GroupName=g&GroupDescription=d&VpcId=%s" TAGGED(
		    "security-group"),
	    vpc_c);
	ec2(CONS, "Action=DeleteSecurityGroup&GroupId=%s", element("groupId", id));
}

static void service_round(void)
{
	char id[128];

	ec2(PROV,
	    "Action=CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1=%s"
	    "&PrivateDnsName=db.example.com" TAGGED("vpc-endpoint-service"),
	    lb_free);
	element("serviceId", id);
	ec2(PROV, "Action=DeleteVpcEndpointServiceConfigurations&ServiceId.1=%s", id);
}

static void bad_service_round(void)
{
	ec2_fails(PROV, "InvalidParameter",
		  "Action=CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1=%s"
		  "&PrivateDnsName=UPPER" TAGGED("vpc-endpoint-service"),
		  lb_free);
}

static void removed_resources_leave_nothing(void **state)
{
	(void)state;
	if (!ALLOC_FAIL)
		skip();
	assert_int_equal(blocks_of(group_round), 0);
	assert_int_equal(blocks_of(service_round), 0);
	assert_int_equal(blocks_of(bad_service_round), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(removed_resources_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
