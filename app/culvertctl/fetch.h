/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * HTTP over culvertd's UNIX socket.
 */

#include <stddef.h>

/** What came back. */
struct fetch_answer {
	long status; /**< HTTP status */
	char *text;  /**< NUL-terminated; free() */
	size_t len;
};

/**
 * Get a path.
 *
 * @param      path  with the query, escaped
 * @param[out] ret_answer  untouched on failure
 * @return 0, or -1 after a message on stderr
 */
int culvertctl_fetch(const char *socket, const char *path, struct fetch_answer *ret_answer);

/** Escape a query value. @return text to free(), NULL if memory ran out */
char *culvertctl_escape(const char *value);
