/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: interface endpoints, as their owners see them. */

#include <errno.h>
#include <string.h>

#include "cv_model_note.h"

#include "ec2_priv.h"

/* What AWS gives an endpoint whose service evaluates no policies. */
static const char full_access[] =
	"{\n  \"Statement\": [\n    {\n      \"Action\": \"*\", \n      \"Effect\": \"Allow\", \n"
	"      \"Principal\": \"*\", \n      \"Resource\": \"*\"\n    }\n  ]\n}";

/* ---- answers ---- */

static void sg_write(struct aws_call *call, const char *id, const char *name)
{
	cv_xml_item(call->out);
	cv_xml_str(call->out, "groupId", id);
	cv_xml_str(call->out, "groupName", name);
	cv_xml_close(call->out);
}

void cv_aws_ec2_groups(struct aws_call *call, const struct cv_model_endpoint *endpoint)
{
	const struct cv_model *model = call->model;

	cv_xml_open(call->out, "groupSet");
	for (uint32_t i = 0; i < endpoint->n_sgs; i++)
		sg_write(call, model->sgs[endpoint->sgs[i]].id, model->sgs[endpoint->sgs[i]].name);
	cv_xml_close(call->out);
}

static void enis_write(struct aws_call *call, const struct cv_model_endpoint *endpoint)
{
	cv_xml_open(call->out, "subnetIdSet");
	for (uint32_t i = 0; i < endpoint->n_enis; i++)
		cv_xml_item_str(call->out, call->model->subnets[endpoint->enis[i].subnet].id);
	cv_xml_close(call->out);
	cv_xml_open(call->out, "networkInterfaceIdSet");
	for (uint32_t i = 0; i < endpoint->n_enis; i++)
		cv_xml_item_str(call->out, endpoint->enis[i].id);
	cv_xml_close(call->out);
}

static void last_error_write(struct aws_call *call, const struct cv_model_endpoint *endpoint)
{
	if (endpoint->state != CV_MODEL_FAILED && endpoint->state != CV_MODEL_EXPIRED)
		return;
	cv_xml_open(call->out, "lastError");
	if (endpoint->state == CV_MODEL_FAILED)
		cv_xml_str(call->out, "message",
			   cv_aws_fmt(call, "The Vpc Endpoint Service '%s' does not exist",
				      endpoint->service_name));
	else
		cv_xml_str(call->out, "message", "The request was not accepted before it expired");
	cv_xml_str(call->out, "code",
		   endpoint->state == CV_MODEL_FAILED ? "InvalidServiceName" : "RequestExpired");
	cv_xml_close(call->out);
}

/* The inside of an endpoint. */
static void endpoint_write(struct aws_call *call, uint32_t idx)
{
	const struct cv_model_endpoint *endpoint = &call->model->endpoints[idx];
	const char *records = cv_model_note(&endpoint->meta, EC2_NOTE_DNS_RECORDS);
	struct cv_xml *out = call->out;

	cv_xml_str(out, "vpcEndpointId", endpoint->id);
	cv_xml_str(out, "vpcEndpointType", "Interface");
	cv_xml_str(out, "vpcId", call->model->vpcs[endpoint->vpc].id);
	cv_xml_str(out, "serviceName", endpoint->service_name);
	cv_xml_str(out, "state", cv_model_state_str(endpoint->state));
	cv_xml_str(out, "policyDocument", full_access);
	cv_aws_ec2_empty(call, "routeTableIdSet");
	enis_write(call, endpoint);
	cv_aws_ec2_groups(call, endpoint);
	cv_xml_str(out, "ipAddressType", "ipv4");
	cv_xml_open(out, "dnsOptions");
	cv_xml_str(out, "dnsRecordIpType", records != NULL ? records : "ipv4");
	cv_xml_close(out);
	cv_xml_bool(out, "privateDnsEnabled", endpoint->private_dns);
	cv_xml_bool(out, "requesterManaged", false);
	cv_aws_ec2_dns_entries(call, idx);
	cv_xml_time(out, "creationTimestamp", (time_t)endpoint->meta.created, 0);
	cv_aws_tag_set(call, endpoint->meta.tags, endpoint->meta.n_tags);
	cv_xml_str(out, "ownerId", call->caller.account_id);
	last_error_write(call, endpoint);
}

/* ---- what requests name ---- */

