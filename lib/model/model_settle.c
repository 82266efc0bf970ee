/* SPDX-License-Identifier: BSD-3-Clause */

/* What is done once the whole is known: free addresses, and checks across resources. */

#include "cv_model_dns.h"
#include "model_change_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* AWS keeps the first four addresses of a subnet and the last. */
#define HOSTS_FIRST 4

static bool is_unused(const struct cv_model *model, uint32_t vpc, cv_be32_t addr)
{
	return cv_model_addr_use(model, vpc, addr) == CV_MODEL_NONE &&
	       !cv_model_dns_has(&model->vpcs[vpc], addr);
}

/* A free address of a subnet, or 0; where the search starts depends on who asks, not on when. */
static cv_be32_t find_free(const struct cv_model *model, uint32_t subnet, const char *who)
{
	const struct cv_model_subnet *net = &model->subnets[subnet];
	uint32_t n_hosts = (UINT32_C(1) << (32 - net->cidr.len)) - HOSTS_FIRST - 1;
	uint32_t base = cv_be32_host(net->cidr.addr) + HOSTS_FIRST;
	uint32_t start = (uint32_t)(cv_siphash(who, strlen(who), 0x6970, 0) % n_hosts);

	for (uint32_t i = 0; i < n_hosts; i++) {
		cv_be32_t addr = cv_be32(base + (start + i) % n_hosts);

		if (is_unused(model, net->vpc, addr))
			return addr;
	}
	return 0;
}

/* Fills *addr if it is 0. A subnet that is full is searched and reported once. */
static void settle_one(struct model_ctx *ctx, uint32_t subnet, const char *who, enum model_addr use,
		       cv_be32_t *addr)
{
	struct cv_model *model = ctx->model;
	const struct cv_model_subnet *net = &model->subnets[subnet];
	struct model_key full = {.kind = MODEL_KEY_FULL, .scope = subnet};
	cv_be32_t found = 0;
	char text[CV_NET_STR_LEN];

	if (*addr != 0)
		return;
	if (cv_model_index_room(model->index, 1) != 0) {
		cv_model_oom(ctx);
		return;
	}
	/* The reader says it once; each call is told. */
	if (cv_model_index_get(model->index, &full) == CV_MODEL_NONE)
		found = find_free(model, subnet, who);
	else if (ctx->by == NULL)
		return;
	if (found == 0) {
		cv_model_index_put(model->index, &full, 0);
		cv_model_err(ctx, ENOSPC, "InsufficientFreeAddressesInSubnet", ctx->field,
			     "no free address is left in subnet '%s' (%s)", net->name,
			     cv_prefix_str(&net->cidr, text));
		return;
	}
	cv_model_addr_put(model, net->vpc, found, use);
	*addr = found;
}

void cv_model_settle_lb(struct model_ctx *ctx, struct cv_model_lb *lb)
{
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		struct cv_model_node *node = &lb->nodes[i];

		for (uint32_t k = 0; k < node->n_ips; k++) {
			char who[320];

			snprintf(who, sizeof(who), "%s/%s/%u", lb->arn,
				 ctx->model->subnets[node->subnet].id, k);
			cv_model_at(ctx, "subnets[%u]", i);
			settle_one(ctx, node->subnet, who, MODEL_ADDR_NODE, &node->ips[k]);
		}
	}
}

void cv_model_settle_endpoint(struct model_ctx *ctx, struct cv_model_endpoint *endpoint)
{
	for (uint32_t i = 0; i < endpoint->n_enis; i++) {
		struct cv_model_eni *eni = &endpoint->enis[i];

		cv_model_at(ctx, "subnets[%u]", i);
		settle_one(ctx, eni->subnet, eni->id, MODEL_ADDR_ENI, &eni->ip);
	}
}

/* ---- addresses that were chosen before ---- */

/* Sets *addr, if it is to be chosen, to one that the same interface had, if that still is one to choose. */
static void keep_one(struct model_ctx *ctx, uint32_t subnet, cv_be32_t was, enum model_addr use,
		     cv_be32_t *addr)
{
	struct cv_model *model = ctx->model;
	const struct cv_model_subnet *net = &model->subnets[subnet];
	uint32_t n_hosts = (UINT32_C(1) << (32 - net->cidr.len)) - HOSTS_FIRST - 1;
	uint32_t place = cv_be32_host(was) - cv_be32_host(net->cidr.addr) - HOSTS_FIRST;

	if (*addr != 0 || place >= n_hosts || !is_unused(model, net->vpc, was))
		return;
	if (cv_model_index_room(model->index, 1) != 0) {
		cv_model_oom(ctx);
		return;
	}
	cv_model_addr_put(model, net->vpc, was, use);
	*addr = was;
}

