/* SPDX-License-Identifier: BSD-3-Clause */

/* Every number in Prometheus text format. */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "meters_priv.h"
#include "show_priv.h"

#define LABELS_LEN 512

/* ---- the format ---- */

static void head_write(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP culvert_%s %s\n# TYPE culvert_%s %s\n", name, help, name, type);
}

/* Add `name="value"` to labels, shape [LABELS_LEN], which begins as "". */
static void label_add(char *labels, const char *name, const char *value)
{
	size_t len = strlen(labels);

	len += (size_t)snprintf(labels + len, LABELS_LEN - len, "%s%s=\"", len > 0 ? "," : "",
				name);
	for (; *value != '\0' && len + 4 < LABELS_LEN; value++) {
		if (*value == '"' || *value == '\\' || *value == '\n')
			labels[len++] = '\\';
		labels[len++] = *value == '\n' ? 'n' : *value;
	}
	if (len + 2 > LABELS_LEN)
		len = LABELS_LEN - 2;
	labels[len++] = '"';
	labels[len] = '\0';
}

static void value_write(FILE *out, const char *name, const char *labels, uint64_t value)
{
	if (*labels != '\0')
		fprintf(out, "culvert_%s{%s} %llu\n", name, labels, (unsigned long long)value);
	else
		fprintf(out, "culvert_%s %llu\n", name, (unsigned long long)value);
}

static void single_write(FILE *out, const char *name, const char *type, const char *help,
			 uint64_t value)
{
	head_write(out, name, type, help);
	value_write(out, name, "", value);
}

/* ---- the process and its configuration ---- */

static void config_write(const struct cv_ctl *ctl, FILE *out)
{
	const struct ctl_reload *last = &ctl->last_reload;
	char labels[LABELS_LEN] = "";

	head_write(out, "build_info", "gauge", "Version of culvertd.");
	label_add(labels, "version", ctl->version);
	value_write(out, "build_info", labels, 1);
	single_write(out, "uptime_seconds", "gauge", "Seconds since start.",
		     (cv_clock_ms() - ctl->started_ms) / 1000);
	single_write(out, "config_generation", "gauge", "Configurations served since start.",
		     ctl->gen);
	single_write(out, "config_loaded_timestamp_seconds", "gauge",
		     "When the configuration that serves was loaded.", (uint64_t)ctl->loaded_at);
	single_write(out, "config_last_reload_successful", "gauge",
		     "1 unless the last reload was refused.", last->at == 0 || last->ret == 0);
}

static void totals_write(const struct cv_ctl *ctl, FILE *out)
{
	struct cv_stats *const *stats = cv_dp_stats(ctl->dp);
	unsigned int n = ctl->conf->dpdk.workers;

	for (int i = 0; i < CV_EV_N; i++) {
		enum cv_event event = (enum cv_event)i;
		char name[80];

		snprintf(name, sizeof(name), "%s_total", cv_event_name(event));
		single_write(out, name, "counter", cv_event_help(event),
			     cv_stats_event_sum(stats, n, event));
	}
	head_write(out, "drops_total", "counter", "Packets that did not leave, by reason.");
	for (int i = CV_DROP_NONE + 1; i < CV_DROP_N; i++) {
		char labels[LABELS_LEN] = "";

		label_add(labels, "reason", cv_drop_name((enum cv_drop)i));
		value_write(out, "drops_total", labels,
			    cv_stats_drop_sum(stats, n, (enum cv_drop)i));
	}
}

/* ---- workers ---- */

