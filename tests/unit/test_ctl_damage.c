/* SPDX-License-Identifier: BSD-3-Clause */

/* A bit of any row of the state file is another: it is said which, and all that does not need it is kept. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "cv_ctl_keep.h"
#include "cv_model_change.h"
#include "cv_store.h"

#include "ctl_world.h"

#define ROWS_MAX 64

static char dir[] = "/tmp/culvert-test-damage-XXXXXX";
static char file[64];

static void durable(json_t *conf)
{
	json_object_set_new(json_object_get(conf, "control"), "state", json_string(file));
}

static void shell(const char *what)
{
	char cmd[200];

	snprintf(cmd, sizeof(cmd), "cd %s && %s", dir, what);
	assert_int_equal(system(cmd), 0);
}

/* ---- the log ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char logged[1 << 16];

static void log_take(enum cv_log_level level, const char *line, void *arg)
{
	(void)level;
	(void)arg;
	pthread_mutex_lock(&lock);
	if (strlen(logged) + strlen(line) + 2 < sizeof(logged))
		strcat(strcat(logged, line), "\n");
	pthread_mutex_unlock(&lock);
}

/* What was logged has both words in one line. */
static bool is_said(const char *word, const char *other)
{
	bool found = false;

	pthread_mutex_lock(&lock);
	for (const char *at = logged; !found && (at = strstr(at, word)) != NULL; at++) {
		const char *begin = at, *end = strchr(at, '\n'), *it;

		while (begin > logged && begin[-1] != '\n')
			begin--;
		it = strstr(begin, other);
		found = it != NULL && it < end;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

static void log_clear(void)
{
	pthread_mutex_lock(&lock);
	logged[0] = '\0';
	pthread_mutex_unlock(&lock);
}

/* ---- one of each kind ---- */

static struct cv_model_by by_of(uint64_t n)
{
	return (struct cv_model_by){.account = CV_MODEL_NONE, .now = 7, .random = {n, n}};
}

static int net_make(struct cv_model *model, struct cv_model_errs *errs)
{
	struct cv_model_by by = by_of(20);
	const uint32_t vpc = cv_model_find(model, CV_MODEL_VPC, CV_MODEL_NONE, "consumer-1");
	const struct cv_model_tag tag = {"color", "blue"};
	const struct cv_model_tags_change tags = {
		.ref = model->vpcs[vpc].id, .set = &tag, .n_set = 1};
	struct cv_model_subnet_req subnet = {
		.vpc = vpc, .cidr = {.len = 24}, .zone = "use1-az1", .by = &by};
	struct cv_model_sg_req sg = {.name = "made", .vpc = vpc, .by = &by};
	int ret = cv_model_tags_change(model, &by, &tags, errs);

	assert_true(cv_ip4_parse("172.16.9.0", &subnet.cidr.addr));
	if (ret == 0)
		ret = cv_model_subnet_add(model, &subnet, errs);
	by.random[0]++;
	return ret == 0 ? cv_model_sg_add(model, &sg, errs) : ret;
}

static int service_make(struct cv_model *model, struct cv_model_errs *errs)
{
	struct cv_model_by by = by_of(30);
	const char *lb = model->lbs[model->n_lbs - 1].arn, *who = "arn:aws:iam::222222222222:root";
	const char *sg = model->sgs[model->n_sgs - 1].id;
	struct cv_model_service_req service = {
		.lbs = &lb, .n_lbs = 1, .principals = &who, .n_principals = 1, .by = &by};
	struct cv_model_place_req place = {.subnet = model->subnets[model->n_subnets - 1].id};
	struct cv_model_endpoint_req endpoint = {
		.vpc = model->vpcs[1].id,
		.places = &place,
		.n_places = 1,
		.sgs = &sg,
		.n_sgs = 1,
		.by = &by,
	};
	int ret = cv_model_service_add(model, &service, errs);

	by.random[0]++;
	endpoint.service = model->services[model->n_services - 1].id;
	return ret == 0 ? cv_model_endpoint_add(model, &endpoint, errs) : ret;
}

/* Needed by nothing, and needs nothing. */
static int alone_make(struct cv_model *model, uint64_t n, const char *name,
		      struct cv_model_errs *errs)
{
	struct cv_model_by by = by_of(n);
	struct cv_model_tg_req tg;

	cv_model_tg_req_init(&tg);
	tg.name = name;
	tg.vpc = model->vpcs[0].id;
	tg.port = 80;
	tg.by = &by;
	return cv_model_tg_add(model, &tg, errs);
}

static int all_make(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct cv_model_errs errs = {0};
	int ret = net_make(model, &errs);

	(void)arg;
	if (ret == 0)
		ret = service_make(model, &errs);
	if (ret == 0)
		ret = alone_make(model, 40, "alone", &errs);
	if (ret == 0)
		ret = cv_ctl_keep(ctl, "token-1", "the first answer", 16);
	if (ret == 0)
		ret = cv_ctl_keep(ctl, "token-2", "the second answer", 17);
	if (ret != 0)
		print_error("%d: %s\n", ret, errs.n > 0 ? errs.items[0].text : "");
	cv_model_errs_fini(&errs);
	return ret;
}

static int more_make(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct cv_model_errs errs = {0};
	int ret = alone_make(model, 50, arg, &errs);

	(void)ctl;
	cv_model_errs_fini(&errs);
	return ret;
}

static int kept_add(void *arg, const char *key, const char *value, size_t len)
{
	(void)key;
	assert_int_equal(strlen(value), len);
	(*(int *)arg)++;
	return 0;
}

static int kept_count(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	(void)model;
	return cv_ctl_kept(ctl, kept_add, arg);
}

static int seed_read(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	(void)model;
	cv_ctl_keep_seed(ctl, arg);
	return 0;
}

/* ---- rows ---- */

struct row {
	int space;
	char key[160];
};

static sqlite3 *db_open(void)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 60000);
	return db;
}

