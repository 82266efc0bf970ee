/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * TCP as seen by something in the middle: sequence arithmetic, connection state, and the splice
 * that puts a PROXY header in front of the client's bytes.
 *
 * The splice: the client's SYN is forwarded with `seq - H`. The H bytes of header then occupy
 * exactly the sequence numbers [isn1 - H, isn1) of the target's stream, where isn1 is the
 * client's ISN + 1, and once the target has acknowledged them the two sides' sequence spaces are
 * identical. Until then every segment comes through cv_tcp_c2t() and cv_tcp_t2c(), which say what
 * to do with it; afterwards cv_tcp_is_fast() is true and the caller need do nothing at all.
 * doc/architecture.md explains why.
 *
 * Pure functions over values in host byte order. No mbuf, no clock, no allocation, no log: the
 * caller applies the verdict to the packet. The caller looks up the flow, decides on SYNs that
 * find none, and frees the flow some time after CV_TCP_EV_CLOSED.
 *
 * What the caller does with one segment of a flow:
 *   1. cv_tcp_is_fast(t, flags)? Then forward it. Nothing below is needed.
 *   2. cv_tcp_wants_opts(t, flags)? Then cv_tcp_opts_parse() and set seg.opts.
 *   3. cv_tcp_c2t() or cv_tcp_t2c(); drop or reopen if the verdict says so.
 *   4. Write act.seq and act.ack into the header (checksum by cv_csum_diff32()), remove act.trim
 *      bytes from the front of the payload, edit options by act.edit, place the header by act.hdr.
 *   5. Count and time by act.events and t->state.
 *
 * @threads any; each flow has one owner
 * @source  RFC 9293 (states, sequence numbers), RFC 5961 (RST and SYN in the window),
 *          HAProxy proxy-protocol.txt
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_tcp_opts.h"

/** Flag bits of a TCP header, as in its byte 13. */
#define CV_TCP_FIN 0x01
#define CV_TCP_SYN 0x02
#define CV_TCP_RST 0x04
#define CV_TCP_PSH 0x08
#define CV_TCP_ACK 0x10
#define CV_TCP_URG 0x20

/** MSS of a side that names none, in bytes. @source RFC 9293 section 3.7.1 */
#define CV_TCP_MSS_DEFAULT 536

/** How often the caller runs cv_tcp_timer() while cv_tcp_is_timed(), in milliseconds, and how many times. */
#define CV_TCP_TICK_MS 250
#define CV_TCP_TICKS 128

/** State of a flow, from what was seen of both sides. Half close may last for any time. */
enum cv_tcp_state {
	CV_TCP_SYN_SENT,    /**< client's SYN forwarded */
	CV_TCP_SYN_RCVD,    /**< target's SYN-ACK forwarded */
	CV_TCP_ESTABLISHED, /**< client's ACK seen */
	CV_TCP_FIN_CLIENT,  /**< client's FIN seen; the target may go on sending */
	CV_TCP_FIN_TARGET,  /**< target's FIN seen; the client may go on sending */
	CV_TCP_FIN_BOTH,    /**< both FINs seen */
	CV_TCP_CLOSED,      /**< both FINs acknowledged; stays a while for lost last ACKs */
	CV_TCP_RESET,       /**< RST seen; stays a while, see CV_TCP_EV_REVIVED */
	CV_TCP_STATE_N,
};

/** Bits of cv_tcp.flags. Private to the module, but the fast test reads CV_TCP_F_UNACKED. */
#define CV_TCP_F_UNACKED 0x01   /**< there is a header, not yet acknowledged in full */
#define CV_TCP_F_SENT 0x02      /**< the header has been sent at least once */
#define CV_TCP_F_FIRST_ACK 0x04 /**< the header goes out with the handshake ACK */
#define CV_TCP_F_RESENT 0x08    /**< an ACK made us resend; not again before the next tick */
#define CV_TCP_F_FIN_C_ACKED 0x10
#define CV_TCP_F_FIN_T_ACKED 0x20
#define CV_TCP_F_RST_C 0x40 /**< RESET from ESTABLISHED by the client: may be revived */
#define CV_TCP_F_RST_T 0x80 /**< RESET from ESTABLISHED by the target: may be revived */

