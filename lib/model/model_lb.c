/* SPDX-License-Identifier: BSD-3-Clause */

/* Target groups, targets, load balancers, listeners. */

#include "model_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Takes a given ELBv2 ARN or derives one: PREFIX:REGION:ACCOUNT:RESOURCE/NAME/ and 16 hex digits.
 * vpc may be CV_MODEL_NONE after an earlier error; then there is no account to compare with.
 */
static const char *elb_arn(struct model_ctx *ctx, const char *given, uint32_t vpc,
			   const char *resource, const char *name)
{
	const struct cv_model *model = ctx->model;
	struct model_key key = {.kind = ctx->kind, .scope = CV_MODEL_NONE};
	char prefix[256], arn[288];

	if (vpc == CV_MODEL_NONE)
		return NULL;
	snprintf(prefix, sizeof(prefix), "arn:%s:elasticloadbalancing:%.64s:%s:%s/%.64s/",
		 cv_model_partition(model->region), model->region,
		 model->accounts[model->vpcs[vpc].owner].id, resource, name);
	if (given == NULL) {
		cv_id_derive(prefix, name, 16, arn, sizeof(arn));
	} else if (!cv_id_is(given, prefix, 16)) {
		cv_model_err(ctx, EINVAL, "ValidationError", "arn",
			     "'%.40s' is not this %s's ARN: %.120s and 16 hex digits", given,
			     cv_model_word(ctx->kind)->noun, prefix);
		return NULL;
	} else {
		snprintf(arn, sizeof(arn), "%s", given);
	}
	key.str = cv_model_str(ctx->model, arn);
	if (key.str == NULL)
		cv_model_oom(ctx);
	else if (cv_model_index_get(model->index, &key) != CV_MODEL_NONE &&
		 (given != NULL || ctx->ret == 0)) /* a derived one is taken because the name is */
		cv_model_err(ctx, EEXIST, cv_model_word(ctx->kind)->taken, "arn",
			     "ARN %.150s is in use", arn);
	return key.str;
}

int cv_model_tg_add(struct cv_model *model, const struct cv_model_tg_req *req,
		    struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_TG};
	struct cv_model_target_group tg = {
		.port = req->port,
		.ppv2 = req->ppv2,
		.placement = req->placement,
		.cross_zone = req->cross_zone,
		.dns_least = req->dns_least,
		.routing_least = req->routing_least,
		.sticky = req->sticky,
		.drain = req->drain,
		.lb = CV_MODEL_NONE,
	};
	struct cv_model_target_group *tgs;

	cv_model_check_name(&ctx, CV_MODEL_NONE, req->name);
	tg.vpc = cv_model_resolve(&ctx, CV_MODEL_VPC, CV_MODEL_NONE, req->vpc, "vpc");
	if (req->port == 0)
		cv_model_err(&ctx, EINVAL, "ValidationError", "port", "port 0 is outside 1..65535");
	cv_model_check_make(&ctx, &req->check, &tg.check);
	cv_model_least_check(&ctx, &req->dns_least, &req->routing_least);
	tg.arn = elb_arn(&ctx, req->arn, tg.vpc, "targetgroup", req->name);
	if (ctx.ret != 0)
		return ctx.ret;

	tgs = cv_model_grow(model->tgs, model->n_tgs, sizeof(*tgs));
	if (tgs != NULL)
		model->tgs = tgs;
	tg.name = cv_model_str(model, req->name);
	if (tgs == NULL || tg.name == NULL || cv_model_index_room(model->index, 2) != 0)
		return -ENOMEM;
	tgs[model->n_tgs] = tg;
	cv_model_publish(&ctx, CV_MODEL_NONE, tg.name, tg.arn, model->n_tgs++);
	return 0;
}

/* AWS: an IP target is private, RFC 1918 or RFC 6598. */
static bool is_private(cv_be32_t addr)
{
	uint32_t a = cv_be32_host(addr);

	return a >> 24 == 10 || a >> 20 == (172 << 4 | 1) || a >> 16 == (192 << 8 | 168) ||
	       a >> 22 == (100 << 2 | 1);
}

