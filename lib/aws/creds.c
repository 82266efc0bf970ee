/* SPDX-License-Identifier: BSD-3-Clause */

/* The file of access keys. */

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cv_model_ops.h"

#include "core_priv.h"

/* Bytes of the file at most. */
#define FILE_LEN_MAX (4 << 20)

#define PATH_LEN 64

struct aws_creds {
	json_t *root;         /* holds the texts */
	struct aws_key *keys; /* shape [n]; sorted by id */
	size_t n;
	unsigned int n_refs;
};

/* What is being read. */
struct run {
	const char *text;
	size_t len;
	struct cv_errs *errs;
};

/*
 * The line on which the n-th object of the list `keys` begins: objects do not nest in it. A walk from the
 * beginning: of what is wrong only.
 */
static int line_of(const struct run *run, size_t idx)
{
	size_t depth = 0, n = 0;
	bool quoted = false;
	int line = 1;

	for (size_t i = 0; i < run->len; i++) {
		char c = run->text[i];

		line += c == '\n';
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && c == '{' && depth++ == 1 && n++ == idx)
			return line;
		else if (!quoted && c == '}' && depth > 0)
			depth--;
	}
	return 0;
}

static const char *str_get(const struct run *run, json_t *key, size_t idx, const char *name,
			   bool required)
{
	const json_t *value = json_object_get(key, name);
	char path[PATH_LEN];

	if (value == NULL && !required)
		return NULL;
	if (json_is_string(value) && json_string_length(value) > 0)
		return json_string_value(value);
	snprintf(path, sizeof(path), "keys[%zu].%s", idx, name);
	cv_errs_add(run->errs, path, line_of(run, idx), "%s",
		    value == NULL ? "is missing" : "must be a text that is not empty");
	return NULL;
}

static void names_check(const struct run *run, json_t *key, size_t idx)
{
	static const char *const known[] = {"access_key_id", "secret_access_key", "session_token",
					    "principal"};
	const char *name;
	json_t *value;

	json_object_foreach(key, name, value)
	{
		char path[PATH_LEN];
		size_t i = 0;

		while (i < CV_ARRAY_LEN(known) && strcmp(known[i], name) != 0)
			i++;
		if (i < CV_ARRAY_LEN(known))
			continue;
		snprintf(path, sizeof(path), "keys[%zu].%.32s", idx, name);
		cv_errs_add(run->errs, path, line_of(run, idx),
			    "is not known; there are access_key_id, secret_access_key, "
			    "session_token and principal");
	}
}

