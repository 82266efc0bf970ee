/* SPDX-License-Identifier: BSD-3-Clause */

/* Health: what survives a reload. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "health_world.h"

static void a_reload_keeps_states_and_counts(void **state)
{
	struct cv_health_change change;
	struct cv_model *before;
	unsigned int n_failed = 0;

	(void)state;
	one_target();
	answer(CV_HEALTH_OK, 0, &change);
	assert_false(answer(CV_HEALTH_FAILED, 0, &change));
	before = m;
	region_make();
	target("10.0.1.20"); /* the order changes */
	target("10.0.1.21");
	rebuild(before);
	assert_int_equal(state_of(0, 0), CV_MODEL_TARGET_INITIAL);
	assert_int_equal(state_of(1, 0), CV_MODEL_TARGET_HEALTHY);
	for (int i = 0; i < 20 && state_of(1, 0) == CV_MODEL_TARGET_HEALTHY; i++) {
		struct cv_health_info info, after;

		cv_health_zone_get(health, 0, 1, 0, &info);
		answer(CV_HEALTH_FAILED, 0, &change);
		cv_health_zone_get(health, 0, 1, 0, &after);
		n_failed += after.checked_ms != info.checked_ms;
	}
	/* The one failure before and one after. */
	assert_int_equal(n_failed, 1);
	assert_int_equal(change.target, 1);
	assert_int_equal(change.to, CV_MODEL_TARGET_UNHEALTHY);
}

static void a_result_that_comes_after_a_reload_counts(void **state)
{
	struct cv_health_change change;
	struct cv_health_probe probe;
	struct cv_health_result result = {.outcome = CV_HEALTH_OK};
	struct cv_model *before;

	(void)state;
	one_target();
	now = cv_health_next_ms(health);
	assert_int_equal(cv_health_due(health, now, &probe, 1), 1);
	result.key = probe.key;
	result.turn = probe.turn;
	before = m;
	region_make();
	target("10.0.1.21");
	rebuild(before);
	assert_true(cv_health_take(health, &result, now, &change));
	assert_false(cv_health_take(health, &result, now, &change));
}

static void another_question_keeps_the_state_and_forgets_the_counts(void **state)
{
	struct cv_health_change change;
	struct cv_health_probe probe;
	struct cv_health_result late = {.outcome = CV_HEALTH_FAILED};
	struct cv_model *before;

	(void)state;
	one_target();
	answer(CV_HEALTH_OK, 0, &change);
	assert_false(answer(CV_HEALTH_FAILED, 0, &change));
	now = cv_health_next_ms(health);
	assert_int_equal(cv_health_due(health, now, &probe, 1), 1);
	late.key = probe.key;
	late.turn = probe.turn;
	before = m;
	check_req.protocol = CV_MODEL_CHECK_HTTP;
	region_make();
	target("10.0.1.21");
	rebuild(before);
	expect(CV_MODEL_TARGET_HEALTHY, NULL, NULL);
	assert_int_equal(cv_health_next_ms(health), now); /* asked at once */
	assert_false(cv_health_take(health, &late, now, &change));
	assert_false(answer(CV_HEALTH_CODE, 500, &change));
	assert_true(answer(CV_HEALTH_CODE, 500, &change));
}

static void checks_that_are_switched_on_begin_anew(void **state)
{
	struct cv_health_change change;
	struct cv_model *before;

	(void)state;
	one_target();
	answer(CV_HEALTH_OK, 0, &change);
	for (int i = 0; i < 2; i++) {
		check_req.enabled = i == 1;
		before = m;
		region_make();
		target("10.0.1.21");
		rebuild(before);
		expect(i == 0 ? CV_MODEL_TARGET_UNAVAILABLE : CV_MODEL_TARGET_INITIAL,
		       i == 0 ? "Target.HealthCheckDisabled" : "Elb.RegistrationInProgress",
		       i == 0 ? "Health checks are disabled"
			      : "Target registration is in progress");
	}
}

/* The same region once more, as a reload makes it. */
static void reload(void)
{
	struct cv_model *before = m;

	region_make();
	target("10.0.1.21");
	rebuild(before);
}

