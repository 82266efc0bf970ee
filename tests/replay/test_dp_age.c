/* SPDX-License-Identifier: BSD-3-Clause */

/* Flows that are over leave the table beside the packets, however many come and go. */

#include "talk.h"

/* Queues of each worker; a connection is a SYN and a RST, the fewest packets that there can be. */
#define QUEUES 4
/* Turns after its SYN, which may take one through another worker's ring, that a client resets. */
#define RESET_AFTER 2
#define WALK_MS 1000

/* Clients that open and close connections as fast as they can. */
struct rush {
	struct world *w;
	uint32_t n;  /* SYNs and RSTs of each turn */
	uint32_t at; /* packets of the turn under way */
	uint32_t turn;
	uint32_t seed;
	bool stay; /* no RSTs */
};

/* The next packet of a turn: SYNs of new connections, between them RSTs of some turns ago. */
static struct rte_mbuf *rush_next(struct rush *r)
{
	const bool is_reset = r->at % 2 != 0;
	uint32_t i = r->turn * r->n + r->at++ / 2;
	struct talk t = talk(r->w, 0, L_PLAIN);
	uint8_t frame[WORLD_FRAME_MAX];
	struct seg s;

	if (is_reset) {
		if (r->stay || r->turn < RESET_AFTER)
			return NULL;
		i -= RESET_AFTER * r->n;
		t.cseq++;
	}
	t.client = cv_be32(0x0a020000 + i / 50000);
	t.cport = (uint16_t)(1024 + i % 50000);
	s = client_seg(&t, is_reset ? CV_TCP_RST : F_SYN, "");
	return world_mbuf(r->w, 0, frame, seg_build(&s, frame));
}

/* One turn of every worker as its loop makes it. Which worker a packet comes to, chance says. */
static void rush_turn(struct rush *r)
{
	const struct cv_view *view = cv_view_pub_current(r->w->pub);
	struct rte_mbuf *pkts[WORLD_WORKERS_MAX][QUEUES * CV_DP_BURST_MAX];
	uint16_t n[WORLD_WORKERS_MAX] = {0};

	r->w->n_out = 0;
	r->at = 0;
	while (r->at < 2 * r->n) {
		struct rte_mbuf *m = rush_next(r);
		unsigned int to;

		r->seed = r->seed * 1664525 + 1013904223;
		to = (r->seed >> 16) % r->w->n_workers;
		if (n[to] == QUEUES * CV_DP_BURST_MAX)
			to = (to + 1) % r->w->n_workers;
		if (m != NULL)
			pkts[to][n[to]++] = m;
	}
	for (unsigned int i = 0; i < r->w->n_workers; i++) {
		struct cv_dp_worker *w = cv_dp_worker_get(r->w->dp, i);

		for (uint16_t k = 0; k < n[i]; k += CV_DP_BURST_MAX)
			cv_dp_burst(w, view, &pkts[i][k], RTE_MIN(n[i] - k, CV_DP_BURST_MAX),
				    r->w->now_ms);
		cv_dp_worker_poll(w, view, r->w->now_ms);
		cv_dp_worker_flush(w);
	}
	r->turn++;
}

/* Most flows that there ever were. */
static uint64_t rush_run(struct rush *r, uint32_t turns, uint64_t turn_ms)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < turns; i++) {
		r->w->now_ms += turn_ms;
		rush_turn(r);
		most = RTE_MAX(most, world_flows(r->w));
	}
	return most;
}

/*
 * Connections that come and go at the highest rate that queues can bring, many of them to the wrong worker:
 * as many end as are opened, so the table holds what comes in one walk over it, and no more.
 */
