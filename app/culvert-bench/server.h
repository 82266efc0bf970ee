/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The server side: answers SYNs without keeping anything (the sequence number of the answer proves the
 * handshake), reads PROXY headers and requests, responds, probes.
 */

#include "side.h"
#include "table.h"

/** Hash places for what servers listen on; more than twice as many as there may be. */
#define CB_LISTEN_LEN 1024
/** MACs of peers. */
#define CB_MACS_MAX 256

/** All servers. Written by their worker; control reads counters. */
struct cb_server {
	struct cb_side s;
	struct cb_table table;
	uint16_t listen[CB_LISTEN_LEN]; /**< index of a server + 1, by cb_server_listen_hash() */
	struct cb_tmpl tmpls[CB_MACS_MAX];
	uint32_t n_macs, last_mac;
	uint64_t cookie_key;
	enum cb_phase phase;
	bool probe;
	uint32_t n_closed;
	struct cb_sflow *touched[CB_BURST];
	uint32_t n_touched;
};

/** Make the servers. @return 0 or -ENOMEM */
int cb_server_init(struct cb_server *server, const struct cb_world *world, struct cv_io *io,
		   uint16_t port);
/** Free what they hold. */
void cb_server_fini(struct cb_server *server);

/** Change the phase. */
void cb_server_command(struct cb_server *server, const struct cb_cmd *cmd);
/** Take a burst in; the caller frees the packets. */
void cb_server_rx(struct cb_server *server, struct rte_mbuf **pkts, uint16_t n);
/** Do what is due. */
void cb_server_tick(struct cb_server *server);

/* ---- for server_tx.c, server_data.c and server.c only ---- */

/** Addresses of a server's packets to a flow's peer. */
static inline struct cb_ends cb_server_ends(const struct cb_server *s, const struct cb_sflow *f)
{
	const struct cb_addr *local = &s->s.world->opts->servers.at[f->local];

	return (struct cb_ends){local->ip, f->peer_ip, local->port, f->peer_port};
}

/** Send what a flow has to send: data, FIN, or a bare acknowledgement. */
void cb_server_push(struct cb_server *server, struct cb_sflow *f);
/** Read what continues a flow's stream: PROXY header, who the client is, request. */
void cb_server_read(struct cb_server *server, struct cb_sflow *f, const uint8_t *data,
		    uint32_t len);
