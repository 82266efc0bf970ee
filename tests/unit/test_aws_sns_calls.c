/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS by calls: what is there already, what is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "aws_world.h"
#include "sns_priv.h"

#define TOPIC "arn:aws:sns:us-east-1:111111111111:t"
#define SUB_ARN TOPIC ":0001"
#define DIFFERENT "already exists with different attributes"

static struct aws_sns sns;
/* Subscriptions that are listed. */
static unsigned int n_told[250];

static int begin(void **state)
{
	setup(state);
	calls_aws.sns = &sns;
	return 0;
}

static int end(void **state)
{
	cv_aws_sns_fini(&sns);
	sns = (struct aws_sns){0};
	calls_aws.sns = NULL;
	return teardown(state);
}

static void CV_PRINTF(1, 2) ask(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must(AWS_SNS, PROV, fmt, ap);
	va_end(ap);
}

static void CV_PRINTF(1, 2) is_different(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must_fail(AWS_SNS, PROV, "InvalidParameter", fmt, ap);
	va_end(ap);
	assert_non_null(strstr(err_text, DIFFERENT));
}

#define ATTR(n, name, value) \
	"&Attributes.entry." n ".key=" name "&Attributes.entry." n ".value=" value
#define SUBSCRIBE                                                                                 \
	"Action=Subscribe&TopicArn=" TOPIC "&Protocol=http&Endpoint=http%%3A%%2F%%2Freceiver%%2F" \
	"&ReturnSubscriptionArn=true"
#define RAW(value) ATTR("1", "RawMessageDelivery", value)

static void a_topic_is_not_changed_by_making_it_again(void **state)
{
	(void)state;
	ask("Action=CreateTopic&Name=t" ATTR("1", "DisplayName", "d"));
	ask("Action=CreateTopic&Name=t");
	ask("Action=CreateTopic&Name=t" ATTR("1", "DisplayName", "d")
		    ATTR("2", "SignatureVersion", "1"));
	has("<TopicArn>" TOPIC "</TopicArn>");
	is_different("Action=CreateTopic&Name=t" ATTR("1", "DisplayName", "e"));
	is_different("Action=CreateTopic&Name=t" ATTR("1", "SignatureVersion", "2"));
	is_different("Action=CreateTopic&Name=t" ATTR(
		"1", "Policy",
		"{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\"}}"));
	assert_false(
		calls_make(AWS_SNS, PROV, "Action=CreateTopic&Name=t" ATTR("1", "Nonsense", "1")));
	assert_non_null(strstr(err_text, "'Nonsense' cannot be set"));
	ask("Action=GetTopicAttributes&TopicArn=" TOPIC);
	has("<key>DisplayName</key><value>d</value>");
	has("<key>SignatureVersion</key><value>1</value>");
}

/* A policy is the same however it is written. */
static void policies_are_compared_by_what_they_say(void **state)
{
	(void)state;
	ask("Action=CreateTopic&Name=t" ATTR(
		"1", "Policy",
		"{\"Version\":\"1\",\"Statement\":{\"Effect\":\"Allow\","
		"\"Principal\":\"*\",\"Action\":\"*\"}}"));
	ask("Action=CreateTopic&Name=t" ATTR(
		"1", "Policy",
		"{ \"Statement\": {\"Principal\":\"*\",\"Action\":\"*\","
		"\"Effect\":\"Allow\"}, \"Version\":\"1\" }"));
}

static void a_subscription_is_not_changed_by_asking_again(void **state)
{
	char arn[128], again[128];

	(void)state;
	ask("Action=CreateTopic&Name=t");
	ask(SUBSCRIBE);
	element("SubscriptionArn", arn);
	is_different(SUBSCRIBE RAW("true"));
	ask(SUBSCRIBE RAW("false"));
	assert_string_equal(element("SubscriptionArn", again), arn);
	ask("Action=SetSubscriptionAttributes&SubscriptionArn=%s"
	    "&AttributeName=RawMessageDelivery&AttributeValue=true",
	    arn);
	is_different(SUBSCRIBE RAW("false"));
	ask(SUBSCRIBE RAW("True"));
	ask(SUBSCRIBE);
	assert_string_equal(element("SubscriptionArn", again), arn);
	assert_int_equal(sns.n_subs, 1);
	assert_true(sns.subs[0]->raw);
}

