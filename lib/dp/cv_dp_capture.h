/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Copies of packets of chosen flows, as received and as sent, or of packets that are dropped, for somebody
 * to look at. Frames in VXLAN have their outer headers; what they are chosen by is the packet inside.
 *
 * Each worker copies what matches into a bounded ring of its own, with what it knows of the flow; what does
 * not fit is counted and not copied. While there is no capture it costs a branch per burst.
 *
 * @threads create, stop, destroy: control. Reading: one thread at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_drops.h"
#include "cv_net.h"

struct cv_dp;

/** In a filter's drop: dropped packets, whatever the reason. */
#define CV_DP_CAPTURE_DROPS CV_DROP_N

/** Bytes of a frame that are kept at most. */
#define CV_DP_CAPTURE_LEN_MAX 9728
/** Room per worker, bytes. */
#define CV_DP_CAPTURE_RING (1U << 20)

/** Which packets. All that is given must be so; a packet of which it is not known does not match. */
struct cv_dp_capture_filter {
	uint32_t endpoint;     /**< slot; CV_VIEW_NONE: any */
	cv_be32_t client_ip;   /**< 0: any */
	cv_be32_t target_ip;   /**< 0: any target */
	cv_be16_t target_port; /**< goes with target_ip */
	cv_be16_t port;        /**< of the listener; 0: any */
	uint16_t snap_len;     /**< bytes of each frame to keep, 1..CV_DP_CAPTURE_LEN_MAX */
	/**
	 * CV_DROP_NONE: packets received and sent. Else only those dropped for this reason, or for any:
	 * CV_DP_CAPTURE_DROPS; but what was taken in, ARP and packets for sockets, is not lost.
	 */
	enum cv_drop drop;
};

/** A packet. */
struct cv_dp_capture_pkt {
	uint64_t ns;         /**< since the capture was made */
	uint32_t endpoint;   /**< slot; CV_VIEW_NONE: not known */
	uint16_t port;       /**< logical port */
	uint16_t len;        /**< bytes of the frame on the wire */
	uint16_t n;          /**< bytes kept */
	bool target_side;    /**< between the node and a target; else between the client and us */
	bool sent;           /**< else received */
	enum cv_drop drop;   /**< why it was dropped, CV_DROP_NONE if it was not */
	const uint8_t *data; /**< shape [n]; valid until cv_dp_capture_pop() */
};

struct cv_dp_capture;

/**
 * Begin. Of packets received and sent, only TCP, and not those dropped before their flow is looked up. At
 * most one at a time.
 *
 * @param[out] ret_capture  untouched on failure
 * @return 0, -ENOMEM, or -EAGAIN when a command ring is full: try again
 * @owner  caller; cv_dp_capture_destroy() once cv_dp_capture_is_done()
 */
int cv_dp_capture_create(struct cv_dp *dp, const struct cv_dp_capture_filter *filter,
			 struct cv_dp_capture **ret_capture);

/** Tell whether every worker copies: what it receives from now on is not missed. */
bool cv_dp_capture_has_begun(const struct cv_dp_capture *capture);

/** End it. @return 0, or -EAGAIN when a command ring is full: call again */
int cv_dp_capture_stop(struct cv_dp_capture *capture);

/** Tell whether no worker copies any more, after cv_dp_capture_stop(). */
bool cv_dp_capture_is_done(const struct cv_dp_capture *capture);

/** The oldest packet of all workers. @return false if there is none now */
bool cv_dp_capture_peek(struct cv_dp_capture *capture, struct cv_dp_capture_pkt *ret_pkt);

/** Remove what cv_dp_capture_peek() has just shown. */
void cv_dp_capture_pop(struct cv_dp_capture *capture);

/** Packets that matched so far but were not copied for want of room. */
uint64_t cv_dp_capture_missed(const struct cv_dp_capture *capture);

/** Free it: done, or no worker runs. NULL is fine. */
void cv_dp_capture_destroy(struct cv_dp_capture *capture);
