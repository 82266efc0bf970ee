/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "queue_priv.h"

#include "cv_base.h"

/* Nobody waits so long. */
#define PATIENT_MS 600000

static atomic_int n_alive;

/* Threads that have no patience give up when the test says so, and not by the clock. */
static _Thread_local bool is_impatient;
static atomic_bool give_up;

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *at);
int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *at);

int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *at)
{
	const struct timespec now = {0};
	int ret = is_impatient ? ETIMEDOUT : __real_pthread_cond_timedwait(cond, lock, at);

	while (is_impatient && !atomic_load(&give_up)) {
		ret = __real_pthread_cond_timedwait(cond, lock, &now);
		if (ret != ETIMEDOUT)
			return ret;
		pthread_mutex_unlock(lock);
		usleep(1000);
		pthread_mutex_lock(lock);
	}
	return ret;
}

struct job {
	struct ctl_cmd cmd;
	uint64_t in, out;
	int ret;
};

struct control {
	struct ctl_queue queue;
	pthread_t thread;
	atomic_bool stop;
	struct ctl_cmd *later; /* control's */
	uint64_t n_run;        /* control's */
};

static void job_destroy(struct ctl_cmd *cmd)
{
	atomic_fetch_sub(&n_alive, 1);
	free(cmd);
}

static int job_run(void *owner, struct ctl_cmd *cmd)
{
	struct control *control = owner;
	struct job *job = (struct job *)cmd;

	control->n_run++;
	job->out = job->in * 2;
	return job->ret;
}

static int job_later(void *owner, struct ctl_cmd *cmd)
{
	struct control *control = owner;

	assert_null(control->later);
	control->later = cmd;
	return CTL_CMD_LATER;
}

static struct job *job_create(ctl_cmd_fn *fn, uint64_t in, int ret)
{
	struct job *job = calloc(1, sizeof(*job));

	atomic_fetch_add(&n_alive, 1);
	cv_ctl_cmd_init(&job->cmd, fn, job_destroy);
	job->in = in;
	job->ret = ret;
	return job;
}

static void *control_main(void *arg)
{
	struct control *control = arg;

	while (!atomic_load(&control->stop)) {
		struct pollfd pfd = {.fd = control->queue.event_fd, .events = POLLIN};

		if (poll(&pfd, 1, 5) == 1)
			cv_ctl_queue_run(&control->queue, control);
	}
	return NULL;
}

static void control_start(struct control *control)
{
	*control = (struct control){0};
	assert_int_equal(cv_ctl_queue_init(&control->queue), 0);
	pthread_create(&control->thread, NULL, control_main, control);
}

static void control_end(struct control *control)
{
	atomic_store(&control->stop, true);
	pthread_join(control->thread, NULL);
	cv_ctl_queue_close(&control->queue);
	cv_ctl_queue_fini(&control->queue);
	assert_int_equal(atomic_load(&n_alive), 0);
}

static void answers_come_back(void **state)
{
	struct control control;

	(void)state;
	control_start(&control);
	for (uint64_t i = 0; i < 100; i++) {
		struct job *job = job_create(job_run, i, i % 3 == 0 ? -EINVAL : 0);

		assert_int_equal(cv_ctl_queue_call(&control.queue, &job->cmd, PATIENT_MS),
				 i % 3 == 0 ? -EINVAL : 0);
		assert_int_equal(job->out, 2 * i);
		cv_ctl_cmd_put(&control.queue, &job->cmd);
	}
	control_end(&control);
	assert_int_equal(control.n_run, 100);
}

static void *caller_main(void *arg)
{
	struct control *control = arg;
	intptr_t n_ok = 0;

	for (uint64_t i = 0; i < 500; i++) {
		/* Some wait too short a time, so that giving up meets running at every point. */
		struct job *job = job_create(job_run, i, 0);
		int ret =
			cv_ctl_queue_call(&control->queue, &job->cmd, i % 4 == 0 ? 0 : PATIENT_MS);

		if (ret == 0) {
			cv_assert(job->out == 2 * i);
			n_ok++;
		} else {
			cv_assert(ret == -ETIMEDOUT || ret == -EAGAIN);
		}
		cv_ctl_cmd_put(&control->queue, &job->cmd);
	}
	return (void *)n_ok;
}

