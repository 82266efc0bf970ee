/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The part of the model that says where new flows go: weighted target groups, thresholds of target
 * group health, zonal shift, and which load balancer serves an ENI.
 *
 * @threads as cv_model.h
 * @source  AWS: "Listeners for your Network Load Balancers", "Target group health", "Zonal shift for
 *          your Network Load Balancer", "Create a service powered by AWS PrivateLink"
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_model_check.h"

struct cv_model;
struct cv_model_by;
struct cv_model_errs;

/** Target groups that one listener may forward to, and the highest weight. */
#define CV_MODEL_FORWARDS_MAX 5
#define CV_MODEL_WEIGHT_MAX 999

/** Which nodes DNS names to a client in a zone with one; in the order of the attribute's words. */
enum cv_model_client_routing {
	CV_MODEL_CLIENT_ANY,     /**< any_availability_zone: all */
	CV_MODEL_CLIENT_PARTIAL, /**< partial_availability_zone_affinity: mostly its own */
	CV_MODEL_CLIENT_OWN,     /**< availability_zone_affinity: its own */
};

/** A target group's share of a listener's new flows. */
struct cv_model_forward {
	uint32_t tg;
	uint16_t weight; /**< 0..CV_MODEL_WEIGHT_MAX; 0: no flows */
};

/** Request: likewise. */
struct cv_model_forward_req {
	const char *target_group;
	uint32_t weight;
};

/** Healthy targets that there must be, or else an action is taken; 0: no matter. */
struct cv_model_least {
	uint32_t count;
	uint32_t percent; /**< of the targets in view, 0..100 */
};

/**
 * The state of a target.
 *
 * @param arg     the caller's
 * @param tg      target group
 * @param target  index in the group
 * @param zone    as the node in this zone sees it; CV_MODEL_NONE: as all nodes together do
 */
typedef enum cv_model_target_state cv_model_target_state_fn(void *arg, uint32_t tg, uint32_t target,
							    uint32_t zone);

/** What a target is good for. */
enum cv_model_fit {
	CV_MODEL_FIT_NEVER, /**< draining, unused, or its zone is shifted away */
	CV_MODEL_FIT_LAST,  /**< unhealthy or not yet judged: when too few others are left */
	CV_MODEL_FIT_FIRST, /**< healthy, or nobody checks */
};

/**
 * Tell what a target is good for, as the node in one zone sees it.
 *
 * @param tg     of a load balancer
 * @param state  NULL: all targets are healthy
 */
enum cv_model_fit cv_model_target_fit(const struct cv_model *model, uint32_t tg, uint32_t target,
				      uint32_t zone, cv_model_target_state_fn *state, void *arg);

/**
 * Shift a load balancer away from a zone, or back. Targets of the zone get no new flows, from no
 * node; their flows live on.
 *
 * An operator's decision is kept, and stands over what the file says, until the next one.
 *
 * @param by         NULL: the configuration file
 * @param lb         index
 * @param away_from  zone id, or zone name of the owner; NULL: end the shift
 * @return 0, or
 *   -EINVAL  attribute `zonal_shift.config.enabled` is off, another zone is shifted, or the load
 *            balancer has no other zone
 *   -ENOENT  no node in such a zone
 *   -ENOMEM  memory ran out
 */
int cv_model_zonal_shift(struct cv_model *model, const struct cv_model_by *by, uint32_t lb,
			 const char *away_from, struct cv_model_errs *errs);

/**
 * Let each ENI that is in both models keep the load balancer that it had, if its service still offers
 * that in the ENI's zone: a new one beside it takes no ENI away.
 *
 * @param model  new, not yet published
 * @param old    what serves now
 */
void cv_model_enis_keep(struct cv_model *model, const struct cv_model *old);

/**
 * Let one ENI have a load balancer that it had before, if its service still offers that in its zone.
 *
 * @param model     not yet published
 * @param endpoint  index
 * @param eni       id; unknown ones are passed over
 * @param lb_arn    likewise
 */
void cv_model_eni_keep(struct cv_model *model, uint32_t endpoint, const char *eni,
		       const char *lb_arn);
