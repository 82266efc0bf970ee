/* SPDX-License-Identifier: BSD-3-Clause */

/* The document against the schema: types, bounds, unknown and missing keys. */

#include "conf_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beyond so many errors nobody reads on. */
#define ERRORS_MAX 1000

static const struct conf_row *row_of(const struct conf_node *node)
{
	uint32_t n;

	return &cv_conf_schema(&n)[node->row];
}

/* Writes a value's path to the end of buf and returns where it begins; too long, its front is cut. */
static const char *render_path(const struct conf_doc *doc, uint32_t node, char *buf, size_t cap)
{
	size_t at = cap - 1;

	buf[at] = '\0';
	while (doc->nodes[node].parent != CONF_NONE) {
		const struct conf_node *n = &doc->nodes[node];
		char part[CV_ERR_PATH_LEN];
		size_t len;

		if (n->key == NULL)
			snprintf(part, sizeof(part), "[%u]", n->ord);
		else
			snprintf(part, sizeof(part), "%s%.*s", n->parent == 0 ? "" : ".",
				 (int)(n->key_len < 100 ? n->key_len : 100), n->key);
		len = strlen(part);
		if (len > at)
			break;
		at -= len;
		memcpy(buf + at, part, len);
		node = n->parent;
	}
	return buf + at;
}

/* Keys may hold dots: the document decides. */
uint32_t cv_conf_doc_deepest(const struct conf_doc *doc, uint32_t node, const char *part,
			     const char **ret_rest)
{
	while (*part != '\0') {
		uint32_t i = cv_conf_doc_first(doc, node);

		for (; i != CONF_NONE; i = cv_conf_doc_next(doc, i)) {
			const struct conf_node *child = &doc->nodes[i];
			char ord[16];
			size_t len = child->key_len;

			snprintf(ord, sizeof(ord), "[%u]", child->ord);
			if (child->key == NULL)
				len = strlen(ord);
			if (child->hidden ||
			    strncmp(part, child->key != NULL ? child->key : ord, len) != 0)
				continue;
			if (part[len] == '\0' || part[len] == '.' || part[len] == '[') {
				part += len + (part[len] == '.');
				break;
			}
		}
		if (i == CONF_NONE)
			break;
		node = i;
	}
	if (ret_rest != NULL)
		*ret_rest = part;
	return node;
}

