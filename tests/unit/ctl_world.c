/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <cmocka.h>

#include "ctl_world.h"

#include "cv_base.h"
#include "cv_conf.h"
#include "cv_model_change.h"

static const uint8_t mac_1[6] = {2, 0, 0, 0, 0, 0x21};
static const uint8_t mac_2[6] = {2, 0, 0, 0, 0, 0x22};
static const uint8_t mac_3[6] = {2, 0, 0, 0, 0, 0x31};

#define INBOX_MAX 1024
#define WORKERS_MAX 4
#define N_MBUFS 2047

struct wire {
	pthread_mutex_t lock;
	struct wire_addr addrs[WIRE_ADDRS_MAX];
	unsigned int n_addrs;
	struct wire_addr rest;             /* of more than there is room for */
	struct rte_mbuf *inbox[INBOX_MAX]; /* to be received by worker 0 */
	unsigned int n_inbox;
	bool handshakes;                           /* who is sent something acknowledges it */
	_Atomic unsigned int n_turns[WORKERS_MAX]; /* that workers have begun */
	struct rte_mempool *mbufs;
};

struct world {
	char dir[64], file[96];
	json_t *conf;
	struct cv_ctl *ctl;
	struct cv_dp *dp;
	struct cv_dp_run runs[WORKERS_MAX];
	pthread_t workers[WORKERS_MAX], control;
	unsigned int n_workers;
	_Atomic bool stop;
	bool started;
	_Atomic unsigned int n_reloads; /* that SIGHUP made */
	struct wire wire;
};

int world_setup(void **state)
{
	(void)state;
	world_once();
	return 0;
}

void world_once(void)
{
	static bool done;
	char *argv[] = {(char *)(uintptr_t) "test",
			(char *)(uintptr_t) "--no-huge",
			(char *)(uintptr_t) "--no-pci",
			(char *)(uintptr_t) "--no-shconf",
			(char *)(uintptr_t) "--no-telemetry",
			(char *)(uintptr_t) "-m",
			(char *)(uintptr_t) "64",
			(char *)(uintptr_t) "--log-level=error"};

	if (done)
		return;
	assert_int_equal(cv_ctl_signals_block(), 0);
	assert_true(rte_eal_init((int)CV_ARRAY_LEN(argv), argv) >= 0);
	done = true;
}

/* ---- the wire ---- */

static cv_be32_t ip4(const char *text)
{
	cv_be32_t ip = 0;

	assert_true(cv_ip4_parse(text, &ip));
	return ip;
}

/* Under the lock. */
static struct wire_addr *wire_addr_get(struct wire *wire, uint16_t port, cv_be32_t ip)
{
	struct wire_addr *addr;

	for (unsigned int i = 0; i < wire->n_addrs; i++) {
		if (wire->addrs[i].ip == ip && wire->addrs[i].port == port)
			return &wire->addrs[i];
	}
	if (wire->n_addrs == WIRE_ADDRS_MAX)
		return &wire->rest;
	addr = &wire->addrs[wire->n_addrs++];
	*addr = (struct wire_addr){.ip = ip, .port = port};
	return addr;
}

/* Under the lock: a frame for worker 0 to receive. */
static void wire_put(struct wire *wire, uint16_t port, const void *frame, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(wire->mbufs);

	cv_assert(m != NULL && wire->n_inbox < INBOX_MAX);
	memcpy(rte_pktmbuf_append(m, len), frame, len);
	m->port = port;
	wire->inbox[wire->n_inbox++] = m;
}

struct arp_frame {
	struct rte_ether_hdr eth;
	struct rte_arp_hdr arp;
	uint8_t pad[18];
};

_Static_assert(sizeof(struct arp_frame) == 60,
	       "no padding: DPDK's headers have two-byte alignment");