static void workers_write(const struct cv_ctl *ctl, FILE *out)
{
	static const struct {
		const char *name, *type, *help;
		size_t offset;
	} rows[] = {
		{"worker_busy_cycles_total", "counter", "TSC cycles of loops that handled packets.",
		 offsetof(struct cv_stats, tsc_busy)},
		{"worker_cycles_total", "counter", "TSC cycles since the worker started.",
		 offsetof(struct cv_stats, tsc_total)},
		{"worker_packets_total", "counter", "Packets handled.",
		 offsetof(struct cv_stats, busy_pkts)},
		{"worker_loops_total", "counter", "Turns of the worker's loop.",
		 offsetof(struct cv_stats, loops)},
		{"worker_flows", "gauge", "Flows in the worker's table.",
		 offsetof(struct cv_stats, flows)},
		{"worker_config_generation", "gauge", "Configuration that the worker runs.",
		 offsetof(struct cv_stats, view_gen)},
	};
	struct cv_stats *const *stats = cv_dp_stats(ctl->dp);

	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		head_write(out, rows[i].name, rows[i].type, rows[i].help);
		for (uint32_t id = 0; id < ctl->conf->dpdk.workers; id++) {
			const char *base = (const char *)stats[id];
			char labels[LABELS_LEN] = "", text[16];

			snprintf(text, sizeof(text), "%u", id);
			label_add(labels, "worker", text);
			value_write(out, rows[i].name, labels,
				    cv_ctr_get((const void *)(base + rows[i].offset)));
		}
	}
}

/* ---- objects that are counted by slot ---- */

/* One object: its labels and where it is counted. */
struct object {
	uint32_t slot;
	char labels[LABELS_LEN];
};

/* What is counted of each object; `dir` labels the direction. */
static const struct {
	const char *name, *type, *help;
	size_t offset;
	const char *dir;
} object_rows[] = {
	{"new_flows_total", "counter", "Flows opened.",
	 offsetof(struct cv_stats_obj_sum, new_flows), NULL},
	{"ended_flows_total", "counter", "Flows ended.",
	 offsetof(struct cv_stats_obj_sum, end_flows), NULL},
	{"packets_total", "counter", "Packets of flows.",
	 offsetof(struct cv_stats_obj_sum, pkts[0]), "to_target"},
	{"packets_total", NULL, NULL, offsetof(struct cv_stats_obj_sum, pkts[1]), "to_client"},
	{"bytes_total", "counter", "IP bytes of flows.",
	 offsetof(struct cv_stats_obj_sum, bytes[0]), "to_target"},
	{"bytes_total", NULL, NULL, offsetof(struct cv_stats_obj_sum, bytes[1]), "to_client"},
	{"drops_total", "counter", "Packets dropped.", offsetof(struct cv_stats_obj_sum, drops),
	 NULL},
	{"resets_total", "counter", "RST segments of flows.",
	 offsetof(struct cv_stats_obj_sum, rsts), NULL},
};

/* All samples of a metric must stand together: so per metric, all objects. */
static void objects_write(const struct cv_ctl *ctl, FILE *out, const char *noun,
			  enum cv_plan_kind kind, const struct object *objects, size_t n)
{
	/* Workers count packets by path only. */
	const size_t n_rows = kind == CV_PLAN_ENDPOINT ? CV_ARRAY_LEN(object_rows) : 2;
	size_t i = 0;

	while (i < n_rows) {
		size_t end = i + 1;
		char name[80];

		while (end < n_rows && object_rows[end].type == NULL)
			end++;
		snprintf(name, sizeof(name), "%s_%s", noun, object_rows[i].name);
		head_write(out, name, object_rows[i].type, object_rows[i].help);
		for (size_t j = 0; j < n; j++) {
			const struct cv_stats_obj_sum sum =
				cv_ctl_counts_get(ctl, kind, objects[j].slot);

			for (size_t row = i; row < end; row++) {
				char labels[LABELS_LEN];
				uint64_t value;

				memcpy(&value, (const char *)&sum + object_rows[row].offset,
				       sizeof(value));
				memcpy(labels, objects[j].labels, sizeof(labels));
				if (object_rows[row].dir != NULL)
					label_add(labels, "direction", object_rows[row].dir);
				value_write(out, name, labels, value);
			}
		}
		i = end;
	}
}

/* Only reasons that there were: all of them, for every endpoint, would be thousands of lines. */
static void reasons_write(const struct cv_ctl *ctl, FILE *out, const struct object *objects,
			  size_t n)
{
	head_write(out, "endpoint_drops_by_reason_total", "counter", "Packets dropped, by reason.");
	for (size_t i = 0; i < n; i++) {
		for (int j = CV_DROP_NONE + 1; j < CV_DROP_N; j++) {
			uint64_t drops = cv_ctl_drops_get(ctl, CV_PLAN_ENDPOINT, objects[i].slot,
							  (enum cv_drop)j);
			char labels[LABELS_LEN];

			if (drops == 0)
				continue;
			memcpy(labels, objects[i].labels, sizeof(labels));
			label_add(labels, "reason", cv_drop_name((enum cv_drop)j));
			value_write(out, "endpoint_drops_by_reason_total", labels, drops);
		}
	}
}

