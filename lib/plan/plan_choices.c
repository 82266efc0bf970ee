/* SPDX-License-Identifier: BSD-3-Clause */

/* Whom a new flow may go to: targets by group and zone, groups by listener. */

#include "plan_priv.h"

#include <assert.h>
#include <errno.h>

#include "cv_lb.h"

static_assert((int)CV_LB_NEVER == (int)CV_MODEL_FIT_NEVER &&
		      (int)CV_LB_UNFIT == (int)CV_MODEL_FIT_LAST &&
		      (int)CV_LB_FIT == (int)CV_MODEL_FIT_FIRST &&
		      CV_LB_WEIGHTS_MAX >= CV_MODEL_FORWARDS_MAX,
	      "the words of lb and model agree");

/* Memory for one list at a time; shapes [most targets of a group]. */
struct scratch {
	struct cv_lb_target *targets;
	struct cv_lb_sticky *sticky;
	uint32_t (*orders)[2];
};

/* The zones' targets, and behind them the table from which clients get one to stick to. */
static struct cv_view_choice add_table(struct plan_build *b, const uint32_t *list, uint32_t n,
				       const struct scratch *scratch)
{
	struct cv_view_choice choice = {.first = b->spec.n_choice_targets};

	if (n == 0)
		return choice;
	for (uint32_t i = 0; i < n; i++) {
		const struct cv_view_target *target = &b->targets[list[i]];

		scratch->sticky[i] = (struct cv_lb_sticky){
			.key = (uint64_t)cv_be32_host(target->ip) << 16 |
			       cv_be16_host(target->port),
			.id = list[i],
		};
	}
	choice.n = cv_lb_sticky_len(n);
	cv_lb_sticky_build(scratch->sticky, n, scratch->orders, b->choice_targets + choice.first);
	b->spec.n_choice_targets += choice.n;
	return choice;
}

/* Whether a group lacks the healthy targets without which DNS leaves a zone out. */
static bool is_dns_below(const struct cv_model_target_group *tg, const struct cv_lb_scope *scope,
			 const struct cv_lb_target *targets)
{
	const struct cv_lb_least least = {tg->dns_least.count, tg->dns_least.percent};
	uint32_t n = 0, n_fit = 0;

	for (uint32_t i = 0; i < tg->n_targets; i++) {
		if (!scope->cross_zone && targets[i].zone != scope->zone)
			continue;
		n += targets[i].fit != CV_LB_NEVER;
		n_fit += targets[i].fit == CV_LB_FIT;
	}
	return cv_lb_is_below(&least, n_fit, n);
}

/* The targets that one zone's node chooses from: written behind those of the zones before. */
static void fill_choice(struct plan_build *b, uint32_t tg_idx, uint32_t zone,
			const struct scratch *scratch)
{
	const struct cv_model_target_group *tg = &b->model->tgs[tg_idx];
	const struct cv_model_lb *lb = &b->model->lbs[tg->lb];
	uint32_t *to = b->choice_targets + b->spec.n_choice_targets;
	uint32_t at = tg_idx * b->spec.n_zones + zone;
	const struct cv_lb_scope scope = {
		.zone = (uint16_t)zone,
		.cross_zone = cv_model_is_cross_zone(lb, tg),
		.least = {tg->routing_least.count, tg->routing_least.percent},
	};
	bool unhealthy;
	uint32_t n;

	if (cv_model_node_find(lb, zone) == CV_MODEL_NONE)
		return;
	for (uint32_t i = 0; i < tg->n_targets; i++) {
		uint32_t target_zone = tg->targets[i].zone;

		/* A target of no zone serves each as if it were the zone's own. */
		if (target_zone == CV_MODEL_NONE)
			target_zone = zone;
		scratch->targets[i] = (struct cv_lb_target){
			.zone = (uint16_t)target_zone,
			.fit = (uint8_t)cv_model_target_fit(b->model, tg_idx, i, zone,
							    b->in->target_state,
							    b->in->target_state_arg),
		};
	}
	b->dns_below[at] = is_dns_below(tg, &scope, scratch->targets);
	n = cv_lb_list_build(scratch->targets, tg->n_targets, &scope, to, &unhealthy);
	for (uint32_t i = 0; i < n; i++)
		to[i] = cv_plan_slot(b->plan, CV_PLAN_TARGET, tg_idx, to[i]);
	b->lists[at] = (struct cv_view_choice){.first = b->spec.n_choice_targets, .n = n};
	b->spec.n_choice_targets += n;
	b->choices[at] = tg->sticky ? add_table(b, to, n, scratch) : b->lists[at];
	b->choices[at].unhealthy = unhealthy;
}

