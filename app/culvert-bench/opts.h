/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The command line of culvert-bench: one table gives parser, bounds and help.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_net.h"

#define CB_DIALS_MAX 256
#define CB_CORES_MAX 2
#define CB_TEXT_LEN 512

/** Exit codes, as `--help` lists them. */
enum cb_exit { CB_OK = 0, CB_FAILED = 1, CB_USAGE = 2, CB_RUNTIME = 3 };

/** What is measured. */
enum cb_mode {
	CB_CPS,
	CB_THROUGHPUT,
	CB_ESTABLISHED,
	CB_CONCURRENT,
	CB_LATENCY,
	CB_LIMIT,
	CB_FLOOD,
	CB_SERVE,
	CB_N_MODES,
};

/** The two roles, also the order of ports. */
enum cb_role { CB_CLIENT, CB_SERVER, CB_N_ROLES };

enum cb_close { CB_CLOSE_CLIENT, CB_CLOSE_SERVER, CB_CLOSE_RESET };
enum cb_direction { CB_BOTH, CB_UP, CB_DOWN };
enum cb_order { CB_ROUND, CB_RANDOM };
enum cb_proxy { CB_PROXY_AUTO, CB_PROXY_REQUIRE, CB_PROXY_NONE };

/** Where something listens. */
struct cb_addr {
	cv_be32_t ip;
	cv_be16_t port;
};

/** A list of listening addresses. */
struct cb_addrs {
	uint32_t n;
	struct cb_addr at[CB_DIALS_MAX];
};

/** A MAC address that may be absent. */
struct cb_mac {
	bool set;
	uint8_t addr[6];
};

/** A range of ports, both ends in. */
struct cb_range {
	uint16_t lo, hi;
};

/** CPUs. */
struct cb_cores {
	uint32_t n;
	uint32_t at[CB_CORES_MAX];
};

/** The command line. Numbers are doubles where a suffix (k, M, G) makes sense. */
struct cb_opts {
	uint32_t mode; /**< enum cb_mode */
	const char *device[CB_N_ROLES];
	double vlan[CB_N_ROLES];
	struct cb_mac mac[CB_N_ROLES];
	struct cv_prefix clients;
	struct cb_range client_ports;
	struct cb_addrs dial, servers;
	cv_be32_t via;
	struct cb_mac via_mac;

	double rate; /**< 0 = as fast as possible */
	double open_rate, flood_rate;
	double duration, warmup, drain, wait;
	double flows, size, request, response, inflight, window, mss, rto_ms, keepalive, seed;
	double mtu, desc, mbufs, memory, main_core, loss, precision, tries;
	struct cv_prefix flood_from;
	uint32_t close, direction, order, proxy;
	const char *get, *vpce, *json;
	bool verify, bare_ack, blind, keep, quiet, no_huge, verbose;
	struct cb_cores cores;

	const char *const *eal_args; /**< after `--`, shape [n_eal_args] */
	uint32_t n_eal_args;
};

/** Names of the modes, shape [CB_N_MODES + 1], ended by NULL. */
extern const char *const cb_mode_names[];

/**
 * Read the command line. Help, version and mistakes are printed here.
 *
 * @param[out] ret_opts  set only on -1
 * @return -1: go on; otherwise the exit code
 */
int cb_opts_read(int argc, char **argv, struct cb_opts *ret_opts);

/**
 * Read the command line without printing.
 *
 * @param[out] text  shape [CB_TEXT_LEN]: what is wrong
 * @return 0, or -1 with text set
 */
int cb_opts_parse(int argc, char **argv, struct cb_opts *ret_opts, char *text);

/** Visit all options: name, and value as text, for the report. */
void cb_opts_each(const struct cb_opts *opts,
		  void (*visit)(void *arg, const char *name, const char *value), void *arg);
