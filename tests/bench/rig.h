/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the in-process benchmarks share: a small region (endpoints, one node, many targets) on the
 * packet core, flows opened through it packet by packet, their frames, and loops that replay those with
 * receive and transmit included and time themselves in short batches, so that the median does not count
 * what the machine did meanwhile.
 *
 * @threads the one that made it, but for rig_replay(): one thread per worker
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "cv_dp.h"

#define RIG_BURST 64
#define RIG_TARGETS_MAX 256
#define RIG_FRAME_MAX 1536
/** Bytes of outer headers. */
#define RIG_OUTER_LEN 50

/** Directions, also the ports that frames come by. */
enum rig_dir { RIG_C2T, RIG_T2C, RIG_N_DIRS };

/** What a rig is made of. */
struct rig_cfg {
	unsigned int n_workers; /**< 0 = 1 */
	uint32_t n_flows;       /**< room for flows of each worker */
	uint32_t n_targets;     /**< 0 = 32 */
	uint32_t n_enis;    /**< 0 = 1; each of an endpoint of its own; flows dial them in turn */
	uint16_t n_ports;   /**< SNAT ports per target, 0 = 55000 */
	bool proxy;         /**< PROXY header on */
	uint32_t linger_ms; /**< 0 = 2000 */
	uint32_t rest_ms;   /**< of SNAT ports, 0 = 60000 */
	unsigned int
		vxlan; /**< bit per enum rig_dir: the VPC that its frames come from is in VXLAN */
};

/** Where the flows are: addresses in host order, and what frames need. */
struct rig_net {
	uint32_t clients;   /**< the first of them */
	uint32_t eni, node; /**< first dialled address of n_enis in a row, node's address */
	uint32_t target;    /**< the first of n_targets in a row */
	uint16_t listener_port, target_port;
	uint16_t mac_prefix[RIG_N_DIRS]; /**< of the VPC that the direction's frames come from */
	uint16_t port[RIG_N_DIRS];       /**< logical port that they come by */
};

/** An open flow, as its target sees it. */
struct rig_flow {
	cv_be16_t node_port;
	uint8_t target;
	uint8_t worker; /**< its owner */
};

/** Per-worker counts of the transmit function. */
struct rig_sent {
	_Alignas(64) uint64_t pkts[RIG_N_DIRS]; /**< by the port they left by */
};

/** The rig. Read freely; written by rig.c. */
struct rig {
	struct rig_cfg cfg;
	struct cv_dp *dp;
	struct cv_view_pub *pub;
	struct cv_snat_registry *registry;
	struct rte_mempool *mbufs;
	cv_neigh_t neigh[RIG_TARGETS_MAX + RIG_N_DIRS]; /**< targets, then the remote VTEPs */
	struct cv_far fars[RIG_TARGETS_MAX + RIG_N_DIRS];
	struct rig_net net;
	uint64_t now_ms;
	struct rig_flow *flows; /**< shape [n_slots]: flow i at i % n_slots */
	uint32_t n_slots;
	uint32_t n_open; /**< flows opened: 0 .. n_open - 1 */
	struct rig_sent sent[CV_DP_WORKERS_MAX];
	bool ethdev; /**< transmit by queue 0 of the ethdev with the logical port's number */
	uint64_t fed_cycles; /**< of rig_feed() and rig_done(), receive to free */
	/* While flows are opened: what was sent. */
	bool catching;
	unsigned int n_caught;
	struct rte_mbuf *caught[4 * RIG_BURST];
	uint8_t caught_by[4 * RIG_BURST]; /**< worker */
};

/** Frames to replay, all of one length. */
struct rig_frames {
	uint8_t *mem; /**< shape [n][stride] */
	uint8_t *dir; /**< shape [n / RIG_BURST]: enum rig_dir of a whole burst */
	uint32_t n;   /**< a multiple of RIG_BURST */
	uint16_t len, stride;
};

/** What a replay measured: medians over batches. */
struct rig_times {
	double core_cycles; /**< of cv_dp_burst() and flush, per packet */
	double all_cycles;  /**< of the whole loop: receive, core, transmit, upkeep */
	double mpps;        /**< by all_cycles */
	uint64_t n_pkts;
};

/** Print what failed and end the process. */
void rig_die(const char *what) __attribute__((noreturn));

/**
 * Start the EAL.
 *
 * @param cores  as for `--lcores`; the main lcore is the first: this thread's
 * @param huge   use huge pages
 * @param more   further arguments, NULL-terminated; NULL = none
 */
void rig_eal(const char *cores, bool huge, const char *const *more);

/** Make a rig; ends the process if it can not. */
struct rig *rig_create(const struct rig_cfg *cfg);

/**
 * Make a rig on a data plane that somebody else made, whose tx is rig_tx() with the rig as its argument.
 *
 * @param dp  may be NULL and set later
 */
