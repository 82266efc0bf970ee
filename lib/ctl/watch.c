/* SPDX-License-Identifier: BSD-3-Clause */

/* AWS's metrics, minute by minute, for CloudWatch. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_ctl_know.h"

#include "meters_priv.h"
#include "show_priv.h"

/* Series at most, and a quarter more that are always there: about 40 MB when all of them are there. */
#define SERIES_MAX 20000
/* Between rounds, when somebody asks all the time. */
#define ROUND_MS 1000
#define ROUND_REST 20 /* times as long as one took, before the next that somebody asks for */
/* Numbers that are looked at, and names that are, in a turn of the loop: about 1 ms each. */
#define PIECE 1000
#define EXPIRE_PIECE 10000
/* Peaks are means over so long, as AWS's are. */
#define PEAK_MS 10000

struct feed {
	struct ctl_meter_sink sink; /* first */
	const struct cv_model *model;
	struct cv_points *points;
};

/* A set's dimensions out of a sample's. @return whether it has them all */
static bool series_make(const struct feed *feed, const struct ctl_meter *meter,
			const struct ctl_sample *sample, unsigned int set,
			struct cv_points_series *series)
{
	*series = (struct cv_points_series){
		.owner = feed->model->accounts[sample->account].id,
		.ns = meter->ns,
		.name = meter->name,
		.unit = meter->unit,
		.gauge = meter->gauge,
		.always = meter->always,
	};
	for (uint32_t i = 0; i < sample->n_dims; i++) {
		if ((set & 1U << i) == 0)
			continue;
		if (sample->dims[i].value == NULL)
			return false;
		series->dims[series->n_dims++] = sample->dims[i];
		series->many |= strcmp(sample->dims[i].name, CTL_METER_ENDPOINT) == 0;
	}
	return true;
}

/* What a counter has grown by since the last round. */
static uint64_t grown(const struct feed *feed, const struct ctl_meter *meter,
		      const struct ctl_sample *sample)
{
	struct cv_points_series series;
	char part[16];

	(void)series_make(feed, meter, sample, meter->key, &series);
	if (sample->part != 0) {
		snprintf(part, sizeof(part), "%u", sample->part);
		series.dims[series.n_dims++] = (struct cv_points_dim){"", part};
	}
	return cv_points_grown(feed->points, &series, sample->value);
}

static void feed_take(struct ctl_meter_sink *sink, const struct ctl_meter *meter,
		      const struct ctl_sample *sample)
{
	struct feed *feed = (struct feed *)sink;
	uint64_t value;

	/* Most endpoints have done nothing yet, and begin no series by it. */
	if (sample->idle && !meter->always)
		return;
	value = meter->gauge ? sample->value : grown(feed, meter, sample);
	for (size_t i = 0; i < CTL_METER_SETS_MAX && meter->sets[i] != 0; i++) {
		struct cv_points_series series;

		if (series_make(feed, meter, sample, meter->sets[i], &series))
			cv_points_add(feed->points, &series, (double)value);
	}
}

/* ---- the best ten seconds ---- */

static bool peaks_grow(struct ctl_peaks *peaks, uint32_t n)
{
	struct ctl_peak *items;

	if (n <= peaks->n)
		return true;
	items = realloc(peaks->items, n * sizeof(*items));
	if (items == NULL)
		return false;
	memset(items + peaks->n, 0, (n - peaks->n) * sizeof(*items));
	peaks->items = items;
	peaks->n = n;
	return true;
}

/* Takes note of what something has counted, `ms` after the look before. */
static void peak_note(struct ctl_peak *peak, uint64_t bytes, uint64_t pkts, uint64_t ms)
{
	/* What is new has counted from 0. Less than before: the slot is another's now. */
	if (bytes >= peak->bytes && pkts >= peak->pkts) {
		uint64_t bytes_s = (bytes - peak->bytes) * 1000 / ms;
		uint64_t pkts_s = (pkts - peak->pkts) * 1000 / ms;

		peak->top_bytes = bytes_s > peak->top_bytes ? bytes_s : peak->top_bytes;
		peak->top_pkts = pkts_s > peak->top_pkts ? pkts_s : peak->top_pkts;
	}
	peak->bytes = bytes;
	peak->pkts = pkts;
}

static void peaks_look(struct cv_ctl *ctl, uint64_t ms)
{
	const struct cv_model *model = ctl->conf->model;
	struct ctl_watch *watch = &ctl->watch;

	if (!peaks_grow(&watch->node_peaks, ctl->plan->n_slots[CV_PLAN_NODE]) ||
	    !peaks_grow(&watch->lb_peaks, ctl->plan->n_slots[CV_PLAN_LB]))
		return;
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		uint64_t bytes = 0, pkts = 0;

		if (model->lbs[i].meta.gone)
			continue;
		for (uint32_t k = 0; k < model->lbs[i].n_nodes; k++) {
			uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_NODE, i, k);
			const struct cv_stats_obj_sum sum =
				cv_ctl_counts_get(ctl, CV_PLAN_NODE, slot);

			peak_note(&watch->node_peaks.items[slot], sum.bytes[0] + sum.bytes[1],
				  sum.pkts[0] + sum.pkts[1], ms);
			bytes += sum.bytes[0] + sum.bytes[1];
			pkts += sum.pkts[0] + sum.pkts[1];
		}
		peak_note(&watch->lb_peaks.items[cv_plan_slot(ctl->plan, CV_PLAN_LB, 0, i)], bytes,
			  pkts, ms);
	}
}

