/* SPDX-License-Identifier: BSD-3-Clause */

/* Calls at random keep a model whole; and many of them take little time. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "cv_base.h"

#include "model_world.h"

#include "model_calls.h"
#include "model_check.h"

#define CALLS 6000
#define CHECK_EVERY 20

static uint32_t n_good[32], n_bad[32];

/* What served until now can be read to its end, whatever has gone since. */
static void read_all(const struct cv_model *shown)
{
	size_t n = 0;

	for (uint32_t i = 0; shown != NULL && i < shown->n_endpoints; i++) {
		const struct cv_model_endpoint *ep = &shown->endpoints[i];

		n += strlen(ep->id) + strlen(ep->name);
		for (uint32_t k = 0; k < ep->n_enis; k++)
			n += strlen(ep->enis[k].id);
		for (uint32_t k = 0; k < ep->meta.n_tags; k++)
			n += strlen(ep->meta.tags[k].value);
	}
	for (uint32_t i = 0; shown != NULL && i < shown->n_lbs; i++) {
		n += strlen(shown->lbs[i].arn);
		for (uint32_t k = 0; k < shown->lbs[i].n_listeners; k++)
			n += strlen(shown->lbs[i].listeners[k].arn);
	}
	assert_true(shown == NULL || n > 0);
}

static void calls_at_random_keep_the_model_whole(void **state)
{
	struct cv_model *shown = NULL;

	(void)state;
	seed = 42;
	no_error(cv_model_settle(m, &errs));
	check_all();
	for (uint32_t i = 0; i < CALLS; i++) {
		uint32_t k = rnd(CV_ARRAY_LEN(calls));
		int ret = calls[k]();

		assert_true(ret == 0 || errs.n > 0 || ret == -ENOENT);
		if (ret == 0)
			assert_int_equal(errs.n, 0);
		n_good[k] += ret == 0;
		n_bad[k] += ret != 0;
		cv_model_errs_fini(&errs);
		if (i % CHECK_EVERY == 0) {
			struct cv_model *next = cv_model_snapshot(m);

			check_all();
			assert_non_null(next);
			read_all(shown);
			cv_model_destroy(shown);
			cv_model_snapshot_end(m, true);
			shown = next;
		}
		if (i % 7 == 0)
			cv_model_changes_clear(m);
	}
	check_all();
	cv_model_destroy(shown);
	/* Every call is tried in earnest: each is granted and refused. */
	for (uint32_t k = 0; k < CV_ARRAY_LEN(calls); k++) {
		if (n_good[k] < 5 || n_bad[k] < 1)
			fail_msg("call %u: %u good, %u bad", k, n_good[k], n_bad[k]);
	}
}

static double seconds(void)
{
	struct timespec at;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void a_thousand_calls_are_quick_beside_many_endpoints(void **state)
{
	const char *const all = "*";
	struct cv_model_service_req service = {.name = "open",
					       .lbs = STRS("spare"),
					       .n_lbs = 1,
					       .principals = &all,
					       .n_principals = 1};
	struct cv_model_place_req place = {.subnet = "big"};
	struct cv_model_endpoint_req req = {
		.vpc = "big", .service = "open", .places = &place, .n_places = 1};
	double began;

	(void)state;
	no_error(add_lb("spare", "p", PLACES({"a", NULL, 0}), 1));
	no_error(cv_model_service_add(m, &service, &errs));
	no_error(add_vpc("big", "cons", "10.64.0.0/16", 9));
	no_error(add_subnet("big", "big", "10.64.0.0/16", "use1-az1", NULL));
	no_error(cv_model_settle(m, &errs));
	for (int i = 0; i < 10000; i++) {
		req.by = who(1);
		no_error(cv_model_endpoint_add(m, &req, &errs));
	}
	began = seconds();
	for (int i = 0; i < 250; i++) {
		const char *id;
		struct cv_model_tag tag = {"k", "v"};
		struct cv_model_tags_change tags = {.set = &tag, .n_set = 1};

		req.by = who(1);
		no_error(cv_model_endpoint_add(m, &req, &errs));
		id = m->endpoints[m->n_endpoints - 1].id;
		tags.ref = id;
		no_error(cv_model_tags_change(m, who(1), &tags, &errs));
		no_error(cv_model_reject_by(m, who(0), m->services[1].id, id, &errs));
		no_error(cv_model_remove(m, who(1), CV_MODEL_ENDPOINT, id, &errs));
		cv_model_changes_clear(m);
	}
	if (seconds() - began > 1)
		fail_msg("1000 calls took %.3f s", seconds() - began);
}

static int setup(void **state)
{
	(void)state;
	build_world();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cv_model_errs_fini(&errs);
	cv_model_destroy(m);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(calls_at_random_keep_the_model_whole, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_thousand_calls_are_quick_beside_many_endpoints,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
