/* SPDX-License-Identifier: BSD-3-Clause */

/* From a request to how it is signed. */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cv_base.h"
#include "cv_query.h"

#include "sigv4_priv.h"

const char *cv_sigv4_header_find(const struct cv_sigv4_request *request, const char *name)
{
	for (uint32_t i = 0; i < request->n_headers; i++) {
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	}
	return NULL;
}

static enum cv_sigv4_fault CV_PRINTF(2, 3)
	incomplete(struct cv_sigv4_auth *auth, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(auth->text, sizeof(auth->text), fmt, ap);
	va_end(ap);
	return CV_SIGV4_INCOMPLETE;
}

static bool text_copy(char *to, size_t cap, const char *from, size_t len)
{
	if (len == 0 || len >= cap || memchr(from, '\0', len) != NULL)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

static bool has_only(const char *text, const char *set)
{
	return text[strspn(text, set)] == '\0';
}

/* KEY/20261121/REGION/SERVICE/aws4_request. */
static enum cv_sigv4_fault scope_parse(struct cv_sigv4_auth *auth, const char *text, size_t len)
{
	struct {
		char *to;
		size_t cap;
	} parts[] = {{auth->key_id, sizeof(auth->key_id)},
		     {auth->day, sizeof(auth->day)},
		     {auth->region, sizeof(auth->region)},
		     {auth->service, sizeof(auth->service)}};
	static const char end[] = "aws4_request";

	for (size_t i = 0; i < CV_ARRAY_LEN(parts); i++) {
		const char *slash = memchr(text, '/', len);

		if (slash == NULL ||
		    !text_copy(parts[i].to, parts[i].cap, text, (size_t)(slash - text)))
			return incomplete(auth, "Credential must have exactly 5 slash-delimited "
						"elements: KEY/DATE/REGION/SERVICE/aws4_request");
		len -= (size_t)(slash - text) + 1;
		text = slash + 1;
	}
	if (len != sizeof(end) - 1 || memcmp(text, end, len) != 0)
		return incomplete(auth, "Credential should be scoped with a valid terminator: "
					"'aws4_request'");
	if (strlen(auth->day) != 8 || !has_only(auth->day, "0123456789"))
		return incomplete(auth, "Date in Credential scope is not YYYYMMDD");
	return CV_SIGV4_OK;
}

static bool digits_read(const char *text, int n, int *ret)
{
	*ret = 0;
	for (int i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*ret = *ret * 10 + text[i] - '0';
	}
	return true;
}

/* `20261121T213011Z`. */
static bool date_parse(const char *text, time_t *ret_at)
{
	struct tm tm = {0};
	const struct {
		int at, n, min, max;
		int *to;
	} parts[] = {
		{0, 4, 1970, 9999, &tm.tm_year}, {4, 2, 1, 12, &tm.tm_mon},
		{6, 2, 1, 31, &tm.tm_mday},      {9, 2, 0, 23, &tm.tm_hour},
		{11, 2, 0, 59, &tm.tm_min},      {13, 2, 0, 60, &tm.tm_sec},
	};

	if (strlen(text) != CV_SIGV4_DATE_LEN || text[8] != 'T' || text[15] != 'Z')
		return false;
	for (size_t i = 0; i < CV_ARRAY_LEN(parts); i++) {
		if (!digits_read(text + parts[i].at, parts[i].n, parts[i].to) ||
		    *parts[i].to < parts[i].min || *parts[i].to > parts[i].max)
			return false;
	}
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ret_at = timegm(&tm);
	return true;
}

static enum cv_sigv4_fault date_set(struct cv_sigv4_auth *auth, const char *text)
{
	if (text == NULL)
		return incomplete(auth,
				  "Authorization header requires existence of an 'X-Amz-Date' "
				  "header");
	if (!date_parse(text, &auth->at))
		return incomplete(auth,
				  "Date must be in ISO-8601 'basic format': YYYYMMDDTHHMMSSZ");
	strcpy(auth->date, text);
	return CV_SIGV4_OK;
}

/* Lower case, sorted, each once. */
static bool signed_headers_are_sound(const char *list)
{
	const char *before = NULL;
	size_t before_len = 0;

	for (const char *name = list;; name++) {
		size_t len = strcspn(name, ";"), least = len < before_len ? len : before_len;
		int cmp = before != NULL ? memcmp(before, name, least) : -1;

		if (len == 0 || cmp > 0 || (cmp == 0 && before_len >= len))
			return false;
		for (size_t i = 0; i < len; i++) {
			if ((name[i] >= 'A' && name[i] <= 'Z') || name[i] <= ' ' || name[i] >= 0x7f)
				return false;
		}
		before = name;
		before_len = len;
		name += len;
		if (*name == '\0')
			return true;
	}
}

static bool header_is_signed(const struct cv_sigv4_auth *auth, const char *header)
{
	size_t len = strlen(header);

	for (const char *name = auth->signed_headers; *name != '\0';) {
		size_t own = strcspn(name, ";");

		if (own == len && strncasecmp(name, header, len) == 0)
			return true;
		name += own;
		name += *name == ';';
	}
	return false;
}

/* What must not be changed on the way must be signed. */
static enum cv_sigv4_fault signed_headers_check(const struct cv_sigv4_request *request,
						struct cv_sigv4_auth *auth)
{
	if (!signed_headers_are_sound(auth->signed_headers))
		return incomplete(auth, "SignedHeaders must be lower case, sorted and without "
					"repetition");
	if (!header_is_signed(auth, "host"))
		return incomplete(auth, "'Host' must be a 'SignedHeader' in the AWS Authorization");
	for (uint32_t i = 0; i < request->n_headers; i++) {
		const char *name = request->headers[i].name;

		if (strncasecmp(name, "x-amz-", 6) == 0 && !header_is_signed(auth, name))
			return incomplete(
				auth, "'%.60s' must be a 'SignedHeader' in the AWS Authorization",
				name);
	}
	for (const char *name = auth->signed_headers; *name != '\0';) {
		size_t len = strcspn(name, ";");
		char own[128];

		if (!text_copy(own, sizeof(own), name, len) ||
		    cv_sigv4_header_find(request, own) == NULL)
			return incomplete(auth, "SignedHeader '%.*s' is not in the request",
					  (int)(len < 60 ? len : 60), name);
		name += len;
		name += *name == ';';
	}
	return CV_SIGV4_OK;
}

static enum cv_sigv4_fault signature_set(struct cv_sigv4_auth *auth, const char *text, size_t len)
{
	if (len != CV_SIGV4_HEX_LEN ||
	    !text_copy(auth->signature, sizeof(auth->signature), text, len) ||
	    !has_only(auth->signature, "0123456789abcdef"))
		return incomplete(auth, "Signature must be 64 lower-case hex digits");
	return CV_SIGV4_OK;
}

static enum cv_sigv4_fault token_set(struct cv_sigv4_auth *auth, const char *text)
{
	if (text == NULL || *text == '\0')
		return CV_SIGV4_OK;
	auth->token = strdup(text);
	return auth->token != NULL ? CV_SIGV4_OK : CV_SIGV4_NO_MEMORY;
}

/* ---- the header ---- */

/* One `Name=value` of the header, between commas or blanks. */
struct part {
	const char *name;
	const char *value;
	size_t len;
};

static const char blanks[] = ", \t";

/* Finds a part; the name may be there once only. */
static bool part_find(const char *text, struct part *part)
{
	size_t name_len = strlen(part->name);

	part->value = NULL;
	for (text += strspn(text, blanks); *text != '\0'; text += strspn(text, blanks)) {
		size_t len = strcspn(text, blanks);

		if (len > name_len && text[name_len] == '=' &&
		    strncmp(text, part->name, name_len) == 0) {
			if (part->value != NULL)
				return false;
			part->value = text + name_len + 1;
			part->len = len - name_len - 1;
		}
		text += len;
	}
	return part->value != NULL;
}

static enum cv_sigv4_fault header_parse(const struct cv_sigv4_request *request, const char *text,
					struct cv_sigv4_auth *auth)
{
	struct part parts[] = {
		{.name = "Credential"}, {.name = "SignedHeaders"}, {.name = "Signature"}};
	size_t len = strcspn(text, blanks);
	enum cv_sigv4_fault fault;

	if (len != strlen(SIGV4_ALGORITHM) || memcmp(text, SIGV4_ALGORITHM, len) != 0)
		return incomplete(auth, "Authorization must begin with '" SIGV4_ALGORITHM "'");
	for (size_t i = 0; i < CV_ARRAY_LEN(parts); i++) {
		if (!part_find(text + len, &parts[i]))
			return incomplete(auth,
					  "Authorization header requires '%s' parameter, once",
					  parts[i].name);
	}
	fault = scope_parse(auth, parts[0].value, parts[0].len);
	if (fault == CV_SIGV4_OK && !text_copy(auth->signed_headers, sizeof(auth->signed_headers),
					       parts[1].value, parts[1].len))
		fault = incomplete(auth, "SignedHeaders is empty or too long");
	if (fault == CV_SIGV4_OK)
		fault = signature_set(auth, parts[2].value, parts[2].len);
	if (fault == CV_SIGV4_OK)
		fault = date_set(auth, cv_sigv4_header_find(request, "x-amz-date"));
	if (fault == CV_SIGV4_OK)
		fault = token_set(auth, cv_sigv4_header_find(request, "x-amz-security-token"));
	return fault;
}

/* ---- the query ---- */

static enum cv_sigv4_fault expires_set(struct cv_sigv4_auth *auth, const char *text)
{
	int seconds = 0;

	if (text == NULL)
		return incomplete(auth, "X-Amz-Expires is missing");
	if (strlen(text) > 6 || *text == '\0' || !digits_read(text, (int)strlen(text), &seconds) ||
	    seconds < 1 || seconds > CV_SIGV4_EXPIRES_MAX)
		return incomplete(auth, "X-Amz-Expires must be between 1 and 604800 seconds");
	auth->expires = (uint32_t)seconds;
	return CV_SIGV4_OK;
}

static enum cv_sigv4_fault query_read(const struct cv_query_node *root, struct cv_sigv4_auth *auth)
{
	static const char *const names[] = {"X-Amz-Algorithm", "X-Amz-Credential",
					    "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Date"};
	const char *values[CV_ARRAY_LEN(names)];
	enum cv_sigv4_fault fault;

	auth->presigned = true;
	for (size_t i = 0; i < CV_ARRAY_LEN(names); i++) {
		values[i] = cv_query_str(root, names[i]);
		if (values[i] == NULL)
			return incomplete(auth, "AWS query-string parameters must include '%s'",
					  names[i]);
	}
	if (strcmp(values[0], SIGV4_ALGORITHM) != 0)
		return incomplete(auth, "X-Amz-Algorithm must be '" SIGV4_ALGORITHM "'");
	fault = scope_parse(auth, values[1], strlen(values[1]));
	if (fault == CV_SIGV4_OK && !text_copy(auth->signed_headers, sizeof(auth->signed_headers),
					       values[2], strlen(values[2])))
		fault = incomplete(auth, "X-Amz-SignedHeaders is empty or too long");
	if (fault == CV_SIGV4_OK)
		fault = signature_set(auth, values[3], strlen(values[3]));
	if (fault == CV_SIGV4_OK)
		fault = date_set(auth, values[4]);
	if (fault == CV_SIGV4_OK)
		fault = expires_set(auth, cv_query_str(root, "X-Amz-Expires"));
	if (fault == CV_SIGV4_OK)
		fault = token_set(auth, cv_query_str(root, "X-Amz-Security-Token"));
	return fault;
}

static enum cv_sigv4_fault query_parse(const struct cv_sigv4_request *request,
				       struct cv_sigv4_auth *auth)
{
	struct cv_query query = {0};
	struct cv_query_node root;
	const char *twice;
	enum cv_sigv4_fault fault;
	int ret = cv_query_parse(&query, request->query, strlen(request->query));

	if (ret == 0)
		ret = cv_query_sort(&query, &twice);
	root = cv_query_root(&query);
	if (ret < 0)
		fault = incomplete(auth, "the query string cannot be read");
	else if (cv_query_str(&root, "X-Amz-Algorithm") == NULL &&
		 cv_query_str(&root, "X-Amz-Signature") == NULL)
		fault = CV_SIGV4_MISSING;
	else
		fault = query_read(&root, auth);
	cv_query_fini(&query);
	return fault;
}

static bool query_is_long(const char *query)
{
	size_t n = 1;

	for (; *query != '\0'; query++)
		n += *query == '&';
	return n > SIGV4_PAIRS_MAX;
}

enum cv_sigv4_fault cv_sigv4_parse(const struct cv_sigv4_request *request,
				   struct cv_sigv4_auth *auth)
{
	const char *header = cv_sigv4_header_find(request, "authorization");
	enum cv_sigv4_fault fault;
	bool in_query;

	memset(auth, 0, sizeof(*auth));
	in_query = strstr(request->query, "X-Amz-Signature=") != NULL ||
		   strstr(request->query, "X-Amz-Algorithm=") != NULL;
	if (header != NULL && in_query)
		return incomplete(auth,
				  "a request is signed in its header or in its query, not both");
	if (query_is_long(request->query))
		return incomplete(auth, "the query string has more than %d parameters",
				  SIGV4_PAIRS_MAX);
	fault = header != NULL ? header_parse(request, header, auth) : query_parse(request, auth);
	if (fault == CV_SIGV4_OK)
		fault = signed_headers_check(request, auth);
	if (fault == CV_SIGV4_OK && memcmp(auth->day, auth->date, 8) != 0) {
		snprintf(
			auth->text, sizeof(auth->text),
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of "
			"date from HTTP: '%s' != '%.8s'",
			auth->day, auth->date);
		fault = CV_SIGV4_SCOPE;
	}
	if (fault == CV_SIGV4_MISSING)
		strcpy(auth->text, "Request is missing Authentication Token");
	return fault;
}

void cv_sigv4_auth_fini(struct cv_sigv4_auth *auth)
{
	free(auth->token);
	auth->token = NULL;
}
