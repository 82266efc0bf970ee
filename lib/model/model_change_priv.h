/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the model: what changes and removals share.
 */

#include "cv_model_change.h"
#include "model_priv.h"

/** The writable part that every resource has. @param idx  of CV_MODEL_LISTENER: not allowed */
struct cv_model_meta *cv_model_meta_at(struct cv_model *model, enum cv_model_kind kind,
				       uint32_t idx);

/** Name of a resource. */
const char *cv_model_name_at(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx);

/** Tell whether the caller of an operation owns a resource: to others it does not exist. */
bool cv_model_is_mine(const struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx);

/** The resource that an operation is about; unknown, malformed or another's is an error. */
uint32_t cv_model_subject(struct model_ctx *ctx, enum cv_model_kind kind, const char *ref);

/** Check that a resource may be changed: it is not the file's. */
bool cv_model_check_mutable(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx);

/** Count a user of a resource in or out; CV_MODEL_NONE is fine. */
void cv_model_use(struct cv_model *model, enum cv_model_kind kind, uint32_t idx, int more);

/** Make room for so many more changes. @return false: ctx->ret says that memory ran out */
bool cv_model_changes_room(struct model_ctx *ctx, uint32_t n_more);

/** List a resource as changed by the operation, if it is not the file that speaks. */
void cv_model_touch(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx);

/** Take a resource out: names, tags, place. Its own arrays and references the caller has freed. */
void cv_model_vanish(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx, uint32_t scope);

/** Give back a place that cv_model_place() gave: nothing is there any more. */
void cv_model_place_free(struct cv_model *model, enum cv_model_kind kind, uint32_t idx);

/** Check that nothing refers to a resource: else ctx->ret says so. */
bool cv_model_is_free(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx);

/** Check tags and copy them; on failure ctx->ret says so. @return shape [n + n_more] or NULL */
struct cv_model_tag *cv_model_tags_copy(struct model_ctx *ctx, const struct cv_model_tag *tags,
					uint32_t n, uint32_t n_more);

/** Free tags and their strings. */
void cv_model_tags_free(struct cv_model *model, struct cv_model_tag *tags, uint32_t n);

/** Give an address to what has none: nodes of a load balancer, ENIs of an endpoint. */
void cv_model_settle_lb(struct model_ctx *ctx, struct cv_model_lb *lb);
void cv_model_settle_endpoint(struct model_ctx *ctx, struct cv_model_endpoint *endpoint);

/** Take the addresses of a load balancer's nodes from first on, choosing those that are open if it is a
 * call that asks. @return false: there are none left, nothing is taken */
bool cv_model_nodes_claim(struct model_ctx *ctx, struct cv_model_lb *lb, uint32_t first);
void cv_model_nodes_release(struct cv_model *model, const struct cv_model_lb *lb, uint32_t first);

/** Take the addresses of the nodes of `to` that `from` does not have. On failure none. */
void cv_model_nodes_choose(struct model_ctx *ctx, struct cv_model_lb *to,
			   const struct cv_model_lb *from);

/** Tell whether attribute `deletion_protection.enabled` is on. */
bool cv_model_lb_is_protected(const struct cv_model_lb *lb);

/** Check a target of a VPC: what cv_model_target_add() checks of the address and zone. */
void cv_model_target_check(struct model_ctx *ctx, uint32_t vpc,
			   const struct cv_model_target_req *req, struct cv_model_target *ret);

/** Put targets that calls registered into the zone of a new subnet that is around them. Needs room for a
 * change of each group. */
void cv_model_targets_follow(struct model_ctx *ctx, uint32_t subnet);

/** Count a load balancer in or out as user of its subnets and security groups. */
void cv_model_lb_uses(struct cv_model *model, const struct cv_model_lb *lb, int more);

/** Check that the account of a VPC may have one more of ctx's kind: load balancer or target group. */
void cv_model_quota_own(struct model_ctx *ctx, uint32_t vpc);

/** Check that a load balancer may have one more listener. */
void cv_model_quota_listeners(struct model_ctx *ctx, const struct cv_model_lb *lb);

/** Check that a group, and its load balancer, may have these targets, too. @param targets  shape [n] */
void cv_model_quota_targets(struct model_ctx *ctx, uint32_t tg,
			    const struct cv_model_target *targets, uint32_t n);

/**
 * Check that a load balancer may have the targets of a listener's groups, too.
 *
 * @param replaced  index of the listener that it takes the place of, or CV_MODEL_NONE
 */
void cv_model_quota_forwards(struct model_ctx *ctx, uint32_t lb,
			     const struct cv_model_listener *listener, uint32_t replaced);

/** Count a registration of an address in or out. Needs room for one. */
void cv_model_target_count(struct cv_model *model, uint32_t vpc, cv_be32_t ip, int more);

/** Check that a group's targets can be reached from nodes. */
void cv_model_check_reach(struct model_ctx *ctx, const struct cv_model_target_group *tg,
			  const struct cv_model_node *nodes, uint32_t n_nodes);

