/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>

#include "world.h"

static const uint8_t TARGET_MACS[2][6] = {{2, 0xaa, 0, 0, 0, 30}, {2, 0xaa, 0, 0, 0, 31}};

void world_eal(void)
{
	static bool done;
	char *argv[] = {(char *)(uintptr_t) "test",
			(char *)(uintptr_t) "--no-huge",
			(char *)(uintptr_t) "--no-pci",
			(char *)(uintptr_t) "--no-shconf",
			(char *)(uintptr_t) "--no-telemetry",
			(char *)(uintptr_t) "-m",
			(char *)(uintptr_t) "256",
			(char *)(uintptr_t) "--log-level=error"};

	if (done)
		return;
	assert_true(rte_eal_init((int)CV_ARRAY_LEN(argv), argv) >= 0);
	done = true;
}

static uint16_t world_tx(void *arg, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			 uint16_t n)
{
	struct world *w = arg;

	n = RTE_MIN(n, w->tx_room);
	for (uint16_t i = 0; i < n; i++) {
		struct world_frame *f = &w->out[w->n_out];

		if (w->n_out < WORLD_CAUGHT_MAX) {
			assert_true(pkts[i]->pkt_len <= WORLD_FRAME_MAX);
			assert_int_equal(pkts[i]->pkt_len, pkts[i]->data_len);
			f->port = port;
			f->worker = (uint8_t)worker;
			f->len = (uint16_t)pkts[i]->pkt_len;
			memcpy(f->data, rte_pktmbuf_mtod(pkts[i], void *), f->len);
			w->n_out++;
		}
		rte_pktmbuf_free(pkts[i]);
	}
	return n;
}

/* Each of our addresses has a path of its own. */
static void world_paths(struct world *w)
{
	for (uint32_t i = 0; i < N_LOCALS; i++) {
		bool direct = w->locals[i].endpoint == EP_DIRECT;

		w->locals[i].path = (i + 1) | (direct ? CV_VIEW_PATH_DIRECT : 0);
		w->paths[i + 1] = (struct cv_view_path){w->locals[i].endpoint, w->locals[i].node};
	}
}

static void world_nodes(struct world *w)
{
	for (uint16_t i = 0; i < 2; i++)
		w->nodes[i] = (struct cv_view_node){.used = true,
						    .vpc = VPC_P,
						    .zone = i,
						    .ip_first = i,
						    .n_ips = 1,
						    .sg_any = true};
}

