/* SPDX-License-Identifier: BSD-3-Clause */

/* Transactions, and the stream of what they changed. */

#include <errno.h>
#include <string.h>

#include "store_priv.h"

/* Forgotten deletions are removed once in so many revisions. */
#define COMPACT_EVERY 256

/* As how many messages one counts. */
#define STR(x) #x
#define UNITS_OF(bytes) "max(1, (size + " STR(bytes) " - 1) / " STR(bytes) ")"
#define UNITS UNITS_OF(CV_STORE_MESSAGE_BYTES)

static const char *const texts[STMT_N] = {
	[STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STMT_COMMIT] = "COMMIT",
	[STMT_ROLLBACK] = "ROLLBACK",
	[STMT_REV_GET] = "SELECT (SELECT value FROM meta WHERE name = 'revision'),"
			 " (SELECT value FROM meta WHERE name = 'compacted')",
	[STMT_REV_SET] = "UPDATE meta SET value = ?1 WHERE name = 'revision'",
	[STMT_ITEM_REV] =
		"SELECT rev FROM item WHERE space = ?1 AND key = ?2 AND value IS NOT NULL",
	[STMT_ITEM_PUT] = "INSERT OR REPLACE INTO item (space, key, rev, value, sum)"
			  " VALUES (?1, ?2, ?3, ?4, ?5)",
	[STMT_ITEM_DELETE] = "UPDATE item SET value = NULL, sum = 0, rev = ?3"
			     " WHERE space = ?1 AND key = ?2 AND value IS NOT NULL",
	[STMT_COMPACT] = "DELETE FROM item WHERE value IS NULL AND rev <= ?1",
	[STMT_COMPACTED_SET] = "UPDATE meta SET value = ?1 WHERE name = 'compacted'",
	[STMT_PROBE] = "INSERT OR REPLACE INTO meta VALUES ('probe', ?1)",
	[STMT_CHANGES] = "SELECT key, rev, value, sum FROM item WHERE space = ?1 AND rev > ?2"
			 " ORDER BY rev, key",
	[STMT_LIST] = "SELECT key, rev, value, sum FROM item WHERE space = ?1"
		      " AND value IS NOT NULL ORDER BY rev, key",
	[STMT_SEND] = "INSERT INTO outbox (queue, text, sum, size) VALUES (?1, ?2, ?3, ?4)",
	/* From queue to queue by the index: a long one costs no more than a short one. */
	[STMT_PEEK] = "WITH RECURSIVE q (queue) AS (SELECT min(queue) FROM outbox UNION ALL"
		      " SELECT (SELECT min(queue) FROM outbox WHERE queue > q.queue) FROM q"
		      " WHERE q.queue IS NOT NULL)"
		      " SELECT o.id, o.queue, o.text, o.tries, o.next, o.sum"
		      " FROM q CROSS JOIN outbox AS o"
		      " ON o.id = (SELECT min(id) FROM outbox AS i WHERE i.queue = q.queue)"
		      " WHERE (next <= ?1 OR next > ?1 + ?3) ORDER BY next, id LIMIT ?2",
	[STMT_UNSEND] = "DELETE FROM outbox WHERE queue = ?1",
	[STMT_WAITING] = "SELECT count(*), total(" UNITS ") FROM outbox",
	/*
	 * What an owner has of the same age or newer is the place of a message: those at the highest
	 * places go, until ?1 are gone.
	 */
	[STMT_TRIM] = "DELETE FROM outbox WHERE id IN (SELECT id FROM (SELECT id, units,"
		      " sum(units) OVER (ORDER BY place DESC, id) AS gone FROM (SELECT id, units,"
		      " sum(units) OVER (PARTITION BY owner ORDER BY id DESC) AS place FROM"
		      " (SELECT id, owner(queue) AS owner, " UNITS " AS units FROM outbox)))"
		      " WHERE gone - units < ?1)",
	[STMT_FORGET] = "DELETE FROM outbox WHERE id = ?1",
	/* Only the message itself: messages of old versions have no sum. */
	[STMT_DONE] = "DELETE FROM outbox WHERE id = ?1 AND coalesce(sum, ?2) = ?2",
	[STMT_LATER] = "UPDATE outbox SET tries = tries + 1, next = ?3"
		       " WHERE id = ?1 AND coalesce(sum, ?2) = ?2",
};

