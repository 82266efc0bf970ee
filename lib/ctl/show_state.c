/* SPDX-License-Identifier: BSD-3-Clause */

/* What is kept, and whether it can be. */

#include "keep_docs_priv.h"
#include "show_priv.h"

static json_t *left_out_json(struct cv_ctl *ctl)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < ctl->keep.n_left_out; i++) {
		const struct ctl_left_out *left = &ctl->keep.left_out[i];

		cv_ctl_json_add(ctl, list,
				json_pack("{s:s, s:s, s:o}", "kind", cv_ctl_keep_word(left->kind),
					  "id", left->id, "why", cv_ctl_json_text(left->why)));
	}
	return list;
}

int cv_ctl_show_state(struct cv_ctl *ctl, struct ctl_show *show)
{
	const struct ctl_keep *keep = &ctl->keep;
	const char *state = keep->path == NULL ? "in memory" : "good";
	json_t *stores = json_array();

	if (keep->broken)
		state = keep->stale ? "left out" : "refusing changes";
	cv_ctl_json_add(ctl, stores,
			json_pack("{s:o, s:s, s:I, s:I, s:I, s:o}", "file",
				  cv_ctl_json_text(keep->path != NULL ? keep->path : "none"),
				  "state", state, "revision", (json_int_t)keep->rev, "transactions",
				  (json_int_t)keep->n_txns, "failures", (json_int_t)keep->n_failed,
				  "error", cv_ctl_json_text(keep->why)));
	show->root = json_pack("{s:o, s:o}", "stores", stores, "left_out", left_out_json(ctl));
	return 0;
}
