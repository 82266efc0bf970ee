/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_snat.h"
#include "cv_snat_hot.h"

#include "snat_world.h"

#define PAGE 4096

enum caller { ALL_FROM_FIRST, ALL_FROM_LAST, IN_TURN, AT_RANDOM, N_CALLERS };

static unsigned int caller_slice(enum caller who, unsigned int n_slices, uint32_t i)
{
	switch (who) {
	case ALL_FROM_FIRST:
		return 0;
	case ALL_FROM_LAST:
		return n_slices - 1;
	case IN_TURN:
		return i % n_slices;
	default:
		return rng(n_slices);
	}
}

/* Takes all ports, then one more; then the same again after their rest. */
static void use_up(uint32_t n_ports, unsigned int n_slices, enum caller who)
{
	struct cv_snat_pool *pool = make(n_ports, n_slices, 100);
	uint16_t first = cv_snat_pool_cfg(pool).port_first;
	uint8_t *taken = calloc(65536, 1);
	uint16_t port;

	assert_non_null(taken);
	/* A pool of few ports has fewer slices than asked for. */
	n_slices = cv_snat_pool_cfg(pool).n_slices;
	for (int round = 0; round < 4; round++) {
		uint64_t now = 1000 * (uint64_t)round;

		memset(taken, 0, 65536);
		for (uint32_t i = 0; i < n_ports; i++) {
			unsigned int slice = caller_slice(who, n_slices, i);

			assert_int_equal(take(pool, slice, now, i, &port), 0);
			assert_in_range(port, first, first + n_ports - 1);
			assert_int_equal(taken[port], 0);
			taken[port] = 1;
			assert_int_equal(cv_snat_owner(pool, port), i);
		}
		port = 1;
		for (unsigned int slice = 0; slice < n_slices; slice++)
			assert_int_equal(take(pool, slice, now, 0, &port), -EADDRNOTAVAIL);
		assert_int_equal(port, 1);
		expect_counts(pool, now,
			      (struct cv_snat_counts){.used = n_ports,
						      .errors = (uint64_t)(round + 1) * n_slices,
						      .taken = (uint64_t)(round + 1) * n_ports});
		for (uint32_t i = 0; i < n_ports; i++)
			cv_snat_free(pool, (uint16_t)(first + i), now);
	}
	free(taken);
	cv_snat_pool_destroy(pool);
}

static void a_pool_serves_exactly_its_ports(void **state)
{
	static const unsigned int slices[] = {1, 2, 3, 8, 64};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(slices); i++) {
		for (enum caller who = 0; who < N_CALLERS; who++) {
			use_up(5000, slices[i], who);
			use_up(slices[i], slices[i], who);
			use_up(slices[i] + 1, slices[i], who);
			use_up((slices[i] + 1) / 2, slices[i], who);
			use_up(1, slices[i], who);
		}
		use_up(CV_SNAT_PORTS_DEFAULT, slices[i], AT_RANDOM);
	}
}

static void odd_sizes_are_permuted_whole(void **state)
{
	static const uint32_t sizes[] = {1,    2,    3,    4,    5,    7,     511,   513,
					 1023, 1024, 1025, 2047, 2048, 2049,  4097,  40961,
					 9999, 3071, 3073, 6145, 8191, 55555, 64512, 65535};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(sizes); i++)
		use_up(sizes[i], 1, ALL_FROM_FIRST);
}

