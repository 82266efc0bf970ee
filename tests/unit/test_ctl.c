/* SPDX-License-Identifier: BSD-3-Clause */

/* Control at work: workers, a wire, questions from another thread. */

#include <errno.h>
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
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"

static const uint8_t mac_1[6] = {2, 0, 0, 0, 0, 0x21};
static const uint8_t mac_2[6] = {2, 0, 0, 0, 0, 0x22};
static const uint8_t mac_new[6] = {2, 0, 0, 0, 0, 0x99};

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
	struct world *w = world_run(NULL);
	unsigned int n_asked;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(ours); i++)
		world_until(world_seen(w, ours[i].port, ours[i].ip).n_announced >= 1);
	wait_known(w);
	assert_string_equal(neighbour(w, "10.0.2.22", "mac"), "02:00:00:00:00:22");
	assert_string_equal(neighbour(w, "10.0.2.22", "vpc"), "provider");
	for (size_t i = 0; i < CV_ARRAY_LEN(ours); i++)
		world_until(world_seen(w, ours[i].port, ours[i].ip).n_announced == 3);
	/* One that was under way when the answer came is through by now. */
	n_asked = world_seen(w, PROV, "10.0.1.21").n_asked;
	assert_true(n_asked >= 1);
	usleep(2200000); /* longer than any gap: no fourth time */
	assert_int_equal(world_seen(w, PROV, "10.0.1.21").n_asked, n_asked);
	for (size_t i = 0; i < CV_ARRAY_LEN(ours); i++)
		assert_int_equal(world_seen(w, ours[i].port, ours[i].ip).n_announced, 3);
	world_destroy(w);
}

/* Dial; tells whether what goes to the first target is sent to that MAC. */
static bool is_sent_to(struct world *w, const uint8_t *mac)
{
	unsigned int n = world_seen(w, PROV, "10.0.1.21").n_tcp;

	dial(w, C1, "consumer-1", "172.16.1.10", 1);
	world_until(world_seen(w, PROV, "10.0.1.21").n_tcp > n);
	return memcmp(world_seen(w, PROV, "10.0.1.21").tcp_mac, mac, 6) == 0;
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
	/* It answers no more; what it has answered twice, on a slow machine, is heard before the rest. */
	world_station(w, PROV, "10.0.1.21", mac_1, false);
	world_settle(w);
	world_arp(w, PROV, "10.0.1.21", mac_new);
	world_until(strcmp(neighbour(w, "10.0.1.21", "mac"), "02:00:00:00:00:99") == 0);
	/* A stranger is not learned: nor is it once what came after it has been. */
	world_arp(w, PROV, "10.0.1.77", mac_new);
	world_arp(w, C1, "10.0.1.21", mac_1);
	world_station(w, PROV, "10.0.2.22", mac_2, false);
	world_arp(w, PROV, "10.0.2.22", mac_2);
	world_until(strcmp(neighbour(w, "10.0.2.22", "state"), "reachable") == 0);
	assert_string_equal(neighbour(w, "10.0.1.77", "state"), "");
	assert_string_equal(neighbour(w, "10.0.1.21", "mac"), "02:00:00:00:00:99");
	/* Workers forward to what control has learned, soon. */
	world_until(is_sent_to(w, mac_new));
	world_arp(w, PROV, "10.0.1.77", mac_new);
	world_arp(w, PROV, "10.0.1.21", mac_1);
	world_until(strcmp(neighbour(w, "10.0.1.21", "mac"), "02:00:00:00:00:21") == 0);
	world_until(is_sent_to(w, mac_1));
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
		{"host", "namespaces", 0},
		{"config", "warnings", 0},
		{"dns", "servers", 0},
		{"steering", "steering", 0},
		{"state", "stores", 1},
		{"state", "left_out", 0},
	};
	struct world *w = world_run(NULL);
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
	assert_true(n_whats >= 15);
	world_destroy(w);
}

