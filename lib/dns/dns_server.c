/* SPDX-License-Identifier: BSD-3-Clause */

/* The thread: where it listens, queries over UDP. */

#include "dns_server_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 64
/* Queries of one socket per turn, so that no VPC holds up the others. */
#define BURST 32
/* The routine's period while there is something to wait for. */
#define TICK_MS 100
#define BACKLOG 64

_Static_assert(sizeof(struct cv_dns_stats) % sizeof(uint64_t) == 0, "counters only");

void cv_dns_count(struct cv_dns_server *server, size_t idx)
{
	uint64_t n = atomic_load_explicit(&server->counters[idx], memory_order_relaxed);

	atomic_store_explicit(&server->counters[idx], n + 1, memory_order_relaxed);
}

static uint32_t random_next(struct cv_dns_server *server)
{
	/* splitmix64: order and choice of addresses, nothing secret. */
	uint64_t z = server->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (uint32_t)(z ^ z >> 31);
}

int cv_dns_watch(struct cv_dns_server *server, struct dns_watch *watch, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(server->epoll_fd, op, watch->fd, &event) == 0 ? 0 : -errno;
}

void cv_dns_watch_end(struct cv_dns_server *server, struct dns_watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	watch->fd = -1;
	watch->dead = server->dead;
	server->dead = watch;
}

static void dead_free(struct cv_dns_server *server)
{
	while (server->dead != NULL) {
		struct dns_watch *watch = server->dead;

		server->dead = watch->dead;
		free(watch->owner);
	}
}

/* ---- sites ---- */

static int site_socket(struct cv_dns_server *server, struct dns_site *site, struct dns_watch *watch,
		       int type)
{
	const struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = cv_be16(server->cfg.port),
		.sin_addr.s_addr = site->ip,
	};
	const int one = 1;
	int fd = server->cfg.open(server->cfg.open_arg, site->vpc, type), ret = 0;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    (type == SOCK_STREAM && listen(fd, BACKLOG) < 0))
		ret = -errno;
	watch->fd = fd;
	if (ret == 0)
		ret = cv_dns_watch(server, watch, EPOLL_CTL_ADD, EPOLLIN);
	if (ret == 0)
		return 0;
	close(fd);
	watch->fd = -1;
	/* The namespace is there before its addresses are. */
	return ret == -EADDRNOTAVAIL ? -EAGAIN : ret;
}

static void site_open(struct cv_dns_server *server, struct dns_site *site)
{
	int ret = 0;

	if (site->udp.fd < 0)
		ret = site_socket(server, site, &site->udp, SOCK_DGRAM);
	if (ret == 0 && site->listen.fd < 0)
		ret = site_socket(server, site, &site->listen, SOCK_STREAM);
	pthread_mutex_lock(&server->lock);
	site->err = ret;
	pthread_mutex_unlock(&server->lock);
	server->opening = server->opening || ret < 0;
}

static void sites_open(struct cv_dns_server *server)
{
	if (!server->opening)
		return;
	server->opening = false;
	for (uint32_t i = 0; i < server->n_sites; i++)
		if (server->sites[i]->err != 0)
			site_open(server, server->sites[i]);
}

static struct dns_site *site_create(const struct cv_dns_vpc *vpc)
{
	struct dns_site *site = calloc(1, sizeof(*site));

	if (site == NULL)
		return NULL;
	site->udp = (struct dns_watch){.kind = DNS_UDP, .fd = -1, .owner = site};
	/* Freed with the other one. */
	site->listen = (struct dns_watch){.kind = DNS_LISTEN, .fd = -1, .owner = NULL};
	site->vpc = vpc->slot;
	site->ip = vpc->ip;
	site->err = -EAGAIN;
	return site;
}

static void site_end(struct cv_dns_server *server, struct dns_site *site)
{
	struct dns_conn *next;

	cv_dns_forwards_end(server, site, NULL);
	for (struct dns_conn *conn = server->conns; conn != NULL; conn = next) {
		next = conn->next;
		if (conn->site == site)
			cv_dns_conn_end(server, conn);
	}
	/* The last one to end is freed first: with the other one goes the memory of both. */
	cv_dns_watch_end(server, &site->udp);
	cv_dns_watch_end(server, &site->listen);
}

static int site_cmp(const void *a, const void *b)
{
	const struct dns_site *const *x = a, *const *y = b;
	uint64_t p = (uint64_t)(*x)->vpc << 32 | (*x)->ip, q = (uint64_t)(*y)->vpc << 32 | (*y)->ip;

	return (p > q) - (p < q);
}

/* In a list that is sorted. */
static struct dns_site *site_find(struct dns_site *const *sites, uint32_t n, uint16_t vpc,
				  cv_be32_t ip)
{
	const struct dns_site like = {.vpc = vpc, .ip = ip}, *key = &like;
	struct dns_site *const *found =
		n > 0 ? bsearch(&key, sites, n, sizeof(struct dns_site *), site_cmp) : NULL;

	return found != NULL ? *found : NULL;
}

