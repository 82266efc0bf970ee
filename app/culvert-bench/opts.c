/* SPDX-License-Identifier: BSD-3-Clause */

#include "opts.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"
#include "cv_io.h"

/* Frames carry at least a flow's number and a check; with a time stamp eight bytes more. */
#define SIZE_MIN 60
#define SIZE_MIN_LATENCY 68
#define REQUEST_MIN 16

const char *const cb_mode_names[] = {"cps",   "throughput", "established", "concurrent", "latency",
				     "limit", "flood",      "serve",       NULL};

static const char *const close_names[] = {"client", "server", "reset", NULL};
static const char *const direction_names[] = {"both", "up", "down", NULL};
static const char *const order_names[] = {"round", "random", NULL};
static const char *const proxy_names[] = {"auto", "require", "none", NULL};

enum kind { TEXT, NUMBER, RATE, FLAG, PREFIX, ADDRS, RANGE, IP, MAC, CHOICE, CORES };

struct opt {
	const char *name, *arg;
	enum kind kind;
	size_t ofs;
	double min, max;
	const char *const *names;
	const char *help;
};

#define OFS(member) offsetof(struct cb_opts, member)

static const struct opt table[] = {
	{"client", "DEVICE", TEXT, OFS(device[CB_CLIENT]), 0, 0, NULL,
	 "port of the clients: PCI address or vdev with its arguments"},
	{"server", "DEVICE", TEXT, OFS(device[CB_SERVER]), 0, 0, NULL, "port of the servers"},
	{"client-vlan", "ID", NUMBER, OFS(vlan[CB_CLIENT]), 1, 4094, NULL,
	 "tag of the clients' frames"},
	{"server-vlan", "ID", NUMBER, OFS(vlan[CB_SERVER]), 1, 4094, NULL,
	 "tag of the servers' frames"},
	{"client-mac", "MAC", MAC, OFS(mac[CB_CLIENT]), 0, 0, NULL,
	 "the clients' MAC (the device's)"},
	{"server-mac", "MAC", MAC, OFS(mac[CB_SERVER]), 0, 0, NULL,
	 "the servers' MAC (the device's)"},
	{"clients", "NET/LEN", PREFIX, OFS(clients), 8, 32, NULL,
	 "addresses of the clients, all of them"},
	{"client-ports", "LO-HI", RANGE, OFS(client_ports), 1, 65535, NULL,
	 "their ports (1024-65535)"},
	{"dial", "IP:PORT,..", ADDRS, OFS(dial), 1, 65535, NULL,
	 "what clients connect to, in turn; IP-IP:PORT is a range; may be repeated"},
	{"servers", "IP:PORT,..", ADDRS, OFS(servers), 1, 65535, NULL,
	 "what servers listen on, likewise"},
	{"via", "IP", IP, OFS(via), 0, 0, NULL,
	 "router to what is dialled; else it is on the link"},
	{"via-mac", "MAC", MAC, OFS(via_mac), 0, 0, NULL, "MAC to send to, without asking by ARP"},

	{"rate", "N|max", RATE, OFS(rate), 0, 1e9, NULL,
	 "connections (cps) or packets (others, both ways together) per second (max)"},
	{"flows", "N", NUMBER, OFS(flows), 0, 64e6, NULL,
	 "open connections (1000; throughput: 32; cps: at once at most, 512, with --rate 65536)"},
	{"duration", "S", NUMBER, OFS(duration), 0.05, 864000, NULL,
	 "seconds to measure (10; limit: 2 a trial; serve: ten days)"},
	{"size", "BYTES", NUMBER, OFS(size), SIZE_MIN, 9018, NULL,
	 "frame without tag and check sequence (60; latency: 68; throughput: 1514)"},
	{"direction", "D", CHOICE, OFS(direction), 0, 0, direction_names,
	 "both, up (client to server) or down (both)"},
	{"order", "O", CHOICE, OFS(order), 0, 0, order_names,
	 "round or random over the flows (round)"},
	{"request", "BYTES", NUMBER, OFS(request), 0, 65535, NULL,
	 "what a client sends: 0 or at least 16 (16)"},
	{"response", "BYTES", NUMBER, OFS(response), 0, 65535, NULL,
	 "what a server answers in cps (16)"},
	{"get", "PATH", TEXT, OFS(get), 0, 0, NULL,
	 "cps: real servers are asked by HTTP for PATH; they close the connection"},
	{"close", "BY", CHOICE, OFS(close), 0, 0, close_names, "client, server or reset (client)"},
	{"bare-ack", NULL, FLAG, OFS(bare_ack), 0, 0, NULL,
	 "end the handshake by an ACK of its own, not with the request"},
	{"inflight", "N", NUMBER, OFS(inflight), 1, 1e6, NULL,
	 "packets under way each way when --rate is max (512)"},
	{"open-rate", "N|max", RATE, OFS(open_rate), 0, 1e9, NULL,
	 "flows opened per second beforehand (100k)"},
	{"keepalive", "S", NUMBER, OFS(keepalive), 0.2, 200, NULL,
	 "concurrent: seconds between signs of life (5)"},
	{"flood-rate", "N|max", RATE, OFS(flood_rate), 0, 1e9, NULL,
	 "flood: SYNs per second from random sources (1M)"},
	{"flood-from", "NET/LEN", PREFIX, OFS(flood_from), 8, 32, NULL,
	 "flood: their sources (198.18.0.0/15)"},
	{"loss", "PERCENT", NUMBER, OFS(loss), 0, 50, NULL,
	 "limit: loss that is still fine (0.001)"},
	{"precision", "PERCENT", NUMBER, OFS(precision), 0.1, 50, NULL,
	 "limit: when to stop bisecting (1)"},
	{"tries", "N", NUMBER, OFS(tries), 1, 20, NULL,
	 "limit: a rate fails only if it fails so many times (1)"},
	{"blind", NULL, FLAG, OFS(blind), 0, 0, NULL,
	 "established: send without opening the flows first; needs --via-mac"},
	{"keep", NULL, FLAG, OFS(keep), 0, 0, NULL,
	 "leave flows open at the end instead of resetting them"},

	{"verify", NULL, FLAG, OFS(verify), 0, 0, NULL,
	 "check every packet: checksums, flow, payload. Slower"},
	{"proxy", "P", CHOICE, OFS(proxy), 0, 0, proxy_names,
	 "PROXY v2 header before each request: auto (skip if there), require (check it), none (auto)"},
	{"vpce", "ID", TEXT, OFS(vpce), 0, 0, NULL,
	 "endpoint id that --proxy require wants in the header"},

	{"window", "BYTES", NUMBER, OFS(window), 1024, 65000, NULL,
	 "unacknowledged bytes per flow (16k)"},
	{"mss", "BYTES", NUMBER, OFS(mss), 64, 8960, NULL,
	 "largest segment (by --size, or the MTU)"},
	{"rto", "MS", NUMBER, OFS(rto_ms), 8, 10000, NULL, "first retransmission timeout (200)"},
	{"warmup", "S", NUMBER, OFS(warmup), 0, 60, NULL,
	 "seconds in which connections begin slowly (0.3)"},
	{"drain", "S", NUMBER, OFS(drain), 0.01, 60, NULL,
	 "wait for what is under way at the end (1)"},
	{"wait", "S", NUMBER, OFS(wait), 0, 600, NULL, "wait for links, ARP and flows (10)"},
	{"seed", "N", NUMBER, OFS(seed), 0, 9e15, NULL, "of all that is random (1)"},

	{"cores", "N[,N]", CORES, OFS(cores), 0, 1023, NULL,
	 "CPUs: one for both sides, or one for clients and one for servers (0)"},
	{"main-core", "N", NUMBER, OFS(main_core), 0, 1023, NULL,
	 "CPU that reports (the first of --cores)"},
	{"no-huge", NULL, FLAG, OFS(no_huge), 0, 0, NULL, "ordinary memory instead of huge pages"},
	{"memory", "MB", NUMBER, OFS(memory), 64, 1048576, NULL,
	 "memory of DPDK (as much as packets need)"},
	{"mbufs", "N", NUMBER, OFS(mbufs), 1024, 16e6, NULL, "packet buffers (16384)"},
	{"mtu", "BYTES", NUMBER, OFS(mtu), 576, 9000, NULL, "of both ports (1500)"},
	{"desc", "N", NUMBER, OFS(desc), 64, 32768, NULL, "descriptors per queue (1024)"},
	{"json", "FILE", TEXT, OFS(json), 0, 0, NULL,
	 "write the result there instead of to stdout"},
	{"quiet", NULL, FLAG, OFS(quiet), 0, 0, NULL, "no progress lines"},
	{"verbose", NULL, FLAG, OFS(verbose), 0, 0, NULL, "also say what DPDK says"},
};

