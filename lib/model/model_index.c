/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE 16384

struct entry {
	struct model_key key;
	uint32_t value;
	bool used;
};

/* A string of the model. */
struct text {
	struct text *newer;
	struct text *older;
	char data[];
};

/* Open addressing, linear probing, never more than half full. */
struct cv_model_index {
	struct entry *entries;
	size_t n_slots; /* a power of two */
	size_t n_used;
	struct text *newest;
	/** Given back, but a snapshot may name them: since the last one, and before it. */
	struct text *limbo, *limbo_old;
	bool has_snapshot;
	uint32_t free_first[CV_MODEL_KIND_N];
};

struct cv_model_index *cv_model_index_create(void)
{
	struct cv_model_index *index = calloc(1, sizeof(*index));

	if (index == NULL)
		return NULL;
	index->n_slots = 64;
	for (int kind = 0; kind < CV_MODEL_KIND_N; kind++)
		index->free_first[kind] = CV_MODEL_NONE;
	index->entries = calloc(index->n_slots, sizeof(*index->entries));
	if (index->entries == NULL) {
		free(index);
		return NULL;
	}
	return index;
}

static void list_free(struct text **list)
{
	while (*list != NULL) {
		struct text *older = (*list)->older;

		free(*list);
		*list = older;
	}
}

struct cv_model_index *cv_model_index_copy(const struct cv_model_index *index)
{
	struct cv_model_index *to = malloc(sizeof(*to));

	if (to == NULL)
		return NULL;
	*to = *index;
	to->newest = to->limbo = to->limbo_old = NULL;
	to->entries = malloc(index->n_slots * sizeof(*to->entries));
	if (to->entries == NULL) {
		free(to);
		return NULL;
	}
	memcpy(to->entries, index->entries, index->n_slots * sizeof(*to->entries));
	return to;
}

void cv_model_limbo_turn(struct cv_model_index *index)
{
	cv_assert(index->limbo_old == NULL);
	index->limbo_old = index->limbo;
	index->limbo = NULL;
	index->has_snapshot = true;
}

void cv_model_limbo_end(struct cv_model_index *index, bool served)
{
	struct text **last = &index->limbo;

	if (served) {
		list_free(&index->limbo_old);
		return;
	}
	while (*last != NULL)
		last = &(*last)->older;
	*last = index->limbo_old;
	index->limbo_old = NULL;
}

void cv_model_index_destroy(struct cv_model_index *index)
{
	if (index == NULL)
		return;
	list_free(&index->newest);
	list_free(&index->limbo);
	list_free(&index->limbo_old);
	free(index->entries);
	free(index);
}

uint32_t *cv_model_free_first(struct cv_model *model, enum cv_model_kind kind)
{
	return &model->index->free_first[kind];
}

static bool same_key(const struct model_key *a, const struct model_key *b)
{
	if (a->kind != b->kind || a->scope != b->scope || a->num != b->num)
		return false;
	if (a->str == NULL || b->str == NULL)
		return a->str == b->str;
	return strcmp(a->str, b->str) == 0;
}

static uint64_t hash_of(const struct model_key *key)
{
	size_t len = key->str == NULL ? 0 : strlen(key->str);

	return cv_siphash(key->str, len, (uint64_t)key->kind << 32 | key->scope, key->num);
}

/* The slot that holds the key, or the free one where it belongs. */
static struct entry *slot_of(const struct cv_model_index *index, const struct model_key *key)
{
	size_t i = hash_of(key) & (index->n_slots - 1);

	while (index->entries[i].used && !same_key(&index->entries[i].key, key))
		i = (i + 1) & (index->n_slots - 1);
	return &index->entries[i];
}

int cv_model_index_room(struct cv_model_index *index, size_t n_more)
{
	struct cv_model_index bigger = *index;

	while (bigger.n_slots < 2 * (index->n_used + n_more))
		bigger.n_slots *= 2;
	if (bigger.n_slots == index->n_slots)
		return 0;
	bigger.entries = calloc(bigger.n_slots, sizeof(*bigger.entries));
	if (bigger.entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < index->n_slots; i++) {
		if (index->entries[i].used)
			*slot_of(&bigger, &index->entries[i].key) = index->entries[i];
	}
	free(index->entries);
	*index = bigger;
	return 0;
}

void cv_model_index_put(struct cv_model_index *index, const struct model_key *key, uint32_t value)
{
	struct entry *entry = slot_of(index, key);

	if (!entry->used) {
		cv_assert(index->n_used * 2 < index->n_slots);
		index->n_used++;
	}
	*entry = (struct entry){.key = *key, .value = value, .used = true};
}

uint32_t cv_model_index_get(const struct cv_model_index *index, const struct model_key *key)
{
	const struct entry *entry = slot_of(index, key);

	return entry->used ? entry->value : CV_MODEL_NONE;
}

/* What comes after a free slot moves up, where its own place allows it: no probe meets a gap. */
void cv_model_index_remove(struct cv_model_index *index, const struct model_key *key)
{
	struct entry *entry = slot_of(index, key);
	size_t mask = index->n_slots - 1;
	size_t gap = (size_t)(entry - index->entries);

	if (!entry->used)
		return;
	for (size_t i = (gap + 1) & mask; index->entries[i].used; i = (i + 1) & mask) {
		size_t home = hash_of(&index->entries[i].key) & mask;

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		index->entries[gap] = index->entries[i];
		gap = i;
	}
	index->entries[gap].used = false;
	index->n_used--;
}

const char *cv_model_str(struct cv_model *model, const char *text)
{
	struct cv_model_index *index = model->index;
	size_t len = strlen(text) + 1;
	struct text *item = malloc(sizeof(*item) + len);

	if (item == NULL)
		return NULL;
	memcpy(item->data, text, len);
	item->newer = NULL;
	item->older = index->newest;
	if (index->newest != NULL)
		index->newest->newer = item;
	index->newest = item;
	return item->data;
}

static void unlink_text(struct cv_model_index *index, struct text *item)
{
	if (item->newer != NULL)
		item->newer->older = item->older;
	else
		index->newest = item->older;
	if (item->older != NULL)
		item->older->newer = item->newer;
}

void cv_model_str_free(struct cv_model *model, const char *text)
{
	/* The header stands before the text. */
	struct text *item = (struct text *)((uintptr_t)text - offsetof(struct text, data));

	if (text == NULL)
		return;
	unlink_text(model->index, item);
	if (!model->index->has_snapshot) {
		free(item);
		return;
	}
	item->older = model->index->limbo;
	model->index->limbo = item;
}

const void *cv_model_str_mark(const struct cv_model *model)
{
	return model->index->newest;
}

void cv_model_str_undo(struct cv_model *model, const void *mark)
{
	while (model->index->newest != mark) {
		struct text *item = model->index->newest;

		unlink_text(model->index, item);
		free(item);
	}
}

const char *cv_model_strf(struct cv_model *model, const char *fmt, ...)
{
	char buf[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	return cv_model_str(model, buf);
}
