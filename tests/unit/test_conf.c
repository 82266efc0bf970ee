/* SPDX-License-Identifier: BSD-3-Clause */

/* The schema, row by row, and the files: the examples, and those that are broken on purpose. */

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf_priv.h"
#include "cv_conf.h"

static struct cv_errs errs;

static int teardown(void **state)
{
	(void)state;
	cv_errs_fini(&errs);
	return 0;
}

static struct cv_conf *parse(const char *text)
{
	/* An exact copy on the heap: reading past the end is seen. */
	size_t len = strlen(text);
	char *copy = malloc(len + (len == 0));
	struct cv_conf *conf;

	assert_non_null(copy);
	memcpy(copy, text, len);
	conf = cv_conf_parse(copy, len, &errs);
	free(copy);
	return conf;
}

static const struct cv_err *find_err(const char *path)
{
	for (size_t i = 0; i < errs.n; i++) {
		if (strcmp(errs.items[i].path, path) == 0)
			return &errs.items[i];
	}
	return NULL;
}

/* The path in an error of a value that stands first at its row: `vpcs[].cidrs[]` is `vpcs[0].cidrs[0]`. */
static void error_path(const struct conf_row *row, char *buf, size_t cap)
{
	size_t len = 0;

	for (const char *p = row->path; *p != '\0'; p++) {
		if (*p == '*')
			len += (size_t)snprintf(buf + len, cap - len, "key");
		else if (*p == '[')
			len += (size_t)snprintf(buf + len, cap - len, "[0");
		else
			buf[len++] = *p;
		assert_true(len < cap);
	}
	buf[len] = '\0';
}

/* A document, in memory to free, that holds just one value, at a row and on line 3. */
static char *document(uint32_t row, const char *value)
{
	char *text = strdup(value);
	bool first = true;
	const char *key;

	while (row != 0) {
		uint32_t parent = cv_conf_row_parent(row, &key);
		char *outer = NULL;
		int n;

		if (strcmp(key, "[]") == 0)
			n = asprintf(&outer, "[%s%s%s]", first ? "\n\n" : "", text,
				     first ? "\n" : "");
		else
			n = asprintf(&outer, "{\"%s\":%s%s%s}", strcmp(key, "*") == 0 ? "key" : key,
				     first ? "\n\n" : "", text, first ? "\n" : "");
		assert_true(n > 0);
		free(text);
		text = outer;
		row = parent;
		first = false;
	}
	return text;
}

/* What is said about a value at a row; NULL for nothing. Good until the next call. */
static const char *complaint(uint32_t row, const char *value)
{
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);
	char *text = document(row, value);
	const struct cv_err *err;
	char path[256];

	cv_errs_fini(&errs);
	error_path(&rows[row], path, sizeof(path));
	cv_conf_destroy(parse(text));
	free(text);
	err = find_err(path);
	if (err == NULL)
		return NULL;
	assert_int_equal(err->line, row == 0 ? 1 : 3);
	return err->text;
}

static void expect(uint32_t row, const char *value, const char *part)
{
	uint32_t n;
	const char *said = complaint(row, value);

	if (part == NULL && said != NULL)
		fail_msg("%s: %.60s: '%s'", cv_conf_schema(&n)[row].path, value, said);
	if (part != NULL && (said == NULL || strstr(said, part) == NULL))
		fail_msg("%s: %.60s: '%s' does not say '%s'", cv_conf_schema(&n)[row].path, value,
			 said != NULL ? said : "nothing", part);
}

/* Whether a type takes this kind of value at all. */
static bool takes(const struct conf_row *row, const char *value)
{
	switch (row->type) {
	case CONF_OBJECT:
	case CONF_MAP:
		return value[0] == '{';
	case CONF_LIST:
		return value[0] == '[';
	case CONF_STRING:
	case CONF_IP:
	case CONF_PREFIX:
		return value[0] == '"';
	case CONF_INT:
		return strcmp(value, "7") == 0;
	case CONF_LEAST:
		return strcmp(value, "7") == 0;
	case CONF_PORTS:
	case CONF_RANGE:
	case CONF_CHECK_PORT:
		return strcmp(value, "7") == 0 || value[0] == '"';
	case CONF_BOOL:
		return strcmp(value, "true") == 0;
	case CONF_ENUM:
		return strcmp(value, "true") == 0 && strstr(row->choices, "true") != NULL;
	}
	return false;
}

