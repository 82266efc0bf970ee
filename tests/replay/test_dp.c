/* SPDX-License-Identifier: BSD-3-Clause */

/* The packet core, packet by packet: what goes in by a port, what comes out, what is counted. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_flow.h"
#include "world.h"

#define H CV_PPV2_AWS_LEN
#define ISN 1000000u
#define TISN 5000000u
#define F_SYN CV_TCP_SYN
#define F_ACK CV_TCP_ACK
#define F_FIN (CV_TCP_FIN | CV_TCP_ACK)
#define F_PSH (CV_TCP_PSH | CV_TCP_ACK)

static const uint8_t CLIENT_MAC[6] = {2, 0xcc, 0, 0, 0, 1};
static const uint8_t TARGET_MAC[6] = {2, 0xaa, 0, 0, 0, 30};

/* One conversation as its two ends see it. */
struct talk {
	struct world *w;
	unsigned int vpc;
	cv_be32_t client, eni;
	uint16_t cport, dport;
	uint32_t cseq, cack; /* client's next sequence number and ACK */
	uint32_t tseq;       /* target's next sequence number */
	uint16_t nport;      /* SNAT port, once seen */
	cv_be32_t node;
};

static struct talk talk(struct world *w, uint16_t cport, uint16_t dport)
{
	return (struct talk){w, VPC_A, CLIENT_IP, ENI_A, cport, dport, ISN, 0, TISN, 0, NODE_0};
}

static struct seg client_seg(const struct talk *t, uint8_t flags, const char *payload)
{
	struct seg s = {
		.vlan = t->w->vpcs[t->vpc].vlan,
		.src = t->client,
		.dst = t->eni,
		.sport = t->cport,
		.dport = t->dport,
		.seq = t->cseq,
		.ack = (flags & F_ACK) != 0 ? t->cack : 0,
		.flags = flags,
		.ttl = 64,
		.tos = 0x10,
		.id = 77,
		.wnd = 1000,
		.payload = (const uint8_t *)payload,
		.len = (uint16_t)strlen(payload),
	};

	memcpy(s.src_mac, CLIENT_MAC, 6);
	world_mac(t->w, t->vpc, t->eni, t->vpc == VPC_P, s.dst_mac);
	return s;
}

static struct seg target_seg(const struct talk *t, uint32_t ack, uint8_t flags, const char *payload)
{
	struct seg s = {
		.src = t->node == NODE_0 ? TARGET_0 : TARGET_1,
		.dst = t->node,
		.sport = TARGET_PORT,
		.dport = t->nport,
		.seq = t->tseq,
		.ack = ack,
		.flags = flags,
		.ttl = 64,
		.id = 99,
		.wnd = 2000,
		.payload = (const uint8_t *)payload,
		.len = (uint16_t)strlen(payload),
	};

	memcpy(s.src_mac, TARGET_MAC, 6);
	world_mac(t->w, VPC_P, t->node, true, s.dst_mac);
	return s;
}

static uint16_t port_of(const struct talk *t)
{
	return t->vpc == VPC_P ? 1 : 0;
}

static void send_by(struct world *w, unsigned int worker, uint16_t port, const struct seg *s)
{
	uint8_t frame[WORLD_FRAME_MAX];
	uint16_t len = seg_build(s, frame);

	w->n_out = 0;
	world_rx(w, worker, port, frame, len);
}

/* Sends and returns the one segment that comes out. */
static struct seg one(struct world *w, uint16_t port, const struct seg *s)
{
	send_by(w, 0, port, s);
	assert_int_equal(w->n_out, 1);
	return seg_parse(&w->out[0]);
}

static void none(struct world *w, uint16_t port, const struct seg *s, enum cv_drop reason)
{
	uint64_t before = world_drops(w, reason);

	send_by(w, 0, port, s);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, reason), before + 1);
}

static struct seg c2t(struct talk *t, uint8_t flags, const char *payload)
{
	struct seg s = client_seg(t, flags, payload);
	struct seg out = one(t->w, port_of(t), &s);

	t->cseq += s.len + ((flags & F_SYN) != 0) + ((flags & CV_TCP_FIN) != 0);
	return out;
}

static struct seg t2c(struct talk *t, uint32_t ack, uint8_t flags, const char *payload)
{
	struct seg s = target_seg(t, ack, flags, payload);
	struct seg out = one(t->w, 1, &s);

	t->tseq += s.len + ((flags & F_SYN) != 0) + ((flags & CV_TCP_FIN) != 0);
	t->cack = t->tseq;
	return out;
}

/* SYN and SYN-ACK; h: header bytes that the target does not know of yet. */
static void dial(struct talk *t, uint32_t h)
{
	struct seg s = c2t(t, F_SYN, "");

	assert_int_equal(s.seq, ISN - h);
	t->nport = s.sport;
	t->node = s.src;
	s = t2c(t, ISN + 1 - h, F_SYN | F_ACK, "");
	assert_int_equal(s.ack, ISN + 1);
}

static void open_plain(struct talk *t)
{
	struct seg s;

	dial(t, 0);
	s = c2t(t, F_ACK, "");
	assert_int_equal(s.seq, ISN + 1);
}

/* A flow with PROXY on, the header sent with "hi" and acknowledged. */
static void open_proxy(struct talk *t)
{
	struct seg s;

	dial(t, H);
	s = c2t(t, F_ACK, "");
	assert_int_equal(s.seq, ISN + 1 - H);
	s = c2t(t, F_PSH, "hi");
	assert_int_equal(s.len, H + 2);
	s = t2c(t, ISN + 3, F_ACK, "");
	assert_int_equal(s.ack, ISN + 3);
}

static void want_header(const uint8_t *bytes, const struct talk *t, const char *vpce)
{
	uint8_t tmpl[H], want[H];
	struct cv_ppv2_tuple tuple = {t->client, t->eni, cv_be16(t->cport), cv_be16(t->dport)};

	cv_ppv2_aws_template(tmpl, vpce);
	cv_ppv2_aws_finish(want, tmpl, &tuple);
	assert_memory_equal(bytes, want, H);
}

/* ---- addresses, Ethernet, TTL ---- */

