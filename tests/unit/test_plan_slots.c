/* SPDX-License-Identifier: BSD-3-Clause */

/* What stays the same from plan to plan, and what a plan that fails leaves behind. */

#include "plan_world.h"

#include "cv_plan.h"

/* The base model built in another order, with more before and without its middle target. */
static struct cv_model *shuffled_model(void)
{
	static const char *const lbs[] = {"web"};
	struct cv_model *m = empty_model();
	uint32_t other = add_tg(m, "other", CV_MODEL_CROSS_ZONE_LB);
	uint32_t tg = add_tg(m, "web", CV_MODEL_CROSS_ZONE_LB);
	uint32_t lb;

	add_lb(m, "new", "10.0.1.77", NULL, false, NULL);
	lb = add_lb(m, "web", "10.0.1.10", "10.0.2.10", false, NULL);
	add_target(m, other, "10.0.1.50", 80, NULL);
	add_target(m, tg, "10.0.2.23", 8080, NULL);
	add_target(m, tg, "10.0.1.21", 0, NULL);
	add_listener(m, lb, 81, "web");
	add_listener(m, lb, 80, "web");
	add_service(m, "svc", lbs, 1);
	add_endpoint(m, "late", "b", NULL, 0);
	add_endpoint(m, "one", "a", NULL, 0);
	return m;
}

static void slots_are_stable(void **state)
{
	struct cv_model *m = plain_model();
	struct cv_plan *p, *q, *r;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_endpoint(m, "one", "a", NULL, 0);
	p = plan(&w, m);
	q = plan(&w, shuffled_model());
	assert_int_equal(cv_plan_slot(q, CV_PLAN_VPC, 0, 1), cv_plan_slot(p, CV_PLAN_VPC, 0, 1));
	assert_int_equal(cv_plan_slot(q, CV_PLAN_ENDPOINT, 0, 1),
			 cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 0));
	assert_int_equal(cv_plan_slot(q, CV_PLAN_LB, 0, 1), cv_plan_slot(p, CV_PLAN_LB, 0, 0));
	assert_int_equal(cv_plan_slot(q, CV_PLAN_NODE, 1, 1), cv_plan_slot(p, CV_PLAN_NODE, 0, 1));
	assert_int_equal(cv_plan_slot(q, CV_PLAN_LISTENER, 1, 0),
			 cv_plan_slot(p, CV_PLAN_LISTENER, 0, 1));
	assert_int_equal(cv_plan_slot(q, CV_PLAN_GROUP, 0, 1),
			 cv_plan_slot(p, CV_PLAN_GROUP, 0, 0));
	assert_int_equal(cv_plan_slot(q, CV_PLAN_TARGET, 1, 0),
			 cv_plan_slot(p, CV_PLAN_TARGET, 0, 2));
	assert_ptr_equal(next_hop(q, 1, 1) - q->neighs, next_hop(p, 0, 0) - p->neighs);
	assert_ptr_equal(pool(q, "10.0.1.10", "10.0.1.21", 80),
			 pool(p, "10.0.1.10", "10.0.1.21", 80));
	/* Who is new has a new slot; who is gone leaves an unused one. */
	assert_int_equal(cv_plan_slot(q, CV_PLAN_ENDPOINT, 0, 0), 2);
	assert_false(spec_of(q)->targets[cv_plan_slot(p, CV_PLAN_TARGET, 0, 1)].used);
	assert_int_equal(q->objs[CV_PLAN_TARGET][cv_plan_slot(p, CV_PLAN_TARGET, 0, 1)].idx,
			 CV_MODEL_NONE);
	assert_false(q->neighs[next_hop(p, 0, 1) - p->neighs].used);
	assert_int_equal(q->objs[CV_PLAN_ENDPOINT][CV_VIEW_DIRECT].idx, CV_MODEL_NONE);
	/* Who comes back has its old one. */
	r = plan(&w, plain_model());
	assert_int_equal(cv_plan_slot(r, CV_PLAN_TARGET, 0, 1),
			 cv_plan_slot(p, CV_PLAN_TARGET, 0, 1));
	assert_true(spec_of(r)->targets[cv_plan_slot(p, CV_PLAN_TARGET, 0, 1)].used);
	assert_false(spec_of(r)->endpoints[1].used);
	assert_false(spec_of(r)->nodes[cv_plan_slot(q, CV_PLAN_NODE, 0, 0)].used);
	cv_plan_destroy(p);
	cv_plan_destroy(q);
	cv_plan_destroy(r);
	world_fini(&w);
}