static int endpoints_write(const struct cv_ctl *ctl, FILE *out)
{
	const struct cv_model *model = ctl->conf->model;
	struct object *objects = calloc(model->n_endpoints + 1, sizeof(*objects));
	uint32_t n = 0;

	if (objects == NULL)
		return -ENOMEM;
	head_write(out, "endpoint_state", "gauge", "1 for the state that an endpoint is in.");
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];
		char labels[LABELS_LEN];

		if (cv_model_endpoint_is_over(endpoint))
			continue;
		objects[n].slot = cv_plan_slot(ctl->plan, CV_PLAN_ENDPOINT, 0, i);
		label_add(objects[n].labels, "endpoint", endpoint->id);
		label_add(objects[n].labels, "service",
			  endpoint->service != CV_MODEL_NONE ? model->services[endpoint->service].id
							     : "");
		memcpy(labels, objects[n++].labels, sizeof(labels));
		label_add(labels, "state", cv_model_state_str(endpoint->state));
		value_write(out, "endpoint_state", labels, 1);
	}
	objects_write(ctl, out, "endpoint", CV_PLAN_ENDPOINT, objects, n);
	reasons_write(ctl, out, objects, n);
	free(objects);
	return 0;
}

static int listeners_write(const struct cv_ctl *ctl, FILE *out)
{
	const struct cv_model *model = ctl->conf->model;
	struct object *objects;
	size_t n = 0;

	for (uint32_t i = 0; i < model->n_lbs; i++)
		n += model->lbs[i].n_listeners;
	objects = calloc(n + 1, sizeof(*objects));
	if (objects == NULL)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		for (uint32_t j = 0; j < model->lbs[i].n_listeners; j++, n++) {
			char port[8];

			snprintf(port, sizeof(port), "%u", model->lbs[i].listeners[j].port);
			objects[n].slot = cv_plan_slot(ctl->plan, CV_PLAN_LISTENER, i, j);
			label_add(objects[n].labels, "account",
				  cv_ctl_account_id(model, CV_MODEL_LB, i));
			label_add(objects[n].labels, "load_balancer", model->lbs[i].name);
			label_add(objects[n].labels, "port", port);
		}
	}
	objects_write(ctl, out, "listener", CV_PLAN_LISTENER, objects, n);
	free(objects);
	return 0;
}

static int targets_write(const struct cv_ctl *ctl, FILE *out)
{
	const struct cv_model *model = ctl->conf->model;
	struct object *objects;
	size_t n = 0;

	for (uint32_t i = 0; i < model->n_tgs; i++)
		n += model->tgs[i].n_targets;
	objects = calloc(n + 1, sizeof(*objects));
	if (objects == NULL)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = 0; i < model->n_tgs; i++) {
		for (uint32_t j = 0; j < model->tgs[i].n_targets; j++, n++) {
			const struct cv_model_target *target = &model->tgs[i].targets[j];
			char addr[CV_NET_STR_LEN];

			objects[n].slot = cv_plan_slot(ctl->plan, CV_PLAN_TARGET, i, j);
			label_add(objects[n].labels, "account",
				  cv_ctl_account_id(model, CV_MODEL_TG, i));
			label_add(objects[n].labels, "target_group", model->tgs[i].name);
			label_add(objects[n].labels, "target",
				  cv_ctl_addr_str(target->ip, target->port, addr));
		}
	}
	objects_write(ctl, out, "target", CV_PLAN_TARGET, objects, n);
	free(objects);
	return 0;
}

/* ---- health ---- */

