/* SPDX-License-Identifier: BSD-3-Clause */

/* Copies of chosen packets, as they came and as they left. */

#include "cv_dp_capture.h"
#include "far.h"

static struct cv_dp_capture_filter any(void)
{
	return (struct cv_dp_capture_filter){.endpoint = CV_VIEW_NONE, .snap_len = 2048};
}

/* Begins, and lets the workers hear of it. */
static struct cv_dp_capture *begin(struct world *w, const struct cv_dp_capture_filter *filter)
{
	struct cv_dp_capture *capture = NULL;

	assert_int_equal(cv_dp_capture_create(w->dp, filter, &capture), 0);
	assert_false(cv_dp_capture_has_begun(capture));
	world_wait(w, 1);
	assert_true(cv_dp_capture_has_begun(capture));
	return capture;
}

static void end(struct world *w, struct cv_dp_capture *capture)
{
	assert_false(cv_dp_capture_is_done(capture));
	assert_int_equal(cv_dp_capture_stop(capture), 0);
	assert_int_equal(cv_dp_capture_stop(capture), 0);
	world_wait(w, 1);
	assert_true(cv_dp_capture_is_done(capture));
	cv_dp_capture_destroy(capture);
}

/* The next packet, which came or left by a side. Its bytes go to frame, shape [WORLD_FRAME_MAX]. */
static struct cv_dp_capture_pkt next(struct cv_dp_capture *capture, bool target_side, bool sent,
				     uint32_t endpoint)
{
	struct cv_dp_capture_pkt pkt;

	assert_true(cv_dp_capture_peek(capture, &pkt));
	assert_int_equal(pkt.target_side, target_side);
	assert_int_equal(pkt.sent, sent);
	assert_int_equal(pkt.endpoint, endpoint);
	return pkt;
}

static unsigned int drain(struct cv_dp_capture *capture)
{
	struct cv_dp_capture_pkt pkt;
	unsigned int n = 0;

	for (; cv_dp_capture_peek(capture, &pkt); n++)
		cv_dp_capture_pop(capture);
	return n;
}

static void packets_are_kept_as_they_came_and_left(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct cv_dp_capture_filter filter = any();
	struct cv_dp_capture *capture = begin(w, &filter);
	struct talk t = talk(w, 40000, L_PLAIN);
	struct cv_dp_capture_pkt pkt;
	uint8_t frame[WORLD_FRAME_MAX];
	struct seg s;
	uint64_t ns;

	(void)state;
	open_plain(&t);
	/* SYN, SYN-ACK and ACK, twice each. */
	assert_int_equal(drain(capture), 6);
	s = client_seg(&t, F_PSH, "hello");
	w->n_out = 0;
	(void)c2t(&t, F_PSH, "hello");
	pkt = next(capture, false, false, EP_A);
	assert_int_equal(pkt.len, seg_build(&s, frame));
	assert_int_equal(pkt.n, pkt.len);
	assert_int_equal(pkt.port, port_of(&t));
	assert_memory_equal(pkt.data, frame, pkt.n);
	ns = pkt.ns;
	cv_dp_capture_pop(capture);
	pkt = next(capture, true, true, EP_A);
	assert_int_equal(w->n_out, 1);
	assert_int_equal(pkt.port, 1);
	assert_int_equal(pkt.n, w->out[0].len);
	assert_memory_equal(pkt.data, w->out[0].data, pkt.n);
	assert_true(pkt.ns >= ns);
	cv_dp_capture_pop(capture);
	(void)t2c(&t, t.cseq, F_PSH, "world");
	(void)next(capture, true, false, EP_A);
	cv_dp_capture_pop(capture);
	(void)next(capture, false, true, EP_A);
	cv_dp_capture_pop(capture);
	assert_false(cv_dp_capture_peek(capture, &pkt));
	assert_int_equal(cv_dp_capture_missed(capture), 0);
	end(w, capture);
	(void)t2c(&t, t.cseq, F_PSH, "more");
	world_destroy(w);
}

