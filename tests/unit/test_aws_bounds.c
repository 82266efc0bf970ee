/* SPDX-License-Identifier: BSD-3-Clause */

/* What one request may cost: control answers all accounts, and does more than answer. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aws_elb.h"

static char long_text[1 << 20];

static size_t CV_PRINTF(2, 3) add(size_t at, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(long_text + at, sizeof(long_text) - at, fmt, ap);
	va_end(ap);
	assert_true(n > 0 && at + (size_t)n < sizeof(long_text));
	return at + (size_t)n;
}

static void lists_have_a_limit(void **state)
{
	size_t at = add(0, "Action=DescribeVpcs");

	(void)state;
	for (unsigned int i = 1; i <= 1000; i++)
		at = add(at, "&VpcId.%u=%s", i, vpc_c);
	assert_true(calls_make(AWS_EC2, CONS, long_text));
	assert_int_equal(times("<vpcId>"), 1);
	at = add(at, "&VpcId.%u=%s", 1001, vpc_c);
	assert_false(calls_make(AWS_EC2, CONS, long_text));
	assert_string_equal(err_code, "InvalidParameterValue");
	assert_non_null(strstr(err_text, "more than 1000 elements"));
	/* Positions far apart count by their number, not by their value. */
	ec2(CONS, "Action=DescribeVpcs&VpcId.7=%s&VpcId.999999=%s", vpc_c, vpc_c);
	ec2_fails(CONS, "UnknownParameter", "Action=DescribeVpcs&VpcId.4294967296=%s", vpc_c);
	ec2_fails(CONS, "UnknownParameter", "Action=DescribeVpcs&VpcId.0=%s", vpc_c);
	ec2_fails(CONS, "UnknownParameter", "Action=DescribeVpcs&VpcId.01=%s", vpc_c);
	ec2_fails(CONS, "UnknownParameter", "Action=DescribeVpcs&VpcId.-1=%s", vpc_c);
	ec2_fails(CONS, "UnknownParameter", "Action=DescribeVpcs&VpcId.1.1=%s", vpc_c);
	ec2_fails(CONS, "UnknownParameter", "Action=DescribeVpcs&VpcId.=%s", vpc_c);
	ec2_fails(CONS, "UnknownParameter", "Action=DescribeVpcs&.VpcId.1=%s", vpc_c);
}

static void wanted_ids_are_found_among_many(void **state)
{
	const char *ids[] = {sub_cb, sub_ca, id_of(CV_MODEL_SUBNET, "c", "b2")};

	(void)state;
	for (int i = 0; i < 3; i++) {
		ec2(CONS, "Action=DescribeSubnets&SubnetId.1=%s&SubnetId.2=%s", ids[i],
		    ids[(i + 1) % 3]);
		assert_int_equal(times("<subnetId>"), 2);
		has("<subnetId>%s<", ids[i]);
		has("<subnetId>%s<", ids[(i + 1) % 3]);
	}
}

static void filters_have_limits(void **state)
{
	size_t at = add(0, "Action=DescribeVpcs&Filter.1.Name=vpc-id");

	(void)state;
	for (unsigned int i = 1; i <= 200; i++)
		at = add(at, "&Filter.1.Value.%u=x", i);
	assert_true(calls_make(AWS_EC2, CONS, long_text));
	at = add(at, "&Filter.1.Value.201=x");
	assert_false(calls_make(AWS_EC2, CONS, long_text));
	assert_string_equal(err_code, "FilterLimitExceeded");
	at = add(0, "Action=DescribeVpcs");
	for (unsigned int i = 1; i <= 51; i++)
		at = add(at, "&Filter.%u.Name=vpc-id&Filter.%u.Value.1=x", i, i);
	assert_false(calls_make(AWS_EC2, CONS, long_text));
	assert_string_equal(err_code, "FilterLimitExceeded");
}

