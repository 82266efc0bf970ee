/* SPDX-License-Identifier: BSD-3-Clause */

/* PrivateLink's actions in AWS's words: what clients and their users look for in errors, to the letter. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aws_world.h"

#define NOBODY "01234567890abcdef"

static void CV_PRINTF(1, 2) says(const char *fmt, ...)
{
	char want[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	assert_string_equal(err_text, want);
}

static void what_is_not_there_is_named(void **state)
{
	(void)state;
	ec2_fails(CONS, "InvalidVpcEndpointId.NotFound",
		  "Action=DescribeVpcEndpoints&VpcEndpointId.1=vpce-" NOBODY);
	says("The Vpc Endpoint Id 'vpce-" NOBODY "' does not exist");
	ec2_fails(CONS, "InvalidVpcEndpointServiceId.NotFound",
		  "Action=DescribeVpcEndpointServicePermissions&ServiceId=vpce-svc-" NOBODY);
	says("The VpcEndpointService Id 'vpce-svc-" NOBODY "' does not exist");
	ec2_fails(CONS, "InvalidGroup.NotFound",
		  "Action=DescribeSecurityGroups&GroupId.1=sg-" NOBODY);
	says("The security group 'sg-" NOBODY "' does not exist");
	ec2_fails(CONS, "InvalidVpcID.NotFound", "Action=DescribeVpcs&VpcId.1=vpc-" NOBODY);
	says("The vpc ID 'vpc-" NOBODY "' does not exist");
	ec2_fails(CONS, "InvalidSubnetID.NotFound",
		  "Action=DescribeSubnets&SubnetId.1=subnet-" NOBODY);
	says("The subnet ID 'subnet-" NOBODY "' does not exist");
	/* Each that does not work is named in the same words. */
	ec2(CONS, "Action=DeleteVpcEndpoints&VpcEndpointId.1=vpce-" NOBODY);
	has("<code>InvalidVpcEndpoint.NotFound</code>"
	    "<message>The Vpc Endpoint Id &apos;vpce-" NOBODY "&apos; does not exist</message>");
}

static void unknown_filters_have_two_codes(void **state)
{
	static const char *const privatelink[] = {
		"DescribeVpcEndpoints", "DescribeVpcEndpointServices",
		"DescribeVpcEndpointServiceConfigurations", "DescribeVpcEndpointConnections",
		"DescribeVpcEndpointConnectionNotifications"};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(privatelink); i++) {
		ec2_fails(CONS, "InvalidFilter", "Action=%s&Filter.1.Name=nope&Filter.1.Value.1=x",
			  privatelink[i]);
		says("The filter 'nope' is invalid");
	}
	ec2_fails(CONS, "InvalidParameterValue",
		  "Action=DescribeSubnets&Filter.1.Name=nope&Filter.1.Value.1=x");
	says("The filter 'nope' is invalid");
}

static void an_empty_token_is_none(void **state)
{
	(void)state;
	ec2(CONS, "Action=DescribeVpcEndpoints&NextToken=");
	assert_int_equal(times("<vpcEndpointId>"), 1);
	ec2(CONS, "Action=DescribeSubnets&NextToken=&MaxResults=5");
	assert_int_equal(times("<subnetId>"), 3);
}

static void second_subnet_of_a_zone_is_named(void **state)
{
	const char *twin = id_of(CV_MODEL_SUBNET, "c", "b2");

	(void)state;
	make_service();
	ec2_fails(CONS, "DuplicateSubnetsInSameZone",
		  "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s"
		  "&SubnetId.1=%s&SubnetId.2=%s",
		  vpc_c, svc_name, sub_cb, twin);
	says("Found another VPC endpoint subnet in the availability zone of %s. VPC endpoint "
	     "subnets should be in different availability zones supported by the VPC endpoint "
	     "service.",
	     twin);
}

static void what_cannot_be_removed_is_named(void **state)
{
	static const char modify[] = "Action=ModifyVpcEndpoint&VpcEndpointId=";

	(void)state;
	make_service();
	make_endpoint();
	ec2_fails(CONS, "InvalidSubnetId.NotFound", "%s%s&RemoveSubnetId.1=%s&RemoveSubnetId.2=%s",
		  modify, ep, sub_cb, sub_ca);
	says("The subnet '%s' is not associated with the VPC endpoint %s", sub_ca, ep);
	ec2_fails(CONS, "InvalidParameter", "%s%s&RemoveSecurityGroupId.1=%s", modify, ep, sg_c);
	says("The security group '%s' is not associated with the VPC endpoint %s", sg_c, ep);
}

static void other_ip_types_are_not_supported(void **state)
{
	static const char *const types[] = {"dualstack", "ipv6"};
	char how[256];

	(void)state;
	make_service();
	make_endpoint();
	snprintf(how, sizeof(how),
		 "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s"
		 "&SubnetId.1=%s",
		 vpc_c, svc_name, sub_cb);
	for (size_t i = 0; i < CV_ARRAY_LEN(types); i++) {
		ec2_fails(CONS, "InvalidParameter", "%s&IpAddressType=%s", how, types[i]);
		says("The VPC endpoint service %s does not support the IP address type %s: ipv4 is",
		     svc_name, types[i]);
		ec2_fails(CONS, "InvalidParameter", "%s&DnsOptions.DnsRecordIpType=%s", how,
			  types[i]);
		ec2_fails(CONS, "InvalidParameter",
			  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&IpAddressType=%s", ep,
			  types[i]);
		ec2_fails(CONS, "InvalidParameter",
			  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&DnsOptions.DnsRecordIpType=%s",
			  ep, types[i]);
	}
	ec2_fails(CONS, "InvalidParameterValue", "%s&IpAddressType=ipv5", how);
	ec2(CONS, "%s&IpAddressType=ipv4&DnsOptions.DnsRecordIpType=service-defined", how);
}

static void principals_are_added_once(void **state)
{
	(void)state;
	make_service();
	ec2(PROV,
	    "Action=ModifyVpcEndpointServicePermissions&ServiceId=%s&AddAllowedPrincipals.1=*"
	    "&AddAllowedPrincipals.2=" PROV "&AddAllowedPrincipals.3=*",
	    svc);
	assert_int_equal(times("<principal>"), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_there_is_named),      TEST(unknown_filters_have_two_codes),
		TEST(an_empty_token_is_none),          TEST(second_subnet_of_a_zone_is_named),
		TEST(what_cannot_be_removed_is_named), TEST(other_ip_types_are_not_supported),
		TEST(principals_are_added_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
