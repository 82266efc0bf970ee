/* SPDX-License-Identifier: BSD-3-Clause */

/* Control: phases and measurements. It sleeps but for a moment a second, so that workers are left alone. */

#include "run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

static volatile sig_atomic_t stop_asked;

static void on_signal(int sig)
{
	(void)sig;
	stop_asked = 1;
}

static void sleep_s(double s)
{
	struct timespec ts = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};

	nanosleep(&ts, NULL);
}

static double now_s(const struct cb_run *run)
{
	return (double)rte_rdtsc() / (double)run->world.tsc_hz;
}

void cb_run_sample(const struct cb_run *run, struct cb_sample *ret_sample)
{
	memset(ret_sample, 0, sizeof(*ret_sample));
	ret_sample->tsc = rte_rdtsc();
	if (run->client != NULL) {
		ret_sample->side[CB_CLIENT] =
			*(const volatile struct cb_counts *)&run->client->s.counts;
		ret_sample->active = *(const volatile uint32_t *)&run->client->n_active;
	}
	if (run->server != NULL)
		ret_sample->side[CB_SERVER] =
			*(const volatile struct cb_counts *)&run->server->s.counts;
	if (run->client == NULL && run->server != NULL)
		ret_sample->active = *(const volatile uint32_t *)&run->server->table.n;
}

/* Gives an order and waits until every worker follows it. */
static void command(struct cb_run *run, const struct cb_cmd *cmd)
{
	uint32_t epoch = atomic_load(&run->control.epoch) + 1;

	run->control.cmd = *cmd;
	atomic_store(&run->control.epoch, epoch);
	for (uint32_t i = 0; i < run->n_workers; i++) {
		while (atomic_load(&run->workers[i].seen) != epoch)
			sleep_s(20e-6);
	}
}

static void rates(const struct cb_run *run, const struct cb_sample *a, const struct cb_sample *b,
		  struct cb_second *ret)
{
	const struct cb_counts *c0 = &a->side[CB_CLIENT], *c1 = &b->side[CB_CLIENT];
	const struct cb_counts *s0 = &a->side[CB_SERVER], *s1 = &b->side[CB_SERVER];
	double per_s = (double)run->world.tsc_hz / (double)(b->tsc - a->tsc);

	ret->up_pps = (double)(s1->probes_in - s0->probes_in) * per_s;
	ret->down_pps = (double)(c1->probes_in - c0->probes_in) * per_s;
	ret->tx_pps = (double)(c1->tx_pkts - c0->tx_pkts + s1->tx_pkts - s0->tx_pkts) * per_s;
	ret->rx_pps = (double)(c1->rx_pkts - c0->rx_pkts + s1->rx_pkts - s0->rx_pkts) * per_s;
	ret->cps = (double)(run->client != NULL ? c1->finished - c0->finished
						: s1->finished - s0->finished) *
		   per_s;
	ret->up_bps = (double)(s1->data_in - s0->data_in) * 8 * per_s;
	ret->down_bps = (double)(c1->data_in - c0->data_in) * 8 * per_s;
}

static double median_of(const struct cb_measure *m, size_t ofs)
{
	double *v = malloc((m->n_series + 1) * sizeof(*v)), result;

	if (v == NULL)
		return 0;
	for (uint32_t i = 0; i < m->n_series; i++)
		v[i] = *(const double *)(const void *)((const char *)&m->series[i] + ofs);
	result = cb_median(v, m->n_series);
	free(v);
	return result;
}

static void finish_series(const struct cb_run *run, struct cb_measure *m)
{
	struct cb_second *d = &m->median;

	m->seconds = (double)(m->end.tsc - m->begin.tsc) / (double)run->world.tsc_hz;
	if (m->n_series == 0) {
		rates(run, &m->begin, &m->end, d);
		return;
	}
	d->up_pps = median_of(m, offsetof(struct cb_second, up_pps));
	d->down_pps = median_of(m, offsetof(struct cb_second, down_pps));
	d->tx_pps = median_of(m, offsetof(struct cb_second, tx_pps));
	d->rx_pps = median_of(m, offsetof(struct cb_second, rx_pps));
	d->cps = median_of(m, offsetof(struct cb_second, cps));
	d->up_bps = median_of(m, offsetof(struct cb_second, up_bps));
	d->down_bps = median_of(m, offsetof(struct cb_second, down_bps));
}

