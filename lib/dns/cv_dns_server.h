/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The DNS server: one thread that listens in every VPC, over UDP and TCP, answers from the data that was
 * published last, and passes on what is not ours. It waits for nobody.
 *
 * @threads as each function says
 * @source  RFC 1035; RFC 7766 (TCP); RFC 5452 (what makes an answer believable)
 */

#include <stdint.h>

#include "cv_dns.h"

/** RCODEs that are counted: 0..CV_DNS_RCODE_MAX. */
#define CV_DNS_RCODE_MAX 16

/**
 * Make a socket that can be bound to a VPC's server address. Called in the server's thread.
 *
 * @param type  SOCK_DGRAM or SOCK_STREAM
 * @return descriptor, non-blocking, or -EAGAIN (not yet), or another -errno; it is asked again
 */
typedef int cv_dns_open_fn(void *arg, uint16_t vpc, int type);

/** Settings. */
struct cv_dns_server_cfg {
	cv_dns_open_fn *open;
	void *open_arg;
	uint16_t port; /**< to listen on, host order */
};

/** What was done since the server was made. */
struct cv_dns_stats {
	uint64_t queries_udp, queries_tcp;
	uint64_t answers[CV_DNS_RCODE_MAX + 1]; /**< our own, by RCODE */
	uint64_t forwarded, forward_answers;    /**< queries passed on, answers passed back */
	uint64_t forward_timeouts;              /**< a forwarder did not answer in time */
	uint64_t forward_full;                  /**< not passed on: too many wait; SERVFAIL */
	uint64_t drop_no_query;                 /**< neither answered nor passed on: no query */
	uint64_t drop_rate;                     /**< the client asked too often in a second */
	uint64_t drop_send;                     /**< the answer could not be sent */
	uint64_t tcp_refused;                   /**< connections closed at once: too many */
	uint64_t tcp_cut;                       /**< ended for being slow or not DNS */
};

struct cv_dns_server;

/**
 * Start the thread. It serves nothing until something is published.
 *
 * @param[out] ret_server  untouched on failure
 * @return 0, -ENOMEM, -EMFILE (no descriptor is free), or -EAGAIN (no thread can be started)
 * @owner  caller; cv_dns_server_destroy()
 * @threads control
 */
int cv_dns_server_create(const struct cv_dns_server_cfg *cfg, struct cv_dns_server **ret_server);

/** End the thread and close its sockets. NULL is fine. @threads control */
void cv_dns_server_destroy(struct cv_dns_server *server);

/**
 * Serve other data from now on. It decides where the server listens, too.
 *
 * @param data  one hold is the server's from now on
 * @threads control
 */
void cv_dns_server_publish(struct cv_dns_server *server, struct cv_dns_data *data);

/** Counters now. @threads any */
void cv_dns_server_stats(const struct cv_dns_server *server, struct cv_dns_stats *ret_stats);

/**
 * How the server stands in a VPC, at one of its addresses there.
 *
 * @return 0: it listens; -EAGAIN: not yet; -ENOENT: it is not to; another -errno: why it cannot
 * @threads any
 */
int cv_dns_server_state(struct cv_dns_server *server, uint16_t vpc, cv_be32_t ip);