static void slots_lead_back_to_the_model(void **state)
{
	static const uint32_t n_owned[CV_PLAN_NEIGH][3] = {
		[CV_PLAN_VPC] = {2},       [CV_PLAN_ENDPOINT] = {2},    [CV_PLAN_LB] = {2},
		[CV_PLAN_NODE] = {1, 2},   [CV_PLAN_LISTENER] = {0, 2}, [CV_PLAN_GROUP] = {2},
		[CV_PLAN_TARGET] = {1, 2},
	};
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	cv_plan_destroy(plan(&w, plain_model()));
	p = plan(&w, shuffled_model());
	for (unsigned int kind = 0; kind < CV_PLAN_NEIGH; kind++) {
		for (uint32_t owner = 0; owner < 3; owner++) {
			for (uint32_t i = 0; i < n_owned[kind][owner]; i++) {
				uint32_t slot = cv_plan_slot(p, kind, owner, i);

				assert_true(slot < p->n_slots[kind]);
				assert_int_equal(p->objs[kind][slot].owner, owner);
				assert_int_equal(p->objs[kind][slot].idx, i);
			}
		}
	}
	cv_plan_destroy(p);
	world_fini(&w);
}

static void pools_drain_before_they_go(void **state)
{
	struct cv_snat_pool *gone, *kept, *reaped[4];
	struct cv_plan *p;
	struct world w;
	uint16_t port;

	(void)state;
	world_init(&w, roomy);
	p = plan(&w, plain_model());
	gone = pool(p, "10.0.2.10", "10.0.2.22", 80);
	kept = pool(p, "10.0.1.10", "10.0.1.21", 80);
	assert_true(cv_plan_pool_is_wanted(gone, p));
	assert_int_equal(cv_plan_pools_n(p), cv_snat_registry_n(w.registry));
	assert_int_equal(cv_snat_try(gone, 0, 1000, 5, &port), 0);
	cv_plan_destroy(p);
	p = plan(&w, shuffled_model()); /* without that target */
	assert_ptr_equal(pool(p, "10.0.2.10", "10.0.2.22", 80), gone);
	assert_false(cv_plan_pool_is_wanted(gone, p));
	assert_true(cv_plan_pool_is_wanted(kept, p));
	assert_int_equal(cv_plan_pools_n(p), cv_snat_registry_n(w.registry) - 1);
	assert_int_equal(
		cv_snat_registry_reap(w.registry, cv_plan_pool_is_wanted, p, 1000, reaped, 4), 0);
	cv_snat_free(gone, port, 2000);
	assert_int_equal(
		cv_snat_registry_reap(w.registry, cv_plan_pool_is_wanted, p, 3000, reaped, 4), 0);
	assert_int_equal(
		cv_snat_registry_reap(w.registry, cv_plan_pool_is_wanted, p, 900000, reaped, 4), 1);
	assert_ptr_equal(reaped[0], gone);
	cv_plan_destroy(p);
	p = plan(&w, shuffled_model());
	assert_null(pool(p, "10.0.2.10", "10.0.2.22", 80));
	assert_ptr_equal(pool(p, "10.0.1.10", "10.0.1.21", 80), kept);
	cv_snat_pool_destroy(gone);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void pools_are_wanted_in_any_order(void **state)
{
	struct cv_model *m = shuffled_model();
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	cv_plan_destroy(plan(&w, plain_model()));
	add_target(m, 1, "10.0.2.22", 0, NULL); /* now after 10.0.2.23 */
	add_target(m, 1, "10.0.2.24", 0, NULL); /* new, where 10.0.2.23 was */
	p = plan(&w, m);
	assert_int_equal(spec_of(p)->n_pools, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(cv_plan_pool_is_wanted(spec_of(p)->pools[i].pool, p));
	cv_plan_destroy(p);
	world_fini(&w);
}

/* One target in two groups of a load balancer has one pool a node: it is counted once. */
static void pools_are_wanted_once(void **state)
{
	struct cv_model *m = shuffled_model();
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_target(m, add_tg(m, "second", CV_MODEL_CROSS_ZONE_LB), "10.0.1.21", 80, NULL);
	add_listener(m, 1, 82, "second");
	for (int i = 0; i < 2; i++) {
		p = plan(&w, i == 0 ? m : shuffled_model());
		assert_int_equal(cv_plan_pools_n(p), 2);
		assert_int_equal(spec_of(p)->n_pools, 2);
		cv_plan_destroy(p);
	}
	world_fini(&w);
}

static void view_outlives_the_plan_once_taken(void **state)
{
	struct cv_view *view;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	p = plan(&w, plain_model());
	view = cv_plan_view_take(p);
	assert_null(p->view);
	cv_plan_destroy(p);
	assert_int_equal(cv_view_spec_get(view)->n_listeners, 2);
	cv_view_destroy(view);
	cv_plan_destroy(NULL);
	cv_plan_slots_destroy(NULL);
	world_fini(&w);
}

/* A plan must fail, and then another must find everything as if it had never been tried. */
static void refuse(struct world *w, struct cv_model *m, int want, const char *path,
		   const char *text)
{
	uint32_t n_pools = cv_snat_registry_n(w->registry);
	struct cv_plan *p = NULL;

	assert_int_equal(try_plan(w, m, &p), want);
	assert_null(p);
	assert_int_equal(w->errs.n, 1);
	assert_string_equal(w->errs.items[0].path, path);
	if (strstr(w->errs.items[0].text, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, w->errs.items[0].text);
	cv_errs_fini(&w->errs);
	assert_int_equal(cv_snat_registry_n(w->registry), n_pools);
	cv_model_destroy(m);
}

static void limits_are_named_and_nothing_is_kept(void **state)
{
	struct cv_plan_limits tight = {.endpoints = 2, .listeners = 3, .targets = 4};
	struct cv_model *m;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, tight);
	assert_int_equal(cv_plan_slots_cap(w.slots, CV_PLAN_ENDPOINT), 3);
	assert_int_equal(cv_plan_slots_cap(w.slots, CV_PLAN_LISTENER), 3);
	assert_int_equal(cv_plan_slots_cap(w.slots, CV_PLAN_TARGET), 4);
	cv_plan_destroy(plan(&w, plain_model())); /* 2 listeners, 3 targets */

	m = plain_model();
	for (int i = 0; i < 3; i++)
		add_endpoint(m, (const char *[]){"x", "y", "z"}[i], "a", NULL, 0);
	refuse(&w, m, -ENOSPC, "endpoints[2]", "room for 2 endpoints");
	m = plain_model();
	add_listener(m, 0, 82, "web");
	add_listener(m, 0, 83, "web");
	refuse(&w, m, -ENOSPC, "load_balancers[0].listeners[3]", "limits.listeners");
	m = plain_model();
	add_target(m, 0, "10.0.1.30", 80, NULL);
	add_target(m, 0, "10.0.1.31", 80, NULL);
	refuse(&w, m, -ENOSPC, "target_groups[0].targets[4]", "limits.targets");

	/* What the failed plans had taken is free for others. */
	m = plain_model();
	add_endpoint(m, "p", "a", NULL, 0);
	add_endpoint(m, "q", "a", NULL, 0);
	add_listener(m, 0, 84, "web");
	add_target(m, 0, "10.0.1.32", 80, NULL);
	p = plan(&w, m);
	assert_int_equal(cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 1), 2);
	assert_int_equal(cv_plan_slot(p, CV_PLAN_LISTENER, 0, 2), 2);
	assert_int_equal(cv_plan_slot(p, CV_PLAN_TARGET, 0, 3), 3);
	cv_plan_destroy(p);
	/* Removed ones count. */
	m = plain_model();
	add_endpoint(m, "r", "a", NULL, 0);
	refuse(&w, m, -ENOSPC, "endpoints[0]", "raise limits.endpoints");
	m = plain_model();
	add_listener(m, 0, 85, "web");
	refuse(&w, m, -ENOSPC, "load_balancers[0].listeners[2]", "restart");
	world_fini(&w);
}

/* Another load balancer in the place of the first: what it leads to is new in every slot. */
static void lb_replace(struct cv_model *m, uint32_t turn)
{
	char *arn = (char *)(uintptr_t)m->lbs[0].arn, tail[9];

	snprintf(tail, sizeof(tail), "%08x", turn);
	memcpy(arn + strlen(arn) - 8, tail, 8);
}

static void paths_recycle(struct world *w, const struct cv_plan *p)
{
	uint32_t *gone = calloc(p->n_slots[CV_PLAN_PATH], sizeof(*gone)), n = 0;

	assert_non_null(gone);
	for (uint32_t slot = 1; slot < p->n_slots[CV_PLAN_PATH]; slot++) {
		if (p->objs[CV_PLAN_PATH][slot].idx == CV_MODEL_NONE)
			gone[n++] = slot;
	}
	cv_plan_slots_recycle(w->slots, CV_PLAN_PATH, gone, n);
	free(gone);
}

#define PATH_ENDPOINTS 400

/* Every endpoint twice over three zones; and when there are no more, it is said and nothing is miscounted. */
static void paths_end_with_an_error(void **state)
{
	const struct cv_plan_limits limits = {
		.endpoints = PATH_ENDPOINTS, .listeners = 10, .targets = 10};
	struct cv_model *m = plain_model();
	struct cv_plan *p = NULL, *last = NULL;
	char name[16], path[32];
	uint32_t cap, each = PATH_ENDPOINTS + 2, turn;
	struct world w;

	(void)state;
	world_init(&w, limits);
	cap = cv_plan_slots_cap(w.slots, CV_PLAN_PATH) - 1;
	assert_int_equal(cap, 2 * 3 * PATH_ENDPOINTS + CV_PLAN_PATHS_NODES);
	add_subnet(m, "cons", "wide", "10.0.64.0/18", "us-east-1a", NULL);
	for (uint32_t i = 0; i < PATH_ENDPOINTS; i++) {
		snprintf(name, sizeof(name), "ep%u", i);
		add_endpoint(m, name, "wide", NULL, 0);
	}
	for (turn = 0; try_plan(&w, m, &p) == 0; turn++) {
		cv_plan_destroy(last);
		last = p;
		lb_replace(m, turn);
		assert_in_range(turn, 0, cap / each);
	}
	assert_int_equal(turn, cap / each);
	assert_int_equal(w.errs.n, 1);
	snprintf(path, sizeof(path), "endpoints[%u].subnets[0]", cap % each);
	assert_string_equal(w.errs.items[0].path, path);
	assert_non_null(strstr(w.errs.items[0].text, "raise limits.endpoints and restart"));
	cv_errs_fini(&w.errs);
	/* What serves is as it was, and once flows have left old paths the change can be made. */
	assert_int_equal(last->paths[cv_plan_slot(last, CV_PLAN_PATH, 7, 0)].endpoint,
			 cv_plan_slot(last, CV_PLAN_ENDPOINT, 0, 7));
	paths_recycle(&w, last);
	cv_plan_destroy(plan(&w, m));
	cv_plan_destroy(last);
	world_fini(&w);
}

static void gateways_fill_the_neighbours(void **state)
{
	struct cv_plan_limits none = {.endpoints = 1, .listeners = 1, .targets = 1};
	struct cv_model *m = empty_model();
	uint32_t tg = add_tg(m, "web", CV_MODEL_CROSS_ZONE_LB);
	uint32_t lb = add_lb(m, "web", "10.0.1.10", "10.0.2.10", true, NULL);
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, none);
	add_target(m, tg, "192.168.5.5", 80, "us-east-1b");
	add_listener(m, lb, 80, "web");
	for (uint32_t i = 0; i <= CV_PLAN_GATEWAYS_MAX; i++) {
		m->subnets[1].gateway = cv_be32(0x0a000300 + i);
		p = NULL;
		assert_int_equal(try_plan(&w, m, &p), 0);
		cv_plan_destroy(p);
	}
	m->subnets[1].gateway = ip("10.0.2.1");
	refuse(&w, m, -ENOSPC, "target_groups[0].targets[0]", "limits.targets");
	world_fini(&w);
}

