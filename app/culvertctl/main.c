/* SPDX-License-Identifier: BSD-3-Clause */

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capture.h"
#include "events.h"
#include "fetch.h"
#include "table.h"
#include "words.h"

#define SOCKET_DEFAULT "/run/culvert/culvert.sock"
#define WATCH_SECONDS_DEFAULT 2

/* Exit codes. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct options {
	const char *socket;
	const char *endpoint, *target, *state, *limit;
	const char *stages, *count_seconds;
	const char *command, *what,
		*more; /* more: what follows, of the commands that do something */
	const struct culvertctl_verb *verb; /* the command, if it does something */
	bool json;
	double seconds;
};

static const char usage_text[] =
	"usage: culvertctl [-s SOCKET] show WHAT [--json] [FILTER...]\n"
	"       culvertctl [-s SOCKET] show workers --stages [--seconds N]\n"
	"       culvertctl [-s SOCKET] watch WHAT [-n SECONDS] [FILTER...]\n"
	"       culvertctl [-s SOCKET] metrics\n"
	"       culvertctl [-s SOCKET] events [--follow] [--since WHEN]   (events --help says more)\n"
	"       culvertctl [-s SOCKET] capture -w FILE [FILTER...]   (capture --help says more)\n"
	"       culvertctl [-s SOCKET] accept | reject ENDPOINT\n"
	"       culvertctl [-s SOCKET] drain TARGET-GROUP IP[:PORT]\n"
	"       culvertctl [-s SOCKET] shift LOAD-BALANCER ZONE\n"
	"       culvertctl [-s SOCKET] unshift LOAD-BALANCER\n"
	"       culvertctl --help | --version\n"
	"\n"
	"Ask a running culvertd how it stands, or have it do something.\n"
	"\n"
	"WHAT is one of\n";

static const char usage_rest[] =
	"\n"
	"accept, reject    a connection, by the endpoint's id or name\n"
	"drain             deregister a target: it gets no new connections, and drains\n"
	"shift, unshift    targets of a zone get no new connections until unshift;\n"
	"                  zonal_shift.config.enabled must be on\n"
	"                  All of these are kept over a restart, and stand over the file.\n"
	"                  Groups and load balancers go by ARN, by name, or, where several\n"
	"                  accounts have one of that name, by ACCOUNT/NAME.\n"
	"\n"
	"FILTER is any of\n"
	"  --endpoint ID      endpoints, flows: one endpoint by id or name\n"
	"  --target IP:PORT   flows, snat: one target\n"
	"  --state STATE      endpoints, flows: those in a state\n"
	"  --limit N          flows: list so many at most (1000)\n"
	"\n"
	"  --stages           workers: count for a while what each stage of the work costs a\n"
	"                     packet; counting itself takes some cycles, and only then\n"
	"  --seconds N        with --stages: how long, 1 to 10 (1)\n"
	"\n"
	"  -s, --socket PATH  culvertd's socket (" SOCKET_DEFAULT ")\n"
	"  -n SECONDS         watch: time between two looks (2)\n"
	"  --json             print the answer as it came\n"
	"  --words LIST       print the commands, shows or options, for the shell's completion\n"
	"\n"
	"Exit status: 0 done, 1 culvertd cannot be reached or refuses, 2 wrong usage.\n";

static int usage_error(const char *text, const char *arg)
{
	fprintf(stderr, "culvertctl: %s%s%s\nTry culvertctl --help.\n", text,
		arg != NULL ? ": " : "", arg != NULL ? arg : "");
	return EXIT_USAGE;
}

/* ---- asking ---- */

/* Print what culvertd said against the request. */
static void refusal_print(const struct fetch_answer *answer)
{
	static const char show[] = "/v1/show/";
	json_t *root = json_loads(answer->text, 0, NULL);
	const json_t *error = json_object_get(root, "error");
	const char *message = json_string_value(json_object_get(error, "message"));
	const json_t *item;
	size_t i;

	if (message != NULL)
		fprintf(stderr, "culvertctl: %s\n", message);
	else
		fprintf(stderr, "culvertctl: culvertd answers with HTTP status %ld\n",
			answer->status);
	json_array_foreach(json_object_get(error, "valid"), i, item)
	{
		const char *text = json_string_value(item);

		if (text == NULL)
			continue;
		if (strncmp(text, show, sizeof(show) - 1) == 0)
			text += sizeof(show) - 1;
		fprintf(stderr, "%s %s", i == 0 ? "valid:" : "", text);
	}
	if (i > 0)
		fputc('\n', stderr);
	json_decref(root);
}

/* @return 0, or -1 after a message on stderr; *ret_text is the caller's */
static int ask(const struct options *options, const char *path, char **ret_text)
{
	struct fetch_answer answer;

	if (culvertctl_fetch(options->socket, path, options->verb != NULL, &answer) < 0)
		return -1;
	if (answer.status != 200) {
		refusal_print(&answer);
		free(answer.text);
		return -1;
	}
	*ret_text = answer.text;
	return 0;
}

