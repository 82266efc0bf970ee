/* SPDX-License-Identifier: BSD-3-Clause */

/* Pages: whatever comes and goes between them, what stays is told once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aws_elb.h"
#include "sns_priv.h"

#define GROUPS_MAX 64

static char token[128];
/* How often each of the groups was told. */
static unsigned int told[GROUPS_MAX];

static const char *group_id(unsigned int i)
{
	static char id[32];

	snprintf(id, sizeof(id), "sg-%017x", i + 1);
	return id;
}

static void group_make(unsigned int i)
{
	struct cv_model_sg_req req = {
		.name = group_id(i),
		.id = group_id(i),
		.vpc = cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, "c"),
	};

	no_error(cv_model_sg_add(m, &req, &errs));
}

static void group_remove(unsigned int i)
{
	no_error(cv_model_remove(m, NULL, CV_MODEL_SG, group_id(i), &errs));
}

/* Asks for the next page, and counts whom it has. @return whether there is another */
static bool page_next(const char *size)
{
	ec2(CONS,
	    "Action=DescribeSecurityGroups&Filter.1.Name=group-id&Filter.1.Value.1=sg-0000*"
	    "&MaxResults=%s%s%s",
	    size, *token != '\0' ? "&NextToken=" : "", token);
	for (unsigned int i = 0; i < GROUPS_MAX; i++) {
		char id[64];

		snprintf(id, sizeof(id), "<groupId>%s</groupId>", group_id(i));
		told[i] += times(id);
	}
	if (strstr(got, "<nextToken>") == NULL)
		return false;
	element("nextToken", token);
	return true;
}

static int begin(void **state)
{
	start(state);
	token[0] = '\0';
	memset(told, 0, sizeof(told));
	for (unsigned int i = 0; i < 23; i++)
		group_make(i);
	return 0;
}

static void each_is_told_once(void **state)
{
	unsigned int n = 1;

	(void)state;
	while (page_next("5")) {
		assert_int_equal(times("<groupDescription>"), 5);
		n++;
	}
	assert_int_equal(n, 5);
	assert_int_equal(times("<groupDescription>"), 3);
	for (unsigned int i = 0; i < 23; i++)
		assert_int_equal(told[i], 1);
}

static void a_page_that_fits_is_the_last(void **state)
{
	(void)state;
	assert_false(page_next("23"));
	assert_int_equal(times("<groupDescription>"), 23);
	assert_true(page_next("22"));
	assert_int_equal(times("<groupDescription>"), 22);
	assert_false(page_next("22"));
	assert_int_equal(times("<groupDescription>"), 1);
}

static void what_comes_and_goes_disturbs_nobody(void **state)
{
	bool gone[GROUPS_MAX] = {false};
	unsigned int n_new = 23;

	(void)state;
	while (page_next("5")) {
		/* One that was told and one that was not go, their places are taken by others. */
		for (int told_one = 0; told_one < 2; told_one++) {
			for (unsigned int i = 0; i < 23; i++) {
				if (gone[i] || (told[i] > 0) != told_one)
					continue;
				group_remove(i);
				gone[i] = true;
				break;
			}
		}
		group_make(n_new++);
		group_make(n_new++);
	}
	for (unsigned int i = 0; i < 23; i++) {
		if (gone[i])
			assert_in_range(told[i], 0, 1);
		else
			assert_int_equal(told[i], 1);
	}
	for (unsigned int i = 23; i < n_new; i++)
		assert_in_range(told[i], 0, 1);
}

/* After a reload, or a restart, all stand elsewhere. */
static void another_order_disturbs_nobody(void **state)
{
	(void)state;
	while (page_next("5")) {
		cv_model_destroy(m);
		setup(state);
		for (unsigned int i = 23; i-- > 0;)
			group_make(i);
	}
	for (unsigned int i = 0; i < 23; i++)
		assert_int_equal(told[i], 1);
}

