/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What a change of the configuration costs: control reloads a configuration (read, check, plan, publish)
 * as culvertd does on SIGHUP while a worker on another core forwards established flows at full speed. How
 * long each part takes, how long the worker ever was away from its receive queue, and whether packets were
 * lost. Prints one JSON object.
 *
 * Usage: bench_publish FILE WORKER-CPU CONTROL-CPU [RELOADS]
 *
 * FILE must have the endpoint and node of tools/benchlib/config.py region() on ports `consumer` and
 * `provider`. The functions that are timed are wrapped by the linker, so it is culvertd's code that runs.
 */

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_launch.h>

#include "cv_conf.h"
#include "cv_conf_doc.h"
#include "cv_ctl.h"
#include "cv_plan.h"
#include "cv_view_hot.h"
#include "rig.h"

#define FLOWS 50000
#define INBOX 4096
#define RELOADS_MAX 64
/* Reloads until the process has the memory that they take in turn: its pages are the kernel's to zero. */
#define WARM_UP 4
/*
 * Within the first of these times after its publication a view has come into use, with all that is read
 * anew for it; within the second all flows were checked against it, some a turn. A timer's interrupt takes
 * tens of microseconds of a virtual machine every few milliseconds: it is in each of the second, and in
 * few of the first.
 */
#define SWITCH_MS 1
#define CHECKED_MS 10
/* Gaps of the worker that are kept with their times. */
#define GAPS_MAX (1u << 16)
#define GAP_MIN_US 5

int __real_cv_ctl_reload(struct cv_ctl *ctl, struct cv_errs *errs);
int __wrap_cv_ctl_reload(struct cv_ctl *ctl, struct cv_errs *errs);
struct cv_conf *__real_cv_conf_load_over(const char *file, const struct cv_conf_docs *docs,
					 struct cv_errs *errs);
struct cv_conf *__wrap_cv_conf_load_over(const char *file, const struct cv_conf_docs *docs,
					 struct cv_errs *errs);
int __real_cv_plan_build(const struct cv_plan_in *in, struct cv_errs *errs,
			 struct cv_plan **ret_plan);
int __wrap_cv_plan_build(const struct cv_plan_in *in, struct cv_errs *errs,
			 struct cv_plan **ret_plan);
int __real_cv_view_pub_publish(struct cv_view_pub *pub, struct cv_view *view);
int __wrap_cv_view_pub_publish(struct cv_view_pub *pub, struct cv_view *view);

/* Times of the reload under way; the control thread writes. */
static struct {
	uint64_t begin, end, load, plan, published;
	_Atomic unsigned int n_done;
} timed;

struct cv_conf *__wrap_cv_conf_load_over(const char *file, const struct cv_conf_docs *docs,
					 struct cv_errs *errs)
{
	uint64_t start = rte_rdtsc();
	struct cv_conf *conf = __real_cv_conf_load_over(file, docs, errs);

	timed.load = rte_rdtsc() - start;
	return conf;
}

int __wrap_cv_plan_build(const struct cv_plan_in *in, struct cv_errs *errs,
			 struct cv_plan **ret_plan)
{
	uint64_t start = rte_rdtsc();
	int ret = __real_cv_plan_build(in, errs, ret_plan);

	timed.plan = rte_rdtsc() - start;
	return ret;
}

int __wrap_cv_view_pub_publish(struct cv_view_pub *pub, struct cv_view *view)
{
	timed.published = rte_rdtsc();
	return __real_cv_view_pub_publish(pub, view);
}

int __wrap_cv_ctl_reload(struct cv_ctl *ctl, struct cv_errs *errs)
{
	int ret;

	timed.begin = rte_rdtsc();
	ret = __real_cv_ctl_reload(ctl, errs);
	timed.end = rte_rdtsc();
	if (ret != 0)
		rig_die("reloading");
	atomic_fetch_add(&timed.n_done, 1);
	return ret;
}

