/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_net.h"
#include "cv_snat.h"
#include "cv_snat_hot.h"

#define FIRST 10000
#define PAGE 4096

static const struct cv_snat_key some_key = {
	.node_ip = 0x0100000a, .target_ip = 0x0200000a, .target_port = 0x5000, .vpc = 3};

/* Stands before libc's, so that a test can let the next mapping fail. */
static bool mmap_fails;

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t ofs)
{
	if (mmap_fails) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, ofs);
}

static uint64_t rng_state = 88172645463325252;

static uint32_t rng(uint32_t n)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)((rng_state >> 32) * n >> 32);
}

static struct cv_snat_pool *make(uint32_t n_ports, unsigned int n_slices, uint32_t rest_ms)
{
	struct cv_snat_cfg cfg = {
		.port_first = n_ports > 65536 - FIRST ? 1 : FIRST,
		.n_ports = (uint16_t)n_ports,
		.rest_ms = rest_ms,
		.n_slices = (uint16_t)n_slices,
		.one_thread = n_slices == 1,
	};
	struct cv_snat_pool *pool = cv_snat_pool_create(&some_key, &cfg, 7);

	assert_non_null(pool);
	return pool;
}

static void expect_counts(struct cv_snat_pool *pool, uint64_t now_ms, struct cv_snat_counts want)
{
	struct cv_snat_counts got;

	cv_snat_counts(pool, now_ms, &got);
	assert_int_equal(got.used, want.used);
	assert_int_equal(got.resting, want.resting);
	assert_int_equal(got.free, want.free);
	assert_int_equal(got.errors, want.errors);
}

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
	for (int round = 0; round < 4; round++) {
		uint64_t now = 1000 * (uint64_t)round;

		memset(taken, 0, 65536);
		for (uint32_t i = 0; i < n_ports; i++) {
			unsigned int slice = caller_slice(who, n_slices, i);

			assert_int_equal(cv_snat_alloc(pool, slice, now, i, &port), 0);
			assert_in_range(port, first, first + n_ports - 1);
			assert_int_equal(taken[port], 0);
			taken[port] = 1;
			assert_int_equal(cv_snat_owner(pool, port), i);
		}
		port = 1;
		for (unsigned int slice = 0; slice < n_slices; slice++)
			assert_int_equal(cv_snat_alloc(pool, slice, now, 0, &port), -EADDRNOTAVAIL);
		assert_int_equal(port, 1);
		expect_counts(pool, now,
			      (struct cv_snat_counts){.used = n_ports,
						      .errors = (uint64_t)(round + 1) * n_slices});
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

		assert_int_equal(cv_snat_alloc(pool, 0, 0, 0, port), 0);
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

		assert_int_equal(cv_snat_alloc(a, 0, 0, 0, &pa), 0);
		assert_int_equal(cv_snat_alloc(same, 0, 0, 0, &ps), 0);
		assert_int_equal(cv_snat_alloc(b, 0, 0, 0, &pb), 0);
		assert_int_equal(cv_snat_alloc(c, 0, 0, 0, &pc), 0);
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
		assert_int_equal(cv_snat_alloc(pool, 0, start, 1, &ports[i]), 0);
	for (uint32_t i = 0; i < N; i++)
		cv_snat_free(pool, ports[i], start + i);
	for (uint32_t i = 0; i < N; i++) {
		uint64_t due = start + i + rest_ms;

		expect_counts(pool, due - 1,
			      (struct cv_snat_counts){.used = i, .resting = N - i, .errors = i});
		expect_counts(pool, due,
			      (struct cv_snat_counts){
				      .used = i, .resting = N - i - 1, .free = 1, .errors = i});
		assert_int_equal(cv_snat_alloc(pool, 0, due - 1, 2, &port), -EADDRNOTAVAIL);
		assert_int_equal(cv_snat_alloc(pool, 0, due, 2, &port), 0);
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
	assert_int_equal(cv_snat_alloc(pool, 0, 5, 1, &port), 0);
	cv_snat_free(pool, port, 5);
	assert_int_equal(cv_snat_alloc(pool, 0, (1ULL << 32) + 5, 1, &port), 0);
	/* A caller whose clock is a little behind the freeing one's waits. */
	cv_snat_free(pool, port, 1ULL << 33);
	cv_snat_pool_rest_set(pool, 0);
	assert_int_equal(cv_snat_alloc(pool, 0, (1ULL << 33) - 1, 1, &port), -EADDRNOTAVAIL);
	assert_int_equal(cv_snat_alloc(pool, 0, 1ULL << 33, 1, &port), 0);
	cv_snat_pool_destroy(pool);
}

static void rest_time_can_change_while_ports_rest(void **state)
{
	struct cv_snat_pool *pool = make(1, 1, 60000);
	uint16_t port;

	(void)state;
	assert_int_equal(cv_snat_alloc(pool, 0, 0, 1, &port), 0);
	cv_snat_free(pool, port, 1000);
	cv_snat_pool_rest_set(pool, 5);
	assert_int_equal(cv_snat_pool_cfg(pool).rest_ms, 5);
	assert_int_equal(cv_snat_alloc(pool, 0, 1004, 1, &port), -EADDRNOTAVAIL);
	assert_int_equal(cv_snat_alloc(pool, 0, 1005, 1, &port), 0);
	cv_snat_free(pool, port, 2000);
	cv_snat_pool_rest_set(pool, 100);
	assert_int_equal(cv_snat_alloc(pool, 0, 2099, 1, &port), -EADDRNOTAVAIL);
	assert_int_equal(cv_snat_alloc(pool, 0, 2100, 1, &port), 0);
	cv_snat_pool_destroy(pool);
}

static void owner_stays_readable_until_the_port_goes_out_again(void **state)
{
	struct cv_snat_pool *pool = make(100, 3, 10);
	uint16_t port, again;

	(void)state;
	for (uint32_t p = 0; p <= UINT16_MAX; p++)
		assert_int_equal(cv_snat_owner(pool, (uint16_t)p), CV_SNAT_NONE);
	assert_int_equal(cv_snat_alloc(pool, 1, 0, 0, &port), 0);
	assert_int_equal(cv_snat_owner(pool, port), 0);
	cv_snat_free(pool, port, 5);
	assert_int_equal(cv_snat_owner(pool, port), 0);
	do {
		assert_int_equal(cv_snat_alloc(pool, 1, 15, 0xfffffffe, &again), 0);
	} while (again != port);
	assert_int_equal(cv_snat_owner(pool, port), 0xfffffffe);
	assert_int_equal(cv_snat_owner(pool, FIRST - 1), CV_SNAT_NONE);
	assert_int_equal(cv_snat_owner(pool, FIRST + 100), CV_SNAT_NONE);
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
			assert_int_equal(cv_snat_alloc(pool, 2, 100, 1, &port), 0);
			assert_int_equal(seen[port], round);
			seen[port]++;
		}
		for (uint32_t p = 0; p <= UINT16_MAX && round == 0; p++) {
			if (seen[p] > 0)
				cv_snat_free(pool, (uint16_t)p, 90);
		}
	}
	assert_int_equal(cv_snat_alloc(pool, 2, 100, 1, &port), 0);
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
	cv_snat_pool_destroy(NULL);
}

