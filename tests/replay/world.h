/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A small region for tests of the packet core: two consumer VPCs with one CIDR (one on port 0 untagged,
 * one on port 0 VLAN 7), a provider VPC on port 1 with a two-zone NLB, and the data plane on it with a
 * clock of its own. No ports: what would be sent is caught.
 */

#include <stdbool.h>
#include <stdint.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "cv_dp.h"

#define WORLD_WORKERS_MAX 4
#define WORLD_CAUGHT_MAX 4096
#define WORLD_PEERS_MAX 320
#define WORLD_FRAME_MAX 2048

/** VPC slots. */
enum { VPC_A, VPC_B, VPC_P, VPC_U0, VPC_U1, N_VPCS };
/** Endpoint slots. */
enum { EP_DIRECT, EP_A, EP_B, EP_PENDING, EP_REJECTED, EP_GUARDED, N_EPS };
/** Our addresses, as they stand in world.locals. */
enum {
	LOCAL_A,
	LOCAL_A2,
	LOCAL_B,
	LOCAL_PENDING,
	LOCAL_REJECTED,
	LOCAL_GUARDED,
	LOCAL_NODE_0,
	LOCAL_NODE_1,
	LOCAL_NO_NODE,
	LOCAL_SERVICE,
	LOCAL_VTEP_0,
	LOCAL_VTEP_1,
	N_LOCALS,
};
/** Listener ports. */
enum { L_PROXY = 80, L_PLAIN = 81, L_FIRST_ACK = 82, L_EMPTY = 83 };

/* A constant also where a call is none. */
#define IP4(a, b, c, d) __builtin_bswap32((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))
#define CLIENT_IP IP4(10, 1, 0, 50)
#define ENI_A IP4(10, 1, 0, 20)  /* in VPC_A and in VPC_B */
#define ENI_A2 IP4(10, 1, 1, 20) /* EP_A's ENI in zone 1 */
#define ENI_PENDING IP4(10, 1, 0, 21)
#define ENI_REJECTED IP4(10, 1, 0, 22)
#define ENI_GUARDED IP4(10, 1, 0, 23)
#define ENI_NO_NODE IP4(10, 1, 0, 24)
#define SERVICE IP4(10, 1, 0, 2) /* in VPC_A; nothing answers unless hosts say so */
#define NODE_0 IP4(10, 0, 0, 10)
#define NODE_1 IP4(10, 0, 1, 10)
#define TARGET_0 IP4(10, 0, 0, 30)
#define TARGET_1 IP4(10, 0, 1, 31)
#define TARGET_PORT 8080
/* With world_cfg.vxlan: ours, and the one other of VPC_B, and of VPC_P. */
#define VTEP_0 IP4(192, 168, 0, 1)
#define VTEP_1 IP4(192, 168, 1, 1)
#define PEER_0 IP4(192, 168, 0, 9)
#define PEER_1 IP4(192, 168, 1, 9)
#define VNI_B 0x123456
#define VNI_P 8

struct world_cfg {
	unsigned int n_workers; /**< 0 = 1 */
	uint16_t n_ports;       /**< SNAT ports per pool, 0 = 1000 */
	uint32_t n_flows;       /**< 0 = 1024 */
	uint32_t n_mbufs;       /**< 0 = 4095 */
	uint32_t rest_ms;       /**< 0 = 60,000 */
	bool exhausted_reset;
	uint32_t half_open_max; /**< 0 = any */
	bool cross_zone;        /**< zone 0 may choose both targets */
	uint16_t mtu;           /**< 0 = 1500 */
	bool vxlan; /**< VPC_B is in VXLAN on port 0, VLAN 9 (VPC_U0); VPC_P on port 1 (VPC_U1) */
	cv_dp_tx_fn *tx;          /**< instead of catching what is sent; NULL = catch */
	void *tx_arg;             /**< for tx */
	const char *mbuf_ops;     /**< mempool operations, NULL = DPDK's own */
	const struct cv_rss *rss; /**< of both ports, shape [2]; NULL = off */
};

struct world_frame {
	uint16_t port, len;
	uint8_t worker;
	uint8_t data[WORLD_FRAME_MAX];
};

