/* SPDX-License-Identifier: BSD-3-Clause */

#include "conf_priv.h"

#include "cv_conf_doc.h"
#include "cv_model_ops.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A configuration of a whole region has some MB; this is to stop before a disk image is read. */
#define FILE_SIZE_MAX (256u * 1024 * 1024)

static void build_families(struct conf_run *run)
{
	uint32_t n;

	(void)cv_conf_schema(&n);
	for (uint32_t i = 0; i < n; i++)
		run->rows[i].first = run->rows[i].next = CONF_NONE;
	/* From the last, so that each family is in the table's order. */
	for (uint32_t i = n; i-- > 0;) {
		uint32_t parent = cv_conf_row_parent(i, &run->rows[i].key);

		run->rows[i].parent = parent;
		run->rows[i].key_len = strlen(run->rows[i].key);
		if (parent == CONF_NONE)
			continue;
		run->rows[i].next = run->rows[parent].first;
		run->rows[parent].first = i;
	}
}

struct place {
	int line;
	size_t idx;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return (x->idx > y->idx) - (x->idx < y->idx);
}

/* Puts errors in the order of the file. Left as they are if memory ran out. */
static void sort_errs(struct cv_errs *errs)
{
	struct place *places = calloc(errs->n + 1, sizeof(*places));
	struct cv_err *sorted = calloc(errs->n + 1, sizeof(*sorted));

	if (places != NULL && sorted != NULL) {
		for (size_t i = 0; i < errs->n; i++)
			places[i] = (struct place){errs->items[i].line, i};
		qsort(places, errs->n, sizeof(*places), compare_places);
		for (size_t i = 0; i < errs->n; i++)
			sorted[i] = errs->items[places[i].idx];
		for (size_t i = 0; i < errs->n; i++)
			errs->items[i] = sorted[i];
	}
	free(places);
	free(sorted);
}

/* The strings of ports and sockets stay in the document's values, which are kept. */
static int keep_values(struct conf_run *run)
{
	static const char *const kept_keys[] = {"dpdk", "control", "api"};
	json_t *kept = json_array();

	if (kept == NULL)
		return -ENOMEM;
	run->conf->priv = kept;
	for (size_t i = 0; i < CV_ARRAY_LEN(kept_keys); i++) {
		json_t *value = json_object_get(run->doc.root, kept_keys[i]);

		if (value != NULL && json_array_append(kept, value) != 0)
			return -ENOMEM;
	}
	return 0;
}

static void run_checks(struct conf_run *run)
{
	build_families(run);
	cv_conf_validate(run);
	if (!run->doc.nodes[0].is_object)
		return;
	cv_conf_build_settings(run);
	cv_conf_build_model(run);
	if (run->errs->n == 0 && keep_values(run) != 0)
		run->oom = true;
}

/* jansson 2.14 passes over some NUL bytes in the text; no JSON has any. */
static bool has_nul(const char *text, size_t len, struct cv_errs *errs)
{
	const char *nul = memchr(text, '\0', len);
	int line = 1;

	if (nul == NULL)
		return false;
	for (const char *p = text; p < nul; p++)
		line += *p == '\n';
	cv_errs_add(errs, NULL, line, "not JSON: a byte that is zero");
	return true;
}

/* What an editor or a failed copy makes of a file; jansson's words for it would show nothing. */
static bool has_no_text(const char *text, size_t len, struct cv_errs *errs)
{
	const char *why = NULL;

	if (len == 0)
		why = "the file is empty";
	else if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		why = "it begins with a byte order mark (EF BB BF): save it as UTF-8 without one";
	else if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		why = "it is UTF-16: save it as UTF-8";
	if (why != NULL)
		cv_errs_add(errs, NULL, 1, "not JSON: %s", why);
	return why != NULL;
}

static json_t *parse(const char *text, size_t len, struct cv_errs *errs)
{
	json_error_t error;
	json_t *root;

	if (has_no_text(text, len, errs) || has_nul(text, len, errs))
		return NULL;
	root = json_loadb(text, len, 0, &error);
	if (root == NULL) {
		char line[CV_ERR_TEXT_LEN];

		snprintf(line, sizeof(line), "not JSON: %s", error.text);
		for (char *p = line; *p != '\0'; p++) {
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				*p = '?';
		}
		cv_errs_add(errs, NULL, error.line > 0 ? error.line : 1, "%s", line);
	}
	return root;
}

