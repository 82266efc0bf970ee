/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: what a VPC has on AWS and not here. Tools read it beside what they made: there is none of it, which
 * is an answer, while an action that does not exist ends them. */

#include <string.h>

#include "ec2_priv.h"

/* Of each action: its list, and what is said of an id. */
static const struct none {
	const char *action, *list, *ids, *unknown, *what;
} rows[] = {
	{"DescribeDhcpOptions", "dhcpOptionsSet", "DhcpOptionsId", "InvalidDhcpOptionID.NotFound",
	 "dhcpOption ID"},
	{"DescribeInternetGateways", "internetGatewaySet", "InternetGatewayId",
	 "InvalidInternetGatewayID.NotFound", "internetGateway ID"},
	{"DescribeManagedPrefixLists", "prefixListSet", "PrefixListId",
	 "InvalidPrefixListID.NotFound", "prefix list ID"},
	{"DescribeNatGateways", "natGatewaySet", "NatGatewayId", "NatGatewayNotFound",
	 "NAT gateway"},
	{"DescribeNetworkAcls", "networkAclSet", "NetworkAclId", "InvalidNetworkAclID.NotFound",
	 "networkAcl ID"},
	{"DescribePrefixLists", "prefixListSet", "PrefixListId", "InvalidPrefixListID.NotFound",
	 "prefix list ID"},
	{"DescribeRouteTables", "routeTableSet", "RouteTableId", "InvalidRouteTableID.NotFound",
	 "routeTable ID"},
	{"DescribeVpcPeeringConnections", "vpcPeeringConnectionSet", "VpcPeeringConnectionId",
	 "InvalidVpcPeeringConnectionID.NotFound", "vpcPeeringConnection ID"},
};

/* What other VPCs have of a group or a VPC: they have nothing, as there is no peering and no sharing. */
static const struct of_what {
	const char *action, *list, *id;
	const struct ec2_kind *kind;
} of_what[] = {
	{"DescribeSecurityGroupReferences", "securityGroupReferenceSet", "GroupId", &cv_aws_ec2_sg},
	{"DescribeStaleSecurityGroups", "staleSecurityGroupSet", "VpcId", &cv_aws_ec2_vpc},
};

static int describe_none(struct aws_call *call)
{
	const struct none *row = rows;
	uint32_t n;
	const char *const *ids;

	while (strcmp(row->action, call->action->name) != 0)
		row++;
	ids = cv_aws_strs(call, row->ids, &n);
	if (n > 0)
		return cv_aws_fail(call, row->unknown, "The %s '%.64s' does not exist", row->what,
				   ids[0]);
	cv_aws_ec2_empty(call, row->list);
	return 0;
}

static int describe_none_of(struct aws_call *call)
{
	const struct of_what *row = of_what;
	struct ec2_wanted wanted = {0};
	const char *id;
	int ret;

	while (strcmp(row->action, call->action->name) != 0)
		row++;
	id = cv_query_str(&call->params, row->id);
	ret = id != NULL ? cv_aws_ec2_find(call, row->kind, id, NULL)
			 : cv_aws_ec2_wanted(call, row->id, row->kind, &wanted);
	if (ret == 0)
		cv_aws_ec2_empty(call, row->list);
	return ret;
}

static int group_vpcs(struct aws_call *call)
{
	cv_aws_ec2_empty(call, "securityGroupVpcAssociationSet");
	return 0;
}

static int prefix_list_entries(struct aws_call *call)
{
	return cv_aws_fail(call, "InvalidPrefixListID.NotFound",
			   "The prefix list ID '%.64s' does not exist",
			   cv_query_str(&call->params, "PrefixListId"));
}

/* AWS has retired it: no VPC is linked, and Terraform of that time asks of each. */
static int classic_link(struct aws_call *call)
{
	struct ec2_wanted wanted = {0};
	bool dns = strcmp(call->action->name, "DescribeVpcClassicLinkDnsSupport") == 0;
	int ret = cv_aws_ec2_wanted(call, dns ? "VpcIds" : "VpcId", &cv_aws_ec2_vpc, &wanted);

	if (ret == 0)
		cv_aws_ec2_empty(call, dns ? "vpcs" : "vpcSet");
	return ret;
}

/* ---- the table ---- */

static const struct aws_param acls_params[] = {AWS_DRY_RUN, AWS_FILTERS,
					       AWS_ID("NetworkAclId.N", 0), AWS_PAGES(5, 1000)};
static const struct aws_param classic_params[] = {AWS_DRY_RUN, AWS_FILTERS, AWS_ID("VpcId.N", 0)};
static const struct aws_param classic_dns_params[] = {AWS_ID("VpcIds.N", 0), AWS_PAGES(5, 255)};
static const struct aws_param dhcp_params[] = {AWS_DRY_RUN, AWS_FILTERS,
					       AWS_ID("DhcpOptionsId.N", 0), AWS_PAGES(5, 1000)};
