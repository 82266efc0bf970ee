/* SPDX-License-Identifier: BSD-3-Clause */

/* Values of a validated document, with the schema's defaults. */

#include "conf_priv.h"

#include <stdlib.h>
#include <string.h>

/* Follows path from base through the document and the schema alike. The path is in the schema. */
static uint32_t walk(const struct conf_run *run, uint32_t base, const char *path, uint32_t *ret_row)
{
	uint32_t row = run->doc.nodes[base].row;
	uint32_t node = base;

	while (*path != '\0') {
		uint32_t r = run->rows[row].first;
		size_t len;

		for (; r != CONF_NONE; r = run->rows[r].next) {
			len = run->rows[r].key_len;
			if (strncmp(path, run->rows[r].key, len) == 0 &&
			    (path[len] == '\0' || path[len] == '.'))
				break;
		}
		cv_assert(r != CONF_NONE);
		if (node != CONF_NONE)
			node = cv_conf_doc_child(&run->doc, node, path, len);
		path += len + (path[len] == '.');
		row = r;
	}
	*ret_row = row;
	return node;
}

uint32_t cv_conf_node(struct conf_run *run, uint32_t base, const char *path)
{
	uint32_t row;

	return walk(run, base, path, &row);
}

/* The value at a path, or NULL with *ret_def set to its default, which may be NULL, too. */
static const json_t *value_at(const struct conf_run *run, uint32_t base, const char *path,
			      const struct conf_row **ret_row)
{
	uint32_t n_rows, row;
	uint32_t node = walk(run, base, path, &row);

	*ret_row = &cv_conf_schema(&n_rows)[row];
	return node == CONF_NONE ? NULL : run->doc.nodes[node].value;
}

const char *cv_conf_str(struct conf_run *run, uint32_t base, const char *path)
{
	const struct conf_row *row;
	const json_t *value = value_at(run, base, path, &row);

	return json_is_string(value) ? json_string_value(value) : row->def;
}

uint32_t cv_conf_u32(struct conf_run *run, uint32_t base, const char *path)
{
	const struct conf_row *row;
	const json_t *value = value_at(run, base, path, &row);

	if (json_is_integer(value))
		return (uint32_t)json_integer_value(value);
	if (row->type == CONF_LEAST && json_is_string(value))
		return 0;
	return row->def == NULL ? 0 : (uint32_t)strtoul(row->def, NULL, 10);
}

bool cv_conf_bool(struct conf_run *run, uint32_t base, const char *path)
{
	const struct conf_row *row;
	const json_t *value = value_at(run, base, path, &row);

	if (json_is_boolean(value))
		return json_is_true(value);
	return strcmp(row->def, "true") == 0;
}

/* The position of text among the choices, or CONF_NONE. */
static uint32_t choice_index(const char *choices, const char *text)
{
	size_t text_len = strlen(text);
	uint32_t i = 0;

	for (const char *p = choices; p != NULL; i++) {
		size_t len = strcspn(p, "|");

		if (len == text_len && memcmp(p, text, len) == 0)
			return i;
		p = p[len] == '|' ? p + len + 1 : NULL;
	}
	return CONF_NONE;
}

uint32_t cv_conf_choice_of(const char *choices, const json_t *value)
{
	const char *text = json_string_value(value);

	if (json_is_boolean(value))
		return choice_index(choices, json_is_true(value) ? "true" : "false");
	/* The words for the literals are no strings. */
	if (text == NULL || strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return CONF_NONE;
	return choice_index(choices, text);
}

uint32_t cv_conf_choice(struct conf_run *run, uint32_t base, const char *path)
{
	const struct conf_row *row;
	const json_t *value = value_at(run, base, path, &row);
	uint32_t i = cv_conf_choice_of(row->choices, value);

	return i != CONF_NONE ? i : choice_index(row->choices, row->def);
}

cv_be32_t cv_conf_ip(const struct conf_run *run, uint32_t node)
{
	cv_be32_t addr = 0;

	if (node != CONF_NONE && json_is_string(run->doc.nodes[node].value))
		(void)cv_ip4_parse(json_string_value(run->doc.nodes[node].value), &addr);
	return addr;
}

struct cv_prefix cv_conf_prefix(const struct conf_run *run, uint32_t node)
{
	struct cv_prefix prefix = {0};

	if (node != CONF_NONE && json_is_string(run->doc.nodes[node].value))
		(void)cv_prefix_parse(json_string_value(run->doc.nodes[node].value), &prefix);
	return prefix;
}

uint32_t cv_conf_count(const struct conf_run *run, uint32_t list)
{
	return list == CONF_NONE ? 0 : (uint32_t)json_array_size(run->doc.nodes[list].value);
}

const char **cv_conf_strs(struct conf_run *run, uint32_t list, uint32_t *ret_n)
{
	uint32_t n = cv_conf_count(run, list);
	const char **strs;
	uint32_t k = 0;

	*ret_n = 0;
	if (n == 0)
		return NULL;
	strs = calloc(n, sizeof(*strs));
	if (strs == NULL) {
		run->oom = true;
		return NULL;
	}
	for (uint32_t i = list + 1; i != CONF_NONE; i = cv_conf_doc_next(&run->doc, i)) {
		if (json_is_string(run->doc.nodes[i].value))
			strs[k++] = json_string_value(run->doc.nodes[i].value);
	}
	*ret_n = k;
	return strs;
}

/* Reads up to five digits. @return what follows, or NULL */
static const char *port_scan(const char *text, uint32_t *ret_port)
{
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 5)
		return NULL;
	*ret_port = (uint32_t)strtoul(text, NULL, 10);
	return *ret_port <= 65535 ? text + n : NULL;
}

bool cv_conf_ports(const json_t *value, uint32_t *ret_first, uint32_t *ret_last)
{
	const char *p;

	if (json_is_integer(value)) {
		json_int_t port = json_integer_value(value);

		*ret_first = *ret_last = (uint32_t)port;
		return port >= 0 && port <= 65535;
	}
	p = json_is_string(value) ? port_scan(json_string_value(value), ret_first) : NULL;
	if (p == NULL)
		return false;
	*ret_last = *ret_first;
	if (*p == '-')
		p = port_scan(p + 1, ret_last);
	return p != NULL && *p == '\0';
}

/* Reads up to nine digits. @return what follows, or NULL */
static const char *number_scan(const char *text, uint32_t *ret_number)
{
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 9)
		return NULL;
	*ret_number = (uint32_t)strtoul(text, NULL, 10);
	return text + n;
}

bool cv_conf_range(const json_t *value, const struct conf_row *row, uint32_t *ret_first,
		   uint32_t *ret_last)
{
	const char *p;

	if (json_is_integer(value)) {
		json_int_t number = json_integer_value(value);

		*ret_first = *ret_last = (uint32_t)number;
		return number >= row->min && number <= row->max;
	}
	p = json_is_string(value) ? number_scan(json_string_value(value), ret_first) : NULL;
	if (p == NULL)
		return false;
	*ret_last = *ret_first;
	if (*p == '-')
		p = number_scan(p + 1, ret_last);
	return p != NULL && *p == '\0' && *ret_first >= row->min && *ret_first <= *ret_last &&
	       *ret_last <= row->max;
}

bool cv_conf_check_port(const json_t *value, uint32_t *ret_port)
{
	uint32_t last = 0;

	*ret_port = 0;
	if (json_is_string(value) && strcmp(json_string_value(value), "traffic-port") == 0)
		return true;
	return cv_conf_ports(value, ret_port, &last) && *ret_port == last && last > 0;
}
