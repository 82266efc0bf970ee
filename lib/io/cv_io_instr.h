/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * How many instructions a thread executes, as the machine counts them: a performance event of the
 * kernel. The thread itself does nothing for it.
 *
 * @threads any
 * @source  perf_event_open(2)
 */

#include <stdint.h>

/**
 * Begin to count what a thread of this process executes in user mode.
 *
 * @param tid  its kernel id
 * @return a descriptor, which the caller closes, or
 *   -ESRCH   there is no such thread
 *   -ENOENT  the machine has no counter for that
 *   -EACCES  the kernel does not allow it
 *   or another -errno of perf_event_open()
 */
int cv_io_instr_open(int tid);

/**
 * Instructions since the counter was opened.
 *
 * @param[out] ret_n  untouched on failure
 * @return 0, or -EIO when the counter is in other hands, so that it does not count all the time
 */
int cv_io_instr_read(int fd, uint64_t *ret_n);
