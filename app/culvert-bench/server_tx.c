/* SPDX-License-Identifier: BSD-3-Clause */

/* The server side: what goes out. */

#include "server.h"

#define SWEEP_MAX 256
#define BEGIN_MAX 64

static void send_flags(struct cb_server *s, const struct cb_sflow *f, uint8_t flags)
{
	struct cb_ends ends = cb_server_ends(s, f);
	struct cb_hdr hdr = {.seq = f->t.snd_nxt, .ack = f->t.rcv_nxt, .flags = flags};

	cb_side_send_bare(&s->s, &s->tmpls[f->mac], &ends, &hdr);
}

void cb_server_push(struct cb_server *server, struct cb_sflow *f)
{
	const struct cb_world *w = server->s.world;
	const struct cb_script *script = &w->script;
	struct cb_ends ends = cb_server_ends(server, f);
	uint32_t limit = (f->t.flags & CB_T_READY) != 0 ? script->response : 0;
	uint32_t start = cb_plan_start(&w->plan, f->id, CB_SERVER);
	struct cb_out out;

	while (cb_side_has_room(&server->s) &&
	       cb_tcb_next(&f->t, limit, server->s.mss, script->window, &out)) {
		const uint8_t *data = cb_pattern_at(&w->pattern, start, out.off);
		struct cb_hdr hdr = {.seq = out.seq,
				     .ack = f->t.rcv_nxt,
				     .len = out.len,
				     .sum = cb_pattern_sum(&w->pattern, data, out.len),
				     .flags = out.fin ? CV_TCP_ACK | CV_TCP_FIN : CV_TCP_ACK};

		f->t.stamp = server->s.tick;
		server->s.counts.data_out += out.len;
		cb_side_send_data(&server->s, &server->tmpls[f->mac], &ends, &hdr, data);
	}
	if ((f->t.flags & CB_T_ACK_DUE) != 0) {
		f->t.flags &= (uint8_t)~CB_T_ACK_DUE;
		send_flags(server, f, CV_TCP_ACK);
	}
}

static void give_up(struct cb_server *s, struct cb_sflow *f)
{
	s->s.counts.failed++;
	send_flags(s, f, CV_TCP_RST | CV_TCP_ACK);
	cb_table_del(&s->table, f);
}

static void sweep_late(struct cb_server *s, struct cb_sflow *f)
{
	if (!cb_tcb_back(&f->t, s->s.tick)) {
		give_up(s, f);
		return;
	}
	s->s.counts.data_again++;
	cb_server_push(s, f);
}

static void sweep(struct cb_server *s)
{
	const struct cb_script *script = &s->s.world->script;
	uint32_t n = cb_pace_take(&s->s.sweep_pace, s->s.now, SWEEP_MAX);

	n = n < s->table.n_top ? n : s->table.n_top;
	for (; n > 0 && cb_side_has_room(&s->s); n--) {
		struct cb_sflow *f = &s->table.flows[s->s.cursor];

		s->s.cursor = s->s.cursor + 1 < s->table.n_top ? s->s.cursor + 1 : 0;
		if (f->t.state == CB_FREE)
			continue;
		if (cb_tcb_is_late(&f->t, s->s.tick, script->rto))
			sweep_late(s, f);
		else if (!script->hold && cb_tcb_is_dead(&f->t, s->s.tick, script->rto))
			give_up(s, f);
		else if (script->bulk && s->phase == CB_RUN)
			cb_server_push(s, f);
	}
}

static void send_probes(struct cb_server *s)
{
	bool random = s->s.world->opts->order == CB_RANDOM;
	uint32_t at[BEGIN_MAX], n, i;

	if (s->table.n_top == 0)
		return;
	n = cb_probe_due(&s->s, BEGIN_MAX);
	for (i = 0; i < n; i++) {
		if (random) {
			at[i] = (uint32_t)((uint64_t)cb_side_random(&s->s) * s->table.n_top >> 32);
		} else {
			at[i] = s->s.probe_cursor;
			s->s.probe_cursor =
				s->s.probe_cursor + 1 < s->table.n_top ? s->s.probe_cursor + 1 : 0;
		}
		__builtin_prefetch(&s->table.flows[at[i]]);
	}
	for (i = 0; i < n; i++) {
		const struct cb_sflow *f = &s->table.flows[at[i]];
		struct cb_ends ends;
		struct rte_mbuf *m;

		if (f->t.state != CB_OPEN || (f->t.flags & CB_T_READY) == 0)
			continue;
		m = cb_side_alloc(&s->s);
		if (m == NULL)
			return;
		ends = cb_server_ends(s, f);
		cb_probe_send(&s->s, m, &s->tmpls[f->mac], &ends, &f->t, f->id);
	}
}

void cb_server_command(struct cb_server *server, const struct cb_cmd *cmd)
{
	uint64_t hz = server->s.world->tsc_hz, now = server->s.now;

	server->phase = cmd->phase;
	server->probe = cmd->probe[CB_SERVER];
	if (cmd->phase == CB_RUN)
		memset(&server->s.way, 0, sizeof(server->s.way));
	cb_pace_init(&server->s.probe_pace, cmd->probe_rate[CB_SERVER], hz, now, hz / 1000);
	cb_pace_init(&server->s.sweep_pace,
		     server->s.world->script.bulk ? 1e6 : 4.0 * (server->table.cap + 1.0), hz, now,
		     hz / 50);
}

void cb_server_tick(struct cb_server *server)
{
	if (server->phase == CB_RUN && server->probe)
		send_probes(server);
	if (server->phase != CB_RUN || server->s.world->script.probe_len == 0)
		sweep(server);
}
