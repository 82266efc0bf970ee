/* SPDX-License-Identifier: BSD-3-Clause */

/* Elastic Load Balancing v2: load balancers, attributes, tags, pages; what is refused, who may not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aws_elb.h"

/* ---- load balancers ---- */

static void load_balancer_is_made_and_told(void **state)
{
	char again[256];

	(void)state;
	elb(PROV,
	    CREATE_LB "nlb&Scheme=internal&IpAddressType=ipv4&Subnets.member.1=%s"
		      "&Subnets.member.2=%s&SecurityGroups.member.1=%s"
		      "&Tags.member.1.Key=env&Tags.member.1.Value=prod",
	    sub_pa, sub_pb, id_of(CV_MODEL_SG, "p", "sg"));
	long_element("LoadBalancerArn", lb);
	has("<LoadBalancers><member><LoadBalancerArn>" ARN "loadbalancer/net/nlb/");
	has("<DNSName>nlb-%s.elb.us-east-1.amazonaws.com</DNSName>", strrchr(lb, '/') + 1);
	has("<CreatedTime>2026-11-21T21:30:11.000Z</CreatedTime><LoadBalancerName>nlb</LoadBalancerName>"
	    "<Scheme>internal</Scheme><VpcId>%s</VpcId><State><Code>provisioning</Code></State>"
	    "<Type>network</Type>",
	    vpc_p);
	has("<ZoneName>us-east-1b</ZoneName><SubnetId>%s</SubnetId><LoadBalancerAddresses/>",
	    sub_pb);
	has("<IpAddressType>ipv4</IpAddressType>"
	    "<EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic>on<");
	/* The same again is the same; something else of that name is not. */
	elb(PROV,
	    CREATE_LB "nlb&Subnets.member.1=%s&Subnets.member.2=%s&SecurityGroups.member.1=%s",
	    sub_pb, sub_pa, id_of(CV_MODEL_SG, "p", "sg"));
	long_element("LoadBalancerArn", again);
	assert_string_equal(again, lb);
	elb_fails(PROV, "DuplicateLoadBalancerName", CREATE_LB "nlb&Subnets.member.1=%s", sub_pa);
	elb(PROV, "Action=DescribeLoadBalancers&Names.member.1=nlb");
	assert_int_equal(times("<LoadBalancerArn>"), 1);
	elb(PROV, "Action=DescribeLoadBalancers&LoadBalancerArns.member.1=%s", lb);
	assert_int_equal(times("<LoadBalancerArn>"), 1);
	elb(PROV, "Action=DescribeLoadBalancers");
	assert_int_equal(times("<LoadBalancerArn>"), 3);
	elb(NOBODY, "Action=DescribeLoadBalancers");
	assert_string_equal(got, "<LoadBalancers/>");
	elb_fails(NOBODY, "LoadBalancerNotFound",
		  "Action=DescribeLoadBalancers&LoadBalancerArns.member.1=%s", lb);
	elb_fails(PROV, "LoadBalancerNotFound", "Action=DescribeLoadBalancers&Names.member.1=none");
	elb_fails(PROV, "ValidationError",
		  "Action=DescribeLoadBalancers&Names.member.1=nlb&LoadBalancerArns.member.1=%s",
		  lb);
	elb_fails(PROV, "ValidationError",
		  "Action=DescribeLoadBalancers&LoadBalancerArns.member.1=%s", web_tg);
}

static void load_balancer_that_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *code, *more;
	} rows[] = {
		{"ValidationError", ""},
		{"SubnetNotFound", "&Subnets.member.1=subnet-0123456789abcdef0"},
		{"SubnetNotFound", "&Subnets.member.1=a"},
		{"InvalidScheme", "&Scheme=internet-facing"},
		{"ValidationError", "&Scheme=outside"},
		{"InvalidConfigurationRequest", "&IpAddressType=dualstack"},
		{"ValidationError", "&SubnetMappings.member.1.PrivateIPv4Address=10.0.1.77"},
		{"ValidationError", "&SubnetMappings.member.1.AllocationId=eipalloc-1"},
		{"ValidationError", "&CustomerOwnedIpv4Pool=x"},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		elb_fails(PROV, rows[i].code, CREATE_LB "x%s", rows[i].more);
	elb_fails(PROV, "ValidationError", "Action=CreateLoadBalancer&Name=x&Subnets.member.1=%s",
		  sub_pa);
	elb_fails(PROV, "ValidationError", "Action=CreateLoadBalancer&Name=x&Type=gateway");
	elb_fails(PROV, "ValidationError", CREATE_LB "internal-x&Subnets.member.1=%s", sub_pa);
	elb_fails(PROV, "ValidationError", CREATE_LB "-x&Subnets.member.1=%s", sub_pa);
	elb_fails(PROV, "ValidationError", CREATE_LB "a_b&Subnets.member.1=%s", sub_pa);
	elb_fails(PROV, "ValidationError", CREATE_LB "%s&Subnets.member.1=%s",
		  "n23456789012345678901234567890123", sub_pa);
	elb_fails(PROV, "SubnetNotFound", CREATE_LB "x&Subnets.member.1=%s", sub_ca);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  CREATE_LB "x&Subnets.member.1=%s&Subnets.member.2=%s", sub_pa, sub_pa);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  CREATE_LB "x&Subnets.member.1=%s&Subnets.member.2=%s", sub_pb, sub_pc);
	elb_fails(PROV, "ValidationError",
		  CREATE_LB "x&Subnets.member.1=%s&SubnetMappings.member.1.SubnetId=%s", sub_pa,
		  sub_pb);
	elb_fails(PROV, "InvalidSecurityGroup",
		  CREATE_LB "x&Subnets.member.1=%s&SecurityGroups.member.1=sg", sub_pa);
	elb_fails(PROV, "InvalidSecurityGroup",
		  CREATE_LB "x&Subnets.member.1=%s&SecurityGroups.member.1=%s", sub_pa, sg_c);
	elb_fails(PROV, "DuplicateTagKeys",
		  CREATE_LB "x&Subnets.member.1=%s&Tags.member.1.Key=a&Tags.member.2.Key=a",
		  sub_pa);
	elb_fails(PROV, "ValidationError",
		  CREATE_LB "x&SubnetMappings.member.1.SubnetId=%s"
			    "&SubnetMappings.member.1.PrivateIPv4Address=10.0.1",
		  sub_pa);
	/* In use, reserved, elsewhere. */
	for (size_t i = 0; i < 3; i++)
		elb_fails(PROV, i == 0 ? "InvalidConfigurationRequest" : "ValidationError",
			  CREATE_LB "x&SubnetMappings.member.1.SubnetId=%s"
				    "&SubnetMappings.member.1.PrivateIPv4Address=%s",
			  sub_pa, STRS("10.0.1.10", "10.0.1.3", "10.0.2.99")[i]);
	elb(PROV, "Action=DescribeLoadBalancers");
	assert_int_equal(times("<LoadBalancerArn>"), 2);
}

