/* SPDX-License-Identifier: BSD-3-Clause */

/* Control at work: workers, a wire, questions from another thread. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"

/* Ports and targets of config/quickstart.json. */
enum { PROV, C1, C2, C3, C4 };

static const uint8_t mac_1[6] = {2, 0, 0, 0, 0, 0x21};
static const uint8_t mac_2[6] = {2, 0, 0, 0, 0, 0x22};
static const uint8_t mac_3[6] = {2, 0, 0, 0, 0, 0x31};
static const uint8_t mac_new[6] = {2, 0, 0, 0, 0, 0x99};

static const char *text_at(json_t *root, const char *path)
{
	const char *text = json_string_value(at(root, path));

	if (text == NULL)
		fail_msg("no text at %s", path);
	return text;
}

static json_int_t number_at(json_t *root, const char *path)
{
	if (!json_is_integer(at(root, path)))
		fail_msg("no number at %s", path);
	return json_integer_value(at(root, path));
}

/* A world whose three targets answer, running, with all of them known. */
static struct world *start(void (*edit)(json_t *conf))
{
	struct world *w = world_create(edit);

	world_station(w, PROV, "10.0.1.21", mac_1, true);
	world_station(w, PROV, "10.0.2.22", mac_2, true);
	world_station(w, PROV, "10.0.1.31", mac_3, true);
	world_start(w);
	return w;
}

/* Text of one member of the element of a list whose `key` is `value`, in an answer; freed by next call. */
static const char *lookup(struct world *w, const char *what, const char *list, const char *key,
			  const char *value, const char *member)
{
	static char found[128];
	json_t *root = world_show_all(w, what), *item;
	size_t i;

	found[0] = '\0';
	json_array_foreach(at(root, list), i, item)
	{
		json_t *got = json_object_get(item, member);

		if (strcmp(text_at(item, key), value) != 0)
			continue;
		if (json_is_string(got))
			snprintf(found, sizeof(found), "%s", json_string_value(got));
		else if (json_is_integer(got))
			snprintf(found, sizeof(found), "%lld", (long long)json_integer_value(got));
	}
	json_decref(root);
	return found;
}

static const char *neighbour(struct world *w, const char *ip, const char *member)
{
	return lookup(w, "neighbours", "neighbours", "ip", ip, member);
}

static char *vpc_id(struct world *w, const char *name)
{
	return strdup(lookup(w, "vpcs", "vpcs", "name", name, "id"));
}

/* Dial n times from one consumer's VPC. */
static void dial(struct world *w, uint16_t port, const char *vpc, const char *eni, unsigned int n)
{
	char *id = vpc_id(w, vpc);

	for (unsigned int i = 0; i < n; i++)
		world_syn(w, port, id, (uint16_t)(20000 + i), eni, 80);
	free(id);
}

static void wait_known(struct world *w)
{
	world_until(strcmp(neighbour(w, "10.0.1.21", "state"), "reachable") == 0);
	world_until(strcmp(neighbour(w, "10.0.2.22", "state"), "reachable") == 0);
	world_until(strcmp(neighbour(w, "10.0.1.31", "state"), "reachable") == 0);
}

/* ---- ARP ---- */

static void addresses_are_announced_three_times_and_targets_asked(void **state)
{
	static const struct {
		uint16_t port;
		const char *ip;
	} ours[] = {
		{PROV, "10.0.1.10"}, {PROV, "10.0.2.10"}, {C1, "172.16.1.10"}, {C1, "172.16.2.10"},
		{C2, "172.16.1.10"}, {C2, "172.16.2.10"}, {C3, "172.16.1.10"}, {C4, "172.16.1.10"},
	};
	struct world *w = start(NULL);
	unsigned int n_asked;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(ours); i++)
		world_until(world_seen(w, ours[i].port, ours[i].ip).n_announced >= 1);
	wait_known(w);
	assert_string_equal(neighbour(w, "10.0.2.22", "mac"), "02:00:00:00:00:22");
	assert_string_equal(neighbour(w, "10.0.2.22", "vpc"), "provider");
	n_asked = world_seen(w, PROV, "10.0.1.21").n_asked;
	assert_true(n_asked >= 1);
	for (size_t i = 0; i < CV_ARRAY_LEN(ours); i++)
		world_until(world_seen(w, ours[i].port, ours[i].ip).n_announced == 3);
	usleep(2200000); /* longer than any gap: no fourth time */
	assert_int_equal(world_seen(w, PROV, "10.0.1.21").n_asked, n_asked);
	for (size_t i = 0; i < CV_ARRAY_LEN(ours); i++)
		assert_int_equal(world_seen(w, ours[i].port, ours[i].ip).n_announced, 3);
	world_destroy(w);
}

