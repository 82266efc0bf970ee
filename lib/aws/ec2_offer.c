/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: whom a service is offered to, and what they see of it. */

#include <errno.h>
#include <string.h>

#include "cv_model_note.h"

#include "ec2_priv.h"

/* ---- permissions ---- */

static const char *principal_type(const char *principal)
{
	const char *rest = strrchr(principal, ':');

	if (strcmp(principal, "*") == 0)
		return "All";
	if (rest != NULL && strncmp(rest, ":user/", 6) == 0)
		return "User";
	return rest != NULL && strncmp(rest, ":role/", 6) == 0 ? "Role" : "Account";
}

static const char *permission_id(struct aws_call *call, const char *service, const char *principal)
{
	return cv_aws_ec2_derived(call, "vpce-svc-perm-",
				  cv_aws_fmt(call, "%s %s", service, principal));
}

/* AWS tells a kind of principal that it does not know from a name that is none. */
static int principals_check(struct aws_call *call, const char *const *principals, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *text = principals[i];

		if (strcmp(text, "*") == 0 || cv_model_principal_is(text))
			continue;
		if (strncmp(text, "arn:", 4) == 0 && strstr(text, ":iam::") != NULL &&
		    strstr(text, ":user/") == NULL && strstr(text, ":role/") == NULL)
			return cv_aws_fail(call, "UnknownPrincipalType.Unsupported",
					   "The principal type of '%.150s' is not supported", text);
		return cv_aws_fail(call, "InvalidPrincipal", "Invalid Principal: '%.150s'", text);
	}
	return 0;
}

