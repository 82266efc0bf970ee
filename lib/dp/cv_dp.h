/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The data plane: workers that forward packets, and what control may ask of them.
 *
 * The packet core (cv_dp_burst()) takes bursts of mbufs and hands bursts of mbufs to a transmit
 * function that is passed in. So the same code runs behind ethdev ports, pcap files and benchmarks.
 *
 * @threads create, destroy, requests: control. cv_dp_worker_*(): the worker itself.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cv_net.h"
#include "cv_pkt_ring.h"
#include "cv_rss.h"
#include "cv_stats.h"
#include "cv_view.h"

struct rte_mbuf;
struct rte_mempool;

/** Packets per burst at most. */
#define CV_DP_BURST_MAX 64
/** Workers at most. */
#define CV_DP_WORKERS_MAX 64
/** Logical ports at most. */
#define CV_DP_PORTS_MAX 64

/**
 * Transmit packets by a logical port.
 *
 * @param pkts  shape [n]; those sent are the callee's
 * @return packets taken, from the front; the caller keeps the rest
 * @threads the worker
 */
typedef uint16_t cv_dp_tx_fn(void *arg, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			     uint16_t n);

/**
 * Receive packets for a worker; their mbuf.port is the logical port they came by.
 *
 * @param[out] pkts  shape [CV_DP_BURST_MAX]; now the worker's
 * @return packets received
 * @threads the worker
 */
typedef uint16_t cv_dp_rx_fn(void *arg, unsigned int worker, unsigned int queue,
			     struct rte_mbuf **pkts);

/** What the data plane is made of. */
struct cv_dp_cfg {
	unsigned int n_workers;          /**< 1..CV_DP_WORKERS_MAX */
	uint32_t n_flows;                /**< of each worker, 1..2^24 - 1 */
	uint16_t n_ports;                /**< logical ports, at most CV_DP_PORTS_MAX */
	uint32_t n_obj[CV_STATS_KIND_N]; /**< counted slots per kind */
	/**
	 * Shape [n_ports], or NULL: none is on. Where clients' packets arrive by RSS is where their flows
	 * are, so that none is handed over; where a port is off, or errs, they are. Not kept.
	 */
	const struct cv_rss *rss;
	struct rte_mempool *mbufs; /**< for packets that workers make */
	struct cv_view_pub *pub;   /**< where workers read the view, reader ids = worker ids */
	cv_dp_tx_fn *tx;
	void *tx_arg;
	uint64_t seed;   /**< random secret of flow hash and target choice */
	uint64_t tsc_hz; /**< TSC cycles per second */
};

struct cv_dp;
struct cv_dp_worker;

/**
 * Packets that may wait between workers when one of them is not run: those that the others have handed to
 * it, and what each has taken from such rings in a turn. The pool must have so many beside those in queues
 * of devices and those received in a turn, or the others receive none.
 */
uint32_t cv_dp_apart_max(unsigned int n_workers);

/**
 * Make the data plane: workers, their tables, counters and rings.
 *
 * @param[out] ret_dp  untouched on failure
 * @return 0, -EINVAL (a number is out of range), or -ENOMEM
 * @owner  caller; cv_dp_destroy()
 */
int cv_dp_create(const struct cv_dp_cfg *cfg, struct cv_dp **ret_dp);

/** Free the data plane and every packet it holds. No worker may run. NULL is fine. */
void cv_dp_destroy(struct cv_dp *dp);

/** A worker by its id. */
struct cv_dp_worker *cv_dp_worker_get(struct cv_dp *dp, unsigned int id);

/** Kernel id of the thread in cv_dp_worker_run(), 0 while there is none. @threads any */
int cv_dp_worker_tid(const struct cv_dp *dp, unsigned int id);

/** Counter blocks of all workers. @return shape [n_workers], valid as long as dp */
struct cv_stats *const *cv_dp_stats(const struct cv_dp *dp);

/** The workers' clock: what control must pass where a worker's now_ms is wanted. @threads any */
uint64_t cv_dp_now_ms(const struct cv_dp *dp);

/* ---- the worker's side ---- */

/**
 * The packet core: forward, answer or drop each packet of a burst. Packets to send are gathered until
 * cv_dp_worker_flush().
 *
 * @param view    current view, not NULL
 * @param pkts    shape [n], n <= CV_DP_BURST_MAX; taken over
 * @param now_ms  monotonic time, milliseconds; the same clock in all calls
 */
void cv_dp_burst(struct cv_dp_worker *w, const struct cv_view *view, struct rte_mbuf **pkts,
		 uint16_t n, uint64_t now_ms);

/**
 * Everything that is not a received packet: packets handed over by other workers, control's requests,
 * header timers, and a bounded piece of ageing.
 *
 * @return packets handled
 */
unsigned int cv_dp_worker_poll(struct cv_dp_worker *w, const struct cv_view *view, uint64_t now_ms);

/** Send what was gathered. Packets that a port does not take are dropped and counted. */
void cv_dp_worker_flush(struct cv_dp_worker *w);

/** What a worker thread runs. */
struct cv_dp_run {
	struct cv_dp_worker *worker;
	cv_dp_rx_fn *rx;
	void *rx_arg;
	unsigned int n_queues;    /**< receive queues of this worker */
	const _Atomic bool *stop; /**< leave when set */
};

/**
 * The worker loop: receive, forward, send, until told to stop.
 *
 * @param arg  struct cv_dp_run, valid until it returns
 * @return 0
 */
int cv_dp_worker_run(void *arg);

/* ---- control's side ---- */

