/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * More address blocks of a VPC: its first CIDR stays, others come and go.
 *
 * @threads as the model
 */

#include "cv_model_ops.h"

/** CIDRs of a VPC that calls may bring it to. */
#define CV_MODEL_CIDRS_MAX 5

/**
 * Add a CIDR to a VPC that a call made.
 *
 * @param vpc  id
 * @return as the operations of cv_model_change.h
 */
int cv_model_cidr_add(struct cv_model *model, const struct cv_model_by *by, const char *vpc,
		      const struct cv_prefix *cidr, struct cv_model_errs *errs);

/**
 * Take a CIDR from it, unless it is the first, or in use: by a subnet, or by a target.
 *
 * @param i  which; 0 is the first
 * @return as the operations of cv_model_change.h
 */
int cv_model_cidr_remove(struct cv_model *model, const struct cv_model_by *by, const char *vpc,
			 uint32_t i, struct cv_model_errs *errs);
