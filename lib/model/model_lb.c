/* SPDX-License-Identifier: BSD-3-Clause */

/* Target groups, targets, load balancers, listeners. */

#include "cv_model_dns.h"
#include "model_change_priv.h"

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
		char random[40];

		if (ctx->by != NULL)
			cv_model_random(ctx, name, random);
		cv_id_derive(prefix, ctx->by != NULL ? random : name, 16, arn, sizeof(arn));
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

struct model_key cv_model_elb_key(const struct cv_model *model, enum cv_model_kind kind,
				  uint32_t vpc, const char *name)
{
	return (struct model_key){
		.kind = kind == CV_MODEL_TG ? MODEL_KEY_TG_NAME : MODEL_KEY_LB_NAME,
		.scope = model->vpcs[vpc].owner,
		.str = name,
	};
}

/* A name is unique in its account; the file's names are unique in the file as well. */
static void check_elb_name(struct model_ctx *ctx, uint32_t vpc, const char *name)
{
	const struct model_word *word = cv_model_word(ctx->kind);
	struct model_key key;

	if (vpc == CV_MODEL_NONE || ctx->by == NULL)
		return;
	key = cv_model_elb_key(ctx->model, ctx->kind, vpc, name);
	if (cv_model_index_get(ctx->model->index, &key) != CV_MODEL_NONE)
		cv_model_err(ctx, EEXIST, word->taken, "name",
			     "A %s with the same name '%s' exists", word->noun, name);
}

/* Only the file refers to names, and only to its own. Needs room for three keys. */
static void publish_elb(struct model_ctx *ctx, uint32_t vpc, const char *name, const char *arn,
			uint32_t idx)
{
	struct model_key key = cv_model_elb_key(ctx->model, ctx->kind, vpc, name);

	cv_model_index_put(ctx->model->index, &key, idx);
	cv_model_publish(ctx, CV_MODEL_NONE, ctx->by == NULL ? name : NULL, arn, idx);
	cv_model_use(ctx->model, CV_MODEL_VPC, vpc, 1);
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
	uint32_t idx = CV_MODEL_NONE;

	cv_model_begin(&ctx, req->by);
	cv_model_check_name(&ctx, CV_MODEL_NONE, req->name);
	tg.vpc = cv_model_resolve(&ctx, CV_MODEL_VPC, CV_MODEL_NONE, req->vpc, "vpc");
	if (req->port == 0)
		cv_model_err(&ctx, EINVAL, "ValidationError", "port", "port 0 is outside 1..65535");
	cv_model_check_make(&ctx, &req->check, &tg.check);
	cv_model_least_check(&ctx, &req->dns_least, &req->routing_least);
	check_elb_name(&ctx, tg.vpc, req->name);
	cv_model_quota_own(&ctx, tg.vpc);
	tg.arn = elb_arn(&ctx, req->arn, tg.vpc, "targetgroup", req->name);
	if (ctx.ret != 0)
		return cv_model_end(&ctx);

	tg.name = cv_model_str(model, req->name);
	if (tg.name != NULL && cv_model_index_room(model->index, 3) == 0)
		idx = cv_model_place(&ctx);
	if (idx == CV_MODEL_NONE) {
		cv_model_oom(&ctx);
		return cv_model_end(&ctx);
	}
	model->tgs[idx] = tg;
	publish_elb(&ctx, tg.vpc, tg.name, tg.arn, idx);
	return cv_model_end(&ctx);
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
	else if (cv_model_dns_has(&ctx->model->vpcs[vpc], ip))
		cv_model_err(ctx, EINVAL, "InvalidTarget", "ip",
			     "target %s is reserved: the VPC's DNS server has it", text);
}

/* A zone that is asked for and cannot be. What is put back follows what there is now. */
static void zone_error(struct model_ctx *ctx, uint32_t vpc, uint32_t subnet, uint32_t zone,
		       const char *asked)
{
	const struct cv_model *model = ctx->model;
	bool restore = ctx->by != NULL && ctx->by->restore, all = strcmp(asked, "all") == 0;

	if (zone == CV_MODEL_NONE && !all)
		cv_model_err(ctx, restore ? 0 : ENOENT, "ValidationError", "zone",
			     "account '%s' has no zone '%.64s'",
			     model->accounts[model->vpcs[vpc].owner].name, asked);
	else if (all && !restore)
		cv_model_err(ctx, EINVAL, "ValidationError", "zone",
			     "'all' is for targets outside the VPC's subnets; this one is in '%s'",
			     model->subnets[subnet].name);
	else if (!restore)
		cv_model_err(ctx, EINVAL, "ValidationError", "zone",
			     "'%.64s' is not the zone of the target's subnet '%s' (%s)", asked,
			     model->subnets[subnet].name, model->subnets[subnet].zone_name);
}