/* Targets of a group in a state, as the node in a zone sees them. */
static uint64_t hosts_count(const struct cv_ctl *ctl, uint32_t group, uint32_t zone, bool healthy)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < ctl->conf->model->tgs[group].n_targets; i++) {
		enum cv_model_target_state state = cv_health_state(ctl->health, group, i, zone);

		if (healthy)
			n += state == CV_MODEL_TARGET_HEALTHY;
		else
			n += state == CV_MODEL_TARGET_UNHEALTHY ||
			     state == CV_MODEL_TARGET_UNHEALTHY_DRAINING;
	}
	return n;
}

static void hosts_write(const struct cv_ctl *ctl, FILE *out, const char *name, bool healthy)
{
	const struct cv_model *model = ctl->conf->model;

	for (uint32_t group = 0; group < model->n_tgs; group++) {
		uint32_t lb = model->tgs[group].lb;

		for (uint32_t i = 0; lb != CV_MODEL_NONE && i < model->lbs[lb].n_nodes; i++) {
			uint32_t zone = model->lbs[lb].nodes[i].zone;
			char labels[LABELS_LEN] = "";

			label_add(labels, "account", cv_ctl_account_id(model, CV_MODEL_TG, group));
			label_add(labels, "load_balancer", model->lbs[lb].name);
			label_add(labels, "target_group", model->tgs[group].name);
			label_add(labels, "az_id", model->zones[zone].id);
			value_write(out, name, labels, hosts_count(ctl, group, zone, healthy));
		}
	}
}

static void health_write(const struct cv_ctl *ctl, FILE *out)
{
	head_write(out, "healthy_host_count", "gauge",
		   "Targets that a node's checks find healthy (AWS: HealthyHostCount).");
	hosts_write(ctl, out, "healthy_host_count", true);
	head_write(out, "unhealthy_host_count", "gauge",
		   "Targets that a node's checks find unhealthy (AWS: UnHealthyHostCount).");
	hosts_write(ctl, out, "unhealthy_host_count", false);
}

/* ---- source ports, neighbours, ports ---- */

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
	label_add(labels, "node_ip", cv_ip4_str(key->node_ip, text));
	label_add(labels, "target",
		  cv_ctl_addr_str(key->target_ip, cv_be16_host(key->target_port), text));
	label_add(labels, "vpc", cv_ctl_vpc_name(ctl, key->vpc));
}

static void snat_write(const struct cv_ctl *ctl, FILE *out)
{
	uint32_t n = cv_snat_registry_n(ctl->registry);
	uint64_t now_ms = cv_dp_now_ms(ctl->dp);

	head_write(out, "snat_ports", "gauge",
		   "Source ports of a node IP towards a target, by state.");
	for (uint32_t i = 0; i < n; i++) {
		const struct cv_snat_pool *pool = cv_snat_registry_at(ctl->registry, i);
		struct cv_snat_counts counts;
		const char *const states[] = {"used", "resting", "free"};

		if (!is_named(ctl, cv_snat_pool_key(pool)->vpc))
			continue;
		cv_snat_counts(pool, now_ms, &counts);
		for (size_t j = 0; j < CV_ARRAY_LEN(states); j++) {
			const uint32_t values[] = {counts.used, counts.resting, counts.free};
			char labels[LABELS_LEN];

			pool_labels(ctl, pool, labels);
			label_add(labels, "state", states[j]);
			value_write(out, "snat_ports", labels, values[j]);
		}
	}
	head_write(out, "snat_allocation_errors_total", "counter",
		   "Flows refused because all source ports were in use or resting.");
	for (uint32_t i = 0; i < n; i++) {
		const struct cv_snat_pool *pool = cv_snat_registry_at(ctl->registry, i);
		struct cv_snat_counts counts;
		char labels[LABELS_LEN];

		if (!is_named(ctl, cv_snat_pool_key(pool)->vpc))
			continue;
		cv_snat_counts(pool, now_ms, &counts);
		pool_labels(ctl, pool, labels);
		value_write(out, "snat_allocation_errors_total", labels, counts.errors);
	}
}

