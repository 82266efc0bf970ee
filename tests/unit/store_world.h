/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A store in a directory of its own, and what its tests ask of it. After cmocka.h.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cv_store.h"

static char dir[64], file[96];

static inline void errs_done(struct cv_errs *errs)
{
	cv_errs_fini(errs);
}

static inline struct cv_store *open_ok(const char *path)
{
	struct cv_errs errs = {0};
	struct cv_store *store = NULL;
	int ret = cv_store_open(path, &errs, &store);

	if (ret != 0)
		fail_msg("open: %d %s", ret, errs.n > 0 ? errs.items[0].text : "");
	assert_int_equal(errs.n, 0);
	return store;
}

/* Opening fails so, and the text says so. */
static inline void open_fails(const char *path, int want, const char *says)
{
	struct cv_errs errs = {0};
	struct cv_store *store = NULL;

	assert_int_equal(cv_store_open(path, &errs, &store), want);
	assert_null(store);
	assert_int_not_equal(errs.n, 0);
	if (strstr(errs.items[0].text, says) == NULL)
		fail_msg("'%s' does not say '%s'", errs.items[0].text, says);
	errs_done(&errs);
}

static inline int commit(struct cv_store *store, const struct cv_store_op *ops, size_t n,
			 uint64_t at)
{
	const struct cv_store_txn txn = {ops, n, at};
	struct cv_errs errs = {0};
	int ret = cv_store_commit(store, &txn, NULL, &errs);

	assert_int_equal(errs.n != 0, ret != 0);
	errs_done(&errs);
	return ret;
}

static inline struct cv_store_op put(const char *key, const char *value)
{
	return (struct cv_store_op){CV_STORE_PUT, CV_STORE_DOC,  key,
				    value,        strlen(value), CV_STORE_ANY};
}

static inline struct cv_store_op drop(const char *key)
{
	return (struct cv_store_op){CV_STORE_DELETE, CV_STORE_DOC, key, NULL, 0, CV_STORE_ANY};
}

/* What a stream tells, as text: "key=value@rev " or "key-@rev ". */
struct told {
	char text[4096];
	int stop;
};

static inline int tell(void *arg, const struct cv_store_item *item)
{
	struct told *told = arg;
	size_t len = strlen(told->text);

	if (item->value != NULL)
		assert_int_equal(strlen(item->value), item->len);
	snprintf(told->text + len, sizeof(told->text) - len, "%s%s%s@%llu ", item->key,
		 item->value != NULL ? "=" : "-", item->value != NULL ? item->value : "",
		 (unsigned long long)item->rev);
	return told->stop;
}

static inline int changes(struct cv_store *store, uint64_t since, struct told *told)
{
	struct cv_errs errs = {0};
	uint64_t rev = 0;
	int ret;

	told->text[0] = '\0';
	ret = cv_store_changes(store, (struct cv_store_since){CV_STORE_DOC, since}, tell, told,
			       &rev, &errs);
	if (ret == 0)
		assert_int_equal(rev, cv_store_revision(store));
	errs_done(&errs);
	return ret;
}

static inline void assert_changes(struct cv_store *store, uint64_t since, const char *want)
{
	struct told told = {.stop = 0};

	assert_int_equal(changes(store, since, &told), 0);
	assert_string_equal(told.text, want);
}

static inline int dir_make(void **state)
{
	(void)state;
	/* In memory: the disk is not what is tested. */
	snprintf(dir, sizeof(dir), "%s/cvl-store-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/state.db", dir);
	return 0;
}

static inline int dir_remove(void **state)
{
	char cmd[160];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

struct mail {
	char text[512];
	struct cv_store_message first; /* only what tells it from others */
};

static inline int mail_take(void *arg, const struct cv_store_message *message)
{
	struct mail *mail = arg;
	size_t len = strlen(mail->text);

	if (len == 0)
		mail->first = (struct cv_store_message){.id = message->id, .sum = message->sum};
	snprintf(mail->text + len, sizeof(mail->text) - len, "%s:%s/%u ", message->queue,
		 message->text, message->n_tries);
	return 0;
}

static inline struct cv_store_message assert_mail(struct cv_store *store, uint64_t now,
						  uint32_t max, const char *want)
{
	struct mail mail = {.text = ""};
	struct cv_errs errs = {0};

	assert_int_equal(cv_store_outbox_peek(store, now, max, mail_take, &mail, &errs), 0);
	assert_string_equal(mail.text, want);
	return mail.first;
}

static inline struct cv_store_op mail_op(const char *queue, const char *text)
{
	return (struct cv_store_op){
		.what = CV_STORE_SEND, .key = queue, .value = text, .len = strlen(text)};
}
