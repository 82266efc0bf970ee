/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A small TCP end for test_tcp_splice.c: in-order receive buffer, cumulative ACK, SACK,
 * timestamps with PAWS, retransmission by timeout and by three duplicate ACKs with new segment
 * boundaries, RFC 5961 answers to RST and SYN, keepalives, zero-window probes. It is strict about
 * what it is sent and checks each received byte as it arrives.
 *
 * Each byte's value follows from its place, so a wrong byte, a byte of garbage or a byte at the
 * wrong place shows at once.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cv_net.h"
#include "cv_tcp_hot.h"

#define MODEL_BUF_LEN 8192
#define MODEL_SEG_MAX 1600
#define MODEL_GARBAGE 0xee

struct model_seg {
	uint32_t seq;
	uint32_t ack;
	uint16_t wnd;
	uint8_t flags;
	uint8_t opts_len;
	uint16_t len;
	uint8_t opts[CV_TCP_OPTS_LEN_MAX];
	uint8_t data[MODEL_SEG_MAX];
};

enum end_state { END_LISTEN, END_SYN_SENT, END_SYN_RCVD, END_OPEN, END_GONE };

struct model_end {
	enum end_state state;
	bool is_client;
	bool is_reset;   /* a valid RST came */
	bool is_aborted; /* sent RST, answers all with RST */
	bool use_ts;
	bool use_sack;
	bool random_cuts; /* segments of random length */
	bool probe_data;  /* zero-window probes carry a byte */
	uint16_t mss;     /* largest payload it sends */
	uint16_t mss_opt; /* what its SYN names */
	uint16_t wnd;     /* what it offers */
	uint16_t peer_wnd;
	uint32_t skip; /* bytes of PROXY header at the start of what it receives */
	uint32_t iss, una, nxt, max;
	uint32_t tx_len; /* bytes the application has written so far */
	bool tx_fin;     /* and closed after them */
	uint32_t irs, rcv_nxt;
	uint32_t rx_end; /* one past the last received byte, in or out of order */
	uint32_t rx_fin; /* sequence number of the peer's FIN */
	bool rx_fin_known, rx_fin_done;
	uint32_t ts_recent;
	int rto, rto_at, dup_acks;
	const char *broken; /* why the run failed; NULL: it has not */
	uint8_t rx_have[MODEL_BUF_LEN];
};

/* The world: emits a segment of an end into the channel; time and randomness. */
struct world;
static void world_emit(struct world *w, const struct model_end *e, const struct model_seg *seg);
static int world_now(const struct world *w);
static uint32_t world_random(struct world *w);

#define MODEL_RTO 12
#define MODEL_RTO_MAX 100
#define MODEL_FLIGHT 8 /* congestion window, in segments */

static uint8_t header_byte(uint32_t i)
{
	return (uint8_t)(0xa5 ^ (i * 13));
}

static uint8_t body_byte(bool of_client, uint32_t i)
{
	return of_client ? (uint8_t)(i * 7 + 1) : (uint8_t)(i * 11 + 3);
}

/* What byte number i of the stream that an end receives must be. */
static uint8_t expected_byte(const struct model_end *e, uint32_t i)
{
	return i < e->skip ? header_byte(i) : body_byte(!e->is_client, i - e->skip);
}

static void put32(uint8_t *p, uint32_t v)
{
	cv_be32_t be = cv_be32(v);

	memcpy(p, &be, 4);
}

static void end_opts(const struct model_end *e, int now, struct model_seg *seg)
{
	uint8_t *o = seg->opts;
	uint32_t from, to;

	if ((seg->flags & CV_TCP_SYN) != 0) {
		memcpy(o, (uint8_t[]){2, 4, (uint8_t)(e->mss_opt >> 8), (uint8_t)e->mss_opt}, 4);
		o += 4;
	}
	if (e->use_ts) {
		memcpy(o, (uint8_t[]){1, 1, 8, 10}, 4);
		put32(o + 4, (uint32_t)now + 1);
		put32(o + 8, e->ts_recent);
		o += 12;
	}
	from = e->rcv_nxt - e->irs - 1;
	while (from < e->rx_end && e->rx_have[from] == 0)
		from++;
	if (e->use_sack && e->state == END_OPEN && from < e->rx_end) {
		for (to = from; to < e->rx_end && e->rx_have[to] != 0;)
			to++;
		/* A lying second block below all that is expected: a D-SACK of the header's bytes. */
		memcpy(o, (uint8_t[]){1, 5, 18}, 3);
		put32(o + 3, e->irs + 1);
		put32(o + 7, e->irs + 1 + (e->rcv_nxt - e->irs - 1 < 3 ? 0 : 3));
		put32(o + 11, e->irs + 1 + from);
		put32(o + 15, e->irs + 1 + to);
		o[19] = 0;
		o += 20;
	}
	seg->opts_len = (uint8_t)(o - seg->opts);
}

