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
 * MAC must be the destination address: so nothing is looked up to learn the side. Header fields are
 * checked and compared several at a time, as the words that they stand in.
 */

#include "dp_capture.h"
#include "dp_path.h"
#include "dp_vxlan.h"

/*
 * Reads a header that may lie in another cache line later than the mbuf itself. That of a packet that was
 * handed over is in the other core's cache, too, and so farther away.
 */
#define DP_PREFETCH_AHEAD 4
#define DP_PREFETCH_AHEAD_HANDED 16

/* First 8 bytes of an IP header: version 4, 5 words; neither offset nor "more fragments". */
#define DP_IP_PLAIN_MASK 0xff3f0000000000ffULL
#define DP_IP_PLAIN 0x45ULL
#define DP_MAC_MASK 0xffffffffffffULL
/* What a shorter packet is padded to on the wire. */
#define DP_PADDED_LEN 46u
/*
 * Who waits in vain sends again after far more than this. No more: the other end sends again as well, and at
 * nearly the same time.
 */
#define DP_SILENCE_MS 4u
_Static_assert(DP_SILENCE_MS < 1000, "shorter than any idle timeout: those are in seconds");

/* One buffer, which nobody else reads: its bytes may be rewritten. Both counts are at least 1. */
static inline bool dp_is_ours_alone(const struct rte_mbuf *m)
{
	return (m->nb_segs | rte_mbuf_refcnt_read(m)) == 1;
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

static __attribute__((noinline)) void dp_cut(struct rte_mbuf *m, unsigned int len)
{
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
}

/* Fills *p, or returns why not. The IP header is at ip_ofs, the frame starts l2_len before it. */
static inline __attribute__((always_inline)) enum cv_drop dp_parse_ip(struct cv_dp_worker *w,
								      struct rte_mbuf *m,
								      uint16_t vpc, uint16_t ip_ofs,
								      uint16_t l2_len,
								      struct dp_pkt *p)
{
	const struct cv_view *view = w->view;
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, ip_ofs);
	const uint8_t *l2 = (const uint8_t *)ip - l2_len;
	const uint8_t *tcp = (const uint8_t *)(ip + 1);
	unsigned int len, have, tcp_len;
	uint64_t mac, head;

	/* First: of a frame this short not even the VLAN tag and the type need be its own. */
	if (__builtin_expect(m->data_len < ip_ofs + DP_IP_LEN, 0))
		return CV_DROP_RUNT;
	if (__builtin_expect(vpc == CV_VIEW_NO_VPC, 0))
		return CV_DROP_NO_VPC;
	/* The MAC that the destination address must have; what is left is CV_MAC_NODE or nothing. */
	mac = (uint64_t)ip->dst_addr << 16 | view->spec.vpcs[vpc].mac_prefix;
	mac = (mac ^ cv_flow_load64(l2)) & DP_MAC_MASK;
	if (__builtin_expect((mac & ~(uint64_t)CV_MAC_NODE) != 0, 0))
		return CV_DROP_NOT_FOR_US;
	head = cv_flow_load64(ip);
	if (__builtin_expect((head & DP_IP_PLAIN_MASK) != DP_IP_PLAIN ||
				     ip->next_proto_id != IPPROTO_TCP,
			     0))
		return dp_ip_reason(ip);
	len = cv_be16_host((uint16_t)(head >> 16));
	have = m->data_len - ip_ofs;
	if (__builtin_expect(len < DP_IP_LEN + DP_TCP_LEN || len > have, 0))
		return CV_DROP_RUNT;
	/* More than padding behind the packet: cut, for it would leave by a port that may not carry it. */
	if (__builtin_expect(have > RTE_MAX(len, DP_PADDED_LEN), 0))
		dp_cut(m, ip_ofs + len);
	tcp_len = tcp[12] >> 4;
	if (__builtin_expect(dp_ip_sum(ip) != 0xffff, 0))
		return CV_DROP_IP_HEADER;
	if (__builtin_expect(tcp_len < DP_TCP_LEN / 4 || DP_IP_LEN + 4 * tcp_len > len, 0))
		return CV_DROP_TCP_HEADER;
	p->m = m;
	p->ip = ip;
	p->vpc = vpc;
	p->len = (uint16_t)len;
	p->is_node = mac != 0;
	return CV_DROP_NONE;
}

/*
 * A tagged IPv4 packet of VLAN 0, which is no VLAN but a priority (IEEE 802.1Q section 9.6): goes on without
 * the tag, for where a frame starts is known by its VPC.
 */
