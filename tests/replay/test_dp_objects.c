/* SPDX-License-Identifier: BSD-3-Clause */

/* Which object is chosen and counted: endpoints, listeners, targets, node addresses, ports. */

#include "talk.h"

static struct cv_stats_obj_sum sum_of(const struct world *w, enum cv_stats_kind kind, uint32_t slot)
{
	return cv_stats_obj_sum(cv_dp_stats(w->dp), w->n_workers, kind, slot);
}

/* ---- counters ---- */

static void endpoints_count_packets_bytes_and_flows(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct cv_stats_obj_sum sum;
	struct seg s;

	(void)state;
	t.vpc = VPC_B;
	open_plain(&t);
	c2t(&t, F_PSH, "12345");
	t2c(&t, ISN + 6, F_PSH, "1234567");
	s = client_seg(&t, F_ACK, "");
	s.ttl = 1;
	none(w, 0, &s, CV_DROP_TTL);
	sum = world_endpoint_sum(w, EP_B);
	assert_int_equal(sum.pkts[0], 3);
	assert_int_equal(sum.bytes[0], 3 * 40 + 5);
	assert_int_equal(sum.pkts[1], 2);
	assert_int_equal(sum.bytes[1], 2 * 40 + 7);
	assert_int_equal(sum.drops, 1);
	assert_int_equal(sum.new_flows, 1);
	assert_int_equal(sum.end_flows, 0);
	assert_int_equal(world_endpoint_sum(w, EP_A).pkts[0], 0);
	assert_int_equal(world_events(w, CV_EV_RX_PKTS), 6);
	assert_int_equal(world_events(w, CV_EV_RX_BYTES), 6 * 54 + 5 + 7 + 4 * 4);
	assert_int_equal(world_events(w, CV_EV_TX_PKTS), 5);
	assert_int_equal(world_events(w, CV_EV_TX_BYTES), 5 * 54 + 5 + 7 + 2 * 4);
	w->tx_room = 0;
	s.ttl = 64;
	none(w, 0, &s, CV_DROP_TX_FULL);
	assert_int_equal(world_events(w, CV_EV_TX_BYTES), 5 * 54 + 5 + 7 + 2 * 4);
	world_destroy(w);
}

static void listeners_and_targets_count_their_flows(void **state)
{
	const struct cv_dp_flow_filter all = {CV_VIEW_NONE, CV_VIEW_NONE, -1};
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	const struct cv_dp_flow_info *infos;
	struct cv_dp_flow_list *list;
	uint64_t matched;
	uint32_t n;

	(void)state;
	t.eni = ENI_A2;
	open_plain(&t);
	w->now_ms += 500;
	assert_int_equal(cv_dp_flow_list_create(w->dp, &all, 10, &list), 0);
	world_wait(w, 1);
	infos = cv_dp_flow_list_get(list, 0, &matched, &n);
	assert_int_equal(n, 1);
	assert_int_equal(infos[0].listener, 1);
	assert_int_equal(infos[0].target, 1);
	assert_int_equal(infos[0].dialled_ip, ENI_A2);
	assert_int_equal(infos[0].dialled_port, cv_be16(L_PLAIN));
	assert_int_equal(infos[0].node_ip, NODE_1);
	assert_int_equal(infos[0].target_ip, TARGET_1);
	assert_int_equal(infos[0].target_port, cv_be16(TARGET_PORT));
	assert_int_equal(infos[0].client_vpc, VPC_A);
	assert_int_equal(infos[0].target_vpc, VPC_P);
	assert_int_equal(infos[0].state, CV_TCP_ESTABLISHED);
	assert_true(infos[0].age_ms >= 500 && infos[0].age_ms < 600);
	assert_memory_equal(infos[0].client_mac, CLIENT_MAC, 6);
	cv_dp_flow_list_destroy(list);
	for (int ended = 0; ended < 2; ended++) {
		assert_int_equal(sum_of(w, CV_STATS_LISTENER, 1).new_flows, 1);
		assert_int_equal(sum_of(w, CV_STATS_TARGET, 1).new_flows, 1);
		assert_int_equal(sum_of(w, CV_STATS_LISTENER, 1).end_flows, ended);
		assert_int_equal(sum_of(w, CV_STATS_TARGET, 1).end_flows, ended);
		assert_int_equal(world_endpoint_sum(w, EP_A).end_flows, ended);
		assert_int_equal(sum_of(w, CV_STATS_LISTENER, 0).end_flows, 0);
		assert_int_equal(sum_of(w, CV_STATS_TARGET, 0).end_flows, 0);
		if (ended == 0)
			c2t(&t, CV_TCP_RST | F_ACK, "");
		world_wait(w, 5000);
	}
	world_destroy(w);
}

