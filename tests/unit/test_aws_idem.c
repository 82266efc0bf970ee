/* SPDX-License-Identifier: BSD-3-Clause */

/* Client tokens of several accounts. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core_priv.h"

static struct cv_aws aws = {.seed = {1, 2}};
static const struct aws_action action = {.name = "Test"};
static struct cv_query query;
static struct aws_call call;

static void call_make(const char *account, const char *text)
{
	const char *twice;

	cv_query_fini(&query);
	assert_int_equal(cv_query_parse(&query, text, strlen(text)), 0);
	assert_int_equal(cv_query_sort(&query, &twice), 0);
	call = (struct aws_call){
		.params = cv_query_root(&query),
		.service = &cv_aws_services()[AWS_EC2],
		.action = &action,
		.caller = {"AKID", "arn:aws:iam::111111111111:root", account},
		.now = 1000000,
		.aws = &aws,
	};
}

static int teardown(void **state)
{
	(void)state;
	cv_query_fini(&query);
	return 0;
}

static const char *found_for(struct aws_idem *idem, const char *account, const char *text)
{
	const char *found;
	size_t len;

	call_make(account, text);
	assert_int_equal(cv_aws_idem_find(idem, &call, &found, &len), 0);
	return found;
}

static void add_for(struct aws_idem *idem, const char *account, const char *text)
{
	(void)found_for(idem, account, text);
	cv_aws_idem_add(idem, &call, text, strlen(text));
}

/* Whose keys and values were kept, the newest last; dropped ones are gone. */
static char kept_keys[8][64], kept_values[8][64];
static unsigned int n_kept;

static int keep_note(struct cv_ctl *ctl, const char *key, const char *value, size_t len)
{
	(void)ctl;
	for (unsigned int i = 0; i < n_kept; i++) {
		if (strcmp(kept_keys[i], key) != 0)
			continue;
		n_kept--;
		memmove(kept_keys[i], kept_keys[i + 1], (n_kept - i) * sizeof(kept_keys[0]));
		memmove(kept_values[i], kept_values[i + 1], (n_kept - i) * sizeof(kept_values[0]));
	}
	if (value == NULL || n_kept == CV_ARRAY_LEN(kept_keys))
		return 0;
	snprintf(kept_keys[n_kept], sizeof(kept_keys[0]), "%s", key);
	snprintf(kept_values[n_kept++], sizeof(kept_values[0]), "%.*s", (int)len, value);
	return 0;
}

static void accounts_have_their_shares_of_tokens(void **state)
{
	struct aws_idem *idem = cv_aws_idem_create();
	char name[32];

	(void)state;
	add_for(idem, "222222222222", "ClientToken=b1");
	for (int i = 0; i < 16384; i++) {
		snprintf(name, sizeof(name), "ClientToken=%d", i);
		add_for(idem, "111111111111", name);
	}
	add_for(idem, "222222222222", "ClientToken=b2");
	assert_string_equal(found_for(idem, "222222222222", "ClientToken=b1"), "ClientToken=b1");
	assert_string_equal(found_for(idem, "222222222222", "ClientToken=b2"), "ClientToken=b2");
	assert_null(found_for(idem, "111111111111", "ClientToken=0"));
	assert_null(found_for(idem, "111111111111", "ClientToken=1"));
	assert_non_null(found_for(idem, "111111111111", "ClientToken=2"));
	cv_aws_idem_destroy(idem);
}

/* Kept with the account, taken back with it, and dropped after a day, whoever calls then. */
static void tokens_are_kept_by_account(void **state)
{
	struct aws_idem *idem = cv_aws_idem_create(), *again = cv_aws_idem_create();

	(void)state;
	n_kept = 0;
	aws.ops.keep = keep_note;
	add_for(idem, "222222222222", "ClientToken=b");
	assert_int_equal(n_kept, 1);
	assert_non_null(strstr(kept_keys[0], "-222222222222"));
	assert_int_equal(
		cv_aws_idem_load(again, kept_keys[0], kept_values[0], strlen(kept_values[0])), 0);
	assert_string_equal(found_for(again, "222222222222", "ClientToken=b"), "ClientToken=b");
	/* Versions before kept no account. */
	kept_keys[0][strlen(kept_keys[0]) - strlen("-222222222222")] = '\0';
	assert_int_equal(
		cv_aws_idem_load(again, kept_keys[0], kept_values[0], strlen(kept_values[0])), 0);
	assert_string_equal(found_for(again, "222222222222", "ClientToken=b"), "ClientToken=b");
	(void)found_for(again, "111111111111", "ClientToken=a");
	call.now += 86401;
	cv_aws_idem_add(again, &call, "a", 1);
	assert_int_equal(n_kept, 1);
	assert_non_null(strstr(kept_keys[0], "-111111111111"));
	aws.ops.keep = NULL;
	cv_aws_idem_destroy(idem);
	cv_aws_idem_destroy(again);
}

static bool readable;

static int kept_read(void *arg, cv_aws_kept_fn *fn, void *fn_arg)
{
	(void)arg;
	for (unsigned int i = 0; readable && i < n_kept; i++)
		assert_int_equal(fn(fn_arg, kept_keys[i], kept_values[i], strlen(kept_values[i])),
				 0);
	return readable ? 0 : -EAGAIN;
}

static void seed_read(struct cv_ctl *ctl, uint64_t *ret_seed)
{
	(void)ctl;
	memcpy(ret_seed, aws.keep_seed, sizeof(aws.keep_seed));
}

/* The state file was another's, or its disk full, when the process started. */
static void tokens_can_be_read_later(void **state)
{
	char file[] = "/tmp/culvert-test-idem-XXXXXX";
	int fd = mkstemp(file);
	struct aws_idem *idem = cv_aws_idem_create();
	struct cv_aws_cfg cfg = {
		.credentials_file = file,
		.region = "us-east-1",
		.ops = {.kept = kept_read, .seed = seed_read},
		.seed = {5, 6},
	};
	struct cv_errs errs = {0};
	struct cv_aws *late;
	const char *text;
	size_t len;

	(void)state;
	n_kept = 0;
	aws.keep_seed[0] = 3;
	aws.ops.keep = keep_note;
	add_for(idem, "111111111111", "ClientToken=c");
	assert_int_equal(n_kept, 1);
	assert_int_equal(write(fd, "{\"keys\": []}", 12), 12);
	close(fd);
	readable = false;
	assert_int_equal(cv_aws_create(&cfg, &errs, &late), 0);
	cv_aws_kept_again(late, NULL);
	assert_int_equal(late->keep_seed[0], 5);
	readable = true;
	cv_aws_kept_again(late, NULL);
	assert_int_equal(late->keep_seed[0], 3);
	assert_int_equal(cv_aws_idem_find(late->idem, &call, &text, &len), 0);
	assert_string_equal(text, "ClientToken=c");
	/* Once is enough. */
	aws.keep_seed[0] = 4;
	cv_aws_kept_again(late, NULL);
	assert_int_equal(late->keep_seed[0], 3);
	cv_aws_destroy(late);
	cv_aws_idem_destroy(idem);
	unlink(file);
	aws.keep_seed[0] = 0;
	aws.ops.keep = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(accounts_have_their_shares_of_tokens, teardown),
		cmocka_unit_test_teardown(tokens_are_kept_by_account, teardown),
		cmocka_unit_test_teardown(tokens_can_be_read_later, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
