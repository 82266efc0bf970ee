/* SPDX-License-Identifier: BSD-3-Clause */

/* ARP: answer for our addresses, learn neighbours, ask and announce for control. @source RFC 826, 5227 */

#include <rte_arp.h>

#include "dp_vxlan.h"

/* Peers that an ARP request is sent to in a turn: the ports have packets of flows to send, too. */
#define DP_ARP_PIECE 32u

static bool dp_arp_is_valid(const struct rte_arp_hdr *arp)
{
	return arp->arp_hardware == RTE_BE16(RTE_ARP_HRD_ETHER) &&
	       arp->arp_protocol == DP_TYPE_IPV4 && arp->arp_hlen == RTE_ETHER_ADDR_LEN &&
	       arp->arp_plen == 4 &&
	       (arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST) ||
		arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REPLY));
}

/*
 * What is neither a question nor an answer to us fills half of the ring at most: of a flood, too. So answers
 * find room.
 *
 * @param vtep that it came by, 0: by none
 * @param to_us it is for one of our addresses
 */
static bool dp_neigh_tell(struct cv_dp_worker *w, uint16_t vpc, const struct rte_arp_ipv4 *data,
			  cv_be32_t vtep, bool to_us)
{
	struct cv_dp_neigh_event event = {.ip = data->arp_sip, .vtep = vtep, .vpc = vpc};

	if (!to_us && rte_ring_free_count(w->events) < DP_EVENT_RING / 2)
		return false;
	memcpy(event.mac, &data->arp_sha, 6);
	return rte_ring_sp_enqueue_elem(w->events, &event, sizeof(event)) == 0;
}

static uint16_t dp_mac_prefix(const struct cv_view_vpc *vpc, const struct cv_view_local *local)
{
	return (uint16_t)(vpc->mac_prefix | (local->kind == CV_VIEW_NODE ? CV_MAC_NODE : 0));
}

/* Turns a request for one of our addresses into the answer. @param l2 the frame */
static void dp_arp_reply(struct cv_dp_worker *w, uint8_t *l2, struct rte_arp_hdr *arp,
			 uint16_t prefix)
{
	struct rte_arp_ipv4 *data = &arp->arp_data;
	cv_be32_t ours = data->arp_tip;

	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	data->arp_tha = data->arp_sha;
	data->arp_tip = data->arp_sip;
	cv_mac_of_ip(prefix, ours, data->arp_sha.addr_bytes);
	data->arp_sip = ours;
	memcpy(l2, &data->arp_tha, 6);
	memcpy(l2 + 6, &data->arp_sha, 6);
	dp_event(w, CV_EV_ARP_REPLIED);
	dp_event(w, CV_EV_GEN_PKTS);
}

void dp_arp_packet(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc, uint16_t arp_ofs)
{
	struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, arp_ofs);
	bool tunnelled = cv_view_is_vxlan(w->view, vpc);
	uint8_t *l2 = rte_pktmbuf_mtod_offset(m, uint8_t *, tunnelled ? arp_ofs - 14 : 0);
	const struct cv_view_local *local;
	enum cv_drop reason = CV_DROP_ARP_CONSUMED;
	struct rte_arp_ipv4 *data;

	if (vpc == CV_VIEW_NO_VPC) {
		dp_drop(w, m, CV_DROP_NO_VPC);
		return;
	}
	if (m->data_len < arp_ofs + sizeof(*arp) || !dp_arp_is_valid(arp) ||
	    !rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha)) {
		dp_drop(w, m, CV_DROP_ARP_INVALID);
		return;
	}
	data = &arp->arp_data;
	local = cv_view_local_find(w->view, vpc, data->arp_tip);
	/* A probe (RFC 5227) has no sender; one with our own address is a conflict, never learned. */
	if (w->view->spec.vpcs[vpc].has_neighs && data->arp_sip != 0 &&
	    cv_view_local_find(w->view, vpc, data->arp_sip) == NULL &&
	    !dp_neigh_tell(w, vpc, data, tunnelled ? dp_vxlan_vtep(l2) : 0, local != NULL))
		reason = CV_DROP_PUNT_FULL;
	if (local != NULL && arp->arp_opcode == RTE_BE16(RTE_ARP_OP_REQUEST)) {
		cv_ctr_add(&w->stats->drop[reason], 1);
		dp_arp_reply(w, l2, arp, dp_mac_prefix(&w->view->spec.vpcs[vpc], local));
		if (tunnelled)
			dp_vxlan_back(w, m, vpc, (uint16_t)(arp_ofs - 14));
		else
			dp_send(w, m, m->port);
		return;
	}
	dp_drop(w, m, reason);
}

