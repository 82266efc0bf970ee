/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS by calls: what is there already, what is refused, what cannot be kept. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!calls_make(AWS_SNS, PROV, text))
		fail_msg("%s: %s: %s", text, err_code, err_text);
}

static void CV_PRINTF(1, 2) is_different(const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_false(calls_make(AWS_SNS, PROV, text));
	assert_string_equal(err_code, "InvalidParameter");
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

/* ---- what cannot be kept ---- */

static char kept_topic[1024], kept_sub[1024];
static unsigned int n_kept_reads, n_kept;
static int keep_ret, unsend_ret;

static int kept(void *arg, cv_aws_kept_fn *fn, void *fn_arg)
{
	int ret = fn(fn_arg, "sns/topic/" TOPIC, kept_topic, strlen(kept_topic));

	(void)arg;
	n_kept_reads++;
	return ret < 0 ? ret : fn(fn_arg, "sns/sub/" SUB_ARN, kept_sub, strlen(kept_sub));
}

static int keep(struct cv_ctl *ctl, const char *key, const char *value, size_t len)
{
	(void)ctl;
	assert_string_equal(key, "sns/sub/" SUB_ARN);
	if (keep_ret != 0)
		return keep_ret;
	n_kept++;
	if (value != NULL)
		snprintf(kept_sub, sizeof(kept_sub), "%.*s", (int)len, value);
	return 0;
}

static int unsend(struct cv_ctl *ctl, const char *queue)
{
	(void)ctl;
	assert_string_equal(queue, SUB_ARN);
	return unsend_ret;
}

static int control(void *arg, bool change, cv_aws_fn *fn, void *fn_arg)
{
	(void)arg;
	(void)change;
	return fn(NULL, m, fn_arg);
}

static struct cv_aws *server_make(const struct cv_notify_key *key)
{
	char file[] = "/tmp/culvert-test-sns-XXXXXX";
	struct cv_aws_cfg cfg = {
		.credentials_file = file,
		.region = "us-east-1",
		.key = key,
		.ops = {.call = control, .kept = kept, .keep = keep, .unsend = unsend},
	};
	struct cv_errs errs_of = {0};
	struct cv_aws *server = NULL;
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	dprintf(fd, "{\"keys\": [{\"access_key_id\": \"AKIDEXAMPLE000000001\", "
		    "\"secret_access_key\": \"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\", "
		    "\"principal\": \"" PROV "\"}]}");
	close(fd);
	if (cv_aws_create(&cfg, &errs_of, &server) != 0)
		fail_msg("%s", errs_of.n > 0 ? errs_of.items[0].text : "");
	unlink(file);
	return server;
}

/* As a receiver visits a URL that was sent to it. */
static unsigned int visit(struct cv_aws *server, const char *query)
{
	const struct cv_sigv4_request request = {
		.method = "GET", .path = "/", .query = query, .body = ""};
	struct cv_aws_answer answer;

	cv_aws_handle(server, &request, &answer);
	free(answer.text);
	return answer.status;
}

#define CONFIRM "Action=ConfirmSubscription&TopicArn=" TOPIC "&Token=abc"
#define UNSUBSCRIBE "Action=Unsubscribe&SubscriptionArn=" SUB_ARN

static void what_could_not_be_kept_is_not_believed(void **state)
{
	struct cv_notify_key *key = NULL;
	char *pem[2] = {NULL, NULL};
	struct cv_aws *server;

	(void)state;
	assert_int_equal(cv_notify_key_make(&pem[0], &pem[1]), 0);
	assert_int_equal(cv_notify_key_open(pem[0], pem[1], &key), 0);
	snprintf(kept_topic, sizeof(kept_topic),
		 "{\"arn\":\"" TOPIC "\",\"policy\":\"{}\",\"display\":\"\",\"account\":"
		 "\"111111111111\",\"version\":1}");
	snprintf(kept_sub, sizeof(kept_sub),
		 "{\"arn\":\"" SUB_ARN "\",\"topic\":\"" TOPIC "\",\"protocol\":\"http\","
		 "\"endpoint\":\"http://x/\",\"base\":\"http://y\",\"token\":\"abc\",\"owner\":"
		 "\"111111111111\",\"confirmed\":false,\"guarded\":false,\"raw\":false,"
		 "\"created\":4000000000}");
	n_kept_reads = n_kept = 0;
	server = server_make(key);
	assert_int_equal(n_kept_reads, 2); /* for client tokens, for SNS */
	keep_ret = -ENOMEM;
	assert_int_equal(visit(server, CONFIRM), 500);
	keep_ret = 0;
	/* It is not confirmed: this keeps that it is. */
	assert_int_equal(visit(server, CONFIRM), 200);
	assert_int_equal(n_kept, 1);
	assert_int_equal(n_kept_reads, 3);
	assert_non_null(strstr(kept_sub, "\"confirmed\":true"));
	assert_int_equal(visit(server, CONFIRM), 200);
	assert_int_equal(n_kept_reads, 3);
	/* The half that was done is not done. */
	unsend_ret = -ENOMEM;
	assert_int_equal(visit(server, UNSUBSCRIBE), 500);
	unsend_ret = 0;
	assert_int_equal(visit(server, UNSUBSCRIBE), 200);
	assert_int_equal(n_kept_reads, 4);
	assert_int_equal(n_kept, 3);
	cv_aws_destroy(server);
	cv_notify_key_close(key);
	free(pem[0]);
	free(pem[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_topic_is_not_changed_by_making_it_again),
		TEST(policies_are_compared_by_what_they_say),
		TEST(a_subscription_is_not_changed_by_asking_again),
		TEST(subscriptions_go_and_the_others_are_told_once),
		TEST(those_of_a_topic_likewise),
		TEST(what_could_not_be_kept_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
