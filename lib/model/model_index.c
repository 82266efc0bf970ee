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

/* Strings of the model; they are never freed one by one. */
struct chunk {
	struct chunk *next;
	size_t size;
	size_t used;
	char data[];
};

/* Open addressing, linear probing, never more than half full; nothing is ever taken out. */
struct cv_model_index {
	struct entry *entries;
	size_t n_slots; /* a power of two */
	size_t n_used;
	struct chunk *chunks; /* the newest first */
};

struct cv_model_index *cv_model_index_create(void)
{
	struct cv_model_index *index = calloc(1, sizeof(*index));

	if (index == NULL)
		return NULL;
	index->n_slots = 64;
	index->entries = calloc(index->n_slots, sizeof(*index->entries));
	if (index->entries == NULL) {
		free(index);
		return NULL;
	}
	return index;
}

void cv_model_index_destroy(struct cv_model_index *index)
{
	if (index == NULL)
		return;
	while (index->chunks != NULL) {
		struct chunk *next = index->chunks->next;

		free(index->chunks);
		index->chunks = next;
	}
	free(index->entries);
	free(index);
}

static bool same_key(const struct model_key *a, const struct model_key *b)
{
	if (a->kind != b->kind || a->scope != b->scope || a->num != b->num)
		return false;
	if (a->str == NULL || b->str == NULL)
		return a->str == b->str;
	return strcmp(a->str, b->str) == 0;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct entry *slot_of(const struct cv_model_index *index, const struct model_key *key)
{
	size_t len = key->str == NULL ? 0 : strlen(key->str);
	uint64_t hash = cv_siphash(key->str, len, (uint64_t)key->kind << 32 | key->scope, key->num);
	size_t i = hash & (index->n_slots - 1);

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

const char *cv_model_str(struct cv_model *model, const char *text)
{
	struct cv_model_index *index = model->index;
	size_t len = strlen(text) + 1;
	struct chunk *chunk = index->chunks;
	char *copy;

	if (chunk == NULL || chunk->size - chunk->used < len) {
		size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;

		chunk = malloc(sizeof(*chunk) + size);
		if (chunk == NULL)
			return NULL;
		chunk->next = index->chunks;
		chunk->size = size;
		chunk->used = 0;
		index->chunks = chunk;
	}
	copy = chunk->data + chunk->used;
	memcpy(copy, text, len);
	chunk->used += len;
	return copy;
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
