/* SPDX-License-Identifier: BSD-3-Clause */

/* A capture as an operator's command sees it: whose it is, when it ends, that its blocks are whole. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"
#include "cv_ctl_capture.h"
#include "cv_dp_capture.h"

enum { SECTION = 0x0a0d0d0a, IFACE = 1 };

static struct cv_ctl_reply reply;

/* Control's clock stands still unless the test turns it: nobody is too slow to keep a capture. */
static _Atomic uint64_t now_ms = 1000000;

uint64_t __wrap_cv_clock_ms(void);
bool __wrap_cv_dp_capture_has_begun(const struct cv_dp_capture *capture);
bool __real_cv_dp_capture_has_begun(const struct cv_dp_capture *capture);

/* So often a worker has not heard of it. */
static _Atomic unsigned int n_early;

bool __wrap_cv_dp_capture_has_begun(const struct cv_dp_capture *capture)
{
	if (n_early > 0) {
		n_early--;
		return false;
	}
	return __real_cv_dp_capture_has_begun(capture);
}

uint64_t __wrap_cv_clock_ms(void)
{
	return now_ms;
}

static int ask(struct world *w, const struct cv_ctl_capture_query *query)
{
	int ret;

	free(reply.text);
	reply = (struct cv_ctl_reply){0};
	/* One that ends is not gone at once. */
	world_until((ret = cv_ctl_capture(world_ctl(w), query, &reply)) != -EAGAIN);
	return ret;
}

static int ask_id(struct world *w, const char *id, bool stop)
{
	return ask(w, &(struct cv_ctl_capture_query){.id = id, .stop = stop});
}

static uint32_t word(size_t at)
{
	uint32_t value;

	assert_true(at + 4 <= reply.len);
	memcpy(&value, reply.text + at, sizeof(value));
	return value;
}

/* Blocks of a type in the last answer, all of which must be whole. */
static unsigned int blocks(uint32_t type)
{
	unsigned int n = 0;

	for (size_t at = 0; at < reply.len; at += word(at + 4)) {
		uint32_t len = word(at + 4);

		assert_true(len >= 12 && len % 4 == 0);
		assert_int_equal(word(at + len - 4), len);
		n += word(at) == type;
	}
	return n;
}

static void a_capture_is_held_by_who_asks(void **state)
{
	struct world *w = world_run(NULL);

	(void)state;
	assert_int_equal(ask_id(w, "one", false), 0);
	assert_int_equal(blocks(SECTION), 1);
	assert_int_equal(word(0), SECTION);
	assert_true(blocks(IFACE) >= 2);
	assert_int_equal(ask_id(w, "two", false), -EBUSY);
	assert_non_null(strstr(reply.text, "another capture is under way"));
	assert_int_equal(ask_id(w, "one", false), 0);
	assert_int_equal(blocks(SECTION), 0);
	assert_int_equal(ask_id(w, "one", true), 0);
	/* At once it may be too early: what ends is still held. */
	assert_int_equal(ask_id(w, "two", false), 0);
	assert_int_equal(blocks(SECTION), 1);
	world_destroy(w);
}

static void nobody_is_told_before_workers_copy(void **state)
{
	const struct cv_ctl_capture_query query = {.id = "one"};
	struct world *w = world_run(NULL);

	(void)state;
	n_early = 2;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(cv_ctl_capture(world_ctl(w), &query, &reply), -EAGAIN);
		assert_null(reply.text);
	}
	assert_int_equal(ask_id(w, "one", false), 0);
	assert_int_equal(n_early, 0);
	assert_int_equal(blocks(SECTION), 1);
	world_destroy(w);
}

static void drops_may_be_asked_for_by_reason(void **state)
{
	static const char *const reasons[] = {"all", "ttl", "no_listener"};
	struct world *w = world_run(NULL);

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(reasons); i++) {
		assert_int_equal(ask(w, &(struct cv_ctl_capture_query){.id = "a",
								       .drops = reasons[i],
								       .stop = true}),
				 0);
		assert_int_equal(blocks(SECTION), 1);
	}
	world_destroy(w);
}

static void one_that_nobody_asks_for_ends(void **state)
{
	struct world *w = world_run(NULL);

	(void)state;
	assert_int_equal(ask_id(w, "one", false), 0);
	now_ms += CV_CTL_CAPTURE_LEASE_MS;
	assert_int_equal(ask_id(w, "two", false), -EBUSY);
	now_ms += 1;
	assert_int_equal(ask_id(w, "two", false), 0);
	world_destroy(w);
}

static void mistakes_are_said(void **state)
{
	const struct {
		struct cv_ctl_capture_query query;
		int ret;
		const char *text;
	} cases[] = {
		{{.id = ""}, -EINVAL, "id: "},
		{{.id = "a-b"}, -EINVAL, "id: "},
		{{.id = "a", .endpoint = "nobody"}, -ENOENT, "there is no endpoint nobody"},
		{{.id = "a", .target = "10.0.0.1"}, -EINVAL, "target: 10.0.0.1 is not IP:PORT"},
		{{.id = "a", .target = "10.0.0.1:65536"}, -EINVAL, "target: "},
		{{.id = "a", .target = "10.0.0:1"}, -EINVAL, "target: "},
		{{.id = "a", .client = "10.0.0"}, -EINVAL, "client: "},
		{{.id = "a", .port = "0"}, -EINVAL, "port: 0 is not 1 to 65535"},
		{{.id = "a", .port = "-1"}, -EINVAL, "port: "},
		{{.id = "a", .drops = "none"}, -EINVAL, "drops: none is neither a reason nor all"},
		{{.id = "a", .snaplen = "9729"}, -EINVAL, "snaplen: 9729 is not 1 to 9728"},
	};
	struct world *w = world_run(NULL);

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		assert_int_equal(ask(w, &cases[i].query), cases[i].ret);
		assert_ptr_equal(strstr(reply.text, cases[i].text), reply.text);
	}
	/* None of them has begun. */
	assert_int_equal(ask_id(w, "b", true), 0);
	world_destroy(w);
}

static int free_reply(void **state)
{
	(void)state;
	free(reply.text);
	reply = (struct cv_ctl_reply){0};
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_capture_is_held_by_who_asks, free_reply),
		cmocka_unit_test_teardown(nobody_is_told_before_workers_copy, free_reply),
		cmocka_unit_test_teardown(drops_may_be_asked_for_by_reason, free_reply),
		cmocka_unit_test_teardown(one_that_nobody_asks_for_ends, free_reply),
		cmocka_unit_test_teardown(mistakes_are_said, free_reply),
	};

	return cmocka_run_group_tests_name("ctl_capture", tests, NULL, NULL);
}
