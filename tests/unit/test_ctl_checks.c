/* SPDX-License-Identifier: BSD-3-Clause */

/* Control with health checks: from an answer of a target to a state, a plan, a line and a number. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"
#include "cv_stats.h"

#define CHECK_PORT 18080

/* The third byte of a node's address tells its zone. */
#define ZONES 3
#define ALL_ZONES (1 << 1 | 1 << 2)

/* A target's own server: answers each request, with a code of its own to the nodes of some zones. */
struct server {
	const char *ip;
	int fd;
	pthread_t thread;
	_Atomic int code;
	_Atomic unsigned int code_for; /* bits: zones */
	_Atomic unsigned int n_asked[ZONES];
	_Atomic unsigned int n_headed; /* requests that began with a PROXY header */
};

static struct server servers[] = {{.ip = "10.0.1.21"}, {.ip = "10.0.2.22"}, {.ip = "10.0.1.31"}};

/* Reads a request and the header before it, which has an end of lines of its own. @return bytes, or 0 */
static ssize_t request_get(int fd, char *text, size_t cap)
{
	ssize_t len = 0, n;

	do {
		n = recv(fd, text + len, cap - (size_t)len, 0);
		len += n > 0 ? n : 0;
		if (len > 16 && memmem(text + 16, (size_t)len - 16, "\r\n\r\n", 4) != NULL)
			return len;
	} while (n > 0);
	return 0;
}

static void *serve(void *arg)
{
	struct server *s = arg;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	int fd;

	while ((fd = accept(s->fd, (struct sockaddr *)&from, &len)) >= 0) {
		unsigned int zone = (ntohl(from.sin_addr.s_addr) >> 8 & 0xff) % ZONES;
		char text[512];
		ssize_t n = request_get(fd, text, sizeof(text));

		if (n > 0) {
			s->n_headed += memcmp(text, "\r\n\r\n\0\r\nQUIT\n", 12) == 0;
			s->n_asked[zone]++;
			n = snprintf(text, sizeof(text), "HTTP/1.1 %d x\r\n\r\n",
				     s->code_for & 1u << zone ? (int)s->code : 200);
			(void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
		}
		close(fd);
	}
	return NULL;
}

static void server_start(struct server *s)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(CHECK_PORT)};
	const int one = 1;

	assert_true(cv_ip4_parse(s->ip, &addr.sin_addr.s_addr));
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(s->fd >= 0);
	setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(s->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(s->fd, 100), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_stop(struct server *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
}

static int all_serve(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(servers); i++) {
		servers[i].code = 200;
		servers[i].code_for = ALL_ZONES;
	}
	return 0;
}

/* Requests to the first server. */
static unsigned int n_asked_get(void)
{
	return servers[0].n_asked[1] + servers[0].n_asked[2];
}

/* A network namespace in which all of 10/8 is here: nodes and targets alike. */
static int namespace_enter(void)
{
	struct ifreq ifr = {.ifr_name = "lo:1"};
	struct sockaddr_in *addr = (struct sockaddr_in *)&ifr.ifr_addr;
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = htonl(0x0a000001);
	if (ioctl(fd, SIOCSIFADDR, &ifr) < 0)
		return -errno;
	addr->sin_addr.s_addr = htonl(0xff000000);
	if (ioctl(fd, SIOCSIFNETMASK, &ifr) < 0)
		return -errno;
	strcpy(ifr.ifr_name, "lo");
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return -errno;
	return close(fd);
}

