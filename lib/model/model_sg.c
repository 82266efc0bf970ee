/* SPDX-License-Identifier: BSD-3-Clause */

/* Security groups: made, removed; and the one that every VPC has. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* ---- the default group ---- */

static void sg_free(struct cv_model *model, struct cv_model_security_group *sg)
{
	cv_model_rules_free(model, sg->rules, sg->n_rules);
	cv_model_rules_free(model, sg->egress, sg->n_egress);
}

/* Copies both directions. On failure nothing is left, and ctx->ret says why. */
static bool sg_rules_copy(struct model_ctx *ctx, const struct cv_model_sg_req *req,
			  struct cv_model_security_group *sg)
{
	sg->n_rules = req->n_rules;
	sg->n_egress = req->n_egress;
	sg->rules = cv_model_rules_copy(ctx, sg->id, false, req->rules, &sg->n_rules);
	sg->egress = cv_model_rules_copy(ctx, sg->id, true, req->egress, &sg->n_egress);
	if (sg->rules != NULL && sg->egress != NULL && ctx->ret == 0)
		return true;
	cv_model_rules_free(NULL, sg->rules, sg->rules != NULL ? sg->n_rules : 0);
	cv_model_rules_free(NULL, sg->egress, sg->egress != NULL ? sg->n_egress : 0);
	return false;
}

uint32_t cv_model_default_sg_make(struct model_ctx *ctx, const struct cv_model_vpc *vpc)
{
	struct cv_model *model = ctx->model;
	const struct cv_model_by *by = ctx->by;
	enum cv_model_kind kind = ctx->kind;
	struct cv_model_security_group sg = {.of_vpc = true};
	struct cv_model_rule members = {.protocol = CV_MODEL_PROTOCOL_ALL};
	const struct cv_model_sg_req req = {.rules = &members, .n_rules = 1};
	uint32_t idx = CV_MODEL_NONE;
	char basis[64], id[40];

	snprintf(basis, sizeof(basis), "%s default", vpc->id);
	cv_id_derive("sg-", basis, 17, id, sizeof(id));
	members.group = id;
	sg.id = cv_model_str(model, id);
	sg.name = cv_model_str(model, CV_MODEL_SG_DEFAULT);
	ctx->kind = CV_MODEL_SG;
	/* Nobody stores it before it is changed: all about it follows from the VPC. */
	ctx->by = NULL;
	if (sg.id != NULL && sg.name != NULL && sg_rules_copy(ctx, &req, &sg)) {
		idx = cv_model_place(ctx);
		if (idx != CV_MODEL_NONE)
			model->sgs[idx] = sg;
		else
			sg_free(NULL, &sg);
	}
	ctx->kind = kind;
	ctx->by = by;
	return idx;
}

void cv_model_default_sg_undo(struct cv_model *model, uint32_t idx)
{
	if (idx == CV_MODEL_NONE)
		return;
	sg_free(NULL, &model->sgs[idx]);
	cv_model_place_free(model, CV_MODEL_SG, idx);
}

void cv_model_default_sg_publish(struct cv_model *model, uint32_t vpc, uint32_t idx)
{
	struct cv_model_security_group *sg = &model->sgs[idx];
	struct model_key key = {.kind = CV_MODEL_SG, .scope = vpc, .str = sg->name};

	sg->vpc = vpc;
	cv_model_index_put(model->index, &key, idx);
	key.scope = CV_MODEL_NONE;
	key.str = sg->id;
	/* Somebody may have given another group this very id. */
	if (cv_model_index_get(model->index, &key) == CV_MODEL_NONE)
		cv_model_index_put(model->index, &key, idx);
}

/* @return the index, or CV_MODEL_NONE if the VPC has none, or one that the file made */
static uint32_t default_sg_find(const struct cv_model *model, uint32_t vpc)
{
	uint32_t idx = cv_model_find(model, CV_MODEL_SG, vpc, CV_MODEL_SG_DEFAULT);

	return idx != CV_MODEL_NONE && model->sgs[idx].of_vpc ? idx : CV_MODEL_NONE;
}

void cv_model_default_sg_vanish(struct model_ctx *ctx, uint32_t vpc)
{
	uint32_t idx = default_sg_find(ctx->model, vpc);

	if (idx == CV_MODEL_NONE)
		return;
	if (ctx->model->sgs[idx].meta.api || ctx->model->sgs[idx].meta.runtime)
		cv_model_touch(ctx, CV_MODEL_SG, idx);
	sg_free(ctx->model, &ctx->model->sgs[idx]);
	cv_model_vanish(ctx, CV_MODEL_SG, idx, vpc);
}

/*
 * The file's own `default` takes the place of the one that is there unasked; a stored one, which calls
 * changed, becomes what that one has.
 *
 * @return the index of the latter, or CV_MODEL_NONE: it is a group as others
 */
static uint32_t default_sg_take(struct model_ctx *ctx, const struct cv_model_sg_req *req)
{
	uint32_t idx = default_sg_find(ctx->model, req->vpc);

	if (req->name == NULL || strcmp(req->name, CV_MODEL_SG_DEFAULT) != 0 ||
	    idx == CV_MODEL_NONE)
		return CV_MODEL_NONE;
	if (ctx->by != NULL)
		return ctx->by->restore && req->id != NULL &&
				       strcmp(req->id, ctx->model->sgs[idx].id) == 0
			       ? idx
			       : CV_MODEL_NONE;
	if (ctx->model->sgs[idx].meta.n_users == 0)
		cv_model_default_sg_vanish(ctx, req->vpc);
	return CV_MODEL_NONE;
}

