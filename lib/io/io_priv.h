/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside io: what its files and its test share.
 */

#include <stdio.h>

#include <rte_mbuf.h>

#include "cv_io.h"
#include "cv_rss.h"

/** Longest name of a device, with the final NUL. */
#define CV_IO_NAME_LEN 64

struct rte_ring;

/* ---- io_log.c: what DPDK says ---- */

struct cv_io_log;

/**
 * Take over DPDK's log, and capture what libraries print to stdout and stderr, until it settles.
 *
 * @return NULL if memory ran out
 * @owner  caller; cv_io_log_destroy()
 */
struct cv_io_log *cv_io_log_create(void);
/** Capture again, after it settled. */
void cv_io_log_capture(struct cv_io_log *log);
/** Give DPDK its log back, settled or not. NULL is fine. */
void cv_io_log_destroy(struct cv_io_log *log);
/** Forget the lines kept so far. */
void cv_io_log_reset(struct cv_io_log *log);
/** Causes and errors (or, if none, warnings) since the reset, joined by "; ". @return text, "" if none */
const char *cv_io_log_text(struct cv_io_log *log);
/**
 * Stop to capture; what was captured is logged at debug level. From now on DPDK's errors are logged as
 * warnings; before, they only appear in cv_io_log_text().
 */
void cv_io_log_settle(struct cv_io_log *log);

/* ---- io_cores.c: which thread runs where ---- */

/** CPUs of the threads. */
struct cv_io_cores {
	uint32_t main;                      /**< CPU of the control thread */
	uint32_t worker[CV_IO_WORKERS_MAX]; /**< CPU of each worker */
	bool yield;                         /**< idle workers leave the CPU to others */
};

/** CPUs that this process may use, ascending. @return how many, at most n_max */
uint32_t cv_io_cpus(uint32_t *cpus, uint32_t n_max);

/**
 * Place the threads.
 *
 * @param      cpus   shape [n_cpus], ascending: those that may be used
 * @param[out] warns  workers that share a CPU
 * @return 0, or -EINVAL with errs filled
 */
int cv_io_cores_plan(const struct cv_io_cfg *cfg, const uint32_t *cpus, uint32_t n_cpus,
		     struct cv_errs *errs, struct cv_errs *warns, struct cv_io_cores *ret_cores);

/* ---- io_eal.c ---- */

/** Arguments for rte_eal_init(). */
struct cv_io_args {
	char *own[128]; /**< strings to free; the EAL permutes argv */
	char *argv[129];
	int argc;
	bool failed; /**< memory ran out, or there are too many */
};

/** What the ports ask of the EAL. */
struct cv_io_need {
	bool pci;
	uint32_t memory_mb;
	uint32_t room; /**< bytes of packet data per buffer, headroom included */
};

/** Data room and memory for the ports' MTUs and the pool. */
void cv_io_need_get(const struct cv_io_cfg *cfg, struct cv_io_need *ret_need);

/** Build the EAL's arguments. Those of the configuration replace ours that they contradict. */
void cv_io_args_init(struct cv_io_args *args, const struct cv_io_cfg *cfg,
		     const struct cv_io_cores *cores, const struct cv_io_need *need);
void cv_io_args_fini(struct cv_io_args *args);

/** Tell whether the configuration's EAL arguments hold one of these options, shape ended by NULL. */
bool cv_io_args_has(const struct cv_io_cfg *cfg, const char *const *options);

/** Start the EAL. @return 0, or -EINVAL, -ENOMEM, -EPERM, -EALREADY with errs filled */
int cv_io_eal_start(const struct cv_io_cfg *cfg, const struct cv_io_cores *cores,
		    const struct cv_io_need *need, struct cv_io_log *log, struct cv_errs *errs);
/**
 * Clean up the EAL and its files.
 *
 * @param keep_memory  leave its memory to the end of the process: see struct cv_io_driver.late
 */
void cv_io_eal_stop(bool keep_memory);

/* ---- io_dev.c: from a device string to an ethdev ---- */

/** What is special about a driver. */
struct cv_io_driver {
	const char *name;   /**< as the vdev is named, without number; NULL: anything else */
	const char *ifkey;  /**< argument that names a network interface, or NULL */
	const char *newkey; /**< argument that names an interface which the driver makes, or NULL */
	uint32_t caps;      /**< capabilities needed, bits 1 << CAP_x of those below 32 */
	bool all_queues;    /**< the device feeds all the queues it has: poll every one */
	bool one_queue;     /**< others work only if the peer has them too: one unless told */
	bool late; /**< interrupts of a closed device may still come, and look at its memory */
	bool umem; /**< the packet pool is the device's own memory (AF_XDP) */
	const char *start;     /**< what to know when it does not start, or NULL */
	const char *queues;    /**< likewise when its queues cannot be set up */
	const char *file;      /**< it must be there to read and write, or NULL... */
	const char *file_hint; /**< ...and what to do about it */
};

/** What is known of a driver by a device's name; never NULL. */
const struct cv_io_driver *cv_io_driver_find(const char *device);

/** A device string taken apart. */
struct cv_io_devname {
	char name[CV_IO_NAME_LEN]; /**< of the ethdev; a PCI address in full */
	const char *args;          /**< what follows the first comma, or "" */
	bool pci;
};

/** Take a device string apart. @return 0, or -EINVAL when the name is empty or too long */
int cv_io_devname_parse(const char *device, struct cv_io_devname *ret_name);

