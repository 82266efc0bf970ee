/* SPDX-License-Identifier: BSD-3-Clause */

/* The region, its flows and their frames; the loops are in rig_replay.c. */

#include "rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_tcp.h>

#include "cv_tcp.h"

#define CLIENT_PORTS 50000u
#define ISN_TARGET 1000u

void rig_die(const char *what)
{
	fprintf(stderr, "%s: %s failed\n", program_invocation_short_name, what);
	exit(1);
}

void rig_eal(const char *cores, bool huge, const char *const *more)
{
	static const char *const small[] = {"--no-huge", "-m", "512"};
	static const char *const common[] = {"--no-pci", "--no-shconf", "--no-telemetry",
					     "--log-level=error", "--lcores"};
	static char *argv[32];
	int n = 0;

	argv[n++] = strdup("bench");
	for (size_t i = 0; i < CV_ARRAY_LEN(common); i++)
		argv[n++] = strdup(common[i]);
	argv[n++] = strdup(cores);
	for (size_t i = 0; !huge && i < CV_ARRAY_LEN(small); i++)
		argv[n++] = strdup(small[i]);
	if (huge)
		argv[n++] = strdup("--in-memory");
	for (; more != NULL && *more != NULL && n < 31; more++)
		argv[n++] = strdup(*more);
	if (rte_eal_init(n, argv) < 0)
		rig_die("EAL start");
}

/* Keeps what is sent while flows are opened, else frees it. */
uint16_t rig_tx(void *arg, unsigned int worker, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct rig *r = arg;

	r->sent[worker].pkts[port] += n;
	if (r->ethdev)
		return rte_eth_tx_burst(port, 0, pkts, n);
	if (__builtin_expect(!r->catching, 1)) {
		rte_pktmbuf_free_bulk(pkts, n);
		return n;
	}
	if (r->n_caught + n > CV_ARRAY_LEN(r->caught))
		rig_die("catching what is sent");
	for (uint16_t i = 0; i < n; i++) {
		r->caught_by[r->n_caught] = (uint8_t)worker;
		r->caught[r->n_caught++] = pkts[i];
	}
	return n;
}

/* A target per address and a pool for each; and their neighbours. */
static void targets_make(struct rig *r, struct cv_view_target *targets, uint32_t *choice_targets,
			 struct cv_view_pool *pools)
{
	const cv_be32_t node_ip = cv_be32(r->net.node);
	const struct cv_snat_cfg snat = {.port_first = 10000,
					 .n_ports = r->cfg.n_ports,
					 .rest_ms = r->cfg.rest_ms,
					 .n_slices = (uint16_t)r->cfg.n_workers,
					 .one_thread = r->cfg.n_workers == 1};

	for (uint32_t i = 0; i < r->cfg.n_targets; i++) {
		targets[i] = (struct cv_view_target){true, cv_be32(r->net.target + i),
						     cv_be16(r->net.target_port), RIG_VPC_P, i};
		choice_targets[i] = i;
		r->neigh[i] = CV_NEIGH_KNOWN | 0x020000000002ULL;
		pools[i].key =
			(struct cv_snat_key){node_ip, targets[i].ip, targets[i].port, RIG_VPC_P};
		if (cv_snat_registry_get(r->registry, &pools[i].key, &snat, &pools[i].pool) != 0)
			rig_die("pool");
	}
}

/* ENIs of the view, for as long as it is made: each with an endpoint and a path of its own. */
struct enis {
	struct cv_view_local *locals;
	struct cv_view_path *paths;
	struct cv_view_endpoint *endpoints;
};

static struct enis enis_make(const struct rig *r)
{
	const size_t n = (size_t)r->cfg.n_enis + 1;
	struct enis enis = {calloc(n, sizeof(*enis.locals)), calloc(n, sizeof(*enis.paths)),
			    calloc(n, sizeof(*enis.endpoints))};