/* Listens where the data says. Without memory it goes on where it was. */
static void sites_sync(struct cv_dns_server *server)
{
	uint32_t n, n_vpcs, n_old = server->n_sites;
	const struct cv_dns_vpc *vpcs = cv_dns_data_vpcs(server->data, &n_vpcs);
	struct dns_site **sites = calloc(n_vpcs + 1, sizeof(struct dns_site *));
	struct dns_site **old = server->sites;

	for (n = 0; sites != NULL && n < n_vpcs; n++) {
		sites[n] = site_find(old, n_old, vpcs[n].slot, vpcs[n].ip);
		if (sites[n] == NULL)
			sites[n] = site_create(&vpcs[n]);
		if (sites[n] == NULL)
			break;
	}
	if (sites == NULL || n < n_vpcs) {
		while (n-- > 0)
			if (site_find(old, n_old, sites[n]->vpc, sites[n]->ip) == NULL)
				free(sites[n]);
		free(sites);
		return;
	}
	qsort(sites, n, sizeof(struct dns_site *), site_cmp);
	pthread_mutex_lock(&server->lock);
	server->sites = sites;
	server->n_sites = n;
	pthread_mutex_unlock(&server->lock);
	for (uint32_t i = 0; i < n_old; i++)
		if (site_find(sites, n, old[i]->vpc, old[i]->ip) == NULL)
			site_end(server, old[i]);
	free(old);
	server->opening = true;
	sites_open(server);
}

int cv_dns_server_state(struct cv_dns_server *server, uint16_t vpc, cv_be32_t ip)
{
	const struct dns_site *site;
	int ret;

	pthread_mutex_lock(&server->lock);
	site = site_find(server->sites, server->n_sites, vpc, ip);
	ret = site != NULL ? site->err : -ENOENT;
	pthread_mutex_unlock(&server->lock);
	return ret;
}

/* ---- queries ---- */

size_t cv_dns_query_take(struct cv_dns_server *server, struct dns_site *site, struct dns_conn *conn,
			 const struct sockaddr_in *client, const uint8_t *bytes, size_t len)
{
	const struct cv_dns_query query = {
		.bytes = bytes,
		.len = len,
		.vpc = site->vpc,
		.client = conn != NULL ? conn->client : client->sin_addr.s_addr,
		.tcp = conn != NULL,
		.can_forward = server->data->n_forwarders > 0,
		.random = random_next(server),
	};
	uint8_t rcode = 0, *out = server->out + DNS_TCP_HEAD;
	size_t out_len = 0;

	if (conn != NULL)
		DNS_COUNT(server, queries_tcp);
	else
		DNS_COUNT(server, queries_udp);
	if (server->data->rate > 0 &&
	    !cv_dns_rate_take(&server->rate, query.vpc, query.client,
			      (uint32_t)(cv_clock_ms() / 1000), server->data->rate)) {
		DNS_COUNT(server, drop_rate);
		return 0;
	}
	switch (cv_dns_answer(server->data, &query, out, &out_len, &rcode)) {
	case CV_DNS_ANSWER:
		break;
	case CV_DNS_FORWARD:
		if (cv_dns_forward(server, site, conn, client, bytes, len))
			return 0;
		rcode = 2; /* SERVFAIL */
		out_len = cv_dns_fail(&query, out);
		break;
	case CV_DNS_DROP:
		DNS_COUNT(server, drop_no_query);
		return 0;
	}
	cv_dns_count(server, offsetof(struct cv_dns_stats, answers) / sizeof(uint64_t) +
				     (rcode <= CV_DNS_RCODE_MAX ? rcode : CV_DNS_RCODE_MAX));
	return out_len;
}

static void udp_run(struct cv_dns_server *server, struct dns_site *site)
{
	for (int i = 0; i < BURST && site->udp.fd >= 0; i++) {
		struct sockaddr_in client = {0};
		socklen_t client_len = sizeof(client);
		ssize_t n = recvfrom(site->udp.fd, server->in, sizeof(server->in), MSG_DONTWAIT,
				     (struct sockaddr *)&client, &client_len);
		size_t len;

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			continue; /* an ICMP error about an answer */
		len = cv_dns_query_take(server, site, NULL, &client, server->in, (size_t)n);
		if (len > 0 && sendto(site->udp.fd, server->out + DNS_TCP_HEAD, len, MSG_DONTWAIT,
				      (const struct sockaddr *)&client, sizeof(client)) < 0)
			DNS_COUNT(server, drop_send);
	}
}

/* ---- the loop ---- */

