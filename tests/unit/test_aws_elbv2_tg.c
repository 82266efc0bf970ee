/* SPDX-License-Identifier: BSD-3-Clause */

/* Elastic Load Balancing v2: target groups, targets, listeners; what is refused, who may not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aws_elb.h"

#define STICKY "DefaultActions.member.1.ForwardConfig.TargetGroupStickinessConfig."

/* ---- target groups ---- */

/* A group whose checks say no more than by what they are is the same as itself. */
static void check_defaults(const char *protocol, int timeout)
{
	for (int i = 0; i < 2; i++) {
		elb(PROV, CREATE_TG "%s&Port=80&Name=of-%s&HealthCheckProtocol=%s", vpc_p, protocol,
		    protocol);
		has("<HealthCheckTimeoutSeconds>%d</HealthCheckTimeoutSeconds>", timeout);
		has("<HealthCheckPath>/</HealthCheckPath>"
		    "<Matcher><HttpCode>200-399</HttpCode></Matcher>");
	}
}

static void target_group_is_made_and_told(void **state)
{
	char again[256];

	(void)state;
	elb(PROV,
	    CREATE_TG "%s&Port=80&Name=api&HealthCheckProtocol=HTTP&HealthCheckPort=8080"
		      "&HealthCheckPath=/up&Matcher.HttpCode=200,204&HealthCheckIntervalSeconds=10"
		      "&HealthCheckTimeoutSeconds=5&HealthyThresholdCount=3"
		      "&UnhealthyThresholdCount=4&Tags.member.1.Key=a",
	    vpc_p);
	long_element("TargetGroupArn", tg);
	has("<TargetGroups><member><TargetGroupArn>" ARN "targetgroup/api/");
	has("<TargetGroupName>api</TargetGroupName><Protocol>TCP</Protocol><Port>80</Port>"
	    "<VpcId>%s</VpcId><HealthCheckProtocol>HTTP</HealthCheckProtocol>"
	    "<HealthCheckPort>8080</HealthCheckPort><HealthCheckEnabled>true</HealthCheckEnabled>"
	    "<HealthCheckIntervalSeconds>10</HealthCheckIntervalSeconds>"
	    "<HealthCheckTimeoutSeconds>5</HealthCheckTimeoutSeconds>"
	    "<HealthyThresholdCount>3</HealthyThresholdCount>"
	    "<UnhealthyThresholdCount>4</UnhealthyThresholdCount>"
	    "<HealthCheckPath>/up</HealthCheckPath><Matcher><HttpCode>200,204</HttpCode></Matcher>"
	    "<LoadBalancerArns/><TargetType>ip</TargetType><IpAddressType>ipv4</IpAddressType>",
	    vpc_p);
	make_tg("plain");
	has("<HealthCheckProtocol>TCP</HealthCheckProtocol>"
	    "<HealthCheckPort>traffic-port</HealthCheckPort>");
	has("<HealthCheckIntervalSeconds>30</HealthCheckIntervalSeconds>"
	    "<HealthCheckTimeoutSeconds>10</HealthCheckTimeoutSeconds>"
	    "<HealthyThresholdCount>5</HealthyThresholdCount>"
	    "<UnhealthyThresholdCount>2</UnhealthyThresholdCount><LoadBalancerArns/>");
	elb(PROV, CREATE_TG "%s&Port=80&Name=plain", vpc_p);
	long_element("TargetGroupArn", again);
	assert_string_equal(again, tg);
	elb_fails(PROV, "DuplicateTargetGroupName", CREATE_TG "%s&Port=81&Name=plain", vpc_p);
	elb_fails(PROV, "DuplicateTargetGroupName",
		  CREATE_TG "%s&Port=80&Name=plain&HealthCheckProtocol=HTTP", vpc_p);
	check_defaults("HTTP", 6);
	check_defaults("HTTPS", 10);
	elb(PROV, "Action=DescribeTargetGroups&LoadBalancerArn=%s", lb_web);
	assert_int_equal(times("<TargetGroupArn>"), 1);
	has("<LoadBalancerArns><member>%s</member></LoadBalancerArns>", lb_web);
	elb(PROV, "Action=DescribeTargetGroups&Names.member.1=api&Names.member.2=plain");
	assert_int_equal(times("<TargetGroupArn>"), 2);
	elb(CONS, "Action=DescribeTargetGroups");
	assert_string_equal(got, "<TargetGroups/>");
	elb_fails(CONS, "TargetGroupNotFound",
		  "Action=DescribeTargetGroups&TargetGroupArns.member.1=%s", tg);
	elb_fails(PROV, "TargetGroupNotFound", "Action=DescribeTargetGroups&Names.member.1=none");
	elb_fails(PROV, "LoadBalancerNotFound",
		  "Action=DescribeTargetGroups&LoadBalancerArn=" NONE_LB);
	elb_fails(PROV, "ValidationError",
		  "Action=DescribeTargetGroups&Names.member.1=a&TargetGroupArns.member.1=%s", tg);
}

