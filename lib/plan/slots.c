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
	void *key; /* NULL: the slot is free */
	size_t len;
};

/* Slots of one kind: entries by slot, and an open-addressing index, at most half full. */
struct table {
	struct entry *entries; /* shape [cap], n in use */
	uint32_t *idx;         /* shape [2 * cap]: slot + 1, 0 when free */
	uint32_t *free;        /* shape [cap], n_free in use: slots below n to be given out again */
	uint32_t *given;       /* shape [cap], n_given in use: slots given out since the mark */
	uint32_t n_free, n_given;
	uint32_t n;
	uint32_t next; /* the slot that is most likely asked for next: that after the last one */
	uint32_t cap;  /* a power of two, or 0 */
	uint32_t limit;
};

/* Beside a slot in `given`: it had been in use before. */
#define AGAIN (1U << 31)

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

static void idx_build(struct table *t)
{
	memset(t->idx, 0, 2 * (size_t)t->cap * sizeof(*t->idx));
	for (uint32_t slot = 0; slot < t->n; slot++) {
		if (t->entries[slot].key != NULL)
			idx_add(t, slot);
	}
}

/* An array of twice the size with what the old one holds; that is the caller's still. */
static void *doubled(const void *from, uint32_t n, uint32_t cap, size_t size)
{
	void *to = zeroed(cap, size);

	if (to != NULL && n > 0)
		memcpy(to, from, n * size);
	return to;
}

static void arrays_free(struct table *t)
{
	free(t->entries);
	free(t->idx);
	free(t->free);
	free(t->given);
}

static int grow(struct table *t)
{
	struct table to = *t;

	to.cap = t->cap == 0 ? CAP_FIRST : t->cap * 2;
	to.entries = doubled(t->entries, t->n, to.cap, sizeof(*to.entries));
	to.idx = zeroed(2 * (size_t)to.cap, sizeof(*to.idx));
	to.free = doubled(t->free, t->n_free, to.cap, sizeof(*to.free));
	to.given = doubled(t->given, t->n_given, to.cap, sizeof(*to.given));
	if (to.entries == NULL || to.idx == NULL || to.free == NULL || to.given == NULL) {
		arrays_free(&to);
		return -ENOMEM;
	}
	arrays_free(t);
	*t = to;
	idx_build(t);
	return 0;
}

static bool is_key(const struct entry *e, const void *key, size_t len)
{
	return e->len == len && memcmp(e->key, key, len) == 0;
}

static bool find(const struct table *t, uint64_t hash, const void *key, size_t len,
		 uint32_t *ret_slot)
{
	for (uint32_t i = (uint32_t)hash; t->cap > 0; i++) {
		uint32_t at = t->idx[i & (2 * t->cap - 1)];
		const struct entry *e;

		if (at == 0)
			break;
		e = &t->entries[at - 1];
		if (e->hash == hash && is_key(e, key, len)) {
			*ret_slot = at - 1;
			return true;
		}
	}
	return false;
}

int cv_plan_slots_get(struct cv_plan_slots *slots, enum cv_plan_kind kind, const void *key,
		      size_t len, uint32_t *ret_slot)
{
	struct table *t = &slots->tables[kind];
	bool again = t->n_free > 0;
	uint64_t hash;
	void *copy;
	uint32_t slot;

	/* A plan asks in the model's order, which is that of the plans before, but for what changed. */
	if (t->next < t->n && is_key(&t->entries[t->next], key, len)) {
		*ret_slot = t->next++;
		return 0;
	}
	hash = cv_siphash(key, len, 0, 0);
	if (find(t, hash, key, len, ret_slot)) {
		t->next = *ret_slot + 1;
		return 0;
	}
	if (!again && t->n == t->limit)
		return -ENOSPC;
	if (!again && t->n == t->cap && grow(t) != 0)
		return -ENOMEM;
	copy = zeroed(1, len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, key, len);
	slot = again ? t->free[--t->n_free] : t->n++;
	t->entries[slot] = (struct entry){.hash = hash, .key = copy, .len = len};
	t->next = slot + 1;
	t->given[t->n_given++] = slot | (again ? AGAIN : 0);
	idx_add(t, slot);
	*ret_slot = slot;
	return 0;
}

