/* SPDX-License-Identifier: BSD-3-Clause */

#include "frame.h"

#define WINDOW 65535

static uint8_t *put_l2(uint8_t *f, const uint8_t *dst, const uint8_t *src, uint16_t vlan,
		       uint16_t type)
{
	cv_be16_t v;

	memcpy(f, dst, 6);
	memcpy(f + 6, src, 6);
	f += 12;
	if (vlan != 0) {
		v = cv_be16(0x8100);
		memcpy(f, &v, 2);
		v = cv_be16(vlan);
		memcpy(f + 2, &v, 2);
		f += 4;
	}
	v = cv_be16(type);
	memcpy(f, &v, 2);
	return f + 2;
}

void cb_tmpl_init(struct cb_tmpl *tmpl, const uint8_t *dst_mac, const uint8_t *src_mac,
		  uint16_t vlan)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = 0x45,
		.fragment_offset = cv_be16(0x4000),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_TCP,
	};
	struct rte_tcp_hdr tcp = {.rx_win = cv_be16(WINDOW)};
	uint8_t *at;

	memset(tmpl, 0, sizeof(*tmpl));
	at = put_l2(tmpl->bytes, dst_mac, src_mac, vlan, 0x0800);
	/* The field holds the sum of what never changes, until a frame is written. */
	ip.hdr_checksum = cv_csum_fold(cv_csum_add(&ip, sizeof(ip), 0));
	memcpy(at, &ip, sizeof(ip));
	memcpy(at + sizeof(ip), &tcp, sizeof(tcp));
}

bool cb_frame_csum_ok(const struct cb_pkt *pkt)
{
	uint32_t ihl = (pkt->ip[0] & 15u) * 4;
	uint16_t len = (uint16_t)(pkt->thl + pkt->len);
	uint64_t sum;

	if (cv_csum_fold(cv_csum_add(pkt->ip, ihl, 0)) != 0xffff)
		return false;
	sum = (uint64_t)pkt->e.src + pkt->e.dst + cv_be16(IPPROTO_TCP) + cv_be16(len);
	return cv_csum_fold(cv_csum_add(pkt->ip + ihl, len, sum)) == 0xffff;
}

bool cb_arp_read(const uint8_t *f, uint32_t frame_len, uint16_t vlan, struct cb_arp *ret_arp)
{
	static const uint8_t head[6] = {0, 1, 8, 0, 6, 4};
	const uint8_t *arp = f + cb_l2_len(vlan);

	if (frame_len < cb_l2_len(vlan) + 28 || memcmp(arp, head, sizeof(head)) != 0 || arp[6] != 0)
		return false;
	ret_arp->op = arp[7];
	memcpy(ret_arp->mac, arp + 8, 6);
	memcpy(&ret_arp->sender, arp + 14, 4);
	memcpy(&ret_arp->target, arp + 24, 4);
	return true;
}

void cb_arp_write(uint8_t *f, uint16_t vlan, const uint8_t *mac, const uint8_t *to,
		  cv_be32_t sender, cv_be32_t target)
{
	static const uint8_t all[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint8_t *arp;

	memset(f, 0, cb_arp_len(vlan));
	arp = put_l2(f, to != NULL ? to : all, mac, vlan, 0x0806);
	memcpy(arp, "\x00\x01\x08\x00\x06\x04\x00", 7);
	arp[7] = to != NULL ? 2 : 1;
	memcpy(arp + 8, mac, 6);
	memcpy(arp + 14, &sender, 4);
	if (to != NULL)
		memcpy(arp + 18, to, 6);
	memcpy(arp + 24, &target, 4);
}
