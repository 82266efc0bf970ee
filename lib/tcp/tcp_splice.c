/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The header's H bytes are [isn1 - H, isn1) of the target's stream. While they are unacknowledged
 * the target's next expected byte is one of them, or isn1 and more without our knowing it yet.
 */

#include "cv_tcp_hot.h"
#include "tcp_priv.h"

static void hdr_segment_build(const struct cv_tcp *t, const struct cv_tcp_cold *c,
			      struct cv_tcp_built *built)
{
	*built = (struct cv_tcp_built){
		.seq = cv_tcp_hdr_seq(t),
		.ack = c->ack_c,
		.ts_val = c->ts_val,
		.ts_ecr = c->ts_ecr,
		.wnd = c->wnd,
		.flags = CV_TCP_ACK | CV_TCP_PSH,
		.has_ts = (c->ts_val | c->ts_ecr) != 0,
	};
}

static void hdr_resend(const struct cv_tcp *t, const struct cv_tcp_cold *c, uint8_t how,
		       struct cv_tcp_act *act)
{
	act->hdr = how;
	act->events |= CV_TCP_EV_HDR_RESENT;
	hdr_segment_build(t, c, &act->built);
}

/* Keeps what a header segment needs when no segment of the client is at hand to copy it from. */
static void client_note(struct cv_tcp_cold *c, const struct cv_tcp_seg *seg)
{
	const struct cv_tcp_opts *opts = seg->opts;

	if ((seg->flags & CV_TCP_RST) != 0)
		return;
	if (cv_seq_geq(seg->ack, c->ack_c)) {
		c->ack_c = seg->ack;
		c->wnd = seg->wnd;
	}
	/* PAWS: never send an older timestamp than the target has seen. */
	if (opts != NULL && opts->ts_off != CV_TCP_OPT_NONE &&
	    ((c->ts_val | c->ts_ecr) == 0 || cv_seq_geq(opts->ts_val, c->ts_val))) {
		c->ts_val = opts->ts_val;
		c->ts_ecr = opts->ts_ecr;
	}
}

/* The header goes right before the segment's len bytes (or FIN, or nothing) at isn1. */
static void hdr_place(struct cv_tcp *t, const struct cv_tcp_cold *c, const struct cv_tcp_seg *seg,
		      uint32_t len, struct cv_tcp_act *act)
{
	/*
	 * Sent again it goes alone: both in one segment may have been too large for the path, and what a
	 * router says of the client's own segment has the client's own number. An urgent pointer counts from
	 * the segment's own sequence number, which must not move then.
	 */
	bool fits = (t->flags & CV_TCP_F_SENT) == 0 && (seg->flags & CV_TCP_URG) == 0 &&
		    (uint32_t)t->hdr_len + len + seg->opts_len <= c->mss;

	if (fits) {
		act->hdr = CV_TCP_HDR_IN_SEGMENT;
		act->seq = cv_tcp_hdr_seq(t);
	} else {
		act->hdr = CV_TCP_HDR_BEFORE;
		hdr_segment_build(t, c, &act->built);
	}
	/* A new round: the target's next ACK below may ask again, timer or not. */
	t->flags &= (uint8_t)~CV_TCP_F_RESENT;
	if ((t->flags & CV_TCP_F_SENT) != 0) {
		act->events |= CV_TCP_EV_HDR_RESENT;
		return;
	}
	act->events |= CV_TCP_EV_HDR_SENT;
	t->flags |= CV_TCP_F_SENT;
}

/*
 * A client's RST must stop the target, which accepts one only at its next expected byte (RFC 5961
 * section 3.2) and otherwise asks again by an ACK. Before the header that byte is isn1 - H. Once
 * it was sent we cannot know, so it goes out again: then the byte is isn1 or the RST's own.
 */
static void rst_place(const struct cv_tcp *t, const struct cv_tcp_cold *c, int32_t ahead,
		      struct cv_tcp_act *act)
{
	if ((t->flags & CV_TCP_F_SENT) != 0)
		hdr_resend(t, c, CV_TCP_HDR_BEFORE, act);
	else if (ahead == 0)
		act->seq -= t->hdr_len;
}

/*
 * A segment that starts below the client's first byte. It is a keepalive or window probe, with or
 * without its byte of garbage, or that byte with data behind it; nothing else is ever sent there.
 * Returns false if it is none of these.
 */
