/* SPDX-License-Identifier: BSD-3-Clause */

/* Which slots flows hold: one walk of every worker over its table, in pieces beside the packets. */

#include <errno.h>
#include <stdlib.h>

#include "dp_list.h"

/* Entries per piece at most. */
#define DP_PIECE 64

/** One worker's part. Its worker writes until done is set, then control reads. */
struct dp_mark_part {
	_Atomic bool done;
	uint64_t *bits[CV_DP_MARK_N]; /**< shape [n / 64 + 1], by slot */
};

struct cv_dp_marks {
	uint32_t n[CV_DP_MARK_N]; /**< slots */
	unsigned int n_parts;
	struct dp_mark_part *parts; /**< shape [n_parts], one per worker */
};

static void dp_mark(const struct cv_dp_marks *marks, struct dp_mark_part *part,
		    enum cv_dp_mark kind, uint32_t slot)
{
	/* Later slots are of no interest to who asked. */
	if (slot < marks->n[kind])
		part->bits[kind][slot / 64] |= 1ULL << slot % 64;
}

void dp_mark_piece(struct cv_dp_worker *w)
{
	struct cv_dp_marks *marks = w->sweep.marks;
	struct dp_mark_part *part;
	uint32_t end;

	if (marks == NULL)
		return;
	part = &marks->parts[w->id];
	end = RTE_MIN(w->sweep.mark_next + DP_PIECE, w->flows->high);
	for (uint32_t idx = w->sweep.mark_next; idx < end; idx++) {
		const struct cv_flow *flow = &w->flows->flows[idx];

		if (flow->node_port == 0)
			continue;
		dp_mark(marks, part, CV_DP_MARK_VPC, flow->client_vpc);
		dp_mark(marks, part, CV_DP_MARK_VPC, flow->target_vpc);
		dp_mark(marks, part, CV_DP_MARK_PATH, cv_view_path_slot(flow->path));
		dp_mark(marks, part, CV_DP_MARK_LISTENER, w->flows->cold[idx].listener);
		dp_mark(marks, part, CV_DP_MARK_TARGET, w->flows->cold[idx].target);
		dp_mark(marks, part, CV_DP_MARK_NEIGH, flow->neigh);
	}
	w->sweep.mark_next = end;
	if (end == w->flows->high) {
		w->sweep.marks = NULL;
		atomic_store_explicit(&part->done, true, memory_order_release);
	}
}

void dp_mark_start(struct cv_dp_worker *w, struct cv_dp_marks *marks)
{
	w->sweep.marks = marks;
	w->sweep.mark_next = 0;
}

static int dp_marks_alloc(struct cv_dp_marks *marks)
{
	marks->parts = calloc(marks->n_parts, sizeof(*marks->parts));
	if (marks->parts == NULL)
		return -ENOMEM;
	for (unsigned int i = 0; i < marks->n_parts; i++) {
		for (int kind = 0; kind < CV_DP_MARK_N; kind++) {
			marks->parts[i].bits[kind] =
				calloc(marks->n[kind] / 64 + 1, sizeof(uint64_t));
			if (marks->parts[i].bits[kind] == NULL)
				return -ENOMEM;
		}
	}
	return 0;
}

int cv_dp_marks_create(struct cv_dp *dp, const uint32_t *n, struct cv_dp_marks **ret_marks)
{
	struct cv_dp_marks *marks = calloc(1, sizeof(*marks));
	struct dp_cmd cmd = {.kind = DP_CMD_MARK, .marks = marks};
	int rc = -ENOMEM;

	if (marks == NULL)
		return -ENOMEM;
	memcpy(marks->n, n, sizeof(marks->n));
	marks->n_parts = dp->n_workers;
	rc = dp_marks_alloc(marks);
	/* All or none: a worker that was asked would write into marks that are gone. */
	for (unsigned int i = 0; rc == 0 && i < dp->n_workers; i++)
		rc = rte_ring_free_count(dp->workers[i]->cmds) == 0 ? -EAGAIN : 0;
	if (rc != 0) {
		cv_dp_marks_destroy(marks);
		return rc;
	}
	for (unsigned int i = 0; i < dp->n_workers; i++)
		(void)rte_ring_sp_enqueue_elem(dp->workers[i]->cmds, &cmd, sizeof(cmd));
	*ret_marks = marks;
	return 0;
}

bool cv_dp_marks_is_done(const struct cv_dp_marks *marks)
{
	for (unsigned int i = 0; i < marks->n_parts; i++)
		if (!atomic_load_explicit(&marks->parts[i].done, memory_order_acquire))
			return false;
	return true;
}

bool cv_dp_marks_has(const struct cv_dp_marks *marks, enum cv_dp_mark kind, uint32_t slot)
{
	cv_assert(slot < marks->n[kind]);
	for (unsigned int i = 0; i < marks->n_parts; i++)
		if ((marks->parts[i].bits[kind][slot / 64] >> slot % 64 & 1) != 0)
			return true;
	return false;
}

void cv_dp_marks_destroy(struct cv_dp_marks *marks)
{
	if (marks == NULL)
		return;
	for (unsigned int i = 0; marks->parts != NULL && i < marks->n_parts; i++)
		for (int kind = 0; kind < CV_DP_MARK_N; kind++)
			free(marks->parts[i].bits[kind]);
	free(marks->parts);
	free(marks);
}
