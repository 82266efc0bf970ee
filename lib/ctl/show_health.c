/* SPDX-License-Identifier: BSD-3-Clause */

/* Health of targets, in AWS's words. */

#include "show_priv.h"

static void info_put(struct cv_ctl *ctl, json_t *object, const struct cv_health_info *info)
{
	cv_ctl_json_put(ctl, object, "state", json_string(cv_model_target_state_str(info->state)));
	if (info->reason != NULL)
		cv_ctl_json_put(ctl, object, "reason", json_string(info->reason));
	if (info->description != NULL)
		cv_ctl_json_put(ctl, object, "description", json_string(info->description));
	if (info->text != NULL)
		cv_ctl_json_put(ctl, object, "last_failure", cv_ctl_json_text(info->text));
	if (info->checked_ms != 0)
		cv_ctl_json_put(ctl, object, "checked_seconds_ago",
				json_real((double)(cv_clock_ms() - info->checked_ms) / 1000));
}

void cv_ctl_json_health(struct cv_ctl *ctl, json_t *object, uint32_t group, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	uint32_t lb = model->tgs[group].lb;
	json_t *zones = json_array(), *states = json_object();
	struct cv_health_info info;

	cv_health_get(ctl->health, group, idx, &info);
	info_put(ctl, object, &info);
	for (uint32_t i = 0; lb != CV_MODEL_NONE && i < model->lbs[lb].n_nodes; i++) {
		uint32_t zone = model->lbs[lb].nodes[i].zone;
		json_t *one = json_pack("{s:s}", "az_id", model->zones[zone].id);

		cv_health_zone_get(ctl->health, group, idx, zone, &info);
		info_put(ctl, one, &info);
		cv_ctl_json_add(ctl, zones, one);
		cv_ctl_json_put(ctl, states, model->zones[zone].id,
				json_string(cv_model_target_state_str(info.state)));
	}
	cv_ctl_json_put(ctl, object, "states", states);
	cv_ctl_json_put(ctl, object, "zones", zones);
}

json_t *cv_ctl_json_check(struct cv_ctl *ctl, uint32_t group)
{
	const struct cv_model_check *check = &ctl->conf->model->tgs[group].check;
	json_t *object = json_pack(
		"{s:b, s:s, s:o, s:I, s:I, s:I, s:I}", "enabled", (int)check->enabled, "protocol",
		cv_model_check_protocol_str(check->protocol), "port",
		check->port != 0 ? json_integer(check->port) : json_string("traffic-port"),
		"interval_seconds", (json_int_t)check->interval_s, "timeout_seconds",
		(json_int_t)check->timeout_s, "healthy_threshold", (json_int_t)check->n_healthy,
		"unhealthy_threshold", (json_int_t)check->n_unhealthy);

	if (check->path != NULL)
		cv_ctl_json_put(ctl, object, "path", cv_ctl_json_text(check->path));
	if (check->matcher != NULL)
		cv_ctl_json_put(ctl, object, "matcher", cv_ctl_json_text(check->matcher));
	return object;
}
