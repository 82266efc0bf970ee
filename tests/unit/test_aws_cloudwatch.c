/* SPDX-License-Identifier: BSD-3-Clause */

/* CloudWatch: periods, their statistics, pages of points, and what a request may cost. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_points.h"

#include "aws_elb.h"
#include "core_priv.h"

/* 2026-11-21T12:00:00Z, a multiple of all periods but the day. */
#define NOON UINT64_C(1795262400)
#define METRIC "Namespace=AWS/NetworkELB&MetricName=NewFlowCount"
#define DIM_NAME "Dimensions.member.1.Name=LoadBalancer"
#define DIM_VALUE "Dimensions.member.1.Value="
#define QUERY "MetricDataQueries.member."

static struct cv_points *points;
static char long_text[1 << 20];
static uint64_t n_looks, n_later;

/* NOLINTBEGIN(bugprone-reserved-identifier): the linker's names */
bool __real_cv_points_get(const struct cv_points *from, uint32_t i, uint64_t minute, double *ret);
bool __wrap_cv_points_get(const struct cv_points *from, uint32_t i, uint64_t minute, double *ret);

bool __wrap_cv_points_get(const struct cv_points *from, uint32_t i, uint64_t minute, double *ret)
{
	if (++n_looks > 1000000)
		fail_msg("more looks than points");
	return __real_cv_points_get(from, i, minute, ret);
}
/* NOLINTEND(bugprone-reserved-identifier) */

static const struct cv_points *points_get(struct cv_ctl *ctl)
{
	(void)ctl;
	return points;
}

static void put(const char *lb_name, uint64_t minute, double value)
{
	const struct cv_points_series series = {
		.owner = "111111111111",
		.ns = "AWS/NetworkELB",
		.name = "NewFlowCount",
		.unit = "Count",
		.dims = {{"LoadBalancer", lb_name}},
		.n_dims = 1,
		.always = true,
	};

	cv_points_begin(points, minute);
	cv_points_add(points, &series, value);
	cv_points_end(points);
}

static void CV_PRINTF(1, 2) cw(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must(AWS_CLOUDWATCH, PROV, fmt, ap);
	va_end(ap);
}

static void CV_PRINTF(2, 3) cw_fails(const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must_fail(AWS_CLOUDWATCH, PROV, code, fmt, ap);
	va_end(ap);
}

static void statistics(const char *from, const char *to, unsigned int period)
{
	cw("Action=GetMetricStatistics&" METRIC "&" DIM_NAME "&" DIM_VALUE
	   "a&StartTime=2026-11-21T%sZ"
	   "&EndTime=2026-11-21T%sZ&Period=%u&Statistics.member.1=Sum&Statistics.member.2=Minimum"
	   "&Statistics.member.3=Maximum&Statistics.member.4=SampleCount"
	   "&Statistics.member.5=Average",
	   from, to, period);
}

/* Points of noon and the hour after: of a minute, its number from 1 on; none at 12:45. One of b. */
static void hour_fill(void)
{
	for (uint64_t i = 0; i <= 60; i++) {
		if (i != 45)
			put("a", NOON / 60 + i, (double)i + 1);
		if (i == 31)
			put("b", NOON / 60 + i, 7);
	}
}

static void periods_begin_where_is_asked(void **state)
{
	(void)state;
	hour_fill();
	/* Nothing of 12:29. */
	statistics("12:30:00", "13:30:00", 3600);
	assert_int_equal(times("<member>"), 1);
	has("<Timestamp>2026-11-21T12:30:00Z</Timestamp>");
	has("<SampleCount>30.0</SampleCount>");
	has("<Minimum>31.0</Minimum>");
	has("<Maximum>61.0</Maximum>");
	has("<Sum>1380.0</Sum>");
	has("<Average>46.0</Average>");
	/* Its seconds are left out, the end is a minute's that counts. */
	statistics("12:32:34", "12:34:01", 60);
	assert_int_equal(times("<member>"), 3);
	has("<Timestamp>2026-11-21T12:32:00Z</Timestamp>");
	has("<Timestamp>2026-11-21T12:34:00Z</Timestamp>");
	statistics("12:32:34", "12:34:00", 60);
	assert_int_equal(times("<member>"), 2);
	/* A period without points is none, and the next one is at its place. */
	statistics("12:44:00", "12:48:00", 120);
	has("<Timestamp>2026-11-21T12:44:00Z</Timestamp>");
	has("<Timestamp>2026-11-21T12:46:00Z</Timestamp>");
	assert_int_equal(times("<SampleCount>1.0</SampleCount>"), 1);
	assert_int_equal(times("<SampleCount>2.0</SampleCount>"), 1);
	statistics("12:45:00", "12:46:00", 60);
	assert_int_equal(times("<member>"), 0);
	statistics("10:00:00", "11:59:59", 60);
	assert_int_equal(times("<member>"), 0);
	statistics("13:01:00", "23:00:00", 60);
	assert_int_equal(times("<member>"), 0);
}

