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

/** AWS's metrics, minute by minute, up to now; NULL: not yet. */
const struct cv_points *cv_ctl_points(struct cv_ctl *ctl);

/** The i-th of them, all groups together. @return false past the last */
bool cv_ctl_draining_at(const struct cv_ctl *ctl, uint32_t i, struct cv_ctl_draining *ret);
