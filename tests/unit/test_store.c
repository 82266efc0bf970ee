/* SPDX-License-Identifier: BSD-3-Clause */

/* The store as its callers see it: transactions, the stream, the outbox. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cv_store_writer.h"
#include "store_world.h"

/* ---- transactions ---- */

static void what_was_committed_is_there_after_reopening(void **state)
{
	const struct cv_store_op ops[] = {put("a", "1"), put("b", ""), put("c", "3")};
	const struct cv_store_op more[] = {put("a", "11"), drop("c"), drop("never")};
	struct cv_store *store = open_ok(file);

	(void)state;
	assert_int_equal(cv_store_revision(store), 0);
	assert_int_equal(commit(store, ops, 3, CV_STORE_ANY), 0);
	assert_changes(store, 0, "a=1@1 b=@1 c=3@1 ");
	assert_int_equal(commit(store, more, 3, 1), 0);
	cv_store_close(store);
	store = open_ok(file);
	assert_int_equal(cv_store_revision(store), 2);
	assert_changes(store, 0, "b=@1 a=11@2 ");
	assert_changes(store, 1, "a=11@2 c-@2 ");
	assert_changes(store, 2, "");
	cv_store_close(store);
}

static void comparisons_hold_all_or_nothing_is_done(void **state)
{
	struct cv_store *store = open_ok(NULL);
	struct cv_store_op ops[] = {put("a", "1"), put("b", "2")};

	(void)state;
	ops[0].rev = 0;
	assert_int_equal(commit(store, ops, 2, 0), 0);
	assert_int_equal(commit(store, ops, 2, CV_STORE_ANY), -ESTALE);
	assert_int_equal(commit(store, ops + 1, 1, 0), -ESTALE);
	ops[0].value = "x";
	ops[0].rev = CV_STORE_ANY;
	ops[1] = (struct cv_store_op){.what = CV_STORE_CHECK, .space = CV_STORE_DOC, .key = "b"};
	assert_int_equal(commit(store, ops, 2, CV_STORE_ANY), -ESTALE);
	assert_changes(store, 0, "a=1@1 b=2@1 ");
	ops[1].rev = 1;
	assert_int_equal(commit(store, ops, 2, 1), 0);
	assert_changes(store, 0, "b=2@1 a=x@2 ");
	/* A deleted key is not there; one of another space is another. */
	ops[0] = drop("a");
	ops[1] = put("b", "t");
	ops[1].space = CV_STORE_TOKEN;
	ops[1].rev = 0;
	assert_int_equal(commit(store, ops, 2, CV_STORE_ANY), 0);
	ops[0] = put("a", "new");
	ops[0].rev = 2;
	assert_int_equal(commit(store, ops, 1, CV_STORE_ANY), -ESTALE);
	ops[0].rev = 0;
	assert_int_equal(commit(store, ops, 1, CV_STORE_ANY), 0);
	assert_changes(store, 0, "b=2@1 a=new@4 ");
	cv_store_close(store);
}

static void a_stream_can_be_stopped_and_goes_back_so_far(void **state)
{
	struct cv_store *store = open_ok(NULL);
	const struct cv_store_op a = put("a", "1"), b = put("b", "1"), no_a = drop("a");
	struct told told = {.stop = -EIO};

	(void)state;
	assert_int_equal(commit(store, &a, 1, CV_STORE_ANY), 0);
	assert_int_equal(changes(store, 0, &told), -EIO);
	assert_string_equal(told.text, "a=1@1 ");
	assert_int_equal(commit(store, &no_a, 1, CV_STORE_ANY), 0);
	while (cv_store_revision(store) < CV_STORE_HISTORY + 1)
		assert_int_equal(commit(store, &b, 1, CV_STORE_ANY), 0);
	told.stop = 0;
	assert_int_equal(changes(store, 1, &told), 0);
	assert_non_null(strstr(told.text, "a-@2"));
	while (cv_store_revision(store) < CV_STORE_HISTORY + 1024)
		assert_int_equal(commit(store, &b, 1, CV_STORE_ANY), 0);
	assert_int_equal(changes(store, 1, &told), -ESTALE);
	assert_int_equal(changes(store, cv_store_revision(store) - CV_STORE_HISTORY, &told), 0);
	cv_store_close(store);
}

