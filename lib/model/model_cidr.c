/* SPDX-License-Identifier: BSD-3-Clause */

/* CIDRs of VPCs beside their first. */

#include "cv_model_cidr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

static void add_check(struct model_ctx *ctx, const struct cv_model_vpc *vpc,
		      const struct cv_prefix *cidr)
{
	char a[CV_NET_STR_LEN], b[CV_NET_STR_LEN];

	if (vpc->n_cidrs >= CV_MODEL_CIDRS_MAX)
		cv_model_err(ctx, EINVAL, "CidrLimitExceeded", "",
			     "This network '%s' has met its maximum number of allowed CIDRs: %d",
			     vpc->id, CV_MODEL_CIDRS_MAX);
	for (uint32_t i = 0; i < vpc->n_cidrs; i++) {
		if (cv_prefix_overlaps(cidr, &vpc->cidrs[i]))
			cv_model_err(ctx, EINVAL, "InvalidVpc.Range", "",
				     "The CIDR '%s' conflicts with the CIDR '%s' of the VPC",
				     cv_prefix_str(cidr, a), cv_prefix_str(&vpc->cidrs[i], b));
	}
}

/* Index of the VPC; CV_MODEL_NONE: it is none that may be changed, and the error is there. */
static uint32_t change_begin(struct model_ctx *ctx, const struct cv_model_by *by,
			     const char *vpc_ref)
{
	uint32_t idx;

	cv_model_begin(ctx, by);
	idx = cv_model_subject(ctx, CV_MODEL_VPC, vpc_ref);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(ctx, CV_MODEL_VPC, idx))
		return CV_MODEL_NONE;
	return idx;
}

int cv_model_cidr_add(struct cv_model *model, const struct cv_model_by *by, const char *vpc_ref,
		      const struct cv_prefix *cidr, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_VPC};
	struct cv_prefix *cidrs = NULL;
	uint32_t idx = change_begin(&ctx, by, vpc_ref);
	struct cv_model_vpc *vpc;

	if (idx == CV_MODEL_NONE)
		return cv_model_end(&ctx);
	vpc = &model->vpcs[idx];
	add_check(&ctx, vpc, cidr);
	if (ctx.ret == 0) {
		cidrs = realloc(vpc->cidrs, (vpc->n_cidrs + 1) * sizeof(*cidrs));
		if (cidrs == NULL)
			cv_model_oom(&ctx);
	}
	if (cidrs != NULL) {
		vpc->cidrs = cidrs;
		vpc->cidrs[vpc->n_cidrs++] = *cidr;
		cv_model_touch(&ctx, CV_MODEL_VPC, idx);
	}
	return cv_model_end(&ctx);
}

/* A target without its VPC's address could not be put back after a restart. */
static bool has_target(const struct cv_model *model, uint32_t vpc, const struct cv_prefix *cidr)
{
	for (uint32_t i = 0; i < model->n_tgs; i++) {
		const struct cv_model_target_group *tg = &model->tgs[i];

		for (uint32_t k = 0; !tg->meta.gone && tg->vpc == vpc && k < tg->n_targets; k++) {
			if (cv_prefix_has(cidr, tg->targets[k].ip))
				return true;
		}
	}
	return false;
}

static void remove_check(struct model_ctx *ctx, uint32_t vpc_idx, uint32_t i)
{
	const struct cv_model *model = ctx->model;
	const struct cv_model_vpc *vpc = &model->vpcs[vpc_idx];
	const char *used = NULL;
	char text[CV_NET_STR_LEN];

	cv_prefix_str(&vpc->cidrs[i], text);
	if (i == 0) {
		cv_model_err(ctx, EINVAL, "OperationNotPermitted", "",
			     "The CIDR '%s' is the primary CIDR of the VPC '%s' and may not be "
			     "disassociated",
			     text, vpc->id);
		return;
	}
	for (uint32_t s = 0; used == NULL && s < model->n_subnets; s++) {
		const struct cv_model_subnet *subnet = &model->subnets[s];

		if (!subnet->meta.gone && subnet->vpc == vpc_idx &&
		    cv_prefix_has(&vpc->cidrs[i], subnet->cidr.addr))
			used = subnet->id;
	}
	if (used == NULL && has_target(model, vpc_idx, &vpc->cidrs[i]))
		used = "a registered target";
	if (used != NULL)
		cv_model_err(ctx, EBUSY, "DependencyViolation", "",
			     "The CIDR '%s' of the VPC '%s' is in use by %s", text, vpc->id, used);
}

int cv_model_cidr_remove(struct cv_model *model, const struct cv_model_by *by, const char *vpc_ref,
			 uint32_t i, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_VPC};
	uint32_t idx = change_begin(&ctx, by, vpc_ref);
	struct cv_model_vpc *vpc;

	if (idx == CV_MODEL_NONE)
		return cv_model_end(&ctx);
	vpc = &model->vpcs[idx];
	cv_assert(i < vpc->n_cidrs);
	remove_check(&ctx, idx, i);
	if (ctx.ret == 0) {
		memmove(&vpc->cidrs[i], &vpc->cidrs[i + 1],
			(--vpc->n_cidrs - i) * sizeof(*vpc->cidrs));
		cv_model_touch(&ctx, CV_MODEL_VPC, idx);
	}
	return cv_model_end(&ctx);
}
