/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What nobody with good manners sends: packets of one burst that contradict each other, packets that
 * cannot leave, impossible addresses and buffers; and what must hold when memory runs out.
 */

#include "talk.h"

static struct rte_mbuf *mbuf_of(struct world *w, uint16_t port, const struct seg *s)
{
	uint8_t frame[WORLD_FRAME_MAX];
	uint16_t len = seg_build(s, frame);

	return world_mbuf(w, port, frame, len);
}

static void pair_by(struct world *w, const struct seg *a, const struct seg *b)
{
	struct rte_mbuf *pkts[2] = {mbuf_of(w, 0, a), mbuf_of(w, 0, b)};

	w->n_out = 0;
	world_burst(w, 0, pkts, 2);
}

/* ---- packets of one burst ---- */

static void flow_that_ends_in_a_burst_ends_once(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	w->now_ms += 350001;
	s = client_seg(&t, F_ACK, "");
	pair_by(w, &s, &s);
	assert_int_equal(w->n_out, 2);
	assert_int_equal(seg_parse(&w->out[1]).flags, CV_TCP_RST);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_IDLE), 1);
	assert_int_equal(world_drops(w, CV_DROP_STRAY), 2);
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

static void equal_syns_in_a_burst_open_one_flow(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s = client_seg(&t, F_SYN, "");

	(void)state;
	pair_by(w, &s, &s);
	assert_int_equal(w->n_out, 2);
	assert_int_equal(seg_parse(&w->out[0]).sport, seg_parse(&w->out[1]).sport);
	assert_int_equal(seg_parse(&w->out[1]).seq, ISN - H);
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 1);
	assert_int_equal(world_flows(w), 1);
	world_destroy(w);
}

/* A worker gathers more packets for a port than one transmit call takes. */
static void gathered_packets_go_out_before_there_are_too_many(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct cv_dp_worker *worker = cv_dp_worker_get(w->dp, 0);
	struct talk t = talk(w, 40000, L_PLAIN);
	struct rte_mbuf *pkts[CV_DP_BURST_MAX];
	struct seg s;

	(void)state;
	open_plain(&t);
	s = client_seg(&t, F_PSH, "x");
	w->n_out = 0;
	for (int burst = 0; burst < 5; burst++) {
		for (int i = 0; i < CV_DP_BURST_MAX; i++)
			pkts[i] = mbuf_of(w, 0, &s);
		cv_dp_burst(worker, cv_view_pub_current(w->pub), pkts, CV_DP_BURST_MAX, w->now_ms);
		assert_int_equal(w->n_out, (burst + 1) / 2 * 2 * CV_DP_BURST_MAX);
	}
	cv_dp_worker_flush(worker);
	assert_int_equal(w->n_out, 5 * CV_DP_BURST_MAX);
	world_destroy(w);
}

/* ---- packets that cannot leave ---- */

static void packet_that_cannot_leave_changes_no_state(void **state)
{
	static char big[1462];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	cv_neigh_t known = w->neigh[0];
	struct seg s;

	(void)state;
	open_plain(&t);
	w->now_ms += 100000;
	s = client_seg(&t, CV_TCP_RST | F_ACK, "");
	s.ttl = 2;
	none(w, 0, &s, CV_DROP_TTL);
	s = target_seg(&t, ISN + 1, CV_TCP_RST, "");
	s.ttl = 1;
	none(w, 1, &s, CV_DROP_TTL);
	memset(big, 'x', 1461);
	s = client_seg(&t, F_FIN, big);
	none(w, 0, &s, CV_DROP_TOO_BIG);
	w->neigh[0] = 0;
	s = client_seg(&t, CV_TCP_RST | F_ACK, "");
	none(w, 0, &s, CV_DROP_NEIGHBOUR);
	w->neigh[0] = known;
	world_wait(w, 5000);
	assert_int_equal(world_flows(w), 1);
	assert_int_equal(world_events(w, CV_EV_CLIENT_RST), 0);
	assert_int_equal(world_events(w, CV_EV_TARGET_RST), 0);
	c2t(&t, F_PSH, "alive");
	c2t(&t, CV_TCP_RST | F_ACK, "");
	assert_int_equal(world_events(w, CV_EV_CLIENT_RST), 1);
	assert_int_equal(world_endpoint_sum(w, EP_A).drops, 4);
	assert_int_equal(world_endpoint_drops(w, EP_A, CV_DROP_TTL), 2);
	assert_int_equal(world_endpoint_drops(w, EP_A, CV_DROP_TOO_BIG), 1);
	assert_int_equal(world_endpoint_drops(w, EP_A, CV_DROP_NEIGHBOUR), 1);
	assert_int_equal(world_endpoint_sum(w, EP_A).rsts, 1);
	world_destroy(w);
}

