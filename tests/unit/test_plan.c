/* SPDX-License-Identifier: BSD-3-Clause */

/* What a view holds. */

#include "plan_world.h"

#include "cv_conf.h"
#include "cv_plan.h"

static void nodes_choose_targets_of_their_zone(void **state)
{
	struct world w;
	struct cv_plan *p;

	(void)state;
	world_init(&w, roomy);
	p = plan(&w, plain_model());
	assert_string_equal(choice(p, 0, 0), "10.0.1.21:80");
	assert_string_equal(choice(p, 0, 1), "10.0.2.22:80 10.0.2.23:8080");
	assert_string_equal(choice(p, 0, 2), ""); /* no node in that zone */
	assert_string_equal(choice(p, 1, 1), "10.0.2.22:80 10.0.2.23:8080");
	assert_non_null(pool(p, "10.0.1.10", "10.0.1.21", 80));
	assert_non_null(pool(p, "10.0.2.10", "10.0.2.22", 80));
	assert_non_null(pool(p, "10.0.2.10", "10.0.2.23", 8080));
	assert_null(pool(p, "10.0.1.10", "10.0.2.22", 80));
	assert_int_equal(spec_of(p)->n_pools, 3);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void cross_zone_is_the_groups_then_the_load_balancers(void **state)
{
	static const char all[] = "10.0.1.21:80 10.0.2.22:80 10.0.2.23:8080";
	struct world w;
	struct cv_plan *p;

	(void)state;
	world_init(&w, roomy);
	p = plan(&w, base_model(true, CV_MODEL_CROSS_ZONE_LB));
	assert_string_equal(choice(p, 0, 0), all);
	assert_string_equal(choice(p, 0, 1), all);
	assert_int_equal(spec_of(p)->n_pools, 6);
	cv_plan_destroy(p);
	p = plan(&w, base_model(true, CV_MODEL_CROSS_ZONE_OFF));
	assert_string_equal(choice(p, 0, 0), "10.0.1.21:80");
	cv_plan_destroy(p);
	p = plan(&w, base_model(false, CV_MODEL_CROSS_ZONE_ON));
	assert_string_equal(choice(p, 0, 0), all);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void vpcs_carry_what_frames_need(void **state)
{
	struct cv_model *m = plain_model();
	uint16_t prefix_of[] = {cv_mac_prefix(m->vpcs[0].id), cv_mac_prefix(m->vpcs[1].id)};
	const struct cv_view_spec *s;
	struct world w;
	struct cv_plan *p;

	(void)state;
	world_init(&w, roomy);
	w.cfg.view.exhausted_reset = true;
	p = plan(&w, m);
	s = spec_of(p);
	assert_int_equal(s->gen, 1);
	assert_int_equal(s->n_zones, 3);
	assert_int_equal(s->settings.syn_ms, 30000);
	assert_int_equal(s->settings.linger_ms, 1000);
	assert_true(s->settings.exhausted_reset);
	assert_int_equal(cv_view_vpc_find(p->view, 0, 0), 0);
	assert_int_equal(cv_view_vpc_find(p->view, 1, 7), 1);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(s->vpcs[i].mac_prefix, prefix_of[i]);
		assert_int_equal(s->vpcs[i].mtu, ports[i].mtu);
	}
	assert_int_equal(s->vpcs[0].mss_max, 1460); /* of the port */
	assert_int_equal(s->vpcs[1].mss_max, 8365); /* of the setting */
	assert_int_equal(s->vpcs[0].mtu_by_endpoint, 1500);
	assert_int_equal(s->vpcs[1].mtu_by_endpoint, 8500);
	cv_plan_destroy(p);

	w.cfg.mss_clamp = 0;
	w.cfg.endpoint_mtu = 0;
	w.cfg.snat.rest_ms = 400;
	p = plan(&w, plain_model());
	assert_int_equal(spec_of(p)->vpcs[0].mss_max, UINT16_MAX);
	assert_int_equal(spec_of(p)->vpcs[1].mtu_by_endpoint, ports[1].mtu);
	assert_int_equal(spec_of(p)->settings.linger_ms, 400); /* never longer than a port rests */
	assert_int_equal(cv_snat_pool_cfg(pool(p, "10.0.1.10", "10.0.1.21", 80)).rest_ms, 400);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void endpoints_lead_to_the_node_of_the_same_az_id(void **state)
{
	struct cv_model *m = plain_model();
	uint32_t in_a = add_endpoint(m, "one", "a", NULL, 0);
	uint32_t in_b = add_endpoint(m, "two", "b", NULL, 0);
	const struct cv_view_local *l;
	cv_be32_t ip_a, ip_b;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	DONE(cv_model_settle(m, &e_));
	ip_a = m->endpoints[in_a].enis[0].ip;
	ip_b = m->endpoints[in_b].enis[0].ip;
	p = plan(&w, m);
	/* The consumer's us-east-1a is the provider's us-east-1b: zone 1. */
	l = local(p, 1, ip_a);
	assert_non_null(l);
	assert_int_equal(l->kind, CV_VIEW_ENI);
	assert_int_equal(l->endpoint, cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, in_a));
	assert_int_equal(l->node, cv_plan_slot(p, CV_PLAN_NODE, 0, 1));
	assert_int_equal(spec_of(p)->nodes[l->node].zone, 1);
	assert_int_equal(spec_of(p)->node_ips[spec_of(p)->nodes[l->node].ip_first],
			 ip("10.0.2.10"));
	l = local(p, 1, ip_b);
	assert_int_equal(l->node, cv_plan_slot(p, CV_PLAN_NODE, 0, 0));
	assert_int_equal(spec_of(p)->nodes[l->node].zone, 0);
	/* The same addresses in the provider's VPC are somebody else's. */
	assert_null(local(p, 0, ip_a));
	l = local(p, 0, ip("10.0.2.10"));
	assert_int_equal(l->kind, CV_VIEW_NODE);
	assert_int_equal(l->endpoint, CV_VIEW_DIRECT);
	assert_int_equal(l->node, cv_plan_slot(p, CV_PLAN_NODE, 0, 1));
	cv_plan_destroy(p);
	world_fini(&w);
}

static void endpoint_keeps_the_load_balancer_that_the_model_chose(void **state)
{
	static const char *const lbs[] = {"one", "two"};
	struct cv_model *m = empty_model();
	unsigned int n_of[2] = {0};
	uint32_t lb_of[40];
	cv_be32_t ip_of[40];
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_lb(m, "one", "10.0.1.10", "10.0.2.10", false, NULL);
	add_lb(m, "two", "10.0.1.11", "10.0.2.11", false, NULL);
	add_service(m, "svc", lbs, 2);
	for (uint32_t i = 0; i < 40; i++) {
		char name[16];

		snprintf(name, sizeof(name), "ep%u", i);
		add_endpoint(m, name, i % 2 == 0 ? "a" : "b", NULL, 0);
	}
	DONE(cv_model_settle(m, &e_));
	for (uint32_t i = 0; i < 40; i++) {
		lb_of[i] = m->endpoints[i].enis[0].lb;
		ip_of[i] = m->endpoints[i].enis[0].ip;
	}
	p = plan(&w, m);
	for (uint32_t i = 0; i < 40; i++) {
		const struct cv_view_local *l = local(p, 1, ip_of[i]);

		assert_int_equal(l->node, cv_plan_slot(p, CV_PLAN_NODE, lb_of[i], i % 2 == 0));
		assert_int_equal(spec_of(p)->nodes[l->node].lb,
				 cv_plan_slot(p, CV_PLAN_LB, 0, lb_of[i]));
		n_of[lb_of[i]]++;
	}
	assert_true(n_of[0] > 0 && n_of[1] > 0);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void endpoint_without_a_node_has_none(void **state)
{
	struct cv_model *m = plain_model();
	uint32_t ep = add_endpoint(m, "one", "a", NULL, 0);
	cv_be32_t addr;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	DONE(cv_model_settle(m, &e_));
	m->endpoints[ep].enis[0].lb = CV_MODEL_NONE;
	addr = m->endpoints[ep].enis[0].ip;
	p = plan(&w, m);
	assert_int_equal(local(p, 1, addr)->node, CV_VIEW_NONE);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void endpoints_state_is_a_verdict(void **state)
{
	struct cv_model *m = plain_model();
	uint32_t pending = add_endpoint(m, "pending", "a", NULL, 0);
	uint32_t rejected = add_endpoint(m, "rejected", "a", NULL, 0);
	uint32_t good = add_endpoint(m, "good", "a", NULL, 0);
	char good_id[64], pending_id[64];
	uint8_t want[CV_PPV2_AWS_LEN];
	const struct cv_view_endpoint *eps;
	cv_be32_t addrs[3];
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	DONE(cv_model_accept(m, 0, "good", &e_));
	DONE(cv_model_reject(m, 0, "rejected", &e_));
	DONE(cv_model_settle(m, &e_));
	for (uint32_t i = 0; i < 3; i++)
		addrs[i] = m->endpoints[i].enis[0].ip;
	snprintf(good_id, sizeof(good_id), "%s", m->endpoints[good].id);
	snprintf(pending_id, sizeof(pending_id), "%s", m->endpoints[pending].id);
	p = plan(&w, m);
	eps = spec_of(p)->endpoints;
	pending = cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, pending);
	rejected = cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, rejected);
	good = cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, good);
	assert_int_equal(eps[pending].verdict, CV_DROP_ENDPOINT_PENDING);
	assert_int_equal(eps[rejected].verdict, CV_DROP_ENDPOINT_REJECTED);
	assert_int_equal(eps[good].verdict, CV_DROP_NONE);
	assert_int_equal(eps[CV_VIEW_DIRECT].verdict, CV_DROP_NONE);
	for (uint32_t i = 0; i < 3; i++) /* their ENIs are there in any state */
		assert_int_equal(local(p, 1, addrs[i])->endpoint,
				 cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, i));
	cv_ppv2_aws_template(want, good_id);
	assert_memory_equal(eps[good].ppv2, want, sizeof(want));
	cv_ppv2_aws_template(want, pending_id);
	assert_memory_equal(eps[pending].ppv2, want, sizeof(want));
	cv_ppv2_aws_template(want, NULL);
	assert_memory_equal(eps[CV_VIEW_DIRECT].ppv2, want, sizeof(want));
	assert_true(eps[CV_VIEW_DIRECT].used && eps[CV_VIEW_DIRECT].sg_any);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void check_rule(const struct cv_view_spec *s, uint32_t idx, const char *from, uint16_t first,
		       uint16_t last)
{
	char buf[CV_NET_STR_LEN];

	assert_string_equal(cv_prefix_str(&s->sg_rules[idx].from, buf), from);
	assert_int_equal(s->sg_rules[idx].port_first, first);
	assert_int_equal(s->sg_rules[idx].port_last, last);
}

