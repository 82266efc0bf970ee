/* SPDX-License-Identifier: BSD-3-Clause */

/* Rows with one worker: rates over flows, memory, and what the PROXY header costs. */

#include "rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

/* Frames that are replayed at most, of each direction; more only read more memory for the frames. */
#define FRAMES_MAX (1u << 20)

static struct rig *rig_with(uint32_t n_flows, bool proxy)
{
	const struct rig_cfg cfg = {.n_flows = n_flows, .proxy = proxy};
	struct rig *r = rig_create(&cfg);

	rig_open(r, n_flows);
	return r;
}

static struct rig_times replay(struct rig *r, unsigned int dirs, double seconds, uint16_t len)
{
	uint32_t n = r->n_open * (dirs == 3 ? 2 : 1);
	struct rig_frames f = rig_frames_get(r, n < FRAMES_MAX ? n : FRAMES_MAX, dirs, -1, len);
	struct rig_times t = rig_replay(r, &f, seconds);

	rig_frames_put(&f);
	return t;
}

void row_established(const struct row_opts *opts)
{
	static const uint32_t sizes[] = {1000, 10000, 50000, 200000, 1000000};

	printf("{\"row\": \"established\", \"points\": [\n");
	for (size_t i = 0; i < CV_ARRAY_LEN(sizes); i++) {
		struct rig *r = rig_with(sizes[i], true);
		struct rig_times c2t = replay(r, 1, opts->seconds, 60);
		struct rig_times t2c = replay(r, 2, opts->seconds, 60);
		struct rig_times both = replay(r, 3, opts->seconds, 60);

		printf("  {\"flows\": %u, \"mpps\": %.2f, \"c2t_mpps\": %.2f, \"t2c_mpps\": %.2f, "
		       "\"core_cycles\": %.1f, \"c2t_core_cycles\": %.1f, \"t2c_core_cycles\": %.1f}%s\n",
		       sizes[i], both.mpps, c2t.mpps, t2c.mpps, both.core_cycles, c2t.core_cycles,
		       t2c.core_cycles, i + 1 < CV_ARRAY_LEN(sizes) ? "," : "");
		fflush(stdout);
		rig_destroy(r);
	}
	printf("]}\n");
}

#define MEMORY_TURNS 5

/* A rig and its frames, by direction, and the cycles that its packets take in each turn. */
struct held {
	struct rig *r;
	struct rig_frames f[RIG_N_DIRS];
	double core[RIG_N_DIRS][MEMORY_TURNS], all[RIG_N_DIRS][MEMORY_TURNS];
};

static void held_frames(struct held *h)
{
	const uint32_t n = h->r->n_open < FRAMES_MAX ? h->r->n_open : FRAMES_MAX;

	for (unsigned int dir = 0; dir < RIG_N_DIRS; dir++)
		h->f[dir] = rig_frames_get(h->r, n, 1u << dir, -1, 60);
}

static void held_turn(struct held *h, int turn, double seconds)
{
	for (int dir = 0; dir < RIG_N_DIRS; dir++) {
		struct rig_times t = rig_replay(h->r, &h->f[dir], seconds);

		h->core[dir][turn] = t.core_cycles;
		h->all[dir][turn] = t.all_cycles;
	}
}

static void held_put(struct held *h)
{
	for (int dir = 0; dir < RIG_N_DIRS; dir++)
		rig_frames_put(&h->f[dir]);
	rig_destroy(h->r);
}

/* Median over turns of the cycles with many flows against those with few in the same turn. */
static double held_ratio(const struct held *many, const struct held *few, enum rig_dir dir)
{
	double v[MEMORY_TURNS];

	for (int i = 0; i < MEMORY_TURNS; i++)
		v[i] = many->core[dir][i] / few->core[dir][i];
	return rig_median(v, MEMORY_TURNS);
}

static void held_print(struct held *h, const char *tail)
{
	static const char *const names[RIG_N_DIRS] = {"c2t", "t2c"};

	for (int dir = 0; dir < RIG_N_DIRS; dir++)
		printf(", \"%s_core_cycles%s\": %.1f, \"%s_mpps%s\": %.2f", names[dir], tail,
		       rig_median(h->core[dir], MEMORY_TURNS), names[dir], tail,
		       (double)rte_get_tsc_hz() / rig_median(h->all[dir], MEMORY_TURNS) / 1e6);
}