#define PERCENTILES                                                                 \
	"Action=GetMetricStatistics&" METRIC "&" DIM_NAME "&" DIM_VALUE             \
	"a&StartTime=2026-11-21T12:30:00Z&EndTime=2026-11-21T13:01:00Z&Period=3600" \
	"&ExtendedStatistics.member."
#define PERCENTILE(p, value) "<entry><key>" p "</key><value>" value "</value></entry>"

/* Of 30 minutes with 31 to 61, without 46. */
static void percentiles_are_values_of_minutes(void **state)
{
	static const char *const bad[] = {"p",    "p101", "p100.1", "p-1",           "p50.",
					  "p.5",  "P50",  "pp50",   "p50x",          "p1e1",
					  "tm99", "Sum",  "p0050",  "p5.01234567891"};

	(void)state;
	hour_fill();
	cw(PERCENTILES "1=p0&ExtendedStatistics.member.2=p50&ExtendedStatistics.member.3=p96.7"
		       "&ExtendedStatistics.member.4=p96.6&ExtendedStatistics.member.5=p100"
		       "&Statistics.member.1=Maximum");
	has("<Maximum>61.0</Maximum><ExtendedStatistics>" PERCENTILE("p0", "31.0") PERCENTILE(
		"p50", "45.0") PERCENTILE("p96.7", "61.0") PERCENTILE("p96.6", "60.0")
		    PERCENTILE("p100", "61.0") "</ExtendedStatistics><Unit>Count</Unit>");
	cw(PERCENTILES "1=p3.3333333333");
	has(PERCENTILE("p3.3333333333", "31.0"));
	has_not("<Maximum>");
	for (size_t i = 0; i < CV_ARRAY_LEN(bad); i++)
		cw_fails("InvalidParameterValue", PERCENTILES "1=%s", bad[i]);
}

/* Up to a day of minutes is told, whenever in a minute it begins. */
static void what_is_asked_for_counts(void **state)
{
	static const char ask[] =
		"Action=GetMetricStatistics&" METRIC "&" DIM_NAME "&" DIM_VALUE
		"a&Statistics.member.1=Sum&Period=60&StartTime=2026-11-21T12:30:22Z";

	(void)state;
	cw("%s&EndTime=2026-11-22T12:30:22Z", ask);
	cw_fails("InvalidParameterCombination", "%s&EndTime=2026-11-22T12:30:23Z", ask);
}

/* A query after what is in long_text. */
static size_t query_add(size_t at, unsigned int i, const char *name, unsigned int period)
{
	at += (size_t)snprintf(long_text + at, sizeof(long_text) - at,
			       "&" QUERY "%u.Id=q%u&" QUERY "%u.MetricStat.Stat=Sum&" QUERY
			       "%u.MetricStat.Period=%u&" QUERY
			       "%u.MetricStat.Metric.Namespace=AWS/NetworkELB",
			       i, i, i, i, period, i);
	at += (size_t)snprintf(long_text + at, sizeof(long_text) - at,
			       "&" QUERY "%u.MetricStat.Metric.MetricName=NewFlowCount&" QUERY
			       "%u.MetricStat.Metric." DIM_NAME "&" QUERY
			       "%u.MetricStat.Metric." DIM_VALUE "%s",
			       i, i, i, name);
	assert_true(at < sizeof(long_text));
	return at;
}

static size_t data_begin(const char *from, const char *to)
{
	return (size_t)snprintf(long_text, sizeof(long_text),
				"Action=GetMetricData&StartTime=%s&EndTime=%s", from, to);
}

static void data_get(void)
{
	if (!calls_make(AWS_CLOUDWATCH, PROV, long_text))
		fail_msg("%s: %s", err_code, err_text);
}

