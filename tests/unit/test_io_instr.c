/* SPDX-License-Identifier: BSD-3-Clause */

/* Counting instructions, with a kernel of the test's own: most machines of a test have no counters. */

#include <errno.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_io_instr.h"

/* What the kernel was asked, and what it says: an error, or 0. */
static struct perf_event_attr asked;
static int asked_tid, perf_errno;

/* Stands before libc's. */
long syscall(long number, ...)
{
	const struct perf_event_attr *attr;
	va_list ap;

	va_start(ap, number);
	attr = va_arg(ap, const struct perf_event_attr *);
	asked_tid = va_arg(ap, int);
	va_end(ap);
	if (number != SYS_perf_event_open)
		return -1;
	asked = *attr;
	errno = perf_errno;
	return perf_errno != 0 ? -1 : memfd_create("counter", 0);
}

static void counter_is_the_threads_own_and_never_shared(void **state)
{
	const uint64_t word = 1ull << 40;
	uint64_t n = 7;
	int fd;

	(void)state;
	perf_errno = 0;
	fd = cv_io_instr_open(4711);
	assert_true(fd >= 0);
	assert_int_equal(asked_tid, 4711);
	assert_int_equal(asked.type, PERF_TYPE_HARDWARE);
	assert_int_equal(asked.config, PERF_COUNT_HW_INSTRUCTIONS);
	assert_int_equal(asked.size, sizeof(asked));
	assert_true(asked.pinned && asked.exclude_kernel && !asked.disabled && !asked.inherit);
	/* A pinned counter that is in other hands reads as the end of a file. */
	assert_int_equal(cv_io_instr_read(fd, &n), -EIO);
	assert_int_equal(n, 7);
	assert_int_equal(pwrite(fd, &word, sizeof(word), 0), sizeof(word));
	assert_int_equal(cv_io_instr_read(fd, &n), 0);
	assert_true(n == word);
	close(fd);
}

static void refusals_are_passed_on(void **state)
{
	(void)state;
	perf_errno = ENOENT;
	assert_int_equal(cv_io_instr_open(1), -ENOENT);
	perf_errno = EACCES;
	assert_int_equal(cv_io_instr_open(1), -EACCES);
	perf_errno = ESRCH;
	assert_int_equal(cv_io_instr_open(1), -ESRCH);
	/* No thread: to the kernel, 0 would be the caller. */
	perf_errno = 0;
	asked_tid = -1;
	assert_int_equal(cv_io_instr_open(0), -ESRCH);
	assert_int_equal(asked_tid, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counter_is_the_threads_own_and_never_shared),
		cmocka_unit_test(refusals_are_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
