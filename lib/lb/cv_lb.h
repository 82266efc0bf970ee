/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Target choice: the flow hash, and which targets a node of one zone may choose from.
 *
 * Pure functions over values. Who is fit (health, draining, zonal shift) is decided above.
 *
 * @threads any; no shared state
 * @source  AWS, "What is a Network Load Balancer?" (fields of the hash); "Target groups for your
 *          Network Load Balancers" (cross-zone, fail-open, stickiness); "Target group health";
 *          "Listeners for your Network Load Balancers" (weights). Table of sticky targets: Eisenbud
 *          and others, "Maglev" (NSDI 2016), section 3.4
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_net.h"

/** What AWS's flow hash covers. */
struct cv_lb_key {
	cv_be32_t src_ip, dst_ip;
	cv_be16_t src_port, dst_port;
	uint32_t tcp_seq; /**< sequence number of the SYN; 0 for UDP */
	uint8_t proto;    /**< IP protocol */
};

/** Mix two words: the halves of their 128-bit product, folded. */
static inline uint64_t cv_lb_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/**
 * Flow hash. Keyed, so that a client that does not know the seed cannot aim at one target. The same
 * on every machine: appliances that share view and seed choose alike.
 *
 * @return 32 evenly spread bits; use all of them with cv_lb_pick()
 */
static inline uint32_t cv_lb_hash(const struct cv_lb_key *key, uint64_t seed)
{
	uint64_t ips = (uint64_t)key->src_ip << 32 | key->dst_ip;
	uint64_t rest =
		(uint64_t)key->tcp_seq << 32 | (uint32_t)key->src_port << 16 | key->dst_port;
	uint64_t hash;

	/* The constants are digits of pi; they keep zero fields from zeroing a product. */
	hash = cv_lb_mix(ips ^ seed ^ 0x243f6a8885a308d3, rest ^ 0x13198a2e03707345);
	hash = cv_lb_mix(hash ^ key->proto ^ 0xa4093822299f31d1, seed ^ 0x082efa98ec4e6c89);
	return (uint32_t)(hash ^ hash >> 32);
}

/**
 * Choose one of n by a hash, without a division.
 *
 * @param hash  from cv_lb_hash()
 * @param n     at least 1
 * @return 0..n-1, each for an equal share of hashes
 */
static inline uint32_t cv_lb_pick(uint32_t hash, uint32_t n)
{
	return (uint32_t)((uint64_t)hash * n >> 32);
}

/** Hash of who connects, for stickiness by source IP. Without a seed: a restart finds the same target. */
static inline uint32_t cv_lb_source_hash(cv_be32_t src_ip)
{
	uint64_t hash = cv_lb_mix(src_ip ^ 0x452821e638d01377, 0xbe5466cf34e90c6c);

	hash = cv_lb_mix(hash ^ 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917);
	return (uint32_t)(hash ^ hash >> 32);
}

/** Another hash from a hash: so that the choice of a group says nothing about that of its target. */
static inline uint32_t cv_lb_rehash(uint32_t hash)
{
	uint64_t again = cv_lb_mix(hash ^ 0x9216d5d98979fb1b, 0xd1310ba698dfb5ac);

	return (uint32_t)(again ^ again >> 32);
}

/** Most groups among which weights divide flows: AWS's limit. */
#define CV_LB_WEIGHTS_MAX 5

/**
 * Divide all hashes among groups in proportion to their weights: group i has those from the bound of
 * the one before it to below its own.
 *
 * @param      weights    shape [n]
 * @param      n          1..CV_LB_WEIGHTS_MAX
 * @param[out] ret_below  shape [n]: bounds, 0..2^32; the last is 2^32
 * @return false, with nothing set, if all weights are 0
 */
bool cv_lb_weights_build(const uint16_t *weights, uint32_t n, uint64_t *ret_below);

/** Whether a target may get new flows. */
enum cv_lb_fit {
	CV_LB_NEVER, /**< draining, unused or shifted away: not even when all others are unfit */
	CV_LB_UNFIT, /**< unhealthy, or not yet found healthy: only when too few are fit */
	CV_LB_FIT,
};

/** A target, as far as choosing goes. */
struct cv_lb_target {
	uint16_t zone;
	uint8_t fit; /**< enum cv_lb_fit */
};

/** How many targets must be fit; 0: no matter. */
struct cv_lb_least {
	uint32_t count;
	uint32_t percent; /**< of those that are fit or unfit, 0..100 */
};

/** Tell whether either threshold is breached. @param n  targets that are fit or unfit */
bool cv_lb_is_below(const struct cv_lb_least *least, uint32_t n_fit, uint32_t n);

/** The targets that a node has in view. */
struct cv_lb_scope {
	uint16_t zone;            /**< the node's zone */
	bool cross_zone;          /**< targets of all zones, not of its own alone */
	struct cv_lb_least least; /**< fewer fit ones, and the unfit get flows, too */
};

/**
 * List the targets that a node of one zone gives new flows to: the fit ones in scope; if these are
 * too few, or none, the unfit as well (fail-open).
 *
 * @param      targets        shape [n]: a target group
 * @param      n              targets
 * @param[out] ret_idx        shape [n]: indexes into targets, ascending; the first (returned) are
 *                            set
 * @param[out] ret_fail_open  the list is a fail-open one; may be NULL
 * @return targets listed; 0 only when no target in scope is fit or unfit
 */
uint32_t cv_lb_list_build(const struct cv_lb_target *targets, uint32_t n,
			  const struct cv_lb_scope *scope, uint32_t *ret_idx, bool *ret_fail_open);

/** A target that clients stick to. */
struct cv_lb_sticky {
	uint64_t key; /**< what it is known by: the same at all times and places */
	uint32_t id;  /**< what stands for it in the table */
};

/** Entries of the table for n targets: a power of two, at least 32 for each target. */
uint32_t cv_lb_sticky_len(uint32_t n);

/**
 * Fill a table from which cv_lb_pick() with cv_lb_source_hash() chooses. Shares of targets differ by
 * one entry at most. The table depends on the set of keys alone. When a target goes, its clients spread
 * over the others, and only few of the others' clients move; so it is when one comes, as long as
 * cv_lb_sticky_len() stays the same.
 *
 * @param targets    shape [n], keys differ; is sorted
 * @param n          at least 1
 * @param scratch    shape [n][2]
 * @param ret_table  shape [cv_lb_sticky_len(n)]
 */
void cv_lb_sticky_build(struct cv_lb_sticky *targets, uint32_t n, uint32_t (*scratch)[2],
			uint32_t *ret_table);
