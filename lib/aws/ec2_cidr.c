/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: more CIDRs of VPCs. */

#include <errno.h>
#include <string.h>

#include "cv_model_cidr.h"

#include "ec2_priv.h"

static void association_write(struct aws_call *call, uint32_t vpc, struct cv_prefix cidr,
			      const char *state)
{
	struct cv_xml *out = call->out;

	cv_xml_open(out, "cidrBlockAssociation");
	cv_xml_str(out, "cidrBlock", cv_aws_ec2_prefix(call, cidr));
	cv_xml_str(out, "associationId", cv_aws_ec2_cidr_id(call, &call->model->vpcs[vpc], cidr));
	cv_xml_open(out, "cidrBlockState");
	cv_xml_str(out, "state", state);
	cv_xml_close(out);
	cv_xml_close(out);
	cv_xml_str(out, "vpcId", call->model->vpcs[vpc].id);
}

static int associate(struct aws_call *call)
{
	const char *id = cv_query_str(&call->params, "VpcId");
	struct cv_model_errs errs = {0};
	struct cv_prefix cidr;
	uint32_t vpc;
	int ret = cv_aws_ec2_find(call, &cv_aws_ec2_vpc, id, &vpc);

	if (ret == 0 && cv_aws_bool(&call->params, "AmazonProvidedIpv6CidrBlock", false))
		ret = cv_aws_fail(call, "UnsupportedOperation", "There is no IPv6 here");
	if (ret == 0)
		ret = cv_aws_ec2_vpc_cidr(call, &cidr);
	if (ret < 0)
		return ret;
	ret = cv_model_cidr_add(call->model, &call->by, id, &cidr, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	if (ret == 0)
		association_write(call, vpc, cidr, "associating");
	return ret;
}

/* The caller's VPC that has it. @return false: none has */
static bool association_find(struct aws_call *call, const char *id, uint32_t *ret_vpc,
			     uint32_t *ret_cidr)
{
	const struct cv_model *model = call->model;

	for (uint32_t v = 0; v < model->n_vpcs; v++) {
		const struct cv_model_vpc *vpc = &model->vpcs[v];

		if (vpc->meta.gone || vpc->owner != call->account)
			continue;
		for (uint32_t i = 0; i < vpc->n_cidrs; i++) {
			if (strcmp(cv_aws_ec2_cidr_id(call, vpc, vpc->cidrs[i]), id) == 0) {
				*ret_vpc = v;
				*ret_cidr = i;
				return true;
			}
		}
	}
	return false;
}

static int disassociate(struct aws_call *call)
{
	const char *id = cv_query_str(&call->params, "AssociationId");
	struct cv_model_errs errs = {0};
	struct cv_prefix cidr;
	uint32_t vpc, i;
	int ret;

	if (!association_find(call, id, &vpc, &i))
		return cv_aws_fail(call, "InvalidVpcCidrBlockAssociationID.NotFound",
				   "The vpc CIDR block association ID '%.64s' does not exist", id);
	cidr = call->model->vpcs[vpc].cidrs[i];
	ret = cv_model_cidr_remove(call->model, &call->by, call->model->vpcs[vpc].id, i, &errs);
	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	if (ret == 0)
		association_write(call, vpc, cidr, "disassociating");
	return ret;
}

/* ---- the table ---- */

#define ANSWERS                                                              \
	"cidrBlockAssociation.cidrBlock cidrBlockAssociation.associationId " \
	"cidrBlockAssociation.cidrBlockState.state vpcId"

static const struct aws_param associate_params[] = {
	AWS_ID("VpcId", AWS_REQUIRED),
	AWS_STR("CidrBlock", 0, 1, 64),
	AWS_BOOL("AmazonProvidedIpv6CidrBlock"),
	AWS_REFUSE("Ipv4IpamPoolId"),
	AWS_REFUSE("Ipv4NetmaskLength"),
	AWS_REFUSE("Ipv6CidrBlock"),
	AWS_REFUSE("Ipv6CidrBlockNetworkBorderGroup"),
	AWS_REFUSE("Ipv6IpamPoolId"),
	AWS_REFUSE("Ipv6NetmaskLength"),
	AWS_REFUSE("Ipv6Pool"),
};
static const struct aws_param disassociate_params[] = {AWS_ID("AssociationId", AWS_REQUIRED)};

static const struct aws_action actions[] = {
	{
		.name = "AssociateVpcCidrBlock",
		.handle = associate,
		.flags = AWS_CHANGES,
		AWS_PARAMS(associate_params),
		.answers = ANSWERS,
	},
	{
		.name = "DisassociateVpcCidrBlock",
		.handle = disassociate,
		.flags = AWS_CHANGES,
		AWS_PARAMS(disassociate_params),
		.answers = ANSWERS,
	},
};

const struct aws_group cv_aws_ec2_cidr_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
