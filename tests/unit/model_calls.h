/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Calls at random on the small region of model_world.h. After cmocka.h and model_world.h, in test programs.
 */

#include <errno.h>

#include "cv_base.h"
#include "cv_model_change.h"

static uint64_t seed;
static uint64_t now_s = 1000;
static struct cv_model_by by[2];

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static const struct cv_model_by *who(uint32_t account)
{
	now_s++;
	rnd(2);
	by[account] = (struct cv_model_by){.account = account, .now = now_s, .random = {seed, 7}};
	return &by[account];
}

/* The id of any resource of a kind, also of one that is gone. */
static const char *any(enum cv_model_kind kind)
{
	static const char *const none = "sg-00000000000000000";

#define PICK(array, id) return m->n_##array == 0 ? none : m->array[rnd(m->n_##array)].id
	switch (kind) {
	case CV_MODEL_VPC:
		PICK(vpcs, id);
	case CV_MODEL_SUBNET:
		PICK(subnets, id);
	case CV_MODEL_SG:
		PICK(sgs, id);
	case CV_MODEL_TG:
		PICK(tgs, arn);
	case CV_MODEL_LB:
		PICK(lbs, arn);
	case CV_MODEL_SERVICE:
		PICK(services, id);
	case CV_MODEL_ENDPOINT:
		PICK(endpoints, id);
	default: {
		const struct cv_model_lb *lb = &m->lbs[rnd(m->n_lbs)];

		return lb->n_listeners == 0 ? "arn:aws:x:listener/none"
					    : lb->listeners[rnd(lb->n_listeners)].arn;
	}
	}
#undef PICK
}

static int call_subnet(void)
{
	uint32_t net = rnd(40) * 16;
	struct cv_model_subnet_req req = {
		.vpc = rnd(2) == 0 ? 0 : 1,
		.cidr = {.addr = cv_be32(0x0a001000u + net), .len = 28},
		.zone = rnd(2) == 0 ? "use1-az1" : "use1-az2",
	};

	req.by = who(req.vpc);
	return cv_model_subnet_add(m, &req, &errs);
}

static int call_sg(void)
{
	struct cv_model_rule rule = {prefix("10.0.0.0/8"), 1, 2};
	char name[16];
	struct cv_model_sg_req req = {.name = name, .vpc = rnd(2), .rules = &rule, .n_rules = 1};

	snprintf(name, sizeof(name), "g%u", rnd(30));
	req.by = who(req.vpc);
	return cv_model_sg_add(m, &req, &errs);
}

static int call_tg(void)
{
	char name[16];
	struct cv_model_tg_req req;

	cv_model_tg_req_init(&req);
	req.name = name;
	req.vpc = m->vpcs[0].id;
	req.port = 80;
	req.by = who(0);
	snprintf(name, sizeof(name), "t%u", rnd(30));
	return cv_model_tg_add(m, &req, &errs);
}

static int call_lb(void)
{
	char name[16];
	const char *sg = any(CV_MODEL_SG);
	struct cv_model_place_req places[2] = {{.subnet = any(CV_MODEL_SUBNET)},
					       {.subnet = any(CV_MODEL_SUBNET)}};
	struct cv_model_lb_req req = {.name = name,
				      .vpc = m->vpcs[0].id,
				      .places = places,
				      .n_places = 1 + rnd(2),
				      .n_secondary = rnd(3),
				      .sgs = &sg,
				      .n_sgs = rnd(2),
				      .by = who(0)};

	snprintf(name, sizeof(name), "l%u", rnd(30));
	return cv_model_lb_add(m, &req, &errs);
}

/* One group, or a choice of two. */
static void pick_forwards(struct cv_model_listener_req *req, struct cv_model_forward_req two[2])
{
	if (rnd(3) > 0) {
		req->target_group = any(CV_MODEL_TG);
		return;
	}
	for (uint32_t i = 0; i < 2; i++)
		two[i] = (struct cv_model_forward_req){any(CV_MODEL_TG), rnd(3)};
	req->forwards = two;
	req->n_forwards = 2;
	req->sticky_group = rnd(2) == 0;
	req->sticky_seconds = rnd(3);
}

