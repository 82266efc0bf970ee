/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Two ends (tcp_model.h) joined through lib/tcp over a channel that loses, doubles and delays
 * segments on every leg, with what the packet core does in between. run() is one conversation.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tcp_model.h"

enum leg { LEG_C_IN, LEG_T_OUT, LEG_T_IN, LEG_C_OUT, N_LEGS };
enum fate { FATE_OK, FATE_DROP, FATE_DUP, FATE_DELAY, N_FATES };
enum talk { TALK_AT_ONCE, TALK_AFTER_HDR, TALK_AFTER_BODY, TALK_AFTER_FIN, N_TALKS };
enum closing { CLOSE_CLIENT_FIRST, CLOSE_TARGET_FIRST, CLOSE_BOTH, CLOSE_WHEN_DONE, N_CLOSINGS };

#define FATES_MAX 8 /* segments of a leg that a pattern covers */
#define FLIGHT_MAX 512
#define TICKS_MAX 6000
#define DELAY_TICKS 7

struct setup {
	uint8_t hdr_len;
	bool first_ack;
	bool client_waits; /* for the target's first byte */
	bool use_ts, use_sack, random_cuts, probe_data, no_timer;
	uint8_t talk, closing;
	uint8_t keepalive; /* of the client: 0 none, 1 bare, 2 with a byte of garbage */
	uint16_t mss;
	uint16_t path;       /* payload and options that get through to the target; 0: any */
	uint16_t target_wnd; /* until target_wnd_ticks have passed */
	uint16_t target_wnd_ticks;
	uint32_t client_len, target_len;
	uint32_t isn, target_isn;
	int client_abort_at, target_abort_at; /* tick; 0: never */
	uint32_t
		loss; /* per mille on each leg once the pattern is used up; dup and delay likewise */
	uint32_t seed;
};

struct flying {
	int at;
	uint8_t leg;
	struct model_seg *seg;
};

struct world {
	struct setup setup;
	uint8_t fates[N_LEGS][FATES_MAX];
	uint8_t n_emitted[N_LEGS];
	int now;
	uint32_t random;
	struct model_end client, target;
	struct cv_tcp t;
	struct cv_tcp_cold cold;
	bool is_open; /* the flow exists */
	unsigned int n_established, n_closed, n_revived, n_hdr_sent, n_hdr_resent, n_hdr_acked;
	unsigned int n_asked; /* resent because of a target's ACK */
	const char *broken;
	unsigned int n_flying;
	struct flying flying[FLIGHT_MAX];
	struct model_seg pool[FLIGHT_MAX];
	uint16_t free[FLIGHT_MAX];
	unsigned int n_free;
};

static struct world world;

static int world_now(const struct world *w)
{
	return w->now;
}

static uint32_t world_random(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 17;
	w->random ^= w->random << 5;
	return w->random;
}

static void world_fail(struct world *w, const char *why)
{
	if (w->broken == NULL)
		w->broken = why;
}

static void put(struct world *w, enum leg leg, const struct model_seg *seg, int delay)
{
	struct model_seg *copy;

	if (w->n_free == 0) {
		world_fail(w, "flood of segments");
		return;
	}
	copy = &w->pool[w->free[--w->n_free]];
	memcpy(copy, seg, offsetof(struct model_seg, data) + seg->len);
	w->flying[w->n_flying++] = (struct flying){w->now + delay, (uint8_t)leg, copy};
}

static enum fate fate_of(struct world *w, enum leg leg)
{
	uint32_t dice;

	if (w->n_emitted[leg] < FATES_MAX)
		return w->fates[leg][w->n_emitted[leg]++];
	if (w->setup.loss == 0)
		return FATE_OK;
	dice = world_random(w) % 1000;
	if (dice < w->setup.loss)
		return FATE_DROP;
	if (dice < 2 * w->setup.loss)
		return FATE_DUP;
	return dice < 3 * w->setup.loss ? FATE_DELAY : FATE_OK;
}

static void channel(struct world *w, enum leg leg, const struct model_seg *seg)
{
	enum fate fate = fate_of(w, leg);

	if (leg == LEG_T_OUT && w->setup.path > 0 && seg->len + seg->opts_len > w->setup.path)
		return;
	if (fate == FATE_DROP)
		return;
	put(w, leg, seg, fate == FATE_DELAY ? DELAY_TICKS : 1);
	if (fate == FATE_DUP)
		put(w, leg, seg, 3);
}