static void event_run(struct cv_dns_server *server)
{
	struct cv_dns_data *next;
	uint64_t n;

	if (read(server->event.fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
		return;
	next = atomic_exchange(&server->next, NULL);
	if (next == NULL)
		return;
	cv_dns_data_put(server->data);
	server->data = next;
	sites_sync(server);
}

static void watch_run(struct cv_dns_server *server, struct dns_watch *watch, uint32_t events)
{
	if (watch->fd < 0)
		return; /* ended in this turn */
	switch (watch->kind) {
	case DNS_EVENT:
		event_run(server);
		break;
	case DNS_UDP:
		udp_run(server, watch->owner);
		break;
	case DNS_LISTEN:
		cv_dns_accept(server, (struct dns_site *)((char *)watch -
							  offsetof(struct dns_site, listen)));
		break;
	case DNS_CONN:
		cv_dns_conn_run(server, watch->owner, events);
		break;
	case DNS_FORWARD_UDP:
	case DNS_FORWARD_TCP:
		cv_dns_forward_run(server, watch->owner, events);
		break;
	}
}

static void tick(struct cv_dns_server *server, uint64_t now_ms)
{
	struct dns_conn *next;

	sites_open(server);
	cv_dns_forwards_tick(server, now_ms);
	for (struct dns_conn *conn = server->conns; conn != NULL; conn = next) {
		next = conn->next;
		if (conn->until_ms > now_ms)
			continue;
		if (conn->in_len > 0 || conn->out != NULL)
			DNS_COUNT(server, tcp_cut);
		cv_dns_conn_end(server, conn);
	}
}

static void *loop_run(void *arg)
{
	struct cv_dns_server *server = arg;
	uint64_t tick_ms = 0;

	while (!atomic_load(&server->stop)) {
		bool busy = server->opening || server->n_conns > 0 || server->n_forwards > 0;
		struct epoll_event events[EVENTS_MAX];
		int n = epoll_wait(server->epoll_fd, events, EVENTS_MAX, busy ? TICK_MS : -1);

		for (int i = 0; i < n; i++)
			watch_run(server, events[i].data.ptr, events[i].events);
		if (cv_clock_ms() >= tick_ms) {
			tick(server, cv_clock_ms());
			tick_ms = cv_clock_ms() + TICK_MS;
		}
		dead_free(server);
	}
	return NULL;
}

/* ---- life ---- */

static void wake(const struct cv_dns_server *server)
{
	const uint64_t one = 1;

	/* Fails only when it has been told before, 2^64 times. */
	if (write(server->event.fd, &one, sizeof(one)) < 0)
		cv_assert(errno == EAGAIN);
}

void cv_dns_server_publish(struct cv_dns_server *server, struct cv_dns_data *data)
{
	cv_dns_data_put(atomic_exchange(&server->next, data));
	wake(server);
}

static void server_free(struct cv_dns_server *server)
{
	for (uint32_t i = 0; i < server->n_sites; i++)
		site_end(server, server->sites[i]);
	dead_free(server);
	free(server->sites);
	cv_dns_data_put(server->data);
	cv_dns_data_put(atomic_load(&server->next));
	if (server->event.fd >= 0)
		close(server->event.fd);
	if (server->epoll_fd >= 0)
		close(server->epoll_fd);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

int cv_dns_server_create(const struct cv_dns_server_cfg *cfg, struct cv_dns_server **ret_server)
{
	struct cv_dns_server *server = calloc(1, sizeof(*server));
	int ret = -EMFILE;

	if (server == NULL)
		return -ENOMEM;
	server->cfg = *cfg;
	pthread_mutex_init(&server->lock, NULL);
	if (getrandom(&server->random, sizeof(server->random), GRND_NONBLOCK) < 0)
		server->random = cv_clock_ms();
	if (getrandom(&server->rate.secret, sizeof(server->rate.secret), GRND_NONBLOCK) < 0)
		server->rate.secret[0] = server->random;
	server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	server->event = (struct dns_watch){
		.kind = DNS_EVENT,
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	if (server->epoll_fd >= 0 && server->event.fd >= 0)
		ret = cv_dns_watch(server, &server->event, EPOLL_CTL_ADD, EPOLLIN);
	if (ret == 0 && pthread_create(&server->thread, NULL, loop_run, server) != 0)
		ret = -EAGAIN;
	if (ret < 0) {
		server_free(server);
		return ret == -EAGAIN ? ret : -EMFILE;
	}
	*ret_server = server;
	return 0;
}

void cv_dns_server_destroy(struct cv_dns_server *server)
{
	if (server == NULL)
		return;
	atomic_store(&server->stop, true);
	wake(server);
	pthread_join(server->thread, NULL);
	server_free(server);
}

void cv_dns_server_stats(const struct cv_dns_server *server, struct cv_dns_stats *ret_stats)
{
	uint64_t *to = (uint64_t *)(void *)ret_stats;

	for (size_t i = 0; i < CV_ARRAY_LEN(server->counters); i++)
		to[i] = atomic_load_explicit(&server->counters[i], memory_order_relaxed);
}