static const char help_head[] =
	"usage: culvert-bench MODE --client DEVICE --server DEVICE [OPTION...] [-- EAL-ARGUMENT...]\n"
	"\n"
	"Plays many TCP clients and many servers around a device under test. With only --client it\n"
	"dials real servers; with only --server (mode serve) it answers real clients.\n"
	"\n"
	"modes:\n"
	"  cps          connections from SYN to close per second\n"
	"  throughput   bytes per second of bulk streams\n"
	"  established  open N flows, then small packets over them: packets per second\n"
	"  concurrent   open N flows and hold them\n"
	"  latency      as established, at a given rate, with time stamps: percentiles\n"
	"  limit        highest rate of established with next to no loss, by bisection\n"
	"  flood        established, first alone, then beside a flood of SYNs\n"
	"  serve        only answer, until --duration is over or a signal comes\n"
	"\n"
	"options (defaults in parentheses; numbers take the suffixes k, M and G):\n";

static const char help_tail[] =
	"      --version               print the versions of culvert and DPDK\n"
	"      --help                  print this\n"
	"\n"
	"A line of progress a second goes to stderr, the result as JSON to stdout; doc/bench.md\n"
	"explains its keys.\n"
	"\n"
	"exit codes:\n"
	"  0  measured; nothing lost, nothing wrong\n"
	"  1  measured, but packets were lost, connections failed, or a check failed\n"
	"  2  the command line is wrong\n"
	"  3  it cannot run: EAL, memory, ports, privileges, or nobody answers\n"
	"\n"
	"examples:\n"
	"  culvert-bench established --flows 50k --no-huge \\\n"
	"    --client net_memif0,socket=/run/a.sock --clients 172.16.8.0/22 --dial 172.16.1.10:80 \\\n"
	"    --server net_memif1,socket=/run/b.sock --servers 10.0.1.20-10.0.1.27:8080\n"
	"  culvert-bench cps --client net_af_packet0,iface=ve0 --clients 10.9.0.0/24 \\\n"
	"    --dial 10.9.1.1:80 --get /index.html --rate 5k\n";