/* By ids and the caller's names of zones; a file may call its subnets as it likes. */
static void refusals_name_what_the_request_named(void **state)
{
	char arns[3072] = "";
	size_t len = 0;

	(void)state;
	elb_fails(PROV, "InvalidConfigurationRequest",
		  CREATE_LB "x&Subnets.member.1=%s&Subnets.member.2=%s", sub_pb, sub_pc);
	assert_non_null(strstr(err_text, "multiple subnets in the same Availability Zone"));
	assert_non_null(strstr(err_text, sub_pb));
	assert_non_null(strstr(err_text, sub_pc));
	assert_non_null(strstr(err_text, "us-east-1b"));
	elb_fails(PROV, "ValidationError",
		  CREATE_LB "x&SubnetMappings.member.1.SubnetId=%s"
			    "&SubnetMappings.member.1.PrivateIPv4Address=10.0.2.99",
		  sub_pa);
	assert_non_null(strstr(err_text, sub_pa));
	elb_fails(PROV, "ValidationError", CREATE_TG "%s&Port=80&Name=x", "vpc-0123456789abcdef0");
	elb_fails(PROV, "ValidationError", CREATE_TG "%s&Port=80&Name=x", vpc_c);
	assert_non_null(strstr(err_text, "is not found"));
	for (int i = 0; i < 21; i++)
		len += (size_t)snprintf(arns + len, sizeof(arns) - len,
					"&LoadBalancerArns.member.%d=" NONE_LB, i + 1);
	elb_fails(PROV, "ValidationError", "Action=DescribeLoadBalancers%s", arns);
	*strstr(arns, "&LoadBalancerArns.member.21") = '\0';
	elb_fails(PROV, "LoadBalancerNotFound", "Action=DescribeLoadBalancers%s", arns);
}

static void load_balancer_goes(void **state)
{
	(void)state;
	make_lb("nlb");
	elb(NOBODY, "Action=DeleteLoadBalancer&LoadBalancerArn=%s", lb);
	elb(PROV, "Action=DescribeLoadBalancers&Names.member.1=nlb");
	elb(PROV,
	    "Action=ModifyLoadBalancerAttributes&LoadBalancerArn=%s"
	    "&Attributes.member.1.Key=deletion_protection.enabled&Attributes.member.1.Value=true",
	    lb);
	elb_fails(PROV, "OperationNotPermitted", "Action=DeleteLoadBalancer&LoadBalancerArn=%s",
		  lb);
	elb(PROV,
	    "Action=ModifyLoadBalancerAttributes&LoadBalancerArn=%s"
	    "&Attributes.member.1.Key=deletion_protection.enabled&Attributes.member.1.Value=false",
	    lb);
	ec2(PROV, "Action=CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1=%s", lb);
	element("serviceId", svc);
	elb_fails(PROV, "ResourceInUse", "Action=DeleteLoadBalancer&LoadBalancerArn=%s", lb);
	ec2(PROV, "Action=DeleteVpcEndpointServiceConfigurations&ServiceId.1=%s", svc);
	elb(PROV, "Action=DeleteLoadBalancer&LoadBalancerArn=%s", lb);
	assert_string_equal(got, "");
	/* Once more is no error, what never was neither. */
	elb(PROV, "Action=DeleteLoadBalancer&LoadBalancerArn=%s", lb);
	elb(PROV, "Action=DeleteLoadBalancer&LoadBalancerArn=" NONE_LB);
	elb_fails(PROV, "ValidationError", "Action=DeleteLoadBalancer&LoadBalancerArn=nlb");
	elb_fails(PROV, "ValidationError", "Action=DeleteLoadBalancer");
	elb_fails(PROV, "OperationNotPermitted", "Action=DeleteLoadBalancer&LoadBalancerArn=%s",
		  lb_free);
}

