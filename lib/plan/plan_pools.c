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

/* The pool of a node IP and a target. One that exists is left as it is until the plan has succeeded. */
static int want_pool(struct plan_build *b, cv_be32_t node_ip, const struct cv_view_target *target)
{
	struct cv_plan_priv *priv = b->plan->priv;
	struct cv_snat_key key = {
		.node_ip = node_ip,
		.target_ip = target->ip,
		.target_port = target->port,
		.vpc = target->vpc,
	};
	struct cv_snat_pool *pool = cv_snat_registry_find(b->in->registry, &key);
	struct cv_snat_cfg cfg = b->in->cfg->snat;
	int err = 0;

	/* What VXLAN carries arrives where its outer headers lead. */
	cfg.map = NULL;
	if (!b->vxlans[target->vpc].on)
		cfg.map = b->in->cfg->ports[b->vpcs[target->vpc].port].snat_map;
	if (pool == NULL)
		err = cv_snat_registry_get(b->in->registry, &key, &cfg, &pool);
	if (err == 0)
		priv->wanted[priv->n_wanted++] = cv_snat_pool_idx(pool);
	return err;
}

/* Walk over all that a node may choose. With `want` false only count. */
static int each_pool(struct plan_build *b, bool want, uint32_t *ret_n)
{
	const struct cv_model *m = b->model;

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
			for (uint32_t k = 0; want && k < lb->nodes[i].n_ips * c->n; k++) {
				uint32_t slot = b->choice_targets[c->first + k % c->n];

				if (want_pool(b, lb->nodes[i].ips[k / c->n], &b->targets[slot]) !=
				    0)
					return -ENOMEM;
			}
		}
	}
	return 0;
}

int cv_plan_pools_fill(struct plan_build *b)
{
	struct cv_plan_priv *priv = b->plan->priv;
	uint32_t i, n;

	(void)each_pool(b, false, &n);
	priv->wanted = cv_plan_mem_get(&priv->mem, n, sizeof(*priv->wanted));
	if (priv->wanted == NULL || each_pool(b, true, &n) != 0)
		return -ENOMEM;
	qsort(priv->wanted, priv->n_wanted, sizeof(*priv->wanted), compare_idx);
	b->spec.n_pools = cv_snat_registry_n(b->in->registry);
	b->pools = cv_plan_mem_get(&b->tmp, b->spec.n_pools, sizeof(*b->pools));
	if (b->pools == NULL)
		return -ENOMEM;
	for (i = 0; i < b->spec.n_pools; i++) {
		struct cv_snat_pool *pool = cv_snat_registry_at(b->in->registry, i);

		b->pools[i] = (struct cv_view_pool){.key = *cv_snat_pool_key(pool), .pool = pool};
	}
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