static void keep_lb(struct model_ctx *ctx, struct cv_model_lb *lb, const struct cv_model_lb *old)
{
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		struct cv_model_node *node = &lb->nodes[i];

		for (uint32_t k = 0; k < old->n_nodes; k++) {
			const struct cv_model_node *was = &old->nodes[k];

			/* In another subnet it is not one to choose. */
			for (uint32_t n = 0; n < node->n_ips && n < was->n_ips; n++)
				keep_one(ctx, node->subnet, was->ips[n], MODEL_ADDR_NODE,
					 &node->ips[n]);
		}
	}
}

static void keep_endpoint(struct model_ctx *ctx, struct cv_model_endpoint *endpoint,
			  const struct cv_model_endpoint *old)
{
	for (uint32_t i = 0; i < endpoint->n_enis; i++) {
		struct cv_model_eni *eni = &endpoint->enis[i];

		for (uint32_t k = 0; k < old->n_enis; k++) {
			if (strcmp(eni->id, old->enis[k].id) == 0)
				keep_one(ctx, eni->subnet, old->enis[k].ip, MODEL_ADDR_ENI,
					 &eni->ip);
		}
	}
}

int cv_model_addrs_keep(struct cv_model *model, const struct cv_model *old,
			struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs};
	uint32_t was;

	ctx.kind = CV_MODEL_LB;
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		was = cv_model_find(old, CV_MODEL_LB, CV_MODEL_NONE, model->lbs[i].arn);
		if (was != CV_MODEL_NONE)
			keep_lb(&ctx, &model->lbs[i], &old->lbs[was]);
	}
	ctx.kind = CV_MODEL_ENDPOINT;
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		was = cv_model_find(old, CV_MODEL_ENDPOINT, CV_MODEL_NONE, model->endpoints[i].id);
		if (was != CV_MODEL_NONE)
			keep_endpoint(&ctx, &model->endpoints[i], &old->endpoints[was]);
	}
	return ctx.ret;
}

/* Says of which resource the errors from n_before on are. */
static void blame(const struct model_ctx *ctx, uint32_t n_before, uint32_t idx)
{
	for (uint32_t i = n_before; i < ctx->errs->n; i++)
		ctx->errs->items[i].idx = idx;
}

int cv_model_settle(struct cv_model *model, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs};

	ctx.kind = CV_MODEL_LB;
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		uint32_t n_before = errs->n;

		cv_model_settle_lb(&ctx, &model->lbs[i]);
		blame(&ctx, n_before, i);
	}
	ctx.kind = CV_MODEL_ENDPOINT;
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		uint32_t n_before = errs->n;

		cv_model_settle_endpoint(&ctx, &model->endpoints[i]);
		blame(&ctx, n_before, i);
	}
	return ctx.ret;
}

/* Whether a node sends to a target, as far as zones are concerned. */
static bool is_used_by(const struct cv_model_target *target, const struct cv_model_node *node,
		       bool cross_zone)
{
	return cross_zone || target->zone == CV_MODEL_NONE || target->zone == node->zone;
}

/* A target outside the VPC's link is reached through the gateway of each node that uses it. */
static void check_reach(struct model_ctx *ctx, const struct cv_model_target_group *tg, uint32_t i)
{
	const struct cv_model *model = ctx->model;
	const struct cv_model_lb *lb = &model->lbs[tg->lb];
	const struct cv_model_target *target = &tg->targets[i];
	bool cross_zone = cv_model_is_cross_zone(lb, tg);
	bool on_link = cv_model_vpc_has(&model->vpcs[tg->vpc], target->ip);
	char text[CV_NET_STR_LEN];
	uint32_t n_users = 0;

	cv_ip4_str(target->ip, text);
	for (uint32_t n = 0; n < lb->n_nodes; n++) {
		const struct cv_model_subnet *subnet = &model->subnets[lb->nodes[n].subnet];

		if (!is_used_by(target, &lb->nodes[n], cross_zone))
			continue;
		n_users++;
		if (!on_link && subnet->gateway == 0) {
			cv_model_err(
				ctx, EINVAL, "InvalidTarget", cv_model_at(ctx, "targets[%u].ip", i),
				"target %s is outside VPC '%s', and subnet '%s' of load balancer '%s' "
				"has no gateway",
				text, model->vpcs[tg->vpc].name, subnet->name, lb->name);
			return;
		}
	}
	if (n_users == 0)
		cv_model_err(
			ctx, 0, "", cv_model_at(ctx, "targets[%u]", i),
			"target %s:%u is in %s, where load balancer '%s' has no node, and cross-zone "
			"load balancing is off: it gets no connections",
			text, target->port, model->zones[target->zone].id, lb->name);
}

/* A node whose zone has no target fails every connection unless it may use those of other zones. */
static void check_nodes_served(struct model_ctx *ctx, const struct cv_model_target_group *tg)
{
	const struct cv_model *model = ctx->model;
	const struct cv_model_lb *lb = &model->lbs[tg->lb];
	bool cross_zone = cv_model_is_cross_zone(lb, tg);

	for (uint32_t n = 0; n < lb->n_nodes; n++) {
		uint32_t i = 0;

		while (i < tg->n_targets && !is_used_by(&tg->targets[i], &lb->nodes[n], cross_zone))
			i++;
		if (i == tg->n_targets)
			cv_model_err(
				ctx, 0, "", "targets",
				"no target is in %s, where load balancer '%s' has a node, and cross-zone "
				"load balancing is off: connections there find no target",
				model->zones[lb->nodes[n].zone].id, lb->name);
	}
}

