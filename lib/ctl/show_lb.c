/* SPDX-License-Identifier: BSD-3-Clause */

/* Load balancers and targets. */

#include <string.h>

#include "show_priv.h"

static json_t *node_json(struct cv_ctl *ctl, uint32_t lb, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_node *node = &model->lbs[lb].nodes[idx];
	const struct cv_plan_node *state =
		&ctl->plan->nodes[cv_plan_slot(ctl->plan, CV_PLAN_NODE, lb, idx)];
	json_t *ips = json_array();

	for (uint32_t i = 0; i < node->n_ips; i++)
		cv_ctl_json_add(ctl, ips, cv_ctl_json_ip(node->ips[i]));
	return json_pack("{s:s, s:s, s:o, s:b, s:b, s:b}", "az_id", model->zones[node->zone].id,
			 "subnet", model->subnets[node->subnet].name, "ips", ips, "healthy",
			 (int)state->healthy, "zonal_shift", (int)state->shifted, "in_dns",
			 (int)state->in_dns);
}

static json_t *forward_json(struct cv_ctl *ctl, const struct cv_model_listener *listener)
{
	json_t *weights = json_object();

	for (uint32_t i = 0; i < listener->n_forwards; i++)
		cv_ctl_json_put(ctl, weights, ctl->conf->model->tgs[listener->forwards[i].tg].name,
				json_integer(listener->forwards[i].weight));
	return weights;
}

static json_t *listener_json(struct cv_ctl *ctl, uint32_t lb, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_listener *listener = &model->lbs[lb].listeners[idx];
	json_t *object =
		json_pack("{s:s, s:i, s:s, s:I}", "arn", listener->arn, "port", (int)listener->port,
			  "target_group", model->tgs[listener->tg].name, "idle_seconds",
			  (json_int_t)listener->idle_seconds);

	if (listener->n_forwards > 1)
		cv_ctl_json_put(ctl, object, "forward", forward_json(ctl, listener));
	cv_ctl_json_counts(ctl, object, CV_PLAN_LISTENER,
			   cv_plan_slot(ctl->plan, CV_PLAN_LISTENER, lb, idx));
	return object;
}

static json_t *lb_json(struct cv_ctl *ctl, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_lb *lb = &model->lbs[idx];
	json_t *nodes = json_array(), *listeners = json_array();

	for (uint32_t i = 0; i < lb->n_nodes; i++)
		cv_ctl_json_add(ctl, nodes, node_json(ctl, idx, i));
	for (uint32_t i = 0; i < lb->n_listeners; i++)
		cv_ctl_json_add(ctl, listeners, listener_json(ctl, idx, i));
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "name", lb->name, "arn",
			 lb->arn, "account", cv_ctl_account_id(model, CV_MODEL_LB, idx), "vpc",
			 model->vpcs[lb->vpc].name, "cross_zone", (int)lb->cross_zone, "service",
			 lb->service != CV_MODEL_NONE
				 ? cv_ctl_json_text(model->services[lb->service].name)
				 : json_null(),
			 "nodes", nodes, "listeners", listeners);
}

int cv_ctl_show_lbs(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *lbs = json_array();

	for (uint32_t i = 0; i < ctl->conf->model->n_lbs; i++) {
		if (ctl->conf->model->lbs[i].meta.gone)
			continue;
		cv_ctl_json_add(ctl, lbs, lb_json(ctl, i));
	}
	show->root = json_pack("{s:o}", "load_balancers", lbs);
	return 0;
}

/* A group that no load balancer uses has targets without a next hop. */
static void neigh_add(struct cv_ctl *ctl, json_t *object, uint32_t slot)
{
	const struct ctl_neigh *neigh = cv_ctl_target_neigh(ctl, slot);

	if (neigh == NULL) {
		cv_ctl_json_put(ctl, object, "neighbour", json_string("unused"));
		return;
	}
	cv_ctl_json_put(ctl, object, "next_hop", cv_ctl_json_ip(neigh->ip));
	if (neigh->state > CTL_NEIGH_UNRESOLVED)
		cv_ctl_json_put(ctl, object, "mac", cv_ctl_json_mac(neigh->mac));
	cv_ctl_json_put(ctl, object, "neighbour",
			json_string(cv_ctl_neigh_state_str((enum ctl_neigh_state)neigh->state)));
}

static json_t *target_json(struct cv_ctl *ctl, uint32_t group, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_target *target = &model->tgs[group].targets[idx];
	uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_TARGET, group, idx);
	json_t *object = json_pack(
		"{s:o, s:s}", "target", cv_ctl_json_addr(target->ip, target->port), "az_id",
		target->zone != CV_MODEL_NONE ? model->zones[target->zone].id : "all");

	cv_ctl_json_health(ctl, object, group, idx);
	neigh_add(ctl, object, slot);
	cv_ctl_json_counts(ctl, object, CV_PLAN_TARGET, slot);
	return object;
}

/* Those that were removed and still drain. */
static void drains_add(struct cv_ctl *ctl, json_t *targets, const char *arn)
{
	uint64_t now_ms = cv_clock_ms();

	for (uint32_t i = 0; i < ctl->drains.n; i++) {
		const struct ctl_drain *drain = &ctl->drains.items[i];
		uint64_t left_ms = drain->until_ms > now_ms ? drain->until_ms - now_ms : 0;
		json_t *object;

		if (strcmp(drain->arn, arn) != 0)
			continue;
		object = json_pack("{s:o, s:s, s:s, s:s, s:s, s:I}", "target",
				   cv_ctl_json_addr(drain->ip, drain->port), "az_id", "-", "state",
				   cv_model_target_state_str(CV_MODEL_TARGET_DRAINING), "reason",
				   "Target.DeregistrationInProgress", "description",
				   "Target deregistration is in progress", "draining_seconds",
				   (json_int_t)((left_ms + 999) / 1000));
		cv_ctl_json_counts(ctl, object, CV_PLAN_TARGET, drain->slot);
		cv_ctl_json_add(ctl, targets, object);
	}
}

static json_t *group_json(struct cv_ctl *ctl, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_target_group *group = &model->tgs[idx];
	json_t *targets = json_array(), *object;

	for (uint32_t i = 0; i < group->n_targets; i++)
		cv_ctl_json_add(ctl, targets, target_json(ctl, idx, i));
	drains_add(ctl, targets, group->arn);
	object = json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:o, s:o}", "name", group->name, "arn",
			   group->arn, "account", cv_ctl_account_id(model, CV_MODEL_TG, idx), "vpc",
			   model->vpcs[group->vpc].name, "load_balancer",
			   group->lb != CV_MODEL_NONE ? cv_ctl_json_text(model->lbs[group->lb].name)
						      : json_null(),
			   "proxy_protocol_v2", (int)group->ppv2, "header_placement",
			   group->ppv2 ? cv_ctl_json_text(cv_model_placement_str(group->placement))
				       : json_null(),
			   "targets", targets);
	cv_ctl_json_put(ctl, object, "health_check", cv_ctl_json_check(ctl, idx));
	return object;
}

int cv_ctl_show_targets(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *groups = json_array();

	for (uint32_t i = 0; i < ctl->conf->model->n_tgs; i++) {
		if (ctl->conf->model->tgs[i].meta.gone)
			continue;
		cv_ctl_json_add(ctl, groups, group_json(ctl, i));
	}
	show->root = json_pack("{s:o}", "target_groups", groups);
	return 0;
}
