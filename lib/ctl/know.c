/* SPDX-License-Identifier: BSD-3-Clause */

/* What control knows, for the APIs. */

#include "cv_ctl_know.h"

#include "ctl_priv.h"

const struct cv_model *cv_ctl_served(struct cv_ctl *ctl, const struct cv_health **ret_health)
{
	*ret_health = ctl->health;
	return ctl->conf->model;
}

bool cv_ctl_draining_at(const struct cv_ctl *ctl, uint32_t i, struct cv_ctl_draining *ret)
{
	for (uint32_t k = 0; k < ctl->drains.n; k++) {
		const struct ctl_drain *drain = &ctl->drains.items[k];

		/* What is over is only kept until its flows are gone. */
		if (drain->over || i-- > 0)
			continue;
		*ret = (struct cv_ctl_draining){drain->arn, drain->ip, drain->port, drain->zone};
		return true;
	}
	return false;
}
