/* SPDX-License-Identifier: BSD-3-Clause */

/* Control with many endpoints that all have had flows: nothing that is asked of it takes it for long. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
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

#include "show_priv.h"

#include "cv_base.h"
#include "cv_stats.h"

/* As many as all series of which find room. */
#define N_MANY 1000

static void many(json_t *conf)
{
	json_t *endpoints = json_array(), *subnets = at(conf, "vpcs.1.subnets");

	json_object_set_new(at(subnets, "0"), "cidr", json_string("172.16.0.0/18"));
	json_object_set_new(at(subnets, "1"), "cidr", json_string("172.16.64.0/18"));
	json_object_set_new(conf, "limits",
			    json_pack("{s:i, s:i, s:i}", "flows", 4096, "endpoints", N_MANY,
				      "endpoints_per_vpc", N_MANY));
	json_object_del(at(conf, "endpoint_services.0"), "accept");
	json_object_del(at(conf, "endpoint_services.0"), "reject");
	json_object_set_new(at(conf, "endpoint_services.0"), "acceptance_required", json_false());
	for (int i = 0; i < N_MANY; i++) {
		char name[16];

		snprintf(name, sizeof(name), "e%d", i);
		json_array_append_new(endpoints,
				      json_pack("{s:s, s:s, s:s, s:[{s:s}]}", "name", name, "vpc",
						"consumer-1", "service", "web", "subnets", "subnet",
						i % 2 == 0 ? "a" : "b"));
	}
	json_object_set_new(conf, "endpoints", endpoints);
}

static void flows_play(struct world *w)
{
	struct cv_stats *stats = cv_dp_stats(world_dp(w))[0];

	for (uint32_t i = 0; i < stats->n_obj[CV_STATS_PATH]; i++) {
		struct cv_stats_obj *obj = &stats->obj[CV_STATS_PATH][i];

		cv_ctr_add(&obj->new_flows, 3);
		cv_ctr_add(&obj->end_flows, 1);
		for (int dir = 0; dir < 2; dir++) {
			cv_ctr_add(&obj->pkts[dir], 10);
			cv_ctr_add(&obj->bytes[dir], 1000);
		}
		cv_ctr_add(&obj->rsts, 1);
	}
}

/* The beginning of a minute. */
static _Atomic time_t clock_now = 1800000000;

/* In place of the C library's: a clock that stands, so that no minute ends within a test. */
time_t time(time_t *ret_time)
{
	if (ret_time != NULL)
		*ret_time = clock_now;
	return clock_now;
}

/* ---- rounds for CloudWatch ---- */

/* The sum of a counter of all endpoints of the service, in a minute; -1: there is none. */
static double connections(const struct cv_points *points, uint64_t minute)
{
	for (uint32_t i = 0; points != NULL && i < cv_points_n(points); i++) {
		const struct cv_points_series *series = cv_points_at(points, i);
		double value;

		if (strcmp(series->ns, "AWS/PrivateLinkServices") == 0 &&
		    strcmp(series->name, "NewConnections") == 0 && series->n_dims == 1 &&
		    cv_points_get(points, i, minute, &value))
			return value;
	}
	return -1;
}

static uint64_t minute_now(void)
{
	return (uint64_t)time(NULL) / 60;
}

/* A world in which a round of the minute before this one has just begun. */
static struct world *in_a_round(void)
{
	struct world *w = world_create(many);
	struct cv_ctl *ctl = world_ctl(w);

	flows_play(w);
	cv_ctl_points(ctl);
	while (ctl->watch.round.on)
		cv_ctl_watch_run(ctl);
	flows_play(w);
	clock_now += 60;
	cv_ctl_points(ctl);
	assert_true(ctl->watch.round.on);
	return w;
}

