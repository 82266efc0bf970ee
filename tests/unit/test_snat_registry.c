/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_net.h"
#include "cv_snat.h"
#include "cv_snat_hot.h"

#include "snat_world.h"

/* These stand before libc's, so that a test can let the next mapping fail, and count them. */
static bool mmap_fails;
static int n_mapped;

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t ofs)
{
	if (mmap_fails) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	n_mapped++;
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, ofs);
}

int munmap(void *addr, size_t len)
{
	n_mapped--;
	return (int)syscall(SYS_munmap, addr, len);
}

static const struct cv_snat_cfg small = {
	.port_first = FIRST, .n_ports = 10, .rest_ms = 100, .n_slices = 2};

static struct cv_snat_pool *find(const struct cv_snat_registry *reg, const struct cv_snat_key *key)
{
	uint32_t at = 0;

	return cv_snat_registry_seek(reg, key, &at) ? cv_snat_registry_at(reg, at) : NULL;
}

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
	assert_ptr_equal(find(reg, &key), pool);
	return pool;
}

static void registry_keeps_a_pool_per_key(void **state)
{
	int n_before = n_mapped;
	struct cv_snat_registry *reg = cv_snat_registry_create();
	struct cv_snat_pool *pool, *other[4];
	struct cv_snat_key keys[4] = {some_key, some_key, some_key, some_key};
	struct cv_snat_cfg cfg = {
		.port_first = 500, .n_ports = 20, .rest_ms = 7, .n_slices = 1, .seed = 9};
	uint16_t port;

	(void)state;
	assert_null(find(reg, &some_key));
	pool = get(reg, some_key);
	assert_int_equal(take(pool, 0, 0, 0, &port), 0);
	keys[0].node_ip++;
	keys[1].target_ip++;
	keys[2].target_port++;
	keys[3].vpc++;
	for (int i = 0; i < 4; i++) {
		assert_null(find(reg, &keys[i]));
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
	assert_int_equal(n_mapped, n_before + 1);
	cv_snat_registry_destroy(reg);
	assert_int_equal(n_mapped, n_before);
	cv_snat_registry_destroy(NULL);
}

static void registry_finds_a_place_whatever_is_guessed(void **state)
{
	struct cv_snat_registry *reg = cv_snat_registry_create();
	struct cv_snat_key key = some_key;
	uint32_t at = 7;

	(void)state;
	assert_false(cv_snat_registry_seek(reg, &key, &at));
	assert_int_equal(at, 7);
	for (uint32_t i = 0; i < 20; i++, key.target_ip++)
		(void)get(reg, key);
	for (uint32_t i = 0; i < 20; i++) {
		key.target_ip = some_key.target_ip + i;
		for (uint32_t guess = 0; guess < 22; guess++) {
			at = guess;
			assert_true(cv_snat_registry_seek(reg, &key, &at));
			assert_int_equal(at, i);
		}
		assert_memory_equal(cv_snat_registry_key(reg, i), &key, sizeof(key));
		assert_int_equal(cv_snat_registry_idx(reg, i),
				 cv_snat_pool_idx(cv_snat_registry_at(reg, i)));
	}
	key.target_ip++;
	at = 3;
	assert_false(cv_snat_registry_seek(reg, &key, &at));
	assert_int_equal(at, 3);
	cv_snat_registry_destroy(reg);
}

static void all_rest(struct cv_snat_registry *reg, uint32_t rest_ms)
{
	cv_snat_registry_rest_set(reg, rest_ms);
	for (uint32_t i = 0; i < cv_snat_registry_n(reg); i++)
		assert_int_equal(cv_snat_pool_cfg(cv_snat_registry_at(reg, i)).rest_ms, rest_ms);
}

static void every_pool_gets_the_rest_time(void **state)
{
	struct cv_snat_registry *reg = cv_snat_registry_create();
	struct cv_snat_key key = some_key;
	struct cv_snat_cfg odd = small;
	struct cv_snat_pool *pool, *reaped;

	(void)state;
	all_rest(reg, small.rest_ms);
	for (uint32_t i = 0; i < 4; i++, key.target_ip++)
		(void)get(reg, key);
	all_rest(reg, 5);
	all_rest(reg, 6);
	(void)get(reg, key); /* with another than the others have */
	all_rest(reg, 6);
	odd.rest_ms = 9;
	key = some_key;
	assert_int_equal(cv_snat_registry_get(reg, &key, &odd, &pool), 0);
	all_rest(reg, 6);
	/* One goes, those behind it move up, and a new one is the last again. */
	for (uint32_t i = 0; i < 3; i++) {
		pool = cv_snat_registry_at(reg, cv_snat_registry_n(reg) - 1);
		assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &pool, 0, &reaped, 1), 1);
		cv_snat_pool_destroy(reaped);
		key.target_ip = some_key.target_ip + 100 + i;
		(void)get(reg, key);
		all_rest(reg, 6);
	}
	cv_snat_registry_destroy(reg);
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

		assert_int_equal(take(pools[i], 0, 0, 0, &port), 0);
	}
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 0, gone, 100), 100);
	n = 100 + cv_snat_registry_reap(reg, is_wanted, &none, 0, gone + 100, 900);
	assert_int_equal(n, 666);
	assert_int_equal(cv_snat_registry_n(reg), 334);
	for (uint32_t i = 0; i < 1000; i++) {
		key.target_ip = cv_be32(0x0a000000 + i);
		assert_ptr_equal(find(reg, &key), i % 3 == 0 ? pools[i] : NULL);
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
	assert_int_equal(take(pool, 0, 0, 0, &port), 0);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 1000, gone, 2), 0);
	cv_snat_free(pool, port, 1000);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 1099, gone, 2), 0);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &pool, 1100, gone, 2), 0);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 1100, gone, 0), 0);
	assert_ptr_equal(find(reg, &some_key), pool);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &none, 1100, gone, 2), 1);
	assert_ptr_equal(gone[0], pool);
	assert_null(gone[1]);
	assert_null(find(reg, &some_key));
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
	assert_null(find(reg, &some_key));
	assert_int_equal(cv_snat_pool_idx(get(reg, some_key)), 0);
	cv_snat_registry_destroy(reg);
}

