/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: regions, zones, VPCs, subnets, as their owner sees them. */

#include <errno.h>
#include <string.h>

#include "ec2_priv.h"

/* Addresses of a subnet that AWS keeps to itself. */
#define SUBNET_RESERVED 5

/* ---- regions and zones ---- */

static int describe_regions(struct aws_call *call)
{
	const char *endpoint = cv_aws_fmt(call, "ec2.%s.amazonaws.com", call->region);
	struct ec2_wanted wanted = {0};

	cv_aws_ec2_wanted_read(call, "RegionName", &wanted);
	for (uint32_t i = 0; i < wanted.n; i++) {
		if (strcmp(wanted.ids[i], call->region) != 0)
			return cv_aws_fail(call, "InvalidParameterValue",
					   "Invalid region provided: %.64s", wanted.ids[i]);
	}
	cv_xml_open(call->out, "regionInfo");
	if (cv_aws_filter(call, "region-name", call->region) &&
	    cv_aws_filter(call, "endpoint", endpoint) &&
	    cv_aws_filter(call, "opt-in-status", "opt-in-not-required")) {
		cv_xml_item(call->out);
		cv_xml_str(call->out, "regionName", call->region);
		cv_xml_str(call->out, "regionEndpoint", endpoint);
		cv_xml_str(call->out, "optInStatus", "opt-in-not-required");
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	return 0;
}

static bool zone_passes(const struct aws_call *call, const char *name, const char *id)
{
	static const char *const lacks[] = {"message",        "parent-zoneID",    "parent-zoneName",
					    "parent-zone-id", "parent-zone-name", NULL};

	return cv_aws_ec2_lacks(call, lacks) && cv_aws_filter(call, "zone-name", name) &&
	       cv_aws_filter(call, "zone-id", id) &&
	       cv_aws_filter(call, "region-name", call->region) &&
	       cv_aws_filter(call, "group-name", call->region) &&
	       cv_aws_filter(call, "network-border-group", call->region) &&
	       cv_aws_filter(call, "state", "available") &&
	       cv_aws_filter(call, "zone-state", "available") &&
	       cv_aws_filter(call, "opt-in-status", "opt-in-not-required") &&
	       cv_aws_filter(call, "zone-type", "availability-zone");
}

static void zone_write(struct aws_call *call, const char *name, const char *id)
{
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "zoneName", name);
	cv_xml_str(out, "zoneState", "available");
	cv_xml_str(out, "regionName", call->region);
	cv_xml_str(out, "zoneId", id);
	cv_xml_str(out, "groupName", call->region);
	cv_xml_str(out, "networkBorderGroup", call->region);
	cv_xml_str(out, "optInStatus", "opt-in-not-required");
	cv_xml_str(out, "zoneType", "availability-zone");
	cv_xml_open(out, "messageSet");
	cv_xml_close(out);
	cv_xml_close(out);
}

/* Name and id of the i-th zone of the caller: its own names if it has any. */
static bool zone_get(const struct aws_call *call, uint32_t i, const char **ret_name,
		     const char **ret_id)
{
	const struct cv_model_account *account = &call->model->accounts[call->account];
	uint32_t zone = i;

	if (i >= (account->n_zones > 0 ? account->n_zones : call->model->n_zones))
		return false;
	if (account->n_zones > 0)
		zone = account->zones[i].zone;
	*ret_id = call->model->zones[zone].id;
	*ret_name = account->n_zones > 0 ? account->zones[i].name : *ret_id;
	return true;
}

static int zones_check(struct aws_call *call, const struct ec2_wanted *wanted, bool by_id)
{
	const char *name, *id;

	for (uint32_t i = 0; i < wanted->n; i++) {
		uint32_t k = 0;

		while (zone_get(call, k, &name, &id) &&
		       strcmp(by_id ? id : name, wanted->ids[i]) != 0)
			k++;
		if (!zone_get(call, k, &name, &id))
			return cv_aws_fail(call, "InvalidParameterValue",
					   "Invalid availability zone%s: [%.64s]",
					   by_id ? "-id" : "", wanted->ids[i]);
	}
	return 0;
}

