/* SPDX-License-Identifier: BSD-3-Clause */

/* What control knows, for the APIs. */

#include "cv_ctl_know.h"

#include <string.h>

#include "cv_model_change.h"
#include "cv_model_ops.h"

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

/* Slots that nothing that serves needs, and that are not given out again yet. */
static uint32_t slots_gone(const struct cv_ctl *ctl, enum cv_plan_kind kind)
{
	const struct ctl_gone *gone = &ctl->recycle.gone[kind];
	uint32_t n = 0;

	for (uint32_t slot = 0; slot < gone->n; slot++)
		n += gone->since[slot] != 0;
	return n;
}

/* Whether a target of the model serves: where nothing has changed, it is at the same place. */
static bool target_serves(const struct cv_model *served, uint32_t tg, uint32_t idx,
			  const struct cv_model_target *t)
{
	const struct cv_model_target_group *at = &served->tgs[tg];

	if (idx < at->n_targets && at->targets[idx].ip == t->ip && at->targets[idx].port == t->port)
		return true;
	return cv_model_target_find(served, tg, t->ip, t->port) != CV_MODEL_NONE;
}

/* Targets that are not served yet: each will need a slot beside those that are. */
static uint32_t targets_new(const struct cv_model *model, const struct cv_model *served)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < model->n_tgs; i++) {
		const struct cv_model_target_group *tg = &model->tgs[i];

		if (i >= served->n_tgs || strcmp(tg->arn, served->tgs[i].arn) != 0) {
			n += tg->n_targets;
			continue;
		}
		for (uint32_t k = 0; k < tg->n_targets; k++)
			n += !target_serves(served, i, k, &tg->targets[k]);
	}
	return n;
}

uint32_t cv_ctl_targets_gone(const struct cv_ctl *ctl)
{
	const struct cv_model *served = ctl->conf->model;

	return slots_gone(ctl, CV_PLAN_TARGET) + served->n_targets +
	       targets_new(ctl->model, served) - ctl->model->n_targets;
}

static bool listener_serves(const struct cv_model *served, uint32_t lb, uint32_t idx,
			    const char *arn)
{
	if (lb < served->n_lbs && idx < served->lbs[lb].n_listeners &&
	    strcmp(served->lbs[lb].listeners[idx].arn, arn) == 0)
		return true;
	return cv_model_find(served, CV_MODEL_LISTENER, CV_MODEL_NONE, arn) != CV_MODEL_NONE;
}

uint32_t cv_ctl_listeners_room(const struct cv_ctl *ctl)
{
	const struct cv_model *model = ctl->model, *served = ctl->conf->model;
	uint32_t cap = cv_plan_slots_cap(ctl->slots, CV_PLAN_LISTENER);
	uint32_t n = slots_gone(ctl, CV_PLAN_LISTENER) + served->n_listeners;

	for (uint32_t i = 0; i < model->n_lbs; i++) {
		for (uint32_t k = 0; k < model->lbs[i].n_listeners; k++)
			n += !listener_serves(served, i, k, model->lbs[i].listeners[k].arn);
	}
	return n < cap ? cap - n : 0;
}
