/* SPDX-License-Identifier: BSD-3-Clause */

/* What comes out: progress for people, JSON for programs. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <jansson.h>

#include "run.h"

static const char *const count_names[] = {
#define X(name, text) #name,
	CB_COUNTS(X)
#undef X
};

static const uint64_t *as_array(const struct cb_counts *c)
{
	return &c->rx_pkts;
}

uint64_t cb_report_n_bad(const struct cb_sample *from, const struct cb_sample *to)
{
	static const uint32_t bad[] = {
		CB_COUNT_probes_bad,        CB_COUNT_payload_bad,     CB_COUNT_checksum_bad,
		CB_COUNT_flow_bad,          CB_COUNT_headers_missing, CB_COUNT_headers_unwanted,
		CB_COUNT_headers_malformed, CB_COUNT_headers_client,  CB_COUNT_headers_dial,
		CB_COUNT_headers_vpce,
	};
	uint64_t n = 0;

	for (int role = 0; role < CB_N_ROLES; role++) {
		for (size_t i = 0; i < CV_ARRAY_LEN(bad); i++) {
			n += as_array(&to->side[role])[bad[i]];
			n -= from != NULL ? as_array(&from->side[role])[bad[i]] : 0;
		}
	}
	return n;
}

/* Renders a number as 12.3 k, 4.56 M .. */
static const char *si(double v, char *buf, size_t cap)
{
	const char *unit = v >= 1e9 ? "G" : v >= 1e6 ? "M" : v >= 1e3 ? "k" : "";
	double scaled = v >= 1e9 ? v / 1e9 : v >= 1e6 ? v / 1e6 : v >= 1e3 ? v / 1e3 : v;

	snprintf(buf, cap, "%.*f %s", *unit != '\0' ? 2 : 0, scaled, unit);
	return buf;
}

void cb_report_progress(const struct cb_run *run, const char *what, const struct cb_second *second,
			const struct cb_sample *now)
{
	const struct cb_counts *c = &now->side[CB_CLIENT], *s = &now->side[CB_SERVER];
	char b[5][24];

	if (run->world.opts->quiet)
		return;
	fprintf(stderr,
		"%s %5.1f s: tx %spps, rx %spps, %snew/s, %s/%sbit/s, %u open, %llu again, %llu failed, "
		"%llu wrong\n",
		what, second->at, si(second->tx_pps, b[0], sizeof(b[0])),
		si(second->rx_pps, b[1], sizeof(b[1])), si(second->cps, b[2], sizeof(b[2])),
		si(second->up_bps, b[3], sizeof(b[3])), si(second->down_bps, b[4], sizeof(b[4])),
		now->active, (unsigned long long)(c->syn_again + c->data_again + s->data_again),
		(unsigned long long)(c->failed + s->failed),
		(unsigned long long)cb_report_n_bad(NULL, now));
}

static void set(json_t *to, const char *key, json_t *value)
{
	(void)json_object_set_new(to, key, value);
}

static void set_u64(json_t *to, const char *key, uint64_t v)
{
	set(to, key, json_integer((json_int_t)v));
}

static void set_real(json_t *to, const char *key, double v)
{
	set(to, key, json_real(v));
}

static void add_option(void *arg, const char *name, const char *value)
{
	set(arg, name, json_string(value));
}

static json_t *json_counts(const struct cb_counts *c)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < CB_N_COUNTS; i++)
		set_u64(o, count_names[i], as_array(c)[i]);
	return o;
}

static json_t *json_hist(const struct cb_hist *h, uint64_t hz)
{
	static const struct {
		const char *key;
		double share;
	} points[] = {
		{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99_9", 0.999}, {"p99_99", 0.9999}};
	double ns = 1e9 / (double)hz;
	json_t *o = json_object();

	set_u64(o, "count", h->n);
	set_real(o, "min", (double)h->min * ns);
	set_real(o, "mean", h->n > 0 ? (double)h->sum / (double)h->n * ns : 0);
	for (size_t i = 0; i < CV_ARRAY_LEN(points); i++)
		set_real(o, points[i].key, (double)cb_hist_quantile(h, points[i].share) * ns);
	set_real(o, "max", (double)h->max * ns);
	return o;
}

/* Every bucket that is not empty: upper bound in ns, count. For plots. */
static json_t *json_buckets(const struct cb_hist *h, uint64_t hz)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < CB_HIST_LEN; i++) {
		if (h->count[i] != 0)
			(void)json_array_append_new(
				list, json_pack("[f, I]", (double)cb_hist_top(i) * 1e9 / (double)hz,
						(json_int_t)h->count[i]));
	}
	return list;
}

