/* SPDX-License-Identifier: BSD-3-Clause */

/* Ends that begin anew or move in the middle of a flow, and resets that they did not send. */

#include "talk.h"

#define OTHER 7000000u

/* Where no header comes, clients could write one of their own. */
static void connection_begun_inside_a_flow_is_ended(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	uint16_t before;
	struct seg s, answer;

	(void)state;
	open_proxy(&t);
	before = t.nport;
	t.cseq = OTHER;
	s = client_seg(&t, F_SYN, "");
	s = one(w, 0, &s);
	assert_int_equal(s.seq, OTHER);
	/* The target has forgotten the connection. */
	t.tseq = TISN + 500000;
	answer = target_seg(&t, OTHER + 1, F_SYN | F_ACK, "");
	none(w, 1, &answer, CV_DROP_TCP_STATE);
	assert_int_equal(world_path_sum(w, LOCAL_A).end_flows, 1);
	/* The client's next try is a flow of its own, with its header. */
	t.cseq = ISN;
	t.tseq = TISN;
	open_proxy(&t);
	assert_int_not_equal(t.nport, before);
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 2);
	assert_int_equal(world_path_sum(w, LOCAL_A).end_flows, 1);
	assert_int_equal(world_flows(w), 1);
	/* And what the target began is cleared. */
	s = one(w, 1, &answer);
	assert_int_equal(s.flags, CV_TCP_RST);
	assert_int_equal(s.seq, OTHER + 1);
	world_destroy(w);
}

static void client_that_begins_with_the_same_number_is_let_in(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	open_proxy(&t);
	t.cseq = ISN;
	s = client_seg(&t, F_SYN, "");
	s = one(w, 0, &s);
	assert_int_equal(s.seq, ISN);
	/* The target asks, and the client knows nothing of what it says. */
	(void)t2c(&t, ISN + 3, F_ACK, "");
	s = client_seg(&t, CV_TCP_RST, "");
	s.seq = ISN + 3;
	(void)one(w, 0, &s);
	t.tseq = TISN;
	open_proxy(&t);
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 2);
	world_destroy(w);
}

/* Long after an RST that its receiver did not take, both ends are there. */
static void reset_that_nobody_sent_ends_no_idle_flow(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	open_proxy(&t);
	s = client_seg(&t, CV_TCP_RST, "");
	s.seq++;
	s = one(w, 0, &s);
	assert_int_equal(s.seq, ISN + 4);
	/* The target asks (RFC 5961), the client hears a keepalive. */
	s = t2c(&t, ISN + 3, F_ACK, "");
	assert_int_equal(s.seq, t.tseq - 1);
	assert_int_equal(s.ack, ISN + 3);
	s = c2t(&t, F_ACK, "");
	assert_int_equal(s.seq, ISN + 3);
	world_wait(w, 10000);
	assert_int_equal(world_flows(w), 1);
	s = c2t(&t, F_PSH, "more");
	assert_int_equal(s.sport, t.nport);
	/* One that was meant ends it: the client has nothing to answer with but another. */
	s = client_seg(&t, CV_TCP_RST, "");
	s.seq++;
	one(w, 0, &s);
	t2c(&t, t.cseq, F_ACK, "");
	c2t(&t, CV_TCP_RST, "");
	world_wait(w, 10000);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_RST), 1);
	world_destroy(w);
}

/* A router of the clients' takes over from another, which does not forward any more. */
static void answers_go_where_the_client_speaks_from(void **state)
{
	static const uint8_t other[6] = {2, 0xcc, 0, 0, 0, 2}, group[6] = {3, 0xcc, 0, 0, 0, 4};
	static const unsigned int vpcs[] = {VPC_A, VPC_B};
	struct world *w = world_create(&(struct world_cfg){0});
	struct seg s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct talk t = talk(w, (uint16_t)(40000 + i), L_PROXY);

		t.vpc = vpcs[i];
		open_proxy(&t);
		world_wait(w, 200);
		s = client_seg(&t, F_ACK, "again");
		memcpy(s.src_mac, other, 6);
		(void)one(w, 0, &s);
		s = t2c(&t, ISN + 8, F_ACK, "");
		assert_memory_equal(s.dst_mac, other, 6);
		assert_int_equal(s.vlan, w->vpcs[t.vpc].vlan);
		/* Segments under way on both do not take turns. */
		w->now_ms += 3;
		s = client_seg(&t, F_ACK, "late");
		(void)one(w, 0, &s);
		s = t2c(&t, ISN + 8, F_ACK, "");
		assert_memory_equal(s.dst_mac, other, 6);
		/* No station has the MAC of a group. */
		world_wait(w, 200);
		s = client_seg(&t, F_ACK, "odd");
		memcpy(s.src_mac, group, 6);
		(void)one(w, 0, &s);
		s = t2c(&t, ISN + 8, F_ACK, "");
		assert_memory_equal(s.dst_mac, other, 6);
		/* What is dropped here moves nothing. */
		world_wait(w, 200);
		s = client_seg(&t, F_ACK, "near");
		s.ttl = 1;
		none(w, 0, &s, CV_DROP_TTL);
		s = t2c(&t, ISN + 8, F_ACK, "");
		assert_memory_equal(s.dst_mac, other, 6);
		/* The target's own packets say nothing of the client. */
		world_wait(w, 200);
		s = t2c(&t, ISN + 8, F_ACK, "");
		assert_memory_equal(s.dst_mac, other, 6);
		/* With a packet that needs more than rewriting, too. */
		world_wait(w, 200);
		(void)c2t(&t, F_FIN, "");
		s = t2c(&t, ISN + 8, F_ACK, "");
		assert_memory_equal(s.dst_mac, CLIENT_MAC, 6);
	}
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connection_begun_inside_a_flow_is_ended),
		cmocka_unit_test(client_that_begins_with_the_same_number_is_let_in),
		cmocka_unit_test(reset_that_nobody_sent_ends_no_idle_flow),
		cmocka_unit_test(answers_go_where_the_client_speaks_from),
	};

	world_eal();
	return cmocka_run_group_tests_name("dp_anew", tests, NULL, NULL);
}
