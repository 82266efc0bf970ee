/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * A little of each kind of traffic, each in one call of ir_phase(), for check_callgrind.py: it counts the
 * instructions of the packet core in each call. Prints the phases in their order: name and how many packets
 * or connections.
 */

#include <stdio.h>

#include "rig.h"

#define FLOWS 1000
#define BURSTS 32

struct phase {
	const char *name;
	void (*run)(struct rig *r, const struct rig_frames *frames);
	uint32_t n;
};

void ir_phase(const struct phase *phase, struct rig *r, const struct rig_frames *frames);

/* Known by its name: neither inlined nor cloned. clang clones nothing. */
#ifdef __clang__
#define IR_WHOLE __attribute__((noinline))
#else
#define IR_WHOLE __attribute__((noinline, noclone))
#endif

/* Callgrind is told to count from each call of it to its return. */
IR_WHOLE void ir_phase(const struct phase *phase, struct rig *r, const struct rig_frames *frames)
{
	phase->run(r, frames);
	/* Not the last thing, or the call would be a jump. */
	__asm__ volatile("" ::: "memory");
}

static void run_established(struct rig *r, const struct rig_frames *f)
{
	struct cv_dp_worker *w = cv_dp_worker_get(r->dp, 0);

	for (uint32_t i = 0; i < BURSTS; i++) {
		uint32_t at = i * RIG_BURST % f->n;
		struct rte_mbuf *pkts[RIG_BURST];

		const struct rig_src src = {f->mem + (size_t)at * f->stride, f->stride, f->len,
					    r->net.port[f->dir[at / RIG_BURST]]};

		if (rig_rx(r, src, pkts, RIG_BURST) == 0)
			rig_die("allocation of buffers");
		cv_dp_burst(w, cv_view_pub_current(r->pub), pkts, RIG_BURST, r->now_ms);
		cv_dp_worker_flush(w);
	}
}

static void run_connections(struct rig *r, const struct rig_frames *f)
{
	(void)f;
	for (uint32_t i = 0; i < BURSTS; i++)
		(void)rig_connect(r, FLOWS + i * RIG_BURST);
}

int main(void)
{
	static const struct phase phases[] = {
		{"established_client_to_target", run_established, BURSTS * RIG_BURST},
		{"established_target_to_client", run_established, BURSTS * RIG_BURST},
		{"connection_with_header", run_connections, BURSTS * RIG_BURST},
		{"connection_without_header", run_connections, BURSTS * RIG_BURST},
	};
	struct rig_cfg cfg = {.n_flows = 8192, .proxy = true};
	struct rig_frames frames;
	struct rig *r;
	uint64_t sent;

	rig_eal("0", false, NULL);
	r = rig_create(&cfg);
	rig_open(r, FLOWS);
	for (int dir = 0; dir < RIG_N_DIRS; dir++) {
		frames = rig_frames_get(r, FLOWS, 1u << dir, -1, 60);
		sent = r->sent[0].pkts[!dir];
		ir_phase(&phases[dir], r, &frames);
		if (r->sent[0].pkts[!dir] - sent != phases[dir].n)
			rig_die("forwarding: packets were dropped, so it");
		rig_frames_put(&frames);
	}
	ir_phase(&phases[2], r, NULL);
	rig_destroy(r);
	cfg.proxy = false;
	r = rig_create(&cfg);
	ir_phase(&phases[3], r, NULL);
	rig_destroy(r);
	for (size_t i = 0; i < CV_ARRAY_LEN(phases); i++)
		printf("%s %u\n", phases[i].name, phases[i].n);
	return 0;
}
