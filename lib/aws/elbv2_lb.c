/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: load balancers. */

#include <errno.h>
#include <string.h>

#include "cv_model_names.h"

#include "elbv2_priv.h"

/* Of network load balancers in us-east-1; clients only pass it on. */
#define HOSTED_ZONE "Z26RNL4JYFTOTI"
/* Subnets of one request: more zones than there are. */
#define PLACES_MAX 64

/* Load balancers that one request may name, as AWS has it. */
#define ARNS_MAX 20

#define LBS "LoadBalancers."
#define ENFORCE "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"

/* ---- what is told ---- */

static void node_write(struct aws_call *call, const struct cv_model_node *node)
{
	struct cv_xml *out = call->out;
	char text[CV_NET_STR_LEN];

	cv_xml_item(out);
	cv_xml_str(out, "ZoneName", cv_aws_zone_name(call, node->zone));
	cv_xml_str(out, "SubnetId", call->model->subnets[node->subnet].id);
	cv_xml_open(out, "LoadBalancerAddresses");
	/* As AWS: those that were chosen are not told here. */
	for (uint32_t i = 0; i < node->n_asked; i++) {
		cv_xml_item(out);
		cv_xml_str(out, "PrivateIPv4Address", cv_ip4_str(node->ips[i], text));
		cv_xml_close(out);
	}
	cv_xml_close(out);
	cv_xml_close(out);
}

static void nodes_write(struct aws_call *call, const struct cv_model_lb *lb)
{
	cv_xml_open(call->out, "AvailabilityZones");
	for (uint32_t i = 0; i < lb->n_nodes; i++)
		node_write(call, &lb->nodes[i]);
	cv_xml_close(call->out);
}

static void sgs_write(struct aws_call *call, const char *name, const struct cv_model_lb *lb)
{
	cv_xml_open(call->out, name);
	for (uint32_t i = 0; i < lb->n_sgs; i++)
		cv_xml_item_str(call->out, call->model->sgs[lb->sgs[i]].id);
	cv_xml_close(call->out);
}

/* Active once the data plane has it. */
static const char *state_get(struct aws_call *call, const struct cv_model_lb *lb)
{
	const struct cv_health *health;
	const struct cv_model *served = cv_aws_elb_served(call, &health);

	if (served == NULL ||
	    cv_model_find(served, CV_MODEL_LB, CV_MODEL_NONE, lb->arn) == CV_MODEL_NONE)
		return "provisioning";
	return "active";
}

static void lb_write(struct aws_call *call, const struct cv_model_lb *lb)
{
	uint32_t idx = (uint32_t)(lb - call->model->lbs);
	struct cv_xml *out = call->out;
	char dns[CV_MODEL_DNS_LEN];

	cv_xml_item(out);
	cv_xml_str(out, "LoadBalancerArn", lb->arn);
	cv_xml_str(out, "DNSName", cv_model_lb_dns(call->model, idx, CV_MODEL_NONE, dns));
	cv_xml_str(out, "CanonicalHostedZoneId", HOSTED_ZONE);
	cv_xml_time(out, "CreatedTime", (time_t)lb->meta.created, 0);
	cv_xml_str(out, "LoadBalancerName", lb->name);
	cv_xml_str(out, "Scheme", "internal");
	cv_xml_str(out, "VpcId", call->model->vpcs[lb->vpc].id);
	cv_xml_open(out, "State");
	cv_xml_str(out, "Code", state_get(call, lb));
	cv_xml_close(out);
	cv_xml_str(out, "Type", "network");
	nodes_write(call, lb);
	sgs_write(call, "SecurityGroups", lb);
	cv_xml_str(out, "IpAddressType", "ipv4");
	if (lb->n_sgs > 0)
		cv_xml_str(out, ENFORCE, lb->sg_on_privatelink ? "on" : "off");
	cv_xml_close(out);
}

#define ZONES_ANSWERS(at) \
	at "ZoneName " at "SubnetId " at "LoadBalancerAddresses.PrivateIPv4Address "
