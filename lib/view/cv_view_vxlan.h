/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What a view says of VPCs that arrive in VXLAN.
 *
 * The network that carries them, the underlay, has a slot among the VPCs: our VTEP addresses are its
 * locals, remote VTEPs and routers to them its neighbours. A VPC that it carries has the port after the
 * last one: what is sent there waits at the tunnel's mouth for its outer headers.
 *
 * Where a frame into such a VPC goes, its destination MAC cannot say alone: the same MAC may stand behind
 * several VTEPs. So in neighbour words and flows of these VPCs a ticket stands in the place of the MAC,
 * until the tunnel's mouth.
 *
 * @threads written by control before the view is published; struct cv_far also later; read by workers
 * @source  RFC 7348
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cv_net.h"

/** Bytes around an IP packet in VXLAN: outer IP, UDP, VXLAN, inner Ethernet. */
#define CV_VXLAN_LEN 50
/** The UDP port of VTEPs. */
#define CV_VXLAN_PORT 4789

/** A VPC in VXLAN, or an underlay. */
struct cv_view_vxlan {
	bool on;             /**< a VPC in VXLAN */
	bool is_under;       /**< an underlay */
	uint16_t under;      /**< VPC slot of its underlay */
	uint32_t vni;        /**< 24 bits */
	cv_be32_t vtep;      /**< our address in the underlay */
	uint32_t peer_first; /**< first remote VTEP in cv_view_tunnels.peers */
	uint32_t n_peers;
};

/** A remote VTEP that ARP goes to. */
struct cv_view_peer {
	cv_be32_t ip;
	uint32_t neigh; /**< neighbour slot of the next hop towards it, in the underlay */
};

/**
 * Where a neighbour of a VPC in VXLAN is, by neighbour slot: what its ticket stands for. Two words, of
 * which a reader may see one older than the other; the packet then goes astray as any does that left
 * before its neighbour moved.
 */
struct cv_far {
	_Atomic uint64_t mac_vpc; /**< bits 0..47 its MAC as in memory, 48..63 the VPC slot */
	_Atomic uint64_t vtep;    /**< bits 0..31 its VTEP, 32..63 neighbour slot of the next hop */
};

/** All of it. */
struct cv_view_tunnels {
	const struct cv_view_vxlan *vxlans; /**< by VPC slot; those from n_vxlans on are neither */
	uint32_t n_vxlans;
	const struct cv_view_peer *peers;
	uint32_t n_peers;
	const struct cv_far *fars; /**< by neighbour slot; not copied, outlives the view */
};

/** A ticket's first byte: a group address, which no frame may come from. */
#define CV_TICKET_NEIGH 0x03
#define CV_TICKET_CLIENT 0x01

/** A ticket. @param kind CV_TICKET_... @param id neighbour slot, or the worker's number for a client */
static inline uint64_t cv_ticket(uint8_t kind, uint32_t id)
{
	return (uint64_t)id << 8 | kind;
}

/** Number of a ticket. @param mac 48 bits as in memory; the rest is ignored */
static inline uint32_t cv_ticket_id(uint64_t mac)
{
	return (uint32_t)(mac >> 8);
}
