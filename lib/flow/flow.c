/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cv_flow_hot.h"

#define HUGE_PAGE (2u << 20)

static size_t round_up(size_t len, size_t to)
{
	return (len + to - 1) / to * to;
}

/* Smallest power of two that keeps the buckets at most three quarters full. */
static uint32_t n_buckets_for(uint32_t n_max)
{
	uint32_t n = 1;

	while ((uint64_t)n * 6 < n_max)
		n *= 2;
	return n;
}

int cv_flow_table_create(uint32_t n_max, uint64_t seed, struct cv_flow_table **ret_table)
{
	struct cv_flow_table *table;
	uint32_t n_buckets;
	size_t flows_len, buckets_len;
	uint8_t *mem;

	if (n_max == 0 || n_max > CV_FLOW_MAX)
		return -EINVAL;
	table = aligned_alloc(CV_CACHE_LINE, round_up(sizeof(*table), CV_CACHE_LINE));
	if (table == NULL)
		return -ENOMEM;
	n_buckets = n_buckets_for(n_max);
	flows_len = (size_t)n_max * sizeof(struct cv_flow);
	buckets_len = (size_t)n_buckets * sizeof(struct cv_flow_bucket);
	memset(table, 0, sizeof(*table));
	table->mem_len = round_up(
		flows_len + buckets_len + (size_t)n_max * sizeof(struct cv_flow_cold), HUGE_PAGE);
	mem = mmap(NULL, table->mem_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	if (mem == MAP_FAILED) {
		free(table);
		return -ENOMEM;
	}
	/* Both are hints: without them the first packets of new flows are slower, nothing else. */
	(void)madvise(mem, table->mem_len, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
	(void)madvise(mem, table->mem_len, MADV_POPULATE_WRITE);
#endif
	table->flows = (struct cv_flow *)(void *)mem;
	table->buckets = (struct cv_flow_bucket *)(void *)(mem + flows_len);
	table->cold = (struct cv_flow_cold *)(void *)(mem + flows_len + buckets_len);
	table->key[0] = cv_siphash("flow-a", 6, seed, 0);
	table->key[1] = cv_siphash("flow-b", 6, seed, 0);
	table->mask = n_buckets - 1;
	table->n_max = n_max;
	table->free_head = CV_FLOW_NONE;
	*ret_table = table;
	return 0;
}

void cv_flow_table_destroy(struct cv_flow_table *table)
{
	if (table == NULL)
		return;
	munmap(table->flows, table->mem_len);
	free(table);
}

/* Puts an index into a free place. Returns false when the bucket is full. */
static bool bucket_put(struct cv_flow_bucket *bucket, uint16_t tag, uint32_t idx)
{
	uint32_t bits = cv_flow_bucket_match(bucket, 0);
	unsigned int place;

	if (bits == 0)
		return false;
	place = (unsigned int)__builtin_ctz(bits) / 2;
	bucket->tag[place] = tag;
	bucket->idx[place] = idx;
	return true;
}

static bool bucket_take(struct cv_flow_bucket *bucket, uint16_t tag, uint32_t idx)
{
	uint32_t bits = cv_flow_bucket_match(bucket, tag);

	for (; bits != 0; bits &= bits - 1) {
		unsigned int place = (unsigned int)__builtin_ctz(bits) / 2;

		if (bucket->idx[place] == idx) {
			bucket->tag[place] = 0;
			return true;
		}
	}
	return false;
}

static struct cv_flow_key key_of(const struct cv_flow *flow)
{
	return (struct cv_flow_key){
		.client_ip = flow->client_ip,
		.dialled_ip = flow->dialled_ip,
		.client_port = flow->client_port,
		.dialled_port = flow->dialled_port,
		.vpc = flow->client_vpc,
	};
}

/* Moves one flow of a full bucket to the other bucket that it may stand in, if that has room. */
static bool bucket_displace(struct cv_flow_table *table, struct cv_flow_bucket *bucket)
{
	for (unsigned int place = 0; place < CV_ARRAY_LEN(bucket->tag); place++) {
		uint32_t idx = bucket->idx[place];
		struct cv_flow_key key = key_of(&table->flows[idx]);
		uint64_t hash = cv_flow_hash(table, &key);
		struct cv_flow_bucket *first = cv_flow_bucket_first(table, hash);
		bool spills = bucket == first;
		struct cv_flow_bucket *to = spills ? cv_flow_bucket_second(table, hash) : first;

		if (to == bucket || !bucket_put(to, bucket->tag[place], idx))
			continue;
		bucket->tag[place] = 0;
		first->spilled = (uint16_t)(first->spilled + (spills ? 1 : -1));
		return true;
	}
	return false;
}

/*
 * First bucket, then second, then make room. Tables are at most three quarters full; the unit test fills
 * tables of many sizes to exactly that without a failure.
 */
static bool index_put(struct cv_flow_table *table, uint64_t hash, uint32_t idx)
{
	struct cv_flow_bucket *first = cv_flow_bucket_first(table, hash);
	struct cv_flow_bucket *second = cv_flow_bucket_second(table, hash);
	uint16_t tag = cv_flow_tag(hash);

	if (bucket_put(first, tag, idx))
		return true;
	if (!bucket_put(second, tag, idx)) {
		if (bucket_displace(table, first))
			return bucket_put(first, tag, idx);
		if (!bucket_displace(table, second) || !bucket_put(second, tag, idx))
			return false;
	}
	first->spilled++;
	return true;
}

uint32_t cv_flow_open(struct cv_flow_table *table, const struct cv_flow_key *key, uint64_t hash)
{
	bool fresh = table->free_head == CV_FLOW_NONE;
	uint32_t idx = fresh ? table->high : table->free_head;
	struct cv_flow *flow;

	if (idx == table->n_max || !index_put(table, hash, idx))
		return CV_FLOW_NONE;
	flow = &table->flows[idx];
	if (fresh) {
		table->high++;
	} else {
		table->free_head = flow->start_ms;
		if (table->free_head != CV_FLOW_NONE)
			__builtin_prefetch(&table->flows[table->free_head]);
	}
	table->n++;
	memset(flow, 0, sizeof(*flow));
	flow->client_ip = key->client_ip;
	flow->dialled_ip = key->dialled_ip;
	flow->client_port = key->client_port;
	flow->dialled_port = key->dialled_port;
	flow->client_vpc = key->vpc;
	memset(&table->cold[idx], 0, sizeof(table->cold[idx]));
	return idx;
}

void cv_flow_close(struct cv_flow_table *table, uint32_t idx)
{
	struct cv_flow *flow = &table->flows[idx];
	struct cv_flow_key key = key_of(flow);
	uint64_t hash = cv_flow_hash(table, &key);
	struct cv_flow_bucket *first = cv_flow_bucket_first(table, hash);
	uint16_t tag = cv_flow_tag(hash);

	if (!bucket_take(first, tag, idx)) {
		bool found = bucket_take(cv_flow_bucket_second(table, hash), tag, idx);

		cv_assert(found && first->spilled > 0);
		first->spilled--;
	}
	flow->node_port = 0;
	/* Whoever looked the flow up before, in the same burst, must not take the entry for it. */
	flow->client_vpc = CV_FLOW_NO_VPC;
	flow->start_ms = table->free_head;
	table->free_head = idx;
	table->n--;
}

uint32_t cv_flow_find(const struct cv_flow_table *table, const struct cv_flow_key *key,
		      uint64_t hash)
{
	const struct cv_flow_bucket *bucket = cv_flow_bucket_first(table, hash);
	uint16_t tag = cv_flow_tag(hash);

	for (int i = 0; i < 2; i++) {
		uint32_t bits = cv_flow_bucket_match(bucket, tag);

		for (; bits != 0; bits &= bits - 1) {
			uint32_t idx = bucket->idx[__builtin_ctz(bits) / 2];

			if (cv_flow_is(&table->flows[idx], key))
				return idx;
		}
		if (bucket->spilled == 0)
			break;
		bucket = cv_flow_bucket_second(table, hash);
	}
	return CV_FLOW_NONE;
}
