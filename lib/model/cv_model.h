/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The resources: what exists, who owns it, in which state it is. Plain structs in arrays; a reference
 * is an index into the array of the kind it names, CV_MODEL_NONE for none.
 *
 * Pure: no I/O, no clock, no JSON. Every struct here is read-only outside this module; changes go
 * through the operations of cv_model_ops.h, which hold every rule. All strings and arrays belong to
 * the model and live as long as it does; a pointer to an element of a growing array is good until the
 * next operation.
 *
 * @threads one at a time (control); a model that is no longer changed may be read by any
 * @source  AWS: "AWS PrivateLink", "Network Load Balancers", EC2 and ELBv2 API references
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_model_check.h"
#include "cv_model_drain.h"
#include "cv_model_meta.h"
#include "cv_model_quota.h"
#include "cv_model_route.h"
#include "cv_model_sg.h"
#include "cv_model_vxlan.h"
#include "cv_net.h"

/** No such index. */
#define CV_MODEL_NONE UINT32_MAX

/** Addresses of one NLB node: the primary and up to seven secondaries, as AWS allows. */
#define CV_MODEL_NODE_IPS_MAX 8

/** Idle timeout of a listener, in seconds: AWS's default and bounds. */
#define CV_MODEL_IDLE_SECONDS 350
#define CV_MODEL_IDLE_SECONDS_MIN 60
#define CV_MODEL_IDLE_SECONDS_MAX 6000

/** An availability zone by its fleet-wide id. */
struct cv_model_zone {
	const char *id; /**< `use1-az1` */
};

/** What one account calls a zone. */
struct cv_model_zone_name {
	const char *name; /**< `us-east-1a` */
	uint32_t zone;
};

/** An AWS account and its own names for the zones. */
struct cv_model_account {
	const char *id; /**< 12 digits */
	const char *name;
	struct cv_model_zone_name *zones; /**< shape [n_zones] */
	uint32_t n_zones;
	uint32_t n_deleted; /**< its endpoints that are only shown yet */
};

/** An isolated IPv4 network: one L2 segment on which every address of its CIDRs is reachable. */
struct cv_model_vpc {
	const char *id; /**< `vpc-` + 17 hex */
	const char *name;
	uint32_t owner;          /**< account */
	struct cv_prefix *cidrs; /**< shape [n_cidrs]; no two overlap */
	uint32_t n_cidrs;
	const char *port; /**< name of a port in `dpdk.ports` */
	uint16_t vlan;    /**< 1..4094, 0: untagged; of what carries it in VXLAN */
	struct cv_model_vxlan vxlan;
	uint32_t n_endpoints;            /**< that calls made, but deleted ones */
	bool dns_support, dns_hostnames; /**< has a DNS server; may have private names, with both */
	struct cv_model_meta meta;
};

/** A part of a VPC in one zone. */
struct cv_model_subnet {
	const char *id; /**< `subnet-` + 17 hex */
	const char *name;
	uint32_t vpc;
	struct cv_prefix cidr;
	const char *zone_name; /**< as the VPC's owner names it */
	uint32_t zone;         /**< what that name means in the owner's account */
	cv_be32_t gateway;     /**< router towards addresses outside the VPC; 0 for none */
	struct cv_model_meta meta;
};

/** When the PROXY header goes out. */
enum cv_model_placement {
	CV_MODEL_ON_FIRST_ACK_WITH_PAYLOAD, /**< with the client's first data: AWS's default */
	CV_MODEL_ON_FIRST_ACK,              /**< right after the handshake */
};

/** Whether nodes use targets of other zones. */
enum cv_model_cross_zone {
	CV_MODEL_CROSS_ZONE_OFF,
	CV_MODEL_CROSS_ZONE_ON,
	CV_MODEL_CROSS_ZONE_LB, /**< as the load balancer says */
};

/** A server. */
struct cv_model_target {
	cv_be32_t ip;
	uint16_t port;
	uint32_t zone; /**< its subnet's zone, or as given; CV_MODEL_NONE: serves every zone */
	bool api;      /**< registered by an API call, else by the file */
};

