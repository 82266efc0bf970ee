/* SPDX-License-Identifier: BSD-3-Clause */

/* How flows begin, end and are refused. */

#include "talk.h"

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

/* Without payload and below what was sent: answered or not, it shows that its sender is alive. */
static void keepalives_of_either_side_restart_the_timer(void **state)
{
	(void)state;
	for (int side = 0; side < 2; side++) {
		struct world *w = world_create(&(struct world_cfg){0});
		struct talk t = talk(w, 40000, L_PLAIN);

		open_plain(&t);
		for (int i = 0; i < 3; i++) {
			struct seg s = side == 0 ? client_seg(&t, F_ACK, "")
						 : target_seg(&t, ISN + 1, F_ACK, "");

			w->now_ms += 349000;
			world_wait(w, 1000);
			s.seq--;
			one(w, side == 0 ? 0 : 1, &s);
		}
		w->now_ms += 349000;
		world_wait(w, 1000);
		assert_int_equal(world_flows(w), 1);
		world_wait(w, 2000);
		assert_int_equal(world_flows(w), 0);
		assert_int_equal(world_events(w, CV_EV_FLOW_END_IDLE), 1);
		world_destroy(w);
	}
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

static void reset_flow_is_reopened_by_any_syn(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.cross_zone = true});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	do {
		t.cport++;
		t.cseq = ISN;
		s = c2t(&t, F_SYN, "");
	} while (s.dst != TARGET_0);
	t.cack = TISN + 1;
	c2t(&t, CV_TCP_RST | F_ACK, "");
	/* Also when the old flow's target is not there any more. */
	w->targets[0].used = false;
	w->neigh[0] = 0;
	world_publish(w);
	t.cseq = ISN;
	s = c2t(&t, F_SYN, "");
	assert_int_equal(s.dst, TARGET_1);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_RST), 1);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FIN), 0);
	world_destroy(w);
}

/* Both FINs, the last acknowledgement never comes. */
static void half_acknowledged_close_times_out(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);

	(void)state;
	open_plain(&t);
	c2t(&t, F_FIN, "");
	t2c(&t, ISN + 2, F_FIN, "");
	world_wait(w, 59900);
	assert_int_equal(world_flows(w), 1);
	world_wait(w, 200);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FIN), 1);
	world_destroy(w);
}

static void linger_counts_from_the_close(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);

	(void)state;
	open_plain(&t);
	c2t(&t, F_FIN, "");
	t2c(&t, ISN + 2, F_FIN, "");
	world_wait(w, 5000);
	c2t(&t, F_ACK, "");
	world_wait(w, 1500);
	assert_int_equal(world_flows(w), 1);
	/* A late segment passes, but does not prolong it. */
	c2t(&t, F_ACK, "");
	world_wait(w, 700);
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

static void port_of_an_idle_flow_rests_from_its_end(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_ports = 1});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	world_wait(w, 350100);
	assert_int_equal(world_flows(w), 0);
	t = talk(w, 40001, L_PLAIN);
	s = client_seg(&t, F_SYN, "");
	none(w, 0, &s, CV_DROP_PORT_ALLOCATION);
	world_wait(w, 59000);
	none(w, 0, &s, CV_DROP_PORT_ALLOCATION);
	world_wait(w, 1100);
	one(w, 0, &s);
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
	/* Only want of a port may be answered, however that is set. */
	struct world *w = world_create(&(struct world_cfg){.exhausted_reset = true});

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct talk t = talk(w, 40000, cases[i].port);
		uint64_t before = 0;
		struct seg s;

		if (cases[i].endpoint >= 0)
			before = world_endpoint_drops(w, (uint32_t)cases[i].endpoint,
						      cases[i].reason);
		t.eni = cases[i].eni;
		s = client_seg(&t, F_SYN, "");
		none(w, 0, &s, cases[i].reason);
		if (cases[i].endpoint >= 0)
			assert_int_equal(world_endpoint_drops(w, (uint32_t)cases[i].endpoint,
							      cases[i].reason),
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
	assert_int_equal(world_endpoint_sum(w, EP_A).drops, 1);
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
	t.nport = 20999;
	s = target_seg(&t, 99, F_ACK, "");
	assert_int_equal(one(w, 1, &s).seq, 99);
	/* A port that no flow can have: as silent as it is to anybody else. */
	for (unsigned int i = 0; i < 3; i++) {
		t.nport = (const uint16_t[]){22, 19999, 21000}[i];
		s = target_seg(&t, 99, F_ACK, "");
		none(w, 1, &s, CV_DROP_NO_LISTENER);
		s = target_seg(&t, 99, CV_TCP_RST, "");
		none(w, 1, &s, CV_DROP_NO_LISTENER);
	}
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

/* ---- floods ---- */

static void flood_leaves_open_flows_alone(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.half_open_max = 20});
	struct talk open = talk(w, 39999, L_PROXY), last;
	struct seg s;

	(void)state;
	open_proxy(&open);
	for (uint16_t i = 0; i < 100; i++) {
		last = talk(w, (uint16_t)(40000 + i), L_PROXY);
		s = client_seg(&last, F_SYN, "");
		if (i < 10)
			one(w, 0, &s);
		else
			none(w, 0, &s, CV_DROP_SYN_FLOOD);
	}
	assert_int_equal(world_flows(w), 11);
	c2t(&open, F_PSH, "still");
	/* One more than half of the limit is let in for each handshake that ends: done, reset, timed out. */
	last = talk(w, 40000, L_PROXY);
	s = client_seg(&last, F_SYN, "");
	last.nport = one(w, 0, &s).sport; /* the SYN again is not a new one */
	last.cseq++;
	t2c(&last, ISN + 1 - H, F_SYN | F_ACK, "");
	c2t(&last, F_ACK, "");
	last = talk(w, 40100, L_PROXY);
	s = client_seg(&last, F_SYN, "");
	one(w, 0, &s);
	s.sport++;
	none(w, 0, &s, CV_DROP_SYN_FLOOD);
	last.cseq = ISN + 1;
	last.cack = 0;
	c2t(&last, CV_TCP_RST, "");
	one(w, 0, &s);
	s.sport++;
	none(w, 0, &s, CV_DROP_SYN_FLOOD);
	world_wait(w, 33000);
	one(w, 0, &s);
	assert_int_equal(world_drops(w, CV_DROP_SYN_FLOOD), 92);
	world_destroy(w);
}

