/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What must survive a crash: values under keys, changed by transactions, each with a revision of its
 * own; and an outbox of messages that are still to be delivered.
 *
 * The interface is one that SQLite in a file (here) and etcd can both give: compare-and-set, a revision
 * that only grows, a stream of changes since a revision. What the values mean is the caller's.
 *
 * A transaction that has returned 0 is on disk. One that failed has changed nothing; only if the machine
 * ends right then may it be found to have been made after all.
 *
 * @threads any; one call at a time, the others wait
 * @source  SQLite: "Write-Ahead Logging", "PRAGMA synchronous", "Result and Error Codes"
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_base.h"

/** What keys are of. The numbers are in the file. */
enum cv_store_space {
	CV_STORE_DOC = 1,   /**< resources that calls made or changed */
	CV_STORE_TOKEN = 2, /**< client tokens and the answers that they were given */
	CV_STORE_LOCAL = 3, /**< what the process keeps for itself, such as seeds */
};

/** Versions of the file: the one that is written, which is the newest that can be read. */
#define CV_STORE_VERSION 4

/** No comparison wanted. */
#define CV_STORE_ANY UINT64_MAX

/** Deletions are remembered for at least so many revisions: see cv_store_changes(). */
#define CV_STORE_HISTORY 1024

/** What one operation of a transaction does. */
enum cv_store_do {
	CV_STORE_PUT,
	CV_STORE_DELETE, /**< no error if it is not there */
	CV_STORE_CHECK,  /**< only compare */
	CV_STORE_SEND,   /**< value into the outbox; key is its queue */
	CV_STORE_UNSEND, /**< all of a queue out of the outbox; key is its name */
};

/** One operation. */
struct cv_store_op {
	enum cv_store_do what;
	enum cv_store_space space; /**< not with CV_STORE_SEND and CV_STORE_UNSEND */
	const char *key;
	const char *value; /**< shape [len] */
	size_t len;
	/** Revision in which the key was last changed, 0: it must not be there, or CV_STORE_ANY. */
	uint64_t rev;
};

/** A transaction: every comparison holds and everything is done, or nothing is. */
struct cv_store_txn {
	const struct cv_store_op *ops; /**< shape [n] */
	size_t n;
	uint64_t at; /**< revision at which the store must be, or CV_STORE_ANY */
};

struct cv_store;

/**
 * Open the file, or make one (mode 0600, in a directory that may be made too), bring an older version
 * up to date, check all of it. It is locked against another culvertd; SQLite's own tools may read it.
 *
 * A store in memory ends with the process; otherwise it is like any.
 *
 * @param      path       NULL: in memory
 * @param[out] errs       why not and what to do, for people
 * @param[out] ret_store  untouched on failure
 * @return 0, or
 *   -EBUSY    another process has it
 *   -EBADMSG  it is damaged, or no file of culvert's
 *   -ENOTSUP  a newer culvert wrote it
 *   -EACCES   no right to it, or to its directory
 *   -EROFS    its file system can only be read
 *   -ENOSPC   its file system is full
 *   -ENOENT   the directory of its directory does not exist
 *   -EIO      the system reports another error
 *   -ENOMEM   memory ran out
 * @owner  caller; cv_store_close()
 */
int cv_store_open(const char *path, struct cv_errs *errs, struct cv_store **ret_store);

/** Close the file and give up its lock. NULL is fine. */
void cv_store_close(struct cv_store *store);

/** The last transaction's revision; 0: there was none. */
uint64_t cv_store_revision(struct cv_store *store);

/**
 * Carry out a transaction.
 *
 * @param[out] ret_rev  its revision; untouched on failure. NULL: not of interest
 * @param[out] errs     why not, for people
 * @return 0, or
 *   -ESTALE  a comparison does not hold
 *   -EBUSY   another program keeps the file locked
 *   -ENXIO   the file was moved, removed or replaced while it was open: what is written would be lost
 *            with the process. cv_store_probe() puts that right
 *   or -EBADMSG, -EROFS, -ENOSPC, -EACCES, -EIO, -ENOMEM as of cv_store_open()
 */
int cv_store_commit(struct cv_store *store, const struct cv_store_txn *txn, uint64_t *ret_rev,
		    struct cv_errs *errs);

