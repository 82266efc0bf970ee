/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packets between the network and the kernel's sockets on our addresses. Only what no flow and no listener
 * has is looked at, so connections through culvert do not pay for it.
 */

#include <rte_icmp.h>
#include <rte_udp.h>

#include "dp_vxlan.h"

/* Packets of the kernel per turn at most. */
#define DP_HOST_PER_TURN 32
/* Room that is kept for answers to health checks: a flood of queries must not make targets unhealthy. */
#define DP_HOST_SPARE (DP_HOST_RING / 2)
/* What an ICMP error must quote: a header without options, and both ports. */
#define DP_QUOTE_LEN (DP_IP_LEN + 8)

static const struct cv_view_host *dp_host_find(const struct cv_view *view, uint16_t vpc)
{
	const struct cv_view_spec *spec = &view->spec;

	return vpc < spec->n_hosts && spec->hosts[vpc].on ? &spec->hosts[vpc] : NULL;
}

static bool dp_is_service(const struct cv_view *view, const struct cv_view_host *host, cv_be32_t ip,
			  uint8_t proto, cv_be16_t port)
{
	for (uint32_t i = 0; i < host->n_services; i++) {
		const struct cv_view_service *s = &view->spec.services[host->service_first + i];

		if (s->ip == ip && s->port == port && s->proto == proto)
			return true;
	}
	return false;
}

/* Tells whether a socket may have dialled from there: SNAT and listeners have other ports. */
static bool dp_is_host_port(const struct cv_view *view, uint16_t vpc, cv_be32_t ip, cv_be16_t port)
{
	const struct cv_view_settings *set = &view->spec.settings;
	uint16_t n = cv_be16_host(port);
	const struct cv_view_local *local;

	if (n < set->host_port_first || n > set->host_port_last)
		return false;
	local = cv_view_local_find(view, vpc, ip);
	return local != NULL && local->kind == CV_VIEW_NODE &&
	       cv_view_listener_find(view, view->spec.nodes[local->node].lb, n) == CV_VIEW_NONE;
}

/* Where a packet's frame starts. */
static const uint8_t *dp_host_l2(const struct cv_dp_worker *w, const struct rte_ipv4_hdr *ip,
				 uint16_t vpc)
{
	return (const uint8_t *)ip - (w->view->spec.vpcs[vpc].vlan == 0 ? 14 : 18);
}

/* Takes the packet, unless less room than this is left. The copy leaves the buffer to the workers. */
static void dp_host_pass(struct cv_dp_worker *w, struct rte_mbuf *m, const struct rte_ipv4_hdr *ip,
			 uint16_t vpc, uint32_t left)
{
	const uint16_t len = cv_be16_host(ip->total_length);
	const uint8_t *l2 = dp_host_l2(w, ip, vpc);
	struct cv_pkt_rec rec = {.ip = ip, .len = len, .vpc = vpc};
	bool put;

	memcpy(&rec.mac, l2 + 6, 6);
	if (cv_view_is_vxlan(w->view, vpc))
		dp_vxlan_note(w, l2, &rec);
	put = cv_pkt_ring_put_below(w->host_up, &rec, left);
	dp_drop(w, m, put ? CV_DROP_HOST_TAKEN : CV_DROP_HOST_FULL);
}

bool dp_host_take(struct cv_dp_worker *w, const struct dp_pkt *p)
{
	const struct cv_view_host *host = dp_host_find(w->view, p->vpc);
	const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
	const uint8_t flags = tcp->tcp_flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG);
	cv_be32_t ip = p->ip->dst_addr;

	if (host == NULL)
		return false;
	if (dp_is_service(w->view, host, ip, IPPROTO_TCP, tcp->dst_port)) {
		dp_host_pass(w, p->m, p->ip, p->vpc, DP_HOST_SPARE);
		return true;
	}
	/* A SYN is nobody's answer: to the kernel's own ports culvert stays as silent as to any other. */
	if (flags == RTE_TCP_SYN_FLAG || !dp_is_host_port(w->view, p->vpc, ip, tcp->dst_port))
		return false;
	/* Anybody may send such segments: those from a target's place have a part for themselves. */
	dp_host_pass(w, p->m, p->ip, p->vpc, p->side == DP_TARGET ? 0 : DP_HOST_SPARE / 2);
	return true;
}

/* Destination unreachable, time exceeded, parameter problem. @source RFC 792 */
static bool dp_is_error(uint8_t type)
{
	return type == 3 || type == 11 || type == 12;
}

