/* SPDX-License-Identifier: BSD-3-Clause */

/* Where new flows go: weights, thresholds of target group health, zonal shift, load balancers of ENIs. */

#include "model_change_priv.h"

#include <errno.h>
#include <string.h>

/* ---- weighted target groups ---- */

static void check_group(struct model_ctx *ctx, uint32_t lb_idx, uint32_t tg_idx, const char *field)
{
	const struct cv_model *model = ctx->model;
	const struct cv_model_lb *lb = &model->lbs[lb_idx];
	const struct cv_model_target_group *tg = &model->tgs[tg_idx];

	if (tg->vpc != lb->vpc)
		cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest", field,
			     "target group '%s' is in VPC '%s', the load balancer in '%s'",
			     tg->name, model->vpcs[tg->vpc].name, model->vpcs[lb->vpc].name);
	else if (tg->lb != CV_MODEL_NONE && tg->lb != lb_idx)
		cv_model_err(ctx, EINVAL, "TargetGroupAssociationLimit", field,
			     "target group '%s' is already used by load balancer '%s'", tg->name,
			     model->lbs[tg->lb].name);
}

/* What a file and what calls made do not agree on, they came to later: it must not cost either. */
static void check_sticky(struct model_ctx *ctx, const struct cv_model_listener *l, uint32_t i)
{
	const struct cv_model_target_group *tg = &ctx->model->tgs[l->forwards[i].tg];
	bool restore = ctx->by != NULL && ctx->by->restore;

	if (l->n_forwards > 1 && tg->sticky && !l->sticky_group)
		cv_model_err(
			ctx, restore ? 0 : EINVAL, "InvalidConfigurationRequest",
			"target_group_stickiness.enabled",
			"target group '%s' is sticky (stickiness.enabled): the choice of the group "
			"must be sticky, too",
			tg->name);
}

/* Whether a listener chooses between this group and others, and not for good. */
static bool is_chosen_anew(const struct cv_model_listener *l, uint32_t tg)
{
	for (uint32_t i = 0; i < l->n_forwards; i++) {
		if (l->forwards[i].tg == tg)
			return l->n_forwards > 1 && !l->sticky_group;
	}
	return false;
}

void cv_model_sticky_check(struct model_ctx *ctx, uint32_t tg)
{
	const struct cv_model *model = ctx->model;
	uint32_t lb_idx = model->tgs[tg].lb;
	const struct cv_model_lb *lb;

	if (lb_idx == CV_MODEL_NONE)
		return;
	lb = &model->lbs[lb_idx];
	for (uint32_t i = 0; i < lb->n_listeners; i++) {
		if (is_chosen_anew(&lb->listeners[i], tg))
			cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest", "attributes",
				     "Attribute 'stickiness.enabled' cannot be set: listener '%s' "
				     "forwards to several target groups, and its choice of one is "
				     "not sticky",
				     lb->listeners[i].arn);
	}
}

static void check_weight(struct model_ctx *ctx, const struct cv_model_forward_req *req, uint32_t i)
{
	if (req->weight > CV_MODEL_WEIGHT_MAX)
		cv_model_err(ctx, EINVAL, "ValidationError",
			     cv_model_at(ctx, "forward[%u].weight", i), "%u is outside 0..%d",
			     req->weight, CV_MODEL_WEIGHT_MAX);
}

/* Resolves one group. What is wrong with it is said at its place in the request. */
static void add_forward(struct model_ctx *ctx, uint32_t lb_idx,
			const struct cv_model_forward_req *req, const char *field,
			struct cv_model_listener *l)
{
	uint32_t tg = cv_model_resolve(ctx, CV_MODEL_TG, CV_MODEL_NONE, req->target_group, field);

	if (tg == CV_MODEL_NONE)
		return;
	check_group(ctx, lb_idx, tg, field);
	for (uint32_t i = 0; i < l->n_forwards; i++) {
		if (l->forwards[i].tg == tg)
			cv_model_err(ctx, EEXIST, "ValidationError", field,
				     "target group '%s' is listed twice", ctx->model->tgs[tg].name);
	}
	l->forwards[l->n_forwards++] =
		(struct cv_model_forward){.tg = tg, .weight = (uint16_t)req->weight};
}

/* Every part of a weighted action. */
static void add_weighted(struct model_ctx *ctx, uint32_t lb_idx,
			 const struct cv_model_listener_req *req, struct cv_model_listener *l)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < req->n_forwards; i++) {
		check_weight(ctx, &req->forwards[i], i);
		add_forward(ctx, lb_idx, &req->forwards[i],
			    cv_model_at(ctx, "forward[%u].target_group", i), l);
		total += req->forwards[i].weight;
	}
	if (total == 0)
		cv_model_err(ctx, EINVAL, "ValidationError", "forward",
			     "every weight is 0: no target group would get connections");
	for (uint32_t i = 0; i < l->n_forwards; i++)
		check_sticky(ctx, l, i);
}

