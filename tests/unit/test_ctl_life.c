/* SPDX-License-Identifier: BSD-3-Clause */

/* What becomes of flows when the configuration takes something away. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"
#include "cv_ctl_know.h"
#include "cv_stats.h"

/* The first target group's targets: 10.0.1.21 serves zone 1 alone. */
#define GONE "10.0.1.21:80"
#define N_DIALS 20

static void attribute(json_t *conf, const char *key, json_t *value)
{
	json_object_set_new(at(conf, "target_groups.0.attributes"), key, value);
}

static void drains_for(json_t *conf, int seconds, bool terminate)
{
	attribute(conf, "deregistration_delay.timeout_seconds", json_integer(seconds));
	attribute(conf, "deregistration_delay.connection_termination.enabled",
		  json_boolean(terminate));
}

static void quickly_and_ends(json_t *conf)
{
	drains_for(conf, 3600, true);
	json_object_set_new(conf, "settings", json_pack("{s:i}", "lab_time_scale", 1800));
}

static void quickly_and_keeps(json_t *conf)
{
	quickly_and_ends(conf);
	drains_for(conf, 3600, false);
}

static void for_long_and_ends(json_t *conf)
{
	drains_for(conf, 3600, true);
}

/* What is edited before the rest, see world_with_flows(). */
static void (*edit_first)(json_t *conf);

/* Nobody answers the SYNs: on a slow machine, too, flows end for what the test does, and not for that. */
static void edit_patient(json_t *conf)
{
	if (edit_first != NULL)
		edit_first(conf);
	json_object_set_new(at(conf, "settings"), "timeouts",
			    json_pack("{s:i}", "syn_seconds", 600));
}

static void at_once(json_t *conf)
{
	drains_for(conf, 0, true);
}

/* A member of a target in `show targets`, as text; "" if it is not there. Good until the next call. */
static const char *target(struct world *w, const char *addr, const char *member)
{
	static char found[64];
	json_t *root = world_show_all(w, "targets"), *item, *got;
	size_t i;

	found[0] = '\0';
	json_array_foreach(at(root, "target_groups.0.targets"), i, item)
	{
		got = json_object_get(item, member);
		if (strcmp(text_at(item, "target"), addr) != 0 || got == NULL)
			continue;
		if (json_is_string(got))
			snprintf(found, sizeof(found), "%s", json_string_value(got));
		else
			snprintf(found, sizeof(found), "%lld", (long long)json_integer_value(got));
	}
	json_decref(root);
	return found;
}

static unsigned int flows(struct world *w)
{
	json_t *root = world_show_all(w, "flows");
	unsigned int n = (unsigned int)json_array_size(at(root, "flows"));

	json_decref(root);
	return n;
}

/* A world in which the target that is about to go has flows. */
static struct world *world_with_flows(void (*edit)(json_t *conf))
{
	struct world *w;

	edit_first = edit;
	w = world_run(edit_patient);
	wait_known(w);
	dial(w, C1, "consumer-1", "172.16.1.10", N_DIALS);
	world_until(flows(w) == N_DIALS);
	return w;
}

/* Takes the target out of the file; gives it back for later. */
static json_t *target_take(struct world *w)
{
	json_t *targets = at(world_conf(w), "target_groups.0.targets");
	json_t *taken = json_incref(json_array_get(targets, 0));

	json_array_remove(targets, 0);
	world_write(w, NULL);
	world_reload(w);
	return taken;
}

static void removed_target_drains_then_its_flows_end(void **state)
{
	struct world *w = world_with_flows(quickly_and_ends);
	uint64_t began_ms = cv_clock_ms();
	unsigned int n_flows;
	char active[64];

	(void)state;
	json_decref(target_take(w));
	assert_true(atoi(target(w, GONE, "draining_seconds")) <= 2);
	n_flows = flows(w);
	snprintf(active, sizeof(active), "%s", target(w, GONE, "active_flows"));
	/* A slow machine may take longer for that than the target drains. */
	if (cv_clock_ms() - began_ms < 2000) {
		assert_int_equal(n_flows, N_DIALS);
		assert_string_equal(active, "20");
	}
	world_until(flows(w) == 0);
	assert_int_equal(cv_stats_event_sum(cv_dp_stats(world_dp(w)), 1, CV_EV_FLOW_END_TARGET),
			 N_DIALS);
	world_until(strcmp(target(w, GONE, "state"), "") == 0);
	world_destroy(w);
}

