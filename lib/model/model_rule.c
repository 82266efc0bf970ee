/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules of security groups: checked, copied, compared, changed. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* AWS's quota of one group for each direction; the file may have more. */
#define RULES_MAX 60

const char *cv_model_protocol_str(enum cv_model_protocol protocol)
{
	static const char *const words[] = {"tcp", "-1", "udp", "icmp"};

	return words[protocol];
}

bool cv_model_protocol_has_ports(enum cv_model_protocol protocol)
{
	return protocol == CV_MODEL_TCP || protocol == CV_MODEL_UDP;
}

const struct cv_model_rule *cv_model_sg_rules(const struct cv_model_security_group *sg, bool egress,
					      uint32_t *ret_n)
{
	*ret_n = egress ? sg->n_egress : sg->n_rules;
	return egress ? sg->egress : sg->rules;
}

uint32_t cv_model_rule_group(const struct cv_model *model, uint32_t vpc,
			     const struct cv_model_rule *rule)
{
	return rule->group != NULL ? cv_model_find(model, CV_MODEL_SG, vpc, rule->group)
				   : CV_MODEL_NONE;
}

/* Peers are the same: one CIDR, or one group, by whatever it is called. */
static bool is_same_peer(const struct cv_model *model, uint32_t vpc, const struct cv_model_rule *a,
			 const struct cv_model_rule *b)
{
	if (a->group == NULL || b->group == NULL)
		return a->group == b->group && a->cidr.addr == b->cidr.addr &&
		       a->cidr.len == b->cidr.len;
	return strcmp(a->group, b->group) == 0 ||
	       (cv_model_rule_group(model, vpc, a) == cv_model_rule_group(model, vpc, b) &&
		cv_model_rule_group(model, vpc, a) != CV_MODEL_NONE);
}

bool cv_model_rule_same(const struct cv_model *model, uint32_t vpc, const struct cv_model_rule *a,
			const struct cv_model_rule *b)
{
	return a->protocol == b->protocol &&
	       (!cv_model_protocol_has_ports(a->protocol) ||
		(a->port_first == b->port_first && a->port_last == b->port_last)) &&
	       is_same_peer(model, vpc, a, b);
}

/* ---- copies ---- */

/* What a rule admits, in words. */
static const char *rule_text(const struct cv_model_rule *rule, char *buf, size_t size)
{
	char cidr[CV_NET_STR_LEN];

	snprintf(buf, size, "%.64s %s %u-%u",
		 rule->group != NULL ? rule->group : cv_prefix_str(&rule->cidr, cidr),
		 cv_model_protocol_str(rule->protocol), rule->port_first, rule->port_last);
	return buf;
}

/*
 * What the id of a rule is derived from. Once there were only ranges of addresses that TCP came from, and
 * their ids were not stored: they stay as they were told.
 */
static void id_basis(const char *sg, bool egress, const struct cv_model_rule *rule, char *buf,
		     size_t size)
{
	char text[128];

	if (!egress && rule->protocol == CV_MODEL_TCP && rule->group == NULL)
		snprintf(buf, size, "%s %s %u %u", sg, cv_prefix_str(&rule->cidr, text),
			 rule->port_first, rule->port_last);
	else
		snprintf(buf, size, "%s %s %s", sg, egress ? "egress" : "ingress",
			 rule_text(rule, text, sizeof(text)));
}

/* Rules of the file have the same ids after each start; what calls make is new each time. */
static void id_make(const struct model_ctx *ctx, const char *sg, bool egress,
		    struct cv_model_rule *rule)
{
	char basis[200], random[40];

	id_basis(sg, egress, rule, basis, sizeof(basis));
	if (ctx->by != NULL && !ctx->by->restore) {
		cv_model_random(ctx, basis, random);
		snprintf(basis, sizeof(basis), "%s", random);
	}
	cv_id_derive("sgr-", basis, 17, rule->id, sizeof(rule->id));
}

static void rule_check(struct model_ctx *ctx, const struct cv_model_rule *rule, const char *list,
		       uint32_t i)
{
	if (rule->port_first > rule->port_last)
		cv_model_err(ctx, EINVAL, "InvalidParameterValue",
			     cv_model_at(ctx, "%s[%u].ports", list, i), "ports %u-%u run backwards",
			     rule->port_first, rule->port_last);
	if (rule->id[0] != '\0' && !cv_id_is(rule->id, "sgr-", 17))
		cv_model_err(ctx, EINVAL, "InvalidSecurityGroupRuleId.Malformed",
			     cv_model_at(ctx, "%s[%u].id", list, i),
			     "'%s' is no rule id: sgr- and 17 hex digits", rule->id);
}

/* ctx->ret says if memory ran out. */
static struct cv_model_rule rule_copy(struct model_ctx *ctx, const struct cv_model_rule *from)
{
	struct cv_model_rule to = *from;

