/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The servers' flows: 32 bytes each, found by the peer's address and port and by which server. Fixed
 * size; open addressing with the whole hash beside the index, so that a miss touches one cache line.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_net.h"

#include "plan.h"
#include "tcb.h"

/** A flow of the servers. */
struct cb_sflow {
	struct cb_tcb t;
	uint32_t id; /**< the client's, once it said so; free: next free + 1 */
	cv_be32_t peer_ip;
	cv_be16_t peer_port;
	uint8_t local; /**< which server */
	uint8_t mac;   /**< which peer MAC */
};

_Static_assert(sizeof(struct cb_sflow) == 32, "two to a cache line");

/** A place in the index. */
struct cb_slot {
	uint32_t hash;
	uint32_t flow; /**< index + 1; 0: empty */
};

/** All flows of the servers. */
struct cb_table {
	struct cb_slot *slots;  /**< shape [mask + 1] */
	struct cb_sflow *flows; /**< shape [cap] */
	uint32_t mask, cap;
	uint32_t n, n_top; /**< in use; highest index ever used + 1 */
	uint32_t free;     /**< index + 1 */
	uint64_t key;
};

/** Memory of zeros, in huge pages if the system likes. @return NULL if there is none */
void *cb_mem_alloc(size_t len);
/** Give it back. NULL is fine. */
void cb_mem_free(void *mem, size_t len);

/** Make a table. @return 0 or -ENOMEM */
int cb_table_init(struct cb_table *table, uint32_t cap, uint64_t key);
/** Free what it holds. */
void cb_table_fini(struct cb_table *table);

/** Hash of a flow's name. */
static inline uint32_t cb_table_hash(const struct cb_table *t, cv_be32_t ip, cv_be16_t port,
				     uint8_t local)
{
	return (uint32_t)cb_mix(t->key ^ ((uint64_t)ip << 32 | (uint32_t)port << 16 | local));
}

/** Bring a flow's place in the index near. */
static inline void cb_table_prefetch(const struct cb_table *t, uint32_t hash)
{
	__builtin_prefetch(&t->slots[hash & t->mask]);
}

/** Bring the flow near whose hash is in its place; call cb_table_prefetch() before. */
static inline void cb_table_prefetch_flow(const struct cb_table *t, uint32_t hash)
{
	const struct cb_slot *slot = &t->slots[hash & t->mask];

	if (slot->flow != 0)
		__builtin_prefetch(&t->flows[slot->flow - 1]);
}

/** Find a flow. @return NULL if there is none */
static inline struct cb_sflow *cb_table_find(const struct cb_table *t, uint32_t hash, cv_be32_t ip,
					     cv_be16_t port, uint8_t local)
{
	for (uint32_t i = hash & t->mask; t->slots[i].flow != 0; i = (i + 1) & t->mask) {
		struct cb_sflow *f;

		if (t->slots[i].hash != hash)
			continue;
		f = &t->flows[t->slots[i].flow - 1];
		if (f->peer_ip == ip && f->peer_port == port && f->local == local)
			return f;
	}
	return NULL;
}

/** Add a flow that is not there. @return NULL if the table is full */
struct cb_sflow *cb_table_add(struct cb_table *table, uint32_t hash, cv_be32_t ip, cv_be16_t port,
			      uint8_t local);

/** Remove a flow. */
void cb_table_del(struct cb_table *table, struct cb_sflow *flow);