static void a_reload_keeps_why_and_when(void **state)
{
	struct cv_health_change change;
	struct cv_health_info info;
	uint64_t failed_ms, next_ms;

	(void)state;
	drain = (struct cv_model_drain){.unhealthy_seconds = 7};
	one_target();
	answer(CV_HEALTH_OK, 0, &change);
	assert_false(answer(CV_HEALTH_FAILED, 0, &change));
	assert_true(answer(CV_HEALTH_FAILED, 0, &change));
	failed_ms = now;
	next_ms = cv_health_next_ms(health);
	assert_int_equal(next_ms, failed_ms + 7 * SECOND);
	for (int i = 0; i < 3; i++) {
		now += SECOND;
		reload();
		assert_int_equal(cv_health_next_ms(health), next_ms);
		cv_health_zone_get(health, 0, 0, 0, &info);
		assert_int_equal(info.state, CV_MODEL_TARGET_UNHEALTHY_DRAINING);
		assert_int_equal(info.checked_ms, failed_ms);
		assert_string_equal(info.text, "why");
	}
	assert_false(cv_health_tick(health, next_ms - 1, &change));
	assert_true(cv_health_tick(health, next_ms, &change));
	assert_false(cv_health_tick(health, next_ms, &change));
	next_ms = cv_health_next_ms(health);
	reload();
	assert_int_equal(cv_health_next_ms(health), next_ms);
	/* Two of five that it takes; the reload between them does not count. */
	assert_false(answer(CV_HEALTH_OK, 0, &change));
	cv_health_get(health, 0, 0, &info);
	assert_null(info.text);
	reload();
	cv_health_get(health, 0, 0, &info);
	assert_null(info.text);
	for (int i = 0; i < 3; i++)
		assert_false(answer(CV_HEALTH_OK, 0, &change));
	assert_true(answer(CV_HEALTH_OK, 0, &change));
}

static void a_reload_keeps_that_checks_have_begun(void **state)
{
	struct cv_health_change change;

	(void)state;
	one_target();
	assert_false(answer(CV_HEALTH_FAILED, 0, &change));
	reload();
	expect(CV_MODEL_TARGET_INITIAL, "Elb.InitialHealthChecking",
	       "Initial health checks in progress");
	assert_true(answer(CV_HEALTH_FAILED, 0, &change));
}

static void a_node_that_may_use_a_target_now_begins_anew(void **state)
{
	struct cv_health_change change;

	(void)state;
	one_target();
	answer(CV_HEALTH_OK, 0, &change);
	assert_int_equal(state_of(0, 1), CV_MODEL_TARGET_UNUSED);
	cross_zone = CV_MODEL_CROSS_ZONE_ON;
	reload();
	assert_int_equal(state_of(0, 0), CV_MODEL_TARGET_HEALTHY);
	assert_int_equal(state_of(0, 1), CV_MODEL_TARGET_INITIAL);
}

#define MANY 120

static enum cv_model_target_state many_state(uint32_t host)
{
	static const enum cv_model_target_state states[] = {
		CV_MODEL_TARGET_HEALTHY, CV_MODEL_TARGET_UNHEALTHY, CV_MODEL_TARGET_INITIAL};

	return states[host % CV_ARRAY_LEN(states)];
}

/* Two checks of each target, but those that stay as they were at first. */
static void many_answer(void)
{
	struct cv_health_probe probes[2 * MANY];
	struct cv_health_change change;

	for (int round = 0; round < 2; round++) {
		now += 60 * SECOND;
		assert_int_equal(cv_health_due(health, now, probes, 2 * MANY), 2 * MANY);
		for (uint32_t i = 0; i < 2 * MANY; i++) {
			enum cv_model_target_state want = many_state(1 + probes[i].target);
			const struct cv_health_result result = {
				.key = probes[i].key,
				.turn = want == CV_MODEL_TARGET_INITIAL && round > 0
						? probes[i].turn + 1
						: probes[i].turn,
				.outcome = want == CV_MODEL_TARGET_HEALTHY ? CV_HEALTH_OK
									   : CV_HEALTH_FAILED,
			};

			cv_health_take(health, &result, now, &change);
		}
	}
}

static void many_add(uint32_t host)
{
	char addr[32];

	snprintf(addr, sizeof(addr), "10.0.200.%u", host);
	no_error(add_target("web", addr, 80, "all"));
}

