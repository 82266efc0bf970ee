/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The AWS APIs' HTTP server: TCP sockets, TLS if wished, limits. Requests go to cv_aws_handle().
 *
 * A connection has a thread of its own and a deadline: by when its request must have come and its answer
 * gone, however little at a time the client sends or takes.
 *
 * @threads create, destroy: control. Requests are answered on threads of its own.
 */

#include <stdint.h>
#include <time.h>

#include "cv_base.h"

struct cv_aws;

/** Addresses listened on at most. */
#define CV_API_LISTEN_MAX 8

/** Settings. Strings are copied or read at once. */
struct cv_api_tcp_cfg {
	const char *const *listen; /**< `ip:port`, shape [n_listen]; port 0: any that is free */
	uint32_t n_listen;         /**< 1..CV_API_LISTEN_MAX */
	const char *tls_cert, *tls_key;  /**< PEM files; NULL: no TLS */
	const char *version;             /**< of the program, for the `Server` header */
	uint32_t body_bytes;             /**< of a request, at most */
	uint32_t connections;            /**< at once, each address listened on */
	uint32_t connections_per_client; /**< of one client's address */
	uint32_t request_seconds;        /**< for a request to come and its answer to go */
	uint32_t idle_seconds;           /**< a connection between two requests */
	struct cv_aws *aws;              /**< answers; lives longer than the server */
};

struct cv_api_tcp;

/**
 * Bind and start to answer.
 *
 * @param[out] errs     why not, for people
 * @param[out] ret_tcp  untouched on failure
 * @return 0, or
 *   -EINVAL         an address is not one; key and certificate are no pair; others may read the key
 *   -EADDRINUSE     another socket listens there
 *   -EADDRNOTAVAIL  the machine has no such address
 *   -EACCES         no right to the port or the files
 *   -ENOENT         a file is missing
 *   -ENOMEM         memory ran out
 *   or another -errno when the server does not start
 * @owner  caller; cv_api_tcp_destroy()
 */
int cv_api_tcp_create(const struct cv_api_tcp_cfg *cfg, struct cv_errs *errs,
		      struct cv_api_tcp **ret_tcp);

/**
 * Read certificate and key again: connections from now on have what the files have, those that there are go
 * on with what they have.
 *
 * @param[out] errs       why not, for people
 * @param[out] ret_until  the certificate is good; 0: not known; untouched on failure
 * @return 0; or -ENOTSUP without TLS; or as cv_api_tcp_create(), with all as it was
 * @threads one at a time
 */
int cv_api_tcp_renew(struct cv_api_tcp *tcp, struct cv_errs *errs, time_t *ret_until);

/**
 * Tell whether TLS can be had with two files.
 *
 * @param[out] errs  why not, for people
 * @return 0, or as cv_api_tcp_create()
 * @threads any
 */
int cv_api_tcp_tls_check(const char *cert, const char *key, struct cv_errs *errs);

/** The port of the i-th address. */
uint16_t cv_api_tcp_port(const struct cv_api_tcp *tcp, uint32_t i);

/**
 * The network namespace that the first address is in.
 * @return descriptor, or -errno
 * @owner caller; close()
 */
int cv_api_tcp_netns(const struct cv_api_tcp *tcp);

/** Stop: no connection is taken any more, requests under way are answered. NULL is fine. */
void cv_api_tcp_destroy(struct cv_api_tcp *tcp);
