/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A probe is a segment of an open flow whose payload the stream does not count: its sequence number is
 * always the next one. It says which flow it is of: four bytes of id, two of check, and with time stamps
 * eight of TSC; the rest is pattern.
 */

#include <rte_cycles.h>

#include "side.h"

#define STAMP_AT 6
#define STAMP_END 14

static inline uint32_t rest_at(const struct cb_script *script)
{
	return script->stamps ? STAMP_END : STAMP_AT;
}

/* Times after which what has not arrived is lost: while others arrive, and while none does, in parts of a second. */
#define AGE_PARTS 50
#define STALL_PARTS 10

/*
 * As fast as possible: as long as few are under way. If they were not counted, whoever is slower of us and
 * what we measure would drop them, and a loss would say nothing. What was sent before the last look and
 * has not arrived is lost, and its place free; but when nothing arrives at all, somebody only rests.
 */
static void window_age(struct cb_side *s, uint64_t arrived)
{
	uint64_t hz = s->world->tsc_hz, age = s->now - s->looked_at;
	uint64_t gone = arrived + s->given_up;

	if (age < hz / AGE_PARTS || (arrived == s->arrived && age < hz / STALL_PARTS))
		return;
	if (gone < s->sent_before)
		s->given_up += s->sent_before - gone;
	s->sent_before = s->counts.probes_out;
	s->arrived = arrived;
	s->looked_at = s->now;
}

static uint32_t window_left(struct cb_side *s)
{
	uint32_t window = (uint32_t)s->world->opts->inflight;
	uint64_t arrived;
	int64_t under_way;

	if (s->peer == NULL)
		return s->n_out < CB_BURST ? window : 0;
	arrived = *(const volatile uint64_t *)&s->peer->probes_in +
		  *(const volatile uint64_t *)&s->peer->probes_bad;
	window_age(s, arrived);
	/* What was given up may arrive after all. */
	under_way = (int64_t)(s->counts.probes_out - arrived - s->given_up);
	if (under_way < 0)
		return window;
	return under_way < window ? window - (uint32_t)under_way : 0;
}

uint32_t cb_probe_due(struct cb_side *side, uint32_t max)
{
	uint32_t n;

	if (side->probe_pace.interval == 0) {
		n = cb_side_has_room(side) ? window_left(side) : 0;
		return n < max ? n : max;
	}
	n = cb_pace_take(&side->probe_pace, side->now, max);
	side->counts.probes_late += side->probe_pace.skipped;
	side->probe_pace.skipped = 0;
	if (cb_side_has_room(side))
		return n;
	side->counts.probes_unsent += n;
	return 0;
}

void cb_probe_send(struct cb_side *side, struct rte_mbuf *m, const struct cb_tmpl *tmpl,
		   const struct cb_ends *ends, const struct cb_tcb *t, uint32_t id)
{
	const struct cb_world *w = side->world;
	uint32_t at = rest_at(&w->script), rest = w->script.probe_len - at;
	uint16_t check = cb_plan_check(&w->plan, id, side->role);
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	struct cb_hdr hdr = {
		.seq = t->snd_nxt,
		.ack = t->rcv_nxt,
		.sum = (id & 0xffff) + (id >> 16) + check,
		.len = w->script.probe_len,
		.flags = CV_TCP_ACK | CV_TCP_PSH,
	};
	const uint8_t *fill = NULL;
	uint64_t stamp = 0;
	uint32_t len;

	if (w->script.stamps) {
		stamp = rte_rdtsc();
		hdr.sum += cv_csum_fold((stamp & UINT32_MAX) + (stamp >> 32));
	}
	if (rest > 0) {
		fill = cb_pattern_at(&w->pattern, cb_plan_start(&w->plan, id, side->role), 0);
		hdr.sum += cb_pattern_sum(&w->pattern, fill, rest);
	}
	len = cb_frame_put(f, tmpl, side->l2, ends, &hdr);
	memcpy(f + len, &id, 4);
	memcpy(f + len + 4, &check, 2);
	if (w->script.stamps)
		memcpy(f + len + STAMP_AT, &stamp, 8);
	if (rest > 0)
		memcpy(f + len + at, fill, rest);
	side->counts.probes_out++;
	cb_side_send(side, m, len + w->script.probe_len);
}

bool cb_probe_read(struct cb_side *side, const struct cb_pkt *p, uint32_t *ret_id)
{
	const struct cb_world *w = side->world;
	enum cb_role from = side->role == CB_CLIENT ? CB_SERVER : CB_CLIENT;
	uint64_t stamp;
	uint16_t check;

	memcpy(ret_id, p->data, 4);
	memcpy(&check, p->data + 4, 2);
	if (check != cb_plan_check(&w->plan, *ret_id, from)) {
		side->counts.probes_bad++;
		return false;
	}
	side->counts.probes_in++;
	if (w->script.stamps) {
		memcpy(&stamp, p->data + STAMP_AT, 8);
		cb_hist_add(&side->way, side->now > stamp ? side->now - stamp : 0);
	}
	return true;
}

void cb_probe_verify(struct cb_side *side, const struct cb_pkt *p, const struct cb_tcb *t,
		     uint32_t id)
{
	const struct cb_world *w = side->world;
	enum cb_role from = side->role == CB_CLIENT ? CB_SERVER : CB_CLIENT;
	uint32_t at = rest_at(&w->script);
	const uint8_t *want = cb_pattern_at(&w->pattern, cb_plan_start(&w->plan, id, from), 0);

	side->counts.payload_checked++;
	if (!cb_frame_csum_ok(p)) {
		side->counts.checksum_bad++;
		cb_side_note(side, "flow %u: wrong checksum", id);
	} else if (p->seq != t->rcv_nxt || p->ack != t->snd_nxt) {
		side->counts.probes_bad++;
		cb_side_note(side, "flow %u: seq %u ack %u, not seq %u ack %u", id, p->seq, p->ack,
			     t->rcv_nxt, t->snd_nxt);
	} else if (memcmp(p->data + at, want, p->len - at) != 0) {
		side->counts.payload_bad++;
		cb_side_note(side, "flow %u: wrong payload in a probe", id);
	}
}
