/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: endpoint services, as their owners see them. */

#include <errno.h>
#include <string.h>

#include "cv_model_dns.h"
#include "cv_model_note.h"

#include "ec2_priv.h"

/* ---- answers ---- */

static void service_type_write(struct aws_call *call)
{
	cv_xml_open(call->out, "serviceType");
	cv_xml_item(call->out);
	cv_xml_str(call->out, "serviceType", "Interface");
	cv_xml_close(call->out);
	cv_xml_close(call->out);
}

static void lbs_write(struct aws_call *call, const struct cv_model_service *service)
{
	cv_xml_open(call->out, "networkLoadBalancerArnSet");
	for (uint32_t i = 0; i < service->n_lbs; i++)
		cv_xml_item_str(call->out, call->model->lbs[service->lbs[i]].arn);
	cv_xml_close(call->out);
	cv_aws_ec2_empty(call, "gatewayLoadBalancerArnSet");
}

/* The inside of a service configuration. */
static void service_write(struct aws_call *call, uint32_t idx)
{
	const struct cv_model_service *service = &call->model->services[idx];
	const char *base = cv_aws_ec2_base_name(call, idx);
	const char *ipv4 = "ipv4";
	struct cv_xml *out = call->out;

	service_type_write(call);
	cv_xml_str(out, "serviceId", service->id);
	cv_xml_str(out, "serviceName", service->service_name);
	cv_xml_str(out, "serviceState", "Available");
	cv_aws_ec2_zones(call, service->zones);
	cv_xml_bool(out, "acceptanceRequired", service->acceptance_required);
	cv_xml_bool(out, "managesVpcEndpoints", false);
	lbs_write(call, service);
	cv_aws_ec2_list(call, "supportedIpAddressTypeSet", &ipv4, 1);
	cv_aws_ec2_list(call, "baseEndpointDnsNameSet", &base, 1);
	cv_aws_ec2_private_dns(call, service);
	cv_xml_str(out, "payerResponsibility", cv_model_note(&service->meta, EC2_NOTE_PAYER));
	cv_aws_tag_set(call, service->meta.tags, service->meta.n_tags);
}

/* ---- CreateVpcEndpointServiceConfiguration ---- */

/* ARNs of the caller's load balancers; no names. */
static int lbs_read(struct aws_call *call, const char *param, const char *const **ret_arns,
		    uint32_t *ret_n)
{
	*ret_arns = cv_aws_strs(call, param, ret_n);
	for (uint32_t i = 0; i < *ret_n; i++) {
		const char *arn = (*ret_arns)[i];
		uint32_t lb = cv_model_find(call->model, CV_MODEL_LB, CV_MODEL_NONE, arn);

		if (strncmp(arn, "arn:", 4) != 0 || lb == CV_MODEL_NONE ||
		    cv_model_owner(call->model, CV_MODEL_LB, lb) != call->account)
			return cv_aws_fail(call, "InvalidNetworkLoadBalancerArn.NotFound",
					   "The network load balancer '%.150s' does not exist",
					   arn);
	}
	return 0;
}

static int address_types_check(struct aws_call *call, const char *param)
{
	uint32_t n;
	const char *const *types = cv_aws_strs(call, param, &n);

	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(types[i], "ipv4") != 0)
			return cv_aws_fail(call, "InvalidParameter",
					   "The IP address type '%.32s' is not supported by the "
					   "load balancers: ipv4 is",
					   types[i]);
	}
	return 0;
}

/* Both names of it at once are a contradiction; a new one has yet to be proven. */
static int private_dns_set(struct aws_call *call, const char *id, const char *name)
{
	const struct cv_model_service_change req = {
		.service = id,
		.acceptance_required = CV_MODEL_KEEP,
		.dns_state = CV_MODEL_KEEP,
		.private_dns_name = name,
	};
	struct cv_model_errs errs = {0};
	int ret = cv_model_service_change(call->model, &call->by, &req, &errs);

	if (ret < 0) {
		ret = cv_aws_fail_model(call, &errs, ret);
		cv_model_errs_fini(&errs);
		(void)cv_model_remove(call->model, &call->by, CV_MODEL_SERVICE, id, &errs);
	}
	cv_model_errs_fini(&errs);
	return ret;
}