static void resources_are_shown_as_configured(void **state)
{
	struct world *w = world_run(NULL);
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
	struct world *w = world_run(NULL);
	json_t *root;

	(void)state;
	wait_known(w);
	dial(w, C1, "consumer-1", "172.16.1.10", 2);
	dial(w, C3, "consumer-3", "172.16.1.10", 3);
	dial(w, C4, "consumer-4", "172.16.1.10", 4);
	world_settle(w);
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
	assert_int_equal(number_at(root, "endpoints.2.drops_by_reason.endpoint_rejected"), 3);
	assert_int_equal(json_object_size(at(root, "endpoints.2.drops_by_reason")), 1);
	assert_int_equal(json_object_size(at(root, "endpoints.0.drops_by_reason")), 0);
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

static void available_endpoint_says_why_packets_are_dropped(void **state)
{
	struct world *w = world_run(two_workers);
	char *id = vpc_id(w, "consumer-1");
	json_t *root;

	(void)state;
	for (uint16_t i = 0; i < 20; i++)
		world_syn(w, C1, id, (uint16_t)(30000 + i), "172.16.1.10", 81);
	world_settle(w);
	root = world_show_all(w, "endpoints");
	assert_string_equal(text_at(root, "endpoints.0.verdict"), "forward");
	assert_int_equal(number_at(root, "endpoints.0.drops_by_reason.no_listener"), 20);
	json_decref(root);
	free(id);
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
	struct world *w = world_run(NULL);
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

static void flows_are_listed_filtered_and_limited(void **state)
{
	struct world *w = world_run(two_workers);
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
	struct world *w = world_run(twice_a_target);
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

static void workers_are_looked_at(void **state)
{
	struct world *w = world_run(two_workers);
	json_t *root = NULL;

	(void)state;
	/*
	 * Packets all the time, so that the last second had some. Counters are read while they
	 * grow: cycles may be there a look before their packet.
	 */
	world_until((dial(w, C4, "consumer-4", "172.16.1.10", 1), json_decref(root),
		     root = world_show_all(w, "workers"),
		     json_real_value(at(root, "workers.0.busy")) > 0 &&
			     json_real_value(at(root, "workers.0.busy")) < 1 &&
			     json_real_value(at(root, "workers.0.cycles_per_packet")) > 0 &&
			     json_real_value(at(root, "workers.0.packets_per_second")) > 0 &&
			     number_at(root, "workers.1.generation") == 1));
	assert_int_equal(json_array_size(at(root, "workers")), 2);
	assert_int_equal(number_at(root, "workers.1.flows"), 0);
	assert_true(number_at(root, "workers.0.packets") > 0);
	json_decref(root);
	world_destroy(w);
}

static void *ask_flows(void *arg)
{
	json_decref(world_show_all(arg, "flows"));
	return NULL;
}

static void several_listings_wait_for_each_other(void **state)
{
	struct world *w = world_run(NULL);
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
	struct world *w = world_run(NULL);

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++)
		refused(w, &cases[i].query, cases[i].want, cases[i].text);
	world_destroy(w);
}

/* Two more than may wait (CTL_QUEUE_MAX). */
#define N_SILENT (1024 + 2)
/* What control has to answer in, and a second for what is cut off it. */
#define ANSWER_SECONDS (5 + 1)

/* Who asks while control does not answer: its time is over once all others have asked as well. */
static _Thread_local bool is_silent, is_counted;
static atomic_uint n_silent;

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *at);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *at);

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *at)
{
	struct timespec soon;

	if (!is_silent)
		return __real_pthread_cond_timedwait(cond, lock, at);
	if (!is_counted)
		atomic_fetch_add(&n_silent, 1);
	is_counted = true;
	clock_gettime(CLOCK_MONOTONIC, &soon);
	cv_assert(at->tv_sec <= soon.tv_sec + ANSWER_SECONDS);
	soon.tv_nsec += 100000000;
	soon.tv_sec += soon.tv_nsec / 1000000000;
	soon.tv_nsec %= 1000000000;
	(void)__real_pthread_cond_timedwait(cond, lock, &soon);
	return atomic_load(&n_silent) == N_SILENT ? ETIMEDOUT : 0;
}

static void *ask_silent(void *arg)
{
	const struct cv_ctl_query query = {.what = "config"};
	struct cv_ctl_reply reply = {0};
	intptr_t ret;

	is_silent = true;
	ret = cv_ctl_show(world_ctl(arg), &query, &reply);
	cv_assert(reply.text == NULL);
	if (!is_counted)
		atomic_fetch_add(&n_silent, 1); /* it was refused at once */
	return (void *)ret;
}