/* Who gets a packet from another worker keeps it, and not the one that it came to. */
static void packets_that_are_handed_over_are_kept_once(void **state)
{
	/* All flows are worker 0's; but the NIC errs. */
	struct cv_rss rss[2] = {{.on = true, .n = 64}, {.on = true, .n = 64}};
	struct cv_dp_capture_filter filter = any();
	struct cv_dp_capture *capture;
	struct talk t;
	struct world *w;
	struct seg s;

	(void)state;
	cv_rss_key_build(1, rss[0].key);
	cv_rss_key_build(2, rss[1].key);
	w = world_create(&(struct world_cfg){.n_workers = 2, .rss = rss});
	capture = begin(w, &filter);
	t = talk(w, 40000, L_PLAIN);
	s = client_seg(&t, F_SYN, "");
	send_by(w, 1, 0, &s);
	s = seg_parse(&w->out[0]);
	t.nport = s.sport;
	t.node = s.src;
	t.cseq++;
	s = target_seg(&t, t.cseq, F_SYN | F_ACK, "");
	send_by(w, 1, 1, &s);
	t.cack = s.seq + 1;
	s = client_seg(&t, F_ACK, "");
	send_by(w, 1, 0, &s);
	assert_int_equal(world_events(w, CV_EV_HANDOFF_IN), 3);
	assert_int_equal(drain(capture), 6);
	/* A target that dials, from the port that it serves on. */
	t = talk(w, TARGET_PORT, L_PLAIN);
	t.vpc = VPC_P;
	t.client = TARGET_1;
	t.eni = NODE_0;
	s = client_seg(&t, F_SYN, "");
	send_by(w, 1, 1, &s);
	assert_int_equal(world_events(w, CV_EV_HANDOFF_IN), 4);
	(void)next(capture, false, false, EP_DIRECT);
	assert_int_equal(drain(capture), 2);
	/* Strays of a target are nobody else's. */
	t.nport = 20500;
	t.node = NODE_0;
	s = target_seg(&t, 99, CV_TCP_RST, "");
	s.src = TARGET_0;
	send_by(w, 1, 1, &s);
	assert_int_equal(drain(capture), 1);
	end(w, capture);
	world_destroy(w);
}

/* What an established conversation and another's beginning leave behind under a filter. */
static unsigned int caught(const struct cv_dp_capture_filter *filter, unsigned int n_workers)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = n_workers});
	struct cv_dp_capture *capture = begin(w, filter);
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;
	unsigned int n;

	open_plain(&t);
	(void)c2t(&t, F_PSH, "x");
	/* To a port without a listener: it comes, and nothing leaves. */
	s = client_seg(&t, F_SYN, "");
	s.dport = 7;
	none(w, port_of(&t), &s, CV_DROP_NO_LISTENER);
	n = drain(capture);
	end(w, capture);
	world_destroy(w);
	return n;
}

static void filters_choose(void **state)
{
	const struct {
		struct cv_dp_capture_filter filter;
		unsigned int n;
	} cases[] = {
		{{.endpoint = CV_VIEW_NONE}, 9},
		{{.endpoint = EP_A}, 9},
		{{.endpoint = EP_B}, 0},
		{{.endpoint = CV_VIEW_DIRECT}, 0},
		{{.endpoint = CV_VIEW_NONE, .client_ip = CLIENT_IP}, 9},
		{{.endpoint = CV_VIEW_NONE, .client_ip = TARGET_0}, 0},
		{{.endpoint = CV_VIEW_NONE, .port = cv_be16(L_PLAIN)}, 8},
		{{.endpoint = CV_VIEW_NONE, .port = cv_be16(7)}, 1},
		{{.endpoint = EP_A, .client_ip = CLIENT_IP, .port = cv_be16(L_PROXY)}, 0},
		/* All but the SYN as it came. */
		{{.endpoint = CV_VIEW_NONE,
		  .target_ip = TARGET_0,
		  .target_port = cv_be16(TARGET_PORT)},
		 7},
		{{.endpoint = CV_VIEW_NONE, .target_ip = TARGET_0, .target_port = cv_be16(1)}, 0},
		{{.endpoint = CV_VIEW_NONE,
		  .target_ip = TARGET_1,
		  .target_port = cv_be16(TARGET_PORT)},
		 0},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct cv_dp_capture_filter filter = cases[i].filter;

		filter.snap_len = 128;
		assert_int_equal(caught(&filter, 1), cases[i].n);
		assert_int_equal(caught(&filter, 3), cases[i].n);
	}
}