/* Probes between two samples. */
static void count_loss(const struct cb_run *run, struct cb_measure *m)
{
	const struct cb_counts *c0 = &m->begin.side[CB_CLIENT], *c1 = &m->quiet.side[CB_CLIENT];
	const struct cb_counts *s0 = &m->begin.side[CB_SERVER], *s1 = &m->quiet.side[CB_SERVER];

	if (run->world.script.hold) {
		m->sent = c1->probes_out - c0->probes_out + s1->probes_out - s0->probes_out;
		m->received = c1->probes_in - c0->probes_in + s1->probes_in - s0->probes_in;
		m->offered = m->sent + c1->probes_unsent - c0->probes_unsent + s1->probes_unsent -
			     s0->probes_unsent;
		m->lost = m->sent > m->received ? m->sent - m->received : 0;
		m->late = c1->probes_late - c0->probes_late + s1->probes_late - s0->probes_late;
	} else {
		m->sent = m->offered = c1->started - c0->started;
		m->received = c1->finished - c0->finished;
		m->lost = c1->failed - c0->failed + m->quiet.active;
	}
}

static bool is_quiet(const struct cb_run *run, struct cb_measure *m)
{
	if (!run->world.script.hold)
		return m->quiet.active == 0;
	count_loss(run, m);
	return m->lost == 0;
}

static void drain(struct cb_run *run, struct cb_measure *m)
{
	struct cb_cmd cmd = {.phase = CB_DRAIN};
	double until = now_s(run) + run->world.opts->drain;

	command(run, &cmd);
	do {
		sleep_s(0.005);
		cb_run_sample(run, &m->quiet);
	} while (!is_quiet(run, m) && now_s(run) < until);
}

/* Share of their CPUs that the workers got between two orders; the first one's times are in `from`. */
static double cpu_share(const struct cb_run *run, const struct cb_worker *from)
{
	double share = 0;

	for (uint32_t i = 0; i < run->n_workers; i++) {
		const struct cb_worker *w = &run->workers[i];

		share += (double)(w->order_cpu_ns - from[i].order_cpu_ns) / 1e9 *
			 (double)run->world.tsc_hz / (double)(w->order_tsc - from[i].order_tsc);
	}
	return share / run->n_workers;
}

/* One measurement: run, sample each second, stop, wait for what is under way. */
static void measure(struct cb_run *run, const struct cb_cmd *cmd, double seconds, const char *what,
		    struct cb_measure *m)
{
	struct cb_worker from[CB_CORES_MAX];
	double began, left, next;
	struct cb_sample last, now;

	memset(m, 0, sizeof(*m));
	m->series = calloc(CB_SECONDS_MAX, sizeof(*m->series));
	cb_run_sample(run, &m->begin);
	command(run, cmd);
	for (uint32_t i = 0; i < run->n_workers; i++) {
		from[i].order_tsc = run->workers[i].order_tsc;
		from[i].order_cpu_ns = run->workers[i].order_cpu_ns;
	}
	began = now_s(run);
	last = m->begin;
	for (next = 1;; next++) {
		left = seconds - (now_s(run) - began);
		if (left < 0.01 || stop_asked != 0)
			break;
		/* A remainder of less than half a second joins the last sample. */
		sleep_s(left < 1.5 ? left : began + next - now_s(run));
		cb_run_sample(run, &now);
		if (m->series != NULL && m->n_series < CB_SECONDS_MAX) {
			struct cb_second *second = &m->series[m->n_series++];

			rates(run, &last, &now, second);
			second->at = (double)(now.tsc - m->begin.tsc) / (double)run->world.tsc_hz;
			cb_report_progress(run, what, second, &now);
		}
		last = now;
	}
	cb_run_sample(run, &m->end);
	if (m->n_series > 0)
		m->end = last;
	drain(run, m);
	m->cpu_share = cpu_share(run, from);
	finish_series(run, m);
	count_loss(run, m);
}

static struct cb_cmd run_cmd(const struct cb_run *run, double rate)
{
	const struct cb_opts *o = run->world.opts;
	struct cb_cmd cmd = {.phase = CB_RUN};
	double share = o->direction == CB_BOTH ? 0.5 : 1;

	cmd.connect = o->mode == CB_CPS;
	cmd.conn_rate = rate;
	if (run->world.script.probe_len != 0) {
		cmd.probe[CB_CLIENT] = o->direction != CB_DOWN;
		cmd.probe[CB_SERVER] = o->direction != CB_UP;
		cmd.probe_rate[CB_CLIENT] = cmd.probe_rate[CB_SERVER] = rate * share;
	}
	return cmd;
}