static void security_groups_are_flattened(void **state)
{
	static const char *const sgs[] = {"web", "ssh"};
	struct cv_model *m = plain_model();
	const struct cv_view_endpoint *ep;
	const struct cv_view_node *node;
	const struct cv_view_spec *s;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_endpoint(m, "none", "a", NULL, 0);
	add_endpoint(m, "one", "a", sgs, 1);
	add_endpoint(m, "both", "a", sgs, 2);
	add_endpoint(m, "too", "b", sgs, 1);
	add_lb(m, "judged", "10.0.1.12", NULL, false, "lb");
	add_lb(m, "direct", "10.0.1.13", NULL, false, "lb-direct-only");
	p = plan(&w, m);
	s = spec_of(p);
	ep = &s->endpoints[cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 0)];
	assert_false(ep->sg_any); /* the VPC's default group: the VPC itself */
	assert_int_equal(ep->sg_n, 2);
	check_rule(s, ep->sg_first, "10.0.0.0/16", 0, 65535);
	check_rule(s, ep->sg_first + 1, "10.7.0.0/16", 0, 65535);
	ep = &s->endpoints[cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 1)];
	assert_false(ep->sg_any);
	assert_int_equal(ep->sg_n, 1);
	check_rule(s, ep->sg_first, "10.0.3.0/24", 80, 80);
	ep = &s->endpoints[cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 2)];
	assert_int_equal(ep->sg_n, 2);
	check_rule(s, ep->sg_first, "10.0.3.0/24", 80, 80);
	check_rule(s, ep->sg_first + 1, "10.0.4.0/24", 22, 23);
	/* One group is there once, however many use it. */
	assert_int_equal(s->endpoints[cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 3)].sg_first,
			 s->endpoints[cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 1)].sg_first);
	node = &s->nodes[cv_plan_slot(p, CV_PLAN_NODE, 0, 0)];
	assert_true(node->sg_any);
	node = &s->nodes[cv_plan_slot(p, CV_PLAN_NODE, 1, 0)];
	assert_false(node->sg_any);
	assert_false(node->sg_not_endpoints);
	assert_int_equal(node->sg_n, 1);
	check_rule(s, node->sg_first, "10.0.0.0/8", 80, 90);
	node = &s->nodes[cv_plan_slot(p, CV_PLAN_NODE, 2, 0)];
	assert_false(node->sg_any);
	assert_true(node->sg_not_endpoints);
	cv_plan_destroy(p);
	world_fini(&w);
}

