/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Every key of the configuration, changed while culvertd runs: it is served as a new process would serve it,
 * or refused with its place, as the schema says. reload.json has a configuration and a change of each key.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl_dump.h"

#include "conf_priv.h"
#include "cv_base.h"
#include "cv_conf.h"
#include "cv_ctl_know.h"
#include "ctl_priv.h"

#define FILE_LEN 64
#define PLACE_LEN 400

static json_t *base, *changes;

/* ---- configurations ---- */

/* Follows `a/0/b`, but for the last part, to which *ret_key is set; objects on the way are made. */
static json_t *place_find(json_t *root, const char *place, const char **ret_key)
{
	const char *end;

	while ((end = strchr(place, '/')) != NULL) {
		char key[PLACE_LEN];
		json_t *next;

		snprintf(key, sizeof(key), "%.*s", (int)(end - place), place);
		next = json_is_array(root) ? json_array_get(root, (size_t)atoi(key))
					   : json_object_get(root, key);
		if (next == NULL) {
			next = json_object();
			assert_int_equal(json_object_set_new(root, key, next), 0);
		}
		root = next;
		place = end + 1;
	}
	*ret_key = place;
	return root;
}

static void place_set(json_t *root, const char *place, json_t *value)
{
	const char *key;
	json_t *in = place_find(root, place, &key);
	int ret;

	if (json_is_array(in))
		ret = json_array_set(in, (size_t)atoi(key), value);
	else
		ret = json_object_set(in, key, value);
	if (ret != 0)
		fail_msg("%s cannot be set", place);
}

/* The first place of a row in a document. */
static void place_of(uint32_t row, char *place)
{
	const char *key;
	uint32_t parent = cv_conf_row_parent(row, &key);
	size_t len;

	place[0] = '\0';
	if (parent == CONF_NONE)
		return;
	place_of(parent, place);
	len = strlen(place);
	snprintf(place + len, PLACE_LEN - len, "%s%s", len > 0 ? "/" : "",
		 strcmp(key, "[]") == 0 ? "0" : key);
}

static json_t *changed_get(uint32_t row, json_t *change)
{
	json_t *conf = json_deep_copy(base), *value;
	const char *at = json_string_value(json_object_get(change, "at")), *key;
	char place[PLACE_LEN];

	place_of(row, place);
	place_set(conf, at != NULL ? at : place, json_object_get(change, "to"));
	json_object_foreach(json_object_get(change, "also"), key, value)
	{
		place_set(conf, key, value);
	}
	return conf;
}

/* One line for each key. */
static void file_write(const char *file, json_t *conf)
{
	assert_int_equal(json_dump_file(conf, file, JSON_INDENT(1)), 0);
}

/* ---- control ---- */

static void errs_fail(const char *what, const struct cv_errs *errs)
{
	char text[CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 32];

	for (size_t i = 0; i < errs->n; i++)
		print_error("%s: %s\n", what, cv_err_str(&errs->items[i], text, sizeof(text)));
	fail_msg("%s: an error", what);
}

static struct cv_ctl *ctl_create(const char *what, const char *file)
{
	const struct cv_ctl_cfg cfg = {.file = file, .version = "1"};
	struct cv_errs errs = {0};
	struct cv_conf *conf = cv_conf_load(file, &errs);
	struct cv_ctl *ctl = NULL;

	if (conf == NULL || cv_ctl_create(&cfg, conf, &errs, &ctl) != 0)
		errs_fail(what, &errs);
	return ctl;
}

static void reload(const char *what, struct cv_ctl *ctl)
{
	struct cv_errs errs = {0};

	if (cv_ctl_reload(ctl, &errs) != 0)
		errs_fail(what, &errs);
	assert_true(ctl->dns.due);
}

static void expect_same(const char *what, json_t *a, json_t *b)
{
	const char *where = dump_differs(a, b);

	if (*where != '\0')
		fail_msg("%s: not served as by a new process: %s", what, where);
}

/* What a new process serves with the file. */
static json_t *fresh_get(const char *what, const char *file)
{
	struct cv_ctl *ctl = ctl_create(what, file);
	json_t *dump = dump_get(ctl);

	cv_ctl_destroy(ctl);
	return dump;
}

/* ---- one change ---- */

/* Path of an error, `a[3].b`, as the schema has it. */
static void row_path(const char *path, char *row, size_t cap)
{
	size_t n = 0;

	for (; *path != '\0' && n + 1 < cap; path++) {
		if (*path < '0' || *path > '9' || n == 0 ||
		    (row[n - 1] != '[' && row[n - 1] != ']'))
			row[n++] = *path;
	}
	row[n] = '\0';
}

