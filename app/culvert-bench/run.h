/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A run: phases, workers, measurements, and what comes out of them.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client.h"
#include "server.h"

/** Orders from control to the workers. cmd is written only while all of them have seen the last one. */
struct cb_control {
	struct cb_cmd cmd;
	_Atomic uint32_t epoch;
};

/** A thread that moves packets: one side or both. */
struct cb_worker {
	struct cb_control *control;
	struct cv_io *io;
	struct cb_client *client; /**< NULL: none here */
	struct cb_server *server;
	unsigned int id;
	uint64_t order_tsc,
		order_cpu_ns; /**< when the last order was taken, and CPU time until then */
	_Atomic uint32_t seen;
};

/** Run a worker until CB_STOP. @param arg struct cb_worker */
int cb_worker_run(void *arg);

/** All counters at one time. */
struct cb_sample {
	uint64_t tsc;
	struct cb_counts side[CB_N_ROLES];
	uint32_t active;
};

/** Rates over about a second. */
struct cb_second {
	double at;               /**< seconds since the measurement began */
	double up_pps, down_pps; /**< probes that arrived */
	double tx_pps, rx_pps;   /**< frames, both sides together */
	double cps;              /**< connections finished */
	double up_bps, down_bps; /**< bits of stream that arrived in order */
};

#define CB_SECONDS_MAX 3600

/** One measurement. */
struct cb_measure {
	double rate;    /**< asked for; 0: as fast as possible */
	double seconds; /**< from first to last packet that it begins */
	struct cb_sample begin, end,
		quiet; /**< at start, at the end, and when everything arrived */
	uint32_t n_series;
	struct cb_second *series; /**< shape [n_series] */
	struct cb_second median;
	uint64_t offered, sent, received, lost; /**< probes, or connections in cps */
	uint64_t late;                          /**< probes that we were too slow to send */
	double cpu_share; /**< of their CPU that the workers got: less than 1 if others had some */
	bool passed;
};

#define CB_TRIALS_MAX 40

/** A run. */
struct cb_run {
	struct cb_world world;
	struct cv_io *io;
	struct cb_client *client; /**< NULL: none */
	struct cb_server *server;
	uint32_t n_workers;
	struct cb_worker workers[CB_CORES_MAX];
	struct cb_control control;
	uint32_t n_trials;
	struct cb_measure trials[CB_TRIALS_MAX];
	struct cb_measure main; /**< the result; flood: beside the flood */
	struct cb_measure calm; /**< flood: before it */
	uint64_t open_failed;
	bool stopped; /**< by a signal */
	char text_get[CB_GET_LEN];
	struct cv_errs errs; /**< why the result is not fine */
};

/** Make world, ports and sides. @return exit code; what is wrong was printed */
int cb_run_init(struct cb_run *run, const struct cb_opts *opts);
/** Undo it. */
void cb_run_fini(struct cb_run *run);
/** Measure. @return exit code */
int cb_run_go(struct cb_run *run);

/** Take all counters. */
void cb_run_sample(const struct cb_run *run, struct cb_sample *ret_sample);
/** Print a line of progress. */
void cb_report_progress(const struct cb_run *run, const char *what, const struct cb_second *second,
			const struct cb_sample *now);
/** Print the result as JSON. @return 0, or -1 if the file cannot be written */
int cb_report_json(const struct cb_run *run, bool ok);
/** Sum of what checks found wrong between two samples. */
uint64_t cb_report_n_bad(const struct cb_sample *from, const struct cb_sample *to);
