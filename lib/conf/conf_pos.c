/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * jansson keeps no line for a value. This walks the text once more, after jansson accepted it, and so
 * may trust it to be well formed.
 */

#include "conf_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct scan {
	struct conf_doc *doc;
	const char *p;
	const char *end;
	uint32_t line;
	uint32_t cap;
	uint32_t in; /* the list or object that is open */
	const char *key;
	uint32_t key_len;
};

static bool is_object(const struct scan *s)
{
	return s->in != CONF_NONE && s->doc->nodes[s->in].is_object;
}

/* The jansson value of the node that comes next, given where it stands. */
static json_t *value_of(const struct scan *s, uint32_t ord)
{
	json_t *parent;

	if (s->in == CONF_NONE)
		return s->doc->root;
	parent = s->doc->nodes[s->in].value;
	if (s->key != NULL)
		return json_object_getn(parent, s->key, s->key_len);
	return json_array_get(parent, ord);
}

static int grow(struct scan *s)
{
	uint32_t cap = s->cap == 0 ? 1024 : s->cap * 2;
	struct conf_node *nodes;

	if (s->doc->n < s->cap)
		return 0;
	if (s->cap >= UINT32_C(1) << 30)
		return -EMSGSIZE;
	nodes = realloc(s->doc->nodes, cap * sizeof(*nodes));
	if (nodes == NULL)
		return -ENOMEM;
	s->doc->nodes = nodes;
	s->cap = cap;
	return 0;
}

static int add_node(struct scan *s, uint32_t *ords)
{
	uint32_t idx = s->doc->n;
	int ret = grow(s);

	if (ret != 0)
		return ret;
	s->doc->nodes[idx] = (struct conf_node){
		.value = value_of(s, *ords),
		.key = s->key,
		.key_len = s->key_len,
		.parent = s->in,
		.ord = (*ords)++,
		.end = idx + 1,
		.line = s->line,
		.row = CONF_NONE,
		.is_object = *s->p == '{',
		.raw = s->p,
	};
	s->doc->n++;
	s->key = NULL;
	return 0;
}

/* Moves past a string; p is at its first quote. */
static void skip_string(struct scan *s)
{
	for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
		if (*s->p == '\\')
			s->p++;
	}
	s->p++;
}

/* Takes the string at p as the key of the next value. */
static int take_key(struct scan *s)
{
	const char *start = s->p;
	json_t *text;

	skip_string(s);
	s->key = start + 1;
	s->key_len = (uint32_t)(s->p - start - 2);
	if (memchr(s->key, '\\', s->key_len) == NULL)
		return 0;
	text = json_loadb(start, (size_t)(s->p - start), JSON_DECODE_ANY, NULL);
	if (text == NULL || json_array_append_new(s->doc->decoded, text) != 0)
		return -ENOMEM;
	s->key = json_string_value(text);
	s->key_len = (uint32_t)json_string_length(text);
	return 0;
}

static void close_node(struct scan *s, uint32_t *ords)
{
	struct conf_node *node = &s->doc->nodes[s->in];

	node->end = s->doc->n;
	*ords = node->ord + 1;
	s->in = node->parent;
	s->p++;
}

/* One token: ords counts the values of the open list or object. */
static int scan_token(struct scan *s, uint32_t *ords)
{
	const char *raw = s->p;
	int ret;

	switch (*s->p) {
	case '\n':
		s->line++;
		s->p++;
		return 0;
	case ' ':
	case '\t':
	case '\r':
	case ',':
	case ':':
		s->p++;
		return 0;
	case '}':
	case ']':
		close_node(s, ords);
		return 0;
	case '{':
	case '[':
		ret = add_node(s, ords);
		s->in = s->doc->n - 1;
		*ords = 0;
		s->p++;
		return ret;
	case '"':
		if (is_object(s) && s->key == NULL)
			return take_key(s);
		ret = add_node(s, ords);
		skip_string(s);
		if (ret == 0)
			s->doc->nodes[s->doc->n - 1].raw_len = (uint32_t)(s->p - raw);
		return ret;
	default:
		ret = add_node(s, ords);
		s->p += strcspn(s->p, " \t\r\n,]}");
		return ret;
	}
}

