/* SPDX-License-Identifier: BSD-3-Clause */

/* How long flows live: idle timeouts, and targets whose flows end. */

#include "plan_priv.h"

void cv_plan_life_fill(struct plan_build *b)
{
	const struct cv_plan_in *in = b->in;

	for (uint32_t i = 0; in->cfg->time_scale > 1 && i < b->spec.n_listeners; i++) {
		struct cv_view_listener *listener = &b->listeners[i];

		if (listener->idle_s > 0)
			listener->idle_s =
				(uint16_t)(1 + (listener->idle_s - 1) / in->cfg->time_scale);
	}
	for (uint32_t i = 0; i < in->n_ends; i++) {
		/* One that has come again keeps its flows. */
		if (in->ends[i] < b->spec.n_targets && !b->targets[in->ends[i]].used)
			b->targets[in->ends[i]].end = true;
	}
}
