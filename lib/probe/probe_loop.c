/* SPDX-License-Identifier: BSD-3-Clause */

/* The thread: connect, hand over, close; nothing here waits. */

#include "probe_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cv_base.h"
#include "cv_ppv2.h"

#define EVENTS_MAX 256
/* Bytes read of what a target sends after our FIN, in one go. */
#define DRAIN_BYTES 65536

/* ---- items with a socket ---- */

static void active_add(struct cv_probe *probe, struct probe_item *item)
{
	item->prev = NULL;
	item->next = probe->active;
	if (probe->active != NULL)
		probe->active->prev = item;
	probe->active = item;
	probe->n_open++;
}

/* Events of this turn may still name the item: it is freed at the end. */
static void active_end(struct cv_probe *probe, struct probe_item *item)
{
	if (item->prev != NULL)
		item->prev->next = item->next;
	else
		probe->active = item->next;
	if (item->next != NULL)
		item->next->prev = item->prev;
	probe->n_open--;
	/* Closing is not enough: a child that was forked meanwhile holds the socket until it executes. */
	if (item->fd >= 0) {
		(void)epoll_ctl(probe->epoll_fd, EPOLL_CTL_DEL, item->fd, NULL);
		close(item->fd);
	}
	item->fd = -1;
	item->stage = PROBE_DEAD;
	item->next = probe->dead;
	probe->dead = item;
}

static void dead_free(struct cv_probe *probe)
{
	while (probe->dead != NULL) {
		struct probe_item *item = probe->dead;

		probe->dead = item->next;
		cv_probe_item_free(item);
	}
}

static int watch(struct cv_probe *probe, struct probe_item *item, int op, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = item};

	return epoll_ctl(probe->epoll_fd, op, item->fd, &event) == 0 ? 0 : -errno;
}

/* ---- closing ---- */

/* Reads and forgets. Tells whether the target has closed, too. */
static bool drain(int fd)
{
	static const size_t len = DRAIN_BYTES;

	for (int i = 0; i < 4; i++) {
		/* On a TCP socket MSG_TRUNC drops the bytes without copying them. */
		ssize_t n = recv(fd, NULL, len, MSG_TRUNC | MSG_DONTWAIT);

		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return true;
		if (n < 0)
			return false;
	}
	return false;
}

void cv_probe_close(struct cv_probe *probe, struct probe_item *item)
{
	item->stage = PROBE_CLOSING;
	if (item->fd < 0 || shutdown(item->fd, SHUT_WR) < 0 || drain(item->fd)) {
		active_end(probe, item);
		return;
	}
	if (watch(probe, item, EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP) < 0 &&
	    watch(probe, item, EPOLL_CTL_ADD, EPOLLIN | EPOLLRDHUP) < 0)
		active_end(probe, item);
}

/* ---- connecting ---- */

static int header_send(const struct probe_item *item)
{
	uint8_t header[CV_PPV2_LOCAL_LEN];
	size_t len = 0;

	if (!item->req.ppv2)
		return 0;
	if (cv_ppv2_local(header, sizeof(header), &len) < 0)
		return -EINVAL;
	/* A new connection's buffer has room for 23 bytes. */
	return send(item->fd, header, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len ? 0
											: -errno;
}

static void fail(struct cv_probe *probe, struct probe_item *item, int err)
{
	if (err == ETIMEDOUT)
		cv_probe_answer(probe, item, CV_PROBE_TIMEOUT, 0, "connection timed out");
	else
		cv_probe_answer(probe, item, CV_PROBE_FAILED, 0, strerror(err));
	active_end(probe, item);
}

static void lose(struct cv_probe *probe, struct probe_item *item, int err)
{
	cv_probe_answer(probe, item, CV_PROBE_INTERNAL, 0, strerror(err));
	active_end(probe, item);
}

static void connected(struct cv_probe *probe, struct probe_item *item)
{
	int err = 0, ret;
	socklen_t len = sizeof(err);

	if (getsockopt(item->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err == 0)
		err = -header_send(item);
	if (err != 0) {
		fail(probe, item, err);
		return;
	}
	if (item->req.protocol == CV_PROBE_TCP) {
		cv_probe_answer(probe, item, CV_PROBE_CONNECTED, 0, "");
		cv_probe_close(probe, item);
		return;
	}
	if (epoll_ctl(probe->epoll_fd, EPOLL_CTL_DEL, item->fd, NULL) < 0) {
		lose(probe, item, errno);
		return;
	}
	item->stage = PROBE_TALKING;
	ret = cv_probe_http_begin(probe, item);
	if (ret < 0)
		lose(probe, item, -ret);
}

static int socket_open(struct cv_probe *probe, const struct probe_item *item)
{
	int fd, flags;

	if (probe->cfg.open == NULL) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		return fd >= 0 ? fd : -errno;
	}
	fd = probe->cfg.open(probe->cfg.open_arg, item->req.vpc);
	if (fd < 0)
		return fd;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	return fd;
}

static int source_bind(const struct probe_item *item)
{
	const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = item->req.from};
	const int one = 1;

	if (item->req.from == 0)
		return 0;
	/* The port is found when the target is known: so each target has all of them. */
	if (setsockopt(item->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) < 0 ||
	    bind(item->fd, (const struct sockaddr *)&from, sizeof(from)) < 0)
		return -errno;
	return 0;
}