static void plain_flow_is_rewritten_both_ways(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	uint8_t mac[6];
	struct seg s;

	(void)state;
	open_plain(&t);
	s = c2t(&t, F_PSH, "odd");
	assert_int_equal(s.port, 1);
	assert_int_equal(s.vlan, 0);
	assert_memory_equal(s.dst_mac, TARGET_MAC, 6);
	world_mac(w, VPC_P, NODE_0, true, mac);
	assert_memory_equal(s.src_mac, mac, 6);
	assert_int_equal(s.src, NODE_0);
	assert_int_equal(s.dst, TARGET_0);
	assert_int_equal(s.sport, t.nport);
	assert_int_equal(s.dport, TARGET_PORT);
	assert_int_equal(s.seq, ISN + 1);
	assert_int_equal(s.ack, TISN + 1);
	assert_int_equal(s.ttl, 62);
	assert_int_equal(s.tos, 0x10);
	assert_int_equal(s.id, 77);
	assert_int_equal(s.wnd, 1000);
	assert_memory_equal(s.payload, "odd", 3);
	s = t2c(&t, ISN + 4, F_PSH, "reply");
	assert_int_equal(s.port, 0);
	assert_memory_equal(s.dst_mac, CLIENT_MAC, 6);
	world_mac(w, VPC_A, ENI_A, false, mac);
	assert_memory_equal(s.src_mac, mac, 6);
	assert_int_equal(s.src, ENI_A);
	assert_int_equal(s.dst, CLIENT_IP);
	assert_int_equal(s.sport, L_PLAIN);
	assert_int_equal(s.dport, 40000);
	assert_int_equal(s.ttl, 62);
	assert_int_equal(s.id, 99);
	assert_int_equal(s.ack, ISN + 4);
	assert_memory_equal(s.payload, "reply", 5);
	world_destroy(w);
}

static void ethernet_padding_is_not_payload(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	dial(&t, H);
	s = client_seg(&t, F_PSH, "x");
	s.pad = 5;
	s = one(w, 0, &s);
	assert_int_equal(s.len, H + 1);
	want_header(s.payload, &t, "vpce-00000000000000001");
	world_destroy(w);
}

static void vlan_is_changed_on_the_way(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	t.vpc = VPC_B;
	dial(&t, H);
	s = c2t(&t, F_PSH, "hello");
	assert_int_equal(s.port, 1);
	assert_int_equal(s.vlan, 0);
	want_header(s.payload, &t, "vpce-00000000000000002");
	s = t2c(&t, ISN + 6, F_PSH, "back");
	assert_int_equal(s.port, 0);
	assert_int_equal(s.vlan, 7);
	assert_memory_equal(s.payload, "back", 4);
	world_destroy(w);
}

static void equal_clients_of_overlapping_vpcs_are_two_flows(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk a = talk(w, 40000, L_PLAIN), b = a;
	struct seg s;

	(void)state;
	b.vpc = VPC_B;
	open_plain(&a);
	open_plain(&b);
	assert_int_not_equal(a.nport, b.nport);
	assert_int_equal(world_flows(w), 2);
	s = t2c(&a, ISN + 1, F_PSH, "for a");
	assert_int_equal(s.vlan, 0);
	s = t2c(&b, ISN + 1, F_PSH, "for b");
	assert_int_equal(s.vlan, 7);
	world_destroy(w);
}

static void ttl_that_runs_out_is_dropped(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	s = client_seg(&t, F_ACK, "");
	s.ttl = 2;
	none(w, 0, &s, CV_DROP_TTL);
	s.ttl = 3;
	assert_int_equal(one(w, 0, &s).ttl, 1);
	world_destroy(w);
}

static void packet_above_the_mtu_is_dropped(void **state)
{
	static char big[1501];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	memset(big, 'x', 1460);
	s = client_seg(&t, F_ACK, big);
	assert_int_equal(one(w, 0, &s).len, 1460);
	memset(big, 'x', 1461);
	s = client_seg(&t, F_ACK, big);
	none(w, 0, &s, CV_DROP_TOO_BIG);
	world_destroy(w);
}

static void mss_is_clamped_in_both_directions(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.mtu = 1300});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");

	(void)state;
	memcpy(s.opts, "\x02\x04\x05\xb4\x01\x03\x03\x07", 8);
	s.opts_len = 8;
	s = one(w, 0, &s);
	assert_memory_equal(s.opts, "\x02\x04\x04\xec\x01\x03\x03\x07", 8);
	t.nport = s.sport;
	s = target_seg(&t, ISN + 1, F_SYN | F_ACK, "");
	memcpy(s.opts, "\x01\x02\x04\x23\x05\x01\x01\x01", 8);
	s.opts_len = 8;
	s = one(w, 1, &s);
	assert_memory_equal(s.opts, "\x01\x02\x04\x04\xec\x01\x01\x01", 8);
	assert_int_equal(world_events(w, CV_EV_MSS_CLAMPED), 2);
	world_destroy(w);
}

/* ---- the header ---- */

static void header_rides_on_the_first_payload(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	dial(&t, H);
	s = c2t(&t, F_ACK, "");
	assert_int_equal(s.seq, ISN + 1 - H);
	assert_int_equal(s.len, 0);
	s = c2t(&t, F_PSH, "GET /");
	assert_int_equal(s.seq, ISN + 1 - H);
	assert_int_equal(s.len, H + 5);
	want_header(s.payload, &t, "vpce-00000000000000001");
	assert_memory_equal(s.payload + H, "GET /", 5);
	assert_int_equal(s.wnd, 1000);
	s = t2c(&t, ISN + 6, F_PSH, "200");
	assert_int_equal(s.seq, TISN + 1);
	assert_int_equal(s.ack, ISN + 6);
	s = c2t(&t, F_PSH, "more");
	assert_int_equal(s.seq, ISN + 6);
	assert_int_equal(s.len, 4);
	assert_int_equal(world_events(w, CV_EV_PPV2_SENT), 1);
	world_destroy(w);
}

static void header_rides_on_the_handshake_ack_when_told(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_FIRST_ACK);
	struct seg s;

	(void)state;
	dial(&t, H);
	s = c2t(&t, F_ACK, "");
	assert_int_equal(s.seq, ISN + 1 - H);
	assert_int_equal(s.len, H);
	want_header(s.payload, &t, "vpce-00000000000000001");
	s = t2c(&t, ISN + 1, F_PSH, "220 banner");
	assert_int_equal(s.ack, ISN + 1);
	assert_int_equal(s.len, 10);
	s = c2t(&t, F_PSH, "HELO");
	assert_int_equal(s.seq, ISN + 1);
	assert_int_equal(s.len, 4);
	world_destroy(w);
}

