/* SPDX-License-Identifier: BSD-3-Clause */

/* The file: made, locked, checked, closed. */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_priv.h"

/* Another program that reads the file, for a backup, is waited for. */
#define BUSY_MS 2000

/* What a system's error becomes. */
static int errno_map(int err)
{
	switch (err) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return -ENOSPC;
	case EPERM:
	case EACCES:
	case EISDIR:
	case ENOTDIR:
		return -EACCES;
	case EROFS:
	case ENOENT:
	case ENOMEM:
		return -err;
	default:
		return -EIO;
	}
}

static int rc_map(sqlite3 *db, int rc)
{
	int err = sqlite3_system_errno(db);

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_SCHEMA:
	case SQLITE_ERROR: /* our statements do not fit its tables */
		return -EBADMSG;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	default:
		if (rc == SQLITE_IOERR_NOMEM)
			return -ENOMEM;
		return err != 0 ? errno_map(err) : -EIO;
	}
}

int cv_store_fault(sqlite3 *db, int rc, struct cv_errs *errs)
{
	int ext = db != NULL ? sqlite3_extended_errcode(db) : rc;
	int ret = rc_map(db, ext == SQLITE_OK || (ext & 0xff) != (rc & 0xff) ? rc : ext);
	int err = db != NULL ? sqlite3_system_errno(db) : 0;
	const char *what =
		rc == SQLITE_NOMEM || db == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(db);

	switch (ret) {
	case -ENOSPC:
		cv_errs_add(errs, NULL, 0, "its file system is full: make room");
		break;
	case -EROFS:
		cv_errs_add(errs, NULL, 0,
			    "it cannot be written: the file or its file system is "
			    "read-only");
		break;
	case -EBADMSG:
		cv_errs_add(errs, NULL, 0,
			    "it is damaged (%.200s): put a backup in its place, or "
			    "move it away to begin anew",
			    what);
		break;
	case -EBUSY:
		cv_errs_add(errs, NULL, 0, "another program keeps it locked");
		break;
	case -EACCES:
		cv_errs_add(errs, NULL, 0, "no right to read and write it");
		break;
	default:
		cv_errs_add(errs, NULL, 0, "%.200s%s%s", what, err != 0 ? ": " : "",
			    err != 0 ? strerror(err) : "");
	}
	return ret;
}

int cv_store_fault_errno(const char *what, const char *path, struct cv_errs *errs)
{
	int err = errno;

	cv_errs_add(errs, NULL, 0, "%s %.200s: %s", what, path, strerror(err));
	return errno_map(err);
}

int cv_store_dir_sync(const char *dir, struct cv_errs *errs)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), ret = 0;

	/* Some file systems have no such thing. */
	if (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))
		ret = cv_store_fault_errno("cannot write the directory", dir, errs);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* The last part of the directory is made, too: /var/lib is there, /var/lib/culvert perhaps not. */
static int dir_make(const char *path, struct cv_errs *errs)
{
	char *copy = strdup(path);
	int ret = 0;

	if (copy == NULL)
		return -ENOMEM;
	/* Its name is to be as durable as what will be in it. */
	if (mkdir(dirname(copy), 0700) == 0)
		ret = cv_store_dir_sync(dirname(copy), errs);
	else if (errno != EEXIST)
		ret = cv_store_fault_errno("cannot make the directory of", path, errs);
	free(copy);
	return ret;
}

/* SQLite's own locks come and go, and closing any other descriptor of the file would drop them. */
static int lock_take(struct cv_store *store, const char *path, struct cv_errs *errs)
{
	char *name;
	int ret = 0;

	if (asprintf(&name, "%s.lock", path) < 0)
		return -ENOMEM;
	store->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock_fd < 0) {
		ret = cv_store_fault_errno("cannot open", name, errs);
	} else if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		ret = errno == EWOULDBLOCK ? -EBUSY : -EIO;
		cv_errs_add(errs, NULL, 0,
			    ret == -EBUSY ? "another culvertd uses it: stop that one, "
					    "or give this one a file of its own"
					  : "cannot lock %.200s",
			    name);
	}
	free(name);
	return ret;
}

/* It is made before SQLite does, which would make it as the umask says; its companions get its mode. */
static int file_make(const char *path, struct cv_errs *errs)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int ret = fd < 0 ? cv_store_fault_errno("cannot open", path, errs) : 0;
	struct stat st;

	if (fd < 0)
		return ret;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		cv_errs_add(errs, NULL, 0, "%.200s is not a file", path);
		ret = -EACCES;
	} else if ((st.st_mode & 077) != 0 && fchmod(fd, 0600) < 0) {
		ret = cv_store_fault_errno("others may read it, and that cannot be changed:", path,
					   errs);
	}
	close(fd);
	return ret;
}