/* Series that leave room for others are those of single endpoints. */
static void many_are_those_of_endpoints(const struct cv_points *points)
{
	uint32_t n_many = 0;

	for (uint32_t i = 0; i < cv_points_n(points); i++) {
		const struct cv_points_series *series = cv_points_at(points, i);
		bool of_one = false;

		for (uint32_t k = 0; k < series->n_dims; k++)
			of_one |= strcmp(series->dims[k].name, "VPC Endpoint Id") == 0;
		assert_int_equal(series->many, of_one);
		n_many += series->many;
	}
	assert_true(n_many >= N_MANY);
}

static void a_round_is_taken_a_piece_at_a_time(void **state)
{
	struct world *w = in_a_round();
	struct cv_ctl *ctl = world_ctl(w);
	uint64_t minute = minute_now() - 1;
	double before = connections(ctl->watch.points, minute);
	unsigned int n = 1;

	(void)state;
	assert_true(before == -1 || before == 3 * N_MANY);
	for (; ctl->watch.round.on; n++) {
		/* Who asks meanwhile finds what was there before, at once. */
		assert_true(connections(cv_ctl_points(ctl), minute) == before);
		cv_ctl_watch_run(ctl);
	}
	/* Nine numbers of each endpoint, a thousand at a time; they do not come faster for who asks. */
	assert_in_range(n, N_MANY * 9 / 1000, N_MANY * 36 / 1000);
	assert_true(connections(ctl->watch.points, minute) == (before < 0 ? 3 : 6) * N_MANY);
	assert_int_equal(ctl->watch.minute, minute + 1);
	many_are_those_of_endpoints(ctl->watch.points);
	world_destroy(w);
}

/* All places in the model are others: it begins anew, and nothing is counted twice or not at all. */
static void a_reload_in_a_round_loses_nothing(void **state)
{
	struct world *w = in_a_round();
	struct cv_ctl *ctl = world_ctl(w);
	uint64_t minute = minute_now() - 1;
	double before = connections(ctl->watch.points, minute);
	struct cv_errs errs = {0};

	(void)state;
	/* Seven metrics of nine, with a look at an endpoint and one at its path for each. */
	for (int i = 0; i < 15 * N_MANY / 1000; i++)
		cv_ctl_watch_run(ctl);
	assert_true(ctl->watch.round.on);
	json_array_remove(at(world_conf(w), "endpoints"), 0);
	world_write(w, NULL);
	assert_int_equal(cv_ctl_reload(ctl, &errs), 0);
	while (ctl->watch.round.on)
		cv_ctl_watch_run(ctl);
	/* The first that is gone was taken before. */
	assert_true(connections(ctl->watch.points, minute) == (before < 0 ? 3 : 6) * N_MANY);
	world_destroy(w);
}

/* ---- pages of metrics ---- */

/* Who asks for a page on a thread of its own. */
struct asker {
	pthread_t thread;
	struct world *w;
	int ret;
	char *text;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;
	struct cv_ctl_reply reply = {0};

	asker->ret = cv_ctl_metrics(world_ctl(asker->w), &reply);
	asker->text = reply.text;
	return NULL;
}

static void ask_begin(struct asker *asker, struct world *w)
{
	*asker = (struct asker){.w = w};
	assert_int_equal(pthread_create(&asker->thread, NULL, ask, asker), 0);
}

static int ask_end(struct asker *asker)
{
	assert_int_equal(pthread_join(asker->thread, NULL), 0);
	return asker->ret;
}

/* As ask_begin(), with control on this thread: a piece of the page is there afterwards. */
static void page_begin(struct asker *asker, struct world *w)
{
	struct cv_ctl *ctl = world_ctl(w);

	ask_begin(asker, w);
	world_until(cv_ctl_queue_run(&ctl->queue, ctl) > 0);
	assert_true(cv_ctl_metrics_is_busy(ctl));
}