	if (enis.locals == NULL || enis.paths == NULL || enis.endpoints == NULL)
		rig_die("allocation");
	/* The first is no ENI: the node itself. */
	enis.locals[0] =
		(struct cv_view_local){cv_be32(r->net.node), RIG_VPC_P, CV_VIEW_NODE,
				       CV_VIEW_DIRECT,       0,         CV_VIEW_PATH_DIRECT};
	enis.paths[0] = (struct cv_view_path){CV_VIEW_DIRECT, 0};
	enis.endpoints[0] = (struct cv_view_endpoint){.used = true, .sg_any = true};
	cv_ppv2_aws_template(enis.endpoints[0].ppv2, NULL);
	for (uint32_t i = 1; i < n; i++) {
		enis.locals[i] = (struct cv_view_local){
			cv_be32(r->net.eni + i - 1), RIG_VPC_C, CV_VIEW_ENI, i, 0, i};
		enis.paths[i] = (struct cv_view_path){i, 0};
		enis.endpoints[i] = enis.endpoints[0];
		cv_ppv2_aws_template(enis.endpoints[i].ppv2, "vpce-00000000000000001");
	}
	return enis;
}

void rig_publish(struct rig *r)
{
	static struct cv_view_target targets[RIG_TARGETS_MAX];
	static uint32_t choice_targets[RIG_TARGETS_MAX];
	static struct cv_view_pool pools[RIG_TARGETS_MAX];
	static uint64_t gen;
	struct cv_view_vpc vpcs[RIG_N_VPCS] = {0};
	const uint32_t n = r->cfg.n_targets;
	const cv_be32_t node_ip = cv_be32(r->net.node);
	struct enis enis = enis_make(r);
	const struct cv_view_node node = {true, RIG_VPC_P, 0, 0, 0, 1, true, 0, 0};
	const struct cv_view_listener listener = {true, 0, 80, 350, 0, 0};
	const struct cv_view_choice choice = {0, n};
	const struct cv_view_group group = {true, r->cfg.proxy, false};
	struct cv_view_spec spec = {
		.gen = ++gen,
		.n_ports = 2,
		.n_zones = 1,
		.n_vpcs = RIG_N_VPCS,
		.n_locals = r->cfg.n_enis + 1,
		.n_paths = r->cfg.n_enis + 1,
		.n_endpoints = r->cfg.n_enis + 1,
		.n_nodes = 1,
		.n_node_ips = 1,
		.n_listeners = 1,
		.n_choices = 1,
		.n_choice_targets = n,
		.n_groups = 1,
		.n_targets = n,
		.n_pools = n,
		.vpcs = vpcs,
		.locals = enis.locals,
		.paths = enis.paths,
		.endpoints = enis.endpoints,
		.nodes = &node,
		.node_ips = &node_ip,
		.listeners = &listener,
		.choices = &choice,
		.choice_targets = choice_targets,
		.groups = &group,
		.targets = targets,
		.pools = pools,
		.neigh = r->neigh,
		.n_neigh = n,
		.settings = {.syn_ms = 30000,
			     .fin_ms = 60000,
			     .linger_ms = r->cfg.linger_ms,
			     /* culvertd's own default */
			     .half_open_max = RTE_MAX(r->cfg.n_flows / 4, 1u)},
	};
	struct cv_view *view;

	for (uint16_t i = 0; i < 2; i++)
		vpcs[i] = (struct cv_view_vpc){true, r->net.port[i], 0,   r->net.mac_prefix[i],
					       1460, 1500,           1500};
	targets_make(r, targets, choice_targets, pools);
	rig_vxlan_put(r, &spec, vpcs);
	if (cv_view_create(&spec, &view) != 0 || cv_view_pub_publish(r->pub, view) != 0)
		rig_die("view");
	free(enis.locals);
	free(enis.paths);
	free(enis.endpoints);
}

struct rig *rig_attach(const struct rig_cfg *cfg, const struct rig_net *net, struct cv_dp *dp,
		       struct cv_view_pub *pub)
{
	struct rig *r = aligned_alloc(64, (sizeof(*r) + 63) / 64 * 64);

