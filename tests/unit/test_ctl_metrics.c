/* SPDX-License-Identifier: BSD-3-Clause */

/* The metrics, read by the rules of the text format. @source Prometheus, "Exposition formats" 0.0.4 */

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cv_ctl_know.h"
#include "cv_points.h"

#include "ctl_world.h"

#include "cv_base.h"

#define METRICS_MAX 256
#define NAME_LEN 96

/* What is known of a metric so far. */
struct metric {
	char name[NAME_LEN];
	bool help, counter, gauge;
	size_t n_samples;
};

struct reading {
	struct metric metrics[METRICS_MAX];
	size_t n;
	char **samples; /* `name{labels}` of each, to find doubles */
	size_t n_samples;
};

static char *metrics_get(struct world *w)
{
	struct cv_ctl_reply reply = {0};

	assert_int_equal(cv_ctl_metrics(world_ctl(w), &reply), 0);
	assert_int_equal(strlen(reply.text), reply.len);
	assert_true(reply.len > 0 && reply.text[reply.len - 1] == '\n');
	return reply.text;
}

/* Length of a legal metric name at the beginning of text. */
static size_t name_len(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || text[n] == '_' || text[n] == ':')
		n++;
	assert_true(n > 0 && n < NAME_LEN && !isdigit((unsigned char)text[0]));
	assert_int_equal(strncmp(text, "culvert_", 8), 0);
	return n;
}

static struct metric *metric_get(struct reading *r, const char *name, size_t len)
{
	for (size_t i = 0; i < r->n; i++) {
		if (strncmp(r->metrics[i].name, name, len) == 0 && r->metrics[i].name[len] == '\0')
			return &r->metrics[i];
	}
	assert_true(r->n < METRICS_MAX);
	memcpy(r->metrics[r->n].name, name, len);
	return &r->metrics[r->n++];
}

static void comment_read(struct reading *r, const char *line)
{
	bool help = strncmp(line, "# HELP ", 7) == 0;
	const char *name = line + 7, *rest;
	struct metric *metric;

	assert_true(help || strncmp(line, "# TYPE ", 7) == 0);
	metric = metric_get(r, name, name_len(name));
	rest = name + name_len(name);
	assert_int_equal(*rest, ' ');
	assert_true(rest[1] != '\0');
	/* Once each, and before the samples. */
	assert_int_equal(metric->n_samples, 0);
	if (help) {
		assert_false(metric->help);
		metric->help = true;
		return;
	}
	assert_true(metric->help && !metric->counter && !metric->gauge);
	metric->counter = strcmp(rest, " counter") == 0;
	metric->gauge = strcmp(rest, " gauge") == 0;
	assert_true(metric->counter || metric->gauge);
	/* Counters, and only they, say so in their names. */
	assert_int_equal(metric->counter,
			 strcmp(metric->name + strlen(metric->name) - 6, "_total") == 0);
}

/* Step over `{name="value",...}`. */
static const char *labels_skip(const char *text)
{
	const char *p = text;

	if (*p != '{')
		return p;
	do {
		p++;
		assert_true(isalpha((unsigned char)*p) || *p == '_');
		while (isalnum((unsigned char)*p) || *p == '_')
			p++;
		assert_int_equal(p[0], '=');
		assert_int_equal(p[1], '"');
		for (p += 2; *p != '"'; p++) {
			assert_true(*p != '\0' && *p != '\n');
			if (*p == '\\')
				assert_non_null(strchr("\\\"n", *++p));
		}
		p++;
	} while (*p == ',');
	assert_int_equal(*p, '}');
	return p + 1;
}

static void sample_read(struct reading *r, const char *line)
{
	struct metric *metric = metric_get(r, line, name_len(line));
	const char *value = labels_skip(line + name_len(line));

	assert_true(metric->help && (metric->counter || metric->gauge));
	/* All samples of a metric stand together: its comments were the last. */
	assert_ptr_equal(metric, &r->metrics[r->n - 1]);
	assert_int_equal(*value, ' ');
	assert_true(value[1] != '\0' && strspn(value + 1, "0123456789") == strlen(value + 1));
	metric->n_samples++;
	r->samples = realloc(r->samples, (r->n_samples + 1) * sizeof(*r->samples));
	r->samples[r->n_samples++] = strndup(line, (size_t)(value - line));
}

static int text_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void reading_make(struct reading *r, char *text)
{
	memset(r, 0, sizeof(*r));
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		if (*line == '#')
			comment_read(r, line);
		else
			sample_read(r, line);
	}
	qsort(r->samples, r->n_samples, sizeof(*r->samples), text_cmp);
	for (size_t i = 1; i < r->n_samples; i++)
		assert_string_not_equal(r->samples[i - 1], r->samples[i]);
}

static void reading_fini(struct reading *r)
{
	for (size_t i = 0; i < r->n_samples; i++)
		free(r->samples[i]);
	free(r->samples);
}

