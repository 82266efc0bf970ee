/* SPDX-License-Identifier: BSD-3-Clause */

/* Rows with two workers, each the real worker loop on a core of its own. */

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>

#define FLOWS 50000
#define MARKS_MAX 65536
/* Turns between marks: 16,384 packets, half a millisecond. */
#define TURNS_PER_MARK 256

/* What stands for a worker's receive queue, and what was sent by when. */
struct feeder {
	struct rig *r;
	struct rig_frames frames;
	uint32_t at;
	uint32_t turns;
	uint64_t until;
	_Atomic bool stop;
	uint32_t n_marks;
	uint64_t mark_tsc[MARKS_MAX], mark_pkts[MARKS_MAX];
};

static uint16_t feeder_rx(void *arg, unsigned int worker, unsigned int queue,
			  struct rte_mbuf **pkts)
{
	struct feeder *f = arg;
	const struct rig_frames *fr = &f->frames;
	uint32_t at = f->at;

	(void)queue;
	if (f->turns++ % TURNS_PER_MARK == 0) {
		uint64_t now = rte_rdtsc();

		if (f->n_marks < MARKS_MAX) {
			f->mark_tsc[f->n_marks] = now;
			f->mark_pkts[f->n_marks++] =
				f->r->sent[worker].pkts[0] + f->r->sent[worker].pkts[1];
		}
		if (now > f->until)
			atomic_store_explicit(&f->stop, true, memory_order_relaxed);
	}
	f->at = at + RIG_BURST < fr->n ? at + RIG_BURST : 0;
	return rig_rx(f->r,
		      (struct rig_src){fr->mem + (size_t)at * fr->stride, fr->stride, fr->len,
				       fr->dir[at / RIG_BURST]},
		      pkts, RIG_BURST);
}

/* Median rate between the two times, packets per second. */
static double rate_between(const struct feeder *f, uint64_t from, uint64_t to)
{
	static double v[MARKS_MAX];
	size_t n = 0;

	for (uint32_t i = 1; i < f->n_marks; i++) {
		if (f->mark_tsc[i - 1] >= from && f->mark_tsc[i] <= to)
			v[n++] = (double)(f->mark_pkts[i] - f->mark_pkts[i - 1]) /
				 (double)(f->mark_tsc[i] - f->mark_tsc[i - 1]);
	}
	return rig_median(v, n) * (double)rte_get_tsc_hz();
}

static struct feeder feeders[2];

/* @param frames_of  see rig_frames_get() */
static struct cv_dp_run feeder_init(struct feeder *f, struct rig *r, unsigned int worker,
				    int frames_of)
{
	f->r = r;
	f->at = 0;
	f->turns = 0;
	f->n_marks = 0;
	f->stop = false;
	f->frames = rig_frames_get(r, FLOWS, 3, frames_of, 60);
	return (struct cv_dp_run){
		.worker = cv_dp_worker_get(r->dp, worker),
		.rx = feeder_rx,
		.rx_arg = f,
		.n_queues = 1,
		.stop = &f->stop,
	};
}

/*
 * What the workers of the first n feeders forward at once.
 *
 * @param lcore  of one alone: 0 or 1
 */
static double run_all(struct cv_dp_run *runs, unsigned int n, unsigned int lcore, double seconds)
{
	uint64_t from = 0, to = UINT64_MAX, start = rte_rdtsc();
	double sum = 0;

	for (unsigned int i = 0; i < n; i++)
		feeders[i].until = start + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	/* The last one has the second core, or that of one worker alone. */
	if ((n > 1 || lcore == 1) && rte_eal_remote_launch(cv_dp_worker_run, &runs[n - 1], 1) != 0)
		rig_die("starting a worker on the second core");
	if (n > 1 || lcore == 0)
		cv_dp_worker_run(&runs[0]);
	/* Asleep: the second core may be this one's other thread. */
	while (rte_eal_get_lcore_state(1) == RUNNING)
		usleep(1000);
	rte_eal_mp_wait_lcore();
	for (unsigned int i = 0; i < n; i++) {
		const struct feeder *f = &feeders[i];

		from = f->mark_tsc[0] > from ? f->mark_tsc[0] : from;
		to = f->mark_tsc[f->n_marks - 1] < to ? f->mark_tsc[f->n_marks - 1] : to;
	}
	/* The first tenth warms up. */
	from += (to - from) / 10;
	for (unsigned int i = 0; i < n; i++) {
		sum += rate_between(&feeders[i], from, to);
		rig_frames_put(&feeders[i].frames);
	}
	return sum;
}

