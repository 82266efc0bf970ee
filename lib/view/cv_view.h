/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The view: the immutable picture of everything a worker needs to forward.
 *
 * plan fills a struct cv_view_spec, cv_view_create() copies it and adds the hash indexes, ctl publishes
 * it, workers read it. Nothing in a view changes after cv_view_create() but what it points at: the
 * SNAT pools and the neighbour words, which are made for that.
 *
 * Slots (indexes into the arrays below) are stable: the same object keeps its slot in every view of one
 * process, because flows and counters hold slots. A slot whose object is gone stays, marked unused.
 *
 * @threads create, destroy: control. Lookups (cv_view_hot.h): any worker.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_net.h"
#include "cv_ppv2.h"
#include "cv_snat.h"
#include "cv_view_path.h"
#include "cv_view_vxlan.h"

/** No slot. */
#define CV_VIEW_NONE UINT32_MAX
/** No VPC. */
#define CV_VIEW_NO_VPC UINT16_MAX
/** The endpoint slot of flows that dial the NLB itself: never pending, header without VPCE id. */
#define CV_VIEW_DIRECT 0

/** A VPC and how frames reach it. */
struct cv_view_vpc {
	bool used;
	uint16_t port;            /**< logical port; n_ports: in VXLAN */
	uint16_t vlan;            /**< VLAN id, 0 = untagged */
	uint16_t mac_prefix;      /**< cv_mac_prefix() of the VPC */
	uint16_t mss_max;         /**< highest MSS let through in SYN segments of its flows */
	uint16_t mtu;             /**< largest IP packet that may leave into it */
	uint16_t mtu_by_endpoint; /**< the same of flows through endpoints; at most mtu */
	bool has_neighs;          /**< control wants to hear by ARP where its hosts are */
};

/** Ingress rule of a security group. */
struct cv_view_sg_rule {
	struct cv_prefix from;          /**< unless n_ips says more */
	uint16_t port_first, port_last; /**< host order, inclusive */
	uint32_t ip_first, n_ips;       /**< from these in cv_view_spec.sg_ips; 0: from a prefix */
};

/** An interface endpoint. */
struct cv_view_endpoint {
	bool used;
	uint8_t verdict;               /**< enum cv_drop: CV_DROP_NONE when it may forward */
	bool sg_any;                   /**< no security groups: every client is allowed */
	uint32_t sg_first;             /**< first rule in cv_view_spec.sg_rules */
	uint32_t sg_n;                 /**< rules */
	uint8_t ppv2[CV_PPV2_AWS_LEN]; /**< header template of its flows */
};

/** An NLB node: a load balancer in one zone. */
struct cv_view_node {
	bool used;
	uint16_t vpc;      /**< VPC slot */
	uint16_t zone;     /**< zone index */
	uint32_t lb;       /**< load balancer slot */
	uint32_t ip_first; /**< first address in cv_view_spec.node_ips */
	uint32_t n_ips;    /**< 1..8: primary, then secondary */
	bool sg_any;       /**< as in struct cv_view_endpoint; judged on the client's own address */
	bool sg_not_endpoints; /**< flows that come through an endpoint are not judged */
	uint32_t sg_first, sg_n;
};

/** A listener. */
struct cv_view_listener {
	bool used;
	uint32_t lb;            /**< load balancer slot */
	uint16_t port;          /**< host order */
	uint16_t idle_s;        /**< idle timeout, seconds */
	uint32_t group;         /**< target group slot; CV_VIEW_NONE: nothing to send to */
	uint32_t zone_first;    /**< first of n_zones entries in cv_view_spec.choices */
	bool sticky_group;      /**< the source IP alone decides which of several groups */
	uint8_t n_forwards;     /**< groups that share the flows by weight; 0: all go to `group` */
	uint8_t n_closed;       /**< groups of weight 0: the flows that they have here end */
	uint32_t forward_first; /**< first entry in cv_view_spec.forwards */
	uint32_t closed_first;  /**< likewise; of these only the group matters */
};

/** One of the target groups among which a listener divides its flows. */
struct cv_view_forward {
	uint32_t group;      /**< target group slot */
	uint32_t zone_first; /**< as in struct cv_view_listener */
	uint32_t last;       /**< last hash that leads here; the last entry: UINT32_MAX */
};

