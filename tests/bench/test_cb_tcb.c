/* SPDX-License-Identifier: BSD-3-Clause */

/* One end of the generator's TCP, segment by segment. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cv_tcp.h"

#include "tcb.h"

#define ISS 0xfffffff0u
#define PEER 0xffffff00u

static uint32_t in(struct cb_tcb *t, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t len)
{
	struct cb_seg seg = {seq, ack, len, flags, 0};

	return cb_tcb_in(t, &seg);
}

static struct cb_tcb open_client(void)
{
	struct cb_tcb t;

	cb_tcb_dial(&t, ISS, 0);
	assert_int_equal(in(&t, CV_TCP_SYN | CV_TCP_ACK, PEER, ISS + 1, 0), CB_EV_OPENED);
	assert_int_equal(t.state, CB_OPEN);
	assert_int_equal(t.rcv_nxt, PEER + 1);
	return t;
}

static void only_the_right_answer_opens(void **state)
{
	struct cb_tcb t;

	(void)state;
	cb_tcb_dial(&t, ISS, 0);
	assert_int_equal(in(&t, CV_TCP_SYN | CV_TCP_ACK, PEER, ISS, 0), CB_EV_STRAY);
	assert_int_equal(in(&t, CV_TCP_SYN, PEER, ISS + 1, 0), CB_EV_STRAY);
	assert_int_equal(in(&t, CV_TCP_ACK, PEER, ISS + 1, 0), CB_EV_STRAY);
	assert_int_equal(in(&t, CV_TCP_RST | CV_TCP_ACK, PEER, ISS + 2, 0), CB_EV_STRAY);
	assert_int_equal(in(&t, CV_TCP_RST, PEER, ISS + 1, 0), CB_EV_STRAY);
	assert_int_equal(t.state, CB_SYN_SENT);
	assert_int_equal(in(&t, CV_TCP_RST | CV_TCP_ACK, 0, ISS + 1, 0), CB_EV_RESET);
}

static void resets_count_only_within_the_window(void **state)
{
	struct cb_tcb t = open_client();

	(void)state;
	assert_int_equal(in(&t, CV_TCP_RST, PEER, 0, 0), CB_EV_STRAY);
	assert_int_equal(in(&t, CV_TCP_RST, PEER + 1 + 65536, 0, 0), CB_EV_STRAY);
	assert_int_equal(in(&t, CV_TCP_RST, PEER + 1 + 65535, 0, 0), CB_EV_RESET);
	assert_int_equal(in(&t, CV_TCP_RST, PEER + 1, 0, 0), CB_EV_RESET);
}

static void data_is_taken_in_order_once(void **state)
{
	struct cb_tcb t = open_client();
	struct cb_seg seg;

	(void)state;
	t.flags = 0;
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 11, ISS + 1, 10), CB_EV_EARLY);
	assert_int_equal(t.flags, CB_T_ACK_DUE);
	assert_int_equal(t.rcv_off, 0);
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 1, ISS + 1, 10), CB_EV_DATA);
	assert_int_equal(t.rcv_off, 10);
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 1, ISS + 1, 10), CB_EV_OLD);
	/* Half old, half new, with a FIN. */
	seg = (struct cb_seg){PEER + 6, ISS + 1, 10, CV_TCP_ACK | CV_TCP_FIN, 0};
	assert_int_equal(cb_tcb_in(&t, &seg), CB_EV_DATA | CB_EV_FIN);
	assert_int_equal(seg.skip, 5);
	assert_int_equal(t.rcv_off, 15);
	assert_int_equal(t.rcv_nxt, PEER + 17);
	assert_int_equal(in(&t, CV_TCP_ACK | CV_TCP_FIN, PEER + 16, ISS + 1, 0), CB_EV_OLD);
	assert_int_equal(in(&t, 0, PEER + 17, ISS + 1, 1), CB_EV_STRAY);
	assert_int_equal(in(&t, CV_TCP_SYN | CV_TCP_ACK, PEER, ISS + 1, 0), CB_EV_OLD);
}

static void bare_acknowledgements_are_not_answered(void **state)
{
	struct cb_tcb t = open_client();

	(void)state;
	t.flags = 0;
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 1, ISS + 1, 0), 0);
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 100, ISS + 1, 0), 0);
	assert_int_equal(t.flags, 0);
	/* Unless it is from before: somebody asks whether we live. */
	assert_int_equal(in(&t, CV_TCP_ACK, PEER, ISS + 1, 0), CB_EV_OLD);
	assert_int_equal(t.flags, CB_T_ACK_DUE);
}

static void segments_go_out_within_limit_mss_and_window(void **state)
{
	struct cb_tcb t = open_client();
	struct cb_out out;

	(void)state;
	assert_true(cb_tcb_next(&t, 250, 100, 220, &out));
	assert_int_equal(out.seq, ISS + 1);
	assert_int_equal(out.off, 0);
	assert_int_equal(out.len, 100);
	assert_true(cb_tcb_next(&t, 250, 100, 220, &out));
	assert_true(cb_tcb_next(&t, 250, 100, 220, &out));
	assert_int_equal(out.off, 200);
	assert_int_equal(out.len, 20);
	assert_false(cb_tcb_next(&t, 250, 100, 220, &out));
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 1, ISS + 101, 0), CB_EV_ACKED);
	assert_int_equal(t.flight, 120);
	assert_true(cb_tcb_next(&t, 250, 100, 220, &out));
	assert_int_equal(out.len, 30);
	assert_false(out.fin);
	assert_false(cb_tcb_next(&t, 250, 100, 220, &out));
	t.flags |= CB_T_CLOSING;
	assert_true(cb_tcb_next(&t, 250, 100, 220, &out));
	assert_true(out.fin && out.len == 0);
	assert_false(cb_tcb_next(&t, 250, 100, 220, &out));
	assert_int_equal(t.flight, 151);
}

