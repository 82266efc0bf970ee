/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The control thread: the only owner of the configuration, the model and everything slow. Reloads,
 * operators' questions, neighbours and timers arrive as commands and events and are handled one at a
 * time; each change is made whole or not at all.
 *
 * Order of a process's life: cv_ctl_signals_block(), cv_conf_load(), cv_io_create(), cv_ctl_create(),
 * cv_dp_create() with cv_ctl_dp_cfg(), cv_ctl_attach(), workers started, API started, cv_ctl_run();
 * then API stopped, workers stopped, cv_ctl_summary(), cv_dp_destroy(), cv_ctl_destroy(),
 * cv_io_destroy().
 *
 * @threads control, but cv_ctl_show(), cv_ctl_metrics(), cv_ctl_json_write() and cv_ctl_stop(): any
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_base.h"

struct cv_conf;
struct cv_ctl;
struct cv_dp;
struct cv_dp_cfg;
struct cv_io;
struct cv_steer;
struct json_t;

/** What control works with. */
struct cv_ctl_cfg {
	const char *file;    /**< configuration file, read again on reload; copied */
	const char *version; /**< of the program; copied */
	const char
		*state;   /**< file of what calls change (cv_ctl_keep.h); NULL: in memory; copied */
	struct cv_io *io; /**< for the state of ports; NULL in tests: no port is known */
	/** By port, shape [n_steers]; NULL where the interface is not shared. They outlive control. */
	struct cv_steer *const *steers;
	uint32_t n_steers;
	uint64_t tsc_hz; /**< TSC cycles per second, for the workers' rates; 0 if unknown */
};

/**
 * Block SIGHUP, SIGTERM and SIGINT in this thread and those that it starts, and ignore SIGPIPE: control
 * reads the former from a descriptor.
 *
 * @return 0, or -errno
 * @threads the main thread, before any other thread is started (thus before cv_io_create())
 */
int cv_ctl_signals_block(void);

/**
 * Make the control thread's state, plan the first view and publish it.
 *
 * @param      cfg      what to work with
 * @param      conf     the configuration that serves; control's from now on, also on failure
 * @param[out] errs     why not, for people
 * @param[out] ret_ctl  untouched on failure
 * @return 0, or
 *   -EINVAL  the configuration cannot be planned; errs says why
 *   -ENOMEM  memory ran out
 *   -EMFILE  no descriptor is free
 *   -EBUSY   another culvertd has the state file
 *   -EAGAIN  no thread can be started
 * @owner  caller; cv_ctl_destroy()
 */
int cv_ctl_create(const struct cv_ctl_cfg *cfg, struct cv_conf *conf, struct cv_errs *errs,
		  struct cv_ctl **ret_ctl);

/** What serves: the file, with what is kept put over it. @return until the next change; as long as
 * control does not run, as given or read anew */
const struct cv_conf *cv_ctl_conf(const struct cv_ctl *ctl);

/** Free everything: the publisher and its views, SNAT pools, the configuration. The data plane must be
 * destroyed before. NULL is fine. */
void cv_ctl_destroy(struct cv_ctl *ctl);

/**
 * Fill what control knows of a data plane's settings: n_workers, n_flows, n_ports, n_obj, pub. The
 * rest (mbufs, tx, tx_arg, seed, tsc_hz) stays as it is.
 *
 * @param[out] dp_cfg  pub is valid until cv_ctl_destroy()
 */
void cv_ctl_dp_cfg(const struct cv_ctl *ctl, struct cv_dp_cfg *dp_cfg);

/** Say which data plane to command. Once, before cv_ctl_run(). */
void cv_ctl_attach(struct cv_ctl *ctl, struct cv_dp *dp);

/** End the threads that use the data plane, before that is destroyed. cv_ctl_run() does it at its end; it is
 * for a start that does not come so far. */
void cv_ctl_detach(struct cv_ctl *ctl);

/** Answer nobody any more: who asks, waits or will ask gets -ECANCELED, or the events so far. Again is fine.
 * cv_ctl_run() does it at its end. @threads any */
void cv_ctl_refuse(struct cv_ctl *ctl);

/**
 * Have health checks made from other sockets than those of the VPCs' namespaces: for tests. At most once,
 * before cv_ctl_run().
 *
 * @param open  opens a TCP socket in a VPC, by its slot, from a thread of its own until
 *              cv_ctl_destroy(). @return descriptor, -EAGAIN (not yet), or another -errno
 * @return 0, -ENOMEM, -EMFILE (no descriptor is free), or -EAGAIN (no thread can be started)
 */
int cv_ctl_probe(struct cv_ctl *ctl, int (*open)(void *arg, uint16_t vpc), void *arg);

/**
 * A non-blocking TCP socket in a VPC's namespace (cv_host_socket()), to be bound to one of our addresses:
 * what cv_ctl_probe() wants as `open`.
 *
 * @param ctl  struct cv_ctl, attached
 * @param vpc  VPC slot
 * @return descriptor, -EAGAIN (not yet), -ENOENT (the VPC needs none), or another -errno
 * @owner  caller; close()
 * @threads any
 */
int cv_ctl_host_socket(void *ctl, uint16_t vpc);

/**
 * Be the control thread: announce our addresses, resolve neighbours, answer commands, reload on SIGHUP,
 * until SIGTERM, SIGINT or cv_ctl_stop(). Commands that wait then are answered with -ECANCELED.
 *
 * @return 0, or -errno when the event loop cannot run
 */
int cv_ctl_run(struct cv_ctl *ctl);

/** Make cv_ctl_run() return. @threads any */
void cv_ctl_stop(struct cv_ctl *ctl);