void cv_model_forwards_make(struct model_ctx *ctx, uint32_t lb_idx,
			    const struct cv_model_listener_req *req, struct cv_model_listener *l)
{
	const struct cv_model_forward_req one = {.target_group = req->target_group, .weight = 1};

	l->sticky_group = req->sticky_group;
	l->sticky_seconds = req->sticky_seconds;
	if (req->target_group != NULL && req->n_forwards > 0)
		cv_model_err(ctx, EINVAL, "ValidationError", "forward",
			     "'target_group' and 'forward' exclude each other");
	else if (req->n_forwards > CV_MODEL_FORWARDS_MAX)
		cv_model_err(ctx, EINVAL, "TooManyTargetGroups", "forward",
			     "%u target groups; a listener forwards to at most %d", req->n_forwards,
			     CV_MODEL_FORWARDS_MAX);
	else if (req->n_forwards > 0)
		add_weighted(ctx, lb_idx, req, l);
	else if (req->target_group != NULL)
		add_forward(ctx, lb_idx, &one, "target_group", l);
	else
		cv_model_err(ctx, EINVAL, "ValidationError", "",
			     "a listener needs 'target_group' or 'forward'");
	l->tg = l->n_forwards > 0 ? l->forwards[0].tg : CV_MODEL_NONE;
}

/* ---- target group health ---- */

#define LEAST_FIELD "attributes.target_group_health"

static void check_order(struct model_ctx *ctx, uint32_t dns, uint32_t routing, const char *what)
{
	/* AWS: DNS failover comes before routing failover or with it. */
	if (dns == 0 || routing <= dns)
		return;
	cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest", LEAST_FIELD,
		     "unhealthy_state_routing.minimum_healthy_targets.%s %u is above "
		     "dns_failover.minimum_healthy_targets.%s %u",
		     what, routing, what, dns);
}

void cv_model_least_check(struct model_ctx *ctx, const struct cv_model_least *dns,
			  const struct cv_model_least *routing)
{
	if (dns->percent > 100 || routing->percent > 100)
		cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest", LEAST_FIELD,
			     "minimum_healthy_targets.percentage is outside 1..100");
	check_order(ctx, dns->count, routing->count, "count");
	check_order(ctx, dns->percent, routing->percent, "percentage");
}

static enum cv_model_fit fit_of(enum cv_model_target_state state)
{
	switch (state) {
	case CV_MODEL_TARGET_HEALTHY:
	case CV_MODEL_TARGET_UNAVAILABLE:
		return CV_MODEL_FIT_FIRST;
	case CV_MODEL_TARGET_INITIAL:
	case CV_MODEL_TARGET_UNHEALTHY:
	case CV_MODEL_TARGET_UNHEALTHY_DRAINING:
		return CV_MODEL_FIT_LAST;
	default:
		return CV_MODEL_FIT_NEVER;
	}
}

enum cv_model_fit cv_model_target_fit(const struct cv_model *model, uint32_t tg, uint32_t target,
				      uint32_t zone, cv_model_target_state_fn *state, void *arg)
{
	const struct cv_model_target_group *group = &model->tgs[tg];
	uint32_t shifted = model->lbs[group->lb].shifted_zone;

	if (shifted != CV_MODEL_NONE && group->targets[target].zone == shifted)
		return CV_MODEL_FIT_NEVER;
	return state == NULL ? CV_MODEL_FIT_FIRST : fit_of(state(arg, tg, target, zone));
}

/* ---- zonal shift ---- */

static void check_shiftable(struct model_ctx *ctx, const struct cv_model_lb *lb)
{
	if (!lb->zonal_shift)
		cv_model_err(ctx, EINVAL, "ValidationException", "zonal_shift.away_from",
			     "zonal shift is off: set attribute zonal_shift.config.enabled of '%s'",
			     lb->name);
	if (lb->n_nodes == 1)
		cv_model_err(ctx, EINVAL, "ValidationException", "zonal_shift.away_from",
			     "load balancer '%s' has no other zone", lb->name);
}

