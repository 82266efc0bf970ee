/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_version.h>

#include "io_priv.h"

/* Packets that a thread keeps at hand. */
#define POOL_CACHE 256
/* AF_XDP makes a packet buffer one frame of its memory: at most a page, bookkeeping included. */
#define UMEM_FRAME_MAX 4096
#define CPUS_MAX 1024
#define PATH_LEN 64
#define JOIN_POLL_US 200

const char *cv_io_dpdk_version(void)
{
	return rte_version();
}

static const char *dev_path(uint32_t port, const struct cv_io_port_cfg *cfg, uint32_t dev,
			    char *buf)
{
	if (cfg->n_devices > 1)
		snprintf(buf, PATH_LEN, "dpdk.ports[%u].devices[%u]", port, dev);
	else
		snprintf(buf, PATH_LEN, "dpdk.ports[%u].device", port);
	return buf;
}

static int alloc_tables(struct cv_io *io, const struct cv_io_cfg *cfg)
{
	uint32_t i;

	for (i = 0; i < cfg->n_ports; i++)
		io->n_devs += cfg->ports[i].n_devices;
	io->n_ports = cfg->n_ports;
	io->ports = calloc(io->n_ports + 1u, sizeof(*io->ports));
	io->devs = calloc(io->n_devs + 1u, sizeof(*io->devs));
	io->workers = aligned_alloc(CV_CACHE_LINE, cfg->n_workers * sizeof(*io->workers));
	if (io->ports == NULL || io->devs == NULL || io->workers == NULL)
		return -ENOMEM;
	memset(io->workers, 0, cfg->n_workers * sizeof(*io->workers));
	io->n_workers = cfg->n_workers;
	return cv_io_rss_init(io);
}

/* The EAL's workers in order are ours; with our own arguments there are exactly enough. */
static int take_lcores(struct cv_io *io, bool yield, struct cv_errs *errs)
{
	unsigned int lcore;
	uint32_t n = 0;

	RTE_LCORE_FOREACH_WORKER(lcore)
	{
		if (n < io->n_workers) {
			io->workers[n].yield = yield;
			io->workers[n++].lcore = lcore;
		}
	}
	if (n == io->n_workers)
		return 0;
	cv_errs_add(errs, "dpdk.eal_args", 0,
		    "the EAL got %u lcores: %u workers and the control thread need %u", n + 1,
		    io->n_workers, io->n_workers + 1);
	return -EINVAL;
}

static bool is_taken(const struct cv_io *io, uint32_t n_devs, uint16_t id)
{
	uint32_t i;

	for (i = 0; i < n_devs; i++) {
		if (io->devs[i].id == id)
			return true;
	}
	return false;
}

/* Finds every device before it gives up, so that all missing ones are named at once. */
static int probe_all(struct cv_io *io, const struct cv_io_cfg *cfg, struct cv_errs *errs)
{
	char path[PATH_LEN];
	uint32_t n = 0, i, k;
	int rc = 0, one;

	for (i = 0; i < cfg->n_ports; i++) {
		const struct cv_io_port_cfg *p = &cfg->ports[i];

		snprintf(io->ports[i].name, sizeof(io->ports[i].name), "%s", p->name);
		io->ports[i].mtu = p->mtu;
		io->ports[i].dev_first = n;
		for (k = 0; k < p->n_devices; k++) {
			struct cv_io_dev *dev = &io->devs[n];

			dev->port = (uint16_t)i;
			dev->rss_key = io->rss_key;
			one = cv_io_dev_probe(dev, p->devices[k], dev_path(i, p, k, path), io->log,
					      errs);
			if (one == 0 && is_taken(io, n, dev->id)) {
				cv_errs_add(errs, path, 0, "the device is configured twice");
				one = -EINVAL;
			}
			if (one == 0)
				n++;
			else
				rc = one;
		}
		io->ports[i].n_devs = n - io->ports[i].dev_first;
	}
	io->n_devs = n;
	return rc;
}

static int configure_all(struct cv_io *io, const struct cv_io_cfg *cfg, struct cv_errs *errs)
{
	char path[PATH_LEN];
	uint32_t i, k;
	int rc = 0, one;

	for (i = 0; i < io->n_devs; i++) {
		struct cv_io_dev *dev = &io->devs[i];
		struct cv_io_port *port = &io->ports[dev->port];
		struct rte_eth_dev_info info;

		k = i - port->dev_first;
		one = cv_io_dev_configure(dev, &cfg->ports[dev->port], cfg->n_workers,
					  dev_path(dev->port, &cfg->ports[dev->port], k, path),
					  io->log, errs);
		if (one != 0)
			rc = one;
		else if (k == 0 && rte_eth_dev_info_get(dev->id, &info) == 0)
			snprintf(port->driver, sizeof(port->driver), "%s", info.driver_name);
	}
	return rc;
}