static int service_make(struct aws_call *call, const struct cv_model_service_req *req)
{
	const char *dns = cv_query_str(&call->params, "PrivateDnsName");
	struct cv_model_errs errs = {0};
	int ret = cv_model_service_add(call->model, req, &errs);

	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	if (ret == 0 && dns != NULL)
		ret = private_dns_set(call, req->id, dns);
	return ret;
}

static int create_service(struct aws_call *call)
{
	struct cv_model_service_req req = {
		.id = cv_aws_ec2_id(call, "vpce-svc-"),
		.acceptance_required = cv_aws_bool(&call->params, "AcceptanceRequired", true),
		.by = &call->by,
	};
	int ret = lbs_read(call, "NetworkLoadBalancerArn", &req.lbs, &req.n_lbs);

	if (ret == 0 && req.n_lbs == 0)
		ret = cv_aws_fail(call, "InvalidParameter",
				  "The request must contain one or more NetworkLoadBalancerArn");
	if (ret == 0)
		ret = address_types_check(call, "SupportedIpAddressType");
	if (ret == 0)
		ret = cv_aws_tags(call, "vpc-endpoint-service", &call->by.tags, &call->by.n_tags);
	if (ret == 0)
		ret = cv_aws_dry(call);
	if (ret == 0)
		ret = service_make(call, &req);
	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "serviceConfiguration");
	service_write(call, cv_model_find(call->model, CV_MODEL_SERVICE, CV_MODEL_NONE, req.id));
	cv_xml_close(call->out);
	cv_xml_str(call->out, "clientToken", cv_query_str(&call->params, "ClientToken"));
	return 0;
}

/* ---- DescribeVpcEndpointServiceConfigurations ---- */

static bool service_passes(const struct aws_call *call, const struct cv_model_service *service)
{
	return cv_aws_filter(call, "service-name", service->service_name) &&
	       cv_aws_filter(call, "service-id", service->id) &&
	       cv_aws_filter(call, "service-state", "Available") &&
	       cv_aws_filter(call, "supported-ip-address-types", "ipv4") &&
	       cv_aws_filter_tags(call, &service->meta);
}

