/* SPDX-License-Identifier: BSD-3-Clause */

/* Every number in Prometheus text format: a page of them, and what there is a few of. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "meters_priv.h"
#include "metrics_priv.h"

/* ---- the format ---- */

void cv_ctl_metric_head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP culvert_%s %s\n# TYPE culvert_%s %s\n", name, help, name, type);
}

void cv_ctl_metric_label(char *labels, const char *name, const char *value)
{
	size_t len = strlen(labels), name_len = strlen(name);

	if (len + name_len + 5 > LABELS_LEN)
		return;
	if (len > 0)
		labels[len++] = ',';
	memcpy(labels + len, name, name_len);
	len += name_len;
	labels[len++] = '=';
	labels[len++] = '"';
	for (; *value != '\0' && len + 4 < LABELS_LEN; value++) {
		if (*value == '"' || *value == '\\' || *value == '\n')
			labels[len++] = '\\';
		labels[len++] = *value == '\n' ? 'n' : *value;
	}
	labels[len++] = '"';
	labels[len] = '\0';
}

void cv_ctl_metric_value(FILE *out, const char *name, const char *labels, uint64_t value)
{
	if (*labels != '\0')
		fprintf(out, "culvert_%s{%s} %llu\n", name, labels, (unsigned long long)value);
	else
		fprintf(out, "culvert_%s %llu\n", name, (unsigned long long)value);
}

static void single_write(FILE *out, const char *name, const char *type, const char *help,
			 uint64_t value)
{
	cv_ctl_metric_head(out, name, type, help);
	cv_ctl_metric_value(out, name, "", value);
}

/* ---- the process and its configuration ---- */

