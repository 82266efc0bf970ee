/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_base.h"

/* Sanitizers abort on a request that can never be met, unless told that the caller copes. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
	return "allocator_may_return_null=1";
}

const char *__tsan_default_options(void)
{
	return "allocator_may_return_null=1";
}

static void errors_are_listed_in_order(void **state)
{
	struct cv_errs errs = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		cv_errs_add(&errs, "a.b[0]", i, "number %d of %s", i, "many");
	assert_int_equal(errs.n, 100);
	assert_false(errs.truncated);
	for (int i = 0; i < 100; i++) {
		char want[32];

		snprintf(want, sizeof(want), "number %d of many", i);
		assert_string_equal(errs.items[i].text, want);
		assert_string_equal(errs.items[i].path, "a.b[0]");
		assert_int_equal(errs.items[i].line, i);
	}
	cv_errs_add(&errs, NULL, 0, "x");
	assert_string_equal(errs.items[100].path, "");
	cv_errs_fini(&errs);
	assert_null(errs.items);
	assert_int_equal(errs.n, 0);
	cv_errs_fini(&errs);
	cv_errs_add(&errs, "again", 1, "after fini");
	assert_int_equal(errs.n, 1);
	cv_errs_fini(&errs);
}

static void long_errors_are_cut(void **state)
{
	static char longest[1000];
	struct cv_errs errs = {0};

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	cv_errs_add(&errs, longest, 1, "%s", longest);
	assert_int_equal(strlen(errs.items[0].path), CV_ERR_PATH_LEN - 1);
	assert_int_equal(strlen(errs.items[0].text), CV_ERR_TEXT_LEN - 1);
	longest[CV_ERR_PATH_LEN - 1] = '\0';
	cv_errs_add(&errs, longest, 1, "ok");
	assert_string_equal(errs.items[1].path, longest);
	cv_errs_fini(&errs);
}

static void an_error_may_be_made_of_another(void **state)
{
	struct cv_errs errs = {0};

	(void)state;
	cv_errs_add(&errs, "first", 1, "text");
	for (int i = 0; i < 40; i++)
		cv_errs_add(&errs, errs.items[0].path, 2, "see %s", errs.items[0].text);
	for (size_t i = 1; i < errs.n; i++) {
		assert_string_equal(errs.items[i].path, "first");
		assert_string_equal(errs.items[i].text, "see text");
	}
	cv_errs_fini(&errs);
}

static void errors_render_with_what_they_have(void **state)
{
	struct cv_err err = {.path = "vpcs[2].cidr", .line = 14, .text = "is no prefix"};
	char buf[64];

	(void)state;
	assert_ptr_equal(cv_err_str(&err, buf, sizeof(buf)), buf);
	assert_string_equal(buf, "vpcs[2].cidr: is no prefix (line 14)");
	err.line = 0;
	assert_string_equal(cv_err_str(&err, buf, sizeof(buf)), "vpcs[2].cidr: is no prefix");
	err.path[0] = '\0';
	assert_string_equal(cv_err_str(&err, buf, sizeof(buf)), "is no prefix");
	err.line = 3;
	assert_string_equal(cv_err_str(&err, buf, sizeof(buf)), "is no prefix (line 3)");
}

static void rendering_stops_at_the_buffer_s_end(void **state)
{
	struct cv_err err = {.path = "p", .line = 1, .text = "text"};
	const char *whole = "p: text (line 1)";
	char buf[32];

	(void)state;
	for (size_t cap = 0; cap < sizeof(buf); cap++) {
		size_t want = cap == 0 ? 0 : cap - 1;

		if (want > strlen(whole))
			want = strlen(whole);
		memset(buf, '#', sizeof(buf));
		cv_err_str(&err, buf, cap);
		assert_memory_equal(buf, whole, want);
		assert_int_equal(buf[want], cap == 0 ? '#' : '\0');
		for (size_t i = cap; i < sizeof(buf); i++)
			assert_int_equal(buf[i], '#');
	}
}

static void a_list_without_memory_says_so(void **state)
{
	struct cv_errs errs = {0};

	(void)state;
	for (int i = 0; i < 8; i++)
		cv_errs_add(&errs, "p", i, "kept");
	/* So long already that the next doubling cannot be had. */
	errs.n = errs.cap = (SIZE_MAX >> 3) / sizeof(struct cv_err);
	cv_errs_add(&errs, "p", 8, "lost");
	assert_int_equal(errs.n, (SIZE_MAX >> 3) / sizeof(struct cv_err));
	errs.n = 8;
	assert_true(errs.truncated);
	assert_string_equal(errs.items[7].text, "kept");
	cv_errs_fini(&errs);
	assert_false(errs.truncated);
}

