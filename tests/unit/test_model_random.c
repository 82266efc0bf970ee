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

#include "model_check.h"

#define CALLS 6000
#define CHECK_EVERY 20

static uint64_t seed;
static uint64_t now_s = 1000;
static struct cv_model_by by[2];
static uint32_t n_good[32], n_bad[32];

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static const struct cv_model_by *who(uint32_t account)
{
	now_s++;
	rnd(2);
	by[account] = (struct cv_model_by){.account = account, .now = now_s, .random = {seed, 7}};
	return &by[account];
}

/* The id of any resource of a kind, also of one that is gone. */
static const char *any(enum cv_model_kind kind)
{
	static const char *const none = "sg-00000000000000000";

#define PICK(array, id) return m->n_##array == 0 ? none : m->array[rnd(m->n_##array)].id
	switch (kind) {
	case CV_MODEL_VPC:
		PICK(vpcs, id);
	case CV_MODEL_SUBNET:
		PICK(subnets, id);
	case CV_MODEL_SG:
		PICK(sgs, id);
	case CV_MODEL_TG:
		PICK(tgs, arn);
	case CV_MODEL_LB:
		PICK(lbs, arn);
	case CV_MODEL_SERVICE:
		PICK(services, id);
	case CV_MODEL_ENDPOINT:
		PICK(endpoints, id);
	default: {
		const struct cv_model_lb *lb = &m->lbs[rnd(m->n_lbs)];

		return lb->n_listeners == 0 ? "arn:aws:x:listener/none"
					    : lb->listeners[rnd(lb->n_listeners)].arn;
	}
	}
#undef PICK
}

static int call_subnet(void)
{
	uint32_t net = rnd(40) * 16;
	struct cv_model_subnet_req req = {
		.vpc = rnd(2) == 0 ? 0 : 1,
		.cidr = {.addr = cv_be32(0x0a001000u + net), .len = 28},
		.zone = rnd(2) == 0 ? "use1-az1" : "use1-az2",
	};

	req.by = who(req.vpc);
	return cv_model_subnet_add(m, &req, &errs);
}

static int call_sg(void)
{
	struct cv_model_rule rule = {prefix("10.0.0.0/8"), 1, 2};
	char name[16];
	struct cv_model_sg_req req = {.name = name, .vpc = rnd(2), .rules = &rule, .n_rules = 1};

	snprintf(name, sizeof(name), "g%u", rnd(30));
	req.by = who(req.vpc);
	return cv_model_sg_add(m, &req, &errs);
}

static int call_tg(void)
{
	char name[16];
	struct cv_model_tg_req req = {.name = name, .vpc = m->vpcs[0].id, .port = 80, .by = who(0)};

	snprintf(name, sizeof(name), "t%u", rnd(30));
	return cv_model_tg_add(m, &req, &errs);
}

static int call_lb(void)
{
	char name[16];
	const char *sg = any(CV_MODEL_SG);
	struct cv_model_place_req places[2] = {{.subnet = any(CV_MODEL_SUBNET)},
					       {.subnet = any(CV_MODEL_SUBNET)}};
	struct cv_model_lb_req req = {.name = name,
				      .vpc = m->vpcs[0].id,
				      .places = places,
				      .n_places = 1 + rnd(2),
				      .n_secondary = rnd(3),
				      .sgs = &sg,
				      .n_sgs = rnd(2),
				      .by = who(0)};

	snprintf(name, sizeof(name), "l%u", rnd(30));
	return cv_model_lb_add(m, &req, &errs);
}

static int call_listener(void)
{
	struct cv_model_listener_req req = {.port = (uint16_t)(80 + rnd(5)),
					    .target_group = any(CV_MODEL_TG),
					    .idle_seconds = 350,
					    .by = who(0)};
	uint32_t lb = cv_model_find(m, CV_MODEL_LB, CV_MODEL_NONE, any(CV_MODEL_LB));

	if (lb == CV_MODEL_NONE)
		return -ENOENT;
	return cv_model_listener_add(m, lb, &req, &errs);
}