/** Servers of one kind, and how they are spoken to. */
struct cv_model_target_group {
	const char *arn;
	const char *name;
	uint32_t vpc;
	uint16_t port; /**< of targets that name none */
	bool ppv2;
	enum cv_model_placement placement;
	enum cv_model_cross_zone cross_zone;
	struct cv_model_least dns_least;     /**< below it, DNS leaves the zone out */
	struct cv_model_least routing_least; /**< below it, unhealthy targets get flows, too */
	bool sticky;                         /**< by source IP */
	struct cv_model_drain drain;
	struct cv_model_target *targets; /**< shape [n_targets]; no two alike */
	uint32_t n_targets;
	struct cv_model_check check;
	uint32_t lb; /**< the one load balancer that uses it, or CV_MODEL_NONE */
	struct cv_model_target *dropped; /**< shape [n_dropped]; the file's, deregistered since */
	uint32_t n_dropped;
	struct cv_model_meta meta;
};

/** The one identity of a load balancer in one zone. */
struct cv_model_node {
	uint32_t subnet;
	uint32_t zone; /**< the subnet's; no two nodes of a load balancer share one */
	cv_be32_t ips[CV_MODEL_NODE_IPS_MAX]; /**< shape [n_ips]; primary first, 0 until settled */
	uint32_t n_ips;                       /**< 1..CV_MODEL_NODE_IPS_MAX */
	uint32_t n_asked; /**< so many of them, the first, were asked for; the others chosen */
};

/** A port on which a load balancer answers. */
struct cv_model_listener {
	const char *arn;
	uint16_t port;
	uint32_t tg;                                             /**< the first of forwards */
	struct cv_model_forward forwards[CV_MODEL_FORWARDS_MAX]; /**< shape [n_forwards] */
	uint32_t n_forwards;
	bool sticky_group;       /**< the source IP alone decides which of forwards */
	uint32_t sticky_seconds; /**< as a call says, 0: unsaid; only told again */
	uint32_t idle_seconds;
	struct cv_model_meta meta;
};

/** A Network Load Balancer. */
struct cv_model_lb {
	const char *arn;
	const char *name;
	uint32_t vpc;
	struct cv_model_node *nodes; /**< shape [n_nodes], n_nodes >= 1 */
	uint32_t n_nodes;
	struct cv_model_listener *listeners; /**< shape [n_listeners] */
	uint32_t n_listeners;
	uint32_t *sgs; /**< shape [n_sgs]; none: no filter */
	uint32_t n_sgs;
	bool cross_zone;
	bool sg_on_privatelink; /**< its security groups filter endpoint traffic too */
	bool zonal_shift;       /**< may be shifted away from a zone */
	uint32_t shifted_zone;  /**< CV_MODEL_NONE: none is */
	bool shift_decided;     /**< an operator decided that; else the file */
	enum cv_model_client_routing client_routing;
	uint32_t service; /**< the one endpoint service that offers it, or CV_MODEL_NONE */
	struct cv_model_meta meta;
};

/** An endpoint service: load balancers offered to those who are allowed. */
struct cv_model_service {
	const char *id;           /**< `vpce-svc-` + 17 hex */
	const char *name;         /**< in the configuration */
	const char *service_name; /**< `com.amazonaws.vpce.<region>.<id>` */
	uint32_t owner;           /**< account that owns its load balancers */
	uint32_t *lbs;            /**< shape [n_lbs], n_lbs >= 1 */
	uint32_t n_lbs;
	const char **principals; /**< shape [n_principals]; ARNs or `*` */
	uint32_t n_principals;
	bool acceptance_required;
	uint64_t zones;               /**< bit per zone: offered */
	uint32_t n_attached;          /**< endpoints that wait, are pending or available */
	const char *private_dns_name; /**< NULL: none */
	enum cv_model_dns_state dns_state;
	struct cv_model_meta meta; /**< n_users: its endpoints but deleted ones */
};

/** An endpoint's network interface in one subnet. */
struct cv_model_eni {
	const char *id; /**< `eni-` + 17 hex */
	uint32_t subnet;
	uint32_t zone; /**< the subnet's; no two ENIs of an endpoint share one */
	cv_be32_t ip;  /**< 0 until settled */
	uint32_t lb; /**< the one load balancer of the service that serves this ENI, for its life */
	uint32_t node; /**< index into that load balancer's nodes: the one in this zone */
};

