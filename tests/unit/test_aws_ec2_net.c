/* SPDX-License-Identifier: BSD-3-Clause */

/* The actions of EC2 beside the connections: notifications, interfaces, groups, networks. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cv_model_pool.h"

#include "aws_world.h"

/* ---- notifications ---- */

#define TOPIC "arn:aws:sns:us-east-1:111111111111:t"

static void notification_is_kept(void **state)
{
	static const char create[] = "Action=CreateVpcEndpointConnectionNotification";
	char id[128], second[128];

	(void)state;
	make_service();
	make_endpoint();
	ec2(PROV,
	    "%s&ServiceId=%s&ConnectionNotificationArn=" TOPIC
	    "&ConnectionEvents.1=Connect&ConnectionEvents.2=Accept&ClientToken=x",
	    create, svc);
	element("connectionNotificationId", id);
	assert_true(cv_id_is(id, "vpce-nfn-", 17));
	has("<connectionNotification><connectionNotificationId>%s</connectionNotificationId>"
	    "<serviceId>%s</serviceId><connectionNotificationType>Topic</connectionNotificationType>"
	    "<connectionNotificationArn>" TOPIC "</connectionNotificationArn>"
	    "<connectionEvents><item>Accept</item><item>Connect</item></connectionEvents>"
	    "<connectionNotificationState>Enabled</connectionNotificationState>"
	    "</connectionNotification><clientToken>x</clientToken>",
	    id, svc);
	ec2(CONS,
	    "%s&VpcEndpointId=%s&ConnectionNotificationArn=arn:aws:sns:us-east-1:222222222222:c"
	    "&ConnectionEvents.1=Delete",
	    create, ep);
	element("connectionNotificationId", second);
	has("<vpcEndpointId>%s</vpcEndpointId>", ep);
	ec2(PROV,
	    "Action=ModifyVpcEndpointConnectionNotification&ConnectionNotificationId=%s"
	    "&ConnectionEvents.1=Reject",
	    id);
	assert_string_equal(got, "<return>true</return>");
	ec2(PROV, "Action=DescribeVpcEndpointConnectionNotifications");
	assert_int_equal(times("<connectionNotificationId>"), 1);
	has(TOPIC
	    "</connectionNotificationArn><connectionEvents><item>Reject</item></connectionEvents>");
	ec2(PROV,
	    "Action=ModifyVpcEndpointConnectionNotification&ConnectionNotificationId=%s"
	    "&ConnectionNotificationArn=" TOPIC "2",
	    id);
	ec2(PROV, "Action=DescribeVpcEndpointConnectionNotifications&ConnectionNotificationId=%s",
	    id);
	has(TOPIC
	    "2</connectionNotificationArn><connectionEvents><item>Reject</item></connectionEvents>");
	ec2(PROV, "Action=DescribeVpcEndpointConnectionNotifications"
		  "&Filter.1.Name=service-id&Filter.1.Value.1=x");
	assert_string_equal(got, "<connectionNotificationSet/>");
	ec2_fails(PROV, "InvalidConnectionNotification",
		  "Action=DescribeVpcEndpointConnectionNotifications&ConnectionNotificationId=%s",
		  second);
	ec2(PROV,
	    "Action=DeleteVpcEndpointConnectionNotifications&ConnectionNotificationId.1=%s"
	    "&ConnectionNotificationId.2=%s",
	    id, second);
	has("<unsuccessful><item><error><code>InvalidConnectionNotification</code>");
	assert_int_equal(times("<item>"), 1);
	ec2(PROV, "Action=DescribeVpcEndpointConnectionNotifications");
	assert_string_equal(got, "<connectionNotificationSet/>");
	ec2(CONS, "Action=DescribeVpcEndpointConnectionNotifications");
	assert_int_equal(times("<connectionNotificationId>"), 1);
}

static void notification_that_cannot_be_is_refused(void **state)
{
	static const char create[] = "Action=CreateVpcEndpointConnectionNotification";

	(void)state;
	make_service();
	make_endpoint();
	ec2_fails(PROV, "InvalidParameterCombination",
		  "%s&ConnectionNotificationArn=" TOPIC "&ConnectionEvents.1=Connect", create);
	ec2_fails(PROV, "InvalidParameterCombination",
		  "%s&ServiceId=%s&VpcEndpointId=%s&ConnectionNotificationArn=" TOPIC
		  "&ConnectionEvents.1=Connect",
		  create, svc, ep);
	ec2_fails(PROV, "InvalidParameter",
		  "%s&ServiceId=%s&ConnectionNotificationArn=" TOPIC "&ConnectionEvents.1=connect",
		  create, svc);
	ec2_fails(PROV, "InvalidParameter",
		  "%s&ServiceId=%s&ConnectionNotificationArn=" TOPIC
		  "&ConnectionEvents.1=Accept&ConnectionEvents.2=Accept",
		  create, svc);
	ec2_fails(PROV, "InvalidParameter",
		  "%s&ServiceId=%s&ConnectionNotificationArn=arn:aws:sqs:us-east-1:111111111111:q"
		  "&ConnectionEvents.1=Accept",
		  create, svc);
	ec2_fails(PROV, "MissingParameter", "%s&ServiceId=%s&ConnectionNotificationArn=" TOPIC,
		  create, svc);
	ec2_fails(CONS, "InvalidVpcEndpointServiceId.NotFound",
		  "%s&ServiceId=%s&ConnectionNotificationArn=" TOPIC "&ConnectionEvents.1=Accept",
		  create, svc);
	ec2_fails(PROV, "InvalidConnectionNotification",
		  "Action=ModifyVpcEndpointConnectionNotification&ConnectionNotificationId=x"
		  "&ConnectionEvents.1=Accept");
}

