/* SPDX-License-Identifier: BSD-3-Clause */

/* The client side: what comes in. */

#include "client.h"

#include <errno.h>
#include <stdlib.h>

#include "table.h"

int cb_client_init(struct cb_client *client, const struct cb_world *world, struct cv_io *io,
		   uint16_t port)
{
	const struct cb_opts *o = world->opts;
	uint32_t n = 64;

	memset(client, 0, sizeof(*client));
	cb_side_init(&client->s, world, io, port, CB_CLIENT);
	client->n_max = (uint32_t)o->flows;
	/* Short connections: room for ids whose slot is still taken. */
	while (n < client->n_max * (world->script.hold ? 1ull : 2ull))
		n *= 2;
	client->mask = n - 1;
	client->flows = cb_mem_alloc(n * sizeof(*client->flows));
	client->tmpls = calloc(o->dial.n, sizeof(*client->tmpls));
	client->known = calloc(o->dial.n, sizeof(*client->known));
	if (client->flows == NULL || client->tmpls == NULL || client->known == NULL) {
		cb_client_fini(client);
		return -ENOMEM;
	}
	client->resolved = o->via_mac.set;
	for (uint32_t i = 0; i < o->dial.n; i++) {
		client->known[i] = o->via_mac.set;
		cb_tmpl_init(&client->tmpls[i], o->via_mac.addr, client->s.mac, client->s.vlan);
	}
	return 0;
}

void cb_client_fini(struct cb_client *client)
{
	cb_side_fini(&client->s);
	cb_mem_free(client->flows, (client->mask + 1ull) * sizeof(*client->flows));
	free(client->tmpls);
	free(client->known);
	client->flows = NULL;
	client->tmpls = NULL;
	client->known = NULL;
}

void cb_client_free(struct cb_client *client, struct cb_cflow *f)
{
	f->t.state = CB_FREE;
	client->n_active--;
}

static void client_arp(struct cb_client *c, const uint8_t *frame, uint32_t len)
{
	const struct cb_opts *o = c->s.world->opts;
	bool all = true;
	struct cb_arp arp;

	c->s.counts.rx_arp++;
	if (!cb_arp_read(frame, len, c->s.vlan, &arp))
		return;
	if (arp.op == 1) {
		if (cb_plan_has_ip(&c->s.world->plan, arp.target))
			cb_side_arp_answer(&c->s, &arp);
		return;
	}
	for (uint32_t i = 0; i < o->dial.n && !o->via_mac.set; i++) {
		if (arp.sender == (o->via != 0 ? o->via : o->dial.at[i].ip)) {
			cb_tmpl_init(&c->tmpls[i], arp.mac, c->s.mac, c->s.vlan);
			c->known[i] = true;
		}
		all = all && c->known[i];
	}
	c->resolved = c->resolved || all;
}

static void check_response(struct cb_client *c, const struct cb_cflow *f, const struct cb_pkt *p,
			   const struct cb_seg *seg)
{
	const struct cb_world *w = c->s.world;
	uint32_t n = seg->len - seg->skip, off = (uint16_t)(f->t.rcv_off - n);
	const uint8_t *want;

	if (w->script.text != NULL || (w->script.bulk && !w->script.verify) || n > CB_PIECE_MAX)
		return;
	want = cb_pattern_at(&w->pattern, cb_plan_start(&w->plan, f->id, CB_SERVER), off);
	c->s.counts.payload_checked++;
	if (memcmp(p->data + seg->skip, want, n) != 0) {
		c->s.counts.payload_bad++;
		cb_side_note(&c->s, "flow %u: wrong payload in bytes %u..%u of the response", f->id,
			     off, off + n - 1);
	}
}

/* Takes the segment's news into account. Returns false when the flow is gone. */
static bool client_events(struct cb_client *c, struct cb_cflow *f, const struct cb_pkt *p,
			  const struct cb_seg *seg, uint32_t ev)
{
	struct cb_counts *n = &c->s.counts;

	if ((ev & CB_EV_RESET) != 0) {
		n->resets++;
		n->failed++;
		cb_client_free(c, f);
		return false;
	}
	n->rx_stray += (ev & CB_EV_STRAY) != 0;
	n->old += (ev & CB_EV_OLD) != 0;
	n->early += (ev & CB_EV_EARLY) != 0;
	if ((ev & (CB_EV_OPENED | CB_EV_DATA | CB_EV_ACKED)) != 0)
		f->t.stamp = c->s.tick;
	if ((ev & CB_EV_OPENED) != 0) {
		n->opened++;
		cb_hist_add(&c->connect_time, c->s.now - f->sent);
		f->sent = c->s.now;
		cb_side_learn_mss(&c->s, p);
		if (c->s.world->script.bare_ack) {
			cb_client_send_flags(c, f, CV_TCP_ACK, f->t.snd_nxt);
			f->t.flags &= (uint8_t)~CB_T_ACK_DUE;
		}
	}
	if ((ev & CB_EV_DATA) != 0) {
		n->data_in += seg->len - seg->skip;
		check_response(c, f, p, seg);
	}
	if ((ev & CB_EV_ACKED) != 0)
		f->t.flags |= CB_T_IDENT;
	if ((f->t.flags & CB_T_ASKED) != 0 && (ev & CB_EV_STRAY) == 0) {
		/* Something came since we asked for a sign of life. */
		f->t.flags &= (uint8_t)~CB_T_ASKED;
		f->t.retries = 0;
		n->alive++;
	}
	return true;
}