static int call_listener(void)
{
	struct cv_model_forward_req two[2];
	struct cv_model_listener_req req = {
		.port = (uint16_t)(80 + rnd(5)), .idle_seconds = 350, .by = who(0)};
	uint32_t lb = cv_model_find(m, CV_MODEL_LB, CV_MODEL_NONE, any(CV_MODEL_LB));

	if (lb == CV_MODEL_NONE)
		return -ENOENT;
	pick_forwards(&req, two);
	return cv_model_listener_add(m, lb, &req, &errs);
}

static int call_listener_change(void)
{
	struct cv_model_forward_req two[2];
	struct cv_model_listener_req req = {.port = (uint16_t)(rnd(2) * (80 + rnd(5)))};

	if (rnd(2) == 0)
		pick_forwards(&req, two);
	return cv_model_listener_change(m, who(0), any(CV_MODEL_LISTENER), &req, &errs);
}

static int call_service(void)
{
	const char *lbs[] = {any(CV_MODEL_LB), any(CV_MODEL_LB)};
	const char *all = "*";
	struct cv_model_service_req req = {.lbs = lbs,
					   .n_lbs = 1 + rnd(2),
					   .principals = &all,
					   .n_principals = 1,
					   .acceptance_required = rnd(2) == 0,
					   .by = who(0)};

	return cv_model_service_add(m, &req, &errs);
}

static int call_service_change(void)
{
	const char *add = any(CV_MODEL_LB), *gone = any(CV_MODEL_LB);
	struct cv_model_service_change req = {
		.service = any(CV_MODEL_SERVICE),
		.add_lbs = &add,
		.n_add_lbs = rnd(2),
		.remove_lbs = &gone,
		.n_remove_lbs = rnd(2),
		.acceptance_required = (int)rnd(3) - 1,
		.private_dns_name = rnd(3) == 0 ? "x.example.com" : NULL,
		.dns_state = CV_MODEL_KEEP,
	};

	return cv_model_service_change(m, who(0), &req, &errs);
}

static int call_permissions(void)
{
	static const char *const arns[] = {"*", "arn:aws:iam::222222222222:root",
					   "arn:aws:iam::222222222222:user/u"};
	struct cv_model_permissions_change req = {
		.service = any(CV_MODEL_SERVICE),
		.add = &arns[rnd(3)],
		.n_add = 1,
		.remove = &arns[rnd(3)],
		.n_remove = rnd(2),
	};

	return cv_model_permissions_change(m, who(0), &req, &errs);
}

static int call_endpoint(void)
{
	struct cv_model_place_req places[2] = {{.subnet = any(CV_MODEL_SUBNET)},
					       {.subnet = any(CV_MODEL_SUBNET)}};
	const char *sg = any(CV_MODEL_SG);
	struct cv_model_endpoint_req req = {.vpc = m->vpcs[1].id,
					    .service = any(CV_MODEL_SERVICE),
					    .places = places,
					    .n_places = 1 + rnd(2),
					    .sgs = &sg,
					    .n_sgs = rnd(2),
					    .by = who(1)};

	return cv_model_endpoint_add(m, &req, &errs);
}

static int call_endpoint_change(void)
{
	struct cv_model_place_req place = {.subnet = any(CV_MODEL_SUBNET)};
	const char *gone = any(CV_MODEL_SUBNET), *sg = any(CV_MODEL_SG), *no = any(CV_MODEL_SG);
	struct cv_model_endpoint_change req = {
		.endpoint = any(CV_MODEL_ENDPOINT),
		.add_places = &place,
		.n_add_places = rnd(2),
		.remove_subnets = &gone,
		.n_remove_subnets = rnd(2),
		.add_sgs = &sg,
		.n_add_sgs = rnd(2),
		.remove_sgs = &no,
		.n_remove_sgs = rnd(2),
		.private_dns = CV_MODEL_KEEP,
	};

	return cv_model_endpoint_change(m, who(1), &req, &errs);
}