static void print_help(void)
{
	char left[40];
	size_t i;

	fputs(help_head, stdout);
	for (i = 0; i < CV_ARRAY_LEN(table); i++) {
		snprintf(left, sizeof(left), "--%s%s%s", table[i].name,
			 table[i].arg != NULL ? " " : "", table[i].arg != NULL ? table[i].arg : "");
		printf("      %-23s %s\n", left, table[i].help);
	}
	fputs(help_tail, stdout);
}

static bool read_number(const char *text, const char **ret_end, double *ret)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || !isfinite(v))
		return false;
	if (*end == 'k' || *end == 'M' || *end == 'G') {
		v *= *end == 'k' ? 1e3 : *end == 'M' ? 1e6 : 1e9;
		end++;
	}
	*ret_end = end;
	*ret = v;
	return true;
}

static int read_bounded(const struct opt *o, const char *text, double *ret, char *why)
{
	const char *end;
	double v;

	if (!read_number(text, &end, &v) || *end != '\0') {
		snprintf(why, CB_TEXT_LEN, "--%s: '%s' is not a number", o->name, text);
		return -1;
	}
	if (v < o->min || v > o->max) {
		snprintf(why, CB_TEXT_LEN, "--%s: %s is outside %g..%g", o->name, text, o->min,
			 o->max);
		return -1;
	}
	*ret = v;
	return 0;
}

