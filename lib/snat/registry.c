/* SPDX-License-Identifier: BSD-3-Clause */

#include "snat_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_ENTRY UINT32_MAX
#define CAP_FIRST 16
/* Pools of the first arena and of the largest: about 10 MB to 2.7 GB of addresses, not of memory. */
#define ARENA_FIRST 16
#define ARENA_MAX 4096

_Static_assert(sizeof(struct cv_snat_key) == 12, "hashed and compared as bytes: no padding");

/* With the key, so that a search does not touch the pools. */
struct entry {
	struct cv_snat_key key;
	uint32_t next; /* entry in the same bucket */
	struct cv_snat_pool *pool;
	uint32_t hash;
	uint32_t idx; /* the pool's number */
};

struct cv_snat_registry {
	struct entry *entries; /* shape [cap], n in use, no holes */
	uint32_t *buckets;     /* shape [cap], a power of two: first entry */
	uint32_t n, cap;
	struct cv_snat_arena *arenas; /* latest first */
	uint32_t next_idx; /* numbers are not used again: what names a pool names it for ever */
	uint32_t n_rest;   /* the first so many have rest_ms */
	uint32_t rest_ms;
};

/* The keys are the configuration's: nobody chooses them to collide. */
static uint32_t key_hash(const struct cv_snat_key *key)
{
	uint64_t ips = (uint64_t)key->node_ip << 32 | key->target_ip;
	uint64_t rest = (uint64_t)key->vpc << 16 | key->target_port;
	unsigned __int128 m =
		(unsigned __int128)(ips ^ 0x9fb21c651e98df25) * (rest ^ 0x9e3779b97f4a7c15);

	return (uint32_t)((uint64_t)m >> 32) ^ (uint32_t)(m >> 64);
}

static void link_entry(struct cv_snat_registry *registry, uint32_t i)
{
	uint32_t *head = &registry->buckets[registry->entries[i].hash & (registry->cap - 1)];

	registry->entries[i].next = *head;
	*head = i;
}

static void link_all(struct cv_snat_registry *registry)
{
	memset(registry->buckets, 0xff, registry->cap * sizeof(*registry->buckets));
	for (uint32_t i = 0; i < registry->n; i++)
		link_entry(registry, i);
}

static int grow(struct cv_snat_registry *registry)
{
	uint32_t cap = registry->cap == 0 ? CAP_FIRST : registry->cap * 2;
	struct entry *entries = malloc(cap * sizeof(*entries));
	uint32_t *buckets = malloc(cap * sizeof(*buckets));

	if (entries == NULL || buckets == NULL) {
		free(entries);
		free(buckets);
		return -ENOMEM;
	}
	if (registry->n > 0)
		memcpy(entries, registry->entries, registry->n * sizeof(*entries));
	free(registry->entries);
	free(registry->buckets);
	registry->entries = entries;
	registry->buckets = buckets;
	registry->cap = cap;
	link_all(registry);
	return 0;
}

struct cv_snat_registry *cv_snat_registry_create(void)
{
	return calloc(1, sizeof(struct cv_snat_registry));
}

void cv_snat_registry_destroy(struct cv_snat_registry *registry)
{
	if (registry == NULL)
		return;
	/* Left first: then no pool's pages are given back one by one. */
	while (registry->arenas != NULL) {
		struct cv_snat_arena *arena = registry->arenas;

		registry->arenas = arena->next;
		cv_snat_arena_leave(arena);
	}
	for (uint32_t i = 0; i < registry->n; i++)
		cv_snat_pool_destroy(registry->entries[i].pool);
	free(registry->entries);
	free(registry->buckets);
	free(registry);
}

static uint32_t find_hashed(const struct cv_snat_registry *registry, const struct cv_snat_key *key,
			    uint32_t hash)
{
	uint32_t i;

	if (registry->n == 0)
		return NO_ENTRY;
	i = registry->buckets[hash & (registry->cap - 1)];
	while (i != NO_ENTRY) {
		const struct entry *entry = &registry->entries[i];

		if (entry->hash == hash && memcmp(&entry->key, key, sizeof(*key)) == 0)
			return i;
		i = entry->next;
	}
	return NO_ENTRY;
}

bool cv_snat_registry_seek(const struct cv_snat_registry *registry, const struct cv_snat_key *key,
			   uint32_t *at)
{
	uint32_t i = *at;

	if (i >= registry->n || memcmp(&registry->entries[i].key, key, sizeof(*key)) != 0)
		i = find_hashed(registry, key, key_hash(key));
	if (i == NO_ENTRY)
		return false;
	*at = i;
	return true;
}

