/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_stats.h"

#include <stdlib.h>
#include <string.h>

struct text {
	const char *name, *help;
};

static const struct text drops[CV_DROP_N] = {[CV_DROP_NONE] = {"none", "forwarded"},
#define X(id, metric, text) [CV_DROP_##id] = {metric, text},
					     CV_DROP_LIST(X)
#undef X
};

static const struct text events[CV_EV_N] = {
#define X(id, metric, text) [CV_EV_##id] = {metric, text},
	CV_EVENT_LIST(X)
#undef X
};

static const struct text stages[CV_STAGE_N] = {
#define X(id, metric, text) [CV_STAGE_##id] = {metric, text},
	CV_STAGE_LIST(X)
#undef X
};

struct cv_stats *cv_stats_create(const uint32_t *n_obj)
{
	struct cv_stats *stats = aligned_alloc(CV_CACHE_LINE, sizeof(*stats));

	if (stats == NULL)
		return NULL;
	memset(stats, 0, sizeof(*stats));
	for (int kind = 0; kind < CV_STATS_KIND_N; kind++) {
		size_t len = n_obj[kind] * sizeof(struct cv_stats_obj);

		stats->n_obj[kind] = n_obj[kind];
		stats->obj[kind] = aligned_alloc(CV_CACHE_LINE, len > 0 ? len : CV_CACHE_LINE);
		if (stats->obj[kind] == NULL) {
			cv_stats_destroy(stats);
			return NULL;
		}
		memset(stats->obj[kind], 0, len);
	}
	/* Zeroed by the kernel, page by page, as they are touched: few paths drop anything. */
	stats->path_drop = calloc((size_t)n_obj[CV_STATS_PATH] + 1, sizeof(*stats->path_drop));
	stats->path_event = calloc((size_t)n_obj[CV_STATS_PATH] + 1, sizeof(*stats->path_event));
	if (stats->path_drop == NULL || stats->path_event == NULL) {
		cv_stats_destroy(stats);
		return NULL;
	}
	return stats;
}

void cv_stats_destroy(struct cv_stats *stats)
{
	if (stats == NULL)
		return;
	for (int kind = 0; kind < CV_STATS_KIND_N; kind++)
		free(stats->obj[kind]);
	free(stats->path_drop);
	free(stats->path_event);
	free(stats);
}

const char *cv_drop_name(enum cv_drop reason)
{
	cv_assert(reason < CV_DROP_N);
	return drops[reason].name;
}

const char *cv_drop_help(enum cv_drop reason)
{
	cv_assert(reason < CV_DROP_N);
	return drops[reason].help;
}

const char *cv_event_name(enum cv_event event)
{
	cv_assert(event < CV_EV_N);
	return events[event].name;
}

const char *cv_event_help(enum cv_event event)
{
	cv_assert(event < CV_EV_N);
	return events[event].help;
}

const char *cv_stage_name(enum cv_stage stage)
{
	cv_assert(stage < CV_STAGE_N);
	return stages[stage].name;
}

const char *cv_stage_help(enum cv_stage stage)
{
	cv_assert(stage < CV_STAGE_N);
	return stages[stage].help;
}

uint64_t cv_stats_drop_sum(struct cv_stats *const *stats, unsigned int n, enum cv_drop reason)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += cv_ctr_get(&stats[i]->drop[reason]);
	return sum;
}

uint64_t cv_stats_event_sum(struct cv_stats *const *stats, unsigned int n, enum cv_event event)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += cv_ctr_get(&stats[i]->ev[event]);
	return sum;
}

uint64_t cv_stats_path_drop_sum(struct cv_stats *const *stats, unsigned int n, uint32_t slot,
				enum cv_drop reason)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		if (slot < stats[i]->n_obj[CV_STATS_PATH])
			sum += cv_ctr_get(&stats[i]->path_drop[slot][reason]);
	return sum;
}

uint64_t cv_stats_path_event_sum(struct cv_stats *const *stats, unsigned int n, uint32_t slot,
				 enum cv_path_event event)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		if (slot < stats[i]->n_obj[CV_STATS_PATH])
			sum += cv_ctr_get(&stats[i]->path_event[slot][event]);
	return sum;
}

struct cv_stats_obj_sum cv_stats_obj_sum(struct cv_stats *const *stats, unsigned int n,
					 enum cv_stats_kind kind, uint32_t slot)
{
	struct cv_stats_obj_sum sum = {0};

	for (unsigned int i = 0; i < n; i++) {
		const struct cv_stats_obj *obj;

		if (slot >= stats[i]->n_obj[kind])
			continue;
		obj = &stats[i]->obj[kind][slot];
		for (int dir = 0; dir < 2; dir++) {
			sum.pkts[dir] += cv_ctr_get(&obj->pkts[dir]);
			sum.bytes[dir] += cv_ctr_get(&obj->bytes[dir]);
		}
		sum.new_flows += cv_ctr_get(&obj->new_flows);
		sum.end_flows += cv_ctr_get(&obj->end_flows);
		sum.drops += cv_ctr_get(&obj->drops);
		sum.rsts += cv_ctr_get(&obj->rsts);
	}
	return sum;
}