static void silent_target_is_asked_until_it_answers_and_followed_when_it_moves(void **state)
{
	struct world *w = world_create(NULL);

	(void)state;
	world_start(w);
	world_until(world_seen(w, PROV, "10.0.1.21").n_asked >= 4);
	assert_string_equal(neighbour(w, "10.0.1.21", "state"), "unresolved");
	assert_string_equal(neighbour(w, "10.0.1.21", "mac"), "");
	world_station(w, PROV, "10.0.1.21", mac_1, true);
	world_until(strcmp(neighbour(w, "10.0.1.21", "state"), "reachable") == 0);
	world_arp(w, PROV, "10.0.1.21", mac_new);
	world_until(strcmp(neighbour(w, "10.0.1.21", "mac"), "02:00:00:00:00:99") == 0);
	/* A stranger is not learned. */
	world_arp(w, PROV, "10.0.1.77", mac_new);
	world_arp(w, C1, "10.0.1.21", mac_1);
	usleep(300000);
	assert_string_equal(neighbour(w, "10.0.1.77", "state"), "");
	assert_string_equal(neighbour(w, "10.0.1.21", "mac"), "02:00:00:00:00:99");
	/* Workers forward to what control has learned. */
	dial(w, C1, "consumer-1", "172.16.1.10", 1);
	world_until(world_seen(w, PROV, "10.0.1.21").n_tcp == 1);
	assert_memory_equal(world_seen(w, PROV, "10.0.1.21").tcp_mac, mac_new, 6);
	world_arp(w, PROV, "10.0.1.21", mac_1);
	world_until(strcmp(neighbour(w, "10.0.1.21", "mac"), "02:00:00:00:00:21") == 0);
	world_arp(w, PROV, "10.0.1.77", mac_new);
	usleep(300000);
	dial(w, C1, "consumer-1", "172.16.1.10", 2);
	world_until(world_seen(w, PROV, "10.0.1.21").n_tcp == 3);
	assert_memory_equal(world_seen(w, PROV, "10.0.1.21").tcp_mac, mac_1, 6);
	world_destroy(w);
}

/* ---- show ---- */

static void every_answer_has_its_list(void **state)
{
	static const struct {
		const char *what, *list;
		size_t n;
	} cases[] = {
		{"ports", "ports", 0},
		{"vpcs", "vpcs", 5},
		{"load-balancers", "load_balancers", 1},
		{"targets", "target_groups", 2},
		{"services", "services", 1},
		{"endpoints", "endpoints", 4},
		{"flows", "flows", 0},
		{"snat", "pools", 4},
		{"drops", "drops", CV_DROP_N - 1},
		{"drops", "events", CV_EV_N},
		{"workers", "workers", 1},
		{"neighbours", "neighbours", 3},
		{"config", "warnings", 0},
	};
	struct world *w = start(NULL);
	size_t n_whats = 0;

	(void)state;
	for (const char *const *what = cv_ctl_whats(); *what != NULL; what++) {
		json_t *root = world_show_all(w, *what);
		bool found = false;

		for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
			if (strcmp(cases[i].what, *what) != 0)
				continue;
			assert_true(json_is_array(at(root, cases[i].list)));
			assert_int_equal(json_array_size(at(root, cases[i].list)), cases[i].n);
			found = true;
		}
		assert_true(found);
		json_decref(root);
		n_whats++;
	}
	assert_int_equal(n_whats, 12);
	world_destroy(w);
}