/** Hot part of a flow's TCP state: what every segment's fast test reads. Owner writes. */
struct cv_tcp {
	uint32_t
		isn1; /**< client's ISN + 1, host order: sequence number of the client's first byte */
	uint8_t state;   /**< enum cv_tcp_state */
	uint8_t flags;   /**< CV_TCP_F_* */
	uint8_t hdr_len; /**< bytes of header to splice in; 0: none */
	uint8_t aux;     /**< ticks since the header was first sent */
};
_Static_assert(sizeof(struct cv_tcp) == 8, "struct cv_tcp has its place in the flow's first line");

/** Cold part: written and read only off the fast path. All in host order. */
struct cv_tcp_cold {
	uint32_t fin_c; /**< sequence number after the client's FIN, once seen */
	uint32_t fin_t; /**< sequence number after the target's FIN, once seen */
	uint32_t
		ack_c; /**< highest ACK that the target may be sent: the client's, or of its SYN-ACK */
	uint32_t ts_val; /**< client's latest timestamp; both 0: the flow has none */
	uint32_t ts_ecr; /**< client's latest timestamp echo */
	uint16_t wnd;    /**< client's latest window field, as sent */
	uint16_t mss;    /**< largest payload plus options towards the target, in bytes */
};
_Static_assert(sizeof(struct cv_tcp_cold) == 24, "struct cv_tcp_cold has its place in the flow");

/** One received segment of a flow, in host order. */
struct cv_tcp_seg {
	uint32_t seq;
	uint32_t ack; /**< any value if CV_TCP_ACK is not set */
	uint16_t wnd; /**< as sent, not scaled */
	uint16_t payload_len;
	uint8_t flags;                  /**< byte 13 of the header */
	uint8_t opts_len;               /**< bytes of options */
	const struct cv_tcp_opts *opts; /**< parsed; NULL if malformed or not wanted */
};

/** What happens to the segment itself. */
enum cv_tcp_verdict {
	CV_TCP_FORWARD,     /**< forward it, changed as the act says */
	CV_TCP_DROP_STATE,  /**< the flow's state does not allow it */
	CV_TCP_DROP_SPLICE, /**< it makes no sense while the header is unacknowledged */
	CV_TCP_REOPEN, /**< SYN of a new connection: end this flow, treat as a SYN without a flow */
};

/** Where the header goes. */
enum cv_tcp_hdr {
	CV_TCP_HDR_NONE,
	CV_TCP_HDR_IN_SEGMENT, /**< first bytes of this segment's payload; act.seq counts it in */
	CV_TCP_HDR_BEFORE,     /**< own segment as act.built says, to the target, then this one */
	CV_TCP_HDR_RESEND, /**< own segment as act.built says, to the target; from t2c and timer */
};

/** Option edits: bits of cv_tcp_act.edit. */
#define CV_TCP_EDIT_TFO 0x01  /**< cv_tcp_tfo_strip() */
#define CV_TCP_EDIT_SACK 0x02 /**< cv_tcp_sack_raise() with min = isn1 */

/** What happened to the flow: bits of cv_tcp_act.events. */
#define CV_TCP_EV_ESTABLISHED 0x01 /**< the client completed the handshake */
#define CV_TCP_EV_CLOSED 0x02      /**< over (both FINs acknowledged, or RST): linger, then free */
#define CV_TCP_EV_RESET 0x04       /**< with CLOSED: it was an RST, by the side it came from */
#define CV_TCP_EV_REVIVED 0x08     /**< undo CLOSED: the RST's seeming sender goes on talking */
#define CV_TCP_EV_HDR_SENT 0x10    /**< header goes out for the first time: start the timer */
#define CV_TCP_EV_HDR_RESENT 0x20  /**< header goes out again */
#define CV_TCP_EV_HDR_ACKED 0x40   /**< header acknowledged: the timer is no longer needed */

/** A segment that carries only the header, towards the target; in host order. */
struct cv_tcp_built {
	uint32_t seq;
	uint32_t ack;
	uint32_t ts_val; /**< with has_ts: option NOP NOP TS(ts_val, ts_ecr) */
	uint32_t ts_ecr;
	uint16_t wnd;
	uint8_t flags;
	bool has_ts;
};

/** What to do with a segment whose verdict is CV_TCP_FORWARD. */
struct cv_tcp_act {
	uint32_t seq;   /**< to write into the header; often what it was */
	uint32_t ack;   /**< to write into the header if CV_TCP_ACK is set */
	uint16_t trim;  /**< payload bytes to remove at the front, before hdr is applied */
	uint16_t less;  /**< to take off the window field: the header's part of a SYN-ACK's */
	uint8_t hdr;    /**< enum cv_tcp_hdr */
	uint8_t edit;   /**< CV_TCP_EDIT_* */
	uint8_t events; /**< CV_TCP_EV_* */
	struct cv_tcp_built built; /**< set for CV_TCP_HDR_BEFORE and CV_TCP_HDR_RESEND */
};