static void target_group_that_cannot_be_is_refused(void **state)
{
	static const struct {
		const char *code, *params;
	} rows[] = {
		{"InvalidConfigurationRequest", "Protocol=TCP&Port=80"},
		{"InvalidConfigurationRequest", "Protocol=TCP&Port=80&TargetType=instance"},
		{"InvalidConfigurationRequest", "Protocol=TCP&Port=80&TargetType=alb"},
		{"InvalidConfigurationRequest", "Protocol=UDP&Port=80&TargetType=ip"},
		{"InvalidConfigurationRequest", "Protocol=TLS&Port=80&TargetType=ip"},
		{"ValidationError", "Protocol=SCTP&Port=80&TargetType=ip"},
		{"ValidationError", "Port=80&TargetType=ip"},
		{"ValidationError", "Protocol=TCP&TargetType=ip"},
		{"ValidationError", "Protocol=TCP&Port=0&TargetType=ip"},
		{"ValidationError", "Protocol=TCP&Port=65536&TargetType=ip"},
		{"InvalidConfigurationRequest",
		 "Protocol=TCP&Port=80&TargetType=ip&IpAddressType=ipv6"},
	};
	static const struct {
		const char *code, *more;
	} checks[] = {
		{"ValidationError", "HealthCheckIntervalSeconds=4"},
		{"ValidationError", "HealthCheckIntervalSeconds=301"},
		{"ValidationError", "HealthCheckTimeoutSeconds=1"},
		{"ValidationError", "HealthCheckTimeoutSeconds=121"},
		{"ValidationError", "HealthCheckIntervalSeconds=5&HealthCheckTimeoutSeconds=6"},
		{"ValidationError", "HealthyThresholdCount=1"},
		{"ValidationError", "UnhealthyThresholdCount=11"},
		{"ValidationError", "HealthCheckPort=0"},
		{"ValidationError", "HealthCheckPort=http"},
		{"InvalidConfigurationRequest", "HealthCheckPath=/"},
		{"InvalidConfigurationRequest", "Matcher.HttpCode=200"},
		{"ValidationError", "HealthCheckProtocol=HTTP&HealthCheckPath=up"},
		{"ValidationError", "HealthCheckProtocol=HTTP&Matcher.HttpCode=600"},
		{"ValidationError", "HealthCheckProtocol=HTTP&Matcher.HttpCode=x"},
		{"ValidationError", "Matcher.GrpcCode=1"},
		{"InvalidConfigurationRequest", "HealthCheckProtocol=UDP"},
		{"InvalidConfigurationRequest", "HealthCheckEnabled=false"},
		{"ValidationError", "ProtocolVersion=HTTP1"},
		{"DuplicateTagKeys", "Tags.member.1.Key=a&Tags.member.2.Key=a"},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++)
		elb_fails(PROV, rows[i].code, "Action=CreateTargetGroup&Name=x&VpcId=%s&%s", vpc_p,
			  rows[i].params);
	for (size_t i = 0; i < CV_ARRAY_LEN(checks); i++)
		elb_fails(PROV, checks[i].code, CREATE_TG "%s&Port=80&Name=x&%s", vpc_p,
			  checks[i].more);
	elb_fails(PROV, "ValidationError", CREATE_TG "%s&Port=80&Name=x", vpc_c);
	elb_fails(PROV, "ValidationError", CREATE_TG "p&Port=80&Name=x");
	elb_fails(PROV, "ValidationError", CREATE_TG "%s&Port=80&Name=x-", vpc_p);
	elb_fails(PROV, "ValidationError", CREATE_TG "%s&Port=80", vpc_p);
	elb(PROV, "Action=DescribeTargetGroups");
	assert_int_equal(times("<TargetGroupArn>"), 1);
}

