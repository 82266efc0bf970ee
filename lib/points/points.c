/* SPDX-License-Identifier: BSD-3-Clause */

/* Series and what counters showed last. */

#include "cv_points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "points_priv.h"

struct series {
	struct points_node node; /* first; its minute is that of the newest point */
	struct cv_points_series pub;
	/* What has come in the last round that named it, for its minute; not among values yet. */
	uint64_t round, minute;
	double sum;
	bool pending;
	double values[CV_POINTS_MINUTES]; /* by minute; NAN: none */
};

struct counter {
	struct points_node node; /* first */
	uint64_t total;
};

struct cv_points {
	struct points_table series, counters;
	uint32_t n_max, n_passing; /* the latter: series that are not always there */
	uint32_t n_many;
	uint32_t n_lost, n_losing; /* in the last round; in the one that runs */
	uint64_t minute, round;
	uint64_t ended;                            /* round that ended last */
	uint32_t series_checked, counters_checked; /* those from here on are not too old */
};

struct cv_points *cv_points_create(uint32_t n_max)
{
	struct cv_points *points = calloc(1, sizeof(*points));

	if (points != NULL)
		points->n_max = n_max;
	return points;
}

void cv_points_destroy(struct cv_points *points)
{
	if (points == NULL)
		return;
	cv_points_table_fini(&points->series);
	cv_points_table_fini(&points->counters);
	free(points);
}

static bool has_room(const struct cv_points *points, const struct cv_points_series *what)
{
	return points->series.n < points->n_max + points->n_max / 4 &&
	       (what->always || points->n_passing < points->n_max) &&
	       (!what->many || points->n_many < points->n_max - points->n_max / 5);
}

/* The clock was wrong, and so are the points' minutes; what counters have shown is as true as before. */
static void points_forget(struct cv_points *points, uint64_t minute)
{
	cv_points_table_fini(&points->series);
	points->series = (struct points_table){0};
	points->n_passing = points->n_many = 0;
	for (uint32_t i = 0; i < points->counters.n; i++)
		points->counters.nodes[i]->minute = minute;
}

void cv_points_begin(struct cv_points *points, uint64_t minute)
{
	points->round++;
	points->n_losing = 0;
	if (minute == points->minute)
		return;
	if (minute < points->minute)
		points_forget(points, minute);
	points->minute = minute;
	points->series_checked = points->series.n;
	points->counters_checked = points->counters.n;
}

void cv_points_end(struct cv_points *points)
{
	points->ended = points->round;
	points->n_lost = points->n_losing;
}

static bool is_old(const struct cv_points *points, const struct points_node *node)
{
	return node->minute + CV_POINTS_MINUTES <= points->minute;
}

/* From the last to the first: whoever takes the place of one that is dropped has been looked at. */
bool cv_points_expire(struct cv_points *points, uint32_t n)
{
	struct points_table *series = &points->series, *counters = &points->counters;

	for (; n > 0 && points->series_checked > 0; n--) {
		const struct series *s =
			(const struct series *)series->nodes[--points->series_checked];

		if (!is_old(points, &s->node))
			continue;
		points->n_passing -= !s->pub.always;
		points->n_many -= s->pub.many;
		cv_points_table_drop(series, points->series_checked);
	}
	for (; n > 0 && points->counters_checked > 0; n--) {
		if (is_old(points, counters->nodes[--points->counters_checked]))
			cv_points_table_drop(counters, points->counters_checked);
	}
	return points->series_checked > 0 || points->counters_checked > 0;
}

/* What is public of a series are parts of its name. */
static void pub_fill(struct series *series, const struct cv_points_series *from)
{
	const char *part = series->node.text;
	const char **heads[] = {&series->pub.owner, &series->pub.ns, &series->pub.name};

	series->pub = *from;
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		*heads[i] = part;
		part += strlen(part) + 1;
	}
	for (uint32_t i = 0; i < from->n_dims; i++) {
		series->pub.dims[i].name = part;
		part += strlen(part) + 1;
		series->pub.dims[i].value = part;
		part += strlen(part) + 1;
	}
}