/* Lines that begin so. Not by strstr(), which sanitizers have look at all that follows each time. */
static int times(const char *text, const char *begin)
{
	size_t len = strlen(begin);
	int n = 0;

	for (const char *line = text; line[0] != '\0'; line = strchr(line, '\n') + 1)
		n += strncmp(line, begin, len) == 0;
	return n;
}

/* @param n  endpoints that there are */
static void page_is_whole(struct asker *asker, int n)
{
	static const char *const names[] = {
		"culvert_endpoint_state{",
		"culvert_endpoint_new_flows_total{",
		"culvert_endpoint_resets_total{",
		"culvert_privatelink_endpoint_active_connections{",
		"culvert_privatelink_service_rst_packets_sent_total{",
	};

	assert_int_equal(ask_end(asker), 0);
	for (size_t i = 0; i < CV_ARRAY_LEN(names); i++)
		assert_int_equal(times(asker->text, names[i]), n);
	assert_int_equal(times(asker->text, "culvert_endpoint_packets_total{"), 2 * n);
	assert_int_equal(times(asker->text, "# TYPE culvert_endpoint_state gauge\n"), 1);
	assert_int_equal(times(asker->text, "# TYPE culvert_build_info gauge\n"), 1);
	assert_int_equal(times(asker->text, "# TYPE culvert_nlb_new_flow_count_total "), 1);
	free(asker->text);
}

static void a_page_is_written_a_piece_at_a_time(void **state)
{
	struct world *w = world_create(many);
	struct cv_ctl *ctl = world_ctl(w);
	struct asker asker;
	unsigned int n = 1;
	size_t len;

	(void)state;
	page_begin(&asker, w);
	for (; cv_ctl_metrics_is_busy(ctl); n++) {
		len = ctl->page.show->len;
		assert_in_range(len, 1, n << 20);
		cv_ctl_metrics_run(ctl);
	}
	/* Sixteen numbers of each endpoint, a thousand at a time. */
	assert_in_range(n, N_MANY * 16 / 1000, N_MANY * 48 / 1000);
	page_is_whole(&asker, N_MANY);
	world_destroy(w);
}

static void a_reload_in_a_page_begins_it_anew(void **state)
{
	struct world *w = world_create(many);
	struct cv_ctl *ctl = world_ctl(w);
	struct cv_errs errs = {0};
	struct asker asker;

	(void)state;
	page_begin(&asker, w);
	for (int i = 0; i < N_MANY / 1000; i++)
		cv_ctl_metrics_run(ctl);
	json_array_remove(at(world_conf(w), "endpoints"), 0);
	world_write(w, NULL);
	assert_int_equal(cv_ctl_reload(ctl, &errs), 0);
	while (cv_ctl_metrics_is_busy(ctl))
		cv_ctl_metrics_run(ctl);
	page_is_whole(&asker, N_MANY - 1);
	world_destroy(w);
}

/* Pools that nothing wants, so many that a piece does not tell all. */
#define N_POOLS 500

static void pools_add(struct cv_ctl *ctl)
{
	struct cv_snat_pool *pool = cv_snat_registry_at(ctl->registry, 0);
	const struct cv_snat_cfg cfg = {.port_first = 1024, .n_ports = 32, .n_slices = 1};
	struct cv_snat_key key = *cv_snat_pool_key(pool);

	for (uint32_t i = 0; i < N_POOLS; i++) {
		key.target_ip = cv_be32(0x0a630000 + i);
		assert_int_equal(cv_snat_registry_get(ctl->registry, &key, &cfg, &pool), 0);
	}
	ctl->draining = true;
}