static void header_goes_alone_before_a_full_segment(void **state)
{
	static char full[1461];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s, syn = client_seg(&t, F_SYN, "");

	(void)state;
	syn = one(w, 0, &syn);
	t.nport = syn.sport;
	t.cseq++;
	s = target_seg(&t, ISN + 1 - H, F_SYN | F_ACK, "");
	memcpy(s.opts, "\x02\x04\x05\xb4", 4);
	s.opts_len = 4;
	one(w, 1, &s);
	t.cack = TISN + 1;
	memset(full, 'f', 1460);
	s = client_seg(&t, F_ACK, full);
	send_by(w, 0, 0, &s);
	assert_int_equal(w->n_out, 2);
	s = seg_parse(&w->out[0]);
	assert_int_equal(s.port, 1);
	assert_int_equal(s.src, NODE_0);
	assert_int_equal(s.dst, TARGET_0);
	assert_int_equal(s.sport, t.nport);
	assert_int_equal(s.dport, TARGET_PORT);
	assert_memory_equal(s.dst_mac, TARGET_MAC, 6);
	assert_int_equal(s.seq, ISN + 1 - H);
	assert_int_equal(s.ack, TISN + 1);
	assert_int_equal(s.len, H);
	want_header(s.payload, &t, "vpce-00000000000000001");
	s = seg_parse(&w->out[1]);
	assert_int_equal(s.seq, ISN + 1);
	assert_int_equal(s.len, 1460);
	assert_memory_equal(s.payload, full, 1460);
	world_destroy(w);
}

static void lost_header_comes_again_with_the_clients_data(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s, again;

	(void)state;
	dial(&t, H);
	again = client_seg(&t, F_PSH, "data");
	for (int i = 0; i < 3; i++) {
		s = one(w, 0, &again);
		assert_int_equal(s.seq, ISN + 1 - H);
		assert_int_equal(s.len, H + 4);
		want_header(s.payload, &t, "vpce-00000000000000001");
	}
	assert_int_equal(world_events(w, CV_EV_PPV2_SENT), 1);
	assert_int_equal(world_events(w, CV_EV_PPV2_RESENT), 2);
	world_destroy(w);
}

static void target_that_misses_the_header_gets_it_from_us(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	dial(&t, H);
	c2t(&t, F_PSH, "data");
	/* The header was lost, later data came through: a duplicate ACK below it. */
	s = target_seg(&t, ISN + 1 - H, F_ACK, "");
	memcpy(s.opts, "\x01\x01\x05\x0a\x00\x00\x00\x00\x00\x00\x00\x00", 12);
	s.opts_len = 12;
	send_by(w, 0, 1, &s);
	assert_int_equal(w->n_out, 2);
	for (unsigned int i = 0; i < 2; i++) {
		s = seg_parse(&w->out[i]);
		if (s.port == 0) {
			assert_int_equal(s.ack, ISN + 1);
			continue;
		}
		assert_int_equal(s.seq, ISN + 1 - H);
		assert_int_equal(s.len, H);
		want_header(s.payload, &t, "vpce-00000000000000001");
	}
	world_destroy(w);
}

static void timer_sends_the_header_again_for_a_silent_client(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_FIRST_ACK);
	struct seg s;

	(void)state;
	dial(&t, H);
	c2t(&t, F_ACK, "");
	w->n_out = 0;
	world_wait(w, 700);
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	assert_int_equal(s.seq, ISN + 1 - H);
	want_header(s.payload, &t, "vpce-00000000000000001");
	t2c(&t, ISN + 1, F_ACK, "");
	w->n_out = 0;
	world_wait(w, 60000);
	assert_int_equal(w->n_out, 0);
	world_destroy(w);
}

static void timestamps_are_kept_in_a_made_header(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_FIRST_ACK);
	struct seg s;

	(void)state;
	dial(&t, H);
	s = client_seg(&t, F_ACK, "");
	memcpy(s.opts, "\x01\x01\x08\x0a\x11\x22\x33\x44\x55\x66\x77\x88", 12);
	s.opts_len = 12;
	one(w, 0, &s);
	w->n_out = 0;
	world_wait(w, 700);
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	assert_int_equal(s.opts_len, 12);
	assert_memory_equal(s.opts, "\x01\x01\x08\x0a\x11\x22\x33\x44\x55\x66\x77\x88", 12);
	world_destroy(w);
}

static void fast_open_is_stripped_with_proxy_and_kept_without(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s = client_seg(&t, F_SYN, "early!!"), out;

	(void)state;
	memcpy(s.opts, "\x22\x06\x01\x02\x03\x04\x01\x01", 8);
	s.opts_len = 8;
	out = one(w, 0, &s);
	assert_int_equal(out.len, 0);
	assert_int_equal(out.seq, ISN - H);
	assert_memory_equal(out.opts, "\x01\x01\x01\x01\x01\x01\x01\x01", 8);
	s.dport = L_PLAIN;
	s.sport++;
	out = one(w, 0, &s);
	assert_int_equal(out.len, 7);
	assert_memory_equal(out.opts, s.opts, 8);
	world_destroy(w);
}

/* ---- endings ---- */

static void close_frees_the_port_after_linger_and_rest(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_ports = 1});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	c2t(&t, F_FIN, "");
	t2c(&t, ISN + 2, F_FIN, "");
	c2t(&t, F_ACK, "");
	/* A repeated FIN still gets through to the other side while the flow lingers. */
	t.tseq--;
	t2c(&t, ISN + 2, F_FIN, "");
	assert_int_equal(world_flows(w), 1);
	world_wait(w, 4000);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FIN), 1);
	t = talk(w, 40001, L_PLAIN);
	s = client_seg(&t, F_SYN, "");
	none(w, 0, &s, CV_DROP_PORT_ALLOCATION);
	world_wait(w, 55900);
	none(w, 0, &s, CV_DROP_PORT_ALLOCATION);
	world_wait(w, 200);
	one(w, 0, &s);
	world_destroy(w);
}

static void reset_ends_a_flow(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	s = t2c(&t, ISN + 1, CV_TCP_RST | F_ACK, "");
	assert_int_equal(s.flags, CV_TCP_RST | F_ACK);
	assert_int_equal(world_events(w, CV_EV_TARGET_RST), 1);
	world_wait(w, 5000);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_RST), 1);
	world_destroy(w);
}

