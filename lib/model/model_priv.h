/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the model: the index of names and addresses, memory, and the report of violated rules.
 */

#include "cv_base.h"
#include "cv_model_ops.h"

/** Value of a name whose resource could not be added. */
#define MODEL_RESERVED (UINT32_MAX - 1)

/** What a key of the index is about; resources' names, ids and ARNs use enum cv_model_kind. */
enum model_key_kind {
	MODEL_KEY_ATTACH = CV_MODEL_KIND_N, /**< port name, VLAN and VNI -> VPC */
	MODEL_KEY_UNDER,                    /**< port name, VLAN -> the first VPC in VXLAN there */
	MODEL_KEY_SUBNET,                   /**< VPC, prefix -> subnet of just this prefix */
	MODEL_KEY_COVER,                    /**< VPC, prefix -> a subnet inside it */
	MODEL_KEY_ADDR,                     /**< VPC, address -> enum model_addr */
	MODEL_KEY_TARGET,                   /**< target group, address and port */
	MODEL_KEY_LISTENER,                 /**< load balancer, port */
	MODEL_KEY_PRINCIPAL,                /**< service, ARN */
	MODEL_KEY_FULL,                     /**< subnet without a free address */
	MODEL_KEY_TARGET_ADDR,              /**< VPC, address -> registrations */
	MODEL_KEY_TG_NAME,                  /**< account, name */
	MODEL_KEY_LB_NAME,                  /**< account, name */
};

/** What an address of a VPC is used for. */
enum model_addr { MODEL_ADDR_TARGET, MODEL_ADDR_GATEWAY, MODEL_ADDR_NODE, MODEL_ADDR_ENI };

/** A key: text or number or both, within a scope. */
struct model_key {
	uint32_t kind;
	uint32_t scope;
	uint64_t num;
	const char *str; /**< NULL for none; belongs to the model */
};

/** One operation's request as it is checked. */
struct model_ctx {
	struct cv_model *model;
	struct cv_model_errs *errs;
	enum cv_model_kind kind;
	int ret;                      /**< 0 or the negative errno to return */
	char field[64];               /**< room for cv_model_at() */
	const struct cv_model_by *by; /**< NULL: the configuration file */
	const void *mark;             /**< strings made since are undone on failure */
	struct cv_model_tag *tags;    /**< shape [n_tags]; of what is made, until it is published */
	uint32_t n_tags;
};

/** What a kind of resource is called and how its references fail. */
struct model_word {
	const char *noun;
	const char *id_prefix; /**< NULL: no such ids */
	const char *not_found; /**< AWS's code for an unknown reference */
	const char *malformed; /**< AWS's code for a malformed id */
	const char *taken;     /**< AWS's code for a name that is in use */
};

/** First free place of a kind; CV_MODEL_NONE: none. Writable. */
uint32_t *cv_model_free_first(struct cv_model *model, enum cv_model_kind kind);

/** Name of a resource, "" of one that is gone; NULL past the last. */
const char *cv_model_name_of(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx);

/** Write 32 hex digits, random but for the same call and basis, into buf, shape [40]. */
void cv_model_random(const struct model_ctx *ctx, const char *basis, char *buf);

/** Words of a kind. */
const struct model_word *cv_model_word(enum cv_model_kind kind);

/* Index. Inserts cannot fail after cv_model_index_room(). */
struct cv_model_index *cv_model_index_create(void);
void cv_model_index_destroy(struct cv_model_index *index);
int cv_model_index_room(struct cv_model_index *index, size_t n_more);
void cv_model_index_put(struct cv_model_index *index, const struct model_key *key, uint32_t value);
uint32_t cv_model_index_get(const struct cv_model_index *index, const struct model_key *key);
struct cv_model_index *cv_model_index_copy(const struct cv_model_index *index);
void cv_model_index_remove(struct cv_model_index *index, const struct model_key *key);

/* Strings that are given back while snapshots live. */
void cv_model_limbo_turn(struct cv_model_index *index);
void cv_model_limbo_end(struct cv_model_index *index, bool served);

/** Give back a string of the model; NULL is fine. */
void cv_model_str_free(struct cv_model *model, const char *text);

/* Give back all strings that were made since a mark. */
const void *cv_model_str_mark(const struct cv_model *model);
void cv_model_str_undo(struct cv_model *model, const void *mark);

/** Copy a string into the model's memory. @return NULL if memory ran out */
const char *cv_model_str(struct cv_model *model, const char *text);

/** Format into the model's memory, at most 255 bytes. @return NULL if memory ran out */
const char *cv_model_strf(struct cv_model *model, const char *fmt, ...) CV_PRINTF(2, 3);

/**
 * Make room for one more element in an array of n that grows by doubling.
 *
 * @return the array, perhaps moved, or NULL if memory ran out (the old one is still good)
 */
