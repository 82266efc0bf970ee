/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: VPCs and subnets come and go; what clients ask for that culvert does not have. */

#include <errno.h>
#include <string.h>

#include "cv_model_pool.h"

#include "ec2_priv.h"

/* ---- VPCs ---- */

/* Sizes of a VPC that a call makes. */
#define VPC_LEN_MIN 16
#define VPC_LEN_MAX 28

static int cidr_read(struct aws_call *call, struct cv_prefix *ret_cidr)
{
	const char *cidr = cv_query_str(&call->params, "CidrBlock");

	if (cidr == NULL)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter CidrBlock");
	if (cv_aws_ec2_cidr(cidr, ret_cidr))
		return 0;
	return cv_aws_fail(call, "InvalidParameterValue",
			   "Value (%.64s) for parameter cidrBlock is invalid. This is not a "
			   "valid CIDR block.",
			   cidr);
}

/* A VPC is a port, VLAN or tunnel; which of them an account may have, the operator says. */
static int attachment_take(struct aws_call *call, struct cv_model_vpc_req *req)
{
	switch (cv_model_pool_take(call->model, call->account, req)) {
	case 0:
		return 0;
	case -ENOSPC:
		return cv_aws_fail(call, "VpcLimitExceeded",
				   "The maximum number of VPCs has been reached: all attachments "
				   "that the appliance's operator has set aside for account %s "
				   "are taken",
				   call->caller.account_id);
	case -EDQUOT:
		return cv_aws_fail(call, "VpcLimitExceeded",
				   "The maximum number of VPCs has been reached.");
	default:
		return cv_aws_fail(call, "UnsupportedOperation",
				   "A VPC is attached to a port or VLAN of the appliance: its "
				   "operator has set none aside for account %s "
				   "(vpc_attachments[] in the configuration file)",
				   call->caller.account_id);
	}
}

/* Networks that hosts do not route, as AWS refuses them: this one, loopback, link, multicast and above. */
static bool is_special(const struct cv_prefix *cidr)
{
	static const struct {
		uint32_t addr; /* host order */
		uint8_t len;
	} special[] = {{0, 8}, {0x7f000000, 8}, {0xa9fe0000, 16}, {0xe0000000, 3}};

	for (size_t i = 0; i < CV_ARRAY_LEN(special); i++) {
		struct cv_prefix other = {.addr = cv_be32(special[i].addr), .len = special[i].len};

		if (cv_prefix_overlaps(cidr, &other))
			return true;
	}
	return false;
}

int cv_aws_ec2_vpc_cidr(struct aws_call *call, struct cv_prefix *ret_cidr)
{
	const struct cv_prefix *cidr = ret_cidr;
	int ret = cidr_read(call, ret_cidr);

	if (ret == 0 && (cidr->len < VPC_LEN_MIN || cidr->len > VPC_LEN_MAX || is_special(cidr)))
		ret = cv_aws_fail(call, "InvalidVpc.Range", "The CIDR '%s' is invalid.",
				  cv_aws_ec2_prefix(call, *cidr));
	return ret;
}

static int vpc_read(struct aws_call *call, struct cv_prefix *cidr)
{
	int ret = cv_aws_ec2_vpc_cidr(call, cidr);

	if (ret == 0 && cv_aws_bool(&call->params, "AmazonProvidedIpv6CidrBlock", false))
		ret = cv_aws_fail(call, "UnsupportedOperation", "There is no IPv6 here");
	if (ret == 0)
		ret = cv_aws_tags(call, "vpc", &call->by.tags, &call->by.n_tags);
	return ret;
}

static int create_vpc(struct aws_call *call)
{
	struct cv_prefix cidr;
	struct cv_model_vpc_req req = {
		.id = cv_aws_ec2_id(call, "vpc-"),
		.owner = call->caller.account_id,
		.cidrs = &cidr,
		.n_cidrs = 1,
		.no_dns_hostnames = true, /* AWS's default */
		.by = &call->by,
	};
	struct cv_model_errs errs = {0};
	int ret = vpc_read(call, &cidr);

	if (ret == 0)
		ret = attachment_take(call, &req);
	if (ret < 0)
		return ret;
	ret = cv_model_vpc_add(call->model, &req, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "vpc");
	ret = cv_aws_ec2_vpc_write(
		call, cv_model_find(call->model, CV_MODEL_VPC, CV_MODEL_NONE, req.id), "pending");
	cv_xml_close(call->out);
	return ret;
}