int cv_store_prepare(struct cv_store *store, struct cv_errs *errs)
{
	for (int i = 0; i < STMT_N; i++) {
		int rc = sqlite3_prepare_v3(store->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &store->stmts[i], NULL);

		if (rc != SQLITE_OK)
			return cv_store_fault(store->db, rc, errs);
	}
	return 0;
}

int cv_store_run(struct cv_store *store, enum store_stmt stmt, struct cv_errs *errs)
{
	int rc = sqlite3_step(store->stmts[stmt]);
	int ret = rc == SQLITE_DONE ? 0 : cv_store_fault(store->db, rc, errs);

	sqlite3_reset(store->stmts[stmt]);
	return ret;
}

int cv_store_begin(struct cv_store *store, struct cv_errs *errs)
{
	return cv_store_run(store, STMT_BEGIN, errs);
}

int cv_store_finish(struct cv_store *store, int ret, struct cv_errs *errs)
{
	if (ret == 0)
		ret = cv_store_run(store, STMT_COMMIT, errs);
	/* Some errors have rolled it back already. */
	if (ret < 0 && sqlite3_get_autocommit(store->db) == 0) {
		sqlite3_step(store->stmts[STMT_ROLLBACK]);
		sqlite3_reset(store->stmts[STMT_ROLLBACK]);
	}
	return ret;
}

int cv_store_rev_read(struct cv_store *store, struct cv_errs *errs)
{
	sqlite3_stmt *stmt = store->stmts[STMT_REV_GET];
	int rc = sqlite3_step(stmt), ret = 0;

	if (rc != SQLITE_ROW) {
		ret = cv_store_fault(store->db, rc, errs);
	} else if (sqlite3_column_type(stmt, 0) != SQLITE_INTEGER ||
		   sqlite3_column_type(stmt, 1) != SQLITE_INTEGER) {
		ret = cv_store_fault(store->db, SQLITE_CORRUPT, errs);
	} else {
		store->rev = (uint64_t)sqlite3_column_int64(stmt, 0);
		store->gone = (uint64_t)sqlite3_column_int64(stmt, 1);
	}
	sqlite3_reset(stmt);
	return ret;
}

int64_t cv_store_sum(const char *key, const void *value, size_t len)
{
	return (int64_t)cv_siphash(value, len, cv_siphash(key, strlen(key), 0, 0), 0);
}

static void key_bind(sqlite3_stmt *stmt, const struct cv_store_op *op)
{
	sqlite3_bind_int(stmt, 1, (int)op->space);
	sqlite3_bind_text(stmt, 2, op->key, -1, SQLITE_STATIC);
}

