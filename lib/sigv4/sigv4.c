/* SPDX-License-Identifier: BSD-3-Clause */

/* Clock and signature. */

#include "cv_sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sigv4_priv.h"

void cv_sigv4_hex(const uint8_t *bytes, size_t len, char *hex)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * len] = '\0';
}

void cv_sigv4_sha256_hex(const void *data, size_t len, char *hex)
{
	uint8_t hash[EVP_MAX_MD_SIZE] = {0};

	EVP_Digest(len > 0 ? data : "", len, hash, NULL, EVP_sha256(), NULL);
	cv_sigv4_hex(hash, SIGV4_SHA256_LEN, hex);
}

bool cv_sigv4_is_equal(const char *a, const char *b)
{
	size_t len = strlen(a);

	return strlen(b) == len && CRYPTO_memcmp(a, b, len) == 0;
}

static void time_write(time_t at, char *text, size_t cap)
{
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(text, cap, "%Y%m%dT%H%M%SZ", &tm);
}

enum cv_sigv4_fault cv_sigv4_check_time(struct cv_sigv4_auth *auth, time_t now)
{
	time_t last = auth->at + (auth->presigned ? (time_t)auth->expires : CV_SIGV4_SKEW_SECONDS);
	char here[32], bound[32];

	time_write(now, here, sizeof(here));
	if (now > last) {
		time_write(now - (last - auth->at), bound, sizeof(bound));
		snprintf(auth->text, sizeof(auth->text),
			 "Signature expired: %s is now earlier than %s (%s - %ld sec.)", auth->date,
			 bound, here, (long)(last - auth->at));
		return CV_SIGV4_EXPIRED;
	}
	if (auth->at > now + CV_SIGV4_SKEW_SECONDS) {
		time_write(now + CV_SIGV4_SKEW_SECONDS, bound, sizeof(bound));
		snprintf(auth->text, sizeof(auth->text),
			 "Signature not yet current: %s is still later than %s (%s + %d min.)",
			 auth->date, bound, here, CV_SIGV4_SKEW_SECONDS / 60);
		return CV_SIGV4_EXPIRED;
	}
	return CV_SIGV4_OK;
}

static bool hmac(const void *key, size_t key_len, const char *text, uint8_t *ret_mac)
{
	return HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), ret_mac,
		    NULL) != NULL;
}

/* Keys of the day, the region, the service, and the signature itself. */
static bool sign(const struct cv_sigv4_auth *auth, const char *secret, const char *to_sign,
		 char *hex)
{
	const char *const texts[] = {auth->day, auth->region, auth->service, "aws4_request",
				     to_sign};
	uint8_t mac[EVP_MAX_MD_SIZE];
	size_t key_len = strlen(secret) + 4;
	char *key = malloc(key_len + 1);
	bool good;

	if (key == NULL)
		return false;
	memcpy(key, "AWS4", 4);
	strcpy(key + 4, secret);
	good = hmac(key, key_len, texts[0], mac);
	OPENSSL_cleanse(key, key_len);
	free(key);
	for (size_t i = 1; good && i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint8_t next[EVP_MAX_MD_SIZE];

		good = hmac(mac, SIGV4_SHA256_LEN, texts[i], next);
		memcpy(mac, next, SIGV4_SHA256_LEN);
	}
	cv_sigv4_hex(mac, SIGV4_SHA256_LEN, hex);
	OPENSSL_cleanse(mac, sizeof(mac));
	return good;
}

/* A header may tell the body's hash, for clients that sign it; then it must be the body's. */
static bool body_is_right(const struct cv_sigv4_request *request)
{
	const char *told = cv_sigv4_header_find(request, "x-amz-content-sha256");
	char hash[CV_SIGV4_HEX_LEN + 1];

	if (told == NULL)
		return true;
	cv_sigv4_sha256_hex(request->body, request->body_len, hash);
	return strcmp(told, hash) == 0;
}

enum cv_sigv4_fault cv_sigv4_verify(const struct cv_sigv4_request *request,
				    struct cv_sigv4_auth *auth, const char *secret)
{
	char hash[CV_SIGV4_HEX_LEN + 1], own[CV_SIGV4_HEX_LEN + 1], to_sign[512];
	char *canonical;

	if (!body_is_right(request)) {
		strcpy(auth->text, "The value of 'x-amz-content-sha256' is not the SHA-256 of the "
				   "body, which must be signed");
		return CV_SIGV4_BODY;
	}
	canonical = cv_sigv4_canonical(request, auth);
	if (canonical == NULL)
		return CV_SIGV4_NO_MEMORY;
	cv_sigv4_sha256_hex(canonical, strlen(canonical), hash);
	free(canonical);
	snprintf(to_sign, sizeof(to_sign), SIGV4_ALGORITHM "\n%s\n%s/%s/%s/aws4_request\n%s",
		 auth->date, auth->day, auth->region, auth->service, hash);
	if (!sign(auth, secret, to_sign, own))
		return CV_SIGV4_NO_MEMORY;
	if (cv_sigv4_is_equal(own, auth->signature))
		return CV_SIGV4_OK;
	strcpy(auth->text, "The request signature we calculated does not match the signature you "
			   "provided. Check your AWS Secret Access Key and signing method. Consult "
			   "the service documentation for details.");
	return CV_SIGV4_MISMATCH;
}
