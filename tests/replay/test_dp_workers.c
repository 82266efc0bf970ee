/* SPDX-License-Identifier: BSD-3-Clause */

/* Several workers, full queues, configuration changes, listings. */

#include <unistd.h>

#include "talk.h"

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

/* Some packets of a burst go to other workers: the rest must not be taken for them. */
static void burst_of_many_owners_is_sorted(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 3});
	struct rte_mbuf *pkts[CV_DP_BURST_MAX];
	uint8_t frame[WORLD_FRAME_MAX];
	bool seen[CV_DP_BURST_MAX] = {false};

	(void)state;
	for (int again = 0; again < 2; again++) {
		for (uint16_t i = 0; i < CV_DP_BURST_MAX; i++) {
			struct talk t = talk(w, (uint16_t)(40000 + i), L_PLAIN);
			struct seg s = client_seg(&t, F_SYN, "");

			s.id = i;
			pkts[i] = world_mbuf(w, 0, frame, seg_build(&s, frame));
		}
		w->n_out = 0;
		world_burst(w, 1, pkts, CV_DP_BURST_MAX);
		assert_int_equal(w->n_out, CV_DP_BURST_MAX);
		for (unsigned int i = 0; i < CV_DP_BURST_MAX; i++) {
			uint16_t id = seg_parse(&w->out[i]).id;

			assert_true(id < CV_DP_BURST_MAX && seen[id] == (again != 0));
			seen[id] = again == 0;
		}
	}
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), CV_DP_BURST_MAX);
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

/* A worker receives SYNs of n clients, the others never look. */
static void fill_handoff_rings_by(struct world *w, unsigned int worker, cv_be32_t eni, uint16_t n)
{
	struct cv_dp_worker *first = cv_dp_worker_get(w->dp, worker);
	uint8_t frame[WORLD_FRAME_MAX];

	for (uint16_t i = 0; i < n; i++) {
		struct talk t = talk(w, (uint16_t)(20000 + i), 9999);
		struct rte_mbuf *m = rte_pktmbuf_alloc(w->mbufs);
		struct seg s;
		uint16_t len;

		t.eni = eni;
		s = client_seg(&t, F_SYN, "");
		len = seg_build(&s, frame);
		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, len), frame, len);
		m->port = 0;
		cv_dp_burst(first, cv_view_pub_current(w->pub), &m, 1, w->now_ms);
		cv_dp_worker_flush(first);
	}
}

static void fill_handoff_rings(struct world *w, uint16_t n)
{
	fill_handoff_rings_by(w, 0, ENI_A, n);
}

static void full_handoff_ring_drops_and_counts(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2, .n_mbufs = 8191});

	(void)state;
	fill_handoff_rings(w, 10000);
	assert_int_equal(world_events(w, CV_EV_HANDOFF_OUT), 4095);
	assert_true(world_drops(w, CV_DROP_HANDOFF_FULL) > 500);
	assert_int_equal(world_drops(w, CV_DROP_HANDOFF_FULL) + 4095 +
				 world_drops(w, CV_DROP_NO_LISTENER),
			 10000);
	world_destroy(w);
}

/* What was handed over goes before what comes in anew, but not without end: a port is looked at again. */
static void turn_takes_many_handed_packets_not_all(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2, .n_mbufs = 8191});
	struct cv_dp_worker *second = cv_dp_worker_get(w->dp, 1);

	(void)state;
	fill_handoff_rings(w, 10000);
	cv_dp_worker_poll(second, cv_view_pub_current(w->pub), w->now_ms);
	assert_int_equal(world_events(w, CV_EV_HANDOFF_IN), 8 * CV_DP_BURST_MAX);
	for (int i = 1; i < 8; i++)
		cv_dp_worker_poll(second, cv_view_pub_current(w->pub), w->now_ms);
	assert_int_equal(world_events(w, CV_EV_HANDOFF_IN), 4095);
	assert_int_equal(cv_dp_worker_poll(second, cv_view_pub_current(w->pub), w->now_ms), 0);
	world_destroy(w);
}

