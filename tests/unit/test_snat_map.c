/* SPDX-License-Identifier: BSD-3-Clause */

/* Pools whose slices are the ports that RSS brings home. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "snat_world.h"

#define N_CLASSES 64

/* A port's spread over workers, and what is made of it. */
struct spread {
	struct cv_rss_table table;
	struct cv_snat_map *map;
	unsigned int n_workers;
};

static struct spread spread_make(unsigned int n_workers, uint64_t seed)
{
	struct cv_rss rss = {.on = true, .n = N_CLASSES};
	struct spread s = {.n_workers = n_workers};

	cv_rss_key_build(seed, rss.key);
	for (unsigned int i = 0; i < rss.n; i++)
		rss.worker[i] = (uint8_t)(i % n_workers);
	cv_rss_table_init(&s.table, &rss);
	s.map = cv_snat_map_create(&rss);
	assert_non_null(s.map);
	return s;
}

static struct cv_snat_cfg cfg_make(const struct spread *s, uint32_t n_ports)
{
	return (struct cv_snat_cfg){
		.port_first = n_ports > 50000 ? 1 : 10000,
		.n_ports = (uint16_t)n_ports,
		.rest_ms = 100,
		.n_slices = (uint16_t)s->n_workers,
		.map = s->map,
	};
}

/* Worker at which a reply to a port arrives: of the whole header, as the NIC has it. */
static unsigned int home(const struct spread *s, const struct cv_snat_key *key, uint16_t port)
{
	uint32_t hash = cv_rss_hash(&s->table, key->target_ip, key->node_ip, key->target_port,
				    cv_be16(port));

	return cv_rss_worker(&s->table, hash);
}

/*
 * Takes every port, beginning in a slice of the caller's choice each time: its own while there are,
 * then others', all in all each once.
 */
static void take_all(const struct spread *s, struct cv_snat_pool *pool, uint64_t now)
{
	const struct cv_snat_cfg cfg = cv_snat_pool_cfg(pool);
	uint32_t left[CV_SNAT_SLICES_MAX] = {0};
	uint8_t *seen = calloc(UINT16_MAX + 1, 1);
	uint16_t port = 0;

	assert_non_null(seen);
	for (uint32_t i = 0; i < cfg.n_ports; i++)
		left[home(s, &some_key, (uint16_t)(cfg.port_first + i))]++;
	for (uint32_t i = 0; i < cfg.n_ports; i++) {
		unsigned int want = rng(s->n_workers);

		assert_int_equal(take(pool, want, now, i, &port), 0);
		assert_in_range(port, cfg.port_first, cfg.port_first + cfg.n_ports - 1);
		assert_int_equal(seen[port]++, 0);
		assert_int_equal(cv_snat_owner(pool, port), i);
		while (left[want] == 0)
			want = (want + 1) % s->n_workers;
		assert_int_equal(home(s, &some_key, port), want);
		left[want]--;
	}
	for (unsigned int i = 0; i < s->n_workers; i++)
		assert_int_equal(take(pool, i, now, 0, &port), -EADDRNOTAVAIL);
	free(seen);
}

static void replies_come_home_and_no_port_is_lost(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 64, 100, 1023, 1024, 1025, 5000, 55000, 65535};
	static const unsigned int workers[] = {2, 3, 4, 7, 64};

	(void)state;
	for (size_t k = 0; k < CV_ARRAY_LEN(workers); k++) {
		struct spread s = spread_make(workers[k], k);

		for (size_t i = 0; i < CV_ARRAY_LEN(sizes); i++) {
			struct cv_snat_cfg cfg = cfg_make(&s, sizes[i]);
			struct cv_snat_pool *pool = cv_snat_pool_create(&some_key, &cfg, 1);
			uint64_t now = 1000;

			assert_non_null(pool);
			assert_int_equal(cv_snat_pool_cfg(pool).n_slices, workers[k]);
			assert_ptr_equal(cv_snat_pool_cfg(pool).map, s.map);
			/* The second and third time through the FIFOs. */
			for (unsigned int lap = 1; lap <= 3; lap++) {
				uint32_t errors = lap * workers[k];

				take_all(&s, pool, now);
				expect_counts(pool, now,
					      (struct cv_snat_counts){.used = sizes[i],
								      .errors = errors});
				for (uint32_t p = 0; p < sizes[i]; p++)
					cv_snat_free(pool, (uint16_t)(cfg.port_first + p), now);
				expect_counts(pool, now + 99,
					      (struct cv_snat_counts){.resting = sizes[i],
								      .errors = errors});
				now += 100;
				expect_counts(pool, now,
					      (struct cv_snat_counts){.free = sizes[i],
								      .errors = errors});
			}
			cv_snat_pool_destroy(pool);
		}
		cv_snat_map_destroy(s.map);
	}
}

static void freed_ports_go_back_to_their_own_slice(void **state)
{
	struct spread s = spread_make(3, 9);
	struct cv_snat_cfg cfg = cfg_make(&s, 3000);
	struct cv_snat_pool *pool = cv_snat_pool_create(&some_key, &cfg, 1);
	uint16_t freed[3] = {0}, port;

	(void)state;
	assert_non_null(pool);
	take_all(&s, pool, 0);
	for (uint16_t p = 12999; p >= 10000; p--)
		freed[home(&s, &some_key, p)] = p;
	for (unsigned int i = 0; i < 3; i++)
		cv_snat_free(pool, freed[i], 0);
	for (unsigned int i = 3; i-- > 0;) {
		assert_int_equal(take(pool, i, 100, 5, &port), 0);
		assert_int_equal(port, freed[i]);
	}
	/* And when its own are used up, from another's. */
	cv_snat_free(pool, freed[1], 100);
	assert_int_equal(take(pool, 0, 200, 5, &port), 0);
	assert_int_equal(port, freed[1]);
	cv_snat_pool_destroy(pool);
	cv_snat_map_destroy(s.map);
}

