/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: its state and the parts that work on it. All of it belongs to the control thread.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "cv_conf.h"
#include "cv_ctl.h"
#include "cv_dp.h"
#include "cv_health.h"
#include "cv_host.h"
#include "cv_io.h"
#include "cv_plan.h"
#include "cv_rss.h"
#include "cv_snat.h"
#include "cv_steer.h"
#include "cv_view.h"

#include "counts_priv.h"
#include "drain_priv.h"
#include "events_priv.h"
#include "keep_priv.h"
#include "neigh_priv.h"
#include "queue_priv.h"
#include "watch_priv.h"

/** Period of the control loop's routine, in milliseconds; shorter while somebody waits for it. */
#define CTL_TICK_MS 100
#define CTL_TICK_BUSY_MS 10

/** How often an address is announced, and when. */
#define CTL_ANNOUNCE_ROUNDS 3

/** An address of ours that is being announced. */
struct ctl_announce {
	cv_be32_t ip;
	uint16_t vpc; /**< VPC slot */
	uint8_t round;
	uint64_t due_ms;
};

/** Where a worker stood at the last look, and how it did since the one before. */
struct ctl_worker {
	uint64_t tsc_busy, tsc_total, busy_pkts;
	double busy; /**< share of 1 */
	double cycles_per_pkt, pkts_per_s;
};

/** What became of the last reload. */
struct ctl_reload {
	time_t at; /**< 0: there was none */
	int ret;
	struct cv_errs errs;
};

/** Listings of flows: one at a time, the others wait. */
struct ctl_flows {
	struct ctl_cmd *first;        /**< commands that wait */
	struct ctl_show *cur;         /**< the one being answered; NULL for none */
	struct cv_dp_flow_list *list; /**< NULL: to be started */
	struct cv_dp_flow_filter filter;
	uint32_t *targets; /**< target slots to go through, shape [n_targets] */
	uint32_t n_targets, target_idx;
	uint32_t worker, pos; /**< next record to render */
	uint64_t matched;
};

/** A page of metrics that is being written. */
struct ctl_page {
	struct ctl_show *show; /**< NULL: none */
	FILE *out;
	uint32_t row, i; /**< next metric, and its next object */
	uint64_t loads;  /**< cv_ctl.loads when it was begun */
};

/** Counting of cycles by stage: on while somebody asks. */
struct ctl_stages {
	struct ctl_stages_ask *asks;
	/** What the workers were told last. MIXED: perhaps not all of them. */
	enum { CTL_STAGES_OFF, CTL_STAGES_ON, CTL_STAGES_MIXED } told;
	int instr_fds[CV_DP_WORKERS_MAX]; /**< while ON: counts instructions, or -errno */
};

/** Health checks under way. */
struct ctl_checks {
	struct cv_probe *probe; /**< NULL: no check can be made */
	uint32_t turns;         /**< the last one's, of targets that drain */
	uint64_t plan_ms;       /**< when changed states are planned; 0: none has changed */
	uint64_t ready_ms;      /**< not before */
	uint64_t lines_ms;      /**< the second that is logged... */
	uint32_t n_lines;       /**< ...and the changes in it */
};

/** What was last said of the kernel's sockets. */
struct ctl_host_seen {
	uint32_t n_up, n_failed;
	char text[CV_HOST_TEXT_LEN];
};

struct cv_dns_data;
struct cv_dns_server;

/** DNS in the VPCs. */
struct ctl_dns {
	struct cv_dns_server *server; /**< NULL while it is off */
	struct cv_dns_data *data;     /**< what was published last */
	bool due;                     /**< names or addresses may have changed since */
	int err;                      /**< what became of the last try */
	struct ctl_verify *verify;    /**< verify.c; NULL until needed */
};

struct ctl_capture; /* capture.c */

struct cv_ctl {
	char *file, *version;
	struct cv_io *io;       /**< may be NULL */
	struct cv_dp *dp;       /**< NULL until attached */
	struct cv_conf *conf;   /**< its model is what serves: a snapshot of model */
	struct cv_model *model; /**< what calls change and see */
	uint64_t dirty_ms;      /**< when the data plane is to follow the model; 0: it does */
	struct cv_host *host;   /**< NULL until attached, or if there is no memory for it */
	struct ctl_host_seen host_seen;
	struct ctl_dns dns;
	struct cv_health *health; /**< of conf->model */
	struct cv_plan *plan;     /**< made from conf->model */
	/** What `plan` is made from: conf->model, but for the moment in which a new one comes to serve. */
	const struct cv_model *plan_model;
	struct cv_plan_slots *slots;
	struct cv_snat_registry *registry;
	struct cv_snat_pool **dying; /**< unlinked, in a view yet; shape [n_dying] */
	uint32_t n_dying;
	bool draining; /**< the registry holds pools that the plan does not want */
	struct cv_view_pub *pub;
	cv_neigh_t *neigh;   /**< by neighbour slot; workers read */
	struct cv_far *fars; /**< likewise */
	uint64_t gen;
	uint64_t
		loads; /**< models that were not made from the one before: all places in them are others */
	uint64_t sweep; /**< see struct cv_view_spec */
	struct ctl_drains drains;
	struct ctl_recycle recycle;
	uint64_t tsc_hz;
	uint64_t snat_seed; /**< another order of source ports in every process */
	/** By port: how RSS spreads packets, and source ports after it; NULL: not known. */
	struct cv_rss rss[CV_DP_PORTS_MAX];
	struct cv_snat_map *snat_maps[CV_DP_PORTS_MAX];

