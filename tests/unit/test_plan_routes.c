/* SPDX-License-Identifier: BSD-3-Clause */

/* Whom new flows go to: states of targets, thresholds, weights, stickiness, zonal shift, ENIs. */

#include "plan_world.h"

#include "cv_lb.h"

/* States by target, of one group: one letter each, as state_of() reads it. NULL: all healthy. */
static const char *states_now;
/* With this, only the node of this zone sees them; the others see healthy targets. */
static uint32_t seen_by = CV_MODEL_NONE;

static enum cv_model_target_state state_of(void *arg, uint32_t tg, uint32_t target, uint32_t zone)
{
	static const char words[] = "ihuednx";
	static const enum cv_model_target_state states[] = {
		CV_MODEL_TARGET_INITIAL,     CV_MODEL_TARGET_HEALTHY,
		CV_MODEL_TARGET_UNHEALTHY,   CV_MODEL_TARGET_UNHEALTHY_DRAINING,
		CV_MODEL_TARGET_DRAINING,    CV_MODEL_TARGET_UNUSED,
		CV_MODEL_TARGET_UNAVAILABLE,
	};
	const char *const *of = arg;

	assert_ptr_equal(of, &states_now);
	assert_in_range(zone, 0, 2);
	if (tg != 0 || (seen_by != CV_MODEL_NONE && zone != seen_by))
		return CV_MODEL_TARGET_HEALTHY;
	assert_true(target < strlen(*of));
	assert_non_null(strchr(words, (*of)[target]));
	return states[strchr(words, (*of)[target]) - words];
}

static struct cv_plan *plan_states(struct world *w, struct cv_model *m, const char *states)
{
	struct cv_plan_in in = {.model = m,
				.cfg = &w->cfg,
				.slots = w->slots,
				.registry = w->registry,
				.neigh = w->neigh,
				.target_state = states != NULL ? state_of : NULL,
				.target_state_arg = &states_now,
				.gen = ++w->gen};
	struct cv_plan *p = NULL;

	states_now = states;
	DONE(cv_model_settle(m, &e_));
	assert_int_equal(cv_plan_build(&in, &w->errs, &p), 0);
	return p;
}

static const struct cv_plan_node *node(const struct cv_plan *p, uint32_t idx)
{
	return &p->nodes[cv_plan_slot(p, CV_PLAN_NODE, 0, idx)];
}

/* Which zones DNS names: `ab`, `a`, `b`. */
static const char *dns(const struct cv_plan *p)
{
	static char text[3];
	size_t n = 0;

	if (node(p, 0)->in_dns)
		text[n++] = 'a';
	if (node(p, 1)->in_dns)
		text[n++] = 'b';
	text[n] = '\0';
	return text;
}

/* ---- states ---- */

static void states_decide_who_gets_flows(void **state)
{
	static const struct {
		const char *states, *a, *b, *dns;
		bool cross_zone;
	} cases[] = {
		{NULL, "1", "2 3", "ab", false},
		{"hhh", "1", "2 3", "ab", false},
		{"hhu", "1", "2", "ab", false},
		{"hih", "1", "3", "ab", false},
		{"hex", "1", "3", "ab", false},
		{"hdh", "1", "3", "ab", false},
		{"hnh", "1", "3", "ab", false},
		/* Fail-open: who is unhealthy serves, who drains or is unused does not. */
		{"huu", "1", "2 3", "a", false},
		{"hud", "1", "2", "a", false},
		{"hdn", "1", "", "a", false},
		{"iii", "1", "2 3", "ab", false},
		{"uuu", "1", "2 3", "ab", false},
		{"ddd", "", "", "ab", false},
		{"uhh", "2 3", "2 3", "ab", true},
		{"uuh", "3", "3", "ab", true},
		{"uud", "1 2", "1 2", "ab", true},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		static const char *const names[] = {"10.0.1.21:80", "10.0.2.22:80",
						    "10.0.2.23:8080"};
		struct cv_model *m = base_model(cases[i].cross_zone, CV_MODEL_CROSS_ZONE_LB);
		struct cv_plan *p;

		world_init(&w, roomy);
		m->tgs[0].dns_least.count = 1;
		p = plan_states(&w, m, cases[i].states);
		for (uint32_t zone = 0; zone < 2; zone++) {
			char want[128] = "";

			for (const char *c = zone == 0 ? cases[i].a : cases[i].b; *c != '\0'; c++)
				strcat(want, *c == ' ' ? " " : names[*c - '1']);
			assert_string_equal(choice(p, 0, zone), want);
		}
		assert_string_equal(dns(p), cases[i].dns);
		cv_plan_destroy(p);
		cv_model_destroy(m);
		world_fini(&w);
	}
}