/* Keys and patterns that match but for the last character, everywhere. */
static void filters_that_take_too_long_are_ended(void **state)
{
	char many[127], some[61];
	size_t at;

	(void)state;
	memset(many, 'a', sizeof(many) - 1);
	memset(some, 'a', sizeof(some) - 1);
	many[sizeof(many) - 1] = some[sizeof(some) - 1] = '\0';
	at = add(0, "Action=CreateTags&ResourceId.1=%s", vpc_c);
	for (unsigned int i = 1; i <= 50; i++)
		at = add(at, "&Tag.%u.Key=%s%02u", i, many, i);
	if (!calls_make(AWS_EC2, CONS, long_text))
		fail_msg("%s", err_text);
	at = add(0, "Action=DescribeVpcs&Filter.1.Name=tag-key");
	for (unsigned int i = 1; i <= 200; i++)
		at = add(at, "&Filter.1.Value.%u=*%sb", i, some);
	assert_false(calls_make(AWS_EC2, CONS, long_text));
	assert_string_equal(err_code, "FilterLimitExceeded");
	/* Each request has its own. */
	at = add(0, "Action=DescribeVpcs&Filter.1.Name=tag-key");
	for (unsigned int i = 1; i <= 20; i++)
		at = add(at, "&Filter.1.Value.%u=*%sb", i, some);
	at = add(at, "&Filter.1.Value.21=*%s50", some);
	assert_true(calls_make(AWS_EC2, CONS, long_text));
	assert_int_equal(times("<vpcId>"), 1);
	/* So has each of the three runs that a page takes. */
	at = add(0, "Action=DescribeTags&MaxResults=5&Filter.1.Name=key");
	for (unsigned int i = 1; i <= 40; i++)
		at = add(at, "&Filter.1.Value.%u=*%sb", i, some);
	at = add(at, "&Filter.1.Value.41=*");
	if (!calls_make(AWS_EC2, CONS, long_text))
		fail_msg("%s: %s", err_code, err_text);
	assert_int_equal(times("<resourceId>"), 5);
}

static void wanted_names_are_found_among_many(void **state)
{
	char sg[128], rules[3][128];

	(void)state;
	ec2(CONS, "Action=CreateSecurityGroup&GroupName=x&GroupDescription=x&VpcId=%s", vpc_c);
	element("groupId", sg);
	for (unsigned int i = 0; i < 3; i++) {
		ec2(CONS,
		    "Action=AuthorizeSecurityGroupIngress&GroupId=%s&IpProtocol=tcp&FromPort=%u"
		    "&ToPort=%u&CidrIp=0.0.0.0/0",
		    sg, 100 + i, 100 + i);
		element("securityGroupRuleId", rules[i]);
	}
	for (int i = 0; i < 3; i++) {
		ec2(CONS,
		    "Action=DescribeSecurityGroupRules&SecurityGroupRuleId.1=%s"
		    "&SecurityGroupRuleId.2=%s&SecurityGroupRuleId.3=%s",
		    rules[i], rules[(i + 1) % 3], rules[i]);
		assert_int_equal(times("<securityGroupRuleId>"), 2);
		ec2_fails(CONS, "InvalidSecurityGroupRuleId.NotFound",
			  "Action=DescribeSecurityGroupRules&SecurityGroupRuleId.1=%s"
			  "&SecurityGroupRuleId.2=sgr-00000000000000000",
			  rules[i]);
		assert_non_null(strstr(err_text, "sgr-00000000000000000"));
	}
	ec2(CONS, "Action=DescribeSecurityGroups&GroupName.1=x&GroupName.2=default");
	has("<groupName>x<");
	has("<groupName>default<");
	ec2_fails(CONS, "InvalidGroup.NotFound",
		  "Action=DescribeSecurityGroups&GroupName.1=x&GroupName.2=y&GroupName.3=x");
	assert_string_equal(err_text, "The security group 'y' does not exist");
}

