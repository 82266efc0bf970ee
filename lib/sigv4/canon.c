/* SPDX-License-Identifier: BSD-3-Clause */

/* The canonical request: one spelling of a request, whatever proxies and clients made of it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cv_base.h"
#include "cv_query.h"

#include "sigv4_priv.h"

static bool is_unreserved(unsigned char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

static void encode(FILE *out, const char *text, size_t len, bool slash_stays)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (is_unreserved(c) || (c == '/' && slash_stays))
			fputc(c, out);
		else
			fprintf(out, "%%%02X", c);
	}
}

/*
 * The path without `.`, `..` and empty segments, then encoded once more: services other than S3 sign the
 * path as it stands on the wire, where it is encoded already.
 */
static void path_write(FILE *out, const char *path)
{
	char *clean = malloc(strlen(path) + 2);
	bool dir = *path == '\0' || path[strlen(path) - 1] == '/';
	size_t len = 0;

	if (clean == NULL)
		return;
	while (*path != '\0') {
		size_t part = strcspn(path, "/");

		if (part == 2 && memcmp(path, "..", 2) == 0) {
			while (len > 0 && clean[--len] != '/')
				;
		} else if (part > 0 && !(part == 1 && *path == '.')) {
			clean[len++] = '/';
			memcpy(clean + len, path, part);
			len += part;
		}
		path += part;
		path += *path == '/';
	}
	if (len == 0 || dir)
		clean[len++] = '/';
	encode(out, clean, len, true);
	free(clean);
	fputc('\n', out);
}

static int pair_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* One parameter decoded and encoded again, name and value apart, with a sort key: the byte 1 sorts
 * before anything that an encoded text holds, so that names sort before values are looked at. */
static char *pair_make(const char *text, size_t len)
{
	const char *sign = memchr(text, '=', len);
	size_t name_len = sign != NULL ? (size_t)(sign - text) : len;
	size_t value_len = sign != NULL ? len - name_len - 1 : 0, out_len;
	char *plain = malloc(len + 1), *made = NULL;
	FILE *out = open_memstream(&made, &out_len);
	long n;

	if (plain == NULL || out == NULL)
		goto end;
	n = cv_query_decode(text, name_len, true, plain);
	if (n >= 0)
		encode(out, plain, (size_t)n, false);
	fputc('\1', out);
	if (sign != NULL) {
		n = cv_query_decode(sign + 1, value_len, true, plain);
		if (n >= 0)
			encode(out, plain, (size_t)n, false);
	}
end:
	if (out != NULL && fclose(out) != 0) {
		free(made);
		made = NULL;
	}
	free(plain);
	return made;
}

static bool query_write(FILE *out, const char *query)
{
	static const char signature[] = "X-Amz-Signature=";
	char *pairs[SIGV4_PAIRS_MAX];
	size_t n = 0;
	bool whole = true;

	while (*query != '\0' && n < SIGV4_PAIRS_MAX) {
		size_t len = strcspn(query, "&");

		if (len > 0 && strncmp(query, signature, sizeof(signature) - 1) != 0) {
			pairs[n] = pair_make(query, len);
			if (pairs[n] == NULL) {
				whole = false;
				break;
			}
			n++;
		}
		query += len;
		query += *query == '&';
	}
	qsort(pairs, n, sizeof(*pairs), pair_cmp);
	for (size_t i = 0; i < n; i++) {
		char *mark = strchr(pairs[i], '\1');

		if (mark != NULL)
			*mark = '=';
		fprintf(out, "%s%s", i > 0 ? "&" : "", pairs[i]);
		free(pairs[i]);
	}
	fputc('\n', out);
	return whole && *query == '\0';
}

/* Trimmed, runs of blanks as one. */
static void value_write(FILE *out, const char *value)
{
	bool blank = false, begun = false;

	for (; *value != '\0'; value++) {
		if (*value == ' ' || *value == '\t') {
			blank = true;
			continue;
		}
		if (blank && begun)
			fputc(' ', out);
		fputc(*value, out);
		begun = true;
		blank = false;
	}
}

static void headers_write(FILE *out, const struct cv_sigv4_request *request,
			  const struct cv_sigv4_auth *auth)
{
	for (const char *name = auth->signed_headers; *name != '\0';) {
		size_t len = strcspn(name, ";");
		bool first = true;

		fprintf(out, "%.*s:", (int)len, name);
		for (uint32_t i = 0; i < request->n_headers; i++) {
			const struct cv_sigv4_header *header = &request->headers[i];

			if (strlen(header->name) != len ||
			    strncasecmp(header->name, name, len) != 0)
				continue;
			if (!first)
				fputc(',', out);
			value_write(out, header->value);
			first = false;
		}
		fputc('\n', out);
		name += len;
		name += *name == ';';
	}
	fprintf(out, "\n%s\n", auth->signed_headers);
}

char *cv_sigv4_canonical(const struct cv_sigv4_request *request, const struct cv_sigv4_auth *auth)
{
	char hash[CV_SIGV4_HEX_LEN + 1], *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool whole;

	if (out == NULL)
		return NULL;
	cv_sigv4_sha256_hex(request->body, request->body_len, hash);
	fprintf(out, "%s\n", request->method);
	path_write(out, request->path);
	whole = query_write(out, request->query);
	headers_write(out, request, auth);
	fputs(hash, out);
	if (fclose(out) != 0 || !whole) {
		free(text);
		return NULL;
	}
	return text;
}
