/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: rules of security groups in requests and answers. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ec2_priv.h"

/* ---- in requests ---- */

static int not_found(struct aws_call *call)
{
	return cv_aws_fail(call, "InvalidPermission.NotFound",
			   "The specified rule does not exist in this security group.");
}

static bool is_protocol_number(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len > 0 && len <= 3 && text[len] == '\0' && strtoul(text, NULL, 10) <= 255;
}

int cv_aws_ec2_protocol_read(struct aws_call *call, const char *text,
			     enum cv_model_protocol *ret_protocol)
{
	static const struct {
		const char *word;
		enum cv_model_protocol protocol;
	} words[] = {
		{"tcp", CV_MODEL_TCP}, {"6", CV_MODEL_TCP},  {"-1", CV_MODEL_PROTOCOL_ALL},
		{"udp", CV_MODEL_UDP}, {"17", CV_MODEL_UDP}, {"icmp", CV_MODEL_ICMP},
		{"1", CV_MODEL_ICMP},
	};

	if (text == NULL)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter IpProtocol");
	for (size_t i = 0; i < CV_ARRAY_LEN(words); i++) {
		if (strcmp(words[i].word, text) == 0) {
			*ret_protocol = words[i].protocol;
			return 0;
		}
	}
	if (strcmp(text, "icmpv6") != 0 && !is_protocol_number(text))
		return cv_aws_fail(call, "InvalidParameterValue",
				   "Invalid value '%.32s' for IP protocol. Unknown protocol.",
				   text);
	return cv_aws_fail(call, "UnsupportedOperation",
			   "The protocol '%.32s' is not supported here: tcp, udp, icmp and -1 are",
			   text);
}

int cv_aws_ec2_ports_read(struct aws_call *call, const struct cv_query_node *at,
			  struct cv_model_rule *rule)
{
	int64_t from = cv_aws_int(at, "FromPort", -1), to = cv_aws_int(at, "ToPort", -1);
	int ret = cv_aws_ec2_protocol_read(call, cv_query_str(at, "IpProtocol"), &rule->protocol);

	rule->port_first = 0;
	rule->port_last = UINT16_MAX;
	if (ret < 0 || rule->protocol == CV_MODEL_PROTOCOL_ALL)
		return ret;
	if (rule->protocol == CV_MODEL_ICMP)
		return from == -1 && to == -1
			       ? 0
			       : cv_aws_fail(call, "UnsupportedOperation",
					     "ICMP is for all types here: FromPort and ToPort -1");
	if (from < 0 || to < 0)
		return cv_aws_fail(
			call, "InvalidParameterValue",
			"Invalid value for portRange. Must specify both from and to ports "
			"with TCP/UDP");
	if (from > to)
		return cv_aws_fail(call, "InvalidParameterValue",
				   "Invalid TCP/UDP port range: %lld is beyond %lld",
				   (long long)from, (long long)to);
	rule->port_first = (uint16_t)from;
	rule->port_last = (uint16_t)to;
	return 0;
}

int cv_aws_ec2_peer_cidr(struct aws_call *call, const char *cidr, struct cv_model_rule *rule)
{
	if (cidr == NULL)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter CidrIp");
	if (!cv_aws_ec2_cidr(cidr, &rule->cidr))
		return cv_aws_fail(call, "InvalidParameterValue", "CIDR block %.64s is malformed",
				   cidr);
	return 0;
}

/* A group of the caller's, by its id. */
static int peer_group(struct aws_call *call, const struct cv_query_node *item,
		      struct cv_model_rule *rule)
{
	const char *user = cv_query_str(item, "UserId");

	rule->group = cv_query_str(item, "GroupId");
	if (rule->group == NULL)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter GroupId");
	if (user != NULL && strcmp(user, call->caller.account_id) != 0)
		return cv_aws_fail(call, "UnsupportedOperation",
				   "Rules that reference a security group of another account are "
				   "not supported here");
	return 0;
}

/* One permission stands for as many rules as it has peers. */
static int permission_read(struct aws_call *call, const struct cv_query_node *item,
			   enum ec2_rules_use use, struct ec2_rules *rules)
{
	struct cv_query_iter cidrs = {.list = cv_query_at(item, "IpRanges")};
	struct cv_query_iter groups = {.list = cv_query_at(item, "Groups")};
	const struct cv_query_node v6 = cv_query_at(item, "Ipv6Ranges");
	const struct cv_query_node lists = cv_query_at(item, "PrefixListIds");
	struct cv_model_rule rule = {0};
	int ret = 0;