static __attribute__((noinline)) enum cv_drop dp_parse_priority(struct cv_dp_worker *w,
								struct rte_mbuf *m,
								struct dp_pkt *p)
{
	uint8_t *l2 = rte_pktmbuf_mtod(m, uint8_t *);

	if (m->data_len < RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + DP_IP_LEN)
		return CV_DROP_RUNT;
	memmove(l2 + RTE_VLAN_HLEN, l2, 12);
	(void)rte_pktmbuf_adj(m, RTE_VLAN_HLEN);
	return dp_parse_ip(w, m, cv_view_vpc_find(w->view, m->port, 0), 14, 14, p);
}

static inline void dp_classify_client(struct cv_dp_worker *w, struct dp_pkt *p)
{
	p->side = DP_CLIENT;
	p->hash = cv_flow_hash_raw(w->flows->key, dp_ips(p->ip),
				   dp_ports(p->ip) | (uint64_t)p->vpc << 32);
	cv_flow_bucket_prefetch(w->flows, p->hash);
}

static inline void dp_classify(struct cv_dp_worker *w, struct dp_pkt *p, bool handed)
{
	const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);

	if (!p->is_node || (handed && p->m->hash.fdir.hi == DP_AS_CLIENT)) {
		dp_classify_client(w, p);
		return;
	}
	p->pool =
		cv_view_pool_find(w->view, p->vpc, p->ip->dst_addr, p->ip->src_addr, tcp->src_port);
	if (p->pool == NULL) {
		dp_classify_client(w, p);
		return;
	}
	p->side = DP_TARGET;
	cv_snat_owner_prefetch(p->pool, cv_be16_host(tcp->dst_port));
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
		dp_arp_packet(w, m, cv_view_vpc_find(w->view, m->port, vlan), l2_len);
	else
		dp_drop(w, m, CV_DROP_ETHERTYPE);
}

/* Drops a packet that is not TCP unless it is for the kernel's sockets. */
static void dp_not_tcp(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc, uint16_t ip_ofs,
		       enum cv_drop reason)
{
	if ((reason == CV_DROP_PROTOCOL || reason == CV_DROP_ICMP) &&
	    dp_host_take_other(w, m, vpc, ip_ofs))
		return;
	if (reason == CV_DROP_ICMP && dp_icmp_pass(w, m, vpc, ip_ofs))
		return;
	/* Of the others not even the address is sure; what is not IPv4 has none. */
	if (reason != CV_DROP_RUNT && reason != CV_DROP_NO_VPC && reason != CV_DROP_NOT_FOR_US &&
	    reason != CV_DROP_ETHERTYPE)
		dp_other_charge(w, rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, ip_ofs),
				vpc, reason);
	dp_drop(w, m, reason);
}

/* A packet to one of our VTEPs. Returns true if a TCP packet was in it, which is in *p then. */
static bool dp_parse_inner(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t under,
			   uint16_t ip_ofs, struct dp_pkt *p)
{
	uint16_t vpc, ofs, type, len;
	enum cv_drop reason = dp_vxlan_open(w, m, under, ip_ofs, &vpc, &ofs);

	if (reason != CV_DROP_NONE) {
		dp_drop(w, m, reason);
		return false;
	}
	len = m->data_len;
	memcpy(&type, rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs + 12), 2);
	ofs += 14;
	if (type == DP_TYPE_ARP) {
		dp_arp_packet(w, m, vpc, ofs);
		return false;
	}
	reason = CV_DROP_ETHERTYPE;
	if (type == DP_TYPE_IPV4)
		reason = dp_parse_ip(w, m, vpc, ofs, 14, p);
	/* Cut behind the packet inside: the worker that it may be handed to asks again if it is whole. */
	if (m->data_len != len)
		dp_vxlan_trim(m, ip_ofs);
	if (reason != CV_DROP_NONE)
		dp_not_tcp(w, m, vpc, ofs, reason);
	return reason == CV_DROP_NONE;
}

/* A frame that dp_parse_ip() did not take may be for one of our VTEPs. Returns as dp_parse_inner(). */
static __attribute__((noinline)) bool dp_parse_other(struct cv_dp_worker *w, struct rte_mbuf *m,
						     uint16_t vlan, uint16_t ip_ofs,
						     enum cv_drop reason, struct dp_pkt *p)
{
	uint16_t vpc = cv_view_vpc_find(w->view, m->port, vlan);

	if (reason == CV_DROP_PROTOCOL && cv_view_vxlan_find(w->view, vpc) != NULL)
		return dp_parse_inner(w, m, vpc, ip_ofs, p);
	dp_not_tcp(w, m, vpc, ip_ofs, reason);
	return false;
}

