/* SPDX-License-Identifier: BSD-3-Clause */

/* What calls at random made is all there when it is read over the file again, as it was. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cv_conf_doc.h"

#include "model_world.h"

#include "model_calls.h"
#include "model_check.h"

#define CALLS 3000
#define CHECK_EVERY 10

/* The region of build_world(). */
#define HEAD                                                                                     \
	"{'region':'us-east-1','zones':['use1-az1','use1-az2','use1-az3'],'accounts':["          \
	"{'id':'111111111111','name':'prov',"                                                    \
	"'zones':{'us-east-1a':'use1-az1','us-east-1b':'use1-az2'}},"                            \
	"{'id':'222222222222','name':'cons',"                                                    \
	"'zones':{'us-east-1a':'use1-az2','us-east-1b':'use1-az1'}}],"                           \
	"'dpdk':{'ports':[{'name':'p0','device':'net_null0'}]},'vpcs':["                         \
	"{'name':'p','owner':'prov','cidrs':['10.0.0.0/16'],'attachment':{'port':'p0'},"         \
	"'subnets':[{'name':'a','cidr':'10.0.1.0/24','zone':'us-east-1a'},"                      \
	"{'name':'b','cidr':'10.0.2.0/24','zone':'us-east-1b','gateway':'10.0.2.1'},"            \
	"{'name':'c','cidr':'10.0.3.0/24','zone':'us-east-1b'}],"                                \
	"'security_groups':[{'name':'sg','ingress':[{'cidr':'10.0.0.0/8','ports':'80-443'}]}]}," \
	"{'name':'c','owner':'cons','cidrs':['10.0.0.0/16'],"                                    \
	"'attachment':{'port':'p0','vlan':7},"                                                   \
	"'subnets':[{'name':'a','cidr':'10.0.1.0/24','zone':'us-east-1a'},"                      \
	"{'name':'b','cidr':'10.0.2.0/24','zone':'us-east-1b'}],"                                \
	"'security_groups':[{'name':'sg','ingress':[{'cidr':'10.0.0.0/8','ports':'80-443'}]}]}]"
#define REST                                                                                      \
	",'target_groups':[{'name':'web','vpc':'p','port':80,'targets':["                         \
	"{'ip':'10.0.1.21'},{'ip':'10.0.2.21','port':8080}]}],"                                   \
	"'load_balancers':[{'name':'web','vpc':'p','subnets':[{'subnet':'a','ips':['10.0.1.10']}" \
	",{'subnet':'b','ips':['10.0.2.10']}],"                                                   \
	"'listeners':[{'port':80,'target_group':'web'}]}],"                                       \
	"'endpoint_services':[{'name':'web','load_balancers':['web'],"                            \
	"'allowed_principals':['arn:aws:iam::222222222222:root']}],"                              \
	"'endpoints':[{'name':'ep','vpc':'c','service':'web',"                                    \
	"'subnets':[{'subnet':'a','ip':'10.0.1.10'},{'subnet':'b'}]}]}"

static struct cv_conf *conf;

static struct cv_conf *parse(const char *json, const struct cv_conf_docs *docs)
{
	struct cv_errs said = {0};
	struct cv_conf *got;
	char *text = strdup(json);

