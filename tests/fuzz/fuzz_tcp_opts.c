/* SPDX-License-Identifier: BSD-3-Clause */

/* TCP options: the first four bytes are the limits for the edits, the rest is the option area. */

#include <stdint.h>
#include <string.h>

#include "cv_base.h"
#include "cv_net.h"
#include "cv_tcp_hot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint16_t csum_of(const uint8_t *area, size_t len)
{
	return (uint16_t)~cv_csum_fold(cv_csum_add(area, len, 1));
}

static void check_found(const struct cv_tcp_opts *found, size_t len)
{
	const uint8_t offs[] = {found->mss_off,  found->wscale_off, found->sack_ok_off,
				found->sack_off, found->ts_off,     found->tfo_off};

	for (size_t i = 0; i < sizeof(offs); i++)
		cv_assert(offs[i] == CV_TCP_OPT_NONE || offs[i] + 2u <= len);
	cv_assert((found->n_sack > 0) == (found->sack_off != CV_TCP_OPT_NONE));
	cv_assert(found->n_sack <= CV_TCP_SACK_BLOCKS_MAX);
}

static void check_edited(const uint8_t *area, const struct cv_tcp_opts *found, uint16_t mss_max,
			 uint32_t min)
{
	struct cv_tcp_opts again;

	cv_assert(cv_tcp_opts_parse(area, found->len, &again) == 0);
	cv_assert(again.mss == found->mss && again.mss <= mss_max);
	cv_assert(again.n_sack >= found->n_sack);
	for (uint8_t i = 0; i < found->n_sack; i++) {
		cv_be32_t edges[2];

		memcpy(edges, area + found->sack_off + 2 + 8 * i, sizeof(edges));
		cv_assert(cv_seq_geq(cv_be32_host(edges[0]), min));
		cv_assert(cv_seq_gt(cv_be32_host(edges[1]), min));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t area[CV_TCP_OPTS_LEN_MAX];
	struct cv_tcp_opts found;
	uint16_t csum, mss_max;
	uint32_t diff, min;

	if (len < 6)
		return 0;
	memcpy(&mss_max, data, 2);
	memcpy(&min, data + 2, 4);
	data += 6;
	len -= 6;
	if (cv_tcp_opts_parse(data, len, &found) != 0)
		return 0;
	check_found(&found, len);
	memcpy(area, data, len);
	csum = csum_of(area, len);
	diff = cv_tcp_mss_clamp(area, &found, mss_max);
	diff += cv_tcp_sack_raise(area, &found, min);
	diff += cv_tcp_tfo_strip(area, &found);
	cv_assert(cv_csum_apply(csum, diff) == csum_of(area, len));
	check_edited(area, &found, mss_max, min);
	return 0;
}
