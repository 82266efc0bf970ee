/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What people change in the file while connections are open: names, ports, zones, groups. Those of what is
 * not concerned go on, the others end as doc/behaviour.md has it.
 */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"
#include "cv_stats.h"

/*
 * Three sets of connections. Zone `us-east-1a` is one to consumer-1 and two to consumer-2, so that the
 * first set goes by node 10.0.1.10 to 10.0.1.21, the second by 10.0.2.10 to 10.0.2.22; the third goes
 * from consumer-1 to 10.0.1.31, by another listener.
 */
enum { SET_1, SET_2, SET_DECODE, SETS };

#define ENI "172.16.1.10"
#define EACH 6

/* A case. */
struct change {
	const char *name;
	void (*setup)(json_t *conf); /* may be NULL */
	void (*edit)(json_t *conf);
	int left[SETS];   /* connections of each set that go on: EACH or 0 */
	int opened[SETS]; /* when each set dials again from the same ports: those that are new */
	const char *vpc;  /* consumer-1's VPC afterwards; NULL: the same */
	uint16_t port;    /* where the first two sets dial again; 0: 80 */
};

static void set_text(json_t *conf, const char *path, const char *key, const char *value)
{
	json_t *object = at(conf, path);

	assert_non_null(object);
	json_object_set_new(object, key, json_string(value));
}

static void swap(json_t *conf, const char *one, const char *other, const char *key)
{
	json_t *a = json_incref(json_object_get(at(conf, one), key));
	json_t *b = json_incref(json_object_get(at(conf, other), key));

	json_object_set_new(at(conf, one), key, b);
	json_object_set_new(at(conf, other), key, a);
}

/* ---- setups ---- */

static void ids_given(json_t *conf)
{
	set_text(conf, "endpoints.0", "id", "vpce-00000000000000001");
	set_text(conf, "endpoints.1", "id", "vpce-00000000000000002");
}

static void drains_at_once(json_t *conf)
{
	json_t *attributes = at(conf, "target_groups.0.attributes");

	json_object_set_new(attributes, "deregistration_delay.timeout_seconds", json_integer(0));
	json_object_set_new(attributes, "deregistration_delay.connection_termination.enabled",
			    json_true());
}

static void listeners_end(json_t *conf)
{
	json_object_set_new(at(conf, "settings"), "flow_end",
			    json_pack("{s:s}", "listener", "silent"));
}

/* ---- changes ---- */

static void nothing(json_t *conf)
{
	(void)conf;
}

static void endpoint_renamed(json_t *conf)
{
	set_text(conf, "endpoints.0", "name", "another");
	json_array_set_new(at(conf, "endpoint_services.0.accept"), 0, json_string("another"));
}

static void endpoint_names_swapped(json_t *conf)
{
	swap(conf, "endpoints.0", "endpoints.1", "name");
}

static void endpoint_ids_swapped(json_t *conf)
{
	swap(conf, "endpoints.0", "endpoints.1", "id");
}

static void endpoint_moved(json_t *conf)
{
	set_text(conf, "endpoints.0.subnets.0", "ip", "172.16.1.11");
}

static void endpoints_reordered(json_t *conf)
{
	json_t *list = at(conf, "endpoints");
	json_t *first = json_incref(json_array_get(list, 0));

	json_array_remove(list, 0);
	json_array_append_new(list, first);
}

static void group_renamed(json_t *conf)
{
	set_text(conf, "target_groups.0", "name", "another");
	set_text(conf, "load_balancers.0.listeners.0", "target_group", "another");
}

static void group_names_swapped(json_t *conf)
{
	swap(conf, "target_groups.0", "target_groups.1", "name");
	swap(conf, "load_balancers.0.listeners.0", "load_balancers.0.listeners.1", "target_group");
}

static void target_moved(json_t *conf)
{
	json_array_remove(at(conf, "target_groups.0.targets"), 0);
	json_array_append_new(at(conf, "target_groups.1.targets"),
			      json_pack("{s:s, s:i}", "ip", "10.0.1.21", "port", 80));
}

static void listener_moved(json_t *conf)
{
	json_object_set_new(at(conf, "load_balancers.0.listeners.0"), "port", json_integer(81));
}