static void each_row_refuses_wrong_types(void **state)
{
	static const char *const values[] = {"{}", "[]", "\"x\"", "7", "7.0", "true", "null"};
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);

	(void)state;
	for (uint32_t r = 1; r < n; r++) {
		for (size_t v = 0; v < CV_ARRAY_LEN(values); v++) {
			const char *said = complaint(r, values[v]);

			if (!takes(&rows[r], values[v]))
				expect(r, values[v], "must be");
			else if (said != NULL && strstr(said, "must be") != NULL)
				fail_msg("%s refuses %s", rows[r].path, values[v]);
		}
	}
}

static void each_integer_row_keeps_its_bounds(void **state)
{
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);
	uint32_t n_rows = 0;

	(void)state;
	for (uint32_t r = 1; r < n; r++) {
		char value[32], range[64];

		if (rows[r].type != CONF_INT)
			continue;
		n_rows++;
		snprintf(range, sizeof(range), "is outside %lld..%lld", (long long)rows[r].min,
			 (long long)rows[r].max);
		snprintf(value, sizeof(value), "%lld", (long long)rows[r].min - 1);
		expect(r, value, range);
		snprintf(value, sizeof(value), "%lld", (long long)rows[r].min);
		expect(r, value, NULL);
		snprintf(value, sizeof(value), "%lld", (long long)rows[r].max);
		expect(r, value, NULL);
		snprintf(value, sizeof(value), "%lld", (long long)rows[r].max + 1);
		expect(r, value, range);
		expect(r, "-9223372036854775808", range);
	}
	assert_true(n_rows > 20);
}

/* A value with so many elements, entries or characters. */
static char *sized(enum conf_type type, int64_t size)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputc(type == CONF_LIST ? '[' : type == CONF_MAP ? '{' : '"', f);
	for (int64_t i = 0; i < size; i++) {
		const char *comma = i > 0 ? "," : "";

		if (type == CONF_LIST)
			fprintf(f, "%s\"x\"", comma);
		else if (type == CONF_MAP)
			fprintf(f, "%s\"%lld\":\"x\"", comma, (long long)i);
		else
			fputc('x', f);
	}
	fputc(type == CONF_LIST ? ']' : type == CONF_MAP ? '}' : '"', f);
	fclose(f);
	return text;
}

static void check_size(uint32_t row, int64_t size, const char *part, bool wanted)
{
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);
	char *text = sized(rows[row].type, size);
	const char *said = complaint(row, text);

	if ((said != NULL && strstr(said, part) != NULL) != wanted)
		fail_msg("%s with %lld: '%s'", rows[row].path, (long long)size, said);
	free(text);
}

static void each_list_and_string_row_keeps_its_size(void **state)
{
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);
	bool huge_done = false;

	(void)state;
	for (uint32_t r = 1; r < n; r++) {
		char at_most[48], at_least[48];

		if (rows[r].type != CONF_LIST && rows[r].type != CONF_MAP &&
		    rows[r].type != CONF_STRING)
			continue;
		snprintf(at_least, sizeof(at_least), "at least %lld", (long long)rows[r].min);
		snprintf(at_most, sizeof(at_most), "at most %lld", (long long)rows[r].max);
		check_size(r, rows[r].min, at_least, false);
		if (rows[r].min > 0)
			check_size(r, rows[r].min - 1, at_least, true);
		/* A million elements once will do: it is the same code. */
		if (rows[r].max > 10000 && huge_done)
			continue;
		huge_done = huge_done || rows[r].max > 10000;
		check_size(r, rows[r].max, at_most, false);
		check_size(r, rows[r].max + 1, at_most, true);
	}
	assert_true(huge_done);
}

static void each_choice_is_taken_and_no_other(void **state)
{
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);
	uint32_t n_rows = 0;

	(void)state;
	for (uint32_t r = 1; r < n; r++) {
		const char *p = rows[r].choices;

		if (rows[r].type != CONF_ENUM)
			continue;
		n_rows++;
		expect(r, "\"other\"", "must be one of");
		expect(r, "\"\"", "must be one of");
		expect(r, "\"true\"", "must be one of");
		while (p != NULL) {
			size_t len = strcspn(p, "|");
			bool literal =
				strncmp(p, "true", len) == 0 || strncmp(p, "false", len) == 0;
			char value[64];

			snprintf(value, sizeof(value), literal ? "%.*s" : "\"%.*s\"", (int)len, p);
			expect(r, value, NULL);
			p = p[len] == '|' ? p + len + 1 : NULL;
		}
	}
	assert_true(n_rows >= 3);
}

