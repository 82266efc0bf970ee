/* SPDX-License-Identifier: BSD-3-Clause */

#include "table.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "cv_base.h"

void *cb_mem_alloc(size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		return NULL;
	(void)madvise(mem, len, MADV_HUGEPAGE);
	/* Now, so that no page fault hits a measurement. */
	memset(mem, 0, len);
	return mem;
}

void cb_mem_free(void *mem, size_t len)
{
	if (mem != NULL)
		(void)munmap(mem, len);
}

int cb_table_init(struct cb_table *table, uint32_t cap, uint64_t key)
{
	uint32_t n = 64;

	while (n < cap * 2ull && n < 1u << 31)
		n *= 2;
	*table = (struct cb_table){.mask = n - 1, .cap = cap, .key = key};
	table->slots = cb_mem_alloc(n * sizeof(*table->slots));
	table->flows = cb_mem_alloc(cap * sizeof(*table->flows));
	if (table->slots != NULL && table->flows != NULL)
		return 0;
	cb_table_fini(table);
	return -ENOMEM;
}

void cb_table_fini(struct cb_table *table)
{
	cb_mem_free(table->slots, (table->mask + 1ull) * sizeof(*table->slots));
	cb_mem_free(table->flows, table->cap * sizeof(*table->flows));
	memset(table, 0, sizeof(*table));
}

struct cb_sflow *cb_table_add(struct cb_table *table, uint32_t hash, cv_be32_t ip, cv_be16_t port,
			      uint8_t local)
{
	struct cb_sflow *f;
	uint32_t i;

	if (table->free != 0) {
		f = &table->flows[table->free - 1];
		table->free = f->id;
	} else if (table->n_top < table->cap) {
		f = &table->flows[table->n_top++];
	} else {
		return NULL;
	}
	for (i = hash & table->mask; table->slots[i].flow != 0; i = (i + 1) & table->mask)
		;
	table->slots[i] = (struct cb_slot){hash, (uint32_t)(f - table->flows) + 1};
	*f = (struct cb_sflow){.peer_ip = ip, .peer_port = port, .local = local};
	table->n++;
	return f;
}

void cb_table_del(struct cb_table *table, struct cb_sflow *flow)
{
	uint32_t hash = cb_table_hash(table, flow->peer_ip, flow->peer_port, flow->local);
	uint32_t want = (uint32_t)(flow - table->flows) + 1, i, hole, home;

	for (i = hash & table->mask; table->slots[i].flow != want; i = (i + 1) & table->mask)
		cv_assert(table->slots[i].flow != 0);
	/* Those behind move up, unless that would put them before the place where their search starts. */
	hole = i;
	for (i = (i + 1) & table->mask; table->slots[i].flow != 0; i = (i + 1) & table->mask) {
		home = table->slots[i].hash & table->mask;
		if (((i - home) & table->mask) >= ((i - hole) & table->mask)) {
			table->slots[hole] = table->slots[i];
			hole = i;
		}
	}
	table->slots[hole].flow = 0;
	*flow = (struct cb_sflow){.id = table->free};
	table->free = want;
	table->n--;
}
