/* SPDX-License-Identifier: BSD-3-Clause */

/* Packets that a worker makes: resets, and segments that carry the PROXY header alone. */

#include "dp_path.h"
#include "dp_vxlan.h"

/* TTL of packets that start here. */
#define DP_TTL 64
/* Kinds of options, RFC 9293 and RFC 7323. */
#define DP_OPT_NOP 1
#define DP_OPT_TS 8
/* Bytes of options NOP NOP TIMESTAMPS. */
#define DP_TS_LEN 12

struct rte_mbuf *dp_made_alloc(struct cv_dp_worker *w)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->mbufs);

	dp_event(w, CV_EV_GEN_PKTS);
	if (m == NULL)
		cv_ctr_add(&w->stats->drop[CV_DROP_NO_MBUF], 1);
	return m;
}

static void dp_ip_fill(struct rte_ipv4_hdr *ip, uint16_t len, cv_be32_t src, cv_be32_t dst)
{
	memset(ip, 0, sizeof(*ip));
	ip->version_ihl = 0x45;
	ip->total_length = cv_be16(len);
	ip->fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG);
	ip->time_to_live = DP_TTL;
	ip->next_proto_id = IPPROTO_TCP;
	ip->src_addr = src;
	ip->dst_addr = dst;
	ip->hdr_checksum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, sizeof(*ip), 0));
}

/* Checksums TCP header and payload that follow an IP header. */
static void dp_tcp_csum_fill(const struct rte_ipv4_hdr *ip, struct rte_tcp_hdr *tcp, uint16_t len)
{
	uint64_t sum = cv_csum_add(&ip->src_addr, 8, 0);

	tcp->cksum = 0;
	sum += cv_be16(IPPROTO_TCP);
	sum += cv_be16(len);
	tcp->cksum = (uint16_t)~cv_csum_fold(cv_csum_add(tcp, len, sum));
}

void dp_rst_reply(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t path, enum cv_drop reason)
{
	uint8_t *l2 = dp_l2(w, p);
	struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
	struct rte_tcp_hdr old = *tcp;
	uint32_t len = p->len - DP_IP_LEN - dp_tcp_len(tcp);
	uint16_t ofs = (uint16_t)(l2 - rte_pktmbuf_mtod(p->m, uint8_t *));
	uint8_t mac[6];

	cv_ctr_add(&w->stats->drop[reason], 1);
	if (w->capture != NULL)
		dp_capture_dropped(w, p->m, reason);
	dp_event(w, CV_EV_ELB_RST);
	dp_event(w, CV_EV_GEN_PKTS);
	dp_path_event(w, path, CV_PATH_ELB_RST);
	memset(tcp, 0, sizeof(*tcp));
	tcp->src_port = old.dst_port;
	tcp->dst_port = old.src_port;
	tcp->data_off = (DP_TCP_LEN / 4) << 4;
	/* RFC 9293 section 3.5.2, group 1 */
	if ((old.tcp_flags & RTE_TCP_ACK_FLAG) != 0) {
		tcp->sent_seq = old.recv_ack;
		tcp->tcp_flags = RTE_TCP_RST_FLAG;
	} else {
		len += (old.tcp_flags & RTE_TCP_SYN_FLAG) != 0;
		len += (old.tcp_flags & RTE_TCP_FIN_FLAG) != 0;
		tcp->recv_ack = rte_cpu_to_be_32(rte_be_to_cpu_32(old.sent_seq) + len);
		tcp->tcp_flags = RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG;
	}
	dp_ip_fill(p->ip, DP_IP_LEN + DP_TCP_LEN, p->ip->dst_addr, p->ip->src_addr);
	dp_tcp_csum_fill(p->ip, tcp, DP_TCP_LEN);
	memcpy(mac, l2, 6);
	memcpy(l2, l2 + 6, 6);
	memcpy(l2 + 6, mac, 6);
	p->m->data_len = (uint16_t)(ofs + ((uint8_t *)tcp - l2) + DP_TCP_LEN);
	p->m->pkt_len = p->m->data_len;
	if (ofs > 0)
		dp_vxlan_back(w, p->m, p->vpc, ofs);
	else
		dp_send(w, p->m, p->m->port);
}

uint32_t dp_header_put(const struct cv_dp_worker *w, const struct cv_flow *flow, uint8_t *buf)
{
	const struct cv_ppv2_tuple tuple = {
		.src_ip = flow->client_ip,
		.dst_ip = flow->dialled_ip,
		.src_port = flow->client_port,
		.dst_port = flow->dialled_port,
	};

	return cv_ppv2_aws_finish(buf, w->view->spec.endpoints[dp_endpoint(w, flow)].ppv2, &tuple);
}

static void dp_ts_put(uint8_t *opts, uint32_t val, uint32_t ecr)
{
	rte_be32_t words[2] = {rte_cpu_to_be_32(val), rte_cpu_to_be_32(ecr)};

	opts[0] = DP_OPT_NOP;
	opts[1] = DP_OPT_NOP;
	opts[2] = DP_OPT_TS;
	opts[3] = 10;
	memcpy(opts + 4, words, sizeof(words));
}

