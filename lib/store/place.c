/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The file that is open, and what is under its name. An open file that was moved, removed or replaced takes
 * every write and keeps none for the next start.
 */

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store_priv.h"

/* Its log, which holds what was written last. */
#define WAL "-wal"
/* And the index of that, which is made from it. */
#define SHM "-shm"

/* @return 0, -ENOENT, -EIO (who knows) or -ENOMEM; untouched on failure */
static int place_get(const struct cv_store *store, const char *end, struct store_place *ret_place)
{
	struct stat st;
	char *name;
	int ret;

	if (asprintf(&name, "%s%s", store->path, end) < 0)
		return -ENOMEM;
	ret = 0;
	if (stat(name, &st) < 0)
		ret = errno == ENOENT ? -ENOENT : -EIO;
	free(name);
	if (ret == 0)
		*ret_place = (struct store_place){st.st_dev, st.st_ino};
	return ret;
}

static bool is_at(const struct cv_store *store, const char *end, const struct store_place *place)
{
	struct store_place now;

	return place_get(store, end, &now) == 0 && now.dev == place->dev && now.ino == place->ino;
}

void cv_store_place_note(struct cv_store *store)
{
	if (store->path == NULL)
		return;
	(void)place_get(store, "", &store->file);
	(void)place_get(store, WAL, &store->wal);
}

int cv_store_place_check(const struct cv_store *store, struct cv_errs *errs)
{
	if (store->path == NULL ||
	    (is_at(store, "", &store->file) && is_at(store, WAL, &store->wal)))
		return 0;
	cv_errs_add(errs, NULL, 0,
		    "it or its -wal was moved, removed or replaced while it was in use");
	return -ENXIO;
}

static int companion_remove(const struct cv_store *store, const char *end, struct cv_errs *errs)
{
	char *name;
	int ret = 0;

	if (asprintf(&name, "%s%s", store->path, end) < 0)
		return -ENOMEM;
	if (unlink(name) < 0 && errno != ENOENT)
		ret = cv_store_fault_errno("cannot remove", name, errs);
	free(name);
	return ret;
}

/* What belongs to the old file must not be taken for the new one's. @param wal  the log, too */
static int companions_remove(const struct cv_store *store, bool wal, struct cv_errs *errs)
{
	int ret = wal ? companion_remove(store, WAL, errs) : 0;

	return ret < 0 ? ret : companion_remove(store, SHM, errs);
}

/* SQLite leaves a file alone that was moved: its log would be a stranger's to whatever is opened next. */
void cv_store_place_leave(struct cv_store *store)
{
	(void)sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
}

static int file_sync(const char *path, struct cv_errs *errs)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), ret = 0;

	if (fd < 0 || fsync(fd) < 0)
		ret = cv_store_fault_errno("cannot write", path, errs);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* All that is known goes to a new file, made beside and then put in place: there is none, or half of one. */
static int copy_make(struct cv_store *store, const char *name, struct cv_errs *errs)
{
	sqlite3_stmt *stmt = NULL;
	int fd, rc, ret;

	unlink(name);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return cv_store_fault_errno("cannot make", name, errs);
	close(fd);
	rc = sqlite3_prepare_v2(store->db, "VACUUM INTO ?1", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	ret = rc == SQLITE_DONE ? 0 : cv_store_fault(store->db, rc, errs);
	sqlite3_finalize(stmt);
	if (ret == 0)
		ret = file_sync(name, errs);
	if (ret < 0)
		unlink(name);
	return ret;
}

static int rescue(struct cv_store *store, struct cv_errs *errs)
{
	char *name, *dir = strdup(store->path);
	int ret;

	if (dir == NULL || asprintf(&name, "%s.new", store->path) < 0) {
		free(dir);
		return -ENOMEM;
	}
	ret = copy_make(store, name, errs);
	if (ret == 0)
		ret = companions_remove(store, true, errs);
	if (ret == 0 && rename(name, store->path) < 0)
		ret = cv_store_fault_errno("cannot make", store->path, errs);
	if (ret == 0)
		ret = cv_store_dir_sync(dirname(dir), errs);
	free(name);
	free(dir);
	return ret;
}

/* The old connection is the one in use until the new one is good. */
static int swap(struct cv_store *store, struct cv_errs *errs)
{
	struct cv_store fresh = {.path = store->path};
	int ret = cv_store_db_open(&fresh, errs);

	if (ret < 0) {
		cv_store_db_close(&fresh);
		return ret;
	}
	/* SQLite sees that its file was moved, and leaves alone what has its names now. */
	cv_store_db_close(store);
	store->db = fresh.db;
	memcpy(store->stmts, fresh.stmts, sizeof(store->stmts));
	store->file = fresh.file;
	store->wal = fresh.wal;
	store->rev = fresh.rev;
	store->gone = fresh.gone;
	return 0;
}

int cv_store_place_mend(struct cv_store *store, struct cv_errs *errs)
{
	struct store_place now, wal;
	int ret, ret_wal;

	if (store->path == NULL ||
	    (is_at(store, "", &store->file) && is_at(store, WAL, &store->wal)))
		return 0;
	ret = place_get(store, "", &now);
	ret_wal = place_get(store, WAL, &wal);
	if ((ret < 0 && ret != -ENOENT) || (ret_wal < 0 && ret_wal != -ENOENT)) {
		cv_errs_add(errs, NULL, 0, "its directory cannot be read");
		return ret < 0 && ret != -ENOENT ? ret : ret_wal;
	}
	if (ret < 0 || is_at(store, "", &store->file)) {
		ret = rescue(store, errs);
	} else {
		/* The old file keeps what was in its log, the new one the log that came with it. */
		cv_store_place_leave(store);
		ret = companions_remove(store, is_at(store, WAL, &store->wal), errs);
	}
	return ret < 0 ? ret : swap(store, errs);
}
