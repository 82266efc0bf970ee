/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside health: the checks, in the model's order, and the heap of those that wait.
 */

#include "cv_health.h"

#define HEALTH_NONE UINT32_MAX

/** One target as one node checks it. */
struct health_check {
	uint64_t key;      /**< who: hash of group, target and zone */
	uint64_t question; /**< what is asked: hash of the settings that decide the answer */
	uint64_t due_ms;
	uint64_t drain_ms; /**< when unhealthy.draining ends */
	uint64_t checked_ms;
	uint32_t tg, target, node;
	uint32_t turn;                 /**< counts probes; a result of another turn is too late */
	uint32_t heap;                 /**< position in the heap, HEALTH_NONE: not checked */
	uint8_t state;                 /**< enum cv_model_target_state */
	uint8_t n_good, n_bad, n_lost; /**< in a row */
	bool in_flight;
	bool begun; /**< a probe was made, ever */
	char text[CV_HEALTH_TEXT_LEN];
};

struct cv_health {
	const struct cv_model *model;
	uint32_t time_scale;
	uint32_t *first;             /**< by group: its first check; shape [model->n_tgs + 1] */
	struct health_check *checks; /**< by group, target, node; shape [n_checks] */
	uint32_t n_checks;
	uint32_t *heap; /**< checks by due_ms, earliest first; shape [n_heap] */
	uint32_t n_heap;
	uint32_t *map; /**< check by key, open addressing; shape [map_mask + 1] */
	uint32_t map_mask;
	uint64_t drain_next_ms; /**< earliest drain_ms; UINT64_MAX: nothing drains */
};

/** The check of a key, or NULL. */
struct health_check *cv_health_find(const struct cv_health *health, uint64_t key);

/** The check of a target by a node; a node that may not use the target has one, too. */
struct health_check *cv_health_at(const struct cv_health *health, uint32_t tg, uint32_t target,
				  uint32_t node);
