/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Which columns the tables have.
 */

/** How a value is written. All but TEXT stand on the right. */
enum culvertctl_form {
	FORM_TEXT,
	FORM_COUNT,
	FORM_BYTES,   /**< 1.5M */
	FORM_PERCENT, /**< a share of 1 */
	FORM_TENTHS,  /**< 1.5 */
	FORM_MS,      /**< as seconds */
};

/** A column. */
struct culvertctl_col {
	const char *title; /**< NULL ends a list of columns */
	/** Leads through objects by `.` and through every element of an array, whose values are joined by
	 * commas; at its end, the members of an object are written as `name:value`. `^` begins a path in the outer row. */
	const char *path;
	enum culvertctl_form form;
};

/** A table. */
struct culvertctl_section {
	const char *rows; /**< rows are the elements of this member; NULL ends a list of sections */
	const char *inner;   /**< NULL, or: of each one's array of that name */
	const char *title;   /**< NULL for none */
	const char *none;    /**< said instead of a table without rows */
	const char *only_if; /**< member that must not be 0 for a row to be shown; NULL: all */
	const struct culvertctl_col *cols;
};

/** Tables of an answer to `show WHAT`. @return NULL if there is no layout for it */
const struct culvertctl_section *culvertctl_layout_find(const char *what);
