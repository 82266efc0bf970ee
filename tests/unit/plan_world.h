/* SPDX-License-Identifier: BSD-3-Clause */

#pragma once

/*
 * What the tests of the plan share: models built through the model's own operations, what lives as long
 * as the process, and short ways to look things up.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_drops.h"
#include "cv_model_ops.h"
#include "cv_plan.h"
#include "cv_ppv2.h"
#include "cv_view_hot.h"

/* All memory of the plan comes through reallocarray(), the view's through aligned_alloc(). */
static int allocs_left = -1;

static inline bool alloc_fails(void)
{
	if (allocs_left == 0)
		return true;
	if (allocs_left > 0)
		allocs_left--;
	return false;
}

void *reallocarray(void *ptr, size_t n, size_t size)
{
	return alloc_fails() ? NULL : realloc(ptr, n * size);
}

void *aligned_alloc(size_t align, size_t len)
{
	void *mem = NULL;

	if (alloc_fails())
		return NULL;
	return posix_memalign(&mem, align, len) == 0 ? mem : NULL;
}

/* ---- models ---- */

#define DONE(expr)                                                                       \
	do {                                                                             \
		struct cv_model_errs e_ = {0};                                           \
		if ((expr) != 0)                                                         \
			fail_msg("%s: %s: %s", #expr, e_.n > 0 ? e_.items[0].field : "", \
				 e_.n > 0 ? e_.items[0].text : "");                      \
		cv_model_errs_fini(&e_);                                                 \
	} while (0)

static cv_be32_t ip(const char *text)
{
	cv_be32_t addr = 0;

	assert_true(cv_ip4_parse(text, &addr));
	return addr;
}

static inline struct cv_prefix prefix(const char *text)
{
	struct cv_prefix p;

	assert_int_equal(cv_prefix_parse(text, &p), 0);
	return p;
}

static inline void add_vpc(struct cv_model *m, const char *name, const char *port, uint16_t vlan)
{
	struct cv_prefix cidrs[] = {prefix("10.0.0.0/16"), prefix("10.7.0.0/16")};
	struct cv_model_vpc_req req = {.name = name,
				       .owner = name,
				       .cidrs = cidrs,
				       .n_cidrs = 2,
				       .port = port,
				       .vlan = vlan};

	DONE(cv_model_vpc_add(m, &req, &e_));
}

static inline void add_subnet(struct cv_model *m, const char *vpc, const char *name,
			      const char *cidr, const char *zone, const char *gateway)
{
	struct cv_model_subnet_req req = {
		.name = name,
		.vpc = cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, vpc),
		.cidr = prefix(cidr),
		.zone = zone,
		.gateway = gateway != NULL ? ip(gateway) : 0,
	};

	DONE(cv_model_subnet_add(m, &req, &e_));
}

static inline void add_sg(struct cv_model *m, const char *vpc, const char *name, const char *cidr,
			  uint16_t port_first, uint16_t port_last)
{
	struct cv_model_rule rule = {prefix(cidr), port_first, port_last};
	struct cv_model_sg_req req = {
		.name = name,
		.vpc = cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, vpc),
		.rules = &rule,
		.n_rules = 1,
	};

	DONE(cv_model_sg_add(m, &req, &e_));
}

static uint32_t add_tg(struct cv_model *m, const char *name, enum cv_model_cross_zone cross_zone)
{
	struct cv_model_tg_req req = {.name = name,
				      .vpc = "prov",
				      .port = 80,
				      .ppv2 = strcmp(name, "plain") != 0,
				      .placement = strcmp(name, "early") == 0
							   ? CV_MODEL_ON_FIRST_ACK
							   : CV_MODEL_ON_FIRST_ACK_WITH_PAYLOAD,
				      .cross_zone = cross_zone};

	DONE(cv_model_tg_add(m, &req, &e_));
	return m->n_tgs - 1;
}

static inline void add_target(struct cv_model *m, uint32_t tg, const char *addr, uint16_t port,
			      const char *zone)
{
	struct cv_model_target_req req = {.ip = ip(addr), .port = port, .zone = zone};

	DONE(cv_model_target_add(m, tg, &req, &e_));
}