static void data(const char *from, const char *to, unsigned int period, const char *more)
{
	size_t at = query_add(data_begin(from, to), 1, "a", period);

	snprintf(long_text + at, sizeof(long_text) - at, "%s", more);
	data_get();
}

static void data_has_its_order(void **state)
{
	(void)state;
	hour_fill();
	data("2026-11-21T12:30:00Z", "2026-11-21T12:33:00Z", 60, "");
	has("<Values><member>33</member><member>32</member><member>31</member></Values>");
	data("2026-11-21T12:30:00Z", "2026-11-21T12:33:00Z", 60, "&ScanBy=TimestampAscending");
	has("<Values><member>31</member><member>32</member><member>33</member></Values>");
	has("<Timestamps><member>2026-11-21T12:30:00Z</member>");
	data("2026-11-21T12:30:00Z", "2026-11-21T12:33:00Z", 120, "");
	has("<Values><member>33</member><member>63</member></Values>");
	has("<StatusCode>Complete</StatusCode>");
	data("2026-11-21T02:30:00Z", "2026-11-21T02:33:00Z", 60, "");
	has("<Values/>");
	has("<StatusCode>Complete</StatusCode>");
	has_not("NextToken");
}

/* Asks on until there is no further page. Returns the pages. */
static uint32_t pages_get(size_t at, char *sums, size_t cap)
{
	uint32_t n = 0;

	long_text[at] = sums[0] = '\0';
	for (;;) {
		char token[128];

		data_get();
		assert_int_equal(times("PartialData"), n == 0 ? 1 : 0);
		n++;
		for (const char *v = got; (v = strstr(v, "<Values><member>")) != NULL; v++)
			snprintf(sums + strlen(sums), cap - strlen(sums), "%.*s|",
				 (int)(strstr(v, "</Values>") - v) - 16, v + 16);
		if (strstr(got, "<NextToken>") == NULL)
			return n;
		snprintf(long_text + at, sizeof(long_text) - at, "&NextToken=%s",
			 element("NextToken", token));
		/* What comes meanwhile changes nothing of what was there. */
		put("a", NOON / 60 + 100 + n_later++, 1000);
	}
}

#define BOTH QUERY "1.MetricStat.Metric.Namespace=x&" QUERY "1.MetricStat.Metric.MetricName=y&"
#define TIMES "&StartTime=2026-11-21T12:00:00Z&EndTime=2026-11-21T12:10:00Z"

static void data_says_what_is_wrong(void **state)
{
	static const char *const more[] = {
		"&" QUERY "1.Period=60",
		"&" QUERY "1.Expression=a*2&" QUERY "1.Period=60",
		"&" QUERY "1.AccountId=222222222222",
		"&" QUERY "2.Id=a",
	};
	static const char *const why[] = {"MetricStat.Period", "Expressions", "222222222222",
					  "not unique"};

	(void)state;
	cw("Action=GetMetricData&" BOTH QUERY "1.Id=a&" QUERY "1.MetricStat.Period=60&" QUERY
	   "1.MetricStat.Stat=p99&LabelOptions.Timezone=%%2B0200&" QUERY
	   "1.AccountId=111111111111" TIMES);
	for (size_t i = 0; i < CV_ARRAY_LEN(more); i++) {
		cw_fails("ValidationError",
			 "Action=GetMetricData&" BOTH QUERY "1.Id=a&" QUERY
			 "1.MetricStat.Period=60&" QUERY "1.MetricStat.Stat=Sum%s" TIMES,
			 more[i]);
		assert_non_null(strstr(err_text, why[i]));
	}
	cw_fails("ValidationError", "Action=GetMetricData&" BOTH QUERY "1.Id=a&" QUERY
				    "1.MetricStat.Period=60&" QUERY "1.MetricStat.Stat=tm90" TIMES);
	assert_non_null(strstr(err_text, "p0 to p100"));
}

