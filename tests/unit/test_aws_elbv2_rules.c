/* SPDX-License-Identifier: BSD-3-Clause */

/* Elastic Load Balancing: what only other load balancers have, and what is said of it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aws_elb.h"

#define ACTION "DefaultActions.member.1."
#define CERTIFICATE "&Certificates.member.1.CertificateArn=arn:aws:acm:us-east-1:1:certificate/x"
#define OTHER_RULE ARN "listener-rule/net/none/0123456789abcdef/0123456789abcdef/0123456789abcdef"

static char rule[256];

static int start_listener(void **state)
{
	start(state);
	make_lb("nlb");
	make_tg("api");
	make_listener(80);
	elb(PROV, "Action=DescribeRules&ListenerArn=%s", listener);
	long_element("RuleArn", rule);
	return 0;
}

static void there_is_the_default_rule_only(void **state)
{
	static const char create[] = "Action=CreateRule&Priority=1"
				     "&Conditions.member.1.Field=source-ip"
				     "&Conditions.member.1.SourceIpConfig.Values.member.1=0.0.0.0/0"
				     "&Actions.member.1.Type=forward"
				     "&Actions.member.1.TargetGroupArn=x&ListenerArn=";

	(void)state;
	elb_fails(PROV, "InvalidConfigurationRequest", "%s%s", create, listener);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "Action=CreateRule&Priority=1&Conditions=&Actions=&ListenerArn=%s", listener);
	elb_fails(PROV, "ListenerNotFound", "%s" NONE_LISTENER, create);
	elb_fails(CONS, "ListenerNotFound", "%s%s", create, listener);
	elb_fails(PROV, "ValidationError", "Action=CreateRule&ListenerArn=%s", listener);
	for (size_t i = 0; i < 2; i++) {
		const char *action =
			STRS("ModifyRule&Actions.member.1.Type=forward", "DeleteRule")[i];

		elb_fails(PROV, "OperationNotPermitted", "Action=%s&RuleArn=%s", action, rule);
		elb_fails(PROV, "RuleNotFound", "Action=%s&RuleArn=" OTHER_RULE, action);
		elb_fails(CONS, "RuleNotFound", "Action=%s&RuleArn=%s", action, rule);
		elb_fails(PROV, "ValidationError", "Action=%s", action);
	}
	elb(PROV, "Action=DescribeRules&RuleArns.member.1=%s", rule);
}

static void priorities_are_not_the_default_rules(void **state)
{
	static const char set[] = "Action=SetRulePriorities&RulePriorities.member.1.Priority=1"
				  "&RulePriorities.member.1.RuleArn=";

	(void)state;
	elb_fails(PROV, "OperationNotPermitted", "%s%s", set, rule);
	elb_fails(PROV, "RuleNotFound", "%s" OTHER_RULE, set);
	elb_fails(CONS, "RuleNotFound", "%s%s", set, rule);
	elb_fails(PROV, "ValidationError", "Action=SetRulePriorities");
	elb_fails(PROV, "ValidationError",
		  "Action=SetRulePriorities&RulePriorities.member.1.RuleArn=%s", rule);
}

static void there_are_no_certificates(void **state)
{
	(void)state;
	elb(PROV, "Action=DescribeListenerCertificates&ListenerArn=%s", listener);
	assert_string_equal(got, "<Certificates/>");
	elb_fails(PROV, "ValidationError",
		  "Action=AddListenerCertificates&ListenerArn=%s" CERTIFICATE, listener);
	elb(PROV, "Action=RemoveListenerCertificates&ListenerArn=%s" CERTIFICATE, listener);
	for (size_t i = 0; i < 3; i++) {
		const char *action =
			STRS("DescribeListenerCertificates", "AddListenerCertificates" CERTIFICATE,
			     "RemoveListenerCertificates" CERTIFICATE)[i];

		elb_fails(PROV, "ListenerNotFound", "Action=%s&ListenerArn=" NONE_LISTENER, action);
		elb_fails(CONS, "ListenerNotFound", "Action=%s&ListenerArn=%s", action, listener);
		elb_fails(PROV, "ValidationError", "Action=%s&ListenerArn=%s", action, lb);
	}
	elb(PROV, "Action=DescribeSSLPolicies&LoadBalancerType=network");
	assert_string_equal(got, "<SslPolicies/>");
	elb_fails(PROV, "SSLPolicyNotFound",
		  "Action=DescribeSSLPolicies&Names.member.1=ELBSecurityPolicy-2016-08");
}

/* Newer clients look whether there are some. */
static void no_capacity_is_reserved(void **state)
{
	static const char modify[] = "Action=ModifyCapacityReservation&LoadBalancerArn=";

	(void)state;
	elb(PROV, "Action=DescribeCapacityReservation&LoadBalancerArn=%s", lb);
	assert_string_equal(got, "<CapacityReservationState/>");
	elb(PROV, "%s%s&ResetCapacityReservation=true", modify, lb);
	elb_fails(PROV, "InvalidConfigurationRequest",
		  "%s%s&MinimumLoadBalancerCapacity.CapacityUnits=100", modify, lb);
	elb_fails(PROV, "LoadBalancerNotFound", "%s" NONE_LB "&ResetCapacityReservation=true",
		  modify);
	elb_fails(CONS, "LoadBalancerNotFound",
		  "Action=DescribeCapacityReservation&LoadBalancerArn=%s", lb);
}

