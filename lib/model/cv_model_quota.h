/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Quotas: how many load balancers, groups, listeners and targets calls may make, as AWS has them. The file
 * may have more: what bounds it are the appliance's limits. Calls are refused from the quota on, whoever
 * made what is there.
 *
 * @threads as cv_model.h
 */

#include <stdint.h>

/** AWS's defaults. */
#define CV_MODEL_QUOTA_LBS 50
#define CV_MODEL_QUOTA_TGS 3000
#define CV_MODEL_QUOTA_LISTENERS 50
#define CV_MODEL_QUOTA_LB_TARGETS 3000
#define CV_MODEL_QUOTA_ZONE_TARGETS 500
#define CV_MODEL_QUOTA_TG_TARGETS 1000

/** Quotas, each 1 or more. */
struct cv_model_quotas {
	uint32_t lbs, tgs;     /**< of an account */
	uint32_t listeners;    /**< of a load balancer */
	uint32_t lb_targets;   /**< of all groups of a load balancer */
	uint32_t zone_targets; /**< likewise, in one zone */
	uint32_t tg_targets;   /**< of a group */
};

/** All of them as AWS has them. */
#define CV_MODEL_QUOTAS_DEFAULT                                                   \
	{                                                                         \
		CV_MODEL_QUOTA_LBS, CV_MODEL_QUOTA_TGS, CV_MODEL_QUOTA_LISTENERS, \
			CV_MODEL_QUOTA_LB_TARGETS, CV_MODEL_QUOTA_ZONE_TARGETS,   \
			CV_MODEL_QUOTA_TG_TARGETS                                 \
	}