static size_t n_samples(struct reading *r, const char *name)
{
	size_t n = r->n;
	struct metric *metric = metric_get(r, name, strlen(name));

	if (r->n != n)
		fail_msg("there is no metric %s", name);
	return metric->n_samples;
}

static void text_follows_the_format(void **state)
{
	struct world *w = world_create(two_workers);
	struct reading *r = calloc(1, sizeof(*r));
	char *text;

	(void)state;
	world_start(w);
	text = metrics_get(w);
	reading_make(r, text);
	assert_int_equal(n_samples(r, "culvert_drops_total"), CV_DROP_N - 1);
	for (int i = 0; i < CV_EV_N; i++) {
		char name[NAME_LEN];

		snprintf(name, sizeof(name), "culvert_%s_total", cv_event_name((enum cv_event)i));
		assert_int_equal(n_samples(r, name), 1);
	}
	assert_int_equal(n_samples(r, "culvert_worker_flows"), 2);
	assert_int_equal(n_samples(r, "culvert_worker_config_generation"), 2);
	assert_int_equal(n_samples(r, "culvert_endpoint_state"), 4);
	assert_int_equal(n_samples(r, "culvert_endpoint_bytes_total"), 8);
	assert_int_equal(n_samples(r, "culvert_endpoint_drops_total"), 4);
	assert_int_equal(n_samples(r, "culvert_endpoint_drops_by_reason_total"), 0);
	assert_int_equal(n_samples(r, "culvert_listener_new_flows_total"), 2);
	assert_int_equal(n_samples(r, "culvert_target_ended_flows_total"), 3);
	assert_int_equal(n_samples(r, "culvert_snat_ports"), 12);
	assert_int_equal(n_samples(r, "culvert_snat_allocation_errors_total"), 4);
	assert_int_equal(n_samples(r, "culvert_neighbour_state"), 3);
	assert_int_equal(n_samples(r, "culvert_config_generation"), 1);
	/* What an operator of the real thing looks for. */
	assert_int_equal(n_samples(r, "culvert_tcp_elb_reset_total"), 1);
	assert_int_equal(n_samples(r, "culvert_tcp_client_reset_total"), 1);
	assert_int_equal(n_samples(r, "culvert_tcp_target_reset_total"), 1);
	assert_int_equal(n_samples(r, "culvert_port_allocation_error_total"), 1);
	reading_fini(r);
	free(r);
	free(text);
	world_destroy(w);
}

static void has_line(const char *text, const char *line)
{
	char with_ends[256];

	snprintf(with_ends, sizeof(with_ends), "\n%s\n", line);
	if (strstr(text, with_ends) == NULL)
		fail_msg("no line %s", line);
}

/* A line of a metric that has a part among its labels, and a value. */
static void has_sample(const char *text, const char *name, const char *part, const char *value)
{
	char with_end[64];

	snprintf(with_end, sizeof(with_end), "} %s", value);
	for (const char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n"), n = strlen(with_end);
		const char *found = strstr(line, part);

		if (strncmp(line, name, strlen(name)) == 0 && found != NULL && found < line + len &&
		    len > n && strncmp(line + len - n, with_end, n) == 0)
			return;
	}
	fail_msg("no %s with %s is %s", name, part, value);
}

static void values_are_those_of_the_counters(void **state)
{
	struct world *w = world_create(NULL);
	json_t *vpcs, *endpoints;
	char *text, line[240];

	(void)state;
	world_start(w);
	vpcs = world_show_all(w, "vpcs");
	endpoints = world_show_all(w, "endpoints");
	for (uint16_t i = 0; i < 5; i++)
		world_syn(w, 4, json_string_value(at(vpcs, "vpcs.4.id")), (uint16_t)(1000 + i),
			  "172.16.1.10", 80);
	/* One page may be read between two packets: it tells the total first, and what the test
	 * waits for is seen by all of the next. */
	text = metrics_get(w);
	world_until(strstr(text, "\nculvert_drops_total{reason=\"endpoint_pending\"} 5\n") !=
			    NULL ||
		    (free(text), text = metrics_get(w), false));
	free(text);
	text = metrics_get(w);
	has_line(text, "culvert_drops_total{reason=\"endpoint_pending\"} 5");
	snprintf(line, sizeof(line),
		 "culvert_endpoint_drops_total{endpoint=\"%s\",service=\"%s\"} 5",
		 json_string_value(at(endpoints, "endpoints.3.id")),
		 json_string_value(at(endpoints, "endpoints.3.service_name")) +
			 strlen("com.amazonaws.vpce.us-east-1."));
	has_line(text, line);
	snprintf(line, sizeof(line),
		 "culvert_endpoint_drops_by_reason_total{endpoint=\"%s\",service=\"%s\","
		 "reason=\"endpoint_pending\"} 5",
		 json_string_value(at(endpoints, "endpoints.3.id")),
		 json_string_value(at(endpoints, "endpoints.3.service_name")) +
			 strlen("com.amazonaws.vpce.us-east-1."));
	has_line(text, line);
	snprintf(
		line, sizeof(line),
		"culvert_endpoint_state{endpoint=\"%s\",service=\"%s\",state=\"pendingAcceptance\"} 1",
		json_string_value(at(endpoints, "endpoints.3.id")),
		json_string_value(at(endpoints, "endpoints.3.service_name")) +
			strlen("com.amazonaws.vpce.us-east-1."));
	has_line(text, line);
	snprintf(line, sizeof(line), "vpc_endpoint_id=\"%s\"",
		 json_string_value(at(endpoints, "endpoints.3.id")));
	has_sample(text, "culvert_privatelink_endpoint_packets_dropped_total{endpoint_type=", line,
		   "5");
	has_sample(text, "culvert_nlb_new_flow_count_total{load_balancer=\"net/",
		   "availability_zone=\"", "0");
	has_line(text, "culvert_config_generation 1");
	has_line(text, "culvert_config_last_reload_successful 1");
	/* The world's version is 9"\\9: what must be escaped is. */
	has_line(text, "culvert_build_info{version=\"9\\\"\\\\9\"} 1");
	has_line(text, "culvert_snat_ports{node_ip=\"10.0.1.10\",target=\"10.0.1.21:80\","
		       "vpc=\"provider\",state=\"free\"} 55000");
	has_line(text, "culvert_neighbour_state{vpc=\"provider\",ip=\"10.0.1.21\","
		       "state=\"unresolved\"} 1");
	free(text);
	json_decref(vpcs);
	json_decref(endpoints);
	world_destroy(w);
}

