/* SPDX-License-Identifier: BSD-3-Clause */

/* The thread: makes namespaces as they are ordered, and carries packets. */

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "cv_base.h"
#include "host_priv.h"

/* Workers cannot wake anybody: their rings are looked at so often while there is traffic, else. */
#define POLL_BUSY_MS 1
#define POLL_IDLE_MS 5
/* Traffic is over when there was none for so long. */
#define BUSY_MS 1000
/* Time until what failed is tried again. */
#define RETRY_MS 5000
/* Packets of one ring or device per turn. */
#define BURST 256
/* Longest packet of the device. */
#define PKT_MAX 65536

/* Bytes of an IPv4 header that are read. */
#define IP_LEN 20
#define IP_PROTO 9
#define IP_SRC 12
#define IP_DST 16
#define PROTO_TCP 6

/* Single writer: a plain add. */
static void count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/* ---- orders ---- */

static struct host_ns *ns_find(const struct cv_host *host, uint16_t slot)
{
	uint32_t low = 0, high = host->n_nss;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (host->nss[mid]->slot == slot)
			return host->nss[mid];
		if (host->nss[mid]->slot < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static struct host_ns *ns_create(uint16_t slot)
{
	struct host_ns *ns = calloc(1, sizeof(*ns));

	if (ns == NULL || cv_host_senders_init(&ns->senders) != 0) {
		free(ns);
		return NULL;
	}
	ns->slot = slot;
	ns->state = CV_HOST_MAKING;
	ns->kernel = HOST_KERNEL_NONE;
	return ns;
}

static bool is_in(const struct host_order *order, uint16_t slot)
{
	for (uint32_t i = 0; i < order->n; i++)
		if (order->specs[i]->slot == slot)
			return true;
	return false;
}

/* Under the lock: another list of namespaces, by the slots of the order. @return false: no memory */
static bool list_build(struct cv_host *host, const struct host_order *order)
{
	struct host_ns **nss = calloc(order->n + 1, sizeof(struct host_ns *));
	uint32_t n;

	for (n = 0; nss != NULL && n < order->n; n++) {
		nss[n] = ns_find(host, order->specs[n]->slot);
		if (nss[n] == NULL)
			nss[n] = ns_create(order->specs[n]->slot);
		if (nss[n] == NULL)
			break;
	}
	if (nss == NULL || n < order->n) {
		while (n-- > 0)
			if (ns_find(host, nss[n]->slot) == NULL)
				cv_host_ns_destroy(nss[n]);
		free(nss);
		return false;
	}
	for (uint32_t i = 0; i < host->n_nss; i++)
		if (!is_in(order, host->nss[i]->slot))
			cv_host_ns_destroy(host->nss[i]);
	free(host->nss);
	host->nss = nss;
	host->n_nss = n;
	return true;
}

/* @return false if it could not be taken: no memory */
static bool order_take(struct cv_host *host)
{
	struct host_order *order;
	bool taken = true;

	pthread_mutex_lock(&host->lock);
	order = host->order;
	if (order != NULL && list_build(host, order)) {
		host->order = NULL;
		for (uint32_t i = 0; i < order->n; i++) {
			cv_host_spec_destroy(host->nss[i]->next);
			host->nss[i]->next = order->specs[i];
			host->nss[i]->retry_ms = 0;
			order->specs[i] = NULL;
		}
	} else if (order != NULL) {
		taken = false; /* it stays for the next turn */
		order = NULL;
	}
	pthread_mutex_unlock(&host->lock);
	cv_host_order_destroy(order);
	return taken;
}

/* ---- making and changing ---- */

static int ns_make(const struct cv_host *host, struct host_ns *ns, struct host_kernel *ret_kernel,
		   struct host_why *why)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = ns};
	struct host_kernel kernel;
	int ret = cv_host_kernel_make(ns->next, &kernel, why);

