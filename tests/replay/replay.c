/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packets in from files, packets out to files: a configuration, one capture per port, a clock that is the
 * captures' own. The whole way of a packet but for the driver: conf, plan, view, packet core.
 *
 * Usage: replay CONF.json IN_DIR OUT_DIR
 *   IN_DIR/in.PORT.pcap is read for each port that has one, all in the order of their timestamps; what
 *   would leave by a port is written to OUT_DIR/out.PORT.pcap. Prints drops and events as JSON.
 *
 * Everything that would differ between runs is fixed: the seed, the first time, and the neighbours, which
 * all have the MAC 02:aa:a.b.c.d of their address.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "cv_conf.h"
#include "cv_dp.h"
#include "cv_plan.h"

#define PORTS_MAX 8
#define PATH_LEN 512
#define SNAP_LEN 16384
/* The workers' clock when a capture's timestamp is 0. */
#define EPOCH_MS 1000000

struct replay {
	struct cv_conf *conf;
	struct cv_plan_slots *slots;
	struct cv_snat_registry *registry;
	struct cv_view_pub *pub;
	struct cv_plan *plan;
	cv_neigh_t *neigh;
	struct cv_dp *dp;
	struct rte_mempool *mbufs;
	pcap_t *in[PORTS_MAX];
	struct pcap_pkthdr *head[PORTS_MAX]; /* next packet of each port, NULL at the end */
	const u_char *data[PORTS_MAX];
	pcap_t *out_format;
	pcap_dumper_t *out[PORTS_MAX];
	uint64_t now_ms;
};

static void die(const char *what, const char *why)
{
	fprintf(stderr, "replay: %s: %s\n", what, why);
	exit(1);
}

static uint16_t replay_tx(void *arg, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			  uint16_t n)
{
	struct replay *r = arg;

	(void)worker;
	for (uint16_t i = 0; i < n; i++) {
		uint64_t ms = r->now_ms - EPOCH_MS;
		struct pcap_pkthdr head = {
			.ts = {.tv_sec = (time_t)(ms / 1000),
			       .tv_usec = (suseconds_t)(ms % 1000 * 1000)},
			.caplen = pkts[i]->pkt_len,
			.len = pkts[i]->pkt_len,
		};

		pcap_dump((u_char *)r->out[port], &head, rte_pktmbuf_mtod(pkts[i], u_char *));
		rte_pktmbuf_free(pkts[i]);
	}
	return n;
}

static void errs_die(const struct cv_errs *errs, const char *what)
{
	char text[CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 32];

	for (size_t i = 0; i < errs->n; i++)
		fprintf(stderr, "%s\n", cv_err_str(&errs->items[i], text, sizeof(text)));
	die(what, "refused");
}

static void plan(struct replay *r)
{
	const struct cv_conf *c = r->conf;
	struct cv_plan_port ports[PORTS_MAX];
	const struct cv_plan_limits limits = {c->limits.endpoints, c->limits.listeners,
					      c->limits.targets};
	const struct cv_plan_cfg cfg = {
		.ports = ports,
		.n_ports = (uint16_t)c->dpdk.n_ports,
		.mss_clamp = c->settings.mss_clamp,
		.snat = {.port_first = c->settings.snat_port_first,
			 .n_ports = (uint16_t)c->settings.snat_n_ports,
			 .rest_ms = c->settings.snat_rest_seconds * 1000,
			 .n_slices = (uint16_t)c->dpdk.workers},
		.view = {.syn_ms = c->settings.syn_seconds * 1000,
			 .fin_ms = c->settings.fin_seconds * 1000,
			 .linger_ms = c->settings.linger_ms},
	};
	struct cv_plan_in in = {.model = c->model, .cfg = &cfg, .gen = 1};
	struct cv_errs errs = {0};

	for (uint32_t i = 0; i < c->dpdk.n_ports; i++)
		ports[i] = (struct cv_plan_port){c->dpdk.ports[i].name,
						 (uint16_t)c->dpdk.ports[i].mtu};
	r->slots = cv_plan_slots_create(&limits);
	r->registry = cv_snat_registry_create();
	if (r->slots == NULL || r->registry == NULL)
		die("plan", "out of memory");
	r->neigh = calloc(cv_plan_slots_cap(r->slots, CV_PLAN_NEIGH), sizeof(*r->neigh));
	in.slots = r->slots;
	in.registry = r->registry;
	in.neigh = r->neigh;
	if (r->neigh == NULL || cv_plan_build(&in, &errs, &r->plan) != 0)
		errs_die(&errs, "plan");
	for (uint32_t i = 0; i < r->plan->n_slots[CV_PLAN_NEIGH]; i++)
		r->neigh[i] = CV_NEIGH_KNOWN | (uint64_t)r->plan->neighs[i].ip << 16 | 0xaa02;
}

