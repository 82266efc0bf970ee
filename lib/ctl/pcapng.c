/* SPDX-License-Identifier: BSD-3-Clause */

#include <string.h>

#include "pcapng_priv.h"

enum { BLOCK_IFACE = 1, BLOCK_STATS = 5, BLOCK_PKT = 6, BLOCK_SECTION = 0x0a0d0d0a };
enum { OPT_END, OPT_COMMENT, OPT_IF_NAME = 2, OPT_FLAGS = 2, OPT_APPLICATION = 4 };
enum { OPT_IF_DROP = 5, OPT_TIME_UNIT = 9 };
/* Lengths of what is always there, type and both lengths of the block included. */
enum { SECTION_LEN = 28, IFACE_LEN = 20, PKT_LEN = 32, STATS_LEN = 24, OPT_LEN = 4 };

static uint32_t padded(size_t len)
{
	return (uint32_t)(len + 3) & ~3U;
}

static void put16(FILE *out, uint16_t value)
{
	fwrite(&value, sizeof(value), 1, out);
}

static void put32(FILE *out, uint32_t value)
{
	fwrite(&value, sizeof(value), 1, out);
}

static void put_bytes(FILE *out, const void *bytes, uint32_t len)
{
	fwrite(bytes, len, 1, out);
	fwrite("\0\0", padded(len) - len, 1, out);
}

static void put_time(FILE *out, uint64_t ns)
{
	put32(out, (uint32_t)(ns >> 32));
	put32(out, (uint32_t)ns);
}

static void put_opt(FILE *out, uint16_t code, const void *value, size_t len)
{
	put16(out, code);
	put16(out, (uint16_t)len);
	put_bytes(out, value, (uint32_t)len);
}

static void block_begin(FILE *out, uint32_t type, uint32_t len)
{
	put32(out, type);
	put32(out, len);
}

void cv_ctl_pcapng_begin(FILE *out, const char *program)
{
	uint32_t len = SECTION_LEN + OPT_LEN + padded(strlen(program)) + OPT_LEN;

	block_begin(out, BLOCK_SECTION, len);
	put32(out, 0x1a2b3c4d);
	put16(out, 1);
	put16(out, 0);
	put32(out, UINT32_MAX); /* how long the section is, is not known */
	put32(out, UINT32_MAX);
	put_opt(out, OPT_APPLICATION, program, strlen(program));
	put_opt(out, OPT_END, "", 0);
	put32(out, len);
}

void cv_ctl_pcapng_iface(FILE *out, const char *name, uint32_t snap_len)
{
	uint32_t len = IFACE_LEN + OPT_LEN + padded(strlen(name)) + OPT_LEN + 4 + OPT_LEN;
	const uint8_t nanoseconds = 9;

	block_begin(out, BLOCK_IFACE, len);
	put16(out, 1); /* LINKTYPE_ETHERNET */
	put16(out, 0);
	put32(out, snap_len);
	put_opt(out, OPT_IF_NAME, name, strlen(name));
	put_opt(out, OPT_TIME_UNIT, &nanoseconds, 1);
	put_opt(out, OPT_END, "", 0);
	put32(out, len);
}

void cv_ctl_pcapng_pkt(FILE *out, const struct ctl_pcapng_pkt *pkt)
{
	uint32_t len = PKT_LEN + padded(pkt->n) + OPT_LEN + padded(strlen(pkt->comment)) + OPT_LEN +
		       4 + OPT_LEN;
	const uint32_t flags = pkt->sent ? 2 : 1; /* outbound, inbound */

	block_begin(out, BLOCK_PKT, len);
	put32(out, pkt->iface);
	put_time(out, pkt->ns);
	put32(out, pkt->n);
	put32(out, pkt->len);
	put_bytes(out, pkt->data, pkt->n);
	put_opt(out, OPT_COMMENT, pkt->comment, strlen(pkt->comment));
	put_opt(out, OPT_FLAGS, &flags, sizeof(flags));
	put_opt(out, OPT_END, "", 0);
	put32(out, len);
}

void cv_ctl_pcapng_missed(FILE *out, uint32_t iface, uint64_t ns, uint64_t missed)
{
	uint32_t len = STATS_LEN + OPT_LEN + 8 + OPT_LEN;

	block_begin(out, BLOCK_STATS, len);
	put32(out, iface);
	put_time(out, ns);
	put_opt(out, OPT_IF_DROP, &missed, sizeof(missed));
	put_opt(out, OPT_END, "", 0);
	put32(out, len);
}
