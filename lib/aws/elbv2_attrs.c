/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: attributes of load balancers, target groups and listeners. */

#include <errno.h>
#include <string.h>

#include "elbv2_priv.h"

/* Attributes of one request at most, as AWS has it. */
#define ATTRS_MAX 20

static void attrs_write(struct aws_call *call, enum cv_model_kind kind, uint32_t idx,
			uint32_t listener)
{
	struct cv_model_attr attr;

	cv_xml_open(call->out, "Attributes");
	for (uint32_t i = 0; cv_model_attr_at(call->model, kind, idx, listener, i, &attr); i++) {
		cv_xml_item(call->out);
		cv_xml_str(call->out, "Key", attr.key);
		cv_xml_str(call->out, "Value", attr.value);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
}

static int attrs_read(struct aws_call *call, struct cv_model_tag *attrs, uint32_t *ret_n)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "Attributes.member")};
	uint32_t n = 0;

	while (cv_query_next(&iter)) {
		const char *key = cv_query_str(&iter.item, "Key");
		const char *value = cv_query_str(&iter.item, "Value");

		if (key == NULL)
			return cv_aws_fail(call, "ValidationError", "An attribute needs a key");
		if (n == ATTRS_MAX)
			return cv_aws_fail(call, "ValidationError",
					   "A request has at most %d attributes", ATTRS_MAX);
		for (uint32_t i = 0; i < n; i++) {
			if (strcmp(attrs[i].key, key) == 0)
				return cv_aws_fail(call, "InvalidConfigurationRequest",
						   "The attribute '%.100s' is there more than once",
						   key);
		}
		attrs[n++] = (struct cv_model_tag){key, value != NULL ? value : ""};
	}
	if (n == 0)
		return cv_aws_fail(call, "ValidationError",
				   "At least one attribute must be specified");
	*ret_n = n;
	return 0;
}

static int describe(struct aws_call *call, enum cv_model_kind kind, const char *param)
{
	uint32_t listener = 0;
	uint32_t idx = cv_aws_elb_find(call, kind, cv_query_str(&call->params, param), &listener);

	if (idx == CV_MODEL_NONE)
		return -EINVAL;
	attrs_write(call, kind, idx, listener);
	return 0;
}

static int modify(struct aws_call *call, enum cv_model_kind kind, const char *param)
{
	struct cv_model_tag attrs[ATTRS_MAX];
	struct cv_model_attrs_change req = {
		.kind = kind, .ref = cv_query_str(&call->params, param), .attrs = attrs};
	uint32_t listener = 0;
	uint32_t idx = cv_aws_elb_find(call, kind, req.ref, &listener);
	struct cv_model_errs errs = {0};
	int ret;

	if (idx == CV_MODEL_NONE || attrs_read(call, attrs, &req.n_attrs) < 0)
		return -EINVAL;
	ret = cv_aws_elb_end(call, &errs,
			     cv_model_attrs_change(call->model, &call->by, &req, &errs));
	if (ret == 0)
		attrs_write(call, kind, idx, listener);
	return ret;
}

static int describe_lb(struct aws_call *call)
{
	return describe(call, CV_MODEL_LB, "LoadBalancerArn");
}

static int describe_tg(struct aws_call *call)
{
	return describe(call, CV_MODEL_TG, "TargetGroupArn");
}

static int describe_listener(struct aws_call *call)
{
	return describe(call, CV_MODEL_LISTENER, "ListenerArn");
}

static int modify_lb(struct aws_call *call)
{
	return modify(call, CV_MODEL_LB, "LoadBalancerArn");
}

static int modify_tg(struct aws_call *call)
{
	return modify(call, CV_MODEL_TG, "TargetGroupArn");
}

static int modify_listener(struct aws_call *call)
{
	return modify(call, CV_MODEL_LISTENER, "ListenerArn");
}

#define ATTR_PARAMS                                               \
	AWS_STR("Attributes.member.N.Key", AWS_REQUIRED, 1, 256), \
		AWS_STR("Attributes.member.N.Value", 0, 0, 1024)

static const struct aws_param lb_params[] = {AWS_ID("LoadBalancerArn", AWS_REQUIRED)};
static const struct aws_param tg_params[] = {AWS_ID("TargetGroupArn", AWS_REQUIRED)};
static const struct aws_param listener_params[] = {AWS_ID("ListenerArn", AWS_REQUIRED)};
static const struct aws_param lb_set_params[] = {AWS_ID("LoadBalancerArn", AWS_REQUIRED),
						 ATTR_PARAMS};
static const struct aws_param tg_set_params[] = {AWS_ID("TargetGroupArn", AWS_REQUIRED),
						 ATTR_PARAMS};
static const struct aws_param listener_set_params[] = {AWS_ID("ListenerArn", AWS_REQUIRED),
						       ATTR_PARAMS};

#define ANSWERS .answers = "Attributes.Key Attributes.Value"

static const struct aws_action actions[] = {
	{.name = "DescribeLoadBalancerAttributes",
	 .handle = describe_lb,
	 AWS_PARAMS(lb_params),
	 ANSWERS},
	{.name = "ModifyLoadBalancerAttributes",
	 .handle = modify_lb,
	 .flags = AWS_CHANGES,
	 AWS_PARAMS(lb_set_params),
	 ANSWERS},
	{.name = "DescribeTargetGroupAttributes",
	 .handle = describe_tg,
	 AWS_PARAMS(tg_params),
	 ANSWERS},
	{.name = "ModifyTargetGroupAttributes",
	 .handle = modify_tg,
	 .flags = AWS_CHANGES,
	 AWS_PARAMS(tg_set_params),
	 ANSWERS},
	{.name = "DescribeListenerAttributes",
	 .handle = describe_listener,
	 AWS_PARAMS(listener_params),
	 ANSWERS},
	{.name = "ModifyListenerAttributes",
	 .handle = modify_listener,
	 .flags = AWS_CHANGES,
	 AWS_PARAMS(listener_set_params),
	 ANSWERS},
};

const struct aws_group cv_aws_elbv2_attrs_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
