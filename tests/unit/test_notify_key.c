/* SPDX-License-Identifier: BSD-3-Clause */

/* The key of notifications: renewed before its certificate ends, by a clock that is passed in. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "cv_notify.h"

#define BASE "https://culvert.example:8443"
#define DAY ((time_t)86400)
#define YEAR (365 * DAY)
/* 2026-01-01 */
#define BEGIN ((time_t)1767225600)

static const struct cv_notify_message message = {
	.type = "Notification",
	.id = "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
	.topic = "arn:aws:sns:us-east-1:111111111111:t",
	.message = "{}",
	.time = "2026-01-01T00:00:00.000Z",
	.base = BASE,
	.subscription = "arn:aws:sns:us-east-1:111111111111:t:s",
	.version = 2,
};

/* What is kept, as the store has it. */
static struct kept {
	char *key, *cert, *old;
	unsigned int n;
	int ret;
} kept;

static void text_keep(char **to, const char *text)
{
	free(*to);
	*to = text != NULL ? strdup(text) : NULL;
}

static int keep(void *arg, const struct cv_notify_pair *pair)
{
	assert_ptr_equal(arg, &kept);
	kept.n++;
	if (kept.ret < 0)
		return kept.ret;
	text_keep(&kept.key, pair->key);
	text_keep(&kept.cert, pair->cert);
	text_keep(&kept.old, pair->old);
	return 0;
}

static int tend(struct cv_notify_key *key, time_t now)
{
	return cv_notify_key_tend(key, now, keep, &kept);
}

/* As a process that begins. */
static struct cv_notify_key *key_open(void)
{
	struct cv_notify_key *key = NULL;

	assert_int_equal(cv_notify_key_open(kept.key, kept.cert, &key), 0);
	if (kept.old != NULL)
		assert_int_equal(cv_notify_key_old(key, kept.old), 0);
	return key;
}

static struct cv_notify_key *first_key(void)
{
	text_keep(&kept.old, NULL);
	text_keep(&kept.key, NULL);
	text_keep(&kept.cert, NULL);
	kept.n = 0;
	kept.ret = 0;
	assert_int_equal(cv_notify_key_make(BEGIN, &kept.key, &kept.cert), 0);
	return key_open();
}

/* Where a receiver looks. */
static const char *path_of(const char *envelope)
{
	static char path[128];
	json_t *json = json_loads(envelope, 0, NULL);
	const char *url = json_string_value(json_object_get(json, "SigningCertURL"));

	assert_non_null(url);
	assert_int_equal(strncmp(url, BASE, strlen(BASE)), 0);
	snprintf(path, sizeof(path), "%s", url + strlen(BASE));
	json_decref(json);
	return path;
}

/* As a receiver does it: with the certificate that is served where the message says, while it is good. */
static bool is_verified(struct cv_notify_key *key, const char *envelope, time_t now)
{
	char *pem = cv_notify_key_cert(key, path_of(envelope), now);
	char *canonical = cv_notify_canonical(&message);
	json_t *json = json_loads(envelope, 0, NULL);
	const char *text = json_string_value(json_object_get(json, "Signature"));
	BIO *bio = pem != NULL ? BIO_new_mem_buf(pem, -1) : NULL;
	X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[512];
	bool good = cert != NULL && X509_cmp_time(X509_get0_notBefore(cert), &now) < 0 &&
		    X509_cmp_time(X509_get0_notAfter(cert), &now) > 0;

	assert_true(strlen(text) <= 344);
	(void)EVP_DecodeBlock(sig, (const unsigned char *)text, (int)strlen(text));
	good = good &&
	       EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, X509_get0_pubkey(cert)) == 1 &&
	       EVP_DigestVerify(ctx, sig, 256, (const unsigned char *)canonical,
				strlen(canonical)) == 1;
	EVP_MD_CTX_free(ctx);
	X509_free(cert);
	BIO_free(bio);
	json_decref(json);
	free(canonical);
	free(pem);
	return good;
}

