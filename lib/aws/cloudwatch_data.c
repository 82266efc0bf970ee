/* SPDX-License-Identifier: BSD-3-Clause */

/* CloudWatch: from one-minute points to periods and statistics. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cloudwatch_priv.h"

#define MINUTE 60

const struct cv_points *cv_aws_cw_points(const struct aws_call *call)
{
	return call->ops != NULL && call->ops->points != NULL ? call->ops->points(call->ctl) : NULL;
}

int cv_aws_cw_series_read(struct aws_call *call, const struct cv_query_node *at,
			  struct cv_points_series *series)
{
	struct cv_query_iter iter = {.list = cv_query_at(at, "Dimensions.member")};

	*series = (struct cv_points_series){
		.owner = call->caller.account_id,
		.ns = cv_query_str(at, "Namespace"),
		.name = cv_query_str(at, "MetricName"),
	};
	if (series->ns == NULL || series->name == NULL)
		return cv_aws_fail(call, "MissingParameter", "The parameter %s is required.",
				   series->ns == NULL ? "Namespace" : "MetricName");
	while (cv_query_next(&iter)) {
		const char *name = cv_query_str(&iter.item, "Name");
		const char *value = cv_query_str(&iter.item, "Value");

		if (name == NULL || value == NULL)
			return cv_aws_fail(call, "MissingParameter",
					   "A dimension needs a name and a value.");
		/* No metric of ours has more; so there is none like this one. */
		if (series->n_dims == CV_POINTS_DIMS_MAX)
			return cv_aws_fail(call, "InvalidParameterValue",
					   "No metric has more than %d dimensions.",
					   CV_POINTS_DIMS_MAX);
		series->dims[series->n_dims++] = (struct cv_points_dim){name, value};
	}
	return 0;
}

int cv_aws_cw_times_read(struct aws_call *call, int64_t period, struct cw_ask *ask)
{
	time_t from = cv_aws_time(&call->params, "StartTime", 0);
	time_t to = cv_aws_time(&call->params, "EndTime", 0);

	if (from >= to)
		return cv_aws_fail(
			call, "InvalidParameterCombination",
			"The parameter StartTime must be less than the parameter EndTime.");
	if (period % MINUTE != 0)
		return cv_aws_fail(
			call, "InvalidParameterValue",
			"The parameter Period must be a multiple of 60: a point stands for "
			"a minute.");
	ask->period = (uint64_t)period;
	/* Periods begin there: what was before has no part in the first one. */
	ask->from = from > 0 ? (uint64_t)from / MINUTE * MINUTE : 0;
	ask->to = to > 0 ? (uint64_t)to : 0;
	ask->asked = ask->to - (from > 0 ? (uint64_t)from : 0);
	return 0;
}

uint64_t cv_aws_cw_n_periods(const struct cw_ask *ask)
{
	return (ask->asked + ask->period - 1) / ask->period;
}

static void point_add(struct cw_period *period, double value)
{
	period->sum += value;
	period->min = period->n == 0 || value < period->min ? value : period->min;
	period->max = period->n == 0 || value > period->max ? value : period->max;
	period->n++;
}

uint32_t cv_aws_cw_periods(const struct cv_points *points, const struct cw_ask *ask, uint32_t idx,
			   struct cw_period *list)
{
	uint64_t minute, last;
	uint32_t n = 0;
	double value;

	if (idx == UINT32_MAX || ask->to == 0)
		return 0;
	cv_points_span(points, idx, &minute, &last);
	if (minute < ask->from / MINUTE)
		minute = ask->from / MINUTE;
	if (last > (ask->to - 1) / MINUTE)
		last = (ask->to - 1) / MINUTE;
	for (; minute <= last; minute++) {
		uint64_t at = minute * MINUTE;

		if (!cv_points_get(points, idx, minute, &value))
			continue;
		at -= (at - ask->from) % ask->period;
		if (n == 0 || list[n - 1].at != at)
			list[n++] = (struct cw_period){.at = at};
		point_add(&list[n - 1], value);
	}
	return n;
}

const char *cv_aws_cw_time_str(time_t at, char *buf)
{
	struct tm tm;

	if (gmtime_r(&at, &tm) == NULL || strftime(buf, 40, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		buf[0] = '\0';
	return buf;
}

/* ---- statistics ---- */

/* AWS takes up to ten decimal places. @return -1: it is none */
static double percent_of(const char *stat)
{
	size_t whole, rest = 0;
	double percent;

	if (*stat++ != 'p')
		return -1;
	whole = strspn(stat, "0123456789");
	if (stat[whole] == '.')
		rest = 1 + strspn(stat + whole + 1, "0123456789");
	if (whole < 1 || whole > 3 || rest == 1 || rest > 11 || stat[whole + rest] != '\0')
		return -1;
	percent = strtod(stat, NULL);
	return percent <= 100 ? percent : -1;
}

bool cv_aws_cw_is_percentile(const char *stat)
{
	return percent_of(stat) >= 0;
}

static int value_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* By rank, as there is nothing between the values of two minutes. */
static double percentile_get(const struct cw_from *from, const struct cw_period *period,
			     double percent)
{
	uint64_t end = period->at + from->ask->period, minute, last;
	double values[CV_POINTS_MINUTES], place;
	uint32_t n = 0, rank;

	if (end > from->ask->to)
		end = from->ask->to;
	cv_points_span(from->points, from->idx, &minute, &last);
	if (minute < period->at / MINUTE)
		minute = period->at / MINUTE;
	for (; minute <= last && minute * MINUTE < end && n < CV_ARRAY_LEN(values); minute++)
		n += cv_points_get(from->points, from->idx, minute, &values[n]);
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(values[0]), value_compare);
	place = percent * n / 100;
	rank = (uint32_t)place;
	rank += rank < place;
	return values[rank > 0 ? rank - 1 : 0];
}

bool cv_aws_cw_stat(const struct cw_from *from, const struct cw_period *period, const char *stat,
		    double *ret)
{
	static const char *const words[] = {"SampleCount", "Sum", "Average", "Minimum", "Maximum"};
	double percent = percent_of(stat);
	size_t i = 0;

	while (i < CV_ARRAY_LEN(words) && strcmp(words[i], stat) != 0)
		i++;
	if (i == CV_ARRAY_LEN(words) && percent < 0)
		return false;
	if (from == NULL)
		return true;
	if (percent >= 0) {
		*ret = percentile_get(from, period, percent);
	} else {
		const double values[] = {period->n, period->sum,
					 period->n > 0 ? period->sum / period->n : 0, period->min,
					 period->max};

		*ret = values[i];
	}
	return true;
}
