/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: quotas. */

#include <stddef.h>
#include <string.h>

#include "aws_priv.h"

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

static const struct aws_param limits_params[] = {AWS_MARKER_PAGES};

static const struct aws_action actions[] = {
	{
		.name = "DescribeAccountLimits",
		.handle = describe_account_limits,
		AWS_PARAMS(limits_params),
		.page_default = 400,
		.answers = "Limits.Name Limits.Max NextMarker",
	},
};

const struct aws_group cv_aws_elbv2_limits_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
