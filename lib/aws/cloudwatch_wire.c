/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * CloudWatch in JSON and CBOR, as newer clients speak it: a request becomes the parameters that the query
 * protocol would have, an answer in XML becomes a value, and that JSON or CBOR.
 * @source AWS JSON 1.0 protocol, Smithy RPC v2 CBOR protocol, awsQueryCompatible trait, smithy.io
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <jansson.h>

#include "cv_cbor.h"

#include "core_priv.h"

#define TYPE_JSON "application/x-amz-json-1.0"
#define TYPE_CBOR "application/cbor"
#define CBOR "rpc-v2-cbor"
#define SERVICE "GraniteServiceVersion20100801"
#define NAMESPACE "com.amazonaws.cloudwatch#"
/* Requests are not deep: a list of structures with a list in them. */
#define DEPTH_MAX 12
/* The first second after the last year of four digits. */
#define TIME_END 253402300800.0

enum protocol { QUERY, JSON10, RPC_CBOR };

static const char *const times[] = {"Timestamp", "Timestamps"};

static const char *header_find(const struct cv_sigv4_request *request, const char *name)
{
	for (uint32_t i = 0; i < request->n_headers; i++) {
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	}
	return "";
}

/* What follows prefix; NULL if text does not begin with it. */
static const char *after(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return text != NULL && strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* How a request is spoken, and for which action. JSON names it in a header, CBOR in the path. */
static enum protocol protocol_find(const struct cv_sigv4_request *request, const char **ret_action)
{
	const char *type = header_find(request, "content-type");

	if (strcmp(header_find(request, "smithy-protocol"), CBOR) == 0 &&
	    (*type == '\0' || strcasecmp(type, TYPE_CBOR) == 0)) {
		*ret_action = after(strstr(request->path, "/service/" SERVICE "/"),
				    "/service/" SERVICE "/operation/");
		return *ret_action != NULL ? RPC_CBOR : QUERY;
	}
	*ret_action = after(header_find(request, "x-amz-target"), SERVICE ".");
	return *ret_action != NULL && strncasecmp(type, TYPE_JSON, strlen(TYPE_JSON)) == 0 ? JSON10
											   : QUERY;
}

bool cv_aws_wire_is(const struct cv_sigv4_request *request)
{
	const char *action;

	return protocol_find(request, &action) != QUERY;
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
 * A value and what is in it. Whoever asks, the text must not grow beyond what
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

/*
 * Whether JSON may have more values than CBOR: each but the first follows one of these. In texts they count
 * as well: none that CloudWatch takes has that many.
 */
static bool is_crowded(const char *body, size_t len)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += body[i] == '{' || body[i] == '[' || body[i] == ',';
	return n > CV_CBOR_VALUES_MAX;
}

/* The body. CBOR may leave out one with nothing in it. @owner of *ret: caller; json_decref() */
static int body_read(const struct cv_sigv4_request *request, enum protocol protocol, json_t **ret)
{
	if (protocol == RPC_CBOR && request->body_len > 0)
		return cv_cbor_read(request->body, request->body_len, ret);
	if (protocol == JSON10 && is_crowded(request->body, request->body_len))
		return -EILSEQ;
	*ret = protocol == RPC_CBOR
		       ? json_object()
		       : json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, NULL);
	return *ret != NULL ? 0 : -EILSEQ;
}

/* The parameters as a form. @owner of *ret: caller; free() */
static int form_make(const char *action, json_t *root, char **ret)
{
	char *text = NULL;
	uint32_t n = 0;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int err;

	if (out == NULL)
		return -ENOMEM;
	fputs("Version=2010-08-01&Action=", out);
	escape(out, action);
	err = value_write(out, "", root, 0, &n);
	if (fclose(out) != 0)
		err = -ENOMEM;
	if (err < 0)
		free(text);
	else
		*ret = text;
	return err;
}

