/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What happens, as it happens, for operators: a ring in memory of the last events. Also whom control
 * tells of connections, so that decisions of operators and of the file are published as those of calls
 * are.
 */

#include <stddef.h>
#include <stdint.h>

#include "cv_ctl.h"

/** Events that are held; of more, the oldest are lost. */
#define CV_CTL_EVENTS_MAX 4096
/** Events in one answer, and seconds that a question waits for one, at most. */
#define CV_CTL_EVENTS_ANSWER_MAX 1000
#define CV_CTL_EVENTS_WAIT_MAX 20

/** Which events. */
struct cv_ctl_events_query {
	uint64_t
		boot; /**< of the answer before; 0, or of another process: after counts for nothing */
	uint64_t after;    /**< `next` of the answer before: only those since; 0: all */
	uint64_t since_ms; /**< only those since then, milliseconds since 1970; 0: all */
	uint32_t wait;     /**< seconds to wait if there is none, 0..CV_CTL_EVENTS_WAIT_MAX */
};

/**
 * Tell events, oldest first: `{"boot": N, "next": N, "lost": N, "more": bool, "events": [...]}`. `lost` are
 * those after `after` that the ring no longer holds. Each has `seq`, `time`, `event` and what it is about.
 *
 * @param      ctl    struct cv_ctl
 * @param[out] reply  JSON; text is the caller's
 * @return 0, -EINVAL (wait is too long; reply->text says so) or -ENOMEM
 * @threads any; blocks for up to query->wait seconds
 */
int cv_ctl_events(void *ctl, const struct cv_ctl_events_query *query, struct cv_ctl_reply *reply);

/** A member of an event. */
struct cv_ctl_field {
	const char *name;
	const char *text; /**< copied; NULL: the member is left out */
};

/**
 * Add an event. Without memory for it, it counts as lost.
 *
 * @param ctl     struct cv_ctl
 * @param event   what kind
 * @param fields  shape [n]
 * @threads any
 */
void cv_ctl_event(void *ctl, const char *event, const struct cv_ctl_field *fields, size_t n);

struct cv_model;

/** What became of notifications, for the metrics. */
struct cv_ctl_notified {
	uint64_t delivered, retried, given_up, dropped;
	uint64_t waiting; /**< now */
};

/** Whom to tell of connections. */
struct cv_ctl_tell {
	/**
	 * An operator or the file has changed a connection, or is about to: what the call sends by
	 * cv_ctl_send() goes out with the change. Called on control, within a change.
	 *
	 * @param model     with the endpoint in it
	 * @param endpoint  id
	 * @param word      Connect, Accept, Reject or Delete
	 * @return 0, or -ENOMEM
	 */
	int (*connection)(void *arg, struct cv_ctl *ctl, struct cv_model *model,
			  const char *endpoint, const char *word);
	/** What was sent is durable, or will soon be: deliver it. @threads any */
	void (*sent)(void *arg);
	void *arg;
	/** What became of it so far; NULL: nobody counts. */
	void (*counts)(void *arg, struct cv_ctl_notified *ret_counts);
};

/** Say whom to tell. At most once. @threads control, before cv_ctl_run() */
void cv_ctl_on_connection(struct cv_ctl *ctl, const struct cv_ctl_tell *tell);
