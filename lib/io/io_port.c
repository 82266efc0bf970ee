/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "io_priv.h"

/* Descriptors per queue when neither the configuration nor the device says. */
#define DESC_DEFAULT 1024
/* AF_XDP: packets that the kernel has for reception per queue, whatever the ring's size. */
#define XDP_FILL 2048

/* Runs an interface request on the kernel interface behind an ethdev. Returns false if there is none. */
static bool iface_get(uint16_t id, unsigned long request, struct ifreq *req)
{
	struct rte_eth_dev_info info;
	int fd, rc;

	memset(req, 0, sizeof(*req));
	if (rte_eth_dev_info_get(id, &info) != 0 || info.if_index == 0 ||
	    if_indextoname(info.if_index, req->ifr_name) == NULL)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	rc = ioctl(fd, request, req);
	close(fd);
	return rc == 0;
}

static int failed(int rc, const char *what, const char *path, struct cv_io_log *log,
		  struct cv_errs *errs)
{
	const char *said = cv_io_log_text(log);

	cv_errs_add(errs, path, 0, "%s: %s", what, said[0] != '\0' ? said : strerror(-rc));
	return -ENODEV;
}

/* @param hint  may be NULL */
static int failed_with(int rc, const char *what, const char *hint, const char *path,
		       struct cv_io_log *log, struct cv_errs *errs)
{
	char text[160];

	snprintf(text, sizeof(text), hint != NULL ? "%s (%s)" : "%s", what, hint);
	return failed(rc, text, path, log, errs);
}

static void choose_queues(struct cv_io_dev *dev, const struct cv_io_port_cfg *cfg,
			  const struct rte_eth_dev_info *info, uint32_t n_workers)
{
	uint32_t want = cfg->n_queues > 0 ? cfg->n_queues : n_workers;
	uint32_t max = RTE_MIN(info->max_rx_queues, info->max_tx_queues);

	if (cfg->n_queues == 0 && dev->driver->all_queues)
		want = max;
	/* A packet sent by a queue that the peer has not is lost, and no driver says so. */
	if (cfg->n_queues == 0 && dev->driver->one_queue)
		want = 1;
	/* Pairs: several drivers (AF_XDP, TAP) know no other way, and a pair belongs to one worker. */
	dev->n_rx = (uint16_t)RTE_MIN(want, max);
	dev->n_tx = dev->n_rx;
	/* Hardware has a transmit queue for each worker, so that nothing need be passed on. */
	if (dev->pci)
		dev->n_tx = (uint16_t)RTE_MAX(dev->n_rx, RTE_MIN(n_workers, info->max_tx_queues));
	dev->rx_desc = cfg->rx_desc > 0 ? cfg->rx_desc : info->default_rxportconf.ring_size;
	dev->tx_desc = cfg->tx_desc > 0 ? cfg->tx_desc : info->default_txportconf.ring_size;
	dev->rx_desc = (uint16_t)rte_align32pow2(dev->rx_desc > 0 ? dev->rx_desc : DESC_DEFAULT);
	dev->tx_desc = (uint16_t)rte_align32pow2(dev->tx_desc > 0 ? dev->tx_desc : DESC_DEFAULT);
}

static int check_limits(const struct cv_io_dev *dev, const struct cv_io_port_cfg *cfg,
			const struct rte_eth_dev_info *info, const char *path, struct cv_errs *errs)
{
	if (dev->n_rx == 0) {
		cv_errs_add(errs, path, 0, "the device has no queue pair to receive and send by");
		return -EINVAL;
	}
	if (cfg->n_queues > dev->n_rx) {
		cv_errs_add(errs, path, 0, "the device has %u queues, %u are configured", dev->n_rx,
			    cfg->n_queues);
		return -EINVAL;
	}
	if (info->max_mtu != 0 && cfg->mtu > info->max_mtu) {
		cv_errs_add(errs, path, 0, "the device's MTU is at most %u, %u is configured",
			    info->max_mtu, cfg->mtu);
		return -EINVAL;
	}
	return 0;
}

