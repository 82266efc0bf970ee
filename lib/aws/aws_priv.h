/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What an action is, and what it may use. doc/api.md says in twenty lines how to add one.
 *
 * An action's parameters are declared; the dispatcher checks them before the action runs, answers DryRun
 * and repeated client tokens, parses filters and page tokens. Then the handler runs on the control
 * thread, reads and changes the model, and writes the inside of its answer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "cv_aws.h"
#include "cv_model.h"
#include "cv_query.h"
#include "cv_xml.h"

struct cv_model_errs;

/* ---- services ---- */

/** Services, by their place in the table of services. */
enum aws_service_id {
	AWS_EC2,
	AWS_ELBV2,
	AWS_STS,
	AWS_SNS,
	AWS_CLOUDWATCH,
	AWS_N_SERVICES,
};

/** How a service talks. */
struct aws_service {
	const char *name;    /**< in the credential scope */
	const char *version; /**< of the API */
	const char *ns;      /**< XML namespace of its answers */
	bool ec2;            /**< EC2's protocol; else the query protocol */
	const char *model;   /**< botocore's name of the service */
};

/** The table, shape [AWS_N_SERVICES]. */
const struct aws_service *cv_aws_services(void);

/* ---- declarations ---- */

/** What a parameter holds. */
enum aws_type {
	AWS_TYPE_STR,    /**< min and max are characters */
	AWS_TYPE_INT,    /**< min and max are values */
	AWS_TYPE_DOUBLE, /**< any number */
	AWS_TYPE_BOOL,   /**< `true` or `false`, in any case */
	AWS_TYPE_ENUM,   /**< one of choices */
	AWS_TYPE_TIME,   /**< ISO 8601; cv_aws_time_parse() */
	AWS_TYPE_REFUSE, /**< AWS knows it, culvert does not do it: refused, with its name */
	AWS_TYPE_LATE,   /**< the same, but it is the handler that refuses, for a better reason */
};

/** It must be there: in a list, at least one; in an element of a list, in every element. */
#define AWS_REQUIRED 1

/**
 * A parameter, by its name on the wire with N for positions: `SubnetId.N`, `Filter.N.Value.N`,
 * `Targets.member.N.Id`. One that ends in `.*` stands for all below.
 */
struct aws_param {
	const char *name;
	enum aws_type type;
	unsigned int flags;
	int64_t min, max;
	const char *choices; /**< `a|b|c`, as they are spelled */
};

#define AWS_STR(name, flags, min, max)                    \
	{                                                 \
		name, AWS_TYPE_STR, flags, min, max, NULL \
	}
#define AWS_ID(name, flags) AWS_STR(name, flags, 1, 255)
#define AWS_INT(name, flags, min, max)                    \
	{                                                 \
		name, AWS_TYPE_INT, flags, min, max, NULL \
	}
#define AWS_DOUBLE(name, flags)                          \
	{                                                \
		name, AWS_TYPE_DOUBLE, flags, 0, 0, NULL \
	}
#define AWS_BOOL(name)                             \
	{                                          \
		name, AWS_TYPE_BOOL, 0, 0, 0, NULL \
	}
#define AWS_ENUM(name, flags, choices)                    \
	{                                                 \
		name, AWS_TYPE_ENUM, flags, 0, 0, choices \
	}
#define AWS_TIME(name, flags)                          \
	{                                              \
		name, AWS_TYPE_TIME, flags, 0, 0, NULL \
	}
#define AWS_REFUSE(name)                             \
	{                                            \
		name, AWS_TYPE_REFUSE, 0, 0, 0, NULL \
	}

#define AWS_LATE(name)                             \
	{                                          \
		name, AWS_TYPE_LATE, 0, 0, 0, NULL \
	}