/* A target inside a subnet is in the subnet's zone; elsewhere it may be put in one, or serve all. */
static uint32_t target_zone(struct model_ctx *ctx, uint32_t vpc,
			    const struct cv_model_target_req *req)
{
	const struct cv_model *model = ctx->model;
	uint32_t subnet = cv_model_subnet_of(model, vpc, req->ip);
	uint32_t own = subnet == CV_MODEL_NONE ? CV_MODEL_NONE : model->subnets[subnet].zone;
	uint32_t zone = CV_MODEL_NONE;

	if (req->zone == NULL)
		return own;
	if (strcmp(req->zone, "all") != 0)
		zone = cv_model_zone_of(model, model->vpcs[vpc].owner, req->zone);
	else if (own == CV_MODEL_NONE)
		return CV_MODEL_NONE;
	if (zone == CV_MODEL_NONE || (own != CV_MODEL_NONE && zone != own))
		zone_error(ctx, vpc, subnet, zone, req->zone);
	return own != CV_MODEL_NONE ? own : zone;
}

void cv_model_target_check(struct model_ctx *ctx, uint32_t vpc,
			   const struct cv_model_target_req *req, struct cv_model_target *ret)
{
	check_target_addr(ctx, vpc, req->ip);
	*ret = (struct cv_model_target){
		.ip = req->ip, .port = req->port, .zone = target_zone(ctx, vpc, req)};
}

void cv_model_target_count(struct cv_model *model, uint32_t vpc, cv_be32_t ip, int more)
{
	struct model_key key = {.kind = MODEL_KEY_TARGET_ADDR, .scope = vpc, .num = ip};
	uint32_t n = cv_model_index_get(model->index, &key);

	model->n_targets += (uint32_t)more;
	n = (n == CV_MODEL_NONE ? 0 : n) + (uint32_t)more;
	if (n > 0) {
		cv_model_index_put(model->index, &key, n);
		return;
	}
	cv_model_index_remove(model->index, &key);
	key.kind = MODEL_KEY_ADDR;
	/* A gateway keeps its address; any other may be given out now. */
	if (cv_model_index_get(model->index, &key) == CV_MODEL_NONE)
		cv_model_addr_drop(model, vpc, ip);
}

int cv_model_target_add(struct cv_model *model, uint32_t tg_idx,
			const struct cv_model_target_req *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_TG, .by = req->by};
	struct cv_model_target_group *tg = &model->tgs[tg_idx];
	struct cv_model_target target = {.ip = req->ip,
					 .port = req->port != 0 ? req->port : tg->port,
					 .api = req->by != NULL};
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
	cv_model_target_count(model, tg->vpc, req->ip, 1);
	return 0;
}

static void check_node_ips(struct model_ctx *ctx, const struct cv_model_place_req *place,
			   uint32_t n_secondary, uint32_t i, struct cv_model_node *node)
{
	uint32_t n_given = place->n_ips;

	node->n_ips = (n_given > 0 ? n_given : 1) + n_secondary;
	node->n_asked = n_given;
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

void cv_model_check_node(struct model_ctx *ctx, const struct cv_model_place_req *place,
			 uint32_t n_secondary, const struct cv_model_lb *lb, uint32_t i)
{
	const char *field = cv_model_at(ctx, "subnets[%u].subnet", i);
	const struct cv_model *model = ctx->model;
	struct cv_model_node *node = &lb->nodes[i];

	node->zone = CV_MODEL_NONE;
	node->subnet = cv_model_resolve(ctx, CV_MODEL_SUBNET, lb->vpc, place->subnet, field);
	if (node->subnet == CV_MODEL_NONE)
		return;
	node->zone = model->subnets[node->subnet].zone;
	for (uint32_t j = 0; j < i; j++) {
		if (lb->nodes[j].zone == node->zone)
			cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest", field,
				     "subnets '%s' and '%s' are in one availability zone (%s)",
				     model->subnets[lb->nodes[j].subnet].name,
				     model->subnets[node->subnet].name,
				     model->zones[node->zone].id);
	}
	check_node_ips(ctx, place, n_secondary, i, node);
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
	for (uint32_t i = 0; i < req->n_places; i++)
		cv_model_check_node(ctx, &req->places[i], req->n_secondary, lb, i);
	cv_model_check_sgs(ctx, req->n_sgs);
	lb->sgs = cv_model_resolve_all(ctx, CV_MODEL_SG, lb->vpc, req->sgs, req->n_sgs);
}

