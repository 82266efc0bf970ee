/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The client side: opens flows, sends requests, probes, floods.
 */

#include "side.h"

/** A flow of the clients. Its address, port and dial follow from the id. */
struct cb_cflow {
	struct cb_tcb t;
	uint32_t id;
	uint64_t sent; /**< TSC of the SYN or the request */
};

_Static_assert(sizeof(struct cb_cflow) == 32, "two to a cache line");

/** All clients. Written by their worker; control reads what is marked. */
struct cb_client {
	struct cb_side s;
	struct cb_cflow *flows; /**< shape [mask + 1], by id */
	uint32_t mask;
	uint32_t n_max;    /**< flows open at once */
	uint32_t n_active; /**< control reads */
	uint32_t next_id;
	uint32_t n_begun;  /**< in CB_OPEN_FLOWS; control reads */
	uint32_t n_closed; /**< in CB_CLOSE: slots done; control reads */
	bool resolved;     /**< every MAC is known; control reads */
	enum cb_phase phase;
	bool connect, probe, flood;
	struct cb_pace open_pace, flood_pace, arp_pace;
	struct cb_tmpl *tmpls; /**< shape [n_dials] */
	bool *known;           /**< shape [n_dials]: the MAC is */
	struct cb_cflow *touched[CB_BURST];
	uint32_t n_touched;
	struct cb_hist connect_time, response_time;
};

/** Make the clients. @return 0 or -ENOMEM */
int cb_client_init(struct cb_client *client, const struct cb_world *world, struct cv_io *io,
		   uint16_t port);
/** Free what they hold. */
void cb_client_fini(struct cb_client *client);

/** Change the phase. */
void cb_client_command(struct cb_client *client, const struct cb_cmd *cmd);
/** Take a burst in; the caller frees the packets. */
void cb_client_rx(struct cb_client *client, struct rte_mbuf **pkts, uint16_t n);
/** Do what is due. */
void cb_client_tick(struct cb_client *client);

/* ---- for client_tx.c and client.c only ---- */

/** Begin a connection with the next free id. @return false if there is none */
bool cb_client_dial(struct cb_client *client);
/** Send what a flow has to send: data, FIN, or a bare acknowledgement. */
void cb_client_push(struct cb_client *client, struct cb_cflow *f);
/** Send a flow's SYN. */
void cb_client_send_syn(struct cb_client *client, struct cb_cflow *f);
/** Send a segment without payload. */
void cb_client_send_flags(struct cb_client *client, const struct cb_cflow *f, uint8_t flags,
			  uint32_t seq);
/** Forget a flow. */
void cb_client_free(struct cb_client *client, struct cb_cflow *f);
/** Addresses of a client's packets. */
static inline struct cb_ends cb_client_ends(const struct cb_client *c, uint32_t id, uint32_t dial)
{
	const struct cb_plan *p = &c->s.world->plan;

	return (struct cb_ends){cb_plan_ip(p, id), p->dials[dial].ip, cb_plan_port(p, id),
				p->dials[dial].port};
}