/* However many workers hand over, a turn takes no more of it, and each of them gets its share of that. */
static void turn_takes_of_all_rings_no_more_than_of_one(void **state)
{
	static const struct {
		cv_be32_t eni;
		enum cv_drop reason;
	} by[3] = {{ENI_A, CV_DROP_NO_LISTENER},
		   {ENI_PENDING, CV_DROP_ENDPOINT_PENDING},
		   {ENI_REJECTED, CV_DROP_ENDPOINT_REJECTED}};
	struct world *w = world_create(&(struct world_cfg){.n_workers = 4, .n_mbufs = 8191});
	struct cv_dp_worker *last = cv_dp_worker_get(w->dp, 3);
	const struct cv_stats *stats = cv_dp_stats(w->dp)[3];
	uint64_t had[3];
	unsigned int n;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		fill_handoff_rings_by(w, i, by[i].eni, 1600);
	for (int turn = 0; turn < 2; turn++) {
		for (int i = 0; i < 3; i++)
			had[i] = cv_ctr_get(&stats->drop[by[i].reason]);
		n = cv_dp_worker_poll(last, cv_view_pub_current(w->pub), w->now_ms);
		assert_int_equal(n, 8 * CV_DP_BURST_MAX);
		/* Eight bursts of three rings, whichever of them is the first. */
		for (int i = 0; i < 3; i++)
			assert_in_range(cv_ctr_get(&stats->drop[by[i].reason]) - had[i],
					2 * CV_DP_BURST_MAX, 3 * CV_DP_BURST_MAX);
	}
	/* What is left fits into a turn, out of whichever rings. */
	n = cv_dp_worker_poll(last, cv_view_pub_current(w->pub), w->now_ms);
	assert_in_range(n, CV_DP_BURST_MAX, 8 * CV_DP_BURST_MAX - 1);
	assert_int_equal(cv_dp_worker_poll(last, cv_view_pub_current(w->pub), w->now_ms), 0);
	world_destroy(w);
}

/* The more workers, the less each may leave with one that does not run: the rest of the buffers is needed. */
static void rings_to_a_worker_hold_no_more_the_more_workers(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 4, .n_mbufs = 8191});

	(void)state;
	fill_handoff_rings(w, 12000);
	assert_int_equal(world_events(w, CV_EV_HANDOFF_OUT), 3 * 2047);
	assert_true(world_drops(w, CV_DROP_HANDOFF_FULL) > 500);
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

static void address_that_moved_to_another_endpoint_takes_its_flows(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk stays = talk(w, 40000, L_PLAIN), moves = talk(w, 40001, L_PLAIN);

	(void)state;
	moves.eni = ENI_A2;
	open_plain(&stays);
	open_plain(&moves);
	w->locals[LOCAL_A2].endpoint = EP_GUARDED;
	world_publish(w);
	world_wait(w, 100);
	assert_int_equal(world_flows(w), 1);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FLUSH), 1);
	c2t(&stays, F_PSH, "on");
	world_destroy(w);
}

static void vpc_that_went_takes_its_flows(void **state)
{
	for (int gone = VPC_B; gone <= VPC_P; gone++) {
		struct world *w = world_create(&(struct world_cfg){0});
		struct talk t = talk(w, 40000, L_FIRST_ACK);

		(void)state;
		t.vpc = VPC_B;
		dial(&t, H);
		c2t(&t, F_ACK, "");
		world_wait(w, 300);
		w->vpcs[gone] = (struct cv_view_vpc){0};
		world_publish(w);
		w->n_out = 0;
		/* Its header's timer is due in the very turn that brings the view: nothing goes astray. */
		w->now_ms += 300;
		world_wait(w, 1);
		assert_int_equal(w->n_out, gone == VPC_P ? 0 : 1);
		world_wait(w, 100);
		assert_int_equal(world_flows(w), 0);
		assert_int_equal(world_events(w, CV_EV_FLOW_END_FLUSH), 1);
		world_destroy(w);
	}
}

