/* SPDX-License-Identifier: BSD-3-Clause */

#include "table.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "layout.h"

#define COLS_MAX 16

/* ---- cells ---- */

static void text_write(FILE *out, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		/* The last range is C1 controls in UTF-8: some terminals obey those too. */
		if (c < 0x20 || c == 0x7f)
			fputc('?', out);
		else if (c == 0xc2 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xa0)
			fputc('?', out), p++;
		else
			fputc(c, out);
	}
}

static void bytes_write(FILE *out, double n)
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;

	while (n >= 999.95 && unit + 2 < sizeof(units)) {
		n /= 1000;
		unit++;
	}
	if (unit == 0)
		fprintf(out, "%.0f", n);
	else
		fprintf(out, "%.1f%c", n, units[unit]);
}

static void number_write(FILE *out, double n, enum culvertctl_form form)
{
	if (form == FORM_BYTES)
		bytes_write(out, n);
	else if (form == FORM_PERCENT)
		fprintf(out, "%.1f%%", n * 100);
	else if (form == FORM_TENTHS)
		fprintf(out, "%.1f", n);
	else if (form == FORM_MS)
		fprintf(out, "%.1fs", n / 1000);
	else
		fprintf(out, "%.0f", n);
}

static void value_write(FILE *out, const json_t *value, enum culvertctl_form form)
{
	if (json_is_string(value))
		text_write(out, json_string_value(value));
	else if (json_is_integer(value) && (form == FORM_TEXT || form == FORM_COUNT))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_number(value))
		number_write(out, json_number_value(value), form);
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "yes" : "no", out);
	else
		fputc('-', out);
}

/* Write `name:value` of every member, with commas between. */
static void members_write(FILE *out, const json_t *object, enum culvertctl_form form, bool *first)
{
	const char *name;
	json_t *value;

	/* jansson's loop takes no const; it changes nothing. */
	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		fputs(*first ? "" : ",", out);
		*first = false;
		text_write(out, name);
		fputc(':', out);
		value_write(out, value, form);
	}
}

/* Write all that a path leads to, with commas between. Paths are at most a few steps long. */
static void path_write(FILE *out, const json_t *from, const char *path, enum culvertctl_form form,
		       bool *first)
{
	size_t len = strcspn(path, ".");
	const json_t *item;
	size_t i;

	if (json_is_array(from)) {
		json_array_foreach(from, i, item) path_write(out, item, path, form, first);
		return;
	}
	if (*path == '\0' && json_is_object(from)) {
		members_write(out, from, form, first);
		return;
	}
	if (*path == '\0') {
		if (!*first)
			fputc(',', out);
		*first = false;
		value_write(out, from, form);
		return;
	}
	item = json_object_getn(from, path, len);
	if (item != NULL)
		path_write(out, item, path[len] == '.' ? path + len + 1 : path + len, form, first);
}