static int settle(struct cv_store *store, bool memory, struct cv_errs *errs)
{
	static const char sets[] = "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
				   "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;";
	sqlite3_stmt *stmt = NULL;
	const char *word;
	int rc, ret = 0;

	sqlite3_busy_timeout(store->db, BUSY_MS);
	rc = sqlite3_exec(store->db, sets, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW) {
		ret = cv_store_fault(store->db, rc, errs);
	} else if (!memory) {
		word = (const char *)sqlite3_column_text(stmt, 0);
		if (word == NULL || strcmp(word, "wal") != 0)
			ret = cv_store_fault(store->db, SQLITE_READONLY, errs);
	}
	sqlite3_finalize(stmt);
	return ret;
}

/* All of it is read once: damage is found now, not in a year. */
static int check(struct cv_store *store, struct cv_errs *errs)
{
	sqlite3_stmt *stmt = NULL;
	const char *word;
	int rc = sqlite3_prepare_v2(store->db, "PRAGMA integrity_check(1)", -1, &stmt, NULL),
	    ret = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	word = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
	if (word == NULL) {
		ret = cv_store_fault(store->db, rc == SQLITE_ROW ? SQLITE_NOMEM : rc, errs);
	} else if (strcmp(word, "ok") != 0) {
		cv_errs_add(errs, NULL, 0,
			    "it is damaged (%.200s): put a backup in its place, or "
			    "move it away to begin anew",
			    word);
		ret = -EBADMSG;
	}
	sqlite3_finalize(stmt);
	return ret;
}

/* The number that counts them cannot be behind what it has counted. */
static int rev_check(struct cv_store *store, struct cv_errs *errs)
{
	sqlite3_stmt *stmt = NULL;
	int ret = cv_store_rev_read(store, errs);
	int rc = sqlite3_prepare_v2(store->db, "SELECT ifnull(max(rev), 0) FROM item", -1, &stmt,
				    NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (ret == 0 && rc != SQLITE_ROW)
		ret = cv_store_fault(store->db, rc, errs);
	else if (ret == 0 && (uint64_t)sqlite3_column_int64(stmt, 0) > store->rev)
		ret = cv_store_fault(store->db, SQLITE_CORRUPT, errs);
	sqlite3_finalize(stmt);
	return ret;
}

int cv_store_db_open(struct cv_store *store, struct cv_errs *errs)
{
	int ret = store->path != NULL ? file_make(store->path, errs) : 0;
	int rc;

	if (ret < 0)
		return ret;
	rc = sqlite3_open_v2(store->path != NULL ? store->path : ":memory:", &store->db,
			     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
			     NULL);
	if (rc != SQLITE_OK)
		return cv_store_fault(store->db, rc, errs);
	sqlite3_extended_result_codes(store->db, 1);
	ret = settle(store, store->path == NULL, errs);
	if (ret == 0)
		ret = check(store, errs);
	if (ret == 0)
		ret = cv_store_migrate(store, errs);
	if (ret == 0)
		ret = cv_store_outbox_prepare(store, errs);
	if (ret == 0)
		ret = cv_store_prepare(store, errs);
	if (ret == 0)
		ret = rev_check(store, errs);
	if (ret == 0)
		cv_store_place_note(store);
	return ret;
}

void cv_store_db_close(struct cv_store *store)
{
	for (int i = 0; i < STMT_N; i++)
		sqlite3_finalize(store->stmts[i]);
	sqlite3_close(store->db);
}

int cv_store_open(const char *path, struct cv_errs *errs, struct cv_store **ret_store)
{
	struct cv_store *store = calloc(1, sizeof(*store));
	int ret = 0;

	if (store == NULL)
		return -ENOMEM;
	store->lock_fd = -1;
	pthread_mutex_init(&store->lock, NULL);
	store->path = path != NULL ? strdup(path) : NULL;
	if (path != NULL)
		ret = store->path != NULL ? dir_make(path, errs) : -ENOMEM;
	if (ret == 0 && path != NULL)
		ret = lock_take(store, path, errs);
	if (ret == 0)
		ret = cv_store_db_open(store, errs);
	if (ret < 0) {
		cv_store_close(store);
		return ret;
	}
	*ret_store = store;
	return 0;
}

void cv_store_close(struct cv_store *store)
{
	struct cv_errs errs = {0};

	if (store == NULL)
		return;
	/* One that could not be opened is not ours. */
	if (store->file.ino != 0 && cv_store_place_check(store, &errs) < 0)
		cv_store_place_leave(store);
	cv_errs_fini(&errs);
	cv_store_db_close(store);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	pthread_mutex_destroy(&store->lock);
	free(store->path);
	free(store);
}
