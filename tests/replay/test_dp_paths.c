/* SPDX-License-Identifier: BSD-3-Clause */

/* What is counted by path: which ENI's or node's each packet, flow, drop and reset is. */

#include "talk.h"

#define HEADS 40 /* bytes of IP and TCP headers */

/* A conversation that dials one of our addresses. */
static struct talk talk_to(struct world *w, int local, uint16_t cport)
{
	struct talk t = talk(w, cport, L_PLAIN);

	t.eni = w->locals[local].ip;
	t.vpc = w->locals[local].vpc;
	return t;
}

static void want(const struct world *w, int local, const struct cv_stats_obj_sum *sum)
{
	const struct cv_stats_obj_sum got = world_path_sum(w, local);

	for (int side = 0; side < 2; side++) {
		assert_int_equal(got.pkts[side], sum->pkts[side]);
		assert_int_equal(got.bytes[side], sum->bytes[side]);
	}
	assert_int_equal(got.new_flows, sum->new_flows);
	assert_int_equal(got.end_flows, sum->end_flows);
	assert_int_equal(got.drops, sum->drops);
	assert_int_equal(got.rsts, sum->rsts);
}

static void each_eni_and_node_counts_its_own(void **state)
{
	static const int locals[] = {LOCAL_A, LOCAL_A2, LOCAL_B, LOCAL_NODE_0};
	const struct cv_stats_obj_sum none_at_all = {0};
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2});

	(void)state;
	for (uint16_t i = 0; i < 4; i++) {
		struct talk t = talk_to(w, locals[i], (uint16_t)(40000 + i));

		open_plain(&t);
		for (uint16_t k = 0; k <= i; k++)
			c2t(&t, F_PSH, "12345");
		t2c(&t, ISN + 1, F_PSH, "1234567");
	}
	for (unsigned int i = 0; i < 4; i++) {
		const struct cv_stats_obj_sum sum = {
			.pkts = {2 + i + 1, 2},
			.bytes = {2 * HEADS + (i + 1) * (HEADS + 5), 2 * HEADS + 7},
			.new_flows = 1,
		};

		want(w, locals[i], &sum);
	}
	want(w, LOCAL_NODE_1, &none_at_all);
	want(w, LOCAL_NO_NODE, &none_at_all);
	/* All end by silence, each where it began. */
	w->now_ms += 351000;
	world_wait(w, 1500);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(world_path_sum(w, locals[i]).end_flows, 1);
	world_destroy(w);
}

/* The ENI leads to another node of the same endpoint from now on. */
static void a_flow_keeps_the_path_that_it_began_on(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk old = talk_to(w, LOCAL_A, 40000), new = talk_to(w, LOCAL_A, 40001);
	struct seg s;

	(void)state;
	open_plain(&old);
	w->locals[LOCAL_A].node = 1;
	w->locals[LOCAL_A].path = w->locals[LOCAL_NO_NODE].path;
	w->paths[LOCAL_NO_NODE + 1].node = 1;
	world_publish(w);
	c2t(&old, F_PSH, "old");
	open_plain(&new);
	assert_int_equal(world_path_sum(w, LOCAL_A).pkts[0], 3);
	assert_int_equal(world_path_sum(w, LOCAL_NO_NODE).pkts[0], 2);
	assert_int_equal(world_path_sum(w, LOCAL_A).new_flows, 1);
	assert_int_equal(world_path_sum(w, LOCAL_NO_NODE).new_flows, 1);
	s = client_seg(&old, F_ACK, "");
	s.ttl = 1;
	none(w, 0, &s, CV_DROP_TTL);
	assert_int_equal(world_path_sum(w, LOCAL_A).drops, 1);
	assert_int_equal(world_path_sum(w, LOCAL_NO_NODE).drops, 0);
	world_destroy(w);
}