static void each_address_row_reads_addresses(void **state)
{
	static const char *const bad_ips[] = {"\"\"",           "\"10.0.0\"", "\"10.0.0.256\"",
					      "\"0.0.0.0\"",    "\"::1\"",    "\"10.0.0.1 \"",
					      "\"10.0.0.1/32\""};
	static const char *const bad_prefixes[] = {"\"\"", "\"10.0.0.0\"", "\"10.0.0.0/33\"",
						   "\"10.0.0.0/\"", "\"10.0.0/24\""};
	static const char *const bad_ports[] = {
		"\"\"",    "-1",           "65536",       "\"65536\"",  "\"80-\"",
		"\"-80\"", "\"80-65536\"", "\"80 - 90\"", "\"80-90-\"", "\"x\""};
	static const char *const bad_ranges[] = {
		"\"\"",   "-1",      "0",         "16777216", "\"0-7\"",        "\"7-\"",
		"\"-7\"", "\"7-6\"", "\"7 - 9\"", "\"7-9-\"", "\"1-16777216\"", "\"x\""};
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);

	(void)state;
	for (uint32_t r = 1; r < n; r++) {
		if (rows[r].type == CONF_IP) {
			for (size_t i = 0; i < CV_ARRAY_LEN(bad_ips); i++)
				expect(r, bad_ips[i], "is no IPv4 address");
			expect(r, "\"10.0.0.1\"", NULL);
		} else if (rows[r].type == CONF_PREFIX) {
			for (size_t i = 0; i < CV_ARRAY_LEN(bad_prefixes); i++)
				expect(r, bad_prefixes[i], "such as 10.0.0.0/16");
			expect(r, "\"10.0.0.1/24\"", "bits are set below its length");
			expect(r, "\"10.0.0.0/24\"", NULL);
		} else if (rows[r].type == CONF_PORTS) {
			for (size_t i = 0; i < CV_ARRAY_LEN(bad_ports); i++)
				expect(r, bad_ports[i], "is no port or range");
			expect(r, "0", NULL);
			expect(r, "65535", NULL);
			expect(r, "\"0-65535\"", NULL);
		} else if (rows[r].type == CONF_RANGE) {
			for (size_t i = 0; i < CV_ARRAY_LEN(bad_ranges); i++)
				expect(r, bad_ranges[i], "is no number or range within 1..");
			expect(r, "1", NULL);
			expect(r, "\"7\"", NULL);
			expect(r, "\"1-4094\"", NULL);
		} else if (rows[r].type == CONF_CHECK_PORT) {
			for (size_t i = 0; i < CV_ARRAY_LEN(bad_ports); i++)
				expect(r, bad_ports[i], "is no port within 1..65535");
			expect(r, "0", "is no port within 1..65535");
			expect(r, "\"80-81\"", "is no port within 1..65535");
			expect(r, "1", NULL);
			expect(r, "\"65535\"", NULL);
			expect(r, "\"traffic-port\"", NULL);
		}
	}
}

static void each_required_row_is_missed(void **state)
{
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);
	uint32_t n_rows = 0;

	(void)state;
	for (uint32_t r = 1; r < n; r++) {
		const struct cv_err *err;
		char path[256];
		const char *key;
		char *text;

		if ((rows[r].flags & CONF_REQUIRED) == 0)
			continue;
		n_rows++;
		cv_errs_fini(&errs);
		error_path(&rows[r], path, sizeof(path));
		text = document(cv_conf_row_parent(r, &key), "{}");
		cv_conf_destroy(parse(text));
		free(text);
		err = find_err(path);
		if (err == NULL || strcmp(err->text, "is missing") != 0)
			fail_msg("%s is not missed", path);
	}
	assert_true(n_rows > 20);
}

