/* SPDX-License-Identifier: BSD-3-Clause */

/* VPCs and subnets go and change. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* AWS's answer to the removal of what others need. */
bool cv_model_is_free(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx)
{
	if (cv_model_meta_at(ctx->model, kind, idx)->n_users == 0)
		return true;
	cv_model_err(ctx, EBUSY, "DependencyViolation", "",
		     "The %s '%s' has dependencies and cannot be deleted.",
		     cv_model_word(kind)->noun, cv_model_id_at(ctx->model, kind, idx));
	return false;
}

/* Deleted endpoints that are still shown are no dependency; they go with their VPC. */
static void deleted_vanish(struct model_ctx *ctx, uint32_t vpc)
{
	for (uint32_t i = 0; i < ctx->model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &ctx->model->endpoints[i];

		if (!endpoint->meta.gone && endpoint->vpc == vpc)
			cv_model_endpoint_vanish(ctx, i);
	}
}

void cv_model_vpc_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct cv_model_vpc *vpc = &model->vpcs[idx];
	struct model_key attach = cv_model_attach_key(vpc->port, vpc->vlan, vpc->vxlan.vni);

	if (!cv_model_is_free(ctx, CV_MODEL_VPC, idx))
		return;
	cv_model_touch(ctx, CV_MODEL_VPC, idx);
	deleted_vanish(ctx, idx);
	cv_model_default_sg_vanish(ctx, idx);
	cv_model_index_remove(model->index, &attach);
	cv_model_str_free(model, vpc->port);
	free(vpc->cidrs);
	free(vpc->vxlan.peers);
	cv_model_vanish(ctx, CV_MODEL_VPC, idx, CV_MODEL_NONE);
}

void cv_model_subnet_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct cv_model_subnet *subnet = &model->subnets[idx];
	uint32_t vpc = subnet->vpc;

	if (!cv_model_is_free(ctx, CV_MODEL_SUBNET, idx))
		return;
	cv_model_touch(ctx, CV_MODEL_SUBNET, idx);
	if (subnet->gateway != 0)
		cv_model_addr_drop(model, vpc, subnet->gateway);
	cv_model_subnet_unpublish(model, idx);
	cv_model_str_free(model, subnet->zone_name);
	cv_model_vanish(ctx, CV_MODEL_SUBNET, idx, vpc);
	cv_model_use(model, CV_MODEL_VPC, vpc, -1);
}

static bool switched(bool is, int want)
{
	return want == CV_MODEL_KEEP ? is : want != 0;
}

int cv_model_vpc_change(struct cv_model *model, const struct cv_model_by *by,
			const struct cv_model_vpc_change *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_VPC};
	bool support, hostnames;
	struct cv_model_vpc *vpc;
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_VPC, req->vpc);
	if (idx == CV_MODEL_NONE)
		return cv_model_end(&ctx);
	vpc = &model->vpcs[idx];
	support = switched(vpc->dns_support, req->dns_support);
	hostnames = switched(vpc->dns_hostnames, req->dns_hostnames);
	if ((support == vpc->dns_support && hostnames == vpc->dns_hostnames) ||
	    !cv_model_check_mutable(&ctx, CV_MODEL_VPC, idx))
		return cv_model_end(&ctx);
	vpc->dns_support = support;
	vpc->dns_hostnames = hostnames;
	cv_model_touch(&ctx, CV_MODEL_VPC, idx);
	return cv_model_end(&ctx);
}
