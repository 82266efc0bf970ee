/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: security groups and their rules, as their owner sees them. */

#include <errno.h>
#include <string.h>

#include "cv_model_note.h"

#include "ec2_priv.h"

/* ---- DescribeSecurityGroups ---- */

/* What filters can ask of the rules of one direction; each a list of what there is. */
enum column { CIDR, FROM_PORT, GROUP_ID, GROUP_NAME, PROTOCOL, TO_PORT, USER_ID, N_COLUMNS };

static const char *column_get(struct aws_call *call, uint32_t vpc, const struct cv_model_rule *rule,
			      enum column column)
{
	bool ports = cv_model_protocol_has_ports(rule->protocol);
	uint32_t group;

	switch (column) {
	case CIDR:
		return rule->group == NULL ? cv_aws_ec2_prefix(call, rule->cidr) : NULL;
	case FROM_PORT:
		return ports ? cv_aws_fmt(call, "%u", rule->port_first) : NULL;
	case TO_PORT:
		return ports ? cv_aws_fmt(call, "%u", rule->port_last) : NULL;
	case PROTOCOL:
		return cv_model_protocol_str(rule->protocol);
	case GROUP_ID:
		return cv_aws_ec2_rule_group_id(call, vpc, rule);
	case GROUP_NAME:
		group = cv_model_rule_group(call->model, vpc, rule);
		return group != CV_MODEL_NONE ? call->model->sgs[group].name : NULL;
	default:
		return rule->group != NULL ? call->caller.account_id : NULL;
	}
}

/* Some rule has it, whatever is asked for. */
static bool rules_pass(struct aws_call *call, const struct cv_model_security_group *sg, bool egress)
{
	static const char *const names[2][N_COLUMNS] = {
		{"ip-permission.cidr", "ip-permission.from-port", "ip-permission.group-id",
		 "ip-permission.group-name", "ip-permission.protocol", "ip-permission.to-port",
		 "ip-permission.user-id"},
		{"egress.ip-permission.cidr", "egress.ip-permission.from-port",
		 "egress.ip-permission.group-id", "egress.ip-permission.group-name",
		 "egress.ip-permission.protocol", "egress.ip-permission.to-port",
		 "egress.ip-permission.user-id"},
	};
	uint32_t n;
	const struct cv_model_rule *rules = cv_model_sg_rules(sg, egress, &n);
	const char **texts;

	if (call->n_filters == 0)
		return true;
	texts = cv_aws_alloc(call, (n + 1) * sizeof(*texts));
	if (texts == NULL)
		return false;
	for (uint32_t c = 0; c < N_COLUMNS; c++) {
		uint32_t k = 0;

		for (uint32_t i = 0; i < n; i++) {
			texts[k] = column_get(call, sg->vpc, &rules[i], (enum column)c);
			k += texts[k] != NULL;
		}
		if (!cv_aws_filter_any(call, names[egress][c], texts, k))
			return false;
	}
	return true;
}

static const char *sg_description(const struct cv_model_security_group *sg)
{
	const char *description = cv_model_note(&sg->meta, EC2_NOTE_DESCRIPTION);

	if (description != NULL)
		return description;
	return sg->of_vpc ? "default VPC security group" : sg->name;
}

static bool sg_passes(struct aws_call *call, const struct cv_model_security_group *sg)
{
	static const char *const lacks[] = {
		"egress.ip-permission.ipv6-cidr", "egress.ip-permission.prefix-list-id",
		"ip-permission.ipv6-cidr", "ip-permission.prefix-list-id", NULL};

	return cv_aws_ec2_lacks(call, lacks) && cv_aws_filter(call, "group-id", sg->id) &&
	       cv_aws_filter(call, "group-name", sg->name) &&
	       cv_aws_filter(call, "description", sg_description(sg)) &&
	       cv_aws_filter(call, "vpc-id", call->model->vpcs[sg->vpc].id) &&
	       cv_aws_filter(call, "owner-id", call->caller.account_id) &&
	       cv_aws_filter_tags(call, &sg->meta) && rules_pass(call, sg, false) &&
	       rules_pass(call, sg, true);
}

