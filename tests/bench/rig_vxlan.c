/* SPDX-License-Identifier: BSD-3-Clause */

/* The rig's VPCs in VXLAN: what the view says of them, and the outer headers of frames from there. */

#include "rig.h"

#include <string.h>

#include <rte_ip.h>
#include <rte_udp.h>
#include <rte_vxlan.h>

#define VTEP(dir) (0xc0a80001u + ((uint32_t)(dir) << 8))
#define PEER(dir) (VTEP(dir) + 8)
#define UNDER_PREFIX(dir) (uint16_t)(0x2002 + ((uint32_t)(dir) << 4))
#define VNI 77u

void rig_vxlan_put(struct rig *r, struct cv_view_spec *spec, struct cv_view_vpc *vpcs)
{
	static struct cv_view_vxlan vxlans[RIG_N_VPCS];
	const uint32_t n = r->cfg.n_targets;

	memset(vxlans, 0, sizeof(vxlans));
	for (unsigned int dir = 0; dir < RIG_N_DIRS; dir++) {
		uint16_t under = (uint16_t)(RIG_VPC_UNDER_C + dir);

		if ((r->cfg.vxlan & 1u << dir) == 0)
			continue;
		vpcs[under] = vpcs[dir];
		vpcs[under].mac_prefix = UNDER_PREFIX(dir);
		vpcs[dir].port = 2;
		vpcs[dir].mtu = (uint16_t)(vpcs[under].mtu - CV_VXLAN_LEN);
		vpcs[dir].mtu_by_endpoint = vpcs[dir].mtu;
		vxlans[under].is_under = true;
		vxlans[dir] = (struct cv_view_vxlan){
			.on = true, .under = under, .vni = VNI, .vtep = cv_be32(VTEP(dir))};
		r->neigh[n + dir] = CV_NEIGH_KNOWN | 0x020000000002ULL;
	}
	for (uint32_t i = 0; (r->cfg.vxlan & 1 << RIG_T2C) != 0 && i < n; i++) {
		r->fars[i].mac_vpc = (r->neigh[i] & ~CV_NEIGH_KNOWN) | (uint64_t)RIG_VPC_P << 48;
		r->fars[i].vtep = (uint64_t)(n + RIG_T2C) << 32 | cv_be32(PEER(RIG_T2C));
		r->neigh[i] = cv_ticket(CV_TICKET_NEIGH, i) | CV_NEIGH_KNOWN;
	}
	spec->n_neigh = n + RIG_N_DIRS;
	if (r->cfg.vxlan != 0)
		spec->tunnels = (struct cv_view_tunnels){
			.vxlans = vxlans, .n_vxlans = RIG_N_VPCS, .fars = r->fars};
}

uint16_t rig_wrap(const struct rig *r, enum rig_dir dir, uint8_t *f, uint16_t len)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(f + 14);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(void *)(ip + 1);
	struct rte_vxlan_hdr *vxlan = (struct rte_vxlan_hdr *)(void *)(udp + 1);

	if ((r->cfg.vxlan & 1u << dir) == 0)
		return len;
	memmove(f + RIG_OUTER_LEN, f, len);
	memset(f, 0, RIG_OUTER_LEN);
	cv_mac_of_ip(UNDER_PREFIX(dir), cv_be32(VTEP(dir)), f);
	memcpy(f + 6, "\x02\xbb\x00\x00\x00\x01\x08\x00", 8);
	ip->version_ihl = 0x45;
	ip->total_length = cv_be16((uint16_t)(len + RIG_OUTER_LEN - 14));
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = cv_be32(PEER(dir));
	ip->dst_addr = cv_be32(VTEP(dir));
	ip->hdr_checksum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
	udp->src_port = cv_be16(55555);
	udp->dst_port = cv_be16(CV_VXLAN_PORT);
	udp->dgram_len = cv_be16((uint16_t)(len + RIG_OUTER_LEN - 34));
	vxlan->vx_flags = cv_be32(0x08000000);
	vxlan->vx_vni = cv_be32(VNI << 8);
	return (uint16_t)(len + RIG_OUTER_LEN);
}