static void each_object_row_refuses_unknown_keys(void **state)
{
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);

	(void)state;
	for (uint32_t r = 0; r < n; r++) {
		char path[300];
		const struct cv_err *err;
		char *text;

		if (rows[r].type != CONF_OBJECT)
			continue;
		cv_errs_fini(&errs);
		error_path(&rows[r], path, sizeof(path) - 16);
		strcat(path, r == 0 ? "qqqqqqqqqq" : ".qqqqqqqqqq");
		text = document(r, "{\"qqqqqqqqqq\": [{\"deeper\": 1}]}");
		cv_conf_destroy(parse(text));
		free(text);
		err = find_err(path);
		if (err == NULL || strstr(err->text, "unknown key; known here: ") == NULL)
			fail_msg("%s is not refused", path);
	}
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t cap = 0;
	ssize_t len;

	if (f == NULL)
		fail_msg("cannot open %s", path);
	len = getdelim(&text, &cap, '\0', f);
	fclose(f);
	if (len < 0)
		text[0] = '\0';
	return text;
}

/* Calls check for each *.json of a folder. @return how many */
static int each_file(const char *folder, void (*check)(const char *path))
{
	struct dirent *entry;
	DIR *dir = opendir(folder);
	int n = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);
		char path[1024];

		if (len < 6 || strcmp(entry->d_name + len - 5, ".json") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		check(path);
		n++;
	}
	closedir(dir);
	return n;
}

static void check_example(const char *path)
{
	struct cv_conf *conf = cv_conf_load(path, &errs);
	char buf[512];

	for (size_t i = 0; i < errs.n; i++)
		print_error("%s: %s\n", path, cv_err_str(&errs.items[i], buf, sizeof(buf)));
	assert_non_null(conf);
	for (size_t i = 0; i < conf->warnings.n; i++)
		print_error("%s: %s\n", path,
			    cv_err_str(&conf->warnings.items[i], buf, sizeof(buf)));
	assert_int_equal(conf->warnings.n, 0);
	cv_conf_destroy(conf);
}

static void examples_load_without_a_warning(void **state)
{
	(void)state;
	assert_true(each_file(SRC_DIR "/config", check_example) >= 5);
}

static void check_broken(const char *path)
{
	char expect_path[1024];
	char *want, *said;
	size_t size;
	FILE *f = open_memstream(&said, &size);

	assert_non_null(f);
	cv_errs_fini(&errs);
	assert_null(cv_conf_load(path, &errs));
	assert_false(errs.truncated);
	for (size_t i = 0; i < errs.n; i++) {
		char buf[512];

		fprintf(f, "%s\n", cv_err_str(&errs.items[i], buf, sizeof(buf)));
	}
	fclose(f);
	snprintf(expect_path, sizeof(expect_path), "%.*s.expect", (int)strlen(path) - 5, path);
	want = read_file(expect_path);
	if (strcmp(said, want) != 0)
		fail_msg("%s: it says\n%sand should say\n%s", path, said, want);
	free(want);
	free(said);
}

static void broken_files_say_what_is_wrong(void **state)
{
	(void)state;
	assert_true(each_file(SRC_DIR "/tests/conf", check_broken) >= 20);
}

static void the_reference_is_generated(void **state)
{
	char *text = cv_conf_reference();
	char *doc = read_file(SRC_DIR "/doc/configuration.md");

	(void)state;
	assert_string_equal(text, doc);
	free(text);
	free(doc);
}

static void the_summary_says_what_is_served(void **state)
{
	struct cv_conf *conf = cv_conf_load(SRC_DIR "/config/quickstart.json", &errs);
	char *want = read_file(SRC_DIR "/tests/conf/quickstart.summary");
	char *text;

	(void)state;
	assert_non_null(conf);
	text = cv_conf_summary(conf);
	assert_string_equal(text, want);
	free(text);
	free(want);
	cv_conf_destroy(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_teardown(f, teardown)
		CASE(each_row_refuses_wrong_types),
		CASE(each_integer_row_keeps_its_bounds),
		CASE(each_list_and_string_row_keeps_its_size),
		CASE(each_choice_is_taken_and_no_other),
		CASE(each_address_row_reads_addresses),
		CASE(each_required_row_is_missed),
		CASE(each_object_row_refuses_unknown_keys),
		CASE(examples_load_without_a_warning),
		CASE(broken_files_say_what_is_wrong),
		CASE(the_reference_is_generated),
		CASE(the_summary_says_what_is_served),
#undef CASE
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
