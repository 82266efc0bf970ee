/* SPDX-License-Identifier: BSD-3-Clause */

/* Delivery of notifications, with a key that is made once and kept with what calls change. */

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cv_conf.h"
#include "cv_ctl.h"
#include "cv_ctl_events.h"
#include "cv_ctl_keep.h"
#include "cv_notify.h"

#include "app.h"

#define KEY "sns/key"
#define CERT "sns/cert"
#define OLD "sns/cert-old"

struct app_sns {
	struct cv_ctl *ctl;
	struct cv_notify_key *key;
	struct cv_notify *notify;
	bool key_stale;       /* it is not kept: that could not be read */
	_Atomic bool serving; /* it is known from where */
};

struct pair {
	char *key, *cert, *old; /* PEM; NULL: not kept */
};

static int pair_take(void *arg, const char *key, const char *value, size_t len)
{
	struct pair *pair = arg;
	char **field = NULL;

	if (strcmp(key, KEY) == 0)
		field = &pair->key;
	else if (strcmp(key, CERT) == 0)
		field = &pair->cert;
	else if (strcmp(key, OLD) == 0)
		field = &pair->old;
	else
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
	free(pair->old);
	*pair = (struct pair){0};
}

static int text_keep(struct cv_ctl *ctl, const char *key, const char *text)
{
	return cv_ctl_keep(ctl, key, text, text != NULL ? strlen(text) : 0);
}

static int pair_keep(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	const struct cv_notify_pair *pair = arg;
	int ret = text_keep(ctl, KEY, pair->key);

	(void)model;
	if (ret == 0)
		ret = text_keep(ctl, CERT, pair->cert);
	return ret == 0 ? text_keep(ctl, OLD, pair->old) : ret;
}

/* The one that is kept. @return -ENOENT: none is; -EAGAIN: that is not known yet */
static int key_read(struct app_sns *self)
{
	struct pair pair = {0};
	int ret = cv_ctl_kept(self->ctl, pair_take, &pair) == 0 ? 0 : -EAGAIN;

	if (pair.key == NULL || pair.cert == NULL)
		ret = ret < 0 ? ret : -ENOENT;
	else if (self->key != NULL)
		ret = cv_notify_key_renew(self->key, pair.key, pair.cert);
	else
		ret = cv_notify_key_open(pair.key, pair.cert, &self->key);
	if (ret == 0 && pair.old != NULL && !self->key_stale)
		(void)cv_notify_key_old(self->key, pair.old);
	pair_fini(&pair);
	return ret;
}

static int key_get(struct app_sns *self)
{
	struct pair pair = {0};
	int ret = key_read(self);

	if (ret == 0)
		return 0;
	self->key_stale = ret == -EAGAIN;
	ret = cv_notify_key_make(time(NULL), &pair.key, &pair.cert);
	if (ret == 0)
		ret = cv_notify_key_open(pair.key, pair.cert, &self->key);
	if (ret == 0 && !self->key_stale)
		ret = pair_keep(self->ctl, NULL,
				&(struct cv_notify_pair){pair.key, pair.cert, NULL});
	pair_fini(&pair);
	return ret;
}

/* Nothing is signed with a key that a restart would lose. */
static int renewed_keep(void *arg, const struct cv_notify_pair *pair)
{
	struct app_sns *self = arg;

	return cv_ctl_call(self->ctl, true, pair_keep, (void *)(uintptr_t)pair);
}

static int read_again(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	(void)ctl;
	(void)model;
	return key_read(arg);
}

/* At the start it was not known whether a key is kept. Until it is, nothing is delivered. */
static void late_get(struct app_sns *self)
{
	int ret = cv_ctl_call(self->ctl, false, read_again, self);

	if (ret == -ENOENT)
		ret = cv_notify_key_next(self->key, time(NULL), renewed_keep, self);
	self->key_stale = ret < 0;
}