static void table_holds_what_comes_in_one_walk(void **state)
{
	static const unsigned int workers[] = {1, 2};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(workers); i++) {
		const uint64_t turn_ms = 10;
		struct world *w = world_create(&(struct world_cfg){
			.n_workers = workers[i], .n_flows = 65536, .n_ports = 50000, .rest_ms = 1});
		struct rush r = {.w = w, .n = QUEUES * CV_DP_BURST_MAX * workers[i] / 2};
		uint64_t first, later, in_a_walk = r.n * (WALK_MS / turn_ms);

		w->settings.linger_ms = 1;
		world_publish(w);
		first = rush_run(&r, 200, turn_ms);
		later = rush_run(&r, 200, turn_ms);
		assert_in_range(later, in_a_walk / 2, in_a_walk * 5 / 4);
		assert_true(first <= in_a_walk * 5 / 4);
		assert_int_equal(world_drops(w, CV_DROP_FLOW_TABLE_FULL), 0);
		assert_int_equal(world_drops(w, CV_DROP_PORT_ALLOCATION), 0);
		/* All came through, some by a ring in the next turn; the last few were not reset. */
		world_wait(w, 10 * WALK_MS);
		assert_int_equal(world_events(w, CV_EV_FLOW_NEW), r.turn * r.n);
		assert_int_equal(world_flows(w), RESET_AFTER * r.n);
		world_destroy(w);
	}
}

/* What would fill the table before the walk has been over it in its usual time finds it walked faster. */
static void nearly_full_table_is_walked_faster(void **state)
{
	struct world *w =
		world_create(&(struct world_cfg){.n_flows = 4096, .n_ports = 10000, .rest_ms = 1});
	struct rush r = {.w = w, .n = 60};
	uint64_t most;

	(void)state;
	w->settings.linger_ms = 1;
	world_publish(w);
	assert_true(r.n * WALK_MS > 10 * 4096);
	most = rush_run(&r, 500, 1);
	assert_in_range(most, 4096 * 3 / 4, 4095);
	assert_int_equal(world_events(w, CV_EV_FLOW_NEW), 500 * r.n);
	assert_int_equal(world_drops(w, CV_DROP_FLOW_TABLE_FULL), 0);
	world_destroy(w);
}

/* n SYNs of new clients to a worker. @param port  of the listener, or one that has none */
static void syns(struct world *w, unsigned int worker, uint32_t first, uint16_t n, uint16_t port)
{
	const struct cv_view *view = cv_view_pub_current(w->pub);

	for (uint16_t i = 0; i < n; i++) {
		struct talk t = talk(w, (uint16_t)(10000 + first + i), port);
		struct seg s = client_seg(&t, F_SYN, "");
		uint8_t frame[WORLD_FRAME_MAX];
		struct rte_mbuf *m = world_mbuf(w, 0, frame, seg_build(&s, frame));

		cv_dp_burst(cv_dp_worker_get(w->dp, worker), view, &m, 1, w->now_ms);
	}
	cv_dp_worker_flush(cv_dp_worker_get(w->dp, worker));
}

/* Flows that a worker ends in a turn. */
static uint64_t ends_of_turn(struct world *w, unsigned int worker, enum cv_event event)
{
	uint64_t before = world_events(w, event);

	cv_dp_worker_poll(cv_dp_worker_get(w->dp, worker), cv_view_pub_current(w->pub), w->now_ms);
	return world_events(w, event) - before;
}

/* A full table that nobody wants more of is walked at the usual pace, however many packets its flows have. */
static void full_table_is_not_walked_faster_for_nothing(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_flows = 500});

	(void)state;
	syns(w, 0, 0, 500, L_PLAIN);
	world_wait(w, 30000);
	assert_int_equal(world_flows(w), 500);
	/* All are over, and a millisecond is worth a look. */
	w->now_ms++;
	syns(w, 0, 500, 100, 9999);
	assert_int_equal(ends_of_turn(w, 0, CV_EV_FLOW_END_SYN), 1);
	/* One that was refused is worth 16. */
	syns(w, 0, 500, 2, L_PLAIN);
	assert_int_equal(world_drops(w, CV_DROP_FLOW_TABLE_FULL), 1);
	assert_int_equal(ends_of_turn(w, 0, CV_EV_FLOW_END_SYN), 16 + 2);
	world_destroy(w);
}

/* Flows that end when all are over at once, and n SYNs come in the first turn after. */
static uint64_t ends_of_pause(struct rush *r, uint32_t n)
{
	struct world *w = r->w;
	uint64_t before = world_events(w, CV_EV_FLOW_END_SYN);

	w->now_ms += 31000;
	r->n = n;
	(void)rush_run(r, 1, 0);
	for (int i = 0; i < 6000; i++)
		(void)ends_of_turn(w, 0, CV_EV_FLOW_END_SYN);
	return world_events(w, CV_EV_FLOW_END_SYN) - before;
}

