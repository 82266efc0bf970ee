/* SPDX-License-Identifier: BSD-3-Clause */

/* The server side: what comes in. */

#include "server.h"

#include <errno.h>

#include <rte_cycles.h>

static uint32_t listen_hash(cv_be32_t ip, cv_be16_t port)
{
	return (uint32_t)cb_mix((uint64_t)ip << 16 | port) & (CB_LISTEN_LEN - 1);
}

int cb_server_init(struct cb_server *server, const struct cb_world *world, struct cv_io *io,
		   uint16_t port)
{
	const struct cb_opts *o = world->opts;
	/* Flows of which the end was lost linger; SYNs take no room. */
	uint32_t cap = (uint32_t)o->flows * 2 + 65536, i;

	memset(server, 0, sizeof(*server));
	cb_side_init(&server->s, world, io, port, CB_SERVER);
	server->cookie_key = cb_mix(world->plan.key ^ rte_rdtsc());
	for (uint32_t k = 0; k < o->servers.n; k++) {
		i = listen_hash(o->servers.at[k].ip, o->servers.at[k].port);
		while (server->listen[i] != 0)
			i = (i + 1) & (CB_LISTEN_LEN - 1);
		server->listen[i] = (uint16_t)(k + 1);
	}
	return cb_table_init(&server->table, world->script.hold ? (uint32_t)o->flows + 65536 : cap,
			     world->plan.key);
}

void cb_server_fini(struct cb_server *server)
{
	cb_side_fini(&server->s);
	cb_table_fini(&server->table);
}

/* Index of the server at an address; -1 if there is none. */
static int find_local(const struct cb_server *s, cv_be32_t ip, cv_be16_t port)
{
	const struct cb_addr *at = s->s.world->opts->servers.at;

	for (uint32_t i = listen_hash(ip, port); s->listen[i] != 0;
	     i = (i + 1) & (CB_LISTEN_LEN - 1)) {
		uint32_t k = s->listen[i] - 1u;

		if (at[k].ip == ip && at[k].port == port)
			return (int)k;
	}
	return -1;
}

static bool has_ip(const struct cb_server *s, cv_be32_t ip)
{
	const struct cb_addrs *servers = &s->s.world->opts->servers;

	for (uint32_t i = 0; i < servers->n; i++) {
		if (servers->at[i].ip == ip)
			return true;
	}
	return false;
}

static void server_arp(struct cb_server *s, const uint8_t *frame, uint32_t len)
{
	struct cb_arp arp;

	s->s.counts.rx_arp++;
	if (cb_arp_read(frame, len, s->s.vlan, &arp) && arp.op == 1 && has_ip(s, arp.target))
		cb_side_arp_answer(&s->s, &arp);
}

/* Where to send answers to a frame: one template per peer MAC. */
static uint8_t learn_mac(struct cb_server *s, const uint8_t *frame)
{
	const uint8_t *mac = frame + 6;
	uint32_t i;

	if (s->n_macs > 0 && memcmp(s->tmpls[s->last_mac].bytes, mac, 6) == 0)
		return (uint8_t)s->last_mac;
	for (i = 0; i < s->n_macs && memcmp(s->tmpls[i].bytes, mac, 6) != 0; i++)
		;
	if (i == s->n_macs) {
		if (i == CB_MACS_MAX) {
			i = CB_MACS_MAX - 1;
			cb_side_note(&s->s, "more than %d MACs of peers", CB_MACS_MAX);
		} else {
			s->n_macs++;
		}
		cb_tmpl_init(&s->tmpls[i], mac, s->s.mac, s->s.vlan);
	}
	s->last_mac = i;
	return (uint8_t)i;
}

/* Our initial sequence number to a client's SYN: the same whenever it is asked for. */
static uint32_t cookie(const struct cb_server *s, const struct cb_pkt *p, uint32_t client_isn)
{
	uint64_t tuple = (uint64_t)p->e.src << 32 | p->e.dst;
	uint64_t rest = (uint64_t)p->e.sport << 48 | (uint64_t)p->e.dport << 32 | client_isn;

	return (uint32_t)cb_mix(cb_mix(tuple ^ s->cookie_key) ^ rest);
}