static void closed_target_port_refuses_the_client(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s = c2t(&t, F_SYN, "");

	(void)state;
	t.nport = s.sport;
	t.tseq = 0;
	s = t2c(&t, ISN + 1 - H, CV_TCP_RST | F_ACK, "");
	assert_int_equal(s.flags, CV_TCP_RST | F_ACK);
	assert_int_equal(s.ack, ISN + 1);
	world_destroy(w);
}

static void idle_flow_expires_silently_then_resets(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	world_wait(w, 349000);
	c2t(&t, F_PSH, "still here");
	w->n_out = 0;
	world_wait(w, 350000);
	assert_int_equal(world_flows(w), 1);
	world_wait(w, 3000);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_IDLE), 1);
	s = client_seg(&t, F_ACK, "late");
	s = one(w, 0, &s);
	assert_int_equal(s.port, 0);
	assert_int_equal(s.flags, CV_TCP_RST);
	assert_int_equal(s.seq, TISN + 1);
	assert_int_equal(s.dport, 40000);
	s = target_seg(&t, ISN + 11, F_PSH, "late too");
	s = one(w, 1, &s);
	assert_int_equal(s.port, 1);
	assert_int_equal(s.flags, CV_TCP_RST);
	assert_int_equal(s.seq, ISN + 11);
	assert_int_equal(world_events(w, CV_EV_ELB_RST), 2);
	assert_int_equal(world_drops(w, CV_DROP_STRAY), 2);
	world_destroy(w);
}

static void idle_limit_counts_before_the_walk_comes(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	w->now_ms += 350001;
	s = client_seg(&t, F_ACK, "");
	assert_int_equal(one(w, 0, &s).flags, CV_TCP_RST);
	world_destroy(w);
}

static void handshake_that_stalls_times_out(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);

	(void)state;
	c2t(&t, F_SYN, "");
	world_wait(w, 29000);
	assert_int_equal(world_flows(w), 1);
	world_wait(w, 3000);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_SYN), 1);
	world_destroy(w);
}

static void syn_on_a_closed_flow_opens_a_new_one(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	uint16_t before;
	struct seg s;

	(void)state;
	open_plain(&t);
	before = t.nport;
	c2t(&t, F_FIN, "");
	t2c(&t, ISN + 2, F_FIN, "");
	c2t(&t, F_ACK, "");
	t.cseq = ISN + 100000;
	s = c2t(&t, F_SYN, "");
	assert_int_equal(s.flags, F_SYN);
	assert_int_not_equal(s.sport, before);
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 2);
	world_destroy(w);
}

/* ---- what is refused ---- */

static void syn_is_dropped_for_one_named_reason(void **state)
{
	static const struct {
		cv_be32_t eni;
		uint16_t port;
		enum cv_drop reason;
		int endpoint;
	} cases[] = {
		{ENI_PENDING, L_PLAIN, CV_DROP_ENDPOINT_PENDING, EP_PENDING},
		{ENI_REJECTED, L_PLAIN, CV_DROP_ENDPOINT_REJECTED, EP_REJECTED},
		{ENI_A, 8443, CV_DROP_NO_LISTENER, EP_A},
		{ENI_A, L_EMPTY, CV_DROP_NO_TARGET, EP_A},
		{ENI_NO_NODE, L_PLAIN, CV_DROP_NO_NODE, EP_A},
		{ENI_GUARDED, L_PROXY, CV_DROP_SECURITY_GROUP, EP_GUARDED},
		{IP4(10, 1, 0, 99), L_PLAIN, CV_DROP_NO_ADDRESS, -1},
	};
	struct world *w = world_create(&(struct world_cfg){0});

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct talk t = talk(w, 40000, cases[i].port);
		uint64_t before = 0;
		struct seg s;

		if (cases[i].endpoint >= 0)
			before = cv_stats_obj_sum(cv_dp_stats(w->dp), 1, CV_STATS_ENDPOINT,
						  (uint32_t)cases[i].endpoint)
					 .drops;
		t.eni = cases[i].eni;
		s = client_seg(&t, F_SYN, "");
		none(w, 0, &s, cases[i].reason);
		if (cases[i].endpoint >= 0)
			assert_int_equal(cv_stats_obj_sum(cv_dp_stats(w->dp), 1, CV_STATS_ENDPOINT,
							  (uint32_t)cases[i].endpoint)
						 .drops,
					 before + 1);
	}
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

static void security_group_lets_its_clients_in(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	t.eni = ENI_GUARDED;
	open_plain(&t);
	t.client = IP4(10, 1, 0, 51);
	s = client_seg(&t, F_SYN, "");
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	world_destroy(w);
}

static void stray_gets_a_reset_only_on_a_listener(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s, out;

	(void)state;
	t.cack = 4711;
	s = client_seg(&t, F_PSH, "stray");
	out = one(w, 0, &s);
	assert_int_equal(out.flags, CV_TCP_RST);
	assert_int_equal(out.seq, 4711);
	assert_memory_equal(out.dst_mac, CLIENT_MAC, 6);
	assert_memory_equal(out.src_mac, s.dst_mac, 6);
	s = client_seg(&t, CV_TCP_FIN, "12345");
	out = one(w, 0, &s);
	assert_int_equal(out.flags, CV_TCP_RST | CV_TCP_ACK);
	assert_int_equal(out.seq, 0);
	assert_int_equal(out.ack, ISN + 6);
	s = client_seg(&t, CV_TCP_RST, "");
	none(w, 0, &s, CV_DROP_STRAY_RST);
	t.dport = 8443;
	s = client_seg(&t, F_ACK, "");
	none(w, 0, &s, CV_DROP_NO_LISTENER);
	t.dport = L_PLAIN;
	t.eni = ENI_PENDING;
	s = client_seg(&t, F_ACK, "");
	none(w, 0, &s, CV_DROP_ENDPOINT_PENDING);
	/* A target that talks to a port of no flow. */
	t.nport = 20007;
	s = target_seg(&t, 99, CV_TCP_RST, "");
	none(w, 1, &s, CV_DROP_STRAY_RST);
	s = target_seg(&t, 99, F_SYN, "");
	none(w, 1, &s, CV_DROP_NO_LISTENER);
	s = target_seg(&t, 99, F_ACK, "");
	assert_int_equal(one(w, 1, &s).seq, 99);
	world_destroy(w);
}

