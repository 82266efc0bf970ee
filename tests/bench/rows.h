/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The rows of bench_rows: each measures and prints one JSON object on stdout.
 */

#include "rig.h"

/** What the command line asks. */
struct row_opts {
	double seconds;       /**< of each measurement */
	unsigned int n_cores; /**< lcores there are: 1 or 2 */
	uint32_t n_flows;     /**< of row_memory() */
};

/** Packets per second of established flows, receive and transmit included. */
void row_established(const struct row_opts *opts);
/** Memory per flow, and cycles against those of 1,000 flows. */
void row_memory(const struct row_opts *opts);
/** New connections per second, SYN to close, under the real clock. */
void row_connections(const struct row_opts *opts);
/** What the PROXY header costs. */
void row_proxy(const struct row_opts *opts);
/** Two workers against one. */
void row_workers(const struct row_opts *opts);
/** Worst cases. */
void row_worst(const struct row_opts *opts);
/** Established packets in VXLAN. */
void row_vxlan(const struct row_opts *opts);
/** Established packets of many endpoints, each with counters of its own. */
void row_paths(const struct row_opts *opts);
/** Flows that leave a large table. */
void row_ageing(const struct row_opts *opts);
/** Connections that come and go as fast as one or two workers take them, and what the table holds. */
void row_rush(const struct row_opts *opts);
/** Established flows beside half-open ones. */
void row_flood(const struct row_opts *opts);
