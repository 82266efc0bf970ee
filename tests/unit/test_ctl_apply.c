/* SPDX-License-Identifier: BSD-3-Clause */

/* Starting, reloading, refusing. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"
#include "cv_conf.h"

static const uint8_t mac_1[6] = {2, 0, 0, 0, 0, 0x21};

static json_int_t generation(struct world *w)
{
	json_t *root = world_show_all(w, "config");
	json_int_t gen = json_integer_value(at(root, "generation"));

	json_decref(root);
	return gen;
}

/* Reload what world_conf() holds; nothing runs, so it is done here. */
static int reload(struct world *w, struct cv_errs *errs)
{
	world_write(w, NULL);
	return cv_ctl_reload(world_ctl(w), errs);
}

static json_t *endpoint_get(const char *name, const char *vpc, const char *ip)
{
	return json_pack("{s:s, s:s, s:s, s:[{s:s, s:s}], s:s}", "name", name, "vpc", vpc,
			 "service", "web", "subnets", "subnet", "a", "ip", ip, "principal",
			 "arn:aws:iam::222222222222:root");
}

static void reload_serves_what_the_file_says(void **state)
{
	struct world *w = world_create(NULL);
	struct cv_errs errs = {0};
	json_t *root;

	(void)state;
	world_station(w, PROV, "10.0.1.23", mac_1, true);
	json_array_append_new(at(world_conf(w), "target_groups.0.targets"),
			      json_pack("{s:s}", "ip", "10.0.1.23"));
	json_array_append_new(at(world_conf(w), "endpoints"),
			      endpoint_get("more", "consumer-1", "172.16.1.20"));
	assert_int_equal(reload(w, &errs), 0);
	assert_int_equal(errs.n, 0);
	world_start(w);
	assert_int_equal(generation(w), 2);
	world_until(world_seen(w, C1, "172.16.1.20").n_announced >= 1);
	world_until(world_seen(w, PROV, "10.0.1.23").n_asked >= 1);
	root = world_show_all(w, "config");
	assert_int_equal(json_integer_value(at(root, "counts.endpoints")), 5);
	assert_true(json_is_true(at(root, "last_reload.ok")));
	assert_int_equal(json_array_size(at(root, "last_reload.errors")), 0);
	json_decref(root);
	root = world_show_all(w, "workers");
	world_until((json_decref(root), root = world_show_all(w, "workers"),
		     json_integer_value(at(root, "workers.0.generation")) == 2));
	json_decref(root);
	world_destroy(w);
}

/* Which load balancer serves each ENI, as one text. */
static char *enis_served_by(struct world *w)
{
	static char text[512];
	json_t *root = world_show_all(w, "endpoints");
	json_t *endpoint, *eni;
	size_t i, k;

	text[0] = '\0';
	json_array_foreach(at(root, "endpoints"), i, endpoint)
	{
		json_array_foreach(at(endpoint, "enis"), k, eni)
			strncat(text, text_at(eni, "load_balancer"), 32);
	}
	json_decref(root);
	return text;
}

/* Another seven load balancers could take seven of eight ENIs, were those not kept. */
static void more_lbs(json_t *conf)
{
	for (int i = 0; i < 7; i++) {
		json_t *lb = json_deep_copy(at(conf, "load_balancers.0"));
		char name[16];

		snprintf(name, sizeof(name), "web-%d", i);
		json_object_set_new(lb, "name", json_string(name));
		json_object_del(lb, "listeners");
		for (int k = 0; k < 2; k++)
			json_object_del(at(lb, k == 0 ? "subnets.0" : "subnets.1"), "ips");
		json_array_append_new(at(conf, "load_balancers"), lb);
		json_array_append_new(at(conf, "endpoint_services.0.load_balancers"),
				      json_string(name));
	}
}

