/* SPDX-License-Identifier: BSD-3-Clause */

/* Target groups, targets, load balancers and listeners go and change. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* ---- targets ---- */

static struct model_key target_key(uint32_t tg, cv_be32_t ip, uint16_t port)
{
	return (struct model_key){
		.kind = MODEL_KEY_TARGET, .scope = tg, .num = (uint64_t)port << 32 | ip};
}

uint32_t cv_model_target_find(const struct cv_model *model, uint32_t tg, cv_be32_t ip,
			      uint16_t port)
{
	struct model_key key = target_key(tg, ip, port);

	return cv_model_index_get(model->index, &key);
}

void cv_model_tg_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct cv_model_target_group *tg = &model->tgs[idx];
	struct model_key name = cv_model_elb_key(model, CV_MODEL_TG, tg->vpc, tg->name);
	uint32_t vpc = tg->vpc;

	if (tg->lb != CV_MODEL_NONE) {
		cv_model_err(ctx, EBUSY, "ResourceInUse", "",
			     "Target group '%s' is currently in use by a listener or a rule",
			     tg->arn);
		return;
	}
	cv_model_touch(ctx, CV_MODEL_TG, idx);
	for (uint32_t i = 0; i < tg->n_targets; i++) {
		struct model_key key = target_key(idx, tg->targets[i].ip, tg->targets[i].port);

		cv_model_index_remove(model->index, &key);
		cv_model_target_count(model, vpc, tg->targets[i].ip, -1);
	}
	cv_model_index_remove(model->index, &name);
	cv_model_str_free(model, tg->check.path);
	cv_model_str_free(model, tg->check.matcher);
	free(tg->targets);
	free(tg->dropped);
	cv_model_vanish(ctx, CV_MODEL_TG, idx, CV_MODEL_NONE);
	model->tgs[idx].lb = CV_MODEL_NONE;
	cv_model_use(model, CV_MODEL_VPC, vpc, -1);
}

/* Takes one target out: the last one moves into its place. One of the file's is remembered. */
static void target_remove(struct cv_model *model, uint32_t tg_idx, uint32_t at)
{
	struct cv_model_target_group *tg = &model->tgs[tg_idx];
	struct cv_model_target target = tg->targets[at];
	struct model_key key = target_key(tg_idx, target.ip, target.port);

	cv_model_index_remove(model->index, &key);
	cv_model_target_count(model, tg->vpc, target.ip, -1);
	if (!tg->meta.api && !target.api)
		tg->dropped[tg->n_dropped++] = target;
	tg->n_targets--;
	if (at == tg->n_targets)
		return;
	tg->targets[at] = tg->targets[tg->n_targets];
	key = target_key(tg_idx, tg->targets[at].ip, tg->targets[at].port);
	cv_model_index_put(model->index, &key, at);
}

static void targets_remove(struct cv_model *model, uint32_t tg_idx,
			   const struct cv_model_target_req *req)
{
	const struct cv_model_target_group *tg = &model->tgs[tg_idx];

	if (req->port != 0) {
		struct model_key key = target_key(tg_idx, req->ip, req->port);
		uint32_t at = cv_model_index_get(model->index, &key);

		if (at != CV_MODEL_NONE)
			target_remove(model, tg_idx, at);
		return;
	}
	for (uint32_t i = tg->n_targets; i-- > 0;) {
		if (tg->targets[i].ip == req->ip)
			target_remove(model, tg_idx, i);
	}
}

/* A target of the file that comes back is the file's again. */
static bool undrop(struct cv_model_target_group *tg, struct cv_model_target *target)
{
	for (uint32_t i = 0; i < tg->n_dropped; i++) {
		if (tg->dropped[i].ip != target->ip || tg->dropped[i].port != target->port)
			continue;
		target->zone = tg->dropped[i].zone;
		tg->dropped[i] = tg->dropped[--tg->n_dropped];
		return true;
	}
	return false;
}