static void check_target_addr(struct model_ctx *ctx, uint32_t vpc, cv_be32_t ip)
{
	uint32_t use = cv_model_addr_use(ctx->model, vpc, ip);
	char text[CV_NET_STR_LEN];

	cv_ip4_str(ip, text);
	if (!is_private(ip))
		cv_model_err(ctx, EINVAL, "InvalidTarget", "ip",
			     "target %s is not private: 10/8, 172.16/12, 192.168/16 or 100.64/10",
			     text);
	else if (use == MODEL_ADDR_NODE || use == MODEL_ADDR_ENI)
		cv_model_err(ctx, EINVAL, "InvalidTarget", "ip", "target %s is %s of this VPC",
			     text,
			     use == MODEL_ADDR_NODE ? "a load balancer node" : "an endpoint's ENI");
}

/* A target inside a subnet is in the subnet's zone; elsewhere it may be put in one, or serve all. */
static uint32_t target_zone(struct model_ctx *ctx, uint32_t vpc,
			    const struct cv_model_target_req *req)
{
	const struct cv_model *model = ctx->model;
	uint32_t subnet = cv_model_subnet_of(model, vpc, req->ip);
	uint32_t own = subnet == CV_MODEL_NONE ? CV_MODEL_NONE : model->subnets[subnet].zone;
	uint32_t zone;

	if (req->zone == NULL)
		return own;
	if (strcmp(req->zone, "all") == 0) {
		if (subnet != CV_MODEL_NONE)
			cv_model_err(
				ctx, EINVAL, "ValidationError", "zone",
				"'all' is for targets outside the VPC's subnets; this one is in '%s'",
				model->subnets[subnet].name);
		return CV_MODEL_NONE;
	}
	zone = cv_model_zone_of(model, model->vpcs[vpc].owner, req->zone);
	if (zone == CV_MODEL_NONE)
		cv_model_err(ctx, ENOENT, "ValidationError", "zone",
			     "account '%s' has no zone '%.64s'",
			     model->accounts[model->vpcs[vpc].owner].name, req->zone);
	else if (own != CV_MODEL_NONE && zone != own)
		cv_model_err(ctx, EINVAL, "ValidationError", "zone",
			     "'%.64s' is not the zone of the target's subnet '%s' (%s)", req->zone,
			     model->subnets[subnet].name, model->subnets[subnet].zone_name);
	return zone;
}

int cv_model_target_add(struct cv_model *model, uint32_t tg_idx,
			const struct cv_model_target_req *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_TG};
	struct cv_model_target_group *tg = &model->tgs[tg_idx];
	struct cv_model_target target = {.ip = req->ip,
					 .port = req->port != 0 ? req->port : tg->port};
	struct model_key key = {.kind = MODEL_KEY_TARGET, .scope = tg_idx};
	struct cv_model_target *targets;
	char text[CV_NET_STR_LEN];

	key.num = (uint64_t)target.port << 32 | target.ip;
	check_target_addr(&ctx, tg->vpc, req->ip);
	target.zone = target_zone(&ctx, tg->vpc, req);
	if (cv_model_index_get(model->index, &key) != CV_MODEL_NONE)
		cv_model_err(&ctx, EEXIST, "InvalidTarget", "",
			     "target %s:%u is already in group '%s'", cv_ip4_str(req->ip, text),
			     target.port, tg->name);
	if (ctx.ret != 0)
		return ctx.ret;

	targets = cv_model_grow(tg->targets, tg->n_targets, sizeof(*targets));
	if (targets == NULL)
		return -ENOMEM;
	tg->targets = targets;
	if (cv_model_index_room(model->index, 2) != 0)
		return -ENOMEM;
	cv_model_index_put(model->index, &key, tg->n_targets);
	targets[tg->n_targets++] = target;
	if (cv_model_addr_use(model, tg->vpc, req->ip) == CV_MODEL_NONE)
		cv_model_addr_put(model, tg->vpc, req->ip, MODEL_ADDR_TARGET);
	return 0;
}

static void check_node_ips(struct model_ctx *ctx, const struct cv_model_lb_req *req, uint32_t i,
			   struct cv_model_node *node)
{
	const struct cv_model_place_req *place = &req->places[i];
	uint32_t n_given = place->n_ips;

