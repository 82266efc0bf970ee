/* SPDX-License-Identifier: BSD-3-Clause */

/* The client side: what goes out. */

#include "client.h"

/* Slots looked at in one round at most. */
#define SWEEP_MAX 256
/* Connections or probes begun in one round at most: packets that come must not wait long. */
#define BEGIN_MAX 64
/* Flows in CB_OPEN_FLOWS that are begun and not ready. */
#define OPENING_MAX 512

static struct cb_ends flow_ends(const struct cb_client *c, const struct cb_cflow *f,
				const struct cb_tmpl **ret_tmpl)
{
	uint32_t dial = cb_plan_dial(&c->s.world->plan, f->id);

	*ret_tmpl = &c->tmpls[dial];
	return cb_client_ends(c, f->id, dial);
}

void cb_client_send_flags(struct cb_client *client, const struct cb_cflow *f, uint8_t flags,
			  uint32_t seq)
{
	const struct cb_tmpl *tmpl;
	struct cb_ends ends = flow_ends(client, f, &tmpl);
	struct cb_hdr hdr = {.seq = seq, .ack = f->t.rcv_nxt, .flags = flags};

	cb_side_send_bare(&client->s, tmpl, &ends, &hdr);
}

void cb_client_send_syn(struct cb_client *client, struct cb_cflow *f)
{
	const struct cb_tmpl *tmpl;
	struct cb_ends ends = flow_ends(client, f, &tmpl);
	struct cb_hdr hdr = {
		.seq = f->t.iss, .mss = client->s.world->script.mss, .flags = CV_TCP_SYN};

	cb_side_send_bare(&client->s, tmpl, &ends, &hdr);
}

bool cb_client_dial(struct cb_client *client)
{
	const struct cb_plan *plan = &client->s.world->plan;
	struct cb_cflow *f;

	for (int tries = 0; tries < 8; tries++) {
		uint32_t id = client->next_id;

		client->next_id = id + 1 < plan->n_tuples ? id + 1 : 0;
		f = &client->flows[id & client->mask];
		if (f->t.state != CB_FREE)
			continue;
		f->id = id;
		f->sent = client->s.now;
		/* By the clock, so that a peer that remembers the last one takes it for new (RFC 6528). */
		cb_tcb_dial(&f->t, (uint32_t)(cb_mix(plan->key ^ id) + (client->s.now >> 8)),
			    client->s.tick);
		client->n_active++;
		client->s.counts.started++;
		cb_client_send_syn(client, f);
		return true;
	}
	return false;
}

/* Payload of a request: who we are, then pattern; or plain text. */
static const uint8_t *request_at(struct cb_client *c, const struct cb_cflow *f,
				 const struct cb_out *out, uint8_t *buf, uint32_t *ret_sum)
{
	const struct cb_world *w = c->s.world;
	uint8_t ident[CB_IDENT_LEN];
	const uint8_t *data;

	if (w->script.text != NULL) {
		data = (const uint8_t *)w->script.text + out->off;
		*ret_sum = cv_csum_fold(cv_csum_add(data, out->len, 0));
		return data;
	}
	data = cb_pattern_at(&w->pattern, cb_plan_start(&w->plan, f->id, CB_CLIENT), out->off);
	/* A stream without end wraps; there the first bytes are pattern when they come again. */
	if (out->off >= CB_IDENT_LEN || (f->t.flags & CB_T_IDENT) != 0) {
		*ret_sum = cb_pattern_sum(&w->pattern, data, out->len);
		return data;
	}
	memcpy(buf, data, out->len);
	cb_ident_write(&w->plan, f->id, ident);
	for (uint32_t i = out->off; i < CB_IDENT_LEN && i - out->off < out->len; i++)
		buf[i - out->off] = ident[i];
	*ret_sum = cv_csum_fold(cv_csum_add(buf, out->len, 0));
	return buf;
}

void cb_client_push(struct cb_client *client, struct cb_cflow *f)
{
	const struct cb_script *script = &client->s.world->script;
	const struct cb_tmpl *tmpl;
	struct cb_ends ends = flow_ends(client, f, &tmpl);
	uint8_t buf[CB_PIECE_MAX];
	struct cb_out out;

	while (cb_side_has_room(&client->s) &&
	       cb_tcb_next(&f->t, script->request, client->s.mss, script->window, &out)) {
		struct cb_hdr hdr = {.seq = out.seq,
				     .ack = f->t.rcv_nxt,
				     .len = out.len,
				     .flags = out.fin ? CV_TCP_ACK | CV_TCP_FIN : CV_TCP_ACK};
		const uint8_t *data = buf;

		f->t.stamp = client->s.tick;
		if (out.len > 0)
			data = request_at(client, f, &out, buf, &hdr.sum);
		client->s.counts.data_out += out.len;
		cb_side_send_data(&client->s, tmpl, &ends, &hdr, data);
	}
	if ((f->t.flags & CB_T_ACK_DUE) != 0 && f->t.state == CB_OPEN) {
		f->t.flags &= (uint8_t)~CB_T_ACK_DUE;
		cb_client_send_flags(client, f, CV_TCP_ACK, f->t.snd_nxt);
	}
}

