/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: security groups and their rules. What culvert filters is who may reach an interface by TCP. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cv_model_note.h"

#include "ec2_priv.h"

/* ---- rules in requests ---- */

/* The rules of a request. */
struct rules {
	struct cv_model_rule *items; /* shape [n] */
	uint32_t n;
};

/* TCP, or everything: nothing but TCP passes anyway. */
static int protocol_check(struct aws_call *call, const char *protocol, bool *ret_all)
{
	*ret_all = protocol != NULL && strcmp(protocol, "-1") == 0;
	if (protocol == NULL)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter IpProtocol");
	if (*ret_all || strcmp(protocol, "tcp") == 0 || strcmp(protocol, "6") == 0)
		return 0;
	return cv_aws_fail(call, "UnsupportedOperation",
			   "The protocol '%.32s' is not supported here: tcp and -1 are", protocol);
}

/* The ports of a permission; both or none. */
static int ports_read(struct aws_call *call, const struct cv_query_node *at,
		      struct cv_model_rule *rule)
{
	int64_t from = cv_aws_int(at, "FromPort", -1), to = cv_aws_int(at, "ToPort", -1);
	bool all;

	if (protocol_check(call, cv_query_str(at, "IpProtocol"), &all) < 0)
		return -EINVAL;
	rule->port_first = 0;
	rule->port_last = UINT16_MAX;
	if (all)
		return 0;
	if (from < 0 || to < 0)
		return cv_aws_fail(
			call, "InvalidParameterValue",
			"Invalid value for portRange. Must specify both from and to ports "
			"with TCP");
	if (from > to)
		return cv_aws_fail(call, "InvalidParameterValue",
				   "Invalid TCP port range: %lld is beyond %lld", (long long)from,
				   (long long)to);
	rule->port_first = (uint16_t)from;
	rule->port_last = (uint16_t)to;
	return 0;
}

static int rule_add(struct aws_call *call, struct rules *rules, struct cv_model_rule rule,
		    const char *cidr)
{
	if (cidr == NULL)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter CidrIp");
	if (!cv_aws_ec2_cidr(cidr, &rule.cidr))
		return cv_aws_fail(call, "InvalidParameterValue", "CIDR block %.64s is malformed",
				   cidr);
	rules->items[rules->n++] = rule;
	return 0;
}

static int permission_read(struct aws_call *call, const struct cv_query_node *item,
			   struct rules *rules)
{
	struct cv_query_iter iter = {.list = cv_query_at(item, "IpRanges")};
	struct cv_model_rule rule = {0};
	int ret = ports_read(call, item, &rule);

	if (ret == 0 && cv_query_count(&iter.list) == 0)
		ret = cv_aws_fail(call, "MissingParameter",
				  "The request must contain the parameter IpRanges");
	while (ret == 0 && cv_query_next(&iter))
		ret = rule_add(call, rules, rule, cv_query_str(&iter.item, "CidrIp"));
	return ret;
}

/* Either way of saying it: one rule by flat parameters, or a list of permissions. */
static int rules_read(struct aws_call *call, struct rules *rules)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "IpPermissions")};
	const char *flat = cv_query_str(&call->params, "CidrIp");
	struct cv_model_rule rule = {0};
	int ret = 0;

	*rules = (struct rules){0};
	/* No rule takes less than a parameter. */
	rules->items = cv_aws_alloc(call, (call->params.n + 1) * sizeof(*rules->items));
	if (rules->items == NULL)
		return -EINVAL;
	if (flat != NULL) {
		ret = ports_read(call, &call->params, &rule);
		if (ret == 0)
			ret = rule_add(call, rules, rule, flat);
	}
	while (ret == 0 && cv_query_next(&iter))
		ret = permission_read(call, &iter.item, rules);
	return ret;
}

/* ---- rules in answers ---- */

static const char *rule_id(struct aws_call *call, const char *sg, const struct cv_model_rule *rule)
{
	return cv_aws_ec2_derived(call, "sgr-",
				  cv_aws_fmt(call, "%s %s %u %u", sg,
					     cv_aws_ec2_prefix(call, rule->cidr), rule->port_first,
					     rule->port_last));
}

