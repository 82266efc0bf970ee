/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS over a state file: what cannot be kept, what is not kept yet. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "aws_world.h"
#include "sns_priv.h"

#define TOPIC "arn:aws:sns:us-east-1:111111111111:t"
#define SUB_ARN TOPIC ":0001"

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

/* What else comes between what control does and its being durable. */
static void (*meanwhile)(void);

static int control(void *arg, bool change, cv_aws_fn *fn, void *fn_arg)
{
	void (*now)(void) = meanwhile;
	int ret = fn(NULL, m, fn_arg);

	(void)arg;
	(void)change;
	meanwhile = NULL;
	if (now != NULL)
		now();
	return ret;
}

/* One for all tests: to make it takes long. */
static struct cv_notify_key *key;

static int key_make(void **state)
{
	char *pem[2] = {NULL, NULL};

	(void)state;
	assert_int_equal(cv_notify_key_make(time(NULL), &pem[0], &pem[1]), 0);
	assert_int_equal(cv_notify_key_open(pem[0], pem[1], &key), 0);
	free(pem[0]);
	free(pem[1]);
	return 0;
}

static int key_close(void **state)
{
	(void)state;
	cv_notify_key_close(key);
	return 0;
}

static struct cv_aws *server_make(void)
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
#define UNKNOWN "Action=ConfirmSubscription&TopicArn=" TOPIC "x&Token=abc"
#define UNSUBSCRIBE "Action=Unsubscribe&SubscriptionArn=" SUB_ARN

static void kept_set(void)
{
	snprintf(kept_topic, sizeof(kept_topic),
		 "{\"arn\":\"" TOPIC "\",\"policy\":\"{}\",\"display\":\"\",\"account\":"
		 "\"111111111111\",\"version\":1}");
	snprintf(kept_sub, sizeof(kept_sub),
		 "{\"arn\":\"" SUB_ARN "\",\"topic\":\"" TOPIC "\",\"protocol\":\"http\","
		 "\"endpoint\":\"http://x/\",\"base\":\"http://y\",\"token\":\"abc\",\"owner\":"
		 "\"111111111111\",\"confirmed\":false,\"guarded\":false,\"raw\":false,"
		 "\"created\":4000000000,\"delivery\":\"{\\\"throttlePolicy\\\":null}\"}");
}

static void what_could_not_be_kept_is_not_believed(void **state)
{
	struct cv_aws *server;

	(void)state;
	kept_set();
	n_kept_reads = n_kept = 0;
	server = server_make();
	assert_int_equal(n_kept_reads, 2); /* for client tokens, for SNS */
	keep_ret = -ENOMEM;
	assert_int_equal(visit(server, CONFIRM), 500);
	keep_ret = 0;
	/* It is not confirmed: this keeps that it is. */
	assert_int_equal(visit(server, CONFIRM), 200);
	assert_int_equal(n_kept, 1);
	assert_int_equal(n_kept_reads, 3);
	assert_non_null(strstr(kept_sub, "\"confirmed\":true"));
	assert_non_null(strstr(kept_sub, "\"delivery\":\"{\\\"throttlePolicy\\\":null}\""));
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
}

static struct cv_aws *busy;

/* One call fails, and another follows. */
static void fail_and_ask(void)
{
	unsigned int n = n_kept_reads;

	unsend_ret = -ENOMEM;
	assert_int_equal(visit(busy, UNSUBSCRIBE), 500);
	unsend_ret = 0;
	assert_int_equal(visit(busy, UNKNOWN), 404);
	/* What the call before it has made is not to be read yet. */
	assert_int_equal(n_kept_reads, n);
}

static void what_is_being_kept_is_not_missed(void **state)
{
	unsigned int n;

	(void)state;
	kept_set();
	keep_ret = unsend_ret = 0;
	busy = server_make();
	n = n_kept_reads;
	meanwhile = fail_and_ask;
	assert_int_equal(visit(busy, CONFIRM), 200);
	assert_null(meanwhile);
	assert_int_equal(n_kept_reads, n);
	/* Now it is. */
	assert_int_equal(visit(busy, UNKNOWN), 404);
	assert_int_equal(n_kept_reads, n + 1);
	assert_int_equal(visit(busy, UNKNOWN), 404);
	assert_int_equal(n_kept_reads, n + 1);
	cv_aws_destroy(busy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_could_not_be_kept_is_not_believed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_being_kept_is_not_missed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, key_make, key_close);
}
