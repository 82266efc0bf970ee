/* SPDX-License-Identifier: BSD-3-Clause */

/* How long flows live: idle timeouts, and targets whose flows end. */

#include "plan_priv.h"

#include <errno.h>

/* Whom nodes open flows to, by slot: they keep those they have, also when all others are worse. */
static bool *chosen_get(struct plan_build *b)
{
	bool *chosen = cv_plan_mem_get(&b->tmp, b->spec.n_targets, sizeof(*chosen));

	for (uint32_t i = 0; chosen != NULL && i < b->spec.n_choices; i++) {
		for (uint32_t k = 0; k < b->lists[i].n; k++)
			chosen[b->choice_targets[b->lists[i].first + k]] = true;
	}
	return chosen;
}

static void unhealthy_fill(struct plan_build *b, const bool *chosen)
{
	for (uint32_t tg = 0; tg < b->model->n_tgs; tg++) {
		const struct cv_model_target_group *group = &b->model->tgs[tg];

		if (!group->drain.unhealthy_terminate && group->drain.unhealthy_seconds == 0)
			continue;
		for (uint32_t i = 0; i < group->n_targets; i++) {
			uint32_t slot = cv_plan_slot(b->plan, CV_PLAN_TARGET, tg, i);

			b->targets[slot].end =
				!chosen[slot] &&
				b->in->target_state(b->in->target_state_arg, tg, i,
						    CV_MODEL_NONE) == CV_MODEL_TARGET_UNHEALTHY;
		}
	}
}

int cv_plan_life_fill(struct plan_build *b)
{
	const struct cv_plan_in *in = b->in;
	const bool *chosen = in->target_state != NULL ? chosen_get(b) : NULL;

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
	if (in->target_state == NULL)
		return 0;
	if (chosen == NULL)
		return -ENOMEM;
	unhealthy_fill(b, chosen);
	return 0;
}