static void rule_write(struct aws_call *call, const char *sg, const struct cv_model_rule *rule,
		       bool egress)
{
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "securityGroupRuleId", rule_id(call, sg, rule));
	cv_xml_str(out, "groupId", sg);
	cv_xml_str(out, "groupOwnerId", call->caller.account_id);
	cv_xml_bool(out, "isEgress", egress);
	cv_xml_str(out, "ipProtocol", "tcp");
	cv_xml_int(out, "fromPort", rule->port_first);
	cv_xml_int(out, "toPort", rule->port_last);
	cv_xml_str(out, "cidrIpv4", cv_aws_ec2_prefix(call, rule->cidr));
	cv_aws_ec2_empty(call, "tagSet");
	cv_xml_close(out);
}

static void rules_write(struct aws_call *call, const char *sg, const struct rules *rules,
			bool egress)
{
	cv_xml_open(call->out, "securityGroupRuleSet");
	for (uint32_t i = 0; i < rules->n; i++)
		rule_write(call, sg, &rules->items[i], egress);
	cv_xml_close(call->out);
}

/* ---- create, delete ---- */

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
	if (ret == 0 && strcmp(req.name, "default") == 0)
		ret = cv_aws_fail(call, "InvalidParameterValue",
				  "Cannot use reserved security group name: %s", req.name);
	if (ret == 0 && strncmp(req.name, "sg-", 3) == 0)
		ret = cv_aws_fail(call, "InvalidParameterValue",
				  "Value (%.64s) for parameter GroupName is invalid. Group names "
				  "may not be in the format sg-*",
				  req.name);
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

static int authorize_ingress(struct aws_call *call)
{
	struct cv_model_sg_change req = {0};
	struct rules rules;
	uint32_t idx;
	int ret = group_read(call, &req.sg, &idx);

	if (ret == 0)
		ret = rules_read(call, &rules);
	if (ret == 0 && rules.n == 0)
		ret = cv_aws_fail(call, "MissingParameter",
				  "The request must contain IpPermissions or CidrIp");
	if (ret < 0)
		return ret;
	req.add = rules.items;
	req.n_add = rules.n;
	ret = group_change(call, &req);
	if (ret < 0)
		return ret;
	(void)cv_aws_ec2_true(call);
	rules_write(call, req.sg, &rules, false);
	return 0;
}

/* Rules that are named by their ids join the others. */
static int rule_ids_read(struct aws_call *call, uint32_t idx, struct rules *rules)
{
	const struct cv_model_security_group *sg = &call->model->sgs[idx];
	uint32_t n;
	const char *const *ids = cv_aws_strs(call, "SecurityGroupRuleId", &n);

	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = 0;

		while (k < sg->n_rules && strcmp(rule_id(call, sg->id, &sg->rules[k]), ids[i]) != 0)
			k++;
		if (k == sg->n_rules)
			return cv_aws_fail(call, "InvalidSecurityGroupRuleId.NotFound",
					   "The security group rule ID '%.64s' does not exist",
					   ids[i]);
		rules->items[rules->n++] = sg->rules[k];
	}
	return 0;
}

