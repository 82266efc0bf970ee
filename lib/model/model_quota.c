/* SPDX-License-Identifier: BSD-3-Clause */

/* Quotas: calls are held to them; the file, and what is put back, are not. */

#include <errno.h>

#include "model_change_priv.h"

/* Zones of a region: as many as fit into a set of bits. */
#define ZONES_MAX 64

static bool is_held(const struct model_ctx *ctx)
{
	return ctx->by != NULL && !ctx->by->restore;
}

static void too_many(struct model_ctx *ctx, const char *code, const char *of, uint32_t quota)
{
	cv_model_err(ctx, EINVAL, code, "",
		     "The maximum number of %s has been reached: the quota is %u", of, quota);
}

void cv_model_quota_own(struct model_ctx *ctx, uint32_t vpc)
{
	const struct cv_model *model = ctx->model;
	bool tg = ctx->kind == CV_MODEL_TG;
	uint32_t quota = tg ? model->quotas.tgs : model->quotas.lbs;
	uint32_t n_all = tg ? model->n_tgs : model->n_lbs, n = 0;

	if (!is_held(ctx) || vpc == CV_MODEL_NONE)
		return;
	for (uint32_t i = 0; i < n_all; i++) {
		n += !cv_model_meta(model, ctx->kind, i, 0)->gone &&
		     cv_model_owner(model, ctx->kind, i) == model->vpcs[vpc].owner;
	}
	if (n >= quota)
		too_many(ctx, tg ? "TooManyTargetGroups" : "TooManyLoadBalancers",
			 tg ? "target groups" : "load balancers", quota);
}

void cv_model_quota_listeners(struct model_ctx *ctx, const struct cv_model_lb *lb)
{
	uint32_t quota = ctx->model->quotas.listeners;

	if (is_held(ctx) && lb->n_listeners >= quota)
		too_many(ctx, "TooManyListeners", "listeners of a load balancer", quota);
}

/* Targets of a load balancer, and of its zones. */
struct counts {
	uint32_t n, zones[ZONES_MAX];
};

static void count_targets(struct counts *counts, const struct cv_model_target *targets, uint32_t n)
{
	counts->n += n;
	for (uint32_t i = 0; i < n; i++) {
		if (targets[i].zone < ZONES_MAX)
			counts->zones[targets[i].zone]++;
	}
}

/* A listener, and the index of the one whose place it takes. */
struct replacement {
	const struct cv_model_listener *by;
	uint32_t listener;
};

/* Tells whether only the listener that is replaced leads to a group: it goes with it. */
static bool is_left(const struct cv_model_lb *lb, uint32_t tg,
		    const struct replacement *replacement)
{
	if (replacement == NULL || cv_model_lb_has_tg(lb, tg, replacement->listener))
		return false;
	for (uint32_t i = 0; i < replacement->by->n_forwards; i++) {
		if (replacement->by->forwards[i].tg == tg)
			return false;
	}
	return true;
}

/*
 * What a load balancer has is no error by itself: only more of it is.
 *
 * replacement: NULL if none
 */
static void counts_check(struct model_ctx *ctx, uint32_t lb, const struct counts *more,
			 const struct replacement *replacement)
{
	const struct cv_model *model = ctx->model;
	const struct cv_model_quotas *quotas = &model->quotas;
	struct counts has = {0};

	for (uint32_t i = 0; i < model->n_tgs; i++) {
		if (!model->tgs[i].meta.gone && model->tgs[i].lb == lb &&
		    !is_left(&model->lbs[lb], i, replacement))
			count_targets(&has, model->tgs[i].targets, model->tgs[i].n_targets);
	}
	if (more->n > 0 && has.n + more->n > quotas->lb_targets)
		too_many(ctx, "TooManyTargets", "targets of a load balancer", quotas->lb_targets);
	for (uint32_t i = 0; i < ZONES_MAX; i++) {
		if (more->zones[i] > 0 && has.zones[i] + more->zones[i] > quotas->zone_targets) {
			too_many(ctx, "TooManyTargets",
				 "targets of a load balancer in an Availability Zone",
				 quotas->zone_targets);
			return;
		}
	}
}

void cv_model_quota_targets(struct model_ctx *ctx, uint32_t tg_idx,
			    const struct cv_model_target *targets, uint32_t n)
{
	const struct cv_model_target_group *tg = &ctx->model->tgs[tg_idx];
	uint32_t quota = ctx->model->quotas.tg_targets;
	struct counts more = {0};

	if (!is_held(ctx))
		return;
	for (uint32_t i = 0; i < n; i++) {
		if (cv_model_target_find(ctx->model, tg_idx, targets[i].ip, targets[i].port) ==
		    CV_MODEL_NONE)
			count_targets(&more, &targets[i], 1);
	}
	if (more.n > 0 && tg->n_targets + more.n > quota)
		too_many(ctx, "TooManyTargets", "targets of a target group", quota);
	if (more.n > 0 && tg->lb != CV_MODEL_NONE)
		counts_check(ctx, tg->lb, &more, NULL);
}

void cv_model_quota_forwards(struct model_ctx *ctx, uint32_t lb,
			     const struct cv_model_listener *listener, uint32_t replaced)
{
	const struct replacement replacement = {listener, replaced};
	const struct cv_model *model = ctx->model;
	struct counts more = {0};

	if (!is_held(ctx))
		return;
	for (uint32_t i = 0; i < listener->n_forwards; i++) {
		const struct cv_model_target_group *tg = &model->tgs[listener->forwards[i].tg];

		if (tg->lb == CV_MODEL_NONE)
			count_targets(&more, tg->targets, tg->n_targets);
	}
	if (more.n > 0)
		counts_check(ctx, lb, &more, replaced != CV_MODEL_NONE ? &replacement : NULL);
}
