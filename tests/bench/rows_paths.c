/* SPDX-License-Identifier: BSD-3-Clause */

/* What counting by path costs an established packet when there are many paths. */

#include "rows.h"

#include <stdio.h>

#include <rte_cycles.h>

#define TURNS 5

static const uint32_t n_enis[] = {1, 1000, 10000, 100000};

#define N_RIGS CV_ARRAY_LEN(n_enis)

/* A rig, its frames of both directions, cycles per packet of all turns. */
struct side {
	struct rig *r;
	struct rig_frames f[RIG_N_DIRS];
	double all[RIG_N_DIRS][TURNS], core[RIG_N_DIRS][TURNS];
};

static void side_make(struct side *side, uint32_t n_flows, uint32_t n)
{
	const struct rig_cfg cfg = {.n_flows = n_flows, .n_enis = n, .proxy = true};

	side->r = rig_create(&cfg);
	rig_open(side->r, n_flows);
	for (unsigned int dir = 0; dir < RIG_N_DIRS; dir++)
		side->f[dir] = rig_frames_get(side->r, n_flows, 1u << dir, -1, 60);
}

static void side_turn(struct side *side, double seconds, int turn)
{
	for (int dir = 0; dir < RIG_N_DIRS; dir++) {
		struct rig_times t = rig_replay(side->r, &side->f[dir], seconds);

		side->all[dir][turn] = t.all_cycles;
		side->core[dir][turn] = t.core_cycles;
	}
}

static void point(const struct row_opts *opts, uint32_t n_flows, bool last)
{
	static struct side sides[N_RIGS];
	const double hz = (double)rte_get_tsc_hz();

	for (size_t i = 0; i < N_RIGS; i++)
		side_make(&sides[i], n_flows, n_enis[i]);
	/* In turns: what changes on the machine meanwhile changes all. */
	for (int turn = 0; turn < TURNS; turn++) {
		for (size_t i = 0; i < N_RIGS; i++)
			side_turn(&sides[i], opts->seconds / 4, turn);
	}
	for (size_t i = 0; i < N_RIGS; i++) {
		struct side *side = &sides[i];
		double cycles = (rig_median(side->all[RIG_C2T], TURNS) +
				 rig_median(side->all[RIG_T2C], TURNS)) /
				2;

		printf("  {\"flows\": %u, \"endpoints\": %u, \"mpps\": %.2f, "
		       "\"c2t_core_cycles\": %.1f, \"t2c_core_cycles\": %.1f}%s\n",
		       n_flows, n_enis[i], hz / cycles / 1e6,
		       rig_median(side->core[RIG_C2T], TURNS),
		       rig_median(side->core[RIG_T2C], TURNS), last && i + 1 == N_RIGS ? "" : ",");
		for (int dir = 0; dir < RIG_N_DIRS; dir++)
			rig_frames_put(&side->f[dir]);
		rig_destroy(side->r);
	}
}

void row_paths(const struct row_opts *opts)
{
	printf("{\"row\": \"paths\", \"points\": [\n");
	point(opts, 50000, false);
	point(opts, 1000000, true);
	printf("]}\n");
}