	for (char *p = text; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	got = cv_conf_parse_over(text, strlen(text), docs, &said);
	for (size_t i = 0; i < said.n; i++)
		print_error("%s: %s\n", said.items[i].path, said.items[i].text);
	assert_non_null(got);
	cv_errs_fini(&said);
	free(text);
	return got;
}

/* The document of a resource among those of another time. */
static const char *text_of(const struct cv_conf_docs *docs, const struct cv_conf_doc *doc)
{
	for (size_t i = 0; i < docs->n; i++) {
		if (docs->items[i].kind == doc->kind && strcmp(docs->items[i].id, doc->id) == 0)
			return docs->items[i].text;
	}
	return "none";
}

/* Whether nothing is said of a resource of the file any more: all that is said are texts, but for zones. */
static bool is_empty(const char *text)
{
	const char *said = strstr(text, "\":\"");

	if (said != NULL && said - text > 5 && strncmp(said - 4, "\"vpc", 4) == 0)
		said = strstr(said + 1, "\":\"");
	return strstr(text, "\"resource\":") == NULL && said == NULL;
}

static void docs_check(const struct cv_conf *again, const struct cv_conf_docs *docs)
{
	struct cv_conf_docs now;
	size_t n_empty = 0;

	assert_int_equal(cv_conf_docs_get(again->model, &now), 0);
	/* The file's lists are warned of with their names; what is put back is none of them. */
	for (size_t i = 0; i < again->warnings.n; i++) {
		if (strchr(again->warnings.items[i].path, '[') == NULL ||
		    strncmp(again->warnings.items[i].path, "listeners", 9) == 0)
			fail_msg("%s: %s", again->warnings.items[i].path,
				 again->warnings.items[i].text);
	}
	for (size_t i = 0; i < docs->n; i++) {
		const struct cv_conf_doc *doc = &docs->items[i];

		if (!docs->applied[i]) {
			for (size_t k = 0; k < again->warnings.n; k++)
				print_error("%s: %s\n", again->warnings.items[k].path,
					    again->warnings.items[k].text);
			fail_msg("%s is left out: %s", doc->id, doc->text);
		}
		n_empty += is_empty(doc->text);
		if (!is_empty(doc->text) && strcmp(text_of(&now, doc), doc->text) != 0)
			fail_msg("%s\nis now\n%s", doc->text, text_of(&now, doc));
	}
	assert_in_range(now.n, docs->n - n_empty, docs->n);
	cv_conf_docs_fini(&now);
}

/* What documents have no words for, each kind in another way. */
static void attrs_check(const struct cv_model *now, enum cv_model_kind kind, const uint32_t was[2],
			const uint32_t is[2])
{
	struct cv_model_attr a, b;
	uint32_t i = 0;

	for (; cv_model_attr_at(m, kind, was[0], was[1], i, &a); i++) {
		assert_true(cv_model_attr_at(now, kind, is[0], is[1], i, &b));
		if (strcmp(a.value, b.value) != 0)
			fail_msg("%s: %s, now %s", a.key, a.value, b.value);
	}
	assert_true(i > 0);
}

static void tgs_check(const struct cv_model *now)
{
	for (uint32_t i = 0; i < m->n_tgs; i++) {
		const struct cv_model_target_group *tg = &m->tgs[i], *again;
		uint32_t idx;

		if (tg->meta.gone)
			continue;
		idx = cv_model_find(now, CV_MODEL_TG, CV_MODEL_NONE, tg->arn);
		assert_int_not_equal(idx, CV_MODEL_NONE);
		again = &now->tgs[idx];
		attrs_check(now, CV_MODEL_TG, (uint32_t[]){i, 0}, (uint32_t[]){idx, 0});
		assert_int_equal(tg->n_targets, again->n_targets);
		for (uint32_t k = 0; k < tg->n_targets; k++) {
			uint32_t at = 0;

			while (at < again->n_targets &&
			       (again->targets[at].ip != tg->targets[k].ip ||
				again->targets[at].port != tg->targets[k].port))
				at++;
			assert_int_not_equal(at, again->n_targets);
			if (again->targets[at].zone != tg->targets[k].zone)
				fail_msg("target %08x:%u: zone %d, now %d",
					 cv_be32_host(tg->targets[k].ip), tg->targets[k].port,
					 (int)tg->targets[k].zone, (int)again->targets[at].zone);
			assert_int_equal(again->targets[at].api, tg->targets[k].api);
		}
	}
}

static void lbs_check(const struct cv_model *now)
{
	for (uint32_t i = 0; i < m->n_lbs; i++) {
		const struct cv_model_lb *lb = &m->lbs[i];
		uint32_t idx;

		if (lb->meta.gone)
			continue;
		idx = cv_model_find(now, CV_MODEL_LB, CV_MODEL_NONE, lb->arn);
		assert_int_not_equal(idx, CV_MODEL_NONE);
		attrs_check(now, CV_MODEL_LB, (uint32_t[]){i, 0}, (uint32_t[]){idx, 0});
		assert_int_equal(lb->shifted_zone, now->lbs[idx].shifted_zone);
		for (uint32_t k = 0; k < lb->n_listeners; k++) {
			uint32_t at, there = cv_model_listener_find(now, lb->listeners[k].arn, &at);

			assert_int_equal(there, idx);
			assert_int_equal(lb->listeners[k].sticky_seconds,
					 now->lbs[idx].listeners[at].sticky_seconds);
			attrs_check(now, CV_MODEL_LISTENER, (uint32_t[]){i, k},
				    (uint32_t[]){idx, at});
		}
	}
}

/* Goes on with what was read, as after a restart, or with what was there. */
static void reload(bool go_on)
{
	struct cv_conf_docs docs;
	struct cv_conf *again;

	/* What is under way is at its end: an endpoint that is pending comes back available. */
	now_s += 400;
	cv_model_advance(m, now_s);
	assert_int_equal(cv_conf_docs_get(m, &docs), 0);
	docs.applied = calloc(docs.n + 1, sizeof(*docs.applied));
	assert_non_null(docs.applied);
	again = parse(HEAD REST, &docs);
	docs_check(again, &docs);
	tgs_check(again->model);
	lbs_check(again->model);
	free(docs.applied);
	cv_conf_docs_fini(&docs);
	if (!go_on) {
		cv_conf_destroy(again);
		return;
	}
	cv_conf_destroy(conf);
	conf = again;
	m = conf->model;
	check_all();
}

static void what_calls_made_is_all_there_again(void **state)
{
	(void)state;
	for (seed = 1; seed < 3; seed++) {
		uint64_t first = seed;

		conf = parse(HEAD REST, NULL);
		m = conf->model;
		for (uint32_t i = 0; i < CALLS; i++) {
			int ret = calls[rnd(CV_ARRAY_LEN(calls))]();

			cv_model_errs_fini(&errs);
			if (ret == 0 && i % CHECK_EVERY == 0)
				reload(i % (3 * CHECK_EVERY) == 0);
			cv_model_changes_clear(m);
		}
		reload(true);
		cv_conf_destroy(conf);
		conf = NULL;
		seed = first;
	}
}

#define CIDRS "'name':'p','owner':'prov','cidrs':['10.0.0.0/16'"
#define SUBNETS "{'name':'c','cidr':'10.0.3.0/24','zone':'us-east-1b'}"
#define TARGETS "{'ip':'10.0.2.21','port':8080}]}"

/* A text with another in the place of one. */
static void replace(char *text, size_t cap, const char *old, const char *new)
{
	char *at = strstr(text, old), *rest;

	assert_non_null(at);
	rest = strdup(at + strlen(old));
	snprintf(at, cap - (size_t)(at - text), "%s%s", new, rest);
	free(rest);
}

static void make_choice(void)
{
	struct cv_model_tg_req tg;
	struct cv_model_target_req add[] = {{.ip = ip("10.0.5.5"), .zone = "us-east-1b"},
					    {.ip = ip("192.168.7.7"), .zone = "all"},
					    {.ip = ip("192.168.8.8"), .zone = "us-east-1b"},
					    {.ip = ip("10.0.2.9"), .zone = "us-east-1b"}};
	struct cv_model_targets_change targets = {.add = add, .n_add = 4};
	struct cv_model_place_req place = {.subnet = "b"};
	struct cv_model_lb_req lb = {
		.name = "made", .vpc = m->vpcs[0].id, .places = &place, .n_places = 1};
	struct cv_model_forward_req two[2] = {{.target_group = m->tgs[1].arn, .weight = 1},
					      {.weight = 1}};
	struct cv_model_listener_req listener = {
		.port = 80, .forwards = two, .n_forwards = 2, .idle_seconds = 350};

	cv_model_tg_req_init(&tg);
	tg.name = "made";
	tg.vpc = m->vpcs[0].id;
	tg.port = 80;
	tg.by = who(0);
	no_error(cv_model_tg_add(m, &tg, &errs));
	targets.tg = two[1].target_group = m->tgs[2].arn;
	no_error(cv_model_targets_change(m, who(0), &targets, &errs));
	lb.by = who(0);
	no_error(cv_model_lb_add(m, &lb, &errs));
	listener.by = who(0);
	no_error(cv_model_listener_add(m, 1, &listener, &errs));
}

/* What a file comes to say afterwards does not cost what calls made. */
static void what_a_file_says_since_is_followed(void **state)
{
	struct cv_conf_docs docs;
	char text[8192] = HEAD REST;
	const uint32_t zones[] = {0, 1, 1, 1};
	struct cv_conf *again;
	uint32_t n_sticky = 0;

	(void)state;
	replace(text, sizeof(text), TARGETS, TARGETS ",{'name':'other','vpc':'p','port':80}");
	conf = parse(text, NULL);
	m = conf->model;
	make_choice();
	assert_int_equal(cv_conf_docs_get(m, &docs), 0);
	docs.applied = calloc(docs.n, sizeof(*docs.applied));
	replace(text, sizeof(text), CIDRS, CIDRS ",'192.168.0.0/16'");
	replace(text, sizeof(text), SUBNETS,
		SUBNETS ",{'name':'d','cidr':'10.0.5.0/24','zone':'us-east-1a'},"
			"{'name':'e','cidr':'192.168.7.0/24','zone':'us-east-1b'}");
	replace(text, sizeof(text), "'name':'other',",
		"'name':'other','attributes':{'stickiness.enabled':true},");
	again = parse(text, &docs);
	m = again->model;
	for (size_t i = 0; i < docs.n; i++)
		assert_true(docs.applied[i]);
	check_all();
	assert_int_equal(m->tgs[2].n_targets, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(m->tgs[2].targets[i].zone, zones[i]);
	assert_int_equal(m->lbs[1].n_listeners, 1);
	assert_int_equal(m->lbs[1].listeners[0].n_forwards, 2);
	for (size_t i = 0; i < again->warnings.n; i++)
		n_sticky +=
			strstr(again->warnings.items[i].text, "group 'other' is sticky") != NULL;
	assert_int_equal(n_sticky, 1);
	free(docs.applied);
	cv_conf_docs_fini(&docs);
	cv_conf_destroy(again);
	cv_conf_destroy(conf);
}

/* Calls are held to quotas when they are made, not when they are put back. */
static void quotas_cost_nothing_that_is_there(void **state)
{
	static const char *const quotas[] = {"60", "1"};
	struct cv_model_listener_req listener = {.idle_seconds = 350};
	struct cv_model_place_req place = {.subnet = "a"};
	struct cv_conf_docs docs;
	struct cv_conf *again;
	char text[8192], limits[128];

	(void)state;
	for (uint32_t i = 0; i < 2; i++) {
		struct cv_model_lb_req lb = {.name = "made", .places = &place, .n_places = 1};

		snprintf(text, sizeof(text), "%s", HEAD REST);
		replace(text, sizeof(text), TARGETS,
			TARGETS ",{'name':'other','vpc':'p','port':80}");
		replace(text, sizeof(text), "'vpcs':[",
			"'limits':{'listeners_per_load_balancer':60},'vpcs':[");
		conf = parse(text, NULL);
		m = conf->model;
		assert_int_equal(m->quotas.listeners, 60);
		assert_int_equal(m->quotas.lbs, 50);
		lb.vpc = m->vpcs[0].id;
		lb.by = who(0);
		no_error(cv_model_lb_add(m, &lb, &errs));
		listener.target_group = m->tgs[1].arn;
		for (uint16_t port = 1; port <= 55; port++) {
			listener.port = port;
			listener.by = who(0);
			no_error(cv_model_listener_add(m, 1, &listener, &errs));
		}
		assert_int_equal(cv_conf_docs_get(m, &docs), 0);
		docs.applied = calloc(docs.n, sizeof(*docs.applied));
		snprintf(limits, sizeof(limits), "'listeners_per_load_balancer':%s", quotas[i]);
		replace(text, sizeof(text), "'listeners_per_load_balancer':60", limits);
		again = parse(text, &docs);
		assert_true(docs.applied[0]);
		assert_int_equal(again->model->lbs[1].n_listeners, 55);
		free(docs.applied);
		cv_conf_docs_fini(&docs);
		cv_conf_destroy(again);
		cv_conf_destroy(conf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_calls_made_is_all_there_again),
		cmocka_unit_test(what_a_file_says_since_is_followed),
		cmocka_unit_test(quotas_cost_nothing_that_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