static void world_parts(struct world *w, uint16_t mtu)
{
	static const struct cv_view_local locals[N_LOCALS] = {
		[LOCAL_A] = {ENI_A, VPC_A, CV_VIEW_ENI, EP_A, 0},
		[LOCAL_A2] = {ENI_A2, VPC_A, CV_VIEW_ENI, EP_A, 1},
		[LOCAL_B] = {ENI_A, VPC_B, CV_VIEW_ENI, EP_B, 0},
		[LOCAL_PENDING] = {ENI_PENDING, VPC_A, CV_VIEW_ENI, EP_PENDING, 0},
		[LOCAL_REJECTED] = {ENI_REJECTED, VPC_A, CV_VIEW_ENI, EP_REJECTED, 0},
		[LOCAL_GUARDED] = {ENI_GUARDED, VPC_A, CV_VIEW_ENI, EP_GUARDED, 0},
		[LOCAL_NODE_0] = {NODE_0, VPC_P, CV_VIEW_NODE, EP_DIRECT, 0},
		[LOCAL_NODE_1] = {NODE_1, VPC_P, CV_VIEW_NODE, EP_DIRECT, 1},
		[LOCAL_NO_NODE] = {ENI_NO_NODE, VPC_A, CV_VIEW_ENI, EP_A, CV_VIEW_NONE},
		[LOCAL_SERVICE] = {SERVICE, VPC_A, CV_VIEW_SERVICE, EP_DIRECT, CV_VIEW_NONE},
		[LOCAL_VTEP_0] = {VTEP_0, VPC_U0, CV_VIEW_SERVICE, EP_DIRECT, CV_VIEW_NONE},
		[LOCAL_VTEP_1] = {VTEP_1, VPC_U1, CV_VIEW_SERVICE, EP_DIRECT, CV_VIEW_NONE},
	};
	static const char *const ids[] = {"vpc-a", "vpc-b", "vpc-p", "under-0", "under-1"};
	static const char *const vpces[N_EPS] = {NULL,
						 "vpce-00000000000000001",
						 "vpce-00000000000000002",
						 "vpce-00000000000000003",
						 "vpce-00000000000000004",
						 "vpce-00000000000000005"};

	for (int i = 0; i < N_VPCS; i++)
		w->vpcs[i] = (struct cv_view_vpc){
			.used = i < VPC_U0,
			.port = i == VPC_P,
			.vlan = i == VPC_B ? 7 : 0,
			.mac_prefix = cv_mac_prefix(ids[i]),
			.mss_max = (uint16_t)RTE_MIN(8365, mtu - 40),
			.mtu = mtu,
			.mtu_by_endpoint = (uint16_t)RTE_MIN(8500, mtu),
			.has_neighs = true,
		};
	for (int i = 0; i < N_EPS; i++) {
		w->endpoints[i] =
			(struct cv_view_endpoint){.used = true, .sg_any = i != EP_GUARDED};
		w->endpoints[i].sg_n = i == EP_GUARDED;
		cv_ppv2_aws_template(w->endpoints[i].ppv2, vpces[i]);
	}
	w->endpoints[EP_PENDING].verdict = CV_DROP_ENDPOINT_PENDING;
	w->endpoints[EP_REJECTED].verdict = CV_DROP_ENDPOINT_REJECTED;
	for (uint32_t i = 0; i < 4; i++)
		w->listeners[i] = (struct cv_view_listener){
			.used = true,
			.port = (uint16_t)(80 + i),
			.idle_s = 350,
			.group = i,
			.zone_first = i < 3 ? 0 : 2,
		};
	w->targets[0] = (struct cv_view_target){true, TARGET_0, cv_be16(TARGET_PORT), VPC_P, 0};
	w->targets[1] = (struct cv_view_target){true, TARGET_1, cv_be16(TARGET_PORT), VPC_P, 1};
	w->services[0] = (struct cv_view_service){SERVICE, cv_be16(53), IPPROTO_UDP};
	w->services[1] = (struct cv_view_service){SERVICE, cv_be16(53), IPPROTO_TCP};
	for (int i = 0; i < 2; i++) {
		uint64_t word = CV_NEIGH_KNOWN;

		memcpy(&word, TARGET_MACS[i], 6);
		w->neigh[i] = word | CV_NEIGH_KNOWN;
	}
	w->settings =
		(struct cv_view_settings){.syn_ms = 30000, .fin_ms = 60000, .linger_ms = 2000};
	memcpy(w->locals, locals, sizeof(locals));
	world_paths(w);
	world_nodes(w);
}

static void world_vxlan(struct world *w)
{
	static const struct {
		uint16_t vpc, under, port, vlan;
		uint32_t vni;
		cv_be32_t vtep, peer;
		uint8_t mac[6];
	} of[2] = {{VPC_B, VPC_U0, 0, 9, VNI_B, VTEP_0, PEER_0, {2, 0xbb, 0, 0, 0, 0}},
		   {VPC_P, VPC_U1, 1, 0, VNI_P, VTEP_1, PEER_1, {2, 0xbb, 0, 0, 0, 1}}};

	w->n_vxlans = N_VPCS;
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t word = 0;

		w->vpcs[of[i].under] = w->vpcs[of[i].vpc];
		w->vpcs[of[i].under].used = true;
		w->vpcs[of[i].under].mac_prefix = cv_mac_prefix(i == 0 ? "under-0" : "under-1");
		w->vpcs[of[i].under].vlan = of[i].vlan;
		w->vpcs[of[i].vpc].port = 2;
		w->vpcs[of[i].vpc].vlan = 0;
		w->vpcs[of[i].vpc].mtu = (uint16_t)(w->vpcs[of[i].under].mtu - CV_VXLAN_LEN);
		w->vpcs[of[i].vpc].mtu_by_endpoint = w->vpcs[of[i].vpc].mtu;
		w->vpcs[of[i].vpc].mss_max = (uint16_t)RTE_MIN(8365, w->vpcs[of[i].vpc].mtu - 40);
		w->vxlans[of[i].under].is_under = true;
		w->vxlans[of[i].vpc] = (struct cv_view_vxlan){.on = true,
							      .under = of[i].under,
							      .vni = of[i].vni,
							      .vtep = of[i].vtep,
							      .peer_first = i,
							      .n_peers = 1};
		w->peers[i] = (struct cv_view_peer){.ip = of[i].peer, .neigh = 2 + i};
		memcpy(&word, of[i].mac, 6);
		w->neigh[2 + i] = word | CV_NEIGH_KNOWN;
	}
	/* Both targets are behind PEER_1. */
	for (uint32_t i = 0; i < 2; i++) {
		w->fars[i].mac_vpc = (w->neigh[i] & ~CV_NEIGH_KNOWN) | (uint64_t)VPC_P << 48;
		w->fars[i].vtep = 3ULL << 32 | PEER_1;
		w->neigh[i] = cv_ticket(CV_TICKET_NEIGH, i) | CV_NEIGH_KNOWN;
	}
}