static void resets_are_counted_by_who_sends_them(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk a = talk_to(w, LOCAL_A, 40000), a2 = talk_to(w, LOCAL_A2, 40001);
	struct seg s;

	(void)state;
	open_plain(&a);
	open_plain(&a2);
	c2t(&a, CV_TCP_RST | F_ACK, "");
	t2c(&a2, ISN + 1, CV_TCP_RST | F_ACK, "");
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_CLIENT_RST), 1);
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_TARGET_RST), 0);
	assert_int_equal(world_path_events(w, LOCAL_A2, CV_PATH_CLIENT_RST), 0);
	assert_int_equal(world_path_events(w, LOCAL_A2, CV_PATH_TARGET_RST), 1);
	assert_int_equal(world_path_sum(w, LOCAL_A).rsts, 1);
	assert_int_equal(world_path_sum(w, LOCAL_A2).rsts, 1);
	/* Of no flow: ours, to the client by the ENI, to the target by the node. */
	a = talk_to(w, LOCAL_A2, 40002);
	s = client_seg(&a, F_ACK, "");
	assert_int_equal(one(w, 0, &s).flags & CV_TCP_RST, CV_TCP_RST);
	assert_int_equal(world_path_events(w, LOCAL_A2, CV_PATH_ELB_RST), 1);
	a2.nport++;
	s = target_seg(&a2, ISN + 1, F_ACK, "");
	assert_int_equal(one(w, 1, &s).flags & CV_TCP_RST, CV_TCP_RST);
	assert_int_equal(world_path_events(w, a2.node == NODE_0 ? LOCAL_NODE_0 : LOCAL_NODE_1,
					   CV_PATH_ELB_RST),
			 1);
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_ELB_RST), 0);
	world_destroy(w);
}

/* To a flow whose target is gone culvert itself sends resets, on the flow's path. */
static void resets_of_a_flow_count_on_its_path(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk_to(w, LOCAL_A2, 40000);
	struct seg s;

	(void)state;
	s = c2t(&t, F_SYN, "");
	t.nport = s.sport;
	t.node = s.src;
	w->settings.end_endpoint = CV_VIEW_END_RESET;
	w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_REJECTED;
	w->n_out = 0;
	world_publish(w);
	world_wait(w, 20);
	assert_int_equal(w->n_out, 2);
	assert_int_equal(world_path_events(w, LOCAL_A2, CV_PATH_ELB_RST), 2);
	/* Who goes on all the same is reset again, from the node on the flow's path, too. */
	s = target_seg(&t, ISN + 1, F_ACK, "");
	assert_int_equal(one(w, 1, &s).flags & CV_TCP_RST, CV_TCP_RST);
	s = client_seg(&t, F_ACK, "");
	assert_int_equal(one(w, port_of(&t), &s).flags & CV_TCP_RST, CV_TCP_RST);
	assert_int_equal(world_path_events(w, LOCAL_A2, CV_PATH_ELB_RST), 4);
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_ELB_RST), 0);
	assert_int_equal(world_path_events(w, LOCAL_NODE_0, CV_PATH_ELB_RST), 0);
	assert_int_equal(world_path_events(w, LOCAL_NODE_1, CV_PATH_ELB_RST), 0);
	world_destroy(w);
}

/* A frame with another protocol in it than TCP. */
static void send_as(struct world *w, const struct talk *t, uint8_t proto)
{
	const struct seg s = client_seg(t, F_SYN, "");
	uint8_t frame[WORLD_FRAME_MAX];
	uint16_t len = seg_build(&s, frame), l2_len = s.vlan != 0 ? 18 : 14;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(void *)(frame + l2_len);

	ip->next_proto_id = proto;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	world_rx(w, 0, port_of(t), frame, len);
}