static int wait_ready(struct cb_run *run)
{
	const struct cb_opts *o = run->world.opts;
	double until = now_s(run) + o->wait;
	struct cb_cmd cmd = {.phase = CB_WAIT};
	char ip[CV_NET_STR_LEN];

	command(run, &cmd);
	while (run->client != NULL && !*(const volatile bool *)&run->client->resolved) {
		if (stop_asked != 0)
			return CB_RUNTIME;
		if (now_s(run) > until) {
			fprintf(stderr,
				"culvert-bench: nobody answers ARP for %s (%g s): is the link up, and the "
				"address right?\n",
				cv_ip4_str(o->via != 0 ? o->via : o->dial.at[0].ip, ip), o->wait);
			return CB_RUNTIME;
		}
		sleep_s(0.01);
	}
	return CB_OK;
}

static int open_flows(struct cb_run *run)
{
	const struct cb_opts *o = run->world.opts;
	struct cb_cmd cmd = {.phase = CB_OPEN_FLOWS, .conn_rate = o->open_rate};
	struct cb_sample s;
	uint64_t done = 0, before = 0, flows = (uint64_t)o->flows;
	double last;

	/* The first ones slowly: peers find their neighbours meanwhile. */
	if (o->open_rate == 0 || o->open_rate > 1000)
		cmd.conn_rate = 1000;
	command(run, &cmd);
	sleep_s(o->warmup);
	cmd.conn_rate = o->open_rate;
	command(run, &cmd);
	last = now_s(run);
	while (done < flows && stop_asked == 0 && now_s(run) - last < o->wait) {
		sleep_s(0.01);
		cb_run_sample(run, &s);
		done = s.side[CB_CLIENT].ready + s.side[CB_CLIENT].failed;
		if (done != before)
			last = now_s(run);
		before = done;
	}
	cb_run_sample(run, &s);
	done = s.side[CB_CLIENT].ready;
	if (done == 0) {
		fprintf(stderr,
			"culvert-bench: no flow could be opened: %llu begun, %llu handshakes, %llu reset\n",
			(unsigned long long)s.side[CB_CLIENT].started,
			(unsigned long long)s.side[CB_CLIENT].opened,
			(unsigned long long)s.side[CB_CLIENT].resets);
		return CB_RUNTIME;
	}
	run->open_failed = flows > done ? flows - done : 0;
	if (run->open_failed > 0)
		cv_errs_add(&run->errs, NULL, 0, "%llu of %llu flows could not be opened",
			    (unsigned long long)run->open_failed, (unsigned long long)flows);
	return CB_OK;
}

/* A few connections, so that all neighbours are known before it counts. */
static void warm_up(struct cb_run *run)
{
	const struct cb_opts *o = run->world.opts;
	struct cb_cmd cmd = run_cmd(run, o->rate > 0 && o->rate < 1000 ? o->rate : 1000);
	double until;
	struct cb_sample s;

	if (o->warmup == 0 || o->mode != CB_CPS)
		return;
	command(run, &cmd);
	sleep_s(o->warmup);
	cmd.phase = CB_DRAIN;
	command(run, &cmd);
	until = now_s(run) + 5;
	do {
		sleep_s(0.005);
		cb_run_sample(run, &s);
	} while (s.active > 0 && now_s(run) < until && stop_asked == 0);
}

/* One trial of a rate; a rate that fails is tried again as often as --tries says. */
static bool try_rate(struct cb_run *run, double rate)
{
	const struct cb_opts *o = run->world.opts;
	struct cb_cmd cmd = run_cmd(run, rate);
	struct cb_measure *m;
	char what[64];

	for (uint32_t n = 0; n < (uint32_t)o->tries && run->n_trials < CB_TRIALS_MAX; n++) {
		m = &run->trials[run->n_trials++];
		snprintf(what, sizeof(what), "trial %u at %.3f Mpps", run->n_trials, rate / 1e6);
		measure(run, &cmd, o->duration, what, m);
		m->rate = rate;
		m->passed = m->offered > 0 && (double)(m->lost + m->offered - m->sent) <=
						      o->loss / 100 * (double)m->offered;
		/* A rate that we did not offer was not tried. */
		if ((double)m->late > 0.02 * (double)m->offered)
			m->passed = false;
		if (!m->passed)
			continue;
		free(run->main.series);
		run->main = *m;
		m->series = NULL;
		m->n_series = 0;
		return true;
	}
	return false;
}