/* What came from the file may hold anything; errors go to terminals and logs. */
static void make_printable(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

void cv_conf_err_at(struct conf_run *run, struct cv_errs *errs, uint32_t node, const char *part,
		    const char *text)
{
	char buf[CV_ERR_PATH_LEN], path[2 * CV_ERR_PATH_LEN], safe[CV_ERR_TEXT_LEN];
	const char *base = render_path(&run->doc, node, buf, sizeof(buf));
	const char *dot = base[0] == '\0' || part[0] == '\0' || part[0] == '[' ? "" : ".";

	if (errs->n >= ERRORS_MAX) {
		errs->truncated = true;
		return;
	}
	snprintf(path, sizeof(path), "%s%s%s", base, dot, part);
	snprintf(safe, sizeof(safe), "%s", text);
	make_printable(path);
	make_printable(safe);
	node = cv_conf_doc_deepest(&run->doc, node, part, NULL);
	cv_errs_add(errs, path, (int)run->doc.nodes[node].line, "%s", safe);
}

static void spoil(struct conf_run *run, uint32_t node)
{
	while (node != CONF_NONE) {
		struct conf_node *n = &run->doc.nodes[node];

		n->spoiled = true;
		if (n->row != CONF_NONE && (row_of(n)->flags & CONF_RESOURCE) != 0)
			return;
		node = n->parent;
	}
}

void cv_conf_err(struct conf_run *run, uint32_t node, const char *fmt, ...)
{
	char text[CV_ERR_TEXT_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cv_conf_err_at(run, run->errs, node, "", text);
	spoil(run, node);
}

/* Edits that turn a into b, or more than max. Both are short: b is a key of the schema. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t row[96];

	if (a_len > 64 || b_len >= CV_ARRAY_LEN(row))
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t change = diagonal + (a[i - 1] != b[j - 1]);
			size_t least = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;

			diagonal = row[j];
			row[j] = change < least ? change : least;
		}
	}
	return row[b_len];
}

static void err_unknown(struct conf_run *run, uint32_t node)
{
	const struct conf_node *n = &run->doc.nodes[node];
	uint32_t parent = run->doc.nodes[n->parent].row;
	size_t best_distance = SIZE_MAX;
	uint32_t best = CONF_NONE;
	char list[256] = "";

	for (uint32_t r = run->rows[parent].first; r != CONF_NONE; r = run->rows[r].next) {
		size_t d = distance(n->key, n->key_len, run->rows[r].key, run->rows[r].key_len);

		if (d < best_distance) {
			best_distance = d;
			best = r;
		}
		cv_list_add(list, sizeof(list), run->rows[r].key);
	}
	if (best != CONF_NONE && best_distance <= 2 + run->rows[best].key_len / 4)
		cv_conf_err(run, node, "unknown key; did you mean '%s'?", run->rows[best].key);
	else
		cv_conf_err(run, node, "unknown key; known here: %s", list);
}

/* The row of a value, given its parent's. */
static uint32_t find_row(const struct conf_run *run, const struct conf_node *node)
{
	uint32_t parent = run->doc.nodes[node->parent].row;

	for (uint32_t r = run->rows[parent].first; r != CONF_NONE; r = run->rows[r].next) {
		const char *key = run->rows[r].key;

		if (strcmp(key, node->key == NULL ? "[]" : "*") == 0)
			return r;
		if (node->key != NULL && run->rows[r].key_len == node->key_len &&
		    memcmp(key, node->key, node->key_len) == 0)
			return r;
	}
	return CONF_NONE;
}

static const char *type_name(const json_t *value)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "a list",
		[JSON_STRING] = "a string",  [JSON_INTEGER] = "an integer",
		[JSON_REAL] = "a fraction",  [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null",
	};

	return names[json_typeof(value)];
}

static void err_type(struct conf_run *run, uint32_t node, const char *want)
{
	cv_conf_err(run, node, "must be %s, not %s", want, type_name(run->doc.nodes[node].value));
}

static void check_size(struct conf_run *run, uint32_t node, size_t size, const char *what)
{
	const struct conf_row *row = row_of(&run->doc.nodes[node]);

	if ((int64_t)size < row->min)
		cv_conf_err(run, node, "has %zu %s; at least %lld", size, what,
			    (long long)row->min);
	else if ((int64_t)size > row->max)
		cv_conf_err(run, node, "has %zu %s; at most %lld", size, what, (long long)row->max);
}

static void check_object(struct conf_run *run, uint32_t node)
{
	const struct conf_node *n = &run->doc.nodes[node];
	uint32_t n_rows;
	const struct conf_row *rows = cv_conf_schema(&n_rows);

	if (!n->is_object) {
		err_type(run, node, "an object");
		return;
	}
	if (rows[n->row].type == CONF_MAP) {
		check_size(run, node, json_object_size(n->value), "entries");
		return;
	}
	for (uint32_t r = run->rows[n->row].first; r != CONF_NONE; r = run->rows[r].next) {
		const char *key = run->rows[r].key;

		if ((rows[r].flags & CONF_REQUIRED) == 0 ||
		    cv_conf_doc_child(&run->doc, node, key, run->rows[r].key_len) != CONF_NONE)
			continue;
		cv_conf_err_at(run, run->errs, node, key, "is missing");
		spoil(run, node);
	}
}

static void check_list(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;

	if (json_is_array(value))
		check_size(run, node, json_array_size(value), "elements");
	else
		err_type(run, node, "a list");
}

/* jansson takes nothing but UTF-8: a character has one byte that continues none. */
static size_t string_size(const struct conf_row *row, const json_t *value)
{
	size_t len = json_string_length(value), n = 0;
	const char *text = json_string_value(value);

	if ((row->flags & CONF_CHARACTERS) == 0)
		return len;
	for (size_t i = 0; i < len; i++)
		n += (text[i] & 0xc0) != 0x80;
	return n;
}

static void check_string(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;

	if (json_is_string(value))
		check_size(run, node, string_size(row_of(&run->doc.nodes[node]), value),
			   "characters");
	else
		err_type(run, node, "a string");
}

static void check_int(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;
	const struct conf_row *row = row_of(&run->doc.nodes[node]);

	if (!json_is_integer(value))
		err_type(run, node, "an integer");
	else if (json_integer_value(value) < row->min || json_integer_value(value) > row->max)
		cv_conf_err(run, node, "%lld is outside %lld..%lld",
			    (long long)json_integer_value(value), (long long)row->min,
			    (long long)row->max);
}

static void check_least(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;

	if (json_is_string(value) && strcmp(json_string_value(value), "off") == 0)
		return;
	if (json_is_integer(value))
		check_int(run, node);
	else
		err_type(run, node, "an integer or \"off\"");
}

static void check_enum(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;
	const struct conf_row *row = row_of(&run->doc.nodes[node]);
	char list[128];

	if (cv_conf_choice_of(row->choices, value) != CONF_NONE)
		return;
	snprintf(list, sizeof(list), "one of %s", row->choices);
	for (char *p = list; (p = strchr(p, '|')) != NULL;)
		*p = '/';
	if (json_is_string(value))
		cv_conf_err(run, node, "must be %s, not \"%.64s\"", list, json_string_value(value));
	else
		err_type(run, node, list);
}

static void check_ip(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;
	cv_be32_t addr;

	if (!json_is_string(value))
		err_type(run, node, "an IPv4 address in a string");
	else if (!cv_ip4_parse(json_string_value(value), &addr) || addr == 0)
		cv_conf_err(run, node, "'%.64s' is no IPv4 address", json_string_value(value));
}

static void check_prefix(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;
	struct cv_prefix prefix;
	int ret;

	if (!json_is_string(value)) {
		err_type(run, node, "an IPv4 prefix in a string");
		return;
	}
	ret = cv_prefix_parse(json_string_value(value), &prefix);
	if (ret != 0)
		cv_conf_err(run, node, "'%.64s' is no IPv4 prefix%s", json_string_value(value),
			    ret == -EDOM ? ": bits are set below its length"
					 : " such as 10.0.0.0/16");
}

static void check_ports(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;
	uint32_t first, last;

	if (!json_is_integer(value) && !json_is_string(value))
		err_type(run, node, "a port such as 80 or \"80-443\"");
	else if (!cv_conf_ports(value, &first, &last))
		cv_conf_err(run, node,
			    "is no port or range within 0..65535, such as 80 or \"80-443\"");
}

static void check_range(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;
	const struct conf_row *row = row_of(&run->doc.nodes[node]);
	uint32_t first, last;

	if (!json_is_integer(value) && !json_is_string(value))
		err_type(run, node, "a number such as 100 or \"100-199\"");
	else if (!cv_conf_range(value, row, &first, &last))
		cv_conf_err(run, node,
			    "is no number or range within %lld..%lld, such as 100 or \"100-199\"",
			    (long long)row->min, (long long)row->max);
}

static void check_check_port(struct conf_run *run, uint32_t node)
{
	const json_t *value = run->doc.nodes[node].value;
	uint32_t port;

	if (!json_is_integer(value) && !json_is_string(value))
		err_type(run, node, "a port such as 80 or \"traffic-port\"");
	else if (!cv_conf_check_port(value, &port))
		cv_conf_err(run, node, "is no port within 1..65535 and not \"traffic-port\"");
}

static void check_node(struct conf_run *run, uint32_t node)
{
	static void (*const checks[])(struct conf_run *, uint32_t) = {
		[CONF_OBJECT] = check_object, [CONF_MAP] = check_object,
		[CONF_LIST] = check_list,     [CONF_STRING] = check_string,
		[CONF_ENUM] = check_enum,     [CONF_IP] = check_ip,
		[CONF_INT] = check_int,       [CONF_PREFIX] = check_prefix,
		[CONF_PORTS] = check_ports,   [CONF_RANGE] = check_range,
		[CONF_BOOL] = NULL,           [CONF_CHECK_PORT] = check_check_port,
		[CONF_LEAST] = check_least,
	};
	enum conf_type type = row_of(&run->doc.nodes[node])->type;

	if (checks[type] != NULL)
		checks[type](run, node);
	else if (!json_is_boolean(run->doc.nodes[node].value))
		err_type(run, node, "true or false");
}

static void err_duplicate(struct conf_run *run, uint32_t node)
{
	const struct conf_node *n = &run->doc.nodes[node];
	uint32_t last = cv_conf_doc_child(&run->doc, n->parent, n->key, n->key_len);

	cv_conf_err(run, node, "this key comes again on line %u", run->doc.nodes[last].line);
}

/* Whether what is inside has rows of its own: not if the value is of another type than it must be. */
static bool holds_rows(const struct conf_node *node)
{
	enum conf_type type = row_of(node)->type;

	if (type == CONF_LIST)
		return json_is_array(node->value);
	return (type == CONF_OBJECT || type == CONF_MAP) && node->is_object;
}

void cv_conf_validate(struct conf_run *run)
{
	uint32_t next;

	run->doc.nodes[0].row = run->root_row;
	for (uint32_t i = 0; i < run->doc.n; i = next) {
		struct conf_node *node = &run->doc.nodes[i];

		next = i + 1;
		if (node->hidden) {
			err_duplicate(run, i);
			next = node->end;
			continue;
		}
		if (i > 0)
			node->row = find_row(run, node);
		if (node->row == CONF_NONE) {
			err_unknown(run, i);
			next = node->end;
			continue;
		}
		check_node(run, i);
		if (!holds_rows(node))
			next = node->end;
	}
}
