/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports that spread TCP by a hash we know: a key of ours, and a table of ours from the hash to queues.
 *
 * Nothing relies on a device to do as it says. It is asked what it has taken, and if that is not what it
 * was told, the port counts as one of which nothing is known.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "io_priv.h"

/* Bytes of a key that the hash of a TCP packet over IPv4 depends on: 96 bits, and 32 that follow. */
#define KEY_USED 16
/* Entries of the largest table that is written. */
#define RETA_MAX 4096
/* Classes at least, and per queue: no queue gets more than a sixteenth above its share. */
#define CLASSES_MIN 64
#define CLASSES_PER_QUEUE 16

int cv_io_rss_init(struct cv_io *io)
{
	uint64_t random;

	/* So early in the boot that there is none, the time will do. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = rte_rdtsc();
	cv_rss_key_build(random, io->rss_key);
	io->rss = calloc(io->n_ports + 1u, sizeof(*io->rss));
	return io->rss != NULL ? 0 : -ENOMEM;
}

bool cv_io_rss_key_put(const uint8_t *key, uint8_t len, uint8_t *buf)
{
	/* Some devices have longer keys, for longer headers. */
	for (unsigned int i = 0; i < len; i++)
		buf[i] = key[i % CV_RSS_KEY_LEN];
	return len >= KEY_USED;
}

uint16_t cv_io_rss_classes(uint16_t reta_len, uint16_t n_queues)
{
	uint32_t want = rte_align32pow2((uint32_t)n_queues * CLASSES_PER_QUEUE);

	if (!rte_is_power_of_2(reta_len) || reta_len > RETA_MAX)
		return 0;
	want = RTE_MAX(want, (uint32_t)CLASSES_MIN);
	want = RTE_MIN(want, (uint32_t)CV_RSS_CLASSES_MAX);
	return (uint16_t)RTE_MIN(want, (uint32_t)reta_len);
}

static bool key_is_ours(const struct cv_io *io, uint16_t id, uint8_t len)
{
	uint8_t buf[UINT8_MAX] = {0};
	struct rte_eth_rss_conf conf = {.rss_key = buf, .rss_key_len = len};

	return rte_eth_dev_rss_hash_conf_get(id, &conf) == 0 &&
	       (conf.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0 &&
	       memcmp(buf, io->rss_key, KEY_USED) == 0;
}

/* Some devices take the key when they are configured, some only when they run. */
static bool key_set(const struct cv_io *io, uint16_t id, const struct rte_eth_dev_info *info)
{
	/* Devices that do not say have keys of the usual length. */
	uint8_t len = info->hash_key_size > 0 ? info->hash_key_size : CV_RSS_KEY_LEN;
	uint8_t buf[UINT8_MAX];
	struct rte_eth_rss_conf conf = {
		.rss_key = buf,
		.rss_key_len = len,
		.rss_hf = info->flow_type_rss_offloads & CV_IO_RSS_HF,
	};

	if (!cv_io_rss_key_put(io->rss_key, len, buf))
		return false;
	return key_is_ours(io, id, len) ||
	       (rte_eth_dev_rss_hash_update(id, &conf) == 0 && key_is_ours(io, id, len));
}

/* Deals a table of n entries to the queues in turn, n_classes at a time, and reads it back. */
static bool reta_set(uint16_t id, uint16_t n, uint16_t n_classes, uint16_t n_queues)
{
	struct rte_eth_rss_reta_entry64 want[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};
	struct rte_eth_rss_reta_entry64 have[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};

	for (uint16_t i = 0; i < n; i++) {
		uint16_t group = i / RTE_ETH_RETA_GROUP_SIZE, at = i % RTE_ETH_RETA_GROUP_SIZE;

		want[group].mask |= 1ULL << at;
		have[group].mask |= 1ULL << at;
		want[group].reta[at] = (uint16_t)(i % n_classes % n_queues);
	}
	if (rte_eth_dev_rss_reta_update(id, want, n) != 0 ||
	    rte_eth_dev_rss_reta_query(id, have, n) != 0)
		return false;
	for (uint16_t i = 0; i < n; i++)
		if (have[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE] !=
		    want[i / RTE_ETH_RETA_GROUP_SIZE].reta[i % RTE_ETH_RETA_GROUP_SIZE])
			return false;
	return true;
}

/* The worker that polls a queue. */
static uint32_t worker_of(const struct cv_io *io, uint16_t dev, uint16_t queue)
{
	for (uint32_t i = 0; i < io->n_workers; i++) {
		const struct cv_io_worker *w = &io->workers[i];

		for (uint32_t k = 0; k < w->n_rxq; k++)
			if (w->rxq[k].dev == dev && w->rxq[k].queue == queue)
				return i;
	}
	return 0;
}

static bool has_all_workers(const struct cv_rss *rss, uint32_t n_workers)
{
	bool has[CV_IO_WORKERS_MAX] = {false};
	uint32_t n = 0;

	for (uint16_t i = 0; i < rss->n; i++) {
		n += !has[rss->worker[i]];
		has[rss->worker[i]] = true;
	}
	return n == n_workers;
}

static void port_settle(struct cv_io *io, uint16_t port)
{
	const struct cv_io_dev *dev = &io->devs[io->ports[port].dev_first];
	struct cv_rss rss = {.on = true};
	struct rte_eth_dev_info info;

	/* Which of several devices a packet comes by is not ours to know. */
	if (io->ports[port].n_devs != 1 || io->n_workers == 1 ||
	    rte_eth_dev_info_get(dev->id, &info) != 0)
		return;
	rss.n = cv_io_rss_classes(info.reta_size, dev->n_rx);
	for (uint16_t i = 0; i < rss.n; i++)
		rss.worker[i] = (uint8_t)worker_of(io, dev->id, i % dev->n_rx);
	/* A worker that RSS brings nothing would idle: rings can feed it. */
	if (!has_all_workers(&rss, io->n_workers) || !key_set(io, dev->id, &info) ||
	    !reta_set(dev->id, info.reta_size, rss.n, dev->n_rx))
		return;
	memcpy(rss.key, io->rss_key, sizeof(rss.key));
	io->rss[port] = rss;
}

void cv_io_rss_settle(struct cv_io *io)
{
	for (uint16_t i = 0; i < io->n_ports; i++)
		port_settle(io, i);
}

const struct cv_rss *cv_io_port_rss(const struct cv_io *io, uint16_t port)
{
	cv_assert(port < io->n_ports);
	return &io->rss[port];
}