static void syn_that_cannot_leave_opens_no_flow(void **state)
{
	static char big[1462];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");

	(void)state;
	s.ttl = 2;
	none(w, 0, &s, CV_DROP_TTL);
	memset(big, 'x', 1461);
	s = client_seg(&t, F_SYN, big);
	none(w, 0, &s, CV_DROP_TOO_BIG);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 0);
	/* The NLB itself takes one hop only. */
	t.vpc = VPC_P;
	t.client = IP4(10, 0, 0, 77);
	t.eni = NODE_0;
	s = client_seg(&t, F_SYN, "");
	s.ttl = 2;
	assert_int_equal(one(w, 1, &s).ttl, 1);
	s.sport++;
	s.ttl = 1;
	none(w, 1, &s, CV_DROP_TTL);
	world_destroy(w);
}

/* Without a clamp on the MSS the target may announce more than our way to it carries. */
static void header_and_payload_fit_the_mtu_without_a_clamp(void **state)
{
	static char data[1401];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	world_limit(w, 0, UINT16_MAX);
	dial_mss(&t, H, 9000);
	memset(data, 'd', 1400);
	s = client_seg(&t, F_PSH, data);
	send_by(w, 0, 0, &s);
	assert_int_equal(w->n_out, 2);
	assert_int_equal(seg_parse(&w->out[0]).len, H);
	assert_int_equal(seg_parse(&w->out[1]).len, 1400);
	world_destroy(w);
}

static void repeated_syns_do_not_stretch_the_handshake(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	uint16_t before;

	(void)state;
	before = c2t(&t, F_SYN, "").sport;
	world_wait(w, 20000);
	t.cseq = ISN;
	assert_int_equal(c2t(&t, F_SYN, "").sport, before);
	world_wait(w, 9900);
	assert_int_equal(world_flows(w), 1);
	world_wait(w, 2100);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_SYN), 1);
	world_destroy(w);
}

/* ---- who may not connect ---- */

static void forbidden_client_learns_nothing(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	t.eni = ENI_GUARDED;
	t.client = IP4(10, 1, 0, 51);
	s = client_seg(&t, F_ACK, "");
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	s = client_seg(&t, CV_TCP_RST, "");
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	t.client = CLIENT_IP;
	s = client_seg(&t, F_ACK, "");
	assert_int_equal(one(w, 0, &s).flags, CV_TCP_RST);
	world_destroy(w);
}

/* The NLB's own security groups judge clients of endpoints too, unless that is switched off. */
static void security_group_of_the_nlb_may_spare_endpoints(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk by_endpoint = talk(w, 40000, L_PLAIN), direct = by_endpoint;
	struct seg s, d;

	(void)state;
	direct.vpc = VPC_P;
	direct.client = IP4(10, 0, 0, 77);
	direct.eni = NODE_0;
	s = client_seg(&by_endpoint, F_SYN, "");
	d = client_seg(&direct, F_SYN, "");
	w->node_rule = (struct cv_view_sg_rule){{IP4(10, 9, 0, 0), 16}, 0, UINT16_MAX};
	w->nodes[0].sg_any = false;
	w->nodes[0].sg_first = 1;
	w->nodes[0].sg_n = 1;
	world_publish(w);
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	none(w, 1, &d, CV_DROP_SECURITY_GROUP);
	w->nodes[0].sg_not_endpoints = true;
	world_publish(w);
	none(w, 1, &d, CV_DROP_SECURITY_GROUP);
	one(w, 0, &s);
	/* Judged by the client's own address, which only the endpoint's clients have here. */
	w->nodes[0].sg_not_endpoints = false;
	w->node_rule.from = (struct cv_prefix){CLIENT_IP, 32};
	world_publish(w);
	none(w, 1, &d, CV_DROP_SECURITY_GROUP);
	s.sport++;
	one(w, 0, &s);
	/* Ports count as well, both ends included. */
	w->node_rule.port_first = w->node_rule.port_last = L_PLAIN;
	world_publish(w);
	s.sport++;
	one(w, 0, &s);
	w->node_rule.port_first = L_PLAIN + 1;
	w->node_rule.port_last = UINT16_MAX;
	world_publish(w);
	s.sport++;
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	w->node_rule.port_first = 0;
	w->node_rule.port_last = L_PLAIN - 1;
	world_publish(w);
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	world_destroy(w);
}

