/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * TCP options: one bounds-checked walk, and the three edits that culvert makes.
 *
 * Pure functions over the option bytes of one header. Edits never change the length of the option
 * area and return what they add to the TCP checksum, in cv_net.h's terms: apply it with
 * cv_csum_apply(). The option area starts 20 bytes into the TCP header, so word boundaries within
 * it are word boundaries of the checksum; fields at odd offsets are taken care of.
 *
 * @threads any; no shared state
 * @source  RFC 9293 section 3.2, RFC 2018 (SACK), RFC 7323 (timestamps), RFC 7413 and 6994 (TFO)
 */

#include <stddef.h>
#include <stdint.h>

/** Longest option area, in bytes: a data offset of 15 words. */
#define CV_TCP_OPTS_LEN_MAX 40

/** Offset of an option that is absent. */
#define CV_TCP_OPT_NONE 0xff

/** Most SACK blocks that fit into one option area. */
#define CV_TCP_SACK_BLOCKS_MAX 4

/**
 * Where the options are that culvert cares about: offset of the kind byte from the start of the
 * option area, or CV_TCP_OPT_NONE. Of an option that occurs twice the first counts; one whose
 * length is not the one its RFC gives counts as absent, as in Linux.
 */
struct cv_tcp_opts {
	uint8_t len; /**< bytes of the option area */
	uint8_t mss_off;
	uint8_t wscale_off;
	uint8_t sack_ok_off;
	uint8_t sack_off;
	uint8_t n_sack; /**< blocks of the SACK option, 0..CV_TCP_SACK_BLOCKS_MAX */
	uint8_t ts_off;
	uint8_t tfo_off; /**< kind 34, or kind 254 with the magic 0xF989 */
	uint8_t wscale;  /**< shift as sent; 0 if absent */
	uint16_t mss;    /**< host order; 0 if absent */
	uint32_t ts_val; /**< host order; 0 if absent */
	uint32_t ts_ecr; /**< host order; 0 if absent */
};

/**
 * Walk the options of one header.
 *
 * @param      opts      shape [len]: the bytes between the fixed header and the payload
 * @param      len       bytes, at most CV_TCP_OPTS_LEN_MAX
 * @param[out] ret_opts  what was found; untouched on failure
 *
 * @return 0, or -EINVAL: len too large, an option of length 0 or 1, or one that ends past len
 */
int cv_tcp_opts_parse(const uint8_t *opts, size_t len, struct cv_tcp_opts *ret_opts);

/**
 * Lower the MSS option to max; leave it alone if it is absent or not above max.
 *
 * @param[in,out] opts   the bytes that found was parsed from
 * @param[in,out] found  its mss follows the edit
 * @param         max    largest MSS to let through, host order
 * @return checksum difference; 0 means that nothing was changed
 */
uint32_t cv_tcp_mss_clamp(uint8_t *opts, struct cv_tcp_opts *found, uint16_t max);

/**
 * Raise every SACK edge below min to min. Blocks that end up empty are removed: the others move
 * up and NOPs fill the rest.
 *
 * @param[in,out] opts   the bytes that found was parsed from
 * @param[in,out] found  its n_sack and sack_off follow the edit
 * @param         min    sequence number, host order
 * @return checksum difference; 0 means that nothing was changed
 */
uint32_t cv_tcp_sack_raise(uint8_t *opts, struct cv_tcp_opts *found, uint32_t min);

/**
 * Overwrite the TCP Fast Open option with NOPs, so that the peers fall back to a plain handshake.
 *
 * @param[in,out] opts   the bytes that found was parsed from
 * @param[in,out] found  its tfo_off follows the edit
 * @return checksum difference; 0 means that nothing was changed
 */
uint32_t cv_tcp_tfo_strip(uint8_t *opts, struct cv_tcp_opts *found);
