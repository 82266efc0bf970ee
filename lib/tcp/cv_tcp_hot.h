/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * TCP fast path: sequence arithmetic and the one test that lets a segment through untouched.
 *
 * @threads any; no shared state
 * @source  RFC 9293 section 3.4 (sequence numbers compare modulo 2^32)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_tcp.h"

_Static_assert(offsetof(struct cv_tcp, flags) == offsetof(struct cv_tcp, state) + 1,
	       "state and flags are read as one word");

/** Tell whether sequence number a comes before b. Both within 2^31 of each other. */
static inline bool cv_seq_lt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/** Tell whether sequence number a is b or comes before it. */
static inline bool cv_seq_leq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) <= 0;
}

/** Tell whether sequence number a comes after b. */
static inline bool cv_seq_gt(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

/** Tell whether sequence number a is b or comes after it. */
static inline bool cv_seq_geq(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) >= 0;
}

/** Tell whether a flow is established with no header outstanding: one masked compare. */
static inline bool cv_tcp_is_steady(const struct cv_tcp *t)
{
	const uint8_t want[2] = {CV_TCP_ESTABLISHED, 0};
	const uint8_t mask[2] = {0xff, CV_TCP_F_UNACKED};
	uint16_t have, w, m;

	__builtin_memcpy(&have, (const uint8_t *)t + offsetof(struct cv_tcp, state), 2);
	__builtin_memcpy(&w, want, 2);
	__builtin_memcpy(&m, mask, 2);
	return (have & m) == w;
}

/** Tell whether a segment with these flags needs nothing from this module: forward it as it is. */
static inline bool cv_tcp_is_fast(const struct cv_tcp *t, uint8_t flags)
{
	const uint8_t mask = CV_TCP_FIN | CV_TCP_SYN | CV_TCP_RST | CV_TCP_ACK;

	return (flags & mask) == CV_TCP_ACK && cv_tcp_is_steady(t);
}

/** Tell whether cv_tcp_c2t() and cv_tcp_t2c() want this segment's options parsed. */
static inline bool cv_tcp_wants_opts(const struct cv_tcp *t, uint8_t flags)
{
	return (flags & CV_TCP_SYN) != 0 || (t->flags & CV_TCP_F_UNACKED) != 0;
}

/** Tell whether an option area is empty or holds what every segment of a flow with timestamps has. */
static inline bool cv_tcp_opts_are_plain(const uint8_t *opts, unsigned int opts_len)
{
	static const uint8_t ts[4] = {1, 1, 8, 10}; /* NOP NOP TIMESTAMPS */

	return opts_len == 0 || (opts_len == 12 && __builtin_memcmp(opts, ts, sizeof(ts)) == 0);
}

/**
 * Take a target's plain ACK of the whole header: the same as cv_tcp_t2c() does with it, for the commonest
 * segment of all that are not fast.
 *
 * @param flags     byte 13 of the header
 * @param opts      shape [opts_len]: other options than timestamps may need an edit
 * @param opts_len  bytes of options
 * @param ack       acknowledgement number, host order
 * @return true if it was one: the flow is steady now. False: nothing has changed
 */
static inline bool cv_tcp_hdr_ack(struct cv_tcp *t, uint8_t flags, const uint8_t *opts,
				  unsigned int opts_len, uint32_t ack)
{
	const uint8_t both = CV_TCP_F_UNACKED | CV_TCP_F_SENT;
	const uint8_t mask = CV_TCP_FIN | CV_TCP_SYN | CV_TCP_RST | CV_TCP_ACK;

	if (t->state != CV_TCP_ESTABLISHED || (t->flags & both) != both ||
	    (flags & mask) != CV_TCP_ACK || cv_seq_lt(ack, t->isn1) ||
	    !cv_tcp_opts_are_plain(opts, opts_len))
		return false;
	t->flags &= (uint8_t)~CV_TCP_F_UNACKED;
	return true;
}

/** Tell whether a flow is established and its header, due with the first data, was not sent yet. */
static inline bool cv_tcp_wants_header(const struct cv_tcp *t)
{
	const uint8_t bits = CV_TCP_F_UNACKED | CV_TCP_F_SENT | CV_TCP_F_FIRST_ACK;

	return t->state == CV_TCP_ESTABLISHED && (t->flags & bits) == CV_TCP_F_UNACKED;
}

/**
 * Take a client's first data when the header goes out right before it: the same as cv_tcp_c2t() does with
 * it, with act->seq = cv_tcp_hdr_seq(), CV_TCP_HDR_IN_SEGMENT and CV_TCP_EV_HDR_SENT as the outcome.
 *
 * @param seg   opts is not read
 * @param opts  shape [seg->opts_len]: as in the segment
 * @return true if it was that. False: nothing has changed
 */
static inline bool cv_tcp_first_data(struct cv_tcp *t, struct cv_tcp_cold *c,
				     const struct cv_tcp_seg *seg, const uint8_t *opts)
{
	const uint8_t mask = CV_TCP_FIN | CV_TCP_SYN | CV_TCP_RST | CV_TCP_ACK | CV_TCP_URG;
	uint32_t ts[2];

	if (!cv_tcp_wants_header(t) || (seg->flags & mask) != CV_TCP_ACK || seg->seq != t->isn1 ||
	    seg->payload_len == 0 || !cv_tcp_opts_are_plain(opts, seg->opts_len) ||
	    (uint32_t)t->hdr_len + seg->payload_len + seg->opts_len > c->mss)
		return false;
	if (cv_seq_geq(seg->ack, c->ack_c)) {
		c->ack_c = seg->ack;
		c->wnd = seg->wnd;
	}
	if (seg->opts_len > 0) {
		__builtin_memcpy(ts, opts + 4, sizeof(ts));
		ts[0] = __builtin_bswap32(ts[0]);
		if ((c->ts_val | c->ts_ecr) == 0 || cv_seq_geq(ts[0], c->ts_val)) {
			c->ts_val = ts[0];
			c->ts_ecr = __builtin_bswap32(ts[1]);
		}
	}
	t->flags = (uint8_t)((t->flags | CV_TCP_F_SENT) & ~CV_TCP_F_RESENT);
	return true;
}
