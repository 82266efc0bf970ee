/* SPDX-License-Identifier: BSD-3-Clause */

/* Rows of how flows leave the table. */

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_launch.h>

#include "cv_tcp.h"

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
	double look, recheck, end;

	(void)opts;
	rig_open(r, FLOWS);
	look = walk(r, 10000, 0);
	/* Each flow is checked against the new view beside that. */
	rig_publish(r);
	recheck = walk(r, 10000, 0) - look;
	/* Beyond the idle timeout of all of them. */
	r->now_ms += 351000;
	end = walk(r, 40000, 16);
	printf("{\"row\": \"ageing\", \"flows\": %d, \"look_cycles\": %.1f, "
	       "\"recheck_cycles\": %.1f, \"end_cycles\": %.0f}\n",
	       FLOWS, look, recheck, end);
	rig_destroy(r);
}

/* ---- connections that come and go as fast as workers take them ---- */

#define QUEUES 4
#define HALF (RIG_BURST / 2)
/* Bursts between looks at the clock and at the table. */
#define BURSTS_PER_LOOK 256

/* What stands for the receive queues of a worker. */
struct rush {
	struct rig *r;
	unsigned int worker;
	uint32_t n_bursts;
	uint64_t half, until;
	uint64_t at_half; /* flows in all tables */
	_Atomic bool stop;
};

static uint64_t flows_of(const struct rig *r)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < r->cfg.n_workers; i++)
		n += cv_ctr_get(&cv_dp_stats(r->dp)[i]->flows);
	return n;
}

/* SYNs of new clients, and RSTs of those of the burst before. Whose their flows are, the hash says. */
static uint16_t rush_rx(void *arg, unsigned int worker, unsigned int queue, struct rte_mbuf **pkts)
{
	struct rush *rush = arg;
	const unsigned int n = rush->r->cfg.n_workers;
	uint32_t first = rush->n_bursts * HALF;
	uint8_t frames[RIG_BURST][64];

	(void)worker;
	(void)queue;
	if (rush->n_bursts++ % BURSTS_PER_LOOK == 0) {
		uint64_t now = rte_rdtsc();

		if (now > rush->half && rush->at_half == 0)
			rush->at_half = flows_of(rush->r);
		if (now > rush->until)
			atomic_store_explicit(&rush->stop, true, memory_order_relaxed);
	}
	for (uint32_t i = 0; i < HALF; i++) {
		rig_client_frame(rush->r, (first + i) * n + rush->worker,
				 (struct rig_seg){0, 0, CV_TCP_SYN, 0}, frames[HALF + i]);
		rig_client_frame(rush->r, (first + i - HALF) * n + rush->worker,
				 (struct rig_seg){1, 0, CV_TCP_RST, 0}, frames[i]);
	}
	return rig_rx(rush->r, (struct rig_src){frames[0], 64, 60, rush->r->net.port[RIG_C2T]},
		      pkts, RIG_BURST);
}

static void rush_row(unsigned int n_workers, double seconds)
{
	const struct rig_cfg cfg = {.n_workers = n_workers,
				    .n_flows = 2000000,
				    .n_targets = RIG_TARGETS_MAX,
				    .linger_ms = 1,
				    .rest_ms = 1};
	const double hz = (double)rte_get_tsc_hz();
	struct rush rush[2];
	struct cv_dp_run runs[2];
	struct rig *r = rig_create(&cfg);
	uint64_t start = rte_rdtsc(), at_end;

	for (unsigned int i = 0; i < n_workers; i++) {
		rush[i] = (struct rush){.r = r,
					.worker = i,
					.half = start + (uint64_t)(seconds / 2 * hz),
					.until = start + (uint64_t)(seconds * hz)};
		runs[i] = (struct cv_dp_run){.worker = cv_dp_worker_get(r->dp, i),
					     .rx = rush_rx,
					     .rx_arg = &rush[i],
					     .n_queues = QUEUES,
					     .stop = &rush[i].stop};
	}
	if (n_workers > 1 && rte_eal_remote_launch(cv_dp_worker_run, &runs[1], 1) != 0)
		rig_die("starting the second worker");
	cv_dp_worker_run(&runs[0]);
	rte_eal_mp_wait_lcore();
	at_end = flows_of(r);
	printf("{\"row\": \"rush\", \"workers\": %u, \"connections_per_s\": %.0f, "
	       "\"flows_at_half\": %llu, \"flows_at_end\": %llu, \"table_full\": %llu, "
	       "\"dropped_at_full_rings\": %llu}\n",
	       n_workers, (double)rig_events(r, CV_EV_FLOW_NEW) / seconds,
	       (unsigned long long)rush[0].at_half, (unsigned long long)at_end,
	       (unsigned long long)rig_drops(r, CV_DROP_FLOW_TABLE_FULL),
	       (unsigned long long)rig_drops(r, CV_DROP_HANDOFF_FULL));
	rig_destroy(r);
}

void row_rush(const struct row_opts *opts)
{
	/* Long enough for several walks over the table. */
	rush_row(opts->n_cores > 1 ? 2 : 1, opts->seconds * 8);
}