static void ports_run_out_exactly(void **state)
{
	for (int reset = 0; reset < 2; reset++) {
		struct world *w = world_create(
			&(struct world_cfg){.n_ports = 5, .exhausted_reset = reset != 0});
		struct talk t;
		struct seg s;

		(void)state;
		for (uint16_t i = 0; i < 5; i++) {
			t = talk(w, (uint16_t)(40000 + i), L_PLAIN);
			open_plain(&t);
		}
		t = talk(w, 50000, L_PLAIN);
		s = client_seg(&t, F_SYN, "");
		if (reset != 0) {
			s = one(w, 0, &s);
			assert_int_equal(s.flags, CV_TCP_RST | CV_TCP_ACK);
			assert_int_equal(s.ack, ISN + 1);
		} else {
			none(w, 0, &s, CV_DROP_PORT_ALLOCATION);
		}
		assert_int_equal(world_drops(w, CV_DROP_PORT_ALLOCATION), 1);
		assert_int_equal(world_events(w, CV_EV_PORT_ALLOC_ERR), 1);
		assert_int_equal(world_flows(w), 5);
		world_destroy(w);
	}
}

static void full_flow_table_drops_and_recovers(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_flows = 3});
	struct talk t;
	struct seg s;

	(void)state;
	for (uint16_t i = 0; i < 3; i++) {
		t = talk(w, (uint16_t)(40000 + i), L_PLAIN);
		open_plain(&t);
	}
	t = talk(w, 50000, L_PLAIN);
	s = client_seg(&t, F_SYN, "");
	none(w, 0, &s, CV_DROP_FLOW_TABLE_FULL);
	t = talk(w, 40001, L_PLAIN);
	t.cseq = ISN + 1;
	t.cack = TISN + 1;
	c2t(&t, CV_TCP_RST | F_ACK, "");
	world_wait(w, 5000);
	one(w, 0, &s);
	world_destroy(w);
}

static void unknown_neighbour_drops_and_takes_no_port(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_ports = 1});
	struct talk t = talk(w, 40000, L_PLAIN);
	cv_neigh_t known = w->neigh[0];
	struct seg s = client_seg(&t, F_SYN, "");

	(void)state;
	w->neigh[0] = 0;
	none(w, 0, &s, CV_DROP_NEIGHBOUR);
	assert_int_equal(world_flows(w), 0);
	w->neigh[0] = known;
	open_plain(&t);
	w->neigh[0] = 0;
	s = client_seg(&t, F_ACK, "");
	none(w, 0, &s, CV_DROP_NEIGHBOUR);
	world_destroy(w);
}

/* ---- frames that are not what they should be ---- */

static void raw(struct world *w, uint16_t port, const uint8_t *frame, uint16_t len,
		enum cv_drop reason)
{
	uint64_t before = world_drops(w, reason);

	w->n_out = 0;
	world_rx(w, 0, port, frame, len);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, reason), before + 1);
}

static void malformed_frames_have_their_reasons(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");
	uint8_t good[WORLD_FRAME_MAX], bad[WORLD_FRAME_MAX];
	uint16_t len = seg_build(&s, good);
	static const struct {
		unsigned int at;
		uint8_t value;
		enum cv_drop reason;
	} cases[] = {
		{0, 0x55, CV_DROP_NOT_FOR_US},  {5, 0x55, CV_DROP_NOT_FOR_US},
		{12, 0x86, CV_DROP_ETHERTYPE},  {14, 0x65, CV_DROP_IP_HEADER},
		{14, 0x44, CV_DROP_IP_HEADER},  {14, 0x46, CV_DROP_IP_OPTIONS},
		{14, 0x4f, CV_DROP_IP_OPTIONS}, {17, 39, CV_DROP_RUNT},
		{17, 200, CV_DROP_RUNT},        {20, 0x20, CV_DROP_FRAGMENT},
		{21, 0x01, CV_DROP_FRAGMENT},   {23, 1, CV_DROP_ICMP},
		{23, 17, CV_DROP_PROTOCOL},     {25, 0x55, CV_DROP_IP_HEADER},
		{46, 0x40, CV_DROP_TCP_HEADER}, {46, 0x60, CV_DROP_TCP_HEADER},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		memcpy(bad, good, len);
		bad[cases[i].at] = cases[i].value;
		raw(w, 0, bad, len, cases[i].reason);
	}
	for (uint16_t cut = 14; cut < len; cut++)
		raw(w, 0, good, cut, CV_DROP_RUNT);
	memcpy(bad, good, len);
	memcpy(bad + 12, "\x81\x00\x00\x09\x08\x00", 6);
	raw(w, 0, bad, len, CV_DROP_NO_VPC);
	raw(w, 1, bad, len, CV_DROP_NO_VPC);
	memcpy(bad + 12, "\x81\x00\x00\x07\x81\x00", 6);
	raw(w, 0, bad, len, CV_DROP_ETHERTYPE);
	world_destroy(w);
}

static void random_frames_lose_nothing(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2, .n_ports = 50});
	struct talk t = talk(w, 40000, L_PROXY);
	uint8_t frame[WORLD_FRAME_MAX];
	uint32_t x = 12345;

	(void)state;
	for (int i = 0; i < 60000; i++) {
		static const uint8_t flags[] = {F_SYN, F_ACK,      F_PSH,
						F_FIN, CV_TCP_RST, F_SYN | F_ACK};
		struct seg s;
		uint16_t len;

		x = x * 1664525 + 1013904223;
		t.cport = (uint16_t)(40000 + (x >> 24) % 40);
		t.dport = (uint16_t)(80 + (x >> 22) % 5);
		t.nport = (uint16_t)(20000 + (x >> 12) % 60);
		t.cseq = ISN + (x >> 8) % 200;
		s = (x & 256) != 0
			    ? client_seg(&t, flags[(x >> 16) % 6], "payload")
			    : target_seg(&t, ISN - 50 + (x >> 8) % 200, flags[(x >> 16) % 6], "x");
		s.opts_len = (uint8_t)(x >> 29) * 4;
		for (uint8_t j = 0; j < s.opts_len; j++)
			s.opts[j] = (uint8_t)(x >> j % 24);
		len = seg_build(&s, frame);
		if ((x & 0x600) == 0)
			frame[(x >> 11) % len] ^= (uint8_t)(1 << (x >> 28) % 8);
		w->n_out = 0;
		world_rx(w, (x >> 5) & 1, (x & 256) != 0 ? 0 : 1, frame, len);
		if (i % 100 == 0)
			world_wait(w, 1000);
	}
	assert_true(world_events(w, CV_EV_FLOW_NEW) > 100);
	assert_true(world_events(w, CV_EV_HANDOFF_IN) > 100);
	world_destroy(w);
}

