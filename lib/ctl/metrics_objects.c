/* SPDX-License-Identifier: BSD-3-Clause */

/* Metrics of what there may be thousands of, object by object. */

#include <string.h>

#include "metrics_priv.h"

/* What is counted of an object. */
enum what { NEW, ENDED, PACKETS, BYTES, DROPS, RESETS, PORTS, ERRORS };

static void dirs_write(FILE *out, const struct ctl_metric *metric, const char *labels,
		       const uint64_t *values)
{
	static const char *const dirs[] = {"to_target", "to_client"};

	for (size_t dir = 0; dir < CV_ARRAY_LEN(dirs); dir++) {
		char with_dir[LABELS_LEN];

		memcpy(with_dir, labels, sizeof(with_dir));
		cv_ctl_metric_label(with_dir, "direction", dirs[dir]);
		cv_ctl_metric_value(out, metric->name, with_dir, values[dir]);
	}
}

static void count_write(FILE *out, const struct ctl_metric *metric, const char *labels,
			const struct cv_stats_obj_sum *sum)
{
	if (metric->what == PACKETS || metric->what == BYTES)
		dirs_write(out, metric, labels, metric->what == PACKETS ? sum->pkts : sum->bytes);
	else
		cv_ctl_metric_value(out, metric->name, labels,
				    metric->what == NEW     ? sum->new_flows
				    : metric->what == ENDED ? sum->end_flows
				    : metric->what == DROPS ? sum->drops
							    : sum->rsts);
}

/* ---- endpoints ---- */

static void endpoint_labels(const struct cv_model *model, uint32_t i, char *labels)
{
	const struct cv_model_endpoint *endpoint = &model->endpoints[i];

	cv_ctl_metric_label(labels, "endpoint", endpoint->id);
	cv_ctl_metric_label(
		labels, "service",
		endpoint->service != CV_MODEL_NONE ? model->services[endpoint->service].id : "");
}

static uint32_t state_write(const struct cv_ctl *ctl, FILE *out, const struct ctl_metric *metric,
			    uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;
	char labels[LABELS_LEN] = "";

	if (i >= model->n_endpoints)
		return 0;
	if (cv_model_endpoint_is_over(&model->endpoints[i]))
		return 1;
	endpoint_labels(model, i, labels);
	cv_ctl_metric_label(labels, "state", cv_model_state_str(model->endpoints[i].state));
	cv_ctl_metric_value(out, metric->name, labels, 1);
	return 1;
}

static uint32_t endpoint_write(const struct cv_ctl *ctl, FILE *out, const struct ctl_metric *metric,
			       uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;
	char labels[LABELS_LEN] = "";
	struct cv_stats_obj_sum sum;

	if (i >= model->n_endpoints)
		return 0;
	if (cv_model_endpoint_is_over(&model->endpoints[i]))
		return 1;
	endpoint_labels(model, i, labels);
	sum = cv_ctl_counts_get(ctl, CV_PLAN_ENDPOINT,
				cv_plan_slot(ctl->plan, CV_PLAN_ENDPOINT, 0, i));
	count_write(out, metric, labels, &sum);
	return 1;
}

/* Only reasons that there were: all of them, for every endpoint, would be thousands of lines. */
static uint32_t reasons_write(const struct cv_ctl *ctl, FILE *out, const struct ctl_metric *metric,
			      uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;
	uint32_t slot;

	if (i >= model->n_endpoints)
		return 0;
	if (cv_model_endpoint_is_over(&model->endpoints[i]))
		return 1;
	slot = cv_plan_slot(ctl->plan, CV_PLAN_ENDPOINT, 0, i);
	if (cv_ctl_counts_get(ctl, CV_PLAN_ENDPOINT, slot).drops == 0)
		return 1;
	for (int j = CV_DROP_NONE + 1; j < CV_DROP_N; j++) {
		uint64_t drops = cv_ctl_drops_get(ctl, CV_PLAN_ENDPOINT, slot, (enum cv_drop)j);
		char labels[LABELS_LEN] = "";

		if (drops == 0)
			continue;
		endpoint_labels(model, i, labels);
		cv_ctl_metric_label(labels, "reason", cv_drop_name((enum cv_drop)j));
		cv_ctl_metric_value(out, metric->name, labels, drops);
	}
	return 4;
}

/* ---- listeners and targets, by what has them ---- */

static uint32_t listeners_write(const struct cv_ctl *ctl, FILE *out,
				const struct ctl_metric *metric, uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_lb *lb;

	if (i >= model->n_lbs)
		return 0;
	lb = &model->lbs[i];
	for (uint32_t k = 0; k < lb->n_listeners; k++) {
		const struct cv_stats_obj_sum sum = cv_ctl_counts_get(
			ctl, CV_PLAN_LISTENER, cv_plan_slot(ctl->plan, CV_PLAN_LISTENER, i, k));
		char labels[LABELS_LEN] = "", port[8];

		snprintf(port, sizeof(port), "%u", lb->listeners[k].port);
		cv_ctl_metric_label(labels, "account", cv_ctl_account_id(model, CV_MODEL_LB, i));
		cv_ctl_metric_label(labels, "load_balancer", lb->name);
		cv_ctl_metric_label(labels, "port", port);
		count_write(out, metric, labels, &sum);
	}
	return 1 + lb->n_listeners;
}

