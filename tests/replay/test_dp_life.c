/* SPDX-License-Identifier: BSD-3-Clause */

/* Flows that culvert ends: at the idle timeout, with their target, endpoint, listener or address. */

#include "talk.h"

/* The segment that went out by a port; exactly one did. */
static struct seg sent_by(const struct world *w, uint16_t port)
{
	struct seg found = {0};
	unsigned int n = 0;

	for (unsigned int i = 0; i < w->n_out; i++) {
		if (w->out[i].port != port)
			continue;
		found = seg_parse(&w->out[i]);
		n++;
	}
	assert_int_equal(n, 1);
	return found;
}

/* Both ends were asked; each answers with its numbers and must be reset by exactly these. */
static void want_both_reset(struct talk *t, uint32_t hidden)
{
	struct world *w = t->w;
	struct seg c = sent_by(w, port_of(t)), s = sent_by(w, 1), out;

	assert_int_equal(w->n_out, 2);
	assert_int_equal(c.flags, F_ACK);
	assert_int_equal(c.src, t->eni);
	assert_int_equal(c.dst, t->client);
	assert_int_equal(c.sport, t->dport);
	assert_int_equal(c.dport, t->cport);
	assert_int_equal(c.len, 0);
	/* Below what the end expects: it must answer. */
	assert_int_equal(c.seq, TISN);
	assert_memory_equal(c.dst_mac, CLIENT_MAC, 6);
	assert_int_equal(s.flags, F_ACK);
	assert_int_equal(s.src, t->node);
	assert_int_equal(s.sport, t->nport);
	assert_int_equal(s.seq, ISN - hidden);
	assert_memory_equal(s.dst_mac, TARGET_MAC, 6);
	c = client_seg(t, F_ACK, "");
	c.ack = 0x12345678;
	out = one(w, port_of(t), &c);
	assert_int_equal(out.port, port_of(t));
	assert_int_equal(out.flags, CV_TCP_RST);
	assert_int_equal(out.seq, 0x12345678);
	s = target_seg(t, 0x87654321, F_ACK, "");
	out = one(w, 1, &s);
	assert_int_equal(out.port, 1);
	assert_int_equal(out.flags, CV_TCP_RST);
	assert_int_equal(out.seq, 0x87654321);
	assert_int_equal(world_events(w, CV_EV_ELB_RST), 2);
	/* Their own resets need no answer. */
	c.flags = CV_TCP_RST;
	none(w, port_of(t), &c, CV_DROP_STRAY_RST);
	s.flags = CV_TCP_RST;
	none(w, 1, &s, CV_DROP_STRAY_RST);
	w->n_out = 0;
	world_wait(w, 4000);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_flows(w), 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_RST), 0);
}

static void idle_flow_is_reset_when_told_so(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);

	(void)state;
	w->settings.end_idle = CV_VIEW_END_RESET;
	world_publish(w);
	open_plain(&t);
	w->n_out = 0;
	world_wait(w, 349000);
	assert_int_equal(w->n_out, 0);
	world_wait(w, 1500);
	want_both_reset(&t, 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_IDLE), 1);
	world_destroy(w);
}

/* The packet that finds the flow idle is answered, and the other end learns of it, too. */
static void packet_after_idle_resets_both_when_told_so(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	w->settings.end_idle = CV_VIEW_END_RESET;
	world_publish(w);
	open_plain(&t);
	w->now_ms += 350001;
	s = client_seg(&t, F_PSH, "late");
	send_by(w, 0, 0, &s);
	assert_int_equal(w->n_out, 3);
	assert_int_equal(sent_by(w, 1).flags, F_ACK);
	assert_int_equal(seg_parse(&w->out[0]).flags | seg_parse(&w->out[1]).flags |
				 seg_parse(&w->out[2]).flags,
			 F_ACK | CV_TCP_RST);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_IDLE), 1);
	world_destroy(w);
}