static void server_syn(struct cb_server *s, const struct cb_pkt *p, struct cb_sflow *f, uint8_t mac)
{
	struct cb_ends ends = {p->e.dst, p->e.src, p->e.dport, p->e.sport};
	struct cb_hdr hdr = {.seq = cookie(s, p, p->seq),
			     .ack = p->seq + 1,
			     .mss = s->s.world->script.mss,
			     .flags = CV_TCP_SYN | CV_TCP_ACK};

	cb_side_learn_mss(&s->s, p);
	if (f != NULL && f->t.iss != hdr.seq) {
		s->s.counts.reused++;
		cb_table_del(&s->table, f);
	}
	cb_side_send_bare(&s->s, &s->tmpls[mac], &ends, &hdr);
}

/* The first acknowledgement of our SYN-ACK makes a flow. Returns NULL if it is none. */
static struct cb_sflow *server_accept(struct cb_server *s, const struct cb_pkt *p, uint32_t hash,
				      uint8_t local)
{
	uint32_t iss = cookie(s, p, p->seq - 1);
	struct cb_sflow *f;

	if ((p->flags & (CV_TCP_ACK | CV_TCP_RST)) != CV_TCP_ACK || p->ack != iss + 1)
		return NULL;
	f = cb_table_add(&s->table, hash, p->e.src, p->e.sport, local);
	if (f == NULL) {
		s->s.counts.table_full++;
		return NULL;
	}
	cb_tcb_accept(&f->t, iss, p->seq, s->s.tick);
	f->mac = learn_mac(s, p->ip - s->s.l2);
	s->s.counts.started++;
	s->s.counts.opened++;
	return f;
}

static void server_stray(struct cb_server *s, const struct cb_pkt *p, uint8_t mac)
{
	struct cb_ends ends = {p->e.dst, p->e.src, p->e.dport, p->e.sport};
	struct cb_hdr hdr = {.seq = p->ack, .ack = p->seq + p->len + 1, .flags = CV_TCP_ACK};

	s->s.counts.rx_stray++;
	/* The peer lost our last acknowledgement. */
	if ((p->flags & (CV_TCP_FIN | CV_TCP_RST)) == CV_TCP_FIN)
		cb_side_send_bare(&s->s, &s->tmpls[mac], &ends, &hdr);
}

static bool request_is_over(const struct cb_script *script, const struct cb_tcb *t)
{
	if (script->bulk || script->request == CB_FOREVER)
		return (t->flags & CB_T_IDENT) != 0;
	return script->request == 0 ? (t->flags & CB_T_FIN_IN) != 0 || script->response > 0
				    : t->rcv_off >= script->request;
}

/* What a flow that heard something does next. */
static void server_after(struct cb_server *s, struct cb_sflow *f)
{
	const struct cb_script *script = &s->s.world->script;

	f->t.flags &= (uint8_t)~CB_T_TOUCHED;
	if ((f->t.flags & CB_T_READY) == 0 && request_is_over(script, &f->t)) {
		f->t.flags |= CB_T_READY;
		s->s.counts.ready++;
		if (script->close == CB_CLOSE_SERVER && !script->hold)
			f->t.flags |= CB_T_CLOSING;
	}
	if ((f->t.flags & CB_T_FIN_IN) != 0)
		f->t.flags |= CB_T_CLOSING;
	cb_server_push(s, f);
	if (cb_tcb_is_done(&f->t)) {
		s->s.counts.finished++;
		cb_table_del(&s->table, f);
	}
}

/* Takes the segment's news into account. Returns false when the flow is gone. */
static bool server_events(struct cb_server *s, struct cb_sflow *f, const struct cb_pkt *p,
			  const struct cb_seg *seg, uint32_t ev)
{
	struct cb_counts *n = &s->s.counts;

	if ((ev & CB_EV_RESET) != 0) {
		n->resets++;
		cb_table_del(&s->table, f);
		return false;
	}
	n->rx_stray += (ev & CB_EV_STRAY) != 0;
	n->old += (ev & CB_EV_OLD) != 0;
	n->early += (ev & CB_EV_EARLY) != 0;
	if ((ev & (CB_EV_DATA | CB_EV_ACKED)) != 0)
		f->t.stamp = s->s.tick;
	if ((ev & CB_EV_DATA) != 0)
		cb_server_read(s, f, p->data + seg->skip, seg->len - seg->skip);
	if ((ev & CB_EV_FIN) != 0 && (f->t.flags & CB_T_HEADER) == 0 &&
	    s->s.world->opts->proxy == CB_PROXY_REQUIRE) {
		n->headers_missing++;
		cb_side_note(&s->s, "a connection without a PROXY header, and without a byte");
	}
	return true;
}

