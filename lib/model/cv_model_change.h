/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The operations that change or remove what is there: one for each API call (or item of a list in
 * one), with AWS's rules and error codes. As those of cv_model_ops.h: whole or nothing, every violated
 * rule in errs, what a request says is copied. All are O(size of the request) but where noted.
 *
 * The resource that is changed is named by id or ARN (or by name, from the operator). One that
 * by->account does not own does not exist for it. One from the configuration file is refused
 * (`OperationNotPermitted`) but for what is runtime by nature: connections' acceptance, targets, tags.
 *
 * What the call makes visible: endpoints that become `pending` or `deleting` are moved on by
 * cv_model_advance(), which control calls as it publishes.
 *
 * Shared by all, @return 0, or
 *   -EINVAL  a rule is violated: errs holds one error per violation, each with AWS's code
 *   -ENOENT  only unknown references are wrong
 *   -EEXIST  a name, id, port or address is taken
 *   -EPERM   it is from the file, or protected
 *   -EBUSY   others use it
 *   -ENOSPC  a subnet has no free address
 *   -ENOMEM  memory ran out
 *
 * @threads control
 */

#include "cv_model_ops.h"

/** Fill a request with AWS's defaults of a target group: thresholds, draining, checks by TCP. */
void cv_model_tg_req_init(struct cv_model_tg_req *req);

/** Unchanged, in a request's tri-state. */
#define CV_MODEL_KEEP (-1)

/** Request: switches of a VPC, 0, 1 or CV_MODEL_KEEP each. */
struct cv_model_vpc_change {
	const char *vpc;
	int dns_support, dns_hostnames;
};

/** Request: rules of a security group, to be removed, made others, or added, in this order. */
struct cv_model_sg_change {
	const char *sg;
	const struct cv_model_rule *add;    /**< shape [n_add] */
	const struct cv_model_rule *remove; /**< shape [n_remove]; by id, or what they admit */
	const struct cv_model_rule *set;    /**< shape [n_set]; by id, what they will be */
	uint32_t n_add, n_remove, n_set;
	bool egress; /**< all of it is about egress rules */
};

/** Request: targets of a group. One that is there already, or is not there, is no error. */
struct cv_model_targets_change {
	const char *tg;
	const struct cv_model_target_req *add; /**< shape [n_add] */
	const struct cv_model_target_req
		*remove; /**< shape [n_remove]; port 0: all of the address */
	uint32_t n_add, n_remove;
};

/** Request: attributes of a target group, load balancer or listener, by AWS's keys. */
struct cv_model_attrs_change {
	enum cv_model_kind kind; /**< CV_MODEL_TG, CV_MODEL_LB, CV_MODEL_LISTENER */
	const char *ref;
	const struct cv_model_tag *attrs; /**< shape [n_attrs] */
	uint32_t n_attrs;
};

/** Request: where a load balancer has nodes: all of them, those that stay as well. */
struct cv_model_subnets_set {
	const char *lb;
	const struct cv_model_place_req *places; /**< shape [n_places] */
	uint32_t n_places;
};

/** Request: the security groups of a load balancer. */
struct cv_model_sgs_set {
	const char *lb;
	const char *const *sgs; /**< shape [n_sgs] */
	uint32_t n_sgs;
	int sg_on_privatelink; /**< 0, 1 or CV_MODEL_KEEP */
};

/** Request: an endpoint service. An empty one offers the zones that its load balancers have now. */
struct cv_model_service_change {
	const char *service;
	const char *const *add_lbs;    /**< shape [n_add_lbs] */
	const char *const *remove_lbs; /**< shape [n_remove_lbs] */
	uint32_t n_add_lbs, n_remove_lbs;
	int acceptance_required; /**< 0, 1 or CV_MODEL_KEEP; requests that wait go on waiting */
	const char *private_dns_name; /**< NULL: as it is; "": none any more */
	int dns_state;                /**< enum cv_model_dns_state, or CV_MODEL_KEEP */
};

/** Request: who may make endpoints. Connections that exist are not touched. */
struct cv_model_permissions_change {
	const char *service;
	const char *const *add;    /**< shape [n_add]; one that is allowed already is no error */
	const char *const *remove; /**< shape [n_remove] */
	uint32_t n_add, n_remove;
};

/** Request: an endpoint. */
struct cv_model_endpoint_change {
	const char *endpoint;
	const struct cv_model_place_req *add_places; /**< shape [n_add_places] */
	const char *const *remove_subnets;           /**< shape [n_remove_subnets] */
	const char *const *add_sgs;                  /**< shape [n_add_sgs] */
	const char *const *remove_sgs;               /**< shape [n_remove_sgs] */
	uint32_t n_add_places, n_remove_subnets, n_add_sgs, n_remove_sgs;
	int private_dns; /**< 0, 1 or CV_MODEL_KEEP */
};

