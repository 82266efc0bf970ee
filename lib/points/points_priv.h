/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A table of things that are known by their names.
 */

#include <stddef.h>

#include "cv_points.h"

/** What everything in a table begins with. */
struct points_node {
	uint64_t hash;
	char *text; /**< the name, shape [len]: parts that end in NUL */
	size_t len;
	uint64_t minute; /**< of the last round that named it */
};

/** Nodes by name. */
struct points_table {
	struct points_node **nodes; /**< shape [n], room for [cap] */
	uint32_t n, cap;
	uint32_t *places; /**< shape [mask + 1]: 1 + index into nodes; 0: free */
	uint32_t mask;
};

/** A name in a buffer: its parts, and what a node of it needs. */
struct points_name {
	char *text; /**< heap */
	size_t len;
	uint64_t hash;
};

/** Make the name of a series. @return whether there was memory; @owner caller, free(ret->text) */
bool cv_points_name_make(const struct cv_points_series *series, struct points_name *ret);

/** Find a node. @return its index, or UINT32_MAX */
uint32_t cv_points_table_find(const struct points_table *table, const struct points_name *name);

/**
 * Add a node, which must not be there.
 *
 * @param size  bytes of it, zeroed but for the node
 * @param name  its text becomes the node's
 * @return NULL if memory ran out
 */
void *cv_points_table_add(struct points_table *table, size_t size, const struct points_name *name);

/** Drop nodes that no round has named since a minute. */
void cv_points_table_expire(struct points_table *table, uint64_t minute);

/** Free all. */
void cv_points_table_fini(struct points_table *table);
