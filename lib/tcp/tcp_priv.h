/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the state machine (tcp.c) and the splice (tcp_splice.c) share.
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_tcp.h"

/** What a segment is to the state machine: C_ from the client, T_ from the target. */
enum cv_tcp_input {
	CV_TCP_IN_C_SYN,
	CV_TCP_IN_C_ACK, /**< ACK without SYN, FIN, RST; with or without payload */
	CV_TCP_IN_C_FIN,
	CV_TCP_IN_C_RST,
	CV_TCP_IN_T_SYNACK,
	CV_TCP_IN_T_ACK,
	CV_TCP_IN_T_FIN,
	CV_TCP_IN_T_RST,
	CV_TCP_IN_N, /**< a combination of flags that means nothing */
};

/** Sequence number of the header's first byte. */
static inline uint32_t cv_tcp_hdr_seq(const struct cv_tcp *t)
{
	return t->isn1 - t->hdr_len;
}

/**
 * Place a segment of the client (no SYN) while the header is unacknowledged.
 *
 * @return CV_TCP_FORWARD with act set, or CV_TCP_DROP_SPLICE with t untouched
 */
enum cv_tcp_verdict cv_tcp_splice_c2t(struct cv_tcp *t, struct cv_tcp_cold *c,
				      const struct cv_tcp_seg *seg, struct cv_tcp_act *act);

/**
 * Translate the acknowledgement of a segment of the target, which has CV_TCP_ACK set; take note
 * if it acknowledges the header, and send that again if it does not.
 *
 * @return CV_TCP_FORWARD with act set, or CV_TCP_DROP_SPLICE: it acknowledges what was never sent
 */
enum cv_tcp_verdict cv_tcp_splice_t2c(struct cv_tcp *t, const struct cv_tcp_cold *c,
				      const struct cv_tcp_seg *seg, struct cv_tcp_act *act);