static inline unsigned int dp_ahead(bool handed)
{
	return handed ? DP_PREFETCH_AHEAD_HANDED : DP_PREFETCH_AHEAD;
}

static inline uint16_t dp_parse_burst(struct cv_dp_worker *w, struct rte_mbuf **pkts, uint16_t n,
				      struct dp_pkt *out, bool handed)
{
	const unsigned int ahead = dp_ahead(handed);
	uint16_t kept = 0;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n && i < ahead; i++)
		__builtin_prefetch(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const uint8_t *l2 = rte_pktmbuf_mtod(m, const uint8_t *);
		uint16_t type, vlan = 0, l2_len = 14;
		enum cv_drop reason;

		if (i + ahead < n)
			__builtin_prefetch(rte_pktmbuf_mtod(pkts[i + ahead], void *));
		bytes += m->pkt_len;
		memcpy(&type, l2 + 12, 2);
		if (__builtin_expect(type == DP_TYPE_IPV4 && dp_is_ours_alone(m), 1)) {
			reason = dp_parse_ip(w, m, cv_view_vpc_find(w->view, m->port, 0), 14, 14,
					     &out[kept]);
		} else {
			if (type == DP_TYPE_VLAN) {
				memcpy(&vlan, l2 + 14, 2);
				vlan = cv_be16_host(vlan) & 4095;
				memcpy(&type, l2 + 16, 2);
				l2_len = 18;
			}
			if (type != DP_TYPE_IPV4 || !dp_is_ours_alone(m)) {
				dp_odd_frame(w, m, type, vlan, l2_len);
				continue;
			}
			if (__builtin_expect(vlan == 0, 0)) {
				l2_len = 14;
				reason = dp_parse_priority(w, m, &out[kept]);
			} else {
				reason = dp_parse_ip(w, m, cv_view_vpc_find(w->view, m->port, vlan),
						     18, 18, &out[kept]);
			}
		}
		if (__builtin_expect(reason != CV_DROP_NONE, 0) &&
		    !dp_parse_other(w, m, vlan, l2_len, reason, &out[kept]))
			continue;
		dp_classify(w, &out[kept++], handed);
	}
	cv_ctr_add(&w->stats->ev[handed ? CV_EV_HANDOFF_IN : CV_EV_RX_PKTS], n);
	if (!handed)
		cv_ctr_add(&w->stats->ev[CV_EV_RX_BYTES], bytes);
	return kept;
}

static inline uint16_t dp_lookup_burst(struct cv_dp_worker *w, struct dp_pkt *pkts, uint16_t n)
{
	const bool alone = w->n_workers == 1, tight = dp_is_tight(w);
	const struct cv_flow *flows = w->flows->flows;
	struct rte_mbuf *refused[CV_DP_BURST_MAX];
	uint16_t kept = 0, n_refused = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct dp_pkt *p = &pkts[i];
		uint32_t owner = w->id, flow = CV_FLOW_NONE;

		if (p->side == DP_TARGET) {
			uint32_t word =
				cv_snat_owner(p->pool, cv_be16_host(dp_tcp_hdr(p)->dst_port));

			if (__builtin_expect(word != CV_SNAT_NONE, 1)) {
				owner = word >> 24;
				flow = word & CV_FLOW_MAX;
			}
		} else if (alone || dp_is_steered(w, p) ||
			   (owner = dp_hash_owner(w, p->hash)) == w->id) {
			/* One that RSS should have brought home is sent on only if its flow is not here. */
			flow = cv_flow_probe(w->flows, p->hash);
		}
		if (__builtin_expect(owner != w->id, 0)) {
			dp_handoff(w, p->m, owner, 0);
			continue;
		}
		if (__builtin_expect(flow != CV_FLOW_NONE, 1)) {
			__builtin_prefetch(&flows[flow]);
		} else if (tight && p->side == DP_CLIENT && dp_is_refused(w, p)) {
			/*
			 * In a flood most packets are SYNs of no flow: they leave before anything more
			 * is done for them, all of a burst at once.
			 */
			refused[n_refused++] = p->m;
			continue;
		}
		p->flow = flow;
		if (__builtin_expect(kept != i, 0))
			pkts[kept] = *p;
		kept++;
	}
	if (__builtin_expect(n_refused > 0, 0))
		dp_refuse(w, refused, n_refused);
	return kept;
}

