/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A bounded ring of IP packets between a worker and a thread that is not one. Packets are copied in and
 * read in place, so that the other thread touches no mbuf: preempted inside the packet pool it would
 * stall the workers.
 *
 * @threads one puts, one peeks and pops
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_net.h"

struct cv_pkt_ring;

/** A packet and what must be known beside it. */
struct cv_pkt_rec {
	const void *ip; /**< IP packet, shape [len] */
	uint16_t len;   /**< bytes, at least 1 */
	uint16_t vpc;   /**< VPC slot */
	/** Of the other station, low 48 bits, first byte lowest; the rest is 0. */
	uint64_t mac;
	/** Of the VPC's network that carries it in VXLAN: the other VTEP, and the MAC that it is behind. */
	cv_be32_t vtep; /**< 0: it is in none */
	uint64_t vtep_mac;
};

/**
 * Make a ring. Its memory is used only as far as it is filled.
 *
 * @param n_bytes  room for packets, each with 32 bytes of its own; a power of two, 128 KiB or more
 * @return ring, or NULL when memory ran out
 * @owner  caller; cv_pkt_ring_destroy()
 */
struct cv_pkt_ring *cv_pkt_ring_create(uint32_t n_bytes);

/** Free a ring and what is in it. NULL is fine. */
void cv_pkt_ring_destroy(struct cv_pkt_ring *ring);

/** Put a copy of a packet. @return false if it is full. @threads the one that puts */
bool cv_pkt_ring_put(struct cv_pkt_ring *ring, const struct cv_pkt_rec *rec);

/** Put one that leaves room for others: false if not so many bytes stay free. @threads as above */
bool cv_pkt_ring_put_below(struct cv_pkt_ring *ring, const struct cv_pkt_rec *rec, uint32_t free);

/**
 * Look at the oldest packet.
 *
 * @param[out] ret_rec  its bytes stand in the ring until cv_pkt_ring_pop(); untouched if there is none
 * @return false if the ring is empty
 * @threads the one that pops
 */
bool cv_pkt_ring_peek(struct cv_pkt_ring *ring, struct cv_pkt_rec *ret_rec);

/** Remove the packet that cv_pkt_ring_peek() has just shown. @threads the one that pops */
void cv_pkt_ring_pop(struct cv_pkt_ring *ring);
