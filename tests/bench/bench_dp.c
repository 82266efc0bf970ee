/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Cycles per packet of the packet core: established flows at several table sizes, both directions, PROXY
 * on and off; and cycles per new connection from SYN to linger. No ports: frames are written into
 * buffers, and only cv_dp_burst() and the flush are timed. Prints one JSON document.
 *
 * Usage: bench_dp [packets per measurement] [EAL core]
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_tcp.h>

#include "cv_dp.h"
#include "cv_tcp.h"

#define ROUNDS 5
#define BURST 64
#define FRAME 60
#define N_TARGETS 32
#define FLOWS_MAX 1048576
#define CLIENT_NET 0x0a800000u
#define ENI 0x0a010014u
#define NODE 0x0a00000au
#define TARGET 0x0a00001eu
#define TARGET_PORT 8080
#define ISN 1000u

enum { VPC_C, VPC_P };

struct bench {
	struct cv_dp *dp;
	struct cv_dp_worker *worker;
	struct cv_view_pub *pub;
	struct cv_snat_registry *registry;
	struct rte_mempool *mbufs;
	cv_neigh_t neigh[N_TARGETS];
	struct cv_view_vpc vpcs[2];
	uint64_t now_ms;
	uint32_t n_flows;
	uint32_t *order;             /* shape [n_flows]: flows in an order that looks random */
	uint8_t (*frames[2])[FRAME]; /* shape [2][n_flows]: by direction, in that order */
	struct rte_mbuf *sent[2 * BURST];
	unsigned int n_sent;
	bool proxy;
};

static void die(const char *what)
{
	fprintf(stderr, "bench_dp: %s failed\n", what);
	exit(1);
}

static uint16_t bench_tx(void *arg, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			 uint16_t n)
{
	struct bench *b = arg;

	(void)worker;
	(void)port;
	memcpy(&b->sent[b->n_sent], pkts, n * sizeof(*pkts));
	b->n_sent += n;
	return n;
}

static const struct cv_snat_cfg SNAT = {
	.port_first = 10000, .n_ports = 55000, .rest_ms = 60000, .n_slices = 1, .one_thread = true};
static const struct cv_view_path PATHS[] = {{CV_VIEW_DIRECT, 0}, {1, 0}};

static void publish(struct bench *b)
{
	static struct cv_view_target targets[N_TARGETS];
	static uint32_t choice_targets[N_TARGETS];
	static struct cv_view_pool pools[N_TARGETS];
	const cv_be32_t node_ip = cv_be32(NODE);
	const struct cv_view_local locals[] = {
		{cv_be32(ENI), VPC_C, CV_VIEW_ENI, 1, 0, 1},
		{node_ip, VPC_P, CV_VIEW_NODE, CV_VIEW_DIRECT, 0, CV_VIEW_PATH_DIRECT},
	};
	struct cv_view_endpoint eps[2] = {{.used = true, .sg_any = true},
					  {.used = true, .sg_any = true}};
	const struct cv_view_node node = {true, VPC_P, 0, 0, 0, 1, true, 0, 0};
	const struct cv_view_listener listener = {true, 0, 80, 350, 0, 0};
	const struct cv_view_choice choice = {0, N_TARGETS};
	const struct cv_view_group group = {true, b->proxy, false};
	struct cv_view_spec spec = {
		.gen = 1,
		.n_ports = 2,
		.n_zones = 1,
		.n_vpcs = 2,
		.n_locals = 2,
		.n_paths = 2,
		.n_endpoints = 2,
		.n_nodes = 1,
		.n_node_ips = 1,
		.n_listeners = 1,
		.n_choices = 1,
		.n_choice_targets = N_TARGETS,
		.n_groups = 1,
		.n_targets = N_TARGETS,
		.n_pools = N_TARGETS,
		.vpcs = b->vpcs,
		.locals = locals,
		.paths = PATHS,
		.endpoints = eps,
		.nodes = &node,
		.node_ips = &node_ip,
		.listeners = &listener,
		.choices = &choice,
		.choice_targets = choice_targets,
		.groups = &group,
		.targets = targets,
		.pools = pools,
		.neigh = b->neigh,
		.n_neigh = N_TARGETS,
		.settings = {.syn_ms = 30000, .fin_ms = 60000, .linger_ms = 2000},
	};
	struct cv_view *view;

	for (uint16_t i = 0; i < 2; i++)
		b->vpcs[i] =
			(struct cv_view_vpc){true, i, 0, (uint16_t)(0x1002 + (i << 4)), 1460, 1500};
	cv_ppv2_aws_template(eps[0].ppv2, NULL);
	cv_ppv2_aws_template(eps[1].ppv2, "vpce-00000000000000001");
	for (uint32_t i = 0; i < N_TARGETS; i++) {
		targets[i] = (struct cv_view_target){true, cv_be32(TARGET + i),
						     cv_be16(TARGET_PORT), VPC_P, i};
		choice_targets[i] = i;
		b->neigh[i] = CV_NEIGH_KNOWN | 0x020000000002ULL;
		pools[i].key = (struct cv_snat_key){node_ip, targets[i].ip, targets[i].port, VPC_P};
		if (cv_snat_registry_get(b->registry, &pools[i].key, &SNAT, &pools[i].pool) != 0)
			die("pool");
	}
	if (cv_view_create(&spec, &view) != 0 || cv_view_pub_publish(b->pub, view) != 0)
		die("view");
}