static void end_send(struct world *w, struct model_end *e, uint32_t seq, uint32_t len,
		     uint8_t flags)
{
	static struct model_seg seg;

	seg.seq = seq;
	seg.flags = flags;
	seg.ack = (flags & CV_TCP_ACK) != 0 ? e->rcv_nxt : 0;
	seg.wnd = e->wnd;
	seg.len = (uint16_t)len;
	for (uint32_t i = 0; i < len; i++)
		seg.data[i] = body_byte(e->is_client, seq - e->iss - 1 + i);
	end_opts(e, world_now(w), &seg);
	world_emit(w, e, &seg);
}

static void end_ack(struct world *w, struct model_end *e)
{
	end_send(w, e, e->nxt, 0, CV_TCP_ACK);
}

static void end_send_rst(struct world *w, struct model_end *e, const struct model_seg *to)
{
	struct model_seg seg = {.flags = CV_TCP_RST};

	if ((to->flags & CV_TCP_ACK) != 0) {
		seg.seq = to->ack;
	} else {
		seg.flags |= CV_TCP_ACK;
		seg.ack = to->seq + to->len + ((to->flags & (CV_TCP_SYN | CV_TCP_FIN)) != 0);
	}
	world_emit(w, e, &seg);
}

static void end_arm(struct world *w, struct model_end *e, int rto)
{
	e->rto = rto;
	e->rto_at = world_now(w) + rto;
}

/* Sends one segment from seq, up to limit; with FIN if it reaches the end of a closed stream. */
static uint32_t end_send_from(struct world *w, struct model_end *e, uint32_t seq, uint32_t limit)
{
	uint32_t end = e->iss + 1 + e->tx_len;
	uint32_t len = cv_seq_lt(seq, limit) ? limit - seq : 0;
	uint8_t flags = CV_TCP_ACK;

	if (len > e->mss)
		len = e->mss;
	if (e->random_cuts && len > 1)
		len = 1 + world_random(w) % len;
	if (e->tx_fin && seq + len == end)
		flags |= CV_TCP_FIN;
	end_send(w, e, seq, len, flags);
	return seq + len + ((flags & CV_TCP_FIN) != 0);
}

static void end_note_sent(struct world *w, struct model_end *e, uint32_t to)
{
	if (e->una == e->max)
		end_arm(w, e, MODEL_RTO);
	e->nxt = to;
	if (cv_seq_gt(to, e->max))
		e->max = to;
}

static void end_output(struct world *w, struct model_end *e)
{
	uint32_t end = e->iss + 1 + e->tx_len;
	uint32_t last = end + e->tx_fin;
	uint32_t limit = e->una + e->peer_wnd;

	if (e->state != END_OPEN)
		return;
	if (cv_seq_gt(limit, end))
		limit = end;
	for (int n = 0; n < MODEL_FLIGHT && e->nxt - e->una < MODEL_FLIGHT * (uint32_t)e->mss;
	     n++) {
		bool fin_now = e->tx_fin && e->nxt == end && last != e->nxt;

		if (!cv_seq_lt(e->nxt, limit) && !fin_now)
			return;
		end_note_sent(w, e, end_send_from(w, e, e->nxt, limit));
	}
}

static void end_timeout(struct world *w, struct model_end *e)
{
	if (e->state == END_GONE || e->state == END_LISTEN || world_now(w) < e->rto_at)
		return;
	if (e->una == e->max) {
		/* Nothing under way: a closed window is probed, else the timer idles. */
		if (e->state == END_OPEN && e->peer_wnd == 0 && e->iss + 1 + e->tx_len != e->nxt) {
			end_send(w, e, e->una - !e->probe_data, e->probe_data, CV_TCP_ACK);
			if (e->probe_data && cv_seq_gt(e->una + 1, e->max))
				e->max = e->una + 1;
		}
		end_arm(w, e, MODEL_RTO);
		return;
	}
	end_arm(w, e, e->rto * 2 > MODEL_RTO_MAX ? MODEL_RTO_MAX : e->rto * 2);
	if (e->state == END_SYN_SENT) {
		end_send(w, e, e->iss, 0, CV_TCP_SYN);
	} else if (e->state == END_SYN_RCVD) {
		end_send(w, e, e->iss, 0, CV_TCP_SYN | CV_TCP_ACK);
	} else {
		e->nxt = e->una;
		e->dup_acks = 0;
		end_output(w, e);
		if (e->nxt == e->una) {
			end_send(w, e, e->una - 1, 0, CV_TCP_ACK); /* the window closed over it */
			e->nxt = e->max;
		}
	}
}