/* clang-format off */
#define LB_ANSWERS \
	LBS "LoadBalancerArn " LBS "DNSName " LBS "CanonicalHostedZoneId " LBS "CreatedTime " \
	LBS "LoadBalancerName " LBS "Scheme " LBS "VpcId " LBS "State.Code " LBS "Type " \
	ZONES_ANSWERS(LBS "AvailabilityZones.") \
	LBS "SecurityGroups " LBS "IpAddressType " LBS ENFORCE
/* clang-format on */

/* ---- subnets of a request ---- */

struct places {
	struct cv_model_place_req reqs[PLACES_MAX];
	cv_be32_t ips[PLACES_MAX];
	uint32_t subnets[PLACES_MAX];
	uint32_t n;
	uint32_t vpc; /* of all */
};

static int place_check(struct aws_call *call, struct places *places, const char *subnet)
{
	const struct cv_model *model = call->model;
	uint32_t idx = CV_MODEL_NONE;

	if (cv_model_kind_of(subnet) == CV_MODEL_SUBNET)
		idx = cv_model_find(model, CV_MODEL_SUBNET, CV_MODEL_NONE, subnet);
	if (idx == CV_MODEL_NONE || cv_model_owner(model, CV_MODEL_SUBNET, idx) != call->account)
		return cv_aws_fail(call, "SubnetNotFound", "The subnet ID '%.64s' does not exist",
				   subnet);
	if (places->n == 0)
		places->vpc = model->subnets[idx].vpc;
	else if (places->vpc != model->subnets[idx].vpc)
		return cv_aws_fail(call, "InvalidConfigurationRequest",
				   "All subnets must belong to the same VPC: '%s'",
				   model->vpcs[places->vpc].id);
	for (uint32_t i = 0; i < places->n; i++) {
		if (model->subnets[places->subnets[i]].zone == model->subnets[idx].zone)
			return cv_aws_fail(
				call, "InvalidConfigurationRequest",
				"A load balancer cannot be attached to multiple subnets in "
				"the same Availability Zone: '%s' and '%s' are both in %s",
				places->reqs[i].subnet, subnet,
				cv_aws_zone_name(call, model->subnets[idx].zone));
	}
	places->subnets[places->n] = idx;
	return 0;
}

static int ip_check(struct aws_call *call, const struct places *places, const char *text)
{
	const struct cv_model_subnet *subnet = &call->model->subnets[places->subnets[places->n]];
	char cidr[CV_NET_STR_LEN];

	if (cv_prefix_has(&subnet->cidr, places->ips[places->n]))
		return 0;
	return cv_aws_fail(call, "ValidationError",
			   "The IP address '%.64s' is not in the subnet '%s' (%s)", text,
			   subnet->id, cv_prefix_str(&subnet->cidr, cidr));
}

static int place_add(struct aws_call *call, struct places *places, const char *subnet,
		     const char *ip)
{
	struct cv_model_place_req *req = &places->reqs[places->n];
	int ret;

	if (subnet == NULL)
		return cv_aws_fail(call, "ValidationError", "A subnet mapping needs a subnet ID");
	if (places->n == PLACES_MAX)
		return cv_aws_fail(call, "ValidationError", "Too many subnets: at most %d",
				   PLACES_MAX);
	for (uint32_t i = 0; i < places->n; i++) {
		if (strcmp(places->reqs[i].subnet, subnet) == 0)
			return cv_aws_fail(call, "InvalidConfigurationRequest",
					   "The subnet '%.64s' is there more than once", subnet);
	}
	ret = place_check(call, places, subnet);
	if (ret < 0)
		return ret;
	*req = (struct cv_model_place_req){.subnet = subnet, .ips = &places->ips[places->n]};
	if (ip != NULL) {
		if (!cv_ip4_parse(ip, &places->ips[places->n]))
			return cv_aws_fail(call, "ValidationError",
					   "'%.64s' is not a valid IPv4 address", ip);
		if (ip_check(call, places, ip) < 0)
			return -EINVAL;
		req->n_ips = 1;
	}
	places->n++;
	return 0;
}

