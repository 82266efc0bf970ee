/* SPDX-License-Identifier: BSD-3-Clause */

/* What others ask of the module: orders, sockets, how it stands. */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cv_base.h"
#include "host_priv.h"

/* Since Linux 4.2: an older libc does not know it. */
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

static int fds_open(struct cv_host *host)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	host->own_ns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	host->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	host->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (host->own_ns_fd < 0 || host->event_fd < 0 || host->epoll_fd < 0)
		return -EMFILE;
	return epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, host->event_fd, &event) < 0 ? -errno : 0;
}

int cv_host_create(const struct cv_host_cfg *cfg, struct cv_host **ret_host)
{
	struct cv_host *host = calloc(1, sizeof(*host));
	int ret = -ENOMEM;

	if (host == NULL)
		return -ENOMEM;
	pthread_mutex_init(&host->lock, NULL);
	host->own_ns_fd = host->event_fd = host->epoll_fd = -1;
	host->n_workers = cfg->n_workers;
	host->neigh = cfg->neigh;
	host->ups = calloc(cfg->n_workers + 1, sizeof(struct cv_pkt_ring *));
	host->downs = calloc(cfg->n_workers + 1, sizeof(struct cv_pkt_ring *));
	if (host->ups != NULL && host->downs != NULL)
		ret = fds_open(host);
	if (ret < 0) {
		cv_host_destroy(host);
		return ret;
	}
	memcpy(host->ups, cfg->ups, cfg->n_workers * sizeof(struct cv_pkt_ring *));
	memcpy(host->downs, cfg->downs, cfg->n_workers * sizeof(struct cv_pkt_ring *));
	*ret_host = host;
	return 0;
}

void cv_host_order_destroy(struct host_order *order)
{
	if (order == NULL)
		return;
	for (uint32_t i = 0; order->specs != NULL && i < order->n; i++)
		cv_host_spec_destroy(order->specs[i]);
	free(order->specs);
	free(order);
}

void cv_host_ns_destroy(struct host_ns *ns)
{
	cv_host_kernel_close(&ns->kernel);
	cv_host_spec_destroy(ns->spec);
	cv_host_spec_destroy(ns->next);
	free(ns);
}

static void thread_wake(struct cv_host *host)
{
	const uint64_t one = 1;

	/* Fails only when it has been told before, 2^64 times. */
	if (write(host->event_fd, &one, sizeof(one)) < 0)
		cv_assert(errno == EAGAIN);
}

void cv_host_stop(struct cv_host *host)
{
	if (host == NULL)
		return;
	if (host->running) {
		atomic_store(&host->stop, true);
		thread_wake(host);
		pthread_join(host->thread, NULL);
		host->running = false;
	}
	pthread_mutex_lock(&host->lock);
	for (uint32_t i = 0; i < host->n_nss; i++)
		cv_host_ns_destroy(host->nss[i]);
	free(host->nss);
	host->nss = NULL;
	host->n_nss = 0;
	cv_host_order_destroy(host->order);
	host->order = NULL;
	pthread_mutex_unlock(&host->lock);
}

void cv_host_destroy(struct cv_host *host)
{
	if (host == NULL)
		return;
	cv_host_stop(host);
	free(host->ups);
	free(host->downs);
	fd_close(host->own_ns_fd);
	fd_close(host->event_fd);
	fd_close(host->epoll_fd);
	pthread_mutex_destroy(&host->lock);
	free(host);
}

/* ---- orders ---- */

static int spec_cmp(const void *a, const void *b)
{
	const struct host_spec *const *x = a, *const *y = b;

	return ((*x)->slot > (*y)->slot) - ((*x)->slot < (*y)->slot);
}

static struct host_order *order_create(const struct cv_host_want *want)
{
	struct host_order *order = calloc(1, sizeof(*order));

	if (order == NULL)
		return NULL;
	order->specs = calloc(want->n_vpcs + 1, sizeof(struct host_spec *));
	for (; order->specs != NULL && order->n < want->n_vpcs; order->n++) {
		order->specs[order->n] = cv_host_spec_create(&want->vpcs[order->n], want->ports);
		if (order->specs[order->n] == NULL)
			break;
	}
	if (order->specs == NULL || order->n < want->n_vpcs) {
		cv_host_order_destroy(order);
		return NULL;
	}
	qsort(order->specs, order->n, sizeof(struct host_spec *), spec_cmp);
	return order;
}

int cv_host_sync(struct cv_host *host, const struct cv_host_want *want)
{
	struct host_order *order, *last;

	/* Nothing is wanted and nothing was. */
	if ((want->n_vpcs == 0 && !host->running) || atomic_load(&host->stop))
		return 0;
	order = order_create(want);
	if (order == NULL)
		return -ENOMEM;
	if (!host->running) {
		if (pthread_create(&host->thread, NULL, cv_host_loop_run, host) != 0) {
			cv_host_order_destroy(order);
			return -EAGAIN;
		}
		host->running = true;
	}
	pthread_mutex_lock(&host->lock);
	last = host->order;
	host->order = order;
	host->ports = want->ports;
	pthread_mutex_unlock(&host->lock);
	cv_host_order_destroy(last);
	thread_wake(host);
	return 0;
}