static size_t rows_read(struct row *rows)
{
	sqlite3 *db = db_open();
	sqlite3_stmt *stmt;
	size_t n = 0;

	assert_int_equal(sqlite3_prepare_v2(db,
					    "SELECT space, key FROM item WHERE value IS NOT NULL",
					    -1, &stmt, NULL),
			 SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		assert_true(n < ROWS_MAX);
		rows[n].space = sqlite3_column_int(stmt, 0);
		snprintf(rows[n++].key, sizeof(rows->key), "%s",
			 (const char *)sqlite3_column_text(stmt, 1));
	}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static sqlite3_stmt *row_stmt(sqlite3 *db, const char *sql, const struct row *row)
{
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	sqlite3_bind_int(stmt, 1, row->space);
	sqlite3_bind_text(stmt, 2, row->key, -1, SQLITE_STATIC);
	return stmt;
}

/* One bit of its value is another. */
static void row_damage(const struct row *row, unsigned int *seed)
{
	sqlite3 *db = db_open();
	sqlite3_stmt *stmt =
		row_stmt(db, "SELECT value FROM item WHERE space = ?1 AND key = ?2", row);
	char value[8192];
	int len;

	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	len = sqlite3_column_bytes(stmt, 0);
	assert_in_range(len, 1, sizeof(value));
	memcpy(value, sqlite3_column_blob(stmt, 0), (size_t)len);
	sqlite3_finalize(stmt);
	value[rand_r(seed) % (unsigned int)len] ^= (char)(1 << rand_r(seed) % 8);
	stmt = row_stmt(db, "UPDATE item SET value = ?3 WHERE space = ?1 AND key = ?2", row);
	sqlite3_bind_blob(stmt, 3, value, len, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(stmt), SQLITE_DONE);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* ---- what is served ---- */

/* The kinds that are left out, each behind a blank. In any order: endpoints are written again once made. */
static void left_out_is(struct world *w, const char *want)
{
	json_t *root = world_show_all(w, "state"), *left;
	size_t i, len = 0;

	assert_string_equal(text_at(root, "stores.0.state"), "good");
	json_array_foreach(at(root, "left_out"), i, left)
	{
		char kind[32];

		len += (size_t)snprintf(kind, sizeof(kind), " %s", text_at(left, "kind"));
		if (strstr(want, kind) == NULL)
			fail_msg("'%s' is left out beside '%s'", kind, want);
	}
	assert_int_equal(len, strlen(want));
	json_decref(root);
}

static int group_find(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	(void)ctl;
	for (uint32_t i = 0; i < model->n_tgs; i++) {
		if (strcmp(model->tgs[i].name, arg) == 0)
			return 0;
	}
	return -ENOENT;
}

static void is_kept(struct world *w, bool kept, const char *name)
{
	char text[16];

	snprintf(text, sizeof(text), "%s", name);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, group_find, text), kept ? 0 : -ENOENT);
}

struct needed {
	const char *kind;
	const char *gone; /* with it */
};

static const struct needed needs[] = {
	{"vpc/", " vpc"},           {"subnet/", " endpoint subnet"}, {"sg/", " endpoint sg"},
	{"tg/", " lb tg service"},  {"lb/", " lb service"},          {"service/", " service"},
	{"endpoint/", " endpoint"},
};

static const char *gone_with(const struct row *row)
{
	for (size_t i = 0; row->space == CV_STORE_DOC && i < CV_ARRAY_LEN(needs); i++) {
		if (strncmp(row->key, needs[i].kind, strlen(needs[i].kind)) == 0)
			return needs[i].gone;
	}
	return "";
}

static bool is_alone(const struct row *row)
{
	return strstr(row->key, "targetgroup/alone/") != NULL;
}

