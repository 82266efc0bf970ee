/* SPDX-License-Identifier: BSD-3-Clause */

/* Addresses, Ethernet, VLAN, TTL, MTU, MSS; frames that are not what they should be; ARP. */

#include "talk.h"

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

/* A small packet in a large frame: the rest would leave by a port that may not carry so much. */
static void bytes_behind_the_packet_do_not_leave(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.mtu = 1400});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	s = client_seg(&t, F_PSH, "1234567");
	s.pad = 1500;
	one(w, 0, &s);
	assert_int_equal(w->out[0].len, 14 + 47);
	s.pad = 1;
	one(w, 0, &s);
	assert_int_equal(w->out[0].len, 14 + 47);
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

/* A frame of VLAN 0 has a priority and no VLAN (IEEE 802.1Q 9.6), so the answer needs no tag. */
static void priority_tag_means_no_vlan(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	uint8_t plain[WORLD_FRAME_MAX], frame[WORLD_FRAME_MAX];
	struct seg s = client_seg(&t, F_SYN, "");
	uint16_t len = seg_build(&s, plain);

	(void)state;
	memcpy(frame, plain, 12);
	memcpy(frame + 12, "\x81\x00\xe0\x00", 4);
	memcpy(frame + 16, plain + 12, len - 12u);
	world_rx(w, 0, 0, frame, (uint16_t)(len + 4));
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	t.nport = s.sport;
	t.node = s.src;
	t.cseq++;
	s = t2c(&t, ISN + 1, F_SYN | F_ACK, "");
	assert_int_equal(s.vlan, 0);
	assert_memory_equal(s.dst_mac, CLIENT_MAC, 6);
	/* A stray is answered as well. */
	t.cport++;
	s = client_seg(&t, F_PSH, "lost");
	(void)seg_build(&s, plain);
	memcpy(frame + 16, plain + 12, sizeof(frame) - 16);
	w->n_out = 0;
	world_rx(w, 0, 0, frame, (uint16_t)(len + 8));
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	assert_int_equal(s.flags, CV_TCP_RST);
	assert_int_equal(s.vlan, 0);
	assert_memory_equal(s.dst_mac, CLIENT_MAC, 6);
	/* Nothing but the tag; cut within it. */
	for (uint16_t n = 12; n < 18; n++)
		world_rx(w, 0, 0, frame, n);
	assert_int_equal(world_drops(w, CV_DROP_RUNT), 6);
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

/* An endpoint may carry less than the networks at its ends; a node that is dialled itself does not. */
static void packet_above_the_endpoints_mtu_is_dropped(void **state)
{
	static char big[1461];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk by_eni = talk(w, 40000, L_PLAIN), by_node = talk(w, 40001, L_PLAIN);
	struct seg s;

	(void)state;
	world_limit(w, 1400, 0);
	by_node.vpc = VPC_P;
	by_node.eni = NODE_0;
	open_plain(&by_eni);
	open_plain(&by_node);
	memset(big, 'x', 1360);
	s = client_seg(&by_eni, F_ACK, big);
	assert_int_equal(one(w, 0, &s).len, 1360);
	s = target_seg(&by_eni, ISN + 1, F_ACK, big);
	assert_int_equal(one(w, 1, &s).len, 1360);
	big[1360] = 'x';
	s = client_seg(&by_eni, F_ACK, big);
	none(w, 0, &s, CV_DROP_TOO_BIG);
	s = target_seg(&by_eni, ISN + 1, F_ACK, big);
	none(w, 1, &s, CV_DROP_TOO_BIG);
	memset(big, 'x', 1460);
	s = client_seg(&by_node, F_ACK, big);
	assert_int_equal(one(w, 1, &s).len, 1460);
	s = target_seg(&by_node, ISN + 1, F_ACK, big);
	assert_int_equal(one(w, 1, &s).len, 1460);
	world_destroy(w);
}

/* Nor may the header make a segment larger than that: without clamping both ends may say what they like. */
static void header_and_data_keep_to_the_endpoints_mtu(void **state)
{
	static char data[1301];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	world_limit(w, 1400, UINT16_MAX);
	dial_mss(&t, H, 1460);
	memset(data, 'x', 1261);
	s = client_seg(&t, F_PSH, data);
	send_by(w, 0, 0, &s);
	assert_int_equal(w->n_out, 2);
	assert_int_equal(seg_parse(&w->out[0]).len, H);
	assert_int_equal(seg_parse(&w->out[1]).len, 1261);
	world_destroy(w);
}

/* As measured at AWS with jumbo frames at both ends. */
static void mss_of_jumbo_frames_becomes_8365(void **state)
{
	static const uint16_t mtus[] = {8500, 9001};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(mtus); i++) {
		struct world *w = world_create(&(struct world_cfg){.mtu = mtus[i]});
		struct talk t = talk(w, 40000, L_PLAIN);
		struct seg s = client_seg(&t, F_SYN, "");

		seg_mss(&s, 8961);
		s = one(w, 0, &s);
		assert_memory_equal(s.opts, "\x02\x04\x20\xad", 4);
		t.nport = s.sport;
		s = target_seg(&t, ISN + 1, F_SYN | F_ACK, "");
		seg_mss(&s, 8961);
		s = one(w, 1, &s);
		assert_memory_equal(s.opts, "\x02\x04\x20\xad", 4);
		world_destroy(w);
	}
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

/* Whatever ports carry: an endpoint drops what is larger, so nobody is told to send it. */
static void mss_is_clamped_to_what_endpoints_pass(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.mtu = 9001});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");

	(void)state;
	world_limit(w, 8500, 8960);
	seg_mss(&s, 8960);
	s = one(w, 0, &s);
	assert_memory_equal(s.opts, "\x02\x04\x21\x0c", 4);
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