/* Subnets of one VPC by id, as places. */
static int places_read(struct aws_call *call, const char *param, uint32_t vpc,
		       const struct cv_model_place_req **ret_places, uint32_t *ret_n)
{
	const char *const *ids = cv_aws_strs(call, param, ret_n);
	struct cv_model_place_req *places = cv_aws_alloc(call, (*ret_n + 1) * sizeof(*places));

	if (places == NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < *ret_n; i++) {
		uint32_t subnet;
		int ret = cv_aws_ec2_find(call, &cv_aws_ec2_subnet, ids[i], &subnet);

		if (ret == 0 && call->model->subnets[subnet].vpc != vpc)
			ret = cv_aws_fail(call, "InvalidParameter",
					  "The subnet %s does not belong to the VPC %s", ids[i],
					  call->model->vpcs[vpc].id);
		if (ret < 0)
			return ret;
		places[i].subnet = ids[i];
	}
	*ret_places = places;
	return 0;
}

/* PrivateLink has a code of its own for groups that are not there. */
static const struct ec2_kind endpoint_sg = {CV_MODEL_SG, "sg-", "InvalidSecurityGroupId.NotFound",
					    "InvalidGroupId.Malformed", "security group"};

/* Security groups of one VPC by id, each once. */
static int sgs_read(struct aws_call *call, const char *param, uint32_t vpc,
		    const char *const **ret_ids, uint32_t *ret_n)
{
	uint32_t n, n_own = 0;
	const char *const *ids = cv_aws_strs(call, param, &n);
	const char **own = cv_aws_alloc(call, (n + 1) * sizeof(*own));

	if (own == NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t sg, k = 0;

		if (cv_aws_ec2_find(call, &endpoint_sg, ids[i], &sg) < 0)
			return -EINVAL;
		if (call->model->sgs[sg].vpc != vpc)
			return cv_aws_fail(call, "InvalidParameter",
					   "The security group %s does not belong to the VPC %s",
					   ids[i], call->model->vpcs[vpc].id);
		while (k < n_own && strcmp(own[k], ids[i]) != 0)
			k++;
		if (k == n_own)
			own[n_own++] = ids[i];
	}
	*ret_ids = own;
	*ret_n = n_own;
	return 0;
}

/* AWS's words for what a service may have, and those here do not. */
static int ip_types_check(struct aws_call *call, const char *service)
{
	const char *type = cv_query_str(&call->params, "IpAddressType");
	const char *records = cv_query_str(&call->params, "DnsOptions.DnsRecordIpType");

	if (type != NULL && strcmp(type, "ipv4") != 0)
		return cv_aws_fail(call, "InvalidParameter",
				   "The VPC endpoint service %s does not support the IP address "
				   "type %s: ipv4 is",
				   service, type);
	if (records != NULL && strcmp(records, "ipv4") != 0 &&
	    strcmp(records, "service-defined") != 0)
		return cv_aws_fail(call, "InvalidParameter",
				   "The DNS record IP type %s does not go with the IP address "
				   "type ipv4",
				   records);
	return 0;
}

/* All records are of IPv4 addresses; the word for it is kept. */
static int dns_records_keep(struct aws_call *call, const char *id)
{
	const char *records = cv_query_str(&call->params, "DnsOptions.DnsRecordIpType");

	if (records == NULL)
		return 0;
	return cv_aws_ec2_note(call, CV_MODEL_ENDPOINT, id, EC2_NOTE_DNS_RECORDS, records);
}

/* ---- CreateVpcEndpoint ---- */

static int type_check(struct aws_call *call)
{
	const char *type = cv_query_str(&call->params, "VpcEndpointType");
	bool interface = type != NULL && strcmp(type, "Interface") == 0;
	uint32_t n;

	if (!interface && type != NULL && strcmp(type, "Gateway") != 0 &&
	    strcmp(type, "GatewayLoadBalancer") != 0)
		return cv_aws_fail(call, "InvalidVpcEndpointType",
				   "The Vpc Endpoint type '%.64s' is not valid", type);
	if (!interface && (type == NULL || strcmp(type, "Gateway") == 0)) {
		(void)cv_aws_strs(call, "SubnetId", &n);
		if (n > 0)
			return cv_aws_fail(call, "InvalidParameter",
					   "Subnet IDs are only supported for Interface and "
					   "GatewayLoadBalancer type VPC Endpoints.");
	}
	(void)cv_aws_strs(call, "RouteTableId", &n);
	if (interface && n > 0)
		return cv_aws_fail(call, "InvalidParameter",
				   "Route table IDs are only supported for Gateway type VPC "
				   "Endpoints.");
	return 0;
}

