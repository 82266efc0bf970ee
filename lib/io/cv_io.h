/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * EAL, ports, queues, packet pools, bursts: the only caller of rte_eal_*() and rte_eth_*().
 *
 * A logical port is one or more ethdevs that lead to the same wire (AF_XDP on veth has one queue per
 * vdev, so several vdevs make a port with several queues). Receive queues are dealt to workers in turn;
 * a worker without a transmit queue of its own on a port passes its packets to one that has, through a
 * bounded ring.
 *
 * @threads create, start, destroy: control. Bursts: the worker whose id is passed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_base.h"

struct rte_mbuf;
struct rte_mempool;

/** A logical port as configured. */
struct cv_io_port_cfg {
	const char *name;
	const char *const *devices; /**< shape [n_devices]: PCI address or vdev arguments */
	unsigned int n_devices;
	uint16_t n_queues; /**< per device; 0 = as many as workers, as far as the device can */
	uint16_t mtu;
	uint16_t rx_desc, tx_desc; /**< 0 = default */
	bool promiscuous;
};

/** Everything io needs. */
struct cv_io_cfg {
	const char *prog;             /**< argv[0] for the EAL */
	unsigned int n_workers;
	const char *cores;            /**< lcore list such as "0,1"; NULL = main on the first CPU, workers next */
	bool huge_pages;
	unsigned int memory_mb;       /**< 0 = default */
	unsigned int n_mbufs;         /**< packets in the pool */
	const char *const *eal_args;  /**< shape [n_eal_args]: from the configuration, then from after `--` */
	unsigned int n_eal_args;
	const struct cv_io_port_cfg *ports; /**< shape [n_ports] */
	uint16_t n_ports;
};

struct cv_io;

/**
 * Start the EAL, probe the devices, configure and start all queues.
 *
 * @param      cfg   settings; not kept
 * @param[out] errs  what is wrong, for people: which port, what the driver said, what to do
 * @param[out] ret_io untouched on failure
 * @return 0, or -EINVAL, -ENODEV, -ENOMEM, -EPERM with errs filled and everything undone
 * @owner  caller; cv_io_destroy(). The EAL starts once per process.
 */
int cv_io_create(const struct cv_io_cfg *cfg, struct cv_errs *errs, struct cv_io **ret_io);

/** Stop the queues, close the devices, clean up the EAL. No worker may run. NULL is fine. */
void cv_io_destroy(struct cv_io *io);

/** The packet pool. */
struct rte_mempool *cv_io_mbufs(const struct cv_io *io);

/** TSC cycles per second. */
uint64_t cv_io_tsc_hz(const struct cv_io *io);

/** Run a function on a worker's lcore. @return 0, or -EBUSY */
int cv_io_launch(struct cv_io *io, unsigned int worker, int (*fn)(void *), void *arg);

/** Wait for all launched functions to return. */
void cv_io_join(struct cv_io *io);

/** Receive queues that a worker polls. */
unsigned int cv_io_n_queues(const struct cv_io *io, unsigned int worker);

/**
 * Receive a burst (a cv_dp_rx_fn with arg = io): mbuf.port is set to the logical port.
 *
 * @param      queue  0..cv_io_n_queues(worker)-1
 * @param[out] pkts   shape [64]
 */
uint16_t cv_io_rx_burst(void *io, unsigned int worker, unsigned int queue, struct rte_mbuf **pkts);

/** Transmit a burst (a cv_dp_tx_fn with arg = io). @return packets taken, from the front */
uint16_t cv_io_tx_burst(void *io, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			uint16_t n);

/** State and counters of a logical port, summed over its devices. */
struct cv_io_port_info {
	const char *name;
	const char *driver; /**< driver of the first device */
	unsigned int n_devices;
	uint16_t n_rx_queues, n_tx_queues;
	bool link_up;
	uint32_t link_mbps;
	uint8_t mac[6];
	uint16_t mtu;
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes, rx_missed, rx_errors, rx_nombuf, tx_errors;
};

/** Read a port's state. @threads control */
void cv_io_port_info(const struct cv_io *io, uint16_t port, struct cv_io_port_info *ret_info);
