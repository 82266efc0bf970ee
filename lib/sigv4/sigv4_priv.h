/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the verifier: what reading and signing share.
 */

#include "cv_sigv4.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"
#define SIGV4_SHA256_LEN 32
/* Parameters in the query of a request line at most. */
#define SIGV4_PAIRS_MAX 1024

/** A header's first value by its name in lower case; NULL if there is none. */
const char *cv_sigv4_header_find(const struct cv_sigv4_request *request, const char *name);

/** Write bytes as lower-case hex with a NUL. @param[out] hex  shape [2 * len + 1] */
void cv_sigv4_hex(const uint8_t *bytes, size_t len, char *hex);

/** SHA-256 as hex. @param[out] hex  shape [CV_SIGV4_HEX_LEN + 1] */
void cv_sigv4_sha256_hex(const void *data, size_t len, char *hex);