static void resources_are_shown_as_configured(void **state)
{
	struct world *w = start(NULL);
	json_t *root;

	(void)state;
	root = world_show_all(w, "vpcs");
	assert_string_equal(text_at(root, "vpcs.2.name"), "consumer-2");
	assert_string_equal(text_at(root, "vpcs.2.owner"), "333333333333");
	assert_string_equal(text_at(root, "vpcs.2.cidrs.0"), "172.16.0.0/16");
	assert_string_equal(text_at(root, "vpcs.2.port"), "c2");
	assert_true(json_is_null(at(root, "vpcs.2.vlan")));
	/* One account's zone names are not another's. */
	assert_string_equal(text_at(root, "vpcs.2.subnets.0.az_name"), "us-east-1a");
	assert_string_equal(text_at(root, "vpcs.2.subnets.0.az_id"), "use1-az2");
	assert_int_equal(json_array_size(at(root, "vpcs.2.subnets")), 2);
	assert_int_equal(number_at(root, "vpcs.2.mtu"), 1500);
	json_decref(root);

	root = world_show_all(w, "load-balancers");
	assert_string_equal(text_at(root, "load_balancers.0.name"), "web");
	assert_string_equal(text_at(root, "load_balancers.0.service"), "web");
	assert_true(json_is_false(at(root, "load_balancers.0.cross_zone")));
	assert_string_equal(text_at(root, "load_balancers.0.nodes.1.ips.0"), "10.0.2.10");
	assert_string_equal(text_at(root, "load_balancers.0.nodes.1.az_id"), "use1-az2");
	assert_int_equal(number_at(root, "load_balancers.0.listeners.1.port"), 8080);
	assert_string_equal(text_at(root, "load_balancers.0.listeners.1.target_group"), "decode");
	assert_int_equal(number_at(root, "load_balancers.0.listeners.1.idle_seconds"), 350);
	json_decref(root);

	root = world_show_all(w, "targets");
	assert_string_equal(text_at(root, "target_groups.0.targets.1.target"), "10.0.2.22:80");
	assert_string_equal(text_at(root, "target_groups.0.targets.1.az_id"), "use1-az2");
	assert_string_equal(text_at(root, "target_groups.0.targets.1.next_hop"), "10.0.2.22");
	assert_true(json_is_true(at(root, "target_groups.0.proxy_protocol_v2")));
	assert_string_equal(text_at(root, "target_groups.0.header_placement"),
			    "on_first_ack_with_payload");
	json_decref(root);

	root = world_show_all(w, "services");
	assert_int_equal(strncmp(text_at(root, "services.0.service_name"),
				 "com.amazonaws.vpce.us-east-1.vpce-svc-", 38),
			 0);
	assert_string_equal(text_at(root, "services.0.principals.1"),
			    "arn:aws:iam::333333333333:role/network");
	assert_true(json_is_true(at(root, "services.0.acceptance_required")));
	assert_int_equal(number_at(root, "services.0.endpoints.available"), 2);
	assert_int_equal(number_at(root, "services.0.endpoints.pendingAcceptance"), 1);
	assert_int_equal(number_at(root, "services.0.endpoints.rejected"), 1);
	json_decref(root);
	world_destroy(w);
}

static void endpoints_say_why_packets_are_dropped(void **state)
{
	struct world *w = start(NULL);
	json_t *root;

	(void)state;
	wait_known(w);
	dial(w, C1, "consumer-1", "172.16.1.10", 2);
	dial(w, C3, "consumer-3", "172.16.1.10", 3);
	dial(w, C4, "consumer-4", "172.16.1.10", 4);
	world_until(strcmp(lookup(w, "endpoints", "endpoints", "name", "consumer-4", "drops"),
			   "4") == 0);
	root = world_show_all(w, "endpoints");
	assert_string_equal(text_at(root, "endpoints.0.state"), "available");
	assert_string_equal(text_at(root, "endpoints.0.verdict"), "forward");
	assert_int_equal(number_at(root, "endpoints.0.drops"), 0);
	assert_int_equal(number_at(root, "endpoints.0.new_flows"), 2);
	assert_int_equal(number_at(root, "endpoints.0.active_flows"), 2);
	assert_int_equal(number_at(root, "endpoints.0.packets_to_target"), 2);
	assert_int_equal(number_at(root, "endpoints.0.bytes_to_target"), 80);
	assert_string_equal(text_at(root, "endpoints.0.owner"), "222222222222");
	assert_string_equal(text_at(root, "endpoints.0.enis.1.ip"), "172.16.2.10");
	assert_string_equal(text_at(root, "endpoints.0.enis.1.az_id"), "use1-az2");
	assert_string_equal(text_at(root, "endpoints.0.enis.1.az_name"), "us-east-1b");
	assert_string_equal(text_at(root, "endpoints.0.enis.1.node_ip"), "10.0.2.10");
	assert_int_equal(strncmp(text_at(root, "endpoints.0.enis.1.id"), "eni-", 4), 0);
	/* The other account's us-east-1a is another zone. */
	assert_string_equal(text_at(root, "endpoints.1.enis.0.az_id"), "use1-az2");
	assert_string_equal(text_at(root, "endpoints.2.state"), "rejected");
	assert_string_equal(text_at(root, "endpoints.2.verdict"), "endpoint_rejected");
	assert_int_equal(number_at(root, "endpoints.2.drops"), 3);
	assert_string_equal(text_at(root, "endpoints.3.state"), "pendingAcceptance");
	assert_string_equal(text_at(root, "endpoints.3.verdict"), "endpoint_pending");
	json_decref(root);
	assert_string_equal(lookup(w, "drops", "drops", "reason", "endpoint_pending", "packets"),
			    "4");
	assert_string_equal(lookup(w, "drops", "drops", "reason", "endpoint_rejected", "packets"),
			    "3");
	assert_string_equal(lookup(w, "drops", "events", "event", "new_flows", "count"), "2");
	world_destroy(w);
}