static void what_is_refused_counts_where_it_was_dialled(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk eni = talk_to(w, LOCAL_A, 40000), node = talk_to(w, LOCAL_NODE_0, 40001);
	struct seg s = client_seg(&eni, F_SYN, "");

	(void)state;
	/* No groups: nothing is refused, though ICMP is dropped. */
	send_as(w, &eni, IPPROTO_ICMP);
	send_as(w, &eni, IPPROTO_UDP);
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_SG_ICMP), 0);
	assert_int_equal(world_endpoint_drops(w, EP_A, CV_DROP_ICMP), 1);
	assert_int_equal(world_endpoint_drops(w, EP_A, CV_DROP_PROTOCOL), 1);
	assert_int_equal(world_path_sum(w, LOCAL_A).drops, 2);
	w->nodes[0].sg_any = false;
	w->nodes[0].sg_first = 1;
	w->nodes[0].sg_n = 1;
	w->node_rule = (struct cv_view_sg_rule){{CLIENT_IP, 32}, L_PLAIN + 1, UINT16_MAX};
	world_publish(w);
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	none(w, 0, &s, CV_DROP_SECURITY_GROUP);
	s = client_seg(&node, F_SYN, "");
	none(w, port_of(&node), &s, CV_DROP_SECURITY_GROUP);
	send_as(w, &eni, IPPROTO_ICMP);
	send_as(w, &node, IPPROTO_ICMP);
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_SG_TCP), 2);
	assert_int_equal(world_path_events(w, LOCAL_NODE_0, CV_PATH_SG_TCP), 1);
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_SG_ICMP), 1);
	assert_int_equal(world_path_events(w, LOCAL_NODE_0, CV_PATH_SG_ICMP), 1);
	/* Endpoints exempt. */
	w->nodes[0].sg_not_endpoints = true;
	world_publish(w);
	send_as(w, &eni, IPPROTO_ICMP);
	send_as(w, &node, IPPROTO_ICMP);
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_SG_ICMP), 1);
	assert_int_equal(world_path_events(w, LOCAL_NODE_0, CV_PATH_SG_ICMP), 2);
	/* A rule for everything lets ICMP in, as far as groups go. */
	w->node_rule.port_first = 0;
	world_publish(w);
	send_as(w, &node, IPPROTO_ICMP);
	assert_int_equal(world_path_events(w, LOCAL_NODE_0, CV_PATH_SG_ICMP), 2);
	w->node_rule.from = (struct cv_prefix){IP4(10, 9, 0, 0), 16};
	world_publish(w);
	send_as(w, &node, IPPROTO_ICMP);
	assert_int_equal(world_path_events(w, LOCAL_NODE_0, CV_PATH_SG_ICMP), 3);
	world_destroy(w);
}

/* The only path that packets were dropped on has all of them. */
static void all_drops_on(const struct world *w, int local)
{
	uint64_t sum = 0;

	for (int i = 0; i < CV_DROP_N; i++)
		sum += world_drops(w, (enum cv_drop)i);
	assert_true(sum > 0);
	assert_int_equal(world_path_sum(w, local).drops, sum);
}

static void strays_count_where_they_were_sent_to(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk_to(w, LOCAL_A, 40000);
	struct seg s;

	(void)state;
	/* From the target's place, to a port of the node that no flow has. */
	open_plain(&t);
	t.nport = 20999;
	s = target_seg(&t, 1, F_ACK, "");
	one(w, 1, &s);
	s = target_seg(&t, 1, CV_TCP_RST, "");
	none(w, 1, &s, CV_DROP_STRAY_RST);
	s = target_seg(&t, 1, F_SYN, "");
	none(w, 1, &s, CV_DROP_NO_LISTENER);
	s = target_seg(&t, 1, F_ACK, "");
	s.src_mac[0] = 1;
	none(w, 1, &s, CV_DROP_SOURCE);
	all_drops_on(w, LOCAL_NODE_0);
	world_destroy(w);
	/* On a flow that culvert has ended, from both sides. */
	w = world_create(&(struct world_cfg){0});
	t = talk_to(w, LOCAL_A2, 40000);
	open_plain(&t);
	w->settings.end_endpoint = CV_VIEW_END_RESET;
	w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_REJECTED;
	world_publish(w);
	world_wait(w, 20);
	s = target_seg(&t, ISN + 1, F_ACK, "");
	one(w, 1, &s);
	s = client_seg(&t, F_ACK, "");
	one(w, 0, &s);
	s = client_seg(&t, CV_TCP_RST, "");
	none(w, 0, &s, CV_DROP_STRAY_RST);
	t.cport++;
	s = client_seg(&t, F_SYN, "");
	s.src_mac[0] = 1;
	none(w, 0, &s, CV_DROP_SOURCE);
	all_drops_on(w, LOCAL_A2);
	world_destroy(w);
}

