/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the parts of the plan share: memory that is freed at once, slots under construction, the
 * specification of the view while it is filled.
 *
 * @threads control
 */

#include "cv_plan.h"

/** Kinds that stand in the model: all but CV_PLAN_NEIGH. */
#define PLAN_MODEL_KINDS CV_PLAN_NEIGH

/** Memory that is freed at once; NULL is an empty list. */
struct plan_mem;

/** Zeroed memory, at least one byte. @return NULL when memory ran out */
void *cv_plan_mem_get(struct plan_mem **list, size_t n, size_t size);

/** Free all of a list. */
void cv_plan_mem_free(struct plan_mem **list);

/* ---- slots ---- */

/** Remember which slots there are. */
void cv_plan_slots_mark(struct cv_plan_slots *slots);

/** Take back the slots given out since the mark. No view that knows them may exist. */
void cv_plan_slots_rollback(struct cv_plan_slots *slots);

/** Slots of a kind given out so far, free ones below the last among them. */
uint32_t cv_plan_slots_n(const struct cv_plan_slots *slots, enum cv_plan_kind kind);

/**
 * The slot of an object, given out if it has none.
 *
 * @param      key       shape [len]: what the object is known by
 * @param[out] ret_slot  untouched on failure
 * @return 0, -ENOSPC (no slot of this kind is left) or -ENOMEM
 */
int cv_plan_slots_get(struct cv_plan_slots *slots, enum cv_plan_kind kind, const void *key,
		      size_t len, uint32_t *ret_slot);

/** What a path is known by. */
struct plan_path_key {
	uint32_t endpoint, node; /**< as in struct cv_plan_path */
};

/** What a slot's object is known by, as cv_plan_slots_get() was told; NULL: the slot is free. */
const void *cv_plan_slots_key(const struct cv_plan_slots *slots, enum cv_plan_kind kind,
			      uint32_t slot);

/** Say that a kind's slots are used up. @param path of the object that has none */
void cv_plan_slots_full(const struct cv_plan_slots *slots, enum cv_plan_kind kind,
			struct cv_errs *errs, const char *path);

/* ---- the plan under construction ---- */

/** What the plan keeps to itself. */
struct cv_plan_priv {
	struct plan_mem *mem;
	uint32_t *slot[PLAN_MODEL_KINDS]; /**< by place in the model, see first */
	uint32_t *first
		[PLAN_MODEL_KINDS]; /**< shape [n_owners + 1]: where an owner's objects begin */
	uint32_t n_owners[PLAN_MODEL_KINDS];
	uint32_t *wanted; /**< shape [n_wanted]: numbers of pools, ascending, each once */
	uint32_t n_wanted;
};

/** The specification while it is filled: what struct cv_view_spec points at, writable. */
struct plan_build {
	const struct cv_plan_in *in;
	const struct cv_model *model;
	struct cv_errs *errs;
	struct cv_plan *plan;
	struct plan_mem *tmp; /**< until the view has its copies */
	struct cv_view_spec spec;
	struct cv_view_vpc *vpcs;
	struct cv_view_local *locals;
	struct cv_view_endpoint *endpoints;
	struct cv_view_sg_rule *rules;
	struct cv_view_node *nodes;
	cv_be32_t *node_ips;
	struct cv_view_listener *listeners;
	struct cv_view_forward *forwards;
	struct cv_view_choice *choices;
	struct cv_view_choice
		*lists; /**< as choices, but each target once: whom nodes open flows to */
	uint32_t *choice_targets;
	bool *dns_below; /**< as choices: the group lacks healthy targets there */
	struct cv_view_group *groups;
	struct cv_view_target *targets;
	struct cv_view_host *hosts;
	struct cv_view_service *services;
	struct cv_view_pool *pools;
	struct cv_view_vxlan *vxlans;
	struct cv_view_peer *peers;
	struct cv_view_path *paths;
	uint32_t *unders; /**< by VPC in the model: slot of what carries its VXLAN; CV_VIEW_NONE */
	struct cv_plan_neigh *neighs;
	uint32_t *sg_first; /**< by security group: its rules in `rules`, if something has it */
	cv_be32_t *sg_ips;
};

/** Give every object of the model its slot, and fill plan->objs. @return 0, -ENOSPC or -ENOMEM */
int cv_plan_slots_assign(struct plan_build *b);

/** Paths, once all slots are given. @return 0 or -ENOMEM */
int cv_plan_paths_fill(struct plan_build *b);

/** VPCs, our addresses, endpoints, nodes, security groups. @return 0, -EINVAL, -ENOSPC or -ENOMEM */
int cv_plan_net_fill(struct plan_build *b);

/** Rules of the security groups that something has. @return 0, -ENOSPC or -ENOMEM */
int cv_plan_sgs_fill(struct plan_build *b);

/** The rules of several groups in one row; one group's are there already and shared by its users. */
void cv_plan_sgs_row(struct plan_build *b, const uint32_t *sgs, uint32_t n_sgs, uint32_t *ret_first,
		     uint32_t *ret_n);

/**
 * Slots of the networks that carry VXLAN, among those of VPCs: of the same port and VLAN the same. Before
 * the VPCs' slots are listed. @return 0, -ENOSPC or -ENOMEM
 */
int cv_plan_unders_assign(struct plan_build *b);

/** Say which VPC slots stand for networks that carry VXLAN. @param[in,out] objs by VPC slot */
void cv_plan_unders_list(const struct plan_build *b, struct cv_plan_obj *objs);

/** Remote VTEPs: how many, at most. */
uint32_t cv_plan_peers_n(const struct plan_build *b);

/** VXLAN: after VPCs, before addresses. @return 0, -EEXIST or -ENOMEM */
int cv_plan_vxlan_fill(struct plan_build *b);

/** Remote VTEPs and the neighbours that lead to them. @return 0, -ENOSPC or -ENOMEM */
int cv_plan_peers_fill(struct plan_build *b);

/** Slot of a neighbour. @return 0, -ENOSPC or -ENOMEM */
int cv_plan_neigh_slot(struct plan_build *b, uint16_t vpc, cv_be32_t ip, uint32_t *ret_slot);

/** Highest MSS in packets of an MTU. */
uint16_t cv_plan_mss_max(const struct cv_plan_cfg *cfg, uint16_t mtu);

/** Groups, targets, neighbours. @return 0, -EINVAL, -ENOSPC or -ENOMEM */
int cv_plan_targets_fill(struct plan_build *b);

/** Choices, and the listeners and forwards that lead to them. @return 0 or -ENOMEM */
int cv_plan_choices_fill(struct plan_build *b);

/** The kernel's sockets: after the addresses of cv_plan_net_fill(). @return 0 or -ENOMEM */
int cv_plan_host_fill(struct plan_build *b);

/** Pools: those that choices need, made if missing, and those that drain. @return 0 or -ENOMEM */
int cv_plan_pools_fill(struct plan_build *b);

/** How long flows live. Last of all. @return 0 or -ENOMEM */
int cv_plan_life_fill(struct plan_build *b);

/** Take back the pools made by cv_plan_pools_fill(). @param n_before pools before it */
void cv_plan_pools_undo(struct cv_snat_registry *registry, uint32_t n_before);
