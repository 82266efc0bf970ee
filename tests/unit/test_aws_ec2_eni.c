/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: endpoints without network interfaces, and what a VPC has none of. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aws_world.h"

#include "model_check.h"

/* An endpoint of a service that accepts everybody. */
static void make_bare(const char *more)
{
	make_service();
	ec2(PROV,
	    "Action=ModifyVpcEndpointServiceConfiguration&ServiceId=%s&AcceptanceRequired=false",
	    svc);
	ec2(CONS, "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s%s",
	    vpc_c, svc_name, more);
	element("vpcEndpointId", ep);
}

static const char bare_sets[] = "<routeTableIdSet/><subnetIdSet/><networkInterfaceIdSet/>";

static void endpoint_may_have_no_subnet(void **state)
{
	(void)state;
	make_bare("");
	has("<state>pending</state>");
	has("%s<groupSet><item><groupId>sg-", bare_sets);
	has("<groupName>default</groupName>");
	has("<dnsEntrySet/>");
	assert_true(cv_model_advance(m, (uint64_t)calls_now));
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<state>available</state>");
	has("%s", bare_sets);
	ec2(CONS,
	    "Action=DescribeNetworkInterfaces&Filter.1.Name=description"
	    "&Filter.1.Value.1=*%s",
	    ep);
	assert_string_equal(got, "<networkInterfaceSet/>");
	ec2(PROV, "Action=DescribeVpcEndpointConnections");
	has("<vpcEndpointId>%s</vpcEndpointId>", ep);
	/* It is attached like others, and goes like others. */
	ec2(PROV, "Action=DeleteVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	has("<code>ExistingVpcEndpointConnections</code>");
	ec2(CONS, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s", ep);
	assert_string_equal(got, "<unsuccessful/>");
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<state>deleting</state>");
	ec2(PROV, "Action=DeleteVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	assert_string_equal(got, "<unsuccessful/>");
}

static void endpoint_gets_its_subnets_later(void **state)
{
	char eni[128];

	(void)state;
	make_bare("");
	assert_true(cv_model_advance(m, (uint64_t)calls_now));
	check_all();
	/* The zones are looked at now. */
	ec2_fails(CONS, "InvalidParameter",
		  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSubnetId.1=%s", ep, sub_ca);
	ec2(CONS, "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSubnetId.1=%s", ep, sub_cb);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<state>pending</state>");
	has("<subnetIdSet><item>%s</item></subnetIdSet><networkInterfaceIdSet><item>eni-", sub_cb);
	assert_int_equal(times("<dnsName>"), 2);
	ec2(CONS,
	    "Action=DescribeNetworkInterfaces&Filter.1.Name=description"
	    "&Filter.1.Value.1=*%s",
	    ep);
	assert_int_equal(times("<networkInterfaceId>"), 1);
	element("networkInterfaceId", eni);
	has("<subnetId>%s</subnetId>", sub_cb);
	check_all();
	/* As an association of Terraform's that is destroyed. */
	ec2(CONS, "Action=ModifyVpcEndpoint&VpcEndpointId=%s&RemoveSubnetId.1=%s", ep, sub_cb);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("%s", bare_sets);
	has("<dnsEntrySet/>");
	check_all();
	ec2_fails(CONS, "InvalidNetworkInterfaceID.NotFound",
		  "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=%s", eni);
}

/* A name that leads nowhere is not told. */
static void private_name_waits_for_an_interface(void **state)
{
	struct cv_model_service_change change = {.acceptance_required = CV_MODEL_KEEP,
						 .private_dns_name = "x.example.com",
						 .dns_state = CV_MODEL_DNS_VERIFIED};
	const struct cv_model_by by = {.account = CV_MODEL_NONE, .now = 1};

	(void)state;
	make_bare("");
	change.service = svc;
	no_error(cv_model_service_change(m, &by, &change, &errs));
	ec2(CONS, "Action=ModifyVpcEndpoint&VpcEndpointId=%s&PrivateDnsEnabled=true", ep);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<privateDnsEnabled>true</privateDnsEnabled>");
	has("<dnsEntrySet/>");
	ec2(CONS, "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSubnetId.1=%s", ep, sub_cb);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<dnsName>x.example.com</dnsName>");
}

/* ---- interfaces, which are not their owners' to change ---- */

static void interface_is_not_changed(const char *owner, const char *other)
{
	char eni[128], attachment[128], before[4096];

	ec2(owner, "Action=DescribeNetworkInterfaces");
	snprintf(before, sizeof(before), "%s", got);
	element("networkInterfaceId", eni);
	element("attachmentId", attachment);
	ec2_fails(owner, "InvalidParameterValue",
		  "Action=DeleteNetworkInterface&NetworkInterfaceId=%s", eni);
	assert_non_null(strstr(err_text, "is currently in use"));
	ec2_fails(owner, "InvalidParameterValue",
		  "Action=DeleteNetworkInterface&NetworkInterfaceId=%s&DryRun=true", eni);
	ec2_fails(owner, "AuthFailure",
		  "Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=%s"
		  "&Description.Value=mine&SecurityGroupId.1=%s",
		  eni, sg_c);
	ec2_fails(owner, "OperationNotPermitted",
		  "Action=DetachNetworkInterface&AttachmentId=%s&Force=true", attachment);
	ec2(owner, "Action=DescribeNetworkInterfaces");
	assert_int_equal(strncmp(got, before, sizeof(before) - 1), 0);
	/* Others' do not exist. */
	ec2_fails(other, "InvalidNetworkInterfaceID.NotFound",
		  "Action=DeleteNetworkInterface&NetworkInterfaceId=%s", eni);
	ec2_fails(
		other, "InvalidNetworkInterfaceID.NotFound",
		"Action=ModifyNetworkInterfaceAttribute&NetworkInterfaceId=%s&Description.Value=x",
		eni);
	ec2_fails(other, "InvalidAttachmentID.NotFound",
		  "Action=DetachNetworkInterface&AttachmentId=%s", attachment);
	ec2_fails(other, "InvalidNetworkInterfaceId.Malformed",
		  "Action=DeleteNetworkInterface&NetworkInterfaceId=x");
}

static void interfaces_are_not_their_owners_to_change(void **state)
{
	(void)state;
	interface_is_not_changed(CONS, PROV); /* of an endpoint */
	interface_is_not_changed(PROV, CONS); /* of a node */
}

#define ATTRIBUTE "Action=DescribeNetworkInterfaceAttribute&NetworkInterfaceId=%s"

static void interface_tells(const char *owner, const char *other)
{
	char eni[128], description[128], *enis;

	ec2(owner, "Action=DescribeNetworkInterfaces");
	element("networkInterfaceId", eni);
	element("description", description);
	enis = strdup(got);
	assert_non_null(enis);
	ec2(owner, ATTRIBUTE, eni);
	has("<networkInterfaceId>%s</networkInterfaceId>", eni);
	has("<description><value>%s</value></description>", description);
	has_not("groupSet");
	ec2(owner, ATTRIBUTE "&Attribute=description", eni);
	has("<description><value>%s</value></description>", description);
	ec2(owner, ATTRIBUTE "&Attribute=sourceDestCheck", eni);
	has("<sourceDestCheck><value>false</value></sourceDestCheck>");
	ec2(owner, ATTRIBUTE "&Attribute=groupSet", eni);
	assert_non_null(strstr(enis, strstr(got, "<groupSet")));
	ec2(owner, ATTRIBUTE "&Attribute=attachment", eni);
	assert_non_null(strstr(enis, strstr(got, "<attachment>")));
	ec2(owner, ATTRIBUTE "&Attribute=associatePublicIpAddress", eni);
	has("<associatePublicIpAddress>false<");
	ec2_fails(owner, "InvalidParameterValue", ATTRIBUTE "&Attribute=x", eni);
	ec2_fails(other, "InvalidNetworkInterfaceID.NotFound", ATTRIBUTE, eni);
	ec2_fails(owner, "InvalidNetworkInterfaceId.Malformed", ATTRIBUTE, "x");
	free(enis);
}

static void attributes_are_told_one_by_one(void **state)
{
	(void)state;
	interface_tells(CONS, PROV); /* of an endpoint */
	interface_tells(PROV, CONS); /* of a node */
}

/* ---- what there is none of ---- */

static void what_a_vpc_lacks_is_an_empty_list(void **state)
{
	static const struct {
		const char *action, *list, *id, *unknown;
	} rows[] = {
		{"DescribeDhcpOptions", "dhcpOptionsSet", "DhcpOptionsId.1=dopt-1",
		 "InvalidDhcpOptionID.NotFound"},
		{"DescribeInternetGateways", "internetGatewaySet", "InternetGatewayId.1=igw-1",
		 "InvalidInternetGatewayID.NotFound"},
		{"DescribeManagedPrefixLists", "prefixListSet", "PrefixListId.1=pl-1",
		 "InvalidPrefixListID.NotFound"},
		{"DescribeNatGateways", "natGatewaySet", "NatGatewayId.1=nat-1",
		 "NatGatewayNotFound"},
		{"DescribeNetworkAcls", "networkAclSet", "NetworkAclId.1=acl-1",
		 "InvalidNetworkAclID.NotFound"},
		{"DescribePrefixLists", "prefixListSet", "PrefixListId.1=pl-1",
		 "InvalidPrefixListID.NotFound"},
		{"DescribeRouteTables", "routeTableSet", "RouteTableId.1=rtb-1",
		 "InvalidRouteTableID.NotFound"},
		{"DescribeVpcPeeringConnections", "vpcPeeringConnectionSet",
		 "VpcPeeringConnectionId.1=pcx-1", "InvalidVpcPeeringConnectionID.NotFound"},
		{"DescribeVpcClassicLink", "vpcSet", "VpcId.1=vpc-00000000",
		 "InvalidVpcID.NotFound"},
	};
	char want[64];

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		snprintf(want, sizeof(want), "<%s/>", rows[i].list);
		ec2(CONS, "Action=%s", rows[i].action);
		assert_string_equal(got, want);
		ec2(CONS, "Action=%s&Filter.1.Name=vpc-id&Filter.1.Value.1=%s", rows[i].action,
		    vpc_c);
		assert_string_equal(got, want);
		ec2_fails(CONS, rows[i].unknown, "Action=%s&%s", rows[i].action, rows[i].id);
	}
	ec2(CONS, "Action=DescribeVpcClassicLink&VpcId.1=%s", vpc_c);
	assert_string_equal(got, "<vpcSet/>");
	ec2(CONS, "Action=DescribeVpcClassicLinkDnsSupport&VpcIds.1=%s", vpc_c);
	assert_string_equal(got, "<vpcs/>");
	ec2_fails(CONS, "InvalidVpcID.NotFound",
		  "Action=DescribeVpcClassicLinkDnsSupport&VpcIds.1=%s", vpc_p);
	ec2(CONS, "Action=DescribeSecurityGroupVpcAssociations");
	assert_string_equal(got, "<securityGroupVpcAssociationSet/>");
	ec2(CONS, "Action=DescribeStaleSecurityGroups&VpcId=%s", vpc_c);
	assert_string_equal(got, "<staleSecurityGroupSet/>");
	ec2_fails(CONS, "InvalidVpcID.NotFound", "Action=DescribeStaleSecurityGroups&VpcId=%s",
		  vpc_p);
	ec2(CONS, "Action=DescribeSecurityGroupReferences&GroupId.1=%s", sg_c);
	assert_string_equal(got, "<securityGroupReferenceSet/>");
	ec2_fails(CONS, "InvalidGroup.NotFound",
		  "Action=DescribeSecurityGroupReferences&GroupId.1=%s&GroupId.2=sg-00000000",
		  sg_c);
	ec2_fails(CONS, "InvalidPrefixListID.NotFound",
		  "Action=GetManagedPrefixListEntries&PrefixListId=pl-1");
}

/* Groups of this VPC stand for themselves; a list of prefixes is none of theirs. */
static void rules_name_no_prefix_lists(void **state)
{
	(void)state;
	ec2_fails(CONS, "UnsupportedOperation",
		  "Action=AuthorizeSecurityGroupIngress&GroupId=%s&IpPermissions.1.IpProtocol=tcp"
		  "&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=80"
		  "&IpPermissions.1.PrefixListIds.1.PrefixListId=pl-1",
		  sg_c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(endpoint_may_have_no_subnet),
		TEST(endpoint_gets_its_subnets_later),
		TEST(private_name_waits_for_an_interface),
		TEST(what_a_vpc_lacks_is_an_empty_list),
		TEST(rules_name_no_prefix_lists),
		TEST(attributes_are_told_one_by_one),
		TEST(interfaces_are_not_their_owners_to_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
