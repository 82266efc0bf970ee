/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The burst pipeline. Three stages, each over the whole burst, so that the loads that one stage
 * starts have arrived when the next one needs them:
 *
 *   parse    headers -> VPC, side, hash; starts the load of the bucket or of the port's owner word
 *   look up  -> likely flow; starts the load of its entry; hands packets of other workers over
 *   forward  compare, rewrite by precomputed differences, gather for the port
 *
 * A frame's destination MAC says whether it is for an endpoint ENI or an NLB node, and the rest of the
 * MAC must be the destination address: so nothing is looked up to learn the side.
 */

#include "dp_priv.h"

/* One's-complement difference of lowering the TTL by one: TTL is the low byte of its word in memory. */
#define DP_TTL_DIFF 0xfffeu

/* Reads a header that may lie in another cache line later than the mbuf itself. */
#define DP_PREFETCH_AHEAD 4

/* One buffer, which nobody else reads: its bytes may be rewritten. Both counts are at least 1. */
static inline bool dp_is_ours_alone(const struct rte_mbuf *m)
{
	return (m->nb_segs | rte_mbuf_refcnt_read(m)) == 1;
}

static inline bool dp_ip_is_plain(const struct rte_ipv4_hdr *ip)
{
	return ip->version_ihl == 0x45 && ip->next_proto_id == IPPROTO_TCP &&
	       (ip->fragment_offset & RTE_BE16(0x3fff)) == 0;
}

static inline bool dp_ip_csum_ok(const struct rte_ipv4_hdr *ip)
{
	uint32_t word[5];
	uint64_t sum;

	memcpy(word, ip, sizeof(word));
	sum = (uint64_t)word[0] + word[1] + word[2] + word[3] + word[4];
	return cv_csum_fold(sum) == 0xffff;
}

/* Says why an IP packet is not a TCP packet that we forward. */
static __attribute__((noinline)) enum cv_drop dp_ip_reason(const struct rte_ipv4_hdr *ip)
{
	if (ip->version_ihl != 0x45) {
		bool options = ip->version_ihl > 0x45 && ip->version_ihl <= 0x4f;

		return options ? CV_DROP_IP_OPTIONS : CV_DROP_IP_HEADER;
	}
	if ((ip->fragment_offset & RTE_BE16(0x3fff)) != 0)
		return CV_DROP_FRAGMENT;
	return ip->next_proto_id == IPPROTO_ICMP ? CV_DROP_ICMP : CV_DROP_PROTOCOL;
}

/* Fills *p, or returns why not. */
static inline enum cv_drop dp_parse_ip(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vlan,
				       uint16_t l2_len, struct dp_pkt *p)
{
	const struct cv_view *view = w->view;
	const uint8_t *mac = rte_pktmbuf_mtod(m, const uint8_t *);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, l2_len);
	uint16_t vpc = cv_view_vpc_find(view, m->port, vlan);
	uint16_t prefix, tcp_len, len;
	cv_be32_t mac_ip;

	/* First: of a frame this short not even the VLAN tag and the type need be its own. */
	if (m->data_len < l2_len + DP_IP_LEN)
		return CV_DROP_RUNT;
	if (vpc == CV_VIEW_NO_VPC)
		return CV_DROP_NO_VPC;
	memcpy(&prefix, mac, 2);
	memcpy(&mac_ip, mac + 2, 4);
	prefix ^= view->spec.vpcs[vpc].mac_prefix;
	if ((prefix & (uint16_t)~CV_MAC_NODE) != 0 || mac_ip != ip->dst_addr)
		return CV_DROP_NOT_FOR_US;
	if (!dp_ip_is_plain(ip))
		return dp_ip_reason(ip);
	len = cv_be16_host(ip->total_length);
	if (len < DP_IP_LEN + DP_TCP_LEN || len > m->data_len - l2_len)
		return CV_DROP_RUNT;
	if (!dp_ip_csum_ok(ip))
		return CV_DROP_IP_HEADER;
	p->m = m;
	p->ip = ip;
	p->vpc = vpc;
	p->len = len;
	p->is_node = prefix != 0;
	tcp_len = dp_tcp_len(dp_tcp_hdr(p));
	if (tcp_len < DP_TCP_LEN || DP_IP_LEN + tcp_len > len)
		return CV_DROP_TCP_HEADER;
	return CV_DROP_NONE;
}

