/* SPDX-License-Identifier: BSD-3-Clause */

#include "side.h"

#include <stdarg.h>
#include <stdio.h>

void cb_side_init(struct cb_side *side, const struct cb_world *world, struct cv_io *io,
		  uint16_t port, enum cb_role role)
{
	const struct cb_opts *o = world->opts;
	struct cv_io_port_info info;

	cv_io_port_info(io, port, &info);
	memset(side, 0, sizeof(*side));
	side->world = world;
	side->io = io;
	side->mbufs = cv_io_mbufs(io);
	side->port = port;
	side->role = (uint8_t)role;
	side->vlan = (uint16_t)o->vlan[role];
	side->l2 = cb_l2_len(side->vlan);
	side->mss = world->script.mss;
	side->rng = cb_mix(world->plan.key + role + 1) | 1;
	memcpy(side->mac, o->mac[role].set ? o->mac[role].addr : info.mac, 6);
}

bool cb_side_refill(struct cb_side *side)
{
	/* In the pool they are whole but for these fields: the second cache line stays untouched. */
	if (rte_mempool_get_bulk(side->mbufs, (void **)side->stash, CB_BURST) != 0) {
		side->counts.no_mbuf++;
		return false;
	}
	for (uint32_t i = 0; i < CB_BURST; i++) {
		side->stash[i]->data_off = RTE_PKTMBUF_HEADROOM;
		side->stash[i]->ol_flags = 0;
	}
	side->n_stash = CB_BURST;
	return true;
}

void cb_side_flush(struct cb_side *side)
{
	uint16_t sent;

	if (side->n_out == 0)
		return;
	sent = cv_io_tx_burst(side->io, side->worker, side->port, side->out, (uint16_t)side->n_out);
	side->counts.tx_pkts += sent;
	side->n_out -= sent;
	if (side->n_out == 0)
		return;
	memmove(side->out, side->out + sent, side->n_out * sizeof(side->out[0]));
	if (side->n_out <= CB_OUT_LEN - CB_BURST)
		return;
	/* Only answers come here: what is begun by us stops earlier. */
	for (uint32_t i = CB_OUT_SOFT; i < side->n_out; i++)
		side->counts.tx_bytes -= side->out[i]->pkt_len;
	rte_pktmbuf_free_bulk(&side->out[CB_OUT_SOFT], side->n_out - CB_OUT_SOFT);
	side->counts.tx_full += side->n_out - CB_OUT_SOFT;
	side->n_out = CB_OUT_SOFT;
}

void cb_side_fini(struct cb_side *side)
{
	rte_pktmbuf_free_bulk(side->out, side->n_out);
	rte_pktmbuf_free_bulk(side->stash, side->n_stash);
	side->n_out = side->n_stash = 0;
}

void cb_side_send_bare(struct cb_side *side, const struct cb_tmpl *tmpl, const struct cb_ends *ends,
		       const struct cb_hdr *hdr)
{
	struct rte_mbuf *m = cb_side_alloc(side);

	if (m != NULL)
		cb_side_send(
			side, m,
			cb_frame_put(rte_pktmbuf_mtod(m, uint8_t *), tmpl, side->l2, ends, hdr));
}

void cb_side_send_data(struct cb_side *side, const struct cb_tmpl *tmpl, const struct cb_ends *ends,
		       const struct cb_hdr *hdr, const uint8_t *data)
{
	struct rte_mbuf *m = cb_side_alloc(side);
	uint8_t *f;
	uint32_t len;

	if (m == NULL)
		return;
	f = rte_pktmbuf_mtod(m, uint8_t *);
	len = cb_frame_put(f, tmpl, side->l2, ends, hdr);
	memcpy(f + len, data, hdr->len);
	cb_side_send(side, m, len + hdr->len);
}

static void send_arp(struct cb_side *side, const uint8_t *to, cv_be32_t sender, cv_be32_t target)
{
	struct rte_mbuf *m = cb_side_alloc(side);

	if (m == NULL)
		return;
	cb_arp_write(rte_pktmbuf_mtod(m, uint8_t *), side->vlan, side->mac, to, sender, target);
	cb_side_send(side, m, cb_arp_len(side->vlan));
}

void cb_side_arp_answer(struct cb_side *side, const struct cb_arp *arp)
{
	send_arp(side, arp->mac, arp->target, arp->sender);
}

void cb_side_arp_ask(struct cb_side *side, cv_be32_t sender, cv_be32_t target)
{
	send_arp(side, NULL, sender, target);
}

void cb_side_note(struct cb_side *side, const char *fmt, ...)
{
	va_list ap;

	if (side->n_notes >= CB_NOTES_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(side->notes[side->n_notes], CB_NOTE_LEN, fmt, ap);
	va_end(ap);
	side->n_notes++;
}

void cb_side_learn_mss(struct cb_side *side, const struct cb_pkt *pkt)
{
	struct cv_tcp_opts opts;
	uint16_t mss = CV_TCP_MSS_DEFAULT;

	if (cv_tcp_opts_parse(pkt->data - pkt->thl + 20, pkt->thl - 20u, &opts) == 0 &&
	    opts.mss != 0)
		mss = opts.mss;
	if (mss < side->mss && mss >= 64)
		side->mss = mss;
}