static void world_emit(struct world *w, const struct model_end *e, const struct model_seg *seg)
{
	channel(w, e->is_client ? LEG_C_IN : LEG_T_IN, seg);
}

/* --- what the packet core does with the verdicts --- */

static void send_header(struct world *w, const struct cv_tcp_built *built)
{
	struct model_seg seg = {
		.seq = built->seq,
		.ack = built->ack,
		.wnd = built->wnd,
		.flags = built->flags,
		.len = w->t.hdr_len,
	};

	for (uint32_t i = 0; i < seg.len; i++)
		seg.data[i] = header_byte(i);
	if (built->has_ts) {
		memcpy(seg.opts, (uint8_t[]){1, 1, 8, 10}, 4);
		put32(seg.opts + 4, built->ts_val);
		put32(seg.opts + 8, built->ts_ecr);
		seg.opts_len = 12;
	}
	channel(w, LEG_T_OUT, &seg);
}

static void count(struct world *w, const struct cv_tcp_act *act)
{
	w->n_established += (act->events & CV_TCP_EV_ESTABLISHED) != 0;
	w->n_closed += (act->events & CV_TCP_EV_CLOSED) != 0;
	w->n_revived += (act->events & CV_TCP_EV_REVIVED) != 0;
	w->n_hdr_sent += (act->events & CV_TCP_EV_HDR_SENT) != 0;
	w->n_hdr_resent += (act->events & CV_TCP_EV_HDR_RESENT) != 0;
	w->n_hdr_acked += (act->events & CV_TCP_EV_HDR_ACKED) != 0;
	w->n_asked += act->hdr == CV_TCP_HDR_RESEND;
}

static uint32_t sum_opts(const struct model_seg *seg)
{
	return cv_csum_fold(cv_csum_add(seg->opts, seg->opts_len, 0)) % 0xffff;
}

static void edit_options(struct world *w, struct model_seg *seg, struct cv_tcp_opts *opts,
			 uint8_t edit)
{
	uint32_t before = sum_opts(seg);
	uint32_t diff = 0;

	if ((edit & CV_TCP_EDIT_SACK) != 0)
		diff += cv_tcp_sack_raise(seg->opts, opts, w->t.isn1);
	if ((edit & CV_TCP_EDIT_TFO) != 0)
		diff += cv_tcp_tfo_strip(seg->opts, opts);
	if ((before + diff) % 0xffff != sum_opts(seg))
		world_fail(w, "option edit gives a wrong checksum");
}

static void apply(struct world *w, struct model_seg *seg, const struct cv_tcp_act *act)
{
	bool insert = act->hdr == CV_TCP_HDR_IN_SEGMENT;
	uint32_t n = insert ? w->t.hdr_len : 0;

	if (act->hdr == CV_TCP_HDR_BEFORE || act->hdr == CV_TCP_HDR_RESEND)
		send_header(w, &act->built);
	if (act->trim > seg->len)
		world_fail(w, "trims more than there is");
	memmove(seg->data + n, seg->data + act->trim, seg->len - act->trim);
	for (uint32_t i = 0; i < n; i++)
		seg->data[i] = header_byte(i);
	seg->len = (uint16_t)(seg->len - act->trim + n);
	seg->seq = act->seq;
	seg->ack = act->ack;
	if (insert && seg->len + seg->opts_len > w->setup.mss + 12u)
		world_fail(w, "header makes the segment too long");
}

static void from_client(struct world *w, struct model_seg *seg)
{
	struct cv_tcp_opts opts;
	struct cv_tcp_act act;
	struct cv_tcp_seg s = {seg->seq,   seg->ack,      seg->wnd, seg->len,
			       seg->flags, seg->opts_len, NULL};

	if (!w->is_open) {
		if (seg->flags != CV_TCP_SYN)
			return;
		cv_tcp_init(&w->t, &w->cold, seg->seq, w->setup.hdr_len, w->setup.first_ack,
			    (uint16_t)(w->setup.mss + 12));
		w->is_open = true;
	}
	if (!cv_tcp_is_fast(&w->t, seg->flags)) {
		if (cv_tcp_opts_parse(seg->opts, seg->opts_len, &opts) == 0)
			s.opts = &opts;
		if (cv_tcp_c2t(&w->t, &w->cold, &s, &act) != CV_TCP_FORWARD) {
			/* Only a RST may be too late or early to mean anything. */
			if ((seg->flags & (CV_TCP_RST | CV_TCP_SYN)) == 0 &&
			    w->t.state != CV_TCP_SYN_SENT)
				world_fail(w, "dropped a client's segment");
			return;
		}
		count(w, &act);
		edit_options(w, seg, &opts, act.edit);
		apply(w, seg, &act);
	}
	channel(w, LEG_T_OUT, seg);
}

