/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside of the data plane: the worker and what its stages pass to each other.
 *
 * @threads a struct cv_dp_worker belongs to its worker; fields that others touch say so
 */

#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_tcp.h>

#include "cv_dp.h"
#include "cv_flow_hot.h"
#include "cv_snat_hot.h"
#include "cv_tcp_hot.h"
#include "cv_view_hot.h"
#include "dp_make.h"
#include "dp_pkt.h"

/** Packets gathered per port before they are sent. */
#define DP_OUT_MAX 128
/** Entries of the rings towards control and from control; bytes of those to and from the kernel's sockets. */
#define DP_EVENT_RING 1024
#define DP_CMD_RING 1024
#define DP_HOST_RING (256 << 10)
/** PROXY headers that wait for their ACK per worker, CV_TCP_TICK_MS each; beyond, peers' timers must do. */
#define DP_TIMERS 65536
/**
 * Packets that the rings of all other workers give in a turn together: what lies there has cost work already,
 * and gets cold. But ports wait meanwhile.
 */
#define DP_HANDED_MAX (8 * CV_DP_BURST_MAX)
/** In hash.fdir.hi of a packet handed over: it is a client's, whatever pool its addresses name. */
#define DP_AS_CLIENT 1
struct cv_dp_capture;

/** Packets for one port. */
struct dp_out {
	struct rte_mbuf *pkts[DP_OUT_MAX];
	uint16_t n;
};

/** What the flows of a path take. */
struct dp_path_use {
	uint32_t entries;   /**< in the flow table, of flows that linger, too */
	uint32_t half_open; /**< flows whose handshake is not finished */
};

/** A flow whose header is not acknowledged. */
struct dp_timer {
	uint64_t due_ms;
	uint32_t flow;
	cv_be16_t node_port; /**< another one now, or another start: the flow is gone */
	uint16_t start_ms;   /**< low bits of the flow's */
};

/** What control asks. */
struct dp_cmd {
	enum { DP_CMD_ARP, DP_CMD_LIST, DP_CMD_STAGES, DP_CMD_MARK, DP_CMD_CAPTURE } kind;
	bool on; /**< stages, capture */
	uint16_t vpc;
	cv_be32_t sender, ip;
	struct cv_dp_flow_list *list;
	struct cv_dp_marks *marks;
	struct cv_dp_capture *capture;
};

/** A walk over all entries, in pieces. */
struct dp_sweep {
	uint32_t next;                /**< entry to look at next */
	uint64_t last_ms;             /**< when the last piece was done */
	uint32_t credit;              /**< entries that may be looked at now */
	uint64_t wanted;              /**< flows that clients had asked for until then */
	uint64_t pkts;                /**< received and handed over likewise */
	uint64_t gen, sweep;          /**< of the view that the recheck walk is for */
	uint32_t recheck;             /**< next entry of the recheck walk; CV_FLOW_NONE: no walk */
	struct cv_dp_flow_list *list; /**< listing under way */
	uint32_t list_next;
	struct cv_dp_marks *marks; /**< look at slots under way */
	uint32_t mark_next;
};

/** An ARP request on its way to all peers of a VPC in VXLAN, in pieces. */
struct dp_arp_walk {
	bool on;
	uint16_t vpc;
	cv_be32_t sender, ip;
	uint32_t next; /**< peer that is sent to next */
};

/** A worker. */
struct cv_dp_worker {
	/* Read by every packet. */
	CV_CACHE_ALIGNED const struct cv_view *view; /**< valid within one loop */
	struct cv_flow_table *flows;
	struct cv_stats *stats;
	uint64_t now_ms;
	uint32_t id;
	uint32_t n_workers;
	struct cv_stats_obj *paths; /**< stats->obj[CV_STATS_PATH] */
	uint64_t lb_seed;
	struct rte_mempool *mbufs;
	cv_dp_tx_fn *tx;
	void *tx_arg;
	uint16_t n_ports;
	const struct cv_rss_table *const *rss; /**< shape [n_ports]: of all workers; NULL: off */
	struct cv_view_pub *pub;
	uint64_t tsc_per_ms;