/* The worker's ports: established frames in, ARP answered. */
struct wire {
	struct rig *r;
	struct cv_ctl *ctl;
	struct rte_mbuf *inbox[INBOX];
	unsigned int n_inbox;
	struct rig_frames frames;
	uint32_t at;
	bool feeding;
	_Atomic bool stop;
	uint64_t fed;
	uint64_t n_arp; /* ARP packets sent */
	uint64_t last;
	struct {
		uint64_t at, cycles;
		bool switched; /* another thread ran meanwhile: the machine's, not the worker's */
	} gaps[GAPS_MAX];
	long n_switches;
	_Atomic unsigned int n_gaps;
};

static struct wire wire;

/* An answer to a request for a target's MAC; NULL for what is none. */
static struct rte_mbuf *arp_answer(struct rte_mbuf *m, uint16_t port)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_arp_hdr *ask = (const struct rte_arp_hdr *)(const void *)(f + 14);
	struct rte_mbuf *answer;
	struct rte_arp_hdr *arp;
	uint8_t *out;

	if (f[12] != 8 || f[13] != 6 || ask->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) ||
	    ask->arp_data.arp_sip == ask->arp_data.arp_tip)
		return NULL;
	answer = rte_pktmbuf_alloc(wire.r->mbufs);
	if (answer == NULL)
		return NULL;
	out = rte_pktmbuf_mtod(answer, uint8_t *);
	answer->data_len = 60;
	answer->pkt_len = 60;
	memset(out, 0, 60);
	memcpy(out, f + 6, 6);
	memcpy(out + 6, "\x02\xcc\x00\x00\x00\x02\x08\x06", 8);
	arp = (struct rte_arp_hdr *)(void *)(out + 14);
	*arp = *ask;
	arp->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
	memcpy(&arp->arp_data.arp_sha, out + 6, 6);
	arp->arp_data.arp_sip = ask->arp_data.arp_tip;
	arp->arp_data.arp_tha = ask->arp_data.arp_sha;
	arp->arp_data.arp_tip = ask->arp_data.arp_sip;
	answer->port = port;
	return answer;
}

static uint16_t wire_tx(void *arg, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *f = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		struct rte_mbuf *answer;

		if (__builtin_expect(f[12] == 8 && f[13] == 0, 1)) {
			pkts[kept++] = pkts[i];
			continue;
		}
		/* Not IPv4: ARP. */
		answer = arp_answer(pkts[i], port);
		rte_pktmbuf_free(pkts[i]);
		wire.n_arp++;
		if (answer != NULL && wire.n_inbox < INBOX)
			wire.inbox[wire.n_inbox++] = answer;
		else
			rte_pktmbuf_free(answer);
	}
	(void)rig_tx(arg, worker, port, pkts, kept);
	return n;
}

static void gap_note(void)
{
	uint64_t now = rte_rdtsc();
	uint64_t gap = now - wire.last;
	unsigned int n = atomic_load_explicit(&wire.n_gaps, memory_order_relaxed);

	if (wire.last != 0 && gap > GAP_MIN_US * rte_get_tsc_hz() / 1000000 && n < GAPS_MAX) {
		wire.gaps[n].at = now;
		struct rusage usage;

		(void)getrusage(RUSAGE_THREAD, &usage);
		wire.gaps[n].switched = usage.ru_nivcsw != wire.n_switches;
		wire.n_switches = usage.ru_nivcsw;
		wire.gaps[n].cycles = gap;
		atomic_store_explicit(&wire.n_gaps, n + 1, memory_order_release);
		now = rte_rdtsc();
	}
	wire.last = now;
}

static uint16_t wire_rx(void *arg, unsigned int worker, unsigned int queue, struct rte_mbuf **pkts)
{
	const struct rig_frames *f = &wire.frames;
	uint32_t at = wire.at;
	uint16_t n;

	(void)arg;
	(void)worker;
	(void)queue;
	if (wire.n_inbox > 0) {
		n = wire.n_inbox < RIG_BURST ? (uint16_t)wire.n_inbox : RIG_BURST;
		wire.n_inbox -= n;
		memcpy(pkts, &wire.inbox[wire.n_inbox], n * sizeof(*pkts));
		wire.last = 0;
		return n;
	}
	if (!wire.feeding)
		return 0;
	gap_note();
	wire.at = at + RIG_BURST < f->n ? at + RIG_BURST : 0;
	n = rig_rx(wire.r,
		   (struct rig_src){f->mem + (size_t)at * f->stride, f->stride, f->len,
				    wire.r->net.port[f->dir[at / RIG_BURST]]},
		   pkts, RIG_BURST);
	wire.fed += n;
	return n;
}

