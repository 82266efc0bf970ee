/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What a view says of our own addresses, and of the paths that flows take through them.
 *
 * A path is the way from an endpoint to a node of a load balancer, or straight to a node. It is what
 * packets are counted by: each ENI has its own, and a flow keeps the one that it was opened on, so that its
 * packets count for that node wherever the ENI leads by now.
 *
 * @threads written by control before the view is published; read by workers
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_net.h"

/** In the word of a path beside its slot: straight to a node, through no endpoint. */
#define CV_VIEW_PATH_DIRECT (1U << 31)
/** The path of an address that is no way to anything, as one of services alone. */
#define CV_VIEW_PATH_NONE 0

/** A path. */
struct cv_view_path {
	uint32_t endpoint; /**< slot; CV_VIEW_DIRECT: none */
	uint32_t node;     /**< slot; CV_VIEW_NONE: the endpoint has no node there */
};

/** Slot of a path. @param word its slot and CV_VIEW_PATH_DIRECT */
static inline uint32_t cv_view_path_slot(uint32_t word)
{
	return word & ~CV_VIEW_PATH_DIRECT;
}

/** Tell whether a path leads through no endpoint. @param word as above */
static inline bool cv_view_path_is_direct(uint32_t word)
{
	return (word & CV_VIEW_PATH_DIRECT) != 0;
}

/** What one of our addresses is. */
enum cv_view_kind {
	CV_VIEW_ENI,
	CV_VIEW_NODE,
	CV_VIEW_SERVICE, /**< of services alone: neither ENI nor node */
};

/** One of our addresses: an endpoint ENI or an IP of an NLB node. */
struct cv_view_local {
	cv_be32_t ip;
	uint16_t vpc;      /**< VPC slot */
	uint8_t kind;      /**< enum cv_view_kind */
	uint32_t endpoint; /**< endpoint slot; CV_VIEW_DIRECT for a node */
	uint32_t node;     /**< node that serves it; CV_VIEW_NONE: no node in the zone */
	uint32_t path;     /**< word of the path of its new flows */
};
