/* SPDX-License-Identifier: BSD-3-Clause */

/* The TLS certificate of the AWS APIs is renewed while connections go on. */

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "cv_api_tcp.h"
#include "cv_notify.h"

#define DIR_LEN 40

/* A server, its files, and what a client needs. */
struct tls {
	char dir[DIR_LEN], cert[DIR_LEN + 8], key[DIR_LEN + 8];
	struct cv_api_tcp *tcp;
	gnutls_certificate_credentials_t cred;
	char *pems[2][2]; /* two pairs: certificate, key */
};

static void file_write(const char *path, const char *text, mode_t mode)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void pair_write(const struct tls *tls, int cert, int key)
{
	file_write(tls->cert, tls->pems[cert][0], 0644);
	file_write(tls->key, tls->pems[key][1], 0600);
}

static void tls_start(struct tls *tls)
{
	static const char *const any_port[] = {"127.0.0.1:0"};
	struct cv_api_tcp_cfg cfg = {
		.listen = any_port,
		.n_listen = 1,
		.tls_cert = tls->cert,
		.tls_key = tls->key,
		.version = "1",
		.body_bytes = 1024,
		.connections = 8,
		.connections_per_client = 8,
		.request_seconds = 60,
		.idle_seconds = 60,
	};
	struct cv_errs errs = {0};

	memset(tls, 0, sizeof(*tls));
	snprintf(tls->dir, sizeof(tls->dir), "/tmp/culvert-test-tls-XXXXXX");
	assert_non_null(mkdtemp(tls->dir));
	snprintf(tls->cert, sizeof(tls->cert), "%s/c.pem", tls->dir);
	snprintf(tls->key, sizeof(tls->key), "%s/k.pem", tls->dir);
	for (int i = 0; i < 2; i++)
		assert_int_equal(cv_notify_key_make(time(NULL), &tls->pems[i][1], &tls->pems[i][0]),
				 0);
	pair_write(tls, 0, 0);
	assert_int_equal(cv_api_tcp_create(&cfg, &errs, &tls->tcp), 0);
	assert_true(gnutls_certificate_allocate_credentials(&tls->cred) >= 0);
}

static void tls_stop(struct tls *tls)
{
	cv_api_tcp_destroy(tls->tcp);
	gnutls_certificate_free_credentials(tls->cred);
	for (int i = 0; i < 4; i++)
		free(tls->pems[i / 2][i % 2]);
	unlink(tls->cert);
	unlink(tls->key);
	rmdir(tls->dir);
}

/* ---- a client ---- */

static gnutls_session_t dial(const struct tls *tls)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(cv_api_tcp_port(tls->tcp, 0)),
				   .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
	gnutls_session_t session;

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_true(gnutls_init(&session, GNUTLS_CLIENT) >= 0);
	assert_true(gnutls_set_default_priority(session) >= 0);
	assert_true(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->cred) >= 0);
	gnutls_transport_set_int(session, fd);
	do
		rc = gnutls_handshake(session);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	if (rc < 0)
		fail_msg("no handshake: %s", gnutls_strerror(rc));
	return session;
}

static void hang_up(gnutls_session_t session)
{
	close(gnutls_transport_get_int(session));
	gnutls_deinit(session);
}

/* The server shows the certificate of a pair. */
static void shows(const struct tls *tls, gnutls_session_t session, int pair)
{
	unsigned int n = 0;
	const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &n);
	const gnutls_datum_t pem = {(unsigned char *)tls->pems[pair][0],
				    (unsigned int)strlen(tls->pems[pair][0])};
	gnutls_datum_t want = {0};

	assert_true(gnutls_pem_base64_decode2("CERTIFICATE", &pem, &want) >= 0);
	assert_int_equal(n, 1);
	assert_int_equal(der[0].size, want.size);
	assert_memory_equal(der[0].data, want.data, want.size);
	gnutls_free(want.data);
}

static void new_ones_see(const struct tls *tls, int pair)
{
	gnutls_session_t session = dial(tls);

	shows(tls, session, pair);
	hang_up(session);
}

