/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_lb.h"
#include "cv_net.h"

#define N_KEYS 100000
#define N_MAX 1000

/* The i-th of a family of keys as networks have them: all fields fixed, one counts up. */
enum family { BY_SRC_PORT, BY_SEQ, BY_SRC_IP, BY_DST_IP, BY_PORT_AND_IP, N_FAMILIES };

static struct cv_lb_key nth_key(enum family family, uint32_t i)
{
	struct cv_lb_key key = {
		.src_ip = cv_be32(0x0a000005),
		.dst_ip = cv_be32(0x0a00000a),
		.src_port = cv_be16(40000),
		.dst_port = cv_be16(443),
		.tcp_seq = 0x12345678,
		.proto = 6,
	};

	switch (family) {
	case BY_SRC_PORT: /* and, after 2^16 of them, the client's next address */
		key.src_port = cv_be16((uint16_t)i);
		key.src_ip += cv_be32(i >> 16);
		break;
	case BY_SEQ:
		key.tcp_seq += i * 64000;
		break;
	case BY_SRC_IP:
		key.src_ip = cv_be32(0x0a000000 + i);
		break;
	case BY_DST_IP:
		key.dst_ip = cv_be32(0x0a000000 + i);
		break;
	default:
		key.src_port = cv_be16((uint16_t)(1024 + i % 317 * 2));
		key.src_ip = cv_be32(0x0a000000 + i / 317);
		break;
	}
	return key;
}

static void check_spread(enum family family, uint64_t seed, uint32_t n)
{
	static uint32_t hits[N_MAX];
	double expected = (double)N_KEYS / n;
	double chi2 = 0, z;

	memset(hits, 0, sizeof(hits));
	for (uint32_t i = 0; i < N_KEYS; i++) {
		struct cv_lb_key key = nth_key(family, i);
		uint32_t pick = cv_lb_pick(cv_lb_hash(&key, seed), n);

		assert_in_range(pick, 0, n - 1);
		hits[pick]++;
	}
	for (uint32_t i = 0; i < n; i++)
		chi2 += (hits[i] - expected) * (hits[i] - expected) / expected;
	/* Mean n - 1, variance 2 (n - 1): by chance one in a million lies beyond 5 to 6 sigma. */
	z = (chi2 - (n - 1)) * (chi2 - (n - 1)) / (2.0 * (n - 1));
	if (chi2 > n - 1 && z > 36)
		fail_msg("family %d, seed %llu, n %u: chi2 %f", (int)family,
			 (unsigned long long)seed, n, chi2);
}

static void flows_spread_evenly(void **state)
{
	static const uint64_t seeds[] = {0, 1, 0xdeadbeefcafef00d};
	static const uint32_t ns[] = {2, 3, 7, 10, 64, 100, 1000};

	(void)state;
	for (enum family f = 0; f < N_FAMILIES; f++) {
		for (size_t s = 0; s < CV_ARRAY_LEN(seeds); s++) {
			for (size_t i = 0; i < CV_ARRAY_LEN(ns); i++)
				check_spread(f, seeds[s], ns[i]);
		}
	}
}

static int changed_bits(const struct cv_lb_key *a, const struct cv_lb_key *b, uint64_t seed_a,
			uint64_t seed_b)
{
	return __builtin_popcount(cv_lb_hash(a, seed_a) ^ cv_lb_hash(b, seed_b));
}

/* Flips bit `bit` of the fields one after the other (104 + 32 bits), then of the seed. */
static void flip(struct cv_lb_key *key, uint64_t *seed, unsigned int bit)
{
	if (bit < 32)
		key->src_ip ^= 1U << bit;
	else if (bit < 64)
		key->dst_ip ^= 1U << (bit - 32);
	else if (bit < 96)
		key->tcp_seq ^= 1U << (bit - 64);
	else if (bit < 112)
		key->src_port ^= (cv_be16_t)(1U << (bit - 96));
	else if (bit < 128)
		key->dst_port ^= (cv_be16_t)(1U << (bit - 112));
	else if (bit < 136)
		key->proto ^= (uint8_t)(1U << (bit - 128));
	else
		*seed ^= 1ULL << (bit - 136);
}

static void every_input_bit_changes_half_of_the_hash(void **state)
{
	enum { ROUNDS = 2000 };

	(void)state;
	for (unsigned int bit = 0; bit < 200; bit++) {
		uint32_t changed = 0;

		for (uint32_t i = 0; i < ROUNDS; i++) {
			struct cv_lb_key a = nth_key(BY_PORT_AND_IP, i), b = a;
			uint64_t seed_a = i * 0x9e3779b97f4a7c15, seed_b = seed_a;

			flip(&b, &seed_b, bit);
			changed += (uint32_t)changed_bits(&a, &b, seed_a, seed_b);
		}
		assert_in_range(changed, ROUNDS * 15, ROUNDS * 17);
	}
}

