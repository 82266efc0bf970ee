/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the TCP server: connections and their deadlines, sockets, files of TLS.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "cv_api_tcp.h"

/** A connection. */
struct tcp_conn {
	struct tcp_conn *next, **link;
	uint64_t deadline_ms;
	int fd;
	struct tcp_creds *creds; /**< what it holds; NULL: none */
};

/** Connections, and the thread that ends those whose time is over. */
struct tcp_guard {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	pthread_t thread;
	struct tcp_conn *conns;
	bool stop, started;
};

/** A certificate with its key, and how many connections hold it. */
struct tcp_creds;

/** Of TLS: files, and what was read from them. */
struct tcp_tls {
	pthread_mutex_t lock;
	char *cert_file, *key_file;
	struct tcp_creds *newest; /**< then those that it replaced, while connections hold them */
	time_t until;             /**< the newest is good; 0: not known */
};

/** Texts of both files; cv_api_pems_fini() */
struct tcp_pems {
	char *cert, *key;
};

/** Start the thread. @return 0 or -errno */
int cv_api_guard_init(struct tcp_guard *guard);

/** Stop the thread; there must be no connection. */
void cv_api_guard_fini(struct tcp_guard *guard);

/** A connection begins: it has seconds for its first request. @return NULL if memory ran out */
struct tcp_conn *cv_api_guard_add(struct tcp_guard *guard, int fd, uint32_t seconds);

/** It has seconds from now. */
void cv_api_guard_extend(struct tcp_guard *guard, struct tcp_conn *conn, uint32_t seconds);

/** It ends; its descriptor is still open. NULL is fine. */
void cv_api_guard_remove(struct tcp_guard *guard, struct tcp_conn *conn);

/**
 * Listen on `a.b.c.d:port`; a socket that systemd passed us (LISTEN_FDS) and that does so already is taken.
 *
 * @param[out] ret_port  the port, which is another when 0 was asked for
 * @return descriptor, or -errno with errs filled
 */
int cv_api_socket_open(const char *address, struct cv_errs *errs, uint16_t *ret_port);

/**
 * Read a PEM file.
 *
 * @param secret  nobody else may read it
 * @return text, or NULL with errs filled and *ret_err set
 * @owner  caller; free()
 */
char *cv_api_pem_read(const char *file, bool secret, struct cv_errs *errs, int *ret_err);

/**
 * Remember the files, read nothing yet. The lock is there already.
 * @return 0 or -ENOMEM
 */
int cv_api_tls_init(struct tcp_tls *tls, const char *cert_file, const char *key_file);

/** Free everything; no connection holds any. Fine if it was never begun. */
void cv_api_tls_fini(struct tcp_tls *tls);

/**
 * Read the files: what they have is held by connections from now on.
 *
 * @param[out] ret_pems  untouched on failure
 * @return 0, or -errno with errs filled and all as it was
 */
int cv_api_tls_load(struct tcp_tls *tls, struct cv_errs *errs, struct tcp_pems *ret_pems);

/** Free texts and wipe the key. */
void cv_api_pems_fini(struct tcp_pems *pems);

/**
 * Let a connection's session, a gnutls_session_t before its handshake, have the newest certificate.
 * @return what is held; NULL if memory ran out: the session keeps what it has
 */
struct tcp_creds *cv_api_tls_hold(struct tcp_tls *tls, void *session);

/** A connection has ended. NULL is fine. */
void cv_api_tls_let(struct tcp_tls *tls, struct tcp_creds *creds);