/* SYNs of new clients to one of our addresses, until one is refused. @return how many were not */
static unsigned int flood(struct world *w, int local, uint16_t cport, enum cv_drop reason)
{
	const uint64_t before = world_drops(w, reason);
	struct talk t = talk(w, cport, L_PLAIN);
	unsigned int n = 0;

	t.eni = w->locals[local].ip;
	t.vpc = w->locals[local].vpc;
	while (world_drops(w, reason) == before) {
		struct seg s = client_seg(&t, F_SYN, "");

		assert_true(n < 200);
		send_by(w, 0, port_of(&t), &s);
		t.cport++;
		n++;
	}
	return n - 1;
}

static void flood_of_one_path_leaves_room_for_the_others(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.half_open_max = 20});
	struct talk t = talk(w, 53000, 53);
	struct seg s;

	(void)state;
	w->hosts[VPC_A] = (struct cv_view_host){.on = true, .service_first = 0, .n_services = 2};
	world_publish(w);
	for (int round = 0; round < 3; round++) {
		/* Each may have as many as are left: half of 20, of 10, of 5. */
		assert_int_equal(flood(w, LOCAL_A, 40000, CV_DROP_SYN_FLOOD), 10);
		assert_int_equal(flood(w, LOCAL_B, 40000, CV_DROP_SYN_FLOOD), 5);
		assert_int_equal(flood(w, LOCAL_NODE_0, 40000, CV_DROP_SYN_FLOOD), 3);
		assert_int_equal(flood(w, LOCAL_A, 41000, CV_DROP_SYN_FLOOD), 0);
		assert_int_equal(flood(w, LOCAL_B, 41000, CV_DROP_SYN_FLOOD), 0);
		assert_int_equal(flood(w, LOCAL_A2, 40000, CV_DROP_SYN_FLOOD), 1);
		assert_int_equal(flood(w, LOCAL_NODE_1, 40000, CV_DROP_SYN_FLOOD), 1);
		assert_int_equal(world_flows(w), 20);
		assert_int_equal(world_endpoint_drops(w, EP_B, CV_DROP_SYN_FLOOD), 2 * round + 2);
		/* What opens no flow is asked for none. */
		t.eni = SERVICE;
		s = client_seg(&t, F_SYN, "");
		none(w, 0, &s, CV_DROP_HOST_TAKEN);
		/* Places come back by a time limit, by resets to both ends, and by an end in silence. */
		w->settings.end_endpoint = round == 1 ? CV_VIEW_END_RESET : CV_VIEW_END_SILENT;
		for (int i = 0; round > 0 && i < N_VPCS; i++)
			w->vpcs[i].used = false;
		world_publish(w);
		world_wait(w, 31500);
		world_wait(w, 2500);
		assert_int_equal(world_flows(w), 0);
		for (int i = 0; i < VPC_U0; i++)
			w->vpcs[i].used = true;
		world_publish(w);
	}
	world_destroy(w);
}