static bool uses_umem(const struct cv_io *io)
{
	uint32_t i;

	for (i = 0; i < io->n_devs; i++) {
		if (io->devs[i].driver->umem)
			return true;
	}
	return false;
}

static int check_umem(uint32_t room, struct cv_errs *errs)
{
	if (rte_mempool_calc_obj_size(sizeof(struct rte_mbuf) + room, 0, NULL) > UMEM_FRAME_MAX) {
		cv_errs_add(
			errs, "dpdk.ports", 0,
			"with net_af_xdp a packet must fit one page: no port's MTU may exceed 3400");
		return -EINVAL;
	}
	if (rte_eal_iova_mode() != RTE_IOVA_VA) {
		cv_errs_add(
			errs, "dpdk.ports", 0,
			"net_af_xdp does not work beside a NIC without IOMMU: use one of the two");
		return -EINVAL;
	}
	return 0;
}

static int check_pool(const struct cv_io *io, const struct cv_io_cfg *cfg, uint32_t room,
		      struct cv_errs *errs)
{
	uint64_t need;
	uint32_t held = 0, apart = cfg->n_apart + cv_io_lent_max(io), at_hand = 0, i;

	if (uses_umem(io) && check_umem(room, errs) != 0)
		return -EINVAL;
	for (i = 0; i < io->n_devs; i++) {
		held += cv_io_dev_held(&io->devs[i]);
		at_hand += io->devs[i].n_rx * CV_IO_BURST_MAX;
	}
	/* Threads keep up to one and a half caches each. */
	need = (uint64_t)held + apart + at_hand + (cfg->n_workers + 1) * POOL_CACHE * 3 / 2;
	if (cfg->n_mbufs >= need)
		return 0;
	cv_errs_add(errs, "dpdk.mbufs", 0,
		    "%u is too few: the queues of all ports may hold %u packets, %u may wait "
		    "between workers, which receive %u at a time; set at least %llu",
		    cfg->n_mbufs, held, apart, at_hand, (unsigned long long)need);
	return -EINVAL;
}

/*
 * As rte_pktmbuf_pool_create(), but for AF_XDP without gaps between the packets. DPDK leaves gaps so
 * that none crosses a page (every second packet's worth with 4 kB pages), while AF_XDP's driver counts
 * none when it tells the kernel how much memory there is: packets beyond would vanish. Addresses are
 * virtual there, so that crossing a page is no matter.
 */
static struct rte_mempool *create_pool(uint32_t n, uint32_t room, int socket, bool umem)
{
	struct rte_pktmbuf_pool_private priv = {.mbuf_data_room_size = (uint16_t)room};
	struct rte_mempool *pool;

	pool = rte_mempool_create_empty("culvert", n, (uint32_t)sizeof(struct rte_mbuf) + room,
					POOL_CACHE, sizeof(priv), socket,
					umem ? RTE_MEMPOOL_F_NO_IOVA_CONTIG : 0);
	if (pool == NULL)
		return NULL;
	rte_pktmbuf_pool_init(pool, &priv);
	if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), NULL) != 0 ||
	    rte_mempool_populate_default(pool) < 0) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

static int make_pool(struct cv_io *io, const struct cv_io_cfg *cfg, uint32_t room,
		     struct cv_errs *errs)
{
	int socket = io->n_devs > 0 ? rte_eth_dev_socket_id(io->devs[0].id) : SOCKET_ID_ANY;

	if (check_pool(io, cfg, room, errs) != 0)
		return -EINVAL;
	io->mbufs = create_pool(cfg->n_mbufs, room, socket, uses_umem(io));
	if (io->mbufs == NULL) {
		cv_errs_add(errs, "dpdk.mbufs", 0,
			    "no memory for %u packets of %u bytes: raise dpdk.memory_mb or lower "
			    "dpdk.mbufs",
			    cfg->n_mbufs, room);
		return -ENOMEM;
	}
	if (uses_umem(io) && io->mbufs->nb_mem_chunks != 1) {
		cv_errs_add(errs, "dpdk.memory_mb", 0,
			    "the packets' memory is in %u pieces, net_af_xdp needs one: set more",
			    io->mbufs->nb_mem_chunks);
		return -ENOMEM;
	}
	return 0;
}

static int start_all(struct cv_io *io, const struct cv_io_cfg *cfg, struct cv_errs *errs)
{
	char path[PATH_LEN];
	uint32_t i;
	int rc = 0, one;

	for (i = 0; i < io->n_devs; i++) {
		struct cv_io_dev *dev = &io->devs[i];
		const struct cv_io_port_cfg *p = &cfg->ports[dev->port];

		dev_path(dev->port, p, i - io->ports[dev->port].dev_first, path);
		one = cv_io_dev_start(dev, p, io->mbufs, path, io->log, errs);
		if (one != 0)
			rc = one;
	}
	return rc;
}