static void added_write(struct aws_call *call, const struct cv_model_permissions_change *req)
{
	cv_xml_open(call->out, "addedPrincipalSet");
	for (uint32_t i = 0; i < req->n_add; i++) {
		uint32_t k = 0;

		while (strcmp(req->add[k], req->add[i]) != 0)
			k++;
		if (k < i)
			continue; /* told already */
		cv_xml_item(call->out);
		cv_xml_str(call->out, "principalType", principal_type(req->add[i]));
		cv_xml_str(call->out, "principal", req->add[i]);
		cv_xml_str(call->out, "servicePermissionId",
			   permission_id(call, req->service, req->add[i]));
		cv_xml_str(call->out, "serviceId", req->service);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
}

static int modify_permissions(struct aws_call *call)
{
	struct cv_model_permissions_change req = {
		.service = cv_query_str(&call->params, "ServiceId"),
	};
	struct cv_model_errs errs = {0};
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_service, req.service, NULL);

	req.add = cv_aws_strs(call, "AddAllowedPrincipals", &req.n_add);
	req.remove = cv_aws_strs(call, "RemoveAllowedPrincipals", &req.n_remove);
	if (ret == 0 && req.n_add == 0 && req.n_remove == 0)
		ret = cv_aws_fail(call, "MissingParameter",
				  "The request must contain AddAllowedPrincipals or "
				  "RemoveAllowedPrincipals");
	if (ret == 0)
		ret = principals_check(call, req.add, req.n_add);
	if (ret == 0)
		ret = principals_check(call, req.remove, req.n_remove);
	if (ret == 0)
		ret = cv_aws_dry(call);
	if (ret < 0)
		return ret;
	ret = cv_model_permissions_change(call->model, &call->by, &req, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	if (ret < 0)
		return ret;
	added_write(call, &req);
	return cv_aws_ec2_true(call);
}

static int describe_permissions(struct aws_call *call)
{
	const struct cv_model_service *service;
	uint32_t idx;
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_service,
				  cv_query_str(&call->params, "ServiceId"), &idx);

	if (ret < 0)
		return ret;
	cv_aws_ec2_page_bound(call);
	service = &call->model->services[idx];
	cv_xml_open(call->out, "allowedPrincipals");
	for (uint32_t i = 0; i < service->n_principals; i++) {
		const char *principal = service->principals[i];

		if (!cv_aws_filter(call, "principal", principal) ||
		    !cv_aws_filter(call, "principal-type", principal_type(principal)) ||
		    !cv_aws_page_key(call, principal, NULL))
			continue;
		cv_xml_item(call->out);
		cv_xml_str(call->out, "principalType", principal_type(principal));
		cv_xml_str(call->out, "principal", principal);
		cv_xml_str(call->out, "servicePermissionId",
			   permission_id(call, service->id, principal));
		cv_aws_ec2_empty(call, "tagSet");
		cv_xml_str(call->out, "serviceId", service->id);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- DescribeVpcEndpointServices ---- */

static bool offer_passes(const struct aws_call *call, const struct cv_model_service *service)
{
	static const struct cv_model_meta no_tags;
	bool mine = service->owner == call->account;

	return cv_aws_filter(call, "owner", call->model->accounts[service->owner].id) &&
	       cv_aws_filter(call, "service-name", service->service_name) &&
	       cv_aws_filter(call, "service-region", call->region) &&
	       cv_aws_filter(call, "service-type", "Interface") &&
	       cv_aws_filter(call, "supported-ip-address-types", "ipv4") &&
	       cv_aws_filter_tags(call, mine ? &service->meta : &no_tags);
}

static void offer_write(struct aws_call *call, uint32_t idx)
{
	const struct cv_model_service *service = &call->model->services[idx];
	const char *base = cv_aws_ec2_base_name(call, idx);
	const char *ipv4 = "ipv4";
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "serviceName", service->service_name);
	cv_xml_str(out, "serviceId", service->id);
	cv_xml_open(out, "serviceType");
	cv_xml_item(out);
	cv_xml_str(out, "serviceType", "Interface");
	cv_xml_close(out);
	cv_xml_close(out);
	cv_aws_ec2_zones(call, service->zones);
	cv_xml_str(out, "owner", call->model->accounts[service->owner].id);
	cv_aws_ec2_list(call, "baseEndpointDnsNameSet", &base, 1);
	cv_xml_str(out, "privateDnsName", service->private_dns_name);
	cv_xml_open(out, "privateDnsNameSet");
	if (service->private_dns_name != NULL) {
		cv_xml_item(out);
		cv_xml_str(out, "privateDnsName", service->private_dns_name);
		cv_xml_close(out);
	}
	cv_xml_close(out);
	cv_xml_bool(out, "vpcEndpointPolicySupported", false);
	cv_xml_bool(out, "acceptanceRequired", service->acceptance_required);
	cv_xml_bool(out, "managesVpcEndpoints", false);
	cv_xml_str(out, "payerResponsibility", cv_model_note(&service->meta, EC2_NOTE_PAYER));
	/* Tags are their account's own. */
	cv_aws_tag_set(call, service->meta.tags,
		       service->owner == call->account ? service->meta.n_tags : 0);
	if (service->private_dns_name != NULL)
		cv_xml_str(out, "privateDnsNameVerificationState", cv_aws_ec2_dns_state(service));
	cv_aws_ec2_list(call, "supportedIpAddressTypeSet", &ipv4, 1);
	cv_xml_close(out);
}

static bool is_seen(const struct aws_call *call, uint32_t service)
{
	return !call->model->services[service].meta.gone &&
	       cv_model_service_is_seen(call->model, &call->by, service);
}

/* Who may not use a service is told that there is none. */
static int names_check(struct aws_call *call, const struct ec2_wanted *names)
{
	for (uint32_t i = 0; i < names->n; i++) {
		uint32_t idx =
			cv_model_find(call->model, CV_MODEL_SERVICE, CV_MODEL_NONE, names->ids[i]);

		if (idx == CV_MODEL_NONE || !is_seen(call, idx) ||
		    strcmp(call->model->services[idx].service_name, names->ids[i]) != 0)
			return cv_aws_fail(call, "InvalidServiceName",
					   "The Vpc Endpoint Service '%.200s' does not exist",
					   names->ids[i]);
	}
	return 0;
}

static int describe_offers(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	uint32_t *shown = cv_aws_alloc(call, (model->n_services + 1) * sizeof(*shown));
	struct ec2_wanted names = {0};
	uint32_t n = 0;
	int ret;

	cv_aws_ec2_wanted_read(call, "ServiceName", &names);
	ret = shown != NULL ? names_check(call, &names) : -EINVAL;
	if (ret < 0)
		return ret;
	cv_aws_ec2_page_bound(call);
	for (uint32_t i = 0; i < model->n_services; i++) {
		if (cv_aws_ec2_is_wanted(&names, model->services[i].service_name) &&
		    is_seen(call, i) && offer_passes(call, &model->services[i]) &&
		    cv_aws_page_key(call, model->services[i].id, NULL))
			shown[n++] = i;
	}
	cv_xml_open(call->out, "serviceNameSet");
	for (uint32_t i = 0; i < n; i++)
		cv_xml_item_str(call->out, model->services[shown[i]].service_name);
	cv_xml_close(call->out);
	cv_xml_open(call->out, "serviceDetailSet");
	for (uint32_t i = 0; i < n; i++)
		offer_write(call, shown[i]);
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- the table ---- */

static const struct aws_param modify_params[] = {
	AWS_DRY_RUN,
	AWS_ID("ServiceId", AWS_REQUIRED),
	AWS_STR("AddAllowedPrincipals.N", 0, 1, 255),
	AWS_STR("RemoveAllowedPrincipals.N", 0, 1, 255),
};

static const struct aws_param permissions_params[] = {
	AWS_DRY_RUN, AWS_FILTERS, AWS_ID("ServiceId", AWS_REQUIRED), EC2_PAGES(5)};
static const char *const permissions_filters[] = {"principal", "principal-type", NULL};

static const struct aws_param offers_params[] = {AWS_DRY_RUN, AWS_FILTERS,
						 AWS_STR("ServiceName.N", 0, 1, 255), EC2_PAGES(1)};
static const char *const offers_filters[] = {"owner",
					     "service-name",
					     "service-region",
					     "service-type",
					     "supported-ip-address-types",
					     "tag-key",
					     "tag:*",
					     NULL};

static const struct aws_action actions[] = {
	{
		.name = "DescribeVpcEndpointServicePermissions",
		.handle = describe_permissions,
		AWS_PARAMS(permissions_params),
		.filters = permissions_filters,
		.page_default = EC2_PAGE_MAX,
		.answers = "allowedPrincipals.principalType allowedPrincipals.principal "
			   "allowedPrincipals.servicePermissionId allowedPrincipals.tagSet "
			   "allowedPrincipals.serviceId nextToken",
	},
	{
		.name = "DescribeVpcEndpointServices",
		.handle = describe_offers,
		AWS_PARAMS(offers_params),
		.filters = offers_filters,
		.page_default = EC2_PAGE_MAX,
		.answers = "serviceNameSet serviceDetailSet.serviceName serviceDetailSet.serviceId "
			   "serviceDetailSet.serviceType.serviceType "
			   "serviceDetailSet.availabilityZoneSet serviceDetailSet.owner "
			   "serviceDetailSet.baseEndpointDnsNameSet "
			   "serviceDetailSet.privateDnsName "
			   "serviceDetailSet.privateDnsNameSet.privateDnsName "
			   "serviceDetailSet.vpcEndpointPolicySupported "
			   "serviceDetailSet.acceptanceRequired "
			   "serviceDetailSet.managesVpcEndpoints "
			   "serviceDetailSet.payerResponsibility serviceDetailSet.tagSet.key "
			   "serviceDetailSet.tagSet.value "
			   "serviceDetailSet.privateDnsNameVerificationState "
			   "serviceDetailSet.supportedIpAddressTypeSet nextToken",
	},
	{
		.name = "ModifyVpcEndpointServicePermissions",
		.handle = modify_permissions,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(modify_params),
		.answers = "addedPrincipalSet.principalType addedPrincipalSet.principal "
			   "addedPrincipalSet.servicePermissionId addedPrincipalSet.serviceId "
			   "return",
	},
};

const struct aws_group cv_aws_ec2_offer_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