	if (r == NULL)
		rig_die("allocation");
	memset(r, 0, sizeof(*r));
	r->cfg = *cfg;
	if (r->cfg.n_workers == 0)
		r->cfg.n_workers = 1;
	if (r->cfg.n_targets == 0)
		r->cfg.n_targets = 32;
	if (r->cfg.n_enis == 0)
		r->cfg.n_enis = 1;
	if (r->cfg.n_ports == 0)
		r->cfg.n_ports = 55000;
	if (r->cfg.rest_ms == 0)
		r->cfg.rest_ms = 60000;
	if (r->cfg.linger_ms == 0)
		r->cfg.linger_ms = 2000;
	r->net = *net;
	r->dp = dp;
	r->pub = pub;
	r->mbufs = rte_mempool_lookup("rig");
	if (r->mbufs == NULL)
		r->mbufs =
			rte_pktmbuf_pool_create("rig", 16383, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	r->n_slots = cfg->n_flows * r->cfg.n_workers;
	r->flows = malloc((size_t)r->n_slots * sizeof(*r->flows));
	if (r->mbufs == NULL || r->flows == NULL)
		rig_die("allocation");
	/* Written now: it must not count as memory of flows that are opened later. */
	memset(r->flows, 0xff, (size_t)r->n_slots * sizeof(*r->flows));
	return r;
}

struct rig *rig_create(const struct rig_cfg *cfg)
{
	static const struct rig_net net = {.clients = 0x0a800000,
					   .eni = 0x0a010014,
					   .node = 0x0a00000a,
					   .target = 0x0a00001e,
					   .listener_port = 80,
					   .target_port = 8080,
					   .mac_prefix = {0x1002, 0x1012},
					   .port = {0, 1}};
	unsigned int n_workers = cfg->n_workers > 0 ? cfg->n_workers : 1;
	struct cv_view_pub *pub = cv_view_pub_create(n_workers);
	struct rig *r = rig_attach(cfg, &net, NULL, pub);
	const struct cv_dp_cfg dp = {
		.n_workers = n_workers,
		.n_flows = cfg->n_flows,
		.n_ports = 2,
		.n_obj = {[CV_STATS_PATH] = r->cfg.n_enis + 1,
			  [CV_STATS_LISTENER] = 1,
			  [CV_STATS_TARGET] = r->cfg.n_targets},
		.mbufs = r->mbufs,
		.pub = pub,
		.tx = rig_tx,
		.tx_arg = r,
		.seed = 1,
		.tsc_hz = rte_get_tsc_hz(),
	};

	r->registry = cv_snat_registry_create();
	if (r->registry == NULL || pub == NULL || cv_dp_create(&dp, &r->dp) != 0)
		rig_die("data plane");
	r->now_ms = cv_dp_now_ms(r->dp);
	rig_publish(r);
	return r;
}

void rig_destroy(struct rig *r)
{
	if (r == NULL)
		return;
	if (r->registry != NULL) {
		cv_dp_destroy(r->dp);
		cv_view_pub_destroy(r->pub);
		cv_snat_registry_destroy(r->registry);
	}
	free(r->flows);
	free(r);
}

/* ---- frames ---- */

static struct rig_flow *flow_at(const struct rig *r, uint32_t flow)
{
	return &r->flows[flow % r->n_slots];
}

static void frame_ip(uint8_t *f, uint16_t mac_prefix, cv_be32_t src, cv_be32_t dst,
		     uint16_t payload)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(f + 14);

	memset(f, 0, 60);
	cv_mac_of_ip(mac_prefix, dst, f);
	memcpy(f + 6, "\x02\xcc\x00\x00\x00\x01\x08\x00", 8);
	ip->version_ihl = 0x45;
	ip->total_length = cv_be16((uint16_t)(40 + payload));
	ip->time_to_live = 64;
	ip->next_proto_id = 6;
	ip->src_addr = src;
	ip->dst_addr = dst;
	ip->hdr_checksum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
}

static void frame_tcp(uint8_t *f, uint32_t seq, uint32_t ack, uint8_t flags)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)(f + 34);

	tcp->sent_seq = cv_be32(seq);
	tcp->recv_ack = (flags & CV_TCP_ACK) != 0 ? cv_be32(ack) : 0;
	tcp->data_off = 0x50;
	tcp->tcp_flags = flags;
	tcp->rx_win = 0xffff;
	tcp->cksum = 0x1234;
}

/* A flow's number can be read off its SYN wherever that comes out. */
static uint32_t isn_of(uint32_t flow)
{
	return flow + 1000;
}

void rig_client_frame(const struct rig *r, uint32_t flow, struct rig_seg seg, uint8_t *f)
{
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)(f + 34);

	frame_ip(f, r->net.mac_prefix[RIG_C2T], cv_be32(r->net.clients + flow / CLIENT_PORTS),
		 cv_be32(r->net.eni + flow % r->cfg.n_enis), seg.payload);
	tcp->src_port = cv_be16((uint16_t)(1024 + flow % CLIENT_PORTS));
	tcp->dst_port = cv_be16(r->net.listener_port);
	frame_tcp(f, isn_of(flow) + seg.seq, ISN_TARGET + seg.ack, seg.flags);
}