/* ---- interfaces ---- */

/* What Terraform waits for, for what is not there any more, and what it looks up. */
static void filters_that_aws_has_are_known(void **state)
{
	static const struct {
		const char *call, *filter, *value;
		bool passes;
	} rows[] = {
		{"NetworkInterfaces", "attachment.instance-owner-id", "amazon-aws", true},
		{"NetworkInterfaces", "attachment.instance-owner-id", "amazon-elb", false},
		{"NetworkInterfaces", "attachment.attachment-id", "ela-attach-*", true},
		{"NetworkInterfaces", "attachment.device-index", "1", true},
		{"NetworkInterfaces", "attachment.delete-on-termination", "true", false},
		{"NetworkInterfaces", "addresses.primary", "true", true},
		{"NetworkInterfaces", "addresses.primary", "false", false},
		{"NetworkInterfaces", "private-dns-name", "*", false},
		{"NetworkInterfaces", "association.public-ip", "*", false},
		{"Subnets", "availabilityZoneId", "use1-az*", true},
		{"Subnets", "defaultForAz", "false", true},
		{"Subnets", "ipv6-native", "true", false},
		{"Subnets", "outpost-arn", "*", false},
		{"Vpcs", "isDefault", "true", false},
		{"Vpcs", "isDefault", "false", true},
		{"Vpcs", "dhcp-options-id", "default", true},
		{"Vpcs", "cidr-block-association.association-id", "vpc-cidr-assoc-*", true},
		{"Vpcs", "cidr-block-association.association-id", "vpc-cidr-assoc-", false},
		{"Vpcs", "ipv6-cidr-block-association.state", "*", false},
		{"AvailabilityZones", "parent-zoneName", "*", false},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		ec2(CONS, "Action=Describe%s&Filter.1.Name=%s&Filter.1.Value.1=%s", rows[i].call,
		    rows[i].filter, rows[i].value);
		if ((times("<item>") > 0) != rows[i].passes)
			fail_msg("%s=%s: %s", rows[i].filter, rows[i].value, got);
	}
}

static void interfaces_are_missed_by_their_ids(void **state)
{
	char id[128];

	(void)state;
	ec2(CONS, "Action=DescribeNetworkInterfaces");
	element("networkInterfaceId", id);
	ec2(CONS,
	    "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=%s&NetworkInterfaceId.2=%s", id,
	    id);
	assert_int_equal(times("<networkInterfaceId>"), 1);
	ec2_fails(CONS, "InvalidNetworkInterfaceID.NotFound",
		  "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=%s"
		  "&NetworkInterfaceId.2=eni-fffffffffffffffff",
		  id);
	assert_string_equal(err_text,
			    "The networkInterface ID 'eni-fffffffffffffffff' does not exist");
	ec2_fails(CONS, "InvalidNetworkInterfaceID.NotFound",
		  "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=%s"
		  "&NetworkInterfaceId.2=eni-00000000000000000",
		  id);
	assert_non_null(strstr(err_text, "eni-00000000000000000"));
}

static void interfaces_are_told(void **state)
{
	char id[128], mac[128];
	uint8_t bytes[6];

	(void)state;
	ec2(CONS, "Action=DescribeNetworkInterfaces");
	assert_int_equal(times("<networkInterfaceId>"), 2);
	has("<subnetId>%s</subnetId><vpcId>%s</vpcId><availabilityZone>us-east-1a</availabilityZone>"
	    "<description>VPC Endpoint Interface %s</description><ownerId>222222222222</ownerId>",
	    sub_ca, vpc_c, m->endpoints[0].id);
	has("<requesterManaged>true</requesterManaged><status>in-use</status>");
	has("<privateIpAddress>10.0.1.10</privateIpAddress>");
	has("<interfaceType>vpc_endpoint</interfaceType>");
	has("<groupName>default</groupName>");
	element("networkInterfaceId", id);
	element("macAddress", mac);
	ec2(CONS, "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=%s", id);
	assert_int_equal(times("<networkInterfaceId>"), 1);
	ec2(CONS, "Action=DescribeNetworkInterfaces&Filter.1.Name=mac-address&Filter.1.Value.1=%s",
	    mac);
	has("<networkInterfaceId>%s</networkInterfaceId>", id);
	ec2(CONS, "Action=DescribeNetworkInterfaces&Filter.1.Name=addresses.private-ip-address"
		  "&Filter.1.Value.1=10.0.1.*");
	assert_int_equal(times("<networkInterfaceId>"), 1);
	ec2(PROV, "Action=DescribeNetworkInterfaces&Filter.1.Name=interface-type"
		  "&Filter.1.Value.1=network_load_balancer");
	assert_int_equal(times("<networkInterfaceId>"), 3);
	has("<description>ELB net/web/");
	/* Packets have this MAC: that of a node, not of an endpoint. */
	cv_mac_of_ip(cv_mac_prefix(vpc_p) | CV_MAC_NODE, ip("10.0.1.10"), bytes);
	has("<macAddress>%s</macAddress><privateIpAddress>10.0.1.10<", cv_mac_str(bytes, mac));
	ec2(PROV,
	    "Action=DescribeNetworkInterfaces&Filter.1.Name=description&Filter.1.Value.1=ELB+net/free/*");
	assert_int_equal(times("<networkInterfaceId>"), 1);
	ec2(PROV, "Action=DescribeNetworkInterfaces&Filter.1.Name=tag-key&Filter.1.Value.1=*");
	assert_string_equal(got, "<networkInterfaceSet/>");
	ec2_fails(PROV, "InvalidNetworkInterfaceID.NotFound",
		  "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=%s", id);
	ec2_fails(PROV, "InvalidNetworkInterfaceId.Malformed",
		  "Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=x");
}

