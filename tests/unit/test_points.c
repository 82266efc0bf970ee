/* SPDX-License-Identifier: BSD-3-Clause */

/* Points of metrics: rounds, sums, gaps, the ring's end, counters that begin anew. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cv_points.h"

static struct cv_points_series named(const char *value)
{
	return (struct cv_points_series){
		.owner = "111111111111",
		.ns = "AWS/NetworkELB",
		.name = "NewFlowCount",
		.unit = "Count",
		.dims = {{"LoadBalancer", value}, {"AvailabilityZone", "a"}},
		.n_dims = 2,
	};
}

static double value_at(const struct cv_points *points, const struct cv_points_series *series,
		       uint64_t minute)
{
	uint32_t idx = cv_points_find(points, series);
	double value;

	if (idx == UINT32_MAX || !cv_points_get(points, idx, minute, &value))
		return -1;
	return value;
}

#define IS(minute, value) assert_true(value_at(points, &series, minute) == (value))

static void rounds_sum_up(void **state)
{
	struct cv_points *points = cv_points_create(10);
	struct cv_points_series series = named("x");

	(void)state;
	cv_points_begin(points, 1000);
	cv_points_add(points, &series, 0);
	assert_int_equal(cv_points_n(points), 0);
	cv_points_add(points, &series, 2);
	cv_points_add(points, &series, 3);
	IS(1000, 5);
	cv_points_begin(points, 1000);
	cv_points_add(points, &series, 1);
	IS(1000, 6);
	cv_points_begin(points, 1003);
	cv_points_add(points, &series, 0);
	IS(1000, 6);
	IS(1001, -1);
	IS(1002, -1);
	IS(1003, 0);
	IS(1004, -1);
	IS(999, -1);
	assert_string_equal(cv_points_at(points, 0)->name, "NewFlowCount");
	assert_string_equal(cv_points_at(points, 0)->dims[0].name, "AvailabilityZone");
	assert_string_equal(cv_points_at(points, 0)->dims[1].value, "x");
	cv_points_destroy(points);
}

static void gauges_are_replaced(void **state)
{
	struct cv_points *points = cv_points_create(10);
	struct cv_points_series series = named("x");

	(void)state;
	series.gauge = series.always = true;
	cv_points_begin(points, 1000);
	cv_points_add(points, &series, 0);
	IS(1000, 0);
	cv_points_add(points, &series, 4);
	cv_points_begin(points, 1000);
	cv_points_add(points, &series, 2);
	cv_points_add(points, &series, 1);
	IS(1000, 3);
	cv_points_begin(points, 1001);
	cv_points_add(points, &series, 7);
	IS(1000, 3);
	IS(1001, 7);
	cv_points_destroy(points);
}

static void ring_ends(void **state)
{
	struct cv_points *points = cv_points_create(10);
	struct cv_points_series series = named("x"), other = named("y");

	(void)state;
	for (uint64_t minute = 1000; minute < 1000 + 2 * CV_POINTS_MINUTES; minute++) {
		cv_points_begin(points, minute);
		cv_points_add(points, &series, (double)minute);
		if (minute == 1000)
			cv_points_add(points, &other, 1);
		assert_int_equal(cv_points_n(points), minute < 1000 + CV_POINTS_MINUTES ? 2 : 1);
		IS(minute, (double)minute);
		if (minute >= 1000 + CV_POINTS_MINUTES)
			IS(minute - CV_POINTS_MINUTES, -1);
		if (minute >= 1000 + CV_POINTS_MINUTES - 1)
			IS(minute - CV_POINTS_MINUTES + 1,
			   (double)(minute - CV_POINTS_MINUTES + 1));
	}
	cv_points_destroy(points);
}

/* It was two hours fast: what is counted from now on is of the right minutes. */
static void clock_may_be_set_back(void **state)
{
	struct cv_points_series series = named("net/web/1");
	struct cv_points *points = cv_points_create(10);

	(void)state;
	cv_points_begin(points, 1120);
	cv_points_add(points, &series, 7);
	assert_int_equal(cv_points_grown(points, &series, 40), 40);
	cv_points_begin(points, 1000);
	assert_int_equal(cv_points_n(points), 0);
	assert_int_equal(cv_points_grown(points, &series, 42), 2);
	cv_points_add(points, &series, 2);
	IS(1000, 2);
	IS(1120, -1);
	/* The counter is not older than its series. */
	cv_points_begin(points, 1000 + CV_POINTS_MINUTES - 1);
	assert_int_equal(cv_points_grown(points, &series, 45), 3);
	cv_points_destroy(points);
}

