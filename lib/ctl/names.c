/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_model_change.h"

#include "ctl_priv.h"

const char *cv_ctl_vpc_name(const struct cv_ctl *ctl, uint16_t slot)
{
	const struct cv_plan *plan = ctl->plan;
	uint32_t idx;

	if (slot >= plan->n_slots[CV_PLAN_VPC])
		return "?";
	idx = plan->objs[CV_PLAN_VPC][slot].idx;
	/* What carries VXLAN has no name but its port's. */
	if (cv_ctl_is_carrier(ctl, slot))
		return ctl->plan_model->vpcs[idx].port;
	return idx != CV_MODEL_NONE ? ctl->plan_model->vpcs[idx].name : "?";
}

bool cv_ctl_is_carrier(const struct cv_ctl *ctl, uint16_t slot)
{
	const struct cv_plan *plan = ctl->plan;

	return slot < plan->n_slots[CV_PLAN_VPC] &&
	       plan->objs[CV_PLAN_VPC][slot].idx != CV_MODEL_NONE &&
	       plan->objs[CV_PLAN_VPC][slot].owner != 0;
}

const char *cv_ctl_account_id(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
{
	return model->accounts[cv_model_owner(model, kind, idx)].id;
}

const char *cv_ctl_addr_str(cv_be32_t ip, uint16_t port, char *buf)
{
	uint32_t host = cv_be32_host(ip);

	snprintf(buf, CV_NET_STR_LEN, "%u.%u.%u.%u:%u", host >> 24, host >> 16 & 255,
		 host >> 8 & 255, host & 255, port);
	return buf;
}

const char *cv_ctl_time_str(time_t at, char *buf)
{
	struct tm tm;

	buf[0] = '\0';
	if (gmtime_r(&at, &tm) != NULL)
		strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return buf;
}
