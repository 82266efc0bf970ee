/* SPDX-License-Identifier: BSD-3-Clause */

/* The thread that waits for the disk. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "cv_store_writer.h"

#include <pthread.h>

struct cv_store_writer {
	struct cv_store *store;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond; /* of every change of state and stop */
	enum { IDLE, WRITING, WRITTEN } state;
	bool stop;
	int fd;
	/* The thread's while WRITING, else the owner's. */
	struct cv_store_batch batch;
	cv_store_job_fn *job; /* instead of the batch; NULL: none */
	void *job_arg;
	uint64_t at, rev;
	int ret;
	struct cv_errs errs;
};

static void tell(const struct cv_store_writer *writer)
{
	const uint64_t one = 1;

	/* Fails only when it has been told before, 2^64 times. */
	if (write(writer->fd, &one, sizeof(one)) < 0)
		cv_assert(errno == EAGAIN);
}

static int work(struct cv_store_writer *writer)
{
	const struct cv_store_txn txn = {writer->batch.ops, writer->batch.n, writer->at};

	if (writer->job != NULL)
		return writer->job(writer->job_arg, &writer->errs);
	return cv_store_commit(writer->store, &txn, &writer->rev, &writer->errs);
}

static void *loop(void *arg)
{
	struct cv_store_writer *writer = arg;

	pthread_mutex_lock(&writer->lock);
	while (writer->state == WRITING || !writer->stop) {
		if (writer->state != WRITING) {
			pthread_cond_wait(&writer->cond, &writer->lock);
			continue;
		}
		pthread_mutex_unlock(&writer->lock);
		writer->ret = work(writer);
		cv_store_batch_cut(&writer->batch, 0);
		pthread_mutex_lock(&writer->lock);
		writer->state = WRITTEN;
		pthread_cond_broadcast(&writer->cond);
		tell(writer);
	}
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}

/* Signals are for other threads. */
static int thread_start(struct cv_store_writer *writer)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&writer->thread, NULL, loop, writer);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -ret;
}

int cv_store_writer_create(struct cv_store *store, struct cv_store_writer **ret_writer)
{
	struct cv_store_writer *writer = calloc(1, sizeof(*writer));
	int ret;

	if (writer == NULL)
		return -ENOMEM;
	writer->store = store;
	writer->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (writer->fd < 0) {
		free(writer);
		return -EMFILE;
	}
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->cond, NULL);
	ret = thread_start(writer);
	if (ret < 0) {
		pthread_cond_destroy(&writer->cond);
		pthread_mutex_destroy(&writer->lock);
		close(writer->fd);
		free(writer);
		return -EAGAIN;
	}
	*ret_writer = writer;
	return 0;
}

void cv_store_writer_destroy(struct cv_store_writer *writer)
{
	if (writer == NULL)
		return;
	pthread_mutex_lock(&writer->lock);
	writer->stop = true;
	pthread_cond_broadcast(&writer->cond);
	pthread_mutex_unlock(&writer->lock);
	pthread_join(writer->thread, NULL);
	pthread_cond_destroy(&writer->cond);
	pthread_mutex_destroy(&writer->lock);
	close(writer->fd);
	cv_errs_fini(&writer->errs);
	free(writer);
}

int cv_store_writer_fd(const struct cv_store_writer *writer)
{
	return writer->fd;
}

void cv_store_writer_use(struct cv_store_writer *writer, struct cv_store *store)
{
	pthread_mutex_lock(&writer->lock);
	cv_assert(writer->state == IDLE);
	writer->store = store;
	pthread_mutex_unlock(&writer->lock);
}

/* Under the lock. */
static void begin(struct cv_store_writer *writer, cv_store_job_fn *job, void *arg)
{
	cv_assert(writer->state == IDLE);
	writer->job = job;
	writer->job_arg = arg;
	writer->state = WRITING;
	pthread_cond_broadcast(&writer->cond);
}

void cv_store_writer_begin(struct cv_store_writer *writer, struct cv_store_batch *batch,
			   uint64_t at)
{
	pthread_mutex_lock(&writer->lock);
	begin(writer, NULL, NULL);
	writer->batch = *batch;
	writer->at = at;
	*batch = (struct cv_store_batch){0};
	pthread_mutex_unlock(&writer->lock);
}

void cv_store_writer_do(struct cv_store_writer *writer, cv_store_job_fn *fn, void *arg)
{
	pthread_mutex_lock(&writer->lock);
	begin(writer, fn, arg);
	pthread_mutex_unlock(&writer->lock);
}

bool cv_store_writer_end(struct cv_store_writer *writer, bool wait, int *ret_ret, uint64_t *ret_rev,
			 struct cv_errs *errs)
{
	uint64_t count;
	bool ended;

	pthread_mutex_lock(&writer->lock);
	while (wait && writer->state == WRITING)
		pthread_cond_wait(&writer->cond, &writer->lock);
	ended = writer->state == WRITTEN;
	if (ended) {
		if (read(writer->fd, &count, sizeof(count)) < 0)
			cv_assert(errno == EAGAIN);
		writer->state = IDLE;
		*ret_ret = writer->ret;
		*ret_rev = writer->rev;
		for (size_t i = 0; i < writer->errs.n; i++)
			cv_errs_add(errs, writer->errs.items[i].path, 0, "%s",
				    writer->errs.items[i].text);
		cv_errs_fini(&writer->errs);
	}
	pthread_mutex_unlock(&writer->lock);
	return ended;
}
