/* SPDX-License-Identifier: BSD-3-Clause */

#include "neigh_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"

static uint32_t hash(uint16_t vpc, cv_be32_t ip)
{
	uint64_t x = ((uint64_t)vpc << 32 | ip) * 0x9e3779b97f4a7c15;

	return (uint32_t)(x >> 32);
}

static void idx_add(uint32_t *idx, uint32_t mask, const struct cv_plan_neigh *want, uint32_t slot)
{
	uint32_t i = hash(want->vpc, want->ip) & mask;

	while (idx[i] != 0)
		i = (i + 1) & mask;
	idx[i] = slot + 1;
}

static bool is_same(const struct ctl_neigh *neigh, const struct cv_plan_neigh *want)
{
	return neigh->state != CTL_NEIGH_UNUSED && neigh->ip == want->ip && neigh->vpc == want->vpc;
}

static void neigh_begin(struct ctl_neigh *neigh, const struct cv_plan_neigh *want, uint64_t now_ms)
{
	*neigh = (struct ctl_neigh){
		.ip = want->ip,
		.sender = want->sender,
		.vpc = want->vpc,
		.state = CTL_NEIGH_UNRESOLVED,
		.wait_ms = CTL_NEIGH_RETRY_MIN_MS,
		.next_ms = now_ms,
	};
}

int cv_ctl_neigh_build(const struct ctl_neigh_table *old, const struct cv_plan_neigh *wants,
		       uint32_t n, uint64_t now_ms, struct ctl_neigh_table *ret_table)
{
	struct ctl_neigh *items;
	uint32_t *idx, mask = 1;

	while (mask < 2 * n)
		mask = mask * 2 + 1;
	items = calloc(n > 0 ? n : 1, sizeof(*items));
	idx = calloc((size_t)mask + 1, sizeof(*idx));
	if (items == NULL || idx == NULL) {
		free(items);
		free(idx);
		return -ENOMEM;
	}
	for (uint32_t slot = 0; slot < n; slot++) {
		if (!wants[slot].used)
			continue;
		idx_add(idx, mask, &wants[slot], slot);
		if (slot < old->n && is_same(&old->items[slot], &wants[slot])) {
			items[slot] = old->items[slot];
			items[slot].sender = wants[slot].sender;
		} else {
			neigh_begin(&items[slot], &wants[slot], now_ms);
		}
	}
	*ret_table = (struct ctl_neigh_table){.items = items, .n = n, .idx = idx, .mask = mask};
	return 0;
}

void cv_ctl_neigh_fini(struct ctl_neigh_table *table)
{
	free(table->items);
	free(table->idx);
	memset(table, 0, sizeof(*table));
}

uint32_t cv_ctl_neigh_find(const struct ctl_neigh_table *table, uint16_t vpc, cv_be32_t ip)
{
	uint32_t i = hash(vpc, ip) & table->mask;

	if (table->idx == NULL)
		return UINT32_MAX;
	for (; table->idx[i] != 0; i = (i + 1) & table->mask) {
		const struct ctl_neigh *neigh = &table->items[table->idx[i] - 1];

		if (neigh->ip == ip && neigh->vpc == vpc)
			return table->idx[i] - 1;
	}
	return UINT32_MAX;
}

static bool is_station(const uint8_t *mac)
{
	static const uint8_t zero[6];

	/* A group address (bit 0 of the first byte) never belongs to a station. */
	return (mac[0] & 1) == 0 && memcmp(mac, zero, sizeof(zero)) != 0;
}

enum ctl_neigh_news cv_ctl_neigh_hear(struct ctl_neigh_table *table, uint16_t vpc, cv_be32_t ip,
				      const uint8_t *mac, uint64_t now_ms, uint32_t *ret_slot)
{
	uint32_t slot = cv_ctl_neigh_find(table, vpc, ip);
	enum ctl_neigh_news news = CTL_NEIGH_SAME;
	struct ctl_neigh *neigh;

	if (slot == UINT32_MAX || !is_station(mac))
		return CTL_NEIGH_FOREIGN;
	neigh = &table->items[slot];
	if (neigh->state == CTL_NEIGH_UNRESOLVED)
		news = CTL_NEIGH_NEW;
	else if (memcmp(neigh->mac, mac, sizeof(neigh->mac)) != 0)
		news = CTL_NEIGH_CHANGED;
	else if (neigh->state == CTL_NEIGH_STALE)
		news = CTL_NEIGH_BACK;
	memcpy(neigh->mac, mac, sizeof(neigh->mac));
	neigh->state = CTL_NEIGH_REACHABLE;
	neigh->tries = 0;
	neigh->wait_ms = CTL_NEIGH_ANSWER_MS;
	neigh->heard_ms = now_ms;
	neigh->next_ms = now_ms + CTL_NEIGH_REFRESH_MS - hash(vpc, ip) % (CTL_NEIGH_REFRESH_MS / 8);
	*ret_slot = slot;
	return news;
}

/* Note one request and say when the next is due. Tells whether the neighbour became stale by it. */
static bool neigh_asked(struct ctl_neigh *neigh, uint64_t now_ms)
{
	bool went_stale = false;

	if (neigh->state == CTL_NEIGH_REACHABLE && neigh->tries == CTL_NEIGH_TRIES) {
		neigh->state = CTL_NEIGH_STALE;
		went_stale = true;
	}
	if (neigh->tries < UINT8_MAX)
		neigh->tries++;
	neigh->next_ms = now_ms + neigh->wait_ms;
	neigh->wait_ms *= 2;
	if (neigh->wait_ms > CTL_NEIGH_RETRY_MAX_MS)
		neigh->wait_ms = CTL_NEIGH_RETRY_MAX_MS;
	return went_stale;
}

uint32_t cv_ctl_neigh_due(struct ctl_neigh_table *table, uint64_t now_ms, uint32_t *pos,
			  struct ctl_neigh_ask *asks, uint32_t n_max)
{
	uint32_t n = 0, slot = *pos < table->n ? *pos : 0;

	for (uint32_t i = 0; i < table->n && n < n_max; i++) {
		struct ctl_neigh *neigh = &table->items[slot];

		if (neigh->state != CTL_NEIGH_UNUSED && neigh->next_ms <= now_ms) {
			asks[n].slot = slot;
			asks[n].went_stale = neigh_asked(neigh, now_ms);
			n++;
		}
		slot = slot + 1 < table->n ? slot + 1 : 0;
	}
	*pos = slot;
	return n;
}

void cv_ctl_neigh_unasked(struct ctl_neigh_table *table, uint32_t slot, uint64_t now_ms)
{
	struct ctl_neigh *neigh = &table->items[slot];

	if (neigh->tries > 0)
		neigh->tries--;
	neigh->next_ms = now_ms;
}

void cv_ctl_neigh_forget(struct ctl_neigh_table *table, uint32_t slot, uint64_t now_ms)
{
	const struct ctl_neigh *neigh = &table->items[slot];
	const struct cv_plan_neigh want = {
		.ip = neigh->ip, .sender = neigh->sender, .vpc = neigh->vpc, .used = true};

	neigh_begin(&table->items[slot], &want, now_ms);
}

const char *cv_ctl_neigh_state_str(enum ctl_neigh_state state)
{
	static const char *const names[] = {
		[CTL_NEIGH_UNUSED] = "unused",
		[CTL_NEIGH_UNRESOLVED] = "unresolved",
		[CTL_NEIGH_REACHABLE] = "reachable",
		[CTL_NEIGH_STALE] = "stale",
	};

	cv_assert(state < CV_ARRAY_LEN(names));
	return names[state];
}