/* A delay that is changed together with the targets is that of those that go. */
static void delay_changed_at_the_same_time_counts(void **state)
{
	struct world *w = world_with_flows(for_long_and_ends);

	(void)state;
	drains_for(world_conf(w), 1800, true);
	json_decref(target_take(w));
	assert_string_equal(target(w, GONE, "state"), "draining");
	assert_in_range(atoi(target(w, GONE, "draining_seconds")), 1, 1800);
	drains_for(world_conf(w), 0, true);
	json_array_remove(at(world_conf(w), "target_groups.0.targets"), 0);
	world_write(w, NULL);
	world_reload(w);
	/* It does not count for those that are gone already. */
	assert_int_equal(flows(w), N_DIALS);
	assert_string_equal(target(w, GONE, "state"), "draining");
	world_destroy(w);
}

static void termination_told_at_the_same_time_counts(void **state)
{
	struct world *w = world_with_flows(quickly_and_keeps);

	(void)state;
	drains_for(world_conf(w), 3600, true);
	json_decref(target_take(w));
	world_until(flows(w) == 0);
	/* Not for want of an answer, which takes longer. */
	assert_int_equal(cv_stats_event_sum(cv_dp_stats(world_dp(w)), 1, CV_EV_FLOW_END_TARGET),
			 N_DIALS);
	world_destroy(w);
}

static void flows_go_on_after_the_delay_unless_told_otherwise(void **state)
{
	struct world *w = world_with_flows(quickly_and_keeps);

	(void)state;
	json_decref(target_take(w));
	world_until(strcmp(target(w, GONE, "state"), "") == 0);
	usleep(300000);
	assert_int_equal(flows(w), N_DIALS);
	world_destroy(w);
}

/* A group that nothing leads to any more is checked by nobody: its targets are neither sick nor drain. */
static void flows_go_on_when_their_listener_leads_elsewhere(void **state)
{
	struct world *w = world_with_flows(at_once);

	(void)state;
	json_object_set_new(at(world_conf(w), "load_balancers.0.listeners.0"), "target_group",
			    json_string("decode"));
	world_write(w, NULL);
	world_reload(w);
	assert_string_equal(target(w, GONE, "state"), "unused");
	json_array_remove(at(world_conf(w), "target_groups.0.targets"), 0);
	world_write(w, NULL);
	world_reload(w);
	assert_string_equal(target(w, GONE, "state"), "");
	usleep(300000);
	assert_int_equal(flows(w), N_DIALS);
	world_destroy(w);
}

static void delay_of_zero_ends_flows_at_once(void **state)
{
	struct world *w = world_with_flows(at_once);

	(void)state;
	json_decref(target_take(w));
	world_until(flows(w) == 0);
	world_destroy(w);
}

/* What the APIs learn of draining targets. */
struct learnt {
	uint32_t n_draining, n_gone;
};

static void draining_count(void *arg, const struct cv_ctl_draining *draining)
{
	struct learnt *learnt = arg;

	assert_int_equal(draining->port, 80);
	learnt->n_draining++;
}

static int learn(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct learnt *learnt = arg;

	(void)model;
	cv_ctl_draining(ctl, draining_count, learnt);
	learnt->n_gone = cv_ctl_targets_gone(ctl);
	return 0;
}

static void expect_gone(struct world *w, uint32_t n)
{
	struct learnt learnt = {0};

	assert_int_equal(cv_ctl_call(world_ctl(w), false, learn, &learnt), 0);
	assert_int_equal(learnt.n_draining, n);
	assert_int_equal(learnt.n_gone, n);
}

static void target_that_comes_back_keeps_its_flows(void **state)
{
	struct world *w = world_with_flows(for_long_and_ends);
	json_t *taken = target_take(w);

	(void)state;
	assert_string_equal(target(w, GONE, "state"), "draining");
	/* Another reload leaves the draining as it is. */
	world_write(w, NULL);
	world_reload(w);
	assert_string_equal(target(w, GONE, "state"), "draining");
	assert_true(atoi(target(w, GONE, "draining_seconds")) > 3500);
	expect_gone(w, 1);
	json_array_append_new(at(world_conf(w), "target_groups.0.targets"), taken);
	world_write(w, NULL);
	world_reload(w);
	assert_string_equal(target(w, GONE, "draining_seconds"), "");
	assert_string_equal(target(w, GONE, "active_flows"), "20");
	expect_gone(w, 0);
	world_destroy(w);
}