static void many_callers_are_served(void **state)
{
	struct control control;
	pthread_t threads[8];
	intptr_t n_ok = 0;

	(void)state;
	control_start(&control);
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, caller_main, &control);
	for (size_t i = 0; i < CV_ARRAY_LEN(threads); i++) {
		void *n;

		pthread_join(threads[i], &n);
		n_ok += (intptr_t)n;
	}
	control_end(&control);
	/* Three of four calls wait long enough. */
	assert_in_range(n_ok, 8 * 375, 8 * 500);
	assert_in_range(control.n_run, n_ok, 8 * 500);
}

static void abandoned_before_its_turn_is_not_run(void **state)
{
	struct control control = {0};
	struct job *job = job_create(job_run, 1, 0);

	(void)state;
	assert_int_equal(cv_ctl_queue_init(&control.queue), 0);
	assert_int_equal(cv_ctl_queue_call(&control.queue, &job->cmd, 20), -ETIMEDOUT);
	assert_int_equal(atomic_load(&n_alive), 1);
	cv_ctl_cmd_put(&control.queue, &job->cmd);
	assert_int_equal(atomic_load(&n_alive), 0);
	assert_int_equal(cv_ctl_queue_run(&control.queue, &control), 0);
	assert_int_equal(control.n_run, 0);
	cv_ctl_queue_close(&control.queue);
	cv_ctl_queue_fini(&control.queue);
}

static void *later_main(void *arg)
{
	struct control *control = arg;
	struct job *job = job_create(job_later, 21, 0);
	int ret = cv_ctl_queue_call(&control->queue, &job->cmd, PATIENT_MS);
	intptr_t out = ret == 0 ? (intptr_t)job->out : ret;

	cv_ctl_cmd_put(&control->queue, &job->cmd);
	return (void *)out;
}

static void *later_impatient_main(void *arg)
{
	is_impatient = true;
	return later_main(arg);
}

/* Run the queue until a command that is answered later has come. */
static void later_wait(struct control *control)
{
	while (control->later == NULL) {
		cv_ctl_queue_run(&control->queue, control);
		usleep(1000);
	}
}

static void deferred_answer_reaches_its_caller(void **state)
{
	struct control control = {0};
	pthread_t thread;
	void *out;

	(void)state;
	assert_int_equal(cv_ctl_queue_init(&control.queue), 0);
	pthread_create(&thread, NULL, later_main, &control);
	later_wait(&control);
	assert_true(cv_ctl_queue_is_wanted(&control.queue, control.later));
	((struct job *)control.later)->out = 42;
	cv_ctl_queue_answer(&control.queue, control.later, 0);
	pthread_join(thread, &out);
	assert_int_equal((intptr_t)out, 42);
	cv_ctl_queue_close(&control.queue);
	cv_ctl_queue_fini(&control.queue);
	assert_int_equal(atomic_load(&n_alive), 0);
}

static void deferred_answer_after_the_timeout_only_frees(void **state)
{
	struct control control = {0};
	pthread_t thread;
	void *out;

	(void)state;
	assert_int_equal(cv_ctl_queue_init(&control.queue), 0);
	atomic_store(&give_up, false);
	pthread_create(&thread, NULL, later_impatient_main, &control);
	later_wait(&control);
	assert_true(cv_ctl_queue_is_wanted(&control.queue, control.later));
	atomic_store(&give_up, true);
	pthread_join(thread, &out);
	assert_int_equal((intptr_t)out, -ETIMEDOUT);
	assert_false(cv_ctl_queue_is_wanted(&control.queue, control.later));
	assert_int_equal(atomic_load(&n_alive), 1);
	cv_ctl_queue_answer(&control.queue, control.later, 0);
	assert_int_equal(atomic_load(&n_alive), 0);
	cv_ctl_queue_close(&control.queue);
	cv_ctl_queue_fini(&control.queue);
}

static void *wait_main(void *arg)
{
	struct control *control = arg;
	struct job *job = job_create(job_run, 1, 0);
	intptr_t ret = cv_ctl_queue_call(&control->queue, &job->cmd, PATIENT_MS);

	cv_ctl_cmd_put(&control->queue, &job->cmd);
	return (void *)ret;
}

