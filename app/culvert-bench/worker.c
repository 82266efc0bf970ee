/* SPDX-License-Identifier: BSD-3-Clause */

#include <sched.h>
#include <time.h>

#include <rte_cycles.h>

#include "run.h"

static void set_time(struct cb_worker *w, uint64_t now, uint16_t tick)
{
	if (w->client != NULL) {
		w->client->s.now = now;
		w->client->s.tick = tick;
	}
	if (w->server != NULL) {
		w->server->s.now = now;
		w->server->s.tick = tick;
	}
}

/* CPU time that this thread got so far. */
static uint64_t cpu_ns(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void take_orders(struct cb_worker *w, uint32_t epoch)
{
	if (w->client != NULL)
		cb_client_command(w->client, &w->control->cmd);
	if (w->server != NULL)
		cb_server_command(w->server, &w->control->cmd);
	w->order_tsc = rte_rdtsc();
	w->order_cpu_ns = cpu_ns();
	atomic_store_explicit(&w->seen, epoch, memory_order_release);
}

static uint16_t receive(struct cb_worker *w, unsigned int queue)
{
	struct rte_mbuf *pkts[CB_BURST];
	uint16_t n = cv_io_rx_burst(w->io, w->id, queue, pkts);
	uint64_t now;

	if (n == 0)
		return 0;
	now = rte_rdtsc();
	if (w->client != NULL && pkts[0]->port == w->client->s.port) {
		w->client->s.now = now;
		cb_client_rx(w->client, pkts, n);
	} else if (w->server != NULL && pkts[0]->port == w->server->s.port) {
		w->server->s.now = now;
		cb_server_rx(w->server, pkts, n);
	}
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

/* While nothing is measured, others may need the CPU more: what we measure may share it to start. */
static void rest(enum cb_phase phase, uint32_t n)
{
	if (phase == CB_WAIT && n == 0)
		rte_delay_us_sleep(20);
	else if (phase != CB_RUN && n == 0)
		(void)sched_yield();
}

int cb_worker_run(void *arg)
{
	struct cb_worker *w = arg;
	unsigned int n_queues = cv_io_n_queues(w->io, w->id);
	uint64_t per_tick = rte_get_tsc_hz() / CB_TICKS_PER_S, next = 0, now;
	enum cb_phase phase = CB_WAIT;
	uint32_t seen = 0, epoch, n;
	uint16_t tick = 0;

	for (;;) {
		now = rte_rdtsc();
		if (now >= next) {
			tick = (uint16_t)(now / per_tick);
			next = (now / per_tick + 1) * per_tick;
		}
		set_time(w, now, tick);
		epoch = atomic_load_explicit(&w->control->epoch, memory_order_acquire);
		if (epoch != seen) {
			seen = epoch;
			phase = w->control->cmd.phase;
			take_orders(w, epoch);
			if (phase == CB_STOP)
				return 0;
		}
		n = 0;
		for (unsigned int q = 0; q < n_queues; q++)
			n += receive(w, q);
		if (w->client != NULL) {
			cb_client_tick(w->client);
			cb_side_flush(&w->client->s);
		}
		if (w->server != NULL) {
			cb_server_tick(w->server);
			cb_side_flush(&w->server->s);
		}
		rest(phase, n);
	}
}