/* ---- against a model ---- */

#define MODEL_PORTS 600

struct model {
	unsigned int n_slices;
	uint32_t n_ports;
	uint32_t rest_ms;
	uint32_t n_fresh[8]; /* not yet given out, per slice */
	uint8_t slice_of[MODEL_PORTS];
	bool live[MODEL_PORTS], known[MODEL_PORTS];
	uint32_t owner[MODEL_PORTS];
	/* per slice, what rests: oldest first */
	struct {
		uint16_t at[MODEL_PORTS];
		uint64_t since[MODEL_PORTS];
		uint32_t n;
	} queue[8];
	uint16_t held[MODEL_PORTS];
	uint32_t n_held;
	uint64_t errors;
};

static void model_alloc(struct model *m, struct cv_snat_pool *pool, uint64_t now)
{
	unsigned int first = rng(m->n_slices);
	uint32_t owner = rng(UINT32_MAX);
	uint16_t port = 0;
	int ret = cv_snat_alloc(pool, first, now, owner, &port);
	uint32_t at = port - (uint32_t)FIRST;

	for (unsigned int i = 0; i < m->n_slices; i++) {
		unsigned int s = (first + i) % m->n_slices;

		if (m->n_fresh[s] > 0) {
			assert_int_equal(ret, 0);
			assert_in_range(at, 0, m->n_ports - 1);
			assert_false(m->known[at]);
			m->known[at] = true;
			m->slice_of[at] = (uint8_t)s;
			m->n_fresh[s]--;
			goto taken;
		}
		if (m->queue[s].n > 0 && now >= m->queue[s].since[0] + m->rest_ms) {
			assert_int_equal(ret, 0);
			assert_int_equal(at, m->queue[s].at[0]);
			m->queue[s].n--;
			memmove(m->queue[s].at, m->queue[s].at + 1,
				m->queue[s].n * sizeof(uint16_t));
			memmove(m->queue[s].since, m->queue[s].since + 1,
				m->queue[s].n * sizeof(uint64_t));
			goto taken;
		}
	}
	assert_int_equal(ret, -EADDRNOTAVAIL);
	m->errors++;
	return;
taken:
	assert_false(m->live[at]);
	m->live[at] = true;
	m->owner[at] = owner;
	m->held[m->n_held++] = (uint16_t)at;
}