/* Whoever has a target behind the own endpoint can open connections until there may be no more. */
static void one_path_leaves_room_in_the_table(void **state)
{
	const enum cv_drop full = CV_DROP_FLOW_TABLE_FULL;
	struct world *w = world_create(&(struct world_cfg){.n_flows = 160});

	(void)state;
	for (unsigned int round = 1; round <= 3; round++) {
		/* The table has room for 5 more, of which each may have half. */
		assert_int_equal(flood(w, LOCAL_A, 40000, full), 160);
		assert_int_equal(flood(w, LOCAL_B, 40000, full), 3);
		assert_int_equal(flood(w, LOCAL_A, 41000, full), 0);
		assert_int_equal(flood(w, LOCAL_NODE_0, 40000, full), 1);
		assert_int_equal(flood(w, LOCAL_NODE_0, 41000, full), 0);
		assert_int_equal(flood(w, LOCAL_A2, 40000, full), 1);
		assert_int_equal(flood(w, LOCAL_NODE_1, 40000, full), 0);
		assert_int_equal(world_flows(w), 165);
		assert_int_equal(world_endpoint_drops(w, EP_B, full), round);
		/* What is over takes no place. */
		world_wait(w, 33000);
		assert_int_equal(world_flows(w), 0);
	}
	world_destroy(w);
}

/* Flows that are over keep their place until they are freed. */
static void flows_that_linger_take_their_paths_room(void **state)
{
	const enum cv_drop full = CV_DROP_FLOW_TABLE_FULL;
	struct world *w = world_create(&(struct world_cfg){.n_flows = 160});

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint16_t i = 0; i < 160; i++) {
			struct talk t = talk(w, (uint16_t)(40000 + i), L_PLAIN);
			struct seg s = client_seg(&t, F_SYN, "");

			(void)one(w, 0, &s);
			t.cseq = ISN + 1;
			c2t(&t, CV_TCP_RST, "");
		}
		assert_int_equal(flood(w, LOCAL_A, 41000, full), 0);
		assert_int_equal(flood(w, LOCAL_B, 40000, full), 3);
		assert_int_equal(flood(w, LOCAL_NODE_0, 40000, full), 1);
		world_wait(w, 33000);
		assert_int_equal(world_flows(w), 0);
	}
	/* What was freed counts no more. */
	assert_int_equal(flood(w, LOCAL_B, 40000, full), 160);
	assert_int_equal(flood(w, LOCAL_A, 40000, full), 3);
	world_destroy(w);
}

/* All of a flood in one burst: what comes first leaves no room for the rest. */
static void flood_in_one_burst_is_bounded_too(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.half_open_max = 20});
	struct rte_mbuf *pkts[CV_DP_BURST_MAX];
	uint8_t frame[WORLD_FRAME_MAX];

	(void)state;
	for (uint16_t i = 0; i < CV_DP_BURST_MAX; i++) {
		struct talk t = talk(w, (uint16_t)(40000 + i), L_PLAIN);
		struct seg s = client_seg(&t, F_SYN, "");

		pkts[i] = world_mbuf(w, 0, frame, seg_build(&s, frame));
	}
	world_burst(w, 0, pkts, CV_DP_BURST_MAX);
	assert_int_equal(world_flows(w), 10);
	assert_int_equal(world_drops(w, CV_DROP_SYN_FLOOD), CV_DP_BURST_MAX - 10);
	assert_int_equal(world_endpoint_drops(w, EP_A, CV_DROP_SYN_FLOOD), CV_DP_BURST_MAX - 10);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flood_leaves_open_flows_alone),
		cmocka_unit_test(flood_of_one_path_leaves_room_for_the_others),
		cmocka_unit_test(flood_in_one_burst_is_bounded_too),
		cmocka_unit_test(close_frees_the_port_after_linger_and_rest),
		cmocka_unit_test(reset_ends_a_flow),
		cmocka_unit_test(closed_target_port_refuses_the_client),
		cmocka_unit_test(idle_flow_expires_silently_then_resets),
		cmocka_unit_test(keepalives_of_either_side_restart_the_timer),
		cmocka_unit_test(idle_limit_counts_before_the_walk_comes),
		cmocka_unit_test(handshake_that_stalls_times_out),
		cmocka_unit_test(syn_on_a_closed_flow_opens_a_new_one),
		cmocka_unit_test(reset_flow_is_reopened_by_any_syn),
		cmocka_unit_test(half_acknowledged_close_times_out),
		cmocka_unit_test(linger_counts_from_the_close),
		cmocka_unit_test(port_of_an_idle_flow_rests_from_its_end),
		cmocka_unit_test(syn_is_dropped_for_one_named_reason),
		cmocka_unit_test(security_group_lets_its_clients_in),
		cmocka_unit_test(stray_gets_a_reset_only_on_a_listener),
		cmocka_unit_test(ports_run_out_exactly),
		cmocka_unit_test(full_flow_table_drops_and_recovers),
		cmocka_unit_test(one_path_leaves_room_in_the_table),
		cmocka_unit_test(flows_that_linger_take_their_paths_room),
		cmocka_unit_test(unknown_neighbour_drops_and_takes_no_port),
	};

	return cmocka_run_group_tests_name("dp_flows", tests, NULL, NULL);
}
