/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "neigh_priv.h"

#include "cv_base.h"

static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa};
static const uint8_t mac_b[6] = {2, 0, 0, 0, 0, 0xb};

#define T0 1000000

static void update(struct ctl_neigh_table *table, const struct cv_plan_neigh *wants, uint32_t n,
		   uint64_t now_ms)
{
	struct ctl_neigh_table next;

	assert_int_equal(cv_ctl_neigh_build(table, wants, n, now_ms, &next), 0);
	cv_ctl_neigh_fini(table);
	*table = next;
}

static struct cv_plan_neigh want_get(uint16_t vpc, uint32_t ip)
{
	return (struct cv_plan_neigh){
		.ip = cv_be32(ip), .sender = cv_be32(0x0a000001), .vpc = vpc, .used = true};
}

/* Who is due at a moment; expects at most one and returns its slot, UINT32_MAX for none. */
static uint32_t due_one(struct ctl_neigh_table *table, uint64_t now_ms, bool *ret_stale)
{
	struct ctl_neigh_ask asks[4];
	uint32_t pos = 0, n = cv_ctl_neigh_due(table, now_ms, &pos, asks, 4);

	assert_true(n <= 1);
	if (n == 0)
		return UINT32_MAX;
	if (ret_stale != NULL)
		*ret_stale = asks[0].went_stale;
	return asks[0].slot;
}

/* The next moment from now on at which the one neighbour is asked. */
static uint64_t next_ask(struct ctl_neigh_table *table, uint64_t now_ms, bool *ret_stale)
{
	uint64_t t = now_ms;

	while (due_one(table, t, ret_stale) == UINT32_MAX) {
		t++;
		assert_true(t < now_ms + 2 * CTL_NEIGH_REFRESH_MS);
	}
	return t;
}

static void one_setup(struct ctl_neigh_table *table)
{
	struct cv_plan_neigh want = want_get(3, 0x0a000005);

	memset(table, 0, sizeof(*table));
	update(table, &want, 1, T0);
}

static void unresolved_is_asked_at_once_then_ever_slower(void **state)
{
	static const uint64_t gaps[] = {100, 200, 400, 800, 1000, 1000, 1000, 1000};
	struct ctl_neigh_table table;
	uint64_t t;

	(void)state;
	one_setup(&table);
	t = next_ask(&table, T0, NULL);
	assert_int_equal(t, T0);
	for (size_t i = 0; i < CV_ARRAY_LEN(gaps); i++) {
		uint64_t next = next_ask(&table, t, NULL);

		assert_int_equal(next - t, gaps[i]);
		t = next;
	}
	assert_int_equal(table.items[0].state, CTL_NEIGH_UNRESOLVED);
	/* Many tries do not wrap the counter. */
	for (int i = 0; i < 600; i++)
		t = next_ask(&table, t, NULL);
	assert_int_equal(table.items[0].tries, UINT8_MAX);
	cv_ctl_neigh_fini(&table);
}

static void answer_is_new_then_same_then_changed(void **state)
{
	struct ctl_neigh_table table;
	uint32_t slot = 99;

	(void)state;
	one_setup(&table);
	assert_int_equal(cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_a, T0 + 5, &slot),
			 CTL_NEIGH_NEW);
	assert_int_equal(slot, 0);
	assert_memory_equal(table.items[0].mac, mac_a, 6);
	assert_int_equal(cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_a, T0 + 6, &slot),
			 CTL_NEIGH_SAME);
	assert_int_equal(cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_b, T0 + 7, &slot),
			 CTL_NEIGH_CHANGED);
	assert_memory_equal(table.items[0].mac, mac_b, 6);
	assert_int_equal(table.items[0].heard_ms, T0 + 7);
	cv_ctl_neigh_fini(&table);
}

