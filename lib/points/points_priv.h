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

/** Where a node is, and enough of its hash to pass over most others without a look at them. */
struct points_place {
	uint32_t tag; /**< upper half of the hash */
	uint32_t at;  /**< 1 + index into nodes; 0: free */
};

/** Nodes by name. */
struct points_table {
	struct points_node **nodes; /**< shape [n], room for [cap] */
	uint32_t n, cap;
	struct points_place *places; /**< shape [mask + 1] */
	uint32_t mask;
};

/** Bytes of a name that need no heap. */
#define POINTS_NAME_ROOM 1024

/** A name: its parts, and what a node of it needs. */
struct points_name {
	char *text; /**< room, or heap */
	size_t len;
	uint64_t hash;
	char room[POINTS_NAME_ROOM];
};

/** Make the name of a series. @return whether there was memory; @owner caller, cv_points_name_fini() */
bool cv_points_name_make(const struct cv_points_series *series, struct points_name *ret);

/** Free what a name holds. */
void cv_points_name_fini(struct points_name *name);

/** Find a node. @return its index, or UINT32_MAX */
uint32_t cv_points_table_find(const struct points_table *table, const struct points_name *name);

/**
 * Add a node, which must not be there.
 *
 * @param size  bytes of it, zeroed but for the node
 * @return NULL if memory ran out
 */
void *cv_points_table_add(struct points_table *table, size_t size, const struct points_name *name);

/** Drop a node; the last one takes its place. O(1) */
void cv_points_table_drop(struct points_table *table, uint32_t idx);

/** Free all. */
void cv_points_table_fini(struct points_table *table);
