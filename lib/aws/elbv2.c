/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: what its actions share. */

#include <errno.h>
#include <string.h>

#include "elbv2_priv.h"

static const struct {
	enum cv_model_kind kind;
	const char *noun, *not_found;
} words[] = {
	{CV_MODEL_LB, "load balancer", "LoadBalancerNotFound"},
	{CV_MODEL_TG, "target group", "TargetGroupNotFound"},
	{CV_MODEL_LISTENER, "listener", "ListenerNotFound"},
};

static size_t word_of(enum cv_model_kind kind)
{
	size_t i = 0;

	while (words[i].kind != kind)
		i++;
	return i;
}

uint32_t cv_aws_elb_look(struct aws_call *call, enum cv_model_kind kind, const char *arn,
			 uint32_t *ret_listener)
{
	uint32_t idx, listener;

	if (cv_model_kind_of(arn) != kind) {
		cv_aws_fail(call, "ValidationError", "'%.200s' is not a valid %s ARN", arn,
			    words[word_of(kind)].noun);
		return CV_MODEL_NONE;
	}
	if (kind == CV_MODEL_LISTENER)
		idx = cv_model_listener_find(call->model, arn,
					     ret_listener != NULL ? ret_listener : &listener);
	else
		idx = cv_model_find(call->model, kind, CV_MODEL_NONE, arn);
	if (idx != CV_MODEL_NONE && cv_model_owner(call->model, kind, idx) != call->account)
		idx = CV_MODEL_NONE;
	return idx;
}

uint32_t cv_aws_elb_find(struct aws_call *call, enum cv_model_kind kind, const char *arn,
			 uint32_t *ret_listener)
{
	uint32_t idx = cv_aws_elb_look(call, kind, arn, ret_listener);
	const char *noun = words[word_of(kind)].noun;

	if (idx == CV_MODEL_NONE && call->err_code == NULL)
		cv_aws_fail(call, words[word_of(kind)].not_found,
			    "One or more %ss not found: %.200s", noun, arn);
	return idx;
}

/* The model speaks of networks as EC2 does. */
static const char *code_of(const char *code)
{
	static const struct {
		const char *ec2, *elb;
	} codes[] = {
		{"InvalidSubnetID.NotFound", "SubnetNotFound"},
		{"InvalidSubnetID.Malformed", "SubnetNotFound"},
		{"InvalidSecurityGroupId.NotFound", "InvalidSecurityGroup"},
		{"InvalidGroupId.Malformed", "InvalidSecurityGroup"},
		{"SecurityGroupsPerInterfaceLimitExceeded", "InvalidConfigurationRequest"},
		{"InsufficientFreeAddressesInSubnet", "InvalidSubnet"},
		{"InvalidIPAddress.InUse", "InvalidConfigurationRequest"},
		{"InvalidVpcID.NotFound", "ValidationError"},
		{"InvalidParameterValue", "ValidationError"},
		{"InvalidParameter", "ValidationError"},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(codes); i++) {
		if (strcmp(codes[i].ec2, code) == 0)
			return codes[i].elb;
	}
	return code;
}

int cv_aws_elb_end(struct aws_call *call, struct cv_model_errs *errs, int ret)
{
	if (ret < 0) {
		for (uint32_t i = 0; i < errs->n; i++)
			errs->items[i].code = code_of(errs->items[i].code);
		cv_aws_fail_model(call, errs, ret);
	}
	cv_model_errs_fini(errs);
	return ret < 0 ? -EINVAL : 0;
}

int cv_aws_elb_delete(struct aws_call *call, enum cv_model_kind kind, const char *arn,
		      bool missing_is_ok)
{
	struct cv_model_errs errs = {0};
	uint32_t idx;

	idx = missing_is_ok ? cv_aws_elb_look(call, kind, arn, NULL)
			    : cv_aws_elb_find(call, kind, arn, NULL);
	if (idx == CV_MODEL_NONE)
		return call->err_code != NULL ? -EINVAL : 0;
	return cv_aws_elb_end(call, &errs,
			      cv_model_remove(call->model, &call->by, kind, arn, &errs));
}

bool cv_aws_elb_is_wanted(const struct elb_wanted *wanted, const char *text)
{
	for (uint32_t i = 0; i < wanted->n; i++) {
		if (strcmp(wanted->texts[i], text) == 0)
			return true;
	}
	return wanted->n == 0;
}

const struct cv_model *cv_aws_elb_served(struct aws_call *call, const struct cv_health **ret_health)
{
	*ret_health = NULL;
	if (call->ops == NULL || call->ops->served == NULL)
		return NULL;
	return call->ops->served(call->ctl, ret_health);
}