static void dimensions_have_a_limit(void **state)
{
	size_t at = add(0, "Action=ListMetrics");

	(void)state;
	for (unsigned int i = 1; i <= 10; i++)
		at = add(at, "&Dimensions.member.%u.Name=x", i);
	assert_true(calls_make(AWS_CLOUDWATCH, CONS, long_text));
	add(at, "&Dimensions.member.11.Name=x");
	assert_false(calls_make(AWS_CLOUDWATCH, CONS, long_text));
	assert_string_equal(err_code, "InvalidParameterValue");
}

static int json_read(size_t len, struct cv_query *query)
{
	const struct cv_sigv4_header headers[] = {
		{"Content-Type", "application/x-amz-json-1.0"},
		{"X-Amz-Target", "GraniteServiceVersion20100801.GetMetricData"}};
	const struct cv_sigv4_request request = {.method = "POST",
						 .headers = headers,
						 .n_headers = 2,
						 .body = long_text,
						 .body_len = len};

	*query = (struct cv_query){0};
	return cv_aws_wire_params(&request, query);
}

static const char *param(const struct cv_query *query, const char *name)
{
	for (uint32_t i = 0; i < query->n; i++) {
		if (strcmp(query->params[i].name, name) == 0)
			return query->params[i].value;
	}
	fail_msg("no %s", name);
	return "";
}

/* Each value takes its whole name with it: a long name of many values would be without end. */
static void json_does_not_grow(void **state)
{
	struct cv_query query;
	size_t at;

	(void)state;
	at = add(0, "{\"%0256d\":[0", 0);
	for (int i = 0; i < 9000; i++)
		at = add(at, ",0");
	at = add(at, "]}");
	assert_int_equal(json_read(at, &query), -ENAMETOOLONG);
	cv_query_fini(&query);
	at = add(0, "{\"a\":[0");
	for (int i = 0; i < 9000; i++)
		at = add(at, ",0");
	at = add(at, ",[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]}");
	assert_int_equal(json_read(at, &query), -E2BIG);
	cv_query_fini(&query);
	at = add(0, "{\"a\":[1,2],\"StartTime\":0,\"EndTime\":1e300,\"OtherTime\":-1}");
	assert_int_equal(json_read(at, &query), 0);
	assert_string_equal(param(&query, "a.member.2"), "2");
	assert_string_equal(param(&query, "StartTime"), "1970-01-01T00:00:00Z");
	assert_non_null(strstr(param(&query, "EndTime"), "e+300"));
	assert_string_equal(param(&query, "OtherTime"), "-1");
	cv_query_fini(&query);
}

#define TARGETS 900

static struct cv_model served;

static const struct cv_model *served_get(struct cv_ctl *ctl, const struct cv_health **ret_health)
{
	(void)ctl;
	*ret_health = NULL;
	return &served;
}

static uint32_t n_walks;

/* Half of the targets of two groups drain; one of them has come back since. */
static void draining_each(struct cv_ctl *ctl, cv_aws_draining_fn *fn, void *fn_arg)
{
	(void)ctl;
	n_walks++;
	for (uint32_t i = 0; i < TARGETS; i++) {
		const struct cv_aws_draining draining = {
			.tg_arn = i % 2 == 0 ? tg : web_tg,
			.ip = i == 0 ? ip("10.0.50.1") : cv_be32(0x0a006400 + i),
			.port = 80,
			.zone = CV_MODEL_NONE,
		};

		fn(fn_arg, &draining);
	}
}