/* More than fit the first arena; each with its own ports, none of which shows in another. */
static void pools_share_mappings_and_nothing_else(void **state)
{
	enum { N = 40, PORTS = 10 };
	int n_before = n_mapped;
	struct cv_snat_registry *reg = cv_snat_registry_create();
	struct cv_snat_pool *pools[N];
	uint16_t ports[N][PORTS], port;
	struct cv_snat_key key = some_key;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		key.target_ip = i;
		pools[i] = get(reg, key);
		assert_int_equal((uintptr_t)pools[i] % 64, 0);
	}
	assert_int_equal(n_mapped, n_before + 2);
	for (uint32_t k = 0; k < PORTS; k++) {
		for (uint32_t i = 0; i < N; i++)
			assert_int_equal(take(pools[i], k % 2, 0, i << 8 | k, &ports[i][k]), 0);
	}
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(take(pools[i], 0, 0, 0, &port), -EADDRNOTAVAIL);
		for (uint32_t k = 0; k < PORTS; k++)
			assert_int_equal(cv_snat_owner(pools[i], ports[i][k]), i << 8 | k);
		for (uint32_t k = 0; i % 2 == 0 && k < PORTS; k++)
			cv_snat_free(pools[i], ports[i][k], i);
	}
	for (uint32_t i = 0; i < N; i++) {
		struct cv_snat_counts counts;

		cv_snat_counts(pools[i], i, &counts);
		assert_int_equal(counts.used, i % 2 == 0 ? 0 : PORTS);
		assert_int_equal(counts.resting, i % 2 == 0 ? PORTS : 0);
		assert_int_equal(counts.errors, 1);
	}
	cv_snat_registry_destroy(reg);
	assert_int_equal(n_mapped, n_before);
}

