/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Conversations for tests of the packet core: a client and a target that speak through a world.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_flow.h"
#include "world.h"

#define H CV_PPV2_AWS_LEN
#define ISN 1000000u
#define TISN 5000000u
#define F_SYN CV_TCP_SYN
#define F_ACK CV_TCP_ACK
#define F_FIN (CV_TCP_FIN | CV_TCP_ACK)
#define F_PSH (CV_TCP_PSH | CV_TCP_ACK)

extern const uint8_t CLIENT_MAC[6];
extern const uint8_t TARGET_MAC[6];

/** One conversation as its two ends see it. */
struct talk {
	struct world *w;
	unsigned int vpc;
	cv_be32_t client, eni;
	uint16_t cport, dport;
	uint32_t cseq, cack; /* client's next sequence number and ACK */
	uint32_t tseq;       /* target's next sequence number */
	uint16_t nport;      /* SNAT port, once seen */
	cv_be32_t node;
};

/** A conversation from CLIENT_IP by ENI_A in VPC_A. */
struct talk talk(struct world *w, uint16_t cport, uint16_t dport);

/** The client's next segment; does not count it. */
struct seg client_seg(const struct talk *t, uint8_t flags, const char *payload);

/** The target's next segment; does not count it. */
struct seg target_seg(const struct talk *t, uint32_t ack, uint8_t flags, const char *payload);

/** Port that the client is behind. */
uint16_t port_of(const struct talk *t);

/** Send a segment by a worker; what comes out is in w->out. */
void send_by(struct world *w, unsigned int worker, uint16_t port, const struct seg *s);

/** Sends and returns the one segment that comes out. */
struct seg one(struct world *w, uint16_t port, const struct seg *s);

/** Send a segment that must be dropped for a reason. */
void none(struct world *w, uint16_t port, const struct seg *s, enum cv_drop reason);

/** Send the client's next segment and count it. @return what the target gets */
struct seg c2t(struct talk *t, uint8_t flags, const char *payload);

/** Send the target's next segment and count it. @return what the client gets */
struct seg t2c(struct talk *t, uint32_t ack, uint8_t flags, const char *payload);

/** SYN and SYN-ACK. @param h header bytes that the target does not know of yet */
void dial(struct talk *t, uint32_t h);

/** The same between ends that announce an MSS. */
void dial_mss(struct talk *t, uint32_t h, uint16_t mss);

/** A whole handshake without PROXY. */
void open_plain(struct talk *t);

/** A flow with PROXY on, its header sent with "hi" and acknowledged. */
void open_proxy(struct talk *t);

/** Check PROXY header bytes. @param vpce endpoint id, NULL for none */
void want_header(const uint8_t *bytes, const struct talk *t, const char *vpce);
