/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What becomes of the flows of a target that leaves its group or turns unhealthy.
 *
 * @threads as cv_model.h
 * @source  AWS: target group attributes `deregistration_delay.*`, `target_health_state.unhealthy.*`
 */

#include <stdbool.h>
#include <stdint.h>

/** Bounds of the times, as AWS has them. */
#define CV_MODEL_DRAIN_SECONDS_MAX 3600
#define CV_MODEL_UNHEALTHY_SECONDS_MAX 360000

/** Attributes of a target group. Times in seconds. */
struct cv_model_drain {
	uint32_t seconds;         /**< a deregistered target is `draining` for so long */
	bool terminate;           /**< then its flows are ended; else they go on */
	bool unhealthy_terminate; /**< flows of a target that turns unhealthy are ended at once */
	/** Else it is `unhealthy.draining` for so long, then they are ended; 0: they go on. */
	uint32_t unhealthy_seconds;
};