void *cv_model_grow(void *items, uint32_t n, size_t size);

/** Record a violated rule and what it makes the operation return. */
struct cv_model_err *cv_model_err(struct model_ctx *ctx, int err, const char *code,
				  const char *field, const char *fmt, ...) CV_PRINTF(5, 6);

/** Add what only the operator may know; err may be NULL. */
void cv_model_hint(struct cv_model_err *err, const char *fmt, ...) CV_PRINTF(2, 3);

/** Format the name of a field into ctx. */
const char *cv_model_at(struct model_ctx *ctx, const char *fmt, ...) CV_PRINTF(2, 3);

/** Note that memory ran out. */
void cv_model_oom(struct model_ctx *ctx);

/** Resolve a reference; an unknown one is an error at field. @return index or CV_MODEL_NONE */
uint32_t cv_model_resolve(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t scope,
			  const char *ref, const char *field);

/** Resolve n references into a new array. @return the array, or NULL (n is 0, or ctx->ret says why) */
uint32_t *cv_model_resolve_all(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t scope,
			       const char *const *refs, uint32_t n);

/** Check a name and that nothing in its scope has it. */
void cv_model_check_name(struct model_ctx *ctx, uint32_t scope, const char *name);

/**
 * Take a given id or derive one.
 *
 * @param id     given, or NULL
 * @param basis  what the id is derived from: unique among its kind, in every scope
 * @return the id in the model's memory, or NULL (ctx->ret says why)
 */
const char *cv_model_id(struct model_ctx *ctx, const char *id, const char *basis);

/** Begin an operation: who asks, what it makes is tagged with. Ended by cv_model_end(). */
void cv_model_begin(struct model_ctx *ctx, const struct cv_model_by *by);

/** End an operation: on failure, what it copied is given back. @return ctx->ret */
int cv_model_end(struct model_ctx *ctx);

/** The place of a new resource of ctx's kind; last of all that can fail. @return CV_MODEL_NONE: oom */
uint32_t cv_model_place(struct model_ctx *ctx);

/** Make a resource findable by name (in scope) and by id (everywhere), and give it its tags. Needs
 * room for two. name NULL: only by id. */
void cv_model_publish(struct model_ctx *ctx, uint32_t scope, const char *name, const char *id,
		      uint32_t idx);

/** A zone by an account's name for it or by zone id. @return index or CV_MODEL_NONE */
uint32_t cv_model_zone_of(const struct cv_model *model, uint32_t account, const char *name);

/** Key of an attachment. @param port stays the caller's @param vlan 0: untagged @param vni 0: no VXLAN */
struct model_key cv_model_attach_key(const char *port, uint16_t vlan, uint32_t vni);

/** The subnet of a VPC that holds an address, or CV_MODEL_NONE. */
uint32_t cv_model_subnet_of(const struct cv_model *model, uint32_t vpc, cv_be32_t addr);

/** What uses an address of a VPC: enum model_addr, or CV_MODEL_NONE. */
uint32_t cv_model_addr_use(const struct cv_model *model, uint32_t vpc, cv_be32_t addr);

/** Note what uses an address. Needs room for one. */
void cv_model_addr_put(struct cv_model *model, uint32_t vpc, cv_be32_t addr, enum model_addr use);

/** Note that an address is free again. */
void cv_model_addr_drop(struct cv_model *model, uint32_t vpc, cv_be32_t addr);

/** Check an address that a node or ENI asks for: in its subnet, not reserved, not in use. */
void cv_model_check_addr(struct model_ctx *ctx, uint32_t subnet, cv_be32_t addr, const char *field);

/** Check how targets are to be checked and fill in what is absent; ctx->ret says how it went. */
void cv_model_check_make(struct model_ctx *ctx, const struct cv_model_check_req *req,
			 struct cv_model_check *ret_check);

/** Fill in a listener's target groups from its request; ctx->ret says how it went. */
void cv_model_forwards_make(struct model_ctx *ctx, uint32_t lb,
			    const struct cv_model_listener_req *req, struct cv_model_listener *l);

/** Check that a group may become sticky: every listener that chooses it does so for good. */
void cv_model_sticky_check(struct model_ctx *ctx, uint32_t tg);

/** Check the thresholds of target group health. */
void cv_model_least_check(struct model_ctx *ctx, const struct cv_model_least *dns,
			  const struct cv_model_least *routing);

/** Give an ENI one of its service's load balancers that have a node in its zone. */
void cv_model_eni_choose(const struct cv_model *model, uint32_t service, struct cv_model_eni *eni);

/** Free the attachments for VPCs that calls make. */
void cv_model_pools_free(struct cv_model *model);

/** AWS's partition of a region: `aws`, `aws-cn`, `aws-us-gov`. */
const char *cv_model_partition(const char *region);
