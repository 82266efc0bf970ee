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

/* Of a round that is over. */
#define IS(minute, value)                                                  \
	do {                                                               \
		cv_points_end(points);                                     \
		assert_true(value_at(points, &series, minute) == (value)); \
	} while (0)

static uint32_t lost(struct cv_points *points)
{
	cv_points_end(points);
	return cv_points_lost(points);
}

static void begin(struct cv_points *points, uint64_t minute)
{
	cv_points_begin(points, minute);
	while (cv_points_expire(points, 3))
		continue;
}

static void rounds_sum_up(void **state)
{
	struct cv_points *points = cv_points_create(10);
	struct cv_points_series series = named("x");

	(void)state;
	begin(points, 1000);
	cv_points_add(points, &series, 0);
	assert_int_equal(cv_points_n(points), 0);
	cv_points_add(points, &series, 2);
	cv_points_add(points, &series, 3);
	IS(1000, 5);
	begin(points, 1000);
	cv_points_add(points, &series, 1);
	IS(1000, 6);
	begin(points, 1003);
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
	begin(points, 1000);
	cv_points_add(points, &series, 0);
	IS(1000, 0);
	cv_points_add(points, &series, 4);
	begin(points, 1000);
	cv_points_add(points, &series, 2);
	cv_points_add(points, &series, 1);
	IS(1000, 3);
	begin(points, 1001);
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
		begin(points, minute);
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
	begin(points, 1120);
	cv_points_add(points, &series, 7);
	assert_int_equal(cv_points_grown(points, &series, 40), 40);
	begin(points, 1000);
	assert_int_equal(cv_points_n(points), 0);
	assert_int_equal(cv_points_grown(points, &series, 42), 2);
	cv_points_add(points, &series, 2);
	IS(1000, 2);
	IS(1120, -1);
	/* The counter is not older than its series. */
	begin(points, 1000 + CV_POINTS_MINUTES - 1);
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
	begin(points, 1000);
	for (int i = 0; i < 12; i++) {
		snprintf(text, sizeof(text), "%d", i);
		cv_points_add(points, &passing, 1);
	}
	assert_int_equal(cv_points_n(points), 8);
	assert_int_equal(lost(points), 4);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text), "%d", i);
		cv_points_add(points, &always, 0);
	}
	assert_int_equal(cv_points_n(points), 10);
	assert_int_equal(lost(points), 5);
	/* What is there goes on; another round begins to count anew. */
	begin(points, 1001);
	assert_int_equal(cv_points_lost(points), 5);
	assert_int_equal(lost(points), 0);
	snprintf(text, sizeof(text), "0");
	cv_points_add(points, &passing, 1);
	cv_points_add(points, &always, 1);
	snprintf(text, sizeof(text), "11");
	cv_points_add(points, &passing, 0);
	assert_int_equal(lost(points), 0);
	cv_points_add(points, &passing, 1);
	assert_int_equal(lost(points), 1);
	/* With the others' end there is room again, as much as before. */
	begin(points, 1000 + CV_POINTS_MINUTES);
	assert_int_equal(cv_points_n(points), 2);
	for (int i = 1; i < 12; i++) {
		snprintf(text, sizeof(text), "%d", i);
		cv_points_add(points, &passing, 1);
	}
	assert_int_equal(cv_points_n(points), 9);
	assert_int_equal(lost(points), 4);
	cv_points_destroy(points);
}

/* What there are thousands of leaves room for sums of it. */
static void many_leave_room_for_others(void **state)
{
	struct cv_points *points = cv_points_create(10);
	char text[16];
	struct cv_points_series one = named(text), sum = named("sum");

	(void)state;
	one.many = true;
	for (int round = 0; round < 2; round++) {
		begin(points, 1000 + (uint64_t)round * CV_POINTS_MINUTES);
		for (int i = 0; i < 12; i++) {
			snprintf(text, sizeof(text), "%d", i);
			cv_points_add(points, &one, 1);
		}
		assert_int_equal(cv_points_n(points), 8);
		sum.dims[1].value = "a";
		cv_points_add(points, &sum, 1);
		sum.dims[1].value = "b";
		cv_points_add(points, &sum, 1);
		assert_int_equal(cv_points_n(points), 10);
		assert_int_equal(lost(points), 4);
	}
	/* The clock is set back: all of the room is there again. */
	begin(points, 1000);
	cv_points_add(points, &one, 1);
	assert_int_equal(cv_points_n(points), 1);
	for (int i = 0; i < 12; i++) {
		snprintf(text, sizeof(text), "%d", i);
		cv_points_add(points, &one, 1);
	}
	assert_int_equal(cv_points_n(points), 8);
	cv_points_destroy(points);
}