static void states_follow_their_targets_to_any_place(void **state)
{
	const struct cv_model_target *targets;
	struct cv_model *before;

	(void)state;
	region_make();
	for (uint32_t host = 1; host <= MANY; host++)
		many_add(host);
	rebuild(NULL);
	many_answer();
	before = m;
	region_make();
	/* The other way round, every seventh gone, and new ones between. */
	for (uint32_t host = MANY; host > 0; host--) {
		if (host % 7 != 0)
			many_add(host);
		if (host % 10 == 0)
			many_add(MANY + host);
	}
	rebuild(before);
	targets = m->tgs[0].targets;
	for (uint32_t i = 0; i < m->tgs[0].n_targets; i++) {
		uint32_t host = cv_be32_host(targets[i].ip) & 0xff;

		for (uint32_t zone = 0; zone < 2; zone++)
			assert_int_equal(state_of(i, zone),
					 host > MANY ? CV_MODEL_TARGET_INITIAL : many_state(host));
	}
}

/* A probe is on its way while checks are switched off and on again: its answer is not the new one's. */
static void a_result_from_before_checks_were_off_is_too_late(void **state)
{
	struct cv_health_result late = {.outcome = CV_HEALTH_OK};
	struct cv_health_change change;
	struct cv_health_probe probe;

	(void)state;
	one_target();
	now = cv_health_next_ms(health);
	assert_int_equal(cv_health_due(health, now, &probe, 1), 1);
	late.key = probe.key;
	late.turn = probe.turn;
	check_req.enabled = false;
	reload();
	assert_false(cv_health_take(health, &late, now, &change));
	check_req.enabled = true;
	reload();
	now = cv_health_next_ms(health);
	assert_int_equal(cv_health_due(health, now, &probe, 1), 1);
	assert_int_equal(probe.key, late.key);
	assert_false(cv_health_take(health, &late, now, &change));
	late.turn = probe.turn;
	assert_true(cv_health_take(health, &late, now, &change));
}

/* Groups with checks beside groups without: each is told apart, whatever stands before it. */
static void groups_without_checks_have_none(void **state)
{
	struct cv_model_tg_req off = {.name = "off", .vpc = "prov", .port = 80};
	struct cv_health_probe probes[8];
	struct cv_health_info info;

	(void)state;
	region_make();
	no_error(cv_model_tg_add(m, &off, &errs));
	no_error(add_listener("nlb", 81, "off", 350));
	no_error(add_tg("on", "prov"));
	no_error(add_listener("nlb", 82, "on", 350));
	target("10.0.1.21");
	no_error(add_target("off", "10.0.1.22", 80, NULL));
	no_error(add_target("off", "10.0.3.22", 80, NULL));
	no_error(add_target("on", "10.0.1.23", 80, NULL));
	m->tgs[2].check = m->tgs[0].check;
	rebuild(NULL);
	assert_int_equal(all_due(probes, 8), 2);
	assert_int_equal(probes[0].tg + probes[1].tg, 2);
	assert_int_not_equal(probes[0].tg, probes[1].tg);
	assert_int_equal(cv_health_state(health, 1, 0, 0), CV_MODEL_TARGET_UNAVAILABLE);
	assert_int_equal(cv_health_state(health, 1, 0, 1), CV_MODEL_TARGET_UNUSED);
	assert_int_equal(cv_health_state(health, 1, 0, CV_MODEL_NONE), CV_MODEL_TARGET_UNAVAILABLE);
	assert_int_equal(cv_health_state(health, 1, 1, CV_MODEL_NONE), CV_MODEL_TARGET_UNUSED);
	cv_health_get(health, 1, 0, &info);
	assert_string_equal(info.reason, "Target.HealthCheckDisabled");
	cv_health_get(health, 1, 1, &info);
	assert_string_equal(info.reason, "Target.NotInUse");
	assert_int_equal(cv_health_state(health, 2, 0, 0), CV_MODEL_TARGET_INITIAL);
}

static void a_shorter_interval_holds_at_once(void **state)
{
	struct cv_health_change change;
	struct cv_model *before;

	(void)state;
	check_req.interval_s = 300;
	one_target();
	answer(CV_HEALTH_OK, 0, &change);
	check_req.interval_s = 10;
	before = m;
	region_make();
	target("10.0.1.21");
	rebuild(before);
	assert_true(cv_health_next_ms(health) <= now + 10 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_reload_keeps_states_and_counts),
		T(a_result_that_comes_after_a_reload_counts),
		T(another_question_keeps_the_state_and_forgets_the_counts),
		T(checks_that_are_switched_on_begin_anew),
		T(a_reload_keeps_why_and_when),
		T(a_reload_keeps_that_checks_have_begun),
		T(a_node_that_may_use_a_target_now_begins_anew),
		T(states_follow_their_targets_to_any_place),
		T(a_result_from_before_checks_were_off_is_too_late),
		T(groups_without_checks_have_none),
		T(a_shorter_interval_holds_at_once),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