/* Addresses that the request did not give stay open until the whole of the file is known. */
bool cv_model_nodes_claim(struct model_ctx *ctx, struct cv_model_lb *lb, uint32_t first)
{
	for (uint32_t i = first; i < lb->n_nodes; i++) {
		for (uint32_t k = 0; k < lb->nodes[i].n_ips; k++) {
			if (lb->nodes[i].ips[k] != 0)
				cv_model_addr_put(ctx->model, lb->vpc, lb->nodes[i].ips[k],
						  MODEL_ADDR_NODE);
		}
	}
	if (ctx->by == NULL || ctx->by->restore)
		return true;
	cv_model_settle_lb(ctx, lb);
	if (ctx->ret == 0)
		return true;
	cv_model_nodes_release(ctx->model, lb, first);
	return false;
}

void cv_model_nodes_release(struct cv_model *model, const struct cv_model_lb *lb, uint32_t first)
{
	for (uint32_t i = first; i < lb->n_nodes; i++) {
		for (uint32_t k = 0; k < lb->nodes[i].n_ips; k++) {
			if (lb->nodes[i].ips[k] != 0)
				cv_model_addr_drop(model, lb->vpc, lb->nodes[i].ips[k]);
		}
	}
}

void cv_model_lb_uses(struct cv_model *model, const struct cv_model_lb *lb, int more)
{
	for (uint32_t i = 0; i < lb->n_nodes; i++)
		cv_model_use(model, CV_MODEL_SUBNET, lb->nodes[i].subnet, more);
	for (uint32_t i = 0; i < lb->n_sgs; i++)
		cv_model_use(model, CV_MODEL_SG, lb->sgs[i], more);
}

int cv_model_lb_add(struct cv_model *model, const struct cv_model_lb_req *req,
		    struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_LB};
	struct cv_model_lb lb = {
		.cross_zone = req->cross_zone,
		.sg_on_privatelink = req->sg_on_privatelink,
		.zonal_shift = req->zonal_shift,
		.client_routing = req->client_routing,
		.shifted_zone = CV_MODEL_NONE,
		.service = CV_MODEL_NONE,
	};
	uint32_t idx;

	cv_model_begin(&ctx, req->by);
	cv_model_check_name(&ctx, CV_MODEL_NONE, req->name);
	lb.vpc = cv_model_resolve(&ctx, CV_MODEL_VPC, CV_MODEL_NONE, req->vpc, "vpc");
	check_elb_name(&ctx, lb.vpc, req->name);
	cv_model_quota_own(&ctx, lb.vpc);
	lb.arn = elb_arn(&ctx, req->arn, lb.vpc, "loadbalancer/net", req->name);
	lb_parts(&ctx, req, &lb);
	if (cv_model_index_room(model->index, 4 + req->n_places * CV_MODEL_NODE_IPS_MAX) != 0)
		cv_model_oom(&ctx);
	if (ctx.ret != 0 || !cv_model_nodes_claim(&ctx, &lb, 0))
		goto fail;
	idx = cv_model_place(&ctx);
	if (idx == CV_MODEL_NONE) {
		cv_model_nodes_release(model, &lb, 0);
		goto fail;
	}
	model->lbs[idx] = lb;
	publish_elb(&ctx, lb.vpc, lb.name, lb.arn, idx);
	cv_model_lb_uses(model, &lb, 1);
	return cv_model_end(&ctx);

fail:
	free(lb.nodes);
	free(lb.sgs);
	return cv_model_end(&ctx);
}

