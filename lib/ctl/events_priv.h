/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: the ring of events, and what is remembered to notice them.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cv_ctl_events.h"

struct cv_conf;
struct cv_health_change;
struct cv_snat_pool;

/** An event. */
struct ctl_event {
	uint64_t seq;   /**< from 1 on */
	uint64_t at_ms; /**< since 1970 */
	char *text;     /**< JSON; NULL: no memory was left */
};

/** The ring. Any thread, under lock. */
struct ctl_ring {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct ctl_event *items; /**< shape [CV_CTL_EVENTS_MAX], by seq; NULL until the first */
	uint64_t seq;            /**< of the last */
	uint64_t boot;           /**< of this process, not 0 */
	bool closed;             /**< nobody waits any more */
};

/** A pool that has refused flows. */
struct ctl_refusing {
	const struct cv_snat_pool *pool; /**< only compared: it may be gone */
	uint64_t first, last; /**< its errors before it began to refuse, and at the last look */
	uint64_t quiet_ms;    /**< when that ends, if no other error comes; 0: it is over */
};

/** Pools of which that is told at most. */
#define CTL_REFUSING_MAX 256

/** What was seen last. */
struct ctl_noticed {
	struct ctl_refusing refusing[CTL_REFUSING_MAX];
	uint32_t n_refusing;
	uint64_t n_errors; /**< flows refused, over all pools */
};

struct cv_ctl; /* ctl_priv.h */

/* ---- events.c ---- */

/** Make the ring. */
void cv_ctl_ring_init(struct ctl_ring *ring);

/** Answer who waits, and let nobody wait from now on. */
void cv_ctl_ring_close(struct ctl_ring *ring);

/** Free the events. */
void cv_ctl_ring_fini(struct ctl_ring *ring);

/* ---- notice.c ---- */

/** Note what differs between what serves and what is about to. @param next  not NULL */
void cv_ctl_notice_serve(struct cv_ctl *ctl, const struct cv_conf *next);

/** Note how a reload went, by ctl->last_reload. */
void cv_ctl_notice_reload(struct cv_ctl *ctl);

/** Note that a target's state has changed. @param why  NULL: nothing to say */
void cv_ctl_notice_target(struct cv_ctl *ctl, const struct cv_health_change *change,
			  const char *why);

/** Note whether the state can be kept. @param why  NULL: it can again */
void cv_ctl_notice_state(struct cv_ctl *ctl, const char *why);

/** Look whether flows are refused for want of source ports. Once per second. */
void cv_ctl_notice_tick(struct cv_ctl *ctl, uint64_t now_ms);

/* ---- tell.c ---- */

/** Tell of a connection that has changed; nobody to tell is fine. @return 0 or -ENOMEM */
int cv_ctl_tell(struct cv_ctl *ctl, struct cv_model *model, const char *endpoint, const char *word);

/**
 * Tell of the connections of the file's endpoints that a new file makes, ends or decides.
 *
 * @param next  not yet serving
 */
void cv_ctl_tell_reload(struct cv_ctl *ctl, const struct cv_conf *next);

/** Write the metrics of notifications. */
void cv_ctl_tell_metrics(const struct cv_ctl *ctl, FILE *out);

/** Have what was told delivered. */
void cv_ctl_tell_sent(struct cv_ctl *ctl);
