/* SPDX-License-Identifier: BSD-3-Clause */

/* The worker loop, and everything in it that is not a received packet. */

#include <unistd.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "dp_capture.h"
#include "dp_vxlan.h"

/*
 * Control's requests and header timers per loop at most: packets come first. Timers one more for each packet,
 * for packets start them.
 */
#define DP_CMDS_PER_LOOP 8
#define DP_TIMERS_PER_LOOP 64

void dp_out_flush(struct cv_dp_worker *w, uint16_t port)
{
	struct dp_out *out = &w->out[port];
	uint64_t bytes = 0;
	uint16_t sent;

	if (port == w->n_ports) {
		dp_vxlan_flush(w);
		return;
	}
	if (__builtin_expect(w->capture != NULL, 0))
		dp_capture_sent(w, port, out->pkts, out->n);
	for (uint16_t i = 0; i < out->n; i++)
		bytes += out->pkts[i]->pkt_len;
	sent = w->tx(w->tx_arg, w->id, port, out->pkts, out->n);
	if (__builtin_expect(sent < out->n, 0)) {
		if (w->capture != NULL)
			dp_capture_untaken(w, port, &out->pkts[sent], (uint16_t)(out->n - sent));
		for (uint16_t i = sent; i < out->n; i++)
			bytes -= out->pkts[i]->pkt_len;
		cv_ctr_add(&w->stats->drop[CV_DROP_TX_FULL], out->n - sent);
		rte_pktmbuf_free_bulk(&out->pkts[sent], out->n - sent);
	}
	cv_ctr_add(&w->stats->ev[CV_EV_TX_PKTS], sent);
	cv_ctr_add(&w->stats->ev[CV_EV_TX_BYTES], bytes);
	out->n = 0;
}

void dp_handoff_flush(struct cv_dp_worker *w, uint32_t to)
{
	struct dp_out *out = &w->handoff[to];
	unsigned int sent =
		rte_ring_sp_enqueue_burst(w->others[to], (void **)out->pkts, out->n, NULL);

	for (unsigned int i = sent; i < out->n; i++)
		dp_drop(w, out->pkts[i], CV_DROP_HANDOFF_FULL);
	cv_ctr_add(&w->stats->ev[CV_EV_HANDOFF_OUT], sent);
	out->n = 0;
}

void cv_dp_worker_flush(struct cv_dp_worker *w)
{
	if (w->out[w->n_ports].n > 0)
		dp_vxlan_flush(w);
	for (uint16_t port = 0; port < w->n_ports; port++)
		if (w->out[port].n > 0)
			dp_out_flush(w, port);
	for (uint32_t to = 0; to < w->n_workers; to++)
		if (w->handoff[to].n > 0)
			dp_handoff_flush(w, to);
}

/* Fills a burst with what others have handed over: each time another one's ring is the first. */
static uint16_t dp_handed_take(struct cv_dp_worker *w, struct rte_mbuf **pkts)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < w->n_workers && n < CV_DP_BURST_MAX; i++) {
		struct rte_ring *ring = w->in[w->handed_from];

		w->handed_from = w->handed_from + 1 < w->n_workers ? w->handed_from + 1 : 0;
		if (ring != NULL)
			n += rte_ring_sc_dequeue_burst(ring, (void **)&pkts[n], CV_DP_BURST_MAX - n,
						       NULL);
	}
	/* Unlike those of a port these are in the other core's cache, the mbufs too. */
	for (unsigned int i = 0; i < n; i++)
		__builtin_prefetch(pkts[i], 1);
	return (uint16_t)n;
}

static unsigned int dp_handed_poll(struct cv_dp_worker *w)
{
	struct rte_mbuf *pkts[2][CV_DP_BURST_MAX];
	uint16_t n = dp_handed_take(w, pkts[0]);
	unsigned int total = 0;

	for (int i = 0; n > 0; i++) {
		uint16_t next = 0;

		/* Before these are handled, so that the next ones have arrived by then. */
		if (n == CV_DP_BURST_MAX && i + 1 < DP_HANDED_MAX / CV_DP_BURST_MAX)
			next = dp_handed_take(w, pkts[(i + 1) % 2]);
		dp_burst(w, pkts[i % 2], n, true);
		total += n;
		n = next;
	}
	return total;
}

static void dp_stages_set(struct cv_dp_worker *w, bool on)
{
	w->staged = on;
	w->stage_mark = rte_rdtsc();
}