static int op_check(struct cv_store *store, const struct cv_store_op *op, struct cv_errs *errs)
{
	sqlite3_stmt *stmt = store->stmts[STMT_ITEM_REV];
	uint64_t rev = 0;
	int rc;

	if (op->what == CV_STORE_SEND || op->what == CV_STORE_UNSEND || op->rev == CV_STORE_ANY)
		return 0;
	key_bind(stmt, op);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		rev = (uint64_t)sqlite3_column_int64(stmt, 0);
	sqlite3_reset(stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return cv_store_fault(store->db, rc, errs);
	if (rev == op->rev)
		return 0;
	cv_errs_add(errs, NULL, 0,
		    "'%.64s' was changed by another: it is at revision %llu, not %llu", op->key,
		    (unsigned long long)rev, (unsigned long long)op->rev);
	return -ESTALE;
}

static int op_do(struct cv_store *store, const struct cv_store_op *op, uint64_t rev,
		 struct cv_errs *errs)
{
	static const enum store_stmt stmts[] = {
		[CV_STORE_PUT] = STMT_ITEM_PUT,  [CV_STORE_DELETE] = STMT_ITEM_DELETE,
		[CV_STORE_CHECK] = STMT_N,       [CV_STORE_SEND] = STMT_SEND,
		[CV_STORE_UNSEND] = STMT_UNSEND,
	};
	sqlite3_stmt *stmt;
	int ret;

	if (op->what == CV_STORE_CHECK)
		return 0;
	stmt = store->stmts[stmts[op->what]];
	if (op->what == CV_STORE_SEND) {
		sqlite3_bind_text(stmt, 1, op->key, -1, SQLITE_STATIC);
		sqlite3_bind_text(stmt, 2, op->value, (int)op->len, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 3, cv_store_sum(op->key, op->value, op->len));
		sqlite3_bind_int64(stmt, 4, (int64_t)op->len);
	} else if (op->what == CV_STORE_UNSEND) {
		sqlite3_bind_text(stmt, 1, op->key, -1, SQLITE_STATIC);
	} else {
		key_bind(stmt, op);
		sqlite3_bind_int64(stmt, 3, (int64_t)rev);
	}
	if (op->what == CV_STORE_PUT) {
		/* An empty one is not a missing one. */
		sqlite3_bind_blob64(stmt, 4, op->len > 0 ? op->value : "", op->len, SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 5, cv_store_sum(op->key, op->value, op->len));
	}
	ret = cv_store_run(store, stmts[op->what], errs);
	sqlite3_clear_bindings(stmt);
	return ret;
}

static int compact(struct cv_store *store, uint64_t rev, uint64_t *gone, struct cv_errs *errs)
{
	int ret;

	if (rev % COMPACT_EVERY != 0 || rev <= CV_STORE_HISTORY)
		return 0;
	*gone = rev - CV_STORE_HISTORY;
	sqlite3_bind_int64(store->stmts[STMT_COMPACT], 1, (int64_t)*gone);
	sqlite3_bind_int64(store->stmts[STMT_COMPACTED_SET], 1, (int64_t)*gone);
	ret = cv_store_run(store, STMT_COMPACT, errs);
	return ret < 0 ? ret : cv_store_run(store, STMT_COMPACTED_SET, errs);
}

static int txn_do(struct cv_store *store, const struct cv_store_txn *txn, uint64_t rev,
		  uint64_t *gone, struct cv_errs *errs)
{
	int ret = 0;

	if (txn->at != CV_STORE_ANY && txn->at != store->rev) {
		cv_errs_add(errs, NULL, 0, "it is at revision %llu, not %llu",
			    (unsigned long long)store->rev, (unsigned long long)txn->at);
		return -ESTALE;
	}
	/* All comparisons are with what was there before. */
	for (size_t i = 0; i < txn->n && ret == 0; i++)
		ret = op_check(store, &txn->ops[i], errs);
	for (size_t i = 0; i < txn->n && ret == 0; i++)
		ret = op_do(store, &txn->ops[i], rev, errs);
	if (ret == 0)
		ret = compact(store, rev, gone, errs);
	sqlite3_bind_int64(store->stmts[STMT_REV_SET], 1, (int64_t)rev);
	return ret < 0 ? ret : cv_store_run(store, STMT_REV_SET, errs);
}

int cv_store_commit(struct cv_store *store, const struct cv_store_txn *txn, uint64_t *ret_rev,
		    struct cv_errs *errs)
{
	uint64_t gone, rev;
	int ret;

	pthread_mutex_lock(&store->lock);
	ret = cv_store_begin(store, errs);
	if (ret == 0) {
		ret = cv_store_place_check(store, errs);
		/* Another program may have written, by hand. */
		if (ret == 0)
			ret = cv_store_rev_read(store, errs);
		gone = store->gone;
		rev = store->rev + 1;
		if (ret == 0)
			ret = txn_do(store, txn, rev, &gone, errs);
		ret = cv_store_finish(store, ret, errs);
		if (ret == 0) {
			store->rev = rev;
			store->gone = gone;
			if (ret_rev != NULL)
				*ret_rev = rev;
		}
	}
	pthread_mutex_unlock(&store->lock);
	return ret;
}

int cv_store_probe(struct cv_store *store, struct cv_errs *errs)
{
	int ret;

	pthread_mutex_lock(&store->lock);
	ret = cv_store_place_mend(store, errs);
	if (ret == 0)
		ret = cv_store_begin(store, errs);
	if (ret == 0) {
		/* Another value each time: the same would not be written. */
		sqlite3_bind_int64(store->stmts[STMT_PROBE], 1, (int64_t)cv_clock_ms());
		ret = cv_store_finish(store, cv_store_run(store, STMT_PROBE, errs), errs);
	}
	pthread_mutex_unlock(&store->lock);
	return ret;
}

uint64_t cv_store_revision(struct cv_store *store)
{
	uint64_t rev;

	pthread_mutex_lock(&store->lock);
	rev = store->rev;
	pthread_mutex_unlock(&store->lock);
	return rev;
}

/* ---- the stream ---- */

static int row_take(struct cv_store *store, sqlite3_stmt *stmt, struct cv_store_item *item,
		    char **buf, struct cv_errs *errs)
{
	const void *value = sqlite3_column_blob(stmt, 2);

	item->key = (const char *)sqlite3_column_text(stmt, 0);
	item->rev = (uint64_t)sqlite3_column_int64(stmt, 1);
	item->len = (size_t)sqlite3_column_bytes(stmt, 2);
	item->value = NULL;
	if (item->key == NULL)
		return cv_store_fault(store->db, SQLITE_NOMEM, errs);
	if (sqlite3_column_type(stmt, 2) == SQLITE_NULL)
		return 0;
	if (cv_store_sum(item->key, value, item->len) != sqlite3_column_int64(stmt, 3)) {
		cv_errs_add(errs, NULL, 0,
			    "it is damaged: what is stored of '%.160s' is not what "
			    "was written",
			    item->key);
		return -EBADMSG;
	}
	*buf = sqlite3_malloc64(item->len + 1);
	if (*buf == NULL)
		return cv_store_fault(store->db, SQLITE_NOMEM, errs);
	if (item->len > 0)
		memcpy(*buf, value, item->len);
	(*buf)[item->len] = '\0';
	item->value = *buf;
	return 0;
}

static int rows_take(struct cv_store *store, sqlite3_stmt *stmt, const struct cv_store_since *since,
		     cv_store_item_fn *fn, void *arg, struct cv_errs *errs)
{
	int rc, ret = 0;

	while (ret == 0 && (rc = sqlite3_step(stmt)) != SQLITE_DONE) {
		struct cv_store_item item = {.space = since->space};
		char *buf = NULL;

		ret = rc == SQLITE_ROW ? row_take(store, stmt, &item, &buf, errs)
				       : cv_store_fault(store->db, rc, errs);
		item.damaged = rc == SQLITE_ROW && ret == -EBADMSG && since->damaged;
		if (ret == 0 || item.damaged)
			ret = fn(arg, &item);
		sqlite3_free(buf);
	}
	sqlite3_reset(stmt);
	return ret;
}

int cv_store_changes(struct cv_store *store, struct cv_store_since since, cv_store_item_fn *fn,
		     void *arg, uint64_t *ret_rev, struct cv_errs *errs)
{
	sqlite3_stmt *stmt;
	int ret = 0;

	pthread_mutex_lock(&store->lock);
	stmt = store->stmts[since.rev == 0 ? STMT_LIST : STMT_CHANGES];
	if (since.rev != 0 && since.rev < store->gone) {
		cv_errs_add(errs, NULL, 0, "deletions since revision %llu are forgotten",
			    (unsigned long long)since.rev);
		ret = -ESTALE;
	}
	sqlite3_bind_int(stmt, 1, (int)since.space);
	if (since.rev != 0)
		sqlite3_bind_int64(stmt, 2, (int64_t)since.rev);
	if (ret == 0)
		ret = rows_take(store, stmt, &since, fn, arg, errs);
	if (ret == 0 && ret_rev != NULL)
		*ret_rev = store->rev;
	pthread_mutex_unlock(&store->lock);
	return ret;
}
