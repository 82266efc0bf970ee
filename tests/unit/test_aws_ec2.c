/* SPDX-License-Identifier: BSD-3-Clause */

/* The actions of EC2 that are PrivateLink: services, permissions, endpoints, connections, tags. */

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

/* ---- services ---- */

static void service_is_made_and_described(void **state)
{
	(void)state;
	ec2(PROV,
	    "Action=CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1=%s&ClientToken=t" TAGS(
		    "vpc-endpoint-service"),
	    lb_free);
	element("serviceId", svc);
	assert_true(cv_id_is(svc, "vpce-svc-", 17));
	has("<serviceConfiguration><serviceType><item><serviceType>Interface</serviceType></item>"
	    "</serviceType><serviceId>%s</serviceId>"
	    "<serviceName>com.amazonaws.vpce.us-east-1.%s</serviceName>"
	    "<serviceState>Available</serviceState>"
	    "<availabilityZoneSet><item>us-east-1a</item></availabilityZoneSet>"
	    "<acceptanceRequired>true</acceptanceRequired>"
	    "<managesVpcEndpoints>false</managesVpcEndpoints>"
	    "<networkLoadBalancerArnSet><item>%s</item></networkLoadBalancerArnSet>",
	    svc, svc, lb_free);
	has("<supportedIpAddressTypeSet><item>ipv4</item></supportedIpAddressTypeSet>");
	has("<baseEndpointDnsNameSet><item>%s.us-east-1.vpce.amazonaws.com</item>", svc);
	has("<privateDnsNameConfiguration/>");
	has("<tagSet><item><key>env</key><value>prod</value></item></tagSet>");
	has("</serviceConfiguration><clientToken>t</clientToken>");
	ec2(PROV, "Action=DescribeVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	assert_int_equal(times("<serviceId>"), 1);
	ec2(PROV, "Action=DescribeVpcEndpointServiceConfigurations");
	assert_int_equal(times("<serviceId>"), 2);
	has_not("nextToken");
	/* Nobody else's. */
	ec2(CONS, "Action=DescribeVpcEndpointServiceConfigurations");
	has("<serviceConfigurationSet/>");
	ec2_fails(CONS, "InvalidVpcEndpointServiceId.NotFound",
		  "Action=DescribeVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	ec2_fails(PROV, "InvalidVpcEndpointServiceIdId.Malformed",
		  "Action=DescribeVpcEndpointServiceConfigurations&ServiceId.1=web");
}

static void service_that_cannot_be_is_refused(void **state)
{
	static const char create[] = "Action=CreateVpcEndpointServiceConfiguration";

	(void)state;
	ec2_fails(PROV, "InvalidParameter", "%s", create);
	ec2_fails(PROV, "InvalidNetworkLoadBalancerArn.NotFound", "%s&NetworkLoadBalancerArn.1=%sx",
		  create, lb_free);
	ec2_fails(PROV, "InvalidNetworkLoadBalancerArn.NotFound",
		  "%s&NetworkLoadBalancerArn.1=free", create);
	ec2_fails(CONS, "InvalidNetworkLoadBalancerArn.NotFound", "%s&NetworkLoadBalancerArn.1=%s",
		  create, lb_free);
	/* One load balancer, one service. */
	ec2_fails(PROV, "InvalidParameter", "%s&NetworkLoadBalancerArn.1=%s", create, lb_web);
	ec2_fails(PROV, "InvalidParameter",
		  "%s&NetworkLoadBalancerArn.1=%s&NetworkLoadBalancerArn.2=%s", create, lb_free,
		  lb_free);
	ec2_fails(PROV, "UnsupportedOperation",
		  "%s&NetworkLoadBalancerArn.1=%s&GatewayLoadBalancerArn.1=x", create, lb_free);
	ec2_fails(PROV, "InvalidParameter",
		  "%s&NetworkLoadBalancerArn.1=%s&SupportedIpAddressType.1=ipv6", create, lb_free);
	ec2_fails(PROV, "InvalidParameterValue",
		  "%s&NetworkLoadBalancerArn.1=%s" TAGS("vpc-endpoint"), create, lb_free);
	/* A wrong private name leaves nothing behind. */
	ec2_fails(PROV, "InvalidParameter", "%s&NetworkLoadBalancerArn.1=%s&PrivateDnsName=UPPER",
		  create, lb_free);
	ec2(PROV, "Action=DescribeVpcEndpointServiceConfigurations");
	assert_int_equal(times("<serviceId>"), 1);
	ec2(PROV, "%s&NetworkLoadBalancerArn.1=%s&PrivateDnsName=db.example.com", create, lb_free);
	has("<privateDnsName>db.example.com</privateDnsName><privateDnsNameConfiguration>"
	    "<state>pendingVerification</state><type>TXT</type><value>vpce:");
}

static void service_is_changed(void **state)
{
	static const char modify[] = "Action=ModifyVpcEndpointServiceConfiguration&ServiceId=";
	char value[128];

	(void)state;
	make_service();
	ec2(PROV, "%s%s&AcceptanceRequired=false", modify, svc);
	assert_string_equal(got, "<return>true</return>");
	ec2(PROV, "%s%s&PrivateDnsName=*.example.com", modify, svc);
	ec2(PROV, "Action=DescribeVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	assert_string_equal(element("acceptanceRequired", value), "false");
	has("<privateDnsName>*.example.com</privateDnsName>");
	ec2_fails(PROV, "InvalidParameterCombination",
		  "%s%s&PrivateDnsName=a.example.com&RemovePrivateDnsName=true", modify, svc);
	ec2(PROV, "Action=StartVpcEndpointServicePrivateDnsVerification&ServiceId=%s", svc);
	assert_string_equal(got, "<return>true</return>");
	ec2(PROV, "%s%s&RemovePrivateDnsName=true", modify, svc);
	ec2_fails(PROV, "InvalidParameter",
		  "Action=StartVpcEndpointServicePrivateDnsVerification&ServiceId=%s", svc);
	ec2(PROV,
	    "Action=ModifyVpcEndpointServicePayerResponsibility&ServiceId=%s"
	    "&PayerResponsibility=ServiceOwner",
	    svc);
	ec2(PROV, "Action=DescribeVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	has("<privateDnsNameConfiguration/><payerResponsibility>ServiceOwner</payerResponsibility>");
	ec2_fails(PROV, "InvalidParameterValue",
		  "Action=ModifyVpcEndpointServicePayerResponsibility&ServiceId=%s"
		  "&PayerResponsibility=Nobody",
		  svc);
	ec2_fails(PROV, "InvalidParameter", "%s%s&RemoveNetworkLoadBalancerArn.1=%s", modify, svc,
		  lb_free);
	ec2_fails(PROV, "InvalidParameter", "%s%s&AddNetworkLoadBalancerArn.1=%s", modify, svc,
		  lb_web);
	ec2_fails(PROV, "InvalidParameter", "%s%s&RemoveSupportedIpAddressType.1=ipv4", modify,
		  svc);
	ec2_fails(CONS, "InvalidVpcEndpointServiceId.NotFound", "%s%s&AcceptanceRequired=true",
		  modify, svc);
	/* What is in the file is changed there. */
	ec2_fails(PROV, "OperationNotPermitted", "%s%s&AcceptanceRequired=true", modify,
		  m->services[0].id);
	ec2_fails(PROV, "OperationNotPermitted",
		  "Action=ModifyVpcEndpointServicePayerResponsibility&ServiceId=%s"
		  "&PayerResponsibility=ServiceOwner",
		  m->services[0].id);
	assert_int_equal(m->services[0].meta.n_attrs, 0);
}

static void service_goes_once_nobody_is_attached(void **state)
{
	char code[128];

	(void)state;
	make_service();
	make_endpoint();
	ec2(PROV,
	    "Action=DeleteVpcEndpointServiceConfigurations&ServiceId.1=%s&ServiceId.2=vpce-svc-0",
	    svc);
	has("<unsuccessful><item><error><code>ExistingVpcEndpointConnections</code><message>"
	    "Service has existing active VPC Endpoint connections!</message></error>"
	    "<resourceId>%s</resourceId></item>",
	    svc);
	has("<code>InvalidVpcEndpointServiceIdId.Malformed</code>");
	assert_int_equal(times("<item>"), 2);
	ec2(PROV,
	    "Action=DeleteVpcEndpointServiceConfigurations&ServiceId.1=vpce-svc-0123456789abcdef0");
	has("<code>InvalidVpcEndpointService.NotFound</code>");
	ec2_fails(PROV, "ExistingVpcEndpointConnections",
		  "Action=ModifyVpcEndpointServiceConfiguration&ServiceId=%s"
		  "&RemoveNetworkLoadBalancerArn.1=%s",
		  svc, lb_free);
	ec2(PROV, "Action=RejectVpcEndpointConnections&ServiceId=%s&VpcEndpointId.1=%s", svc, ep);
	ec2(PROV, "Action=DeleteVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	assert_string_equal(got, "<unsuccessful/>");
	state_is("failed");
	has("<lastError><message>The Vpc Endpoint Service &apos;%s&apos; does not exist</message><code>",
	    svc_name);
	assert_string_equal(element("code", code), "InvalidServiceName");
	/* The load balancer is free again. */
	make_service();
}

/* ---- permissions ---- */

static void permissions_are_kept(void **state)
{
	static const char modify[] = "Action=ModifyVpcEndpointServicePermissions&ServiceId=";
	static const char describe[] = "Action=DescribeVpcEndpointServicePermissions&ServiceId=";

	(void)state;
	make_service();
	ec2(PROV,
	    "%s%s&AddAllowedPrincipals.1=arn:aws:iam::222222222222:user/alice"
	    "&AddAllowedPrincipals.2=arn:aws:iam::333333333333:role/r&AddAllowedPrincipals.3=*",
	    modify, svc);
	has("<addedPrincipalSet><item><principalType>User</principalType>"
	    "<principal>arn:aws:iam::222222222222:user/alice</principal>"
	    "<servicePermissionId>vpce-svc-perm-");
	has("</addedPrincipalSet><return>true</return>");
	ec2(PROV, "%s%s", describe, svc);
	assert_int_equal(times("<serviceId>"), 4);
	has("<allowedPrincipals><item><principalType>Account</principalType><principal>" CONS);
	has("<principalType>Role</principalType>");
	has("<principalType>All</principalType><principal>*</principal>");
	ec2(PROV, "%s%s&Filter.1.Name=principal-type&Filter.1.Value.1=User", describe, svc);
	assert_int_equal(times("<serviceId>"), 1);
	ec2(PROV, "%s%s&Filter.1.Name=principal&Filter.1.Value.1=%%5C*", describe, svc);
	assert_int_equal(times("<serviceId>"), 1);
	ec2(PROV, "%s%s&RemoveAllowedPrincipals.1=*&RemoveAllowedPrincipals.2=" CONS, modify, svc);
	has("<addedPrincipalSet/>");
	ec2(PROV, "%s%s", describe, svc);
	assert_int_equal(times("<serviceId>"), 2);
	ec2_fails(PROV, "MissingParameter", "%s%s", modify, svc);
	ec2_fails(PROV, "InvalidPrincipal", "%s%s&AddAllowedPrincipals.1=bob", modify, svc);
	ec2_fails(PROV, "InvalidPrincipal",
		  "%s%s&AddAllowedPrincipals.1=arn:aws:iam::222222222222:user/path/alice", modify,
		  svc);
	ec2_fails(PROV, "UnknownPrincipalType.Unsupported",
		  "%s%s&AddAllowedPrincipals.1=arn:aws:iam::222222222222:group/g", modify, svc);
	ec2_fails(CONS, "InvalidVpcEndpointServiceId.NotFound", "%s%s", describe, svc);
}

static void service_is_seen_by_those_who_may(void **state)
{
	static const char describe[] = "Action=DescribeVpcEndpointServices";

	(void)state;
	make_service();
	ec2(CONS, "%s&ServiceName.1=%s", describe, svc_name);
	has("<serviceNameSet><item>%s</item></serviceNameSet>", svc_name);
	/* The provider's us-east-1a is this account's us-east-1b. */
	has("<availabilityZoneSet><item>us-east-1b</item></availabilityZoneSet><owner>111111111111<");
	has("<vpcEndpointPolicySupported>false</vpcEndpointPolicySupported>"
	    "<acceptanceRequired>true</acceptanceRequired>");
	ec2(CONS, "%s&Filter.1.Name=owner&Filter.1.Value.1=111111111111", describe);
	assert_int_equal(times("<serviceId>"), 2);
	/* Tags are the owner's. */
	ec2(PROV, "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=secret", svc);
	ec2(CONS, "%s&ServiceName.1=%s", describe, svc_name);
	has("<tagSet/>");
	ec2(CONS, "%s&Filter.1.Name=tag-key&Filter.1.Value.1=secret", describe);
	has("<serviceNameSet/>");
	ec2(PROV, "%s&Filter.1.Name=tag-key&Filter.1.Value.1=secret", describe);
	has("<tagSet><item><key>secret</key><value/></item></tagSet>");
	ec2(CONS, "%s&Filter.1.Name=owner&Filter.1.Value.1=amazon", describe);
	assert_string_equal(got, "<serviceNameSet/><serviceDetailSet/>");
	ec2("arn:aws:iam::333333333333:root", "%s", describe);
	assert_string_equal(got, "<serviceNameSet/><serviceDetailSet/>");
	ec2_fails("arn:aws:iam::333333333333:root", "InvalidServiceName", "%s&ServiceName.1=%s",
		  describe, svc_name);
	ec2_fails(CONS, "InvalidServiceName", "%s&ServiceName.1=%s", describe, svc);
	ec2(PROV,
	    "Action=ModifyVpcEndpointServicePermissions&ServiceId=%s"
	    "&RemoveAllowedPrincipals.1=" CONS,
	    svc);
	ec2_fails(CONS, "InvalidServiceName", "%s&ServiceName.1=%s", describe, svc_name);
	ec2(PROV, "%s&ServiceName.1=%s", describe, svc_name);
}

/* ---- endpoints ---- */

static void endpoint_is_made_and_described(void **state)
{
	(void)state;
	make_service();
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s"
	    "&SecurityGroupId.1=%s&DnsOptions.DnsRecordIpType=service-defined"
	    "&ClientToken=x" TAGS("vpc-endpoint"),
	    vpc_c, svc_name, sub_cb, sg_c);
	element("vpcEndpointId", ep);
	assert_true(cv_id_is(ep, "vpce-", 17));
	has("<vpcEndpointType>Interface</vpcEndpointType><vpcId>%s</vpcId><serviceName>%s</serviceName>"
	    "<state>pendingAcceptance</state>",
	    vpc_c, svc_name);
	has("<routeTableIdSet/><subnetIdSet><item>%s</item></subnetIdSet><networkInterfaceIdSet><item>eni-",
	    sub_cb);
	has("<groupSet><item><groupId>%s</groupId><groupName>sg</groupName></item></groupSet>",
	    sg_c);
	has("<dnsOptions><dnsRecordIpType>service-defined</dnsRecordIpType></dnsOptions>");
	has("<privateDnsEnabled>false</privateDnsEnabled><requesterManaged>false</requesterManaged>"
	    "<dnsEntrySet><item><dnsName>%s-",
	    ep);
	has("-us-east-1b.%s.us-east-1.vpce.amazonaws.com</dnsName>"
	    "<hostedZoneId>Z7HUB22UULQXV</hostedZoneId></item></dnsEntrySet>",
	    svc);
	assert_int_equal(times("<dnsName>"), 2);
	has("<creationTimestamp>2026-11-21T21:30:11.000Z</creationTimestamp>"
	    "<tagSet><item><key>env</key><value>prod</value></item></tagSet>"
	    "<ownerId>222222222222</ownerId></vpcEndpoint><clientToken>x</clientToken>");
	has_not("lastError");
	ec2(CONS, "Action=DescribeVpcEndpoints");
	assert_int_equal(times("<vpcEndpointId>"), 2);
	ec2(PROV, "Action=DescribeVpcEndpoints");
	assert_string_equal(got, "<vpcEndpointSet/>");
	ec2_fails(PROV, "InvalidVpcEndpointId.NotFound",
		  "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	ec2_fails(CONS, "InvalidVpcEndpointId.Malformed",
		  "Action=DescribeVpcEndpoints&VpcEndpointId.1=ep");
}

/* Acceptance is asked of it all the same. */
static void own_account_needs_no_permission(void **state)
{
	static const char create[] = "Action=CreateVpcEndpoint&VpcEndpointType=Interface";
	char text[128];

	(void)state;
	make_service();
	ec2(PROV,
	    "Action=ModifyVpcEndpointServicePermissions&ServiceId=%s"
	    "&RemoveAllowedPrincipals.1=" CONS,
	    svc);
	ec2_fails(CONS, "InvalidServiceName", "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s", create,
		  vpc_c, svc_name, sub_cb);
	ec2("arn:aws:iam::111111111111:user/bob", "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s",
	    create, vpc_p, svc_name, sub_pa);
	assert_string_equal(element("state", text), "pendingAcceptance");
	ec2(PROV,
	    "Action=DescribeVpcEndpointConnections&Filter.1.Name=service-id&Filter.1.Value.1=%s",
	    svc);
	assert_string_equal(element("vpcEndpointOwner", text), "111111111111");
}

static void endpoint_that_cannot_be_is_refused(void **state)
{
	static const char create[] = "Action=CreateVpcEndpoint&VpcEndpointType=Interface";
	const char *third = id_of(CV_MODEL_SUBNET, "c", "b2");

	(void)state;
	make_service();
	ec2_fails(CONS, "InvalidVpcID.NotFound", "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s", create,
		  vpc_p, svc_name, sub_cb);
	ec2_fails(CONS, "InvalidVpcID.Malformed", "%s&VpcId=c&ServiceName=%s&SubnetId.1=%s", create,
		  svc_name, sub_cb);
	ec2_fails(CONS, "InvalidServiceName", "%s&VpcId=%s&ServiceName=web&SubnetId.1=%s", create,
		  vpc_c, sub_cb);
	assert_string_equal(err_text, "The Vpc Endpoint Service 'web' does not exist");
	ec2_fails(CONS, "InvalidSubnetID.NotFound", "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s",
		  create, vpc_c, svc_name, sub_pa);
	ec2_fails(CONS, "InvalidSubnetID.Malformed", "%s&VpcId=%s&ServiceName=%s&SubnetId.1=b",
		  create, vpc_c, svc_name);
	ec2_fails(CONS, "InvalidSecurityGroupId.NotFound",
		  "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s&SecurityGroupId.1=sg-0123456789abcdef0",
		  create, vpc_c, svc_name, sub_cb);
	ec2_fails(CONS, "DuplicateSubnetsInSameZone",
		  "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s&SubnetId.2=%s", create, vpc_c, svc_name,
		  sub_cb, third);
	ec2_fails(CONS, "InvalidParameter", "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s", create,
		  vpc_c, svc_name, sub_ca);
	if (strstr(err_text, sub_ca) == NULL ||
	    strstr(err_text, "does not support the availability "
			     "zone of the subnet") == NULL)
		fail_msg("%s", err_text);
	ec2_fails(CONS, "InvalidParameter",
		  "Action=CreateVpcEndpoint&VpcId=%s&ServiceName=%s&SubnetId.1=%s", vpc_c, svc_name,
		  sub_cb);
	assert_string_equal(err_text, "Subnet IDs are only supported for Interface and "
				      "GatewayLoadBalancer type VPC Endpoints.");
	ec2_fails(CONS, "InvalidParameter", "Action=CreateVpcEndpoint&VpcId=%s&ServiceName=%s",
		  vpc_c, svc_name);
	ec2_fails(CONS, "InvalidVpcEndpointType",
		  "Action=CreateVpcEndpoint&VpcId=%s&ServiceName=%s&VpcEndpointType=interface",
		  vpc_c, svc_name);
	ec2_fails(CONS, "InvalidParameter",
		  "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s&PrivateDnsEnabled=true", create, vpc_c,
		  svc_name, sub_cb);
	ec2_fails(CONS, "InvalidParameter",
		  "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s&RouteTableId.1=rtb-1", create, vpc_c,
		  svc_name, sub_cb);
	ec2_fails(CONS, "InvalidParameter",
		  "%s&VpcId=%s&ServiceName=%s&SubnetId.1=%s&PolicyDocument={}", create, vpc_c,
		  svc_name, sub_cb);
	ec2(CONS, "Action=DescribeVpcEndpoints");
	assert_int_equal(times("<vpcEndpointId>"), 1);
}

static void endpoint_without_group_has_the_default_one(void **state)
{
	static const char modify[] = "Action=ModifyVpcEndpoint&VpcEndpointId=";
	char sg[128];

	(void)state;
	make_service();
	make_endpoint();
	has("<groupName>default</groupName>");
	element("groupId", sg);
	/* It may be named. */
	ec2(CONS, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s", ep);
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s"
	    "&SecurityGroupId.1=%s",
	    vpc_c, svc_name, sub_cb, sg);
	element("vpcEndpointId", ep);
	has("<groupId>%s</groupId>", sg);
	/* Another beside it, then in its place, and back: as Terraform's association does. */
	ec2(CONS, "%s%s&AddSecurityGroupId.1=%s", modify, ep, sg_c);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<groupSet><item><groupId>%s</groupId><groupName>default</groupName></item>"
	    "<item><groupId>%s</groupId>",
	    sg, sg_c);
	ec2(CONS, "%s%s&RemoveSecurityGroupId.1=%s", modify, ep, sg);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<groupSet><item><groupId>%s</groupId><groupName>sg</groupName></item></groupSet>",
	    sg_c);
	ec2_fails(CONS, "InvalidParameter", "%s%s&RemoveSecurityGroupId.1=%s", modify, ep, sg);
	ec2_fails(CONS, "InvalidParameter", "%s%s&RemoveSecurityGroupId.1=%s", modify, ep, sg_c);
	assert_string_equal(err_text, "An endpoint must have at least one security group");
	ec2(CONS, "%s%s&AddSecurityGroupId.1=%s&RemoveSecurityGroupId.1=%s", modify, ep, sg, sg_c);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<groupSet><item><groupId>%s</groupId><groupName>default</groupName></item></groupSet>",
	    sg);
}