	uint32_t n_flows;         /**< that may be; the table has room for some more */
	uint32_t half_open;       /**< flows whose handshake is not finished */
	struct dp_path_use *uses; /**< what each path takes */
	bool staged;              /**< cycles are counted by stage */
	uint64_t stage_mark;      /**< TSC at the end of the last stage */
	struct dp_out *out;       /**< shape [n_ports + 1]; the last: see dp_vxlan.h */
	struct dp_out *handoff;   /**< shape [n_workers]: packets for other workers */
	struct rte_ring **in; /**< shape [n_workers]: from worker i to this one; NULL for itself */
	uint32_t handed_from; /**< whose ring is looked at next */
	struct rte_ring **others; /**< shape [n_workers]: from this one to worker i */
	struct rte_ring *events;  /**< of struct cv_dp_neigh_event, to control */
	struct rte_ring *cmds;    /**< of struct dp_cmd, from control */
	struct cv_pkt_ring *host_up, *host_down; /**< to and from the kernel's sockets */
	struct dp_clients *clients;              /**< those of VPCs in VXLAN */

	struct dp_sweep sweep;
	struct dp_arp_walk arp;
	struct dp_timer *timers; /**< shape [DP_TIMERS]: FIFO */
	uint32_t timer_head, timer_tail;

	struct cv_dp_capture *capture; /**< NULL: none */

	_Atomic int tid; /**< kernel id of the thread that runs it, 0: none; control reads */
};

/** All workers and what control keeps of them. */
struct cv_dp {
	uint64_t tsc_per_ms;
	unsigned int n_workers;
	struct cv_dp_worker **workers;
	struct cv_stats **stats; /**< shape [n_workers] */
	uint16_t n_ports;
	struct cv_rss_table **rss; /**< shape [n_ports]; NULL: off */
};

/* ---- small things, inline (any dp file) ---- */

static inline void dp_event(struct cv_dp_worker *w, enum cv_event event)
{
	cv_ctr_add(&w->stats->ev[event], 1);
}

/** A stage ends here: its cycles since the last mark are counted, if anybody wants them. */
static inline void dp_stage(struct cv_dp_worker *w, enum cv_stage stage)
{
	uint64_t now;

	if (__builtin_expect(!w->staged, 1))
		return;
	now = rte_rdtsc();
	cv_ctr_add(&w->stats->stage_tsc[stage], now - w->stage_mark);
	w->stage_mark = now;
}

/** Capture a packet that is about to be dropped; there is a capture. In dp_capture.c. */
void dp_capture_dropped(struct cv_dp_worker *w, const struct rte_mbuf *m, enum cv_drop reason);

/** Drop a packet: the only way to. */
static inline void dp_drop(struct cv_dp_worker *w, struct rte_mbuf *m, enum cv_drop reason)
{
	cv_ctr_add(&w->stats->drop[reason], 1);
	if (__builtin_expect(w->capture != NULL, 0))
		dp_capture_dropped(w, m, reason);
	rte_pktmbuf_free(m);
}

void dp_out_flush(struct cv_dp_worker *w, uint16_t port);

/** Gather a finished frame for a port. */
static inline void dp_send(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t port)
{
	struct dp_out *out = &w->out[port];

	out->pkts[out->n++] = m;
	if (__builtin_expect(out->n == DP_OUT_MAX, 0))
		dp_out_flush(w, port);
}

void dp_handoff_flush(struct cv_dp_worker *w, uint32_t to);

/** Gather a packet for another worker. @param how 0 or DP_AS_CLIENT */
static inline void dp_handoff(struct cv_dp_worker *w, struct rte_mbuf *m, uint32_t to, uint32_t how)
{
	struct dp_out *out = &w->handoff[to];

	m->hash.fdir.hi = how;
	out->pkts[out->n++] = m;
	if (out->n == DP_OUT_MAX)
		dp_handoff_flush(w, to);
}

/**
 * Tell whether RSS should bring a packet to the worker that owns its flow. It brings what is in VXLAN to
 * wherever the outer headers lead, and never hashes those inside.
 */
