/* SPDX-License-Identifier: BSD-3-Clause */

#include "plan_priv.h"

#include <errno.h>
#include <stdlib.h>

/* Pools taken back at once. */
#define UNDO_BATCH 1024

static int compare_idx(const void *left, const void *right)
{
	uint32_t l = *(const uint32_t *)left;
	uint32_t r = *(const uint32_t *)right;

	return l < r ? -1 : l > r;
}

/* What a new pool is like. What VXLAN carries arrives where its outer headers lead. */
static struct cv_snat_cfg pool_cfg(const struct plan_build *b, uint16_t vpc)
{
	struct cv_snat_cfg cfg = b->in->cfg->snat;

	cfg.map = NULL;
	if (!b->vxlans[vpc].on)
		cfg.map = b->in->cfg->ports[b->vpcs[vpc].port].snat_map;
	return cfg;
}

/*
 * The pool of a node IP and a target. One that exists is left as it is until the plan has succeeded. Most
 * exist, and stand in the order in which the plan before went over them.
 *
 * @param[in,out] at  where it may be in the registry
 */
static int want_pool(struct plan_build *b, cv_be32_t node_ip, const struct cv_view_target *target,
		     uint32_t *at)
{
	struct cv_snat_registry *registry = b->in->registry;
	struct cv_plan_priv *priv = b->plan->priv;
	const struct cv_snat_key key = {
		.node_ip = node_ip,
		.target_ip = target->ip,
		.target_port = target->port,
		.vpc = target->vpc,
	};

	if (!cv_snat_registry_seek(registry, &key, at)) {
		struct cv_snat_cfg cfg = pool_cfg(b, target->vpc);
		struct cv_snat_pool *pool;
		int err = cv_snat_registry_get(registry, &key, &cfg, &pool);

		if (err != 0)
			return err;
		*at = cv_snat_registry_n(registry) - 1;
	}
	priv->wanted[priv->n_wanted++] = cv_snat_registry_idx(registry, (*at)++);
	return 0;
}

static int want_pools(struct plan_build *b, const struct cv_model_node *node,
		      const struct cv_view_choice *c, uint32_t *at)
{
	for (uint32_t i = 0; i < node->n_ips; i++) {
		for (uint32_t k = 0; k < c->n; k++) {
			uint32_t slot = b->choice_targets[c->first + k];

			if (want_pool(b, node->ips[i], &b->targets[slot], at) != 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* Walk over all that a node may choose. With `want` false only count. */
static int each_pool(struct plan_build *b, bool want, uint32_t *ret_n)
{
	const struct cv_model *m = b->model;
	uint32_t at = 0;

	*ret_n = 0;
	for (uint32_t tg = 0; tg < m->n_tgs; tg++) {
		const struct cv_model_lb *lb;

		if (m->tgs[tg].lb == CV_MODEL_NONE)
			continue;
		lb = &m->lbs[m->tgs[tg].lb];
		for (uint32_t i = 0; i < lb->n_nodes; i++) {
			const struct cv_view_choice *c =
				&b->lists[tg * b->spec.n_zones + lb->nodes[i].zone];

			*ret_n += lb->nodes[i].n_ips * c->n;
			if (want && want_pools(b, &lb->nodes[i], c, &at) != 0)
				return -ENOMEM;
		}
	}
	return 0;
}

/* Ascending, and each once: two groups may lead to one target. */
static void wanted_sort(struct cv_plan_priv *priv)
{
	uint32_t n = 0;
	bool sorted = true;

	for (uint32_t i = 1; i < priv->n_wanted && sorted; i++)
		sorted = priv->wanted[i - 1] < priv->wanted[i];
	if (sorted)
		return;
	qsort(priv->wanted, priv->n_wanted, sizeof(*priv->wanted), compare_idx);
	for (uint32_t i = 0; i < priv->n_wanted; i++) {
		if (n == 0 || priv->wanted[n - 1] != priv->wanted[i])
			priv->wanted[n++] = priv->wanted[i];
	}
	priv->n_wanted = n;
}

int cv_plan_pools_fill(struct plan_build *b)
{
	const struct cv_snat_registry *registry = b->in->registry;
	struct cv_plan_priv *priv = b->plan->priv;
	uint32_t i, n;

	(void)each_pool(b, false, &n);
	priv->wanted = cv_plan_mem_get(&priv->mem, n, sizeof(*priv->wanted));
	if (priv->wanted == NULL || each_pool(b, true, &n) != 0)
		return -ENOMEM;
	wanted_sort(priv);
	b->spec.n_pools = cv_snat_registry_n(registry);
	b->pools = cv_plan_mem_get(&b->tmp, b->spec.n_pools, sizeof(*b->pools));
	if (b->pools == NULL)
		return -ENOMEM;
	for (i = 0; i < b->spec.n_pools; i++)
		b->pools[i] = (struct cv_view_pool){.key = *cv_snat_registry_key(registry, i),
						    .pool = cv_snat_registry_at(registry, i)};
	return 0;
}

static bool is_older(const struct cv_snat_pool *pool, void *first_new)
{
	return cv_snat_pool_idx(pool) < *(const uint32_t *)first_new;
}

void cv_plan_pools_undo(struct cv_snat_registry *registry, uint32_t n_before)
{
	struct cv_snat_pool *pools[UNDO_BATCH];
	uint32_t first_new;

	if (cv_snat_registry_n(registry) == n_before)
		return;
	/* New pools stand behind the old ones, with higher numbers. None was ever used: time is no matter. */
	first_new = cv_snat_pool_idx(cv_snat_registry_at(registry, n_before));
	while (cv_snat_registry_n(registry) > n_before) {
		uint32_t n =
			cv_snat_registry_reap(registry, is_older, &first_new, 0, pools, UNDO_BATCH);

		for (uint32_t i = 0; i < n; i++)
			cv_snat_pool_destroy(pools[i]);
		cv_assert(n > 0);
	}
}