static void each_node_goes_by_what_it_sees(void **state)
{
	struct cv_model *m = base_model(true, CV_MODEL_CROSS_ZONE_LB);
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	seen_by = 1;
	p = plan_states(&w, m, "uhu");
	seen_by = CV_MODEL_NONE;
	assert_string_equal(choice(p, 0, 0), "10.0.1.21:80 10.0.2.22:80 10.0.2.23:8080");
	assert_string_equal(choice(p, 0, 1), "10.0.2.22:80");
	cv_plan_destroy(p);
	cv_model_destroy(m);
	world_fini(&w);
}

/* ---- target group health ---- */

/* AWS's example: zones A and B with 10 targets each, thresholds of 50 %, six in B fail. */
static struct cv_model *ten_and_ten(bool cross_zone)
{
	struct cv_model *m = empty_model();
	uint32_t tg = add_tg(m, "web", CV_MODEL_CROSS_ZONE_LB);
	uint32_t lb = add_lb(m, "web", "10.0.1.10", "10.0.2.10", cross_zone, NULL);

	for (int i = 0; i < 20; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.%d.%d", 1 + i / 10, 100 + i % 10);
		add_target(m, tg, addr, 0, NULL);
	}
	m->tgs[tg].dns_least = (struct cv_model_least){0, 50};
	m->tgs[tg].routing_least = (struct cv_model_least){1, 50};
	add_listener(m, lb, 80, "web");
	return m;
}

static const struct cv_view_choice *choice_of(const struct cv_plan *p, uint32_t zone)
{
	const struct cv_view_spec *s = spec_of(p);
	const struct cv_view_listener *l = &s->listeners[cv_plan_slot(p, CV_PLAN_LISTENER, 0, 0)];

	return &s->choices[l->zone_first + zone];
}

static uint32_t n_choices(const struct cv_plan *p, uint32_t zone)
{
	return choice_of(p, zone)->n;
}

/* Flows there count as routed to unhealthy targets. */
static bool fails_open(const struct cv_plan *p, uint32_t zone)
{
	return choice_of(p, zone)->unhealthy;
}

static void thresholds_do_as_in_the_documented_example(void **state)
{
	static const struct {
		bool cross_zone;
		const char *states;
		uint32_t a, b;
		const char *dns, *open; /* zones that are named, zones that fail open */
	} cases[] = {
		/* Off: A is fine; B leaves DNS, and its node sends to all ten. */
		{false, "hhhhhhhhhhuuuuuuhhhh", 10, 10, "a", "b"},
		/* On: 14 of 20 are healthy, 70 %: nothing happens but that these 14 serve. */
		{true, "hhhhhhhhhhuuuuuuhhhh", 14, 14, "ab", ""},
		/* Five of ten are just enough. */
		{false, "hhhhhhhhhhuuuuuhhhhh", 10, 5, "ab", ""},
		{true, "uuuuuhhhhhuuuuuhhhhh", 10, 10, "ab", ""},
		/* Both zones below: all answer. */
		{false, "uuuuuuhhhhuuuuuuhhhh", 10, 10, "ab", "ab"},
		{true, "uuuuuuhhhhuuuuuuhhhh", 20, 20, "ab", "ab"},
		/* Draining ones are not registered any more: four of eight. */
		{false, "hhhhhhhhhhdduuuuhhhh", 10, 4, "ab", ""},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct cv_model *m = ten_and_ten(cases[i].cross_zone);
		struct cv_plan *p;

		world_init(&w, roomy);
		p = plan_states(&w, m, cases[i].states);
		assert_int_equal(n_choices(p, 0), cases[i].a);
		assert_int_equal(n_choices(p, 1), cases[i].b);
		assert_string_equal(dns(p), cases[i].dns);
		assert_int_equal(fails_open(p, 0), strchr(cases[i].open, 'a') != NULL);
		assert_int_equal(fails_open(p, 1), strchr(cases[i].open, 'b') != NULL);
		cv_plan_destroy(p);
		cv_model_destroy(m);
		world_fini(&w);
	}
}

