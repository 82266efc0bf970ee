/* SPDX-License-Identifier: BSD-3-Clause */

#include "snat_priv.h"

#include <errno.h>

/*
 * Fresh ports go out chunk by chunk, in random order within a chunk, so that a pool's memory is
 * touched chunk by chunk too.
 */
#define CHUNK_BITS 10
#define CHUNK_LEN (1U << CHUNK_BITS)

/*
 * A slot of a slice's FIFO: time of the free << 18 | lap << 16 | port as offset. 46 bits of
 * milliseconds never wrap. The slot that stands for position k of the queue has lap k / n + 1; what
 * it held before is one lap older, so the lap tells whether the freeing thread has stored it yet.
 */
#define SLOT_TIME_SHIFT 18
#define SLOT_LAP_SHIFT 16
#define SLOT_LAP_MASK 3U

/* A slice with what follows from its pool's settings. */
struct share {
	struct cv_snat_slice *slice;
	_Atomic uint64_t *slots; /* shape [n] */
	const uint16_t *offsets; /* shape [n]: its ports, ascending; NULL: every n_slices-th */
	uint32_t n;
};

/* Which slice a port (as offset from the first) belongs to. */
static unsigned int port_slice(const struct cv_snat_pool *pool, uint32_t offset)
{
	const struct cv_snat_map *map;

	if (pool->n_slices == 1)
		return 0;
	map = pool->arena->map;
	if (map == NULL)
		return offset % pool->n_slices;
	return cv_snat_map_slice(map, map->layouts[pool->layout],
				 (uint16_t)(pool->port_first + offset));
}

static uint32_t port_offset(const struct cv_snat_pool *pool, const struct share *s, uint32_t pos)
{
	if (s->offsets != NULL)
		return s->offsets[pos];
	return pos * pool->n_slices + (uint32_t)(s->slice - pool->slices);
}

static struct share share_get(const struct cv_snat_pool *pool, unsigned int slice)
{
	uint32_t n = pool->n_ports, left = 0;
	size_t first = 0;

	if (pool->n_slices > 1) {
		const struct cv_snat_map *map = pool->arena->map;

		if (map != NULL) {
			const struct cv_snat_layout *layout = map->layouts[pool->layout];

			first = layout->first[slice];
			n = layout->first[slice + 1] - layout->first[slice];
			return (struct share){&pool->slices[slice], &pool->slots[first],
					      &layout->offsets[first], n};
		}
		/* The first `left` slices have one port more than the others. */
		n = (uint32_t)pool->n_ports / pool->n_slices;
		left = pool->n_ports - n * pool->n_slices;
		first = (size_t)slice * n + (slice < left ? slice : left);
	}
	return (struct share){&pool->slices[slice], &pool->slots[first], NULL, n + (slice < left)};
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0x9fb21c651e98df25;
	x ^= x >> 28;
	x *= 0x9fb21c651e98df25;
	return x ^ x >> 32;
}

/*
 * A bijection on 0..n-1, n <= CHUNK_LEN: one on the next power of two, walked until it lands
 * inside, which takes less than two steps on average.
 */
static uint32_t scatter(uint64_t key, uint32_t i, uint32_t n)
{
	unsigned int bits = n > 1 ? 32 - (unsigned int)__builtin_clz(n - 1) : 0;
	unsigned int half = bits / 2 + 1;
	uint32_t mask = (1U << bits) - 1;
	uint32_t k[4] = {(uint32_t)key, (uint32_t)(key >> 16), (uint32_t)(key >> 32),
			 (uint32_t)(key >> 48)};

	do {
		i = (i ^ k[0]) & mask;
		i = i * (k[1] | 1) & mask;
		i ^= i >> half;
		i = i * (k[2] | 1) & mask;
		i ^= i >> half;
		i = (i + k[3]) & mask;
	} while (i >= n);
	return i;
}

/*
 * Position of the i-th fresh port of a slice of n: whole chunks in an order that looks random, what is
 * left over last.
 */