static void end_fail(struct model_end *e, const char *why)
{
	if (e->broken == NULL)
		e->broken = why;
}

/* RFC 9293 section 3.10.7.4, first step. */
static bool end_acceptable(const struct model_end *e, const struct model_seg *seg)
{
	uint32_t len = seg->len + ((seg->flags & (CV_TCP_SYN | CV_TCP_FIN)) != 0);
	uint32_t off = seg->seq - e->rcv_nxt;

	if (len == 0)
		return e->wnd == 0 ? off == 0 : off < e->wnd;
	return e->wnd > 0 && (off < e->wnd || seg->seq + len - 1 - e->rcv_nxt < e->wnd);
}

static void end_take_data(struct model_end *e, const struct model_seg *seg)
{
	for (uint32_t i = 0; i < seg->len; i++) {
		uint32_t at = seg->seq + i - e->irs - 1;

		if (seg->seq + i - e->rcv_nxt >= e->wnd)
			continue;
		if (at >= MODEL_BUF_LEN) {
			end_fail(e, "data beyond any stream");
			return;
		}
		if (seg->data[i] != expected_byte(e, at))
			end_fail(e, "wrong byte in the stream");
		e->rx_have[at] = 1;
		if (at >= e->rx_end)
			e->rx_end = at + 1;
	}
	while (e->rcv_nxt - e->irs - 1 < e->rx_end && e->rx_have[e->rcv_nxt - e->irs - 1] != 0)
		e->rcv_nxt++;
	if ((seg->flags & CV_TCP_FIN) != 0) {
		if (e->rx_fin_known && e->rx_fin != seg->seq + seg->len)
			end_fail(e, "FIN moved");
		e->rx_fin = seg->seq + seg->len;
		e->rx_fin_known = true;
	}
	if (e->rx_fin_known && !e->rx_fin_done && e->rcv_nxt == e->rx_fin) {
		e->rx_fin_done = true;
		e->rcv_nxt++;
	}
}

/* Fast retransmission. */
static void end_resend_first(struct world *w, struct model_end *e)
{
	uint32_t end = e->iss + 1 + e->tx_len;
	uint32_t to = end_send_from(w, e, e->una, cv_seq_lt(e->max, end) ? e->max : end);

	if (cv_seq_gt(to, e->max))
		e->max = to;
}

/* Returns false if the segment ends here. */
static bool end_take_ack(struct world *w, struct model_end *e, const struct model_seg *seg)
{
	if (cv_seq_gt(seg->ack, e->max)) {
		end_fail(e, "acknowledges what was never sent");
		return false;
	}
	if (e->state == END_SYN_RCVD) {
		if (!cv_seq_gt(seg->ack, e->iss)) {
			end_send_rst(w, e, seg);
			return false;
		}
		e->state = END_OPEN;
	}
	if (cv_seq_lt(seg->ack, e->una))
		return true;
	if (seg->ack != e->una) {
		e->una = seg->ack;
		e->dup_acks = 0;
		if (cv_seq_lt(e->nxt, e->una))
			e->nxt = e->una;
		end_arm(w, e, MODEL_RTO);
	} else if (seg->len == 0 && e->una != e->max && seg->wnd == e->peer_wnd &&
		   ++e->dup_acks == 3) {
		end_resend_first(w, e);
	}
	e->peer_wnd = seg->wnd;
	return true;
}

/* SACK blocks must not lie beyond what was sent. */
static void end_check_sack(struct model_end *e, const struct model_seg *seg,
			   const struct cv_tcp_opts *opts)
{
	for (unsigned int i = 0; i < opts->n_sack; i++) {
		uint32_t edges[2];

		memcpy(edges, seg->opts + opts->sack_off + 2 + 8 * i, 8);
		if (cv_seq_gt(cv_be32_host(edges[1]), e->max))
			end_fail(e, "SACK of what was never sent");
	}
}

static bool end_take_ts(struct world *w, struct model_end *e, const struct model_seg *seg,
			const struct cv_tcp_opts *opts)
{
	bool is_rst = (seg->flags & CV_TCP_RST) != 0;

	if (!e->use_ts || is_rst)
		return true;
	if (opts->ts_off == CV_TCP_OPT_NONE) {
		end_fail(e, "segment lost its timestamp");
		return true;
	}
	if (cv_seq_lt(opts->ts_val, e->ts_recent)) {
		end_ack(w, e);
		return false;
	}
	if (cv_seq_leq(seg->seq, e->rcv_nxt))
		e->ts_recent = opts->ts_val;
	return true;
}