static void reload_leaves_enis_with_their_load_balancer(void **state)
{
	struct world *w = world_create(NULL);
	char *before;

	(void)state;
	world_start(w);
	before = strdup(enis_served_by(w));
	assert_true(strlen(before) >= 4 * strlen("web"));
	more_lbs(world_conf(w));
	world_write(w, NULL);
	world_reload(w);
	assert_int_equal(generation(w), 2);
	assert_string_equal(enis_served_by(w), before);
	free(before);
	world_destroy(w);
}

static char state_dir[] = "/tmp/culvert-test-enis-XXXXXX";

static void durable(json_t *conf)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/state.db", state_dir);
	json_object_set_new(json_object_get(conf, "control"), "state", json_string(path));
}

static void durable_with_more(json_t *conf)
{
	durable(conf);
	more_lbs(conf);
}

static void durable_without_the_first(json_t *conf)
{
	durable_with_more(conf);
	json_array_remove(at(conf, "endpoint_services.0.load_balancers"), 0);
}

/* Who served the ENIs, once a process has run with a configuration. Free it. */
static char *served_in_a_run(void (*edit)(json_t *conf), void (*reloaded)(json_t *conf))
{
	struct world *w = world_create(edit);
	char *text;

	world_start(w);
	text = strdup(enis_served_by(w));
	if (reloaded != NULL) {
		json_int_t gen = generation(w);

		reloaded(world_conf(w));
		world_write(w, NULL);
		world_reload(w);
		assert_true(generation(w) > gen);
		assert_string_equal(enis_served_by(w), text);
	}
	world_destroy(w);
	return text;
}

static void is_served(void (*edit)(json_t *conf), void (*reloaded)(json_t *conf), const char *want)
{
	char *text = served_in_a_run(edit, reloaded);

	if (want != NULL)
		assert_string_equal(text, want);
	free(text);
}

/* The file was edited while nobody ran, or the process ended after a reload. */
static void a_restart_leaves_enis_with_their_load_balancer(void **state)
{
	char cmd[64], *one, *others, *again;

	(void)state;
	assert_non_null(mkdtemp(state_dir));
	snprintf(cmd, sizeof(cmd), "rm -rf %s", state_dir);
	one = served_in_a_run(durable, NULL);
	is_served(durable_with_more, NULL, one);
	is_served(durable_with_more, NULL, one);
	/* The one that they had goes: they get others, and keep them when it comes back. */
	others = served_in_a_run(durable_without_the_first, NULL);
	assert_string_not_equal(others, one);
	is_served(durable_with_more, NULL, others);
	assert_int_equal(system(cmd), 0);
	/* By a reload. */
	assert_int_equal(mkdir(state_dir, 0700), 0);
	is_served(durable, more_lbs, one);
	is_served(durable_with_more, NULL, one);
	assert_int_equal(system(cmd), 0);
	/* With nothing kept, they are drawn. */
	assert_int_equal(mkdir(state_dir, 0700), 0);
	again = served_in_a_run(durable_with_more, NULL);
	assert_string_not_equal(again, one);
	assert_int_equal(system(cmd), 0);
	free(again);
	free(one);
	free(others);
}

/* ---- addresses that were chosen ---- */

/* Eleven addresses for seven that choose one: some find theirs taken. */
#define N_CHOSEN 6

static void crowded(json_t *conf)
{
	json_t *subnet = at(conf, "vpcs.4.subnets.0");

	json_object_set_new(subnet, "cidr", json_string("172.16.1.0/28"));
	json_object_del(at(conf, "endpoints.3.subnets.0"), "ip");
	for (int i = 0; i < N_CHOSEN; i++) {
		char name[16];

		snprintf(name, sizeof(name), "more-%d", i);
		json_array_append_new(at(conf, "endpoints"),
				      json_pack("{s:s, s:s, s:s, s:[{s:s}]}", "name", name, "vpc",
						"consumer-4", "service", "web", "subnets", "subnet",
						"a"));
	}
}

static cv_be32_t address(struct world *w, const char *name)
{
	const struct cv_model *model = cv_ctl_conf(world_ctl(w))->model;

	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		if (strcmp(model->endpoints[i].name, name) == 0)
			return model->endpoints[i].enis[0].ip;
	}
	return 0;
}