/* Whoever floods us with ARP leaves room for answers to us. */
static void floods_of_arp_leave_room_for_answers(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	static struct cv_dp_neigh_event ev[2048];
	uint8_t frame[64];
	uint16_t len;

	(void)state;
	w->vpcs[VPC_A].has_neighs = false;
	world_publish(w);
	/* A VPC in which nobody is asked for. */
	for (uint32_t i = 0; i < 2000; i++) {
		len = arp_build(frame, 1, CLIENT_IP, i % 2 == 0 ? IP4(10, 1, 0, 1) : ENI_A);
		w->n_out = 0;
		world_rx(w, 0, 0, frame, len);
		assert_int_equal(w->n_out, i % 2);
	}
	assert_int_equal(world_drops(w, CV_DROP_PUNT_FULL), 0);
	/* And one in which somebody is. */
	for (uint32_t i = 0; i < 2000; i++) {
		len = arp_build(frame, 1 + i % 2, IP4(10, 0, 0, 77), IP4(10, 0, 0, 1));
		world_rx(w, 0, 1, frame, len);
	}
	assert_in_range(world_drops(w, CV_DROP_PUNT_FULL), 1400, 1500);
	len = arp_build(frame, 2, TARGET_0, NODE_0);
	world_rx(w, 0, 1, frame, len);
	assert_in_range(world_drops(w, CV_DROP_PUNT_FULL), 1400, 1500);
	len = (uint16_t)cv_dp_neigh_burst(w->dp, ev, 2048);
	assert_in_range(len, 500, 600);
	assert_int_equal(ev[0].ip, IP4(10, 0, 0, 77));
	assert_int_equal(ev[len - 1].ip, TARGET_0);
	assert_int_equal(ev[len - 1].vpc, VPC_P);
	world_destroy(w);
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
	memset(frame + 22, 0, 6);
	raw(w, 0, frame, len, CV_DROP_ARP_INVALID);
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

/* "Fragmentation needed" from a router at ROUTER about the segment `about` of a flow. @return bytes */
static uint16_t too_big_put(const struct talk *t, const struct seg *about, uint16_t mtu,
			    uint8_t *frame)
{
	static const uint8_t mac[6] = {2, 0xdd, 0, 0, 0, 1};
	const cv_be32_t router = IP4(10, 0, 0, 1);
	uint8_t quoted[WORLD_FRAME_MAX], *ip = frame + 14, *icmp = ip + 20;
	uint16_t csum;

	(void)seg_build(about, quoted);
	memset(frame, 0, 14 + 20 + 8 + 28);
	world_mac(t->w, VPC_P, t->node, true, frame);
	memcpy(frame + 6, mac, 6);
	frame[12] = 8;
	ip[0] = 0x45;
	ip[3] = 20 + 8 + 28;
	ip[8] = 64;
	ip[9] = IPPROTO_ICMP;
	memcpy(ip + 12, &router, 4);
	memcpy(ip + 16, &t->node, 4);
	csum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
	memcpy(ip + 10, &csum, 2);
	icmp[0] = 3;
	icmp[1] = 4;
	icmp[6] = (uint8_t)(mtu >> 8);
	icmp[7] = (uint8_t)mtu;
	memcpy(icmp + 8, quoted + 14, 28);
	csum = (uint16_t)~cv_csum_fold(cv_csum_add(icmp, 36, 0));
	memcpy(icmp + 2, &csum, 2);
	return 14 + 20 + 36;
}

static void too_big_reaches_the_client_when_told(void **state)
{
	(void)state;
	for (unsigned int workers = 1; workers <= 2; workers++) {
		struct world *w = world_create(&(struct world_cfg){.n_workers = workers});
		struct talk t = talk(w, 40000, L_PLAIN);
		uint8_t frame[WORLD_FRAME_MAX];
		const uint8_t *ip;
		struct seg s;
		uint16_t len;

		open_plain(&t);
		s = c2t(&t, F_PSH, "hello");
		len = too_big_put(&t, &s, 1400, frame);
		w->n_out = 0;
		world_rx(w, 0, 1, frame, len);
		assert_int_equal(w->n_out, 0);
		assert_int_equal(world_drops(w, CV_DROP_ICMP), 1);
		w->settings.icmp_too_big = true;
		world_publish(w);
		world_rx(w, workers - 1, 1, frame, len);
		assert_int_equal(w->n_out, 1);
		assert_int_equal(w->out[0].port, 0);
		assert_memory_equal(w->out[0].data, CLIENT_MAC, 6);
		ip = w->out[0].data + 14;
		assert_int_equal(cv_csum_fold(cv_csum_add(ip, 20, 0)), 0xffff);
		assert_int_equal(cv_csum_fold(cv_csum_add(ip + 20, 36, 0)), 0xffff);
		assert_int_equal(cv_csum_fold(cv_csum_add(ip + 28, 20, 0)), 0xffff);
		assert_memory_equal(ip + 12, &t.eni, 4);
		assert_memory_equal(ip + 16, &t.client, 4);
		assert_memory_equal(ip + 20 + 6, "\x05\x78", 2);
		assert_memory_equal(ip + 28 + 12, &t.client, 4);
		assert_memory_equal(ip + 28 + 16, &t.eni, 4);
		assert_int_equal(ip[48] << 8 | ip[49], 40000);
		assert_int_equal(ip[50] << 8 | ip[51], L_PLAIN);
		/* Of another port, or spoiled: it is nobody's. */
		w->n_out = 0;
		frame[14 + 20 + 28 + 1] ^= 1;
		world_rx(w, 0, 1, frame, len);
		s.sport ^= 1;
		len = too_big_put(&t, &s, 1400, frame);
		world_rx(w, 0, 1, frame, len);
		assert_int_equal(w->n_out, 0);
		assert_int_equal(world_drops(w, CV_DROP_ICMP), 3);
		world_destroy(w);
	}
}

/* What the client is told of a segment with the header in it must be about one that it has sent. */
static void too_big_with_the_header_is_the_clients_segment(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	static char data[1349];
	uint8_t frame[WORLD_FRAME_MAX];
	uint32_t seq;
	uint16_t len;
	struct seg s;

	(void)state;
	w->settings.icmp_too_big = true;
	world_publish(w);
	memset(data, 'x', 1300);
	dial_mss(&t, H, 1460);
	s = client_seg(&t, F_PSH, data);
	s = one(w, 0, &s);
	assert_int_equal(s.seq, ISN + 1 - H);
	assert_int_equal(s.len, H + 1300);
	/* From the header's first byte to its last, and what is the client's already. */
	for (uint32_t at = 0; at <= H; at += H / 4) {
		s.seq = ISN + 1 - H + at;
		len = too_big_put(&t, &s, 1400, frame);
		w->n_out = 0;
		world_rx(w, 0, 1, frame, len);
		assert_int_equal(w->n_out, 1);
		memcpy(&seq, w->out[0].data + 14 + 28 + 24, 4);
		assert_int_equal(__builtin_bswap32(seq), ISN + 1);
		assert_int_equal(cv_csum_fold(cv_csum_add(w->out[0].data + 34, 36, 0)), 0xffff);
	}
	s.seq = ISN + 1 - H - 1;
	len = too_big_put(&t, &s, 1400, frame);
	world_rx(w, 0, 1, frame, len);
	memcpy(&seq, w->out[1].data + 14 + 28 + 24, 4);
	assert_int_equal(__builtin_bswap32(seq), ISN - H);
	/* Its second try fits on the way. */
	s = client_seg(&t, F_PSH, data);
	send_by(w, 0, 0, &s);
	assert_int_equal(w->n_out, 2);
	assert_int_equal(seg_parse(&w->out[0]).len, H);
	assert_int_equal(seg_parse(&w->out[1]).len, 1300);
	assert_int_equal(seg_parse(&w->out[1]).seq, ISN + 1);
	world_destroy(w);
}

/* The same message, changed at a place, its checksums right again. */
static void too_big_altered(struct world *w, const uint8_t *good, uint16_t len, int at,
			    uint8_t value)
{
	uint64_t before = world_drops(w, CV_DROP_ICMP);
	uint8_t frame[WORLD_FRAME_MAX], *ip = frame + 14;
	uint16_t csum, n;

	memcpy(frame, good, len);
	memset(frame + len, 0, 8);
	ip[at] = value;
	n = (uint16_t)(ip[3] - 20);
	memset(ip + 10, 0, 2);
	csum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
	memcpy(ip + 10, &csum, 2);
	if (at != 22) {
		memset(ip + 22, 0, 2);
		csum = (uint16_t)~cv_csum_fold(cv_csum_add(ip + 20, n, 0));
		memcpy(ip + 22, &csum, 2);
	}
	w->n_out = 0;
	world_rx(w, 0, 1, frame, len);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_ICMP), before + 1);
}