/* A segment for which there is no flow (any more). */
static void client_stray(struct cb_client *c, const struct cb_pkt *p, uint32_t id)
{
	uint32_t dial = cb_plan_dial(&c->s.world->plan, id);
	struct cb_ends ends = cb_client_ends(c, id, dial);
	struct cb_hdr hdr = {.seq = p->ack, .ack = p->seq + p->len + 1, .flags = CV_TCP_ACK};

	c->s.counts.rx_stray++;
	/* The peer lost our last acknowledgement. */
	if ((p->flags & (CV_TCP_FIN | CV_TCP_RST)) == CV_TCP_FIN && c->known[dial])
		cb_side_send_bare(&c->s, &c->tmpls[dial], &ends, &hdr);
}

static void client_probe(struct cb_client *c, const struct cb_cflow *f, const struct cb_pkt *p,
			 uint32_t id)
{
	uint32_t said;

	if (!cb_probe_read(&c->s, p, &said))
		return;
	if (said != id || f->id != id || f->t.state != CB_OPEN) {
		c->s.counts.probes_in--;
		c->s.counts.probes_bad++;
		cb_side_note(&c->s, "a probe of flow %u came to flow %u", said, id);
	} else if (c->s.world->script.verify) {
		cb_probe_verify(&c->s, p, &f->t, id);
	}
}

static void client_segment(struct cb_client *c, const struct cb_pkt *p)
{
	const struct cb_world *w = c->s.world;
	struct cb_seg seg = {p->seq, p->ack, p->len, p->flags, 0};
	struct cb_cflow *f;
	uint32_t id, ev;

	if (!cb_plan_find(&w->plan, p->e.dst, p->e.dport, &id)) {
		if (cv_prefix_has(&w->opts->flood_from, p->e.dst))
			c->s.counts.flood_in++;
		else
			c->s.counts.rx_other++;
		return;
	}
	f = &c->flows[id & c->mask];
	if (w->script.probe_len != 0 && cb_probe_is(&w->script, p)) {
		client_probe(c, f, p, id);
		return;
	}
	if (f->t.state == CB_FREE || f->id != id) {
		client_stray(c, p, id);
		return;
	}
	if (w->script.verify && !cb_frame_csum_ok(p)) {
		c->s.counts.checksum_bad++;
		cb_side_note(&c->s, "flow %u: wrong checksum", id);
		return;
	}
	ev = cb_tcb_in(&f->t, &seg);
	if (!client_events(c, f, p, &seg, ev) || (f->t.flags & CB_T_TOUCHED) != 0)
		return;
	f->t.flags |= CB_T_TOUCHED;
	c->touched[c->n_touched++] = f;
}

/* Tells whether a flow said and heard what it is there for. */
static bool is_through(const struct cb_script *s, const struct cb_tcb *t)
{
	if (t->state != CB_OPEN)
		return false;
	if (s->text != NULL)
		return (t->flags & CB_T_FIN_IN) != 0;
	if (s->bulk)
		return true;
	if (s->response > 0)
		return t->rcv_off >= s->response;
	return !s->hold || (t->flight == 0 && cb_tcb_off(t) >= s->request);
}

/* What a flow that heard something does next. */
static void client_after(struct cb_client *c, struct cb_cflow *f)
{
	const struct cb_script *script = &c->s.world->script;

	f->t.flags &= (uint8_t)~CB_T_TOUCHED;
	if ((f->t.flags & CB_T_READY) == 0 && is_through(script, &f->t)) {
		f->t.flags |= CB_T_READY;
		c->s.counts.ready++;
		cb_hist_add(&c->response_time, c->s.now - f->sent);
		if (script->close == CB_CLOSE_RESET && !script->hold) {
			cb_client_send_flags(c, f, CV_TCP_RST | CV_TCP_ACK, f->t.snd_nxt);
			c->s.counts.finished++;
			cb_client_free(c, f);
			return;
		}
		if (script->close == CB_CLOSE_CLIENT && !script->hold)
			f->t.flags |= CB_T_CLOSING;
	}
	if ((f->t.flags & CB_T_FIN_IN) != 0)
		f->t.flags |= CB_T_CLOSING;
	cb_client_push(c, f);
	if (cb_tcb_is_done(&f->t)) {
		c->s.counts.finished++;
		cb_client_free(c, f);
	}
}

void cb_client_rx(struct cb_client *client, struct rte_mbuf **pkts, uint16_t n)
{
	struct cb_side *s = &client->s;
	struct cb_pkt parsed[CB_BURST];
	bool prefetch = s->world->script.probe_len == 0 || s->world->script.verify;
	uint32_t n_tcp = 0, id;

	s->counts.rx_pkts += n;
	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *f = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		if (i + 4 < n)
			__builtin_prefetch(rte_pktmbuf_mtod(pkts[i + 4], const uint8_t *));
		s->counts.rx_bytes += pkts[i]->pkt_len;
		switch (cb_frame_parse(f, pkts[i]->data_len, s->vlan, &parsed[n_tcp])) {
		case CB_TCP:
			if (prefetch && cb_plan_find(&s->world->plan, parsed[n_tcp].e.dst,
						     parsed[n_tcp].e.dport, &id))
				__builtin_prefetch(&client->flows[id & client->mask], 1);
			n_tcp++;
			break;
		case CB_ARP:
			client_arp(client, f, pkts[i]->data_len);
			break;
		default:
			s->counts.rx_other++;
		}
	}
	client->n_touched = 0;
	for (uint32_t i = 0; i < n_tcp; i++)
		client_segment(client, &parsed[i]);
	for (uint32_t i = 0; i < client->n_touched; i++) {
		if (client->touched[i]->t.state != CB_FREE)
			client_after(client, client->touched[i]);
	}
}
