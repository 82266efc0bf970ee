/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Both sides of the generator on a wire made of memory, under a clock of the test's own. On the wire there
 * may be something that loses, repeats, reorders or spoils packets, or a NAT that puts a PROXY header in
 * front of each stream. What the generator then counts must be what was done to it.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#include "cv_ppv2.h"

#include "client.h"
#include "server.h"

#define HZ 1000000000ull
#define STEP 50000ull /* 50 us */
#define QUEUE 65536
#define H CV_PPV2_AWS_LEN
#define CLIENTS "172.16.0.0/24"
#define DIAL "10.9.0.1:80,10.9.0.2:81"
#define SERVERS "10.0.0.1-10.0.0.4:8080"

enum { UP, DOWN };

/* What the box in the middle knows of a flow. */
struct nat {
	bool used;
	struct cb_ends client; /* as the client's packets have them */
	uint32_t isn1;
	bool sent;
};

struct wire;
typedef bool mangle_fn(struct wire *w, struct rte_mbuf *m, int dir);

struct wire {
	struct cb_opts opts;
	struct cb_world world;
	char text[CB_GET_LEN];
	struct cb_client c;
	struct cb_server s;
	uint64_t now;
	struct rte_mbuf *queue[2][QUEUE];
	uint32_t n[2];
	uint32_t n_seen[2];
	mangle_fn *mangle; /* false: lose it */
	uint32_t every;    /* argument of mangle */
	struct nat nats[4096];
	bool device_full;
	uint8_t tmpl[H];
	bool spoil_header;
	bool no_header;
	cv_be32_t wrong_src, wrong_dst;
};

static struct rte_mempool *pool;
static struct wire *wire;
static unsigned int n_in_use; /* packets, before a test */

/* ---- the ports ---- */

struct rte_mempool *cv_io_mbufs(const struct cv_io *io)
{
	(void)io;
	return pool;
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
		if (wire->mangle != NULL && !wire->mangle(wire, pkts[i], port)) {
			rte_pktmbuf_free(pkts[i]);
			continue;
		}
		assert_true(wire->n[port] < QUEUE);
		wire->queue[port][wire->n[port]++] = pkts[i];
	}
	return n;
}

/* ---- the box in the middle ---- */

static void rewrite(struct rte_mbuf *m, const struct cb_ends *ends, uint32_t seq, uint32_t ack)
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
	if (w->spoil_header)
		f[54 + 40] ^= 1;
	ip = (struct rte_ipv4_hdr *)(void *)(f + 14);
	ip->total_length = cv_be16((uint16_t)(cv_be16_host(ip->total_length) + H));
}

/* As culvert does it: own addresses, our sequence numbers shifted until the header is through. */
static bool nat_header(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct cb_ends ends;
	uint32_t seq, ack, i;
	struct cb_pkt p;
	struct nat *nat;

	if (cb_frame_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, 0, &p) != CB_TCP)
		return true;
	seq = p.seq;
	ack = p.ack;
	if (dir == DOWN) {
		nat = &w->nats[cv_be16_host(p.e.dport) - 20000];
		assert_true(nat->used);
		if (cv_be32_host(0) == 0 && (int32_t)(ack - nat->isn1) < 0)
			ack = nat->isn1;
		ends = (struct cb_ends){nat->client.dst, nat->client.src, nat->client.dport,
					nat->client.sport};
		rewrite(m, &ends, seq, ack);
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
	rewrite(m, &ends, seq, ack);
	return true;
}

/* Loses one in so many segments each way, in no pattern but always the same. */
static bool lose_every(struct wire *w, struct rte_mbuf *m, int dir)
{
	(void)m;
	return cb_mix(w->n_seen[dir] * 2ull + (unsigned int)dir) % w->every != 0;
}

static bool nat_and_lose(struct wire *w, struct rte_mbuf *m, int dir)
{
	return lose_every(w, m, dir) && nat_header(w, m, dir);
}