static void what_cannot_be_planned_is_explained(void **state)
{
	struct cv_model *m = plain_model();
	uint32_t rest_ms;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	m->vpcs[1].port = "p9";
	refuse(&w, m, -EINVAL, "vpcs[1].attachment.port", "\"p9\"");
	m = plain_model();
	add_target(m, 0, "192.168.5.5", 80, "all");
	add_target(m, 0, "10.0.1.33", 80, NULL); /* a good one after the bad */
	m->subnets[1].gateway = 0;
	refuse(&w, m, -EINVAL, "target_groups[0].targets[3]", "192.168.5.5");

	/* Late, with pools made already: they go again, and the rest time of others stays. */
	p = plan(&w, plain_model());
	w.cfg.snat.rest_ms = 1;
	m = plain_model();
	add_target(m, 0, "10.0.1.40", 80, NULL);
	add_endpoint(m, "x", "a", NULL, 0);
	add_endpoint(m, "y", "a", NULL, 0);
	DONE(cv_model_settle(m, &e_));
	m->endpoints[1].enis[0].ip = m->endpoints[0].enis[0].ip;
	refuse(&w, m, -EEXIST, "", "address");
	m = plain_model();
	m->vpcs[1].port = "p0";
	m->vpcs[1].vlan = 0;
	refuse(&w, m, -EEXIST, "", "attachment");
	rest_ms = cv_snat_pool_cfg(pool(p, "10.0.1.10", "10.0.1.21", 80)).rest_ms;
	assert_int_equal(rest_ms, 60000);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void every_failed_allocation_leaves_all_as_it_was(void **state)
{
	struct world w;
	int n;

	(void)state;
	world_init(&w, roomy);
	for (n = 0;; n++) {
		struct cv_model *m = shuffled_model();
		struct cv_plan *p = NULL;
		int err;

		DONE(cv_model_settle(m, &e_));
		allocs_left = n;
		err = try_plan(&w, m, &p);
		allocs_left = -1;
		cv_model_destroy(m);
		if (err == 0) {
			cv_plan_destroy(p);
			break;
		}
		assert_int_equal(err, -ENOMEM);
		assert_null(p);
		assert_int_equal(cv_snat_registry_n(w.registry), 0);
	}
	assert_true(n > 30);
	assert_int_equal(cv_snat_registry_n(w.registry), 2);
	world_fini(&w);
	for (n = 0; n < 4; n++) {
		allocs_left = n;
		assert_null(cv_plan_slots_create(&roomy));
	}
	allocs_left = -1;
}

/* Of this thread: others take the machine, too. */
static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

#define SCALE_LBS 100
#define SCALE_LISTENERS 10
#define SCALE_TARGETS 10
#define SCALE_ENDPOINTS 3000

/* 100 load balancers with 2 nodes, 1,000 listeners and groups, 10,000 targets, 3,000 endpoints. */
static struct cv_model *scale_model(void)
{
	const char *lbs[SCALE_LBS];
	char names[SCALE_LBS][16], name[24], text[CV_NET_STR_LEN];
	struct cv_model *m = empty_model();

	add_subnet(m, "cons", "wide", "10.0.64.0/18", "us-east-1a", NULL);
	for (uint32_t i = 0; i < SCALE_LBS; i++) {
		char b[CV_NET_STR_LEN];
		uint32_t lb;

		snprintf(names[i], sizeof(names[i]), "lb%u", i);
		lbs[i] = names[i];
		cv_ip4_str(cv_be32(0x0a000164 + i), text);
		cv_ip4_str(cv_be32(0x0a000264 + i), b);
		lb = add_lb(m, names[i], text, b, true, NULL);
		for (uint32_t j = 0; j < SCALE_LISTENERS; j++) {
			uint32_t tg;

			snprintf(name, sizeof(name), "tg%u-%u", i, j);
			tg = add_tg(m, name, CV_MODEL_CROSS_ZONE_LB);
			for (uint32_t k = 0; k < SCALE_TARGETS; k++)
				add_target(m, tg,
					   cv_ip4_str(cv_be32(0x0a070000 + i * 100 + k), text),
					   (uint16_t)(8000 + j), "all");
			add_listener(m, lb, (uint16_t)(80 + j), name);
		}
	}
	add_service(m, "svc", lbs, SCALE_LBS);
	for (uint32_t i = 0; i < SCALE_ENDPOINTS; i++) {
		snprintf(name, sizeof(name), "ep%u", i);
		add_endpoint(m, name, "wide", NULL, 0);
	}
	return m;
}

static void large_model_is_planned_quickly(void **state)
{
	struct cv_plan_limits limits = {.endpoints = 10000, .listeners = 20000, .targets = 50000};
	struct cv_model *m = scale_model();
	double start, first, second;
	struct cv_plan *p = NULL;
	struct world w;

	(void)state;
	world_init(&w, limits);
	DONE(cv_model_settle(m, &e_));
	start = now_ms();
	assert_int_equal(try_plan(&w, m, &p), 0);
	first = now_ms() - start;
	assert_int_equal(spec_of(p)->n_pools, 2 * SCALE_LBS * SCALE_LISTENERS * SCALE_TARGETS);
	for (uint32_t i = 0; i < spec_of(p)->n_pools; i++)
		assert_true(cv_plan_pool_is_wanted(spec_of(p)->pools[i].pool, p));
	cv_plan_destroy(p);
	start = now_ms();
	assert_int_equal(try_plan(&w, m, &p), 0);
	second = now_ms() - start;
	print_message("first plan (makes the pools) %.1f ms, next plan %.1f ms\n", first, second);
	/* Far above what it takes, to pass under sanitizers as well. */
	assert_true(first < 10000 && second < 3000);
	cv_plan_destroy(p);
	cv_model_destroy(m);
	world_fini(&w);
}

/* Which port decides is the targets', not the clients'. */
static void pools_know_where_replies_arrive(void **state)
{
	struct cv_rss rss = {.on = true, .n = 2, .worker = {0, 1}};
	struct cv_plan_port mapped[2] = {ports[0], ports[1]};
	struct cv_snat_map *map;

	(void)state;
	cv_rss_key_build(1, rss.key);
	map = cv_snat_map_create(&rss);
	assert_non_null(map);
	for (int i = 0; i < 2; i++) {
		struct cv_plan *p;
		struct world w;

		world_init(&w, roomy);
		w.cfg.ports = mapped;
		w.cfg.snat.n_slices = 2;
		mapped[i].snat_map = map;
		mapped[!i].snat_map = NULL;
		p = plan(&w, plain_model());
		assert_ptr_equal(cv_snat_pool_cfg(pool(p, "10.0.1.10", "10.0.1.21", 80)).map,
				 i == 0 ? map : NULL);
		cv_plan_destroy(p);
		world_fini(&w);
	}
	cv_snat_map_destroy(map);
}

/* Of each ENI to its node, of each node alone, and each in the lists of both its ends. */
static void paths_lead_from_endpoints_to_nodes(void **state)
{
	struct cv_model *m = plain_model();
	bool eps[16] = {false}, nodes[16] = {false};
	uint32_t ep, node, eni_path, node_path, second;
	const struct cv_view_local *eni, *direct;
	struct cv_plan *p = NULL, *q;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_endpoint(m, "one", "b", NULL, 0); /* the zone that the provider calls a */
	assert_int_equal(try_plan(&w, m, &p), 0);
	ep = cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 0);
	node = cv_plan_slot(p, CV_PLAN_NODE, 0, 0);
	eni_path = cv_plan_slot(p, CV_PLAN_PATH, 0, 0);
	node_path = cv_plan_slot(p, CV_PLAN_PATH, m->n_endpoints, 0);
	second = cv_plan_slot(p, CV_PLAN_PATH, m->n_endpoints, 1);
	assert_int_not_equal(eni_path, CV_VIEW_PATH_NONE);
	assert_int_not_equal(node_path, CV_VIEW_PATH_NONE);
	assert_int_equal(p->n_slots[CV_PLAN_PATH], spec_of(p)->n_paths);
	assert_int_equal(spec_of(p)->paths[eni_path].endpoint, ep);
	assert_int_equal(spec_of(p)->paths[eni_path].node, node);
	assert_int_equal(spec_of(p)->paths[node_path].endpoint, CV_VIEW_DIRECT);
	assert_int_equal(spec_of(p)->paths[node_path].node, node);
	assert_int_equal(p->endpoint_path[ep], eni_path);
	assert_int_equal(p->paths[eni_path].endpoint_next, CV_VIEW_NONE);
	/* The list of a node has both, in some order; that of the other node its own alone. */
	assert_true((p->node_path[node] == eni_path && p->paths[eni_path].node_next == node_path) ||
		    (p->node_path[node] == node_path && p->paths[node_path].node_next == eni_path));
	assert_int_equal(p->node_path[cv_plan_slot(p, CV_PLAN_NODE, 0, 1)], second);
	assert_int_equal(p->paths[second].node_next, CV_VIEW_NONE);
	eni = local(p, m->endpoints[0].vpc, m->endpoints[0].enis[0].ip);
	direct = local(p, m->lbs[0].vpc, m->lbs[0].nodes[0].ips[0]);
	assert_int_equal(eni->path, eni_path);
	assert_int_equal(direct->path, node_path | CV_VIEW_PATH_DIRECT);
	cv_model_destroy(m);
	/* Gone, it is known on, and holds the slots of its ends. */
	q = plan(&w, plain_model());
	assert_int_equal(q->objs[CV_PLAN_PATH][eni_path].idx, CV_MODEL_NONE);
	assert_int_equal(q->paths[eni_path].endpoint, ep);
	assert_int_equal(spec_of(q)->paths[eni_path].node, node);
	cv_plan_slots_keys(w.slots, CV_PLAN_ENDPOINT, eps, 16);
	cv_plan_slots_keys(w.slots, CV_PLAN_NODE, nodes, 16);
	assert_true(eps[ep] && nodes[node]);
	cv_plan_slots_recycle(w.slots, CV_PLAN_PATH, &eni_path, 1);
	memset(eps, 0, sizeof(eps));
	cv_plan_slots_keys(w.slots, CV_PLAN_ENDPOINT, eps, 16);
	assert_false(eps[ep]);
	memset(nodes, 0, sizeof(nodes));
	cv_plan_slots_keys(w.slots, CV_PLAN_NODE, nodes, 16);
	assert_true(nodes[0] && nodes[1]); /* by their own paths */
	cv_plan_destroy(p);
	cv_plan_destroy(q);
	world_fini(&w);
}