void rig_target_frame(const struct rig *r, uint32_t flow, struct rig_seg seg, uint8_t *f)
{
	const struct rig_flow *fl = flow_at(r, flow);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)(f + 34);

	frame_ip(f, r->net.mac_prefix[RIG_T2C] | CV_MAC_NODE, cv_be32(r->net.target + fl->target),
		 cv_be32(r->net.node), seg.payload);
	tcp->src_port = cv_be16(r->net.target_port);
	tcp->dst_port = fl->node_port;
	frame_tcp(f, ISN_TARGET + seg.seq, isn_of(flow) + seg.ack, seg.flags);
}

void rig_frame(const struct rig *r, uint32_t flow, enum rig_dir dir, uint16_t len, uint8_t *f)
{
	uint16_t payload = len > 60 ? (uint16_t)(len - 54) : 0;

	memset(f + 54, 0x5a, len - 54);
	if (dir == RIG_C2T)
		rig_client_frame(r, flow, (struct rig_seg){2, 1, CV_TCP_ACK, payload}, f);
	else
		rig_target_frame(r, flow, (struct rig_seg){1, 2, CV_TCP_ACK, payload}, f);
}

/* ---- flows ---- */

uint16_t rig_rx(struct rig *r, struct rig_src src, struct rte_mbuf **pkts, uint16_t n)
{
	if (rte_pktmbuf_alloc_bulk(r->mbufs, pkts, n) != 0)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		memcpy(rte_pktmbuf_mtod(m, void *), src.frames + (size_t)i * src.stride, src.len);
		m->pkt_len = src.len;
		m->data_len = src.len;
		m->port = src.port;
	}
	return n;
}

/* A worker's share of some frames, each at its flow's owner; those of no flow yet at the first. */
static void feed_worker(struct rig *r, uint32_t first, unsigned int n, uint8_t (*frames)[64],
			enum rig_dir dir, unsigned int w)
{
	struct cv_dp_worker *worker = cv_dp_worker_get(r->dp, w);
	struct rte_mbuf *pkts[RIG_BURST];
	uint8_t mine[RIG_BURST][128];
	uint16_t n_mine = 0, len = 0;
	uint64_t start;

	for (unsigned int i = 0; i < n; i++) {
		const uint8_t owner = flow_at(r, first + i)->worker;

		if (owner == w || (owner == UINT8_MAX && w == 0))
			memcpy(mine[n_mine++], frames[i], 64);
	}
	for (uint16_t i = 0; i < n_mine; i++)
		len = rig_wrap(r, dir, mine[i], 60);
	if (n_mine == 0)
		return;
	start = rte_rdtsc();
	if (rig_rx(r, (struct rig_src){mine[0], 128, len, r->net.port[dir]}, pkts, n_mine) == 0)
		rig_die("allocation of buffers");
	cv_dp_burst(worker, cv_view_pub_current(r->pub), pkts, n_mine, r->now_ms);
	cv_dp_worker_poll(worker, cv_view_pub_current(r->pub), r->now_ms);
	cv_dp_worker_flush(worker);
	r->fed_cycles += rte_rdtsc() - start;
}

void rig_feed(struct rig *r, uint32_t first, unsigned int n, uint8_t (*frames)[64],
	      enum rig_dir dir)
{
	unsigned int more = 1;

	r->catching = true;
	for (unsigned int w = 0; w < r->cfg.n_workers; w++)
		feed_worker(r, first, n, frames, dir, w);
	while (r->cfg.n_workers > 1 && more > 0) {
		more = 0;
		for (unsigned int w = 0; w < r->cfg.n_workers; w++) {
			struct cv_dp_worker *worker = cv_dp_worker_get(r->dp, w);

			more += cv_dp_worker_poll(worker, cv_view_pub_current(r->pub), r->now_ms);
			cv_dp_worker_flush(worker);
		}
	}
	r->catching = false;
}

unsigned int rig_done(struct rig *r)
{
	unsigned int n = r->n_caught;
	uint64_t start = rte_rdtsc();

	rte_pktmbuf_free_bulk(r->caught, n);
	r->fed_cycles += rte_rdtsc() - start;
	r->n_caught = 0;
	return n;
}