/* The walk that checks flows against a view goes on when the next view comes; that has one of its own. */
static void views_may_come_faster_than_the_recheck(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct cv_dp_worker *worker = cv_dp_worker_get(w->dp, 0);

	(void)state;
	for (uint16_t i = 0; i < 200; i++) {
		struct talk t = talk(w, (uint16_t)(30000 + i), L_PLAIN);

		t.vpc = i < 100 ? VPC_A : VPC_B;
		c2t(&t, F_SYN, "");
	}
	world_wait(w, 10);
	w->endpoints[EP_B].verdict = CV_DROP_ENDPOINT_REJECTED;
	world_publish(w);
	cv_dp_worker_poll(worker, cv_view_pub_current(w->pub), w->now_ms);
	assert_int_equal(cv_ctr_get(&cv_dp_stats(w->dp)[0]->swept_gen), 1);
	w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_REJECTED;
	world_publish(w);
	/* 16 flows end in a turn: packets must not wait for more. The first 64 passed by under view 2. */
	for (int i = 0; i < (200 - 64) / 16 + 1; i++) {
		assert_int_equal(cv_ctr_get(&cv_dp_stats(w->dp)[0]->swept_gen), 1);
		cv_dp_worker_poll(worker, cv_view_pub_current(w->pub), w->now_ms);
	}
	for (int i = 0; i < 64 / 16 + 3; i++) {
		assert_int_equal(cv_ctr_get(&cv_dp_stats(w->dp)[0]->swept_gen), 2);
		cv_dp_worker_poll(worker, cv_view_pub_current(w->pub), w->now_ms);
	}
	assert_int_equal(cv_ctr_get(&cv_dp_stats(w->dp)[0]->swept_gen), 3);
	assert_int_equal(cv_ctr_get(&cv_dp_stats(w->dp)[0]->view_gen), 3);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FLUSH), 200);
	world_destroy(w);
}

/* Under changes without pause a rejected endpoint's flows end all the same, and control learns of it. */
static void recheck_ends_though_views_never_stop_coming(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_ports = 2000, .n_flows = 2048});
	struct cv_dp_worker *worker = cv_dp_worker_get(w->dp, 0);
	uint64_t swept = 0, rejected = 0;

	(void)state;
	for (uint16_t i = 0; i < 1000; i++) {
		struct talk t = talk(w, (uint16_t)(30000 + i), L_PLAIN);

		c2t(&t, F_SYN, "");
	}
	for (int i = 0; i < 1000 / 16 + 64; i++) {
		uint64_t now = cv_ctr_get(&cv_dp_stats(w->dp)[0]->swept);

		assert_true(now >= swept);
		swept = now;
		w->sweep++;
		if (i == 20) {
			w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_REJECTED;
			rejected = w->sweep;
		}
		world_publish(w);
		cv_dp_worker_poll(worker, cv_view_pub_current(w->pub), w->now_ms);
		cv_view_pub_reap(w->pub);
		/* What control is told holds: none of them is left. */
		if (rejected != 0 && cv_ctr_get(&cv_dp_stats(w->dp)[0]->swept) >= rejected)
			assert_int_equal(world_flows(w), 0);
	}
	assert_int_equal(world_flows(w), 0);
	assert_true(swept > rejected);
	world_destroy(w);
}

/* Control may ask under a view that the worker does not have yet. */
static void arp_for_a_slot_beyond_the_view_is_not_sent(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});

	(void)state;
	assert_int_equal(cv_dp_arp_request(w->dp, 65000, NODE_0, TARGET_0), 0);
	world_wait(w, 1);
	assert_int_equal(w->n_out, 0);
	world_destroy(w);
}

/* ---- timers ---- */

/* A timer outlives its flow; another flow of the same entry and port is not its business. */
static void timer_is_for_its_own_flow_only(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_ports = 1, .rest_ms = 1});
	struct talk t = talk(w, 40000, L_FIRST_ACK);
	struct seg s;

	(void)state;
	w->settings.linger_ms = 1;
	world_publish(w);
	dial(&t, H);
	c2t(&t, F_ACK, "");
	s = client_seg(&t, CV_TCP_RST | F_ACK, "");
	send_by(w, 0, 0, &s);
	t = talk(w, 40001, L_FIRST_ACK);
	world_wait(w, 100);
	assert_int_equal(world_flows(w), 0);
	dial(&t, H);
	s = c2t(&t, F_ACK, "");
	assert_int_equal(s.len, H);
	/* Its own ticks come 250 ms and 500 ms from now; only the second sends. */
	w->n_out = 0;
	world_wait(w, 300);
	assert_int_equal(w->n_out, 0);
	world_wait(w, 300);
	assert_int_equal(w->n_out, 1);
	world_destroy(w);
}

