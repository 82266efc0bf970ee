/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside of the kernel's TCP: what is wanted, what there is, and the thread between them.
 *
 * @threads struct host_ns belongs to the thread; fields that others read are written under the lock
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "cv_host.h"

/** Ports in the text of ip_local_reserved_ports: each with a comma; and the final NUL. */
#define HOST_PORT_TEXT_LEN 6
/** Senders kept per namespace: sets, and places in each. One more takes the oldest's place of its set. */
#define HOST_SENDER_SETS 4096
#define HOST_SENDER_WAYS 4

/* ---- host_spec.c: what is wanted of one namespace ---- */

/** A copy of struct cv_host_vpc, in the forms that are needed. */
struct host_spec {
	uint16_t slot;
	uint16_t mtu;
	char name[CV_HOST_TEXT_LEN];
	cv_be32_t *addrs; /**< ascending, none twice, shape [n_addrs] */
	uint32_t n_addrs;
	struct cv_host_ports ports;
	char *reserved; /**< as the kernel wants it: `80,443`; "" for none */
	/** By address, open addressing, a free one has ip 0; shape [peer_mask + 1]. */
	struct cv_host_peer *peers;
	uint32_t peer_mask, n_peers;
};

/** Copy. Ports outside the range need not be reserved and are left out. @return NULL: no memory */
struct host_spec *cv_host_spec_create(const struct cv_host_vpc *vpc, struct cv_host_ports ports);

/** Free. NULL is fine. */
void cv_host_spec_destroy(struct host_spec *spec);

/** The peer with an address; NULL if there is none. */
const struct cv_host_peer *cv_host_spec_peer_find(const struct host_spec *spec, cv_be32_t ip);

/** Called for an address that must come (add) or go. @return 0, or an error that ends the walk */
typedef int host_addr_fn(void *arg, cv_be32_t ip, bool add);

/**
 * What makes one set of addresses of another: first all that come, then all that go.
 *
 * @param from  NULL: no address
 * @return 0, or what fn returned
 */
int cv_host_spec_diff(const struct host_spec *from, const struct host_spec *to, host_addr_fn *fn,
		      void *arg);

/* ---- host_ns.c: one namespace in the kernel ---- */

/** What a step failed at, for people. */
struct host_why {
	char text[CV_HOST_TEXT_LEN];
};

/** Descriptors of a namespace; -1 when closed. */
struct host_kernel {
	int ns_fd;  /**< the namespace */
	int tun_fd; /**< the device: one IP packet per read or write; non-blocking */
	int nl_fd;  /**< rtnetlink in the namespace */
	int ifindex;
};

/** No namespace. */
#define HOST_KERNEL_NONE ((struct host_kernel){.ns_fd = -1, .tun_fd = -1, .nl_fd = -1})

/**
 * Make a namespace as a spec says. The calling thread stays in it.
 *
 * @param[out] ret_kernel  untouched on failure
 * @param[out] why         on failure, what could not be done
 * @return 0, or -errno
 */
int cv_host_kernel_make(const struct host_spec *spec, struct host_kernel *ret_kernel,
			struct host_why *why);

/**
 * Change a namespace from one spec to another. On failure part of it may be done; doing it again from
 * the same `from` is right.
 */
int cv_host_kernel_change(const struct host_kernel *kernel, const struct host_spec *from,
			  const struct host_spec *to, struct host_why *why);

/** Close everything: the kernel ends the namespace with its last socket. */
void cv_host_kernel_close(struct host_kernel *kernel);

/* ---- host_sender.c: the way back to who has sent something ---- */

/** Where a sender was last heard from. */
struct host_sender {
	cv_be32_t ip, vtep;
	uint64_t mac; /**< 0: none */
	uint64_t vtep_mac;
	uint32_t noted; /**< its number among all; set by cv_host_sender_note() */
};

/** Senders of one namespace. */
struct host_senders {
	uint64_t key[2];
	uint32_t n_noted;
	struct host_sender sets[HOST_SENDER_SETS][HOST_SENDER_WAYS];
};

/** Make a zeroed structure ready. @return 0, or -EAGAIN: the kernel has no random numbers yet */
int cv_host_senders_init(struct host_senders *senders);

/** Remember a sender; of the others of its set the one that was noted longest ago may be forgotten. */
void cv_host_sender_note(struct host_senders *senders, const struct host_sender *sender);

/** Where an address was last heard from; NULL: it is not known. Valid until the next note. */
const struct host_sender *cv_host_sender_find(struct host_senders *senders, cv_be32_t ip);

/* ---- host.c ---- */

/** Counters: the thread writes, any reads. */
struct host_counters {
	_Atomic uint64_t up_pkts, up_bytes, down_pkts, down_bytes;
	_Atomic uint64_t up_unasked, up_refused, down_no_mac, down_full, down_foreign;
};

/** One namespace. */
struct host_ns {
	uint16_t slot;
	enum cv_host_state state; /**< under the lock */
	int err;                  /**< under the lock; of FAILED: -errno */
	struct host_why why;      /**< under the lock; "" unless something failed */
	struct host_kernel kernel;
	struct host_spec *spec; /**< what it is, NULL until made; under the lock */
	struct host_spec *next; /**< what it must become; NULL: it is */
	uint64_t retry_ms;      /**< not before */
	struct host_counters counters;
	struct host_senders senders;
};

/** What control said last, until the thread takes it. */
struct host_order {
	struct host_spec **specs; /**< shape [n], by slot */
	uint32_t n;
};

struct cv_host {
	unsigned int n_workers;
	struct cv_pkt_ring **ups, **downs; /**< shape [n_workers] */
	const cv_neigh_t *neigh;
	int own_ns_fd; /**< the namespace of the process */
	int event_fd, epoll_fd;
	pthread_t thread;
	bool running; /**< control's */
	_Atomic bool stop;

	pthread_mutex_t lock;
	struct host_order *order;   /**< under the lock */
	struct cv_host_ports ports; /**< under the lock */
	struct host_ns **nss; /**< by slot, shape [n_nss]; the thread writes, under the lock */
	uint32_t n_nss;

	uint64_t busy_until_ms; /**< the thread's */
};

/** Free an order and the specs that are left in it. NULL is fine. */
void cv_host_order_destroy(struct host_order *order);

/** Close and free a namespace. */
void cv_host_ns_destroy(struct host_ns *ns);

/* ---- host_loop.c ---- */

/** The thread. @param arg struct cv_host */
void *cv_host_loop_run(void *arg);
