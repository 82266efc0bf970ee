/* SPDX-License-Identifier: BSD-3-Clause */

/* The path of events: what is asked reaches control, what cannot be meant is refused. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api_priv.h"

static char asked[128];

static int events(void *arg, const struct cv_ctl_events_query *query, struct cv_ctl_reply *reply)
{
	(void)arg;
	snprintf(asked, sizeof(asked), "%llu %llu %llu %u", (unsigned long long)query->boot,
		 (unsigned long long)query->after, (unsigned long long)query->since_ms,
		 query->wait);
	reply->text = strdup("{\"events\": []}");
	reply->len = strlen(reply->text);
	return 0;
}

static const char *const whats[] = {"ports", NULL};
static const struct cv_api_ops ops = {.whats = whats, .events = events};

/* @return status; the answer's text is compared with `want`, if that is not NULL */
static unsigned int ask(const struct cv_api_ops *with, struct api_request request, const char *want)
{
	struct api_answer answer;

	asked[0] = '\0';
	if (request.path == NULL)
		request.path = "/v1/events";
	if (request.method == NULL)
		request.method = "GET";
	cv_api_route(with, &request, &answer);
	if (want != NULL && strstr(answer.text, want) == NULL)
		fail_msg("'%s' does not say '%s'", answer.text, want);
	free(answer.text);
	return answer.status;
}

static struct api_request with(const char *name, const char *value)
{
	return (struct api_request){.params = {{name, value}}, .n_params = 1};
}

static void questions_reach_control(void **state)
{
	struct api_request all = {.params = {{"boot", "9223372036854775807"},
					     {"after", "3"},
					     {"since", "1795316400000"},
					     {"wait", "20"}},
				  .n_params = 4};

	(void)state;
	assert_int_equal(ask(&ops, (struct api_request){0}, "{\"events\": []}"), 200);
	assert_string_equal(asked, "0 0 0 0");
	assert_int_equal(ask(&ops, all, NULL), 200);
	assert_string_equal(asked, "9223372036854775807 3 1795316400000 20");
}

static void what_cannot_be_meant_is_refused(void **state)
{
	static const char *const wrong[][3] = {
		{"wait", "21", "wait: so many seconds are too long"},
		{"wait", "4294967297", "wait: so many seconds are too long"},
		{"wait", "99999999999999999999", "wait: parameter is not a number"},
		{"after", "-1", "after: parameter is not a number"},
		{"since", "", "since: parameter has no value"},
		{"boot", NULL, "boot: parameter has no value"},
		{"kind", "1", "kind: unknown parameter"},
	};
	struct api_request many = {.too_many_params = true};
	const struct cv_api_ops none = {.whats = whats};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(wrong); i++)
		assert_int_equal(ask(&ops, with(wrong[i][0], wrong[i][1]), wrong[i][2]), 400);
	assert_int_equal(ask(&ops, many, NULL), 400);
	assert_int_equal(ask(&none, (struct api_request){0}, NULL), 400);
	assert_int_equal(ask(&ops, (struct api_request){.method = "POST"}, NULL), 405);
	assert_int_equal(ask(&ops, (struct api_request){.path = "/v1/events/x"}, NULL), 404);
	assert_string_equal(asked, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions_reach_control),
		cmocka_unit_test(what_cannot_be_meant_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
