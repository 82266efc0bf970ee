/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * CloudWatch in JSON, as newer clients speak it: a request becomes the parameters that the query protocol
 * would have, an answer in XML becomes JSON. @source AWS JSON 1.0 protocol, smithy.io
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <jansson.h>

#include "core_priv.h"

#define TYPE "application/x-amz-json-1.0"
#define TARGET "GraniteServiceVersion20100801."
/* Requests are not deep: a list of structures with a list in them. */
#define DEPTH_MAX 12
/* The first second after the last year of four digits. */
#define TIME_END 253402300800.0

static const char *target_find(const struct cv_sigv4_request *request)
{
	const char *type = NULL, *target = NULL;

	for (uint32_t i = 0; i < request->n_headers; i++) {
		if (strcasecmp(request->headers[i].name, "content-type") == 0)
			type = request->headers[i].value;
		if (strcasecmp(request->headers[i].name, "x-amz-target") == 0)
			target = request->headers[i].value;
	}
	if (type == NULL || target == NULL || strncasecmp(type, TYPE, strlen(TYPE)) != 0 ||
	    strncmp(target, TARGET, strlen(TARGET)) != 0)
		return NULL;
	return target + strlen(TARGET);
}

bool cv_aws_json_is(const struct cv_sigv4_request *request)
{
	return target_find(request) != NULL;
}

/* ---- requests ---- */

static void escape(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (isalnum((unsigned char)*text) || *text == '.')
			fputc(*text, out);
		else
			fprintf(out, "%%%02X", (unsigned char)*text);
	}
}

static bool is_time(const char *name)
{
	size_t len = strlen(name);

	return len >= 4 && strcmp(name + len - 4, "Time") == 0;
}

/* A time that has a date; others stay the numbers that they are, and are refused as values. */
static bool is_date(const char *name, const json_t *value)
{
	return json_is_number(value) && is_time(name) && json_number_value(value) >= 0 &&
	       json_number_value(value) < TIME_END;
}

static void leaf_write(FILE *out, const char *name, const json_t *value)
{
	char text[48];

	fputc('&', out);
	escape(out, name);
	fputc('=', out);
	if (json_is_string(value)) {
		escape(out, json_string_value(value));
	} else if (is_date(name, value)) {
		time_t at = (time_t)json_number_value(value);
		struct tm tm;

		if (gmtime_r(&at, &tm) != NULL && strftime(text, sizeof(text), "%FT%TZ", &tm) > 0)
			escape(out, text);
	} else if (json_is_integer(value)) {
		fprintf(out, "%lld", (long long)json_integer_value(value));
	} else if (json_is_real(value)) {
		snprintf(text, sizeof(text), "%.17g", json_real_value(value));
		escape(out, text);
	} else {
		fputs(json_is_true(value) ? "true" : "false", out);
	}
}

/*
 * A value and what is in it. Whoever asks is not known yet: the text must not grow beyond what
 * cv_query_parse() would take.
 * @param n  how many values were written so far
 * @return 0, -ENAMETOOLONG (too long or too deep), -E2BIG (too many) or -ENOMEM
 */
static int value_write(FILE *out, const char *name, json_t *value, int depth, uint32_t *n)
{
	const char *key, *dot = *name != '\0' ? "." : "";
	char *inner;
	json_t *item;
	size_t i;
	int ret = 0;

	if (depth > DEPTH_MAX || strlen(name) > CV_QUERY_NAME_LEN_MAX)
		return -ENAMETOOLONG;
	if (json_is_object(value)) {
		json_object_foreach(value, key, item)
		{
			if (asprintf(&inner, "%s%s%s", name, dot, key) < 0)
				return -ENOMEM;
			ret = value_write(out, inner, item, depth + 1, n);
			free(inner);
			if (ret < 0)
				return ret;
		}
	} else if (json_is_array(value)) {
		json_array_foreach(value, i, item)
		{
			if (asprintf(&inner, "%s.member.%zu", name, i + 1) < 0)
				return -ENOMEM;
			ret = value_write(out, inner, item, depth + 1, n);
			free(inner);
			if (ret < 0)
				return ret;
		}
	} else if (!json_is_null(value)) {
		if (++*n > CV_QUERY_PARAMS_MAX)
			return -E2BIG;
		leaf_write(out, name, value);
	}
	return 0;
}

int cv_aws_json_params(const struct cv_sigv4_request *request, struct cv_query *query)
{
	json_t *root = json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, NULL);
	char *text = NULL;
	uint32_t n = 0;
	size_t len;
	FILE *out;
	int ret;

	if (!json_is_object(root)) {
		json_decref(root);
		return -EILSEQ;
	}
	out = open_memstream(&text, &len);
	if (out == NULL) {
		json_decref(root);
		return -ENOMEM;
	}
	fputs("Version=2010-08-01&Action=", out);
	escape(out, target_find(request));
	ret = value_write(out, "", root, 0, &n);
	json_decref(root);
	if (fclose(out) != 0)
		ret = -ENOMEM;
	if (ret == 0)
		ret = cv_query_parse(query, text, len);
	free(text);
	return ret;
}

/* ---- answers ---- */

