/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snat_world.h"

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
	int ret = take(pool, first, now, owner, &port);
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

	if (take(st->pool, id % st->n_slices, now, id << 24 | *n_held, &port) != 0) {
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
	/* Control looks on meanwhile: no part is ever more than there is. */
	for (int i = 0; i < 20000; i++) {
		cv_snat_counts(st->pool, atomic_load(&st->now), &counts);
		assert_int_equal(counts.used + counts.resting + counts.free, STRESS_PORTS);
		assert_in_range(counts.used, 0, STRESS_PORTS);
		assert_in_range(counts.resting, 0, STRESS_PORTS);
		assert_in_range(counts.free, 0, STRESS_PORTS);
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

		assert_int_equal(take(st->pool, i % n_slices, st->now, 0, &port),
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

/*
 * Threads that take all they can get of one small pool after the other. Whoever is behind catches up
 * where the others have left nothing, so most pools see them race for the last port.
 */
#define RACE_THREADS 3
#define RACE_POOLS 2000
#define RACE_PORTS 60
#define RACE_ROUNDS 40

struct race {
	struct cv_snat_pool *pools[RACE_POOLS];
	pthread_barrier_t start, end;
	_Atomic uint32_t taken[RACE_POOLS][RACE_PORTS];
	_Atomic uint32_t strange;
};

static void *race_main(void *arg)
{
	struct race *race = arg;

	for (uint32_t round = 0; round < RACE_ROUNDS; round++) {
		pthread_barrier_wait(&race->start);
		for (uint32_t i = 0; i < RACE_POOLS; i++) {
			uint16_t port;

			while (take(race->pools[i], 0, round, 0, &port) == 0) {
				if (port < FIRST || port >= FIRST + RACE_PORTS)
					atomic_fetch_add(&race->strange, 1);
				else
					atomic_fetch_add(&race->taken[i][port - FIRST], 1);
			}
		}
		pthread_barrier_wait(&race->end);
	}
	return NULL;
}

/* In even rounds the pool is new and its ports fresh, in odd ones they have rested. */
static void race_prepare(struct race *race, uint32_t i, uint32_t round)
{
	static const struct cv_snat_cfg cfg = {
		.port_first = FIRST, .n_ports = RACE_PORTS, .rest_ms = 1, .n_slices = 1};

	for (uint16_t port = 0; port < RACE_PORTS; port++) {
		race->taken[i][port] = 0;
		if (round % 2 == 1)
			cv_snat_free(race->pools[i], FIRST + port, round - 1);
	}
	if (round % 2 == 0) {
		cv_snat_pool_destroy(race->pools[i]);
		race->pools[i] = cv_snat_pool_create(&some_key, &cfg, 0);
		assert_non_null(race->pools[i]);
	}
}

static void race_check(struct race *race, uint32_t i, uint32_t round)
{
	struct cv_snat_counts counts;

	for (int port = 0; port < RACE_PORTS; port++)
		assert_int_equal(race->taken[i][port], 1);
	cv_snat_counts(race->pools[i], round, &counts);
	assert_int_equal(counts.used, RACE_PORTS);
	assert_int_equal(counts.resting + counts.free, 0);
}

static void threads_share_the_last_ports_exactly(void **state)
{
	static struct race race;
	pthread_t threads[RACE_THREADS];

	(void)state;
	pthread_barrier_init(&race.start, NULL, RACE_THREADS + 1);
	pthread_barrier_init(&race.end, NULL, RACE_THREADS + 1);
	for (int i = 0; i < RACE_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race_main, &race), 0);
	for (uint32_t round = 0; round < RACE_ROUNDS; round++) {
		for (uint32_t i = 0; i < RACE_POOLS; i++)
			race_prepare(&race, i, round);
		pthread_barrier_wait(&race.start);
		pthread_barrier_wait(&race.end);
		assert_int_equal(race.strange, 0);
		for (uint32_t i = 0; i < RACE_POOLS; i++)
			race_check(&race, i, round);
	}
	for (int i = 0; i < RACE_THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&race.start);
	pthread_barrier_destroy(&race.end);
	for (int i = 0; i < RACE_POOLS; i++)
		cv_snat_pool_destroy(race.pools[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaves_like_the_model),
		cmocka_unit_test(threads_never_share_a_port),
		cmocka_unit_test(threads_share_the_last_ports_exactly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
