/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_tcp.h"

#include <stddef.h>

#include "cv_tcp_hot.h"
#include "tcp_priv.h"

/*
 * Next state by state and input; XX: not allowed, dropped. A SYN that starts a new connection is
 * sorted out before (syn_from_client). RFC 9293 figure 5, as both ends see it together:
 * FIN_CLIENT is FIN-WAIT at the client and CLOSE-WAIT at the target, FIN_BOTH is CLOSING,
 * LAST-ACK or FIN-WAIT-2 on the way to TIME-WAIT.
 *
 * In SYN_SENT a target's ACK or FIN belongs to an old connection; it goes through so that the
 * client resets that one (RFC 9293 section 3.5.1). CLOSED and RESET forward all but SYN: the ends
 * settle between them what was lost.
 */
enum {
	SS = CV_TCP_SYN_SENT,
	SR = CV_TCP_SYN_RCVD,
	ES = CV_TCP_ESTABLISHED,
	FC = CV_TCP_FIN_CLIENT,
	FT = CV_TCP_FIN_TARGET,
	FB = CV_TCP_FIN_BOTH,
	CL = CV_TCP_CLOSED,
	RS = CV_TCP_RESET,
	XX = CV_TCP_STATE_N,
};

/* clang-format off */
static const uint8_t next_state[CV_TCP_STATE_N][CV_TCP_IN_N] = {
	/*       client:             target:              */
	/*       SYN ACK FIN RST     SYNACK ACK FIN RST   */
	[SS] = { SS, XX, XX, RS,     SR,    SS, SS, RS },
	[SR] = { SR, ES, FC, RS,     SR,    SR, FT, RS },
	[ES] = { ES, ES, FC, RS,     ES,    ES, FT, RS },
	[FC] = { FC, FC, FC, RS,     FC,    FC, FB, RS },
	[FT] = { FT, FT, FB, RS,     FT,    FT, FT, RS },
	[FB] = { FB, FB, FB, RS,     FB,    FB, FB, RS },
	[CL] = { XX, CL, CL, CL,     CL,    CL, CL, CL },
	[RS] = { XX, RS, RS, RS,     RS,    RS, RS, RS },
};
/* clang-format on */

void cv_tcp_init(struct cv_tcp *t, struct cv_tcp_cold *c, uint32_t isn, uint8_t hdr_len,
		 bool first_ack, uint16_t mss_max)
{
	*t = (struct cv_tcp){.isn1 = isn + 1, .state = CV_TCP_SYN_SENT, .hdr_len = hdr_len};
	if (hdr_len > 0)
		t->flags = CV_TCP_F_UNACKED;
	if (hdr_len > 0 && first_ack)
		t->flags |= CV_TCP_F_FIRST_ACK;
	*c = (struct cv_tcp_cold){.mss = mss_max};
}

/* Sorts a segment of the client by its flags. */
static enum cv_tcp_input client_input(uint8_t flags)
{
	switch (flags & (CV_TCP_SYN | CV_TCP_ACK | CV_TCP_FIN | CV_TCP_RST)) {
	case CV_TCP_SYN:
		return CV_TCP_IN_C_SYN;
	case CV_TCP_ACK:
		return CV_TCP_IN_C_ACK;
	case CV_TCP_ACK | CV_TCP_FIN:
		return CV_TCP_IN_C_FIN;
	case CV_TCP_RST:
	case CV_TCP_RST | CV_TCP_ACK:
		return CV_TCP_IN_C_RST;
	default:
		return CV_TCP_IN_N;
	}
}

/* Sorts a segment of the target. A SYN without ACK (simultaneous open) cannot pass a load balancer. */
static enum cv_tcp_input target_input(uint8_t flags)
{
	switch (flags & (CV_TCP_SYN | CV_TCP_ACK | CV_TCP_FIN | CV_TCP_RST)) {
	case CV_TCP_SYN | CV_TCP_ACK:
		return CV_TCP_IN_T_SYNACK;
	case CV_TCP_ACK:
		return CV_TCP_IN_T_ACK;
	case CV_TCP_ACK | CV_TCP_FIN:
		return CV_TCP_IN_T_FIN;
	case CV_TCP_RST:
	case CV_TCP_RST | CV_TCP_ACK:
		return CV_TCP_IN_T_RST;
	default:
		return CV_TCP_IN_N;
	}
}

/*
 * An RST that we cannot judge for want of its receiver's window ends the flow on approval: if its
 * sender goes on talking it was not the sender's, or its receiver asked again (RFC 5961) and was
 * told otherwise. A segment that merely arrives late revives the flow as well; the receiver,
 * which is gone, answers it with an RST of its own.
 */