static void targets_flows_end_silently_then_reset(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_ports = 1});
	struct talk t = talk(w, 40000, L_PLAIN), other = talk(w, 40001, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	other.eni = ENI_A2;
	open_plain(&other);
	assert_int_equal(other.node, NODE_1);
	w->targets[0].end = true;
	world_publish(w);
	w->n_out = 0;
	world_wait(w, 100);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_flows(w), 1);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_TARGET), 1);
	s = client_seg(&t, F_PSH, "gone?");
	s = one(w, 0, &s);
	assert_int_equal(s.flags, CV_TCP_RST);
	assert_int_equal(s.seq, TISN + 1);
	s = target_seg(&t, ISN + 1, F_PSH, "yes");
	s = one(w, 1, &s);
	assert_int_equal(s.flags, CV_TCP_RST);
	assert_int_equal(s.seq, ISN + 1);
	c2t(&other, F_PSH, "still here");
	/* Its port rests as any other. */
	w->targets[0].end = false;
	world_publish(w);
	t = talk(w, 40002, L_PLAIN);
	s = client_seg(&t, F_SYN, "");
	world_wait(w, 59000);
	none(w, 0, &s, CV_DROP_PORT_ALLOCATION);
	world_wait(w, 1100);
	one(w, 0, &s);
	world_destroy(w);
}

/* The group of target 0 gets weight 0 at one listener. */
static void weight_0_set(struct world *w)
{
	w->targets[0].group = 1;
	w->forwards[1].group = 1;
	w->listeners[1].n_closed = 1;
	w->listeners[1].closed_first = 1;
	world_publish(w);
	w->n_out = 0;
	world_wait(w, 100);
}

/* A group of weight 0 loses the flows that it has by that listener; others have theirs. */
static void flows_of_weight_0_end(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN), proxy = talk(w, 40001, L_PROXY),
		    other = talk(w, 40002, L_PLAIN);

	(void)state;
	open_plain(&t);
	open_proxy(&proxy);
	other.eni = ENI_A2;
	open_plain(&other);
	weight_0_set(w);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_flows(w), 2);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FLUSH), 1);
	c2t(&proxy, F_PSH, "by another listener");
	c2t(&other, F_PSH, "of another group");
	world_destroy(w);

	w = world_create(&(struct world_cfg){0});
	t = talk(w, 40000, L_PLAIN);
	open_plain(&t);
	w->settings.end_target = CV_VIEW_END_RESET;
	weight_0_set(w);
	want_both_reset(&t, 0);
	world_destroy(w);
}

/* What is looked at again is what the view says, by its sweep alone: the generation need not change. */
static void sweep_alone_makes_workers_look_again(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2});
	struct talk t = talk(w, 40000, L_PLAIN);

	(void)state;
	open_plain(&t);
	w->targets[0].end = true;
	w->gen--;
	world_publish(w);
	world_wait(w, 100);
	assert_int_equal(world_flows(w), 1);
	w->gen--;
	w->sweep = 7;
	world_publish(w);
	world_wait(w, 100);
	assert_int_equal(world_flows(w), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(cv_ctr_get(&cv_dp_stats(w->dp)[i]->swept), 7);
	world_destroy(w);
}

static void targets_flows_are_reset_when_told_so(void **state)
{
	for (int proxy = 0; proxy < 2; proxy++) {
		struct world *w = world_create(&(struct world_cfg){.n_workers = 2});
		struct talk t = talk(w, 40000, proxy != 0 ? L_PROXY : L_PLAIN);

		(void)state;
		if (proxy != 0)
			open_proxy(&t);
		else
			open_plain(&t);
		w->settings.end_target = CV_VIEW_END_RESET;
		w->targets[0].end = true;
		world_publish(w);
		w->n_out = 0;
		world_wait(w, 100);
		want_both_reset(&t, proxy != 0 ? H : 0);
		assert_int_equal(world_events(w, CV_EV_FLOW_END_TARGET), 1);
		world_destroy(w);
	}
}

