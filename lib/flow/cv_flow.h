/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The flow table of one worker: entries, their hash index by the client side, and the free list.
 *
 * Entries never move, so an entry's index names the flow (SNAT ports map to it). The index is a table
 * of 64-byte buckets with eight 16-bit tags; a flow stands in one of two buckets. The return path needs
 * no index: the SNAT port leads to the entry. Idle flows are found by walking the entries, so the table
 * has no timers and no lists.
 *
 * Bytes per flow: 64 (entry) + 32 (cold part) + 8 to 16 (buckets).
 *
 * @threads the owning worker, but for create and destroy (control, while no worker runs)
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_net.h"
#include "cv_tcp.h"

/** No flow. */
#define CV_FLOW_NONE UINT32_MAX
/** VPC slot in the key of a free entry: no packet comes from it, so a free entry is nobody's flow. */
#define CV_FLOW_NO_VPC UINT16_MAX
/** Flows per table at most: an index must fit 24 bits, beside 8 bits of worker. */
#define CV_FLOW_MAX ((1u << 24) - 1)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "addresses and ports are compared as words");

/**
 * What a flow's first packet is found by: the addresses and ports as they follow each other in a client's
 * packet, and the client's VPC.
 */
struct cv_flow_key {
	cv_be32_t client_ip, dialled_ip;
	cv_be16_t client_port, dialled_port;
	uint16_t vpc;  /**< the client's VPC slot */
	uint16_t zero; /**< always 0: the key is compared and hashed as two words */
};

_Static_assert(sizeof(struct cv_flow_key) == 16, "two words");

/**
 * A flow: all that an established packet needs, in either direction, in one cache line. Beside it the
 * packet touches the counters of the flow's path, a line of the worker's own. The worker that owns the
 * flow is its only reader and writer. Addresses and ports stand as in the packets that they are compared
 * with: the client's, then the target's.
 */
struct cv_flow {
	cv_be32_t client_ip, dialled_ip;
	cv_be16_t client_port, dialled_port;
	uint16_t client_vpc; /**< VPC slot */
	uint16_t target_vpc; /**< VPC slot */
	cv_be32_t target_ip, node_ip;
	cv_be16_t target_port;
	cv_be16_t node_port;   /**< SNAT port; 0: the entry is free */
	uint32_t neigh;        /**< neighbour slot of the target's next hop */
	uint8_t client_mac[6]; /**< where the client's frames came from: answers go there */
	uint16_t l3_delta;     /**< checksum difference of the addresses, client to target */
	uint16_t l4_delta;     /**< the same and the ports */
	uint16_t idle_s;       /**< idle timeout */
	uint32_t last_ms;      /**< low 32 bits of the time of the last packet */
	struct cv_tcp tcp;
	uint32_t path;     /**< word of its path: what it is counted by, see cv_view_path.h */
	uint32_t start_ms; /**< low 32 bits of the time of the SYN; next free entry while free */
};

_Static_assert(sizeof(struct cv_flow) == CV_CACHE_LINE, "an established packet needs one line");

/** What only set-up, close and control need. */
struct cv_flow_cold {
	struct cv_tcp_cold tcp;
	uint32_t listener; /**< listener slot */
	uint32_t target;   /**< target slot */
};

_Static_assert(sizeof(struct cv_flow_cold) == 32, "two flows per cache line");

/** Eight places for flows. */
struct cv_flow_bucket {
	uint16_t tag[8]; /**< 0: free */
	uint32_t idx[8];
	uint16_t spilled; /**< flows that belong here and stand in their second bucket */
	uint16_t pad[7];
};

_Static_assert(sizeof(struct cv_flow_bucket) == CV_CACHE_LINE, "one line per probe");

/** The table. Read by cv_flow_hot.h; written by flow.c only. */
struct cv_flow_table {
	struct cv_flow *flows;          /**< shape [n_max] */
	struct cv_flow_bucket *buckets; /**< shape [mask + 1] */
	uint64_t key[2];                /**< secret of the hash */
	uint32_t mask;
	uint32_t n_max;
	uint32_t n;                /**< live flows */
	uint32_t high;             /**< entries at or above were never used */
	uint32_t free_head;        /**< first free entry below high, CV_FLOW_NONE if none */
	struct cv_flow_cold *cold; /**< shape [n_max] */
	size_t mem_len;
};

/**
 * Make a table. Its memory is committed at once, on huge pages where the kernel gives them, so that no
 * packet waits for a page fault.
 *
 * @param      n_max      flows, 1..CV_FLOW_MAX
 * @param      seed       secret: without it nobody can aim flows at one bucket
 * @param[out] ret_table  untouched on failure
 * @return 0, -EINVAL (n_max out of range), or -ENOMEM
 * @owner  caller; cv_flow_table_destroy()
 */
int cv_flow_table_create(uint32_t n_max, uint64_t seed, struct cv_flow_table **ret_table);

/** Free a table. NULL is fine. */
void cv_flow_table_destroy(struct cv_flow_table *table);

/**
 * Open a flow: take an entry, fill its key, zero the rest, and index it. The caller sets node_port to
 * make it live. The key must not be in the table.
 *
 * @param hash  cv_flow_hash() of the key
 * @return its index, or CV_FLOW_NONE when the table or both buckets are full
 */
uint32_t cv_flow_open(struct cv_flow_table *table, const struct cv_flow_key *key, uint64_t hash);

/** Close a flow: take it out of the index and free its entry. */
void cv_flow_close(struct cv_flow_table *table, uint32_t idx);

/** Find a flow by its client side in all places where it may stand. @return index or CV_FLOW_NONE */
uint32_t cv_flow_find(const struct cv_flow_table *table, const struct cv_flow_key *key,
		      uint64_t hash);
