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
	text = item->damaged ? NULL : strdup(item->value);
	items[docs->n++] = (struct cv_conf_doc){kind, copy, text};
	return copy != NULL && (text != NULL || item->damaged) ? 0 : -ENOMEM;
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

struct left {
	struct ctl_left_out *items;
	uint32_t n;
};

/* @return shape [left->n], to look in by left_has(); NULL: memory ran out; free() */
static const struct ctl_left_out **left_sort(const struct left *left)
{
	const struct ctl_left_out **sorted = calloc((size_t)left->n + 1, sizeof(*sorted));

	for (uint32_t i = 0; sorted != NULL && i < left->n; i++)
		sorted[i] = &left->items[i];
	if (sorted != NULL)
		qsort(sorted, left->n, sizeof(*sorted), left_compare);
	return sorted;
}

static bool left_has(const struct ctl_left_out **sorted, uint32_t n, enum cv_model_kind kind,
		     const char *id)
{
	const struct ctl_left_out of = {.kind = kind, .id = (char *)(uintptr_t)id}, *key = &of;

	return n > 0 && bsearch(&key, sorted, n, sizeof(*sorted), left_compare) != NULL;
}

static struct left left_of(const struct ctl_keep *keep)
{
	return (struct left){keep->left_out, keep->n_left_out};
}

static int late_mark(const struct ctl_keep *keep, struct cv_conf_docs *docs)
{
	struct cv_conf_doc *items = (struct cv_conf_doc *)(uintptr_t)docs->items;
	const struct left left = left_of(keep);
	const struct ctl_left_out **sorted = left_sort(&left);

	if (sorted == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < docs->n; i++)
		items[i].late = left_has(sorted, left.n, items[i].kind, items[i].id);
	free(sorted);
	return 0;
}

/* Before a document's key: it was left out when this was written. */
#define LEFT "left-out/"

bool cv_ctl_keep_left_is(const char *key)
{
	return strncmp(key, LEFT, strlen(LEFT)) == 0;
}

static int left_take(void *arg, const struct cv_store_item *item)
{
	struct left *left = arg;
	struct ctl_left_out *list;
	enum cv_model_kind kind;
	const char *id;

	if (!cv_ctl_keep_left_is(item->key) || !key_parse(item->key + strlen(LEFT), &kind, &id))
		return 0;
	list = reallocarray(left->items, (size_t)left->n + 1, sizeof(*list));
	if (list == NULL)
		return -ENOMEM;
	left->items = list;
	list[left->n] = (struct ctl_left_out){.kind = kind, .id = strdup(id)};
	return list[left->n].id != NULL ? (left->n++, 0) : -ENOMEM;
}

static void left_free(struct left *left)
{
	for (uint32_t i = 0; i < left->n; i++)
		free(left->items[i].id);
	free(left->items);
	*left = (struct left){0};
}

/* What the store says was left out. Empty on failure. */
static int left_read(const struct ctl_keep *keep, struct left *ret_left, struct cv_errs *errs)
{
	int ret;

	*ret_left = (struct left){0};
	/* A mark says it all by its key. */
	ret = cv_store_changes(keep->store,
			       (struct cv_store_since){CV_STORE_LOCAL, 0, .damaged = true},
			       left_take, ret_left, NULL, errs);
	if (ret < 0)
		left_free(ret_left);
	return ret;
}

/* What the process before left out. */
static int left_learn(struct ctl_keep *keep, struct cv_errs *errs)
{
	struct left left;
	int ret = left_read(keep, &left, errs);

	if (ret < 0)
		return ret;
	cv_ctl_keep_left_fini(keep);
	keep->left_out = left.items;
	keep->n_left_out = left.n;
	keep->left_known = true;
	return 0;
}

/* For the next process, with the next transaction: those that others do not have. */
static void left_put(struct cv_store_batch *batch, const struct left *left,
		     const struct left *others, enum cv_store_do what)
{
	const struct ctl_left_out **sorted = left_sort(others);

	for (uint32_t i = 0; sorted != NULL && i < left->n; i++) {
		const struct ctl_left_out *item = &left->items[i];
		struct cv_store_op op = {
			.what = what,
			.space = CV_STORE_LOCAL,
			.value = what == CV_STORE_PUT ? CTL_LEFT_VALUE : NULL,
			.len = what == CV_STORE_PUT ? strlen(CTL_LEFT_VALUE) : 0,
			.rev = CV_STORE_ANY,
		};
		char *key;

		if (left_has(sorted, others->n, item->kind, item->id))
			continue;
		if (asprintf(&key, LEFT "%s/%s", words[item->kind], item->id) < 0)
			break; /* then it is as old as it is */
		op.key = key;
		(void)cv_store_batch_add(batch, &op);
		free(key);
	}
	free(sorted);
}

/* Compared with the store: what was to be written before may not have been. */
static void left_write(struct ctl_keep *keep)
{
	const struct left now = left_of(keep);
	struct cv_errs errs = {0};
	struct left kept;

	if (keep->store != NULL && left_read(keep, &kept, &errs) == 0) {
		left_put(&keep->next, &kept, &now, CV_STORE_DELETE);
		left_put(&keep->next, &now, &kept, CV_STORE_PUT);
		left_free(&kept);
	}
	cv_errs_fini(&errs);
}

/* What is damaged is left out as what does not fit, and said as that is. */
static int docs_read(struct ctl_keep *keep, struct cv_conf_docs *docs, struct cv_errs *errs)
{
	struct cv_errs own = {0};
	int ret = cv_store_changes(keep->store,
				   (struct cv_store_since){CV_STORE_DOC, 0, .damaged = true},
				   doc_take, docs, &keep->rev, &own);

	if (ret == 0 && !keep->left_known)
		ret = left_learn(keep, &own);
	if (ret < 0 && own.n > 0)
		cv_errs_add(errs, NULL, 0, "%s", own.items[own.n - 1].text);
	cv_errs_fini(&own);
	return ret;
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
		ret = docs_read(keep, &docs, errs);
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

void cv_ctl_keep_left_fini(struct ctl_keep *keep)
{
	struct left left = left_of(keep);

	left_free(&left);
	keep->left_out = NULL;
	keep->n_left_out = 0;
}

uint32_t cv_ctl_keep_note(struct cv_ctl *ctl, const struct cv_conf_docs *docs,
			  const struct cv_errs *warnings)
{
	struct ctl_keep *keep = &ctl->keep;
	uint32_t n = 0;

	cv_ctl_keep_left_fini(keep);
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
	left_write(keep);
	return n;
}
