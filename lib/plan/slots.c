/* SPDX-License-Identifier: BSD-3-Clause */

#include "plan_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CAP_FIRST 16

struct plan_mem {
	struct plan_mem *next;
	max_align_t data[];
};

/* What a slot stands for. */
struct entry {
	uint64_t hash;
	void *key;
	size_t len;
};

/* Slots of one kind: entries by slot, and an open-addressing index, at most half full. */
struct table {
	struct entry *entries; /* shape [cap], n in use */
	uint32_t *idx;         /* shape [2 * cap]: slot + 1, 0 when free */
	uint32_t n;
	uint32_t cap; /* a power of two, or 0 */
	uint32_t limit;
};

struct cv_plan_slots {
	struct table tables[CV_PLAN_KIND_N];
};

/* One function for all memory of the module, so that a test can make each call of it fail. */
static void *zeroed(size_t n, size_t size)
{
	void *mem = reallocarray(NULL, n, size);

	if (mem != NULL)
		memset(mem, 0, n * size);
	return mem;
}

void *cv_plan_mem_get(struct plan_mem **list, size_t n, size_t size)
{
	struct plan_mem *mem = zeroed(1, sizeof(*mem) + n * size);

	if (mem == NULL)
		return NULL;
	mem->next = *list;
	*list = mem;
	return mem->data;
}

void cv_plan_mem_free(struct plan_mem **list)
{
	while (*list != NULL) {
		struct plan_mem *next = (*list)->next;

		free(*list);
		*list = next;
	}
}

static void idx_add(struct table *t, uint32_t slot)
{
	uint32_t mask = 2 * t->cap - 1;
	uint32_t i = (uint32_t)t->entries[slot].hash & mask;

	while (t->idx[i] != 0)
		i = (i + 1) & mask;
	t->idx[i] = slot + 1;
}

static int grow(struct table *t)
{
	uint32_t cap = t->cap == 0 ? CAP_FIRST : t->cap * 2;
	struct entry *entries = zeroed(cap, sizeof(*entries));
	uint32_t *idx = zeroed(2 * (size_t)cap, sizeof(*idx));

	if (entries == NULL || idx == NULL) {
		free(entries);
		free(idx);
		return -ENOMEM;
	}
	if (t->n > 0)
		memcpy(entries, t->entries, t->n * sizeof(*entries));
	free(t->entries);
	free(t->idx);
	t->entries = entries;
	t->idx = idx;
	t->cap = cap;
	for (uint32_t slot = 0; slot < t->n; slot++)
		idx_add(t, slot);
	return 0;
}

int cv_plan_slots_get(struct cv_plan_slots *slots, enum cv_plan_kind kind, const void *key,
		      size_t len, uint32_t *ret_slot)
{
	struct table *t = &slots->tables[kind];
	uint64_t hash = cv_siphash(key, len, 0, 0);
	struct entry *e;

	for (uint32_t i = (uint32_t)hash; t->cap > 0; i++) {
		uint32_t at = t->idx[i & (2 * t->cap - 1)];

		if (at == 0)
			break;
		e = &t->entries[at - 1];
		if (e->hash == hash && e->len == len && memcmp(e->key, key, len) == 0) {
			*ret_slot = at - 1;
			return 0;
		}
	}
	if (t->n == t->limit)
		return -ENOSPC;
	if (t->n == t->cap && grow(t) != 0)
		return -ENOMEM;
	e = &t->entries[t->n];
	e->key = zeroed(1, len);
	if (e->key == NULL)
		return -ENOMEM;
	memcpy(e->key, key, len);
	e->len = len;
	e->hash = hash;
	idx_add(t, t->n);
	*ret_slot = t->n++;
	return 0;
}

struct cv_plan_slots *cv_plan_slots_create(const struct cv_plan_limits *limits)
{
	struct cv_plan_slots *slots = zeroed(1, sizeof(*slots));
	uint32_t direct;