static void fresh_ports_look_random_but_stay_in_a_chunk(void **state)
{
	struct cv_snat_pool *pool = make(CV_SNAT_PORTS_DEFAULT, 1, 100);
	uint16_t ports[8192];
	uint32_t steps[5] = {0};
	uint32_t up = 0;

	(void)state;
	for (uint32_t i = 0; i < 8192; i++) {
		uint16_t *port = &ports[i];

		assert_int_equal(take(pool, 0, 0, 0, port), 0);
		assert_int_equal((*port - FIRST) / 1024, (ports[i / 1024 * 1024] - FIRST) / 1024);
		if (i > 0) {
			int step = *port - ports[i - 1];

			up += step > 0;
			if (step >= -2 && step <= 2)
				steps[step + 2]++;
		}
	}
	/* By chance: 8 of each step, 4096 up. */
	for (int i = 0; i < 5; i++)
		assert_in_range(steps[i], 0, 40);
	assert_in_range(up, 3600, 4600);
	assert_int_not_equal((ports[0] - FIRST) / 1024, (ports[1024] - FIRST) / 1024);
	cv_snat_pool_destroy(pool);
}

static void order_differs_by_seed_and_by_key(void **state)
{
	struct cv_snat_cfg cfg = {
		.port_first = FIRST, .n_ports = 1000, .rest_ms = 1, .n_slices = 1};
	struct cv_snat_key key = some_key;
	struct cv_snat_pool *a = cv_snat_pool_create(&key, &cfg, 0);
	struct cv_snat_pool *same = cv_snat_pool_create(&key, &cfg, 0);
	struct cv_snat_pool *b, *c;
	uint32_t n_b = 0, n_c = 0;

	(void)state;
	cfg.seed = 1;
	b = cv_snat_pool_create(&key, &cfg, 0);
	assert_true(cv_snat_pool_cfg(b).seed == 1);
	cfg.seed = 0;
	key.vpc++;
	c = cv_snat_pool_create(&key, &cfg, 0);
	for (int i = 0; i < 1000; i++) {
		uint16_t pa, ps, pb, pc;

		assert_int_equal(take(a, 0, 0, 0, &pa), 0);
		assert_int_equal(take(same, 0, 0, 0, &ps), 0);
		assert_int_equal(take(b, 0, 0, 0, &pb), 0);
		assert_int_equal(take(c, 0, 0, 0, &pc), 0);
		assert_int_equal(pa, ps);
		n_b += pa == pb;
		n_c += pa == pc;
	}
	assert_in_range(n_b, 0, 20);
	assert_in_range(n_c, 0, 20);
	cv_snat_pool_destroy(a);
	cv_snat_pool_destroy(same);
	cv_snat_pool_destroy(b);
	cv_snat_pool_destroy(c);
}

/* n ports, all taken and freed one millisecond after the other from `start`, then reused. */
static void check_rest(uint64_t start, uint32_t rest_ms, bool one_thread)
{
	enum { N = 10 };
	struct cv_snat_cfg cfg = {.port_first = FIRST,
				  .n_ports = N,
				  .rest_ms = rest_ms,
				  .n_slices = 1,
				  .one_thread = one_thread};
	struct cv_snat_pool *pool = cv_snat_pool_create(&some_key, &cfg, 0);
	uint16_t ports[N], port;

	for (int i = 0; i < N; i++)
		assert_int_equal(take(pool, 0, start, 1, &ports[i]), 0);
	for (uint32_t i = 0; i < N; i++)
		cv_snat_free(pool, ports[i], start + i);
	for (uint32_t i = 0; i < N; i++) {
		uint64_t due = start + i + rest_ms;

		expect_counts(pool, due - 1,
			      (struct cv_snat_counts){.used = i, .resting = N - i, .errors = i});
		expect_counts(pool, due,
			      (struct cv_snat_counts){
				      .used = i, .resting = N - i - 1, .free = 1, .errors = i});
		assert_int_equal(take(pool, 0, due - 1, 2, &port), -EADDRNOTAVAIL);
		assert_int_equal(take(pool, 0, due, 2, &port), 0);
		assert_int_equal(port, ports[i]);
	}
	cv_snat_pool_destroy(pool);
}

static void freed_ports_rest_to_the_millisecond_and_go_oldest_first(void **state)
{
	(void)state;
	for (int one_thread = 0; one_thread < 2; one_thread++) {
		check_rest(0, 60000, one_thread != 0);
		check_rest(1, 1, one_thread != 0);
		check_rest(123456789, 3600000, one_thread != 0);
		check_rest(5, UINT32_MAX, one_thread != 0);
	}
}