/* A walk that is behind, after a pause or for flows that were wanted, does not make up for all of it. */
static void walk_that_is_behind_leaves_most_of_it(void **state)
{
	const uint32_t n = 340, walk = 65536;
	struct world *w = world_create(&(struct world_cfg){
		.n_flows = 240 * n, .n_ports = 50000, .rest_ms = 1, .cross_zone = true});
	struct rush r = {.w = w, .n = n, .stay = true};

	(void)state;
	assert_int_equal(rush_run(&r, 199, 0), 199 * n);
	assert_int_equal(ends_of_pause(&r, 0), walk);
	/* Each flow that is wanted in a nearly full table is worth more than one look. */
	r.n = n;
	w->now_ms += 2; /* ports have rested */
	assert_in_range(rush_run(&r, 239, 0), 238 * n, 240 * n);
	assert_in_range(ends_of_pause(&r, n), walk - n, walk);
	world_destroy(w);
}

/* Flows that are all over at once wait, not the packets; but as many end as others are opened. */
static void turn_ends_few_flows_beyond_those_it_opens(void **state)
{
	struct world *w = world_create(&(struct world_cfg){0});

	(void)state;
	syns(w, 0, 0, 500, L_PLAIN);
	assert_int_equal(ends_of_turn(w, 0, CV_EV_FLOW_END_SYN), 0);
	w->now_ms += 31000;
	assert_int_equal(ends_of_turn(w, 0, CV_EV_FLOW_END_SYN), 16);
	/* Packets that open none leave it at that. */
	syns(w, 0, 500, 300, 9999);
	assert_int_equal(ends_of_turn(w, 0, CV_EV_FLOW_END_SYN), 16);
	syns(w, 0, 500, 100, L_PLAIN);
	assert_int_equal(ends_of_turn(w, 0, CV_EV_FLOW_END_SYN), 100 + 16);
	assert_int_equal(ends_of_turn(w, 0, CV_EV_FLOW_END_SYN), 16);
	assert_int_equal(world_flows(w), 600 - 4 * 16 - 100);
	world_destroy(w);
}

/* A turn of many packets takes long, and so would a recheck that did not take more of it. */
static void recheck_takes_its_share_of_long_turns(void **state)
{
	struct world *w = world_create(&(struct world_cfg){.n_workers = 2});
	unsigned int n;

	(void)state;
	for (uint16_t i = 0; i < 400; i++) {
		struct talk t = talk(w, (uint16_t)(10000 + i), L_PLAIN);

		c2t(&t, F_SYN, "");
	}
	w->endpoints[EP_A].verdict = CV_DROP_ENDPOINT_REJECTED;
	world_publish(w);
	assert_int_equal(ends_of_turn(w, 1, CV_EV_FLOW_END_FLUSH), 16);
	/* All of what the second worker gets comes by the first one's ring. */
	syns(w, 0, 400, 600, L_PLAIN);
	n = cv_dp_worker_poll(cv_dp_worker_get(w->dp, 1), cv_view_pub_current(w->pub), w->now_ms);
	assert_in_range(n, 2 * 128, 3 * 128 - 1);
	assert_int_equal(world_events(w, CV_EV_FLOW_END_FLUSH), 16 + 2 * 16);
	assert_int_equal(ends_of_turn(w, 1, CV_EV_FLOW_END_FLUSH), 16);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nearly_full_table_is_walked_faster),
		cmocka_unit_test(full_table_is_not_walked_faster_for_nothing),
		cmocka_unit_test(turn_ends_few_flows_beyond_those_it_opens),
		cmocka_unit_test(recheck_takes_its_share_of_long_turns),
		cmocka_unit_test(walk_that_is_behind_leaves_most_of_it),
		cmocka_unit_test(table_holds_what_comes_in_one_walk),
	};

	return cmocka_run_group_tests_name("dp_age", tests, NULL, NULL);
}
