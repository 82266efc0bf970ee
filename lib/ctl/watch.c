/* SPDX-License-Identifier: BSD-3-Clause */

/* AWS's metrics, minute by minute, for CloudWatch. */

#include "cv_ctl_know.h"

#include "meters_priv.h"

/* Series at most: about 30 MB when all of them are there. */
#define SERIES_MAX 20000
/* Rounds in a minute, when somebody asks all the time. */
#define ROUND_MS 1000

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
	}
	return true;
}

/* What a counter has grown by since the last round. */
static uint64_t grown(const struct feed *feed, const struct ctl_meter *meter,
		      const struct ctl_sample *sample)
{
	struct cv_points_series series;

	(void)series_make(feed, meter, sample, meter->key, &series);
	return cv_points_grown(feed->points, &series, sample->value);
}

static void feed_take(struct ctl_meter_sink *sink, const struct ctl_meter *meter,
		      const struct ctl_sample *sample)
{
	struct feed *feed = (struct feed *)sink;
	uint64_t value = meter->gauge ? sample->value : grown(feed, meter, sample);

	for (size_t i = 0; i < CTL_METER_SETS_MAX && meter->sets[i] != 0; i++) {
		struct cv_points_series series;

		if (series_make(feed, meter, sample, meter->sets[i], &series))
			cv_points_add(feed->points, &series, (double)value);
	}
}

static void round_make(struct cv_ctl *ctl, uint64_t minute)
{
	struct feed feed = {{feed_take}, ctl->conf->model, ctl->watch.points};
	const struct ctl_meter *meters;
	uint32_t n;

	cv_points_begin(feed.points, minute);
	meters = cv_ctl_meters(&n);
	for (uint32_t i = 0; i < n; i++)
		meters[i].walk(ctl, &meters[i], &feed.sink);
}

void cv_ctl_watch_tick(struct cv_ctl *ctl)
{
	uint64_t minute = (uint64_t)time(NULL) / 60;

	if (ctl->dp == NULL || minute <= ctl->watch.minute)
		return;
	if (ctl->watch.points == NULL)
		ctl->watch.points = cv_points_create(SERIES_MAX);
	/* What has been since the last round was in the minute that is over. */
	if (ctl->watch.points != NULL && ctl->watch.minute != 0)
		round_make(ctl, ctl->watch.minute);
	ctl->watch.minute = minute;
}

const struct cv_points *cv_ctl_points(struct cv_ctl *ctl)
{
	uint64_t now_ms = cv_clock_ms();

	cv_ctl_watch_tick(ctl);
	if (ctl->watch.points == NULL || now_ms < ctl->watch.ready_ms)
		return ctl->watch.points;
	round_make(ctl, ctl->watch.minute);
	ctl->watch.ready_ms = now_ms + ROUND_MS;
	return ctl->watch.points;
}