static void pools_stay_until_a_page_has_told_them(void **state)
{
	struct world *w = world_create(NULL);
	struct cv_ctl *ctl = world_ctl(w);
	uint32_t n = cv_snat_registry_n(ctl->registry);
	struct asker asker;
	int n_held = 0;

	(void)state;
	assert_in_range(n, 1, 100);
	pools_add(ctl);
	page_begin(&asker, w);
	while (cv_ctl_metrics_is_busy(ctl)) {
		bool walks = cv_ctl_metrics_walks_pools(ctl);

		if (walks)
			cv_ctl_pools_reap(ctl);
		n_held += walks;
		assert_int_equal(cv_snat_registry_n(ctl->registry), n + N_POOLS);
		cv_ctl_metrics_run(ctl);
	}
	assert_in_range(n_held, 1, 2);
	assert_int_equal(ask_end(&asker), 0);
	assert_int_equal(times(asker.text, "culvert_snat_ports{"), 3 * (n + N_POOLS));
	assert_int_equal(times(asker.text, "culvert_snat_allocation_errors_total{"), n + N_POOLS);
	free(asker.text);
	cv_ctl_pools_reap(ctl);
	assert_in_range(cv_snat_registry_n(ctl->registry), n, n + N_POOLS - 1);
	world_destroy(w);
}

/* Pieces of a page that find no memory: the second. */
static _Atomic int n_until_full;

int __real_cv_ctl_show_add(struct ctl_show *show, const char *text, size_t len);
int __wrap_cv_ctl_show_add(struct ctl_show *show, const char *text, size_t len);

int __wrap_cv_ctl_show_add(struct ctl_show *show, const char *text, size_t len)
{
	if (n_until_full > 0 && --n_until_full == 0)
		return -ENOMEM;
	return __real_cv_ctl_show_add(show, text, len);
}

static void a_page_with_a_hole_is_none(void **state)
{
	struct world *w = world_create(NULL);
	struct asker asker;

	(void)state;
	n_until_full = 2;
	ask_begin(&asker, w);
	world_until(cv_ctl_queue_run(&world_ctl(w)->queue, world_ctl(w)) > 0);
	while (cv_ctl_metrics_is_busy(world_ctl(w)))
		cv_ctl_metrics_run(world_ctl(w));
	assert_int_equal(n_until_full, 0);
	assert_int_equal(ask_end(&asker), -ENOMEM);
	assert_null(asker.text);
	world_destroy(w);
}

static void who_waits_for_a_page_at_the_end_is_let_go(void **state)
{
	struct world *w = world_create(many);
	struct asker askers[2];

	(void)state;
	page_begin(&askers[0], w);
	page_begin(&askers[1], w);
	cv_ctl_metrics_stop(world_ctl(w));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask_end(&askers[i]), -ECANCELED);
		assert_null(askers[i].text);
	}
	world_destroy(w);
}

static int connections_get(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	const struct cv_points *points = cv_ctl_points(ctl);

	(void)model;
	*(double *)arg = connections(points, minute_now());
	return 0;
}

static double connections_told(struct world *w)
{
	double n = 0;

	assert_int_equal(cv_ctl_call(world_ctl(w), false, connections_get, &n), 0);
	return n;
}

static void the_loop_goes_on_with_both(void **state)
{
	struct world *w = world_create(many);
	struct asker askers[3];

	(void)state;
	flows_play(w);
	world_start(w);
	for (size_t i = 0; i < CV_ARRAY_LEN(askers); i++)
		ask_begin(&askers[i], w);
	world_until(connections_told(w) == 3 * N_MANY);
	for (size_t i = 0; i < CV_ARRAY_LEN(askers); i++)
		page_is_whole(&askers[i], N_MANY);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_round_is_taken_a_piece_at_a_time),
		cmocka_unit_test(a_reload_in_a_round_loses_nothing),
		cmocka_unit_test(a_page_is_written_a_piece_at_a_time),
		cmocka_unit_test(a_reload_in_a_page_begins_it_anew),
		cmocka_unit_test(pools_stay_until_a_page_has_told_them),
		cmocka_unit_test(a_page_with_a_hole_is_none),
		cmocka_unit_test(who_waits_for_a_page_at_the_end_is_let_go),
		cmocka_unit_test(the_loop_goes_on_with_both),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
