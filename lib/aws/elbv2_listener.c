/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: listeners. */

#include <errno.h>
#include <string.h>

#include "elbv2_priv.h"

/* ---- what is told ---- */

void cv_aws_elb_action_write(struct aws_call *call, const struct cv_model_listener *l)
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
	cv_aws_elb_action_write(call, l);
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

/* An empty list may be sent as its bare name. */
static bool is_there(const struct cv_query_node *at, const char *name)
{
	struct cv_query_node node = cv_query_at(at, name);
	const char *value = cv_query_value(&node);

	return node.n > 0 && (value == NULL || *value != '\0');
}

static int action_read(struct aws_call *call, struct action *action)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "DefaultActions.member")};
	static const char *const others[] = {"RedirectConfig", "FixedResponseConfig",
					     "AuthenticateOidcConfig", "AuthenticateCognitoConfig"};
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
	for (size_t i = 0; i < CV_ARRAY_LEN(others); i++) {
		if (is_there(&iter.item, others[i]))
			return cv_aws_fail(call, "ValidationError",
					   "%s cannot be specified for an action of type 'forward'",
					   others[i]);
	}
	return config_read(call, &iter.item, action);
}

static int protocol_check(struct aws_call *call)
{
	static const char *const of_tls[] = {"Certificates", "SslPolicy", "AlpnPolicy",
					     "MutualAuthentication"};
	const char *protocol = cv_query_str(&call->params, "Protocol");

	if (protocol != NULL && strcmp(protocol, "TCP") != 0)
		return cv_aws_fail(
			call, "UnsupportedProtocol",
			"The protocol '%s' is not supported: culvert's listeners are TCP",
			protocol);
	for (size_t i = 0; i < CV_ARRAY_LEN(of_tls); i++) {
		if (is_there(&call->params, of_tls[i]))
			return cv_aws_fail(call, "ValidationError",
					   "%s cannot be specified for TCP listeners", of_tls[i]);
	}
	return 0;
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
	/* Without this the next plan would fail, for all accounts. */
	if (call->ops != NULL && call->ops->listeners_room != NULL &&
	    call->ops->listeners_room(call->ctl) == 0)
		return cv_aws_fail(call, "TooManyListeners",
				   "The maximum number of listeners has been reached: those that "
				   "were deleted still have connections");
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

/* ---- the table ---- */

#define ACTION_TYPES "forward|authenticate-oidc|authenticate-cognito|redirect|fixed-response"
#define ACTION "DefaultActions.member.N."
#define GROUP "DefaultActions.member.N.ForwardConfig.TargetGroups.member.N."
#define STICKY "DefaultActions.member.N.ForwardConfig.TargetGroupStickinessConfig."
#define LISTENER_PARAMS                                                                         \
	AWS_ENUM("Protocol", 0, "HTTP|HTTPS|TCP|TLS|UDP|TCP_UDP|GENEVE|QUIC|TCP_QUIC"),         \
		AWS_INT("Port", 0, 1, 65535), AWS_LATE("SslPolicy"),                            \
		AWS_LATE("MutualAuthentication.*"),                                             \
		AWS_LATE("Certificates.member.N.CertificateArn"),                               \
		AWS_LATE("Certificates.member.N.IsDefault"), AWS_LATE("AlpnPolicy.member.N"),   \
		AWS_LATE(ACTION "RedirectConfig.*"), AWS_LATE(ACTION "FixedResponseConfig.*"),  \
		AWS_LATE(ACTION "AuthenticateOidcConfig.*"),                                    \
		AWS_LATE(ACTION "AuthenticateCognitoConfig.*"),                                 \
		AWS_ENUM("DefaultActions.member.N.Type", AWS_REQUIRED, ACTION_TYPES),           \
		AWS_ID("DefaultActions.member.N.TargetGroupArn", 0),                            \
		AWS_INT("DefaultActions.member.N.Order", 0, 1, 50000),                          \
		AWS_ID(GROUP "TargetGroupArn", 0),                                              \
		AWS_INT(GROUP "Weight", 0, 0, CV_MODEL_WEIGHT_MAX), AWS_BOOL(STICKY "Enabled"), \
		AWS_INT(STICKY "DurationSeconds", 0, 1, 604800)
#define LISTENER_ANSWERS                                                  \
	"Listeners.ListenerArn Listeners.LoadBalancerArn Listeners.Port " \
	"Listeners.Protocol " ELB_ACTION_ANSWERS("Listeners.DefaultActions.")

static const struct aws_param create_params[] = {AWS_ID("LoadBalancerArn", AWS_REQUIRED),
						 LISTENER_PARAMS, AWS_MEMBER_TAGS};
static const struct aws_param modify_params[] = {AWS_ID("ListenerArn", AWS_REQUIRED),
						 LISTENER_PARAMS};
static const struct aws_param arn_params[] = {AWS_ID("ListenerArn", AWS_REQUIRED)};
static const struct aws_param describe_params[] = {
	AWS_ID("LoadBalancerArn", 0), AWS_ID("ListenerArns.member.N", 0), AWS_MARKER_PAGES};

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
};

const struct aws_group cv_aws_elbv2_listener_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