/* Turns a bit in the last byte of every n-th segment with payload, checksum and all. */
static bool spoil_payload(struct wire *w, struct rte_mbuf *m, int dir)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	struct cb_pkt p;

	if (cb_frame_parse(f, m->data_len, 0, &p) != CB_TCP || p.len == 0 ||
	    w->n_seen[dir] % w->every != 0)
		return true;
	f[p.data - f + p.len - 1] ^= 0x80;
	rewrite(m, &p.e, p.seq, p.ack);
	return true;
}

/* As above, but leaves the checksum wrong. */
static bool spoil_checksum(struct wire *w, struct rte_mbuf *m, int dir)
{
	if (w->n_seen[dir] % w->every == 0)
		rte_pktmbuf_mtod(m, uint8_t *)[14 + 20 + 17] ^= 1;
	return true;
}

/* Gives every n-th probe to the next client port. */
static bool misdeliver(struct wire *w, struct rte_mbuf *m, int dir)
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
	rewrite(m, &p.e, p.seq, p.ack);
	return true;
}

static bool duplicate(struct wire *w, struct rte_mbuf *m, int dir)
{
	struct rte_mbuf *copy = rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);

	assert_non_null(copy);
	w->queue[dir][w->n[dir]++] = copy;
	return true;
}

/* ---- running ---- */

static void wire_open(const char *mode, const char *options)
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
	n_in_use = rte_mempool_in_use_count(pool);
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

static void wire_close(void)
{
	cb_client_fini(&wire->c);
	cb_server_fini(&wire->s);
	for (int dir = 0; dir < 2; dir++)
		rte_pktmbuf_free_bulk(wire->queue[dir], wire->n[dir]);
	free(wire);
	wire = NULL;
	/* Every packet came back. */
	assert_int_equal(rte_mempool_in_use_count(pool), n_in_use);
}

static void order(const struct cb_cmd *cmd)
{
	wire->c.s.now = wire->s.s.now = wire->now;
	cb_client_command(&wire->c, cmd);
	cb_server_command(&wire->s, cmd);
}

static void deliver(int dir)
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

static void run(double seconds)
{
	uint64_t until = wire->now + (uint64_t)(seconds * HZ);

	for (; wire->now < until; wire->now += STEP) {
		wire->c.s.now = wire->s.s.now = wire->now;
		wire->c.s.tick = wire->s.s.tick = (uint16_t)(wire->now / (HZ / CB_TICKS_PER_S));
		deliver(UP);
		deliver(DOWN);
		cb_client_tick(&wire->c);
		cb_server_tick(&wire->s);
		cb_side_flush(&wire->c.s);
		cb_side_flush(&wire->s.s);
	}
}

static uint64_t n_bad(void)
{
	const struct cb_counts *c = &wire->c.s.counts, *s = &wire->s.s.counts;

	return c->payload_bad + s->payload_bad + c->probes_bad + s->probes_bad + c->checksum_bad +
	       s->checksum_bad + s->flow_bad + s->headers_missing + s->headers_unwanted +
	       s->headers_malformed + s->headers_client + s->headers_dial + s->headers_vpce;
}

/* Connections for a while, then quiet. */
static void connections(double rate, double seconds, double quiet)
{
	struct cb_cmd cmd = {.phase = CB_RUN, .connect = true, .conn_rate = rate};

	order(&cmd);
	run(seconds);
	cmd.phase = CB_DRAIN;
	order(&cmd);
	run(quiet);
}

static void open_all(uint32_t n, double seconds)
{
	struct cb_cmd cmd = {.phase = CB_OPEN_FLOWS, .conn_rate = 1e6};

	order(&cmd);
	run(seconds);
	assert_int_equal(wire->c.s.counts.ready, n);
	assert_int_equal(wire->s.s.counts.ready, n);
}

static void probes(double rate, double seconds)
{
	struct cb_cmd cmd = {.phase = CB_RUN, .probe = {true, true}, .probe_rate = {rate, rate}};

	order(&cmd);
	run(seconds);
	cmd.phase = CB_DRAIN;
	order(&cmd);
	run(0.01);
}

