/* SPDX-License-Identifier: BSD-3-Clause */

/* VPCs, subnets and security groups go and change. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* AWS's quota of one group; the file may have more. */
#define RULES_MAX 60

/* AWS's answer to the removal of what others need. */
static bool is_free(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx)
{
	if (cv_model_meta_at(ctx->model, kind, idx)->n_users == 0)
		return true;
	cv_model_err(ctx, EBUSY, "DependencyViolation", "",
		     "The %s '%s' has dependencies and cannot be deleted.",
		     cv_model_word(kind)->noun, cv_model_id_at(ctx->model, kind, idx));
	return false;
}

/* Deleted endpoints that are still shown are no dependency; they go with their VPC. */
static void deleted_vanish(struct model_ctx *ctx, uint32_t vpc)
{
	for (uint32_t i = 0; i < ctx->model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &ctx->model->endpoints[i];

		if (!endpoint->meta.gone && endpoint->vpc == vpc)
			cv_model_endpoint_vanish(ctx, i);
	}
}

void cv_model_vpc_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct cv_model_vpc *vpc = &model->vpcs[idx];
	struct model_key attach = cv_model_attach_key(vpc->port, vpc->vlan, vpc->vxlan.vni);

	if (!is_free(ctx, CV_MODEL_VPC, idx))
		return;
	cv_model_touch(ctx, CV_MODEL_VPC, idx);
	deleted_vanish(ctx, idx);
	cv_model_index_remove(model->index, &attach);
	cv_model_str_free(model, vpc->port);
	free(vpc->cidrs);
	free(vpc->vxlan.peers);
	cv_model_vanish(ctx, CV_MODEL_VPC, idx, CV_MODEL_NONE);
}

void cv_model_subnet_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct cv_model_subnet *subnet = &model->subnets[idx];
	uint32_t vpc = subnet->vpc;

	if (!is_free(ctx, CV_MODEL_SUBNET, idx))
		return;
	cv_model_touch(ctx, CV_MODEL_SUBNET, idx);
	if (subnet->gateway != 0)
		cv_model_addr_drop(model, vpc, subnet->gateway);
	cv_model_subnet_unpublish(model, idx);
	cv_model_str_free(model, subnet->zone_name);
	cv_model_vanish(ctx, CV_MODEL_SUBNET, idx, vpc);
	cv_model_use(model, CV_MODEL_VPC, vpc, -1);
}

void cv_model_sg_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model_security_group *sg = &ctx->model->sgs[idx];
	uint32_t vpc = sg->vpc;

	if (!is_free(ctx, CV_MODEL_SG, idx))
		return;
	cv_model_touch(ctx, CV_MODEL_SG, idx);
	free(sg->rules);
	cv_model_vanish(ctx, CV_MODEL_SG, idx, vpc);
	cv_model_use(ctx->model, CV_MODEL_VPC, vpc, -1);
}

static bool switched(bool is, int want)
{
	return want == CV_MODEL_KEEP ? is : want != 0;
}

int cv_model_vpc_change(struct cv_model *model, const struct cv_model_by *by,
			const struct cv_model_vpc_change *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_VPC};
	bool support, hostnames;
	struct cv_model_vpc *vpc;
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_VPC, req->vpc);
	if (idx == CV_MODEL_NONE)
		return cv_model_end(&ctx);
	vpc = &model->vpcs[idx];
	support = switched(vpc->dns_support, req->dns_support);
	hostnames = switched(vpc->dns_hostnames, req->dns_hostnames);
	if ((support == vpc->dns_support && hostnames == vpc->dns_hostnames) ||
	    !cv_model_check_mutable(&ctx, CV_MODEL_VPC, idx))
		return cv_model_end(&ctx);
	vpc->dns_support = support;
	vpc->dns_hostnames = hostnames;
	cv_model_touch(&ctx, CV_MODEL_VPC, idx);
	return cv_model_end(&ctx);
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
	cv_model_touch(&ctx, CV_MODEL_SG, idx);
	return cv_model_end(&ctx);
}