static void the_last_told_may_go(void **state)
{
	(void)state;
	assert_true(page_next("5"));
	for (unsigned int i = 0; i < 23; i++) {
		if (told[i] > 0)
			group_remove(i);
	}
	while (page_next("5"))
		;
	for (unsigned int i = 0; i < 23; i++)
		assert_int_equal(told[i], 1);
	/* All gone: an empty last page. */
	token[0] = '\0';
	assert_true(page_next("17"));
	for (unsigned int i = 0; i < 23; i++) {
		if (cv_model_find(m, CV_MODEL_SG, CV_MODEL_NONE, group_id(i)) != CV_MODEL_NONE)
			group_remove(i);
	}
	assert_false(page_next("17"));
	assert_string_equal(got, "<securityGroupInfo/>");
}

/* Lists in lists, and those by other ids than their place. */
static void tags_rules_and_interfaces_come_in_pages(void **state)
{
	static const struct {
		const char *call, *item;
		uint32_t n;
	} rows[] = {
		{"DescribeTags", "<resourceId>", 30},
		{"DescribeSecurityGroupRules", "<securityGroupRuleId>", 39},
		{"DescribeNetworkInterfaces", "<networkInterfaceId>", 2},
		{"DescribeSubnets", "<subnetId>", 3},
		{"DescribeVpcs", "<vpcId>", 1},
	};
	char sg[128];

	(void)state;
	for (unsigned int i = 0; i < 15; i++)
		ec2(CONS, "Action=CreateTags&ResourceId.1=%s&ResourceId.2=%s&Tag.1.Key=k%u", vpc_c,
		    sub_ca, i);
	ec2(CONS, "Action=CreateSecurityGroup&GroupName=x&GroupDescription=x&VpcId=%s", vpc_c);
	element("groupId", sg);
	for (unsigned int i = 0; i < 11; i++)
		ec2(CONS,
		    "Action=AuthorizeSecurityGroupIngress&GroupId=%s&IpProtocol=tcp&FromPort=%u"
		    "&ToPort=%u&CidrIp=0.0.0.0/0",
		    sg, 100 + i, 100 + i);
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		uint32_t n = 0;

		for (bool more = true; more; n += times(rows[i].item)) {
			ec2(CONS, "Action=%s&MaxResults=5%s%s", rows[i].call,
			    n > 0 ? "&NextToken=" : "", n > 0 ? token : "");
			more = strstr(got, "<nextToken>") != NULL;
			if (more)
				element("nextToken", token);
			assert_in_range(times(rows[i].item), 1, 5);
		}
		assert_int_equal(n, rows[i].n);
	}
}

#define TOPICS 230

/* Topics that are deleted between two pages pull those after them forward. */
static void topics_go_and_the_others_are_told_once(void **state)
{
	struct sns_topic topics[TOPICS] = {0}, *list[TOPICS];
	struct aws_sns sns = {.topics = list, .n_topics = TOPICS};
	unsigned int n_told[TOPICS] = {0}, n_pages = 0;
	char arns[TOPICS][16], text[512];

	(void)state;
	for (unsigned int i = 0; i < TOPICS; i++) {
		snprintf(arns[i], sizeof(arns[i]), "arn:t%03u", i);
		topics[i].arn = arns[i];
		snprintf(topics[i].account, sizeof(topics[i].account), "111111111111");
		list[i] = &topics[i];
	}
	calls_aws.sns = &sns;
	for (bool more = true; more; n_pages++) {
		snprintf(text, sizeof(text), "Action=ListTopics%s%s",
			 n_pages > 0 ? "&NextToken=" : "", token);
		assert_true(calls_make(AWS_SNS, PROV, text));
		for (unsigned int i = 0; i < TOPICS; i++)
			n_told[i] += times(arns[i]);
		more = strstr(got, "<NextToken>") != NULL;
		if (more)
			element("NextToken", token);
		/* The first ten go. */
		if (n_pages == 0)
			memmove(list, list + 10, (sns.n_topics -= 10) * sizeof(struct sns_topic *));
	}
	calls_aws.sns = NULL;
	assert_int_equal(n_pages, 3);
	for (unsigned int i = 10; i < TOPICS; i++)
		assert_int_equal(n_told[i], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_is_told_once),
		TEST(a_page_that_fits_is_the_last),
		TEST(what_comes_and_goes_disturbs_nobody),
		TEST(another_order_disturbs_nobody),
		TEST(the_last_told_may_go),
		TEST(tags_rules_and_interfaces_come_in_pages),
		TEST(topics_go_and_the_others_are_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
