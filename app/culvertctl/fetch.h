/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * HTTP over culvertd's UNIX socket.
 */

#include <stdbool.h>
#include <stddef.h>

/** What came back. */
struct fetch_answer {
	long status; /**< HTTP status */
	char *text;  /**< NUL-terminated; free() */
	size_t len;
};

/**
 * Get a path, or post to it.
 *
 * @param      path  with the query, escaped
 * @param      post  POST with an empty body, else GET
 * @param[out] ret_answer  untouched on failure
 * @return 0, or -1 after a message on stderr
 */
int culvertctl_fetch(const char *socket, const char *path, bool post,
		     struct fetch_answer *ret_answer);

/** Escape a query value. @return text to free(), NULL if memory ran out */
char *culvertctl_escape(const char *value);
