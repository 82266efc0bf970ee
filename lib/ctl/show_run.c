/* SPDX-License-Identifier: BSD-3-Clause */

/* How it runs: source ports, drops, workers, the configuration. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "show_priv.h"

static json_t *pool_json(struct cv_ctl *ctl, const struct cv_snat_pool *pool, uint64_t now_ms)
{
	const struct cv_snat_key *key = cv_snat_pool_key(pool);
	const struct cv_snat_cfg cfg = cv_snat_pool_cfg(pool);
	struct cv_snat_counts counts;

	cv_snat_counts(pool, now_ms, &counts);
	return json_pack("{s:o, s:o, s:s, s:i, s:i, s:I, s:I, s:I, s:I, s:b}", "node_ip",
			 cv_ctl_json_ip(key->node_ip), "target",
			 cv_ctl_json_addr(key->target_ip, cv_be16_host(key->target_port)), "vpc",
			 cv_ctl_vpc_name(ctl, key->vpc), "ports", (int)cfg.n_ports, "port_first",
			 (int)cfg.port_first, "used", (json_int_t)counts.used, "resting",
			 (json_int_t)counts.resting, "free", (json_int_t)counts.free, "errors",
			 (json_int_t)counts.errors, "wanted",
			 (int)cv_plan_pool_is_wanted(pool, ctl->plan));
}

int cv_ctl_show_snat(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *pools = json_array();
	uint64_t now_ms = ctl->dp != NULL ? cv_dp_now_ms(ctl->dp) : 0;

	for (uint32_t i = 0; i < cv_snat_registry_n(ctl->registry); i++) {
		const struct cv_snat_pool *pool = cv_snat_registry_at(ctl->registry, i);
		const struct cv_snat_key *key = cv_snat_pool_key(pool);
		char target[CV_NET_STR_LEN];

		cv_ctl_addr_str(key->target_ip, cv_be16_host(key->target_port), target);
		if (show->target == NULL || strcmp(show->target, target) == 0)
			cv_ctl_json_add(ctl, pools, pool_json(ctl, pool, now_ms));
	}
	show->root = json_pack("{s:o}", "pools", pools);
	return 0;
}

int cv_ctl_show_drops(struct cv_ctl *ctl, struct ctl_show *show)
{
	struct cv_stats *const *stats = ctl->dp != NULL ? cv_dp_stats(ctl->dp) : NULL;
	unsigned int n = ctl->dp != NULL ? ctl->conf->dpdk.workers : 0;
	json_t *drops = json_array(), *events = json_array();

	for (int i = CV_DROP_NONE + 1; i < CV_DROP_N; i++) {
		enum cv_drop reason = (enum cv_drop)i;
		uint64_t sum = cv_stats_drop_sum(stats, n, reason);

		cv_ctl_json_add(ctl, drops,
				json_pack("{s:s, s:I, s:s}", "reason", cv_drop_name(reason),
					  "packets", (json_int_t)sum, "help",
					  cv_drop_help(reason)));
	}
	for (int i = 0; i < CV_EV_N; i++) {
		enum cv_event event = (enum cv_event)i;
		uint64_t sum = cv_stats_event_sum(stats, n, event);

		cv_ctl_json_add(ctl, events,
				json_pack("{s:s, s:I, s:s}", "event", cv_event_name(event), "count",
					  (json_int_t)sum, "help", cv_event_help(event)));
	}
	show->root = json_pack("{s:o, s:o}", "drops", drops, "events", events);
	return 0;
}

static json_t *worker_json(struct cv_ctl *ctl, uint32_t id)
{
	const struct cv_stats *stats = cv_dp_stats(ctl->dp)[id];
	const struct ctl_worker *w = &ctl->workers[id];

	return json_pack("{s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I}", "id", (json_int_t)id,
			 "busy", w->busy, "cycles_per_packet", w->cycles_per_pkt,
			 "packets_per_second", w->pkts_per_s, "packets",
			 (json_int_t)cv_ctr_get(&stats->busy_pkts), "loops",
			 (json_int_t)cv_ctr_get(&stats->loops), "flows",
			 (json_int_t)cv_ctr_get(&stats->flows), "generation",
			 (json_int_t)cv_ctr_get(&stats->view_gen), "swept_generation",
			 (json_int_t)cv_ctr_get(&stats->swept_gen));
}

int cv_ctl_show_workers(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *workers;

	if (show->stages)
		return cv_ctl_show_stages(ctl, show);
	workers = json_array();
	for (uint32_t i = 0; ctl->dp != NULL && i < ctl->conf->dpdk.workers; i++)
		cv_ctl_json_add(ctl, workers, worker_json(ctl, i));
	show->root = json_pack("{s:I, s:I, s:o}", "generation", (json_int_t)ctl->gen, "tsc_hz",
			       (json_int_t)ctl->tsc_hz, "workers", workers);
	return 0;
}

static json_t *errs_json(struct cv_ctl *ctl, const struct cv_errs *errs)
{
	json_t *list = json_array();

	for (size_t i = 0; i < errs->n; i++) {
		char text[CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 32];

		cv_err_str(&errs->items[i], text, sizeof(text));
		cv_ctl_json_add(ctl, list, json_string(text));
	}
	return list;
}

/* Places of removed resources stay. */
static json_int_t live(uint32_t n, const struct cv_model *model, enum cv_model_kind kind)
{
	return (json_int_t)n - model->n_gone[kind];
}

