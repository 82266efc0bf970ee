/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_pkt_ring.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"

#define BYTES_MIN (128u << 10)
/* In head.len: the rest up to the end is left out, the next packet stands at the beginning. */
#define SKIP UINT32_MAX

/* Before each packet. Positions are multiples of its size, so one fits before the end at any time. */
struct head {
	uint64_t mac, vtep_mac;
	cv_be32_t vtep;
	uint32_t len;
	uint16_t vpc;
	uint16_t pad[3];
};

_Static_assert(sizeof(struct head) == 32, "divides the ring's size");

struct cv_pkt_ring {
	/* Positions count bytes for ever; a position's place is its low bits. */
	CV_CACHE_ALIGNED _Atomic uint64_t tail; /* who puts writes */
	uint64_t head_seen;                     /* what it last saw of head */
	CV_CACHE_ALIGNED _Atomic uint64_t head; /* who pops writes */
	uint64_t tail_seen;
	CV_CACHE_ALIGNED uint32_t n_bytes;
	uint8_t *bytes;
};

struct cv_pkt_ring *cv_pkt_ring_create(uint32_t n_bytes)
{
	struct cv_pkt_ring *ring = aligned_alloc(CV_CACHE_LINE, sizeof(*ring));

	/* Half the ring holds the longest packet: skipping to the beginning never makes one not fit. */
	cv_assert(n_bytes >= BYTES_MIN && (n_bytes & (n_bytes - 1)) == 0);
	if (ring == NULL)
		return NULL;
	memset(ring, 0, sizeof(*ring));
	ring->n_bytes = n_bytes;
	ring->bytes = calloc(1, n_bytes);
	if (ring->bytes == NULL) {
		free(ring);
		return NULL;
	}
	return ring;
}

void cv_pkt_ring_destroy(struct cv_pkt_ring *ring)
{
	if (ring == NULL)
		return;
	free(ring->bytes);
	free(ring);
}

static struct head *head_at(const struct cv_pkt_ring *ring, uint64_t pos)
{
	return (struct head *)(void *)(ring->bytes + (pos & (ring->n_bytes - 1)));
}

/* Bytes that a packet takes with its head. */
static uint32_t room_of(uint32_t len)
{
	return (uint32_t)sizeof(struct head) + (len + 31) / 32 * 32;
}

static bool has_room(struct cv_pkt_ring *ring, uint64_t tail, uint32_t want)
{
	if (tail + want - ring->head_seen <= ring->n_bytes)
		return true;
	ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
	return tail + want - ring->head_seen <= ring->n_bytes;
}

bool cv_pkt_ring_put_below(struct cv_pkt_ring *ring, const struct cv_pkt_rec *rec, uint32_t free)
{
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint32_t to_end = ring->n_bytes - (uint32_t)(tail & (ring->n_bytes - 1));
	uint32_t room = room_of(rec->len), skip = room > to_end ? to_end : 0;
	struct head *head;

	if (!has_room(ring, tail, skip + room + free))
		return false;
	if (skip > 0) {
		head_at(ring, tail)->len = SKIP;
		tail += skip;
	}
	head = head_at(ring, tail);
	*head = (struct head){.mac = rec->mac,
			      .vtep_mac = rec->vtep_mac,
			      .vtep = rec->vtep,
			      .len = rec->len,
			      .vpc = rec->vpc};
	memcpy(head + 1, rec->ip, rec->len);
	atomic_store_explicit(&ring->tail, tail + room, memory_order_release);
	return true;
}

bool cv_pkt_ring_put(struct cv_pkt_ring *ring, const struct cv_pkt_rec *rec)
{
	return cv_pkt_ring_put_below(ring, rec, 0);
}

/* The position of the oldest packet. @return false if there is none */
static bool oldest_find(struct cv_pkt_ring *ring, uint64_t *ret_pos)
{
	uint64_t pos = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (pos == ring->tail_seen) {
		ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (pos == ring->tail_seen)
			return false;
	}
	/* A skip is never the last thing in the ring. */
	if (head_at(ring, pos)->len == SKIP)
		pos += ring->n_bytes - (pos & (ring->n_bytes - 1));
	*ret_pos = pos;
	return true;
}

bool cv_pkt_ring_peek(struct cv_pkt_ring *ring, struct cv_pkt_rec *ret_rec)
{
	const struct head *head;
	uint64_t pos;

	if (!oldest_find(ring, &pos))
		return false;
	head = head_at(ring, pos);
	*ret_rec = (struct cv_pkt_rec){.ip = head + 1,
				       .len = (uint16_t)head->len,
				       .vpc = head->vpc,
				       .mac = head->mac,
				       .vtep = head->vtep,
				       .vtep_mac = head->vtep_mac};
	return true;
}

void cv_pkt_ring_pop(struct cv_pkt_ring *ring)
{
	uint64_t pos;
	bool is_there = oldest_find(ring, &pos);

	cv_assert(is_there);
	atomic_store_explicit(&ring->head, pos + room_of(head_at(ring, pos)->len),
			      memory_order_release);
}