/* ---- ARP ---- */

static uint16_t arp_build(uint8_t *frame, uint8_t op, cv_be32_t sip, cv_be32_t tip)
{
	memset(frame, 0, 60);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, CLIENT_MAC, 6);
	memcpy(frame + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00", 9);
	frame[21] = op;
	memcpy(frame + 22, CLIENT_MAC, 6);
	memcpy(frame + 28, &sip, 4);
	memcpy(frame + 38, &tip, 4);
	return 60;
}

static void arp_is_answered_for_our_addresses_only(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct cv_dp_neigh_event ev[4];
	uint8_t frame[64], mac[6];
	uint16_t len = arp_build(frame, 1, CLIENT_IP, ENI_A);

	(void)state;
	world_rx(w, 0, 0, frame, len);
	assert_int_equal(w->n_out, 1);
	assert_int_equal(w->out[0].port, 0);
	world_mac(w, VPC_A, ENI_A, false, mac);
	assert_memory_equal(w->out[0].data, CLIENT_MAC, 6);
	assert_memory_equal(w->out[0].data + 6, mac, 6);
	assert_int_equal(w->out[0].data[21], 2);
	assert_memory_equal(w->out[0].data + 22, mac, 6);
	assert_memory_equal(w->out[0].data + 28, frame + 38, 4);
	assert_memory_equal(w->out[0].data + 32, CLIENT_MAC, 6);
	assert_memory_equal(w->out[0].data + 38, frame + 28, 4);
	assert_int_equal(cv_dp_neigh_burst(w->dp, ev, 4), 1);
	assert_int_equal(ev[0].ip, CLIENT_IP);
	assert_int_equal(ev[0].vpc, VPC_A);
	assert_memory_equal(ev[0].mac, CLIENT_MAC, 6);
	len = arp_build(frame, 1, 0, NODE_1);
	w->n_out = 0;
	world_rx(w, 0, 1, frame, len);
	assert_int_equal(w->n_out, 1);
	world_mac(w, VPC_P, NODE_1, true, mac);
	assert_memory_equal(w->out[0].data + 22, mac, 6);
	assert_int_equal(cv_dp_neigh_burst(w->dp, ev, 4), 0);
	len = arp_build(frame, 1, CLIENT_IP, IP4(10, 1, 0, 1));
	raw(w, 0, frame, len, CV_DROP_ARP_CONSUMED);
	len = arp_build(frame, 2, CLIENT_IP, ENI_A);
	raw(w, 0, frame, len, CV_DROP_ARP_CONSUMED);
	assert_int_equal(cv_dp_neigh_burst(w->dp, ev, 4), 2);
	len = arp_build(frame, 1, ENI_A, ENI_A);
	w->n_out = 0;
	world_rx(w, 0, 0, frame, len);
	assert_int_equal(cv_dp_neigh_burst(w->dp, ev, 4), 0);
	assert_int_equal(world_events(w, CV_EV_ARP_REPLIED), 3);
	world_destroy(w);
}

static void bad_arp_is_counted(void **state)
{
	static const unsigned int at[] = {15, 16, 18, 19, 21, 22};
	struct world *w = world_create(&(struct world_cfg){0});
	uint8_t frame[64];
	uint16_t len;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(at); i++) {
		len = arp_build(frame, 1, CLIENT_IP, ENI_A);
		frame[at[i]] = 0x55;
		raw(w, 0, frame, len, CV_DROP_ARP_INVALID);
	}
	len = arp_build(frame, 1, CLIENT_IP, ENI_A);
	raw(w, 0, frame, 41, CV_DROP_ARP_INVALID);
	for (int i = 0; i < 1023; i++) {
		world_rx(w, 0, 0, frame, len);
	}
	assert_int_equal(world_drops(w, CV_DROP_PUNT_FULL), 0);
	world_rx(w, 0, 0, frame, len);
	assert_int_equal(world_drops(w, CV_DROP_PUNT_FULL), 1);
	world_destroy(w);
}

static void control_can_ask_and_announce(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	uint8_t mac[6];
	cv_be32_t ip = TARGET_0;

	(void)state;
	assert_int_equal(cv_dp_arp_request(w->dp, VPC_P, NODE_0, TARGET_0), 0);
	world_wait(w, 1);
	assert_int_equal(w->n_out, 1);
	assert_int_equal(w->out[0].port, 1);
	assert_int_equal(w->out[0].len, 60);
	assert_memory_equal(w->out[0].data, "\xff\xff\xff\xff\xff\xff", 6);
	world_mac(w, VPC_P, NODE_0, true, mac);
	assert_memory_equal(w->out[0].data + 6, mac, 6);
	assert_memory_equal(w->out[0].data + 12, "\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01", 10);
	assert_memory_equal(w->out[0].data + 22, mac, 6);
	assert_memory_equal(w->out[0].data + 38, &ip, 4);
	assert_int_equal(cv_dp_arp_announce(w->dp, VPC_B, ENI_A), 0);
	world_wait(w, 1);
	assert_int_equal(w->n_out, 2);
	assert_memory_equal(w->out[1].data + 12, "\x81\x00\x00\x07\x08\x06", 6);
	ip = ENI_A;
	assert_memory_equal(w->out[1].data + 32, &ip, 4);
	assert_memory_equal(w->out[1].data + 42, &ip, 4);
	/* An address that is not ours (any more) is not asked from. */
	assert_int_equal(cv_dp_arp_request(w->dp, VPC_A, CLIENT_IP, ENI_A), 0);
	world_wait(w, 1);
	assert_int_equal(w->n_out, 2);
	for (int i = 0; i < 1023; i++)
		assert_int_equal(cv_dp_arp_announce(w->dp, VPC_B, ENI_A), 0);
	assert_int_equal(cv_dp_arp_announce(w->dp, VPC_B, ENI_A), -EAGAIN);
	world_wait(w, 1000);
	world_destroy(w);
}

/* ---- several workers ---- */