static void endpoint_is_changed(void **state)
{
	(void)state;
	make_service();
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s",
	    vpc_c, m->services[0].service_name, sub_ca);
	element("vpcEndpointId", ep);
	ec2(CONS, "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSubnetId.1=%s", ep, sub_cb);
	assert_string_equal(got, "<return>true</return>");
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	assert_int_equal(times("<item>eni-"), 2);
	assert_int_equal(times("<dnsName>"), 3);
	ec2_fails(CONS, "DuplicateSubnetsInSameZone",
		  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddSubnetId.1=%s", ep,
		  id_of(CV_MODEL_SUBNET, "c", "b2"));
	ec2(CONS, "Action=ModifyVpcEndpoint&VpcEndpointId=%s&RemoveSubnetId.1=%s", ep, sub_ca);
	ec2_fails(CONS, "InvalidSubnetId.NotFound",
		  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&RemoveSubnetId.1=%s", ep, sub_ca);
	ec2_fails(CONS, "InvalidParameter",
		  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&AddRouteTableId.1=rtb-1", ep);
	ec2_fails(PROV, "InvalidVpcEndpointId.NotFound",
		  "Action=ModifyVpcEndpoint&VpcEndpointId=%s&RemoveSubnetId.1=%s", ep, sub_cb);
	ec2(CONS, "Action=ModifyVpcEndpoint&VpcEndpointId=%s&ResetPolicy=true", ep);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<dnsOptions><dnsRecordIpType>ipv4</dnsRecordIpType></dnsOptions>");
	ec2(CONS,
	    "Action=ModifyVpcEndpoint&VpcEndpointId=%s&DnsOptions.DnsRecordIpType=service-defined",
	    ep);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<dnsOptions><dnsRecordIpType>service-defined</dnsRecordIpType></dnsOptions>");
}

static void private_name_is_an_entry_once_proven(void **state)
{
	struct cv_model_service_change verified = {.acceptance_required = CV_MODEL_KEEP,
						   .dns_state = CV_MODEL_DNS_VERIFIED};
	const struct cv_model_by owner = {.account = CV_MODEL_NONE, .now = 1};

	(void)state;
	make_service();
	ec2(PROV,
	    "Action=ModifyVpcEndpointServiceConfiguration&ServiceId=%s&PrivateDnsName=db.example.com",
	    svc);
	verified.service = svc;
	no_error(cv_model_service_change(m, &owner, &verified, &errs));
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s"
	    "&PrivateDnsEnabled=false",
	    vpc_c, svc_name, sub_cb);
	has("<privateDnsEnabled>false</privateDnsEnabled>");
	has_not("db.example.com");
	/* A request that waits holds no name unless it says so. */
	make_endpoint();
	has("<state>pendingAcceptance</state>");
	has("<privateDnsEnabled>false</privateDnsEnabled>");
	/* By default it has the name. */
	ec2(PROV,
	    "Action=ModifyVpcEndpointServiceConfiguration&ServiceId=%s&AcceptanceRequired=false",
	    svc);
	make_endpoint();
	has("<privateDnsEnabled>true</privateDnsEnabled>");
	has("<dnsName>db.example.com</dnsName>");
	ec2_fails(
		CONS, "InvalidParameter",
		"Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s",
		vpc_c, svc_name, sub_cb);
	assert_non_null(strstr(err_text, "already a conflicting DNS domain for db.example.com"));
	ec2(PROV, "Action=RejectVpcEndpointConnections&ServiceId=%s&VpcEndpointId.1=%s", svc, ep);
	ec2(PROV,
	    "Action=ModifyVpcEndpointServiceConfiguration&ServiceId=%s&PrivateDnsName=x.example.com",
	    svc);
	ec2(CONS, "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	has_not("example.com");
}

static void endpoints_are_filtered(void **state)
{
	static const struct {
		const char *name, *value;
		uint32_t n;
	} rows[] = {
		{"vpc-endpoint-state", "pendingAcceptance", 2},
		{"vpc-endpoint-state", "available", 0},
		{"vpc-endpoint-type", "Interface", 2},
		{"vpc-endpoint-type", "Gateway", 0},
		{"ip-address-type", "ipv4", 2},
		{"service-name", "com.amazonaws.*", 2},
		{"service-name", "web", 0},
		{"vpc-id", "vpc-*", 2},
		{"tag-key", "env", 1},
		{"tag:env", "prod", 1},
		{"tag:env", "dev", 0},
	};

	(void)state;
	make_service();
	make_endpoint();
	ec2(CONS, "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=env&Tag.1.Value=prod", ep);
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		ec2(CONS, "Action=DescribeVpcEndpoints&Filter.1.Name=%s&Filter.1.Value.1=%s",
		    rows[i].name, rows[i].value);
		if (times("<vpcEndpointId>") != rows[i].n)
			fail_msg("%s=%s: %s", rows[i].name, rows[i].value, got);
	}
	ec2(CONS, "Action=DescribeVpcEndpoints&Filter.1.Name=vpc-endpoint-id&Filter.1.Value.1=%s",
	    ep);
	assert_int_equal(times("<vpcEndpointId>"), 1);
	ec2_fails(CONS, "InvalidFilter",
		  "Action=DescribeVpcEndpoints&Filter.1.Name=nope&Filter.1.Value.1=x");
}