/* A model of it: values by key, of many keys and many sizes. */
static void random_changes_are_read_back(void **state)
{
	enum { KEYS = 40, ROUNDS = 400 };
	static char values[KEYS][2000];
	bool there[KEYS] = {false};
	struct cv_store *store = open_ok(file);
	unsigned int seed = 7;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct cv_store_op ops[8];
		char keys[8][16];
		int n = 1 + rand_r(&seed) % 8, k = rand_r(&seed) % KEYS;

		for (int i = 0; i < n; i++, k = (k + 3) % KEYS) {
			int len = rand_r(&seed) % 1900;

			snprintf(keys[i], sizeof(keys[i]), "key-%02d", k);
			there[k] = rand_r(&seed) % 3 != 0;
			for (int j = 0; there[k] && j < len; j++)
				values[k][j] = (char)('!' + rand_r(&seed) % 90);
			values[k][there[k] ? len : 0] = '\0';
			ops[i] = there[k] ? put(keys[i], values[k]) : drop(keys[i]);
		}
		assert_int_equal(commit(store, ops, (size_t)n, (uint64_t)round), 0);
		if (round % 97 == 0) {
			cv_store_close(store);
			store = open_ok(file);
		}
	}
	for (int k = 0; k < KEYS; k++) {
		char key[16];
		struct cv_store_op op = put(key, values[k]);

		/* Puts what it must have already, if it is as it should be. */
		snprintf(key, sizeof(key), "key-%02d", k);
		op.rev = 0;
		assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), there[k] ? -ESTALE : 0);
	}
	cv_store_close(store);
}

/* ---- outbox ---- */

static void messages_of_a_queue_stay_in_order(void **state)
{
	const struct cv_store_op ops[] = {mail_op("x", "1"), mail_op("y", "2"), mail_op("x", "3")};
	struct cv_store *store = open_ok(file);
	struct cv_errs errs = {0};
	struct cv_store_message first;

	(void)state;
	assert_int_equal(commit(store, ops, 3, CV_STORE_ANY), 0);
	first = assert_mail(store, 100, 9, "x:1/0 y:2/0 ");
	assert_mail(store, 100, 1, "x:1/0 ");
	assert_int_equal(cv_store_outbox_later(store, &first, 200, &errs), 0);
	assert_mail(store, 199, 9, "y:2/0 ");
	cv_store_close(store);
	store = open_ok(file);
	assert_mail(store, 200, 9, "y:2/0 x:1/1 ");
	assert_int_equal(cv_store_outbox_done(store, &first, &errs), 0);
	assert_mail(store, 200, 9, "y:2/0 x:3/0 ");
	/* What a failed transaction would have sent is not sent. */
	assert_int_equal(commit(store, ops, 1, 77), -ESTALE);
	assert_mail(store, 200, 9, "y:2/0 x:3/0 ");
	/* The clock is put back: what was put off is not put off by as much. */
	first = assert_mail(store, 200, 1, "y:2/0 ");
	assert_int_equal(cv_store_outbox_later(store, &first, 1000000, &errs), 0);
	assert_mail(store, 1000000 - 3600, 9, "x:3/0 ");
	assert_mail(store, 1000000 - 3601, 9, "x:3/0 y:2/1 ");
	cv_store_close(store);
}

static void messages_can_be_taken_back_and_are_bounded(void **state)
{
	const struct cv_store_op ops[] = {mail_op("x", "1"), mail_op("y", "2"), mail_op("x", "3"),
					  mail_op("z", "4")};
	const struct cv_store_op back[] = {{.what = CV_STORE_UNSEND, .key = "x"},
					   mail_op("x", "5")};
	struct cv_store *store = open_ok(file);
	struct cv_errs errs = {0};
	uint64_t waiting, dropped;
	struct cv_store_message first;

	(void)state;
	assert_int_equal(commit(store, ops, 4, CV_STORE_ANY), 0);
	/* Tried or not, what is there already comes after what is fresh. */
	first = assert_mail(store, 100, 1, "x:1/0 ");
	assert_int_equal(cv_store_outbox_later(store, &first, 90, &errs), 0);
	assert_mail(store, 100, 9, "y:2/0 z:4/0 x:1/1 ");
	assert_int_equal(commit(store, back, 2, 77), -ESTALE);
	assert_mail(store, 100, 9, "y:2/0 z:4/0 x:1/1 ");
	assert_int_equal(commit(store, back, 2, CV_STORE_ANY), 0);
	assert_mail(store, 100, 9, "y:2/0 z:4/0 x:5/0 ");
	assert_int_equal(cv_store_outbox_trim(store, 3, &waiting, &dropped, &errs), 0);
	assert_int_equal(waiting, 3);
	assert_int_equal(dropped, 0);
	assert_int_equal(cv_store_outbox_trim(store, 1, &waiting, &dropped, &errs), 0);
	assert_int_equal(waiting, 1);
	assert_int_equal(dropped, 2);
	assert_mail(store, 100, 9, "x:5/0 ");
	assert_int_equal(cv_store_outbox_trim(store, UINT64_MAX, &waiting, &dropped, &errs), 0);
	assert_int_equal(waiting, 1);
	assert_int_equal(dropped, 0);
	cv_store_close(store);
}