static void start(struct replay *r)
{
	struct cv_dp_cfg cfg = {
		.n_workers = r->conf->dpdk.workers,
		.n_flows = 65536,
		.n_ports = (uint16_t)r->conf->dpdk.n_ports,
		.tx = replay_tx,
		.tx_arg = r,
		.seed = 1,
		.tsc_hz = 1000000000,
	};

	plan(r);
	cfg.n_obj[CV_STATS_PATH] = cv_plan_slots_cap(r->slots, CV_PLAN_PATH);
	cfg.n_obj[CV_STATS_LISTENER] = cv_plan_slots_cap(r->slots, CV_PLAN_LISTENER);
	cfg.n_obj[CV_STATS_TARGET] = cv_plan_slots_cap(r->slots, CV_PLAN_TARGET);
	r->mbufs = rte_pktmbuf_pool_create("replay", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	r->pub = cv_view_pub_create(cfg.n_workers);
	cfg.mbufs = r->mbufs;
	cfg.pub = r->pub;
	if (r->mbufs == NULL || r->pub == NULL || cv_dp_create(&cfg, &r->dp) != 0 ||
	    cv_view_pub_publish(r->pub, cv_plan_view_take(r->plan)) != 0)
		die("data plane", "out of memory");
}

static void in_next(struct replay *r, uint32_t port)
{
	if (pcap_next_ex(r->in[port], &r->head[port], &r->data[port]) != 1)
		r->head[port] = NULL;
}

static void files_open(struct replay *r, const char *in_dir, const char *out_dir)
{
	char path[PATH_LEN], why[PCAP_ERRBUF_SIZE];

	r->out_format = pcap_open_dead(DLT_EN10MB, SNAP_LEN);
	for (uint32_t i = 0; i < r->conf->dpdk.n_ports; i++) {
		const char *name = r->conf->dpdk.ports[i].name;

		snprintf(path, sizeof(path), "%s/out.%s.pcap", out_dir, name);
		r->out[i] = pcap_dump_open(r->out_format, path);
		if (r->out[i] == NULL)
			die(path, pcap_geterr(r->out_format));
		snprintf(path, sizeof(path), "%s/in.%s.pcap", in_dir, name);
		r->in[i] = pcap_open_offline(path, why);
		if (r->in[i] != NULL)
			in_next(r, i);
	}
}

static uint64_t ts_ms(const struct pcap_pkthdr *head)
{
	return EPOCH_MS + (uint64_t)head->ts.tv_sec * 1000 + (uint64_t)head->ts.tv_usec / 1000;
}

static void turn(struct replay *r)
{
	const struct cv_view *view = cv_view_pub_current(r->pub);

	for (int again = 0; again < 3; again++) {
		for (unsigned int w = 0; w < r->conf->dpdk.workers; w++) {
			cv_dp_worker_poll(cv_dp_worker_get(r->dp, w), view, r->now_ms);
			cv_dp_worker_flush(cv_dp_worker_get(r->dp, w));
		}
	}
}

static void clock_to(struct replay *r, uint64_t ms)
{
	while (r->now_ms < ms) {
		r->now_ms += RTE_MIN(ms - r->now_ms, (uint64_t)50);
		turn(r);
	}
}

/* The port whose next packet is the oldest; CV_CONF_DEVICES_MAX when all are read. */
static uint32_t port_next(const struct replay *r)
{
	uint32_t best = CV_CONF_DEVICES_MAX;

	for (uint32_t i = 0; i < r->conf->dpdk.n_ports; i++) {
		if (r->head[i] != NULL &&
		    (best == CV_CONF_DEVICES_MAX || ts_ms(r->head[i]) < ts_ms(r->head[best])))
			best = i;
	}
	return best;
}

static void replay(struct replay *r)
{
	unsigned int turn_of = 0;
	uint32_t port;

	r->now_ms = EPOCH_MS;
	while ((port = port_next(r)) != CV_CONF_DEVICES_MAX) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(r->mbufs);
		uint32_t len = r->head[port]->caplen;
		char *data;

		clock_to(r, ts_ms(r->head[port]));
		data = m != NULL ? rte_pktmbuf_append(m, (uint16_t)len) : NULL;
		if (data == NULL)
			die("input", "a packet does not fit a buffer");
		memcpy(data, r->data[port], len);
		m->port = (uint16_t)port;
		/* With several workers: each packet comes by another queue than the one before. */
		cv_dp_burst(cv_dp_worker_get(r->dp, turn_of++ % r->conf->dpdk.workers),
			    cv_view_pub_current(r->pub), &m, 1, r->now_ms);
		for (unsigned int w = 0; w < r->conf->dpdk.workers; w++)
			cv_dp_worker_flush(cv_dp_worker_get(r->dp, w));
		turn(r);
		in_next(r, port);
	}
}

