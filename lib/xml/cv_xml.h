/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Writes XML answers: elements, texts, lists. Output is always well-formed; text is escaped, and what
 * XML cannot hold becomes U+FFFD.
 *
 * Failures are remembered, not returned: after memory ran out nothing more is written, and
 * cv_xml_take() says so.
 *
 * Element names are taken as they are: they come from the program, never from a request.
 *
 * @threads one at a time
 * @source  XML 1.0, section 2; AWS ec2 and query protocols
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/** Elements open at once at most. */
#define CV_XML_DEPTH_MAX 16

/** An answer being written. cv_xml_init(). */
struct cv_xml {
	char *text;
	size_t len, cap;
	const char *item; /**< name of list elements: `item` or `member` */
	const char *open[CV_XML_DEPTH_MAX];
	uint32_t depth;
	bool empty;  /**< nothing was written since the last start tag, which is not finished */
	bool failed; /**< memory ran out */
};

/** Begin. @param item  `item` or `member`, kept as a pointer */
void cv_xml_init(struct cv_xml *xml, const char *item);

/** Open an element; empty ones are written as `<name/>`. */
void cv_xml_open(struct cv_xml *xml, const char *name);

/** Open an element with a namespace. */
void cv_xml_open_ns(struct cv_xml *xml, const char *name, const char *ns);

/** Close the element that was opened last. */
void cv_xml_close(struct cv_xml *xml);

/** Open a list element: `<item>` or `<member>`. */
void cv_xml_item(struct cv_xml *xml);

/** An element with text. @param value  NULL: nothing is written */
void cv_xml_str(struct cv_xml *xml, const char *name, const char *value);

/** A list element with text. */
void cv_xml_item_str(struct cv_xml *xml, const char *value);

/** An element with a number. */
void cv_xml_int(struct cv_xml *xml, const char *name, int64_t value);

/** An element with a number that has a fraction, in the shortest form that reads back the same. */
void cv_xml_double(struct cv_xml *xml, const char *name, double value);

/** An element with `true` or `false`. */
void cv_xml_bool(struct cv_xml *xml, const char *name, bool value);

/** An element with a UTC time: `2026-11-21T21:30:11.000Z`, or without fraction. @param ms  -1: none */
void cv_xml_time(struct cv_xml *xml, const char *name, time_t at, int ms);

/** Text inside the open element. */
void cv_xml_text(struct cv_xml *xml, const char *value);

/** Well-formed XML written elsewhere by this module, as it is. */
void cv_xml_raw(struct cv_xml *xml, const char *text, size_t len);

/**
 * End: every element must be closed.
 *
 * @param[out] ret_len  bytes without the final NUL
 * @return text, or NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_xml_take(struct cv_xml *xml, size_t *ret_len);

/** Throw away what was written. */
void cv_xml_fini(struct cv_xml *xml);
