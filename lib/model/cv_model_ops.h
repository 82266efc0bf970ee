/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The operations that change a model, and every rule. One operation is one API call: it succeeds
 * whole or changes nothing, and names each rule that its request violates.
 *
 * A request refers to other resources by name, id or ARN, whichever the caller has. Strings and
 * arrays of a request are copied.
 *
 * Shared by all `add` operations, @return 0, or
 *   -EINVAL  a rule is violated: errs holds one error per violation
 *   -ENOENT  only unknown references are wrong; errs says which
 *   -EEXIST  a name, id or port is taken
 *   -ECANCELED  it refers to a reserved name (cv_model_reserve()); errs may be empty
 *   -ENOMEM  memory ran out
 *
 * @threads control
 */

#include "cv_model.h"

/** One violated rule. */
struct cv_model_err {
	enum cv_model_kind kind;
	uint32_t idx;     /**< resource, or CV_MODEL_NONE for the one being added */
	int err;          /**< EINVAL, ENOENT or EEXIST; 0 for a warning */
	const char *code; /**< AWS's error code, such as `InvalidServiceName`; "" for a warning */
	char field[64]; /**< part of the request or resource, such as `subnets[1].ip`; "" for all */
	char text[224]; /**< what any caller may be told */
	char hint[256]; /**< what only the operator may be told, "" if nothing */
};

/** Violated rules. Zero-initialise; release with cv_model_errs_fini(). */
struct cv_model_errs {
	struct cv_model_err *items; /**< shape [n] */
	uint32_t n;
};

/** Free what a list holds and make it empty. */
void cv_model_errs_fini(struct cv_model_errs *errs);

/** Request: an account. */
struct cv_model_account_req {
	const char *id;                /**< 12 digits */
	const char *name;              /**< NULL: the id */
	const char *const *zone_names; /**< shape [n_zones]; what the account calls... */
	const char *const *zone_ids;   /**< shape [n_zones]; ...these zones */
	uint32_t n_zones;              /**< 0: every zone by its id */
};

/** Request: a VPC. */
struct cv_model_vpc_req {
	const char *name;
	const char *id;                /**< NULL: derived from the name */
	const char *owner;             /**< account name or id */
	const struct cv_prefix *cidrs; /**< shape [n_cidrs] */
	uint32_t n_cidrs;
	const char *port;
	uint16_t vlan;               /**< 0: untagged */
	struct cv_model_vxlan vxlan; /**< vni 0: none; peers stay the caller's */
	bool no_dns_support, no_dns_hostnames;
	const struct cv_model_by *by; /**< NULL: the configuration file */
};

/** Request: a subnet. */
struct cv_model_subnet_req {
	const char *name;
	const char *id; /**< NULL: derived */
	uint32_t vpc;
	struct cv_prefix cidr;
	const char *zone;             /**< as the VPC's owner names it, or the zone id */
	cv_be32_t gateway;            /**< 0: none */
	const struct cv_model_by *by; /**< NULL: the configuration file */
};

/** Request: a security group. */
struct cv_model_sg_req {
	const char *name;
	const char *id; /**< NULL: derived */
	uint32_t vpc;
	const struct cv_model_rule *rules;  /**< shape [n_rules]; ingress */
	const struct cv_model_rule *egress; /**< shape [n_egress]; NULL: everything to everybody */
	uint32_t n_rules, n_egress;
	const struct cv_model_by *by; /**< NULL: the configuration file */
};

/** Request: a target group. */
struct cv_model_tg_req {
	const char *name;
	const char *arn; /**< NULL: derived */
	const char *vpc;
	uint16_t port;
	bool ppv2;
	enum cv_model_placement placement;
	enum cv_model_cross_zone cross_zone;
	struct cv_model_least dns_least, routing_least;
	bool sticky;
	struct cv_model_drain drain;
	struct cv_model_check_req check;
	const struct cv_model_by *by; /**< NULL: the configuration file */
};