void cv_model_check_reach(struct model_ctx *ctx, const struct cv_model_target_group *tg,
			  const struct cv_model_node *nodes, uint32_t n_nodes)
{
	const struct cv_model *model = ctx->model;
	char text[CV_NET_STR_LEN];

	for (uint32_t i = 0; i < n_nodes; i++) {
		if (nodes[i].subnet != CV_MODEL_NONE &&
		    model->subnets[nodes[i].subnet].gateway != 0)
			return;
	}
	for (uint32_t i = 0; i < tg->n_targets; i++) {
		if (!cv_model_vpc_has(&model->vpcs[tg->vpc], tg->targets[i].ip))
			cv_model_err(ctx, EINVAL, "InvalidTarget", "targets",
				     "target %s is outside VPC '%s', and no subnet of its load "
				     "balancer has a gateway",
				     cv_ip4_str(tg->targets[i].ip, text),
				     model->vpcs[tg->vpc].name);
	}
}

static void check_tg(struct model_ctx *ctx, const struct cv_model_target_group *tg)
{
	if (tg->meta.gone || tg->meta.api)
		return; /* calls are checked one by one, and warn nobody */
	if (tg->lb == CV_MODEL_NONE) {
		cv_model_err(ctx, 0, "", "", "target group '%s' is used by no listener", tg->name);
		return;
	}
	if (tg->n_targets == 0) {
		cv_model_err(ctx, 0, "", "targets", "target group '%s' has no targets", tg->name);
		return;
	}
	/* One that a call registered was checked then; it must not make the file one that is refused. */
	for (uint32_t i = 0; i < tg->n_targets; i++) {
		if (!tg->targets[i].api)
			check_reach(ctx, tg, i);
	}
	check_nodes_served(ctx, tg);
}

/* Groups of the file may name each other in any order: here all are known. */
static void check_rules(struct model_ctx *ctx, const struct cv_model_security_group *sg,
			bool egress)
{
	uint32_t n;
	const struct cv_model_rule *rules = cv_model_sg_rules(sg, egress, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (rules[i].group == NULL ||
		    cv_model_rule_group(ctx->model, sg->vpc, &rules[i]) != CV_MODEL_NONE)
			continue;
		/* One that a call made has lost its group to a change of the file. */
		cv_model_err(ctx, sg->meta.api ? 0 : ENOENT, "", "",
			     "security group '%.64s' of VPC '%s': %s[%u] names security group "
			     "'%.64s', which is not there",
			     sg->name, ctx->model->vpcs[sg->vpc].name,
			     egress ? "egress" : "ingress", i, rules[i].group);
	}
}

static void check_service(struct model_ctx *ctx, const struct cv_model_service *service)
{
	if (service->n_principals == 0 && service->meta.n_users == 0 && !service->meta.gone &&
	    !service->meta.api)
		cv_model_err(ctx, 0, "", "allowed_principals",
			     "service '%s' allows nobody: only its own account can make endpoints "
			     "for it",
			     service->name);
}

int cv_model_check(struct cv_model *model, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs};
	uint32_t n_before;

	ctx.kind = CV_MODEL_SG;
	for (uint32_t i = 0; i < model->n_sgs; i++) {
		n_before = errs->n;
		check_rules(&ctx, &model->sgs[i], false);
		check_rules(&ctx, &model->sgs[i], true);
		blame(&ctx, n_before, i);
	}
	ctx.kind = CV_MODEL_TG;
	for (uint32_t i = 0; i < model->n_tgs; i++) {
		n_before = errs->n;
		check_tg(&ctx, &model->tgs[i]);
		blame(&ctx, n_before, i);
	}
	ctx.kind = CV_MODEL_LB;
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		n_before = errs->n;
		if (model->lbs[i].n_listeners == 0 && !model->lbs[i].meta.gone &&
		    !model->lbs[i].meta.api)
			cv_model_err(&ctx, 0, "", "", "load balancer '%s' has no listeners",
				     model->lbs[i].name);
		blame(&ctx, n_before, i);
	}
	ctx.kind = CV_MODEL_SERVICE;
	for (uint32_t i = 0; i < model->n_services; i++) {
		n_before = errs->n;
		check_service(&ctx, &model->services[i]);
		blame(&ctx, n_before, i);
	}
	ctx.kind = CV_MODEL_ENDPOINT;
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		n_before = errs->n;
		if (model->endpoints[i].n_enis == 0 && !model->endpoints[i].meta.gone &&
		    !model->endpoints[i].meta.api)
			cv_model_err(&ctx, 0, "", "subnets",
				     "endpoint '%s' has no subnets: nobody reaches it",
				     model->endpoints[i].name);
		blame(&ctx, n_before, i);
	}
	return ctx.ret;
}