/* Looking for each target among each other one three times over would take hours. */
static void health_of_many_targets_is_told_at_once(void **state)
{
	size_t at = add(0, "Action=RegisterTargets&TargetGroupArn=");

	(void)state;
	make_tg("many");
	at = add(at, "%s", tg);
	for (unsigned int i = 0; i < TARGETS; i++)
		at = add(at, "&Targets.member.%u.Id=10.0.%u.%u", i + 1, 50 + i / 250, 1 + i % 250);
	if (!calls_make(AWS_ELBV2, PROV, long_text))
		fail_msg("%s", err_text);
	served = *m;
	calls_aws.ops.served = served_get;
	calls_aws.ops.draining = draining_each;
	at = add(0, "Action=DescribeTargetHealth&TargetGroupArn=%s", tg);
	assert_true(calls_make(AWS_ELBV2, PROV, long_text));
	assert_int_equal(times("<State>draining</State>"), TARGETS / 2 - 1);
	assert_int_equal(times("<State>unused</State>"), TARGETS);
	assert_in_range(n_walks, 1, 2);
	for (unsigned int i = 0; i < 4000; i++)
		at = add(at, "&Targets.member.%u.Id=10.0.%u.%u", i + 1, 200 + i / 250, i % 250);
	at = add(at, "&Targets.member.5000.Id=10.0.100.2&Targets.member.5001.Id=10.0.50.1");
	assert_true(calls_make(AWS_ELBV2, PROV, long_text));
	assert_int_equal(times("<Reason>Target.NotRegistered</Reason>"), 4000);
	assert_int_equal(times("<State>draining</State>"), 1);
	assert_int_equal(times("<State>unused</State>"), 4001);
}

static uint32_t n_gone;

static uint32_t gone_get(struct cv_ctl *ctl)
{
	(void)ctl;
	return n_gone;
}

/* Registering and deregistering others again and again would use up the targets of all accounts. */
static void draining_targets_take_room(void **state)
{
	(void)state;
	make_tg("room");
	calls_aws.ops.gone = gone_get;
	m->limits[CV_MODEL_TG] = m->n_targets + 10;
	n_gone = 9;
	elb_fails(PROV, "TooManyTargets",
		  "Action=RegisterTargets&TargetGroupArn=%s&Targets.member.1.Id=10.0.50.1"
		  "&Targets.member.2.Id=10.0.50.2",
		  tg);
	elb(PROV, "Action=RegisterTargets&TargetGroupArn=%s&Targets.member.1.Id=10.0.50.1", tg);
	elb_fails(PROV, "TooManyTargets",
		  "Action=RegisterTargets&TargetGroupArn=%s&Targets.member.1.Id=10.0.50.2", tg);
	elb(PROV, "Action=DeregisterTargets&TargetGroupArn=%s&Targets.member.1.Id=10.0.50.1", tg);
	/* Without a limit there is always room. */
	m->limits[CV_MODEL_TG] = 0;
	elb(PROV, "Action=RegisterTargets&TargetGroupArn=%s&Targets.member.1.Id=10.0.50.1", tg);
}

static uint32_t n_room;

static uint32_t room_get(struct cv_ctl *ctl)
{
	(void)ctl;
	return n_room;
}

/* The same of listeners; one that is asked for again needs none. */
static void deleted_listeners_take_room(void **state)
{
	(void)state;
	make_lb("nlb");
	make_tg("room");
	calls_aws.ops.listeners_room = room_get;
	n_room = 1;
	make_listener(80);
	n_room = 0;
	make_listener(80);
	elb_fails(PROV, "TooManyListeners",
		  "Action=CreateListener&LoadBalancerArn=%s&Protocol=TCP&Port=81&" FORWARD
		  "TargetGroupArn=%s",
		  lb, tg);
}

static int end(void **state)
{
	calls_aws.ops = (struct cv_aws_ops){0};
	return teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lists_have_a_limit),
		TEST(wanted_ids_are_found_among_many),
		TEST(filters_have_limits),
		TEST(filters_that_take_too_long_are_ended),
		TEST(wanted_names_are_found_among_many),
		TEST(dimensions_have_a_limit),
		TEST(json_does_not_grow),
		TEST(health_of_many_targets_is_told_at_once),
		TEST(draining_targets_take_room),
		TEST(deleted_listeners_take_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