	struct cv_steer *steers[CV_DP_PORTS_MAX]; /**< by port; NULL: not shared with the host */
	int steer_failed; /**< what became of the last cv_ctl_steer_sync() */

	struct ctl_capture *capture; /**< NULL: none */

	struct ctl_neigh_table neighs;
	uint32_t neigh_pos;
	struct ctl_announce *announces; /**< shape [n_announces] */
	uint32_t n_announces;
	struct ctl_worker workers[CV_DP_WORKERS_MAX];
	struct ctl_reload last_reload;
	struct ctl_flows flows;
	struct ctl_stages stages;
	struct ctl_checks checks;
	struct ctl_watch watch;
	struct ctl_cmd *pages; /**< commands that wait for one */
	struct ctl_page page;
	struct ctl_hup hup;
	void (*hup_fn)(void *arg); /**< cv_ctl_on_hup(); NULL: nothing */
	void *hup_arg;
	bool json_failed; /**< memory ran out while the answer was put together */

	struct ctl_keep keep;
	struct ctl_ring ring;
	struct ctl_noticed noticed;
	struct cv_ctl_tell tell; /**< connection NULL: nobody to be told */

	struct ctl_queue queue;
	int epoll_fd, signal_fd, stop_fd;
	uint64_t tick_ms, second_ms; /**< when the routines are due */
	uint64_t looked_ms;          /**< when the workers were looked at */
	uint64_t started_ms;
	time_t loaded_at;
};

/* ---- apply.c ---- */

/**
 * Plan a configuration, publish it, and make it what serves. Nothing changes on failure.
 *
 * @param conf  taken over on success
 * @return 0, or what cv_plan_build() returns
 */
int cv_ctl_apply(struct cv_ctl *ctl, struct cv_conf *conf, struct cv_errs *errs);

/**
 * Publish what serves anew, because what it is planned from beside the configuration has changed, and have
 * the workers look at all flows again.
 *
 * @return 0, or what cv_plan_build() returns: then all is as it was, and another try may do
 */
int cv_ctl_replan(struct cv_ctl *ctl);

/**
 * Let the data plane follow the model that calls have changed. Nothing is served anew on failure.
 *
 * @return 0, or what cv_plan_build() returns
 */
int cv_ctl_follow(struct cv_ctl *ctl, struct cv_errs *errs);

/* ---- call.c ---- */

/** Within this time of a change the data plane follows; further changes meanwhile come along. */
#define CTL_FOLLOW_MS 30
/** After a failure, likewise. */
#define CTL_FOLLOW_AGAIN_MS 1000

/** Let the data plane follow if it is time. */
void cv_ctl_follow_tick(struct cv_ctl *ctl, uint64_t now_ms);

/** Let endpoints' states pass with time. Once per second. */
void cv_ctl_advance_tick(struct cv_ctl *ctl, uint64_t now_ms);

/** End SNAT pools that nobody wants any more. Once per second. */
void cv_ctl_pools_reap(struct cv_ctl *ctl);

/** Say what is served: "generation 3: 2 VPCs, ...", into buf, shape [cap]. @return buf */
const char *cv_ctl_counts_str(const struct cv_ctl *ctl, char *buf, size_t cap);

/* ---- recycle.c ---- */

/** Take note of what a plan that serves from now on does not have. */
void cv_ctl_recycle_note(struct cv_ctl *ctl);

/** Give slots that nothing names back to the plan. */
void cv_ctl_recycle_tick(struct cv_ctl *ctl, uint64_t now_ms);

/** Free what it holds. No worker may run. */
void cv_ctl_recycle_fini(struct ctl_recycle *recycle);

/* ---- restart.c ---- */

/** List what only a restart can change. @return true if there is nothing of that kind */
bool cv_ctl_restart_is_spared(const struct cv_conf *from, const struct cv_conf *to,
			      struct cv_errs *errs);

/* ---- arp.c ---- */

