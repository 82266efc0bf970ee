/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * An interface shared with the host: an XDP program on it sends the frames to our addresses to the AF_XDP
 * sockets of our port, and leaves all others to the kernel. The only caller of libbpf.
 *
 * Order of a port's life: cv_steer_create() before the port's AF_XDP sockets are made, which join the
 * program by themselves; cv_steer_sync() with each change of our addresses; cv_steer_destroy() after the
 * sockets are closed. The kernel takes the program off the interface when the process ends, however it ends.
 *
 * @threads control; nothing is shared
 * @source  linux Documentation/networking/af_xdp.rst; libxdp README.org ("Using AF_XDP sockets")
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_base.h"
#include "cv_net.h"

struct cv_steer;

/** One of our addresses: IPv4 to it, ARP that asks for it or answers it. */
struct cv_steer_addr {
	cv_be32_t ip;
	uint16_t vlan;  /**< VLAN id; 0: untagged */
	uint8_t mac[6]; /**< frames to the address with another destination are the host's */
};

/**
 * Put the program on an interface. Until cv_steer_sync() every frame is the kernel's.
 *
 * @param      iface        name of a network interface
 * @param      path         path in the configuration, for errs
 * @param      n_addrs_max  addresses that there may be at most, at least 1
 * @param[out] errs         why not, for people
 * @param[out] ret_steer    untouched on failure
 * @return 0, or with errs filled
 *   -ENODEV  there is no such interface
 *   -EPERM   a capability is missing
 *   -EBUSY   another program is on the interface
 *   -ENOMEM  memory, or memory that may be locked, ran out
 *   -ENOTSUP the kernel lacks something
 * @owner  caller; cv_steer_destroy()
 */
int cv_steer_create(const char *iface, const char *path, uint32_t n_addrs_max, struct cv_errs *errs,
		    struct cv_steer **ret_steer);

/** Take the program off its interface and free it. NULL is fine. */
void cv_steer_destroy(struct cv_steer *steer);

/**
 * Make these our addresses: first those that are new are added, then those that are gone removed, while
 * the rest stays as it is.
 *
 * @param addrs  shape [n], any order; of equals any one counts
 * @return 0, or with as much done as could be
 *   -ENOSPC  more than n_addrs_max
 *   -ENOMEM  memory ran out
 */
int cv_steer_sync(struct cv_steer *steer, const struct cv_steer_addr *addrs, uint32_t n);

/** What the program has done so far, all CPUs together. */
struct cv_steer_counts {
	uint64_t ipv4, arp, vxlan; /**< to our sockets */
	uint64_t host;             /**< to the kernel */
	uint64_t deaf;             /**< ours, but to the kernel: nobody listens on its queue */
};

/** How it stands. */
struct cv_steer_info {
	const char *iface; /**< valid as long as the steer */
	bool native;       /**< in the driver; false: generic, in the kernel's network stack */
	uint32_t n_addrs, n_addrs_max;
	struct cv_steer_counts counts;
};

/** How it stands. */
void cv_steer_info(const struct cv_steer *steer, struct cv_steer_info *ret_info);

/** Our addresses as last entered, sorted by VLAN. @param[out] ret_n their number @return shape [*ret_n] */
const struct cv_steer_addr *cv_steer_addrs(const struct cv_steer *steer, uint32_t *ret_n);
