/* SPDX-License-Identifier: BSD-3-Clause */

/* VPCs in VXLAN and what carries them, from config/vxlan.json to the view. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_conf.h"
#include "cv_plan.h"
#include "cv_view_hot.h"

#define IP(a, b, c, d) cv_be32((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define VTEP IP(192, 168, 2, 1)
#define ROUTER IP(192, 168, 2, 254)

enum { SHOP, CUSTOMER, OFFICE };

static struct cv_conf *conf;
static struct cv_plan_slots *slots;
static struct cv_snat_registry *registry;
static struct cv_plan *plan;
static const struct cv_view_spec *spec;

static int setup(void **state)
{
	static const struct cv_plan_port port = {"fabric", 1500, NULL};
	static cv_neigh_t neigh[5000];
	static struct cv_far fars[5000];
	const struct cv_plan_limits limits = {.endpoints = 10, .listeners = 10, .targets = 10};
	const struct cv_plan_cfg cfg = {
		.ports = &port,
		.n_ports = 1,
		.mss_clamp = 8365,
		.snat = {.port_first = 10000, .n_ports = 1000, .rest_ms = 60000, .n_slices = 1}};
	struct cv_errs errs = {0};
	struct cv_plan_in in = {.cfg = &cfg, .neigh = neigh, .fars = fars, .gen = 1};

	(void)state;
	conf = cv_conf_load(SRC_DIR "/config/vxlan.json", &errs);
	assert_non_null(conf);
	slots = cv_plan_slots_create(&limits);
	registry = cv_snat_registry_create();
	assert_true(cv_plan_slots_cap(slots, CV_PLAN_NEIGH) <= 5000);
	in.model = conf->model;
	in.slots = slots;
	in.registry = registry;
	assert_int_equal(cv_plan_build(&in, &errs, &plan), 0);
	spec = cv_view_spec_get(plan->view);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cv_plan_destroy(plan);
	cv_snat_registry_destroy(registry);
	cv_plan_slots_destroy(slots);
	cv_conf_destroy(conf);
	return 0;
}

static uint16_t slot(uint32_t vpc)
{
	return (uint16_t)cv_plan_slot(plan, CV_PLAN_VPC, 0, vpc);
}

static void what_carries_them_has_one_slot(void **state)
{
	const struct cv_view_vxlan *shop = &spec->tunnels.vxlans[slot(SHOP)];
	const struct cv_view_local *vtep;
	uint32_t n = 0;

	(void)state;
	assert_int_equal(spec->n_vpcs, 4);
	assert_true(shop->on);
	assert_int_equal(shop->under, spec->tunnels.vxlans[slot(CUSTOMER)].under);
	assert_true(spec->tunnels.vxlans[shop->under].is_under);
	assert_false(spec->tunnels.vxlans[shop->under].on);
	assert_int_equal(spec->vpcs[shop->under].port, 0);
	assert_int_equal(spec->vpcs[shop->under].mtu, 1500);
	assert_int_equal(cv_view_vpc_find(plan->view, 0, 0), shop->under);
	vtep = cv_view_local_find(plan->view, shop->under, VTEP);
	assert_non_null(vtep);
	assert_int_equal(vtep->kind, CV_VIEW_SERVICE);
	for (uint32_t i = 0; i < spec->n_locals; i++)
		n += spec->locals[i].ip == VTEP;
	assert_int_equal(n, 1);
	/* Not taken for what is gone. */
	assert_int_equal(plan->objs[CV_PLAN_VPC][shop->under].owner, 1);
	assert_int_equal(plan->objs[CV_PLAN_VPC][shop->under].idx, SHOP);
	assert_true(spec->vpcs[shop->under].mac_prefix != spec->vpcs[slot(SHOP)].mac_prefix);
}

static void vpcs_inside_are_found_by_vni(void **state)
{
	uint16_t under = spec->tunnels.vxlans[slot(SHOP)].under;

	(void)state;
	assert_int_equal(cv_view_vni_find(plan->view, under, 5001), slot(SHOP));
	assert_int_equal(cv_view_vni_find(plan->view, under, 5002), slot(CUSTOMER));
	assert_int_equal(cv_view_vni_find(plan->view, under, 5003), CV_VIEW_NO_VPC);
	assert_int_equal(cv_view_vni_find(plan->view, slot(OFFICE), 5001), CV_VIEW_NO_VPC);
	assert_int_equal(cv_view_vpc_find(plan->view, 0, 7), slot(OFFICE));
	assert_false(cv_view_is_vxlan(plan->view, slot(OFFICE)));
	assert_int_equal(spec->vpcs[slot(SHOP)].port, 1);
	assert_int_equal(spec->vpcs[slot(SHOP)].mtu, 1450);
	assert_int_equal(spec->vpcs[slot(SHOP)].mss_max, 1410);
	assert_int_equal(spec->vpcs[slot(OFFICE)].mss_max, 1460);
}

static void peers_are_reached_by_their_gateway(void **state)
{
	const struct cv_view_vxlan *shop = &spec->tunnels.vxlans[slot(SHOP)];
	const struct cv_view_peer *peers = &spec->tunnels.peers[shop->peer_first];
	const struct cv_plan_neigh *hop = &plan->neighs[peers[0].neigh];

	(void)state;
	assert_int_equal(shop->n_peers, 2);
	assert_int_equal(spec->tunnels.vxlans[slot(CUSTOMER)].n_peers, 0);
	assert_int_equal(peers[0].ip, IP(192, 168, 9, 7));
	assert_int_equal(peers[1].ip, IP(192, 168, 9, 8));
	assert_int_equal(peers[0].neigh, peers[1].neigh);
	assert_true(hop->used);
	assert_int_equal(hop->ip, ROUTER);
	assert_int_equal(hop->sender, VTEP);
	assert_int_equal(hop->vpc, shop->under);
	/* Beside the target. */
	assert_int_equal(plan->n_slots[CV_PLAN_NEIGH], 2);
	assert_true(spec->vpcs[shop->under].has_neighs);
	assert_true(spec->vpcs[slot(SHOP)].has_neighs);
	assert_false(spec->vpcs[slot(CUSTOMER)].has_neighs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_carries_them_has_one_slot),
		cmocka_unit_test(vpcs_inside_are_found_by_vni),
		cmocka_unit_test(peers_are_reached_by_their_gateway),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