static size_t n_shown(struct world *w, const struct cv_ctl_query *query, const char *list)
{
	json_t *root = world_show(w, query);
	size_t n = json_array_size(at(root, list));

	json_decref(root);
	return n;
}

static void endpoints_are_filtered(void **state)
{
	struct world *w = start(NULL);
	struct cv_ctl_query query = {.what = "endpoints", .endpoint = "consumer-2"};
	char *id = strdup(lookup(w, "endpoints", "endpoints", "name", "consumer-3", "id"));

	(void)state;
	assert_int_equal(n_shown(w, &query, "endpoints"), 1);
	query.endpoint = id;
	assert_int_equal(n_shown(w, &query, "endpoints"), 1);
	query.state = "available";
	assert_int_equal(n_shown(w, &query, "endpoints"), 0);
	query.endpoint = NULL;
	assert_int_equal(n_shown(w, &query, "endpoints"), 2);
	query = (struct cv_ctl_query){.what = "snat", .target = "10.0.1.31:8080"};
	assert_int_equal(n_shown(w, &query, "pools"), 2);
	free(id);
	world_destroy(w);
}

static void two_workers(json_t *conf)
{
	json_object_set_new(json_object_get(conf, "dpdk"), "workers", json_integer(2));
}

static void flows_are_listed_filtered_and_limited(void **state)
{
	struct world *w = start(two_workers);
	struct cv_ctl_query query = {.what = "flows"};
	json_t *root;

	(void)state;
	wait_known(w);
	dial(w, C1, "consumer-1", "172.16.1.10", 50);
	dial(w, C2, "consumer-2", "172.16.1.10", 30);
	world_until(n_shown(w, &query, "flows") == 80);
	query.endpoint = "consumer-1";
	assert_int_equal(n_shown(w, &query, "flows"), 50);
	query.target = "10.0.1.21:80";
	assert_int_equal(n_shown(w, &query, "flows"), 50);
	query.target = "10.0.2.22:80";
	assert_int_equal(n_shown(w, &query, "flows"), 0);
	query.endpoint = NULL;
	assert_int_equal(n_shown(w, &query, "flows"), 30);
	query.target = NULL;
	query.state = "established";
	assert_int_equal(n_shown(w, &query, "flows"), 0);
	query.state = "syn_sent";
	query.limit = 17;
	root = world_show(w, &query);
	assert_int_equal(json_array_size(at(root, "flows")), 17);
	assert_int_equal(number_at(root, "listed"), 17);
	assert_int_equal(number_at(root, "matched"), 80);
	assert_string_equal(text_at(root, "flows.0.state"), "syn_sent");
	assert_int_equal(strncmp(text_at(root, "flows.0.client"), "172.16.1.50:2", 13), 0);
	assert_string_equal(text_at(root, "flows.0.dialled"), "172.16.1.10:80");
	assert_int_equal(strncmp(text_at(root, "flows.0.endpoint"), "vpce-", 5), 0);
	assert_string_equal(text_at(root, "flows.0.target_vpc"), "provider");
	assert_string_equal(text_at(root, "flows.0.proxy_header"), "outstanding");
	assert_int_equal(number_at(root, "flows.0.proxy_header_bytes"), 100);
	assert_string_equal(text_at(root, "flows.0.client_mac"), "02:00:00:00:00:00");
	json_decref(root);
	query = (struct cv_ctl_query){.what = "flows", .endpoint = "direct"};
	assert_int_equal(n_shown(w, &query, "flows"), 0);
	world_destroy(w);
}

/* One server in two groups, by two listeners. */
static void twice_a_target(json_t *conf)
{
	json_array_append_new(json_object_get(conf, "target_groups"),
			      json_pack("{s:s, s:s, s:i, s:[{s:s}]}", "name", "again", "vpc",
					"provider", "port", 80, "targets", "ip", "10.0.2.22"));
	json_array_append_new(at(conf, "load_balancers.0.listeners"),
			      json_pack("{s:i, s:s}", "port", 81, "target_group", "again"));
}

static void target_in_two_groups_has_all_its_flows_listed(void **state)
{
	struct world *w = start(twice_a_target);
	struct cv_ctl_query query = {.what = "flows", .target = "10.0.2.22:80"};
	char *id;

	(void)state;
	wait_known(w);
	id = vpc_id(w, "consumer-2");
	dial(w, C2, "consumer-2", "172.16.1.10", 3);
	for (uint16_t i = 0; i < 4; i++)
		world_syn(w, C2, id, (uint16_t)(30000 + i), "172.16.1.10", 81);
	world_until(n_shown(w, &query, "flows") == 7);
	free(id);
	world_destroy(w);
}

