/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * CBOR as AWS's newer clients speak it: what JSON can say, in bytes, and times.
 *
 * Values are jansson's, so that what reads and writes JSON reads and writes this.
 *
 * @threads any
 * @source  RFC 8949; Smithy RPC v2 CBOR protocol, smithy.io
 */

#include <stddef.h>

#include <jansson.h>

/** Lists and maps in each other at most. */
#define CV_CBOR_DEPTH_MAX 16
/**
 * Values in one at most, itself and those without anything in them, too: an empty map is a byte, but some
 * 240 bytes of memory.
 */
#define CV_CBOR_VALUES_MAX 16384

/**
 * Read a value. Lengths may be definite or not. A time (tag 1) is the number that it is of; `undefined` is
 * null; a whole number beyond 64 bits with sign is a real one. Nothing in these requests is a byte string
 * or has another tag: they are refused, as are numbers that are none, text that is not UTF-8 or has a NUL,
 * and maps with a key twice.
 *
 * @param data            shape [len]
 * @param[out] ret_value  untouched on failure
 * @return 0, or
 *   -EILSEQ  that is no such value, it is too deep or of too many, or something follows it
 *   -ENOMEM  memory ran out
 * @owner  caller; json_decref()
 */
int cv_cbor_read(const void *data, size_t len, json_t **ret_value);

/**
 * Write a value, in definite lengths, real numbers in 64 bits.
 *
 * @param times  shape [n_times], names of members: numbers in them are times, seconds since 1970
 * @param[out] ret_data  untouched on failure
 * @param[out] ret_len   its bytes
 * @return 0 or -ENOMEM
 * @owner  caller; free()
 */
int cv_cbor_write(const json_t *value, const char *const *times, size_t n_times, char **ret_data,
		  size_t *ret_len);