/* Tells whether an error is at a key, or at the list that the key is an element of. */
static bool is_at(const struct cv_err *err, const char *path)
{
	char row[CV_ERR_PATH_LEN];
	size_t len;

	row_path(err->path, row, sizeof(row));
	len = strlen(row);
	return strncmp(row, path, len) == 0 && (path[len] == '\0' || path[len] == '[');
}

/* The line of a file names the last key of a path. */
static void expect_line(const char *file, const struct cv_err *err)
{
	const char *dot = strrchr(err->path, '.'), *key = dot != NULL ? dot + 1 : err->path;
	FILE *in = fopen(file, "r");
	char text[1024] = "";

	assert_non_null(in);
	for (int i = 0; i < err->line; i++)
		assert_non_null(fgets(text, sizeof(text), in));
	fclose(in);
	if (strncmp(key, text + strspn(text, " {\""), strcspn(key, "[")) != 0)
		fail_msg("%s: line %d is '%s'", err->path, err->line, text);
}

static void expect_refusal(const char *path, const char *file, struct cv_ctl *ctl)
{
	json_t *before = dump_get(ctl), *after;
	uint64_t gen = ctl->gen;
	struct cv_errs errs = {0};
	bool found = false;
	int ret = cv_ctl_reload(ctl, &errs);

	if (ret != -EBUSY)
		fail_msg("%s: a change is not refused: %d", path, ret);
	for (size_t i = 0; i < errs.n; i++) {
		expect_line(file, &errs.items[i]);
		assert_non_null(strstr(errs.items[i].text, "restart"));
		found = found || is_at(&errs.items[i], path);
	}
	if (!found)
		errs_fail(path, &errs);
	after = dump_get(ctl);
	expect_same(path, before, after);
	assert_int_equal(ctl->gen, gen);
	json_decref(before);
	json_decref(after);
	cv_errs_fini(&errs);
}

static void expect_served(const char *path, const char *file, struct cv_ctl *ctl, bool same)
{
	json_t *before = dump_get(ctl), *after, *fresh = fresh_get(path, file);

	reload(path, ctl);
	after = dump_get(ctl);
	expect_same(path, after, fresh);
	if ((dump_differs(before, after)[0] == '\0') != same)
		fail_msg("%s: what is served is %s", path, same ? "another" : "the same");
	json_decref(before);
	json_decref(after);
	json_decref(fresh);
}

static void change_play(const char *path, uint32_t row, json_t *change)
{
	bool same = json_is_true(json_object_get(change, "same"));
	json_t *conf = changed_get(row, change), *was, *back;
	char file[FILE_LEN] = "/tmp/cv_test_reload.XXXXXX";
	unsigned int how = cv_conf_row_reload(row);
	struct cv_ctl *ctl;
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	close(fd);
	file_write(file, base);
	ctl = ctl_create(path, file);
	was = dump_get(ctl);
	file_write(file, conf);
	if (how == CONF_RESTART) {
		expect_refusal(path, file, ctl);
	} else {
		expect_served(path, file, ctl, same);
		file_write(file, base);
		if (how == CONF_RAISE) {
			struct cv_errs errs = {0};

			assert_int_equal(cv_ctl_reload(ctl, &errs), -EBUSY);
			cv_errs_fini(&errs);
		} else {
			reload(path, ctl);
			back = dump_get(ctl);
			expect_same(path, back, was);
			json_decref(back);
		}
	}
	json_decref(was);
	json_decref(conf);
	cv_ctl_destroy(ctl);
	unlink(file);
}

/* ---- all of them ---- */

/* Objects are what their members are. */
static void each_key_says_what_a_change_takes(void **state)
{
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);

	(void)state;
	for (uint32_t i = 1; i < n; i++) {
		unsigned int how = cv_conf_row_reload(i);

		if (how != CONF_LIVE && how != CONF_RESTART && how != CONF_RAISE)
			fail_msg("%s: the schema does not say what a reload does with it",
				 rows[i].path);
		if (rows[i].type != CONF_OBJECT && json_object_get(changes, rows[i].path) == NULL)
			fail_msg("%s: reload.json has no change of it", rows[i].path);
	}
}

static void change_is_served_whole_or_refused(void **state)
{
	uint32_t row = *(const uint32_t *)*state, n;
	const char *path = cv_conf_schema(&n)[row].path;

	change_play(path, row, json_object_get(changes, path));
}

/* ---- what drains meanwhile ---- */

static void zone_take(void *arg, const struct cv_ctl_draining *draining)
{
	uint32_t *zone = arg;

	*zone = draining->zone;
}

static uint32_t draining_zone(const struct cv_ctl *ctl)
{
	uint32_t zone = 77;

	assert_int_equal(ctl->drains.n, 1);
	cv_ctl_draining(ctl, zone_take, &zone);
	return zone;
}