/** Request: a target. */
struct cv_model_target_req {
	cv_be32_t ip;
	uint16_t port;    /**< 0: the group's */
	const char *zone; /**< zone name, zone id or `all`; NULL: its subnet's, else all */
	const struct cv_model_by *by;
};

/** Request: where a load balancer or an endpoint has an interface. */
struct cv_model_place_req {
	const char *subnet;
	const cv_be32_t *ips; /**< shape [n_ips]; a load balancer takes several, an endpoint one */
	uint32_t n_ips;       /**< 0: allocated when settled */
};

/** Request: a load balancer. */
struct cv_model_lb_req {
	const char *name;
	const char *arn; /**< NULL: derived */
	const char *vpc;
	const struct cv_model_place_req *places; /**< shape [n_places] */
	uint32_t n_places;
	uint32_t n_secondary; /**< 0..7 secondary addresses per node, beside those that are given */
	const char *const *sgs; /**< shape [n_sgs] */
	uint32_t n_sgs;
	bool cross_zone;
	bool sg_on_privatelink;
	bool zonal_shift;
	enum cv_model_client_routing client_routing;
	const struct cv_model_by *by; /**< NULL: the configuration file */
};

/** Request: a listener. */
struct cv_model_listener_req {
	uint16_t port;
	const char *target_group;                    /**< NULL: forwards */
	const struct cv_model_forward_req *forwards; /**< shape [n_forwards] */
	uint32_t n_forwards;                         /**< 0..CV_MODEL_FORWARDS_MAX */
	bool sticky_group;
	uint32_t sticky_seconds;      /**< as in struct cv_model_listener */
	uint32_t idle_seconds;        /**< CV_MODEL_IDLE_SECONDS_MIN..MAX */
	const struct cv_model_by *by; /**< NULL: the configuration file */
	const char *arn;              /**< NULL: derived */
};

/** Request: an endpoint service. */
struct cv_model_service_req {
	const char *name;
	const char *id;         /**< NULL: derived */
	const char *const *lbs; /**< shape [n_lbs] */
	uint32_t n_lbs;
	const char *const *principals; /**< shape [n_principals] */
	uint32_t n_principals;
	bool acceptance_required;
	const struct cv_model_by *by; /**< NULL: the configuration file */
	uint64_t zones;               /**< with by->restore: bit per zone that was offered */
};

/** Request: an interface endpoint. */
struct cv_model_endpoint_req {
	const char *name;
	const char *id;        /**< NULL: derived */
	const char *principal; /**< NULL: root of the VPC's owner */
	const char *vpc;
	const char *service; /**< full service name, `vpce-svc-` id, or configured name */
	const struct cv_model_place_req *places; /**< shape [n_places] */
	uint32_t n_places;
	const char *const *sgs; /**< shape [n_sgs] */
	uint32_t n_sgs;
	bool private_dns;
	/** With by->restore: how it stood. */
	enum cv_model_state state;
	uint64_t state_since;
	const char *service_name;
	const char *const *eni_lbs;   /**< shape [n_places]; ARNs, "" or all NULL: chosen anew */
	const struct cv_model_by *by; /**< NULL: the configuration file */
};

/** Make an empty model of a region such as `us-east-1`. @return NULL if memory ran out */
struct cv_model *cv_model_create(const char *region);

/** Free a model and everything in it; NULL is fine. */
void cv_model_destroy(struct cv_model *model);

/** Add a zone by its id. */
int cv_model_zone_add(struct cv_model *model, const char *id, struct cv_model_errs *errs);

/** Add an account. */
int cv_model_account_add(struct cv_model *model, const struct cv_model_account_req *req,
			 struct cv_model_errs *errs);

/** Add a VPC: no two on one attachment, no overlap among its own CIDRs. */
int cv_model_vpc_add(struct cv_model *model, const struct cv_model_vpc_req *req,
		     struct cv_model_errs *errs);

/** Add a subnet: inside the VPC, beside its other subnets, in a zone that the owner knows. */
int cv_model_subnet_add(struct cv_model *model, const struct cv_model_subnet_req *req,
			struct cv_model_errs *errs);

