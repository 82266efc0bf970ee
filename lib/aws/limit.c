/* SPDX-License-Identifier: BSD-3-Clause */

/* How often a key may call, and that a signature is used once. */

#include <stdlib.h>
#include <string.h>

#include "core_priv.h"

/* Keys whose buckets are kept at once; the one that was idle longest gives way. */
#define BUCKETS_MAX 256
/* Remembered signatures: sets of ways. 4 MB at most, and only what was touched. */
#define SETS 32768
#define WAYS 8

/* In thousandths of a request. */
struct bucket {
	char key_id[CV_SIGV4_KEY_LEN_MAX + 1];
	uint64_t at_ms;
	uint64_t level;
};

struct seen {
	uint64_t sig;
	uint32_t first, forget; /* seconds since 1970, modulo 2^32 */
};

struct aws_limit {
	uint32_t rate, burst;
	struct bucket buckets[BUCKETS_MAX];
	uint32_t n_buckets;
	struct seen (*seen)[WAYS]; /* shape [SETS] */
};

struct aws_limit *cv_aws_limit_create(uint32_t rate, uint32_t burst)
{
	struct aws_limit *limit = calloc(1, sizeof(*limit));

	if (limit == NULL)
		return NULL;
	limit->rate = rate;
	limit->burst = burst > 0 ? burst : 1;
	limit->seen = calloc(SETS, sizeof(*limit->seen));
	if (limit->seen == NULL) {
		free(limit);
		return NULL;
	}
	return limit;
}

void cv_aws_limit_destroy(struct aws_limit *limit)
{
	if (limit == NULL)
		return;
	free(limit->seen);
	free(limit);
}

static struct bucket *bucket_get(struct aws_limit *limit, const char *key_id, uint64_t now_ms)
{
	struct bucket *idle = &limit->buckets[0];

	for (uint32_t i = 0; i < limit->n_buckets; i++) {
		struct bucket *bucket = &limit->buckets[i];

		if (strcmp(bucket->key_id, key_id) == 0)
			return bucket;
		if (bucket->at_ms < idle->at_ms)
			idle = bucket;
	}
	if (limit->n_buckets < BUCKETS_MAX)
		idle = &limit->buckets[limit->n_buckets++];
	strcpy(idle->key_id, key_id);
	idle->at_ms = now_ms;
	idle->level = (uint64_t)limit->burst * 1000;
	return idle;
}

bool cv_aws_limit_take(struct aws_limit *limit, const char *key_id, uint64_t now_ms)
{
	const uint64_t full = (uint64_t)limit->burst * 1000;
	struct bucket *bucket;

	if (limit->rate == 0)
		return true;
	bucket = bucket_get(limit, key_id, now_ms);
	bucket->level += (now_ms - bucket->at_ms) * limit->rate;
	if (bucket->level > full)
		bucket->level = full;
	bucket->at_ms = now_ms;
	if (bucket->level < 1000)
		return false;
	bucket->level -= 1000;
	return true;
}

bool cv_aws_limit_is_fresh(struct aws_limit *limit, uint64_t sig, time_t now, time_t forget)
{
	struct seen *set = limit->seen[sig % SETS], *place = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].sig == sig && (time_t)set[i].forget >= now)
			return now - (time_t)set[i].first <= AWS_REPLAY_SECONDS;
		if (set[i].forget < place->forget)
			place = &set[i];
	}
	*place = (struct seen){sig, (uint32_t)now, (uint32_t)forget};
	return true;
}
