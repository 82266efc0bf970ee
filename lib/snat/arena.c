/* SPDX-License-Identifier: BSD-3-Clause */

/* Where pools live: one mapping for many, of which only touched pages cost memory. */

#include "snat_priv.h"

#include <string.h>
#include <sys/mman.h>

#define PAGE ((size_t)4096)
#define HUGE_PAGE ((size_t)2 << 20)
/*
 * Return packets touch owner words at random: of 10 million flows, huge pages save 8 to 20 of 100
 * cycles a packet. The words of many pools share one, so only the first 240 pools of a registry get
 * them: what flows that are few, one in each pool, can commit stays below 53 MB.
 */
#define HUGE_POOLS_MAX 128

static size_t align_up(size_t len, size_t to)
{
	return (len + to - 1) / to * to;
}

/* Ports dealt in turn leave no slice empty. With a map each worker has its own, be it empty. */
static uint16_t n_slices_get(const struct cv_snat_cfg *cfg)
{
	if (cfg->map != NULL || cfg->n_slices < cfg->n_ports)
		return cfg->n_slices;
	return cfg->n_ports;
}

struct cv_snat_arena *cv_snat_arena_create(const struct cv_snat_cfg *cfg, uint32_t cap, bool shared)
{
	uint16_t n_slices = n_slices_get(cfg);
	/* A shared arena gives the pages of a pool back when that ends: each has its own. */
	size_t to = shared ? PAGE : CV_CACHE_LINE;
	size_t owners_len = align_up(cfg->n_ports * sizeof(uint32_t), to);
	size_t slots_len = align_up(cfg->n_ports * sizeof(uint64_t), to);
	size_t pools_ofs = align_up(sizeof(struct cv_snat_arena), CV_CACHE_LINE);
	size_t slices_ofs = pools_ofs + cap * sizeof(struct cv_snat_pool);
	size_t idx_ofs = slices_ofs + (size_t)cap * n_slices * sizeof(struct cv_snat_slice);
	size_t owners_ofs = align_up(idx_ofs + cap * sizeof(uint32_t), to);
	bool huge = shared && cap <= HUGE_POOLS_MAX && cap * owners_len >= HUGE_PAGE;
	size_t len = owners_ofs + cap * (owners_len + slots_len) + (huge ? HUGE_PAGE : 0);
	struct cv_snat_arena *arena;
	uint8_t *mem;

	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (mem == MAP_FAILED)
		return NULL;
	/* A huge page would commit at once what most pools never use. No harm if it is refused. */
	(void)madvise(mem, len, MADV_NOHUGEPAGE);
	if (huge) {
		owners_ofs = align_up((uintptr_t)mem + owners_ofs, HUGE_PAGE) - (uintptr_t)mem;
		(void)madvise(mem + owners_ofs, cap * owners_len, MADV_HUGEPAGE);
	}
	arena = (struct cv_snat_arena *)(void *)mem;
	arena->map_len = len;
	arena->pools = (struct cv_snat_pool *)(void *)(mem + pools_ofs);
	arena->slices = (struct cv_snat_slice *)(void *)(mem + slices_ofs);
	arena->idx = (uint32_t *)(void *)(mem + idx_ofs);
	arena->owners = mem + owners_ofs;
	arena->slots = mem + owners_ofs + cap * owners_len;
	arena->owners_len = owners_len;
	arena->slots_len = slots_len;
	arena->map = cfg->map;
	arena->seed = cfg->seed;
	arena->cap = cap;
	arena->free_head = cap;
	arena->n_ports = cfg->n_ports;
	arena->n_slices = n_slices;
	arena->shared = shared;
	return arena;
}

static void unmap_if_over(struct cv_snat_arena *arena)
{
	if (!arena->shared && arena->n_live == 0)
		(void)munmap(arena, arena->map_len);
}

void cv_snat_arena_leave(struct cv_snat_arena *arena)
{
	arena->shared = false;
	unmap_if_over(arena);
}

