/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: the one rule that each listener has. Others are for dual-stack load balancers. */

#include <errno.h>
#include <string.h>

#include "elbv2_priv.h"

#define LISTENER_PART ":listener/"
#define RULE_PART ":listener-rule/"

/* A listener's default rule has an ARN of its own; 16 digits more than the listener's. */
static const char *rule_arn(struct aws_call *call, const char *listener)
{
	const char *part = strstr(listener, LISTENER_PART);
	char id[40];

	cv_id_derive("rule-", listener, 16, id, sizeof(id));
	return cv_aws_fmt(call, "%.*s" RULE_PART "%s/%s", (int)(part - listener), listener,
			  part + strlen(LISTENER_PART), id + strlen("rule-"));
}

static void rule_write(struct aws_call *call, const struct cv_model_listener *l)
{
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "RuleArn", rule_arn(call, l->arn));
	cv_xml_str(out, "Priority", "default");
	cv_xml_open(out, "Conditions");
	cv_xml_close(out);
	cv_xml_open(out, "Actions");
	cv_aws_elb_action_write(call, l);
	cv_xml_close(out);
	cv_xml_bool(out, "IsDefault", true);
	cv_xml_close(out);
}

/* The ARN of the listener that a rule would belong to. */
static const char *rule_listener(struct aws_call *call, const char *arn)
{
	const char *part = strstr(arn, RULE_PART), *last = strrchr(arn, '/');
	const char *text;

	if (part == NULL || last < part + strlen(RULE_PART))
		return NULL;
	part += strlen(RULE_PART);
	text = cv_aws_fmt(call, "%.*s" LISTENER_PART "%.*s", (int)(part - strlen(RULE_PART) - arn),
			  arn, (int)(last - part), part);
	return strcmp(rule_arn(call, text), arn) == 0 ? text : NULL;
}

/* The listener of a default rule; NULL with the call failed. */
static const struct cv_model_listener *rule_find(struct aws_call *call, const char *arn)
{
	const char *listener = rule_listener(call, arn);
	uint32_t idx, lb = CV_MODEL_NONE;

	if (listener != NULL)
		lb = cv_aws_elb_look(call, CV_MODEL_LISTENER, listener, &idx);
	if (lb != CV_MODEL_NONE)
		return &call->model->lbs[lb].listeners[idx];
	cv_aws_fail(call, "RuleNotFound", "One or more rules not found: %.200s", arn);
	return NULL;
}

static int rules_write(struct aws_call *call, const char *const *arns, uint32_t n)
{
	cv_xml_open(call->out, "Rules");
	for (uint32_t i = 0; i < n; i++) {
		const struct cv_model_listener *l = rule_find(call, arns[i]);

		if (l == NULL)
			return -EINVAL;
		rule_write(call, l);
	}
	cv_xml_close(call->out);
	return 0;
}

static int describe_rules(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "ListenerArn");
	uint32_t n, idx, lb;
	const char *const *arns = cv_aws_strs(call, "RuleArns.member", &n);

	if ((arn == NULL) == (n == 0))
		return cv_aws_fail(call, "ValidationError",
				   "You must specify either a listener ARN or rule ARNs");
	if (arn == NULL)
		return rules_write(call, arns, n);
	lb = cv_aws_elb_find(call, CV_MODEL_LISTENER, arn, &idx);
	if (lb == CV_MODEL_NONE)
		return -EINVAL;
	cv_xml_open(call->out, "Rules");
	rule_write(call, &call->model->lbs[lb].listeners[idx]);
	cv_xml_close(call->out);
	return 0;
}

/* ---- what AWS refuses for default rules, and for load balancers that are ipv4 ---- */

static int create_rule(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "ListenerArn");

	if (cv_aws_elb_find(call, CV_MODEL_LISTENER, arn, NULL) == CV_MODEL_NONE)
		return -EINVAL;
	return cv_aws_fail(call, "InvalidConfigurationRequest",
			   "Rules need a load balancer of IP address type dualstack: culvert's are "
			   "ipv4, and their listeners have the default rule");
}

static int default_rule_refuse(struct aws_call *call, const char *arn, const char *what)
{
	if (rule_find(call, arn) == NULL)
		return -EINVAL;
	return cv_aws_fail(call, "OperationNotPermitted", "Default rule '%.200s' cannot be %s", arn,
			   what);
}

static int modify_rule(struct aws_call *call)
{
	return default_rule_refuse(call, cv_query_str(&call->params, "RuleArn"),
				   "modified: modify its listener's default actions");
}

static int delete_rule(struct aws_call *call)
{
	return default_rule_refuse(call, cv_query_str(&call->params, "RuleArn"),
				   "deleted: it goes with its listener");
}

static int set_priorities(struct aws_call *call)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "RulePriorities.member")};

	while (cv_query_next(&iter)) {
		int ret = default_rule_refuse(call, cv_query_str(&iter.item, "RuleArn"),
					      "given a priority: it is the last");

		if (ret < 0)
			return ret;
	}
	return cv_aws_fail(call, "ValidationError", "At least one rule must be specified");
}

/* ---- the table ---- */

#define PRIORITY(name, flags) AWS_INT(name, flags, 1, 50000)

static const struct aws_param rules_params[] = {AWS_ID("ListenerArn", 0),
						AWS_ID("RuleArns.member.N", 0), AWS_MARKER_PAGES};
static const struct aws_param create_params[] = {
	AWS_ID("ListenerArn", AWS_REQUIRED), PRIORITY("Priority", AWS_REQUIRED),
	AWS_LATE("Conditions.*"), AWS_LATE("Actions.*"), AWS_MEMBER_TAGS};
static const struct aws_param modify_params[] = {AWS_ID("RuleArn", AWS_REQUIRED),
						 AWS_LATE("Conditions.*"), AWS_LATE("Actions.*")};
static const struct aws_param delete_params[] = {AWS_ID("RuleArn", AWS_REQUIRED)};
static const struct aws_param priorities_params[] = {
	AWS_ID("RulePriorities.member.N.RuleArn", AWS_REQUIRED),
	PRIORITY("RulePriorities.member.N.Priority", AWS_REQUIRED)};

static const struct aws_action actions[] = {
	{
		.name = "DescribeRules",
		.handle = describe_rules,
		AWS_PARAMS(rules_params),
		.answers = "Rules.RuleArn Rules.Priority Rules.IsDefault " ELB_ACTION_ANSWERS(
			"Rules.Actions."),
	},
	{
		.name = "CreateRule",
		.handle = create_rule,
		AWS_PARAMS(create_params),
	},
	{
		.name = "ModifyRule",
		.handle = modify_rule,
		AWS_PARAMS(modify_params),
	},
	{
		.name = "DeleteRule",
		.handle = delete_rule,
		AWS_PARAMS(delete_params),
	},
	{
		.name = "SetRulePriorities",
		.handle = set_priorities,
		AWS_PARAMS(priorities_params),
	},
};

const struct aws_group cv_aws_elbv2_rules_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
