/* SPDX-License-Identifier: BSD-3-Clause */

#include "queue_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "cv_base.h"

int cv_ctl_queue_init(struct ctl_queue *queue)
{
	memset(queue, 0, sizeof(*queue));
	queue->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (queue->event_fd < 0)
		return -errno;
	pthread_mutex_init(&queue->lock, NULL);
	return 0;
}

void cv_ctl_queue_fini(struct ctl_queue *queue)
{
	cv_assert(queue->n == 0);
	pthread_mutex_destroy(&queue->lock);
	close(queue->event_fd);
}

void cv_ctl_cmd_init(struct ctl_cmd *cmd, ctl_cmd_fn *fn, void (*destroy)(struct ctl_cmd *cmd))
{
	pthread_condattr_t attr;

	cmd->fn = fn;
	cmd->destroy = destroy;
	cmd->next = NULL;
	cmd->state = CTL_CMD_NEW;
	cmd->ret = 0;
	cmd->n_refs = 1;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&cmd->cond, &attr);
	pthread_condattr_destroy(&attr);
}

/* Under the lock. Tells whether it was the last reference. */
static bool cmd_unref(struct ctl_cmd *cmd)
{
	cv_assert(cmd->n_refs > 0);
	return --cmd->n_refs == 0;
}

static void cmd_free(struct ctl_cmd *cmd)
{
	pthread_cond_destroy(&cmd->cond);
	cmd->destroy(cmd);
}

void cv_ctl_cmd_put(struct ctl_queue *queue, struct ctl_cmd *cmd)
{
	bool last;

	pthread_mutex_lock(&queue->lock);
	last = cmd_unref(cmd);
	pthread_mutex_unlock(&queue->lock);
	if (last)
		cmd_free(cmd);
}

static void queue_add(struct ctl_queue *queue, struct ctl_cmd *cmd)
{
	cmd->next = NULL;
	if (queue->last != NULL)
		queue->last->next = cmd;
	else
		queue->first = cmd;
	queue->last = cmd;
	queue->n++;
}

static void queue_remove(struct ctl_queue *queue, struct ctl_cmd *cmd)
{
	struct ctl_cmd **link = &queue->first, *before = NULL;

	while (*link != cmd) {
		before = *link;
		link = &before->next;
	}
	*link = cmd->next;
	if (queue->last == cmd)
		queue->last = before;
	cmd->next = NULL;
	queue->n--;
}

static void deadline_get(uint32_t timeout_ms, struct timespec *ret_at)
{
	clock_gettime(CLOCK_MONOTONIC, ret_at);
	ret_at->tv_sec += timeout_ms / 1000;
	ret_at->tv_nsec += (long)(timeout_ms % 1000) * 1000000;
	if (ret_at->tv_nsec >= 1000000000) {
		ret_at->tv_nsec -= 1000000000;
		ret_at->tv_sec++;
	}
}

/* Under the lock: wait until the command is done, or give it up. */
static int cmd_wait(struct ctl_queue *queue, struct ctl_cmd *cmd, uint32_t timeout_ms)
{
	struct timespec at;

	deadline_get(timeout_ms, &at);
	while (cmd->state != CTL_CMD_DONE) {
		if (pthread_cond_timedwait(&cmd->cond, &queue->lock, &at) != ETIMEDOUT ||
		    cmd->state == CTL_CMD_DONE)
			continue;
		if (cmd->state == CTL_CMD_WAITING) {
			queue_remove(queue, cmd);
			cmd_unref(cmd);
			cmd->state = CTL_CMD_DONE;
		} else {
			cmd->state = CTL_CMD_ABANDONED;
		}
		return -ETIMEDOUT;
	}
	return cmd->ret;
}

int cv_ctl_queue_call(struct ctl_queue *queue, struct ctl_cmd *cmd, uint32_t timeout_ms)
{
	const uint64_t one = 1;
	int ret;

	pthread_mutex_lock(&queue->lock);
	if (queue->closed) {
		ret = -ECANCELED;
	} else if (queue->n == CTL_QUEUE_MAX) {
		ret = -EAGAIN;
	} else {
		cmd->state = CTL_CMD_WAITING;
		cmd->n_refs++;
		queue_add(queue, cmd);
		/* Fails only when the counter is at its end, and then control is awake anyway. */
		if (write(queue->event_fd, &one, sizeof(one)) < 0)
			cv_assert(errno == EAGAIN);
		ret = cmd_wait(queue, cmd, timeout_ms);
	}
	pthread_mutex_unlock(&queue->lock);
	return ret;
}

void cv_ctl_queue_answer(struct ctl_queue *queue, struct ctl_cmd *cmd, int ret)
{
	bool last;

	pthread_mutex_lock(&queue->lock);
	cmd->ret = ret;
	cmd->state = CTL_CMD_DONE;
	last = cmd_unref(cmd);
	if (!last)
		pthread_cond_signal(&cmd->cond);
	pthread_mutex_unlock(&queue->lock);
	if (last)
		cmd_free(cmd);
}

unsigned int cv_ctl_queue_run(struct ctl_queue *queue, void *owner)
{
	unsigned int n = 0;
	uint64_t count;

	if (read(queue->event_fd, &count, sizeof(count)) < 0)
		cv_assert(errno == EAGAIN);
	for (;; n++) {
		struct ctl_cmd *cmd;
		int ret;

		pthread_mutex_lock(&queue->lock);
		cmd = queue->first;
		if (cmd != NULL) {
			queue_remove(queue, cmd);
			cmd->state = CTL_CMD_RUNNING;
		}
		pthread_mutex_unlock(&queue->lock);
		if (cmd == NULL)
			return n;
		ret = cmd->fn(owner, cmd);
		if (ret != CTL_CMD_LATER)
			cv_ctl_queue_answer(queue, cmd, ret);
	}
}

bool cv_ctl_queue_is_wanted(struct ctl_queue *queue, const struct ctl_cmd *cmd)
{
	bool wanted;

	pthread_mutex_lock(&queue->lock);
	wanted = cmd->state == CTL_CMD_RUNNING;
	pthread_mutex_unlock(&queue->lock);
	return wanted;
}

void cv_ctl_queue_close(struct ctl_queue *queue)
{
	struct ctl_cmd *cmd;

	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	while ((cmd = queue->first) != NULL) {
		queue_remove(queue, cmd);
		cmd->ret = -ECANCELED;
		cmd->state = CTL_CMD_DONE;
		/* The caller waits and holds a reference of its own. */
		cmd_unref(cmd);
		pthread_cond_signal(&cmd->cond);
	}
	pthread_mutex_unlock(&queue->lock);
}