/* Reads and checks into conf; every error goes to run->errs. */
static void parse_into(struct conf_run *run, const char *text, size_t len)
{
	json_t *root = parse(text, len, run->errs);
	int ret;

	if (root == NULL)
		return;
	ret = cv_conf_doc_init(&run->doc, text, len, root);
	run->oom = ret == -ENOMEM;
	if (ret == 0)
		run_checks(run);
	else if (ret == -EMSGSIZE)
		cv_errs_add(run->errs, NULL, 0, "too many values");
	cv_conf_doc_fini(&run->doc);
	sort_errs(run->errs);
	sort_errs(&run->conf->warnings);
	if (run->errs->truncated && !run->oom)
		cv_errs_add(run->errs, NULL, 0, "more errors follow");
}

struct cv_conf *cv_conf_parse(const char *text, size_t len, struct cv_errs *errs)
{
	return cv_conf_parse_over(text, len, NULL, errs);
}

static bool source_keep(struct cv_conf *conf, const char *text, size_t len)
{
	conf->source = malloc(len + 1);
	if (conf->source == NULL)
		return false;
	memcpy(conf->source, text, len);
	conf->source_len = len;
	return true;
}

struct cv_conf *cv_conf_parse_over(const char *text, size_t len, const struct cv_conf_docs *docs,
				   struct cv_errs *errs)
{
	struct cv_errs mine = {0};
	struct conf_run run = {.errs = &mine, .docs = docs};
	bool good;

	run.conf = calloc(1, sizeof(*run.conf));
	run.oom = run.conf == NULL;
	if (run.conf != NULL)
		run.oom = !source_keep(run.conf, text, len);
	if (!run.oom)
		parse_into(&run, text, len);
	if (run.oom)
		cv_errs_add(&mine, NULL, 0, "out of memory");
	good = mine.n == 0 && !mine.truncated;
	for (size_t i = 0; i < mine.n; i++)
		cv_errs_add(errs, mine.items[i].path, mine.items[i].line, "%s", mine.items[i].text);
	errs->truncated = errs->truncated || mine.truncated;
	cv_errs_fini(&mine);
	if (good)
		return run.conf;
	cv_conf_destroy(run.conf);
	return NULL;
}

static char *read_all(FILE *f, size_t *ret_len)
{
	size_t len = 0, cap = 65536;
	char *text = malloc(cap);

	while (text != NULL) {
		char *bigger;

		len += fread(text + len, 1, cap - len, f);
		if (len < cap)
			break;
		if (cap >= FILE_SIZE_MAX) {
			errno = EFBIG;
			free(text);
			return NULL;
		}
		cap *= 2;
		bigger = realloc(text, cap);
		if (bigger == NULL)
			free(text);
		text = bigger;
	}
	if (text != NULL && ferror(f) != 0) {
		free(text);
		return NULL;
	}
	*ret_len = len;
	return text;
}

struct cv_conf *cv_conf_load(const char *file, struct cv_errs *errs)
{
	return cv_conf_load_over(file, NULL, errs);
}

struct cv_conf *cv_conf_load_over(const char *file, const struct cv_conf_docs *docs,
				  struct cv_errs *errs)
{
	struct cv_conf *conf = NULL;
	FILE *f = fopen(file, "re");
	char *text = NULL;
	size_t len = 0;

	if (f != NULL)
		text = read_all(f, &len);
	if (text == NULL)
		cv_errs_add(errs, NULL, 0, "cannot read %s: %s", file, strerror(errno));
	else
		conf = cv_conf_parse_over(text, len, docs, errs);
	free(text);
	if (f != NULL)
		fclose(f);
	return conf;
}

static int line_of(const struct conf_doc *doc, const char *path)
{
	const char *rest;
	uint32_t node = cv_conf_doc_deepest(doc, 0, path, &rest);

	/* An element that is not in the list is of a resource that calls made. */
	return rest[0] == '[' ? 0 : (int)doc->nodes[node].line;
}

void cv_conf_lines(const struct cv_conf *conf, struct cv_errs *errs, size_t first)
{
	json_t *root = json_loadb(conf->source, conf->source_len, 0, NULL);
	struct conf_doc doc;

	if (root == NULL || cv_conf_doc_init(&doc, conf->source, conf->source_len, root) != 0)
		return; /* no memory for it: the path must do */
	for (size_t i = first; i < errs->n; i++) {
		if (errs->items[i].line == 0 && errs->items[i].path[0] != '\0')
			errs->items[i].line = line_of(&doc, errs->items[i].path);
	}
	cv_conf_doc_fini(&doc);
}

void cv_conf_destroy(struct cv_conf *conf)
{
	if (conf == NULL)
		return;
	for (uint32_t i = 0; i < conf->dpdk.n_ports; i++)
		free(conf->dpdk.ports[i].devices);
	free(conf->dpdk.ports);
	free(conf->dpdk.cores);
	free(conf->dpdk.eal_args);
	free(conf->api.listen);
	cv_model_destroy(conf->model);
	cv_errs_fini(&conf->warnings);
	json_decref(conf->priv);
	free(conf->source);
	free(conf);
}
