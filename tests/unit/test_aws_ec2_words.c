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

/* Filters of clients that are newer than Debian's. */
static void all_is_in_one_region(void **state)
{
	static const char *const rows[][2] = {
		{"DescribeVpcEndpoints", "service-region"},
		{"DescribeVpcEndpointServices", "service-region"},
		{"DescribeVpcEndpointConnections", "vpc-endpoint-region"},
	};

	(void)state;
	make_service();
	make_endpoint();
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		const char *who = i == 2 ? PROV : CONS;

		ec2(who, "Action=%s&Filter.1.Name=%s&Filter.1.Value.1=us-east-1", rows[i][0],
		    rows[i][1]);
		assert_true(times("<vpcEndpointId>") + times("<serviceId>") > 0);
		ec2(who, "Action=%s&Filter.1.Name=%s&Filter.1.Value.1=eu-west-1", rows[i][0],
		    rows[i][1]);
		assert_int_equal(times("<vpcEndpointId>") + times("<serviceId>"), 0);
	}
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

/* A dry run of each action: what does not work otherwise does not "have succeeded", and what does changes
 * nothing. */
static void dry_runs_look_at_what_they_name(void **state)
{
	const struct {
		const char *who, *code, *text;
	} rows[] = {
		{PROV, "InvalidNetworkLoadBalancerArn.NotFound",
		 "CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1=arn:aws:x"},
		{CONS, "InvalidVpcEndpointServiceId.NotFound",
		 "ModifyVpcEndpointServiceConfiguration&AcceptanceRequired=false&ServiceId="},
		{CONS, "InvalidVpcEndpointService.NotFound",
		 "DeleteVpcEndpointServiceConfigurations&ServiceId.1="},
		{CONS, "InvalidVpcEndpointServiceId.NotFound",
		 "ModifyVpcEndpointServicePayerResponsibility&PayerResponsibility=ServiceOwner"
		 "&ServiceId="},
		{CONS, "InvalidVpcEndpointServiceId.NotFound",
		 "StartVpcEndpointServicePrivateDnsVerification&ServiceId="},
		{CONS, "InvalidVpcEndpointServiceId.NotFound",
		 "ModifyVpcEndpointServicePermissions&AddAllowedPrincipals.1=*&ServiceId="},
		{CONS, "InvalidVpcEndpointServiceId.NotFound",
		 "AcceptVpcEndpointConnections&VpcEndpointId.1=vpce-" NOBODY "&ServiceId="},
		{CONS, "InvalidVpcEndpointServiceId.NotFound",
		 "RejectVpcEndpointConnections&VpcEndpointId.1=vpce-" NOBODY "&ServiceId="},
		{CONS, "InvalidConnectionNotification",
		 "DeleteVpcEndpointConnectionNotifications&ConnectionNotificationId.1=vpce-nfn-x"},
		{CONS, "InvalidConnectionNotification",
		 "ModifyVpcEndpointConnectionNotification&ConnectionNotificationId=vpce-nfn-x"},
		{PROV, "DryRunOperation",
		 "ModifyVpcEndpointServiceConfiguration&AcceptanceRequired=false&ServiceId="},
		{PROV, "DryRunOperation",
		 "ModifyVpcEndpointServicePayerResponsibility&PayerResponsibility=ServiceOwner"
		 "&ServiceId="},
		{PROV, "DryRunOperation",
		 "ModifyVpcEndpointServicePermissions&AddAllowedPrincipals.1=*&ServiceId="},
		{PROV, "DryRunOperation",
		 "AcceptVpcEndpointConnections&VpcEndpointId.1=vpce-" NOBODY "&ServiceId="},
		{PROV, "DryRunOperation", "DeleteVpcEndpointServiceConfigurations&ServiceId.1="},
	};

	(void)state;
	make_service();
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		bool open = rows[i].text[strlen(rows[i].text) - 1] == '=';

		ec2_fails(rows[i].who, rows[i].code, "Action=%s%s&DryRun=true", rows[i].text,
			  open ? svc : "");
	}
	ec2(PROV, "Action=DescribeVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	has("<acceptanceRequired>true</acceptanceRequired>");
	has_not("payerResponsibility");
}