/* Both ends' numbers are known: nobody need be asked. */
static void unfinished_handshakes_are_reset_outright(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.half_open_max = 1});
	struct talk t = talk(w, 40000, L_PROXY);
	struct seg s;

	(void)state;
	c2t(&t, F_SYN, "");
	w->settings.end_target = CV_VIEW_END_RESET;
	w->targets[0].end = true;
	world_publish(w);
	w->n_out = 0;
	world_wait(w, 100);
	s = sent_by(w, 0);
	assert_int_equal(s.flags, CV_TCP_RST | CV_TCP_ACK);
	assert_int_equal(s.ack, ISN + 1);
	s = sent_by(w, 1);
	assert_int_equal(s.flags, CV_TCP_RST);
	assert_int_equal(s.seq, ISN + 1 - H);
	/* It is half open no more. */
	w->targets[0].end = false;
	world_publish(w);
	t = talk(w, 40001, L_PROXY);
	s = client_seg(&t, F_SYN, "");
	one(w, 0, &s);
	world_destroy(w);
}

static void client_comes_back_at_once(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);

	(void)state;
	open_plain(&t);
	w->settings.end_target = CV_VIEW_END_RESET;
	w->targets[0].end = true;
	world_publish(w);
	world_wait(w, 100);
	w->targets[0].end = false;
	world_publish(w);
	t = talk(w, 40000, L_PLAIN);
	t.cseq = ISN + 70000;
	assert_int_equal(c2t(&t, F_SYN, "").flags, F_SYN);
	assert_int_equal(world_flows(w), 1);
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 2);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_TARGET), 1);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_RST), 0);
	world_destroy(w);
}

static void rejected_endpoint_resets_when_told_so(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = talk(w, 40000, L_PLAIN);
	struct seg s;

	(void)state;
	open_plain(&t);
	w->settings.end_endpoint = CV_VIEW_END_RESET;
	w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_REJECTED;
	world_publish(w);
	w->n_out = 0;
	world_wait(w, 100);
	want_both_reset(&t, 0);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FLUSH), 1);
	s = client_seg(&t, F_PSH, "x");
	none(w, 0, &s, CV_DROP_ENDPOINT_REJECTED);
	/* Accepted again, it serves. */
	w->endpoints[EP_A].verdict = CV_DROP_NONE;
	world_publish(w);
	t = talk(w, 40001, L_PLAIN);
	open_plain(&t);
	world_destroy(w);
}

static void node_that_went_takes_its_flows(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk goes = talk(w, 40000, L_PLAIN), stays = talk(w, 40001, L_PLAIN);

	(void)state;
	open_plain(&goes);
	stays.eni = ENI_A2;
	open_plain(&stays);
	/* Its address is not ours any more; the endpoint stands. */
	w->locals[LOCAL_NODE_0].ip = IP4(10, 0, 0, 11);
	w->locals[LOCAL_A].node = CV_VIEW_NONE;
	world_publish(w);
	world_wait(w, 100);
	assert_int_equal(world_flows(w), 1);
	c2t(&stays, F_PSH, "on");
	world_destroy(w);
}

static void listeners_flows_go_on_unless_told_otherwise(void **state)
{
	for (uint8_t how = CV_VIEW_END_KEEP; how <= CV_VIEW_END_RESET; how++) {
		struct world *w = world_create(&(struct world_cfg){0});
		struct talk t = talk(w, 40000, L_PLAIN);

		(void)state;
		open_plain(&t);
		w->settings.end_listener = how;
		w->listeners[1].used = false;
		world_publish(w);
		w->n_out = 0;
		world_wait(w, 100);
		if (how == CV_VIEW_END_RESET)
			want_both_reset(&t, 0);
		assert_int_equal(w->n_out, 0);
		assert_int_equal(world_flows(w), how == CV_VIEW_END_KEEP);
		if (how == CV_VIEW_END_KEEP)
			c2t(&t, F_PSH, "on");
		world_destroy(w);
	}
}

