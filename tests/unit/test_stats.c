/* SPDX-License-Identifier: BSD-3-Clause */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_stats.h"

/* Stands before libc's, so that a test can let the n-th allocation fail; 0 = none. */
static int fail_at;

void *aligned_alloc(size_t align, size_t len)
{
	void *mem = NULL;

	if (fail_at > 0 && --fail_at == 0)
		return NULL;
	return posix_memalign(&mem, align, len) == 0 ? mem : NULL;
}

/* Likewise; but the thread sanitizer starts threads by calloc() before it can bear another one. */
static bool calloc_fails;

#ifdef __SANITIZE_THREAD__
#define CALLOC_MAY_FAIL 0
#else
#define CALLOC_MAY_FAIL 1

void *calloc(size_t n, size_t size)
{
	void *mem = NULL;

	if (calloc_fails || n > SIZE_MAX / (size + 1) || posix_memalign(&mem, 16, n * size) != 0)
		return NULL;
	return memset(mem, 0, n * size);
}
#endif

static const uint32_t some[CV_STATS_KIND_N] = {3, 5, 7};

static void a_new_block_is_zero_and_aligned(void **state)
{
	static const uint32_t shapes[][CV_STATS_KIND_N] = {{0, 0, 0}, {1, 0, 2}, {100, 200, 300}};

	(void)state;
	for (size_t s = 0; s < CV_ARRAY_LEN(shapes); s++) {
		struct cv_stats *stats = cv_stats_create(shapes[s]);

		assert_non_null(stats);
		assert_int_equal((uintptr_t)stats % CV_CACHE_LINE, 0);
		for (int i = 0; i < CV_DROP_N; i++)
			assert_true(cv_ctr_get(&stats->drop[i]) == 0);
		for (int i = 0; i < CV_EV_N; i++)
			assert_true(cv_ctr_get(&stats->ev[i]) == 0);
		assert_true(cv_ctr_get(&stats->tsc_busy) == 0);
		assert_true(cv_ctr_get(&stats->flows) == 0);
		for (int kind = 0; kind < CV_STATS_KIND_N; kind++) {
			static const struct cv_stats_obj zero;

			assert_int_equal(stats->n_obj[kind], shapes[s][kind]);
			assert_non_null(stats->obj[kind]);
			assert_int_equal((uintptr_t)stats->obj[kind] % CV_CACHE_LINE, 0);
			for (uint32_t i = 0; i < shapes[s][kind]; i++)
				assert_memory_equal(&stats->obj[kind][i], &zero, sizeof(zero));
		}
		cv_stats_destroy(stats);
	}
	cv_stats_destroy(NULL);
}

static void no_memory_is_no_block_and_no_leak(void **state)
{
	(void)state;
	for (int n = 1; n <= 1 + CV_STATS_KIND_N; n++) {
		fail_at = n;
		assert_null(cv_stats_create(some));
		assert_int_equal(fail_at, 0);
	}
	calloc_fails = true;
	if (CALLOC_MAY_FAIL)
		assert_null(cv_stats_create(some));
	calloc_fails = false;
}

static void check_name(const char *name, const char *help)
{
	assert_true(strlen(name) > 0 && strlen(name) <= 48);
	assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(name));
	assert_true(name[0] >= 'a' && name[0] <= 'z');
	/* The help text stands in Prometheus text and in tables as it is. */
	assert_true(strlen(help) > 0 && strlen(help) <= 120);
	assert_null(strpbrk(help, "\n\\\"|"));
	assert_int_not_equal(help[strlen(help) - 1], '.');
}

