/* SPDX-License-Identifier: BSD-3-Clause */

/* Life of the state. */

#include "cv_aws.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core_priv.h"

static time_t system_now(void)
{
	return time(NULL);
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
	if (getrandom(aws->seed, sizeof(aws->seed), GRND_NONBLOCK) < 0)
		aws->seed[0] = cv_clock_ms(); /* no secret hangs on it */
	memcpy(aws->keep_seed, (cfg->seed[0] | cfg->seed[1]) != 0 ? cfg->seed : aws->seed,
	       sizeof(aws->keep_seed));
	aws->credentials_file = strdup(cfg->credentials_file);
	aws->region = strdup(cfg->region);
	aws->limit = cv_aws_limit_create(cfg->rate, cfg->burst);
	aws->idem = cv_aws_idem_create();
	if (aws->credentials_file != NULL && aws->region != NULL && aws->limit != NULL &&
	    aws->idem != NULL)
		ret = cv_aws_reload(aws, errs);
	if (ret == 0 && aws->ops.kept != NULL &&
	    aws->ops.kept(aws->ops.arg, cv_aws_idem_load, aws->idem) < 0)
		cv_log(CV_LOG_WARNING,
		       "client tokens cannot be read: calls that are sent again count as new");
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
	cv_aws_idem_destroy(aws->idem);
	cv_aws_limit_destroy(aws->limit);
	pthread_mutex_destroy(&aws->lock);
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