static void listener_ports_swapped(json_t *conf)
{
	swap(conf, "load_balancers.0.listeners.0", "load_balancers.0.listeners.1", "port");
}

static void lb_renamed(json_t *conf)
{
	set_text(conf, "load_balancers.0", "name", "another");
	json_array_set_new(at(conf, "endpoint_services.0.load_balancers"), 0,
			   json_string("another"));
}

static void service_renamed(json_t *conf)
{
	json_t *endpoint;
	size_t i;

	set_text(conf, "endpoint_services.0", "name", "another");
	json_array_foreach(at(conf, "endpoints"), i, endpoint)
		json_object_set_new(endpoint, "service", json_string("another"));
}

static void vpc_renamed(json_t *conf)
{
	set_text(conf, "vpcs.1", "name", "another");
	set_text(conf, "endpoints.0", "vpc", "another");
}

static void provider_vpc_renamed(json_t *conf)
{
	json_t *object;
	size_t i;

	set_text(conf, "vpcs.0", "name", "another");
	set_text(conf, "load_balancers.0", "vpc", "another");
	json_array_foreach(at(conf, "target_groups"), i, object)
		json_object_set_new(object, "vpc", json_string("another"));
}

static void consumers_zones_swapped(json_t *conf)
{
	json_t *zones = at(conf, "accounts.1.zones");

	json_object_set_new(zones, "us-east-1a", json_string("use1-az2"));
	json_object_set_new(zones, "us-east-1b", json_string("use1-az1"));
}

static void providers_zones_swapped(json_t *conf)
{
	json_t *zones = at(conf, "accounts.0.zones");

	json_object_set_new(zones, "us-east-1a", json_string("use1-az2"));
	json_object_set_new(zones, "us-east-1b", json_string("use1-az1"));
}

static void zones_reordered(json_t *conf)
{
	json_array_clear(at(conf, "zones"));
	json_array_append_new(at(conf, "zones"), json_string("use1-az3"));
	json_array_append_new(at(conf, "zones"), json_string("use1-az2"));
	json_array_append_new(at(conf, "zones"), json_string("use1-az1"));
}

#define ALL                      \
	{                        \
		EACH, EACH, EACH \
	}
#define NONE            \
	{               \
		0, 0, 0 \
	}
#define FIRST                 \
	{                     \
		EACH, 0, EACH \
	}
#define SECOND             \
	{                  \
		0, EACH, 0 \
	}

static const struct change changes[] = {
	{"nothing", NULL, nothing, ALL, NONE},
	{"an endpoint's name", NULL, endpoint_renamed, SECOND, FIRST},
	{"an endpoint's name, its id given", ids_given, endpoint_renamed, ALL, NONE},
	{"the names of two endpoints", NULL, endpoint_names_swapped, NONE, ALL},
	{"the names of two endpoints, ids given", ids_given, endpoint_names_swapped, ALL, NONE},
	{"the ids of two endpoints", ids_given, endpoint_ids_swapped, NONE, ALL},
	{"an endpoint's address", NULL, endpoint_moved, SECOND, NONE},
	{"the order of endpoints", NULL, endpoints_reordered, ALL, NONE},
	{"a target group's name", NULL, group_renamed, ALL, NONE},
	{"the names of two target groups", NULL, group_names_swapped, ALL, NONE},
	{"a target's group", NULL, target_moved, ALL, NONE},
	{"a target's group, no delay", drains_at_once, target_moved, {0, EACH, EACH}, NONE},
	/* consumer-1 lets nobody in by port 81 */
	{"a listener's port", NULL, listener_moved, ALL, SECOND, .port = 81},
	{"a listener's port, listeners end theirs",
	 listeners_end,
	 listener_moved,
	 {0, 0, EACH},
	 NONE},
	{"the ports of two listeners", NULL, listener_ports_swapped, ALL, NONE},
	{"a load balancer's name", NULL, lb_renamed, ALL, NONE},
	{"a service's name", NULL, service_renamed, ALL, NONE},
	{"a consumer VPC's name", NULL, vpc_renamed, SECOND, FIRST, .vpc = "another"},
	{"the provider VPC's name", NULL, provider_vpc_renamed, NONE, ALL},
	{"zone names of a consumer", NULL, consumers_zones_swapped, ALL, NONE},
	{"zone names of the provider", NULL, providers_zones_swapped, ALL, NONE},
	{"the order of zones", NULL, zones_reordered, ALL, NONE},
};

