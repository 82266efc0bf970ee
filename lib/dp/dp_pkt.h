/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A TCP packet on its way through the worker: where its headers are, what they say, and the Ethernet header
 * that it leaves with. Nothing here knows of workers.
 *
 * @threads the worker that holds the packet
 */

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "cv_flow_hot.h"
#include "cv_view.h"

/** Bytes of an IPv4 or TCP header without options. */
#define DP_IP_LEN 20
#define DP_TCP_LEN 20
/** Ethernet types as they stand in a frame. */
#define DP_TYPE_IPV4 ((uint16_t)RTE_BE16(RTE_ETHER_TYPE_IPV4))
#define DP_TYPE_ARP ((uint16_t)RTE_BE16(RTE_ETHER_TYPE_ARP))
#define DP_TYPE_VLAN ((uint16_t)RTE_BE16(RTE_ETHER_TYPE_VLAN))
/** Hops that AWS takes off the TTL: endpoint and NLB, or the NLB alone. */
#define DP_HOPS_ENDPOINT 2
#define DP_HOPS_DIRECT 1

/** Which side of a flow a packet came from. */
enum dp_side { DP_CLIENT, DP_TARGET };

/** A TCP packet between two stages. */
struct dp_pkt {
	struct rte_mbuf *m;
	struct rte_ipv4_hdr *ip;
	union {
		uint64_t hash;             /**< of a client's packet */
		struct cv_snat_pool *pool; /**< of a target's, until its flow is looked up */
	};
	uint32_t flow; /**< likely flow, CV_FLOW_NONE if none */
	uint16_t vpc;  /**< VPC slot it came from */
	uint16_t len;  /**< IP total length, host order */
	uint8_t side;  /**< enum dp_side */
	bool is_node;  /**< sent to an NLB node's address (else to an endpoint ENI's) */
};

static inline struct rte_tcp_hdr *dp_tcp_hdr(const struct dp_pkt *p)
{
	return (struct rte_tcp_hdr *)(void *)((uint8_t *)p->ip + DP_IP_LEN);
}

static inline uint16_t dp_tcp_len(const struct rte_tcp_hdr *tcp)
{
	return (uint16_t)((tcp->data_off >> 4) * 4);
}

/** Tell whether a packet is a connection's first: a SYN and nothing else that matters. */
static inline bool dp_is_first(const struct dp_pkt *p)
{
	const uint8_t mask =
		RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_FIN_FLAG;

	return (dp_tcp_hdr(p)->tcp_flags & mask) == RTE_TCP_SYN_FLAG;
}

/**
 * Tell whether nobody can be where a frame says that it came from: this network, loopback, multicast,
 * broadcast (RFC 1122 section 3.2.1.3), or a MAC of a group.
 *
 * @param ip  source address
 * @param l2  Ethernet header
 */
static inline bool dp_is_bad_source(cv_be32_t ip, const uint8_t *l2)
{
	uint8_t first = *(const uint8_t *)&ip;

	return first == 0 || first == 127 || first >= 224 || (l2[6] & 1) != 0;
}

/** Hops that a packet loses on a path. @param path its word */
static inline unsigned int dp_hops(uint32_t path)
{
	const unsigned int less = DP_HOPS_ENDPOINT - DP_HOPS_DIRECT;

	return DP_HOPS_ENDPOINT - cv_view_path_is_direct(path) * less;
}

/** CV_MAC_NODE if a flow's client dialled a node, else 0. */
static inline uint16_t dp_client_node(const struct cv_flow *flow)
{
	return cv_view_path_is_direct(flow->path) ? CV_MAC_NODE : 0;
}

static inline struct cv_flow_key dp_key(const struct dp_pkt *p)
{
	const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);

	return (struct cv_flow_key){
		.client_ip = p->ip->src_addr,
		.dialled_ip = p->ip->dst_addr,
		.client_port = tcp->src_port,
		.dialled_port = tcp->dst_port,
		.vpc = p->vpc,
	};
}

/** Source and destination address of an IP packet, as they follow each other. */
static inline uint64_t dp_ips(const struct rte_ipv4_hdr *ip)
{
	return cv_flow_load64(&ip->src_addr);
}

/** One's-complement sum of 20 bytes: the words of an IP header without options. */
static inline uint16_t dp_sum(uint64_t first, uint64_t second, uint32_t third)
{
	uint64_t sum = first + second;
	uint32_t half;

	/* Carries go round: 2^64 is 1 modulo 2^16 - 1. */
	sum += sum < second;
	sum = (sum >> 32) + (uint32_t)sum + third;
	sum = (sum >> 32) + (uint32_t)sum;
	half = (uint32_t)(sum >> 16) + (uint16_t)sum;
	return (uint16_t)(half + (half >> 16));
}

/** The same of a header: 0xffff if its checksum is right. */
static inline uint16_t dp_ip_sum(const struct rte_ipv4_hdr *ip)
{
	return dp_sum(cv_flow_load64(ip), cv_flow_load64(&ip->time_to_live), ip->dst_addr);
}

/** Source and destination port of a packet without IP options, as they follow each other. */
static inline uint32_t dp_ports(const struct rte_ipv4_hdr *ip)
{
	return cv_flow_load32(ip + 1);
}

/**
 * Write the Ethernet header (and VLAN tag) in front of an IP header. What the frame has after the IP
 * packet stays.
 *
 * @param ip    IP header inside m
 * @param vpc   VPC it leaves into
 * @param mac   destination MAC in the low 48 bits, as in memory; the rest is ignored
 * @param src   our address that it leaves from
 * @param node  CV_MAC_NODE if src is an NLB node's address, else 0
 */
static inline void dp_l2_put(struct rte_mbuf *m, void *ip, const struct cv_view_vpc *vpc,
			     uint64_t mac, cv_be32_t src, uint16_t node)
{
	uint16_t prefix = vpc->mac_prefix | node, type = DP_TYPE_IPV4;
	unsigned int l2_len = vpc->vlan == 0 ? 14 : 18;
	uint8_t *l2 = (uint8_t *)ip - l2_len;
	uint16_t ofs = (uint16_t)(l2 - (uint8_t *)m->buf_addr);

	mac = mac << 16 >> 16 | (uint64_t)prefix << 48;
	memcpy(l2, &mac, 8);
	memcpy(l2 + 8, &src, 4);
	memcpy((uint8_t *)ip - 2, &type, 2);
	if (__builtin_expect(vpc->vlan != 0, 0)) {
		uint16_t tag[2] = {DP_TYPE_VLAN, cv_be16(vpc->vlan)};

		memcpy(l2 + 12, tag, 4);
	}
	if (__builtin_expect(ofs != m->data_off, 0)) {
		m->data_len = (uint16_t)(m->data_len + m->data_off - ofs);
		m->pkt_len = m->data_len;
		m->data_off = ofs;
	}
}