static void subnets_are_set(void **state)
{
	static const char set[] = "Action=SetSubnets&LoadBalancerArn=";
	char first[128], other[128];

	(void)state;
	make_lb("nlb");
	node_ip(lb, sub_pa, 0, first);
	elb(PROV, "%s%s&Subnets.member.1=%s&Subnets.member.2=%s", set, lb, sub_pc, sub_pa);
	has("<AvailabilityZones><member><ZoneName>us-east-1b</ZoneName>");
	has("<SubnetId>%s</SubnetId><LoadBalancerAddresses/>", sub_pa);
	assert_string_equal(node_ip(lb, sub_pa, 0, other), first);
	has("<IpAddressType>ipv4</IpAddressType>");
	node_ip(lb, sub_pc, 0, other);
	elb(PROV, "%s%s&SubnetMappings.member.1.SubnetId=%s", set, lb, sub_pc);
	has_not("PrivateIPv4Address");
	assert_string_equal(node_ip(lb, sub_pc, 0, first), other);
	assert_string_equal(node_ip(lb, sub_pa, 0, first), "");
	/* A node that stays keeps its address, whatever is asked for. */
	elb(PROV,
	    "%s%s&SubnetMappings.member.1.SubnetId=%s"
	    "&SubnetMappings.member.1.PrivateIPv4Address=%s",
	    set, lb, sub_pc, other);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "%s%s&SubnetMappings.member.1.SubnetId=%s"
		  "&SubnetMappings.member.1.PrivateIPv4Address=10.0.3.99",
		  set, lb, sub_pc);
	elb(PROV,
	    "%s%s&SubnetMappings.member.1.SubnetId=%s&SubnetMappings.member.2.SubnetId=%s"
	    "&SubnetMappings.member.2.PrivateIPv4Address=10.0.1.99",
	    set, lb, sub_pc, sub_pa);
	has("<PrivateIPv4Address>%s<", other);
	has("<PrivateIPv4Address>10.0.1.99<");
	elb(PROV, "%s%s&Subnets.member.1=%s", set, lb, sub_pc);
	elb_fails(PROV, "ValidationError", "%s%s", set, lb);
	elb_fails(PROV, "SubnetNotFound", "%s%s&Subnets.member.1=%s", set, lb, sub_ca);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "%s%s&Subnets.member.1=%s&Subnets.member.2=%s", set, lb, sub_pb, sub_pc);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "%s%s&Subnets.member.1=%s&IpAddressType=dualstack", set, lb, sub_pa);
	elb_fails(PROV, "LoadBalancerNotFound", "%s" NONE_LB "&Subnets.member.1=%s", set, sub_pa);
	elb_fails(NOBODY, "LoadBalancerNotFound", "%s%s&Subnets.member.1=%s", set, lb, sub_pa);
	elb_fails(PROV, "OperationNotPermitted", "%s%s&Subnets.member.1=%s", set, lb_web, sub_pa);
	/* A zone in which endpoints are does not go. */
	ec2(PROV, "Action=CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1=%s", lb);
	element("serviceId", svc);
	element("serviceName", svc_name);
	ec2(PROV,
	    "Action=ModifyVpcEndpointServicePermissions&ServiceId=%s&AddAllowedPrincipals.1=" CONS,
	    svc);
	ec2(CONS,
	    "Action=CreateVpcEndpoint&VpcEndpointType=Interface&VpcId=%s&ServiceName=%s&SubnetId.1=%s",
	    vpc_c, svc_name, sub_ca);
	elb_fails(PROV, "InvalidConfigurationRequest", "%s%s&Subnets.member.1=%s", set, lb, sub_pa);
	elb(PROV, "%s%s&Subnets.member.1=%s&Subnets.member.2=%s", set, lb, sub_pa, sub_pc);
}

static void groups_and_address_type_are_set(void **state)
{
	static const char set[] = "Action=SetSecurityGroups&LoadBalancerArn=";
	const char *sg = id_of(CV_MODEL_SG, "p", "sg");

	(void)state;
	make_lb("bare");
	elb_fails(PROV, "InvalidConfigurationRequest", "%s%s&SecurityGroups.member.1=%s", set, lb,
		  sg);
	elb(PROV, CREATE_LB "nlb&Subnets.member.1=%s&SecurityGroups.member.1=%s", sub_pa, sg);
	long_element("LoadBalancerArn", lb);
	elb(PROV,
	    "%s%s&SecurityGroups.member.1=%s"
	    "&EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic=off",
	    set, lb, sg);
	has("<SecurityGroupIds><member>%s</member></SecurityGroupIds>"
	    "<EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic>off<",
	    sg);
	elb(PROV, "%s%s&SecurityGroups.member.1=%s", set, lb, sg);
	has(">off<");
	elb_fails(PROV, "ValidationError", "%s%s", set, lb);
	elb_fails(PROV, "InvalidSecurityGroup", "%s%s&SecurityGroups.member.1=%s", set, lb, sg_c);
	elb_fails(PROV, "InvalidSecurityGroup", "%s%s&SecurityGroups.member.1=x", set, lb);
	elb_fails(NOBODY, "LoadBalancerNotFound", "%s%s&SecurityGroups.member.1=%s", set, lb, sg);
	elb_fails(PROV, "OperationNotPermitted", "%s%s&SecurityGroups.member.1=%s", set, lb_web,
		  sg);
	elb(PROV, "Action=SetIpAddressType&LoadBalancerArn=%s&IpAddressType=ipv4", lb);
	assert_string_equal(got, "<IpAddressType>ipv4</IpAddressType>");
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "Action=SetIpAddressType&LoadBalancerArn=%s&IpAddressType=dualstack", lb);
	elb_fails(PROV, "ValidationError",
		  "Action=SetIpAddressType&LoadBalancerArn=%s&IpAddressType=ipv6", lb);
	elb_fails(NOBODY, "LoadBalancerNotFound",
		  "Action=SetIpAddressType&LoadBalancerArn=%s&IpAddressType=ipv4", lb);
}