/* What a shift needs. One that is put back was allowed when it was made, and overrules the file. */
static void check_shift(struct model_ctx *ctx, const struct cv_model_lb *lb, uint32_t zone,
			const char *away_from)
{
	const struct cv_model *model = ctx->model;
	bool restore = ctx->by != NULL && ctx->by->restore;

	if (!restore)
		check_shiftable(ctx, lb);
	if (zone == CV_MODEL_NONE || cv_model_node_find(lb, zone) == CV_MODEL_NONE)
		cv_model_err(ctx, ENOENT, "ResourceNotFoundException", "zonal_shift.away_from",
			     "load balancer '%s' has no node in '%.64s'", lb->name, away_from);
	else if (!restore && lb->shifted_zone != CV_MODEL_NONE && lb->shifted_zone != zone)
		cv_model_err(
			ctx, EINVAL, "ConflictException", "zonal_shift.away_from",
			"load balancer '%s' is shifted away from %s already: one zone at a time",
			lb->name, model->zones[lb->shifted_zone].id);
}

int cv_model_zonal_shift(struct cv_model *model, const struct cv_model_by *by, uint32_t lb_idx,
			 const char *away_from, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_LB};
	struct cv_model_lb *lb = &model->lbs[lb_idx];
	uint32_t zone = CV_MODEL_NONE;

	cv_model_begin(&ctx, by);
	if (away_from != NULL) {
		zone = cv_model_zone_of(model, model->vpcs[lb->vpc].owner, away_from);
		check_shift(&ctx, lb, zone, away_from);
	}
	if (ctx.ret == 0) {
		lb->shifted_zone = zone;
		lb->shift_decided = by != NULL;
		cv_model_touch(&ctx, CV_MODEL_LB, lb_idx);
	}
	return cv_model_end(&ctx);
}

/* ---- load balancers of ENIs ---- */

/*
 * AWS picks one of the service's load balancers in the zone at random, at an ENI's first connection,
 * and keeps it. Here each of them draws a number from the ENI's id and its own ARN, and the highest
 * wins: the same after a restart, and whatever else the service offers.
 */
void cv_model_eni_choose(const struct cv_model *model, uint32_t service, struct cv_model_eni *eni)
{
	const struct cv_model_service *s = &model->services[service];
	uint64_t id = cv_siphash(eni->id, strlen(eni->id), 0x6c62, 0);
	uint64_t best = 0;

	eni->lb = CV_MODEL_NONE;
	for (uint32_t i = 0; i < s->n_lbs; i++) {
		const char *arn = model->lbs[s->lbs[i]].arn;
		uint32_t node = cv_model_node_find(&model->lbs[s->lbs[i]], eni->zone);
		uint64_t draw = cv_siphash(arn, strlen(arn), 0x6c62, id);

		if (node == CV_MODEL_NONE || (eni->lb != CV_MODEL_NONE && draw <= best))
			continue;
		best = draw;
		eni->lb = s->lbs[i];
		eni->node = node;
	}
}

static void keep_eni(struct cv_model *model, uint32_t service, struct cv_model_eni *eni,
		     const char *lb_arn)
{
	uint32_t lb = cv_model_find(model, CV_MODEL_LB, CV_MODEL_NONE, lb_arn);
	uint32_t node;

	if (lb == CV_MODEL_NONE || model->lbs[lb].service != service)
		return;
	node = cv_model_node_find(&model->lbs[lb], eni->zone);
	if (node == CV_MODEL_NONE)
		return;
	eni->lb = lb;
	eni->node = node;
}

void cv_model_eni_keep(struct cv_model *model, uint32_t endpoint, const char *eni,
		       const char *lb_arn)
{
	const struct cv_model_endpoint *ep = &model->endpoints[endpoint];

	for (uint32_t i = 0; ep->service != CV_MODEL_NONE && i < ep->n_enis; i++) {
		if (strcmp(ep->enis[i].id, eni) == 0)
			keep_eni(model, ep->service, &ep->enis[i], lb_arn);
	}
}

void cv_model_enis_keep(struct cv_model *model, const struct cv_model *old)
{
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		struct cv_model_endpoint *ep = &model->endpoints[i];
		const struct cv_model_endpoint *before;
		uint32_t was;

		if (ep->service == CV_MODEL_NONE || model->services[ep->service].n_lbs < 2)
			continue;
		was = cv_model_find(old, CV_MODEL_ENDPOINT, CV_MODEL_NONE, ep->id);
		if (was == CV_MODEL_NONE)
			continue;
		before = &old->endpoints[was];
		for (uint32_t k = 0; k < ep->n_enis; k++) {
			for (uint32_t j = 0; j < before->n_enis; j++) {
				if (strcmp(before->enis[j].id, ep->enis[k].id) == 0 &&
				    before->enis[j].lb != CV_MODEL_NONE)
					keep_eni(model, ep->service, &ep->enis[k],
						 old->lbs[before->enis[j].lb].arn);
			}
		}
	}
}