static void endpoints_come_in_pages(void **state)
{
	char token[128], first[128], second[128];

	(void)state;
	make_service();
	make_endpoint();
	ec2(CONS, "Action=DescribeVpcEndpoints&MaxResults=1");
	assert_int_equal(times("<vpcEndpointId>"), 1);
	element("nextToken", token);
	element("vpcEndpointId", first);
	ec2(CONS, "Action=DescribeVpcEndpoints&MaxResults=1&NextToken=%s", token);
	assert_int_equal(times("<vpcEndpointId>"), 1);
	assert_string_not_equal(element("vpcEndpointId", second), first);
	has_not("nextToken");
	ec2(CONS, "Action=DescribeVpcEndpoints&MaxResults=5000");
	assert_int_equal(times("<vpcEndpointId>"), 2);
	ec2_fails(CONS, "InvalidNextToken", "Action=DescribeVpcEndpoints&NextToken=x");
	/* AWS names a least number for some. */
	ec2(CONS, "Action=DescribeVpcEndpointServices&MaxResults=1");
	ec2(CONS, "Action=DescribeVpcEndpointConnectionNotifications&MaxResults=1");
	ec2_fails(CONS, "InvalidParameterValue", "Action=DescribeVpcEndpointServices&MaxResults=0");
	ec2_fails(CONS, "InvalidParameterValue",
		  "Action=DescribeVpcEndpointConnections&MaxResults=4");
}