/* An arena with room for a pool, mapped if there is none. Each is twice as large as the one before. */
static struct cv_snat_arena *arena_get(struct cv_snat_registry *registry,
				       const struct cv_snat_cfg *cfg)
{
	struct cv_snat_arena *arena = registry->arenas;
	uint32_t cap = ARENA_FIRST;

	if (arena != NULL)
		cap = arena->cap < ARENA_MAX ? arena->cap * 2 : ARENA_MAX;
	for (; arena != NULL; arena = arena->next) {
		if (cv_snat_arena_has_room(arena, cfg))
			return arena;
	}
	arena = cv_snat_arena_create(cfg, cap, true);
	if (arena != NULL) {
		arena->next = registry->arenas;
		registry->arenas = arena;
	}
	return arena;
}

int cv_snat_registry_get(struct cv_snat_registry *registry, const struct cv_snat_key *key,
			 const struct cv_snat_cfg *cfg, struct cv_snat_pool **ret_pool)
{
	uint32_t hash = key_hash(key);
	uint32_t at = find_hashed(registry, key, hash);
	struct cv_snat_new new = {.key = key};
	struct cv_snat_pool *pool;
	struct cv_snat_cfg settled = *cfg;
	struct cv_snat_arena *arena;

	if (at != NO_ENTRY) {
		*ret_pool = registry->entries[at].pool;
		cv_snat_pool_rest_set(*ret_pool, cfg->rest_ms);
		registry->n_rest = at < registry->n_rest ? at : registry->n_rest;
		return 0;
	}
	cv_snat_cfg_check(cfg);
	if (registry->n == registry->cap && grow(registry) != 0)
		return -ENOMEM;
	new.layout = cv_snat_map_layout_get(key, &settled);
	arena = arena_get(registry, &settled);
	if (arena == NULL)
		return -ENOMEM;
	new.idx = registry->next_idx++;
	pool = cv_snat_arena_pool_get(arena, &settled, &new);
	registry->entries[registry->n] =
		(struct entry){.key = *key, .pool = pool, .hash = hash, .idx = new.idx};
	link_entry(registry, registry->n++);
	*ret_pool = pool;
	return 0;
}

uint32_t cv_snat_registry_n(const struct cv_snat_registry *registry)
{
	return registry->n;
}

struct cv_snat_pool *cv_snat_registry_at(const struct cv_snat_registry *registry, uint32_t i)
{
	cv_assert(i < registry->n);
	return registry->entries[i].pool;
}

const struct cv_snat_key *cv_snat_registry_key(const struct cv_snat_registry *registry, uint32_t i)
{
	cv_assert(i < registry->n);
	return &registry->entries[i].key;
}

uint32_t cv_snat_registry_idx(const struct cv_snat_registry *registry, uint32_t i)
{
	cv_assert(i < registry->n);
	return registry->entries[i].idx;
}

void cv_snat_registry_rest_set(struct cv_snat_registry *registry, uint32_t rest_ms)
{
	if (rest_ms != registry->rest_ms)
		registry->n_rest = 0;
	for (uint32_t i = registry->n_rest; i < registry->n; i++)
		cv_snat_pool_rest_set(registry->entries[i].pool, rest_ms);
	registry->n_rest = registry->n;
	registry->rest_ms = rest_ms;
}

uint32_t cv_snat_registry_reap(struct cv_snat_registry *registry, cv_snat_wanted_fn *wanted,
			       void *arg, uint64_t now_ms, struct cv_snat_pool **ret_pools,
			       uint32_t cap)
{
	uint32_t n_reaped = 0;
	uint32_t n_kept = 0;

	for (uint32_t i = 0; i < registry->n; i++) {
		struct cv_snat_pool *pool = registry->entries[i].pool;
		struct cv_snat_counts counts = {0};
		bool keep = n_reaped == cap || wanted(pool, arg);

		if (!keep) {
			cv_snat_counts(pool, now_ms, &counts);
			keep = counts.used > 0 || counts.resting > 0;
		}
		if (keep)
			registry->entries[n_kept++] = registry->entries[i];
		else
			ret_pools[n_reaped++] = pool;
	}
	if (n_reaped > 0) {
		registry->n = n_kept;
		registry->n_rest = 0;
		link_all(registry);
	}
	return n_reaped;
}