static void neighbour_that_answers_every_time_never_goes_stale(void **state)
{
	struct ctl_neigh_table table;
	bool stale = true;
	uint32_t slot;
	uint64_t t = T0;

	(void)state;
	one_setup(&table);
	for (int i = 0; i < 4 * CTL_NEIGH_TRIES; i++) {
		t = next_ask(&table, t, &stale);
		assert_false(stale);
		cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_a, t + 1, &slot);
	}
	cv_ctl_neigh_fini(&table);
}

static void full_ring_starves_no_slot(void **state)
{
	struct cv_plan_neigh wants[5];
	struct ctl_neigh_table table = {0};
	struct ctl_neigh_ask ask;
	uint32_t pos = 0;

	(void)state;
	for (uint32_t i = 0; i < 5; i++)
		wants[i] = want_get(1, 0x0a000000 + i);
	update(&table, wants, 5, T0);
	for (uint32_t i = 0; i < 15; i++) {
		assert_int_equal(cv_ctl_neigh_due(&table, T0, &pos, &ask, 1), 1);
		assert_int_equal(ask.slot, i % 5);
		cv_ctl_neigh_unasked(&table, ask.slot, T0);
	}
	cv_ctl_neigh_fini(&table);
}

static void strangers_and_group_addresses_are_not_learned(void **state)
{
	static const uint8_t zero[6], group[6] = {3, 0, 0, 0, 0, 1};
	struct ctl_neigh_table table, empty = {0};
	uint32_t slot = 99;

	(void)state;
	one_setup(&table);
	assert_int_equal(cv_ctl_neigh_hear(&table, 4, cv_be32(0x0a000005), mac_a, T0, &slot),
			 CTL_NEIGH_FOREIGN);
	assert_int_equal(cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000006), mac_a, T0, &slot),
			 CTL_NEIGH_FOREIGN);
	assert_int_equal(cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), zero, T0, &slot),
			 CTL_NEIGH_FOREIGN);
	assert_int_equal(cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), group, T0, &slot),
			 CTL_NEIGH_FOREIGN);
	assert_int_equal(cv_ctl_neigh_hear(&empty, 3, cv_be32(0x0a000005), mac_a, T0, &slot),
			 CTL_NEIGH_FOREIGN);
	assert_int_equal(slot, 99);
	assert_int_equal(table.items[0].state, CTL_NEIGH_UNRESOLVED);
	cv_ctl_neigh_fini(&table);
}

static void known_is_refreshed_about_every_30_s(void **state)
{
	struct ctl_neigh_table table;
	uint32_t slot;
	uint64_t t;

	(void)state;
	one_setup(&table);
	due_one(&table, T0, NULL);
	cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_a, T0 + 1, &slot);
	t = next_ask(&table, T0 + 1, NULL);
	assert_in_range(t - (T0 + 1), CTL_NEIGH_REFRESH_MS * 7 / 8, CTL_NEIGH_REFRESH_MS);
	cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_a, t + 1, &slot);
	assert_in_range(next_ask(&table, t + 1, NULL) - t, CTL_NEIGH_REFRESH_MS * 7 / 8,
			CTL_NEIGH_REFRESH_MS + 1);
	cv_ctl_neigh_fini(&table);
}

static void silent_neighbour_goes_stale_after_three_tries_and_comes_back(void **state)
{
	struct ctl_neigh_table table;
	bool stale = false;
	uint32_t slot;
	uint64_t t;

	(void)state;
	one_setup(&table);
	cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_a, T0, &slot);
	t = next_ask(&table, T0, &stale);
	for (int i = 1; i < CTL_NEIGH_TRIES; i++) {
		uint64_t next = next_ask(&table, t, &stale);

		assert_false(stale);
		assert_int_equal(next - t, CTL_NEIGH_ANSWER_MS);
		t = next;
	}
	assert_int_equal(table.items[0].state, CTL_NEIGH_REACHABLE);
	t = next_ask(&table, t, &stale);
	assert_true(stale);
	assert_int_equal(table.items[0].state, CTL_NEIGH_STALE);
	assert_memory_equal(table.items[0].mac, mac_a, 6);
	/* Said once; and it goes on being asked. */
	t = next_ask(&table, t, &stale);
	assert_false(stale);
	assert_int_equal(cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_a, t, &slot),
			 CTL_NEIGH_BACK);
	assert_int_equal(table.items[0].state, CTL_NEIGH_REACHABLE);
	assert_true(next_ask(&table, t, &stale) - t > 20000);
	assert_false(stale);
	cv_ctl_neigh_fini(&table);
}