/* With one endpoint less, those whose place it had would move up, and lose their connections. */
static void chosen_addresses_stay_when_others_go(void **state)
{
	struct world *w = world_create(crowded);
	json_t *endpoints = at(world_conf(w), "endpoints"), *all = json_deep_copy(endpoints);
	cv_be32_t ips[4 + N_CHOSEN];
	char text[CV_NET_STR_LEN];
	struct cv_errs errs = {0};

	(void)state;
	for (size_t i = 3; i < CV_ARRAY_LEN(ips); i++) {
		ips[i] = address(w, text_at(json_array_get(all, i), "name"));
		assert_true(ips[i] != 0);
	}
	/* From the first on, until one is left. */
	for (size_t gone = 3; gone + 1 < CV_ARRAY_LEN(ips); gone++) {
		json_array_remove(endpoints, 3);
		assert_int_equal(reload(w, &errs), 0);
		for (size_t i = gone + 1; i < CV_ARRAY_LEN(ips); i++)
			assert_int_equal(address(w, text_at(json_array_get(all, i), "name")),
					 ips[i]);
	}
	/* But who asks for an address has it. */
	json_array_insert_new(endpoints, 0, endpoint_get("asks", "consumer-4", "172.16.1.4"));
	json_object_del(at(world_conf(w), "endpoints.0"), "principal");
	json_object_set_new(at(world_conf(w), "endpoints.0.subnets.0"), "ip",
			    json_string(cv_ip4_str(ips[3 + N_CHOSEN], text)));
	assert_int_equal(reload(w, &errs), 0);
	assert_int_equal(address(w, "asks"), ips[3 + N_CHOSEN]);
	assert_int_not_equal(address(w, "more-5"), ips[3 + N_CHOSEN]);
	json_decref(all);
	world_destroy(w);
}

/* Two groups by weight, and a zone shifted away. */
static void routing_is_shown(void **state)
{
	struct world *w = world_create(NULL);
	struct cv_errs errs = {0};
	json_t *lb = at(world_conf(w), "load_balancers.0"), *group, *root;
	size_t i;

	(void)state;
	/* Not judged is unhealthy, and with all zones unhealthy DNS names all. */
	json_array_foreach(at(world_conf(w), "target_groups"), i, group)
		json_object_set_new(group, "health_check", json_pack("{s:b}", "enabled", 0));
	group = json_deep_copy(at(world_conf(w), "target_groups.0"));
	json_object_set_new(group, "name", json_string("blue"));
	json_array_append_new(at(world_conf(w), "target_groups"), group);
	json_array_append_new(at(lb, "listeners"),
			      json_pack("{s:i, s:[{s:s, s:i}, {s:s, s:i}]}", "port", 99, "forward",
					"target_group",
					text_at(world_conf(w), "target_groups.0.name"), "weight",
					90, "target_group", "blue", "weight", 10));
	if (at(lb, "attributes") == NULL)
		json_object_set_new(lb, "attributes", json_object());
	json_object_set_new(at(lb, "attributes"), "zonal_shift.config.enabled", json_true());
	json_object_set_new(lb, "zonal_shift", json_pack("{s:s}", "away_from", "use1-az2"));
	assert_int_equal(reload(w, &errs), 0);
	world_start(w);
	root = world_show_all(w, "load-balancers");
	assert_true(json_is_true(at(root, "load_balancers.0.nodes.0.in_dns")));
	assert_true(json_is_false(at(root, "load_balancers.0.nodes.0.zonal_shift")));
	assert_true(json_is_false(at(root, "load_balancers.0.nodes.1.in_dns")));
	assert_true(json_is_true(at(root, "load_balancers.0.nodes.1.zonal_shift")));
	assert_int_equal(json_integer_value(at(root, "load_balancers.0.listeners.2.forward.blue")),
			 10);
	assert_null(at(root, "load_balancers.0.listeners.0.forward"));
	json_decref(root);
	world_destroy(w);
}

