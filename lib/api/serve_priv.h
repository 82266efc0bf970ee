/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the TCP server: connections and their deadlines, sockets, files of TLS.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cv_api_tcp.h"

/** A connection. */
struct tcp_conn {
	struct tcp_conn *next, **link;
	uint64_t deadline_ms;
	int fd;
};

/** Connections, and the thread that ends those whose time is over. */
struct tcp_guard {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	pthread_t thread;
	struct tcp_conn *conns;
	bool stop, started;
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