/* Adds one that was checked; there is room. */
static void target_put(struct cv_model *model, uint32_t tg_idx, struct cv_model_target target)
{
	struct cv_model_target_group *tg = &model->tgs[tg_idx];
	struct model_key key = target_key(tg_idx, target.ip, target.port);

	if (cv_model_index_get(model->index, &key) != CV_MODEL_NONE)
		return;
	target.api = tg->meta.api || !undrop(tg, &target);
	cv_model_index_put(model->index, &key, tg->n_targets);
	tg->targets[tg->n_targets++] = target;
	cv_model_target_count(model, tg->vpc, target.ip, 1);
}

/* Checks those that are new, into an array of their own. Tells whether all can be added. */
static bool targets_check(struct model_ctx *ctx, uint32_t tg_idx,
			  const struct cv_model_targets_change *req,
			  struct cv_model_target *targets)
{
	struct cv_model *model = ctx->model;
	struct cv_model_target_group *tg = &model->tgs[tg_idx];
	struct cv_model_target_group beside = *tg;
	uint32_t n_new = 0;

	for (uint32_t i = 0; i < req->n_add; i++) {
		cv_model_at(ctx, "targets[%u]", i);
		cv_model_target_check(ctx, tg->vpc, &req->add[i], &targets[i]);
		if (targets[i].port == 0)
			targets[i].port = tg->port;
		n_new += cv_model_target_find(model, tg_idx, targets[i].ip, targets[i].port) ==
			 CV_MODEL_NONE;
	}
	if (model->limits[CV_MODEL_TG] != 0 && n_new > 0 &&
	    model->n_targets + n_new > model->limits[CV_MODEL_TG])
		cv_model_err(ctx, EINVAL, "TooManyTargets", "targets",
			     "The maximum number of targets has been reached");
	cv_model_quota_targets(ctx, tg_idx, targets, req->n_add);
	beside.targets = targets;
	beside.n_targets = req->n_add;
	if (tg->lb != CV_MODEL_NONE && ctx->ret == 0)
		cv_model_check_reach(ctx, &beside, model->lbs[tg->lb].nodes,
				     model->lbs[tg->lb].n_nodes);
	return ctx->ret == 0;
}

/* Room for all that may be added, and for all of the file's to be dropped. */
static bool targets_room(struct model_ctx *ctx, struct cv_model_target_group *tg, uint32_t n_add)
{
	struct cv_model_target *targets, *dropped;

	/* cv_model_grow() goes by powers of two, from what a smaller n needed. */
	for (uint32_t n = tg->n_targets; n < tg->n_targets + n_add; n++) {
		targets = cv_model_grow(tg->targets, n, sizeof(*targets));
		if (targets == NULL)
			return false;
		tg->targets = targets;
	}
	dropped = realloc(tg->dropped,
			  ((size_t)tg->n_dropped + tg->n_targets + 1) * sizeof(*dropped));
	if (dropped == NULL)
		return false;
	tg->dropped = dropped;
	return cv_model_index_room(ctx->model->index, 2 * (size_t)n_add) == 0;
}

int cv_model_targets_change(struct cv_model *model, const struct cv_model_by *by,
			    const struct cv_model_targets_change *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_TG};
	struct cv_model_target *targets = NULL;
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_TG, req->tg);
	if (idx == CV_MODEL_NONE)
		return cv_model_end(&ctx);
	targets = calloc((size_t)req->n_add + 1, sizeof(*targets));
	if (targets == NULL || !targets_room(&ctx, &model->tgs[idx], req->n_add))
		cv_model_oom(&ctx);
	else if (targets_check(&ctx, idx, req, targets)) {
		for (uint32_t i = 0; i < req->n_remove; i++)
			targets_remove(model, idx, &req->remove[i]);
		for (uint32_t i = 0; i < req->n_add; i++)
			target_put(model, idx, targets[i]);
		cv_model_touch(&ctx, CV_MODEL_TG, idx);
	}
	free(targets);
	return cv_model_end(&ctx);
}