/* @return heap text, NULL if memory ran out */
static char *cell_make(const struct culvertctl_col *col, const json_t *outer, const json_t *row)
{
	bool in_outer = col->path[0] == '^', first = true;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	path_write(out, in_outer ? outer : row, col->path + in_outer, col->form, &first);
	if (first)
		fputc('-', out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* ---- tables ---- */

struct table {
	const struct culvertctl_section *section;
	size_t n_cols;
	char **cells; /* shape [n_rows * n_cols] */
	size_t n_rows;
};

/* Columns on the screen, as far as every character takes one. */
static size_t text_width(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static int row_add(struct table *table, const json_t *outer, const json_t *row)
{
	const struct culvertctl_section *section = table->section;
	size_t n = table->n_rows * table->n_cols;
	char **cells;

	if (section->only_if != NULL &&
	    json_number_value(json_object_get(row, section->only_if)) == 0)
		return 0;
	cells = realloc(table->cells, (n + table->n_cols) * sizeof(*cells));
	if (cells == NULL)
		return -ENOMEM;
	table->cells = cells;
	memset(&cells[n], 0, table->n_cols * sizeof(*cells));
	table->n_rows++;
	for (size_t i = 0; i < table->n_cols; i++) {
		cells[n + i] = cell_make(&section->cols[i], outer, row);
		if (cells[n + i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int rows_add(struct table *table, const json_t *answer)
{
	const struct culvertctl_section *section = table->section;
	const json_t *outer, *row;
	size_t i, j;
	int ret = 0;

	json_array_foreach(json_object_get(answer, section->rows), i, outer)
	{
		if (section->inner == NULL)
			ret = row_add(table, NULL, outer);
		else
			json_array_foreach(json_object_get(outer, section->inner), j, row)
			{
				ret = row_add(table, outer, row);
				if (ret < 0)
					return ret;
			}
		if (ret < 0)
			return ret;
	}
	return 0;
}

static void line_write(FILE *out, const struct table *table, const size_t *widths,
		       char *const *cells)
{
	for (size_t i = 0; i < table->n_cols; i++) {
		const struct culvertctl_col *col = &table->section->cols[i];
		const char *text = cells != NULL ? cells[i] : col->title;
		int pad = (int)(widths[i] - text_width(text));
		bool last = i + 1 == table->n_cols;

		if (col->form == FORM_TEXT)
			fprintf(out, "%s%*s", text, last ? 0 : pad, "");
		else
			fprintf(out, "%*s%s", pad, "", text);
		fputs(last ? "\n" : "  ", out);
	}
}

static void table_write(FILE *out, const struct table *table)
{
	size_t widths[COLS_MAX];

	if (table->n_rows == 0) {
		fprintf(out, "%s\n", table->section->none);
		return;
	}
	for (size_t i = 0; i < table->n_cols; i++) {
		widths[i] = text_width(table->section->cols[i].title);
		for (size_t row = 0; row < table->n_rows; row++) {
			size_t width = text_width(table->cells[row * table->n_cols + i]);

			widths[i] = width > widths[i] ? width : widths[i];
		}
	}
	line_write(out, table, widths, NULL);
	for (size_t row = 0; row < table->n_rows; row++)
		line_write(out, table, widths, &table->cells[row * table->n_cols]);
}

static int section_print(FILE *out, const struct culvertctl_section *section, const json_t *answer)
{
	struct table table = {.section = section};
	int ret;

	while (table.n_cols < COLS_MAX && section->cols[table.n_cols].title != NULL)
		table.n_cols++;
	ret = rows_add(&table, answer);
	if (ret == 0) {
		if (section->title != NULL)
			fprintf(out, "\n%s\n", section->title);
		table_write(out, &table);
	}
	for (size_t i = 0; i < table.n_rows * table.n_cols; i++)
		free(table.cells[i]);
	free(table.cells);
	return ret;
}

/* An object as lines `key: value`; members that are objects or arrays become indented lines. */
static void object_print(FILE *out, json_t *object, int indent)
{
	const char *key;
	json_t *value;
	size_t width = 0, i;

	json_object_foreach(object, key, value) width =
		text_width(key) > width ? text_width(key) : width;
	json_object_foreach(object, key, value)
	{
		const json_t *item;

		fprintf(out, "%*s", indent, "");
		text_write(out, key);
		fputc(':', out);
		if (json_is_object(value)) {
			fputc('\n', out);
			object_print(out, value, indent + 2);
		} else if (json_is_array(value)) {
			fputs(json_array_size(value) > 0 ? "\n" : " none\n", out);
			json_array_foreach(value, i, item)
			{
				fprintf(out, "%*s- ", indent + 2, "");
				value_write(out, item, FORM_TEXT);
				fputc('\n', out);
			}
		} else {
			fprintf(out, "%*s", (int)(width - text_width(key)) + 1, "");
			value_write(out, value, FORM_TEXT);
			fputc('\n', out);
		}
	}
}

/* What else there is to say. */
static void notes_print(FILE *out, const json_t *notes)
{
	const json_t *note;
	size_t i;

	json_array_foreach(notes, i, note)
	{
		fputs(i == 0 ? "\n" : "", out);
		value_write(out, note, FORM_TEXT);
		fputc('\n', out);
	}
}

int culvertctl_table_print(FILE *out, const char *what, json_t *answer)
{
	const struct culvertctl_section *section = culvertctl_layout_find(what);
	const json_t *matched = json_object_get(answer, "matched");
	const json_t *listed = json_object_get(answer, "listed");

	if (section == NULL)
		object_print(out, answer, 0);
	for (; section != NULL && section->rows != NULL; section++) {
		int ret = section_print(out, section, answer);

		if (ret < 0)
			return ret;
	}
	if (section != NULL)
		notes_print(out, json_object_get(answer, "notes"));
	if (json_is_integer(matched) && !json_equal(matched, listed))
		fprintf(out,
			"%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT
			" flows listed: use --limit for more\n",
			json_integer_value(listed), json_integer_value(matched));
	return 0;
}