static void CV_PRINTF(2, 3) invalid(const char *text, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must_fail(AWS_SNS, PROV, "InvalidParameter", fmt, ap);
	va_end(ap);
	assert_string_equal(err_text, text);
}

static void what_is_no_arn_is_told(void **state)
{
	static const char topic[] = "Invalid parameter: TopicArn Reason: An ARN must have at "
				    "least 6 elements, not 1",
			  sub[] = "Invalid parameter: SubscriptionArn Reason: An ARN must have at "
				  "least 6 elements, not 5";

	(void)state;
	invalid(topic, "Action=GetTopicAttributes&TopicArn=t");
	invalid(topic, "Action=SetTopicAttributes&TopicArn=t&AttributeName=DisplayName");
	invalid(topic, "Action=DeleteTopic&TopicArn=t");
	invalid(topic, "Action=ListSubscriptionsByTopic&TopicArn=t");
	invalid(topic, "Action=ConfirmSubscription&TopicArn=t&Token=x");
	invalid(topic, "Action=Publish&TopicArn=t&Message=m");
	invalid(topic, "Action=Subscribe&TopicArn=t&Protocol=http&Endpoint=http%%3A%%2F%%2Fr%%2F");
	invalid(sub, "Action=Unsubscribe&SubscriptionArn=arn:aws:sns:us-east-1:t");
	invalid(sub, "Action=GetSubscriptionAttributes&SubscriptionArn=arn:aws:sns:us-east-1:t");
	/* What is not there any more is no error. */
	ask("Action=DeleteTopic&TopicArn=" TOPIC);
	ask("Action=Unsubscribe&SubscriptionArn=" SUB_ARN);
	ask("Action=ListTopics&NextToken=");
}

static void messages_that_cannot_be_are_refused(void **state)
{
	(void)state;
	ask("Action=CreateTopic&Name=t");
	invalid("Invalid parameter: Empty message", "Action=Publish&TopicArn=" TOPIC "&Message=");
	invalid("Invalid parameter: Subject",
		"Action=Publish&TopicArn=" TOPIC "&Message=m&Subject=");
	invalid("Invalid parameter: Subject",
		"Action=Publish&TopicArn=" TOPIC "&Message=m&Subject=%0101d", 1);
	invalid("Invalid parameter: TopicArn or TargetArn Reason: no value for required parameter",
		"Action=Publish&Message=m");
	invalid("Invalid parameter: TopicArn or TargetArn Reason: only one of them may be given",
		"Action=Publish&Message=m&TopicArn=" TOPIC "&TargetArn=" TOPIC);
	ask("Action=Publish&TargetArn=" TOPIC "&Message=m&Subject=%0100d", 1);
	has("<MessageId>");
}

/* ---- delivery policies ---- */

#define EFFECTIVE "<key>EffectiveDeliveryPolicy</key><value>"
#define TOPIC_SET \
	"Action=SetTopicAttributes&TopicArn=" TOPIC "&AttributeName=DeliveryPolicy&AttributeValue="
#define SUB_SET \
	"Action=SetSubscriptionAttributes&SubscriptionArn=%s&AttributeName=DeliveryPolicy&AttributeValue=%s"