/* Those of the file are where the file says. */
static bool tg_follow(struct cv_model_target_group *tg, const struct cv_model_subnet *subnet)
{
	bool followed = false;

	for (uint32_t i = 0; i < tg->n_targets && tg->vpc == subnet->vpc; i++) {
		struct cv_model_target *target = &tg->targets[i];

		if (!target->api || target->zone == subnet->zone ||
		    !cv_prefix_has(&subnet->cidr, target->ip))
			continue;
		target->zone = subnet->zone;
		followed = true;
	}
	return followed;
}

void cv_model_targets_follow(struct model_ctx *ctx, uint32_t subnet)
{
	struct cv_model *model = ctx->model;

	for (uint32_t i = 0; i < model->n_tgs && ctx->by != NULL; i++) {
		if (!model->tgs[i].meta.gone && tg_follow(&model->tgs[i], &model->subnets[subnet]))
			cv_model_touch(ctx, CV_MODEL_TG, i);
	}
}

/* ---- checks ---- */

struct cv_model_check_req cv_model_check_req_of(const struct cv_model_check *check)
{
	return (struct cv_model_check_req){
		.enabled = check->enabled,
		.protocol = check->protocol,
		.port = check->port,
		.path = check->path,
		.matcher = check->matcher,
		.interval_s = check->interval_s,
		.timeout_s = check->timeout_s,
		.n_healthy = check->n_healthy,
		.n_unhealthy = check->n_unhealthy,
	};
}

int cv_model_check_change(struct cv_model *model, const struct cv_model_by *by, const char *arn,
			  const struct cv_model_check_req *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_TG};
	struct cv_model_check check, *now;
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_TG, arn);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, CV_MODEL_TG, idx))
		return cv_model_end(&ctx);
	cv_model_check_make(&ctx, req, &check);
	if (ctx.ret != 0)
		return cv_model_end(&ctx);
	now = &model->tgs[idx].check;
	cv_model_str_free(model, now->path);
	cv_model_str_free(model, now->matcher);
	*now = check;
	cv_model_touch(&ctx, CV_MODEL_TG, idx);
	return cv_model_end(&ctx);
}

/* ---- listeners ---- */

bool cv_model_lb_has_tg(const struct cv_model_lb *lb, uint32_t tg, uint32_t except)
{
	for (uint32_t i = 0; i < lb->n_listeners; i++) {
		for (uint32_t k = 0; k < lb->listeners[i].n_forwards; k++) {
			if (i != except && lb->listeners[i].forwards[k].tg == tg)
				return true;
		}
	}
	return false;
}

/* Groups to which only this listener leads are free again. */
static void forwards_release(struct cv_model *model, const struct cv_model_lb *lb, uint32_t idx)
{
	const struct cv_model_listener *listener = &lb->listeners[idx];

	for (uint32_t k = 0; k < listener->n_forwards; k++) {
		if (!cv_model_lb_has_tg(lb, listener->forwards[k].tg, idx))
			model->tgs[listener->forwards[k].tg].lb = CV_MODEL_NONE;
	}
}

static struct model_key port_key(uint32_t lb, uint16_t port)
{
	return (struct model_key){.kind = MODEL_KEY_LISTENER, .scope = lb, .num = port};
}

void cv_model_listener_remove(struct model_ctx *ctx, uint32_t lb_idx, uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct cv_model_lb *lb = &model->lbs[lb_idx];
	struct cv_model_listener *listener = &lb->listeners[idx];
	struct model_key arn = cv_model_listener_key(listener->arn);
	struct model_key port = port_key(lb_idx, listener->port);

	cv_model_touch(ctx, CV_MODEL_LB, lb_idx);
	forwards_release(model, lb, idx);
	cv_model_index_remove(model->index, &arn);
	cv_model_index_remove(model->index, &port);
	cv_model_tags_free(model, listener->meta.tags, listener->meta.n_tags);
	cv_model_tags_free(model, listener->meta.attrs, listener->meta.n_attrs);
	cv_model_str_free(model, listener->arn);
	lb->n_listeners--;
	model->n_listeners--;
	if (idx == lb->n_listeners)
		return;
	*listener = lb->listeners[lb->n_listeners];
	port = port_key(lb_idx, listener->port);
	cv_model_index_put(model->index, &port, idx);
}