/** A key as it stands. */
struct cv_store_item {
	enum cv_store_space space;
	const char *key;
	const char *value; /**< shape [len], a NUL behind it; NULL: deleted, or damaged */
	size_t len;
	uint64_t rev; /**< of its last change */
	bool damaged; /**< its value is not what was written */
};

/** Takes one. @return 0 to go on, or -errno to stop @threads must not call the store */
typedef int cv_store_item_fn(void *arg, const struct cv_store_item *item);

/** Where a stream begins. */
struct cv_store_since {
	enum cv_store_space space;
	uint64_t rev; /**< 0: everything that is there. Otherwise deletions are told, too */
	bool damaged; /**< what is damaged is told, too, and in errs, and does not end it */
};

/**
 * Go through what has changed after a revision, oldest change first, each key once: as it stands now.
 *
 * @param[out] ret_rev  the store's revision, to go on from; untouched on failure. NULL: not of interest
 * @return 0, or
 *   -ESTALE   so old that deletions since then are forgotten: begin anew, from 0
 *   -EBADMSG  a value is not what was written, unless since.damaged
 *   or another as of cv_store_commit(), or what fn returned
 */
int cv_store_changes(struct cv_store *store, struct cv_store_since since, cv_store_item_fn *fn,
		     void *arg, uint64_t *ret_rev, struct cv_errs *errs);

/**
 * See whether it can be written: writes, and changes nothing. A file that was moved or removed while it was
 * open is made anew, with all that it held; one that was replaced is opened, and what it holds counts from
 * now on.
 *
 * @return as cv_store_commit() or cv_store_open(), but for -ENXIO
 */
int cv_store_probe(struct cv_store *store, struct cv_errs *errs);

/* ---- outbox ---- */

/** A message to be delivered. */
struct cv_store_message {
	uint64_t id;       /**< grows; never given twice by one file */
	int64_t sum;       /**< of queue and text: another file may have given the id to another */
	const char *queue; /**< those of one queue are delivered in order */
	const char *text;
	uint32_t n_tries;
	uint64_t next; /**< not before: seconds since 1970 */
};

/** Takes one. @return 0 to go on, or -errno to stop @threads must not call the store */
typedef int cv_store_message_fn(void *arg, const struct cv_store_message *message);

/**
 * Go through the first message of each queue, if it is due: those that were never tried come first, each
 * oldest first. One that would wait for more than an hour is due: the clock was put back. O(queues).
 *
 * @param now  seconds since 1970
 * A message that is damaged is dropped: errs says so, the others are gone through.
 *
 * @param max  at most so many
 * @return 0, what fn returned, or as cv_store_commit(); -EBADMSG also if one was dropped
 */
int cv_store_outbox_peek(struct cv_store *store, uint64_t now, uint32_t max,
			 cv_store_message_fn *fn, void *arg, struct cv_errs *errs);

/** Bytes of a message, as cv_store_outbox_trim() counts: a longer one is as many as it fills. */
#define CV_STORE_MESSAGE_BYTES 4096

/**
 * Count the messages, and forget some if there are too many: the oldest of the owner that has the most, over
 * and over, until there is room for a sixteenth of what may. The owner is what a queue's name has in front of
 * its fifth colon, as the account in an ARN. O(messages).
 *
 * @param      max          that may wait, by CV_STORE_MESSAGE_BYTES; UINT64_MAX: any number
 * @param[out] ret_waiting  how many wait now; untouched on failure
 * @param[out] ret_dropped  how many were forgotten; untouched on failure
 * @return 0 or as cv_store_commit()
 */
int cv_store_outbox_trim(struct cv_store *store, uint64_t max, uint64_t *ret_waiting,
			 uint64_t *ret_dropped, struct cv_errs *errs);

/**
 * A message is delivered, or given up: forget it. One that the file does not have, as after it was replaced,
 * is no error.
 *
 * @param message  its id and sum
 * @return 0 or as cv_store_commit()
 */
int cv_store_outbox_done(struct cv_store *store, const struct cv_store_message *message,
			 struct cv_errs *errs);

/** A delivery failed: count it, and say when to try again. Otherwise as cv_store_outbox_done(). */
int cv_store_outbox_later(struct cv_store *store, const struct cv_store_message *message,
			  uint64_t next, struct cv_errs *errs);
