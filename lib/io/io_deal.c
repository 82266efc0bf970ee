/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ring.h>

#include "io_priv.h"

/* Packets that wait between two workers; twice what a worker sends between two polls of the owner. */
#define RING_LEN 1024

/* Receive queues of a worker on one port. */
static uint32_t n_rxq_of(const struct cv_io_worker *w, uint16_t port)
{
	uint32_t n = 0, i;

	for (i = 0; i < w->n_rxq; i++)
		n += w->rxq[i].port == port;
	return n;
}

/* The worker with the fewest queues on the port; among equals, with the fewest at all. */
static uint32_t pick_rx_worker(const struct cv_io *io, uint16_t port)
{
	uint32_t best = 0, best_here = UINT32_MAX, i, here;

	for (i = 0; i < io->n_workers; i++) {
		here = n_rxq_of(&io->workers[i], port);
		if (here < best_here ||
		    (here == best_here && io->workers[i].n_rxq < io->workers[best].n_rxq)) {
			best = i;
			best_here = here;
		}
	}
	return best;
}

/* The worker that has no transmit queue on the port yet, or else any. */
static uint32_t pick_tx_worker(const struct cv_io *io, uint16_t port)
{
	uint32_t i;

	for (i = 0; i < io->n_workers; i++) {
		if (io->workers[i].tx[port] == NULL)
			return i;
	}
	return 0;
}

static void deal_dev(struct cv_io *io, const struct cv_io_dev *dev)
{
	uint16_t q;

	for (q = 0; q < RTE_MAX(dev->n_rx, dev->n_tx); q++) {
		uint32_t worker = q < dev->n_rx ? pick_rx_worker(io, dev->port)
						: pick_tx_worker(io, dev->port);
		struct cv_io_worker *w = &io->workers[worker];

		if (q < dev->n_rx)
			w->rxq[w->n_rxq++] = (struct cv_io_rxq){dev->id, q, dev->port};
		if (q < dev->n_tx) {
			struct cv_io_txq *txq = &io->txqs[io->n_txqs++];

			txq->dev = dev->id;
			txq->queue = q;
			txq->port = dev->port;
			txq->owner = (uint16_t)worker;
			txq->reap = dev->driver->umem;
			w->txq[w->n_txq++] = txq;
			if (w->tx[dev->port] == NULL)
				w->tx[dev->port] = txq;
		}
	}
}

static int make_ring(struct cv_io_txq *txq)
{
	char name[RTE_RING_NAMESIZE];

	if (txq->ring != NULL)
		return 0;
	snprintf(name, sizeof(name), "io-tx-%u-%u", txq->dev, txq->queue);
	/* RTS: a sender that loses its CPU between reserving and writing stops nobody else. */
	txq->ring =
		rte_ring_create(name, RING_LEN, SOCKET_ID_ANY, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	return txq->ring != NULL ? 0 : -ENOMEM;
}

/* Gives workers without a queue on a port the queues of others, spread evenly. */
static int lend(struct cv_io *io, uint16_t port)
{
	uint32_t next = 0, i, k;

	for (i = 0; i < io->n_workers; i++) {
		if (io->workers[i].tx[port] != NULL)
			continue;
		for (k = 0; k < io->n_txqs; k++, next++) {
			struct cv_io_txq *txq = &io->txqs[next % io->n_txqs];

			if (txq->port != port)
				continue;
			if (make_ring(txq) != 0)
				return -ENOMEM;
			io->workers[i].tx[port] = txq;
			next++;
			break;
		}
	}
	return 0;
}

static void *zalloc_lines(size_t len)
{
	void *mem;

	len = RTE_ALIGN_CEIL(len > 0 ? len : 1, CV_CACHE_LINE);
	mem = aligned_alloc(CV_CACHE_LINE, len);
	if (mem != NULL)
		memset(mem, 0, len);
	return mem;
}

int cv_io_deal(struct cv_io *io)
{
	uint32_t n_rx = 0, n_tx = 0, i;

	for (i = 0; i < io->n_devs; i++) {
		n_rx += io->devs[i].n_rx;
		n_tx += io->devs[i].n_tx;
	}
	io->txqs = zalloc_lines(n_tx * sizeof(*io->txqs));
	if (io->txqs == NULL)
		return -ENOMEM;
	for (i = 0; i < io->n_workers; i++) {
		struct cv_io_worker *w = &io->workers[i];

		w->rxq = zalloc_lines(n_rx * sizeof(*w->rxq));
		w->txq = zalloc_lines(n_tx * sizeof(struct cv_io_txq *));
		w->tx = zalloc_lines(io->n_ports * sizeof(struct cv_io_txq *));
		if (w->rxq == NULL || w->txq == NULL || w->tx == NULL)
			return -ENOMEM;
	}
	for (i = 0; i < io->n_devs; i++)
		deal_dev(io, &io->devs[i]);
	for (i = 0; i < io->n_ports; i++) {
		if (lend(io, (uint16_t)i) != 0)
			return -ENOMEM;
	}
	return 0;
}

uint32_t cv_io_lent_max(const struct cv_io *io)
{
	uint32_t n = 0, i;

	for (i = 0; i < io->n_txqs; i++) {
		if (io->txqs[i].ring != NULL)
			n += rte_ring_get_capacity(io->txqs[i].ring) + CV_IO_BURST_MAX;
	}
	return n;
}

static void empty_txq(struct cv_io_txq *txq)
{
	struct rte_mbuf *pkt;

	rte_pktmbuf_free_bulk(txq->held, txq->n_held);
	if (txq->ring == NULL)
		return;
	while (rte_ring_dequeue(txq->ring, (void **)&pkt) == 0)
		rte_pktmbuf_free(pkt);
	rte_ring_free(txq->ring);
}

void cv_io_deal_undo(struct cv_io *io)
{
	uint32_t i;

	for (i = 0; i < io->n_txqs; i++)
		empty_txq(&io->txqs[i]);
	free(io->txqs);
	io->txqs = NULL;
	io->n_txqs = 0;
	for (i = 0; i < io->n_workers; i++) {
		free(io->workers[i].rxq);
		free(io->workers[i].txq);
		free(io->workers[i].tx);
	}
}
