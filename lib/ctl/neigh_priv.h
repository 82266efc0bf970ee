/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * When to ask for which neighbour: targets and gateways whose MAC the workers need. Pure: time is
 * passed in, what to send comes out.
 *
 * @threads control
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_net.h"
#include "cv_plan.h"

/** First retry of an unanswered request; doubles up to CTL_NEIGH_RETRY_MAX_MS. */
#define CTL_NEIGH_RETRY_MIN_MS 100
#define CTL_NEIGH_RETRY_MAX_MS 1000
/** A known neighbour is asked again after so long, less up to an eighth so that not all ask at once. */
#define CTL_NEIGH_REFRESH_MS 30000
/** A known neighbour that is asked gets so long to answer before the next try. */
#define CTL_NEIGH_ANSWER_MS 1000
/** So many tries without an answer make a known neighbour stale. */
#define CTL_NEIGH_TRIES 3

/** How a neighbour stands. */
enum ctl_neigh_state {
	CTL_NEIGH_UNUSED,
	CTL_NEIGH_UNRESOLVED, /**< never answered */
	CTL_NEIGH_REACHABLE,
	CTL_NEIGH_STALE, /**< known, but no longer answers; still forwarded to */
};

/** A neighbour. */
struct ctl_neigh {
	cv_be32_t ip;
	cv_be32_t sender; /**< our address that asks */
	uint16_t vpc;     /**< VPC slot */
	uint8_t state;    /**< enum ctl_neigh_state */
	uint8_t tries;    /**< requests since the last answer, as far as they count */
	uint8_t mac[6];
	uint32_t wait_ms;  /**< between the last request and the next */
	uint64_t next_ms;  /**< when to ask next */
	uint64_t heard_ms; /**< when it was last heard of */
};

/** All neighbours, by slot. Zero-initialise; release with cv_ctl_neigh_fini(). */
struct ctl_neigh_table {
	struct ctl_neigh *items; /**< shape [n] */
	uint32_t n;
	uint32_t *idx; /**< slot + 1 by hash of (vpc, ip); shape [mask + 1] */
	uint32_t mask;
};

/**
 * Make a table of the neighbours that are wanted now. What is known of one that keeps its slot is taken
 * over; a new one is to be asked at once.
 *
 * @param      old        table so far; unchanged
 * @param      wants      shape [n], by slot
 * @param[out] ret_table  untouched on failure
 * @return 0, or -ENOMEM
 */
int cv_ctl_neigh_build(const struct ctl_neigh_table *old, const struct cv_plan_neigh *wants,
		       uint32_t n, uint64_t now_ms, struct ctl_neigh_table *ret_table);

/** Free everything and make the table empty. */
void cv_ctl_neigh_fini(struct ctl_neigh_table *table);

/** Slot of a neighbour, UINT32_MAX if it is not wanted. */
uint32_t cv_ctl_neigh_find(const struct ctl_neigh_table *table, uint16_t vpc, cv_be32_t ip);

/** What hearing of a neighbour meant. */
enum ctl_neigh_news {
	CTL_NEIGH_FOREIGN, /**< not one that is wanted, or no unicast MAC */
	CTL_NEIGH_SAME,
	CTL_NEIGH_NEW,     /**< its first MAC */
	CTL_NEIGH_BACK,    /**< was stale, answers again with the same MAC */
	CTL_NEIGH_CHANGED, /**< another MAC than before */
};

/**
 * Hear of a neighbour's MAC.
 *
 * @param      mac       shape [6]
 * @param[out] ret_slot  set unless CTL_NEIGH_FOREIGN
 */
enum ctl_neigh_news cv_ctl_neigh_hear(struct ctl_neigh_table *table, uint16_t vpc, cv_be32_t ip,
				      const uint8_t *mac, uint64_t now_ms, uint32_t *ret_slot);

/** Whom to ask. */
struct ctl_neigh_ask {
	uint32_t slot;
	bool went_stale; /**< it did not answer CTL_NEIGH_TRIES requests: now stale */
};

/**
 * Whom to ask now. Each is taken to be asked; cv_ctl_neigh_unasked() takes that back.
 *
 * @param[out] asks   shape [n_max]
 * @param[in,out] pos where to go on looking, so that few places do not starve the last slots
 * @return asks written
 */
uint32_t cv_ctl_neigh_due(struct ctl_neigh_table *table, uint64_t now_ms, uint32_t *pos,
			  struct ctl_neigh_ask *asks, uint32_t n_max);

/** The request could not be sent: it is due again at once and did not count. */
void cv_ctl_neigh_unasked(struct ctl_neigh_table *table, uint32_t slot, uint64_t now_ms);

/** Forget where a neighbour is: it is asked for anew at once. */
void cv_ctl_neigh_forget(struct ctl_neigh_table *table, uint32_t slot, uint64_t now_ms);

/** Name of a state for people. */
const char *cv_ctl_neigh_state_str(enum ctl_neigh_state state);