static void control_that_does_not_answer_is_noticed(void **state)
{
	struct world *w = world_create(NULL);
	const struct cv_ctl_query query = {.what = "config"};
	struct cv_ctl_reply reply = {0};
	/* On stacks that a thousand threads can have. */
	static pthread_t threads[N_SILENT];
	pthread_attr_t attr;
	int n_full = 0;

	(void)state;
	atomic_store(&n_silent, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], &attr, ask_silent, w), 0);
	pthread_attr_destroy(&attr);
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++) {
		void *ret;

		pthread_join(threads[i], &ret);
		assert_true((intptr_t)ret == -ETIMEDOUT || (intptr_t)ret == -EAGAIN);
		n_full += (intptr_t)ret == -EAGAIN;
	}
	assert_int_equal(n_full, 2);
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

static bool has_flows(struct world *w, size_t n)
{
	json_t *root = world_show_all(w, "flows");
	size_t n_got = json_array_size(at(root, "flows"));

	json_decref(root);
	return n_got == n;
}

/*
 * Asks with the n-th allocation failing. Control makes other things, too: where one of them failed in its
 * place, asks again.
 * @return as cv_ctl_show(); *ret_is_reached tells whether there were so many
 */
static int ask_failing(struct world *w, const struct cv_ctl_query *query, long n,
		       struct cv_ctl_reply *reply, bool *ret_is_reached)
{
	int ret = 0;

	for (int i = 0; i < 5; i++) {
		free(reply->text);
		*reply = (struct cv_ctl_reply){0};
		atomic_store(&fail_in, n);
		ret = cv_ctl_show(world_ctl(w), query, reply);
		*ret_is_reached = atomic_exchange(&fail_in, 0) <= 0;
		if (ret != 0 || !*ret_is_reached)
			break;
	}
	return ret;
}

static void answers_are_whole_or_fail(void **state)
{
	static const char *const sweep[] = {
		"vpcs",    "load-balancers", "targets", "services", "endpoints", "snat", "flows",
		"workers", "neighbours",     "host",    "config",   "steering",  "state"};
	struct world *w = world_run(NULL);
	bool is_reached;

	(void)state;
	wait_known(w);
	dial(w, C1, "consumer-1", "172.16.1.10", 3);
	world_until(has_flows(w, 3));
	json_set_alloc_funcs(failing_malloc, free);
	for (size_t i = 0; i < CV_ARRAY_LEN(sweep); i++) {
		const struct cv_ctl_query query = {.what = sweep[i]};
		size_t n_full = 0;

		for (long n = 1; n_full == 0; n++) {
			struct cv_ctl_reply reply = {0};
			int ret = ask_failing(w, &query, n, &reply, &is_reached);

			if (ret != (is_reached ? -ENOMEM : 0))
				fail_msg("%s: allocation %ld: %d", sweep[i], n, ret);
			assert_int_equal(reply.text != NULL, ret == 0);
			n_full = reply.len;
			free(reply.text);
		}
	}
	/* Each try takes a second: two will do. */
	for (long n = 1; n <= 12; n += 11) {
		const struct cv_ctl_query query = {.what = "workers", .stages = true};
		struct cv_ctl_reply reply = {0};
		int ret = ask_failing(w, &query, n, &reply, &is_reached);

		/* A worker that saw no packet has fewer than twelve. */
		assert_true(is_reached || n > 1);
		assert_int_equal(ret, is_reached ? -ENOMEM : 0);
		assert_int_equal(reply.text != NULL, ret == 0);
		free(reply.text);
	}
	json_set_alloc_funcs(malloc, free);
	world_destroy(w);
}

/* ---- signals ---- */

static void sighup_reloads_and_sigterm_ends(void **state)
{
	struct world *w = world_run(NULL);
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
	world_settle(w);
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
		cmocka_unit_test(available_endpoint_says_why_packets_are_dropped),
		cmocka_unit_test(endpoints_are_filtered),
		cmocka_unit_test(flows_are_listed_filtered_and_limited),
		cmocka_unit_test(target_in_two_groups_has_all_its_flows_listed),
		cmocka_unit_test(workers_are_looked_at),
		cmocka_unit_test(several_listings_wait_for_each_other),
		cmocka_unit_test(questions_that_make_no_sense_are_refused),
		cmocka_unit_test(control_that_does_not_answer_is_noticed),
		cmocka_unit_test(answers_are_whole_or_fail),
		cmocka_unit_test(sighup_reloads_and_sigterm_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