/* What many EC2 actions take. */
#define AWS_DRY_RUN AWS_BOOL("DryRun")
#define AWS_CLIENT_TOKEN AWS_STR("ClientToken", 0, 1, 64)
#define AWS_FILTERS \
	AWS_STR("Filter.N.Name", AWS_REQUIRED, 1, 255), AWS_STR("Filter.N.Value.N", 0, 0, 255)
#define AWS_PAGES(min, max) AWS_INT("MaxResults", 0, min, max), AWS_STR("NextToken", 0, 0, 1024)
#define AWS_TAG_SPECS                                               \
	AWS_STR("TagSpecification.N.ResourceType", 0, 1, 64),       \
		AWS_STR("TagSpecification.N.Tag.N.Key", 0, 1, 128), \
		AWS_STR("TagSpecification.N.Tag.N.Value", 0, 0, 256)
/* What many ELBv2 actions take. */
#define AWS_MARKER_PAGES AWS_INT("PageSize", 0, 1, 400), AWS_STR("Marker", 0, 1, 1024)
#define AWS_MEMBER_TAGS                                     \
	AWS_STR("Tags.member.N.Key", AWS_REQUIRED, 1, 128), \
		AWS_STR("Tags.member.N.Value", 0, 0, 256)

struct aws_call;

/** It changes the model. */
#define AWS_CHANGES 1
/** Nothing of the model is needed: the handler runs on the API thread, with model NULL. */
#define AWS_NO_MODEL 2
/** It may come unsigned: then the caller's account is "". */
#define AWS_ANONYMOUS 4
/** Its handler ends a DryRun, with cv_aws_dry(), before the first change; others are not run for one. */
#define AWS_TRIES 8

/** An action. */
struct aws_action {
	const char *name;
	/** @return 0, or what cv_aws_fail() returns */
	int (*handle)(struct aws_call *call);
	unsigned int flags;
	const struct aws_param *params; /**< shape [n_params] */
	uint32_t n_params;
	const char *const
		*filters;      /**< names that Filter.N.Name may have, ended by NULL; NULL: any */
	uint32_t page_default; /**< results of a page when the request does not say; 0: all */
	/** Elements that it answers, as paths from the response or result on, with blanks between; lists
	 * without their `item` or `member`: "vpcSet.vpcId vpcSet.tagSet.key nextToken". */
	const char *answers;
};

/** Fills .params and .n_params. */
#define AWS_PARAMS(array) .params = (array), .n_params = CV_ARRAY_LEN(array)

/** Actions of one file. */
struct aws_group {
	enum aws_service_id service;
	const struct aws_action *actions; /**< shape [n] */
	uint32_t n;
};

/* One group a file; the table in aws_table.c lists them. */
extern const struct aws_group cv_aws_sns_sub_group;
extern const struct aws_group cv_aws_sns_tags_group;
extern const struct aws_group cv_aws_sns_topic_group;
extern const struct aws_group cv_aws_sts_group;
extern const struct aws_group cv_aws_ec2_conn_group;
extern const struct aws_group cv_aws_ec2_endpoint_group;
extern const struct aws_group cv_aws_ec2_eni_group;
extern const struct aws_group cv_aws_ec2_net_group;
extern const struct aws_group cv_aws_ec2_none_group;
extern const struct aws_group cv_aws_ec2_notify_group;
extern const struct aws_group cv_aws_ec2_offer_group;
extern const struct aws_group cv_aws_ec2_service_group;
extern const struct aws_group cv_aws_ec2_sg_group;
extern const struct aws_group cv_aws_ec2_sg_show_group;
extern const struct aws_group cv_aws_ec2_tags_group;
extern const struct aws_group cv_aws_ec2_cidr_group;
extern const struct aws_group cv_aws_ec2_vpc_group;
extern const struct aws_group cv_aws_cloudwatch_group;
extern const struct aws_group cv_aws_elbv2_attrs_group;
extern const struct aws_group cv_aws_elbv2_lb_group;
extern const struct aws_group cv_aws_elbv2_limits_group;
extern const struct aws_group cv_aws_elbv2_listener_group;
extern const struct aws_group cv_aws_elbv2_rules_group;
extern const struct aws_group cv_aws_elbv2_tags_group;
extern const struct aws_group cv_aws_elbv2_targets_group;
extern const struct aws_group cv_aws_elbv2_tg_group;
extern const struct aws_group cv_aws_elbv2_tls_group;