static void a_fin_goes_with_the_last_bytes(void **state)
{
	struct cb_tcb t = open_client();
	struct cb_out out;

	(void)state;
	t.flags |= CB_T_CLOSING;
	assert_true(cb_tcb_next(&t, 150, 100, 1000, &out));
	assert_false(out.fin);
	assert_true(cb_tcb_next(&t, 150, 100, 1000, &out));
	assert_true(out.fin && out.len == 50);
	assert_false(cb_tcb_is_done(&t));
	assert_int_equal(in(&t, CV_TCP_ACK | CV_TCP_FIN, PEER + 1, ISS + 152, 0),
			 CB_EV_ACKED | CB_EV_FIN);
	assert_true(cb_tcb_is_done(&t));
}

static void endless_streams_go_in_full_segments(void **state)
{
	struct cb_tcb t = open_client();
	struct cb_out out;

	(void)state;
	t.flags |= CB_T_CLOSING;
	assert_true(cb_tcb_next(&t, CB_FOREVER, 100, 250, &out));
	assert_true(cb_tcb_next(&t, CB_FOREVER, 100, 250, &out));
	assert_int_equal(out.len, 100);
	assert_false(out.fin);
	assert_false(cb_tcb_next(&t, CB_FOREVER, 100, 250, &out));
}

static void acknowledgements_of_what_was_not_sent_are_stray(void **state)
{
	struct cb_tcb t = open_client();
	struct cb_out out;

	(void)state;
	assert_true(cb_tcb_next(&t, 100, 100, 1000, &out));
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 1, ISS + 102, 0), CB_EV_STRAY);
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 1, ISS, 0), 0);
	assert_int_equal(t.flight, 100);
}

static void going_back_sends_again_what_is_not_acknowledged(void **state)
{
	struct cb_tcb t = open_client();
	struct cb_out out;

	(void)state;
	t.flags |= CB_T_CLOSING;
	while (cb_tcb_next(&t, 250, 100, 1000, &out))
		;
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 1, ISS + 101, 0), CB_EV_ACKED);
	assert_true(cb_tcb_back(&t, 5));
	assert_int_equal(t.stamp, 5);
	assert_true(cb_tcb_next(&t, 250, 100, 1000, &out));
	assert_int_equal(out.off, 100);
	/* The peer had all of it, the FIN too: nothing more is sent. */
	assert_int_equal(in(&t, CV_TCP_ACK, PEER + 1, ISS + 252, 0), CB_EV_ACKED);
	assert_int_equal(t.flight, 0);
	assert_int_equal(cb_tcb_off(&t), 251);
	assert_false(cb_tcb_next(&t, 250, 100, 1000, &out));
	t.flags |= CB_T_FIN_IN;
	assert_true(cb_tcb_is_done(&t));
}

static void retries_double_the_wait_and_end(void **state)
{
	struct cb_tcb t;
	uint16_t tick = 65500;

	(void)state;
	cb_tcb_dial(&t, ISS, tick);
	for (uint32_t n = 0; n < CB_RETRIES_MAX; n++) {
		uint16_t wait = (uint16_t)(10u << (n < 4 ? n : 4));

		assert_false(cb_tcb_is_late(&t, (uint16_t)(tick + wait), 10));
		assert_true(cb_tcb_is_late(&t, (uint16_t)(tick + wait + 1), 10));
		tick = (uint16_t)(tick + wait + 1);
		assert_true(cb_tcb_back(&t, tick));
		assert_int_equal(t.state, CB_SYN_SENT);
	}
	assert_false(cb_tcb_back(&t, tick));
	assert_int_equal(in(&t, CV_TCP_SYN | CV_TCP_ACK, PEER, ISS + 1, 0), CB_EV_OPENED);
	assert_int_equal(t.retries, 0);
	assert_false(cb_tcb_is_late(&t, (uint16_t)(tick + 1000), 10));
	assert_false(cb_tcb_is_dead(&t, (uint16_t)(tick + 1280), 10));
	assert_true(cb_tcb_is_dead(&t, (uint16_t)(tick + 1281), 10));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_right_answer_opens),
		cmocka_unit_test(resets_count_only_within_the_window),
		cmocka_unit_test(data_is_taken_in_order_once),
		cmocka_unit_test(bare_acknowledgements_are_not_answered),
		cmocka_unit_test(segments_go_out_within_limit_mss_and_window),
		cmocka_unit_test(a_fin_goes_with_the_last_bytes),
		cmocka_unit_test(endless_streams_go_in_full_segments),
		cmocka_unit_test(acknowledgements_of_what_was_not_sent_are_stray),
		cmocka_unit_test(going_back_sends_again_what_is_not_acknowledged),
		cmocka_unit_test(retries_double_the_wait_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