/* ---- connections ---- */

static void connections_of(const char *options, mangle_fn *mangle, uint32_t pkts_up)
{
	const struct cb_counts *c, *s;

	wire_open("cps", options);
	wire->mangle = mangle;
	connections(10000, 0.05, 0.1);
	c = &wire->c.s.counts;
	s = &wire->s.s.counts;
	assert_in_range(c->started, 499, 501);
	assert_int_equal(c->finished, c->started);
	assert_int_equal(c->opened, c->started);
	assert_int_equal(c->ready, c->started);
	assert_int_equal(c->failed, 0);
	assert_int_equal(c->tx_pkts, pkts_up * c->started);
	assert_int_equal(s->started, c->started);
	assert_int_equal(s->finished + s->resets, c->started);
	assert_int_equal(s->data_in, c->started * (uint64_t)wire->opts.request);
	assert_int_equal(c->data_in, c->started * (uint64_t)wire->opts.response);
	assert_int_equal(wire->s.table.n, 0);
	assert_int_equal(wire->c.n_active, 0);
	assert_int_equal(n_bad(), 0);
	assert_int_equal(c->syn_again + c->data_again + s->data_again, 0);
	wire_close();
}

static void connections_open_and_close(void **state)
{
	(void)state;
	/* SYN, ACK with the request, FIN, ACK */
	connections_of("--plain --verify", NULL, 4);
	connections_of("--plain --verify --bare-ack", NULL, 5);
	/* SYN, ACK with the request, ACK and FIN for the server's FIN */
	connections_of("--plain --verify --close server", NULL, 3);
	connections_of("--plain --verify --close reset", NULL, 3);
	/* SYN, ACK with FIN, ACK */
	connections_of("--plain --verify --request 0 --response 0", NULL, 3);
	/* Eight segments of request; the response comes in one burst, and the FIN acknowledges it. */
	connections_of("--plain --verify --request 2000 --response 4000 --mss 268", NULL, 11);
}

static void connections_through_a_nat_with_headers(void **state)
{
	(void)state;
	connections_of("--verify --proxy require --vpce vpce-0123456789abcdef0", nat_header, 4);
	connections_of("--verify --proxy auto --close server", nat_header, 3);
	connections_of("--verify --proxy require --bare-ack --close reset", nat_header, 4);
}

static void lost_segments_come_again(void **state)
{
	static const char *const options[] = {
		"--plain --verify --rto 8 --request 3000 --response 3000 --mss 500",
		"--plain --verify --rto 8 --close server",
		"--plain --verify --rto 8 --bare-ack --request 0 --response 0",
		"--plain --verify --rto 8 --request 20000 --response 100 --window 4000",
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(options); i++) {
		for (uint32_t every = 3; every < 40; every = every * 2 + 1) {
			const struct cb_counts *c, *s;

			wire_open("cps", options[i]);
			wire->mangle = lose_every;
			wire->every = every;
			connections(1000, 0.1, 20);
			c = &wire->c.s.counts;
			s = &wire->s.s.counts;
			assert_int_equal(c->started, c->finished + c->failed);
			assert_true(c->finished * 10 > c->started * 9);
			assert_true(c->syn_again > 0);
			assert_true(c->data_again + s->data_again > 0);
			assert_int_equal(wire->c.n_active, 0);
			assert_int_equal(wire->s.table.n, 0);
			assert_int_equal(n_bad(), 0);
			wire_close();
		}
	}
}

static void repeated_segments_do_no_harm(void **state)
{
	const struct cb_counts *c;

	(void)state;
	wire_open("cps", "--plain --verify --request 1000 --response 1000 --mss 300");
	wire->mangle = duplicate;
	connections(1000, 0.05, 1);
	c = &wire->c.s.counts;
	assert_int_equal(c->finished, c->started);
	assert_true(c->old > 0 && wire->s.s.counts.old > 0);
	assert_int_equal(wire->s.s.counts.data_in, c->started * 1000);
	assert_int_equal(wire->s.table.n, 0);
	assert_int_equal(n_bad(), 0);
	wire_close();
}

