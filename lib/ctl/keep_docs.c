/* SPDX-License-Identifier: BSD-3-Clause */

/* Documents, between the model and the store. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_priv.h"
#include "keep_docs_priv.h"

/* First part of a key. The words are in the files of others by now: they do not change. */
static const char *const words[CV_MODEL_KIND_N] = {
	[CV_MODEL_VPC] = "vpc",
	[CV_MODEL_SUBNET] = "subnet",
	[CV_MODEL_SG] = "sg",
	[CV_MODEL_TG] = "tg",
	[CV_MODEL_LB] = "lb",
	[CV_MODEL_SERVICE] = "service",
	[CV_MODEL_ENDPOINT] = "endpoint",
};

const char *cv_ctl_keep_word(enum cv_model_kind kind)
{
	return words[kind];
}

static bool key_parse(const char *key, enum cv_model_kind *ret_kind, const char **ret_id)
{
	for (enum cv_model_kind kind = CV_MODEL_VPC; kind <= CV_MODEL_ENDPOINT; kind++) {
		size_t len = strlen(words[kind]);

		if (strncmp(key, words[kind], len) != 0 || key[len] != '/')
			continue;
		*ret_kind = kind;
		*ret_id = key + len + 1;
		return true;
	}
	return false;
}

int cv_ctl_keep_doc_put(struct cv_store_batch *batch, const struct cv_model *model,
			const struct cv_model_change *change)
{
	struct cv_store_op op = {
		.what = CV_STORE_DELETE, .space = CV_STORE_DOC, .rev = CV_STORE_ANY};
	char *text = NULL, *key;
	int ret = -ENOENT;

	/* A listener is a part of its load balancer. */
	cv_assert(words[change->kind] != NULL);
	if (change->idx != CV_MODEL_NONE)
		ret = cv_conf_doc_write(model, change->kind, change->idx, &text);
	if (ret == -ENOMEM || asprintf(&key, "%s/%s", words[change->kind], change->id) < 0) {
		free(text);
		return -ENOMEM;
	}
	if (text != NULL) {
		op.what = CV_STORE_PUT;
		op.value = text;
		op.len = strlen(text);
	}
	op.key = key;
	ret = cv_store_batch_add(batch, &op);
	free(key);
	free(text);
	return ret;
}

/* ---- reading ---- */

static int doc_take(void *arg, const struct cv_store_item *item)
{
	struct cv_conf_docs *docs = arg;
	struct cv_conf_doc *items = (struct cv_conf_doc *)(uintptr_t)docs->items;
	enum cv_model_kind kind;
	const char *id;
	char *copy, *text;

	if (!key_parse(item->key, &kind, &id)) {
		cv_log(CV_LOG_WARNING, "state: '%.64s' is of no kind that is known: left out",
		       item->key);
		return 0;
	}
	/* By powers of two. */
	if ((docs->n & (docs->n - 1)) == 0) {
		items = realloc(items, (docs->n == 0 ? 1 : docs->n * 2) * sizeof(*items));
		if (items == NULL)
			return -ENOMEM;
		docs->items = items;
	}
	copy = strdup(id);
	text = strdup(item->value);
	items[docs->n++] = (struct cv_conf_doc){kind, copy, text};
	return copy != NULL && text != NULL ? 0 : -ENOMEM;
}

/* Likewise from the model, when there is no file: what is in use must go on. */
static int docs_of_model(const struct cv_model *model, struct cv_conf_docs *docs)
{
	struct cv_conf_docs all = {0};
	int ret = cv_conf_docs_get(model, &all);

	for (size_t i = 0; ret == 0 && i < all.n; i++) {
		char key[256];
		const struct cv_store_item item = {.key = key, .value = all.items[i].text};

		snprintf(key, sizeof(key), "%s/%s", words[all.items[i].kind], all.items[i].id);
		ret = doc_take(docs, &item);
	}
	cv_conf_docs_fini(&all);
	return ret;
}

/* ---- what was left out comes after what serves ---- */

static int left_compare(const void *a, const void *b)
{
	const struct ctl_left_out *const *x = a, *const *y = b;

	if ((*x)->kind != (*y)->kind)
		return (*x)->kind < (*y)->kind ? -1 : 1;
	return strcmp((*x)->id, (*y)->id);
}

static int late_mark(const struct ctl_keep *keep, struct cv_conf_docs *docs)
{
	struct cv_conf_doc *items = (struct cv_conf_doc *)(uintptr_t)docs->items;
	const struct ctl_left_out **left = calloc((size_t)keep->n_left_out + 1, sizeof(*left));

	if (left == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < keep->n_left_out; i++)
		left[i] = &keep->left_out[i];
	qsort(left, keep->n_left_out, sizeof(*left), left_compare);
	for (size_t i = 0; keep->n_left_out > 0 && i < docs->n; i++) {
		const struct ctl_left_out of = {.kind = items[i].kind,
						.id = (char *)(uintptr_t)items[i].id},
					  *key = &of;

		items[i].late =
			bsearch(&key, left, keep->n_left_out, sizeof(*left), left_compare) != NULL;
	}
	free(left);
	return 0;
}

/* Before a document's key: it was left out when this was written. */
#define LEFT "left-out/"

