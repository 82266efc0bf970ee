/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * For one test program: an allocator whose n-th call fails, and which counts what is not given back.
 *
 * Include in one file only. Under AddressSanitizer, which needs malloc for itself, ALLOC_FAIL is 0 and the
 * tests that use it skip; there the ordinary run finds leaks.
 */

#include <malloc.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define ALLOC_FAIL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ALLOC_FAIL 0
#endif
#endif
#ifndef ALLOC_FAIL
#define ALLOC_FAIL 1
#endif

/** Calls until one fails: 0 for never. Counts down while not 0. */
static long alloc_fail_in;
/** Blocks handed out and not given back since alloc_watch(), and their bytes. */
static long alloc_live;
static long alloc_bytes;

#if ALLOC_FAIL
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void __libc_free(void *block);

static int alloc_fails(void)
{
	return alloc_fail_in > 0 && --alloc_fail_in == 0;
}

static void *block_count(void *block)
{
	alloc_live += block != NULL;
	alloc_bytes += block != NULL ? (long)malloc_usable_size(block) : 0;
	return block;
}

void *malloc(size_t size)
{
	void *block = alloc_fails() ? NULL : __libc_malloc(size);

	return block_count(block);
}

void *calloc(size_t n, size_t size)
{
	void *block = alloc_fails() ? NULL : __libc_calloc(n, size);

	return block_count(block);
}

void *realloc(void *old, size_t size)
{
	long was = old != NULL ? (long)malloc_usable_size(old) : 0;
	void *block = alloc_fails() ? NULL : __libc_realloc(old, size);

	if (block == NULL)
		return NULL;
	alloc_live -= old != NULL;
	alloc_bytes -= was;
	return block_count(block);
}

void free(void *block)
{
	alloc_live -= block != NULL;
	alloc_bytes -= block != NULL ? (long)malloc_usable_size(block) : 0;
	__libc_free(block);
}
#endif

/** Start to count; the n-th allocation from here fails, 0: none. */
static inline void alloc_watch(long n)
{
	alloc_live = 0;
	alloc_bytes = 0;
	alloc_fail_in = n;
}

/** Stop failing. @return whether the n-th allocation was reached */
static inline int alloc_reached(void)
{
	int reached = alloc_fail_in == 0;

	alloc_fail_in = 0;
	return reached;
}