static void revive(struct cv_tcp *t, uint8_t rst_flag, struct cv_tcp_act *act)
{
	if (t->state != CV_TCP_RESET || (t->flags & rst_flag) == 0)
		return;
	t->flags &= (uint8_t)~rst_flag;
	t->state = CV_TCP_ESTABLISHED;
	act->events |= CV_TCP_EV_REVIVED;
}

/*
 * Its receiver asks again by an ACK that a living sender, which knows of no RST, would take for nothing new
 * and not answer. One byte below it is a keepalive, and that is answered: by an ACK, which revives the flow,
 * or by the RST that its receiver asked for.
 */
static void ask_sender(const struct cv_tcp *t, uint8_t rst_flag, enum cv_tcp_input in,
		       const struct cv_tcp_seg *seg, struct cv_tcp_act *act)
{
	if (t->state == CV_TCP_RESET && (t->flags & rst_flag) != 0 && seg->payload_len == 0 &&
	    act->hdr == CV_TCP_HDR_NONE && (in == CV_TCP_IN_C_ACK || in == CV_TCP_IN_T_ACK))
		act->seq--;
}

static void reset(struct cv_tcp *t, uint8_t rst_flag, struct cv_tcp_act *act)
{
	const uint8_t both = CV_TCP_F_RST_C | CV_TCP_F_RST_T;

	if (t->state == CV_TCP_RESET) {
		if ((t->flags & rst_flag) == 0)
			t->flags &= (uint8_t)~both;
		return;
	}
	if (t->state == CV_TCP_CLOSED)
		return;
	if (t->state == CV_TCP_ESTABLISHED)
		t->flags |= rst_flag;
	t->state = CV_TCP_RESET;
	act->events |= CV_TCP_EV_CLOSED | CV_TCP_EV_RESET;
}

/* Moves on an ACK or FIN that is forwarded. */
static void advance(struct cv_tcp *t, enum cv_tcp_input in, struct cv_tcp_act *act)
{
	uint8_t next = next_state[t->state][in];

	if (t->state <= CV_TCP_SYN_RCVD && next >= CV_TCP_ESTABLISHED)
		act->events |= CV_TCP_EV_ESTABLISHED;
	t->state = next;
}

static void close_if_acked(struct cv_tcp *t, struct cv_tcp_act *act)
{
	const uint8_t both = CV_TCP_F_FIN_C_ACKED | CV_TCP_F_FIN_T_ACKED;

	if (t->state != CV_TCP_FIN_BOTH || (t->flags & both) != both)
		return;
	t->state = CV_TCP_CLOSED;
	act->events |= CV_TCP_EV_CLOSED;
}

/*
 * A SYN that may begin another connection: what its answer would acknowledge. The client's timestamps, which
 * only the header's segments need, make room for it once there is none to be sent.
 */
static void syn_note(struct cv_tcp_cold *c, uint32_t ack)
{
	c->ts_val = ack;
	c->ts_ecr = ~ack;
}

static bool syn_was_noted(const struct cv_tcp_cold *c, uint32_t ack)
{
	return c->ts_val == ack && c->ts_ecr == ~ack;
}

/*
 * Once the header is acknowledged: a SYN with the number that the target had for the flow's own. The answer
 * would be taken for the one to that, and what the client sends then for the header.
 */
static bool syn_is_forged(const struct cv_tcp *t, uint32_t seq)
{
	return t->hdr_len != 0 && (t->flags & CV_TCP_F_UNACKED) == 0 &&
	       seq + 1 == cv_tcp_hdr_seq(t);
}

/*
 * A SYN with another ISN ends a flow that has not begun or is over. In between it is forwarded as
 * it is: the target asks by an ACK, a client that started anew answers that with RST and its next
 * SYN reopens the flow (RFC 9293 section 3.5.1, RFC 5961 section 4). A target that has forgotten the
 * connection takes the SYN for the first of another one: see target_began_anew(). After RST any SYN is
 * a new attempt: Windows repeats the same one. Once the header is acknowledged the flow's own SYN is as any
 * other.
 */