static void tend(void *arg)
{
	struct app_sns *self = arg;
	int ret;

	if (self->key_stale) {
		late_get(self);
		return;
	}
	ret = cv_notify_key_tend(self->key, time(NULL), renewed_keep, self);

	if (ret > 0)
		cv_log(CV_LOG_NOTICE,
		       "notifications are signed with another key: its certificate "
		       "is good for ten years, the one of before is served until it ends");
	else if (ret < 0)
		cv_log(CV_LOG_WARNING, "the key of notifications cannot be renewed now: %s",
		       strerror(-ret));
}

static int notify_start(struct app_sns *self, struct cv_notify_cfg *cfg)
{
	cfg->key = self->key;
	cfg->arg = self;
	return cv_notify_create(cfg, &self->notify);
}

/* For operators; any thread. */
static void happened(void *arg, const struct cv_notify_event *event)
{
	const struct app_sns *self = arg;
	char count[24];

	snprintf(count, sizeof(count), "%llu", (unsigned long long)event->count);
	cv_ctl_event(self->ctl, "notification",
		     (struct cv_ctl_field[]){{"result", event->result},
					     {"url", event->url},
					     {"why", event->why},
					     {"count", count}},
		     4);
}

_Static_assert(CV_NOTIFY_NETS_MAX == CV_CONF_RECEIVERS_MAX, "as many in both");

static struct cv_notify_nets nets_get(const struct cv_conf_api *api)
{
	struct cv_notify_nets nets = {
		.n = api->n_receivers, .given = api->has_receivers, .loopback = api->local};

	for (uint32_t i = 0; i < api->n_receivers; i++) {
		const struct cv_prefix *prefix = &api->receivers[i];

		nets.nets[i] = (struct cv_notify_net){
			.ip = cv_be32_host(prefix->addr),
			.mask = prefix->len > 0 ? UINT32_MAX << (32 - prefix->len) : 0};
	}
	return nets;
}

int app_sns_start(const struct cv_conf_api *api, struct cv_ctl *ctl, struct app_sns **ret_sns)
{
	struct cv_notify_cfg cfg = {
		.nets = nets_get(api),
		.n_tries = api->n_tries,
		.messages_max = api->n_messages,
		.happened = happened,
		.tick = tend,
	};
	struct app_sns *self = calloc(1, sizeof(*self));
	int ret;

	if (self == NULL)
		return -ENOMEM;
	self->ctl = ctl;
	ret = key_get(self);
	if (ret == 0)
		ret = notify_start(self, &cfg);
	if (ret < 0) {
		app_sns_stop(self);
		return ret;
	}
	*ret_sns = self;
	return 0;
}

void app_sns_reload(struct app_sns *self)
{
	cv_notify_time_scale(self->notify, cv_ctl_time_scale(self->ctl));
}

void app_sns_serve(struct app_sns *self, int netns)
{
	if (netns >= 0)
		cv_notify_netns(self->notify, netns);
	app_sns_reload(self);
	atomic_store(&self->serving, true);
	app_sns_sent(self);
}

void app_sns_stop(struct app_sns *self)
{
	if (self == NULL)
		return;
	cv_notify_destroy(self->notify);
	cv_notify_key_close(self->key);
	free(self);
}

void app_sns_counts(struct app_sns *self, struct cv_ctl_notified *ret_counts)
{
	struct cv_notify_counts counts;

	cv_notify_counts(self->notify, &counts);
	*ret_counts = (struct cv_ctl_notified){
		.delivered = counts.delivered,
		.retried = counts.retried,
		.given_up = counts.given_up,
		.dropped = counts.dropped,
		.waiting = counts.waiting,
	};
}

struct cv_notify_key *app_sns_key(const struct app_sns *self)
{
	return self->key;
}

/* The store may have been opened since the start; what was sent is in it. */
void app_sns_sent(void *arg)
{
	struct app_sns *self = arg;

	if (!atomic_load(&self->serving))
		return;
	cv_notify_store(self->notify, cv_ctl_store(self->ctl));
	cv_notify_wake(self->notify);
}
