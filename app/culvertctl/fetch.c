/* SPDX-License-Identifier: BSD-3-Clause */

#include "fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

/* Longer than culvertd lets a question wait. */
#define TIMEOUT_S 30

static size_t text_add(char *data, size_t size, size_t n, void *arg)
{
	struct fetch_answer *answer = arg;
	size_t len = size * n;
	char *text = realloc(answer->text, answer->len + len + 1);

	if (text == NULL)
		return 0;
	memcpy(text + answer->len, data, len);
	answer->text = text;
	answer->len += len;
	text[answer->len] = '\0';
	return len;
}

static void explain(CURL *curl, CURLcode code, const char *socket)
{
	long err = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &err);
	if (code == CURLE_OPERATION_TIMEDOUT)
		fprintf(stderr, "culvertctl: no answer from %s within %d s\n", socket, TIMEOUT_S);
	else if (code != CURLE_COULDNT_CONNECT)
		fprintf(stderr, "culvertctl: %s: %s\n", socket, curl_easy_strerror(code));
	else if (err == EACCES || err == EPERM)
		fprintf(stderr,
			"culvertctl: cannot connect to %s: %s (the socket is for its owner only: run culvertctl as that user)\n",
			socket, strerror((int)err));
	else
		fprintf(stderr, "culvertctl: cannot connect to %s: is culvertd running? (%s)\n",
			socket, err != 0 ? strerror((int)err) : curl_easy_strerror(code));
}

int culvertctl_fetch(const char *socket, const char *path, bool post,
		     struct fetch_answer *ret_answer)
{
	struct fetch_answer answer = {0};
	CURLcode code = CURLE_OUT_OF_MEMORY;
	char *url = NULL;
	CURL *curl;

	/* libcurl would say that a host has no address. */
	if (strlen(socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		fprintf(stderr,
			"culvertctl: a socket's path has at most %zu characters, not %zu: %s\n",
			sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1, strlen(socket), socket);
		return -1;
	}
	curl = curl_easy_init();
	/* The socket says where; the host in the URL is only a form. */
	if (curl != NULL && asprintf(&url, "http://culvert%s", path) >= 0) {
		curl_easy_setopt(curl, CURLOPT_URL, url);
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
		if (post)
			curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, "");
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, text_add);
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer);
		code = curl_easy_perform(curl);
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
	}
	if (code == CURLE_OK && answer.text == NULL)
		text_add(NULL, 0, 0, &answer);
	if (code != CURLE_OK) {
		explain(curl, code, socket);
		free(answer.text);
	}
	free(url);
	curl_easy_cleanup(curl);
	if (code != CURLE_OK || answer.text == NULL)
		return -1;
	*ret_answer = answer;
	return 0;
}

char *culvertctl_escape(const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0);
	char *copy = escaped != NULL ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}
