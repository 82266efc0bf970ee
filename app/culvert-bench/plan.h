/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Who talks to whom, and what they say, as pure functions of a number: flow id <-> client address and
 * port, what it dials, and the bytes of both streams. Both sides can compute all of it, so that what
 * arrives can be checked without asking the other.
 */

#include <stdbool.h>
#include <stdint.h>

#include "opts.h"

/** Client addresses and ports, numbered. */
struct cb_plan {
	uint32_t base, mask; /**< of client addresses, host order */
	uint32_t bits;
	uint32_t port_lo, n_ports;
	uint32_t n_tuples; /**< ids are 0..n_tuples-1 */
	uint32_t n_dials;
	uint64_t key;
	const struct cb_addr *dials; /**< the options' */
};

/** Number the clients of the options, which must outlive the plan. */
void cb_plan_init(struct cb_plan *plan, const struct cb_opts *opts);

/** Scramble 64 bits: a bijection whose every output bit depends on every input bit. */
static inline uint64_t cb_mix(uint64_t x)
{
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
	x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
	return x ^ x >> 32;
}

/** Address of a client. */
static inline cv_be32_t cb_plan_ip(const struct cb_plan *p, uint32_t id)
{
	return cv_be32(p->base | (id & p->mask));
}

/** Port of a client. */
static inline cv_be16_t cb_plan_port(const struct cb_plan *p, uint32_t id)
{
	return cv_be16((uint16_t)(p->port_lo + (id >> p->bits)));
}

/** Index of what a client dials: successive ids are spread evenly. */
static inline uint32_t cb_plan_dial(const struct cb_plan *p, uint32_t id)
{
	return (uint32_t)((uint64_t)(id * 0x9e3779b1u) * p->n_dials >> 32);
}

/** Find the id of a client's address and port. @return false if it is none of ours */
static inline bool cb_plan_find(const struct cb_plan *p, cv_be32_t ip, cv_be16_t port,
				uint32_t *ret_id)
{
	uint32_t addr = cv_be32_host(ip), off = (uint32_t)cv_be16_host(port) - p->port_lo;

	if ((addr & ~p->mask) != p->base || off >= p->n_ports)
		return false;
	*ret_id = off << p->bits | (addr & p->mask);
	return true;
}

/** Tell whether an address is a client's. */
static inline bool cb_plan_has_ip(const struct cb_plan *p, cv_be32_t ip)
{
	return (cv_be32_host(ip) & ~p->mask) == p->base;
}

/** Check value of a probe: shows that the four bytes before it are an id of this run. */
static inline uint16_t cb_plan_check(const struct cb_plan *p, uint32_t id, enum cb_role from)
{
	return (uint16_t)(cb_mix(p->key + id * 2ull + from) >> 24);
}

/* ---- streams ---- */

/** Period of the bytes of a stream; a power of two. */
#define CB_PATTERN_LEN 16384
/** Longest piece that can be taken at once. */
#define CB_PIECE_MAX 9216
/** Bytes at the start of each client's stream that say who it is. */
#define CB_IDENT_LEN 16

/** Bytes that look random, and their checksums. */
struct cb_pattern {
	uint8_t bytes[CB_PATTERN_LEN + CB_PIECE_MAX];
	uint32_t sums[CB_PATTERN_LEN + CB_PIECE_MAX + 1]; /**< of the words i-2, i-4 .. */
};

/** Fill a pattern from a seed. */
void cb_pattern_init(struct cb_pattern *pattern, uint64_t seed);

/** Where the stream of a flow begins in the pattern. */
static inline uint32_t cb_plan_start(const struct cb_plan *p, uint32_t id, enum cb_role from)
{
	return (uint32_t)(cb_mix(p->key + id * 2ull + from) & (CB_PATTERN_LEN - 1));
}

/** Bytes of a stream at an offset; valid for CB_PIECE_MAX bytes. */
static inline const uint8_t *cb_pattern_at(const struct cb_pattern *pattern, uint32_t start,
					   uint32_t off)
{
	return &pattern->bytes[(start + off) & (CB_PATTERN_LEN - 1)];
}

/** Checksum (not folded, not inverted) of a piece, as if it began at an even offset of a packet. */
static inline uint32_t cb_pattern_sum(const struct cb_pattern *pattern, const uint8_t *at,
				      uint32_t len)
{
	size_t i = (size_t)(at - pattern->bytes), end = i + (len & ~1u);
	uint32_t sum = pattern->sums[end] - pattern->sums[i];

	return (len & 1) != 0 ? sum + pattern->bytes[end] : sum;
}

/** Write who a client is, shape [CB_IDENT_LEN]. */
void cb_ident_write(const struct cb_plan *plan, uint32_t id, uint8_t *buf);

/** Read who a client is, shape [CB_IDENT_LEN]. @return false if these bytes are not of this run */
bool cb_ident_read(const struct cb_plan *plan, const uint8_t *buf, uint32_t *ret_id);