/* What a round that has ended brought is the minute's. */
static void settle(const struct cv_points *points, struct series *series)
{
	double *at = &series->values[series->minute % CV_POINTS_MINUTES];

	if (!series->pending || series->round > points->ended)
		return;
	if (isnan(*at) || series->pub.gauge)
		*at = 0;
	*at += series->sum;
	series->sum = 0;
	series->pending = false;
}

static struct series *series_make(struct cv_points *points, const struct cv_points_series *what,
				  const struct points_name *name)
{
	struct series *series = NULL;

	if (has_room(points, what))
		series = cv_points_table_add(&points->series, sizeof(*series), name);
	if (series == NULL) {
		points->n_losing++;
		return NULL;
	}
	pub_fill(series, what);
	points->n_passing += !what->always;
	points->n_many += what->many;
	series->node.minute = points->minute;
	for (uint32_t i = 0; i < CV_POINTS_MINUTES; i++)
		series->values[i] = NAN;
	return series;
}

static struct series *series_get(struct cv_points *points, const struct cv_points_series *what,
				 bool make)
{
	struct points_name name;
	struct series *series = NULL;
	uint32_t idx;

	if (!cv_points_name_make(what, &name))
		return NULL;
	idx = cv_points_table_find(&points->series, &name);
	if (idx != UINT32_MAX)
		series = (struct series *)points->series.nodes[idx];
	else if (make)
		series = series_make(points, what, &name);
	cv_points_name_fini(&name);
	return series;
}

void cv_points_add(struct cv_points *points, const struct cv_points_series *what, double value)
{
	struct series *series = series_get(points, what, what->always || value != 0);

	if (series == NULL)
		return;
	settle(points, series);
	while (series->node.minute < points->minute) {
		series->node.minute++;
		series->values[series->node.minute % CV_POINTS_MINUTES] = NAN;
	}
	/* What counters have grown by in a round that was broken off has happened. */
	if (series->round != points->round && what->gauge)
		series->sum = 0;
	series->round = points->round;
	series->minute = points->minute;
	series->pending = true;
	series->sum += value;
}

uint64_t cv_points_grown(struct cv_points *points, const struct cv_points_series *what,
			 uint64_t total)
{
	struct counter *counter = NULL;
	struct points_name name;
	uint64_t before;
	uint32_t idx;

	if (!cv_points_name_make(what, &name))
		return 0;
	idx = cv_points_table_find(&points->counters, &name);
	if (idx != UINT32_MAX)
		counter = (struct counter *)points->counters.nodes[idx];
	else if (total != 0)
		counter = cv_points_table_add(&points->counters, sizeof(*counter), &name);
	cv_points_name_fini(&name);
	/* One that cannot be remembered would grow by all of it again and again. */
	if (counter == NULL)
		return 0;
	before = counter->total;
	counter->total = total;
	counter->node.minute = points->minute;
	return total >= before ? total - before : total;
}

uint32_t cv_points_lost(const struct cv_points *points)
{
	return points->n_lost;
}

uint32_t cv_points_n(const struct cv_points *points)
{
	return points->series.n;
}

const struct cv_points_series *cv_points_at(const struct cv_points *points, uint32_t i)
{
	return &((const struct series *)points->series.nodes[i])->pub;
}

uint32_t cv_points_find(const struct cv_points *points, const struct cv_points_series *series)
{
	struct points_name name;
	uint32_t idx;

	if (!cv_points_name_make(series, &name))
		return UINT32_MAX;
	idx = cv_points_table_find(&points->series, &name);
	cv_points_name_fini(&name);
	return idx;
}

void cv_points_span(const struct cv_points *points, uint32_t i, uint64_t *ret_first,
		    uint64_t *ret_last)
{
	uint64_t last = points->series.nodes[i]->minute;

	*ret_first = last >= CV_POINTS_MINUTES ? last - CV_POINTS_MINUTES + 1 : 0;
	*ret_last = last;
}

bool cv_points_get(const struct cv_points *points, uint32_t i, uint64_t minute, double *ret_value)
{
	struct series *series = (struct series *)points->series.nodes[i];
	uint64_t first, last;

	settle(points, series);
	cv_points_span(points, i, &first, &last);
	if (minute < first || minute > last)
		return false;
	*ret_value = series->values[minute % CV_POINTS_MINUTES];
	return !isnan(*ret_value);
}