struct world {
	struct cv_dp *dp;
	struct cv_view_pub *pub;
	struct cv_snat_registry *registry;
	struct cv_snat_map *snat_map; /**< of the provider's port, NULL if its RSS is off */
	struct rte_mempool *mbufs;
	unsigned int n_workers;
	uint64_t now_ms;
	uint64_t gen, sweep;
	struct world_frame *out; /**< shape [WORLD_CAUGHT_MAX]: what was sent, in order */
	unsigned int n_out;
	uint16_t tx_room; /**< packets that a transmit call takes, UINT16_MAX = all */
	/* The view's parts, to be changed before world_publish(). */
	struct cv_view_vpc vpcs[N_VPCS];
	struct cv_view_endpoint endpoints[N_EPS];
	struct cv_view_listener listeners[4];
	struct cv_view_forward forwards[2];
	bool sticky;    /**< all groups are */
	bool unhealthy; /**< zone 0 has no healthy target */
	struct cv_view_target targets[2];
	struct cv_view_settings settings;
	struct cv_view_local locals[N_LOCALS];
	struct cv_view_path paths[N_LOCALS + 1]; /**< of each local: one behind its own place */
	struct cv_view_node nodes[2];
	struct cv_view_sg_rule node_rule; /**< rule 1 */
	cv_be32_t sg_ips[8];              /**< for it */
	bool cross_zone;
	struct cv_view_host hosts[N_VPCS];
	struct cv_view_service services[2]; /**< port 53 of SERVICE, UDP and TCP */
	cv_neigh_t neigh[4];                /**< targets, then PEER_0 and PEER_1 */
	struct cv_view_vxlan vxlans[N_VPCS];
	uint32_t n_vxlans;
	struct cv_view_peer peers[WORLD_PEERS_MAX];
	uint32_t n_peers;
	struct cv_far fars[4];
	struct cv_snat_cfg snat;
};

/** Start the EAL once, without ports or huge pages. */
void world_eal(void);

/** Make a world; fails the test if it can not. */
struct world *world_create(const struct world_cfg *cfg);

/** Check that no packet was lost or leaked, and free. */
void world_destroy(struct world *w);

/** Build a view of the parts and publish it under the next generation. */
void world_publish(struct world *w);

/** Of all VPCs: what an endpoint carries, and the clamp on the MSS; 0: as it is. Publishes. */
void world_limit(struct world *w, uint16_t endpoint_mtu, uint16_t mss_max);

/** A frame as it comes from a port. */
struct rte_mbuf *world_mbuf(struct world *w, uint16_t port, const uint8_t *data, uint16_t len);

/** Hand a burst to a worker, then let every worker finish its work. @param pkts shape [n] */
void world_burst(struct world *w, unsigned int worker, struct rte_mbuf **pkts, uint16_t n);

/** Hand one frame that came by a port to a worker, then let every worker finish its work. */
void world_rx(struct world *w, unsigned int worker, uint16_t port, const uint8_t *data,
	      uint16_t len);

/** Let time pass in steps, with all workers polling. */
void world_wait(struct world *w, uint64_t ms);

/** Sum of a drop reason over workers. */
uint64_t world_drops(const struct world *w, enum cv_drop reason);
uint64_t world_endpoint_drops(const struct world *w, uint32_t slot, enum cv_drop reason);
/** What the path of one of our addresses has counted. @param local LOCAL_A and so on */
struct cv_stats_obj_sum world_path_sum(const struct world *w, int local);
uint64_t world_path_events(const struct world *w, int local, enum cv_path_event event);
/** What the paths of an endpoint have counted together. */
struct cv_stats_obj_sum world_endpoint_sum(const struct world *w, uint32_t slot);
/** Sum of an event over workers. */
uint64_t world_events(const struct world *w, enum cv_event event);
/** Live flows. */
uint64_t world_flows(const struct world *w);

/** A TCP segment in words, for building and for what came out. */
struct seg {
	uint16_t port; /**< logical port */
	uint16_t vlan; /**< 0 = untagged */
	uint8_t dst_mac[6], src_mac[6];
	cv_be32_t src, dst;
	uint16_t sport, dport; /**< host order */
	uint32_t seq, ack;
	uint8_t flags, ttl, tos;
	uint16_t id, wnd;
	uint8_t opts[40];
	uint8_t opts_len;
	const uint8_t *payload;
	uint16_t len;
	uint16_t pad; /**< Ethernet padding after the packet */
};

/** Write a segment as a frame with right checksums. @return bytes */
uint16_t seg_build(const struct seg *s, uint8_t *frame);

/** Let a segment announce an MSS, its only option. */
void seg_mss(struct seg *s, uint16_t mss);

/** Read a frame that came out; fails the test if a length or checksum is wrong. */
struct seg seg_parse(const struct world_frame *f);

/** The MAC of one of our addresses. */
void world_mac(const struct world *w, unsigned int vpc, cv_be32_t ip, bool node, uint8_t *mac);