static void peaks_forget(struct ctl_peaks *peaks)
{
	for (uint32_t i = 0; i < peaks->n; i++)
		peaks->items[i].top_bytes = peaks->items[i].top_pkts = 0;
}

static void peaks_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct ctl_watch *watch = &ctl->watch;

	if (watch->peaks_ms != 0 && now_ms < watch->peaks_ms + PEAK_MS)
		return;
	peaks_look(ctl, watch->peaks_ms != 0 ? now_ms - watch->peaks_ms : PEAK_MS);
	watch->peaks_ms = now_ms;
}

/* ---- rounds, a piece per turn of the loop ---- */

static void round_end(struct cv_ctl *ctl)
{
	struct ctl_watch *watch = &ctl->watch;
	uint32_t n_lost = cv_points_lost(watch->points);
	uint64_t now_ms = cv_clock_ms();

	cv_points_end(watch->points);
	watch->round.on = false;
	if (n_lost == 0 && cv_points_lost(watch->points) > 0)
		cv_log(CV_LOG_WARNING,
		       "metrics: %u points found no room among %u series: CloudWatch does not tell "
		       "of all endpoints, Prometheus does",
		       cv_points_lost(watch->points), cv_points_n(watch->points));
	if (watch->round.next == 0) {
		/* With many series it takes its time, and control has other things to do. */
		watch->ready_ms = now_ms + ROUND_MS + ROUND_REST * (now_ms - watch->round.began_ms);
		return;
	}
	peaks_forget(&watch->node_peaks);
	peaks_forget(&watch->lb_peaks);
	watch->minute = watch->round.next;
}

void cv_ctl_watch_run(struct cv_ctl *ctl)
{
	struct feed feed = {
		{.parts = true, .take = feed_take}, ctl->conf->model, ctl->watch.points};
	struct ctl_round *round = &ctl->watch.round;

	if (!round->on)
		return;
	if (round->loads != ctl->loads) {
		/* What has been taken cannot be told from what has not. */
		round->loads = ctl->loads;
		round->walk = (struct ctl_meter_walk){0};
		cv_points_begin(feed.points, ctl->watch.minute);
	}
	if (!cv_points_expire(feed.points, EXPIRE_PIECE) &&
	    !cv_ctl_meters_walk(ctl, &feed.sink, &round->walk, PIECE))
		round_end(ctl);
}

/* @param next  the minute that has begun; 0: somebody asks */
static void round_begin(struct cv_ctl *ctl, uint64_t next)
{
	ctl->watch.round = (struct ctl_round){
		.on = true, .began_ms = cv_clock_ms(), .next = next, .loads = ctl->loads};
	cv_points_begin(ctl->watch.points, ctl->watch.minute);
	cv_ctl_watch_run(ctl); /* mostly one piece is all */
}

void cv_ctl_watch_fini(struct ctl_watch *watch)
{
	cv_points_destroy(watch->points);
	free(watch->node_peaks.items);
	free(watch->lb_peaks.items);
}

/* A minute that comes twice is one of a clock that was put right a little. */
static void minute_look(struct ctl_watch *watch, uint64_t minute)
{
	if (minute + 1 >= watch->minute)
		return;
	cv_log(CV_LOG_WARNING,
	       "metrics: the clock was set back by %llu minutes: CloudWatch begins anew",
	       (unsigned long long)(watch->minute - minute));
	watch->minute = minute;
	watch->ready_ms = 0; /* the next who asks has a round, which forgets the points before */
	watch->round.on = false;
	peaks_forget(&watch->node_peaks);
	peaks_forget(&watch->lb_peaks);
}

void cv_ctl_watch_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	uint64_t minute = (uint64_t)time(NULL) / 60;
	struct ctl_watch *watch = &ctl->watch;

	if (ctl->dp == NULL)
		return;
	peaks_tick(ctl, now_ms);
	minute_look(watch, minute);
	if (minute <= watch->minute || watch->round.on)
		return;
	if (watch->points == NULL)
		watch->points = cv_points_create(SERIES_MAX);
	/* What has been since the last round was in the minute that is over. */
	if (watch->points != NULL && watch->minute != 0)
		round_begin(ctl, minute);
	else
		watch->minute = minute;
}

const struct cv_points *cv_ctl_points(struct cv_ctl *ctl)
{
	uint64_t now_ms = cv_clock_ms();

	cv_ctl_watch_tick(ctl, now_ms);
	if (ctl->watch.points != NULL && !ctl->watch.round.on && now_ms >= ctl->watch.ready_ms)
		round_begin(ctl, 0);
	return ctl->watch.points;
}
