/* SPDX-License-Identifier: BSD-3-Clause */

#include "plan.h"

#include <string.h>

static const char ident_magic[4] = {'c', 'v', 'b', '1'};

void cb_plan_init(struct cb_plan *plan, const struct cb_opts *opts)
{
	uint32_t n_ports = (uint32_t)opts->client_ports.hi - opts->client_ports.lo + 1;
	uint32_t bits = 32u - opts->clients.len;
	uint32_t most = UINT32_MAX >> bits;

	memset(plan, 0, sizeof(*plan));
	plan->key = cb_mix((uint64_t)opts->seed + 0x9e3779b97f4a7c15);
	if (opts->clients.len == 0)
		return;
	plan->bits = bits;
	plan->mask = (uint32_t)((1ull << bits) - 1);
	plan->base = cv_be32_host(opts->clients.addr);
	plan->port_lo = opts->client_ports.lo;
	plan->n_ports = n_ports < most ? n_ports : most;
	plan->n_tuples = plan->n_ports << bits;
	plan->n_dials = opts->dial.n;
	plan->dials = opts->dial.at;
}

void cb_pattern_init(struct cb_pattern *pattern, uint64_t seed)
{
	uint32_t i;
	uint16_t word;

	for (i = 0; i < CB_PATTERN_LEN; i += 8) {
		uint64_t v = cb_mix(seed + i + 1);

		memcpy(&pattern->bytes[i], &v, 8);
	}
	memcpy(&pattern->bytes[CB_PATTERN_LEN], pattern->bytes, CB_PIECE_MAX);
	pattern->sums[0] = pattern->sums[1] = 0;
	for (i = 2; i <= CB_PATTERN_LEN + CB_PIECE_MAX; i++) {
		memcpy(&word, &pattern->bytes[i - 2], 2);
		pattern->sums[i] = pattern->sums[i - 2] + word;
	}
}

void cb_ident_write(const struct cb_plan *plan, uint32_t id, uint8_t *buf)
{
	uint64_t check = cb_mix(plan->key ^ id);

	memcpy(buf, ident_magic, 4);
	memcpy(buf + 4, &id, 4);
	memcpy(buf + 8, &check, 8);
}

bool cb_ident_read(const struct cb_plan *plan, const uint8_t *buf, uint32_t *ret_id)
{
	uint8_t want[CB_IDENT_LEN];
	uint32_t id;

	memcpy(&id, buf + 4, 4);
	cb_ident_write(plan, id, want);
	if (memcmp(buf, want, sizeof(want)) != 0)
		return false;
	*ret_id = id;
	return true;
}