/* First vectors of the SipHash paper's reference: key 00..0f, message 00..(n-1). */
static void lists_for_people_end_in_time(void **state)
{
	char list[17] = "";

	(void)state;
	cv_list_add(list, sizeof(list), "one");
	assert_string_equal(list, "one");
	cv_list_add(list, sizeof(list), "fives");
	assert_string_equal(list, "one, fives"); /* just fits, with room for what follows */
	cv_list_add(list, sizeof(list), "x");
	assert_string_equal(list, "one, fives, ...");
	cv_list_add(list, sizeof(list), "");
	assert_string_equal(list, "one, fives, ...");
	list[0] = '\0';
	cv_list_add(list, sizeof(list), "longer than all of it");
	assert_string_equal(list, "...");
	cv_list_add(list, sizeof(list), "x");
	assert_string_equal(list, "...");
}

static void siphash_gives_the_reference_s_values(void **state)
{
	static const uint64_t want[] = {
		0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
		0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
		0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462,
	};
	uint8_t msg[16];

	(void)state;
	for (uint8_t i = 0; i < sizeof(msg); i++)
		msg[i] = i;
	for (size_t n = 0; n < CV_ARRAY_LEN(want); n++)
		assert_true(cv_siphash(msg, n, 0x0706050403020100, 0x0f0e0d0c0b0a0908) == want[n]);
	assert_true(cv_siphash(msg, 15, 0x0706050403020100, 0x0f0e0d0c0b0a0908) ==
		    0xa129ca6149be45e5);
}

static void ids_are_derived_for_ever(void **state)
{
	char id[64], again[64];

	(void)state;
	cv_id_derive("vpce-", "orders", 17, id, sizeof(id));
	assert_string_equal(id, "vpce-af22f116218167572");
	cv_id_derive("vpce-", "orders", 32, again, sizeof(again));
	assert_string_equal(again, "vpce-af22f116218167572e78c2e25add9793");
	/* Shorter ones are the front of longer ones; the exact size is enough. */
	assert_memory_equal(id, again, strlen(id));
	memset(again, '#', sizeof(again));
	cv_id_derive("vpce-", "orders", 17, again, strlen(id) + 1);
	assert_string_equal(again, id);
	assert_int_equal(again[strlen(id) + 1], '#');
	cv_id_derive("x", "orders", 1, again, sizeof(again));
	assert_int_equal(strlen(again), 2);
}

static void ids_differ_by_name_and_by_prefix(void **state)
{
	static char ids[2000][24];

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i / 2);
		cv_id_derive(i % 2 == 0 ? "vpce-" : "eni-x", name, 17, ids[i], sizeof(ids[i]));
		assert_true(cv_id_is(ids[i], i % 2 == 0 ? "vpce-" : "eni-x", 17));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(ids[i] + 5, ids[j] + 5);
	}
}

static void id_is_takes_nothing_else(void **state)
{
	static const char *const no[] = {
		"",
		"vpce-",
		"vpce-0123456789abcdef",
		"vpce-0123456789abcdef01",
		"vpce-0123456789ABCDEF0",
		"vpce-0123456789abcdeg0",
		"vpce_0123456789abcdef0",
		"vpce-0123456789abcdef0 ",
		" vpce-0123456789abcdef0",
		"vpce-0123456789abcdef\n",
		"Vpce-0123456789abcdef0",
		"0123456789abcdef0",
		"vpce-svc-0123456789abcd",
		"vpc",
	};

	(void)state;
	assert_true(cv_id_is("vpce-0123456789abcdef0", "vpce-", 17));
	assert_true(cv_id_is("vpce-svc-0123456789abcdef0", "vpce-svc-", 17));
	assert_true(cv_id_is("a", "", 1));
	for (size_t i = 0; i < CV_ARRAY_LEN(no); i++)
		assert_false(cv_id_is(no[i], "vpce-", 17));
}

struct logged {
	enum cv_log_level level;
	char line[2048];
	int n;
};

static void keep(enum cv_log_level level, const char *line, void *arg)
{
	struct logged *logged = arg;

	logged->level = level;
	snprintf(logged->line, sizeof(logged->line), "%s", line);
	logged->n++;
}