/* Many timers that are due at once wait for packets, but not for ever, if those start as many each turn. */
static void turn_runs_a_timer_more_for_each_packet(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct cv_dp_worker *worker = cv_dp_worker_get(w->dp, 0);
	const struct cv_view *view = cv_view_pub_current(w->pub);

	(void)state;
	for (uint16_t i = 0; i < 300; i++) {
		struct talk t = talk(w, (uint16_t)(30000 + i), L_FIRST_ACK);

		dial(&t, H);
		c2t(&t, F_ACK, "");
	}
	/* The first tick of each sends nothing, the next one its header. */
	world_wait(w, 250);
	w->now_ms += 250;
	cv_dp_worker_poll(worker, view, w->now_ms);
	assert_int_equal(world_events(w, CV_EV_PPV2_RESENT), 64);
	for (uint16_t i = 0; i < 100; i++) {
		struct talk t = talk(w, (uint16_t)(40000 + i), 9999);
		struct seg s = client_seg(&t, F_SYN, "");
		uint8_t frame[WORLD_FRAME_MAX];
		struct rte_mbuf *m = world_mbuf(w, 0, frame, seg_build(&s, frame));

		cv_dp_burst(worker, view, &m, 1, w->now_ms);
	}
	cv_dp_worker_poll(worker, view, w->now_ms);
	assert_int_equal(world_events(w, CV_EV_PPV2_RESENT), 64 + 64 + 100);
	cv_dp_worker_flush(worker);
	world_destroy(w);
}

/* ---- listings ---- */

static void long_listings_come_in_pieces_one_after_the_other(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2});
	const struct cv_dp_flow_filter all = {CV_VIEW_NONE, CV_VIEW_NONE, -1},
				       none_of = {EP_PENDING, CV_VIEW_NONE, -1};
	struct cv_dp_flow_list *first, *second;
	uint64_t matched, sum = 0;
	uint32_t n;

	(void)state;
	for (uint16_t i = 0; i < 400; i++) {
		struct talk t = talk(w, (uint16_t)(30000 + i), L_PLAIN);

		c2t(&t, F_SYN, "");
	}
	assert_int_equal(cv_dp_flow_list_create(w->dp, &all, 1000, &first), 0);
	assert_int_equal(cv_dp_flow_list_create(w->dp, &none_of, 1000, &second), 0);
	for (int i = 0; i < 2; i++)
		for (unsigned int k = 0; k < 2; k++)
			cv_dp_worker_poll(cv_dp_worker_get(w->dp, k), cv_view_pub_current(w->pub),
					  w->now_ms);
	assert_false(cv_dp_flow_list_is_done(first));
	world_wait(w, 100);
	assert_true(cv_dp_flow_list_is_done(first));
	assert_true(cv_dp_flow_list_is_done(second));
	for (unsigned int k = 0; k < 2; k++) {
		const struct cv_dp_flow_info *infos = cv_dp_flow_list_get(first, k, &matched, &n);

		assert_int_equal(matched, n);
		assert_int_equal(n, cv_ctr_get(&cv_dp_stats(w->dp)[k]->flows));
		assert_true(n > 100);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(infos[i].worker, k);
		sum += n;
		cv_dp_flow_list_get(second, k, &matched, &n);
		assert_int_equal(matched, 0);
	}
	assert_int_equal(sum, 400);
	cv_dp_flow_list_destroy(first);
	cv_dp_flow_list_destroy(second);
	world_destroy(w);
}

static void listing_needs_room_in_every_command_ring(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2});
	const struct cv_dp_flow_filter all = {CV_VIEW_NONE, CV_VIEW_NONE, -1};
	struct cv_dp_flow_list *list = NULL;

	(void)state;
	/* ARP is the first worker's business: its ring is full, the other's is not. */
	while (cv_dp_arp_announce(w->dp, VPC_A, ENI_A) == 0)
		;
	assert_int_equal(cv_dp_flow_list_create(w->dp, &all, 10, &list), -EAGAIN);
	assert_null(list);
	world_wait(w, 1000);
	assert_int_equal(cv_dp_flow_list_create(w->dp, &all, 0, &list), 0);
	world_wait(w, 10);
	assert_true(cv_dp_flow_list_is_done(list));
	cv_dp_flow_list_destroy(list);
	world_destroy(w);
}

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

/* ---- cycles by stage ---- */

/* A worker's receive function: one client's frame per turn, for a number of turns. */
struct feed {
	struct world *w;
	unsigned int turns;
	_Atomic bool stop;
};