/* @return heap text, NULL if memory ran out */
static char *show_path(const struct options *options)
{
	const struct {
		const char *name, *value;
	} params[] = {
		{"endpoint", options->endpoint}, {"target", options->target},
		{"state", options->state},       {"limit", options->limit},
		{"stages", options->stages},     {"seconds", options->count_seconds},
	};
	char *path = NULL, *what = culvertctl_escape(options->what);
	size_t len = 0;
	FILE *out = open_memstream(&path, &len);
	char sep = '?';

	if (out == NULL || what == NULL) {
		free(what);
		if (out != NULL)
			fclose(out);
		free(path);
		return NULL;
	}
	fprintf(out, "/v1/show/%s", what);
	free(what);
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		char *value;

		if (params[i].value == NULL)
			continue;
		value = culvertctl_escape(params[i].value);
		fprintf(out, "%c%s=%s", sep, params[i].name, value != NULL ? value : "");
		free(value);
		sep = '&';
	}
	fclose(out);
	return path;
}

static int answer_print(const struct options *options, const char *text)
{
	json_error_t error;
	json_t *root;
	int ret;

	if (options->json) {
		printf("%s\n", text);
		return 0;
	}
	root = json_loads(text, 0, &error);
	if (root == NULL) {
		fprintf(stderr, "culvertctl: culvertd's answer is no JSON: %s\n", error.text);
		return -1;
	}
	ret = culvertctl_table_print(stdout, options->stages != NULL ? "stages" : options->what,
				     root);
	json_decref(root);
	if (ret < 0)
		fprintf(stderr, "culvertctl: out of memory\n");
	return ret;
}

static int show_once(const struct options *options, bool redraw)
{
	char *path = show_path(options), *text = NULL;
	int ret = -1;

	if (path == NULL)
		fprintf(stderr, "culvertctl: out of memory\n");
	else if (ask(options, path, &text) == 0) {
		if (redraw) {
			time_t now = time(NULL);
			struct tm tm;
			char clock[32] = "";

			if (localtime_r(&now, &tm) != NULL)
				strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
			/* Home, then clear to the end: flickers less than clearing first. */
			printf("\033[H\033[J%s  %s, every %g s\n\n", clock, options->what,
			       options->seconds);
		}
		ret = answer_print(options, text);
	}
	free(text);
	free(path);
	return ret;
}

static int watch(const struct options *options)
{
	const struct timespec pause = {
		.tv_sec = (time_t)options->seconds,
		.tv_nsec = (long)((options->seconds - (double)(time_t)options->seconds) * 1e9),
	};

	if (show_once(options, true) < 0)
		return EXIT_FAILED;
	for (;;) {
		if (fflush(stdout) != 0)
			return EXIT_FAILED;
		nanosleep(&pause, NULL);
		/* culvertd may be restarting: the message stays until it is back. */
		show_once(options, true);
	}
}

static int metrics(const struct options *options)
{
	char *text;

	if (ask(options, "/metrics", &text) < 0)
		return EXIT_FAILED;
	fputs(text, stdout);
	free(text);
	return fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

/* ---- doing ---- */

/* @return heap text, NULL if memory ran out */
static char *verb_path(const struct options *options)
{
	const char *values[] = {options->what, options->more};
	char *path = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&path, &len);

	if (out == NULL)
		return NULL;
	fprintf(out, "/v1/act/%s", options->verb->name);
	for (size_t i = 0; i < 2 && options->verb->params[i] != NULL; i++) {
		char *value = culvertctl_escape(values[i]);

		fprintf(out, "%c%s=%s", i == 0 ? '?' : '&', options->verb->params[i],
			value != NULL ? value : "");
		free(value);
	}
	fclose(out);
	return path;
}

static int act(const struct options *options)
{
	const char *second = options->verb->params[1];
	char *path, *text = NULL;
	json_t *root;
	int ret = EXIT_FAILED;

	if (options->what == NULL || (second != NULL && options->more == NULL))
		return usage_error("missing",
				   options->what == NULL ? options->verb->params[0] : second);
	if (second == NULL && options->more != NULL)
		return usage_error("one argument too many", options->more);
	path = verb_path(options);
	if (path == NULL)
		fprintf(stderr, "culvertctl: out of memory\n");
	else if (ask(options, path, &text) == 0) {
		root = json_loads(text, 0, NULL);
		printf("%s\n", options->json || root == NULL
				       ? text
				       : json_string_value(json_object_get(root, "done")));
		json_decref(root);
		ret = fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
	}
	free(text);
	free(path);
	return ret;
}

/* ---- the command line ---- */

enum {
	OPT_ENDPOINT = 256,
	OPT_TARGET,
	OPT_STATE,
	OPT_LIMIT,
	OPT_STAGES,
	OPT_SECONDS,
	OPT_JSON,
	OPT_VERSION,
	OPT_WORDS
};

static const struct option long_options[] = {
	{"socket", required_argument, NULL, 's'},
	{"endpoint", required_argument, NULL, OPT_ENDPOINT},
	{"target", required_argument, NULL, OPT_TARGET},
	{"state", required_argument, NULL, OPT_STATE},
	{"limit", required_argument, NULL, OPT_LIMIT},
	{"stages", no_argument, NULL, OPT_STAGES},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"json", no_argument, NULL, OPT_JSON},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{"words", required_argument, NULL, OPT_WORDS},
	{NULL, 0, NULL, 0},
};

