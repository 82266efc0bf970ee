/* SPDX-License-Identifier: BSD-3-Clause */

/* culvertd's key of notifications: kept, renewed in time, found again. Control is played here. */

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "../../app/culvertd/app.h"

#include "cv_base.h"
#include "cv_conf.h"
#include "cv_ctl.h"
#include "cv_ctl_events.h"
#include "cv_ctl_keep.h"
#include "cv_notify.h"

#define YEAR ((time_t)365 * 86400)
/* 2026-01-01 */
#define BEGIN ((time_t)1767225600)

static _Atomic time_t clock_now = BEGIN;

time_t __wrap_time(time_t *ret_now);

time_t __wrap_time(time_t *ret_now)
{
	if (ret_now != NULL)
		*ret_now = clock_now;
	return clock_now;
}

/* ---- control, and what it keeps ---- */

static struct {
	const char *key;
	char *value;
} rows[] = {{"sns/key", NULL}, {"sns/cert", NULL}, {"sns/cert-old", NULL}};

enum { KEY, CERT, OLD };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool unreadable;

int cv_ctl_keep(struct cv_ctl *ctl, const char *key, const char *value, size_t len)
{
	size_t i = 0;

	(void)ctl;
	while (i < CV_ARRAY_LEN(rows) && strcmp(rows[i].key, key) != 0)
		i++;
	assert_true(i < CV_ARRAY_LEN(rows) && !unreadable);
	pthread_mutex_lock(&lock);
	free(rows[i].value);
	rows[i].value = value != NULL ? strndup(value, len) : NULL;
	pthread_mutex_unlock(&lock);
	return 0;
}

int cv_ctl_kept(void *ctl, cv_ctl_kept_fn *fn, void *arg)
{
	int ret = fn(arg, "sns/topic/another", "{}", 2);

	(void)ctl;
	if (unreadable)
		return -EAGAIN;
	for (size_t i = 0; ret == 0 && i < CV_ARRAY_LEN(rows); i++) {
		if (rows[i].value != NULL)
			ret = fn(arg, rows[i].key, rows[i].value, strlen(rows[i].value));
	}
	return ret;
}

int cv_ctl_call(void *ctl, bool change, cv_ctl_fn *fn, void *fn_arg)
{
	return change && unreadable ? -EROFS : fn(ctl, NULL, fn_arg);
}

struct cv_store *cv_ctl_store(const struct cv_ctl *ctl)
{
	(void)ctl;
	return NULL;
}

uint32_t cv_ctl_time_scale(const struct cv_ctl *ctl)
{
	(void)ctl;
	return 1;
}

void cv_ctl_event(void *ctl, const char *event, const struct cv_ctl_field *fields, size_t n)
{
	(void)ctl;
	(void)event;
	(void)fields;
	(void)n;
}

/* A copy; NULL: it is not kept. */
static char *row(int idx)
{
	char *value;

	pthread_mutex_lock(&lock);
	value = rows[idx].value != NULL ? strdup(rows[idx].value) : NULL;
	pthread_mutex_unlock(&lock);
	return value;
}

static bool row_is(int idx, const char *want)
{
	char *value = row(idx);
	bool is = want != NULL ? value != NULL && strcmp(value, want) == 0 : value == NULL;

	free(value);
	return is;
}

static void rows_forget(void)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		free(rows[i].value);
		rows[i].value = NULL;
	}
}

/* ---- culvertd ---- */

static struct app_sns *start(void)
{
	const struct cv_conf_api api = {.n_tries = 1, .n_messages = 10};
	struct app_sns *sns = NULL;

	assert_int_equal(app_sns_start(&api, NULL, &sns), 0);
	return sns;
}

static bool is_served(struct app_sns *sns, const char *cert)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	char path[CV_NOTIFY_PATH_LEN] = CV_NOTIFY_PATH, *got;
	size_t len = 0;
	bool served;

	assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, cert, strlen(cert), hash, &len), 1);
	for (size_t i = 0; i < 16; i++)
		sprintf(path + strlen(path), "%02x", hash[i]);
	strcat(path, ".pem");
	got = cv_notify_key_cert(app_sns_key(sns), path, clock_now);
	served = got != NULL && strcmp(got, cert) == 0;
	free(got);
	return served;
}

#define UNTIL(cond)                                                         \
	do {                                                                \
		int tries_ = 0;                                             \
		while (!(cond)) {                                           \
			if (++tries_ > 6000)                                \
				fail_msg("not within a minute: %s", #cond); \
			usleep(10000);                                      \
		}                                                           \
	} while (0)

static void a_key_is_renewed_before_it_ends(void **state)
{
	struct app_sns *sns = start();
	char *first = row(CERT), *second;

	(void)state;
	assert_true(first != NULL && row_is(OLD, NULL));
	assert_true(is_served(sns, first));
	app_sns_stop(sns);
	/* The same one as long as it is good. */
	clock_now = BEGIN + 8 * YEAR;
	sns = start();
	assert_true(row_is(CERT, first) && is_served(sns, first));
	/* While it runs. */
	clock_now = BEGIN + 9 * YEAR + YEAR / 2;
	UNTIL(!row_is(CERT, first));
	UNTIL(row_is(OLD, first));
	second = row(CERT);
	UNTIL(is_served(sns, second));
	assert_true(is_served(sns, first));
	app_sns_stop(sns);
	sns = start();
	assert_true(is_served(sns, first) && is_served(sns, second));
	clock_now = BEGIN + 10 * YEAR + 1;
	assert_true(!is_served(sns, first) && is_served(sns, second));
	assert_true(row_is(CERT, second) && row_is(OLD, first));
	app_sns_stop(sns);
	free(first);
	free(second);
}

/* The state file could not be read at the start: what it has is not replaced by what was made then. */
static void what_is_kept_is_found_late(void **state)
{
	struct app_sns *sns;
	char *first;

	(void)state;
	clock_now = BEGIN;
	rows_forget();
	sns = start();
	first = row(CERT);
	app_sns_stop(sns);
	unreadable = true;
	sns = start();
	assert_false(is_served(sns, first));
	unreadable = false;
	UNTIL(is_served(sns, first));
	assert_true(row_is(CERT, first) && row_is(OLD, NULL));
	app_sns_stop(sns);
	/* It has none: one is kept from then on. */
	rows_forget();
	free(first);
	unreadable = true;
	sns = start();
	unreadable = false;
	UNTIL(!row_is(CERT, NULL));
	first = row(CERT);
	UNTIL(is_served(sns, first));
	app_sns_stop(sns);
	free(first);
	rows_forget();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_is_renewed_before_it_ends),
		cmocka_unit_test(what_is_kept_is_found_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