/* Asks for RSS as far as the device has it, with our key if it takes one. */
static int configure(const struct cv_io_dev *dev, const struct cv_io_port_cfg *cfg,
		     const struct rte_eth_dev_info *info, bool with_key)
{
	struct rte_eth_conf conf = {.rxmode = {.mtu = cfg->mtu}};
	struct rte_eth_rss_conf *rss = &conf.rx_adv_conf.rss_conf;
	uint8_t key[UINT8_MAX];

	if (dev->n_rx > 1) {
		rss->rss_hf = info->flow_type_rss_offloads & CV_IO_RSS_HF;
		if (rss->rss_hf != 0)
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		if (with_key && cv_io_rss_key_put(dev->rss_key, info->hash_key_size, key)) {
			rss->rss_key = key;
			rss->rss_key_len = info->hash_key_size;
		}
	}
	return rte_eth_dev_configure(dev->id, dev->n_rx, dev->n_tx, &conf);
}

int cv_io_dev_configure(struct cv_io_dev *dev, const struct cv_io_port_cfg *cfg, uint32_t n_workers,
			const char *path, struct cv_io_log *log, struct cv_errs *errs)
{
	struct rte_eth_dev_info info;
	int rc;

	cv_io_log_reset(log);
	rc = rte_eth_dev_info_get(dev->id, &info);
	if (rc != 0)
		return failed(rc, "the device does not answer", path, log, errs);
	choose_queues(dev, cfg, &info, n_workers);
	rc = check_limits(dev, cfg, &info, path, errs);
	if (rc != 0)
		return rc;
	rc = configure(dev, cfg, &info, true);
	if (rc != 0) {
		/* One that refuses a key has one of its own. */
		cv_io_log_reset(log);
		rc = configure(dev, cfg, &info, false);
	}
	if (rc == 0)
		rc = rte_eth_dev_adjust_nb_rx_tx_desc(dev->id, &dev->rx_desc, &dev->tx_desc);
	if (rc != 0)
		return failed(rc, "the device cannot be configured", path, log, errs);
	return 0;
}

uint32_t cv_io_dev_held(const struct cv_io_dev *dev)
{
	uint32_t rx = dev->driver->umem ? XDP_FILL : dev->rx_desc;

	return dev->n_rx * rx + dev->n_tx * dev->tx_desc;
}

static int setup_queues(const struct cv_io_dev *dev, struct rte_mempool *mbufs)
{
	unsigned int socket = rte_eth_dev_socket_id(dev->id) < 0
				      ? (unsigned int)SOCKET_ID_ANY
				      : (unsigned int)rte_eth_dev_socket_id(dev->id);
	uint16_t i;
	int rc = 0;

	for (i = 0; i < dev->n_rx && rc == 0; i++)
		rc = rte_eth_rx_queue_setup(dev->id, i, dev->rx_desc, socket, NULL, mbufs);
	for (i = 0; i < dev->n_tx && rc == 0; i++)
		rc = rte_eth_tx_queue_setup(dev->id, i, dev->tx_desc, socket, NULL);
	return rc;
}

/* An interface of the kernel may already carry more; then it is left as it is. */
static int set_mtu(const struct cv_io_dev *dev, uint16_t mtu)
{
	struct ifreq req;
	int rc;

	if (iface_get(dev->id, SIOCGIFMTU, &req) && req.ifr_mtu >= mtu)
		return 0;
	rc = rte_eth_dev_set_mtu(dev->id, mtu);
	return rc == -ENOTSUP ? 0 : rc;
}

int cv_io_dev_start(struct cv_io_dev *dev, const struct cv_io_port_cfg *cfg,
		    struct rte_mempool *mbufs, const char *path, struct cv_io_log *log,
		    struct cv_errs *errs)
{
	int rc;

