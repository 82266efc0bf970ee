/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Lookups in a view, inline. Read-only, no locks, no allocation.
 *
 * The indexes are open-addressing tables at most half full, made once per view, so a lookup is one or two
 * probes in lines that are hot when few addresses carry the traffic.
 *
 * @threads any worker that is between cv_view_read() and cv_view_quiescent()
 */

#include "cv_view.h"

/** Slot of the address index. */
struct cv_view_local_slot {
	uint64_t key; /**< cv_view_local_key(); CV_VIEW_KEY_FREE when free */
	uint32_t local;
	uint32_t pad;
};

/** Slot of the pool index. */
struct cv_view_pool_slot {
	uint64_t ips;  /**< cv_view_pool_ips(); 0 when free (no node has address 0.0.0.0) */
	uint32_t rest; /**< cv_view_pool_rest() */
	uint32_t pool; /**< index in spec.pools */
	struct cv_snat_pool *ptr;
	uint64_t pad;
};

/** Slot of the listener index. */
struct cv_view_listener_slot {
	uint64_t key; /**< cv_view_listener_key(); CV_VIEW_KEY_FREE when free */
	uint32_t listener;
	uint32_t pad;
};

/** Slot of the index of VXLAN networks. */
struct cv_view_vni_slot {
	uint64_t key; /**< cv_view_vni_key(); CV_VIEW_KEY_FREE when free */
	uint16_t vpc;
};

#define CV_VIEW_KEY_FREE UINT64_MAX

/** Where the VLANs of one port lead. */
struct cv_view_port {
	uint16_t untagged;    /**< VPC slot or CV_VIEW_NO_VPC */
	const uint16_t *vlan; /**< shape [4096] of VPC slots, NULL when the port carries no VLAN */
};

/** The view. Workers read spec's arrays and the indexes; nobody writes. */
struct cv_view {
	struct cv_view_spec spec;
	struct cv_view_port *ports;
	struct cv_view_local_slot *local_idx;
	struct cv_view_pool_slot *pool_idx;
	struct cv_view_listener_slot *listener_idx;
	struct cv_view_vni_slot *vni_idx;
	uint32_t local_mask, pool_mask, listener_mask, vni_mask;
	void *mem; /**< the one block behind everything above */
};

/**
 * Hash of a key. Both halves of the product: in network order the octets that tell addresses apart are
 * the high ones, and they reach only the upper half.
 */
static inline uint32_t cv_view_mix(uint64_t x)
{
	unsigned __int128 product = (unsigned __int128)x * 0x9e3779b97f4a7c15;

	return (uint32_t)(product >> 32) ^ (uint32_t)(product >> 64);
}

/** Key of one of our addresses. */
static inline uint64_t cv_view_local_key(uint16_t vpc, cv_be32_t ip)
{
	return (uint64_t)vpc << 32 | ip;
}

/** Key of a listener. @param port host order */
static inline uint64_t cv_view_listener_key(uint32_t lb, uint16_t port)
{
	return (uint64_t)lb << 16 | port;
}

/** Key of a VXLAN network. @param under VPC slot of the underlay */
static inline uint64_t cv_view_vni_key(uint16_t under, uint32_t vni)
{
	return (uint64_t)under << 32 | vni;
}

/** What a VPC is in VXLAN; NULL: it is neither in it nor an underlay. */
static inline const struct cv_view_vxlan *cv_view_vxlan_find(const struct cv_view *view,
							     uint16_t vpc)
{
	const struct cv_view_tunnels *t = &view->spec.tunnels;

	return vpc < t->n_vxlans && (t->vxlans[vpc].on || t->vxlans[vpc].is_under) ? &t->vxlans[vpc]
										   : NULL;
}

/** Tell whether a VPC is in VXLAN. */
static inline bool cv_view_is_vxlan(const struct cv_view *view, uint16_t vpc)
{
	return vpc < view->spec.tunnels.n_vxlans && view->spec.tunnels.vxlans[vpc].on;
}