/* XML that we have written ourselves: no attributes but namespaces, no comments. */
struct reader {
	const char *p;
};

/*
 * The name of the tag that comes next, behind which p is left; "" if it closes. Into name, shape [64].
 * Returns whether something is inside.
 */
static bool tag_read(struct reader *r, char *name)
{
	size_t len = strcspn(r->p + 1, " >"), n = len < 63 ? len : 63;

	memcpy(name, r->p + 1, n);
	name[n] = '\0';
	if (name[0] == '/')
		name[0] = '\0';
	r->p += strcspn(r->p, ">");
	r->p += *r->p == '>';
	if (n == 0 || name[n - 1] != '/')
		return true;
	name[n - 1] = '\0';
	return false;
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* Text up to the next tag, its entities decoded. @owner caller; free() */
static char *text_read(struct reader *r)
{
	static const struct {
		const char *entity;
		char c;
	} entities[] = {{"&amp;", '&'},  {"&lt;", '<'},    {"&gt;", '>'},
			{"&quot;", '"'}, {"&apos;", '\''}, {"&#13;", '\r'}};
	size_t len = strcspn(r->p, "<"), n = 0;
	char *text = malloc(len + 1);
	const char *end = r->p + len;

	while (text != NULL && r->p < end) {
		char c = *r->p++;

		for (size_t i = 0; c == '&' && i < CV_ARRAY_LEN(entities); i++) {
			size_t skip = strlen(entities[i].entity);

			if (strncmp(r->p - 1, entities[i].entity, skip) == 0) {
				text[n++] = entities[i].c;
				r->p += skip - 1;
				c = '\0';
			}
		}
		if (c != '\0')
			text[n++] = c;
	}
	r->p = end;
	if (text != NULL)
		text[n] = '\0';
	return text;
}

/* What text is, by the name of its element, or of the list that it is in. */
static json_t *leaf_make(const char *name, const char *text)
{
	static const char *const times[] = {"Timestamp", "Timestamps"};
	static const char *const numbers[] = {"Values",  "Sum",     "Average",
					      "Minimum", "Maximum", "SampleCount"};
	struct tm tm = {0};

	if (is_one_of(name, times, CV_ARRAY_LEN(times)) &&
	    strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) != NULL)
		return json_integer(timegm(&tm));
	if (is_one_of(name, numbers, CV_ARRAY_LEN(numbers)))
		return json_real(strtod(text, NULL));
	return json_string(text);
}

/* An element of a map: its key, and a number. */
static void entry_add(json_t *map, json_t *entry)
{
	const char *key = json_string_value(json_object_get(entry, "key"));
	const char *value = json_string_value(json_object_get(entry, "value"));

	if (key != NULL && value != NULL)
		json_object_set_new(map, key, json_real(strtod(value, NULL)));
	json_decref(entry);
}

/* What is inside an element, up to and with its end. @param item  it is one of the list of that name */
static json_t *inside_read(struct reader *r, const char *name, bool item)
{
	static const char *const lists[] = {"Datapoints", "Dimensions",        "Messages",
					    "Metrics",    "MetricDataResults", "Timestamps",
					    "Values"};
	bool list = !item && is_one_of(name, lists, CV_ARRAY_LEN(lists));
	json_t *value = list ? json_array() : NULL;
	char tag[64];
	bool full;

	if (*r->p != '<') {
		char *text = text_read(r);

		json_decref(value);
		value = text != NULL ? leaf_make(name, text) : NULL;
		free(text);
		tag_read(r, tag);
		return value;
	}
	for (full = tag_read(r, tag); tag[0] != '\0'; full = tag_read(r, tag)) {
		struct reader none = {"</>"};
		struct reader *in = full ? r : &none;

		if (value == NULL)
			value = json_object();
		if (strcmp(tag, "member") == 0)
			json_array_append_new(value, inside_read(in, name, true));
		else if (strcmp(tag, "entry") == 0)
			entry_add(value, inside_read(in, tag, false));
		else
			json_object_set_new(value, tag, inside_read(in, tag, false));
	}
	return value != NULL ? value : json_string("");
}

void cv_aws_json_answer(struct cv_aws_answer *answer)
{
	struct reader r = {answer->text};
	json_t *root, *result = NULL;
	char tag[64];

	if (answer->text == NULL)
		return;
	/* The declaration, then what holds everything. */
	tag_read(&r, tag);
	r.p += strspn(r.p, "\n");
	tag_read(&r, tag);
	root = inside_read(&r, tag, false);
	if (strcmp(tag, "ErrorResponse") == 0) {
		const json_t *err = json_object_get(root, "Error");

		result = json_pack("{s:O?, s:O?}", "__type", json_object_get(err, "Code"),
				   "message", json_object_get(err, "Message"));
	} else {
		/* The first is the result; ResponseMetadata has a header of its own. */
		result = json_incref(json_object_iter_value(json_object_iter(root)));
		if (json_is_string(result)) {
			json_decref(result);
			result = json_object();
		}
	}
	json_decref(root);
	free(answer->text);
	answer->text = json_dumps(result, JSON_COMPACT);
	answer->len = answer->text != NULL ? strlen(answer->text) : 0;
	answer->type = TYPE;
	json_decref(result);
}
