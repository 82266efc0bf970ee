/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * One end of a TCP connection, as little as makes a load generator honest: in-order receive, a fixed
 * window, go-back-N after a timeout. Streams are functions of their offset, so nothing is kept to send
 * it again. Pure: packets and time belong to the caller.
 */

#include <stdbool.h>
#include <stdint.h>

/** States. An end of the server's begins open: its SYN-ACK needs no state. */
enum cb_state { CB_FREE, CB_SYN_SENT, CB_OPEN };

/** Flags of struct cb_tcb. */
enum {
	CB_T_CLOSING = 0x01, /**< a FIN follows the stream */
	CB_T_FIN_OUT = 0x02, /**< the FIN is sent */
	CB_T_FIN_IN = 0x04,  /**< the peer's FIN was received */
	CB_T_ACK_DUE = 0x08, /**< the peer waits for an acknowledgement */
	CB_T_READY = 0x10,   /**< what opens a flow (request, response) is over */
	CB_T_TOUCHED = 0x20, /**< in the list of flows that this burst touched */
	CB_T_HEADER = 0x40,  /**< servers: the start of the stream was looked at */
	CB_T_ASKED = 0x40,   /**< clients: asked for a sign of life, nothing came since */
	CB_T_IDENT =
		0x80, /**< servers: the client said who it is; clients: that was acknowledged */
};

/** A connection's end. */
struct cb_tcb {
	uint32_t iss;
	uint32_t snd_nxt;
	uint32_t rcv_nxt;
	uint16_t flight;  /**< sequence numbers sent and not acknowledged */
	uint16_t rcv_off; /**< offset in the peer's stream, modulo 2^16 */
	uint16_t stamp;   /**< tick of the last progress */
	uint8_t state : 4;
	uint8_t retries : 4;
	uint8_t flags;
};

_Static_assert(sizeof(struct cb_tcb) == 20, "two thirds of a flow");

/** A stream without end. */
#define CB_FOREVER UINT32_MAX
/** Retransmissions before a connection counts as failed. */
#define CB_RETRIES_MAX 6

/** A received segment, host order. */
struct cb_seg {
	uint32_t seq, ack;
	uint16_t len;  /**< bytes of payload */
	uint8_t flags; /**< of the TCP header */
	uint16_t skip; /**< out: bytes at its start that are old */
};

/** What a segment was: bits. */
enum {
	CB_EV_OPENED = 0x01, /**< the handshake is complete */
	CB_EV_DATA = 0x02,   /**< payload from seg.skip on continues the stream */
	CB_EV_ACKED = 0x04,  /**< something was acknowledged */
	CB_EV_FIN = 0x08,    /**< the peer has no more to say */
	CB_EV_RESET = 0x10,
	CB_EV_STRAY = 0x20, /**< fits nothing */
	CB_EV_OLD = 0x40,   /**< was received before, or is a sign of life */
	CB_EV_EARLY = 0x80, /**< something before it is missing */
};

/** Take a segment in. @return CB_EV_* bits */
uint32_t cb_tcb_in(struct cb_tcb *t, struct cb_seg *seg);

/** A segment to send. */
struct cb_out {
	uint32_t seq, off; /**< off: offset in our stream */
	uint16_t len;
	bool fin;
};

/**
 * Take the next segment out.
 *
 * @param limit    length of our stream so far; CB_FOREVER
 * @param mss      bytes of payload at most
 * @param window   bytes under way at most
 * @return false if there is nothing to send, or the window is full
 */
bool cb_tcb_next(struct cb_tcb *t, uint32_t limit, uint16_t mss, uint16_t window,
		 struct cb_out *ret_out);

/** Begin as a client: the caller sends a SYN with seq = iss, and again after each cb_tcb_back(). */
void cb_tcb_dial(struct cb_tcb *t, uint32_t iss, uint16_t tick);

/** Begin as a server, at the client's first acknowledgement of our SYN-ACK. */
void cb_tcb_accept(struct cb_tcb *t, uint32_t iss, uint32_t rcv_nxt, uint16_t tick);

/** Tell whether what is under way has waited too long; the wait doubles with each retry. */
static inline bool cb_tcb_is_late(const struct cb_tcb *t, uint16_t tick, uint32_t rto)
{
	uint32_t wait = rto << (t->retries < 4 ? t->retries : 4);

	return t->flight != 0 && (uint16_t)(tick - t->stamp) > (wait < 0x7fff ? wait : 0x7fff);
}

/** Tell whether a short connection stood still for longer than any retransmission takes. */
static inline bool cb_tcb_is_dead(const struct cb_tcb *t, uint16_t tick, uint32_t rto)
{
	uint32_t wait = rto << 7;

	return (uint16_t)(tick - t->stamp) > (wait < 0x7fff ? wait : 0x7fff);
}

/** Go back to the first byte that is not acknowledged. @return false after too many times */
bool cb_tcb_back(struct cb_tcb *t, uint16_t tick);

/** Tell whether both sides closed and know it of each other. */
static inline bool cb_tcb_is_done(const struct cb_tcb *t)
{
	const uint8_t both = CB_T_FIN_OUT | CB_T_FIN_IN;

	return (t->flags & both) == both && t->flight == 0;
}

/** Offset of our stream that goes out next. */
static inline uint32_t cb_tcb_off(const struct cb_tcb *t)
{
	return t->snd_nxt - t->iss - 1;
}
