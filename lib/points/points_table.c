/* SPDX-License-Identifier: BSD-3-Clause */

/* Nodes by name: an array, and an open hash of it. */

#include <stdlib.h>
#include <string.h>

#include "cv_base.h"

#include "points_priv.h"

#define PLACES_MIN 64

/* Names do not come from outside: no secret is needed. */
#define KEY 0x706f696e7473ULL

/* The parts of a name, in order. @return how many; shape [3 + 2 * CV_POINTS_DIMS_MAX] */
static size_t parts_list(const struct cv_points_series *series, const char **parts)
{
	const struct cv_points_dim *dims[CV_POINTS_DIMS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < series->n_dims; i++) {
		uint32_t k = i;

		for (; k > 0 && strcmp(dims[k - 1]->name, series->dims[i].name) > 0; k--)
			dims[k] = dims[k - 1];
		dims[k] = &series->dims[i];
	}
	parts[n++] = series->owner;
	parts[n++] = series->ns;
	parts[n++] = series->name;
	for (uint32_t i = 0; i < series->n_dims; i++) {
		parts[n++] = dims[i]->name;
		parts[n++] = dims[i]->value;
	}
	return n;
}

bool cv_points_name_make(const struct cv_points_series *series, struct points_name *ret)
{
	const char *parts[3 + 2 * CV_POINTS_DIMS_MAX];
	size_t lens[CV_ARRAY_LEN(parts)], n = parts_list(series, parts);
	char *end;

	ret->len = 0;
	for (size_t i = 0; i < n; i++) {
		lens[i] = strlen(parts[i]) + 1;
		ret->len += lens[i];
	}
	ret->text = ret->len <= sizeof(ret->room) ? ret->room : malloc(ret->len);
	if (ret->text == NULL)
		return false;
	end = ret->text;
	for (size_t i = 0; i < n; i++) {
		memcpy(end, parts[i], lens[i]);
		end += lens[i];
	}
	ret->hash = cv_siphash(ret->text, ret->len, KEY, KEY);
	return true;
}

void cv_points_name_fini(struct points_name *name)
{
	if (name->text != name->room)
		free(name->text);
}

static uint32_t tag_of(uint64_t hash)
{
	return (uint32_t)(hash >> 32);
}

uint32_t cv_points_table_find(const struct points_table *table, const struct points_name *name)
{
	for (uint64_t at = tag_of(name->hash); table->places != NULL; at++) {
		const struct points_place *place = &table->places[at & table->mask];
		const struct points_node *node;

		if (place->at == 0)
			break;
		if (place->tag != tag_of(name->hash))
			continue;
		node = table->nodes[place->at - 1];
		if (node->hash == name->hash && node->len == name->len &&
		    memcmp(node->text, name->text, name->len) == 0)
			return place->at - 1;
	}
	return UINT32_MAX;
}

static void place_put(struct points_table *table, struct points_place place)
{
	uint32_t at = place.tag;

	while (table->places[at & table->mask].at != 0)
		at++;
	table->places[at & table->mask] = place;
}

/* Room for one more: at most half of the places are taken. */
static bool grow(struct points_table *table)
{
	uint32_t cap = table->cap == 0 ? PLACES_MIN / 2 : table->cap * 2;
	struct points_table next = *table;

	if (table->n < table->cap)
		return true;
	next.mask = cap * 2 - 1;
	next.places = calloc((size_t)cap * 2, sizeof(*next.places));
	if (next.places == NULL)
		return false;
	next.nodes = realloc(table->nodes, cap * sizeof(struct points_node *));
	if (next.nodes == NULL) {
		free(next.places);
		return false;
	}
	/* Without a look at the nodes, which lie all over the memory. */
	for (uint32_t i = 0; table->places != NULL && i <= table->mask; i++) {
		if (table->places[i].at != 0)
			place_put(&next, table->places[i]);
	}
	free(table->places);
	*table = next;
	table->cap = cap;
	return true;
}

void *cv_points_table_add(struct points_table *table, size_t size, const struct points_name *name)
{
	struct points_node *node = calloc(1, size);
	char *text = malloc(name->len);

	if (node == NULL || text == NULL || !grow(table)) {
		free(text);
		free(node);
		return NULL;
	}
	node->hash = name->hash;
	node->text = memcpy(text, name->text, name->len);
	node->len = name->len;
	table->nodes[table->n++] = node;
	place_put(table, (struct points_place){tag_of(node->hash), table->n});
	return node;
}

/* The place of a node that is there. */
static uint32_t place_of(const struct points_table *table, uint32_t idx)
{
	uint32_t at = tag_of(table->nodes[idx]->hash);

	while (table->places[at & table->mask].at != idx + 1)
		at++;
	return at & table->mask;
}

/* What stands behind it only because it was taken moves up. */
static void place_free(struct points_table *table, uint32_t hole)
{
	struct points_place *places = table->places;
	uint32_t mask = table->mask;

	for (uint32_t at = (hole + 1) & mask; places[at].at != 0; at = (at + 1) & mask) {
		if (((at - places[at].tag) & mask) < ((at - hole) & mask))
			continue;
		places[hole] = places[at];
		hole = at;
	}
	places[hole].at = 0;
}

static void node_free(struct points_node *node)
{
	free(node->text);
	free(node);
}

void cv_points_table_drop(struct points_table *table, uint32_t idx)
{
	uint32_t last = table->n - 1;

	place_free(table, place_of(table, idx));
	node_free(table->nodes[idx]);
	if (idx != last) {
		table->places[place_of(table, last)].at = idx + 1;
		table->nodes[idx] = table->nodes[last];
	}
	table->n = last;
}

void cv_points_table_fini(struct points_table *table)
{
	for (uint32_t i = 0; i < table->n; i++)
		node_free(table->nodes[i]);
	free(table->nodes);
	free(table->places);
}