static void dry_runs_of_endpoints_change_nothing(void **state)
{
	static const char create[] = "Action=CreateVpcEndpoint&VpcEndpointType=Interface";

	(void)state;
	make_service();
	make_endpoint();
	ec2_fails(CONS, "InvalidSubnetID.NotFound",
		  "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s&DryRun=true", create, vpc_c, svc_name,
		  sub_pa);
	ec2_fails(CONS, "DryRunOperation", "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s&DryRun=true",
		  create, vpc_c, svc_name, sub_cb);
	ec2_fails(CONS, "InvalidSecurityGroupId.NotFound",
		  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSecurityGroupId.1=sg-" NOBODY
		  "&DryRun=true",
		  ep);
	ec2_fails(CONS, "DryRunOperation",
		  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSecurityGroupId.1=%s&DryRun=true",
		  ep, sg_c);
	ec2_fails(PROV, "InvalidVpcEndpoint.NotFound",
		  "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s&DryRun=true", ep);
	ec2_fails(CONS, "DryRunOperation",
		  "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s&DryRun=true", ep);
	ec2(CONS, "Action=DescribeVpcEndpoints");
	assert_int_equal(times("<vpcEndpointId>"), 2);
	assert_int_equal(times("<groupId>"), 2);
	has_not("deleting");
}

#define SET "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"

static void groups_have_names_of_known_characters(void **state)
{
	static const char create[] = "Action=CreateSecurityGroup&VpcId=";

	(void)state;
	ec2_fails(CONS, "InvalidGroup.Duplicate", "%s%s&GroupName=sg&GroupDescription=d", create,
		  vpc_c);
	says("The security group 'sg' already exists for VPC '%s'", vpc_c);
	ec2_fails(CONS, "InvalidParameterValue", "%s%s&GroupName=g&GroupDescription=caf%%C3%%A9",
		  create, vpc_c);
	says("Value (caf\303\251) for parameter GroupDescription is invalid. Character sets beyond "
	     "ASCII are not supported.");
	ec2_fails(CONS, "InvalidParameterValue", "%s%s&GroupName=g<&GroupDescription=d", create,
		  vpc_c);
	says("Invalid security group name. Valid names are strings less than 256 characters from "
	     "the following set: " SET);
	ec2_fails(CONS, "InvalidParameterValue", "%s%s&GroupName=g&GroupDescription=it's", create,
		  vpc_c);
	ec2(CONS, "%s%s&GroupName=g!*&GroupDescription=d+of+[me]", create, vpc_c);
}

static void rules_have_descriptions_of_known_characters(void **state)
{
#define RULE                                                                                  \
	"&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=1&IpPermissions.1.ToPort=1" \
	"&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"                                       \
	"&IpPermissions.1.IpRanges.1.Description="
	char sg[128];

	(void)state;
	ec2(CONS, "Action=CreateSecurityGroup&VpcId=%s&GroupName=g&GroupDescription=d", vpc_c);
	element("groupId", sg);
	ec2_fails(CONS, "InvalidParameterValue",
		  "Action=AuthorizeSecurityGroupIngress&GroupId=%s" RULE "<b>", sg);
	says("Invalid rule description. Valid descriptions are strings less than 256 characters "
	     "from the following set: " SET);
	ec2(CONS, "Action=AuthorizeSecurityGroupIngress&GroupId=%s" RULE "a/b", sg);
	ec2_fails(CONS, "InvalidParameterValue",
		  "Action=UpdateSecurityGroupRuleDescriptionsIngress&GroupId=%s" RULE "<b>", sg);
	ec2_fails(CONS, "InvalidParameterValue",
		  "Action=ModifySecurityGroupRules&GroupId=%s"
		  "&SecurityGroupRule.1.SecurityGroupRuleId=sgr-" NOBODY
		  "&SecurityGroupRule.1.SecurityGroupRule.Description=<b>",
		  sg);
	ec2(CONS, "Action=RevokeSecurityGroupIngress&GroupId=%s" RULE "whatever", sg);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_there_is_named),
		TEST(unknown_filters_have_two_codes),
		TEST(all_is_in_one_region),
		TEST(an_empty_token_is_none),
		TEST(second_subnet_of_a_zone_is_named),
		TEST(what_cannot_be_removed_is_named),
		TEST(other_ip_types_are_not_supported),
		TEST(principals_are_added_once),
		TEST(groups_have_names_of_known_characters),
		TEST(rules_have_descriptions_of_known_characters),
		TEST(dry_runs_look_at_what_they_name),
		TEST(dry_runs_of_endpoints_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
