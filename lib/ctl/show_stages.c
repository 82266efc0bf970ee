/* SPDX-License-Identifier: BSD-3-Clause */

/* What each stage of a worker costs a packet. Workers count while somebody asks; whoever asks looks at
 * the counters at the beginning and at the end of an interval of his own, so any number may ask. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cv_io_instr.h"

#include "show_priv.h"

/* Where a worker's counters stood, or by how much they have grown. */
struct mark {
	uint64_t stage_tsc[CV_STAGE_N];
	uint64_t pkts, busy, total;
	uint64_t instr;
	int instr_err; /* 0, or why instr is not known */
};

struct ctl_stages_ask {
	struct ctl_stages_ask *next;
	struct ctl_show *show;
	bool begun;
	uint64_t begin_ms;
	struct mark *begin; /* shape [workers] */
};

/* ---- the counters ---- */

static void instr_open(struct cv_ctl *ctl)
{
	for (uint32_t i = 0; i < ctl->conf->dpdk.workers; i++)
		ctl->stages.instr_fds[i] = cv_io_instr_open(cv_dp_worker_tid(ctl->dp, i));
}

static void instr_close(struct cv_ctl *ctl)
{
	for (uint32_t i = 0; i < ctl->conf->dpdk.workers; i++) {
		if (ctl->stages.instr_fds[i] >= 0)
			close(ctl->stages.instr_fds[i]);
	}
}

/* Tell the workers to count or not. If they cannot all be told now, the next turn tries again. */
static void stages_tell(struct cv_ctl *ctl, bool on)
{
	struct ctl_stages *st = &ctl->stages;

	if (st->told == (on ? CTL_STAGES_ON : CTL_STAGES_OFF))
		return;
	if (st->told == CTL_STAGES_ON)
		instr_close(ctl);
	st->told = on ? CTL_STAGES_ON : CTL_STAGES_OFF;
	if (cv_dp_stages_set(ctl->dp, on) < 0)
		st->told = CTL_STAGES_MIXED;
	else if (on)
		instr_open(ctl);
}

static void mark_get(const struct cv_ctl *ctl, uint32_t id, struct mark *mark)
{
	const struct cv_stats *stats = cv_dp_stats(ctl->dp)[id];
	int fd = ctl->stages.instr_fds[id];

	mark->pkts = cv_ctr_get(&stats->stage_pkts);
	for (int i = 0; i < CV_STAGE_N; i++)
		mark->stage_tsc[i] = cv_ctr_get(&stats->stage_tsc[i]);
	mark->busy = cv_ctr_get(&stats->tsc_busy);
	mark->total = cv_ctr_get(&stats->tsc_total);
	mark->instr = 0;
	mark->instr_err = fd < 0 ? fd : cv_io_instr_read(fd, &mark->instr);
}

/* How far a worker's counters have come since they were marked. */
static struct mark growth_get(const struct cv_ctl *ctl, uint32_t id, const struct mark *since)
{
	struct mark mark;

	mark_get(ctl, id, &mark);
	for (int i = 0; i < CV_STAGE_N; i++)
		mark.stage_tsc[i] -= since->stage_tsc[i];
	mark.pkts -= since->pkts;
	mark.busy -= since->busy;
	mark.total -= since->total;
	mark.instr -= since->instr;
	if (since->instr_err != 0)
		mark.instr_err = since->instr_err;
	return mark;
}

/* ---- the answer ---- */

static json_t *per_pkt_json(uint64_t n, uint64_t pkts)
{
	return pkts > 0 ? json_real((double)n / (double)pkts) : json_null();
}

static double share(uint64_t part, uint64_t whole)
{
	return whole > 0 ? (double)part / (double)whole : 0;
}

static json_t *worker_json(struct cv_ctl *ctl, uint32_t id, const struct mark *grown)
{
	json_t *stages = json_array();
	uint64_t sum = 0;

	for (int i = 0; i < CV_STAGE_N; i++)
		sum += grown->stage_tsc[i];
	for (int i = 0; grown->pkts > 0 && i < CV_STAGE_N; i++) {
		enum cv_stage stage = (enum cv_stage)i;
		uint64_t tsc = grown->stage_tsc[i];

		cv_ctl_json_add(ctl, stages,
				json_pack("{s:s, s:o, s:f, s:s}", "stage", cv_stage_name(stage),
					  "cycles_per_packet", per_pkt_json(tsc, grown->pkts),
					  "share", share(tsc, sum), "help", cv_stage_help(stage)));
	}
	return json_pack(
		"{s:I, s:I, s:f, s:o, s:o, s:o}", "id", (json_int_t)id, "packets",
		(json_int_t)grown->pkts, "busy", share(grown->busy, grown->total),
		"cycles_per_packet", per_pkt_json(sum, grown->pkts), "instructions_per_packet",
		grown->instr_err == 0 ? per_pkt_json(grown->instr, grown->pkts) : json_null(),
		"stages", stages);
}