static void spoiled_payload_is_noticed(void **state)
{
	(void)state;
	wire_open("cps", "--plain --request 100 --response 100");
	wire->mangle = spoil_payload;
	wire->every = 7;
	connections(1000, 0.05, 1);
	assert_true(wire->c.s.counts.payload_bad > 0);
	assert_true(wire->s.s.counts.payload_bad > 0);
	assert_true(wire->c.s.n_notes > 0 && strstr(wire->c.s.notes[0], "of the response") != NULL);
	wire_close();
}

static void wrong_checksums_are_noticed_if_asked(void **state)
{
	(void)state;
	wire_open("cps", "--plain --verify --rto 8");
	wire->mangle = spoil_checksum;
	wire->every = 7;
	connections(1000, 0.05, 1);
	assert_true(wire->c.s.counts.checksum_bad > 0);
	assert_true(wire->s.s.counts.checksum_bad > 0);
	wire_close();
}

static void refused_connections_count_as_failed(void **state)
{
	struct cb_cmd cmd = {.phase = CB_RUN, .connect = true, .conn_rate = 1000};
	const struct cb_counts *c;

	(void)state;
	wire_open("cps", "--plain --rto 8");
	wire->device_full = true;
	order(&cmd);
	run(0.01);
	assert_true(wire->c.s.counts.started > 0 && wire->c.s.n_out > 0);
	/* Nothing gets out: all time out in the end. */
	cmd.phase = CB_DRAIN;
	order(&cmd);
	run(5);
	c = &wire->c.s.counts;
	assert_int_equal(c->failed, c->started);
	assert_int_equal(wire->c.n_active, 0);
	wire_close();
}

/* ---- PROXY headers ---- */

static void header_case(const char *options, size_t count_ofs, const char *note,
			void (*spoil)(void))
{
	const uint64_t *count;
	uint32_t i;

	wire_open("cps", options);
	wire->mangle = nat_header;
	spoil();
	connections(1000, 0.02, 0.5);
	count = (const uint64_t *)(const void *)((const char *)&wire->s.s.counts + count_ofs);
	assert_in_range(*count, 19, 21);
	for (i = 0; i < wire->s.s.n_notes && strstr(wire->s.s.notes[i], note) == NULL; i++)
		;
	if (i == wire->s.s.n_notes)
		fail_msg("'%s' is not in '%s' ..", note, wire->s.s.notes[0]);
	wire_close();
}

static void spoil_nothing(void)
{
}

static void spoil_crc(void)
{
	wire->spoil_header = true;
}

static void spoil_client(void)
{
	wire->wrong_src = cv_be32(1);
}

static void spoil_foreign_client(void)
{
	wire->wrong_src = cv_be32(1u << 31);
}

static void spoil_dial(void)
{
	wire->wrong_dst = cv_be32(4);
}

static void spoil_all(void)
{
	wire->no_header = true;
}

#define COUNT(name) offsetof(struct cb_counts, name)

static void wrong_headers_are_noticed(void **state)
{
	(void)state;
	header_case("--proxy require", COUNT(headers_malformed), "wrong CRC", spoil_crc);
	header_case("--proxy require", COUNT(headers_client), "names flow", spoil_client);
	header_case("--proxy require", COUNT(headers_client), "none of ours", spoil_foreign_client);
	header_case("--proxy require", COUNT(headers_dial), "with destination", spoil_dial);
	header_case("--proxy require", COUNT(headers_missing), "without a PROXY header", spoil_all);
	header_case("--proxy require --request 0 --response 0", COUNT(headers_missing),
		    "without a byte", spoil_all);
	header_case("--proxy require --vpce vpce-1", COUNT(headers_vpce),
		    "endpoint id 'vpce-0123456789abcdef0', not 'vpce-1'", spoil_nothing);
}