static int delete_vpc(struct aws_call *call)
{
	const char *id = cv_query_str(&call->params, "VpcId");
	struct cv_model_errs errs = {0};
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_vpc, id, NULL);

	if (ret < 0)
		return ret;
	ret = cv_model_remove(call->model, &call->by, CV_MODEL_VPC, id, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

static int describe_vpc_attribute(struct aws_call *call)
{
	const char *id = cv_query_str(&call->params, "VpcId");
	const char *name = cv_query_str(&call->params, "Attribute");
	const struct cv_model_vpc *vpc;
	uint32_t idx;
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_vpc, id, &idx);

	if (ret < 0)
		return ret;
	vpc = &call->model->vpcs[idx];
	cv_xml_str(call->out, "vpcId", id);
	cv_xml_open(call->out, name);
	cv_xml_bool(call->out, "value",
		    (strcmp(name, "enableDnsSupport") == 0 && vpc->dns_support) ||
			    (strcmp(name, "enableDnsHostnames") == 0 && vpc->dns_hostnames));
	cv_xml_close(call->out);
	return 0;
}

/* AWS changes one attribute with a call. */
static int vpc_attribute_read(struct aws_call *call, struct cv_model_vpc_change *req)
{
	static const char *const names[] = {"EnableDnsSupport.Value", "EnableDnsHostnames.Value",
					    "EnableNetworkAddressUsageMetrics.Value"};
	int *const values[] = {&req->dns_support, &req->dns_hostnames};
	uint32_t n = 0;

	for (size_t i = 0; i < CV_ARRAY_LEN(names); i++) {
		if (cv_query_str(&call->params, names[i]) == NULL)
			continue;
		if (i < CV_ARRAY_LEN(values))
			*values[i] = cv_aws_bool(&call->params, names[i], false);
		n++;
	}
	if (n == 0)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain an attribute");
	if (n > 1)
		return cv_aws_fail(call, "InvalidParameterCombination",
				   "Fields for multiple attribute types specified");
	if (cv_aws_bool(&call->params, names[2], false))
		return cv_aws_fail(call, "UnsupportedOperation",
				   "There are no network address usage metrics");
	return 0;
}

static int modify_vpc_attribute(struct aws_call *call)
{
	struct cv_model_vpc_change req = {
		.vpc = cv_query_str(&call->params, "VpcId"),
		.dns_support = CV_MODEL_KEEP,
		.dns_hostnames = CV_MODEL_KEEP,
	};
	struct cv_model_errs errs = {0};
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_vpc, req.vpc, NULL);

	if (ret == 0)
		ret = vpc_attribute_read(call, &req);
	if (ret < 0)
		return ret;
	ret = cv_model_vpc_change(call->model, &call->by, &req, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* ---- subnets ---- */

/* The zone as the model is told it: by the caller's name, or by id. */
static int zone_read(struct aws_call *call, const char **ret_zone)
{
	const char *name = cv_query_str(&call->params, "AvailabilityZone");
	const char *id = cv_query_str(&call->params, "AvailabilityZoneId");

	if (name != NULL && id != NULL)
		return cv_aws_fail(call, "InvalidParameterCombination",
				   "AvailabilityZone and AvailabilityZoneId exclude each other");
	for (uint32_t i = 0; i < call->model->n_zones; i++) {
		const char *own = cv_aws_ec2_zone(call, i);

		/* Without either, any will do. */
		if (own == NULL || (name != NULL && strcmp(name, own) != 0) ||
		    (id != NULL && strcmp(id, call->model->zones[i].id) != 0))
			continue;
		*ret_zone = own;
		return 0;
	}
	return cv_aws_fail(call, "InvalidParameterValue",
			   "Value (%.64s) for parameter availabilityZone is invalid. Subnets can "
			   "only be created in the account's own availability zones",
			   name != NULL ? name
			   : id != NULL ? id
					: "");
}

static int subnet_read(struct aws_call *call, struct cv_model_subnet_req *req)
{
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_vpc, cv_query_str(&call->params, "VpcId"),
				  &req->vpc);

	if (ret == 0)
		ret = cidr_read(call, &req->cidr);
	if (ret == 0)
		ret = zone_read(call, &req->zone);
	if (ret == 0)
		ret = cv_aws_tags(call, "subnet", &call->by.tags, &call->by.n_tags);
	return ret;
}