static json_t *instr_note(int err)
{
	if (err == -ENOENT || err == -ENODEV || err == -EOPNOTSUPP)
		return json_string("instructions: this machine has no hardware counters");
	if (err == -EACCES || err == -EPERM)
		return json_string("instructions: the kernel does not let culvertd count them");
	return json_sprintf("instructions: they cannot be counted: %s", strerror(-err));
}

static json_t *answer_json(struct cv_ctl *ctl, const struct ctl_stages_ask *ask)
{
	const double seconds = (double)(cv_clock_ms() - ask->begin_ms) / 1000;
	json_t *workers = json_array(), *notes = json_array();
	int err = 0;

	for (uint32_t i = 0; i < ctl->conf->dpdk.workers; i++) {
		const struct mark grown = growth_get(ctl, i, &ask->begin[i]);

		cv_ctl_json_add(ctl, workers, worker_json(ctl, i, &grown));
		if (grown.pkts == 0)
			cv_ctl_json_add(
				ctl, notes,
				json_sprintf("worker %u: no packets within %.1f s", i, seconds));
		if (grown.instr_err != 0)
			err = grown.instr_err;
	}
	if (err != 0)
		cv_ctl_json_add(ctl, notes, instr_note(err));
	return json_pack("{s:f, s:I, s:o, s:o}", "seconds", seconds, "tsc_hz",
			 (json_int_t)ctl->tsc_hz, "workers", workers, "notes", notes);
}

/* ---- who asks ---- */

/* Answer the first of a list, and take it off. */
static void ask_end(struct cv_ctl *ctl, struct ctl_stages_ask **link, int ret)
{
	struct ctl_stages_ask *ask = *link;

	*link = ask->next;
	cv_ctl_queue_answer(&ctl->queue, &ask->show->cmd, ret);
	free(ask->begin);
	free(ask);
}

static void ask_begin(const struct cv_ctl *ctl, struct ctl_stages_ask *ask)
{
	for (uint32_t i = 0; i < ctl->conf->dpdk.workers; i++)
		mark_get(ctl, i, &ask->begin[i]);
	ask->begin_ms = cv_clock_ms();
	ask->begun = true;
}

static int ask_answer(struct cv_ctl *ctl, const struct ctl_stages_ask *ask)
{
	ctl->json_failed = false;
	ask->show->root = answer_json(ctl, ask);
	return ask->show->root != NULL && !ctl->json_failed ? 0 : -ENOMEM;
}

void cv_ctl_stages_poll(struct cv_ctl *ctl)
{
	struct ctl_stages *st = &ctl->stages;
	struct ctl_stages_ask **link = &st->asks;

	if (!cv_ctl_stages_is_busy(ctl))
		return;
	stages_tell(ctl, st->asks != NULL);
	while (*link != NULL) {
		struct ctl_stages_ask *ask = *link;
		uint64_t end_ms = ask->begin_ms + ask->show->seconds * 1000;

		if (!cv_ctl_queue_is_wanted(&ctl->queue, &ask->show->cmd)) {
			ask_end(ctl, link, -ECANCELED);
			continue;
		}
		if (ask->begun && cv_clock_ms() >= end_ms) {
			ask_end(ctl, link, ask_answer(ctl, ask));
			continue;
		}
		if (!ask->begun && st->told == CTL_STAGES_ON)
			ask_begin(ctl, ask);
		link = &ask->next;
	}
	stages_tell(ctl, st->asks != NULL);
}

bool cv_ctl_stages_is_busy(const struct cv_ctl *ctl)
{
	return ctl->stages.asks != NULL || ctl->stages.told != CTL_STAGES_OFF;
}

int cv_ctl_show_stages(struct cv_ctl *ctl, struct ctl_show *show)
{
	struct ctl_stages_ask *ask;

	if (ctl->dp == NULL)
		return -EAGAIN;
	ask = calloc(1, sizeof(*ask));
	if (ask == NULL)
		return -ENOMEM;
	ask->begin = calloc(ctl->conf->dpdk.workers, sizeof(*ask->begin));
	if (ask->begin == NULL) {
		free(ask);
		return -ENOMEM;
	}
	ask->show = show;
	ask->next = ctl->stages.asks;
	ctl->stages.asks = ask;
	return CTL_CMD_LATER;
}

void cv_ctl_stages_stop(struct cv_ctl *ctl)
{
	while (ctl->stages.asks != NULL)
		ask_end(ctl, &ctl->stages.asks, -ECANCELED);
	/* A worker that cannot be told does not mind: it is about to stop. */
	stages_tell(ctl, false);
}
