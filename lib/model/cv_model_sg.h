/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Security groups: who may reach an ENI or a load balancer.
 *
 * @threads as cv_model.h, which includes this
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_model_meta.h"
#include "cv_net.h"

/** What a rule is about. Nothing but TCP passes anyway: the others are kept, and shown. */
enum cv_model_protocol {
	CV_MODEL_TCP,
	CV_MODEL_PROTOCOL_ALL,
	CV_MODEL_UDP,
	CV_MODEL_ICMP, /**< of every type */
};

/** Name of the group that every VPC has. */
#define CV_MODEL_SG_DEFAULT "default"

/** Bytes of a rule's id. */
#define CV_MODEL_RULE_ID_LEN 24

/** One rule of a security group: peers in cidr, or in a group, and ports first..last. */
struct cv_model_rule {
	struct cv_prefix cidr; /**< unless there is a group */
	uint16_t port_first;   /**< 0..UINT16_MAX where there are no ports */
	uint16_t port_last;
	enum cv_model_protocol protocol;
	char id[CV_MODEL_RULE_ID_LEN]; /**< `sgr-` + 17 hex; in a request "": made */
	/** Peers are what has this group of the same VPC, by id or name. One that is not there: nobody. */
	const char *group;
	const char *description;   /**< NULL: none */
	struct cv_model_tag *tags; /**< shape [n_tags] */
	uint32_t n_tags;
};

/** Who may reach an ENI or a load balancer; no rule, nobody. */
struct cv_model_security_group {
	const char *id; /**< `sg-` + 17 hex */
	const char *name;
	uint32_t vpc;
	struct cv_model_rule *rules; /**< shape [n_rules]; ingress */
	struct cv_model_rule
		*egress; /**< shape [n_egress]; kept: nothing that has a group connects */
	uint32_t n_rules, n_egress;
	/** CV_MODEL_SG_DEFAULT, made with its VPC and gone with it; meta.api: a call changed it */
	bool of_vpc;
	struct cv_model_meta meta;
};

struct cv_model;

/** The rules of one direction. @return shape [*ret_n], the group's */
const struct cv_model_rule *cv_model_sg_rules(const struct cv_model_security_group *sg, bool egress,
					      uint32_t *ret_n);

/** Tell whether a protocol has ports. */
bool cv_model_protocol_has_ports(enum cv_model_protocol protocol);

/** A protocol as EC2 has it: `tcp`, `-1`, `udp`, `icmp`. */
const char *cv_model_protocol_str(enum cv_model_protocol protocol);

/** The group that a rule of a VPC names. @return index, or CV_MODEL_NONE: it names none, or one that is
 * not there */
uint32_t cv_model_rule_group(const struct cv_model *model, uint32_t vpc,
			     const struct cv_model_rule *rule);

/** Tell whether two rules of a VPC admit the same: whatever their ids, descriptions and tags. */
bool cv_model_rule_same(const struct cv_model *model, uint32_t vpc, const struct cv_model_rule *a,
			const struct cv_model_rule *b);
