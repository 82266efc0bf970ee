/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the XDP program (steer.bpf.c) and the module that loads it have in common: the shape of the maps.
 */

#include <linux/types.h>

/** Key of the map `addrs`: one of our addresses, and where it is. */
struct steer_key {
	__u32 ip;   /**< network byte order */
	__u16 vlan; /**< VLAN id, host order; 0: untagged */
	__u16 zero;
};

/** Value. */
struct steer_addr {
	__u8 mac[6]; /**< frames to it have this destination */
	__u16 zero;
};

/** Index of the per-CPU map `counts`. */
enum steer_count {
	STEER_COUNT_IPV4,  /**< redirected: IPv4 to one of our addresses */
	STEER_COUNT_ARP,   /**< redirected: ARP that asks for one, or answers it */
	STEER_COUNT_VXLAN, /**< redirected: VXLAN to our VTEP */
	STEER_COUNT_HOST,  /**< passed to the kernel: not ours */
	STEER_COUNT_DEAF,  /**< passed to the kernel although ours: no socket at its queue */
	STEER_COUNT_N,
};

/** Entries of the map `xsks_map`, which the queue's number is the index of. */
#define STEER_QUEUES_MAX 64