static struct rig *rig_with(unsigned int n_workers, uint32_t n_flows)
{
	const struct rig_cfg cfg = {.n_workers = n_workers, .n_flows = n_flows, .proxy = true};
	struct rig *r = rig_create(&cfg);

	rig_open(r, n_flows);
	return r;
}

/*
 * What n workers forward at once.
 *
 * @param how    0, or RIG_WRONG_QUEUE: each gets the others' replies
 * @param lcore  of one worker alone: 0 or 1
 */
static double measure(unsigned int n_workers, int how, unsigned int lcore, double seconds,
		      struct rig **ret_rig)
{
	struct rig *r = rig_with(n_workers, FLOWS);
	struct cv_dp_run runs[2];

	for (unsigned int i = 0; i < n_workers; i++)
		runs[i] = feeder_init(&feeders[i], r, i, n_workers > 1 ? (int)i | how : -1);
	*ret_rig = r;
	return run_all(runs, n_workers, lcore, seconds);
}

/* The same of two data planes that share nothing, with half of the flows each: all that two cores give. */
static double measure_apart(double seconds)
{
	struct rig *rigs[2];
	struct cv_dp_run runs[2];
	double sum;

	for (int i = 0; i < 2; i++) {
		rigs[i] = rig_with(1, FLOWS / 2);
		runs[i] = feeder_init(&feeders[i], rigs[i], 0, -1);
	}
	sum = run_all(runs, 2, 0, seconds);
	for (int i = 0; i < 2; i++)
		rig_destroy(rigs[i]);
	return sum;
}

#define TURNS 5

static void ratios_print(const char *name, const double *v)
{
	printf("\"%s\": [", name);
	for (int i = 0; i < TURNS; i++)
		printf("%s%.3f", i > 0 ? ", " : "", v[i]);
	printf("], ");
}

void row_workers(const struct row_opts *opts)
{
	double one[TURNS], other[TURNS], two[TURNS], worst[TURNS], apart[TURNS];
	double two_ratio[TURNS], worst_ratio[TURNS], cores_ratio[TURNS], apart_ratio[TURNS];
	const double seconds = opts->seconds / 2;
	uint64_t handed = 0, full = 0;
	struct rig *r;

	if (opts->n_cores < 2)
		rig_die("two workers on one core: give --cores A,B; it");
	/* In turns: what the machine does meanwhile, a hypervisor above all, changes each alike. */
	for (int i = 0; i < TURNS; i++) {
		double alone;

		one[i] = measure(1, 0, 0, seconds, &r);
		rig_destroy(r);
		two[i] = measure(2, 0, 0, seconds, &r);
		rig_destroy(r);
		apart[i] = measure_apart(seconds);
		worst[i] = measure(2, RIG_WRONG_QUEUE, 0, seconds, &r);
		handed += rig_events(r, CV_EV_HANDOFF_IN);
		full += rig_drops(r, CV_DROP_HANDOFF_FULL);
		rig_destroy(r);
		other[i] = measure(1, 0, 1, seconds, &r);
		rig_destroy(r);
		/* Cores of a virtual machine differ by what others do on them: one worker is their mean. */
		alone = (one[i] + other[i]) / 2;
		two_ratio[i] = two[i] / alone;
		worst_ratio[i] = worst[i] / alone;
		apart_ratio[i] = apart[i] / alone;
		cores_ratio[i] = other[i] / one[i];
	}
	printf("{\"row\": \"workers\", ");
	ratios_print("two_ratios", two_ratio);
	ratios_print("wrong_queue_ratios", worst_ratio);
	ratios_print("apart_ratios", apart_ratio);
	printf("\"one_mpps\": %.2f, \"one_on_other_core_mpps\": %.2f, \"two_mpps\": %.2f, "
	       "\"wrong_queue_mpps\": %.2f, \"two_ratio\": %.3f, \"wrong_queue_ratio\": %.3f, "
	       "\"apart_mpps\": %.2f, \"apart_ratio\": %.3f, \"other_core_ratio\": %.3f, "
	       "\"handed_over\": %llu, \"dropped_at_full_rings\": %llu, \"flows\": %d}\n",
	       rig_median(one, TURNS) / 1e6, rig_median(other, TURNS) / 1e6,
	       rig_median(two, TURNS) / 1e6, rig_median(worst, TURNS) / 1e6,
	       rig_median(two_ratio, TURNS), rig_median(worst_ratio, TURNS),
	       rig_median(apart, TURNS) / 1e6, rig_median(apart_ratio, TURNS),
	       rig_median(cores_ratio, TURNS), (unsigned long long)handed, (unsigned long long)full,
	       FLOWS);
}
