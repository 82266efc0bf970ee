/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the server: the listener, the routes, and what a request and its answer are to both.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "cv_api.h"

/** Query parameters of one request at most. */
#define API_PARAMS_MAX 8

/** A bound UNIX socket. */
struct api_listen {
	int fd;
	const char *path; /**< borrowed */
	dev_t dev;        /**< which file is ours, so that only that is removed */
	ino_t ino;
};

/**
 * Bind and listen.
 *
 * @param path  kept as a pointer
 * @return 0 or -errno with errs filled, see cv_api_create()
 */
int cv_api_listen_open(const char *path, struct cv_errs *errs, struct api_listen *ret_listen);

/** Remove the socket's file, if it is still ours. The descriptor is left open. */
void cv_api_listen_unlink(const struct api_listen *listen);

/** A request, free of MHD. */
struct api_request {
	const char *method;
	const char *path;
	struct {
		const char *name, *value; /**< value NULL: `?name` without `=` */
	} params[API_PARAMS_MAX];
	unsigned int n_params;
	bool too_many_params;
};

/** An answer. */
struct api_answer {
	unsigned int status;
	const char *type;  /**< content type */
	const char *allow; /**< Allow header, NULL for none */
	char *text;        /**< heap; owner: whoever holds the answer */
	size_t len;
};

/**
 * Answer a request.
 *
 * @param[out] ret_answer  text NULL only when memory ran out; status is set in any case
 */
void cv_api_route(const struct cv_api_ops *ops, const struct api_request *request,
		  struct api_answer *ret_answer);
