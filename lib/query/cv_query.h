/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Form-encoded parameters as AWS's query protocols use them: flat names such as `Filter.1.Value.2` or
 * `Targets.member.1.Id`, seen as a tree.
 *
 * A parsed query is a sorted list of names and values; a node of the tree is a run of that list, so
 * walking it allocates nothing. Positions need not begin at 1 or be without gaps; they give the order.
 *
 * Pure: no I/O, no clock.
 *
 * @threads any; a query that is not being parsed may be read by several
 * @source  AWS query protocol; WHATWG URL, application/x-www-form-urlencoded
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Parameters of one query, and components of one name, at most. */
#define CV_QUERY_PARAMS_MAX 8192
#define CV_QUERY_DEPTH_MAX 12
/** Bytes of a name at most. */
#define CV_QUERY_NAME_LEN_MAX 255

/** One parameter. Both are UTF-8 without NUL. */
struct cv_query_param {
	const char *name;
	const char *value;
};

/** Parsed parameters. Zero-initialise; cv_query_fini(). */
struct cv_query {
	struct cv_query_param *params; /**< shape [n]; sorted by name, positions as numbers */
	uint32_t n;
	uint32_t cap;
	char **texts; /**< private: what names and values lie in, shape [n_texts] */
	uint32_t n_texts;
};

/** A place in the tree: the parameters whose names begin alike. Copied freely; lives as the query. */
struct cv_query_node {
	const struct cv_query_param *params; /**< shape [n] */
	uint32_t n;                          /**< 0: there is no such place */
	uint32_t prefix_len; /**< of the names, up to this place, without the dot after it */
};

/** Walks the elements of a list. Set `list` to one, the rest to zero. */
struct cv_query_iter {
	struct cv_query_node list;
	struct cv_query_node item; /**< the element, after cv_query_next() returned true */
	uint32_t pos;              /**< its position, as in the name */
	uint32_t done;             /**< private */
};

/**
 * Add the parameters of form-encoded text: `a=1&b.1=x%20y+z`. `=` and what follows may be absent.
 *
 * @param query  what to add to; cv_query_sort() once all is added
 * @param text   shape [len]
 * @param len    bytes
 * @return 0, or
 *   -EILSEQ   a wrong escape, a NUL, or not UTF-8
 *   -E2BIG    too many parameters
 *   -ENAMETOOLONG  a name has too many bytes or components
 *   -ENOMEM   memory ran out
 */
int cv_query_parse(struct cv_query *query, const char *text, size_t len);

/**
 * Sort the parameters so that the tree can be walked.
 *
 * @param[out] ret_name  the offending name; untouched on success
 * @return 0, or -EEXIST (a name is given twice)
 */
int cv_query_sort(struct cv_query *query, const char **ret_name);

/** Free what a query holds and make it empty. */
void cv_query_fini(struct cv_query *query);

/** The whole. */
struct cv_query_node cv_query_root(const struct cv_query *query);

/**
 * A place below another, by a path such as `Filter` or `Matcher.HttpCode`.
 *
 * @return the place; n == 0 if no parameter is there or below
 */
struct cv_query_node cv_query_at(const struct cv_query_node *node, const char *path);

/** The value of a place itself, NULL if it has none. */
const char *cv_query_value(const struct cv_query_node *node);

/** The value at a path below a place, NULL if there is none. */
const char *cv_query_str(const struct cv_query_node *node, const char *path);

/** Go to the next element of a list. @return whether there is one */
bool cv_query_next(struct cv_query_iter *iter);

/** How many elements a list has. */
uint32_t cv_query_count(const struct cv_query_node *list);

/** Tell whether a component of a name is a position: 1 to 999999 without leading zeros. */
bool cv_query_is_pos(const char *text, size_t len);

/**
 * Decode `%XX` and, if wished, `+` in place of space.
 *
 * @param      text  shape [len]
 * @param      plus  `+` stands for a space
 * @param[out] buf   shape [len + 1]; NUL-terminated; may be `text` itself
 * @return bytes written without the final NUL, or -EILSEQ (wrong escape)
 */
long cv_query_decode(const char *text, size_t len, bool plus, char *buf);

/** Bytes of the UTF-8 character at text, shape [len], len > 0; 0 if there is none that XML 1.0 can hold:
 * no NUL and no other control characters but tab, line feed and carriage return. */
size_t cv_query_char_len(const char *bytes, size_t len);

/** Tell whether bytes are nothing but such characters. */
bool cv_query_is_text(const char *text, size_t len);
