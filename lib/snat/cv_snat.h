/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * SNAT port pools: which source ports towards one target are in use, rest or are free, and which
 * flow a port stands for.
 *
 * A pool belongs to one (node IP, target IP:port). Its ports are divided among slices, one per
 * worker; a worker takes from its own slice first and from the others when that is empty, so the
 * pool is used up exactly, whatever the number of workers. In a slice, ports never used before go
 * first, in an order that looks random; then those that have rested, longest rest first. Both are
 * O(1) at any fill.
 *
 * Which ports a slice has is of no matter for that. Where RSS brings replies to workers in a known way
 * (a map), they are those whose replies arrive at the slice's worker; else they are dealt in turn.
 *
 * No clock (time is passed in), no log. Pools are allocated by control and take memory as ports are
 * used: 64 bytes unused, about 12 bytes per port in the end. The pools of a registry share mappings.
 *
 * @threads as each function says; nothing locks
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cv_net.h"
#include "cv_rss.h"

/** No flow: the port was never given out. Not a valid owner word. */
#define CV_SNAT_NONE UINT32_MAX
/** Most slices of a pool. */
#define CV_SNAT_SLICES_MAX 64
/** Ports of a pool unless configured otherwise, as AWS has them. */
#define CV_SNAT_PORTS_DEFAULT 55000

/** What a pool belongs to. */
struct cv_snat_key {
	cv_be32_t node_ip;
	cv_be32_t target_ip;
	cv_be16_t target_port;
	uint16_t vpc; /**< provider VPC's slot: two VPCs may use the same addresses */
};

/** Which worker RSS brings a target's replies to, by the port that they go to. */
struct cv_snat_map;

/**
 * Make a map, for all pools of the targets behind one port of the appliance.
 *
 * It keeps the order of ports of each geometry that its pools have: at most n of rss for one range of
 * ports, about two bytes a port each.
 *
 * @param rss  on; see cv_rss_table_init()
 * @return NULL when memory ran out
 * @owner   caller; cv_snat_map_destroy() after the pools that were made with it
 * @threads control
 */
struct cv_snat_map *cv_snat_map_create(const struct cv_rss *rss);

/** Free a map whose pools are gone. NULL is fine. */
void cv_snat_map_destroy(struct cv_snat_map *map);

/** Settings of a pool. */
struct cv_snat_cfg {
	uint16_t port_first; /**< lowest port, host order, not 0; port_first + n_ports <= 65536 */
	uint16_t n_ports;    /**< 1..65535 */
	uint32_t rest_ms;    /**< a freed port is not given out again for this long */
	uint16_t n_slices;   /**< 1..CV_SNAT_SLICES_MAX: workers; without map n_ports do */
	bool one_thread; /**< one thread only ever allocates and frees: spares the atomic RMWs */
	uint64_t seed;   /**< varies the order of ports from process to process; 0 in tests */
	/**
	 * Gives each slice the ports whose replies arrive at its worker; its workers are below
	 * n_slices. NULL, and where the map is full: ports are dealt in turn.
	 */
	struct cv_snat_map *map;
};

struct cv_snat_pool;

/**
 * Make a pool.
 *
 * @param key  copied
 * @param cfg  copied; outside the stated ranges is a bug
 * @param idx  number to know it by, see cv_snat_pool_idx()
 * @return the pool, or NULL when memory ran out
 * @owner   caller; cv_snat_pool_destroy() once no thread can reach it
 * @threads control
 */
struct cv_snat_pool *cv_snat_pool_create(const struct cv_snat_key *key,
					 const struct cv_snat_cfg *cfg, uint32_t idx);

/** Free a pool that no thread can reach. NULL is fine. */
void cv_snat_pool_destroy(struct cv_snat_pool *pool);

/** What the pool belongs to. @threads any */
const struct cv_snat_key *cv_snat_pool_key(const struct cv_snat_pool *pool);

/** The settings that the pool runs with: rest_ms as of now, others as created. @threads any */
struct cv_snat_cfg cv_snat_pool_cfg(const struct cv_snat_pool *pool);

/** The number it was given. @threads any */
uint32_t cv_snat_pool_idx(const struct cv_snat_pool *pool);

/** Change the rest time; holds at once, also for ports that rest already. @threads control */
void cv_snat_pool_rest_set(struct cv_snat_pool *pool, uint32_t rest_ms);

/**
 * Take a port for a flow. That there is none is no error yet: there may be other pools to try.
 *
 * @param      pool      pool
 * @param      slice     slice to take from first: the caller's worker number modulo the pool's
 *                    n_slices
 * @param      now_ms    any monotonic clock that all callers share, in milliseconds, below 2^46
 * @param      owner     what cv_snat_owner() shall tell for the port; not CV_SNAT_NONE
 * @param[out] ret_port  the port, host order; untouched on failure
 * @return 0, or -EADDRNOTAVAIL: every port is in use or rests. A port that another thread frees at this
 *         very moment may be missed.
 * @threads any worker
 */