static void slices_of_a_whole_pool_are_about_equal(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct spread s = spread_make(4, seed);
		uint32_t n[4] = {0};

		for (uint32_t p = 10000; p < 65000; p++)
			n[home(&s, &some_key, (uint16_t)p)]++;
		for (unsigned int i = 0; i < 4; i++)
			assert_in_range(n[i], 13750 * 99 / 100, 13750 * 101 / 100);
		cv_snat_map_destroy(s.map);
	}
}

/* Few flows touch few pages: the first chunk is what lies together. And in no order to be guessed. */
static void first_ports_lie_together_in_no_order(void **state)
{
	struct spread s = spread_make(2, 5);
	struct cv_snat_cfg cfg = cfg_make(&s, 55000);
	struct cv_snat_pool *pool = cv_snat_pool_create(&some_key, &cfg, 1);
	uint16_t port, low = UINT16_MAX, high = 0, last = 0;
	unsigned int n_up = 0;

	(void)state;
	assert_non_null(pool);
	for (int i = 0; i < 1024; i++) {
		assert_int_equal(take(pool, 1, 0, 0, &port), 0);
		low = port < low ? port : low;
		high = port > high ? port : high;
		n_up += port > last;
		last = port;
	}
	assert_true(high - low < 1024 * 2 + 256);
	assert_in_range(n_up, 350, 670);
	cv_snat_pool_destroy(pool);
	cv_snat_map_destroy(s.map);
}

static void pools_of_all_classes_share_a_map(void **state)
{
	struct spread s = spread_make(3, 11);
	struct cv_snat_cfg cfg = cfg_make(&s, 300), other = cfg;
	struct cv_snat_registry *registry = cv_snat_registry_create();
	uint16_t port;

	(void)state;
	assert_non_null(registry);
	other.n_ports = 299;
	/* More pools than classes, of two geometries, and some without map among them. */
	for (uint32_t i = 0; i < 500; i++) {
		struct cv_snat_key key = some_key;
		struct cv_snat_cfg c = i % 3 == 0 ? other : cfg;
		struct cv_snat_pool *pool;
		bool plain = i % 7 == 0;

		c.map = plain ? NULL : c.map;
		key.target_ip += i << 16;
		assert_int_equal(cv_snat_registry_get(registry, &key, &c, &pool), 0);
		assert_ptr_equal(cv_snat_pool_cfg(pool).map, c.map);
		for (unsigned int k = 0; k < 3; k++) {
			assert_int_equal(take(pool, k, 0, 0, &port), 0);
			if (plain)
				assert_int_equal((port - c.port_first) % 3u, k);
			else
				assert_int_equal(home(&s, &key, port), k);
		}
	}
	cv_snat_registry_destroy(registry);
	cv_snat_map_destroy(s.map);
}

/* Every reload may bring another range of ports. Pools work without a place in the map, too. */
static void full_map_is_done_without(void **state)
{
	struct spread s = spread_make(2, 12);
	struct cv_snat_registry *registry = cv_snat_registry_create();
	struct cv_snat_pool *pool;
	unsigned int n_mapped = 0;
	uint16_t port;

	(void)state;
	assert_non_null(registry);
	for (uint16_t i = 0; i < 2000; i++) {
		struct cv_snat_cfg cfg = cfg_make(&s, 10);
		struct cv_snat_key key = some_key;

		cfg.port_first = (uint16_t)(10000 + i);
		key.target_port = i;
		assert_int_equal(cv_snat_registry_get(registry, &key, &cfg, &pool), 0);
		n_mapped += cv_snat_pool_cfg(pool).map != NULL;
	}
	assert_int_equal(n_mapped, 1024);
	assert_null(cv_snat_pool_cfg(pool).map);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(take(pool, 1, 0, 0, &port), 0);
	assert_int_equal(take(pool, 1, 0, 0, &port), -EADDRNOTAVAIL);
	cv_snat_registry_destroy(registry);
	cv_snat_map_destroy(s.map);
}

static void one_slice_needs_no_map(void **state)
{
	struct spread s = spread_make(1, 13);
	struct cv_snat_cfg cfg = cfg_make(&s, 10);
	struct cv_snat_pool *pool = cv_snat_pool_create(&some_key, &cfg, 1);

	(void)state;
	assert_non_null(pool);
	assert_null(cv_snat_pool_cfg(pool).map);
	take_all(&s, pool, 0);
	cv_snat_pool_destroy(pool);
	cv_snat_map_destroy(s.map);
	cv_snat_map_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_come_home_and_no_port_is_lost),
		cmocka_unit_test(freed_ports_go_back_to_their_own_slice),
		cmocka_unit_test(slices_of_a_whole_pool_are_about_equal),
		cmocka_unit_test(first_ports_lie_together_in_no_order),
		cmocka_unit_test(pools_of_all_classes_share_a_map),
		cmocka_unit_test(full_map_is_done_without),
		cmocka_unit_test(one_slice_needs_no_map),
	};

	return cmocka_run_group_tests_name("snat_map", tests, NULL, NULL);
}