/* ---- security groups ---- */

static void group_is_made_used_and_removed(void **state)
{
	char sg[128], rule[128];

	(void)state;
	ec2(CONS,
	    "Action=CreateSecurityGroup&GroupName=web+servers&GroupDescription=for+tests&VpcId=%s" TAGS(
		    "security-group"),
	    vpc_c);
	element("groupId", sg);
	has("<tagSet><item><key>env</key><value>prod</value></item></tagSet>");
	ec2(CONS,
	    "Action=AuthorizeSecurityGroupIngress&GroupId=%s&IpPermissions.1.IpProtocol=tcp"
	    "&IpPermissions.1.FromPort=80&IpPermissions.1.ToPort=81"
	    "&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"
	    "&IpPermissions.1.IpRanges.2.CidrIp=192.168.0.0/16",
	    sg);
	has("<return>true</return><securityGroupRuleSet><item><securityGroupRuleId>sgr-");
	has("<groupId>%s</groupId><groupOwnerId>222222222222</groupOwnerId><isEgress>false</isEgress>"
	    "<ipProtocol>tcp</ipProtocol><fromPort>80</fromPort><toPort>81</toPort>"
	    "<cidrIpv4>10.0.0.0/8</cidrIpv4>",
	    sg);
	assert_int_equal(times("<item>"), 2);
	ec2_fails(
		CONS, "InvalidPermission.Duplicate",
		"Action=AuthorizeSecurityGroupIngress&GroupId=%s&IpProtocol=tcp&FromPort=80&ToPort=81"
		"&CidrIp=10.0.0.0/8",
		sg);
	ec2(CONS, "Action=AuthorizeSecurityGroupIngress&GroupId=%s&IpProtocol=-1&CidrIp=0.0.0.0/0",
	    sg);
	ec2(CONS, "Action=DescribeSecurityGroups&GroupId.1=%s", sg);
	has("<groupName>web servers</groupName><groupDescription>for tests</groupDescription>");
	assert_int_equal(times("<cidrIp>"), 4);
	has("<item><ipProtocol>-1</ipProtocol><groups/>");
	ec2(CONS, "Action=DescribeSecurityGroups&Filter.1.Name=description&Filter.1.Value.1=for*");
	assert_int_equal(times("<groupDescription>"), 1);
	ec2(CONS, "Action=DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1=%s",
	    sg);
	assert_int_equal(times("<securityGroupRuleId>"), 4);
	element("securityGroupRuleId", rule);
	ec2(CONS, "Action=RevokeSecurityGroupIngress&GroupId=%s&SecurityGroupRuleId.1=%s", sg,
	    rule);
	has("<return>true</return><unknownIpPermissionSet/>");
	ec2_fails(CONS, "InvalidSecurityGroupRuleId.NotFound",
		  "Action=RevokeSecurityGroupIngress&GroupId=%s&SecurityGroupRuleId.1=%s", sg,
		  rule);
	ec2_fails(
		CONS, "InvalidPermission.NotFound",
		"Action=RevokeSecurityGroupIngress&GroupId=%s&IpProtocol=tcp&FromPort=80&ToPort=81"
		"&CidrIp=10.0.0.0/8",
		sg);
	ec2(CONS,
	    "Action=AuthorizeSecurityGroupEgress&GroupId=%s&IpPermissions.1.IpProtocol=-1"
	    "&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8",
	    sg);
	has("<isEgress>true</isEgress>");
	make_service();
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s"
	    "&SubnetId.1=%s&SecurityGroupId.1=%s",
	    vpc_c, svc_name, sub_cb, sg);
	element("vpcEndpointId", ep);
	ec2_fails(CONS, "DependencyViolation", "Action=DeleteSecurityGroup&GroupId=%s", sg);
	ec2(CONS, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s", ep);
	ec2_fails(PROV, "InvalidGroup.NotFound", "Action=DeleteSecurityGroup&GroupId=%s", sg);
	ec2(CONS, "Action=DeleteSecurityGroup&GroupId=%s", sg);
	ec2_fails(CONS, "InvalidGroup.NotFound", "Action=DescribeSecurityGroups&GroupId.1=%s", sg);
}

static const char in[] = "Action=AuthorizeSecurityGroupIngress&GroupId=";