/* Room for the choices of all groups, and for work on the largest. */
static int choices_alloc(struct plan_build *b, struct scratch *scratch)
{
	const struct cv_model *m = b->model;
	uint32_t n = 0, n_max = 0;

	for (uint32_t i = 0; i < m->n_tgs; i++) {
		const struct cv_model_target_group *tg = &m->tgs[i];
		uint32_t n_each = tg->n_targets;

		if (tg->lb == CV_MODEL_NONE)
			continue;
		if (tg->sticky)
			n_each += cv_lb_sticky_len(tg->n_targets);
		n += n_each * m->lbs[tg->lb].n_nodes;
		n_max = tg->n_targets > n_max ? tg->n_targets : n_max;
	}
	b->spec.n_choices = m->n_tgs * b->spec.n_zones;
	b->choices = cv_plan_mem_get(&b->tmp, b->spec.n_choices, sizeof(*b->choices));
	b->lists = cv_plan_mem_get(&b->tmp, b->spec.n_choices, sizeof(*b->lists));
	b->choice_targets = cv_plan_mem_get(&b->tmp, n, sizeof(*b->choice_targets));
	b->dns_below = cv_plan_mem_get(&b->tmp, b->spec.n_choices, sizeof(*b->dns_below));
	scratch->targets = cv_plan_mem_get(&b->tmp, n_max, sizeof(*scratch->targets));
	scratch->sticky = cv_plan_mem_get(&b->tmp, n_max, sizeof(*scratch->sticky));
	scratch->orders = cv_plan_mem_get(&b->tmp, n_max, sizeof(*scratch->orders));
	if (b->choices == NULL || b->lists == NULL || b->choice_targets == NULL ||
	    b->dns_below == NULL || scratch->targets == NULL || scratch->sticky == NULL ||
	    scratch->orders == NULL)
		return -ENOMEM;
	return 0;
}

/* A group has one load balancer, so all listeners that lead to it share its choices. */
static int fill_choices(struct plan_build *b)
{
	const struct cv_model *m = b->model;
	struct scratch scratch;

	if (choices_alloc(b, &scratch) != 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_tgs; i++) {
		for (uint32_t zone = 0; m->tgs[i].lb != CV_MODEL_NONE && zone < m->n_zones; zone++)
			fill_choice(b, i, zone, &scratch);
	}
	return 0;
}

/* Groups of weight 0, behind the others: they get nothing, and lose what they have. */
static void fill_closed(struct plan_build *b, const struct cv_model_listener *l,
			struct cv_view_listener *to)
{
	to->closed_first = b->spec.n_forwards;
	for (uint32_t i = 0; i < l->n_forwards; i++) {
		if (l->forwards[i].weight > 0)
			continue;
		b->forwards[b->spec.n_forwards++].group =
			cv_plan_slot(b->plan, CV_PLAN_GROUP, 0, l->forwards[i].tg);
		to->n_closed++;
	}
}

/* Weights become bounds on the hash. A group of weight 0 gets nothing, so it has none. */
static void fill_forwards(struct plan_build *b, const struct cv_model_listener *l,
			  struct cv_view_listener *to)
{
	uint16_t weights[CV_MODEL_FORWARDS_MAX];
	uint64_t below[CV_MODEL_FORWARDS_MAX];
	uint32_t first = b->spec.n_forwards;

