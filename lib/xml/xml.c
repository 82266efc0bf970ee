/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_xml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"
#include "cv_query.h"

void cv_xml_init(struct cv_xml *xml, const char *item)
{
	*xml = (struct cv_xml){.item = item};
}

/* Room for len bytes more and a NUL. */
static bool reserve(struct cv_xml *xml, size_t len)
{
	size_t need = xml->len + len + 1, cap = xml->cap == 0 ? 2048 : xml->cap;
	char *text;

	if (xml->failed)
		return false;
	if (need <= xml->cap)
		return true;
	while (cap < need)
		cap *= 2;
	text = realloc(xml->text, cap);
	if (text == NULL) {
		xml->failed = true;
		return false;
	}
	xml->text = text;
	xml->cap = cap;
	return true;
}

static void put(struct cv_xml *xml, const char *text, size_t len)
{
	if (!reserve(xml, len))
		return;
	memcpy(xml->text + xml->len, text, len);
	xml->len += len;
}

static void put_str(struct cv_xml *xml, const char *text)
{
	put(xml, text, strlen(text));
}

/* The start tag is over: something follows inside it. */
static void tag_finish(struct cv_xml *xml)
{
	if (xml->empty)
		put(xml, ">", 1);
	xml->empty = false;
}

/* What stands for a character; NULL: itself. */
static const char *escape_get(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	case '\r':
		return "&#13;";
	default:
		return NULL;
	}
}

/* Escaped; what stands between two characters that need it goes out at once. */
static void put_text(struct cv_xml *xml, const char *text)
{
	size_t len = strlen(text), from = 0, at = 0;

	while (at < len) {
		size_t n = cv_query_char_len(text + at, len - at);
		const char *escape = n == 0 ? "\xef\xbf\xbd" : escape_get(text[at]);

		if (escape != NULL) {
			put(xml, text + from, at - from);
			put_str(xml, escape);
			from = at + (n > 0 ? n : 1);
		}
		at += n > 0 ? n : 1;
	}
	put(xml, text + from, len - from);
}

static void tag_open(struct cv_xml *xml, const char *name)
{
	cv_assert(xml->depth < CV_XML_DEPTH_MAX);
	tag_finish(xml);
	xml->open[xml->depth++] = name;
	put(xml, "<", 1);
	put_str(xml, name);
	xml->empty = true;
}

void cv_xml_open(struct cv_xml *xml, const char *name)
{
	tag_open(xml, name);
}

void cv_xml_open_ns(struct cv_xml *xml, const char *name, const char *ns)
{
	tag_open(xml, name);
	put_str(xml, " xmlns=\"");
	put_text(xml, ns);
	put(xml, "\"", 1);
}

void cv_xml_close(struct cv_xml *xml)
{
	const char *name;

	cv_assert(xml->depth > 0);
	name = xml->open[--xml->depth];
	if (xml->empty) {
		put(xml, "/>", 2);
		xml->empty = false;
		return;
	}
	put(xml, "</", 2);
	put_str(xml, name);
	put(xml, ">", 1);
}

void cv_xml_item(struct cv_xml *xml)
{
	tag_open(xml, xml->item);
}

void cv_xml_str(struct cv_xml *xml, const char *name, const char *value)
{
	if (value == NULL)
		return;
	tag_open(xml, name);
	cv_xml_text(xml, value);
	cv_xml_close(xml);
}

void cv_xml_item_str(struct cv_xml *xml, const char *value)
{
	cv_xml_str(xml, xml->item, value);
}

void cv_xml_int(struct cv_xml *xml, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	cv_xml_str(xml, name, text);
}

void cv_xml_double(struct cv_xml *xml, const char *name, double value)
{
	char text[40];

	if (!isfinite(value))
		value = 0;
	snprintf(text, sizeof(text), "%.15g", value);
	if (strtod(text, NULL) < value || strtod(text, NULL) > value)
		snprintf(text, sizeof(text), "%.17g", value);
	if (strpbrk(text, ".e") == NULL)
		strcat(text, ".0");
	cv_xml_str(xml, name, text);
}

void cv_xml_bool(struct cv_xml *xml, const char *name, bool value)
{
	cv_xml_str(xml, name, value ? "true" : "false");
}

void cv_xml_time(struct cv_xml *xml, const char *name, time_t at, int ms)
{
	char day[32], text[48], part[8] = "";
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	if (ms >= 0)
		snprintf(part, sizeof(part), ".%03d", ms % 1000);
	snprintf(text, sizeof(text), "%s%sZ", day, part);
	cv_xml_str(xml, name, text);
}

void cv_xml_text(struct cv_xml *xml, const char *value)
{
	/* An element with an empty text is as empty as one without. */
	if (*value == '\0')
		return;
	tag_finish(xml);
	put_text(xml, value);
}

void cv_xml_raw(struct cv_xml *xml, const char *text, size_t len)
{
	if (len == 0)
		return;
	tag_finish(xml);
	put(xml, text, len);
}

char *cv_xml_take(struct cv_xml *xml, size_t *ret_len)
{
	char *text;

	cv_assert(xml->depth == 0);
	if (!reserve(xml, 0)) {
		cv_xml_fini(xml);
		return NULL;
	}
	text = xml->text;
	text[xml->len] = '\0';
	*ret_len = xml->len;
	*xml = (struct cv_xml){.item = xml->item};
	return text;
}

void cv_xml_fini(struct cv_xml *xml)
{
	free(xml->text);
	*xml = (struct cv_xml){.item = xml->item};
}