static inline void dp_classify(struct cv_dp_worker *w, struct dp_pkt *p, bool handed)
{
	const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);

	p->pool = NULL;
	if (p->is_node && !(handed && p->m->hash.fdir.hi == DP_AS_CLIENT))
		p->pool = cv_view_pool_find(w->view, p->vpc, p->ip->dst_addr, p->ip->src_addr,
					    tcp->src_port);
	if (p->pool != NULL) {
		p->side = DP_TARGET;
		cv_snat_owner_prefetch(p->pool, cv_be16_host(tcp->dst_port));
	} else {
		struct cv_flow_key key = dp_key(p);

		p->side = DP_CLIENT;
		p->hash = cv_flow_hash(w->flows, &key);
		cv_flow_bucket_prefetch(w->flows, p->hash);
	}
}

/* Everything that is not an untagged or tagged IPv4 frame in one buffer. */
static __attribute__((noinline)) void dp_odd_frame(struct cv_dp_worker *w, struct rte_mbuf *m,
						   uint16_t type, uint16_t vlan, uint16_t l2_len)
{
	if (!dp_is_ours_alone(m))
		dp_drop(w, m, CV_DROP_CHAINED);
	else if (m->data_len < l2_len)
		dp_drop(w, m, CV_DROP_RUNT);
	else if (type == DP_TYPE_ARP)
		dp_arp_packet(w, m, vlan, l2_len);
	else
		dp_drop(w, m, CV_DROP_ETHERTYPE);
}

static inline uint16_t dp_parse_burst(struct cv_dp_worker *w, struct rte_mbuf **pkts, uint16_t n,
				      struct dp_pkt *out, bool handed)
{
	uint16_t kept = 0;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n && i < DP_PREFETCH_AHEAD; i++)
		__builtin_prefetch(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const uint8_t *l2 = rte_pktmbuf_mtod(m, const uint8_t *);
		uint16_t type, vlan = 0, l2_len = 14;
		enum cv_drop reason;

		if (i + DP_PREFETCH_AHEAD < n)
			__builtin_prefetch(rte_pktmbuf_mtod(pkts[i + DP_PREFETCH_AHEAD], void *));
		bytes += m->pkt_len;
		memcpy(&type, l2 + 12, 2);
		if (type == DP_TYPE_VLAN) {
			memcpy(&vlan, l2 + 14, 2);
			vlan = cv_be16_host(vlan) & 4095;
			memcpy(&type, l2 + 16, 2);
			l2_len = 18;
		}
		if (__builtin_expect(type != DP_TYPE_IPV4 || !dp_is_ours_alone(m), 0)) {
			dp_odd_frame(w, m, type, vlan, l2_len);
			continue;
		}
		reason = dp_parse_ip(w, m, vlan, l2_len, &out[kept]);
		if (__builtin_expect(reason != CV_DROP_NONE, 0)) {
			dp_drop(w, m, reason);
			continue;
		}
		dp_classify(w, &out[kept++], handed);
	}
	cv_ctr_add(&w->stats->ev[handed ? CV_EV_HANDOFF_IN : CV_EV_RX_PKTS], n);
	if (!handed)
		cv_ctr_add(&w->stats->ev[CV_EV_RX_BYTES], bytes);
	return kept;
}

static inline uint16_t dp_lookup_burst(struct cv_dp_worker *w, struct dp_pkt *pkts, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct dp_pkt *p = &pkts[i];
		uint32_t owner = w->id;

		p->flow = CV_FLOW_NONE;
		if (p->side == DP_TARGET) {
			uint32_t word =
				cv_snat_owner(p->pool, cv_be16_host(dp_tcp_hdr(p)->dst_port));

			if (word != CV_SNAT_NONE) {
				owner = word >> 24;
				p->flow = word & CV_FLOW_MAX;
			}
		} else {
			owner = dp_owner(w, p->hash);
			if (owner == w->id)
				p->flow = cv_flow_probe(w->flows, p->hash);
		}
		if (__builtin_expect(owner != w->id, 0)) {
			dp_handoff(w, p->m, owner, 0);
			continue;
		}
		if (p->flow != CV_FLOW_NONE)
			__builtin_prefetch(&w->flows->flows[p->flow]);
		pkts[kept++] = *p;
	}
	return kept;
}