/* ---- setting up ---- */

static struct cv_conf *conf_get(const char *file)
{
	struct cv_errs errs = {0};
	struct cv_conf *conf = cv_conf_load(file, &errs);
	char line[CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 32];

	for (size_t i = 0; i < errs.n; i++)
		fprintf(stderr, "%s\n", cv_err_str(&errs.items[i], line, sizeof(line)));
	if (conf == NULL)
		rig_die("reading the configuration");
	return conf;
}

static const struct cv_view_local *local_get(const struct cv_view *view, uint32_t ip)
{
	for (uint16_t vpc = 0; vpc < view->spec.n_vpcs; vpc++) {
		const struct cv_view_local *local = cv_view_local_find(view, vpc, cv_be32(ip));

		if (local != NULL)
			return local;
	}
	rig_die("finding our addresses");
}

static struct rig_net net_get(const struct cv_view *view)
{
	struct rig_net net = {.clients = 0xac104000, /* 172.16.64.0 */
			      .eni = 0xac10010a,
			      .node = 0x0a00010a,
			      .target = 0x0a000120,
			      .listener_port = 80,
			      .target_port = 8080};
	const uint32_t ips[RIG_N_DIRS] = {net.eni, net.node};

	for (int dir = 0; dir < RIG_N_DIRS; dir++) {
		const struct cv_view_vpc *vpc = &view->spec.vpcs[local_get(view, ips[dir])->vpc];

		net.mac_prefix[dir] = vpc->mac_prefix;
		net.port[dir] = vpc->port;
	}
	return net;
}

static bool neighbours_known(const struct cv_view *view, const struct rig_net *net, uint32_t n)
{
	uint32_t known = 0;

	for (uint32_t i = 0; i < view->spec.n_targets; i++) {
		const struct cv_view_target *t = &view->spec.targets[i];

		if (t->used && cv_be32_host(t->ip) - net->target < n &&
		    (atomic_load(&view->spec.neigh[t->neigh]) & CV_NEIGH_KNOWN) != 0)
			known++;
	}
	return known == n;
}

static void no_log(enum cv_log_level level, const char *line, void *arg)
{
	(void)arg;
	if (level >= CV_LOG_WARNING)
		fprintf(stderr, "%s\n", line);
}

static void *control_main(void *arg)
{
	cpu_set_t set;
	const unsigned int *cpu = arg;

	CPU_ZERO(&set);
	CPU_SET(*cpu, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	if (cv_ctl_run(wire.ctl) != 0)
		rig_die("the control loop");
	return NULL;
}

/* ---- measuring ---- */

static double us_of(uint64_t cycles)
{
	return (double)cycles * 1e6 / (double)rte_get_tsc_hz();
}

/* Longest time away from the receive queue between two moments, but for those when another thread ran. */
static double worst_gap_us(uint64_t from, uint64_t to, unsigned int *ret_n_switched)
{
	unsigned int n = atomic_load_explicit(&wire.n_gaps, memory_order_acquire);
	uint64_t worst = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (wire.gaps[i].at < from || wire.gaps[i].at > to)
			continue;
		*ret_n_switched += wire.gaps[i].switched;
		if (!wire.gaps[i].switched && wire.gaps[i].cycles > worst)
			worst = wire.gaps[i].cycles;
	}
	return us_of(worst);
}

struct results {
	double total_ms[RELOADS_MAX], load_ms[RELOADS_MAX], plan_ms[RELOADS_MAX],
		publish_ms[RELOADS_MAX], stall_us[RELOADS_MAX], checked_us[RELOADS_MAX],
		whole_us[RELOADS_MAX], calm_us[RELOADS_MAX], calm_checked_us[RELOADS_MAX],
		calm_whole_us[RELOADS_MAX];
	unsigned int n_switched;
};

static uint64_t cycles_of(unsigned int ms)
{
	return ms * rte_get_tsc_hz() / 1000;
}

