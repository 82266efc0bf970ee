/* SPDX-License-Identifier: BSD-3-Clause */

/* Health: thresholds, transitions, schedule. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "health_world.h"

static void a_new_target_is_registered_then_checked(void **state)
{
	struct cv_health_change change;

	(void)state;
	one_target();
	expect(CV_MODEL_TARGET_INITIAL, "Elb.RegistrationInProgress",
	       "Target registration is in progress");
	assert_false(answer(CV_HEALTH_FAILED, 0, &change));
	expect(CV_MODEL_TARGET_INITIAL, "Elb.InitialHealthChecking",
	       "Initial health checks in progress");
}

static void the_first_success_is_enough(void **state)
{
	struct cv_health_change change;

	(void)state;
	for (uint32_t n_failed = 0; n_failed < 2; n_failed++) {
		check_req.n_healthy = 10;
		check_req.n_unhealthy = 2;
		one_target();
		for (uint32_t i = 0; i < n_failed; i++)
			assert_false(answer(CV_HEALTH_FAILED, 0, &change));
		assert_true(answer(CV_HEALTH_OK, 0, &change));
		assert_int_equal(change.from, CV_MODEL_TARGET_INITIAL);
		assert_int_equal(change.to, CV_MODEL_TARGET_HEALTHY);
		assert_int_equal(change.tg, 0);
		assert_int_equal(change.target, 0);
		assert_int_equal(change.node, 0);
		assert_int_equal(change.lb, 0);
		expect(CV_MODEL_TARGET_HEALTHY, NULL, NULL);
		teardown(NULL);
	}
}

/* Every pair of thresholds: exactly so many in a row, and one of the other kind begins anew. */
static void thresholds_are_exact_and_in_a_row(void **state)
{
	struct cv_health_change change;

	(void)state;
	for (uint32_t up = 2; up <= 10; up++) {
		for (uint32_t down = 2; down <= 10; down++) {
			check_req.n_healthy = up;
			check_req.n_unhealthy = down;
			one_target();
			answer(CV_HEALTH_OK, 0, &change);
			for (uint32_t i = 0; i + 1 < down; i++)
				assert_false(answer(CV_HEALTH_TIMEOUT, 0, &change));
			assert_false(answer(CV_HEALTH_OK, 0, &change));
			for (uint32_t i = 0; i + 1 < down; i++)
				assert_false(answer(CV_HEALTH_FAILED, 0, &change));
			assert_true(answer(CV_HEALTH_FAILED, 0, &change));
			assert_int_equal(change.to, CV_MODEL_TARGET_UNHEALTHY);
			expect(CV_MODEL_TARGET_UNHEALTHY, "Target.FailedHealthChecks",
			       "Health checks failed");
			for (uint32_t i = 0; i + 1 < up; i++)
				assert_false(answer(CV_HEALTH_OK, 0, &change));
			assert_false(answer(CV_HEALTH_FAILED, 0, &change));
			for (uint32_t i = 0; i + 1 < up; i++)
				assert_false(answer(CV_HEALTH_OK, 0, &change));
			assert_true(answer(CV_HEALTH_OK, 0, &change));
			assert_int_equal(change.from, CV_MODEL_TARGET_UNHEALTHY);
			expect(CV_MODEL_TARGET_HEALTHY, NULL, NULL);
			teardown(NULL);
		}
	}
}

static void a_new_target_needs_the_threshold_to_be_unhealthy(void **state)
{
	struct cv_health_change change;

	(void)state;
	check_req.n_unhealthy = 3;
	one_target();
	assert_false(answer(CV_HEALTH_FAILED, 0, &change));
	assert_false(answer(CV_HEALTH_FAILED, 0, &change));
	assert_true(answer(CV_HEALTH_FAILED, 0, &change));
	assert_int_equal(change.from, CV_MODEL_TARGET_INITIAL);
	assert_int_equal(change.to, CV_MODEL_TARGET_UNHEALTHY);
}

static void the_matcher_tells_which_codes_are_success(void **state)
{
	struct cv_health_change change;
	struct cv_health_info info;

	(void)state;
	check_req.protocol = CV_MODEL_CHECK_HTTP;
	check_req.matcher = "204,301-303";
	one_target();
	assert_false(answer(CV_HEALTH_CODE, 200, &change));
	cv_health_zone_get(health, 0, 0, 0, &info);
	assert_string_equal(info.text, "HTTP code 200, not 204,301-303");
	assert_int_equal(info.checked_ms, now);
	assert_true(answer(CV_HEALTH_CODE, 302, &change));
	cv_health_zone_get(health, 0, 0, 0, &info);
	assert_null(info.text);
	assert_false(answer(CV_HEALTH_CODE, 204, &change));
	assert_false(answer(CV_HEALTH_CODE, 304, &change));
	assert_true(answer(CV_HEALTH_CODE, 300, &change));
	assert_int_equal(change.to, CV_MODEL_TARGET_UNHEALTHY);
}