/* The service must be told by its full name, and be seen by the caller. */
static int service_check(struct aws_call *call, const char *name)
{
	const struct cv_model *model = call->model;
	const char *type = cv_query_str(&call->params, "VpcEndpointType");
	uint32_t idx = cv_model_find(model, CV_MODEL_SERVICE, CV_MODEL_NONE, name);

	if (idx == CV_MODEL_NONE || model->services[idx].meta.gone ||
	    strcmp(model->services[idx].service_name, name) != 0 ||
	    !cv_model_service_is_seen(model, &call->by, idx))
		return cv_aws_fail(call, "InvalidServiceName",
				   "The Vpc Endpoint Service '%.200s' does not exist", name);
	if (type == NULL || strcmp(type, "Interface") != 0)
		return cv_aws_fail(call, "InvalidParameter",
				   "Endpoint type (%.32s) does not match available service types "
				   "([Interface]).",
				   type != NULL ? type : "Gateway");
	return 0;
}

static int endpoint_read(struct aws_call *call, struct cv_model_endpoint_req *req)
{
	uint32_t vpc = CV_MODEL_NONE;
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_vpc, req->vpc, &vpc);

	if (ret == 0)
		ret = type_check(call);
	if (ret == 0)
		ret = service_check(call, req->service);
	if (ret == 0)
		ret = ip_types_check(call, req->service);
	if (ret == 0 && cv_query_str(&call->params, "PolicyDocument") != NULL)
		ret = cv_aws_fail(call, "InvalidParameter",
				  "Endpoint policies are not supported by the service %s",
				  req->service);
	if (ret == 0)
		ret = places_read(call, "SubnetId", vpc, &req->places, &req->n_places);
	if (ret == 0)
		ret = sgs_read(call, "SecurityGroupId", vpc, &req->sgs, &req->n_sgs);
	if (ret == 0)
		ret = cv_aws_tags(call, "vpc-endpoint", &call->by.tags, &call->by.n_tags);
	return ret;
}

/*
 * AWS's default is to have the service's name. Not so while the owner has yet to accept: the
 * request would hold the name in the VPC for days, and get it at a moment of the owner's choice.
 */
static bool private_dns_read(const struct aws_call *call, const char *name)
{
	uint32_t idx = cv_model_find(call->model, CV_MODEL_SERVICE, CV_MODEL_NONE, name);
	const struct cv_model_service *service = &call->model->services[idx];

	return cv_aws_bool(&call->params, "PrivateDnsEnabled",
			   service->private_dns_name != NULL &&
				   service->dns_state == CV_MODEL_DNS_VERIFIED &&
				   !service->acceptance_required);
}

