/* SPDX-License-Identifier: BSD-3-Clause */

/* The store when the disk, memory or the process fails, at every single call. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc_fail.h"
#include "cv_store.h"
#include "cv_store_writer.h"
#include "store_vfs.h"

static char dir[64], file[96];

static int dir_make(void **state)
{
	(void)state;
	/* In memory: the disk is not what is tested. */
	snprintf(dir, sizeof(dir), "%s/cvl-store-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/state.db", dir);
	return 0;
}

static void files_remove(void)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".lock", ".new"};
	char name[128];

	for (size_t i = 0; i < CV_ARRAY_LEN(ends); i++) {
		snprintf(name, sizeof(name), "%s%s", file, ends[i]);
		unlink(name);
	}
}

static int dir_remove(void **state)
{
	(void)state;
	files_remove();
	return rmdir(dir);
}

static struct cv_store_op put(const char *key, const char *value)
{
	return (struct cv_store_op){CV_STORE_PUT, CV_STORE_DOC,  key,
				    value,        strlen(value), CV_STORE_ANY};
}

/* Two keys get the same number and a message is sent, in one transaction. */
static int step(struct cv_store *store, int n)
{
	char value[3000];
	struct cv_store_op ops[3];
	struct cv_errs errs = {0};
	int ret;

	memset(value, '.', sizeof(value));
	snprintf(value + 2000, 16, "%d", n);
	ops[0] = put("left", value);
	ops[1] = put("right", value);
	ops[2] = (struct cv_store_op){
		.what = CV_STORE_SEND, .key = "q", .value = value, .len = strlen(value)};
	ret = cv_store_commit(store, &(struct cv_store_txn){ops, 3, CV_STORE_ANY}, NULL, &errs);
	assert_true(ret == 0 || errs.n > 0 || errs.truncated);
	cv_errs_fini(&errs);
	return ret;
}

struct seen {
	int left, right, mails;
};

static int see(void *arg, const struct cv_store_item *item)
{
	struct seen *seen = arg;

	*(strcmp(item->key, "left") == 0 ? &seen->left : &seen->right) = atoi(item->value + 2000);
	return 0;
}

static int count(void *arg, const struct cv_store_message *message)
{
	(void)message;
	++*(int *)arg;
	return 0;
}

/* What the file holds: the last number. Both sides have the same, or it is half a transaction. */
static int look(void)
{
	struct cv_errs errs = {0};
	struct cv_store *store;
	struct seen seen = {0};
	uint64_t rev = 99;
	int first = 0;
	int ret = cv_store_open(file, &errs, &store);

	if (ret != 0)
		fail_msg("%d %s", ret, errs.items[0].text);
	assert_int_equal(cv_store_changes(store, (struct cv_store_since){CV_STORE_DOC, 0}, see,
					  &seen, &rev, &errs),
			 0);
	assert_int_equal(seen.left, seen.right);
	assert_int_equal(rev, seen.left);
	assert_int_equal(cv_store_outbox_peek(store, 1, 9, count, &first, &errs), 0);
	assert_int_equal(first, seen.left > 0);
	cv_store_close(store);
	return seen.left;
}

/* Open, three steps, close: what was acknowledged. */
static int run(int *ret_ret)
{
	struct cv_errs errs = {0};
	struct cv_store *store = NULL;
	int done = 0, ret = cv_store_open(file, &errs, &store);

	assert_true(ret == 0 || errs.n > 0 || errs.truncated || ret == -ENOMEM);
	cv_errs_fini(&errs);
	while (ret == 0 && done < 3) {
		ret = step(store, done + 1);
		done += ret == 0;
	}
	if (ret < 0 && store != NULL)
		(void)cv_store_probe(store, &errs);
	cv_errs_fini(&errs);
	cv_store_close(store);
	*ret_ret = ret;
	return done;
}

static void sweep(int full, int want)
{
	bool wanted = false;

	for (int onward = 0; onward < 2; onward++) {
		for (long at = 0;; at++) {
			int acked, held, ret;

			files_remove();
			store_fault =
				(struct store_fault){.at = at, .onward = onward, .full = full};
			acked = run(&ret);
			if (!store_fault.fired)
				break;
			store_fault.at = -1;
			wanted = wanted || ret == want;
			held = look();
			/* A step that failed may be found to be made: one, whole. */
			assert_true(held == acked || (ret < 0 && held == acked + 1));
		}
	}
	store_fault.at = -1;
	assert_true(wanted);
}

static void no_failing_call_loses_or_halves_a_transaction(void **state)
{
	(void)state;
	sweep(SQLITE_FULL, -ENOSPC);
	sweep(SQLITE_IOERR_WRITE, -EIO);
}

static void memory_that_runs_out_loses_nothing(void **state)
{
	(void)state;
	if (!ALLOC_FAIL)
		skip();
	for (long n = 1;; n++) {
		int acked, ret, reached;

		files_remove();
		alloc_watch(n);
		acked = run(&ret);
		reached = alloc_reached();
		if (!reached)
			break;
		assert_true(look() == acked || look() == acked + 1);
	}
}