static void too_big_must_be_whole_and_right(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	uint8_t frame[WORLD_FRAME_MAX];
	struct seg s;
	uint16_t len;

	(void)state;
	w->settings.icmp_too_big = true;
	world_publish(w);
	open_plain(&t);
	s = c2t(&t, F_PSH, "hello");
	len = too_big_put(&t, &s, 1400, frame);
	too_big_altered(w, frame, len, 22, (uint8_t)(frame[14 + 22] ^ 1)); /* checksum */
	too_big_altered(w, frame, len, 3, 20 + 8 + 27);                    /* quote cut */
	too_big_altered(w, frame, len, 3, 20 + 8 + 29);                    /* frame cut */
	too_big_altered(w, frame, len, 20, 11);                            /* time exceeded */
	too_big_altered(w, frame, len, 21, 3);                             /* port unreachable */
	too_big_altered(w, frame, len, 28, 0x46);                          /* options quoted */
	too_big_altered(w, frame, len, 28 + 9, 17);                        /* UDP quoted */
	too_big_altered(w, frame, len, 28 + 15, 11); /* what our other node sent */
	/* To one node about another's packet. */
	world_mac(w, VPC_P, NODE_1, true, frame);
	too_big_altered(w, frame, len, 18, 1);
	world_destroy(w);
}

