/* SPDX-License-Identifier: BSD-3-Clause */

#include <fcntl.h>
#include <unistd.h>

#include "app.h"

/* Where one of them is closed, a socket or a file of ours would get its number, and the log. */
static bool std_fds_fill(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int main(int argc, char **argv)
{
	struct app_opts opts;
	int rc;

	if (!std_fds_fill())
		return APP_RUNTIME;
	rc = app_opts_read(argc, argv, &opts);
	if (rc >= 0)
		return rc;
	app_log_init(&opts.verbose);
	return opts.check ? app_check(&opts) : app_serve(&opts);
}
