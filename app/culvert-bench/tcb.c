/* SPDX-License-Identifier: BSD-3-Clause */

#include "tcb.h"

#include <string.h>

#include "cv_tcp.h"

void cb_tcb_dial(struct cb_tcb *t, uint32_t iss, uint16_t tick)
{
	memset(t, 0, sizeof(*t));
	t->iss = iss;
	t->snd_nxt = iss + 1;
	t->flight = 1;
	t->stamp = tick;
	t->state = CB_SYN_SENT;
}

void cb_tcb_accept(struct cb_tcb *t, uint32_t iss, uint32_t rcv_nxt, uint16_t tick)
{
	memset(t, 0, sizeof(*t));
	t->iss = iss;
	t->snd_nxt = iss + 1;
	t->rcv_nxt = rcv_nxt;
	t->stamp = tick;
	t->state = CB_OPEN;
}

static uint32_t in_syn_sent(struct cb_tcb *t, const struct cb_seg *seg)
{
	if ((seg->flags & CV_TCP_ACK) == 0 || seg->ack != t->iss + 1)
		return CB_EV_STRAY;
	if ((seg->flags & CV_TCP_RST) != 0)
		return CB_EV_RESET;
	if ((seg->flags & CV_TCP_SYN) == 0)
		return CB_EV_STRAY;
	t->rcv_nxt = seg->seq + 1;
	t->flight = 0;
	t->retries = 0;
	t->state = CB_OPEN;
	t->flags |= CB_T_ACK_DUE;
	return CB_EV_OPENED;
}

static uint32_t in_ack(struct cb_tcb *t, const struct cb_seg *seg)
{
	uint32_t acked = seg->ack - (t->snd_nxt - t->flight);

	if (acked == 0 || (int32_t)acked < 0)
		return 0;
	if (acked <= t->flight) {
		t->flight = (uint16_t)(t->flight - acked);
	} else if (t->retries > 0 && acked <= UINT16_MAX) {
		/* We went back, but the peer had received more before. */
		t->snd_nxt = seg->ack;
		t->flight = 0;
	} else {
		return CB_EV_STRAY;
	}
	t->retries = 0;
	return CB_EV_ACKED;
}

static uint32_t in_data(struct cb_tcb *t, struct cb_seg *seg)
{
	uint32_t fin = (seg->flags & CV_TCP_FIN) != 0, len = seg->len + fin;
	int32_t old = (int32_t)(t->rcv_nxt - seg->seq);
	uint32_t ev = 0;

	/* A bare acknowledgement from ahead answers nothing, or two ends would answer each other for ever. */
	if (len == 0 && old <= 0)
		return 0;
	if (old < 0 || (uint32_t)old >= len) {
		t->flags |= CB_T_ACK_DUE;
		return old < 0 ? CB_EV_EARLY : CB_EV_OLD;
	}
	if (old < seg->len) {
		seg->skip = (uint16_t)old;
		t->rcv_off = (uint16_t)(t->rcv_off + seg->len - old);
		ev = CB_EV_DATA;
	}
	t->rcv_nxt = seg->seq + len;
	t->flags |= CB_T_ACK_DUE;
	if (fin != 0) {
		t->flags |= CB_T_FIN_IN;
		ev |= CB_EV_FIN;
	}
	return ev;
}

uint32_t cb_tcb_in(struct cb_tcb *t, struct cb_seg *seg)
{
	uint32_t ev;

	seg->skip = 0;
	if (t->state == CB_SYN_SENT)
		return in_syn_sent(t, seg);
	if ((seg->flags & CV_TCP_RST) != 0)
		return seg->seq - t->rcv_nxt <= UINT16_MAX ? CB_EV_RESET : CB_EV_STRAY;
	if ((seg->flags & CV_TCP_SYN) != 0) {
		t->flags |= CB_T_ACK_DUE;
		return CB_EV_OLD;
	}
	if ((seg->flags & CV_TCP_ACK) == 0)
		return CB_EV_STRAY;
	ev = in_ack(t, seg);
	if (ev == CB_EV_STRAY)
		return ev;
	return ev | in_data(t, seg);
}

/* Bytes of stream that may go out now. */
static uint32_t next_len(const struct cb_tcb *t, uint32_t limit, uint16_t mss, uint16_t window)
{
	uint32_t off = cb_tcb_off(t), len = mss;
	uint32_t room = window > t->flight ? (uint32_t)window - t->flight : 0;

	/* Streams without end go in full segments only. */
	if (limit == CB_FOREVER)
		return len <= room ? len : 0;
	len = off < limit ? limit - off : 0;
	len = len < mss ? len : mss;
	return len < room ? len : room;
}

bool cb_tcb_next(struct cb_tcb *t, uint32_t limit, uint16_t mss, uint16_t window,
		 struct cb_out *ret_out)
{
	uint32_t off = cb_tcb_off(t), len;
	bool fin;

	if (t->state != CB_OPEN)
		return false;
	/* The peer acknowledged a FIN from before we went back. */
	if ((t->flags & CB_T_CLOSING) != 0 && limit != CB_FOREVER && off == limit + 1)
		t->flags |= CB_T_FIN_OUT;
	len = next_len(t, limit, mss, window);
	fin = (t->flags & (CB_T_CLOSING | CB_T_FIN_OUT)) == CB_T_CLOSING && limit != CB_FOREVER &&
	      off + len == limit;
	if (len == 0 && !fin)
		return false;
	*ret_out = (struct cb_out){.seq = t->snd_nxt, .off = off, .len = (uint16_t)len, .fin = fin};
	t->snd_nxt += len + fin;
	t->flight = (uint16_t)(t->flight + len + fin);
	t->flags &= (uint8_t)~CB_T_ACK_DUE;
	if (fin)
		t->flags |= CB_T_FIN_OUT;
	return true;
}

bool cb_tcb_back(struct cb_tcb *t, uint16_t tick)
{
	if (t->retries >= CB_RETRIES_MAX)
		return false;
	t->retries = (t->retries + 1) & 0xf;
	t->stamp = tick;
	if (t->state == CB_SYN_SENT)
		return true;
	t->snd_nxt -= t->flight;
	t->flight = 0;
	/* The FIN is last in sequence: while anything waits, it does. */
	t->flags &= (uint8_t)~CB_T_FIN_OUT;
	return true;
}