static void counts_and_percentages_act_apart(void **state)
{
	static const struct {
		struct cv_model_least dns, routing;
		uint32_t b;
		const char *in_dns;
	} cases[] = {
		/* Three of ten are healthy in B. */
		{{1, 0}, {1, 0}, 3, "ab"},  {{3, 30}, {3, 30}, 3, "ab"},
		{{4, 0}, {1, 0}, 3, "a"},   {{4, 0}, {4, 0}, 10, "a"},
		{{0, 31}, {1, 0}, 3, "a"},  {{0, 31}, {1, 31}, 10, "a"},
		{{1, 31}, {1, 0}, 3, "a"},  {{0, 0}, {1, 31}, 10, "ab"},
		{{4, 10}, {2, 10}, 3, "a"}, {{10, 100}, {1, 0}, 3, "a"},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct cv_model *m = ten_and_ten(false);
		struct cv_plan *p;

		world_init(&w, roomy);
		m->tgs[0].dns_least = cases[i].dns;
		m->tgs[0].routing_least = cases[i].routing;
		p = plan_states(&w, m, "hhhhhhhhhhuuuuuuuhhh");
		assert_int_equal(n_choices(p, 0), 10);
		assert_int_equal(n_choices(p, 1), cases[i].b);
		assert_string_equal(dns(p), cases[i].in_dns);
		cv_plan_destroy(p);
		cv_model_destroy(m);
		world_fini(&w);
	}
}

/* ---- weights ---- */

static void add_weighted(struct cv_model *m, uint16_t port, const char *const *tgs,
			 const uint32_t *weights, uint32_t n, bool sticky_group)
{
	struct cv_model_forward_req forwards[CV_MODEL_FORWARDS_MAX];
	struct cv_model_listener_req req = {.port = port,
					    .forwards = forwards,
					    .n_forwards = n,
					    .sticky_group = sticky_group,
					    .idle_seconds = 350};

	for (uint32_t i = 0; i < n; i++)
		forwards[i] = (struct cv_model_forward_req){tgs[i], weights[i]};
	DONE(cv_model_listener_add(m, 0, &req, &e_));
}

static const struct cv_view_listener *listener(const struct cv_plan *p, uint32_t idx)
{
	return &spec_of(p)->listeners[cv_plan_slot(p, CV_PLAN_LISTENER, 0, idx)];
}

static void weights_become_shares_of_the_hash(void **state)
{
	static const char *const tgs[] = {"web", "zero", "blue", "green"};
	static const uint32_t weights[] = {1, 0, 2, 5};
	static const uint64_t shares[] = {1ULL << 29, 1ULL << 30, 5ULL << 29};
	struct cv_model *m = plain_model();
	uint64_t before = 0;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	for (int i = 1; i < 4; i++)
		add_target(m, add_tg(m, tgs[i], CV_MODEL_CROSS_ZONE_LB),
			   i == 1   ? "10.0.1.31"
			   : i == 2 ? "10.0.1.32"
				    : "10.0.1.33",
			   0, NULL);
	add_weighted(m, 90, tgs, weights, 4, true);
	add_weighted(m, 91, tgs + 1, weights + 1, 2, true); /* one is left: nothing to choose */
	p = plan(&w, m);
	assert_int_equal(listener(p, 0)->n_forwards, 0);
	assert_int_equal(listener(p, 2)->n_forwards, 3);
	assert_true(listener(p, 2)->sticky_group);
	for (uint32_t i = 0; i < 3; i++) {
		static const uint32_t want[] = {0, 2, 3};
		const struct cv_view_forward *f =
			&spec_of(p)->forwards[listener(p, 2)->forward_first + i];

		assert_int_equal(f->group, cv_plan_slot(p, CV_PLAN_GROUP, 0, want[i]));
		assert_int_equal(f->zone_first, want[i] * 3);
		assert_int_equal(f->last + 1ULL - before, shares[i]);
		before = f->last + 1ULL;
	}
	assert_int_equal(before, 1ULL << 32);
	assert_int_equal(listener(p, 3)->n_forwards, 0);
	assert_int_equal(listener(p, 3)->group, cv_plan_slot(p, CV_PLAN_GROUP, 0, 2));
	assert_string_equal(choice(p, 3, 0), "10.0.1.32:80");
	/* Group "zero" gets nothing by either, and loses what it has. */
	assert_int_equal(listener(p, 0)->n_closed, 0);
	for (uint32_t i = 2; i < 4; i++) {
		assert_int_equal(listener(p, i)->n_closed, 1);
		assert_int_equal(spec_of(p)->forwards[listener(p, i)->closed_first].group,
				 cv_plan_slot(p, CV_PLAN_GROUP, 0, 1));
	}
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(spec_of(p)->targets[cv_plan_slot(p, CV_PLAN_TARGET, i, 0)].group,
				 cv_plan_slot(p, CV_PLAN_GROUP, 0, i));
	cv_plan_destroy(p);
	world_fini(&w);
}