static void a_store_goes_on_after_a_failure(void **state)
{
	struct cv_errs errs = {0};
	struct cv_store *store;

	(void)state;
	assert_int_equal(cv_store_open(file, &errs, &store), 0);
	assert_int_equal(step(store, 1), 0);
	store_fault = (struct store_fault){.at = 0, .onward = true, .full = SQLITE_FULL};
	assert_int_not_equal(step(store, 2), 0);
	assert_int_not_equal(cv_store_probe(store, &errs), 0);
	store_fault.at = -1;
	cv_errs_fini(&errs);
	assert_int_equal(cv_store_probe(store, &errs), 0);
	assert_int_equal(step(store, 2), 0);
	cv_store_close(store);
	assert_int_equal(look(), 2);
}

/* Each call fails in turn while the file is made anew: nothing is lost, and the next try makes it. */
static void a_file_that_vanishes_is_made_anew_at_the_second_try(void **state)
{
	bool failed = false;

	(void)state;
	for (long at = 0;; at++) {
		struct cv_errs errs = {0};
		struct cv_store *store;
		bool fired;
		int ret;

		files_remove();
		assert_int_equal(cv_store_open(file, &errs, &store), 0);
		assert_int_equal(step(store, 1), 0);
		assert_int_equal(step(store, 2), 0);
		assert_int_equal(unlink(file), 0);
		store_fault = (struct store_fault){.at = at, .full = SQLITE_IOERR_WRITE};
		ret = cv_store_probe(store, &errs);
		fired = store_fault.fired;
		store_fault.at = -1;
		cv_errs_fini(&errs);
		failed = failed || ret < 0;
		assert_int_equal(cv_store_probe(store, &errs), 0);
		assert_int_equal(step(store, 3), 0);
		cv_store_close(store);
		assert_int_equal(look(), 3);
		if (!fired)
			break;
	}
	assert_true(failed);
}

/* In a child: its limits and mounts are its own. @return its exit code */
static int child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = -1;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool disk_mount(const char *options)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("none", dir, "tmpfs", 0, options) == 0;
}

static int in_full_disk(void)
{
	struct cv_errs errs = {0};
	struct cv_store *store;
	int n = 0, ret = 0;

	if (!disk_mount("size=300k"))
		return 77;
	if (cv_store_open(file, &errs, &store) != 0)
		return 1;
	while (ret == 0 && n < 200)
		ret = step(store, ++n);
	if (ret != -ENOSPC || n < 3)
		return 2;
	cv_store_close(store);
	return look() == n - 1 ? 0 : 3;
}

static void a_full_disk_is_told(void **state)
{
	int rc = child(in_full_disk);

	(void)state;
	if (rc == 77)
		skip();
	assert_int_equal(rc, 0);
}

static int in_read_only(void)
{
	struct cv_errs errs = {0};
	struct cv_store *store;
	int ret;

	if (!disk_mount("size=1m"))
		return 77;
	if (cv_store_open(file, &errs, &store) != 0 || step(store, 1) != 0)
		return 1;
	cv_store_close(store);
	if (mount("none", dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0)
		return 77;
	ret = cv_store_open(file, &errs, &store);
	return ret == -EROFS && errs.n > 0 ? 0 : 2;
}

static void a_read_only_file_system_is_told(void **state)
{
	int rc = child(in_read_only);

	(void)state;
	if (rc == 77)
		skip();
	assert_int_equal(rc, 0);
}

static int ack_fd;

static int steps_for_ever(void)
{
	struct cv_errs errs = {0};
	struct cv_store *store;
	int n = look();

	if (cv_store_open(file, &errs, &store) != 0)
		return 1;
	for (;;) {
		if (step(store, ++n) != 0 || write(ack_fd, &n, sizeof(n)) != sizeof(n))
			return 2;
	}
}

static void a_kill_loses_nothing_that_was_acknowledged(void **state)
{
	unsigned int seed = 11;
	int held = 0;

	(void)state;
	for (int round = 0; round < 25; round++) {
		int fds[2], acked = held, n;
		pid_t pid;

		assert_int_equal(pipe(fds), 0);
		ack_fd = fds[1];
		pid = fork();
		if (pid == 0)
			_exit(steps_for_ever());
		close(fds[1]);
		/* However busy the machine is, something has been done. */
		assert_int_equal(read(fds[0], &acked, sizeof(acked)), sizeof(acked));
		usleep((useconds_t)(2000 + rand_r(&seed) % 30000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		while (read(fds[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
			acked = n;
		close(fds[0]);
		held = look();
		assert_in_range(held, acked, acked + 1);
	}
	assert_true(held > 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, dir_make, dir_remove)
	const struct CMUnitTest tests[] = {
		CASE(no_failing_call_loses_or_halves_a_transaction),
		CASE(memory_that_runs_out_loses_nothing),
		CASE(a_store_goes_on_after_a_failure),
		CASE(a_file_that_vanishes_is_made_anew_at_the_second_try),
		CASE(a_full_disk_is_told),
		CASE(a_read_only_file_system_is_told),
		CASE(a_kill_loses_nothing_that_was_acknowledged),
	};

	store_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