static void dp_cmds_poll(struct cv_dp_worker *w)
{
	struct dp_cmd cmd;

	dp_arp_piece(w);
	for (int i = 0; i < DP_CMDS_PER_LOOP; i++) {
		/* One walk at a time: its request stays in the ring until there is room. */
		if (w->sweep.list != NULL || w->sweep.marks != NULL || w->arp.on ||
		    rte_ring_sc_dequeue_elem(w->cmds, &cmd, sizeof(cmd)) != 0)
			return;
		if (cmd.kind == DP_CMD_LIST)
			dp_list_start(w, cmd.list);
		else if (cmd.kind == DP_CMD_MARK)
			dp_mark_start(w, cmd.marks);
		else if (cmd.kind == DP_CMD_CAPTURE)
			dp_capture_set(w, cmd.capture, cmd.on);
		else if (cmd.kind == DP_CMD_STAGES)
			dp_stages_set(w, cmd.on);
		else
			dp_arp_start(w, cmd.vpc, cmd.sender, cmd.ip);
	}
}

static void dp_timers_poll(struct cv_dp_worker *w, uint32_t pkts)
{
	uint32_t n = DP_TIMERS_PER_LOOP + pkts;

	for (; n > 0 && w->timer_head != w->timer_tail; n--) {
		struct dp_timer timer = w->timers[w->timer_head % DP_TIMERS];
		const struct cv_flow *flow = &w->flows->flows[timer.flow];

		if (timer.due_ms > w->now_ms)
			return;
		w->timer_head++;
		if (flow->node_port == timer.node_port &&
		    (uint16_t)flow->start_ms == timer.start_ms)
			dp_tcp_timer(w, timer.flow);
	}
}

/* Packets since this was asked last: those of one turn. */
static uint32_t dp_turn_pkts(struct cv_dp_worker *w)
{
	uint64_t before = w->sweep.pkts;

	w->sweep.pkts = cv_ctr_get(&w->stats->ev[CV_EV_RX_PKTS]) +
			cv_ctr_get(&w->stats->ev[CV_EV_HANDOFF_IN]);
	return (uint32_t)(w->sweep.pkts - before);
}

unsigned int cv_dp_worker_poll(struct cv_dp_worker *w, const struct cv_view *view, uint64_t now_ms)
{
	unsigned int n;
	uint32_t pkts;

	w->view = view;
	w->now_ms = now_ms;
	n = dp_handed_poll(w);
	n += dp_host_poll(w);
	dp_cmds_poll(w);
	pkts = dp_turn_pkts(w);
	dp_timers_poll(w, pkts);
	dp_age(w, pkts);
	atomic_store_explicit(&w->stats->flows, w->flows->n, memory_order_relaxed);
	atomic_store_explicit(&w->stats->view_gen, view->spec.gen, memory_order_relaxed);
	return n;
}

/* One turn: receive from each queue, then the rest. Returns packets handled. */
static unsigned int dp_turn(struct cv_dp_worker *w, const struct cv_dp_run *run, uint64_t now_ms)
{
	const struct cv_view *view = cv_view_read(w->pub);
	struct rte_mbuf *pkts[CV_DP_BURST_MAX];
	unsigned int total = 0;

	if (view == NULL)
		return 0;
	if (w->staged)
		w->stage_mark = rte_rdtsc();
	for (unsigned int queue = 0; queue < run->n_queues; queue++) {
		uint16_t n = run->rx(run->rx_arg, w->id, queue, pkts);

		if (n > 0) {
			dp_stage(w, CV_STAGE_RX);
			cv_dp_burst(w, view, pkts, n, now_ms);
		}
		total += n;
	}
	total += cv_dp_worker_poll(w, view, now_ms);
	/* Turns without a packet would hide what a packet costs. */
	if (total > 0)
		dp_stage(w, CV_STAGE_REST);
	cv_dp_worker_flush(w);
	if (total > 0) {
		dp_stage(w, CV_STAGE_TX);
		if (w->staged)
			cv_ctr_add(&w->stats->stage_pkts, total);
	}
	return total;
}

int cv_dp_worker_run(void *arg)
{
	const struct cv_dp_run *run = arg;
	struct cv_dp_worker *w = run->worker;
	uint64_t start = rte_rdtsc();

	atomic_store_explicit(&w->tid, gettid(), memory_order_relaxed);
	cv_view_reader_online(w->pub, w->id);
	while (!atomic_load_explicit(run->stop, memory_order_relaxed)) {
		unsigned int n = dp_turn(w, run, start / w->tsc_per_ms);
		uint64_t end = rte_rdtsc();

		cv_view_quiescent(w->pub, w->id);
		if (n > 0) {
			cv_ctr_add(&w->stats->tsc_busy, end - start);
			cv_ctr_add(&w->stats->busy_pkts, n);
		}
		cv_ctr_add(&w->stats->tsc_total, end - start);
		cv_ctr_add(&w->stats->loops, 1);
		start = end;
	}
	cv_view_reader_offline(w->pub, w->id);
	atomic_store_explicit(&w->tid, 0, memory_order_relaxed);
	return 0;
}