static void target_group_is_changed_and_goes(void **state)
{
	(void)state;
	make_tg("api");
	elb(PROV,
	    "Action=ModifyTargetGroup&TargetGroupArn=%s&HealthCheckProtocol=HTTPS"
	    "&HealthCheckPath=/x&HealthyThresholdCount=10",
	    tg);
	has("<HealthCheckProtocol>HTTPS</HealthCheckProtocol>");
	has("<HealthyThresholdCount>10</HealthyThresholdCount>");
	has("<HealthCheckPath>/x</HealthCheckPath><Matcher><HttpCode>200-399</HttpCode></Matcher>");
	elb(PROV, "Action=ModifyTargetGroup&TargetGroupArn=%s&HealthCheckProtocol=TCP", tg);
	has_not("HealthCheckPath");
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "Action=ModifyTargetGroup&TargetGroupArn=%s&HealthCheckPath=/", tg);
	elb_fails(PROV, "ValidationError",
		  "Action=ModifyTargetGroup&TargetGroupArn=%s&HealthCheckTimeoutSeconds=31", tg);
	elb_fails(PROV, "TargetGroupNotFound", "Action=ModifyTargetGroup&TargetGroupArn=" NONE_TG);
	elb_fails(CONS, "TargetGroupNotFound", "Action=ModifyTargetGroup&TargetGroupArn=%s", tg);
	elb_fails(PROV, "OperationNotPermitted",
		  "Action=ModifyTargetGroup&TargetGroupArn=%s&HealthyThresholdCount=2", web_tg);
	make_lb("nlb");
	make_listener(80);
	elb_fails(PROV, "ResourceInUse", "Action=DeleteTargetGroup&TargetGroupArn=%s", tg);
	elb(PROV, "Action=DeleteListener&ListenerArn=%s", listener);
	elb(CONS, "Action=DeleteTargetGroup&TargetGroupArn=%s", tg);
	elb(PROV, "Action=DescribeTargetGroups&Names.member.1=api");
	elb(PROV, "Action=DeleteTargetGroup&TargetGroupArn=%s", tg);
	elb(PROV, "Action=DeleteTargetGroup&TargetGroupArn=%s", tg);
	elb_fails(PROV, "TargetGroupNotFound", "Action=DescribeTargetGroups&Names.member.1=api");
	elb_fails(PROV, "ValidationError", "Action=DeleteTargetGroup&TargetGroupArn=%s", lb);
}

/* ---- listeners ---- */

static void listener_is_made_told_and_goes(void **state)
{
	char again[256];

	(void)state;
	make_lb("nlb");
	make_tg("api");
	make_listener(443);
	has("<Listeners><member><ListenerArn>" ARN "listener/net/nlb/%s/", strrchr(lb, '/') + 1);
	has("<LoadBalancerArn>%s</LoadBalancerArn><Port>443</Port><Protocol>TCP</Protocol>"
	    "<DefaultActions><member><Type>forward</Type><TargetGroupArn>%s</TargetGroupArn>"
	    "<ForwardConfig><TargetGroups><member><TargetGroupArn>%s</TargetGroupArn>"
	    "<Weight>1</Weight></member></TargetGroups><TargetGroupStickinessConfig>"
	    "<Enabled>false</Enabled></TargetGroupStickinessConfig></ForwardConfig></member>",
	    lb, tg, tg);
	snprintf(again, sizeof(again), "%s", listener);
	make_listener(443);
	assert_string_equal(listener, again);
	/* A single group gets everything, whatever its weight. */
	elb(PROV,
	    "Action=ModifyListener&ListenerArn=%s&DefaultActions.member.1.Type=forward"
	    "&DefaultActions.member.1.ForwardConfig.TargetGroups.member.1.TargetGroupArn=%s"
	    "&DefaultActions.member.1.ForwardConfig.TargetGroups.member.1.Weight=0",
	    listener, tg);
	has("<Weight>1</Weight>");
	elb(PROV, "Action=DescribeListeners&LoadBalancerArn=%s", lb);
	assert_int_equal(times("<ListenerArn>"), 1);
	elb(PROV, "Action=DescribeListeners&ListenerArns.member.1=%s", listener);
	assert_int_equal(times("<ListenerArn>"), 1);
	elb_fails(PROV, "ValidationError", "Action=DescribeListeners");
	elb_fails(PROV, "LoadBalancerNotFound",
		  "Action=DescribeListeners&LoadBalancerArn=" NONE_LB);
	elb_fails(PROV, "ListenerNotFound",
		  "Action=DescribeListeners&ListenerArns.member.1=" NONE_LISTENER);
	elb_fails(CONS, "LoadBalancerNotFound", "Action=DescribeListeners&LoadBalancerArn=%s", lb);
	elb_fails(CONS, "ListenerNotFound", "Action=DescribeListeners&ListenerArns.member.1=%s",
		  listener);
	elb_fails(CONS, "ListenerNotFound", "Action=DeleteListener&ListenerArn=%s", listener);
	elb(PROV, "Action=DeleteListener&ListenerArn=%s", listener);
	assert_string_equal(got, "");
	elb_fails(PROV, "ListenerNotFound", "Action=DeleteListener&ListenerArn=%s", listener);
	elb_fails(PROV, "OperationNotPermitted", "Action=DeleteListener&ListenerArn=%s",
		  m->lbs[0].listeners[0].arn);
}