static void messages_can_be_verified_over_renewals(void **state)
{
	struct cv_notify_key *key = first_key();
	char *first = cv_notify_envelope(key, &message), *last, *next;
	time_t now = BEGIN + 9 * YEAR - 2 * DAY;

	(void)state;
	assert_int_equal(tend(key, BEGIN), 0);
	assert_int_equal(tend(key, now), 0);
	assert_int_equal(kept.n, 0);
	/* Just before it: with the old certificate, which is served for its last year. */
	last = cv_notify_envelope(key, &message);
	now += 4 * DAY;
	assert_int_equal(tend(key, now), 1);
	assert_int_equal(kept.n, 1);
	assert_int_equal(tend(key, now), 0);
	next = cv_notify_envelope(key, &message);
	assert_string_not_equal(first, next);
	/* The process of now, and the one after it. */
	for (int i = 0; i < 2; i++) {
		char *path = strdup(path_of(last));

		assert_string_equal(path_of(first), path);
		assert_string_not_equal(path_of(next), path);
		assert_true(is_verified(key, first, now));
		assert_true(is_verified(key, last, now + 350 * DAY));
		assert_true(is_verified(key, next, now));
		assert_true(is_verified(key, next, now + 9 * YEAR));
		/* The old one has ended: it is no longer shown. */
		assert_null(cv_notify_key_cert(key, path, now + 370 * DAY));
		free(path);
		cv_notify_key_close(key);
		key = key_open();
	}
	/* And again, nine years later. */
	assert_int_equal(tend(key, now + 8 * YEAR), 0);
	assert_int_equal(tend(key, now + 9 * YEAR + DAY), 1);
	assert_true(is_verified(key, next, now + 9 * YEAR + DAY));
	assert_false(is_verified(key, first, now + 9 * YEAR + DAY));
	free(next);
	free(last);
	free(first);
	cv_notify_key_close(key);
}

static void nothing_is_signed_with_what_is_not_kept(void **state)
{
	struct cv_notify_key *key = first_key();
	char *first = cv_notify_envelope(key, &message), *path = strdup(path_of(first)), *again;
	const time_t now = BEGIN + 9 * YEAR + 2 * DAY;

	(void)state;
	kept.ret = -EROFS;
	assert_int_equal(tend(key, now), -EROFS);
	again = cv_notify_envelope(key, &message);
	assert_string_equal(path_of(again), path);
	assert_true(is_verified(key, again, now));
	/* Not each second. */
	assert_int_equal(tend(key, now + 3599), 0);
	assert_int_equal(tend(key, now + 3600), -EROFS);
	assert_int_equal(kept.n, 2);
	kept.ret = 0;
	assert_int_equal(tend(key, now + 7200), 1);
	free(again);
	again = cv_notify_envelope(key, &message);
	assert_string_not_equal(path_of(again), path);
	free(again);
	free(path);
	free(first);
	cv_notify_key_close(key);
}

/* Made before the clock was set: it ended long ago, or begins in years. */
static void clocks_that_were_wrong_are_made_up_for(void **state)
{
	struct cv_notify_key *key = first_key();
	char *text;

	(void)state;
	assert_int_equal(tend(key, BEGIN + 40 * YEAR), 1);
	text = cv_notify_envelope(key, &message);
	assert_true(is_verified(key, text, BEGIN + 40 * YEAR));
	assert_false(is_verified(key, text, BEGIN));
	free(text);
	assert_int_equal(tend(key, BEGIN), 1);
	text = cv_notify_envelope(key, &message);
	assert_true(is_verified(key, text, BEGIN));
	free(text);
	cv_notify_key_close(key);
}

static void what_is_no_certificate_is_refused(void **state)
{
	struct cv_notify_key *key = first_key();
	char *text = cv_notify_envelope(key, &message), *key_pem, *cert_pem;

	(void)state;
	assert_int_equal(cv_notify_key_make(BEGIN, &key_pem, &cert_pem), 0);
	assert_int_equal(cv_notify_key_old(key, "x"), -EINVAL);
	assert_int_equal(cv_notify_key_renew(key, kept.key, cert_pem), -EINVAL);
	assert_int_equal(cv_notify_key_renew(key, "x", cert_pem), -EINVAL);
	assert_true(is_verified(key, text, BEGIN));
	assert_null(cv_notify_key_cert(key, CV_NOTIFY_PATH, BEGIN));
	assert_null(cv_notify_key_cert(key, "/", BEGIN));
	free(key_pem);
	free(cert_pem);
	free(text);
	cv_notify_key_close(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_can_be_verified_over_renewals),
		cmocka_unit_test(nothing_is_signed_with_what_is_not_kept),
		cmocka_unit_test(clocks_that_were_wrong_are_made_up_for),
		cmocka_unit_test(what_is_no_certificate_is_refused),
	};
	int ret = cmocka_run_group_tests(tests, NULL, NULL);

	free(kept.key);
	free(kept.cert);
	free(kept.old);
	return ret;
}
