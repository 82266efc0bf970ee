/* SPDX-License-Identifier: BSD-3-Clause */

/* Delays between tries. */

#include <math.h>

#include "cv_base.h"

#include "cv_notify.h"
#include "cv_notify_policy.h"

/* From 1 to 60 seconds: about twice as much each time. */
#define FIRST_BACKOFF 7

static const char *const names[] = {
	[CV_NOTIFY_LINEAR] = "linear",
	[CV_NOTIFY_ARITHMETIC] = "arithmetic",
	[CV_NOTIFY_GEOMETRIC] = "geometric",
	[CV_NOTIFY_EXPONENTIAL] = "exponential",
};

_Static_assert(CV_ARRAY_LEN(names) == CV_NOTIFY_BACKOFF_N, "each has a name");

const char *cv_notify_backoff_str(enum cv_notify_backoff backoff)
{
	return names[backoff];
}

void cv_notify_retry_first(uint32_t n_tries, struct cv_notify_retry *ret_retry)
{
	uint32_t n = n_tries > 0 ? n_tries - 1 : 0;

	*ret_retry = (struct cv_notify_retry){
		.n = n,
		.n_max_delay = n > FIRST_BACKOFF ? n - FIRST_BACKOFF : 0,
		.min_s = 1,
		.max_s = n >= FIRST_BACKOFF ? CV_NOTIFY_WAIT_MAX
			 : n > 1            ? 1U << (n - 1)
					    : 1,
		.backoff = CV_NOTIFY_EXPONENTIAL,
	};
}

/* Where the k-th of n delays stands between the shortest, 0, and the longest, 1. */
static double share(const struct cv_notify_retry *retry, uint32_t k, uint32_t n)
{
	double x = n > 1 ? (double)k / (double)(n - 1) : 0;

	switch (retry->backoff) {
	case CV_NOTIFY_ARITHMETIC:
		return x * x;
	case CV_NOTIFY_EXPONENTIAL:
		return n > 1 ? (exp2((double)k) - 1) / (exp2((double)(n - 1)) - 1) : 0;
	case CV_NOTIFY_GEOMETRIC:
		if (retry->min_s == retry->max_s)
			return x;
		return retry->min_s * (pow((double)retry->max_s / retry->min_s, x) - 1) /
		       (retry->max_s - retry->min_s);
	default:
		return x;
	}
}

uint32_t cv_notify_retry_wait(const struct cv_notify_retry *retry, uint32_t retried)
{
	uint32_t n = retry->n - retry->n_no_delay - retry->n_min_delay - retry->n_max_delay;
	uint32_t k = retried;

	if (k < retry->n_no_delay)
		return 0;
	k -= retry->n_no_delay;
	if (k < retry->n_min_delay)
		return retry->min_s;
	k -= retry->n_min_delay;
	if (k >= n)
		return retry->max_s;
	return retry->min_s + (uint32_t)lround(share(retry, k, n) * (retry->max_s - retry->min_s));
}

uint64_t cv_notify_retry_sum(const struct cv_notify_retry *retry)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < retry->n; i++)
		sum += cv_notify_retry_wait(retry, i);
	return sum;
}
