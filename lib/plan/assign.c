/* SPDX-License-Identifier: BSD-3-Clause */

#include "plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An object that is about to get its slot. */
struct subject {
	enum cv_plan_kind kind;
	uint32_t owner;
	uint32_t idx;
	uint8_t key[256]; /* ids and ARNs are far shorter */
	size_t len;
};

static void subject_path(const struct subject *s, uint32_t n_endpoints, char *buf, size_t cap)
{
	static const char *const lists[PLAN_MODEL_KINDS][2] = {
		[CV_PLAN_VPC] = {"vpcs", NULL},
		[CV_PLAN_ENDPOINT] = {"endpoints", NULL},
		[CV_PLAN_LB] = {"load_balancers", NULL},
		[CV_PLAN_NODE] = {"load_balancers", "subnets"},
		[CV_PLAN_LISTENER] = {"load_balancers", "listeners"},
		[CV_PLAN_GROUP] = {"target_groups", NULL},
		[CV_PLAN_TARGET] = {"target_groups", "targets"},
	};

	if (s->kind == CV_PLAN_PATH && s->owner < n_endpoints)
		snprintf(buf, cap, "endpoints[%u].subnets[%u]", s->owner, s->idx);
	else if (s->kind == CV_PLAN_PATH)
		snprintf(buf, cap, "load_balancers[%u].subnets[%u]", s->owner - n_endpoints,
			 s->idx);
	else if (lists[s->kind][1] == NULL)
		snprintf(buf, cap, "%s[%u]", lists[s->kind][0], s->idx);
	else
		snprintf(buf, cap, "%s[%u].%s[%u]", lists[s->kind][0], s->owner, lists[s->kind][1],
			 s->idx);
}

static void key_add(struct subject *s, const void *part, size_t len)
{
	cv_assert(len <= sizeof(s->key) - s->len);
	memcpy(s->key + s->len, part, len);
	s->len += len;
}

static void key_add_text(struct subject *s, const char *text)
{
	key_add(s, text, strlen(text) + 1);
}

/* Endpoints come first among the owners, load balancers after them. */
static struct plan_path_key path_key(const struct plan_build *b, const struct subject *s)
{
	const struct cv_model *m = b->model;
	struct plan_path_key key = {CV_VIEW_DIRECT, CV_VIEW_NONE};

	if (s->owner < m->n_endpoints) {
		const struct cv_model_eni *eni = &m->endpoints[s->owner].enis[s->idx];

		key.endpoint = cv_plan_slot(b->plan, CV_PLAN_ENDPOINT, 0, s->owner);
		if (eni->lb != CV_MODEL_NONE && eni->node != CV_MODEL_NONE)
			key.node = cv_plan_slot(b->plan, CV_PLAN_NODE, eni->lb, eni->node);
	} else {
		key.node = cv_plan_slot(b->plan, CV_PLAN_NODE, s->owner - m->n_endpoints, s->idx);
	}
	return key;
}

static void subject_key(const struct plan_build *b, struct subject *s)
{
	const struct cv_model *m = b->model;

	s->len = 0;
	switch (s->kind) {
	case CV_PLAN_VPC:
		key_add_text(s, m->vpcs[s->idx].id);
		break;
	case CV_PLAN_ENDPOINT:
		key_add_text(s, m->endpoints[s->idx].id);
		break;
	case CV_PLAN_LB:
		key_add_text(s, m->lbs[s->idx].arn);
		break;
	case CV_PLAN_NODE:
		key_add_text(s, m->lbs[s->owner].arn);
		key_add_text(s, m->zones[m->lbs[s->owner].nodes[s->idx].zone].id);
		break;
	case CV_PLAN_LISTENER:
		key_add_text(s, m->lbs[s->owner].listeners[s->idx].arn);
		break;
	case CV_PLAN_GROUP:
		key_add_text(s, m->tgs[s->idx].arn);
		break;
	case CV_PLAN_PATH: {
		const struct plan_path_key key = path_key(b, s);

		key_add(s, &key, sizeof(key));
		break;
	}
	default: {
		const struct cv_model_target *t = &m->tgs[s->owner].targets[s->idx];
		uint32_t group = b->plan->priv->slot[CV_PLAN_GROUP][s->owner];

		key_add(s, &group, sizeof(group));
		key_add(s, &t->ip, sizeof(t->ip));
		key_add(s, &t->port, sizeof(t->port));
	}
	}
}

/* Only a resource's place can be empty; the parts of one move up. */
static bool is_gone(const struct plan_build *b, const struct subject *s)
{
	const struct cv_model *m = b->model;

	switch (s->kind) {
	case CV_PLAN_VPC:
		return m->vpcs[s->idx].meta.gone;
	case CV_PLAN_ENDPOINT:
		return cv_model_endpoint_is_over(&m->endpoints[s->idx]);
	case CV_PLAN_LB:
		return m->lbs[s->idx].meta.gone;
	case CV_PLAN_GROUP:
		return m->tgs[s->idx].meta.gone;
	default:
		return false;
	}
}

