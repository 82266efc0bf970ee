/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The table of sticky targets. Each target wants the entries in an order of its own, a permutation given
 * by its key; in turns each takes the first of its order that is free. So all have equal shares, and most
 * entries are held by who wanted them early: they stay with it whoever else comes or goes.
 */

#include "cv_lb.h"

#include <stdlib.h>

/* Few sizes, far apart, since all entries change with the size: AWS has 1,000 targets at most. */
static const struct {
	uint32_t n_max, len;
} sizes[] = {{64, 2048}, {1024, 32768}, {65536, 2097152}};

uint32_t cv_lb_sticky_len(uint32_t n)
{
	uint32_t i = 0, len;

	while (i + 1 < sizeof(sizes) / sizeof(sizes[0]) && n > sizes[i].n_max)
		i++;
	for (len = sizes[i].len; len / 32 < n; len *= 2)
		;
	return len;
}

static int compare_keys(const void *left, const void *right)
{
	uint64_t l = ((const struct cv_lb_sticky *)left)->key;
	uint64_t r = ((const struct cv_lb_sticky *)right)->key;

	return l < r ? -1 : l > r;
}

void cv_lb_sticky_build(struct cv_lb_sticky *targets, uint32_t n, uint32_t (*scratch)[2],
			uint32_t *ret_table)
{
	uint32_t len = cv_lb_sticky_len(n);
	uint32_t n_filled = 0;

	qsort(targets, n, sizeof(*targets), compare_keys);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t hash = cv_lb_mix(targets[i].key ^ 0x2ffd72dbd01adfb7, 0xb8e1afed6a267e97);

		/* An odd step visits every entry of a power of two. */
		scratch[i][0] = (uint32_t)hash;
		scratch[i][1] = (uint32_t)(hash >> 32) | 1;
	}
	for (uint32_t i = 0; i < len; i++)
		ret_table[i] = UINT32_MAX;
	while (n_filled < len) {
		for (uint32_t i = 0; i < n && n_filled < len; i++) {
			uint32_t *at = &scratch[i][0];

			while (ret_table[*at & (len - 1)] != UINT32_MAX)
				*at += scratch[i][1];
			ret_table[*at & (len - 1)] = targets[i].id;
			n_filled++;
		}
	}
}