/* ---- sockets ---- */

static struct host_ns *ns_find(const struct cv_host *host, uint16_t slot)
{
	for (uint32_t i = 0; i < host->n_nss; i++)
		if (host->nss[i]->slot == slot)
			return host->nss[i];
	return NULL;
}

static bool is_ordered(const struct cv_host *host, uint16_t slot)
{
	for (uint32_t i = 0; host->order != NULL && i < host->order->n; i++)
		if (host->order->specs[i]->slot == slot)
			return true;
	return false;
}

static int socket_open(const struct cv_host *host, const struct host_ns *ns, int domain, int type,
		       int protocol)
{
	const int one = 1;
	int fd, err;

	if (setns(ns->kernel.ns_fd, CLONE_NEWNET) < 0)
		return -errno;
	fd = socket(domain, type, protocol);
	err = errno;
	/* A thread that cannot come back would open its next sockets in a stranger's network. */
	if (setns(host->own_ns_fd, CLONE_NEWNET) < 0)
		cv_assert_fail("setns() back", __FILE__, __LINE__);
	if (fd < 0)
		return -err;
	/* Where it is not known, each socket takes a port of its own: fewer at a time, but right. */
	if (domain == AF_INET)
		(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	return fd;
}

int cv_host_socket(struct cv_host *host, uint16_t vpc, int domain, int type, int protocol)
{
	const struct host_ns *ns;
	int ret;

	pthread_mutex_lock(&host->lock);
	ns = ns_find(host, vpc);
	if (ns != NULL && ns->state == CV_HOST_UP)
		ret = socket_open(host, ns, domain, type, protocol);
	else if (ns != NULL)
		ret = ns->state == CV_HOST_FAILED ? ns->err : -EAGAIN;
	else
		ret = is_ordered(host, vpc) ? -EAGAIN : -ENOENT;
	pthread_mutex_unlock(&host->lock);
	return ret;
}

/* ---- how it stands ---- */

const char *cv_host_state_str(enum cv_host_state state)
{
	static const char *const names[] = {
		[CV_HOST_MAKING] = "making",
		[CV_HOST_UP] = "up",
		[CV_HOST_FAILED] = "failed",
	};

	cv_assert(state < CV_ARRAY_LEN(names));
	return names[state];
}

static void info_fill(const struct host_ns *ns, struct cv_host_info *info)
{
	const struct host_spec *spec = ns->spec != NULL ? ns->spec : ns->next;
	const struct host_counters *c = &ns->counters;

	info->slot = ns->slot;
	info->state = ns->state;
	info->mtu = spec->mtu;
	info->n_addrs = spec->n_addrs;
	info->n_peers = spec->n_peers;
	snprintf(info->name, sizeof(info->name), "%s", spec->name);
	if (ns->state == CV_HOST_UP)
		snprintf(info->path, sizeof(info->path), "/proc/%d/fd/%d", getpid(),
			 ns->kernel.ns_fd);
	snprintf(info->text, sizeof(info->text), "%s", ns->why.text);
	info->up_pkts = atomic_load_explicit(&c->up_pkts, memory_order_relaxed);
	info->up_bytes = atomic_load_explicit(&c->up_bytes, memory_order_relaxed);
	info->down_pkts = atomic_load_explicit(&c->down_pkts, memory_order_relaxed);
	info->down_bytes = atomic_load_explicit(&c->down_bytes, memory_order_relaxed);
	info->up_unasked = atomic_load_explicit(&c->up_unasked, memory_order_relaxed);
	info->up_refused = atomic_load_explicit(&c->up_refused, memory_order_relaxed);
	info->down_no_mac = atomic_load_explicit(&c->down_no_mac, memory_order_relaxed);
	info->down_full = atomic_load_explicit(&c->down_full, memory_order_relaxed);
	info->down_foreign = atomic_load_explicit(&c->down_foreign, memory_order_relaxed);
}

int cv_host_infos_get(struct cv_host *host, struct cv_host_info **ret_infos, uint32_t *ret_n,
		      struct cv_host_ports *ret_ports)
{
	struct cv_host_info *infos = NULL;
	int ret = 0;

	pthread_mutex_lock(&host->lock);
	if (host->n_nss > 0)
		infos = calloc(host->n_nss, sizeof(*infos));
	if (host->n_nss > 0 && infos == NULL) {
		ret = -ENOMEM;
	} else {
		for (uint32_t i = 0; i < host->n_nss; i++)
			info_fill(host->nss[i], &infos[i]);
		*ret_infos = infos;
		*ret_n = host->n_nss;
		*ret_ports = host->ports;
	}
	pthread_mutex_unlock(&host->lock);
	return ret;
}
