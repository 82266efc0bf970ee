/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan_priv.h"

static int plan_create(struct cv_plan **ret_plan)
{
	struct plan_mem *mem = NULL;
	struct cv_plan *plan = cv_plan_mem_get(&mem, 1, sizeof(*plan));

	if (plan == NULL)
		return -ENOMEM;
	plan->priv = cv_plan_mem_get(&mem, 1, sizeof(*plan->priv));
	if (plan->priv == NULL) {
		cv_plan_mem_free(&mem);
		return -ENOMEM;
	}
	plan->priv->mem = mem;
	*ret_plan = plan;
	return 0;
}

void cv_plan_destroy(struct cv_plan *plan)
{
	struct plan_mem *mem;

	if (plan == NULL)
		return;
	cv_view_destroy(plan->view);
	mem = plan->priv->mem;
	cv_plan_mem_free(&mem); /* the plan itself, too */
}

static int view_create(struct plan_build *b)
{
	struct cv_view_spec *spec = &b->spec;
	int err = cv_plan_life_fill(b);

	if (err != 0)
		return err;
	spec->vpcs = b->vpcs;
	spec->locals = b->locals;
	spec->paths = b->paths;
	spec->endpoints = b->endpoints;
	spec->sg_rules = b->rules;
	spec->sg_ips = b->sg_ips;
	spec->nodes = b->nodes;
	spec->node_ips = b->node_ips;
	spec->listeners = b->listeners;
	spec->forwards = b->forwards;
	spec->choices = b->choices;
	spec->choice_targets = b->choice_targets;
	spec->groups = b->groups;
	spec->targets = b->targets;
	spec->pools = b->pools;
	spec->hosts = b->hosts;
	spec->services = b->services;
	spec->tunnels.vxlans = b->vxlans;
	spec->tunnels.peers = b->peers;
	spec->tunnels.fars = b->in->fars;
	spec->neigh = b->in->neigh;
	spec->n_neigh = cv_plan_slots_cap(b->in->slots, CV_PLAN_NEIGH);
	err = cv_view_create(spec, &b->plan->view);
	if (err == -EEXIST)
		cv_errs_add(
			b->errs, NULL, 0,
			"two VPCs have one attachment, two interfaces in a VPC one address, or two "
			"listeners of a load balancer one port");
	return err;
}

static int fill(struct plan_build *b)
{
	const struct cv_plan_cfg *cfg = b->in->cfg;
	int err;

	b->spec.gen = b->in->gen;
	b->spec.sweep = b->in->sweep;
	b->spec.n_ports = cfg->n_ports;
	b->spec.n_zones = (uint16_t)b->model->n_zones;
	b->spec.settings = cfg->view;
	/* A port that is given out again must not find a flow that still answers for it. */
	if (b->spec.settings.linger_ms > cfg->snat.rest_ms)
		b->spec.settings.linger_ms = cfg->snat.rest_ms;
	err = cv_plan_slots_assign(b);
	if (err == 0)
		err = cv_plan_paths_fill(b);
	if (err == 0)
		err = cv_plan_net_fill(b);
	if (err == 0)
		err = cv_plan_host_fill(b);
	if (err == 0)
		err = cv_plan_targets_fill(b);
	if (err == 0)
		err = cv_plan_choices_fill(b);
	if (err == 0)
		err = cv_plan_pools_fill(b);
	if (err == 0)
		err = view_create(b);
	return err;
}

int cv_plan_build(const struct cv_plan_in *in, struct cv_errs *errs, struct cv_plan **ret_plan)
{
	struct plan_build b = {.in = in, .model = in->model, .errs = errs};
	uint32_t n_pools = cv_snat_registry_n(in->registry);
	int err;

	cv_assert(in->model->n_zones <= UINT16_MAX);
	cv_plan_slots_mark(in->slots);
	err = plan_create(&b.plan);
	if (err != 0)
		return err;
	err = fill(&b);
	cv_plan_mem_free(&b.tmp);
	if (err != 0) {
		cv_plan_destroy(b.plan);
		cv_plan_pools_undo(in->registry, n_pools);
		cv_plan_slots_rollback(in->slots);
		return err;
	}
	/* Only now: a plan that fails changes nothing. */
	cv_snat_registry_rest_set(in->registry, in->cfg->snat.rest_ms);
	*ret_plan = b.plan;
	return 0;
}

struct cv_view *cv_plan_view_take(struct cv_plan *plan)
{
	struct cv_view *view = plan->view;

	plan->view = NULL;
	return view;
}

uint32_t cv_plan_slot(const struct cv_plan *plan, enum cv_plan_kind kind, uint32_t owner,
		      uint32_t idx)
{
	const struct cv_plan_priv *priv = plan->priv;
	uint32_t at;

	cv_assert(kind < PLAN_MODEL_KINDS && owner < priv->n_owners[kind]);
	at = priv->first[kind][owner] + idx;
	cv_assert(at < priv->first[kind][owner + 1]);
	return priv->slot[kind][at];
}

uint32_t cv_plan_pools_n(const struct cv_plan *plan)
{
	return plan->priv->n_wanted;
}

bool cv_plan_pool_is_wanted(const struct cv_snat_pool *pool, void *plan)
{
	const struct cv_plan_priv *priv = ((const struct cv_plan *)plan)->priv;
	uint32_t idx = cv_snat_pool_idx(pool);
	uint32_t low = 0, high = priv->n_wanted;

	/* Most often every number from the first on is wanted, and stands where it says. */
	if (high > 0 && idx - priv->wanted[0] < high && priv->wanted[idx - priv->wanted[0]] == idx)
		return true;
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (priv->wanted[mid] == idx)
			return true;
		if (priv->wanted[mid] < idx)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}