uint32_t cv_model_listener_find(const struct cv_model *model, const char *arn, uint32_t *ret_idx)
{
	struct model_key key = cv_model_listener_key(arn);
	uint32_t lb = cv_model_index_get(model->index, &key);

	for (uint32_t i = 0; lb != CV_MODEL_NONE && i < model->lbs[lb].n_listeners; i++) {
		if (strcmp(model->lbs[lb].listeners[i].arn, arn) == 0) {
			*ret_idx = i;
			return lb;
		}
	}
	return CV_MODEL_NONE;
}

void cv_model_listener_sticky_set(struct cv_model *model, const char *arn, uint32_t seconds)
{
	uint32_t idx, lb = cv_model_listener_find(model, arn, &idx);

	if (lb != CV_MODEL_NONE)
		model->lbs[lb].listeners[idx].sticky_seconds = seconds;
}

void cv_model_node_asked_set(struct cv_model *model, const char *lb_arn, uint32_t node, uint32_t n)
{
	uint32_t lb = cv_model_find(model, CV_MODEL_LB, CV_MODEL_NONE, lb_arn);

	if (lb != CV_MODEL_NONE && node < model->lbs[lb].n_nodes &&
	    n <= model->lbs[lb].nodes[node].n_ips)
		model->lbs[lb].nodes[node].n_asked = n;
}

/* The listener as it is to be; its groups and port are checked. */
static void listener_make(struct model_ctx *ctx, uint32_t lb_idx, uint32_t idx,
			  const struct cv_model_listener_req *req, struct cv_model_listener *l)
{
	struct cv_model *model = ctx->model;
	struct cv_model_lb *lb = &model->lbs[lb_idx];
	struct model_key key = port_key(lb_idx, req->port);

	*l = lb->listeners[idx];
	if (req->port != 0) {
		l->port = req->port;
		if (req->port != lb->listeners[idx].port &&
		    cv_model_index_get(model->index, &key) != CV_MODEL_NONE)
			cv_model_err(ctx, EEXIST, "DuplicateListener", "port",
				     "A listener already exists on port %u for this load balancer",
				     req->port);
	}
	if (req->target_group == NULL && req->n_forwards == 0)
		return;
	l->n_forwards = 0;
	cv_model_forwards_make(ctx, lb_idx, req, l);
	cv_model_quota_forwards(ctx, lb_idx, l, idx);
	for (uint32_t i = 0; i < l->n_forwards; i++)
		cv_model_check_reach(ctx, &model->tgs[l->forwards[i].tg], lb->nodes, lb->n_nodes);
}

int cv_model_listener_change(struct cv_model *model, const struct cv_model_by *by, const char *arn,
			     const struct cv_model_listener_req *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_LISTENER};
	struct cv_model_listener listener;
	struct model_key port;
	uint32_t idx = 0, lb;

	cv_model_begin(&ctx, by);
	lb = cv_model_subject(&ctx, CV_MODEL_LISTENER, arn);
	if (lb == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, CV_MODEL_LB, lb))
		return cv_model_end(&ctx);
	(void)cv_model_listener_find(model, arn, &idx);
	listener_make(&ctx, lb, idx, req, &listener);
	if (cv_model_index_room(model->index, 1) != 0)
		cv_model_oom(&ctx);
	if (ctx.ret != 0)
		return cv_model_end(&ctx);
	port = port_key(lb, model->lbs[lb].listeners[idx].port);
	cv_model_index_remove(model->index, &port);
	forwards_release(model, &model->lbs[lb], idx);
	model->lbs[lb].listeners[idx] = listener;
	port.num = listener.port;
	cv_model_index_put(model->index, &port, idx);
	for (uint32_t i = 0; i < listener.n_forwards; i++)
		model->tgs[listener.forwards[i].tg].lb = lb;
	cv_model_touch(&ctx, CV_MODEL_LB, lb);
	return cv_model_end(&ctx);
}