static void group_that_cannot_be_is_refused(void **state)
{
	static const char create[] = "Action=CreateSecurityGroup&GroupDescription=d&GroupName=";

	(void)state;
	ec2_fails(CONS, "VPCIdNotSpecified", "%sx", create);
	ec2_fails(CONS, "InvalidVpcID.NotFound", "%sx&VpcId=%s", create, vpc_p);
	ec2_fails(CONS, "InvalidParameterValue", "%sdefault&VpcId=%s", create, vpc_c);
	ec2_fails(CONS, "InvalidParameterValue", "%ssg-1&VpcId=%s", create, vpc_c);
	ec2_fails(CONS, "InvalidGroup.Duplicate", "%ssg&VpcId=%s", create, vpc_c);
	ec2(CONS, "%sx&VpcId=%s", create, vpc_c);
	element("groupId", svc);
	ec2_fails(CONS, "UnsupportedOperation",
		  "%s%s&IpProtocol=50&FromPort=1&ToPort=2&CidrIp=0.0.0.0/0", in, svc);
	ec2_fails(CONS, "InvalidParameterValue", "%s%s&IpProtocol=tcp&CidrIp=0.0.0.0/0", in, svc);
	ec2_fails(CONS, "InvalidParameterValue",
		  "%s%s&IpProtocol=tcp&FromPort=2&ToPort=1&CidrIp=0.0.0.0/0", in, svc);
	ec2_fails(CONS, "InvalidParameterValue",
		  "%s%s&IpProtocol=tcp&FromPort=1&ToPort=1&CidrIp=10.0.0.0", in, svc);
	ec2_fails(CONS, "MissingParameter", "%s%s", in, svc);
	ec2_fails(CONS, "MissingParameter", "%s%s&IpPermissions.1.IpProtocol=-1", in, svc);
	ec2_fails(CONS, "UnsupportedOperation",
		  "%s%s&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId=%s"
		  "&IpPermissions.1.Groups.1.UserId=111111111111",
		  in, svc, svc);
	ec2_fails(CONS, "InvalidGroup.NotFound",
		  "%s%s&IpPermissions.1.IpProtocol=-1&IpPermissions.1.Groups.1.GroupId=%s", in, svc,
		  id_of(CV_MODEL_SG, "p", "sg"));
	ec2_fails(CONS, "OperationNotPermitted", "%s%s&IpProtocol=-1&CidrIp=0.0.0.0/0", in, sg_c);
	ec2_fails(CONS, "OperationNotPermitted", "Action=DeleteSecurityGroup&GroupId=%s", sg_c);
}

static void default_group_is_shown(void **state)
{
	char sg[128];

	(void)state;
	ec2(CONS,
	    "Action=DescribeSecurityGroups&Filter.1.Name=group-name&Filter.1.Value.1=default");
	assert_int_equal(times("<groupDescription>"), 1);
	has("<vpcId>%s</vpcId>", vpc_c);
	element("groupId", sg);
	has("<ipProtocol>-1</ipProtocol><groups><item><userId>222222222222</userId><groupId>%s<",
	    sg);
	ec2(CONS, "Action=DescribeSecurityGroups&GroupId.1=%s", sg);
	assert_int_equal(times("<groupDescription>"), 1);
	ec2_fails(PROV, "InvalidGroup.NotFound", "Action=DescribeSecurityGroups&GroupId.1=%s", sg);
	ec2_fails(CONS, "CannotDelete", "Action=DeleteSecurityGroup&GroupId=%s", sg);
	ec2(CONS, "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=k&Tag.1.Value=v", sg);
	ec2(CONS, "Action=DescribeSecurityGroups&Filter.1.Name=tag:k&Filter.1.Value.1=v");
	has("<groupId>%s</groupId>", sg);
	ec2(CONS, "%s%s&IpProtocol=tcp&FromPort=1&ToPort=2&CidrIp=10.9.0.0/16", in, sg);
	ec2(CONS, "Action=DescribeSecurityGroups&GroupId.1=%s", sg);
	has("<cidrIp>10.9.0.0/16</cidrIp>");
}

static void file_may_have_a_default_group(void **state)
{
	(void)state;
	no_error(add_vpc("d", "cons", "10.7.0.0/16", 44));
	no_error(add_sg("d", "default"));
	no_error(add_subnet("d", "a", "10.7.1.0/24", "us-east-1b", NULL));
	ec2(CONS,
	    "Action=DescribeSecurityGroups&Filter.1.Name=group-name&Filter.1.Value.1=default"
	    "&Filter.2.Name=vpc-id&Filter.2.Value.1=%s",
	    id_of(CV_MODEL_VPC, NULL, "d"));
	assert_int_equal(times("<groupDescription>"), 1);
	has("<groupId>%s</groupId>", id_of(CV_MODEL_SG, "d", "default"));
	ec2_fails(CONS, "OperationNotPermitted", "%s%s&IpProtocol=-1&CidrIp=0.0.0.0/0", in,
		  id_of(CV_MODEL_SG, "d", "default"));
	make_service();
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s"
	    "&SubnetId.1=%s",
	    id_of(CV_MODEL_VPC, NULL, "d"), svc_name, id_of(CV_MODEL_SUBNET, "d", "a"));
	has("<groupId>%s</groupId><groupName>default</groupName>",
	    id_of(CV_MODEL_SG, "d", "default"));
}

