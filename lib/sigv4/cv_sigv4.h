/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * AWS Signature Version 4, the server's side: read who signed a request and how, build the canonical
 * request, compare signatures. Header and query ("presigned") form.
 *
 * Says what is wrong, not how a service words it: that is the caller's. Knows no keys: the caller finds
 * the secret of the access key id between the two steps.
 *
 * @threads any; no shared state
 * @source  AWS General Reference, "Signing AWS API requests"; tested against botocore's signer
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/** Lengths of texts, without their NUL. */
#define CV_SIGV4_KEY_LEN_MAX 128
#define CV_SIGV4_HEX_LEN 64
#define CV_SIGV4_DATE_LEN 16 /**< `20261121T213011Z` */

/** Headers of a request at most; signed headers as well. */
#define CV_SIGV4_HEADERS_MAX 64

/** A request's clock may differ from ours by so many seconds, both ways. */
#define CV_SIGV4_SKEW_SECONDS 300
/** A presigned request is valid for so many seconds at most. */
#define CV_SIGV4_EXPIRES_MAX 604800

/** A header as it came. */
struct cv_sigv4_header {
	const char *name;
	const char *value;
};

/** A request as it came. Nothing in it is decoded. */
struct cv_sigv4_request {
	const char *method;
	const char *path;                      /**< of the request line, without the query */
	const char *query;                     /**< what follows `?`, "" if nothing */
	const struct cv_sigv4_header *headers; /**< shape [n_headers], in their order */
	uint32_t n_headers;
	const void *body; /**< shape [body_len] */
	size_t body_len;
};

/** What is wrong with a request. */
enum cv_sigv4_fault {
	CV_SIGV4_OK,
	CV_SIGV4_MISSING,    /**< it is not signed at all */
	CV_SIGV4_INCOMPLETE, /**< it is signed, but not as it should be */
	CV_SIGV4_SCOPE,      /**< it is signed for another region or service, or for another day */
	CV_SIGV4_EXPIRED,    /**< too old, or from the future */
	CV_SIGV4_BODY,       /**< the body is not the one that was signed */
	CV_SIGV4_MISMATCH,   /**< the signature is another one */
	CV_SIGV4_NO_MEMORY,
};

/** How a request is signed. Texts are copies. */
struct cv_sigv4_auth {
	char key_id[CV_SIGV4_KEY_LEN_MAX + 1];
	char day[9]; /**< of the scope, `20261121` */
	char region[33];
	char service[33];
	char date[CV_SIGV4_DATE_LEN + 1];
	char signature[CV_SIGV4_HEX_LEN + 1];
	char signed_headers[1024]; /**< lower case, `;` between; sorted */
	char *token;               /**< session token, NULL if none; cv_sigv4_auth_fini() */
	time_t at;                 /**< of date */
	uint32_t expires;          /**< presigned: seconds from date, else 0 */
	bool presigned;
	char text[192]; /**< what is wrong, for the client; "" if nothing */
};

/**
 * Read how a request is signed and check its form: algorithm, credential scope, date, signed headers
 * (host, and every `x-amz-...` header that is there), signature. The clock, the scope's region and
 * service and the signature are not checked yet.
 *
 * @param[out] auth  filled in any case, as far as it could be read; cv_sigv4_auth_fini()
 */
enum cv_sigv4_fault cv_sigv4_parse(const struct cv_sigv4_request *request,
				   struct cv_sigv4_auth *auth);

/** Check date and, if presigned, expiry against the clock. Fills auth->text when it is wrong. */
enum cv_sigv4_fault cv_sigv4_check_time(struct cv_sigv4_auth *auth, time_t now);

/**
 * Check the signature, in time that does not depend on where it differs.
 *
 * @param secret  secret access key
 * @return CV_SIGV4_OK, CV_SIGV4_BODY, CV_SIGV4_MISMATCH or CV_SIGV4_NO_MEMORY
 */
enum cv_sigv4_fault cv_sigv4_verify(const struct cv_sigv4_request *request,
				    struct cv_sigv4_auth *auth, const char *secret);

/** Free the token. */
void cv_sigv4_auth_fini(struct cv_sigv4_auth *auth);

/**
 * The canonical request, for tests and for a client's eyes.
 *
 * @return text, or NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_sigv4_canonical(const struct cv_sigv4_request *request, const struct cv_sigv4_auth *auth);

/** Compare two texts of equal length in time that depends on the length only. */
bool cv_sigv4_is_equal(const char *a, const char *b);