static inline void dp_rewrite(struct cv_dp_worker *w, const struct dp_pkt *p, struct cv_flow *flow,
			      const uint8_t *neigh_mac)
{
	const struct cv_view_vpc *vpcs = w->view->spec.vpcs;
	struct rte_ipv4_hdr *ip = p->ip;
	struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
	unsigned int hops = dp_hops(flow->endpoint);
	uint32_t ttl_diff = hops * DP_TTL_DIFF;
	const struct cv_view_vpc *vpc;

	ip->time_to_live = (uint8_t)(ip->time_to_live - hops);
	if (p->side == DP_CLIENT) {
		vpc = &vpcs[flow->target_vpc];
		ip->hdr_checksum = cv_csum_apply(ip->hdr_checksum, ttl_diff + flow->l3_delta);
		tcp->cksum = cv_csum_apply(tcp->cksum, flow->l4_delta);
		ip->src_addr = flow->node_ip;
		ip->dst_addr = flow->target_ip;
		tcp->src_port = flow->node_port;
		tcp->dst_port = flow->target_port;
		dp_l2_put(p->m, ip, p->len, vpc, neigh_mac, flow->node_ip, true);
	} else {
		vpc = &vpcs[flow->client_vpc];
		ip->hdr_checksum =
			cv_csum_apply(ip->hdr_checksum, ttl_diff + (uint16_t)~flow->l3_delta);
		tcp->cksum = cv_csum_apply(tcp->cksum, (uint16_t)~flow->l4_delta);
		ip->src_addr = flow->dialled_ip;
		ip->dst_addr = flow->client_ip;
		tcp->src_port = flow->dialled_port;
		tcp->dst_port = flow->client_port;
		dp_l2_put(p->m, ip, p->len, vpc, flow->client_mac, flow->dialled_ip,
			  flow->endpoint == CV_VIEW_DIRECT);
	}
	dp_send(w, p->m, vpc->port);
}

static inline void dp_forward_inline(struct cv_dp_worker *w, const struct dp_pkt *p,
				     struct cv_flow *flow)
{
	struct cv_stats_obj *obj = &w->endpoints[flow->endpoint];
	uint64_t neigh;
	enum cv_drop reason = dp_forward_check(w, p, flow, &neigh);

	if (__builtin_expect(reason != CV_DROP_NONE, 0)) {
		cv_ctr_add(&obj->drops, 1);
		dp_drop(w, p->m, reason);
		return;
	}
	flow->last_ms = (uint32_t)w->now_ms;
	cv_ctr_add(&obj->pkts[p->side], 1);
	cv_ctr_add(&obj->bytes[p->side], p->len);
	dp_rewrite(w, p, flow, (const uint8_t *)&neigh);
}

void dp_forward(struct cv_dp_worker *w, const struct dp_pkt *p, struct cv_flow *flow)
{
	dp_forward_inline(w, p, flow);
}

static inline bool dp_is_flow(struct cv_dp_worker *w, struct dp_pkt *p)
{
	const struct cv_flow *flow = &w->flows->flows[p->flow];
	struct cv_flow_key key;

	if (p->side == DP_TARGET) {
		const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);

		return cv_flow_is_target_side(flow, p->vpc, p->ip->dst_addr, tcp->dst_port,
					      p->ip->src_addr, tcp->src_port);
	}
	key = dp_key(p);
	if (__builtin_expect(cv_flow_is(flow, &key), 1))
		return true;
	p->flow = cv_flow_find(w->flows, &key, p->hash);
	return p->flow != CV_FLOW_NONE;
}

void dp_flow_packet(struct cv_dp_worker *w, struct dp_pkt *p)
{
	struct cv_flow *flow = &w->flows->flows[p->flow];

	if (__builtin_expect(cv_tcp_is_fast(&flow->tcp, dp_tcp_hdr(p)->tcp_flags) &&
				     (uint32_t)w->now_ms - flow->last_ms <= flow->idle_s * 1000u,
			     1))
		dp_forward_inline(w, p, flow);
	else
		dp_tcp_packet(w, p, p->flow);
}

static inline void dp_forward_burst(struct cv_dp_worker *w, struct dp_pkt *pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct dp_pkt *p = &pkts[i];

		if (__builtin_expect(p->flow != CV_FLOW_NONE && dp_is_flow(w, p), 1))
			dp_flow_packet(w, p);
		else if (p->side == DP_CLIENT)
			dp_client_miss(w, p);
		else
			dp_target_miss(w, p);
	}
}

void dp_burst(struct cv_dp_worker *w, struct rte_mbuf **pkts, uint16_t n, bool handed)
{
	struct dp_pkt meta[CV_DP_BURST_MAX];

	cv_dassert(n <= CV_DP_BURST_MAX);
	n = dp_parse_burst(w, pkts, n, meta, handed);
	n = dp_lookup_burst(w, meta, n);
	dp_forward_burst(w, meta, n);
}

void cv_dp_burst(struct cv_dp_worker *w, const struct cv_view *view, struct rte_mbuf **pkts,
		 uint16_t n, uint64_t now_ms)
{
	w->view = view;
	w->now_ms = now_ms;
	dp_burst(w, pkts, n, false);
}
