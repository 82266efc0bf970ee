/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Slots of objects that are gone, given out again.
 *
 * A slot is free once nothing can name it: the plan that serves does not have its object, no worker can
 * hold a view that had it, and then a walk of every worker over its flows has found it with none. What was
 * counted in it stays in the workers' counters, which only they write; it is subtracted from then on.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "show_priv.h"

/* Between two looks: one follows a change soon, then less and less often while flows hold the rest. */
#define LOOK_FIRST_MS 1000
#define LOOK_MOST_MS 64000

static const struct {
	enum cv_plan_kind kind;
	int mark;  /* enum cv_dp_mark, -1: flows do not hold it */
	int stats; /* enum cv_stats_kind, -1: it is not counted */
} kinds[] = {
	/* Those whose keys name others' slots come first. */
	{CV_PLAN_TARGET, CV_DP_MARK_TARGET, CV_STATS_TARGET},
	{CV_PLAN_NEIGH, CV_DP_MARK_NEIGH, -1},
	{CV_PLAN_GROUP, -1, -1},
	{CV_PLAN_LISTENER, CV_DP_MARK_LISTENER, CV_STATS_LISTENER},
	{CV_PLAN_PATH, CV_DP_MARK_PATH, CV_STATS_PATH},
	{CV_PLAN_ENDPOINT, -1, -1},
	{CV_PLAN_NODE, -1, -1},
	{CV_PLAN_LB, -1, -1},
	{CV_PLAN_VPC, CV_DP_MARK_VPC, -1},
};

void cv_ctl_recycle_fini(struct ctl_recycle *r)
{
	for (int kind = 0; kind < CV_PLAN_KIND_N; kind++)
		free(r->gone[kind].since);
	for (int kind = 0; kind < CV_STATS_KIND_N; kind++)
		free(r->base[kind]);
	free(r->base_drops);
	free(r->base_events);
	for (int kind = 0; kind < CV_PLAN_KIND_N; kind++)
		free(r->past[kind].items);
	cv_dp_marks_destroy(r->marks);
}

static bool is_present(const struct cv_plan *plan, enum cv_plan_kind kind, uint32_t slot)
{
	if ((kind == CV_PLAN_ENDPOINT && slot == CV_VIEW_DIRECT) ||
	    (kind == CV_PLAN_PATH && slot == CV_VIEW_PATH_NONE))
		return true;
	if (slot >= plan->n_slots[kind])
		return false;
	if (kind == CV_PLAN_NEIGH)
		return plan->neighs[slot].used;
	return plan->objs[kind][slot].idx != CV_MODEL_NONE;
}

static bool gone_grow(struct ctl_gone *gone, uint32_t n)
{
	uint64_t *since;

	if (n <= gone->n)
		return true;
	since = realloc(gone->since, n * sizeof(*since));
	if (since == NULL)
		return false;
	memset(since + gone->n, 0, (n - gone->n) * sizeof(*since));
	gone->since = since;
	gone->n = n;
	return true;
}

void cv_ctl_recycle_note(struct cv_ctl *ctl)
{
	struct ctl_recycle *r = &ctl->recycle;
	uint64_t soon = cv_clock_ms() + LOOK_FIRST_MS;
	/* Changes that keep coming must not put the look off for ever. */
	bool later = r->n_gone == 0 || r->due_ms > soon;

	r->serial++;
	r->n_gone = 0;
	for (int kind = 0; kind < CV_PLAN_KIND_N; kind++) {
		struct ctl_gone *gone = &r->gone[kind];

		/* Without memory the newest slots are not known to be gone: they wait. */
		(void)gone_grow(gone, ctl->plan->n_slots[kind]);
		for (uint32_t slot = 0; slot < gone->n; slot++) {
			if (is_present(ctl->plan, (enum cv_plan_kind)kind, slot) ||
			    !cv_plan_slots_is_given(ctl->slots, (enum cv_plan_kind)kind, slot)) {
				gone->since[slot] = 0;
				continue;
			}
			if (gone->since[slot] == 0) {
				gone->since[slot] = r->serial;
				r->wait_ms = LOOK_FIRST_MS;
				r->due_ms = later ? soon : r->due_ms;
			}
			r->n_gone++;
		}
	}
}