/** Value of `key=` among comma-separated arguments. @return false if absent or too long for buf */
bool cv_io_kvarg(const char *args, const char *key, char *buf, size_t cap);

/** An ethdev. */
struct cv_io_dev {
	const struct cv_io_driver *driver;
	uint16_t id;   /**< DPDK's port id */
	uint16_t port; /**< logical port */
	uint16_t n_rx, n_tx, rx_desc, tx_desc;
	const uint8_t *rss_key; /**< shape [CV_RSS_KEY_LEN] */
	bool pci;
	bool started;
};

/**
 * Find or make an ethdev: fill id, driver and pci.
 *
 * @param path  in the configuration, for errors
 * @return 0, or -EINVAL, -ENODEV, -EPERM with errs filled
 */
int cv_io_dev_probe(struct cv_io_dev *dev, const char *device, const char *path,
		    struct cv_io_log *log, struct cv_errs *errs);

/* ---- io_port.c: an ethdev's queues ---- */

/** A logical port. */
struct cv_io_port {
	char name[CV_IO_NAME_LEN];
	char driver[CV_IO_NAME_LEN];
	uint16_t mtu;
	bool promiscuous;
	uint32_t dev_first, n_devs; /**< in struct cv_io's devs */
};

/** Choose an ethdev's queues and configure it. @return 0, or -EINVAL, -ENODEV with errs filled */
int cv_io_dev_configure(struct cv_io_dev *dev, const struct cv_io_port_cfg *cfg, uint32_t n_workers,
			const char *path, struct cv_io_log *log, struct cv_errs *errs);
/** Packets that a configured ethdev's queues may hold. */
uint32_t cv_io_dev_held(const struct cv_io_dev *dev);
/** Set up the queues and start. @return as cv_io_dev_configure() */
int cv_io_dev_start(struct cv_io_dev *dev, const struct cv_io_port_cfg *cfg,
		    struct rte_mempool *mbufs, const char *path, struct cv_io_log *log,
		    struct cv_errs *errs);

/* ---- io.c ---- */

/** A receive queue, as its worker sees it. Written by control before start. */
struct cv_io_rxq {
	uint16_t dev, queue, port;
};

/** A transmit queue. Written by its worker only, but for the ring. */
struct cv_io_txq {
	CV_CACHE_ALIGNED uint16_t dev;
	uint16_t queue;
	uint16_t owner;        /**< worker */
	uint16_t port;         /**< logical port */
	bool reap;             /**< sent packets come back only when asked for (AF_XDP) */
	bool unreaped;         /**< something was sent since */
	uint16_t n_held;       /**< taken from the ring, not sent yet */
	struct rte_ring *ring; /**< from workers without a queue here; NULL: none */
	struct rte_mbuf *held[CV_IO_BURST_MAX];
};

/** What a worker polls and sends by. Its own alone once it runs. */
struct cv_io_worker {
	CV_CACHE_ALIGNED uint32_t n_rxq;
	uint32_t n_txq; /**< own transmit queues that need upkeep */
	uint32_t idle;  /**< empty receives since the last packet */
	bool yield;
	uint32_t lcore;
	struct cv_io_rxq *rxq;  /**< shape [n_rxq] */
	struct cv_io_txq **txq; /**< shape [n_txq] */
	struct cv_io_txq *
		*tx; /**< shape [n_ports]: where to send, own or another's; NULL: nowhere */
};

struct cv_io {
	struct cv_io_worker *workers; /**< shape [n_workers] */
	uint32_t n_workers;
	uint16_t n_ports;
	uint32_t n_devs, n_txqs;
	struct cv_io_port *ports; /**< shape [n_ports] */
	struct cv_io_dev *devs;   /**< shape [n_devs] */
	struct cv_rss *rss;       /**< shape [n_ports] */
	uint8_t rss_key[CV_RSS_KEY_LEN];
	struct cv_io_txq *txqs; /**< shape [n_txqs] */
	struct rte_mempool *mbufs;
	struct cv_io_log *log;
	struct cv_errs warnings;
	uint64_t tsc_hz;
	bool eal;
};

/** Deal the queues of configured devices to workers. @return 0, or -ENOMEM */
int cv_io_deal(struct cv_io *io);
/** Packets that may wait in what dealing made, for queues of other workers. */
uint32_t cv_io_lent_max(const struct cv_io *io);
/** Free what dealing made, and the packets that wait in it. */
void cv_io_deal_undo(struct cv_io *io);

/* ---- io_rss.c ---- */

/** What is hashed: TCP; and UDP, for the frames in VXLAN of two VTEPs differ in its source port only. */
#define CV_IO_RSS_HF \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP)

/** Choose the key, before devices are configured. @return 0, or -ENOMEM */
int cv_io_rss_init(struct cv_io *io);

/**
 * Write a key of a device's length.
 *
 * @param[out] buf  shape [len]
 * @return false if it is too short to be of use
 */
bool cv_io_rss_key_put(const uint8_t *key, uint8_t len, uint8_t *buf);

/** Classes of hashes for a table of reta_len entries; 0: it can not be used. */
uint16_t cv_io_rss_classes(uint16_t reta_len, uint16_t n_queues);

/** Once devices run and queues are dealt: write the tables, and see what came of it. */
void cv_io_rss_settle(struct cv_io *io);

/** Give the CPU to whoever waits for it. */
void cv_io_yield(void);