static void only_new_addresses_are_announced_after_a_reload(void **state)
{
	struct world *w = world_create(NULL);
	unsigned int n;

	(void)state;
	world_start(w);
	world_until(world_seen(w, C1, "172.16.1.10").n_announced == 3);
	/* Before the others, so that these move up. */
	json_array_insert_new(at(world_conf(w), "endpoints"), 0,
			      endpoint_get("more", "consumer-1", "172.16.1.20"));
	world_write(w, NULL);
	kill(getpid(), SIGHUP);
	world_until(world_seen(w, C1, "172.16.1.20").n_announced >= 2);
	n = world_seen(w, C1, "172.16.1.10").n_announced;
	assert_int_equal(n, 3);
	world_destroy(w);
}

static void wrong_file_changes_nothing_and_says_why(void **state)
{
	struct world *w = world_create(NULL);
	struct cv_errs errs = {0};
	json_t *root;

	(void)state;
	world_write(w, "{\"region\": \"us-east-1\",\n \"vpcs\": [}");
	assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), -EINVAL);
	assert_int_equal(errs.n, 1);
	assert_int_equal(errs.items[0].line, 2);
	cv_errs_fini(&errs);
	json_object_set_new(at(world_conf(w), "load_balancers.0.listeners.0"), "port",
			    json_integer(70000));
	json_object_set_new(at(world_conf(w), "vpcs.0"), "colour", json_string("red"));
	assert_int_equal(reload(w, &errs), -EINVAL);
	assert_int_equal(errs.n, 2);
	world_start(w);
	root = world_show_all(w, "config");
	assert_int_equal(json_integer_value(at(root, "generation")), 1);
	assert_true(json_is_false(at(root, "last_reload.ok")));
	assert_int_equal(json_array_size(at(root, "last_reload.errors")), 2);
	json_decref(root);
	cv_errs_fini(&errs);
	world_destroy(w);
}

static void few_slots(json_t *conf)
{
	json_object_set_new(json_object_get(conf, "limits"), "endpoints", json_integer(4));
}

static void more_than_a_limit_allows_is_refused(void **state)
{
	struct world *w = world_create(few_slots);
	struct cv_errs errs = {0};

	(void)state;
	json_array_append_new(at(world_conf(w), "endpoints"),
			      endpoint_get("more", "consumer-1", "172.16.1.20"));
	assert_int_equal(reload(w, &errs), -EINVAL);
	assert_int_equal(errs.n, 1);
	cv_errs_fini(&errs);
	/* And the next good one is served. */
	json_array_remove(at(world_conf(w), "endpoints"), 4);
	assert_int_equal(reload(w, &errs), 0);
	world_start(w);
	assert_int_equal(generation(w), 2);
	world_destroy(w);
}

/* ---- what needs a restart ---- */

/* Sets a member, which may be missing, of the object at a path. */
static void set(json_t *conf, const char *path, const char *key, json_t *value)
{
	json_t *object = at(conf, path);

	assert_non_null(object);
	json_object_set_new(object, key, value);
}