static void endpoint_that_is_not_available_is_silent(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");

	(void)state;
	w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_STATE;
	world_publish(w);
	none(w, 0, &s, CV_DROP_ENDPOINT_STATE);
	world_destroy(w);
}

static void impossible_sources_are_refused(void **state)
{
	static const cv_be32_t ips[] = {IP4(0, 0, 0, 0), IP4(0, 1, 2, 3), IP4(127, 0, 0, 1),
					IP4(224, 0, 0, 1), IP4(255, 255, 255, 255)};
	static const cv_be32_t fine[] = {IP4(1, 0, 0, 1), IP4(126, 0, 0, 1), IP4(128, 0, 0, 1),
					 IP4(223, 255, 255, 254)};
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(ips); i++) {
		s.src = ips[i];
		s.flags = F_SYN;
		none(w, 0, &s, CV_DROP_SOURCE);
		s.flags = F_ACK;
		none(w, 0, &s, CV_DROP_SOURCE);
	}
	s.flags = F_SYN;
	for (size_t i = 0; i < CV_ARRAY_LEN(fine); i++) {
		s.src = fine[i];
		one(w, 0, &s);
	}
	s.src = CLIENT_IP;
	s.src_mac[0] = 3;
	none(w, 0, &s, CV_DROP_SOURCE);
	t.nport = 20001;
	s = target_seg(&t, 1, F_ACK, "");
	memset(s.src_mac, 0xff, 6);
	none(w, 1, &s, CV_DROP_SOURCE);
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), CV_ARRAY_LEN(fine));
	world_destroy(w);
}

/* ---- flags and numbers that fit no state ---- */

static void odd_flags_never_pass(void **state)
{
	static const uint8_t odd[] = {0,
				      CV_TCP_PSH,
				      CV_TCP_FIN | CV_TCP_PSH | CV_TCP_URG,
				      CV_TCP_SYN | CV_TCP_FIN,
				      CV_TCP_SYN | CV_TCP_RST,
				      0x3f};
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN), stray = talk(w, 41000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	for (size_t i = 0; i < CV_ARRAY_LEN(odd); i++) {
		s = client_seg(&t, odd[i], "x");
		none(w, 0, &s, CV_DROP_TCP_STATE);
		s = target_seg(&t, ISN + 1, odd[i], "x");
		none(w, 1, &s, CV_DROP_TCP_STATE);
		s = client_seg(&stray, odd[i], "x");
		if ((odd[i] & CV_TCP_RST) != 0) {
			none(w, 0, &s, CV_DROP_STRAY_RST);
			continue;
		}
		s = one(w, 0, &s);
		assert_true((s.flags & CV_TCP_RST) != 0);
		if ((odd[i] & CV_TCP_ACK) == 0)
			assert_int_equal(s.ack, ISN + 1 + ((odd[i] & CV_TCP_SYN) != 0) +
							((odd[i] & CV_TCP_FIN) != 0));
	}
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 1);
	c2t(&t, F_PSH, "alive");
	world_destroy(w);
}

static void numbers_below_the_header_are_refused(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	dial(&t, H);
	s = client_seg(&t, F_PSH, "below");
	s.seq -= 50;
	none(w, 0, &s, CV_DROP_SPLICE);
	/* The client's byte of garbage before its stream, and data behind it. */
	s = client_seg(&t, F_PSH, "gdata");
	s.seq--;
	s = one(w, 0, &s);
	assert_int_equal(s.seq, ISN + 1 - H);
	assert_int_equal(s.len, H + 4);
	want_header(s.payload, &t, "vpce-00000000000000001");
	assert_memory_equal(s.payload + H, "data", 4);
	world_destroy(w);
}

/* ---- frames and buffers ---- */

