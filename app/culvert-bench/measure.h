/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Pace, histogram and search for a limit: pure, in units of the caller.
 */

#include <stdbool.h>
#include <stdint.h>

/* ---- pace ---- */

/** When the next of a steady series is due. Times are TSC cycles. */
struct cb_pace {
	uint64_t interval; /**< cycles << 16; 0: as fast as possible */
	uint64_t due;      /**< cycles << 16 since start */
	uint64_t start;
	uint64_t lag_max; /**< cycles << 16 that may be caught up with */
	uint64_t skipped; /**< given up because they were too late */
};

/**
 * Begin a series.
 *
 * @param rate     per second; 0: as fast as possible
 * @param hz       cycles per second
 * @param lag_max  cycles: what is later than that is not made up for
 */
void cb_pace_init(struct cb_pace *pace, double rate, uint64_t hz, uint64_t now, uint64_t lag_max);

/** How many are due now, at most max; they count as done. */
static inline uint32_t cb_pace_take(struct cb_pace *p, uint64_t now, uint32_t max)
{
	uint64_t at = (now - p->start) << 16, n;

	if (p->interval == 0)
		return max;
	if (at < p->due)
		return 0;
	if (at - p->due > p->lag_max) {
		n = (at - p->due - p->lag_max) / p->interval;
		p->skipped += n;
		p->due += n * p->interval;
	}
	n = (at - p->due) / p->interval + 1;
	if (n > max)
		n = max;
	p->due += n * p->interval;
	return (uint32_t)n;
}

/* ---- histogram ---- */

#define CB_HIST_SUB_BITS 6
#define CB_HIST_SUB (1u << CB_HIST_SUB_BITS)
#define CB_HIST_OCTAVES 36
#define CB_HIST_LEN (CB_HIST_OCTAVES * CB_HIST_SUB)

/** Values from 0 to 2^41, each kept to 1/64. */
struct cb_hist {
	uint64_t n, sum, min, max;
	uint64_t count[CB_HIST_LEN];
};

/** Bucket of a value. */
static inline uint32_t cb_hist_bucket(uint64_t v)
{
	uint32_t octave, i;

	if (v < CB_HIST_SUB)
		return (uint32_t)v;
	octave = 63u - (uint32_t)__builtin_clzll(v) - CB_HIST_SUB_BITS;
	i = ((octave + 1) << CB_HIST_SUB_BITS) + (uint32_t)(v >> octave & (CB_HIST_SUB - 1));
	return i < CB_HIST_LEN ? i : CB_HIST_LEN - 1;
}

/** Add a value. */
static inline void cb_hist_add(struct cb_hist *h, uint64_t v)
{
	h->min = h->n == 0 || v < h->min ? v : h->min;
	h->max = v > h->max ? v : h->max;
	h->n++;
	h->sum += v;
	h->count[cb_hist_bucket(v)]++;
}

/** Highest value of a bucket. */
uint64_t cb_hist_top(uint32_t bucket);

/** Value that a share (0..1) of all values do not exceed: at most 1/64 too high; 0 if there is none. */
uint64_t cb_hist_quantile(const struct cb_hist *h, double share);

/* ---- search for the highest rate that passes ---- */

/** Bisection between a rate that passes and one that does not. */
struct cb_search {
	double lo, hi;    /**< highest known to pass, lowest known to fail */
	double precision; /**< stop when hi - lo is at most this share of hi */
	uint32_t n, n_max;
};

/** Search below a rate that is assumed to fail. */
void cb_search_init(struct cb_search *search, double fails, double precision, uint32_t n_max);

/** Next rate to try. @return false at the end: search->lo is the result, 0 if nothing passed */
bool cb_search_next(const struct cb_search *search, double *ret_rate);

/** Note how a trial went. */
void cb_search_note(struct cb_search *search, double rate, bool passed);

/** Median; sorts the values, shape [n]; 0 if there is none. */
double cb_median(double *values, uint32_t n);