static void stale_with_another_mac_is_a_change(void **state)
{
	struct ctl_neigh_table table;
	bool stale = false;
	uint32_t slot;
	uint64_t t = T0;

	(void)state;
	one_setup(&table);
	cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_a, T0, &slot);
	while (!stale)
		t = next_ask(&table, t, &stale);
	assert_int_equal(cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_b, t, &slot),
			 CTL_NEIGH_CHANGED);
	cv_ctl_neigh_fini(&table);
}

static void unsent_request_is_due_again_and_does_not_count(void **state)
{
	struct ctl_neigh_table table;
	uint32_t slot;
	bool stale;
	uint64_t t;

	(void)state;
	one_setup(&table);
	cv_ctl_neigh_hear(&table, 3, cv_be32(0x0a000005), mac_a, T0, &slot);
	t = next_ask(&table, T0, NULL);
	for (int i = 0; i < 10; i++) {
		cv_ctl_neigh_unasked(&table, 0, t);
		assert_int_equal(due_one(&table, t, &stale), 0);
		assert_false(stale);
	}
	assert_int_equal(table.items[0].tries, 1);
	cv_ctl_neigh_fini(&table);
}

static void few_places_serve_every_slot_in_turn(void **state)
{
	struct cv_plan_neigh wants[100];
	struct ctl_neigh_table table = {0};
	struct ctl_neigh_ask asks[7];
	uint8_t seen[100] = {0};
	uint32_t pos = 0, total = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		wants[i] = want_get((uint16_t)(i % 3), 0x0a000000 + i);
	update(&table, wants, 100, T0);
	for (int round = 0; round < 20; round++) {
		uint32_t n = cv_ctl_neigh_due(&table, T0, &pos, asks, 7);

		for (uint32_t i = 0; i < n; i++)
			seen[asks[i].slot]++;
		total += n;
	}
	assert_int_equal(total, 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal(seen[i], 1);
	cv_ctl_neigh_fini(&table);
}

static void update_keeps_what_is_known_and_forgets_the_rest(void **state)
{
	struct cv_plan_neigh wants[4] = {want_get(1, 1), want_get(1, 2), {0}, want_get(2, 1)};
	struct ctl_neigh_table table = {0};
	uint32_t slot, pos = 0;
	struct ctl_neigh_ask asks[8];

	(void)state;
	update(&table, wants, 4, T0);
	assert_int_equal(cv_ctl_neigh_due(&table, T0, &pos, asks, 8), 3);
	assert_int_equal(cv_ctl_neigh_find(&table, 2, cv_be32(1)), 3);
	assert_int_equal(cv_ctl_neigh_find(&table, 0, 0), UINT32_MAX);
	cv_ctl_neigh_hear(&table, 1, cv_be32(1), mac_a, T0, &slot);
	cv_ctl_neigh_hear(&table, 1, cv_be32(2), mac_a, T0, &slot);
	/* Slot 0 stays, slot 1 becomes another, slot 2 comes into use, slot 3 goes. */
	wants[0].sender = cv_be32(77);
	wants[1] = want_get(1, 9);
	wants[2] = want_get(1, 2);
	wants[3].used = false;
	update(&table, wants, 4, T0 + 10);
	assert_int_equal(table.items[0].state, CTL_NEIGH_REACHABLE);
	assert_int_equal(table.items[0].sender, cv_be32(77));
	assert_memory_equal(table.items[0].mac, mac_a, 6);
	assert_int_equal(table.items[1].state, CTL_NEIGH_UNRESOLVED);
	assert_int_equal(table.items[2].state, CTL_NEIGH_UNRESOLVED);
	assert_int_equal(table.items[3].state, CTL_NEIGH_UNUSED);
	assert_int_equal(cv_ctl_neigh_find(&table, 2, cv_be32(1)), UINT32_MAX);
	assert_int_equal(cv_ctl_neigh_find(&table, 1, cv_be32(9)), 1);
	assert_int_equal(cv_ctl_neigh_due(&table, T0 + 10, &pos, asks, 8), 2);
	/* A VPC slot that is another now is another neighbour. */
	wants[0].vpc = 2;
	update(&table, wants, 1, T0 + 20);
	assert_int_equal(table.items[0].state, CTL_NEIGH_UNRESOLVED);
	update(&table, NULL, 0, T0 + 30);
	assert_int_equal(cv_ctl_neigh_find(&table, 2, cv_be32(1)), UINT32_MAX);
	assert_int_equal(cv_ctl_neigh_due(&table, T0 + 99999, &pos, asks, 8), 0);
	cv_ctl_neigh_fini(&table);
}

static void ten_thousand_are_found_and_do_not_refresh_together(void **state)
{
	enum { N = 10000 };
	struct cv_plan_neigh *wants = calloc(N, sizeof(*wants));
	struct ctl_neigh_ask *asks = calloc(N, sizeof(*asks));
	struct ctl_neigh_table table = {0};
	uint32_t slot, pos = 0, most = 0, total = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++)
		wants[i] = want_get((uint16_t)(i & 1), 0x0a000000 + i / 2);
	update(&table, wants, N, T0);
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(cv_ctl_neigh_find(&table, wants[i].vpc, wants[i].ip), i);
		cv_ctl_neigh_hear(&table, wants[i].vpc, wants[i].ip, mac_a, T0, &slot);
	}
	for (uint64_t t = T0; t <= T0 + CTL_NEIGH_REFRESH_MS; t += 100) {
		uint32_t n = cv_ctl_neigh_due(&table, t, &pos, asks, N);

		for (uint32_t i = 0; i < n; i++) {
			struct ctl_neigh *neigh = &table.items[asks[i].slot];

			cv_ctl_neigh_hear(&table, neigh->vpc, neigh->ip, mac_a, t, &slot);
		}
		total += n;
		most = n > most ? n : most;
	}
	assert_int_equal(total, N);
	assert_true(most < N / 20);
	cv_ctl_neigh_fini(&table);
	free(wants);
	free(asks);
}