static void model_free(struct model *m, struct cv_snat_pool *pool, uint64_t now)
{
	uint32_t i, at;
	unsigned int s;

	if (m->n_held == 0)
		return;
	i = rng(m->n_held);
	at = m->held[i];
	m->held[i] = m->held[--m->n_held];
	s = m->slice_of[at];
	assert_int_equal(cv_snat_owner(pool, (uint16_t)(FIRST + at)), m->owner[at]);
	cv_snat_free(pool, (uint16_t)(FIRST + at), now);
	m->live[at] = false;
	m->queue[s].at[m->queue[s].n] = (uint16_t)at;
	m->queue[s].since[m->queue[s].n++] = now;
}

static void model_counts(const struct model *m, struct cv_snat_pool *pool, uint64_t now)
{
	struct cv_snat_counts want = {.used = m->n_held, .errors = m->errors};

	for (unsigned int s = 0; s < m->n_slices; s++) {
		for (uint32_t i = 0; i < m->queue[s].n; i++)
			want.resting += now < m->queue[s].since[i] + m->rest_ms;
	}
	want.free = m->n_ports - want.used - want.resting;
	expect_counts(pool, now, want);
}

static void run_model(unsigned int n_slices, uint32_t n_ports, uint32_t n_ops)
{
	struct model *m = calloc(1, sizeof(*m));
	struct cv_snat_pool *pool = make(n_ports, n_slices, 50);
	uint64_t now = UINT32_MAX - 10000;
	uint32_t eager = 50;

	assert_non_null(m);
	m->n_slices = n_slices;
	m->n_ports = n_ports;
	m->rest_ms = 50;
	for (unsigned int s = 0; s < n_slices; s++)
		m->n_fresh[s] = (n_ports - s + n_slices - 1) / n_slices;
	for (uint32_t op = 0; op < n_ops; op++) {
		uint32_t dice = rng(1000);

		if (dice < 2) {
			eager = rng(100);
			m->rest_ms = rng(200);
			cv_snat_pool_rest_set(pool, m->rest_ms);
		} else if (dice < 50) {
			now += rng(20);
		} else if (dice < 52) {
			model_counts(m, pool, now);
		} else if (rng(100) < eager) {
			model_alloc(m, pool, now);
		} else {
			model_free(m, pool, now);
		}
	}
	model_counts(m, pool, now);
	free(m);
	cv_snat_pool_destroy(pool);
}

static void behaves_like_the_model(void **state)
{
	(void)state;
	run_model(1, MODEL_PORTS, 300000);
	run_model(2, 501, 200000);
	run_model(3, MODEL_PORTS, 200000);
	run_model(8, 97, 300000);
}

/* ---- threads ---- */

#define STRESS_PORTS 700
#define STRESS_OPS 100000

struct stress {
	struct cv_snat_pool *pool;
	unsigned int n_slices;
	uint32_t rest_ms;
	_Atomic uint64_t now;
	_Atomic uint32_t holder[STRESS_PORTS];
	_Atomic uint64_t freed_at[STRESS_PORTS];
	_Atomic uint32_t faults;
	_Atomic uint64_t misses;
};

struct stress_thread {
	struct stress *st;
	unsigned int id;
	pthread_t thread;
};

static void stress_alloc(struct stress *st, unsigned int id, uint16_t *held, uint32_t *n_held)
{
	uint64_t now = atomic_load(&st->now);
	uint16_t port;
	uint32_t at;

	if (cv_snat_alloc(st->pool, id % st->n_slices, now, id << 24 | *n_held, &port) != 0) {
		atomic_fetch_add(&st->misses, 1);
		return;
	}
	at = port - (uint32_t)FIRST;
	if (at >= STRESS_PORTS || atomic_exchange(&st->holder[at], id + 1) != 0 ||
	    now < atomic_load(&st->freed_at[at]))
		atomic_fetch_add(&st->faults, 1);
	else
		held[(*n_held)++] = port;
}