int cv_aws_wire_params(const struct cv_sigv4_request *request, struct cv_query *query)
{
	const char *action;
	enum protocol protocol = protocol_find(request, &action);
	json_t *root;
	char *form;
	int ret = body_read(request, protocol, &root);

	if (ret < 0)
		return ret;
	ret = json_is_object(root) ? form_make(action, root, &form) : -EILSEQ;
	json_decref(root);
	if (ret < 0)
		return ret;
	ret = cv_query_parse(query, form, strlen(form));
	free(form);
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

/* The value of a whole answer. @owner caller; json_decref() */
static json_t *answer_read(const char *text, bool *ret_failed)
{
	struct reader r = {text};
	json_t *root, *result;
	char tag[64];

	/* The declaration, then what holds everything. */
	tag_read(&r, tag);
	r.p += strspn(r.p, "\n");
	tag_read(&r, tag);
	*ret_failed = strcmp(tag, "ErrorResponse") == 0 || strcmp(tag, "Response") == 0;
	root = inside_read(&r, tag, false);
	/* The first is the result, or the error; ResponseMetadata has a header of its own. */
	result = json_incref(json_object_iter_value(json_object_iter(root)));
	json_decref(root);
	if (json_is_string(result)) {
		json_decref(result);
		result = json_object();
	}
	return result;
}

/* The name of the error's structure in CloudWatch's model; most are their codes. */
static const char *shape_of(const char *code)
{
	static const struct {
		const char *code, *shape;
	} shapes[] = {
		{"InternalServiceError", "InternalServiceFault"},
		{"InvalidParameterCombination", "InvalidParameterCombinationException"},
		{"InvalidParameterValue", "InvalidParameterValueException"},
		{"MissingParameter", "MissingRequiredParameterException"},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(shapes); i++) {
		if (strcmp(shapes[i].code, code) == 0)
			return shapes[i].shape;
	}
	return code;
}

/* An error by its structure; by its code, as the query protocol has it, in a header. @param err  in EC2's
 * shape one level deeper, for who is signed for nothing we know */
static json_t *error_make(json_t *err, struct cv_aws_answer *answer)
{
	const json_t *deeper = json_object_get(err, "Error"), *at = deeper != NULL ? deeper : err;
	const char *code = json_string_value(json_object_get(at, "Code"));
	json_t *made = NULL;

	if (code != NULL) {
		made = json_pack("{s:s+, s:O?}", "__type", NAMESPACE, shape_of(code), "message",
				 json_object_get(at, "Message"));
		snprintf(answer->query_error, sizeof(answer->query_error), "%s;%s", code,
			 answer->status < 500 ? "Sender" : "Receiver");
	}
	json_decref(err);
	return made;
}

/* @return text or bytes, NULL if memory ran out; the caller's */
static char *value_dump(const json_t *value, enum protocol protocol, size_t *ret_len)
{
	char *text = NULL;

	if (protocol == RPC_CBOR)
		return value != NULL && cv_cbor_write(value, times, CV_ARRAY_LEN(times), &text,
						      ret_len) == 0
			       ? text
			       : NULL;
	text = json_dumps(value, JSON_COMPACT);
	*ret_len = text != NULL ? strlen(text) : 0;
	return text;
}

void cv_aws_wire_answer(const struct cv_sigv4_request *request, struct cv_aws_answer *answer)
{
	const char *action;
	enum protocol protocol = protocol_find(request, &action);
	json_t *value;
	bool failed;

	if (protocol == QUERY || answer->text == NULL)
		return;
	value = answer_read(answer->text, &failed);
	if (failed)
		value = error_make(value, answer);
	free(answer->text);
	answer->text = value_dump(value, protocol, &answer->len);
	answer->type = protocol == RPC_CBOR ? TYPE_CBOR : TYPE_JSON;
	answer->protocol = protocol == RPC_CBOR ? CBOR : NULL;
	json_decref(value);
}