static int revoke_ingress(struct aws_call *call)
{
	struct cv_model_sg_change req = {0};
	struct rules rules;
	uint32_t idx;
	int ret = group_read(call, &req.sg, &idx);

	if (ret == 0)
		ret = rules_read(call, &rules);
	if (ret == 0)
		ret = rule_ids_read(call, idx, &rules);
	if (ret == 0 && rules.n == 0)
		ret = cv_aws_fail(call, "MissingParameter",
				  "The request must contain IpPermissions, CidrIp or "
				  "SecurityGroupRuleId");
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

/* Nothing that a group is on opens connections: what may go out is checked, and that is all. */
static int egress_read(struct aws_call *call, const char **ret_id, struct rules *ret_rules)
{
	uint32_t idx;
	int ret = group_read(call, ret_id, &idx);

	if (ret == 0)
		ret = rules_read(call, ret_rules);
	if (ret == 0)
		(void)cv_aws_ec2_true(call);
	return ret;
}

static int authorize_egress(struct aws_call *call)
{
	struct rules rules;
	const char *id;
	int ret = egress_read(call, &id, &rules);

	if (ret < 0)
		return ret;
	rules_write(call, id, &rules, true);
	return 0;
}

static int revoke_egress(struct aws_call *call)
{
	struct rules rules;
	const char *id;
	int ret = egress_read(call, &id, &rules);

	if (ret < 0)
		return ret;
	cv_aws_ec2_empty(call, "unknownIpPermissionSet");
	return 0;
}

/* ---- DescribeSecurityGroupRules ---- */

static int describe_rules(struct aws_call *call)
{
	static const struct cv_model_meta no_tags;
	const struct cv_model *model = call->model;
	struct ec2_wanted wanted = {0};

	cv_aws_ec2_wanted_read(call, "SecurityGroupRuleId", &wanted);
	cv_xml_open(call->out, "securityGroupRuleSet");
	for (uint32_t i = 0; i < model->n_sgs; i++) {
		const struct cv_model_security_group *sg = &model->sgs[i];

		if (sg->meta.gone || model->vpcs[sg->vpc].owner != call->account ||
		    !cv_aws_filter(call, "group-id", sg->id) || !cv_aws_filter_tags(call, &no_tags))
			continue;
		for (uint32_t k = 0; k < sg->n_rules; k++) {
			const char *id = rule_id(call, sg->id, &sg->rules[k]);

			if (cv_aws_ec2_is_wanted(&wanted, id) &&
			    cv_aws_filter(call, "security-group-rule-id", id) &&
			    cv_aws_page_key(call, id, NULL))
				rule_write(call, sg->id, &sg->rules[k], false);
		}
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
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

/* What is said of rules; of their descriptions only that they may be there. */
#define RULES                                                                                     \
	AWS_DRY_RUN, AWS_ID("GroupId", 0), AWS_STR("CidrIp", 0, 1, 64),                           \
		AWS_STR("IpProtocol", 0, 1, 16), AWS_INT("FromPort", 0, -1, 65535),               \
		AWS_INT("ToPort", 0, -1, 65535), AWS_STR("IpPermissions.N.IpProtocol", 0, 1, 16), \
		AWS_INT("IpPermissions.N.FromPort", 0, -1, 65535),                                \
		AWS_INT("IpPermissions.N.ToPort", 0, -1, 65535),                                  \
		AWS_STR("IpPermissions.N.IpRanges.N.CidrIp", 0, 1, 64),                           \
		AWS_STR("IpPermissions.N.IpRanges.N.Description", 0, 0, 255),                     \
		AWS_REFUSE("IpPermissions.N.Ipv6Ranges.N.CidrIpv6"),                              \
		AWS_REFUSE("IpPermissions.N.PrefixListIds.N.PrefixListId"),                       \
		AWS_REFUSE("IpPermissions.N.Groups.N.GroupId"),                                   \
		AWS_REFUSE("IpPermissions.N.Groups.N.UserId"),                                    \
		AWS_REFUSE("SourceSecurityGroupName"), AWS_REFUSE("SourceSecurityGroupOwnerId")

static const struct aws_param authorize_params[] = {RULES, AWS_REFUSE("GroupName")};
static const struct aws_param revoke_params[] = {RULES, AWS_REFUSE("GroupName"),
						 AWS_ID("SecurityGroupRuleId.N", 0)};
static const struct aws_param authorize_egress_params[] = {RULES};
static const struct aws_param revoke_egress_params[] = {RULES, AWS_ID("SecurityGroupRuleId.N", 0)};

static const struct aws_param rules_params[] = {
	AWS_DRY_RUN, AWS_FILTERS, AWS_ID("SecurityGroupRuleId.N", 0), AWS_PAGES(5, 1000)};
static const char *const rules_filters[] = {"group-id", "security-group-rule-id", "tag-key",
					    "tag:*", NULL};

#define RULE                                                                                         \
	"securityGroupRuleSet.securityGroupRuleId securityGroupRuleSet.groupId "                     \
	"securityGroupRuleSet.groupOwnerId securityGroupRuleSet.isEgress "                           \
	"securityGroupRuleSet.ipProtocol securityGroupRuleSet.fromPort securityGroupRuleSet.toPort " \
	"securityGroupRuleSet.cidrIpv4 securityGroupRuleSet.tagSet "

static const struct aws_action actions[] = {
	{
		.name = "AuthorizeSecurityGroupEgress",
		.handle = authorize_egress,
		AWS_PARAMS(authorize_egress_params),
		.answers = RULE "return",
	},
	{
		.name = "AuthorizeSecurityGroupIngress",
		.handle = authorize_ingress,
		.flags = AWS_CHANGES,
		AWS_PARAMS(authorize_params),
		.answers = RULE "return",
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
		.name = "DescribeSecurityGroupRules",
		.handle = describe_rules,
		AWS_PARAMS(rules_params),
		.filters = rules_filters,
		.page_default = EC2_PAGE_MAX,
		.answers = RULE "nextToken",
	},
	{
		.name = "RevokeSecurityGroupEgress",
		.handle = revoke_egress,
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
};

const struct aws_group cv_aws_ec2_sg_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