static void what_only_a_restart_can_change_is_refused_whole(void **state)
{
	static const struct {
		const char *object, *key, *value, *path, *text;
	} cases[] = {
		{"dpdk", "workers", "2", "dpdk.workers", "runs with 1, the file says 2"},
		{"dpdk", "main_core", "1", "dpdk.main_core", "runs with -1, the file says 1"},
		{"dpdk", "cores", "[3]", "dpdk.cores", "needs a restart"},
		{"dpdk", "huge_pages", "false", "dpdk.huge_pages", "the file says false"},
		{"dpdk", "memory_mb", "600", "dpdk.memory_mb", "runs with 512, the file says 600"},
		{"dpdk", "mbufs", "40000", "dpdk.mbufs", "runs with 32768"},
		{"dpdk", "eal_args", "[\"--no-pci\"]", "dpdk.eal_args", "needs a restart"},
		{"dpdk.ports.1", "device", "\"net_null9\"", "dpdk.ports[1].device", "net_null9"},
		{"dpdk.ports.1", "mtu", "1400", "dpdk.ports[1].mtu", "runs with 1500"},
		{"dpdk.ports.1", "queues", "2", "dpdk.ports[1].queues", "says 2"},
		{"dpdk.ports.1", "rx_desc", "512", "dpdk.ports[1].rx_desc", "says 512"},
		{"dpdk.ports.1", "tx_desc", "512", "dpdk.ports[1].tx_desc", "says 512"},
		{"dpdk.ports.1", "promiscuous", NULL, "dpdk.ports[1].promiscuous", "restart"},
		{"dpdk.ports.1", "steering", NULL, "dpdk.ports[1].steering", "restart"},
		{"limits", "flows", "5000", "limits.flows", "runs with 4096, the file says 5000"},
		{"limits", "endpoints", "77", "limits.endpoints", "says 77"},
		{"limits", "targets", "77", "limits.targets", "says 77"},
		{"limits", "listeners", "77", "limits.listeners", "says 77"},
		{"control", "socket", "\"/tmp/other.sock\"", "control.socket",
		 "says /tmp/other.sock"},
	};
	struct world *w = world_create(NULL);
	struct cv_errs errs = {0};
	json_t *was = json_deep_copy(world_conf(w));

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		json_t *value;

		/* A flag is turned over, whatever its default. */
		for (int flag = 0; flag < (cases[i].value == NULL ? 2 : 1); flag++) {
			value = cases[i].value == NULL
					? json_boolean(flag)
					: json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
			set(world_conf(w), cases[i].object, cases[i].key, value);
			if (reload(w, &errs) != 0)
				break;
		}
		assert_int_equal(errs.n, 1);
		assert_string_equal(errs.items[0].path, cases[i].path);
		if (strstr(errs.items[0].text, cases[i].text) == NULL)
			fail_msg("'%s' is not in '%s'", cases[i].text, errs.items[0].text);
		cv_errs_fini(&errs);
		assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), -EBUSY);
		cv_errs_fini(&errs);
		json_object_clear(world_conf(w));
		json_object_update(world_conf(w), was);
		json_object_set_new(world_conf(w), "dpdk", json_deep_copy(at(was, "dpdk")));
		json_object_set_new(world_conf(w), "limits", json_deep_copy(at(was, "limits")));
		json_object_set_new(world_conf(w), "control", json_deep_copy(at(was, "control")));
	}
	/* Several are all listed, and a good change beside them is not made. */
	set(world_conf(w), "dpdk", "mbufs", json_integer(40000));
	set(world_conf(w), "limits", "flows", json_integer(5000));
	json_array_remove(at(world_conf(w), "endpoints"), 3);
	assert_int_equal(reload(w, &errs), -EBUSY);
	assert_int_equal(errs.n, 2);
	cv_errs_fini(&errs);
	json_decref(was);
	world_start(w);
	was = world_show_all(w, "config");
	assert_int_equal(json_integer_value(at(was, "counts.endpoints")), 4);
	json_decref(was);
	world_destroy(w);
}

static void one_port_less_needs_a_restart(void **state)
{
	struct world *w = world_create(NULL);
	struct cv_errs errs = {0};

	(void)state;
	json_array_append_new(at(world_conf(w), "dpdk.ports"),
			      json_pack("{s:s, s:s}", "name", "more", "device", "net_null7"));
	assert_int_equal(reload(w, &errs), -EBUSY);
	assert_int_equal(errs.n, 1);
	assert_string_equal(errs.items[0].path, "dpdk.ports");
	assert_non_null(strstr(errs.items[0].text, "runs with 5 ports, the file has 6"));
	cv_errs_fini(&errs);
	world_destroy(w);
}

/* ---- SNAT pools ---- */

