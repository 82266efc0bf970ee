/* SPDX-License-Identifier: BSD-3-Clause */

#include "capture.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fetch.h"

enum { DONE = 0, FAILED = 1, USAGE = 2 };
/* Types of pcapng blocks that are looked at, and an option. */
enum { BLOCK_STATS = 5, BLOCK_PKT = 6, OPT_IF_DROP = 5 };
#define POLL_MS 100
#define BEGIN_MS 10
#define BEGIN_TRIES 1000

struct capture {
	const char *socket, *file;
	const char *params[6]; /* values, in the order of names[] */
	uint64_t count;        /* 0: any number */
	double seconds;        /* 0: until told to stop */
	double n_mib;          /* 0: as large as the file gets */
	char id[32];
	FILE *out;
	uint64_t n_pkts, missed, n_bytes;
	bool is_full; /* of the disk: nothing more is written */
};

static const char *const names[6] = {"endpoint", "target", "client", "port", "snaplen", "drops"};

static const char help[] =
	"usage: culvertctl [-s SOCKET] capture -w FILE [FILTER...]\n"
	"\n"
	"Write packets as culvert receives and sends them, on the client's side and on the\n"
	"target's, to a pcapng file for Wireshark. Ends by Ctrl-C. TCP of endpoints and load\n"
	"balancers only. The comment of each packet says endpoint, side and direction.\n"
	"Frames in VXLAN have their outer headers, and are chosen by the packet inside.\n"
	"\n"
	"  -w, --write FILE   - for standard output: culvertctl capture -w - | wireshark -k -i -\n"
	"  --endpoint ID      of one endpoint, by id or name; direct: of none\n"
	"  --target IP:PORT   of flows to one target\n"
	"  --client IP        of one client\n"
	"  --port N           of one listener\n"
	"  --drops REASON     only packets that are dropped, with the reason in the comment: for\n"
	"                     one that culvertctl show drops names, or all\n"
	"  --count N          end after N packets\n"
	"  --seconds S        end after S seconds\n"
	"  --size MIB         end before the file is larger\n"
	"  --snaplen N        keep N bytes of each frame (all)\n"
	"\n"
	"All filters must match; what is not known of a packet does not match. So with --target a\n"
	"client's SYN is missing on the client's side: no target is chosen yet.\n";

static volatile sig_atomic_t told;

static void on_signal(int signum)
{
	(void)signum;
	told = 1;
}

/* ---- what comes ---- */

static uint32_t get32(const char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* The number of lost packets in a block of statistics, whose first option it is. */
static uint64_t missed_get(const char *block, size_t len)
{
	uint64_t missed = 0;
	uint16_t code = 0;

	if (len >= 36) {
		memcpy(&code, block + 20, sizeof(code));
		memcpy(&missed, block + 24, sizeof(missed));
	}
	return code == OPT_IF_DROP ? missed : 0;
}

/* Tells whether a packet's block is one more than was asked for. */
static bool is_over(const struct capture *c, uint32_t n)
{
	return (c->count > 0 && c->n_pkts == c->count) ||
	       (c->n_mib > 0 && (double)c->n_bytes + n > c->n_mib * 1048576);
}

static int write_failed(struct capture *c)
{
	if (!c->is_full)
		fprintf(stderr, "culvertctl: %s: %s\n", c->file, strerror(errno));
	c->is_full = true;
	return -1;
}

/* Writes blocks, as much as was asked for. @return 1 to go on, 0 at the end, -1 after a message */
static int blocks_write(struct capture *c, const char *text, size_t len)
{
	if (c->is_full)
		return -1;
	while (len >= 12) {
		uint32_t type = get32(text), n = get32(text + 4);

		if (n < 12 || n > len) {
			fprintf(stderr, "culvertctl: culvertd's answer is no pcapng\n");
			return -1;
		}
		if (type == BLOCK_PKT && is_over(c, n))
			return fflush(c->out) == 0 ? 0 : write_failed(c);
		if (fwrite(text, n, 1, c->out) != 1)
			return write_failed(c);
		c->n_bytes += n;
		c->n_pkts += type == BLOCK_PKT;
		if (type == BLOCK_STATS)
			c->missed = missed_get(text, n);
		text += n;
		len -= n;
	}
	if (fflush(c->out) != 0)
		return write_failed(c);
	return c->count == 0 || c->n_pkts < c->count;
}

/* ---- asking ---- */

static char *path_get(const struct capture *c, bool stop)
{
	char *path = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&path, &len);

	if (out == NULL)
		return NULL;
	fprintf(out, "/v1/capture?id=%s%s", c->id, stop ? "&stop=1" : "");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *value = c->params[i] != NULL ? culvertctl_escape(c->params[i]) : NULL;

		if (value != NULL)
			fprintf(out, "&%s=%s", names[i], value);
		free(value);
	}
	fclose(out);
	return path;
}

static void refusal_print(const struct fetch_answer *answer)
{
	json_t *root = json_loads(answer->text, 0, NULL);
	const char *message =
		json_string_value(json_object_get(json_object_get(root, "error"), "message"));

	fprintf(stderr, "culvertctl: %s\n", message != NULL ? message : "culvertd refuses");
	json_decref(root);
}