static uint32_t add_lb(struct cv_model *m, const char *name, const char *ip_a, const char *ip_b,
		       bool cross_zone, const char *sg)
{
	cv_be32_t ips[] = {ip(ip_a), ip_b != NULL ? ip(ip_b) : 0};
	struct cv_model_place_req places[] = {{"a", &ips[0], 1}, {"b", &ips[1], 1}};
	struct cv_model_lb_req req = {.name = name,
				      .vpc = "prov",
				      .places = places,
				      .n_places = ip_b != NULL ? 2 : 1,
				      .sgs = &sg,
				      .n_sgs = sg != NULL ? 1 : 0,
				      .cross_zone = cross_zone,
				      .sg_on_privatelink = sg != NULL && strcmp(sg, "lb") == 0};

	DONE(cv_model_lb_add(m, &req, &e_));
	return m->n_lbs - 1;
}

static inline void add_listener(struct cv_model *m, uint32_t lb, uint16_t port, const char *tg)
{
	struct cv_model_listener_req req = {
		.port = port, .target_group = tg, .idle_seconds = (uint32_t)port + 300};

	DONE(cv_model_listener_add(m, lb, &req, &e_));
}

static uint32_t add_service(struct cv_model *m, const char *name, const char *const *lbs,
			    uint32_t n_lbs)
{
	const char *any = "*";
	struct cv_model_service_req req = {.name = name,
					   .lbs = lbs,
					   .n_lbs = n_lbs,
					   .principals = &any,
					   .n_principals = 1,
					   .acceptance_required = true};

	DONE(cv_model_service_add(m, &req, &e_));
	return m->n_services - 1;
}

static uint32_t add_endpoint(struct cv_model *m, const char *name, const char *subnet,
			     const char *const *sgs, uint32_t n_sgs)
{
	struct cv_model_place_req place = {.subnet = subnet};
	struct cv_model_endpoint_req req = {.name = name,
					    .vpc = "cons",
					    .service = "svc",
					    .places = &place,
					    .n_places = 1,
					    .sgs = sgs,
					    .n_sgs = n_sgs};

	DONE(cv_model_endpoint_add(m, &req, &e_));
	return m->n_endpoints - 1;
}

/* Zones, accounts, two VPCs with the same CIDRs; the accounts name the two zones the other way round. */
static inline struct cv_model *empty_model(void)
{
	static const char *const zones[] = {"use1-az1", "use1-az2", "use1-az3"};
	static const char *const names[] = {"us-east-1a", "us-east-1b", "us-east-1c"};
	static const char *const crossed[] = {"use1-az2", "use1-az1", "use1-az3"};
	struct cv_model_account_req prov = {"111111111111", "prov", names, zones, 3};
	struct cv_model_account_req cons = {"222222222222", "cons", names, crossed, 3};
	struct cv_model *m = cv_model_create("us-east-1");

	assert_non_null(m);
	for (size_t i = 0; i < CV_ARRAY_LEN(zones); i++)
		DONE(cv_model_zone_add(m, zones[i], &e_));
	DONE(cv_model_account_add(m, &prov, &e_));
	DONE(cv_model_account_add(m, &cons, &e_));
	add_vpc(m, "prov", "p0", 0);
	add_vpc(m, "cons", "p1", 7);
	add_subnet(m, "prov", "a", "10.0.1.0/24", "us-east-1a", NULL);
	add_subnet(m, "prov", "b", "10.0.2.0/24", "us-east-1b", "10.0.2.1");
	add_subnet(m, "cons", "a", "10.0.1.0/24", "us-east-1a", NULL);
	add_subnet(m, "cons", "b", "10.0.2.0/24", "us-east-1b", NULL);
	add_sg(m, "prov", "lb", "10.0.0.0/8", 80, 90);
	add_sg(m, "prov", "lb-direct-only", "10.0.0.0/8", 80, 90);
	add_sg(m, "cons", "web", "10.0.3.0/24", 80, 80);
	add_sg(m, "cons", "ssh", "10.0.4.0/24", 22, 23);
	return m;
}

/* A group of one target in zone 1 and two in zone 2, two listeners, a service. */
static inline struct cv_model *base_model(bool cross_zone, enum cv_model_cross_zone tg_cross_zone)
{
	static const char *const lbs[] = {"web"};
	struct cv_model *m = empty_model();
	uint32_t tg = add_tg(m, "web", tg_cross_zone);
	uint32_t lb = add_lb(m, "web", "10.0.1.10", "10.0.2.10", cross_zone, NULL);

	add_target(m, tg, "10.0.1.21", 0, NULL);
	add_target(m, tg, "10.0.2.22", 0, NULL);
	add_target(m, tg, "10.0.2.23", 8080, NULL);
	add_listener(m, lb, 80, "web");
	add_listener(m, lb, 81, "web");
	add_service(m, "svc", lbs, 1);
	return m;
}

