/* SPDX-License-Identifier: BSD-3-Clause */

/* What VXLAN costs an established packet: on the client's side, on the target's, on both. */

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>

#define TURNS 5
#define N_KINDS 4

/* Cycles per packet of all turns. */
struct kind {
	double all[RIG_N_DIRS][TURNS], core[RIG_N_DIRS][TURNS];
};

static void turn(struct rig *r, const struct rig_frames *f, double seconds, int n,
		 struct kind *kind)
{
	for (int dir = 0; dir < RIG_N_DIRS; dir++) {
		struct rig_times t = rig_replay(r, &f[dir], seconds);

		kind->all[dir][n] = t.all_cycles;
		kind->core[dir][n] = t.core_cycles;
	}
}

static double mean_all(struct kind *kind)
{
	return (rig_median(kind->all[RIG_C2T], TURNS) + rig_median(kind->all[RIG_T2C], TURNS)) / 2;
}

static void point(const struct row_opts *opts, uint32_t n_flows, bool last)
{
	static const char *const names[N_KINDS] = {"plain", "client", "target", "both"};
	struct rig *r[N_KINDS];
	struct rig_frames f[N_KINDS][RIG_N_DIRS];
	static struct kind kinds[N_KINDS];
	double hz = (double)rte_get_tsc_hz(), plain;

	for (unsigned int k = 0; k < N_KINDS; k++) {
		const struct rig_cfg cfg = {.n_flows = n_flows, .proxy = true, .vxlan = k};

		r[k] = rig_create(&cfg);
		rig_open(r[k], n_flows);
		for (unsigned int dir = 0; dir < RIG_N_DIRS; dir++)
			f[k][dir] = rig_frames_get(r[k], n_flows, 1u << dir, -1, 60);
	}
	/* In turns: what changes on the machine meanwhile changes all. */
	for (int n = 0; n < TURNS; n++) {
		for (int k = 0; k < N_KINDS; k++)
			turn(r[k], f[k], opts->seconds / 4, n, &kinds[k]);
	}
	plain = mean_all(&kinds[0]);
	for (int k = 0; k < N_KINDS; k++) {
		double cycles = mean_all(&kinds[k]);

		printf("  {\"flows\": %u, \"vxlan\": \"%s\", \"mpps\": %.2f, \"of_plain\": %.2f, "
		       "\"c2t_core_cycles\": %.1f, \"t2c_core_cycles\": %.1f}%s\n",
		       n_flows, names[k], hz / cycles / 1e6, plain / cycles,
		       rig_median(kinds[k].core[RIG_C2T], TURNS),
		       rig_median(kinds[k].core[RIG_T2C], TURNS), last && k == 3 ? "" : ",");
		for (int dir = 0; dir < RIG_N_DIRS; dir++)
			rig_frames_put(&f[k][dir]);
		rig_destroy(r[k]);
	}
}

void row_vxlan(const struct row_opts *opts)
{
	printf("{\"row\": \"vxlan\", \"points\": [\n");
	point(opts, 1000, false);
	point(opts, 50000, true);
	printf("]}\n");
}
