/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: connections, as the owners of services see them. */

#include <errno.h>
#include <string.h>

#include "ec2_priv.h"

/* ---- DescribeVpcEndpointConnections ---- */

static bool connection_passes(const struct aws_call *call, const struct cv_model_endpoint *endpoint,
			      const char *owner)
{
	/* Its tags would be the provider's; there are none. */
	return cv_aws_filter(call, "service-id", call->model->services[endpoint->service].id) &&
	       cv_aws_filter(call, "vpc-endpoint-owner", owner) &&
	       cv_aws_filter(call, "vpc-endpoint-state", cv_model_state_str(endpoint->state)) &&
	       cv_aws_filter(call, "vpc-endpoint-id", endpoint->id) &&
	       cv_aws_filter(call, "vpc-endpoint-region", call->region) &&
	       cv_aws_filter(call, "ip-address-type", "ipv4");
}

static void connection_write(struct aws_call *call, uint32_t idx, const char *owner)
{
	const struct cv_model_endpoint *endpoint = &call->model->endpoints[idx];
	const struct cv_model_service *service = &call->model->services[endpoint->service];
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "serviceId", service->id);
	cv_xml_str(out, "vpcEndpointId", endpoint->id);
	cv_xml_str(out, "vpcEndpointOwner", owner);
	cv_xml_str(out, "vpcEndpointState", cv_model_state_str(endpoint->state));
	cv_xml_time(out, "creationTimestamp", (time_t)endpoint->meta.created, 0);
	cv_aws_ec2_dns_entries(call, idx);
	cv_xml_open(out, "networkLoadBalancerArnSet");
	for (uint32_t i = 0; i < service->n_lbs; i++)
		cv_xml_item_str(out, call->model->lbs[service->lbs[i]].arn);
	cv_xml_close(out);
	cv_aws_ec2_empty(call, "gatewayLoadBalancerArnSet");
	cv_xml_str(out, "ipAddressType", "ipv4");
	cv_xml_str(out, "vpcEndpointConnectionId",
		   cv_aws_ec2_derived(call, "vpce-con-", endpoint->id));
	cv_aws_ec2_empty(call, "tagSet");
	cv_xml_close(out);
}

static int describe_connections(struct aws_call *call)
{
	const struct cv_model *model = call->model;

	cv_aws_ec2_page_bound(call);
	cv_xml_open(call->out, "vpcEndpointConnectionSet");
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];
		const char *owner;

		if (endpoint->meta.gone || endpoint->service == CV_MODEL_NONE ||
		    model->services[endpoint->service].owner != call->account)
			continue;
		owner = model->accounts[model->vpcs[endpoint->vpc].owner].id;
		if (connection_passes(call, endpoint, owner) &&
		    cv_aws_page_key(call, endpoint->id, NULL))
			connection_write(call, i, owner);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- AcceptVpcEndpointConnections, RejectVpcEndpointConnections ---- */

typedef int decide_fn(struct cv_model *model, const struct cv_model_by *by, const char *service,
		      const char *endpoint, struct cv_model_errs *errs);

static void decide_one(struct aws_call *call, const char *service, const char *id, decide_fn *fn)
{
	struct cv_model_errs errs = {0};
	enum cv_model_state before = CV_MODEL_PENDING_ACCEPTANCE;
	uint32_t idx = cv_model_find(call->model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, id);
	int ret;

	if (idx != CV_MODEL_NONE)
		before = call->model->endpoints[idx].state;
	/* Ids alone: the model knows names, too. */
	if (!cv_id_is(id, "vpce-", 17)) {
		ret = cv_aws_fail(call, "InvalidVpcEndpointId.Malformed", "Invalid Id: \"%.64s\"",
				  id);
		cv_aws_ec2_failed(call, id, NULL, ret);
		return;
	}
	ret = fn(call->model, &call->by, service, id, &errs);
	if (ret < 0)
		cv_aws_ec2_failed(call, id, &errs, ret);
	else if (call->model->endpoints[idx].state != before)
		cv_aws_sns_event(call, id, fn == cv_model_accept_by ? "Accept" : "Reject");
	cv_model_errs_fini(&errs);
}

static int decide(struct aws_call *call, decide_fn *fn)
{
	const char *service = cv_query_str(&call->params, "ServiceId");
	uint32_t n;
	const char *const *ids = cv_aws_strs(call, "VpcEndpointId", &n);
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_service, service, NULL);

	if (ret == 0)
		ret = cv_aws_dry(call);
	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "unsuccessful");
	for (uint32_t i = 0; i < n; i++)
		decide_one(call, service, ids[i], fn);
	cv_xml_close(call->out);
	return 0;
}

static int accept_connections(struct aws_call *call)
{
	return decide(call, cv_model_accept_by);
}

static int reject_connections(struct aws_call *call)
{
	return decide(call, cv_model_reject_by);
}

/* ---- the table ---- */

static const struct aws_param describe_params[] = {AWS_DRY_RUN, AWS_FILTERS, EC2_PAGES(5)};
static const char *const describe_filters[] = {"ip-address-type",
					       "service-id",
					       "vpc-endpoint-id",
					       "vpc-endpoint-owner",
					       "vpc-endpoint-region",
					       "vpc-endpoint-state",
					       NULL};

static const struct aws_param decide_params[] = {AWS_DRY_RUN, AWS_ID("ServiceId", AWS_REQUIRED),
						 AWS_ID("VpcEndpointId.N", AWS_REQUIRED)};

static const struct aws_action actions[] = {
	{
		.name = "AcceptVpcEndpointConnections",
		.handle = accept_connections,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(decide_params),
		.answers = EC2_UNSUCCESSFUL,
	},
	{
		.name = "DescribeVpcEndpointConnections",
		.handle = describe_connections,
		AWS_PARAMS(describe_params),
		.filters = describe_filters,
		.page_default = EC2_PAGE_MAX,
		.answers = "vpcEndpointConnectionSet.serviceId "
			   "vpcEndpointConnectionSet.vpcEndpointId "
			   "vpcEndpointConnectionSet.vpcEndpointOwner "
			   "vpcEndpointConnectionSet.vpcEndpointState "
			   "vpcEndpointConnectionSet.creationTimestamp "
			   "vpcEndpointConnectionSet.dnsEntrySet.dnsName "
			   "vpcEndpointConnectionSet.dnsEntrySet.hostedZoneId "
			   "vpcEndpointConnectionSet.networkLoadBalancerArnSet "
			   "vpcEndpointConnectionSet.gatewayLoadBalancerArnSet "
			   "vpcEndpointConnectionSet.ipAddressType "
			   "vpcEndpointConnectionSet.vpcEndpointConnectionId "
			   "vpcEndpointConnectionSet.tagSet nextToken",
	},
	{
		.name = "RejectVpcEndpointConnections",
		.handle = reject_connections,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(decide_params),
		.answers = EC2_UNSUCCESSFUL,
	},
};

const struct aws_group cv_aws_ec2_conn_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