	if (!cv_model_protocol_has_ports(to.protocol)) {
		to.port_first = 0;
		to.port_last = UINT16_MAX;
	}
	if (to.group != NULL) {
		to.cidr = (struct cv_prefix){0};
		to.group = cv_model_str(ctx->model, from->group);
		if (to.group == NULL)
			cv_model_oom(ctx);
	}
	if (to.description != NULL) {
		to.description = from->description[0] != '\0'
					 ? cv_model_str(ctx->model, from->description)
					 : NULL;
		if (to.description == NULL && from->description[0] != '\0')
			cv_model_oom(ctx);
	}
	to.tags = NULL;
	if (from->n_tags > 0)
		to.tags = cv_model_tags_copy(ctx, from->tags, from->n_tags, 0);
	return to;
}

struct cv_model_rule *cv_model_rules_copy(struct model_ctx *ctx, const char *sg, bool egress,
					  const struct cv_model_rule *from, uint32_t *n)
{
	static const struct cv_model_rule all = {.protocol = CV_MODEL_PROTOCOL_ALL};
	struct cv_model_rule *rules;

	if (egress && from == NULL) {
		from = &all;
		*n = 1;
	}
	rules = calloc((size_t)*n + 1, sizeof(*rules));
	if (rules == NULL) {
		cv_model_oom(ctx);
		return NULL;
	}
	for (uint32_t i = 0; i < *n; i++) {
		rule_check(ctx, &from[i], egress ? "egress" : "ingress", i);
		rules[i] = rule_copy(ctx, &from[i]);
		if (rules[i].id[0] == '\0' && sg != NULL)
			id_make(ctx, sg, egress, &rules[i]);
	}
	return rules;
}

static void rule_free(struct cv_model *model, const struct cv_model_rule *rule)
{
	if (model == NULL) {
		free(rule->tags);
		return;
	}
	cv_model_str_free(model, rule->group);
	cv_model_str_free(model, rule->description);
	cv_model_tags_free(model, rule->tags, rule->n_tags);
}

void cv_model_rules_free(struct cv_model *model, struct cv_model_rule *rules, uint32_t n)
{
	for (uint32_t i = 0; rules != NULL && i < n; i++)
		rule_free(model, &rules[i]);
	free(rules);
}

/* ---- changes ---- */

/* A change of one direction of a group, in the making. */
struct change {
	struct model_ctx *ctx;
	const struct cv_model_sg_change *req;
	const struct cv_model_security_group *sg;
	struct cv_model_rule *rules, *made, *dropped; /* shapes [n], [n_made], [n_dropped] */
	uint32_t n, n_made, n_dropped;
};

static uint32_t rule_find(const struct change *change, const struct cv_model_rule *rule)
{
	const struct cv_model_rule *rules = change->rules;
	uint32_t i = 0;

	if (rule->id[0] != '\0') {
		while (i < change->n && strcmp(rules[i].id, rule->id) != 0)
			i++;
	} else {
		while (i < change->n &&
		       !cv_model_rule_same(change->ctx->model, change->sg->vpc, &rules[i], rule))
			i++;
	}
	return i < change->n ? i : CV_MODEL_NONE;
}

/* Those that are admitted must be there, as far as they are named. */
static void peer_check(struct change *change, const struct cv_model_rule *rule, const char *field)
{
	struct model_ctx *ctx = change->ctx;
	uint32_t idx;

	if (rule->group == NULL ||
	    cv_model_rule_group(ctx->model, change->sg->vpc, rule) != CV_MODEL_NONE)
		return;
	idx = cv_model_find(ctx->model, CV_MODEL_SG, CV_MODEL_NONE, rule->group);
	if (idx != CV_MODEL_NONE && cv_model_is_mine(ctx, CV_MODEL_SG, idx))
		cv_model_err(ctx, EINVAL, "InvalidGroup.NotFound", field,
			     "You have specified two resources that belong to different networks.");
	else
		cv_model_err(ctx, ENOENT, "InvalidGroup.NotFound", field,
			     "The security group '%.64s' does not exist", rule->group);
}

/* @return whether no rule but that at `except` admits the same */
static bool is_new(struct change *change, const struct cv_model_rule *rule, uint32_t except,
		   const char *field)
{
	struct model_ctx *ctx = change->ctx;
	char text[CV_NET_STR_LEN];

	for (uint32_t i = 0; i < change->n; i++) {
		if (i == except ||
		    !cv_model_rule_same(ctx->model, change->sg->vpc, &change->rules[i], rule))
			continue;
		cv_model_err(
			ctx, EEXIST, "InvalidPermission.Duplicate", field,
			"the specified rule \"peer: %.64s, %s, from port: %u, to port: %u, ALLOW\" "
			"already exists",
			rule->group != NULL ? rule->group : cv_prefix_str(&rule->cidr, text),
			rule->protocol == CV_MODEL_TCP ? "TCP"
						       : cv_model_protocol_str(rule->protocol),
			rule->port_first, rule->port_last);
		return false;
	}
	return true;
}