/* @return 1 to go on, 0 at the end, -1 after a message, -EAGAIN if culvertd is not ready for it */
static int ask(struct capture *c, bool stop)
{
	struct fetch_answer answer;
	char *path = path_get(c, stop);
	int ret;

	if (path == NULL || culvertctl_fetch(c->socket, path, false, &answer) < 0) {
		free(path);
		return -1;
	}
	free(path);
	if (answer.status == 503) {
		ret = -EAGAIN;
	} else if (answer.status != 200) {
		refusal_print(&answer);
		ret = -1;
	} else {
		ret = blocks_write(c, answer.text, answer.len);
	}
	free(answer.text);
	return ret;
}

static void pause_ms(long ms)
{
	const struct timespec pause = {.tv_nsec = ms * 1000000};

	nanosleep(&pause, NULL);
}

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* The one before may be ending still, and workers have to hear of this one. */
static int begin(struct capture *c)
{
	int ret = ask(c, false);

	for (int i = 0; ret == -EAGAIN && i < BEGIN_TRIES; i++) {
		pause_ms(BEGIN_MS);
		ret = ask(c, false);
	}
	if (ret == -EAGAIN)
		fprintf(stderr, "culvertctl: culvertd is too busy to begin: try again\n");
	return ret;
}

static int run(struct capture *c)
{
	struct sigaction action = {.sa_handler = on_signal};
	double end;
	int ret = begin(c);

	if (ret < 0) {
		if (c->is_full)
			(void)ask(c, true);
		return FAILED;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	end = now() + c->seconds;
	fprintf(stderr, "culvertctl: capturing\n");
	while (ret == 1 && told == 0 && (c->seconds <= 0 || now() < end)) {
		pause_ms(POLL_MS);
		ret = ask(c, false);
		if (ret == -EAGAIN)
			ret = 1;
	}
	/* Also when nothing more can be written: workers need not copy any longer. */
	if ((ret >= 0 || c->is_full) && ask(c, true) < 0)
		ret = -1;
	fprintf(stderr, "culvertctl: %llu packets", (unsigned long long)c->n_pkts);
	if (c->missed > 0)
		fprintf(stderr, "; %llu more matched, but came too fast to be kept",
			(unsigned long long)c->missed);
	fputc('\n', stderr);
	return ret < 0 ? FAILED : DONE;
}

/* ---- the command line ---- */

static int mistake(const char *text)
{
	fprintf(stderr, "culvertctl: %s\nTry culvertctl capture --help.\n", text);
	return USAGE;
}

static bool number_take(const char *text, double *ret_value)
{
	char *end;

	*ret_value = strtod(text, &end);
	return end != text && *end == '\0' && *ret_value > 0 && *ret_value < 1e15;
}

static const struct option longs[] = {
	{"endpoint", required_argument, NULL, 0},
	{"target", required_argument, NULL, 1},
	{"client", required_argument, NULL, 2},
	{"port", required_argument, NULL, 3},
	{"snaplen", required_argument, NULL, 4},
	{"drops", required_argument, NULL, 5},
	{"size", required_argument, NULL, 'm'},
	{"count", required_argument, NULL, 'c'},
	{"seconds", required_argument, NULL, 't'},
	{"write", required_argument, NULL, 'w'},
	{"socket", required_argument, NULL, 's'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

void culvertctl_capture_options(void)
{
	for (const struct option *option = longs; option->name != NULL; option++)
		printf("--%s\n", option->name);
}

/* @return -1 to go on, else the exit code */
static int options_read(struct capture *c, int argc, char **argv)
{
	/* The first ones stand as in names[]. */
	double count = 0;
	int opt;

	while ((opt = getopt_long(argc, argv, "s:w:h", longs, NULL)) != -1) {
		if (opt >= 0 && opt < 6)
			c->params[opt] = optarg;
		else if (opt == 'c' && !number_take(optarg, &count))
			return mistake("--count takes a number");
		else if (opt == 't' && !number_take(optarg, &c->seconds))
			return mistake("--seconds takes a number");
		else if (opt == 'm' && !number_take(optarg, &c->n_mib))
			return mistake("--size takes a number");
		else if (opt == 'w')
			c->file = optarg;
		else if (opt == 's')
			c->socket = optarg;
		else if (opt == '?')
			return mistake("the command line is wrong");
		else if (opt == 'h') {
			fputs(help, stdout);
			return DONE;
		}
	}
	c->count = (uint64_t)count;
	if (optind < argc)
		return mistake("one argument too many");
	return c->file != NULL ? -1 : mistake("-w FILE is missing");
}

int culvertctl_capture(const char *socket, int argc, char **argv)
{
	struct capture c = {.socket = socket};
	int ret = options_read(&c, argc, argv);

	if (ret >= 0)
		return ret;
	if (strcmp(c.file, "-") == 0 && isatty(STDOUT_FILENO))
		return mistake("a terminal shows no packets: -w FILE, or a pipe");
	snprintf(c.id, sizeof(c.id), "p%ldt%llx", (long)getpid(),
		 (unsigned long long)(now() * 1e6));
	c.out = strcmp(c.file, "-") == 0 ? stdout : fopen(c.file, "we");
	if (c.out == NULL) {
		fprintf(stderr, "culvertctl: %s: %s\n", c.file, strerror(errno));
		return FAILED;
	}
	ret = run(&c);
	/* What is written to stdout, main() looks at again. */
	if ((c.out == stdout ? fflush(stdout) : fclose(c.out)) != 0 && ret == DONE) {
		fprintf(stderr, "culvertctl: %s: %s\n", c.file, strerror(errno));
		ret = FAILED;
	}
	return ret;
}