static int describe_zones(struct aws_call *call)
{
	struct ec2_wanted names = {0}, ids = {0};
	const char *name, *id;
	int ret;

	cv_aws_ec2_wanted_read(call, "ZoneName", &names);
	cv_aws_ec2_wanted_read(call, "ZoneId", &ids);
	ret = zones_check(call, &names, false);
	if (ret == 0)
		ret = zones_check(call, &ids, true);
	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "availabilityZoneInfo");
	for (uint32_t i = 0; zone_get(call, i, &name, &id); i++) {
		if (cv_aws_ec2_is_wanted(&names, name) && cv_aws_ec2_is_wanted(&ids, id) &&
		    zone_passes(call, name, id))
			zone_write(call, name, id);
	}
	cv_xml_close(call->out);
	return 0;
}

/* ---- VPCs ---- */

static const char *const *cidrs_get(struct aws_call *call, const struct cv_model_vpc *vpc)
{
	const char **cidrs = cv_aws_alloc(call, (vpc->n_cidrs + 1) * sizeof(*cidrs));

	for (uint32_t i = 0; cidrs != NULL && i < vpc->n_cidrs; i++)
		cidrs[i] = cv_aws_ec2_prefix(call, vpc->cidrs[i]);
	return cidrs;
}

const char *cv_aws_ec2_cidr_id(struct aws_call *call, const struct cv_model_vpc *vpc,
			       struct cv_prefix cidr)
{
	return cv_aws_ec2_derived(
		call, "vpc-cidr-assoc-",
		cv_aws_fmt(call, "%s %s", vpc->id, cv_aws_ec2_prefix(call, cidr)));
}

static bool associations_pass(struct aws_call *call, const struct cv_model_vpc *vpc)
{
	const char **ids;

	if (call->n_filters == 0)
		return true;
	ids = cv_aws_alloc(call, (vpc->n_cidrs + 1) * sizeof(*ids));
	if (ids == NULL)
		return false;
	for (uint32_t i = 0; i < vpc->n_cidrs; i++)
		ids[i] = cv_aws_ec2_cidr_id(call, vpc, vpc->cidrs[i]);
	return cv_aws_filter_any(call, "cidr-block-association.association-id", ids, vpc->n_cidrs);
}

static bool vpc_passes(struct aws_call *call, const struct cv_model_vpc *vpc,
		       const char *const *cidrs)
{
	static const char *const lacks[] = {"ipv6-cidr-block-association.association-id",
					    "ipv6-cidr-block-association.ipv6-cidr-block",
					    "ipv6-cidr-block-association.ipv6-pool",
					    "ipv6-cidr-block-association.state", NULL};

	return cv_aws_ec2_lacks(call, lacks) && associations_pass(call, vpc) &&
	       cv_aws_filter(call, "dhcp-options-id", "default") &&
	       cv_aws_filter_bool(call, "isDefault", false) &&
	       cv_aws_filter(call, "vpc-id", vpc->id) && cv_aws_filter(call, "cidr", cidrs[0]) &&
	       cv_aws_filter_any(call, "cidr-block-association.cidr-block", cidrs, vpc->n_cidrs) &&
	       cv_aws_filter(call, "cidr-block-association.state", "associated") &&
	       cv_aws_filter(call, "owner-id", call->caller.account_id) &&
	       cv_aws_filter(call, "state", "available") &&
	       cv_aws_filter_bool(call, "is-default", false) &&
	       cv_aws_filter_tags(call, &vpc->meta);
}

/* The inside of a VPC. */
static void vpc_write(struct aws_call *call, const struct cv_model_vpc *vpc,
		      const char *const *cidrs, const char *state)
{
	struct cv_xml *out = call->out;

	cv_xml_str(out, "vpcId", vpc->id);
	cv_xml_str(out, "ownerId", call->caller.account_id);
	cv_xml_str(out, "state", state);
	cv_xml_str(out, "cidrBlock", cidrs[0]);
	cv_xml_open(out, "cidrBlockAssociationSet");
	for (uint32_t i = 0; i < vpc->n_cidrs; i++) {
		cv_xml_item(out);
		cv_xml_str(out, "cidrBlock", cidrs[i]);
		cv_xml_str(out, "associationId", cv_aws_ec2_cidr_id(call, vpc, vpc->cidrs[i]));
		cv_xml_open(out, "cidrBlockState");
		cv_xml_str(out, "state", "associated");
		cv_xml_close(out);
		cv_xml_close(out);
	}
	cv_xml_close(out);
	cv_xml_str(out, "dhcpOptionsId", "default");
	cv_aws_tag_set(call, vpc->meta.tags, vpc->meta.n_tags);
	cv_xml_str(out, "instanceTenancy", "default");
	cv_xml_bool(out, "isDefault", false);
}

