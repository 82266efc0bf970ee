/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: quotas. */

#include <stdio.h>

#include "aws_priv.h"

/* AWS's defaults of what concerns network load balancers. */
static const struct {
	const char *name;
	unsigned int max;
} limits[] = {
	{"network-load-balancers", 50},
	{"listeners-per-network-load-balancer", 50},
	{"targets-per-network-load-balancer", 3000},
	{"targets-per-availability-zone-per-network-load-balancer", 500},
	{"target-groups", 3000},
	{"targets-per-target-group", 1000},
	{"target-groups-per-action-on-network-load-balancer", 5},
	{"certificates-per-network-load-balancer", 25},
	{"network-load-balancer-enis-per-vpc", 1200},
};

static int describe_account_limits(struct aws_call *call)
{
	cv_xml_open(call->out, "Limits");
	for (uint32_t i = 0; i < CV_ARRAY_LEN(limits); i++) {
		if (!cv_aws_page(call, i))
			continue;
		cv_xml_item(call->out);
		cv_xml_str(call->out, "Name", limits[i].name);
		cv_xml_int(call->out, "Max", limits[i].max);
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
		.flags = AWS_NO_MODEL,
		AWS_PARAMS(limits_params),
		.page_default = 400,
		.answers = "Limits.Name Limits.Max NextMarker",
	},
};

const struct aws_group cv_aws_elbv2_limits_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
