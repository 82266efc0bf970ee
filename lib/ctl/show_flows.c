/* SPDX-License-Identifier: BSD-3-Clause */

/* Listings of flows. Workers gather them beside their work, control renders them a piece per turn of
 * its loop: neither is held up, however many there are. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cv_model_ops.h"
#include "cv_tcp.h"

#include "show_priv.h"

/* Records rendered per turn of the loop: about 10 ms. */
#define PIECE 2000

static const char *endpoint_name(const struct cv_ctl *ctl, uint32_t slot)
{
	const struct cv_plan *plan = ctl->plan;
	uint32_t idx;

	if (slot == CV_VIEW_DIRECT)
		return "direct";
	if (slot >= plan->n_slots[CV_PLAN_ENDPOINT])
		return "?";
	idx = plan->objs[CV_PLAN_ENDPOINT][slot].idx;
	return idx != CV_MODEL_NONE ? ctl->conf->model->endpoints[idx].id : "removed";
}

static const char *header_str(const struct cv_dp_flow_info *flow)
{
	if (flow->header_len == 0)
		return "off";
	return flow->header_done ? "done" : "outstanding";
}

static json_t *flow_json(struct cv_ctl *ctl, const struct cv_dp_flow_info *flow)
{
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:i, s:I, s:I, s:i}",
		"client", cv_ctl_json_addr(flow->client_ip, cv_be16_host(flow->client_port)),
		"dialled", cv_ctl_json_addr(flow->dialled_ip, cv_be16_host(flow->dialled_port)),
		"node", cv_ctl_json_addr(flow->node_ip, cv_be16_host(flow->node_port)), "target",
		cv_ctl_json_addr(flow->target_ip, cv_be16_host(flow->target_port)), "state",
		cv_tcp_state_str(flow->state), "endpoint", endpoint_name(ctl, flow->endpoint),
		"client_vpc", cv_ctl_vpc_name(ctl, flow->client_vpc), "target_vpc",
		cv_ctl_vpc_name(ctl, flow->target_vpc), "client_mac",
		cv_ctl_json_mac(flow->client_mac), "client_vtep",
		flow->client_vtep != 0 ? cv_ctl_json_ip(flow->client_vtep) : json_null(),
		"proxy_header", header_str(flow), "proxy_header_bytes", (int)flow->header_len,
		"idle_ms", (json_int_t)flow->idle_ms, "age_ms", (json_int_t)flow->age_ms, "worker",
		(int)flow->worker);
}

/* ---- filters ---- */

static int endpoint_filter(const struct cv_ctl *ctl, struct ctl_show *show, uint32_t *ret_slot)
{
	uint32_t idx;

	*ret_slot = CV_VIEW_NONE;
	if (show->endpoint == NULL)
		return 0;
	*ret_slot = CV_VIEW_DIRECT;
	if (strcmp(show->endpoint, "direct") == 0)
		return 0;
	idx = cv_model_find(ctl->conf->model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, show->endpoint);
	if (idx == CV_MODEL_NONE)
		return cv_ctl_show_refuse(show, -ENOENT, "there is no endpoint %.80s",
					  show->endpoint);
	*ret_slot = cv_plan_slot(ctl->plan, CV_PLAN_ENDPOINT, 0, idx);
	return 0;
}

static int state_filter(struct ctl_show *show, int *ret_state)
{
	char names[256];
	size_t len = 0;

	*ret_state = -1;
	if (show->state == NULL)
		return 0;
	for (int state = 0; state < CV_TCP_STATE_N; state++) {
		const char *name = cv_tcp_state_str((uint8_t)state);

		if (strcmp(show->state, name) == 0) {
			*ret_state = state;
			return 0;
		}
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s",
					len > 0 ? ", " : "", name);
	}
	return cv_ctl_show_refuse(show, -EINVAL, "state: %.40s is none of %s", show->state, names);
}