/** Tell whether any listener of a load balancer but one leads to a group. */
bool cv_model_lb_has_tg(const struct cv_model_lb *lb, uint32_t tg, uint32_t except);

/** Check that a service has a private DNS name that is verified, and that a VPC can have it. */
void cv_model_check_private_dns(struct model_ctx *ctx, uint32_t vpc, uint32_t service);

/** Check that no attached endpoint of a VPC has the private DNS name of a service. */
void cv_model_check_private_name(struct model_ctx *ctx, uint32_t vpc, uint32_t service);

/** Check that a call gives an endpoint or a load balancer no more groups than it may have. */
void cv_model_check_sgs(struct model_ctx *ctx, uint32_t n);

/** Name the ENIs of an endpoint from first on and give each its load balancer. After every check. */
void cv_model_enis_finish(struct model_ctx *ctx, struct cv_model_endpoint *endpoint,
			  uint32_t first);

/** Take the addresses of an endpoint's ENIs from first on, as cv_model_nodes_claim(). */
bool cv_model_enis_claim(struct model_ctx *ctx, struct cv_model_endpoint *endpoint, uint32_t first);
void cv_model_enis_release(struct cv_model *model, const struct cv_model_endpoint *endpoint,
			   uint32_t first);

/** Count an endpoint in or out as user of what it refers to. */
void cv_model_endpoint_uses(struct cv_model *model, const struct cv_model_endpoint *endpoint,
			    int more);

/** Let an endpoint be in another state. */
void cv_model_state_set(struct cv_model *model, struct cv_model_endpoint *endpoint,
			enum cv_model_state state, uint64_t now);

/** Check one subnet of an endpoint, endpoint->enis[i], against its service and other subnets. */
void cv_model_check_eni(struct model_ctx *ctx, const struct cv_model_place_req *place,
			const struct cv_model_endpoint *endpoint, uint32_t i);

/** Check one subnet of a load balancer, lb->nodes[i], against its other subnets. */
void cv_model_check_node(struct model_ctx *ctx, const struct cv_model_place_req *place,
			 uint32_t n_secondary, const struct cv_model_lb *lb, uint32_t i);

/** Bits of the zones in which a service's load balancers have nodes. */
uint64_t cv_model_service_zones(const struct cv_model *model,
				const struct cv_model_service *service);

/** Tell whether an endpoint in this state keeps its service and its load balancers from going. */
bool cv_model_state_is_attached(enum cv_model_state state);

/* The parts of cv_model_remove() and of add operations, by file. */
void cv_model_vpc_remove(struct model_ctx *ctx, uint32_t idx);
void cv_model_subnet_remove(struct model_ctx *ctx, uint32_t idx);
void cv_model_sg_remove(struct model_ctx *ctx, uint32_t idx);
void cv_model_tg_remove(struct model_ctx *ctx, uint32_t idx);
void cv_model_lb_remove(struct model_ctx *ctx, uint32_t idx);
void cv_model_listener_remove(struct model_ctx *ctx, uint32_t lb, uint32_t idx);
void cv_model_service_remove(struct model_ctx *ctx, uint32_t idx);
void cv_model_endpoint_remove(struct model_ctx *ctx, uint32_t idx);

/** Make the default group of a VPC that is being made; ctx->kind is changed meanwhile. It belongs to
 * nothing until cv_model_default_sg_publish(), which needs room for two names, or is given back.
 * @return index or CV_MODEL_NONE: oom */
uint32_t cv_model_default_sg_make(struct model_ctx *ctx, const struct cv_model_vpc *vpc);
void cv_model_default_sg_publish(struct cv_model *model, uint32_t vpc, uint32_t idx);
void cv_model_default_sg_undo(struct cv_model *model, uint32_t idx);

/** Take the default group of a VPC out, if it has that of its own. */
void cv_model_default_sg_vanish(struct model_ctx *ctx, uint32_t vpc);

/**
 * Check and copy the rules of a new group, for one of its directions.
 *
 * @param sg    id of the group
 * @param from  shape [n]; NULL with egress: everything to everybody, then *n is 1
 * @return shape [*n], or NULL: ctx->ret says why
 */
struct cv_model_rule *cv_model_rules_copy(struct model_ctx *ctx, const char *sg, bool egress,
					  const struct cv_model_rule *from, uint32_t *n);

/** Free rules; the strings are the model's: NULL: they have gone already. */
void cv_model_rules_free(struct cv_model *model, struct cv_model_rule *rules, uint32_t n);

/** Put an endpoint out of sight. */
void cv_model_endpoint_vanish(struct model_ctx *ctx, uint32_t idx);

/** Names of a load balancer's or target group's kind within its account. */
struct model_key cv_model_elb_key(const struct cv_model *model, enum cv_model_kind kind,
				  uint32_t vpc, const char *name);

/** Mark or unmark the prefixes around a subnet. */
void cv_model_subnet_unpublish(struct cv_model *model, uint32_t idx);

/** Name of what a listener's ARN is in the index: its load balancer. */
struct model_key cv_model_listener_key(const char *arn);