static int call_decide(void)
{
	const char *service = any(CV_MODEL_SERVICE), *endpoint = any(CV_MODEL_ENDPOINT);

	if (rnd(4) > 0 && m->n_endpoints > 0) {
		const struct cv_model_endpoint *ep = &m->endpoints[rnd(m->n_endpoints)];

		endpoint = ep->id;
		if (ep->service != CV_MODEL_NONE)
			service = m->services[ep->service].id;
	}
	return rnd(3) == 0 ? cv_model_reject_by(m, who(0), service, endpoint, &errs)
			   : cv_model_accept_by(m, who(0), service, endpoint, &errs);
}

/* Inside a subnet, in the VPC beside its subnets, outside of it; in a zone or in all. */
static int call_targets(void)
{
	static const char *const zones[] = {NULL, NULL, "all", "us-east-1a", "us-east-1b", "x"};
	struct cv_model_target_req add[3] = {
		{.ip = cv_be32(0x0a000100u + rnd(250)), .port = 81},
		{.ip = cv_be32(0x0a001000u + rnd(600)), .zone = zones[rnd(6)]},
		{.ip = cv_be32(0xc0a80000u + rnd(50)), .zone = zones[1 + rnd(5)]}};
	struct cv_model_target_req gone = {.ip = cv_be32(0x0a000100u + rnd(250)), .port = 81};
	struct cv_model_targets_change req = {.tg = any(CV_MODEL_TG),
					      .add = add,
					      .n_add = rnd(4),
					      .remove = &gone,
					      .n_remove = rnd(2)};
	uint32_t tg = cv_model_find(m, CV_MODEL_TG, CV_MODEL_NONE, req.tg);

	if (tg != CV_MODEL_NONE && m->tgs[tg].n_targets > 0 && rnd(2) == 0) {
		uint32_t at = rnd(m->tgs[tg].n_targets);

		gone.ip = m->tgs[tg].targets[at].ip;
		gone.port = m->tgs[tg].targets[at].port;
	}
	return cv_model_targets_change(m, who(0), &req, &errs);
}

static int call_check(void)
{
	struct cv_model_check_req req = {
		.enabled = true,
		.protocol = (enum cv_model_check_protocol)rnd(3),
		.port = (uint16_t)(rnd(2) * 99),
		.path = rnd(2) == 0 ? "/up" : NULL,
		.interval_s = 5 + rnd(300),
		.timeout_s = 2 + rnd(9),
	};

	return cv_model_check_change(m, who(0), any(CV_MODEL_TG), &req, &errs);
}

static int call_shift(void)
{
	uint32_t lb = cv_model_find(m, CV_MODEL_LB, CV_MODEL_NONE, any(CV_MODEL_LB));
	static const char *const zones[] = {NULL, "use1-az1", "use1-az2"};

	if (lb == CV_MODEL_NONE)
		return -ENOENT;
	return cv_model_zonal_shift(m, who(0), lb, zones[rnd(3)], &errs);
}

static int call_subnets_set(void)
{
	struct cv_model_place_req places[2] = {{.subnet = any(CV_MODEL_SUBNET)},
					       {.subnet = any(CV_MODEL_SUBNET)}};
	struct cv_model_subnets_set req = {
		.lb = any(CV_MODEL_LB), .places = places, .n_places = 1 + rnd(2)};

	return cv_model_subnets_set(m, who(0), &req, &errs);
}

static int call_sgs_set(void)
{
	const char *sg = any(CV_MODEL_SG);
	struct cv_model_sgs_set req = {
		.lb = any(CV_MODEL_LB), .sgs = &sg, .n_sgs = 1, .sg_on_privatelink = CV_MODEL_KEEP};

	return cv_model_sgs_set(m, who(0), &req, &errs);
}

