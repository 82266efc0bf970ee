/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * How messages of a subscription are delivered: how often and after which delays they are tried again, how
 * many go in a second, and as which type of content. It goes with each message into the outbox.
 *
 * @threads any; nothing is shared
 * @source  AWS: Amazon SNS developer guide, "Amazon SNS message delivery retries". It names the backoff
 *          functions, and shows a graph of them; the formulas are culvert's.
 */

#include <stdint.h>

/** How the delay grows from the shortest to the longest, the slowest growth last. */
enum cv_notify_backoff {
	CV_NOTIFY_LINEAR,      /**< by the same each time */
	CV_NOTIFY_ARITHMETIC,  /**< by an arithmetic progression: as the square */
	CV_NOTIFY_GEOMETRIC,   /**< times the same each time */
	CV_NOTIFY_EXPONENTIAL, /**< what is added doubles */
	CV_NOTIFY_BACKOFF_N,
};

/** What comes after a try that failed: n more, in four phases. */
struct cv_notify_retry {
	uint32_t n; /**< at least the sum of the three below; the others are the backoff */
	uint32_t n_no_delay, n_min_delay, n_max_delay;
	uint32_t min_s, max_s; /**< delays, min_s <= max_s */
	enum cv_notify_backoff backoff;
};

/** How a message is delivered. */
struct cv_notify_policy {
	const struct cv_notify_retry *retry; /**< NULL: as messages are that say nothing of it */
	uint32_t per_second; /**< tries of the subscription's messages; 0: any number */
	const char *type;    /**< content type of notifications; NULL: CV_NOTIFY_TYPE */
};

/** Content type, unless a policy has another. */
#define CV_NOTIFY_TYPE "text/plain; charset=UTF-8"

/**
 * What messages have that say nothing: 1, 2, 4 ... 60 seconds, then a minute each time.
 *
 * @param      n_tries    of a message, at least 1
 * @param[out] ret_retry  filled
 */
void cv_notify_retry_first(uint32_t n_tries, struct cv_notify_retry *ret_retry);

/**
 * Seconds to wait before a message is tried again.
 *
 * @param retried  how often it was already: 0 after the first try; beyond n as at n - 1
 */
uint32_t cv_notify_retry_wait(const struct cv_notify_retry *retry, uint32_t retried);

/** Seconds of all its delays. O(n) */
uint64_t cv_notify_retry_sum(const struct cv_notify_retry *retry);

/** Name of a function, as in AWS's JSON. */
const char *cv_notify_backoff_str(enum cv_notify_backoff backoff);
