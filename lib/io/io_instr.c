/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_io_instr.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

int cv_io_instr_open(int tid)
{
	/* Pinned: either it counts all the time or it says that it does not; nothing to scale. */
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.pinned = 1,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	long fd;

	/* To the kernel, 0 is the caller. */
	if (tid == 0)
		return -ESRCH;
	fd = syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	return fd < 0 ? -errno : (int)fd;
}

int cv_io_instr_read(int fd, uint64_t *ret_n)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		return -EIO;
	*ret_n = n;
	return 0;
}