static void neighbours_write(const struct cv_ctl *ctl, FILE *out)
{
	head_write(out, "neighbour_state", "gauge", "1 for the state that a next hop is in.");
	for (uint32_t i = 0; i < ctl->neighs.n; i++) {
		const struct ctl_neigh *neigh = &ctl->neighs.items[i];
		char labels[LABELS_LEN] = "", ip[CV_NET_STR_LEN];

		if (neigh->state == CTL_NEIGH_UNUSED || !is_named(ctl, neigh->vpc))
			continue;
		/* A VPC may be called as another's port is. */
		label_add(labels, cv_ctl_is_carrier(ctl, neigh->vpc) ? "port" : "vpc",
			  cv_ctl_vpc_name(ctl, neigh->vpc));
		label_add(labels, "ip", cv_ip4_str(neigh->ip, ip));
		label_add(labels, "state",
			  cv_ctl_neigh_state_str((enum ctl_neigh_state)neigh->state));
		value_write(out, "neighbour_state", labels, 1);
	}
}

static void host_write(const struct cv_ctl *ctl, FILE *out)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} rows[] = {
		{"host_up_packets_total", "Packets given to the kernel's sockets.",
		 offsetof(struct cv_host_info, up_pkts)},
		{"host_up_bytes_total", "IP bytes given to the kernel's sockets.",
		 offsetof(struct cv_host_info, up_bytes)},
		{"host_down_packets_total", "Packets taken from the kernel's sockets.",
		 offsetof(struct cv_host_info, down_pkts)},
		{"host_down_bytes_total", "IP bytes taken from the kernel's sockets.",
		 offsetof(struct cv_host_info, down_bytes)},
		{"host_up_unasked_total", "Segments to the kernel's ports from no peer of them.",
		 offsetof(struct cv_host_info, up_unasked)},
		{"host_up_refused_total", "Packets that the kernel did not take.",
		 offsetof(struct cv_host_info, up_refused)},
		{"host_down_no_mac_total", "Packets of the kernel whose next hop has no MAC yet.",
		 offsetof(struct cv_host_info, down_no_mac)},
		{"host_down_full_total",
		 "Packets of the kernel that the worker's ring had no room for.",
		 offsetof(struct cv_host_info, down_full)},
		{"host_down_foreign_total", "Packets of the kernel that are not IPv4, or too long.",
		 offsetof(struct cv_host_info, down_foreign)},
	};
	struct cv_host_info *infos = NULL;
	struct cv_host_ports ports;
	uint32_t n = 0;

	if (ctl->host == NULL || cv_host_infos_get(ctl->host, &infos, &n, &ports) < 0)
		return;
	head_write(out, "host_up", "gauge", "1 if a VPC's sockets of the kernel work.");
	for (uint32_t i = 0; i < n; i++) {
		char labels[LABELS_LEN] = "";

		label_add(labels, "vpc", infos[i].name);
		value_write(out, "host_up", labels, infos[i].state == CV_HOST_UP);
	}
	for (size_t row = 0; row < CV_ARRAY_LEN(rows); row++) {
		head_write(out, rows[row].name, "counter", rows[row].help);
		for (uint32_t i = 0; i < n; i++) {
			char labels[LABELS_LEN] = "";
			uint64_t value;

			memcpy(&value, (const char *)&infos[i] + rows[row].offset, sizeof(value));
			label_add(labels, "vpc", infos[i].name);
			value_write(out, rows[row].name, labels, value);
		}
	}
	free(infos);
}

static void ports_write(const struct cv_ctl *ctl, FILE *out)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} rows[] = {
		{"port_rx_packets_total", "Packets received by the device.",
		 offsetof(struct cv_io_port_info, rx_pkts)},
		{"port_rx_bytes_total", "Bytes received by the device.",
		 offsetof(struct cv_io_port_info, rx_bytes)},
		{"port_tx_packets_total", "Packets sent by the device.",
		 offsetof(struct cv_io_port_info, tx_pkts)},
		{"port_tx_bytes_total", "Bytes sent by the device.",
		 offsetof(struct cv_io_port_info, tx_bytes)},
		{"port_rx_missed_total", "Packets that the device had no room for.",
		 offsetof(struct cv_io_port_info, rx_missed)},
		{"port_rx_errors_total", "Packets received in error.",
		 offsetof(struct cv_io_port_info, rx_errors)},
		{"port_tx_errors_total", "Packets that the device could not send.",
		 offsetof(struct cv_io_port_info, tx_errors)},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		head_write(out, rows[i].name, "counter", rows[i].help);
		for (uint32_t port = 0; port < ctl->conf->dpdk.n_ports; port++) {
			struct cv_io_port_info info;
			char labels[LABELS_LEN] = "";
			uint64_t value;

			cv_io_port_info(ctl->io, (uint16_t)port, &info);
			memcpy(&value, (const char *)&info + rows[i].offset, sizeof(value));
			label_add(labels, "port", info.name);
			value_write(out, rows[i].name, labels, value);
		}
	}
	single_write(out, "mbufs_used", "gauge", "Packet buffers that are not in the pool.",
		     cv_io_mbufs_used(ctl->io));
	if (ctl->watch.points == NULL)
		return;
	single_write(out, "cloudwatch_series", "gauge", "Series that CloudWatch tells of.",
		     cv_points_n(ctl->watch.points));
	single_write(out, "cloudwatch_lost_points", "gauge",
		     "Points of the last minute whose series found no room.",
		     cv_points_lost(ctl->watch.points));
}

