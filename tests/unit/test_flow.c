/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_flow_hot.h"

static struct cv_flow_table *table_of(uint32_t n_max)
{
	struct cv_flow_table *table;

	assert_int_equal(cv_flow_table_create(n_max, 7, &table), 0);
	return table;
}

static struct cv_flow_key key_of(uint32_t i)
{
	return (struct cv_flow_key){
		.client_ip = cv_be32(0x0a000000 + i / 60000),
		.dialled_ip = cv_be32(0x0a010001),
		.client_port = cv_be16((uint16_t)(1024 + i % 60000)),
		.dialled_port = cv_be16(443),
		.vpc = (uint16_t)(i % 3),
	};
}

static uint32_t open_key(struct cv_flow_table *table, const struct cv_flow_key *key)
{
	uint32_t idx = cv_flow_open(table, key, cv_flow_hash(table, key));

	if (idx != CV_FLOW_NONE)
		table->flows[idx].node_port = 1;
	return idx;
}

static uint32_t find_key(const struct cv_flow_table *table, const struct cv_flow_key *key)
{
	return cv_flow_find(table, key, cv_flow_hash(table, key));
}

static void create_refuses_impossible_sizes(void **state)
{
	struct cv_flow_table *table = NULL;

	(void)state;
	assert_int_equal(cv_flow_table_create(0, 1, &table), -EINVAL);
	assert_int_equal(cv_flow_table_create(CV_FLOW_MAX + 1, 1, &table), -EINVAL);
	assert_null(table);
	cv_flow_table_destroy(NULL);
}

