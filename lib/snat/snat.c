/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_snat.h"
#include "cv_snat_hot.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cv_base.h"

/*
 * Fresh ports go out chunk by chunk, in random order within a chunk, so that a pool's memory is
 * touched chunk by chunk too.
 */
#define CHUNK_BITS 10
#define CHUNK_LEN (1U << CHUNK_BITS)
#define CHUNKS_MAX (UINT16_MAX / CHUNK_LEN)

/*
 * A slot of a slice's FIFO: time of the free << 18 | lap << 16 | position in the slice. 46 bits of
 * milliseconds never wrap. The slot that stands for position k of the queue has lap k / n + 1; what
 * it held before is one lap older, so the lap tells whether the freeing thread has stored it yet.
 */
#define SLOT_TIME_SHIFT 18
#define SLOT_LAP_SHIFT 16
#define SLOT_LAP_MASK 3U

/* One worker's share of a pool. Every thread may write the atomics; the rest is set at creation. */
struct cv_snat_slice {
	CV_CACHE_ALIGNED _Atomic uint64_t head; /* queue position of the longest-resting port */
	_Atomic uint64_t tail;                  /* queue position of the next freed port */
	_Atomic uint64_t errors;                /* failed allocations that began here */
	_Atomic uint64_t *slots;                /* shape [n] */
	uint64_t seed;
	_Atomic uint32_t fresh; /* ports taken that were never used before; may overshoot n */
	uint32_t n;
	CV_CACHE_ALIGNED uint8_t order[CHUNKS_MAX]; /* whole chunks, shuffled */
};

/* Which slice a port (as offset from the first) belongs to, its position there, and back. */
static unsigned int port_slice(const struct cv_snat_pool *pool, uint32_t offset)
{
	return offset % pool->n_slices;
}

static uint32_t port_pos(const struct cv_snat_pool *pool, uint32_t offset)
{
	return offset / pool->n_slices;
}

static uint32_t port_offset(const struct cv_snat_pool *pool, unsigned int slice, uint32_t pos)
{
	return pos * pool->n_slices + slice;
}

static uint32_t slice_len(uint32_t n_ports, unsigned int n_slices, unsigned int slice)
{
	return (n_ports - slice + n_slices - 1) / n_slices;
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

/* Position of the i-th fresh port: whole chunks in the shuffled order, what is left over last. */
static uint32_t fresh_pos(const struct cv_snat_slice *slice, uint32_t i)
{
	uint32_t n_whole = slice->n / CHUNK_LEN;
	uint32_t chunk = i / CHUNK_LEN;
	uint32_t len = CHUNK_LEN;

	if (chunk < n_whole)
		chunk = slice->order[chunk];
	else
		len = slice->n % CHUNK_LEN;
	return chunk * CHUNK_LEN + scatter(mix(slice->seed + chunk), i % CHUNK_LEN, len);
}

static void slice_init(struct cv_snat_slice *slice, uint32_t n, uint64_t seed,
		       _Atomic uint64_t *slots)
{
	uint32_t n_whole = n / CHUNK_LEN;

	slice->n = n;
	slice->seed = seed;
	slice->slots = slots;
	for (uint32_t i = 0; i < n_whole; i++) {
		uint32_t j = (uint32_t)(mix(seed ^ ~(uint64_t)i) % (i + 1));

		slice->order[i] = slice->order[j];
		slice->order[j] = (uint8_t)i;
	}
}

static size_t align_up(size_t len, size_t to)
{
	return (len + to - 1) / to * to;
}

/* Lays pool, slices, owner words and slots out in one mapping: only touched pages cost memory. */
struct cv_snat_pool *cv_snat_pool_create(const struct cv_snat_key *key,
					 const struct cv_snat_cfg *cfg, uint32_t idx)
{
	/* No slice is empty. */
	uint16_t n_slices = cfg->n_slices < cfg->n_ports ? cfg->n_slices : cfg->n_ports;
	size_t slices_ofs = align_up(sizeof(struct cv_snat_pool), CV_CACHE_LINE);
	size_t owner_ofs = slices_ofs + n_slices * sizeof(struct cv_snat_slice);
	size_t slots_ofs = align_up(owner_ofs + cfg->n_ports * sizeof(uint32_t), CV_CACHE_LINE);
	size_t len = slots_ofs + cfg->n_ports * sizeof(uint64_t);
	uint64_t seed = cv_siphash(key, sizeof(*key), cfg->seed, 0);
	struct cv_snat_pool *pool;
	_Atomic uint64_t *slots;
	uint8_t *mem;

	cv_assert(cfg->n_ports >= 1 && cfg->port_first >= 1);
	cv_assert(cfg->port_first + cfg->n_ports <= UINT16_MAX + 1);
	cv_assert(cfg->n_slices >= 1 && cfg->n_slices <= CV_SNAT_SLICES_MAX);
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		   -1, 0);
	if (mem == MAP_FAILED)
		return NULL;
	/* A huge page would commit at once what most pools never use. No harm if it is refused. */
	(void)madvise(mem, len, MADV_NOHUGEPAGE);
	pool = (struct cv_snat_pool *)mem;
	pool->owner_inv = (_Atomic uint32_t *)(mem + owner_ofs);
	pool->slices = (struct cv_snat_slice *)(mem + slices_ofs);
	pool->port_first = cfg->port_first;
	pool->n_ports = cfg->n_ports;
	pool->n_slices = n_slices;
	pool->one_thread = cfg->one_thread;
	atomic_init(&pool->rest_ms, cfg->rest_ms);
	pool->idx = idx;
	pool->key = *key;
	pool->mem_len = len;
	pool->seed = cfg->seed;
	slots = (_Atomic uint64_t *)(mem + slots_ofs);
	for (unsigned int i = 0; i < n_slices; i++) {
		uint32_t n = slice_len(cfg->n_ports, n_slices, i);

		slice_init(&pool->slices[i], n, mix(seed + i), slots);
		slots += n;
	}
	return pool;
}

