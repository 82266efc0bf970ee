/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: network interfaces: of endpoints, and of the nodes of load balancers. All are made for their
 * owners by something else, and none can be changed here. */

#include <errno.h>
#include <string.h>

#include "ec2_priv.h"

/* Who asks for the interfaces of load balancers. */
#define ELB_REQUESTER "amazon-elb"

/* Prefix of the ids of their attachments. */
#define ATTACHMENT "ela-attach-"

/* Whose machines all of them are attached to. */
#define INSTANCE_OWNER "amazon-aws"

/* Filters for Elastic IP addresses, which none has, as they stand in the order of names. */
#define EIP_OF_ADDRESSES "addresses.association.owner-id", "addresses.association.public-ip"
#define EIP                                                                                   \
	"association.allocation-id", "association.association-id", "association.ip-owner-id", \
		"association.public-dns-name", "association.public-ip"

/* An interface. */
struct eni {
	const char *id, *description, *type;
	const cv_be32_t *ips; /* shape [n_ips]; the first is the primary one */
	uint32_t n_ips;
	const struct cv_model_subnet *subnet;
	const struct cv_model_endpoint *endpoint; /* NULL: of a load balancer */
	const struct cv_model_lb *lb;             /* NULL: of an endpoint */
};

/* Its texts. */
struct eni_texts {
	const char *vpc, *ip, *mac, *zone, *requester, *attachment;
	const char **groups, **group_names, **ips; /* shapes [n_groups], [n_groups], [n_ips] */
	uint32_t n_groups;
};

static const char *mac_get(struct aws_call *call, const struct eni *eni, const char *vpc)
{
	uint16_t prefix = cv_mac_prefix(vpc);
	char text[CV_NET_STR_LEN];
	uint8_t mac[6];

	cv_mac_of_ip(eni->lb != NULL ? prefix | CV_MAC_NODE : prefix, eni->ips[0], mac);
	return cv_aws_fmt(call, "%s", cv_mac_str(mac, text));
}

static void groups_get(struct aws_call *call, const struct eni *eni, struct eni_texts *texts)
{
	const struct cv_model *model = call->model;
	const uint32_t *sgs = eni->lb != NULL ? eni->lb->sgs : eni->endpoint->sgs;
	uint32_t n = eni->lb != NULL ? eni->lb->n_sgs : eni->endpoint->n_sgs;

	for (uint32_t i = 0; i < n; i++) {
		texts->groups[i] = model->sgs[sgs[i]].id;
		texts->group_names[i] = model->sgs[sgs[i]].name;
	}
	texts->n_groups = n;
}

static bool texts_get(struct aws_call *call, const struct eni *eni, struct eni_texts *texts)
{
	uint32_t n = (eni->lb != NULL ? eni->lb->n_sgs : eni->endpoint->n_sgs) + 1;
	const struct cv_model_vpc *vpc = &call->model->vpcs[eni->subnet->vpc];

	texts->groups = cv_aws_alloc(call, n * sizeof(*texts->groups));
	texts->group_names = cv_aws_alloc(call, n * sizeof(*texts->group_names));
	texts->ips = cv_aws_alloc(call, eni->n_ips * sizeof(*texts->ips));
	if (texts->groups == NULL || texts->group_names == NULL || texts->ips == NULL)
		return false;
	for (uint32_t i = 0; i < eni->n_ips; i++)
		texts->ips[i] = cv_aws_ec2_ip(call, eni->ips[i]);
	texts->vpc = vpc->id;
	texts->ip = texts->ips[0];
	texts->attachment = cv_aws_ec2_derived(call, ATTACHMENT, eni->id);
	texts->mac = mac_get(call, eni, vpc->id);
	texts->zone = cv_aws_zone_name(call, eni->subnet->zone);
	texts->requester = eni->lb != NULL ? ELB_REQUESTER : call->caller.account_id;
	groups_get(call, eni, texts);
	return true;
}

