/* SPDX-License-Identifier: BSD-3-Clause */

#include "wire.h"

#include <rte_eal.h>

#define CLIENTS "172.16.0.0/24"
#define DIAL "10.9.0.1:80,10.9.0.2:81"
#define SERVERS "10.0.0.1-10.0.0.4:8080"

struct wire *wire;
struct rte_mempool *wire_pool;
static unsigned int n_in_use; /* packets, before a test */

/* ---- the ports ---- */

struct rte_mempool *cv_io_mbufs(const struct cv_io *io)
{
	(void)io;
	return wire_pool;
}

void cv_io_port_info(const struct cv_io *io, uint16_t port, struct cv_io_port_info *ret_info)
{
	(void)io;
	*ret_info = (struct cv_io_port_info){.mac = {2, 0, 0, 0, 0, (uint8_t)(port + 1)}};
}

const char *cv_io_dpdk_version(void)
{
	return "none";
}

uint16_t cv_io_tx_burst(void *io, unsigned int worker, uint16_t port, struct rte_mbuf **pkts,
			uint16_t n)
{
	(void)io;
	(void)worker;
	if (wire->device_full)
		return 0;
	for (uint16_t i = 0; i < n; i++) {
		wire->n_seen[port]++;
		wire->bytes[port] += pkts[i]->pkt_len;
		if (wire->mangle != NULL && !wire->mangle(wire, pkts[i], port)) {
			rte_pktmbuf_free(pkts[i]);
			continue;
		}
		assert_true(wire->n[port] < QUEUE);
		wire->queue[port][wire->n[port]++] = pkts[i];
	}
	return n;
}

bool wire_parse(const struct rte_mbuf *m, struct cb_pkt *ret_pkt)
{
	return cb_frame_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, 0, ret_pkt) ==
	       CB_TCP;
}

void wire_inject(int dir, const struct cb_ends *ends, uint32_t seq, uint32_t ack, uint8_t flags)
{
	static const uint8_t mac[6] = {2, 9, 9, 9, 9, 9};
	struct cb_hdr hdr = {.seq = seq, .ack = ack, .flags = flags};
	struct rte_mbuf *m = rte_pktmbuf_alloc(wire_pool);
	struct cb_tmpl tmpl;

	assert_non_null(m);
	cb_tmpl_init(&tmpl, mac, mac, 0);
	(void)cb_frame_put((uint8_t *)rte_pktmbuf_append(m, CB_TMPL_LEN), &tmpl, 14, ends, &hdr);
	wire->queue[dir][wire->n[dir]++] = m;
}

/* ---- the box in the middle ---- */

void wire_rewrite(struct rte_mbuf *m, const struct cb_ends *ends, uint32_t seq, uint32_t ack)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(f + 14);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(void *)(f + 34);
	uint16_t len = (uint16_t)(cv_be16_host(ip->total_length) - 20);

	ip->src_addr = ends->src;
	ip->dst_addr = ends->dst;
	tcp->src_port = ends->sport;
	tcp->dst_port = ends->dport;
	tcp->sent_seq = cv_be32(seq);
	tcp->recv_ack = cv_be32(ack);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
	tcp->cksum = 0;
	tcp->cksum = (uint16_t)~cv_csum_fold(
		cv_csum_add(tcp, len, (uint64_t)ends->src + ends->dst + cv_be16(6) + cv_be16(len)));
}

static void insert_header(struct wire *w, struct rte_mbuf *m, const struct cb_ends *client)
{
	struct cv_ppv2_tuple tuple = {client->src, client->dst, client->sport, client->dport};
	struct rte_ipv4_hdr *ip;
	uint8_t *f;

	tuple.src_ip ^= w->wrong_src;
	tuple.dst_ip ^= w->wrong_dst;
	f = (uint8_t *)rte_pktmbuf_prepend(m, H);
	memmove(f, f + H, 54);
	cv_ppv2_aws_finish(f + 54, w->tmpl, &tuple);
	/* As version 1 says it, in as many bytes. */
	if (w->text_header)
		snprintf((char *)f + 54, H, "PROXY TCP4 %-*s\r", H - 13, "somebody somewhere");
	if (w->text_header)
		f[54 + H - 1] = '\n';
	if (w->spoil_header)
		f[54 + 40] ^= 1;
	ip = (struct rte_ipv4_hdr *)(void *)(f + 14);
	ip->total_length = cv_be16((uint16_t)(cv_be16_host(ip->total_length) + H));
}