/* A route that leads by another router now leads the packets of open connections there, too. */
static void flows_take_their_targets_new_way(void **state)
{
	static const uint8_t router[6] = {2, 0xee, 0, 0, 0, 9};
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk a = talk(w, 40000, L_PLAIN), b = talk(w, 40001, L_PLAIN);
	uint64_t word = CV_NEIGH_KNOWN;

	(void)state;
	open_plain(&a);
	open_plain(&b);
	memcpy(&word, router, 6);
	w->neigh[2] = word | CV_NEIGH_KNOWN;
	w->targets[0].neigh = 2;
	world_publish(w);
	world_wait(w, 100);
	assert_memory_equal(c2t(&a, F_PSH, "on").dst_mac, router, 6);
	/* Not that of a target which has come into the place of the flow's. */
	w->targets[0].ip = IP4(10, 0, 0, 99);
	w->targets[0].neigh = 0;
	w->targets[1].ip = TARGET_0;
	world_publish(w);
	world_wait(w, 100);
	assert_memory_equal(c2t(&b, F_PSH, "on").dst_mac, router, 6);
	world_destroy(w);
}

/* A thousand flows idle out at one moment: turns in between stay short. */
static void many_ends_are_spread_over_turns(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_flows = 2048});
	struct cv_dp_worker *worker = cv_dp_worker_get(w->dp, 0);
	uint64_t before = 0;

	(void)state;
	for (uint16_t i = 0; i < 1000; i++) {
		struct talk t = talk(w, (uint16_t)(30000 + i), L_PLAIN);

		open_plain(&t);
	}
	w->now_ms += 351000;
	for (int i = 0; i < 200; i++) {
		uint64_t ended;

		w->now_ms += 10;
		cv_dp_worker_poll(worker, cv_view_pub_current(w->pub), w->now_ms);
		ended = world_events(w, CV_EV_FLOW_END_IDLE);
		assert_true(ended - before <= 16);
		before = ended;
	}
	assert_int_equal(before, 1000);
	assert_int_equal(world_flows(w), 0);
	world_destroy(w);
}

/* No buffer for the question: the end is told by its next packet. */
static void kill_without_buffers_is_made_up_for(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_mbufs = 63});
	struct rte_mbuf *taken[64];
	struct talk t = talk(w, 40000, L_PLAIN);
	unsigned int n = 0;
	struct seg s;

	(void)state;
	open_plain(&t);
	while (n < 64 && (taken[n] = rte_pktmbuf_alloc(w->mbufs)) != NULL)
		n++;
	w->settings.end_target = CV_VIEW_END_RESET;
	w->targets[0].end = true;
	world_publish(w);
	w->n_out = 0;
	world_wait(w, 100);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_drops(w, CV_DROP_NO_MBUF), 2);
	rte_pktmbuf_free_bulk(taken, n);
	s = client_seg(&t, F_ACK, "");
	assert_int_equal(one(w, 0, &s).flags, CV_TCP_RST);
	world_destroy(w);
}

static void marks_are_of_what_flows_hold(void **state)
{
	const uint32_t n[CV_DP_MARK_N] = {N_VPCS, N_LOCALS + 1, 4, 2, 2};
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2});
	struct cv_dp_marks *marks;

	(void)state;
	for (uint16_t i = 0; i < 300; i++) {
		struct talk t = talk(w, (uint16_t)(30000 + i), L_PLAIN);

		/* The last of many is of another kind. */
		if (i == 299) {
			t.vpc = VPC_B;
			t.dport = L_FIRST_ACK;
		}
		c2t(&t, F_SYN, "");
	}
	assert_int_equal(cv_dp_marks_create(w->dp, n, &marks), 0);
	assert_false(cv_dp_marks_is_done(marks));
	world_wait(w, 20);
	assert_true(cv_dp_marks_is_done(marks));
	for (int vpc = 0; vpc < VPC_U0; vpc++)
		assert_true(cv_dp_marks_has(marks, CV_DP_MARK_VPC, (uint32_t)vpc));
	for (uint32_t i = 0; i < N_LOCALS; i++)
		assert_int_equal(cv_dp_marks_has(marks, CV_DP_MARK_PATH, i + 1),
				 i == LOCAL_A || i == LOCAL_B);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(cv_dp_marks_has(marks, CV_DP_MARK_LISTENER, i), i == 1 || i == 2);
	assert_true(cv_dp_marks_has(marks, CV_DP_MARK_TARGET, 0));
	assert_false(cv_dp_marks_has(marks, CV_DP_MARK_TARGET, 1));
	assert_true(cv_dp_marks_has(marks, CV_DP_MARK_NEIGH, 0));
	assert_false(cv_dp_marks_has(marks, CV_DP_MARK_NEIGH, 1));
	cv_dp_marks_destroy(marks);
	cv_dp_marks_destroy(NULL);
	world_destroy(w);
}