static void end_rx_syn_sent(struct world *w, struct model_end *e, const struct model_seg *seg,
			    const struct cv_tcp_opts *opts)
{
	bool has_ack = (seg->flags & CV_TCP_ACK) != 0;
	bool is_rst = (seg->flags & CV_TCP_RST) != 0;

	if (has_ack && seg->ack != e->iss + 1) {
		if (!is_rst)
			end_send_rst(w, e, seg);
	} else if (is_rst) {
		e->is_reset = has_ack;
	} else if (has_ack && (seg->flags & CV_TCP_SYN) != 0) {
		e->irs = seg->seq;
		e->rcv_nxt = seg->seq + 1;
		e->una = e->nxt = e->iss + 1;
		e->peer_wnd = seg->wnd;
		e->ts_recent = opts->ts_val;
		e->state = END_OPEN;
		end_ack(w, e);
	}
}

static void end_rx_listen(struct world *w, struct model_end *e, const struct model_seg *seg,
			  const struct cv_tcp_opts *opts)
{
	if ((seg->flags & CV_TCP_RST) != 0)
		return;
	if ((seg->flags & CV_TCP_ACK) != 0) {
		end_send_rst(w, e, seg);
		return;
	}
	if (seg->len > 0 || opts->tfo_off != CV_TCP_OPT_NONE)
		end_fail(e, "data or Fast Open on the SYN");
	e->irs = seg->seq;
	e->rcv_nxt = seg->seq + 1;
	e->ts_recent = opts->ts_val;
	e->peer_wnd = seg->wnd;
	e->state = END_SYN_RCVD;
	e->max = e->nxt = e->iss + 1;
	e->una = e->iss;
	end_arm(w, e, MODEL_RTO);
	end_send(w, e, e->iss, 0, CV_TCP_SYN | CV_TCP_ACK);
}

static void end_rx_open(struct world *w, struct model_end *e, const struct model_seg *seg,
			const struct cv_tcp_opts *opts)
{
	bool is_rst = (seg->flags & CV_TCP_RST) != 0;

	if (e->state == END_SYN_RCVD && seg->flags == CV_TCP_SYN && seg->seq == e->irs) {
		end_send(w, e, e->iss, 0, CV_TCP_SYN | CV_TCP_ACK);
		return;
	}
	if (!end_take_ts(w, e, seg, opts))
		return;
	if (!end_acceptable(e, seg) && !(is_rst && seg->seq == e->rcv_nxt)) {
		if (!is_rst)
			end_ack(w, e);
		return;
	}
	if (is_rst && seg->seq == e->rcv_nxt) {
		e->is_reset = true;
		e->state = END_GONE;
		return;
	}
	if (is_rst || (seg->flags & CV_TCP_SYN) != 0) {
		end_ack(w, e); /* RFC 5961: not sure, ask */
		return;
	}
	if ((seg->flags & CV_TCP_ACK) == 0) {
		end_fail(e, "segment without ACK");
		return;
	}
	if (!end_take_ack(w, e, seg))
		return;
	end_check_sack(e, seg, opts);
	if (seg->len > 0 || (seg->flags & CV_TCP_FIN) != 0) {
		end_take_data(e, seg);
		end_ack(w, e);
	}
}

static void end_rx(struct world *w, struct model_end *e, const struct model_seg *seg)
{
	struct cv_tcp_opts opts;

	if (cv_tcp_opts_parse(seg->opts, seg->opts_len, &opts) != 0) {
		end_fail(e, "malformed options");
		return;
	}
	if (e->state == END_GONE) {
		if ((seg->flags & CV_TCP_RST) == 0)
			end_send_rst(w, e, seg);
	} else if (e->state == END_SYN_SENT) {
		end_rx_syn_sent(w, e, seg, &opts);
	} else if (e->state == END_LISTEN) {
		end_rx_listen(w, e, seg, &opts);
	} else {
		end_rx_open(w, e, seg, &opts);
	}
}

static void end_connect(struct world *w, struct model_end *e)
{
	e->state = END_SYN_SENT;
	e->una = e->iss;
	e->max = e->nxt = e->iss + 1;
	end_arm(w, e, MODEL_RTO);
	end_send(w, e, e->iss, 0, CV_TCP_SYN);
}

/* Like close() with SO_LINGER 0. */
static void end_abort(struct world *w, struct model_end *e)
{
	struct model_seg seg = {.seq = e->max, .ack = e->rcv_nxt, .flags = CV_TCP_RST | CV_TCP_ACK};

	if (e->state == END_OPEN || e->state == END_SYN_RCVD)
		world_emit(w, e, &seg);
	if (e->state != END_LISTEN) {
		e->state = END_GONE;
		e->is_aborted = true;
	}
}
