/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The header splice between two small TCP ends (tcp_model.h) over a channel that loses, doubles
 * and delays segments on every leg: each pattern over the first segments, then many random runs.
 *
 * After each run: the target's stream is header + client's bytes, the client's is the target's
 * bytes, nobody acknowledged what was not sent, both saw the other's close, and it ended in
 * bounded time.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cv_base.h"
#include "tcp_world.h"

static void report(const struct world *w, const char *why)
{
	const struct setup *s = &w->setup;

	print_error("%s at tick %d (%s)\n", why, w->now, cv_tcp_state_str(w->t.state));
	print_error("hdr %u first_ack %d waits %d talk %u closing %u client %u target %u mss %u "
		    "isn %u ts %d sack %d cuts %d keepalive %u wnd %u/%u abort %d/%d loss %u "
		    "seed %u no_timer %d\n",
		    s->hdr_len, s->first_ack, s->client_waits, s->talk, s->closing, s->client_len,
		    s->target_len, s->mss, s->isn, s->use_ts, s->use_sack, s->random_cuts,
		    s->keepalive, s->target_wnd, s->target_wnd_ticks, s->client_abort_at,
		    s->target_abort_at, s->loss, s->seed, s->no_timer);
	for (int leg = 0; leg < N_LEGS; leg++) {
		print_error("leg %d:", leg);
		for (int i = 0; i < FATES_MAX; i++)
			print_error(" %u", w->fates[leg][i]);
		print_error("\n");
	}
}

static void must_pass(struct world *w, const struct setup *s)
{
	const char *why = run(w, s);

	if (why != NULL) {
		report(w, why);
		fail_msg("%s", why);
	}
}

/* --- which runs --- */

#define SMALL_HDR 12
#define SMALL_MSS 32

static const struct setup small = {
	.hdr_len = SMALL_HDR,
	.mss = SMALL_MSS,
	.talk = TALK_AFTER_BODY,
	.closing = CLOSE_CLIENT_FIRST,
	.client_len = 5,
	.target_len = 7,
	.isn = 1000,
	.target_isn = 5000000,
};

/* Conversations that differ in what the splice has to do. Small numbers keep the runs short. */
static const struct setup conversations[] = {
	/* client first */
	{.client_len = 0, .target_len = 5, .talk = TALK_AFTER_BODY, .closing = CLOSE_CLIENT_FIRST},
	{.client_len = 1, .target_len = 0, .talk = TALK_AFTER_BODY, .closing = CLOSE_CLIENT_FIRST},
	{.client_len = 1, .target_len = 5, .talk = TALK_AFTER_FIN, .closing = CLOSE_CLIENT_FIRST},
	{.client_len = SMALL_MSS - SMALL_HDR, .target_len = 40, .closing = CLOSE_BOTH},
	{.client_len = SMALL_MSS,
	 .target_len = 1,
	 .talk = TALK_AFTER_HDR,
	 .closing = CLOSE_WHEN_DONE},
	{.client_len = 3 * SMALL_MSS,
	 .target_len = 70,
	 .talk = TALK_AFTER_BODY,
	 .closing = CLOSE_TARGET_FIRST},
	/* the target speaks at once, the client does not wait */
	{.client_len = 40, .target_len = 40, .talk = TALK_AT_ONCE, .closing = CLOSE_BOTH},
	{.client_len = 0, .target_len = 0, .talk = TALK_AT_ONCE, .closing = CLOSE_TARGET_FIRST},
	/* the target speaks first */
	{.client_len = 9,
	 .target_len = 80,
	 .talk = TALK_AT_ONCE,
	 .closing = CLOSE_CLIENT_FIRST,
	 .client_waits = true},
	{.client_len = 0,
	 .target_len = 9,
	 .talk = TALK_AT_ONCE,
	 .closing = CLOSE_TARGET_FIRST,
	 .client_waits = true},
	{.client_len = 40,
	 .target_len = 9,
	 .talk = TALK_AFTER_HDR,
	 .closing = CLOSE_WHEN_DONE,
	 .client_waits = true},
};

/* Sequence numbers around everything that could matter, wrap included. */
static const uint32_t isns[] = {
	0,
	UINT32_MAX,
	UINT32_MAX - 1,
	1,
	SMALL_HDR,
	SMALL_HDR - 1,
	SMALL_HDR - 2,
	SMALL_HDR / 2,
	UINT32_MAX - SMALL_HDR,
	UINT32_MAX - 3,
	0x7fffffff,
	0x80000000,
	UINT32_MAX - 40,
	1000,
};