static int call_listener_change(void)
{
	struct cv_model_listener_req req = {.port = (uint16_t)(rnd(2) * (80 + rnd(5))),
					    .target_group = rnd(2) == 0 ? NULL : any(CV_MODEL_TG)};

	return cv_model_listener_change(m, who(0), any(CV_MODEL_LISTENER), &req, &errs);
}

static int call_service(void)
{
	const char *lbs[] = {any(CV_MODEL_LB), any(CV_MODEL_LB)};
	const char *all = "*";
	struct cv_model_service_req req = {.lbs = lbs,
					   .n_lbs = 1 + rnd(2),
					   .principals = &all,
					   .n_principals = 1,
					   .acceptance_required = rnd(2) == 0,
					   .by = who(0)};

	return cv_model_service_add(m, &req, &errs);
}

static int call_service_change(void)
{
	const char *add = any(CV_MODEL_LB), *gone = any(CV_MODEL_LB);
	struct cv_model_service_change req = {
		.service = any(CV_MODEL_SERVICE),
		.add_lbs = &add,
		.n_add_lbs = rnd(2),
		.remove_lbs = &gone,
		.n_remove_lbs = rnd(2),
		.acceptance_required = (int)rnd(3) - 1,
		.private_dns_name = rnd(3) == 0 ? "x.example.com" : NULL,
		.dns_state = CV_MODEL_KEEP,
	};

	return cv_model_service_change(m, who(0), &req, &errs);
}

static int call_permissions(void)
{
	static const char *const arns[] = {"*", "arn:aws:iam::222222222222:root",
					   "arn:aws:iam::222222222222:user/u"};
	struct cv_model_permissions_change req = {
		.service = any(CV_MODEL_SERVICE),
		.add = &arns[rnd(3)],
		.n_add = 1,
		.remove = &arns[rnd(3)],
		.n_remove = rnd(2),
	};

	return cv_model_permissions_change(m, who(0), &req, &errs);
}

static int call_endpoint(void)
{
	struct cv_model_place_req places[2] = {{.subnet = any(CV_MODEL_SUBNET)},
					       {.subnet = any(CV_MODEL_SUBNET)}};
	const char *sg = any(CV_MODEL_SG);
	struct cv_model_endpoint_req req = {.vpc = m->vpcs[1].id,
					    .service = any(CV_MODEL_SERVICE),
					    .places = places,
					    .n_places = 1 + rnd(2),
					    .sgs = &sg,
					    .n_sgs = rnd(2),
					    .by = who(1)};

	return cv_model_endpoint_add(m, &req, &errs);
}

static int call_endpoint_change(void)
{
	struct cv_model_place_req place = {.subnet = any(CV_MODEL_SUBNET)};
	const char *gone = any(CV_MODEL_SUBNET), *sg = any(CV_MODEL_SG), *no = any(CV_MODEL_SG);
	struct cv_model_endpoint_change req = {
		.endpoint = any(CV_MODEL_ENDPOINT),
		.add_places = &place,
		.n_add_places = rnd(2),
		.remove_subnets = &gone,
		.n_remove_subnets = rnd(2),
		.add_sgs = &sg,
		.n_add_sgs = rnd(2),
		.remove_sgs = &no,
		.n_remove_sgs = rnd(2),
		.private_dns = CV_MODEL_KEEP,
	};

	return cv_model_endpoint_change(m, who(1), &req, &errs);
}

static int call_decide(void)
{
	const char *service = any(CV_MODEL_SERVICE), *endpoint = any(CV_MODEL_ENDPOINT);

	if (rnd(4) > 0 && m->n_endpoints > 0) {
		const struct cv_model_endpoint *ep = &m->endpoints[rnd(m->n_endpoints)];

		endpoint = ep->id;
		if (ep->service != CV_MODEL_NONE)
			service = m->services[ep->service].id;
	}
	return rnd(3) == 0 ? cv_model_reject_by(m, who(0), service, endpoint, &errs)
			   : cv_model_accept_by(m, who(0), service, endpoint, &errs);
}

