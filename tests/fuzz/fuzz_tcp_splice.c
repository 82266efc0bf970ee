/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The splice against ends that do what they like. Input: one byte of setup, then 8 bytes for each segment.
 * However wrong the segments, a client's byte never takes a place of the header, the header has its own
 * place only, and the client is told of no byte that it did not send.
 */

#include <stdint.h>
#include <string.h>

#include "cv_base.h"
#include "cv_tcp_hot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct input {
	uint8_t kind; /* bit 0: from the target; bit 1: timer; bit 2: options */
	uint8_t flags;
	int8_t seq; /* from isn1 */
	int8_t ack;
	uint8_t len;
	uint8_t ts;
	uint8_t far; /* bit 0, 1: seq, ack far away */
	uint8_t opts_len;
};

static void check_client(const struct cv_tcp *t, const struct cv_tcp_seg *seg, bool was_unacked,
			 const struct cv_tcp_act *act)
{
	uint32_t hdr = t->isn1 - t->hdr_len;
	uint32_t len = seg->payload_len - (uint32_t)act->trim;

	cv_assert(act->trim <= seg->payload_len);
	cv_assert(act->ack == seg->ack);
	cv_assert(act->hdr != CV_TCP_HDR_RESEND);
	if (!was_unacked || (seg->flags & CV_TCP_SYN) != 0) {
		cv_assert(act->hdr == CV_TCP_HDR_NONE);
		return;
	}
	if (act->hdr == CV_TCP_HDR_IN_SEGMENT)
		cv_assert(act->seq == hdr);
	else if (t->state != CV_TCP_SYN_SENT && len > 0 && (seg->flags & CV_TCP_RST) == 0)
		cv_assert(act->seq - hdr >= t->hdr_len && act->seq + len - 1 - hdr >= t->hdr_len);
	if (act->hdr == CV_TCP_HDR_BEFORE)
		cv_assert(act->built.seq == hdr);
}

static void check_target(const struct cv_tcp *t, const struct cv_tcp_seg *seg, bool was_unacked,
			 const struct cv_tcp_act *act)
{
	const uint8_t more = CV_TCP_SYN | CV_TCP_FIN | CV_TCP_RST;
	bool has_ack = (seg->flags & CV_TCP_ACK) != 0;
	bool is_empty = seg->payload_len == 0 && (seg->flags & more) == 0;

	/* What says nothing may become a keepalive. */
	cv_assert(act->seq == seg->seq || (is_empty && act->seq == seg->seq - 1));
	cv_assert(act->trim == 0);
	cv_assert(act->hdr == CV_TCP_HDR_NONE || act->hdr == CV_TCP_HDR_RESEND);
	/* Once the header is acknowledged, ACKs are what they say. */
	if (has_ack && !was_unacked)
		cv_assert(act->ack == seg->ack);
	else if (has_ack)
		cv_assert(act->ack - (t->isn1 - t->hdr_len) >= t->hdr_len);
	if (has_ack && (t->flags & CV_TCP_F_UNACKED) != 0 && t->state != CV_TCP_SYN_SENT)
		cv_assert(cv_seq_leq(act->ack, t->isn1));
}

static void step(struct cv_tcp *t, struct cv_tcp_cold *c, const struct input *in)
{
	bool was_unacked = (t->flags & CV_TCP_F_UNACKED) != 0;
	struct cv_tcp_opts opts = {
		.ts_off = in->ts != 0 ? 0 : CV_TCP_OPT_NONE, .ts_val = in->ts, .ts_ecr = 1};
	struct cv_tcp_seg seg = {
		.seq = t->isn1 + (uint32_t)(int32_t)in->seq +
		       ((in->far & 1) != 0 ? 0x7fffff00u : 0),
		.ack = t->isn1 + (uint32_t)(int32_t)in->ack +
		       ((in->far & 2) != 0 ? 0x7fffff00u : 0),
		.payload_len = in->len,
		.flags = in->flags,
		.opts_len = in->opts_len % 41,
		.opts = (in->kind & 4) != 0 ? &opts : NULL,
	};
	struct cv_tcp_act act;

	if ((in->kind & 2) != 0) {
		if (cv_tcp_timer(t, c, &act))
			cv_assert(act.built.seq == t->isn1 - t->hdr_len);
		return;
	}
	if (cv_tcp_is_fast(t, seg.flags))
		return;
	if ((in->kind & 1) != 0) {
		if (cv_tcp_t2c(t, c, &seg, &act) == CV_TCP_FORWARD)
			check_target(t, &seg, was_unacked, &act);
	} else if (cv_tcp_c2t(t, c, &seg, &act) == CV_TCP_FORWARD) {
		check_client(t, &seg, was_unacked, &act);
	}
	cv_assert(t->state < CV_TCP_STATE_N);
	cv_assert(was_unacked || (t->flags & CV_TCP_F_UNACKED) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t hdr_lens[] = {0, 1, 12, 100};
	struct cv_tcp_cold cold;
	struct cv_tcp t;
	struct input in;

	if (len < 1)
		return 0;
	cv_tcp_init(&t, &cold, (uint32_t)(data[0] >> 3) - 16, hdr_lens[data[0] & 3],
		    (data[0] & 4) != 0, 200);
	for (size_t off = 1; off + sizeof(in) <= len; off += sizeof(in)) {
		memcpy(&in, data + off, sizeof(in));
		step(&t, &cold, &in);
	}
	return 0;
}