static uint32_t fresh_pos(uint64_t seed, uint32_t i, uint32_t n)
{
	uint32_t n_whole = n / CHUNK_LEN;
	uint32_t chunk = i / CHUNK_LEN;
	uint32_t len = CHUNK_LEN;

	if (chunk < n_whole)
		chunk = scatter(seed, chunk, n_whole);
	else
		len = n % CHUNK_LEN;
	return chunk * CHUNK_LEN + scatter(mix(seed + chunk), i % CHUNK_LEN, len);
}

const struct cv_snat_key *cv_snat_pool_key(const struct cv_snat_pool *pool)
{
	return &pool->key;
}

struct cv_snat_cfg cv_snat_pool_cfg(const struct cv_snat_pool *pool)
{
	return (struct cv_snat_cfg){
		.port_first = pool->port_first,
		.n_ports = pool->n_ports,
		.rest_ms = atomic_load_explicit(&pool->rest_ms, memory_order_relaxed),
		.n_slices = pool->n_slices,
		.one_thread = pool->one_thread,
		.seed = pool->arena->seed,
		.map = pool->arena->map,
	};
}

void cv_snat_pool_rest_set(struct cv_snat_pool *pool, uint32_t rest_ms)
{
	atomic_store_explicit(&pool->rest_ms, rest_ms, memory_order_relaxed);
}

/* Adds one and returns what was there. */
static uint64_t take_u64(_Atomic uint64_t *ctr, bool one_thread)
{
	uint64_t was;

	if (!one_thread)
		return atomic_fetch_add_explicit(ctr, 1, memory_order_relaxed);
	was = atomic_load_explicit(ctr, memory_order_relaxed);
	atomic_store_explicit(ctr, was + 1, memory_order_relaxed);
	return was;
}

static bool alloc_fresh(const struct cv_snat_pool *pool, struct share s, uint32_t *ret_offset)
{
	uint32_t i = atomic_load_explicit(&s.slice->fresh, memory_order_relaxed);

	/* Looked at first, so that the counter overshoots by no more than the threads there are. */
	if (i >= s.n)
		return false;
	if (pool->one_thread)
		atomic_store_explicit(&s.slice->fresh, i + 1, memory_order_relaxed);
	else
		i = atomic_fetch_add_explicit(&s.slice->fresh, 1, memory_order_relaxed);
	if (i >= s.n)
		return false;
	i = fresh_pos(mix(pool->seed + (uint64_t)(s.slice - pool->slices)), i, s.n);
	*ret_offset = port_offset(pool, &s, i);
	return true;
}

/* Tells whether the slot of queue position `at` has been stored, and when its port was freed. */
static bool slot_read(struct share s, uint64_t at, uint64_t *ret_slot)
{
	/* Acquire: what the freeing thread did with the port happened before. */
	*ret_slot = atomic_load_explicit(&s.slots[at % s.n], memory_order_acquire);
	return (*ret_slot >> SLOT_LAP_SHIFT & SLOT_LAP_MASK) == ((at / s.n + 1) & SLOT_LAP_MASK);
}

static bool slot_rested(uint64_t slot, uint64_t now_ms, uint32_t rest_ms)
{
	return now_ms >= (slot >> SLOT_TIME_SHIFT) + rest_ms;
}

static bool alloc_rested(struct cv_snat_pool *pool, struct share s, uint64_t now_ms,
			 uint32_t *ret_offset)
{
	uint32_t rest_ms = atomic_load_explicit(&pool->rest_ms, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&s.slice->head, memory_order_acquire);
	uint64_t slot;

	if (s.n == 0)
		return false;
	for (;;) {
		if (!slot_read(s, head, &slot)) {
			uint64_t again = atomic_load_explicit(&s.slice->head, memory_order_acquire);

			/* Empty, or being stored; or others took this one and the lap is over. */
			if (again == head)
				return false;
			head = again;
			continue;
		}
		if (!slot_rested(slot, now_ms, rest_ms))
			return false;
		if (pool->one_thread) {
			atomic_store_explicit(&s.slice->head, head + 1, memory_order_relaxed);
			break;
		}
		/* Fails when another thread took the port; then head is loaded again. */
		if (atomic_compare_exchange_weak_explicit(&s.slice->head, &head, head + 1,
							  memory_order_acq_rel,
							  memory_order_acquire))
			break;
	}
	*ret_offset = slot & UINT16_MAX;
	return true;
}