static int read_rate(const struct opt *o, const char *text, double *ret, char *why)
{
	if (strcmp(text, "max") == 0) {
		*ret = 0;
		return 0;
	}
	if (read_bounded(o, text, ret, why) != 0)
		return -1;
	if (*ret == 0) {
		snprintf(why, CB_TEXT_LEN, "--%s: must be above 0; 'max' is as fast as possible",
			 o->name);
		return -1;
	}
	return 0;
}

/* Reads a port from text up to its end. */
static bool read_port(const char *text, uint16_t *ret)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return false;
	v = strtoul(text, &end, 10);
	if (*end != '\0' || v == 0 || v > 65535)
		return false;
	*ret = (uint16_t)v;
	return true;
}

static bool add_addrs(char *item, struct cb_addrs *list)
{
	char *colon = strchr(item, ':'), *dash;
	cv_be32_t lo, hi;
	uint16_t port;

	if (colon == NULL || !read_port(colon + 1, &port))
		return false;
	*colon = '\0';
	dash = strchr(item, '-');
	if (dash != NULL)
		*dash = '\0';
	if (!cv_ip4_parse(item, &lo))
		return false;
	hi = lo;
	if (dash != NULL && !cv_ip4_parse(dash + 1, &hi))
		return false;
	if (cv_be32_host(hi) < cv_be32_host(lo) ||
	    cv_be32_host(hi) - cv_be32_host(lo) >= CB_DIALS_MAX - list->n)
		return false;
	for (uint32_t ip = cv_be32_host(lo); ip <= cv_be32_host(hi); ip++)
		list->at[list->n++] = (struct cb_addr){cv_be32(ip), cv_be16(port)};
	return true;
}

static int read_addrs(const struct opt *o, const char *text, struct cb_addrs *list, char *why)
{
	char *copy = strdup(text), *save = NULL, *item;
	bool ok = copy != NULL && *text != '\0';

	for (item = ok ? strtok_r(copy, ",", &save) : NULL; item != NULL && ok;
	     item = strtok_r(NULL, ",", &save))
		ok = add_addrs(item, list);
	free(copy);
	if (ok)
		return 0;
	snprintf(why, CB_TEXT_LEN,
		 "--%s: '%s' is not IP:PORT or IP-IP:PORT, or there are more than %d addresses",
		 o->name, text, CB_DIALS_MAX);
	return -1;
}

static int read_range(const struct opt *o, const char *text, struct cb_range *ret, char *why)
{
	char lo[8] = "";
	const char *dash = strchr(text, '-');
	struct cb_range r;

	if (dash != NULL && dash - text < (ptrdiff_t)sizeof(lo)) {
		memcpy(lo, text, (size_t)(dash - text));
		if (read_port(lo, &r.lo) && read_port(dash + 1, &r.hi) && r.lo <= r.hi) {
			*ret = r;
			return 0;
		}
	}
	snprintf(why, CB_TEXT_LEN, "--%s: '%s' is not LOWEST-HIGHEST of ports 1..65535", o->name,
		 text);
	return -1;
}

static int read_prefix(const struct opt *o, const char *text, struct cv_prefix *ret, char *why)
{
	struct cv_prefix p;

	if (cv_prefix_parse(text, &p) != 0 || p.len < o->min) {
		snprintf(why, CB_TEXT_LEN,
			 "--%s: '%s' is not a network such as 10.1.0.0/16 (at most a /%g)", o->name,
			 text, o->min);
		return -1;
	}
	*ret = p;
	return 0;
}

static int read_mac(const struct opt *o, const char *text, struct cb_mac *ret, char *why)
{
	unsigned int b[6];
	int len = 0;

	if (strlen(text) == 17 &&
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &len) == 6 &&
	    len == 17 && (b[0] & 1) == 0) {
		for (int i = 0; i < 6; i++)
			ret->addr[i] = (uint8_t)b[i];
		ret->set = true;
		return 0;
	}
	snprintf(why, CB_TEXT_LEN, "--%s: '%s' is not a unicast MAC such as 02:00:00:00:00:01",
		 o->name, text);
	return -1;
}