/* Attributes as they are in JSON: quotes are escaped in XML. */
static void CV_PRINTF(1, 2) told(const char *fmt, ...)
{
	char want[1024], text[4096];
	size_t n = 0;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(want, sizeof(want), fmt, ap);
	va_end(ap);
	for (const char *c = got; *c != '\0' && n + 1 < sizeof(text); n++) {
		bool quote = strncmp(c, "&quot;", 6) == 0;

		text[n] = quote ? '"' : *c;
		c += quote ? 6 : 1;
	}
	text[n] = '\0';
	if (strstr(text, want) == NULL)
		fail_msg("%s is not in %s", want, text);
}

#define RETRY(min, max, n, rest) \
	"{\"minDelayTarget\":" #min ",\"maxDelayTarget\":" #max ",\"numRetries\":" #n rest "}"
#define ZEROS                                                                         \
	",\"numMaxDelayRetries\":0,\"numNoDelayRetries\":0,\"numMinDelayRetries\":0," \
	"\"backoffFunction\":\"linear\""

static void a_topic_has_a_delivery_policy(void **state)
{
	(void)state;
	calls_aws.n_tries = 2;
	ask("Action=CreateTopic&Name=t");
	ask("Action=GetTopicAttributes&TopicArn=" TOPIC);
	assert_null(strstr(got, "<key>DeliveryPolicy<"));
	told(EFFECTIVE
	     "{\"http\":{\"defaultHealthyRetryPolicy\":{\"minDelayTarget\":1,"
	     "\"maxDelayTarget\":1,\"numRetries\":1,\"numMaxDelayRetries\":0,"
	     "\"numNoDelayRetries\":0,\"numMinDelayRetries\":0,"
	     "\"backoffFunction\":\"exponential\"},\"disableSubscriptionOverrides\":false,"
	     "\"defaultRequestPolicy\":{\"headerContentType\":"
	     "\"text/plain; charset=UTF-8\"}}}<");
	ask(TOPIC_SET "{\"http\": {\"defaultHealthyRetryPolicy\": {\"numRetries\": 4}, "
		      "\"defaultThrottlePolicy\": {\"maxReceivesPerSecond\": 9}, "
		      "\"disableSubscriptionOverrides\": true, \"defaultSicklyRetryPolicy\": null, "
		      "\"defaultRequestPolicy\": {\"headerContentType\": \"application/json\"}}}");
	ask("Action=GetTopicAttributes&TopicArn=" TOPIC);
	told("<key>DeliveryPolicy</key><value>{\"http\":{\"defaultHealthyRetryPolicy\":"
	     "{\"numRetries\":4},\"defaultThrottlePolicy\":");
	told(EFFECTIVE "{\"http\":{\"defaultHealthyRetryPolicy\":" RETRY(
		20, 20, 4,
		ZEROS) ",\"disableSubscriptionOverrides\":true,"
		       "\"defaultThrottlePolicy\":{\"maxReceivesPerSecond\":9},"
		       "\"defaultRequestPolicy\":{\"headerContentType\":\"application/json\"}}}<");
	/* Making it again compares, an empty one takes it back. */
	is_different("Action=CreateTopic&Name=t" ATTR("1", "DeliveryPolicy", "{\"http\":{}}"));
	ask(TOPIC_SET "{\"http\":{}}");
	ask("Action=CreateTopic&Name=t" ATTR("1", "DeliveryPolicy", "{ \"http\" : {} }"));
	ask(TOPIC_SET);
	ask("Action=GetTopicAttributes&TopicArn=" TOPIC);
	assert_null(strstr(got, "<key>DeliveryPolicy<"));
	calls_aws.n_tries = 0;
}