static const struct aws_param entries_params[] = {AWS_DRY_RUN, AWS_ID("PrefixListId", AWS_REQUIRED),
						  AWS_INT("TargetVersion", 0, 1, INT64_MAX),
						  AWS_PAGES(1, 100)};
static const struct aws_param igw_params[] = {AWS_DRY_RUN, AWS_FILTERS,
					      AWS_ID("InternetGatewayId.N", 0), AWS_PAGES(5, 1000)};
static const struct aws_param lists_params[] = {AWS_DRY_RUN, AWS_FILTERS,
						AWS_ID("PrefixListId.N", 0), EC2_PAGES(1)};
static const struct aws_param managed_params[] = {AWS_DRY_RUN, AWS_FILTERS,
						  AWS_ID("PrefixListId.N", 0), AWS_PAGES(1, 100)};
static const struct aws_param nat_params[] = {AWS_DRY_RUN, AWS_FILTERS, AWS_ID("NatGatewayId.N", 0),
					      AWS_PAGES(5, 1000)};
static const struct aws_param group_vpcs_params[] = {AWS_DRY_RUN, AWS_FILTERS, AWS_PAGES(5, 1000)};
static const struct aws_param peering_params[] = {
	AWS_DRY_RUN, AWS_FILTERS, AWS_ID("VpcPeeringConnectionId.N", 0), AWS_PAGES(5, 1000)};
static const struct aws_param references_params[] = {AWS_DRY_RUN,
						     AWS_ID("GroupId.N", AWS_REQUIRED)};
static const struct aws_param stale_params[] = {AWS_DRY_RUN, AWS_ID("VpcId", AWS_REQUIRED),
						AWS_PAGES(5, 255)};
static const struct aws_param tables_params[] = {AWS_DRY_RUN, AWS_FILTERS,
						 AWS_ID("RouteTableId.N", 0), AWS_PAGES(5, 100)};

static const struct aws_action actions[] = {
	{
		.name = "DescribeDhcpOptions",
		.handle = describe_none,
		AWS_PARAMS(dhcp_params),
		.answers = "dhcpOptionsSet",
	},
	{
		.name = "DescribeInternetGateways",
		.handle = describe_none,
		AWS_PARAMS(igw_params),
		.answers = "internetGatewaySet",
	},
	{
		.name = "DescribeManagedPrefixLists",
		.handle = describe_none,
		AWS_PARAMS(managed_params),
		.answers = "prefixListSet",
	},
	{
		.name = "DescribeNatGateways",
		.handle = describe_none,
		AWS_PARAMS(nat_params),
		.answers = "natGatewaySet",
	},
	{
		.name = "DescribeNetworkAcls",
		.handle = describe_none,
		AWS_PARAMS(acls_params),
		.answers = "networkAclSet",
	},
	{
		.name = "DescribePrefixLists",
		.handle = describe_none,
		AWS_PARAMS(lists_params),
		.answers = "prefixListSet",
	},
	{
		.name = "DescribeRouteTables",
		.handle = describe_none,
		AWS_PARAMS(tables_params),
		.answers = "routeTableSet",
	},
	{
		.name = "DescribeSecurityGroupReferences",
		.handle = describe_none_of,
		AWS_PARAMS(references_params),
		.answers = "securityGroupReferenceSet",
	},
	{
		.name = "DescribeSecurityGroupVpcAssociations",
		.handle = group_vpcs,
		AWS_PARAMS(group_vpcs_params),
		.answers = "securityGroupVpcAssociationSet",
	},
	{
		.name = "DescribeStaleSecurityGroups",
		.handle = describe_none_of,
		AWS_PARAMS(stale_params),
		.answers = "staleSecurityGroupSet",
	},
	{
		.name = "DescribeVpcClassicLink",
		.handle = classic_link,
		AWS_PARAMS(classic_params),
		.answers = "vpcSet",
	},
	{
		.name = "DescribeVpcClassicLinkDnsSupport",
		.handle = classic_link,
		AWS_PARAMS(classic_dns_params),
		.answers = "vpcs",
	},
	{
		.name = "DescribeVpcPeeringConnections",
		.handle = describe_none,
		AWS_PARAMS(peering_params),
		.answers = "vpcPeeringConnectionSet",
	},
	{
		.name = "GetManagedPrefixListEntries",
		.handle = prefix_list_entries,
		AWS_PARAMS(entries_params),
	},
};

const struct aws_group cv_aws_ec2_none_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