/* What lies behind a short frame in its buffer says nothing about it. */
static void short_frames_are_runts_whatever_lies_behind(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");
	uint8_t frame[WORLD_FRAME_MAX];
	uint64_t n = 0;

	(void)state;
	for (uint16_t len = 0; len <= 14; len++) {
		struct rte_mbuf *m;

		seg_build(&s, frame);
		memcpy(frame + 12, "\x86\xdd", 2);
		m = world_mbuf(w, 0, frame, 60);
		rte_pktmbuf_trim(m, (uint16_t)(60 - len));
		world_burst(w, 0, &m, 1);
		n += len < 14;
		assert_int_equal(world_drops(w, CV_DROP_RUNT), n);
		assert_int_equal(world_drops(w, CV_DROP_ETHERTYPE), len == 14);
	}
	for (uint16_t vlan = 0; vlan <= 9; vlan += 9) {
		s.vlan = vlan;
		seg_build(&s, frame);
		for (uint16_t len = 0; len < (vlan == 0 ? 34 : 38); len++) {
			struct rte_mbuf *m = world_mbuf(w, 0, frame, 60);

			rte_pktmbuf_trim(m, (uint16_t)(60 - len));
			world_burst(w, 0, &m, 1);
			assert_int_equal(world_drops(w, CV_DROP_RUNT), ++n);
		}
	}
	world_destroy(w);
}

static void shared_and_chained_buffers_are_refused(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;
	struct rte_mbuf *m, *more;
	uint8_t before[64];

	(void)state;
	open_plain(&t);
	s = client_seg(&t, F_PSH, "some data");
	w->n_out = 0;
	m = mbuf_of(w, 0, &s);
	rte_mbuf_refcnt_update(m, 1);
	memcpy(before, rte_pktmbuf_mtod(m, void *), 63);
	world_burst(w, 0, &m, 1);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), before, 63);
	assert_int_equal(rte_mbuf_refcnt_read(m), 1);
	rte_pktmbuf_free(m);
	m = mbuf_of(w, 0, &s);
	more = mbuf_of(w, 0, &s);
	assert_int_equal(rte_pktmbuf_chain(m, more), 0);
	world_burst(w, 0, &m, 1);
	assert_int_equal(world_drops(w, CV_DROP_CHAINED), 2);
	assert_int_equal(w->n_out, 0);
	world_destroy(w);
}

/* A driver that leaves no room in front: the header goes alone, the segment follows. */
static void header_goes_alone_without_headroom(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});

	(void)state;
	for (uint16_t room = 103; room <= 104; room++) {
		struct talk t = talk(w, (uint16_t)(40000 + room), L_PROXY);
		struct rte_mbuf *m;
		struct seg s;

		dial(&t, H);
		s = client_seg(&t, F_PSH, "data");
		memcpy(s.opts, "\x01\x01\x08\x0a\x11\x22\x33\x44\x55\x66\x77\x88", 12);
		s.opts_len = 12;
		m = mbuf_of(w, 0, &s);
		memmove((uint8_t *)m->buf_addr + room, rte_pktmbuf_mtod(m, void *), m->data_len);
		m->data_off = room;
		w->n_out = 0;
		world_burst(w, 0, &m, 1);
		s = seg_parse(&w->out[0]);
		assert_int_equal(s.seq, ISN + 1 - H);
		want_header(s.payload, &t, "vpce-00000000000000001");
		assert_memory_equal(s.opts, "\x01\x01\x08\x0a\x11\x22\x33\x44\x55\x66\x77\x88", 12);
		assert_int_equal(s.ack, TISN + 1);
		assert_int_equal(s.wnd, 1000);
		assert_int_equal(w->n_out, room == 104 ? 1 : 2);
		assert_int_equal(s.len, room == 104 ? H + 4 : H);
		if (room == 104)
			continue;
		assert_int_equal(s.flags, F_PSH);
		s = seg_parse(&w->out[1]);
		assert_int_equal(s.seq, ISN + 1);
		assert_int_equal(s.len, 4);
		assert_memory_equal(s.payload, "data", 4);
	}
	world_destroy(w);
}

/* ---- no memory ---- */

static unsigned int pool_empty(struct world *w, struct rte_mbuf **pkts, unsigned int cap)
{
	unsigned int n = 0;

	while (n < cap && (pkts[n] = rte_pktmbuf_alloc(w->mbufs)) != NULL)
		n++;
	return n;
}