static void listener_that_cannot_be_is_refused(void **state)
{
	static const char create[] = "Action=CreateListener&LoadBalancerArn=";
	char other[256];

	(void)state;
	make_lb("nlb");
	make_tg("api");
	make_listener(80);
	snprintf(other, sizeof(other), "%s", tg);
	make_tg("second");
	elb_fails(PROV, "DuplicateListener",
		  "%s%s&Protocol=TCP&Port=80&" FORWARD "TargetGroupArn=%s", create, lb, tg);
	elb_fails(PROV, "LoadBalancerNotFound",
		  "%s" NONE_LB "&Protocol=TCP&Port=81&" FORWARD "TargetGroupArn=%s", create, tg);
	elb_fails(CONS, "LoadBalancerNotFound",
		  "%s%s&Protocol=TCP&Port=81&" FORWARD "TargetGroupArn=%s", create, lb, tg);
	elb_fails(PROV, "TargetGroupNotFound",
		  "%s%s&Protocol=TCP&Port=81&" FORWARD "TargetGroupArn=" NONE_TG, create, lb);
	elb_fails(PROV, "UnsupportedProtocol",
		  "%s%s&Protocol=TLS&Port=81&" FORWARD "TargetGroupArn=%s", create, lb, tg);
	elb_fails(PROV, "UnsupportedProtocol",
		  "%s%s&Protocol=UDP&Port=81&" FORWARD "TargetGroupArn=%s", create, lb, tg);
	elb_fails(PROV, "ValidationError", "%s%s&Port=81&" FORWARD "TargetGroupArn=%s", create, lb,
		  tg);
	elb_fails(PROV, "ValidationError", "%s%s&Protocol=TCP&" FORWARD "TargetGroupArn=%s", create,
		  lb, tg);
	elb_fails(PROV, "ValidationError", "%s%s&Protocol=TCP&Port=0&" FORWARD "TargetGroupArn=%s",
		  create, lb, tg);
	elb_fails(PROV, "ValidationError", "%s%s&Protocol=TCP&Port=81", create, lb);
	elb_fails(PROV, "ValidationError",
		  "%s%s&Protocol=TCP&Port=81&DefaultActions.member.1.Type=forward", create, lb);
	elb_fails(PROV, "InvalidLoadBalancerAction",
		  "%s%s&Protocol=TCP&Port=81&DefaultActions.member.1.Type=redirect", create, lb);
	elb_fails(PROV, "ValidationError",
		  "%s%s&Protocol=TCP&Port=81&DefaultActions.member.1.Type=drop", create, lb);
	elb_fails(PROV, "TooManyActions",
		  "%s%s&Protocol=TCP&Port=81&" FORWARD "TargetGroupArn=%s"
		  "&DefaultActions.member.2.Type=forward",
		  create, lb, tg);
	elb_fails(PROV, "ValidationError",
		  "%s%s&Protocol=TCP&Port=81&SslPolicy=x&" FORWARD "TargetGroupArn=%s", create, lb,
		  tg);
	elb_fails(PROV, "ValidationError",
		  "%s%s&Protocol=TCP&Port=81&Certificates.member.1.CertificateArn=x&" FORWARD
		  "TargetGroupArn=%s",
		  create, lb, tg);
	elb_fails(PROV, "OperationNotPermitted",
		  "%s%s&Protocol=TCP&Port=81&" FORWARD "TargetGroupArn=%s", create, lb_web, tg);
	/* One load balancer for a group, one VPC for both. */
	make_lb("second");
	elb_fails(PROV, "TargetGroupAssociationLimit",
		  "%s%s&Protocol=TCP&Port=81&" FORWARD "TargetGroupArn=%s", create, lb, other);
	no_error(add_vpc("p2", "prov", "10.1.0.0/16", 9));
	elb(PROV, CREATE_TG "%s&Port=80&Name=elsewhere", id_of(CV_MODEL_VPC, NULL, "p2"));
	long_element("TargetGroupArn", tg);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "%s%s&Protocol=TCP&Port=81&" FORWARD "TargetGroupArn=%s", create, lb, tg);
}

static void listeners_have_a_limit(void **state)
{
	(void)state;
	make_lb("nlb");
	make_tg("api");
	for (unsigned int port = 1; port <= 50; port++)
		make_listener(port);
	elb_fails(PROV, "TooManyListeners",
		  "Action=CreateListener&LoadBalancerArn=%s&Protocol=TCP&Port=51&" FORWARD
		  "TargetGroupArn=%s",
		  lb, tg);
	elb(PROV, "Action=DescribeListeners&LoadBalancerArn=%s&PageSize=30", lb);
	assert_int_equal(times("<ListenerArn>"), 30);
	element("NextMarker", svc);
	elb(PROV, "Action=DescribeListeners&LoadBalancerArn=%s&PageSize=30&Marker=%s", lb, svc);
	assert_int_equal(times("<ListenerArn>"), 20);
	has_not("NextMarker");
	elb_fails(PROV, "ValidationError", "Action=DescribeListeners&LoadBalancerArn=%s&Marker=x",
		  lb);
}