static void codes_are_told_by_each_matcher(void **state)
{
	static const struct {
		const char *matcher;
		uint32_t code;
		bool is;
	} cases[] = {
		{"200", 200, true},         {"200", 201, false},        {"200", 199, false},
		{"200-399", 200, true},     {"200-399", 399, true},     {"200-399", 400, false},
		{"200-399", 199, false},    {"200,404", 404, true},     {"200,404", 300, false},
		{"201,300-301", 201, true}, {"201,300-301", 300, true}, {"201,300-301", 302, false},
		{"599", 599, true},
	};
	static const char *const bad[] = {"",     "20",          "2000", "199",    "600",
					  "200-", "-200",        "200,", ",200",   "399-200",
					  "200 ", "200-300-400", "2x0",  "200;201"};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		assert_true(cv_model_matcher_is(cases[i].matcher));
		assert_int_equal(cv_model_matcher_has(cases[i].matcher, cases[i].code),
				 cases[i].is);
	}
	for (size_t i = 0; i < CV_ARRAY_LEN(bad); i++)
		assert_false(cv_model_matcher_is(bad[i]));
}

static void what_we_cannot_check_is_not_the_targets_fault(void **state)
{
	struct cv_health_change change;

	(void)state;
	one_target();
	assert_false(answer(CV_HEALTH_INTERNAL, 0, &change));
	assert_true(answer(CV_HEALTH_INTERNAL, 0, &change));
	expect(CV_MODEL_TARGET_UNAVAILABLE, "Elb.InternalError",
	       "Health checks failed due to an internal error");
	assert_true(answer(CV_HEALTH_OK, 0, &change));
	for (int i = 0; i < 300; i++)
		assert_false(answer(CV_HEALTH_INTERNAL, 0, &change));
	expect(CV_MODEL_TARGET_HEALTHY, NULL, NULL);
	assert_false(answer(CV_HEALTH_FAILED, 0, &change));
	assert_false(answer(CV_HEALTH_INTERNAL, 0, &change));
	assert_true(answer(CV_HEALTH_FAILED, 0, &change));
	assert_false(answer(CV_HEALTH_INTERNAL, 0, &change));
	expect(CV_MODEL_TARGET_UNHEALTHY, "Target.FailedHealthChecks", "Health checks failed");
}

static void an_unhealthy_target_drains(void **state)
{
	struct cv_health_change change;
	uint64_t until;

	(void)state;
	drain = (struct cv_model_drain){.unhealthy_seconds = 100};
	check_req.interval_s = 300;
	one_target();
	answer(CV_HEALTH_OK, 0, &change);
	assert_false(answer(CV_HEALTH_FAILED, 0, &change));
	assert_true(answer(CV_HEALTH_FAILED, 0, &change));
	assert_int_equal(change.to, CV_MODEL_TARGET_UNHEALTHY_DRAINING);
	expect(CV_MODEL_TARGET_UNHEALTHY_DRAINING, "Target.FailedHealthChecks",
	       "Health checks failed");
	until = now + 100 * SECOND;
	assert_int_equal(cv_health_next_ms(health), until);
	assert_false(cv_health_tick(health, until - 1, &change));
	assert_true(cv_health_tick(health, until, &change));
	assert_int_equal(change.from, CV_MODEL_TARGET_UNHEALTHY_DRAINING);
	assert_int_equal(change.to, CV_MODEL_TARGET_UNHEALTHY);
	assert_false(cv_health_tick(health, until, &change));
	assert_true(cv_health_next_ms(health) > until);
}

/* A round of checks in which all targets are well or not. @param other one that is not like them */
static void all_answer(bool ok, uint32_t other)
{
	struct cv_health_change change;
	struct cv_health_probe probes[8];
	uint32_t n = all_due(probes, 8);

	assert_int_equal(n, 3);
	for (uint32_t i = 0; i < n; i++) {
		const struct cv_health_result result = {.key = probes[i].key,
							.turn = probes[i].turn,
							.outcome = ok != (probes[i].target == other)
									   ? CV_HEALTH_OK
									   : CV_HEALTH_FAILED};

		(void)cv_health_take(health, &result, now, &change);
	}
	now += 60 * SECOND;
}