static void log_lines_go_to_the_sink(void **state)
{
	static struct logged logged;
	static char longest[4000];

	(void)state;
	memset(longest, 'y', sizeof(longest) - 1);
	cv_log_sink_set(keep, &logged);
	cv_log(CV_LOG_WARNING, "%d of %s", 3, "them");
	assert_int_equal(logged.n, 1);
	assert_int_equal(logged.level, CV_LOG_WARNING);
	assert_string_equal(logged.line, "3 of them");
	cv_log(CV_LOG_DEBUG, "%s", longest);
	assert_int_equal(logged.n, 2);
	assert_int_equal(strlen(logged.line), 1023);
	cv_log_sink_set(NULL, NULL);
}

/* Runs fn in a child whose stderr comes back in buf; returns the wait status. */
static int run_child(void (*fn)(void), char *buf, size_t cap)
{
	int fds[2], status = 0;
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(fds[1], STDERR_FILENO);
		(void)close(fds[0]);
		(void)close(fds[1]);
		(void)signal(SIGABRT, SIG_DFL);
		fn();
		_exit(0);
	}
	(void)close(fds[1]);
	while (len < cap - 1 && (got = read(fds[0], buf + len, cap - 1 - len)) > 0)
		len += (size_t)got;
	buf[len] = '\0';
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void log_all_levels(void)
{
	for (int level = CV_LOG_DEBUG; level <= CV_LOG_ERR; level++)
		cv_log((enum cv_log_level)level, "line %d", level);
}

static void log_lines_go_to_stderr_without_a_sink(void **state)
{
	char out[1024];

	(void)state;
	assert_int_equal(run_child(log_all_levels, out, sizeof(out)), 0);
	assert_string_equal(out, "culvertd: debug: line 0\n"
				 "culvertd: info: line 1\n"
				 "culvertd: notice: line 2\n"
				 "culvertd: warning: line 3\n"
				 "culvertd: error: line 4\n");
}

static void assert_false_thing(void)
{
	int n = 2;

	cv_assert(n == 2);
	cv_assert(n == 3);
}

static void dassert_false_thing(void)
{
	int n = 2;

	cv_dassert(n == 3);
}

static void id_too_small(void)
{
	char buf[8];

	cv_id_derive("vpce-", "x", 3, buf, sizeof(buf));
}

static void id_too_long(void)
{
	char buf[64];

	cv_id_derive("vpce-", "x", 33, buf, sizeof(buf));
}

static void id_of_no_digits(void)
{
	char buf[64];

	cv_id_derive("vpce-", "x", 0, buf, sizeof(buf));
}

static void our_bugs_abort_and_say_where(void **state)
{
	void (*const bugs[])(void) = {assert_false_thing, dassert_false_thing, id_too_small,
				      id_too_long, id_of_no_digits};
	char out[1024];

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(bugs); i++) {
		int status = run_child(bugs[i], out, sizeof(out));

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
		assert_non_null(strstr(out, i < 2 ? "test_base.c:" : "base.c:"));
		assert_non_null(strstr(out, "is false"));
		if (i == 0)
			assert_non_null(strstr(out, "'n == 3'"));
	}
}

static void the_clock_goes_forward_in_milliseconds(void **state)
{
	uint64_t t0 = cv_clock_ms();
	uint64_t t1;

	(void)state;
	usleep(20000);
	t1 = cv_clock_ms();
	assert_in_range(t1 - t0, 19, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_listed_in_order),
		cmocka_unit_test(long_errors_are_cut),
		cmocka_unit_test(an_error_may_be_made_of_another),
		cmocka_unit_test(errors_render_with_what_they_have),
		cmocka_unit_test(rendering_stops_at_the_buffer_s_end),
		cmocka_unit_test(a_list_without_memory_says_so),
		cmocka_unit_test(lists_for_people_end_in_time),
		cmocka_unit_test(siphash_gives_the_reference_s_values),
		cmocka_unit_test(ids_are_derived_for_ever),
		cmocka_unit_test(ids_differ_by_name_and_by_prefix),
		cmocka_unit_test(id_is_takes_nothing_else),
		cmocka_unit_test(log_lines_go_to_the_sink),
		cmocka_unit_test(log_lines_go_to_stderr_without_a_sink),
		cmocka_unit_test(our_bugs_abort_and_say_where),
		cmocka_unit_test(the_clock_goes_forward_in_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