static int read_choice(const struct opt *o, const char *text, uint32_t *ret, char *why)
{
	char list[128] = "";

	for (uint32_t i = 0; o->names[i] != NULL; i++) {
		if (strcmp(text, o->names[i]) == 0) {
			*ret = i;
			return 0;
		}
		cv_list_add(list, sizeof(list), o->names[i]);
	}
	snprintf(why, CB_TEXT_LEN, "--%s: '%s' is none of %s", o->name, text, list);
	return -1;
}

static int read_cores(const struct opt *o, const char *text, struct cb_cores *ret, char *why)
{
	const char *at = text;

	ret->n = 0;
	while (*at >= '0' && *at <= '9' && ret->n < CB_CORES_MAX) {
		char *end;
		unsigned long v = strtoul(at, &end, 10);

		if (v > 1023)
			break;
		ret->at[ret->n++] = (uint32_t)v;
		if (*end == '\0')
			return 0;
		if (*end != ',')
			break;
		at = end + 1;
	}
	snprintf(why, CB_TEXT_LEN, "--%s: '%s' is not one CPU number or two with a comma", o->name,
		 text);
	return -1;
}

static int read_value(const struct opt *o, const char *text, struct cb_opts *opts, char *why)
{
	void *at = (char *)opts + o->ofs;

	switch (o->kind) {
	case TEXT:
		*(const char **)at = text;
		return 0;
	case NUMBER:
		return read_bounded(o, text, at, why);
	case RATE:
		return read_rate(o, text, at, why);
	case PREFIX:
		return read_prefix(o, text, at, why);
	case ADDRS:
		return read_addrs(o, text, at, why);
	case RANGE:
		return read_range(o, text, at, why);
	case MAC:
		return read_mac(o, text, at, why);
	case CHOICE:
		return read_choice(o, text, at, why);
	case CORES:
		return read_cores(o, text, at, why);
	case IP:
		if (cv_ip4_parse(text, at))
			return 0;
		snprintf(why, CB_TEXT_LEN, "--%s: '%s' is not an IPv4 address", o->name, text);
		return -1;
	default:
		*(bool *)at = true;
		return 0;
	}
}

static const struct opt *find(const char *name, size_t len)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(table); i++) {
		if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
			return &table[i];
	}
	return NULL;
}

/* Reads the option at argv[*i]; moves *i to its last word. */
static int read_option(int argc, char **argv, int *i, struct cb_opts *opts, char *why)
{
	const char *word = argv[*i], *eq = strchr(word, '='), *value = NULL;
	size_t len = eq != NULL ? (size_t)(eq - word) : strlen(word);
	const struct opt *o = strncmp(word, "--", 2) == 0 ? find(word + 2, len - 2) : NULL;

	if (o == NULL) {
		snprintf(why, CB_TEXT_LEN, "there is no option '%.*s'", (int)len, word);
		return -1;
	}
	if (o->kind == FLAG) {
		if (eq == NULL)
			return read_value(o, NULL, opts, why);
		snprintf(why, CB_TEXT_LEN, "--%s takes no value", o->name);
		return -1;
	}
	if (eq != NULL)
		value = eq + 1;
	else if (*i + 1 < argc)
		value = argv[++*i];
	if (value == NULL) {
		snprintf(why, CB_TEXT_LEN, "--%s needs a value: %s", o->name, o->arg);
		return -1;
	}
	return read_value(o, value, opts, why);
}

static double default_flows(const struct cb_opts *o)
{
	switch (o->mode) {
	case CB_THROUGHPUT:
		return 32;
	case CB_CPS:
		return o->rate == 0 ? 512 : 65536;
	case CB_SERVE:
		return 65536;
	default:
		return 1000;
	}
}

/* What depends on the mode. Unset is negative. */
static void set_defaults(struct cb_opts *o)
{
	bool bulk = o->mode == CB_THROUGHPUT;

	if (o->flows < 0)
		o->flows = default_flows(o);
	if (o->size < 0)
		o->size = bulk ? 1514 : o->mode == CB_LATENCY ? SIZE_MIN_LATENCY : SIZE_MIN;
	if (o->duration < 0)
		o->duration = o->mode == CB_LIMIT ? 2 : o->mode == CB_SERVE ? 864000 : 10;
	if (o->flood_rate < 0)
		o->flood_rate = 1e6;
	if (o->mss < 0)
		o->mss = bulk ? o->size - 54 : o->mtu - 40;
	if (o->cores.n == 0)
		o->cores = (struct cb_cores){1, {0}};
	if (o->main_core < 0)
		o->main_core = o->cores.at[0];
}

