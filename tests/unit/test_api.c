/* SPDX-License-Identifier: BSD-3-Clause */

/* The operators' HTTP server: paths and parameters, answers, connections. Its socket: test_api_socket.c. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "api_world.h"

/* For the test that is about a connection that ends of itself. */
#define IMPATIENT_SECONDS 2

static int setup_impatient(void **state)
{
	struct state *s;

	setup(state);
	s = *state;
	s->fake.idle_seconds = IMPATIENT_SECONDS;
	return run(s);
}

static void show_hands_the_query_to_control(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];

	assert_int_equal(get(s, "/v1/show/ports", answer), 200);
	assert_string_equal(s->fake.asked, "ports - - - 0");
	assert_non_null(strstr(answer, "\r\n\r\n{\"fake\": true}"));
	assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(answer, "Server: culvertd/9.9\r\n"));
	assert_int_equal(
		get(s,
		    "/v1/show/flows?endpoint=vpce-1&target=10.0.0.1%3A80&state=established&limit=7",
		    answer),
		200);
	assert_string_equal(s->fake.asked, "flows vpce-1 10.0.0.1:80 established 7");
	assert_int_equal(get(s, "/v1/show/load-balancers", answer), 200);
	assert_int_equal(get(s, "/v1/config", answer), 200);
	assert_string_equal(s->fake.asked, "config - - - 0");
	assert_int_equal(get(s, "/v1/show/ports?stages=1", answer), 200);
	assert_string_equal(s->fake.asked, "ports - - - 0 stages");
	assert_int_equal(s->fake.seconds, 0);
	assert_int_equal(get(s, "/v1/show/ports?seconds=10&stages=1", answer), 200);
	assert_int_equal(s->fake.seconds, 10);
}

static int post(struct state *s, const char *target, char *answer)
{
	char request[512];

	s->fake.asked[0] = '\0';
	snprintf(request, sizeof(request),
		 "POST %s HTTP/1.1\r\nHost: c\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		 target);
	return ask(s, request, answer);
}

static void captures_are_handed_to_control(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];

	assert_int_equal(get(s, "/v1/capture?id=a1&port=80", answer), 200);
	assert_string_equal(s->fake.asked, "capture a1 - - - 80 - - 0");
	assert_non_null(strstr(answer, "Content-Type: application/x-pcapng\r\n"));
	assert_int_equal(get(s,
			     "/v1/capture?id=a1&endpoint=e&target=10.0.0.1%3A80&client=1.2.3.4"
			     "&snaplen=60&drops=all&stop=1",
			     answer),
			 200);
	assert_string_equal(s->fake.asked, "capture a1 e 10.0.0.1:80 1.2.3.4 - 60 all 1");
	s->fake.asked[0] = '\0';
	assert_int_equal(get(s, "/v1/capture?id=a1&nothing=1", answer), 400);
	assert_non_null(strstr(answer, "nothing: unknown parameter"));
	assert_int_equal(get(s, "/v1/capture?stop=2", answer), 400);
	assert_int_equal(get(s, "/v1/capture?id=", answer), 400);
	assert_int_equal(get(s, "/v1/capture?id=a1&target=10.0.0.1&target=10.0.0.2", answer), 400);
	assert_non_null(strstr(answer, "target: parameter is given twice"));
	assert_string_equal(s->fake.asked, "");
	s->fake.ret = -EBUSY;
	assert_int_equal(get(s, "/v1/capture?id=a1", answer), 409);
	s->fake.ret = 0;
}

static void orders_are_handed_to_control(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];

	assert_int_equal(post(s, "/v1/act/accept?endpoint=vpce-1", answer), 200);
	assert_string_equal(s->fake.asked, "accept vpce-1 - - - -");
	assert_non_null(strstr(answer, "\r\n\r\n{\"fake\": true}"));
	assert_int_equal(post(s, "/v1/act/drain?group=web&target=10.0.0.1%3A80", answer), 200);
	assert_string_equal(s->fake.asked, "drain - web 10.0.0.1:80 - -");
	assert_int_equal(post(s, "/v1/act/shift?load-balancer=nlb&zone=a", answer), 200);
	assert_string_equal(s->fake.asked, "shift - - - nlb a");
	assert_int_equal(post(s, "/v1/act/shift?nothing=1", answer), 400);
	assert_non_null(strstr(answer, "nothing: unknown parameter"));
	assert_int_equal(post(s, "/v1/act/shift?zone=a&zone=b", answer), 400);
	assert_int_equal(post(s, "/v1/act/shift?zone=", answer), 400);
	assert_string_equal(s->fake.asked, "");
	/* Nothing is done by looking. */
	assert_int_equal(get(s, "/v1/act/accept?endpoint=vpce-1", answer), 405);
	assert_non_null(strstr(answer, "Allow: POST\r\n"));
	assert_int_equal(post(s, "/v1/show/ports", answer), 405);
	assert_string_equal(s->fake.asked, "");
}