	/* There are none of these: a client that makes sure need not hear that there cannot be. */
	if (use == EC2_RULES_GONE && cv_query_count(&v6) + cv_query_count(&lists) > 0)
		return not_found(call);
	ret = cv_aws_ec2_ports_read(call, item, &rule);
	if (ret == 0 && cv_query_count(&cidrs.list) + cv_query_count(&groups.list) == 0)
		ret = cv_aws_fail(call, "MissingParameter",
				  "The request must contain the parameter IpRanges or Groups");
	while (ret == 0 && cv_query_next(&cidrs)) {
		rule.description = cv_query_str(&cidrs.item, "Description");
		ret = cv_aws_ec2_peer_cidr(call, cv_query_str(&cidrs.item, "CidrIp"), &rule);
		rules->items[rules->n++] = rule;
	}
	while (ret == 0 && cv_query_next(&groups)) {
		rule.description = cv_query_str(&groups.item, "Description");
		ret = peer_group(call, &groups.item, &rule);
		rules->items[rules->n++] = rule;
	}
	return ret;
}

int cv_aws_ec2_descriptions_check(struct aws_call *call)
{
	static const char end[] = ".Description";

	for (uint32_t i = 0; i < call->params.n; i++) {
		const struct cv_query_param *param = &call->params.params[i];
		size_t len = strlen(param->name);

		if (len >= sizeof(end) && strcmp(param->name + len - (sizeof(end) - 1), end) == 0 &&
		    strspn(param->value, EC2_TEXT_CHARS) != strlen(param->value))
			return cv_aws_fail(
				call, "InvalidParameterValue",
				"Invalid rule description. Valid descriptions are strings "
				"less than 256 characters from the following set: " EC2_TEXT_SET);
	}
	return 0;
}

int cv_aws_ec2_rules_read(struct aws_call *call, enum ec2_rules_use use, struct ec2_rules *rules)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "IpPermissions")};
	const char *flat = cv_query_str(&call->params, "CidrIp");
	struct cv_model_rule rule = {0};
	int ret = 0;

	*rules = (struct ec2_rules){0};
	/* Of rules that go nobody asks for more than AWS has stored. */
	if (use == EC2_RULES_NEW && cv_aws_ec2_descriptions_check(call) < 0)
		return -EINVAL;
	/* No rule takes less than a parameter. */
	rules->items = cv_aws_alloc(call, (call->params.n + 1) * sizeof(*rules->items));
	if (rules->items == NULL)
		return -EINVAL;
	if (flat != NULL) {
		ret = cv_aws_ec2_ports_read(call, &call->params, &rule);
		if (ret == 0)
			ret = cv_aws_ec2_peer_cidr(call, flat, &rule);
		if (ret == 0)
			rules->items[rules->n++] = rule;
	}
	while (ret == 0 && cv_query_next(&iter))
		ret = permission_read(call, &iter.item, use, rules);
	return ret;
}

const struct cv_model_rule *cv_aws_ec2_rule_find(const struct cv_model_security_group *sg,
						 bool egress, const char *id)
{
	uint32_t n;
	const struct cv_model_rule *rules = cv_model_sg_rules(sg, egress, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(rules[i].id, id) == 0)
			return &rules[i];
	}
	return NULL;
}

int cv_aws_ec2_rule_place(struct aws_call *call, const char *id, struct ec2_rule_place *ret_place)
{
	const struct cv_model *model = call->model;
	int ret = cv_aws_ec2_id_check(call, &cv_aws_ec2_rule, id);

	if (ret < 0)
		return ret;
	for (uint32_t i = 0; i < model->n_sgs; i++) {
		const struct cv_model_security_group *sg = &model->sgs[i];

		if (sg->meta.gone || model->vpcs[sg->vpc].owner != call->account)
			continue;
		for (int egress = 0; egress < 2; egress++) {
			const struct cv_model_rule *rule =
				cv_aws_ec2_rule_find(sg, egress != 0, id);

			if (rule == NULL)
				continue;
			*ret_place = (struct ec2_rule_place){i, egress != 0, rule};
			return 0;
		}
	}
	return cv_aws_ec2_unknown(call, &cv_aws_ec2_rule, id);
}