/* What is said of a document says its id, without its kind. */
static const char *name_of(const struct row *row)
{
	return row->space == CV_STORE_DOC ? strchr(row->key, '/') + 1 : row->key;
}

/* It can be used, and is, whatever is damaged. */
static void serves(struct world *w, const struct row *row)
{
	int n = 0;

	left_out_is(w, is_alone(row) ? " tg" : gone_with(row));
	is_kept(w, !is_alone(row), "alone");
	assert_int_equal(cv_ctl_call(world_ctl(w), false, kept_count, &n), 0);
	assert_int_equal(n, row->space == CV_STORE_TOKEN ? 1 : 2);
}

static void damaged_run(const struct row *row, const uint64_t *seed, unsigned int *random)
{
	bool is_seed = row->space == CV_STORE_LOCAL && strcmp(row->key, "seed") == 0;
	uint64_t now[2], again[2];
	char more[] = "more";
	struct world *w;

	shell("cp good.db state.db && rm -f state.db-*");
	row_damage(row, random);
	log_clear();
	w = world_run(durable);
	serves(w, row);
	if (!is_said(name_of(row), "damaged"))
		fail_msg("nothing is said of %s: %s", row->key, logged);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, seed_read, now), 0);
	assert_int_equal(memcmp(now, seed, sizeof(now)) != 0, is_seed);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, more_make, more), 0);
	world_destroy(w);
	if (row->space != CV_STORE_LOCAL && !is_alone(row))
		return;
	/* What could be made anew was; the rest is as it is. */
	log_clear();
	w = world_run(durable);
	serves(w, row);
	is_kept(w, true, "more");
	assert_int_equal(is_said("damaged", name_of(row)), row->space != CV_STORE_LOCAL);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, seed_read, again), 0);
	assert_memory_equal(again, now, sizeof(now));
	world_destroy(w);
}

/* A file endpoint's row: found when the file is read again, and written anew. */
static void damaged_while_it_runs(const struct row *row, unsigned int *random)
{
	struct world *w;

	shell("cp good.db state.db && rm -f state.db-*");
	w = world_run(durable);
	row_damage(row, random);
	world_reload(w);
	world_destroy(w);
	log_clear();
	w = world_run(durable);
	assert_false(is_said("damaged", row->key));
	world_destroy(w);
}

/* Which of two comes first hangs on the mark of the one that was left out. */
static void damaged_mark(const struct row *row, unsigned int random)
{
	struct row mark = {.space = CV_STORE_LOCAL};
	const char *arn;
	char name[] = "alone";
	unsigned int same = random;
	struct world *w;

	shell("cp good.db state.db && rm -f state.db-*");
	row_damage(row, &random);
	w = world_run(durable);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, more_make, name), 0);
	world_destroy(w);
	row_damage(row, &same); /* it is as it was */
	assert_in_range(snprintf(mark.key, sizeof(mark.key), "left-out/%.150s", row->key), 1,
			sizeof(mark.key) - 1);
	row_damage(&mark, &random);
	log_clear();
	w = world_run(durable);
	assert_true(is_said(mark.key, "damaged"));
	is_kept(w, true, name);
	arn = lookup(w, "state", "left_out", "kind", "tg", "id");
	assert_string_equal(arn, name_of(row));
	world_destroy(w);
}

static void what_is_damaged_takes_down_what_needs_it_only(void **state)
{
	static struct row rows[ROWS_MAX];
	unsigned int random = 3, n_of[4] = {0};
	uint64_t seed[2];
	struct world *w;
	size_t n;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/state.db", dir);
	w = world_run(durable);
	world_namesakes(w);
	assert_int_equal(cv_ctl_call(world_ctl(w), true, all_make, NULL), 0);
	assert_int_equal(cv_ctl_call(world_ctl(w), false, seed_read, seed), 0);
	world_destroy(w);
	n = rows_read(rows);
	shell("cp state.db good.db");
	cv_log_sink_set(log_take, NULL);
	for (size_t i = 0; i < n; i++) {
		n_of[rows[i].space]++;
		/* Those of the file's endpoints are all alike. */
		if (strstr(rows[i].key, "eni-lb/") != NULL && n_of[CV_STORE_LOCAL] > 1)
			continue;
		damaged_run(&rows[i], seed, &random);
		if (strstr(rows[i].key, "eni-lb/") != NULL)
			damaged_while_it_runs(&rows[i], &random);
		if (is_alone(&rows[i]))
			damaged_mark(&rows[i], random);
	}
	cv_log_sink_set(NULL, NULL);
	assert_int_equal(n_of[CV_STORE_DOC], 8);
	assert_int_equal(n_of[CV_STORE_TOKEN], 2);
	assert_int_equal(n_of[CV_STORE_LOCAL], 5);
	shell("rm -rf ../$(basename $PWD)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_damaged_takes_down_what_needs_it_only),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
