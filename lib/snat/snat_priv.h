/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside snat: where the pools of one geometry live.
 *
 * An arena is one mapping for many pools of the same number of ports and slices, and of one map. What a
 * pool needs while it is unused is a line of 64 bytes; its slices, owner words and FIFO slots are valid
 * when all zero, so their pages cost nothing until a flow takes a port.
 *
 * @threads control
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_snat.h"
#include "cv_snat_hot.h"

/** One worker's share of a pool: all zero at first. Every thread may write it. */
struct cv_snat_slice {
	CV_CACHE_ALIGNED _Atomic uint64_t head; /**< queue position of the longest-resting port */
	_Atomic uint64_t tail;                  /**< queue position of the next freed port */
	_Atomic uint64_t errors;                /**< failed allocations that began here */
	_Atomic uint32_t fresh; /**< ports taken that were never used before; may overshoot */
};

_Static_assert(sizeof(struct cv_snat_slice) == CV_CACHE_LINE, "one line per worker");

/** Many pools in one mapping. */
struct cv_snat_arena {
	struct cv_snat_arena *next; /**< for the registry */
	size_t map_len;             /**< bytes of the mapping that starts here */
	struct cv_snat_pool *pools; /**< shape [cap] */
	uint32_t *idx; /**< shape [cap]: numbers of pools; of a free place the next one */
	struct cv_snat_slice *slices; /**< shape [cap][n_slices] */
	uint8_t *owners, *slots;      /**< shape [cap] of owners_len and slots_len bytes */
	size_t owners_len, slots_len;
	struct cv_snat_map *map; /**< of all its pools, or NULL */
	uint64_t seed;
	uint32_t cap;
	uint32_t n_made;    /**< places at or above were never used */
	uint32_t n_live;    /**< pools */
	uint32_t free_head; /**< first free place below n_made, cap if none */
	uint16_t n_ports, n_slices;
	bool shared; /**< gives places out again; else it ends with its last pool */
};

/** Which ports the slices of a pool have: the same for all whose fixed part hashes to one class. */
struct cv_snat_layout {
	uint32_t hash; /**< of a reply without its destination port, as far as it matters */
	uint32_t first[CV_SNAT_SLICES_MAX + 1]; /**< in offsets: where each slice begins */
	uint16_t offsets[]; /**< shape [n_ports]: ports from the first on, ascending by slice */
};

/** Most layouts of a map: two ranges of ports with as many classes as there can be. */
#define CV_SNAT_LAYOUTS_MAX (2 * CV_RSS_CLASSES_MAX)

/** See cv_snat.h. Workers read; control adds layouts, which only pools made later know of. */
struct cv_snat_map {
	struct cv_rss_table rss;
	uint32_t n;
	/** Shape [n]: what layouts are found by. */
	struct cv_snat_layout_key {
		uint32_t hash;
		uint16_t port_first, n_ports;
	} keys[CV_SNAT_LAYOUTS_MAX];
	struct cv_snat_layout *layouts[CV_SNAT_LAYOUTS_MAX]; /**< shape [n] */
};

/**
 * Settle the map of a pool to be made, and its layout there.
 *
 * @param[in,out] cfg  map is set to NULL where one is of no use or has no room
 * @return the layout's place in the map; 0 without map
 */
uint16_t cv_snat_map_layout_get(const struct cv_snat_key *key, struct cv_snat_cfg *cfg);

/** Slice of a port. @param port host order */
static inline unsigned int cv_snat_map_slice(const struct cv_snat_map *map,
					     const struct cv_snat_layout *layout, uint16_t port)
{
	return cv_rss_worker(&map->rss, layout->hash ^ cv_rss_dst_port_part(&map->rss, port));
}

/** Settings outside the ranges that cv_snat.h states are a bug. */
static inline void cv_snat_cfg_check(const struct cv_snat_cfg *cfg)
{
	cv_assert(cfg->n_ports >= 1 && cfg->port_first >= 1);
	cv_assert(cfg->port_first + cfg->n_ports <= UINT16_MAX + 1);
	cv_assert(cfg->n_slices >= 1 && cfg->n_slices <= CV_SNAT_SLICES_MAX);
}

/**
 * Map an arena.
 *
 * @param cfg     n_ports, n_slices, map and seed of all its pools
 * @param cap     pools, at least 1
 * @param shared  see the field
 * @return NULL when memory ran out
 */
struct cv_snat_arena *cv_snat_arena_create(const struct cv_snat_cfg *cfg, uint32_t cap,
					   bool shared);

/** Give no places out any more: unmapped now if it is empty, else with its last pool. */
void cv_snat_arena_leave(struct cv_snat_arena *arena);

/** Tell whether it can take a pool with these settings. */
bool cv_snat_arena_has_room(const struct cv_snat_arena *arena, const struct cv_snat_cfg *cfg);

/** What a pool to be made is like. */
struct cv_snat_new {
	const struct cv_snat_key *key;
	uint32_t idx;    /**< as for cv_snat_pool_create() */
	uint16_t layout; /**< from cv_snat_map_layout_get() */
};

/** Make a pool where there is room. @param cfg settled by cv_snat_map_layout_get() */
struct cv_snat_pool *cv_snat_arena_pool_get(struct cv_snat_arena *arena,
					    const struct cv_snat_cfg *cfg,
					    const struct cv_snat_new *new);