/* The targets whose drains are over by now, as they are told. */
static void expect_ends(const uint32_t *idx, uint32_t n)
{
	struct cv_health_change change;

	for (uint32_t i = 0; i < n; i++) {
		assert_true(cv_health_tick(health, now, &change));
		assert_int_equal(change.target, idx[i]);
		assert_int_equal(change.to, CV_MODEL_TARGET_UNHEALTHY);
	}
}

/* With many targets it matters that the search does not begin anew for each. */
static void ends_of_drains_are_told_in_one_search(void **state)
{
	struct cv_health_change change;

	(void)state;
	drain = (struct cv_model_drain){.unhealthy_seconds = 1};
	check_req.n_healthy = 2;
	region_make();
	target("10.0.1.21");
	target("10.0.1.22");
	target("10.0.1.23");
	rebuild(NULL);
	all_answer(true, CV_MODEL_NONE);
	all_answer(false, CV_MODEL_NONE);
	all_answer(false, CV_MODEL_NONE);
	expect_ends((const uint32_t[]){0}, 1);
	/* The first begins another drain, which is over, too, before the search comes to its end. */
	all_answer(false, 0);
	all_answer(false, 0);
	assert_int_equal(state_of(0, 0), CV_MODEL_TARGET_HEALTHY);
	all_answer(false, CV_MODEL_NONE);
	all_answer(false, CV_MODEL_NONE);
	expect_ends((const uint32_t[]){1, 2}, 2);
	assert_false(cv_health_tick(health, now, &change));
	expect_ends((const uint32_t[]){0}, 1);
	assert_false(cv_health_tick(health, now, &change));
	assert_false(cv_health_tick(health, now, &change));
}

static void a_draining_target_may_return(void **state)
{
	struct cv_health_change change;

	(void)state;
	drain = (struct cv_model_drain){.unhealthy_seconds = 100000};
	check_req.n_healthy = 2;
	one_target();
	answer(CV_HEALTH_OK, 0, &change);
	answer(CV_HEALTH_FAILED, 0, &change);
	assert_true(answer(CV_HEALTH_FAILED, 0, &change));
	rebuild(NULL);
	assert_false(answer(CV_HEALTH_OK, 0, &change));
	assert_true(answer(CV_HEALTH_OK, 0, &change));
	assert_int_equal(change.from, CV_MODEL_TARGET_UNHEALTHY_DRAINING);
	assert_int_equal(change.to, CV_MODEL_TARGET_HEALTHY);
	assert_false(cv_health_tick(health, now + 200000 * SECOND, &change));
}

/* ---- who checks whom ---- */

static void a_node_checks_the_targets_of_its_zone(void **state)
{
	struct cv_health_probe probes[8];
	struct cv_health_info info;

	(void)state;
	region_make();
	target("10.0.1.21");
	target("10.0.2.22");
	target("10.0.3.23");
	no_error(add_target("web", "10.0.200.1", 8080, "all"));
	rebuild(NULL);
	assert_int_equal(all_due(probes, 8), 4);
	assert_int_equal(state_of(0, 0), CV_MODEL_TARGET_INITIAL);
	assert_int_equal(state_of(0, 1), CV_MODEL_TARGET_UNUSED);
	assert_int_equal(state_of(0, 2), CV_MODEL_TARGET_UNUSED);
	assert_int_equal(state_of(1, 1), CV_MODEL_TARGET_INITIAL);
	assert_int_equal(state_of(2, 0), CV_MODEL_TARGET_UNUSED);
	assert_int_equal(state_of(3, 0), CV_MODEL_TARGET_INITIAL);
	assert_int_equal(state_of(3, 1), CV_MODEL_TARGET_INITIAL);
	assert_int_equal(state_of(2, CV_MODEL_NONE), CV_MODEL_TARGET_UNUSED);
	cv_health_get(health, 0, 2, &info);
	assert_string_equal(info.reason, "Target.NotInUse");
	assert_string_equal(info.description, "Target is in an Availability Zone that is not "
					      "enabled for the load balancer");
}