static int bring_up(struct cv_io *io, const struct cv_io_cfg *cfg, struct cv_errs *errs)
{
	uint32_t cpus[CPUS_MAX];
	struct cv_io_cores cores;
	struct cv_io_need need;
	int rc;

	if (cfg->n_ports > CV_IO_PORTS_MAX) {
		cv_errs_add(errs, "dpdk.ports", 0,
			    "%u ports are more than the %d that can be served", cfg->n_ports,
			    CV_IO_PORTS_MAX);
		return -EINVAL;
	}
	rc = cv_io_cores_plan(cfg, cpus, cv_io_cpus(cpus, CPUS_MAX), errs, &io->warnings, &cores);
	if (rc != 0)
		return rc;
	rc = alloc_tables(io, cfg);
	if (rc != 0)
		goto no_memory;
	cv_io_need_get(cfg, &need);
	rc = cv_io_eal_start(cfg, &cores, &need, io->log, errs);
	if (rc != 0)
		return rc;
	io->eal = true;
	rc = take_lcores(io, cores.yield, errs);
	if (rc == 0)
		rc = probe_all(io, cfg, errs);
	if (rc == 0)
		rc = configure_all(io, cfg, errs);
	if (rc != 0)
		return rc;
	rc = cv_io_deal(io);
	if (rc != 0)
		goto no_memory;
	rc = make_pool(io, cfg, need.room, errs);
	if (rc == 0)
		rc = start_all(io, cfg, errs);
	if (rc == 0)
		cv_io_rss_settle(io);
	return rc;
no_memory:
	cv_errs_add(errs, "dpdk", 0, "out of memory");
	return -ENOMEM;
}

int cv_io_create(const struct cv_io_cfg *cfg, struct cv_errs *errs, struct cv_io **ret_io)
{
	struct cv_io *io = calloc(1, sizeof(*io));
	int rc = -ENOMEM;

	if (io != NULL)
		io->log = cv_io_log_create();
	if (io == NULL || io->log == NULL)
		cv_errs_add(errs, "dpdk", 0, "out of memory");
	else
		rc = bring_up(io, cfg, errs);
	if (rc != 0) {
		cv_io_destroy(io);
		return rc;
	}
	io->tsc_hz = rte_get_tsc_hz();
	cv_io_log_settle(io->log);
	*ret_io = io;
	return 0;
}

void cv_io_destroy(struct cv_io *io)
{
	bool late = false;
	uint32_t i;

	if (io == NULL)
		return;
	if (io->tsc_hz != 0)
		cv_io_log_capture(io->log);
	if (io->workers != NULL)
		cv_io_deal_undo(io);
	for (i = 0; io->eal && i < io->n_devs; i++) {
		if (io->devs[i].started)
			(void)rte_eth_dev_stop(io->devs[i].id);
		(void)rte_eth_dev_close(io->devs[i].id);
		late = late || (io->devs[i].driver != NULL && io->devs[i].driver->late);
	}
	if (io->eal) {
		rte_mempool_free(io->mbufs);
		cv_io_eal_stop(late);
	}
	cv_io_log_destroy(io->log);
	cv_errs_fini(&io->warnings);
	free(io->workers);
	free(io->devs);
	free(io->rss);
	free(io->ports);
	free(io);
}

const struct cv_errs *cv_io_warnings(const struct cv_io *io)
{
	return &io->warnings;
}

struct rte_mempool *cv_io_mbufs(const struct cv_io *io)
{
	return io->mbufs;
}

uint32_t cv_io_mbufs_used(const struct cv_io *io)
{
	return rte_mempool_in_use_count(io->mbufs);
}

uint64_t cv_io_tsc_hz(const struct cv_io *io)
{
	return io->tsc_hz;
}

int cv_io_launch(struct cv_io *io, unsigned int worker, int (*fn)(void *), void *arg)
{
	cv_assert(worker < io->n_workers);
	return rte_eal_remote_launch(fn, arg, io->workers[worker].lcore);
}

/* DPDK's own wait spins: on a CPU that a worker shares with us, at a higher priority, for ever. */
void cv_io_join(struct cv_io *io)
{
	for (uint32_t i = 0; i < io->n_workers; i++) {
		while (rte_eal_get_lcore_state(io->workers[i].lcore) == RUNNING)
			usleep(JOIN_POLL_US);
		(void)rte_eal_wait_lcore(io->workers[i].lcore);
	}
}

unsigned int cv_io_n_queues(const struct cv_io *io, unsigned int worker)
{
	cv_assert(worker < io->n_workers);
	return io->workers[worker].n_rxq > 0 ? io->workers[worker].n_rxq : 1;
}