int cv_aws_ec2_vpc_write(struct aws_call *call, uint32_t idx, const char *state)
{
	const struct cv_model_vpc *vpc = &call->model->vpcs[idx];
	const char *const *cidrs = cidrs_get(call, vpc);

	if (cidrs == NULL)
		return -EINVAL;
	vpc_write(call, vpc, cidrs, state);
	return 0;
}

static int describe_vpcs(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	struct ec2_wanted wanted = {0};
	int ret = cv_aws_ec2_wanted(call, "VpcId", &cv_aws_ec2_vpc, &wanted);

	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "vpcSet");
	for (uint32_t i = 0; i < model->n_vpcs; i++) {
		const struct cv_model_vpc *vpc = &model->vpcs[i];
		const char *const *cidrs;

		if (vpc->meta.gone || vpc->owner != call->account ||
		    !cv_aws_ec2_is_wanted(&wanted, vpc->id))
			continue;
		cidrs = cidrs_get(call, vpc);
		if (cidrs == NULL)
			return -EINVAL;
		if (!vpc_passes(call, vpc, cidrs) || !cv_aws_page_key(call, vpc->id, NULL))
			continue;
		cv_xml_item(call->out);
		vpc_write(call, vpc, cidrs, "available");
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- subnets ---- */

/* Addresses in use, by subnet; NULL if memory ran out. */
static uint32_t *used_count(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	uint32_t *used = cv_aws_alloc(call, (model->n_subnets + 1) * sizeof(*used));

	if (used == NULL)
		return NULL;
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		for (uint32_t k = 0; !model->lbs[i].meta.gone && k < model->lbs[i].n_nodes; k++)
			used[model->lbs[i].nodes[k].subnet] += model->lbs[i].nodes[k].n_ips;
	}
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		for (uint32_t k = 0;
		     !model->endpoints[i].meta.gone && k < model->endpoints[i].n_enis; k++)
			used[model->endpoints[i].enis[k].subnet]++;
	}
	return used;
}

/* What is told of a subnet, as text. */
struct subnet_texts {
	const char *arn, *cidr, *free, *zone, *zone_id;
};

static void subnet_texts_get(struct aws_call *call, const struct cv_model_subnet *subnet,
			     uint32_t used, struct subnet_texts *texts)
{
	uint32_t size = 1U << (32 - subnet->cidr.len);

	texts->arn = cv_aws_fmt(call, "arn:aws:ec2:%s:%s:subnet/%s", call->region,
				call->caller.account_id, subnet->id);
	texts->cidr = cv_aws_ec2_prefix(call, subnet->cidr);
	texts->free = cv_aws_fmt(call, "%u", size - SUBNET_RESERVED - used);
	texts->zone = cv_aws_zone_name(call, subnet->zone);
	texts->zone_id = call->model->zones[subnet->zone].id;
}

static bool subnet_passes(const struct aws_call *call, const struct cv_model_subnet *subnet,
			  const struct subnet_texts *texts)
{
	static const char *const lacks[] = {"customer-owned-ipv4-pool",
					    "enable-lni-at-device-index",
					    "ipv6-cidr-block-association.association-id",
					    "ipv6-cidr-block-association.ipv6-cidr-block",
					    "ipv6-cidr-block-association.state",
					    "outpost-arn",
					    NULL};
	const struct {
		const char *name, *value;
	} rows[] = {
		{"subnet-id", subnet->id},
		{"subnet-arn", texts->arn},
		{"vpc-id", call->model->vpcs[subnet->vpc].id},
		{"cidr", texts->cidr},
		{"cidr-block", texts->cidr},
		{"cidrBlock", texts->cidr},
		{"availability-zone", texts->zone},
		{"availabilityZone", texts->zone},
		{"availability-zone-id", texts->zone_id},
		{"availabilityZoneId", texts->zone_id},
		{"available-ip-address-count", texts->free},
		{"owner-id", call->caller.account_id},
		{"state", "available"},
		{"default-for-az", "false"},
		{"defaultForAz", "false"},
		{"enable-dns64", "false"},
		{"ipv6-native", "false"},
		{"map-customer-owned-ip-on-launch", "false"},
		{"private-dns-name-options-on-launch.enable-resource-name-dns-a-record", "false"},
		{"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
		 "false"},
		{"private-dns-name-options-on-launch.hostname-type", "ip-name"},
		{"map-public-ip-on-launch", "false"},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		if (!cv_aws_filter(call, rows[i].name, rows[i].value))
			return false;
	}
	return cv_aws_ec2_lacks(call, lacks) && cv_aws_filter_tags(call, &subnet->meta);
}