static bool is_whole(const char *text, size_t len)
{
	const char *end = len > 0 ? strstr(text, "\r\n\r\n") : NULL;
	const char *body_len = len > 0 ? strstr(text, "Content-Length: ") : NULL;

	return end != NULL && body_len != NULL &&
	       len >= (size_t)(end + 4 - text) + strtoul(body_len + 16, NULL, 10);
}

/* A request with more headers than there may be is answered without asking anybody. */
static void is_answered(gnutls_session_t session)
{
	char text[4096] = "GET / HTTP/1.1\r\nHost: x\r\n";
	size_t len = strlen(text);
	ssize_t n;

	for (int i = 0; i < 80; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "X-%d: 1\r\n", i);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "\r\n");
	assert_int_equal(gnutls_record_send(session, text, len), len);
	/* All of the answer, so that the next one is read from its beginning. */
	for (len = 0; !is_whole(text, len); len += (size_t)n) {
		n = gnutls_record_recv(session, text + len, sizeof(text) - 1 - len);
		if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED)
			n = 0;
		assert_true(n >= 0);
		text[len + (size_t)n] = '\0';
	}
	assert_int_equal(strncmp(text, "HTTP/1.1 431", 12), 0);
}

/* ---- cases ---- */

static int renew(const struct tls *tls, const char *path)
{
	struct cv_errs errs = {0};
	time_t until = 0;
	int ret = cv_api_tcp_renew(tls->tcp, &errs, &until);

	if (ret == 0) {
		/* Ten years: as cv_notify_key_make() makes them. */
		assert_true(until > time(NULL) + 9L * 365 * 86400);
		assert_true(until < time(NULL) + 11L * 365 * 86400);
	} else {
		assert_int_equal(until, 0);
		assert_int_equal(errs.n, 1);
		assert_string_equal(errs.items[0].path, path);
	}
	cv_errs_fini(&errs);
	return ret;
}

static void renewed_while_connections_go_on(void **state)
{
	struct tls tls;
	gnutls_session_t before, between;

	(void)state;
	tls_start(&tls);
	before = dial(&tls);
	shows(&tls, before, 0);
	pair_write(&tls, 1, 1);
	new_ones_see(&tls, 0); /* not before it is told */
	assert_int_equal(renew(&tls, NULL), 0);
	between = dial(&tls);
	shows(&tls, between, 1);
	is_answered(before);
	is_answered(between);
	pair_write(&tls, 0, 0);
	assert_int_equal(renew(&tls, NULL), 0);
	new_ones_see(&tls, 0);
	hang_up(before);
	for (int i = 0; i < 3; i++) /* what nobody holds is freed meanwhile */
		assert_int_equal(renew(&tls, NULL), 0);
	is_answered(between);
	hang_up(between);
	new_ones_see(&tls, 0);
	tls_stop(&tls);
}

static void wrong_files_leave_all_as_it_was(void **state)
{
	struct tls tls;

	(void)state;
	tls_start(&tls);
	pair_write(&tls, 1, 0);
	assert_int_equal(renew(&tls, "api.tls"), -EINVAL);
	new_ones_see(&tls, 0);
	file_write(tls.cert, "none", 0644);
	assert_int_equal(renew(&tls, "api.tls"), -EINVAL);
	pair_write(&tls, 1, 1);
	assert_int_equal(chmod(tls.key, 0644), 0);
	assert_int_equal(renew(&tls, "api.tls.key"), -EINVAL);
	assert_int_equal(unlink(tls.key), 0);
	assert_int_equal(renew(&tls, "api.tls.key"), -ENOENT);
	new_ones_see(&tls, 0);
	pair_write(&tls, 1, 1);
	assert_int_equal(renew(&tls, NULL), 0);
	new_ones_see(&tls, 1);
	tls_stop(&tls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(renewed_while_connections_go_on),
		cmocka_unit_test(wrong_files_leave_all_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