int cv_snat_try(struct cv_snat_pool *pool, unsigned int slice, uint64_t now_ms, uint32_t owner,
		uint16_t *ret_port)
{
	unsigned int first = slice;

	cv_dassert(slice < pool->n_slices && owner != CV_SNAT_NONE);
	do {
		struct share s = share_get(pool, slice);
		uint32_t offset;

		if (alloc_fresh(pool, s, &offset) || alloc_rested(pool, s, now_ms, &offset)) {
			atomic_store_explicit(&pool->owner_inv[offset], ~owner,
					      memory_order_relaxed);
			*ret_port = (uint16_t)(pool->port_first + offset);
			return 0;
		}
		slice = slice + 1 < pool->n_slices ? slice + 1 : 0;
	} while (slice != first);
	return -EADDRNOTAVAIL;
}

void cv_snat_refused(struct cv_snat_pool *pool, unsigned int slice)
{
	(void)take_u64(&pool->slices[slice].errors, pool->one_thread);
}

void cv_snat_free(struct cv_snat_pool *pool, uint16_t port, uint64_t now_ms)
{
	uint32_t offset = (uint32_t)port - pool->port_first;
	struct share s;
	uint64_t at;

	cv_assert(offset < pool->n_ports);
	s = share_get(pool, port_slice(pool, offset));
	/*
	 * There is always room: the queue holds a slot for every port of the slice, and the slot of
	 * position `at` was taken from before this port could be given out.
	 */
	at = take_u64(&s.slice->tail, pool->one_thread);
	atomic_store_explicit(&s.slots[at % s.n],
			      now_ms << SLOT_TIME_SHIFT |
				      ((at / s.n + 1) & SLOT_LAP_MASK) << SLOT_LAP_SHIFT | offset,
			      memory_order_release);
}

/* Ports at the front of the queue [head, tail) that have rested: times rise along the queue. */
static uint32_t n_rested(struct share s, uint64_t head, uint64_t tail, uint64_t now_ms,
			 uint32_t rest_ms)
{
	uint64_t lo = head, hi = tail;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		uint64_t slot;

		if (slot_read(s, mid, &slot) && slot_rested(slot, now_ms, rest_ms))
			lo = mid + 1;
		else
			hi = mid;
	}
	return (uint32_t)(lo - head);
}

void cv_snat_counts(const struct cv_snat_pool *pool, uint64_t now_ms,
		    struct cv_snat_counts *ret_counts)
{
	struct cv_snat_counts sum = {0};
	uint32_t rest_ms = atomic_load_explicit(&pool->rest_ms, memory_order_relaxed);

	for (unsigned int i = 0; i < pool->n_slices; i++) {
		struct share s = share_get(pool, i);
		/* In this order, so that an allocation does not make the queue seem longer. */
		uint64_t tail = atomic_load_explicit(&s.slice->tail, memory_order_acquire);
		uint64_t head = atomic_load_explicit(&s.slice->head, memory_order_acquire);
		uint32_t fresh = atomic_load_explicit(&s.slice->fresh, memory_order_relaxed);
		uint32_t rested, queued;

		if (head > tail)
			head = tail;
		if (fresh > s.n)
			fresh = s.n;
		queued = (uint32_t)(tail - head);
		if (queued > fresh)
			queued = fresh;
		rested = n_rested(s, head, head + queued, now_ms, rest_ms);
		sum.used += fresh - queued;
		sum.resting += queued - rested;
		sum.free += s.n - fresh + rested;
		sum.taken += fresh + head;
		sum.errors += atomic_load_explicit(&s.slice->errors, memory_order_relaxed);
	}
	*ret_counts = sum;
}