static void sg_write(struct aws_call *call, const struct cv_model_security_group *sg)
{
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "ownerId", call->caller.account_id);
	cv_xml_str(out, "groupId", sg->id);
	cv_xml_str(out, "groupName", sg->name);
	cv_xml_str(out, "groupDescription", sg_description(sg));
	cv_xml_str(out, "vpcId", call->model->vpcs[sg->vpc].id);
	cv_aws_ec2_permissions_write(call, sg, false);
	cv_aws_ec2_permissions_write(call, sg, true);
	cv_aws_tag_set(call, sg->meta.tags, sg->meta.n_tags);
	cv_xml_close(out);
}

static bool is_mine(const struct aws_call *call, const struct cv_model_security_group *sg)
{
	return !sg->meta.gone && call->model->vpcs[sg->vpc].owner == call->account;
}

static int describe_sgs(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	struct ec2_wanted ids = {0}, names = {0};

	cv_aws_ec2_wanted_read(call, "GroupName", &names);
	if (cv_aws_ec2_wanted(call, "GroupId", &cv_aws_ec2_sg, &ids) < 0)
		return -EINVAL;
	cv_xml_open(call->out, "securityGroupInfo");
	for (uint32_t i = 0; i < model->n_sgs; i++) {
		const struct cv_model_security_group *sg = &model->sgs[i];

		if (is_mine(call, sg) && cv_aws_ec2_take(&names, sg->name) &&
		    cv_aws_ec2_is_wanted(&ids, sg->id) && sg_passes(call, sg) &&
		    cv_aws_page_key(call, sg->id, NULL))
			sg_write(call, sg);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return cv_aws_ec2_missed(&names) == NULL
		       ? 0
		       : cv_aws_fail(call, "InvalidGroup.NotFound",
				     "The security group '%.255s' does not exist",
				     cv_aws_ec2_missed(&names));
}

/* Groups that what is made in a VPC may have: none is shared, they are those of the VPC. */
static int sgs_for_vpc(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	uint32_t vpc;

	if (cv_aws_ec2_find(call, &cv_aws_ec2_vpc, cv_query_str(&call->params, "VpcId"), &vpc) < 0)
		return -EINVAL;
	cv_xml_open(call->out, "securityGroupForVpcSet");
	for (uint32_t i = 0; i < model->n_sgs; i++) {
		const struct cv_model_security_group *sg = &model->sgs[i];

		if (sg->meta.gone || sg->vpc != vpc || !cv_aws_filter(call, "group-id", sg->id) ||
		    !cv_aws_filter(call, "group-name", sg->name) ||
		    !cv_aws_filter(call, "description", sg_description(sg)) ||
		    !cv_aws_filter(call, "owner-id", call->caller.account_id) ||
		    !cv_aws_filter(call, "primary-vpc-id", model->vpcs[vpc].id) ||
		    !cv_aws_filter_tags(call, &sg->meta) || !cv_aws_page_key(call, sg->id, NULL))
			continue;
		cv_xml_item(call->out);
		cv_xml_str(call->out, "description", sg_description(sg));
		cv_xml_str(call->out, "groupName", sg->name);
		cv_xml_str(call->out, "ownerId", call->caller.account_id);
		cv_xml_str(call->out, "groupId", sg->id);
		cv_aws_tag_set(call, sg->meta.tags, sg->meta.n_tags);
		cv_xml_str(call->out, "primaryVpcId", model->vpcs[vpc].id);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- DescribeSecurityGroupRules ---- */

static void rules_tell(struct aws_call *call, struct ec2_wanted *wanted,
		       const struct cv_model_security_group *sg, bool egress)
{
	uint32_t n;
	const struct cv_model_rule *rules = cv_model_sg_rules(sg, egress, &n);

	for (uint32_t i = 0; i < n; i++) {
		const struct cv_model_meta tags = {.tags = rules[i].tags,
						   .n_tags = rules[i].n_tags};

		if (cv_aws_ec2_take(wanted, rules[i].id) &&
		    cv_aws_filter(call, "group-id", sg->id) &&
		    cv_aws_filter(call, "security-group-rule-id", rules[i].id) &&
		    cv_aws_filter_tags(call, &tags) && cv_aws_page_key(call, rules[i].id, NULL))
			cv_aws_ec2_rule_write(call, sg, &rules[i], egress);
	}
}

static int describe_rules(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	struct ec2_wanted wanted = {0};
	const char *missed;
	int ret = cv_aws_ec2_wanted_ids(call, "SecurityGroupRuleId", &cv_aws_ec2_rule, &wanted);

	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "securityGroupRuleSet");
	for (uint32_t i = 0; i < model->n_sgs; i++) {
		const struct cv_model_security_group *sg = &model->sgs[i];

		if (!is_mine(call, sg))
			continue;
		rules_tell(call, &wanted, sg, false);
		rules_tell(call, &wanted, sg, true);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	missed = cv_aws_ec2_missed(&wanted);
	return missed == NULL ? 0 : cv_aws_ec2_unknown(call, &cv_aws_ec2_rule, missed);
}

/* ---- the table ---- */

static const struct aws_param sgs_params[] = {AWS_DRY_RUN, AWS_FILTERS, AWS_ID("GroupId.N", 0),
					      AWS_ID("GroupName.N", 0), AWS_PAGES(5, 1000)};
static const char *const sgs_filters[] = {"description",
					  "egress.ip-permission.cidr",
					  "egress.ip-permission.from-port",
					  "egress.ip-permission.group-id",
					  "egress.ip-permission.group-name",
					  "egress.ip-permission.ipv6-cidr",
					  "egress.ip-permission.prefix-list-id",
					  "egress.ip-permission.protocol",
					  "egress.ip-permission.to-port",
					  "egress.ip-permission.user-id",
					  "group-id",
					  "group-name",
					  "ip-permission.cidr",
					  "ip-permission.from-port",
					  "ip-permission.group-id",
					  "ip-permission.group-name",
					  "ip-permission.ipv6-cidr",
					  "ip-permission.prefix-list-id",
					  "ip-permission.protocol",
					  "ip-permission.to-port",
					  "ip-permission.user-id",
					  "owner-id",
					  "tag-key",
					  "tag:*",
					  "vpc-id",
					  NULL};

static const struct aws_param for_vpc_params[] = {
	AWS_DRY_RUN, AWS_FILTERS, AWS_ID("VpcId", AWS_REQUIRED), AWS_PAGES(5, 1000)};
static const char *const for_vpc_filters[] = {
	"description",    "group-id", "group-name", "owner-id",
	"primary-vpc-id", "tag-key",  "tag:*",      NULL};

static const struct aws_param rules_params[] = {
	AWS_DRY_RUN, AWS_FILTERS, AWS_ID("SecurityGroupRuleId.N", 0), AWS_PAGES(5, 1000)};
static const char *const rules_filters[] = {"group-id", "security-group-rule-id", "tag-key",
					    "tag:*", NULL};

/* What is told of the permissions of one direction. */
#define PERMISSIONS(of)                                                                          \
	of "ipProtocol " of "fromPort " of "toPort " of "groups.userId " of "groups.groupId " of \
	   "groups.description " of "ipRanges.cidrIp " of "ipRanges.description " of             \
	   "ipv6Ranges " of "prefixListIds "

#define GROUP                                                                              \
	PERMISSIONS("securityGroupInfo.ipPermissions.")                                    \
	PERMISSIONS("securityGroupInfo.ipPermissionsEgress.")                              \
	"securityGroupInfo.ownerId securityGroupInfo.groupId securityGroupInfo.groupName " \
	"securityGroupInfo.groupDescription securityGroupInfo.vpcId "                      \
	"securityGroupInfo.tagSet.key securityGroupInfo.tagSet.value nextToken"

#define FOR_VPC "securityGroupForVpcSet."

static const struct aws_action actions[] = {
	{
		.name = "DescribeSecurityGroupRules",
		.handle = describe_rules,
		AWS_PARAMS(rules_params),
		.filters = rules_filters,
		.page_default = EC2_PAGE_MAX,
		.answers = EC2_RULE "nextToken",
	},
	{
		.name = "DescribeSecurityGroups",
		.handle = describe_sgs,
		AWS_PARAMS(sgs_params),
		.filters = sgs_filters,
		.answers = GROUP,
	},
	{
		.name = "GetSecurityGroupsForVpc",
		.handle = sgs_for_vpc,
		AWS_PARAMS(for_vpc_params),
		.filters = for_vpc_filters,
		.page_default = EC2_PAGE_MAX,
		.answers = FOR_VPC "description " FOR_VPC "groupName " FOR_VPC "ownerId " FOR_VPC
				   "groupId " FOR_VPC "tagSet.key " FOR_VPC "tagSet.value " FOR_VPC
				   "primaryVpcId nextToken",
	},
};

const struct aws_group cv_aws_ec2_sg_show_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
