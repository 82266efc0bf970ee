/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_net.h"
#include "tcp_flow.h"

static void open_flow(uint8_t hdr_len, bool first_ack)
{
	cv_tcp_init(&t, &cold, ISN1 - 1, hdr_len, first_ack, 1448);
	assert_int_equal(c2t(ISN1 - 1, 0, CV_TCP_SYN, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 - 1 - hdr_len);
}

/* SYN, SYN-ACK with MSS 1448, ACK. */
static void establish(uint8_t hdr_len, bool first_ack)
{
	static const uint8_t mss[] = {2, 4, 1448 >> 8, 1448 & 255};
	struct cv_tcp_opts opts;
	struct cv_tcp_seg seg = {
		.seq = TISN1 - 1,
		.ack = ISN1 - hdr_len,
		.flags = CV_TCP_SYN | CV_TCP_ACK,
		.opts_len = sizeof(mss),
		.opts = &opts,
	};

	open_flow(hdr_len, first_ack);
	assert_int_equal(cv_tcp_opts_parse(mss, sizeof(mss), &opts), 0);
	assert_int_equal(cv_tcp_t2c(&t, &cold, &seg, &act), CV_TCP_FORWARD);
	assert_int_equal(act.ack, ISN1);
	assert_int_equal(t.state, CV_TCP_SYN_RCVD);
	assert_int_equal(cold.ack_c, TISN1);
	assert_int_equal(c2t(ISN1, TISN1, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(t.state, CV_TCP_ESTABLISHED);
	assert_true((act.events & CV_TCP_EV_ESTABLISHED) != 0);
}

/* Established, header sent in the first segment of 10 bytes, not acknowledged. */
static void send_first(void)
{
	establish(H, false);
	assert_int_equal(c2t(ISN1, TISN1, CV_TCP_ACK, 10), CV_TCP_FORWARD);
	assert_int_equal(act.hdr, CV_TCP_HDR_IN_SEGMENT);
	assert_int_equal(act.seq, ISN1 - H);
	assert_int_equal(act.events, CV_TCP_EV_HDR_SENT);
}

/* --- sequence numbers, fast test --- */

static void sequence_numbers_compare_across_the_wrap(void **state)
{
	static const uint32_t starts[] = {0, 1, UINT32_MAX, 0x7fffffff, 0x80000000, 12345};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(starts); i++) {
		uint32_t a = starts[i];

		assert_true(cv_seq_lt(a, a + 1) && cv_seq_lt(a, a + 0x7fffffff));
		assert_false(cv_seq_lt(a, a) || cv_seq_lt(a + 1, a));
		assert_true(cv_seq_leq(a, a) && cv_seq_leq(a, a + 1));
		assert_false(cv_seq_leq(a + 1, a));
		assert_true(cv_seq_gt(a + 1, a) && cv_seq_gt(a + 0x7fffffff, a));
		assert_false(cv_seq_gt(a, a) || cv_seq_gt(a, a + 1));
		assert_true(cv_seq_geq(a, a) && cv_seq_geq(a + 1, a));
		assert_false(cv_seq_geq(a, a + 1));
	}
}

static void only_plain_acks_of_a_steady_flow_are_fast(void **state)
{
	(void)state;
	for (unsigned int s = 0; s < CV_TCP_STATE_N; s++) {
		for (unsigned int f = 0; f < 256; f++) {
			struct cv_tcp one = {.state = (uint8_t)s, .flags = (uint8_t)f};
			bool steady = s == CV_TCP_ESTABLISHED && (f & CV_TCP_F_UNACKED) == 0;

			assert_int_equal(cv_tcp_is_steady(&one), steady);
			assert_int_equal(cv_tcp_is_fast(&one, CV_TCP_ACK), steady);
			assert_int_equal(cv_tcp_wants_opts(&one, CV_TCP_ACK),
					 (f & CV_TCP_F_UNACKED) != 0);
			assert_true(cv_tcp_wants_opts(&one, CV_TCP_SYN));
		}
	}
	t = (struct cv_tcp){.state = CV_TCP_ESTABLISHED};
	for (unsigned int f = 0; f < 256; f++) {
		const uint8_t bad = CV_TCP_SYN | CV_TCP_FIN | CV_TCP_RST;

		assert_int_equal(cv_tcp_is_fast(&t, (uint8_t)f),
				 (f & CV_TCP_ACK) != 0 && (f & bad) == 0);
	}
}

/* --- states --- */

static void states_have_names(void **state)
{
	(void)state;
	assert_string_equal(cv_tcp_state_str(CV_TCP_SYN_SENT), "syn_sent");
	assert_string_equal(cv_tcp_state_str(CV_TCP_RESET), "reset");
	assert_string_equal(cv_tcp_state_str(CV_TCP_STATE_N), "?");
}

static void fins_close_in_either_order(void **state)
{
	(void)state;
	establish(0, false);
	assert_true(cv_tcp_is_steady(&t));
	assert_int_equal(c2t(ISN1, TISN1, CV_TCP_FIN | CV_TCP_ACK, 5), CV_TCP_FORWARD);
	assert_int_equal(t.state, CV_TCP_FIN_CLIENT);
	assert_int_equal(act.events, 0);
	t2c(TISN1, ISN1 + 5, CV_TCP_ACK, 1000);
	assert_int_equal(t.state, CV_TCP_FIN_CLIENT);
	t2c(TISN1 + 990, ISN1 + 5, CV_TCP_FIN | CV_TCP_ACK, 10);
	assert_int_equal(t.state, CV_TCP_FIN_BOTH);
	c2t(ISN1 + 6, TISN1 + 1000, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_FIN_BOTH);
	c2t(ISN1 + 6, TISN1 + 1001, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_FIN_BOTH);
	t2c(TISN1 + 1001, ISN1 + 6, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_CLOSED);
	assert_int_equal(act.events, CV_TCP_EV_CLOSED);
	/* The target did not get that one. */
	assert_int_equal(t2c(TISN1 + 1000, ISN1 + 6, CV_TCP_FIN | CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(c2t(ISN1 + 6, TISN1 + 1001, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(t.state, CV_TCP_CLOSED);
	assert_int_equal(act.events, 0);

	establish(0, false);
	t2c(TISN1, ISN1, CV_TCP_FIN | CV_TCP_ACK, 7);
	assert_int_equal(t.state, CV_TCP_FIN_TARGET);
	c2t(ISN1, TISN1 + 8, CV_TCP_ACK, 500);
	assert_int_equal(t.state, CV_TCP_FIN_TARGET);
	c2t(ISN1 + 500, TISN1 + 8, CV_TCP_FIN | CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_FIN_BOTH);
	t2c(TISN1 + 8, ISN1 + 500, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_FIN_BOTH);
	t2c(TISN1 + 8, ISN1 + 501, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_CLOSED);
}

static void simultaneous_fins_close(void **state)
{
	(void)state;
	establish(0, false);
	c2t(ISN1, TISN1, CV_TCP_FIN | CV_TCP_ACK, 0);
	t2c(TISN1, ISN1, CV_TCP_FIN | CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_FIN_BOTH);
	t2c(TISN1 + 1, ISN1 + 1, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_FIN_BOTH);
	c2t(ISN1 + 1, TISN1 + 1, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_CLOSED);
}

/* What each input does in each state: its next state, or . for a drop; r reopen. */
static void every_state_takes_every_input_as_it_must(void **state)
{
	static const uint8_t flags[] = {
		CV_TCP_SYN,
		CV_TCP_ACK,
		CV_TCP_FIN | CV_TCP_ACK,
		CV_TCP_RST,
		CV_TCP_SYN | CV_TCP_ACK,
		CV_TCP_ACK,
		CV_TCP_FIN | CV_TCP_ACK,
		CV_TCP_RST | CV_TCP_ACK,
	};
	static const char *const want[CV_TCP_STATE_N] = {
		/*  client  target: SYN ACK FIN RST each; same SYN and expected numbers */
		[CV_TCP_SYN_SENT] = "0..7"
				    "1007",
		[CV_TCP_SYN_RCVD] = "1237"
				    "1147",
		[CV_TCP_ESTABLISHED] = "2237"
				       "2247",
		[CV_TCP_FIN_CLIENT] = "3337"
				      "3357",
		[CV_TCP_FIN_TARGET] = "4457"
				      "4447",
		[CV_TCP_FIN_BOTH] = "5557"
				    "5557",
		[CV_TCP_CLOSED] = ".666"
				  "6666",
		[CV_TCP_RESET] = "r777"
				 "7777",
	};

	(void)state;
	for (uint8_t s = 0; s < CV_TCP_STATE_N; s++) {
		for (int in = 0; in < 8; in++) {
			bool is_syn = (flags[in] & CV_TCP_SYN) != 0;
			enum cv_tcp_verdict verdict;
			char got;

			cv_tcp_init(&t, &cold, ISN1 - 1, 0, false, 1448);
			t.state = s;
			cold.fin_c = ISN1 + 100;
			cold.fin_t = TISN1 + 100;
			if (in < 4)
				verdict = c2t(ISN1 - is_syn, TISN1, flags[in], 0);
			else
				verdict = t2c(TISN1 - is_syn, ISN1, flags[in], 0);
			got = verdict == CV_TCP_FORWARD  ? (char)('0' + t.state)
			      : verdict == CV_TCP_REOPEN ? 'r'
							 : '.';
			assert_int_equal(got, want[s][in]);
			if (verdict != CV_TCP_FORWARD)
				assert_int_equal(t.state, s);
		}
	}
}

static void meaningless_flags_are_dropped(void **state)
{
	static const uint8_t from_client[] = {
		0,
		CV_TCP_PSH,
		CV_TCP_FIN,
		CV_TCP_SYN | CV_TCP_FIN,
		CV_TCP_SYN | CV_TCP_RST,
		CV_TCP_SYN | CV_TCP_ACK,
		CV_TCP_RST | CV_TCP_FIN,
		0xff,
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(from_client); i++) {
		establish(H, false);
		assert_int_equal(c2t(ISN1, TISN1, from_client[i], 0), CV_TCP_DROP_STATE);
		if (from_client[i] == (CV_TCP_SYN | CV_TCP_ACK))
			continue;
		assert_int_equal(t2c(TISN1, ISN1 - H, from_client[i], 0), CV_TCP_DROP_STATE);
		assert_int_equal(t.state, CV_TCP_ESTABLISHED);
	}
	assert_int_equal(t2c(TISN1, 0, CV_TCP_SYN, 0), CV_TCP_DROP_STATE);
}

static void syn_again_is_forwarded_and_a_new_one_reopens(void **state)
{
	(void)state;
	open_flow(H, false);
	assert_int_equal(c2t(ISN1 - 1, 0, CV_TCP_SYN, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 - 1 - H);
	assert_int_equal(c2t(ISN1 + 5, 0, CV_TCP_SYN, 0), CV_TCP_REOPEN);
	/* In an open flow it goes to the target, which asks back. */
	establish(H, false);
	assert_int_equal(c2t(ISN1 + 5, 0, CV_TCP_SYN, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 + 5);
	assert_int_equal(t.state, CV_TCP_ESTABLISHED);
	t.state = CV_TCP_CLOSED;
	assert_int_equal(c2t(ISN1 - 1, 0, CV_TCP_SYN, 0), CV_TCP_DROP_STATE);
	assert_int_equal(c2t(ISN1 + 5, 0, CV_TCP_SYN, 0), CV_TCP_REOPEN);
	t.state = CV_TCP_RESET;
	assert_int_equal(c2t(ISN1 - 1, 0, CV_TCP_SYN, 0), CV_TCP_REOPEN);
}

static void syn_payload_and_fast_open_pass_only_without_header(void **state)
{
	static const uint8_t tfo[] = {34, 2, 1, 1};
	struct cv_tcp_opts opts;
	struct cv_tcp_seg seg = {
		.seq = ISN1 - 1, .payload_len = 30, .flags = CV_TCP_SYN, .opts = &opts};

	(void)state;
	assert_int_equal(cv_tcp_opts_parse(tfo, sizeof(tfo), &opts), 0);
	cv_tcp_init(&t, &cold, ISN1 - 1, H, false, 1448);
	assert_int_equal(cv_tcp_c2t(&t, &cold, &seg, &act), CV_TCP_FORWARD);
	assert_int_equal(act.trim, 30);
	assert_int_equal(act.edit, CV_TCP_EDIT_TFO);
	cv_tcp_init(&t, &cold, ISN1 - 1, 0, false, 1448);
	assert_int_equal(cv_tcp_c2t(&t, &cold, &seg, &act), CV_TCP_FORWARD);
	assert_int_equal(act.trim, 0);
	assert_int_equal(act.edit, 0);
	/* The SYN-ACK then acknowledges the data as well. */
	assert_int_equal(t2c(TISN1 - 1, ISN1 + 30, CV_TCP_SYN | CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.ack, ISN1 + 30);
	assert_int_equal(t.state, CV_TCP_SYN_RCVD);
}

/* --- RST --- */

static void refused_connection_resets_with_the_client_s_number(void **state)
{
	(void)state;
	open_flow(H, false);
	assert_int_equal(t2c(0, ISN1 - H, CV_TCP_RST, 0), CV_TCP_DROP_STATE);
	assert_int_equal(t2c(0, ISN1 - H + 1, CV_TCP_RST | CV_TCP_ACK, 0), CV_TCP_DROP_STATE);
	assert_int_equal(t2c(0, ISN1 - H - 1, CV_TCP_RST | CV_TCP_ACK, 0), CV_TCP_DROP_STATE);
	assert_int_equal(t.state, CV_TCP_SYN_SENT);
	assert_int_equal(t2c(0, ISN1 - H, CV_TCP_RST | CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.ack, ISN1);
	assert_int_equal(act.events, CV_TCP_EV_CLOSED | CV_TCP_EV_RESET);
	open_flow(0, false);
	assert_int_equal(t2c(0, ISN1 - 1, CV_TCP_RST | CV_TCP_ACK, 0), CV_TCP_DROP_STATE);
	assert_int_equal(t2c(0, ISN1 + 65536, CV_TCP_RST | CV_TCP_ACK, 0), CV_TCP_DROP_STATE);
	assert_int_equal(t2c(0, ISN1 + 65535, CV_TCP_RST | CV_TCP_ACK, 0), CV_TCP_FORWARD);
}

/* The target kept an old connection on this port pair: the client clears it, its SYN works then. */
static void old_connection_at_the_target_is_cleared(void **state)
{
	(void)state;
	open_flow(H, false);
	assert_int_equal(t2c(777, 123456, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.ack, 123456);
	assert_int_equal(c2t(123456, 0, CV_TCP_RST, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, 123456);
	assert_int_equal(act.events, 0);
	assert_int_equal(t.state, CV_TCP_SYN_SENT);
	/* A SYN-ACK that is not for our SYN opens nothing. */
	assert_int_equal(t2c(777, 123456, CV_TCP_SYN | CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(t.state, CV_TCP_SYN_SENT);
	assert_int_equal(t2c(TISN1 - 1, ISN1 - H, CV_TCP_SYN | CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(t.state, CV_TCP_SYN_RCVD);
	assert_int_equal(cold.mss, CV_TCP_MSS_DEFAULT);
	/* But the client's own RST ends the attempt. */
	open_flow(H, false);
	assert_int_equal(c2t(ISN1, 0, CV_TCP_RST, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 - H);
	assert_int_equal(t.state, CV_TCP_RESET);
}

static void client_rst_reaches_the_target_at_every_point(void **state)
{
	(void)state;
	establish(H, false);
	assert_int_equal(c2t(ISN1, 0, CV_TCP_RST, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 - H);
	assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
	assert_int_equal(act.events, CV_TCP_EV_CLOSED | CV_TCP_EV_RESET);
	send_first();
	assert_int_equal(c2t(ISN1 + 10, 0, CV_TCP_RST, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 + 10);
	assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
	assert_int_equal(act.built.seq, ISN1 - H);
	/* The target asked, because it has nothing: the answer brings the header and the RST. */
	assert_int_equal(t2c(TISN1, ISN1 - H, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.ack, ISN1);
	assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
	assert_int_equal(c2t(ISN1, 0, CV_TCP_RST, 0), CV_TCP_FORWARD);
	assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
	assert_int_equal(act.seq, ISN1);
	assert_int_equal(act.events, CV_TCP_EV_HDR_RESENT);
	/* Data before the header: the RST is beyond what the target expects, it will ask. */
	establish(H, false);
	assert_int_equal(c2t(ISN1 + 10, 0, CV_TCP_RST, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 + 10);
	establish(H, false);
	assert_int_equal(c2t(ISN1 - 1, 0, CV_TCP_RST, 0), CV_TCP_DROP_SPLICE);
	assert_int_equal(t.state, CV_TCP_ESTABLISHED);
}

static void ignored_rst_does_not_end_a_flow(void **state)
{
	(void)state;
	establish(0, false);
	c2t(ISN1 + 12345, 0, CV_TCP_RST, 0);
	assert_int_equal(t.state, CV_TCP_RESET);
	/* The receiver going on proves nothing: it may not have got it yet. */
	t2c(TISN1, ISN1, CV_TCP_ACK, 100);
	assert_int_equal(t.state, CV_TCP_RESET);
	assert_int_equal(c2t(ISN1, TISN1 + 100, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.events, CV_TCP_EV_REVIVED);
	assert_true(cv_tcp_is_steady(&t));
	/* The same from the target, going on with its FIN. */
	t2c(TISN1 + 5, ISN1, CV_TCP_RST, 0);
	assert_int_equal(act.events, CV_TCP_EV_CLOSED | CV_TCP_EV_RESET);
	c2t(ISN1, TISN1, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_RESET);
	t2c(TISN1 + 100, ISN1, CV_TCP_FIN | CV_TCP_ACK, 0);
	assert_int_equal(act.events, CV_TCP_EV_REVIVED);
	assert_int_equal(t.state, CV_TCP_FIN_TARGET);
}

static void rst_of_both_sides_is_final(void **state)
{
	(void)state;
	establish(0, false);
	c2t(ISN1, 0, CV_TCP_RST, 0);
	c2t(ISN1, 0, CV_TCP_RST, 0);
	assert_int_equal(act.events, 0);
	c2t(ISN1, TISN1, CV_TCP_ACK, 0);
	assert_int_equal(act.events, CV_TCP_EV_REVIVED);
	c2t(ISN1, 0, CV_TCP_RST, 0);
	t2c(TISN1, 0, CV_TCP_RST, 0);
	assert_int_equal(act.events, 0);
	c2t(ISN1, TISN1, CV_TCP_ACK, 0);
	t2c(TISN1, ISN1, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_RESET);
	/* So is one while closing. */
	establish(0, false);
	c2t(ISN1, TISN1, CV_TCP_FIN | CV_TCP_ACK, 0);
	t2c(TISN1, 0, CV_TCP_RST, 0);
	t2c(TISN1, ISN1, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_RESET);
}

/* --- the header --- */

static void header_goes_with_the_first_payload(void **state)
{
	(void)state;
	establish(H, false);
	assert_int_equal(act.seq, ISN1 - H);
	assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
	assert_false(cv_tcp_is_hdr_unacked(&t));
	send_first();
	assert_true(cv_tcp_is_hdr_unacked(&t));
	assert_int_equal(c2t(ISN1, TISN1, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1);
	assert_int_equal(c2t(ISN1, TISN1, CV_TCP_ACK, 3), CV_TCP_FORWARD);
	assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
	assert_int_equal(act.built.seq, ISN1 - H);
	assert_int_equal(act.seq, ISN1);
	assert_int_equal(act.events, CV_TCP_EV_HDR_RESENT);
	assert_int_equal(t2c(TISN1, ISN1, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.events, CV_TCP_EV_HDR_ACKED);
	assert_true(cv_tcp_is_steady(&t));
	/* A late SYN-ACK of before is old to the client as well. */
	assert_int_equal(t2c(TISN1 - 1, ISN1 - H, CV_TCP_SYN | CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.ack, ISN1 - H);
	assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
}

static void header_goes_with_the_handshake_ack(void **state)
{
	(void)state;
	establish(H, true);
	assert_int_equal(act.seq, ISN1 - H);
	assert_int_equal(act.hdr, CV_TCP_HDR_IN_SEGMENT);
	assert_int_equal(act.events, CV_TCP_EV_ESTABLISHED | CV_TCP_EV_HDR_SENT);
	/* The SYN-ACK comes again: it was lost. */
	assert_int_equal(t2c(TISN1 - 1, ISN1 - H, CV_TCP_SYN | CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.ack, ISN1);
	assert_int_equal(act.hdr, CV_TCP_HDR_RESEND);
	assert_int_equal(act.built.seq, ISN1 - H);
	assert_int_equal(act.built.ack, TISN1);
	assert_int_equal(act.built.wnd, 77);
	assert_int_equal(act.built.flags, CV_TCP_ACK | CV_TCP_PSH);
	assert_false(act.built.has_ts);
}

static void header_goes_with_a_fin(void **state)
{
	(void)state;
	establish(H, false);
	assert_int_equal(c2t(ISN1, TISN1, CV_TCP_FIN | CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.hdr, CV_TCP_HDR_IN_SEGMENT);
	assert_int_equal(act.seq, ISN1 - H);
	/* The header's bytes do not acknowledge the FIN. */
	t2c(TISN1, ISN1 - H + 1, CV_TCP_FIN | CV_TCP_ACK, 0);
	c2t(ISN1 + 1, TISN1 + 1, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_FIN_BOTH);
	t2c(TISN1 + 1, ISN1 + 1, CV_TCP_ACK, 0);
	assert_int_equal(t.state, CV_TCP_CLOSED);
	assert_int_equal(act.events, CV_TCP_EV_CLOSED | CV_TCP_EV_HDR_ACKED);
}

static void header_gets_its_own_segment_when_it_does_not_fit(void **state)
{
	struct cv_tcp_seg seg = {
		.seq = ISN1, .ack = TISN1, .wnd = 5, .flags = CV_TCP_ACK, .opts_len = 12};

	(void)state;
	establish(H, false);
	seg.payload_len = 1448 - 12 - H;
	cv_tcp_c2t(&t, &cold, &seg, &act);
	assert_int_equal(act.hdr, CV_TCP_HDR_IN_SEGMENT);
	seg.payload_len++;
	cv_tcp_c2t(&t, &cold, &seg, &act);
	assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
	assert_int_equal(act.seq, ISN1);
	assert_int_equal(act.built.seq, ISN1 - H);
	assert_int_equal(act.built.wnd, 5);
	/* An urgent pointer counts from the segment's own number. */
	seg.payload_len = 1;
	seg.flags |= CV_TCP_URG;
	cv_tcp_c2t(&t, &cold, &seg, &act);
	assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
	/* The path may allow less than the target. */
	establish(H, false);
	assert_int_equal(cold.mss, 1448);
	cv_tcp_init(&t, &cold, ISN1 - 1, H, false, 400);
	t2c(TISN1 - 1, ISN1 - H, CV_TCP_SYN | CV_TCP_ACK, 0);
	assert_int_equal(cold.mss, 400);
}

static void keepalives_never_count_as_header(void **state)
{
	(void)state;
	for (int sent = 0; sent < 2; sent++) {
		if (sent == 0)
			establish(H, true);
		else
			send_first();
		for (uint16_t len = 0; len < 2; len++) {
			assert_int_equal(c2t(ISN1 - 1, TISN1, CV_TCP_ACK, len), CV_TCP_FORWARD);
			assert_int_equal(act.seq, ISN1 - 1 - H);
			assert_int_equal(act.trim, 0);
			assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
		}
		/* The byte of garbage with data behind it, or with FIN. */
		assert_int_equal(c2t(ISN1 - 1, TISN1, CV_TCP_ACK, 2), CV_TCP_FORWARD);
		assert_int_equal(act.trim, 1);
		assert_int_equal(act.seq, ISN1);
		assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
		assert_int_equal(c2t(ISN1 - 1, TISN1, CV_TCP_ACK, 1449), CV_TCP_FORWARD);
		assert_int_equal(act.trim, 1);
		assert_int_equal(act.seq, ISN1);
		assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
		assert_int_equal(c2t(ISN1 - 1, TISN1, CV_TCP_ACK | CV_TCP_FIN, 0),
				 CV_TCP_DROP_SPLICE);
		assert_int_equal(c2t(ISN1 - 2, TISN1, CV_TCP_ACK, 0), CV_TCP_DROP_SPLICE);
		assert_int_equal(c2t(ISN1 - 2, TISN1, CV_TCP_ACK, 50), CV_TCP_DROP_SPLICE);
		assert_int_equal(c2t(ISN1 - 1, TISN1, CV_TCP_ACK | CV_TCP_FIN, 1), CV_TCP_FORWARD);
		assert_int_equal(act.trim, 1);
		assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
	}
}

static void payload_beyond_the_first_byte_passes_as_it_is(void **state)
{
	(void)state;
	establish(H, false);
	assert_int_equal(c2t(ISN1 + 10, TISN1, CV_TCP_ACK, 10), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 + 10);
	assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
	assert_int_equal(c2t(ISN1 + 20, TISN1, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 + 20);
}

static void target_cannot_acknowledge_what_was_not_sent(void **state)
{
	(void)state;
	establish(H, false);
	for (uint32_t ack = ISN1 - H; ack != ISN1; ack++) {
		assert_int_equal(t2c(TISN1, ack, CV_TCP_ACK, 0), CV_TCP_FORWARD);
		assert_int_equal(act.ack, ISN1);
		assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
	}
	assert_int_equal(t2c(TISN1, ISN1, CV_TCP_ACK, 0), CV_TCP_DROP_SPLICE);
	assert_int_equal(t2c(TISN1, ISN1 + 1, CV_TCP_ACK, 0), CV_TCP_DROP_SPLICE);
	assert_false(cv_tcp_is_steady(&t));
	assert_int_equal(t2c(TISN1, ISN1 - H - 1, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.ack, ISN1 - H - 1);
}

static void partial_and_duplicate_acks_resend_within_bounds(void **state)
{
	(void)state;
	send_first();
	for (uint32_t i = 0; i < 300; i++) {
		assert_int_equal(t2c(TISN1, ISN1 - H + i % H, CV_TCP_ACK, 0), CV_TCP_FORWARD);
		assert_int_equal(act.ack, ISN1);
		assert_int_equal(act.hdr, i == 0 ? CV_TCP_HDR_RESEND : CV_TCP_HDR_NONE);
		assert_int_equal(act.events, i == 0 ? CV_TCP_EV_HDR_RESENT : 0);
	}
	/* The client's next try is a new round, so is a tick. */
	c2t(ISN1, TISN1, CV_TCP_ACK, 10);
	t2c(TISN1, ISN1 - 1, CV_TCP_ACK, 0);
	assert_int_equal(act.hdr, CV_TCP_HDR_RESEND);
	assert_false(cv_tcp_timer(&t, &cold, &act));
	t2c(TISN1, ISN1 - 1, CV_TCP_ACK, 0);
	assert_int_equal(act.hdr, CV_TCP_HDR_RESEND);
	t2c(TISN1, ISN1 - 1, CV_TCP_ACK, 0);
	assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
	/* A reset target needs no header. */
	send_first();
	t2c(TISN1, ISN1 - H, CV_TCP_RST | CV_TCP_ACK, 0);
	assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
	assert_int_equal(act.ack, ISN1);
}

static void timer_resends_ever_more_rarely_and_stops(void **state)
{
	unsigned int n = 0;

	(void)state;
	establish(H, false);
	assert_false(cv_tcp_timer(&t, &cold, &act));
	establish(H, true);
	for (unsigned int i = 1; i < 1000; i++) {
		bool due = i == 2 || i == 4 || i == 8 || i == 16 || i == 32 || i == 64 || i == 128;

		assert_int_equal(cv_tcp_timer(&t, &cold, &act), due);
		if (due) {
			assert_int_equal(act.hdr, CV_TCP_HDR_RESEND);
			assert_int_equal(act.events, CV_TCP_EV_HDR_RESENT);
			assert_int_equal(act.built.seq, ISN1 - H);
		}
		n += due;
	}
	assert_int_equal(n, 7);
	/* It is over; a target that asks is answered all the same, each time. */
	assert_false(cv_tcp_is_timed(&t));
	assert_true(cv_tcp_is_hdr_unacked(&t));
	for (int i = 0; i < 3; i++) {
		t2c(TISN1, ISN1 - H, CV_TCP_ACK, 0);
		assert_int_equal(act.hdr, CV_TCP_HDR_RESEND);
		/* Data says nothing of the header now. */
		t2c(TISN1, ISN1 - H, CV_TCP_ACK, 5);
		assert_int_equal(act.hdr, CV_TCP_HDR_NONE);
	}
	establish(H, true);
	t2c(TISN1, ISN1, CV_TCP_ACK, 0);
	assert_false(cv_tcp_timer(&t, &cold, &act));
	establish(H, true);
	assert_true(cv_tcp_is_hdr_unacked(&t));
	c2t(ISN1, 0, CV_TCP_RST, 0);
	assert_false(cv_tcp_is_hdr_unacked(&t));
}

static void built_segment_carries_what_the_client_said_last(void **state)
{
	struct cv_tcp_opts opts = {.ts_off = 2, .ts_val = 500, .ts_ecr = 600};
	struct cv_tcp_seg seg = {
		.seq = ISN1, .ack = TISN1, .wnd = 11, .flags = CV_TCP_ACK, .opts = &opts};

	(void)state;
	establish(H, true);
	cv_tcp_c2t(&t, &cold, &seg, &act);
	seg.ack = TISN1 + 50;
	seg.wnd = 22;
	opts.ts_val = 510;
	opts.ts_ecr = 610;
	cv_tcp_c2t(&t, &cold, &seg, &act);
	opts.ts_ecr = 611;
	cv_tcp_c2t(&t, &cold, &seg, &act);
	/* An older one, late, and an RST: neither counts. */
	seg.ack = TISN1 + 10;
	seg.wnd = 33;
	opts.ts_val = 509;
	cv_tcp_c2t(&t, &cold, &seg, &act);
	seg.ack = TISN1 + 90;
	seg.flags = CV_TCP_RST | CV_TCP_ACK;
	opts.ts_val = 900;
	cv_tcp_c2t(&t, &cold, &seg, &act);
	assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
	assert_int_equal(act.built.ack, TISN1 + 50);
	assert_int_equal(act.built.wnd, 22);
	assert_true(act.built.has_ts);
	assert_int_equal(act.built.ts_val, 510);
	assert_int_equal(act.built.ts_ecr, 611);
	/* Client timestamps may start anywhere. */
	establish(H, true);
	opts.ts_val = 0xf0000000;
	seg.flags = CV_TCP_ACK;
	cv_tcp_c2t(&t, &cold, &seg, &act);
	assert_int_equal(cold.ts_val, 0xf0000000);
}

static void sack_is_edited_only_while_the_header_is_outstanding(void **state)
{
	struct cv_tcp_opts opts = {.n_sack = 1, .ts_off = CV_TCP_OPT_NONE};
	struct cv_tcp_seg seg = {.seq = TISN1, .ack = ISN1 - H, .flags = CV_TCP_ACK, .opts = &opts};

	(void)state;
	send_first();
	cv_tcp_t2c(&t, &cold, &seg, &act);
	assert_int_equal(act.edit, CV_TCP_EDIT_SACK);
	opts.n_sack = 0;
	cv_tcp_t2c(&t, &cold, &seg, &act);
	assert_int_equal(act.edit, 0);
	opts.n_sack = 1;
	seg.ack = ISN1;
	cv_tcp_t2c(&t, &cold, &seg, &act);
	assert_int_equal(act.edit, CV_TCP_EDIT_SACK);
	cv_tcp_t2c(&t, &cold, &seg, &act);
	assert_int_equal(act.edit, 0);
}

/* The short cut does what the whole way does, or leaves the segment to it. */
static void plain_ack_of_the_header_agrees_with_the_whole_way(void **state)
{
	static const uint8_t flags[] = {CV_TCP_ACK, CV_TCP_ACK | CV_TCP_PSH,
					CV_TCP_ACK | CV_TCP_FIN, CV_TCP_RST,
					CV_TCP_SYN | CV_TCP_ACK};
	static const int32_t acks[] = {-101, -100, -1, 0, 1, 5000};
	static const struct {
		uint8_t bytes[16];
		uint8_t len;
	} opts[] = {
		{{0}, 0},
		{{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}, 12},
		{{1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}, 12}, /* a duplicate SACK block */
		{{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 1, 1}, 16},
	};
	unsigned int taken = 0;

	(void)state;
	for (unsigned int sent = 0; sent < 2; sent++) {
		for (size_t s = 0; s < CV_TCP_STATE_N; s++) {
			for (size_t i = 0; i < 5 * 6 * 4; i++) {
				struct cv_tcp a = {.isn1 = 50, .hdr_len = 100, .state = (uint8_t)s};
				struct cv_tcp before, b;
				struct cv_tcp_cold c = {.ack_c = 1};
				struct cv_tcp_seg seg = {
					.seq = 1,
					.ack = 50 + (uint32_t)acks[i / 5 % 6],
					.flags = flags[i % 5],
					.opts_len = opts[i / 30].len,
				};
				struct cv_tcp_act did;

				a.flags = CV_TCP_F_UNACKED;
				if (sent != 0)
					a.flags |= CV_TCP_F_SENT;
				before = b = a;
				if (!cv_tcp_hdr_ack(&a, seg.flags, opts[i / 30].bytes, seg.opts_len,
						    seg.ack)) {
					assert_memory_equal(&a, &before, sizeof(a));
					continue;
				}
				taken++;
				assert_int_equal(cv_tcp_t2c(&b, &c, &seg, &did), CV_TCP_FORWARD);
				assert_memory_equal(&a, &b, sizeof(a));
				assert_int_equal(did.seq, seg.seq);
				assert_int_equal(did.ack, seg.ack);
				assert_int_equal(did.edit | did.trim | did.hdr, 0);
				assert_int_equal(did.events, CV_TCP_EV_HDR_ACKED);
				assert_true(cv_tcp_is_steady(&a));
			}
		}
	}
	/* Established, sent; ACK with or without PSH; three ACKs that cover it; two kinds of options. */
	assert_int_equal(taken, 2 * 3 * 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_ack_of_the_header_agrees_with_the_whole_way),
		cmocka_unit_test(sequence_numbers_compare_across_the_wrap),
		cmocka_unit_test(only_plain_acks_of_a_steady_flow_are_fast),
		cmocka_unit_test(states_have_names),
		cmocka_unit_test(fins_close_in_either_order),
		cmocka_unit_test(simultaneous_fins_close),
		cmocka_unit_test(every_state_takes_every_input_as_it_must),
		cmocka_unit_test(meaningless_flags_are_dropped),
		cmocka_unit_test(syn_again_is_forwarded_and_a_new_one_reopens),
		cmocka_unit_test(syn_payload_and_fast_open_pass_only_without_header),
		cmocka_unit_test(refused_connection_resets_with_the_client_s_number),
		cmocka_unit_test(old_connection_at_the_target_is_cleared),
		cmocka_unit_test(client_rst_reaches_the_target_at_every_point),
		cmocka_unit_test(ignored_rst_does_not_end_a_flow),
		cmocka_unit_test(rst_of_both_sides_is_final),
		cmocka_unit_test(header_goes_with_the_first_payload),
		cmocka_unit_test(header_goes_with_the_handshake_ack),
		cmocka_unit_test(header_goes_with_a_fin),
		cmocka_unit_test(header_gets_its_own_segment_when_it_does_not_fit),
		cmocka_unit_test(keepalives_never_count_as_header),
		cmocka_unit_test(payload_beyond_the_first_byte_passes_as_it_is),
		cmocka_unit_test(target_cannot_acknowledge_what_was_not_sent),
		cmocka_unit_test(partial_and_duplicate_acks_resend_within_bounds),
		cmocka_unit_test(timer_resends_ever_more_rarely_and_stops),
		cmocka_unit_test(built_segment_carries_what_the_client_said_last),
		cmocka_unit_test(sack_is_edited_only_while_the_header_is_outstanding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