static int call_sg_change(void)
{
	struct cv_model_rule add = {prefix("10.0.0.0/8"), (uint16_t)rnd(4), 9};
	struct cv_model_rule gone = {prefix("10.0.0.0/8"), (uint16_t)rnd(4), 9};
	struct cv_model_sg_change req = {.sg = any(CV_MODEL_SG),
					 .add = &add,
					 .n_add = rnd(2),
					 .remove = &gone,
					 .n_remove = rnd(2)};

	return cv_model_sg_change(m, who(rnd(2)), &req, &errs);
}

static int call_attrs(void)
{
	static const struct {
		enum cv_model_kind kind;
		const char *key;
		const char *values[3];
	} rows[] = {
		{CV_MODEL_LB, "deletion_protection.enabled", {"false", "false", "false"}},
		{CV_MODEL_LB, "load_balancing.cross_zone.enabled", {"false", "true", "x"}},
		{CV_MODEL_LB, "zonal_shift.config.enabled", {"false", "true", "true"}},
		{CV_MODEL_LB, CV_MODEL_ATTR_SECONDARY_IPS, {"0", "1", "2"}},
		{CV_MODEL_LB, "access_logs.s3.prefix", {"", "1", "a"}},
		{CV_MODEL_TG, "stickiness.enabled", {"false", "true", "true"}},
		{CV_MODEL_TG, "preserve_client_ip.enabled", {"false", "true", "false"}},
		{CV_MODEL_TG,
		 "load_balancing.cross_zone.enabled",
		 {"false", "true", "use_load_balancer_configuration"}},
		{CV_MODEL_TG, "deregistration_delay.timeout_seconds", {"0", "3600", "3601"}},
		{CV_MODEL_TG,
		 "target_group_health.dns_failover.minimum_healthy_targets.count",
		 {"off", "2", "5"}},
		{CV_MODEL_TG,
		 "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
		 {"1", "2", "7"}},
		{CV_MODEL_LISTENER, "tcp.idle_timeout.seconds", {"60", "6000", "59"}},
	};
	uint32_t row = rnd(CV_ARRAY_LEN(rows));
	struct cv_model_tag attr = {rows[row].key, rows[row].values[rnd(3)]};
	struct cv_model_attrs_change req = {
		.kind = rows[row].kind, .ref = any(rows[row].kind), .attrs = &attr, .n_attrs = 1};

	return cv_model_attrs_change(m, who(0), &req, &errs);
}

static int call_tags(void)
{
	char key[8];
	struct cv_model_tag set = {key, "v"}, gone = {key, NULL};
	struct cv_model_tags_change req = {.ref = any((enum cv_model_kind)(CV_MODEL_VPC + rnd(8))),
					   .set = &set,
					   .n_set = rnd(2),
					   .remove = &gone,
					   .n_remove = rnd(2)};

	snprintf(key, sizeof(key), "k%u", rnd(60));
	return cv_model_tags_change(m, who(rnd(2)), &req, &errs);
}

static int call_remove(void)
{
	enum cv_model_kind kind = (enum cv_model_kind)(CV_MODEL_VPC + rnd(8));

	return cv_model_remove(m, who(rnd(2)), kind, any(kind), &errs);
}

static int call_remove_endpoint(void)
{
	return cv_model_remove(m, who(1), CV_MODEL_ENDPOINT, any(CV_MODEL_ENDPOINT), &errs);
}

static int call_advance(void)
{
	now_s += rnd(400);
	return cv_model_advance(m, now_s) ? 0 : -ENOENT;
}

static int (*const calls[])(void) = {
	call_subnet,
	call_sg,
	call_tg,
	call_lb,
	call_listener,
	call_service,
	call_endpoint,
	call_endpoint,
	call_endpoint,
	call_decide,
	call_decide,
	call_targets,
	call_subnets_set,
	call_sgs_set,
	call_sg_change,
	call_attrs,
	call_attrs,
	call_attrs,
	call_attrs,
	call_check,
	call_shift,
	call_tags,
	call_remove,
	call_advance,
	call_service_change,
	call_permissions,
	call_endpoint_change,
	call_remove_endpoint,
	call_listener_change,
};