	if (ret < 0)
		return ret;
	if (epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, kernel.tun_fd, &event) < 0) {
		ret = -errno;
		cv_host_kernel_close(&kernel);
		return ret;
	}
	*ret_kernel = kernel;
	return 0;
}

/* Makes one namespace what it must be. */
static void ns_step(struct cv_host *host, struct host_ns *ns, uint64_t now_ms)
{
	bool is_new = ns->state != CV_HOST_UP;
	struct host_kernel kernel = ns->kernel;
	struct host_spec *old = ns->spec;
	struct host_why why = {""};
	int ret = is_new ? ns_make(host, ns, &kernel, &why)
			 : cv_host_kernel_change(&ns->kernel, ns->spec, ns->next, &why);

	/* Else the thread would keep the namespace that it is in. */
	(void)setns(host->own_ns_fd, CLONE_NEWNET);
	pthread_mutex_lock(&host->lock);
	ns->why = why;
	if (ret == 0) {
		ns->state = CV_HOST_UP;
		ns->kernel = kernel;
		ns->spec = ns->next;
		ns->next = NULL;
	} else {
		ns->err = ret;
		ns->retry_ms = now_ms + RETRY_MS;
		if (is_new)
			ns->state = CV_HOST_FAILED;
	}
	pthread_mutex_unlock(&host->lock);
	if (ret == 0)
		cv_host_spec_destroy(old);
}

/*
 * One step per turn, since making a namespace takes some milliseconds and packets wait meanwhile.
 *
 * @return true if more is to be done at once
 */
static bool nss_step(struct cv_host *host, uint64_t now_ms)
{
	for (uint32_t i = 0; i < host->n_nss; i++) {
		struct host_ns *ns = host->nss[i];

		if (ns->next == NULL || ns->retry_ms > now_ms)
			continue;
		ns_step(host, ns, now_ms);
		return true;
	}
	return false;
}

/* ---- packets ---- */

static cv_be32_t load32(const uint8_t *bytes)
{
	cv_be32_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

static cv_be16_t load16(const uint8_t *bytes)
{
	cv_be16_t word;

	memcpy(&word, bytes, sizeof(word));
	return word;
}

/*
 * Sockets dial peers only. A segment from elsewhere to one of their ports belongs to no connection, and
 * the kernel would answer it with a reset where the port is meant to be silent.
 */
static bool is_unasked(const struct host_ns *ns, const struct cv_pkt_rec *rec)
{
	const uint8_t *ip = rec->ip;
	uint16_t port;

	if (ip[IP_PROTO] != PROTO_TCP || rec->len < IP_LEN + 4)
		return false;
	port = cv_be16_host(load16(ip + IP_LEN + 2));
	return port >= ns->spec->ports.first && port <= ns->spec->ports.last &&
	       cv_host_spec_peer_find(ns->spec, load32(ip + IP_SRC)) == NULL;
}

static void up_pkt(struct cv_host *host, const struct cv_pkt_rec *rec)
{
	struct host_ns *ns = ns_find(host, rec->vpc);
	struct host_sender sender = {.vtep = rec->vtep, .mac = rec->mac, .vtep_mac = rec->vtep_mac};

	/* The worker's view is newer or older than what has been made. */
	if (ns == NULL || ns->state != CV_HOST_UP || rec->len < IP_LEN)
		return;
	if (is_unasked(ns, rec)) {
		count(&ns->counters.up_unasked, 1);
		return;
	}
	sender.ip = load32((const uint8_t *)rec->ip + IP_SRC);
	cv_host_sender_note(&ns->senders, &sender);
	if (write(ns->kernel.tun_fd, rec->ip, rec->len) != rec->len) {
		count(&ns->counters.up_refused, 1);
		return;
	}
	count(&ns->counters.up_pkts, 1);
	count(&ns->counters.up_bytes, rec->len);
}

static unsigned int ups_poll(struct cv_host *host)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < host->n_workers; i++) {
		struct cv_pkt_rec rec;

		for (int j = 0; j < BURST && cv_pkt_ring_peek(host->ups[i], &rec); j++, n++) {
			up_pkt(host, &rec);
			cv_pkt_ring_pop(host->ups[i]);
		}
	}
	return n;
}

