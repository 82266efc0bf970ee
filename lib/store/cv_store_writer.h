/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Transactions put together by one thread and carried out by another, so that the first never waits for
 * the disk: while one is written, the next is gathered.
 *
 * @threads one, that of the owner; the writer's own thread is inside
 */

#include "cv_store.h"

/** Operations that are gathered. Their keys and values are copies. */
struct cv_store_batch {
	struct cv_store_op *ops; /**< shape [n] */
	size_t n;
};

/** Add an operation. @return 0 or -ENOMEM: then it is as it was */
int cv_store_batch_add(struct cv_store_batch *batch, const struct cv_store_op *op);

/** Take back all operations but the first n. */
void cv_store_batch_cut(struct cv_store_batch *batch, size_t n);

struct cv_store_writer;

/**
 * Start the thread.
 *
 * @param      store       NULL: none is open yet, see cv_store_writer_use()
 * @param[out] ret_writer  untouched on failure
 * @return 0, -ENOMEM, -EMFILE (no descriptor is free) or -EAGAIN (no thread can be started)
 * @owner  caller; cv_store_writer_destroy(). The store must live longer
 */
int cv_store_writer_create(struct cv_store *store, struct cv_store_writer **ret_writer);

/** Write what is under way to its end, stop the thread, free. NULL is fine. */
void cv_store_writer_destroy(struct cv_store_writer *writer);

/** Readable when a batch has been written or has failed, or what else was to be done is. @owner the writer */
int cv_store_writer_fd(const struct cv_store_writer *writer);

/**
 * Have a batch written. Not while another is under way.
 *
 * @param batch  emptied: what it held is the writer's
 * @param at     revision at which the store must be, or CV_STORE_ANY
 */
void cv_store_writer_begin(struct cv_store_writer *writer, struct cv_store_batch *batch,
			   uint64_t at);

/** Write to that store from now on. Not while anything is under way. */
void cv_store_writer_use(struct cv_store_writer *writer, struct cv_store *store);

/** What else waits for the disk, on the writer's thread. @return 0 or -errno, with errs filled */
typedef int cv_store_job_fn(void *arg, struct cv_errs *errs);

/** Have that done, once, as if it were a batch. Not while a batch or another is under way. */
void cv_store_writer_do(struct cv_store_writer *writer, cv_store_job_fn *fn, void *arg);

/**
 * Take the result of a batch, or of what else was to be done.
 *
 * @param      wait     until there is one
 * @param[out] ret_ret  0 or as cv_store_commit(); or what the function returned
 * @param[out] ret_rev  of a batch: the transaction's revision, with *ret_ret 0
 * @param[out] errs     why it failed
 * @return false if none is there, or nothing is under way
 */
bool cv_store_writer_end(struct cv_store_writer *writer, bool wait, int *ret_ret, uint64_t *ret_rev,
			 struct cv_errs *errs);