static bool below_place(const struct cv_tcp *t, const struct cv_tcp_seg *seg, int32_t *ahead,
			uint32_t *len, struct cv_tcp_act *act)
{
	bool is_fin = (seg->flags & CV_TCP_FIN) != 0;

	if (*ahead != -1 || (seg->flags & CV_TCP_RST) != 0)
		return false;
	if (!is_fin && *len <= 1) {
		/* Below all that the target expects, so its byte can never count as header. */
		act->seq -= t->hdr_len;
		return true;
	}
	if (*len == 0)
		return false;
	act->trim = 1;
	act->seq = t->isn1;
	*len -= 1;
	*ahead = 0;
	return true;
}

enum cv_tcp_verdict cv_tcp_splice_c2t(struct cv_tcp *t, struct cv_tcp_cold *c,
				      const struct cv_tcp_seg *seg, struct cv_tcp_act *act)
{
	bool is_sent = (t->flags & CV_TCP_F_SENT) != 0;
	int32_t ahead = (int32_t)(seg->seq - t->isn1);
	uint32_t len = seg->payload_len;

	if (ahead < 0 && !below_place(t, seg, &ahead, &len, act))
		return CV_TCP_DROP_SPLICE;
	client_note(c, seg);
	if ((seg->flags & CV_TCP_RST) != 0) {
		rst_place(t, c, ahead, act);
		return CV_TCP_FORWARD;
	}
	/* Below: placed already. Beyond isn1: the numbers are the target's as well, header or not. */
	if (ahead != 0)
		return CV_TCP_FORWARD;
	if (len > 0 || (seg->flags & CV_TCP_FIN) != 0 ||
	    ((t->flags & CV_TCP_F_FIRST_ACK) != 0 && !is_sent))
		hdr_place(t, c, seg, len, act);
	else if (!is_sent)
		act->seq -= t->hdr_len;
	return CV_TCP_FORWARD;
}

/*
 * The target does not have the header. Resend at once, but for all its ACKs no more than once
 * until the next tick or the client's next try: a target that speaks first may have many under
 * way from before the header came. Without a tick to come each is answered that brings no data. One without
 * a window has no place for the header, and would answer it by just such an ACK.
 */
static void ack_below(struct cv_tcp *t, const struct cv_tcp_cold *c, const struct cv_tcp_seg *seg,
		      struct cv_tcp_act *act)
{
	if (!cv_tcp_is_hdr_unacked(t) || (t->flags & CV_TCP_F_RESENT) != 0 ||
	    (seg->flags & CV_TCP_RST) != 0 || seg->wnd == 0 ||
	    (t->aux >= CV_TCP_TICKS && seg->payload_len > 0))
		return;
	if (t->aux < CV_TCP_TICKS)
		t->flags |= CV_TCP_F_RESENT;
	hdr_resend(t, c, CV_TCP_HDR_RESEND, act);
}

enum cv_tcp_verdict cv_tcp_splice_t2c(struct cv_tcp *t, const struct cv_tcp_cold *c,
				      const struct cv_tcp_seg *seg, struct cv_tcp_act *act)
{
	bool is_unacked = (t->flags & CV_TCP_F_UNACKED) != 0;

	if (is_unacked && seg->opts != NULL && seg->opts->n_sack > 0)
		act->edit |= CV_TCP_EDIT_SACK;
	/*
	 * Not once the header is acknowledged: then a number from there is a late ACK, which changes nothing,
	 * or comes 4 GiB later and is no more than it says.
	 */
	if (is_unacked && seg->ack - cv_tcp_hdr_seq(t) < t->hdr_len) {
		act->ack = t->isn1;
		ack_below(t, c, seg, act);
		return CV_TCP_FORWARD;
	}
	/*
	 * Before the SYN-ACK a target that still has an old connection of this port pair answers
	 * the SYN with that one's numbers; the client's RST to exactly these clears it.
	 */
	if (!is_unacked || t->state == CV_TCP_SYN_SENT || cv_seq_lt(seg->ack, t->isn1))
		return CV_TCP_FORWARD;
	if ((t->flags & CV_TCP_F_SENT) == 0)
		return CV_TCP_DROP_SPLICE;
	t->flags &= (uint8_t)~CV_TCP_F_UNACKED;
	act->events |= CV_TCP_EV_HDR_ACKED;
	return CV_TCP_FORWARD;
}

bool cv_tcp_timer(struct cv_tcp *t, const struct cv_tcp_cold *c, struct cv_tcp_act *ret_act)
{
	if (!cv_tcp_is_hdr_unacked(t))
		return false;
	t->flags &= (uint8_t)~CV_TCP_F_RESENT;
	if (t->aux < UINT8_MAX)
		t->aux++;
	/* The first tick may come right after the header: it never resends. */
	if (t->aux < 2 || (t->aux & (t->aux - 1)) != 0)
		return false;
	*ret_act = (struct cv_tcp_act){0};
	hdr_resend(t, c, CV_TCP_HDR_RESEND, ret_act);
	return true;
}
