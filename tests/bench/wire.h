/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Both sides of the generator on a wire made of memory, under a clock of the test's own. On the wire there
 * may be something that loses, repeats, reorders or spoils packets, or a NAT that puts a PROXY header in
 * front of each stream. What the generator then counts must be what was done to it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_mbuf.h>

#include "cv_ppv2.h"

#include "client.h"
#include "server.h"

#define HZ 1000000000ull
#define STEP 50000ull /* 50 us */
#define QUEUE 65536
#define H CV_PPV2_AWS_LEN

enum { UP, DOWN };

/* What the box in the middle knows of a flow. */
struct nat {
	bool used;
	struct cb_ends client; /* as the client's packets have them */
	uint32_t isn1;
	bool sent;
};

struct wire;
/* What is done to a packet; false: it is lost. */
typedef bool mangle_fn(struct wire *w, struct rte_mbuf *m, int dir);

struct wire {
	struct cb_opts opts;
	struct cb_world world;
	char text[CB_GET_LEN];
	struct cb_client c;
	struct cb_server s;
	uint64_t now;
	struct rte_mbuf *queue[2][QUEUE];
	uint32_t n[2];
	uint32_t n_seen[2];
	uint64_t bytes[2]; /* taken from a side */
	mangle_fn *mangle;
	uint32_t every; /* argument of mangle */
	struct nat nats[4096];
	bool device_full;
	uint8_t tmpl[H];
	bool spoil_header, no_header, text_header;
	cv_be32_t wrong_src, wrong_dst;
	struct rte_mbuf *kept; /* by mangle */
};

extern struct wire *wire;
extern struct rte_mempool *wire_pool;

/** cmocka group setup: the EAL and a pool. */
int wire_start(void **state);

/**
 * Make clients and servers. Clients dial a NAT, or with `--plain` as first option the servers themselves.
 *
 * @param options  of the command line; they override those that the wire sets
 */
void wire_open(const char *mode, const char *options);
/** End; every packet must have come back. */
void wire_close(void);

/** Give an order to both sides. */
void wire_order(const struct cb_cmd *cmd);
/** Let time pass. */
void wire_run(double seconds);
/** Connections at a rate for some time, then quiet. */
void wire_connections(double rate, double seconds, double quiet);
/** Open so many flows within a time. */
void wire_open_all(uint32_t n, double seconds);
/** Probes both ways, each at a rate, for some time. */
void wire_probes(double rate, double seconds);
/** Sum of all counters of what is wrong. */
uint64_t wire_n_bad(void);

/** Parse a packet; false if it is not TCP. */
bool wire_parse(const struct rte_mbuf *m, struct cb_pkt *ret_pkt);
/** Write addresses and numbers into a packet, and its checksums. */
void wire_rewrite(struct rte_mbuf *m, const struct cb_ends *ends, uint32_t seq, uint32_t ack);
/** Put a segment without payload onto the wire. */
void wire_inject(int dir, const struct cb_ends *ends, uint32_t seq, uint32_t ack, uint8_t flags);

/** As culvert does it: own addresses, our sequence numbers shifted until the header is through. */
bool wire_nat(struct wire *w, struct rte_mbuf *m, int dir);
/** Lose one in `every` segments each way, in no pattern but always the same. */
bool wire_lose(struct wire *w, struct rte_mbuf *m, int dir);
/** Both. */
bool wire_nat_and_lose(struct wire *w, struct rte_mbuf *m, int dir);
/** Turn a bit in the last byte of each `every`-th segment if it has payload, checksum and all. */
bool wire_spoil_payload(struct wire *w, struct rte_mbuf *m, int dir);
/** Make each `every`-th checksum wrong. */
bool wire_spoil_checksum(struct wire *w, struct rte_mbuf *m, int dir);
/** Give each `every`-th segment with payload to the next client's address. */
bool wire_misdeliver(struct wire *w, struct rte_mbuf *m, int dir);
/** Everything comes twice. */
bool wire_duplicate(struct wire *w, struct rte_mbuf *m, int dir);