static void flows_to_unhealthy_targets_are_counted(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk_to(w, LOCAL_A, 40000);

	(void)state;
	open_plain(&t);
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_UNHEALTHY), 0);
	w->unhealthy = true;
	world_publish(w);
	c2t(&t, F_PSH, "open already");
	t = talk_to(w, LOCAL_A, 40001);
	open_plain(&t);
	t = talk_to(w, LOCAL_A2, 40002); /* zone 1 is well */
	open_plain(&t);
	assert_int_equal(world_path_events(w, LOCAL_A, CV_PATH_UNHEALTHY), 1);
	assert_int_equal(world_path_events(w, LOCAL_A2, CV_PATH_UNHEALTHY), 0);
	world_destroy(w);
}

/* Flows of LOCAL_A, its listener and target that are active, as metrics have it. */
static void want_active(const struct world *w, uint64_t n)
{
	const struct cv_stats_obj_sum of[] = {
		world_path_sum(w, LOCAL_A),
		cv_stats_obj_sum(cv_dp_stats(w->dp), w->n_workers, CV_STATS_LISTENER, 1),
		cv_stats_obj_sum(cv_dp_stats(w->dp), w->n_workers, CV_STATS_TARGET, 0),
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(of); i++)
		assert_int_equal(of[i].new_flows - of[i].end_flows, n);
}

/* It stays for late segments, but nobody would count it as a connection. */
static void a_flow_is_active_until_it_is_over(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk_to(w, LOCAL_A, 40000);
	struct seg s;

	(void)state;
	open_plain(&t);
	c2t(&t, F_FIN, "");
	t2c(&t, ISN + 2, F_FIN, "");
	want_active(w, 1);
	c2t(&t, F_ACK, "");
	want_active(w, 0);
	assert_int_equal(world_flows(w), 1);
	world_wait(w, 5000);
	assert_int_equal(world_flows(w), 0);
	want_active(w, 0);
	/* A reset may yet turn out to be none: until it cannot. */
	t = talk_to(w, LOCAL_A, 40001);
	open_plain(&t);
	c2t(&t, CV_TCP_RST | F_ACK, "");
	want_active(w, 1);
	c2t(&t, F_ACK, "");
	c2t(&t, CV_TCP_RST | F_ACK, "");
	t2c(&t, ISN + 1, CV_TCP_RST | F_ACK, "");
	want_active(w, 0);
	t = talk_to(w, LOCAL_A, 40002);
	open_plain(&t);
	c2t(&t, CV_TCP_RST | F_ACK, "");
	world_wait(w, 5000);
	want_active(w, 0);
	/* Refused by the target; ended by culvert. */
	t = talk_to(w, LOCAL_A, 40003);
	s = c2t(&t, F_SYN, "");
	t.nport = s.sport;
	t2c(&t, ISN + 1, CV_TCP_RST | F_ACK, "");
	want_active(w, 0);
	t = talk_to(w, LOCAL_A, 40004);
	open_plain(&t);
	w->settings.end_endpoint = CV_VIEW_END_RESET;
	w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_REJECTED;
	world_publish(w);
	want_active(w, 1);
	world_wait(w, 20);
	want_active(w, 0);
	assert_true(world_flows(w) > 0);
	world_wait(w, 5000);
	assert_int_equal(world_flows(w), 0);
	want_active(w, 0);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_eni_and_node_counts_its_own),
		cmocka_unit_test(a_flow_keeps_the_path_that_it_began_on),
		cmocka_unit_test(resets_are_counted_by_who_sends_them),
		cmocka_unit_test(resets_of_a_flow_count_on_its_path),
		cmocka_unit_test(what_is_refused_counts_where_it_was_dialled),
		cmocka_unit_test(a_flow_is_active_until_it_is_over),
		cmocka_unit_test(strays_count_where_they_were_sent_to),
		cmocka_unit_test(flows_to_unhealthy_targets_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