/* Until the header is acknowledged the client must not hear of bytes below its first. */
static void check_sack(struct world *w, const struct model_seg *seg)
{
	struct cv_tcp_opts opts;
	uint32_t left;

	if (cv_tcp_opts_parse(seg->opts, seg->opts_len, &opts) != 0)
		world_fail(w, "options broken");
	for (unsigned int i = 0; i < opts.n_sack; i++) {
		memcpy(&left, seg->opts + opts.sack_off + 2 + 8 * i, 4);
		if (cv_seq_lt(cv_be32_host(left), w->t.isn1))
			world_fail(w, "SACK below the client's first byte");
	}
}

static void from_target(struct world *w, struct model_seg *seg)
{
	bool was_unacked = (w->t.flags & CV_TCP_F_UNACKED) != 0;
	struct cv_tcp_opts opts;
	struct cv_tcp_act act;
	struct cv_tcp_seg s = {seg->seq,   seg->ack,      seg->wnd, seg->len,
			       seg->flags, seg->opts_len, NULL};

	if (!cv_tcp_is_fast(&w->t, seg->flags)) {
		if (cv_tcp_opts_parse(seg->opts, seg->opts_len, &opts) == 0)
			s.opts = &opts;
		if (cv_tcp_t2c(&w->t, &w->cold, &s, &act) != CV_TCP_FORWARD) {
			if ((seg->flags & CV_TCP_RST) == 0)
				world_fail(w, "dropped a target's segment");
			return;
		}
		count(w, &act);
		edit_options(w, seg, &opts, act.edit);
		apply(w, seg, &act);
	}
	if (was_unacked)
		check_sack(w, seg);
	channel(w, LEG_C_OUT, seg);
}

static void arrive(struct world *w, enum leg leg, struct model_seg *seg)
{
	if (leg == LEG_C_IN)
		from_client(w, seg);
	else if (leg == LEG_T_IN)
		from_target(w, seg);
	else
		end_rx(w, leg == LEG_T_OUT ? &w->target : &w->client, seg);
}

/* --- applications --- */

static uint32_t received(const struct model_end *e)
{
	return e->rcv_nxt - e->irs - 1 - e->rx_fin_done;
}

static void client_app(struct world *w, struct model_end *e)
{
	const struct setup *s = &w->setup;
	bool done = received(e) == s->target_len;

	if (e->state != END_OPEN || (s->client_waits && received(e) == 0))
		return;
	e->tx_len = s->client_len;
	if (s->closing == CLOSE_CLIENT_FIRST || s->closing == CLOSE_BOTH ||
	    (s->closing == CLOSE_TARGET_FIRST && e->rx_fin_done) ||
	    (s->closing == CLOSE_WHEN_DONE && done))
		e->tx_fin = true;
}

static void target_app(struct world *w, struct model_end *e)
{
	const struct setup *s = &w->setup;
	uint32_t have = received(e);
	bool talks;

	if (e->state != END_OPEN)
		return;
	talks = s->talk == TALK_AT_ONCE || (s->talk == TALK_AFTER_HDR && have >= e->skip) ||
		(s->talk == TALK_AFTER_BODY && have == e->skip + s->client_len) ||
		(s->talk == TALK_AFTER_FIN && e->rx_fin_done);
	if (!talks)
		return;
	e->tx_len = s->target_len;
	if (s->closing == CLOSE_TARGET_FIRST || s->closing == CLOSE_BOTH || e->rx_fin_done)
		e->tx_fin = true;
}

