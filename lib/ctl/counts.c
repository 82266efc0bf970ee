/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What the workers have counted, by object. They count packets by path; what an endpoint or a node has is the
 * sum of its paths, those included that are gone.
 */

#include "show_priv.h"

static void sum_add(struct cv_stats_obj_sum *to, const struct cv_stats_obj_sum *sum)
{
	for (int dir = 0; dir < 2; dir++) {
		to->pkts[dir] += sum->pkts[dir];
		to->bytes[dir] += sum->bytes[dir];
	}
	to->new_flows += sum->new_flows;
	to->end_flows += sum->end_flows;
	to->drops += sum->drops;
	to->rsts += sum->rsts;
}

/* What a slot has counted since its object has it. */
static struct cv_stats_obj_sum slot_sum(const struct cv_ctl *ctl, enum cv_stats_kind kind,
					uint32_t slot)
{
	const struct cv_stats_obj_sum *bases = ctl->recycle.base[kind];
	struct cv_stats_obj_sum sum;

	if (ctl->dp == NULL)
		return (struct cv_stats_obj_sum){0};
	sum = cv_stats_obj_sum(cv_dp_stats(ctl->dp), ctl->conf->dpdk.workers, kind, slot);
	if (bases == NULL)
		return sum;
	for (int dir = 0; dir < 2; dir++) {
		sum.pkts[dir] -= bases[slot].pkts[dir];
		sum.bytes[dir] -= bases[slot].bytes[dir];
	}
	sum.new_flows -= bases[slot].new_flows;
	sum.end_flows -= bases[slot].end_flows;
	sum.drops -= bases[slot].drops;
	sum.rsts -= bases[slot].rsts;
	return sum;
}

static uint64_t path_drops(const struct cv_ctl *ctl, uint32_t slot, enum cv_drop reason)
{
	uint64_t n;

	if (ctl->dp == NULL)
		return 0;
	n = cv_stats_path_drop_sum(cv_dp_stats(ctl->dp), ctl->conf->dpdk.workers, slot, reason);
	return ctl->recycle.base_drops != NULL ? n - ctl->recycle.base_drops[slot][reason] : n;
}

static uint64_t path_events(const struct cv_ctl *ctl, uint32_t slot, enum cv_path_event event)
{
	uint64_t n;

	if (ctl->dp == NULL)
		return 0;
	n = cv_stats_path_event_sum(cv_dp_stats(ctl->dp), ctl->conf->dpdk.workers, slot, event);
	return ctl->recycle.base_events != NULL ? n - ctl->recycle.base_events[slot][event] : n;
}

/* The first path of an endpoint or a node, and the one after another. */
static uint32_t path_first(const struct cv_ctl *ctl, enum cv_plan_kind kind, uint32_t slot)
{
	const uint32_t *firsts =
		kind == CV_PLAN_ENDPOINT ? ctl->plan->endpoint_path : ctl->plan->node_path;

	return slot < ctl->plan->n_slots[kind] ? firsts[slot] : CV_VIEW_NONE;
}

static uint32_t path_next(const struct cv_ctl *ctl, enum cv_plan_kind kind, uint32_t slot)
{
	const struct cv_plan_path *path = &ctl->plan->paths[slot];

	return kind == CV_PLAN_ENDPOINT ? path->endpoint_next : path->node_next;
}

uint32_t cv_ctl_count_paths(const struct cv_ctl *ctl, enum cv_plan_kind kind, uint32_t slot)
{
	uint32_t n = 0;

	for (uint32_t i = path_first(ctl, kind, slot); i != CV_VIEW_NONE;
	     i = path_next(ctl, kind, i))
		n++;
	return n;
}

static const struct cv_ctl_count *past_get(const struct cv_ctl *ctl, enum cv_plan_kind kind,
					   uint32_t slot)
{
	const struct ctl_past *past = &ctl->recycle.past[kind];

	return slot < past->n ? &past->items[slot] : NULL;
}

struct cv_stats_obj_sum cv_ctl_counts_get(const struct cv_ctl *ctl, enum cv_plan_kind kind,
					  uint32_t slot)
{
	struct cv_stats_obj_sum sum = {0};
	const struct cv_ctl_count *past;

	if (kind != CV_PLAN_ENDPOINT && kind != CV_PLAN_NODE)
		return slot_sum(ctl,
				kind == CV_PLAN_PATH       ? CV_STATS_PATH
				: kind == CV_PLAN_LISTENER ? CV_STATS_LISTENER
							   : CV_STATS_TARGET,
				slot);
	past = past_get(ctl, kind, slot);
	if (past != NULL)
		sum = past->sum;
	for (uint32_t i = path_first(ctl, kind, slot); i != CV_VIEW_NONE;
	     i = path_next(ctl, kind, i)) {
		const struct cv_stats_obj_sum one = slot_sum(ctl, CV_STATS_PATH, i);

		sum_add(&sum, &one);
	}
	return sum;
}

uint64_t cv_ctl_drops_get(const struct cv_ctl *ctl, enum cv_plan_kind kind, uint32_t slot,
			  enum cv_drop reason)
{
	const struct cv_ctl_count *past = past_get(ctl, kind, slot);
	uint64_t n = past != NULL ? past->drops[reason] : 0;

	for (uint32_t i = path_first(ctl, kind, slot); i != CV_VIEW_NONE;
	     i = path_next(ctl, kind, i))
		n += path_drops(ctl, i, reason);
	return n;
}

uint64_t cv_ctl_events_get(const struct cv_ctl *ctl, enum cv_plan_kind kind, uint32_t slot,
			   enum cv_path_event event)
{
	const struct cv_ctl_count *past = past_get(ctl, kind, slot);
	uint64_t n = past != NULL ? past->events[event] : 0;

	for (uint32_t i = path_first(ctl, kind, slot); i != CV_VIEW_NONE;
	     i = path_next(ctl, kind, i))
		n += path_events(ctl, i, event);
	return n;
}

uint64_t cv_ctl_count_active(const struct cv_stats_obj_sum *sum)
{
	return sum->new_flows > sum->end_flows ? sum->new_flows - sum->end_flows : 0;
}

void cv_ctl_count_path(const struct cv_ctl *ctl, uint32_t slot, struct cv_ctl_count *ret)
{
	ret->sum = slot_sum(ctl, CV_STATS_PATH, slot);
	for (int i = 0; i < CV_PATH_EVENT_N; i++)
		ret->events[i] = path_events(ctl, slot, (enum cv_path_event)i);
	for (int i = 0; i < CV_DROP_N; i++)
		ret->drops[i] = path_drops(ctl, slot, (enum cv_drop)i);
}

void cv_ctl_count_add(struct cv_ctl_count *to, const struct cv_ctl_count *count)
{
	sum_add(&to->sum, &count->sum);
	for (int i = 0; i < CV_PATH_EVENT_N; i++)
		to->events[i] += count->events[i];
	for (int i = 0; i < CV_DROP_N; i++)
		to->drops[i] += count->drops[i];
}
