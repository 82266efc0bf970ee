/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <rte_thash.h>

#include "cv_rss.h"

static uint64_t rng_state = 88172645463325252;

static uint32_t rng(void)
{
	rng_state ^= rng_state << 13;
	rng_state ^= rng_state >> 7;
	rng_state ^= rng_state << 17;
	return (uint32_t)(rng_state >> 32);
}

/* "Verifying the RSS hash calculation": the key and all its IPv4 rows. */
static const uint8_t ms_key[CV_RSS_KEY_LEN] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static cv_be32_t ip4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	return cv_be32((uint32_t)a << 24 | (uint32_t)b << 16 | (uint32_t)c << 8 | d);
}

static void hash_is_microsofts(void **state)
{
	const struct {
		cv_be32_t dst;
		uint16_t dport;
		cv_be32_t src;
		uint16_t sport;
		uint32_t hash;
	} rows[] = {
		{ip4(161, 142, 100, 80), 1766, ip4(66, 9, 149, 187), 2794, 0x51ccc178},
		{ip4(65, 69, 140, 83), 4739, ip4(199, 92, 111, 2), 14230, 0xc626b0ea},
		{ip4(12, 22, 207, 184), 38024, ip4(24, 19, 198, 95), 12898, 0x5c2b394a},
		{ip4(209, 142, 163, 6), 2217, ip4(38, 27, 205, 30), 48228, 0xafc7327f},
		{ip4(202, 188, 127, 2), 1303, ip4(153, 39, 163, 191), 44251, 0x10e828a2},
	};
	struct cv_rss rss = {.on = true, .n = 1};
	struct cv_rss_table table;

	(void)state;
	memcpy(rss.key, ms_key, sizeof(ms_key));
	cv_rss_table_init(&table, &rss);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(cv_rss_hash(&table, rows[i].src, rows[i].dst,
					     cv_be16(rows[i].sport), cv_be16(rows[i].dport)),
				 rows[i].hash);
}

static void hash_is_dpdks_for_any_key(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 200; round++) {
		struct cv_rss rss = {.on = true, .n = 1};
		struct cv_rss_table table;

		for (unsigned int i = 0; i < CV_RSS_KEY_LEN; i++)
			rss.key[i] = (uint8_t)rng();
		cv_rss_table_init(&table, &rss);
		for (unsigned int i = 0; i < 50; i++) {
			uint32_t src = rng(), dst = rng(), ports = rng();
			uint32_t tuple[3] = {src, dst, ports}, key[CV_RSS_KEY_LEN / 4];
			uint32_t want;

			/* The library wants words of the key, aligned. */
			memcpy(key, rss.key, sizeof(key));
			want = rte_softrss(tuple, 3, (const uint8_t *)key);
			assert_int_equal(cv_rss_hash(&table, cv_be32(src), cv_be32(dst),
						     cv_be16((uint16_t)(ports >> 16)),
						     cv_be16((uint16_t)ports)),
					 want);
		}
	}
}

static void destination_port_is_a_part_of_its_own(void **state)
{
	struct cv_rss rss = {.on = true, .n = 1};
	struct cv_rss_table table;
	uint32_t rest;

	(void)state;
	memcpy(rss.key, ms_key, sizeof(ms_key));
	cv_rss_table_init(&table, &rss);
	rest = cv_rss_hash(&table, ip4(10, 1, 2, 3), ip4(10, 0, 0, 9), cv_be16(443), 0);
	for (uint32_t port = 0; port <= UINT16_MAX; port++)
		assert_int_equal(cv_rss_hash(&table, ip4(10, 1, 2, 3), ip4(10, 0, 0, 9),
					     cv_be16(443), cv_be16((uint16_t)port)),
				 rest ^ cv_rss_dst_port_part(&table, (uint16_t)port));
}

static void worker_is_the_class_s(void **state)
{
	struct cv_rss rss = {.on = true, .n = CV_RSS_CLASSES_MAX};
	struct cv_rss_table table;

	(void)state;
	for (unsigned int i = 0; i < rss.n; i++)
		rss.worker[i] = (uint8_t)(i % 63);
	cv_rss_table_init(&table, &rss);
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(cv_rss_worker(&table, i), i % CV_RSS_CLASSES_MAX % 63);
	rss.n = 4;
	cv_rss_table_init(&table, &rss);
	for (uint32_t i = 0; i < 2000; i++)
		assert_int_equal(cv_rss_worker(&table, 0xffff0000 | i), i % 4);
}

/* Counted, not calculated: every class has as many of all ports as any other, as source or destination. */
static void keys_spread_ports_evenly(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		struct cv_rss rss = {.on = true, .n = CV_RSS_CLASSES_MAX};
		uint32_t n_src[CV_RSS_CLASSES_MAX] = {0}, n_dst[CV_RSS_CLASSES_MAX] = {0};
		struct cv_rss_table table;

		cv_rss_key_build(seed, rss.key);
		cv_rss_table_init(&table, &rss);
		for (uint32_t port = 0; port <= UINT16_MAX; port++) {
			cv_be16_t be = cv_be16((uint16_t)port);

			n_src[cv_rss_hash(&table, 0, 0, be, 0) & table.mask]++;
			n_dst[cv_rss_dst_port_part(&table, (uint16_t)port) & table.mask]++;
		}
		for (unsigned int i = 0; i < CV_RSS_CLASSES_MAX; i++) {
			assert_int_equal(n_src[i], 65536 / CV_RSS_CLASSES_MAX);
			assert_int_equal(n_dst[i], 65536 / CV_RSS_CLASSES_MAX);
		}
	}
}

static void keys_differ_by_seed_only(void **state)
{
	uint8_t key[CV_RSS_KEY_LEN], again[CV_RSS_KEY_LEN], other[CV_RSS_KEY_LEN];

	(void)state;
	cv_rss_key_build(1, key);
	cv_rss_key_build(1, again);
	cv_rss_key_build(2, other);
	assert_memory_equal(key, again, sizeof(key));
	for (unsigned int i = 0; i < CV_RSS_KEY_LEN; i += 8)
		assert_memory_not_equal(key + i, other + i, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_microsofts),
		cmocka_unit_test(hash_is_dpdks_for_any_key),
		cmocka_unit_test(destination_port_is_a_part_of_its_own),
		cmocka_unit_test(worker_is_the_class_s),
		cmocka_unit_test(keys_spread_ports_evenly),
		cmocka_unit_test(keys_differ_by_seed_only),
	};

	return cmocka_run_group_tests_name("rss", tests, NULL, NULL);
}