static int create_endpoint(struct aws_call *call)
{
	struct cv_model_endpoint_req req = {
		.id = cv_aws_ec2_id(call, "vpce-"),
		.vpc = cv_query_str(&call->params, "VpcId"),
		.service = cv_query_str(&call->params, "ServiceName"),
		.by = &call->by,
	};
	struct cv_model_errs errs = {0};
	int ret = endpoint_read(call, &req);

	if (ret < 0)
		return ret;
	req.private_dns = private_dns_read(call, req.service);
	ret = cv_aws_dry(call);
	if (ret < 0)
		return ret;
	ret = cv_model_endpoint_add(call->model, &req, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	if (ret == 0)
		ret = dns_records_keep(call, req.id);
	if (ret < 0)
		return ret;
	cv_aws_sns_event(call, req.id, "Connect");
	cv_xml_open(call->out, "vpcEndpoint");
	endpoint_write(call, cv_model_find(call->model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, req.id));
	cv_xml_close(call->out);
	cv_xml_str(call->out, "clientToken", cv_query_str(&call->params, "ClientToken"));
	return 0;
}

/* ---- DescribeVpcEndpoints ---- */

static bool endpoint_passes(const struct aws_call *call, const struct cv_model_endpoint *endpoint)
{
	return call->n_filters == 0 ||
	       (cv_aws_filter(call, "vpc-endpoint-id", endpoint->id) &&
		cv_aws_filter(call, "vpc-id", call->model->vpcs[endpoint->vpc].id) &&
		cv_aws_filter(call, "service-name", endpoint->service_name) &&
		cv_aws_filter(call, "service-region", call->region) &&
		cv_aws_filter(call, "vpc-endpoint-state", cv_model_state_str(endpoint->state)) &&
		cv_aws_filter(call, "vpc-endpoint-type", "Interface") &&
		cv_aws_filter(call, "ip-address-type", "ipv4") &&
		cv_aws_filter_tags(call, &endpoint->meta));
}

static int describe_endpoints(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	struct ec2_wanted wanted = {0};
	int ret = cv_aws_ec2_wanted(call, "VpcEndpointId", &cv_aws_ec2_endpoint, &wanted);

	if (ret < 0)
		return ret;
	cv_aws_ec2_page_bound(call);
	cv_xml_open(call->out, "vpcEndpointSet");
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];

		if (endpoint->meta.gone || model->vpcs[endpoint->vpc].owner != call->account ||
		    !cv_aws_ec2_is_wanted(&wanted, endpoint->id) ||
		    !endpoint_passes(call, endpoint) || !cv_aws_page_key(call, endpoint->id, NULL))
			continue;
		cv_xml_item(call->out);
		endpoint_write(call, i);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- ModifyVpcEndpoint ---- */

static int sgs_change_read(struct aws_call *call, const struct cv_model_endpoint *endpoint,
			   struct cv_model_endpoint_change *req)
{
	int ret =
		sgs_read(call, "AddSecurityGroupId", endpoint->vpc, &req->add_sgs, &req->n_add_sgs);

	if (ret == 0)
		ret = sgs_read(call, "RemoveSecurityGroupId", endpoint->vpc, &req->remove_sgs,
			       &req->n_remove_sgs);
	return ret;
}

static int subnets_change_read(struct aws_call *call, const struct cv_model_endpoint *endpoint,
			       struct cv_model_endpoint_change *req)
{
	int ret = places_read(call, "AddSubnetId", endpoint->vpc, &req->add_places,
			      &req->n_add_places);

	req->remove_subnets = cv_aws_strs(call, "RemoveSubnetId", &req->n_remove_subnets);
	for (uint32_t i = 0; ret == 0 && i < req->n_remove_subnets; i++)
		ret = cv_aws_ec2_find(call, &cv_aws_ec2_subnet, req->remove_subnets[i], NULL);
	return ret;
}

static int modify_read(struct aws_call *call, const struct cv_model_endpoint *endpoint,
		       struct cv_model_endpoint_change *req)
{
	uint32_t n_add, n_remove;
	int ret = ip_types_check(call, endpoint->service_name);

	if (ret == 0)
		ret = subnets_change_read(call, endpoint, req);
	(void)cv_aws_strs(call, "AddRouteTableId", &n_add);
	(void)cv_aws_strs(call, "RemoveRouteTableId", &n_remove);
	if (ret == 0 && n_add + n_remove > 0)
		ret = cv_aws_fail(call, "InvalidParameter",
				  "Route table IDs are only supported for Gateway type VPC "
				  "Endpoints.");
	if (ret == 0 && cv_query_str(&call->params, "PolicyDocument") != NULL)
		ret = cv_aws_fail(call, "InvalidParameter",
				  "Endpoint policies are not supported by the service %s",
				  endpoint->service_name);
	if (ret == 0)
		ret = sgs_change_read(call, endpoint, req);
	if (cv_query_str(&call->params, "PrivateDnsEnabled") != NULL)
		req->private_dns = cv_aws_bool(&call->params, "PrivateDnsEnabled", false);
	return ret;
}

static int modify_endpoint(struct aws_call *call)
{
	struct cv_model_endpoint_change req = {
		.endpoint = cv_query_str(&call->params, "VpcEndpointId"),
		.private_dns = CV_MODEL_KEEP,
	};
	struct cv_model_errs errs = {0};
	uint32_t idx;
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_endpoint, req.endpoint, &idx);

	if (ret == 0)
		ret = modify_read(call, &call->model->endpoints[idx], &req);
	if (ret == 0)
		ret = cv_aws_dry(call);
	if (ret < 0)
		return ret;
	ret = cv_model_endpoint_change(call->model, &call->by, &req, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	if (ret == 0)
		ret = dns_records_keep(call, req.endpoint);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* ---- DeleteVpcEndpoints ---- */

/* Of those that are gone it speaks with a code of its own, which clients take for success. */
static const struct ec2_kind deletable = {CV_MODEL_ENDPOINT, "vpce-", "InvalidVpcEndpoint.NotFound",
					  "InvalidVpcEndpointId.Malformed", "Vpc Endpoint Id"};

static int delete_endpoints(struct aws_call *call)
{
	uint32_t n;
	const char *const *ids = cv_aws_strs(call, "VpcEndpointId", &n);

	if (cv_aws_ec2_dry_all(call, &deletable, ids, n) < 0)
		return -EINVAL;
	cv_xml_open(call->out, "unsuccessful");
	for (uint32_t i = 0; i < n; i++) {
		struct cv_model_errs errs = {0};
		int ret = cv_aws_ec2_find(call, &deletable, ids[i], NULL);

		if (ret < 0) {
			cv_aws_ec2_failed(call, ids[i], NULL, ret);
			continue;
		}
		ret = cv_model_remove(call->model, &call->by, CV_MODEL_ENDPOINT, ids[i], &errs);
		if (ret < 0)
			cv_aws_ec2_failed(call, ids[i], &errs, ret);
		else
			cv_aws_sns_event(call, ids[i], "Delete");
		cv_model_errs_fini(&errs);
	}
	cv_xml_close(call->out);
	return 0;
}

/* ---- the table ---- */

static const struct aws_param create_params[] = {
	AWS_DRY_RUN,
	AWS_CLIENT_TOKEN,
	AWS_TAG_SPECS,
	AWS_STR("VpcEndpointType", 0, 1, 64),
	AWS_ID("VpcId", AWS_REQUIRED),
	AWS_STR("ServiceName", AWS_REQUIRED, 1, 255),
	AWS_STR("PolicyDocument", 0, 0, 20480),
	AWS_ID("RouteTableId.N", 0),
	AWS_ID("SubnetId.N", 0),
	AWS_ID("SecurityGroupId.N", 0),
	AWS_ENUM("IpAddressType", 0, "dualstack|ipv4|ipv6"),
	AWS_ENUM("DnsOptions.DnsRecordIpType", 0, "dualstack|ipv4|ipv6|service-defined"),
	AWS_BOOL("PrivateDnsEnabled"),
};

static const struct aws_param describe_params[] = {AWS_DRY_RUN, AWS_FILTERS,
						   AWS_ID("VpcEndpointId.N", 0), EC2_PAGES(1)};
static const char *const describe_filters[] = {
	"ip-address-type",    "service-name",      "service-region", "vpc-id", "vpc-endpoint-id",
	"vpc-endpoint-state", "vpc-endpoint-type", "tag-key",        "tag:*",  NULL};

static const struct aws_param modify_params[] = {
	AWS_DRY_RUN,
	AWS_ID("VpcEndpointId", AWS_REQUIRED),
	AWS_BOOL("ResetPolicy"),
	AWS_STR("PolicyDocument", 0, 0, 20480),
	AWS_ID("AddRouteTableId.N", 0),
	AWS_ID("RemoveRouteTableId.N", 0),
	AWS_ID("AddSubnetId.N", 0),
	AWS_ID("RemoveSubnetId.N", 0),
	AWS_ID("AddSecurityGroupId.N", 0),
	AWS_ID("RemoveSecurityGroupId.N", 0),
	AWS_ENUM("IpAddressType", 0, "dualstack|ipv4|ipv6"),
	AWS_ENUM("DnsOptions.DnsRecordIpType", 0, "dualstack|ipv4|ipv6|service-defined"),
	AWS_BOOL("PrivateDnsEnabled"),
};

static const struct aws_param delete_params[] = {AWS_DRY_RUN,
						 AWS_ID("VpcEndpointId.N", AWS_REQUIRED)};

/* What is told of an endpoint, below an element. */
#define ENDPOINT(at)                                                                               \
	at ".vpcEndpointId " at ".vpcEndpointType " at ".vpcId " at ".serviceName " at             \
	   ".state " at ".policyDocument " at ".routeTableIdSet " at ".subnetIdSet " at            \
	   ".groupSet.groupId " at ".groupSet.groupName " at ".ipAddressType " at                  \
	   ".dnsOptions.dnsRecordIpType " at ".privateDnsEnabled " at ".requesterManaged " at      \
	   ".networkInterfaceIdSet " at ".dnsEntrySet.dnsName " at ".dnsEntrySet.hostedZoneId " at \
	   ".creationTimestamp " at ".tagSet.key " at ".tagSet.value " at ".ownerId " at           \
	   ".lastError.message " at ".lastError.code "

static const struct aws_action actions[] = {
	{
		.name = "CreateVpcEndpoint",
		.handle = create_endpoint,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(create_params),
		.answers = ENDPOINT("vpcEndpoint") "clientToken",
	},
	{
		.name = "DeleteVpcEndpoints",
		.handle = delete_endpoints,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(delete_params),
		.answers = EC2_UNSUCCESSFUL,
	},
	{
		.name = "DescribeVpcEndpoints",
		.handle = describe_endpoints,
		AWS_PARAMS(describe_params),
		.filters = describe_filters,
		.page_default = EC2_PAGE_MAX,
		.answers = ENDPOINT("vpcEndpointSet") "nextToken",
	},
	{
		.name = "ModifyVpcEndpoint",
		.handle = modify_endpoint,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(modify_params),
		.answers = "return",
	},
};

const struct aws_group cv_aws_ec2_endpoint_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