static void bench_init(struct bench *b, uint32_t n_flows, bool proxy)
{
	struct cv_dp_cfg cfg = {.n_workers = 1,
				.n_flows = n_flows,
				.n_ports = 2,
				.n_obj = {2, 1, N_TARGETS},
				.tx = bench_tx,
				.seed = 1};

	memset(b, 0, sizeof(*b));
	b->n_flows = n_flows;
	b->proxy = proxy;
	b->now_ms = 1000000;
	b->mbufs = rte_mempool_lookup("bench");
	if (b->mbufs == NULL)
		b->mbufs = rte_pktmbuf_pool_create("bench", 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
						   0);
	b->registry = cv_snat_registry_create();
	b->pub = cv_view_pub_create(1);
	b->order = malloc(n_flows * sizeof(*b->order));
	b->frames[0] = malloc((size_t)n_flows * FRAME);
	b->frames[1] = malloc((size_t)n_flows * FRAME);
	cfg.mbufs = b->mbufs;
	cfg.pub = b->pub;
	cfg.tx_arg = b;
	cfg.tsc_hz = rte_get_tsc_hz();
	if (b->mbufs == NULL || b->registry == NULL || b->pub == NULL || b->order == NULL ||
	    b->frames[0] == NULL || b->frames[1] == NULL || cv_dp_create(&cfg, &b->dp) != 0)
		die("allocation");
	b->worker = cv_dp_worker_get(b->dp, 0);
	publish(b);
	for (uint32_t i = 0; i < n_flows; i++)
		b->order[i] = i;
	for (uint32_t i = n_flows - 1, x = 7; i > 0; i--) {
		uint32_t j, t;

		x = x * 1664525 + 1013904223;
		j = (uint32_t)(((uint64_t)x * (i + 1)) >> 32);
		t = b->order[i];
		b->order[i] = b->order[j];
		b->order[j] = t;
	}
}

static void bench_fini(struct bench *b)
{
	cv_dp_destroy(b->dp);
	cv_view_pub_destroy(b->pub);
	cv_snat_registry_destroy(b->registry);
	free(b->order);
	free(b->frames[0]);
	free(b->frames[1]);
}

static void frame_ip(uint8_t *f, uint16_t mac_prefix, cv_be32_t src, cv_be32_t dst)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(f + 14);

	memset(f, 0, FRAME);
	cv_mac_of_ip(mac_prefix, dst, f);
	memcpy(f + 6, "\x02\xcc\x00\x00\x00\x01\x08\x00", 8);
	ip->version_ihl = 0x45;
	ip->total_length = cv_be16(40);
	ip->time_to_live = 64;
	ip->next_proto_id = 6;
	ip->src_addr = src;
	ip->dst_addr = dst;
	ip->hdr_checksum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
}