	node->n_ips = (n_given > 0 ? n_given : 1) + req->n_secondary;
	if (node->n_ips > CV_MODEL_NODE_IPS_MAX) {
		cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest",
			     cv_model_at(ctx, "subnets[%u].ips", i),
			     "%u addresses in a subnet; a node has at most %d", node->n_ips,
			     CV_MODEL_NODE_IPS_MAX);
		node->n_ips = 0;
		return;
	}
	for (uint32_t k = 0; k < n_given; k++) {
		const char *field = cv_model_at(ctx, "subnets[%u].ips[%u]", i, k);

		node->ips[k] = place->ips[k];
		cv_model_check_addr(ctx, node->subnet, place->ips[k], field);
		for (uint32_t j = 0; j < k; j++) {
			if (place->ips[j] == place->ips[k])
				cv_model_err(ctx, EEXIST, "InvalidIPAddress.InUse", field,
					     "the same address twice");
		}
	}
}

static void check_nodes(struct model_ctx *ctx, const struct cv_model_lb_req *req,
			const struct cv_model_lb *lb)
{
	const struct cv_model *model = ctx->model;

	for (uint32_t i = 0; i < req->n_places; i++) {
		const char *field = cv_model_at(ctx, "subnets[%u].subnet", i);
		struct cv_model_node *node = &lb->nodes[i];

		node->zone = CV_MODEL_NONE;
		node->subnet = cv_model_resolve(ctx, CV_MODEL_SUBNET, lb->vpc,
						req->places[i].subnet, field);
		if (node->subnet == CV_MODEL_NONE)
			continue;
		node->zone = model->subnets[node->subnet].zone;
		for (uint32_t j = 0; j < i; j++) {
			if (lb->nodes[j].zone == node->zone)
				cv_model_err(
					ctx, EINVAL, "InvalidConfigurationRequest", field,
					"subnets '%s' and '%s' are in one availability zone (%s)",
					model->subnets[lb->nodes[j].subnet].name,
					model->subnets[node->subnet].name,
					model->zones[node->zone].id);
		}
		check_node_ips(ctx, req, i, node);
	}
}

/* Checks the nodes and security groups of a new load balancer; what it fills the caller frees. */
static void lb_parts(struct model_ctx *ctx, const struct cv_model_lb_req *req,
		     struct cv_model_lb *lb)
{
	lb->n_nodes = req->n_places;
	lb->n_sgs = req->n_sgs;
	lb->nodes = calloc(req->n_places + 1, sizeof(*lb->nodes));
	lb->name = cv_model_str(ctx->model, req->name);
	if (lb->nodes == NULL || lb->name == NULL) {
		cv_model_oom(ctx);
		return;
	}
	if (req->n_places == 0)
		cv_model_err(ctx, EINVAL, "ValidationError", "subnets",
			     "a load balancer needs a subnet");
	if (lb->vpc == CV_MODEL_NONE)
		return;
	check_nodes(ctx, req, lb);
	lb->sgs = cv_model_resolve_all(ctx, CV_MODEL_SG, lb->vpc, req->sgs, req->n_sgs);
}

static void publish_node_ips(struct cv_model *model, const struct cv_model_lb *lb)
{
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		for (uint32_t k = 0; k < lb->nodes[i].n_ips; k++) {
			if (lb->nodes[i].ips[k] != 0)
				cv_model_addr_put(model, lb->vpc, lb->nodes[i].ips[k],
						  MODEL_ADDR_NODE);
		}
	}
}

int cv_model_lb_add(struct cv_model *model, const struct cv_model_lb_req *req,
		    struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_LB};
	struct cv_model_lb lb = {
		.cross_zone = req->cross_zone,
		.sg_on_privatelink = req->sg_on_privatelink,
		.zonal_shift = req->zonal_shift,
		.shifted_zone = CV_MODEL_NONE,
		.service = CV_MODEL_NONE,
	};
	struct cv_model_lb *lbs;

	cv_model_check_name(&ctx, CV_MODEL_NONE, req->name);
	lb.vpc = cv_model_resolve(&ctx, CV_MODEL_VPC, CV_MODEL_NONE, req->vpc, "vpc");
	lb.arn = elb_arn(&ctx, req->arn, lb.vpc, "loadbalancer/net", req->name);
	lb_parts(&ctx, req, &lb);
	lbs = cv_model_grow(model->lbs, model->n_lbs, sizeof(*lbs));
	if (lbs != NULL)
		model->lbs = lbs;
	if (lbs == NULL ||
	    cv_model_index_room(model->index, 2 + req->n_places * CV_MODEL_NODE_IPS_MAX) != 0)
		cv_model_oom(&ctx);
	if (ctx.ret != 0) {
		free(lb.nodes);
		free(lb.sgs);
		return ctx.ret;
	}
	publish_node_ips(model, &lb);
	lbs[model->n_lbs] = lb;
	cv_model_publish(&ctx, CV_MODEL_NONE, lb.name, lb.arn, model->n_lbs++);
	return 0;
}