static void states_have_names(void **state)
{
	(void)state;
	assert_string_equal(cv_ctl_neigh_state_str(CTL_NEIGH_UNUSED), "unused");
	assert_string_equal(cv_ctl_neigh_state_str(CTL_NEIGH_UNRESOLVED), "unresolved");
	assert_string_equal(cv_ctl_neigh_state_str(CTL_NEIGH_REACHABLE), "reachable");
	assert_string_equal(cv_ctl_neigh_state_str(CTL_NEIGH_STALE), "stale");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unresolved_is_asked_at_once_then_ever_slower),
		cmocka_unit_test(answer_is_new_then_same_then_changed),
		cmocka_unit_test(neighbour_that_answers_every_time_never_goes_stale),
		cmocka_unit_test(full_ring_starves_no_slot),
		cmocka_unit_test(strangers_and_group_addresses_are_not_learned),
		cmocka_unit_test(known_is_refreshed_about_every_30_s),
		cmocka_unit_test(silent_neighbour_goes_stale_after_three_tries_and_comes_back),
		cmocka_unit_test(stale_with_another_mac_is_a_change),
		cmocka_unit_test(unsent_request_is_due_again_and_does_not_count),
		cmocka_unit_test(few_places_serve_every_slot_in_turn),
		cmocka_unit_test(update_keeps_what_is_known_and_forgets_the_rest),
		cmocka_unit_test(ten_thousand_are_found_and_do_not_refresh_together),
		cmocka_unit_test(states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