static void frame_tcp(uint8_t *f, uint16_t sport, uint16_t dport, uint32_t seq, uint32_t ack,
		      uint8_t flags)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)(f + 34);

	tcp->src_port = sport;
	tcp->dst_port = dport;
	tcp->sent_seq = cv_be32(seq);
	tcp->recv_ack = cv_be32(ack);
	tcp->data_off = 0x50;
	tcp->tcp_flags = flags;
	tcp->rx_win = 0xffff;
	tcp->cksum = 0x1234;
}

/* A client's frame of flow i; payload of `len` bytes. */
static void client_frame(const struct bench *b, uint8_t *f, uint32_t i, uint32_t seq, uint8_t flags,
			 uint16_t len)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(f + 14);

	frame_ip(f, b->vpcs[VPC_C].mac_prefix, cv_be32(CLIENT_NET + i / 50000), cv_be32(ENI));
	frame_tcp(f, cv_be16((uint16_t)(1024 + i % 50000)), cv_be16(80), seq,
		  (flags & CV_TCP_ACK) != 0 ? ISN + 1 : 0, flags);
	ip->total_length = cv_be16((uint16_t)(40 + len));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
}

/* Runs frames through the core; frees what came out. Returns cycles of the core alone. */
static uint64_t run(struct bench *b, uint8_t (*frames)[FRAME], uint16_t port, unsigned int n)
{
	const struct cv_view *view = cv_view_pub_current(b->pub);
	struct rte_mbuf *pkts[BURST];
	uint64_t start, cycles;

	if (rte_pktmbuf_alloc_bulk(b->mbufs, pkts, n) != 0)
		die("mbuf allocation");
	for (unsigned int i = 0; i < n; i++) {
		memcpy(rte_pktmbuf_append(pkts[i], FRAME), frames[i], FRAME);
		pkts[i]->port = port;
	}
	b->n_sent = 0;
	start = rte_rdtsc_precise();
	cv_dp_burst(b->worker, view, pkts, (uint16_t)n, b->now_ms);
	cv_dp_worker_flush(b->worker);
	cycles = rte_rdtsc_precise() - start;
	if (b->n_sent != n)
		die("forwarding: packets were dropped, so it");
	return cycles;
}

static void done(struct bench *b)
{
	rte_pktmbuf_free_bulk(b->sent, b->n_sent);
}

/* The target's answer to a frame that went to it. */
static void answer_frame(const struct bench *b, const struct rte_mbuf *m, uint8_t *f, uint32_t ack,
			 uint8_t flags)
{
	const uint8_t *out = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(const void *)(out + 14);
	const struct rte_tcp_hdr *tcp = (const struct rte_tcp_hdr *)(const void *)(out + 34);

	frame_ip(f, b->vpcs[VPC_P].mac_prefix | CV_MAC_NODE, ip->dst_addr, ip->src_addr);
	frame_tcp(f, tcp->dst_port, tcp->src_port, flags & CV_TCP_SYN ? ISN : ISN + 1, ack, flags);
}

/* Opens `n` flows of `order` from `at`; leaves their frames of an established flow behind. */
static uint64_t open_flows(struct bench *b, uint32_t at, unsigned int n)
{
	uint32_t h = b->proxy ? CV_PPV2_AWS_LEN : 0;
	uint8_t in[BURST][FRAME], back[BURST][FRAME];
	uint64_t cycles;

	for (unsigned int i = 0; i < n; i++)
		client_frame(b, in[i], b->order[at + i], ISN, CV_TCP_SYN, 0);
	cycles = run(b, in, 0, n);
	for (unsigned int i = 0; i < n; i++) {
		answer_frame(b, b->sent[i], back[i], ISN + 1 - h, CV_TCP_SYN | CV_TCP_ACK);
		answer_frame(b, b->sent[i], b->frames[1][at + i], ISN + 2, CV_TCP_ACK);
	}
	done(b);
	cycles += run(b, back, 1, n);
	done(b);
	/* Handshake ACK, first payload with the header, and the target's ACK of both. */
	for (unsigned int i = 0; i < n; i++)
		client_frame(b, in[i], b->order[at + i], ISN + 1, CV_TCP_ACK, 0);
	cycles += run(b, in, 0, n);
	done(b);
	for (unsigned int i = 0; i < n; i++)
		client_frame(b, in[i], b->order[at + i], ISN + 1, CV_TCP_ACK, 1);
	cycles += run(b, in, 0, n);
	done(b);
	cycles += run(b, &b->frames[1][at], 1, n);
	done(b);
	for (unsigned int i = 0; i < n; i++)
		client_frame(b, b->frames[0][at + i], b->order[at + i], ISN + 2, CV_TCP_ACK, 0);
	return cycles;
}