/* Every packet of many conversations arrives at a worker that chance picks. */
static void any_queue_will_do(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 3});
	struct talk t[60];
	uint32_t x = 1;

	(void)state;
	for (int step = 0; step < 6; step++) {
		for (int i = 0; i < 60; i++) {
			struct talk *k = &t[i];
			struct seg s;
			bool from_target = step == 1 || step == 4;

			if (step == 0)
				*k = talk(w, (uint16_t)(40000 + i), i % 2 == 0 ? L_PROXY : L_PLAIN);
			if (step == 1)
				s = target_seg(k, ISN + 1 - (i % 2 == 0 ? H : 0), F_SYN | F_ACK,
					       "");
			else if (step == 4)
				s = target_seg(k, ISN + 4, F_PSH, "yes");
			else
				s = client_seg(k,
					       step == 0   ? F_SYN
					       : step == 3 ? F_PSH
							   : F_ACK,
					       step == 3 ? "abc" : "");
			x = x * 1664525 + 1013904223;
			send_by(w, (x >> 16) % 3, from_target ? 1 : 0, &s);
			assert_int_equal(w->n_out, 1);
			s = seg_parse(&w->out[0]);
			assert_int_equal(s.port, from_target ? 0 : 1);
			if (step == 0) {
				k->nport = s.sport;
				k->cseq++;
			}
			if (step == 1) {
				k->cack = TISN + 1;
				k->tseq++;
			}
			if (step == 3) {
				assert_int_equal(s.len, i % 2 == 0 ? H + 3 : 3);
				k->cseq += 3;
			}
			if (step == 4) {
				assert_int_equal(s.dport, k->cport);
				assert_int_equal(s.ack, ISN + 4);
			}
		}
	}
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 60);
	assert_int_equal(world_flows(w), 60);
	assert_true(world_events(w, CV_EV_HANDOFF_OUT) > 100);
	assert_int_equal(world_events(w, CV_EV_HANDOFF_OUT), world_events(w, CV_EV_HANDOFF_IN));
	world_destroy(w);
}

static void exhaustion_is_exact_over_workers(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 3, .n_ports = 100});
	unsigned int served = 0;

	(void)state;
	for (uint16_t i = 0; i < 150; i++) {
		struct talk t = talk(w, (uint16_t)(30000 + i * 7), L_PLAIN);
		struct seg s = client_seg(&t, F_SYN, "");

		send_by(w, i % 3, 0, &s);
		served += w->n_out;
	}
	assert_int_equal(served, 100);
	assert_int_equal(world_drops(w, CV_DROP_PORT_ALLOCATION), 50);
	world_destroy(w);
}

static void full_queues_drop_and_count(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	w->tx_room = 0;
	s = client_seg(&t, F_ACK, "");
	none(w, 0, &s, CV_DROP_TX_FULL);
	w->tx_room = UINT16_MAX;
	one(w, 0, &s);
	world_destroy(w);
}

static void full_handoff_ring_drops_and_counts(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2});
	struct cv_dp_worker *first = cv_dp_worker_get(w->dp, 0);
	uint8_t frame[WORLD_FRAME_MAX];
	uint64_t sent = 0;

	(void)state;
	/* Worker 0 receives, worker 1 never looks. */
	for (uint16_t i = 0; i < 4000; i++) {
		struct talk t = talk(w, (uint16_t)(20000 + i), 9999);
		struct seg s = client_seg(&t, F_SYN, "");
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->mbufs);
		uint16_t len = seg_build(&s, frame);

		memcpy(rte_pktmbuf_append(m, len), frame, len);
		m->port = 0;
		cv_dp_burst(first, cv_view_pub_current(w->pub), &m, 1, w->now_ms);
		cv_dp_worker_flush(first);
		sent++;
	}
	assert_int_equal(world_events(w, CV_EV_HANDOFF_OUT), 1023);
	assert_true(world_drops(w, CV_DROP_HANDOFF_FULL) > 500);
	assert_int_equal(world_drops(w, CV_DROP_HANDOFF_FULL) + 1023 +
				 world_drops(w, CV_DROP_NO_LISTENER),
			 sent);
	world_destroy(w);
}

/* ---- configuration changes ---- */

static void rejecting_an_endpoint_ends_its_flows_only(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk a = talk(w, 40000, L_PROXY), b = a;
	struct seg s;

	(void)state;
	b.vpc = VPC_B;
	open_proxy(&a);
	open_proxy(&b);
	w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_REJECTED;
	world_publish(w);
	w->n_out = 0;
	world_wait(w, 100);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_flows(w), 1);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FLUSH), 1);
	assert_int_equal(cv_ctr_get(&cv_dp_stats(w->dp)[0]->swept_gen), 2);
	s = client_seg(&a, F_PSH, "x");
	none(w, 0, &s, CV_DROP_ENDPOINT_REJECTED);
	c2t(&b, F_PSH, "still");
	world_destroy(w);
}

static void flows_outlive_their_listener_and_target(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	open_proxy(&t);
	w->listeners[0].port = 443;
	w->targets[0].used = false;
	world_publish(w);
	world_wait(w, 100);
	s = c2t(&t, F_PSH, "on");
	assert_int_equal(s.len, 2);
	t2c(&t, ISN + 5, F_PSH, "and on");
	t.cport++;
	t.cseq = ISN;
	s = client_seg(&t, F_SYN, "");
	none(w, 0, &s, CV_DROP_NO_LISTENER);
	world_destroy(w);
}

static void eni_that_went_takes_its_flows(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);

	(void)state;
	t.eni = ENI_A2;
	open_plain(&t);
	assert_int_equal(t.node, NODE_1);
	world_wait(w, 10);
	w->endpoints[EP_A].used = false;
	world_publish(w);
	world_wait(w, 100);
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

/* ---- NLB dialled directly ---- */

static void node_can_be_dialled_directly(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	t.vpc = VPC_P;
	t.client = IP4(10, 0, 0, 77);
	t.eni = NODE_0;
	dial(&t, H);
	s = c2t(&t, F_PSH, "hi");
	assert_int_equal(s.ttl, 63);
	want_header(s.payload, &t, NULL);
	s = t2c(&t, ISN + 3, F_PSH, "ok");
	assert_int_equal(s.port, 1);
	assert_int_equal(s.src, NODE_0);
	assert_int_equal(s.dst, t.client);
	assert_memory_equal(s.dst_mac, CLIENT_MAC, 6);
	world_destroy(w);
}