/* Fills in what conversation i leaves open, varying by n what need not be tried with all else. */
static bool setup_make(size_t i, bool first_ack, uint32_t n, struct setup *ret_setup)
{
	struct setup s = conversations[i];

	s.hdr_len = SMALL_HDR;
	s.mss = SMALL_MSS;
	s.first_ack = first_ack;
	s.isn = isns[n % CV_ARRAY_LEN(isns)];
	s.target_isn = isns[n / 3 % CV_ARRAY_LEN(isns)];
	s.use_ts = n % 2 == 0;
	s.use_sack = n % 3 != 0;
	s.random_cuts = n % 5 == 0;
	s.keepalive = (uint8_t)(n % 7 < 3 ? n % 7 : 0);
	s.no_timer = !first_ack && n % 4 == 0;
	s.seed = n + 1;
	*ret_setup = s;
	return !is_deadlock(&s);
}

/* Every pattern of n_fates fates over the first n segments of two legs, in each conversation. */
static void every_pattern(enum leg a, enum leg b, unsigned int n_fates, unsigned int n)
{
	unsigned int n_patterns = 1;
	uint32_t turn = 0;

	for (unsigned int i = 0; i < 2 * n; i++)
		n_patterns *= n_fates;
	for (unsigned int p = 0; p < n_patterns; p++) {
		memset(world.fates, 0, sizeof(world.fates));
		for (unsigned int i = 0, rest = p; i < 2 * n; i++, rest /= n_fates)
			world.fates[i < n ? a : b][i % n] = (uint8_t)(rest % n_fates);
		for (size_t c = 0; c < CV_ARRAY_LEN(conversations); c++) {
			for (int first_ack = 0; first_ack < 2; first_ack++) {
				struct setup s;

				if (setup_make(c, first_ack != 0, turn++, &s))
					must_pass(&world, &s);
			}
		}
	}
	memset(world.fates, 0, sizeof(world.fates));
}

static void survives_every_pattern_towards_target(void **state)
{
	(void)state;
	every_pattern(LEG_C_IN, LEG_T_OUT, N_FATES, 3);
}

static void survives_every_pattern_towards_client(void **state)
{
	(void)state;
	every_pattern(LEG_T_IN, LEG_C_OUT, N_FATES, 3);
}

static void survives_every_pattern_in_both_directions(void **state)
{
	(void)state;
	every_pattern(LEG_T_OUT, LEG_T_IN, N_FATES, 3);
}

static void survives_every_loss_of_the_first_segments(void **state)
{
	(void)state;
	every_pattern(LEG_T_OUT, LEG_T_IN, 2, 8);
	every_pattern(LEG_C_IN, LEG_C_OUT, 2, 6);
}

static void survives_repeated_loss_of_the_header(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= FATES_MAX; n++) {
		memset(world.fates, 0, sizeof(world.fates));
		memset(world.fates[LEG_T_OUT] + 1, FATE_DROP, n < FATES_MAX ? n : n - 1);
		for (size_t c = 0; c < CV_ARRAY_LEN(conversations); c++) {
			for (uint32_t v = 0; v < 840; v++) {
				struct setup s;

				if (setup_make(c, v % 2 != 0, v / 2, &s))
					must_pass(&world, &s);
			}
		}
	}
	memset(world.fates, 0, sizeof(world.fates));
}

static void closes_by_reset_at_every_point(void **state)
{
	(void)state;
	for (uint32_t at = 1; at < 90; at++) {
		for (uint32_t n = 0; n < 16 * CV_ARRAY_LEN(conversations) * 2; n++) {
			struct setup s;

			if (!setup_make(n / 2 % CV_ARRAY_LEN(conversations), n % 2 != 0,
					n * 31 + at, &s))
				continue;
			s.loss = n % 16 < 4 ? 0 : 60;
			memset(world.fates, 0, sizeof(world.fates));
			if (n % 3 == 0)
				world.fates[LEG_T_OUT][1 + n % 4] = FATE_DROP;
			s.client_abort_at = (int)at;
			must_pass(&world, &s);
			s.client_abort_at = 0;
			s.target_abort_at = (int)at;
			must_pass(&world, &s);
		}
	}
	memset(world.fates, 0, sizeof(world.fates));
}

static void survives_closed_and_tiny_windows(void **state)
{
	(void)state;
	for (uint16_t wnd = 0; wnd < 20; wnd++) {
		for (uint32_t n = 0; n < 600; n++) {
			struct setup s;

			if (!setup_make(n / 2 % CV_ARRAY_LEN(conversations), n % 2 != 0, n, &s))
				continue;
			s.target_wnd = wnd;
			s.target_wnd_ticks = (uint16_t)(5 + n % 80);
			s.probe_data = n % 3 == 0;
			s.loss = n % 5 == 0 ? 50 : 0;
			must_pass(&world, &s);
		}
	}
}

