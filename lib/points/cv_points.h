/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Metrics over time: for each metric and its dimensions a ring of one point a minute, three hours long.
 *
 * Points are put in rounds, one or several in a minute. What several objects have in common is summed in a
 * round. Who reads meanwhile finds what was there before it. Pure: no I/O, no clock.
 *
 * @threads one at a time (control)
 */

#include <stdbool.h>
#include <stdint.h>

/** Points of a ring: minutes that are remembered. */
#define CV_POINTS_MINUTES 180
/** Dimensions of a metric at most. */
#define CV_POINTS_DIMS_MAX 6

struct cv_points;

/** A dimension. */
struct cv_points_dim {
	const char *name, *value;
};

/** What a series is of. Two are the same if all but the unit and the kind is; dimensions in any order. */
struct cv_points_series {
	const char *owner; /**< whose it is: an account's id */
	const char *ns;    /**< namespace */
	const char *name;  /**< of the metric */
	const char *unit;
	struct cv_points_dim dims[CV_POINTS_DIMS_MAX]; /**< shape [n_dims] */
	uint32_t n_dims;
	bool gauge;  /**< a later round of a minute replaces an earlier one; else it is added to */
	bool always; /**< a series begins with zeros; else with the first point that is not zero */
	bool many;   /**< of what there are thousands of: it leaves room for others */
};

/**
 * Make it, empty.
 *
 * @param n_max  series at most, and a quarter more that are only for those which are always there: what
 *               comes and goes cannot use up their room. Those of many have four fifths of n_max: what is
 *               told of them in sums finds room. Further ones are not kept.
 * @return NULL if memory ran out
 * @owner  caller; cv_points_destroy()
 */
struct cv_points *cv_points_create(uint32_t n_max);

/** Free it. NULL is fine. */
void cv_points_destroy(struct cv_points *points);

/**
 * Begin a round. One that has not ended is broken off: what was added to gauges in it is void, what counters
 * have grown by counts in this one.
 *
 * @param minute  minutes since 1970. Before that of the last round: the clock was wrong, all points are
 *                forgotten, and counters go on growing from where they were
 */
void cv_points_begin(struct cv_points *points, uint64_t minute);

/** End a round: from now on it is what is read. */
void cv_points_end(struct cv_points *points);

/**
 * Drop what no round has named for as long as minutes are remembered, and look at some only.
 *
 * @param n  so many
 * @return whether there are more to be looked at in this minute
 */
bool cv_points_expire(struct cv_points *points, uint32_t n);

/** Add to a series in this round. Without memory, or room, the point is lost. */
void cv_points_add(struct cv_points *points, const struct cv_points_series *series, double value);

/**
 * What a counter has grown by since the last round that asked.
 *
 * @param series  a name for the counter, the unit aside
 * @param total   what it shows now; less than before: it began anew from zero
 * @return its growth; from zero when it was never asked for
 */
uint64_t cv_points_grown(struct cv_points *points, const struct cv_points_series *series,
			 uint64_t total);

/** How many points of the last round that ended were lost because their series found no room. */
uint32_t cv_points_lost(const struct cv_points *points);

/** How many series there are. */
uint32_t cv_points_n(const struct cv_points *points);

/** The i-th series; where it stands may change with the next round. Lives as long. */
const struct cv_points_series *cv_points_at(const struct cv_points *points, uint32_t i);

/** Find a series. @return its place, or UINT32_MAX */
uint32_t cv_points_find(const struct cv_points *points, const struct cv_points_series *series);

/** The minutes that a series' points may be of; there are CV_POINTS_MINUTES of them at most. */
void cv_points_span(const struct cv_points *points, uint32_t i, uint64_t *ret_first,
		    uint64_t *ret_last);

/** The point of a minute. @return whether there is one */
bool cv_points_get(const struct cv_points *points, uint32_t i, uint64_t minute, double *ret_value);
