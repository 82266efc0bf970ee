/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the actions of CloudWatch share: a metric of a request, points by period.
 */

#include "cv_points.h"

#include "aws_priv.h"

/** Longest answer, as AWS has it. */
#define CW_POINTS_MAX 1440

/** A metric and the time for which it is asked. */
struct cw_ask {
	struct cv_points_series series;
	uint64_t from, to; /**< seconds since 1970, from a whole minute; to is not in it */
	uint64_t asked;    /**< seconds that were asked for, which from's minute may begin before */
	uint64_t period;   /**< seconds, of 60 or a multiple */
};

/** What the points of a period come to. */
struct cw_period {
	uint64_t at; /**< seconds since 1970 */
	uint32_t n;  /**< points; 0: there are none */
	double sum, min, max;
};

/** Points so far; NULL when there are none. */
const struct cv_points *cv_aws_cw_points(const struct aws_call *call);

/**
 * Read a metric: `Namespace`, `MetricName`, `Dimensions.member.N` below a place.
 *
 * @return 0, or what cv_aws_fail() returns
 */
int cv_aws_cw_series_read(struct aws_call *call, const struct cv_query_node *at,
			  struct cv_points_series *series);

/** Read StartTime and EndTime, and set the period. @return as cv_aws_fail() */
int cv_aws_cw_times_read(struct aws_call *call, int64_t period, struct cw_ask *ask);

/** Periods of an ask at most. */
uint64_t cv_aws_cw_n_periods(const struct cw_ask *ask);

/**
 * The periods with points of a series, the earliest first. What it costs goes by the ring, not by what is
 * asked for.
 *
 * @param idx        of the series; UINT32_MAX: there is none
 * @param[out] list  shape [CV_POINTS_MINUTES]
 * @return how many there are
 */
uint32_t cv_aws_cw_periods(const struct cv_points *points, const struct cw_ask *ask, uint32_t idx,
			   struct cw_period *list);

/** Write a time as AWS does into buf, shape [40]. @return buf */
const char *cv_aws_cw_time_str(time_t at, char *buf);

/** Where the points of periods are. */
struct cw_from {
	const struct cv_points *points;
	const struct cw_ask *ask;
	uint32_t idx; /**< of the series */
};

/**
 * A statistic of a period with points: `Sum`, `Average`..., or a percentile, `p0` to `p100`: the lowest
 * value that so many of the period's minutes do not exceed.
 *
 * @param from  NULL: only tell whether there is such a statistic
 * @return whether there is; then *ret is set
 */
bool cv_aws_cw_stat(const struct cw_from *from, const struct cw_period *period, const char *stat,
		    double *ret);

/** Tell whether a statistic is a percentile: `p` and a number from 0 to 100. */
bool cv_aws_cw_is_percentile(const char *stat);