static inline void dp_rewrite_c2t(struct cv_dp_worker *w, const struct dp_pkt *p,
				  const struct cv_flow *flow, unsigned int hops, uint64_t neigh)
{
	const struct cv_view_vpc *vpc = &w->view->spec.vpcs[flow->target_vpc];
	struct rte_ipv4_hdr *ip = p->ip;
	struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
	uint64_t ips = cv_flow_load64(&flow->target_ip);
	uint32_t ports = cv_flow_load32(&flow->target_port);

	/* The entry has target, node; the packet wants node, target. */
	ips = ips << 32 | ips >> 32;
	ports = ports << 16 | ports >> 16;
	ip->hdr_checksum = cv_csum_apply(ip->hdr_checksum, flow->l3_delta + (hops ^ 0xffff));
	tcp->cksum = cv_csum_apply16(tcp->cksum, flow->l4_delta);
	memcpy(&ip->src_addr, &ips, 8);
	memcpy(&tcp->src_port, &ports, 4);
	dp_l2_put(p->m, ip, vpc, neigh, flow->node_ip, CV_MAC_NODE);
	dp_send(w, p->m, vpc->port);
}

static inline void dp_rewrite_t2c(struct cv_dp_worker *w, const struct dp_pkt *p,
				  const struct cv_flow *flow, unsigned int hops)
{
	const struct cv_view_vpc *vpc = &w->view->spec.vpcs[flow->client_vpc];
	struct rte_ipv4_hdr *ip = p->ip;
	struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
	uint64_t ips = cv_flow_load64(&flow->client_ip);
	uint32_t ports = cv_flow_load32(&flow->client_port);

	ips = ips << 32 | ips >> 32;
	ports = ports << 16 | ports >> 16;
	ip->hdr_checksum =
		cv_csum_apply(ip->hdr_checksum, (uint16_t)~flow->l3_delta + (hops ^ 0xffff));
	tcp->cksum = cv_csum_apply16(tcp->cksum, (uint16_t)~flow->l4_delta);
	memcpy(&ip->src_addr, &ips, 8);
	memcpy(&tcp->src_port, &ports, 4);
	dp_l2_put(p->m, ip, vpc, cv_flow_load64(flow->client_mac), flow->dialled_ip,
		  dp_client_node(flow));
	dp_send(w, p->m, vpc->port);
}

static __attribute__((noinline)) void dp_forward_drop(struct cv_dp_worker *w,
						      const struct dp_pkt *p,
						      const struct cv_flow *flow,
						      enum cv_drop reason)
{
	dp_path_drop(w, flow->path, reason);
	dp_drop(w, p->m, reason);
}

/* Addresses, ports, TTL, checksums, Ethernet: all of it by what the flow and the view hold ready. */
static inline __attribute__((always_inline)) void dp_forward_checked_inline(struct cv_dp_worker *w,
									    const struct dp_pkt *p,
									    struct cv_flow *flow,
									    uint64_t neigh)
{
	struct cv_stats_obj *obj = dp_path_obj(w, flow);
	unsigned int hops = dp_hops(flow->path);

	flow->last_ms = (uint32_t)w->now_ms;
	cv_ctr_add(&obj->pkts[p->side], 1);
	cv_ctr_add(&obj->bytes[p->side], p->len);
	p->ip->time_to_live = (uint8_t)(p->ip->time_to_live - hops);
	if (p->side == DP_CLIENT)
		dp_rewrite_c2t(w, p, flow, hops, neigh);
	else
		dp_rewrite_t2c(w, p, flow, hops);
}

static inline __attribute__((always_inline)) void dp_forward_inline(struct cv_dp_worker *w,
								    const struct dp_pkt *p,
								    struct cv_flow *flow)
{
	enum cv_drop reason;
	uint64_t neigh;

	reason = dp_forward_check(w, p, flow, &neigh);
	if (__builtin_expect(reason != CV_DROP_NONE, 0)) {
		dp_forward_drop(w, p, flow, reason);
		return;
	}
	dp_forward_checked_inline(w, p, flow, neigh);
}

void dp_forward(struct cv_dp_worker *w, const struct dp_pkt *p, struct cv_flow *flow)
{
	dp_forward_inline(w, p, flow);
}

void dp_forward_checked(struct cv_dp_worker *w, const struct dp_pkt *p, struct cv_flow *flow,
			uint64_t neigh)
{
	dp_forward_checked_inline(w, p, flow, neigh);
}

static inline bool dp_is_steady(const struct cv_dp_worker *w, const struct dp_pkt *p,
				const struct cv_flow *flow)
{
	return cv_tcp_is_fast(&flow->tcp, dp_tcp_hdr(p)->tcp_flags) &&
	       (uint32_t)w->now_ms - flow->last_ms <= flow->idle_s * 1000u;
}

