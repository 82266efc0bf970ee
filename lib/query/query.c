/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"

/* Digits of a position at most. */
#define POS_LEN_MAX 6

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

long cv_query_decode(const char *text, size_t len, bool plus, char *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			buf[n++] = text[i] == '+' && plus ? ' ' : text[i];
			continue;
		}
		if (len - i < 3 || hex_value(text[i + 1]) < 0 || hex_value(text[i + 2]) < 0)
			return -EILSEQ;
		buf[n++] = (char)(hex_value(text[i + 1]) << 4 | hex_value(text[i + 2]));
		i += 2;
	}
	buf[n] = '\0';
	return (long)n;
}

/* Surrogates, and two that XML leaves out. */
static bool is_forbidden(uint32_t c)
{
	return c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || c == 0xfffe || c == 0xffff;
}

size_t cv_query_char_len(const char *bytes, size_t len)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *text = (const unsigned char *)bytes;
	uint32_t c = text[0];
	size_t n;

	if (c < 0x80)
		return c >= 0x20 || c == '\t' || c == '\n' || c == '\r';
	n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || n > len)
		return 0;
	c &= 0x7fU >> n;
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3fU);
	}
	return c < least[n] || is_forbidden(c) ? 0 : n;
}

bool cv_query_is_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = cv_query_char_len(text + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

bool cv_query_is_pos(const char *text, size_t len)
{
	if (len == 0 || len > POS_LEN_MAX || text[0] == '0')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return true;
}

/* ---- reading ---- */

static bool name_is_short(const char *name)
{
	unsigned int depth = 1;

	for (const char *c = name; *c != '\0'; c++)
		depth += *c == '.';
	return strlen(name) <= CV_QUERY_NAME_LEN_MAX && depth <= CV_QUERY_DEPTH_MAX;
}

static int param_push(struct cv_query *query, const char *name, const char *value)
{
	if (!name_is_short(name))
		return -ENAMETOOLONG;
	if (query->n == CV_QUERY_PARAMS_MAX)
		return -E2BIG;
	if (query->n == query->cap) {
		uint32_t cap = query->cap == 0 ? 32 : query->cap * 2;
		struct cv_query_param *params = reallocarray(query->params, cap, sizeof(*params));

		if (params == NULL)
			return -ENOMEM;
		query->params = params;
		query->cap = cap;
	}
	query->params[query->n++] = (struct cv_query_param){name, value};
	return 0;
}

/* One `name=value`, decoded to `to`. Returns the bytes used there, or -errno. */
static long param_parse(struct cv_query *query, const char *text, size_t len, char *to)
{
	const char *sign = memchr(text, '=', len);
	size_t name_len = sign != NULL ? (size_t)(sign - text) : len;
	long n = cv_query_decode(text, name_len, true, to), m = 0;
	char *value = to + n + 1;
	int ret;

	if (n < 0)
		return n;
	*value = '\0';
	if (sign != NULL)
		m = cv_query_decode(sign + 1, len - name_len - 1, true, value);
	if (m < 0 || !cv_query_is_text(to, (size_t)n) || !cv_query_is_text(value, (size_t)m))
		return -EILSEQ;
	ret = param_push(query, to, value);
	return ret < 0 ? ret : n + m + 2;
}

static char *text_reserve(struct cv_query *query, size_t len)
{
	char **texts = reallocarray(query->texts, query->n_texts + 1, sizeof(*texts));

	if (texts == NULL)
		return NULL;
	query->texts = texts;
	texts[query->n_texts] = malloc(len);
	return texts[query->n_texts] != NULL ? texts[query->n_texts++] : NULL;
}

int cv_query_parse(struct cv_query *query, const char *text, size_t len)
{
	size_t n_pairs = 1;
	char *to;

	for (size_t i = 0; i < len; i++)
		n_pairs += text[i] == '&';
	if (n_pairs > CV_QUERY_PARAMS_MAX)
		return -E2BIG;
	/* A pair without a sign takes one byte more than it has, each one two NULs. */
	to = text_reserve(query, len + 2 * n_pairs);
	if (to == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < len;) {
		const char *end = memchr(text + i, '&', len - i);
		size_t pair_len = end != NULL ? (size_t)(end - text) - i : len - i;
		long used = pair_len > 0 ? param_parse(query, text + i, pair_len, to) : 0;

		if (used < 0)
			return (int)used;
		to += used;
		i += pair_len + 1;
	}
	return 0;
}

void cv_query_fini(struct cv_query *query)
{
	for (uint32_t i = 0; i < query->n_texts; i++)
		free(query->texts[i]);
	free(query->texts);
	free(query->params);
	*query = (struct cv_query){0};
}

/* ---- order ---- */

/* Positions before names, by value: a shorter one is a smaller number. */
static int component_cmp(const char *a, size_t a_len, const char *b, size_t b_len)
{
	bool a_pos = cv_query_is_pos(a, a_len), b_pos = cv_query_is_pos(b, b_len);
	size_t least = a_len < b_len ? a_len : b_len;
	int ret;

	if (a_pos != b_pos)
		return a_pos ? -1 : 1;
	if (a_pos && a_len != b_len)
		return a_len < b_len ? -1 : 1;
	ret = memcmp(a, b, least);
	if (ret != 0)
		return ret;
	return (a_len > b_len) - (a_len < b_len);
}

static int param_cmp(const void *pa, const void *pb)
{
	const char *a = ((const struct cv_query_param *)pa)->name;
	const char *b = ((const struct cv_query_param *)pb)->name;

	for (;;) {
		size_t a_len = strcspn(a, "."), b_len = strcspn(b, ".");
		int ret = component_cmp(a, a_len, b, b_len);

		if (ret != 0)
			return ret;
		if (a[a_len] != b[b_len])
			return a[a_len] == '\0' ? -1 : 1;
		if (a[a_len] == '\0')
			return 0;
		a += a_len + 1;
		b += b_len + 1;
	}
}

int cv_query_sort(struct cv_query *query, const char **ret_name)
{
	if (query->n == 0)
		return 0;
	qsort(query->params, query->n, sizeof(*query->params), param_cmp);
	for (uint32_t i = 1; i < query->n; i++) {
		if (strcmp(query->params[i - 1].name, query->params[i].name) == 0) {
			*ret_name = query->params[i].name;
			return -EEXIST;
		}
	}
	return 0;
}

/* ---- the tree ---- */

struct cv_query_node cv_query_root(const struct cv_query *query)
{
	return (struct cv_query_node){.params = query->params, .n = query->n};
}

/* The component of a parameter's name just below a place; NULL for the place's own value. */
static const char *component_get(const struct cv_query_node *node, uint32_t i, size_t *ret_len)
{
	const char *name = node->params[i].name + node->prefix_len;

	if (node->prefix_len > 0) {
		if (*name == '\0')
			return NULL;
		name++;
	}
	*ret_len = strcspn(name, ".");
	return name;
}

/* The run of parameters from i on that share their component below a place. */
static struct cv_query_node run_get(const struct cv_query_node *node, uint32_t i)
{
	size_t len = 0, other_len = 0;
	const char *name = component_get(node, i, &len);
	uint32_t end = i + 1;

	for (; end < node->n; end++) {
		const char *other = component_get(node, end, &other_len);

		if (other_len != len || memcmp(other, name, len) != 0)
			break;
	}
	return (struct cv_query_node){
		.params = node->params + i,
		.n = end - i,
		.prefix_len = (uint32_t)(name - node->params[i].name + (long)len),
	};
}

static struct cv_query_node child_get(const struct cv_query_node *node, const char *name,
				      size_t len)
{
	for (uint32_t i = 0; i < node->n; i++) {
		size_t own_len;
		const char *own = component_get(node, i, &own_len);

		if (own != NULL && own_len == len && memcmp(own, name, len) == 0)
			return run_get(node, i);
	}
	return (struct cv_query_node){0};
}

struct cv_query_node cv_query_at(const struct cv_query_node *node, const char *path)
{
	struct cv_query_node at = *node;

	while (*path != '\0' && at.n > 0) {
		size_t len = strcspn(path, ".");

		at = child_get(&at, path, len);
		path += len;
		path += *path == '.';
	}
	return at;
}

const char *cv_query_value(const struct cv_query_node *node)
{
	if (node->n == 0 || node->params[0].name[node->prefix_len] != '\0')
		return NULL;
	return node->params[0].value;
}

const char *cv_query_str(const struct cv_query_node *node, const char *path)
{
	struct cv_query_node at = cv_query_at(node, path);

	return cv_query_value(&at);
}

bool cv_query_next(struct cv_query_iter *iter)
{
	while (iter->done < iter->list.n) {
		size_t len;
		const char *name = component_get(&iter->list, iter->done, &len);

		if (name == NULL || !cv_query_is_pos(name, len)) {
			iter->done++;
			continue;
		}
		iter->item = run_get(&iter->list, iter->done);
		iter->done += iter->item.n;
		iter->pos = (uint32_t)strtoul(name, NULL, 10);
		return true;
	}
	return false;
}

uint32_t cv_query_count(const struct cv_query_node *list)
{
	struct cv_query_iter iter = {.list = *list};
	uint32_t n = 0;

	while (cv_query_next(&iter))
		n++;
	return n;
}