/* Probes are not looked up unless they are verified: what they say is enough to count them. */
static bool server_probe(struct cb_server *s, const struct cb_pkt *p)
{
	const struct cb_script *script = &s->s.world->script;
	const struct cb_sflow *f;
	uint32_t id, hash;
	int local;

	if (script->probe_len == 0 || !cb_probe_is(script, p))
		return false;
	if (!cb_probe_read(&s->s, p, &id) || !script->verify)
		return true;
	local = find_local(s, p->e.dst, p->e.dport);
	hash = cb_table_hash(&s->table, p->e.src, p->e.sport, (uint8_t)local);
	f = local >= 0 ? cb_table_find(&s->table, hash, p->e.src, p->e.sport, (uint8_t)local)
		       : NULL;
	if (f != NULL && f->id == id) {
		cb_probe_verify(&s->s, p, &f->t, id);
		return true;
	}
	s->s.counts.probes_in--;
	s->s.counts.probes_bad++;
	cb_side_note(&s->s, "a probe of flow %u came to another flow", id);
	return true;
}

static void server_segment(struct cb_server *s, const struct cb_pkt *p, uint32_t hash,
			   uint8_t local)
{
	struct cb_sflow *f = cb_table_find(&s->table, hash, p->e.src, p->e.sport, local);
	struct cb_seg seg = {p->seq, p->ack, p->len, p->flags, 0};
	uint32_t ev;

	if (s->s.world->script.verify && !cb_frame_csum_ok(p)) {
		s->s.counts.checksum_bad++;
		cb_side_note(&s->s, "wrong checksum in a segment to server %u", local);
		return;
	}
	if ((p->flags & (CV_TCP_SYN | CV_TCP_ACK | CV_TCP_RST)) == CV_TCP_SYN) {
		server_syn(s, p, f, learn_mac(s, p->ip - s->s.l2));
		return;
	}
	if (f == NULL)
		f = server_accept(s, p, hash, local);
	if (f == NULL) {
		server_stray(s, p, learn_mac(s, p->ip - s->s.l2));
		return;
	}
	ev = cb_tcb_in(&f->t, &seg);
	if (!server_events(s, f, p, &seg, ev) || (f->t.flags & CB_T_TOUCHED) != 0)
		return;
	f->t.flags |= CB_T_TOUCHED;
	s->touched[s->n_touched++] = f;
}

struct parsed {
	uint32_t n;
	struct cb_pkt pkt[CB_BURST];
	uint32_t hash[CB_BURST];
	uint8_t local[CB_BURST];
};

static void parse(struct cb_server *s, struct rte_mbuf *m, struct parsed *to)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);
	struct cb_pkt *p = &to->pkt[to->n];
	int local;

	s->s.counts.rx_bytes += m->pkt_len;
	switch (cb_frame_parse(f, m->data_len, s->s.vlan, p)) {
	case CB_TCP:
		if (server_probe(s, p))
			return;
		local = find_local(s, p->e.dst, p->e.dport);
		if (local < 0)
			break;
		to->local[to->n] = (uint8_t)local;
		to->hash[to->n] = cb_table_hash(&s->table, p->e.src, p->e.sport, (uint8_t)local);
		cb_table_prefetch(&s->table, to->hash[to->n++]);
		return;
	case CB_ARP:
		server_arp(s, f, m->data_len);
		return;
	default:
		break;
	}
	s->s.counts.rx_other++;
}

void cb_server_rx(struct cb_server *server, struct rte_mbuf **pkts, uint16_t n)
{
	struct parsed parsed;
	uint32_t i;

	server->s.counts.rx_pkts += n;
	parsed.n = 0;
	for (i = 0; i < n; i++) {
		if (i + 4 < n)
			__builtin_prefetch(rte_pktmbuf_mtod(pkts[i + 4], const uint8_t *));
		parse(server, pkts[i], &parsed);
	}
	for (i = 0; i < parsed.n; i++)
		cb_table_prefetch_flow(&server->table, parsed.hash[i]);
	server->n_touched = 0;
	for (i = 0; i < parsed.n; i++)
		server_segment(server, &parsed.pkt[i], parsed.hash[i], parsed.local[i]);
	for (i = 0; i < server->n_touched; i++) {
		/* A flow may have gone, and its place been taken, within this burst. */
		if ((server->touched[i]->t.flags & CB_T_TOUCHED) != 0)
			server_after(server, server->touched[i]);
	}
}
