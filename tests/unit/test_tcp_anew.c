/* SPDX-License-Identifier: BSD-3-Clause */

/* Ends that begin anew in the middle of a flow, and resets that they did not send. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tcp_flow.h"

#define OTHER 700000u

static enum cv_tcp_verdict syn_ack(uint32_t seq, uint32_t ack)
{
	return t2c(seq, ack, CV_TCP_SYN | CV_TCP_ACK, 0);
}

/* Established; with a header, it was sent with 10 bytes and acknowledged. */
static void open_flow(uint8_t hdr_len)
{
	cv_tcp_init(&t, &cold, ISN1 - 1, hdr_len, false, 1448);
	assert_int_equal(c2t(ISN1 - 1, 0, CV_TCP_SYN, 0), CV_TCP_FORWARD);
	assert_int_equal(syn_ack(TISN1 - 1, ISN1 - hdr_len), CV_TCP_FORWARD);
	assert_int_equal(c2t(ISN1, TISN1, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(c2t(ISN1, TISN1, CV_TCP_ACK, 10), CV_TCP_FORWARD);
	assert_int_equal(t2c(TISN1, ISN1 + 10, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_true(cv_tcp_is_steady(&t));
}

/* A connection that began in the middle of a flow would have no header, or one of the client's making. */
static void target_that_forgot_ends_the_flow_in_every_state(void **state)
{
	static const uint8_t lens[] = {0, H};

	(void)state;
	for (int i = 0; i < 2; i++) {
		for (uint8_t s = CV_TCP_SYN_RCVD; s < CV_TCP_CLOSED; s++) {
			open_flow(lens[i]);
			t.state = s;
			assert_int_equal(c2t(OTHER, 0, CV_TCP_SYN, 0), CV_TCP_FORWARD);
			assert_int_equal(act.seq, OTHER);
			assert_int_equal(syn_ack(TISN1 + 777, OTHER + 1), CV_TCP_DROP_STATE);
			assert_int_equal(act.events, CV_TCP_EV_CLOSED);
			assert_true(cv_tcp_is_over(&t));
			/* Nothing brings it back: not what the client may guess, not the answer again. */
			assert_int_equal(c2t(OTHER + 1, TISN1 + 778, CV_TCP_ACK, 10),
					 CV_TCP_FORWARD);
			assert_int_equal(syn_ack(TISN1 + 777, OTHER + 1), CV_TCP_DROP_STATE);
			assert_int_equal(act.events, 0);
			assert_true(cv_tcp_is_over(&t));
			assert_int_equal(c2t(OTHER, 0, CV_TCP_SYN, 0), CV_TCP_REOPEN);
		}
	}
}

static void reset_flow_is_over_when_its_target_begins_anew(void **state)
{
	(void)state;
	open_flow(H);
	c2t(OTHER, 0, CV_TCP_SYN, 0);
	c2t(ISN1 + 10, 0, CV_TCP_RST, 0);
	assert_false(cv_tcp_is_over(&t));
	assert_int_equal(syn_ack(TISN1 + 777, OTHER + 1), CV_TCP_DROP_STATE);
	assert_true(cv_tcp_is_over(&t));
	/* The client does not revive it. */
	c2t(OTHER + 1, TISN1 + 778, CV_TCP_ACK, 0);
	assert_int_equal(act.events, 0);
}

/* A living target asks; one that has forgotten acknowledges another number than it did at first. */
static void syn_that_comes_late_or_again_is_like_any_other(void **state)
{
	(void)state;
	open_flow(H);
	assert_int_equal(c2t(ISN1 - 1, 0, CV_TCP_SYN, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 - 1);
	assert_int_equal(act.events, 0);
	assert_true(cv_tcp_is_steady(&t));
	assert_int_equal(syn_ack(TISN1 + 777, ISN1), CV_TCP_DROP_STATE);
	assert_true(cv_tcp_is_over(&t));
	open_flow(0);
	assert_int_equal(c2t(ISN1 - 1, 0, CV_TCP_SYN, 0), CV_TCP_FORWARD);
	assert_int_equal(syn_ack(TISN1 - 1, ISN1), CV_TCP_FORWARD);
	assert_true(cv_tcp_is_steady(&t));
}

/* Its answer would be the one to the flow's own SYN, and what the client sends then a header. */
static void syn_with_the_header_s_number_begins_nothing(void **state)
{
	(void)state;
	for (uint8_t s = CV_TCP_ESTABLISHED; s < CV_TCP_CLOSED; s++) {
		open_flow(H);
		t.state = s;
		assert_int_equal(c2t(ISN1 - 1 - H, 0, CV_TCP_SYN, 0), CV_TCP_DROP_STATE);
		assert_int_equal(act.events, 0);
		assert_int_equal(t.state, s);
	}
	open_flow(H);
	c2t(ISN1 + 10, TISN1, CV_TCP_RST, 0);
	c2t(ISN1 + 10, TISN1, CV_TCP_ACK, 0);
	assert_true(cv_tcp_is_steady(&t));
	assert_int_equal(c2t(ISN1 - 1 - H, 0, CV_TCP_SYN, 0), CV_TCP_DROP_STATE);
}

/* Whoever can send with the target's address needs to guess more than a port to end a flow. */
static void answers_to_no_syn_end_nothing(void **state)
{
	static const uint32_t acks[] = {OTHER + 1, ISN1 - H - 1, ISN1 - 70000, ISN1 + 70000,
					0x80000000};

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		open_flow(i < 5 ? H : 0);
		assert_int_equal(syn_ack(777, acks[i % 5]), CV_TCP_DROP_STATE);
		assert_int_equal(act.events, 0);
		assert_true(cv_tcp_is_steady(&t));
	}
	/* While the header is under way nothing is noted. */
	open_flow(H);
	t.flags |= CV_TCP_F_UNACKED;
	c2t(OTHER, 0, CV_TCP_SYN, 0);
	assert_int_equal(syn_ack(777, OTHER + 1), CV_TCP_DROP_STATE);
	assert_int_equal(t.state, CV_TCP_ESTABLISHED);
}

static void answer_to_the_flows_own_syn_may_come_again(void **state)
{
	(void)state;
	cv_tcp_init(&t, &cold, ISN1 - 1, H, false, 1448);
	c2t(ISN1 - 1, 0, CV_TCP_SYN, 0);
	assert_int_equal(syn_ack(TISN1 - 1, ISN1 - H), CV_TCP_FORWARD);
	assert_int_equal(syn_ack(TISN1 - 1, ISN1 - H), CV_TCP_FORWARD);
	c2t(ISN1, TISN1, CV_TCP_ACK, 0);
	assert_int_equal(syn_ack(TISN1 - 1, ISN1 - H), CV_TCP_FORWARD);
	assert_int_equal(act.ack, ISN1);
	c2t(ISN1, TISN1, CV_TCP_ACK, 10);
	assert_int_equal(syn_ack(TISN1 - 1, ISN1 - H), CV_TCP_FORWARD);
	assert_int_equal(t.state, CV_TCP_ESTABLISHED);
}

/* Below the first answer's number: a header of its own must not name that one's. */
static void last_answer_to_the_syn_counts(void **state)
{
	(void)state;
	cv_tcp_init(&t, &cold, ISN1 - 1, H, false, 1448);
	c2t(ISN1 - 1, 0, CV_TCP_SYN, 0);
	syn_ack(TISN1 - 1, ISN1 - H);
	assert_int_equal(syn_ack(TISN1 - 6001, ISN1 - H), CV_TCP_FORWARD);
	c2t(ISN1, TISN1 - 6000, CV_TCP_ACK, 0);
	assert_int_equal(c2t(ISN1, TISN1 - 6000, CV_TCP_ACK, 1448), CV_TCP_FORWARD);
	assert_int_equal(act.hdr, CV_TCP_HDR_BEFORE);
	assert_int_equal(act.built.ack, TISN1 - 6000);
	assert_int_equal(act.built.wnd, 77);
}

/* RFC 5961: an RST beside the next number is asked about. Its sender may know nothing of it. */
static void sender_of_a_doubtful_reset_is_made_to_speak(void **state)
{
	(void)state;
	open_flow(H);
	c2t(ISN1 + 11, 0, CV_TCP_RST, 0);
	assert_int_equal(t.state, CV_TCP_RESET);
	/* Data is answered as it is. */
	assert_int_equal(t2c(TISN1, ISN1 + 10, CV_TCP_ACK, 5), CV_TCP_FORWARD);
	assert_int_equal(act.seq, TISN1);
	assert_int_equal(t2c(TISN1 + 5, ISN1 + 10, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, TISN1 + 4);
	assert_int_equal(c2t(ISN1 + 10, TISN1 + 5, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.events, CV_TCP_EV_REVIVED);
	assert_int_equal(act.seq, ISN1 + 10);
	assert_true(cv_tcp_is_steady(&t));
	/* The same of the target's. */
	t2c(TISN1 + 6, 0, CV_TCP_RST, 0);
	assert_int_equal(t.state, CV_TCP_RESET);
	assert_int_equal(c2t(ISN1 + 10, TISN1 + 5, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, ISN1 + 9);
	assert_int_equal(t2c(TISN1 + 5, ISN1 + 10, CV_TCP_ACK, 0), CV_TCP_FORWARD);
	assert_int_equal(act.seq, TISN1 + 5);
	assert_true(cv_tcp_is_steady(&t));
}

static void reset_that_is_final_asks_nobody(void **state)
{
	(void)state;
	open_flow(H);
	c2t(ISN1 + 10, 0, CV_TCP_RST, 0);
	t2c(TISN1, 0, CV_TCP_RST, 0);
	t2c(TISN1, ISN1 + 10, CV_TCP_ACK, 0);
	assert_int_equal(act.seq, TISN1);
	assert_true(cv_tcp_is_over(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(target_that_forgot_ends_the_flow_in_every_state),
		cmocka_unit_test(reset_flow_is_over_when_its_target_begins_anew),
		cmocka_unit_test(syn_that_comes_late_or_again_is_like_any_other),
		cmocka_unit_test(syn_with_the_header_s_number_begins_nothing),
		cmocka_unit_test(answers_to_no_syn_end_nothing),
		cmocka_unit_test(answer_to_the_flows_own_syn_may_come_again),
		cmocka_unit_test(last_answer_to_the_syn_counts),
		cmocka_unit_test(sender_of_a_doubtful_reset_is_made_to_speak),
		cmocka_unit_test(reset_that_is_final_asks_nobody),
	};

	return cmocka_run_group_tests_name("tcp_anew", tests, NULL, NULL);
}