/* Median of the longest gaps in pieces of a time. */
static double worst_of_pieces_us(uint64_t from, uint64_t to, unsigned int ms)
{
	double worst[512];
	size_t n = 0;

	for (; from + cycles_of(ms) <= to && n < CV_ARRAY_LEN(worst); from += cycles_of(ms))
		worst[n++] = worst_gap_us(from, from + cycles_of(ms), &(unsigned int){0});
	return rig_median(worst, n);
}

/* As long as a reload takes, without one: what the machine itself takes from the worker. */
static void calm_once(struct results *res, unsigned int i)
{
	uint64_t from = rte_rdtsc(), to;

	usleep(600000);
	to = rte_rdtsc();
	res->calm_whole_us[i] = worst_gap_us(from, to, &res->n_switched);
	res->calm_us[i] = worst_of_pieces_us(from, to, SWITCH_MS);
	res->calm_checked_us[i] = worst_of_pieces_us(from, to, CHECKED_MS);
}

static void reload_once(struct results *res, unsigned int i)
{
	unsigned int n = atomic_load(&timed.n_done);

	calm_once(res, i);
	kill(getpid(), SIGHUP);
	while (atomic_load(&timed.n_done) == n)
		usleep(1000);
	/* The old view is freed, and the worker walks over its flows, within this time. */
	usleep(300000);
	res->total_ms[i] = us_of(timed.end - timed.begin) / 1000;
	res->load_ms[i] = us_of(timed.load) / 1000;
	res->plan_ms[i] = us_of(timed.plan) / 1000;
	res->publish_ms[i] = us_of(timed.end - timed.begin - timed.load) / 1000;
	res->stall_us[i] = worst_gap_us(timed.published, timed.published + cycles_of(SWITCH_MS),
					&(unsigned int){0});
	res->checked_us[i] = worst_gap_us(timed.published, timed.published + cycles_of(CHECKED_MS),
					  &(unsigned int){0});
	res->whole_us[i] = worst_gap_us(timed.begin, rte_rdtsc(), &res->n_switched);
}

/* The first reloads. @return the slowest, ms */
static double warm_up(struct results *res)
{
	double slowest = 0;

	for (unsigned int i = 0; i < WARM_UP; i++) {
		reload_once(res, 0);
		slowest = RTE_MAX(slowest, res->publish_ms[0]);
	}
	res->n_switched = 0;
	return slowest;
}

static void report(struct results *res, double cold_ms, unsigned int n, const struct cv_view *view)
{
	uint64_t sent = wire.r->sent[0].pkts[0] + wire.r->sent[0].pkts[1];
	uint64_t dropped = rig_all_drops(wire.r);
	double stall_us = rig_median(res->stall_us, n); /* sorts: the last is the worst then */

	printf("{\"row\": \"publish\", \"listeners\": %u, \"endpoints\": %u, \"targets\": %u, "
	       "\"pools\": %u, \"locals\": %u, \"reloads\": %u, \"rebuild_publish_ms\": %.1f, "
	       "\"plan_ms\": %.1f, \"read_ms\": %.1f, \"reload_ms\": %.1f, ",
	       view->spec.n_listeners, view->spec.n_endpoints, view->spec.n_targets,
	       view->spec.n_pools, view->spec.n_locals, n, rig_median(res->publish_ms, n),
	       rig_median(res->plan_ms, n), rig_median(res->load_ms, n),
	       rig_median(res->total_ms, n));
	printf("\"slowest_cold_ms\": %.1f, \"stall_us\": %.1f, \"stall_worst_us\": %.1f, "
	       "\"calm_stall_us\": %.1f, \"checked_stall_us\": %.1f, "
	       "\"calm_checked_stall_us\": %.1f, \"whole_stall_us\": %.1f, "
	       "\"calm_whole_stall_us\": %.1f, \"times_preempted\": %u, ",
	       cold_ms, stall_us, res->stall_us[n - 1], rig_median(res->calm_us, n),
	       rig_median(res->checked_us, n), rig_median(res->calm_checked_us, n),
	       rig_median(res->whole_us, n), rig_median(res->calm_whole_us, n), res->n_switched);
	printf("\"packets\": %llu, \"forwarded\": %llu, \"lost\": %llu, \"dropped\": %llu, \"arp\": %llu}\n",
	       (unsigned long long)wire.fed, (unsigned long long)sent,
	       (unsigned long long)(wire.fed - sent), (unsigned long long)dropped,
	       (unsigned long long)wire.n_arp);
}