/* ---- VPCs and subnets ---- */

static void subnet_is_made_and_removed(void **state)
{
	static const char create[] = "Action=CreateSubnet&VpcId=";
	char id[128];

	(void)state;
	ec2(CONS, "%s%s&CidrBlock=10.0.9.0/24&AvailabilityZone=us-east-1b" TAGS("subnet"), create,
	    vpc_c);
	element("subnetId", id);
	has("<subnet><subnetId>%s</subnetId><subnetArn>arn:aws:ec2:us-east-1:222222222222:subnet/%s<",
	    id, id);
	has("<availableIpAddressCount>251</availableIpAddressCount>"
	    "<availabilityZone>us-east-1b</availabilityZone>"
	    "<availabilityZoneId>use1-az1</availabilityZoneId>");
	has("<tagSet><item><key>env</key><value>prod</value></item></tagSet></subnet>");
	ec2(CONS, "Action=DescribeSubnets&SubnetId.1=%s", id);
	assert_int_equal(times("<subnetId>"), 1);
	ec2(CONS, "%s%s&CidrBlock=10.0.10.0/24&AvailabilityZoneId=use1-az2", create, vpc_c);
	has("<availabilityZone>us-east-1a</availabilityZone>");
	ec2_fails(CONS, "InvalidSubnet.Conflict", "%s%s&CidrBlock=10.0.9.0/25", create, vpc_c);
	ec2_fails(CONS, "InvalidSubnet.Range", "%s%s&CidrBlock=10.1.0.0/24", create, vpc_c);
	ec2_fails(CONS, "InvalidSubnet.Range", "%s%s&CidrBlock=10.0.11.0/29", create, vpc_c);
	ec2_fails(CONS, "InvalidParameterValue", "%s%s&CidrBlock=10.0.11.0/33", create, vpc_c);
	ec2_fails(CONS, "InvalidParameterValue", "%s%s&CidrBlock=10.0.11.1", create, vpc_c);
	/* What is set below the length is cut. */
	ec2(CONS, "%s%s&CidrBlock=10.0.12.77/24", create, vpc_c);
	has("<cidrBlock>10.0.12.0/24</cidrBlock>");
	ec2_fails(CONS, "InvalidParameterValue",
		  "%s%s&CidrBlock=10.0.11.0/24&AvailabilityZone=use1-az1", create, vpc_c);
	ec2_fails(CONS, "InvalidParameterValue",
		  "%s%s&CidrBlock=10.0.11.0/24&AvailabilityZoneId=use1-az3", create, vpc_c);
	ec2_fails(CONS, "MissingParameter", "%s%s", create, vpc_c);
	ec2_fails(CONS, "InvalidVpcID.NotFound", "%s%s&CidrBlock=10.0.11.0/24", create, vpc_p);
	/* Attributes are what they are. */
	ec2(CONS, "Action=ModifySubnetAttribute&SubnetId=%s&MapPublicIpOnLaunch.Value=false", id);
	assert_string_equal(got, "<return>true</return>");
	ec2(CONS, "Action=ModifySubnetAttribute&SubnetId=%s&PrivateDnsHostnameTypeOnLaunch=ip-name",
	    id);
	ec2_fails(CONS, "UnsupportedOperation",
		  "Action=ModifySubnetAttribute&SubnetId=%s&MapPublicIpOnLaunch.Value=true", id);
	assert_string_equal(err_text, "The attribute MapPublicIpOnLaunch is always false here");
	ec2_fails(CONS, "UnsupportedOperation",
		  "Action=ModifySubnetAttribute&SubnetId=%s"
		  "&PrivateDnsHostnameTypeOnLaunch=resource-name",
		  id);
	ec2_fails(PROV, "InvalidSubnetID.NotFound", "Action=ModifySubnetAttribute&SubnetId=%s", id);
	ec2_fails(CONS, "MissingParameter", "Action=ModifySubnetAttribute");
	make_service();
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s"
	    "&SubnetId.1=%s",
	    vpc_c, svc_name, id);
	element("vpcEndpointId", ep);
	ec2_fails(CONS, "DependencyViolation", "Action=DeleteSubnet&SubnetId=%s", id);
	ec2(CONS, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s", ep);
	ec2_fails(PROV, "InvalidSubnetID.NotFound", "Action=DeleteSubnet&SubnetId=%s", id);
	ec2(CONS, "Action=DeleteSubnet&SubnetId=%s", id);
	assert_string_equal(got, "<return>true</return>");
	ec2_fails(CONS, "InvalidSubnetID.NotFound", "Action=DescribeSubnets&SubnetId.1=%s", id);
	ec2_fails(CONS, "OperationNotPermitted", "Action=DeleteSubnet&SubnetId=%s", sub_ca);
}

static void set_aside(const char *port, uint16_t first, uint16_t last, const char *account)
{
	const struct cv_model_pool_req req = {.port = port,
					      .vlan_first = first,
					      .vlan_last = last,
					      .accounts = &account,
					      .n_accounts = 1};

	no_error(cv_model_pool_add(m, &req, &errs));
}

static void CV_PRINTF(1, 2) of_elb(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must(AWS_ELBV2, CONS, fmt, ap);
	va_end(ap);
}

