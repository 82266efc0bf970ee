/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: listeners, and the one rule that each has. */

#include <errno.h>
#include <string.h>

#include "elbv2_priv.h"

/* ---- what is told ---- */

static void action_write(struct aws_call *call, const struct cv_model_listener *l)
{
	const struct cv_model *model = call->model;
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "Type", "forward");
	if (l->n_forwards == 1)
		cv_xml_str(out, "TargetGroupArn", model->tgs[l->forwards[0].tg].arn);
	cv_xml_open(out, "ForwardConfig");
	cv_xml_open(out, "TargetGroups");
	for (uint32_t i = 0; i < l->n_forwards; i++) {
		cv_xml_item(out);
		cv_xml_str(out, "TargetGroupArn", model->tgs[l->forwards[i].tg].arn);
		cv_xml_int(out, "Weight", l->forwards[i].weight);
		cv_xml_close(out);
	}
	cv_xml_close(out);
	cv_xml_open(out, "TargetGroupStickinessConfig");
	cv_xml_bool(out, "Enabled", l->sticky_group);
	if (l->sticky_seconds != 0)
		cv_xml_int(out, "DurationSeconds", l->sticky_seconds);
	cv_xml_close(out);
	cv_xml_close(out);
	cv_xml_close(out);
}

static void listener_write(struct aws_call *call, const struct cv_model_lb *lb,
			   const struct cv_model_listener *l)
{
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "ListenerArn", l->arn);
	cv_xml_str(out, "LoadBalancerArn", lb->arn);
	cv_xml_int(out, "Port", l->port);
	cv_xml_str(out, "Protocol", "TCP");
	cv_xml_open(out, "DefaultActions");
	action_write(call, l);
	cv_xml_close(out);
	cv_xml_close(out);
}

static void listener_answer(struct aws_call *call, uint32_t lb, uint32_t idx)
{
	cv_xml_open(call->out, "Listeners");
	listener_write(call, &call->model->lbs[lb], &call->model->lbs[lb].listeners[idx]);
	cv_xml_close(call->out);
}

/* ---- the action of a request ---- */

struct action {
	struct cv_model_forward_req forwards[CV_MODEL_FORWARDS_MAX];
	uint32_t n, sticky_seconds;
	bool sticky;
};

static int forward_add(struct aws_call *call, struct action *action, const char *arn,
		       uint32_t weight)
{
	if (arn == NULL)
		return cv_aws_fail(call, "ValidationError",
				   "A target group ARN must be specified for a forward action");
	if (action->n == CV_MODEL_FORWARDS_MAX)
		return cv_aws_fail(call, "TooManyUniqueTargetGroupsPerLoadBalancer",
				   "A forward action has at most %d target groups",
				   CV_MODEL_FORWARDS_MAX);
	if (cv_aws_elb_find(call, CV_MODEL_TG, arn, NULL) == CV_MODEL_NONE)
		return -EINVAL;
	action->forwards[action->n++] =
		(struct cv_model_forward_req){.target_group = arn, .weight = weight};
	return 0;
}

static int config_read(struct aws_call *call, const struct cv_query_node *item,
		       struct action *action)
{
	const char *arn = cv_query_str(item, "TargetGroupArn");
	struct cv_query_iter iter = {
		.list = cv_query_at(item, "ForwardConfig.TargetGroups.member")};
	uint32_t n = cv_query_count(&iter.list);
	int ret = 0;

	/* Clients send one group in both ways at once. */
	if (arn != NULL && n > 1)
		return cv_aws_fail(
			call, "ValidationError",
			"A target group ARN and several target groups cannot be specified "
			"for one action");
	if (n == 0)
		return forward_add(call, action, arn, 1);
	while (ret == 0 && cv_query_next(&iter))
		ret = forward_add(call, action, cv_query_str(&iter.item, "TargetGroupArn"),
				  (uint32_t)cv_aws_int(&iter.item, "Weight", 1));
	if (ret == 0 && arn != NULL && strcmp(arn, action->forwards[0].target_group) != 0)
		return cv_aws_fail(call, "ValidationError",
				   "The target group ARN of the action and that of its forward "
				   "configuration differ");
	action->sticky =
		cv_aws_bool(item, "ForwardConfig.TargetGroupStickinessConfig.Enabled", false);
	action->sticky_seconds = (uint32_t)cv_aws_int(
		item, "ForwardConfig.TargetGroupStickinessConfig.DurationSeconds", 0);
	/* A single group gets everything, whatever its weight. */
	if (ret == 0 && n == 1)
		action->forwards[0].weight = 1;
	return ret;
}