static unsigned int n_waiting(struct ctl_queue *queue)
{
	unsigned int n;

	pthread_mutex_lock(&queue->lock);
	n = queue->n;
	pthread_mutex_unlock(&queue->lock);
	return n;
}

static void queue_is_bounded_and_close_wakes_all(void **state)
{
	struct control control = {0};
	pthread_t threads[CTL_QUEUE_MAX];
	struct job *job = job_create(job_run, 1, 0);

	(void)state;
	assert_int_equal(cv_ctl_queue_init(&control.queue), 0);
	for (int i = 0; i < CTL_QUEUE_MAX; i++)
		pthread_create(&threads[i], NULL, wait_main, &control);
	while (n_waiting(&control.queue) < CTL_QUEUE_MAX)
		usleep(1000);
	assert_int_equal(cv_ctl_queue_call(&control.queue, &job->cmd, PATIENT_MS), -EAGAIN);
	cv_ctl_queue_close(&control.queue);
	for (int i = 0; i < CTL_QUEUE_MAX; i++) {
		void *ret;

		pthread_join(threads[i], &ret);
		assert_int_equal((intptr_t)ret, -ECANCELED);
	}
	assert_int_equal(cv_ctl_queue_call(&control.queue, &job->cmd, PATIENT_MS), -ECANCELED);
	cv_ctl_cmd_put(&control.queue, &job->cmd);
	assert_int_equal(atomic_load(&n_alive), 0);
	assert_int_equal(control.n_run, 0);
	cv_ctl_queue_fini(&control.queue);
}

static void *leave_main(void *arg)
{
	struct control *control = arg;
	struct job *job = job_create(job_run, 1, 0);
	intptr_t ret;

	is_impatient = true;
	ret = cv_ctl_queue_call(&control->queue, &job->cmd, PATIENT_MS);
	cv_ctl_cmd_put(&control->queue, &job->cmd);
	return (void *)ret;
}

static void leaving_from_the_middle_keeps_the_order(void **state)
{
	struct control control = {0};
	pthread_t stay[2], leave;
	void *ret;

	(void)state;
	assert_int_equal(cv_ctl_queue_init(&control.queue), 0);
	pthread_create(&stay[0], NULL, wait_main, &control);
	while (n_waiting(&control.queue) < 1)
		usleep(1000);
	atomic_store(&give_up, false);
	pthread_create(&leave, NULL, leave_main, &control);
	while (n_waiting(&control.queue) < 2)
		usleep(1000);
	pthread_create(&stay[1], NULL, wait_main, &control);
	while (n_waiting(&control.queue) < 3)
		usleep(1000);
	atomic_store(&give_up, true);
	pthread_join(leave, &ret);
	assert_int_equal((intptr_t)ret, -ETIMEDOUT);
	assert_int_equal(cv_ctl_queue_run(&control.queue, &control), 2);
	for (int i = 0; i < 2; i++) {
		pthread_join(stay[i], &ret);
		assert_int_equal((intptr_t)ret, 0);
	}
	/* The last one leaves, and another comes: the tail is right. */
	pthread_create(&leave, NULL, leave_main, &control);
	pthread_join(leave, NULL);
	pthread_create(&stay[0], NULL, wait_main, &control);
	while (n_waiting(&control.queue) < 1)
		usleep(1000);
	assert_int_equal(cv_ctl_queue_run(&control.queue, &control), 1);
	pthread_join(stay[0], NULL);
	cv_ctl_queue_close(&control.queue);
	cv_ctl_queue_fini(&control.queue);
	assert_int_equal(atomic_load(&n_alive), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_come_back),
		cmocka_unit_test(many_callers_are_served),
		cmocka_unit_test(abandoned_before_its_turn_is_not_run),
		cmocka_unit_test(deferred_answer_reaches_its_caller),
		cmocka_unit_test(deferred_answer_after_the_timeout_only_frees),
		cmocka_unit_test(queue_is_bounded_and_close_wakes_all),
		cmocka_unit_test(leaving_from_the_middle_keeps_the_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
