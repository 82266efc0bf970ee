/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What every resource has beside its own: whether it still exists, where it comes from, its tags; and
 * who asks for a change.
 *
 * @threads as cv_model.h, which includes this
 */

#include <stdbool.h>
#include <stdint.h>

/** Kinds of resources. */
enum cv_model_kind {
	CV_MODEL_ZONE,
	CV_MODEL_ACCOUNT,
	CV_MODEL_VPC,
	CV_MODEL_SUBNET,
	CV_MODEL_SG,
	CV_MODEL_TG,
	CV_MODEL_LB,
	CV_MODEL_SERVICE,
	CV_MODEL_ENDPOINT,
	CV_MODEL_LISTENER, /**< found by ARN only; its index is that of its load balancer */
	CV_MODEL_KIND_N,
};

/** State of an endpoint. */
enum cv_model_state {
	CV_MODEL_PENDING_ACCEPTANCE,
	CV_MODEL_AVAILABLE,
	CV_MODEL_REJECTED,
	CV_MODEL_PENDING,  /**< about to be available */
	CV_MODEL_DELETING, /**< about to be deleted; it has no ENIs any more */
	CV_MODEL_DELETED,  /**< shown for a while yet */
	CV_MODEL_FAILED,   /**< its service is gone */
	CV_MODEL_EXPIRED,  /**< nobody answered its request */
	CV_MODEL_STATE_N,
};

/** Whether a service's private DNS name is proven to be its owner's. */
enum cv_model_dns_state {
	CV_MODEL_DNS_UNVERIFIED,
	CV_MODEL_DNS_VERIFIED,
	CV_MODEL_DNS_FAILED,
	CV_MODEL_DNS_ASKED, /**< not verified yet, but its owner has asked for that */
};

/** Tags of one resource, and the lengths of their parts, in bytes: AWS's limits. */
#define CV_MODEL_TAGS_MAX 50
#define CV_MODEL_TAG_KEY_MAX 128
#define CV_MODEL_TAG_VALUE_MAX 256

/** A deleted endpoint is shown for so long, and a request is answered or expires in so long. Of each
 * account so many deleted ones are shown at most. */
#define CV_MODEL_DELETED_SECONDS 600
#define CV_MODEL_DELETED_EACH 1000

/** Security groups that calls may have made at a time, of each account. */
#define CV_MODEL_SGS_EACH 2500

/** Security groups that a call may give an endpoint or a load balancer, and principals that it may allow
 * to a service. */
#define CV_MODEL_ENDPOINT_SGS_MAX 5
#define CV_MODEL_PRINCIPALS_MAX 1000
#define CV_MODEL_EXPIRE_SECONDS (7 * 86400)

/** A tag, or an attribute in AWS's words. */
struct cv_model_tag {
	const char *key;
	const char *value; /**< NULL in a removal: whatever it is */
};

/** Part of every resource. All zero: from the configuration file, no tags. */
struct cv_model_meta {
	bool gone;          /**< removed: to be skipped; its index may be given to another later */
	bool api;           /**< made by an API call; else from the configuration file */
	bool runtime;       /**< from the file, but an API call changed what is runtime by nature */
	uint64_t created;   /**< seconds since 1970; 0: with the file */
	uint32_t n_users;   /**< resources that refer to it; it cannot go before them */
	uint32_t next_free; /**< of a gone one */
	uint32_t change;    /**< 1 + place in struct cv_model's changes, 0: none */
	struct cv_model_tag *tags; /**< shape [n_tags], by key; a key stands once */
	uint32_t n_tags;
	struct cv_model_tag *attrs; /**< shape [n_attrs]; attributes that are only stored */
	uint32_t n_attrs;
};

/** Who makes a change, when. NULL in its place: the configuration file, which may do everything. */
struct cv_model_by {
	uint32_t account; /**< others' resources do not exist for it; CV_MODEL_NONE: operator */
	const char *principal;           /**< ARN of the caller; NULL: the account's root */
	uint64_t now;                    /**< seconds since 1970 */
	uint64_t random[2];              /**< for ids: fresh for each call */
	const struct cv_model_tag *tags; /**< shape [n_tags]; of what the call makes */
	uint32_t n_tags;
	/** What is stored is put back: no question whether it would be allowed today. */
	bool restore;
};

/** A resource whose document (cv_conf_doc.h) is to be written or removed. */
struct cv_model_change {
	enum cv_model_kind kind;
	uint32_t idx;   /**< CV_MODEL_NONE: it is gone */
	const char *id; /**< id or ARN; until cv_model_changes_clear() */
};