static uint32_t n_owned(const struct plan_build *b, enum cv_plan_kind kind, uint32_t owner)
{
	const struct cv_model *m = b->model;

	switch (kind) {
	case CV_PLAN_VPC:
		return m->n_vpcs;
	case CV_PLAN_ENDPOINT:
		return m->n_endpoints;
	case CV_PLAN_LB:
		return m->n_lbs;
	case CV_PLAN_NODE:
		return m->lbs[owner].n_nodes;
	case CV_PLAN_LISTENER:
		return m->lbs[owner].n_listeners;
	case CV_PLAN_GROUP:
		return m->n_tgs;
	case CV_PLAN_PATH:
		return owner < m->n_endpoints ? m->endpoints[owner].n_enis
					      : m->lbs[owner - m->n_endpoints].n_nodes;
	default:
		return m->tgs[owner].n_targets;
	}
}

static uint32_t n_owners(const struct plan_build *b, enum cv_plan_kind kind)
{
	switch (kind) {
	case CV_PLAN_NODE:
	case CV_PLAN_LISTENER:
		return b->model->n_lbs;
	case CV_PLAN_TARGET:
		return b->model->n_tgs;
	case CV_PLAN_PATH:
		return b->model->n_endpoints + b->model->n_lbs;
	default:
		return 1;
	}
}

/* Give one owner's objects their slots. */
static int assign_owned(struct plan_build *b, enum cv_plan_kind kind, uint32_t owner)
{
	const struct cv_plan_priv *priv = b->plan->priv;
	struct subject s = {.kind = kind, .owner = owner};
	uint32_t n = n_owned(b, kind, owner);

	for (s.idx = 0; s.idx < n; s.idx++) {
		uint32_t *slot = &priv->slot[kind][priv->first[kind][owner] + s.idx];
		char path[CV_ERR_PATH_LEN];
		int err;

		*slot = CV_VIEW_NONE;
		if (is_gone(b, &s))
			continue;
		subject_key(b, &s);
		err = cv_plan_slots_get(b->in->slots, kind, s.key, s.len, slot);
		if (err == -ENOSPC) {
			subject_path(&s, b->model->n_endpoints, path, sizeof(path));
			cv_plan_slots_full(b->in->slots, kind, b->errs, path);
		}
		if (err != 0)
			return err;
	}
	return 0;
}

static int assign_kind(struct plan_build *b, enum cv_plan_kind kind)
{
	struct cv_plan_priv *priv = b->plan->priv;
	uint32_t n = n_owners(b, kind);
	uint32_t owner, total = 0;
	int err;

	priv->n_owners[kind] = n;
	priv->first[kind] = cv_plan_mem_get(&priv->mem, (size_t)n + 1, sizeof(uint32_t));
	if (priv->first[kind] == NULL)
		return -ENOMEM;
	for (owner = 0; owner < n; owner++) {
		priv->first[kind][owner] = total;
		total += n_owned(b, kind, owner);
	}
	priv->first[kind][n] = total;
	priv->slot[kind] = cv_plan_mem_get(&priv->mem, total, sizeof(uint32_t));
	if (priv->slot[kind] == NULL)
		return -ENOMEM;
	for (owner = 0; owner < n; owner++) {
		err = assign_owned(b, kind, owner);
		if (err != 0)
			return err;
	}
	return 0;
}

/* The way back: from slots to places in the model. */
static int list_objects(struct plan_build *b, enum cv_plan_kind kind)
{
	struct cv_plan_priv *priv = b->plan->priv;
	uint32_t n = cv_plan_slots_n(b->in->slots, kind);
	struct cv_plan_obj *objs = cv_plan_mem_get(&priv->mem, n, sizeof(*objs));

	if (objs == NULL)
		return -ENOMEM;
	for (uint32_t slot = 0; slot < n; slot++)
		objs[slot].idx = CV_MODEL_NONE;
	for (uint32_t owner = 0; owner < priv->n_owners[kind]; owner++) {
		uint32_t first = priv->first[kind][owner];

		for (uint32_t i = first; i < priv->first[kind][owner + 1]; i++) {
			if (priv->slot[kind][i] != CV_VIEW_NONE)
				objs[priv->slot[kind][i]] =
					(struct cv_plan_obj){.owner = owner, .idx = i - first};
		}
	}
	if (kind == CV_PLAN_VPC)
		cv_plan_unders_list(b, objs);
	b->plan->objs[kind] = objs;
	b->plan->n_slots[kind] = n;
	return 0;
}

int cv_plan_slots_assign(struct plan_build *b)
{
	int err = 0;

	for (unsigned int kind = 0; kind < PLAN_MODEL_KINDS && err == 0; kind++) {
		err = assign_kind(b, kind);
		if (err == 0 && kind == CV_PLAN_VPC)
			err = cv_plan_unders_assign(b);
		if (err == 0)
			err = list_objects(b, kind);
	}
	return err;
}