/* The inside of a subnet. */
static void subnet_write(struct aws_call *call, const struct cv_model_subnet *subnet,
			 const struct subnet_texts *texts)
{
	struct cv_xml *out = call->out;

	cv_xml_str(out, "subnetId", subnet->id);
	cv_xml_str(out, "subnetArn", texts->arn);
	cv_xml_str(out, "state", "available");
	cv_xml_str(out, "ownerId", call->caller.account_id);
	cv_xml_str(out, "vpcId", call->model->vpcs[subnet->vpc].id);
	cv_xml_str(out, "cidrBlock", texts->cidr);
	cv_xml_open(out, "ipv6CidrBlockAssociationSet");
	cv_xml_close(out);
	cv_xml_str(out, "availableIpAddressCount", texts->free);
	cv_xml_str(out, "availabilityZone", texts->zone);
	cv_xml_str(out, "availabilityZoneId", texts->zone_id);
	cv_xml_bool(out, "defaultForAz", false);
	cv_xml_bool(out, "mapPublicIpOnLaunch", false);
	cv_xml_bool(out, "assignIpv6AddressOnCreation", false);
	cv_xml_bool(out, "ipv6Native", false);
	cv_aws_tag_set(call, subnet->meta.tags, subnet->meta.n_tags);
}

void cv_aws_ec2_subnet_write(struct aws_call *call, uint32_t idx)
{
	const struct cv_model_subnet *subnet = &call->model->subnets[idx];
	const uint32_t *used = used_count(call);
	struct subnet_texts texts;

	if (used == NULL)
		return;
	subnet_texts_get(call, subnet, used[idx], &texts);
	subnet_write(call, subnet, &texts);
}

