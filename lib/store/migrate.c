/* SPDX-License-Identifier: BSD-3-Clause */

/* The tables, version by version. */

#include <errno.h>
#include <stdio.h>

#include "store_priv.h"

/* "clvt": files of others are not touched. */
#define APPLICATION_ID 0x636c7674

/*
 * Each brings the version before up to its own; what has been released is never changed. An item without
 * a value is deleted; it stays for a while so that the deletion can be told.
 */
static const char *const migrations[] = {
	"CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	"INSERT INTO meta VALUES ('revision', 0), ('compacted', 0);"
	"CREATE TABLE item (space INTEGER NOT NULL, key TEXT NOT NULL, rev INTEGER NOT NULL,"
	" value BLOB, sum INTEGER NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;"
	"CREATE INDEX item_rev ON item (space, rev);"
	"CREATE INDEX item_gone ON item (rev) WHERE value IS NULL;"
	"PRAGMA application_id = 1668052596;",

	"CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL,"
	" text TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next INTEGER NOT NULL DEFAULT 0);"
	"CREATE INDEX outbox_queue ON outbox (queue, id);",

	/* Those of before have none. */
	"ALTER TABLE outbox ADD COLUMN sum INTEGER;",

	/* To add up what waits without reading it: bytes of the text, for those of before as 0. */
	("ALTER TABLE outbox ADD COLUMN size INTEGER NOT NULL DEFAULT 0;"
	 "DROP INDEX outbox_queue; CREATE INDEX outbox_queue ON outbox (queue, id, size);"),
};

_Static_assert(CV_ARRAY_LEN(migrations) == CV_STORE_VERSION, "one for each version");
_Static_assert(APPLICATION_ID == 1668052596, "as the first migration writes it");

static int number_get(struct cv_store *store, const char *sql, int64_t *ret_n, struct cv_errs *errs)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret_n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : cv_store_fault(store->db, rc, errs);
}

static int exec(struct cv_store *store, const char *sql, struct cv_errs *errs)
{
	int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : cv_store_fault(store->db, rc, errs);
}

/* A version's tables and its number come together. */
static int step(struct cv_store *store, int64_t version, struct cv_errs *errs)
{
	char sql[64];
	int ret = exec(store, "BEGIN IMMEDIATE", errs);

	if (ret == 0)
		ret = exec(store, migrations[version], errs);
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %lld", (long long)version + 1);
	if (ret == 0)
		ret = exec(store, sql, errs);
	if (ret == 0)
		ret = exec(store, "COMMIT", errs);
	if (ret < 0)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return ret;
}

int cv_store_migrate(struct cv_store *store, struct cv_errs *errs)
{
	int64_t version = 0, id = 0, n_tables = 0;
	int ret = number_get(store, "PRAGMA user_version", &version, errs);

	if (ret == 0)
		ret = number_get(store, "PRAGMA application_id", &id, errs);
	if (ret == 0)
		ret = number_get(store, "SELECT count(*) FROM sqlite_schema", &n_tables, errs);
	if (ret < 0)
		return ret;
	if (n_tables > 0 ? id != APPLICATION_ID || version < 1 : version != 0 || id != 0) {
		cv_errs_add(errs, NULL, 0, "it is a database, but not one of culvert's");
		return -EBADMSG;
	}
	if (version > CV_STORE_VERSION) {
		cv_errs_add(errs, NULL, 0,
			    "a newer culvert wrote it: it has version %lld, this one knows up to "
			    "%d. Run the newer culvert, or put a backup of before in its place",
			    (long long)version, CV_STORE_VERSION);
		return -ENOTSUP;
	}
	for (; ret == 0 && version < CV_STORE_VERSION; version++)
		ret = step(store, version, errs);
	return ret;
}