static int places_read(struct aws_call *call, struct places *places)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "SubnetMappings.member")};
	uint32_t n;
	const char *const *subnets = cv_aws_strs(call, "Subnets.member", &n);
	int ret = 0;

	if (n > 0 && cv_query_count(&iter.list) > 0)
		return cv_aws_fail(call, "ValidationError",
				   "You cannot specify both subnets and subnet mappings");
	for (uint32_t i = 0; i < n && ret == 0; i++)
		ret = place_add(call, places, subnets[i], NULL);
	while (ret == 0 && cv_query_next(&iter))
		ret = place_add(call, places, cv_query_str(&iter.item, "SubnetId"),
				cv_query_str(&iter.item, "PrivateIPv4Address"));
	if (ret == 0 && places->n == 0)
		return cv_aws_fail(call, "ValidationError",
				   "At least one subnet must be specified");
	return ret;
}

/* ---- CreateLoadBalancer ---- */

static int kind_check(struct aws_call *call)
{
	const char *type = cv_query_str(&call->params, "Type");
	const char *scheme = cv_query_str(&call->params, "Scheme");
	const char *ip = cv_query_str(&call->params, "IpAddressType");
	const char *name = cv_query_str(&call->params, "Name");

	if (type == NULL || strcmp(type, "network") != 0)
		return cv_aws_fail(call, "ValidationError",
				   "Load balancers of type '%s' are not supported: culvert makes "
				   "network load balancers, say Type=network",
				   type != NULL ? type : "application");
	if (scheme != NULL && strcmp(scheme, "internal") != 0)
		return cv_aws_fail(call, "InvalidScheme",
				   "The scheme '%s' is not supported: culvert's load balancers are "
				   "internal",
				   scheme);
	if (ip != NULL && strcmp(ip, "ipv4") != 0)
		return cv_aws_fail(call, "InvalidConfigurationRequest",
				   "The IP address type '%s' is not supported: culvert's load "
				   "balancers are ipv4",
				   ip);
	if (strncmp(name, "internal-", 9) == 0)
		return cv_aws_fail(call, "ValidationError",
				   "The load balancer name '%.64s' cannot begin with 'internal-'",
				   name);
	return 0;
}

static uint32_t named_find(const struct aws_call *call, const char *name)
{
	const struct cv_model *model = call->model;

	for (uint32_t i = 0; i < model->n_lbs; i++) {
		if (!model->lbs[i].meta.gone && strcmp(model->lbs[i].name, name) == 0 &&
		    cv_model_owner(model, CV_MODEL_LB, i) == call->account)
			return i;
	}
	return CV_MODEL_NONE;
}

static bool place_is_in(const struct cv_model *model, const struct cv_model_lb *lb,
			const struct cv_model_place_req *place)
{
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		const struct cv_model_node *node = &lb->nodes[i];

		if (strcmp(model->subnets[node->subnet].id, place->subnet) == 0)
			return place->n_ips == 0 || place->ips[0] == node->ips[0];
	}
	return false;
}

static bool sg_is_in(const struct cv_model *model, const struct cv_model_lb *lb, const char *sg)
{
	for (uint32_t i = 0; i < lb->n_sgs; i++) {
		if (strcmp(model->sgs[lb->sgs[i]].id, sg) == 0)
			return true;
	}
	return false;
}

/* Whether a request asks for what is there: then it is answered as if it had made it. */
static bool is_same(const struct aws_call *call, const struct cv_model_lb *lb,
		    const struct cv_model_lb_req *req)
{
	bool same = lb->n_nodes == req->n_places && lb->n_sgs == req->n_sgs;

	for (uint32_t i = 0; i < req->n_places; i++)
		same = same && place_is_in(call->model, lb, &req->places[i]);
	for (uint32_t i = 0; i < req->n_sgs; i++)
		same = same && sg_is_in(call->model, lb, req->sgs[i]);
	return same;
}

