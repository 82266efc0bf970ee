/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The plan: from the model to the view that workers forward by.
 *
 * Pure but for what it is handed: slots, which keep their meaning for the life of the process, and SNAT
 * pools, which keep their flows. A plan that fails leaves both as they were.
 *
 * @threads control
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_model.h"
#include "cv_net.h"
#include "cv_snat.h"
#include "cv_view.h"

/** Gateways and remote VTEPs that there may be beside the targets among the neighbours. */
#define CV_PLAN_GATEWAYS_MAX 4096
/**
 * Paths that there may be: so many for each endpoint, and these for nodes. An endpoint has one for each
 * of its ENIs, which are three in most regions, and each change of the node behind an ENI makes another,
 * while the one before counts as long as it has flows: all endpoints may change at once.
 */
#define CV_PLAN_PATHS_EACH 6
#define CV_PLAN_PATHS_NODES 16384
/** Slots of each kind that no setting limits, but VPCs: there may be CV_VIEW_NO_VPC of those. */
#define CV_PLAN_SLOTS_MAX (1U << 20)

/** Kinds of objects that have slots. */
enum cv_plan_kind {
	CV_PLAN_VPC,
	CV_PLAN_ENDPOINT, /**< slot CV_VIEW_DIRECT stands for none */
	CV_PLAN_LB,
	CV_PLAN_NODE,
	CV_PLAN_LISTENER,
	CV_PLAN_GROUP,
	CV_PLAN_TARGET,
	/** Owned by an endpoint: of its ENIs; by n_endpoints + a load balancer: of its nodes. */
	CV_PLAN_PATH,
	CV_PLAN_NEIGH,
	CV_PLAN_KIND_N,
};

/* ---- slots ---- */

/** How many objects there may be, removed ones that still have flows included. */
struct cv_plan_limits {
	uint32_t endpoints; /**< setting `limits.endpoints`; slot CV_VIEW_DIRECT is not counted */
	uint32_t listeners; /**< setting `limits.listeners` */
	uint32_t targets;   /**< setting `limits.targets` */
};

/**
 * Which object has which slot. An object is known by its id or ARN (a node by its load balancer and
 * zone, a target by its group, address and port), so it keeps its slot through every change around it,
 * also when it goes and comes again, unless cv_plan_slots_recycle() was told of it meanwhile.
 */
struct cv_plan_slots;

/** Make an empty one. @return NULL when memory ran out. @owner caller; cv_plan_slots_destroy() */
struct cv_plan_slots *cv_plan_slots_create(const struct cv_plan_limits *limits);

/** Free it. NULL is fine. */
void cv_plan_slots_destroy(struct cv_plan_slots *slots);

/**
 * Slots of a kind that there can ever be: how long to make an array that is indexed by slot, such as
 * struct cv_dp_cfg's n_obj or the neighbour words.
 */
uint32_t cv_plan_slots_cap(const struct cv_plan_slots *slots, enum cv_plan_kind kind);

/** Tell whether a slot stands for an object, present or gone. */
bool cv_plan_slots_is_given(const struct cv_plan_slots *slots, enum cv_plan_kind kind,
			    uint32_t slot);

/**
 * Find the slots that keys of other objects name, present or gone: they must stay.
 *
 * @param         kind  CV_PLAN_VPC, CV_PLAN_GROUP, CV_PLAN_ENDPOINT or CV_PLAN_NODE
 * @param[in,out] held  shape [n], by slot: set where it is named
 */
void cv_plan_slots_keys(const struct cv_plan_slots *slots, enum cv_plan_kind kind, bool *held,
			uint32_t n);

/**
 * Forget objects that are gone, so that others may have their slots. No plan, view, flow or pool may hold
 * these.
 *
 * @param which  shape [n]: slots, each given out
 */
void cv_plan_slots_recycle(struct cv_plan_slots *slots, enum cv_plan_kind kind,
			   const uint32_t *which, uint32_t n);

/* ---- planning ---- */

/** A logical port. Its index is its place in the array. */
struct cv_plan_port {
	const char *name;
	uint16_t mtu; /**< bytes, without the Ethernet header */
	/** For new pools of targets behind it; NULL: it is not known where replies arrive. */
	struct cv_snat_map *snat_map;
};

/** Which VPCs get sockets of the kernel on our addresses (lib/host). */
enum cv_plan_host {
	CV_PLAN_HOST_NEVER,
	CV_PLAN_HOST_NEEDED, /**< those with targets to check, and all when there are services */
	CV_PLAN_HOST_ALWAYS, /**< those with an NLB node, too */
};

/** A port on which the kernel's sockets answer, in every VPC, at the first CIDR's base address + 2. */
struct cv_plan_service {
	uint8_t proto; /**< IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port; /**< host order */
};

/** Settings. */
struct cv_plan_cfg {
	const struct cv_plan_port *ports; /**< shape [n_ports] */
	uint16_t n_ports;
	uint32_t time_scale;     /**< idle timeouts run so many times as fast; 0: 1 */
	uint32_t mss_clamp;      /**< highest MSS let through; 0: never lower it */
	uint32_t endpoint_mtu;   /**< largest packet through an endpoint; 0: as the ports allow */
	struct cv_snat_cfg snat; /**< of every pool, but for the map */
	struct cv_view_settings view;
	enum cv_plan_host host;
	const struct cv_plan_service *services; /**< shape [n_services] */
	uint32_t n_services;
};