static void config_write(const struct cv_ctl *ctl, FILE *out)
{
	const struct ctl_reload *last = &ctl->last_reload;
	char labels[LABELS_LEN] = "";

	cv_ctl_metric_head(out, "build_info", "gauge", "Version of culvertd.");
	cv_ctl_metric_label(labels, "version", ctl->version);
	cv_ctl_metric_value(out, "build_info", labels, 1);
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
	cv_ctl_metric_head(out, "drops_total", "counter", "Packets that did not leave, by reason.");
	for (int i = CV_DROP_NONE + 1; i < CV_DROP_N; i++) {
		char labels[LABELS_LEN] = "";

		cv_ctl_metric_label(labels, "reason", cv_drop_name((enum cv_drop)i));
		cv_ctl_metric_value(out, "drops_total", labels,
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
		cv_ctl_metric_head(out, rows[i].name, rows[i].type, rows[i].help);
		for (uint32_t id = 0; id < ctl->conf->dpdk.workers; id++) {
			const char *base = (const char *)stats[id];
			char labels[LABELS_LEN] = "", text[16];

			snprintf(text, sizeof(text), "%u", id);
			cv_ctl_metric_label(labels, "worker", text);
			cv_ctl_metric_value(out, rows[i].name, labels,
					    cv_ctr_get((const void *)(base + rows[i].offset)));
		}
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
	cv_ctl_metric_head(out, "host_up", "gauge", "1 if a VPC's sockets of the kernel work.");
	for (uint32_t i = 0; i < n; i++) {
		char labels[LABELS_LEN] = "";

		cv_ctl_metric_label(labels, "vpc", infos[i].name);
		cv_ctl_metric_value(out, "host_up", labels, infos[i].state == CV_HOST_UP);
	}
	for (size_t row = 0; row < CV_ARRAY_LEN(rows); row++) {
		cv_ctl_metric_head(out, rows[row].name, "counter", rows[row].help);
		for (uint32_t i = 0; i < n; i++) {
			char labels[LABELS_LEN] = "";
			uint64_t value;

			memcpy(&value, (const char *)&infos[i] + rows[row].offset, sizeof(value));
			cv_ctl_metric_label(labels, "vpc", infos[i].name);
			cv_ctl_metric_value(out, rows[row].name, labels, value);
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
		cv_ctl_metric_head(out, rows[i].name, "counter", rows[i].help);
		for (uint32_t port = 0; port < ctl->conf->dpdk.n_ports; port++) {
			struct cv_io_port_info info;
			char labels[LABELS_LEN] = "";
			uint64_t value;

			cv_io_port_info(ctl->io, (uint16_t)port, &info);
			memcpy(&value, (const char *)&info + rows[i].offset, sizeof(value));
			cv_ctl_metric_label(labels, "port", info.name);
			cv_ctl_metric_value(out, rows[i].name, labels, value);
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

struct told {
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

static void told_take(struct ctl_meter_sink *sink, const struct ctl_meter *meter,
		      const struct ctl_sample *sample)
{
	struct told *told = (struct told *)sink;
	char labels[LABELS_LEN] = "", name[32];

	for (uint32_t i = 0; i < sample->n_dims; i++) {
		if (sample->dims[i].value != NULL)
			cv_ctl_metric_label(labels, label_name(sample->dims[i].name, name),
					    sample->dims[i].value);
	}
	cv_ctl_metric_label(labels, "account", told->model->accounts[sample->account].id);
	cv_ctl_metric_value(told->out, meter->prom, labels, sample->value);
}

/* @return as ctl_meter_fn */
static uint32_t meter_write(const struct cv_ctl *ctl, FILE *out, const struct ctl_meter *meter,
			    uint32_t i)
{
	struct told told = {{.take = told_take}, out, ctl->conf->model};

	if (meter->prom == NULL)
		return 0;
	if (i == 0)
		cv_ctl_metric_head(out, meter->prom, meter->gauge ? "gauge" : "counter",
				   meter->help);
	return meter->walk(ctl, meter, &told.sink, i);
}

/* ---- a page, a piece per turn of the loop ---- */

/* Numbers that are written in a turn: about 1 ms. */
#define PIECE 1000

/* @return as ctl_metric.write */
static uint32_t metric_write(const struct cv_ctl *ctl, FILE *out, const struct ctl_metric *metric,
			     uint32_t i)
{
	if (i == 0)
		cv_ctl_metric_head(out, metric->name, metric->type, metric->help);
	return metric->write(ctl, out, metric, i);
}

static uint32_t first_write(const struct cv_ctl *ctl, FILE *out)
{
	config_write(ctl, out);
	totals_write(ctl, out);
	workers_write(ctl, out);
	return 0;
}

static uint32_t last_write(const struct cv_ctl *ctl, FILE *out)
{
	host_write(ctl, out);
	cv_ctl_dns_metrics(ctl, out);
	cv_ctl_tell_metrics(ctl, out);
	if (ctl->io != NULL)
		ports_write(ctl, out);
	return 0;
}

/* Write a piece. @return whether the page is through */
static bool piece_write(const struct cv_ctl *ctl, struct ctl_page *page)
{
	uint32_t n_metrics, n_meters, looked;
	const struct ctl_metric *metrics = cv_ctl_metrics_of_objects(&n_metrics);
	const struct ctl_meter *meters = cv_ctl_meters(&n_meters);
	const uint32_t last = 1 + n_metrics + n_meters;

	for (uint32_t done = 0; done < PIECE; done += looked) {
		if (page->row == 0)
			looked = first_write(ctl, page->out);
		else if (page->row <= n_metrics)
			looked = metric_write(ctl, page->out, &metrics[page->row - 1], page->i++);
		else if (page->row < last)
			looked = meter_write(ctl, page->out, &meters[page->row - 1 - n_metrics],
					     page->i++);
		else
			looked = last_write(ctl, page->out);
		if (looked > 0)
			continue;
		page->i = 0;
		if (page->row++ == last)
			return true;
	}
	return false;
}

static ssize_t chunk_write(void *arg, const char *text, size_t len)
{
	struct ctl_show *show = arg;

	return cv_ctl_show_add(show, text, len) == 0 ? (ssize_t)len : 0;
}

static bool page_open(struct cv_ctl *ctl, struct ctl_show *show)
{
	const cookie_io_functions_t io = {.write = chunk_write};

	ctl->page = (struct ctl_page){.show = show, .loads = ctl->loads};
	ctl->page.out = fopencookie(show, "w", io);
	return ctl->page.out != NULL;
}

/* @return 0 or -ENOMEM */
static int page_close(struct cv_ctl *ctl)
{
	FILE *out = ctl->page.out;
	/* fclose() tells of the last piece only. */
	bool whole = out != NULL && !ferror(out);

	ctl->page = (struct ctl_page){0};
	return out != NULL && fclose(out) == 0 && whole ? 0 : -ENOMEM;
}

/* Goes on with a page. @return what became of it, or CTL_CMD_LATER */
static int page_go(struct cv_ctl *ctl)
{
	struct ctl_page *page = &ctl->page;
	struct ctl_show *show = page->show;

	if (page->out != NULL && page->loads != ctl->loads) {
		/* What is written cannot be told from what is not. */
		(void)page_close(ctl);
		cv_ctl_show_clear(show);
		(void)page_open(ctl, show);
	}
	if (page->out != NULL && !ferror(page->out) && !piece_write(ctl, page))
		return CTL_CMD_LATER;
	return page_close(ctl);
}

int cv_ctl_show_metrics(struct cv_ctl *ctl, struct ctl_show *show)
{
	struct ctl_cmd **last = &ctl->pages;

	if (ctl->dp == NULL)
		return -EAGAIN;
	if (ctl->page.show == NULL && ctl->pages == NULL) {
		(void)page_open(ctl, show);
		return page_go(ctl);
	}
	while (*last != NULL)
		last = &(*last)->next;
	show->cmd.next = NULL;
	*last = &show->cmd;
	return CTL_CMD_LATER;
}

bool cv_ctl_metrics_walks_pools(const struct cv_ctl *ctl)
{
	uint32_t n_metrics, row = ctl->page.row;
	const struct ctl_metric *metrics = cv_ctl_metrics_of_objects(&n_metrics);

	return ctl->page.i > 0 && row > 0 && row <= n_metrics && metrics[row - 1].pools;
}

bool cv_ctl_metrics_is_busy(const struct cv_ctl *ctl)
{
	return ctl->page.show != NULL || ctl->pages != NULL;
}

void cv_ctl_metrics_run(struct cv_ctl *ctl)
{
	struct ctl_show *show = ctl->page.show;
	int ret = -ECANCELED;

	if (show == NULL && ctl->pages != NULL) {
		show = (struct ctl_show *)ctl->pages;
		ctl->pages = show->cmd.next;
		(void)page_open(ctl, show);
	}
	if (show == NULL)
		return;
	if (cv_ctl_queue_is_wanted(&ctl->queue, &show->cmd))
		ret = page_go(ctl);
	else
		(void)page_close(ctl);
	if (ret != CTL_CMD_LATER)
		cv_ctl_queue_answer(&ctl->queue, &show->cmd, ret);
}

void cv_ctl_metrics_stop(struct cv_ctl *ctl)
{
	struct ctl_show *show = ctl->page.show;

	if (show != NULL) {
		(void)page_close(ctl);
		cv_ctl_queue_answer(&ctl->queue, &show->cmd, -ECANCELED);
	}
	while (ctl->pages != NULL) {
		struct ctl_cmd *cmd = ctl->pages;

		ctl->pages = cmd->next;
		cv_ctl_queue_answer(&ctl->queue, cmd, -ECANCELED);
	}
}