static void a_subscription_overrides_it_unless_it_must_not(void **state)
{
	char arn[128];

	(void)state;
	ask("Action=CreateTopic&Name=t");
	ask(SUBSCRIBE ATTR(
		"1", "DeliveryPolicy",
		"{\"healthyRetryPolicy\":" RETRY(
			1, 2, 3, "") ",\"guaranteed\":false,"
				     "\"sicklyRetryPolicy\":null,\"throttlePolicy\":null}"));
	element("SubscriptionArn", arn);
	ask("Action=GetSubscriptionAttributes&SubscriptionArn=%s", arn);
	told("<key>DeliveryPolicy</key><value>{\"healthyRetryPolicy\":" RETRY(1, 2, 3, "") ",");
	told(EFFECTIVE "{\"healthyRetryPolicy\":" RETRY(
		1, 2, 3,
		ZEROS) ",\"sicklyRetryPolicy\":null,\"throttlePolicy\":null,"
		       "\"requestPolicy\":{\"headerContentType\":\"text/plain; charset=UTF-8\"},"
		       "\"guaranteed\":false}<");
	ask(TOPIC_SET "{\"http\":{\"defaultHealthyRetryPolicy\":" RETRY(
		5, 5, 5, "") ",\"defaultThrottlePolicy\":{\"maxReceivesPerSecond\":9}}}");
	ask("Action=GetSubscriptionAttributes&SubscriptionArn=%s", arn);
	told(EFFECTIVE "{\"healthyRetryPolicy\":" RETRY(1, 2, 3, ZEROS));
	told("\"throttlePolicy\":{\"maxReceivesPerSecond\":9}");
	ask(TOPIC_SET "{\"http\":{\"defaultHealthyRetryPolicy\":" RETRY(
		5, 5, 5, "") ",\"disableSubscriptionOverrides\":true}}");
	ask("Action=GetSubscriptionAttributes&SubscriptionArn=%s", arn);
	told(EFFECTIVE "{\"healthyRetryPolicy\":" RETRY(5, 5, 5, ZEROS));
	is_different(SUBSCRIBE ATTR("1", "DeliveryPolicy", "{}"));
	ask(SUB_SET, arn, "");
	ask(SUBSCRIBE);
	ask("Action=GetSubscriptionAttributes&SubscriptionArn=%s", arn);
	assert_null(strstr(got, "<key>DeliveryPolicy<"));
}

#define BY_SET "Invalid parameter: DeliveryPolicy: "
#define OF_TOPIC(what) BY_SET "http.defaultHealthyRetryPolicy" what
#define OF_SUB(what) BY_SET "healthyRetryPolicy" what