static void pools_that_nobody_wants_end_and_come_again(void **state)
{
	const struct cv_ctl_query query = {.what = "snat"};
	struct world *w = world_create(NULL);
	json_t *root, *target = json_incref(at(world_conf(w), "target_groups.0.targets.1"));

	(void)state;
	world_start(w);
	root = world_show(w, &query);
	assert_int_equal(json_array_size(at(root, "pools")), 4);
	json_decref(root);
	json_array_remove(at(world_conf(w), "target_groups.0.targets"), 1);
	world_write(w, NULL);
	kill(getpid(), SIGHUP);
	root = NULL;
	world_until((json_decref(root), root = world_show(w, &query),
		     json_array_size(at(root, "pools")) == 3));
	assert_int_equal(generation(w), 2);
	json_decref(root);
	json_array_append(at(world_conf(w), "target_groups.0.targets"), target);
	world_write(w, NULL);
	kill(getpid(), SIGHUP);
	root = NULL;
	world_until((json_decref(root), root = world_show(w, &query),
		     json_array_size(at(root, "pools")) == 4));
	json_decref(root);
	json_decref(target);
	world_destroy(w);
}

/* ---- starting ---- */

static struct cv_conf *conf_load(void)
{
	struct cv_errs errs = {0};
	struct cv_conf *conf = cv_conf_load(SRC_DIR "/config/quickstart.json", &errs);

	assert_non_null(conf);
	return conf;
}

static void starting_without_descriptors_is_explained(void **state)
{
	const struct cv_ctl_cfg cfg = {.file = "x", .version = "1"};
	struct rlimit was, none;
	struct cv_conf *conf = conf_load();
	struct cv_errs errs = {0};
	struct cv_ctl *ctl = NULL;
	int fd;

	(void)state;
	world_once();
	getrlimit(RLIMIT_NOFILE, &was);
	fd = dup(0);
	close(fd);
	/* Each one of its descriptors may be the one that is missing. */
	for (int n = 0; n < 4; n++) {
		none = (struct rlimit){.rlim_cur = (rlim_t)(fd + n), .rlim_max = was.rlim_max};
		setrlimit(RLIMIT_NOFILE, &none);
		assert_int_equal(cv_ctl_create(&cfg, conf, &errs, &ctl), -EMFILE);
		setrlimit(RLIMIT_NOFILE, &was);
		assert_null(ctl);
		assert_int_equal(errs.n, 1);
		assert_non_null(strstr(errs.items[0].text, "Too many open files"));
		cv_errs_fini(&errs);
		conf = conf_load();
	}
	cv_conf_destroy(conf);
}

static void starting_with_what_cannot_be_planned_is_explained(void **state)
{
	const struct cv_ctl_cfg cfg = {.file = "x", .version = "1"};
	struct cv_conf *conf = conf_load();
	struct cv_errs errs = {0};
	struct cv_ctl *ctl = NULL;

	(void)state;
	conf->limits.endpoints = 3;
	assert_int_equal(cv_ctl_create(&cfg, conf, &errs, &ctl), -EINVAL);
	assert_null(ctl);
	assert_true(errs.n >= 1);
	cv_errs_fini(&errs);
	cv_ctl_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reload_serves_what_the_file_says),
		cmocka_unit_test(reload_leaves_enis_with_their_load_balancer),
		cmocka_unit_test(a_restart_leaves_enis_with_their_load_balancer),
		cmocka_unit_test(chosen_addresses_stay_when_others_go),
		cmocka_unit_test(routing_is_shown),
		cmocka_unit_test(only_new_addresses_are_announced_after_a_reload),
		cmocka_unit_test(wrong_file_changes_nothing_and_says_why),
		cmocka_unit_test(more_than_a_limit_allows_is_refused),
		cmocka_unit_test(what_only_a_restart_can_change_is_refused_whole),
		cmocka_unit_test(one_port_less_needs_a_restart),
		cmocka_unit_test(pools_that_nobody_wants_end_and_come_again),
		cmocka_unit_test(starting_without_descriptors_is_explained),
		cmocka_unit_test(starting_with_what_cannot_be_planned_is_explained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
