/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Receive side scaling, in software: which worker a NIC brings a TCP packet to.
 *
 * A NIC hashes addresses and ports by a key (Toeplitz) and takes the receive queue from a table by the
 * hash's low bits. The hash is linear: that of a tuple is the exclusive or of what each of its bytes
 * contributes. So it is known for any packet, and how the last of its fields changes it.
 *
 * @threads any; no shared state
 * @source  Microsoft, "RSS hashing types" and "Verifying the RSS hash calculation"
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "cv_net.h"

/** Bytes of a key. */
#define CV_RSS_KEY_LEN 40
/** Bytes that are hashed of a TCP packet over IPv4. */
#define CV_RSS_TUPLE_LEN 12
/** Most classes. */
#define CV_RSS_CLASSES_MAX 512

/** How a port spreads TCP packets over workers. */
struct cv_rss {
	bool on; /**< else nothing is known of it, and the rest is zero */
	uint8_t key[CV_RSS_KEY_LEN];
	uint16_t n; /**< classes, a power of 2: the low bits of the hash that matter */
	uint8_t worker[CV_RSS_CLASSES_MAX]; /**< shape [n]: where packets of a class arrive */
};

/** A port's spread, ready to be asked. Read-only once made. */
struct cv_rss_table {
	uint32_t part[CV_RSS_TUPLE_LEN][256]; /**< what each byte of a tuple contributes */
	uint32_t mask;                        /**< n - 1 */
	uint8_t worker[CV_RSS_CLASSES_MAX];
};

/**
 * Make a key of 64 random bits.
 *
 * Toeplitz keys are not all good: with some, ports that differ hash alike. With the key made here every
 * class gets equally many of all source ports, and of all destination ports.
 *
 * @param[out] key  shape [CV_RSS_KEY_LEN]
 */
void cv_rss_key_build(uint64_t random, uint8_t *key);

/** Make a table. @param rss on, n a power of 2 from 1 to CV_RSS_CLASSES_MAX: else a bug */
void cv_rss_table_init(struct cv_rss_table *table, const struct cv_rss *rss);

/** Hash of what stands in a packet's headers. All in network order. */
static inline uint32_t cv_rss_hash(const struct cv_rss_table *table, cv_be32_t src_ip,
				   cv_be32_t dst_ip, cv_be16_t src_port, cv_be16_t dst_port)
{
	uint8_t tuple[CV_RSS_TUPLE_LEN];
	uint32_t hash = 0;

	memcpy(tuple, &src_ip, 4);
	memcpy(tuple + 4, &dst_ip, 4);
	memcpy(tuple + 8, &src_port, 2);
	memcpy(tuple + 10, &dst_port, 2);
	for (unsigned int i = 0; i < CV_RSS_TUPLE_LEN; i++)
		hash ^= table->part[i][tuple[i]];
	return hash;
}

/** The destination port's part of cv_rss_hash(); port 0 has none. @param port host order */
static inline uint32_t cv_rss_dst_port_part(const struct cv_rss_table *table, uint16_t port)
{
	return table->part[10][port >> 8] ^ table->part[11][port & 255];
}

/** Worker that packets of a hash arrive at. */
static inline uint8_t cv_rss_worker(const struct cv_rss_table *table, uint32_t hash)
{
	return table->worker[hash & table->mask];
}