static void an_unwanted_header_is_noticed(void **state)
{
	(void)state;
	wire_open("cps", "--proxy none");
	wire->mangle = nat_header;
	connections(1000, 0.02, 0.5);
	assert_in_range(wire->s.s.counts.headers_unwanted, 19, 21);
	wire_close();
}

/* ---- flows that stay ---- */

static void probes_arrive_and_are_of_their_flows(void **state)
{
	const struct cb_counts *c, *s;

	(void)state;
	for (int random = 0; random < 2; random++) {
		wire_open("established",
			  random != 0 ? "--verify --proxy require --flows 300 --size 200 "
					"--order random"
				      : "--verify --proxy require --flows 300");
		wire->mangle = nat_header;
		open_all(300, 0.1);
		c = &wire->c.s.counts;
		s = &wire->s.s.counts;
		probes(100000, 0.1);
		assert_in_range(c->probes_out, 9990, 10001);
		assert_int_equal(s->probes_in, c->probes_out);
		assert_int_equal(c->probes_in, s->probes_out);
		assert_int_equal(s->payload_checked, c->probes_out);
		assert_int_equal(s->headers_checked, 300);
		assert_int_equal(n_bad(), 0);
		/* As fast as possible, with a window. */
		probes(0, 0.1);
		assert_true(c->probes_out > 50000);
		assert_int_equal(s->probes_in, c->probes_out);
		assert_int_equal(c->probes_in, s->probes_out);
		wire_close();
	}
}

static void lost_probes_are_counted_and_do_not_stop_the_rest(void **state)
{
	const struct cb_counts *c, *s;
	uint64_t lost;

	(void)state;
	wire_open("established", "--plain --flows 100 --inflight 64");
	open_all(100, 0.1);
	wire->mangle = lose_every;
	wire->every = 10;
	probes(0, 1);
	c = &wire->c.s.counts;
	s = &wire->s.s.counts;
	lost = c->probes_out - s->probes_in;
	assert_true(c->probes_out > 5000);
	assert_in_range(lost * 10, c->probes_out * 9 / 10, c->probes_out * 11 / 10);
	assert_int_equal(n_bad(), 0);
	wire_close();
}

static void misdelivered_probes_are_noticed(void **state)
{
	(void)state;
	wire_open("established", "--plain --verify --flows 100");
	open_all(100, 0.1);
	wire->mangle = misdeliver;
	wire->every = 10;
	probes(10000, 0.1);
	assert_in_range(wire->c.s.counts.probes_bad, 98, 102);
	assert_in_range(wire->s.s.counts.probes_bad, 98, 102);
	assert_non_null(strstr(wire->c.s.notes[0], "came to flow"));
	wire_close();
}

static void spoiled_probes_are_noticed(void **state)
{
	(void)state;
	wire_open("established", "--plain --verify --flows 100 --size 100");
	open_all(100, 0.1);
	wire->mangle = spoil_payload;
	wire->every = 10;
	probes(10000, 0.1);
	assert_in_range(wire->c.s.counts.payload_bad, 98, 102);
	assert_in_range(wire->s.s.counts.payload_bad, 98, 102);
	wire->mangle = spoil_checksum;
	probes(10000, 0.1);
	assert_in_range(wire->c.s.counts.checksum_bad, 98, 102);
	wire_close();
}

static void a_full_device_is_not_loss_of_the_other(void **state)
{
	const struct cb_counts *c;

	(void)state;
	wire_open("established", "--plain --flows 100");
	open_all(100, 0.1);
	wire->device_full = true;
	probes(100000, 0.1);
	c = &wire->c.s.counts;
	assert_true(c->probes_unsent > 5000);
	assert_in_range(c->probes_out + c->probes_unsent, 9990, 10001);
	assert_true(c->probes_out <= CB_OUT_SOFT + CB_BURST);
	wire->device_full = false;
	run(0.01);
	assert_int_equal(wire->s.s.counts.probes_in, c->probes_out);
	wire_close();
}