	for (uint32_t i = 0; i < l->n_forwards; i++)
		weights[i] = l->forwards[i].weight;
	if (!cv_lb_weights_build(weights, l->n_forwards, below))
		return;
	for (uint32_t i = 0; i < l->n_forwards; i++) {
		if (weights[i] == 0)
			continue;
		b->forwards[b->spec.n_forwards++] = (struct cv_view_forward){
			.group = cv_plan_slot(b->plan, CV_PLAN_GROUP, 0, l->forwards[i].tg),
			.zone_first = l->forwards[i].tg * b->spec.n_zones,
			.last = (uint32_t)(below[i] - 1),
		};
	}
	to->group = b->forwards[first].group;
	to->zone_first = b->forwards[first].zone_first;
	if (b->spec.n_forwards - first == 1) {
		b->spec.n_forwards = first; /* nothing to choose */
		return;
	}
	to->sticky_group = l->sticky_group;
	to->forward_first = first;
	to->n_forwards = (uint8_t)(b->spec.n_forwards - first);
}

static int fill_listeners(struct plan_build *b)
{
	const struct cv_model *m = b->model;
	uint32_t n_forwards = 0;

	for (uint32_t i = 0; i < m->n_lbs; i++) {
		for (uint32_t j = 0; j < m->lbs[i].n_listeners; j++)
			n_forwards += m->lbs[i].listeners[j].n_forwards;
	}
	b->spec.n_listeners = b->plan->n_slots[CV_PLAN_LISTENER];
	b->listeners = cv_plan_mem_get(&b->tmp, b->spec.n_listeners, sizeof(*b->listeners));
	b->forwards = cv_plan_mem_get(&b->tmp, n_forwards, sizeof(*b->forwards));
	if (b->listeners == NULL || b->forwards == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_lbs; i++) {
		for (uint32_t j = 0; j < m->lbs[i].n_listeners; j++) {
			const struct cv_model_listener *l = &m->lbs[i].listeners[j];
			uint32_t slot = cv_plan_slot(b->plan, CV_PLAN_LISTENER, i, j);

			b->listeners[slot] = (struct cv_view_listener){
				.used = true,
				.lb = cv_plan_slot(b->plan, CV_PLAN_LB, 0, i),
				.port = l->port,
				.idle_s = (uint16_t)l->idle_seconds,
				.group = CV_VIEW_NONE,
			};
			fill_forwards(b, l, &b->listeners[slot]);
			fill_closed(b, l, &b->listeners[slot]);
		}
	}
	return 0;
}

static bool is_healthy(const struct plan_build *b, const struct cv_model_lb *lb, uint32_t zone)
{
	for (uint32_t i = 0; i < lb->n_listeners; i++) {
		const struct cv_model_listener *l = &lb->listeners[i];

		for (uint32_t k = 0; k < l->n_forwards; k++) {
			if (l->forwards[k].weight > 0 &&
			    b->dns_below[l->forwards[k].tg * b->spec.n_zones + zone])
				return false;
		}
	}
	return true;
}

/* A zone that is shifted away counts as unhealthy: if all are, all are named. */
static void judge_nodes(const struct plan_build *b, uint32_t lb_idx, struct cv_plan_node *nodes)
{
	const struct cv_model_lb *lb = &b->model->lbs[lb_idx];
	bool any = false;

	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		struct cv_plan_node *node = &nodes[cv_plan_slot(b->plan, CV_PLAN_NODE, lb_idx, i)];

		node->shifted = lb->nodes[i].zone == lb->shifted_zone;
		node->healthy = is_healthy(b, lb, lb->nodes[i].zone);
		node->in_dns = node->healthy && !node->shifted;
		any = any || node->in_dns;
	}
	for (uint32_t i = 0; i < lb->n_nodes && !any; i++)
		nodes[cv_plan_slot(b->plan, CV_PLAN_NODE, lb_idx, i)].in_dns = true;
}

static int fill_nodes(struct plan_build *b)
{
	struct cv_plan_node *nodes = cv_plan_mem_get(
		&b->plan->priv->mem, b->plan->n_slots[CV_PLAN_NODE], sizeof(*nodes));

	if (nodes == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->model->n_lbs; i++)
		judge_nodes(b, i, nodes);
	b->plan->nodes = nodes;
	return 0;
}

int cv_plan_choices_fill(struct plan_build *b)
{
	int err = fill_choices(b);

	if (err == 0)
		err = fill_listeners(b);
	if (err == 0)
		err = fill_nodes(b);
	return err;
}