static int lb_make(struct aws_call *call, const struct cv_model_lb_req *req, uint32_t *ret_idx)
{
	struct cv_model_errs errs = {0};
	int ret;

	*ret_idx = named_find(call, req->name);
	if (*ret_idx != CV_MODEL_NONE) {
		if (is_same(call, &call->model->lbs[*ret_idx], req))
			return 0;
		return cv_aws_fail(call, "DuplicateLoadBalancerName",
				   "A load balancer with the same name '%s' exists, but with "
				   "different settings",
				   req->name);
	}
	ret = cv_aws_elb_end(call, &errs, cv_model_lb_add(call->model, req, &errs));
	if (ret == 0)
		*ret_idx = named_find(call, req->name);
	return ret;
}

/* Each once: AWS takes what is named twice as one. */
static int sgs_read(struct aws_call *call, const char *const **ret_sgs, uint32_t *ret_n)
{
	uint32_t n, n_kept = 0;
	const char *const *asked = cv_aws_strs(call, "SecurityGroups.member", &n);
	const char **sgs = cv_aws_alloc(call, (n + 1) * sizeof(*sgs));

	if (sgs == NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = 0;

		if (cv_model_kind_of(asked[i]) != CV_MODEL_SG)
			return cv_aws_fail(call, "InvalidSecurityGroup",
					   "The security group ID '%.64s' is not valid", asked[i]);
		while (k < n_kept && strcmp(sgs[k], asked[i]) != 0)
			k++;
		if (k == n_kept)
			sgs[n_kept++] = asked[i];
	}
	*ret_sgs = sgs;
	*ret_n = n_kept;
	return 0;
}

static int create_lb(struct aws_call *call)
{
	struct places *places = cv_aws_alloc(call, sizeof(*places));
	struct cv_model_lb_req req = {.by = &call->by, .sg_on_privatelink = true};
	uint32_t idx;
	int ret;

	if (places == NULL)
		return -EINVAL;
	ret = kind_check(call);
	if (ret == 0)
		ret = places_read(call, places);
	if (ret == 0)
		ret = cv_aws_tags(call, NULL, &call->by.tags, &call->by.n_tags);
	if (ret == 0)
		ret = sgs_read(call, &req.sgs, &req.n_sgs);
	if (ret < 0)
		return ret;
	req.name = cv_query_str(&call->params, "Name");
	req.vpc = call->model->vpcs[places->vpc].id;
	req.places = places->reqs;
	req.n_places = places->n;
	ret = lb_make(call, &req, &idx);
	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "LoadBalancers");
	lb_write(call, &call->model->lbs[idx]);
	cv_xml_close(call->out);
	return 0;
}

/* ---- DescribeLoadBalancers ---- */

static int wanted_read(struct aws_call *call, struct elb_wanted *arns, struct elb_wanted *names)
{
	arns->texts = cv_aws_strs(call, "LoadBalancerArns.member", &arns->n);
	names->texts = cv_aws_strs(call, "Names.member", &names->n);
	if (arns->n > ARNS_MAX)
		return cv_aws_fail(call, "ValidationError",
				   "Up to %d load balancer ARNs can be specified at the same time",
				   ARNS_MAX);
	if (arns->n > 0 && names->n > 0)
		return cv_aws_fail(
			call, "ValidationError",
			"Load balancer names and load balancer ARNs cannot be specified at "
			"the same time");
	for (uint32_t i = 0; i < arns->n; i++) {
		if (cv_aws_elb_find(call, CV_MODEL_LB, arns->texts[i], NULL) == CV_MODEL_NONE)
			return -EINVAL;
	}
	for (uint32_t i = 0; i < names->n; i++) {
		if (named_find(call, names->texts[i]) == CV_MODEL_NONE)
			return cv_aws_fail(call, "LoadBalancerNotFound",
					   "Load balancers '[%.64s]' not found", names->texts[i]);
	}
	return 0;
}