static void trimmed(struct cv_store *store, uint64_t max, uint64_t n_waiting, uint64_t n_dropped)
{
	struct cv_errs errs = {0};
	uint64_t waiting, dropped;

	assert_int_equal(cv_store_outbox_trim(store, max, &waiting, &dropped, &errs), 0);
	assert_int_equal(waiting, n_waiting);
	assert_int_equal(dropped, n_dropped);
}

/* Accounts 1 and 2; one queue is nobody's. */
static void who_has_most_messages_loses_the_oldest(void **state)
{
	static const char *const queues[] = {
		"arn:aws:sns:r:1:t:a", "arn:aws:sns:r:2:t:a", "arn:aws:sns:r:2:t:b",
		"arn:aws:sns:r:2:u:c", "arn:aws:sns:r:2:t:a", "nobody",
	};
	static const char digits[] = "123456";
	struct cv_store *store = open_ok(file);
	char text[2 * CV_STORE_MESSAGE_BYTES + 2];
	struct cv_store_op op;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(queues); i++) {
		op = mail_op(queues[i], "?");
		op.value = &digits[i];
		op.len = 1;
		assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	}
	trimmed(store, 5, 5, 1);
	trimmed(store, 4, 4, 1);
	assert_mail(store, 100, 9,
		    "arn:aws:sns:r:1:t:a:1/0 arn:aws:sns:r:2:u:c:4/0 arn:aws:sns:r:2:t:a:5/0 "
		    "nobody:6/0 ");
	/* A long one counts as three, and no more goes than must. */
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	op = mail_op(queues[0], text);
	assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	trimmed(store, 7, 5, 0);
	trimmed(store, 6, 4, 1);
	op = mail_op(queues[1], "7");
	assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	/* Two of 3, 3 and 1: the oldest of all first, then the other has more, in one message. */
	trimmed(store, 5, 3, 2);
	assert_mail(store, 100, 9, "arn:aws:sns:r:2:t:a:5/0 nobody:6/0 ");
	/* Room for a sixteenth. */
	for (uint64_t i = 3; i < 33; i++)
		assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	trimmed(store, 33, 33, 0);
	trimmed(store, 32, 30, 3);
	cv_store_close(store);
}

/* ---- the writer ---- */

static void batch_put(struct cv_store_batch *batch, const char *key)
{
	char mine[16];
	struct cv_store_op op = put(mine, "v");

	/* The batch's is a copy. */
	snprintf(mine, sizeof(mine), "%s", key);
	assert_int_equal(cv_store_batch_add(batch, &op), 0);
	memset(mine, 'x', sizeof(mine));
}

