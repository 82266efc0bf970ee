/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The kernel's TCP and UDP on our own addresses: health checks and the DNS responder use ordinary
 * sockets there.
 *
 * Each VPC that needs it has a network namespace of its own with one TUN device, which carries our
 * addresses. The namespaces have no name: whatever ends the process ends them. A thread of this module
 * makes them and carries packets between the devices and the workers' rings; it finds the MAC of the
 * next hop, so the kernel knows neither ARP nor routes. Without the privilege to make namespaces
 * everything else goes on; cv_host_infos_get() and the log say why.
 *
 * @threads as each function says
 */

#include <stdint.h>

#include "cv_net.h"
#include "cv_pkt_ring.h"
#include "cv_view.h"

/** Bytes that hold a VPC's name, a path or the text of an error, cut if longer, with the final NUL. */
#define CV_HOST_TEXT_LEN 128

/** What the module works with. Nothing is kept but the rings and the neighbour words. */
struct cv_host_cfg {
	unsigned int n_workers;
	/** Shape [n_workers]: packets for the kernel; their MAC is the sender's. */
	struct cv_pkt_ring *const *ups;
	/** Shape [n_workers]: packets of the kernel; their MAC is the next hop's. */
	struct cv_pkt_ring *const *downs;
	const cv_neigh_t *neigh; /**< by neighbour slot, written by control */
};

/** How to reach an address that sockets may dial. */
struct cv_host_peer {
	cv_be32_t ip;
	uint32_t neigh; /**< slot of the next hop */
};

/** A VPC that needs a namespace. Arrays stay the caller's. */
struct cv_host_vpc {
	uint16_t slot;
	uint16_t mtu;
	const char *name;
	const cv_be32_t *addrs; /**< our addresses, shape [n_addrs] */
	uint32_t n_addrs;
	/** Ports that sockets do not get unless they ask: listeners. Host order, shape [n_reserved]. */
	const uint16_t *reserved;
	uint32_t n_reserved;
	/** Shape [n_peers]. Others are answered at the MAC that they sent from. */
	const struct cv_host_peer *peers;
	uint32_t n_peers;
};

/** Ports, host order, inclusive; first > last: none. */
struct cv_host_ports {
	uint16_t first, last;
};

/** All namespaces that are needed. */
struct cv_host_want {
	const struct cv_host_vpc *vpcs; /**< shape [n_vpcs], no slot twice */
	uint32_t n_vpcs;
	struct cv_host_ports ports; /**< that sockets get when they ask for none */
};

struct cv_host;

/**
 * The ports that the kernel may use on our addresses beside those towards targets: the longer of the two
 * stretches from 1024 on that SNAT leaves free.
 *
 * @param snat_first  first SNAT port, host order
 * @param n_snat      SNAT ports
 * @return first > last if SNAT leaves none
 */
struct cv_host_ports cv_host_ports_get(uint16_t snat_first, uint32_t n_snat);

/**
 * Make the module. Nothing runs and nothing is made in the kernel until a namespace is wanted.
 *
 * @param[out] ret_host  untouched on failure
 * @return 0, -ENOMEM, or -EMFILE (no descriptor is free)
 * @owner  caller; cv_host_destroy(). The rings must be there until cv_host_stop().
 * @threads control
 */
int cv_host_create(const struct cv_host_cfg *cfg, struct cv_host **ret_host);

/**
 * Stop for good: the thread ends, the rings are used no more, the namespaces are gone but for sockets in
 * them, which stay their users'. NULL is fine.
 *
 * @threads control
 */
void cv_host_stop(struct cv_host *host);

/** Stop, and free it. NULL is fine. */
void cv_host_destroy(struct cv_host *host);

/**
 * Say which namespaces are needed and what they carry. What is the same stays as it is. Made by the
 * module's thread afterwards: cv_host_socket() says -EAGAIN until then.
 *
 * @return 0; on failure nothing changes: -ENOMEM, or -EAGAIN (the thread cannot be started)
 * @threads control
 */
int cv_host_sync(struct cv_host *host, const struct cv_host_want *want);

/**
 * A socket in a VPC's namespace. Bind it to one of our addresses there, port 0 for one of its own; a TCP
 * socket that connects then shares ports with those that connect elsewhere.
 *
 * @param vpc       VPC slot
 * @param domain    as socket(2)
 * @param type      likewise; SOCK_CLOEXEC and SOCK_NONBLOCK are not implied
 * @param protocol  likewise
 * @return descriptor, or
 *   -ENOENT  the VPC needs no namespace
 *   -EAGAIN  it is being made: ask again
 *   what kept the namespace from being made, or socket(2) from succeeding: -EPERM, -EMFILE, ...
 * @owner  caller; close()
 * @threads any
 */
int cv_host_socket(struct cv_host *host, uint16_t vpc, int domain, int type, int protocol);

/** How a namespace stands. */
enum cv_host_state {
	CV_HOST_MAKING, /**< wanted, not made yet */
	CV_HOST_UP,
	CV_HOST_FAILED, /**< tried again from time to time */
};

/** What one VPC's namespace does. Packets and drops since it was made. */
struct cv_host_info {
	uint16_t slot;
	uint16_t mtu;
	enum cv_host_state state;
	uint32_t n_addrs;
	uint32_t n_peers;
	char name[CV_HOST_TEXT_LEN];    /**< the VPC's */
	char path[CV_HOST_TEXT_LEN];    /**< the namespace, for nsenter(1); "" until made */
	char text[CV_HOST_TEXT_LEN];    /**< CV_HOST_FAILED: why; else "" */
	uint64_t up_pkts, up_bytes;     /**< given to the kernel */
	uint64_t down_pkts, down_bytes; /**< taken from the kernel */
	uint64_t up_unasked;            /**< dropped: segments from where no socket has sent to */
	uint64_t up_refused;            /**< dropped: the kernel did not take them */
	uint64_t down_no_mac;           /**< dropped: the next hop's MAC is not known */
	uint64_t down_full;             /**< dropped: the worker's ring was full */
	uint64_t down_foreign;          /**< dropped: not IPv4, or too long */
};

/**
 * Look at all namespaces.
 *
 * @param[out] ret_infos  shape [*ret_n], by slot; NULL for none
 * @param[out] ret_ports  as cv_host_sync() was told
 * @return 0, or -ENOMEM
 * @owner  caller; free()
 * @threads any
 */
int cv_host_infos_get(struct cv_host *host, struct cv_host_info **ret_infos, uint32_t *ret_n,
		      struct cv_host_ports *ret_ports);

/** The word for a state: `making`, `up`, `failed`. */
const char *cv_host_state_str(enum cv_host_state state);