/* A group without healthy targets takes its zone out of DNS, unless nothing is sent to it. */
static void groups_of_weight_0_do_not_count_for_dns(void **state)
{
	static const char *const tgs[] = {"web", "full"};

	(void)state;
	for (uint32_t weight = 0; weight < 2; weight++) {
		const uint32_t weights[] = {weight, 1};
		struct cv_model *m = empty_model();
		uint32_t web = add_tg(m, "web", CV_MODEL_CROSS_ZONE_LB);
		uint32_t full = add_tg(m, "full", CV_MODEL_CROSS_ZONE_LB);
		struct cv_plan *p;
		struct world w;

		world_init(&w, roomy);
		(void)add_lb(m, "web", "10.0.1.10", "10.0.2.10", false, NULL);
		add_target(m, web, "10.0.1.21", 0, NULL);
		add_target(m, full, "10.0.1.22", 0, NULL);
		add_target(m, full, "10.0.2.22", 0, NULL);
		m->tgs[web].dns_least.count = m->tgs[full].dns_least.count = 1;
		add_weighted(m, 90, tgs, weights, 2, false);
		p = plan(&w, m);
		assert_string_equal(dns(p), weight == 0 ? "ab" : "a");
		cv_plan_destroy(p);
		world_fini(&w);
	}
}

/* ---- stickiness ---- */

static struct cv_plan *plan_sticky(struct world *w, int gone)
{
	struct cv_model *m = empty_model();
	uint32_t tg = add_tg(m, "web", CV_MODEL_CROSS_ZONE_LB);
	uint32_t lb = add_lb(m, "web", "10.0.1.10", "10.0.2.10", true, NULL);

	m->tgs[tg].sticky = true;
	for (int i = 0; i < 5; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.%d.%d", 1 + i % 2, 100 + i);
		if (i != gone)
			add_target(m, tg, addr, 0, NULL);
	}
	add_listener(m, lb, 80, "web");
	return plan(w, m);
}

static cv_be32_t sticky_pick(const struct cv_plan *p, uint32_t zone, uint32_t client)
{
	const struct cv_view_spec *s = spec_of(p);
	const struct cv_view_choice *c = &s->choices[listener(p, 0)->zone_first + zone];
	uint32_t at = cv_lb_pick(cv_lb_source_hash(cv_be32(0xc0a80000 + client)), c->n);

	return s->targets[s->choice_targets[c->first + at]].ip;
}

static void sticky_clients_keep_their_target(void **state)
{
	enum { N = 2000 };
	struct cv_plan *before, *after, *again;
	uint32_t n_moved = 0, n_gone = 0;
	struct world w, other;

	(void)state;
	world_init(&w, roomy);
	world_init(&other, roomy);
	before = plan_sticky(&w, -1);
	after = plan_sticky(&w, 2);
	again = plan_sticky(&other, -1); /* as after a restart */
	assert_true(spec_of(before)->groups[listener(before, 0)->group].sticky);
	assert_int_equal(spec_of(before)->n_pools, 10); /* not one for each place in the table */
	for (uint32_t i = 0; i < N; i++) {
		cv_be32_t was = sticky_pick(before, 0, i);

		assert_int_equal(sticky_pick(before, 1, i), was);
		assert_int_equal(sticky_pick(again, 0, i), was);
		n_gone += was == ip("10.0.1.102");
		n_moved += was != ip("10.0.1.102") && sticky_pick(after, 0, i) != was;
	}
	assert_in_range(n_gone, N / 5 * 8 / 10, N / 5 * 12 / 10);
	assert_true(n_moved < N * 8 / 100);
	cv_plan_destroy(before);
	cv_plan_destroy(after);
	cv_plan_destroy(again);
	world_fini(&w);
	world_fini(&other);
}