static inline bool dp_is_steered(const struct cv_dp_worker *w, const struct dp_pkt *p)
{
	return w->rss[p->m->port] != NULL && w->view->spec.vpcs[p->vpc].port != w->n_ports;
}

/** Worker that owns flows of a client-side hash, where RSS says nothing of them. */
static inline uint32_t dp_hash_owner(const struct cv_dp_worker *w, uint64_t hash)
{
	return (uint32_t)(((uint64_t)(uint32_t)(hash >> 16) * w->n_workers) >> 32);
}

/** Tell whether a flow's handshake is not finished. */
static inline bool dp_is_half_open(const struct cv_flow *flow)
{
	return flow->tcp.state <= CV_TCP_SYN_RCVD;
}

/** Owner word of a flow, as SNAT ports carry it. */
static inline uint32_t dp_owner_word(const struct cv_dp_worker *w, uint32_t flow)
{
	return w->id << 24 | flow;
}

/** What every packet must pass that is to leave into a VPC. */
static inline enum cv_drop dp_out_check(const struct cv_dp_worker *w, const struct dp_pkt *p,
					unsigned int hops, uint16_t out_vpc)
{
	const struct cv_view_vpc *vpc = &w->view->spec.vpcs[out_vpc];
	uint16_t mtu = hops == DP_HOPS_ENDPOINT ? vpc->mtu_by_endpoint : vpc->mtu;

	if (p->ip->time_to_live <= hops)
		return CV_DROP_TTL;
	return p->len > mtu ? CV_DROP_TOO_BIG : CV_DROP_NONE;
}

/** The word of a neighbour slot. */
static inline uint64_t dp_neigh(const struct cv_dp_worker *w, uint32_t slot)
{
	return atomic_load_explicit(&w->view->spec.neigh[slot], memory_order_relaxed);
}

static inline bool dp_neigh_is_known(const struct cv_dp_worker *w, uint32_t slot)
{
	return (dp_neigh(w, slot) & CV_NEIGH_KNOWN) != 0;
}

/** What every packet of a flow must pass to be forwarded. @param[out] ret_neigh the target's next hop */
static inline enum cv_drop dp_forward_check(const struct cv_dp_worker *w, const struct dp_pkt *p,
					    const struct cv_flow *flow, uint64_t *ret_neigh)
{
	uint16_t out_vpc = p->side == DP_CLIENT ? flow->target_vpc : flow->client_vpc;
	enum cv_drop reason = dp_out_check(w, p, dp_hops(flow->path), out_vpc);

	if (reason != CV_DROP_NONE)
		return reason;
	*ret_neigh = 0;
	if (p->side == DP_CLIENT) {
		*ret_neigh = dp_neigh(w, flow->neigh);
		if ((*ret_neigh & CV_NEIGH_KNOWN) == 0)
			return CV_DROP_NEIGHBOUR;
	}
	return CV_DROP_NONE;
}

/**
 * Worker that owns a client's flow: of all its packets, whatever queue each arrives on. So what the NIC
 * says of its hash is not asked.
 *
 * @param p  hash filled
 */
static inline uint32_t dp_owner(const struct cv_dp_worker *w, const struct dp_pkt *p)
{
	const struct cv_rss_table *rss = w->rss[p->m->port];
	const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);

	if (!dp_is_steered(w, p))
		return dp_hash_owner(w, p->hash);
	return cv_rss_worker(rss, cv_rss_hash(rss, p->ip->src_addr, p->ip->dst_addr, tcp->src_port,
					      tcp->dst_port));
}

/** Tell whether the likely flow of a packet is its flow. @param p flow is not CV_FLOW_NONE */
static inline bool dp_is_flow(const struct cv_dp_worker *w, const struct dp_pkt *p)
{
	const struct cv_flow *flow = &w->flows->flows[p->flow];

	if (p->side == DP_TARGET)
		return cv_flow_is_target_side(flow, p->vpc, dp_ips(p->ip), dp_ports(p->ip));
	return cv_flow_is_raw(flow, dp_ips(p->ip), dp_ports(p->ip) | (uint64_t)p->vpc << 32);
}

/* ---- dp_hot.c ---- */