struct rule {
	bool broken;
	const char *text;
};

static int check_rules(const struct rule *rules, size_t n, char *why)
{
	for (size_t i = 0; i < n; i++) {
		if (rules[i].broken) {
			snprintf(why, CB_TEXT_LEN, "%s", rules[i].text);
			return -1;
		}
	}
	return 0;
}

static bool sends_probes(const struct cb_opts *o)
{
	return o->mode == CB_ESTABLISHED || o->mode == CB_LATENCY || o->mode == CB_LIMIT ||
	       o->mode == CB_FLOOD;
}

static int check_sides(const struct cb_opts *o, char *why)
{
	bool client = o->device[CB_CLIENT] != NULL, server = o->device[CB_SERVER] != NULL;
	const struct rule rules[] = {
		{!client && !server, "--client or --server is missing"},
		{o->mode == CB_SERVE && client, "mode serve has no --client"},
		{o->mode != CB_SERVE && !client, "--client is missing (mode serve does without)"},
		{client && o->clients.len == 0, "--clients is missing"},
		{client && o->dial.n == 0, "--dial is missing"},
		{server && o->servers.n == 0, "--servers is missing"},
		{sends_probes(o) && !server && !o->blind,
		 "this mode needs both --client and --server"},
		{o->cores.n == 2 && !(client && server),
		 "two --cores are for --client and --server"},
	};

	return check_rules(rules, CV_ARRAY_LEN(rules), why);
}

static int check_sizes(const struct cb_opts *o, char *why)
{
	bool brief = o->mode == CB_CPS || o->mode == CB_SERVE;
	const struct rule rules[] = {
		{o->request > 0 && o->request < REQUEST_MIN, "--request must be 0 or at least 16"},
		{!brief && o->request == 0, "--request 0 is for cps only"},
		{!brief && o->flows == 0, "--flows must be above 0"},
		{o->mode == CB_LATENCY && o->size < SIZE_MIN_LATENCY,
		 "latency needs frames of at least 68 bytes for a time stamp"},
		{o->size > o->mtu + 14, "--size is larger than the MTU allows"},
		{o->mss > o->mtu - 40, "--mss is larger than the MTU allows"},
	};

	return check_rules(rules, CV_ARRAY_LEN(rules), why);
}

static int check_modes(const struct cb_opts *o, char *why)
{
	bool server = o->device[CB_SERVER] != NULL;
	const char *get = o->get != NULL ? o->get : "/";
	const struct rule rules[] = {
		{o->mode == CB_LATENCY && o->rate == 0,
		 "latency needs --rate: a rate that is not the limit"},
		{o->get != NULL && (o->mode != CB_CPS || server),
		 "--get is for cps without --server"},
		{strlen(get) > 400 || get[0] != '/',
		 "--get must begin with a slash and have at most 400 characters"},
		{o->blind && o->mode != CB_ESTABLISHED, "--blind is for established only"},
		{o->blind && !o->via_mac.set, "--blind needs --via-mac"},
		{o->blind && o->direction != CB_UP, "--blind needs --direction up"},
		{o->vpce != NULL && o->proxy != CB_PROXY_REQUIRE, "--vpce needs --proxy require"},
	};

	return check_rules(rules, CV_ARRAY_LEN(rules), why);
}