/** Add a security group. */
int cv_model_sg_add(struct cv_model *model, const struct cv_model_sg_req *req,
		    struct cv_model_errs *errs);

/** Add a target group without targets. */
int cv_model_tg_add(struct cv_model *model, const struct cv_model_tg_req *req,
		    struct cv_model_errs *errs);

/** Register a target: private address, not one of ours, its zone as its subnet's. One that is put back is
 * where its subnet is now. */
int cv_model_target_add(struct cv_model *model, uint32_t tg, const struct cv_model_target_req *req,
			struct cv_model_errs *errs);

/** Add a load balancer without listeners. */
int cv_model_lb_add(struct cv_model *model, const struct cv_model_lb_req *req,
		    struct cv_model_errs *errs);

/** Add a listener: its port is free, its target group in the same VPC and used by no other. */
int cv_model_listener_add(struct cv_model *model, uint32_t lb,
			  const struct cv_model_listener_req *req, struct cv_model_errs *errs);

/** Add an endpoint service: its load balancers have one owner and are in no other service. */
int cv_model_service_add(struct cv_model *model, const struct cv_model_service_req *req,
			 struct cv_model_errs *errs);

/** Add an endpoint: allowed by the service, one subnet per zone, zones that the service offers. */
int cv_model_endpoint_add(struct cv_model *model, const struct cv_model_endpoint_req *req,
			  struct cv_model_errs *errs);

/**
 * Accept an endpoint's request: it becomes available, also from rejected.
 *
 * @param service   index
 * @param endpoint  id or name
 * @return 0, or -ENOENT (no such endpoint, or it belongs to another service)
 */
int cv_model_accept(struct cv_model *model, uint32_t service, const char *endpoint,
		    struct cv_model_errs *errs);

/** Reject an endpoint, whether it waits or is available. @return as cv_model_accept() */
int cv_model_reject(struct cv_model *model, uint32_t service, const char *endpoint,
		    struct cv_model_errs *errs);

/**
 * Give an address to every node and ENI that has none, once all given addresses are known.
 *
 * The address is found by hashing the interface's identity into its subnet and taking the next free
 * one, never AWS's reserved first four and last: so an address does not depend on the order in which
 * resources were added, unless two of them collide.
 *
 * @return 0, or -ENOSPC (a subnet is full; errs says which)
 */
int cv_model_settle(struct cv_model *model, struct cv_model_errs *errs);

/**
 * Before that, give those nodes and ENIs that are in another model, too, the address that they have there,
 * if nobody else has it here: what serves does not move when others come or go.
 *
 * @return 0 or -ENOMEM
 */
int cv_model_addrs_keep(struct cv_model *model, const struct cv_model *old,
			struct cv_model_errs *errs);

/**
 * Check what only the whole shows: targets that cannot be reached (error), empty target groups, load
 * balancers without listeners, services that nobody may use and endpoints that nobody reaches (warnings).
 *
 * @return 0 even with warnings, or -EINVAL
 */
int cv_model_check(struct cv_model *model, struct cv_model_errs *errs);

/**
 * Reserve a name for a resource that could not be added, so that what refers to it is not reported as
 * a second mistake.
 *
 * @param scope  VPC of a subnet or security group, else CV_MODEL_NONE
 */
void cv_model_reserve(struct cv_model *model, enum cv_model_kind kind, uint32_t scope,
		      const char *name);

/**
 * Find a resource.
 *
 * @param scope  VPC in which to look for a subnet or security group by name, else CV_MODEL_NONE
 * @param ref    name, id, ARN or service name
 * @return index, or CV_MODEL_NONE
 */
uint32_t cv_model_find(const struct cv_model *model, enum cv_model_kind kind, uint32_t scope,
		       const char *ref);

/** Tell whether text is an IAM ARN of an account's root, user or role, without a path. */
bool cv_model_principal_is(const char *text);