static int create_subnet(struct aws_call *call)
{
	struct cv_model_subnet_req req = {.id = cv_aws_ec2_id(call, "subnet-"), .by = &call->by};
	struct cv_model_errs errs = {0};
	int ret = subnet_read(call, &req);

	if (ret < 0)
		return ret;
	ret = cv_model_subnet_add(call->model, &req, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "subnet");
	cv_aws_ec2_subnet_write(call,
				cv_model_find(call->model, CV_MODEL_SUBNET, CV_MODEL_NONE, req.id));
	cv_xml_close(call->out);
	return 0;
}

static int delete_subnet(struct aws_call *call)
{
	const char *id = cv_query_str(&call->params, "SubnetId");
	struct cv_model_errs errs = {0};
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_subnet, id, NULL);

	if (ret < 0)
		return ret;
	ret = cv_model_remove(call->model, &call->by, CV_MODEL_SUBNET, id, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* Clients and tools set some of them whatever they are; here they are what they are at first. */
static int modify_subnet_attribute(struct aws_call *call)
{
	static const char *const flags[] = {
		"AssignIpv6AddressOnCreation.Value",
		"EnableDns64.Value",
		"EnableResourceNameDnsAAAARecordOnLaunch.Value",
		"EnableResourceNameDnsARecordOnLaunch.Value",
		"MapCustomerOwnedIpOnLaunch.Value",
		"MapPublicIpOnLaunch.Value",
	};
	const char *host = cv_query_str(&call->params, "PrivateDnsHostnameTypeOnLaunch");
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_subnet, cv_query_str(&call->params, "SubnetId"),
				  NULL);

	for (size_t i = 0; ret == 0 && i < CV_ARRAY_LEN(flags); i++) {
		if (cv_aws_bool(&call->params, flags[i], false))
			ret = cv_aws_fail(call, "UnsupportedOperation",
					  "The attribute %.*s is always false here",
					  (int)strcspn(flags[i], "."), flags[i]);
	}
	if (ret == 0 && host != NULL && strcmp(host, "ip-name") != 0)
		ret = cv_aws_fail(call, "UnsupportedOperation",
				  "The attribute PrivateDnsHostnameTypeOnLaunch is always ip-name "
				  "here");
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* ---- what there is none of ---- */

static int describe_account_attributes(struct aws_call *call)
{
	static const struct {
		const char *name, *value;
	} rows[] = {
		{"supported-platforms", "VPC"}, {"default-vpc", "none"},
		{"max-instances", "0"},         {"vpc-max-security-groups-per-interface", "5"},
		{"max-elastic-ips", "0"},       {"vpc-max-elastic-ips", "0"},
	};
	struct ec2_wanted wanted = {0};

	cv_aws_ec2_wanted_read(call, "AttributeName", &wanted);
	cv_xml_open(call->out, "accountAttributeSet");
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		if (!cv_aws_ec2_is_wanted(&wanted, rows[i].name))
			continue;
		cv_xml_item(call->out);
		cv_xml_str(call->out, "attributeName", rows[i].name);
		cv_xml_open(call->out, "attributeValueSet");
		cv_xml_item(call->out);
		cv_xml_str(call->out, "attributeValue", rows[i].value);
		cv_xml_close(call->out);
		cv_xml_close(call->out);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	return 0;
}

/* ---- the table ---- */

static const struct aws_param create_vpc_params[] = {
	AWS_DRY_RUN,
	AWS_TAG_SPECS,
	AWS_STR("CidrBlock", 0, 1, 64),
	AWS_ENUM("InstanceTenancy", 0, "default|dedicated"),
	AWS_BOOL("AmazonProvidedIpv6CidrBlock"),
	AWS_REFUSE("Ipv4IpamPoolId"),
	AWS_REFUSE("Ipv4NetmaskLength"),
	AWS_REFUSE("Ipv6CidrBlock"),
	AWS_REFUSE("Ipv6Pool")};
static const struct aws_param delete_vpc_params[] = {AWS_DRY_RUN, AWS_ID("VpcId", AWS_REQUIRED)};
static const struct aws_param vpc_attribute_params[] = {
	AWS_DRY_RUN, AWS_ID("VpcId", AWS_REQUIRED),
	AWS_ENUM("Attribute", AWS_REQUIRED,
		 "enableDnsSupport|enableDnsHostnames|enableNetworkAddressUsageMetrics")};
static const struct aws_param modify_vpc_attribute_params[] = {
	AWS_ID("VpcId", AWS_REQUIRED), AWS_BOOL("EnableDnsSupport.Value"),
	AWS_BOOL("EnableDnsHostnames.Value"), AWS_BOOL("EnableNetworkAddressUsageMetrics.Value")};
static const struct aws_param create_subnet_params[] = {
	AWS_DRY_RUN,
	AWS_TAG_SPECS,
	AWS_ID("VpcId", AWS_REQUIRED),
	AWS_STR("CidrBlock", 0, 1, 64),
	AWS_STR("AvailabilityZone", 0, 1, 64),
	AWS_STR("AvailabilityZoneId", 0, 1, 64),
	AWS_REFUSE("Ipv6CidrBlock"),
	AWS_REFUSE("OutpostArn"),
	AWS_REFUSE("Ipv6Native"),
};
static const struct aws_param modify_subnet_attribute_params[] = {
	AWS_ID("SubnetId", AWS_REQUIRED),
	AWS_BOOL("AssignIpv6AddressOnCreation.Value"),
	AWS_BOOL("EnableDns64.Value"),
	AWS_BOOL("EnableResourceNameDnsAAAARecordOnLaunch.Value"),
	AWS_BOOL("EnableResourceNameDnsARecordOnLaunch.Value"),
	AWS_BOOL("MapCustomerOwnedIpOnLaunch.Value"),
	AWS_BOOL("MapPublicIpOnLaunch.Value"),
	AWS_ENUM("PrivateDnsHostnameTypeOnLaunch", 0, "ip-name|resource-name"),
	AWS_REFUSE("CustomerOwnedIpv4Pool"),
};
static const struct aws_param delete_subnet_params[] = {AWS_DRY_RUN,
							AWS_ID("SubnetId", AWS_REQUIRED)};
static const struct aws_param account_params[] = {AWS_DRY_RUN,
						  AWS_STR("AttributeName.N", 0, 1, 64)};

static const struct aws_action actions[] = {
	{
		.name = "CreateSubnet",
		.handle = create_subnet,
		.flags = AWS_CHANGES,
		AWS_PARAMS(create_subnet_params),
		.answers = "subnet.subnetId subnet.subnetArn subnet.state subnet.ownerId "
			   "subnet.vpcId subnet.cidrBlock subnet.ipv6CidrBlockAssociationSet "
			   "subnet.availableIpAddressCount subnet.availabilityZone "
			   "subnet.availabilityZoneId subnet.defaultForAz "
			   "subnet.mapPublicIpOnLaunch subnet.assignIpv6AddressOnCreation "
			   "subnet.ipv6Native subnet.tagSet.key subnet.tagSet.value",
	},
	{
		.name = "CreateVpc",
		.handle = create_vpc,
		.flags = AWS_CHANGES,
		AWS_PARAMS(create_vpc_params),
		.answers = "vpc.vpcId vpc.ownerId vpc.state vpc.cidrBlock "
			   "vpc.cidrBlockAssociationSet.cidrBlock "
			   "vpc.cidrBlockAssociationSet.associationId "
			   "vpc.cidrBlockAssociationSet.cidrBlockState.state vpc.dhcpOptionsId "
			   "vpc.tagSet.key vpc.tagSet.value vpc.instanceTenancy vpc.isDefault",
	},
	{
		.name = "DeleteSubnet",
		.handle = delete_subnet,
		.flags = AWS_CHANGES,
		AWS_PARAMS(delete_subnet_params),
	},
	{
		.name = "DeleteVpc",
		.handle = delete_vpc,
		.flags = AWS_CHANGES,
		AWS_PARAMS(delete_vpc_params),
	},
	{
		.name = "DescribeAccountAttributes",
		.handle = describe_account_attributes,
		AWS_PARAMS(account_params),
		.answers = "accountAttributeSet.attributeName "
			   "accountAttributeSet.attributeValueSet.attributeValue",
	},
	{
		.name = "DescribeVpcAttribute",
		.handle = describe_vpc_attribute,
		AWS_PARAMS(vpc_attribute_params),
		.answers = "vpcId enableDnsHostnames.value enableDnsSupport.value "
			   "enableNetworkAddressUsageMetrics.value",
	},
	{
		.name = "ModifySubnetAttribute",
		.handle = modify_subnet_attribute,
		AWS_PARAMS(modify_subnet_attribute_params),
	},
	{
		.name = "ModifyVpcAttribute",
		.handle = modify_vpc_attribute,
		.flags = AWS_CHANGES,
		AWS_PARAMS(modify_vpc_attribute_params),
	},
};

const struct aws_group cv_aws_ec2_vpc_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
