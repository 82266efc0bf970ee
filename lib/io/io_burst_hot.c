/* SPDX-License-Identifier: BSD-3-Clause */

#include <rte_ethdev.h>
#include <rte_ring.h>

#include "io_priv.h"

/* Rounds without a packet after which a worker counts as idle. */
#define IDLE_ROUNDS 16

static uint16_t io_send(struct cv_io_txq *txq, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t sent = 0, got;

	/* Some drivers take fewer at a time than they have room for. */
	do {
		got = rte_eth_tx_burst(txq->dev, txq->queue, pkts + sent, (uint16_t)(n - sent));
		sent = (uint16_t)(sent + got);
	} while (got > 0 && sent < n);
	txq->unreaped = txq->reap;
	return sent;
}

/* Sends what other workers passed on. What the device does not take now is held and goes first. */
static void io_drain(struct cv_io_txq *txq)
{
	uint16_t n = txq->n_held, sent, i;

	n = (uint16_t)(n + rte_ring_sc_dequeue_burst(txq->ring, (void **)(txq->held + n),
						     CV_IO_BURST_MAX - n, NULL));
	if (n == 0)
		return;
	sent = io_send(txq, txq->held, n);
	txq->n_held = (uint16_t)(n - sent);
	for (i = 0; sent > 0 && i < txq->n_held; i++)
		txq->held[i] = txq->held[sent + i];
}

static void io_upkeep(struct cv_io_worker *w)
{
	bool idle = w->idle >= IDLE_ROUNDS * w->n_rxq;
	uint32_t i;

	for (i = 0; i < w->n_txq; i++) {
		struct cv_io_txq *txq = w->txq[i];

		if (txq->ring != NULL)
			io_drain(txq);
		if (idle && txq->unreaped) {
			(void)rte_eth_tx_burst(txq->dev, txq->queue, NULL, 0);
			txq->unreaped = false;
		}
	}
	if (idle && w->yield)
		cv_io_yield();
}

uint16_t cv_io_rx_burst(void *io, unsigned int worker, unsigned int queue, struct rte_mbuf **pkts)
{
	struct cv_io_worker *w = &((struct cv_io *)io)->workers[worker];
	const struct cv_io_rxq *rxq;
	uint16_t n, i;

	if (queue == 0) {
		io_upkeep(w);
		if (w->n_rxq == 0)
			return 0;
	}
	rxq = &w->rxq[queue];
	n = rte_eth_rx_burst(rxq->dev, rxq->queue, pkts, CV_IO_BURST_MAX);
	if (n == 0) {
		w->idle++;
		return 0;
	}
	w->idle = 0;
	for (i = 0; i < n; i++) {
		/* Most drivers write their own number there; if it is ours, the line stays clean. */
		if (pkts[i]->port != rxq->port)
			pkts[i]->port = rxq->port;
	}
	return n;
}

uint16_t cv_io_tx_burst(void *io, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			uint16_t n)
{
	struct cv_io_txq *txq = ((struct cv_io *)io)->workers[worker].tx[port];

	if (txq == NULL)
		return 0;
	if (txq->owner == worker)
		return io_send(txq, pkts, n);
	return (uint16_t)rte_ring_enqueue_burst(txq->ring, (void *const *)pkts, n, NULL);
}