static void wire_arp(struct wire *wire, uint16_t port, cv_be32_t ip, const uint8_t *mac)
{
	struct arp_frame f;

	memset(&f, 0, sizeof(f));
	memset(&f.eth.dst_addr, 0xff, 6);
	memcpy(&f.eth.src_addr, mac, 6);
	f.eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	f.arp.arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	f.arp.arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	f.arp.arp_hlen = 6;
	f.arp.arp_plen = 4;
	f.arp.arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY);
	memcpy(&f.arp.arp_data.arp_sha, mac, 6);
	f.arp.arp_data.arp_sip = ip;
	f.arp.arp_data.arp_tip = ip;
	wire_put(wire, port, &f, sizeof(f));
}

struct tcp_frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_tcp_hdr tcp;
	uint8_t pad[6];
} __attribute__((packed, aligned(2)));

/* A segment without data. */
static void tcp_put(struct wire *wire, uint16_t port, struct tcp_frame *f)
{
	f->eth.ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	f->ip.version_ihl = 0x45;
	f->ip.total_length = cv_be16(40);
	f->ip.time_to_live = 64;
	f->ip.next_proto_id = IPPROTO_TCP;
	f->ip.hdr_checksum = rte_ipv4_cksum(&f->ip);
	f->tcp.data_off = 5 << 4;
	f->tcp.rx_win = cv_be16(65535);
	f->tcp.cksum = rte_ipv4_udptcp_cksum(&f->ip, &f->tcp);
	wire_put(wire, port, f, sizeof(*f));
}

/* Under the lock: who was sent a SYN or data acknowledges it. */
static void wire_answer(struct wire *wire, uint16_t port, const struct rte_mbuf *m)
{
	const struct tcp_frame *got = rte_pktmbuf_mtod(m, const struct tcp_frame *);
	bool syn = got->tcp.tcp_flags & RTE_TCP_SYN_FLAG,
	     ack = got->tcp.tcp_flags & RTE_TCP_ACK_FLAG;
	uint32_t len = cv_be16_host(got->ip.total_length) - sizeof(got->ip) -
		       (got->tcp.data_off >> 4) * 4u + syn;
	struct tcp_frame f;

	if (len == 0 || (got->tcp.tcp_flags & RTE_TCP_RST_FLAG) != 0)
		return;
	memset(&f, 0, sizeof(f));
	memcpy(&f.eth.dst_addr, &got->eth.src_addr, 6);
	memcpy(&f.eth.src_addr, &got->eth.dst_addr, 6);
	f.ip.src_addr = got->ip.dst_addr;
	f.ip.dst_addr = got->ip.src_addr;
	f.tcp.src_port = got->tcp.dst_port;
	f.tcp.dst_port = got->tcp.src_port;
	f.tcp.sent_seq = ack ? got->tcp.recv_ack : cv_be32(5000);
	f.tcp.recv_ack = cv_be32(cv_be32_host(got->tcp.sent_seq) + len);
	f.tcp.tcp_flags = (uint8_t)(RTE_TCP_ACK_FLAG | (ack ? 0 : RTE_TCP_SYN_FLAG));
	tcp_put(wire, port, &f);
}

/* Under the lock: look at what a worker sent. */
static void wire_see(struct wire *wire, uint16_t port, struct rte_mbuf *m)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	struct wire_addr *addr;

	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		const struct rte_arp_hdr *arp = (const void *)(eth + 1);

		if (arp->arp_opcode != RTE_BE16(RTE_ARP_OP_REQUEST))
			return;
		addr = wire_addr_get(wire, port, arp->arp_data.arp_tip);
		if (arp->arp_data.arp_sip == arp->arp_data.arp_tip) {
			addr->n_announced++;
			return;
		}
		addr->n_asked++;
		if (addr->answers)
			wire_arp(wire, port, addr->ip, addr->mac);
	} else {
		const struct tcp_frame *f = (const void *)eth;

		addr = wire_addr_get(wire, port, f->ip.dst_addr);
		addr->n_tcp++;
		addr->n_syn += (f->tcp.tcp_flags & RTE_TCP_SYN_FLAG) != 0;
		memcpy(addr->tcp_mac, &eth->dst_addr, 6);
		if (wire->handshakes)
			wire_answer(wire, port, m);
	}
}