static void the_writer_writes_one_batch_while_the_next_is_gathered(void **state)
{
	struct cv_store *store = open_ok(file);
	struct cv_store_writer *writer;
	struct cv_store_batch batch = {0};
	struct cv_errs errs = {0};
	uint64_t rev = 0;
	int ret = 1;

	(void)state;
	assert_int_equal(cv_store_writer_create(store, &writer), 0);
	assert_false(cv_store_writer_end(writer, true, &ret, &rev, &errs));
	batch_put(&batch, "a");
	batch_put(&batch, "b");
	batch_put(&batch, "c");
	cv_store_batch_cut(&batch, 2);
	cv_store_writer_begin(writer, &batch, 0);
	assert_int_equal(batch.n, 0);
	batch_put(&batch, "d");
	assert_int_equal(poll(&(struct pollfd){.fd = cv_store_writer_fd(writer), .events = POLLIN},
			      1, 20000),
			 1);
	assert_true(cv_store_writer_end(writer, false, &ret, &rev, &errs));
	assert_int_equal(ret, 0);
	assert_int_equal(rev, 1);
	cv_store_writer_begin(writer, &batch, 0);
	assert_true(cv_store_writer_end(writer, true, &ret, &rev, &errs));
	assert_int_equal(ret, -ESTALE);
	assert_int_equal(errs.n, 1);
	assert_changes(store, 0, "a=v@1 b=v@1 ");
	/* What is under way at the end is written. */
	batch_put(&batch, "e");
	cv_store_writer_begin(writer, &batch, 1);
	cv_store_writer_destroy(writer);
	assert_changes(store, 1, "e=v@2 ");
	cv_store_writer_destroy(NULL);
	cv_store_close(store);
	cv_store_close(NULL);
	errs_done(&errs);
}

static int job_open(void *arg, struct cv_errs *errs)
{
	return cv_store_open(file, errs, arg);
}

static int job_refuse(void *arg, struct cv_errs *errs)
{
	(void)arg;
	cv_errs_add(errs, NULL, 0, "no");
	return -EPERM;
}

/* It may open the store that it writes to, too. */
static void a_writer_does_what_else_waits_for_the_disk(void **state)
{
	struct cv_store *store = NULL;
	struct cv_store_writer *writer;
	struct cv_store_batch batch = {0};
	struct cv_errs errs = {0};
	uint64_t rev = 0;
	int ret = 1;

	(void)state;
	assert_int_equal(cv_store_writer_create(NULL, &writer), 0);
	cv_store_writer_do(writer, job_refuse, NULL);
	assert_true(cv_store_writer_end(writer, true, &ret, &rev, &errs));
	assert_int_equal(ret, -EPERM);
	assert_int_equal(errs.n, 1);
	cv_store_writer_do(writer, job_open, &store);
	assert_int_equal(poll(&(struct pollfd){.fd = cv_store_writer_fd(writer), .events = POLLIN},
			      1, 20000),
			 1);
	assert_true(cv_store_writer_end(writer, false, &ret, &rev, &errs));
	assert_int_equal(ret, 0);
	assert_int_equal(errs.n, 1);
	cv_store_writer_use(writer, store);
	batch_put(&batch, "a");
	cv_store_writer_begin(writer, &batch, 0);
	assert_true(cv_store_writer_end(writer, true, &ret, &rev, &errs));
	assert_int_equal(ret, 0);
	assert_int_equal(rev, 1);
	assert_changes(store, 0, "a=v@1 ");
	cv_store_writer_destroy(writer);
	cv_store_close(store);
	errs_done(&errs);
}

static void a_writer_needs_a_descriptor_and_a_thread(void **state)
{
	struct cv_store *store = open_ok(NULL);
	struct cv_store_writer *writer;
	struct rlimit old, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){3, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(cv_store_writer_create(store, &writer), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* A stack that no address space holds: so no thread. */
	{
		pthread_attr_t attr, was;

		pthread_getattr_default_np(&was);
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, (size_t)1 << 46);
		if (pthread_setattr_default_np(&attr) == 0)
			assert_int_equal(cv_store_writer_create(store, &writer), -EAGAIN);
		pthread_setattr_default_np(&was);
		pthread_attr_destroy(&attr);
		pthread_attr_destroy(&was);
	}
	cv_store_close(store);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, dir_make, dir_remove)
	const struct CMUnitTest tests[] = {
		CASE(what_was_committed_is_there_after_reopening),
		CASE(comparisons_hold_all_or_nothing_is_done),
		CASE(a_stream_can_be_stopped_and_goes_back_so_far),
		CASE(random_changes_are_read_back),
		CASE(messages_of_a_queue_stay_in_order),
		CASE(messages_can_be_taken_back_and_are_bounded),
		CASE(who_has_most_messages_loses_the_oldest),
		CASE(the_writer_writes_one_batch_while_the_next_is_gathered),
		CASE(a_writer_does_what_else_waits_for_the_disk),
		CASE(a_writer_needs_a_descriptor_and_a_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
