/* SPDX-License-Identifier: BSD-3-Clause */

/* Functions of other threads, carried out on control. */

#include <errno.h>
#include <stdlib.h>

#include "cv_model_change.h"

#include "ctl_priv.h"

struct ctl_call {
	struct ctl_cmd cmd;
	cv_ctl_fn *fn;
	void *arg;
	bool change;
};

/* What the list of changes says is in the model; soon it serves. */
static void changed(struct cv_ctl *ctl, uint64_t now_ms)
{
	if (ctl->model->n_changes == 0)
		return;
	if (ctl->dirty_ms == 0)
		ctl->dirty_ms = now_ms + CTL_FOLLOW_MS;
}

void cv_ctl_follow_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct cv_errs errs = {0};
	char text[CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 32];

	if (ctl->dirty_ms == 0 || now_ms < ctl->dirty_ms)
		return;
	ctl->dirty_ms = 0;
	if (cv_ctl_follow(ctl, &errs) == 0) {
		ctl->tick_ms = 0; /* announce, and ask for new neighbours, at once */
	} else {
		ctl->dirty_ms = now_ms + CTL_FOLLOW_AGAIN_MS;
		for (size_t i = 0; i < errs.n; i++)
			cv_log(CV_LOG_ERR, "the data plane cannot follow a change: %s",
			       cv_err_str(&errs.items[i], text, sizeof(text)));
	}
	cv_errs_fini(&errs);
}

void cv_ctl_advance_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	if (!cv_model_advance(ctl->model, (uint64_t)time(NULL)))
		return;
	if (ctl->dirty_ms == 0)
		ctl->dirty_ms = now_ms + CTL_FOLLOW_MS;
}

static int call_run(void *owner, struct ctl_cmd *cmd)
{
	struct ctl_call *call = (struct ctl_call *)cmd;
	struct cv_ctl *ctl = owner;
	size_t n_kept = ctl->keep.next.n;
	int ret;

	if (call->change && !cv_ctl_keep_is_good(ctl))
		return -EROFS;
	if (call->change && cv_ctl_hup_hold(ctl, cmd))
		return CTL_CMD_LATER;
	ret = call->fn(ctl, ctl->model, call->arg);
	if (ret < 0)
		cv_store_batch_cut(&ctl->keep.next, n_kept);
	if (call->change)
		changed(ctl, cv_clock_ms());
	return cv_ctl_keep_hold(ctl, cmd, ret);
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