static void run_worker(struct cv_dp *dp)
{
	static struct cv_dp_run run;

	run = (struct cv_dp_run){.worker = cv_dp_worker_get(dp, 0),
				 .rx = wire_rx,
				 .n_queues = 1,
				 .stop = &wire.stop};
	atomic_store(&wire.stop, false);
	if (rte_eal_remote_launch(cv_dp_worker_run, &run, 1) != 0)
		rig_die("starting the worker");
}

static void stop_worker(void)
{
	atomic_store(&wire.stop, true);
	rte_eal_mp_wait_lcore();
}

int main(int argc, char **argv)
{
	const struct rig_cfg cfg = {.n_flows = FLOWS, .proxy = true};
	unsigned int n_reloads = argc > 4 ? (unsigned int)atoi(argv[4]) : 5;
	static struct results res;
	struct cv_dp_cfg dp_cfg = {.tx = wire_tx, .seed = 1};
	struct cv_errs errs = {0};
	struct cv_dp *dp;
	struct rig_net net;
	const struct cv_view *view;
	unsigned int control_cpu;
	double cold_ms;
	pthread_t control;
	char lcores[64];

	if (argc < 4 || n_reloads < 1 || n_reloads > RELOADS_MAX)
		rig_die("usage: FILE WORKER-CPU CONTROL-CPU [RELOADS]; it");
	control_cpu = (unsigned int)atoi(argv[3]);
	snprintf(lcores, sizeof(lcores), "0@%u,1@%u", control_cpu, (unsigned int)atoi(argv[2]));
	/* As culvertd does. */
	mallopt(M_MMAP_THRESHOLD, 32 << 20);
	mallopt(M_TRIM_THRESHOLD, 512 << 20);
	/* There, control is the main thread, whose heap does not end at 64 MB. */
	mallopt(M_ARENA_MAX, 1);
	cv_log_sink_set(no_log, NULL);
	if (cv_ctl_signals_block() != 0)
		rig_die("blocking signals");
	rig_eal(lcores, false, NULL);
	if (cv_ctl_create(&(struct cv_ctl_cfg){.file = argv[1], .version = "bench"},
			  conf_get(argv[1]), &errs, &wire.ctl) != 0)
		rig_die("planning the configuration");
	cv_ctl_dp_cfg(wire.ctl, &dp_cfg);
	view = cv_view_pub_current(dp_cfg.pub);
	net = net_get(view);
	wire.r = rig_attach(&cfg, &net, NULL, dp_cfg.pub);
	dp_cfg.mbufs = wire.r->mbufs;
	dp_cfg.tx_arg = wire.r;
	dp_cfg.tsc_hz = rte_get_tsc_hz();
	if (cv_dp_create(&dp_cfg, &dp) != 0)
		rig_die("data plane");
	wire.r->dp = dp;
	cv_ctl_attach(wire.ctl, dp);
	if (pthread_create(&control, NULL, control_main, &control_cpu) != 0)
		rig_die("starting control");
	run_worker(dp);
	while (!neighbours_known(view, &net, cfg.n_targets == 0 ? 32 : cfg.n_targets))
		usleep(10000);
	stop_worker();
	wire.r->now_ms = cv_dp_now_ms(dp);
	rig_open(wire.r, FLOWS);
	wire.frames = rig_frames_get(wire.r, FLOWS, 3, -1, 60);
	memset(wire.r->sent, 0, sizeof(wire.r->sent));
	wire.n_arp = 0;
	wire.feeding = true;
	run_worker(dp);
	usleep(200000);
	cold_ms = warm_up(&res);
	for (unsigned int i = 0; i < n_reloads; i++)
		reload_once(&res, i);
	stop_worker();
	report(&res, cold_ms, n_reloads, cv_view_pub_current(dp_cfg.pub));
	cv_ctl_stop(wire.ctl);
	pthread_join(control, NULL);
	cv_dp_destroy(dp);
	cv_ctl_destroy(wire.ctl);
	return 0;
}
