/* SPDX-License-Identifier: BSD-3-Clause */

#include "events.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fetch.h"

enum { DONE = 0, FAILED = 1, USAGE = 2 };
/* Seconds that culvertd may wait for an event, and between tries while it is away. */
#define WAIT_SECONDS 15
#define AWAY_SECONDS 1

static const char help[] =
	"usage: culvertctl [-s SOCKET] events [--follow] [--since WHEN]\n"
	"\n"
	"Print what has happened, oldest first, a JSON object a line: endpoints, targets, reloads,\n"
	"zonal shifts, refused flows, notifications that fail, what cannot be kept. culvertd holds the\n"
	"last 4096 events, in memory.\n"
	"\n"
	"  -f, --follow       go on until Ctrl-C, also over culvertd's restart\n"
	"  --since WHEN       not older: 90s, 10m, 2h, 1d, or a time such as 2026-11-22T03:00:00Z\n"
	"\n"
	"Two lines are culvertctl's own: {\"event\": \"lost\", \"count\": N} for events that culvertd no\n"
	"longer holds, and {\"event\": \"restart\"} where another culvertd answers than before.\n";

static const struct option longs[] = {
	{"follow", no_argument, NULL, 'f'},
	{"since", required_argument, NULL, 'S'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct events {
	const char *socket;
	bool follow;
	uint64_t since_ms, boot, after;
};

void culvertctl_events_options(void)
{
	for (const struct option *option = longs; option->name != NULL; option++)
		printf("--%s\n", option->name);
}

/* ---- time ---- */

static bool ago_parse(const char *text, uint64_t now_ms, uint64_t *ret_ms)
{
	static const struct {
		char unit;
		uint64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	size_t digits = strspn(text, "0123456789");
	uint64_t n = strtoull(text, NULL, 10);

	if (digits == 0 || digits > 9 || text[digits] == '\0' || text[digits + 1] != '\0')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit != text[digits])
			continue;
		*ret_ms = n * units[i].ms < now_ms ? now_ms - n * units[i].ms : 1;
		return true;
	}
	return false;
}

static bool when_parse(const char *text, uint64_t *ret_ms)
{
	struct tm tm = {0};
	const char *end;
	time_t at;

	if (ago_parse(text, (uint64_t)time(NULL) * 1000, ret_ms))
		return true;
	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end == NULL || strcmp(end, "Z") != 0)
		return false;
	at = timegm(&tm);
	*ret_ms = at > 0 ? (uint64_t)at * 1000 : 1;
	return at >= 0;
}

/* ---- asking ---- */

static bool answer_print(struct events *e, const json_t *root)
{
	uint64_t boot = (uint64_t)json_integer_value(json_object_get(root, "boot"));
	json_int_t lost = json_integer_value(json_object_get(root, "lost"));
	const json_t *event;
	size_t i;

	if (e->boot != 0 && boot != e->boot)
		printf("{\"event\":\"restart\"}\n");
	if (lost > 0)
		printf("{\"event\":\"lost\",\"count\":%" JSON_INTEGER_FORMAT "}\n", lost);
	json_array_foreach(json_object_get(root, "events"), i, event)
	{
		char *line = json_dumps(event, JSON_COMPACT);

		if (line == NULL)
			return false;
		puts(line);
		free(line);
	}
	e->boot = boot;
	e->after = (uint64_t)json_integer_value(json_object_get(root, "next"));
	return fflush(stdout) == 0;
}

/* @return 1: there is more, 0: that is all now, -1: failed after a message */
static int ask(struct events *e, bool wait)
{
	struct fetch_answer answer;
	json_t *root;
	char path[200];
	int ret = -1;

	snprintf(path, sizeof(path),
		 "/v1/events?boot=%" PRIu64 "&after=%" PRIu64 "&since=%" PRIu64 "&wait=%d", e->boot,
		 e->after, e->since_ms, wait ? WAIT_SECONDS : 0);
	if (culvertctl_fetch(e->socket, path, false, &answer) < 0)
		return -1;
	root = json_loads(answer.text, 0, NULL);
	if (answer.status != 200 || !json_is_integer(json_object_get(root, "next")))
		fprintf(stderr, "culvertctl: culvertd has no events (HTTP status %ld)\n",
			answer.status);
	else if (answer_print(e, root))
		ret = json_is_true(json_object_get(root, "more"));
	json_decref(root);
	free(answer.text);
	return ret;
}

/* Whoever read a pipe may go while nothing happens; the next event alone would show it. */
static bool is_read(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return ferror(stdout) == 0 &&
	       (poll(&out, 1, 0) <= 0 || (out.revents & (POLLERR | POLLNVAL)) == 0);
}

static int follow(struct events *e)
{
	for (;;) {
		int ret = ask(e, true);

		if (!is_read())
			return FAILED;
		if (ret >= 0)
			continue;
		/* It may be restarting: what it says then is new. */
		sleep(AWAY_SECONDS);
	}
}

static int usage_error(const char *text, const char *arg)
{
	fprintf(stderr, "culvertctl: %s: %s\nTry culvertctl events --help.\n", text, arg);
	return USAGE;
}

int culvertctl_events(const char *socket, int argc, char **argv)
{
	struct events e = {.socket = socket};
	int c, ret;

	while ((c = getopt_long(argc, argv, "s:fh", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			e.socket = optarg;
			break;
		case 'f':
			e.follow = true;
			break;
		case 'j':
			break; /* as it always does */
		case 'S':
			if (!when_parse(optarg, &e.since_ms))
				return usage_error("--since takes 90s, 10m, 2h, 1d or a UTC time "
						   "such as 2026-11-22T03:00:00Z, not",
						   optarg);
			break;
		case 'h':
			fputs(help, stdout);
			return DONE;
		default:
			fputs("Try culvertctl events --help.\n", stderr);
			return USAGE;
		}
	}
	if (optind < argc)
		return usage_error("one argument too many", argv[optind]);
	do
		ret = ask(&e, false);
	while (ret > 0);
	if (ret < 0)
		return FAILED;
	return e.follow ? follow(&e) : DONE;
}