static json_t *json_second(const struct cb_second *s)
{
	return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "at_s", s->at, "up_pps",
			 s->up_pps, "down_pps", s->down_pps, "tx_pps", s->tx_pps, "rx_pps",
			 s->rx_pps, "cps", s->cps, "up_bps", s->up_bps, "down_bps", s->down_bps);
}

static json_t *json_measure(const struct cb_measure *m)
{
	const struct cb_second *d = &m->median;
	json_t *o = json_object(), *series = json_array();

	set_real(o, "rate", m->rate);
	set_real(o, "seconds", m->seconds);
	set_real(o, "pps", d->up_pps + d->down_pps);
	set_real(o, "up_pps", d->up_pps);
	set_real(o, "down_pps", d->down_pps);
	set_real(o, "tx_pps", d->tx_pps);
	set_real(o, "rx_pps", d->rx_pps);
	set_real(o, "cps", d->cps);
	set_real(o, "up_bps", d->up_bps);
	set_real(o, "down_bps", d->down_bps);
	set_u64(o, "offered", m->offered);
	set_u64(o, "sent", m->sent);
	set_u64(o, "received", m->received);
	set_u64(o, "lost", m->lost);
	set_u64(o, "unsent", m->offered - m->sent);
	set_u64(o, "late", m->late);
	set_real(o, "loss", m->offered > 0 ? (double)m->lost / (double)m->offered : 0);
	set_real(o, "cpu_share", m->cpu_share);
	set(o, "passed", json_boolean(m->passed));
	for (uint32_t i = 0; i < m->n_series; i++)
		(void)json_array_append_new(series, json_second(&m->series[i]));
	set(o, "series", series);
	return o;
}

static void cpu_model(char *buf, size_t cap)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");

	snprintf(buf, cap, "unknown");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		char *colon = strchr(line, ':');

		if (strncmp(line, "model name", 10) != 0 || colon == NULL)
			continue;
		snprintf(buf, cap, "%s", colon + 2);
		buf[strcspn(buf, "\n")] = '\0';
		break;
	}
	if (f != NULL)
		fclose(f);
}

static json_t *json_machine(const struct cb_run *run)
{
	char cpu[128];
	struct utsname u = {0};

	cpu_model(cpu, sizeof(cpu));
	(void)uname(&u);
	return json_pack("{s:s, s:I, s:s, s:s, s:I, s:b}", "cpu", cpu, "cpus",
			 (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "kernel", u.release, "arch",
			 u.machine, "tsc_hz", (json_int_t)run->world.tsc_hz, "huge_pages",
			 !run->world.opts->no_huge);
}

static json_t *json_port(const struct cb_run *run, const struct cb_side *s)
{
	struct cv_io_port_info info;
	char mac[CV_NET_STR_LEN];

	cv_io_port_info(run->io, s->port, &info);
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I}", "driver", info.driver, "mac",
			 cv_mac_str(s->mac, mac), "rx_missed", (json_int_t)info.rx_missed,
			 "rx_errors", (json_int_t)info.rx_errors, "rx_nombuf",
			 (json_int_t)info.rx_nombuf, "tx_errors", (json_int_t)info.tx_errors);
}

static json_t *json_side(const struct cb_run *run, const struct cb_side *s)
{
	json_t *o = json_counts(&s->counts);

	set(o, "port", json_port(run, s));
	return o;
}

static json_t *json_latency(const struct cb_run *run)
{
	json_t *o = json_object();
	uint64_t hz = run->world.tsc_hz;

	if (run->client != NULL) {
		set(o, "connect", json_hist(&run->client->connect_time, hz));
		set(o, "response", json_hist(&run->client->response_time, hz));
	}
	if (run->client == NULL || run->server == NULL || !run->world.script.stamps)
		return o;
	set(o, "up", json_hist(&run->server->s.way, hz));
	set(o, "down", json_hist(&run->client->s.way, hz));
	set(o, "up_buckets", json_buckets(&run->server->s.way, hz));
	set(o, "down_buckets", json_buckets(&run->client->s.way, hz));
	return o;
}