static void hold(bool *held, uint32_t n, uint32_t slot)
{
	if (slot < n)
		held[slot] = true;
}

/* What beside flows and the plan names slots of a kind. */
static void held_fill(const struct cv_ctl *ctl, enum cv_plan_kind kind, bool *held, uint32_t n)
{
	if (kind == CV_PLAN_GROUP || kind == CV_PLAN_VPC || kind == CV_PLAN_ENDPOINT ||
	    kind == CV_PLAN_NODE)
		cv_plan_slots_keys(ctl->slots, kind, held, n);
	for (uint32_t i = 0; kind == CV_PLAN_TARGET && i < ctl->drains.n; i++)
		hold(held, n, ctl->drains.items[i].slot);
	/* Whoever is checked is spoken to. */
	for (uint32_t i = 0; kind == CV_PLAN_NEIGH && i < ctl->drains.n; i++)
		hold(held, n, ctl->drains.items[i].neigh);
	if (kind != CV_PLAN_VPC)
		return;
	for (uint32_t i = 0; i < cv_snat_registry_n(ctl->registry); i++)
		hold(held, n, cv_snat_pool_key(cv_snat_registry_at(ctl->registry, i))->vpc);
	for (uint32_t i = 0; i < ctl->n_dying; i++)
		hold(held, n, cv_snat_pool_key(ctl->dying[i])->vpc);
	for (uint32_t i = 0; i < ctl->n_announces; i++)
		hold(held, n, ctl->announces[i].vpc);
}

static bool is_free(const struct cv_ctl *ctl, size_t k, uint32_t slot)
{
	const struct ctl_recycle *r = &ctl->recycle;
	uint64_t since = r->gone[kinds[k].kind].since[slot];

	/* One that came back after the walk began may have flows that the walk missed. */
	return since != 0 && since <= r->marks_serial &&
	       (kinds[k].mark < 0 ||
		!cv_dp_marks_has(r->marks, (enum cv_dp_mark)kinds[k].mark, slot));
}

static bool past_grow(struct ctl_past *past, uint32_t n)
{
	struct cv_ctl_count *items;

	if (n <= past->n)
		return true;
	items = realloc(past->items, n * sizeof(*items));
	if (items == NULL)
		return false;
	memset(items + past->n, 0, (n - past->n) * sizeof(*items));
	past->items = items;
	past->n = n;
	return true;
}

/* What a path has counted stays with its endpoint and its node. */
static void past_keep(struct cv_ctl *ctl, uint32_t slot)
{
	struct ctl_recycle *r = &ctl->recycle;
	const struct cv_plan_path *path = &ctl->plan->paths[slot];
	struct cv_ctl_count count;

	cv_ctl_count_path(ctl, slot, &count);
	if (path->endpoint < r->past[CV_PLAN_ENDPOINT].n)
		cv_ctl_count_add(&r->past[CV_PLAN_ENDPOINT].items[path->endpoint], &count);
	if (path->node < r->past[CV_PLAN_NODE].n)
		cv_ctl_count_add(&r->past[CV_PLAN_NODE].items[path->node], &count);
}

/* From here on a slot's counts start from zero. */
static void counts_restart(struct cv_ctl *ctl, size_t k, uint32_t slot)
{
	struct ctl_recycle *r = &ctl->recycle;
	unsigned int n = ctl->conf->dpdk.workers;
	enum cv_stats_kind kind;

	if (slot < r->past[kinds[k].kind].n)
		r->past[kinds[k].kind].items[slot] = (struct cv_ctl_count){0};
	if (kinds[k].kind == CV_PLAN_PATH)
		past_keep(ctl, slot);

	if (kinds[k].kind == CV_PLAN_NEIGH)
		atomic_store_explicit(&ctl->neigh[slot], 0, memory_order_relaxed);
	if (kinds[k].stats < 0)
		return;
	kind = (enum cv_stats_kind)kinds[k].stats;
	r->base[kind][slot] = cv_stats_obj_sum(cv_dp_stats(ctl->dp), n, kind, slot);
	if (kind != CV_STATS_PATH)
		return;
	for (int reason = 0; reason < CV_DROP_N; reason++)
		r->base_drops[slot][reason] =
			cv_stats_path_drop_sum(cv_dp_stats(ctl->dp), n, slot, (enum cv_drop)reason);
	for (int event = 0; event < CV_PATH_EVENT_N; event++)
		r->base_events[slot][event] = cv_stats_path_event_sum(cv_dp_stats(ctl->dp), n, slot,
								      (enum cv_path_event)event);
}