static void listener_is_changed(void **state)
{
	static const char modify[] = "Action=ModifyListener&ListenerArn=";
	char other[256];

	(void)state;
	make_lb("nlb");
	make_tg("one");
	snprintf(other, sizeof(other), "%s", tg);
	make_tg("two");
	make_listener(81);
	make_listener(80);
	elb(PROV, "%s%s&Port=82", modify, listener);
	has("<Port>82</Port>");
	elb(PROV,
	    "%s%s&DefaultActions.member.1.Type=forward&" GROUPS "1.TargetGroupArn=%s&" GROUPS
	    "1.Weight=3&" GROUPS "2.TargetGroupArn=%s&" GROUPS "2.Weight=0"
	    "&DefaultActions.member.1.ForwardConfig.TargetGroupStickinessConfig.Enabled=true",
	    modify, listener, tg, other);
	has("<Weight>3</Weight>");
	has("<Weight>0</Weight>");
	has("<Enabled>true</Enabled>");
	has_not("<Type>forward</Type><TargetGroupArn>");
	has_not("DurationSeconds");
	/* Terraform always says for how long, and looks for it. */
	elb(PROV,
	    "%s%s&DefaultActions.member.1.Type=forward&" GROUPS "1.TargetGroupArn=%s&" GROUPS
	    "2.TargetGroupArn=%s&" STICKY "Enabled=true&" STICKY "DurationSeconds=600",
	    modify, listener, tg, other);
	elb(PROV, "Action=DescribeListeners&ListenerArns.member.1=%s", listener);
	has("<Enabled>true</Enabled><DurationSeconds>600</DurationSeconds>");
	elb(PROV, "%s%s&Port=83", modify, listener);
	has("<DurationSeconds>600</DurationSeconds>");
	elb(PROV, "%s%s&" FORWARD "TargetGroupArn=%s", modify, listener, other);
	has("<Type>forward</Type><TargetGroupArn>%s<", other);
	has_not("%s", tg);
	elb_fails(PROV, "DuplicateListener", "%s%s&Port=81", modify, listener);
	elb_fails(PROV, "ListenerNotFound", "%s" NONE_LISTENER "&Port=83", modify);
	elb_fails(CONS, "ListenerNotFound", "%s%s&Port=83", modify, listener);
	elb_fails(PROV, "UnsupportedProtocol", "%s%s&Protocol=UDP", modify, listener);
	elb_fails(PROV, "TargetGroupNotFound", "%s%s&" FORWARD "TargetGroupArn=" NONE_TG, modify,
		  listener);
	elb_fails(PROV, "ValidationError", "%s%s&Port=65536", modify, listener);
	elb_fails(PROV, "ValidationError",
		  "%s%s&DefaultActions.member.1.Type=forward&" GROUPS "1.TargetGroupArn=%s&" GROUPS
		  "1.Weight=1000",
		  modify, listener, tg);
	elb_fails(PROV, "ValidationError",
		  "%s%s&" FORWARD "TargetGroupArn=%s&" GROUPS "1.TargetGroupArn=%s", modify,
		  listener, tg, other);
	elb_fails(PROV, "TargetGroupAssociationLimit", "%s%s&" FORWARD "TargetGroupArn=%s", modify,
		  listener, web_tg);
	elb_fails(PROV, "OperationNotPermitted", "%s%s&Port=83", modify,
		  m->lbs[0].listeners[0].arn);
}

static void an_action_has_five_groups(void **state)
{
	char params[2048] = "";
	size_t len = 0;

	(void)state;
	make_lb("nlb");
	for (unsigned int i = 1; i <= 6; i++) {
		char name[8];

		snprintf(name, sizeof(name), "g%u", i);
		make_tg(name);
		len += (size_t)snprintf(params + len, sizeof(params) - len,
					"&" GROUPS "%u.TargetGroupArn=%s", i, tg);
		if (i == 5)
			elb(PROV,
			    "Action=CreateListener&LoadBalancerArn=%s&Protocol=TCP&Port=80"
			    "&DefaultActions.member.1.Type=forward%s",
			    lb, params);
	}
	elb_fails(PROV, "TooManyUniqueTargetGroupsPerLoadBalancer",
		  "Action=CreateListener&LoadBalancerArn=%s&Protocol=TCP&Port=81"
		  "&DefaultActions.member.1.Type=forward%s",
		  lb, params);
}