static void the_hash_is_the_same_for_ever(void **state)
{
	struct cv_lb_key key = nth_key(BY_SRC_IP, 5);
	struct cv_lb_key zero = {0};

	(void)state;
	assert_int_equal(cv_lb_hash(&key, 0), 0xdbbccb28);
	assert_int_equal(cv_lb_hash(&key, 0x0123456789abcdef), 0x67170fcb);
	assert_int_equal(cv_lb_hash(&zero, 0), 0x0e1de747);
}

static void pick_cuts_the_hash_into_equal_parts(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 1000; n++) {
		assert_int_equal(cv_lb_pick(0, n), 0);
		assert_int_equal(cv_lb_pick(UINT32_MAX, n), n - 1);
		for (uint32_t i = 1; i < n; i++) {
			uint32_t edge = (uint32_t)(((1ULL << 32) * i + n - 1) / n);

			assert_int_equal(cv_lb_pick(edge, n), i);
			assert_int_equal(cv_lb_pick(edge - 1, n), i - 1);
		}
	}
	assert_int_equal(cv_lb_pick(UINT32_MAX, UINT32_MAX), UINT32_MAX - 1);
}

struct list_case {
	const char *targets; /* per target: zone digit, and '+' fit, '-' unfit or 'x' never */
	uint16_t zone;
	bool cross_zone;
	const char *want; /* indexes */
	bool fail_open;
	struct cv_lb_least least;
};

static const struct list_case list_cases[] = {
	{"", 0, false, "", false},
	{"", 0, true, "", false},
	{"0+1+0+", 0, false, "02", false},
	{"0+1+0+", 1, false, "1", false},
	{"0+1+0+", 1, true, "012", false},
	{"0+1+0+", 2, true, "012", false},
	/* A zone without targets has nowhere to go, unless cross-zone is on. */
	{"0+1+0+", 2, false, "", false},
	{"0-1-0-", 2, false, "", false},
	{"0+1-0-1+", 0, false, "0", false},
	{"0+1-0-1+", 1, false, "3", false},
	{"0+1-0-1+", 0, true, "03", false},
	/* Fail-open: of the zone, even if another zone has eligible ones; or of all. */
	{"0-1+0-", 0, false, "02", true},
	{"0-1+0-", 0, true, "1", false},
	{"0-1-0-", 0, false, "02", true},
	{"0-1-0-", 1, false, "1", true},
	{"0-1-0-", 1, true, "012", true},
	{"0-1-0-", 7, true, "012", true},
	/* Who drains or is unused gets nothing, not even then. */
	{"0+0x1x", 0, true, "0", false},
	{"0-0x1-", 0, true, "02", true},
	{"0x0x", 0, true, "", false},
	{"0x0-0x", 0, false, "1", true},
	/* Thresholds: too few fit, and all serve. */
	{"0+0+0-0-", 0, false, "01", false, {2, 50}},
	{"0+0+0-0-", 0, false, "0123", true, {3, 0}},
	{"0+0+0-0-", 0, false, "0123", true, {0, 51}},
	{"0+0+0-0-", 0, false, "0123", true, {1, 51}},
	{"0+0+0-0-", 0, false, "0123", true, {3, 50}},
	{"0+0+0-0-1+1+", 0, true, "0145", false, {4, 66}},
	{"0+0+0-0-1+1+", 0, true, "012345", true, {4, 67}},
	{"0+0+0-0-1+1+", 1, false, "45", false, {2, 100}},
	{"0+0+0-0x", 0, false, "012", true, {0, 67}},
	{"0+0+0-0x", 0, false, "01", false, {0, 66}},
	/* Nobody is unfit: nothing to add. */
	{"0+0+", 0, false, "01", false, {3, 100}},
};

