/* SPDX-License-Identifier: BSD-3-Clause */

/* Deadlines of connections: MHD's own timeout begins anew with every byte. */

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "serve_priv.h"

#define LOOK_MS 250

static void overdue_end(struct tcp_guard *guard)
{
	uint64_t now_ms = cv_clock_ms();

	/* Its thread sees the end and closes; until then the descriptor stays its own. */
	for (struct tcp_conn *conn = guard->conns; conn != NULL; conn = conn->next) {
		if (now_ms >= conn->deadline_ms)
			shutdown(conn->fd, SHUT_RDWR);
	}
}

static void *guard_run(void *arg)
{
	struct tcp_guard *guard = arg;
	struct timespec at;

	pthread_mutex_lock(&guard->lock);
	while (!guard->stop) {
		clock_gettime(CLOCK_MONOTONIC, &at);
		at.tv_nsec += LOOK_MS * 1000000L;
		at.tv_sec += at.tv_nsec / 1000000000L;
		at.tv_nsec %= 1000000000L;
		pthread_cond_timedwait(&guard->cond, &guard->lock, &at);
		overdue_end(guard);
	}
	pthread_mutex_unlock(&guard->lock);
	return NULL;
}

int cv_api_guard_init(struct tcp_guard *guard)
{
	pthread_condattr_t attr;
	int err;

	pthread_mutex_init(&guard->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&guard->cond, &attr);
	pthread_condattr_destroy(&attr);
	err = pthread_create(&guard->thread, NULL, guard_run, guard);
	guard->started = err == 0;
	return -err;
}

void cv_api_guard_fini(struct tcp_guard *guard)
{
	cv_assert(guard->conns == NULL);
	if (guard->started) {
		pthread_mutex_lock(&guard->lock);
		guard->stop = true;
		pthread_cond_signal(&guard->cond);
		pthread_mutex_unlock(&guard->lock);
		pthread_join(guard->thread, NULL);
	}
	pthread_cond_destroy(&guard->cond);
	pthread_mutex_destroy(&guard->lock);
}

struct tcp_conn *cv_api_guard_add(struct tcp_guard *guard, int fd, uint32_t seconds)
{
	struct tcp_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return NULL;
	conn->fd = fd;
	conn->deadline_ms = cv_clock_ms() + seconds * 1000ULL;
	pthread_mutex_lock(&guard->lock);
	conn->next = guard->conns;
	conn->link = &guard->conns;
	if (conn->next != NULL)
		conn->next->link = &conn->next;
	guard->conns = conn;
	pthread_mutex_unlock(&guard->lock);
	return conn;
}

void cv_api_guard_extend(struct tcp_guard *guard, struct tcp_conn *conn, uint32_t seconds)
{
	if (conn == NULL)
		return;
	pthread_mutex_lock(&guard->lock);
	conn->deadline_ms = cv_clock_ms() + seconds * 1000ULL;
	pthread_mutex_unlock(&guard->lock);
}

void cv_api_guard_remove(struct tcp_guard *guard, struct tcp_conn *conn)
{
	if (conn == NULL)
		return;
	pthread_mutex_lock(&guard->lock);
	*conn->link = conn->next;
	if (conn->next != NULL)
		conn->next->link = conn->link;
	pthread_mutex_unlock(&guard->lock);
	free(conn);
}