/* Else the listener could not be put back when the configuration is read again. */
static void stickiness_of_a_group_follows_its_listeners(void **state)
{
	static const char create[] = "Action=CreateListener&Protocol=TCP&LoadBalancerArn=";
	static const char sticky[] = "Attributes.member.1.Key=stickiness.enabled"
				     "&Attributes.member.1.Value=true";
	char one[256];

	(void)state;
	make_lb("nlb");
	make_tg("one");
	make_listener(80);
	snprintf(one, sizeof(one), "%s", tg);
	make_tg("two");
	elb(PROV,
	    "%s%s&Port=81&DefaultActions.member.1.Type=forward&" GROUPS
	    "1.TargetGroupArn=%s&" GROUPS "1.Weight=1&" GROUPS "2.TargetGroupArn=%s&" GROUPS
	    "2.Weight=1",
	    create, lb, one, tg);
	long_element("ListenerArn", listener);
	for (int i = 0; i < 2; i++) {
		elb_fails(PROV, "InvalidConfigurationRequest",
			  "Action=ModifyTargetGroupAttributes&TargetGroupArn=%s&%s",
			  i == 0 ? one : tg, sticky);
		assert_non_null(strstr(err_text, listener));
	}
	/* The choice is for good, or there is none. */
	elb(PROV,
	    "Action=ModifyListener&ListenerArn=%s&DefaultActions.member.1.Type=forward&" GROUPS
	    "1.TargetGroupArn=%s&" GROUPS "1.Weight=1&" GROUPS "2.TargetGroupArn=%s&" GROUPS
	    "2.Weight=1&DefaultActions.member.1.ForwardConfig.TargetGroupStickinessConfig.Enabled="
	    "true",
	    listener, one, tg);
	elb(PROV, "Action=ModifyTargetGroupAttributes&TargetGroupArn=%s&%s", one, sticky);
	elb_fails(
		PROV, "InvalidConfigurationRequest",
		"Action=ModifyListener&ListenerArn=%s&DefaultActions.member.1.Type=forward&" GROUPS
		"1.TargetGroupArn=%s&" GROUPS "1.Weight=1&" GROUPS "2.TargetGroupArn=%s&" GROUPS
		"2.Weight=1",
		listener, one, tg);
	elb(PROV, "Action=ModifyListener&ListenerArn=%s&" FORWARD "TargetGroupArn=%s", listener,
	    tg);
	elb(PROV, "Action=ModifyTargetGroupAttributes&TargetGroupArn=%s&%s", tg, sticky);
}

static void the_default_rule_is_told(void **state)
{
	char rule[256];

	(void)state;
	make_lb("nlb");
	make_tg("api");
	make_listener(80);
	elb(PROV, "Action=DescribeRules&ListenerArn=%s", listener);
	has("<Priority>default</Priority><Conditions/>");
	has("<IsDefault>true</IsDefault>");
	long_element("RuleArn", rule);
	elb(PROV, "Action=DescribeRules&RuleArns.member.1=%s", rule);
	assert_int_equal(times("<RuleArn>"), 1);
	elb_fails(PROV, "ValidationError", "Action=DescribeRules");
	elb_fails(PROV, "ListenerNotFound", "Action=DescribeRules&ListenerArn=" NONE_LISTENER);
	elb_fails(CONS, "ListenerNotFound", "Action=DescribeRules&ListenerArn=%s", listener);
	elb_fails(CONS, "RuleNotFound", "Action=DescribeRules&RuleArns.member.1=%s", rule);
	rule[strlen(rule) - 1] ^= 1;
	elb_fails(PROV, "RuleNotFound", "Action=DescribeRules&RuleArns.member.1=%s", rule);
	elb_fails(PROV, "RuleNotFound", "Action=DescribeRules&RuleArns.member.1=x");
}

/* ---- targets ---- */

static const char add[] = "Action=RegisterTargets&TargetGroupArn=";
static const char end[] = "Action=DeregisterTargets&TargetGroupArn=";
static const char health[] = "Action=DescribeTargetHealth&TargetGroupArn=";