/**
 * Read the configuration file again and serve it, or leave everything as it was and log why. Done by
 * cv_ctl_run() on SIGHUP.
 *
 * @param[out] errs  what is wrong, for people; warnings are only logged
 * @return 0, or
 *   -EINVAL  the file is wrong, or cannot be planned
 *   -EBUSY   it changes what only a restart can change
 *   -ENOMEM  memory ran out
 */
int cv_ctl_reload(struct cv_ctl *ctl, struct cv_errs *errs);

/**
 * A last summary for people, several lines: uptime, flows, packets, drops by reason.
 *
 * @return text, or NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_ctl_summary(struct cv_ctl *ctl);

/* ---- questions from other threads; the signatures fit struct cv_api_ops ---- */

/** Flows listed when the question gives no limit, and at most. */
#define CV_CTL_FLOWS_DEFAULT 1000
#define CV_CTL_FLOWS_MAX 100000
/** Seconds for which cycles are counted by stage when the question gives none, and at most. */
#define CV_CTL_STAGES_SECONDS_DEFAULT 1
#define CV_CTL_STAGES_SECONDS_MAX 10

/** What an operator wants to see. Strings are the caller's; NULL: not given. */
struct cv_ctl_query {
	const char *what;     /**< one of cv_ctl_whats() */
	const char *endpoint; /**< flows, endpoints: id or name */
	const char *target;   /**< flows, snat: `ip:port` */
	const char *state;    /**< flows: a TCP state's name; endpoints: an endpoint state */
	uint32_t limit;       /**< flows: at most so many, 0 = CV_CTL_FLOWS_DEFAULT */
	bool stages;          /**< workers: count cycles by stage for a while */
	uint32_t seconds;     /**< with stages: how long, 0 = CV_CTL_STAGES_SECONDS_DEFAULT */
};

/** An answer. Zero-initialise. */
struct cv_ctl_reply {
	char *text; /**< JSON, or Prometheus text; on -EINVAL and -ENOENT why; NULL otherwise; free() */
	size_t len; /**< without the final NUL */
};

/** What can be shown. @return names, ended by NULL */
const char *const *cv_ctl_whats(void);

/**
 * Show something as a JSON object.
 *
 * @param      ctl    struct cv_ctl
 * @param[out] reply  text is the caller's
 * @return 0, or
 *   -EINVAL     a filter is malformed, or does not belong to `what`; reply->text says which
 *   -ENOENT     nothing is called `what`, or a filter names what does not exist; reply->text says so
 *   -EAGAIN     too many questions wait
 *   -ETIMEDOUT  control did not answer in time
 *   -ECANCELED  control has stopped
 *   -ENOMEM     memory ran out
 * @threads any; blocks for up to some seconds, with stages for query->seconds more
 */
int cv_ctl_show(void *ctl, const struct cv_ctl_query *query, struct cv_ctl_reply *reply);

/**
 * Every metric in Prometheus text format 0.0.4.
 *
 * @return as cv_ctl_show(), without -EINVAL and -ENOENT
 * @threads any; blocks for up to some seconds
 */
int cv_ctl_metrics(void *ctl, struct cv_ctl_reply *reply);

/** What an operator wants done. Strings are the caller's; NULL: not given. */
struct cv_ctl_order {
	const char *verb;          /**< accept, reject, drain, shift or unshift */
	const char *endpoint;      /**< accept, reject: id or name */
	const char *group;         /**< drain: target group, name or ARN */
	const char *target;        /**< drain: `ip` or `ip:port` */
	const char *load_balancer; /**< shift, unshift: name or ARN */
	const char *zone;          /**< shift: away from this zone, by id or the owner's name */
};

/**
 * Do it: the same operation, with the same rules, as a call of the AWS APIs.
 *
 * @param      ctl    struct cv_ctl
 * @param[out] reply  JSON `{"done": "..."}`, or why not; text is the caller's
 * @return as cv_ctl_call(); -EINVAL and -ENOENT with reply->text: why not
 * @threads any but control
 */
int cv_ctl_act(void *ctl, const struct cv_ctl_order *order, struct cv_ctl_reply *reply);

struct cv_model;

/**
 * What another thread wants done on control.
 *
 * @return 0, or -errno: then it has changed nothing
 */
typedef int cv_ctl_fn(struct cv_ctl *ctl, struct cv_model *model, void *arg);

/**
 * Have a function carried out on control and wait until it is done, and what it changed or saw is
 * durable.
 *
 * @param ctl     struct cv_ctl
 * @param change  it may change the model: the data plane follows within 100 ms, for several quick calls
 *                at once
 * @return what fn returned; or, with fn not begun, -EAGAIN (too much waits), -ECANCELED (control has
 *         stopped) or -ENOMEM; or -EROFS, with nothing changed: what it changes cannot be kept now
 *         (cv_ctl_keep_why())
 * @threads any but control
 */
int cv_ctl_call(void *ctl, bool change, cv_ctl_fn *fn, void *fn_arg);

/**
 * Have a function called on control after each SIGHUP, whether the configuration was taken or not.
 *
 * @threads control, before cv_ctl_run()
 */
void cv_ctl_on_hup(struct cv_ctl *ctl, void (*fn)(void *arg), void *arg);

/** settings.lab_time_scale of the configuration that serves, 1 without one. @threads control */
uint32_t cv_ctl_time_scale(const struct cv_ctl *ctl);

/**
 * Write JSON as text for people: either whole or not at all, also when memory is short.
 *
 * @param[out] ret_text  untouched on failure
 * @param[out] ret_len   bytes without the final NUL
 * @return 0, or -ENOMEM
 * @owner  caller; free()
 * @threads any
 */
int cv_ctl_json_write(const struct json_t *root, char **ret_text, size_t *ret_len);