	cv_io_log_reset(log);
	rc = set_mtu(dev, cfg->mtu);
	if (rc != 0)
		return failed(rc, "the MTU cannot be set", path, log, errs);
	rc = setup_queues(dev, mbufs);
	if (rc != 0)
		return failed_with(rc, "the queues cannot be set up", dev->driver->queues, path,
				   log, errs);
	rc = rte_eth_dev_start(dev->id);
	if (rc != 0)
		return failed_with(rc, "the device does not start", dev->driver->start, path, log,
				   errs);
	dev->started = true;
	/* A device without address filter has nothing to switch. */
	rc = cfg->promiscuous ? rte_eth_promiscuous_enable(dev->id) : 0;
	if (rc != 0 && rc != -ENOTSUP)
		return failed(rc, "promiscuous mode cannot be set", path, log, errs);
	return 0;
}

static bool link_is_up(uint16_t id, const struct rte_eth_link *link)
{
	struct ifreq req;

	/* AF_XDP and AF_PACKET call their link up for ever; the kernel knows better. */
	if (iface_get(id, SIOCGIFFLAGS, &req))
		return (req.ifr_flags & IFF_UP) != 0 && (req.ifr_flags & IFF_RUNNING) != 0;
	return link->link_status == RTE_ETH_LINK_UP;
}

static void add_dev_info(const struct cv_io_dev *dev, struct cv_io_port_info *info)
{
	const uint64_t csum = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
	struct rte_eth_dev_info dev_info;
	struct rte_eth_link link = {0};
	struct rte_eth_stats stats = {0};

	info->n_rx_queues += dev->n_rx;
	info->n_tx_queues += dev->n_tx;
	/* A device that cannot tell is down, at no known speed. */
	if (rte_eth_link_get_nowait(dev->id, &link) != 0)
		link = (struct rte_eth_link){.link_speed = RTE_ETH_SPEED_NUM_UNKNOWN};
	info->link_up = info->link_up && link_is_up(dev->id, &link);
	if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		info->link_mbps += link.link_speed;
	if (rte_eth_stats_get(dev->id, &stats) == 0) {
		info->rx_pkts += stats.ipackets;
		info->rx_bytes += stats.ibytes;
		info->tx_pkts += stats.opackets;
		info->tx_bytes += stats.obytes;
		info->rx_missed += stats.imissed;
		info->rx_errors += stats.ierrors;
		info->rx_nombuf += stats.rx_nombuf;
		info->tx_errors += stats.oerrors;
	}
	if (rte_eth_dev_info_get(dev->id, &dev_info) != 0)
		return;
	info->can_rss = info->can_rss &&
			(dev_info.flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_TCP) != 0;
	info->can_checksum = info->can_checksum && (dev_info.tx_offload_capa & csum) == csum;
	info->can_tso =
		info->can_tso && (dev_info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0;
}

uint16_t cv_io_n_ports(const struct cv_io *io)
{
	return io->n_ports;
}

void cv_io_port_info(const struct cv_io *io, uint16_t port, struct cv_io_port_info *ret_info)
{
	struct cv_io_port_info info = {
		.link_up = true, .can_rss = true, .can_checksum = true, .can_tso = true};
	const struct cv_io_port *p = &io->ports[port];
	struct rte_ether_addr mac;
	uint32_t i;

	cv_assert(port < io->n_ports);
	info.name = p->name;
	info.driver = p->driver;
	info.n_devices = p->n_devs;
	info.mtu = p->mtu;
	for (i = 0; i < p->n_devs; i++)
		add_dev_info(&io->devs[p->dev_first + i], &info);
	if (rte_eth_macaddr_get(io->devs[p->dev_first].id, &mac) == 0)
		memcpy(info.mac, mac.addr_bytes, sizeof(info.mac));
	info.rss_on = io->rss[port].on;
	*ret_info = info;
}
