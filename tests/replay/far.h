/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Frames in VXLAN for tests of the packet core, and conversations through tunnels: of a client in VPC_B, on
 * VLAN 9 of port 0, and of a target in VPC_P, on port 1 untagged. See world_cfg.vxlan.
 */

#include "talk.h"

/** Source MACs of PEER_0 and PEER_1. */
extern const uint8_t PEER_MACS[2][6];

/** Outer headers in words. Ports and lengths in host order. */
struct outer {
	uint16_t port, vlan, sport, dport;
	uint8_t dst_mac[6], src_mac[6];
	cv_be32_t src, dst;
	uint8_t tos, ttl, flags;
	bool dont_fragment, has_csum;
	uint32_t vni;
	const uint8_t *frame;
	uint16_t len;
};

/** A conversation, and what its two ends are wrapped in. */
struct far_talk {
	struct talk t;
	struct outer client, target;
	unsigned int worker;
};

/** Two bytes of a packet in host order. */
uint16_t get16(const uint8_t *p);
void put16(uint8_t *p, unsigned int value);

/** Fill the checksum of an IP header without options. */
void ip_csum(uint8_t *ip);

/** Wrap a frame. @return bytes */
uint16_t wrap(const struct outer *o, uint8_t *buf);

/** Read a wrapped frame; fails the test if it is none or a length or checksum is wrong. */
struct outer unwrap(const struct world_frame *f);

/** What comes to us from a VTEP. @param vpc VPC_B or VPC_P */
struct outer from(const struct world *w, unsigned int vpc);

/** Wrap a frame, and hand it to a worker. What comes out is in w->out. */
void put(struct world *w, unsigned int worker, struct outer *o, const uint8_t *frame, uint16_t len);

/** The same of a segment. */
void put_seg(struct world *w, unsigned int worker, struct outer *o, const struct seg *s);

/** The one frame that came out. @param[out] ret_seg the segment in it */
struct outer got(const struct world *w, struct seg *ret_seg);

/** Check that a frame goes back to where another came from. @param vpc VPC_B or VPC_P */
void is_towards(const struct outer *o, unsigned int vpc, const struct outer *back);

/** A conversation from VPC_B. */
struct far_talk far_talk(struct world *w, uint16_t dport);

/** Send the client's next segment and count it. @return what the target gets */
struct seg far_c2t(struct far_talk *f, uint8_t flags, const char *payload);

/** Send the target's next segment and count it. @return what the client gets */
struct seg far_t2c(struct far_talk *f, uint32_t ack, uint8_t flags, const char *payload);

/** A whole handshake. @param h header bytes that the target does not know of yet */
struct far_talk far_open(struct world *w, uint16_t dport, uint32_t h);

/** Write a broadcast ARP packet. @param[out] frame shape [60] @param op 1: request, 2: reply */
void arp_fill(uint8_t *frame, uint16_t op, const uint8_t *mac, cv_be32_t sip, cv_be32_t tip);