/* ---- connections ---- */

static void connection_is_accepted_and_rejected(void **state)
{
	static const char of[] = "VpcEndpointConnections&ServiceId=";

	(void)state;
	make_service();
	make_endpoint();
	ec2(PROV,
	    "Action=DescribeVpcEndpointConnections"
	    "&Filter.1.Name=vpc-endpoint-state&Filter.1.Value.1=pendingAcceptance"
	    "&Filter.2.Name=service-id&Filter.2.Value.1=%s",
	    svc);
	has("<vpcEndpointConnectionSet><item><serviceId>%s</serviceId><vpcEndpointId>%s</vpcEndpointId>"
	    "<vpcEndpointOwner>222222222222</vpcEndpointOwner>"
	    "<vpcEndpointState>pendingAcceptance</vpcEndpointState>"
	    "<creationTimestamp>2026-11-21T21:30:11.000Z</creationTimestamp>",
	    svc, ep);
	has("<networkLoadBalancerArnSet><item>%s</item></networkLoadBalancerArnSet>", lb_free);
	has("<vpcEndpointConnectionId>vpce-con-");
	assert_int_equal(times("<vpcEndpointId>"), 1);
	ec2(CONS, "Action=DescribeVpcEndpointConnections");
	assert_string_equal(got, "<vpcEndpointConnectionSet/>");
	/* Only the provider decides. */
	ec2_fails(CONS, "InvalidVpcEndpointServiceId.NotFound",
		  "Action=Accept%s%s&VpcEndpointId.1=%s", of, svc, ep);
	ec2(PROV, "Action=Accept%s%s&VpcEndpointId.1=%s", of, svc, ep);
	assert_string_equal(got, "<unsuccessful/>");
	state_is("pending");
	cv_model_advance(m, (uint64_t)calls_now + 1);
	state_is("available");
	ec2(PROV, "Action=Accept%s%s&VpcEndpointId.1=%s", of, svc, ep);
	assert_string_equal(got, "<unsuccessful/>");
	ec2(PROV, "Action=Reject%s%s&VpcEndpointId.1=%s", of, svc, ep);
	assert_string_equal(got, "<unsuccessful/>");
	state_is("rejected");
	ec2(PROV, "Action=Accept%s%s&VpcEndpointId.1=%s", of, svc, ep);
	state_is("pending");
	/* The others of a list are done all the same. */
	ec2(PROV,
	    "Action=Reject%s%s&VpcEndpointId.1=vpce-0123456789abcdef0&VpcEndpointId.2=x"
	    "&VpcEndpointId.3=%s&VpcEndpointId.4=%s",
	    of, svc, ep, m->endpoints[0].id);
	has("<code>InvalidVpcEndpointId.NotFound</code>");
	has("<resourceId>vpce-0123456789abcdef0</resourceId>");
	has("<code>InvalidVpcEndpointId.Malformed</code>");
	assert_int_equal(times("<item>"), 3);
	state_is("rejected");
}