#define ASSOCIATE "Action=AssociateVpcCidrBlock&VpcId=%s&CidrBlock="

static void vpc_gets_more_cidrs(void **state)
{
	char vpc[128], first[128], more[128];

	(void)state;
	set_aside("p0", 100, 101, "222222222222");
	ec2(CONS, "Action=CreateVpc&CidrBlock=10.77.0.0/16");
	element("vpcId", vpc);
	element("associationId", first);
	ec2_fails(CONS, "InvalidSubnet.Range",
		  "Action=CreateSubnet&VpcId=%s&CidrBlock=10.78.1.0/24&AvailabilityZone=us-east-1b",
		  vpc);
	ec2(CONS, ASSOCIATE "10.78.3.1/16", vpc);
	has("<cidrBlockAssociation><cidrBlock>10.78.0.0/16</cidrBlock>");
	has("<state>associating</state>");
	has("<vpcId>%s</vpcId>", vpc);
	element("associationId", more);
	assert_true(cv_id_is(more, "vpc-cidr-assoc-", 17));
	assert_string_not_equal(more, first);
	ec2(CONS,
	    "Action=DescribeVpcs&Filter.1.Name=cidr-block-association.association-id"
	    "&Filter.1.Value.1=%s",
	    more);
	has("<vpcId>%s</vpcId>", vpc);
	has("<state>available</state><cidrBlock>10.77.0.0/16</cidrBlock>");
	has("<item><cidrBlock>10.78.0.0/16</cidrBlock><associationId>%s</associationId>"
	    "<cidrBlockState><state>associated</state></cidrBlockState></item>",
	    more);
	ec2(CONS, "Action=DescribeVpcs&Filter.1.Name=cidr&Filter.1.Value.1=10.78.0.0%%2F16");
	has_not("%s", vpc);
	ec2(CONS, "Action=DescribeVpcs&Filter.1.Name=cidr-block-association.cidr-block"
		  "&Filter.1.Value.1=10.78.0.0%%2F16");
	has("<vpcId>%s</vpcId>", vpc);
	/* Five at most, none that overlaps, none that cannot be. */
	ec2_fails(CONS, "InvalidVpc.Range", ASSOCIATE "10.78.9.0/24", vpc);
	ec2_fails(CONS, "InvalidVpc.Range", ASSOCIATE "10.77.0.0/16", vpc);
	ec2_fails(CONS, "InvalidVpc.Range", ASSOCIATE "10.80.0.0/15", vpc);
	ec2_fails(CONS, "InvalidVpc.Range", ASSOCIATE "10.80.0.0/29", vpc);
	ec2_fails(CONS, "InvalidVpc.Range", ASSOCIATE "127.1.0.0/16", vpc);
	ec2_fails(CONS, "InvalidParameterValue", ASSOCIATE "10.80.0.0", vpc);
	ec2_fails(CONS, "MissingParameter", "Action=AssociateVpcCidrBlock&VpcId=%s", vpc);
	ec2_fails(CONS, "UnsupportedOperation",
		  "Action=AssociateVpcCidrBlock&VpcId=%s&AmazonProvidedIpv6CidrBlock=true", vpc);
	ec2_fails(PROV, "InvalidVpcID.NotFound", ASSOCIATE "10.80.0.0/16", vpc);
	for (unsigned int i = 0; i < 3; i++)
		ec2(CONS, ASSOCIATE "10.%u.0.0/16", vpc, 80 + i);
	ec2_fails(CONS, "CidrLimitExceeded", ASSOCIATE "10.90.0.0/16", vpc);
	ec2(CONS, "Action=DeleteVpc&VpcId=%s", vpc);
}

static void vpc_gives_cidrs_back(void **state)
{
	char vpc[128], subnet[128], first[128], more[128], tg[256];

	(void)state;
	set_aside("p0", 100, 101, "222222222222");
	ec2(CONS, "Action=CreateVpc&CidrBlock=10.77.0.0/16");
	element("vpcId", vpc);
	element("associationId", first);
	for (unsigned int i = 0; i < 3; i++)
		ec2(CONS, ASSOCIATE "10.%u.0.0/16", vpc, 80 + i);
	ec2(CONS, ASSOCIATE "10.78.0.0/16", vpc);
	element("associationId", more);
	/* What is used stays, and the first always. */
	ec2(CONS, "Action=CreateSubnet&VpcId=%s&CidrBlock=10.78.1.0/24&AvailabilityZone=us-east-1b",
	    vpc);
	element("subnetId", subnet);
	ec2_fails(CONS, "DependencyViolation", "Action=DisassociateVpcCidrBlock&AssociationId=%s",
		  more);
	assert_non_null(strstr(err_text, subnet));
	ec2(CONS, "Action=DeleteSubnet&SubnetId=%s", subnet);
	of_elb("Action=CreateTargetGroup&TargetType=ip&Protocol=TCP&Port=80&Name=t&VpcId=%s", vpc);
	element("TargetGroupArn", tg);
	of_elb("Action=RegisterTargets&TargetGroupArn=%s&Targets.member.1.Id=10.78.1.9", tg);
	ec2_fails(CONS, "DependencyViolation", "Action=DisassociateVpcCidrBlock&AssociationId=%s",
		  more);
	of_elb("Action=DeleteTargetGroup&TargetGroupArn=%s", tg);
	ec2_fails(CONS, "OperationNotPermitted", "Action=DisassociateVpcCidrBlock&AssociationId=%s",
		  first);
	ec2_fails(PROV, "InvalidVpcCidrBlockAssociationID.NotFound",
		  "Action=DisassociateVpcCidrBlock&AssociationId=%s", more);
	ec2(CONS, "Action=DisassociateVpcCidrBlock&AssociationId=%s", more);
	has("<cidrBlock>10.78.0.0/16</cidrBlock><associationId>%s</associationId>"
	    "<cidrBlockState><state>disassociating</state></cidrBlockState></cidrBlockAssociation>"
	    "<vpcId>%s</vpcId>",
	    more, vpc);
	ec2_fails(CONS, "InvalidVpcCidrBlockAssociationID.NotFound",
		  "Action=DisassociateVpcCidrBlock&AssociationId=%s", more);
	ec2(CONS, "Action=DescribeVpcs&VpcId.1=%s", vpc);
	assert_int_equal(times("<associationId>"), 4);
	has_not("10.78.0.0");
	has("10.82.0.0/16");
	/* There is room again; and the file's VPCs are the file's. */
	ec2(CONS, ASSOCIATE "10.90.0.0/16", vpc);
	ec2_fails(PROV, "OperationNotPermitted", ASSOCIATE "10.90.0.0/16", vpc_p);
	ec2(CONS, "Action=DeleteVpc&VpcId=%s", vpc);
}

