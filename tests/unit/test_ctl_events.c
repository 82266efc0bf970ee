/* SPDX-License-Identifier: BSD-3-Clause */

/* What happens becomes events, in order and bounded; decisions of operators and of the file are told. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"
#include "cv_ctl_events.h"
#include "cv_model_ops.h"

/* ---- asking ---- */

static json_t *ask(struct world *w, const struct cv_ctl_events_query *query)
{
	struct cv_ctl_reply reply = {0};
	json_t *root;

	assert_int_equal(cv_ctl_events(world_ctl(w), query, &reply), 0);
	root = json_loads(reply.text, 0, NULL);
	assert_non_null(root);
	assert_int_equal(strlen(reply.text), reply.len);
	free(reply.text);
	return root;
}

static json_t *ask_all(struct world *w)
{
	return ask(w, &(struct cv_ctl_events_query){0});
}

/* How many events of a kind have a member with a value. */
static unsigned int count(struct world *w, const char *event, const char *key, const char *value)
{
	json_t *root = ask_all(w), *item;
	unsigned int n = 0;
	size_t i;

	json_array_foreach(json_object_get(root, "events"), i, item)
	{
		const char *got = json_string_value(json_object_get(item, key));

		assert_int_equal(number_at(item, "seq"), i + 1);
		n += strcmp(text_at(item, "event"), event) == 0 && got != NULL &&
		     strcmp(got, value) == 0;
	}
	json_decref(root);
	return n;
}

static int order(struct world *w, const char *verb, const char *endpoint)
{
	struct cv_ctl_reply reply = {0};
	int ret = cv_ctl_act(world_ctl(w),
			     &(struct cv_ctl_order){.verb = verb, .endpoint = endpoint}, &reply);

	free(reply.text);
	return ret;
}

/* ---- what becomes an event ---- */

static void endpoints_and_reloads_are_events(void **state)
{
	struct world *w = world_run(NULL);
	struct cv_errs errs = {0};
	json_t *accepts;

	(void)state;
	assert_int_equal(order(w, "accept", "consumer-4"), 0);
	world_until(count(w, "endpoint", "to", "available") == 1);
	assert_int_equal(count(w, "endpoint", "from", "pendingAcceptance"), 1);
	assert_int_equal(count(w, "endpoint", "name", "consumer-4"), 1);
	world_destroy(w);

	/* Without a thread of its own, control reloads here. */
	w = world_create(NULL);
	world_write(w, "{");
	assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), -EINVAL);
	assert_int_equal(count(w, "reload", "result", "refused"), 1);
	assert_int_equal(count(w, "endpoint", "event", "endpoint"), 0);
	accepts = at(world_conf(w), "endpoint_services.0.accept");
	json_array_remove(accepts, 1);
	json_array_remove(json_object_get(world_conf(w), "endpoints"), 3);
	world_write(w, NULL);
	assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), 0);
	assert_int_equal(count(w, "reload", "result", "served"), 1);
	assert_int_equal(count(w, "endpoint", "to", "gone"), 1);
	assert_int_equal(count(w, "endpoint", "to", "pendingAcceptance"), 1);
	/* The same file again: nothing but the reload. */
	assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), 0);
	assert_int_equal(count(w, "endpoint", "event", "endpoint"), 2);
	cv_errs_fini(&errs);
	world_destroy(w);
}

static void let_shift(json_t *conf)
{
	json_object_set_new(at(conf, "load_balancers.0"), "attributes",
			    json_pack("{s:b}", "zonal_shift.config.enabled", 1));
}

static void shifts_are_events(void **state)
{
	struct cv_ctl_order shift = {.verb = "shift", .load_balancer = "web", .zone = "use1-az2"};
	struct world *w = world_run(let_shift);
	struct cv_ctl_reply reply = {0};

	(void)state;
	assert_int_equal(cv_ctl_act(world_ctl(w), &shift, &reply), 0);
	free(reply.text);
	world_until(count(w, "zone-shift", "state", "begun") == 1);
	assert_int_equal(count(w, "zone-shift", "by", "operator"), 1);
	assert_int_equal(count(w, "zone-shift", "zone", "use1-az2"), 1);
	shift = (struct cv_ctl_order){.verb = "unshift", .load_balancer = "web"};
	assert_int_equal(cv_ctl_act(world_ctl(w), &shift, &reply), 0);
	free(reply.text);
	world_until(count(w, "zone-shift", "state", "ended") == 1);
	assert_int_equal(count(w, "zone-shift", "zone", "use1-az2"), 2);
	world_destroy(w);
}

