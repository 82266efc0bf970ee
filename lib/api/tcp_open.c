/* SPDX-License-Identifier: BSD-3-Clause */

/* Sockets to listen on, and the files of TLS. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve_priv.h"

#define BACKLOG 512
#define INHERITED_FIRST 3 /* systemd's SD_LISTEN_FDS_START */
#define INHERITED_MAX 64
#define PEM_LEN_MAX (1 << 20)

static bool address_parse(const char *text, struct sockaddr_in *addr)
{
	const char *colon = strrchr(text, ':');
	char host[INET_ADDRSTRLEN], *end;
	unsigned long port;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(host) || colon[1] < '0' ||
	    colon[1] > '9')
		return false;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > 65535 || inet_pton(AF_INET, host, &addr->sin_addr) != 1)
		return false;
	addr->sin_family = AF_INET;
	addr->sin_port = htons((uint16_t)port);
	return true;
}

static long env_number(const char *name)
{
	const char *text = getenv(name);

	return text != NULL ? strtol(text, NULL, 10) : 0;
}

static bool listens_on(int fd, const struct sockaddr_in *addr)
{
	struct sockaddr_in own = {0};
	socklen_t own_len = sizeof(own), on_len = sizeof(int);
	int on = 0;

	return getsockname(fd, (struct sockaddr *)&own, &own_len) == 0 &&
	       own.sin_family == AF_INET && own.sin_port == addr->sin_port &&
	       own.sin_addr.s_addr == addr->sin_addr.s_addr &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &on_len) == 0 && on != 0;
}

/* A socket that was passed to us as systemd passes them, perhaps from another network namespace. */
static int inherited_find(const struct sockaddr_in *addr)
{
	const int on = 1;
	long n = env_number("LISTEN_FDS");

	if (env_number("LISTEN_PID") != (long)getpid() || addr->sin_port == 0)
		return -1;
	for (int fd = INHERITED_FIRST; fd < INHERITED_FIRST + n && n <= INHERITED_MAX; fd++)
		if (listens_on(fd, addr) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 &&
		    fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
		    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0)
			return fd;
	return -1;
}

int cv_api_socket_open(const char *address, struct cv_errs *errs, uint16_t *ret_port)
{
	struct sockaddr_in addr = {0};
	socklen_t len = sizeof(addr);
	const int on = 1;
	int fd, err;

	if (!address_parse(address, &addr)) {
		cv_errs_add(errs, "api.listen", 0,
			    "'%.64s' is not an address and port: 127.0.0.1:8443", address);
		return -EINVAL;
	}
	fd = inherited_find(&addr);
	if (fd >= 0) {
		*ret_port = ntohs(addr.sin_port);
		return fd;
	}
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Connections take the option over: an answer in two pieces does not wait for an ACK. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, len) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0) {
		err = errno;
		cv_errs_add(errs, "api.listen", 0, "cannot listen on %.64s: %s%s", address,
			    strerror(err),
			    err == EADDRINUSE ? ": stop the other program, or choose another port"
			    : err == EACCES   ? ": ports below 1024 need CAP_NET_BIND_SERVICE"
			    : err == EADDRNOTAVAIL ? ": no interface has that address"
						   : "");
		close(fd);
		return -err;
	}
	*ret_port = ntohs(addr.sin_port);
	return fd;
}

char *cv_api_pem_read(const char *file, bool secret, struct cv_errs *errs, int *ret_err)
{
	const char *path = secret ? "api.tls.key" : "api.tls.cert";
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	struct stat st;
	ssize_t n;

	*ret_err = fd < 0 && (errno == ENOENT || errno == EACCES) ? -errno : -EINVAL;
	if (fd < 0 || fstat(fd, &st) < 0) {
		cv_errs_add(errs, path, 0, "%s: %s", file, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > PEM_LEN_MAX) {
		cv_errs_add(errs, path, 0, "%s is not a PEM file", file);
	} else if (secret && (st.st_mode & 077) != 0) {
		cv_errs_add(errs, path, 0, "%s may be read by others: chmod 600 it", file);
	} else {
		text = malloc((size_t)st.st_size + 1);
		n = text != NULL ? read(fd, text, (size_t)st.st_size) : -1;
		if (text == NULL)
			*ret_err = -ENOMEM;
		else
			text[n > 0 ? n : 0] = '\0';
	}
	if (fd >= 0)
		close(fd);
	return text;
}