/* A frame that asks for ip; NULL if there is no buffer. */
static struct rte_mbuf *dp_arp_make(struct cv_dp_worker *w, const struct cv_view_vpc *vpc,
				    const struct cv_view_local *sender, cv_be32_t ip)
{
	uint16_t type = DP_TYPE_ARP, l2_len = vpc->vlan == 0 ? 14 : 18;
	struct rte_mbuf *m = dp_made_alloc(w);
	struct rte_arp_hdr *arp;
	uint8_t *l2;

	if (m == NULL)
		return NULL;
	l2 = (uint8_t *)rte_pktmbuf_append(m, RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN);
	cv_assert(l2 != NULL); /* every pool's buffers hold more than the shortest frame */
	memset(l2, 0, RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN);
	memset(l2, 0xff, 6);
	cv_mac_of_ip(dp_mac_prefix(vpc, sender), sender->ip, l2 + 6);
	if (vpc->vlan != 0) {
		uint16_t tag[2] = {DP_TYPE_VLAN, cv_be16(vpc->vlan)};

		memcpy(l2 + 12, tag, 4);
	}
	memcpy(l2 + l2_len - 2, &type, 2);
	arp = (struct rte_arp_hdr *)(void *)(l2 + l2_len);
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = DP_TYPE_IPV4;
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = 4;
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST);
	memcpy(&arp->arp_data.arp_sha, l2 + 6, 6);
	arp->arp_data.arp_sip = sender->ip;
	arp->arp_data.arp_tip = ip;
	return m;
}

void dp_arp_start(struct cv_dp_worker *w, uint16_t vpc_slot, cv_be32_t sender, cv_be32_t ip)
{
	const struct cv_view_local *local = cv_view_local_find(w->view, vpc_slot, sender);
	const struct cv_view_vpc *vpc;
	struct rte_mbuf *m;

	/*
	 * The view that control had in mind is not this worker's: older, and the address is gone, or newer,
	 * and even the VPC's slot may be beyond this view's. Control will ask again.
	 */
	if (local == NULL)
		return;
	vpc = &w->view->spec.vpcs[vpc_slot];
	if (cv_view_is_vxlan(w->view, vpc_slot)) {
		w->arp = (struct dp_arp_walk){true, vpc_slot, sender, ip, 0};
		return;
	}
	m = dp_arp_make(w, vpc, local, ip);
	if (m != NULL)
		dp_send(w, m, vpc->port);
}

void dp_arp_piece(struct cv_dp_worker *w)
{
	const struct cv_view_spec *spec = &w->view->spec;
	const struct dp_arp_walk arp = w->arp;
	const struct cv_view_local *local;
	const struct cv_view_vxlan *vxlan;
	uint32_t end;

	if (!arp.on)
		return;
	/* The view may be another than when it started. */
	w->arp.on = false;
	local = cv_view_local_find(w->view, arp.vpc, arp.sender);
	if (local == NULL || !cv_view_is_vxlan(w->view, arp.vpc))
		return;
	/* RFC 7348 has multicast for it; here the other VTEPs are known. */
	vxlan = &spec->tunnels.vxlans[arp.vpc];
	end = RTE_MIN(arp.next + DP_ARP_PIECE, vxlan->n_peers);
	for (uint32_t i = arp.next; i < end; i++) {
		struct rte_mbuf *m = dp_arp_make(w, &spec->vpcs[arp.vpc], local, arp.ip);

		if (m != NULL)
			dp_vxlan_send(w, m, arp.vpc, &spec->tunnels.peers[vxlan->peer_first + i]);
	}
	w->arp.on = end < vxlan->n_peers;
	w->arp.next = end;
}