static void few_ports(json_t *conf)
{
	json_object_set_new(json_object_get(conf, "settings"), "snat",
			    json_pack("{s:i}", "n_ports", 4));
}

static void refused_flows_begin_and_end(void **state)
{
	struct world *w = world_run(few_ports);
	json_t *root, *item;
	int n_open = 0;
	size_t i;

	(void)state;
	wait_known(w);
	assert_int_equal(count(w, "port-allocation", "event", "port-allocation"), 0);
	dial(w, C1, "consumer-1", "172.16.1.10", 60);
	world_until(count(w, "port-allocation", "state", "begun") >= 1);
	world_until(count(w, "port-allocation", "state", "ended") ==
		    count(w, "port-allocation", "state", "begun"));
	root = ask_all(w);
	json_array_foreach(json_object_get(root, "events"), i, item)
	{
		if (strcmp(text_at(item, "event"), "port-allocation") != 0)
			continue;
		assert_true(atoi(text_at(item, "errors")) > 0);
		n_open += strcmp(text_at(item, "state"), "begun") == 0 ? 1 : -1;
		assert_true(n_open >= 0);
	}
	json_decref(root);
	world_destroy(w);
}

/* ---- the ring ---- */

static void say(struct world *w, const char *text)
{
	cv_ctl_event(world_ctl(w), "test", (struct cv_ctl_field[]){{"text", text}, {"none", NULL}},
		     2);
}

static void the_ring_is_bounded_and_says_what_is_lost(void **state)
{
	struct world *w = world_create(NULL);
	struct cv_ctl_events_query query = {0};
	uint64_t seen = 0;
	json_t *root;

	(void)state;
	root = ask_all(w);
	assert_int_equal(number_at(root, "next"), 0);
	query.boot = (uint64_t)number_at(root, "boot");
	assert_true(query.boot > 0);
	json_decref(root);
	for (uint32_t i = 0; i < CV_CTL_EVENTS_MAX + 10; i++)
		say(w, "\x01\"quoted\"");
	for (bool more = true; more;) {
		root = ask(w, &query);
		assert_int_equal(number_at(root, "lost"), seen == 0 ? 10 : 0);
		assert_string_equal(text_at(root, "events.0.text"), "\x01\"quoted\"");
		assert_null(at(root, "events.0.none"));
		assert_int_equal(number_at(root, "events.0.seq"), 11 + seen);
		seen += json_array_size(json_object_get(root, "events"));
		query.after = (uint64_t)number_at(root, "next");
		more = json_is_true(json_object_get(root, "more"));
		json_decref(root);
	}
	assert_int_equal(seen, CV_CTL_EVENTS_MAX);
	/* Of another process: from the beginning. */
	query.boot++;
	root = ask(w, &query);
	assert_int_equal(number_at(root, "events.0.seq"), 11);
	json_decref(root);
	/* From the future: nothing. */
	query = (struct cv_ctl_events_query){.since_ms = UINT64_MAX};
	root = ask(w, &query);
	assert_int_equal(json_array_size(json_object_get(root, "events")), 0);
	assert_int_equal(number_at(root, "lost"), 0);
	json_decref(root);
	world_destroy(w);
}

static void *say_later(void *arg)
{
	usleep(50000);
	say(arg, "late");
	return NULL;
}

static void questions_wait_for_events_but_not_for_the_end(void **state)
{
	struct world *w = world_run(NULL);
	struct cv_ctl_events_query query = {.wait = CV_CTL_EVENTS_WAIT_MAX};
	struct cv_ctl_reply reply = {0};
	uint64_t began_ms = cv_clock_ms();
	pthread_t thread;
	json_t *root = ask_all(w);

	(void)state;
	query.boot = (uint64_t)number_at(root, "boot");
	query.after = (uint64_t)number_at(root, "next");
	json_decref(root);
	assert_int_equal(pthread_create(&thread, NULL, say_later, w), 0);
	root = ask(w, &query);
	assert_true(json_array_size(json_object_get(root, "events")) >= 1);
	json_decref(root);
	pthread_join(thread, NULL);
	assert_true(cv_clock_ms() - began_ms < CV_CTL_EVENTS_WAIT_MAX * 1000);
	query.wait++;
	assert_int_equal(cv_ctl_events(world_ctl(w), &query, &reply), -EINVAL);
	assert_string_equal(reply.text, "events: so many seconds are too long");
	free(reply.text);
	world_destroy(w);
}