static uint16_t feed_rx(void *arg, unsigned int worker, unsigned int queue, struct rte_mbuf **pkts)
{
	struct feed *f = arg;
	struct talk t = talk(f->w, 40000, 9999);
	struct seg s = client_seg(&t, F_SYN, "");
	uint8_t frame[WORLD_FRAME_MAX];
	uint16_t len = seg_build(&s, frame);

	(void)worker;
	(void)queue;
	assert_int_equal(cv_dp_worker_tid(f->w->dp, 0), gettid());
	if (f->turns-- == 1)
		f->stop = true;
	pkts[0] = rte_pktmbuf_alloc(f->w->mbufs);
	assert_non_null(pkts[0]);
	memcpy(rte_pktmbuf_append(pkts[0], len), frame, len);
	pkts[0]->port = 0;
	return 1;
}

static void run_turns(struct world *w, unsigned int turns)
{
	struct feed f = {.w = w, .turns = turns};
	struct cv_dp_run run = {
		.worker = cv_dp_worker_get(w->dp, 0),
		.rx = feed_rx,
		.rx_arg = &f,
		.n_queues = 1,
		.stop = &f.stop,
	};

	assert_int_equal(cv_dp_worker_tid(w->dp, 0), 0);
	assert_int_equal(cv_dp_worker_run(&run), 0);
	assert_int_equal(cv_dp_worker_tid(w->dp, 0), 0);
}

static void stages_are_counted_only_when_asked(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	const struct cv_stats *stats = cv_dp_stats(w->dp)[0];
	uint64_t sum = 0;

	(void)state;
	run_turns(w, 5);
	assert_int_equal(cv_ctr_get(&stats->stage_pkts), 0);
	assert_int_equal(cv_dp_stages_set(w->dp, true), 0);
	run_turns(w, 6); /* the first turn takes the request */
	assert_true(cv_ctr_get(&stats->stage_pkts) >= 5);
	for (int i = 0; i < CV_STAGE_N; i++) {
		assert_true(cv_ctr_get(&stats->stage_tsc[i]) > 0);
		sum += cv_ctr_get(&stats->stage_tsc[i]);
	}
	assert_true(sum <= cv_ctr_get(&stats->tsc_total));
	assert_int_equal(cv_dp_stages_set(w->dp, false), 0);
	run_turns(w, 1);
	sum = cv_ctr_get(&stats->stage_pkts);
	run_turns(w, 5);
	assert_int_equal(cv_ctr_get(&stats->stage_pkts), sum);
	assert_int_equal(world_drops(w, CV_DROP_NO_LISTENER), 17);
	/* Requests that nobody takes. */
	for (int i = 0; i < 1023; i++)
		assert_int_equal(cv_dp_stages_set(w->dp, false), 0);
	assert_int_equal(cv_dp_stages_set(w->dp, false), -EAGAIN);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_queue_will_do),
		cmocka_unit_test(burst_of_many_owners_is_sorted),
		cmocka_unit_test(exhaustion_is_exact_over_workers),
		cmocka_unit_test(full_queues_drop_and_count),
		cmocka_unit_test(full_handoff_ring_drops_and_counts),
		cmocka_unit_test(turn_takes_many_handed_packets_not_all),
		cmocka_unit_test(turn_takes_of_all_rings_no_more_than_of_one),
		cmocka_unit_test(rings_to_a_worker_hold_no_more_the_more_workers),
		cmocka_unit_test(rejecting_an_endpoint_ends_its_flows_only),
		cmocka_unit_test(flows_outlive_their_listener_and_target),
		cmocka_unit_test(eni_that_went_takes_its_flows),
		cmocka_unit_test(address_that_moved_to_another_endpoint_takes_its_flows),
		cmocka_unit_test(vpc_that_went_takes_its_flows),
		cmocka_unit_test(views_may_come_faster_than_the_recheck),
		cmocka_unit_test(recheck_ends_though_views_never_stop_coming),
		cmocka_unit_test(arp_for_a_slot_beyond_the_view_is_not_sent),
		cmocka_unit_test(timer_is_for_its_own_flow_only),
		cmocka_unit_test(turn_runs_a_timer_more_for_each_packet),
		cmocka_unit_test(stages_are_counted_only_when_asked),
		cmocka_unit_test(long_listings_come_in_pieces_one_after_the_other),
		cmocka_unit_test(listing_needs_room_in_every_command_ring),
		cmocka_unit_test(flows_are_listed_by_filter),
		cmocka_unit_test(bad_numbers_are_refused),
	};

	return cmocka_run_group_tests_name("dp_workers", tests, NULL, NULL);
}