/* ---- the call, for handlers ---- */

/** Who calls. */
struct aws_caller {
	const char *key_id;
	const char *principal;  /**< IAM ARN: root, user or role */
	const char *account_id; /**< 12 digits */
};

/** A parsed filter. */
struct aws_filter;
/** Memory that lives as long as the call. */
struct aws_block;

/** How often a handler is run, and for what: once if all fits into a page. */
enum aws_page_mode {
	AWS_PAGE_ALL,   /**< write all */
	AWS_PAGE_LOOK,  /**< write nothing, note what there is */
	AWS_PAGE_WRITE, /**< write what was chosen */
};

/** A page of results, in the order of their keys. */
struct aws_page {
	enum aws_page_mode mode;
	uint64_t after; /**< key of the last result before, if has_after */
	uint64_t last;  /**< key of the last result of this page */
	uint32_t limit; /**< results at most */
	uint32_t n;     /**< results so far; of a page that was chosen, all */
	uint32_t cap;
	uint64_t *keys; /**< shape [n] while there is a look */
	bool has_after, more;
};

/** An action being carried out. */
struct aws_call {
	struct cv_query_node params; /**< all parameters: cv_query_str(&call->params, "VpcId") */
	struct cv_xml *out;          /**< the inside of the answer */
	struct cv_model *model;
	struct cv_ctl *ctl;
	const struct cv_aws_ops *ops; /**< what control knows beside the model; each may be NULL */
	uint32_t account;             /**< the caller's, in the model */
	/** The caller, for the operations of the model; .tags are the handler's to set. */
	struct cv_model_by by;
	struct aws_caller caller;
	const struct aws_service *service;
	const struct aws_action *action;
	const char *region;
	const char *request_id;
	const char
		*base; /**< URL of the API without path, as the caller reached it; NULL: unknown */
	bool sent;     /**< something was put into the outbox */
	bool sns_kept; /**< topics or subscriptions were changed, for good if the call succeeds */
	time_t now;

	/* Private to the dispatcher and the functions below. */
	struct aws_filter *filters; /**< shape [n_filters] */
	uint32_t n_filters;
	struct aws_page page;
	uint64_t params_hash; /**< of what decides the answer */
	struct aws_block *blocks;
	struct cv_aws *aws;
	const char *err_code;    /**< NULL: none */
	unsigned int err_status; /**< HTTP; 0: what the code says */
	char err_text[512];
};

/**
 * Fail with one of AWS's error codes; the HTTP status follows from it (cv_aws_status()), unless the action
 * sets call->err_status after.
 *
 * @param code  kept as a pointer
 * @return -EINVAL, for `return cv_aws_fail(...)`
 */
int cv_aws_fail(struct aws_call *call, const char *code, const char *fmt, ...) CV_PRINTF(3, 4);

/** Fail with the first error of a model operation, whose return value is `ret`. @return -EINVAL */
int cv_aws_fail_model(struct aws_call *call, const struct cv_model_errs *errs, int ret);

/**
 * Tell those who want to know of a connection what happened to it, once the call is durable.
 *
 * @param word  `Connect`, `Accept`, `Reject` or `Delete`
 */
void cv_aws_sns_event(struct aws_call *call, const char *endpoint_id, const char *word);

/** ARN of a service or an endpoint as a source of notifications, in memory of the call. */
const char *cv_aws_sns_source(struct aws_call *call, enum cv_model_kind kind, uint32_t idx);

