/* SPDX-License-Identifier: BSD-3-Clause */

/* Security groups: made, changed, removed; and the one that every VPC has. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* AWS's quota of one group; the file may have more. */
#define RULES_MAX 60

/* ---- the default group ---- */

static const char default_name[] = "default";

uint32_t cv_model_default_sg_make(struct model_ctx *ctx, const struct cv_model_vpc *vpc)
{
	struct cv_model *model = ctx->model;
	struct cv_model_security_group sg = {.n_rules = vpc->n_cidrs, .of_vpc = true};
	enum cv_model_kind kind = ctx->kind;
	uint32_t idx = CV_MODEL_NONE;
	char basis[64], id[40];

	snprintf(basis, sizeof(basis), "%s default", vpc->id);
	cv_id_derive("sg-", basis, 17, id, sizeof(id));
	sg.id = cv_model_str(model, id);
	sg.name = cv_model_str(model, default_name);
	sg.rules = calloc((size_t)vpc->n_cidrs + 1, sizeof(*sg.rules));
	ctx->kind = CV_MODEL_SG;
	if (sg.id != NULL && sg.name != NULL && sg.rules != NULL)
		idx = cv_model_place(ctx);
	ctx->kind = kind;
	if (idx == CV_MODEL_NONE) {
		free(sg.rules);
		return idx;
	}
	for (uint32_t i = 0; i < vpc->n_cidrs; i++)
		sg.rules[i] = (struct cv_model_rule){vpc->cidrs[i], 0, UINT16_MAX};
	model->sgs[idx] = sg;
	return idx;
}

void cv_model_default_sg_undo(struct cv_model *model, uint32_t idx)
{
	if (idx == CV_MODEL_NONE)
		return;
	free(model->sgs[idx].rules);
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
	uint32_t idx = cv_model_find(model, CV_MODEL_SG, vpc, default_name);

	return idx != CV_MODEL_NONE && model->sgs[idx].of_vpc ? idx : CV_MODEL_NONE;
}

void cv_model_default_sg_vanish(struct model_ctx *ctx, uint32_t vpc)
{
	uint32_t idx = default_sg_find(ctx->model, vpc);

	if (idx == CV_MODEL_NONE)
		return;
	if (ctx->model->sgs[idx].meta.api || ctx->model->sgs[idx].meta.runtime)
		cv_model_touch(ctx, CV_MODEL_SG, idx);
	free(ctx->model->sgs[idx].rules);
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

	if (req->name == NULL || strcmp(req->name, default_name) != 0 || idx == CV_MODEL_NONE)
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

static struct cv_model_rule *rules_copy(struct model_ctx *ctx, const struct cv_model_sg_req *req)
{
	struct cv_model_rule *rules = calloc((size_t)req->n_rules + 1, sizeof(*rules));

	if (rules == NULL)
		cv_model_oom(ctx);
	else if (req->n_rules > 0)
		memcpy(rules, req->rules, req->n_rules * sizeof(*rules));
	return rules;
}

/* What calls made of a default group is put back. */
static int default_sg_restore(struct model_ctx *ctx, const struct cv_model_sg_req *req,
			      uint32_t idx)
{
	struct cv_model_security_group *sg = &ctx->model->sgs[idx];
	struct cv_model_rule *rules = ctx->ret == 0 ? rules_copy(ctx, req) : NULL;

	if (rules == NULL)
		return cv_model_end(ctx);
	free(sg->rules);
	sg->rules = rules;
	sg->n_rules = req->n_rules;
	sg->meta.api = true;
	sg->meta.created = ctx->by->now;
	return cv_model_end(ctx);
}

static void sg_publish(struct model_ctx *ctx, struct cv_model_security_group *sg)
{
	struct cv_model *model = ctx->model;
	uint32_t idx = CV_MODEL_NONE;

	if (sg->name != NULL && sg->rules != NULL && cv_model_index_room(model->index, 2) == 0)
		idx = cv_model_place(ctx);
	if (idx == CV_MODEL_NONE) {
		free(sg->rules);
		cv_model_oom(ctx);
		return;
	}
	model->sgs[idx] = *sg;
	cv_model_publish(ctx, sg->vpc, sg->name, sg->id, idx);
	cv_model_use(model, CV_MODEL_VPC, sg->vpc, 1);
}

int cv_model_sg_add(struct cv_model *model, const struct cv_model_sg_req *req,
		    struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SG};
	struct cv_model_security_group sg = {.vpc = req->vpc, .n_rules = req->n_rules};
	uint32_t idx;
	char basis[256];

	cv_model_begin(&ctx, req->by);
	for (uint32_t i = 0; i < req->n_rules; i++) {
		if (req->rules[i].port_first > req->rules[i].port_last)
			cv_model_err(&ctx, EINVAL, "InvalidParameterValue",
				     cv_model_at(&ctx, "ingress[%u].ports", i),
				     "ports %u-%u run backwards", req->rules[i].port_first,
				     req->rules[i].port_last);
	}
	idx = default_sg_take(&ctx, req);
	if (idx != CV_MODEL_NONE)
		return default_sg_restore(&ctx, req, idx);
	cv_model_check_name(&ctx, req->vpc, req->name);
	snprintf(basis, sizeof(basis), "%s/%.64s", model->vpcs[req->vpc].id,
		 req->name != NULL ? req->name : "");
	sg.id = cv_model_id(&ctx, req->id, basis);
	if (ctx.ret != 0)
		return cv_model_end(&ctx);
	sg.name = req->name != NULL ? cv_model_str(model, req->name) : sg.id;
	sg.rules = rules_copy(&ctx, req);
	sg_publish(&ctx, &sg);
	return cv_model_end(&ctx);
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
	cv_model_touch(ctx, CV_MODEL_SG, idx);
	free(sg->rules);
	cv_model_vanish(ctx, CV_MODEL_SG, idx, vpc);
	cv_model_use(ctx->model, CV_MODEL_VPC, vpc, -1);
}

