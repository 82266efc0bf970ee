/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/** @file A capture under way: made by control, filled by the workers. */

#include "cv_dp_capture.h"
#include "dp_priv.h"

/** What stands in the ring before the bytes of a frame. */
struct dp_capture_head {
	uint64_t tsc;
	uint32_t endpoint;
	uint16_t port, len;
	bool target_side, sent;
	uint8_t drop;
};

/** One worker's part: its worker puts, control takes. */
struct dp_capture_part {
	CV_CACHE_ALIGNED struct cv_pkt_ring *ring;
	_Atomic uint64_t missed;
	_Atomic bool begun, done;
	bool told; /**< control's: that it is to end */
	struct {
		struct dp_capture_head head;
		uint8_t data[CV_DP_CAPTURE_LEN_MAX];
	} rec; /**< the worker's: a record is put together here */
};

struct cv_dp_capture {
	struct cv_dp_capture_filter filter;
	struct cv_dp *dp;
	uint64_t tsc, tsc_per_ms;      /**< when it was made */
	unsigned int n_parts, current; /**< the one that was shown last */
	struct dp_capture_part *parts; /**< shape [n_parts], one per worker */
};

/** Capture packets as they were received. @param pkts shape [n]: looked up, not rewritten yet */
void dp_capture_received(struct cv_dp_worker *w, const struct dp_pkt *pkts, uint16_t n);

/** Capture packets as they are sent. @param pkts shape [n] */
void dp_capture_sent(struct cv_dp_worker *w, uint16_t port, struct rte_mbuf *const *pkts,
		     uint16_t n);

/** Capture packets that a port did not take. @param pkts shape [n] */
void dp_capture_untaken(struct cv_dp_worker *w, uint16_t port, struct rte_mbuf *const *pkts,
			uint16_t n);

/** A command of control's: begin with a capture, or end it. */
void dp_capture_set(struct cv_dp_worker *w, struct cv_dp_capture *capture, bool on);