static uint16_t wire_tx(void *arg, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			uint16_t n)
{
	struct wire *wire = arg;

	(void)worker;
	pthread_mutex_lock(&wire->lock);
	for (uint16_t i = 0; i < n; i++)
		wire_see(wire, port, pkts[i]);
	pthread_mutex_unlock(&wire->lock);
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static uint16_t wire_rx(void *arg, unsigned int worker, unsigned int queue, struct rte_mbuf **pkts)
{
	struct wire *wire = arg;
	uint16_t n = 0;

	(void)queue;
	wire->n_turns[worker]++;
	if (worker == 0) {
		pthread_mutex_lock(&wire->lock);
		while (n < wire->n_inbox && n < CV_DP_BURST_MAX) {
			pkts[n] = wire->inbox[n];
			n++;
		}
		wire->n_inbox -= n;
		memmove(wire->inbox, wire->inbox + n, wire->n_inbox * sizeof(*wire->inbox));
		pthread_mutex_unlock(&wire->lock);
	}
	if (n == 0)
		usleep(500); /* leave the machine to the others */
	return n;
}

void world_station(struct world *w, uint16_t port, const char *ip, const uint8_t *mac, bool answers)
{
	struct wire_addr *addr;

	pthread_mutex_lock(&w->wire.lock);
	addr = wire_addr_get(&w->wire, port, ip4(ip));
	memcpy(addr->mac, mac, 6);
	addr->answers = answers;
	pthread_mutex_unlock(&w->wire.lock);
}

struct wire_addr world_seen(struct world *w, uint16_t port, const char *ip)
{
	struct wire_addr addr;

	pthread_mutex_lock(&w->wire.lock);
	addr = *wire_addr_get(&w->wire, port, ip4(ip));
	pthread_mutex_unlock(&w->wire.lock);
	return addr;
}

void world_arp(struct world *w, uint16_t port, const char *ip, const uint8_t *mac)
{
	pthread_mutex_lock(&w->wire.lock);
	wire_arp(&w->wire, port, ip4(ip), mac);
	pthread_mutex_unlock(&w->wire.lock);
}

/* Each worker ends the turn that it is in, and one that it begins after now. */
static void turns_wait(struct world *w)
{
	unsigned int was[WORKERS_MAX];

	for (unsigned int i = 0; i < w->n_workers; i++)
		was[i] = w->wire.n_turns[i];
	for (unsigned int i = 0; i < w->n_workers; i++)
		world_until(w->wire.n_turns[i] - was[i] >= 2);
}

static bool inbox_is_empty(struct world *w)
{
	unsigned int n;

	pthread_mutex_lock(&w->wire.lock);
	n = w->wire.n_inbox;
	pthread_mutex_unlock(&w->wire.lock);
	return n == 0;
}

void world_settle(struct world *w)
{
	do {
		world_until(inbox_is_empty(w));
		/* The first may hand packets to the others, and they to it. */
		for (int i = 0; i < 3; i++)
			turns_wait(w);
	} while (!inbox_is_empty(w));
}

void world_handshakes(struct world *w)
{
	pthread_mutex_lock(&w->wire.lock);
	w->wire.handshakes = true;
	pthread_mutex_unlock(&w->wire.lock);
}

void world_syn(struct world *w, uint16_t port, const char *vpc, uint16_t client_port,
	       const char *eni, uint16_t eni_port)
{
	struct tcp_frame f;

	memset(&f, 0, sizeof(f));
	cv_mac_of_ip(cv_mac_prefix(vpc), ip4(eni), f.eth.dst_addr.addr_bytes);
	f.eth.src_addr.addr_bytes[0] = 2;
	f.ip.src_addr = ip4("172.16.1.50");
	f.ip.dst_addr = ip4(eni);
	f.tcp.src_port = cv_be16(client_port);
	f.tcp.dst_port = cv_be16(eni_port);
	f.tcp.sent_seq = cv_be32(1000);
	f.tcp.tcp_flags = RTE_TCP_SYN_FLAG;
	pthread_mutex_lock(&w->wire.lock);
	tcp_put(&w->wire, port, &f);
	pthread_mutex_unlock(&w->wire.lock);
}

/* ---- the world ---- */

void world_write(struct world *w, const char *text)
{
	FILE *out = fopen(w->file, "w");

	assert_non_null(out);
	if (text != NULL)
		fputs(text, out);
	else
		assert_int_equal(json_dumpf(w->conf, out, JSON_INDENT(1)), 0);
	assert_int_equal(fclose(out), 0);
}

static void conf_make(struct world *w, void (*edit)(json_t *conf))
{
	char socket[128];

	w->conf = json_load_file(SRC_DIR "/config/quickstart.json", 0, NULL);
	assert_non_null(w->conf);
	snprintf(socket, sizeof(socket), "%s/culvert.sock", w->dir);
	json_object_set_new(w->conf, "control", json_pack("{s:s}", "socket", socket));
	/* Namespaces have tests of their own, which need privileges. */
	if (json_object_get(w->conf, "settings") == NULL)
		json_object_set_new(w->conf, "settings", json_object());
	json_object_set_new(json_object_get(w->conf, "settings"), "host",
			    json_pack("{s:s}", "namespaces", "never"));
	json_object_set_new(w->conf, "limits", json_pack("{s:i}", "flows", 4096));
	if (edit != NULL)
		edit(w->conf);
	world_write(w, NULL);
}

static void on_hup(void *arg)
{
	struct world *w = arg;

	w->n_reloads++;
}

static void dp_make(struct world *w)
{
	struct cv_dp_cfg cfg = {
		.mbufs = w->wire.mbufs,
		.tx = wire_tx,
		.tx_arg = &w->wire,
		.seed = 7,
		.tsc_hz = rte_get_tsc_hz(),
	};

	cv_ctl_dp_cfg(w->ctl, &cfg);
	w->n_workers = cfg.n_workers;
	assert_in_range(w->n_workers, 1, WORKERS_MAX);
	assert_int_equal(cv_dp_create(&cfg, &w->dp), 0);
	cv_ctl_attach(w->ctl, w->dp);
	cv_ctl_on_hup(w->ctl, on_hup, w);
}

/* The world that is there, to clear away what a test that failed has left. */
static struct world *left;

struct world *world_create(void (*edit)(json_t *conf))
{
	static unsigned int n_worlds;
	char pool[32];
	struct world *w = calloc(1, sizeof(*w));
	struct cv_errs errs = {0};
	struct cv_ctl_cfg cfg = {.file = w->file, .version = "9\"\\9"};
	struct cv_conf *conf;

	/* A test that failed may have left its own. */
	json_set_alloc_funcs(malloc, free);
	world_once();
	if (left != NULL)
		world_destroy(left);
	cfg.tsc_hz = rte_get_tsc_hz();
	pthread_mutex_init(&w->wire.lock, NULL);
	/* A name of its own: what a test that failed has left may not be cleared away whole. */
	snprintf(pool, sizeof(pool), "wire%u", n_worlds++);
	w->wire.mbufs = rte_pktmbuf_pool_create(pool, N_MBUFS, 0, 0, 2048, SOCKET_ID_ANY);
	assert_non_null(w->wire.mbufs);
	snprintf(w->dir, sizeof(w->dir), "/tmp/cv_test_ctl.XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->file, sizeof(w->file), "%s/culvert.json", w->dir);
	conf_make(w, edit);
	cfg.state =
		json_string_value(json_object_get(json_object_get(w->conf, "control"), "state"));
	conf = cv_conf_load(w->file, &errs);
	for (size_t i = 0; i < errs.n; i++)
		print_error("%s: %s\n", errs.items[i].path, errs.items[i].text);
	assert_non_null(conf);
	assert_int_equal(cv_ctl_create(&cfg, conf, &errs, &w->ctl), 0);
	assert_int_equal(errs.n, 0);
	dp_make(w);
	left = w;
	return w;
}

void world_reload(struct world *w)
{
	unsigned int n = w->n_reloads;

	kill(getpid(), SIGHUP);
	world_until(w->n_reloads != n);
	world_settle(w);
}

static void *control_main(void *arg)
{
	struct world *w = arg;

	cv_assert(cv_ctl_run(w->ctl) == 0);
	return NULL;
}

static void *worker_main(void *arg)
{
	cv_dp_worker_run(arg);
	return NULL;
}

void world_start(struct world *w)
{
	for (unsigned int i = 0; i < w->n_workers; i++) {
		w->runs[i] = (struct cv_dp_run){
			.worker = cv_dp_worker_get(w->dp, i),
			.rx = wire_rx,
			.rx_arg = &w->wire,
			.n_queues = 1,
			.stop = &w->stop,
		};
		assert_int_equal(pthread_create(&w->workers[i], NULL, worker_main, &w->runs[i]), 0);
	}
	assert_int_equal(pthread_create(&w->control, NULL, control_main, w), 0);
	w->started = true;
}

void world_destroy(struct world *w)
{
	char cmd[128];

	left = NULL;
	if (w->started) {
		cv_ctl_stop(w->ctl);
		pthread_join(w->control, NULL);
		atomic_store(&w->stop, true);
		for (unsigned int i = 0; i < w->n_workers; i++)
			pthread_join(w->workers[i], NULL);
	}
	cv_dp_destroy(w->dp);
	cv_ctl_destroy(w->ctl);
	rte_pktmbuf_free_bulk(w->wire.inbox, w->wire.n_inbox);
	assert_int_equal(rte_mempool_avail_count(w->wire.mbufs), N_MBUFS);
	rte_mempool_free(w->wire.mbufs);
	json_decref(w->conf);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", w->dir);
	assert_int_equal(system(cmd), 0);
	free(w);
}

struct cv_ctl *world_ctl(struct world *w)
{
	return w->ctl;
}

struct cv_dp *world_dp(struct world *w)
{
	return w->dp;
}

json_t *world_conf(struct world *w)
{
	return w->conf;
}

json_t *world_show(struct world *w, const struct cv_ctl_query *query)
{
	struct cv_ctl_reply reply = {0};
	int ret = cv_ctl_show(w->ctl, query, &reply);
	json_t *root;

	if (ret != 0)
		fail_msg("show %s: %d %s", query->what, ret, reply.text != NULL ? reply.text : "");
	assert_int_equal(strlen(reply.text), reply.len);
	root = json_loads(reply.text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	free(reply.text);
	return root;
}

json_t *world_show_all(struct world *w, const char *what)
{
	const struct cv_ctl_query query = {.what = what};

	return world_show(w, &query);
}

json_t *at(json_t *root, const char *path)
{
	json_t *item = root;

	while (*path != '\0' && item != NULL) {
		size_t len = strcspn(path, ".");

		if (json_is_array(item))
			item = json_array_get(item, strtoul(path, NULL, 10));
		else
			item = json_object_getn(item, path, len);
		path += path[len] == '.' ? len + 1 : len;
	}
	return item;
}

/* ---- what tests do with it ---- */

const char *text_at(json_t *root, const char *path)
{
	const char *text = json_string_value(at(root, path));

	if (text == NULL)
		fail_msg("no text at %s", path);
	return text;
}

double real_at(json_t *root, const char *path)
{
	if (!json_is_real(at(root, path)))
		fail_msg("no real number at %s", path);
	return json_real_value(at(root, path));
}

json_int_t number_at(json_t *root, const char *path)
{
	if (!json_is_integer(at(root, path)))
		fail_msg("no number at %s", path);
	return json_integer_value(at(root, path));
}

struct world *world_run(void (*edit)(json_t *conf))
{
	struct world *w = world_create(edit);

	world_station(w, PROV, "10.0.1.21", mac_1, true);
	world_station(w, PROV, "10.0.2.22", mac_2, true);
	world_station(w, PROV, "10.0.1.31", mac_3, true);
	world_start(w);
	return w;
}

const char *lookup(struct world *w, const char *what, const char *list, const char *key,
		   const char *value, const char *member)
{
	static char found[128];
	json_t *root = world_show_all(w, what), *item;
	size_t i;

	found[0] = '\0';
	json_array_foreach(at(root, list), i, item)
	{
		json_t *got = json_object_get(item, member);

		if (strcmp(text_at(item, key), value) != 0)
			continue;
		if (json_is_string(got))
			snprintf(found, sizeof(found), "%s", json_string_value(got));
		else if (json_is_integer(got))
			snprintf(found, sizeof(found), "%lld", (long long)json_integer_value(got));
	}
	json_decref(root);
	return found;
}

const char *neighbour(struct world *w, const char *ip, const char *member)
{
	return lookup(w, "neighbours", "neighbours", "ip", ip, member);
}

char *vpc_id(struct world *w, const char *name)
{
	return strdup(lookup(w, "vpcs", "vpcs", "name", name, "id"));
}

void dial(struct world *w, uint16_t port, const char *vpc, const char *eni, unsigned int n)
{
	char *id = vpc_id(w, vpc);

	for (unsigned int i = 0; i < n; i++)
		world_syn(w, port, id, (uint16_t)(20000 + i), eni, 80);
	free(id);
}

void wait_known(struct world *w)
{
	world_until(strcmp(neighbour(w, "10.0.1.21", "state"), "reachable") == 0);
	world_until(strcmp(neighbour(w, "10.0.2.22", "state"), "reachable") == 0);
	world_until(strcmp(neighbour(w, "10.0.1.31", "state"), "reachable") == 0);
}

static int namesakes_make(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	const struct cv_model_by by = {.account = CV_MODEL_NONE, .now = 7, .random = {3, 3}};
	const uint32_t vpc = cv_model_find(model, CV_MODEL_VPC, CV_MODEL_NONE, "consumer-1");
	const struct cv_model_place_req places[] = {{.subnet = model->subnets[2].id},
						    {.subnet = model->subnets[3].id}};
	struct cv_model_tg_req tg;
	const struct cv_model_lb_req lb = {
		.name = "web",
		.vpc = model->vpcs[vpc].id,
		.places = places,
		.n_places = 2,
		.zonal_shift = true,
		.by = &by,
	};
	struct cv_model_listener_req listener = {.port = 80, .idle_seconds = 350, .by = &by};
	struct cv_model_target_req target = {0};
	struct cv_model_errs errs = {0};
	int ret;

	(void)ctl;
	(void)arg;
	cv_model_tg_req_init(&tg);
	tg.name = "web";
	tg.vpc = model->vpcs[vpc].id;
	tg.port = 80;
	tg.check = cv_model_check_req_of(&model->tgs[0].check);
	tg.by = &by;
	ret = cv_model_tg_add(model, &tg, &errs);
	assert_true(cv_ip4_parse("172.16.1.99", &target.ip));
	if (ret == 0)
		ret = cv_model_target_add(model, model->n_tgs - 1, &target, &errs);
	if (ret == 0)
		ret = cv_model_lb_add(model, &lb, &errs);
	listener.target_group = model->tgs[model->n_tgs - 1].arn;
	if (ret == 0)
		ret = cv_model_listener_add(model, model->n_lbs - 1, &listener, &errs);
	if (ret != 0)
		print_error("%d: %s\n", ret, errs.n > 0 ? errs.items[0].text : "");
	cv_model_errs_fini(&errs);
	return ret;
}

void world_namesakes(struct world *w)
{
	assert_int_equal(cv_ctl_call(w->ctl, true, namesakes_make, NULL), 0);
	world_until(*lookup(w, "load-balancers", "load_balancers", "account", "222222222222",
			    "name") != '\0');
}

void two_workers(json_t *conf)
{
	json_object_set_new(json_object_get(conf, "dpdk"), "workers", json_integer(2));
}
