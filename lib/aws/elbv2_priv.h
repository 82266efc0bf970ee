/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the actions of Elastic Load Balancing share: resources by ARN, errors, a listener's parts.
 */

#include "cv_model_change.h"

#include "aws_priv.h"

/**
 * Find what an ARN names. What the caller does not own is not found.
 *
 * @param      kind          CV_MODEL_LB, CV_MODEL_TG or CV_MODEL_LISTENER
 * @param[out] ret_listener  place in the load balancer; may be NULL for the other kinds
 * @return its index (a listener's: its load balancer's), or CV_MODEL_NONE with the call failed
 */
uint32_t cv_aws_elb_find(struct aws_call *call, enum cv_model_kind kind, const char *arn,
			 uint32_t *ret_listener);

/** The same, but what is not found is no failure. An ARN of another kind is. */
uint32_t cv_aws_elb_look(struct aws_call *call, enum cv_model_kind kind, const char *arn,
			 uint32_t *ret_listener);

/**
 * End an operation of the model: errors in ELBv2's codes, and the list freed.
 *
 * @param ret  what the operation returned
 * @return 0, or what cv_aws_fail() returns
 */
int cv_aws_elb_end(struct aws_call *call, struct cv_model_errs *errs, int ret);

/**
 * Delete what an ARN names; what is not there is as good as deleted.
 *
 * @param missing_is_ok  false: it is not found
 */
int cv_aws_elb_delete(struct aws_call *call, enum cv_model_kind kind, const char *arn,
		      bool missing_is_ok);

/** A list that narrows a listing: ARNs or names; a result must be in it. */
struct elb_wanted {
	const char *const *texts; /**< shape [n]; n 0: all */
	uint32_t n;
};

/** Tell whether a text is wanted. */
bool cv_aws_elb_is_wanted(const struct elb_wanted *wanted, const char *text);

/** Write the one action that a listener has, as an element of a list. */
void cv_aws_elb_action_write(struct aws_call *call, const struct cv_model_listener *l);

/** What that writes, below a path. */
#define ELB_ACTION_ANSWERS(at)                                                             \
	at "Type " at "TargetGroupArn " at "ForwardConfig.TargetGroups.TargetGroupArn " at \
	   "ForwardConfig.TargetGroups.Weight " at                                         \
	   "ForwardConfig.TargetGroupStickinessConfig.Enabled " at                         \
	   "ForwardConfig.TargetGroupStickinessConfig.DurationSeconds"

/** What serves: as the model was a moment ago; NULL: nothing does. */
const struct cv_model *cv_aws_elb_served(struct aws_call *call,
					 const struct cv_health **ret_health);
