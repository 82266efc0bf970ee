/* SPDX-License-Identifier: BSD-3-Clause */

/* CloudWatch: the metrics of the last three hours. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cloudwatch_priv.h"

/* Of one request, and metrics of one page, as AWS has them. */
#define QUERIES_MAX 500
#define METRICS_PAGE 500
#define DIMS_MAX 10
#define POINTS_PAGE 100800
#define PERIODS_MAX 100800
/* Places of the points of one query: more minutes than there will be. */
#define PLACES (UINT64_C(1) << 40)

/* ---- GetMetricStatistics ---- */

/* The statistics of a request, of one kind. */
struct stats {
	const char *const *names; /* shape [n] */
	uint32_t n;
};

static void percentiles_write(struct aws_call *call, const struct cw_from *from,
			      const struct cw_period *period, const struct stats *stats)
{
	cv_xml_open(call->out, "ExtendedStatistics");
	for (uint32_t i = 0; i < stats->n; i++) {
		double value = 0;

		(void)cv_aws_cw_stat(from, period, stats->names[i], &value);
		cv_xml_open(call->out, "entry");
		cv_xml_str(call->out, "key", stats->names[i]);
		cv_xml_double(call->out, "value", value);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
}

static void datapoint_write(struct aws_call *call, const struct cw_from *from,
			    const struct cw_period *period, const struct stats *plain,
			    const struct stats *extended)
{
	cv_xml_item(call->out);
	cv_xml_time(call->out, "Timestamp", (time_t)period->at, -1);
	for (uint32_t i = 0; i < plain->n; i++) {
		double value;

		if (cv_aws_cw_stat(from, period, plain->names[i], &value))
			cv_xml_double(call->out, plain->names[i], value);
	}
	if (extended->n > 0)
		percentiles_write(call, from, period, extended);
	cv_xml_str(call->out, "Unit", cv_points_at(from->points, from->idx)->unit);
	cv_xml_close(call->out);
}

static int stats_read(struct aws_call *call, struct stats *plain, struct stats *extended)
{
	plain->names = cv_aws_strs(call, "Statistics.member", &plain->n);
	extended->names = cv_aws_strs(call, "ExtendedStatistics.member", &extended->n);
	if (plain->n == 0 && extended->n == 0)
		return cv_aws_fail(
			call, "MissingParameter",
			"At least one of the parameters Statistics and ExtendedStatistics "
			"is required.");
	for (uint32_t i = 0; i < extended->n; i++) {
		if (!cv_aws_cw_is_percentile(extended->names[i]))
			return cv_aws_fail(
				call, "InvalidParameterValue",
				"The value %.64s for the parameter ExtendedStatistics is "
				"not supported: it must be a percentile, p0 to p100.",
				extended->names[i]);
	}
	return 0;
}

/* Whether points are asked for in a unit that is not theirs: then there are none. */
static bool is_other_unit(const char *asked, const char *unit)
{
	return asked != NULL && unit != NULL && strcmp(asked, unit) != 0;
}

static uint32_t series_find(const struct cv_points *points, const struct cw_ask *ask,
			    const char *unit)
{
	uint32_t idx = points != NULL ? cv_points_find(points, &ask->series) : UINT32_MAX;

	if (idx != UINT32_MAX && is_other_unit(unit, cv_points_at(points, idx)->unit))
		return UINT32_MAX;
	return idx;
}

static int get_statistics(struct aws_call *call)
{
	const struct cv_points *points = cv_aws_cw_points(call);
	const char *unit = cv_query_str(&call->params, "Unit");
	struct cw_period list[CV_POINTS_MINUTES];
	struct stats plain, extended;
	struct cw_ask ask = {0};
	struct cw_from from = {.points = points, .ask = &ask};
	uint32_t n;
	int ret;

	ret = cv_aws_cw_series_read(call, &call->params, &ask.series);
	if (ret == 0)
		ret = stats_read(call, &plain, &extended);
	if (ret == 0)
		ret = cv_aws_cw_times_read(call, cv_aws_int(&call->params, "Period", 60), &ask);
	if (ret == 0 && cv_aws_cw_n_periods(&ask) > CW_POINTS_MAX)
		ret = cv_aws_fail(
			call, "InvalidParameterCombination",
			"You have requested up to %llu datapoints, which exceeds the limit "
			"of %d. You may reduce the datapoints requested by increasing "
			"Period, or decreasing the time range.",
			(unsigned long long)cv_aws_cw_n_periods(&ask), CW_POINTS_MAX);
	if (ret < 0)
		return ret;
	from.idx = series_find(points, &ask, unit);
	cv_xml_str(call->out, "Label", ask.series.name);
	cv_xml_open(call->out, "Datapoints");
	n = cv_aws_cw_periods(points, &ask, from.idx, list);
	for (uint32_t i = 0; i < n; i++)
		datapoint_write(call, &from, &list[i], &plain, &extended);
	cv_xml_close(call->out);
	return 0;
}

/* ---- GetMetricData ---- */

static int query_read(struct aws_call *call, const struct cv_query_node *item, struct cw_ask *ask,
		      const char **ret_stat)
{
	struct cv_query_node metric = cv_query_at(item, "MetricStat.Metric");
	int64_t period = cv_aws_int(item, "MetricStat.Period", 0);
	const char *stat = cv_query_str(item, "MetricStat.Stat");
	const char *account = cv_query_str(item, "AccountId");
	int ret;

	if (cv_query_str(item, "Expression") != NULL)
		return cv_aws_fail(
			call, "ValidationError",
			"Expressions are not supported: ask for the metric by MetricStat.");
	if (stat == NULL || period == 0)
		return cv_aws_fail(call, "ValidationError",
				   "The parameter MetricStat.%s is required.",
				   stat == NULL ? "Stat" : "Period");
	if (!cv_aws_cw_stat(NULL, NULL, stat, NULL))
		return cv_aws_fail(
			call, "ValidationError",
			"The statistic '%.64s' is not supported: it must be Sum, Average, "
			"Minimum, Maximum, SampleCount or a percentile, p0 to p100.",
			stat);
	if (cv_query_str(item, "Period") != NULL)
		return cv_aws_fail(
			call, "ValidationError",
			"The parameter Period is for expressions: say MetricStat.Period.");
	if (account != NULL && strcmp(account, call->caller.account_id) != 0)
		return cv_aws_fail(call, "ValidationError",
				   "Metrics of account %.16s are not told to account %s.", account,
				   call->caller.account_id);
	ret = cv_aws_cw_series_read(call, &metric, &ask->series);
	if (ret == 0)
		ret = cv_aws_cw_times_read(call, period, ask);
	if (ret == 0 && cv_aws_cw_n_periods(ask) > PERIODS_MAX)
		ret = cv_aws_fail(call, "ValidationError",
				  "The time range has more than %d periods.", PERIODS_MAX);
	*ret_stat = stat;
	return ret;
}

/* A point's place among those of all queries, in the order that is asked for; its own at any time. */
static uint64_t point_key(uint32_t query, const struct cw_period *period, bool up)
{
	uint64_t minute = (period->at / 60) & (PLACES - 1);

	return query * PLACES + (up ? minute : PLACES - 1 - minute);
}

/* The periods of this page, in the order that is asked for. @return how many */
static uint32_t page_take(struct aws_call *call, uint32_t query, struct cw_period *list, uint32_t n,
			  bool *ret_all)
{
	const char *scan = cv_query_str(&call->params, "ScanBy");
	bool up = scan != NULL && strcmp(scan, "TimestampAscending") == 0;
	uint32_t n_taken = 0;

	*ret_all = true;
	for (uint32_t i = 0; i < n / 2 && !up; i++) {
		struct cw_period other = list[i];

		list[i] = list[n - 1 - i];
		list[n - 1 - i] = other;
	}
	for (uint32_t i = 0; i < n; i++) {
		bool taken = cv_aws_page(call, point_key(query, &list[i], up));

		*ret_all = taken;
		if (taken)
			list[n_taken++] = list[i];
	}
	return n_taken;
}

static void values_write(struct aws_call *call, const struct cw_from *from,
			 const struct cw_period *list, uint32_t n, const char *stat)
{
	char text[40];

	cv_xml_open(call->out, "Timestamps");
	for (uint32_t i = 0; i < n; i++)
		cv_xml_item_str(call->out, cv_aws_cw_time_str((time_t)list[i].at, text));
	cv_xml_close(call->out);
	cv_xml_open(call->out, "Values");
	for (uint32_t i = 0; i < n; i++) {
		double value = 0;

		(void)cv_aws_cw_stat(from, &list[i], stat, &value);
		snprintf(text, sizeof(text), "%.17g", value);
		cv_xml_item_str(call->out, text);
	}
	cv_xml_close(call->out);
}

static int result_write(struct aws_call *call, const struct cv_query_node *item, uint32_t query,
			const struct cv_points *points)
{
	const char *label = cv_query_str(item, "Label");
	struct cw_period list[CV_POINTS_MINUTES];
	const char *stat = NULL;
	struct cw_ask ask;
	struct cw_from from = {.points = points, .ask = &ask};
	uint32_t n;
	bool all = true;

	if (query_read(call, item, &ask, &stat) < 0)
		return -EINVAL;
	if (!cv_aws_bool(item, "ReturnData", true))
		return 0;
	from.idx = series_find(points, &ask, cv_query_str(item, "MetricStat.Unit"));
	n = cv_aws_cw_periods(points, &ask, from.idx, list);
	/* A query without points is told of in one page, too: as if it had one, after all times. */
	if (n == 0 && !cv_aws_page(call, query * PLACES + PLACES - 1))
		return 0;
	if (n > 0) {
		n = page_take(call, query, list, n, &all);
		if (n == 0)
			return 0;
	}
	cv_xml_item(call->out);
	cv_xml_str(call->out, "Id", cv_query_str(item, "Id"));
	cv_xml_str(call->out, "Label", label != NULL ? label : ask.series.name);
	values_write(call, &from, list, n, stat);
	cv_xml_str(call->out, "StatusCode", all ? "Complete" : "PartialData");
	cv_xml_close(call->out);
	return 0;
}

static bool id_is_good(const char *id)
{
	static const char rest[] = "_0123456789abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return id[0] >= 'a' && id[0] <= 'z' && strspn(id, rest) == strlen(id);
}

static int text_compare(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static int ids_check(struct aws_call *call, struct cv_query_iter iter, uint32_t n_ids)
{
	const char *ids[QUERIES_MAX];
	uint32_t n = 0;

	while (n < n_ids && cv_query_next(&iter)) {
		ids[n] = cv_query_str(&iter.item, "Id");
		if (!id_is_good(ids[n]))
			return cv_aws_fail(
				call, "ValidationError",
				"The value '%.64s' for the parameter Id must begin with a "
				"lowercase letter, and have letters, digits and _ only.",
				ids[n]);
		n++;
	}
	qsort(ids, n, sizeof(ids[0]), text_compare);
	for (uint32_t i = 1; i < n; i++) {
		if (strcmp(ids[i - 1], ids[i]) == 0)
			return cv_aws_fail(
				call, "ValidationError",
				"The values for the parameter Id are not unique: '%.64s'.", ids[i]);
	}
	return 0;
}

static int get_data(struct aws_call *call)
{
	struct cv_query_iter iter = {
		.list = cv_query_at(&call->params, "MetricDataQueries.member")};
	const struct cv_points *points = cv_aws_cw_points(call);
	uint32_t n = cv_query_count(&iter.list), i = 0;

	if (n == 0 || n > QUERIES_MAX)
		return cv_aws_fail(call, "ValidationError",
				   "The parameter MetricDataQueries must have 1 to %d members.",
				   QUERIES_MAX);
	if (ids_check(call, iter, n) < 0)
		return -EINVAL;
	call->page.limit = (uint32_t)cv_aws_int(&call->params, "MaxDatapoints", POINTS_PAGE);
	cv_xml_open(call->out, "MetricDataResults");
	while (cv_query_next(&iter)) {
		if (result_write(call, &iter.item, i++, points) < 0)
			return -EINVAL;
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	cv_xml_open(call->out, "Messages");
	cv_xml_close(call->out);
	return 0;
}

/* ---- ListMetrics ---- */

static bool has_dim(const struct cv_points_series *series, const char *name, const char *value)
{
	for (uint32_t i = 0; i < series->n_dims; i++) {
		if (strcmp(series->dims[i].name, name) == 0 &&
		    (value == NULL || strcmp(series->dims[i].value, value) == 0))
			return true;
	}
	return false;
}

static bool is_asked(const struct aws_call *call, const struct cv_points_series *series)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "Dimensions.member")};
	const char *ns = cv_query_str(&call->params, "Namespace");
	const char *name = cv_query_str(&call->params, "MetricName");

	if (strcmp(series->owner, call->caller.account_id) != 0 ||
	    (ns != NULL && strcmp(ns, series->ns) != 0) ||
	    (name != NULL && strcmp(name, series->name) != 0))
		return false;
	while (cv_query_next(&iter)) {
		if (!has_dim(series, cv_query_str(&iter.item, "Name"),
			     cv_query_str(&iter.item, "Value")))
			return false;
	}
	return true;
}