static void what_is_newer_is_known(void **state)
{
	(void)state;
	elb(PROV, CREATE_LB "new&Subnets.member.1=%s&EnablePrefixForIpv6SourceNat=off", sub_pb);
	elb_fails(PROV, "ValidationError",
		  CREATE_LB "on&Subnets.member.1=%s&EnablePrefixForIpv6SourceNat=on", sub_pb);
	for (size_t i = 0; i < 2; i++) {
		const char *quic = STRS("QUIC", "TCP_QUIC")[i];

		elb_fails(
			PROV, "InvalidConfigurationRequest",
			"Action=CreateTargetGroup&TargetType=ip&VpcId=%s&Port=80&Name=q&Protocol=%s",
			vpc_p, quic);
		elb_fails(PROV, "UnsupportedProtocol",
			  "Action=ModifyListener&ListenerArn=%s&Protocol=%s", listener, quic);
	}
}

/* What is wrong is the protocol, not that it comes with what it needs. */
static void listeners_of_tls_are_refused_as_such(void **state)
{
	static const char create[] = "Action=CreateListener&Port=443&LoadBalancerArn=";

	(void)state;
	elb_fails(
		PROV, "UnsupportedProtocol",
		"%s%s&Protocol=TLS&SslPolicy=ELBSecurityPolicy-2016-08&AlpnPolicy.member.1=None" CERTIFICATE
		"&" FORWARD "TargetGroupArn=%s",
		create, lb, tg);
	for (size_t i = 0; i < 4; i++) {
		const char *what =
			STRS(CERTIFICATE, "&SslPolicy=ELBSecurityPolicy-2016-08",
			     "&AlpnPolicy.member.1=None", "&MutualAuthentication.Mode=off")[i];

		elb_fails(PROV, "ValidationError",
			  "%s%s&Protocol=TCP%s&" FORWARD "TargetGroupArn=%s", create, lb, what, tg);
		elb_fails(PROV, "ValidationError", "Action=ModifyListener&ListenerArn=%s%s",
			  listener, what);
	}
	elb_fails(PROV, "UnsupportedProtocol",
		  "Action=ModifyListener&ListenerArn=%s&Protocol=TLS" CERTIFICATE, listener);
	elb_fails(PROV, "ValidationError",
		  "%s%s&Protocol=TCP&" ACTION "Type=forward&" ACTION "ForwardConfig.TargetGroups=",
		  create, lb);
	assert_non_null(strstr(err_text, "target group ARN must be specified"));
	/* As clients send lists with nothing in them. */
	elb(PROV, "%s%s&Protocol=TCP&Certificates=&AlpnPolicy=&" FORWARD "TargetGroupArn=%s",
	    create, lb, tg);
}

static void actions_of_other_load_balancers_are_refused_as_such(void **state)
{
	static const char *const actions[] = {
		"redirect&" ACTION "RedirectConfig.StatusCode=HTTP_301",
		"fixed-response&" ACTION "FixedResponseConfig.StatusCode=200",
		"authenticate-oidc&" ACTION "AuthenticateOidcConfig.Scope=x",
		"authenticate-cognito&" ACTION "AuthenticateCognitoConfig.Scope=x",
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(actions); i++) {
		elb_fails(PROV, "InvalidLoadBalancerAction",
			  "Action=CreateListener&Port=81&Protocol=TCP&LoadBalancerArn=%s&" ACTION
			  "Type=%s",
			  lb, actions[i]);
		elb_fails(PROV, "ValidationError",
			  "Action=ModifyListener&ListenerArn=%s&" FORWARD "TargetGroupArn=%s&%s",
			  listener, tg, strchr(actions[i], '&') + 1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_listener, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(there_is_the_default_rule_only),
		TEST(priorities_are_not_the_default_rules),
		TEST(there_are_no_certificates),
		TEST(no_capacity_is_reserved),
		TEST(what_is_newer_is_known),
		TEST(listeners_of_tls_are_refused_as_such),
		TEST(actions_of_other_load_balancers_are_refused_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