static bool same_key(const struct conf_node *a, const struct conf_node *b)
{
	return a->parent == b->parent && a->key_len == b->key_len &&
	       memcmp(a->key, b->key, a->key_len) == 0;
}

/* Hides each value whose key comes again in its object: jansson keeps the last. */
static int hide_duplicates(struct conf_doc *doc)
{
	uint32_t n_slots = 64;
	uint32_t *slots;

	while (n_slots < doc->n * 2)
		n_slots *= 2;
	slots = malloc(n_slots * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	memset(slots, 0xff, n_slots * sizeof(*slots));
	for (uint32_t i = 0; i < doc->n; i++) {
		struct conf_node *node = &doc->nodes[i];
		uint32_t at;

		if (node->key == NULL)
			continue;
		at = (uint32_t)cv_siphash(node->key, node->key_len, node->parent, 0) &
		     (n_slots - 1);
		while (slots[at] != CONF_NONE && !same_key(&doc->nodes[slots[at]], node))
			at = (at + 1) & (n_slots - 1);
		if (slots[at] != CONF_NONE)
			doc->nodes[slots[at]].hidden = true;
		slots[at] = i;
	}
	free(slots);
	return 0;
}

/* Whether jansson's string is the text's. */
static bool same_string(const struct conf_node *node)
{
	json_t *again;
	bool same;

	if (memchr(node->raw, '\\', node->raw_len) == NULL)
		return json_string_length(node->value) == node->raw_len - 2;
	again = json_loadb(node->raw, node->raw_len, JSON_DECODE_ANY, NULL);
	same = again != NULL && json_equal(again, node->value) != 0;
	json_decref(again);
	return same;
}

/*
 * jansson 2.14 does not notice when memory runs out while a long string grows: it drops a character
 * and goes on. So the values must be those of the text.
 */
static int check_values(const struct conf_doc *doc)
{
	uint32_t next;

	for (uint32_t i = 0; i < doc->n; i = next) {
		const struct conf_node *node = &doc->nodes[i];

		next = node->hidden ? node->end : i + 1;
		if (node->hidden)
			continue;
		if (node->value == NULL || json_is_string(node->value) != (*node->raw == '"'))
			return -ENOMEM;
		if (*node->raw == '"' && !same_string(node))
			return -ENOMEM;
	}
	return 0;
}

int cv_conf_doc_init(struct conf_doc *doc, const char *text, size_t len, json_t *root)
{
	struct scan s = {.doc = doc, .p = text, .end = text + len, .line = 1, .in = CONF_NONE};
	uint32_t ords = 0;
	int ret = 0;

	*doc = (struct conf_doc){.root = root, .decoded = json_array()};
	if (doc->decoded == NULL)
		ret = -ENOMEM;
	while (ret == 0 && s.p < s.end)
		ret = scan_token(&s, &ords);
	if (ret == 0)
		ret = hide_duplicates(doc);
	if (ret == 0)
		ret = check_values(doc);
	if (ret != 0)
		cv_conf_doc_fini(doc);
	return ret;
}

void cv_conf_doc_fini(struct conf_doc *doc)
{
	free(doc->nodes);
	json_decref(doc->root);
	json_decref(doc->decoded);
	*doc = (struct conf_doc){0};
}

uint32_t cv_conf_doc_first(const struct conf_doc *doc, uint32_t node)
{
	if (node == CONF_NONE || doc->nodes[node].end == node + 1)
		return CONF_NONE;
	return node + 1;
}

uint32_t cv_conf_doc_next(const struct conf_doc *doc, uint32_t node)
{
	uint32_t next = doc->nodes[node].end;
	uint32_t parent = doc->nodes[node].parent;

	return parent != CONF_NONE && next < doc->nodes[parent].end ? next : CONF_NONE;
}

uint32_t cv_conf_doc_child(const struct conf_doc *doc, uint32_t node, const char *key, size_t len)
{
	uint32_t i;

	for (i = cv_conf_doc_first(doc, node); i != CONF_NONE; i = cv_conf_doc_next(doc, i)) {
		const struct conf_node *child = &doc->nodes[i];

		if (child->key != NULL && !child->hidden && child->key_len == len &&
		    memcmp(child->key, key, len) == 0)
			return i;
	}
	return CONF_NONE;
}