static void metric_write(struct aws_call *call, const struct cv_points_series *series)
{
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "Namespace", series->ns);
	cv_xml_str(out, "MetricName", series->name);
	cv_xml_open(out, "Dimensions");
	for (uint32_t i = 0; i < series->n_dims; i++) {
		cv_xml_item(out);
		cv_xml_str(out, "Name", series->dims[i].name);
		cv_xml_str(out, "Value", series->dims[i].value);
		cv_xml_close(out);
	}
	cv_xml_close(out);
	cv_xml_close(out);
}

/* Unlike its place, what tells a metric of an account from the others stays. */
static bool is_in_page(struct aws_call *call, const struct cv_points_series *series)
{
	char key[4096];
	size_t at = 0;

	for (uint32_t i = 0; i < series->n_dims && at < sizeof(key); i++)
		at += (size_t)snprintf(key + at, sizeof(key) - at, "\n%s\n%s", series->dims[i].name,
				       series->dims[i].value);
	if (at < sizeof(key))
		snprintf(key + at, sizeof(key) - at, "\n%s\n%s", series->ns, series->name);
	return cv_aws_page_key(call, key, series->name);
}

static int list_metrics(struct aws_call *call)
{
	const struct cv_points *points = cv_aws_cw_points(call);
	const struct cv_query_node dims = cv_query_at(&call->params, "Dimensions.member");

	/* Each is looked for in each metric. */
	if (cv_query_count(&dims) > DIMS_MAX)
		return cv_aws_fail(call, "InvalidParameterValue",
				   "The parameter Dimensions must have at most %d members.",
				   DIMS_MAX);
	cv_xml_open(call->out, "Metrics");
	for (uint32_t i = 0; points != NULL && i < cv_points_n(points); i++) {
		const struct cv_points_series *series = cv_points_at(points, i);

		if (is_asked(call, series) && is_in_page(call, series))
			metric_write(call, series);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- the table ---- */

#define UNITS                                                                                   \
	"Seconds|Microseconds|Milliseconds|Bytes|Kilobytes|Megabytes|Gigabytes|Terabytes|Bits|" \
	"Kilobits|Megabits|Gigabits|Terabits|Percent|Count|Bytes/Second|Kilobytes/Second|"      \
	"Megabytes/Second|Gigabytes/Second|Terabytes/Second|Bits/Second|Kilobits/Second|"       \
	"Megabits/Second|Gigabits/Second|Terabits/Second|Count/Second|None"
#define QUERY "MetricDataQueries.member.N."
#define STAT QUERY "MetricStat."

static const struct aws_param statistics_params[] = {
	AWS_STR("Namespace", AWS_REQUIRED, 1, 255),
	AWS_STR("MetricName", AWS_REQUIRED, 1, 255),
	AWS_STR("Dimensions.member.N.Name", AWS_REQUIRED, 1, 255),
	AWS_STR("Dimensions.member.N.Value", AWS_REQUIRED, 1, 1024),
	AWS_TIME("StartTime", AWS_REQUIRED),
	AWS_TIME("EndTime", AWS_REQUIRED),
	AWS_INT("Period", AWS_REQUIRED, 1, 86400),
	AWS_ENUM("Statistics.member.N", 0, "SampleCount|Average|Sum|Minimum|Maximum"),
	AWS_STR("ExtendedStatistics.member.N", 0, 1, 64),
	AWS_ENUM("Unit", 0, UNITS),
};
static const struct aws_param data_params[] = {
	AWS_STR(QUERY "Id", AWS_REQUIRED, 1, 255),
	AWS_STR(STAT "Metric.Namespace", 0, 1, 255),
	AWS_STR(STAT "Metric.MetricName", 0, 1, 255),
	AWS_STR(STAT "Metric.Dimensions.member.N.Name", 0, 1, 255),
	AWS_STR(STAT "Metric.Dimensions.member.N.Value", 0, 1, 1024),
	AWS_INT(STAT "Period", 0, 1, 86400),
	AWS_STR(STAT "Stat", 0, 1, 64),
	AWS_ENUM(STAT "Unit", 0, UNITS),
	AWS_STR(QUERY "Expression", 0, 1, 2048),
	AWS_STR(QUERY "Label", 0, 0, 1024),
	AWS_BOOL(QUERY "ReturnData"),
	AWS_LATE(QUERY "Period"),
	AWS_STR(QUERY "AccountId", 0, 1, 255),
	AWS_TIME("StartTime", AWS_REQUIRED),
	AWS_TIME("EndTime", AWS_REQUIRED),
	AWS_STR("NextToken", 0, 1, 1024),
	AWS_ENUM("ScanBy", 0, "TimestampDescending|TimestampAscending"),
	AWS_INT("MaxDatapoints", 0, 1, POINTS_PAGE),
	/* For times in labels, which are told as they come. */
	AWS_STR("LabelOptions.Timezone", 0, 5, 5),
};
static const struct aws_param list_params[] = {
	AWS_STR("Namespace", 0, 1, 255),
	AWS_STR("MetricName", 0, 1, 255),
	AWS_STR("Dimensions.member.N.Name", AWS_REQUIRED, 1, 255),
	AWS_STR("Dimensions.member.N.Value", 0, 1, 1024),
	AWS_STR("NextToken", 0, 1, 1024),
	AWS_ENUM("RecentlyActive", 0, "PT3H"),
	AWS_BOOL("IncludeLinkedAccounts"),
	AWS_REFUSE("OwningAccount"),
};

static const struct aws_action actions[] = {
	{
		.name = "GetMetricStatistics",
		.handle = get_statistics,
		AWS_PARAMS(statistics_params),
		.answers = "Label Datapoints.Timestamp Datapoints.SampleCount Datapoints.Average "
			   "Datapoints.Sum Datapoints.Minimum Datapoints.Maximum Datapoints.Unit "
			   "Datapoints.ExtendedStatistics",
	},
	{
		.name = "GetMetricData",
		.handle = get_data,
		AWS_PARAMS(data_params),
		.page_default = POINTS_PAGE,
		.answers = "MetricDataResults.Id MetricDataResults.Label "
			   "MetricDataResults.Timestamps MetricDataResults.Values "
			   "MetricDataResults.StatusCode NextToken",
	},
	{
		.name = "ListMetrics",
		.handle = list_metrics,
		AWS_PARAMS(list_params),
		.page_default = METRICS_PAGE,
		.answers = "Metrics.Namespace Metrics.MetricName Metrics.Dimensions.Name "
			   "Metrics.Dimensions.Value NextToken",
	},
};

const struct aws_group cv_aws_cloudwatch_group = {AWS_CLOUDWATCH, actions, CV_ARRAY_LEN(actions)};
