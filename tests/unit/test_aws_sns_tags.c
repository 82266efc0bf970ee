/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS by calls: tags of topics, and attributes that say that something is off. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aws_world.h"
#include "sns_priv.h"

#define ARN "arn:aws:sns:us-east-1:111111111111:t"
#define TAG(n, key, value) "&Tags.member." n ".Key=" key "&Tags.member." n ".Value=" value
#define TOLD(key, value) "<member><Key>" key "</Key><Value>" value "</Value></member>"
#define LIST "Action=ListTagsForResource&ResourceArn=" ARN
#define SET "Action=SetTopicAttributes&TopicArn=" ARN "&AttributeName="

static struct aws_sns sns;
static char kept[1024];

static int keep(struct cv_ctl *ctl, const char *key, const char *value, size_t len)
{
	(void)ctl;
	assert_string_equal(key, "sns/topic/" ARN);
	snprintf(kept, sizeof(kept), "%.*s", (int)len, value);
	return 0;
}

static int kept_tell(void *arg, cv_aws_kept_fn *fn, void *fn_arg)
{
	(void)arg;
	return fn(fn_arg, "sns/topic/" ARN, kept, strlen(kept));
}

static int begin(void **state)
{
	setup(state);
	calls_aws.sns = &sns;
	calls_aws.ops.keep = keep;
	calls_aws.ops.kept = kept_tell;
	return 0;
}

static int end(void **state)
{
	cv_aws_sns_fini(&sns);
	sns = (struct aws_sns){0};
	calls_aws.sns = NULL;
	calls_aws.ops.keep = NULL;
	calls_aws.ops.kept = NULL;
	return teardown(state);
}

static void CV_PRINTF(1, 2) ask(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must(AWS_SNS, PROV, fmt, ap);
	va_end(ap);
}

static void CV_PRINTF(2, 3) ask_fails(const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must_fail(AWS_SNS, PROV, code, fmt, ap);
	va_end(ap);
}

static void topics_have_tags(void **state)
{
	(void)state;
	ask("Action=CreateTopic&Name=t" TAG("1", "a", "1") TAG("2", "b", ""));
	ask(LIST);
	has("<Tags>" TOLD("a", "1") "<member><Key>b</Key><Value");
	ask("Action=TagResource&ResourceArn=" ARN TAG("1", "a", "2") TAG("2", "c", "%%26"));
	ask(LIST);
	has(TOLD("a", "2"));
	has(TOLD("c", "&amp;"));
	ask("Action=UntagResource&ResourceArn=" ARN "&TagKeys.member.1=a&TagKeys.member.2=no");
	ask(LIST);
	has_not("<Key>a</Key>");
	has(TOLD("c", "&amp;"));
	/* All of it is kept. */
	assert_int_equal(cv_aws_sns_load(&calls_aws), 0);
	ask(LIST);
	has("<Key>b</Key>");
	has(TOLD("c", "&amp;"));
}

/* One from before there were tags. */
static void a_topic_without_tags_is_read(void **state)
{
	char *tags;

	(void)state;
	ask("Action=CreateTopic&Name=t");
	tags = strstr(kept, ",\"tags\":{}");
	assert_non_null(tags);
	memmove(tags, tags + 10, strlen(tags + 10) + 1);
	assert_int_equal(cv_aws_sns_load(&calls_aws), 0);
	ask(LIST);
	has("<Tags/>");
	ask("Action=TagResource&ResourceArn=" ARN TAG("1", "a", "1"));
	ask(LIST);
	has(TOLD("a", "1"));
}

static void tags_are_not_changed_by_making_it_again(void **state)
{
	(void)state;
	ask("Action=CreateTopic&Name=t" TAG("1", "a", "1") TAG("2", "b", "2"));
	ask("Action=CreateTopic&Name=t");
	ask("Action=CreateTopic&Name=t" TAG("1", "b", "2") TAG("2", "a", "1"));
	ask_fails("InvalidParameter", "Action=CreateTopic&Name=t" TAG("1", "a", "1"));
	assert_non_null(strstr(err_text, "different tags"));
	ask_fails("InvalidParameter",
		  "Action=CreateTopic&Name=t" TAG("1", "a", "1") TAG("2", "b", "3"));
	ask_fails("InvalidParameter",
		  "Action=CreateTopic&Name=t" TAG("1", "a", "1") TAG("2", "c", "2"));
}

static void wrong_tags_are_refused(void **state)
{
	(void)state;
	ask("Action=CreateTopic&Name=t");
	ask_fails("InvalidParameter", "Action=TagResource&ResourceArn=" ARN TAG("1", "aws:a", "1"));
	ask_fails("InvalidParameter",
		  "Action=TagResource&ResourceArn=" ARN TAG("1", "a", "1") TAG("2", "a", "1"));
	ask_fails("InvalidParameter", "Action=TagResource&ResourceArn=" ARN);
	ask_fails("ResourceNotFound", LIST "x");
	ask_fails("InvalidParameter", "Action=ListTagsForResource&ResourceArn=t");
	assert_false(calls_make(AWS_SNS, CONS, LIST));
	assert_string_equal(err_code, "AuthorizationError");
	for (unsigned int i = 0; i < CV_MODEL_TAGS_MAX; i++)
		ask("Action=TagResource&ResourceArn=" ARN "&Tags.member.1.Key=k%u", i);
	ask_fails("TagLimitExceeded", "Action=TagResource&ResourceArn=" ARN TAG("1", "a", "1"));
	/* Nothing of it stays. */
	ask(LIST);
	has_not("<Key>a</Key>");
	has("<Key>k49</Key>");
	ask("Action=TagResource&ResourceArn=" ARN TAG("1", "k49", "1"));
}

/* Terraform says of all that there could be that there is none. */
static void what_is_off_may_be_said_to_be(void **state)
{
	(void)state;
	ask("Action=CreateTopic&Name=t");
	ask(SET "LambdaSuccessFeedbackSampleRate&AttributeValue=0");
	ask(SET "HTTPSuccessFeedbackSampleRate&AttributeValue=0");
	ask(SET "SQSFailureFeedbackRoleArn");
	ask(SET "TracingConfig&AttributeValue=PassThrough");
	ask(SET "FifoTopic&AttributeValue=false");
	ask_fails("InvalidParameter", SET "HTTPSuccessFeedbackSampleRate&AttributeValue=1");
	ask_fails("InvalidParameter", SET "SQSFailureFeedbackRoleArn&AttributeValue=arn");
	ask_fails("InvalidParameter", SET "TracingConfig&AttributeValue=Active");
	ask_fails("InvalidParameter", SET "FifoTopic&AttributeValue=true");
	ask_fails("InvalidParameter", SET "SuccessFeedbackSampleRate&AttributeValue=0");
	ask_fails("InvalidParameter", SET "SQSFifoTopic&AttributeValue=false");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(topics_have_tags),
		TEST(a_topic_without_tags_is_read),
		TEST(tags_are_not_changed_by_making_it_again),
		TEST(wrong_tags_are_refused),
		TEST(what_is_off_may_be_said_to_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