static bool eni_passes(const struct aws_call *call, const struct eni *eni,
		       const struct eni_texts *texts)
{
	static const struct cv_model_meta no_tags;
	static const char *const lacks[] = {EIP_OF_ADDRESSES,
					    EIP,
					    "attachment.attach-time",
					    "attachment.instance-id",
					    "ipv6-addresses.ipv6-address",
					    "private-dns-name",
					    NULL};
	static const char *const primary[] = {"true", "false"};
	const struct {
		const char *name, *value;
	} rows[] = {
		{"availability-zone", texts->zone},
		{"description", eni->description},
		{"interface-type", eni->type},
		{"mac-address", texts->mac},
		{"network-interface-id", eni->id},
		{"owner-id", call->caller.account_id},
		{"private-ip-address", texts->ip},
		{"requester-id", texts->requester},
		{"requester-managed", "true"},
		{"source-dest-check", "false"},
		{"status", "in-use"},
		{"subnet-id", eni->subnet->id},
		{"vpc-id", texts->vpc},
		{"attachment.attachment-id", texts->attachment},
		{"attachment.delete-on-termination", "false"},
		{"attachment.device-index", "1"},
		{"attachment.instance-owner-id", INSTANCE_OWNER},
		{"attachment.status", "attached"},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		if (!cv_aws_filter(call, rows[i].name, rows[i].value))
			return false;
	}
	return cv_aws_ec2_lacks(call, lacks) &&
	       cv_aws_filter_any(call, "addresses.primary", primary, eni->n_ips > 1 ? 2 : 1) &&
	       cv_aws_filter_any(call, "group-id", texts->groups, texts->n_groups) &&
	       cv_aws_filter_any(call, "group-name", texts->group_names, texts->n_groups) &&
	       cv_aws_filter_any(call, "addresses.private-ip-address", texts->ips, eni->n_ips) &&
	       cv_aws_filter_tags(call, &no_tags);
}

static void groups_write(struct cv_xml *out, const struct eni_texts *texts)
{
	cv_xml_open(out, "groupSet");
	for (uint32_t i = 0; i < texts->n_groups; i++) {
		cv_xml_item(out);
		cv_xml_str(out, "groupName", texts->group_names[i]);
		cv_xml_str(out, "groupId", texts->groups[i]);
		cv_xml_close(out);
	}
	cv_xml_close(out);
}

static void attachment_write(struct cv_xml *out, const struct eni_texts *texts)
{
	cv_xml_open(out, "attachment");
	cv_xml_str(out, "attachmentId", texts->attachment);
	cv_xml_bool(out, "deleteOnTermination", false);
	cv_xml_int(out, "deviceIndex", 1);
	cv_xml_str(out, "instanceOwnerId", INSTANCE_OWNER);
	cv_xml_str(out, "status", "attached");
	cv_xml_close(out);
}

static void lists_write(struct aws_call *call, const struct eni *eni, const struct eni_texts *texts)
{
	struct cv_xml *out = call->out;

	groups_write(out, texts);
	cv_aws_ec2_empty(call, "ipv6AddressesSet");
	cv_xml_open(out, "privateIpAddressesSet");
	for (uint32_t i = 0; i < eni->n_ips; i++) {
		cv_xml_item(out);
		cv_xml_bool(out, "primary", i == 0);
		cv_xml_str(out, "privateIpAddress", texts->ips[i]);
		cv_xml_close(out);
	}
	cv_xml_close(out);
	cv_aws_ec2_empty(call, "tagSet");
}

static void eni_write(struct aws_call *call, const struct eni *eni, const struct eni_texts *texts)
{
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "networkInterfaceId", eni->id);
	cv_xml_str(out, "subnetId", eni->subnet->id);
	cv_xml_str(out, "vpcId", texts->vpc);
	cv_xml_str(out, "availabilityZone", texts->zone);
	cv_xml_str(out, "description", eni->description);
	cv_xml_str(out, "ownerId", call->caller.account_id);
	cv_xml_str(out, "requesterId", texts->requester);
	cv_xml_bool(out, "requesterManaged", true);
	cv_xml_str(out, "status", "in-use");
	cv_xml_str(out, "macAddress", texts->mac);
	cv_xml_str(out, "privateIpAddress", texts->ip);
	cv_xml_bool(out, "sourceDestCheck", false);
	cv_xml_str(out, "interfaceType", eni->type);
	attachment_write(out, texts);
	lists_write(call, eni, texts);
	cv_xml_close(out);
}