/* ---- AWS's metrics ---- */

struct page {
	struct ctl_meter_sink sink; /* first */
	FILE *out;
	const struct cv_model *model;
};

/* A dimension's name as a label: `VPC Endpoint Id` is vpc_endpoint_id. Into buf, shape [32]. */
static const char *label_name(const char *dim, char *buf)
{
	size_t len = 0;

	for (size_t i = 0; dim[i] != '\0' && len < 30; i++) {
		bool upper = dim[i] >= 'A' && dim[i] <= 'Z';

		if (upper && i > 0 && dim[i - 1] >= 'a' && dim[i - 1] <= 'z')
			buf[len++] = '_';
		buf[len++] = dim[i] == ' ' ? '_' : (char)(upper ? dim[i] - 'A' + 'a' : dim[i]);
	}
	buf[len] = '\0';
	return buf;
}

static void page_take(struct ctl_meter_sink *sink, const struct ctl_meter *meter,
		      const struct ctl_sample *sample)
{
	struct page *page = (struct page *)sink;
	char labels[LABELS_LEN] = "", name[32];

	for (uint32_t i = 0; i < sample->n_dims; i++) {
		if (sample->dims[i].value != NULL)
			label_add(labels, label_name(sample->dims[i].name, name),
				  sample->dims[i].value);
	}
	label_add(labels, "account", page->model->accounts[sample->account].id);
	value_write(page->out, meter->prom, labels, sample->value);
}

static void meters_write(const struct cv_ctl *ctl, FILE *out)
{
	struct page page = {{.take = page_take}, out, ctl->conf->model};
	uint32_t n;
	const struct ctl_meter *meters = cv_ctl_meters(&n);

	for (uint32_t i = 0; i < n; i++) {
		if (meters[i].prom == NULL)
			continue;
		head_write(out, meters[i].prom, meters[i].gauge ? "gauge" : "counter",
			   meters[i].help);
		meters[i].walk(ctl, &meters[i], &page.sink);
	}
}

static int all_write(const struct cv_ctl *ctl, FILE *out)
{
	int ret;

	config_write(ctl, out);
	totals_write(ctl, out);
	workers_write(ctl, out);
	ret = endpoints_write(ctl, out);
	if (ret == 0)
		ret = listeners_write(ctl, out);
	if (ret == 0)
		ret = targets_write(ctl, out);
	health_write(ctl, out);
	meters_write(ctl, out);
	snat_write(ctl, out);
	neighbours_write(ctl, out);
	host_write(ctl, out);
	cv_ctl_dns_metrics(ctl, out);
	cv_ctl_tell_metrics(ctl, out);
	if (ctl->io != NULL)
		ports_write(ctl, out);
	return ret;
}

int cv_ctl_show_metrics(struct cv_ctl *ctl, struct ctl_show *show)
{
	FILE *out;
	int ret;

	if (ctl->dp == NULL)
		return -EAGAIN;
	out = open_memstream(&show->text, &show->len);
	if (out == NULL)
		return -ENOMEM;
	ret = all_write(ctl, out);
	if (fclose(out) != 0 || ret < 0) {
		free(show->text);
		show->text = NULL;
		return -ENOMEM;
	}
	return 0;
}