/* A target's ACK that makes a flow steady. */
static inline bool dp_gets_steady(const struct dp_pkt *p, struct cv_flow *flow)
{
	const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);

	return p->side == DP_TARGET &&
	       cv_tcp_hdr_ack(&flow->tcp, tcp->tcp_flags, (const uint8_t *)(tcp + 1),
			      dp_tcp_len(tcp) - DP_TCP_LEN, rte_be_to_cpu_32(tcp->recv_ack));
}

void dp_flow_packet(struct cv_dp_worker *w, struct dp_pkt *p)
{
	struct cv_flow *flow = &w->flows->flows[p->flow];

	if (dp_is_steady(w, p, flow))
		dp_forward_inline(w, p, flow);
	else
		dp_tcp_packet(w, p, p->flow);
}

static inline bool dp_is_late(const struct cv_dp_worker *w, const struct cv_flow *flow)
{
	return (uint32_t)w->now_ms - flow->last_ms > DP_SILENCE_MS;
}

/* The client may be elsewhere by now. Returns true if the flow is over. */
static inline bool dp_came_late(struct cv_dp_worker *w, const struct dp_pkt *p,
				struct cv_flow *flow)
{
	uint64_t from;

	if (p->side == DP_CLIENT) {
		from = cv_flow_load64(dp_l2(w, p) + 6) ^ cv_flow_load64(flow->client_mac);
		/* Nearly never, but always in VXLAN, for a ticket is no station's MAC. */
		if (__builtin_expect((from & DP_MAC_MASK) != 0, 0))
			dp_client_follow(w, p, flow);
	}
	return (uint32_t)w->now_ms - flow->last_ms > flow->idle_s * 1000u;
}

/* The likely flow was none or not the right one. */
static __attribute__((noinline)) void dp_other_packet(struct cv_dp_worker *w, struct dp_pkt *p)
{
	uint32_t owner;

	if (p->side == DP_TARGET) {
		dp_target_miss(w, p);
		return;
	}
	owner = dp_owner(w, p);
	if (owner == w->id)
		dp_client_miss(w, p);
	else
		dp_handoff(w, p->m, owner, 0);
}

/* The flow's own line was fetched by the stage before; what it is counted by is known only from it. */
static inline void dp_count_prefetch(const struct cv_dp_worker *w, const struct dp_pkt *p)
{
	if (__builtin_expect(p->flow != CV_FLOW_NONE, 1))
		__builtin_prefetch(dp_path_obj(w, &w->flows->flows[p->flow]), 1);
}

static inline void dp_forward_burst(struct cv_dp_worker *w, struct dp_pkt *pkts, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct dp_pkt *p = &pkts[i];
		struct cv_flow *flow;

		if (i + DP_PREFETCH_AHEAD < n)
			dp_count_prefetch(w, &pkts[i + DP_PREFETCH_AHEAD]);
		if (__builtin_expect(p->flow == CV_FLOW_NONE || !dp_is_flow(w, p), 0)) {
			dp_other_packet(w, p);
			continue;
		}
		flow = &w->flows->flows[p->flow];
		if (dp_is_late(w, flow) && __builtin_expect(dp_came_late(w, p, flow), 0))
			dp_tcp_packet(w, p, p->flow);
		else if (__builtin_expect(cv_tcp_is_fast(&flow->tcp, dp_tcp_hdr(p)->tcp_flags),
					  1) ||
			 dp_gets_steady(p, flow))
			dp_forward_inline(w, p, flow);
		else
			dp_tcp_packet(w, p, p->flow);
	}
}

void dp_burst(struct cv_dp_worker *w, struct rte_mbuf **pkts, uint16_t n, bool handed)
{
	struct dp_pkt meta[CV_DP_BURST_MAX];

	cv_dassert(n <= CV_DP_BURST_MAX);
	n = dp_parse_burst(w, pkts, n, meta, handed);
	dp_stage(w, CV_STAGE_PARSE);
	n = dp_lookup_burst(w, meta, n);
	if (__builtin_expect(w->capture != NULL, 0))
		dp_capture_received(w, meta, n);
	dp_stage(w, CV_STAGE_LOOKUP);
	dp_forward_burst(w, meta, n);
	dp_stage(w, CV_STAGE_FORWARD);
}

void cv_dp_burst(struct cv_dp_worker *w, const struct cv_view *view, struct rte_mbuf **pkts,
		 uint16_t n, uint64_t now_ms)
{
	w->view = view;
	w->now_ms = now_ms;
	dp_burst(w, pkts, n, false);
}
