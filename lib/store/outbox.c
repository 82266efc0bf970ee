/* SPDX-License-Identifier: BSD-3-Clause */

/* Messages that are still to be delivered. Put by CV_STORE_SEND. */

#include <errno.h>
#include <string.h>

#include "store_priv.h"

/* Nothing waits for longer: what seems to was put off before the clock went back. Seconds. */
#define WAIT_MAX 3600

/* Whose a queue is: see cv_store_outbox_trim(). */
static void owner(sqlite3_context *ctx, int n_args, sqlite3_value **args)
{
	const char *queue = (const char *)sqlite3_value_text(args[0]), *at = queue;

	(void)n_args;
	for (int i = 0; at != NULL && i < 5; i++)
		at = strchr(i > 0 ? at + 1 : at, ':');
	if (at == NULL)
		sqlite3_result_value(ctx, args[0]);
	else
		sqlite3_result_text(ctx, queue, (int)(at - queue), SQLITE_TRANSIENT);
}

int cv_store_outbox_prepare(struct cv_store *store, struct cv_errs *errs)
{
	int rc = sqlite3_create_function(store->db, "owner", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC,
					 NULL, owner, NULL, NULL);

	return rc == SQLITE_OK ? 0 : cv_store_fault(store->db, rc, errs);
}

static struct cv_store_message message_get(sqlite3_stmt *stmt)
{
	struct cv_store_message message = {
		.id = (uint64_t)sqlite3_column_int64(stmt, 0),
		.queue = (const char *)sqlite3_column_text(stmt, 1),
		.text = (const char *)sqlite3_column_text(stmt, 2),
		.n_tries = (uint32_t)sqlite3_column_int(stmt, 3),
		.next = (uint64_t)sqlite3_column_int64(stmt, 4),
	};

	if (message.queue != NULL && message.text != NULL)
		message.sum = cv_store_sum(message.queue, message.text, strlen(message.text));
	return message;
}

static int message_check(sqlite3_stmt *stmt, const struct cv_store_message *message,
			 struct cv_errs *errs)
{
	if (sqlite3_column_type(stmt, 5) == SQLITE_NULL ||
	    message->sum == sqlite3_column_int64(stmt, 5))
		return 0;
	cv_errs_add(errs, NULL, 0,
		    "it is damaged: message %llu is not what was written, and is dropped",
		    (unsigned long long)message->id);
	return -EBADMSG;
}

/* Under the lock. @return -EBADMSG, or why it cannot be */
static int forget(struct cv_store *store, uint64_t id, struct cv_errs *errs)
{
	int ret = cv_store_begin(store, errs);

	sqlite3_bind_int64(store->stmts[STMT_FORGET], 1, (int64_t)id);
	if (ret == 0)
		ret = cv_store_finish(store, cv_store_run(store, STMT_FORGET, errs), errs);
	return ret < 0 ? ret : -EBADMSG;
}

int cv_store_outbox_peek(struct cv_store *store, uint64_t now, uint32_t max,
			 cv_store_message_fn *fn, void *arg, struct cv_errs *errs)
{
	uint64_t damaged = 0;
	sqlite3_stmt *stmt;
	int rc, ret = 0;

	pthread_mutex_lock(&store->lock);
	stmt = store->stmts[STMT_PEEK]; /* another once the file is */
	sqlite3_bind_int64(stmt, 1, (int64_t)now);
	sqlite3_bind_int64(stmt, 2, max);
	sqlite3_bind_int64(stmt, 3, WAIT_MAX);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && ret == 0) {
		struct cv_store_message message = message_get(stmt);

		if (message.queue == NULL || message.text == NULL)
			ret = cv_store_fault(store->db, SQLITE_NOMEM, errs);
		else if (message_check(stmt, &message, errs) < 0)
			damaged = message.id;
		else
			ret = fn(arg, &message);
	}
	if (ret == 0 && rc != SQLITE_DONE)
		ret = cv_store_fault(store->db, rc, errs);
	sqlite3_reset(stmt);
	/* It would be the first of its queue for good. */
	if (ret == 0 && damaged != 0)
		ret = forget(store, damaged, errs);
	pthread_mutex_unlock(&store->lock);
	return ret;
}

static int message_change(struct cv_store *store, enum store_stmt stmt,
			  const struct cv_store_message *message, uint64_t next,
			  struct cv_errs *errs)
{
	int ret;

	pthread_mutex_lock(&store->lock);
	sqlite3_bind_int64(store->stmts[stmt], 1, (int64_t)message->id);
	sqlite3_bind_int64(store->stmts[stmt], 2, message->sum);
	if (stmt == STMT_LATER)
		sqlite3_bind_int64(store->stmts[stmt], 3, (int64_t)next);
	ret = cv_store_begin(store, errs);
	if (ret == 0)
		ret = cv_store_finish(store, cv_store_run(store, stmt, errs), errs);
	pthread_mutex_unlock(&store->lock);
	return ret;
}

int cv_store_outbox_done(struct cv_store *store, const struct cv_store_message *message,
			 struct cv_errs *errs)
{
	return message_change(store, STMT_DONE, message, 0, errs);
}

int cv_store_outbox_later(struct cv_store *store, const struct cv_store_message *message,
			  uint64_t next, struct cv_errs *errs)
{
	return message_change(store, STMT_LATER, message, next, errs);
}

int cv_store_outbox_trim(struct cv_store *store, uint64_t max, uint64_t *ret_waiting,
			 uint64_t *ret_dropped, struct cv_errs *errs)
{
	uint64_t n = 0, units = 0, gone = 0;
	sqlite3_stmt *stmt;
	int rc, ret = 0;

	pthread_mutex_lock(&store->lock);
	stmt = store->stmts[STMT_WAITING];
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		n = (uint64_t)sqlite3_column_int64(stmt, 0);
		units = (uint64_t)sqlite3_column_int64(stmt, 1);
	} else {
		ret = cv_store_fault(store->db, rc, errs);
	}
	sqlite3_reset(stmt);
	if (ret == 0 && units > max) {
		/* Some more, not to sort all of them again for each that comes. */
		sqlite3_bind_int64(store->stmts[STMT_TRIM], 1, (int64_t)(units - max + max / 16));
		ret = cv_store_begin(store, errs);
		if (ret == 0) {
			ret = cv_store_run(store, STMT_TRIM, errs);
			gone = (uint64_t)sqlite3_changes64(store->db);
			ret = cv_store_finish(store, ret, errs);
		}
	}
	pthread_mutex_unlock(&store->lock);
	if (ret < 0)
		return ret;
	*ret_waiting = n - gone;
	*ret_dropped = gone;
	return 0;
}
