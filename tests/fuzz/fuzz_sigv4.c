/* SPDX-License-Identifier: BSD-3-Clause */

/* Requests with any headers. Input: lines; the first is `METHOD path?query`, then `name: value` up to an
 * empty line, then the body. Whatever it holds, nobody gets in with a secret that he does not have. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"
#include "cv_sigv4.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HEADERS_MAX 32

struct input {
	char *text;
	struct cv_sigv4_header headers[HEADERS_MAX];
	struct cv_sigv4_request request;
};

static char *line_take(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (end == NULL) {
		*text = line + strlen(line);
	} else {
		*end = '\0';
		*text = end + 1;
	}
	return line;
}

static void head_split(struct input *in, char *line)
{
	char *path = strchr(line, ' '), *mark;

	in->request.method = line;
	in->request.path = in->request.query = "";
	if (path == NULL)
		return;
	*path++ = '\0';
	in->request.path = path;
	mark = strchr(path, '?');
	if (mark != NULL) {
		*mark = '\0';
		in->request.query = mark + 1;
	}
}

static void input_split(struct input *in, const uint8_t *data, size_t len)
{
	char *text, *line;

	in->text = malloc(len + 1);
	cv_assert(in->text != NULL);
	memcpy(in->text, data, len);
	in->text[len] = '\0';
	text = in->text;
	head_split(in, line_take(&text));
	in->request.headers = in->headers;
	while (*(line = line_take(&text)) != '\0' && in->request.n_headers < HEADERS_MAX) {
		char *value = strchr(line, ':');

		if (value != NULL)
			*value++ = '\0';
		in->headers[in->request.n_headers++] =
			(struct cv_sigv4_header){line, value != NULL ? value : ""};
	}
	in->request.body = text;
	in->request.body_len = strlen(text);
}

static void check_auth(const struct cv_sigv4_auth *auth)
{
	cv_assert(auth->key_id[0] != '\0' && auth->region[0] != '\0' && auth->service[0] != '\0');
	cv_assert(strlen(auth->signature) == CV_SIGV4_HEX_LEN);
	cv_assert(strlen(auth->date) == CV_SIGV4_DATE_LEN);
	cv_assert(memcmp(auth->date, auth->day, 8) == 0);
	cv_assert(strstr(auth->signed_headers, "host") != NULL);
	cv_assert(auth->presigned == (auth->expires > 0));
	cv_assert(auth->text[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = {0};
	struct cv_sigv4_auth auth;

	input_split(&in, data, len);
	if (cv_sigv4_parse(&in.request, &auth) == CV_SIGV4_OK) {
		enum cv_sigv4_fault fault;
		char *canonical = cv_sigv4_canonical(&in.request, &auth);

		check_auth(&auth);
		cv_assert(canonical == NULL || strlen(canonical) > 64);
		free(canonical);
		fault = cv_sigv4_verify(&in.request, &auth, "a secret that nobody knows");
		cv_assert(fault != CV_SIGV4_OK && auth.text[0] != '\0');
		(void)cv_sigv4_check_time(&auth, 1795296611);
	} else {
		cv_assert(auth.text[0] != '\0');
	}
	cv_sigv4_auth_fini(&auth);
	free(in.text);
	return 0;
}