static void head_has_no_body(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];

	assert_int_equal(
		ask(s, "HEAD /v1/config HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n", answer),
		200);
	assert_non_null(strstr(answer, "Content-Length: 14\r\n"));
	assert_null(strstr(answer, "fake"));
}

static void metrics_are_plain_text(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];

	s->fake.text = "culvert_up 1\n";
	assert_int_equal(get(s, "/metrics?collect[]=x&limit=nonsense", answer), 200);
	assert_non_null(
		strstr(answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	assert_non_null(strstr(answer, "\r\n\r\nculvert_up 1\n"));
}

static void unknown_path_names_the_valid_ones(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];
	const char *const paths[] = {
		"/",         "/v1",        "/v1/show/", "/v1/show/nothing", "/v1/show/ports/x",
		"/metrics/", "/v1/configs"};

	for (size_t i = 0; i < CV_ARRAY_LEN(paths); i++) {
		s->fake.asked[0] = '\0';
		assert_int_equal(get(s, paths[i], answer), 404);
		assert_string_equal(s->fake.asked, "");
		assert_non_null(strstr(answer, "\"/v1/show/load-balancers\""));
		assert_non_null(strstr(answer, "\"status\": 404"));
	}
	assert_int_equal(get(s, "/nowhere", answer), 404);
	assert_non_null(strstr(answer, "\"/metrics\""));
	assert_non_null(strstr(answer, "\"/v1/config\""));
	assert_null(strstr(answer, "\"/v1/show/\""));
}

/* ---- the allocator of the answers fails ---- */

static atomic_long fail_in;

static void *failing_malloc(size_t size)
{
	if (atomic_load(&fail_in) > 0 && atomic_fetch_sub(&fail_in, 1) == 1)
		return NULL;
	return malloc(size);
}

static void errors_are_whole_or_say_that_memory_ran_out(void **state)
{
	static const char *const paths[] = {"/nowhere", "/v1/show/nothing",
					    "/v1/show/flows?colour=red"};
	struct state *s = *state;

	json_set_alloc_funcs(failing_malloc, free);
	for (size_t i = 0; i < CV_ARRAY_LEN(paths); i++) {
		char whole[ANSWER_LEN], answer[ANSWER_LEN];
		int want = get(s, paths[i], whole);
		long n = 1;

		assert_true(want == 404 || want == 400);
		assert_non_null(strstr(whole, "\"valid\""));
		for (;; n++) {
			int got;

			atomic_store(&fail_in, n);
			got = get(s, paths[i], answer);
			if (atomic_exchange(&fail_in, 0) > 0)
				break; /* it was not reached: the end */
			if (got != 500)
				fail_msg("%s: allocation %ld: %d", paths[i], n, got);
			assert_non_null(strstr(answer, "\"message\": \"out of memory\""));
		}
		assert_true(n > 10);
		assert_string_equal(strstr(answer, "\r\n\r\n"), strstr(whole, "\r\n\r\n"));
	}
	json_set_alloc_funcs(malloc, free);
}

static void wrong_method_is_405(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];
	const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "GE"};

	for (size_t i = 0; i < CV_ARRAY_LEN(methods); i++) {
		char request[256];

		snprintf(request, sizeof(request),
			 "%s /v1/config HTTP/1.1\r\nHost: c\r\nContent-Length: 5\r\n"
			 "Connection: close\r\n\r\nhello",
			 methods[i]);
		assert_int_equal(ask(s, request, answer), 405);
		assert_non_null(strstr(answer, "Allow: GET, HEAD\r\n"));
	}
}