static double real_at(json_t *root, const char *path)
{
	if (!json_is_real(at(root, path)))
		fail_msg("no real number at %s", path);
	return json_real_value(at(root, path));
}

static atomic_bool dial_enough;

/* Dial until it is enough. */
static void *dial_on(void *arg)
{
	atomic_store(&dial_enough, false);
	while (!atomic_load(&dial_enough)) {
		dial(arg, C4, "consumer-4", "172.16.1.10", 10);
		usleep(5000);
	}
	return NULL;
}

static void workers_are_looked_at(void **state)
{
	struct world *w = start(two_workers);
	json_t *root = NULL;

	(void)state;
	/* Packets all the time, so that the last second had some. */
	world_until((dial(w, C4, "consumer-4", "172.16.1.10", 1), json_decref(root),
		     root = world_show_all(w, "workers"),
		     json_real_value(at(root, "workers.0.busy")) > 0));
	assert_true(json_real_value(at(root, "workers.0.cycles_per_packet")) > 0);
	assert_true(json_real_value(at(root, "workers.0.packets_per_second")) > 0);
	assert_int_equal(json_array_size(at(root, "workers")), 2);
	assert_int_equal(number_at(root, "workers.1.generation"), 1);
	assert_int_equal(number_at(root, "workers.1.flows"), 0);
	assert_true(number_at(root, "workers.0.packets") > 0);
	assert_true(json_real_value(at(root, "workers.0.busy")) < 1);
	json_decref(root);
	world_destroy(w);
}

/* ---- cycles by stage ---- */

static void stages_cost_what_they_cost(void **state)
{
	const struct cv_ctl_query query = {.what = "workers", .stages = true};
	struct world *w = start(two_workers);
	pthread_t dialler;
	double sum = 0, shares = 0;
	json_t *root, *stage;
	size_t i;

	(void)state;
	wait_known(w);
	assert_int_equal(pthread_create(&dialler, NULL, dial_on, w), 0);
	root = world_show(w, &query);
	atomic_store(&dial_enough, true);
	pthread_join(dialler, NULL);
	assert_true(real_at(root, "seconds") >= 1 && real_at(root, "seconds") < 1.5);
	assert_true(number_at(root, "tsc_hz") > 0);
	assert_int_equal(json_array_size(at(root, "workers")), 2);
	assert_true(number_at(root, "workers.0.packets") > 0);
	assert_true(real_at(root, "workers.0.busy") > 0 && real_at(root, "workers.0.busy") < 1);
	assert_int_equal(json_array_size(at(root, "workers.0.stages")), CV_STAGE_N);
	json_array_foreach(at(root, "workers.0.stages"), i, stage)
	{
		assert_string_equal(text_at(stage, "stage"), cv_stage_name((enum cv_stage)i));
		assert_string_equal(text_at(stage, "help"), cv_stage_help((enum cv_stage)i));
		assert_true(real_at(stage, "cycles_per_packet") > 0);
		sum += real_at(stage, "cycles_per_packet");
		shares += real_at(stage, "share");
	}
	assert_true(fabs(sum / real_at(root, "workers.0.cycles_per_packet") - 1) < 1e-9);
	assert_true(fabs(shares - 1) < 1e-9);
	json_decref(root);
	world_destroy(w);
}

static bool has_note(json_t *root, const char *text)
{
	json_t *note;
	size_t i;

	json_array_foreach(at(root, "notes"), i, note)
	{
		if (strcmp(json_string_value(note), text) == 0)
			return true;
	}
	return false;
}

static void stages_without_packets_have_no_cost(void **state)
{
	const struct cv_ctl_query query = {.what = "workers", .stages = true, .seconds = 1};
	struct world *w = start(two_workers);
	json_t *root;

	(void)state;
	/* Announcements are through, and targets known: silence. */
	wait_known(w);
	usleep(3000000);
	root = world_show(w, &query);
	assert_int_equal(number_at(root, "workers.1.packets"), 0);
	assert_true(json_is_null(at(root, "workers.1.cycles_per_packet")));
	assert_true(json_is_null(at(root, "workers.1.instructions_per_packet")));
	assert_int_equal(json_array_size(at(root, "workers.1.stages")), 0);
	assert_true(has_note(root, "worker 1: no packets within 1.0 s"));
	json_decref(root);
	world_destroy(w);
}

/* What the kernel says to perf_event_open(): an error, or 0 for counters that stand here. */
static atomic_int perf_errno;
static atomic_int perf_n_opened;

