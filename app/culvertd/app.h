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
 * Serve a configuration until told to stop.
 *
 * @return exit code
 */
int app_serve(const struct app_opts *opts);

/** Validate a configuration and print what it would serve. @return exit code */
int app_check(const struct app_opts *opts);
