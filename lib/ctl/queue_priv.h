/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Commands from other threads to control: a bounded queue, one command at a time, and an answer or a
 * timeout. A command that its caller no longer waits for is not begun; one that has begun is finished.
 *
 * @threads cv_ctl_queue_call(), cv_ctl_cmd_put(): any. The rest: control.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/** Commands that may wait at once. */
#define CTL_QUEUE_MAX 1024

/** A command function's result: the answer follows by cv_ctl_queue_answer(). */
#define CTL_CMD_LATER 1

struct ctl_cmd;

/**
 * Carries out a command on control.
 *
 * @param owner  what cv_ctl_queue_run() was given
 * @return 0 or -errno, which the caller gets, or CTL_CMD_LATER
 */
typedef int ctl_cmd_fn(void *owner, struct ctl_cmd *cmd);

/** Where a command stands. Under the queue's lock. */
enum ctl_cmd_state {
	CTL_CMD_NEW,
	CTL_CMD_WAITING,
	CTL_CMD_RUNNING,
	CTL_CMD_ABANDONED, /**< running, and nobody waits for it */
	CTL_CMD_DONE,
};

/** A command: the first member of a heap object that holds what it needs and what it yields. */
struct ctl_cmd {
	ctl_cmd_fn *fn;
	void (*destroy)(
		struct ctl_cmd *cmd); /**< frees the object; called once nobody refers to it */
	struct ctl_cmd *next;         /**< in the queue, then the owner's to use */
	pthread_cond_t cond;
	enum ctl_cmd_state state;
	int ret;
	unsigned int n_refs;
};

/** The queue. */
struct ctl_queue {
	pthread_mutex_t lock;
	struct ctl_cmd *first, *last;
	unsigned int n;
	bool closed;
	int event_fd; /**< readable when a command waits */
};

/** Make a queue. @return 0 or -errno */
int cv_ctl_queue_init(struct ctl_queue *queue);

/** Release a closed queue to which no thread can come any more. */
void cv_ctl_queue_fini(struct ctl_queue *queue);

/** Set up a command; the caller holds the one reference. */
void cv_ctl_cmd_init(struct ctl_cmd *cmd, ctl_cmd_fn *fn, void (*destroy)(struct ctl_cmd *cmd));

/** Drop the caller's reference, after cv_ctl_queue_call(). */
void cv_ctl_cmd_put(struct ctl_queue *queue, struct ctl_cmd *cmd);

/**
 * Have a command carried out and wait for the answer.
 *
 * @return what the function returned; then the command's fields may be read. Or -EAGAIN (queue full),
 *         -ETIMEDOUT, -ECANCELED (closed); then they may not.
 */
int cv_ctl_queue_call(struct ctl_queue *queue, struct ctl_cmd *cmd, uint32_t timeout_ms);

/** Carry out the commands that wait. @return how many */
unsigned int cv_ctl_queue_run(struct ctl_queue *queue, void *owner);

/** Answer a command whose function returned CTL_CMD_LATER. It must not be touched after that. */
void cv_ctl_queue_answer(struct ctl_queue *queue, struct ctl_cmd *cmd, int ret);

/** Tell whether somebody still waits for a command that is answered later. */
bool cv_ctl_queue_is_wanted(struct ctl_queue *queue, const struct ctl_cmd *cmd);

/** Take no more commands and answer those that wait with -ECANCELED. */
void cv_ctl_queue_close(struct ctl_queue *queue);