/* A target that ends and comes back in time to be told so by one view must not lose new flows. */
static void target_may_come_back_after_its_flows_ended(void **state)
{
	struct world *w = world_with_flows(at_once);
	json_t *taken = target_take(w);

	(void)state;
	world_until(flows(w) == 0);
	json_array_append_new(at(world_conf(w), "target_groups.0.targets"), taken);
	world_write(w, NULL);
	world_reload(w);
	world_until(strcmp(target(w, GONE, "neighbour"), "reachable") == 0);
	dial(w, C1, "consumer-1", "172.16.1.10", N_DIALS);
	world_until(flows(w) == N_DIALS);
	usleep(300000);
	assert_int_equal(flows(w), N_DIALS);
	world_destroy(w);
}

static void removed_load_balancer_takes_its_flows(void **state)
{
	struct world *w = world_with_flows(NULL);

	(void)state;
	json_array_clear(at(world_conf(w), "endpoints"));
	json_array_clear(at(world_conf(w), "endpoint_services"));
	json_array_clear(at(world_conf(w), "load_balancers"));
	world_write(w, NULL);
	kill(getpid(), SIGHUP);
	world_until(flows(w) == 0);
	world_destroy(w);
}

static void secondary_addresses_can_only_be_raised(void **state)
{
	struct world *w = world_create(NULL);
	json_t *attributes = json_object();
	struct cv_errs errs = {0};

	(void)state;
	json_object_set(at(world_conf(w), "load_balancers.0"), "attributes", attributes);
	for (int n = 2; n < 4; n++) {
		json_object_set_new(attributes, "secondary_ips.auto_assigned.per_subnet",
				    json_integer(n));
		world_write(w, NULL);
		assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), 0);
	}
	json_object_set_new(attributes, "secondary_ips.auto_assigned.per_subnet", json_integer(1));
	world_write(w, NULL);
	assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), -EBUSY);
	assert_int_equal(errs.n, 1);
	assert_string_equal(errs.items[0].path,
			    "load_balancers[0].attributes.secondary_ips.auto_assigned.per_subnet");
	assert_non_null(strstr(errs.items[0].text, "has 3, the file says 1"));
	cv_errs_fini(&errs);
	json_decref(attributes);
	world_destroy(w);
}

/* ---- slots of what is gone ---- */

static void few_endpoints(json_t *conf)
{
	json_object_set_new(json_object_get(conf, "limits"), "endpoints", json_integer(4));
	json_object_set_new(json_object_get(conf, "limits"), "targets", json_integer(3));
}

/* Replaces the file; tells whether it was taken. */
static bool reloads(struct world *w)
{
	json_t *root = world_show_all(w, "config");
	json_int_t gen = json_integer_value(at(root, "generation"));
	bool ok;

	json_decref(root);
	world_write(w, NULL);
	world_reload(w);
	root = world_show_all(w, "config");
	ok = json_integer_value(at(root, "generation")) > gen;
	json_decref(root);
	return ok;
}

static void slots_are_given_out_again(void **state)
{
	struct world *w = world_with_flows(few_endpoints);
	json_t *endpoints = at(world_conf(w), "endpoints"), *root;
	unsigned int turns = 0;
	char name[32];

	(void)state;
	/* Each time another endpoint: all four slots are in use, so it must have that of the one before. */
	for (; turns < 3; turns++) {
		json_array_remove(endpoints, 3);
		world_until(reloads(w));
		snprintf(name, sizeof(name), "turn-%u", turns);
		json_array_append_new(endpoints,
				      json_pack("{s:s, s:s, s:s, s:[{s:s, s:s}]}", "name", name,
						"vpc", "consumer-4", "service", "web", "subnets",
						"subnet", "a", "ip", "172.16.1.10"));
		world_until(reloads(w));
	}
	/* A target with flows keeps its slot: there is no room for another in its place. */
	json_decref(target_take(w));
	assert_string_equal(target(w, GONE, "state"), "draining");
	json_array_append_new(at(world_conf(w), "target_groups.0.targets"),
			      json_pack("{s:s}", "ip", "10.0.1.99"));
	usleep(2500000);
	assert_false(reloads(w));
	assert_int_equal(flows(w), N_DIALS);
	root = world_show_all(w, "endpoints");
	assert_int_equal(json_array_size(at(root, "endpoints")), 4);
	json_decref(root);
	world_destroy(w);
}

static void four_endpoints(json_t *conf)
{
	json_object_set_new(json_object_get(conf, "limits"), "endpoints", json_integer(4));
}

