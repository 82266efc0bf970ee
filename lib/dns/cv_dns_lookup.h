/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A question to the configured resolvers: does a name have a TXT record of this text? It waits for nobody:
 * its owner calls it again and again until it knows.
 *
 * @threads its owner
 * @source  RFC 1035, 3.3.14 (TXT); RFC 5452 (what makes an answer believable); RFC 7766 (TCP)
 */

#include <stdint.h>

#include "cv_dns.h"

/** Names that one lookup asks for at most. */
#define CV_DNS_LOOKUP_NAMES 2
/** A resolver answers within this time, or the next one is asked; each twice. */
#define CV_DNS_LOOKUP_MS 2000

/** A question. All is copied. */
struct cv_dns_lookup_req {
	const char *names[CV_DNS_LOOKUP_NAMES];    /**< asked in this order; NULL: no more */
	const char *text;                          /**< up to 255 bytes */
	const struct cv_dns_forwarder *forwarders; /**< shape [n_forwarders] */
	uint32_t n_forwarders;
};

struct cv_dns_lookup;

/**
 * Begin. Nothing is sent yet.
 *
 * @param[out] ret_lookup  untouched on failure
 * @return 0, -EINVAL (a name is no domain name, the text is too long), -ENOENT (there is no resolver), or
 *   -ENOMEM
 * @owner  caller; cv_dns_lookup_destroy()
 */
int cv_dns_lookup_create(const struct cv_dns_lookup_req *req, struct cv_dns_lookup **ret_lookup);

/** End, answered or not. NULL is fine. */
void cv_dns_lookup_destroy(struct cv_dns_lookup *lookup);

/**
 * Send and receive what can be at once.
 *
 * @param now_ms  any clock, in milliseconds, that does not go back
 * @return
 *   1           a name has the record
 *   0           none has
 *   -EAGAIN     not known yet: call again
 *   -ETIMEDOUT  the resolvers do not say
 *   -EIO        none could be asked: there is no socket left, no memory, no route
 */
int cv_dns_lookup_step(struct cv_dns_lookup *lookup, uint64_t now_ms);