static void every_reason_and_event_has_a_name_of_its_own(void **state)
{
	(void)state;
	assert_string_equal(cv_drop_name(CV_DROP_NONE), "none");
	assert_string_equal(cv_drop_name(CV_DROP_PORT_ALLOCATION), "port_allocation");
	assert_string_equal(cv_stage_name(CV_STAGE_LOOKUP), "lookup");
	for (int i = 0; i < CV_STAGE_N; i++)
		check_name(cv_stage_name((enum cv_stage)i), cv_stage_help((enum cv_stage)i));
	assert_string_equal(cv_event_name(CV_EV_PPV2_RESENT), "ppv2_resent");
	for (int i = 0; i < CV_DROP_N; i++) {
		check_name(cv_drop_name((enum cv_drop)i), cv_drop_help((enum cv_drop)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(cv_drop_name((enum cv_drop)i),
						cv_drop_name((enum cv_drop)j));
	}
	for (int i = 0; i < CV_EV_N; i++) {
		check_name(cv_event_name((enum cv_event)i), cv_event_help((enum cv_event)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(cv_event_name((enum cv_event)i),
						cv_event_name((enum cv_event)j));
	}
}

static void sums_run_over_all_workers(void **state)
{
	struct cv_stats *stats[3];

	(void)state;
	for (uint32_t w = 0; w < 3; w++) {
		stats[w] = cv_stats_create(some);
		for (uint64_t i = 0; i < CV_DROP_N; i++)
			cv_ctr_add(&stats[w]->drop[i], (i + 1) << (8 * w));
		for (uint64_t i = 0; i < CV_EV_N; i++)
			cv_ctr_add(&stats[w]->ev[i], (i + 101) << (8 * w));
	}
	for (uint64_t i = 0; i < CV_DROP_N; i++) {
		assert_true(cv_stats_drop_sum(stats, 3, (enum cv_drop)i) == (i + 1) * 0x10101);
		assert_true(cv_stats_drop_sum(stats, 0, (enum cv_drop)i) == 0);
		assert_true(cv_stats_drop_sum(stats + 1, 1, (enum cv_drop)i) == (i + 1) << 8);
	}
	for (uint64_t i = 0; i < CV_EV_N; i++) {
		assert_true(cv_stats_event_sum(stats, 3, (enum cv_event)i) == (i + 101) * 0x10101);
		assert_true(cv_stats_event_sum(stats, 2, (enum cv_event)i) == (i + 101) * 0x101);
	}
	/* Past 32 bits. */
	cv_ctr_add(&stats[0]->drop[1], 1ULL << 40);
	assert_true(cv_stats_drop_sum(stats, 1, (enum cv_drop)1) == (1ULL << 40) + 2);
	for (int w = 0; w < 3; w++)
		cv_stats_destroy(stats[w]);
}

static void object_sums_keep_their_fields_apart(void **state)
{
	static const uint32_t less[CV_STATS_KIND_N] = {3, 5, 1};
	struct cv_stats *stats[2] = {cv_stats_create(some), cv_stats_create(less)};
	struct cv_stats_obj_sum sum;

	(void)state;
	for (uint64_t w = 0; w < 2; w++) {
		struct cv_stats_obj *obj = &stats[w]->obj[CV_STATS_LISTENER][4];
		uint64_t unit = w == 0 ? 1 : 100;

		cv_ctr_add(&obj->pkts[0], 1 * unit);
		cv_ctr_add(&obj->pkts[1], 2 * unit);
		cv_ctr_add(&obj->bytes[0], 3 * unit);
		cv_ctr_add(&obj->bytes[1], 4 * unit);
		cv_ctr_add(&obj->new_flows, 5 * unit);
		cv_ctr_add(&obj->end_flows, 6 * unit);
		cv_ctr_add(&obj->drops, 7 * unit);
		cv_ctr_add(&obj->rsts, 8 * unit);
	}
	sum = cv_stats_obj_sum(stats, 2, CV_STATS_LISTENER, 4);
	assert_true(sum.pkts[0] == 101 && sum.pkts[1] == 202);
	assert_true(sum.bytes[0] == 303 && sum.bytes[1] == 404);
	assert_true(sum.new_flows == 505 && sum.end_flows == 606);
	assert_true(sum.drops == 707 && sum.rsts == 808);
	sum = cv_stats_obj_sum(stats, 2, CV_STATS_LISTENER, 3);
	assert_true(sum.pkts[0] == 0 && sum.rsts == 0);
	/* A slot that only some blocks have, and one that none has. */
	cv_ctr_add(&stats[0]->obj[CV_STATS_TARGET][1].drops, 9);
	assert_true(cv_stats_obj_sum(stats, 2, CV_STATS_TARGET, 1).drops == 9);
	assert_true(cv_stats_obj_sum(stats, 2, CV_STATS_TARGET, 7).drops == 0);
	cv_stats_destroy(stats[0]);
	cv_stats_destroy(stats[1]);
}

static void path_drops_are_kept_apart_by_path_and_reason(void **state)
{
	static const uint32_t less[CV_STATS_KIND_N] = {1, 0, 0};
	struct cv_stats *stats[2] = {cv_stats_create(some), cv_stats_create(less)};
	const int last = CV_DROP_N - 1;

	(void)state;
	for (uint32_t slot = 0; slot < some[CV_STATS_PATH]; slot++)
		for (int i = 0; i < CV_DROP_N; i++)
			cv_ctr_add(&stats[0]->path_drop[slot][i], slot * 1000 + (uint64_t)i);
	cv_ctr_add(&stats[1]->path_drop[0][last], 99999);
	cv_stats_path_drop(stats[1], 0, (enum cv_drop)last);
	assert_true(cv_stats_obj_sum(stats, 2, CV_STATS_PATH, 0).drops == 1);
	for (uint32_t slot = 0; slot < some[CV_STATS_PATH]; slot++)
		for (int i = 0; i < CV_DROP_N; i++)
			assert_true(cv_stats_path_drop_sum(stats, 2, slot, (enum cv_drop)i) ==
				    slot * 1000 + (uint64_t)i +
					    (slot == 0 && i == last ? 100000 : 0));
	assert_true(cv_stats_path_drop_sum(stats, 2, some[CV_STATS_PATH], CV_DROP_TTL) == 0);
	cv_stats_destroy(stats[0]);
	cv_stats_destroy(stats[1]);
}

static void *count_up(void *arg)
{
	cv_ctr_t *ctr = arg;

	for (int i = 0; i < 200000; i++)
		cv_ctr_add(ctr, 0x100000001);
	return NULL;
}

/* A sanitizer for threads sees no race; a reader never sees half a value or one that goes back. */
static void a_counter_may_be_read_while_it_counts(void **state)
{
	struct cv_stats *stats = cv_stats_create(some);
	cv_ctr_t *ctr = &stats->ev[CV_EV_RX_PKTS];
	uint64_t last = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, count_up, ctr), 0);
	for (int i = 0; i < 200000; i++) {
		uint64_t now = cv_ctr_get(ctr);

		assert_true(now >= last);
		assert_true(now >> 32 == (now & UINT32_MAX));
		last = now;
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(cv_ctr_get(ctr) == 200000 * 0x100000001ULL);
	cv_stats_destroy(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_block_is_zero_and_aligned),
		cmocka_unit_test(no_memory_is_no_block_and_no_leak),
		cmocka_unit_test(every_reason_and_event_has_a_name_of_its_own),
		cmocka_unit_test(sums_run_over_all_workers),
		cmocka_unit_test(object_sums_keep_their_fields_apart),
		cmocka_unit_test(path_drops_are_kept_apart_by_path_and_reason),
		cmocka_unit_test(a_counter_may_be_read_while_it_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