/* Stands before libc's. A counter is a file here, whose words are read one after the other. */
long syscall(long number, ...)
{
	static const uint64_t words[] = {1000, 1001000};
	int fd;

	if (number != SYS_perf_event_open) {
		long (*real)(long, ...) = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
		long args[6];
		va_list ap;

		va_start(ap, number);
		for (size_t i = 0; i < CV_ARRAY_LEN(args); i++)
			args[i] = va_arg(ap, long);
		va_end(ap);
		return real(number, args[0], args[1], args[2], args[3], args[4], args[5]);
	}
	if (atomic_load(&perf_errno) != 0) {
		errno = atomic_load(&perf_errno);
		return -1;
	}
	fd = memfd_create("counter", 0);
	cv_assert(write(fd, words, sizeof(words)) == sizeof(words) && lseek(fd, 0, SEEK_SET) == 0);
	atomic_fetch_add(&perf_n_opened, 1);
	return fd;
}

static int fds_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void instructions_are_counted_or_it_is_said_why_not(void **state)
{
	static const struct {
		int err;
		const char *note;
	} cases[] = {
		{ENOENT, "instructions: this machine has no hardware counters"},
		{EACCES, "instructions: the kernel does not let culvertd count them"},
		{ESRCH, "instructions: they cannot be counted: No such process"},
		{0, NULL},
	};
	const struct cv_ctl_query query = {.what = "workers", .stages = true};
	struct world *w = start(NULL);
	int n_fds = fds_open(), n_opened = atomic_load(&perf_n_opened);
	pthread_t dialler;

	(void)state;
	wait_known(w);
	assert_int_equal(pthread_create(&dialler, NULL, dial_on, w), 0);
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		json_t *root, *instr;

		atomic_store(&perf_errno, cases[i].err);
		root = world_show(w, &query);
		instr = at(root, "workers.0.instructions_per_packet");
		if (cases[i].err != 0) {
			assert_true(json_is_null(instr));
			assert_true(has_note(root, cases[i].note));
		} else {
			double n = real_at(root, "workers.0.instructions_per_packet") *
				   (double)number_at(root, "workers.0.packets");

			assert_true(fabs(n / 1000000 - 1) < 1e-9);
			assert_int_equal(json_array_size(at(root, "notes")), 0);
		}
		json_decref(root);
	}
	assert_int_equal(atomic_load(&perf_n_opened), n_opened + 1);
	atomic_store(&perf_errno, ENOENT);
	atomic_store(&dial_enough, true);
	pthread_join(dialler, NULL);
	world_until(fds_open() == n_fds);
	world_destroy(w);
}

static void *ask_stages(void *arg)
{
	const struct cv_ctl_query query = {.what = "workers", .stages = true};
	json_t *root = world_show(arg, &query);

	cv_assert(real_at(root, "seconds") >= 1 && real_at(root, "seconds") < 1.5);
	json_decref(root);
	return NULL;
}

/* Tells whether worker 0 counts by stage. */
static bool is_counting(struct world *w)
{
	const struct cv_stats *stats = cv_dp_stats(world_dp(w))[0];
	uint64_t before = cv_ctr_get(&stats->stage_pkts), busy = cv_ctr_get(&stats->busy_pkts);

	dial(w, C4, "consumer-4", "172.16.1.10", 1);
	world_until(cv_ctr_get(&stats->busy_pkts) > busy);
	return cv_ctr_get(&stats->stage_pkts) > before;
}

static void stages_are_off_but_while_somebody_asks(void **state)
{
	struct world *w = start(NULL);
	pthread_t first, second;
	uint64_t begin;

	(void)state;
	wait_known(w);
	assert_false(is_counting(w));
	/* The second asks while the first waits, and control answers others meanwhile. */
	begin = cv_clock_ms();
	pthread_create(&first, NULL, ask_stages, w);
	usleep(500000);
	pthread_create(&second, NULL, ask_stages, w);
	json_decref(world_show_all(w, "config"));
	assert_true(cv_clock_ms() - begin < 900);
	world_until(is_counting(w));
	pthread_join(first, NULL);
	assert_true(is_counting(w));
	pthread_join(second, NULL);
	assert_true(cv_clock_ms() - begin < 2500);
	usleep(50000);
	assert_false(is_counting(w));
	world_destroy(w);
}

static void *ask_stages_for_long(void *arg)
{
	const struct cv_ctl_query query = {.what = "workers", .stages = true, .seconds = 10};
	struct cv_ctl_reply reply = {0};
	intptr_t ret = cv_ctl_show(world_ctl(arg), &query, &reply);

	cv_assert(reply.text == NULL);
	return (void *)ret;
}

static void stages_end_with_control(void **state)
{
	struct world *w = start(NULL);
	uint64_t begin = cv_clock_ms();
	pthread_t asker;
	void *ret;

	(void)state;
	pthread_create(&asker, NULL, ask_stages_for_long, w);
	world_until(is_counting(w));
	cv_ctl_stop(world_ctl(w));
	pthread_join(asker, &ret);
	assert_int_equal((intptr_t)ret, -ECANCELED);
	assert_true(cv_clock_ms() - begin < 9000);
	world_destroy(w);
}

