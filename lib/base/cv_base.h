/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What every module may use: assertions, errors for people, the logging front, small helpers.
 *
 * Errors for people carry where (a JSON path and a line) and what; a list of them lets a checker
 * report everything that is wrong at once.
 *
 * @threads any; no shared state but the log sink, which is set once at start
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Cache line of every machine we run on, in bytes. */
#define CV_CACHE_LINE 64
#define CV_CACHE_ALIGNED __attribute__((aligned(CV_CACHE_LINE)))
#define CV_PRINTF(fmt_idx, arg_idx) __attribute__((format(printf, fmt_idx, arg_idx)))
#define CV_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/** Our bug: on in release builds. Only on the cold path. */
#define cv_assert(cond)                                                                            \
	((cond) ? (void)0 : cv_assert_fail(#cond, __FILE__, __LINE__))

/** Our bug on the packet path: on in debug builds and tests (-DCV_DASSERT), free otherwise. */
#ifdef CV_DASSERT
#define cv_dassert(cond) cv_assert(cond)
#else
#define cv_dassert(cond) ((void)sizeof(!(cond)))
#endif

/** Report a broken invariant on stderr and abort. Called by the assert macros only. */
_Noreturn void cv_assert_fail(const char *cond, const char *file, int line);

/** Longest path and text of an error, in bytes with the final NUL; longer ones are cut. */
#define CV_ERR_PATH_LEN 160
#define CV_ERR_TEXT_LEN 320

/** One thing that a person must fix. */
struct cv_err {
	char path[CV_ERR_PATH_LEN]; /**< JSON path such as `vpcs[2].cidrs[0]`; "" if none */
	int line;                   /**< line in the file, 0 if unknown */
	char text[CV_ERR_TEXT_LEN]; /**< what is wrong and what to do */
};

/** A growing list of errors. Zero-initialise; release with cv_errs_fini(). */
struct cv_errs {
	struct cv_err *items; /**< shape [n]; owned by the list */
	size_t n;
	size_t cap;
	bool truncated; /**< memory ran out: more errors existed than are listed */
};

/**
 * Add an error to a list.
 *
 * @param errs  list to grow
 * @param path  JSON path, copied; NULL for none
 * @param line  line, 0 if unknown
 * @param fmt   printf format of the text
 */
void cv_errs_add(struct cv_errs *errs, const char *path, int line, const char *fmt, ...)
	CV_PRINTF(4, 5);

/**
 * Render one error as `path: text (line N)`, leaving out what it has not.
 *
 * @param      err  error
 * @param[out] buf  shape [cap]; always NUL-terminated when cap > 0
 * @param      cap  bytes in buf
 * @return buf
 */
const char *cv_err_str(const struct cv_err *err, char *buf, size_t cap);

/** Free what a list holds and make it empty. */
void cv_errs_fini(struct cv_errs *errs);

/** Severity of a log line. */
enum cv_log_level { CV_LOG_DEBUG, CV_LOG_INFO, CV_LOG_NOTICE, CV_LOG_WARNING, CV_LOG_ERR };

/** Receives finished log lines, without a trailing newline. */
typedef void cv_log_sink(enum cv_log_level level, const char *line, void *arg);

/**
 * Set where log lines go; NULL means stderr with a level prefix.
 *
 * @threads control, before any other thread starts
 */
void cv_log_sink_set(cv_log_sink *sink, void *arg);

/** Log one line. Never called from a worker. */
void cv_log(enum cv_log_level level, const char *fmt, ...) CV_PRINTF(2, 3);

/**
 * Hash bytes with a 64-bit key (SipHash-2-4).
 *
 * @param data  shape [len]
 * @param len   bytes
 * @param k0    first half of the key
 * @param k1    second half of the key
 * @return hash, the same on every machine
 * @source Aumasson, Bernstein: "SipHash: a fast short-input PRF"
 */
uint64_t cv_siphash(const void *data, size_t len, uint64_t k0, uint64_t k1);

/**
 * Write an AWS-style id derived from a name: prefix and n_hex lower-case hex digits, the same for the
 * same (prefix, name) for ever.
 *
 * @param      prefix  such as "vpce-"
 * @param      name    what makes the id unique
 * @param      n_hex   digits, 1..32; AWS uses 17 for EC2 ids, 16 for load balancers
 * @param[out] buf     shape [cap]; needs strlen(prefix) + n_hex + 1 bytes
 * @param      cap     bytes in buf
 */
void cv_id_derive(const char *prefix, const char *name, unsigned int n_hex, char *buf, size_t cap);

/**
 * Tell whether text is `prefix` followed by exactly n_hex lower-case hex digits.
 */
bool cv_id_is(const char *text, const char *prefix, unsigned int n_hex);

/**
 * Append an item to a comma-separated list for a person. The first that does not fit becomes `...`,
 * and what comes after it is left out.
 *
 * @param[in,out] list  shape [cap]; NUL-terminated, "" to begin with
 * @param         cap   bytes in list, at least 8
 * @param         item  what to append
 */
void cv_list_add(char *list, size_t cap, const char *item);

/**
 * Count the characters (Unicode code points) of a UTF-8 text.
 *
 * @return their number, or -1: it is not UTF-8
 * @source RFC 3629, section 4
 */
int64_t cv_utf8_count(const char *text);

/** Monotonic clock, in milliseconds. Control thread and API threads only: workers use the TSC. */
uint64_t cv_clock_ms(void);