static void a_group_named_twice_is_one(void **state)
{
	const char *sg = id_of(CV_MODEL_SG, "p", "sg");
	char twice[256];

	(void)state;
	snprintf(twice, sizeof(twice), "&SecurityGroups.member.1=%s&SecurityGroups.member.2=%s", sg,
		 sg);
	elb(PROV, CREATE_LB "nlb&Subnets.member.1=%s%s", sub_pa, twice);
	has("<SecurityGroups><member>%s</member></SecurityGroups>", sg);
	long_element("LoadBalancerArn", lb);
	elb(PROV, CREATE_LB "nlb&Subnets.member.1=%s&SecurityGroups.member.1=%s", sub_pa, sg);
	has("%s", lb);
	elb(PROV, "Action=SetSecurityGroups&LoadBalancerArn=%s%s", lb, twice);
	has("<SecurityGroupIds><member>%s</member></SecurityGroupIds>", sg);
}

/* As an endpoint: each SYN looks through the rules of all of them. */
static void load_balancer_has_five_groups_at_most(void **state)
{
	char sgs[CV_MODEL_ENDPOINT_SGS_MAX + 1][128], five[400] = "", six[500];
	size_t len = 0;

	(void)state;
	for (int i = 0; i <= CV_MODEL_ENDPOINT_SGS_MAX; i++) {
		ec2(PROV, "Action=CreateSecurityGroup&GroupDescription=d&VpcId=%s&GroupName=g%d",
		    vpc_p, i);
		element("groupId", sgs[i]);
		if (i < CV_MODEL_ENDPOINT_SGS_MAX)
			len += (size_t)snprintf(five + len, sizeof(five) - len,
						"&SecurityGroups.member.%d=%s", i + 1, sgs[i]);
	}
	snprintf(six, sizeof(six), "%s&SecurityGroups.member.6=%s", five,
		 sgs[CV_MODEL_ENDPOINT_SGS_MAX]);
	elb_fails(PROV, "InvalidConfigurationRequest", CREATE_LB "nlb&Subnets.member.1=%s%s",
		  sub_pa, six);
	elb(PROV, CREATE_LB "nlb&Subnets.member.1=%s%s", sub_pa, five);
	long_element("LoadBalancerArn", lb);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "Action=SetSecurityGroups&LoadBalancerArn=%s%s", lb, six);
	elb(PROV, "Action=SetSecurityGroups&LoadBalancerArn=%s%s", lb, five);
	assert_int_equal(times("<member>sg-"), CV_MODEL_ENDPOINT_SGS_MAX);
}

/* ---- attributes ---- */

static const char *const kinds[] = {"LoadBalancer", "TargetGroup", "Listener"};

static void attribute_set(int kind, const char *arn, const char *key, const char *value)
{
	elb(PROV,
	    "Action=Modify%sAttributes&%sArn=%s&Attributes.member.1.Key=%s"
	    "&Attributes.member.1.Value=%s",
	    kinds[kind], kinds[kind], arn, key, value);
	has("<member><Key>%s</Key><Value>%s</Value></member>", key, value);
	elb(PROV, "Action=Describe%sAttributes&%sArn=%s", kinds[kind], kinds[kind], arn);
	has("<member><Key>%s</Key><Value>%s</Value></member>", key, value);
}

static void attribute_refused(int kind, const char *arn, const char *key, const char *value)
{
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "Action=Modify%sAttributes&%sArn=%s&Attributes.member.1.Key=%s"
		  "&Attributes.member.1.Value=%s",
		  kinds[kind], kinds[kind], arn, key, value);
}

/* What an attribute is at first, what it may be, what it may not. */
struct attr_row {
	int kind;
	const char *key, *first;
	const char *good[4], *bad[4];
};

#define HEALTH "target_group_health."
#define LEAST ".minimum_healthy_targets."

static const struct attr_row attr_rows[] = {
	{0, "deletion_protection.enabled", "false", {"true", "false"}, {"yes", "", "1"}},
	{0, "load_balancing.cross_zone.enabled", "false", {"true", "false"}, {"TRUE", "use"}},
	{0, "access_logs.s3.enabled", "false", {"true", "false"}, {"on"}},
	{0, "access_logs.s3.bucket", "", {"logs"}, {NULL}},
	{0, "access_logs.s3.prefix", "", {"a/b"}, {NULL}},
	{0, "ipv6.deny_all_igw_traffic", "true", {"false", "true"}, {"no"}},
	{0,
	 "dns_record.client_routing_policy",
	 "any_availability_zone",
	 {"partial_availability_zone_affinity", "availability_zone_affinity",
	  "any_availability_zone"},
	 {"any", ""}},
	{0, "zonal_shift.config.enabled", "false", {"true", "false"}, {"maybe"}},
	{0, "secondary_ips.auto_assigned.per_subnet", "0", {"1", "1", "7"}, {"8", "-1", "x", "6"}},
	{1,
	 "deregistration_delay.timeout_seconds",
	 "300",
	 {"0", "3600"},
	 {"3601", "-1", "", "1.5"}},
	{1, "deregistration_delay.connection_termination.enabled", "false", {"true"}, {"1"}},
	{1, "proxy_protocol_v2.enabled", "false", {"true"}, {"v2"}},
	{1,
	 "proxy_protocol_v2.client_to_server.header_placement",
	 "on_first_ack_with_payload",
	 {"on_first_ack", "on_first_ack_with_payload"},
	 {"on_syn"}},
	{1, "preserve_client_ip.enabled", "false", {"false"}, {"true"}},
	{1, "stickiness.enabled", "false", {"true"}, {"lb"}},
	{1, "stickiness.type", "source_ip", {"source_ip"}, {"lb_cookie", "source_ip_dest_ip"}},
	{1,
	 "load_balancing.cross_zone.enabled",
	 "use_load_balancer_configuration",
	 {"true", "false", "use_load_balancer_configuration"},
	 {"off"}},
	{1, HEALTH "dns_failover" LEAST "count", "1", {"2", "off", "1"}, {"0", "1001", "on"}},
	{1, HEALTH "dns_failover" LEAST "percentage", "off", {"100", "1", "off"}, {"0", "101"}},
	{1, HEALTH "unhealthy_state_routing" LEAST "count", "1", {"1"}, {"0", "off", "2"}},
	{1, HEALTH "unhealthy_state_routing" LEAST "percentage", "off", {"off"}, {"0", "101"}},
	{1,
	 "target_health_state.unhealthy.connection_termination.enabled",
	 "true",
	 {"false"},
	 {"never"}},
	{1,
	 "target_health_state.unhealthy.draining_interval_seconds",
	 "0",
	 {"360000", "0"},
	 {"360001", "-1"}},
	{2, "tcp.idle_timeout.seconds", "350", {"60", "6000"}, {"59", "6001", "", "off"}},
};