/* A group in place of addresses: those that carry it; UDP and ICMP are for nobody. */
static void rules_that_name_groups_are_resolved(void **state)
{
	static const char *const users[] = {"users"}, *const named[] = {"named"};
	struct cv_model_rule rules[] = {
		{.group = "users", .port_first = 1, .port_last = 2},
		{.group = "default", .protocol = CV_MODEL_PROTOCOL_ALL},
		{.group = "nobody", .port_last = 9},
		{.cidr = prefix("10.9.0.0/16"), .protocol = CV_MODEL_UDP, .port_last = 9},
		{.cidr = prefix("10.9.0.0/16"), .protocol = CV_MODEL_ICMP},
		{.cidr = prefix("10.8.0.0/16"), .port_first = 7, .port_last = 8},
	};
	struct cv_model *m = plain_model();
	struct cv_model_sg_req req = {.name = "users", .vpc = 1};
	struct cv_model_errs said = {0};
	const struct cv_view_endpoint *ep;
	const struct cv_view_spec *s;
	struct cv_plan *p;
	struct world w;
	cv_be32_t users_are[2];

	(void)state;
	world_init(&w, roomy);
	assert_string_equal(m->vpcs[1].name, "cons");
	assert_int_equal(cv_model_sg_add(m, &req, &said), 0);
	req.name = "named";
	req.rules = rules;
	req.n_rules = CV_ARRAY_LEN(rules);
	assert_int_equal(cv_model_sg_add(m, &req, &said), 0);
	add_endpoint(m, "one", "a", users, 1);
	add_endpoint(m, "two", "a", users, 1);
	add_endpoint(m, "target", "a", named, 1);
	assert_int_equal(cv_model_settle(m, &said), 0);
	for (int i = 0; i < 2; i++)
		users_are[i] = m->endpoints[i].enis[0].ip;
	p = plan(&w, m);
	s = spec_of(p);
	ep = &s->endpoints[cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 2)];
	assert_int_equal(ep->sg_n, 4);
	check_rule(s, ep->sg_first, "0.0.0.0/0", 1, 2);
	assert_int_equal(s->sg_rules[ep->sg_first].n_ips, 2);
	assert_memory_equal(&s->sg_ips[s->sg_rules[ep->sg_first].ip_first], users_are,
			    sizeof(users_are));
	for (uint32_t i = 1; i < 4; i++)
		assert_int_equal(s->sg_rules[ep->sg_first + i].n_ips, 0);
	check_rule(s, ep->sg_first + 1, "10.0.0.0/16", 0, 65535);
	check_rule(s, ep->sg_first + 2, "10.7.0.0/16", 0, 65535);
	check_rule(s, ep->sg_first + 3, "10.8.0.0/16", 7, 8);
	ep = &s->endpoints[cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 0)];
	assert_false(ep->sg_any);
	assert_int_equal(ep->sg_n, 0);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void next_hop_is_the_target_or_a_gateway(void **state)
{
	struct cv_model *m = plain_model();
	const struct cv_plan_neigh *n;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_target(m, 0, "10.7.0.9", 80, "all");    /* of the VPC, in no subnet */
	add_target(m, 0, "192.168.5.5", 80, "all"); /* behind zone 2's gateway: zone 1 has none */
	add_target(m, 0, "192.168.5.6", 80, "us-east-1b");
	p = plan(&w, m);
	n = next_hop(p, 0, 0);
	assert_int_equal(n->ip, ip("10.0.1.21"));
	assert_int_equal(n->sender, ip("10.0.1.10"));
	assert_int_equal(n->vpc, cv_plan_slot(p, CV_PLAN_VPC, 0, 0));
	assert_true(n->used);
	n = next_hop(p, 0, 1);
	assert_int_equal(n->ip, ip("10.0.2.22"));
	assert_int_equal(n->sender, ip("10.0.2.10"));
	n = next_hop(p, 0, 3);
	assert_int_equal(n->ip, ip("10.7.0.9"));
	assert_int_equal(n->sender, ip("10.0.1.10"));
	for (uint32_t i = 4; i < 6; i++) {
		n = next_hop(p, 0, i);
		assert_int_equal(n->ip, ip("10.0.2.1"));
		assert_int_equal(n->sender, ip("10.0.2.10"));
	}
	assert_ptr_equal(next_hop(p, 0, 4), next_hop(p, 0, 5));
	assert_int_equal(p->n_slots[CV_PLAN_NEIGH], 5);
	/* Targets of no zone serve each. */
	assert_string_equal(choice(p, 0, 0), "10.0.1.21:80 10.7.0.9:80 192.168.5.5:80");
	assert_string_equal(choice(p, 0, 1), "10.0.2.22:80 10.0.2.23:8080 10.7.0.9:80 "
					     "192.168.5.5:80 192.168.5.6:80");
	cv_plan_destroy(p);
	world_fini(&w);
}