int cv_snat_try(struct cv_snat_pool *pool, unsigned int slice, uint64_t now_ms, uint32_t owner,
		uint16_t *ret_port);

/** Count an error where no pool had a port: once for each flow refused. @threads any worker */
void cv_snat_refused(struct cv_snat_pool *pool, unsigned int slice);

/**
 * Give a port back. It rests; cv_snat_owner() goes on telling its last owner until it is given out
 * again.
 *
 * Ports go out again in the order in which they were given back. So one whose flow ended some time
 * ago waits for those freed before it; it never goes out early.
 *
 * @param port    from cv_snat_try(), host order, freed once only
 * @param now_ms  when its flow ended, clock as for cv_snat_try(): it rests from then
 * @threads any worker
 */
void cv_snat_free(struct cv_snat_pool *pool, uint16_t port, uint64_t now_ms);

/** How a pool stands. */
struct cv_snat_counts {
	uint32_t used;    /**< ports of flows */
	uint32_t resting; /**< freed, not yet to be given out */
	uint32_t free;    /**< could be given out now; used + resting + free = n_ports */
	uint64_t errors;  /**< allocations that failed since the pool was made */
	uint64_t taken;   /**< those that did not: one for each flow */
};

/**
 * Count ports. Exact while no other thread allocates or frees and if ports were freed in the order
 * of their times; otherwise off by what happens meanwhile, and resting against free by the
 * disorder.
 *
 * @threads any
 */
void cv_snat_counts(const struct cv_snat_pool *pool, uint64_t now_ms,
		    struct cv_snat_counts *ret_counts);

/** All pools, by key. Pools keep their identity, and so their flows, across reloads. */
struct cv_snat_registry;

/** Make an empty registry. @return NULL when memory ran out. @threads control */
struct cv_snat_registry *cv_snat_registry_create(void);

/** Free a registry and its pools; no thread may reach those. NULL is fine. @threads control */
void cv_snat_registry_destroy(struct cv_snat_registry *registry);

/**
 * The pool of a key, made if there is none. A pool that exists takes over cfg's rest_ms at once;
 * its other settings stay as they are, since flows hold its ports: new values hold for pools made
 * later. cv_snat_pool_cfg() tells.
 *
 * @param[out] ret_pool  the pool; untouched on failure
 * @return 0, or -ENOMEM
 * @owner   registry
 * @threads control
 */
int cv_snat_registry_get(struct cv_snat_registry *registry, const struct cv_snat_key *key,
			 const struct cv_snat_cfg *cfg, struct cv_snat_pool **ret_pool);

/**
 * Find a pool's place, as fast as can be if the caller knows where it most likely is.
 *
 * @param[in,out] at  place to look at first, any number; the pool's, untouched if there is none
 * @return whether there is one
 * @threads control
 */
bool cv_snat_registry_seek(const struct cv_snat_registry *registry, const struct cv_snat_key *key,
			   uint32_t *at);

/** Pools in it. @threads control */
uint32_t cv_snat_registry_n(const struct cv_snat_registry *registry);

/** The i-th pool, in no order that means anything. @param i 0..n-1. @threads control */
struct cv_snat_pool *cv_snat_registry_at(const struct cv_snat_registry *registry, uint32_t i);

/** The i-th pool's key, without touching the pool. @param i 0..n-1. @threads control */
const struct cv_snat_key *cv_snat_registry_key(const struct cv_snat_registry *registry, uint32_t i);

/** cv_snat_pool_idx() of the i-th pool, without touching it. @param i 0..n-1. @threads control */
uint32_t cv_snat_registry_idx(const struct cv_snat_registry *registry, uint32_t i);

/** cv_snat_pool_rest_set() for all pools; those that have this already are not touched. */
void cv_snat_registry_rest_set(struct cv_snat_registry *registry, uint32_t rest_ms);

/** Tells whether a pool is still wanted. */
typedef bool cv_snat_wanted_fn(const struct cv_snat_pool *pool, void *arg);

/**
 * Unlink pools that nobody wants, that no flow uses and whose ports have all rested.
 *
 * The caller answers for it that no worker allocates from an unwanted pool any more: that a view
 * without it for new flows has been published and the grace period is over.
 *
 * @param      wanted     asked once per pool
 * @param      arg        passed to it
 * @param      now_ms     as for cv_snat_try()
 * @param[out] ret_pools  shape [cap]: the unlinked ones
 * @param      cap        most to unlink
 * @return pools unlinked
 * @owner   caller: cv_snat_pool_destroy() each once no worker can look up ports in it
 * @threads control
 */
uint32_t cv_snat_registry_reap(struct cv_snat_registry *registry, cv_snat_wanted_fn *wanted,
			       void *arg, uint64_t now_ms, struct cv_snat_pool **ret_pools,
			       uint32_t cap);
