/* SPDX-License-Identifier: BSD-3-Clause */

/* Endpoint services and endpoints. */

#include <errno.h>
#include <string.h>

#include "cv_model_ops.h"

#include "show_priv.h"

static json_t *states_json(struct cv_ctl *ctl, uint32_t service)
{
	const struct cv_model *model = ctl->conf->model;
	uint32_t n[CV_MODEL_STATE_N] = {0};
	json_t *object = json_object();

	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		if (model->endpoints[i].service == service)
			n[model->endpoints[i].state]++;
	}
	for (int state = 0; state < CV_MODEL_STATE_N; state++) {
		if (state <= CV_MODEL_REJECTED || n[state] > 0)
			cv_ctl_json_put(ctl, object, cv_model_state_str((enum cv_model_state)state),
					json_integer(n[state]));
	}
	return object;
}

static json_t *service_json(struct cv_ctl *ctl, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_service *service = &model->services[idx];
	json_t *lbs = json_array(), *principals = json_array();

	for (uint32_t i = 0; i < service->n_lbs; i++)
		cv_ctl_json_add(ctl, lbs, json_string(model->lbs[service->lbs[i]].name));
	for (uint32_t i = 0; i < service->n_principals; i++)
		cv_ctl_json_add(ctl, principals, json_string(service->principals[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "id", service->id, "name",
			 service->name, "service_name", service->service_name, "owner",
			 model->accounts[service->owner].id, "acceptance_required",
			 (int)service->acceptance_required, "load_balancers", lbs, "principals",
			 principals, "endpoints", states_json(ctl, idx));
}

int cv_ctl_show_services(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *services = json_array();

	for (uint32_t i = 0; i < ctl->conf->model->n_services; i++) {
		if (!ctl->conf->model->services[i].meta.gone)
			cv_ctl_json_add(ctl, services, service_json(ctl, i));
	}
	show->root = json_pack("{s:o}", "services", services);
	return 0;
}

static json_t *eni_json(const struct cv_model *model, const struct cv_model_eni *eni)
{
	const struct cv_model_subnet *subnet = &model->subnets[eni->subnet];
	const struct cv_model_lb *lb = eni->lb != CV_MODEL_NONE ? &model->lbs[eni->lb] : NULL;

	return json_pack("{s:s, s:o, s:s, s:s, s:s, s:s?, s:o}", "id", eni->id, "ip",
			 cv_ctl_json_ip(eni->ip), "subnet", subnet->name, "az_id",
			 model->zones[eni->zone].id, "az_name", subnet->zone_name, "load_balancer",
			 lb != NULL ? lb->name : NULL, "node_ip",
			 lb != NULL ? cv_ctl_json_ip(lb->nodes[eni->node].ips[0]) : json_null());
}

/* Only reasons that there were. */
static json_t *reasons_json(struct cv_ctl *ctl, uint32_t slot)
{
	json_t *object = json_object();

	for (int i = CV_DROP_NONE + 1; i < CV_DROP_N; i++) {
		uint64_t n = cv_ctl_drops_get(ctl, CV_PLAN_ENDPOINT, slot, (enum cv_drop)i);

		if (n > 0)
			cv_ctl_json_put(ctl, object, cv_drop_name((enum cv_drop)i),
					json_integer((json_int_t)n));
	}
	return object;
}

static json_t *endpoint_json(struct cv_ctl *ctl, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_endpoint *endpoint = &model->endpoints[idx];
	const struct cv_model_vpc *vpc = &model->vpcs[endpoint->vpc];
	bool has_service = endpoint->service != CV_MODEL_NONE;
	uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_ENDPOINT, 0, idx);
	enum cv_drop verdict = cv_ctl_verdict_get(ctl, idx);
	json_t *enis = json_array(), *object;

	for (uint32_t i = 0; i < endpoint->n_enis; i++)
		cv_ctl_json_add(ctl, enis, eni_json(model, &endpoint->enis[i]));
	object = json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s}", "id", endpoint->id,
		"name", endpoint->name, "state", cv_model_state_str(endpoint->state), "service",
		has_service ? model->services[endpoint->service].name : endpoint->service_name,
		"service_name", endpoint->service_name, "owner", model->accounts[vpc->owner].id,
		"vpc", vpc->name, "principal", endpoint->principal, "enis", enis, "verdict",
		verdict == CV_DROP_NONE ? "forward" : cv_drop_name(verdict), "verdict_text",
		cv_drop_help(verdict));
	cv_ctl_json_counts(ctl, object, CV_PLAN_ENDPOINT, slot);
	cv_ctl_json_put(ctl, object, "drops_by_reason", reasons_json(ctl, slot));
	return object;
}

static int state_find(struct ctl_show *show, int *ret_state)
{
	for (int state = 0; state < CV_MODEL_STATE_N; state++) {
		if (strcmp(show->state, cv_model_state_str((enum cv_model_state)state)) == 0) {
			*ret_state = state;
			return 0;
		}
	}
	return cv_ctl_show_refuse(show, -EINVAL,
				  "state: %.40s is none of pendingAcceptance, available, rejected, "
				  "pending, failed, expired",
				  show->state);
}

int cv_ctl_show_endpoints(struct cv_ctl *ctl, struct ctl_show *show)
{
	const struct cv_model *model = ctl->conf->model;
	uint32_t only = CV_MODEL_NONE;
	json_t *endpoints;
	int state = -1;

	if (show->state != NULL && state_find(show, &state) < 0)
		return -EINVAL;
	if (show->endpoint != NULL) {
		only = cv_model_find(model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, show->endpoint);
		if (only == CV_MODEL_NONE)
			return cv_ctl_show_refuse(show, -ENOENT, "there is no endpoint %.80s",
						  show->endpoint);
	}
	endpoints = json_array();
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		/* A deleted one serves nothing; the API shows it for a while. */
		if (!cv_model_endpoint_is_over(&model->endpoints[i]) &&
		    (only == CV_MODEL_NONE || only == i) &&
		    (state < 0 || model->endpoints[i].state == (enum cv_model_state)state))
			cv_ctl_json_add(ctl, endpoints, endpoint_json(ctl, i));
	}
	show->root = json_pack("{s:o}", "endpoints", endpoints);
	return 0;
}