struct world *world_create(const struct world_cfg *cfg)
{
	struct world *w = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*w), 64));
	struct cv_dp_cfg dp = {0};
	static unsigned int n_worlds;
	char name[24];

	world_eal();
	assert_non_null(w);
	memset(w, 0, sizeof(*w));
	w->n_workers = cfg->n_workers > 0 ? cfg->n_workers : 1;
	w->out = calloc(WORLD_CAUGHT_MAX, sizeof(*w->out));
	w->tx_room = UINT16_MAX;
	w->now_ms = 1000000;
	w->snat = (struct cv_snat_cfg){
		.port_first = cfg->n_ports > 40000 ? 10000 : 20000,
		.n_ports = cfg->n_ports > 0 ? cfg->n_ports : 1000,
		.rest_ms = cfg->rest_ms > 0 ? cfg->rest_ms : 60000,
		.n_slices = (uint16_t)w->n_workers,
	};
	if (cfg->rss != NULL && cfg->rss[1].on && !cfg->vxlan) {
		w->snat_map = cv_snat_map_create(&cfg->rss[1]);
		assert_non_null(w->snat_map);
		w->snat.map = w->snat_map;
	}
	w->registry = cv_snat_registry_create();
	w->pub = cv_view_pub_create(w->n_workers);
	/* A name of its own: after a failed test the pool before is still there. */
	snprintf(name, sizeof(name), "world%u", n_worlds++);
	w->mbufs = rte_pktmbuf_pool_create_by_ops(name, cfg->n_mbufs > 0 ? cfg->n_mbufs : 4095, 0,
						  0, RTE_MBUF_DEFAULT_BUF_SIZE, 0, cfg->mbuf_ops);
	assert_non_null(w->out);
	assert_non_null(w->registry);
	assert_non_null(w->pub);
	assert_non_null(w->mbufs);
	world_parts(w, cfg->mtu > 0 ? cfg->mtu : 1500);
	w->n_peers = 2;
	if (cfg->vxlan)
		world_vxlan(w);
	w->settings.exhausted_reset = cfg->exhausted_reset;
	w->settings.half_open_max = cfg->half_open_max;
	w->cross_zone = cfg->cross_zone;
	dp.n_workers = w->n_workers;
	dp.n_flows = cfg->n_flows > 0 ? cfg->n_flows : 1024;
	dp.n_ports = 2;
	dp.n_obj[CV_STATS_PATH] = N_LOCALS + 1;
	dp.n_obj[CV_STATS_LISTENER] = 4;
	dp.n_obj[CV_STATS_TARGET] = 2;
	dp.rss = cfg->rss;
	dp.mbufs = w->mbufs;
	dp.pub = w->pub;
	dp.tx = cfg->tx != NULL ? cfg->tx : world_tx;
	dp.tx_arg = cfg->tx != NULL ? cfg->tx_arg : w;
	dp.seed = 42;
	dp.tsc_hz = 1000000000;
	assert_int_equal(cv_dp_create(&dp, &w->dp), 0);
	world_publish(w);
	return w;
}