bool wire_nat(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct cb_ends ends;
	uint32_t seq, ack, i;
	struct cb_pkt p;
	struct nat *nat;

	if (!wire_parse(m, &p))
		return true;
	seq = p.seq;
	ack = p.ack;
	if (dir == DOWN) {
		nat = &w->nats[cv_be16_host(p.e.dport) - 20000];
		assert_true(nat->used);
		if ((int32_t)(ack - nat->isn1) < 0)
			ack = nat->isn1;
		ends = (struct cb_ends){nat->client.dst, nat->client.src, nat->client.dport,
					nat->client.sport};
		wire_rewrite(m, &ends, seq, ack);
		return true;
	}
	for (i = 0; w->nats[i].used && memcmp(&w->nats[i].client, &p.e, sizeof(p.e)) != 0; i++)
		;
	nat = &w->nats[i];
	if ((p.flags & CV_TCP_SYN) != 0)
		*nat = (struct nat){true, p.e, p.seq + 1, false};
	ends = (struct cb_ends){cv_be32(0x0a000a0a), cv_be32(0x0a000001 + i % 4),
				cv_be16((uint16_t)(20000 + i)), cv_be16(8080)};
	if (!w->no_header && (p.len > 0 || (p.flags & CV_TCP_FIN) != 0) && seq == nat->isn1) {
		insert_header(w, m, &nat->client);
		nat->sent = true;
	}
	if (!w->no_header && (!nat->sent || seq == nat->isn1))
		seq -= H;
	wire_rewrite(m, &ends, seq, ack);
	return true;
}

bool wire_lose(struct wire *w, struct rte_mbuf *m, int dir)
{
	(void)m;
	return cb_mix(w->n_seen[dir] * 2ull + (unsigned int)dir) % w->every != 0;
}

bool wire_nat_and_lose(struct wire *w, struct rte_mbuf *m, int dir)
{
	return wire_lose(w, m, dir) && wire_nat(w, m, dir);
}

bool wire_spoil_payload(struct wire *w, struct rte_mbuf *m, int dir)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	struct cb_pkt p;

	if (cb_frame_parse(f, m->data_len, 0, &p) != CB_TCP || p.len == 0 ||
	    w->n_seen[dir] % w->every != 0)
		return true;
	f[p.data - f + p.len - 1] ^= 0x80;
	wire_rewrite(m, &p.e, p.seq, p.ack);
	return true;
}

bool wire_spoil_checksum(struct wire *w, struct rte_mbuf *m, int dir)
{
	if (w->n_seen[dir] % w->every == 0)
		rte_pktmbuf_mtod(m, uint8_t *)[14 + 20 + 17] ^= 1;
	return true;
}

bool wire_misdeliver(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct cb_pkt p;

	if (w->n_seen[dir] % w->every != 0 ||
	    cb_frame_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, 0, &p) != CB_TCP ||
	    p.len == 0)
		return true;
	if (dir == DOWN)
		p.e.dst ^= cv_be32(1);
	else
		p.e.src ^= cv_be32(1);
	wire_rewrite(m, &p.e, p.seq, p.ack);
	return true;
}

bool wire_duplicate(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, wire_pool, 0, UINT32_MAX);

	assert_non_null(copy);
	w->queue[dir][w->n[dir]++] = copy;
	return true;
}

/* ---- running ---- */

