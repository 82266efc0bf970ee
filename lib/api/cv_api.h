/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The HTTP server. Its threads parse a request, hand a question to control and render the answer; they
 * hold no state and change nothing themselves.
 *
 * Today it listens on a UNIX socket for the operator. Listeners know nothing of routes, so the AWS APIs
 * over TCP can share the server.
 *
 * @threads create, destroy: control. Requests are answered on threads of its own.
 */

#include <stdint.h>

#include "cv_base.h"
#include "cv_ctl.h"
#include "cv_ctl_capture.h"
#include "cv_ctl_events.h"

/** Connections at most, over all; further ones are closed at once. */
#define CV_API_CONNECTIONS_MAX 64
/** Bytes of request line and headers at most. */
#define CV_API_REQUEST_LEN_MAX 16384

/** Where answers come from: control, or a stand-in. Called from several threads at once. */
struct cv_api_ops {
	/** As cv_ctl_show(). */
	int (*show)(void *arg, const struct cv_ctl_query *query, struct cv_ctl_reply *reply);
	/** As cv_ctl_metrics(). */
	int (*metrics)(void *arg, struct cv_ctl_reply *reply);
	const char *const *whats; /**< what can be shown, ended by NULL; as cv_ctl_whats() */
	void *arg;                /**< first argument of all */
	/** As cv_ctl_act(); NULL: nothing can be done. */
	int (*act)(void *arg, const struct cv_ctl_order *order, struct cv_ctl_reply *reply);
	/** As cv_ctl_capture(); NULL: nothing can be captured. */
	int (*capture)(void *arg, const struct cv_ctl_capture_query *query,
		       struct cv_ctl_reply *reply);
	/** As cv_ctl_events(); NULL: there are none. */
	int (*events)(void *arg, const struct cv_ctl_events_query *query,
		      struct cv_ctl_reply *reply);
};

/** Settings. */
struct cv_api_cfg {
	const char *socket;    /**< path of the UNIX socket */
	const char *version;   /**< of the program, for the `Server` header */
	uint32_t idle_seconds; /**< connections without activity are closed; 0 = 30 */
	struct cv_api_ops ops;
};

struct cv_api;

/**
 * Bind the socket and start to answer.
 *
 * A missing directory of the socket is made (mode 0755, one level); the socket itself is for its owner
 * only (0600). A socket that no process answers on is replaced.
 *
 * @param      cfg      settings; strings are copied
 * @param[out] errs     why not, for people
 * @param[out] ret_api  untouched on failure
 * @return 0, or
 *   -EADDRINUSE    a living process answers on the socket
 *   -ENAMETOOLONG  the path does not fit a socket address
 *   -ENOTSOCK      something that is not a socket stands at the path; it is left alone
 *   -EACCES, -ENOENT, -ENOTDIR  the path cannot be made
 *   -ENOMEM        memory ran out
 *   -EIO           the server did not start
 * @owner  caller; cv_api_destroy()
 */
int cv_api_create(const struct cv_api_cfg *cfg, struct cv_errs *errs, struct cv_api **ret_api);

/** Stop the server and remove the socket. Blocks until requests under way are answered. NULL is fine. */
void cv_api_destroy(struct cv_api *api);
