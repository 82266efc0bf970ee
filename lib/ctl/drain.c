/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Targets that were removed from the configuration: each drains for its group's deregistration delay, and
 * then its flows are ended, if the group says so; before that if its checks fail. Their slot stays theirs as
 * long as they have flows.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_priv.h"

#include "cv_model_ops.h"

static void drain_fini(struct ctl_drain *drain)
{
	free(drain->group);
	free(drain->arn);
	cv_ctl_drain_check_put(drain->check);
}

void cv_ctl_drains_fini(struct ctl_drains *drains)
{
	for (uint32_t i = 0; i < drains->n; i++)
		drain_fini(&drains->items[i]);
	free(drains->items);
	free(drains->ends);
	memset(drains, 0, sizeof(*drains));
}

/* Tells whether a plan has the target of a slot. */
static bool is_in(const struct cv_plan *plan, uint32_t slot)
{
	return slot < plan->n_slots[CV_PLAN_TARGET] &&
	       plan->objs[CV_PLAN_TARGET][slot].idx != CV_MODEL_NONE;
}

static int add(struct ctl_drains *drains, const struct ctl_drain *drain, const char *group,
	       const char *arn)
{
	struct ctl_drain *to = &drains->items[drains->n];

	*to = *drain;
	to->group = strdup(group);
	to->arn = strdup(arn);
	cv_ctl_drain_check_get(to->check);
	if (to->group == NULL || to->arn == NULL) {
		drain_fini(to);
		return -ENOMEM;
	}
	drains->n++;
	return 0;
}

/* As a group will be: what is changed together with its targets, or just before, counts for them. */
static const struct cv_model_target_group *group_as(const struct cv_model *model,
						    const struct cv_model_target_group *tg)
{
	uint32_t idx = cv_model_find(model, CV_MODEL_TG, CV_MODEL_NONE, tg->arn);

	return idx != CV_MODEL_NONE ? &model->tgs[idx] : tg;
}

/* A target of what serves, which the plan, made of the model, does not have. */
static int add_gone(const struct cv_ctl *ctl, const struct cv_model *model, uint32_t slot,
		    struct ctl_drains *drains)
{
	const struct cv_plan_obj *obj = &ctl->plan->objs[CV_PLAN_TARGET][slot];
	const struct cv_model_target_group *tg = &ctl->conf->model->tgs[obj->owner];
	const struct cv_model_target *target = &tg->targets[obj->idx];
	const struct cv_model_target_group *as = group_as(model, tg);
	struct ctl_drain drain = {
		.slot = slot,
		.ip = target->ip,
		.port = target->port,
		.zone = target->zone,
		.neigh = cv_view_spec_get(cv_view_pub_current(ctl->pub))->targets[slot].neigh,
		.until_ms = cv_clock_ms() +
			    (uint64_t)as->drain.seconds * 1000 / ctl->conf->settings.lab_time_scale,
		.terminate = as->drain.terminate,
	};
	int ret = cv_ctl_drain_check_make(ctl, obj->owner, obj->idx, &drain.check);

	if (ret == 0)
		ret = add(drains, &drain, tg->name, tg->arn);
	cv_ctl_drain_check_put(drain.check);
	return ret;
}

static bool was_used(const struct cv_ctl *ctl, uint32_t slot)
{
	const struct cv_plan_obj *obj = &ctl->plan->objs[CV_PLAN_TARGET][slot];

	return obj->idx != CV_MODEL_NONE && ctl->conf->model->tgs[obj->owner].lb != CV_MODEL_NONE;
}

/* The checks of a target need its VPC, whose slot others may get. */
static void checks_keep(const struct cv_plan *plan, struct ctl_drain *drain)
{
	uint16_t vpc;

	if (drain->check == NULL)
		return;
	vpc = cv_ctl_drain_check_vpc(drain->check);
	if (vpc < plan->n_slots[CV_PLAN_VPC] && plan->objs[CV_PLAN_VPC][vpc].idx != CV_MODEL_NONE)
		return;
	cv_ctl_drain_check_put(drain->check);
	drain->check = NULL;
}

static int by_slot(const void *a, const void *b)
{
	const struct ctl_drain *x = a, *y = b;

	return (x->slot > y->slot) - (x->slot < y->slot);
}

