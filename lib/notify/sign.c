/* SPDX-License-Identifier: BSD-3-Clause */

/* Key, certificate, signatures. */

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "notify_priv.h"

#define KEY_BITS 2048
#define DAY 86400
#define CERT_DAYS 3650
/* So long before it ends, another comes: receivers may verify what it has signed for as long. */
#define RENEW_DAYS 365

/* A certificate as it is served. */
struct shown {
	char *cert; /* PEM; NULL: none */
	char path[CV_NOTIFY_PATH_LEN];
	time_t from, until;
};

struct cv_notify_key {
	pthread_mutex_t lock; /* of all: it is renewed while others read */
	EVP_PKEY *pkey;
	struct shown now, old;
	time_t wait; /* nothing is tried before */
};

static char *bio_take(BIO *bio)
{
	char *data, *text;
	long len = BIO_get_mem_data(bio, &data);

	text = len > 0 ? strndup(data, (size_t)len) : NULL;
	BIO_free(bio);
	return text;
}

static bool cert_fill(X509 *cert, EVP_PKEY *pkey, time_t now)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_set_version(cert, 2) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
	       X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, &now) != NULL &&
	       X509_time_adj_ex(X509_getm_notAfter(cert), CERT_DAYS, 0, &now) != NULL &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)"culvert notifications", -1, -1,
					  0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, pkey) == 1 &&
	       X509_sign(cert, pkey, EVP_sha256()) > 0;
}

int cv_notify_key_make(time_t now, char **ret_key, char **ret_cert)
{
	EVP_PKEY *pkey = EVP_RSA_gen(KEY_BITS);
	X509 *cert = X509_new();
	BIO *key_bio = BIO_new(BIO_s_mem()), *cert_bio = BIO_new(BIO_s_mem());
	char *key_pem = NULL, *cert_pem = NULL;
	bool good = pkey != NULL && cert != NULL && key_bio != NULL && cert_bio != NULL &&
		    cert_fill(cert, pkey, now) &&
		    PEM_write_bio_PrivateKey(key_bio, pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
		    PEM_write_bio_X509(cert_bio, cert) == 1;

	if (good) {
		key_pem = bio_take(key_bio);
		cert_pem = bio_take(cert_bio);
	} else {
		BIO_free(key_bio);
		BIO_free(cert_bio);
	}
	X509_free(cert);
	EVP_PKEY_free(pkey);
	if (key_pem == NULL || cert_pem == NULL) {
		free(key_pem);
		free(cert_pem);
		return -ENOMEM;
	}
	*ret_key = key_pem;
	*ret_cert = cert_pem;
	return 0;
}

/* ---- what is served ---- */

static void path_make(struct shown *shown)
{
	unsigned char hash[EVP_MAX_MD_SIZE] = {0};
	size_t len;

	(void)EVP_Q_digest(NULL, "SHA256", NULL, shown->cert, strlen(shown->cert), hash, &len);
	len = (size_t)snprintf(shown->path, sizeof(shown->path), CV_NOTIFY_PATH);
	for (size_t i = 0; i < 16; i++)
		len += (size_t)snprintf(shown->path + len, sizeof(shown->path) - len, "%02x",
					hash[i]);
	snprintf(shown->path + len, sizeof(shown->path) - len, ".pem");
}

static time_t time_of(const ASN1_TIME *at)
{
	struct tm tm = {0};

	return ASN1_TIME_to_tm(at, &tm) == 1 ? timegm(&tm) : 0;
}

/* @param pkey  whose it must be; NULL: anybody's */
static int shown_make(const char *cert_pem, EVP_PKEY *pkey, struct shown *ret_shown)
{
	BIO *bio = BIO_new_mem_buf(cert_pem, -1);
	X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	struct shown shown = {.cert = NULL};
	int ret = cert != NULL ? 0 : -EINVAL;

	if (ret == 0 && pkey != NULL && X509_check_private_key(cert, pkey) != 1)
		ret = -EINVAL;
	if (ret == 0) {
		shown.cert = strdup(cert_pem);
		shown.from = time_of(X509_get0_notBefore(cert));
		shown.until = time_of(X509_get0_notAfter(cert));
		ret = shown.cert != NULL ? 0 : -ENOMEM;
	}
	X509_free(cert);
	BIO_free(bio);
	if (ret < 0)
		return ret;
	path_make(&shown);
	*ret_shown = shown;
	return 0;
}

static int pair_read(const char *key_pem, const char *cert_pem, EVP_PKEY **ret_pkey,
		     struct shown *ret_shown)
{
	BIO *bio = BIO_new_mem_buf(key_pem, -1);
	EVP_PKEY *pkey = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	int ret = pkey != NULL ? shown_make(cert_pem, pkey, ret_shown) : -EINVAL;

	BIO_free(bio);
	if (ret < 0)
		EVP_PKEY_free(pkey);
	else
		*ret_pkey = pkey;
	return ret;
}

/* ---- keys ---- */

int cv_notify_key_open(const char *key_pem, const char *cert_pem, struct cv_notify_key **ret_key)
{
	struct cv_notify_key *key = calloc(1, sizeof(*key));
	int ret = key != NULL ? pair_read(key_pem, cert_pem, &key->pkey, &key->now) : -ENOMEM;

	if (ret < 0) {
		free(key);
		return ret;
	}
	pthread_mutex_init(&key->lock, NULL);
	*ret_key = key;
	return 0;
}

void cv_notify_key_close(struct cv_notify_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	free(key->now.cert);
	free(key->old.cert);
	pthread_mutex_destroy(&key->lock);
	free(key);
}

int cv_notify_key_old(struct cv_notify_key *key, const char *cert_pem)
{
	struct shown old;
	int ret = shown_make(cert_pem, NULL, &old);

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&key->lock);
	free(key->old.cert);
	key->old = old;
	pthread_mutex_unlock(&key->lock);
	return 0;
}

