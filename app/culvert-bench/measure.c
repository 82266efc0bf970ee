/* SPDX-License-Identifier: BSD-3-Clause */

#include "measure.h"

#include <stdlib.h>
#include <string.h>

void cb_pace_init(struct cb_pace *pace, double rate, uint64_t hz, uint64_t now, uint64_t lag_max)
{
	*pace = (struct cb_pace){
		.interval = rate > 0 ? (uint64_t)((double)hz * 65536 / rate) : 0,
		.start = now,
		.lag_max = lag_max << 16,
	};
	if (rate > 0 && pace->interval == 0)
		pace->interval = 1;
}

uint64_t cb_hist_top(uint32_t bucket)
{
	uint32_t octave;

	if (bucket < CB_HIST_SUB)
		return bucket;
	octave = (bucket >> CB_HIST_SUB_BITS) - 1;
	return (((uint64_t)(bucket & (CB_HIST_SUB - 1)) + CB_HIST_SUB + 1) << octave) - 1;
}

uint64_t cb_hist_quantile(const struct cb_hist *h, double share)
{
	uint64_t want = (uint64_t)(share * (double)h->n + 0.999999), seen = 0, top;

	if (h->n == 0)
		return 0;
	want = want == 0 ? 1 : want;
	for (uint32_t i = 0; i < CB_HIST_LEN; i++) {
		seen += h->count[i];
		if (seen >= want) {
			top = cb_hist_top(i);
			return top < h->max ? top : h->max;
		}
	}
	return h->max;
}

void cb_search_init(struct cb_search *search, double fails, double precision, uint32_t n_max)
{
	*search = (struct cb_search){.hi = fails, .precision = precision, .n_max = n_max};
}

bool cb_search_next(const struct cb_search *search, double *ret_rate)
{
	if (search->n >= search->n_max || search->hi - search->lo <= search->precision * search->hi)
		return false;
	*ret_rate = (search->lo + search->hi) / 2;
	return true;
}

void cb_search_note(struct cb_search *search, double rate, bool passed)
{
	search->n++;
	if (passed)
		search->lo = rate;
	else
		search->hi = rate;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double cb_median(double *values, uint32_t n)
{
	if (n == 0)
		return 0;
	qsort(values, n, sizeof(*values), compare);
	return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