static void header_that_is_outstanding_shows(void **state)
{
	const struct cv_dp_flow_filter all = {CV_VIEW_NONE, CV_VIEW_NONE, -1};
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct cv_dp_flow_list *list;
	uint64_t matched;
	uint32_t n;

	(void)state;
	dial(&t, H);
	assert_int_equal(cv_dp_flow_list_create(w->dp, &all, 10, &list), 0);
	world_wait(w, 1);
	assert_false(cv_dp_flow_list_get(list, 0, &matched, &n)[0].header_done);
	cv_dp_flow_list_destroy(list);
	world_destroy(w);
}

/* ---- limits of one side ---- */

/* Both ends are told of the narrower side; what is too large for that is dropped on the way there only. */
static void narrow_side(unsigned int vpc)
{
	static char big[1401];
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	memset(big, 'x', 1400);
	w->vpcs[vpc].mtu = 1400;
	w->vpcs[vpc].mtu_by_endpoint = 1400;
	w->vpcs[vpc].mss_max = 1360;
	world_publish(w);
	s = client_seg(&t, F_SYN, "");
	seg_mss(&s, 1460);
	s = one(w, 0, &s);
	assert_memory_equal(s.opts, "\x02\x04\x05\x50", 4);
	t.nport = s.sport;
	t.cseq++;
	s = target_seg(&t, ISN + 1, F_SYN | F_ACK, "");
	seg_mss(&s, 1460);
	s = one(w, 1, &s);
	assert_memory_equal(s.opts, "\x02\x04\x05\x50", 4);
	c2t(&t, F_ACK, "");
	s = client_seg(&t, F_PSH | F_ACK, big);
	if (vpc == VPC_P)
		none(w, 0, &s, CV_DROP_TOO_BIG);
	else
		one(w, 0, &s);
	s = target_seg(&t, ISN + 1, F_PSH | F_ACK, big);
	if (vpc == VPC_P)
		one(w, 1, &s);
	else
		none(w, 1, &s, CV_DROP_TOO_BIG);
	world_destroy(w);
}

static void each_side_has_its_own_mtu(void **state)
{
	(void)state;
	narrow_side(VPC_A);
	narrow_side(VPC_P);
}

static void each_listener_has_its_own_idle_time(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	w->listeners[1].idle_s = 6000;
	world_publish(w);
	open_plain(&t);
	w->now_ms += 6000000;
	assert_int_equal(c2t(&t, F_ACK, "").port, 1);
	w->now_ms += 6000001;
	s = client_seg(&t, F_ACK, "");
	assert_int_equal(one(w, 0, &s).flags, CV_TCP_RST);
	world_destroy(w);
}

/* ---- choice ---- */

static void sequence_number_takes_part_in_the_choice(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.cross_zone = true});
	unsigned int n[2] = {0};

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		struct talk t = talk(w, 40000, L_PLAIN);
		struct seg s;

		/* A SYN with another number ends the attempt before. */
		t.cseq = i * 7919;
		s = c2t(&t, F_SYN, "");
		assert_true(s.dst == TARGET_0 || s.dst == TARGET_1);
		assert_int_equal(s.src, NODE_0);
		n[s.dst == TARGET_1]++;
	}
	assert_true(n[0] > 16 && n[1] > 16);
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 64);
	world_destroy(w);
}

