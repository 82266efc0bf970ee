/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the store: the connection, its statements, what its errors mean.
 */

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "cv_store.h"

/** Statements, prepared once. */
enum store_stmt {
	STMT_BEGIN,
	STMT_COMMIT,
	STMT_ROLLBACK,
	STMT_REV_GET, /**< revision, compacted */
	STMT_REV_SET,
	STMT_ITEM_REV,
	STMT_ITEM_PUT,
	STMT_ITEM_DELETE,
	STMT_COMPACT,
	STMT_COMPACTED_SET,
	STMT_PROBE,
	STMT_CHANGES,
	STMT_LIST,
	STMT_SEND,
	STMT_PEEK,
	STMT_UNSEND,
	STMT_WAITING,
	STMT_TRIM,
	STMT_FORGET,
	STMT_DONE,
	STMT_LATER,
	STMT_N,
};

struct cv_store {
	pthread_mutex_t lock;
	sqlite3 *db;
	sqlite3_stmt *stmts[STMT_N];
	int lock_fd; /**< -1: in memory */
	char *path;  /**< NULL: in memory */
	/** What was under the names of the file and its log when it was opened. */
	struct store_place {
		dev_t dev;
		ino_t ino;
	} file, wal;
	uint64_t rev;  /**< of the last transaction */
	uint64_t gone; /**< deletions up to this revision are forgotten */
};

/** Say what SQLite's last error means. @return -errno, as the headers list them */
int cv_store_fault(sqlite3 *db, int rc, struct cv_errs *errs);

/** Run a statement that yields no row. @return 0 or -errno */
int cv_store_run(struct cv_store *store, enum store_stmt stmt, struct cv_errs *errs);

/** Begin a transaction that writes. @return 0 or -errno */
int cv_store_begin(struct cv_store *store, struct cv_errs *errs);

/** Commit if ret is 0, else roll back. @return ret, or why the commit failed */
int cv_store_finish(struct cv_store *store, int ret, struct cv_errs *errs);

/** Make the functions that statements about the outbox call. @return 0 or -errno */
int cv_store_outbox_prepare(struct cv_store *store, struct cv_errs *errs);

/** Prepare all statements. @return 0 or -errno */
int cv_store_prepare(struct cv_store *store, struct cv_errs *errs);

/** Read the revision. @return 0 or -errno */
int cv_store_rev_read(struct cv_store *store, struct cv_errs *errs);

/** Open what is under the path, and nothing but that. @return as cv_store_open() */
int cv_store_db_open(struct cv_store *store, struct cv_errs *errs);

/** Undo cv_store_db_open(), also one that failed. */
void cv_store_db_close(struct cv_store *store);

/** Say why a call of the system failed. @return -errno as the headers list them */
int cv_store_fault_errno(const char *what, const char *path, struct cv_errs *errs);

/** Write a directory to the disk, for the names in it. @return 0 or -errno */
int cv_store_dir_sync(const char *dir, struct cv_errs *errs);

/** Note where the open file is. */
void cv_store_place_note(struct cv_store *store);

/** See whether the file still is what is under its name. @return 0 or -ENXIO */
int cv_store_place_check(const struct cv_store *store, struct cv_errs *errs);

/** Before a file that was moved is closed: nothing of it stays in its log. */
void cv_store_place_leave(struct cv_store *store);

/** Make it so again. @return 0 or as cv_store_open() */
int cv_store_place_mend(struct cv_store *store, struct cv_errs *errs);

/** Of a key and a value: what lay on a bad block is not taken for what was written. */
int64_t cv_store_sum(const char *key, const void *value, size_t len);

/** Make the tables or bring them up to date. @return 0 or -errno */
int cv_store_migrate(struct cv_store *store, struct cv_errs *errs);