static int describe_services(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	struct ec2_wanted wanted = {0};
	int ret = cv_aws_ec2_wanted(call, "ServiceId", &cv_aws_ec2_service, &wanted);

	if (ret < 0)
		return ret;
	cv_aws_ec2_page_bound(call);
	cv_xml_open(call->out, "serviceConfigurationSet");
	for (uint32_t i = 0; i < model->n_services; i++) {
		const struct cv_model_service *service = &model->services[i];

		if (service->meta.gone || service->owner != call->account ||
		    !cv_aws_ec2_is_wanted(&wanted, service->id) || !service_passes(call, service) ||
		    !cv_aws_page_key(call, service->id, NULL))
			continue;
		cv_xml_item(call->out);
		service_write(call, i);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- ModifyVpcEndpointServiceConfiguration ---- */

static int dns_change_read(struct aws_call *call, struct cv_model_service_change *req)
{
	bool remove = cv_aws_bool(&call->params, "RemovePrivateDnsName", false);

	req->private_dns_name = cv_query_str(&call->params, "PrivateDnsName");
	if (req->private_dns_name != NULL && remove)
		return cv_aws_fail(call, "InvalidParameterCombination",
				   "PrivateDnsName and RemovePrivateDnsName exclude each other");
	if (remove)
		req->private_dns_name = "";
	return 0;
}

/* The type that there is can be added, but not taken away. */
static int address_change_check(struct aws_call *call)
{
	uint32_t n;

	(void)cv_aws_strs(call, "RemoveSupportedIpAddressType", &n);
	if (n > 0)
		return cv_aws_fail(
			call, "InvalidParameter",
			"An endpoint service supports ipv4 and no other IP address type");
	return address_types_check(call, "AddSupportedIpAddressType");
}

static int modify_service(struct aws_call *call)
{
	struct cv_model_service_change req = {
		.service = cv_query_str(&call->params, "ServiceId"),
		.acceptance_required = CV_MODEL_KEEP,
		.dns_state = CV_MODEL_KEEP,
	};
	struct cv_model_errs errs = {0};
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_service, req.service, NULL);

	if (cv_query_str(&call->params, "AcceptanceRequired") != NULL)
		req.acceptance_required = cv_aws_bool(&call->params, "AcceptanceRequired", true);
	if (ret == 0)
		ret = lbs_read(call, "AddNetworkLoadBalancerArn", &req.add_lbs, &req.n_add_lbs);
	if (ret == 0)
		ret = lbs_read(call, "RemoveNetworkLoadBalancerArn", &req.remove_lbs,
			       &req.n_remove_lbs);
	if (ret == 0)
		ret = dns_change_read(call, &req);
	if (ret == 0)
		ret = address_change_check(call);
	if (ret == 0)
		ret = cv_aws_dry(call);
	if (ret < 0)
		return ret;
	ret = cv_model_service_change(call->model, &call->by, &req, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* ---- DeleteVpcEndpointServiceConfigurations ---- */

/* As of endpoints that are gone: the code is not the one of other calls. */
static const struct ec2_kind deletable = {
	CV_MODEL_SERVICE, "vpce-svc-", "InvalidVpcEndpointService.NotFound",
	"InvalidVpcEndpointServiceIdId.Malformed", "VpcEndpointService Id"};

static int delete_services(struct aws_call *call)
{
	uint32_t n;
	const char *const *ids = cv_aws_strs(call, "ServiceId", &n);

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
		ret = cv_model_remove(call->model, &call->by, CV_MODEL_SERVICE, ids[i], &errs);
		if (ret < 0)
			cv_aws_ec2_failed(call, ids[i], &errs, ret);
		cv_model_errs_fini(&errs);
	}
	cv_xml_close(call->out);
	return 0;
}

/* ---- payer, private DNS name ---- */

static int modify_payer(struct aws_call *call)
{
	const char *id = cv_query_str(&call->params, "ServiceId");
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_service, id, NULL);

	if (ret == 0)
		ret = cv_aws_dry(call);
	if (ret == 0)
		ret = cv_aws_ec2_note(call, CV_MODEL_SERVICE, id, EC2_NOTE_PAYER,
				      cv_query_str(&call->params, "PayerResponsibility"));
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* Control looks for the record, and says what became of it. */
static int start_verification(struct aws_call *call)
{
	const char *id = cv_query_str(&call->params, "ServiceId");
	struct cv_model_errs errs = {0};
	uint32_t idx;
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_service, id, &idx);

	if (ret == 0)
		ret = cv_aws_dry(call);
	if (ret < 0)
		return ret;
	if (call->model->services[idx].dns_state == CV_MODEL_DNS_VERIFIED)
		return cv_aws_ec2_true(call);
	ret = cv_model_dns_state_set(call->model, &call->by, id, CV_MODEL_DNS_ASKED, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* ---- the table ---- */

static const struct aws_param create_params[] = {
	AWS_DRY_RUN,
	AWS_CLIENT_TOKEN,
	AWS_TAG_SPECS,
	AWS_BOOL("AcceptanceRequired"),
	AWS_STR("PrivateDnsName", 0, 1, 255),
	AWS_STR("NetworkLoadBalancerArn.N", 0, 1, 255),
	AWS_REFUSE("GatewayLoadBalancerArn.N"),
	AWS_ENUM("SupportedIpAddressType.N", 0, "ipv4|ipv6"),
};

static const struct aws_param describe_params[] = {AWS_DRY_RUN, AWS_FILTERS,
						   AWS_ID("ServiceId.N", 0), EC2_PAGES(5)};
static const char *const describe_filters[] = {
	"service-name", "service-id", "service-state", "supported-ip-address-types", "tag-key",
	"tag:*",        NULL};

static const struct aws_param modify_params[] = {
	AWS_DRY_RUN,
	AWS_ID("ServiceId", AWS_REQUIRED),
	AWS_STR("PrivateDnsName", 0, 1, 255),
	AWS_BOOL("RemovePrivateDnsName"),
	AWS_BOOL("AcceptanceRequired"),
	AWS_STR("AddNetworkLoadBalancerArn.N", 0, 1, 255),
	AWS_STR("RemoveNetworkLoadBalancerArn.N", 0, 1, 255),
	AWS_REFUSE("AddGatewayLoadBalancerArn.N"),
	AWS_REFUSE("RemoveGatewayLoadBalancerArn.N"),
	AWS_ENUM("AddSupportedIpAddressType.N", 0, "ipv4|ipv6"),
	AWS_ENUM("RemoveSupportedIpAddressType.N", 0, "ipv4|ipv6"),
};

static const struct aws_param delete_params[] = {AWS_DRY_RUN, AWS_ID("ServiceId.N", AWS_REQUIRED)};

static const struct aws_param payer_params[] = {
	AWS_DRY_RUN, AWS_ID("ServiceId", AWS_REQUIRED),
	AWS_ENUM("PayerResponsibility", AWS_REQUIRED, "ServiceOwner")};

static const struct aws_param verify_params[] = {AWS_DRY_RUN, AWS_ID("ServiceId", AWS_REQUIRED)};

/* What is told of a service, below an element. */
#define SERVICE(at)                                                                               \
	at ".serviceType.serviceType " at ".serviceId " at ".serviceName " at ".serviceState " at \
	   ".availabilityZoneSet " at ".acceptanceRequired " at ".managesVpcEndpoints " at        \
	   ".networkLoadBalancerArnSet " at ".gatewayLoadBalancerArnSet " at                      \
	   ".supportedIpAddressTypeSet " at ".baseEndpointDnsNameSet " at ".privateDnsName " at   \
	   ".privateDnsNameConfiguration.state " at ".privateDnsNameConfiguration.type " at       \
	   ".privateDnsNameConfiguration.value " at ".privateDnsNameConfiguration.name " at       \
	   ".payerResponsibility " at ".tagSet.key " at ".tagSet.value "

static const struct aws_action actions[] = {
	{
		.name = "CreateVpcEndpointServiceConfiguration",
		.handle = create_service,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(create_params),
		.answers = SERVICE("serviceConfiguration") "clientToken",
	},
	{
		.name = "DeleteVpcEndpointServiceConfigurations",
		.handle = delete_services,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(delete_params),
		.answers = EC2_UNSUCCESSFUL,
	},
	{
		.name = "DescribeVpcEndpointServiceConfigurations",
		.handle = describe_services,
		AWS_PARAMS(describe_params),
		.filters = describe_filters,
		.page_default = EC2_PAGE_MAX,
		.answers = SERVICE("serviceConfigurationSet") "nextToken",
	},
	{
		.name = "ModifyVpcEndpointServiceConfiguration",
		.handle = modify_service,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(modify_params),
		.answers = "return",
	},
	{
		.name = "ModifyVpcEndpointServicePayerResponsibility",
		.handle = modify_payer,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(payer_params),
		.answers = "return",
	},
	{
		.name = "StartVpcEndpointServicePrivateDnsVerification",
		.handle = start_verification,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(verify_params),
		.answers = "return",
	},
};

const struct aws_group cv_aws_ec2_service_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