static void give_up(struct cb_client *c, struct cb_cflow *f)
{
	c->s.counts.failed++;
	if (f->t.state == CB_OPEN)
		cb_client_send_flags(c, f, CV_TCP_RST | CV_TCP_ACK, f->t.snd_nxt);
	cb_client_free(c, f);
}

static void sweep_late(struct cb_client *c, struct cb_cflow *f)
{
	if (!cb_tcb_back(&f->t, c->s.tick)) {
		give_up(c, f);
	} else if (f->t.state == CB_SYN_SENT) {
		c->s.counts.syn_again++;
		cb_client_send_syn(c, f);
	} else {
		c->s.counts.data_again++;
		cb_client_push(c, f);
	}
}

/* Asks for a sign of life: a segment from before what was acknowledged must be answered. */
static void sweep_keepalive(struct cb_client *c, struct cb_cflow *f)
{
	if ((f->t.flags & CB_T_ASKED) != 0 && f->t.retries >= CB_RETRIES_MAX) {
		give_up(c, f);
		return;
	}
	f->t.retries = (f->t.flags & CB_T_ASKED) != 0 ? (f->t.retries + 1) & 0xf : 0;
	f->t.flags |= CB_T_ASKED;
	f->t.stamp = c->s.tick;
	c->s.counts.keepalives++;
	cb_client_send_flags(c, f, CV_TCP_ACK, f->t.snd_nxt - 1);
}

static void sweep(struct cb_client *c)
{
	const struct cb_script *script = &c->s.world->script;
	uint32_t n = cb_pace_take(&c->s.sweep_pace, c->s.now, SWEEP_MAX);

	for (; n > 0 && cb_side_has_room(&c->s); n--) {
		struct cb_cflow *f = &c->flows[c->s.cursor];
		uint32_t wait = (f->t.flags & CB_T_ASKED) != 0 ? script->rto : script->keepalive;

		c->s.cursor = (c->s.cursor + 1) & c->mask;
		if (f->t.state == CB_FREE)
			continue;
		if (cb_tcb_is_late(&f->t, c->s.tick, script->rto))
			sweep_late(c, f);
		else if (!script->hold && cb_tcb_is_dead(&f->t, c->s.tick, script->rto))
			give_up(c, f);
		else if (script->count_alive && c->phase == CB_RUN && f->t.flight == 0 &&
			 (uint16_t)(c->s.tick - f->t.stamp) > wait)
			sweep_keepalive(c, f);
		else if (script->bulk && c->phase == CB_RUN)
			cb_client_push(c, f);
	}
}

static void open_flows(struct cb_client *c, bool until_max)
{
	uint32_t max = BEGIN_MAX, n;

	if (!cb_side_has_room(&c->s))
		return;
	if (until_max) {
		/* Those begun wait for each other, so that a slow peer is not flooded. */
		uint32_t opening = c->n_begun - (uint32_t)(c->s.counts.ready + c->s.counts.failed);

		max = RTE_MIN(max, c->n_max - c->n_begun);
		max = RTE_MIN(max, opening < OPENING_MAX ? OPENING_MAX - opening : 0);
	}
	if (c->open_pace.interval == 0 && c->n_max - c->n_active < max)
		max = c->n_max > c->n_active ? c->n_max - c->n_active : 0;
	n = max > 0 ? cb_pace_take(&c->open_pace, c->s.now, max) : 0;
	for (; n > 0; n--) {
		if (c->n_active >= c->n_max || !cb_client_dial(c)) {
			c->s.counts.blocked += n;
			return;
		}
		c->n_begun++;
	}
}

static void send_probes(struct cb_client *c)
{
	bool random = c->s.world->opts->order == CB_RANDOM;
	uint32_t at[BEGIN_MAX], n, i;

	n = cb_probe_due(&c->s, BEGIN_MAX);
	for (i = 0; i < n; i++) {
		if (random) {
			at[i] = (uint32_t)((uint64_t)cb_side_random(&c->s) * c->n_max >> 32);
		} else {
			at[i] = c->s.probe_cursor;
			c->s.probe_cursor =
				c->s.probe_cursor + 1 < c->n_max ? c->s.probe_cursor + 1 : 0;
		}
		__builtin_prefetch(&c->flows[at[i]]);
	}
	for (i = 0; i < n; i++) {
		struct cb_cflow *f = &c->flows[at[i]];
		const struct cb_tmpl *tmpl;
		struct cb_ends ends;
		struct rte_mbuf *m;

		if (f->t.state != CB_OPEN)
			continue;
		m = cb_side_alloc(&c->s);
		if (m == NULL)
			return;
		ends = flow_ends(c, f, &tmpl);
		cb_probe_send(&c->s, m, tmpl, &ends, &f->t, f->id);
	}
}