static void vpc_is_made_used_and_removed(void **state)
{
	char vpc[128], subnet[128], second[128];

	(void)state;
	set_aside("p0", 100, 101, "222222222222");
	ec2(CONS, "Action=CreateVpc&CidrBlock=10.77.3.1/16" TAGS("vpc"));
	element("vpcId", vpc);
	assert_true(cv_id_is(vpc, "vpc-", 17));
	has("<vpc><vpcId>%s</vpcId><ownerId>222222222222</ownerId><state>pending</state>"
	    "<cidrBlock>10.77.0.0/16</cidrBlock><cidrBlockAssociationSet><item>"
	    "<cidrBlock>10.77.0.0/16</cidrBlock>",
	    vpc);
	has("<tagSet><item><key>env</key><value>prod</value></item></tagSet>"
	    "<instanceTenancy>default</instanceTenancy><isDefault>false</isDefault></vpc>");
	ec2(CONS, "Action=DescribeVpcs&VpcId.1=%s", vpc);
	has("<state>available</state><cidrBlock>10.77.0.0/16</cidrBlock>");
	ec2_fails(PROV, "InvalidVpcID.NotFound", "Action=DescribeVpcs&VpcId.1=%s", vpc);
	/* All that endpoints need can be made in it. */
	ec2(CONS, "Action=CreateSubnet&VpcId=%s&CidrBlock=10.77.1.0/24&AvailabilityZone=us-east-1b",
	    vpc);
	element("subnetId", subnet);
	ec2_fails(CONS, "DependencyViolation", "Action=DeleteVpc&VpcId=%s", vpc);
	make_service();
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s"
	    "&SubnetId.1=%s",
	    vpc, svc_name, subnet);
	element("vpcEndpointId", ep);
	/* One more is set aside for the account, and none for the other. */
	ec2(CONS, "Action=CreateVpc&CidrBlock=10.77.0.0/28&InstanceTenancy=default");
	element("vpcId", second);
	assert_string_not_equal(vpc, second);
	ec2_fails(CONS, "VpcLimitExceeded", "Action=CreateVpc&CidrBlock=10.77.0.0/16");
	ec2_fails(PROV, "UnsupportedOperation", "Action=CreateVpc&CidrBlock=10.77.0.0/16");
	/* In the right order it goes, and its place is free again. */
	ec2_fails(CONS, "DependencyViolation", "Action=DeleteSubnet&SubnetId=%s", subnet);
	ec2(CONS, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s", ep);
	ec2(CONS, "Action=DeleteSubnet&SubnetId=%s", subnet);
	ec2_fails(PROV, "InvalidVpcID.NotFound", "Action=DeleteVpc&VpcId=%s", vpc);
	ec2(CONS, "Action=DeleteVpc&VpcId=%s", vpc);
	assert_string_equal(got, "<return>true</return>");
	ec2_fails(CONS, "InvalidVpcID.NotFound", "Action=DeleteVpc&VpcId=%s", vpc);
	ec2(CONS, "Action=CreateVpc&CidrBlock=10.77.0.0/16");
}