void cv_ctl_drains_ends(struct ctl_drains *drains)
{
	drains->n_ends = 0;
	for (uint32_t i = 0; i < drains->n; i++) {
		if (drains->items[i].over || drains->items[i].sick)
			drains->ends[drains->n_ends++] = drains->items[i].slot;
	}
}

int cv_ctl_drains_next(const struct cv_ctl *ctl, const struct cv_plan *plan,
		       const struct cv_model *model, struct ctl_drains *ret_drains)
{
	const struct ctl_drains *old = &ctl->drains;
	uint32_t n_slots = ctl->plan != NULL ? ctl->plan->n_slots[CV_PLAN_TARGET] : 0;
	struct ctl_drains next = {0};
	uint32_t n = old->n;
	int ret = 0;

	for (uint32_t slot = 0; slot < n_slots; slot++)
		n += was_used(ctl, slot) && !is_in(plan, slot);
	next.items = calloc(n + 1, sizeof(*next.items));
	next.ends = calloc(n + 1, sizeof(*next.ends));
	if (next.items == NULL || next.ends == NULL)
		ret = -ENOMEM;
	for (uint32_t i = 0; i < old->n && ret == 0; i++) {
		const struct ctl_drain *drain = &old->items[i];

		if (!is_in(plan, drain->slot))
			ret = add(&next, drain, drain->group, drain->arn);
	}
	for (uint32_t slot = 0; slot < n_slots && ret == 0; slot++) {
		if (was_used(ctl, slot) && !is_in(plan, slot))
			ret = add_gone(ctl, model, slot, &next);
	}
	if (ret != 0) {
		cv_ctl_drains_fini(&next);
		return ret;
	}
	for (uint32_t i = 0; i < next.n; i++)
		checks_keep(plan, &next.items[i]);
	qsort(next.items, next.n, sizeof(*next.items), by_slot);
	cv_ctl_drains_ends(&next);
	*ret_drains = next;
	return 0;
}

static bool is_swept(const struct cv_ctl *ctl, uint64_t sweep)
{
	struct cv_stats *const *stats = cv_dp_stats(ctl->dp);

	for (uint32_t i = 0; i < ctl->conf->dpdk.workers; i++) {
		if (atomic_load_explicit(&stats[i]->swept, memory_order_acquire) < sweep)
			return false;
	}
	return true;
}

/* Tells whether a target is done with. */
static bool is_done(const struct cv_ctl *ctl, const struct ctl_drain *drain)
{
	return drain->over && ((!drain->terminate && !drain->sick) || is_swept(ctl, drain->sweep));
}

static void over_set(struct cv_ctl *ctl, struct ctl_drain *drain)
{
	char addr[CV_NET_STR_LEN];

	drain->over = true;
	cv_ctl_drain_check_put(drain->check);
	drain->check = NULL;
	/* The flows of a sick one have ended. */
	if (drain->sick)
		return;
	drain->sweep = ctl->sweep + 1;
	cv_log(CV_LOG_INFO, "target %s of %s is drained, its flows %s",
	       cv_ctl_addr_str(drain->ip, drain->port, addr), drain->group,
	       drain->terminate ? "end" : "go on");
}

/* Takes them on: what is over ends, what is done with goes. Tells whether flows of more of them end. */
static bool drains_advance(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct ctl_drains *drains = &ctl->drains;
	uint32_t n = 0;
	bool more = false;

	for (uint32_t i = 0; i < drains->n; i++) {
		struct ctl_drain *drain = &drains->items[i];

		if (!drain->over && now_ms >= drain->until_ms) {
			over_set(ctl, drain);
			more = more || (drain->terminate && !drain->sick);
		}
		if (is_done(ctl, drain)) {
			drain_fini(drain);
			continue;
		}
		if (drain->check != NULL)
			cv_ctl_drain_check_run(ctl, drain, now_ms);
		drains->items[n++] = *drain;
	}
	drains->n = n;
	cv_ctl_drains_ends(drains);
	return more;
}

void cv_ctl_drain_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	if (ctl->drains.n == 0)
		return;
	if (drains_advance(ctl, now_ms))
		ctl->drains.due = true;
	/* No memory now: the next turn will do. */
	if (ctl->drains.due && cv_ctl_replan(ctl) == 0)
		ctl->drains.due = false;
}