static void each_attribute_has_its_default_and_bounds(void **state)
{
	const char *const arns[] = {lb, tg, listener};

	(void)state;
	make_lb("nlb");
	make_tg("web2");
	make_listener(80);
	for (size_t i = 0; i < CV_ARRAY_LEN(attr_rows); i++) {
		const struct attr_row *row = &attr_rows[i];
		const char *arn = arns[row->kind];

		elb(PROV, "Action=Describe%sAttributes&%sArn=%s", kinds[row->kind],
		    kinds[row->kind], arn);
		if (*row->first != '\0')
			has("<member><Key>%s</Key><Value>%s</Value></member>", row->key,
			    row->first);
		else
			has("<member><Key>%s</Key><Value/></member>", row->key);
		for (size_t k = 0; k < 4 && row->good[k] != NULL; k++)
			attribute_set(row->kind, arn, row->key, row->good[k]);
		for (size_t k = 0; k < 4 && row->bad[k] != NULL; k++)
			attribute_refused(row->kind, arn, row->key, row->bad[k]);
	}
	/* There are no others: said in the words that Terraform looks for. */
	for (int kind = 0; kind < 3; kind++) {
		static const char *const nouns[] = {"Load balancer", "Target group", "Listener"};
		char say[128];
		uint32_t n = 0;

		for (size_t i = 0; i < CV_ARRAY_LEN(attr_rows); i++)
			n += attr_rows[i].kind == kind;
		elb(PROV, "Action=Describe%sAttributes&%sArn=%s", kinds[kind], kinds[kind],
		    arns[kind]);
		assert_int_equal(times("<Key>"), n);
		attribute_refused(kind, arns[kind], "slow_start.duration_seconds", "30");
		snprintf(say, sizeof(say),
			 "%s attribute key 'slow_start.duration_seconds' is not recognized",
			 nouns[kind]);
		assert_non_null(strstr(err_text, say));
	}
}

static void attributes_change_together_or_not_at_all(void **state)
{
	static const char *const none[] = {NONE_LB, NONE_TG, NONE_LISTENER};
	const char *const arns[] = {lb, tg, listener};

	(void)state;
	make_lb("nlb");
	make_tg("web2");
	make_listener(80);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "Action=ModifyTargetGroupAttributes&TargetGroupArn=%s"
		  "&Attributes.member.1.Key=stickiness.enabled&Attributes.member.1.Value=true"
		  "&Attributes.member.2.Key=proxy_protocol_v2.enabled&Attributes.member.2.Value=x",
		  tg);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "Action=ModifyTargetGroupAttributes&TargetGroupArn=%s"
		  "&Attributes.member.1.Key=stickiness.enabled&Attributes.member.1.Value=true"
		  "&Attributes.member.2.Key=stickiness.enabled&Attributes.member.2.Value=true",
		  tg);
	elb(PROV, "Action=DescribeTargetGroupAttributes&TargetGroupArn=%s", tg);
	has("<Key>stickiness.enabled</Key><Value>false</Value>");
	for (int i = 0; i < 3; i++) {
		const char *what = kinds[i];
		static const char *const codes[] = {"LoadBalancerNotFound", "TargetGroupNotFound",
						    "ListenerNotFound"};

		elb_fails(PROV, "ValidationError", "Action=Modify%sAttributes&%sArn=%s", what, what,
			  arns[i]);
		elb_fails(PROV, codes[i], "Action=Describe%sAttributes&%sArn=%s", what, what,
			  none[i]);
		elb_fails(CONS, codes[i], "Action=Describe%sAttributes&%sArn=%s", what, what,
			  arns[i]);
		elb_fails(CONS, codes[i],
			  "Action=Modify%sAttributes&%sArn=%s&Attributes.member.1.Key=x"
			  "&Attributes.member.1.Value=y",
			  what, what, arns[i]);
		elb_fails(PROV, "ValidationError", "Action=Describe%sAttributes&%sArn=x", what,
			  what);
	}
	elb_fails(PROV, "OperationNotPermitted",
		  "Action=ModifyTargetGroupAttributes&TargetGroupArn=%s"
		  "&Attributes.member.1.Key=stickiness.enabled&Attributes.member.1.Value=true",
		  web_tg);
}

