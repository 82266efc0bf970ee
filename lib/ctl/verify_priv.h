/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The proof of private DNS names: control asks the configured resolvers for the TXT record that a service's
 * owner was told to make, once the owner says that it is there.
 *
 * @threads control
 */

#include "ctl_priv.h"

/** Look for what is asked for, and say in the model what is known. */
void cv_ctl_verify_tick(struct cv_ctl *ctl, uint64_t now_ms);

/** Stop looking. What was asked for stays asked for. */
void cv_ctl_verify_stop(struct cv_ctl *ctl);