static void stages_wait_for_room_in_the_workers_rings(void **state)
{
	struct world *w = world_create(NULL);
	pthread_t asker;

	(void)state;
	while (cv_dp_stages_set(world_dp(w), false) == 0)
		;
	assert_int_equal(cv_dp_stages_set(world_dp(w), true), -EAGAIN);
	pthread_create(&asker, NULL, ask_stages, w);
	world_start(w);
	pthread_join(asker, NULL);
	world_destroy(w);
}

static void *ask_flows(void *arg)
{
	json_decref(world_show_all(arg, "flows"));
	return NULL;
}

static void several_listings_wait_for_each_other(void **state)
{
	struct world *w = start(NULL);
	pthread_t threads[12];

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, ask_flows, w);
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	world_destroy(w);
}

/* ---- refusals ---- */

static void refused(struct world *w, const struct cv_ctl_query *query, int want, const char *text)
{
	struct cv_ctl_reply reply = {0};

	assert_int_equal(cv_ctl_show(world_ctl(w), query, &reply), want);
	assert_non_null(reply.text);
	assert_int_equal(strlen(reply.text), reply.len);
	if (strstr(reply.text, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, reply.text);
	free(reply.text);
}

static void questions_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		struct cv_ctl_query query;
		int want;
		const char *text;
	} cases[] = {
		{{.what = "weather"}, -ENOENT, "weather: nothing to show has that name"},
		{{.what = "ports", .endpoint = "x"}, -EINVAL, "ports: does not take that filter"},
		{{.what = "snat", .limit = 3}, -EINVAL, "snat: does not take that filter"},
		{{.what = "endpoints", .target = "x"}, -EINVAL, "does not take that filter"},
		{{.what = "flows", .limit = CV_CTL_FLOWS_MAX + 1}, -EINVAL, "limit is too high"},
		{{.what = "flows", .stages = true}, -EINVAL, "flows: does not take that filter"},
		{{.what = "flows", .seconds = 1}, -EINVAL, "flows: does not take that filter"},
		{{.what = "workers", .seconds = 1}, -EINVAL, "seconds go with stages only"},
		{{.what = "workers", .stages = true, .seconds = CV_CTL_STAGES_SECONDS_MAX + 1},
		 -EINVAL,
		 "so many seconds are too long"},
		{{.what = "flows", .endpoint = "nobody"}, -ENOENT, "there is no endpoint nobody"},
		{{.what = "endpoints", .endpoint = "nobody"},
		 -ENOENT,
		 "there is no endpoint nobody"},
		{{.what = "flows", .target = "10.9.9.9:9"},
		 -ENOENT,
		 "there is no target 10.9.9.9:9"},
		{{.what = "flows", .state = "happy"}, -EINVAL, "happy is none of syn_sent"},
		{{.what = "endpoints", .state = "happy"}, -EINVAL, "none of pendingAcceptance"},
	};
	struct world *w = start(NULL);

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++)
		refused(w, &cases[i].query, cases[i].want, cases[i].text);
	world_destroy(w);
}

static void *ask_silent(void *arg)
{
	const struct cv_ctl_query query = {.what = "config"};
	struct cv_ctl_reply reply = {0};
	intptr_t ret = cv_ctl_show(world_ctl(arg), &query, &reply);

	cv_assert(reply.text == NULL);
	return (void *)ret;
}

static void control_that_does_not_answer_is_noticed(void **state)
{
	struct world *w = world_create(NULL);
	const struct cv_ctl_query query = {.what = "config"};
	struct cv_ctl_reply reply = {0};
	pthread_t threads[40];
	int n_full = 0;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, ask_silent, w);
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++) {
		void *ret;

		pthread_join(threads[i], &ret);
		assert_true((intptr_t)ret == -ETIMEDOUT || (intptr_t)ret == -EAGAIN);
		n_full += (intptr_t)ret == -EAGAIN;
	}
	assert_int_equal(n_full, 40 - 32);
	/* After the end, questions are refused at once. */
	world_start(w);
	world_until(cv_ctl_show(world_ctl(w), &query, &reply) == 0);
	free(reply.text);
	reply.text = NULL;
	cv_ctl_stop(world_ctl(w));
	world_until(cv_ctl_metrics(world_ctl(w), &reply) == -ECANCELED ||
		    (free(reply.text), false));
	world_destroy(w);
}

/* ---- the allocator of the answers fails ---- */

static atomic_long fail_in;

