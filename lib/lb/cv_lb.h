/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Target choice: the flow hash, and which targets a node of one zone may choose from.
 *
 * Pure functions over values. Who is eligible (health, draining) is decided above; weights and
 * stickiness will be further inputs to the list and the pick.
 *
 * @threads any; no shared state
 * @source  AWS, "What is a Network Load Balancer?" (fields of the hash); "Target groups for your
 *          Network Load Balancers" (cross-zone, fail-open)
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

/** A target, as far as choosing goes. */
struct cv_lb_target {
	uint16_t zone;
	bool eligible; /**< may get new flows: registered, not draining, healthy or not yet judged */
};

/**
 * List the targets that a node of one zone gives new flows to. In scope are the targets of its
 * zone, or with cross-zone load balancing those of all zones. The eligible ones in scope; if none
 * is, all in scope (fail-open).
 *
 * @param      targets        shape [n]: a target group
 * @param      n              targets
 * @param      zone           the node's zone
 * @param      cross_zone     cross-zone load balancing is on
 * @param[out] ret_idx        shape [n]: indexes into targets, ascending; the first (returned) are
 *                            set
 * @param[out] ret_fail_open  the list is a fail-open one; may be NULL
 * @return targets listed; 0 only when nothing is in scope
 */
uint32_t cv_lb_list_build(const struct cv_lb_target *targets, uint32_t n, uint16_t zone,
			  bool cross_zone, uint32_t *ret_idx, bool *ret_fail_open);