/** The pipeline. @param handed from another worker's ring, not from a port */
void dp_burst(struct cv_dp_worker *w, struct rte_mbuf **pkts, uint16_t n, bool handed);

/** A packet whose flow is p->flow. */
void dp_flow_packet(struct cv_dp_worker *w, struct dp_pkt *p);

/** Send a TCP packet of a flow on to the other side: addresses, ports, TTL, checksums, Ethernet. */
void dp_forward(struct cv_dp_worker *w, const struct dp_pkt *p, struct cv_flow *flow);

/** The same for one that dp_forward_check() let through. @param neigh what that said */
void dp_forward_checked(struct cv_dp_worker *w, const struct dp_pkt *p, struct cv_flow *flow,
			uint64_t neigh);

/* ---- dp_open.c: packets of no flow ---- */

/** Drop SYNs that came beyond the limit of unfinished handshakes. @param pkts shape [n] */
void dp_refuse(struct cv_dp_worker *w, struct rte_mbuf **pkts, uint16_t n);

/** Charge a packet that is no TCP segment of ours to the path that it was on. */
void dp_other_charge(struct cv_dp_worker *w, const struct rte_ipv4_hdr *ip, uint16_t vpc,
		     enum cv_drop reason);

/** A client's packet of no flow: open one, answer with RST, or drop. */
void dp_client_miss(struct cv_dp_worker *w, struct dp_pkt *p);

/** Tell whether a packet that no flow of this worker has is another worker's. For captures: it takes long. */
bool dp_is_foreign(const struct cv_dp_worker *w, const struct dp_pkt *p);

/** A packet to a node's address, from a target, that no flow of this worker has. */
void dp_target_miss(struct cv_dp_worker *w, struct dp_pkt *p);

/* ---- dp_tcp.c: packets that need more than rewriting ---- */

/** A packet of a flow that is not in its steady state. */
void dp_tcp_packet(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t idx);

/** Handle a header timer that is due. */
void dp_tcp_timer(struct cv_dp_worker *w, uint32_t idx);

/** Ask for a call of dp_tcp_timer(). */
void dp_timer_add(struct cv_dp_worker *w, uint32_t idx);

/**
 * End a flow: its port rests from now (of a closed one: since the close), its entry is freed.
 *
 * @param event  why
 */
void dp_flow_end(struct cv_dp_worker *w, uint32_t idx, enum cv_event event);

/** Why a flow that was last heard of long ago has ended; CV_EV_N: it has not. */
enum cv_event dp_flow_expiry(const struct cv_dp_worker *w, const struct cv_flow *flow);

/* ---- dp_end.c: flows that culvert ends ---- */

/** Tell whether culvert has ended a flow: it forwards nothing, and answers with RST until it is freed. */
static inline bool dp_is_killed(const struct cv_flow *flow)
{
	return flow->idle_s == 0;
}

/**
 * End a flow, and with it forget the flow, or tell both of its ends.
 *
 * @param how    enum cv_view_end
 * @param event  why
 */
void dp_flow_kill(struct cv_dp_worker *w, uint32_t idx, uint8_t how, enum cv_event event);

/**
 * What the view means for a flow.
 *
 * @param[out] ret_event  set unless the flow goes on
 * @return enum cv_view_end
 */
uint8_t dp_flow_fate(const struct cv_dp_worker *w, uint32_t idx, enum cv_event *ret_event);

/* ---- dp_age.c ---- */

/**
 * A bounded piece of ageing, rechecking against a new view, and listing.
 *
 * @param pkts  that this turn had: what it may take beside them grows with them
 */
void dp_age(struct cv_dp_worker *w, uint32_t pkts);

/** Start a listing on this worker; no other may be under way. */
void dp_list_start(struct cv_dp_worker *w, struct cv_dp_flow_list *list);

/* ---- dp_mark.c ---- */

/** A bounded piece of the look at slots that is under way, if there is one. */
void dp_mark_piece(struct cv_dp_worker *w);

/** Start a look at slots on this worker; no other may be under way. */
void dp_mark_start(struct cv_dp_worker *w, struct cv_dp_marks *marks);