static void an_empty_sticky_group_has_no_table(void **state)
{
	struct cv_model *m = empty_model();
	uint32_t tg = add_tg(m, "web", CV_MODEL_CROSS_ZONE_LB);
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	m->tgs[tg].sticky = true;
	add_listener(m, add_lb(m, "web", "10.0.1.10", NULL, true, NULL), 80, "web");
	p = plan(&w, m);
	assert_int_equal(n_choices(p, 0), 0);
	cv_plan_destroy(p);
	world_fini(&w);
}

/* ---- zonal shift ---- */

static void a_shifted_zone_gets_no_new_flows(void **state)
{
	static const struct {
		bool cross_zone;
		const char *states, *a, *b, *dns;
	} cases[] = {
		{false, "hhh", "", "10.0.2.22:80 10.0.2.23:8080", "b"},
		{true, "hhh", "10.0.2.22:80 10.0.2.23:8080", "10.0.2.22:80 10.0.2.23:8080", "b"},
		/* What is left fails open; the shifted zone does not come back, but for its name. */
		{true, "huu", "10.0.2.22:80 10.0.2.23:8080", "10.0.2.22:80 10.0.2.23:8080", "ab"},
		{false, "huu", "", "10.0.2.22:80 10.0.2.23:8080", "ab"},
	};
	struct cv_model_errs errs = {0};
	struct world w;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct cv_model *m = base_model(cases[i].cross_zone, CV_MODEL_CROSS_ZONE_LB);
		struct cv_plan *p;

		world_init(&w, roomy);
		m->tgs[0].dns_least.count = 1;
		m->lbs[0].zonal_shift = true;
		assert_int_equal(cv_model_zonal_shift(m, NULL, 0, "us-east-1a", &errs), 0);
		p = plan_states(&w, m, cases[i].states);
		assert_string_equal(choice(p, 0, 0), cases[i].a);
		assert_string_equal(choice(p, 0, 1), cases[i].b);
		assert_string_equal(dns(p), cases[i].dns);
		assert_true(node(p, 0)->shifted && !node(p, 1)->shifted);
		cv_plan_destroy(p);
		/* And back. */
		assert_int_equal(cv_model_zonal_shift(m, NULL, 0, NULL, &errs), 0);
		p = plan_states(&w, m, "hhh");
		assert_string_equal(dns(p), "ab");
		assert_int_equal(n_choices(p, 0), cases[i].cross_zone ? 3 : 1);
		cv_plan_destroy(p);
		cv_model_destroy(m);
		world_fini(&w);
	}
}

/* A target of no zone is in none that can be shifted away. */
static void targets_of_all_zones_stay_through_a_shift(void **state)
{
	struct cv_model *m = plain_model();
	struct cv_model_errs errs = {0};
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_target(m, 0, "10.7.0.9", 0, "all");
	m->lbs[0].zonal_shift = true;
	assert_int_equal(cv_model_zonal_shift(m, NULL, 0, "use1-az1", &errs), 0);
	p = plan(&w, m);
	assert_string_equal(choice(p, 0, 0), "10.7.0.9:80");
	assert_false(node(p, 0)->in_dns);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void one_zone_at_a_time(void **state)
{
	struct cv_model *m = plain_model();
	struct cv_model_errs errs = {0};

	(void)state;
	assert_int_equal(cv_model_zonal_shift(m, NULL, 0, "use1-az1", &errs), -EINVAL);
	m->lbs[0].zonal_shift = true;
	assert_int_equal(cv_model_zonal_shift(m, NULL, 0, "use1-az3", &errs), -ENOENT);
	assert_int_equal(m->lbs[0].shifted_zone, CV_MODEL_NONE);
	assert_int_equal(cv_model_zonal_shift(m, NULL, 0, "use1-az1", &errs), 0);
	assert_int_equal(cv_model_zonal_shift(m, NULL, 0, "use1-az1", &errs), 0);
	assert_int_equal(cv_model_zonal_shift(m, NULL, 0, "use1-az2", &errs), -EINVAL);
	assert_string_equal(errs.items[errs.n - 1].code, "ConflictException");
	assert_int_equal(m->lbs[0].shifted_zone, 0);
	cv_model_errs_fini(&errs);
	cv_model_destroy(m);
}

/* ---- several load balancers in one service ---- */

enum { N_ENIS = 600 };

/* A service of n load balancers called lb-first, lb-first+1...; ENIs in zone 1. */
static struct cv_model *many_lbs(int first, int n)
{
	struct cv_model *m = empty_model();
	const char *names[8];
	char text[8][16];

	for (int i = 0; i < n; i++) {
		char addr[32];

		names[i] = text[i];
		snprintf(text[i], sizeof(text[i]), "lb-%d", first + i);
		snprintf(addr, sizeof(addr), "10.0.1.%d", 10 + first + i);
		(void)add_lb(m, names[i], addr, NULL, false, NULL);
	}
	(void)add_service(m, "svc", names, (uint32_t)n);
	add_subnet(m, "cons", "large", "10.7.0.0/20", "us-east-1b", NULL);
	for (int i = 0; i < N_ENIS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "ep-%d", i);
		(void)add_endpoint(m, name, "large", NULL, 0);
	}
	return m;
}