/* In a child with a small address space; ASan reserves more than any such limit. */
static void create_says_when_memory_runs_out(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	const char *const why_not = "-ENOMEM needs an address space limit, ASan needs none";

	(void)state;
	print_message("%s\n", why_not);
	skip();
#else
	const struct rlimit small = {256u << 20, 256u << 20};
	int status = -1;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct cv_flow_table *table = NULL;
		int rc = setrlimit(RLIMIT_AS, &small) != 0 ? 1 : 0;

		if (rc == 0)
			rc = cv_flow_table_create(CV_FLOW_MAX, 1, &table) == -ENOMEM ? 0 : 2;
		_exit(rc != 0 || table != NULL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
#endif
}

static void open_fills_the_key_and_zeroes_the_rest(void **state)
{
	struct cv_flow_table *table = table_of(10);
	struct cv_flow_key key = key_of(5);
	uint32_t idx = open_key(table, &key);
	struct cv_flow want = {
		.client_ip = key.client_ip,
		.dialled_ip = key.dialled_ip,
		.client_port = key.client_port,
		.dialled_port = key.dialled_port,
		.client_vpc = key.vpc,
		.node_port = 1,
	};

	(void)state;
	memset(&table->flows[idx].neigh, 0xee, 4);
	memset(&table->cold[idx], 0xee, sizeof(table->cold[idx]));
	cv_flow_close(table, idx);
	idx = open_key(table, &key);
	assert_memory_equal(&table->flows[idx], &want, sizeof(want));
	assert_memory_equal(&table->cold[idx], &(struct cv_flow_cold){0}, sizeof(table->cold[idx]));
	cv_flow_table_destroy(table);
}

/* Who looked an entry up before it was closed must not take it for the flow. */
static void closed_entry_is_nobodys_flow(void **state)
{
	struct cv_flow_table *table = table_of(10);
	struct cv_flow_key key = key_of(5);
	uint32_t idx = open_key(table, &key);

	(void)state;
	assert_true(cv_flow_is(&table->flows[idx], &key));
	cv_flow_close(table, idx);
	assert_false(cv_flow_is(&table->flows[idx], &key));
	cv_flow_table_destroy(table);
}

static void every_field_of_the_key_tells_flows_apart(void **state)
{
	struct cv_flow_table *table = table_of(10);
	struct cv_flow_key base = key_of(1), other[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		other[i] = base;
	other[0].client_ip ^= 1;
	other[1].dialled_ip ^= 1;
	other[2].client_port ^= 1;
	other[3].dialled_port ^= 1;
	other[4].vpc ^= 1;
	open_key(table, &base);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(find_key(table, &other[i]), CV_FLOW_NONE);
		assert_false(cv_flow_is(&table->flows[0], &other[i]));
		assert_true(cv_flow_hash(table, &base) != cv_flow_hash(table, &other[i]));
	}
	assert_true(cv_flow_is(&table->flows[0], &base));
	cv_flow_table_destroy(table);
}

static bool is_target_side(const struct cv_flow *flow, uint16_t vpc, uint32_t src, uint32_t dst,
			   uint16_t sport, uint16_t dport)
{
	return cv_flow_is_target_side(flow, vpc, (uint64_t)dst << 32 | src,
				      (uint32_t)dport << 16 | sport);
}

static void target_side_is_compared_in_full(void **state)
{
	struct cv_flow f = {
		.node_ip = 1, .target_ip = 2, .node_port = 3, .target_port = 4, .target_vpc = 5};

	(void)state;
	assert_true(is_target_side(&f, 5, 2, 1, 4, 3));
	assert_false(is_target_side(&f, 6, 2, 1, 4, 3));
	assert_false(is_target_side(&f, 5, 2, 0, 4, 3));
	assert_false(is_target_side(&f, 5, 2, 1, 4, 2));
	assert_false(is_target_side(&f, 5, 0, 1, 4, 3));
	assert_false(is_target_side(&f, 5, 2, 1, 0, 3));
}

/* Fills to the last entry, as a table of this size must allow, and empties again, many times over. */
static void holds_what_it_promises(void **state)
{
	static const uint32_t sizes[] = {1, 2, 7, 12, 48, 96, 1000, 1536, 65536, 98304, 786432};

	(void)state;
	for (size_t s = 0; s < CV_ARRAY_LEN(sizes); s++) {
		uint32_t n = sizes[s];
		struct cv_flow_table *table = table_of(n);
		uint32_t opened = 0;
		struct cv_flow_key key = key_of(n);

		for (uint32_t i = 0; i < n; i++) {
			struct cv_flow_key k = key_of(i);

			opened += open_key(table, &k) != CV_FLOW_NONE;
		}
		assert_int_equal(opened, n);
		assert_int_equal(open_key(table, &key), CV_FLOW_NONE);
		assert_int_equal(table->n, n);
		for (uint32_t i = 0; i < n; i++) {
			struct cv_flow_key k = key_of(i);
			uint32_t idx = find_key(table, &k);

			assert_true(idx != CV_FLOW_NONE);
			assert_true(cv_flow_is(&table->flows[idx], &k));
			cv_flow_close(table, idx);
			assert_int_equal(find_key(table, &k), CV_FLOW_NONE);
		}
		assert_int_equal(table->n, 0);
		for (uint32_t i = 0; i <= table->mask; i++) {
			assert_int_equal(table->buckets[i].spilled, 0);
			assert_int_equal(cv_flow_bucket_match(&table->buckets[i], 0), 0x5555);
		}
		cv_flow_table_destroy(table);
	}
}

/* Random opens and closes against an array that remembers. */
static void agrees_with_a_reference(void **state)
{
	enum { KEYS = 3000, CAP = 2000 };
	static uint32_t where[KEYS];
	struct cv_flow_table *table = table_of(CAP);
	uint32_t x = 99, live = 0;

	(void)state;
	memset(where, 0xff, sizeof(where));
	for (int step = 0; step < 500000; step++) {
		uint32_t i = (x = x * 1664525 + 1013904223) >> 8;
		struct cv_flow_key key;
		uint32_t idx, probe;

		i %= KEYS;
		key = key_of(i);
		idx = find_key(table, &key);
		probe = cv_flow_probe(table, cv_flow_hash(table, &key));
		assert_int_equal(idx, where[i]);
		if (idx != CV_FLOW_NONE) {
			assert_true(probe != CV_FLOW_NONE);
			cv_flow_close(table, idx);
			where[i] = CV_FLOW_NONE;
			live--;
		} else {
			where[i] = open_key(table, &key);
			if (where[i] == CV_FLOW_NONE)
				assert_int_equal(live, CAP);
			else
				live++;
		}
		assert_int_equal(table->n, live);
	}
	assert_true(table->high <= CAP);
	cv_flow_table_destroy(table);
}

/* Flows of one bucket spill to their second one and are found there, until both are full. */
static void full_bucket_spills(void **state)
{
	struct cv_flow_table *table = table_of(4096);
	uint64_t hash = 0x1234000000000005;
	struct cv_flow_key key = key_of(0);
	uint32_t n = 0;

	(void)state;
	/* The same hash for all, which is not their own: only the index is looked at here. */
	for (; n < 16; n++, key.client_port++)
		assert_int_equal(cv_flow_open(table, &key, hash), n);
	assert_int_equal(cv_flow_bucket_first(table, hash)->spilled, 8);
	assert_true(cv_flow_bucket_first(table, hash) != cv_flow_bucket_second(table, hash));
	key = key_of(0);
	key.client_port += 12;
	assert_int_equal(cv_flow_find(table, &key, hash), 12);
	key.client_port += 4;
	assert_int_equal(cv_flow_find(table, &key, hash), CV_FLOW_NONE);
	cv_flow_table_destroy(table);
}

static void second_bucket_differs_for_every_tag(void **state)
{
	struct cv_flow_table *table = table_of(1000);

	(void)state;
	for (uint64_t tag = 0; tag < 65536; tag++)
		assert_true(cv_flow_bucket_first(table, tag << 48) !=
			    cv_flow_bucket_second(table, tag << 48));
	cv_flow_table_destroy(table);
}

/* Neighbouring clients and ports, as real ones are, spread evenly over buckets and workers. */
static void hash_spreads_real_keys(void **state)
{
	enum { N = 1 << 20, BINS = 1024 };
	static uint32_t low[BINS], mid[BINS], top[BINS];
	struct cv_flow_table *table = table_of(10);

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		struct cv_flow_key key = key_of(i);
		uint64_t hash;

		key.vpc = 0;
		hash = cv_flow_hash(table, &key);
		low[hash % BINS]++;
		mid[(hash >> 38) % BINS]++;
		top[hash >> 54]++;
	}
	for (int i = 0; i < BINS; i++) {
		/* 1024 expected, standard deviation 32: six of them. */
		assert_in_range(low[i], 1024 - 192, 1024 + 192);
		assert_in_range(mid[i], 1024 - 192, 1024 + 192);
		assert_in_range(top[i], 1024 - 192, 1024 + 192);
	}
	cv_flow_table_destroy(table);
}

static void seed_changes_the_hash(void **state)
{
	struct cv_flow_table *a, *b;
	struct cv_flow_key key = key_of(1);

	(void)state;
	assert_int_equal(cv_flow_table_create(1, 1, &a), 0);
	assert_int_equal(cv_flow_table_create(1, 2, &b), 0);
	assert_true(cv_flow_hash(a, &key) != cv_flow_hash(b, &key));
	cv_flow_table_destroy(a);
	cv_flow_table_destroy(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_refuses_impossible_sizes),
		cmocka_unit_test(create_says_when_memory_runs_out),
		cmocka_unit_test(open_fills_the_key_and_zeroes_the_rest),
		cmocka_unit_test(closed_entry_is_nobodys_flow),
		cmocka_unit_test(every_field_of_the_key_tells_flows_apart),
		cmocka_unit_test(target_side_is_compared_in_full),
		cmocka_unit_test(holds_what_it_promises),
		cmocka_unit_test(agrees_with_a_reference),
		cmocka_unit_test(full_bucket_spills),
		cmocka_unit_test(second_bucket_differs_for_every_tag),
		cmocka_unit_test(hash_spreads_real_keys),
		cmocka_unit_test(seed_changes_the_hash),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
