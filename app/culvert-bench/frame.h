/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Frames: parse what comes, write what goes, answer ARP. Pure functions over bytes.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>

#include "cv_net.h"
#include "cv_tcp.h"

#include "plan.h"

/** Bytes of a template: Ethernet, tag, IPv4 and TCP headers, and the zeros that pad the shortest frame. */
#define CB_TMPL_LEN 64
/** Shortest frame without check sequence. */
#define CB_FRAME_MIN 60

/** Addresses and ports of a packet, as it travels. */
struct cb_ends {
	cv_be32_t src, dst;
	cv_be16_t sport, dport;
};

/** What else stands in its TCP header, host order. */
struct cb_hdr {
	uint32_t seq, ack;
	uint32_t sum; /**< of the payload */
	uint16_t len; /**< of the payload */
	uint16_t mss; /**< option, on SYNs; 0: none */
	uint8_t flags;
};

/** Everything of a frame that is the same for all packets to one MAC. */
struct cb_tmpl {
	uint8_t bytes[CB_TMPL_LEN];
};

/** Bytes before the IPv4 header. */
static inline uint32_t cb_l2_len(uint16_t vlan)
{
	return vlan != 0 ? 18 : 14;
}

/** Write a template: tag if vlan is not 0. */
void cb_tmpl_init(struct cb_tmpl *tmpl, const uint8_t *dst_mac, const uint8_t *src_mac,
		  uint16_t vlan);

/**
 * Write the headers of a frame. The caller writes payload behind them.
 *
 * @param[out] f   shape [CB_TMPL_LEN + 4] at least
 * @param      l2  cb_l2_len()
 * @return bytes of the headers; the frame is that and the payload, or at least the minimum
 */
static inline uint32_t cb_frame_put(uint8_t *f, const struct cb_tmpl *tmpl, uint32_t l2,
				    const struct cb_ends *e, const struct cb_hdr *h)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(f + l2);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)(f + l2 + 20);
	const cv_be32_t opt = cv_be32(0x02040000u | h->mss);
	uint32_t thl = h->mss != 0 ? 24 : 20;
	uint16_t total = cv_be16((uint16_t)(20 + thl + h->len));
	uint64_t addrs = (uint64_t)e->src + e->dst;
	uint64_t sum;

	memcpy(f, tmpl->bytes, CB_TMPL_LEN);
	ip->total_length = total;
	ip->src_addr = e->src;
	ip->dst_addr = e->dst;
	ip->hdr_checksum = (uint16_t)~cv_csum_fold(addrs + total + ip->hdr_checksum);
	tcp->src_port = e->sport;
	tcp->dst_port = e->dport;
	tcp->sent_seq = cv_be32(h->seq);
	tcp->recv_ack = cv_be32(h->ack);
	tcp->data_off = (uint8_t)(thl << 2);
	tcp->tcp_flags = h->flags;
	sum = addrs + e->sport + e->dport + tcp->sent_seq + tcp->recv_ack + h->sum;
	sum += cv_be16((uint16_t)(thl + h->len)) + (uint32_t)cv_be16(IPPROTO_TCP) + tcp->rx_win;
	sum += cv_be16((uint16_t)(thl << 10 | h->flags));
	if (h->mss != 0) {
		memcpy(f + l2 + 40, &opt, 4);
		sum += opt;
	}
	tcp->cksum = (uint16_t)~cv_csum_fold(sum);
	return l2 + 20 + thl;
}

/** A parsed TCP packet. Pointers lead into the frame. */
struct cb_pkt {
	struct cb_ends e;
	uint32_t seq, ack;
	const uint8_t *data; /**< payload, shape [len] */
	uint16_t len;
	uint8_t flags;
	uint8_t thl; /**< TCP header with options */
	const uint8_t *ip;
};

/** What a frame is. */
enum cb_kind { CB_TCP, CB_ARP, CB_OTHER };

/**
 * Parse a frame. Frames with another tag than `vlan` are CB_OTHER, as is all that is not whole.
 *
 * @param ret_pkt  set for CB_TCP
 */
static inline enum cb_kind cb_frame_parse(const uint8_t *f, uint32_t frame_len, uint16_t vlan,
					  struct cb_pkt *ret_pkt)
{
	uint32_t l2 = cb_l2_len(vlan), ihl, total, thl;
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(const void *)(f + l2);
	const struct rte_tcp_hdr *tcp;
	cv_be16_t type, tci;

	if (frame_len < l2 + 28)
		return CB_OTHER;
	memcpy(&type, f + l2 - 2, 2);
	if (vlan != 0) {
		memcpy(&tci, f + 14, 2);
		if (f[12] != 0x81 || f[13] != 0 || (cv_be16_host(tci) & 0xfff) != vlan)
			return CB_OTHER;
	}
	if (type == cv_be16(0x0806))
		return CB_ARP;
	ihl = (ip->version_ihl & 15u) * 4;
	total = cv_be16_host(ip->total_length);
	if (type != cv_be16(0x0800) || ip->version_ihl >> 4 != 4 ||
	    ip->next_proto_id != IPPROTO_TCP || ihl < 20 || total < ihl + 20 ||
	    frame_len < l2 + total || (ip->fragment_offset & cv_be16(0x3fff)) != 0)
		return CB_OTHER;
	tcp = (const struct rte_tcp_hdr *)(const void *)(f + l2 + ihl);
	thl = (tcp->data_off >> 4) * 4u;
	if (thl < 20 || total < ihl + thl)
		return CB_OTHER;
	ret_pkt->e = (struct cb_ends){ip->src_addr, ip->dst_addr, tcp->src_port, tcp->dst_port};
	ret_pkt->seq = cv_be32_host(tcp->sent_seq);
	ret_pkt->ack = cv_be32_host(tcp->recv_ack);
	ret_pkt->flags = tcp->tcp_flags;
	ret_pkt->thl = (uint8_t)thl;
	ret_pkt->len = (uint16_t)(total - ihl - thl);
	ret_pkt->data = f + l2 + ihl + thl;
	ret_pkt->ip = f + l2;
	return CB_TCP;
}

/** Tell whether both checksums of a parsed packet are right. */
bool cb_frame_csum_ok(const struct cb_pkt *pkt);

/** Bytes of an ARP frame. */
static inline uint32_t cb_arp_len(uint16_t vlan)
{
	return vlan != 0 ? 64 : 60;
}

/** What an ARP frame says. */
struct cb_arp {
	uint16_t op;    /**< 1 request, 2 reply */
	uint8_t mac[6]; /**< sender's */
	cv_be32_t sender, target;
};

/** Read an ARP frame, of which the tag was checked. @return false if it is not about IPv4 or cut */
bool cb_arp_read(const uint8_t *f, uint32_t frame_len, uint16_t vlan, struct cb_arp *ret_arp);

/**
 * Write an ARP frame.
 *
 * @param[out] f    shape [cb_arp_len()]
 * @param      mac  ours
 * @param      to   peer's; NULL: a request to all
 */
void cb_arp_write(uint8_t *f, uint16_t vlan, const uint8_t *mac, const uint8_t *to,
		  cv_be32_t sender, cv_be32_t target);