static int action_read(struct aws_call *call, struct action *action)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "DefaultActions.member")};
	uint32_t n = cv_query_count(&iter.list);
	const char *type;

	*action = (struct action){0};
	if (n == 0)
		return 0;
	if (n > 1)
		return cv_aws_fail(call, "TooManyActions", "A listener has one default action");
	(void)cv_query_next(&iter);
	type = cv_query_str(&iter.item, "Type");
	if (strcmp(type, "forward") != 0)
		return cv_aws_fail(call, "InvalidLoadBalancerAction",
				   "The action type '%s' is not valid for a network load balancer: "
				   "it must be 'forward'",
				   type);
	return config_read(call, &iter.item, action);
}

static int protocol_check(struct aws_call *call)
{
	const char *protocol = cv_query_str(&call->params, "Protocol");

	if (protocol == NULL || strcmp(protocol, "TCP") == 0)
		return 0;
	return cv_aws_fail(call, "UnsupportedProtocol",
			   "The protocol '%s' is not supported: culvert's listeners are TCP",
			   protocol);
}

/* ---- CreateListener, ModifyListener, DeleteListener ---- */

static uint32_t port_find(const struct cv_model_lb *lb, uint16_t port)
{
	for (uint32_t i = 0; i < lb->n_listeners; i++) {
		if (lb->listeners[i].port == port)
			return i;
	}
	return CV_MODEL_NONE;
}

/* Whether a request asks for what is there: then it is answered as if it had made it. */
static bool is_same(const struct cv_model *model, const struct cv_model_listener *l,
		    const struct action *action)
{
	bool same = l->n_forwards == action->n && l->sticky_group == action->sticky &&
		    l->sticky_seconds == action->sticky_seconds;

	for (uint32_t i = 0; same && i < action->n; i++)
		same = l->forwards[i].weight == action->forwards[i].weight &&
		       strcmp(model->tgs[l->forwards[i].tg].arn,
			      action->forwards[i].target_group) == 0;
	return same;
}

static int listener_make(struct aws_call *call, uint32_t lb_idx,
			 const struct cv_model_listener_req *req, const struct action *action,
			 uint32_t *ret_idx)
{
	const struct cv_model_lb *lb = &call->model->lbs[lb_idx];
	struct cv_model_errs errs = {0};
	int ret;

	*ret_idx = port_find(lb, req->port);
	if (*ret_idx != CV_MODEL_NONE) {
		if (is_same(call->model, &lb->listeners[*ret_idx], action))
			return 0;
		return cv_aws_fail(call, "DuplicateListener",
				   "A listener already exists on this port for this load balancer "
				   "'%s'",
				   lb->arn);
	}
	ret = cv_aws_elb_end(call, &errs, cv_model_listener_add(call->model, lb_idx, req, &errs));
	*ret_idx = port_find(&call->model->lbs[lb_idx], req->port);
	return ret;
}

static int create_listener(struct aws_call *call)
{
	uint32_t idx, lb = cv_aws_elb_find(call, CV_MODEL_LB,
					   cv_query_str(&call->params, "LoadBalancerArn"), NULL);
	struct cv_model_listener_req req = {
		.port = (uint16_t)cv_aws_int(&call->params, "Port", 0),
		.idle_seconds = CV_MODEL_IDLE_SECONDS,
		.by = &call->by,
	};
	struct action action;
	int ret;

	if (lb == CV_MODEL_NONE)
		return -EINVAL;
	if (cv_query_str(&call->params, "Protocol") == NULL || req.port == 0)
		return cv_aws_fail(call, "ValidationError", "A listener %s must be specified",
				   req.port == 0 ? "port" : "protocol");
	ret = protocol_check(call);
	if (ret == 0)
		ret = action_read(call, &action);
	if (ret == 0 && action.n == 0)
		ret = cv_aws_fail(call, "ValidationError", "A default action must be specified");
	if (ret == 0)
		ret = cv_aws_tags(call, NULL, &call->by.tags, &call->by.n_tags);
	if (ret < 0)
		return ret;
	req.forwards = action.forwards;
	req.n_forwards = action.n;
	req.sticky_group = action.sticky;
	req.sticky_seconds = action.sticky_seconds;
	ret = listener_make(call, lb, &req, &action, &idx);
	if (ret == 0)
		listener_answer(call, lb, idx);
	return ret;
}