static void lists_hold_what_a_zone_may_use(void **state)
{
	(void)state;
	for (size_t c = 0; c < CV_ARRAY_LEN(list_cases); c++) {
		const struct list_case *lc = &list_cases[c];
		uint32_t n = (uint32_t)strlen(lc->targets) / 2;
		/* Exact size on the heap: a sanitizer sees a write beyond it. */
		struct cv_lb_target *targets = malloc(n > 0 ? n * sizeof(*targets) : 1);
		uint32_t *idx = malloc(n > 0 ? n * sizeof(*idx) : 1);
		const struct cv_lb_scope scope = {lc->zone, lc->cross_zone, lc->least};
		bool fail_open = !lc->fail_open;
		uint32_t got;

		assert_true(targets != NULL && idx != NULL);
		for (uint32_t i = 0; i < n; i++) {
			targets[i].zone = (uint16_t)(lc->targets[2 * i] - '0');
			targets[i].fit = CV_LB_UNFIT;
			if (lc->targets[2 * i + 1] != '-')
				targets[i].fit =
					lc->targets[2 * i + 1] == '+' ? CV_LB_FIT : CV_LB_NEVER;
		}
		got = cv_lb_list_build(targets, n, &scope, idx, &fail_open);
		assert_int_equal(got, strlen(lc->want));
		for (uint32_t i = 0; i < got; i++)
			assert_int_equal(idx[i], lc->want[i] - '0');
		assert_int_equal(fail_open, lc->fail_open);
		assert_int_equal(cv_lb_list_build(targets, n, &scope, idx, NULL), got);
		free(targets);
		free(idx);
	}
}

/* ---- weights ---- */

static void weights_divide_the_hashes_exactly(void **state)
{
	static const uint16_t cases[][CV_LB_WEIGHTS_MAX] = {
		{1, 1, 1, 1, 1},   {999, 1, 0, 0, 0},         {0, 0, 7, 0, 0},
		{90, 10, 0, 0, 0}, {999, 999, 999, 999, 999}, {1, 999, 0, 999, 3},
	};

	(void)state;
	for (size_t c = 0; c < CV_ARRAY_LEN(cases); c++) {
		uint64_t below[CV_LB_WEIGHTS_MAX], before = 0, total = 0;

		for (int i = 0; i < CV_LB_WEIGHTS_MAX; i++)
			total += cases[c][i];
		assert_true(cv_lb_weights_build(cases[c], CV_LB_WEIGHTS_MAX, below));
		assert_int_equal(below[CV_LB_WEIGHTS_MAX - 1], 1ULL << 32);
		for (int i = 0; i < CV_LB_WEIGHTS_MAX; i++) {
			uint64_t share = below[i] - before,
				 want = ((uint64_t)cases[c][i] << 32) / total;

			assert_in_range(share, want - (want > 0), want + (want > 0));
			before = below[i];
		}
	}
}

static void no_weight_is_no_share(void **state)
{
	static const uint16_t none[CV_LB_WEIGHTS_MAX] = {0};
	uint64_t below[CV_LB_WEIGHTS_MAX];

	(void)state;
	assert_false(cv_lb_weights_build(none, CV_LB_WEIGHTS_MAX, below));
	assert_false(cv_lb_weights_build(none, 1, below));
}

/* Groups by one hash, targets by the other: 3 groups of 1:2:5, each with 4 targets. */
static void choice_of_the_group_says_nothing_about_the_target(void **state)
{
	static const uint16_t weights[] = {1, 2, 5};
	uint64_t below[3];
	uint32_t hits[3][4] = {0};
	double chi2 = 0;

	(void)state;
	assert_true(cv_lb_weights_build(weights, 3, below));
	for (uint32_t i = 0; i < N_KEYS; i++) {
		struct cv_lb_key key = nth_key(BY_SRC_PORT, i);
		uint32_t hash = cv_lb_hash(&key, 42), group = 0;

		while (cv_lb_rehash(hash) >= below[group])
			group++;
		hits[group][cv_lb_pick(hash, 4)]++;
	}
	for (int g = 0; g < 3; g++) {
		for (int t = 0; t < 4; t++) {
			double want = (double)N_KEYS * weights[g] / 8 / 4;

			chi2 += (hits[g][t] - want) * (hits[g][t] - want) / want;
		}
	}
	/* 11 degrees of freedom: by chance one in a million is above 50. */
	assert_true(chi2 < 50);
}

/* ---- stickiness ---- */

struct sticky_world {
	struct cv_lb_sticky *targets;
	uint32_t (*scratch)[2];
	uint32_t *table;
	uint32_t n, len;
};

/* Targets 10.0.x.y:80 for the ids first, first + 1..., without `gone`; listed backwards if asked. */
static struct sticky_world sticky_make(uint32_t first, uint32_t n, uint32_t gone, bool backwards)
{
	struct sticky_world w = {.targets = calloc(n, sizeof(*w.targets)),
				 .scratch = calloc(n, sizeof(*w.scratch))};

	assert_true(w.targets != NULL && w.scratch != NULL);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t id = first + (backwards ? n - 1 - i : i);

