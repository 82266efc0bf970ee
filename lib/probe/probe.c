/* SPDX-License-Identifier: BSD-3-Clause */

/* Life of the thread, and what passes in and out of it. */

#include "probe_priv.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cv_base.h"

#define SOCKETS_MAX 16384
/* Descriptors left for everything else. */
#define DESCRIPTORS_SPARED 512

void cv_probe_queue_put(struct probe_queue *queue, struct probe_item *item)
{
	item->next = NULL;
	if (queue->last != NULL)
		queue->last->next = item;
	else
		queue->first = item;
	queue->last = item;
}

struct probe_item *cv_probe_queue_take(struct probe_queue *queue)
{
	struct probe_item *item = queue->first;

	if (item == NULL)
		return NULL;
	queue->first = item->next;
	if (queue->first == NULL)
		queue->last = NULL;
	item->next = NULL;
	return item;
}

void cv_probe_item_free(struct probe_item *item)
{
	char *path = NULL;

	memcpy(&path, &item->req.path, sizeof(path));
	free(path);
	free(item);
}

static void fd_wake(int fd)
{
	const uint64_t one = 1;

	/* Fails only when the counter is at its end, and then its reader is awake anyway. */
	if (write(fd, &one, sizeof(one)) < 0)
		cv_assert(errno == EAGAIN);
}

void cv_probe_answer(struct cv_probe *probe, const struct probe_item *item,
		     enum cv_probe_outcome outcome, uint16_t code, const char *text)
{
	struct cv_probe_result *result;

	pthread_mutex_lock(&probe->lock);
	/* cv_probe_begin() has made room. */
	cv_assert(probe->n_begun > 0 && probe->n_results < probe->cap_results);
	probe->n_begun--;
	result = &probe->results[probe->n_results++];
	*result = (struct cv_probe_result){
		.key = item->req.key, .turn = item->req.turn, .outcome = outcome, .code = code};
	snprintf(result->text, sizeof(result->text), "%s", text);
	pthread_mutex_unlock(&probe->lock);
	fd_wake(probe->result_fd);
}

/* As many sockets as may be, without starving the rest of the process. */
static uint32_t sockets_get(uint32_t wanted)
{
	struct rlimit limit;
	uint32_t n = SOCKETS_MAX;

	if (wanted != 0)
		return wanted;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return DESCRIPTORS_SPARED;
	if (limit.rlim_cur < limit.rlim_max && limit.rlim_cur < SOCKETS_MAX + DESCRIPTORS_SPARED) {
		rlim_t need = SOCKETS_MAX + DESCRIPTORS_SPARED;

		limit.rlim_cur = limit.rlim_max < need ? limit.rlim_max : need;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur < 2 * DESCRIPTORS_SPARED)
		n = (uint32_t)limit.rlim_cur / 2;
	else if (limit.rlim_cur < SOCKETS_MAX + DESCRIPTORS_SPARED)
		n = (uint32_t)limit.rlim_cur - DESCRIPTORS_SPARED;
	return n > 0 ? n : 1;
}

static int fds_open(struct cv_probe *probe)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

	probe->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	probe->result_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	probe->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (probe->wake_fd < 0 || probe->result_fd < 0 || probe->epoll_fd < 0 ||
	    epoll_ctl(probe->epoll_fd, EPOLL_CTL_ADD, probe->wake_fd, &event) < 0)
		return -errno;
	return 0;
}

static void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void probe_free(struct cv_probe *probe)
{
	cv_probe_http_fini(probe);
	fd_close(probe->wake_fd);
	fd_close(probe->result_fd);
	fd_close(probe->epoll_fd);
	pthread_mutex_destroy(&probe->lock);
	free(probe->results);
	free(probe);
}

/* Signals are control's. */
static int thread_start(struct cv_probe *probe)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&probe->thread, NULL, cv_probe_run, probe);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return ret == 0 ? 0 : -EAGAIN;
}

int cv_probe_create(const struct cv_probe_cfg *cfg, struct cv_probe **ret_probe)
{
	struct cv_probe *probe = calloc(1, sizeof(*probe));
	int ret;

	if (probe == NULL)
		return -ENOMEM;
	probe->cfg = *cfg;
	probe->cfg.n_sockets = sockets_get(cfg->n_sockets);
	probe->wake_fd = probe->result_fd = probe->epoll_fd = -1;
	probe->curl_ms = UINT64_MAX;
	pthread_mutex_init(&probe->lock, NULL);
	ret = fds_open(probe);
	if (ret == 0)
		ret = cv_probe_http_init(probe);
	if (ret == 0)
		ret = thread_start(probe);
	if (ret < 0) {
		probe_free(probe);
		return ret;
	}
	*ret_probe = probe;
	return 0;
}

void cv_probe_destroy(struct cv_probe *probe)
{
	struct probe_item *item;

	if (probe == NULL)
		return;
	pthread_mutex_lock(&probe->lock);
	probe->stop = true;
	pthread_mutex_unlock(&probe->lock);
	fd_wake(probe->wake_fd);
	pthread_join(probe->thread, NULL);
	while ((item = cv_probe_queue_take(&probe->inbox)) != NULL)
		cv_probe_item_free(item);
	probe_free(probe);
}

int cv_probe_fd(const struct cv_probe *probe)
{
	return probe->result_fd;
}

/* Under the lock: each probe under way has room for its result. */
static int results_room(struct cv_probe *probe)
{
	struct cv_probe_result *results;
	uint32_t cap = probe->cap_results > 0 ? 2 * probe->cap_results : 64;

	if (probe->n_begun + probe->n_results < probe->cap_results)
		return 0;
	results = realloc(probe->results, cap * sizeof(*results));
	if (results == NULL)
		return -ENOMEM;
	probe->results = results;
	probe->cap_results = cap;
	return 0;
}

int cv_probe_begin(struct cv_probe *probe, const struct cv_probe_req *req)
{
	struct probe_item *item = calloc(1, sizeof(*item));
	int ret;

	if (item == NULL)
		return -ENOMEM;
	item->req = *req;
	item->fd = -1;
	item->req.path = req->path != NULL ? strdup(req->path) : NULL;
	if (req->path != NULL && item->req.path == NULL) {
		free(item);
		return -ENOMEM;
	}
	pthread_mutex_lock(&probe->lock);
	ret = results_room(probe);
	if (ret == 0) {
		probe->n_begun++;
		cv_probe_queue_put(&probe->inbox, item);
	}
	pthread_mutex_unlock(&probe->lock);
	if (ret == 0)
		fd_wake(probe->wake_fd);
	else
		cv_probe_item_free(item);
	return ret;
}

uint32_t cv_probe_results(struct cv_probe *probe, struct cv_probe_result *results, uint32_t n_max)
{
	uint64_t count;
	uint32_t n;

	pthread_mutex_lock(&probe->lock);
	n = probe->n_results < n_max ? probe->n_results : n_max;
	for (uint32_t i = 0; i < n; i++)
		results[i] = probe->results[--probe->n_results];
	if (probe->n_results == 0 && read(probe->result_fd, &count, sizeof(count)) < 0)
		cv_assert(errno == EAGAIN);
	pthread_mutex_unlock(&probe->lock);
	return n;
}