/* A pool for each node and server. @param[out] pools shape [4] */
static void pools_fill(const struct world *w, struct cv_view_spec *spec, struct cv_view_pool *pools)
{
	for (int i = 0; i < 4; i++) {
		struct cv_view_pool *pool = &pools[spec->n_pools];

		/* One server in two groups has one pool at each node. */
		if (i % 2 == 1 && w->targets[1].ip == w->targets[0].ip)
			continue;
		pool->key = (struct cv_snat_key){
			.node_ip = spec->node_ips[i / 2],
			.target_ip = w->targets[i % 2].ip,
			.target_port = w->targets[i % 2].port,
			.vpc = VPC_P,
		};
		assert_int_equal(
			cv_snat_registry_get(w->registry, &pool->key, &w->snat, &pool->pool), 0);
		spec->n_pools++;
	}
}

void world_publish(struct world *w)
{
	static const cv_be32_t node_ips[] = {NODE_0, NODE_1};
	/* Zone 0 has target 0, zone 1 has target 1, as far as they are registered. */
	const uint32_t choice_targets[] = {w->targets[0].used ? 0 : 1, 1};
	const uint32_t n_here = (w->cross_zone ? 2 : 1) - !w->targets[0].used;
	const struct cv_view_choice choices[] = {{0, n_here, w->unhealthy}, {1, 1}, {0, 0}, {0, 0}};
	const struct cv_view_group groups[] = {{true, true, false, w->sticky},
					       {true, false, false, w->sticky},
					       {true, true, true, w->sticky},
					       {true, true, false, w->sticky}};
	/* EP_GUARDED's, then the one that a test may give to nodes. */
	const struct cv_view_sg_rule rules[] = {{{CLIENT_IP, 32}, 81, 81}, w->node_rule};
	struct cv_view_pool pools[4];
	struct cv_view_spec spec = {
		.gen = ++w->gen,
		.sweep = w->sweep,
		.n_ports = 2,
		.n_zones = 2,
		.n_vpcs = N_VPCS,
		.n_locals = N_LOCALS,
		.n_endpoints = N_EPS,
		.n_sg_rules = 2,
		.n_nodes = 2,
		.n_node_ips = 2,
		.n_listeners = 4,
		.n_forwards = 2,
		.n_choices = 4,
		.n_choice_targets = 2,
		.n_groups = 4,
		.n_targets = 2,
		.vpcs = w->vpcs,
		.locals = w->locals,
		.paths = w->paths,
		.n_paths = N_LOCALS + 1,
		.endpoints = w->endpoints,
		.sg_rules = rules,
		.sg_ips = w->sg_ips,
		.n_sg_ips = CV_ARRAY_LEN(w->sg_ips),
		.nodes = w->nodes,
		.node_ips = node_ips,
		.listeners = w->listeners,
		.forwards = w->forwards,
		.choices = choices,
		.choice_targets = choice_targets,
		.groups = groups,
		.targets = w->targets,
		.pools = pools,
		.settings = w->settings,
		.hosts = w->hosts,
		.n_hosts = N_VPCS,
		.services = w->services,
		.n_services = 2,
		.neigh = w->neigh,
		.n_neigh = 4,
		.tunnels = {w->vxlans, w->n_vxlans, w->peers, w->n_peers, w->fars},
	};
	struct cv_view *view;

	pools_fill(w, &spec, pools);
	assert_int_equal(cv_view_create(&spec, &view), 0);
	assert_int_equal(cv_view_pub_publish(w->pub, view), 0);
}

static void world_settle(struct world *w)
{
	const struct cv_view *view = cv_view_pub_current(w->pub);
	unsigned int n;

	do {
		n = 0;
		for (unsigned int i = 0; i < w->n_workers; i++)
			cv_dp_worker_flush(cv_dp_worker_get(w->dp, i));
		for (unsigned int i = 0; i < w->n_workers; i++)
			n += cv_dp_worker_poll(cv_dp_worker_get(w->dp, i), view, w->now_ms);
	} while (n > 0);
	for (unsigned int i = 0; i < w->n_workers; i++)
		cv_dp_worker_flush(cv_dp_worker_get(w->dp, i));
}

void world_limit(struct world *w, uint16_t endpoint_mtu, uint16_t mss_max)
{
	for (int i = 0; i < N_VPCS; i++) {
		struct cv_view_vpc *vpc = &w->vpcs[i];

		vpc->mtu_by_endpoint = endpoint_mtu != 0 ? endpoint_mtu : vpc->mtu_by_endpoint;
		vpc->mss_max = mss_max != 0 ? mss_max : vpc->mss_max;
	}
	world_publish(w);
}