static json_t *json_verify(const struct cb_run *run)
{
	static const uint32_t shown[] = {
		CB_COUNT_payload_checked, CB_COUNT_payload_bad,      CB_COUNT_checksum_bad,
		CB_COUNT_flow_bad,        CB_COUNT_probes_bad,       CB_COUNT_headers_checked,
		CB_COUNT_headers_missing, CB_COUNT_headers_unwanted, CB_COUNT_headers_malformed,
		CB_COUNT_headers_no_crc,  CB_COUNT_headers_client,   CB_COUNT_headers_dial,
		CB_COUNT_headers_vpce,
	};
	const struct cb_side *sides[] = {run->client != NULL ? &run->client->s : NULL,
					 run->server != NULL ? &run->server->s : NULL};
	json_t *o = json_object(), *notes = json_array();

	for (size_t i = 0; i < CV_ARRAY_LEN(shown); i++) {
		uint64_t n = 0;

		for (int role = 0; role < CB_N_ROLES; role++)
			n += sides[role] != NULL ? as_array(&sides[role]->counts)[shown[i]] : 0;
		set_u64(o, count_names[shown[i]], n);
	}
	for (int role = 0; role < CB_N_ROLES; role++) {
		for (uint32_t i = 0; sides[role] != NULL && i < sides[role]->n_notes; i++)
			(void)json_array_append_new(notes, json_string(sides[role]->notes[i]));
	}
	set(o, "notes", notes);
	return o;
}

static json_t *json_flows(const struct cb_run *run)
{
	const struct cb_opts *o = run->world.opts;
	json_t *to = json_object();

	set_u64(to, "asked", (uint64_t)o->flows);
	set_u64(to, "open_failed", run->open_failed);
	set_u64(to, "open_at_end", run->main.end.active);
	return to;
}

static json_t *json_errors(const struct cb_run *run)
{
	json_t *list = json_array();

	for (size_t i = 0; i < run->errs.n; i++)
		(void)json_array_append_new(list, json_string(run->errs.items[i].text));
	return list;
}

static json_t *json_all(const struct cb_run *run, bool ok)
{
	json_t *o = json_object(), *options = json_object(), *trials = json_array();

	cb_opts_each(run->world.opts, add_option, options);
	for (uint32_t i = 0; i < run->n_trials; i++)
		(void)json_array_append_new(trials, json_measure(&run->trials[i]));
	set(o, "tool", json_string("culvert-bench"));
	set(o, "version", json_string(CULVERT_VERSION));
	set(o, "dpdk", json_string(cv_io_dpdk_version()));
	set(o, "mode", json_string(cb_mode_names[run->world.opts->mode]));
	set(o, "ok", json_boolean(ok));
	set(o, "stopped", json_boolean(run->stopped));
	set(o, "errors", json_errors(run));
	set(o, "result", json_measure(&run->main));
	if (run->world.opts->mode == CB_FLOOD)
		set(o, "calm", json_measure(&run->calm));
	set(o, "trials", trials);
	set(o, "flows", json_flows(run));
	set(o, "latency_ns", json_latency(run));
	set(o, "verify", json_verify(run));
	if (run->client != NULL)
		set(o, "client", json_side(run, &run->client->s));
	if (run->server != NULL)
		set(o, "server", json_side(run, &run->server->s));
	set(o, "options", options);
	set(o, "machine", json_machine(run));
	return o;
}

int cb_report_json(const struct cb_run *run, bool ok)
{
	const char *path = run->world.opts->json;
	FILE *to = path != NULL ? fopen(path, "we") : stdout;
	json_t *o;
	int rc;

	if (to == NULL) {
		fprintf(stderr, "culvert-bench: --json: cannot write '%s'\n", path);
		return -1;
	}
	o = json_all(run, ok);
	rc = json_dumpf(o, to, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(10));
	json_decref(o);
	if (fputc('\n', to) == EOF || fflush(to) != 0)
		rc = -1;
	if (path != NULL && fclose(to) != 0)
		rc = -1;
	if (rc != 0)
		fprintf(stderr, "culvert-bench: cannot write the result\n");
	return rc;
}
