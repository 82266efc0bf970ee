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
	uint64_t round;
	double values[CV_POINTS_MINUTES]; /* by minute; NAN: none */
};

struct counter {
	struct points_node node; /* first */
	uint64_t total;
};

struct cv_points {
	struct points_table series, counters;
	uint32_t n_max, n_passing; /* the latter: series that are not always there */
	uint32_t n_lost;           /* in this round */
	uint64_t minute, round;
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

static void passing_count(struct cv_points *points)
{
	points->n_passing = 0;
	for (uint32_t i = 0; i < points->series.n; i++)
		points->n_passing += !((const struct series *)points->series.nodes[i])->pub.always;
}

static bool has_room(const struct cv_points *points, const struct cv_points_series *what)
{
	return points->series.n < points->n_max + points->n_max / 4 &&
	       (what->always || points->n_passing < points->n_max);
}

/* The clock was wrong, and so are the points' minutes; what counters have shown is as true as before. */
static void points_forget(struct cv_points *points, uint64_t minute)
{
	cv_points_table_fini(&points->series);
	points->series = (struct points_table){0};
	points->n_passing = 0;
	for (uint32_t i = 0; i < points->counters.n; i++)
		points->counters.nodes[i]->minute = minute;
}

void cv_points_begin(struct cv_points *points, uint64_t minute)
{
	points->round++;
	points->n_lost = 0;
	if (minute == points->minute)
		return;
	if (minute < points->minute)
		points_forget(points, minute);
	points->minute = minute;
	if (minute < CV_POINTS_MINUTES)
		return;
	cv_points_table_expire(&points->series, minute - CV_POINTS_MINUTES + 1);
	passing_count(points);
	cv_points_table_expire(&points->counters, minute - CV_POINTS_MINUTES + 1);
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

static struct series *series_get(struct cv_points *points, const struct cv_points_series *what,
				 bool make)
{
	struct points_name name;
	struct series *series = NULL;
	uint32_t idx;

	if (!cv_points_name_make(what, &name))
		return NULL;
	idx = cv_points_table_find(&points->series, &name);
	if (idx == UINT32_MAX && make && has_room(points, what))
		series = cv_points_table_add(&points->series, sizeof(*series), &name);
	points->n_lost += idx == UINT32_MAX && make && series == NULL;
	if (series == NULL) {
		free(name.text);
		return idx != UINT32_MAX ? (struct series *)points->series.nodes[idx] : NULL;
	}
	pub_fill(series, what);
	points->n_passing += !what->always;
	series->node.minute = points->minute;
	series->round = points->round;
	for (uint32_t i = 0; i < CV_POINTS_MINUTES; i++)
		series->values[i] = NAN;
	series->values[points->minute % CV_POINTS_MINUTES] = 0;
	return series;
}

void cv_points_add(struct cv_points *points, const struct cv_points_series *what, double value)
{
	struct series *series = series_get(points, what, what->always || value != 0);
	double *at;

	if (series == NULL)
		return;
	at = &series->values[points->minute % CV_POINTS_MINUTES];
	while (series->node.minute < points->minute) {
		series->node.minute++;
		series->values[series->node.minute % CV_POINTS_MINUTES] = NAN;
	}
	if (isnan(*at) || (series->round != points->round && what->gauge))
		*at = 0;
	series->round = points->round;
	*at += value;
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
	if (idx != UINT32_MAX || counter == NULL)
		free(name.text);
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
	free(name.text);
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
	const struct series *series = (const struct series *)points->series.nodes[i];
	uint64_t first, last;

	cv_points_span(points, i, &first, &last);
	if (minute < first || minute > last)
		return false;
	*ret_value = series->values[minute % CV_POINTS_MINUTES];
	return !isnan(*ret_value);
}