static void stress_free(struct stress *st, unsigned int id, uint16_t *held, uint32_t *n_held,
			uint32_t dice)
{
	uint32_t i = dice % *n_held;
	uint16_t port = held[i];
	uint64_t now = atomic_load(&st->now);
	uint32_t at = port - (uint32_t)FIRST;

	held[i] = held[--*n_held];
	if (cv_snat_owner(st->pool, port) >> 24 != id)
		atomic_fetch_add(&st->faults, 1);
	atomic_store(&st->freed_at[at], now + st->rest_ms);
	if (atomic_exchange(&st->holder[at], 0) != id + 1)
		atomic_fetch_add(&st->faults, 1);
	cv_snat_free(st->pool, port, now);
}

static void *stress_main(void *arg)
{
	struct stress_thread *t = arg;
	struct stress *st = t->st;
	uint16_t held[STRESS_PORTS];
	uint32_t n_held = 0;
	uint32_t seed = t->id * 7919 + 1;

	for (int op = 0; op < STRESS_OPS; op++) {
		seed = seed * 1664525 + 1013904223;
		if (n_held == 0 || (seed >> 16) % 100 < 52)
			stress_alloc(st, t->id, held, &n_held);
		else
			stress_free(st, t->id, held, &n_held, seed >> 8);
		if (op % 64 == 0)
			atomic_fetch_add(&st->now, 1);
	}
	while (n_held > 0)
		stress_free(st, t->id, held, &n_held, 0);
	return NULL;
}

static void run_stress(unsigned int n_threads, unsigned int n_slices, uint32_t rest_ms)
{
	struct stress *st = calloc(1, sizeof(*st));
	struct stress_thread threads[4];
	struct cv_snat_counts counts;
	struct cv_snat_cfg cfg = {.port_first = FIRST,
				  .n_ports = STRESS_PORTS,
				  .rest_ms = rest_ms,
				  .n_slices = (uint16_t)n_slices};

	assert_non_null(st);
	st->pool = cv_snat_pool_create(&some_key, &cfg, 0);
	st->n_slices = n_slices;
	st->rest_ms = rest_ms;
	for (unsigned int i = 0; i < n_threads; i++) {
		threads[i] = (struct stress_thread){.st = st, .id = i};
		assert_int_equal(pthread_create(&threads[i].thread, NULL, stress_main, &threads[i]),
				 0);
	}
	/* Control looks on meanwhile: the parts always sum up. */
	for (int i = 0; i < 2000; i++) {
		cv_snat_counts(st->pool, atomic_load(&st->now), &counts);
		assert_int_equal(counts.used + counts.resting + counts.free, STRESS_PORTS);
	}
	for (unsigned int i = 0; i < n_threads; i++)
		assert_int_equal(pthread_join(threads[i].thread, NULL), 0);
	assert_int_equal(st->faults, 0);
	cv_snat_counts(st->pool, st->now, &counts);
	assert_int_equal(counts.used, 0);
	assert_int_equal(counts.errors, st->misses);
	assert_true(st->misses > 0);
	st->now += rest_ms;
	for (uint32_t i = 0; i <= STRESS_PORTS; i++) {
		uint16_t port;

		assert_int_equal(cv_snat_alloc(st->pool, i % n_slices, st->now, 0, &port),
				 i < STRESS_PORTS ? 0 : -EADDRNOTAVAIL);
	}
	cv_snat_pool_destroy(st->pool);
	free(st);
}

static void threads_never_share_a_port(void **state)
{
	(void)state;
	run_stress(2, 2, 0);
	run_stress(4, 4, 3);
	run_stress(3, 1, 1);
	run_stress(4, 3, 0);
}

