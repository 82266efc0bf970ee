/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The flow table's fast path: hash, prefetch, probe, compare. A burst runs them as stages, so that no
 * stage waits for memory.
 *
 * @threads the owning worker; cv_flow_hash(): any
 */

#include "cv_flow.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/**
 * Keyed hash of a flow's client side: one folded 64 x 64 multiplication of the key with the secret, and
 * one more to spread it. Low bits choose the bucket, the top 16 are the tag, bits 16..47 choose the
 * worker.
 */
static inline uint64_t cv_flow_hash_raw(const uint64_t secret[2], uint64_t ips, uint64_t rest)
{
	unsigned __int128 m = (unsigned __int128)(ips ^ secret[0]) * (rest ^ secret[1]);
	uint64_t h = (uint64_t)m ^ (uint64_t)(m >> 64);

	m = (unsigned __int128)(h ^ secret[1]) * 0x9e3779b97f4a7c15;
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/** Eight bytes as they stand in memory. */
static inline uint64_t cv_flow_load64(const void *p)
{
	uint64_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

/** Four bytes as they stand in memory. */
static inline uint32_t cv_flow_load32(const void *p)
{
	uint32_t v;

	__builtin_memcpy(&v, p, sizeof(v));
	return v;
}

/** Hash of a key. */
static inline uint64_t cv_flow_hash(const struct cv_flow_table *table,
				    const struct cv_flow_key *key)
{
	return cv_flow_hash_raw(table->key, cv_flow_load64(&key->client_ip),
				cv_flow_load64(&key->client_port));
}

/** Tag of a flow in its bucket, never 0. */
static inline uint16_t cv_flow_tag(uint64_t hash)
{
	return (uint16_t)(hash >> 48 | 1);
}

/** The bucket where a flow stands unless it is full. */
static inline struct cv_flow_bucket *cv_flow_bucket_first(const struct cv_flow_table *table,
							  uint64_t hash)
{
	return &table->buckets[(uint32_t)hash & table->mask];
}

/** The other one: depends on the first and the tag only. */
static inline struct cv_flow_bucket *cv_flow_bucket_second(const struct cv_flow_table *table,
							   uint64_t hash)
{
	uint32_t step = (uint32_t)cv_flow_tag(hash) * 0x5bd1e995u | 1;

	return &table->buckets[((uint32_t)hash ^ step) & table->mask];
}

/** Bit 2i is set when place i holds the tag. */
static inline uint32_t cv_flow_bucket_match(const struct cv_flow_bucket *bucket, uint16_t tag)
{
#ifdef __SSE2__
	__m128i have = _mm_load_si128((const __m128i *)(const void *)bucket->tag);
	__m128i eq = _mm_cmpeq_epi16(have, _mm_set1_epi16((short)tag));

	return (uint32_t)_mm_movemask_epi8(eq) & 0x5555;
#else
	uint32_t bits = 0;

	for (unsigned int i = 0; i < 8; i++)
		bits |= (uint32_t)(bucket->tag[i] == tag) << (2 * i);
	return bits;
#endif
}

/** Start to load the bucket that a hash leads to. */
static inline void cv_flow_bucket_prefetch(const struct cv_flow_table *table, uint64_t hash)
{
	__builtin_prefetch(cv_flow_bucket_first(table, hash));
}

/**
 * The likely entry of a hash, by tag alone: it must still be compared (cv_flow_is()), and when it differs
 * cv_flow_find() decides.
 *
 * @return index, or CV_FLOW_NONE when the flow is surely not in the table
 */
static inline uint32_t cv_flow_probe(const struct cv_flow_table *table, uint64_t hash)
{
	const struct cv_flow_bucket *bucket = cv_flow_bucket_first(table, hash);
	uint16_t tag = cv_flow_tag(hash);
	uint32_t bits = cv_flow_bucket_match(bucket, tag);

	if (bits == 0) {
		if (__builtin_expect(bucket->spilled == 0, 1))
			return CV_FLOW_NONE;
		bucket = cv_flow_bucket_second(table, hash);
		bits = cv_flow_bucket_match(bucket, tag);
		if (bits == 0)
			return CV_FLOW_NONE;
	}
	return bucket->idx[__builtin_ctz(bits) / 2];
}

/** Tell whether an entry has the client side whose key consists of these two words. */
static inline bool cv_flow_is_raw(const struct cv_flow *flow, uint64_t ips, uint64_t rest)
{
	/* The entry has the target's VPC where the key has its zero: shifted out. */
	return ((cv_flow_load64(&flow->client_ip) ^ ips) |
		(cv_flow_load64(&flow->client_port) ^ rest) << 16) == 0;
}

/** Tell whether an entry has this client side. */
static inline bool cv_flow_is(const struct cv_flow *flow, const struct cv_flow_key *key)
{
	return cv_flow_is_raw(flow, cv_flow_load64(&key->client_ip),
			      cv_flow_load64(&key->client_port));
}

/**
 * Tell whether an entry is live and has this target side.
 *
 * @param ips    source and destination address as they follow each other in a target's packet
 * @param ports  the ports likewise; destination port not 0
 */
static inline bool cv_flow_is_target_side(const struct cv_flow *flow, uint16_t vpc, uint64_t ips,
					  uint32_t ports)
{
	return ((cv_flow_load64(&flow->target_ip) ^ ips) |
		(cv_flow_load32(&flow->target_port) ^ ports) |
		(uint32_t)(flow->target_vpc ^ vpc)) == 0;
}