static const char *lb_of(const struct cv_model *m, uint32_t endpoint)
{
	return m->lbs[m->endpoints[endpoint].enis[0].lb].name;
}

static void enis_spread_evenly_over_load_balancers(void **state)
{
	struct cv_model *m = many_lbs(0, 4);
	double chi2 = 0;
	uint32_t n[4] = {0};

	(void)state;
	for (uint32_t i = 0; i < N_ENIS; i++) {
		const struct cv_model_eni *eni = &m->endpoints[i].enis[0];

		assert_int_equal(m->lbs[eni->lb].nodes[eni->node].zone, eni->zone);
		n[eni->lb]++;
	}
	for (int i = 0; i < 4; i++)
		chi2 += (n[i] - N_ENIS / 4.0) * (n[i] - N_ENIS / 4.0) / (N_ENIS / 4.0);
	/* 3 degrees of freedom: one in a hundred thousand is above 26. The draw never changes. */
	assert_true(chi2 < 26);
	cv_model_destroy(m);
}

/* Without a reload to keep it by, as after a restart: only the newcomer's share moves, and to it. */
static void another_load_balancer_takes_its_share_alone(void **state)
{
	struct cv_model *before = many_lbs(0, 3), *after = many_lbs(0, 4);
	uint32_t n_moved = 0;

	(void)state;
	for (uint32_t i = 0; i < N_ENIS; i++) {
		if (strcmp(lb_of(before, i), lb_of(after, i)) == 0)
			continue;
		assert_string_equal(lb_of(after, i), "lb-3");
		n_moved++;
	}
	assert_in_range(n_moved, N_ENIS / 8, N_ENIS * 3 / 8);
	cv_model_destroy(before);
	cv_model_destroy(after);
}

static void a_reload_keeps_the_load_balancer_of_an_eni(void **state)
{
	struct cv_model *before = many_lbs(0, 3), *more = many_lbs(0, 5), *less = many_lbs(1, 4);
	uint32_t n_lost = 0;

	(void)state;
	cv_model_enis_keep(more, before);
	for (uint32_t i = 0; i < N_ENIS; i++) {
		const struct cv_model_eni *eni = &more->endpoints[i].enis[0];

		assert_string_equal(lb_of(more, i), lb_of(before, i));
		assert_int_equal(more->lbs[eni->lb].nodes[eni->node].zone, eni->zone);
	}
	/* lb-0 goes: its ENIs get others, the rest stay. */
	cv_model_enis_keep(less, more);
	for (uint32_t i = 0; i < N_ENIS; i++) {
		if (strcmp(lb_of(more, i), "lb-0") == 0)
			n_lost++;
		else
			assert_string_equal(lb_of(less, i), lb_of(more, i));
	}
	assert_true(n_lost > N_ENIS / 6);
	cv_model_destroy(before);
	cv_model_destroy(more);
	cv_model_destroy(less);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_decide_who_gets_flows),
		cmocka_unit_test(each_node_goes_by_what_it_sees),
		cmocka_unit_test(thresholds_do_as_in_the_documented_example),
		cmocka_unit_test(counts_and_percentages_act_apart),
		cmocka_unit_test(weights_become_shares_of_the_hash),
		cmocka_unit_test(groups_of_weight_0_do_not_count_for_dns),
		cmocka_unit_test(sticky_clients_keep_their_target),
		cmocka_unit_test(an_empty_sticky_group_has_no_table),
		cmocka_unit_test(a_shifted_zone_gets_no_new_flows),
		cmocka_unit_test(targets_of_all_zones_stay_through_a_shift),
		cmocka_unit_test(one_zone_at_a_time),
		cmocka_unit_test(enis_spread_evenly_over_load_balancers),
		cmocka_unit_test(another_load_balancer_takes_its_share_alone),
		cmocka_unit_test(a_reload_keeps_the_load_balancer_of_an_eni),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