/* ---- all of them ---- */

/* Called with each interface; false ends the walk. */
struct visitor {
	bool (*fn)(struct aws_call *call, void *arg, const struct eni *eni);
	void *arg;
};

static bool eni_tell(struct aws_call *call, void *arg, const struct eni *eni)
{
	struct ec2_wanted *wanted = arg;
	struct eni_texts texts;

	if (!cv_aws_ec2_take(wanted, eni->id))
		return true;
	if (!texts_get(call, eni, &texts))
		return false;
	if (eni_passes(call, eni, &texts) && cv_aws_page_key(call, eni->id, NULL))
		eni_write(call, eni, &texts);
	return true;
}

static bool endpoints_walk(struct aws_call *call, const struct visitor *visitor)
{
	const struct cv_model *model = call->model;
	bool good = true;

	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];

		if (endpoint->meta.gone || model->vpcs[endpoint->vpc].owner != call->account)
			continue;
		for (uint32_t k = 0; good && k < endpoint->n_enis; k++) {
			const struct eni eni = {
				.id = endpoint->enis[k].id,
				.description =
					cv_aws_fmt(call, "VPC Endpoint Interface %s", endpoint->id),
				.type = "vpc_endpoint",
				.ips = &endpoint->enis[k].ip,
				.n_ips = 1,
				.subnet = &model->subnets[endpoint->enis[k].subnet],
				.endpoint = endpoint,
			};

			good = visitor->fn(call, visitor->arg, &eni);
		}
	}
	return good;
}

static bool lbs_walk(struct aws_call *call, const struct visitor *visitor)
{
	const struct cv_model *model = call->model;
	bool good = true;

	for (uint32_t i = 0; i < model->n_lbs; i++) {
		const struct cv_model_lb *lb = &model->lbs[i];
		const char *part = strstr(lb->arn, "loadbalancer/");

		if (lb->meta.gone || model->vpcs[lb->vpc].owner != call->account)
			continue;
		for (uint32_t k = 0; good && k < lb->n_nodes; k++) {
			const struct cv_model_subnet *subnet = &model->subnets[lb->nodes[k].subnet];
			const struct eni eni = {
				.id = cv_aws_ec2_derived(
					call, "eni-",
					cv_aws_fmt(call, "%s/%s", lb->arn, subnet->id)),
				.description = cv_aws_fmt(call, "ELB %s",
							  part != NULL ? part + 13 : lb->name),
				.type = "network_load_balancer",
				.ips = lb->nodes[k].ips,
				.n_ips = lb->nodes[k].n_ips,
				.subnet = subnet,
				.lb = lb,
			};

			good = visitor->fn(call, visitor->arg, &eni);
		}
	}
	return good;
}

/* ---- one attribute of one ---- */

static void value_write(struct cv_xml *out, const char *name, const char *value)
{
	cv_xml_open(out, name);
	cv_xml_str(out, "value", value);
	cv_xml_close(out);
}

/* An interface by its id, which ends the walk: its attribute is told. */
static bool attribute_tell(struct aws_call *call, void *arg, const struct eni *eni)
{
	const char *what = cv_query_str(&call->params, "Attribute");
	struct eni_texts texts;
	bool *found = arg;

	if (strcmp(eni->id, cv_query_str(&call->params, "NetworkInterfaceId")) != 0)
		return true;
	*found = true;
	if (!texts_get(call, eni, &texts))
		return false;
	cv_xml_str(call->out, "networkInterfaceId", eni->id);
	if (what == NULL || strcmp(what, "description") == 0)
		value_write(call->out, "description", eni->description);
	else if (strcmp(what, "groupSet") == 0)
		groups_write(call->out, &texts);
	else if (strcmp(what, "sourceDestCheck") == 0)
		value_write(call->out, "sourceDestCheck", "false");
	else if (strcmp(what, "attachment") == 0)
		attachment_write(call->out, &texts);
	else
		cv_xml_bool(call->out, "associatePublicIpAddress", false);
	return false;
}

