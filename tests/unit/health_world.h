/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A region whose targets are checked, and short ways to answer for them. After cmocka.h, in test programs.
 */

#include "cv_base.h"
#include "cv_health.h"
#include "model_world.h"

#define SECOND 1000ULL

static struct cv_health *health;
static uint64_t now = 1000000;
/* What the group "web" is made with. */
static struct cv_model_check_req check_req;
static struct cv_model_drain drain;
static enum cv_model_cross_zone cross_zone;

/* A load balancer in two zones of three, one group. */
static inline void region_make(void)
{
	const struct cv_model_place_req places[] = {{.subnet = "a"}, {.subnet = "b"}};
	struct cv_model_tg_req tg = {.name = "web",
				     .vpc = "prov",
				     .port = 80,
				     .cross_zone = cross_zone,
				     .check = check_req,
				     .drain = drain};

	m = cv_model_create("us-east-1");
	no_error(cv_model_zone_add(m, "use1-az1", &errs));
	no_error(cv_model_zone_add(m, "use1-az2", &errs));
	no_error(cv_model_zone_add(m, "use1-az3", &errs));
	no_error(add_account("111111111111", "prov", NULL, NULL));
	no_error(add_vpc("prov", "prov", "10.0.0.0/16", 0));
	no_error(add_subnet("prov", "a", "10.0.1.0/24", "use1-az1", NULL));
	no_error(add_subnet("prov", "b", "10.0.2.0/24", "use1-az2", NULL));
	no_error(add_subnet("prov", "c", "10.0.3.0/24", "use1-az3", NULL));
	no_error(cv_model_tg_add(m, &tg, &errs));
	no_error(add_lb("nlb", "prov", places, 2));
	no_error(add_listener("nlb", 80, "web", 350));
}

static inline void target(const char *addr)
{
	no_error(add_target("web", addr, 0, NULL));
}

/* Goes on from the health before, with the model as it is now. */
static inline void rebuild(struct cv_model *before)
{
	const struct cv_health_cfg cfg = {0};
	struct cv_health *old = health;

	no_error(cv_model_settle(m, &errs));
	assert_int_equal(cv_health_build(old, m, &cfg, now, &health), 0);
	cv_health_destroy(old);
	cv_model_destroy(before);
}

static inline int setup(void **state)
{
	(void)state;
	check_req = (struct cv_model_check_req){.enabled = true};
	drain = (struct cv_model_drain){.unhealthy_terminate = true};
	cross_zone = CV_MODEL_CROSS_ZONE_OFF;
	health = NULL;
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	cv_health_destroy(health);
	cv_model_destroy(m);
	health = NULL;
	m = NULL;
	return 0;
}

/* A world of one target in zone 1, which node 0 checks. */
static inline void one_target(void)
{
	region_make();
	target("10.0.1.21");
	rebuild(NULL);
}

/* Waits for the next probe and answers it. @return whether the state changed */
static inline bool answer(enum cv_health_outcome outcome, uint16_t code,
			  struct cv_health_change *change)
{
	struct cv_health_probe probe;
	struct cv_health_result result = {.outcome = outcome, .code = code, .text = "why"};

	now = cv_health_next_ms(health);
	assert_int_equal(cv_health_due(health, now, &probe, 1), 1);
	result.key = probe.key;
	result.turn = probe.turn;
	return cv_health_take(health, &result, now, change);
}

static inline void expect(enum cv_model_target_state state, const char *reason,
			  const char *description)
{
	struct cv_health_info info;

	cv_health_zone_get(health, 0, 0, 0, &info);
	assert_int_equal(info.state, state);
	assert_int_equal(cv_health_state(health, 0, 0, 0), state);
	if (reason == NULL) {
		assert_null(info.reason);
		assert_null(info.description);
		return;
	}
	assert_string_equal(info.reason, reason);
	assert_string_equal(info.description, description);
}

static inline enum cv_model_target_state state_of(uint32_t idx, uint32_t zone)
{
	return cv_health_state(health, 0, idx, zone);
}

static inline uint32_t all_due(struct cv_health_probe *probes, uint32_t n_max)
{
	return cv_health_due(health, now + 30 * SECOND, probes, n_max);
}
