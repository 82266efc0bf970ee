/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * "Fragmentation needed" from the targets' side, told to the client as if its own packet had met it; if the
 * setting says so, for AWS drops it. @source RFC 792, 1191, 5508
 */

#include <rte_icmp.h>

#include "dp_vxlan.h"

#define DP_ICMP_LEN 8
/* Of the packet that did not fit: its IP header, its ports and sequence number. */
#define DP_QUOTE_LEN (DP_IP_LEN + 8)
#define DP_QUOTED_SEQ (DP_ICMP_LEN + DP_IP_LEN + 4)
#define DP_UNREACHABLE 3
#define DP_TOO_BIG 4
#define DP_TTL 64

/* The message, and the packet that it is about. */
struct dp_too_big {
	struct rte_ipv4_hdr *ip;
	uint8_t *icmp;
	struct rte_ipv4_hdr quoted;
	cv_be16_t ports[2]; /* of the quoted packet: node's, target's */
};

/* Returns false if it is no such message, whole and right, from somewhere behind the target. */
static bool dp_too_big_read(struct rte_mbuf *m, uint16_t ip_ofs, struct dp_too_big *ret)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, ip_ofs);
	uint16_t len = cv_be16_host(ip->total_length);

	ret->ip = ip;
	ret->icmp = (uint8_t *)(ip + 1);
	if (ip->next_proto_id != IPPROTO_ICMP || len > m->data_len - ip_ofs ||
	    len < DP_IP_LEN + DP_ICMP_LEN + DP_QUOTE_LEN || ret->icmp[0] != DP_UNREACHABLE ||
	    ret->icmp[1] != DP_TOO_BIG ||
	    cv_csum_fold(cv_csum_add(ret->icmp, len - DP_IP_LEN, 0)) != 0xffff)
		return false;
	memcpy(&ret->quoted, ret->icmp + DP_ICMP_LEN, DP_IP_LEN);
	memcpy(ret->ports, ret->icmp + DP_ICMP_LEN + DP_IP_LEN, sizeof(ret->ports));
	return ret->quoted.version_ihl == 0x45 && ret->quoted.next_proto_id == IPPROTO_TCP &&
	       ret->quoted.src_addr == ip->dst_addr;
}

/*
 * A segment that began with the PROXY header is to the client the one that begins with its own first byte.
 * Of a number that it never sent it would take no notice.
 */
static void dp_too_big_renumber(const struct dp_too_big *msg, const struct cv_tcp *tcp)
{
	rte_be32_t seq;

	memcpy(&seq, msg->icmp + DP_QUOTED_SEQ, sizeof(seq));
	if (tcp->isn1 - 1 - rte_be_to_cpu_32(seq) >= tcp->hdr_len)
		return;
	seq = rte_cpu_to_be_32(tcp->isn1);
	memcpy(msg->icmp + DP_QUOTED_SEQ, &seq, sizeof(seq));
}

/* Turns the message into one about the client's packet. */
static void dp_too_big_rewrite(const struct dp_too_big *msg, const struct cv_flow *flow)
{
	struct rte_ipv4_hdr *ip = msg->ip;
	struct rte_ipv4_hdr quoted = msg->quoted;
	const cv_be16_t ports[2] = {flow->client_port, flow->dialled_port};
	uint16_t csum;

	quoted.src_addr = flow->client_ip;
	quoted.dst_addr = flow->dialled_ip;
	quoted.hdr_checksum = 0;
	quoted.hdr_checksum = (uint16_t)~cv_csum_fold(cv_csum_add(&quoted, DP_IP_LEN, 0));
	memcpy(msg->icmp + DP_ICMP_LEN, &quoted, DP_IP_LEN);
	memcpy(msg->icmp + DP_ICMP_LEN + DP_IP_LEN, ports, sizeof(ports));
	dp_too_big_renumber(msg, &flow->tcp);
	memset(msg->icmp + 2, 0, 2);
	csum = (uint16_t)~cv_csum_fold(cv_csum_add(msg->icmp, DP_ICMP_LEN + DP_QUOTE_LEN, 0));
	memcpy(msg->icmp + 2, &csum, 2);
	ip->total_length = cv_be16(DP_IP_LEN + DP_ICMP_LEN + DP_QUOTE_LEN);
	ip->time_to_live = DP_TTL;
	ip->src_addr = flow->dialled_ip;
	ip->dst_addr = flow->client_ip;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, DP_IP_LEN, 0));
}

static void dp_too_big_send(struct cv_dp_worker *w, struct rte_mbuf *m,
			    const struct dp_too_big *msg, const struct cv_flow *flow)
{
	const struct cv_view_vpc *vpc = &w->view->spec.vpcs[flow->client_vpc];

	dp_too_big_rewrite(msg, flow);
	m->data_len = (uint16_t)((uint8_t *)msg->ip - rte_pktmbuf_mtod(m, uint8_t *) + DP_IP_LEN +
				 DP_ICMP_LEN + DP_QUOTE_LEN);
	m->pkt_len = m->data_len;
	dp_l2_put(m, msg->ip, vpc, cv_flow_load64(flow->client_mac), flow->dialled_ip,
		  dp_client_node(flow));
	dp_send(w, m, vpc->port);
}

bool dp_icmp_pass(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc, uint16_t ip_ofs)
{
	const struct cv_flow *flow;
	struct cv_snat_pool *pool;
	struct dp_too_big msg;
	uint32_t word;

	if (!w->view->spec.settings.icmp_too_big || !dp_too_big_read(m, ip_ofs, &msg))
		return false;
	pool = cv_view_pool_find(w->view, vpc, msg.quoted.src_addr, msg.quoted.dst_addr,
				 msg.ports[1]);
	word = pool != NULL ? cv_snat_owner(pool, cv_be16_host(msg.ports[0])) : CV_SNAT_NONE;
	if (word == CV_SNAT_NONE)
		return false;
	if (word >> 24 != w->id) {
		dp_handoff(w, m, word >> 24, 0);
		return true;
	}
	flow = &w->flows->flows[word & CV_FLOW_MAX];
	if (flow->node_ip != msg.quoted.src_addr || flow->target_ip != msg.quoted.dst_addr ||
	    flow->node_port != msg.ports[0] || flow->target_port != msg.ports[1] ||
	    flow->target_vpc != vpc || dp_is_killed(flow) ||
	    !w->view->spec.vpcs[flow->client_vpc].used)
		return false;
	dp_too_big_send(w, m, &msg, flow);
	return true;
}