/* Fills in the station that a packet must go to. @return false: it is not known */
static bool station_find(const struct cv_host *host, struct host_ns *ns, cv_be32_t dst,
			 struct cv_pkt_rec *rec)
{
	const struct cv_host_peer *peer = cv_host_spec_peer_find(ns->spec, dst);
	const struct host_sender *sender;

	if (peer != NULL) {
		uint64_t word =
			atomic_load_explicit(&host->neigh[peer->neigh], memory_order_acquire);

		if ((word & CV_NEIGH_KNOWN) != 0) {
			rec->mac = word & ~CV_NEIGH_KNOWN;
			return true;
		}
	}
	sender = cv_host_sender_find(&ns->senders, dst);
	if (sender == NULL)
		return false;
	rec->mac = sender->mac;
	rec->vtep = sender->vtep;
	rec->vtep_mac = sender->vtep_mac;
	return true;
}

static void down_pkt(struct cv_host *host, struct host_ns *ns, const uint8_t *ip, size_t len)
{
	struct cv_pkt_rec rec = {.ip = ip, .len = (uint16_t)len, .vpc = ns->slot};

	if (len < IP_LEN || len > ns->spec->mtu || ip[0] >> 4 != 4) {
		count(&ns->counters.down_foreign, 1);
		return;
	}
	if (!station_find(host, ns, load32(ip + IP_DST), &rec)) {
		count(&ns->counters.down_no_mac, 1);
		return;
	}
	/* One worker for all of a VPC keeps the order. */
	if (!cv_pkt_ring_put(host->downs[ns->slot % host->n_workers], &rec)) {
		count(&ns->counters.down_full, 1);
		return;
	}
	count(&ns->counters.down_pkts, 1);
	count(&ns->counters.down_bytes, len);
}

static unsigned int down_poll(struct cv_host *host, struct host_ns *ns, uint8_t *buf)
{
	unsigned int n;

	for (n = 0; n < BURST; n++) {
		ssize_t len = read(ns->kernel.tun_fd, buf, PKT_MAX);

		if (len < 0)
			break;
		down_pkt(host, ns, buf, (size_t)len);
	}
	return n;
}

/* ---- the loop ---- */

static int timeout_get(const struct cv_host *host, uint64_t now_ms)
{
	if (host->n_nss == 0)
		return -1;
	return now_ms < host->busy_until_ms ? POLL_BUSY_MS : POLL_IDLE_MS;
}

static void turn(struct cv_host *host, uint8_t *buf, int timeout_ms)
{
	struct epoll_event events[64];
	int n = epoll_wait(host->epoll_fd, events, CV_ARRAY_LEN(events), timeout_ms);
	unsigned int n_pkts = 0;
	uint64_t told;

	/* Before orders are taken: they may free what the events point to. */
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr != NULL)
			n_pkts += down_poll(host, events[i].data.ptr, buf);
		else if (read(host->event_fd, &told, sizeof(told)) < 0)
			cv_assert(errno == EAGAIN);
	}
	n_pkts += ups_poll(host);
	if (n_pkts > 0)
		host->busy_until_ms = cv_clock_ms() + BUSY_MS;
}

void *cv_host_loop_run(void *arg)
{
	struct cv_host *host = arg;
	uint8_t *buf = malloc(PKT_MAX);
	bool more = true, taken = true;

	pthread_setname_np(pthread_self(), "culvert-host");
	while (buf != NULL && !atomic_load(&host->stop)) {
		uint64_t now_ms = cv_clock_ms();

		turn(host, buf, more ? 0 : taken ? timeout_get(host, now_ms) : POLL_IDLE_MS);
		taken = order_take(host);
		more = nss_step(host, now_ms);
	}
	free(buf);
	return NULL;
}