/* All slots of targets at an address: it may be in several groups and VPCs. */
static int target_filter(struct cv_ctl *ctl, struct ctl_show *show, uint32_t **ret_slots,
			 uint32_t *ret_n)
{
	const struct cv_view_spec *spec = cv_view_spec_get(cv_view_pub_current(ctl->pub));
	uint32_t n = 0, *slots = calloc(spec->n_targets + 1, sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	if (show->target == NULL)
		slots[n++] = CV_VIEW_NONE;
	for (uint32_t i = 0; show->target != NULL && i < spec->n_targets; i++) {
		char addr[CV_NET_STR_LEN];

		cv_ctl_addr_str(spec->targets[i].ip, cv_be16_host(spec->targets[i].port), addr);
		if (strcmp(addr, show->target) == 0)
			slots[n++] = i;
	}
	if (n == 0) {
		free(slots);
		return cv_ctl_show_refuse(show, -ENOENT, "there is no target %.40s", show->target);
	}
	*ret_slots = slots;
	*ret_n = n;
	return 0;
}

/* ---- the listing under way ---- */

/* Tells whether the filters are good. */
static int listing_begin(struct cv_ctl *ctl, struct ctl_show *show)
{
	struct ctl_flows *f = &ctl->flows;
	uint32_t endpoint, *targets = NULL, n_targets = 0;
	int state, ret;

	ret = endpoint_filter(ctl, show, &endpoint);
	if (ret == 0)
		ret = state_filter(show, &state);
	if (ret == 0)
		ret = target_filter(ctl, show, &targets, &n_targets);
	if (ret < 0)
		return ret;
	show->root = json_array();
	f->cur = show;
	f->list = NULL;
	f->filter = (struct cv_dp_flow_filter){.endpoint = endpoint, .state = state};
	f->targets = targets;
	f->n_targets = n_targets;
	f->target_idx = 0;
	f->matched = 0;
	if (show->limit == 0)
		show->limit = CV_CTL_FLOWS_DEFAULT;
	return show->root != NULL ? 0 : -ENOMEM;
}

static void listing_end(struct cv_ctl *ctl, int ret)
{
	struct ctl_flows *f = &ctl->flows;
	struct ctl_show *show = f->cur;

	if (ret == 0) {
		size_t n = json_array_size(show->root);

		show->root = json_pack("{s:I, s:I, s:o}", "matched", (json_int_t)f->matched,
				       "listed", (json_int_t)n, "flows", show->root);
		ret = show->root != NULL ? 0 : -ENOMEM;
	}
	free(f->targets);
	f->targets = NULL;
	f->cur = NULL;
	cv_ctl_queue_answer(&ctl->queue, &show->cmd, ret);
}

/* Render a piece. Tells whether the list is through. */
static bool listing_render(struct cv_ctl *ctl)
{
	struct ctl_flows *f = &ctl->flows;
	struct ctl_show *show = f->cur;
	uint32_t n_left = PIECE;

	for (; f->worker < ctl->conf->dpdk.workers; f->worker++, f->pos = 0) {
		uint64_t matched;
		uint32_t n;
		const struct cv_dp_flow_info *infos =
			cv_dp_flow_list_get(f->list, f->worker, &matched, &n);

		for (; f->pos < n && json_array_size(show->root) < show->limit; f->pos++) {
			if (n_left-- == 0)
				return false;
			cv_ctl_json_add(ctl, show->root, flow_json(ctl, &infos[f->pos]));
		}
		f->matched += matched;
	}
	return true;
}

/* Ask the workers for the next target's flows. Tells whether that could be done. */
static bool listing_start(struct cv_ctl *ctl)
{
	struct ctl_flows *f = &ctl->flows;
	int ret;

	f->filter.target = f->targets[f->target_idx];
	f->worker = f->pos = 0;
	ret = cv_dp_flow_list_create(ctl->dp, &f->filter, f->cur->limit, &f->list);
	if (ret == -EAGAIN && cv_ctl_queue_is_wanted(&ctl->queue, &f->cur->cmd))
		return false; /* the ring is full: the next turn will do */
	if (ret < 0)
		listing_end(ctl, ret);
	return true;
}

/* One step of the listing under way. Tells whether there was anything to do but wait. */
static bool listing_step(struct cv_ctl *ctl)
{
	struct ctl_flows *f = &ctl->flows;
	int ret = -ECANCELED;

	if (f->list == NULL)
		return listing_start(ctl);
	if (!cv_dp_flow_list_is_done(f->list))
		return false;
	if (cv_ctl_queue_is_wanted(&ctl->queue, &f->cur->cmd)) {
		ctl->json_failed = false;
		if (!listing_render(ctl) && !ctl->json_failed)
			return false;
		ret = ctl->json_failed ? -ENOMEM : 0;
	}
	cv_dp_flow_list_destroy(f->list);
	f->list = NULL;
	if (ret < 0 || ++f->target_idx == f->n_targets)
		listing_end(ctl, ret);
	return true;
}

/* Tells whether one waited that could be begun. */
static bool listing_next(struct cv_ctl *ctl)
{
	struct ctl_show *show = (struct ctl_show *)ctl->flows.first;
	int ret;

	if (show == NULL)
		return false;
	ctl->flows.first = show->cmd.next;
	ret = listing_begin(ctl, show);
	if (ret < 0) {
		ctl->flows.cur = NULL;
		free(ctl->flows.targets);
		ctl->flows.targets = NULL;
		cv_ctl_queue_answer(&ctl->queue, &show->cmd, ret);
	}
	return true;
}

void cv_ctl_flows_poll(struct cv_ctl *ctl)
{
	bool more = true;

	while (more)
		more = ctl->flows.cur != NULL ? listing_step(ctl) : listing_next(ctl);
}

bool cv_ctl_flows_is_busy(const struct cv_ctl *ctl)
{
	return ctl->flows.cur != NULL || ctl->flows.first != NULL;
}

int cv_ctl_show_flows(struct cv_ctl *ctl, struct ctl_show *show)
{
	struct ctl_cmd **last = &ctl->flows.first;

	if (ctl->dp == NULL)
		return -EAGAIN;
	while (*last != NULL)
		last = &(*last)->next;
	show->cmd.next = NULL;
	*last = &show->cmd;
	return CTL_CMD_LATER;
}

void cv_ctl_flows_stop(struct cv_ctl *ctl)
{
	struct ctl_flows *f = &ctl->flows;

	while (f->first != NULL) {
		struct ctl_cmd *cmd = f->first;

		f->first = cmd->next;
		cv_ctl_queue_answer(&ctl->queue, cmd, -ECANCELED);
	}
	if (f->cur != NULL)
		listing_end(ctl, -ECANCELED);
	/* Workers may still write into an unfinished listing: it is freed when they have stopped. */
}