static const struct ec2_kind eni_kind = {
	CV_MODEL_KIND_N, "eni-", "InvalidNetworkInterfaceID.NotFound",
	"InvalidNetworkInterfaceId.Malformed", "networkInterface ID"};

static int describe_enis(struct aws_call *call)
{
	struct ec2_wanted wanted = {0};
	const struct visitor tell = {eni_tell, &wanted};
	const char *missed;
	int ret = cv_aws_ec2_wanted_ids(call, "NetworkInterfaceId", &eni_kind, &wanted);

	if (ret < 0)
		return ret;
	cv_aws_ec2_page_bound(call);
	cv_xml_open(call->out, "networkInterfaceSet");
	if (!endpoints_walk(call, &tell) || !lbs_walk(call, &tell))
		return -EINVAL;
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	missed = cv_aws_ec2_missed(&wanted);
	return missed == NULL ? 0 : cv_aws_ec2_unknown(call, &eni_kind, missed);
}

static int describe_attribute(struct aws_call *call)
{
	const char *id = cv_query_str(&call->params, "NetworkInterfaceId");
	bool found = false;
	const struct visitor tell = {attribute_tell, &found};
	int ret = cv_aws_ec2_id_check(call, &eni_kind, id);

	if (ret == 0)
		(void)(endpoints_walk(call, &tell) && lbs_walk(call, &tell));
	return ret < 0 || found ? ret : cv_aws_ec2_unknown(call, &eni_kind, id);
}

/* ---- changes, none of which is the caller's to make ---- */

/* What is looked for, by one of both. */
struct wanted_eni {
	const char *id, *attachment;
	bool found;
};

static bool eni_look(struct aws_call *call, void *arg, const struct eni *eni)
{
	struct wanted_eni *wanted = arg;

	if (wanted->id != NULL)
		wanted->found = strcmp(eni->id, wanted->id) == 0;
	else
		wanted->found = strcmp(cv_aws_ec2_derived(call, ATTACHMENT, eni->id),
				       wanted->attachment) == 0;
	return !wanted->found;
}

static bool eni_is_there(struct aws_call *call, struct wanted_eni *wanted)
{
	const struct visitor look = {eni_look, wanted};

	(void)(endpoints_walk(call, &look) && lbs_walk(call, &look));
	return wanted->found;
}

/* Whether the interface that the request names is the caller's. */
static int eni_find(struct aws_call *call, const char **ret_id)
{
	struct wanted_eni wanted = {.id = cv_query_str(&call->params, "NetworkInterfaceId")};
	int ret = cv_aws_ec2_id_check(call, &eni_kind, wanted.id);

	*ret_id = wanted.id;
	if (ret == 0 && !eni_is_there(call, &wanted))
		ret = cv_aws_ec2_unknown(call, &eni_kind, wanted.id);
	return ret;
}

static int delete_eni(struct aws_call *call)
{
	const char *id;

	if (eni_find(call, &id) < 0)
		return -EINVAL;
	return cv_aws_fail(call, "InvalidParameterValue",
			   "Network interface '%.64s' is currently in use.", id);
}

static int modify_eni(struct aws_call *call)
{
	const char *id;

	if (eni_find(call, &id) < 0)
		return -EINVAL;
	cv_aws_fail(call, "AuthFailure",
		    "You do not have permission to access the specified resource.");
	call->err_status = 400; /* it is not the key that is wrong */
	return -EINVAL;
}

static int detach_eni(struct aws_call *call)
{
	struct wanted_eni wanted = {.attachment = cv_query_str(&call->params, "AttachmentId")};

	if (!eni_is_there(call, &wanted))
		return cv_aws_fail(call, "InvalidAttachmentID.NotFound",
				   "The attachment ID '%.64s' does not exist", wanted.attachment);
	return cv_aws_fail(call, "OperationNotPermitted",
			   "You are not allowed to manage 'ela-attach' attachments.");
}

/* ---- the table ---- */