static void across_zones_each_node_checks_all_in_its_load_balancers_zones(void **state)
{
	struct cv_health_probe probes[8];

	(void)state;
	cross_zone = CV_MODEL_CROSS_ZONE_ON;
	check_req.port = 9000;
	region_make();
	target("10.0.1.21");
	target("10.0.2.22");
	target("10.0.3.23");
	rebuild(NULL);
	assert_int_equal(all_due(probes, 8), 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(probes[i].port, 9000);
	assert_int_equal(state_of(0, 1), CV_MODEL_TARGET_INITIAL);
	assert_int_equal(state_of(2, 0), CV_MODEL_TARGET_UNUSED);
}

static void a_group_without_load_balancer_is_not_in_use(void **state)
{
	struct cv_health_info info;

	(void)state;
	region_make();
	no_error(add_tg("idle", "prov"));
	no_error(add_target("idle", "10.0.1.30", 80, NULL));
	rebuild(NULL);
	cv_health_get(health, 1, 0, &info);
	assert_int_equal(info.state, CV_MODEL_TARGET_UNUSED);
	assert_string_equal(info.reason, "Target.NotInUse");
	assert_string_equal(info.description, "Target group is not configured to receive traffic "
					      "from the load balancer");
	assert_int_equal(cv_health_next_ms(health), UINT64_MAX);
}

static void without_checks_nothing_is_known(void **state)
{
	(void)state;
	check_req.enabled = false;
	one_target();
	expect(CV_MODEL_TARGET_UNAVAILABLE, "Target.HealthCheckDisabled",
	       "Health checks are disabled");
	assert_int_equal(cv_health_next_ms(health), UINT64_MAX);
}

/* Answers of the two nodes of a target that both check, and what they say together. */
static void nodes_decide_together(void **state)
{
	static const enum cv_model_target_state H = CV_MODEL_TARGET_HEALTHY;
	static const enum cv_model_target_state U = CV_MODEL_TARGET_UNHEALTHY;
	static const enum cv_model_target_state I = CV_MODEL_TARGET_INITIAL;
	const enum cv_model_target_state cases[][3] = {{I, I, I}, {H, I, H}, {U, I, U},
						       {H, H, H}, {H, U, H}, {U, U, U}};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct cv_health_change change;
		struct cv_health_probe probes[2];

		region_make();
		no_error(add_target("web", "10.0.200.1", 80, "all"));
		rebuild(NULL);
		for (int round = 0; round < 2; round++) {
			now += 60 * SECOND;
			assert_int_equal(cv_health_due(health, now, probes, 2), 2);
			for (int k = 0; k < 2; k++) {
				enum cv_model_target_state want = cases[i][probes[k].node];
				struct cv_health_result result = {
					.key = probes[k].key,
					.turn = probes[k].turn,
					.outcome = want == H ? CV_HEALTH_OK : CV_HEALTH_FAILED,
				};

				if (want == I && round > 0)
					result.turn++; /* lost on the way */
				cv_health_take(health, &result, now, &change);
			}
		}
		assert_int_equal(state_of(0, 0), cases[i][0]);
		assert_int_equal(state_of(0, 1), cases[i][1]);
		assert_int_equal(state_of(0, CV_MODEL_NONE), cases[i][2]);
		teardown(NULL);
	}
}

/* Both nodes of a target that both check hear the same. */
static void both_answer(enum cv_health_outcome outcome)
{
	struct cv_health_change change;
	struct cv_health_probe probes[2];

	now += 60 * SECOND;
	assert_int_equal(cv_health_due(health, now, probes, 2), 2);
	for (int i = 0; i < 2; i++)
		(void)cv_health_take(health,
				     &(struct cv_health_result){.key = probes[i].key,
								.turn = probes[i].turn,
								.outcome = outcome},
				     now, &change);
}

static void nodes_drain_a_target_together(void **state)
{
	struct cv_health_change change;
	struct cv_health_info info;

	(void)state;
	drain = (struct cv_model_drain){.unhealthy_seconds = 100};
	region_make();
	no_error(add_target("web", "10.0.200.1", 80, "all"));
	rebuild(NULL);
	both_answer(CV_HEALTH_OK);
	both_answer(CV_HEALTH_FAILED);
	both_answer(CV_HEALTH_FAILED);
	cv_health_get(health, 0, 0, &info);
	assert_int_equal(info.state, CV_MODEL_TARGET_UNHEALTHY_DRAINING);
	assert_string_equal(info.reason, "Target.FailedHealthChecks");
	now += 100 * SECOND;
	assert_true(cv_health_tick(health, now, &change));
	assert_int_equal(state_of(0, !change.node), CV_MODEL_TARGET_UNHEALTHY_DRAINING);
	assert_int_equal(state_of(0, CV_MODEL_NONE), CV_MODEL_TARGET_UNHEALTHY);
}