bool dp_header_send(struct cv_dp_worker *w, const struct cv_flow *flow,
		    const struct cv_tcp_built *seg)
{
	const struct cv_view_vpc *vpc = &w->view->spec.vpcs[flow->target_vpc];
	uint64_t neigh = dp_neigh(w, flow->neigh);
	uint16_t tcp_len = (uint16_t)(DP_TCP_LEN + (seg->has_ts ? DP_TS_LEN : 0));
	uint16_t ip_len = (uint16_t)(DP_IP_LEN + tcp_len + CV_PPV2_AWS_LEN);
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;
	struct rte_mbuf *m;

	/* A VPC that went with the last view leads nowhere; the recheck is about to end the flow. */
	if ((neigh & CV_NEIGH_KNOWN) == 0 || !vpc->used)
		return false;
	m = dp_made_alloc(w);
	if (m == NULL)
		return false;
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN);
	tcp = (struct rte_tcp_hdr *)(void *)((uint8_t *)ip + DP_IP_LEN);
	dp_ip_fill(ip, ip_len, flow->node_ip, flow->target_ip);
	memset(tcp, 0, sizeof(*tcp));
	tcp->src_port = flow->node_port;
	tcp->dst_port = flow->target_port;
	tcp->sent_seq = rte_cpu_to_be_32(seg->seq);
	tcp->recv_ack = rte_cpu_to_be_32(seg->ack);
	tcp->data_off = (uint8_t)((tcp_len / 4) << 4);
	tcp->tcp_flags = seg->flags;
	tcp->rx_win = cv_be16(seg->wnd);
	if (seg->has_ts)
		dp_ts_put((uint8_t *)tcp + DP_TCP_LEN, seg->ts_val, seg->ts_ecr);
	(void)dp_header_put(w, flow, (uint8_t *)tcp + tcp_len);
	dp_tcp_csum_fill(ip, tcp, (uint16_t)(tcp_len + CV_PPV2_AWS_LEN));
	m->data_len = (uint16_t)(RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + ip_len);
	m->pkt_len = m->data_len;
	dp_l2_put(m, ip, vpc, neigh, flow->node_ip, CV_MAC_NODE);
	dp_send(w, m, vpc->port);
	return true;
}

/* Where a bare segment goes, and as whom. */
struct dp_way {
	const struct cv_view_vpc *vpc;
	uint64_t mac;
	cv_be32_t src, dst;
	cv_be16_t src_port, dst_port;
	uint16_t node;
};

/* Returns false where there is no way any more. */
static bool dp_way_get(const struct cv_dp_worker *w, const struct cv_flow *flow, int to,
		       struct dp_way *ret_way)
{
	const struct cv_view_vpc *vpcs = w->view->spec.vpcs;

	if (to == DP_CLIENT) {
		*ret_way = (struct dp_way){
			.vpc = &vpcs[flow->client_vpc],
			.mac = cv_flow_load64(flow->client_mac),
			.src = flow->dialled_ip,
			.dst = flow->client_ip,
			.src_port = flow->dialled_port,
			.dst_port = flow->client_port,
			.node = dp_client_node(flow),
		};
		return ret_way->vpc->used;
	}
	*ret_way = (struct dp_way){
		.vpc = &vpcs[flow->target_vpc],
		.mac = dp_neigh(w, flow->neigh),
		.src = flow->node_ip,
		.dst = flow->target_ip,
		.src_port = flow->node_port,
		.dst_port = flow->target_port,
		.node = CV_MAC_NODE,
	};
	return ret_way->vpc->used && (ret_way->mac & CV_NEIGH_KNOWN) != 0;
}

void dp_bare_send(struct cv_dp_worker *w, const struct cv_flow *flow, int to,
		  const struct dp_bare *seg)
{
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;
	struct rte_mbuf *m;
	struct dp_way way;

	if (!dp_way_get(w, flow, to, &way))
		return;
	m = dp_made_alloc(w);
	if (m == NULL)
		return;
	ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN);
	tcp = (struct rte_tcp_hdr *)(void *)((uint8_t *)ip + DP_IP_LEN);
	dp_ip_fill(ip, DP_IP_LEN + DP_TCP_LEN, way.src, way.dst);
	memset(tcp, 0, sizeof(*tcp));
	tcp->src_port = way.src_port;
	tcp->dst_port = way.dst_port;
	tcp->sent_seq = rte_cpu_to_be_32(seg->seq);
	tcp->recv_ack = rte_cpu_to_be_32(seg->ack);
	tcp->data_off = (DP_TCP_LEN / 4) << 4;
	tcp->tcp_flags = seg->flags;
	if ((seg->flags & CV_TCP_RST) != 0) {
		dp_event(w, CV_EV_ELB_RST);
		dp_path_event(w, flow->path, CV_PATH_ELB_RST);
	}
	dp_tcp_csum_fill(ip, tcp, DP_TCP_LEN);
	m->data_len = (uint16_t)(RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + DP_IP_LEN + DP_TCP_LEN);
	m->pkt_len = m->data_len;
	dp_l2_put(m, ip, way.vpc, way.mac, way.src, way.node);
	dp_send(w, m, way.vpc->port);
}