/* ---- load balancers ---- */

static bool lb_is_free(struct model_ctx *ctx, const struct cv_model_lb *lb)
{
	if (cv_model_lb_is_protected(lb))
		cv_model_err(ctx, EPERM, "OperationNotPermitted", "",
			     "Load balancer '%s' cannot be deleted because deletion protection is "
			     "enabled",
			     lb->arn);
	if (lb->service != CV_MODEL_NONE)
		cv_model_err(ctx, EBUSY, "ResourceInUse", "",
			     "Load balancer '%s' cannot be deleted because it is currently "
			     "associated with another service",
			     lb->arn);
	return ctx->ret == 0;
}

void cv_model_lb_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct cv_model_lb *lb = &model->lbs[idx];
	struct model_key name = cv_model_elb_key(model, CV_MODEL_LB, lb->vpc, lb->name);
	uint32_t vpc = lb->vpc;

	if (!lb_is_free(ctx, lb))
		return;
	cv_model_touch(ctx, CV_MODEL_LB, idx);
	while (lb->n_listeners > 0)
		cv_model_listener_remove(ctx, idx, lb->n_listeners - 1);
	cv_model_nodes_release(model, lb, 0);
	cv_model_lb_uses(model, lb, -1);
	cv_model_index_remove(model->index, &name);
	free(lb->nodes);
	free(lb->listeners);
	free(lb->sgs);
	cv_model_vanish(ctx, CV_MODEL_LB, idx, CV_MODEL_NONE);
	model->lbs[idx].service = CV_MODEL_NONE;
	model->lbs[idx].shifted_zone = CV_MODEL_NONE;
	model->lbs[idx].shift_decided = false;
	cv_model_use(model, CV_MODEL_VPC, vpc, -1);
}

/* Whether an endpoint that is not deleted has an ENI that this node serves. */
static bool node_is_used(const struct cv_model *model, uint32_t lb, uint32_t node)
{
	if (model->lbs[lb].service == CV_MODEL_NONE)
		return false;
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];

		for (uint32_t k = 0; k < endpoint->n_enis; k++) {
			if (endpoint->enis[k].lb == lb && endpoint->enis[k].node == node)
				return true;
		}
	}
	return false;
}

/* A node that stays is as it was; to ask for other addresses of it is an error. */
static void node_keep(struct model_ctx *ctx, const struct cv_model_place_req *place, uint32_t i,
		      const struct cv_model_node *from, struct cv_model_node *to)
{
	char text[CV_NET_STR_LEN];

	*to = *from;
	if (place->n_ips > to->n_asked)
		to->n_asked = place->n_ips;
	if (place->n_ips > 0 &&
	    (place->n_ips > from->n_ips ||
	     memcmp(place->ips, from->ips, place->n_ips * sizeof(*from->ips)) != 0))
		cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest",
			     cv_model_at(ctx, "subnets[%u].ips", i),
			     "the node in subnet '%s' has address %s: it cannot be changed",
			     ctx->model->subnets[from->subnet].id, cv_ip4_str(from->ips[0], text));
}

