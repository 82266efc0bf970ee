/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Packets beside the TCP of flows: ARP, those of the kernel's sockets; and the VXLAN that any may come in.
 *
 * A frame from a tunnel stays in its buffer behind its outer headers, with the packet's IP header known,
 * until it is written anew: so a worker that it is handed to reads them again, and answers and flows know
 * where it came from. A frame into a tunnel is gathered for the port after the last one, with a ticket for
 * a destination MAC (cv_view_vxlan.h). At the flush it gets its outer headers and goes to its port. So
 * packets outside of tunnels never ask whether they are in one.
 *
 * @threads the worker
 */

#include "dp_priv.h"

/* ---- dp_vxlan.c ---- */

/**
 * Look into a UDP packet to one of our VTEPs. What its frame has behind it is cut. Its checksum may be
 * anything (RFC 7348 section 4.1): the packet inside has its own.
 *
 * @param      under    VPC slot of the underlay
 * @param      ip_ofs   where the outer IP header starts; without options, whole
 * @param[out] ret_vpc  VPC of the frame inside
 * @param[out] ret_ofs  where that starts; 14 bytes at least are there
 * @return why it is dropped, CV_DROP_NONE if it is not
 */
enum cv_drop dp_vxlan_open(const struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t under,
			   uint16_t ip_ofs, uint16_t *ret_vpc, uint16_t *ret_ofs);

/** Write into the outer headers that the packet ends with the buffer. @param ip_ofs as above */
void dp_vxlan_trim(struct rte_mbuf *m, uint16_t ip_ofs);

/** Send a frame, changed in place, back through the tunnel that it came from. @param ofs as above */
void dp_vxlan_back(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc, uint16_t ofs);

/** Send a frame to the station that a packet in VXLAN came from: its MACs and VTEP are in rec. */
void dp_vxlan_answer(struct cv_dp_worker *w, struct rte_mbuf *m, const struct cv_pkt_rec *rec);

/** Note in rec which station a packet in VXLAN came from. @param l2 the frame, in its buffer */
void dp_vxlan_note(const struct cv_dp_worker *w, const uint8_t *l2, struct cv_pkt_rec *rec);

/** The VTEP that a frame came from. @param l2 the frame, in its buffer */
cv_be32_t dp_vxlan_vtep(const uint8_t *l2);

/** Send a frame without a ticket, such as a broadcast, to a remote VTEP; unless its MAC is not known. */
void dp_vxlan_send(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc,
		   const struct cv_view_peer *peer);

/** Give what waits at the tunnel's mouth its outer headers, and gather it for the ports. */
void dp_vxlan_flush(struct cv_dp_worker *w);

/** Make the table of clients: as many may be known as there may be flows. @return NULL: no memory */
struct dp_clients *dp_clients_create(uint32_t n_flows);

/** Free it. NULL is fine. */
void dp_clients_destroy(struct dp_clients *clients);

/**
 * Remember where a flow's client is: its MAC, or a ticket for it. Undone by dp_client_forget().
 *
 * @param[out] mac  shape [6]
 */
void dp_client_note(struct cv_dp_worker *w, const struct dp_pkt *p, uint8_t *mac);

/**
 * Answer a flow's client where its packet came from: it has moved, or a router of the clients' has taken
 * over from another.
 *
 * @param p  the client's packet, as it came
 */
void dp_client_follow(struct cv_dp_worker *w, const struct dp_pkt *p, struct cv_flow *flow);

/** Give a ticket back; a MAC is none. @param mac as dp_client_note() left it */
void dp_client_forget(struct cv_dp_worker *w, const uint8_t *mac);

/** Read what stands for a client. @param[out] ret_mac shape [6] @return its VTEP, 0 if there is none */
cv_be32_t dp_client_get(const struct cv_dp_worker *w, const uint8_t *mac, uint8_t *ret_mac);

/** Tell whether a flow's client is remembered in the way that its VPC demands now. */
static inline bool dp_client_is_current(const struct cv_dp_worker *w, const struct cv_flow *flow)
{
	return cv_view_is_vxlan(w->view, flow->client_vpc) == ((flow->client_mac[0] & 1) != 0);
}

/** Where the frame of a packet starts: behind its outer headers, if it has any. */
static inline uint8_t *dp_l2(const struct cv_dp_worker *w, const struct dp_pkt *p)
{
	return (uint8_t *)p->ip - (w->view->spec.vpcs[p->vpc].vlan == 0 ? 14 : 18);
}

/* ---- dp_icmp.c ---- */

/** Pass "fragmentation needed" on to the client that it concerns. @return false if it is not taken */
bool dp_icmp_pass(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc, uint16_t ip_ofs);

/* ---- dp_arp.c ---- */

/** Handle an ARP frame. @param vpc it came from or CV_VIEW_NO_VPC @param arp_ofs where ARP starts */
void dp_arp_packet(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc, uint16_t arp_ofs);

/** Start to send an ARP request from one of our addresses; ip == sender announces it. None is on its way. */
void dp_arp_start(struct cv_dp_worker *w, uint16_t vpc, cv_be32_t sender, cv_be32_t ip);

/** A bounded piece of the ARP request that is on its way to peers, if there is one. */
void dp_arp_piece(struct cv_dp_worker *w);

/* ---- dp_host.c: packets of the kernel's sockets ---- */

/** Hand a TCP packet of no flow to the kernel if it is for a socket there. @return false if it is not */
bool dp_host_take(struct cv_dp_worker *w, const struct dp_pkt *p);

/**
 * The same of a packet that is not TCP.
 *
 * @param vpc     it came from
 * @param ip_ofs  where its IP header starts
 */
bool dp_host_take_other(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc, uint16_t ip_ofs);

/** Send what the kernel's sockets have sent. @return packets handled */
unsigned int dp_host_poll(struct cv_dp_worker *w);