static const char *listener_arn(struct model_ctx *ctx, const struct cv_model_lb *lb, uint16_t port)
{
	const char *account = ctx->model->accounts[ctx->model->vpcs[lb->vpc].owner].id;
	const char *lb_id = strrchr(lb->arn, '/') + 1;
	char basis[64], hex[40];
	const char *arn;

	snprintf(basis, sizeof(basis), "%s/%u", lb_id, port);
	cv_id_derive("listener/", basis, 16, hex, sizeof(hex));
	arn = cv_model_strf(ctx->model,
			    "arn:%s:elasticloadbalancing:%.64s:%s:listener/net/%s/%s/%s",
			    cv_model_partition(ctx->model->region), ctx->model->region, account,
			    lb->name, lb_id, hex + strlen("listener/"));
	if (arn == NULL)
		cv_model_oom(ctx);
	return arn;
}

static void check_listener(struct model_ctx *ctx, const struct cv_model_listener_req *req)
{
	if (req->port == 0)
		cv_model_err(ctx, EINVAL, "ValidationError", "port", "port 0 is outside 1..65535");
	if (req->idle_seconds < CV_MODEL_IDLE_SECONDS_MIN ||
	    req->idle_seconds > CV_MODEL_IDLE_SECONDS_MAX)
		cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest",
			     "attributes.tcp.idle_timeout.seconds", "%u is outside %d..%d",
			     req->idle_seconds, CV_MODEL_IDLE_SECONDS_MIN,
			     CV_MODEL_IDLE_SECONDS_MAX);
}

int cv_model_listener_add(struct cv_model *model, uint32_t lb_idx,
			  const struct cv_model_listener_req *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_LB};
	struct cv_model_lb *lb = &model->lbs[lb_idx];
	struct cv_model_listener listener = {.port = req->port, .idle_seconds = req->idle_seconds};
	struct model_key key = {.kind = MODEL_KEY_LISTENER, .scope = lb_idx, .num = req->port};
	struct cv_model_listener *listeners;

	if (cv_model_index_get(model->index, &key) != CV_MODEL_NONE)
		cv_model_err(&ctx, EEXIST, "DuplicateListener", "port",
			     "load balancer '%s' already has a listener on port %u", lb->name,
			     req->port);
	cv_model_forwards_make(&ctx, lb_idx, req, &listener);
	check_listener(&ctx, req);
	if (ctx.ret != 0)
		return ctx.ret;

	listener.arn = listener_arn(&ctx, lb, req->port);
	listeners = cv_model_grow(lb->listeners, lb->n_listeners, sizeof(*listeners));
	if (listeners != NULL)
		lb->listeners = listeners;
	if (listener.arn == NULL || listeners == NULL || cv_model_index_room(model->index, 1) != 0)
		return -ENOMEM;
	cv_model_index_put(model->index, &key, lb->n_listeners);
	listeners[lb->n_listeners++] = listener;
	for (uint32_t i = 0; i < listener.n_forwards; i++)
		model->tgs[listener.forwards[i].tg].lb = lb_idx;
	return 0;
}

uint32_t cv_model_node_find(const struct cv_model_lb *lb, uint32_t zone)
{
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		if (lb->nodes[i].zone == zone)
			return i;
	}
	return CV_MODEL_NONE;
}

bool cv_model_is_cross_zone(const struct cv_model_lb *lb, const struct cv_model_target_group *tg)
{
	if (tg->cross_zone == CV_MODEL_CROSS_ZONE_LB)
		return lb->cross_zone;
	return tg->cross_zone == CV_MODEL_CROSS_ZONE_ON;
}