static void kind_recycle(struct cv_ctl *ctl, size_t k)
{
	struct ctl_recycle *r = &ctl->recycle;
	struct ctl_gone *gone = &r->gone[kinds[k].kind];
	/* Slots that the walk does not know of are too new anyway. */
	uint32_t n_slots = r->n_marked[kinds[k].kind], n = 0;
	uint32_t *which = calloc((size_t)n_slots + 1, sizeof(*which));
	bool *held = calloc((size_t)n_slots + 1, sizeof(*held));

	if (which == NULL || held == NULL)
		goto out; /* the next look will do */
	held_fill(ctl, kinds[k].kind, held, n_slots);
	for (uint32_t slot = 0; slot < n_slots; slot++) {
		if (held[slot] || !is_free(ctl, k, slot))
			continue;
		counts_restart(ctl, k, slot);
		gone->since[slot] = 0;
		which[n++] = slot;
	}
	cv_plan_slots_recycle(ctl->slots, kinds[k].kind, which, n);
	r->n_gone -= n;
out:
	free(which);
	free(held);
}

/* Memory for what is subtracted; pages of it that nobody writes take none. */
static bool base_make(struct cv_ctl *ctl)
{
	struct ctl_recycle *r = &ctl->recycle;

	for (size_t k = 0; k < CV_ARRAY_LEN(kinds); k++) {
		if (kinds[k].stats < 0 || r->base[kinds[k].stats] != NULL)
			continue;
		r->base[kinds[k].stats] =
			calloc(cv_plan_slots_cap(ctl->slots, kinds[k].kind), sizeof(**r->base));
		if (r->base[kinds[k].stats] == NULL)
			return false;
	}
	if (r->base_drops == NULL)
		r->base_drops =
			calloc(cv_plan_slots_cap(ctl->slots, CV_PLAN_PATH), sizeof(*r->base_drops));
	if (r->base_events == NULL)
		r->base_events = calloc(cv_plan_slots_cap(ctl->slots, CV_PLAN_PATH),
					sizeof(*r->base_events));
	return r->base_drops != NULL && r->base_events != NULL &&
	       past_grow(&r->past[CV_PLAN_ENDPOINT], ctl->plan->n_slots[CV_PLAN_ENDPOINT]) &&
	       past_grow(&r->past[CV_PLAN_NODE], ctl->plan->n_slots[CV_PLAN_NODE]);
}

static void look_start(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct ctl_recycle *r = &ctl->recycle;
	uint32_t n[CV_DP_MARK_N];

	/* No worker may hold a view from before: it would open flows to what is gone. */
	if (r->n_gone == 0 || now_ms < r->due_ms || cv_view_pub_reap(ctl->pub) > 0 ||
	    !base_make(ctl))
		return;
	for (size_t k = 0; k < CV_ARRAY_LEN(kinds); k++) {
		r->n_marked[kinds[k].kind] = r->gone[kinds[k].kind].n;
		if (kinds[k].mark >= 0)
			n[kinds[k].mark] = r->gone[kinds[k].kind].n;
	}
	if (cv_dp_marks_create(ctl->dp, n, &r->marks) != 0)
		return;
	r->marks_serial = r->serial;
}

void cv_ctl_recycle_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct ctl_recycle *r = &ctl->recycle;

	if (r->marks == NULL) {
		look_start(ctl, now_ms);
		return;
	}
	/* An answer that is being put together names objects by their slots, and so does a capture. */
	if (!cv_dp_marks_is_done(r->marks) || cv_ctl_flows_is_busy(ctl) || ctl->capture != NULL)
		return;
	for (size_t k = 0; k < CV_ARRAY_LEN(kinds); k++)
		kind_recycle(ctl, k);
	cv_dp_marks_destroy(r->marks);
	r->marks = NULL;
	r->due_ms = now_ms + r->wait_ms;
	r->wait_ms = r->wait_ms * 2 < LOOK_MOST_MS ? r->wait_ms * 2 : LOOK_MOST_MS;
}
