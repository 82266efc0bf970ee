/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: security groups and their rules are made, changed and removed. What culvert filters is who may
 * reach an interface by TCP; the rest is kept. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ec2_priv.h"

/* ---- create, delete ---- */

/* A text of a group, in AWS's characters. */
static int text_check(struct aws_call *call, const char *param, const char *what)
{
	const char *text = cv_query_str(&call->params, param);

	for (const char *c = text; *c != '\0'; c++) {
		if ((*c & 0x80) != 0)
			return cv_aws_fail(call, "InvalidParameterValue",
					   "Value (%.255s) for parameter %s is invalid. Character "
					   "sets beyond ASCII are not supported.",
					   text, param);
	}
	if (strspn(text, EC2_TEXT_CHARS) == strlen(text))
		return 0;
	return cv_aws_fail(call, "InvalidParameterValue",
			   "Invalid security group %s. Valid %ss are strings less than 256 "
			   "characters from the following set: " EC2_TEXT_SET,
			   what, what);
}

static int create_check(struct aws_call *call, const struct cv_model_sg_req *req)
{
	int ret = text_check(call, "GroupName", "name");

	if (ret == 0)
		ret = text_check(call, "GroupDescription", "description");
	if (ret == 0 &&
	    cv_model_find(call->model, CV_MODEL_SG, req->vpc, req->name) != CV_MODEL_NONE)
		ret = cv_aws_fail(call, "InvalidGroup.Duplicate",
				  "The security group '%.255s' already exists for VPC '%s'",
				  req->name, call->model->vpcs[req->vpc].id);
	return ret;
}

