/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Pools of one server, ports taken as the packet path takes them, random numbers: for all tests of SNAT. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cv_snat.h"
#include "cv_snat_hot.h"

#define FIRST 10000

static const struct cv_snat_key some_key = {
	.node_ip = 0x0100000a, .target_ip = 0x0200000a, .target_port = 0x5000, .vpc = 3};

static inline uint32_t rng(uint32_t n)
{
	static uint64_t state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * n >> 32);
}

/* A pool: at FIRST, or with more ports than are there from 1 on. */
static inline struct cv_snat_pool *make(uint32_t n_ports, unsigned int n_slices, uint32_t rest_ms)
{
	struct cv_snat_cfg cfg = {
		.port_first = n_ports > 65536 - FIRST ? 1 : FIRST,
		.n_ports = (uint16_t)n_ports,
		.rest_ms = rest_ms,
		.n_slices = (uint16_t)n_slices,
		.one_thread = n_slices == 1,
	};
	struct cv_snat_pool *pool = cv_snat_pool_create(&some_key, &cfg, 7);

	assert_non_null(pool);
	return pool;
}

/* Takes a port for a flow that has no other pool to try: the pool is told when there is none. */
static inline int take(struct cv_snat_pool *pool, unsigned int slice, uint64_t now_ms,
		       uint32_t owner, uint16_t *ret_port)
{
	int ret = cv_snat_try(pool, slice, now_ms, owner, ret_port);

	if (ret != 0)
		cv_snat_refused(pool, slice);
	return ret;
}

/* taken is compared unless it is 0. */
static inline void expect_counts(struct cv_snat_pool *pool, uint64_t now_ms,
				 struct cv_snat_counts want)
{
	struct cv_snat_counts got;

	cv_snat_counts(pool, now_ms, &got);
	assert_int_equal(got.used, want.used);
	assert_int_equal(got.resting, want.resting);
	assert_int_equal(got.free, want.free);
	assert_int_equal(got.errors, want.errors);
	if (want.taken != 0)
		assert_int_equal(got.taken, want.taken);
}