void cv_snat_pool_destroy(struct cv_snat_pool *pool)
{
	if (pool != NULL)
		(void)munmap(pool, pool->mem_len);
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
		.seed = pool->seed,
	};
}

uint32_t cv_snat_pool_idx(const struct cv_snat_pool *pool)
{
	return pool->idx;
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

static bool alloc_fresh(struct cv_snat_slice *slice, bool one_thread, uint32_t *ret_pos)
{
	uint32_t i = atomic_load_explicit(&slice->fresh, memory_order_relaxed);

	/* Looked at first, so that the counter overshoots by no more than the threads there are. */
	if (i >= slice->n)
		return false;
	if (one_thread)
		atomic_store_explicit(&slice->fresh, i + 1, memory_order_relaxed);
	else
		i = atomic_fetch_add_explicit(&slice->fresh, 1, memory_order_relaxed);
	if (i >= slice->n)
		return false;
	*ret_pos = fresh_pos(slice, i);
	return true;
}

/* Tells whether the slot of queue position `at` has been stored, and when its port was freed. */
static bool slot_read(const struct cv_snat_slice *slice, uint64_t at, uint64_t *ret_slot)
{
	/* Acquire: what the freeing thread did with the port happened before. */
	*ret_slot = atomic_load_explicit(&slice->slots[at % slice->n], memory_order_acquire);
	return (*ret_slot >> SLOT_LAP_SHIFT & SLOT_LAP_MASK) ==
	       ((at / slice->n + 1) & SLOT_LAP_MASK);
}

static bool slot_rested(uint64_t slot, uint64_t now_ms, uint32_t rest_ms)
{
	return now_ms >= (slot >> SLOT_TIME_SHIFT) + rest_ms;
}

static bool alloc_rested(struct cv_snat_pool *pool, struct cv_snat_slice *slice, uint64_t now_ms,
			 uint32_t *ret_pos)
{
	uint32_t rest_ms = atomic_load_explicit(&pool->rest_ms, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&slice->head, memory_order_acquire);
	uint64_t slot;

	for (;;) {
		if (!slot_read(slice, head, &slot)) {
			uint64_t again = atomic_load_explicit(&slice->head, memory_order_acquire);

			/* Empty, or being stored; or others took this one and the lap is over. */
			if (again == head)
				return false;
			head = again;
			continue;
		}
		if (!slot_rested(slot, now_ms, rest_ms))
			return false;
		if (pool->one_thread) {
			atomic_store_explicit(&slice->head, head + 1, memory_order_relaxed);
			break;
		}
		/* Fails when another thread took the port; then head is loaded again. */
		if (atomic_compare_exchange_weak_explicit(&slice->head, &head, head + 1,
							  memory_order_acq_rel,
							  memory_order_acquire))
			break;
	}
	*ret_pos = slot & UINT16_MAX;
	return true;
}

int cv_snat_alloc(struct cv_snat_pool *pool, unsigned int slice, uint64_t now_ms, uint32_t owner,
		  uint16_t *ret_port)
{
	unsigned int first = slice;

	cv_dassert(slice < pool->n_slices && owner != CV_SNAT_NONE);
	do {
		struct cv_snat_slice *s = &pool->slices[slice];
		uint32_t pos, offset;

		if (alloc_fresh(s, pool->one_thread, &pos) || alloc_rested(pool, s, now_ms, &pos)) {
			offset = port_offset(pool, slice, pos);
			atomic_store_explicit(&pool->owner_inv[offset], ~owner,
					      memory_order_relaxed);
			*ret_port = (uint16_t)(pool->port_first + offset);
			return 0;
		}
		slice = slice + 1 < pool->n_slices ? slice + 1 : 0;
	} while (slice != first);
	(void)take_u64(&pool->slices[first].errors, pool->one_thread);
	return -EADDRNOTAVAIL;
}

void cv_snat_free(struct cv_snat_pool *pool, uint16_t port, uint64_t now_ms)
{
	uint32_t offset = (uint32_t)port - pool->port_first;
	struct cv_snat_slice *slice;
	uint64_t at;

	cv_assert(offset < pool->n_ports);
	slice = &pool->slices[port_slice(pool, offset)];
	/*
	 * There is always room: the queue holds a slot for every port of the slice, and the slot of
	 * position `at` was taken from before this port could be given out.
	 */
	at = take_u64(&slice->tail, pool->one_thread);
	atomic_store_explicit(&slice->slots[at % slice->n],
			      now_ms << SLOT_TIME_SHIFT |
				      ((at / slice->n + 1) & SLOT_LAP_MASK) << SLOT_LAP_SHIFT |
				      port_pos(pool, offset),
			      memory_order_release);
}

/* Ports at the front of the queue [head, tail) that have rested: times rise along the queue. */
static uint32_t n_rested(const struct cv_snat_slice *slice, uint64_t head, uint64_t tail,
			 uint64_t now_ms, uint32_t rest_ms)
{
	uint64_t lo = head, hi = tail;

	while (lo < hi) {
		uint64_t mid = lo + (hi - lo) / 2;
		uint64_t slot;

		if (slot_read(slice, mid, &slot) && slot_rested(slot, now_ms, rest_ms))
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
		const struct cv_snat_slice *slice = &pool->slices[i];
		/* In this order, so that an allocation does not make the queue seem longer. */
		uint64_t tail = atomic_load_explicit(&slice->tail, memory_order_acquire);
		uint64_t head = atomic_load_explicit(&slice->head, memory_order_acquire);
		uint32_t fresh = atomic_load_explicit(&slice->fresh, memory_order_relaxed);
		uint32_t rested, queued;

		if (head > tail)
			head = tail;
		if (fresh > slice->n)
			fresh = slice->n;
		queued = (uint32_t)(tail - head);
		if (queued > fresh)
			queued = fresh;
		rested = n_rested(slice, head, head + queued, now_ms, rest_ms);
		sum.used += fresh - queued;
		sum.resting += queued - rested;
		sum.free += slice->n - fresh + rested;
		sum.errors += atomic_load_explicit(&slice->errors, memory_order_relaxed);
	}
	*ret_counts = sum;
}