static int create_group(struct aws_call *call)
{
	const char *description = cv_query_str(&call->params, "GroupDescription");
	struct cv_model_sg_req req = {
		.name = cv_query_str(&call->params, "GroupName"),
		.id = cv_aws_ec2_id(call, "sg-"),
		.by = &call->by,
	};
	const char *vpc = cv_query_str(&call->params, "VpcId");
	struct cv_model_errs errs = {0};
	int ret;

	if (vpc == NULL)
		return cv_aws_fail(call, "VPCIdNotSpecified", "No default VPC for this user");
	ret = cv_aws_ec2_find(call, &cv_aws_ec2_vpc, vpc, &req.vpc);
	if (ret == 0 && strcmp(req.name, CV_MODEL_SG_DEFAULT) == 0)
		ret = cv_aws_fail(call, "InvalidParameterValue",
				  "Cannot use reserved security group name: %s", req.name);
	if (ret == 0 && strncmp(req.name, "sg-", 3) == 0)
		ret = cv_aws_fail(call, "InvalidParameterValue",
				  "Value (%.64s) for parameter GroupName is invalid. Group names "
				  "may not be in the format sg-*",
				  req.name);
	if (ret == 0)
		ret = create_check(call, &req);
	if (ret == 0)
		ret = cv_aws_tags(call, "security-group", &call->by.tags, &call->by.n_tags);
	if (ret < 0)
		return ret;
	ret = cv_model_sg_add(call->model, &req, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	if (ret == 0)
		ret = cv_aws_ec2_note(call, CV_MODEL_SG, req.id, EC2_NOTE_DESCRIPTION, description);
	if (ret < 0)
		return ret;
	cv_xml_str(call->out, "groupId", req.id);
	cv_aws_tag_set(call, call->by.tags, call->by.n_tags);
	return 0;
}

/* A group by its id. By name only those outside of VPCs could be named; there are none. */
static int group_read(struct aws_call *call, const char **ret_id, uint32_t *ret_idx)
{
	const char *id = cv_query_str(&call->params, "GroupId");

	*ret_id = id;
	if (id == NULL)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter GroupId");
	return cv_aws_ec2_find(call, &cv_aws_ec2_sg, id, ret_idx);
}

static int delete_group(struct aws_call *call)
{
	struct cv_model_errs errs = {0};
	const char *id;
	uint32_t idx;
	int ret = group_read(call, &id, &idx);

	if (ret < 0)
		return ret;
	ret = cv_model_remove(call->model, &call->by, CV_MODEL_SG, id, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* ---- authorize, revoke ---- */

static int group_change(struct aws_call *call, const struct cv_model_sg_change *req)
{
	struct cv_model_errs errs = {0};
	int ret = cv_model_sg_change(call->model, &call->by, req, &errs);

	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret;
}

/* What was added stands at the end. */
static void added_write(struct aws_call *call, uint32_t idx, uint32_t n_added, bool egress)
{
	const struct cv_model_security_group *sg = &call->model->sgs[idx];
	uint32_t n;
	const struct cv_model_rule *rules = cv_model_sg_rules(sg, egress, &n);

	(void)cv_aws_ec2_true(call);
	cv_xml_open(call->out, "securityGroupRuleSet");
	for (uint32_t i = n - n_added; i < n; i++)
		cv_aws_ec2_rule_write(call, sg, &rules[i], egress);
	cv_xml_close(call->out);
}

static int authorize(struct aws_call *call, bool egress)
{
	struct cv_model_sg_change req = {.egress = egress};
	const struct cv_model_tag *tags = NULL;
	struct ec2_rules rules;
	uint32_t idx, n_tags = 0;
	int ret = group_read(call, &req.sg, &idx);

	if (ret == 0)
		ret = cv_aws_ec2_rules_read(call, EC2_RULES_NEW, &rules);
	if (ret == 0)
		ret = cv_aws_tags(call, "security-group-rule", &tags, &n_tags);
	if (ret == 0 && rules.n == 0)
		ret = cv_aws_fail(call, "MissingParameter",
				  "The request must contain IpPermissions or CidrIp");
	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < rules.n; i++) {
		rules.items[i].tags = (struct cv_model_tag *)(uintptr_t)tags;
		rules.items[i].n_tags = n_tags;
	}
	req.add = rules.items;
	req.n_add = rules.n;
	ret = group_change(call, &req);
	if (ret == 0)
		added_write(call, idx, rules.n, egress);
	return ret;
}

static int authorize_ingress(struct aws_call *call)
{
	return authorize(call, false);
}

static int authorize_egress(struct aws_call *call)
{
	return authorize(call, true);
}

/* Adds the rules that a request names by their ids; those of its permissions are read already. */
typedef int by_id_fn(struct aws_call *call, uint32_t idx, bool egress, struct ec2_rules *rules);

/* The group that a request is about, and which of its rules. @param needed parameters, if it names none */
static int there_read(struct aws_call *call, struct cv_model_sg_change *req, by_id_fn *by_id,
		      const char *needed, struct ec2_rules *rules)
{
	uint32_t idx;
	int ret = group_read(call, &req->sg, &idx);

	if (ret == 0)
		ret = cv_aws_ec2_rules_read(call, EC2_RULES_GONE, rules);
	if (ret == 0)
		ret = by_id(call, idx, req->egress, rules);
	if (ret == 0 && rules->n == 0)
		ret = cv_aws_fail(call, "MissingParameter", "The request must contain %s", needed);
	return ret;
}

/* Rules that are named by their ids join the others. */
static int rule_ids_read(struct aws_call *call, uint32_t idx, bool egress, struct ec2_rules *rules)
{
	uint32_t n;
	const char *const *ids = cv_aws_strs(call, "SecurityGroupRuleId", &n);

	for (uint32_t i = 0; i < n; i++) {
		const struct cv_model_rule *rule =
			cv_aws_ec2_rule_find(&call->model->sgs[idx], egress, ids[i]);

		if (rule == NULL)
			return cv_aws_ec2_unknown(call, &cv_aws_ec2_rule, ids[i]);
		rules->items[rules->n++] = *rule;
	}
	return 0;
}

static int revoke(struct aws_call *call, bool egress)
{
	struct cv_model_sg_change req = {.egress = egress};
	struct ec2_rules rules;
	int ret = there_read(call, &req, rule_ids_read,
			     "IpPermissions, CidrIp or SecurityGroupRuleId", &rules);

	if (ret < 0)
		return ret;
	req.remove = rules.items;
	req.n_remove = rules.n;
	ret = group_change(call, &req);
	if (ret < 0)
		return ret;
	(void)cv_aws_ec2_true(call);
	cv_aws_ec2_empty(call, "unknownIpPermissionSet");
	return 0;
}

static int revoke_ingress(struct aws_call *call)
{
	return revoke(call, false);
}

static int revoke_egress(struct aws_call *call)
{
	return revoke(call, true);
}

/* ---- descriptions ---- */

/* The rules that the request means, as they will be. */
static int described_read(struct aws_call *call, uint32_t idx, bool egress, struct ec2_rules *rules)
{
	struct cv_query_iter iter = {
		.list = cv_query_at(&call->params, "SecurityGroupRuleDescription")};
	const struct cv_model_security_group *sg = &call->model->sgs[idx];
	uint32_t n;
	const struct cv_model_rule *there = cv_model_sg_rules(sg, egress, &n);

	if (cv_aws_ec2_descriptions_check(call) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < rules->n; i++) {
		const char *description = rules->items[i].description;
		uint32_t k = 0;

		while (k < n &&
		       !cv_model_rule_same(call->model, sg->vpc, &there[k], &rules->items[i]))
			k++;
		if (k == n)
			return cv_aws_fail(
				call, "InvalidPermission.NotFound",
				"The specified rule does not exist in this security group.");
		rules->items[i] = there[k];
		rules->items[i].description = description;
	}
	while (cv_query_next(&iter)) {
		const char *id = cv_query_str(&iter.item, "SecurityGroupRuleId");
		const struct cv_model_rule *rule =
			id != NULL ? cv_aws_ec2_rule_find(sg, egress, id) : NULL;

		if (rule == NULL)
			return cv_aws_ec2_unknown(call, &cv_aws_ec2_rule, id != NULL ? id : "");
		rules->items[rules->n] = *rule;
		rules->items[rules->n++].description = cv_query_str(&iter.item, "Description");
	}
	return 0;
}

static int describe(struct aws_call *call, bool egress)
{
	struct cv_model_sg_change req = {.egress = egress};
	struct ec2_rules rules;
	int ret = there_read(call, &req, described_read,
			     "IpPermissions or SecurityGroupRuleDescription", &rules);

	if (ret < 0)
		return ret;
	req.set = rules.items;
	req.n_set = rules.n;
	ret = group_change(call, &req);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

static int describe_ingress(struct aws_call *call)
{
	return describe(call, false);
}

static int describe_egress(struct aws_call *call)
{
	return describe(call, true);
}

/* ---- ModifySecurityGroupRules ---- */

/* Reads what a rule becomes; it keeps its id, its tags, and the kind of its peer. */
static int modified_read(struct aws_call *call, const struct cv_query_node *item,
			 const struct cv_model_rule *from, struct cv_model_rule *to)
{
	const struct cv_query_node at = cv_query_at(item, "SecurityGroupRule");
	const char *cidr = cv_query_str(&at, "CidrIpv4");
	int ret;

	*to = (struct cv_model_rule){.tags = from->tags, .n_tags = from->n_tags};
	snprintf(to->id, sizeof(to->id), "%s", from->id);
	to->description = cv_query_str(&at, "Description");
	to->group = cv_query_str(&at, "ReferencedGroupId");
	ret = cv_aws_ec2_ports_read(call, &at, to);
	if (ret == 0 && (cidr != NULL) == (to->group != NULL))
		ret = cv_aws_fail(call, "InvalidParameterCombination",
				  "A rule has either CidrIpv4 or ReferencedGroupId");
	if (ret == 0 && (from->group != NULL) != (to->group != NULL))
		ret = cv_aws_fail(call, "InvalidParameterValue",
				  "The source type of the security group rule '%s' cannot be "
				  "changed",
				  from->id);
	if (ret == 0 && cidr != NULL)
		ret = cv_aws_ec2_peer_cidr(call, cidr, to);
	return ret;
}

/* All of one direction: the change is one, or none. */
static int modifications_read(struct aws_call *call, uint32_t idx, struct cv_model_rule *rules,
			      struct cv_model_sg_change *req)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "SecurityGroupRule")};
	const struct cv_model_security_group *sg = &call->model->sgs[idx];
	int ret = 0;

	while (ret == 0 && cv_query_next(&iter)) {
		const char *id = cv_query_str(&iter.item, "SecurityGroupRuleId");
		const struct cv_model_rule *in = cv_aws_ec2_rule_find(sg, false, id);
		const struct cv_model_rule *out = cv_aws_ec2_rule_find(sg, true, id);

		if (in == NULL && out == NULL)
			return cv_aws_ec2_unknown(call, &cv_aws_ec2_rule, id);
		if (req->n_set > 0 && req->egress != (in == NULL))
			return cv_aws_fail(call, "UnsupportedOperation",
					   "One request changes ingress or egress rules here, not "
					   "both");
		req->egress = in == NULL;
		ret = modified_read(call, &iter.item, in != NULL ? in : out, &rules[req->n_set++]);
	}
	return ret;
}