/** Request: tags of any resource, found by id or ARN. */
struct cv_model_tags_change {
	const char *ref;
	const struct cv_model_tag *set;    /**< shape [n_set] */
	const struct cv_model_tag *remove; /**< shape [n_remove]; missing ones are no error */
	uint32_t n_set, n_remove;
};

/**
 * Remove a resource: Delete... of the API.
 *
 * Refused: what others refer to (`DependencyViolation`, `ResourceInUse`), a protected load balancer or
 * one in a service, a service with endpoints that wait or are available
 * (`ExistingVpcEndpointConnections`). An endpoint stays, `deleting` and then `deleted`, for
 * CV_MODEL_DELETED_SECONDS, its addresses free at once. A service's rejected endpoints become `failed`.
 * A load balancer's listeners go with it. O(endpoints) for a service; O(subnets) for a subnet.
 *
 * @param kind  CV_MODEL_VPC .. CV_MODEL_ENDPOINT, CV_MODEL_LISTENER
 * @param ref   id or ARN
 */
int cv_model_remove(struct cv_model *model, const struct cv_model_by *by, enum cv_model_kind kind,
		    const char *ref, struct cv_model_errs *errs);

/** Change a VPC (ModifyVpcAttribute). To what it is, a VPC of the file may be changed, too. */
int cv_model_vpc_change(struct cv_model *model, const struct cv_model_by *by,
			const struct cv_model_vpc_change *req, struct cv_model_errs *errs);

/** Add, change and remove rules of a security group (Authorize..., Revoke..., ModifySecurityGroup...).
 * The group of a rule must be there. O(rules of the group). */
int cv_model_sg_change(struct cv_model *model, const struct cv_model_by *by,
		       const struct cv_model_sg_change *req, struct cv_model_errs *errs);

/** Register and deregister targets; of groups from the file as well. */
int cv_model_targets_change(struct cv_model *model, const struct cv_model_by *by,
			    const struct cv_model_targets_change *req, struct cv_model_errs *errs);

/** Modify...Attributes. Those that culvert does not act on are checked and stored. */
int cv_model_attrs_change(struct cv_model *model, const struct cv_model_by *by,
			  const struct cv_model_attrs_change *req, struct cv_model_errs *errs);

/** How a group's targets are checked, as a request for the same; its strings are the model's. */
struct cv_model_check_req cv_model_check_req_of(const struct cv_model_check *check);

/** ModifyTargetGroup: how its targets are checked from now on. */
int cv_model_check_change(struct cv_model *model, const struct cv_model_by *by, const char *arn,
			  const struct cv_model_check_req *req, struct cv_model_errs *errs);

/** SetSubnets. A zone whose node serves an endpoint stays. O(endpoints) when a node goes. */
int cv_model_subnets_set(struct cv_model *model, const struct cv_model_by *by,
			 const struct cv_model_subnets_set *req, struct cv_model_errs *errs);

/** SetSecurityGroups: only of a load balancer that was made with some, and never to none. */
int cv_model_sgs_set(struct cv_model *model, const struct cv_model_by *by,
		     const struct cv_model_sgs_set *req, struct cv_model_errs *errs);

/** ModifyListener. In req, port 0, and no target group at all: as it is. Not changed: idle_seconds. */
int cv_model_listener_change(struct cv_model *model, const struct cv_model_by *by, const char *arn,
			     const struct cv_model_listener_req *req, struct cv_model_errs *errs);

/** ModifyVpcEndpointServiceConfiguration. */
int cv_model_service_change(struct cv_model *model, const struct cv_model_by *by,
			    const struct cv_model_service_change *req, struct cv_model_errs *errs);

/** ModifyVpcEndpointServicePermissions. */
int cv_model_permissions_change(struct cv_model *model, const struct cv_model_by *by,
				const struct cv_model_permissions_change *req,
				struct cv_model_errs *errs);

/** ModifyVpcEndpoint. An available endpoint is `pending` until the data plane follows. */
int cv_model_endpoint_change(struct cv_model *model, const struct cv_model_by *by,
			     const struct cv_model_endpoint_change *req,
			     struct cv_model_errs *errs);

