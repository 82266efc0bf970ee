/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the actions of EC2 share: how resources are named, missed and listed; texts that several answers
 * have.
 */

#include "cv_model_change.h"

#include "aws_priv.h"

/** Results of a page at most, whatever the request says: as AWS. */
#define EC2_PAGE_MAX 1000

/** MaxResults and NextToken of the PrivateLink actions: more than EC2_PAGE_MAX is no error. */
#define EC2_PAGES(min) AWS_INT("MaxResults", 0, min, INT32_MAX), AWS_STR("NextToken", 0, 0, 1024)

/* ---- names in requests ---- */

/** How the resources of one kind are named and missed. */
struct ec2_kind {
	enum cv_model_kind kind;         /**< CV_MODEL_KIND_N: cv_model_find() does not know them */
	const char *prefix;              /**< of its ids */
	const char *unknown, *malformed; /**< codes */
	const char *what; /**< before the id, in AWS's words: `vpc ID`, `Vpc Endpoint Id` */
};

extern const struct ec2_kind cv_aws_ec2_vpc, cv_aws_ec2_subnet, cv_aws_ec2_sg, cv_aws_ec2_service,
	cv_aws_ec2_endpoint, cv_aws_ec2_rule;

/** Check the form of an id. @return 0, or what cv_aws_fail() returns */
int cv_aws_ec2_id_check(struct aws_call *call, const struct ec2_kind *kind, const char *id);

/** Say that there is no such resource. @return what cv_aws_fail() returns */
int cv_aws_ec2_unknown(struct aws_call *call, const struct ec2_kind *kind, const char *id);

/** The ids of a list; a result must be among them, and each of them must be there. */
struct ec2_wanted {
	const char *const *ids; /**< shape [n], sorted by strcmp(), each once; n 0: all */
	bool *found;            /**< shape [n]; by cv_aws_ec2_take() */
	uint32_t n;
};

/** Tell whether a list has an id, or is empty. */
bool cv_aws_ec2_is_wanted(const struct ec2_wanted *wanted, const char *id);

/** The same, and note that it is there. */
bool cv_aws_ec2_take(struct ec2_wanted *wanted, const char *id);

/** The first of a list that was never taken; NULL: all were, or all are wanted. */
const char *cv_aws_ec2_missed(const struct ec2_wanted *wanted);

/**
 * Find a resource of the caller's by id. What belongs to another account is as good as not there.
 *
 * @param[out] ret_idx  NULL: only check; untouched on failure
 * @return 0, or what cv_aws_fail() returns
 */
int cv_aws_ec2_find(struct aws_call *call, const struct ec2_kind *kind, const char *id,
		    uint32_t *ret_idx);

/** Read a list of texts, whatever they are. Out of memory, the call has failed, and the list is empty. */
void cv_aws_ec2_wanted_read(struct aws_call *call, const char *param,
			    struct ec2_wanted *ret_wanted);

/** The same of ids, which have the form of a kind's. @return as cv_aws_ec2_id_check() */
int cv_aws_ec2_wanted_ids(struct aws_call *call, const char *param, const struct ec2_kind *kind,
			  struct ec2_wanted *ret_wanted);

/** Read a list of ids, all of the caller's own resources. @return as cv_aws_ec2_find() */
int cv_aws_ec2_wanted(struct aws_call *call, const char *param, const struct ec2_kind *kind,
		      struct ec2_wanted *ret_wanted);

/* ---- texts in answers; in memory of the call ---- */

const char *cv_aws_ec2_prefix(struct aws_call *call, struct cv_prefix prefix);
const char *cv_aws_ec2_ip(struct aws_call *call, cv_be32_t addr);

/** An id that follows from another: `vpce-con-` of an endpoint's. */
const char *cv_aws_ec2_derived(struct aws_call *call, const char *prefix, const char *basis);