/* Another target in the place of the last, then another endpoint, if there is a slot for it. */
static bool endpoint_comes(struct world *w, unsigned int turn)
{
	json_t *endpoints = at(world_conf(w), "endpoints");
	json_t *targets = at(world_conf(w), "target_groups.0.targets");
	char ip[32];

	snprintf(ip, sizeof(ip), "10.0.1.%u", 100 + turn % 100);
	json_array_remove(targets, json_array_size(targets) - 1);
	json_array_append_new(targets, json_pack("{s:s}", "ip", ip));
	world_until(reloads(w));
	json_array_append_new(endpoints, json_pack("{s:s, s:s, s:s, s:[{s:s, s:s}]}", "name",
						   "next", "vpc", "consumer-4", "service", "web",
						   "subnets", "subnet", "a", "ip", "172.16.1.10"));
	if (reloads(w))
		return true;
	json_array_remove(endpoints, 3);
	return false;
}

static void slots_are_given_out_while_changes_go_on(void **state)
{
	struct world *w = world_create(four_endpoints);
	unsigned int turn = 0;

	(void)state;
	world_start(w);
	json_array_remove(at(world_conf(w), "endpoints"), 3);
	world_until(reloads(w));
	world_until(endpoint_comes(w, turn++));
	world_destroy(w);
}

static void one_endpoint(json_t *conf)
{
	few_endpoints(conf);
	json_array_clear(at(conf, "endpoint_services.0.accept"));
	json_object_set_new(at(conf, "endpoint_services.0"), "acceptance_required", json_false());
}

/* New flows of all load balancers' nodes, as the metrics say. */
static uint64_t nodes_new_flows(struct world *w)
{
	static const char name[] = "\nculvert_nlb_new_flow_count_total{";
	struct cv_ctl_reply reply = {0};
	uint64_t n = 0;

	assert_int_equal(cv_ctl_metrics(world_ctl(w), &reply), 0);
	for (const char *at = strstr(reply.text, name); at != NULL; at = strstr(at + 1, name))
		n += strtoull(strstr(at, "} ") + 2, NULL, 10);
	free(reply.text);
	return n;
}

/* What a slot's object counted is not the next one's, and is not lost from the totals. */
static void counts_start_from_zero(void **state)
{
	struct world *w = world_with_flows(one_endpoint);
	json_t *endpoints = at(world_conf(w), "endpoints"), *root;

	(void)state;
	json_array_remove(endpoints, 0);
	world_until(reloads(w));
	world_until(flows(w) == 0);
	assert_int_equal(nodes_new_flows(w), N_DIALS);
	json_array_append_new(endpoints, json_pack("{s:s, s:s, s:s, s:[{s:s, s:s}]}", "name",
						   "next", "vpc", "consumer-1", "service", "web",
						   "subnets", "subnet", "a", "ip", "172.16.1.77"));
	world_until(reloads(w));
	root = world_show_all(w, "endpoints");
	assert_string_equal(text_at(root, "endpoints.3.name"), "next");
	assert_int_equal(number_at(root, "endpoints.3.new_flows"), 0);
	assert_int_equal(number_at(root, "endpoints.3.active_flows"), 0);
	json_decref(root);
	assert_int_equal(nodes_new_flows(w), N_DIALS);
	dial(w, C1, "consumer-1", "172.16.1.77", 3);
	world_until(flows(w) == 3);
	root = world_show_all(w, "endpoints");
	assert_int_equal(number_at(root, "endpoints.3.new_flows"), 3);
	json_decref(root);
	assert_int_equal(cv_stats_event_sum(cv_dp_stats(world_dp(w)), 1, CV_EV_FLOW_NEW),
			 N_DIALS + 3);
	assert_int_equal(nodes_new_flows(w), N_DIALS + 3);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(removed_target_drains_then_its_flows_end),
		cmocka_unit_test(delay_changed_at_the_same_time_counts),
		cmocka_unit_test(termination_told_at_the_same_time_counts),
		cmocka_unit_test(flows_go_on_after_the_delay_unless_told_otherwise),
		cmocka_unit_test(flows_go_on_when_their_listener_leads_elsewhere),
		cmocka_unit_test(delay_of_zero_ends_flows_at_once),
		cmocka_unit_test(target_that_comes_back_keeps_its_flows),
		cmocka_unit_test(target_may_come_back_after_its_flows_ended),
		cmocka_unit_test(removed_load_balancer_takes_its_flows),
		cmocka_unit_test(secondary_addresses_can_only_be_raised),
		cmocka_unit_test(slots_are_given_out_again),
		cmocka_unit_test(slots_are_given_out_while_changes_go_on),
		cmocka_unit_test(counts_start_from_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