/* ---- playing them ---- */

static void set_dial(struct world *w, int set, const char *vpc, uint16_t port)
{
	char *id = vpc_id(w, vpc);

	for (unsigned int i = 0; i < EACH; i++)
		world_syn(w, set == SET_2 ? C2 : C1, id, (uint16_t)(20000 + 100 * set + i), ENI,
			  port);
	free(id);
}

/* Connections of each set, by the client's port. */
static void sets_count(struct world *w, int *n)
{
	json_t *root = world_show_all(w, "flows"), *flow;
	size_t i;

	memset(n, 0, SETS * sizeof(*n));
	json_array_foreach(at(root, "flows"), i, flow)
	{
		int port = atoi(strchr(text_at(flow, "client"), ':') + 1);

		assert_in_range((port - 20000) / 100, 0, SETS - 1);
		n[(port - 20000) / 100]++;
	}
	json_decref(root);
}

static bool sets_are(struct world *w, const int *want)
{
	int n[SETS];

	sets_count(w, n);
	return memcmp(n, want, sizeof(n)) == 0;
}

static void sets_expect(struct world *w, const struct change *c, const int *want)
{
	int n[SETS];

	sets_count(w, n);
	for (int i = 0; i < SETS; i++) {
		if (n[i] != want[i])
			fail_msg("%s: %d connections of set %d, not %d", c->name, n[i], i, want[i]);
	}
}

static uint64_t n_opened(struct world *w)
{
	return cv_stats_event_sum(cv_dp_stats(world_dp(w)), 1, CV_EV_FLOW_NEW);
}

static uint64_t n_received(struct world *w)
{
	return cv_stats_event_sum(cv_dp_stats(world_dp(w)), 1, CV_EV_RX_PKTS);
}

/* Each set dials again; what is not new went to a target by a connection that goes on, or was refused. */
static void dial_again(struct world *w, const struct change *c)
{
	const uint16_t port = c->port != 0 ? c->port : 80;
	const char *vpcs[SETS] = {c->vpc != NULL ? c->vpc : "consumer-1", "consumer-2"};

	vpcs[SET_DECODE] = vpcs[SET_1];
	for (int set = 0; set < SETS; set++) {
		uint64_t received = n_received(w), opened = n_opened(w);

		set_dial(w, set, vpcs[set], set == SET_DECODE ? 8080 : port);
		world_until(n_received(w) >= received + EACH);
		world_until(n_opened(w) >= opened + (uint64_t)c->opened[set]);
		if (n_opened(w) != opened + (uint64_t)c->opened[set])
			fail_msg("%s: set %d opened %d connections anew", c->name, set,
				 (int)(n_opened(w) - opened));
	}
}

static void change_is_made_under_traffic(void **state)
{
	const struct change *c = *state;
	static const int all[SETS] = ALL;
	struct world *w = world_run(c->setup);

	wait_known(w);
	set_dial(w, SET_1, "consumer-1", 80);
	set_dial(w, SET_2, "consumer-2", 80);
	set_dial(w, SET_DECODE, "consumer-1", 8080);
	world_until(sets_are(w, all));
	c->edit(world_conf(w));
	world_write(w, NULL);
	kill(getpid(), SIGHUP);
	/* A target's end comes with the sweep of a plan of its own. */
	world_until(cv_ctr_get(&cv_dp_stats(world_dp(w))[0]->swept_gen) == 2);
	world_until(c->setup != drains_at_once || sets_are(w, c->left));
	sets_expect(w, c, c->left);
	wait_known(w);
	dial_again(w, c);
	world_destroy(w);
}

/* A test for each change, by its name. */
int main(void)
{
	struct CMUnitTest tests[CV_ARRAY_LEN(changes)];

	for (size_t i = 0; i < CV_ARRAY_LEN(changes); i++)
		tests[i] = (struct CMUnitTest){
			.name = changes[i].name,
			.test_func = change_is_made_under_traffic,
			.initial_state = (void *)(uintptr_t)&changes[i],
		};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