static void policies_that_cannot_be_are_refused(void **state)
{
	static const char *const cases[][2] = {
		{"{\"minDelayTarget\":0}", ".minDelayTarget must be greater than or equal to 1"},
		{"{\"maxDelayTarget\":3601}", ".maxDelayTarget must be less than or equal to 3600"},
		{"{\"maxDelayTarget\":19}",
		 ".maxDelayTarget must be greater than or equal to minDelayTarget"},
		{"{\"numRetries\":101}", ".numRetries must be less than or equal to 100"},
		{"{\"numRetries\":-1}", ".numRetries must be greater than or equal to 0"},
		{"{\"numRetries\":\"3\"}", ".numRetries must be an integer"},
		{"{\"numRetries\":3,\"numNoDelayRetries\":1,\"numMinDelayRetries\":2,"
		 "\"numMaxDelayRetries\":1}",
		 ".numRetries must be greater than or equal to the sum of numNoDelayRetries, "
		 "numMinDelayRetries and numMaxDelayRetries"},
		{"{\"backoffFunction\":\"quick\"}",
		 ".backoffFunction must be one of linear, arithmetic, geometric, exponential"},
		{"{\"minDelayTarget\":37,\"maxDelayTarget\":37,\"numRetries\":100}",
		 ": its delays add up to 3700 seconds, more than 3600"},
	};
	char arn[128], text[400], why[400];

	(void)state;
	ask("Action=CreateTopic&Name=t");
	ask(SUBSCRIBE);
	element("SubscriptionArn", arn);
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		snprintf(why, sizeof(why), OF_TOPIC("%s"), cases[i][1]);
		invalid(why, TOPIC_SET "{\"http\":{\"defaultHealthyRetryPolicy\":%s}}",
			cases[i][0]);
		snprintf(why, sizeof(why), OF_SUB("%s"), cases[i][1]);
		snprintf(text, sizeof(text), "{\"healthyRetryPolicy\":%s}", cases[i][0]);
		invalid(why, SUB_SET, arn, text);
	}
	invalid("Invalid parameter: Attributes Reason: DeliveryPolicy: "
		"healthyRetryPolicy.minDelayTarget must be greater than or equal to 1",
		SUBSCRIBE ATTR("1", "DeliveryPolicy",
			       "{\"healthyRetryPolicy\":{\"minDelayTarget\":0}}"));
	invalid("Invalid parameter: Attributes Reason: DeliveryPolicy: Unexpected JSON member: a",
		"Action=CreateTopic&Name=u" ATTR("1", "DeliveryPolicy", "{\"a\":{}}"));
	invalid(BY_SET "failed to parse JSON", TOPIC_SET "{");
	invalid(BY_SET "failed to parse JSON", TOPIC_SET "[]");
	invalid(BY_SET "failed to parse JSON", TOPIC_SET "{\"http\":{},\"http\":{}}");
	invalid(BY_SET "http must be a JSON object", TOPIC_SET "{\"http\":1}");
	invalid(BY_SET "defaultThrottlePolicy must be a JSON object",
		TOPIC_SET "{\"http\":{\"defaultThrottlePolicy\":1}}");
	invalid(BY_SET "http.disableSubscriptionOverrides must be a boolean",
		TOPIC_SET "{\"http\":{\"disableSubscriptionOverrides\":\"true\"}}");
	invalid(BY_SET "http.defaultThrottlePolicy.maxReceivesPerSecond must be greater than or "
		       "equal to 1",
		TOPIC_SET "{\"http\":{\"defaultThrottlePolicy\":{\"maxReceivesPerSecond\":0}}}");
	invalid(BY_SET "http.defaultRequestPolicy.headerContentType is not supported",
		TOPIC_SET "{\"http\":{\"defaultRequestPolicy\":{\"headerContentType\":"
			  "\"text/csv\"}}}");
	invalid(BY_SET "Unexpected JSON member: healthyRetryPolicy",
		TOPIC_SET "{\"http\":{\"healthyRetryPolicy\":{}}}");
	invalid(BY_SET "Unexpected JSON member: http", SUB_SET, arn, "{\"http\":{}}");
	invalid(BY_SET "Unexpected JSON member: guaranteed", SUB_SET, arn, "{\"guaranteed\":true}");
	ask("Action=GetSubscriptionAttributes&SubscriptionArn=%s", arn);
	assert_null(strstr(got, "<key>DeliveryPolicy<"));
	ask("Action=GetTopicAttributes&TopicArn=" TOPIC);
	assert_null(strstr(got, "<key>DeliveryPolicy<"));
}

/* Content types that only a bare message can have. */
static void types_go_with_raw_delivery(void **state)
{
	static const char csv[] = "{\"requestPolicy\":{\"headerContentType\":\"text/csv\"}}";
	char arn[128];

	(void)state;
	ask("Action=CreateTopic&Name=t");
	ask(SUBSCRIBE ATTR("1", "DeliveryPolicy",
			   "{\"requestPolicy\":{\"headerContentType\":\"text/csv\"}}")
		    ATTR("2", "RawMessageDelivery", "true"));
	element("SubscriptionArn", arn);
	ask("Action=GetSubscriptionAttributes&SubscriptionArn=%s", arn);
	told("\"requestPolicy\":{\"headerContentType\":\"text/csv\"}");
	invalid(BY_SET "requestPolicy.headerContentType must be text/plain or application/json "
		       "unless RawMessageDelivery is true",
		"Action=SetSubscriptionAttributes&SubscriptionArn=%s"
		"&AttributeName=RawMessageDelivery&AttributeValue=false",
		arn);
	assert_true(sns.subs[0]->raw);
	ask(SUB_SET, arn, "");
	ask("Action=SetSubscriptionAttributes&SubscriptionArn=%s"
	    "&AttributeName=RawMessageDelivery&AttributeValue=false",
	    arn);
	invalid(BY_SET "requestPolicy.headerContentType must be text/plain or application/json "
		       "unless RawMessageDelivery is true",
		SUB_SET, arn, csv);
	assert_string_equal(sns.subs[0]->delivery, "");
}

