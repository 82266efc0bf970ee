/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The operators' HTTP server with a stand-in for control, and a client of it. After cmocka.h, in test
 * programs.
 */

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cv_api.h"

#define ANSWER_LEN 65536
/* A connection ends of itself after so long: no test comes near it, but the one that is about that. */
#define IDLE_SECONDS 60
/* So many must be served at the same time. */
#define TOGETHER 5

/* What the stand-in for control was asked, and what it shall answer. */
struct fake {
	char asked[512];
	int ret;
	const char *text;
	uint32_t idle_seconds;
	bool gathers; /* answers wait until TOGETHER of them are asked for */
	uint32_t seconds;
	atomic_int inside, inside_max;
};

struct state {
	char dir[64];
	char path[128];
	struct fake fake;
	struct cv_api *api;
};

static inline const char *or_dash(const char *text)
{
	return text != NULL ? text : "-";
}

static inline int fake_reply(struct fake *fake, struct cv_ctl_reply *reply)
{
	int now = atomic_fetch_add(&fake->inside, 1) + 1;

	if (now > atomic_load(&fake->inside_max))
		atomic_store(&fake->inside_max, now);
	for (int i = 0; fake->gathers && i < 3000 && atomic_load(&fake->inside_max) < TOGETHER; i++)
		usleep(10000);
	if (fake->text != NULL) {
		reply->text = strdup(fake->text);
		reply->len = strlen(fake->text);
	}
	atomic_fetch_sub(&fake->inside, 1);
	return fake->ret;
}

static inline int fake_show(void *arg, const struct cv_ctl_query *query, struct cv_ctl_reply *reply)
{
	struct fake *fake = arg;

	if (!fake->gathers)
		snprintf(fake->asked, sizeof(fake->asked), "%s %s %s %s %u%s", query->what,
			 or_dash(query->endpoint), or_dash(query->target), or_dash(query->state),
			 query->limit, query->stages ? " stages" : "");
	fake->seconds = query->seconds;
	return fake_reply(fake, reply);
}

static inline int fake_metrics(void *arg, struct cv_ctl_reply *reply)
{
	return fake_reply(arg, reply);
}

static inline int fake_act(void *arg, const struct cv_ctl_order *order, struct cv_ctl_reply *reply)
{
	struct fake *fake = arg;

	snprintf(fake->asked, sizeof(fake->asked), "%s %s %s %s %s %s", order->verb,
		 or_dash(order->endpoint), or_dash(order->group), or_dash(order->target),
		 or_dash(order->load_balancer), or_dash(order->zone));
	return fake_reply(fake, reply);
}

static inline int fake_capture(void *arg, const struct cv_ctl_capture_query *query,
			       struct cv_ctl_reply *reply)
{
	struct fake *fake = arg;

	snprintf(fake->asked, sizeof(fake->asked), "capture %s %s %s %s %s %s %s %d",
		 or_dash(query->id), or_dash(query->endpoint), or_dash(query->target),
		 or_dash(query->client), or_dash(query->port), or_dash(query->snaplen),
		 or_dash(query->drops), query->stop);
	return fake_reply(fake, reply);
}

static const char *const whats[] = {"ports", "flows", "config", "load-balancers", NULL};

static inline struct cv_api_cfg cfg_get(struct state *s)
{
	return (struct cv_api_cfg){
		.socket = s->path,
		.version = "9.9",
		.idle_seconds = s->fake.idle_seconds,
		.ops = {fake_show, fake_metrics, whats, &s->fake, fake_act, fake_capture},
	};
}

static inline int setup(void **state)
{
	struct state *s = calloc(1, sizeof(*s));

	snprintf(s->dir, sizeof(s->dir), "/tmp/cv_test_api.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/run/culvert.sock", s->dir);
	s->fake.text = "{\"fake\": true}";
	s->fake.idle_seconds = IDLE_SECONDS;
	*state = s;
	return 0;
}

static inline int run(struct state *s)
{
	struct cv_api_cfg cfg = cfg_get(s);
	struct cv_errs errs = {0};

	assert_int_equal(cv_api_create(&cfg, &errs, &s->api), 0);
	assert_int_equal(errs.n, 0);
	return 0;
}

static inline int setup_running(void **state)
{
	setup(state);
	return run(*state);
}

static inline int teardown(void **state)
{
	struct state *s = *state;
	char cmd[128];

	cv_api_destroy(s->api);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", s->dir);
	assert_int_equal(system(cmd), 0);
	free(s);
	return 0;
}

static inline int dial(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 2 * IDLE_SECONDS};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(addr.sun_path, path, strlen(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

/* Read until the server closes. */
static inline void read_all(int fd, char *answer)
{
	size_t len = 0;
	ssize_t n;

	while (len < ANSWER_LEN - 1 && (n = read(fd, answer + len, ANSWER_LEN - 1 - len)) > 0)
		len += (size_t)n;
	answer[len] = '\0';
}

/* One request on its own connection. Returns the status, 0 if there was no answer. */
static inline int ask(const struct state *s, const char *request, char *answer)
{
	int fd = dial(s->path), status = 0;
	size_t len = strlen(request);

	assert_int_equal(send(fd, request, len, MSG_NOSIGNAL), (ssize_t)len);
	read_all(fd, answer);
	close(fd);
	if (sscanf(answer, "HTTP/1.1 %d", &status) != 1)
		return 0;
	return status;
}

static inline int get(const struct state *s, const char *target, char *answer)
{
	char request[2048];

	snprintf(request, sizeof(request),
		 "GET %s HTTP/1.1\r\nHost: culvert\r\nConnection: close\r\n\r\n", target);
	return ask(s, request, answer);
}

#define RUNNING(fn) cmocka_unit_test_setup_teardown(fn, setup_running, teardown)