		if (id != gone)
			w.targets[w.n++] = (struct cv_lb_sticky){
				.key = (uint64_t)(0x0a000000 + id) << 16 | 80, .id = id};
	}
	w.len = cv_lb_sticky_len(w.n);
	w.table = calloc(w.len, sizeof(*w.table));
	assert_non_null(w.table);
	cv_lb_sticky_build(w.targets, w.n, w.scratch, w.table);
	return w;
}

static void sticky_free(struct sticky_world *w)
{
	free(w->targets);
	free(w->scratch);
	free(w->table);
}

static void sticky_shares_are_equal(void **state)
{
	static const uint32_t ns[] = {1, 2, 3, 7, 64, 65, 1000, 1025, 5000};

	(void)state;
	for (size_t k = 0; k < CV_ARRAY_LEN(ns); k++) {
		struct sticky_world w = sticky_make(0, ns[k], UINT32_MAX, false);
		uint32_t *hits = calloc(ns[k], sizeof(*hits));

		assert_non_null(hits);
		assert_int_equal(w.len & (w.len - 1), 0);
		assert_true(w.len >= 32 * ns[k]);
		for (uint32_t i = 0; i < w.len; i++)
			hits[w.table[i]]++;
		for (uint32_t i = 0; i < ns[k]; i++)
			assert_in_range(hits[i], w.len / ns[k], w.len / ns[k] + 1);
		free(hits);
		sticky_free(&w);
	}
}

static void sticky_clients_spread_evenly(void **state)
{
	struct sticky_world w = sticky_make(0, 5, UINT32_MAX, false);
	uint32_t hits[5] = {0};

	(void)state;
	for (uint32_t i = 0; i < N_KEYS; i++)
		hits[w.table[cv_lb_pick(cv_lb_source_hash(cv_be32(0x0a010000 + i)), w.len)]]++;
	for (int i = 0; i < 5; i++)
		assert_in_range(hits[i], N_KEYS / 5 * 98 / 100, N_KEYS / 5 * 102 / 100);
	sticky_free(&w);
}

static void sticky_table_depends_on_the_set_alone(void **state)
{
	struct sticky_world a = sticky_make(0, 40, UINT32_MAX, false);
	struct sticky_world b = sticky_make(0, 40, UINT32_MAX, true);

	(void)state;
	assert_memory_equal(a.table, b.table, a.len * sizeof(*a.table));
	sticky_free(&a);
	sticky_free(&b);
}

static void a_target_that_goes_takes_few_clients_of_others_along(void **state)
{
	static const uint32_t ns[] = {2, 3, 4, 10, 64, 500};

	(void)state;
	for (size_t k = 0; k < CV_ARRAY_LEN(ns); k++) {
		struct sticky_world a = sticky_make(0, ns[k], UINT32_MAX, false);

		for (uint32_t gone = 0; gone < ns[k] && gone < 10; gone++) {
			struct sticky_world b = sticky_make(0, ns[k], gone, false);
			uint32_t moved = 0;

			assert_int_equal(a.len, b.len);
			for (uint32_t i = 0; i < a.len; i++) {
				assert_int_not_equal(b.table[i], gone);
				moved += a.table[i] != gone && a.table[i] != b.table[i];
			}
			assert_true(moved * 100 < a.len * 7);
			sticky_free(&b);
		}
		sticky_free(&a);
	}
}

static void the_source_hash_is_the_same_for_ever(void **state)
{
	(void)state;
	assert_int_equal(cv_lb_source_hash(cv_be32(0x0a000005)), 0x26bb3d44);
	assert_int_equal(cv_lb_rehash(0x12345678), 0x16da2272);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_spread_evenly),
		cmocka_unit_test(every_input_bit_changes_half_of_the_hash),
		cmocka_unit_test(the_hash_is_the_same_for_ever),
		cmocka_unit_test(pick_cuts_the_hash_into_equal_parts),
		cmocka_unit_test(lists_hold_what_a_zone_may_use),
		cmocka_unit_test(weights_divide_the_hashes_exactly),
		cmocka_unit_test(no_weight_is_no_share),
		cmocka_unit_test(choice_of_the_group_says_nothing_about_the_target),
		cmocka_unit_test(sticky_shares_are_equal),
		cmocka_unit_test(sticky_clients_spread_evenly),
		cmocka_unit_test(sticky_table_depends_on_the_set_alone),
		cmocka_unit_test(a_target_that_goes_takes_few_clients_of_others_along),
		cmocka_unit_test(the_source_hash_is_the_same_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