/* Closes flows from both sides. */
static uint64_t close_flows(struct bench *b, uint32_t at, unsigned int n)
{
	uint8_t in[BURST][FRAME], back[BURST][FRAME];
	uint64_t cycles;

	for (unsigned int i = 0; i < n; i++)
		client_frame(b, in[i], b->order[at + i], ISN + 2, CV_TCP_FIN | CV_TCP_ACK, 0);
	cycles = run(b, in, 0, n);
	for (unsigned int i = 0; i < n; i++)
		answer_frame(b, b->sent[i], back[i], ISN + 3, CV_TCP_FIN | CV_TCP_ACK);
	done(b);
	cycles += run(b, back, 1, n);
	done(b);
	for (unsigned int i = 0; i < n; i++) {
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)(in[i] + 34);

		client_frame(b, in[i], b->order[at + i], ISN + 3, CV_TCP_ACK, 0);
		tcp->recv_ack = cv_be32(ISN + 2);
	}
	cycles += run(b, in, 0, n);
	done(b);
	return cycles;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *v)
{
	qsort(v, ROUNDS, sizeof(*v), compare);
	return v[ROUNDS / 2];
}

static void bench_established(uint32_t n_flows, bool proxy, uint64_t pkts, bool last)
{
	static struct bench b;
	double per[2][ROUNDS];
	uint32_t at = 0;

	bench_init(&b, n_flows, proxy);
	for (at = 0; at < n_flows; at += RTE_MIN(n_flows - at, (uint32_t)BURST))
		open_flows(&b, at, RTE_MIN(n_flows - at, (uint32_t)BURST));
	for (int round = 0; round < ROUNDS; round++) {
		for (unsigned int dir = 0; dir < 2; dir++) {
			uint64_t cycles = 0, n = 0;

			for (at = 0; n<pkts; at = at + 2 * BURST> n_flows ? 0 : at + BURST) {
				cycles += run(&b, &b.frames[dir][at], (uint16_t)dir, BURST);
				done(&b);
				n += BURST;
			}
			per[dir][round] = (double)cycles / (double)n;
		}
	}
	printf("    {\"flows\": %u, \"proxy\": %s, \"client_to_target_cycles\": %.1f, "
	       "\"target_to_client_cycles\": %.1f}%s\n",
	       n_flows, proxy ? "true" : "false", median(per[0]), median(per[1]), last ? "" : ",");
	fflush(stdout);
	bench_fini(&b);
}

/*
 * Packets per second with receive and transmit included, as a replaying driver does them: buffers from the
 * pool, a copy of each frame, and back to the pool. Without the core: what that alone costs.
 */
static double replay_rate(struct bench *b, bool core, uint64_t pkts)
{
	const struct cv_view *view = cv_view_pub_current(b->pub);
	uint64_t start = rte_rdtsc(), n = 0;
	uint32_t at = 0;

	while (n < pkts) {
		struct rte_mbuf *burst[BURST];
		/* Bursts of both directions in turn. */
		uint16_t dir = (n / BURST) & 1;

		if (rte_pktmbuf_alloc_bulk(b->mbufs, burst, BURST) != 0)
			die("mbuf allocation");
		for (unsigned int i = 0; i < BURST; i++) {
			rte_memcpy(rte_pktmbuf_mtod(burst[i], void *), b->frames[dir][at + i],
				   FRAME);
			burst[i]->data_len = FRAME;
			burst[i]->pkt_len = FRAME;
			burst[i]->port = dir;
		}
		b->n_sent = 0;
		if (core) {
			cv_dp_burst(b->worker, view, burst, BURST, b->now_ms);
			cv_dp_worker_flush(b->worker);
		} else {
			bench_tx(b, 0, 0, burst, BURST);
		}
		done(b);
		n += BURST;
		if (dir == 1)
			at = at + 2 * BURST > b->n_flows ? 0 : at + BURST;
	}
	return (double)n * (double)rte_get_tsc_hz() / (double)(rte_rdtsc() - start) / 1e6;
}