/** The id of the association of a VPC and a CIDR of it. */
const char *cv_aws_ec2_cidr_id(struct aws_call *call, const struct cv_model_vpc *vpc,
			       struct cv_prefix cidr);

/** Read parameter CidrBlock as a CIDR that a VPC may have. @return 0, or what cv_aws_fail() returns */
int cv_aws_ec2_vpc_cidr(struct aws_call *call, struct cv_prefix *ret_cidr);

/** A fresh id for what the call makes: one for each prefix. */
const char *cv_aws_ec2_id(struct aws_call *call, const char *prefix);

/** An account's name of a zone; NULL when it names its zones, and this one not. */
const char *cv_aws_ec2_zone(const struct aws_call *call, uint32_t zone);

/** Write a list without elements. */
void cv_aws_ec2_empty(struct aws_call *call, const char *name);

/** Write a list of texts; NULL ones are left out. */
void cv_aws_ec2_list(struct aws_call *call, const char *name, const char *const *texts, uint32_t n);

/** Write the list of the zones of a bit set by the caller's names, those without left out. */
void cv_aws_ec2_zones(struct aws_call *call, uint64_t zones);

/** Write the security groups of an endpoint as `<groupSet>`. */
void cv_aws_ec2_groups(struct aws_call *call, const struct cv_model_endpoint *endpoint);

/** Read a CIDR block; AWS cuts what is set below its length. @return whether it is one */
bool cv_aws_ec2_cidr(const char *text, struct cv_prefix *ret_prefix);

/** Write the inside of a VPC in this state. @return 0, or what cv_aws_fail() returns */
int cv_aws_ec2_vpc_write(struct aws_call *call, uint32_t idx, const char *state);

/** Write the inside of a subnet. */
void cv_aws_ec2_subnet_write(struct aws_call *call, uint32_t idx);

/** End a DryRun of a call that names several resources, each of which must be there. @return as
 * cv_aws_dry() */
int cv_aws_ec2_dry_all(struct aws_call *call, const struct ec2_kind *kind, const char *const *ids,
		       uint32_t n);

/** Write `<return>true</return>`. @return 0 */
int cv_aws_ec2_true(struct aws_call *call);

/**
 * Tell whether the filters let something pass that has no value for these: AWS has them, and what they are
 * about is not there.
 *
 * @param names  ended by NULL
 */
bool cv_aws_ec2_lacks(const struct aws_call *call, const char *const *names);

/** Keep pages at EC2_PAGE_MAX. */
void cv_aws_ec2_page_bound(struct aws_call *call);

/* ---- several at once ---- */

/** What is told of those that did not work: for .answers. */
#define EC2_UNSUCCESSFUL \
	"unsuccessful.error.code unsuccessful.error.message unsuccessful.resourceId"

/**
 * Note that a resource of a list did not work: the errors of its operation, which are emptied, or of the
 * call, which goes on.
 *
 * @param errs  NULL: the call's own error
 */
void cv_aws_ec2_failed(struct aws_call *call, const char *id, struct cv_model_errs *errs, int ret);

/* ---- DNS names ---- */

/** Base name of a service: what its endpoints' names end in. */
const char *cv_aws_ec2_base_name(struct aws_call *call, uint32_t service);

/** Write the DNS entries of an endpoint, in its owner's zone names: regional, zonal, private. */
void cv_aws_ec2_dns_entries(struct aws_call *call, uint32_t endpoint);

/** Write what is told of a service's private DNS name to its owner. */
void cv_aws_ec2_private_dns(struct aws_call *call, const struct cv_model_service *service);

/** API's word for how far the proof of a private DNS name is. */
const char *cv_aws_ec2_dns_state(const struct cv_model_service *service);

/* ---- rules of security groups ---- */

/** Characters of descriptions and of groups' names. */
#define EC2_TEXT_CHARS                                                    \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 " \
	"._-:/()#,@[]+=&;{}!$*"

