/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: targets that were removed and drain. They keep their slot as long as they have flows, and
 * are still checked if a failure would end those.
 */

#include "cv_model.h"
#include "cv_plan.h"
#include "cv_probe.h"

struct cv_ctl;
struct ctl_drain_check;

/** A target that was removed from the configuration. */
struct ctl_drain {
	uint32_t slot;
	cv_be32_t ip;
	uint16_t port;
	uint32_t zone;     /**< as in struct cv_model_target */
	bool terminate;    /**< its flows end after the delay */
	bool over;         /**< the delay is over */
	bool sick;         /**< its checks failed: its flows end at once */
	uint64_t until_ms; /**< end of the delay */
	uint64_t sweep;    /**< once its flows end: the workers' look at flows that ends them */
	uint32_t neigh;    /**< its neighbour's slot */
	char *group, *arn; /**< of its target group */
	struct ctl_drain_check *check; /**< NULL: it is not checked, or not any more */
};

/** All of them. */
struct ctl_drains {
	struct ctl_drain *items; /**< by slot; shape [n] */
	uint32_t n;
	uint32_t *ends; /**< shape [n_ends]: slots of those whose flows end */
	uint32_t n_ends;
	bool due; /**< what ends is still to be published */
};

/* ---- drain.c ---- */

/**
 * The targets that will drain once a plan serves instead of the current one.
 *
 * @param      model       that the plan was made of: what its groups say of draining counts
 * @param[out] ret_drains  untouched on failure
 * @return 0 or -ENOMEM
 * @owner  caller; cv_ctl_drains_fini()
 */
int cv_ctl_drains_next(const struct cv_ctl *ctl, const struct cv_plan *plan,
		       const struct cv_model *model, struct ctl_drains *ret_drains);

/** List anew whose flows end. */
void cv_ctl_drains_ends(struct ctl_drains *drains);

/** Free what a list holds. */
void cv_ctl_drains_fini(struct ctl_drains *drains);

/** End what has drained for long enough, check the rest, and publish whose flows end. */
void cv_ctl_drain_tick(struct cv_ctl *ctl, uint64_t now_ms);

/* ---- drain_check.c ---- */

/**
 * How a target that is about to drain will be checked: as its group said when it was removed, by the nodes
 * that it was healthy for.
 *
 * @param[out] ret_check  NULL if it will not be: nobody checks the group, or a failure ends no flows
 * @return 0 or -ENOMEM
 * @owner  caller; cv_ctl_drain_check_put()
 */
int cv_ctl_drain_check_make(const struct cv_ctl *ctl, uint32_t tg, uint32_t target,
			    struct ctl_drain_check **ret_check);

/** Share a check between a list and the next one; NULL is fine. @return the check */
struct ctl_drain_check *cv_ctl_drain_check_get(struct ctl_drain_check *check);

/** Let go of a check; NULL is fine. */
void cv_ctl_drain_check_put(struct ctl_drain_check *check);

/** Slot of the VPC that the checks of a target are made in. */
uint16_t cv_ctl_drain_check_vpc(const struct ctl_drain_check *check);

/** Begin the probes of a target that are due. */
void cv_ctl_drain_check_run(struct cv_ctl *ctl, struct ctl_drain *drain, uint64_t now_ms);

/**
 * Take a result of a probe.
 *
 * @return false: it is not of a draining target's
 */
bool cv_ctl_drain_check_take(struct cv_ctl *ctl, const struct cv_probe_result *result);

/* ---- checks.c ---- */

/**
 * What the checks of a target have in common, whoever makes them.
 *
 * @param[out] req  all but key, turn and from; its path is the model's
 */
void cv_ctl_checks_req(const struct cv_ctl *ctl, uint32_t lb, uint32_t tg, uint32_t target,
		       uint16_t port, struct cv_probe_req *req);