/* Would wait for ever by design: the AWS default with a server that wants the header first, say. */
static bool is_deadlock(const struct setup *s)
{
	bool fin_early = s->closing == CLOSE_CLIENT_FIRST || s->closing == CLOSE_BOTH;
	bool hdr_early = s->hdr_len == 0 || s->first_ack ||
			 (!s->client_waits && (s->client_len > 0 || fin_early));

	if (s->client_waits && (s->target_len == 0 || s->talk == TALK_AFTER_FIN ||
				(s->talk == TALK_AFTER_BODY && s->client_len > 0)))
		return true;
	if (s->talk == TALK_AFTER_FIN)
		return !fin_early;
	if (s->talk == TALK_AFTER_HDR || s->talk == TALK_AFTER_BODY)
		return !hdr_early;
	return false;
}

/* --- one run --- */

static void end_setup(const struct setup *s, struct model_end *e, bool is_client)
{
	memset(e, 0,
	       offsetof(struct model_end, rx_have) + s->client_len + s->target_len + s->hdr_len +
		       1);
	e->is_client = is_client;
	e->use_ts = s->use_ts;
	e->use_sack = s->use_sack;
	e->random_cuts = s->random_cuts;
	e->probe_data = s->probe_data;
	e->mss = s->mss;
	e->mss_opt = (uint16_t)(s->mss + 12);
	e->iss = is_client ? s->isn : s->target_isn;
	e->skip = is_client ? 0 : s->hdr_len;
	e->wnd = 4096;
}

static void world_setup(struct world *w, const struct setup *s)
{
	w->setup = *s;
	memset(w->n_emitted, 0, sizeof(w->n_emitted));
	w->random = s->seed * 2654435761u + 1;
	w->is_open = false;
	w->t = (struct cv_tcp){.state = CV_TCP_SYN_SENT};
	w->n_established = w->n_closed = w->n_revived = 0;
	w->n_hdr_sent = w->n_hdr_resent = w->n_hdr_acked = w->n_asked = 0;
	w->broken = NULL;
	w->n_flying = 0;
	w->n_free = 0;
	for (uint16_t i = 0; i < FLIGHT_MAX; i++)
		w->free[w->n_free++] = i;
	end_setup(s, &w->client, true);
	end_setup(s, &w->target, false);
}

static void deliver(struct world *w)
{
	unsigned int n = w->n_flying;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < n; i++) {
		struct flying f = w->flying[i];

		if (f.at > w->now) {
			w->flying[kept++] = f;
			continue;
		}
		arrive(w, (enum leg)f.leg, f.seg);
		w->free[w->n_free++] = (uint16_t)(f.seg - w->pool);
	}
	memmove(w->flying + kept, w->flying + n, (w->n_flying - n) * sizeof(w->flying[0]));
	w->n_flying -= n - kept;
}

static void windows(struct world *w)
{
	const struct setup *s = &w->setup;

	if (s->target_wnd_ticks == 0)
		return;
	if (w->now < s->target_wnd_ticks) {
		w->target.wnd = s->target_wnd;
	} else if (w->now == s->target_wnd_ticks) {
		w->target.wnd = 4096;
		if (w->target.state == END_OPEN)
			end_ack(w, &w->target);
	}
}

static void keepalives(struct world *w)
{
	struct model_end *c = &w->client;
	bool garbage = w->setup.keepalive == 2;

	/* A client's keepalive comes only when all it sent is acknowledged; be less strict. */
	if (w->setup.keepalive != 0 && c->state == END_OPEN && w->now % 9 == 0 && w->now < 100) {
		struct model_seg seg = {
			.seq = c->una - 1,
			.ack = c->rcv_nxt,
			.wnd = c->wnd,
			.flags = CV_TCP_ACK,
			.len = garbage,
			.data = {garbage && c->una != c->iss + 1
					 ? body_byte(true, c->una - c->iss - 2)
					 : MODEL_GARBAGE},
		};

		end_opts(c, w->now, &seg);
		if (cv_seq_gt(c->una, c->iss + 1 + c->tx_len))
			return;
		world_emit(w, c, &seg);
	}
	if (w->target.state == END_OPEN && w->now % 150 == 149)
		end_send(w, &w->target, w->target.una - 1, 0, CV_TCP_ACK);
	if (c->state == END_OPEN && w->now % 150 == 149 && w->setup.target_abort_at != 0)
		end_send(w, c, c->una - 1, 0, CV_TCP_ACK);
}