struct rte_mbuf *world_mbuf(struct world *w, uint16_t port, const uint8_t *data, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->mbufs);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, len), data, len);
	m->port = port;
	return m;
}

void world_burst(struct world *w, unsigned int worker, struct rte_mbuf **pkts, uint16_t n)
{
	cv_dp_burst(cv_dp_worker_get(w->dp, worker), cv_view_pub_current(w->pub), pkts, n,
		    w->now_ms);
	world_settle(w);
}

void world_rx(struct world *w, unsigned int worker, uint16_t port, const uint8_t *data,
	      uint16_t len)
{
	struct rte_mbuf *m = world_mbuf(w, port, data, len);

	world_burst(w, worker, &m, 1);
}

void world_wait(struct world *w, uint64_t ms)
{
	while (ms > 0) {
		uint64_t step = RTE_MIN(ms, (uint64_t)100);

		w->now_ms += step;
		ms -= step;
		/* A walk goes in pieces: give it as many turns as a second of a busy loop has. */
		for (int i = 0; i < 20; i++)
			world_settle(w);
	}
}

uint64_t world_drops(const struct world *w, enum cv_drop reason)
{
	return cv_stats_drop_sum(cv_dp_stats(w->dp), w->n_workers, reason);
}

uint64_t world_endpoint_drops(const struct world *w, uint32_t slot, enum cv_drop reason)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < N_LOCALS; i++) {
		if (w->locals[i].endpoint == slot)
			n += cv_stats_path_drop_sum(cv_dp_stats(w->dp), w->n_workers, i + 1,
						    reason);
	}
	return n;
}

struct cv_stats_obj_sum world_path_sum(const struct world *w, int local)
{
	return cv_stats_obj_sum(cv_dp_stats(w->dp), w->n_workers, CV_STATS_PATH,
				(uint32_t)local + 1);
}

struct cv_stats_obj_sum world_endpoint_sum(const struct world *w, uint32_t slot)
{
	struct cv_stats_obj_sum sum = {0};

	for (int i = 0; i < N_LOCALS; i++) {
		const struct cv_stats_obj_sum one = world_path_sum(w, i);

		if (w->locals[i].endpoint != slot)
			continue;
		for (int side = 0; side < 2; side++) {
			sum.pkts[side] += one.pkts[side];
			sum.bytes[side] += one.bytes[side];
		}
		sum.new_flows += one.new_flows;
		sum.end_flows += one.end_flows;
		sum.drops += one.drops;
		sum.rsts += one.rsts;
	}
	return sum;
}

uint64_t world_path_events(const struct world *w, int local, enum cv_path_event event)
{
	return cv_stats_path_event_sum(cv_dp_stats(w->dp), w->n_workers, (uint32_t)local + 1,
				       event);
}

uint64_t world_events(const struct world *w, enum cv_event event)
{
	return cv_stats_event_sum(cv_dp_stats(w->dp), w->n_workers, event);
}

uint64_t world_flows(const struct world *w)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < w->n_workers; i++)
		sum += cv_ctr_get(&cv_dp_stats(w->dp)[i]->flows);
	return sum;
}

void world_destroy(struct world *w)
{
	uint64_t dropped = 0;

	world_settle(w);
	for (uint32_t slot = 0; slot < N_EPS; slot++) {
		uint64_t n = 0;

		for (int i = 1; i < CV_DROP_N; i++)
			n += world_endpoint_drops(w, slot, (enum cv_drop)i);
		assert_int_equal(n, world_endpoint_sum(w, slot).drops);
	}
	for (int i = 1; i < CV_DROP_N; i++)
		dropped += world_drops(w, (enum cv_drop)i);
	assert_int_equal(world_events(w, CV_EV_RX_PKTS) + world_events(w, CV_EV_GEN_PKTS),
			 world_events(w, CV_EV_TX_PKTS) + dropped);
	assert_int_equal(rte_mempool_in_use_count(w->mbufs), 0);
	cv_dp_destroy(w->dp);
	cv_view_pub_destroy(w->pub);
	cv_snat_registry_destroy(w->registry);
	cv_snat_map_destroy(w->snat_map);
	rte_mempool_free(w->mbufs);
	free(w->out);
	free(w);
}

