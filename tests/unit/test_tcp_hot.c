/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cv_tcp_hot.h"
#include "cv_tcp_opts.h"

/* One combination of what a client's segment, its flow and its options can be. */
static struct cv_tcp_seg first_data_seg(unsigned int i, uint8_t opts_len)
{
	static const uint8_t flags[] = {CV_TCP_ACK,
					CV_TCP_ACK | CV_TCP_PSH,
					CV_TCP_ACK | CV_TCP_FIN,
					CV_TCP_ACK | CV_TCP_URG,
					CV_TCP_RST,
					CV_TCP_SYN,
					CV_TCP_PSH};
	static const uint16_t lens[] = {0, 1, 1348, 1349, 1360, 1361};

	return (struct cv_tcp_seg){
		.seq = 49 + i % 3,
		.ack = 999 + i / 3 % 3,
		.wnd = 77,
		.payload_len = lens[i / 9 % 6],
		.flags = flags[i / 54 % 7],
		.opts_len = opts_len,
	};
}

static void first_data_agrees_with_the_whole_way(void **state)
{
	static const struct {
		uint8_t bytes[16];
		uint8_t len;
	} opts[] = {
		{{0}, 0},
		{{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}, 12},
		{{1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8}, 12},
		{{1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2}, 12},
		{{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 1, 1}, 16},
	};
	unsigned int taken = 0;

	(void)state;
	for (unsigned int i = 0; i < 3 * 3 * 6 * 7 * CV_TCP_STATE_N * 16 * 5; i++) {
		unsigned int o = i % 5, bits = i / 5 % 16, s = i / 80 % CV_TCP_STATE_N;
		struct cv_tcp a = {.isn1 = 50, .hdr_len = 100, .state = (uint8_t)s};
		struct cv_tcp_cold c = {.ack_c = 1000, .ts_val = 5, .ts_ecr = 6, .mss = 1460};
		struct cv_tcp_seg seg = first_data_seg(i / 80 / CV_TCP_STATE_N, opts[o].len);
		struct cv_tcp b, before;
		struct cv_tcp_cold d = c, cold_before = c;
		struct cv_tcp_opts parsed;
		struct cv_tcp_act did;

		a.flags = (uint8_t)bits;
		before = b = a;
		if (!cv_tcp_first_data(&a, &c, &seg, opts[o].bytes)) {
			assert_memory_equal(&a, &before, sizeof(a));
			assert_memory_equal(&c, &cold_before, sizeof(c));
			continue;
		}
		taken++;
		if (cv_tcp_opts_parse(opts[o].bytes, seg.opts_len, &parsed) == 0)
			seg.opts = &parsed;
		assert_int_equal(cv_tcp_c2t(&b, &d, &seg, &did), CV_TCP_FORWARD);
		assert_memory_equal(&a, &b, sizeof(a));
		assert_memory_equal(&c, &d, sizeof(c));
		assert_int_equal(did.seq, seg.seq - 100);
		assert_int_equal(did.ack, seg.ack);
		assert_int_equal(did.hdr, CV_TCP_HDR_IN_SEGMENT);
		assert_int_equal(did.edit | did.trim, 0);
		assert_int_equal(did.events, CV_TCP_EV_HDR_SENT);
	}
	/*
	 * At isn1; three ACKs; with or without PSH; header unsent, with or without RESENT; of 1, 1348,
	 * 1349 and 1360 bytes those that fit: four without options, two with either timestamp.
	 */
	assert_int_equal(taken, 3 * 2 * 2 * (4 + 2 + 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_data_agrees_with_the_whole_way),
	};

	return cmocka_run_group_tests_name("tcp_hot", tests, NULL, NULL);
}
