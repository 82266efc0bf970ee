/* SPDX-License-Identifier: BSD-3-Clause */

/* The AWS APIs, if the configuration has them. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cv_api_tcp.h"
#include "cv_aws.h"
#include "cv_conf.h"
#include "cv_ctl.h"
#include "cv_ctl_events.h"
#include "cv_ctl_keep.h"
#include "cv_ctl_know.h"

#include "app.h"

struct app_aws {
	char *file; /* of the access keys */
	struct app_sns *sns;
	struct cv_aws *aws;
	struct cv_api_tcp *tcp;
};

static void keys_reload(struct app_aws *self)
{
	struct cv_errs errs = {0};

	if (cv_aws_reload(self->aws, &errs) == 0)
		cv_log(CV_LOG_NOTICE, "%s: access keys read again", self->file);
	else
		cv_log(CV_LOG_ERR, "%s: wrong, the access keys stay as they were", self->file);
	app_warnings_log(self->file, &errs);
	cv_errs_fini(&errs);
}

static void cert_renew(struct app_aws *self)
{
	struct cv_errs errs = {0};
	char date[32] = "an unknown day";
	time_t until = 0;
	struct tm tm;
	int ret = cv_api_tcp_renew(self->tcp, &errs, &until);

	if (ret == 0 && until != 0 && gmtime_r(&until, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm);
	if (ret == 0)
		cv_log(until != 0 && until < time(NULL) ? CV_LOG_WARNING : CV_LOG_NOTICE,
		       "TLS certificate of the APIs read again: it is good until %s", date);
	else if (ret != -ENOTSUP)
		cv_log(CV_LOG_ERR, "the APIs keep the TLS certificate that they have: %s",
		       errs.n > 0 ? errs.items[0].text : strerror(-ret));
	cv_errs_fini(&errs);
}

static void hup(void *arg)
{
	struct app_aws *self = arg;

	keys_reload(self);
	cert_renew(self);
	app_sns_reload(self->sns);
}

/* Who takes what drains. */
struct taker {
	cv_aws_draining_fn *fn;
	void *arg;
};

static void draining_take(void *arg, const struct cv_ctl_draining *draining)
{
	const struct taker *taker = arg;
	const struct cv_aws_draining target = {draining->tg_arn, draining->ip, draining->port,
					       draining->zone};

	taker->fn(taker->arg, &target);
}

static void draining_each(struct cv_ctl *ctl, cv_aws_draining_fn *fn, void *fn_arg)
{
	struct taker taker = {fn, fn_arg};

	cv_ctl_draining(ctl, draining_take, &taker);
}

static uint32_t targets_gone(struct cv_ctl *ctl)
{
	return cv_ctl_targets_gone(ctl);
}

static uint32_t listeners_room(struct cv_ctl *ctl)
{
	return cv_ctl_listeners_room(ctl);
}

static void seed_get(struct cv_ctl *ctl, uint64_t *ret_seed)
{
	cv_ctl_keep_seed(ctl, ret_seed);
}

/* What is wrong with the file is said with the file's own paths and lines. */
static void keys_wrong(const char *file, const struct cv_errs *own, struct cv_errs *errs)
{
	app_errs_print(file, own);
	cv_errs_add(errs, "api.credentials_file", 0, "%s cannot be used", file);
}

int app_aws_check(const struct cv_conf *conf, struct cv_errs *errs)
{
	const struct cv_conf_api *api = &conf->api;
	struct cv_errs own = {0};
	int ret, tls = 0;

	if (api->n_listen == 0)
		return 0;
	ret = cv_aws_creds_check(api->credentials_file, &own);
	if (ret < 0)
		keys_wrong(api->credentials_file, &own, errs);
	cv_errs_fini(&own);
	if (api->tls_key != NULL)
		tls = cv_api_tcp_tls_check(api->tls_cert, api->tls_key, errs);
	/* What is wrong for whoever looks comes first. */
	return ret == 0 || (ret == -EACCES && tls < 0) ? tls : ret;
}

static int aws_start(struct app_aws *self, const struct cv_conf *conf, struct cv_ctl *ctl,
		     struct cv_errs *errs)
{
	const struct cv_conf_api *api = &conf->api;
	struct cv_aws_cfg cfg = {
		.credentials_file = api->credentials_file,
		.region = conf->model->region,
		.rate = api->requests_per_second,
		.burst = api->burst,
		.ops = {.call = cv_ctl_call,
			.arg = ctl,
			.served = cv_ctl_served,
			.points = cv_ctl_points,
			.draining = draining_each,
			.gone = targets_gone,
			.listeners_room = listeners_room,
			.why = cv_ctl_keep_why,
			.keep = cv_ctl_keep,
			.kept = cv_ctl_kept,
			.seed = seed_get,
			.send = cv_ctl_send,
			.unsend = cv_ctl_unsend,
			.sent = app_sns_sent,
			.sent_arg = self->sns},
		.key = app_sns_key(self->sns),
		.tls = api->tls_key != NULL,
		.base_url = api->base_url,
		.n_tries = api->n_tries,
	};
	struct cv_errs own = {0};
	int ret;

	cv_ctl_keep_seed(ctl, cfg.seed);
	ret = cv_aws_create(&cfg, &own, &self->aws);
	if (ret < 0)
		keys_wrong(api->credentials_file, &own, errs);
	cv_errs_fini(&own);
	return ret;
}

static int connection_tell(void *arg, struct cv_ctl *ctl, struct cv_model *model,
			   const char *endpoint, const char *word)
{
	struct app_aws *self = arg;

	return cv_aws_tell(self->aws, ctl, model, endpoint, word);
}

static void tell_sent(void *arg)
{
	struct app_aws *self = arg;

	app_sns_sent(self->sns);
}

static void notified_count(void *arg, struct cv_ctl_notified *ret_counts)
{
	struct app_aws *self = arg;

	app_sns_counts(self->sns, ret_counts);
}

int app_aws_start(const struct cv_conf *conf, struct cv_ctl *ctl, struct cv_errs *errs,
		  struct app_aws **ret_aws)
{
	const struct cv_conf_api *api = &conf->api;
	struct cv_api_tcp_cfg cfg = {
		.listen = (const char *const *)api->listen,
		.n_listen = api->n_listen,
		.tls_cert = api->tls_cert,
		.tls_key = api->tls_key,
		.version = CULVERT_VERSION,
		.body_bytes = api->body_bytes,
		.connections = api->connections,
		.connections_per_client = api->connections_per_client,
		.request_seconds = api->request_seconds,
		.idle_seconds = api->idle_seconds,
	};
	struct app_aws *self;
	int ret = -ENOMEM;

	if (api->n_listen == 0)
		return 0;
	self = calloc(1, sizeof(*self));
	if (self == NULL)
		return -ENOMEM;
	self->file = strdup(api->credentials_file);
	if (self->file != NULL)
		ret = app_sns_start(api, ctl, &self->sns);
	if (ret == 0)
		ret = aws_start(self, conf, ctl, errs);
	cfg.aws = self->aws;
	if (ret == 0)
		ret = cv_api_tcp_create(&cfg, errs, &self->tcp);
	if (ret < 0) {
		/* One of several addresses may have answered already: nobody is there who would. */
		cv_ctl_refuse(ctl);
		app_aws_stop(self);
		return ret;
	}
	app_sns_serve(self->sns, cv_api_tcp_netns(self->tcp));
	cv_ctl_on_hup(ctl, hup, self);
	cv_ctl_on_connection(ctl, &(struct cv_ctl_tell){.connection = connection_tell,
							.sent = tell_sent,
							.arg = self,
							.counts = notified_count});
	for (uint32_t i = 0; i < api->n_listen; i++)
		cv_log(CV_LOG_NOTICE, "AWS APIs on %s%s", api->listen[i],
		       api->tls_key != NULL ? " (HTTPS)" : "");
	*ret_aws = self;
	return 0;
}

void app_aws_stop(struct app_aws *self)
{
	if (self == NULL)
		return;
	cv_api_tcp_destroy(self->tcp);
	cv_aws_destroy(self->aws);
	app_sns_stop(self->sns);
	free(self->file);
	free(self);
}