int cv_notify_key_renew(struct cv_notify_key *key, const char *key_pem, const char *cert_pem)
{
	EVP_PKEY *pkey = NULL;
	struct shown now;
	int ret = pair_read(key_pem, cert_pem, &pkey, &now);

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&key->lock);
	EVP_PKEY_free(key->pkey);
	free(key->old.cert);
	key->pkey = pkey;
	key->old = key->now;
	key->now = now;
	pthread_mutex_unlock(&key->lock);
	return 0;
}

/* One that begins later was made by a clock that has been put back. */
static bool is_due(struct cv_notify_key *key, time_t now)
{
	bool due;

	pthread_mutex_lock(&key->lock);
	due = now < key->now.from || key->now.until - now < (time_t)RENEW_DAYS * DAY;
	due = due && (now >= key->wait || key->wait - now > DAY);
	pthread_mutex_unlock(&key->lock);
	return due;
}

int cv_notify_key_next(struct cv_notify_key *key, time_t now, cv_notify_keep_fn *keep, void *arg)
{
	struct cv_notify_pair pair;
	char *key_pem = NULL, *cert_pem = NULL, *old;
	int ret;

	pthread_mutex_lock(&key->lock);
	old = strdup(key->now.cert);
	pthread_mutex_unlock(&key->lock);
	ret = old != NULL ? cv_notify_key_make(now, &key_pem, &cert_pem) : -ENOMEM;
	pair = (struct cv_notify_pair){key_pem, cert_pem, old};
	if (ret == 0)
		ret = keep(arg, &pair);
	if (ret == 0)
		ret = cv_notify_key_renew(key, key_pem, cert_pem);
	if (key_pem != NULL)
		explicit_bzero(key_pem, strlen(key_pem));
	free(key_pem);
	free(cert_pem);
	free(old);
	return ret;
}

int cv_notify_key_tend(struct cv_notify_key *key, time_t now, cv_notify_keep_fn *keep, void *arg)
{
	int ret;

	if (!is_due(key, now))
		return 0;
	key->wait = now + DAY / 24;
	ret = cv_notify_key_next(key, now, keep, arg);
	return ret == 0 ? 1 : ret;
}

char *cv_notify_key_cert(struct cv_notify_key *key, const char *path, time_t now)
{
	char *cert = NULL;

	if (strncmp(path, CV_NOTIFY_PATH, strlen(CV_NOTIFY_PATH)) != 0)
		return NULL;
	pthread_mutex_lock(&key->lock);
	if (strcmp(path, key->now.path) == 0)
		cert = strdup(key->now.cert);
	else if (key->old.cert != NULL && strcmp(path, key->old.path) == 0 && now <= key->old.until)
		cert = strdup(key->old.cert);
	pthread_mutex_unlock(&key->lock);
	return cert;
}

char *cv_notify_sign(struct cv_notify_key *key, const char *text, int version, char *path)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *hash = version == 2 ? EVP_sha256() : EVP_sha1();
	unsigned char sig[KEY_BITS / 8 * 2];
	size_t len = sizeof(sig);
	char *out = NULL;

	pthread_mutex_lock(&key->lock);
	if (ctx != NULL && EVP_DigestSignInit(ctx, NULL, hash, NULL, key->pkey) == 1 &&
	    EVP_DigestSign(ctx, sig, &len, (const unsigned char *)text, strlen(text)) == 1)
		out = malloc((len + 2) / 3 * 4 + 1);
	snprintf(path, CV_NOTIFY_PATH_LEN, "%s", key->now.path);
	pthread_mutex_unlock(&key->lock);
	if (out != NULL)
		EVP_EncodeBlock((unsigned char *)out, sig, (int)len);
	EVP_MD_CTX_free(ctx);
	return out;
}