static void addresses_of_a_node_share_its_flows_to_the_last_port(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_ports = 50});
	unsigned int n[2] = {0};
	struct talk t;
	struct seg s;

	(void)state;
	w->nodes[0].n_ips = 2;
	world_publish(w);
	for (uint16_t i = 0; i < 40; i++) {
		t = talk(w, (uint16_t)(40000 + i), L_PLAIN);
		s = c2t(&t, F_SYN, "");
		n[s.src == NODE_1]++;
	}
	assert_true(n[0] > 8 && n[1] > 8);
	for (uint16_t i = 40; i < 100; i++) {
		t = talk(w, (uint16_t)(40000 + i), L_PLAIN);
		s = c2t(&t, F_SYN, "");
		n[s.src == NODE_1]++;
	}
	assert_int_equal(n[0], 50);
	assert_int_equal(n[1], 50);
	t = talk(w, 50000, L_PLAIN);
	s = client_seg(&t, F_SYN, "");
	none(w, 0, &s, CV_DROP_PORT_ALLOCATION);
	assert_int_equal(world_events(w, CV_EV_PORT_ALLOC_ERR), 1);
	world_destroy(w);
}

/* ---- what a driver may leave in a buffer ---- */

static void numbers_that_a_driver_left_mean_nothing(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 3});
	uint8_t frame[WORLD_FRAME_MAX];

	(void)state;
	for (uint16_t i = 0; i < 30; i++) {
		struct talk t = talk(w, (uint16_t)(40000 + i), L_PLAIN);
		struct rte_mbuf *m;
		struct seg s;

		dial(&t, 0);
		s = target_seg(&t, ISN + 1, F_ACK, "reply");
		m = world_mbuf(w, 1, frame, seg_build(&s, frame));
		m->hash.fdir.hi = 1;
		m->ol_flags = RTE_MBUF_F_RX_RSS_HASH;
		w->n_out = 0;
		world_burst(w, i % 3, &m, 1);
		assert_int_equal(w->n_out, 1);
		assert_int_equal(seg_parse(&w->out[0]).port, 0);
	}
	world_destroy(w);
}

static void priority_tag_is_no_vlan(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");
	uint8_t frame[WORLD_FRAME_MAX];
	uint16_t len;

	(void)state;
	s.vlan = 1;
	len = seg_build(&s, frame);
	memcpy(frame + 14, "\xa0\x00", 2);
	world_rx(w, 0, 0, frame, len);
	assert_int_equal(w->n_out, 1);
	assert_int_equal(seg_parse(&w->out[0]).dst, TARGET_0);
	t.vpc = VPC_B;
	s = client_seg(&t, F_SYN, "");
	len = seg_build(&s, frame);
	memcpy(frame + 14, "\xf0\x07", 2);
	world_rx(w, 0, 0, frame, len);
	assert_int_equal(w->n_out, 2);
	assert_int_equal(world_endpoint_sum(w, EP_B).new_flows, 1);
	world_destroy(w);
}

/*
 * A target dials a listener from the port it serves on, and the listener's port is a SNAT port too, of a
 * flow that is over. The worker of that flow hands the packet to the client side's worker, who must not
 * hand it back.
 */
static void target_that_dials_a_snat_port_is_a_client(void **state)
{
	struct world *w =
		world_create(&(struct world_cfg){.n_workers = 3, .n_ports = 3, .rest_ms = 1});

	(void)state;
	for (uint16_t i = 0; i < 3; i++)
		w->listeners[i].port = (uint16_t)(20000 + i);
	w->settings.linger_ms = 1;
	w->settings.syn_ms = 1;
	world_publish(w);
	for (uint16_t round = 0; round < 20; round++) {
		for (uint16_t i = 0; i < 3; i++) {
			struct talk t = talk(w, (uint16_t)(30000 + 3 * round + i), 20001);

			c2t(&t, F_SYN, "");
		}
		world_wait(w, 200);
		assert_int_equal(world_flows(w), 0);
		for (uint16_t i = 0; i < 3; i++) {
			struct talk t = talk(w, TARGET_PORT, (uint16_t)(20000 + i));
			struct seg s;

			t.vpc = VPC_P;
			t.client = TARGET_0;
			t.eni = NODE_0;
			s = client_seg(&t, F_SYN, "");
			send_by(w, i, 1, &s);
			assert_int_equal(w->n_out, 1);
			assert_int_equal(seg_parse(&w->out[0]).dst, TARGET_0);
			world_wait(w, 200);
		}
	}
	world_destroy(w);
}