static void streams_flow_both_ways_also_with_loss(void **state)
{
	(void)state;
	for (int lossy = 0; lossy < 2; lossy++) {
		struct cb_cmd cmd = {.phase = CB_RUN};
		const struct cb_counts *c, *s;

		wire_open("throughput", "--verify --flows 8 --rto 8 --proxy require");
		wire->mangle = lossy != 0 ? nat_and_lose : nat_header;
		wire->every = 1000;
		open_all(8, 0.5);
		order(&cmd);
		run(1);
		c = &wire->c.s.counts;
		s = &wire->s.s.counts;
		assert_true(s->data_in > 20000000 && c->data_in > 20000000);
		assert_true(c->payload_checked > 1000 && s->payload_checked > 1000);
		assert_int_equal(c->data_again + s->data_again > 0, lossy != 0);
		assert_int_equal(n_bad(), 0);
		/* Streams are longer than the pattern, and than 16 bits count. */
		assert_true(s->data_in / 8 > 10 * 65536);
		wire_close();
	}
}

static void held_flows_show_signs_of_life(void **state)
{
	struct cb_cmd cmd = {.phase = CB_RUN};
	const struct cb_counts *c;

	(void)state;
	wire_open("concurrent", "--plain --flows 200 --keepalive 1 --rto 20");
	open_all(200, 0.1);
	order(&cmd);
	run(5);
	c = &wire->c.s.counts;
	assert_in_range(c->keepalives, 3 * 200, 5 * 200);
	assert_in_range(c->alive, c->keepalives - 200, c->keepalives);
	assert_int_equal(wire->c.n_active, 200);
	/* Nobody there any more: all are given up. */
	wire->mangle = lose_every;
	wire->every = 1;
	run(10);
	assert_int_equal(c->failed, 200);
	assert_int_equal(wire->c.n_active, 0);
	wire_close();
}

static void closing_resets_every_flow(void **state)
{
	struct cb_cmd cmd = {.phase = CB_CLOSE};

	(void)state;
	wire_open("established", "--proxy require --flows 300");
	wire->mangle = nat_header;
	open_all(300, 0.1);
	order(&cmd);
	run(0.1);
	assert_int_equal(wire->c.n_active, 0);
	assert_int_equal(wire->s.s.counts.resets, 300);
	assert_int_equal(wire->s.table.n, 0);
	wire_close();
}

static void a_flood_takes_no_room(void **state)
{
	struct cb_cmd cmd = {.phase = CB_RUN,
			     .probe = {true, true},
			     .probe_rate = {1000, 1000},
			     .flood = true,
			     .flood_rate = 100000};
	const struct cb_counts *c;

	(void)state;
	wire_open("flood", "--plain --flows 100");
	open_all(100, 0.1);
	order(&cmd);
	run(0.5);
	cmd.phase = CB_DRAIN;
	order(&cmd);
	run(0.05);
	c = &wire->c.s.counts;
	assert_in_range(c->flood_out, 49900, 50001);
	assert_int_equal(c->flood_in, c->flood_out);
	assert_int_equal(wire->s.table.n, 100);
	assert_int_equal(wire->s.s.counts.probes_in, c->probes_out);
	assert_int_equal(n_bad(), 0);
	wire_close();
}

/* ---- ARP ---- */

static struct rte_mbuf *arp_frame(const uint8_t *mac, const uint8_t *to, uint32_t sender,
				  uint32_t target)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	cb_arp_write((uint8_t *)rte_pktmbuf_append(m, 60), 0, mac, to, cv_be32(sender),
		     cv_be32(target));
	return m;
}