/* ---- who is told ---- */

static char told[1024];
static unsigned int n_sent;
static int tell_ret;

static int tell(void *arg, struct cv_ctl *ctl, struct cv_model *model, const char *endpoint,
		const char *word)
{
	uint32_t idx = cv_model_find(model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, endpoint);
	size_t len = strlen(told);

	(void)arg;
	(void)ctl;
	assert_int_not_equal(idx, CV_MODEL_NONE);
	snprintf(told + len, sizeof(told) - len, "%s %s,", model->endpoints[idx].name, word);
	return tell_ret;
}

static void sent(void *arg)
{
	(void)arg;
	n_sent++;
}

static struct world *told_world(void)
{
	struct world *w = world_create(NULL);

	told[0] = '\0';
	n_sent = 0;
	tell_ret = 0;
	cv_ctl_on_connection(world_ctl(w), &(struct cv_ctl_tell){tell, sent, NULL});
	return w;
}

static void decisions_by_hand_are_told(void **state)
{
	struct world *w = told_world();

	(void)state;
	world_start(w);
	assert_int_equal(order(w, "accept", "consumer-4"), 0);
	assert_string_equal(told, "consumer-4 Accept,");
	assert_int_equal(n_sent, 1);
	/* What is so already is not news. */
	assert_int_equal(order(w, "accept", "consumer-4"), 0);
	assert_string_equal(told, "consumer-4 Accept,");
	assert_int_equal(order(w, "reject", "consumer-4"), 0);
	assert_int_equal(order(w, "accept", "nobody"), -ENOENT);
	assert_string_equal(told, "consumer-4 Accept,consumer-4 Reject,");
	/* The decision stands, whoever can be told. */
	tell_ret = -ENOMEM;
	assert_int_equal(order(w, "accept", "consumer-4"), 0);
	world_destroy(w);
}

static void what_a_new_file_decides_is_told(void **state)
{
	struct world *w = told_world();
	json_t *conf = world_conf(w), *service = at(conf, "endpoint_services.0");
	struct cv_errs errs = {0};

	(void)state;
	/* 1 stays, 2 goes, 3 is accepted, 4 rejected, 5 is new and waits, 6 is new and accepted. */
	json_object_set_new(service, "accept",
			    json_pack("[s,s,s]", "consumer-1", "consumer-3", "six"));
	json_object_set_new(service, "reject", json_pack("[s]", "consumer-4"));
	json_array_append_new(at(conf, "endpoints"),
			      json_pack("{s:s,s:s,s:s,s:[{s:s}]}", "name", "five", "vpc",
					"consumer-4", "service", "web", "subnets", "subnet", "a"));
	json_array_append_new(at(conf, "endpoints"),
			      json_pack("{s:s,s:s,s:s,s:[{s:s}]}", "name", "six", "vpc",
					"consumer-4", "service", "web", "subnets", "subnet", "a"));
	json_array_remove(at(conf, "endpoints"), 1);
	world_write(w, NULL);
	assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), 0);
	assert_string_equal(told, "consumer-2 Delete,consumer-3 Accept,consumer-4 Reject,"
				  "five Connect,six Connect,six Accept,");
	/* No other change, and one that is refused. */
	told[0] = '\0';
	assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), 0);
	world_write(w, "{}");
	assert_int_equal(cv_ctl_reload(world_ctl(w), &errs), -EINVAL);
	assert_string_equal(told, "");
	cv_errs_fini(&errs);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_and_reloads_are_events),
		cmocka_unit_test(shifts_are_events),
		cmocka_unit_test(refused_flows_begin_and_end),
		cmocka_unit_test(the_ring_is_bounded_and_says_what_is_lost),
		cmocka_unit_test(questions_wait_for_events_but_not_for_the_end),
		cmocka_unit_test(decisions_by_hand_are_told),
		cmocka_unit_test(what_a_new_file_decides_is_told),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
