/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: questions and their answers.
 */

#include <jansson.h>

#include "ctl_priv.h"

/** A part of a long text. */
struct ctl_chunk {
	struct ctl_chunk *next;
	size_t len;
	char text[]; /**< shape [len], room for [CTL_CHUNK_BYTES] */
};

/** So short that to make one takes no time. */
#define CTL_CHUNK_BYTES 65000

/** A question on its way. */
struct ctl_show {
	struct ctl_cmd cmd; /**< first */
	const struct ctl_show_kind *kind;
	char *endpoint, *target, *state; /**< filters; NULL for none */
	uint32_t limit;
	bool stages;
	uint32_t seconds;
	json_t *root; /**< the answer */
	char *text;   /**< or the text of it; or why there is none */
	size_t len;
	struct ctl_chunk *chunks, *last_chunk; /**< or parts of it, put together by who asks */
};

/** Bits: the filters that a question takes. */
#define CTL_SHOW_ENDPOINT 1
#define CTL_SHOW_TARGET 2
#define CTL_SHOW_STATE 4
#define CTL_SHOW_LIMIT 8
#define CTL_SHOW_STAGES 16

/** A kind of question. */
struct ctl_show_kind {
	const char *what;
	/** Answers on control. @return 0 with root or text set, -errno, or CTL_CMD_LATER */
	int (*fn)(struct cv_ctl *ctl, struct ctl_show *show);
	unsigned int filters;
	uint32_t timeout_ms;
};

/** Add to the parts of a text. @return 0 or -ENOMEM */
int cv_ctl_show_add(struct ctl_show *show, const char *text, size_t len);

/** Forget the parts of a text. */
void cv_ctl_show_clear(struct ctl_show *show);

/** Say why a question has no answer. @return err */
int cv_ctl_show_refuse(struct ctl_show *show, int err, const char *fmt, ...) CV_PRINTF(3, 4);

/* show_net.c */
int cv_ctl_show_ports(struct cv_ctl *ctl, struct ctl_show *show);
int cv_ctl_show_vpcs(struct cv_ctl *ctl, struct ctl_show *show);
int cv_ctl_show_neighbours(struct cv_ctl *ctl, struct ctl_show *show);
/* show_lb.c */
int cv_ctl_show_lbs(struct cv_ctl *ctl, struct ctl_show *show);
int cv_ctl_show_targets(struct cv_ctl *ctl, struct ctl_show *show);
/* show_link.c */
int cv_ctl_show_services(struct cv_ctl *ctl, struct ctl_show *show);
int cv_ctl_show_endpoints(struct cv_ctl *ctl, struct ctl_show *show);
/* show_run.c */
int cv_ctl_show_snat(struct cv_ctl *ctl, struct ctl_show *show);
int cv_ctl_show_drops(struct cv_ctl *ctl, struct ctl_show *show);
int cv_ctl_show_workers(struct cv_ctl *ctl, struct ctl_show *show);
int cv_ctl_show_config(struct cv_ctl *ctl, struct ctl_show *show);
/* show_state.c */
int cv_ctl_show_state(struct cv_ctl *ctl, struct ctl_show *show);
/* host.c */
int cv_ctl_show_host(struct cv_ctl *ctl, struct ctl_show *show);
/* steer.c */
int cv_ctl_show_steering(struct cv_ctl *ctl, struct ctl_show *show);
/* dns.c */
int cv_ctl_show_dns(struct cv_ctl *ctl, struct ctl_show *show);
/* ---- metrics.c: if there is much to tell, answered later, a piece per turn ---- */

int cv_ctl_show_metrics(struct cv_ctl *ctl, struct ctl_show *show);

/** Go on with pages, a piece. */
void cv_ctl_metrics_run(struct cv_ctl *ctl);

/** Tell whether a page is under way. */
bool cv_ctl_metrics_is_busy(const struct cv_ctl *ctl);

/** Tell whether the page stands among the pools of ports: they must keep their places. */
bool cv_ctl_metrics_walks_pools(const struct cv_ctl *ctl);

/** Answer who waits for a page with -ECANCELED. */
void cv_ctl_metrics_stop(struct cv_ctl *ctl);

/* ---- show_flows.c: answered later, piece by piece ---- */

int cv_ctl_show_flows(struct cv_ctl *ctl, struct ctl_show *show);

/** Go on with listings. */
void cv_ctl_flows_poll(struct cv_ctl *ctl);

/** Tell whether a listing is under way. */
bool cv_ctl_flows_is_busy(const struct cv_ctl *ctl);

/** Answer all listings with -ECANCELED. */
void cv_ctl_flows_stop(struct cv_ctl *ctl);

/* ---- show_stages.c: answered later, after counting for a while ---- */

int cv_ctl_show_stages(struct cv_ctl *ctl, struct ctl_show *show);

/** Go on with counting. */
void cv_ctl_stages_poll(struct cv_ctl *ctl);

/** Tell whether cycles are being counted by stage. */
bool cv_ctl_stages_is_busy(const struct cv_ctl *ctl);

/** Switch counting off and answer who waits for it with -ECANCELED. */
void cv_ctl_stages_stop(struct cv_ctl *ctl);

/* ---- json.c ---- */

/** Append an item, which is taken over. If it or the room for it is missing, the answer fails. */
void cv_ctl_json_add(struct cv_ctl *ctl, json_t *array, json_t *item);

/** Set a member of an object, as cv_ctl_json_add(). */
void cv_ctl_json_put(struct cv_ctl *ctl, json_t *object, const char *key, json_t *value);

json_t *cv_ctl_json_ip(cv_be32_t ip);
/** @param port  host order */
json_t *cv_ctl_json_addr(cv_be32_t ip, uint16_t port);
json_t *cv_ctl_json_mac(const uint8_t *mac);
json_t *cv_ctl_json_text(const char *text);

/** Add the health of a target, for all zones together and for each. */
void cv_ctl_json_health(struct cv_ctl *ctl, json_t *object, uint32_t group, uint32_t idx);

/** How the targets of a group are checked. */
json_t *cv_ctl_json_check(struct cv_ctl *ctl, uint32_t group);

/** Add what is counted of an object of the view: flows, packets, bytes, drops. */
void cv_ctl_json_counts(struct cv_ctl *ctl, json_t *object, enum cv_plan_kind kind, uint32_t slot);

/**
 * Sum of what is counted of an object of the plan that serves; zeros without a data plane.
 *
 * @param kind  endpoint, node, path, listener or target; the latter two count flows only
 */
struct cv_stats_obj_sum cv_ctl_counts_get(const struct cv_ctl *ctl, enum cv_plan_kind kind,
					  uint32_t slot);

/** Packets that an endpoint or a node lost for a reason; 0 without a data plane. */
uint64_t cv_ctl_drops_get(const struct cv_ctl *ctl, enum cv_plan_kind kind, uint32_t slot,
			  enum cv_drop reason);

/** What happened on the paths of an endpoint or a node; 0 without a data plane. */
uint64_t cv_ctl_events_get(const struct cv_ctl *ctl, enum cv_plan_kind kind, uint32_t slot,
			   enum cv_path_event event);

/** The verdict of an endpoint in the view. */
enum cv_drop cv_ctl_verdict_get(const struct cv_ctl *ctl, uint32_t endpoint);

/** Neighbour by which a target is reached, NULL if it has none. */
const struct ctl_neigh *cv_ctl_target_neigh(const struct cv_ctl *ctl, uint32_t target_slot);
