/* SPDX-License-Identifier: BSD-3-Clause */

/* The PROXY header on the wire. */

#include "talk.h"

#include "dp_priv.h"

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
	struct seg s;

	(void)state;
	dial_mss(&t, H, 1460);
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
	s = one(w, 0, &again);
	assert_int_equal(s.len, H + 4);
	/* Alone from then on: both together may have been too large for the way. */
	for (int i = 0; i < 2; i++) {
		send_by(w, 0, 0, &again);
		assert_int_equal(w->n_out, 2);
		s = seg_parse(&w->out[0]);
		assert_int_equal(s.seq, ISN + 1 - H);
		assert_int_equal(s.len, H);
		want_header(s.payload, &t, "vpce-00000000000000001");
		s = seg_parse(&w->out[1]);
		assert_int_equal(s.seq, ISN + 1);
		assert_int_equal(s.len, 4);
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

/* What the target has of the header must not look like the client's bytes in its SACK blocks. */
static void sack_blocks_are_raised_above_the_header(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	const uint32_t edges[4] = {ISN + 1 - 40, ISN + 4, ISN + 1 - H, ISN + 1};
	struct seg s;

	(void)state;
	dial(&t, H);
	c2t(&t, F_PSH, "data");
	s = target_seg(&t, ISN + 1 - H, F_ACK, "");
	s.opts_len = 20;
	memcpy(s.opts, "\x01\x01\x05\x12", 4);
	for (int i = 0; i < 4; i++) {
		cv_be32_t be = cv_be32(edges[i]);

		memcpy(s.opts + 4 + 4 * i, &be, 4);
	}
	send_by(w, 0, 1, &s);
	for (unsigned int i = 0; i < w->n_out; i++) {
		const cv_be32_t want[2] = {cv_be32(ISN + 1), cv_be32(ISN + 4)};

		s = seg_parse(&w->out[i]);
		if (s.port != 0)
			continue;
		assert_int_equal(s.ack, ISN + 1);
		assert_memory_equal(s.opts, "\x01\x01\x05\x0a", 4);
		assert_memory_equal(s.opts + 4, want, 8);
		world_destroy(w);
		return;
	}
	fail_msg("nothing for the client");
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
	world_wait(w, 480);
	assert_int_equal(w->n_out, 0);
	world_wait(w, 220);
	assert_int_equal(w->n_out, 1);
	s = seg_parse(&w->out[0]);
	assert_int_equal(s.seq, ISN + 1 - H);
	assert_int_equal(s.ttl, 64);
	want_header(s.payload, &t, "vpce-00000000000000001");
	t2c(&t, ISN + 1, F_ACK, "");
	w->n_out = 0;
	world_wait(w, 60000);
	assert_int_equal(w->n_out, 0);
	world_destroy(w);
}

/* A target that never acknowledges its header: after some time nothing of it is left but the flow. */
static void timer_gives_up_and_leaves_its_place(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	const struct cv_dp_worker *worker = cv_dp_worker_get(w->dp, 0);
	struct talk t = talk(w, 40000, L_FIRST_ACK);
	struct seg s;

	(void)state;
	dial(&t, H);
	c2t(&t, F_ACK, "");
	assert_int_equal(worker->timer_tail - worker->timer_head, 1);
	world_wait(w, 31000);
	assert_int_equal(worker->timer_tail - worker->timer_head, 1);
	w->n_out = 0;
	world_wait(w, 9000);
	assert_int_equal(w->n_out, 1);
	assert_int_equal(worker->timer_head, worker->timer_tail);
	assert_int_equal(world_flows(w), 1);
	/* When it says that it has none, it gets one. */
	s = target_seg(&t, ISN + 1 - H, F_ACK, "");
	send_by(w, 0, 1, &s);
	assert_int_equal(w->n_out, 2);
	world_destroy(w);
}

/* With the first payload the header comes again when the client's data does: no timer of ours. */
static void client_with_data_needs_no_timer(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);

	(void)state;
	dial(&t, H);
	c2t(&t, F_PSH, "data");
	w->n_out = 0;
	world_wait(w, 5000);
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

/* ---- NLB dialled directly ---- */

/*
 * What a client may send at once and the header together are what the target has room for. Without an MSS
 * it sends ten segments of 536 bytes.
 */
static void window_leaves_room_for_the_header(void **state)
{
	static const uint16_t wnds[][2] = {
		{2000, 2000 - H}, {H + 1, 1},           {H, 1},         {1, 1}, {0, 0},
		{5359 + H, 5359}, {5360 + H, 5360 + H}, {65535, 65535},
	};
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t;
	struct seg s;

	(void)state;
	for (unsigned int i = 0; i < RTE_DIM(wnds); i++) {
		t = talk(w, (uint16_t)(40000 + i), L_PROXY);
		s = c2t(&t, F_SYN, "");
		t.nport = s.sport;
		t.node = s.src;
		s = target_seg(&t, ISN + 1 - H, F_SYN | F_ACK, "");
		s.wnd = wnds[i][0];
		assert_int_equal(one(w, 1, &s).wnd, wnds[i][1]);
		/* Also when it comes again. */
		assert_int_equal(one(w, 1, &s).wnd, wnds[i][1]);
	}
	/* Others are scaled, and none of the header's. */
	t = talk(w, 41000, L_PROXY);
	open_proxy(&t);
	assert_int_equal(t2c(&t, ISN + 3, F_ACK, "").wnd, 2000);
	t = talk(w, 41001, L_PLAIN);
	s = c2t(&t, F_SYN, "");
	t.nport = s.sport;
	t.node = s.src;
	assert_int_equal(t2c(&t, ISN + 1, F_SYN | F_ACK, "").wnd, 2000);
	world_destroy(w);
}

static void node_can_be_dialled_directly(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PROXY);
	uint8_t mac[6];
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
	world_mac(w, VPC_P, NODE_0, true, mac);
	assert_memory_equal(s.src_mac, mac, 6);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_rides_on_the_first_payload),
		cmocka_unit_test(header_rides_on_the_handshake_ack_when_told),
		cmocka_unit_test(header_goes_alone_before_a_full_segment),
		cmocka_unit_test(lost_header_comes_again_with_the_clients_data),
		cmocka_unit_test(target_that_misses_the_header_gets_it_from_us),
		cmocka_unit_test(sack_blocks_are_raised_above_the_header),
		cmocka_unit_test(timer_sends_the_header_again_for_a_silent_client),
		cmocka_unit_test(timer_gives_up_and_leaves_its_place),
		cmocka_unit_test(client_with_data_needs_no_timer),
		cmocka_unit_test(timestamps_are_kept_in_a_made_header),
		cmocka_unit_test(fast_open_is_stripped_with_proxy_and_kept_without),
		cmocka_unit_test(window_leaves_room_for_the_header),
		cmocka_unit_test(node_can_be_dialled_directly),
		cmocka_unit_test(target_can_be_a_client),
	};

	return cmocka_run_group_tests_name("dp_header", tests, NULL, NULL);
}