static int modify_rules(struct aws_call *call)
{
	struct cv_model_rule *rules = cv_aws_alloc(call, (call->params.n + 1) * sizeof(*rules));
	struct cv_model_sg_change req = {.set = rules};
	uint32_t idx;
	int ret = group_read(call, &req.sg, &idx);

	if (ret == 0)
		ret = cv_aws_ec2_descriptions_check(call);
	if (ret < 0 || rules == NULL)
		return -EINVAL;
	ret = modifications_read(call, idx, rules, &req);
	if (ret == 0)
		ret = group_change(call, &req);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* ---- the table ---- */

static const struct aws_param create_params[] = {
	AWS_DRY_RUN,
	AWS_TAG_SPECS,
	AWS_STR("GroupDescription", AWS_REQUIRED, 1, 255),
	AWS_STR("GroupName", AWS_REQUIRED, 1, 255),
	AWS_ID("VpcId", 0),
};
static const struct aws_param delete_params[] = {AWS_DRY_RUN, AWS_ID("GroupId", 0),
						 AWS_REFUSE("GroupName")};

/* A list of permissions, but for what is refused of them. */
#define PERMISSIONS                                                                         \
	AWS_DRY_RUN, AWS_ID("GroupId", 0), AWS_STR("IpPermissions.N.IpProtocol", 0, 1, 16), \
		AWS_INT("IpPermissions.N.FromPort", 0, -1, 65535),                          \
		AWS_INT("IpPermissions.N.ToPort", 0, -1, 65535),                            \
		AWS_STR("IpPermissions.N.IpRanges.N.CidrIp", 0, 1, 64),                     \
		AWS_STR("IpPermissions.N.IpRanges.N.Description", 0, 0, 255),               \
		AWS_ID("IpPermissions.N.Groups.N.GroupId", 0),                              \
		AWS_ID("IpPermissions.N.Groups.N.UserId", 0),                               \
		AWS_STR("IpPermissions.N.Groups.N.Description", 0, 0, 255),                 \
		AWS_REFUSE("IpPermissions.N.Groups.N.GroupName"),                           \
		AWS_REFUSE("IpPermissions.N.Groups.N.VpcId"),                               \
		AWS_REFUSE("IpPermissions.N.Groups.N.VpcPeeringConnectionId"),              \
		AWS_REFUSE("IpPermissions.N.Groups.N.PeeringStatus")

/* One rule without a list, and what VPCs have not. */
#define FLAT                                                                        \
	AWS_STR("CidrIp", 0, 1, 64), AWS_STR("IpProtocol", 0, 1, 16),               \
		AWS_INT("FromPort", 0, -1, 65535), AWS_INT("ToPort", 0, -1, 65535), \
		AWS_REFUSE("SourceSecurityGroupName"), AWS_REFUSE("SourceSecurityGroupOwnerId")

/* New rules are for IPv4; there is nothing else to be revoked. */
#define NO_IPV6                                                             \
	AWS_REFUSE("IpPermissions.N.Ipv6Ranges.N.CidrIpv6"),                \
		AWS_REFUSE("IpPermissions.N.Ipv6Ranges.N.Description"),     \
		AWS_REFUSE("IpPermissions.N.PrefixListIds.N.PrefixListId"), \
		AWS_REFUSE("IpPermissions.N.PrefixListIds.N.Description")
#define ANY_PEER                                                                    \
	AWS_STR("IpPermissions.N.Ipv6Ranges.N.CidrIpv6", 0, 1, 64),                 \
		AWS_STR("IpPermissions.N.Ipv6Ranges.N.Description", 0, 0, 255),     \
		AWS_STR("IpPermissions.N.PrefixListIds.N.PrefixListId", 0, 1, 255), \
		AWS_STR("IpPermissions.N.PrefixListIds.N.Description", 0, 0, 255)

static const struct aws_param authorize_params[] = {PERMISSIONS, FLAT, NO_IPV6, AWS_TAG_SPECS,
						    AWS_REFUSE("GroupName")};
static const struct aws_param revoke_params[] = {
	PERMISSIONS, FLAT, ANY_PEER, AWS_REFUSE("GroupName"), AWS_ID("SecurityGroupRuleId.N", 0)};
static const struct aws_param authorize_egress_params[] = {PERMISSIONS, FLAT, NO_IPV6,
							   AWS_TAG_SPECS};
static const struct aws_param revoke_egress_params[] = {PERMISSIONS, FLAT, ANY_PEER,
							AWS_ID("SecurityGroupRuleId.N", 0)};
static const struct aws_param describe_params[] = {
	PERMISSIONS,
	ANY_PEER,
	AWS_REFUSE("GroupName"),
	AWS_ID("SecurityGroupRuleDescription.N.SecurityGroupRuleId", 0),
	AWS_STR("SecurityGroupRuleDescription.N.Description", 0, 0, 255),
};

#define MODIFIED "SecurityGroupRule.N.SecurityGroupRule."
static const struct aws_param modify_params[] = {
	AWS_DRY_RUN,
	AWS_ID("GroupId", AWS_REQUIRED),
	AWS_ID("SecurityGroupRule.N.SecurityGroupRuleId", AWS_REQUIRED),
	AWS_STR(MODIFIED "IpProtocol", 0, 1, 16),
	AWS_INT(MODIFIED "FromPort", 0, -1, 65535),
	AWS_INT(MODIFIED "ToPort", 0, -1, 65535),
	AWS_STR(MODIFIED "CidrIpv4", 0, 1, 64),
	AWS_REFUSE(MODIFIED "CidrIpv6"),
	AWS_REFUSE(MODIFIED "PrefixListId"),
	AWS_ID(MODIFIED "ReferencedGroupId", 0),
	AWS_STR(MODIFIED "Description", 0, 0, 255),
};

static const struct aws_action actions[] = {
	{
		.name = "AuthorizeSecurityGroupEgress",
		.handle = authorize_egress,
		.flags = AWS_CHANGES,
		AWS_PARAMS(authorize_egress_params),
		.answers = EC2_RULE "return",
	},
	{
		.name = "AuthorizeSecurityGroupIngress",
		.handle = authorize_ingress,
		.flags = AWS_CHANGES,
		AWS_PARAMS(authorize_params),
		.answers = EC2_RULE "return",
	},
	{
		.name = "CreateSecurityGroup",
		.handle = create_group,
		.flags = AWS_CHANGES,
		AWS_PARAMS(create_params),
		.answers = "groupId tagSet.key tagSet.value",
	},
	{
		.name = "DeleteSecurityGroup",
		.handle = delete_group,
		.flags = AWS_CHANGES,
		AWS_PARAMS(delete_params),
	},
	{
		.name = "ModifySecurityGroupRules",
		.handle = modify_rules,
		.flags = AWS_CHANGES,
		AWS_PARAMS(modify_params),
		.answers = "return",
	},
	{
		.name = "RevokeSecurityGroupEgress",
		.handle = revoke_egress,
		.flags = AWS_CHANGES,
		AWS_PARAMS(revoke_egress_params),
		.answers = "return unknownIpPermissionSet",
	},
	{
		.name = "RevokeSecurityGroupIngress",
		.handle = revoke_ingress,
		.flags = AWS_CHANGES,
		AWS_PARAMS(revoke_params),
		.answers = "return unknownIpPermissionSet",
	},
	{
		.name = "UpdateSecurityGroupRuleDescriptionsEgress",
		.handle = describe_egress,
		.flags = AWS_CHANGES,
		AWS_PARAMS(describe_params),
		.answers = "return",
	},
	{
		.name = "UpdateSecurityGroupRuleDescriptionsIngress",
		.handle = describe_ingress,
		.flags = AWS_CHANGES,
		AWS_PARAMS(describe_params),
		.answers = "return",
	},
};

const struct aws_group cv_aws_ec2_sg_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