static void recycled_slots_go_to_the_next(void **state)
{
	struct cv_model *m = plain_model();
	uint32_t one, two, which;
	bool held[16] = {false};
	struct cv_plan *p, *q;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_endpoint(m, "one", "a", NULL, 0);
	add_endpoint(m, "two", "b", NULL, 0);
	p = plan(&w, m);
	one = cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 0);
	two = cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 1);
	cv_plan_slots_keys(w.slots, CV_PLAN_GROUP, held, 16);
	assert_true(held[cv_plan_slot(p, CV_PLAN_GROUP, 0, 0)]);
	cv_plan_slots_recycle(w.slots, CV_PLAN_ENDPOINT, &one, 1);
	assert_false(cv_plan_slots_is_given(w.slots, CV_PLAN_ENDPOINT, one));
	assert_true(cv_plan_slots_is_given(w.slots, CV_PLAN_ENDPOINT, two));
	m = plain_model();
	add_endpoint(m, "three", "a", NULL, 0);
	add_endpoint(m, "two", "b", NULL, 0);
	add_endpoint(m, "one", "a", NULL, 0);
	q = plan(&w, m);
	/* The new one has the free slot, the other keeps its own, who comes back late has a new one. */
	assert_int_equal(cv_plan_slot(q, CV_PLAN_ENDPOINT, 0, 0), one);
	assert_int_equal(cv_plan_slot(q, CV_PLAN_ENDPOINT, 0, 1), two);
	assert_int_equal(cv_plan_slot(q, CV_PLAN_ENDPOINT, 0, 2), two + 1);
	/* All targets gone: then nothing names the group. */
	for (uint32_t slot = 0; slot < q->n_slots[CV_PLAN_TARGET]; slot++) {
		which = slot;
		cv_plan_slots_recycle(w.slots, CV_PLAN_TARGET, &which, 1);
	}
	memset(held, 0, sizeof(held));
	cv_plan_slots_keys(w.slots, CV_PLAN_GROUP, held, 16);
	assert_false(held[cv_plan_slot(q, CV_PLAN_GROUP, 0, 0)]);
	cv_plan_destroy(p);
	cv_plan_destroy(q);
	world_fini(&w);
}