static enum cv_tcp_verdict syn_from_client(const struct cv_tcp *t, struct cv_tcp_cold *c,
					   const struct cv_tcp_seg *seg, struct cv_tcp_act *act)
{
	bool is_same = seg->seq + 1 == t->isn1, is_unacked = (t->flags & CV_TCP_F_UNACKED) != 0;

	if (t->state == CV_TCP_RESET)
		return CV_TCP_REOPEN;
	if (!is_same && (t->state == CV_TCP_SYN_SENT || t->state == CV_TCP_CLOSED))
		return CV_TCP_REOPEN;
	if (next_state[t->state][CV_TCP_IN_C_SYN] == XX || syn_is_forged(t, seg->seq))
		return CV_TCP_DROP_STATE;
	if (!is_unacked && t->state != CV_TCP_SYN_SENT)
		syn_note(c, seg->seq + 1);
	if (t->hdr_len == 0)
		return CV_TCP_FORWARD;
	if (is_same && is_unacked)
		act->seq -= t->hdr_len;
	/* Data on a SYN would reach the target before the header: without it the client sends again. */
	act->trim = seg->payload_len;
	if (seg->opts != NULL && seg->opts->tfo_off != CV_TCP_OPT_NONE)
		act->edit |= CV_TCP_EDIT_TFO;
	return CV_TCP_FORWARD;
}

enum cv_tcp_verdict cv_tcp_c2t(struct cv_tcp *t, struct cv_tcp_cold *c,
			       const struct cv_tcp_seg *seg, struct cv_tcp_act *ret_act)
{
	enum cv_tcp_input in = client_input(seg->flags);

	*ret_act = (struct cv_tcp_act){.seq = seg->seq, .ack = seg->ack};
	if (in == CV_TCP_IN_C_SYN)
		return syn_from_client(t, c, seg, ret_act);
	if (in == CV_TCP_IN_N || next_state[t->state][in] == XX)
		return CV_TCP_DROP_STATE;
	/* Not of this connection: it answers a stray ACK of an old one (see next_state). */
	if (in == CV_TCP_IN_C_RST && t->state == CV_TCP_SYN_SENT && seg->seq != t->isn1)
		return CV_TCP_FORWARD;
	if ((t->flags & CV_TCP_F_UNACKED) != 0) {
		enum cv_tcp_verdict verdict = cv_tcp_splice_c2t(t, c, seg, ret_act);

		if (verdict != CV_TCP_FORWARD)
			return verdict;
	}
	if (in == CV_TCP_IN_C_RST) {
		reset(t, CV_TCP_F_RST_C, ret_act);
		return CV_TCP_FORWARD;
	}
	revive(t, CV_TCP_F_RST_C, ret_act);
	ask_sender(t, CV_TCP_F_RST_T, in, seg, ret_act);
	advance(t, in, ret_act);
	if (in == CV_TCP_IN_C_FIN)
		c->fin_c = seg->seq + seg->payload_len + 1;
	if ((t->state == CV_TCP_FIN_TARGET || t->state == CV_TCP_FIN_BOTH) &&
	    cv_seq_geq(seg->ack, c->fin_t))
		t->flags |= CV_TCP_F_FIN_T_ACKED;
	close_if_acked(t, ret_act);
	return CV_TCP_FORWARD;
}

/* Tells whether a target's segment acknowledges our SYN, with what data may have been on it. */
static bool acks_syn(const struct cv_tcp *t, const struct cv_tcp_seg *seg)
{
	uint32_t past = seg->ack - cv_tcp_hdr_seq(t);

	return (seg->flags & CV_TCP_ACK) != 0 && past <= (t->hdr_len == 0 ? UINT16_MAX : 0);
}

/* Segments that a client sends before it hears of the first (RFC 6928). */
#define FIRST_FLIGHT 10

/*
 * The client must leave the header its place in the target's window, which a SYN-ACK never scales. A window
 * that its first flight cannot fill is let alone, as all others are.
 */
static uint16_t hdr_window(const struct cv_tcp *t, const struct cv_tcp_cold *c,
			   const struct cv_tcp_seg *seg)
{
	if (t->hdr_len == 0 || seg->wnd == 0 ||
	    seg->wnd >= FIRST_FLIGHT * (uint32_t)c->mss + t->hdr_len)
		return 0;
	return seg->wnd > t->hdr_len ? t->hdr_len : (uint16_t)(seg->wnd - 1);
}

static void syn_ack_note(struct cv_tcp_cold *c, const struct cv_tcp_seg *seg)
{
	const struct cv_tcp_opts *opts = seg->opts;
	uint16_t mss = CV_TCP_MSS_DEFAULT;

	if (opts != NULL && opts->mss_off != CV_TCP_OPT_NONE)
		mss = opts->mss;
	if (mss < c->mss)
		c->mss = mss;
	c->ack_c = seg->seq + 1;
}