static int describe_subnets(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	const uint32_t *used = used_count(call);
	struct ec2_wanted wanted = {0};
	int ret = cv_aws_ec2_wanted(call, "SubnetId", &cv_aws_ec2_subnet, &wanted);

	if (ret < 0 || used == NULL)
		return -EINVAL;
	cv_xml_open(call->out, "subnetSet");
	for (uint32_t i = 0; i < model->n_subnets; i++) {
		const struct cv_model_subnet *subnet = &model->subnets[i];
		struct subnet_texts texts;

		if (subnet->meta.gone || model->vpcs[subnet->vpc].owner != call->account ||
		    !cv_aws_ec2_is_wanted(&wanted, subnet->id))
			continue;
		subnet_texts_get(call, subnet, used[i], &texts);
		if (!subnet_passes(call, subnet, &texts) ||
		    !cv_aws_page_key(call, subnet->id, NULL))
			continue;
		cv_xml_item(call->out);
		subnet_write(call, subnet, &texts);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- the table ---- */

static const struct aws_param regions_params[] = {AWS_DRY_RUN, AWS_FILTERS, AWS_BOOL("AllRegions"),
						  AWS_ID("RegionName.N", 0)};
static const char *const regions_filters[] = {"endpoint", "opt-in-status", "region-name", NULL};

static const struct aws_param zones_params[] = {AWS_DRY_RUN, AWS_FILTERS,
						AWS_BOOL("AllAvailabilityZones"),
						AWS_ID("ZoneName.N", 0), AWS_ID("ZoneId.N", 0)};
static const char *const zones_filters[] = {
	"group-name",    "message",         "network-border-group",
	"opt-in-status", "parent-zone-id",  "parent-zone-name",
	"parent-zoneID", "parent-zoneName", "region-name",
	"state",         "zone-id",         "zone-name",
	"zone-state",    "zone-type",       NULL};

static const struct aws_param vpcs_params[] = {AWS_DRY_RUN, AWS_FILTERS, AWS_ID("VpcId.N", 0),
					       AWS_PAGES(5, 1000)};
static const char *const vpcs_filters[] = {"cidr",
					   "cidr-block-association.association-id",
					   "cidr-block-association.cidr-block",
					   "cidr-block-association.state",
					   "dhcp-options-id",
					   "ipv6-cidr-block-association.association-id",
					   "ipv6-cidr-block-association.ipv6-cidr-block",
					   "ipv6-cidr-block-association.ipv6-pool",
					   "ipv6-cidr-block-association.state",
					   "is-default",
					   "isDefault",
					   "owner-id",
					   "state",
					   "tag-key",
					   "tag:*",
					   "vpc-id",
					   NULL};

static const struct aws_param subnets_params[] = {AWS_DRY_RUN, AWS_FILTERS, AWS_ID("SubnetId.N", 0),
						  AWS_PAGES(5, 1000)};
static const char *const subnets_filters[] = {
	"availability-zone",
	"availability-zone-id",
	"availabilityZone",
	"availabilityZoneId",
	"available-ip-address-count",
	"cidr",
	"cidr-block",
	"cidrBlock",
	"customer-owned-ipv4-pool",
	"default-for-az",
	"defaultForAz",
	"enable-dns64",
	"enable-lni-at-device-index",
	"ipv6-cidr-block-association.association-id",
	"ipv6-cidr-block-association.ipv6-cidr-block",
	"ipv6-cidr-block-association.state",
	"ipv6-native",
	"map-customer-owned-ip-on-launch",
	"map-public-ip-on-launch",
	"outpost-arn",
	"owner-id",
	"private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
	"private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
	"private-dns-name-options-on-launch.hostname-type",
	"state",
	"subnet-arn",
	"subnet-id",
	"tag-key",
	"tag:*",
	"vpc-id",
	NULL};

static const struct aws_action actions[] = {
	{
		.name = "DescribeAvailabilityZones",
		.handle = describe_zones,
		AWS_PARAMS(zones_params),
		.filters = zones_filters,
		.answers = "availabilityZoneInfo.zoneName availabilityZoneInfo.zoneState "
			   "availabilityZoneInfo.regionName availabilityZoneInfo.zoneId "
			   "availabilityZoneInfo.groupName availabilityZoneInfo.networkBorderGroup "
			   "availabilityZoneInfo.optInStatus availabilityZoneInfo.zoneType "
			   "availabilityZoneInfo.messageSet",
	},
	{
		.name = "DescribeRegions",
		.handle = describe_regions,
		.flags = AWS_NO_MODEL,
		AWS_PARAMS(regions_params),
		.filters = regions_filters,
		.answers = "regionInfo.regionName regionInfo.regionEndpoint regionInfo.optInStatus",
	},
	{
		.name = "DescribeSubnets",
		.handle = describe_subnets,
		AWS_PARAMS(subnets_params),
		.filters = subnets_filters,
		.answers = "subnetSet.subnetId subnetSet.subnetArn subnetSet.state "
			   "subnetSet.ownerId subnetSet.vpcId subnetSet.cidrBlock "
			   "subnetSet.ipv6CidrBlockAssociationSet "
			   "subnetSet.availableIpAddressCount subnetSet.availabilityZone "
			   "subnetSet.availabilityZoneId subnetSet.defaultForAz "
			   "subnetSet.mapPublicIpOnLaunch subnetSet.assignIpv6AddressOnCreation "
			   "subnetSet.ipv6Native subnetSet.tagSet.key subnetSet.tagSet.value "
			   "nextToken",
	},
	{
		.name = "DescribeVpcs",
		.handle = describe_vpcs,
		AWS_PARAMS(vpcs_params),
		.filters = vpcs_filters,
		.answers = "vpcSet.vpcId vpcSet.ownerId vpcSet.state vpcSet.cidrBlock "
			   "vpcSet.cidrBlockAssociationSet.cidrBlock "
			   "vpcSet.cidrBlockAssociationSet.associationId "
			   "vpcSet.cidrBlockAssociationSet.cidrBlockState.state "
			   "vpcSet.dhcpOptionsId vpcSet.tagSet.key vpcSet.tagSet.value "
			   "vpcSet.instanceTenancy vpcSet.isDefault nextToken",
	},
};

const struct aws_group cv_aws_ec2_net_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
