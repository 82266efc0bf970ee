/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/** @file Packets that a worker makes. */

#include <stdbool.h>
#include <stdint.h>

#include "cv_drops.h"

struct cv_dp_worker;
struct cv_flow;
struct cv_tcp_built;
struct dp_pkt;
struct rte_mbuf;

/** A buffer for a packet that this worker makes, counted as made; NULL if there is none, counted too. */
struct rte_mbuf *dp_made_alloc(struct cv_dp_worker *w);

/** Answer a segment with RST, in its own buffer, counted as dropped. @param path  word: there it counts */
void dp_rst_reply(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t path, enum cv_drop reason);

/**
 * Make and send a segment to the target that carries the PROXY header alone.
 *
 * @return false if it could not be made (counted); the client, the target or the timer asks again
 */
bool dp_header_send(struct cv_dp_worker *w, const struct cv_flow *flow,
		    const struct cv_tcp_built *seg);

/** A segment without payload, host order. */
struct dp_bare {
	uint32_t seq, ack;
	uint8_t flags;
};

/** Make and send a bare segment of a flow to one of its ends. @param to DP_CLIENT or DP_TARGET */
void dp_bare_send(struct cv_dp_worker *w, const struct cv_flow *flow, int to,
		  const struct dp_bare *seg);

/** Write a flow's PROXY header. @param[out] buf shape [CV_PPV2_AWS_LEN] @return sum of its words */
uint32_t dp_header_put(const struct cv_dp_worker *w, const struct cv_flow *flow, uint8_t *buf);