/* As AWS: Terraform's subnet_mapping shows a difference for ever if another is told. */
static void addresses_that_were_asked_for_are_told(void **state)
{
	const char *key = "secondary_ips.auto_assigned.per_subnet";

	(void)state;
	elb(PROV,
	    CREATE_LB "nlb&SubnetMappings.member.1.SubnetId=%s&SubnetMappings.member.2.SubnetId=%s"
		      "&SubnetMappings.member.2.PrivateIPv4Address=10.0.2.77",
	    sub_pa, sub_pb);
	long_element("LoadBalancerArn", lb);
	attribute_set(0, lb, key, "1");
	elb(PROV, "Action=DescribeLoadBalancers&LoadBalancerArns.member.1=%s", lb);
	has("<SubnetId>%s</SubnetId><LoadBalancerAddresses/>", sub_pa);
	has("<SubnetId>%s</SubnetId><LoadBalancerAddresses><member><PrivateIPv4Address>10.0.2.77<"
	    "/PrivateIPv4Address></member></LoadBalancerAddresses>",
	    sub_pb);
	/* A node that stays is as it was, whether it is asked for again or not. */
	elb(PROV, "Action=SetSubnets&LoadBalancerArn=%s&Subnets.member.1=%s&Subnets.member.2=%s",
	    lb, sub_pa, sub_pb);
	assert_int_equal(times("<PrivateIPv4Address>"), 1);
	has("<PrivateIPv4Address>10.0.2.77<");
}

static void secondary_addresses_are_added(void **state)
{
	const char *key = "secondary_ips.auto_assigned.per_subnet";
	char first[128], now[128];

	(void)state;
	elb(PROV, CREATE_LB "nlb&Subnets.member.1=%s&Subnets.member.2=%s", sub_pa, sub_pb);
	long_element("LoadBalancerArn", lb);
	node_ip(lb, sub_pa, 0, first);
	attribute_set(0, lb, key, "2");
	assert_string_equal(node_ip(lb, sub_pa, 0, now), first);
	assert_true(*node_ip(lb, sub_pa, 2, now) != '\0' && *node_ip(lb, sub_pb, 2, now) != '\0');
	/* A node that is added has as many. */
	elb(PROV, "Action=SetSubnets&LoadBalancerArn=%s&Subnets.member.1=%s", lb, sub_pa);
	assert_true(*node_ip(lb, sub_pb, 0, now) == '\0');
	elb(PROV, "Action=SetSubnets&LoadBalancerArn=%s&Subnets.member.1=%s&Subnets.member.2=%s",
	    lb, sub_pa, sub_pb);
	assert_true(*node_ip(lb, sub_pa, 2, now) != '\0' && *node_ip(lb, sub_pb, 2, now) != '\0');
	attribute_refused(0, lb, key, "1");
	attribute_set(0, lb, key, "2");
	/* All of the nodes or none: a subnet has no room. */
	no_error(add_subnet("p", "small", "10.0.9.0/28", "us-east-1b", NULL));
	elb(PROV, CREATE_LB "full&Subnets.member.1=%s&Subnets.member.2=%s", sub_pa,
	    id_of(CV_MODEL_SUBNET, "p", "small"));
	long_element("LoadBalancerArn", lb);
	elb(PROV, CREATE_LB "other&Subnets.member.1=%s", id_of(CV_MODEL_SUBNET, "p", "small"));
	long_element("LoadBalancerArn", tg);
	attribute_set(0, tg, key, "7");
	elb_fails(PROV, "InvalidSubnet",
		  "Action=ModifyLoadBalancerAttributes&LoadBalancerArn=%s"
		  "&Attributes.member.1.Key=%s&Attributes.member.1.Value=3"
		  "&Attributes.member.2.Key=zonal_shift.config.enabled"
		  "&Attributes.member.2.Value=true",
		  lb, key);
	elb(PROV, "Action=DescribeLoadBalancers&LoadBalancerArns.member.1=%s", lb);
	assert_true(*node_ip(lb, sub_pa, 1, now) == '\0');
	elb(PROV, "Action=DescribeLoadBalancerAttributes&LoadBalancerArn=%s", lb);
	has("<Key>zonal_shift.config.enabled</Key><Value>false</Value>");
	attribute_set(0, lb, key, "2");
	/* What goes gives its addresses back. */
	elb(PROV, "Action=DeleteLoadBalancer&LoadBalancerArn=%s", tg);
	attribute_set(0, lb, key, "7");
}

/* ---- tags, limits ---- */