static void targets_come_and_go(void **state)
{
	(void)state;
	make_tg("api");
	elb(PROV,
	    "%s%s&Targets.member.1.Id=10.0.1.50&Targets.member.2.Id=10.0.2.50"
	    "&Targets.member.2.Port=81&Targets.member.3.Id=192.168.7.7"
	    "&Targets.member.3.AvailabilityZone=all",
	    add, tg);
	assert_string_equal(got, "");
	elb(PROV, "%s%s", health, tg);
	assert_int_equal(times("<Id>"), 3);
	has("<TargetHealthDescriptions><member><Target><Id>10.0.1.50</Id><Port>80</Port>"
	    "<AvailabilityZone>us-east-1a</AvailabilityZone></Target>"
	    "<HealthCheckPort>80</HealthCheckPort><TargetHealth><State>unused</State>"
	    "<Reason>Target.NotInUse</Reason>");
	has("<Id>192.168.7.7</Id><Port>80</Port><AvailabilityZone>all</AvailabilityZone>");
	/* Registered again is registered. */
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.50", add, tg);
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.2.50&Targets.member.1.Port=81", health, tg);
	assert_int_equal(times("<Id>"), 1);
	/* Of one that is not there nobody knows where it is. */
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.99", health, tg);
	has("<Target><Id>10.0.1.99</Id><Port>80</Port></Target>");
	has("<State>unused</State><Reason>Target.NotRegistered</Reason>");
	assert_int_equal(times("<AdministrativeOverride>"), 0);
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.50&Targets.member.2.Id=10.0.1.99", end, tg);
	elb(PROV, "%s%s", health, tg);
	assert_int_equal(times("<Id>"), 2);
	elb_fails(PROV, "ValidationError", "%s%s", add, tg);
	elb_fails(PROV, "ValidationError", "%s%s&Targets.member.1.Id=web", add, tg);
	elb_fails(PROV, "ValidationError", "%s%s&Targets.member.1.Port=80", add, tg);
	elb_fails(PROV, "ValidationError",
		  "%s%s&Targets.member.1.Id=10.0.1.51&Targets.member.1.Port=65536", add, tg);
	elb_fails(PROV, "ValidationError", "%s%s&Targets.member.1.Id=192.168.7.8", add, tg);
	/* Ours, public; and then none of the request. */
	for (size_t i = 0; i < 2; i++)
		elb_fails(PROV, "InvalidTarget",
			  "%s%s&Targets.member.1.Id=10.0.1.60&Targets.member.2.Id=%s%s", add, tg,
			  STRS("10.0.1.10", "8.8.8.8")[i],
			  i == 1 ? "&Targets.member.2.AvailabilityZone=all" : "");
	elb(PROV, "%s%s", health, tg);
	assert_int_equal(times("<Id>"), 2);
	for (size_t i = 0; i < 3; i++) {
		elb_fails(PROV, "TargetGroupNotFound", "%s" NONE_TG "&Targets.member.1.Id=10.0.1.5",
			  STRS(add, end, health)[i]);
		elb_fails(CONS, "TargetGroupNotFound", "%s%s&Targets.member.1.Id=10.0.1.5",
			  STRS(add, end, health)[i], tg);
		elb_fails(PROV, "ValidationError", "%sx&Targets.member.1.Id=10.0.1.5",
			  STRS(add, end, health)[i]);
	}
	/* The file's group takes them, too. */
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.70", add, web_tg);
	elb(PROV, "%s%s", health, web_tg);
	has("<Id>10.0.1.70</Id>");
	m->limits[CV_MODEL_TG] = m->n_targets;
	elb_fails(PROV, "TooManyTargets", "%s%s&Targets.member.1.Id=10.0.1.71", add, tg);
	/* What is registered takes no further room. */
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.70", add, web_tg);
	m->limits[CV_MODEL_TG]++;
	elb_fails(PROV, "TooManyTargets",
		  "%s%s&Targets.member.1.Id=10.0.1.71&Targets.member.2.Id=10.0.1.72", add, tg);
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.70&Targets.member.2.Id=10.0.1.71", add, web_tg);
}

/* An address may be there with several ports: without one, it is the group's that is meant. */
static void a_target_without_a_port_has_the_groups(void **state)
{
	(void)state;
	make_tg("api");
	elb(PROV,
	    "%s%s&Targets.member.1.Id=10.0.1.50"
	    "&Targets.member.2.Id=10.0.1.50&Targets.member.2.Port=8080",
	    add, tg);
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.50", health, tg);
	assert_int_equal(times("<Id>"), 1);
	has("<Port>80</Port>");
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.50", end, tg);
	elb(PROV, "%s%s", health, tg);
	assert_int_equal(times("<Id>"), 1);
	has("<Port>8080</Port>");
	/* A waiter for its end looks so. */
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.50", health, tg);
	assert_int_equal(times("<Id>"), 1);
	has("<Port>80</Port>");
	has("<Reason>Target.NotRegistered</Reason>");
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.50&Targets.member.1.Port=8080", end, tg);
	elb(PROV, "%s%s", health, tg);
	assert_int_equal(times("<Id>"), 0);
}

static void a_target_outside_may_be_in_a_zone(void **state)
{
	(void)state;
	make_tg("api");
	elb(PROV,
	    "%s%s&Targets.member.1.Id=192.168.7.7&Targets.member.1.AvailabilityZone=us-east-1a"
	    "&Targets.member.2.Id=192.168.7.8&Targets.member.2.AvailabilityZone=use1-az2",
	    add, tg);
	elb(PROV, "%s%s", health, tg);
	has("<Id>192.168.7.7</Id><Port>80</Port><AvailabilityZone>us-east-1a</AvailabilityZone>");
	has("<Id>192.168.7.8</Id><Port>80</Port><AvailabilityZone>us-east-1b</AvailabilityZone>");
	elb_fails(
		PROV, "ValidationError",
		"%s%s&Targets.member.1.Id=192.168.7.9&Targets.member.1.AvailabilityZone=us-east-1c",
		add, tg);
	elb_fails(PROV, "ValidationError", "%s%s&Targets.member.1.Id=192.168.7.9", add, tg);
	/* One in a subnet is in its zone. */
	for (size_t i = 0; i < 2; i++)
		elb_fails(PROV, "ValidationError",
			  "%s%s&Targets.member.1.Id=10.0.1.50&Targets.member.1.AvailabilityZone=%s",
			  add, tg, STRS("us-east-1b", "all")[i]);
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.50&Targets.member.1.AvailabilityZone=us-east-1a",
	    add, tg);
}