static uint32_t targets_write(const struct cv_ctl *ctl, FILE *out, const struct ctl_metric *metric,
			      uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_target_group *tg;

	if (i >= model->n_tgs)
		return 0;
	tg = &model->tgs[i];
	for (uint32_t k = 0; k < tg->n_targets; k++) {
		const struct cv_stats_obj_sum sum = cv_ctl_counts_get(
			ctl, CV_PLAN_TARGET, cv_plan_slot(ctl->plan, CV_PLAN_TARGET, i, k));
		char labels[LABELS_LEN] = "", addr[CV_NET_STR_LEN];

		cv_ctl_metric_label(labels, "account", cv_ctl_account_id(model, CV_MODEL_TG, i));
		cv_ctl_metric_label(labels, "target_group", tg->name);
		cv_ctl_metric_label(labels, "target",
				    cv_ctl_addr_str(tg->targets[k].ip, tg->targets[k].port, addr));
		count_write(out, metric, labels, &sum);
	}
	return 1 + tg->n_targets;
}

/* ---- source ports and neighbours ---- */

/* VPCs that are gone have no names left that would tell what was theirs apart. */
static bool is_named(const struct cv_ctl *ctl, uint16_t vpc)
{
	return strcmp(cv_ctl_vpc_name(ctl, vpc), "?") != 0;
}

static void pool_labels(const struct cv_ctl *ctl, const struct cv_snat_pool *pool, char *labels)
{
	const struct cv_snat_key *key = cv_snat_pool_key(pool);
	char text[CV_NET_STR_LEN];

	labels[0] = '\0';
	cv_ctl_metric_label(labels, "node_ip", cv_ip4_str(key->node_ip, text));
	cv_ctl_metric_label(labels, "target",
			    cv_ctl_addr_str(key->target_ip, cv_be16_host(key->target_port), text));
	cv_ctl_metric_label(labels, "vpc", cv_ctl_vpc_name(ctl, key->vpc));
}

static uint32_t pool_write(const struct cv_ctl *ctl, FILE *out, const struct ctl_metric *metric,
			   uint32_t i)
{
	static const char *const states[] = {"used", "resting", "free"};
	const struct cv_snat_pool *pool;
	struct cv_snat_counts counts;
	char labels[LABELS_LEN];

	if (i >= cv_snat_registry_n(ctl->registry))
		return 0;
	pool = cv_snat_registry_at(ctl->registry, i);
	if (!is_named(ctl, cv_snat_pool_key(pool)->vpc))
		return 1;
	cv_snat_counts(pool, cv_dp_now_ms(ctl->dp), &counts);
	if (metric->what == ERRORS) {
		pool_labels(ctl, pool, labels);
		cv_ctl_metric_value(out, metric->name, labels, counts.errors);
		return 1;
	}
	for (size_t j = 0; j < CV_ARRAY_LEN(states); j++) {
		const uint32_t values[] = {counts.used, counts.resting, counts.free};

		pool_labels(ctl, pool, labels);
		cv_ctl_metric_label(labels, "state", states[j]);
		cv_ctl_metric_value(out, metric->name, labels, values[j]);
	}
	return 3;
}

static uint32_t neighbour_write(const struct cv_ctl *ctl, FILE *out,
				const struct ctl_metric *metric, uint32_t i)
{
	char labels[LABELS_LEN] = "", ip[CV_NET_STR_LEN];
	const struct ctl_neigh *neigh;

	if (i >= ctl->neighs.n)
		return 0;
	neigh = &ctl->neighs.items[i];
	if (neigh->state == CTL_NEIGH_UNUSED || !is_named(ctl, neigh->vpc))
		return 1;
	/* A VPC may be called as another's port is. */
	cv_ctl_metric_label(labels, cv_ctl_is_carrier(ctl, neigh->vpc) ? "port" : "vpc",
			    cv_ctl_vpc_name(ctl, neigh->vpc));
	cv_ctl_metric_label(labels, "ip", cv_ip4_str(neigh->ip, ip));
	cv_ctl_metric_label(labels, "state",
			    cv_ctl_neigh_state_str((enum ctl_neigh_state)neigh->state));
	cv_ctl_metric_value(out, metric->name, labels, 1);
	return 1;
}

/* Workers count packets by path only, which is of an endpoint. */
static const struct ctl_metric metrics[] = {
	{"endpoint_state", "gauge", "1 for the state that an endpoint is in.", state_write, 0},
	{"endpoint_new_flows_total", "counter", "Flows opened.", endpoint_write, NEW},
	{"endpoint_ended_flows_total", "counter", "Flows ended.", endpoint_write, ENDED},
	{"endpoint_packets_total", "counter", "Packets of flows.", endpoint_write, PACKETS},
	{"endpoint_bytes_total", "counter", "IP bytes of flows.", endpoint_write, BYTES},
	{"endpoint_drops_total", "counter", "Packets dropped.", endpoint_write, DROPS},
	{"endpoint_resets_total", "counter", "RST segments of flows.", endpoint_write, RESETS},
	{"endpoint_drops_by_reason_total", "counter", "Packets dropped, by reason.", reasons_write,
	 0},
	{"listener_new_flows_total", "counter", "Flows opened.", listeners_write, NEW},
	{"listener_ended_flows_total", "counter", "Flows ended.", listeners_write, ENDED},
	{"target_new_flows_total", "counter", "Flows opened.", targets_write, NEW},
	{"target_ended_flows_total", "counter", "Flows ended.", targets_write, ENDED},
	{"snat_ports", "gauge", "Source ports of a node IP towards a target, by state.", pool_write,
	 PORTS, true},
	{"snat_allocation_errors_total", "counter",
	 "Flows refused because all source ports were in use or resting.", pool_write, ERRORS,
	 true},
	{"neighbour_state", "gauge", "1 for the state that a next hop is in.", neighbour_write, 0},
};

const struct ctl_metric *cv_ctl_metrics_of_objects(uint32_t *ret_n)
{
	*ret_n = CV_ARRAY_LEN(metrics);
	return metrics;
}