static void tags_are_put_on_each_kind(void **state)
{
	const char *const arns[] = {lb, tg, listener};
	static const char *const codes[] = {"LoadBalancerNotFound", "TargetGroupNotFound",
					    "ListenerNotFound"};

	(void)state;
	make_lb("nlb");
	make_tg("api");
	make_listener(80);
	elb(PROV,
	    "Action=AddTags&ResourceArns.member.1=%s&ResourceArns.member.2=%s"
	    "&ResourceArns.member.3=%s&Tags.member.1.Key=a&Tags.member.1.Value=1"
	    "&Tags.member.2.Key=b",
	    lb, tg, listener);
	for (int i = 0; i < 3; i++) {
		elb(PROV, "Action=DescribeTags&ResourceArns.member.1=%s", arns[i]);
		has("<TagDescriptions><member><ResourceArn>%s</ResourceArn><Tags><member><Key>a</Key>"
		    "<Value>1</Value></member><member><Key>b</Key><Value/></member></Tags>",
		    arns[i]);
		elb_fails(CONS, codes[i], "Action=DescribeTags&ResourceArns.member.1=%s", arns[i]);
		elb_fails(CONS, codes[i],
			  "Action=AddTags&ResourceArns.member.1=%s&Tags.member.1.Key=c", arns[i]);
		elb_fails(CONS, codes[i],
			  "Action=RemoveTags&ResourceArns.member.1=%s&TagKeys.member.1=a", arns[i]);
	}
	elb(PROV,
	    "Action=RemoveTags&ResourceArns.member.1=%s&ResourceArns.member.2=%s"
	    "&TagKeys.member.1=a&TagKeys.member.2=none",
	    lb, tg);
	elb(PROV, "Action=DescribeTags&ResourceArns.member.1=%s&ResourceArns.member.2=%s", lb,
	    listener);
	assert_int_equal(times("<Key>a</Key>"), 1);
	assert_int_equal(times("<Key>b</Key>"), 2);
	elb_fails(PROV, "DuplicateTagKeys",
		  "Action=AddTags&ResourceArns.member.1=%s&Tags.member.1.Key=c&Tags.member.2.Key=c",
		  lb);
	elb_fails(PROV, "ValidationError",
		  "Action=AddTags&ResourceArns.member.1=%s&Tags.member.1.Key=aws:c", lb);
	elb_fails(PROV, "ValidationError", "Action=AddTags&ResourceArns.member.1=%s", lb);
	elb_fails(PROV, "ValidationError", "Action=AddTags&Tags.member.1.Key=c");
	elb_fails(PROV, "ValidationError", "Action=RemoveTags&ResourceArns.member.1=%s", lb);
	elb_fails(PROV, "ValidationError",
		  "Action=DescribeTags&ResourceArns.member.1=arn:aws:iam::111111111111:root");
	elb_fails(PROV, "LoadBalancerNotFound",
		  "Action=AddTags&ResourceArns.member.1=%s&ResourceArns.member.2=" NONE_LB
		  "&Tags.member.1.Key=c",
		  lb);
	elb(PROV, "Action=DescribeTags&ResourceArns.member.1=%s", lb);
	has_not("<Key>c</Key>");
	/* The file's are tagged, too. */
	elb(PROV, "Action=AddTags&ResourceArns.member.1=%s&Tags.member.1.Key=c", lb_web);
}

static void tags_have_a_limit(void **state)
{
	char tags[4096] = "";
	size_t len = 0;

	(void)state;
	make_lb("nlb");
	for (unsigned int i = 1; i <= 49; i++)
		len += (size_t)snprintf(tags + len, sizeof(tags) - len, "&Tags.member.%u.Key=k%u",
					i, i);
	elb(PROV, "Action=AddTags&ResourceArns.member.1=%s%s", lb, tags);
	elb_fails(PROV, "TooManyTags",
		  "Action=AddTags&ResourceArns.member.1=%s&Tags.member.1.Key=x&Tags.member.2.Key=y",
		  lb);
	elb(PROV,
	    "Action=AddTags&ResourceArns.member.1=%s&Tags.member.1.Key=x&Tags.member.2.Key=k1", lb);
	elb(PROV, "Action=DescribeTags&ResourceArns.member.1=%s", lb);
	assert_int_equal(times("<Key>"), 50);
}

static void pages_of_each_list(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		char name[8];

		snprintf(name, sizeof(name), "n%u", i);
		make_lb(name);
		make_tg(name);
	}
	for (size_t i = 0; i < 2; i++) {
		const char *const action = STRS("LoadBalancers", "TargetGroups")[i];
		const char *const item = STRS("<LoadBalancerArn>", "<TargetGroupArn>")[i];
		uint32_t n = 0;

		elb(PROV, "Action=Describe%s&PageSize=2", action);
		for (n = times(item); strstr(got, "<NextMarker>") != NULL; n += times(item)) {
			assert_int_equal(times(item), 2);
			element("NextMarker", svc);
			elb(PROV, "Action=Describe%s&PageSize=2&Marker=%s", action, svc);
		}
		assert_int_equal(n, i == 0 ? 7 : 6);
		elb_fails(PROV, "ValidationError", "Action=Describe%s&PageSize=0", action);
		elb_fails(PROV, "ValidationError", "Action=Describe%s&PageSize=401", action);
	}
	elb(PROV, "Action=DescribeAccountLimits");
	has("<member><Name>network-load-balancers</Name><Max>50</Max></member>");
}

/* Calls are held to them, the file is not. */
static void quotas_hold_calls(void **state)
{
	(void)state;
	m->quotas.lbs = m->n_lbs + 1;
	m->quotas.tgs = m->n_tgs + 1;
	make_lb("last");
	make_tg("last");
	elb_fails(PROV, "TooManyLoadBalancers", CREATE_LB "more&Subnets.member.1=%s", sub_pa);
	elb_fails(PROV, "TooManyTargetGroups", CREATE_TG "%s&Port=80&Name=more", vpc_p);
	/* What is there is answered, and another account has its own. */
	make_lb("last");
	make_tg("last");
	elb(CONS, CREATE_LB "more&Subnets.member.1=%s", sub_ca);
	elb(CONS, CREATE_TG "%s&Port=80&Name=more", vpc_c);
	no_error(add_tg("of-file", "p"));
	no_error(add_lb("of-file", "p", PLACES({"a", NULL, 0}), 1));
	elb(PROV, "Action=DeleteLoadBalancer&LoadBalancerArn=%s", lb);
	elb_fails(PROV, "TooManyLoadBalancers", CREATE_LB "more&Subnets.member.1=%s", sub_pa);
	m->quotas.lbs = m->quotas.tgs = 9;
	m->quotas.listeners = 7;
	m->quotas.tg_targets = 8;
	m->quotas.lb_targets = 6;
	m->quotas.zone_targets = 5;
	elb(PROV, "Action=DescribeAccountLimits");
	has("<Name>network-load-balancers</Name><Max>9<");
	has("<Name>listeners-per-network-load-balancer</Name><Max>7<");
	has("<Name>targets-per-network-load-balancer</Name><Max>6<");
	has("<Name>targets-per-availability-zone-per-network-load-balancer</Name><Max>5<");
	has("<Name>target-groups</Name><Max>9<");
	has("<Name>targets-per-target-group</Name><Max>8<");
	has("<Name>target-groups-per-action-on-network-load-balancer</Name><Max>5<");
}