#define OVERRIDE(state, reason) \
	"<AdministrativeOverride><State>" state "</State><Reason>AdministrativeOverride." reason
#define NO_OVERRIDE OVERRIDE("no_override", "NoOverride")
#define SHIFTED OVERRIDE("zonal_shift_active", "ZonalShiftActive")

static void a_zonal_shift_overrides_targets(void **state)
{
	struct cv_model_lb *shifted = &m->lbs[m->tgs[0].lb];

	(void)state;
	elb(PROV,
	    "%s%s&Targets.member.1.Id=10.0.1.70&Targets.member.2.Id=10.0.2.70"
	    "&Targets.member.3.Id=192.168.7.7&Targets.member.3.AvailabilityZone=all",
	    add, web_tg);
	elb(PROV, "%s%s&Include.member.1=All", health, web_tg);
	assert_int_equal(times(NO_OVERRIDE "</Reason><Description>"), m->tgs[0].n_targets);
	shifted->shifted_zone =
		m->subnets[cv_model_find(m, CV_MODEL_SUBNET, CV_MODEL_NONE, sub_pa)].zone;
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.70", health, web_tg);
	has("</TargetHealth>" SHIFTED "</Reason><Description>");
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.2.70&Targets.member.2.Id=192.168.7.7", health,
	    web_tg);
	assert_int_equal(times(NO_OVERRIDE), 2);
	assert_int_equal(times(SHIFTED), 0);
	/* A group that no load balancer uses is none's to shift. */
	make_tg("api");
	elb(PROV, "%s%s&Targets.member.1.Id=10.0.1.50", add, tg);
	elb(PROV, "%s%s", health, tg);
	assert_int_equal(times(NO_OVERRIDE), 1);
	elb_fails(PROV, "ValidationError", "%s%s&Include.member.1=Everything", health, tg);
}

#define MODIFY_GROUP "Action=ModifyTargetGroupAttributes&TargetGroupArn=%s"
#define DRAIN_AS_WELL(n, value)                                      \
	"&Attributes.member." n ".Key=target_health_state.unhealthy" \
	".draining_interval_seconds&Attributes.member." n ".Value=" value
#define END_AS_WELL(n, value)                                        \
	"&Attributes.member." n ".Key=target_health_state.unhealthy" \
	".connection_termination.enabled&Attributes.member." n ".Value=" value

/* Seconds can be set only when connections do not end at once; both come in either order. */
static void unhealthy_targets_drain_or_end(void **state)
{
	(void)state;
	make_tg("web2");
	elb(PROV, MODIFY_GROUP END_AS_WELL("1", "true"), tg);
	elb_fails(PROV, "InvalidConfigurationRequest", MODIFY_GROUP DRAIN_AS_WELL("1", "5"), tg);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  MODIFY_GROUP DRAIN_AS_WELL("1", "5") END_AS_WELL("2", "true"), tg);
	elb(PROV, MODIFY_GROUP DRAIN_AS_WELL("1", "0"), tg);
	elb(PROV, MODIFY_GROUP DRAIN_AS_WELL("1", "5") END_AS_WELL("2", "false"), tg);
	elb(PROV, MODIFY_GROUP DRAIN_AS_WELL("1", "6"), tg);
	elb(PROV, MODIFY_GROUP END_AS_WELL("1", "true"), tg);
	has("<Key>target_health_state.unhealthy.draining_interval_seconds</Key><Value>6</Value>");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(target_group_is_made_and_told),
		TEST(target_group_that_cannot_be_is_refused),
		TEST(target_group_is_changed_and_goes),
		TEST(listener_is_made_told_and_goes),
		TEST(listener_that_cannot_be_is_refused),
		TEST(listeners_have_a_limit),
		TEST(listener_is_changed),
		TEST(an_action_has_five_groups),
		TEST(stickiness_of_a_group_follows_its_listeners),
		TEST(the_default_rule_is_told),
		TEST(targets_come_and_go),
		TEST(a_target_without_a_port_has_the_groups),
		TEST(a_target_outside_may_be_in_a_zone),
		TEST(a_zonal_shift_overrides_targets),
		TEST(unhealthy_targets_drain_or_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