/** What a plan is made from. All stay the caller's. */
struct cv_plan_in {
	const struct cv_model *model; /**< settled and checked; not needed after cv_plan_build() */
	const struct cv_plan_cfg *cfg;
	struct cv_plan_slots *slots;
	struct cv_snat_registry *registry;
	const uint32_t *ends; /**< shape [n_ends]: slots of targets that are gone whose flows end */
	uint32_t n_ends;
	uint64_t sweep; /**< see struct cv_view_spec */
	/** Shape [cv_plan_slots_cap(CV_PLAN_NEIGH)]; outlives every view. */
	const cv_neigh_t *neigh;
	const struct cv_far *fars; /**< likewise; may be NULL without VPCs in VXLAN */
	/** States of targets, asked for each target and each node that may use it; NULL: all healthy. */
	cv_model_target_state_fn *target_state;
	void *target_state_arg;
	uint64_t gen;
};

/** Where an object stands in the model. */
struct cv_plan_obj {
	/** Load balancer of a node or listener, group of a target; of a VPC 1: it carries VPC idx; else 0. */
	uint32_t owner;
	uint32_t idx; /**< index in the owner or the model; CV_MODEL_NONE: the slot is unused */
};

/**
 * A neighbour. The word of one that is not used any more must stay as it is: flows may still drain
 * through it.
 */
struct cv_plan_neigh {
	cv_be32_t ip;
	cv_be32_t sender; /**< a node IP to ask from */
	uint16_t vpc;     /**< VPC slot */
	bool used;        /**< false: no new flow needs it, do not ask */
};

/** How a load balancer's node stands. */
struct cv_plan_node {
	bool healthy; /**< each target group in use has its dns_failover minimum, as this node sees it */
	bool shifted; /**< a zonal shift leads away from its zone */
	bool in_dns; /**< DNS names it: healthy and not shifted, or no node of the load balancer is */
};

/** A path, by which packets are counted: its slots, gone or present. */
struct cv_plan_path {
	uint32_t endpoint;      /**< slot; CV_VIEW_DIRECT: none */
	uint32_t node;          /**< slot; CV_VIEW_NONE: none */
	uint32_t endpoint_next; /**< slot of another path of the endpoint; CV_VIEW_NONE: no more */
	uint32_t node_next;     /**< likewise of the node */
};

struct cv_plan_priv;

/** A plan: the view, and what control must know beside it. Read-only. */
struct cv_plan {
	struct cv_view *view;             /**< NULL once taken */
	uint32_t n_slots[CV_PLAN_KIND_N]; /**< slots given out so far, unused ones included */
	/** Per kind, shape [n_slots[kind]], by slot. */
	const struct cv_plan_obj *objs[CV_PLAN_NEIGH];
	const struct cv_plan_node *nodes;   /**< shape [n_slots[CV_PLAN_NODE]], by slot */
	const struct cv_plan_neigh *neighs; /**< shape [n_slots[CV_PLAN_NEIGH]], by slot */
	const struct cv_plan_path *paths;   /**< shape [n_slots[CV_PLAN_PATH]], by slot */
	/** First path of an endpoint and of a node, by their slots; CV_VIEW_NONE: there is none. */
	const uint32_t *endpoint_path, *node_path;
	struct cv_plan_priv *priv;
};

/**
 * Plan.
 *
 * The view holds every pool of the registry: those that the model needs (made if missing) and those that
 * only drain. Control ends the latter with cv_snat_registry_reap() and cv_plan_pool_is_wanted(), and
 * then builds and publishes another plan before it retires them.
 *
 * @param      in        what to plan from
 * @param[out] errs      why not, for people, each with the resource's place as path
 * @param[out] ret_plan  untouched on failure
 * @return 0, or with slots and registry as they were
 *   -EINVAL  a VPC is attached to a port that does not exist, two VPCs share an attachment, or a target
 *            lies outside its VPC and no subnet of its load balancer has a gateway
 *   -EEXIST  two objects of ours have one address
 *   -ENOSPC  more objects than a limit allows; errs names the setting
 *   -ENOMEM  memory ran out
 * @owner  caller; cv_plan_destroy()
 */
int cv_plan_build(const struct cv_plan_in *in, struct cv_errs *errs, struct cv_plan **ret_plan);

/** Take the view out of a plan, to publish it. @owner caller */
struct cv_view *cv_plan_view_take(struct cv_plan *plan);

/** Free a plan, and its view unless taken. NULL is fine. */
void cv_plan_destroy(struct cv_plan *plan);

/**
 * Slot of an object of the model that the plan was made from.
 *
 * @param kind   not CV_PLAN_NEIGH
 * @param owner  as in struct cv_plan_obj; out of range is a bug
 * @param idx    likewise
 */
uint32_t cv_plan_slot(const struct cv_plan *plan, enum cv_plan_kind kind, uint32_t owner,
		      uint32_t idx);

/** How many pools the plan's nodes open flows through; the others of the registry only drain. */
uint32_t cv_plan_pools_n(const struct cv_plan *plan);

/**
 * Tell whether the plan's nodes open flows through a pool; else it only drains.
 *
 * @param plan  const struct cv_plan; the signature is a cv_snat_wanted_fn
 */
bool cv_plan_pool_is_wanted(const struct cv_snat_pool *pool, void *plan);