static void the_clock_does_not_wrap(void **state)
{
	struct cv_snat_pool *pool;
	uint16_t port;

	(void)state;
	/* Across 2^32 and up to the end of 46 bits. */
	check_rest(UINT32_MAX - 5, 60000, false);
	check_rest(UINT32_MAX - 60005ULL, 60000, false);
	check_rest((1ULL << 46) - 70000, 60000, false);
	/* A port that rested for exactly 2^32 ms does not look freshly freed. */
	pool = make(1, 1, 60000);
	assert_int_equal(take(pool, 0, 5, 1, &port), 0);
	cv_snat_free(pool, port, 5);
	assert_int_equal(take(pool, 0, (1ULL << 32) + 5, 1, &port), 0);
	/* A caller whose clock is a little behind the freeing one's waits. */
	cv_snat_free(pool, port, 1ULL << 33);
	cv_snat_pool_rest_set(pool, 0);
	assert_int_equal(take(pool, 0, (1ULL << 33) - 1, 1, &port), -EADDRNOTAVAIL);
	assert_int_equal(take(pool, 0, 1ULL << 33, 1, &port), 0);
	cv_snat_pool_destroy(pool);
}

static void rest_time_can_change_while_ports_rest(void **state)
{
	struct cv_snat_pool *pool = make(1, 1, 60000);
	uint16_t port;

	(void)state;
	assert_int_equal(take(pool, 0, 0, 1, &port), 0);
	cv_snat_free(pool, port, 1000);
	cv_snat_pool_rest_set(pool, 5);
	assert_int_equal(cv_snat_pool_cfg(pool).rest_ms, 5);
	assert_int_equal(take(pool, 0, 1004, 1, &port), -EADDRNOTAVAIL);
	assert_int_equal(take(pool, 0, 1005, 1, &port), 0);
	cv_snat_free(pool, port, 2000);
	cv_snat_pool_rest_set(pool, 100);
	assert_int_equal(take(pool, 0, 2099, 1, &port), -EADDRNOTAVAIL);
	assert_int_equal(take(pool, 0, 2100, 1, &port), 0);
	cv_snat_pool_destroy(pool);
}

static void owner_stays_readable_until_the_port_goes_out_again(void **state)
{
	struct cv_snat_pool *pool = make(96, 3, 10);
	uint16_t port, again;

	(void)state;
	for (uint32_t p = 0; p <= UINT16_MAX; p++)
		assert_int_equal(cv_snat_owner(pool, (uint16_t)p), CV_SNAT_NONE);
	assert_int_equal(take(pool, 0, 0, 0, &port), 0);
	assert_int_equal(cv_snat_owner(pool, port), 0);
	cv_snat_free(pool, port, 5);
	/* Right behind the owner words stands the queue, now not empty. */
	assert_int_equal(cv_snat_owner(pool, FIRST + 96), CV_SNAT_NONE);
	assert_int_equal(cv_snat_owner(pool, port), 0);
	do {
		assert_int_equal(take(pool, 0, 15, 0xfffffffe, &again), 0);
	} while (again != port);
	assert_int_equal(cv_snat_owner(pool, port), 0xfffffffe);
	assert_int_equal(cv_snat_owner(pool, FIRST - 1), CV_SNAT_NONE);
	assert_int_equal(cv_snat_owner(pool, FIRST + 96), CV_SNAT_NONE);
	cv_snat_pool_destroy(pool);
}