	if (slots == NULL)
		return NULL;
	cv_assert(limits->endpoints < CV_PLAN_SLOTS_MAX && limits->listeners <= CV_PLAN_SLOTS_MAX &&
		  limits->targets <= CV_PLAN_SLOTS_MAX);
	for (unsigned int kind = 0; kind < CV_PLAN_KIND_N; kind++)
		slots->tables[kind].limit = CV_PLAN_SLOTS_MAX;
	slots->tables[CV_PLAN_VPC].limit = CV_VIEW_NO_VPC - 1;
	slots->tables[CV_PLAN_ENDPOINT].limit = limits->endpoints + 1;
	slots->tables[CV_PLAN_LISTENER].limit = limits->listeners;
	slots->tables[CV_PLAN_TARGET].limit = limits->targets;
	slots->tables[CV_PLAN_NEIGH].limit = limits->targets + CV_PLAN_GATEWAYS_MAX;
	/* No endpoint's id is empty. */
	if (cv_plan_slots_get(slots, CV_PLAN_ENDPOINT, "", 1, &direct) != 0) {
		cv_plan_slots_destroy(slots);
		return NULL;
	}
	cv_assert(direct == CV_VIEW_DIRECT);
	return slots;
}

void cv_plan_slots_destroy(struct cv_plan_slots *slots)
{
	if (slots == NULL)
		return;
	for (unsigned int kind = 0; kind < CV_PLAN_KIND_N; kind++) {
		struct table *t = &slots->tables[kind];

		for (uint32_t slot = 0; slot < t->n; slot++)
			free(t->entries[slot].key);
		free(t->entries);
		free(t->idx);
	}
	free(slots);
}

uint32_t cv_plan_slots_cap(const struct cv_plan_slots *slots, enum cv_plan_kind kind)
{
	return slots->tables[kind].limit;
}

uint32_t cv_plan_slots_n(const struct cv_plan_slots *slots, enum cv_plan_kind kind)
{
	return slots->tables[kind].n;
}

struct plan_mark cv_plan_slots_mark(const struct cv_plan_slots *slots)
{
	struct plan_mark mark;

	for (unsigned int kind = 0; kind < CV_PLAN_KIND_N; kind++)
		mark.n[kind] = slots->tables[kind].n;
	return mark;
}

void cv_plan_slots_rollback(struct cv_plan_slots *slots, const struct plan_mark *mark)
{
	for (unsigned int kind = 0; kind < CV_PLAN_KIND_N; kind++) {
		struct table *t = &slots->tables[kind];

		if (t->n == mark->n[kind])
			continue;
		while (t->n > mark->n[kind])
			free(t->entries[--t->n].key);
		memset(t->idx, 0, 2 * (size_t)t->cap * sizeof(*t->idx));
		for (uint32_t slot = 0; slot < t->n; slot++)
			idx_add(t, slot);
	}
}

void cv_plan_slots_full(const struct cv_plan_slots *slots, enum cv_plan_kind kind,
			struct cv_errs *errs, const char *path)
{
	static const struct {
		const char *what;
		const char *setting; /* NULL: a limit of the program */
	} kinds[CV_PLAN_KIND_N] = {
		[CV_PLAN_VPC] = {"VPCs", NULL},
		[CV_PLAN_ENDPOINT] = {"endpoints", "limits.endpoints"},
		[CV_PLAN_LB] = {"load balancers", NULL},
		[CV_PLAN_NODE] = {"load balancer nodes", NULL},
		[CV_PLAN_LISTENER] = {"listeners", "limits.listeners"},
		[CV_PLAN_GROUP] = {"target groups", NULL},
		[CV_PLAN_TARGET] = {"targets", "limits.targets"},
		[CV_PLAN_NEIGH] = {"targets' next hops", "limits.targets"},
	};
	uint32_t limit = slots->tables[kind].limit - (kind == CV_PLAN_ENDPOINT ? 1 : 0);

	if (kinds[kind].setting == NULL) {
		cv_errs_add(errs, path, 0,
			    "this is one more than the %" PRIu32
			    " %s that culvert can hold; those removed "
			    "since it was started count until it is started again",
			    limit, kinds[kind].what);
		return;
	}
	cv_errs_add(errs, path, 0,
		    "there is room for %" PRIu32
		    " %s, and those removed since culvert was started count "
		    "until it is started again; raise %s and restart",
		    limit, kinds[kind].what, kinds[kind].setting);
}