static void gateway_of_the_targets_zone_is_preferred(void **state)
{
	struct cv_model *m = empty_model();
	uint32_t tg = add_tg(m, "web", CV_MODEL_CROSS_ZONE_LB);
	uint32_t lb = add_lb(m, "web", "10.0.1.10", "10.0.2.10", true, NULL);
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	m->subnets[0].gateway = ip("10.0.1.1"); /* now both subnets have one */
	add_target(m, tg, "192.168.5.5", 80, "us-east-1b");
	add_target(m, tg, "192.168.5.6", 80, "all");
	add_listener(m, lb, 80, "web");
	p = plan(&w, m);
	assert_int_equal(next_hop(p, 0, 0)->ip, ip("10.0.2.1"));
	assert_int_equal(next_hop(p, 0, 0)->sender, ip("10.0.2.10"));
	assert_int_equal(next_hop(p, 0, 1)->ip, ip("10.0.1.1"));
	assert_int_equal(next_hop(p, 0, 1)->sender, ip("10.0.1.10"));
	cv_plan_destroy(p);
	world_fini(&w);
}

static void groups_without_load_balancer_wait(void **state)
{
	struct cv_model *m = plain_model();
	uint32_t tg = add_tg(m, "spare", CV_MODEL_CROSS_ZONE_LB);
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_target(m, tg, "10.0.1.99", 80, NULL);
	add_target(m, tg, "192.168.5.5", 80, "all"); /* no gateway, but nobody asks */
	p = plan(&w, m);
	assert_true(spec_of(p)->groups[cv_plan_slot(p, CV_PLAN_GROUP, 0, tg)].used);
	assert_false(next_hop(p, tg, 0)->used);
	assert_false(spec_of(p)->targets[cv_plan_slot(p, CV_PLAN_TARGET, tg, 1)].used);
	assert_int_equal(spec_of(p)->n_pools, 3);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void listeners_share_a_group_or_have_their_own(void **state)
{
	struct cv_model *m = plain_model();
	const struct cv_view_listener *l;
	const struct cv_view_spec *s;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_tg(m, "early", CV_MODEL_CROSS_ZONE_LB); /* and empty */
	add_tg(m, "plain", CV_MODEL_CROSS_ZONE_LB);
	add_listener(m, 0, 90, "early");
	add_listener(m, 0, 91, "plain");
	p = plan(&w, m);
	s = spec_of(p);
	for (uint32_t i = 0; i < 4; i++) {
		static const uint16_t port_of[] = {80, 81, 90, 91};
		static const uint32_t group_of[] = {0, 0, 1, 2};
		uint32_t slot = cv_view_listener_find(p->view, cv_plan_slot(p, CV_PLAN_LB, 0, 0),
						      port_of[i]);

		assert_int_equal(slot, cv_plan_slot(p, CV_PLAN_LISTENER, 0, i));
		l = &s->listeners[slot];
		assert_int_equal(l->idle_s, 300 + port_of[i]);
		assert_int_equal(l->group, cv_plan_slot(p, CV_PLAN_GROUP, 0, group_of[i]));
		assert_int_equal(s->groups[l->group].proxy_v2, i < 3);
		assert_int_equal(s->groups[l->group].on_first_ack, i == 2);
	}
	assert_int_equal(s->listeners[0].zone_first, s->listeners[1].zone_first);
	assert_string_equal(choice(p, 2, 0), "");
	assert_string_equal(choice(p, 2, 1), "");
	assert_int_equal(s->n_pools, 3); /* one per node and target, whatever the listeners */
	cv_plan_destroy(p);
	world_fini(&w);
}

static void every_node_address_has_its_pools(void **state)
{
	struct cv_model *m = plain_model();
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	m->lbs[0].nodes[1].ips[1] = ip("10.0.2.11");
	m->lbs[0].nodes[1].ips[2] = ip("10.0.2.12");
	m->lbs[0].nodes[1].n_ips = 3;
	add_target(m, 0, "10.0.1.21", 8081, NULL);
	p = plan(&w, m);
	assert_int_equal(spec_of(p)->n_pools, 2 + 3 * 2);
	/* One address, two ports: two targets. */
	assert_int_not_equal(cv_plan_slot(p, CV_PLAN_TARGET, 0, 0),
			     cv_plan_slot(p, CV_PLAN_TARGET, 0, 3));
	assert_ptr_not_equal(pool(p, "10.0.1.10", "10.0.1.21", 80),
			     pool(p, "10.0.1.10", "10.0.1.21", 8081));
	assert_ptr_equal(next_hop(p, 0, 0), next_hop(p, 0, 3));
	assert_non_null(pool(p, "10.0.2.12", "10.0.2.22", 80));
	assert_non_null(pool(p, "10.0.2.11", "10.0.2.23", 8080));
	assert_int_equal(local(p, 0, ip("10.0.2.12"))->node, cv_plan_slot(p, CV_PLAN_NODE, 0, 1));
	cv_plan_destroy(p);
	world_fini(&w);
}

/* From the text of a configuration to what each of its consumers gets. */
static void quickstart_serves_two_consumers_of_four(void **state)
{
	static const struct {
		uint8_t verdict;
		uint32_t zones[2];
	} want[] = {
		{CV_DROP_NONE, {0, 1}},
		{CV_DROP_NONE, {1, 0}}, /* its account names the zones the other way round */
		{CV_DROP_ENDPOINT_REJECTED, {0}},
		{CV_DROP_ENDPOINT_PENDING, {0}},
	};
	static const char *const eni_ips[] = {"172.16.1.10", "172.16.2.10"};
	struct cv_plan_port all[8];
	struct cv_errs errs = {0};
	struct cv_conf *conf = cv_conf_load(SRC_DIR "/config/quickstart.json", &errs);
	struct cv_plan *p = NULL;
	struct world w;

	(void)state;
	if (conf == NULL)
		fail_msg("%s", errs.n > 0 ? errs.items[0].text : "");
	world_init(&w, roomy);
	for (uint32_t i = 0; i < conf->dpdk.n_ports; i++)
		all[i] = (struct cv_plan_port){conf->dpdk.ports[i].name, 1500};
	w.cfg.ports = all;
	w.cfg.n_ports = (uint16_t)conf->dpdk.n_ports;
	assert_int_equal(try_plan(&w, conf->model, &p), 0);
	assert_int_equal(conf->model->n_endpoints, CV_ARRAY_LEN(want));
	for (uint32_t i = 0; i < CV_ARRAY_LEN(want); i++) {
		for (uint32_t j = 0; j < conf->model->endpoints[i].n_enis; j++) {
			const struct cv_view_local *l =
				local(p, conf->model->endpoints[i].vpc, ip(eni_ips[j]));

			assert_non_null(l);
			assert_int_equal(l->endpoint, cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, i));
			assert_int_equal(spec_of(p)->endpoints[l->endpoint].verdict,
					 want[i].verdict);
			assert_int_equal(spec_of(p)->nodes[l->node].zone, want[i].zones[j]);
		}
	}
	assert_string_equal(choice(p, 0, 0), "10.0.1.21:80");
	assert_string_equal(choice(p, 0, 1), "10.0.2.22:80");
	assert_string_equal(choice(p, 1, 1), "10.0.1.31:8080"); /* cross-zone by the group */
	cv_plan_destroy(p);
	world_fini(&w);
	cv_conf_destroy(conf);
	cv_errs_fini(&errs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_choose_targets_of_their_zone),
		cmocka_unit_test(cross_zone_is_the_groups_then_the_load_balancers),
		cmocka_unit_test(vpcs_carry_what_frames_need),
		cmocka_unit_test(endpoints_lead_to_the_node_of_the_same_az_id),
		cmocka_unit_test(endpoint_keeps_the_load_balancer_that_the_model_chose),
		cmocka_unit_test(endpoint_without_a_node_has_none),
		cmocka_unit_test(endpoints_state_is_a_verdict),
		cmocka_unit_test(security_groups_are_flattened),
		cmocka_unit_test(rules_that_name_groups_are_resolved),
		cmocka_unit_test(next_hop_is_the_target_or_a_gateway),
		cmocka_unit_test(gateway_of_the_targets_zone_is_preferred),
		cmocka_unit_test(groups_without_load_balancer_wait),
		cmocka_unit_test(listeners_share_a_group_or_have_their_own),
		cmocka_unit_test(every_node_address_has_its_pools),
		cmocka_unit_test(quickstart_serves_two_consumers_of_four),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