static void empty_pool_holds_back_what_needs_a_header(void **state)
{
	static char full[1461];
	static struct rte_mbuf *held[4096];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct rte_mbuf *m, *tight;
	unsigned int n;
	struct seg s, d;

	(void)state;
	dial(&t, H);
	memset(full, 'f', 1460);
	s = client_seg(&t, F_ACK, full);
	m = mbuf_of(w, 0, &s);
	d = client_seg(&t, F_PSH, "short");
	tight = mbuf_of(w, 0, &d);
	memmove(tight->buf_addr, rte_pktmbuf_mtod(tight, void *), tight->data_len);
	tight->data_off = 0;
	n = pool_empty(w, held, 4096);
	w->n_out = 0;
	world_burst(w, 0, &m, 1);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_NO_MBUF), 2);
	/* That packet's buffer is free again. */
	held[n++] = rte_pktmbuf_alloc(w->mbufs);
	world_burst(w, 0, &tight, 1);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_NO_MBUF), 4);
	held[n++] = rte_pktmbuf_alloc(w->mbufs);
	assert_int_equal(cv_dp_arp_announce(w->dp, VPC_A, ENI_A), 0);
	world_wait(w, 1);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_NO_MBUF), 5);
	rte_pktmbuf_free_bulk(held, n);
	send_by(w, 0, 0, &s);
	assert_int_equal(w->n_out, 2);
	want_header(seg_parse(&w->out[0]).payload, &t, "vpce-00000000000000001");
	world_destroy(w);
}

static void timer_tries_again_when_there_is_memory(void **state)
{
	static struct rte_mbuf *held[4096];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_FIRST_ACK);
	unsigned int n;

	(void)state;
	dial(&t, H);
	c2t(&t, F_ACK, "");
	n = pool_empty(w, held, 4096);
	w->n_out = 0;
	world_wait(w, 700);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_NO_MBUF), 1);
	assert_int_equal(world_events(w, CV_EV_PPV2_RESENT), 0);
	rte_pktmbuf_free_bulk(held, n);
	world_wait(w, 500);
	assert_int_equal(w->n_out, 1);
	assert_int_equal(world_events(w, CV_EV_PPV2_RESENT), 1);
	want_header(seg_parse(&w->out[0]).payload, &t, "vpce-00000000000000001");
	world_destroy(w);
}

/* ---- clocks ---- */

/* Flows count in 32 bits of milliseconds, which wrap every 49.7 days. */
static void clock_may_wrap(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	w->now_ms = (1ULL << 32) - 1000;
	open_plain(&t);
	world_wait(w, 2000);
	assert_true(w->now_ms > UINT32_MAX);
	assert_int_equal(c2t(&t, F_PSH, "after").port, 1);
	w->now_ms += 350000;
	assert_int_equal(c2t(&t, F_PSH, "just in time").port, 1);
	w->now_ms += 350001;
	s = client_seg(&t, F_PSH, "too late");
	assert_int_equal(one(w, 0, &s).flags, CV_TCP_RST);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flow_that_ends_in_a_burst_ends_once),
		cmocka_unit_test(equal_syns_in_a_burst_open_one_flow),
		cmocka_unit_test(gathered_packets_go_out_before_there_are_too_many),
		cmocka_unit_test(packet_that_cannot_leave_changes_no_state),
		cmocka_unit_test(syn_that_cannot_leave_opens_no_flow),
		cmocka_unit_test(header_and_payload_fit_the_mtu_without_a_clamp),
		cmocka_unit_test(repeated_syns_do_not_stretch_the_handshake),
		cmocka_unit_test(forbidden_client_learns_nothing),
		cmocka_unit_test(security_group_of_the_nlb_may_spare_endpoints),
		cmocka_unit_test(endpoint_that_is_not_available_is_silent),
		cmocka_unit_test(impossible_sources_are_refused),
		cmocka_unit_test(odd_flags_never_pass),
		cmocka_unit_test(numbers_below_the_header_are_refused),
		cmocka_unit_test(short_frames_are_runts_whatever_lies_behind),
		cmocka_unit_test(shared_and_chained_buffers_are_refused),
		cmocka_unit_test(header_goes_alone_without_headroom),
		cmocka_unit_test(empty_pool_holds_back_what_needs_a_header),
		cmocka_unit_test(timer_tries_again_when_there_is_memory),
		cmocka_unit_test(clock_may_wrap),
	};

	return cmocka_run_group_tests_name("dp_hostile", tests, NULL, NULL);
}