/* What a pool leaves behind must not show in the next one at its place. */
static void a_new_pool_finds_a_clean_place(void **state)
{
	static const struct cv_snat_cfg whole = {
		.port_first = FIRST, .n_ports = 5000, .rest_ms = 1, .n_slices = 3};
	int n_before = n_mapped;
	struct cv_snat_registry *reg = cv_snat_registry_create();
	struct cv_snat_pool *pool, *stays, *gone[1];
	struct cv_snat_key key = some_key;
	struct cv_snat_counts counts;
	uint16_t port;

	(void)state;
	stays = get(reg, some_key);
	key.vpc++;
	assert_int_equal(cv_snat_registry_get(reg, &key, &whole, &pool), 0);
	assert_int_equal(n_mapped, n_before + 2); /* other sizes, another arena */
	for (uint32_t i = 0; i < 12000; i++) {
		assert_int_equal(take(pool, i % 3, i * 10, i, &port), 0);
		cv_snat_free(pool, port, i * 10);
	}
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &stays, 1000000, gone, 1), 1);
	assert_ptr_equal(gone[0], pool);
	cv_snat_pool_destroy(pool);
	key.vpc++;
	assert_int_equal(cv_snat_registry_get(reg, &key, &whole, gone), 0);
	assert_ptr_equal(gone[0], pool); /* the place, not the pool */
	assert_int_equal(n_mapped, n_before + 2);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(cv_snat_owner(pool, (uint16_t)(FIRST + i)), CV_SNAT_NONE);
	cv_snat_counts(pool, 0, &counts);
	assert_int_equal(counts.free, 5000);
	assert_int_equal(counts.errors, 0);
	for (uint32_t i = 0; i < 5000; i++)
		assert_int_equal(take(pool, 0, 0, i, &port), 0);
	assert_int_equal(take(pool, 0, 0, 1, &port), -EADDRNOTAVAIL);
	/* A pool that was unlinked outlives the registry, and the mapping goes with it. */
	for (uint32_t i = 0; i < 5000; i++)
		cv_snat_free(pool, (uint16_t)(FIRST + i), 0);
	assert_int_equal(cv_snat_registry_reap(reg, is_wanted, &stays, 10, gone, 1), 1);
	cv_snat_registry_destroy(reg);
	assert_int_equal(n_mapped, n_before + 1);
	assert_int_equal(cv_snat_owner(pool, FIRST) < 5000, 1);
	cv_snat_pool_destroy(pool);
	assert_int_equal(n_mapped, n_before);
}

static size_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, resident;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
	fclose(f);
	return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void unused_pools_cost_little(void **state)
{
	enum { N = 150000 };
	static const struct cv_snat_cfg cfg = {.port_first = FIRST,
					       .n_ports = CV_SNAT_PORTS_DEFAULT,
					       .rest_ms = 60000,
					       .n_slices = 4};
	int n_before = n_mapped;
	size_t before = resident_bytes(), more;
	struct cv_snat_registry *reg = cv_snat_registry_create();
	struct cv_snat_key key = some_key;
	struct cv_snat_pool *pool;
	clock_t began = clock();

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		key.target_ip = i;
		assert_int_equal(cv_snat_registry_get(reg, &key, &cfg, &pool), 0);
	}
	more = resident_bytes() - before;
	print_message("%d pools: %.1f MB, %.0f ms\n", N, (double)more / 1e6,
		      (double)(clock() - began) * 1e3 / CLOCKS_PER_SEC);
	/* One mapping each would be 600 MB and 150,000 mappings. Sanitizers keep freed memory. */
	assert_true(more < (size_t)N * 200);
	assert_in_range(n_mapped - n_before, 1, 60);
	cv_snat_registry_destroy(reg);
	assert_int_equal(n_mapped, n_before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registry_keeps_a_pool_per_key),
		cmocka_unit_test(registry_finds_a_place_whatever_is_guessed),
		cmocka_unit_test(every_pool_gets_the_rest_time),
		cmocka_unit_test(registry_grows_and_shrinks),
		cmocka_unit_test(registry_reaps_only_what_is_unwanted_and_at_rest),
		cmocka_unit_test(registry_says_when_memory_is_out),
		cmocka_unit_test(pools_share_mappings_and_nothing_else),
		cmocka_unit_test(a_new_pool_finds_a_clean_place),
		cmocka_unit_test(unused_pools_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