static void quotas_hold_listeners_and_targets(void **state)
{
	static const char add[] = "Action=RegisterTargets&TargetGroupArn=";
	static const char create[] = "Action=CreateListener&LoadBalancerArn=";
	char one[256];

	(void)state;
	m->quotas.listeners = 2;
	m->quotas.tg_targets = 3;
	m->quotas.lb_targets = 4;
	m->quotas.zone_targets = 2;
	make_lb("nlb");
	make_tg("one");
	snprintf(one, sizeof(one), "%s", tg);
	elb_fails(PROV, "TooManyTargets",
		  "%s%s&Targets.member.1.Id=10.0.1.51&Targets.member.2.Id=10.0.1.52"
		  "&Targets.member.3.Id=10.0.2.53&Targets.member.4.Id=10.0.2.54",
		  add, tg);
	elb(PROV,
	    "%s%s&Targets.member.1.Id=10.0.1.51&Targets.member.2.Id=10.0.1.52"
	    "&Targets.member.3.Id=10.0.1.53",
	    add, tg);
	elb_fails(PROV, "TooManyTargets", "%s%s&Targets.member.1.Id=10.0.1.54", add, tg);
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.53", add, tg);
	/* Three in a zone are too many for a load balancer. */
	elb_fails(PROV, "TooManyTargets", "%s%s&Protocol=TCP&Port=80&" FORWARD "TargetGroupArn=%s",
		  create, lb, tg);
	elb(PROV, "Action=DeregisterTargets&TargetGroupArn=%s&Targets.member.1.Id=10.0.1.53", tg);
	make_listener(80);
	elb_fails(PROV, "TooManyTargets", "%s%s&Targets.member.1.Id=10.0.1.53", add, tg);
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.2.53", add, tg);
	/* All of its groups count, each once. */
	make_tg("two");
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.2.51&Targets.member.2.Id=10.0.3.51", add, tg);
	elb_fails(PROV, "TooManyTargets", "%s%s&Protocol=TCP&Port=81&" FORWARD "TargetGroupArn=%s",
		  create, lb, tg);
	elb_fails(
		PROV, "TooManyTargets",
		"Action=ModifyListener&ListenerArn=%s&DefaultActions.member.1.Type=forward&" GROUPS
		"1.TargetGroupArn=%s&" GROUPS "2.TargetGroupArn=%s",
		listener, one, tg);
	/* But what the listener led to and no other does is left: blue and green, there and back. */
	elb(PROV, "Action=ModifyListener&ListenerArn=%s&" FORWARD "TargetGroupArn=%s", listener,
	    tg);
	elb(PROV, "Action=ModifyListener&ListenerArn=%s&" FORWARD "TargetGroupArn=%s", listener,
	    one);
	elb(PROV, "Action=DeregisterTargets&TargetGroupArn=%s&Targets.member.1.Id=10.0.3.51", tg);
	elb(PROV, "%s%s&Protocol=TCP&Port=81&" FORWARD "TargetGroupArn=%s", create, lb, tg);
	elb(PROV, "Action=ModifyListener&ListenerArn=%s&" FORWARD "TargetGroupArn=%s", listener,
	    one);
	elb_fails(PROV, "TooManyTargets",
		  "%s%s&Targets.member.1.Id=192.168.1.1&Targets.member.1.AvailabilityZone=all", add,
		  tg);
	elb_fails(PROV, "TooManyListeners",
		  "%s%s&Protocol=TCP&Port=82&" FORWARD "TargetGroupArn=%s", create, lb, one);
	/* The file's group may have more; calls may not add to it. */
	for (uint32_t i = 0; i < 3; i++)
		no_error(
			add_target("web", STRS("10.0.1.61", "10.0.1.62", "10.0.1.63")[i], 0, NULL));
	elb_fails(PROV, "TooManyTargets", "%s%s&Targets.member.1.Id=10.0.1.64", add, web_tg);
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.61", add, web_tg);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(load_balancer_is_made_and_told),
		TEST(load_balancer_that_cannot_be_is_refused),
		TEST(refusals_name_what_the_request_named),
		TEST(load_balancer_goes),
		TEST(subnets_are_set),
		TEST(groups_and_address_type_are_set),
		TEST(a_group_named_twice_is_one),
		TEST(load_balancer_has_five_groups_at_most),
		TEST(each_attribute_has_its_default_and_bounds),
		TEST(attributes_change_together_or_not_at_all),
		TEST(addresses_that_were_asked_for_are_told),
		TEST(secondary_addresses_are_added),
		TEST(tags_are_put_on_each_kind),
		TEST(tags_have_a_limit),
		TEST(pages_of_each_list),
		TEST(quotas_hold_calls),
		TEST(quotas_hold_listeners_and_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