static bool same_rule(const struct cv_model_rule *a, const struct cv_model_rule *b)
{
	return a->cidr.addr == b->cidr.addr && a->cidr.len == b->cidr.len &&
	       a->port_first == b->port_first && a->port_last == b->port_last;
}

static uint32_t rule_find(const struct cv_model_rule *rules, uint32_t n,
			  const struct cv_model_rule *rule)
{
	uint32_t i = 0;

	while (i < n && !same_rule(&rules[i], rule))
		i++;
	return i < n ? i : CV_MODEL_NONE;
}

static void rules_add(struct model_ctx *ctx, const struct cv_model_sg_change *req,
		      struct cv_model_rule *rules, uint32_t *n)
{
	char text[CV_NET_STR_LEN];

	for (uint32_t i = 0; i < req->n_add; i++) {
		const struct cv_model_rule *rule = &req->add[i];
		const char *field = cv_model_at(ctx, "add[%u]", i);

		if (rule->port_first > rule->port_last)
			cv_model_err(ctx, EINVAL, "InvalidParameterValue", field,
				     "ports %u-%u run backwards", rule->port_first,
				     rule->port_last);
		else if (rule_find(rules, *n, rule) != CV_MODEL_NONE)
			cv_model_err(ctx, EEXIST, "InvalidPermission.Duplicate", field,
				     "the specified rule \"peer: %s, TCP, from port: %u, to port: "
				     "%u, ALLOW\" already exists",
				     cv_prefix_str(&rule->cidr, text), rule->port_first,
				     rule->port_last);
		else
			rules[(*n)++] = *rule;
	}
	if (req->n_add > 0 && *n > RULES_MAX)
		cv_model_err(ctx, EINVAL, "RulesPerSecurityGroupLimitExceeded", "add",
			     "The maximum number of rules per security group has been reached.");
}

static void rules_remove(struct model_ctx *ctx, const struct cv_model_sg_change *req,
			 struct cv_model_rule *rules, uint32_t *n)
{
	for (uint32_t i = 0; i < req->n_remove; i++) {
		uint32_t at = rule_find(rules, *n, &req->remove[i]);

		if (at == CV_MODEL_NONE)
			cv_model_err(ctx, ENOENT, "InvalidPermission.NotFound",
				     cv_model_at(ctx, "remove[%u]", i),
				     "The specified rule does not exist in this security group.");
		else
			memmove(&rules[at], &rules[at + 1], (--*n - at) * sizeof(*rules));
	}
}

int cv_model_sg_change(struct cv_model *model, const struct cv_model_by *by,
		       const struct cv_model_sg_change *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SG};
	struct cv_model_security_group *sg;
	struct cv_model_rule *rules;
	uint32_t idx, n;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_SG, req->sg);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, CV_MODEL_SG, idx))
		return cv_model_end(&ctx);
	sg = &model->sgs[idx];
	n = sg->n_rules;
	rules = calloc((size_t)n + req->n_add + 1, sizeof(*rules));
	if (rules == NULL) {
		cv_model_oom(&ctx);
		return cv_model_end(&ctx);
	}
	memcpy(rules, sg->rules, n * sizeof(*rules));
	rules_remove(&ctx, req, rules, &n);
	rules_add(&ctx, req, rules, &n);
	if (ctx.ret != 0) {
		free(rules);
		return cv_model_end(&ctx);
	}
	free(sg->rules);
	sg->rules = rules;
	sg->n_rules = n;
	if (sg->of_vpc && !sg->meta.api && by != NULL) {
		sg->meta.api = true;
		sg->meta.created = by->now;
	}
	cv_model_touch(&ctx, CV_MODEL_SG, idx);
	return cv_model_end(&ctx);
}