/* The target's answer to the SYN. Anything else in SYN_SENT changes nothing: see next_state. */
static enum cv_tcp_verdict target_in_syn_sent(struct cv_tcp *t, struct cv_tcp_cold *c,
					      enum cv_tcp_input in, const struct cv_tcp_seg *seg,
					      struct cv_tcp_act *act)
{
	bool is_ours = acks_syn(t, seg);

	if (in == CV_TCP_IN_T_RST) {
		if (!is_ours)
			return CV_TCP_DROP_STATE;
		reset(t, CV_TCP_F_RST_T, act);
	} else if (in == CV_TCP_IN_T_SYNACK && is_ours) {
		syn_ack_note(c, seg);
		act->less = hdr_window(t, c, seg);
		t->state = CV_TCP_SYN_RCVD;
	}
	return CV_TCP_FORWARD;
}

/*
 * The target answers a SYN that is not this flow's: it had forgotten the connection, and has begun another
 * one with the numbers of the client's. That must not be: there would be no header in it, or one that the
 * client made up. So the flow is over, and the client's next SYN opens one of its own. What answers no SYN
 * that came by here is none of the target's, or late, and only stays here.
 */
static bool target_began_anew(struct cv_tcp *t, const struct cv_tcp_cold *c, enum cv_tcp_input in,
			      const struct cv_tcp_seg *seg, struct cv_tcp_act *act)
{
	if (in != CV_TCP_IN_T_SYNACK || t->state == CV_TCP_SYN_SENT || acks_syn(t, seg))
		return false;
	if ((t->flags & CV_TCP_F_UNACKED) != 0 || !syn_was_noted(c, seg->ack))
		return true;
	t->flags &= (uint8_t) ~(CV_TCP_F_RST_C | CV_TCP_F_RST_T);
	if (t->state < CV_TCP_CLOSED) {
		t->state = CV_TCP_RESET;
		act->events |= CV_TCP_EV_CLOSED;
	}
	return true;
}

enum cv_tcp_verdict cv_tcp_t2c(struct cv_tcp *t, struct cv_tcp_cold *c,
			       const struct cv_tcp_seg *seg, struct cv_tcp_act *ret_act)
{
	enum cv_tcp_input in = target_input(seg->flags);

	*ret_act = (struct cv_tcp_act){.seq = seg->seq, .ack = seg->ack};
	if (in == CV_TCP_IN_N || next_state[t->state][in] == XX ||
	    target_began_anew(t, c, in, seg, ret_act))
		return CV_TCP_DROP_STATE;
	if ((seg->flags & CV_TCP_ACK) != 0) {
		enum cv_tcp_verdict verdict = cv_tcp_splice_t2c(t, c, seg, ret_act);

		if (verdict != CV_TCP_FORWARD)
			return verdict;
	}
	if (t->state == CV_TCP_SYN_SENT)
		return target_in_syn_sent(t, c, in, seg, ret_act);
	if (in == CV_TCP_IN_T_RST) {
		reset(t, CV_TCP_F_RST_T, ret_act);
		return CV_TCP_FORWARD;
	}
	/* It may have begun anew before the client had its first answer. */
	if (in == CV_TCP_IN_T_SYNACK && t->state == CV_TCP_SYN_RCVD)
		syn_ack_note(c, seg);
	if (in == CV_TCP_IN_T_SYNACK)
		ret_act->less = hdr_window(t, c, seg);
	revive(t, CV_TCP_F_RST_T, ret_act);
	ask_sender(t, CV_TCP_F_RST_C, in, seg, ret_act);
	advance(t, in, ret_act);
	if (in == CV_TCP_IN_T_FIN)
		c->fin_t = seg->seq + seg->payload_len + 1;
	if ((t->state == CV_TCP_FIN_CLIENT || t->state == CV_TCP_FIN_BOTH) &&
	    cv_seq_geq(seg->ack, c->fin_c))
		t->flags |= CV_TCP_F_FIN_C_ACKED;
	close_if_acked(t, ret_act);
	return CV_TCP_FORWARD;
}

const char *cv_tcp_state_str(uint8_t state)
{
	static const char *const names[CV_TCP_STATE_N] = {
		[CV_TCP_SYN_SENT] = "syn_sent",       [CV_TCP_SYN_RCVD] = "syn_rcvd",
		[CV_TCP_ESTABLISHED] = "established", [CV_TCP_FIN_CLIENT] = "fin_client",
		[CV_TCP_FIN_TARGET] = "fin_target",   [CV_TCP_FIN_BOTH] = "fin_both",
		[CV_TCP_CLOSED] = "closed",           [CV_TCP_RESET] = "reset",
	};

	return state < CV_TCP_STATE_N ? names[state] : "?";
}