/* The nodes as they are to be: those that stay keep their addresses. */
static void nodes_make(struct model_ctx *ctx, uint32_t lb_idx,
		       const struct cv_model_subnets_set *req, struct cv_model_lb *to)
{
	const struct cv_model_lb *from = &ctx->model->lbs[lb_idx];

	for (uint32_t i = 0; i < req->n_places; i++) {
		uint32_t subnet =
			cv_model_find(ctx->model, CV_MODEL_SUBNET, to->vpc, req->places[i].subnet);
		uint32_t n = 0;

		while (n < from->n_nodes && from->nodes[n].subnet != subnet)
			n++;
		to->n_nodes = i + 1;
		if (subnet == CV_MODEL_NONE || n == from->n_nodes)
			cv_model_check_node(ctx, &req->places[i], from->nodes[0].n_ips - 1, to, i);
		else if (cv_model_node_find(to, from->nodes[n].zone) < i)
			cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest",
				     cv_model_at(ctx, "subnets[%u].subnet", i),
				     "more than one subnet is in availability zone %s",
				     ctx->model->zones[from->nodes[n].zone].id);
		else
			node_keep(ctx, &req->places[i], i, &from->nodes[n], &to->nodes[i]);
	}
}

static uint32_t node_in(const struct cv_model_lb *lb, uint32_t subnet)
{
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		if (lb->nodes[i].subnet == subnet)
			return i;
	}
	return CV_MODEL_NONE;
}

/* Gives the addresses of nodes back that are in one and not in the other. */
static void nodes_drop(struct cv_model *model, const struct cv_model_lb *lb,
		       const struct cv_model_lb *other)
{
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		struct cv_model_lb one = {.vpc = lb->vpc, .nodes = &lb->nodes[i], .n_nodes = 1};

		if (node_in(other, lb->nodes[i].subnet) == CV_MODEL_NONE)
			cv_model_nodes_release(model, &one, 0);
	}
}

/* ENIs know their node by its place. */
static void enis_follow(struct cv_model *model, uint32_t lb)
{
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		struct cv_model_endpoint *endpoint = &model->endpoints[i];

		for (uint32_t k = 0; k < endpoint->n_enis; k++) {
			if (endpoint->enis[k].lb == lb)
				endpoint->enis[k].node =
					cv_model_node_find(&model->lbs[lb], endpoint->enis[k].zone);
		}
	}
}

static void subnets_check(struct model_ctx *ctx, uint32_t idx,
			  const struct cv_model_subnets_set *req, struct cv_model_lb *to)
{
	const struct cv_model *model = ctx->model;
	const struct cv_model_lb *from = &model->lbs[idx];

	if (req->n_places == 0)
		cv_model_err(ctx, EINVAL, "ValidationError", "subnets",
			     "a load balancer needs a subnet");
	nodes_make(ctx, idx, req, to);
	for (uint32_t i = 0; i < from->n_nodes && ctx->ret == 0; i++) {
		if (node_in(to, from->nodes[i].subnet) == CV_MODEL_NONE &&
		    node_is_used(model, idx, i))
			cv_model_err(ctx, EBUSY, "InvalidConfigurationRequest", "subnets",
				     "You cannot remove the zone of subnet '%s': VPC endpoints are "
				     "associated with it",
				     model->subnets[from->nodes[i].subnet].id);
	}
	for (uint32_t i = 0; i < from->n_listeners && ctx->ret == 0; i++) {
		for (uint32_t k = 0; k < from->listeners[i].n_forwards; k++)
			cv_model_check_reach(ctx, &model->tgs[from->listeners[i].forwards[k].tg],
					     to->nodes, to->n_nodes);
	}
}

static void subnets_serve(struct cv_model *model, uint32_t idx, struct cv_model_lb *to)
{
	struct cv_model_lb *from = &model->lbs[idx];

	cv_model_lb_uses(model, to, 1);
	cv_model_lb_uses(model, from, -1);
	nodes_drop(model, from, to);
	free(from->nodes);
	from->nodes = to->nodes;
	from->n_nodes = to->n_nodes;
	/* A shift ends with its zone, or with the last other one. */
	if (from->shifted_zone != CV_MODEL_NONE &&
	    (from->n_nodes < 2 || cv_model_node_find(from, from->shifted_zone) == CV_MODEL_NONE)) {
		from->shifted_zone = CV_MODEL_NONE;
		from->shift_decided = false;
	}
	if (from->service == CV_MODEL_NONE)
		return;
	/* A zone that is gone is not offered; a new one is when the service is modified. */
	model->services[from->service].zones &=
		cv_model_service_zones(model, &model->services[from->service]);
	enis_follow(model, idx);
}