/* Of the client's own address, by port; with endpoints exempt they judge direct clients only. */
static void flows_refused_by_the_load_balancers_groups_are_counted(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");

	(void)state;
	w->nodes[0].sg_any = false;
	w->nodes[0].sg_first = 1;
	w->nodes[0].sg_n = 1;
	w->node_rule = (struct cv_view_sg_rule){{CLIENT_IP, 32}, L_PLAIN + 1, 65535};
	world_publish(w);
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	assert_int_equal(world_events(w, CV_EV_SG_BLOCKED_TCP), 1);
	w->node_rule.port_first = L_PLAIN;
	world_publish(w);
	(void)one(w, 0, &s);
	/* What the endpoint's own groups refuse is not the load balancer's. */
	t.eni = ENI_GUARDED;
	t.dport = L_PROXY;
	s = client_seg(&t, F_SYN, "");
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	assert_int_equal(world_events(w, CV_EV_SG_BLOCKED_TCP), 1);
	w->node_rule.from = (struct cv_prefix){IP4(10, 9, 0, 0), 16};
	w->nodes[0].sg_not_endpoints = true;
	world_publish(w);
	t = talk(w, 40001, L_PLAIN);
	s = client_seg(&t, F_SYN, "");
	(void)one(w, 0, &s);
	assert_int_equal(world_events(w, CV_EV_SG_BLOCKED_TCP), 1);
	world_destroy(w);
}

/* Wherever the client stands among them, and not if it stands beside them. */
static void a_rule_may_admit_a_list_of_addresses(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s = client_seg(&t, F_SYN, "");
	/* CLIENT_IP first, in the middle, last, and beyond both ends of the rule's. */
	static const uint32_t first[] = {3, 1, 0, 0, 0, 4}, n[] = {5, 5, 4, 8, 3, 4};

	(void)state;
	w->nodes[0].sg_any = false;
	w->nodes[0].sg_first = 1;
	w->nodes[0].sg_n = 1;
	for (uint32_t i = 0; i < 8; i++)
		w->sg_ips[i] = CLIENT_IP + i - 3; /* they ascend as they are stored */
	for (uint32_t i = 0; i < CV_ARRAY_LEN(first); i++) {
		w->node_rule = (struct cv_view_sg_rule){
			.port_last = 65535, .ip_first = first[i], .n_ips = n[i]};
		world_publish(w);
		t = talk(w, (uint16_t)(40000 + i), L_PLAIN);
		s = client_seg(&t, F_SYN, "");
		if (i < 4)
			(void)one(w, 0, &s);
		else
			none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	}
	assert_int_equal(world_events(w, CV_EV_SG_BLOCKED_TCP), 2);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_refused_by_the_load_balancers_groups_are_counted),
		cmocka_unit_test(a_rule_may_admit_a_list_of_addresses),
		cmocka_unit_test(endpoints_count_packets_bytes_and_flows),
		cmocka_unit_test(listeners_and_targets_count_their_flows),
		cmocka_unit_test(header_that_is_outstanding_shows),
		cmocka_unit_test(each_side_has_its_own_mtu),
		cmocka_unit_test(each_listener_has_its_own_idle_time),
		cmocka_unit_test(sequence_number_takes_part_in_the_choice),
		cmocka_unit_test(addresses_of_a_node_share_its_flows_to_the_last_port),
		cmocka_unit_test(numbers_that_a_driver_left_mean_nothing),
		cmocka_unit_test(priority_tag_is_no_vlan),
		cmocka_unit_test(target_that_dials_a_snat_port_is_a_client),
	};

	return cmocka_run_group_tests_name("dp_objects", tests, NULL, NULL);
}
