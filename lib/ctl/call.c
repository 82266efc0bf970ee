/* SPDX-License-Identifier: BSD-3-Clause */

/* Functions of other threads, carried out on control. */

#include <errno.h>
#include <stdlib.h>

#include "ctl_priv.h"

struct ctl_call {
	struct ctl_cmd cmd;
	cv_ctl_fn *fn;
	void *arg;
	bool change;
};

static int call_run(void *owner, struct ctl_cmd *cmd)
{
	struct ctl_call *call = (struct ctl_call *)cmd;
	struct cv_ctl *ctl = owner;

	return call->fn(ctl, ctl->conf->model, call->arg);
}

static void call_destroy(struct ctl_cmd *cmd)
{
	free(cmd);
}

int cv_ctl_call(void *arg, bool change, cv_ctl_fn *fn, void *fn_arg)
{
	struct cv_ctl *ctl = arg;
	struct ctl_call *call = malloc(sizeof(*call));
	int ret;

	if (call == NULL)
		return -ENOMEM;
	cv_ctl_cmd_init(&call->cmd, call_run, call_destroy);
	call->fn = fn;
	call->arg = fn_arg;
	call->change = change;
	/* What has begun uses the caller's memory: no end of waiting. Control ends each one, or closes. */
	ret = cv_ctl_queue_call(&ctl->queue, &call->cmd, UINT32_MAX);
	cv_ctl_cmd_put(&ctl->queue, &call->cmd);
	return ret;
}