/* What accounts call alike are samples apart, of every metric. */
static void namesakes_are_told_apart(void **state)
{
	struct world *w = world_create(NULL);
	struct reading *r = calloc(1, sizeof(*r));
	char *text;

	(void)state;
	world_start(w);
	world_namesakes(w);
	text = metrics_get(w);
	has_sample(text, "culvert_listener_new_flows_total{account=\"111111111111\",",
		   "load_balancer=\"web\",port=\"80\"", "0");
	has_sample(text, "culvert_listener_new_flows_total{account=\"222222222222\",",
		   "load_balancer=\"web\",port=\"80\"", "0");
	has_sample(text, "culvert_target_ended_flows_total{account=\"222222222222\",",
		   "target=\"172.16.1.99:80\"", "0");
	has_sample(text, "culvert_healthy_host_count{load_balancer=\"net/web/",
		   "availability_zone=\"us-east-1a\",account=\"222222222222\"", "0");
	has_sample(text, "culvert_nlb_new_flow_count_total{load_balancer=\"net/web/",
		   "account=\"222222222222\"", "0");
	reading_make(r, text); /* fails if two are alike */
	reading_fini(r);
	free(r);
	free(text);
	world_destroy(w);
}

static void refused_reload_shows(void **state)
{
	struct world *w = world_create(NULL);
	struct cv_errs errs = {0};
	char *text;

	(void)state;
	world_write(w, "nonsense");
	assert_true(cv_ctl_reload(world_ctl(w), &errs) < 0);
	cv_errs_fini(&errs);
	world_start(w);
	text = metrics_get(w);
	has_line(text, "culvert_config_last_reload_successful 0");
	free(text);
	world_destroy(w);
}

/* ---- over time ---- */

static _Atomic time_t clock_ahead;

/* In place of the C library's: the clock of the whole program. */
time_t time(time_t *ret_time)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret_time != NULL)
		*ret_time = now.tv_sec + clock_ahead;
	return now.tv_sec + clock_ahead;
}

/* The newest minute that has a point; 0: none. */
static int newest_get(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	const struct cv_points *points = cv_ctl_points(ctl);
	uint64_t *newest = arg;

	(void)model;
	for (uint32_t i = 0; points != NULL && i < cv_points_n(points); i++) {
		uint64_t first, last;
		double value;

		cv_points_span(points, i, &first, &last);
		if (last > *newest && cv_points_get(points, i, last, &value))
			*newest = last;
	}
	return 0;
}

static uint64_t newest(struct world *w)
{
	uint64_t minute = 0;

	assert_int_equal(cv_ctl_call(world_ctl(w), false, newest_get, &minute), 0);
	return minute;
}

/* Started with a clock that was two hours fast, which was then put right. */
static void points_go_on_when_the_clock_is_set_back(void **state)
{
	struct world *w;
	uint64_t real;

	(void)state;
	clock_ahead = 7200;
	w = world_create(NULL);
	world_start(w);
	real = ((uint64_t)time(NULL) - 7200) / 60;
	world_until(newest(w) >= real + 120);
	clock_ahead = 0;
	world_until(newest(w) >= real && newest(w) < real + 100);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_follows_the_format),
		cmocka_unit_test(values_are_those_of_the_counters),
		cmocka_unit_test(namesakes_are_told_apart),
		cmocka_unit_test(refused_reload_shows),
		cmocka_unit_test(points_go_on_when_the_clock_is_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
