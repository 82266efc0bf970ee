/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside health: the checks, in the model's order, and the heap of those that wait.
 *
 * Only groups whose targets are checked have checks: of others the model says all. There may be 150,000
 * checks, and a reload takes them over one by one, so they are short and lie as the model's targets do.
 */

#include "cv_health.h"

#define HEALTH_NONE UINT32_MAX

/** Why the last check failed. A health and those made from it share it. */
struct health_text {
	uint32_t n_refs;
	char text[CV_HEALTH_TEXT_LEN];
};

/** One target as one node checks it. */
struct health_check {
	uint64_t key;      /**< who: hash of group, target and zone */
	uint64_t drain_ms; /**< when unhealthy.draining ends */
	uint64_t checked_ms;
	struct health_text *text; /**< NULL: there is nothing to say */
	uint32_t tg, target;
	uint32_t turn;                 /**< of the last probe; a result of another is too late */
	uint32_t heap;                 /**< position in the heap, HEALTH_NONE: not checked */
	uint16_t node;                 /**< a load balancer's: one a zone */
	uint8_t state;                 /**< enum cv_model_target_state */
	uint8_t n_good, n_bad, n_lost; /**< in a row */
	bool in_flight;
	bool begun; /**< a probe was made, ever */
};

_Static_assert(sizeof(struct health_check) <= 64, "a reload goes through all of them");

/** A check that waits. */
struct health_due {
	uint64_t due_ms; /**< UINT64_MAX: not yet known */
	uint32_t check;
};

/** A target group. */
struct health_group {
	uint64_t question; /**< what is asked: hash of the settings that decide the answer */
	uint32_t first;    /**< its first check */
};

struct cv_health {
	const struct cv_model *model;
	uint32_t time_scale;
	uint32_t turns;              /**< the last probe's */
	struct health_group *groups; /**< shape [model->n_tgs + 1] */
	struct health_check *checks; /**< by group, target, node; shape [n_checks] */
	uint32_t n_checks;
	uint32_t n_texts;        /**< checks with a text */
	struct health_due *heap; /**< earliest first; shape [n_heap] */
	uint32_t n_heap;
	uint32_t *map; /**< checks that are made, by key, open addressing; shape [map_mask + 1] */
	uint32_t map_mask;
	uint64_t drain_next_ms; /**< earliest drain_ms; UINT64_MAX: nothing drains */
	uint64_t drain_seen_ms; /**< the same, of what a search for those that end has passed */
	uint32_t drain_at;      /**< check to look at next in that search; 0: none is under way */
};

/** The check of a key, or NULL. */
struct health_check *cv_health_find(const struct cv_health *health, uint64_t key);

/**
 * The check of a target by a node; a node that may not use the target has one, too. NULL: the group's
 * targets are not checked.
 */
struct health_check *cv_health_at(const struct cv_health *health, uint32_t tg, uint32_t target,
				  uint32_t node);

/** Tell whether a node may use a target. */
bool cv_health_is_used(const struct cv_model_lb *lb, const struct cv_model_target_group *tg,
		       const struct cv_model_target *target, uint32_t node);

/** Let go of a text. NULL is fine. */
void cv_health_text_drop(struct health_text *text);
