/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside notify: orders as they are read back, and what is done with a key.
 */

#include <jansson.h>

#include "cv_notify.h"

/** An order. */
struct notify_order {
	json_t *json; /**< what the strings lie in */
	const char *url;
	bool raw;
	struct cv_notify_message message;
};

/** Read an order. @return 0 or -EINVAL: then there is nothing to free @owner caller; json_decref() */
int cv_notify_order_read(const char *text, struct notify_order *ret_order);

/** Sign a text. @param version  1 or 2 @return base64, NULL if memory ran out @owner caller; free() */
char *cv_notify_sign(const struct cv_notify_key *key, const char *text, int version);