/** The same, as AWS tells them. */
#define EC2_TEXT_SET "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*"

/** Check the descriptions of rules, wherever the request has them. @return as cv_aws_fail() */
int cv_aws_ec2_descriptions_check(struct aws_call *call);

/** Rules of a request. */
struct ec2_rules {
	struct cv_model_rule
		*items; /**< shape [n], with room for as many as the request has parameters */
	uint32_t n;
};

/** What for. */
enum ec2_rules_use {
	EC2_RULES_NEW,
	EC2_RULES_GONE, /**< of those that cannot be it is said that they are not there */
};

/** Read the rules of a request: by flat parameters, or as a list of permissions. @return as
 * cv_aws_fail() */
int cv_aws_ec2_rules_read(struct aws_call *call, enum ec2_rules_use use, struct ec2_rules *rules);

/** Read `tcp`, `-1` and the like. @return as cv_aws_fail() */
int cv_aws_ec2_protocol_read(struct aws_call *call, const char *text,
			     enum cv_model_protocol *ret_protocol);

/** Read protocol and ports. @return as cv_aws_fail() */
int cv_aws_ec2_ports_read(struct aws_call *call, const struct cv_query_node *at,
			  struct cv_model_rule *rule);

/** Read the CIDR of a rule; NULL is missed. @return as cv_aws_fail() */
int cv_aws_ec2_peer_cidr(struct aws_call *call, const char *cidr, struct cv_model_rule *rule);

/** A rule of a group by its id, or NULL. */
const struct cv_model_rule *cv_aws_ec2_rule_find(const struct cv_model_security_group *sg,
						 bool egress, const char *id);

/** Where a rule is. */
struct ec2_rule_place {
	uint32_t sg;
	bool egress;
	const struct cv_model_rule *rule; /**< until the model is changed */
};

/** Find a rule of the caller's by id, in whatever group it is. O(rules) @return as cv_aws_fail() */
int cv_aws_ec2_rule_place(struct aws_call *call, const char *id, struct ec2_rule_place *ret_place);

/** Id of the group that a rule of a VPC names, NULL: it names none. */
const char *cv_aws_ec2_rule_group_id(const struct aws_call *call, uint32_t vpc,
				     const struct cv_model_rule *rule);

/** What is told of each rule: for .answers. */
#define EC2_RULE                                                                                     \
	"securityGroupRuleSet.securityGroupRuleId securityGroupRuleSet.groupId "                     \
	"securityGroupRuleSet.groupOwnerId securityGroupRuleSet.isEgress "                           \
	"securityGroupRuleSet.ipProtocol securityGroupRuleSet.fromPort securityGroupRuleSet.toPort " \
	"securityGroupRuleSet.cidrIpv4 securityGroupRuleSet.referencedGroupInfo.groupId "            \
	"securityGroupRuleSet.referencedGroupInfo.userId securityGroupRuleSet.description "          \
	"securityGroupRuleSet.tagSet.key securityGroupRuleSet.tagSet.value "

/** Write a rule as an item of a set. */
void cv_aws_ec2_rule_write(struct aws_call *call, const struct cv_model_security_group *sg,
			   const struct cv_model_rule *rule, bool egress);

/** Write the rules of one direction as permissions: those of equal protocol and ports as one. */
void cv_aws_ec2_permissions_write(struct aws_call *call, const struct cv_model_security_group *sg,
				  bool egress);

/* ---- attributes that are only kept: cv_model_note.h ---- */

/** Keep an attribute. @param value  NULL: no more @return 0, or what cv_aws_fail() returns */
int cv_aws_ec2_note(struct aws_call *call, enum cv_model_kind kind, const char *id, const char *key,
		    const char *value);

/* Keys of such attributes. */
#define EC2_NOTE_PAYER "payer_responsibility"
#define EC2_NOTE_DESCRIPTION "description"
#define EC2_NOTE_DNS_RECORDS "dns_record_ip_type"
