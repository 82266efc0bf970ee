/* SPDX-License-Identifier: BSD-3-Clause */

/* What control knows, for the APIs. */

#include "cv_ctl_know.h"

#include "ctl_priv.h"

const struct cv_model *cv_ctl_served(struct cv_ctl *ctl, const struct cv_health **ret_health)
{
	*ret_health = ctl->health;
	return ctl->conf->model;
}

void cv_ctl_draining(const struct cv_ctl *ctl, cv_ctl_draining_fn *fn, void *arg)
{
	for (uint32_t i = 0; i < ctl->drains.n; i++) {
		const struct ctl_drain *drain = &ctl->drains.items[i];
		const struct cv_ctl_draining draining = {drain->arn, drain->ip, drain->port,
							 drain->zone};

		/* What is over is only kept until its flows are gone. */
		if (!drain->over)
			fn(arg, &draining);
	}
}

uint32_t cv_ctl_targets_gone(const struct cv_ctl *ctl)
{
	const struct ctl_gone *gone = &ctl->recycle.gone[CV_PLAN_TARGET];
	uint32_t served = ctl->conf->model->n_targets, n = 0;

	for (uint32_t slot = 0; slot < gone->n; slot++)
		n += gone->since[slot] != 0;
	return n + (served > ctl->model->n_targets ? served - ctl->model->n_targets : 0);
}