void wire_open(const char *mode, const char *options)
{
	static char line[1024];
	char text[CB_TEXT_LEN] = "", *argv[64], *save = NULL, *word;
	int argc = 0;

	wire = calloc(1, sizeof(*wire));
	assert_non_null(wire);
	snprintf(line, sizeof(line),
		 "culvert-bench %s --client c --server s --clients " CLIENTS " --via-mac "
		 "02:00:00:00:00:02 --client-ports 1000-1999 --dial %s --servers " SERVERS " %s",
		 mode, strstr(options, "--plain") != NULL ? SERVERS : DIAL,
		 strstr(options, "--plain") != NULL ? options + 7 : options);
	for (word = strtok_r(line, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	if (cb_opts_parse(argc, argv, &wire->opts, text) != 0)
		fail_msg("%s", text);
	n_in_use = rte_mempool_in_use_count(wire_pool);
	wire->now = 1000000000;
	wire->world.opts = &wire->opts;
	wire->world.tsc_hz = HZ;
	cb_plan_init(&wire->world.plan, &wire->opts);
	cb_pattern_init(&wire->world.pattern, wire->world.plan.key);
	cb_script_init(&wire->world.script, &wire->opts, wire->text);
	cv_ppv2_aws_template(wire->tmpl, "vpce-0123456789abcdef0");
	assert_int_equal(cb_client_init(&wire->c, &wire->world, NULL, UP), 0);
	assert_int_equal(cb_server_init(&wire->s, &wire->world, NULL, DOWN), 0);
	wire->c.s.peer = &wire->s.s.counts;
	wire->s.s.peer = &wire->c.s.counts;
}

void wire_close(void)
{
	if (wire->c.s.n_out == 0 && wire->s.s.n_out == 0) {
		assert_int_equal(wire->c.s.counts.tx_bytes, wire->bytes[UP]);
		assert_int_equal(wire->s.s.counts.tx_bytes, wire->bytes[DOWN]);
		assert_int_equal(wire->c.s.counts.tx_pkts, wire->n_seen[UP]);
	}
	cb_client_fini(&wire->c);
	cb_server_fini(&wire->s);
	for (int dir = 0; dir < 2; dir++)
		rte_pktmbuf_free_bulk(wire->queue[dir], wire->n[dir]);
	free(wire);
	wire = NULL;
	/* Every packet came back. */
	assert_int_equal(rte_mempool_in_use_count(wire_pool), n_in_use);
}

void wire_order(const struct cb_cmd *cmd)
{
	wire->c.s.now = wire->s.s.now = wire->now;
	cb_client_command(&wire->c, cmd);
	cb_server_command(&wire->s, cmd);
}

static void wire_deliver(int dir)
{
	static struct rte_mbuf *pkts[QUEUE];
	uint32_t n = wire->n[dir], at, k;

	memcpy(pkts, wire->queue[dir], n * sizeof(pkts[0]));
	wire->n[dir] = 0;
	for (at = 0; at < n; at += k) {
		k = RTE_MIN(n - at, (uint32_t)CB_BURST);
		if (dir == UP)
			cb_server_rx(&wire->s, &pkts[at], (uint16_t)k);
		else
			cb_client_rx(&wire->c, &pkts[at], (uint16_t)k);
	}
	rte_pktmbuf_free_bulk(pkts, n);
}

void wire_run(double seconds)
{
	uint64_t until = wire->now + (uint64_t)(seconds * HZ);

	for (; wire->now < until; wire->now += STEP) {
		wire->c.s.now = wire->s.s.now = wire->now;
		wire->c.s.tick = wire->s.s.tick = (uint16_t)(wire->now / (HZ / CB_TICKS_PER_S));
		wire_deliver(UP);
		wire_deliver(DOWN);
		cb_client_tick(&wire->c);
		cb_server_tick(&wire->s);
		cb_side_flush(&wire->c.s);
		cb_side_flush(&wire->s.s);
	}
}

uint64_t wire_n_bad(void)
{
	const struct cb_counts *c = &wire->c.s.counts, *s = &wire->s.s.counts;

	return c->payload_bad + s->payload_bad + c->probes_bad + s->probes_bad + c->checksum_bad +
	       s->checksum_bad + s->flow_bad + s->headers_missing + s->headers_unwanted +
	       s->headers_malformed + s->headers_client + s->headers_dial + s->headers_vpce;
}

void wire_connections(double rate, double seconds, double quiet)
{
	struct cb_cmd cmd = {.phase = CB_RUN, .connect = true, .conn_rate = rate};

	wire_order(&cmd);
	wire_run(seconds);
	cmd.phase = CB_DRAIN;
	wire_order(&cmd);
	wire_run(quiet);
}

void wire_open_all(uint32_t n, double seconds)
{
	struct cb_cmd cmd = {.phase = CB_OPEN_FLOWS, .conn_rate = 1e6};

	wire_order(&cmd);
	wire_run(seconds);
	assert_int_equal(wire->c.s.counts.ready, n);
	assert_int_equal(wire->s.s.counts.ready, n);
}

void wire_probes(double rate, double seconds)
{
	struct cb_cmd cmd = {.phase = CB_RUN, .probe = {true, true}, .probe_rate = {rate, rate}};

	wire_order(&cmd);
	wire_run(seconds);
	cmd.phase = CB_DRAIN;
	wire_order(&cmd);
	wire_run(0.01);
}

int wire_start(void **state)
{
	char *argv[] = {(char *)(uintptr_t) "test",
			(char *)(uintptr_t) "--no-huge",
			(char *)(uintptr_t) "--no-pci",
			(char *)(uintptr_t) "--no-shconf",
			(char *)(uintptr_t) "--no-telemetry",
			(char *)(uintptr_t) "-m",
			(char *)(uintptr_t) "128",
			(char *)(uintptr_t) "--log-level=error"};

	(void)state;
	if (rte_eal_init((int)CV_ARRAY_LEN(argv), argv) < 0)
		return -1;
	wire_pool = rte_pktmbuf_pool_create("wire", 16383, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return wire_pool != NULL ? 0 : -1;
}
