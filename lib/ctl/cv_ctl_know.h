/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What control knows beside the model, for the APIs.
 *
 * @threads control: within cv_ctl_call()
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_health.h"
#include "cv_model.h"
#include "cv_net.h"

struct cv_ctl;
struct cv_points;

/**
 * What serves: as the model was when the data plane followed it last.
 *
 * @param[out] ret_health  of its targets
 * @return as both live until the call is over
 */
const struct cv_model *cv_ctl_served(struct cv_ctl *ctl, const struct cv_health **ret_health);

/** A deregistered target that is within its group's deregistration delay. */
struct cv_ctl_draining {
	const char *tg_arn;
	cv_be32_t ip;
	uint16_t port; /**< host order */
	uint32_t zone; /**< as in struct cv_model_target */
};

/**
 * AWS's metrics, minute by minute; NULL: not yet. Up to now, or, where there are so many that control takes
 * them in pieces, as they were when that was done last: who asks has it begun.
 */
const struct cv_points *cv_ctl_points(struct cv_ctl *ctl);

/** Takes one of them; what it points to lives until the call is over. */
typedef void cv_ctl_draining_fn(void *arg, const struct cv_ctl_draining *draining);

/** Go through them, all groups together. */
void cv_ctl_draining(const struct cv_ctl *ctl, cv_ctl_draining_fn *fn, void *arg);

/**
 * How much of `limits.targets` those take that were deregistered: a target's place is given out again when
 * it has drained and no flow goes to it. Those that the data plane is about to be told of are in it.
 */
uint32_t cv_ctl_targets_gone(const struct cv_ctl *ctl);

/**
 * How many listeners may be made before the data plane has no place for one more: a listener that was
 * removed keeps its place until no flow came through it.
 */
uint32_t cv_ctl_listeners_room(const struct cv_ctl *ctl);