bool cv_snat_arena_has_room(const struct cv_snat_arena *arena, const struct cv_snat_cfg *cfg)
{
	return arena->n_live < arena->cap && arena->n_ports == cfg->n_ports &&
	       arena->n_slices == n_slices_get(cfg) && arena->map == cfg->map &&
	       arena->seed == cfg->seed;
}

struct cv_snat_pool *cv_snat_arena_pool_get(struct cv_snat_arena *arena,
					    const struct cv_snat_cfg *cfg,
					    const struct cv_snat_new *new)
{
	struct cv_snat_pool *pool;
	uint32_t i = arena->free_head;

	if (i != arena->cap)
		arena->free_head = arena->idx[i];
	else
		i = arena->n_made++;
	cv_assert(i < arena->cap);
	arena->n_live++;
	arena->idx[i] = new->idx;
	pool = &arena->pools[i];
	pool->owner_inv = (_Atomic uint32_t *)(void *)(arena->owners + i * arena->owners_len);
	pool->slots = (_Atomic uint64_t *)(void *)(arena->slots + i * arena->slots_len);
	pool->slices = &arena->slices[(size_t)i * arena->n_slices];
	pool->arena = arena;
	pool->seed = cv_siphash(new->key, sizeof(*new->key), cfg->seed, 0);
	pool->port_first = cfg->port_first;
	pool->n_ports = cfg->n_ports;
	pool->n_slices = (uint8_t)arena->n_slices;
	pool->layout = new->layout;
	pool->one_thread = cfg->one_thread;
	atomic_init(&pool->rest_ms, cfg->rest_ms);
	pool->key = *new->key;
	return pool;
}

/* Makes a place all zero again, as a new pool wants it. Costs nothing if no port was ever taken. */
static void place_clear(struct cv_snat_arena *arena, uint32_t i)
{
	struct cv_snat_slice *slices = arena->pools[i].slices;
	bool used = false;

	for (unsigned int k = 0; k < arena->n_slices; k++)
		used = used || atomic_load_explicit(&slices[k].fresh, memory_order_relaxed) != 0;
	if (!used)
		return;
	memset(slices, 0, arena->n_slices * sizeof(*slices));
	/* These give the pages back. Of memory that is locked they cannot: then it is zeroed. */
	if (madvise(arena->owners + i * arena->owners_len, arena->owners_len, MADV_DONTNEED) != 0)
		memset(arena->owners + i * arena->owners_len, 0, arena->owners_len);
	if (madvise(arena->slots + i * arena->slots_len, arena->slots_len, MADV_DONTNEED) != 0)
		memset(arena->slots + i * arena->slots_len, 0, arena->slots_len);
}

void cv_snat_pool_destroy(struct cv_snat_pool *pool)
{
	struct cv_snat_arena *arena;
	uint32_t i;

	if (pool == NULL)
		return;
	arena = pool->arena;
	i = (uint32_t)(pool - arena->pools);
	if (arena->shared) {
		place_clear(arena, i);
		arena->idx[i] = arena->free_head;
		arena->free_head = i;
	}
	arena->n_live--;
	unmap_if_over(arena);
}

struct cv_snat_pool *cv_snat_pool_create(const struct cv_snat_key *key,
					 const struct cv_snat_cfg *cfg, uint32_t idx)
{
	struct cv_snat_new new = {.key = key, .idx = idx};
	struct cv_snat_cfg settled = *cfg;
	struct cv_snat_arena *arena;

	cv_snat_cfg_check(cfg);
	new.layout = cv_snat_map_layout_get(key, &settled);
	arena = cv_snat_arena_create(&settled, 1, false);
	return arena != NULL ? cv_snat_arena_pool_get(arena, &settled, &new) : NULL;
}

uint32_t cv_snat_pool_idx(const struct cv_snat_pool *pool)
{
	return pool->arena->idx[pool - pool->arena->pools];
}