unsigned int rig_syn(struct rig *r, uint32_t first, unsigned int n)
{
	const uint32_t shift = r->cfg.proxy ? CV_PPV2_AWS_LEN : 0;
	const uint16_t outer = (r->cfg.vxlan & 1 << RIG_T2C) != 0 ? RIG_OUTER_LEN : 0;
	uint8_t frames[RIG_BURST][64];

	for (unsigned int i = 0; i < n; i++) {
		flow_at(r, first + i)->worker = UINT8_MAX;
		rig_client_frame(r, first + i, (struct rig_seg){0, 0, CV_TCP_SYN, 0}, frames[i]);
	}
	rig_feed(r, first, n, frames, RIG_C2T);
	for (unsigned int i = 0; i < r->n_caught; i++) {
		const uint8_t *out = rte_pktmbuf_mtod_offset(r->caught[i], const uint8_t *, outer);
		const struct rte_ipv4_hdr *ip =
			(const struct rte_ipv4_hdr *)(const void *)(out + 14);
		const struct rte_tcp_hdr *tcp =
			(const struct rte_tcp_hdr *)(const void *)(out + 34);
		uint32_t flow = cv_be32_host(tcp->sent_seq) + shift - isn_of(0);

		if (flow - first >= n)
			rig_die("finding a flow by its SYN");
		*flow_at(r, flow) = (struct rig_flow){
			.node_port = tcp->src_port,
			.target = (uint8_t)(cv_be32_host(ip->dst_addr) - r->net.target),
			.worker = r->caught_by[i],
		};
	}
	return rig_done(r);
}

static void establish(struct rig *r, uint32_t first, unsigned int n)
{
	const uint32_t h = r->cfg.proxy ? CV_PPV2_AWS_LEN : 0;
	uint8_t frames[RIG_BURST][64];
	unsigned int sent = 0;

	for (unsigned int i = 0; i < n; i++)
		rig_target_frame(r, first + i,
				 (struct rig_seg){0, 1 - h, CV_TCP_SYN | CV_TCP_ACK, 0}, frames[i]);
	rig_feed(r, first, n, frames, RIG_T2C);
	sent += rig_done(r);
	/* The first payload, which the header goes before, and the target's ACK of both. */
	for (unsigned int i = 0; i < n; i++)
		rig_client_frame(r, first + i, (struct rig_seg){1, 1, CV_TCP_ACK, 1}, frames[i]);
	rig_feed(r, first, n, frames, RIG_C2T);
	sent += rig_done(r);
	for (unsigned int i = 0; i < n; i++)
		rig_target_frame(r, first + i, (struct rig_seg){1, 2, CV_TCP_ACK, 0}, frames[i]);
	rig_feed(r, first, n, frames, RIG_T2C);
	sent += rig_done(r);
	if (sent != 3 * n)
		rig_die("opening flows: packets were dropped, so it");
}

void rig_open(struct rig *r, uint32_t n)
{
	while (n > 0) {
		unsigned int k = n < RIG_BURST ? n : RIG_BURST;

		if (rig_syn(r, r->n_open, k) != k)
			rig_die("opening flows: SYNs were dropped, so it");
		establish(r, r->n_open, k);
		r->n_open += k;
		n -= k;
	}
}

void rig_ports_touch(struct rig *r)
{
	for (uint32_t i = 0; i < cv_snat_registry_n(r->registry); i++) {
		struct cv_snat_pool *pool = cv_snat_registry_at(r->registry, i);
		const struct cv_snat_cfg cfg = cv_snat_pool_cfg(pool);
		uint16_t port;

		while (cv_snat_try(pool, 0, r->now_ms, 0, &port) == 0)
			;
		for (uint32_t k = 0; k < cfg.n_ports; k++)
			cv_snat_free(pool, (uint16_t)(cfg.port_first + k), r->now_ms);
	}
	r->now_ms += r->cfg.rest_ms;
}

/* ---- counters ---- */

uint64_t rig_drops(const struct rig *r, enum cv_drop reason)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < r->cfg.n_workers; i++)
		sum += cv_ctr_get(&cv_dp_stats(r->dp)[i]->drop[reason]);
	return sum;
}

uint64_t rig_all_drops(const struct rig *r)
{
	uint64_t sum = 0;

	for (enum cv_drop i = CV_DROP_NONE + 1; i < CV_DROP_N; i++)
		sum += rig_drops(r, i);
	return sum;
}

uint64_t rig_events(const struct rig *r, enum cv_event event)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < r->cfg.n_workers; i++)
		sum += cv_ctr_get(&cv_dp_stats(r->dp)[i]->ev[event]);
	return sum;
}

uint64_t rig_resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size, resident;

	if (f == NULL || fscanf(f, "%lu %lu", &size, &resident) != 2)
		rig_die("reading /proc/self/statm");
	fclose(f);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}