void world_mac(const struct world *w, unsigned int vpc, cv_be32_t ip, bool node, uint8_t *mac)
{
	cv_mac_of_ip((uint16_t)(w->vpcs[vpc].mac_prefix | (node ? CV_MAC_NODE : 0)), ip, mac);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	put16(p + 2, (uint16_t)v);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint16_t tcp_sum(const uint8_t *ip, const uint8_t *tcp, uint16_t len)
{
	uint64_t sum = cv_csum_add(ip + 12, 8, (uint64_t)cv_be16(6) + cv_be16(len));

	return cv_csum_fold(cv_csum_add(tcp, len, sum));
}

uint16_t seg_build(const struct seg *s, uint8_t *frame)
{
	uint16_t l2 = s->vlan == 0 ? 14 : 18;
	uint16_t tcp_len = (uint16_t)(20 + s->opts_len + s->len), csum;
	uint8_t *ip = frame + l2, *tcp = ip + 20;

	memset(frame, 0, l2 + 40u + s->opts_len);
	memcpy(frame, s->dst_mac, 6);
	memcpy(frame + 6, s->src_mac, 6);
	if (s->vlan != 0) {
		put16(frame + 12, 0x8100);
		put16(frame + 14, s->vlan);
	}
	put16(ip - 2, 0x0800);
	ip[0] = 0x45;
	ip[1] = s->tos;
	put16(ip + 2, (uint16_t)(20 + tcp_len));
	put16(ip + 4, s->id);
	put16(ip + 6, 0x4000);
	ip[8] = s->ttl;
	ip[9] = 6;
	memcpy(ip + 12, &s->src, 4);
	memcpy(ip + 16, &s->dst, 4);
	csum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
	memcpy(ip + 10, &csum, 2);
	put16(tcp, s->sport);
	put16(tcp + 2, s->dport);
	put32(tcp + 4, s->seq);
	put32(tcp + 8, s->ack);
	tcp[12] = (uint8_t)((20 + s->opts_len) / 4 << 4);
	tcp[13] = s->flags;
	put16(tcp + 14, s->wnd);
	memcpy(tcp + 20, s->opts, s->opts_len);
	if (s->len > 0)
		memcpy(tcp + 20 + s->opts_len, s->payload, s->len);
	csum = (uint16_t)~tcp_sum(ip, tcp, tcp_len);
	memcpy(tcp + 16, &csum, 2);
	memset(tcp + tcp_len, 0, s->pad);
	return (uint16_t)(l2 + 20 + tcp_len + s->pad);
}

void seg_mss(struct seg *s, uint16_t mss)
{
	s->opts[0] = 2;
	s->opts[1] = 4;
	s->opts[2] = (uint8_t)(mss >> 8);
	s->opts[3] = (uint8_t)mss;
	s->opts_len = 4;
}

struct seg seg_parse(const struct world_frame *f)
{
	struct seg s = {.port = f->port};
	const uint8_t *ip = f->data + 14, *tcp;
	uint16_t tcp_len;

	if (get16(f->data + 12) == 0x8100) {
		s.vlan = get16(f->data + 14) & 4095;
		ip += 4;
	}
	assert_int_equal(get16(ip - 2), 0x0800);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(get16(ip + 2), f->len - (ip - f->data));
	assert_int_equal(cv_csum_fold(cv_csum_add(ip, 20, 0)), 0xffff);
	tcp = ip + 20;
	tcp_len = (uint16_t)(get16(ip + 2) - 20);
	assert_int_equal(tcp_sum(ip, tcp, tcp_len), 0xffff);
	memcpy(s.dst_mac, f->data, 6);
	memcpy(s.src_mac, f->data + 6, 6);
	memcpy(&s.src, ip + 12, 4);
	memcpy(&s.dst, ip + 16, 4);
	s.tos = ip[1];
	s.id = get16(ip + 4);
	s.ttl = ip[8];
	s.sport = get16(tcp);
	s.dport = get16(tcp + 2);
	s.seq = get32(tcp + 4);
	s.ack = get32(tcp + 8);
	s.flags = tcp[13];
	s.wnd = get16(tcp + 14);
	s.opts_len = (uint8_t)((tcp[12] >> 4) * 4 - 20);
	memcpy(s.opts, tcp + 20, s.opts_len);
	s.payload = tcp + 20 + s.opts_len;
	s.len = (uint16_t)(tcp_len - 20 - s.opts_len);
	return s;
}