/* A flow that was ended lingers; one whose client's VPC went has yet to be found by the recheck. */
static void too_big_of_a_flow_that_is_over_stays_here(void **state)
{
	(void)state;
	for (int gone = 0; gone < 2; gone++) {
		struct world *w = world_create(&(struct world_cfg){0});
		struct talk t = talk(w, 40000, L_PLAIN);
		uint8_t frame[WORLD_FRAME_MAX];
		struct seg s;
		uint16_t len;

		w->settings.icmp_too_big = true;
		w->settings.end_endpoint = gone ? CV_VIEW_END_SILENT : CV_VIEW_END_RESET;
		world_publish(w);
		open_plain(&t);
		s = c2t(&t, F_PSH, "hello");
		len = too_big_put(&t, &s, 1400, frame);
		if (gone)
			w->vpcs[VPC_A].used = false;
		else
			w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_REJECTED;
		world_publish(w);
		world_wait(w, gone ? 0 : 100);
		assert_int_equal(world_flows(w), 1);
		w->n_out = 0;
		world_rx(w, 0, 1, frame, len);
		assert_int_equal(w->n_out, 0);
		assert_int_equal(world_drops(w, CV_DROP_ICMP), 1);
		world_destroy(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_big_reaches_the_client_when_told),
		cmocka_unit_test(too_big_with_the_header_is_the_clients_segment),
		cmocka_unit_test(too_big_must_be_whole_and_right),
		cmocka_unit_test(too_big_of_a_flow_that_is_over_stays_here),
		cmocka_unit_test(plain_flow_is_rewritten_both_ways),
		cmocka_unit_test(ethernet_padding_is_not_payload),
		cmocka_unit_test(bytes_behind_the_packet_do_not_leave),
		cmocka_unit_test(vlan_is_changed_on_the_way),
		cmocka_unit_test(priority_tag_means_no_vlan),
		cmocka_unit_test(equal_clients_of_overlapping_vpcs_are_two_flows),
		cmocka_unit_test(ttl_that_runs_out_is_dropped),
		cmocka_unit_test(packet_above_the_mtu_is_dropped),
		cmocka_unit_test(packet_above_the_endpoints_mtu_is_dropped),
		cmocka_unit_test(header_and_data_keep_to_the_endpoints_mtu),
		cmocka_unit_test(mss_of_jumbo_frames_becomes_8365),
		cmocka_unit_test(mss_is_clamped_in_both_directions),
		cmocka_unit_test(mss_is_clamped_to_what_endpoints_pass),
		cmocka_unit_test(malformed_frames_have_their_reasons),
		cmocka_unit_test(random_frames_lose_nothing),
		cmocka_unit_test(arp_is_answered_for_our_addresses_only),
		cmocka_unit_test(floods_of_arp_leave_room_for_answers),
		cmocka_unit_test(bad_arp_is_counted),
		cmocka_unit_test(control_can_ask_and_announce),
	};

	return cmocka_run_group_tests_name("dp_packets", tests, NULL, NULL);
}