static void bad_parameters_are_400(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];
	static const struct {
		const char *query, *text;
	} cases[] = {
		{"colour=red", "colour: unknown parameter"},
		{"endpoint", "endpoint: parameter has no value"},
		{"endpoint=", "endpoint: parameter has no value"},
		{"state=a&state=b", "state: parameter is given twice"},
		{"limit=1&limit=2", "limit: parameter is given twice"},
		{"limit=0", "not a number from 1 to 100000"},
		{"limit=100001", "not a number from 1 to 100000"},
		{"limit=9999999999999999999999", "not a number from 1 to 100000"},
		{"limit=-1", "not a number from 1 to 100000"},
		{"limit=1x", "not a number from 1 to 100000"},
		{"stages", "stages: parameter has no value"},
		{"stages=yes", "stages: parameter takes 1 only"},
		{"stages=1&stages=1", "stages: parameter is given twice"},
		{"seconds=0", "seconds: parameter is not a number from 1 to 10"},
		{"seconds=11", "seconds: parameter is not a number from 1 to 10"},
		{"seconds=1.5", "seconds: parameter is not a number from 1 to 10"},
		{"seconds=2&seconds=2", "seconds: parameter is given twice"},
		{"endp%00oint=x", ": unknown parameter"},
		{"a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i=9", "too many parameters"},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		char target[256];

		snprintf(target, sizeof(target), "/v1/show/flows?%s", cases[i].query);
		s->fake.asked[0] = '\0';
		assert_int_equal(get(s, target, answer), 400);
		assert_non_null(strstr(answer, cases[i].text));
		assert_string_equal(s->fake.asked, "");
	}
	assert_int_equal(get(s, "/v1/show/flows?limit=100000", answer), 200);
	assert_string_equal(s->fake.asked, "flows - - - 100000");
}

static void failures_of_control_have_their_status(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];
	static const struct {
		int ret, status;
		const char *text, *want;
	} cases[] = {
		{-EINVAL, 400, "state: no such state", "no such state"},
		{-ENOENT, 404, "endpoint vpce-9 does not exist", "vpce-9 does not exist"},
		{-EAGAIN, 503, NULL, "try again"},
		{-ETIMEDOUT, 504, NULL, "did not answer in time"},
		{-ECANCELED, 503, NULL, "is stopping"},
		{-ENOMEM, 500, NULL, "out of memory"},
		{-EIO, 500, NULL, "Input/output error"},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		s->fake.ret = cases[i].ret;
		s->fake.text = cases[i].text;
		assert_int_equal(get(s, "/v1/show/flows", answer), cases[i].status);
		assert_non_null(strstr(answer, cases[i].want));
		assert_non_null(strstr(answer, "Content-Type: application/json\r\n"));
	}
	s->fake.ret = 0;
	s->fake.text = NULL; /* success without a text: memory ran out on the way */
	assert_int_equal(get(s, "/v1/show/flows", answer), 500);
	assert_non_null(strstr(answer, "out of memory"));
}

static void oversized_requests_are_refused(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN], *request = malloc(400000);
	int status;

	/* Headers beyond the limit. */
	strcpy(request, "GET /v1/config HTTP/1.1\r\nHost: c\r\nX-Pad: ");
	memset(request + strlen(request), 'a', CV_API_REQUEST_LEN_MAX);
	strcpy(request + 42 + CV_API_REQUEST_LEN_MAX, "\r\n\r\n");
	status = ask(s, request, answer);
	assert_true(status == 431 || status == 413);
	assert_string_equal(s->fake.asked, "");
	/* A body without end. */
	memset(request, 'b', 399999);
	memcpy(request, "GET /v1/config HTTP/1.1\r\nHost: c\r\nContent-Length: 99999999\r\n\r\n",
	       63);
	request[200000] = '\0';
	{
		int fd = dial(s->path);
		struct timespec begin, end;

		clock_gettime(CLOCK_MONOTONIC, &begin);
		assert_true(send(fd, request, 200000, MSG_NOSIGNAL) != 0);
		read_all(fd, answer);
		clock_gettime(CLOCK_MONOTONIC, &end);
		/* The server closes at once, not because nothing comes any more. */
		assert_true((end.tv_sec - begin.tv_sec) * 1000 +
				    (end.tv_nsec - begin.tv_nsec) / 1000000 <
			    IDLE_SECONDS * 1000 / 2);
		close(fd);
	}
	assert_string_equal(s->fake.asked, "");
	free(request);
	assert_int_equal(get(s, "/v1/config", answer), 200);
}

static void garbage_does_not_stop_the_server(void **state)
{
	struct state *s = *state;
	char answer[ANSWER_LEN];
	const char *const cases[] = {"\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n",
				     "GET /v1/config HTTP/9.9\r\nHost: c\r\n\r\n",
				     "GET /%zz HTTP/1.1\r\n\r\n"};

	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		int fd = dial(s->path);

		assert_true(send(fd, cases[i], strlen(cases[i]), MSG_NOSIGNAL) > 0);
		shutdown(fd, SHUT_WR);
		read_all(fd, answer);
		close(fd);
	}
	assert_int_equal(get(s, "/v1/config", answer), 200);
}