static void frames_are_cut_and_losses_counted(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct cv_dp_capture_filter filter = any();
	struct cv_dp_capture *capture;
	struct talk t = talk(w, 40000, L_PLAIN);
	struct cv_dp_capture_pkt pkt;
	static char payload[1401];
	unsigned int n;

	(void)state;
	memset(payload, 'x', sizeof(payload) - 1);
	open_plain(&t);
	filter.snap_len = 60;
	capture = begin(w, &filter);
	(void)c2t(&t, F_PSH, payload);
	pkt = next(capture, false, false, EP_A);
	assert_int_equal(pkt.n, 60);
	assert_int_equal(pkt.len, 14 + 20 + 20 + 1400);
	end(w, capture);
	filter.snap_len = 2048;
	capture = begin(w, &filter);
	for (n = 0; n < 1000; n++)
		(void)c2t(&t, F_PSH, payload);
	assert_true(cv_dp_capture_missed(capture) > 0);
	assert_int_equal(cv_dp_capture_missed(capture) + drain(capture), 2000);
	end(w, capture);
	world_destroy(w);
}

static void the_last_packet_of_a_flow_is_kept(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct cv_dp_capture_filter filter = any();
	struct cv_dp_capture *capture = begin(w, &filter);
	struct talk t = talk(w, 40000, L_PLAIN);
	struct cv_dp_capture_pkt pkt;

	(void)state;
	open_plain(&t);
	drain(capture);
	(void)c2t(&t, CV_TCP_RST | F_ACK, "");
	(void)next(capture, false, false, EP_A);
	cv_dp_capture_pop(capture);
	assert_true(cv_dp_capture_peek(capture, &pkt));
	assert_true(pkt.target_side && pkt.sent);
	/* A capture that nobody ends goes with the workers. */
	world_destroy(w);
	cv_dp_capture_destroy(capture);
	cv_dp_capture_destroy(NULL);
}

/* What is dropped, and why, is told; by the same filters. */
static void drops_have_their_reason(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct cv_dp_capture_filter filter = any();
	struct talk t = talk(w, 40000, L_PLAIN);
	struct cv_dp_capture *capture;
	struct cv_dp_capture_pkt pkt;
	struct seg s;

	(void)state;
	filter.drop = CV_DP_CAPTURE_DROPS;
	filter.endpoint = EP_A;
	capture = begin(w, &filter);
	open_plain(&t);
	assert_int_equal(drain(capture), 0);
	s = client_seg(&t, F_PSH, "x");
	s.ttl = 1;
	none(w, 0, &s, CV_DROP_TTL);
	pkt = next(capture, false, false, EP_A);
	assert_int_equal(pkt.drop, CV_DROP_TTL);
	assert_int_equal(pkt.n, 14 + 41);
	cv_dp_capture_pop(capture);
	s = target_seg(&t, t.cseq, F_PSH, "y");
	s.ttl = 1;
	none(w, 1, &s, CV_DROP_TTL);
	pkt = next(capture, true, false, EP_A);
	assert_int_equal(pkt.drop, CV_DROP_TTL);
	cv_dp_capture_pop(capture);
	/* Answered, and as it came nevertheless. */
	t.cport++;
	s = client_seg(&t, F_PSH, "lost");
	(void)one(w, 0, &s);
	pkt = next(capture, false, false, EP_A);
	assert_int_equal(pkt.drop, CV_DROP_STRAY);
	assert_int_equal(pkt.n, 14 + 44);
	cv_dp_capture_pop(capture);
	/* Of another endpoint, though on the same wire. */
	s.dst = ENI_REJECTED;
	world_mac(w, VPC_A, s.dst, false, s.dst_mac);
	none(w, 0, &s, CV_DROP_ENDPOINT_REJECTED);
	assert_int_equal(drain(capture), 0);
	end(w, capture);
	world_destroy(w);
}

/* Drops of frames of all kinds, some too short to say anything. @return packets captured for a reason */
static unsigned int dropped(enum cv_drop drop, bool filtered)
{
	static const uint8_t arp[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0xcc, 0, 0, 0, 1};
	struct world *w = world_create(&(struct world_cfg){.half_open_max = 1});
	struct cv_dp_capture_filter filter = any();
	struct talk t = talk(w, 40000, L_PLAIN);
	struct cv_dp_capture *capture;
	uint8_t frame[64] = {2};
	struct seg s;
	unsigned int n;

	filter.drop = drop;
	if (filtered)
		filter.client_ip = IP4(10, 9, 9, 9);
	capture = begin(w, &filter);
	for (uint16_t len = 1; len < 20; len++)
		world_rx(w, 0, 0, frame, len);
	memset(frame, 0xff, 6);
	memcpy(frame + 12, arp, sizeof(arp));
	memcpy(frame + 28, &(cv_be32_t){CLIENT_IP}, 4);
	world_rx(w, 0, 0, frame, sizeof(frame));
	memcpy(frame + 12, "\x08\x00", 2);
	world_rx(w, 0, 0, frame, sizeof(frame));
	s = client_seg(&t, F_SYN, "");
	w->tx_room = 0;
	send_by(w, 0, 0, &s);
	w->tx_room = UINT16_MAX;
	s.sport++;
	none(w, 0, &s, CV_DROP_SYN_FLOOD);
	n = drain(capture);
	assert_int_equal(cv_dp_capture_missed(capture), 0);
	end(w, capture);
	world_destroy(w);
	return n;
}