static int left_take(void *arg, const struct cv_store_item *item)
{
	struct ctl_keep *keep = arg;
	struct ctl_left_out *list;
	enum cv_model_kind kind;
	const char *id;

	if (strncmp(item->key, LEFT, strlen(LEFT)) != 0 ||
	    !key_parse(item->key + strlen(LEFT), &kind, &id))
		return 0;
	list = reallocarray(keep->left_out, (size_t)keep->n_left_out + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	keep->left_out = list;
	list[keep->n_left_out] = (struct ctl_left_out){.kind = kind, .id = strdup(id)};
	return list[keep->n_left_out].id != NULL ? (keep->n_left_out++, 0) : -ENOMEM;
}

/* What the process before left out. */
static int left_read(struct ctl_keep *keep, struct cv_errs *errs)
{
	int ret;

	cv_ctl_keep_left_fini(keep);
	ret = cv_store_changes(keep->store, (struct cv_store_since){CV_STORE_LOCAL, 0}, left_take,
			       keep, NULL, errs);
	keep->left_known = ret == 0;
	return ret;
}

/* For the next process, with the next transaction. */
static void left_put(struct ctl_keep *keep, const struct ctl_left_out *left, uint32_t n,
		     enum cv_store_do what)
{
	for (uint32_t i = 0; i < n; i++) {
		struct cv_store_op op = {
			.what = what,
			.space = CV_STORE_LOCAL,
			.value = what == CV_STORE_PUT ? "1" : NULL,
			.len = what == CV_STORE_PUT ? 1 : 0,
			.rev = CV_STORE_ANY,
		};
		char *key;

		if (asprintf(&key, LEFT "%s/%s", words[left[i].kind], left[i].id) < 0)
			return; /* then it is as old as it is */
		op.key = key;
		(void)cv_store_batch_add(&keep->next, &op);
		free(key);
	}
}

static bool left_is_same(const struct ctl_left_out *a, uint32_t n_a, const struct ctl_left_out *b,
			 uint32_t n_b)
{
	bool same = n_a == n_b;

	for (uint32_t i = 0; same && i < n_a; i++)
		same = a[i].kind == b[i].kind && strcmp(a[i].id, b[i].id) == 0;
	return same;
}

int cv_ctl_keep_docs(struct cv_ctl *ctl, struct cv_conf_docs *ret_docs, struct cv_errs *errs)
{
	struct ctl_keep *keep = &ctl->keep;
	struct cv_conf_docs docs = {0};
	size_t n = errs->n;
	int ret;

	cv_ctl_keep_flush(ctl);
	if (keep->store == NULL)
		ret = ctl->model != NULL ? docs_of_model(ctl->model, &docs) : 0;
	else
		ret = cv_store_changes(keep->store, (struct cv_store_since){CV_STORE_DOC, 0},
				       doc_take, &docs, &keep->rev, errs);
	if (ret == 0 && keep->store != NULL && !keep->left_known)
		ret = left_read(keep, errs);
	if (ret == 0) {
		docs.applied = calloc(docs.n + 1, sizeof(*docs.applied));
		ret = docs.applied != NULL ? late_mark(keep, &docs) : -ENOMEM;
	}
	if (ret < 0) {
		if (errs->n == n)
			cv_errs_add(errs, NULL, 0, "out of memory");
		cv_ctl_keep_docs_fini(&docs);
		return ret;
	}
	docs.served = ctl->conf != NULL ? ctl->conf->model : NULL;
	*ret_docs = docs;
	return 0;
}

void cv_ctl_keep_docs_fini(struct cv_conf_docs *docs)
{
	for (size_t i = 0; i < docs->n; i++) {
		free((char *)(uintptr_t)docs->items[i].id);
		free((char *)(uintptr_t)docs->items[i].text);
	}
	free((struct cv_conf_doc *)(uintptr_t)docs->items);
	free(docs->applied);
	*docs = (struct cv_conf_docs){0};
}

/* ---- what does not fit ---- */

static const char *why_find(const struct cv_errs *warnings, const char *id)
{
	for (size_t i = 0; i < warnings->n; i++) {
		if (strcmp(warnings->items[i].path, id) == 0)
			return warnings->items[i].text;
	}
	return "it does not fit the configuration";
}

static void left_free(struct ctl_left_out *left, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		free(left[i].id);
	free(left);
}

void cv_ctl_keep_left_fini(struct ctl_keep *keep)
{
	left_free(keep->left_out, keep->n_left_out);
	keep->left_out = NULL;
	keep->n_left_out = 0;
}

uint32_t cv_ctl_keep_note(struct cv_ctl *ctl, const struct cv_conf_docs *docs,
			  const struct cv_errs *warnings)
{
	struct ctl_keep *keep = &ctl->keep;
	struct ctl_left_out *before = keep->left_out;
	uint32_t n = 0, n_before = keep->n_left_out;

	keep->left_out = NULL;
	keep->n_left_out = 0;
	for (size_t i = 0; i < docs->n; i++)
		n += !docs->applied[i];
	keep->left_out = n > 0 ? calloc(n, sizeof(*keep->left_out)) : NULL;
	for (size_t i = 0; keep->left_out != NULL && i < docs->n; i++) {
		struct ctl_left_out *left = &keep->left_out[keep->n_left_out];

		if (docs->applied[i])
			continue;
		left->kind = docs->items[i].kind;
		left->id = strdup(docs->items[i].id);
		snprintf(left->why, sizeof(left->why), "%s", why_find(warnings, docs->items[i].id));
		keep->n_left_out += left->id != NULL;
	}
	if (!left_is_same(before, n_before, keep->left_out, keep->n_left_out)) {
		left_put(keep, before, n_before, CV_STORE_DELETE);
		left_put(keep, keep->left_out, keep->n_left_out, CV_STORE_PUT);
	}
	left_free(before, n_before);
	return n;
}
