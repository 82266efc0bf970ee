/* SPDX-License-Identifier: BSD-3-Clause */

/* What one account's security groups may cost everybody's plan. */

#include "cv_model_change.h"
#include "plan_world.h"

enum { GROUPS = 100, CARRIED = 50, RULES = 60, MEMBERS = 50, EACH = CV_MODEL_ENDPOINT_SGS_MAX };

static const char *group(uint32_t i)
{
	static char names[GROUPS][8];

	snprintf(names[i % GROUPS], sizeof(names[0]), "g%u", i % GROUPS);
	return names[i % GROUPS];
}

/* Each of a VPC's groups names as many others as a call lets it, and each endpoint has all that it may. */
static void add_webs(struct cv_model *m, uint32_t n_members)
{
	for (uint32_t i = 0; i < GROUPS; i++) {
		struct cv_model_rule rules[RULES] = {{.group = NULL}};
		struct cv_model_sg_req req = {
			.name = group(i), .vpc = 1, .rules = rules, .n_rules = RULES};

		for (uint32_t k = 0; k < RULES; k++)
			rules[k] = (struct cv_model_rule){.group = group(k % CARRIED),
							  .port_first = (uint16_t)k,
							  .port_last = UINT16_MAX};
		DONE(cv_model_sg_add(m, &req, &e_));
	}
	for (uint32_t i = 0; i < n_members; i++) {
		const char *sgs[EACH];
		char name[16];

		for (uint32_t k = 0; k < EACH; k++)
			sgs[k] = group((i + k) % CARRIED);
		snprintf(name, sizeof(name), "member%u", i);
		add_endpoint(m, name, "a", sgs, EACH);
	}
}

/* The lists that rules lead to ascend, and are of who has the group. */
static void check_lists(const struct cv_view_spec *s)
{
	for (uint32_t i = 0; i < s->n_sg_rules; i++) {
		const struct cv_view_sg_rule *rule = &s->sg_rules[i];

		assert_int_equal(rule->n_ips, EACH * MEMBERS / CARRIED);
		for (uint32_t k = 1; k < rule->n_ips; k++)
			assert_true(s->sg_ips[rule->ip_first + k - 1] <
				    s->sg_ips[rule->ip_first + k]);
	}
}

static void groups_cost_their_rules_and_their_members(void **state)
{
	struct cv_model *m = plain_model();
	const struct cv_view_spec *s;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_webs(m, MEMBERS);
	p = plan(&w, m);
	s = spec_of(p);
	/* Groups that nothing has are not there; others once, and once in the row of each endpoint. */
	assert_int_equal(s->n_sg_rules, CARRIED * RULES + MEMBERS * EACH * RULES);
	assert_int_equal(s->n_sg_ips, MEMBERS * EACH);
	for (uint32_t i = 0; i < MEMBERS; i++)
		assert_int_equal(s->endpoints[cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, i)].sg_n,
				 EACH * RULES);
	check_lists(s);
	cv_plan_destroy(p);
	world_fini(&w);
}

static void groups_that_nothing_has_cost_nothing(void **state)
{
	struct cv_model *m = plain_model();
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	add_webs(m, 0);
	p = plan(&w, m);
	assert_int_equal(spec_of(p)->n_sg_rules, 0);
	assert_int_equal(spec_of(p)->n_sg_ips, 0);
	cv_plan_destroy(p);
	world_fini(&w);
}

/* It must not let in everybody. */
static void a_group_that_nothing_has_admits_nobody(void **state)
{
	static const char *const sgs[] = {"guarded"};
	struct cv_model_rule rule = {.group = "empty", .port_last = UINT16_MAX};
	struct cv_model_sg_req req = {.name = "empty", .vpc = 1};
	struct cv_model *m = plain_model();
	const struct cv_view_endpoint *ep;
	struct cv_plan *p;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	DONE(cv_model_sg_add(m, &req, &e_));
	req = (struct cv_model_sg_req){.name = "guarded", .vpc = 1, .rules = &rule, .n_rules = 1};
	DONE(cv_model_sg_add(m, &req, &e_));
	add_endpoint(m, "guarded", "a", sgs, 1);
	p = plan(&w, m);
	ep = &spec_of(p)->endpoints[cv_plan_slot(p, CV_PLAN_ENDPOINT, 0, 0)];
	assert_false(ep->sg_any);
	assert_int_equal(ep->sg_n, 0);
	cv_plan_destroy(p);
	world_fini(&w);
}

/* A load balancer's addresses are members, its groups are planned; once it is gone, neither. */
static void load_balancers_have_groups_while_they_are_there(void **state)
{
	const struct cv_model_by by = {.account = CV_MODEL_NONE, .now = 1, .random = {1, 2}};
	struct cv_model_rule rule = {.group = "own", .port_last = UINT16_MAX};
	struct cv_model_sg_req sg = {.name = "own", .vpc = 0, .rules = &rule, .n_rules = 1};
	const char *sgs[] = {"own", "lb"};
	cv_be32_t addrs[] = {ip("10.0.1.77"), ip("10.0.2.5")}; /* the greater number first */
	struct cv_model_place_req places[] = {{"a", &addrs[0], 1}, {"b", &addrs[1], 1}};
	struct cv_model_lb_req req = {.name = "judged",
				      .vpc = "prov",
				      .places = places,
				      .n_places = 2,
				      .sgs = sgs,
				      .n_sgs = 2,
				      .by = &by};
	struct cv_model *m = plain_model();
	const struct cv_view_node *node;
	const struct cv_view_spec *s;
	struct cv_plan *p = NULL;
	struct world w;

	(void)state;
	world_init(&w, roomy);
	DONE(cv_model_sg_add(m, &sg, &e_));
	DONE(cv_model_lb_add(m, &req, &e_));
	assert_int_equal(try_plan(&w, m, &p), 0);
	s = spec_of(p);
	node = &s->nodes[cv_plan_slot(p, CV_PLAN_NODE, 1, 0)];
	assert_int_equal(node->sg_n, 2);
	assert_int_equal(s->sg_rules[node->sg_first].n_ips, 2);
	assert_int_equal(s->sg_ips[s->sg_rules[node->sg_first].ip_first], addrs[1]);
	assert_int_equal(s->sg_ips[s->sg_rules[node->sg_first].ip_first + 1], addrs[0]);
	assert_int_equal(s->sg_rules[node->sg_first + 1].n_ips, 0);
	cv_plan_destroy(p);
	DONE(cv_model_remove(m, &by, CV_MODEL_LB, m->lbs[1].arn, &e_));
	p = plan(&w, m);
	assert_int_equal(spec_of(p)->n_sg_rules, 0);
	assert_int_equal(spec_of(p)->n_sg_ips, 0);
	cv_plan_destroy(p);
	world_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_cost_their_rules_and_their_members),
		cmocka_unit_test(groups_that_nothing_has_cost_nothing),
		cmocka_unit_test(a_group_that_nothing_has_admits_nobody),
		cmocka_unit_test(load_balancers_have_groups_while_they_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
