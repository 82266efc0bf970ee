/* SPDX-License-Identifier: BSD-3-Clause */

/* What serves, while the model goes on changing. */

#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* A copy of n elements, at least room for one; NULL clears *ok. */
static void *copy(const void *items, uint32_t n, size_t size, bool *ok)
{
	void *mem = items == NULL ? NULL : malloc((n == 0 ? 1 : n) * size);

	if (mem != NULL && n > 0)
		memcpy(mem, items, n * size);
	*ok = *ok && (mem != NULL || items == NULL);
	return mem;
}

#define COPY(items, n) ((items) = copy((items), (n), sizeof(*(items)), &ok))

static bool metas_copy(struct cv_model *to)
{
	bool ok = true;

	for (enum cv_model_kind kind = CV_MODEL_VPC; kind <= CV_MODEL_ENDPOINT; kind++) {
		for (uint32_t i = 0; cv_model_name_of(to, kind, i) != NULL; i++) {
			struct cv_model_meta *meta = cv_model_meta_at(to, kind, i);

			meta->change = 0;
			COPY(meta->tags, meta->n_tags);
			COPY(meta->attrs, meta->n_attrs);
		}
	}
	return ok;
}

static bool lbs_copy(struct cv_model *to)
{
	bool ok = true;

	for (uint32_t i = 0; i < to->n_lbs; i++) {
		struct cv_model_lb *lb = &to->lbs[i];

		COPY(lb->nodes, lb->n_nodes);
		COPY(lb->listeners, lb->n_listeners);
		COPY(lb->sgs, lb->n_sgs);
		if (lb->listeners == NULL)
			lb->n_listeners = 0;
		for (uint32_t k = 0; k < lb->n_listeners; k++) {
			COPY(lb->listeners[k].meta.tags, lb->listeners[k].meta.n_tags);
			COPY(lb->listeners[k].meta.attrs, lb->listeners[k].meta.n_attrs);
		}
	}
	for (uint32_t i = 0; i < to->n_tgs; i++) {
		COPY(to->tgs[i].targets, to->tgs[i].n_targets);
		COPY(to->tgs[i].dropped, to->tgs[i].n_dropped);
	}
	return ok;
}

static bool sgs_copy(struct cv_model *to)
{
	bool ok = true;

	for (uint32_t i = 0; i < to->n_sgs; i++) {
		struct cv_model_security_group *sg = &to->sgs[i];

		COPY(sg->rules, sg->n_rules);
		COPY(sg->egress, sg->n_egress);
		sg->n_rules = sg->rules != NULL ? sg->n_rules : 0;
		sg->n_egress = sg->egress != NULL ? sg->n_egress : 0;
		for (uint32_t k = 0; k < sg->n_rules; k++)
			COPY(sg->rules[k].tags, sg->rules[k].n_tags);
		for (uint32_t k = 0; k < sg->n_egress; k++)
			COPY(sg->egress[k].tags, sg->egress[k].n_tags);
	}
	return ok;
}

static bool parts_copy(struct cv_model *to)
{
	bool ok = true;

	for (uint32_t i = 0; i < to->n_accounts; i++)
		COPY(to->accounts[i].zones, to->accounts[i].n_zones);
	for (uint32_t i = 0; i < to->n_vpcs; i++) {
		COPY(to->vpcs[i].cidrs, to->vpcs[i].n_cidrs);
		COPY(to->vpcs[i].vxlan.peers, to->vpcs[i].vxlan.n_peers);
	}
	for (uint32_t i = 0; i < to->n_services; i++) {
		COPY(to->services[i].lbs, to->services[i].n_lbs);
		COPY(to->services[i].principals, to->services[i].n_principals);
	}
	for (uint32_t i = 0; i < to->n_endpoints; i++) {
		COPY(to->endpoints[i].enis, to->endpoints[i].n_enis);
		COPY(to->endpoints[i].sgs, to->endpoints[i].n_sgs);
	}
	return ok;
}

/* The arrays themselves. Those that could not be copied are empty. */
static bool arrays_copy(struct cv_model *to)
{
	bool ok = true;

	COPY(to->zones, to->n_zones);
	COPY(to->accounts, to->n_accounts);
	COPY(to->vpcs, to->n_vpcs);
	COPY(to->subnets, to->n_subnets);
	COPY(to->sgs, to->n_sgs);
	COPY(to->tgs, to->n_tgs);
	COPY(to->lbs, to->n_lbs);
	COPY(to->services, to->n_services);
	COPY(to->endpoints, to->n_endpoints);
	if (ok)
		return true;
	free(to->zones);
	free(to->accounts);
	free(to->vpcs);
	free(to->subnets);
	free(to->sgs);
	free(to->tgs);
	free(to->lbs);
	free(to->services);
	free(to->endpoints);
	return false;
}

struct cv_model *cv_model_snapshot(struct cv_model *model)
{
	struct cv_model *to = malloc(sizeof(*to));
	bool ok;

	if (to == NULL)
		return NULL;
	*to = *model;
	to->changes = NULL;
	to->n_changes = 0;
	to->pools = NULL; /* what may yet be made does not serve */
	to->n_pools = 0;
	to->index = cv_model_index_copy(model->index);
	if (to->index == NULL || !arrays_copy(to)) {
		cv_model_index_destroy(to->index);
		free(to);
		return NULL;
	}
	/* All of them, even when memory runs out in one: then each is the copy's own and can be freed. */
	ok = metas_copy(to);
	ok = lbs_copy(to) && ok;
	ok = sgs_copy(to) && ok;
	ok = parts_copy(to) && ok;
	if (!ok) {
		cv_model_destroy(to);
		return NULL;
	}
	cv_model_limbo_turn(model->index);
	return to;
}

void cv_model_snapshot_end(struct cv_model *model, bool served)
{
	cv_model_limbo_end(model->index, served);
}