int cb_opts_parse(int argc, char **argv, struct cb_opts *ret_opts, char *text)
{
	static const struct opt mode_opt = {.name = "mode", .names = cb_mode_names};
	struct cb_opts o = {
		.client_ports = {1024, 65535},
		.open_rate = 1e5,
		.flood_rate = -1,
		.duration = -1,
		.warmup = 0.3,
		.drain = 1,
		.wait = 10,
		.flows = -1,
		.size = -1,
		.request = 16,
		.response = 16,
		.inflight = 512,
		.window = 16e3,
		.mss = -1,
		.rto_ms = 200,
		.keepalive = 5,
		.seed = 1,
		.mtu = 1500,
		.desc = 1024,
		.mbufs = 16384,
		.main_core = -1,
		.loss = 0.001,
		.precision = 1,
		.tries = 1,
		.flood_from = {cv_be32(0xc6120000), 15},
	};
	int i;

	if (argc < 2 || argv[1][0] == '-') {
		snprintf(text, CB_TEXT_LEN, "the first argument must be a mode");
		return -1;
	}
	if (read_choice(&mode_opt, argv[1], &o.mode, text) != 0)
		return -1;
	for (i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (read_option(argc, argv, &i, &o, text) != 0)
			return -1;
	}
	if (i < argc)
		i++;
	o.eal_args = (const char *const *)argv + i;
	o.n_eal_args = (uint32_t)(argc - i);
	set_defaults(&o);
	if (check_sides(&o, text) != 0 || check_sizes(&o, text) != 0 || check_modes(&o, text) != 0)
		return -1;
	*ret_opts = o;
	return 0;
}

int cb_opts_read(int argc, char **argv, struct cb_opts *ret_opts)
{
	char text[CB_TEXT_LEN];

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help();
			return CB_OK;
		}
		if (strcmp(argv[i], "--version") == 0) {
			printf("culvert-bench %s (%s)\n", CULVERT_VERSION, cv_io_dpdk_version());
			return CB_OK;
		}
	}
	if (cb_opts_parse(argc, argv, ret_opts, text) == 0)
		return -1;
	fprintf(stderr, "culvert-bench: %s\nculvert-bench --help says more\n", text);
	return CB_USAGE;
}

static void addrs_str(const struct cb_addrs *list, char *buf, size_t cap)
{
	char ip[CV_NET_STR_LEN], item[CV_NET_STR_LEN + 8];

	buf[0] = '\0';
	for (uint32_t i = 0; i < list->n; i++) {
		snprintf(item, sizeof(item), "%s:%u", cv_ip4_str(list->at[i].ip, ip),
			 cv_be16_host(list->at[i].port));
		cv_list_add(buf, cap, item);
	}
}

static void cores_str(const struct cb_cores *cores, char *buf, size_t cap)
{
	snprintf(buf, cap, cores->n > 1 ? "%u,%u" : "%u", cores->at[0], cores->at[1]);
}

/* Renders an option's value; "" if there is none. */
static void value_str(const struct opt *o, const struct cb_opts *opts, char *buf, size_t cap)
{
	const void *at = (const char *)opts + o->ofs;
	const struct cb_mac *mac = at;
	const struct cb_range *range = at;
	const char *text = "";

	buf[0] = '\0';
	switch (o->kind) {
	case TEXT:
		text = *(const char *const *)at != NULL ? *(const char *const *)at : "";
		break;
	case FLAG:
		text = *(const bool *)at ? "true" : "false";
		break;
	case CHOICE:
		text = o->names[*(const uint32_t *)at];
		break;
	case IP:
		text = *(const cv_be32_t *)at != 0 ? cv_ip4_str(*(const cv_be32_t *)at, buf) : "";
		break;
	case MAC:
		text = mac->set ? cv_mac_str(mac->addr, buf) : "";
		break;
	case PREFIX:
		text = cv_prefix_str(at, buf);
		break;
	case ADDRS:
		addrs_str(at, buf, cap);
		return;
	case CORES:
		cores_str(at, buf, cap);
		return;
	case RANGE:
		snprintf(buf, cap, "%u-%u", range->lo, range->hi);
		return;
	default:
		if (o->kind == RATE && *(const double *)at == 0)
			text = "max";
		else
			snprintf(buf, cap, "%.15g", *(const double *)at);
		break;
	}
	if (text != buf && text[0] != '\0')
		snprintf(buf, cap, "%s", text);
}

void cb_opts_each(const struct cb_opts *opts,
		  void (*visit)(void *arg, const char *name, const char *value), void *arg)
{
	char buf[CB_TEXT_LEN];

	for (size_t i = 0; i < CV_ARRAY_LEN(table); i++) {
		value_str(&table[i], opts, buf, sizeof(buf));
		if (buf[0] != '\0')
			visit(arg, table[i].name, buf);
	}
}
