/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: quotas, and capacity that may be reserved. */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "elbv2_priv.h"

#define QUOTA(name, field)                                       \
	{                                                        \
		name, 0, offsetof(struct cv_model_quotas, field) \
	}

/* AWS's of what concerns network load balancers; those that culvert holds calls to may be set. */
static const struct {
	const char *name;
	uint32_t max; /* 0: as the model has it */
	size_t field;
} limits[] = {
	QUOTA("network-load-balancers", lbs),
	QUOTA("listeners-per-network-load-balancer", listeners),
	QUOTA("targets-per-network-load-balancer", lb_targets),
	QUOTA("targets-per-availability-zone-per-network-load-balancer", zone_targets),
	QUOTA("target-groups", tgs),
	QUOTA("targets-per-target-group", tg_targets),
	{"target-groups-per-action-on-network-load-balancer", CV_MODEL_FORWARDS_MAX, 0},
	{"certificates-per-network-load-balancer", 25, 0},
	{"network-load-balancer-enis-per-vpc", 1200, 0},
};

static uint32_t limit_get(const struct aws_call *call, uint32_t i)
{
	uint32_t max = limits[i].max;

	if (max == 0)
		memcpy(&max, (const char *)&call->model->quotas + limits[i].field, sizeof(max));
	return max;
}

static int describe_account_limits(struct aws_call *call)
{
	cv_xml_open(call->out, "Limits");
	for (uint32_t i = 0; i < CV_ARRAY_LEN(limits); i++) {
		if (!cv_aws_page(call, i))
			continue;
		cv_xml_item(call->out);
		cv_xml_str(call->out, "Name", limits[i].name);
		cv_xml_int(call->out, "Max", limit_get(call, i));
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- capacity: a load balancer has what the appliance has ---- */

static int describe_capacity(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "LoadBalancerArn");

	if (cv_aws_elb_find(call, CV_MODEL_LB, arn, NULL) == CV_MODEL_NONE)
		return -EINVAL;
	cv_xml_open(call->out, "CapacityReservationState");
	cv_xml_close(call->out);
	return 0;
}

static int modify_capacity(struct aws_call *call)
{
	int ret = describe_capacity(call);

	if (ret < 0 || cv_aws_bool(&call->params, "ResetCapacityReservation", false))
		return ret;
	return cv_aws_fail(
		call, "InvalidConfigurationRequest",
		"Capacity cannot be reserved: each load balancer has all that culvert has");
}

static const struct aws_param limits_params[] = {AWS_MARKER_PAGES};
static const struct aws_param capacity_params[] = {AWS_ID("LoadBalancerArn", AWS_REQUIRED)};
static const struct aws_param reserve_params[] = {
	AWS_ID("LoadBalancerArn", AWS_REQUIRED),
	AWS_LATE("MinimumLoadBalancerCapacity.CapacityUnits"),
	AWS_BOOL("ResetCapacityReservation"),
};

static const struct aws_action actions[] = {
	{
		.name = "DescribeAccountLimits",
		.handle = describe_account_limits,
		AWS_PARAMS(limits_params),
		.page_default = 400,
		.answers = "Limits.Name Limits.Max NextMarker",
	},
	{
		.name = "DescribeCapacityReservation",
		.handle = describe_capacity,
		AWS_PARAMS(capacity_params),
	},
	{
		.name = "ModifyCapacityReservation",
		.handle = modify_capacity,
		AWS_PARAMS(reserve_params),
	},
};

const struct aws_group cv_aws_elbv2_limits_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