/* What a message takes along is what counts when it is published. */
static char sent_text[4096];

static int send_keep(struct cv_ctl *ctl, const char *queue, const char *text)
{
	(void)ctl;
	(void)queue;
	snprintf(sent_text, sizeof(sent_text), "%s", text);
	return 0;
}

static void messages_take_the_policy_along(void **state)
{
	char arn[128];

	(void)state;
	calls_aws.ops.send = send_keep;
	ask("Action=CreateTopic&Name=t");
	ask(SUBSCRIBE);
	element("SubscriptionArn", arn);
	sns.subs[0]->confirmed = true;
	ask("Action=Publish&TopicArn=" TOPIC "&Message=m");
	assert_null(strstr(sent_text, "\"retry\""));
	assert_null(strstr(sent_text, "\"rate\""));
	ask(TOPIC_SET "{\"http\":{\"defaultThrottlePolicy\":{\"maxReceivesPerSecond\":9}}}");
	ask(SUB_SET, arn,
	    "{\"healthyRetryPolicy\":{\"minDelayTarget\":1,\"maxDelayTarget\":2,\"numRetries\":9,"
	    "\"numNoDelayRetries\":3,\"numMinDelayRetries\":4,\"numMaxDelayRetries\":1,"
	    "\"backoffFunction\":\"geometric\"}}");
	ask("Action=Publish&TopicArn=" TOPIC "&Message=m");
	assert_non_null(strstr(sent_text, "\"retry\":[9,3,4,1,1,2,2]"));
	assert_non_null(strstr(sent_text, "\"rate\":9"));
	calls_aws.ops.send = NULL;
}

static void now_write(char *stamp)
{
	char at[32];
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", gmtime_r(&now.tv_sec, &tm));
	snprintf(stamp, 64, "%s.%03uZ", at, (unsigned int)(now.tv_nsec / 1000000));
}

/* By the wall clock to the millisecond, so that one message after the other is stamped in that order. */
static void stamps_are_of_now(void **state)
{
	char before[64], after[64], stamp[25];
	const char *found;

	(void)state;
	calls_aws.ops.send = send_keep;
	ask("Action=CreateTopic&Name=t");
	ask(SUBSCRIBE);
	sns.subs[0]->confirmed = true;
	now_write(before);
	ask("Action=Publish&TopicArn=" TOPIC "&Message=m");
	now_write(after);
	found = strstr(sent_text, "\"20");
	assert_non_null(found);
	snprintf(stamp, sizeof(stamp), "%s", found + 1);
	assert_true(strcmp(before, stamp) <= 0);
	assert_true(strcmp(stamp, after) <= 0);
	calls_aws.ops.send = NULL;
}

static void passwords_of_endpoints_are_not_told(void **state)
{
	char arn[128];

	(void)state;
	ask("Action=CreateTopic&Name=t");
	ask("Action=Subscribe&TopicArn=" TOPIC "&ReturnSubscriptionArn=true&Protocol=http"
	    "&Endpoint=http%%3A%%2F%%2Fme%%3Asecret%%40receiver%%2F%%3Ft%%3D1");
	element("SubscriptionArn", arn);
	ask("Action=GetSubscriptionAttributes&SubscriptionArn=%s", arn);
	has("<value>http://me:****@receiver/?t=1</value>");
	ask("Action=ListSubscriptionsByTopic&TopicArn=" TOPIC);
	has("<Endpoint>http://me:****@receiver/?t=1</Endpoint>");
	assert_string_equal(sns.subs[0]->endpoint, "http://me:secret@receiver/?t=1");
}