/**
 * Accept or reject one connection; a call with several makes one of these for each and lists those
 * that fail as `unsuccessful`. The service's owner alone may. Accept: from pendingAcceptance or
 * rejected to `pending`, no change if pending or available. Reject: from pendingAcceptance, pending or
 * available, no change if rejected. Any other state is -EINVAL `InvalidState`.
 *
 * @param service   id
 * @param endpoint  id
 */
int cv_model_accept_by(struct cv_model *model, const struct cv_model_by *by, const char *service,
		       const char *endpoint, struct cv_model_errs *errs);

/** Reject one connection. @return as cv_model_accept_by() */
int cv_model_reject_by(struct cv_model *model, const struct cv_model_by *by, const char *service,
		       const char *endpoint, struct cv_model_errs *errs);

/** CreateTags, DeleteTags, AddTags, RemoveTags. */
int cv_model_tags_change(struct cv_model *model, const struct cv_model_by *by,
			 const struct cv_model_tags_change *req, struct cv_model_errs *errs);

/**
 * Let time pass: pending becomes available, deleting deleted, a deleted endpoint disappears and a
 * request that nobody answers expires. O(endpoints).
 *
 * @param now  seconds since 1970
 * @return whether anything changed
 */
bool cv_model_advance(struct cv_model *model, uint64_t now);

/* ---- resources of any kind ---- */

/**
 * How many places a kind has, those of what is gone included.
 *
 * @param kind  CV_MODEL_VPC..CV_MODEL_ENDPOINT
 */
uint32_t cv_model_count(const struct cv_model *model, enum cv_model_kind kind);

/** Id or ARN of a resource. @param kind  CV_MODEL_VPC..CV_MODEL_ENDPOINT */
const char *cv_model_id_at(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx);

/* ---- what an account sees ---- */

/** The account that owns a resource, not a zone. @param idx  of CV_MODEL_LISTENER: load balancer's */
uint32_t cv_model_owner(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx);

/** Tell whether a caller sees a service: it owns it, is an operator, or its principal is allowed. */
bool cv_model_service_is_seen(const struct cv_model *model, const struct cv_model_by *by,
			      uint32_t service);

/** The kind of resource that an id or ARN is of, by its form; CV_MODEL_KIND_N: of none. */
enum cv_model_kind cv_model_kind_of(const char *ref);

/** What every resource has; NULL for zones and accounts. @param listener  of CV_MODEL_LISTENER */
const struct cv_model_meta *cv_model_meta(const struct cv_model *model, enum cv_model_kind kind,
					  uint32_t idx, uint32_t listener);

/** Find a listener by ARN. @return its load balancer, *ret_idx its place there, or CV_MODEL_NONE */
uint32_t cv_model_listener_find(const struct cv_model *model, const char *arn, uint32_t *ret_idx);

/** Put back for how long a listener is sticky, as a call said. Nothing is done to one that is not there. */
void cv_model_listener_sticky_set(struct cv_model *model, const char *arn, uint32_t seconds);

/** Put back how many addresses of a node were asked for. Nothing is done to one that is not there. */
void cv_model_node_asked_set(struct cv_model *model, const char *lb_arn, uint32_t node, uint32_t n);

/** Find a target of a group. @return its place there, or CV_MODEL_NONE */
uint32_t cv_model_target_find(const struct cv_model *model, uint32_t tg, cv_be32_t ip,
			      uint16_t port);

/** Attribute of a load balancer: addresses of each node beside the primary. Taken, not written. */
#define CV_MODEL_ATTR_SECONDARY_IPS "secondary_ips.auto_assigned.per_subnet"

/** An attribute; value may point into buf. */
struct cv_model_attr {
	const char *key, *value;
	char buf[64];
};

/**
 * The i-th attribute of a target group, load balancer or listener.
 *
 * @param      listener  of CV_MODEL_LISTENER: place in its load balancer
 * @param[out] ret_attr  good as long as it stays where it is and the model is not changed
 * @return false past the last
 */
bool cv_model_attr_at(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx,
		      uint32_t listener, uint32_t i, struct cv_model_attr *ret_attr);

/**
 * Copy the model as it is, to plan and serve from while it goes on changing. Strings are shared: those
 * that the model gives up stay until the snapshot before is destroyed. O(everything).
 *
 * @return NULL if memory ran out
 * @owner  caller; cv_model_destroy(), before the model's own
 */
struct cv_model *cv_model_snapshot(struct cv_model *model);

/** Say how it went, after each cv_model_snapshot(): it serves, and the one before is destroyed; or it
 * is destroyed itself. */
void cv_model_snapshot_end(struct cv_model *model, bool served);

/** Forget the list of changes, once their documents are written. */
void cv_model_changes_clear(struct cv_model *model);