/** Announce the addresses of a view that another does not have. @param old  NULL: all */
int cv_ctl_announce_add(struct cv_ctl *ctl, const struct cv_view *view, const struct cv_view *old,
			uint64_t now_ms);

/** Learn, ask, announce. */
void cv_ctl_arp_tick(struct cv_ctl *ctl, uint64_t now_ms);

/** Forget neighbours that a change of their VPC's attachment has led away from. */
void cv_ctl_arp_settle(struct cv_ctl *ctl, uint64_t now_ms);

/** Tell whether a wanted neighbour has never answered. */
bool cv_ctl_arp_is_waiting(const struct cv_ctl *ctl);

/* ---- checks.c ---- */

/** Make the health of a configuration, going on from the one that serves. @return 0 or -ENOMEM */
int cv_ctl_checks_build(const struct cv_ctl *ctl, const struct cv_conf *conf,
			struct cv_health **ret_health);

/** Probe from the kernel's sockets in the VPCs, unless cv_ctl_probe() has said otherwise. */
void cv_ctl_checks_start(struct cv_ctl *ctl);

/** Probe no more. */
void cv_ctl_checks_stop(struct cv_ctl *ctl);

/** Take results, begin what is due, plan again if states have changed. */
void cv_ctl_checks_run(struct cv_ctl *ctl, uint64_t now_ms);

/** When cv_ctl_checks_run() is due; UINT64_MAX: only when results come. */
uint64_t cv_ctl_checks_next_ms(const struct cv_ctl *ctl);

/* ---- host.c ---- */

/** Get ready for sockets of the kernel on our addresses, once there is a data plane. */
void cv_ctl_host_start(struct cv_ctl *ctl);

/** A TCP socket in a VPC, as cv_ctl_probe() wants it. @param host  struct cv_host @threads any */
int cv_ctl_host_open(void *host, uint16_t vpc);

/** Order the namespaces that the view that serves wants. */
void cv_ctl_host_sync(struct cv_ctl *ctl);

/** Say what has become of them, if it is news. Once per second. */
void cv_ctl_host_look(struct cv_ctl *ctl);

/* ---- capture.c ---- */

/** End a capture that nobody asks for any more, free one that has ended. */
void cv_ctl_capture_tick(struct cv_ctl *ctl, uint64_t now_ms);

/** Free the capture, if there is one. No worker may copy any more. */
void cv_ctl_capture_fini(struct cv_ctl *ctl);

/* ---- steer.c ---- */

/** Steer the frames to the addresses of the view that serves to us, on interfaces shared with the host. */
void cv_ctl_steer_sync(struct cv_ctl *ctl);

/** Try again what failed. Once per second. */
void cv_ctl_steer_tick(struct cv_ctl *ctl);

/* ---- dns.c ---- */

/** The ports that DNS needs. @return shape [*ret_n] */
const struct cv_plan_service *cv_ctl_dns_services(const struct cv_conf *conf, uint32_t *ret_n);

/** Take note that another plan serves. */
void cv_ctl_dns_changed(struct cv_ctl *ctl);

/** Publish names if they may have changed: so several quick changes make one publication. */
void cv_ctl_dns_tick(struct cv_ctl *ctl);

/** End the server. */
void cv_ctl_dns_stop(struct cv_ctl *ctl);

/** Write its metrics. */
void cv_ctl_dns_metrics(const struct cv_ctl *ctl, FILE *out);

/* ---- watch.c ---- */

/** Take the points of a minute that is over. Once per second. */
void cv_ctl_watch_tick(struct cv_ctl *ctl, uint64_t now_ms);

/** Go on with a round, a piece of it. */
void cv_ctl_watch_run(struct cv_ctl *ctl);

/** Free what it holds. */
void cv_ctl_watch_fini(struct ctl_watch *watch);

/* ---- workers.c ---- */

/** Look at the workers' counters and work out their load since the last look. */
void cv_ctl_workers_look(struct cv_ctl *ctl, uint64_t now_ms);

/* ---- names.c ---- */

/** Name of a VPC slot; "?" if it is unused. */
const char *cv_ctl_vpc_name(const struct cv_ctl *ctl, uint16_t slot);

/** Tells whether a VPC slot is a port that carries VXLAN: cv_ctl_vpc_name() gives its name. */
bool cv_ctl_is_carrier(const struct cv_ctl *ctl, uint16_t slot);

/** Id of the account that owns what is at an index, as cv_model_owner() has it. */
const char *cv_ctl_account_id(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx);

/** Write `a.b.c.d:port` (port in host order) into buf, shape [CV_NET_STR_LEN]. @return buf */
const char *cv_ctl_addr_str(cv_be32_t ip, uint16_t port, char *buf);

/** Write a UTC time as `2026-11-21T21:30:11Z` into buf, shape [32]. @return buf */
const char *cv_ctl_time_str(time_t at, char *buf);
