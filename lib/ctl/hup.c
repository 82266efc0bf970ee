/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * SIGHUP. A reload reads what is kept: it waits until the disk is waited for no more, and calls that would
 * have more written wait for it. Control goes on with all else. What the reload itself has to keep it writes
 * before it answers, and waits for the disk then.
 */

#include <errno.h>

#include "ctl_priv.h"

/* Longer than disks take. */
#define SAY_MS 5000

void cv_ctl_hup(struct cv_ctl *ctl)
{
	if (ctl->hup.since_ms == 0)
		ctl->hup.since_ms = cv_clock_ms();
	cv_ctl_keep_retry(ctl);
}

bool cv_ctl_hup_hold(struct cv_ctl *ctl, struct ctl_cmd *cmd)
{
	struct ctl_cmd **last = &ctl->hup.first;

	if (ctl->hup.since_ms == 0)
		return false;
	while (*last != NULL)
		last = &(*last)->next;
	cmd->next = NULL;
	*last = cmd;
	return true;
}

static void wait_say(struct cv_ctl *ctl)
{
	if (ctl->hup.said || cv_clock_ms() < ctl->hup.since_ms + SAY_MS)
		return;
	ctl->hup.said = true;
	cv_log(CV_LOG_WARNING, "the file is read again when the state file's disk has answered");
}

void cv_ctl_hup_run(struct cv_ctl *ctl)
{
	struct ctl_cmd *cmd = ctl->hup.first;
	struct cv_errs errs = {0};

	if (ctl->hup.since_ms == 0)
		return;
	if (cv_ctl_keep_is_busy(ctl)) {
		wait_say(ctl);
		return;
	}
	ctl->hup = (struct ctl_hup){0};
	cv_ctl_reload(ctl, &errs);
	cv_errs_fini(&errs);
	if (ctl->hup_fn != NULL)
		ctl->hup_fn(ctl->hup_arg);
	ctl->tick_ms = 0; /* ask for new neighbours at once */
	while (cmd != NULL) {
		struct ctl_cmd *next = cmd->next;
		int ret = cmd->fn(ctl, cmd);

		if (ret != CTL_CMD_LATER)
			cv_ctl_queue_answer(&ctl->queue, cmd, ret);
		cmd = next;
	}
}

void cv_ctl_hup_stop(struct cv_ctl *ctl)
{
	while (ctl->hup.first != NULL) {
		struct ctl_cmd *cmd = ctl->hup.first;

		ctl->hup.first = cmd->next;
		cv_ctl_queue_answer(&ctl->queue, cmd, -ECANCELED);
	}
}