/* Zones have other numbers in another file, and it may have fewer. */
static void draining_targets_keep_their_zone(void **state)
{
	static const char *const zones[] = {"use1-az2", "use1-az1"};
	json_t *conf = json_deep_copy(base), *list = json_array();
	char file[FILE_LEN] = "/tmp/cv_test_reload.XXXXXX";
	int fd = mkstemp(file);
	struct cv_ctl *ctl;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	file_write(file, conf);
	ctl = ctl_create("zones", file);
	/* 10.0.2.22 is in use1-az2. */
	json_array_remove(json_object_get(json_array_get(json_object_get(conf, "target_groups"), 0),
					  "targets"),
			  1);
	file_write(file, conf);
	reload("zones", ctl);
	assert_int_equal(draining_zone(ctl), 1);
	for (size_t i = 0; i < CV_ARRAY_LEN(zones); i++)
		json_array_append_new(list, json_string(zones[i]));
	json_object_set_new(conf, "zones", list);
	/* The subnet in the third zone. */
	json_array_remove(
		json_object_get(json_array_get(json_object_get(conf, "vpcs"), 1), "subnets"), 2);
	file_write(file, conf);
	reload("zones", ctl);
	assert_int_equal(draining_zone(ctl), 0);
	cv_ctl_destroy(ctl);
	json_decref(conf);
	unlink(file);
}

/* ---- ports by the worker that replies come to ---- */

/* Replies to any one of a pool's ports may come to any worker. */
static void pools_may_have_fewer_ports_than_there_are_workers(void **state)
{
	json_t *conf = json_deep_copy(base), *few = json_integer(2), *targets;
	struct cv_rss rss = {.on = true, .n = 64};
	char file[FILE_LEN] = "/tmp/cv_test_reload.XXXXXX", ip[16];
	int fd = mkstemp(file);
	uint32_t n_pools;
	const char *key;
	struct cv_ctl *ctl;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	json_object_set_new(json_object_get(conf, "dpdk"), "workers", json_integer(4));
	json_object_del(json_object_get(conf, "dpdk"), "cores");
	place_set(conf, "settings/snat/n_ports", few);
	json_decref(few);
	file_write(file, conf);
	ctl = ctl_create("few ports", file);
	/* As the ports' RSS would give it. */
	cv_rss_key_build(1, rss.key);
	for (uint16_t i = 0; i < rss.n; i++)
		rss.worker[i] = (uint8_t)(i % 4);
	for (uint32_t i = 0; i < ctl->conf->dpdk.n_ports; i++) {
		ctl->snat_maps[i] = cv_snat_map_create(&rss);
		assert_non_null(ctl->snat_maps[i]);
	}
	n_pools = cv_snat_registry_n(ctl->registry);
	targets = json_object_get(place_find(conf, "target_groups/0/targets", &key), "targets");
	for (int i = 0; i < 16; i++) {
		snprintf(ip, sizeof(ip), "10.0.1.%d", 100 + i);
		json_array_append_new(targets, json_pack("{s:s}", "ip", ip));
	}
	file_write(file, conf);
	reload("few ports", ctl);
	assert_int_equal(cv_snat_registry_n(ctl->registry), n_pools + 16);
	cv_ctl_destroy(ctl);
	json_decref(conf);
	unlink(file);
}

static void load(void)
{
	json_t *root = json_load_file(SRC_DIR "/tests/unit/reload.json", 0, NULL);

	base = json_incref(json_object_get(root, "base"));
	changes = json_incref(json_object_get(root, "changes"));
	json_decref(root);
	assert_non_null(base);
	assert_non_null(changes);
}

/* A test for each change, by the name of its key. */
int main(void)
{
	static uint32_t idx[CONF_ROWS_MAX];
	static struct CMUnitTest tests[CONF_ROWS_MAX + 3] = {
		cmocka_unit_test(each_key_says_what_a_change_takes),
		cmocka_unit_test(draining_targets_keep_their_zone),
		cmocka_unit_test(pools_may_have_fewer_ports_than_there_are_workers)};
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);
	size_t n_tests = 3;
	int ret;

	load();
	for (uint32_t i = 1; i < n; i++) {
		if (json_object_get(changes, rows[i].path) == NULL)
			continue;
		idx[i] = i;
		tests[n_tests++] =
			(struct CMUnitTest){.name = rows[i].path,
					    .test_func = change_is_served_whole_or_refused,
					    .initial_state = &idx[i]};
	}
	ret = _cmocka_run_group_tests("ctl_reload", tests, n_tests, NULL, NULL);
	json_decref(base);
	json_decref(changes);
	return ret;
}