static void bench_replay(uint32_t n_flows, uint64_t pkts, bool last)
{
	static struct bench b;
	double rate[2][ROUNDS];

	bench_init(&b, n_flows, true);
	for (uint32_t at = 0; at < n_flows; at += RTE_MIN(n_flows - at, (uint32_t)BURST))
		open_flows(&b, at, RTE_MIN(n_flows - at, (uint32_t)BURST));
	for (int round = 0; round < ROUNDS; round++)
		for (int core = 0; core < 2; core++)
			rate[core][round] = replay_rate(&b, core != 0, pkts);
	printf("    {\"flows\": %u, \"mpps\": %.1f, \"mpps_without_core\": %.1f}%s\n", n_flows,
	       median(rate[1]), median(rate[0]), last ? "" : ",");
	fflush(stdout);
	bench_fini(&b);
}

static void bench_connections(bool proxy, bool last)
{
	static struct bench b;
	double per[ROUNDS];
	uint32_t n = 65536;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t cycles = 0;

		bench_init(&b, n, proxy);
		for (uint32_t at = 0; at < n; at += BURST) {
			cycles += open_flows(&b, at, BURST);
			cycles += close_flows(&b, at, BURST);
		}
		per[round] = (double)cycles / n;
		bench_fini(&b);
	}
	printf("    {\"proxy\": %s, \"packets\": 8, \"cycles\": %.0f}%s\n",
	       proxy ? "true" : "false", median(per), last ? "" : ",");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1000, 50000, FLOWS_MAX};
	uint64_t pkts = argc > 1 ? strtoull(argv[1], NULL, 10) : 4000000;
	char core[16] = "1";
	char *eal[] = {argv[0],
		       (char *)(uintptr_t) "-l",
		       core,
		       (char *)(uintptr_t) "--no-huge",
		       (char *)(uintptr_t) "--no-pci",
		       (char *)(uintptr_t) "--no-shconf",
		       (char *)(uintptr_t) "--no-telemetry",
		       (char *)(uintptr_t) "-m",
		       (char *)(uintptr_t) "256",
		       (char *)(uintptr_t) "--log-level=error"};

	if (argc > 2)
		snprintf(core, sizeof(core), "%s", argv[2]);
	if (rte_eal_init((int)CV_ARRAY_LEN(eal), eal) < 0)
		die("EAL start");
	printf("{\n  \"tsc_hz\": %llu, \"burst\": %d, \"rounds\": %d, \"packets_per_round\": %llu,\n",
	       (unsigned long long)rte_get_tsc_hz(), BURST, ROUNDS, (unsigned long long)pkts);
	printf("  \"method\": \"median cycles of cv_dp_burst and flush per 60-byte frame, flows in "
	       "random order, frames written to buffers beforehand, no driver\",\n");
	printf("  \"established\": [\n");
	for (size_t i = 0; i < CV_ARRAY_LEN(sizes); i++) {
		bench_established(sizes[i], true, pkts, false);
		bench_established(sizes[i], false, pkts, i == CV_ARRAY_LEN(sizes) - 1);
	}
	printf("  ],\n  \"replay\": [\n");
	for (size_t i = 0; i < CV_ARRAY_LEN(sizes); i++)
		bench_replay(sizes[i], pkts, i == CV_ARRAY_LEN(sizes) - 1);
	printf("  ],\n  \"connections\": [\n");
	bench_connections(true, false);
	bench_connections(false, true);
	printf("  ]\n}\n");
	return 0;
}
