/* SPDX-License-Identifier: BSD-3-Clause */

/* Life of the state. */

#include "cv_aws.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "sns_priv.h"

static time_t system_now(void)
{
	return time(NULL);
}

/* All of them or none. */
static int tokens_load(struct cv_aws *aws)
{
	struct aws_idem *idem = cv_aws_idem_create(), *old;
	int ret = -ENOMEM;

	if (idem != NULL)
		ret = aws->ops.kept(aws->ops.arg, cv_aws_idem_load, idem);
	pthread_mutex_lock(&aws->lock);
	old = ret < 0 ? idem : aws->idem;
	if (ret == 0)
		aws->idem = idem;
	pthread_mutex_unlock(&aws->lock);
	cv_aws_idem_destroy(old);
	return ret;
}

/* What calls before a restart left. */
static void kept_load(struct cv_aws *aws)
{
	if (aws->ops.kept == NULL)
		return;
	aws->kept_stale = tokens_load(aws) < 0;
	if (aws->kept_stale)
		cv_log(CV_LOG_WARNING,
		       "client tokens cannot be read: calls that are sent again count as new");
	/* Read again when that can be done. */
	if (aws->sns != NULL && cv_aws_sns_load(aws) < 0)
		atomic_store(&aws->sns_stale, true);
}

/* Threads that answer read it meanwhile: of two halves, a page token is refused at worst. */
static void keep_seed_set(struct cv_aws *aws, const uint64_t *seed)
{
	aws->keep_seed[0] = seed[0];
	aws->keep_seed[1] = seed[1];
}

/* Until it succeeds nothing is changed, and no token given. */
void cv_aws_kept_again(struct cv_aws *aws, struct cv_ctl *ctl)
{
	if (!aws->kept_stale || tokens_load(aws) < 0)
		return;
	if (aws->ops.seed != NULL) {
		uint64_t seed[2];

		aws->ops.seed(ctl, seed);
		keep_seed_set(aws, seed);
	}
	aws->kept_stale = false;
}

static bool parts_make(struct cv_aws *aws, const struct cv_aws_cfg *cfg)
{
	aws->credentials_file = strdup(cfg->credentials_file);
	aws->region = strdup(cfg->region);
	aws->limit = cv_aws_limit_create(cfg->rate, cfg->burst);
	aws->idem = cv_aws_idem_create();
	aws->sns = cfg->key != NULL ? calloc(1, sizeof(*aws->sns)) : NULL;
	aws->base_url = cfg->base_url != NULL ? strdup(cfg->base_url) : NULL;
	return aws->credentials_file != NULL && aws->region != NULL && aws->limit != NULL &&
	       aws->idem != NULL && (aws->base_url != NULL || cfg->base_url == NULL) &&
	       (aws->sns != NULL || cfg->key == NULL);
}

static void seeds_make(struct cv_aws *aws, const struct cv_aws_cfg *cfg)
{
	bool given = (cfg->seed[0] | cfg->seed[1]) != 0;

	if (getrandom(aws->seed, sizeof(aws->seed), GRND_NONBLOCK) < 0)
		aws->seed[0] = cv_clock_ms(); /* no secret hangs on it */
	keep_seed_set(aws, given ? cfg->seed : aws->seed);
}

int cv_aws_create(const struct cv_aws_cfg *cfg, struct cv_errs *errs, struct cv_aws **ret_aws)
{
	struct cv_aws *aws = calloc(1, sizeof(*aws));
	int ret = -ENOMEM;

	if (aws == NULL)
		return -ENOMEM;
	pthread_mutex_init(&aws->lock, NULL);
	aws->now = cfg->now != NULL ? cfg->now : system_now;
	aws->ops = cfg->ops;
	aws->tls = cfg->tls;
	aws->key = cfg->key;
	aws->n_tries = cfg->n_tries;
	seeds_make(aws, cfg);
	if (parts_make(aws, cfg))
		ret = cv_aws_reload(aws, errs);
	if (ret == 0)
		kept_load(aws);
	if (ret < 0) {
		cv_aws_destroy(aws);
		return ret;
	}
	*ret_aws = aws;
	return 0;
}

void cv_aws_destroy(struct cv_aws *aws)
{
	if (aws == NULL)
		return;
	cv_aws_creds_unref(aws->creds);
	if (aws->sns != NULL)
		cv_aws_sns_fini(aws->sns);
	free(aws->sns);
	cv_aws_idem_destroy(aws->idem);
	cv_aws_limit_destroy(aws->limit);
	pthread_mutex_destroy(&aws->lock);
	free(aws->base_url);
	free(aws->region);
	free(aws->credentials_file);
	free(aws);
}

int cv_aws_reload(struct cv_aws *aws, struct cv_errs *errs)
{
	struct aws_creds *creds, *old;
	int ret = cv_aws_creds_load(aws->credentials_file, errs, &creds);

	if (ret < 0)
		return ret;
	pthread_mutex_lock(&aws->lock);
	old = aws->creds;
	aws->creds = creds;
	cv_aws_creds_unref(old);
	pthread_mutex_unlock(&aws->lock);
	return 0;
}