/* The client is a target and dials from the very port it listens on: its packets name a pool. */
static void target_can_be_a_client(void **state)
{
	for (unsigned int workers = 1; workers <= 3; workers += 2) {
		struct world *w = world_create(&(struct world_cfg){.n_workers = workers});
		struct talk t = talk(w, TARGET_PORT, L_PLAIN);
		struct seg s;

		(void)state;
		t.vpc = VPC_P;
		t.client = TARGET_1;
		t.eni = NODE_0;
		dial(&t, 0);
		c2t(&t, F_ACK, "");
		s = c2t(&t, F_PSH, "hi");
		assert_int_equal(s.dst, TARGET_0);
		assert_int_equal(s.len, 2);
		world_destroy(w);
	}
}

/* ---- listings ---- */

static void flows_are_listed_by_filter(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk a = talk(w, 40000, L_PROXY), b = talk(w, 40001, L_PLAIN);
	const struct cv_dp_flow_info *infos;
	struct cv_dp_flow_filter all = {CV_VIEW_NONE, CV_VIEW_NONE, -1}, some = all;
	struct cv_dp_flow_list *list;
	uint64_t matched;
	uint32_t n;

	(void)state;
	b.vpc = VPC_B;
	open_proxy(&a);
	c2t(&b, F_SYN, "");
	w->now_ms += 1234;
	assert_int_equal(cv_dp_flow_list_create(w->dp, &all, 1, &list), 0);
	assert_false(cv_dp_flow_list_is_done(list));
	world_wait(w, 1);
	assert_true(cv_dp_flow_list_is_done(list));
	cv_dp_flow_list_get(list, 0, &matched, &n);
	assert_int_equal(matched, 2);
	assert_int_equal(n, 1);
	cv_dp_flow_list_destroy(list);
	some.endpoint = EP_A;
	some.target = 0;
	some.state = CV_TCP_ESTABLISHED;
	assert_int_equal(cv_dp_flow_list_create(w->dp, &some, 10, &list), 0);
	world_wait(w, 1);
	infos = cv_dp_flow_list_get(list, 0, &matched, &n);
	assert_int_equal(n, 1);
	assert_int_equal(infos[0].client_ip, CLIENT_IP);
	assert_int_equal(infos[0].client_port, cv_be16(40000));
	assert_int_equal(infos[0].node_port, cv_be16(a.nport));
	assert_int_equal(infos[0].endpoint, EP_A);
	assert_int_equal(infos[0].header_len, H);
	assert_true(infos[0].header_done);
	assert_true(infos[0].idle_ms >= 1234 && infos[0].idle_ms < 1300);
	cv_dp_flow_list_destroy(list);
	world_destroy(w);
}

static void bad_numbers_are_refused(void **state)
{
	struct cv_dp_cfg ok = {.n_workers = 1, .n_flows = 10, .n_ports = 1, .tsc_hz = 1000000};
	struct cv_dp *dp;

	(void)state;
	for (int i = 0; i < 7; i++) {
		struct cv_dp_cfg bad = ok;

		bad.n_workers = i == 0 ? 0 : i == 1 ? CV_DP_WORKERS_MAX + 1 : 1;
		bad.n_flows = i == 2 ? 0 : i == 3 ? CV_FLOW_MAX + 1 : 10;
		bad.n_ports = i == 4 ? 0 : i == 5 ? CV_DP_PORTS_MAX + 1 : 1;
		bad.tsc_hz = i == 6 ? 0 : 1000000;
		assert_int_equal(cv_dp_create(&bad, &dp), -EINVAL);
	}
	cv_dp_destroy(NULL);
	cv_dp_flow_list_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_flow_is_rewritten_both_ways),
		cmocka_unit_test(ethernet_padding_is_not_payload),
		cmocka_unit_test(vlan_is_changed_on_the_way),
		cmocka_unit_test(equal_clients_of_overlapping_vpcs_are_two_flows),
		cmocka_unit_test(ttl_that_runs_out_is_dropped),
		cmocka_unit_test(packet_above_the_mtu_is_dropped),
		cmocka_unit_test(mss_is_clamped_in_both_directions),
		cmocka_unit_test(header_rides_on_the_first_payload),
		cmocka_unit_test(header_rides_on_the_handshake_ack_when_told),
		cmocka_unit_test(header_goes_alone_before_a_full_segment),
		cmocka_unit_test(lost_header_comes_again_with_the_clients_data),
		cmocka_unit_test(target_that_misses_the_header_gets_it_from_us),
		cmocka_unit_test(timer_sends_the_header_again_for_a_silent_client),
		cmocka_unit_test(timestamps_are_kept_in_a_made_header),
		cmocka_unit_test(fast_open_is_stripped_with_proxy_and_kept_without),
		cmocka_unit_test(close_frees_the_port_after_linger_and_rest),
		cmocka_unit_test(reset_ends_a_flow),
		cmocka_unit_test(closed_target_port_refuses_the_client),
		cmocka_unit_test(idle_flow_expires_silently_then_resets),
		cmocka_unit_test(idle_limit_counts_before_the_walk_comes),
		cmocka_unit_test(handshake_that_stalls_times_out),
		cmocka_unit_test(syn_on_a_closed_flow_opens_a_new_one),
		cmocka_unit_test(syn_is_dropped_for_one_named_reason),
		cmocka_unit_test(security_group_lets_its_clients_in),
		cmocka_unit_test(stray_gets_a_reset_only_on_a_listener),
		cmocka_unit_test(ports_run_out_exactly),
		cmocka_unit_test(full_flow_table_drops_and_recovers),
		cmocka_unit_test(unknown_neighbour_drops_and_takes_no_port),
		cmocka_unit_test(malformed_frames_have_their_reasons),
		cmocka_unit_test(random_frames_lose_nothing),
		cmocka_unit_test(arp_is_answered_for_our_addresses_only),
		cmocka_unit_test(bad_arp_is_counted),
		cmocka_unit_test(control_can_ask_and_announce),
		cmocka_unit_test(any_queue_will_do),
		cmocka_unit_test(exhaustion_is_exact_over_workers),
		cmocka_unit_test(full_queues_drop_and_count),
		cmocka_unit_test(full_handoff_ring_drops_and_counts),
		cmocka_unit_test(rejecting_an_endpoint_ends_its_flows_only),
		cmocka_unit_test(flows_outlive_their_listener_and_target),
		cmocka_unit_test(eni_that_went_takes_its_flows),
		cmocka_unit_test(node_can_be_dialled_directly),
		cmocka_unit_test(target_can_be_a_client),
		cmocka_unit_test(flows_are_listed_by_filter),
		cmocka_unit_test(bad_numbers_are_refused),
	};

	return cmocka_run_group_tests_name("dp", tests, NULL, NULL);
}