static bool all_sent(const struct model_end *e, uint32_t len)
{
	return e->tx_fin && e->una == e->iss + len + 2;
}

static bool is_over(const struct model_end *e, uint32_t len)
{
	return e->is_aborted || e->is_reset || (all_sent(e, len) && e->rx_fin_done);
}

static bool is_done(const struct world *w)
{
	const struct model_end *c = &w->client;
	const struct model_end *t = &w->target;

	return is_over(c, w->setup.client_len) &&
	       (is_over(t, w->setup.target_len) || (t->state == END_LISTEN && c->is_aborted));
}

static void tick(struct world *w)
{
	const struct setup *s = &w->setup;
	struct cv_tcp_act act;

	windows(w);
	deliver(w);
	if (w->now == s->client_abort_at)
		end_abort(w, &w->client);
	if (w->now == s->target_abort_at)
		end_abort(w, &w->target);
	client_app(w, &w->client);
	target_app(w, &w->target);
	end_output(w, &w->client);
	end_output(w, &w->target);
	end_timeout(w, &w->client);
	end_timeout(w, &w->target);
	keepalives(w);
	if (!s->no_timer && w->now % 5 == 4 && w->is_open && cv_tcp_timer(&w->t, &w->cold, &act)) {
		send_header(w, &act.built);
		count(w, &act);
		w->n_asked--;
	}
}

/* What must hold after a run in which nobody aborted. */
static void check_closed(struct world *w)
{
	const struct setup *s = &w->setup;

	if (received(&w->client) != s->target_len)
		world_fail(w, "client's stream has the wrong length");
	if (received(&w->target) != s->hdr_len + s->client_len)
		world_fail(w, "target's stream has the wrong length");
	if (w->client.rx_fin_done + w->target.rx_fin_done != 2)
		world_fail(w, "a close was not seen");
	if (w->n_established != 1 || w->n_closed != 1 || w->t.state != CV_TCP_CLOSED)
		world_fail(w, "flow did not go its way to closed");
	if (s->hdr_len > 0 && (w->n_hdr_sent != 1 || w->n_hdr_acked != 1))
		world_fail(w, "header not sent and acknowledged once");
	if (s->hdr_len > 0 && (w->t.flags & CV_TCP_F_UNACKED) != 0)
		world_fail(w, "header still outstanding");
}

static void check_aborted(struct world *w)
{
	/* A late segment revives; its answer, an RST, may be lost as well: then the idle timeout ends it. */
	if (w->n_revived > 0 && w->setup.loss > 0 && w->n_closed == w->n_revived)
		return;
	/* Both closed, then one aborted without a need, and what would have told us was lost. */
	if (w->setup.loss > 0 && w->t.state == CV_TCP_FIN_BOTH && !w->client.is_reset &&
	    !w->target.is_reset)
		return;
	if (w->n_closed != w->n_revived + 1)
		world_fail(w, "flow did not end once");
	if (w->t.state != CV_TCP_RESET && w->t.state != CV_TCP_CLOSED)
		world_fail(w, "flow did not end");
}

static const char *run(struct world *w, const struct setup *s)
{
	bool aborts = s->client_abort_at != 0 || s->target_abort_at != 0;

	world_setup(w, s);
	for (w->now = 1; w->now < TICKS_MAX && w->broken == NULL; w->now++) {
		if (w->now == 1)
			end_connect(w, &w->client);
		tick(w);
		if (w->client.broken != NULL || w->target.broken != NULL)
			break;
		if (is_done(w) && (w->n_flying == 0 || !aborts))
			break;
	}
	if (w->client.broken != NULL || w->target.broken != NULL)
		return w->client.broken != NULL ? w->client.broken : w->target.broken;
	if (w->now == TICKS_MAX)
		world_fail(w, "did not end");
	for (int left = 60; left > 0 && w->broken == NULL; left--, w->now++)
		deliver(w);
	if (w->n_asked > (unsigned int)w->now / 5 + 1 + w->n_hdr_sent + w->n_emitted[LEG_C_IN])
		world_fail(w, "header resent without bound");
	if (!aborts)
		check_closed(w);
	else if (w->is_open && w->target.state != END_LISTEN)
		check_aborted(w);
	return w->broken;
}
