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

/**
 * Tell whether a path must open no flow: there are as many as may be, and of the room beside them, see
 * dp_table_len(), it would have more than it leaves. So one path alone never has more than may be, and
 * whoever fills the table by one leaves half of that room to the others.
 *
 * @param path  its word
 */
static inline bool dp_is_crowded(const struct cv_dp_worker *w, uint32_t path)
{
	if (__builtin_expect(w->flows->n < w->n_flows, 1))
		return false;
	return w->uses[cv_view_path_slot(path)].entries >= w->flows->n_max - w->flows->n;
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

/** Count the end of a flow: when it is over for good, at the latest when it is freed. */
static inline void dp_end_count(struct cv_dp_worker *w, uint32_t idx)
{
	const struct cv_flow_cold *cold = &w->flows->cold[idx];

	cv_ctr_add(&dp_path_obj(w, &w->flows->flows[idx])->end_flows, 1);
	cv_ctr_add(&w->stats->obj[CV_STATS_LISTENER][cold->listener].end_flows, 1);
	cv_ctr_add(&w->stats->obj[CV_STATS_TARGET][cold->target].end_flows, 1);
}

/** Take note that a flow's handshake has begun (1), or is over or given up (-1). */
static inline void dp_half_open_add(struct cv_dp_worker *w, const struct cv_flow *flow, int n)
{
	w->half_open += (uint32_t)n;
	w->uses[cv_view_path_slot(flow->path)].half_open += (uint32_t)n;
}

/** Take note that a flow has an entry (1), or gives it back (-1). */
static inline void dp_entry_add(struct cv_dp_worker *w, const struct cv_flow *flow, int n)
{
	w->uses[cv_view_path_slot(flow->path)].entries += (uint32_t)n;
}

/** Tell whether unfinished handshakes may be too many on some path: none is at its limit before. */
static inline bool dp_is_tight(const struct cv_dp_worker *w)
{
	uint32_t max = w->view->spec.settings.half_open_max;

	return max > 0 && w->half_open >= max / 2;
}

/**
 * Tell whether a SYN that opens no flow must go since its path has too many unfinished handshakes, and
 * charge it to the path: as many as are left for all. So one flooded path has half of what may be, two have
 * a third each, and any other finds room. Who is let in on such a path is whoever comes when a handshake
 * there ends or times out; flows that are open lose nothing.
 *
 * @param p  a client's packet, dp_is_tight()
 */
static inline bool dp_is_refused(struct cv_dp_worker *w, const struct dp_pkt *p)
{
	uint32_t max = w->view->spec.settings.half_open_max;
	const struct cv_view_local *local;

	if (!dp_is_first(p))
		return false;
	local = cv_view_local_find(w->view, p->vpc, p->ip->dst_addr);
	/* What services get opens no flow. */
	if (local == NULL || local->kind == CV_VIEW_SERVICE ||
	    w->uses[cv_view_path_slot(local->path)].half_open < max - RTE_MIN(w->half_open, max))
		return false;
	dp_path_drop(w, local->path, CV_DROP_SYN_FLOOD);
	return true;
}