/* ---- schedule ---- */

static void many_targets(uint32_t n)
{
	region_make();
	for (uint32_t i = 0; i < n; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.%u.%u", 100 + i / 250, 1 + i % 250);
		no_error(add_target("web", addr, 80, "use1-az1"));
	}
	rebuild(NULL);
}

static void checks_are_spread_and_regular(void **state)
{
	static const uint32_t n = 5000;
	struct cv_health_probe probes[256];
	struct cv_health_result result = {.outcome = CV_HEALTH_OK};
	uint32_t *counts = calloc(n, sizeof(*counts)), worst = 0;
	uint64_t *last = calloc(n, sizeof(*last));
	uint64_t begin = now;

	(void)state;
	many_targets(n);
	for (; now < begin + 300 * SECOND; now += 100) {
		uint32_t n_due, burst = 0;

		while ((n_due = cv_health_due(health, now, probes, 256)) > 0) {
			burst += n_due;
			for (uint32_t i = 0; i < n_due; i++) {
				struct cv_health_change change;
				uint64_t *at = &last[probes[i].target];

				/* After the second check, on the dot. */
				if (counts[probes[i].target] >= 2)
					assert_in_range(now - *at, 29900, 30100);
				else if (counts[probes[i].target] == 1)
					assert_in_range(now - *at, 14900, 45100);
				*at = now;
				counts[probes[i].target]++;
				result.key = probes[i].key;
				result.turn = probes[i].turn;
				cv_health_take(health, &result, now, &change);
			}
		}
		worst = burst > worst ? burst : worst;
		/* The first checks of all take 5 s. */
		if (now == begin + 5100)
			for (uint32_t i = 0; i < n; i++)
				assert_true(counts[i] >= 1);
	}
	for (uint32_t i = 0; i < n; i++)
		assert_in_range(counts[i], 10, 11);
	/* 5000 in 5 s at first are 100 in 100 ms, by chance up to half as many more. */
	assert_in_range(worst, 50, 160);
	free(counts);
	free(last);
}

static void a_probe_that_is_not_answered_is_not_made_twice(void **state)
{
	struct cv_health_probe probe, again;
	struct cv_health_change change;
	struct cv_health_result result = {.outcome = CV_HEALTH_OK};

	(void)state;
	one_target();
	now = cv_health_next_ms(health);
	assert_int_equal(cv_health_due(health, now, &probe, 1), 1);
	for (int i = 0; i < 10; i++) {
		now = cv_health_next_ms(health);
		assert_int_equal(cv_health_due(health, now, &again, 1), 0);
	}
	result.key = probe.key;
	result.turn = probe.turn;
	assert_true(cv_health_take(health, &result, now, &change));
	now = cv_health_next_ms(health);
	assert_int_equal(cv_health_due(health, now, &again, 1), 1);
	assert_int_equal(again.key, probe.key);
	assert_int_equal(again.turn, probe.turn + 1);
}

static void time_may_run_faster(void **state)
{
	const struct cv_health_cfg cfg = {.time_scale = 100};
	struct cv_health_probe probe;
	uint64_t at;

	(void)state;
	region_make();
	target("10.0.1.21");
	no_error(cv_model_settle(m, &errs));
	assert_int_equal(cv_health_build(NULL, m, &cfg, now, &health), 0);
	at = cv_health_next_ms(health);
	assert_int_equal(cv_health_due(health, at, &probe, 1), 1);
	assert_in_range(cv_health_next_ms(health) - at, 150, 450);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(a_new_target_is_registered_then_checked),
		T(the_first_success_is_enough),
		T(thresholds_are_exact_and_in_a_row),
		T(a_new_target_needs_the_threshold_to_be_unhealthy),
		T(the_matcher_tells_which_codes_are_success),
		T(codes_are_told_by_each_matcher),
		T(what_we_cannot_check_is_not_the_targets_fault),
		T(an_unhealthy_target_drains),
		T(ends_of_drains_are_told_in_one_search),
		T(a_draining_target_may_return),
		T(a_node_checks_the_targets_of_its_zone),
		T(across_zones_each_node_checks_all_in_its_load_balancers_zones),
		T(a_group_without_load_balancer_is_not_in_use),
		T(without_checks_nothing_is_known),
		T(nodes_decide_together),
		T(nodes_drain_a_target_together),
		T(checks_are_spread_and_regular),
		T(a_probe_that_is_not_answered_is_not_made_twice),
		T(time_may_run_faster),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