/** Check that a topic is there and takes notifications from a source. @return as cv_aws_fail() */
int cv_aws_sns_topic_check(struct aws_call *call, const char *topic_arn, const char *source);

/**
 * End a DryRun, once all that its request names is found: for handlers of actions with AWS_TRIES.
 *
 * @return 0 if it is none, else as cv_aws_fail()
 */
int cv_aws_dry(struct aws_call *call);

/** HTTP status of an error code. */
unsigned int cv_aws_status(const struct aws_service *service, const char *code);

/** Memory that is freed after the call, zeroed. Fails the call when there is none. @return or NULL */
void *cv_aws_alloc(struct aws_call *call, size_t len);

/** A text in such memory; "" when there is none. */
const char *cv_aws_fmt(struct aws_call *call, const char *fmt, ...) CV_PRINTF(2, 3);

/** A parameter's value, or what it is when absent. Checked before: it is what was declared. */
int64_t cv_aws_int(const struct cv_query_node *at, const char *path, int64_t absent);
bool cv_aws_bool(const struct cv_query_node *at, const char *path, bool absent);
time_t cv_aws_time(const struct cv_query_node *at, const char *path, time_t absent);

/** A list of texts (`SubnetId`, `Names.member`) in memory of the call; NULL with *ret_n 0 if absent. */
const char *const *cv_aws_strs(struct aws_call *call, const char *path, uint32_t *ret_n);

/** Read ISO 8601: `2026-11-21T21:30:11Z`, with fraction or `+01:00`, or seconds since 1970. */
bool cv_aws_time_parse(const char *text, time_t *ret_at);

/* Filters: every filter must match, one of its values suffices; `*`, `?` and `\` as AWS has them. A
 * filter that the request does not have matches. */

/** Tell whether a resource with this value passes the filter of a name. @param value  NULL: it has none */
bool cv_aws_filter(const struct aws_call *call, const char *name, const char *value);

/** The same with several values, of which one must match. */
bool cv_aws_filter_any(const struct aws_call *call, const char *name, const char *const *values,
		       uint32_t n);

/** The same for a boolean. */
bool cv_aws_filter_bool(const struct aws_call *call, const char *name, bool value);

/** Tell whether tags pass the filters `tag:KEY` and `tag-key`. */
bool cv_aws_filter_tags(const struct aws_call *call, const struct cv_model_meta *meta);

/** Write a resource's tags as EC2's `<tagSet>`, shape [n]. */
void cv_aws_tag_set(struct aws_call *call, const struct cv_model_tag *tags, uint32_t n);

/** Tell whether text matches a pattern with `*` and `?`. */
bool cv_aws_glob(const char *pattern, const char *text);

/**
 * Read the tags of one resource type from TagSpecification.N, or the list `Tags.member.N` (resource_type
 * NULL), and check them: at most 50, no key twice, no `aws:`.
 *
 * @param[out] ret_tags  shape [*ret_n], in memory of the call
 * @return 0, or what cv_aws_fail() returns
 */
int cv_aws_tags(struct aws_call *call, const char *resource_type,
		const struct cv_model_tag **ret_tags, uint32_t *ret_n);

/**
 * Tell whether a result belongs to this page. Ask for each result that passes the filters. A handler that
 * asks may be run more than once for a call, and must change nothing.
 *
 * @param key  of this result only, and stays so: what is numbered anew is told twice, or not at all
 */
bool cv_aws_page(struct aws_call *call, uint64_t key);

/** The same by an id, or an id and what it is of that. @param sub  NULL: all of it */
bool cv_aws_page_key(struct aws_call *call, const char *id, const char *sub);

/** Write `nextToken`, `NextToken` or `NextMarker` if there is another page. */
void cv_aws_page_end(struct aws_call *call);

/** The caller's name of a zone; the zone's id when the caller has none. */
const char *cv_aws_zone_name(const struct aws_call *call, uint32_t zone);
