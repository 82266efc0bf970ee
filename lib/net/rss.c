/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_rss.h"

#include "cv_base.h"

/* Where the ports stand in a tuple, and their bits. */
#define SRC_PORT_BIT 64
#define DST_PORT_BIT 80
#define PORT_BITS 16
/* Low bits of the hash that must follow each port freely: those of the most classes there can be. */
#define CLASS_BITS 9

_Static_assert(CV_RSS_CLASSES_MAX == 1 << CLASS_BITS, "a key must suit any table");

/* The 32 bits of the key that start at a bit of it: what the tuple's bit at that place contributes. */
static uint32_t key_window(const uint8_t *key, unsigned int bit)
{
	uint64_t bits = 0;

	for (unsigned int i = 0; i < 5; i++)
		bits = bits << 8 | key[bit / 8 + i];
	return (uint32_t)(bits >> (8 - bit % 8));
}

/* Tells whether the 16 bits of a tuple from here on reach every class equally: rank over GF(2). */
static bool is_onto(const uint8_t *key, unsigned int bit)
{
	uint32_t basis[CLASS_BITS] = {0};
	unsigned int rank = 0;

	for (unsigned int i = 0; i < PORT_BITS; i++) {
		uint32_t row = key_window(key, bit + i) & (CV_RSS_CLASSES_MAX - 1);

		for (unsigned int k = 0; k < CLASS_BITS && row != 0; k++) {
			if ((row >> k & 1) == 0)
				continue;
			if (basis[k] == 0) {
				basis[k] = row;
				rank++;
				break;
			}
			row ^= basis[k];
		}
	}
	return rank == CLASS_BITS;
}

void cv_rss_key_build(uint64_t random, uint8_t *key)
{
	/* About one in a hundred keys is refused: this ends soon. */
	for (uint64_t round = 0;; round++) {
		for (unsigned int i = 0; i < CV_RSS_KEY_LEN / 8; i++) {
			uint64_t count = round * CV_RSS_KEY_LEN + i;
			uint64_t word = cv_siphash(&count, sizeof(count), random, 0);

			memcpy(key + 8 * i, &word, 8);
		}
		if (is_onto(key, SRC_PORT_BIT) && is_onto(key, DST_PORT_BIT))
			return;
	}
}

void cv_rss_table_init(struct cv_rss_table *table, const struct cv_rss *rss)
{
	cv_assert(rss->on && rss->n >= 1 && rss->n <= CV_RSS_CLASSES_MAX);
	cv_assert((rss->n & (rss->n - 1)) == 0);
	for (unsigned int i = 0; i < CV_RSS_TUPLE_LEN; i++) {
		table->part[i][0] = 0;
		for (unsigned int byte = 1; byte < 256; byte++) {
			unsigned int low = (unsigned int)__builtin_ctz(byte);

			/* Without its lowest bit it is a smaller byte, done before. */
			table->part[i][byte] = table->part[i][byte & (byte - 1)] ^
					       key_window(rss->key, 8 * i + 7 - low);
		}
	}
	table->mask = rss->n - 1u;
	memcpy(table->worker, rss->worker, sizeof(table->worker));
}