static int modify_listener(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "ListenerArn");
	struct cv_model_errs errs = {0};
	struct cv_model_listener_req req = {.port = (uint16_t)cv_aws_int(&call->params, "Port", 0),
					    .by = &call->by};
	uint32_t idx = 0, lb = cv_aws_elb_find(call, CV_MODEL_LISTENER, arn, &idx);
	struct action action;
	int ret;

	if (lb == CV_MODEL_NONE)
		return -EINVAL;
	ret = protocol_check(call);
	if (ret == 0)
		ret = action_read(call, &action);
	if (ret < 0)
		return ret;
	req.forwards = action.forwards;
	req.n_forwards = action.n;
	req.sticky_group = action.sticky;
	req.sticky_seconds = action.sticky_seconds;
	ret = cv_aws_elb_end(call, &errs,
			     cv_model_listener_change(call->model, &call->by, arn, &req, &errs));
	if (ret == 0)
		listener_answer(call, lb, idx);
	return ret;
}

static int delete_listener(struct aws_call *call)
{
	return cv_aws_elb_delete(call, CV_MODEL_LISTENER,
				 cv_query_str(&call->params, "ListenerArn"), false);
}

/* ---- DescribeListeners ---- */

static int describe_listeners(struct aws_call *call)
{
	const char *lb_arn = cv_query_str(&call->params, "LoadBalancerArn");
	const struct cv_model *model = call->model;
	struct elb_wanted arns;
	uint32_t lb = CV_MODEL_NONE, idx;

	arns.texts = cv_aws_strs(call, "ListenerArns.member", &arns.n);
	if ((lb_arn == NULL) == (arns.n == 0))
		return cv_aws_fail(call, "ValidationError",
				   "You must specify either listener ARNs or a load balancer ARN");
	if (lb_arn != NULL) {
		lb = cv_aws_elb_find(call, CV_MODEL_LB, lb_arn, NULL);
		if (lb == CV_MODEL_NONE)
			return -EINVAL;
	}
	for (uint32_t i = 0; i < arns.n; i++) {
		if (cv_aws_elb_find(call, CV_MODEL_LISTENER, arns.texts[i], &idx) == CV_MODEL_NONE)
			return -EINVAL;
	}
	cv_xml_open(call->out, "Listeners");
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		const struct cv_model_lb *at = &model->lbs[i];

		for (uint32_t k = 0; (lb == CV_MODEL_NONE || lb == i) && k < at->n_listeners; k++) {
			if (cv_aws_elb_is_wanted(&arns, at->listeners[k].arn) &&
			    cv_aws_page_key(call, at->listeners[k].arn, NULL))
				listener_write(call, at, &at->listeners[k]);
		}
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- DescribeRules ---- */

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
	action_write(call, l);
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

static int rules_write(struct aws_call *call, const char *const *arns, uint32_t n)
{
	cv_xml_open(call->out, "Rules");
	for (uint32_t i = 0; i < n; i++) {
		const char *listener = rule_listener(call, arns[i]);
		uint32_t idx, lb = CV_MODEL_NONE;

		if (listener != NULL)
			lb = cv_aws_elb_look(call, CV_MODEL_LISTENER, listener, &idx);
		if (lb == CV_MODEL_NONE)
			return cv_aws_fail(call, "RuleNotFound",
					   "One or more rules not found: %.200s", arns[i]);
		rule_write(call, &call->model->lbs[lb].listeners[idx]);
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

/* ---- the table ---- */

#define ACTION_TYPES "forward|authenticate-oidc|authenticate-cognito|redirect|fixed-response"
#define GROUP "DefaultActions.member.N.ForwardConfig.TargetGroups.member.N."
#define STICKY "DefaultActions.member.N.ForwardConfig.TargetGroupStickinessConfig."
#define LISTENER_PARAMS                                                                           \
	AWS_ENUM("Protocol", 0, "HTTP|HTTPS|TCP|TLS|UDP|TCP_UDP|GENEVE"),                         \
		AWS_INT("Port", 0, 1, 65535), AWS_REFUSE("SslPolicy"),                            \
		AWS_REFUSE("Certificates.member.N.CertificateArn"),                               \
		AWS_REFUSE("Certificates.member.N.IsDefault"), AWS_REFUSE("AlpnPolicy.member.N"), \
		AWS_ENUM("DefaultActions.member.N.Type", AWS_REQUIRED, ACTION_TYPES),             \
		AWS_ID("DefaultActions.member.N.TargetGroupArn", 0),                              \
		AWS_INT("DefaultActions.member.N.Order", 0, 1, 50000),                            \
		AWS_ID(GROUP "TargetGroupArn", 0),                                                \
		AWS_INT(GROUP "Weight", 0, 0, CV_MODEL_WEIGHT_MAX), AWS_BOOL(STICKY "Enabled"),   \
		AWS_INT(STICKY "DurationSeconds", 0, 1, 604800)
#define ACTION_ANSWERS(at)                                                                 \
	at "Type " at "TargetGroupArn " at "ForwardConfig.TargetGroups.TargetGroupArn " at \
	   "ForwardConfig.TargetGroups.Weight " at                                         \
	   "ForwardConfig.TargetGroupStickinessConfig.Enabled " at                         \
	   "ForwardConfig.TargetGroupStickinessConfig.DurationSeconds"
#define LISTENER_ANSWERS                                                  \
	"Listeners.ListenerArn Listeners.LoadBalancerArn Listeners.Port " \
	"Listeners.Protocol " ACTION_ANSWERS("Listeners.DefaultActions.")

static const struct aws_param create_params[] = {AWS_ID("LoadBalancerArn", AWS_REQUIRED),
						 LISTENER_PARAMS, AWS_MEMBER_TAGS};
static const struct aws_param modify_params[] = {AWS_ID("ListenerArn", AWS_REQUIRED),
						 LISTENER_PARAMS};
static const struct aws_param arn_params[] = {AWS_ID("ListenerArn", AWS_REQUIRED)};
static const struct aws_param describe_params[] = {
	AWS_ID("LoadBalancerArn", 0), AWS_ID("ListenerArns.member.N", 0), AWS_MARKER_PAGES};
static const struct aws_param rules_params[] = {AWS_ID("ListenerArn", 0),
						AWS_ID("RuleArns.member.N", 0), AWS_MARKER_PAGES};

static const struct aws_action actions[] = {
	{
		.name = "CreateListener",
		.handle = create_listener,
		.flags = AWS_CHANGES,
		AWS_PARAMS(create_params),
		.answers = LISTENER_ANSWERS,
	},
	{
		.name = "DescribeListeners",
		.handle = describe_listeners,
		AWS_PARAMS(describe_params),
		.page_default = 400,
		.answers = LISTENER_ANSWERS " NextMarker",
	},
	{
		.name = "ModifyListener",
		.handle = modify_listener,
		.flags = AWS_CHANGES,
		AWS_PARAMS(modify_params),
		.answers = LISTENER_ANSWERS,
	},
	{
		.name = "DeleteListener",
		.handle = delete_listener,
		.flags = AWS_CHANGES,
		AWS_PARAMS(arn_params),
	},
	{
		.name = "DescribeRules",
		.handle = describe_rules,
		AWS_PARAMS(rules_params),
		.answers = "Rules.RuleArn Rules.Priority Rules.IsDefault " ACTION_ANSWERS(
			"Rules.Actions."),
	},
};

const struct aws_group cv_aws_elbv2_listener_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