static void a_worker_uses_its_own_slice_up_first(void **state)
{
	struct cv_snat_pool *pool = make(1000, 4, 10);
	uint8_t seen[65536] = {0};
	uint16_t port;

	(void)state;
	/* 250 of slice 2, freed and rested: taken again before anything of another slice. */
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 250; i++) {
			assert_int_equal(take(pool, 2, 100, 1, &port), 0);
			assert_int_equal(seen[port], round);
			seen[port]++;
		}
		for (uint32_t p = 0; p <= UINT16_MAX && round == 0; p++) {
			if (seen[p] > 0)
				cv_snat_free(pool, (uint16_t)p, 90);
		}
	}
	assert_int_equal(take(pool, 2, 100, 1, &port), 0);
	assert_int_equal(seen[port], 0);
	cv_snat_pool_destroy(pool);
}

static void describes_itself(void **state)
{
	struct cv_snat_pool *pool = make(1000, 4, 10);
	struct cv_snat_cfg cfg = cv_snat_pool_cfg(pool);

	(void)state;
	assert_memory_equal(cv_snat_pool_key(pool), &some_key, sizeof(some_key));
	assert_int_equal(cv_snat_pool_idx(pool), 7);
	assert_int_equal(cfg.port_first, FIRST);
	assert_int_equal(cfg.n_ports, 1000);
	assert_int_equal(cfg.n_slices, 4);
	assert_int_equal(cfg.rest_ms, 10);
	assert_false(cfg.one_thread);
	cv_snat_pool_destroy(pool);
	pool = make(3, 4, 10);
	assert_int_equal(cv_snat_pool_cfg(pool).n_slices, 3);
	cv_snat_pool_destroy(pool);
	cv_snat_pool_destroy(NULL);
}

/* ---- cost ---- */

/* Of this thread: others take the machine, too. */
static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Best of several, ns per alloc + free, of a pool in which `busy` ports are taken. */
static uint64_t cost_at(uint32_t busy)
{
	struct cv_snat_pool *pool = make(CV_SNAT_PORTS_DEFAULT, 2, 0);
	uint64_t best = UINT64_MAX;
	uint16_t port;

	for (uint32_t i = 0; i < CV_SNAT_PORTS_DEFAULT; i++)
		assert_int_equal(take(pool, i & 1, 0, 0, &port), 0);
	for (uint32_t i = busy; i < CV_SNAT_PORTS_DEFAULT; i++)
		cv_snat_free(pool, (uint16_t)(FIRST + i), 0);
	for (int round = 0; round < 20; round++) {
		uint64_t t0 = clock_ns();

		for (int i = 0; i < 1000; i++) {
			assert_int_equal(take(pool, 0, 1, 0, &port), 0);
			cv_snat_free(pool, port, 1);
		}
		if (clock_ns() - t0 < best)
			best = clock_ns() - t0;
	}
	cv_snat_pool_destroy(pool);
	return best / 1000;
}

static void a_nearly_full_pool_costs_no_more(void **state)
{
	uint64_t empty = cost_at(500);
	uint64_t full = cost_at(CV_SNAT_PORTS_DEFAULT - 5);

	(void)state;
	print_message("alloc + free: %u ns at 1 %% fill, %u ns at 99.99 %%\n", (unsigned int)empty,
		      (unsigned int)full);
	/* Looking for a free port among 55,000 would be a hundred times as much and more. */
	assert_true(full <= 10 * empty + 50);
}

static size_t resident_pages(const struct cv_snat_pool *pool)
{
	uintptr_t from = (uintptr_t)pool->owner_inv / PAGE * PAGE;
	size_t len = (uintptr_t)(pool->slots + pool->n_ports) - from;
	unsigned char pages[512];
	size_t n = (len + PAGE - 1) / PAGE;
	size_t n_in = 0;

	assert_in_range(n, 1, sizeof(pages));
	assert_int_equal(mincore((void *)from, len, pages), 0);
	for (size_t i = 0; i < n; i++)
		n_in += pages[i] & 1;
	return n_in;
}

