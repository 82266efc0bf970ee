/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Capture of packets for an operator, as pcapng. Whoever captures asks again and again with one id; what
 * the answers hold, one after the other, is the file. One that stops asking has its capture ended.
 *
 * @threads any but control
 * @source  draft-ietf-opsawg-pcapng
 */

#include <stdbool.h>

struct cv_ctl_reply; /* cv_ctl.h */

/** A capture ends when nobody has asked for so long. */
#define CV_CTL_CAPTURE_LEASE_MS 5000
/** Bytes of each frame that are kept unless the query says. */
#define CV_CTL_CAPTURE_LEN_DEFAULT 9728

/** Strings are the caller's; NULL: not given. What is given counts at the first time alone. */
struct cv_ctl_capture_query {
	const char *id;       /**< whose capture: 1..32 letters and digits */
	const char *endpoint; /**< id or name */
	const char *target;   /**< `ip:port` */
	const char *client;   /**< IPv4 address */
	const char *port;     /**< of the listener, a number */
	const char *snaplen;  /**< bytes of each frame, a number */
	const char *drops;    /**< only packets dropped: for a reason, by its name, or `all` */
	bool stop;            /**< end it after this answer */
};

/**
 * Begin a capture, or go on with it.
 *
 * @param      ctl    struct cv_ctl, attached
 * @param[out] reply  pcapng blocks captured since the last time; text is the caller's
 * @return 0, or
 *   -EINVAL  a parameter is malformed; reply->text says which
 *   -ENOENT  there is no such endpoint; reply->text says so
 *   -EBUSY   somebody else captures; reply->text says so
 *   -EAGAIN  not now: try again
 *   -ENOMEM  memory ran out
 *   or what else cv_ctl_call() returns
 */
int cv_ctl_capture(void *ctl, const struct cv_ctl_capture_query *query, struct cv_ctl_reply *reply);
