/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_tcp_opts.h"

#include <errno.h>
#include <string.h>

#include "cv_base.h"
#include "cv_net.h"
#include "cv_tcp_hot.h"

enum {
	KIND_EOL = 0,
	KIND_NOP = 1,
	KIND_MSS = 2,
	KIND_WSCALE = 3,
	KIND_SACK_OK = 4,
	KIND_SACK = 5,
	KIND_TS = 8,
	KIND_TFO = 34,
	KIND_EXPERIMENT = 254,
};

#define TFO_MAGIC 0xf989
#define SACK_BLOCK_LEN 8

static uint16_t read16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t read32(const uint8_t *p)
{
	return (uint32_t)read16(p) << 16 | read16(p + 2);
}

static void write32(uint8_t *p, uint32_t value)
{
	cv_be32_t be = cv_be32(value);

	memcpy(p, &be, sizeof(be));
}

/* Remembers the first option of a kind. */
static bool first(uint8_t *ret_off, size_t off)
{
	if (*ret_off != CV_TCP_OPT_NONE)
		return false;
	*ret_off = (uint8_t)off;
	return true;
}

/* Takes note of the option at off, whose len bytes lie within the area. */
static void note(const uint8_t *opts, size_t off, size_t len, struct cv_tcp_opts *found)
{
	const uint8_t *o = opts + off;

	switch (o[0]) {
	case KIND_MSS:
		if (len == 4 && first(&found->mss_off, off))
			found->mss = read16(o + 2);
		break;
	case KIND_WSCALE:
		if (len == 3 && first(&found->wscale_off, off))
			found->wscale = o[2];
		break;
	case KIND_SACK_OK:
		if (len == 2)
			first(&found->sack_ok_off, off);
		break;
	case KIND_SACK:
		if (len > 2 && (len - 2) % SACK_BLOCK_LEN == 0 && first(&found->sack_off, off))
			found->n_sack = (uint8_t)((len - 2) / SACK_BLOCK_LEN);
		break;
	case KIND_TS:
		if (len == 10 && first(&found->ts_off, off)) {
			found->ts_val = read32(o + 2);
			found->ts_ecr = read32(o + 6);
		}
		break;
	case KIND_TFO:
		first(&found->tfo_off, off);
		break;
	case KIND_EXPERIMENT:
		if (len >= 4 && read16(o + 2) == TFO_MAGIC)
			first(&found->tfo_off, off);
		break;
	default:
		break;
	}
}

int cv_tcp_opts_parse(const uint8_t *opts, size_t len, struct cv_tcp_opts *ret_opts)
{
	struct cv_tcp_opts found = {
		.len = (uint8_t)len,
		.mss_off = CV_TCP_OPT_NONE,
		.wscale_off = CV_TCP_OPT_NONE,
		.sack_ok_off = CV_TCP_OPT_NONE,
		.sack_off = CV_TCP_OPT_NONE,
		.ts_off = CV_TCP_OPT_NONE,
		.tfo_off = CV_TCP_OPT_NONE,
	};
	size_t off = 0;

	if (len > CV_TCP_OPTS_LEN_MAX)
		return -EINVAL;
	while (off < len && opts[off] != KIND_EOL) {
		size_t opt_len;

		if (opts[off] == KIND_NOP) {
			off++;
			continue;
		}
		if (len - off < 2)
			return -EINVAL;
		opt_len = opts[off + 1];
		if (opt_len < 2 || opt_len > len - off)
			return -EINVAL;
		note(opts, off, opt_len, &found);
		off += opt_len;
	}
	*ret_opts = found;
	return 0;
}

/*
 * Overwrites [off, off + n) and returns what that adds to the checksum. Whole words of the header
 * are compared, so a field at an odd offset costs nothing special. An area of odd length, which
 * no real header has, counts as if a zero followed.
 */
static uint32_t overwrite(uint8_t *opts, size_t len, size_t off, const uint8_t *bytes, size_t n)
{
	uint8_t from[CV_TCP_OPTS_LEN_MAX] = {0};
	uint8_t to[CV_TCP_OPTS_LEN_MAX] = {0};
	uint32_t diff = 0;

	cv_assert(len <= CV_TCP_OPTS_LEN_MAX && n <= len && off <= len - n);
	memcpy(from, opts, len);
	memcpy(opts + off, bytes, n);
	memcpy(to, opts, len);
	for (size_t i = off & ~(size_t)1; i < off + n; i += 2) {
		uint16_t a, b;

		memcpy(&a, from + i, 2);
		memcpy(&b, to + i, 2);
		if (a != b)
			diff += cv_csum_diff16(a, b);
	}
	return diff;
}

uint32_t cv_tcp_mss_clamp(uint8_t *opts, struct cv_tcp_opts *found, uint16_t max)
{
	const uint8_t bytes[2] = {(uint8_t)(max >> 8), (uint8_t)max};

	if (found->mss_off == CV_TCP_OPT_NONE || found->mss <= max)
		return 0;
	found->mss = max;
	return overwrite(opts, found->len, found->mss_off + 2u, bytes, sizeof(bytes));
}

uint32_t cv_tcp_sack_raise(uint8_t *opts, struct cv_tcp_opts *found, uint32_t min)
{
	size_t n_bytes = 2u + SACK_BLOCK_LEN * (size_t)found->n_sack;
	size_t off = found->sack_off;
	uint8_t bytes[2 + SACK_BLOCK_LEN * CV_TCP_SACK_BLOCKS_MAX];
	uint8_t n_kept = 0;

	if (off == CV_TCP_OPT_NONE)
		return 0;
	cv_assert(found->n_sack <= CV_TCP_SACK_BLOCKS_MAX);
	memset(bytes, KIND_NOP, sizeof(bytes));
	for (uint8_t i = 0; i < found->n_sack; i++) {
		const uint8_t *block = opts + off + 2 + SACK_BLOCK_LEN * (size_t)i;
		uint8_t *kept = bytes + 2 + SACK_BLOCK_LEN * (size_t)n_kept;
		uint32_t left = read32(block);
		uint32_t right = read32(block + 4);

		if (cv_seq_leq(right, min))
			continue;
		write32(kept, cv_seq_lt(left, min) ? min : left);
		write32(kept + 4, right);
		n_kept++;
	}
	if (n_kept > 0) {
		bytes[0] = KIND_SACK;
		bytes[1] = (uint8_t)(2 + SACK_BLOCK_LEN * n_kept);
	} else {
		found->sack_off = CV_TCP_OPT_NONE;
	}
	found->n_sack = n_kept;
	return overwrite(opts, found->len, off, bytes, n_bytes);
}

uint32_t cv_tcp_tfo_strip(uint8_t *opts, struct cv_tcp_opts *found)
{
	uint8_t nops[CV_TCP_OPTS_LEN_MAX];
	size_t off = found->tfo_off;

	if (off == CV_TCP_OPT_NONE)
		return 0;
	memset(nops, KIND_NOP, sizeof(nops));
	found->tfo_off = CV_TCP_OPT_NONE;
	return overwrite(opts, found->len, off, nops, opts[off + 1]);
}