/* An ICMP error about a packet that one of the kernel's sockets has sent. */
static bool dp_is_host_error(const struct cv_view *view, const struct cv_view_host *host,
			     uint16_t vpc, const struct rte_ipv4_hdr *ip, uint16_t len)
{
	const uint8_t *icmp = (const uint8_t *)(ip + 1);
	struct rte_ipv4_hdr quoted;
	cv_be16_t port;

	if (len < DP_IP_LEN + sizeof(struct rte_icmp_hdr) + DP_QUOTE_LEN || !dp_is_error(icmp[0]))
		return false;
	memcpy(&quoted, icmp + sizeof(struct rte_icmp_hdr), sizeof(quoted));
	memcpy(&port, icmp + sizeof(struct rte_icmp_hdr) + DP_IP_LEN, sizeof(port));
	if (quoted.version_ihl != 0x45 || quoted.src_addr != ip->dst_addr)
		return false;
	return dp_is_service(view, host, quoted.src_addr, quoted.next_proto_id, port) ||
	       (quoted.next_proto_id == IPPROTO_TCP &&
		dp_is_host_port(view, vpc, quoted.src_addr, port));
}

bool dp_host_take_other(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc, uint16_t ip_ofs)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, ip_ofs);
	uint16_t len = cv_be16_host(ip->total_length);
	const struct cv_view_host *host = dp_host_find(w->view, vpc);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(const void *)(ip + 1);
	bool taken;

	if (host == NULL || len < DP_IP_LEN + sizeof(*udp) || len > m->data_len - ip_ofs)
		return false;
	if (ip->next_proto_id == IPPROTO_ICMP)
		taken = dp_is_host_error(w->view, host, vpc, ip, len);
	else
		taken = ip->next_proto_id == IPPROTO_UDP &&
			dp_is_service(w->view, host, ip->dst_addr, IPPROTO_UDP, udp->dst_port);
	if (taken && dp_is_bad_source(ip->src_addr, dp_host_l2(w, ip, vpc)))
		dp_drop(w, m, CV_DROP_SOURCE);
	else if (taken)
		dp_host_pass(w, m, ip, vpc, DP_HOST_SPARE);
	return taken;
}

/* Puts a packet of the kernel into a frame for the VPC. */
static enum cv_drop dp_host_frame(const struct cv_dp_worker *w, struct rte_mbuf *m,
				  const struct cv_pkt_rec *rec)
{
	const struct cv_view_spec *spec = &w->view->spec;
	const uint16_t l2_len = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
	const struct cv_view_local *local;
	struct rte_ipv4_hdr *ip;
	cv_be32_t src;

	if (rec->len < DP_IP_LEN || dp_host_find(w->view, rec->vpc) == NULL ||
	    !spec->vpcs[rec->vpc].used)
		return CV_DROP_HOST_SOURCE;
	memcpy(&src, (const uint8_t *)rec->ip + offsetof(struct rte_ipv4_hdr, src_addr),
	       sizeof(src));
	local = cv_view_local_find(w->view, rec->vpc, src);
	if (local == NULL || local->kind == CV_VIEW_ENI)
		return CV_DROP_HOST_SOURCE;
	/* Where it goes was found out before the VPC moved into VXLAN, or out of it. */
	if (cv_view_is_vxlan(w->view, rec->vpc) != (rec->vtep != 0 || (rec->mac & 1) != 0))
		return CV_DROP_NEIGHBOUR;
	if (rec->len > spec->vpcs[rec->vpc].mtu || l2_len + rec->len > rte_pktmbuf_tailroom(m))
		return CV_DROP_TOO_BIG;
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, l2_len);
	memcpy(ip, rec->ip, rec->len);
	m->data_len = (uint16_t)(l2_len + rec->len);
	m->pkt_len = m->data_len;
	dp_l2_put(m, ip, &spec->vpcs[rec->vpc], rec->mac, src,
		  local->kind == CV_VIEW_NODE ? CV_MAC_NODE : 0);
	return CV_DROP_NONE;
}

unsigned int dp_host_poll(struct cv_dp_worker *w)
{
	struct cv_pkt_rec rec;
	unsigned int n;

	for (n = 0; n < DP_HOST_PER_TURN && cv_pkt_ring_peek(w->host_down, &rec); n++) {
		struct rte_mbuf *m = dp_made_alloc(w);
		enum cv_drop reason = m != NULL ? dp_host_frame(w, m, &rec) : CV_DROP_NO_MBUF;

		if (reason == CV_DROP_NONE && rec.vtep != 0)
			dp_vxlan_answer(w, m, &rec);
		else if (reason == CV_DROP_NONE)
			dp_send(w, m, w->view->spec.vpcs[rec.vpc].port);
		else if (m != NULL)
			dp_drop(w, m, reason);
		cv_pkt_ring_pop(w->host_down);
	}
	return n;
}