static void memory_grows_with_use(void **state)
{
	struct cv_snat_pool *pool = make(CV_SNAT_PORTS_DEFAULT, 1, 0);
	uint16_t port;

	(void)state;
	assert_in_range(resident_pages(pool), 1, 2);
	for (int i = 0; i < 1024; i++)
		assert_int_equal(take(pool, 0, 0, 1, &port), 0);
	assert_in_range(resident_pages(pool), 2, 4);
	for (int i = 0; i < 4 * 1024; i++)
		assert_int_equal(take(pool, 0, 0, 1, &port), 0);
	assert_in_range(resident_pages(pool), 5, 12);
	/* Twice round: everything is touched, and that is 660 kB. */
	for (int i = 0; i < 3 * CV_SNAT_PORTS_DEFAULT; i++) {
		cv_snat_free(pool, port, 0);
		assert_int_equal(take(pool, 0, 0, 1, &port), 0);
	}
	assert_in_range(resident_pages(pool), 150, 664000 / PAGE);
	cv_snat_pool_destroy(pool);
}

/* ---- bugs of the caller ---- */

static void free_below(struct cv_snat_pool *pool)
{
	cv_snat_free(pool, FIRST - 1, 0);
}

static void free_above(struct cv_snat_pool *pool)
{
	cv_snat_free(pool, FIRST + 10, 0);
}

static void make_with(uint16_t port_first, uint16_t n_ports, uint16_t n_slices)
{
	struct cv_snat_cfg cfg = {
		.port_first = port_first, .n_ports = n_ports, .n_slices = n_slices};

	cv_snat_pool_destroy(cv_snat_pool_create(&some_key, &cfg, 0));
}

static void make_empty(struct cv_snat_pool *pool)
{
	(void)pool;
	make_with(FIRST, 0, 1);
}

static void make_beyond(struct cv_snat_pool *pool)
{
	(void)pool;
	make_with(60000, 5537, 1);
}

static void make_port_0(struct cv_snat_pool *pool)
{
	(void)pool;
	make_with(0, 10, 1);
}

static void make_without_slices(struct cv_snat_pool *pool)
{
	(void)pool;
	make_with(FIRST, 10, 0);
}

static void make_with_too_many_slices(struct cv_snat_pool *pool)
{
	(void)pool;
	make_with(FIRST, 1000, CV_SNAT_SLICES_MAX + 1);
}

static bool aborts(void (*fn)(struct cv_snat_pool *), struct cv_snat_pool *pool)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void)!freopen("/dev/null", "w", stderr);
		(void)signal(SIGABRT, SIG_DFL);
		fn(pool);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void misuse_is_caught(void **state)
{
	struct cv_snat_pool *pool = make(10, 1, 0);

	(void)state;
	assert_true(aborts(free_below, pool));
	assert_true(aborts(free_above, pool));
	assert_true(aborts(make_empty, NULL));
	assert_true(aborts(make_beyond, NULL));
	assert_true(aborts(make_port_0, NULL));
	assert_true(aborts(make_without_slices, NULL));
	assert_true(aborts(make_with_too_many_slices, NULL));
	make_with(60000, 5536, 1);
	cv_snat_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pool_serves_exactly_its_ports),
		cmocka_unit_test(odd_sizes_are_permuted_whole),
		cmocka_unit_test(fresh_ports_look_random_but_stay_in_a_chunk),
		cmocka_unit_test(order_differs_by_seed_and_by_key),
		cmocka_unit_test(freed_ports_rest_to_the_millisecond_and_go_oldest_first),
		cmocka_unit_test(the_clock_does_not_wrap),
		cmocka_unit_test(rest_time_can_change_while_ports_rest),
		cmocka_unit_test(owner_stays_readable_until_the_port_goes_out_again),
		cmocka_unit_test(a_worker_uses_its_own_slice_up_first),
		cmocka_unit_test(describes_itself),
		cmocka_unit_test(a_nearly_full_pool_costs_no_more),
		cmocka_unit_test(memory_grows_with_use),
		cmocka_unit_test(misuse_is_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
