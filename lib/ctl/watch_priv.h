/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: AWS's metrics over time, taken in rounds.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_points.h"

/** What went through something in the best ten seconds of the minute that runs. */
struct ctl_peak {
	uint64_t bytes, pkts;         /**< what was counted at the last look */
	uint64_t top_bytes, top_pkts; /**< a second */
};

/** By slot. */
struct ctl_peaks {
	struct ctl_peak *items; /**< shape [n] */
	uint32_t n;
};

/** How far a walk through all samples of all metrics is. */
struct ctl_meter_walk {
	uint32_t meter, i; /**< next object of a metric */
};

/** A round of AWS's metrics under way. */
struct ctl_round {
	bool on;
	uint64_t began_ms;
	uint64_t
		next; /**< minute that has begun: the round is of the one before; 0: somebody asks */
	uint64_t loads; /**< cv_ctl.loads when it began */
	struct ctl_meter_walk walk;
};

/** AWS's metrics over time. */
struct ctl_watch {
	struct ctl_peaks node_peaks, lb_peaks;
	uint64_t peaks_ms;        /**< of the last look */
	struct cv_points *points; /**< NULL at first */
	uint64_t minute;          /**< that runs, since 1970 */
	uint64_t ready_ms;        /**< no round for who asks before */
	struct ctl_round round;
};
