/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A file system for SQLite whose n-th call fails: the default one, with a counter before each call that
 * may fail.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

/** What fails. */
static struct store_fault {
	long calls;  /**< counted */
	long at;     /**< the call that fails, from 0; -1: none */
	bool onward; /**< and all after it */
	int full;    /**< what a write that fails returns */
	bool fired;
} store_fault = {.at = -1, .full = SQLITE_FULL};

struct store_file {
	sqlite3_file base;
	sqlite3_file *orig;
};

static inline bool store_fails(void)
{
	long n = store_fault.calls++;
	bool fails = store_fault.at >= 0 &&
		     (n == store_fault.at || (store_fault.onward && n > store_fault.at));

	store_fault.fired = store_fault.fired || fails;
	return fails;
}

static inline sqlite3_file *store_orig(sqlite3_file *file)
{
	return ((struct store_file *)(void *)file)->orig;
}

#define ORIG(file) (store_orig(file)->pMethods)

static int store_close(sqlite3_file *file)
{
	int rc = ORIG(file)->xClose(store_orig(file));

	free(store_orig(file));
	return rc;
}

static int store_read(sqlite3_file *file, void *buf, int len, sqlite3_int64 at)
{
	return store_fails() ? SQLITE_IOERR_READ
			     : ORIG(file)->xRead(store_orig(file), buf, len, at);
}

/* A write that fails has been begun. */
static int store_write(sqlite3_file *file, const void *buf, int len, sqlite3_int64 at)
{
	if (!store_fails())
		return ORIG(file)->xWrite(store_orig(file), buf, len, at);
	ORIG(file)->xWrite(store_orig(file), buf, len / 2, at);
	return store_fault.full;
}

static int store_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return store_fails() ? SQLITE_IOERR_TRUNCATE
			     : ORIG(file)->xTruncate(store_orig(file), size);
}

static int store_sync(sqlite3_file *file, int flags)
{
	return store_fails() ? SQLITE_IOERR_FSYNC : ORIG(file)->xSync(store_orig(file), flags);
}

static int store_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return store_fails() ? SQLITE_IOERR_FSTAT : ORIG(file)->xFileSize(store_orig(file), size);
}

static int store_lock(sqlite3_file *file, int level)
{
	return store_fails() ? SQLITE_IOERR_LOCK : ORIG(file)->xLock(store_orig(file), level);
}

static int store_unlock(sqlite3_file *file, int level)
{
	return ORIG(file)->xUnlock(store_orig(file), level);
}

static int store_reserved(sqlite3_file *file, int *held)
{
	return ORIG(file)->xCheckReservedLock(store_orig(file), held);
}

static int store_control(sqlite3_file *file, int op, void *arg)
{
	return ORIG(file)->xFileControl(store_orig(file), op, arg);
}

static int store_sector(sqlite3_file *file)
{
	return ORIG(file)->xSectorSize(store_orig(file));
}

static int store_device(sqlite3_file *file)
{
	return ORIG(file)->xDeviceCharacteristics(store_orig(file));
}

static int store_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **ret)
{
	return store_fails() ? SQLITE_IOERR_SHMMAP
			     : ORIG(file)->xShmMap(store_orig(file), page, size, extend, ret);
}

static int store_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	if ((flags & SQLITE_SHM_LOCK) != 0 && store_fails())
		return SQLITE_IOERR_SHMLOCK;
	return ORIG(file)->xShmLock(store_orig(file), offset, n, flags);
}

static void store_shm_barrier(sqlite3_file *file)
{
	ORIG(file)->xShmBarrier(store_orig(file));
}

static int store_shm_unmap(sqlite3_file *file, int remove)
{
	return ORIG(file)->xShmUnmap(store_orig(file), remove);
}

static const sqlite3_io_methods store_methods = {
	.iVersion = 2,
	.xClose = store_close,
	.xRead = store_read,
	.xWrite = store_write,
	.xTruncate = store_truncate,
	.xSync = store_sync,
	.xFileSize = store_size,
	.xLock = store_lock,
	.xUnlock = store_unlock,
	.xCheckReservedLock = store_reserved,
	.xFileControl = store_control,
	.xSectorSize = store_sector,
	.xDeviceCharacteristics = store_device,
	.xShmMap = store_shm_map,
	.xShmLock = store_shm_lock,
	.xShmBarrier = store_shm_barrier,
	.xShmUnmap = store_shm_unmap,
};

static sqlite3_vfs *store_vfs_orig;

static int store_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	struct store_file *f = (struct store_file *)(void *)file;
	int rc;

	(void)vfs;
	f->base.pMethods = NULL;
	if (store_fails())
		return SQLITE_CANTOPEN;
	f->orig = calloc(1, (size_t)store_vfs_orig->szOsFile);
	if (f->orig == NULL)
		return SQLITE_NOMEM;
	rc = store_vfs_orig->xOpen(store_vfs_orig, name, f->orig, flags, out);
	if (rc != SQLITE_OK)
		free(f->orig);
	else
		f->base.pMethods = &store_methods;
	return rc;
}

static int store_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
	(void)vfs;
	return store_fails() ? SQLITE_IOERR_DELETE
			     : store_vfs_orig->xDelete(store_vfs_orig, name, sync);
}

/** Have SQLite use it for everything from now on. */
static inline void store_vfs_install(void)
{
	static sqlite3_vfs vfs;

	store_vfs_orig = sqlite3_vfs_find(NULL);
	vfs = *store_vfs_orig;
	vfs.pNext = NULL;
	vfs.szOsFile = (int)sizeof(struct store_file);
	vfs.zName = "failing";
	vfs.xOpen = store_open;
	vfs.xDelete = store_delete;
	sqlite3_vfs_register(&vfs, 1);
}