/* A flow whose handshake is over when its endpoint goes, before any recheck has come. */
static struct talk endpoint_gone(struct world *w, uint16_t dport, uint8_t end)
{
	struct talk t = talk(w, 40000, dport);

	dial(&t, H);
	c2t(&t, F_ACK, "");
	/* The timer has had three of its ticks: at the next the header would go again. */
	world_wait(w, 1000);
	w->settings.end_endpoint = end;
	w->endpoints[EP_A] = (struct cv_view_endpoint){0};
	world_publish(w);
	return t;
}

/* With the endpoint went what its header would say. */
static void no_header_goes_out_for_an_endpoint_that_went(void **state)
{
	static const char *const data[] = {"hello", ""};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct world *w = world_create(&(struct world_cfg){0});
		struct talk t =
			endpoint_gone(w, L_PROXY, i < 2 ? CV_VIEW_END_SILENT : CV_VIEW_END_RESET);
		struct seg s = client_seg(&t, i % 2 == 0 ? F_PSH : F_FIN, data[i % 2]);

		if (i < 2) {
			none(w, 0, &s, CV_DROP_NO_ADDRESS);
			assert_int_equal(world_flows(w), 0);
		} else {
			/* Both are asked first, the client is told at once. */
			send_by(w, 0, 0, &s);
			assert_int_equal(w->n_out, 3);
			for (unsigned int k = 0; k < 3; k++)
				assert_int_equal(seg_parse(&w->out[k]).len, 0);
			assert_int_equal(seg_parse(&w->out[1]).flags, CV_TCP_RST);
		}
		assert_int_equal(world_events(w, CV_EV_PPV2_SENT), 0);
		assert_int_equal(world_events(w, CV_EV_FLOW_END_FLUSH), 1);
		world_destroy(w);
	}
}

static void no_timer_brings_the_header_of_an_endpoint_that_went(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});
	struct talk t = endpoint_gone(w, L_FIRST_ACK, CV_VIEW_END_SILENT);

	(void)state;
	assert_int_equal(world_events(w, CV_EV_PPV2_SENT), 1);
	assert_int_equal(world_events(w, CV_EV_PPV2_RESENT), 1);
	w->n_out = 0;
	/* Due before the recheck comes to the flow, in one turn. */
	w->now_ms += 5000;
	world_wait(w, 1);
	assert_int_equal(w->n_out, 0);
	assert_int_equal(world_events(w, CV_EV_PPV2_RESENT), 1);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FLUSH), 1);
	(void)t;
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_flow_is_reset_when_told_so),
		cmocka_unit_test(packet_after_idle_resets_both_when_told_so),
		cmocka_unit_test(targets_flows_end_silently_then_reset),
		cmocka_unit_test(flows_of_weight_0_end),
		cmocka_unit_test(sweep_alone_makes_workers_look_again),
		cmocka_unit_test(targets_flows_are_reset_when_told_so),
		cmocka_unit_test(unfinished_handshakes_are_reset_outright),
		cmocka_unit_test(client_comes_back_at_once),
		cmocka_unit_test(rejected_endpoint_resets_when_told_so),
		cmocka_unit_test(node_that_went_takes_its_flows),
		cmocka_unit_test(listeners_flows_go_on_unless_told_otherwise),
		cmocka_unit_test(flows_take_their_targets_new_way),
		cmocka_unit_test(many_ends_are_spread_over_turns),
		cmocka_unit_test(kill_without_buffers_is_made_up_for),
		cmocka_unit_test(no_header_goes_out_for_an_endpoint_that_went),
		cmocka_unit_test(no_timer_brings_the_header_of_an_endpoint_that_went),
		cmocka_unit_test(marks_are_of_what_flows_hold),
	};

	return cmocka_run_group_tests_name("dp_life", tests, NULL, NULL);
}