static void random_setup(uint32_t seed, struct setup *s)
{
	struct world *w = &world;
	static const uint16_t msss[] = {536, 536, 1448, 130, 60};

	w->random = seed * 747796405u + 77;
	for (int i = 0; i < 8; i++)
		world_random(w);
	*s = (struct setup){
		.hdr_len = 100,
		.first_ack = world_random(w) % 2 == 0,
		.client_waits = world_random(w) % 2 == 0,
		.use_ts = world_random(w) % 2 == 0,
		.use_sack = world_random(w) % 2 == 0,
		.random_cuts = world_random(w) % 2 == 0,
		.probe_data = world_random(w) % 2 == 0,
		.talk = (uint8_t)(world_random(w) % N_TALKS),
		.closing = (uint8_t)(world_random(w) % N_CLOSINGS),
		.keepalive = (uint8_t)(world_random(w) % 3),
		.mss = msss[world_random(w) % CV_ARRAY_LEN(msss)],
		.client_len = world_random(w) % (world_random(w) % 3 == 0 ? 3000 : 700),
		.target_len = world_random(w) % (world_random(w) % 3 == 0 ? 3000 : 700),
		.isn = world_random(w) % 203 - 102,
		.target_isn =
			world_random(w) % 4 == 0 ? world_random(w) % 203 - 102 : world_random(w),
		.loss = (uint32_t[]){0, 10, 50, 120}[world_random(w) % 4],
		.seed = seed,
	};
	if (world_random(w) % 20 == 0)
		s->hdr_len = 0;
	if (world_random(w) % 10 == 0)
		s->client_len = 0;
	if (world_random(w) % 8 == 0)
		s->client_abort_at = 1 + (int)(world_random(w) % 150);
	else if (world_random(w) % 8 == 0)
		s->target_abort_at = 1 + (int)(world_random(w) % 150);
	s->no_timer = !s->first_ack && world_random(w) % 2 == 0;
	memset(w->fates, FATE_OK, sizeof(w->fates));
}

static void survives_random_channels(void **state)
{
	const char *text = getenv("CV_TEST_SEEDS");
	uint32_t n_seeds = text != NULL ? (uint32_t)strtoul(text, NULL, 10) : 30000;

	(void)state;
	for (uint32_t seed = 1; seed <= n_seeds; seed++) {
		struct setup s;

		random_setup(seed, &s);
		if (!is_deadlock(&s))
			must_pass(&world, &s);
	}
}

/* A path that carries all that the client sends, but not that with a header in front. */
static void survives_a_path_too_narrow_for_both(void **state)
{
	unsigned int n_resent = 0;

	(void)state;
	for (uint32_t n = 0; n < 14; n++) {
		for (uint32_t len = 1; len <= 3 * SMALL_MSS; len++) {
			struct setup s = small;

			s.isn = isns[n];
			s.client_len = len;
			s.path = SMALL_MSS;
			s.no_timer = true;
			must_pass(&world, &s);
			n_resent += world.n_hdr_resent;
			/* By the client's second try: before the target's keepalive asks, at 149. */
			assert_true(world.now < 149);
		}
	}
	assert_true(n_resent > 0);
}

static void late_acks_are_left_alone_once_the_header_is_there(void **state)
{
	struct cv_tcp_cold cold = {.ack_c = 7};
	struct cv_tcp_act act;

	(void)state;
	for (uint8_t at = CV_TCP_ESTABLISHED; at < CV_TCP_STATE_N; at++) {
		for (uint32_t below = 0; below <= SMALL_HDR + 1; below++) {
			struct cv_tcp t = {.isn1 = 5, .hdr_len = SMALL_HDR, .state = at};
			struct cv_tcp_seg seg = {.ack = 5 - below, .flags = CV_TCP_ACK};

			t.flags = CV_TCP_F_SENT;
			assert_int_equal(cv_tcp_t2c(&t, &cold, &seg, &act), CV_TCP_FORWARD);
			assert_int_equal(act.ack, seg.ack);
			assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
			t.flags |= CV_TCP_F_UNACKED;
			t.state = at;
			assert_int_equal(cv_tcp_t2c(&t, &cold, &seg, &act), CV_TCP_FORWARD);
			assert_int_equal(act.ack, below <= SMALL_HDR ? 5 : seg.ack);
		}
	}
}

/* What the AWS default does to a server that waits for the header before it speaks first. */
static void default_placement_waits_for_the_client(void **state)
{
	struct setup s = small;

	(void)state;
	s.client_waits = true;
	s.talk = TALK_AFTER_HDR;
	s.closing = CLOSE_WHEN_DONE;
	assert_true(is_deadlock(&s));
	assert_string_equal(run(&world, &s), "did not end");
	assert_int_equal(world.n_hdr_sent, 0);
	s.first_ack = true;
	must_pass(&world, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_every_pattern_towards_target),
		cmocka_unit_test(survives_every_pattern_towards_client),
		cmocka_unit_test(survives_every_pattern_in_both_directions),
		cmocka_unit_test(survives_every_loss_of_the_first_segments),
		cmocka_unit_test(survives_repeated_loss_of_the_header),
		cmocka_unit_test(closes_by_reset_at_every_point),
		cmocka_unit_test(survives_closed_and_tiny_windows),
		cmocka_unit_test(survives_random_channels),
		cmocka_unit_test(survives_a_path_too_narrow_for_both),
		cmocka_unit_test(late_acks_are_left_alone_once_the_header_is_there),
		cmocka_unit_test(default_placement_waits_for_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
