/* SPDX-License-Identifier: BSD-3-Clause */

#include "api_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that may wait to be accepted. */
#define BACKLOG 16

/* Make the directory that the socket lies in. Only one level: a longer missing path is a typing error. */
static int dir_make(const char *path, struct cv_errs *errs)
{
	struct sockaddr_un addr;
	char dir[sizeof(addr.sun_path)];
	char *slash;

	strcpy(dir, path); /* its length has been checked */
	slash = strrchr(dir, '/');
	if (slash == NULL || slash == dir)
		return 0;
	*slash = '\0';
	if (mkdir(dir, 0755) == 0 || errno == EEXIST)
		return 0;
	cv_errs_add(errs, "control.socket", 0, "cannot make directory %s: %s", dir,
		    strerror(errno));
	return -errno;
}

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* What stands at the path: 0 if nothing or a socket on which nobody answers, which is removed. */
static int path_clear(const struct sockaddr_un *addr, struct cv_errs *errs)
{
	const char *path = addr->sun_path;
	struct stat st;
	int fd, err;

	if (lstat(path, &st) < 0) {
		if (errno == ENOENT)
			return 0;
		cv_errs_add(errs, "control.socket", 0, "%s: %s", path, strerror(errno));
		return -errno;
	}
	if (!S_ISSOCK(st.st_mode)) {
		cv_errs_add(errs, "control.socket", 0,
			    "%s is not a socket: move it away or name another path", path);
		return -ENOTSOCK;
	}
	fd = unix_socket();
	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : errno;
	close(fd);
	if (err == ECONNREFUSED || err == ENOENT) {
		unlink(path);
		return 0;
	}
	if (err == 0 || err == EAGAIN)
		cv_errs_add(errs, "control.socket", 0,
			    "another process answers on %s: is culvertd running already?", path);
	else
		cv_errs_add(errs, "control.socket", 0, "%s: %s", path, strerror(err));
	return err == 0 || err == EAGAIN ? -EADDRINUSE : -err;
}

static int path_bind(int fd, const struct sockaddr_un *addr, struct cv_errs *errs)
{
	struct stat st;

	/* On Linux the file takes over the socket's own mode: there is no moment in which others may
	 * connect, and no umask, which belongs to all threads, is touched. */
	if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0) {
		int err = errno;

		cv_errs_add(errs, "control.socket", 0, "cannot bind %s: %s", addr->sun_path,
			    strerror(err));
		return -err;
	}
	if (lstat(addr->sun_path, &st) < 0 || (st.st_mode & 0777) != 0600 ||
	    listen(fd, BACKLOG) < 0) {
		cv_errs_add(errs, "control.socket", 0, "cannot listen on %s", addr->sun_path);
		unlink(addr->sun_path);
		return -EIO;
	}
	return 0;
}

int cv_api_listen_open(const char *path, struct cv_errs *errs, struct api_listen *ret_listen)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	int ret, fd;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		cv_errs_add(errs, "control.socket", 0,
			    "%s is longer than the %zu bytes of a socket path", path,
			    sizeof(addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, path);
	ret = dir_make(path, errs);
	if (ret == 0)
		ret = path_clear(&addr, errs);
	if (ret < 0)
		return ret;
	fd = unix_socket();
	if (fd < 0)
		return -errno;
	ret = path_bind(fd, &addr, errs);
	if (ret == 0 && lstat(path, &st) < 0)
		ret = -errno;
	if (ret < 0) {
		close(fd);
		return ret;
	}
	*ret_listen =
		(struct api_listen){.fd = fd, .path = path, .dev = st.st_dev, .ino = st.st_ino};
	return 0;
}

void cv_api_listen_unlink(const struct api_listen *listen)
{
	struct stat st;

	if (lstat(listen->path, &st) == 0 && st.st_dev == listen->dev && st.st_ino == listen->ino)
		unlink(listen->path);
}