static inline struct cv_model *plain_model(void)
{
	return base_model(false, CV_MODEL_CROSS_ZONE_LB);
}

/* ---- what lives as long as the process ---- */

static const struct cv_plan_port ports[] = {{"p0", 1500}, {"p1", 9000}};

struct world {
	struct cv_plan_slots *slots;
	struct cv_snat_registry *registry;
	cv_neigh_t *neigh;
	struct cv_plan_cfg cfg;
	struct cv_errs errs;
	uint64_t gen;
};

static inline void world_init(struct world *w, struct cv_plan_limits limits)
{
	*w = (struct world){
		.slots = cv_plan_slots_create(&limits),
		.registry = cv_snat_registry_create(),
		.cfg = {.ports = ports,
			.n_ports = 2,
			.mss_clamp = 8365,
			.endpoint_mtu = 8500,
			.snat = {.port_first = 10000,
				 .n_ports = 55000,
				 .rest_ms = 60000,
				 .n_slices = 1},
			.view = {.syn_ms = 30000, .fin_ms = 120000, .linger_ms = 1000}},
	};
	assert_non_null(w->slots);
	assert_non_null(w->registry);
	w->neigh = calloc(cv_plan_slots_cap(w->slots, CV_PLAN_NEIGH), sizeof(*w->neigh));
	assert_non_null(w->neigh);
}

static inline void world_fini(struct world *w)
{
	cv_errs_fini(&w->errs);
	cv_snat_registry_destroy(w->registry);
	cv_plan_slots_destroy(w->slots);
	free(w->neigh);
}

static const struct cv_plan_limits roomy = {.endpoints = 100, .listeners = 100, .targets = 100};

static inline int try_plan(struct world *w, struct cv_model *m, struct cv_plan **ret_plan)
{
	struct cv_plan_in in = {.model = m,
				.cfg = &w->cfg,
				.slots = w->slots,
				.registry = w->registry,
				.neigh = w->neigh,
				.gen = ++w->gen};

	DONE(cv_model_settle(m, &e_));
	return cv_plan_build(&in, &w->errs, ret_plan);
}

/* Plan, and let go of the model: a plan does not need it. */
static inline struct cv_plan *plan(struct world *w, struct cv_model *m)
{
	struct cv_plan *p = NULL;
	int err = try_plan(w, m, &p);

	if (err != 0)
		fail_msg("%d: %s", err, w->errs.n > 0 ? w->errs.items[0].text : "");
	assert_int_equal(w->errs.n, 0);
	cv_model_destroy(m);
	return p;
}

static inline const struct cv_view_spec *spec_of(const struct cv_plan *p)
{
	return cv_view_spec_get(p->view);
}

/* The targets that a node may choose, as text: `10.0.1.21:80 10.0.2.22:80`. */
static inline const char *choice(const struct cv_plan *p, uint32_t listener, uint32_t zone)
{
	static char text[512];
	const struct cv_view_spec *s = spec_of(p);
	const struct cv_view_listener *l =
		&s->listeners[cv_plan_slot(p, CV_PLAN_LISTENER, 0, listener)];
	const struct cv_view_choice *c = &s->choices[l->zone_first + zone];
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < c->n; i++) {
		const struct cv_view_target *t = &s->targets[s->choice_targets[c->first + i]];
		char buf[CV_NET_STR_LEN];

		assert_true(t->used);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s:%u", i > 0 ? " " : "",
					cv_ip4_str(t->ip, buf), cv_be16_host(t->port));
	}
	return text;
}

static inline struct cv_snat_pool *pool(const struct cv_plan *p, const char *node,
					const char *target, uint16_t port)
{
	uint16_t vpc = (uint16_t)cv_plan_slot(p, CV_PLAN_VPC, 0, 0);

	return cv_view_pool_find(p->view, vpc, ip(node), ip(target), cv_be16(port));
}

static inline const struct cv_view_local *local(const struct cv_plan *p, uint32_t vpc,
						cv_be32_t addr)
{
	return cv_view_local_find(p->view, (uint16_t)cv_plan_slot(p, CV_PLAN_VPC, 0, vpc), addr);
}

static inline const struct cv_plan_neigh *next_hop(const struct cv_plan *p, uint32_t tg,
						   uint32_t target)
{
	return &p->neighs[spec_of(p)->targets[cv_plan_slot(p, CV_PLAN_TARGET, tg, target)].neigh];
}