/* What a side answers to an ARP request for an address; 0: nothing. */
static uint32_t answers(int side, uint32_t target)
{
	static const uint8_t mac[6] = {2, 9, 9, 9, 9, 9};
	struct rte_mbuf *m = arp_frame(mac, NULL, 0x01010101, target);
	struct cb_arp arp = {0};

	wire->queue[side == UP ? DOWN : UP][0] = m;
	wire->n[side == UP ? DOWN : UP] = 1;
	wire->n[side] = 0;
	run(1.0 / 20000);
	if (wire->n[side] == 0)
		return 0;
	m = wire->queue[side][0];
	assert_true(cb_arp_read(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, 0, &arp));
	assert_int_equal(arp.op, 2);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), mac, 6);
	assert_int_equal(arp.mac[5], side + 1);
	rte_pktmbuf_free_bulk(wire->queue[side], wire->n[side]);
	wire->n[side] = 0;
	return cv_be32_host(arp.sender);
}

static void arp_is_answered_for_all_addresses_and_no_other(void **state)
{
	struct cb_cmd cmd = {.phase = CB_WAIT};

	(void)state;
	wire_open("cps", "--plain");
	order(&cmd);
	assert_int_equal(answers(UP, 0xac100000), 0xac100000);
	assert_int_equal(answers(UP, 0xac1000ff), 0xac1000ff);
	assert_int_equal(answers(UP, 0xac100100), 0);
	assert_int_equal(answers(UP, 0x0a000001), 0);
	assert_int_equal(answers(DOWN, 0x0a000004), 0x0a000004);
	assert_int_equal(answers(DOWN, 0x0a000005), 0);
	assert_int_equal(answers(DOWN, 0xac100000), 0);
	wire_close();
}

static void clients_ask_until_every_dial_is_known(void **state)
{
	static const uint8_t mac[2][6] = {{2, 9, 9, 9, 9, 1}, {2, 9, 9, 9, 9, 2}};
	struct cb_cmd cmd = {.phase = CB_WAIT};

	(void)state;
	wire_open("cps", "");
	wire->opts.via_mac.set = false;
	wire->c.resolved = wire->c.known[0] = wire->c.known[1] = false;
	order(&cmd);
	run(0.05);
	assert_true(wire->s.s.counts.rx_arp >= 2);
	assert_false(wire->c.resolved);
	for (uint32_t i = 0; i < 2; i++) {
		assert_false(wire->c.resolved);
		wire->queue[DOWN][wire->n[DOWN]++] =
			arp_frame(mac[i], wire->c.s.mac, 0x0a090001 + i, 0xac100000);
		run(0.001);
	}
	assert_true(wire->c.resolved);
	assert_memory_equal(wire->c.tmpls[0].bytes, mac[0], 6);
	assert_memory_equal(wire->c.tmpls[1].bytes, mac[1], 6);
	wire_close();
}

static int start(void **state)
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
	pool = rte_pktmbuf_pool_create("wire", 16383, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
	return pool != NULL ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connections_open_and_close),
		cmocka_unit_test(connections_through_a_nat_with_headers),
		cmocka_unit_test(lost_segments_come_again),
		cmocka_unit_test(repeated_segments_do_no_harm),
		cmocka_unit_test(spoiled_payload_is_noticed),
		cmocka_unit_test(wrong_checksums_are_noticed_if_asked),
		cmocka_unit_test(refused_connections_count_as_failed),
		cmocka_unit_test(wrong_headers_are_noticed),
		cmocka_unit_test(an_unwanted_header_is_noticed),
		cmocka_unit_test(probes_arrive_and_are_of_their_flows),
		cmocka_unit_test(lost_probes_are_counted_and_do_not_stop_the_rest),
		cmocka_unit_test(misdelivered_probes_are_noticed),
		cmocka_unit_test(spoiled_probes_are_noticed),
		cmocka_unit_test(a_full_device_is_not_loss_of_the_other),
		cmocka_unit_test(streams_flow_both_ways_also_with_loss),
		cmocka_unit_test(held_flows_show_signs_of_life),
		cmocka_unit_test(closing_resets_every_flow),
		cmocka_unit_test(a_flood_takes_no_room),
		cmocka_unit_test(arp_is_answered_for_all_addresses_and_no_other),
		cmocka_unit_test(clients_ask_until_every_dial_is_known),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
