/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Runs in the kernel for each frame that an interface receives: culvert's frames go to the AF_XDP socket of
 * their queue, all others to the kernel as if there were no program.
 *
 * libxdp, by which DPDK makes the sockets, enters them into the program that it finds on the interface, if
 * that has the name, the map and the version below; else it would put its own in its place.
 */

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "steer_bpf_priv.h"

#define VXLAN_PORT 4789
#define VLAN_ID_MASK 0x0fff
#define FRAGMENT_MASK 0x1fff
#define PROTO_UDP 17

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, STEER_QUEUES_MAX);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} xsks_map SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct steer_key);
	__type(value, struct steer_addr);
} addrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, STEER_COUNT_N);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

__uint(xsk_prog_version, 1) SEC("xdp_metadata");

struct vlan_hdr {
	__be16 tci, proto;
};

/* Without the types of linux/if_arp.h and linux/ip.h, whose fields need not be aligned here. */
struct arp_ipv4 {
	__be16 hw, proto;
	__u8 hw_len, proto_len;
	__be16 op;
	__u8 sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
};

struct ipv4 {
	__u8 version_len, tos;
	__be16 len, id, fragment;
	__u8 ttl, proto;
	__be16 checksum;
	__u8 from[4], to[4];
};

static __always_inline void count(__u32 what)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &what);

	if (n)
		*n += 1;
}

static __always_inline int host(void)
{
	count(STEER_COUNT_HOST);
	return XDP_PASS;
}

static __always_inline int ours(const struct xdp_md *ctx, __u32 what)
{
	int verdict = bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);

	count(verdict == XDP_REDIRECT ? what : STEER_COUNT_DEAF);
	return verdict;
}

static __always_inline const struct steer_addr *find(const __u8 *ip, __u16 vlan)
{
	struct steer_key key = {.vlan = vlan};

	__builtin_memcpy(&key.ip, ip, sizeof(key.ip));
	return bpf_map_lookup_elem(&addrs, &key);
}

static __always_inline int steer_arp(const struct xdp_md *ctx, const struct arp_ipv4 *arp,
				     const void *end, __u16 vlan)
{
	if ((const void *)(arp + 1) > end || !find(arp->target_ip, vlan))
		return host();
	return ours(ctx, STEER_COUNT_ARP);
}

static __always_inline _Bool is_vxlan(const struct ipv4 *ip, const void *end)
{
	const __u8 *udp = (const __u8 *)ip + (ip->version_len & 0xf) * 4;

	if (ip->proto != PROTO_UDP || (ip->fragment & bpf_htons(FRAGMENT_MASK)) != 0)
		return 0;
	if ((const void *)(udp + 4) > end)
		return 0;
	return udp[2] == VXLAN_PORT >> 8 && udp[3] == (VXLAN_PORT & 0xff);
}

static __always_inline int steer_ipv4(const struct xdp_md *ctx, const struct ethhdr *eth,
				      const struct ipv4 *ip, const void *end, __u16 vlan)
{
	const struct steer_addr *addr;

	if ((const void *)(ip + 1) > end)
		return host();
	addr = find(ip->to, vlan);
	if (!addr)
		return host();
	/* What the host is to route has its own MAC. */
	if (__builtin_memcmp(eth->h_dest, addr->mac, 4) != 0 ||
	    __builtin_memcmp(eth->h_dest + 4, addr->mac + 4, 2) != 0)
		return host();
	return ours(ctx, is_vxlan(ip, end) ? STEER_COUNT_VXLAN : STEER_COUNT_IPV4);
}

SEC("xdp")
int xsk_def_prog(struct xdp_md *ctx)
{
	const void *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = (const void *)(long)ctx->data;
	const void *next = eth + 1;
	__be16 proto;
	__u16 vlan = 0;

	if (next > end)
		return host();
	proto = eth->h_proto;
	if (proto == bpf_htons(ETH_P_8021Q)) {
		const struct vlan_hdr *tag = next;

		next = tag + 1;
		if (next > end)
			return host();
		vlan = bpf_ntohs(tag->tci) & VLAN_ID_MASK;
		proto = tag->proto;
	}
	if (proto == bpf_htons(ETH_P_ARP))
		return steer_arp(ctx, next, end, vlan);
	if (proto == bpf_htons(ETH_P_IP))
		return steer_ipv4(ctx, eth, next, end, vlan);
	return host();
}

char _license[] SEC("license") = "Dual BSD/GPL";