/**
 * Targets that a node of one zone may choose for one listener. Of a sticky group it is the table of
 * cv_lb_sticky_build(), in which each target stands many times.
 */
struct cv_view_choice {
	uint32_t first; /**< first slot in cv_view_spec.choice_targets */
	uint32_t n;     /**< 0: no target */
	bool unhealthy; /**< there are too few healthy targets, so all of them are here */
};

/** A target group. */
struct cv_view_group {
	bool used;
	bool proxy_v2;     /**< prepend the PROXY v2 header */
	bool on_first_ack; /**< header placement; false is AWS's default, on_first_ack_with_payload */
	bool sticky;       /**< the source IP alone decides which target */
};

/** A target. */
struct cv_view_target {
	bool used;
	cv_be32_t ip;
	cv_be16_t port;
	uint16_t vpc;   /**< VPC slot */
	uint32_t neigh; /**< slot of the next hop: the target itself, or the subnet's gateway */
	bool end;       /**< its flows end, used or not */
	uint32_t group; /**< target group slot */
};

/** What the two ends of a flow learn when its endpoint, listener or target ends it. */
enum cv_view_end {
	CV_VIEW_END_KEEP,   /**< it goes on */
	CV_VIEW_END_SILENT, /**< nothing: their next packet is one of no flow */
	CV_VIEW_END_RESET,  /**< RST to both */
};

/** A SNAT pool that return packets may name: those of the configuration, and those that still drain. */
struct cv_view_pool {
	struct cv_snat_key key;
	struct cv_snat_pool *pool; /**< owned by the registry; outlives the view */
};

/** What the kernel's own sockets (lib/host) have of a VPC. */
struct cv_view_host {
	bool on;                /**< there are such sockets */
	uint32_t service_first; /**< first service in cv_view_spec.services */
	uint32_t n_services;
};

/** An address and port on which the kernel's sockets answer. */
struct cv_view_service {
	cv_be32_t ip;
	cv_be16_t port;
	uint8_t proto; /**< IPPROTO_TCP or IPPROTO_UDP */
};

/** Settings that workers need. Times in milliseconds. */
struct cv_view_settings {
	uint32_t syn_ms;        /**< handshake must finish within */
	uint32_t fin_ms;        /**< both FINs seen, last ACK must come within */
	uint32_t linger_ms;     /**< a closed flow passes late segments; <= the pools' rest time */
	uint32_t half_open_max; /**< flows per worker whose handshake is not finished; 0: any */
	/** Ports from which the kernel's sockets dial, host order, inclusive; none if first > last. */
	uint16_t host_port_first, host_port_last;
	bool icmp_too_big;    /**< "fragmentation needed" is passed on to clients */
	bool exhausted_reset; /**< RST to the client on port allocation errors; false = drop, as AWS */
	/** enum cv_view_end; where a flow cannot go on, KEEP means SILENT. */
	uint8_t end_idle;     /**< at the idle timeout */
	uint8_t end_target;   /**< target.end, group closed */
	uint8_t end_endpoint; /**< endpoint, VPC or one of our addresses is gone */
	uint8_t end_listener; /**< listener is gone */
};

/**
 * A neighbour as one word: bits 0..47 the MAC (as in memory, first byte lowest), bit 48 set when it is
 * known. Written by control, read by workers.
 */
typedef _Atomic uint64_t cv_neigh_t;
#define CV_NEIGH_KNOWN (1ULL << 48)