/** VPC slot of a VXLAN network, CV_VIEW_NO_VPC if none. */
static inline uint16_t cv_view_vni_find(const struct cv_view *view, uint16_t under, uint32_t vni)
{
	uint64_t key = cv_view_vni_key(under, vni);
	uint32_t i = cv_view_mix(key) & view->vni_mask;

	while (view->vni_idx[i].key != key) {
		if (view->vni_idx[i].key == CV_VIEW_KEY_FREE)
			return CV_VIEW_NO_VPC;
		i = (i + 1) & view->vni_mask;
	}
	return view->vni_idx[i].vpc;
}

/** First half of a pool's key. */
static inline uint64_t cv_view_pool_ips(cv_be32_t node_ip, cv_be32_t target_ip)
{
	return (uint64_t)node_ip << 32 | target_ip;
}

/** Second half of a pool's key. */
static inline uint32_t cv_view_pool_rest(uint16_t vpc, cv_be16_t target_port)
{
	return (uint32_t)vpc << 16 | target_port;
}

/** Hash of a pool's key. */
static inline uint32_t cv_view_pool_mix(uint64_t ips, uint32_t rest)
{
	return cv_view_mix(ips ^ (uint64_t)rest * 0xc2b2ae3d27d4eb4f);
}

/** VPC slot of a frame, CV_VIEW_NO_VPC if none. @param vlan VLAN id, 0 = untagged */
static inline uint16_t cv_view_vpc_find(const struct cv_view *view, uint16_t port, uint16_t vlan)
{
	const struct cv_view_port *p = &view->ports[port];

	if (vlan == 0)
		return p->untagged;
	return p->vlan != NULL ? p->vlan[vlan & 4095] : CV_VIEW_NO_VPC;
}

/** Our address in a VPC; NULL if it is not ours. */
static inline const struct cv_view_local *cv_view_local_find(const struct cv_view *view,
							     uint16_t vpc, cv_be32_t ip)
{
	uint64_t key = cv_view_local_key(vpc, ip);
	uint32_t i = cv_view_mix(key) & view->local_mask;

	while (view->local_idx[i].key != key) {
		if (view->local_idx[i].key == CV_VIEW_KEY_FREE)
			return NULL;
		i = (i + 1) & view->local_mask;
	}
	return &view->spec.locals[view->local_idx[i].local];
}

/** Pool that a packet from a target names; NULL if it names none. */
static inline struct cv_snat_pool *cv_view_pool_find(const struct cv_view *view, uint16_t vpc,
						     cv_be32_t node_ip, cv_be32_t target_ip,
						     cv_be16_t target_port)
{
	uint64_t ips = cv_view_pool_ips(node_ip, target_ip);
	uint32_t rest = cv_view_pool_rest(vpc, target_port);
	uint32_t i = cv_view_pool_mix(ips, rest) & view->pool_mask;
	const struct cv_view_pool_slot *slot = &view->pool_idx[i];

	while (slot->ips != ips || slot->rest != rest) {
		if (slot->ips == 0)
			return NULL;
		i = (i + 1) & view->pool_mask;
		slot = &view->pool_idx[i];
	}
	return slot->ptr;
}

/** Listener slot of a load balancer's port (host order); CV_VIEW_NONE if there is none. */
static inline uint32_t cv_view_listener_find(const struct cv_view *view, uint32_t lb, uint16_t port)
{
	uint64_t key = cv_view_listener_key(lb, port);
	uint32_t i = cv_view_mix(key) & view->listener_mask;

	while (view->listener_idx[i].key != key) {
		if (view->listener_idx[i].key == CV_VIEW_KEY_FREE)
			return CV_VIEW_NONE;
		i = (i + 1) & view->listener_mask;
	}
	return view->listener_idx[i].listener;
}