int cv_model_subnets_set(struct cv_model *model, const struct cv_model_by *by,
			 const struct cv_model_subnets_set *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_LB};
	struct cv_model_lb to;
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_LB, req->lb);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, CV_MODEL_LB, idx))
		return cv_model_end(&ctx);
	to = model->lbs[idx];
	to.n_nodes = 0;
	to.nodes = calloc((size_t)req->n_places + 1, sizeof(*to.nodes));
	if (to.nodes == NULL ||
	    cv_model_index_room(model->index, 2 + req->n_places * CV_MODEL_NODE_IPS_MAX) != 0)
		cv_model_oom(&ctx);
	else
		subnets_check(&ctx, idx, req, &to);
	if (ctx.ret == 0)
		cv_model_nodes_choose(&ctx, &to, &model->lbs[idx]);
	if (ctx.ret != 0) {
		free(to.nodes);
		return cv_model_end(&ctx);
	}
	subnets_serve(model, idx, &to);
	cv_model_touch(&ctx, CV_MODEL_LB, idx);
	return cv_model_end(&ctx);
}

/* Takes the addresses of the nodes that are new; on failure none of them. */
void cv_model_nodes_choose(struct model_ctx *ctx, struct cv_model_lb *to,
			   const struct cv_model_lb *from)
{
	for (uint32_t i = 0; i < to->n_nodes && ctx->ret == 0; i++) {
		struct cv_model_lb one = *to;

		one.nodes = &to->nodes[i];
		one.n_nodes = 1;
		if (node_in(from, to->nodes[i].subnet) == CV_MODEL_NONE &&
		    !cv_model_nodes_claim(ctx, &one, 0))
			to->n_nodes = i;
	}
	if (ctx->ret != 0)
		nodes_drop(ctx->model, to, from);
}

int cv_model_sgs_set(struct cv_model *model, const struct cv_model_by *by,
		     const struct cv_model_sgs_set *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_LB};
	struct cv_model_lb *lb, before;
	uint32_t *sgs = NULL;
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_LB, req->lb);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, CV_MODEL_LB, idx))
		return cv_model_end(&ctx);
	lb = &model->lbs[idx];
	if (lb->n_sgs == 0 && req->n_sgs > 0)
		cv_model_err(&ctx, EINVAL, "InvalidConfigurationRequest", "security_groups",
			     "Security groups cannot be set on a load balancer that was made "
			     "without any");
	if (lb->n_sgs > 0 && req->n_sgs == 0)
		cv_model_err(&ctx, EINVAL, "InvalidConfigurationRequest", "security_groups",
			     "A load balancer with security groups needs at least one");
	if (req->n_sgs > lb->n_sgs)
		cv_model_check_sgs(&ctx, req->n_sgs);
	if (ctx.ret == 0)
		sgs = cv_model_resolve_all(&ctx, CV_MODEL_SG, lb->vpc, req->sgs, req->n_sgs);
	if (ctx.ret != 0)
		return cv_model_end(&ctx);
	before = *lb;
	lb->sgs = sgs;
	lb->n_sgs = req->n_sgs;
	cv_model_lb_uses(model, lb, 1);
	cv_model_lb_uses(model, &before, -1);
	free(before.sgs);
	if (req->sg_on_privatelink != CV_MODEL_KEEP)
		lb->sg_on_privatelink = req->sg_on_privatelink != 0;
	cv_model_touch(&ctx, CV_MODEL_LB, idx);
	return cv_model_end(&ctx);
}
