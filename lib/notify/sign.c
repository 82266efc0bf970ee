/* SPDX-License-Identifier: BSD-3-Clause */

/* Key, certificate, signatures. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "notify_priv.h"

#define KEY_BITS 2048
#define CERT_SECONDS (10L * 365 * 86400)

struct cv_notify_key {
	EVP_PKEY *pkey;
	char *cert;
	char path[80];
};

static char *bio_take(BIO *bio)
{
	char *data, *text;
	long len = BIO_get_mem_data(bio, &data);

	text = len > 0 ? strndup(data, (size_t)len) : NULL;
	BIO_free(bio);
	return text;
}

static bool cert_fill(X509 *cert, EVP_PKEY *pkey)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_set_version(cert, 2) == 1 &&
	       ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -86400) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(cert), CERT_SECONDS) != NULL &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)"culvert notifications", -1, -1,
					  0) == 1 &&
	       X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, pkey) == 1 &&
	       X509_sign(cert, pkey, EVP_sha256()) > 0;
}

int cv_notify_key_make(char **ret_key, char **ret_cert)
{
	EVP_PKEY *pkey = EVP_RSA_gen(KEY_BITS);
	X509 *cert = X509_new();
	BIO *key_bio = BIO_new(BIO_s_mem()), *cert_bio = BIO_new(BIO_s_mem());
	char *key_pem = NULL, *cert_pem = NULL;
	bool good = pkey != NULL && cert != NULL && key_bio != NULL && cert_bio != NULL &&
		    cert_fill(cert, pkey) &&
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

static void path_make(struct cv_notify_key *key)
{
	unsigned char hash[EVP_MAX_MD_SIZE] = {0};
	size_t len;

	(void)EVP_Q_digest(NULL, "SHA256", NULL, key->cert, strlen(key->cert), hash, &len);
	len = (size_t)snprintf(key->path, sizeof(key->path), "/SimpleNotificationService-");
	for (size_t i = 0; i < 16; i++)
		len += (size_t)snprintf(key->path + len, sizeof(key->path) - len, "%02x", hash[i]);
	snprintf(key->path + len, sizeof(key->path) - len, ".pem");
}

static bool is_pair(EVP_PKEY *pkey, const char *cert_pem)
{
	BIO *bio = BIO_new_mem_buf(cert_pem, -1);
	X509 *cert = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool pair = cert != NULL && X509_check_private_key(cert, pkey) == 1;

	X509_free(cert);
	BIO_free(bio);
	return pair;
}

int cv_notify_key_open(const char *key_pem, const char *cert_pem, struct cv_notify_key **ret_key)
{
	struct cv_notify_key *key = calloc(1, sizeof(*key));
	BIO *bio = BIO_new_mem_buf(key_pem, -1);
	int ret = -ENOMEM;

	if (key == NULL || bio == NULL)
		goto fail;
	key->cert = strdup(cert_pem);
	if (key->cert == NULL)
		goto fail;
	ret = -EINVAL;
	key->pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	if (key->pkey == NULL || !is_pair(key->pkey, cert_pem))
		goto fail;
	BIO_free(bio);
	path_make(key);
	*ret_key = key;
	return 0;

fail:
	BIO_free(bio);
	cv_notify_key_close(key);
	return ret;
}

void cv_notify_key_close(struct cv_notify_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	free(key->cert);
	free(key);
}

const char *cv_notify_key_cert(const struct cv_notify_key *key)
{
	return key->cert;
}

const char *cv_notify_key_path(const struct cv_notify_key *key)
{
	return key->path;
}

char *cv_notify_sign(const struct cv_notify_key *key, const char *text, int version)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *hash = version == 2 ? EVP_sha256() : EVP_sha1();
	unsigned char sig[KEY_BITS / 8 * 2];
	size_t len = sizeof(sig);
	char *out = NULL;

	if (ctx != NULL && EVP_DigestSignInit(ctx, NULL, hash, NULL, key->pkey) == 1 &&
	    EVP_DigestSign(ctx, sig, &len, (const unsigned char *)text, strlen(text)) == 1)
		out = malloc((len + 2) / 3 * 4 + 1);
	if (out != NULL)
		EVP_EncodeBlock((unsigned char *)out, sig, (int)len);
	EVP_MD_CTX_free(ctx);
	return out;
}
