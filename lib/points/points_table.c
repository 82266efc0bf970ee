/* SPDX-License-Identifier: BSD-3-Clause */

/* Nodes by name: an array, and an open hash of it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"

#include "points_priv.h"

#define PLACES_MIN 64

/* Names do not come from outside: no secret is needed. */
#define KEY 0x706f696e7473ULL

bool cv_points_name_make(const struct cv_points_series *series, struct points_name *ret)
{
	const struct cv_points_dim *dims[CV_POINTS_DIMS_MAX];
	const char *const heads[] = {series->owner, series->ns, series->name};
	FILE *out = open_memstream(&ret->text, &ret->len);

	if (out == NULL)
		return false;
	for (uint32_t i = 0; i < series->n_dims; i++) {
		uint32_t k = i;

		for (; k > 0 && strcmp(dims[k - 1]->name, series->dims[i].name) > 0; k--)
			dims[k] = dims[k - 1];
		dims[k] = &series->dims[i];
	}
	for (size_t i = 0; i < CV_ARRAY_LEN(heads); i++)
		fwrite(heads[i], 1, strlen(heads[i]) + 1, out);
	for (uint32_t i = 0; i < series->n_dims; i++) {
		fwrite(dims[i]->name, 1, strlen(dims[i]->name) + 1, out);
		fwrite(dims[i]->value, 1, strlen(dims[i]->value) + 1, out);
	}
	if (fclose(out) != 0) {
		free(ret->text);
		return false;
	}
	ret->hash = cv_siphash(ret->text, ret->len, KEY, KEY);
	return true;
}

uint32_t cv_points_table_find(const struct points_table *table, const struct points_name *name)
{
	for (uint64_t at = name->hash; table->places != NULL; at++) {
		uint32_t place = table->places[at & table->mask];
		const struct points_node *node;

		if (place == 0)
			break;
		node = table->nodes[place - 1];
		if (node->hash == name->hash && node->len == name->len &&
		    memcmp(node->text, name->text, name->len) == 0)
			return place - 1;
	}
	return UINT32_MAX;
}

static void place_put(struct points_table *table, uint32_t idx)
{
	uint64_t at = table->nodes[idx]->hash;

	while (table->places[at & table->mask] != 0)
		at++;
	table->places[at & table->mask] = idx + 1;
}

static void places_fill(struct points_table *table)
{
	memset(table->places, 0, ((size_t)table->mask + 1) * sizeof(*table->places));
	for (uint32_t i = 0; i < table->n; i++)
		place_put(table, i);
}

/* Room for one more: at most half of the places are taken. */
static bool grow(struct points_table *table)
{
	uint32_t cap = table->cap == 0 ? PLACES_MIN / 2 : table->cap * 2;
	struct points_node **nodes;
	uint32_t *places;

	if (table->n < table->cap)
		return true;
	places = calloc((size_t)cap * 2, sizeof(*places));
	if (places == NULL)
		return false;
	nodes = realloc(table->nodes, cap * sizeof(struct points_node *));
	if (nodes == NULL) {
		free(places);
		return false;
	}
	free(table->places);
	table->nodes = nodes;
	table->places = places;
	table->cap = cap;
	table->mask = cap * 2 - 1;
	places_fill(table);
	return true;
}

void *cv_points_table_add(struct points_table *table, size_t size, const struct points_name *name)
{
	struct points_node *node = calloc(1, size);

	if (node == NULL || !grow(table)) {
		free(node);
		return NULL;
	}
	node->hash = name->hash;
	node->text = name->text;
	node->len = name->len;
	table->nodes[table->n] = node;
	place_put(table, table->n++);
	return node;
}

static void node_free(struct points_node *node)
{
	free(node->text);
	free(node);
}

void cv_points_table_expire(struct points_table *table, uint64_t minute)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < table->n; i++) {
		if (table->nodes[i]->minute >= minute)
			table->nodes[n++] = table->nodes[i];
		else
			node_free(table->nodes[i]);
	}
	if (n == table->n)
		return;
	table->n = n;
	places_fill(table);
}

void cv_points_table_fini(struct points_table *table)
{
	for (uint32_t i = 0; i < table->n; i++)
		node_free(table->nodes[i]);
	free(table->nodes);
	free(table->places);
}