/** What plan fills in. Arrays stay the caller's; cv_view_create() copies them. */
struct cv_view_spec {
	uint64_t gen;              /**< configuration generation */
	uint64_t sweep;            /**< when this or gen changes, workers look at all flows again */
	uint16_t n_ports, n_zones; /**< logical ports; zones */
	uint32_t n_vpcs, n_locals, n_endpoints, n_sg_rules, n_nodes, n_node_ips, n_listeners,
		n_forwards, n_choices, n_choice_targets, n_groups, n_targets, n_pools;
	uint32_t n_hosts, n_services, n_paths, n_sg_ips;
	const struct cv_view_vpc *vpcs;           /**< by slot */
	const struct cv_view_local *locals;       /**< any order */
	const struct cv_view_path *paths;         /**< by slot, the first CV_VIEW_PATH_NONE */
	const struct cv_view_endpoint *endpoints; /**< by slot; slot CV_VIEW_DIRECT must be there */
	const struct cv_view_sg_rule *sg_rules;
	const cv_be32_t *sg_ips;          /**< of rules; those of one ascend, as stored */
	const struct cv_view_node *nodes; /**< by slot */
	const cv_be32_t *node_ips;
	const struct cv_view_listener *listeners; /**< by slot */
	const struct cv_view_forward *forwards;
	const struct cv_view_choice *choices; /**< [listener.zone_first + zone] */
	const uint32_t *choice_targets;       /**< target slots */
	const struct cv_view_group *groups;   /**< by slot */
	const struct cv_view_target *targets; /**< by slot */
	const struct cv_view_pool *pools;
	const struct cv_view_host *hosts; /**< by VPC slot; those from n_hosts on are off */
	const struct cv_view_service *services;
	struct cv_view_settings settings;
	const cv_neigh_t *neigh; /**< by neighbour slot; not copied, outlives the view */
	uint32_t n_neigh;
	struct cv_view_tunnels tunnels;
};

struct cv_view; /* cv_view_hot.h */

/**
 * Build a view.
 *
 * @param      spec      what it must hold; slots inside must be in range (asserted)
 * @param[out] ret_view  the view; untouched on failure
 * @return 0, or
 *   -ENOMEM  memory ran out
 *   -EEXIST  two locals with one (vpc, ip), two listeners with one (lb, port), two VPCs with one
 *            (port, vlan), or two pools with one key
 * @owner   caller, until published; then the publisher
 */
int cv_view_create(const struct cv_view_spec *spec, struct cv_view **ret_view);

/** Free a view that no worker reads. NULL is fine. */
void cv_view_destroy(struct cv_view *view);

/** The specification that a view was made of: pointers into the view itself. */
const struct cv_view_spec *cv_view_spec_get(const struct cv_view *view);

/** Tell whether one of its addresses is this. @param vpc slot */
bool cv_view_has_local(const struct cv_view *view, uint16_t vpc, cv_be32_t ip);

/* ---- publishing ---- */

struct cv_view_pub;

/**
 * Make a publisher for workers 0..n_readers-1; NULL when memory ran out. @threads control
 */
struct cv_view_pub *cv_view_pub_create(unsigned int n_readers);

/** Free a publisher, its current view and everything retired. No reader may run. NULL is fine. */
void cv_view_pub_destroy(struct cv_view_pub *pub);

/** Called with what was passed to cv_view_pub_retire() when no reader can hold it any more. */
typedef void cv_view_free_fn(void *object);

/**
 * Publish a view; the one before is retired and freed by a later cv_view_pub_reap().
 *
 * @owner   the publisher takes `view`
 * @return 0, or -ENOMEM with nothing changed
 * @threads control
 */
int cv_view_pub_publish(struct cv_view_pub *pub, struct cv_view *view);

/**
 * Free an object once no reader can hold it: for what a published view pointed at (SNAT pools).
 *
 * @return 0, or -ENOMEM with nothing changed
 * @threads control
 */
int cv_view_pub_retire(struct cv_view_pub *pub, void *object, cv_view_free_fn *free_fn);

/**
 * Free what no reader can hold any more. Never blocks.
 *
 * @return objects that still wait
 * @threads control
 */
unsigned int cv_view_pub_reap(struct cv_view_pub *pub);

/** The view published last, for control's own use. NULL before the first. @threads control */
const struct cv_view *cv_view_pub_current(const struct cv_view_pub *pub);

/** Start reading. @threads the reader itself, once, before cv_view_read() */
void cv_view_reader_online(struct cv_view_pub *pub, unsigned int reader);

/** Stop reading for good. @threads the reader itself */
void cv_view_reader_offline(struct cv_view_pub *pub, unsigned int reader);

/**
 * The current view: one acquire load. Valid until the reader's next cv_view_quiescent().
 *
 * @return the view, NULL before the first was published
 * @threads the reader
 */
const struct cv_view *cv_view_read(const struct cv_view_pub *pub);

/** Say that this reader holds no view. Once per loop. @threads the reader */
void cv_view_quiescent(struct cv_view_pub *pub, unsigned int reader);