static const struct aws_param attribute_params[] = {
	AWS_DRY_RUN, AWS_ID("NetworkInterfaceId", AWS_REQUIRED),
	AWS_ENUM("Attribute", 0,
		 "description|groupSet|sourceDestCheck|attachment|associatePublicIpAddress")};
static const struct aws_param delete_params[] = {AWS_DRY_RUN,
						 AWS_ID("NetworkInterfaceId", AWS_REQUIRED)};
static const struct aws_param detach_params[] = {AWS_DRY_RUN, AWS_ID("AttachmentId", AWS_REQUIRED),
						 AWS_BOOL("Force")};
static const struct aws_param modify_params[] = {
	AWS_DRY_RUN,
	AWS_ID("NetworkInterfaceId", AWS_REQUIRED),
	AWS_ID("Attachment.AttachmentId", 0),
	AWS_BOOL("Attachment.DeleteOnTermination"),
	AWS_STR("Description.Value", 0, 0, 255),
	AWS_ID("SecurityGroupId.N", 0),
	AWS_BOOL("SourceDestCheck.Value"),
};
static const struct aws_param params[] = {AWS_DRY_RUN, AWS_FILTERS,
					  AWS_ID("NetworkInterfaceId.N", 0), AWS_PAGES(5, 1000)};
static const char *const filters[] = {EIP_OF_ADDRESSES,
				      "addresses.primary",
				      "addresses.private-ip-address",
				      EIP,
				      "attachment.attach-time",
				      "attachment.attachment-id",
				      "attachment.delete-on-termination",
				      "attachment.device-index",
				      "attachment.instance-id",
				      "attachment.instance-owner-id",
				      "attachment.status",
				      "availability-zone",
				      "description",
				      "group-id",
				      "group-name",
				      "interface-type",
				      "ipv6-addresses.ipv6-address",
				      "mac-address",
				      "network-interface-id",
				      "owner-id",
				      "private-dns-name",
				      "private-ip-address",
				      "requester-id",
				      "requester-managed",
				      "source-dest-check",
				      "status",
				      "subnet-id",
				      "tag-key",
				      "tag:*",
				      "vpc-id",
				      NULL};

#define ENI "networkInterfaceSet."

static const struct aws_action actions[] = {
	{
		.name = "DeleteNetworkInterface",
		.handle = delete_eni,
		AWS_PARAMS(delete_params),
	},
	{
		.name = "DescribeNetworkInterfaceAttribute",
		.handle = describe_attribute,
		AWS_PARAMS(attribute_params),
		.answers =
			"networkInterfaceId description.value groupSet.groupName groupSet.groupId "
			"sourceDestCheck.value attachment.attachmentId "
			"attachment.deleteOnTermination attachment.deviceIndex "
			"attachment.instanceOwnerId attachment.status",
	},
	{
		.name = "DescribeNetworkInterfaces",
		.handle = describe_enis,
		AWS_PARAMS(params),
		.filters = filters,
		.page_default = EC2_PAGE_MAX,
		.answers = ENI
		"networkInterfaceId " ENI "subnetId " ENI "vpcId " ENI "availabilityZone " ENI
		"description " ENI "ownerId " ENI "requesterId " ENI "requesterManaged " ENI
		"status " ENI "macAddress " ENI "privateIpAddress " ENI "sourceDestCheck " ENI
		"interfaceType " ENI "attachment.attachmentId " ENI
		"attachment.deleteOnTermination " ENI "attachment.deviceIndex " ENI
		"attachment.instanceOwnerId " ENI "attachment.status " ENI "groupSet.groupName " ENI
		"groupSet.groupId " ENI "ipv6AddressesSet " ENI "privateIpAddressesSet.primary " ENI
		"privateIpAddressesSet.privateIpAddress " ENI "tagSet nextToken",
	},
	{
		.name = "DetachNetworkInterface",
		.handle = detach_eni,
		AWS_PARAMS(detach_params),
	},
	{
		.name = "ModifyNetworkInterfaceAttribute",
		.handle = modify_eni,
		AWS_PARAMS(modify_params),
	},
};

const struct aws_group cv_aws_ec2_eni_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