static int call_targets(void)
{
	struct cv_model_target_req add[2] = {{.ip = cv_be32(0x0a000100u + rnd(250)), .port = 81},
					     {.ip = cv_be32(0x0a001000u + rnd(600))}};
	struct cv_model_target_req gone = {.ip = cv_be32(0x0a000100u + rnd(250))};
	struct cv_model_targets_change req = {.tg = any(CV_MODEL_TG),
					      .add = add,
					      .n_add = rnd(3),
					      .remove = &gone,
					      .n_remove = rnd(2)};

	return cv_model_targets_change(m, who(0), &req, &errs);
}

static int call_subnets_set(void)
{
	struct cv_model_place_req places[2] = {{.subnet = any(CV_MODEL_SUBNET)},
					       {.subnet = any(CV_MODEL_SUBNET)}};
	struct cv_model_subnets_set req = {
		.lb = any(CV_MODEL_LB), .places = places, .n_places = 1 + rnd(2)};

	return cv_model_subnets_set(m, who(0), &req, &errs);
}

static int call_sgs_set(void)
{
	const char *sg = any(CV_MODEL_SG);
	struct cv_model_sgs_set req = {
		.lb = any(CV_MODEL_LB), .sgs = &sg, .n_sgs = 1, .sg_on_privatelink = CV_MODEL_KEEP};

	return cv_model_sgs_set(m, who(0), &req, &errs);
}

static int call_sg_change(void)
{
	struct cv_model_rule add = {prefix("10.0.0.0/8"), (uint16_t)rnd(4), 9};
	struct cv_model_rule gone = {prefix("10.0.0.0/8"), (uint16_t)rnd(4), 9};
	struct cv_model_sg_change req = {.sg = any(CV_MODEL_SG),
					 .add = &add,
					 .n_add = rnd(2),
					 .remove = &gone,
					 .n_remove = rnd(2)};

	return cv_model_sg_change(m, who(rnd(2)), &req, &errs);
}

static int call_attrs(void)
{
	struct cv_model_tag attrs[] = {{"deletion_protection.enabled", "false"},
				       {"load_balancing.cross_zone.enabled", "true"}};
	struct cv_model_attrs_change req = {
		.kind = CV_MODEL_LB, .ref = any(CV_MODEL_LB), .attrs = attrs, .n_attrs = 2};

	return cv_model_attrs_change(m, who(0), &req, &errs);
}

static int call_tags(void)
{
	char key[8];
	struct cv_model_tag set = {key, "v"}, gone = {key, NULL};
	struct cv_model_tags_change req = {.ref = any((enum cv_model_kind)(CV_MODEL_VPC + rnd(8))),
					   .set = &set,
					   .n_set = rnd(2),
					   .remove = &gone,
					   .n_remove = rnd(2)};

	snprintf(key, sizeof(key), "k%u", rnd(60));
	return cv_model_tags_change(m, who(rnd(2)), &req, &errs);
}

static int call_remove(void)
{
	enum cv_model_kind kind = (enum cv_model_kind)(CV_MODEL_VPC + rnd(8));

	return cv_model_remove(m, who(rnd(2)), kind, any(kind), &errs);
}

static int call_remove_endpoint(void)
{
	return cv_model_remove(m, who(1), CV_MODEL_ENDPOINT, any(CV_MODEL_ENDPOINT), &errs);
}

static int call_advance(void)
{
	now_s += rnd(400);
	return cv_model_advance(m, now_s) ? 0 : -ENOENT;
}

static int (*const calls[])(void) = {
	call_subnet,
	call_sg,
	call_tg,
	call_lb,
	call_listener,
	call_service,
	call_endpoint,
	call_endpoint,
	call_endpoint,
	call_decide,
	call_decide,
	call_targets,
	call_subnets_set,
	call_sgs_set,
	call_sg_change,
	call_attrs,
	call_tags,
	call_remove,
	call_advance,
	call_service_change,
	call_permissions,
	call_endpoint_change,
	call_remove_endpoint,
	call_listener_change,
};

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
