/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Blocks of a pcapng file, in the machine's byte order. Times in nanoseconds.
 *
 * @source  draft-ietf-opsawg-pcapng, section 4
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/** A packet's block. */
struct ctl_pcapng_pkt {
	uint32_t iface;      /**< number of its interface block */
	uint64_t ns;         /**< since 1970 */
	const uint8_t *data; /**< shape [n] */
	uint32_t n, len;     /**< bytes kept, bytes there were */
	bool sent;
	const char *comment;
};

/** Section header: the beginning of a file. @param program who wrote it */
void cv_ctl_pcapng_begin(FILE *out, const char *program);

/** Interface: Ethernet, numbered in order. */
void cv_ctl_pcapng_iface(FILE *out, const char *name, uint32_t snap_len);

void cv_ctl_pcapng_pkt(FILE *out, const struct ctl_pcapng_pkt *pkt);

/** How many packets an interface has lost so far. */
void cv_ctl_pcapng_missed(FILE *out, uint32_t iface, uint64_t ns, uint64_t missed);