static void *failing_malloc(size_t size)
{
	if (atomic_load(&fail_in) > 0 && atomic_fetch_sub(&fail_in, 1) == 1)
		return NULL;
	return malloc(size);
}

static void answers_are_whole_or_fail(void **state)
{
	static const char *const sweep[] = {"vpcs",       "load-balancers", "targets", "services",
					    "endpoints",  "snat",           "flows",   "workers",
					    "neighbours", "config"};
	struct world *w = start(NULL);

	(void)state;
	wait_known(w);
	dial(w, C1, "consumer-1", "172.16.1.10", 3);
	usleep(100000);
	json_set_alloc_funcs(failing_malloc, free);
	for (size_t i = 0; i < CV_ARRAY_LEN(sweep); i++) {
		const struct cv_ctl_query query = {.what = sweep[i]};
		size_t n_full = 0;
		int ret = -ENOMEM;

		for (long n = 1; ret != 0; n++) {
			struct cv_ctl_reply reply = {0};

			atomic_store(&fail_in, n);
			ret = cv_ctl_show(world_ctl(w), &query, &reply);
			if (atomic_exchange(&fail_in, 0) > 0) {
				assert_int_equal(ret, 0); /* it was not reached: the end */
				n_full = reply.len;
			} else {
				if (ret != -ENOMEM)
					fail_msg("%s: allocation %ld: %d", sweep[i], n, ret);
				assert_null(reply.text);
				ret = -ENOMEM;
			}
			free(reply.text);
		}
		assert_true(n_full > 0);
	}
	/* Each try takes a second: two will do. */
	for (long n = 1; n <= 61; n += 60) {
		const struct cv_ctl_query query = {.what = "workers", .stages = true};
		struct cv_ctl_reply reply = {0};

		dial(w, C1, "consumer-1", "172.16.1.10", 1);
		atomic_store(&fail_in, n);
		assert_int_equal(cv_ctl_show(world_ctl(w), &query, &reply), -ENOMEM);
		assert_int_equal(atomic_load(&fail_in), 0);
		assert_null(reply.text);
	}
	json_set_alloc_funcs(malloc, free);
	world_destroy(w);
}

/* ---- signals ---- */

static void sighup_reloads_and_sigterm_ends(void **state)
{
	struct world *w = start(NULL);
	struct cv_ctl_reply reply = {0};
	char *summary;

	(void)state;
	wait_known(w);
	json_array_append_new(at(world_conf(w), "target_groups.0.targets"),
			      json_pack("{s:s}", "ip", "10.0.1.23"));
	world_station(w, PROV, "10.0.1.23", mac_new, true);
	world_write(w, NULL);
	kill(getpid(), SIGHUP);
	world_until(strcmp(neighbour(w, "10.0.1.23", "state"), "reachable") == 0);
	dial(w, C4, "consumer-4", "172.16.1.10", 1);
	usleep(50000);
	kill(getpid(), SIGTERM);
	world_until(cv_ctl_metrics(world_ctl(w), &reply) == -ECANCELED ||
		    (free(reply.text), false));
	summary = cv_ctl_summary(world_ctl(w));
	assert_non_null(
		strstr(summary, "generation 2: VPCs 5, load balancers 1, listeners 2, targets 4"));
	assert_non_null(strstr(summary, "endpoint_pending         1 (endpoint waits"));
	assert_null(strstr(summary, "endpoint_rejected"));
	free(summary);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_announced_three_times_and_targets_asked),
		cmocka_unit_test(
			silent_target_is_asked_until_it_answers_and_followed_when_it_moves),
		cmocka_unit_test(every_answer_has_its_list),
		cmocka_unit_test(resources_are_shown_as_configured),
		cmocka_unit_test(endpoints_say_why_packets_are_dropped),
		cmocka_unit_test(endpoints_are_filtered),
		cmocka_unit_test(flows_are_listed_filtered_and_limited),
		cmocka_unit_test(target_in_two_groups_has_all_its_flows_listed),
		cmocka_unit_test(workers_are_looked_at),
		cmocka_unit_test(stages_cost_what_they_cost),
		cmocka_unit_test(stages_without_packets_have_no_cost),
		cmocka_unit_test(instructions_are_counted_or_it_is_said_why_not),
		cmocka_unit_test(stages_are_off_but_while_somebody_asks),
		cmocka_unit_test(stages_end_with_control),
		cmocka_unit_test(stages_wait_for_room_in_the_workers_rings),
		cmocka_unit_test(several_listings_wait_for_each_other),
		cmocka_unit_test(questions_that_make_no_sense_are_refused),
		cmocka_unit_test(control_that_does_not_answer_is_noticed),
		cmocka_unit_test(answers_are_whole_or_fail),
		cmocka_unit_test(sighup_reloads_and_sigterm_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