static void endpoint_goes(void **state)
{
	(void)state;
	make_service();
	make_endpoint();
	ec2(PROV, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<code>InvalidVpcEndpoint.NotFound</code>");
	ec2(CONS, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s&VpcEndpointId.2=%s", ep,
	    m->endpoints[0].id);
	has("<code>OperationNotPermitted</code>");
	assert_int_equal(times("<item>"), 1);
	state_is("deleting");
	has("<subnetIdSet/><networkInterfaceIdSet/><groupSet/>");
	ec2(CONS, "Action=DeleteVpcEndpoints&VpcEndpointId.1=%s", ep);
	has("<code>InvalidVpcEndpoint.NotFound</code>");
	cv_model_advance(m, (uint64_t)calls_now + 1);
	state_is("deleted");
	ec2(PROV, "Action=AcceptVpcEndpointConnections&ServiceId=%s&VpcEndpointId.1=%s", svc, ep);
	has("<code>InvalidState</code>");
	cv_model_advance(m, (uint64_t)calls_now + 1000);
	ec2_fails(CONS, "InvalidVpcEndpointId.NotFound",
		  "Action=DescribeVpcEndpoints&VpcEndpointId.1=%s", ep);
	/* Names are the file's, and no way to speak of what is in it. */
	ec2(PROV, "Action=AcceptVpcEndpointConnections&ServiceId=%s&VpcEndpointId.1=ep",
	    m->services[0].id);
	has("<code>InvalidVpcEndpointId.Malformed</code>");
	/* Nobody is attached any more. */
	ec2(PROV, "Action=DeleteVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	assert_string_equal(got, "<unsuccessful/>");
}

/* ---- tags ---- */

static void tags_come_and_go(void **state)
{
	(void)state;
	make_service();
	ec2(PROV,
	    "Action=CreateTags&ResourceId.1=%s&ResourceId.2=%s&Tag.1.Key=a&Tag.1.Value=1"
	    "&Tag.2.Key=b",
	    svc, vpc_p);
	assert_string_equal(got, "<return>true</return>");
	ec2(PROV, "Action=DescribeTags");
	assert_int_equal(times("<item>"), 4);
	has("<item><resourceId>%s</resourceId><resourceType>vpc-endpoint-service</resourceType>"
	    "<key>a</key><value>1</value></item>",
	    svc);
	ec2(PROV, "Action=DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=vpc"
		  "&Filter.2.Name=key&Filter.2.Value.1=b");
	assert_int_equal(times("<item>"), 1);
	has("<resourceId>%s</resourceId><resourceType>vpc</resourceType><key>b</key><value/>",
	    vpc_p);
	ec2(PROV,
	    "Action=DescribeTags&Filter.1.Name=tag:a&Filter.1.Value.1=1"
	    "&Filter.2.Name=resource-id&Filter.2.Value.1=%s",
	    svc);
	assert_int_equal(times("<item>"), 1);
	ec2(CONS, "Action=DescribeTags");
	assert_string_equal(got, "<tagSet/>");
	/* All or none. */
	ec2_fails(PROV, "InvalidVpcID.NotFound",
		  "Action=CreateTags&ResourceId.1=%s&ResourceId.2=%s&Tag.1.Key=c", svc, vpc_c);
	ec2_fails(PROV, "InvalidID", "Action=CreateTags&ResourceId.1=x&Tag.1.Key=c");
	ec2_fails(PROV, "InvalidParameterValue",
		  "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=aws:c", svc);
	ec2_fails(PROV, "InvalidParameterValue",
		  "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=c&Tag.2.Key=c", svc);
	ec2_fails(PROV, "MissingParameter", "Action=CreateTags&ResourceId.1=%s", svc);
	ec2(PROV, "Action=DescribeTags&Filter.1.Name=tag-key&Filter.1.Value.1=c");
	assert_string_equal(got, "<tagSet/>");
	/* A value that does not fit stays. */
	ec2(PROV, "Action=DeleteTags&ResourceId.1=%s&Tag.1.Key=a&Tag.1.Value=2&Tag.2.Key=b", svc);
	ec2(PROV, "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=%s", svc);
	assert_int_equal(times("<item>"), 1);
	ec2(PROV, "Action=DeleteTags&ResourceId.1=%s&Tag.1.Key=a", svc);
	ec2(PROV, "Action=DescribeTags&Filter.1.Name=resource-id&Filter.1.Value.1=%s", svc);
	assert_string_equal(got, "<tagSet/>");
	ec2(PROV, "Action=DeleteTags&ResourceId.1=%s&ResourceId.2=%s", svc, vpc_p);
	ec2(PROV, "Action=DescribeTags");
	assert_string_equal(got, "<tagSet/>");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(service_is_made_and_described),
		TEST(service_that_cannot_be_is_refused),
		TEST(service_is_changed),
		TEST(service_goes_once_nobody_is_attached),
		TEST(permissions_are_kept),
		TEST(service_is_seen_by_those_who_may),
		TEST(endpoint_is_made_and_described),
		TEST(own_account_needs_no_permission),
		TEST(endpoint_that_cannot_be_is_refused),
		TEST(endpoint_without_group_has_the_default_one),
		TEST(endpoint_is_changed),
		TEST(private_name_is_an_entry_once_proven),
		TEST(endpoints_are_filtered),
		TEST(endpoints_come_in_pages),
		TEST(connection_is_accepted_and_rejected),
		TEST(endpoint_goes),
		TEST(tags_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