/* The item has a socket and is active. */
static void item_connect(struct cv_probe *probe, struct probe_item *item)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = item->req.ip,
		.sin_port = htons(item->req.port),
	};
	int ret = source_bind(item);

	if (ret < 0) {
		lose(probe, item, -ret);
		return;
	}
	item->stage = PROBE_CONNECTING;
	if (connect(item->fd, (const struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != EINPROGRESS) {
		if (errno == ECONNREFUSED)
			fail(probe, item, errno);
		else
			lose(probe, item, errno);
		return;
	}
	ret = watch(probe, item, EPOLL_CTL_ADD, EPOLLOUT);
	if (ret < 0)
		lose(probe, item, -ret);
}

/* ---- queues ---- */

/* A namespace that is being made is waited for as long as the check may take. */
static void item_begin(struct cv_probe *probe, struct probe_item *item, uint64_t now_ms)
{
	int fd = socket_open(probe, item);

	if (fd == -EAGAIN && item->deadline_ms == 0)
		item->deadline_ms = now_ms + item->req.timeout_ms;
	if (fd == -EAGAIN && now_ms < item->deadline_ms) {
		cv_probe_queue_put(&probe->retry, item);
		return;
	}
	if (fd < 0) {
		cv_probe_answer(probe, item, CV_PROBE_INTERNAL, 0, strerror(-fd));
		cv_probe_item_free(item);
		return;
	}
	item->fd = fd;
	item->deadline_ms = now_ms + item->req.timeout_ms;
	active_add(probe, item);
	item_connect(probe, item);
}

/* Those that only close make room for those that wait. */
static void closing_end(struct cv_probe *probe)
{
	struct probe_item *next;

	for (struct probe_item *item = probe->active; item != NULL; item = next) {
		next = item->next;
		if (item->stage == PROBE_CLOSING)
			active_end(probe, item);
	}
}

static void waiting_begin(struct cv_probe *probe, uint64_t now_ms)
{
	if (probe->waiting.first != NULL && probe->n_open >= probe->cfg.n_sockets)
		closing_end(probe);
	while (probe->waiting.first != NULL && probe->n_open < probe->cfg.n_sockets)
		item_begin(probe, cv_probe_queue_take(&probe->waiting), now_ms);
}

/* Tells whether to go on. */
static bool inbox_take(struct cv_probe *probe)
{
	struct probe_item *item;
	uint64_t count;
	bool go_on;

	if (read(probe->wake_fd, &count, sizeof(count)) < 0)
		cv_assert(errno == EAGAIN);
	pthread_mutex_lock(&probe->lock);
	while ((item = cv_probe_queue_take(&probe->inbox)) != NULL)
		cv_probe_queue_put(&probe->waiting, item);
	go_on = !probe->stop;
	pthread_mutex_unlock(&probe->lock);
	return go_on;
}

/* ---- time ---- */

static void item_expire(struct cv_probe *probe, struct probe_item *item)
{
	if (item->stage == PROBE_CONNECTING) {
		fail(probe, item, ETIMEDOUT);
	} else if (item->stage == PROBE_TALKING) {
		cv_probe_http_end(probe, item);
		cv_probe_answer(probe, item, CV_PROBE_TIMEOUT, 0, "no answer in time");
		active_end(probe, item);
	} else {
		active_end(probe, item);
	}
}

static void tick(struct cv_probe *probe, uint64_t now_ms)
{
	struct probe_item *next;

	if (now_ms < probe->tick_ms)
		return;
	probe->tick_ms = now_ms + PROBE_TICK_MS;
	for (struct probe_item *item = probe->active; item != NULL; item = next) {
		next = item->next;
		if (now_ms >= item->deadline_ms)
			item_expire(probe, item);
	}
	while (probe->retry.first != NULL)
		cv_probe_queue_put(&probe->waiting, cv_probe_queue_take(&probe->retry));
}

static int timeout_get(const struct cv_probe *probe, uint64_t now_ms)
{
	uint64_t at_ms = probe->curl_ms;

	if ((probe->active != NULL || probe->retry.first != NULL) && probe->tick_ms < at_ms)
		at_ms = probe->tick_ms;
	if (at_ms == UINT64_MAX)
		return -1;
	return at_ms > now_ms ? (int)(at_ms - now_ms) : 0;
}

static void item_event(struct cv_probe *probe, struct probe_item *item, uint32_t events)
{
	switch (item->stage) {
	case PROBE_CONNECTING:
		connected(probe, item);
		break;
	case PROBE_TALKING:
		cv_probe_http_event(probe, item, events);
		break;
	case PROBE_CLOSING:
		if (drain(item->fd))
			active_end(probe, item);
		break;
	case PROBE_WAITING:
	case PROBE_DEAD:
		break;
	}
}

static void all_end(struct cv_probe *probe)
{
	struct probe_item *item;

	while ((item = cv_probe_queue_take(&probe->waiting)) != NULL ||
	       (item = cv_probe_queue_take(&probe->retry)) != NULL)
		cv_probe_item_free(item);
	while (probe->active != NULL) {
		if (probe->active->stage == PROBE_TALKING)
			cv_probe_http_end(probe, probe->active);
		active_end(probe, probe->active);
	}
	dead_free(probe);
}

void *cv_probe_run(void *arg)
{
	struct cv_probe *probe = arg;
	struct epoll_event events[EVENTS_MAX];

	pthread_setname_np(pthread_self(), "cv-probe");
	for (;;) {
		int n = epoll_wait(probe->epoll_fd, events, EVENTS_MAX,
				   timeout_get(probe, cv_clock_ms()));

		cv_assert(n >= 0 || errno == EINTR);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr != NULL)
				item_event(probe, events[i].data.ptr, events[i].events);
		}
		if (!inbox_take(probe))
			break;
		cv_probe_http_tick(probe, cv_clock_ms());
		tick(probe, cv_clock_ms());
		waiting_begin(probe, cv_clock_ms());
		dead_free(probe);
	}
	all_end(probe);
	return NULL;
}
