/* SPDX-License-Identifier: BSD-3-Clause */

/* What culvertd says, and to whom: errors, log lines, the service manager. */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app.h"

#define LINE_LEN (CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 32)

static void print_line(enum cv_log_level level, const char *line, void *arg)
{
	static const char *const names[] = {"debug: ", "", "", "warning: ", "error: "};
	const bool *verbose = arg;

	if (level > CV_LOG_DEBUG || *verbose)
		fprintf(stderr, "culvertd: %s%s\n", names[level], line);
}

void app_log_init(bool *verbose)
{
	cv_log_sink_set(print_line, verbose);
}

void app_errs_print(const char *file, const struct cv_errs *errs)
{
	char line[LINE_LEN];
	size_t i;

	for (i = 0; i < errs->n; i++)
		fprintf(stderr, "%s: %s\n", file, cv_err_str(&errs->items[i], line, sizeof(line)));
	if (errs->truncated)
		fprintf(stderr, "%s: there are more errors, but no memory to list them\n", file);
}

void app_warnings_log(const char *file, const struct cv_errs *warnings)
{
	char line[LINE_LEN];
	size_t i;

	for (i = 0; i < warnings->n; i++)
		cv_log(CV_LOG_WARNING, "%s: %s", file,
		       cv_err_str(&warnings->items[i], line, sizeof(line)));
}

void app_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = path != NULL ? strlen(path) : 0;
	int fd;

	if (len < 2 || len >= sizeof(addr.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(addr.sun_path, path, len);
	/* A name in the abstract namespace is written with an at sign for its leading zero. */
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&addr,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		cv_log(CV_LOG_WARNING, "cannot notify the service manager at %s", path);
	close(fd);
}