static void pages_are_of_points(void **state)
{
	char sums[1024];
	size_t at;

	(void)state;
	hour_fill();
	at = data_begin("2026-11-21T12:30:00Z", "2026-11-21T12:33:00Z");
	at = query_add(at, 1, "a", 60);
	at = query_add(at, 2, "none", 60);
	at = query_add(at, 3, "b", 60);
	at = query_add(at, 4, "a", 180);
	at += (size_t)snprintf(long_text + at, sizeof(long_text) - at, "&MaxDatapoints=2");
	assert_int_equal(pages_get(at, sums, sizeof(sums)), 3);
	assert_string_equal(sums, "33</member><member>32</member>|31</member>|7</member>|"
				  "96</member>|");
	has("<Id>q4</Id>");
	has_not("<Id>q2</Id>");
	at += (size_t)snprintf(long_text + at, sizeof(long_text) - at,
			       "&ScanBy=TimestampAscending");
	assert_int_equal(pages_get(at, sums, sizeof(sums)), 3);
	assert_string_equal(sums, "31</member><member>32</member>|33</member>|7</member>|"
				  "96</member>|");
	snprintf(long_text + at, sizeof(long_text) - at, "&NextToken=0123");
	assert_false(calls_make(AWS_CLOUDWATCH, PROV, long_text));
}

/* All of the years from 1970 on, by days, five hundred times. */
static void cost_goes_by_the_ring(void **state)
{
	size_t at;

	(void)state;
	for (uint64_t i = 0; i < 400; i++)
		put("a", NOON / 60 + i, 1);
	at = data_begin("1970-01-01T00:00:00Z", "2245-11-30T00:00:00Z");
	for (unsigned int i = 1; i <= 500; i++)
		at = query_add(at, i, "a", 86400);
	n_looks = 0;
	data_get();
	assert_true(n_looks <= UINT64_C(500) * CV_POINTS_MINUTES);
	assert_int_equal(times("<Id>"), 500);
	/* 18:40 is the last one: the ring's three hours are all of one day. */
	assert_int_equal(times("<Values><member>180</member></Values>"), 500);
	n_looks = 0;
	cw("Action=GetMetricStatistics&" METRIC "&" DIM_NAME "&" DIM_VALUE
	   "a&StartTime=2024-01-01T00:00:00Z"
	   "&EndTime=2027-01-01T00:00:00Z&Period=86400&Statistics.member.1=Sum");
	assert_true(n_looks <= CV_POINTS_MINUTES);
	has("<Sum>180.0</Sum>");
	query_add(data_begin("2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z"), 1, "a", 60);
	assert_false(calls_make(AWS_CLOUDWATCH, PROV, long_text));
	assert_string_equal(err_code, "ValidationError");
}

#define SERIES 1100

/* Fills points with all but the first of the load balancers, in one order or the other. */
static void series_fill(unsigned int n_gone, bool backward)
{
	char name[16];

	cv_points_destroy(points);
	points = cv_points_create(2 * SERIES);
	for (unsigned int i = n_gone; i < SERIES; i++) {
		snprintf(name, sizeof(name), "lb-%04u", backward ? SERIES - 1 - i + n_gone : i);
		put(name, NOON / 60, 1);
	}
}

/* Between two pages some end, and those that stay stand elsewhere, as after a restart. */
static void metrics_come_in_pages(void **state)
{
	static unsigned int n_told[SERIES];
	unsigned int n_pages = 0;
	char token[128], value[32];

	(void)state;
	series_fill(0, false);
	for (bool more = true; more; n_pages++) {
		cw("Action=ListMetrics&Namespace=AWS/NetworkELB%s%s",
		   n_pages > 0 ? "&NextToken=" : "", n_pages > 0 ? token : "");
		assert_in_range(times("<MetricName>"), 1, 500);
		for (unsigned int i = 0; i < SERIES; i++) {
			snprintf(value, sizeof(value), "<Value>lb-%04u</Value>", i);
			n_told[i] += times(value);
		}
		more = strstr(got, "<NextToken>") != NULL;
		if (more)
			element("NextToken", token);
		series_fill(10, n_pages % 2 == 0);
	}
	assert_int_equal(n_pages, 3);
	for (unsigned int i = 10; i < SERIES; i++)
		assert_int_equal(n_told[i], 1);
}

static int start_points(void **state)
{
	points = cv_points_create(100);
	calls_aws.ops.points = points_get;
	n_looks = n_later = 0;
	return start(state);
}

static int end(void **state)
{
	cv_points_destroy(points);
	calls_aws.ops = (struct cv_aws_ops){0};
	return teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_points, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(percentiles_are_values_of_minutes),
		TEST(what_is_asked_for_counts),
		TEST(data_says_what_is_wrong),
		TEST(periods_begin_where_is_asked),
		TEST(data_has_its_order),
		TEST(pages_are_of_points),
		TEST(cost_goes_by_the_ring),
		TEST(metrics_come_in_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
