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

static void decision_add(struct cv_ctl *ctl, json_t *list, enum cv_model_kind kind,
			 const char *name, json_t *decision)
{
	cv_ctl_json_add(ctl, list,
			json_pack("{s:s, s:s, s:o}", "kind", cv_ctl_keep_word(kind), "name", name,
				  "decision", decision));
}

static void lb_decision(struct cv_ctl *ctl, json_t *list, const struct cv_model_lb *lb)
{
	if (!lb->shift_decided)
		return;
	decision_add(ctl, list, CV_MODEL_LB, lb->name,
		     lb->shifted_zone != CV_MODEL_NONE
			     ? json_sprintf("shifted away from %s",
					    ctl->model->zones[lb->shifted_zone].id)
			     : json_string("not shifted"));
}

static void group_decisions(struct cv_ctl *ctl, json_t *list,
			    const struct cv_model_target_group *tg)
{
	char addr[CV_NET_STR_LEN];

	if (tg->meta.api)
		return;
	for (uint32_t i = 0; i < tg->n_dropped; i++)
		decision_add(ctl, list, CV_MODEL_TG, tg->name,
			     json_sprintf("%s deregistered",
					  cv_ctl_addr_str(tg->dropped[i].ip, tg->dropped[i].port,
							  addr)));
	for (uint32_t i = 0; i < tg->n_targets; i++) {
		if (tg->targets[i].api)
			decision_add(ctl, list, CV_MODEL_TG, tg->name,
				     json_sprintf("%s registered",
						  cv_ctl_addr_str(tg->targets[i].ip,
								  tg->targets[i].port, addr)));
	}
}

/* What the file says otherwise; resources that calls made are as their callers want them. */
static json_t *decisions_json(struct cv_ctl *ctl)
{
	const struct cv_model *model = ctl->model;
	json_t *list = json_array();

	for (uint32_t i = 0; i < model->n_lbs; i++) {
		if (!model->lbs[i].meta.gone)
			lb_decision(ctl, list, &model->lbs[i]);
	}
	for (uint32_t i = 0; i < model->n_tgs; i++) {
		if (!model->tgs[i].meta.gone)
			group_decisions(ctl, list, &model->tgs[i]);
	}
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];

		if (!endpoint->meta.gone && endpoint->meta.runtime && endpoint->state_since != 0)
			decision_add(ctl, list, CV_MODEL_ENDPOINT, endpoint->name,
				     json_string(cv_model_state_str(endpoint->state)));
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
	show->root = json_pack("{s:o, s:o, s:o}", "stores", stores, "left_out", left_out_json(ctl),
			       "decisions", decisions_json(ctl));
	return 0;
}