static void vpc_that_cannot_be_is_refused(void **state)
{
	static const char *const special[] = {"0.0.0.0/16",     "127.1.0.0/16",
					      "169.254.0.0/16", "169.254.169.240/28",
					      "224.0.0.0/16",   "255.255.255.240/28"};

	(void)state;
	set_aside("p0", 100, 101, "222222222222");
	ec2_fails(CONS, "MissingParameter", "Action=CreateVpc");
	ec2_fails(CONS, "InvalidParameterValue", "Action=CreateVpc&CidrBlock=10.0.0.0");
	ec2_fails(CONS, "InvalidParameterValue", "Action=CreateVpc&CidrBlock=10.0.0.0/33");
	ec2_fails(CONS, "InvalidVpc.Range", "Action=CreateVpc&CidrBlock=10.0.0.0/15");
	ec2_fails(CONS, "InvalidVpc.Range", "Action=CreateVpc&CidrBlock=10.0.0.0/29");
	for (size_t i = 0; i < CV_ARRAY_LEN(special); i++)
		ec2_fails(CONS, "InvalidVpc.Range", "Action=CreateVpc&CidrBlock=%s", special[i]);
	ec2_fails(CONS, "InvalidParameterValue",
		  "Action=CreateVpc&CidrBlock=10.0.0.0/16&InstanceTenancy=host");
	ec2_fails(CONS, "UnsupportedOperation",
		  "Action=CreateVpc&CidrBlock=10.0.0.0/16&AmazonProvidedIpv6CidrBlock=true");
	ec2_fails(CONS, "UnsupportedOperation",
		  "Action=CreateVpc&CidrBlock=10.0.0.0/16&Ipv4NetmaskLength=20");
	ec2_fails(CONS, "InvalidParameterValue",
		  "Action=CreateVpc&CidrBlock=10.0.0.0/16" TAGS("subnet"));
	/* Nothing was taken. */
	ec2(CONS, "Action=CreateVpc&CidrBlock=10.0.0.0/16");
	ec2(CONS, "Action=CreateVpc&CidrBlock=10.0.0.0/16&AmazonProvidedIpv6CidrBlock=false");
}

static void vpcs_have_a_quota(void **state)
{
	(void)state;
	set_aside("p0", 100, 300, "222222222222");
	for (uint32_t i = 0; i < CV_MODEL_POOL_VPCS_EACH; i++)
		ec2(CONS, "Action=CreateVpc&CidrBlock=10.0.0.0/16");
	ec2_fails(CONS, "VpcLimitExceeded", "Action=CreateVpc&CidrBlock=10.0.0.0/16");
	assert_string_equal(err_text, "The maximum number of VPCs has been reached.");
}

static void vpcs_are_the_operators(void **state)
{
	(void)state;
	ec2_fails(CONS, "UnsupportedOperation", "Action=CreateVpc&CidrBlock=10.0.0.0/16");
	ec2_fails(CONS, "OperationNotPermitted", "Action=DeleteVpc&VpcId=%s", vpc_c);
	ec2_fails(CONS, "InvalidVpcID.NotFound", "Action=DeleteVpc&VpcId=%s", vpc_p);
	ec2(CONS, "Action=DescribeVpcAttribute&VpcId=%s&Attribute=enableDnsHostnames", vpc_c);
	has("<vpcId>%s</vpcId><enableDnsHostnames><value>true</value></enableDnsHostnames>", vpc_c);
	ec2_fails(CONS, "InvalidVpcID.NotFound",
		  "Action=DescribeVpcAttribute&VpcId=%s&Attribute=enableDnsSupport", vpc_p);
	ec2(CONS, "Action=ModifyVpcAttribute&VpcId=%s&EnableDnsHostnames.Value=true", vpc_c);
	/* The operator's own words; the same again is no change. */
	ec2_fails(CONS, "OperationNotPermitted",
		  "Action=ModifyVpcAttribute&VpcId=%s&EnableDnsHostnames.Value=false", vpc_c);
	ec2_fails(CONS, "OperationNotPermitted",
		  "Action=ModifyVpcAttribute&VpcId=%s&EnableDnsSupport.Value=false", vpc_c);
	ec2_fails(CONS, "InvalidVpcID.NotFound",
		  "Action=ModifyVpcAttribute&VpcId=%s&EnableDnsSupport.Value=true", vpc_p);
	ec2_fails(CONS, "MissingParameter", "Action=ModifyVpcAttribute&VpcId=%s", vpc_c);
	ec2_fails(CONS, "InvalidParameterCombination",
		  "Action=ModifyVpcAttribute&VpcId=%s&EnableDnsSupport.Value=true"
		  "&EnableDnsHostnames.Value=true",
		  vpc_c);
	ec2_fails(CONS, "UnsupportedOperation",
		  "Action=ModifyVpcAttribute&VpcId=%s"
		  "&EnableNetworkAddressUsageMetrics.Value=true",
		  vpc_c);
	ec2(CONS, "Action=DescribeAccountAttributes&AttributeName.1=supported-platforms");
	has("<attributeName>supported-platforms</attributeName><attributeValueSet><item>"
	    "<attributeValue>VPC</attributeValue>");
	assert_int_equal(times("<attributeName>"), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(notification_is_kept),
		TEST(notification_that_cannot_be_is_refused),
		TEST(interfaces_are_told),
		TEST(interfaces_are_missed_by_their_ids),
		TEST(filters_that_aws_has_are_known),
		TEST(group_is_made_used_and_removed),
		TEST(group_that_cannot_be_is_refused),
		TEST(default_group_is_shown),
		TEST(file_may_have_a_default_group),
		TEST(subnet_is_made_and_removed),
		TEST(vpc_gets_more_cidrs),
		TEST(vpc_gives_cidrs_back),
		TEST(vpc_is_made_used_and_removed),
		TEST(vpc_that_cannot_be_is_refused),
		TEST(vpcs_have_a_quota),
		TEST(vpcs_are_the_operators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
