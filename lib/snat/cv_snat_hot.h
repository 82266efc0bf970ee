/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The return path's lookup: from the port that a target answered to, to the flow.
 *
 * @threads any worker
 */

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_snat.h"

struct cv_snat_slice; /* snat_priv.h */
struct cv_snat_arena; /* snat_priv.h */

/**
 * A pool. Set at creation and only read afterwards, but for rest_ms (control writes) and what the
 * pointers lead to (workers write).
 */
struct cv_snat_pool {
	/** Shape [n_ports]: inverted owner words; 0 = none yet. */
	CV_CACHE_ALIGNED _Atomic uint32_t *owner_inv;
	_Atomic uint64_t *slots; /**< shape [n_ports]: the slices' FIFOs, one behind the other */
	struct cv_snat_slice *slices; /**< shape [n_slices] */
	struct cv_snat_arena *arena;  /**< where all of it lives */
	uint64_t seed;                /**< of the order of ports */
	uint16_t port_first;
	uint16_t n_ports;
	uint8_t n_slices;
	bool one_thread;
	uint16_t layout; /**< which of the map's, if the arena has one */
	_Atomic uint32_t rest_ms;
	struct cv_snat_key key;
};

_Static_assert(sizeof(struct cv_snat_pool) == CV_CACHE_LINE, "one line per lookup, and unused");

/**
 * The flow that a port stands for, also for a while after its end.
 *
 * The word alone orders nothing: a worker other than the owner may see it a moment late and must
 * only use it to find the owner, which then checks the flow's own addresses and ports.
 *
 * @param port  host order, any value
 * @return the owner word of the last allocation; CV_SNAT_NONE for a port that is not of this pool
 *         or was never given out
 */
static inline uint32_t cv_snat_owner(const struct cv_snat_pool *pool, uint16_t port)
{
	uint32_t i = (uint32_t)port - pool->port_first;

	if (i >= pool->n_ports)
		return CV_SNAT_NONE;
	return ~atomic_load_explicit(&pool->owner_inv[i], memory_order_relaxed);
}

/** Start to load what cv_snat_owner() reads. @param port host order, any value */
static inline void cv_snat_owner_prefetch(const struct cv_snat_pool *pool, uint16_t port)
{
	uint32_t i = (uint32_t)port - pool->port_first;

	__builtin_prefetch(&pool->owner_inv[i < pool->n_ports ? i : 0]);
}
