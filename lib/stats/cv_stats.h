/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Per-worker counter blocks and their folding. One writer (the worker), any reader; a reader sees each
 * counter whole, but not several counters of one instant.
 *
 * @threads creation and destruction by control; adding by the block's worker; reading by any
 */

#include <stdatomic.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_drops.h"

/** A counter with one writer. */
typedef _Atomic uint64_t cv_ctr_t;

/** Add to a counter that only this thread writes: a plain load, add and store. */
static inline void cv_ctr_add(cv_ctr_t *ctr, uint64_t n)
{
	atomic_store_explicit(ctr, atomic_load_explicit(ctr, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/** Read a counter from any thread. */
static inline uint64_t cv_ctr_get(const cv_ctr_t *ctr)
{
	return atomic_load_explicit(ctr, memory_order_relaxed);
}

/** What one worker counts for one object (path, listener or target), by its slot in the view. */
struct cv_stats_obj {
	cv_ctr_t pkts[2];   /**< [0] client to target, [1] target to client; worker writes */
	cv_ctr_t bytes[2];  /**< IP bytes, likewise */
	cv_ctr_t new_flows; /**< worker writes */
	cv_ctr_t end_flows; /**< worker writes; active = new - end */
	cv_ctr_t drops;     /**< packets dropped that named this object; worker writes */
	cv_ctr_t rsts;      /**< RST sent to or by this object's flows; worker writes */
};

_Static_assert(sizeof(struct cv_stats_obj) == CV_CACHE_LINE, "one line per object and worker");

/** Kinds of objects that are counted by slot. */
enum cv_stats_kind { CV_STATS_PATH, CV_STATS_LISTENER, CV_STATS_TARGET, CV_STATS_KIND_N };

/** What is counted for each path beside packets and flows; none of it for an established packet. */
enum cv_path_event {
	CV_PATH_CLIENT_RST, /**< RST forwarded from a client */
	CV_PATH_TARGET_RST, /**< RST forwarded from a target */
	CV_PATH_ELB_RST,    /**< RST made by culvert */
	CV_PATH_SG_TCP,     /**< flow that the load balancer's security groups refused */
	CV_PATH_SG_ICMP,   /**< ICMP to a load balancer that has security groups: none lets it in */
	CV_PATH_UNHEALTHY, /**< flow opened to a target though none is healthy */
	CV_PATH_EVENT_N,
};

/** Everything one worker counts. */
struct cv_stats {
	CV_CACHE_ALIGNED cv_ctr_t drop[CV_DROP_N];
	cv_ctr_t ev[CV_EV_N];
	CV_CACHE_ALIGNED cv_ctr_t tsc_busy; /**< TSC cycles of loops that handled packets */
	cv_ctr_t tsc_total;                 /**< TSC cycles since start */
	cv_ctr_t loops;
	cv_ctr_t busy_pkts; /**< packets handled in the busy loops */
	cv_ctr_t view_gen;  /**< generation of the view that the worker runs */
	cv_ctr_t swept_gen; /**< generation against which every live flow has been checked */
	cv_ctr_t swept;     /**< the same by struct cv_view_spec.sweep */
	cv_ctr_t stage_tsc[CV_STAGE_N]; /**< TSC cycles by stage while they are counted */
	cv_ctr_t stage_pkts;            /**< packets handled meanwhile */
	cv_ctr_t flows;                 /**< flows in this worker's table now */
	uint32_t n_obj[CV_STATS_KIND_N];
	struct cv_stats_obj *obj[CV_STATS_KIND_N]; /**< shape [n_obj[kind]] */
	/**
	 * Of each path's drops, those for each reason; shape [n_obj[CV_STATS_PATH]]. Pages take memory once
	 * something is counted in them.
	 */
	cv_ctr_t (*path_drop)[CV_DROP_N];
	cv_ctr_t (*path_event)[CV_PATH_EVENT_N]; /**< likewise */
};

/**
 * Make a zeroed block.
 *
 * @param n_obj  shape [CV_STATS_KIND_N]: slots per kind, fixed for the life of the block
 * @return the block, or NULL when memory ran out
 * @owner  caller; cv_stats_destroy()
 */
struct cv_stats *cv_stats_create(const uint32_t *n_obj);

/** Free a block. NULL is fine. */
void cv_stats_destroy(struct cv_stats *stats);

/** Count a drop at the path that the packet was on. @param slot below n_obj[CV_STATS_PATH] */
static inline void cv_stats_path_drop(struct cv_stats *stats, uint32_t slot, enum cv_drop reason)
{
	cv_ctr_add(&stats->obj[CV_STATS_PATH][slot].drops, 1);
	cv_ctr_add(&stats->path_drop[slot][reason], 1);
}

/** Count an event at a path. @param slot below n_obj[CV_STATS_PATH] */
static inline void cv_stats_path_event(struct cv_stats *stats, uint32_t slot,
				       enum cv_path_event event)
{
	cv_ctr_add(&stats->path_event[slot][event], 1);
}

/** Metric name of a drop reason, "none" for CV_DROP_NONE. Never NULL for reason < CV_DROP_N. */
const char *cv_drop_name(enum cv_drop reason);
/** Help text of a drop reason. */
const char *cv_drop_help(enum cv_drop reason);
/** Metric name of an event. */
const char *cv_event_name(enum cv_event event);
/** Help text of an event. */
const char *cv_event_help(enum cv_event event);

/** Metric name of a stage. */
const char *cv_stage_name(enum cv_stage stage);
/** Help text of a stage. */
const char *cv_stage_help(enum cv_stage stage);

/** Sum one drop reason over workers. @param stats shape [n] */
uint64_t cv_stats_drop_sum(struct cv_stats *const *stats, unsigned int n, enum cv_drop reason);
/** Sum one event over workers. @param stats shape [n] */
uint64_t cv_stats_event_sum(struct cv_stats *const *stats, unsigned int n, enum cv_event event);

/** Sum the drops of one path for one reason over workers. @param stats shape [n] */
uint64_t cv_stats_path_drop_sum(struct cv_stats *const *stats, unsigned int n, uint32_t slot,
				enum cv_drop reason);
/** Sum one event of one path over workers. @param stats shape [n] */
uint64_t cv_stats_path_event_sum(struct cv_stats *const *stats, unsigned int n, uint32_t slot,
				 enum cv_path_event event);

/** Plain numbers of one object, summed over workers. */
struct cv_stats_obj_sum {
	uint64_t pkts[2], bytes[2], new_flows, end_flows, drops, rsts;
};

/** Sum one object over workers. @param stats shape [n] */
struct cv_stats_obj_sum cv_stats_obj_sum(struct cv_stats *const *stats, unsigned int n,
					 enum cv_stats_kind kind, uint32_t slot);