static const char *listener_arn(struct model_ctx *ctx, const struct cv_model_lb *lb,
				const struct cv_model_listener_req *req)
{
	const char *account = ctx->model->accounts[ctx->model->vpcs[lb->vpc].owner].id;
	const char *lb_id = strrchr(lb->arn, '/') + 1;
	char basis[64], hex[40];
	const char *arn;

	snprintf(basis, sizeof(basis), "%s/%u", lb_id, req->port);
	if (ctx->by != NULL)
		cv_model_random(ctx, lb_id, basis);
	cv_id_derive("listener/", basis, 16, hex, sizeof(hex));
	arn = cv_model_strf(ctx->model,
			    "arn:%s:elasticloadbalancing:%.64s:%s:listener/net/%s/%s/%s",
			    cv_model_partition(ctx->model->region), ctx->model->region, account,
			    lb->name, lb_id, hex + strlen("listener/"));
	if (arn != NULL && req->arn != NULL && strlen(req->arn) == strlen(arn) &&
	    strncmp(req->arn, arn, strlen(arn) - 16) == 0)
		arn = cv_model_str(ctx->model, req->arn);
	else if (req->arn != NULL)
		cv_model_err(ctx, EINVAL, "ValidationError", "arn",
			     "'%.150s' is no ARN of a listener of this load balancer", req->arn);
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

struct model_key cv_model_listener_key(const char *arn)
{
	return (struct model_key){.kind = CV_MODEL_LISTENER, .scope = CV_MODEL_NONE, .str = arn};
}

/* Whether a call may add to this load balancer, and how many listeners there may be. */
static void check_room(struct model_ctx *ctx, const struct cv_model_lb *lb, uint32_t lb_idx)
{
	const struct cv_model *model = ctx->model;

	if (ctx->by == NULL)
		return;
	if (!ctx->by->restore)
		cv_model_check_mutable(ctx, CV_MODEL_LB, lb_idx);
	cv_model_quota_listeners(ctx, lb);
	if (model->limits[CV_MODEL_LISTENER] != 0 &&
	    model->n_listeners >= model->limits[CV_MODEL_LISTENER])
		cv_model_err(ctx, EINVAL, "TooManyListeners", "",
			     "The maximum number of listeners has been reached");
}

int cv_model_listener_add(struct cv_model *model, uint32_t lb_idx,
			  const struct cv_model_listener_req *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_LB};
	struct cv_model_lb *lb = &model->lbs[lb_idx];
	struct cv_model_listener listener = {.port = req->port, .idle_seconds = req->idle_seconds};
	struct model_key key = {.kind = MODEL_KEY_LISTENER, .scope = lb_idx, .num = req->port};
	struct cv_model_listener *listeners;
	struct model_key arn;

	cv_model_begin(&ctx, req->by);
	check_room(&ctx, lb, lb_idx);
	if (cv_model_index_get(model->index, &key) != CV_MODEL_NONE)
		cv_model_err(&ctx, EEXIST, "DuplicateListener", "port",
			     "load balancer '%s' already has a listener on port %u", lb->name,
			     req->port);
	cv_model_forwards_make(&ctx, lb_idx, req, &listener);
	check_listener(&ctx, req);
	cv_model_quota_forwards(&ctx, lb_idx, &listener, CV_MODEL_NONE);
	for (uint32_t i = 0; i < listener.n_forwards && req->by != NULL; i++)
		cv_model_check_reach(&ctx, &model->tgs[listener.forwards[i].tg], lb->nodes,
				     lb->n_nodes);
	listener.arn = listener_arn(&ctx, lb, req);
	if (ctx.ret != 0)
		return cv_model_end(&ctx);
	arn = cv_model_listener_key(listener.arn);
	if (cv_model_index_get(model->index, &arn) != CV_MODEL_NONE)
		cv_model_err(&ctx, EEXIST, "DuplicateListener", "arn", "ARN %.150s is in use",
			     listener.arn);

	listeners = cv_model_grow(lb->listeners, lb->n_listeners, sizeof(*listeners));
	if (listeners != NULL)
		lb->listeners = listeners;
	if (listeners == NULL || cv_model_index_room(model->index, 2) != 0)
		cv_model_oom(&ctx);
	if (ctx.ret != 0)
		return cv_model_end(&ctx);
	listener.meta = (struct cv_model_meta){
		.api = req->by != NULL,
		.created = req->by != NULL ? req->by->now : 0,
		.tags = ctx.tags,
		.n_tags = ctx.n_tags,
	};
	ctx.tags = NULL;
	cv_model_index_put(model->index, &key, lb->n_listeners);
	cv_model_index_put(model->index, &arn, lb_idx);
	listeners[lb->n_listeners++] = listener;
	model->n_listeners++;
	for (uint32_t i = 0; i < listener.n_forwards; i++)
		model->tgs[listener.forwards[i].tg].lb = lb_idx;
	cv_model_touch(&ctx, CV_MODEL_LB, lb_idx);
	return cv_model_end(&ctx);
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
