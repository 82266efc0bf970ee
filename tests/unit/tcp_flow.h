/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * One flow, and segments to it as seen before culvert changes them, for tests of lib/tcp.
 */

#include "cv_tcp_hot.h"

#define H 100
#define ISN1 50u /**< so that the header's numbers wrap */
#define TISN1 9000u

static struct cv_tcp t;
static struct cv_tcp_cold cold;
static struct cv_tcp_act act;

static inline enum cv_tcp_verdict c2t(uint32_t seq, uint32_t ack, uint8_t flags, uint16_t len)
{
	struct cv_tcp_seg seg = {
		.seq = seq, .ack = ack, .wnd = 77, .payload_len = len, .flags = flags};

	return cv_tcp_c2t(&t, &cold, &seg, &act);
}

static inline enum cv_tcp_verdict t2c(uint32_t seq, uint32_t ack, uint8_t flags, uint16_t len)
{
	struct cv_tcp_seg seg = {
		.seq = seq, .ack = ack, .wnd = 88, .payload_len = len, .flags = flags};

	return cv_tcp_t2c(&t, &cold, &seg, &act);
}