struct rig *rig_attach(const struct rig_cfg *cfg, const struct rig_net *net, struct cv_dp *dp,
		       struct cv_view_pub *pub);

/** The transmit function: counts and frees, or catches while flows are opened. @param arg the rig */
uint16_t rig_tx(void *arg, unsigned int worker, uint16_t port, struct rte_mbuf **pkts, uint16_t n);

/** Free it. NULL is fine. */
void rig_destroy(struct rig *r);

/** Publish a view of the rig's region under the next generation. */
void rig_publish(struct rig *r);

/** Open flows n_open .. n_open + n - 1 and bring them to the established state. */
void rig_open(struct rig *r, uint32_t n);

/**
 * Send only the SYNs of flows from `first`, at most RIG_BURST of them.
 *
 * @return SYNs that reached a target; with those, flows[] is filled. Their frames are freed
 */
unsigned int rig_syn(struct rig *r, uint32_t first, unsigned int n);

/**
 * Run frames of flows first .. first + n - 1 through the core, each at its flow's owner, then all workers
 * until nothing is left to do. What is sent is caught.
 */
void rig_feed(struct rig *r, uint32_t first, unsigned int n, uint8_t (*frames)[64],
	      enum rig_dir dir);

/** Free what was caught. @return packets */
unsigned int rig_done(struct rig *r);

/** Write one frame of an open flow. @param f shape [len], 60 <= len <= RIG_FRAME_MAX */
void rig_frame(const struct rig *r, uint32_t flow, enum rig_dir dir, uint16_t len, uint8_t *f);

/** VPC slots: where clients and targets are, and what carries these in VXLAN. */
enum { RIG_VPC_C, RIG_VPC_P, RIG_VPC_UNDER_C, RIG_VPC_UNDER_P, RIG_N_VPCS };

/**
 * Put VPCs of a view into VXLAN, as the rig's configuration says.
 *
 * @param vpcs  shape [RIG_N_VPCS]: the first two are filled
 */
void rig_vxlan_put(struct rig *r, struct cv_view_spec *spec, struct cv_view_vpc *vpcs);

/**
 * Put outer headers in front of a frame if its VPC is in VXLAN.
 * @param f  shape [len + RIG_OUTER_LEN]
 * @return bytes
 */
uint16_t rig_wrap(const struct rig *r, enum rig_dir dir, uint8_t *f, uint16_t len);

/** A segment: numbers relative to the two ends' initial ones. */
struct rig_seg {
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t payload;
};

/** Write a client's frame. @param f shape [64]; payload bytes beyond are the caller's */
void rig_client_frame(const struct rig *r, uint32_t flow, struct rig_seg seg, uint8_t *f);

/** Write a target's frame, likewise; the flow must have reached its target. */
void rig_target_frame(const struct rig *r, uint32_t flow, struct rig_seg seg, uint8_t *f);

/**
 * Frames of open flows in random order, whole bursts of one direction after the other.
 *
 * @param n        frames, rounded up to whole bursts
 * @param dirs     bit per enum rig_dir
 * @param worker   only flows of this owner; -1: of all. Bit 8 set: t2c frames of the others' flows
 * @param len      of a frame
 */
struct rig_frames rig_frames_get(const struct rig *r, uint32_t n, unsigned int dirs, int worker,
				 uint16_t len);

#define RIG_WRONG_QUEUE 0x100

/** Free frames. */
void rig_frames_put(struct rig_frames *frames);

/**
 * Replay frames through a worker from this thread for `seconds`: allocate buffers, copy the frames in,
 * run the core, free what it sends. Every packet must come out.
 */
struct rig_times rig_replay(struct rig *r, const struct rig_frames *frames, double seconds);

/**
 * RIG_BURST connections from SYN to the last ACK, eight packets each, flow numbers from `first` on.
 *
 * @return cycles per connection, receive and transmit included
 */
double rig_connect(struct rig *r, uint32_t first);

/** Median of v. @param v shape [n], n >= 1; sorted in place */
double rig_median(double *v, size_t n);

/** Frames that follow each other in memory. */
struct rig_src {
	const uint8_t *frames;
	uint16_t stride; /**< from one to the next, bytes */
	uint16_t len;    /**< of each, bytes */
	uint16_t port;   /**< logical port that they come by */
};

/** Copy frames into new buffers. @return n, or 0 when there are not enough */
uint16_t rig_rx(struct rig *r, struct rig_src src, struct rte_mbuf **pkts, uint16_t n);

/** Use every port of every pool once, so that all memory of the pools is touched. Before any flow. */
void rig_ports_touch(struct rig *r);

/** Sum over workers of a drop reason. */
uint64_t rig_drops(const struct rig *r, enum cv_drop reason);
/** Sum over workers of all drops. */
uint64_t rig_all_drops(const struct rig *r);
/** Sum over workers of an event. */
uint64_t rig_events(const struct rig *r, enum cv_event event);

/** Resident bytes of the process. */
uint64_t rig_resident(void);