static unsigned int n_sent;

static int send_count(struct cv_ctl *ctl, const char *queue, const char *text)
{
	(void)ctl;
	(void)queue;
	(void)text;
	n_sent++;
	return 0;
}

/* 32 receivers of 256 KiB are 8 MiB. */
static void one_call_sends_so_many_bytes_at_most(void **state)
{
	static const char head[] = "Action=Publish&TopicArn=" TOPIC "&Message=";
	static char text[sizeof(head) + (256 << 10)];

	(void)state;
	memcpy(text, head, sizeof(head) - 1);
	memset(text + sizeof(head) - 1, 'x', 256 << 10);
	calls_aws.ops.send = send_count;
	ask("Action=CreateTopic&Name=t");
	for (uint32_t i = 0; i < 33; i++) {
		ask("Action=Subscribe&TopicArn=" TOPIC
		    "&Protocol=http&Endpoint=http%%3A%%2F%%2Freceiver%%2F%u",
		    i);
		sns.subs[i]->confirmed = i < 32;
	}
	n_sent = 0;
	assert_true(calls_make(AWS_SNS, PROV, text));
	assert_int_equal(n_sent, 32);
	sns.subs[32]->confirmed = true;
	assert_false(calls_make(AWS_SNS, PROV, text));
	assert_string_equal(err_code, "InvalidParameter");
	assert_non_null(strstr(err_text, "33 subscriptions"));
	assert_int_equal(n_sent, 32);
	calls_aws.ops.send = NULL;
}

/* ---- pages ---- */

/* Subscriptions that end between two pages pull those after them forward. */
static void told_once(bool by_topic)
{
	const unsigned int n = CV_ARRAY_LEN(n_told);
	unsigned int n_pages = 0;
	char token[128], arn[64];

	memset(n_told, 0, sizeof(n_told));
	ask("Action=CreateTopic&Name=t");
	for (unsigned int i = 0; i < n; i++) {
		ask("Action=Subscribe&TopicArn=" TOPIC
		    "&Protocol=http&Endpoint=http%%3A%%2F%%2Fr%03u%%2F",
		    i);
		sns.subs[i]->confirmed = true;
	}
	for (bool more = true; more; n_pages++) {
		ask("Action=%s%s%s",
		    by_topic ? "ListSubscriptionsByTopic&TopicArn=" TOPIC : "ListSubscriptions",
		    n_pages > 0 ? "&NextToken=" : "", n_pages > 0 ? token : "");
		assert_in_range(times("<Endpoint>"), 1, 100);
		for (unsigned int i = 0; i < n; i++) {
			snprintf(arn, sizeof(arn), "<Endpoint>http://r%03u/<", i);
			n_told[i] += times(arn);
		}
		more = strstr(got, "<NextToken>") != NULL;
		if (more)
			element("NextToken", token);
		if (n_pages == 0)
			for (unsigned int i = 0; i < 10; i++)
				ask("Action=Unsubscribe&SubscriptionArn=%s", sns.subs[0]->arn);
	}
	assert_int_equal(n_pages, 3);
	for (unsigned int i = 10; i < n; i++)
		assert_int_equal(n_told[i], 1);
}

static void subscriptions_go_and_the_others_are_told_once(void **state)
{
	(void)state;
	told_once(false);
}

static void those_of_a_topic_likewise(void **state)
{
	(void)state;
	told_once(true);
}

/* ---- topics of other accounts ---- */

static void CV_PRINTF(1, 2) forbidden(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must_fail(AWS_SNS, CONS, "AuthorizationError", fmt, ap);
	va_end(ap);
}