static int describe_lbs(struct aws_call *call)
{
	const struct cv_model *model = call->model;
	struct elb_wanted arns, names;
	int ret = wanted_read(call, &arns, &names);

	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "LoadBalancers");
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		const struct cv_model_lb *lb = &model->lbs[i];

		if (!lb->meta.gone && cv_model_owner(model, CV_MODEL_LB, i) == call->account &&
		    cv_aws_elb_is_wanted(&arns, lb->arn) &&
		    cv_aws_elb_is_wanted(&names, lb->name) && cv_aws_page_key(call, lb->arn, NULL))
			lb_write(call, lb);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- changes ---- */

static int delete_lb(struct aws_call *call)
{
	return cv_aws_elb_delete(call, CV_MODEL_LB, cv_query_str(&call->params, "LoadBalancerArn"),
				 true);
}

static int set_subnets(struct aws_call *call)
{
	const char *ip_type = cv_query_str(&call->params, "IpAddressType");
	struct places *places = cv_aws_alloc(call, sizeof(*places));
	struct cv_model_subnets_set req = {.lb = cv_query_str(&call->params, "LoadBalancerArn")};
	uint32_t idx = cv_aws_elb_find(call, CV_MODEL_LB, req.lb, NULL);
	struct cv_model_errs errs = {0};
	int ret;

	if (places == NULL || idx == CV_MODEL_NONE)
		return -EINVAL;
	if (ip_type != NULL && strcmp(ip_type, "ipv4") != 0)
		return cv_aws_fail(call, "InvalidConfigurationRequest",
				   "The IP address type '%s' is not supported", ip_type);
	ret = places_read(call, places);
	if (ret == 0 && places->vpc != call->model->lbs[idx].vpc)
		ret = cv_aws_fail(call, "InvalidConfigurationRequest",
				  "All subnets must belong to the same VPC: '%s'",
				  call->model->vpcs[call->model->lbs[idx].vpc].id);
	if (ret < 0)
		return ret;
	req.places = places->reqs;
	req.n_places = places->n;
	ret = cv_aws_elb_end(call, &errs,
			     cv_model_subnets_set(call->model, &call->by, &req, &errs));
	if (ret < 0)
		return ret;
	nodes_write(call, &call->model->lbs[idx]);
	cv_xml_str(call->out, "IpAddressType", "ipv4");
	return 0;
}

static int set_sgs(struct aws_call *call)
{
	const char *enforce = cv_query_str(&call->params, ENFORCE);
	struct cv_model_sgs_set req = {
		.lb = cv_query_str(&call->params, "LoadBalancerArn"),
		.sg_on_privatelink = enforce == NULL ? CV_MODEL_KEEP : strcmp(enforce, "on") == 0,
	};
	uint32_t idx = cv_aws_elb_find(call, CV_MODEL_LB, req.lb, NULL);
	struct cv_model_errs errs = {0};
	int ret;

	if (idx == CV_MODEL_NONE)
		return -EINVAL;
	ret = sgs_read(call, &req.sgs, &req.n_sgs);
	if (ret < 0)
		return ret;
	ret = cv_aws_elb_end(call, &errs, cv_model_sgs_set(call->model, &call->by, &req, &errs));
	if (ret < 0)
		return ret;
	sgs_write(call, "SecurityGroupIds", &call->model->lbs[idx]);
	cv_xml_str(call->out, ENFORCE, call->model->lbs[idx].sg_on_privatelink ? "on" : "off");
	return 0;
}

static int set_ip_type(struct aws_call *call)
{
	const char *type = cv_query_str(&call->params, "IpAddressType");

	if (cv_aws_elb_find(call, CV_MODEL_LB, cv_query_str(&call->params, "LoadBalancerArn"),
			    NULL) == CV_MODEL_NONE)
		return -EINVAL;
	if (strcmp(type, "ipv4") != 0)
		return cv_aws_fail(call, "InvalidConfigurationRequest",
				   "The IP address type '%s' is not supported: culvert's load "
				   "balancers are ipv4",
				   type);
	cv_xml_str(call->out, "IpAddressType", type);
	return 0;
}

