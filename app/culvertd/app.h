/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside culvertd: what its files share.
 */

#include <stdbool.h>

#include "cv_base.h"

/** Exit codes, as `--help` lists them. */
enum app_exit { APP_OK = 0, APP_CONF = 1, APP_USAGE = 2, APP_RUNTIME = 3 };

struct app_aws;
struct app_sns;
struct cv_notify_key;
struct cv_conf;
struct cv_conf_api;
struct cv_ctl;
struct cv_ctl_notified;
struct cv_steer;

/** The command line. */
struct app_opts {
	const char *file;
	bool check;
	bool verbose;
	const char *const *eal_args; /**< after `--`, shape [n_eal_args] */
	unsigned int n_eal_args;
};

/**
 * Read the command line. Help, version and mistakes are printed here.
 *
 * @param[out] ret_opts  set only on -1
 * @return -1: go on; otherwise the exit code
 */
int app_opts_read(int argc, char **argv, struct app_opts *ret_opts);

/** Print log lines to stderr; while *verbose, those at debug level too. */
void app_log_init(bool *verbose);

/** Print every error, one a line: `FILE: path: text (line N)`. */
void app_errs_print(const char *file, const struct cv_errs *errs);

/** Log every warning. */
void app_warnings_log(const char *file, const struct cv_errs *warnings);

/** Tell the service manager, if one waits at NOTIFY_SOCKET (sd_notify protocol). */
void app_notify(const char *state);

/**
 * Serve the AWS APIs, if the configuration has them; read the access keys again on each SIGHUP.
 *
 * @param[out] ret_aws  untouched on failure and without `api`; app_aws_stop()
 * @return 0 or -errno, with errs filled
 */
int app_aws_start(const struct cv_conf *conf, struct cv_ctl *ctl, struct cv_errs *errs,
		  struct app_aws **ret_aws);

/**
 * Look at the files that the AWS APIs will need, before anything is touched: access keys, certificate, key.
 * What is wrong with the access keys is printed with that file's own places.
 *
 * @return 0 or -errno, with errs filled
 */
int app_aws_check(const struct cv_conf *conf, struct cv_errs *errs);

/** Stop serving the AWS APIs. NULL is fine. */
void app_aws_stop(struct app_aws *self);

/**
 * Start to deliver notifications, with a key that is made at the first start and kept.
 *
 * @param[out] ret_sns  untouched on failure; app_sns_stop() before control ends
 * @return 0 or -errno
 */
int app_sns_start(const struct cv_conf_api *api, struct cv_ctl *ctl, struct app_sns **ret_sns);

/** Begin. @param netns  of the APIs, where receivers are reached from: taken over; negative: our own */
void app_sns_serve(struct app_sns *self, int netns);

/** Stop delivering; what is not delivered stays. NULL is fine. */
void app_sns_stop(struct app_sns *self);

/** What the configuration says of it may have changed. @threads control */
void app_sns_reload(struct app_sns *self);

/** What became of notifications. */
void app_sns_counts(struct app_sns *self, struct cv_ctl_notified *ret_counts);

/** What notifications are signed with. */
struct cv_notify_key *app_sns_key(const struct app_sns *self);

/** Something has been put into the outbox and is durable. @param arg  struct app_sns @threads any */
void app_sns_sent(void *arg);

/**
 * Share the interfaces of ports with `steering` with the host. Before the ports start.
 *
 * @param[in,out] steers  shape [dpdk.n_ports], NULLs: filled where a port shares, also on failure;
 *                        cv_steer_destroy() after the ports are closed
 * @return 0 or -errno, with errs filled
 */
int app_steer_start(const struct cv_conf *conf, struct cv_errs *errs, struct cv_steer **steers);

/**
 * Serve a configuration until told to stop.
 *
 * @return exit code
 */
int app_serve(const struct app_opts *opts);

/** Validate a configuration and print what it would serve. @return exit code */
int app_check(const struct app_opts *opts);