/* What comes and goes leaves room for what is always there, whoever has it. */
static void some_room_is_for_what_is_always_there(void **state)
{
	struct cv_points *points = cv_points_create(8);
	char text[16];
	struct cv_points_series passing = named(text), always = named(text);

	(void)state;
	always.owner = "222222222222";
	always.always = true;
	cv_points_begin(points, 1000);
	for (int i = 0; i < 12; i++) {
		snprintf(text, sizeof(text), "%d", i);
		cv_points_add(points, &passing, 1);
	}
	assert_int_equal(cv_points_n(points), 8);
	assert_int_equal(cv_points_lost(points), 4);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%d", i);
		cv_points_add(points, &always, 0);
	}
	assert_int_equal(cv_points_n(points), 10);
	assert_int_equal(cv_points_lost(points), 5);
	/* What is there goes on; another round begins to count anew. */
	cv_points_begin(points, 1001);
	assert_int_equal(cv_points_lost(points), 0);
	snprintf(text, sizeof(text), "0");
	cv_points_add(points, &passing, 1);
	cv_points_add(points, &always, 1);
	snprintf(text, sizeof(text), "11");
	cv_points_add(points, &passing, 0);
	assert_int_equal(cv_points_lost(points), 0);
	cv_points_add(points, &passing, 1);
	assert_int_equal(cv_points_lost(points), 1);
	/* With the others' end there is room again, as much as before. */
	cv_points_begin(points, 1000 + CV_POINTS_MINUTES);
	assert_int_equal(cv_points_n(points), 2);
	for (int i = 1; i < 12; i++) {
		snprintf(text, sizeof(text), "%d", i);
		cv_points_add(points, &passing, 1);
	}
	assert_int_equal(cv_points_n(points), 9);
	assert_int_equal(cv_points_lost(points), 4);
	cv_points_destroy(points);
}

static void names_tell_apart(void **state)
{
	struct cv_points *points = cv_points_create(1000);
	struct cv_points_series series = named("x"), other;
	char text[16];

	(void)state;
	cv_points_begin(points, 1000);
	for (int i = 1; i <= 1100; i++) {
		snprintf(text, sizeof(text), "lb-%d", i);
		other = named(text);
		cv_points_add(points, &other, i);
	}
	assert_int_equal(cv_points_n(points), 1000);
	for (int i = 1; i <= 1000; i++) {
		snprintf(text, sizeof(text), "lb-%d", i);
		series = named(text);
		IS(1000, i);
	}
	series = named("lb-7");
	series.dims[0] = (struct cv_points_dim){"AvailabilityZone", "a"};
	series.dims[1] = (struct cv_points_dim){"LoadBalancer", "lb-7"};
	IS(1000, 7);
	series.owner = "222222222222";
	IS(1000, -1);
	series.owner = "111111111111";
	series.n_dims = 1;
	IS(1000, -1);
	cv_points_destroy(points);
}

static void counters_grow(void **state)
{
	struct cv_points *points = cv_points_create(10);
	struct cv_points_series series = named("x");

	(void)state;
	cv_points_begin(points, 1000);
	assert_int_equal(cv_points_grown(points, &series, 0), 0);
	assert_int_equal(cv_points_grown(points, &series, 5), 5);
	assert_int_equal(cv_points_grown(points, &series, 5), 0);
	assert_int_equal(cv_points_grown(points, &series, 7), 2);
	assert_int_equal(cv_points_grown(points, &series, 3), 3);
	series = named("y");
	assert_int_equal(cv_points_grown(points, &series, 9), 9);
	series = named("x");
	assert_int_equal(cv_points_grown(points, &series, 4), 1);
	cv_points_destroy(points);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_sum_up),
		cmocka_unit_test(gauges_are_replaced),
		cmocka_unit_test(ring_ends),
		cmocka_unit_test(clock_may_be_set_back),
		cmocka_unit_test(names_tell_apart),
		cmocka_unit_test(counters_grow),
		cmocka_unit_test(some_room_is_for_what_is_always_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
