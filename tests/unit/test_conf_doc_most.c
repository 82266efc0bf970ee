/* SPDX-License-Identifier: BSD-3-Clause */

/* Documents: as much as calls may store comes back. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cv_model_note.h"

#include "conf_doc_world.h"

#define LBS_LONG 65

/* n characters of two bytes each, after a prefix that tells them apart; until the process ends. */
static const char *wide(uint32_t tag, uint32_t n)
{
	static char all[400][600];
	static uint32_t n_all;
	char *text = all[n_all++ % CV_ARRAY_LEN(all)];
	int len = snprintf(text, sizeof(all[0]), "%02u", tag);

	for (uint32_t i = 2; i < n; i++)
		len += snprintf(text + len, sizeof(all[0]) - (size_t)len, "\xc3\xa4");
	return text;
}

/* As long as they may be, with characters of several bytes. */
static void long_tags(struct cv_model_tag *tags)
{
	for (uint32_t i = 0; i < CV_MODEL_TAGS_MAX; i++)
		tags[i] = (struct cv_model_tag){wide(i, CV_MODEL_TAG_KEY_MAX),
						wide(i, CV_MODEL_TAG_VALUE_MAX)};
}

static const char *long_group(void)
{
	static char name[256];
	struct cv_model_tag tags[CV_MODEL_TAGS_MAX];
	struct cv_model_rule rule = {prefix("10.0.0.0/8"), 80, 443};
	struct cv_model_by by = *by_of(0);
	const struct cv_model_tag note = {"description", wide(0, 255)};
	struct cv_model_sg_req req = {.name = name,
				      .vpc = 1,
				      .rules = &rule,
				      .n_rules = 1,
				      .egress = &rule,
				      .n_egress = 1,
				      .by = &by};
	const char *id;

	memset(name, 'n', 255);
	long_tags(tags);
	rule.description = wide(0, 255);
	by.tags = rule.tags = tags;
	by.n_tags = rule.n_tags = CV_MODEL_TAGS_MAX;
	no_error(cv_model_sg_add(m, &req, &errs));
	id = m->sgs[m->n_sgs - 1].id;
	no_error(cv_model_note_set(m, by_of(0), CV_MODEL_SG, id, &note, &errs));
	return id;
}

static void long_lbs(const char *group, const char **arns)
{
	struct cv_model_place_req place = {.subnet = m->subnets[2].id};
	struct cv_model_lb_req req = {
		.vpc = m->vpcs[1].id, .places = &place, .n_places = 1, .sgs = &group, .n_sgs = 1};
	struct cv_model_lb *first;

	m->quotas.lbs = LBS_LONG + 1;
	for (uint32_t i = 0; i < LBS_LONG; i++) {
		char name[40];

		snprintf(name, sizeof(name), "l%031u", i);
		req.name = name;
		req.by = by_of(0);
		no_error(cv_model_lb_add(m, &req, &errs));
		arns[i] = m->lbs[m->n_lbs - 1].arn;
	}
	/* As many as a list of a call has: they may be stored from when nothing else held calls. */
	first = &m->lbs[m->n_lbs - LBS_LONG];
	first->sgs = realloc(first->sgs, 1000 * sizeof(*first->sgs));
	assert_non_null(first->sgs);
	while (first->n_sgs < 1000)
		first->sgs[first->n_sgs++] = first->sgs[0];
}

static void long_tg(void)
{
	static char path[CV_MODEL_CHECK_PATH_MAX + 1], matcher[256];
	struct cv_model_tg_req req;

	cv_model_tg_req_init(&req);
	memset(path, '/', sizeof(path) - 1);
	for (uint32_t i = 0; i + 4 < sizeof(matcher); i += 4)
		memcpy(matcher + i, "200,", 4);
	memcpy(matcher + 252, "200", 4);
	req.name = "t2345678901234567890123456789012";
	req.vpc = m->vpcs[1].id;
	req.port = 65535;
	req.check.protocol = CV_MODEL_CHECK_HTTP;
	req.check.path = path;
	req.check.matcher = matcher;
	req.by = by_of(0);
	no_error(cv_model_tg_add(m, &req, &errs));
}

static void long_service(const char *const *arns)
{
	static char ids[CV_MODEL_PRINCIPALS_MAX][128];
	const char *principals[CV_MODEL_PRINCIPALS_MAX];
	struct cv_model_service_req req = {.lbs = arns,
					   .n_lbs = LBS_LONG,
					   .principals = principals,
					   .n_principals = CV_MODEL_PRINCIPALS_MAX,
					   .by = by_of(0)};

	for (uint32_t i = 0; i < CV_MODEL_PRINCIPALS_MAX; i++) {
		snprintf(ids[i], sizeof(ids[i]), "arn:aws-us-gov:iam::222222222222:role/r%063u", i);
		principals[i] = ids[i];
	}
	no_error(cv_model_service_add(m, &req, &errs));
}

static void the_most_that_calls_store_comes_back(void **state)
{
	const char *arns[LBS_LONG];
	uint32_t n_before;

	(void)state;
	conf = parse(file_text(""), false);
	long_lbs(long_group(), arns);
	long_tg();
	long_service(arns);
	n_before = m->n_lbs;
	write_docs();
	cv_conf_destroy(conf);
	conf = parse(file_text(""), true);
	no_warning();
	check_all();
	assert_int_equal(m->n_lbs, n_before);
	assert_int_equal(n_docs, LBS_LONG + 3);
	for (uint32_t i = 0; i < n_docs; i++) {
		uint32_t idx = cv_model_find(m, docs[i].kind, CV_MODEL_NONE, docs[i].id);
		char *text = NULL;

		assert_true(applied[i]);
		assert_int_equal(cv_conf_doc_write(m, docs[i].kind, idx, &text), 0);
		assert_string_equal(text, docs[i].text);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(the_most_that_calls_store_comes_back, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
