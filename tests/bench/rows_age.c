/* SPDX-License-Identifier: BSD-3-Clause */

/* Rows of how flows leave the table. */

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>

#define FLOWS 1000000
#define TURNS_MAX 100000

/*
 * Turns without packets, a millisecond each, until there are no more or nothing is left to end.
 *
 * @param n  flows that a turn ends; 0: none, and it looks at 64
 * @return cycles for each: median over turns
 */
static double walk(struct rig *r, uint32_t turns, uint32_t n)
{
	struct cv_dp_worker *w = cv_dp_worker_get(r->dp, 0);
	const struct cv_view *view = cv_view_pub_current(r->pub);
	uint64_t ended = rig_events(r, CV_EV_FLOW_END_IDLE);
	static double v[TURNS_MAX];
	uint32_t k = 0;

	for (uint32_t i = 0; i < turns && i < TURNS_MAX; i++) {
		uint64_t start, before = ended;

		r->now_ms++;
		start = rte_rdtsc();
		cv_dp_worker_poll(w, view, r->now_ms);
		v[k] = (double)(rte_rdtsc() - start) / (n > 0 ? n : 64);
		ended = rig_events(r, CV_EV_FLOW_END_IDLE);
		/* The last turn of a lap. */
		k += ended - before == n;
	}
	return rig_median(v, k);
}

void row_ageing(const struct row_opts *opts)
{
	const struct rig_cfg cfg = {.n_flows = FLOWS, .n_targets = RIG_TARGETS_MAX, .proxy = true};
	struct rig *r = rig_create(&cfg);
	double look, end;

	(void)opts;
	rig_open(r, FLOWS);
	look = walk(r, 10000, 0);
	/* Beyond the idle timeout of all of them. */
	r->now_ms += 351000;
	end = walk(r, 40000, 16);
	printf("{\"row\": \"ageing\", \"flows\": %d, \"look_cycles\": %.1f, \"end_cycles\": %.0f}\n",
	       FLOWS, look, end);
	rig_destroy(r);
}
