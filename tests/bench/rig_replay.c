/* SPDX-License-Identifier: BSD-3-Clause */

/* Frames in random order, the loop that replays them and times itself, and whole connections. */

#include "rig.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "cv_tcp.h"

/* Packets per batch: about 100 us, short against what a busy machine takes at once. */
#define BATCH 4096
#define BATCHES_MAX 65536

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double rig_median(double *v, size_t n)
{
	if (n == 0)
		rig_die("measuring long enough");
	qsort(v, n, sizeof(*v), compare);
	return n % 2 == 1 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Numbers below n, from a generator of period 2^64. */
static uint32_t rng_below(uint64_t *state, uint32_t n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(((*state >> 32) * n) >> 32);
}

/* Flows to take in turn: a random permutation, so that each is met once before any is met again. */
static uint32_t *permutation(uint32_t n)
{
	uint32_t *v = malloc(n * sizeof(*v));
	uint64_t state = 7;

	if (v == NULL)
		rig_die("allocation");
	for (uint32_t i = 0; i < n; i++)
		v[i] = i;
	for (uint32_t i = n - 1; i > 0; i--) {
		uint32_t j = rng_below(&state, i + 1), t = v[i];

		v[i] = v[j];
		v[j] = t;
	}
	return v;
}

static bool is_wanted(const struct rig *r, uint32_t flow, enum rig_dir dir, int worker)
{
	bool own = worker < 0 || r->flows[flow].worker == (worker & 0xff);

	return dir == RIG_T2C && worker >= 0 && (worker & RIG_WRONG_QUEUE) != 0 ? !own : own;
}

struct rig_frames rig_frames_get(const struct rig *r, uint32_t n, unsigned int dirs, int worker,
				 uint16_t len)
{
	uint32_t n_bursts = (n + RIG_BURST - 1) / RIG_BURST;
	uint32_t *order = permutation(r->n_open);
	uint32_t at[RIG_N_DIRS] = {0, 0};
	const uint16_t outer = (r->cfg.vxlan & dirs) != 0 ? RIG_OUTER_LEN : 0;
	struct rig_frames f = {.n = n_bursts * RIG_BURST,
			       .len = (uint16_t)(len + outer),
			       .stride = (uint16_t)((len + outer + 63) / 64 * 64)};

	f.mem = aligned_alloc(64, (size_t)f.n * f.stride);
	f.dir = malloc(n_bursts);
	if (f.mem == NULL || f.dir == NULL)
		rig_die("allocation");
	for (uint32_t i = 0; i < n_bursts; i++) {
		/* Both directions in turn, or the one there is. */
		enum rig_dir dir = dirs == 3 ? (enum rig_dir)(i & 1) : (enum rig_dir)(dirs >> 1);

		f.dir[i] = (uint8_t)dir;
		for (uint32_t k = 0; k < RIG_BURST; k++) {
			uint32_t tries = 0;

			while (!is_wanted(r, order[at[dir] % r->n_open], dir, worker)) {
				at[dir]++;
				if (tries++ > r->n_open)
					rig_die("finding flows of a worker");
			}
			rig_frame(r, order[at[dir]++ % r->n_open], dir, len,
				  f.mem + (size_t)(i * RIG_BURST + k) * f.stride);
			(void)rig_wrap(r, dir, f.mem + (size_t)(i * RIG_BURST + k) * f.stride, len);
		}
	}
	free(order);
	return f;
}

void rig_frames_put(struct rig_frames *frames)
{
	free(frames->mem);
	free(frames->dir);
}

struct rig_times rig_replay(struct rig *r, const struct rig_frames *frames, double seconds)
{
	const struct cv_view *view = cv_view_pub_current(r->pub);
	struct cv_dp_worker *w = cv_dp_worker_get(r->dp, 0);
	double *core = malloc(BATCHES_MAX * sizeof(*core)),
	       *all = malloc(BATCHES_MAX * sizeof(*all));
	uint64_t until = rte_rdtsc() + (uint64_t)(seconds * (double)rte_get_tsc_hz());
	uint64_t before = r->sent[0].pkts[0] + r->sent[0].pkts[1];
	struct rig_times t = {0};
	uint32_t at = 0;
	size_t n = 0;

	if (core == NULL || all == NULL)
		rig_die("allocation");
	/* The first batch fills the caches and is not counted. */
	for (; n < 2 || (rte_rdtsc() < until && n < BATCHES_MAX); n++) {
		uint64_t start = rte_rdtsc(), in_core = 0;

		for (unsigned int k = 0; k < BATCH; k += RIG_BURST) {
			struct rte_mbuf *pkts[RIG_BURST];
			uint64_t begin;

			rig_rx(r,
			       (struct rig_src){frames->mem + (size_t)at * frames->stride,
						frames->stride, frames->len,
						r->net.port[frames->dir[at / RIG_BURST]]},
			       pkts, RIG_BURST);
			begin = rte_rdtsc();
			cv_dp_burst(w, view, pkts, RIG_BURST, r->now_ms);
			cv_dp_worker_poll(w, view, r->now_ms);
			cv_dp_worker_flush(w);
			in_core += rte_rdtsc() - begin;
			at = at + RIG_BURST < frames->n ? at + RIG_BURST : 0;
		}
		all[n] = (double)(rte_rdtsc() - start) / BATCH;
		core[n] = (double)in_core / BATCH;
		r->now_ms = cv_dp_now_ms(r->dp);
	}
	t.n_pkts = n * BATCH;
	if (r->sent[0].pkts[0] + r->sent[0].pkts[1] - before != t.n_pkts)
		rig_die("forwarding: packets were dropped, so it");
	t.core_cycles = rig_median(core + 1, n - 1);
	t.all_cycles = rig_median(all + 1, n - 1);
	t.mpps = (double)rte_get_tsc_hz() / t.all_cycles / 1e6;
	free(core);
	free(all);
	return t;
}

double rig_connect(struct rig *r, uint32_t first)
{
	const uint32_t h = r->cfg.proxy ? CV_PPV2_AWS_LEN : 0;
	static uint8_t f[7][RIG_BURST][64];
	static const enum rig_dir dirs[7] = {RIG_T2C, RIG_C2T, RIG_C2T, RIG_T2C,
					     RIG_C2T, RIG_T2C, RIG_C2T};
	const struct rig_seg segs[7] = {
		{0, 1 - h, CV_TCP_SYN | CV_TCP_ACK, 0},
		{1, 1, CV_TCP_ACK, 0},
		{1, 1, CV_TCP_ACK, 1},
		{1, 2, CV_TCP_ACK, 0},
		{2, 1, CV_TCP_FIN | CV_TCP_ACK, 0},
		{1, 3, CV_TCP_FIN | CV_TCP_ACK, 0},
		{3, 2, CV_TCP_ACK, 0},
	};
	unsigned int sent;

	r->fed_cycles = 0;
	sent = rig_syn(r, first, RIG_BURST);
	for (unsigned int i = 0; i < RIG_BURST; i++) {
		uint32_t flow = first + i;

		for (unsigned int k = 0; k < 7; k++) {
			if (dirs[k] == RIG_T2C)
				rig_target_frame(r, flow, segs[k], f[k][i]);
			else
				rig_client_frame(r, flow, segs[k], f[k][i]);
		}
	}
	for (unsigned int k = 0; k < 7; k++) {
		rig_feed(r, first, RIG_BURST, f[k], dirs[k]);
		sent += rig_done(r);
	}
	if (sent != 8 * RIG_BURST)
		rig_die("connecting: packets were dropped, so it");
	return (double)r->fed_cycles / RIG_BURST;
}