/* The first n targets are unhealthy. */
static enum cv_model_target_state first_unhealthy(void *arg, uint32_t tg, uint32_t target,
						  uint32_t zone)
{
	(void)tg;
	(void)zone;
	return target < *(const uint32_t *)arg ? CV_MODEL_TARGET_UNHEALTHY
					       : CV_MODEL_TARGET_HEALTHY;
}

static void flows_of_unhealthy_targets_end(void **state)
{
	struct cv_model *m = plain_model();
	uint32_t n_bad = 0, gen = 0;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	for (; n_bad <= m->tgs[0].n_targets; n_bad++) {
		for (int how = 0; how < 3; how++) {
			struct cv_plan_in in = {
				.model = m,
				.cfg = &w.cfg,
				.slots = w.slots,
				.registry = w.registry,
				.neigh = w.neigh,
				.target_state = first_unhealthy,
				.target_state_arg = &n_bad,
				.gen = ++gen,
			};
			struct cv_plan *p;

			m->lbs[0].cross_zone = true;
			m->tgs[0].drain = (struct cv_model_drain){.unhealthy_terminate = how == 1,
								  .unhealthy_seconds = how == 2};
			assert_int_equal(cv_plan_build(&in, &w.errs, &p), 0);
			for (uint32_t i = 0; i < m->tgs[0].n_targets; i++) {
				uint32_t slot = cv_plan_slot(p, CV_PLAN_TARGET, 0, i);

				/* Not when all are: then the group fails open. */
				assert_int_equal(spec_of(p)->targets[slot].end,
						 how > 0 && i < n_bad &&
							 n_bad < m->tgs[0].n_targets);
			}
			cv_plan_destroy(p);
		}
	}
	cv_model_destroy(m);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_stable),
		cmocka_unit_test(paths_lead_from_endpoints_to_nodes),
		cmocka_unit_test(recycled_slots_go_to_the_next),
		cmocka_unit_test(flows_of_unhealthy_targets_end),
		cmocka_unit_test(slots_lead_back_to_the_model),
		cmocka_unit_test(pools_drain_before_they_go),
		cmocka_unit_test(pools_are_wanted_in_any_order),
		cmocka_unit_test(pools_are_wanted_once),
		cmocka_unit_test(view_outlives_the_plan_once_taken),
		cmocka_unit_test(limits_are_named_and_nothing_is_kept),
		cmocka_unit_test(paths_end_with_an_error),
		cmocka_unit_test(gateways_fill_the_neighbours),
		cmocka_unit_test(what_cannot_be_planned_is_explained),
		cmocka_unit_test(every_failed_allocation_leaves_all_as_it_was),
		cmocka_unit_test(large_model_is_planned_quickly),
		cmocka_unit_test(pools_know_where_replies_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