/* Asks twice on one connection, and waits for its end. @return false: it ended before */
static bool is_kept_then_closed(int fd)
{
	static const char request[] = "GET /v1/config HTTP/1.1\r\nHost: c\r\n\r\n";
	char answer[ANSWER_LEN];

	for (int i = 0; i < 2; i++) {
		ssize_t n = send(fd, request, strlen(request), MSG_NOSIGNAL);

		if (n > 0)
			n = read(fd, answer, sizeof(answer) - 1);
		if (n <= 0)
			return false;
		assert_true(n > 12);
		assert_memory_equal(answer, "HTTP/1.1 200", 12);
	}
	assert_int_equal(read(fd, answer, sizeof(answer)), 0);
	return true;
}

static void connections_are_kept_and_idle_ones_closed(void **state)
{
	struct state *s = *state;
	bool kept = false;

	/* A test that is slow is idle, too. */
	for (int i = 0; i < 10 && !kept; i++) {
		int fd = dial(s->path);

		kept = is_kept_then_closed(fd);
		close(fd);
	}
	assert_true(kept);
}

static void *get_in_thread(void *arg)
{
	char *answer = malloc(ANSWER_LEN);
	intptr_t status = get(arg, "/v1/show/ports", answer);

	free(answer);
	return (void *)status; /* NOLINT */
}

static void slow_answers_delay_nobody(void **state)
{
	struct state *s = *state;
	pthread_t threads[8];

	s->fake.gathers = true;
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, get_in_thread, s);
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++) {
		void *status;

		pthread_join(threads[i], &status);
		assert_int_equal((intptr_t)status, 200);
	}
	assert_true(atomic_load(&s->fake.inside_max) >= TOGETHER);
}

static size_t n_closed(const int *fds, size_t n)
{
	size_t n_seen = 0;

	for (size_t i = 0; i < n; i++)
		n_seen += poll(&(struct pollfd){.fd = fds[i], .events = POLLIN}, 1, 0) == 1;
	return n_seen;
}

static void connections_are_limited(void **state)
{
	struct state *s = *state;
	int fds[CV_API_CONNECTIONS_MAX + 8];
	char answer[ANSWER_LEN];
	int n_open = 0;

	for (size_t i = 0; i < CV_ARRAY_LEN(fds); i++)
		fds[i] = dial(s->path);
	/* Those that are too many are closed at once; until then none may end, or its place is taken. */
	while (n_closed(fds, CV_ARRAY_LEN(fds)) < CV_ARRAY_LEN(fds) - CV_API_CONNECTIONS_MAX)
		usleep(10000);
	for (size_t i = 0; i < CV_ARRAY_LEN(fds); i++) {
		const char request[] =
			"GET /v1/config HTTP/1.1\r\nHost: c\r\nConnection: close\r\n\r\n";

		if (send(fds[i], request, strlen(request), MSG_NOSIGNAL) < 0)
			continue;
		read_all(fds[i], answer);
		n_open += strncmp(answer, "HTTP/1.1 200", 12) == 0;
	}
	for (size_t i = 0; i < CV_ARRAY_LEN(fds); i++)
		close(fds[i]);
	assert_int_equal(n_open, CV_API_CONNECTIONS_MAX);
	for (int i = 0; i < 1000 && get(s, "/v1/config", answer) != 200; i++)
		usleep(10000);
	assert_int_equal(get(s, "/v1/config", answer), 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(show_hands_the_query_to_control),
		RUNNING(captures_are_handed_to_control),
		RUNNING(orders_are_handed_to_control),
		RUNNING(head_has_no_body),
		RUNNING(metrics_are_plain_text),
		RUNNING(unknown_path_names_the_valid_ones),
		RUNNING(errors_are_whole_or_say_that_memory_ran_out),
		RUNNING(wrong_method_is_405),
		RUNNING(bad_parameters_are_400),
		RUNNING(failures_of_control_have_their_status),
		RUNNING(oversized_requests_are_refused),
		RUNNING(garbage_does_not_stop_the_server),
		cmocka_unit_test_setup_teardown(connections_are_kept_and_idle_ones_closed,
						setup_impatient, teardown),
		RUNNING(slow_answers_delay_nobody),
		RUNNING(connections_are_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
