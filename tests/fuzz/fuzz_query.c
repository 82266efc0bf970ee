/* SPDX-License-Identifier: BSD-3-Clause */

/* Form-encoded parameters on any bytes: the tree holds what the list holds, and XML made of it is text. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"
#include "cv_query.h"
#include "cv_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Every parameter is found again by its name, as long as no two begin alike in an odd way. */
static void check_found(const struct cv_query *query)
{
	struct cv_query_node root = cv_query_root(query);

	for (uint32_t i = 0; i < query->n; i++) {
		const char *name = query->params[i].name;

		cv_assert(cv_query_is_text(name, strlen(name)));
		cv_assert(cv_query_is_text(query->params[i].value, strlen(query->params[i].value)));
		/* A name that is empty, or begins or ends with a dot, is no path. */
		if (strchr(".", *name) != NULL || name[strlen(name) - 1] == '.' || i > 200)
			continue;
		cv_assert(cv_query_str(&root, name) != NULL);
	}
}

static uint32_t walk(const struct cv_query_node *at, unsigned int depth)
{
	struct cv_query_iter iter = {.list = *at};
	uint32_t n = 0, before = 0;

	while (cv_query_next(&iter)) {
		cv_assert(iter.pos > before && iter.item.n > 0);
		before = iter.pos;
		n += iter.item.n;
		if (depth < CV_QUERY_DEPTH_MAX)
			cv_assert(walk(&iter.item, depth + 1) <= iter.item.n);
	}
	return n;
}

/* Bytes that are no text at all become text. */
static void check_xml(const uint8_t *data, size_t len)
{
	char *raw = malloc(len + 1), *text;
	struct cv_xml xml;
	size_t out_len;

	cv_assert(raw != NULL);
	memcpy(raw, data, len);
	raw[len] = '\0';
	cv_xml_init(&xml, "item");
	cv_xml_open(&xml, "a");
	cv_xml_item_str(&xml, raw);
	cv_xml_close(&xml);
	text = cv_xml_take(&xml, &out_len);
	cv_assert(text != NULL && strlen(text) == out_len && cv_query_is_text(text, out_len));
	cv_assert(strncmp(text, "<a><item", 8) == 0);
	for (const char *c = strchr(text + 4, '>'); c != NULL && *c != '\0'; c++)
		cv_assert(*c != '<' || strcmp(c, "</item></a>") == 0 || strcmp(c, "</a>") == 0);
	free(text);
	free(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cv_query query = {0};
	const char *twice = NULL;

	if (cv_query_parse(&query, (const char *)data, len) == 0 &&
	    cv_query_sort(&query, &twice) == 0) {
		struct cv_query_node root = cv_query_root(&query);

		check_found(&query);
		cv_assert(walk(&root, 0) <= query.n);
	}
	cv_query_fini(&query);
	check_xml(data, len);
	return 0;
}