/* What the shell completes. Options of a command with its own are asked for by its name. */
static int words(const char *what)
{
	if (strcmp(what, "events") == 0)
		culvertctl_events_options();
	else if (strcmp(what, "capture") == 0)
		culvertctl_capture_options();
	else if (strcmp(what, "options") != 0)
		return culvertctl_words_print(stdout, what)
			       ? EXIT_OK
			       : usage_error("no such list of words", what);
	for (const struct option *option = long_options;
	     strcmp(what, "options") == 0 && option->name != NULL; option++)
		printf("--%s\n", option->name);
	return EXIT_OK;
}

static bool seconds_parse(const char *text, double *ret_seconds)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end != '\0' || !(seconds >= 0.1 && seconds <= 3600))
		return false;
	*ret_seconds = seconds;
	return true;
}

/* @return -1 to go on, else the exit code */
static int option_take(struct options *options, int c)
{
	switch (c) {
	case 's':
		options->socket = optarg;
		return -1;
	case OPT_ENDPOINT:
		options->endpoint = optarg;
		return -1;
	case OPT_TARGET:
		options->target = optarg;
		return -1;
	case OPT_STATE:
		options->state = optarg;
		return -1;
	case OPT_LIMIT:
		options->limit = optarg;
		return -1;
	case OPT_STAGES:
		options->stages = "1";
		return -1;
	case OPT_SECONDS:
		options->count_seconds = optarg;
		return -1;
	case OPT_JSON:
		options->json = true;
		return -1;
	case 'n':
		if (seconds_parse(optarg, &options->seconds))
			return -1;
		return usage_error("-n takes 0.1 to 3600 seconds, not", optarg);
	case 'h':
		fputs(usage_text, stdout);
		culvertctl_shows_help(stdout);
		fputs(usage_rest, stdout);
		return EXIT_OK;
	case OPT_WORDS:
		return words(optarg);
	case OPT_VERSION:
		printf("culvertctl %s\n", CULVERT_VERSION);
		return EXIT_OK;
	default:
		fputs("Try culvertctl --help.\n", stderr);
		return EXIT_USAGE;
	}
}

/* Take commands and options in any order. @return -1 to go on, else the exit code */
static int options_read(struct options *options, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "s:n:h", long_options, NULL)) != -1) {
		int ret = option_take(options, c);

		if (ret >= 0)
			return ret;
	}
	if (optind < argc)
		options->command = argv[optind++];
	if (options->command != NULL)
		options->verb = culvertctl_verb_find(options->command);
	if (optind < argc)
		options->what = argv[optind++];
	if (optind < argc && options->verb != NULL)
		options->more = argv[optind++];
	if (optind < argc)
		return usage_error("one argument too many", argv[optind]);
	return -1;
}

static int run(const struct options *options)
{
	bool is_show, is_watch;

	if (options->command == NULL)
		return usage_error("what shall be done?", NULL);
	if (options->verb != NULL)
		return act(options);
	is_show = strcmp(options->command, "show") == 0;
	is_watch = strcmp(options->command, "watch") == 0;
	if (strcmp(options->command, "metrics") == 0) {
		if (options->what != NULL)
			return usage_error("one argument too many", options->what);
		return metrics(options);
	}
	if (!is_show && !is_watch)
		return usage_error("no such command", options->command);
	if (options->what == NULL)
		return usage_error("what shall be shown?", NULL);
	if (is_watch)
		return watch(options);
	return show_once(options, false) == 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_FAILED;
}

/* Commands with options of their own. */
static const struct {
	const char *name;
	int (*fn)(const char *socket, int argc, char **argv);
} others[] = {{"capture", culvertctl_capture}, {"events", culvertctl_events}};

/* What was lost on the way out, to a full disk say, is no success. */
static int output_end(int ret)
{
	errno = 0;
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return ret;
	fprintf(stderr, "culvertctl: the output is not complete: %s\n",
		errno != 0 ? strerror(errno) : "it cannot be written");
	return ret == EXIT_OK ? EXIT_FAILED : ret;
}

int main(int argc, char **argv)
{
	struct options options = {.socket = SOCKET_DEFAULT, .seconds = WATCH_SECONDS_DEFAULT};
	bool has_socket =
		argc > 2 && (strcmp(argv[1], "-s") == 0 || strcmp(argv[1], "--socket") == 0);
	int at = has_socket ? 3 : 1, ret;

	for (size_t i = 0; argc > at && i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(argv[at], others[i].name) != 0)
			continue;
		if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
			return EXIT_FAILED;
		return output_end(
			others[i].fn(has_socket ? argv[2] : SOCKET_DEFAULT, argc - at, argv + at));
	}
	ret = options_read(&options, argc, argv);
	if (ret >= 0)
		return output_end(ret);
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		fprintf(stderr, "culvertctl: libcurl does not start\n");
		return EXIT_FAILED;
	}
	ret = run(&options);
	curl_global_cleanup();
	return output_end(ret);
}