void row_memory(const struct row_opts *opts)
{
	/* Of 55,000 ports each, filled to 95 % on average: chance never fills one up. */
	const struct rig_cfg cfg = {.n_flows = opts->n_flows,
				    .n_targets = opts->n_flows / 52250 + 1,
				    .rest_ms = 1,
				    .proxy = true};
	static struct held few, many;
	uint64_t before, table, after;
	double c2t, t2c;

	if (cfg.n_targets > RIG_TARGETS_MAX)
		rig_die("so many flows: they");
	few.r = rig_with(1000, true);
	held_frames(&few);
	/* Once for all that a replay needs but flows: it must not count as theirs. */
	(void)rig_replay(few.r, &few.f[RIG_C2T], 0);
	before = rig_resident();
	many.r = rig_create(&cfg);
	rig_ports_touch(many.r);
	/* The bench's own notes on flows do not count. */
	before += opts->n_flows * sizeof(*many.r->flows);
	table = rig_resident() - before;
	rig_open(many.r, opts->n_flows);
	after = rig_resident() - before;
	held_frames(&many);
	/* In turns: what changes on the machine meanwhile changes both. */
	for (int turn = 0; turn < MEMORY_TURNS; turn++) {
		held_turn(&few, turn, opts->seconds / 4);
		held_turn(&many, turn, opts->seconds / 4);
	}
	c2t = held_ratio(&many, &few, RIG_C2T);
	t2c = held_ratio(&many, &few, RIG_T2C);
	printf("{\"row\": \"memory\", \"flows\": %u, \"bytes\": %llu, \"table_bytes\": %llu, "
	       "\"bytes_per_flow\": %.1f, \"turns\": %d, \"c2t_ratio\": %.3f, "
	       "\"t2c_ratio\": %.3f",
	       opts->n_flows, (unsigned long long)after, (unsigned long long)table,
	       (double)after / opts->n_flows, MEMORY_TURNS, c2t, t2c);
	held_print(&many, "");
	held_print(&few, "_1000");
	printf("}\n");
	held_put(&many);
	held_put(&few);
}

/* ---- connections, and PROXY on against off ---- */

/*
 * Connections for a while under the real clock; half the time goes by until flows end as fast as they
 * come.
 */
static double connect_for(struct rig *r, uint32_t *next, double seconds)
{
	const uint64_t hz = rte_get_tsc_hz();
	uint64_t start = rte_rdtsc(), now = start;
	uint64_t began_ms = r->now_ms;
	static double v[1u << 20];
	size_t n = 0;

	while (now - start < (uint64_t)(seconds * (double)hz) && n < CV_ARRAY_LEN(v)) {
		r->now_ms = began_ms + (now - start) / (hz / 1000);
		v[n++] = rig_connect(r, *next);
		*next += RIG_BURST;
		now = rte_rdtsc();
	}
	return rig_median(v + n / 2, n - n / 2);
}

void row_connections(const struct row_opts *opts)
{
	/* 256 x 55,000 ports last for 14 million connections: they rest for 60 s. */
	const struct rig_cfg cfg = {.n_flows = 4000000,
				    .n_targets = RIG_TARGETS_MAX,
				    .linger_ms = (uint32_t)(opts->seconds * 1000),
				    .proxy = true};
	struct rig *r = rig_create(&cfg);
	uint32_t next = 0;
	double cycles = connect_for(r, &next, opts->seconds * 3);
	double hz = (double)rte_get_tsc_hz();

	printf("{\"row\": \"connections\", \"connections_per_s\": %.0f, \"cycles\": %.0f, "
	       "\"packets\": 8, \"linger_ms\": %u, \"opened\": %u, \"ended\": %llu}\n",
	       hz / cycles, cycles, cfg.linger_ms, next,
	       (unsigned long long)rig_events(r, CV_EV_FLOW_END_FIN));
	rig_destroy(r);
}

#define TURNS 9

void row_proxy(const struct row_opts *opts)
{
	struct rig *r[2] = {rig_with(1000, false), rig_with(1000, true)};
	struct rig_frames f[2];
	double est[2][TURNS], est_ratio[TURNS], con[2][TURNS], con_ratio[TURNS];
	uint32_t next[2] = {0, 0};

	for (int p = 0; p < 2; p++)
		f[p] = rig_frames_get(r[p], 2048, 3, -1, 60);
	/* In turns: what changes on the machine meanwhile changes both. */
	for (int turn = 0; turn < TURNS; turn++) {
		for (int p = 0; p < 2; p++)
			est[p][turn] = rig_replay(r[p], &f[p], opts->seconds / 4).all_cycles;
		est_ratio[turn] = est[1][turn] / est[0][turn];
	}
	for (int p = 0; p < 2; p++) {
		const struct rig_cfg cfg = {.n_flows = 2000000,
					    .n_targets = RIG_TARGETS_MAX,
					    .linger_ms = 20,
					    .proxy = p != 0};

		rig_frames_put(&f[p]);
		rig_destroy(r[p]);
		r[p] = rig_create(&cfg);
	}
	for (int turn = 0; turn < TURNS; turn++) {
		for (int p = 0; p < 2; p++)
			con[p][turn] = connect_for(r[p], &next[p], opts->seconds / 4);
		con_ratio[turn] = con[1][turn] / con[0][turn];
	}
	printf("{\"row\": \"proxy\", \"established_slower_percent\": %.2f, "
	       "\"connections_slower_percent\": %.2f, \"established_cycles_on\": %.1f, "
	       "\"established_cycles_off\": %.1f, \"connection_cycles_on\": %.0f, "
	       "\"connection_cycles_off\": %.0f, \"turns\": %d}\n",
	       (rig_median(est_ratio, TURNS) - 1) * 100, (rig_median(con_ratio, TURNS) - 1) * 100,
	       rig_median(est[1], TURNS), rig_median(est[0], TURNS), rig_median(con[1], TURNS),
	       rig_median(con[0], TURNS), TURNS);
	for (int p = 0; p < 2; p++)
		rig_destroy(r[p]);
}