/**
 * Start or stop counting cycles by stage (struct cv_stats, stage_tsc and stage_pkts) in all workers. Off at
 * the start; while off it costs a branch per stage and burst.
 *
 * @return 0, or -EAGAIN when a command ring is full: some workers may have been told, try again
 */
int cv_dp_stages_set(struct cv_dp *dp, bool on);

/**
 * Ask for a neighbour by ARP: broadcast `who has ip` from one of our addresses.
 *
 * @param vpc     VPC slot
 * @param sender  our address there
 * @return 0, or -EAGAIN when the worker's command ring is full
 */
int cv_dp_arp_request(struct cv_dp *dp, uint16_t vpc, cv_be32_t sender, cv_be32_t ip);

/** Announce one of our addresses (gratuitous ARP). @return as cv_dp_arp_request() */
int cv_dp_arp_announce(struct cv_dp *dp, uint16_t vpc, cv_be32_t ip);

/**
 * The rings between a worker and the kernel's sockets.
 *
 * @param[out] ret_up    the worker puts: packets for the kernel, with their sender's MAC
 * @param[out] ret_down  the worker pops: packets of the kernel, with the MAC to send them to
 * @owner  dp
 */
void cv_dp_host_rings_get(struct cv_dp *dp, unsigned int worker, struct cv_pkt_ring **ret_up,
			  struct cv_pkt_ring **ret_down);

/** A neighbour that a worker saw in an ARP packet. */
struct cv_dp_neigh_event {
	cv_be32_t ip;
	cv_be32_t vtep; /**< the remote VTEP that it is behind; 0: its VPC is not in VXLAN */
	uint16_t vpc;   /**< VPC slot */
	uint8_t mac[6];
};

/**
 * Take neighbour events from all workers.
 *
 * @param[out] events  shape [n_max]
 * @return events written
 */
unsigned int cv_dp_neigh_burst(struct cv_dp *dp, struct cv_dp_neigh_event *events,
			       unsigned int n_max);

/** A flow as control sees it. */
struct cv_dp_flow_info {
	cv_be32_t client_ip, dialled_ip, node_ip, target_ip;
	cv_be16_t client_port, dialled_port, node_port, target_port;
	uint16_t client_vpc, target_vpc;     /**< VPC slots */
	uint32_t endpoint, listener, target; /**< slots */
	uint32_t idle_ms;                    /**< since the last packet */
	uint32_t age_ms;                     /**< since the SYN */
	uint8_t worker;
	uint8_t state;      /**< enum cv_tcp_state */
	uint8_t header_len; /**< PROXY header bytes, 0 = off */
	bool header_done;   /**< the target has acknowledged the header (or there is none) */
	uint8_t client_mac[6];
	cv_be32_t client_vtep; /**< the remote VTEP that it is behind; 0: none */
};

/** Which flows to list. */
struct cv_dp_flow_filter {
	uint32_t endpoint; /**< slot, CV_VIEW_NONE = any */
	uint32_t target;   /**< slot, CV_VIEW_NONE = any */
	int state;         /**< enum cv_tcp_state, -1 = any */
};

/** A running listing. Workers fill it piece by piece beside their work. */
struct cv_dp_flow_list;

/**
 * Start to list flows.
 *
 * @param      n_max     records kept per worker; more are only counted
 * @param[out] ret_list  the listing
 * @return 0, -ENOMEM, or -EAGAIN when a command ring is full
 * @owner  caller; cv_dp_flow_list_destroy() once done
 */
int cv_dp_flow_list_create(struct cv_dp *dp, const struct cv_dp_flow_filter *filter, uint32_t n_max,
			   struct cv_dp_flow_list **ret_list);

/** Tell whether every worker has finished; only then may the listing be read or destroyed. */
bool cv_dp_flow_list_is_done(const struct cv_dp_flow_list *list);

/**
 * The flows of one worker.
 *
 * @param[out] ret_matched  flows that matched, kept or not
 * @param[out] ret_n        records kept
 * @return shape [*ret_n]
 */
const struct cv_dp_flow_info *cv_dp_flow_list_get(const struct cv_dp_flow_list *list,
						  unsigned int worker, uint64_t *ret_matched,
						  uint32_t *ret_n);

/** Free a finished listing. NULL is fine. */
void cv_dp_flow_list_destroy(struct cv_dp_flow_list *list);

/* ---- slots in use ---- */

/** Kinds of slots that flows hold. */
enum cv_dp_mark {
	CV_DP_MARK_VPC,
	CV_DP_MARK_PATH,
	CV_DP_MARK_LISTENER,
	CV_DP_MARK_TARGET,
	CV_DP_MARK_NEIGH,
	CV_DP_MARK_N,
};

/** A running look at which slots flows hold. Workers make it piece by piece beside their work. */
struct cv_dp_marks;

/**
 * Start to look. Flows opened meanwhile may be missed: ask about slots that no view holds any more.
 *
 * @param      n          shape [CV_DP_MARK_N]: slots of each kind
 * @param[out] ret_marks  untouched on failure
 * @return 0, -ENOMEM, or -EAGAIN when a command ring is full
 * @owner  caller; cv_dp_marks_destroy() once done
 */
int cv_dp_marks_create(struct cv_dp *dp, const uint32_t *n, struct cv_dp_marks **ret_marks);

/** Tell whether every worker has finished; only then may the marks be read or destroyed. */
bool cv_dp_marks_is_done(const struct cv_dp_marks *marks);

/** Tell whether a flow holds a slot. @param slot below n of its kind */
bool cv_dp_marks_has(const struct cv_dp_marks *marks, enum cv_dp_mark kind, uint32_t slot);

/** Free finished marks, or unfinished ones when no worker runs. NULL is fine. */
void cv_dp_marks_destroy(struct cv_dp_marks *marks);