static bool id_is_sound(const char *id)
{
	size_t len = strlen(id);

	return len >= 16 && len <= CV_SIGV4_KEY_LEN_MAX &&
	       strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

/* The account follows this in a principal. */
#define PRINCIPAL_PREFIX "arn:aws:iam::"

static void key_read(const struct run *run, json_t *item, size_t idx, struct aws_key *key)
{
	char path[PATH_LEN];

	if (!json_is_object(item)) {
		snprintf(path, sizeof(path), "keys[%zu]", idx);
		cv_errs_add(run->errs, path, line_of(run, idx), "must be an object");
		return;
	}
	names_check(run, item, idx);
	key->id = str_get(run, item, idx, "access_key_id", true);
	key->secret = str_get(run, item, idx, "secret_access_key", true);
	key->token = str_get(run, item, idx, "session_token", false);
	key->principal = str_get(run, item, idx, "principal", true);
	if (key->id != NULL && !id_is_sound(key->id)) {
		snprintf(path, sizeof(path), "keys[%zu].access_key_id", idx);
		cv_errs_add(run->errs, path, line_of(run, idx),
			    "must be 16 to %d letters and digits, such as AKIAIOSFODNN7EXAMPLE",
			    CV_SIGV4_KEY_LEN_MAX);
	}
	if (key->principal != NULL && !cv_model_principal_is(key->principal)) {
		snprintf(path, sizeof(path), "keys[%zu].principal", idx);
		cv_errs_add(run->errs, path, line_of(run, idx),
			    "must be arn:aws:iam::ACCOUNT:root, ...:user/NAME or ...:role/NAME");
	} else if (key->principal != NULL) {
		memcpy(key->account_id, key->principal + strlen(PRINCIPAL_PREFIX), 12);
	}
}

static int key_cmp(const void *a, const void *b)
{
	return strcmp(((const struct aws_key *)a)->id, ((const struct aws_key *)b)->id);
}

static int keys_read(const struct run *run, struct aws_creds *creds)
{
	json_t *list = json_object_get(creds->root, "keys"), *item;
	size_t n_errs = run->errs->n, i;

	if (!json_is_array(list) || json_object_size(creds->root) != 1) {
		cv_errs_add(run->errs, "", 1, "must be an object with one list, \"keys\"");
		return -EINVAL;
	}
	creds->keys = calloc(json_array_size(list) + 1, sizeof(*creds->keys));
	if (creds->keys == NULL)
		return -ENOMEM;
	json_array_foreach(list, i, item) key_read(run, item, i, &creds->keys[i]);
	if (run->errs->n != n_errs || run->errs->truncated)
		return -EINVAL;
	creds->n = json_array_size(list);
	qsort(creds->keys, creds->n, sizeof(*creds->keys), key_cmp);
	for (i = 1; i < creds->n; i++) {
		if (key_cmp(&creds->keys[i - 1], &creds->keys[i]) == 0)
			cv_errs_add(run->errs, "keys", 0, "access_key_id %s is there twice",
				    creds->keys[i].id);
	}
	return run->errs->n == n_errs ? 0 : -EINVAL;
}

int cv_aws_creds_parse(const char *text, size_t len, struct cv_errs *errs,
		       struct aws_creds **ret_creds)
{
	const struct run run = {text, len, errs};
	struct aws_creds *creds = calloc(1, sizeof(*creds));
	json_error_t error;
	int ret;

	if (creds == NULL)
		return -ENOMEM;
	creds->n_refs = 1;
	creds->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (creds->root == NULL) {
		cv_errs_add(errs, "", error.line, "is not JSON: %s", error.text);
		ret = -EINVAL;
	} else {
		ret = keys_read(&run, creds);
	}
	if (ret < 0) {
		cv_aws_creds_unref(creds);
		return ret;
	}
	*ret_creds = creds;
	return 0;
}

/* Opened first, looked at then: what is checked is what is read. */
static int file_open(const char *file, struct cv_errs *errs, size_t *ret_len)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), ret = -EINVAL;
	struct stat st;

	if (fd < 0) {
		if (errno == ENOENT || errno == EACCES)
			ret = -errno;
		cv_errs_add(errs, "", 0, "%s: %s", file, strerror(errno));
		return ret;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		cv_errs_add(errs, "", 0, "%s is not a file", file);
	else if ((st.st_mode & 077) != 0)
		cv_errs_add(errs, "", 0,
			    "%s holds secrets, and its mode %04o lets others at them: chmod 600 it",
			    file, (unsigned int)st.st_mode & 07777);
	else if (st.st_size > FILE_LEN_MAX)
		cv_errs_add(errs, "", 0, "%s is larger than %d bytes", file, FILE_LEN_MAX);
	else
		ret = st.st_uid == geteuid() || st.st_uid == 0 ? 0 : -EACCES;
	if (ret == -EACCES)
		cv_errs_add(errs, "", 0, "%s belongs to user %u, not to the one who runs culvertd",
			    file, st.st_uid);
	if (ret < 0) {
		close(fd);
		return ret;
	}
	*ret_len = (size_t)st.st_size;
	return fd;
}

int cv_aws_creds_load(const char *file, struct cv_errs *errs, struct aws_creds **ret_creds)
{
	size_t len, n = 0;
	int fd = file_open(file, errs, &len), ret = -ENOMEM;
	char *text;

	if (fd < 0)
		return fd;
	text = malloc(len + 1);
	while (text != NULL && n < len) {
		ssize_t part = read(fd, text + n, len - n);

		if (part <= 0)
			break;
		n += (size_t)part;
	}
	close(fd);
	if (text != NULL)
		ret = cv_aws_creds_parse(text, n, errs, ret_creds);
	if (text != NULL)
		explicit_bzero(text, len);
	free(text);
	return ret;
}

int cv_aws_creds_check(const char *file, struct cv_errs *errs)
{
	struct aws_creds *creds = NULL;
	int ret = cv_aws_creds_load(file, errs, &creds);

	cv_aws_creds_unref(creds);
	return ret;
}

const struct aws_key *cv_aws_creds_find(const struct aws_creds *creds, const char *id)
{
	const struct aws_key want = {.id = id};

	return bsearch(&want, creds->keys, creds->n, sizeof(*creds->keys), key_cmp);
}

struct aws_creds *cv_aws_creds_ref(struct aws_creds *creds)
{
	creds->n_refs++;
	return creds;
}

void cv_aws_creds_unref(struct aws_creds *creds)
{
	if (creds == NULL || --creds->n_refs > 0)
		return;
	json_decref(creds->root);
	free(creds->keys);
	free(creds);
}
