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
 * Nothing is asked of a device but plain receive and transmit, and, where it has RSS, that it takes a key
 * and a table: checksums are software's.
 *
 * @threads create, launch, join, info, destroy: control. Bursts: the worker whose id is passed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_base.h"

struct cv_rss; /* cv_rss.h */
struct rte_mbuf;
struct rte_mempool;

/** Packets per burst at most; equal to the data plane's. */
#define CV_IO_BURST_MAX 64
/** Workers at most. */
#define CV_IO_WORKERS_MAX 64
/** Ports at most. DPDK's build sets a lower bound on devices (32 in Debian's). */
#define CV_IO_PORTS_MAX 64
/** Bytes before the first byte of a received packet, at least: the PROXY header goes there. */
#define CV_IO_HEADROOM 128

/** A logical port as configured. */
struct cv_io_port_cfg {
	const char *name;
	/** PCI addresses or vdevs, each with `,args`; shape [n_devices] */
	const char *const *devices;
	uint32_t n_devices;
	/** Per device; 0 = as many as its arguments say, or one per worker if it can; memif: one. */
	uint16_t n_queues;
	uint16_t mtu;              /**< bytes without the Ethernet header, at least 68 */
	uint16_t rx_desc, tx_desc; /**< 0 = the device's default */
	bool promiscuous;
};

/** Everything io needs. */
struct cv_io_cfg {
	const char *prog;      /**< argv[0] for the EAL */
	uint32_t n_workers;    /**< 1..CV_IO_WORKERS_MAX */
	const uint32_t *cores; /**< CPUs of the workers in turn, shape [n_cores] */
	uint32_t n_cores;      /**< 0 = the CPUs after the control thread's */
	int32_t main_core; /**< CPU of the control thread; -1 = one that no worker has, or the first */
	bool spin;         /**< idle workers keep their CPU even where CPUs are short */
	bool huge_pages;
	uint32_t memory_mb;          /**< 0 = as much as the packets need */
	uint32_t n_mbufs;            /**< packets in the pool */
	uint32_t n_apart;            /**< of them, what may wait beside queues of devices */
	const char *const *eal_args; /**< shape [n_eal_args]; they override io's own */
	uint32_t n_eal_args;
	const struct cv_io_port_cfg *ports; /**< shape [n_ports] */
	uint16_t n_ports;
};

struct cv_io;

/** Version of DPDK, such as `DPDK 22.11.11`. */
const char *cv_io_dpdk_version(void);

/**
 * The network interface that a device shares with the kernel.
 *
 * @param      device     as in struct cv_io_port_cfg
 * @param[out] ret_iface  shape [cap]; empty on failure
 * @return 0, or
 *   -EINVAL  it is not of net_af_xdp, or names no interface
 */
int cv_io_device_iface(const char *device, char *ret_iface, size_t cap);

/**
 * Start the EAL, probe the devices, configure and start all queues.
 *
 * @param      cfg   settings; not kept
 * @param[out] errs  what is wrong, for people: path in the configuration, what the driver said, what
 *                   to do
 * @param[out] ret_io untouched on failure
 * @return 0, or with errs filled and everything undone:
 *   -EINVAL    a setting does not fit this machine or device
 *   -ENODEV    a device or its network interface is missing, or its driver refuses it
 *   -ENOMEM    huge pages or memory are short
 *   -EPERM     a capability is missing
 *   -EALREADY  the EAL was started before: it starts once per process, even if that failed
 * @owner  caller; cv_io_destroy()
 */
int cv_io_create(const struct cv_io_cfg *cfg, struct cv_errs *errs, struct cv_io **ret_io);

/** Stop the queues, close the devices, clean up the EAL. No worker may run. NULL is fine. */
void cv_io_destroy(struct cv_io *io);

/** What is not as it was meant but works, such as workers that share a CPU. @return valid as long as io */
const struct cv_errs *cv_io_warnings(const struct cv_io *io);

/** The packet pool. */
struct rte_mempool *cv_io_mbufs(const struct cv_io *io);

/** Packets that are not in the pool or its caches now: in queues of devices, in flight. @threads control */
uint32_t cv_io_mbufs_used(const struct cv_io *io);

/** TSC cycles per second. */
uint64_t cv_io_tsc_hz(const struct cv_io *io);

/**
 * Run a function on a worker's lcore.
 *
 * @param arg  valid until fn returns
 * @return 0, or -EBUSY when one runs there already
 */
int cv_io_launch(struct cv_io *io, unsigned int worker, int (*fn)(void *), void *arg);

/** Wait for all launched functions to return. */
void cv_io_join(struct cv_io *io);

/**
 * Queue numbers that a worker polls: at least one. Number 0 also does the worker's upkeep (packets that
 * others pass to its transmit queues), so a worker without a receive queue polls it too.
 */
unsigned int cv_io_n_queues(const struct cv_io *io, unsigned int worker);

/**
 * Receive a burst (a cv_dp_rx_fn with arg = io): mbuf.port is set to the logical port.
 *
 * @param      queue  0..cv_io_n_queues(worker)-1
 * @param[out] pkts   shape [CV_IO_BURST_MAX]; the caller's
 * @return packets received
 * @threads the worker
 */
uint16_t cv_io_rx_burst(void *io, unsigned int worker, unsigned int queue, struct rte_mbuf **pkts);

/**
 * Transmit a burst (a cv_dp_tx_fn with arg = io).
 *
 * @param port  logical port
 * @param pkts  shape [n]
 * @return packets taken, from the front; the caller keeps the rest
 * @threads the worker
 */
uint16_t cv_io_tx_burst(void *io, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			uint16_t n);

/** State and counters of a logical port, summed over its devices. */
struct cv_io_port_info {
	const char *name;   /**< valid as long as io */
	const char *driver; /**< of the first device, likewise */
	unsigned int n_devices;
	uint16_t n_rx_queues, n_tx_queues;
	bool link_up;       /**< of every device */
	uint32_t link_mbps; /**< 0 = unknown */
	uint8_t mac[6];     /**< of the first device; not what culvert answers with */
	uint16_t mtu;
	uint64_t rx_pkts, rx_bytes, tx_pkts, tx_bytes, rx_missed, rx_errors, rx_nombuf, tx_errors;
	bool can_rss;      /**< every device spreads TCP over its queues by hash */
	bool rss_on;       /**< and to which worker is known: see cv_io_port_rss() */
	bool can_checksum; /**< every device could compute IPv4 and TCP checksums; not used yet */
	bool can_tso;      /**< every device could segment TCP; not used yet */
};

/** Number of logical ports. */
uint16_t cv_io_n_ports(const struct cv_io *io);

/** Read a port's state. @threads control */
void cv_io_port_info(const struct cv_io *io, uint16_t port, struct cv_io_port_info *ret_info);

/**
 * How a logical port brings TCP packets to workers.
 *
 * On where it is one device, with a receive queue for each of several workers, that has taken our key and
 * table and tells so when asked. Fixed once io is made. The device may still err.
 *
 * @return valid as long as io
 */
const struct cv_rss *cv_io_port_rss(const struct cv_io *io, uint16_t port);