/**
 * Start a flow with the SYN that opened it. Then pass that SYN through cv_tcp_c2t().
 *
 * @param[out] t          hot part
 * @param[out] c          cold part
 * @param      isn        sequence number of the SYN
 * @param      hdr_len    bytes of the PROXY header, 0 for none
 * @param      first_ack  placement on_first_ack rather than on_first_ack_with_payload
 * @param      mss_max    largest MSS that the path to the target allows, in bytes
 */
void cv_tcp_init(struct cv_tcp *t, struct cv_tcp_cold *c, uint32_t isn, uint8_t hdr_len,
		 bool first_ack, uint16_t mss_max);

/**
 * A segment from the client, towards the target.
 *
 * With CV_TCP_HDR_IN_SEGMENT and CV_TCP_HDR_BEFORE the caller must send the header, or drop the
 * segment as well: the client or the timer brings both again.
 *
 * @param[in,out] t        hot part
 * @param[in,out] c        cold part
 * @param         seg      the segment
 * @param[out]    ret_act  what to do; only act.events counts if the verdict is a drop
 * @return verdict
 */
enum cv_tcp_verdict cv_tcp_c2t(struct cv_tcp *t, struct cv_tcp_cold *c,
			       const struct cv_tcp_seg *seg, struct cv_tcp_act *ret_act);

/**
 * A segment from the target, towards the client. act.seq is seg.seq, or one less where the client
 * must answer; act.hdr is CV_TCP_HDR_NONE or CV_TCP_HDR_RESEND; a resend concerns the target and does
 * not depend on the fate of this segment. A SYN-ACK of another connection than the flow's ends the flow.
 *
 * @param[in,out] t        hot part
 * @param[in,out] c        cold part
 * @param         seg      the segment
 * @param[out]    ret_act  what to do; only act.events counts if the verdict is a drop
 * @return verdict; never CV_TCP_REOPEN
 */
enum cv_tcp_verdict cv_tcp_t2c(struct cv_tcp *t, struct cv_tcp_cold *c,
			       const struct cv_tcp_seg *seg, struct cv_tcp_act *ret_act);

/**
 * The flow's timer: run every CV_TCP_TICK_MS from CV_TCP_EV_HDR_SENT on, while
 * cv_tcp_is_timed(). It resends after 2, 4, 8 ... CV_TCP_TICKS ticks (0.5 s to 32 s), then leaves
 * the flow to its idle timeout. Needed with first_ack only: otherwise the client has bytes of its
 * own under way, and its own timer brings the header again.
 *
 * @param[in,out] t        hot part
 * @param         c        cold part
 * @param[out]    ret_act  set only if true is returned: hdr is CV_TCP_HDR_RESEND, built is set
 * @return true if a header segment must be sent now
 */
bool cv_tcp_timer(struct cv_tcp *t, const struct cv_tcp_cold *c, struct cv_tcp_act *ret_act);

/** Name of a state such as "established"; "?" if it is none. Static. */
const char *cv_tcp_state_str(uint8_t state);

/** Tell whether a flow is over for good. Not so one that was reset and may be revived: CV_TCP_EV_REVIVED. */
static inline bool cv_tcp_is_over(const struct cv_tcp *t)
{
	return t->state == CV_TCP_CLOSED ||
	       (t->state == CV_TCP_RESET && (t->flags & (CV_TCP_F_RST_C | CV_TCP_F_RST_T)) == 0);
}

/** Tell whether the header was sent and is not acknowledged. */
static inline bool cv_tcp_is_hdr_unacked(const struct cv_tcp *t)
{
	const uint8_t both = CV_TCP_F_UNACKED | CV_TCP_F_SENT;

	return (t->flags & both) == both && t->state < CV_TCP_CLOSED;
}

/** Tell whether cv_tcp_timer() must run, with first_ack: the header is not acknowledged, nor given up. */
static inline bool cv_tcp_is_timed(const struct cv_tcp *t)
{
	return cv_tcp_is_hdr_unacked(t) && t->aux < CV_TCP_TICKS;
}