static json_t *counts_json(const struct cv_model *model)
{
	uint32_t n_nodes = 0, n_listeners = 0, n_targets = 0;

	for (uint32_t i = 0; i < model->n_lbs; i++) {
		n_nodes += model->lbs[i].n_nodes;
		n_listeners += model->lbs[i].n_listeners;
	}
	for (uint32_t i = 0; i < model->n_tgs; i++)
		n_targets += model->tgs[i].n_targets;
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "accounts",
			 (json_int_t)model->n_accounts, "vpcs",
			 live(model->n_vpcs, model, CV_MODEL_VPC), "subnets",
			 live(model->n_subnets, model, CV_MODEL_SUBNET), "load_balancers",
			 live(model->n_lbs, model, CV_MODEL_LB), "nodes", (json_int_t)n_nodes,
			 "listeners", (json_int_t)n_listeners, "target_groups",
			 live(model->n_tgs, model, CV_MODEL_TG), "targets", (json_int_t)n_targets,
			 "services", live(model->n_services, model, CV_MODEL_SERVICE), "endpoints",
			 live(model->n_endpoints, model, CV_MODEL_ENDPOINT));
}

int cv_ctl_show_config(struct cv_ctl *ctl, struct ctl_show *show)
{
	const struct ctl_reload *last = &ctl->last_reload;
	char at[32], loaded[32];
	json_t *reload;

	if (last->at == 0)
		reload = json_null();
	else
		reload = json_pack("{s:s, s:b, s:o}", "at", cv_ctl_time_str(last->at, at), "ok",
				   last->ret == 0, "errors", errs_json(ctl, &last->errs));
	show->root = json_pack("{s:I, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "generation",
			       (json_int_t)ctl->gen, "file", ctl->file, "loaded_at",
			       cv_ctl_time_str(ctl->loaded_at, loaded), "version", ctl->version,
			       "region", ctl->conf->model->region, "uptime_seconds",
			       (json_int_t)((cv_clock_ms() - ctl->started_ms) / 1000), "counts",
			       counts_json(ctl->conf->model), "last_reload", reload, "warnings",
			       errs_json(ctl, &ctl->conf->warnings));
	return 0;
}

/* ---- the last words ---- */

static void summary_write(const struct cv_ctl *ctl, FILE *out)
{
	struct cv_stats *const *stats = cv_dp_stats(ctl->dp);
	const unsigned int n = ctl->conf->dpdk.workers;
	static const enum cv_event events[] = {
		CV_EV_RX_PKTS,      CV_EV_TX_PKTS,      CV_EV_FLOW_NEW,
		CV_EV_FLOW_END_FIN, CV_EV_FLOW_END_RST, CV_EV_FLOW_END_IDLE,
		CV_EV_FLOW_END_SYN, CV_EV_PPV2_SENT,    CV_EV_PPV2_RESENT,
	};
	char counts[256];
	uint64_t flows = 0;

	for (unsigned int i = 0; i < n; i++)
		flows += cv_ctr_get(&stats[i]->flows);
	fprintf(out, "served for %llu s with %u worker%s, %s\n",
		(unsigned long long)(cv_clock_ms() - ctl->started_ms) / 1000, n, n == 1 ? "" : "s",
		cv_ctl_counts_str(ctl, counts, sizeof(counts)));
	fprintf(out, "  %-24s %llu\n", "flows at the end", (unsigned long long)flows);
	for (size_t i = 0; i < CV_ARRAY_LEN(events); i++)
		fprintf(out, "  %-24s %llu\n", cv_event_name(events[i]),
			(unsigned long long)cv_stats_event_sum(stats, n, events[i]));
	fprintf(out, "not forwarded:\n");
	for (int i = CV_DROP_NONE + 1; i < CV_DROP_N; i++) {
		uint64_t sum = cv_stats_drop_sum(stats, n, (enum cv_drop)i);

		if (sum > 0)
			fprintf(out, "  %-24s %llu (%s)\n", cv_drop_name((enum cv_drop)i),
				(unsigned long long)sum, cv_drop_help((enum cv_drop)i));
	}
}

char *cv_ctl_summary(struct cv_ctl *ctl)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	summary_write(ctl, out);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