static void drops_of_any_frame_are_caught(void **state)
{
	(void)state;
	/* Of 19 too short ones, the flood, one not for us, one that the port did not take; no ARP. */
	assert_int_equal(dropped(CV_DP_CAPTURE_DROPS, false), 22);
	assert_int_equal(dropped(CV_DROP_SYN_FLOOD, false), 1);
	assert_int_equal(dropped(CV_DROP_TX_FULL, false), 1);
	assert_int_equal(dropped(CV_DROP_NOT_FOR_US, false), 1);
	assert_int_equal(dropped(CV_DROP_ARP_CONSUMED, false), 0);
	assert_int_equal(dropped(CV_DROP_TTL, false), 0);
	assert_int_equal(dropped(CV_DP_CAPTURE_DROPS, true), 0);
}

/* In VXLAN: with the outer headers, by what is inside. */
static void frames_in_tunnels_are_kept_whole(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.vxlan = true});
	struct cv_dp_capture_filter filter = any();
	struct cv_dp_capture *capture;
	struct cv_dp_capture_pkt pkt;
	struct far_talk f;
	struct seg s;

	(void)state;
	filter.endpoint = EP_B;
	filter.port = cv_be16(L_PLAIN);
	capture = begin(w, &filter);
	f = far_open(w, L_PLAIN, 0);
	assert_int_equal(drain(capture), 6);
	s = far_c2t(&f, F_PSH, "hello");
	pkt = next(capture, false, false, EP_B);
	assert_int_equal(pkt.n, 18 + 50 + 45);
	cv_dp_capture_pop(capture);
	pkt = next(capture, true, true, EP_B);
	assert_int_equal(pkt.n, w->out[0].len);
	assert_int_equal(pkt.n, 14 + 50 + 45);
	assert_memory_equal(pkt.data, w->out[0].data, pkt.n);
	cv_dp_capture_pop(capture);
	(void)far_t2c(&f, f.t.cseq, F_PSH, "world");
	(void)next(capture, true, false, EP_B);
	cv_dp_capture_pop(capture);
	pkt = next(capture, false, true, EP_B);
	assert_memory_equal(pkt.data, w->out[0].data, pkt.n);
	cv_dp_capture_pop(capture);
	end(w, capture);
	/* So are drops. */
	filter.drop = CV_DROP_TTL;
	capture = begin(w, &filter);
	s = client_seg(&f.t, F_PSH, "x");
	s.ttl = 1;
	put_seg(w, 0, &f.client, &s);
	(void)next(capture, false, false, EP_B);
	assert_int_equal(drain(capture), 1);
	s.dport = L_PROXY;
	put_seg(w, 0, &f.client, &s);
	assert_int_equal(drain(capture), 0);
	end(w, capture);
	world_destroy(w);
}

static void a_full_command_ring_is_said(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct cv_dp_capture_filter filter = any();
	struct cv_dp_capture *capture = begin(w, &filter), *none_yet = NULL;

	(void)state;
	while (cv_dp_arp_announce(w->dp, VPC_A, ENI_A) == 0)
		;
	assert_int_equal(cv_dp_capture_stop(capture), -EAGAIN);
	assert_int_equal(cv_dp_capture_create(w->dp, &filter, &none_yet), -EAGAIN);
	assert_null(none_yet);
	world_wait(w, 1000);
	end(w, capture);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_are_kept_as_they_came_and_left),
		cmocka_unit_test(packets_that_are_handed_over_are_kept_once),
		cmocka_unit_test(filters_choose),
		cmocka_unit_test(frames_are_cut_and_losses_counted),
		cmocka_unit_test(the_last_packet_of_a_flow_is_kept),
		cmocka_unit_test(drops_have_their_reason),
		cmocka_unit_test(drops_of_any_frame_are_caught),
		cmocka_unit_test(frames_in_tunnels_are_kept_whole),
		cmocka_unit_test(a_full_command_ring_is_said),
	};

	return cmocka_run_group_tests_name("dp_capture", tests, NULL, NULL);
}