/* ---- cost ---- */

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Best of several, ns per alloc + free, of a pool in which `busy` ports are taken. */
static uint64_t cost_at(uint32_t busy)
{
	struct cv_snat_pool *pool = make(CV_SNAT_PORTS_DEFAULT, 2, 0);
	uint64_t best = UINT64_MAX;
	uint16_t port;

	for (uint32_t i = 0; i < CV_SNAT_PORTS_DEFAULT; i++)
		assert_int_equal(cv_snat_alloc(pool, i & 1, 0, 0, &port), 0);
	for (uint32_t i = busy; i < CV_SNAT_PORTS_DEFAULT; i++)
		cv_snat_free(pool, (uint16_t)(FIRST + i), 0);
	for (int round = 0; round < 20; round++) {
		uint64_t t0 = clock_ns();

		for (int i = 0; i < 1000; i++) {
			assert_int_equal(cv_snat_alloc(pool, 0, 1, 0, &port), 0);
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
	unsigned char pages[512];
	size_t n = (pool->mem_len + PAGE - 1) / PAGE;
	size_t n_in = 0;

	assert_in_range(n, 1, sizeof(pages));
	assert_int_equal(mincore((void *)(uintptr_t)pool, pool->mem_len, pages), 0);
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
		assert_int_equal(cv_snat_alloc(pool, 0, 0, 1, &port), 0);
	assert_in_range(resident_pages(pool), 2, 4);
	for (int i = 0; i < 4 * 1024; i++)
		assert_int_equal(cv_snat_alloc(pool, 0, 0, 1, &port), 0);
	assert_in_range(resident_pages(pool), 5, 12);
	/* Twice round: everything is touched, and that is 660 kB. */
	for (int i = 0; i < 3 * CV_SNAT_PORTS_DEFAULT; i++) {
		cv_snat_free(pool, port, 0);
		assert_int_equal(cv_snat_alloc(pool, 0, 0, 1, &port), 0);
	}
	assert_in_range(resident_pages(pool), 150, 664000 / PAGE);
	cv_snat_pool_destroy(pool);
}

/* ---- registry ---- */

static const struct cv_snat_cfg small = {
	.port_first = FIRST, .n_ports = 10, .rest_ms = 100, .n_slices = 2};

static bool is_wanted(const struct cv_snat_pool *pool, void *arg)
{
	const struct cv_snat_pool *const *wanted = arg;

	return pool == *wanted;
}

static struct cv_snat_pool *get(struct cv_snat_registry *reg, struct cv_snat_key key)
{
	struct cv_snat_pool *pool = NULL;

	assert_int_equal(cv_snat_registry_get(reg, &key, &small, &pool), 0);
	assert_non_null(pool);
	assert_ptr_equal(cv_snat_registry_find(reg, &key), pool);
	return pool;
}

static void registry_keeps_a_pool_per_key(void **state)
{
	struct cv_snat_registry *reg = cv_snat_registry_create();
	struct cv_snat_pool *pool, *other[4];
	struct cv_snat_key keys[4] = {some_key, some_key, some_key, some_key};
	struct cv_snat_cfg cfg = {
		.port_first = 500, .n_ports = 20, .rest_ms = 7, .n_slices = 1, .seed = 9};
	uint16_t port;

	(void)state;
	assert_null(cv_snat_registry_find(reg, &some_key));
	pool = get(reg, some_key);
	assert_int_equal(cv_snat_alloc(pool, 0, 0, 0, &port), 0);
	keys[0].node_ip++;
	keys[1].target_ip++;
	keys[2].target_port++;
	keys[3].vpc++;
	for (int i = 0; i < 4; i++) {
		assert_null(cv_snat_registry_find(reg, &keys[i]));
		other[i] = get(reg, keys[i]);
		assert_ptr_not_equal(other[i], pool);
		for (int j = 0; j < i; j++)
			assert_ptr_not_equal(other[i], other[j]);
	}
	assert_int_equal(cv_snat_registry_n(reg), 5);
	/* Again with other settings: the same pool, the new rest time, the old ports. */
	assert_int_equal(cv_snat_registry_get(reg, &some_key, &cfg, &other[0]), 0);
	assert_ptr_equal(other[0], pool);
	assert_int_equal(cv_snat_pool_cfg(pool).rest_ms, 7);
	assert_int_equal(cv_snat_pool_cfg(pool).port_first, FIRST);
	assert_int_equal(cv_snat_pool_cfg(pool).n_ports, 10);
	assert_int_equal(cv_snat_registry_n(reg), 5);
	cv_snat_registry_destroy(reg);
	cv_snat_registry_destroy(NULL);
}

static void registry_grows_and_shrinks(void **state)
{
	struct cv_snat_registry *reg = cv_snat_registry_create();
	static struct cv_snat_pool *pools[1000], *gone[1000];
	struct cv_snat_pool *none = NULL;
	struct cv_snat_key key = some_key;
	uint32_t n;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		key.target_ip = cv_be32(0x0a000000 + i);
		pools[i] = get(reg, key);
		assert_int_equal(cv_snat_pool_idx(pools[i]), i);
	}
	assert_int_equal(cv_snat_registry_n(reg), 1000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_ptr_equal(cv_snat_registry_at(reg, i), pools[i]);
	/* Every third is in use and stays; the others go, not more at once than asked for. */
	for (uint32_t i = 0; i < 1000; i += 3) {
		uint16_t port;

		assert_int_equal(cv_snat_alloc(pools[i], 0, 0, 0, &port), 0);
	}
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 0, gone, 100), 100);
	n = 100 + cv_snat_registry_reap(reg, is_wanted, &none, 0, gone + 100, 900);
	assert_int_equal(n, 666);
	assert_int_equal(cv_snat_registry_n(reg), 334);
	for (uint32_t i = 0; i < 1000; i++) {
		key.target_ip = cv_be32(0x0a000000 + i);
		assert_ptr_equal(cv_snat_registry_find(reg, &key), i % 3 == 0 ? pools[i] : NULL);
	}
	for (uint32_t i = 0; i < n; i++)
		cv_snat_pool_destroy(gone[i]);
	/* A key that comes back gets a new pool with a new number. */
	assert_int_equal(cv_snat_pool_idx(get(reg, key)), 999);
	key.target_ip = cv_be32(0x0a000001);
	assert_int_equal(cv_snat_pool_idx(get(reg, key)), 1000);
	cv_snat_registry_destroy(reg);
}