static void report(const struct replay *r)
{
	struct cv_stats *const *stats = cv_dp_stats(r->dp);
	unsigned int n = r->conf->dpdk.workers;

	printf("{\n");
	for (int i = 1; i < CV_DROP_N; i++) {
		uint64_t sum = cv_stats_drop_sum(stats, n, (enum cv_drop)i);

		if (sum > 0)
			printf("  \"drop %s\": %llu,\n", cv_drop_name((enum cv_drop)i),
			       (unsigned long long)sum);
	}
	for (int i = 0; i < CV_EV_N; i++) {
		uint64_t sum = cv_stats_event_sum(stats, n, (enum cv_event)i);

		printf("  \"%s\": %llu%s\n", cv_event_name((enum cv_event)i),
		       (unsigned long long)sum, i + 1 < CV_EV_N ? "," : "");
	}
	printf("}\n");
}

static void finish(struct replay *r)
{
	for (uint32_t i = 0; i < r->conf->dpdk.n_ports; i++) {
		if (r->in[i] != NULL)
			pcap_close(r->in[i]);
		pcap_dump_close(r->out[i]);
	}
	pcap_close(r->out_format);
	cv_dp_destroy(r->dp);
	cv_view_pub_destroy(r->pub);
	cv_plan_destroy(r->plan);
	cv_plan_slots_destroy(r->slots);
	cv_snat_registry_destroy(r->registry);
	cv_conf_destroy(r->conf);
	free(r->neigh);
	rte_mempool_free(r->mbufs);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0],
		       (char *)(uintptr_t) "--no-huge",
		       (char *)(uintptr_t) "--no-pci",
		       (char *)(uintptr_t) "--no-shconf",
		       (char *)(uintptr_t) "--no-telemetry",
		       (char *)(uintptr_t) "-m",
		       (char *)(uintptr_t) "128",
		       (char *)(uintptr_t) "--log-level=error"};
	struct cv_errs errs = {0};
	struct replay r = {0};

	if (argc != 4) {
		fprintf(stderr, "usage: replay CONF.json IN_DIR OUT_DIR\n");
		return 2;
	}
	if (rte_eal_init((int)CV_ARRAY_LEN(eal), eal) < 0)
		die("EAL", "does not start");
	r.conf = cv_conf_load(argv[1], &errs);
	if (r.conf == NULL)
		errs_die(&errs, argv[1]);
	if (r.conf->dpdk.n_ports > PORTS_MAX)
		die(argv[1], "too many ports");
	start(&r);
	files_open(&r, argv[2], argv[3]);
	replay(&r);
	report(&r);
	finish(&r);
	cv_errs_fini(&errs);
	return 0;
}