static int plain_socket(void *arg, uint16_t vpc)
{
	(void)arg;
	(void)vpc;
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int no_socket(void *arg, uint16_t vpc)
{
	(void)arg;
	(void)vpc;
	return -EPERM;
}

/*
 * Checks each 100 ms, from two zones. On a busy machine some time out: ten of them in a row make a target
 * unhealthy, and not two.
 */
static void edit(json_t *conf)
{
	json_t *tg;
	size_t i;

	json_object_set_new(conf, "settings", json_pack("{s:i}", "lab_time_scale", 50));
	json_array_foreach(at(conf, "target_groups"), i, tg)
	{
		json_object_set_new(tg, "attributes",
				    json_pack("{s:b}", "load_balancing.cross_zone.enabled", 1));
		json_object_set_new(tg, "health_check",
				    json_pack("{s:s, s:i, s:i, s:i, s:i, s:i, s:s}", "protocol",
					      "HTTP", "port", CHECK_PORT, "interval_seconds", 5,
					      "timeout_seconds", 5, "healthy_threshold", 2,
					      "unhealthy_threshold", 10, "matcher", "200"));
	}
}

/*
 * A target that drains ends its flows when it gets sick. A busy machine neither makes it sick nor lets flows
 * expire.
 */
static void edit_drains(json_t *conf)
{
	json_t *check;

	edit(conf);
	json_object_set_new(at(conf, "load_balancers.0.listeners.0"), "attributes",
			    json_pack("{s:i}", "tcp.idle_timeout.seconds", 6000));
	json_object_set_new(at(conf, "target_groups.0.attributes"),
			    "deregistration_delay.timeout_seconds", json_integer(3600));
	check = at(conf, "target_groups.0.health_check");
	json_object_set_new(check, "interval_seconds", json_integer(10));
	json_object_set_new(check, "timeout_seconds", json_integer(10));
}

static void edit_drains_sick(json_t *conf)
{
	edit_drains(conf);
	json_object_set_new(at(conf, "target_groups.0.attributes"),
			    "target_health_state.unhealthy.connection_termination.enabled",
			    json_false());
}

static struct world *edited_world(void (*how)(json_t *conf), int (*open)(void *arg, uint16_t vpc))
{
	struct world *w = world_create(how);
	static const uint8_t mac_1[6] = {2, 0, 0, 0, 0, 0x21}, mac_2[6] = {2, 0, 0, 0, 0, 0x22};

	world_station(w, PROV, "10.0.1.21", mac_1, true);
	world_station(w, PROV, "10.0.2.22", mac_2, true);
	assert_int_equal(cv_ctl_probe(world_ctl(w), open, NULL), 0);
	world_start(w);
	return w;
}

static struct world *checked_world(int (*open)(void *arg, uint16_t vpc))
{
	return edited_world(edit, open);
}

/* A member of a target; "" if it has none. Good until the next call. */
static const char *target_text(struct world *w, const char *path)
{
	static char found[128];
	json_t *root = world_show_all(w, "targets"), *got = at(root, path);

	found[0] = '\0';
	if (json_is_string(got))
		snprintf(found, sizeof(found), "%s", json_string_value(got));
	json_decref(root);
	return found;
}

#define TARGET_0 "target_groups.0.targets.0."
#define TARGET_1 "target_groups.0.targets.1."

static bool state_is(struct world *w, const char *target, const char *state)
{
	char path[64];

	snprintf(path, sizeof(path), "%sstate", target);
	return strcmp(target_text(w, path), state) == 0;
}

/* Whether Prometheus is told so of group `web` in a zone. */
static bool metric_is(struct world *w, const char *name, const char *zone, int value)
{
	struct cv_ctl_reply reply = {0};
	char part[100], end[64];
	bool found = false;

	assert_int_equal(cv_ctl_metrics(world_ctl(w), &reply), 0);
	snprintf(part, sizeof(part), "\n%s{load_balancer=\"net/web/", name);
	snprintf(end, sizeof(end), "\"%s\",account=\"111111111111\"} %d\n", zone, value);
	for (const char *at = strstr(reply.text, part); at != NULL; at = strstr(at + 1, part)) {
		size_t len = strcspn(at + 1, "\n") + 2;
		const char *group = strstr(at, "target_group=\"targetgroup/web/");

		found = found || (group != NULL && group < at + len && len > strlen(end) &&
				  strncmp(at + len - strlen(end), end, strlen(end)) == 0);
	}
	free(reply.text);
	return found;
}

static void a_target_fails_and_returns(void **state)
{
	struct world *w = checked_world(plain_socket);

	(void)state;
	world_until(state_is(w, TARGET_0, "healthy") && state_is(w, TARGET_1, "healthy"));
	assert_string_equal(target_text(w, TARGET_0 "reason"), "");
	assert_string_equal(target_text(w, TARGET_0 "zones.1.az_id"), "use1-az2");
	assert_string_equal(target_text(w, "target_groups.0.health_check.matcher"), "200");
	world_until(metric_is(w, "culvert_healthy_host_count", "us-east-1a", 2));
	servers[0].code = 503;
	world_until(state_is(w, TARGET_0, "unhealthy"));
	assert_string_equal(target_text(w, TARGET_0 "reason"), "Target.FailedHealthChecks");
	assert_string_equal(target_text(w, TARGET_0 "description"), "Health checks failed");
	/* One that took too long may have been the last. */
	world_until(strcmp(target_text(w, TARGET_0 "last_failure"), "HTTP code 503, not 200") == 0);
	/* On a machine that stands still for a second the other may fail as well; not for long. */
	world_until(state_is(w, TARGET_1, "healthy"));
	world_until(metric_is(w, "culvert_unhealthy_host_count", "us-east-1b", 1));
	servers[0].code = 200;
	world_until(state_is(w, TARGET_0, "healthy"));
	world_destroy(w);
}

/* 40 connections from the port on, and none of them to the first target. */
static bool is_left_out(struct world *w, uint16_t client_port)
{
	unsigned int first = world_seen(w, PROV, "10.0.1.21").n_syn;
	unsigned int both = first + world_seen(w, PROV, "10.0.2.22").n_syn;
	char *vpc = vpc_id(w, "consumer-1");

	for (uint16_t i = 0; i < 40; i++)
		world_syn(w, C1, vpc, (uint16_t)(client_port + i), "172.16.1.10", 80);
	free(vpc);
	world_until(world_seen(w, PROV, "10.0.1.21").n_syn +
			    world_seen(w, PROV, "10.0.2.22").n_syn >=
		    both + 40);
	return world_seen(w, PROV, "10.0.1.21").n_syn == first;
}

/* The new state is in what workers forward by. */
static void an_unhealthy_target_gets_no_connections(void **state)
{
	uint16_t port = 20000;
	struct world *w;

	(void)state;
	servers[0].code = 500;
	w = checked_world(plain_socket);
	world_until(strcmp(neighbour(w, "10.0.1.21", "state"), "reachable") == 0 &&
		    strcmp(neighbour(w, "10.0.2.22", "state"), "reachable") == 0);
	world_until(state_is(w, TARGET_0, "unhealthy") && state_is(w, TARGET_1, "healthy"));
	/* The plan follows soon. What is dialled before goes on: other ports the next time. */
	world_until(is_left_out(w, port += 40));
	world_destroy(w);
}

static void a_reload_keeps_states(void **state)
{
	struct world *w = checked_world(plain_socket);
	struct cv_errs errs = {0};

	(void)state;
	world_until(state_is(w, TARGET_1, "healthy") && state_is(w, TARGET_0, "healthy"));
	/* A new interval of 5 minutes, or 6 s: nothing is learned meanwhile. */
	json_object_set_new(at(world_conf(w), "target_groups.0.health_check"), "interval_seconds",
			    json_integer(300));
	json_array_append_new(at(world_conf(w), "target_groups.0.targets"),
			      json_pack("{s:s}", "ip", "10.0.1.99"));
	world_write(w, NULL);
	kill(getpid(), SIGHUP);
	world_until(strcmp(target_text(w, "target_groups.0.targets.2.target"), "10.0.1.99:80") ==
		    0);
	assert_true(state_is(w, TARGET_0, "healthy"));
	assert_true(state_is(w, TARGET_1, "healthy"));
	assert_true(state_is(w, "target_groups.0.targets.2.", "initial"));
	cv_errs_fini(&errs);
	world_destroy(w);
}

static void without_sockets_health_is_unavailable(void **state)
{
	struct world *w = checked_world(no_socket);

	(void)state;
	world_until(state_is(w, TARGET_0, "unavailable"));
	assert_string_equal(target_text(w, TARGET_0 "reason"), "Elb.InternalError");
	assert_string_equal(target_text(w, TARGET_0 "last_failure"), "Operation not permitted");
	world_destroy(w);
}

/* ---- targets that drain ---- */

/* Once the first target has left the file, the second stands first and the drained one behind all others. */
#define LEFT "target_groups.0.targets.0."
#define DRAINED "target_groups.0.targets.1."

static long long flows_to(struct world *w, const char *target)
{
	json_t *root = world_show_all(w, "targets");
	char path[64];
	long long n;

	snprintf(path, sizeof(path), "%sactive_flows", target);
	n = json_integer_value(at(root, path));
	json_decref(root);
	return n;
}

/* A world with flows, and a target with some of them that drains. */
static struct world *drained_world(void (*how)(json_t *conf), long long *ret_n)
{
	struct world *w = edited_world(how, plain_socket);
	uint16_t port = 20000;

	world_until(state_is(w, TARGET_0, "healthy") && state_is(w, TARGET_1, "healthy"));
	world_until(strcmp(neighbour(w, "10.0.1.21", "state"), "reachable") == 0 &&
		    strcmp(neighbour(w, "10.0.2.22", "state"), "reachable") == 0);
	world_handshakes(w);
	/* Workers go by a new state soon: both get some of those dialled then. */
	while (is_left_out(w, port += 40) || flows_to(w, TARGET_1) == 0) {
		if (port > 60000)
			fail_msg("one of the targets gets no connections");
	}
	*ret_n = flows_to(w, TARGET_0);
	json_array_remove(at(world_conf(w), "target_groups.0.targets"), 0);
	world_write(w, NULL);
	kill(getpid(), SIGHUP);
	world_until(state_is(w, DRAINED, "draining"));
	return w;
}

static void a_draining_target_is_checked_until_it_fails(void **state)
{
	unsigned int n_asked;
	struct world *w;
	long long n;

	(void)state;
	w = drained_world(edit_drains, &n);
	n_asked = n_asked_get();
	/* Two nodes ask: so many are five rounds. */
	world_until(n_asked_get() >= n_asked + 10);
	assert_int_equal(flows_to(w, DRAINED), n);
	/* A reload leaves the checks as they are. */
	world_write(w, NULL);
	kill(getpid(), SIGHUP);
	n_asked = n_asked_get();
	world_until(n_asked_get() >= n_asked + 4);
	assert_int_equal(flows_to(w, DRAINED), n);
	servers[0].code = 503;
	world_until(flows_to(w, DRAINED) == 0);
	assert_int_equal(cv_stats_event_sum(cv_dp_stats(world_dp(w)), 1, CV_EV_FLOW_END_TARGET), n);
	assert_true(state_is(w, DRAINED, "draining"));
	assert_true(flows_to(w, LEFT) > 0);
	/* It is known now: nobody asks again. Probes that were under way may still end. */
	world_until((n_asked = n_asked_get(), usleep(300000), n_asked_get() == n_asked));
	world_destroy(w);
}

static void edit_drains_headed(json_t *conf)
{
	edit_drains(conf);
	json_object_set_new(at(conf, "target_groups.0.attributes"), "proxy_protocol_v2.enabled",
			    json_true());
}

/* As those of targets that serve do: what the target expects is the same. */
static void checks_of_a_draining_target_have_the_header(void **state)
{
	void (*const edits[])(json_t * conf) = {edit_drains, edit_drains_headed};

	(void)state;
	for (int headed = 0; headed < 2; headed++) {
		unsigned int n_asked, n_headed;
		struct world *w;
		long long n;

		w = drained_world(edits[headed], &n);
		/* What was under way is over by then: requests are taken in turn. */
		n_asked = n_asked_get();
		world_until(n_asked_get() >= n_asked + 4);
		n_headed = servers[0].n_headed;
		n_asked = n_asked_get();
		world_until(n_asked_get() >= n_asked + 4);
		if (headed)
			world_until(servers[0].n_headed >= n_headed + 4);
		else
			assert_int_equal(servers[0].n_headed, n_headed);
		assert_int_equal(flows_to(w, DRAINED), n);
		world_destroy(w);
	}
}

/* The other zone's node has no flows to it but such as it sends for want of a healthy target. */
static void who_found_a_target_sick_asks_no_more_when_it_drains(void **state)
{
	unsigned int n_asked, n_other;
	struct world *w;
	long long n;

	(void)state;
	servers[0].code = 503;
	servers[0].code_for = 1 << 2;
	w = drained_world(edit_drains, &n);
	n_asked = servers[0].n_asked[1];
	world_until(servers[0].n_asked[1] >= n_asked + 5);
	n_asked = servers[0].n_asked[1];
	n_other = servers[0].n_asked[2];
	world_until(servers[0].n_asked[1] >= n_asked + 5);
	assert_int_equal(servers[0].n_asked[2], n_other);
	assert_int_equal(flows_to(w, DRAINED), n);
	/* Nor is it needed for the target to be sick. */
	servers[0].code_for = 1 << 1;
	world_until(flows_to(w, DRAINED) == 0);
	world_destroy(w);
}

static void edit_drains_soon(json_t *conf)
{
	edit_drains(conf);
	json_object_set_new(at(conf, "target_groups.0.health_check"), "unhealthy_threshold",
			    json_integer(5));
}

/* One node's failures for the length of its threshold, and some more. */
static void fails_for(unsigned int zone)
{
	unsigned int n = servers[0].n_asked[zone] + 7;

	servers[0].code_for = 1u << zone;
	world_until(servers[0].n_asked[zone] >= n);
}

/* A draining target that is sick to one node after the other is not sick to most of them. */
static void a_node_takes_its_judgement_back(void **state)
{
	struct world *w;
	long long n;

	(void)state;
	w = drained_world(edit_drains_soon, &n);
	servers[0].code = 503;
	for (unsigned int i = 0; i < 3; i++)
		fails_for(1 + i % 2);
	assert_int_equal(flows_to(w, DRAINED), n);
	servers[0].code_for = ALL_ZONES;
	world_until(flows_to(w, DRAINED) == 0);
	world_destroy(w);
}

static void failures_end_no_flows_unless_the_group_says_so(void **state)
{
	unsigned int n_asked;
	struct world *w;
	long long n;

	(void)state;
	w = drained_world(edit_drains_sick, &n);
	servers[0].code = 503;
	world_until((n_asked = n_asked_get(), usleep(300000), n_asked_get() == n_asked));
	assert_int_equal(flows_to(w, DRAINED), n);
	world_destroy(w);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup(name, all_serve)
	const struct CMUnitTest tests[] = {
		CASE(a_target_fails_and_returns),
		CASE(an_unhealthy_target_gets_no_connections),
		CASE(a_reload_keeps_states),
		CASE(without_sockets_health_is_unavailable),
		CASE(a_draining_target_is_checked_until_it_fails),
		CASE(checks_of_a_draining_target_have_the_header),
		CASE(who_found_a_target_sick_asks_no_more_when_it_drains),
		CASE(a_node_takes_its_judgement_back),
		CASE(failures_end_no_flows_unless_the_group_says_so),
	};
	int ret = namespace_enter();

	if (ret < 0) {
		fprintf(stderr, "no network namespace: %s\n", strerror(-ret));
		return 77;
	}
	world_once();
	for (size_t i = 0; i < CV_ARRAY_LEN(servers); i++)
		server_start(&servers[i]);
	ret = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < CV_ARRAY_LEN(servers); i++)
		server_stop(&servers[i]);
	return ret;
}