static void topics_of_others_are_theirs(void **state)
{
	static const char subscribe[] = SUBSCRIBE;
	char arn[128];

	(void)state;
	ask("Action=CreateTopic&Name=t" ATTR("1", "DisplayName", "d"));
	ask(subscribe);
	element("SubscriptionArn", arn);
	forbidden("Action=GetTopicAttributes&TopicArn=" TOPIC);
	forbidden("Action=SetTopicAttributes&TopicArn=" TOPIC
		  "&AttributeName=DisplayName&AttributeValue=e");
	forbidden("Action=DeleteTopic&TopicArn=" TOPIC);
	forbidden("Action=ListSubscriptionsByTopic&TopicArn=" TOPIC);
	forbidden("Action=Publish&Message=m&TopicArn=" TOPIC);
	forbidden(subscribe);
	forbidden("Action=GetSubscriptionAttributes&SubscriptionArn=%s", arn);
	forbidden("Action=SetSubscriptionAttributes&SubscriptionArn=%s"
		  "&AttributeName=RawMessageDelivery&AttributeValue=true",
		  arn);
	forbidden("Action=Unsubscribe&SubscriptionArn=%s", arn);
	calls_make(AWS_SNS, CONS, "Action=ListTopics");
	has("<Topics/>");
	calls_make(AWS_SNS, CONS, "Action=ListSubscriptions");
	has("<Subscriptions/>");
	ask("Action=GetTopicAttributes&TopicArn=" TOPIC);
	has("<key>DisplayName</key><value>d</value>");
	ask("Action=GetSubscriptionAttributes&SubscriptionArn=%s", arn);
	has("<key>RawMessageDelivery</key><value>false</value>");
}

/* What may be published there is the policy's to say, of whoever's service it is. */
static void notifications_go_to_others_topics_as_their_policies_say(void **state)
{
	static const char create[] =
		"Action=CreateVpcEndpointConnectionNotification&ConnectionEvents.1=Connect"
		"&ConnectionNotificationArn=" TOPIC;
	static const char allow[] =
		"Action=SetTopicAttributes&TopicArn=" TOPIC
		"&AttributeName=Policy&AttributeValue={\"Statement\":{\"Effect\":\"Allow\","
		"\"Principal\":{\"Service\":\"vpce.amazonaws.com\"},\"Action\":\"SNS:Publish\","
		"\"Resource\":\"" TOPIC "\",\"Condition\":{\"StringEquals\":{"
		"\"aws:SourceAccount\":\"%s\"}}}}";

	(void)state;
	make_service();
	make_endpoint();
	ask("Action=CreateTopic&Name=t");
	ec2_fails(PROV, "InvalidParameter", "%s&ServiceId=%s", create, svc);
	ask(allow, "111111111111");
	ec2(PROV, "%s&ServiceId=%s", create, svc);
	ec2_fails(CONS, "InvalidParameter", "%s&VpcEndpointId=%s", create, ep);
	assert_non_null(strstr(err_text, "does not let vpce.amazonaws.com do SNS:Publish"));
	ask(allow, "222222222222");
	ec2(CONS, "%s&VpcEndpointId=%s", create, ep);
	ec2_fails(PROV, "InvalidParameter", "%s&ServiceId=%s", create, svc);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_topic_is_not_changed_by_making_it_again),
		TEST(policies_are_compared_by_what_they_say),
		TEST(a_subscription_is_not_changed_by_asking_again),
		TEST(what_is_no_arn_is_told),
		TEST(messages_that_cannot_be_are_refused),
		TEST(a_topic_has_a_delivery_policy),
		TEST(a_subscription_overrides_it_unless_it_must_not),
		TEST(policies_that_cannot_be_are_refused),
		TEST(types_go_with_raw_delivery),
		TEST(messages_take_the_policy_along),
		TEST(stamps_are_of_now),
		TEST(passwords_of_endpoints_are_not_told),
		TEST(one_call_sends_so_many_bytes_at_most),
		TEST(subscriptions_go_and_the_others_are_told_once),
		TEST(those_of_a_topic_likewise),
		TEST(topics_of_others_are_theirs),
		TEST(notifications_go_to_others_topics_as_their_policies_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
