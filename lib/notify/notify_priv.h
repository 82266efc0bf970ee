/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside notify: orders as they are read back, and what is done with a key.
 */

#include <jansson.h>

#include "cv_notify.h"
#include "cv_notify_policy.h"

/** Retries that a message may ask for, as AWS, and the longest delay in seconds. */
#define NOTIFY_RETRIES_MAX 100
#define NOTIFY_WAIT_MAX 3600

/** An order. */
struct notify_order {
	json_t *json; /**< what the strings lie in */
	const char *url;
	bool raw;
	bool has_retry;
	struct cv_notify_retry retry; /**< if it has one */
	uint32_t per_second;          /**< 0: any number */
	const char *type;             /**< content type; NULL: CV_NOTIFY_TYPE */
	struct cv_notify_message message;
};

/** Read an order. @return 0 or -EINVAL: then there is nothing to free @owner caller; json_decref() */
int cv_notify_order_read(const char *text, struct notify_order *ret_order);

/**
 * Sign a text.
 *
 * @param      version  1 or 2
 * @param[out] path     shape [CV_NOTIFY_PATH_LEN]; of the certificate that it is verified with
 * @return base64, NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_notify_sign(struct cv_notify_key *key, const char *text, int version, char *path);