static void rules_remove(struct change *change)
{
	struct model_ctx *ctx = change->ctx;

	for (uint32_t i = 0; i < change->req->n_remove; i++) {
		uint32_t at = rule_find(change, &change->req->remove[i]);

		if (at == CV_MODEL_NONE) {
			cv_model_err(ctx, ENOENT, "InvalidPermission.NotFound",
				     cv_model_at(ctx, "remove[%u]", i),
				     "The specified rule does not exist in this security group.");
			continue;
		}
		change->dropped[change->n_dropped++] = change->rules[at];
		memmove(&change->rules[at], &change->rules[at + 1],
			(--change->n - at) * sizeof(*change->rules));
	}
}

static void rules_set(struct change *change)
{
	struct model_ctx *ctx = change->ctx;

	for (uint32_t i = 0; i < change->req->n_set; i++) {
		const struct cv_model_rule *rule = &change->req->set[i];
		uint32_t at = rule->id[0] != '\0' ? rule_find(change, rule) : CV_MODEL_NONE;

		if (at == CV_MODEL_NONE) {
			cv_model_err(ctx, ENOENT, "InvalidSecurityGroupRuleId.NotFound",
				     cv_model_at(ctx, "set[%u]", i),
				     "The security group rule ID '%s' does not exist", rule->id);
			continue;
		}
		rule_check(ctx, rule, "set", i);
		/* One that has gone meanwhile is no reason to refuse a tag. */
		if (!is_same_peer(ctx->model, change->sg->vpc, &change->rules[at], rule))
			peer_check(change, rule, cv_model_at(ctx, "set[%u]", i));
		if (!is_new(change, rule, at, cv_model_at(ctx, "set[%u]", i)))
			continue;
		change->dropped[change->n_dropped++] = change->rules[at];
		change->rules[at] = rule_copy(ctx, rule);
		change->made[change->n_made++] = change->rules[at];
	}
}

static void rules_add(struct change *change)
{
	struct model_ctx *ctx = change->ctx;

	for (uint32_t i = 0; i < change->req->n_add; i++) {
		const struct cv_model_rule *rule = &change->req->add[i];
		struct cv_model_rule copy;

		rule_check(ctx, rule, "add", i);
		peer_check(change, rule, cv_model_at(ctx, "add[%u]", i));
		if (!is_new(change, rule, CV_MODEL_NONE, cv_model_at(ctx, "add[%u]", i)))
			continue;
		copy = rule_copy(ctx, rule);
		id_make(ctx, change->sg->id, change->req->egress, &copy);
		change->rules[change->n++] = copy;
		change->made[change->n_made++] = copy;
	}
	if (change->req->n_add > 0 && change->n > RULES_MAX)
		cv_model_err(ctx, EINVAL, "RulesPerSecurityGroupLimitExceeded", "add",
			     "The maximum number of rules per security group has been reached.");
}

/* Makes the new list. On failure ctx->ret says so, and nothing is left. */
static void change_make(struct change *change)
{
	const struct cv_model_sg_change *req = change->req;
	const struct cv_model_security_group *sg = change->sg;
	uint32_t n;
	const struct cv_model_rule *rules = cv_model_sg_rules(sg, req->egress, &n);

	change->rules = calloc((size_t)n + req->n_add + 1, sizeof(*change->rules));
	change->made = calloc((size_t)req->n_set + req->n_add + 1, sizeof(*change->made));
	change->dropped = calloc((size_t)req->n_set + req->n_remove + 1, sizeof(*change->dropped));
	if (change->rules == NULL || change->made == NULL || change->dropped == NULL) {
		cv_model_oom(change->ctx);
		return;
	}
	memcpy(change->rules, rules, n * sizeof(*change->rules));
	change->n = n;
	rules_remove(change);
	rules_set(change);
	rules_add(change);
}

static void change_serve(struct change *change, struct cv_model_security_group *sg)
{
	if (change->req->egress) {
		free(sg->egress);
		sg->egress = change->rules;
		sg->n_egress = change->n;
	} else {
		free(sg->rules);
		sg->rules = change->rules;
		sg->n_rules = change->n;
	}
	for (uint32_t i = 0; i < change->n_dropped; i++)
		rule_free(change->ctx->model, &change->dropped[i]);
	if (sg->of_vpc && !sg->meta.api && change->ctx->by != NULL) {
		sg->meta.api = true;
		sg->meta.created = change->ctx->by->now;
	}
}

int cv_model_sg_change(struct cv_model *model, const struct cv_model_by *by,
		       const struct cv_model_sg_change *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SG};
	struct change change = {.ctx = &ctx, .req = req};
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_SG, req->sg);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, CV_MODEL_SG, idx))
		return cv_model_end(&ctx);
	change.sg = &model->sgs[idx];
	change_make(&change);
	if (ctx.ret == 0) {
		change_serve(&change, &model->sgs[idx]);
		cv_model_touch(&ctx, CV_MODEL_SG, idx);
	} else {
		/* Their strings go with the operation. */
		for (uint32_t i = 0; i < change.n_made; i++)
			free(change.made[i].tags);
		free(change.rules);
	}
	free(change.made);
	free(change.dropped);
	return cv_model_end(&ctx);
}