/* ---- the table ---- */

#define IP_TYPES "ipv4|dualstack|dualstack-without-public-ipv4"
#define PLACE_PARAMS                                                                  \
	AWS_ID("Subnets.member.N", 0), AWS_ID("SubnetMappings.member.N.SubnetId", 0), \
		AWS_REFUSE("SubnetMappings.member.N.AllocationId"),                   \
		AWS_STR("SubnetMappings.member.N.PrivateIPv4Address", 0, 1, 64),      \
		AWS_REFUSE("SubnetMappings.member.N.IPv6Address"),                    \
		AWS_REFUSE("SubnetMappings.member.N.SourceNatIpv6Prefix")

static const struct aws_param create_params[] = {
	AWS_STR("Name", AWS_REQUIRED, 1, 255),
	PLACE_PARAMS,
	AWS_ID("SecurityGroups.member.N", 0),
	AWS_ENUM("Scheme", 0, "internet-facing|internal"),
	AWS_MEMBER_TAGS,
	AWS_ENUM("Type", 0, "application|network|gateway"),
	AWS_ENUM("IpAddressType", 0, IP_TYPES),
	AWS_REFUSE("CustomerOwnedIpv4Pool"),
	AWS_REFUSE("IpamPools.Ipv4IpamPoolId"),
	AWS_ENUM("EnablePrefixForIpv6SourceNat", 0, "off"),
};
static const struct aws_param describe_params[] = {AWS_ID("LoadBalancerArns.member.N", 0),
						   AWS_ID("Names.member.N", 0), AWS_MARKER_PAGES};
static const struct aws_param arn_params[] = {AWS_ID("LoadBalancerArn", AWS_REQUIRED)};
static const struct aws_param subnets_params[] = {
	AWS_ID("LoadBalancerArn", AWS_REQUIRED),
	PLACE_PARAMS,
	AWS_ENUM("IpAddressType", 0, IP_TYPES),
	AWS_ENUM("EnablePrefixForIpv6SourceNat", 0, "off"),
};
static const struct aws_param sgs_params[] = {
	AWS_ID("LoadBalancerArn", AWS_REQUIRED),
	AWS_ID("SecurityGroups.member.N", AWS_REQUIRED),
	AWS_ENUM(ENFORCE, 0, "on|off"),
};
static const struct aws_param ip_type_params[] = {
	AWS_ID("LoadBalancerArn", AWS_REQUIRED),
	AWS_ENUM("IpAddressType", AWS_REQUIRED, IP_TYPES),
};

static const struct aws_action actions[] = {
	{
		.name = "CreateLoadBalancer",
		.handle = create_lb,
		.flags = AWS_CHANGES,
		AWS_PARAMS(create_params),
		.answers = LB_ANSWERS,
	},
	{
		.name = "DescribeLoadBalancers",
		.handle = describe_lbs,
		AWS_PARAMS(describe_params),
		.page_default = 400,
		.answers = LB_ANSWERS " NextMarker",
	},
	{
		.name = "DeleteLoadBalancer",
		.handle = delete_lb,
		.flags = AWS_CHANGES,
		AWS_PARAMS(arn_params),
	},
	{
		.name = "SetSubnets",
		.handle = set_subnets,
		.flags = AWS_CHANGES,
		AWS_PARAMS(subnets_params),
		.answers = ZONES_ANSWERS("AvailabilityZones.") "IpAddressType",
	},
	{
		.name = "SetSecurityGroups",
		.handle = set_sgs,
		.flags = AWS_CHANGES,
		AWS_PARAMS(sgs_params),
		.answers = "SecurityGroupIds " ENFORCE,
	},
	{
		.name = "SetIpAddressType",
		.handle = set_ip_type,
		AWS_PARAMS(ip_type_params),
		.answers = "IpAddressType",
	},
};

const struct aws_group cv_aws_elbv2_lb_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
