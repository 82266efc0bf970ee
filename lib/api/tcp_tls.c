/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Certificates. A new one may come while connections go on that began with the old one: each holds the one
 * that it began with.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "serve_priv.h"

/* A certificate with its key. */
struct tcp_creds {
	struct tcp_creds *next; /* older */
	gnutls_certificate_credentials_t cred;
	uint32_t n_users; /* connections */
};

/* Until when the server's own certificate is good; 0: not known. */
static time_t until_get(gnutls_certificate_credentials_t cred)
{
	gnutls_x509_crt_t *crts = NULL;
	unsigned int n = 0;
	time_t until = 0;

	if (gnutls_certificate_get_x509_crt(cred, 0, &crts, &n) < 0)
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		if (i == 0)
			until = gnutls_x509_crt_get_expiration_time(crts[i]);
		gnutls_x509_crt_deinit(crts[i]);
	}
	gnutls_free(crts);
	return until;
}

static gnutls_datum_t datum_of(char *text)
{
	return (gnutls_datum_t){(unsigned char *)text, (unsigned int)strlen(text)};
}

/* Takes both files' texts, if they are a pair. @return NULL with errs filled and *ret_err set */
static struct tcp_creds *creds_make(char *cert, char *key, struct cv_errs *errs, int *ret_err)
{
	const gnutls_datum_t cert_pem = datum_of(cert), key_pem = datum_of(key);
	struct tcp_creds *creds = calloc(1, sizeof(*creds));
	int rc;

	*ret_err = -ENOMEM;
	if (creds == NULL || gnutls_certificate_allocate_credentials(&creds->cred) < 0) {
		free(creds);
		return NULL;
	}
	rc = gnutls_certificate_set_x509_key_mem(creds->cred, &cert_pem, &key_pem,
						 GNUTLS_X509_FMT_PEM);
	if (rc >= 0)
		return creds;
	cv_errs_add(errs, "api.tls", 0, "certificate and key cannot be used: %s",
		    rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH ? "they are no pair"
							    : gnutls_strerror(rc));
	*ret_err = rc == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
	gnutls_certificate_free_credentials(creds->cred);
	free(creds);
	return NULL;
}

/* Frees those that are neither the newest nor used. The lock is held. */
static void old_free(struct tcp_tls *tls)
{
	struct tcp_creds **link = tls->newest != NULL ? &tls->newest->next : &tls->newest;

	while (*link != NULL) {
		struct tcp_creds *creds = *link;

		if (creds->n_users > 0) {
			link = &creds->next;
			continue;
		}
		*link = creds->next;
		gnutls_certificate_free_credentials(creds->cred);
		free(creds);
	}
}

int cv_api_tls_load(struct tcp_tls *tls, struct cv_errs *errs, struct tcp_pems *ret_pems)
{
	struct tcp_pems pems = {0};
	struct tcp_creds *creds = NULL;
	int ret = 0;

	pems.key = cv_api_pem_read(tls->key_file, true, errs, &ret);
	if (pems.key != NULL)
		pems.cert = cv_api_pem_read(tls->cert_file, false, errs, &ret);
	if (pems.cert != NULL)
		creds = creds_make(pems.cert, pems.key, errs, &ret);
	if (creds == NULL) {
		cv_api_pems_fini(&pems);
		return ret;
	}
	pthread_mutex_lock(&tls->lock);
	creds->next = tls->newest;
	tls->newest = creds;
	tls->until = until_get(creds->cred);
	old_free(tls);
	pthread_mutex_unlock(&tls->lock);
	*ret_pems = pems;
	return 0;
}

void cv_api_pems_fini(struct tcp_pems *pems)
{
	if (pems->key != NULL)
		explicit_bzero(pems->key, strlen(pems->key));
	free(pems->key);
	free(pems->cert);
	*pems = (struct tcp_pems){0};
}

int cv_api_tls_init(struct tcp_tls *tls, const char *cert_file, const char *key_file)
{
	tls->cert_file = strdup(cert_file);
	tls->key_file = strdup(key_file);
	return tls->cert_file != NULL && tls->key_file != NULL ? 0 : -ENOMEM;
}

int cv_api_tcp_tls_check(const char *cert, const char *key, struct cv_errs *errs)
{
	struct tcp_tls tls = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct tcp_pems pems = {0};
	int ret = cv_api_tls_init(&tls, cert, key);

	if (ret == 0)
		ret = cv_api_tls_load(&tls, errs, &pems);
	cv_api_pems_fini(&pems);
	cv_api_tls_fini(&tls);
	return ret;
}

void cv_api_tls_fini(struct tcp_tls *tls)
{
	while (tls->newest != NULL) {
		struct tcp_creds *creds = tls->newest;

		tls->newest = creds->next;
		gnutls_certificate_free_credentials(creds->cred);
		free(creds);
	}
	free(tls->cert_file);
	free(tls->key_file);
}

struct tcp_creds *cv_api_tls_hold(struct tcp_tls *tls, void *session)
{
	struct tcp_creds *creds;

	pthread_mutex_lock(&tls->lock);
	creds = tls->newest;
	if (creds != NULL) {
		if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, creds->cred) == 0)
			creds->n_users++;
		else
			creds = NULL;
	}
	pthread_mutex_unlock(&tls->lock);
	return creds;
}

/* It is freed with the next load only: the session itself still stands. */
void cv_api_tls_let(struct tcp_tls *tls, struct tcp_creds *creds)
{
	if (creds == NULL)
		return;
	pthread_mutex_lock(&tls->lock);
	creds->n_users--;
	pthread_mutex_unlock(&tls->lock);
}