/* ---- made, removed ---- */

/* What calls made of a default group is put back. */
static int default_sg_restore(struct model_ctx *ctx, const struct cv_model_sg_req *req,
			      uint32_t idx)
{
	struct cv_model_security_group *sg = &ctx->model->sgs[idx];
	struct cv_model_security_group old = *sg;

	if (!sg_rules_copy(ctx, req, sg)) {
		*sg = old;
		return cv_model_end(ctx);
	}
	sg_free(ctx->model, &old);
	sg->meta.api = true;
	sg->meta.created = ctx->by->now;
	return cv_model_end(ctx);
}

static void sg_publish(struct model_ctx *ctx, struct cv_model_security_group *sg)
{
	struct cv_model *model = ctx->model;
	uint32_t idx = CV_MODEL_NONE;

	if (sg->name != NULL && cv_model_index_room(model->index, 2) == 0)
		idx = cv_model_place(ctx);
	if (idx == CV_MODEL_NONE) {
		sg_free(NULL, sg);
		cv_model_oom(ctx);
		return;
	}
	model->sgs[idx] = *sg;
	cv_model_publish(ctx, sg->vpc, sg->name, sg->id, idx);
	cv_model_use(model, CV_MODEL_VPC, sg->vpc, 1);
}

/* AWS's quota: what one account makes takes memory that all have. O(groups) */
static void sgs_check(struct model_ctx *ctx, uint32_t account)
{
	const struct cv_model *model = ctx->model;
	uint32_t n = 0;

	for (uint32_t i = 0; i < model->n_sgs; i++)
		n += !model->sgs[i].meta.gone && model->sgs[i].meta.api &&
		     model->vpcs[model->sgs[i].vpc].owner == account;
	if (n >= CV_MODEL_SGS_EACH)
		cv_model_err(ctx, EINVAL, "SecurityGroupLimitExceeded", "",
			     "The maximum number of security groups has been reached.");
}

int cv_model_sg_add(struct cv_model *model, const struct cv_model_sg_req *req,
		    struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SG};
	struct cv_model_security_group sg = {.vpc = req->vpc};
	uint32_t idx;
	char basis[256];

	cv_model_begin(&ctx, req->by);
	idx = default_sg_take(&ctx, req);
	if (idx != CV_MODEL_NONE)
		return default_sg_restore(&ctx, req, idx);
	cv_model_check_name(&ctx, req->vpc, req->name);
	if (req->by != NULL && !req->by->restore)
		sgs_check(&ctx, model->vpcs[req->vpc].owner);
	snprintf(basis, sizeof(basis), "%s/%.64s", model->vpcs[req->vpc].id,
		 req->name != NULL ? req->name : "");
	sg.id = cv_model_id(&ctx, req->id, basis);
	if (sg_rules_copy(&ctx, req, &sg)) {
		sg.name = req->name != NULL ? cv_model_str(model, req->name) : sg.id;
		sg_publish(&ctx, &sg);
	}
	return cv_model_end(&ctx);
}

/* Tells whether a rule of one direction names a group. */
static bool names(const struct cv_model *model, const struct cv_model_security_group *sg,
		  bool egress, uint32_t idx)
{
	uint32_t n;
	const struct cv_model_rule *rules = cv_model_sg_rules(sg, egress, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (cv_model_rule_group(model, sg->vpc, &rules[i]) == idx)
			return true;
	}
	return false;
}

/* Tells whether a rule of another group names this one. O(rules of all groups) */
static bool is_named(const struct cv_model *model, uint32_t idx)
{
	for (uint32_t i = 0; i < model->n_sgs; i++) {
		const struct cv_model_security_group *sg = &model->sgs[i];

		if (i == idx || sg->meta.gone || sg->vpc != model->sgs[idx].vpc)
			continue;
		if (names(model, sg, false, idx) || names(model, sg, true, idx))
			return true;
	}
	return false;
}

void cv_model_sg_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model_security_group *sg = &ctx->model->sgs[idx];
	uint32_t vpc = sg->vpc;

	if (sg->of_vpc) {
		cv_model_err(ctx, EPERM, "CannotDelete", "",
			     "the specified group: \"%s\" name: \"%s\" cannot be deleted by a user",
			     sg->id, sg->name);
		return;
	}
	if (!cv_model_is_free(ctx, CV_MODEL_SG, idx))
		return;
	if ((ctx->by == NULL || !ctx->by->restore) && is_named(ctx->model, idx)) {
		cv_model_err(ctx, EBUSY, "DependencyViolation", "",
			     "resource %s has a dependent object", sg->id);
		return;
	}
	cv_model_touch(ctx, CV_MODEL_SG, idx);
	sg_free(ctx->model, sg);
	cv_model_vanish(ctx, CV_MODEL_SG, idx, vpc);
	cv_model_use(ctx->model, CV_MODEL_VPC, vpc, -1);
}
