/* SPDX-License-Identifier: BSD-3-Clause */

/* Delivery of notifications, with a key that is made once and kept with what calls change. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cv_ctl.h"
#include "cv_ctl_keep.h"
#include "cv_notify.h"

#include "app.h"

#define KEY "sns/key"
#define CERT "sns/cert"

struct app_sns {
	struct cv_ctl *ctl;
	struct cv_notify_key *key;
	struct cv_notify *notify;
};

struct pair {
	char *key, *cert; /* PEM; NULL: not kept */
};

static int pair_take(void *arg, const char *key, const char *value, size_t len)
{
	struct pair *pair = arg;
	char **field = strcmp(key, KEY) == 0 ? &pair->key : &pair->cert;

	if (strcmp(key, KEY) != 0 && strcmp(key, CERT) != 0)
		return 0;
	free(*field);
	*field = strndup(value, len);
	return *field != NULL ? 0 : -ENOMEM;
}

static void pair_fini(struct pair *pair)
{
	if (pair->key != NULL)
		explicit_bzero(pair->key, strlen(pair->key));
	free(pair->key);
	free(pair->cert);
	*pair = (struct pair){0};
}

static int key_get(struct app_sns *self)
{
	struct pair pair = {0};
	int ret;

	(void)cv_ctl_kept(self->ctl, pair_take, &pair);
	if (pair.key != NULL && pair.cert != NULL &&
	    cv_notify_key_open(pair.key, pair.cert, &self->key) == 0) {
		pair_fini(&pair);
		return 0;
	}
	pair_fini(&pair);
	ret = cv_notify_key_make(&pair.key, &pair.cert);
	if (ret == 0)
		ret = cv_notify_key_open(pair.key, pair.cert, &self->key);
	if (ret == 0)
		ret = cv_ctl_keep(self->ctl, KEY, pair.key, strlen(pair.key));
	if (ret == 0)
		ret = cv_ctl_keep(self->ctl, CERT, pair.cert, strlen(pair.cert));
	pair_fini(&pair);
	return ret;
}

int app_sns_start(struct cv_ctl *ctl, struct app_sns **ret_sns)
{
	struct app_sns *self = calloc(1, sizeof(*self));
	int ret;

	if (self == NULL)
		return -ENOMEM;
	self->ctl = ctl;
	ret = key_get(self);
	if (ret == 0)
		ret = cv_notify_create(self->key, &self->notify);
	if (ret < 0) {
		app_sns_stop(self);
		return ret;
	}
	cv_notify_store(self->notify, cv_ctl_store(ctl));
	*ret_sns = self;
	return 0;
}

void app_sns_stop(struct app_sns *self)
{
	if (self == NULL)
		return;
	cv_notify_destroy(self->notify);
	cv_notify_key_close(self->key);
	free(self);
}

const struct cv_notify_key *app_sns_key(const struct app_sns *self)
{
	return self->key;
}

/* The store may have been opened since the start; what was sent is in it. */
void app_sns_sent(void *arg)
{
	struct app_sns *self = arg;

	cv_notify_store(self->notify, cv_ctl_store(self->ctl));
	cv_notify_wake(self->notify);
}