/* ---- in answers ---- */

const char *cv_aws_ec2_rule_group_id(const struct aws_call *call, uint32_t vpc,
				     const struct cv_model_rule *rule)
{
	uint32_t group = cv_model_rule_group(call->model, vpc, rule);

	return group != CV_MODEL_NONE ? call->model->sgs[group].id : rule->group;
}

void cv_aws_ec2_rule_write(struct aws_call *call, const struct cv_model_security_group *sg,
			   const struct cv_model_rule *rule, bool egress)
{
	bool ports = cv_model_protocol_has_ports(rule->protocol);
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "securityGroupRuleId", rule->id);
	cv_xml_str(out, "groupId", sg->id);
	cv_xml_str(out, "groupOwnerId", call->caller.account_id);
	cv_xml_bool(out, "isEgress", egress);
	cv_xml_str(out, "ipProtocol", cv_model_protocol_str(rule->protocol));
	cv_xml_int(out, "fromPort", ports ? rule->port_first : -1);
	cv_xml_int(out, "toPort", ports ? rule->port_last : -1);
	if (rule->group == NULL) {
		cv_xml_str(out, "cidrIpv4", cv_aws_ec2_prefix(call, rule->cidr));
	} else {
		cv_xml_open(out, "referencedGroupInfo");
		cv_xml_str(out, "groupId", cv_aws_ec2_rule_group_id(call, sg->vpc, rule));
		cv_xml_str(out, "userId", call->caller.account_id);
		cv_xml_close(out);
	}
	cv_xml_str(out, "description", rule->description);
	cv_aws_tag_set(call, rule->tags, rule->n_tags);
	cv_xml_close(out);
}

static bool is_same_permission(const struct cv_model_rule *a, const struct cv_model_rule *b)
{
	return a->protocol == b->protocol && a->port_first == b->port_first &&
	       a->port_last == b->port_last;
}

/* The peers of all rules from `first` on that are one permission with it. */
static void peers_write(struct aws_call *call, uint32_t vpc, const struct cv_model_rule *first,
			uint32_t n, bool groups)
{
	struct cv_xml *out = call->out;

	cv_xml_open(out, groups ? "groups" : "ipRanges");
	for (uint32_t i = 0; i < n; i++) {
		if (!is_same_permission(first, &first[i]) || groups != (first[i].group != NULL))
			continue;
		cv_xml_item(out);
		if (groups) {
			cv_xml_str(out, "userId", call->caller.account_id);
			cv_xml_str(out, "groupId", cv_aws_ec2_rule_group_id(call, vpc, &first[i]));
		} else {
			cv_xml_str(out, "cidrIp", cv_aws_ec2_prefix(call, first[i].cidr));
		}
		cv_xml_str(out, "description", first[i].description);
		cv_xml_close(out);
	}
	cv_xml_close(out);
}

void cv_aws_ec2_permissions_write(struct aws_call *call, const struct cv_model_security_group *sg,
				  bool egress)
{
	uint32_t n;
	const struct cv_model_rule *rules = cv_model_sg_rules(sg, egress, &n);
	struct cv_xml *out = call->out;

	cv_xml_open(out, egress ? "ipPermissionsEgress" : "ipPermissions");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = 0;

		while (!is_same_permission(&rules[k], &rules[i]))
			k++;
		if (k < i)
			continue; /* told with that one */
		cv_xml_item(out);
		cv_xml_str(out, "ipProtocol", cv_model_protocol_str(rules[i].protocol));
		if (rules[i].protocol != CV_MODEL_PROTOCOL_ALL) {
			bool ports = cv_model_protocol_has_ports(rules[i].protocol);

			cv_xml_int(out, "fromPort", ports ? rules[i].port_first : -1);
			cv_xml_int(out, "toPort", ports ? rules[i].port_last : -1);
		}
		peers_write(call, sg->vpc, &rules[i], n - i, true);
		peers_write(call, sg->vpc, &rules[i], n - i, false);
		cv_aws_ec2_empty(call, "ipv6Ranges");
		cv_aws_ec2_empty(call, "prefixListIds");
		cv_xml_close(out);
	}
	cv_xml_close(out);
}
