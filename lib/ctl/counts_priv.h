/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: what the workers have counted, and what must be known to count on when slots go to others.
 */

#include "cv_ctl.h"
#include "cv_dp.h"
#include "cv_plan.h"
#include "cv_stats.h"

/** Everything that is counted of a path, an endpoint, or a load balancer's node. */
struct cv_ctl_count {
	struct cv_stats_obj_sum sum;
	uint64_t events[CV_PATH_EVENT_N];
	uint64_t drops[CV_DROP_N];
};

/** What paths that are gone have counted. */
struct ctl_past {
	struct cv_ctl_count *items; /**< shape [n], by slot */
	uint32_t n;
};

/** Slots of a kind whose objects are gone. */
struct ctl_gone {
	uint64_t *
		since; /**< shape [n], by slot: serial of the plan that first lacked it; 0: it is there */
	uint32_t n;
};

/** Slots to be given out again. */
struct ctl_recycle {
	struct ctl_gone gone[CV_PLAN_KIND_N];
	uint32_t n_gone;
	uint64_t serial;           /**< of the plan that serves */
	uint64_t due_ms, wait_ms;  /**< the next look, and the pause after it */
	struct cv_dp_marks *marks; /**< look under way; NULL: none */
	uint64_t marks_serial;     /**< serial when it began */
	uint32_t n_marked[CV_PLAN_KIND_N];
	/** Counts of a slot's objects before the one that has it. Shape [slots], NULL at first. */
	struct cv_stats_obj_sum *base[CV_STATS_KIND_N];
	uint64_t (*base_drops)[CV_DROP_N];
	uint64_t (*base_events)[CV_PATH_EVENT_N];
	struct ctl_past past[CV_PLAN_KIND_N]; /**< of endpoints and nodes */
};

/** What a path has counted. @param slot any that the data plane counts by */
void cv_ctl_count_path(const struct cv_ctl *ctl, uint32_t slot, struct cv_ctl_count *ret);

/** Add one to another. */
void cv_ctl_count_add(struct cv_ctl_count *to, const struct cv_ctl_count *count);

/** Flows now. The two counts are read one after the other, while flows go on. */
uint64_t cv_ctl_count_active(const struct cv_stats_obj_sum *sum);

/** How many paths an endpoint or a node has, by its slot. */
uint32_t cv_ctl_count_paths(const struct cv_ctl *ctl, enum cv_plan_kind kind, uint32_t slot);