struct cv_plan_slots *cv_plan_slots_create(const struct cv_plan_limits *limits)
{
	struct cv_plan_slots *slots = zeroed(1, sizeof(*slots));
	const struct plan_path_key none = {CV_VIEW_DIRECT, CV_VIEW_NONE};
	uint32_t direct, no_path;

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
	slots->tables[CV_PLAN_PATH].limit =
		1 + limits->endpoints * CV_PLAN_PATHS_EACH + CV_PLAN_PATHS_NODES;
	slots->tables[CV_PLAN_NEIGH].limit = limits->targets + CV_PLAN_GATEWAYS_MAX;
	/* No endpoint's id is empty. */
	if (cv_plan_slots_get(slots, CV_PLAN_ENDPOINT, "", 1, &direct) != 0 ||
	    cv_plan_slots_get(slots, CV_PLAN_PATH, &none, sizeof(none), &no_path) != 0) {
		cv_plan_slots_destroy(slots);
		return NULL;
	}
	cv_assert(direct == CV_VIEW_DIRECT && no_path == CV_VIEW_PATH_NONE);
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
		arrays_free(t);
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

void cv_plan_slots_mark(struct cv_plan_slots *slots)
{
	for (unsigned int kind = 0; kind < CV_PLAN_KIND_N; kind++)
		slots->tables[kind].n_given = 0;
}

void cv_plan_slots_rollback(struct cv_plan_slots *slots)
{
	for (unsigned int kind = 0; kind < CV_PLAN_KIND_N; kind++) {
		struct table *t = &slots->tables[kind];
		bool any = t->n_given > 0;

		while (t->n_given > 0) {
			uint32_t given = t->given[--t->n_given], slot = given & ~AGAIN;

			free(t->entries[slot].key);
			t->entries[slot] = (struct entry){0};
			if ((given & AGAIN) != 0)
				t->free[t->n_free++] = slot;
			else
				t->n--;
		}
		if (any)
			idx_build(t);
	}
}

const void *cv_plan_slots_key(const struct cv_plan_slots *slots, enum cv_plan_kind kind,
			      uint32_t slot)
{
	return slots->tables[kind].entries[slot].key;
}

bool cv_plan_slots_is_given(const struct cv_plan_slots *slots, enum cv_plan_kind kind,
			    uint32_t slot)
{
	const struct table *t = &slots->tables[kind];

	return slot < t->n && t->entries[slot].key != NULL;
}

void cv_plan_slots_keys(const struct cv_plan_slots *slots, enum cv_plan_kind kind, bool *held,
			uint32_t n)
{
	/* Where assign.c and plan_targets.c put the slot in keys. */
	static const struct {
		enum cv_plan_kind by;
		size_t at, len;
	} places[CV_PLAN_KIND_N] = {
		[CV_PLAN_VPC] = {CV_PLAN_NEIGH, 0, sizeof(uint16_t)},
		[CV_PLAN_GROUP] = {CV_PLAN_TARGET, 0, sizeof(uint32_t)},
		[CV_PLAN_ENDPOINT] = {CV_PLAN_PATH, 0, sizeof(uint32_t)},
		[CV_PLAN_NODE] = {CV_PLAN_PATH, sizeof(uint32_t), sizeof(uint32_t)},
	};
	const struct table *t = &slots->tables[places[kind].by];

	cv_assert(places[kind].len > 0);
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t slot = 0;

		if (t->entries[i].key == NULL)
			continue;
		memcpy(&slot, (const char *)t->entries[i].key + places[kind].at, places[kind].len);
		if (slot < n)
			held[slot] = true;
	}
}

void cv_plan_slots_recycle(struct cv_plan_slots *slots, enum cv_plan_kind kind,
			   const uint32_t *which, uint32_t n)
{
	struct table *t = &slots->tables[kind];

	for (uint32_t i = 0; i < n; i++) {
		struct entry *e = &t->entries[which[i]];

		cv_assert(cv_plan_slots_is_given(slots, kind, which[i]));
		free(e->key);
		*e = (struct entry){0};
		t->free[t->n_free++] = which[i];
	}
	if (n > 0)
		idx_build(t);
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
		[CV_PLAN_PATH] = {"endpoint interfaces and load balancer nodes",
				  "limits.endpoints"},
		[CV_PLAN_NEIGH] = {"targets' next hops", "limits.targets"},
	};
	uint32_t limit = slots->tables[kind].limit - (kind == CV_PLAN_ENDPOINT ? 1 : 0);

	if (kinds[kind].setting == NULL) {
		cv_errs_add(errs, path, 0,
			    "this is one more than the %" PRIu32
			    " %s that culvert can hold; those removed "
			    "count as long as connections of theirs go on",
			    limit, kinds[kind].what);
		return;
	}
	cv_errs_add(errs, path, 0,
		    "there is room for %" PRIu32
		    " %s, and those removed count as long as connections of "
		    "theirs go on; raise %s and restart",
		    limit, kinds[kind].what, kinds[kind].setting);
}