static void send_flood(struct cb_client *c)
{
	const struct cb_opts *o = c->s.world->opts;
	uint32_t host = ~cv_be32_host(cv_prefix_mask(o->flood_from.len)), n;

	if (!cb_side_has_room(&c->s))
		return;
	for (n = cb_pace_take(&c->flood_pace, c->s.now, BEGIN_MAX); n > 0; n--) {
		uint32_t r = cb_side_random(&c->s),
			 dial = (uint32_t)((uint64_t)r * o->dial.n >> 32);
		struct cb_ends ends = {
			.src = cv_be32(cv_be32_host(o->flood_from.addr) |
				       (cb_side_random(&c->s) & host)),
			.dst = o->dial.at[dial].ip,
			.sport = cv_be16((uint16_t)(1024 + (r & 0x7fff))),
			.dport = o->dial.at[dial].port,
		};
		struct cb_hdr hdr = {
			.seq = cb_side_random(&c->s), .mss = 1460, .flags = CV_TCP_SYN};

		c->s.counts.flood_out++;
		cb_side_send_bare(&c->s, &c->tmpls[dial], &ends, &hdr);
	}
}

static void ask_arp(struct cb_client *c)
{
	const struct cb_opts *o = c->s.world->opts;

	if (c->resolved || cb_pace_take(&c->arp_pace, c->s.now, 1) == 0)
		return;
	for (uint32_t i = 0; i < o->dial.n; i++) {
		if (!c->known[i])
			cb_side_arp_ask(&c->s, o->clients.addr,
					o->via != 0 ? o->via : o->dial.at[i].ip);
		if (o->via != 0)
			return;
	}
}

static void close_flows(struct cb_client *c)
{
	for (uint32_t n = 0; n < BEGIN_MAX && c->n_closed <= c->mask && cb_side_has_room(&c->s);
	     n++) {
		struct cb_cflow *f = &c->flows[c->n_closed++];

		if (f->t.state == CB_FREE)
			continue;
		if (f->t.state == CB_OPEN)
			cb_client_send_flags(c, f, CV_TCP_RST | CV_TCP_ACK, f->t.snd_nxt);
		cb_client_free(c, f);
	}
}

/* Blind flows: as if they had been opened, with numbers that nobody agreed to. */
static void open_blindly(struct cb_client *c)
{
	for (; c->n_begun < c->n_max; c->n_begun++) {
		struct cb_cflow *f = &c->flows[c->n_begun];

		f->id = c->n_begun;
		f->t = (struct cb_tcb){
			.snd_nxt = (uint32_t)cb_mix(f->id), .rcv_nxt = 1, .state = CB_OPEN};
		c->n_active++;
		c->s.counts.ready++;
	}
}

void cb_client_command(struct cb_client *client, const struct cb_cmd *cmd)
{
	uint64_t hz = client->s.world->tsc_hz, now = client->s.now;

	client->phase = cmd->phase;
	client->connect = cmd->connect;
	client->probe = cmd->probe[CB_CLIENT];
	client->flood = cmd->flood;
	if (cmd->phase == CB_RUN) {
		memset(&client->connect_time, 0, sizeof(client->connect_time));
		memset(&client->response_time, 0, sizeof(client->response_time));
		memset(&client->s.way, 0, sizeof(client->s.way));
	}
	cb_pace_init(&client->open_pace, cmd->conn_rate, hz, now, hz / 100);
	cb_pace_init(&client->s.probe_pace, cmd->probe_rate[CB_CLIENT], hz, now, hz / 1000);
	cb_pace_init(&client->flood_pace, cmd->flood_rate, hz, now, hz / 1000);
	cb_pace_init(&client->arp_pace, 5, hz, now, 0);
	cb_pace_init(&client->s.sweep_pace,
		     client->s.world->script.bulk ? 1e6 : 4.0 * (client->mask + 1.0), hz, now,
		     hz / 50);
}

void cb_client_tick(struct cb_client *client)
{
	const struct cb_world *w = client->s.world;

	switch (client->phase) {
	case CB_OPEN_FLOWS:
		if (w->opts->blind)
			open_blindly(client);
		else
			open_flows(client, true);
		sweep(client);
		break;
	case CB_RUN:
		if (client->connect)
			open_flows(client, false);
		if (client->probe)
			send_probes(client);
		if (client->flood)
			send_flood(client);
		if (w->script.probe_len == 0)
			sweep(client);
		break;
	case CB_CLOSE:
		close_flows(client);
		break;
	default:
		ask_arp(client);
		sweep(client);
		break;
	}
}