static void registry_reaps_only_what_is_unwanted_and_at_rest(void **state)
{
	struct cv_snat_registry *reg = cv_snat_registry_create();
	struct cv_snat_pool *pool = get(reg, some_key);
	struct cv_snat_pool *none = NULL, *gone[2] = {NULL};
	uint16_t port;

	(void)state;
	assert_int_equal(cv_snat_alloc(pool, 0, 0, 0, &port), 0);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 1000, gone, 2), 0);
	cv_snat_free(pool, port, 1000);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 1099, gone, 2), 0);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &pool, 1100, gone, 2), 0);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 1100, gone, 0), 0);
	assert_ptr_equal(cv_snat_registry_find(reg, &some_key), pool);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 1100, gone, 2), 1);
	assert_ptr_equal(gone[0], pool);
	assert_null(gone[1]);
	assert_null(cv_snat_registry_find(reg, &some_key));
	assert_int_equal(cv_snat_registry_n(reg), 0);
	/* Still whole: a worker may look up ports in it until the caller frees it. */
	assert_int_equal(cv_snat_owner(pool, port), 0);
	cv_snat_pool_destroy(pool);
	cv_snat_registry_destroy(reg);
}

static void registry_says_when_memory_is_out(void **state)
{
	struct cv_snat_registry *reg = cv_snat_registry_create();
	struct cv_snat_pool untouched, *pool = &untouched;
	int ret;

	(void)state;
	mmap_fails = true;
	ret = cv_snat_registry_get(reg, &some_key, &small, &pool);
	mmap_fails = false;
	assert_int_equal(ret, -ENOMEM);
	assert_ptr_equal(pool, &untouched);
	assert_int_equal(cv_snat_registry_n(reg), 0);
	assert_null(cv_snat_registry_find(reg, &some_key));
	assert_int_equal(cv_snat_pool_idx(get(reg, some_key)), 0);
	cv_snat_registry_destroy(reg);
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

static void make_with_empty_slices(struct cv_snat_pool *pool)
{
	(void)pool;
	make_with(FIRST, 10, 11);
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
	assert_true(aborts(make_with_empty_slices, NULL));
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
		cmocka_unit_test(behaves_like_the_model),
		cmocka_unit_test(threads_never_share_a_port),
		cmocka_unit_test(a_nearly_full_pool_costs_no_more),
		cmocka_unit_test(memory_grows_with_use),
		cmocka_unit_test(registry_keeps_a_pool_per_key),
		cmocka_unit_test(registry_grows_and_shrinks),
		cmocka_unit_test(registry_reaps_only_what_is_unwanted_and_at_rest),
		cmocka_unit_test(registry_says_when_memory_is_out),
		cmocka_unit_test(misuse_is_caught),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
