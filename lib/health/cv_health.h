/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Health of targets: when each is checked, and what the results make of it.
 *
 * Each node of a load balancer checks the targets that it may use: those of its zone and those of
 * none, with cross-zone balancing all in the load balancer's zones. One pair of target and node is a
 * check. Pure: making the checks is the caller's, and so is the clock.
 *
 * A health is made for a model. Made from the one before, it goes on where that was: a check is known
 * by its group's ARN, the target's address and port, and the node's zone.
 *
 * @threads control
 * @source  "Health checks for Network Load Balancer target groups", "Check the health of your Network
 *          Load Balancer targets"
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_model.h"

/** Bytes of the text of a result, with the final NUL. */
#define CV_HEALTH_TEXT_LEN 96

/** Set in no key of a health: keys of the caller's own probes may have it. */
#define CV_HEALTH_KEY_OTHERS (UINT64_C(1) << 63)

struct cv_health;

/** Settings. */
struct cv_health_cfg {
	uint32_t
		time_scale; /**< intervals and delays pass so many times as fast; 0 or 1: as they say */
};

/**
 * Make the health of a model.
 *
 * @param      from   what to go on from, unchanged; NULL: nothing is known yet
 * @param      model  settled and checked; must outlive the health
 * @param[out] ret_health  untouched on failure
 * @return 0, or -ENOMEM
 * @owner  caller; cv_health_destroy()
 */
int cv_health_build(const struct cv_health *from, const struct cv_model *model,
		    const struct cv_health_cfg *cfg, uint64_t now_ms,
		    struct cv_health **ret_health);

/** Free it. NULL is fine. */
void cv_health_destroy(struct cv_health *health);

/* ---- what to check ---- */

/** A check to make now. Indices are those of the model. */
struct cv_health_probe {
	uint64_t key;  /**< the check... */
	uint32_t turn; /**< ...and its turn, for cv_health_take() */
	uint32_t lb, node, tg, target;
	uint16_t port; /**< where to check */
};

/**
 * Take checks that are due. Each must be answered by cv_health_take() or it is never made again.
 *
 * @param[out] probes  shape [n_max]
 * @return how many
 */
uint32_t cv_health_due(struct cv_health *health, uint64_t now_ms, struct cv_health_probe *probes,
		       uint32_t n_max);

/** When the next check is due, or a state changes with time; UINT64_MAX: never. */
uint64_t cv_health_next_ms(const struct cv_health *health);

/* ---- what came of it ---- */

/** How a check ended. */
enum cv_health_outcome {
	CV_HEALTH_OK,       /**< connection made, with TCP */
	CV_HEALTH_CODE,     /**< HTTP answer: the matcher tells */
	CV_HEALTH_TIMEOUT,  /**< no answer in time */
	CV_HEALTH_FAILED,   /**< refused, reset, malformed */
	CV_HEALTH_INTERNAL, /**< the check could not be made: says nothing about the target */
};

/** A result. */
struct cv_health_result {
	uint64_t key;  /**< of the probe */
	uint32_t turn; /**< of the probe */
	enum cv_health_outcome outcome;
	uint16_t code;                 /**< with CV_HEALTH_CODE */
	char text[CV_HEALTH_TEXT_LEN]; /**< why not, for people; "" if there is nothing to say */
};

/** A change of state. */
struct cv_health_change {
	uint32_t lb, node, tg, target;
	enum cv_model_target_state from, to;
};

/**
 * Take a result. One of a check that is gone, or that was begun under other settings, is ignored.
 *
 * @param[out] ret_change  set when true is returned
 * @return whether the state changed
 */
bool cv_health_take(struct cv_health *health, const struct cv_health_result *result,
		    uint64_t now_ms, struct cv_health_change *ret_change);

/**
 * Let time pass: end the draining of unhealthy targets. Call until it returns false.
 *
 * @param[out] ret_change  set when true is returned
 * @return whether a state changed
 */
bool cv_health_tick(struct cv_health *health, uint64_t now_ms, struct cv_health_change *ret_change);

/* ---- what is known ---- */

/** Health of a target, as DescribeTargetHealth words it. */
struct cv_health_info {
	enum cv_model_target_state state;
	const char *reason;      /**< code such as `Target.FailedHealthChecks`; NULL if healthy */
	const char *description; /**< NULL if healthy */
	const char *text;        /**< the last check's failure, for people; NULL if it passed */
	uint64_t checked_ms;     /**< when the last result came; 0: never */
};

/**
 * Health of a target as one node sees it.
 *
 * @param zone  the node's; one where the load balancer has no node, or the group none: unused
 */
void cv_health_zone_get(const struct cv_health *health, uint32_t tg, uint32_t target, uint32_t zone,
			struct cv_health_info *ret_info);

/**
 * Health of a target for all its nodes together: what more of those that have decided say, and healthy
 * if as many say the one as the other.
 */
void cv_health_get(const struct cv_health *health, uint32_t tg, uint32_t target,
		   struct cv_health_info *ret_info);

/**
 * State of a target: what a plan asks for.
 *
 * @param health  const struct cv_health
 * @param zone    as cv_health_zone_get(); CV_MODEL_NONE: as cv_health_get()
 */
enum cv_model_target_state cv_health_state(void *health, uint32_t tg, uint32_t target,
					   uint32_t zone);