/** An interface endpoint. */
struct cv_model_endpoint {
	const char *id; /**< `vpce-` + 17 hex */
	const char *name;
	const char *principal; /**< ARN of who asked for it */
	uint32_t vpc;
	uint32_t service;          /**< CV_MODEL_NONE: gone */
	const char *service_name;  /**< full name, also when the service is gone */
	struct cv_model_eni *enis; /**< shape [n_enis]; none: nobody reaches it yet */
	uint32_t n_enis;
	uint32_t *sgs; /**< shape [n_sgs]; at least one until it is deleted */
	uint32_t n_sgs;
	enum cv_model_state state;
	uint64_t state_since; /**< seconds since 1970; 0: with the file */
	bool private_dns;
	struct cv_model_meta meta;
};

struct cv_model_index; /* private: names and addresses */

/** Everything. Create with cv_model_create(). */
struct cv_model {
	const char *region;
	struct cv_model_zone *zones;
	struct cv_model_account *accounts;
	struct cv_model_vpc *vpcs;
	struct cv_model_subnet *subnets;
	struct cv_model_security_group *sgs;
	struct cv_model_target_group *tgs;
	struct cv_model_lb *lbs;
	struct cv_model_service *services;
	struct cv_model_endpoint *endpoints;
	struct cv_model_pool *pools; /**< shape [n_pools]; cv_model_pool.h */
	uint32_t n_zones, n_accounts, n_pools;
	uint32_t n_vpcs, n_subnets, n_sgs, n_tgs, n_lbs, n_services, n_endpoints;
	uint32_t n_deleted;               /**< endpoints that are only shown yet */
	uint32_t n_gone[CV_MODEL_KIND_N]; /**< of the above, by kind: no resources */
	uint32_t n_targets, n_listeners;  /**< of all groups, of all load balancers */
	/** How many there may be, 0: no limit. The reader's to set. CV_MODEL_TG: targets; CV_MODEL_VPC:
	 * endpoints of one VPC that calls made. */
	uint32_t limits[CV_MODEL_KIND_N];
	struct cv_model_quotas quotas;   /**< of calls; the reader's to set */
	struct cv_model_change *changes; /**< shape [n_changes]; by API calls */
	uint32_t n_changes;
	struct cv_model_index *index;
};

/** The API's word for a state, such as `pendingAcceptance`. */
const char *cv_model_state_str(enum cv_model_state state);

/** Tell whether an endpoint is deleted, or about to be: it serves nothing, and is shown for a while yet. */
bool cv_model_endpoint_is_over(const struct cv_model_endpoint *endpoint);

/** The attribute's word for a placement: `on_first_ack_with_payload`, `on_first_ack`. */
const char *cv_model_placement_str(enum cv_model_placement placement);

/** Find a load balancer's node in a zone. @return index into lb->nodes, or CV_MODEL_NONE */
uint32_t cv_model_node_find(const struct cv_model_lb *lb, uint32_t zone);

/** Tell whether a service is offered in a zone: one of its load balancers has a node there. */
bool cv_model_service_is_in_zone(const struct cv_model *model, uint32_t service, uint32_t zone);

/** Tell whether targets of a group in other zones are used by a load balancer's nodes. */
bool cv_model_is_cross_zone(const struct cv_model_lb *lb, const struct cv_model_target_group *tg);

/** Tell whether a VPC's CIDRs hold an address: then it is on the VPC's link, else behind a gateway. */
bool cv_model_vpc_has(const struct cv_model_vpc *vpc, cv_be32_t addr);

/**
 * Tell whether a service allows a principal: `*`, the same ARN, or the root ARN of its account, which
 * stands for all of the account's users and roles.
 *
 * @param model      model
 * @param service    index
 * @param principal  IAM ARN: `arn:aws:iam::123456789012:root`, `...:user/NAME`, `...:role/NAME`
 */
bool cv_model_principal_allowed(const struct cv_model *model, uint32_t service,
				const char *principal);