/* The best that does not lose: first as fast as it goes, then by bisection below what arrived. */
static int find_limit(struct cb_run *run)
{
	const struct cb_opts *o = run->world.opts;
	struct cb_cmd cmd = run_cmd(run, o->rate);
	struct cb_search search;
	struct cb_measure *m = &run->trials[run->n_trials++];
	double rate, hi;

	measure(run, &cmd, o->duration, "as fast as it goes", m);
	hi = m->received > 0 ? (double)m->received / m->seconds * 1.1 : 0;
	if (hi == 0) {
		fprintf(stderr, "culvert-bench: nothing arrives\n");
		return CB_RUNTIME;
	}
	cb_search_init(&search, hi, o->precision / 100, CB_TRIALS_MAX);
	while (stop_asked == 0 && run->n_trials < CB_TRIALS_MAX && cb_search_next(&search, &rate))
		cb_search_note(&search, rate, try_rate(run, rate));
	if (search.lo == 0)
		cv_errs_add(&run->errs, NULL, 0, "no rate passed, down to %.0f packets/s",
			    search.hi);
	return CB_OK;
}

static int measure_flood(struct cb_run *run)
{
	const struct cb_opts *o = run->world.opts;
	struct cb_cmd cmd = run_cmd(run, o->rate);

	measure(run, &cmd, o->duration / 2, "calm", &run->calm);
	cmd.flood = true;
	cmd.flood_rate = o->flood_rate;
	measure(run, &cmd, o->duration, "flood", &run->main);
	return CB_OK;
}

static int measure_mode(struct cb_run *run)
{
	const struct cb_opts *o = run->world.opts;
	struct cb_cmd cmd = run_cmd(run, o->rate);
	int rc;

	if (run->client != NULL && run->world.script.hold) {
		rc = open_flows(run);
		if (rc != CB_OK)
			return rc;
	}
	warm_up(run);
	if (o->mode == CB_LIMIT)
		return find_limit(run);
	if (o->mode == CB_FLOOD)
		return measure_flood(run);
	measure(run, &cmd, o->duration, cb_mode_names[o->mode], &run->main);
	run->main.rate = o->rate;
	return CB_OK;
}

/* What makes a result that is not fine: loss, and what checks found. */
static void judge(struct cb_run *run)
{
	const struct cb_opts *o = run->world.opts;
	const struct cb_measure *m = &run->main;
	uint64_t bad = cb_report_n_bad(NULL, &m->quiet);

	if (bad > 0)
		cv_errs_add(&run->errs, NULL, 0, "%llu checks failed", (unsigned long long)bad);
	if (o->mode == CB_CPS && m->lost > 0)
		cv_errs_add(&run->errs, NULL, 0, "%llu of %llu connections failed or did not end",
			    (unsigned long long)m->lost, (unsigned long long)m->sent);
	else if (o->mode != CB_LIMIT && o->mode != CB_FLOOD && !o->blind && m->lost > 0)
		cv_errs_add(&run->errs, NULL, 0, "%llu of %llu packets were lost",
			    (unsigned long long)m->lost, (unsigned long long)m->sent);
	if (o->mode == CB_CONCURRENT && m->end.active < (uint32_t)o->flows - run->open_failed)
		cv_errs_add(&run->errs, NULL, 0, "%u of %u flows are left", m->end.active,
			    (uint32_t)o->flows);
	if ((o->mode == CB_CPS || o->mode == CB_ESTABLISHED) && m->received == 0 && !o->blind)
		cv_errs_add(&run->errs, NULL, 0, "nothing got through");
}

static void close_flows(struct cb_run *run)
{
	struct cb_cmd cmd = {.phase = CB_CLOSE};
	double until = now_s(run) + 5;

	if (run->client == NULL || run->world.opts->keep || run->world.opts->blind)
		return;
	command(run, &cmd);
	while (*(const volatile uint32_t *)&run->client->n_closed <= run->client->mask &&
	       now_s(run) < until)
		sleep_s(0.002);
	/* For the last ones to leave. */
	sleep_s(0.02);
}

int cb_run_go(struct cb_run *run)
{
	struct sigaction act = {.sa_handler = on_signal};
	struct cb_cmd stop = {.phase = CB_STOP};
	int rc = CB_OK;

	(void)sigaction(SIGINT, &act, NULL);
	(void)sigaction(SIGTERM, &act, NULL);
	for (uint32_t i = 0; i < run->n_workers; i++)
		cv_assert(cv_io_launch(run->io, i, cb_worker_run, &run->workers[i]) == 0);
	rc = wait_ready(run);
	if (rc == CB_OK)
		rc = measure_mode(run);
	close_flows(run);
	command(run, &stop);
	cv_io_join(run->io);
	run->stopped = stop_asked != 0;
	if (rc != CB_OK)
		return rc;
	judge(run);
	for (size_t i = 0; i < run->errs.n; i++)
		fprintf(stderr, "culvert-bench: %s\n", run->errs.items[i].text);
	if (cb_report_json(run, run->errs.n == 0) != 0)
		return CB_RUNTIME;
	return run->errs.n == 0 ? CB_OK : CB_FAILED;
}