static void names_tell_apart(void **state)
{
	struct cv_points *points = cv_points_create(1000);
	struct cv_points_series series = named("x"), other;
	char text[16];

	(void)state;
	begin(points, 1000);
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
	begin(points, 1000);
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

/* Whoever reads while a round goes on finds what was there before. */
static void half_a_round_is_not_read(void **state)
{
	struct cv_points *points = cv_points_create(10);
	struct cv_points_series series = named("x"), gauge = named("y");

	(void)state;
	gauge.gauge = true;
	cv_points_begin(points, 1000);
	cv_points_add(points, &series, 2);
	cv_points_add(points, &gauge, 20);
	assert_true(value_at(points, &series, 1000) == -1);
	cv_points_end(points);
	cv_points_begin(points, 1000);
	cv_points_add(points, &series, 3);
	cv_points_add(points, &gauge, 30);
	assert_true(value_at(points, &series, 1000) == 2);
	assert_true(value_at(points, &gauge, 1000) == 20);
	cv_points_add(points, &gauge, 5);
	cv_points_end(points);
	assert_true(value_at(points, &series, 1000) == 5);
	assert_true(value_at(points, &gauge, 1000) == 35);
	cv_points_begin(points, 1001);
	cv_points_add(points, &gauge, 7);
	assert_true(value_at(points, &gauge, 1000) == 35);
	assert_true(value_at(points, &gauge, 1001) == -1);
	cv_points_destroy(points);
}

/* What a counter has grown by in it is told once only, and is not lost. */
static void a_round_may_be_broken_off(void **state)
{
	struct cv_points *points = cv_points_create(10);
	struct cv_points_series series = named("x"), gauge = named("y");

	(void)state;
	gauge.gauge = true;
	cv_points_begin(points, 1000);
	cv_points_add(points, &series, (double)cv_points_grown(points, &series, 7));
	cv_points_add(points, &gauge, 20);
	cv_points_begin(points, 1000);
	cv_points_add(points, &series, (double)cv_points_grown(points, &series, 9));
	cv_points_add(points, &gauge, 21);
	cv_points_end(points);
	assert_true(value_at(points, &series, 1000) == 9);
	assert_true(value_at(points, &gauge, 1000) == 21);
	cv_points_destroy(points);
}

/* Those that go are taken out from among the others, a few at a time. */
static void others_are_found_while_some_go(void **state)
{
	struct cv_points *points = cv_points_create(1000);
	struct cv_points_series series;
	char text[16];
	bool more = true;

	(void)state;
	for (uint64_t minute = 1000; minute < 1002; minute++) {
		begin(points, minute);
		for (int i = (int)(minute - 1000); i < 1000; i += 2) {
			snprintf(text, sizeof(text), "lb-%d", i);
			series = named(text);
			cv_points_add(points, &series, i + 1);
			assert_int_equal(cv_points_grown(points, &series, (uint64_t)i + 1), i + 1);
		}
		cv_points_end(points);
	}
	cv_points_begin(points, 1000 + CV_POINTS_MINUTES);
	for (int n_steps = 0; more; n_steps++) {
		more = cv_points_expire(points, 50);
		assert_int_equal(more, n_steps < 2000 / 50 - 1);
		for (int i = 1; i < 1000; i += 2) {
			snprintf(text, sizeof(text), "lb-%d", i);
			series = named(text);
			assert_true(value_at(points, &series, 1001) == i + 1);
		}
	}
	assert_int_equal(cv_points_n(points), 500);
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "lb-%d", i);
		series = named(text);
		assert_int_equal(cv_points_find(points, &series) != UINT32_MAX, i % 2);
		assert_int_equal(cv_points_grown(points, &series, (uint64_t)i + 1),
				 i % 2 == 1 ? 0 : i + 1);
	}
	cv_points_destroy(points);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_sum_up),
		cmocka_unit_test(gauges_are_replaced),
		cmocka_unit_test(ring_ends),
		cmocka_unit_test(clock_may_be_set_back),
		cmocka_unit_test(many_leave_room_for_others),
		cmocka_unit_test(names_tell_apart),
		cmocka_unit_test(counters_grow),
		cmocka_unit_test(half_a_round_is_not_read),
		cmocka_unit_test(a_round_may_be_broken_off),
		cmocka_unit_test(others_are_found_while_some_go),
		cmocka_unit_test(some_room_is_for_what_is_always_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
