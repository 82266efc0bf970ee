/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Paths of flows: what is counted by them, and whose they are.
 *
 * @threads the worker itself
 */

#include "dp_priv.h"

/** What is counted of a flow's path. */
static inline struct cv_stats_obj *dp_path_obj(const struct cv_dp_worker *w,
					       const struct cv_flow *flow)
{
	return &w->paths[cv_view_path_slot(flow->path)];
}

/** Count an event at a path. @param path its word */
static inline void dp_path_event(struct cv_dp_worker *w, uint32_t path, enum cv_path_event event)
{
	cv_stats_path_event(w->stats, cv_view_path_slot(path), event);
}

/** Count a drop at a path. @param path its word */
static inline void dp_path_drop(struct cv_dp_worker *w, uint32_t path, enum cv_drop reason)
{
	cv_stats_path_drop(w->stats, cv_view_path_slot(path), reason);
}

/** Endpoint slot of a flow. */
static inline uint32_t dp_endpoint(const struct cv_dp_worker *w, const struct cv_flow *flow)
{
	return w->view->spec.paths[cv_view_path_slot(flow->path)].endpoint;
}
