/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: AWS's metrics, one table for CloudWatch and for Prometheus.
 */

#include "cv_points.h"

#include "ctl_priv.h"

/** A number of one object, with all dimensions that it has; those that it lacks have value NULL. */
struct ctl_sample {
	uint32_t account;
	struct cv_points_dim dims[CV_POINTS_DIMS_MAX];
	uint32_t n_dims;
	uint64_t value;
	/** Number of one of those whose sum the object's value is; 0: it is all of it. */
	uint32_t part;
	bool idle; /**< nothing was ever counted there */
};

/** What numbers of an object a metric shows, for its walk. */
enum ctl_meter_what {
	WHAT_ACTIVE,
	WHAT_NEW,
	WHAT_BYTES,
	WHAT_PACKETS,
	WHAT_DROPS,
	WHAT_RESETS,
	WHAT_ERRORS,
	WHAT_REJECTED,
	WHAT_HEALTHY,
	WHAT_UNHEALTHY,
	WHAT_SHIFTED,
	WHAT_CLIENT_RST,
	WHAT_TARGET_RST,
	WHAT_ELB_RST,
	WHAT_SG_TCP,
	WHAT_SG_ICMP,
};

struct ctl_meter;

/** Takes samples. */
struct ctl_meter_sink {
	/** Wants each part, those too whose object has lost them, and not their sum. */
	bool parts;
	void (*take)(struct ctl_meter_sink *sink, const struct ctl_meter *meter,
		     const struct ctl_sample *sample);
};

/**
 * Gives the samples of one of the objects that a metric is of.
 *
 * @param i  its place in the model that serves; one that is gone gives none
 * @return about how many numbers were looked at, at least 1; 0: there is no such place
 */
typedef uint32_t ctl_meter_fn(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			      struct ctl_meter_sink *sink, uint32_t i);

/** The dimension of what there are most of. */
#define CTL_METER_ENDPOINT "VPC Endpoint Id"

/** Sets of dimensions of one metric at most. */
#define CTL_METER_SETS_MAX 6

/** A metric. */
struct ctl_meter {
	const char *ns, *name, *unit; /**< as AWS has them */
	const char *prom;             /**< Prometheus name; NULL: told under another already */
	const char *help;
	bool gauge;
	bool always; /**< has points from the start */
	uint8_t key; /**< dimensions by which the object is known: bit i for a sample's i-th */
	/** Dimensions by which there are series, likewise; 0 ends. */
	uint8_t sets[CTL_METER_SETS_MAX];
	ctl_meter_fn *walk;
	int what; /**< for walk */
};

/** All metrics. @return shape [*ret_n] */
const struct ctl_meter *cv_ctl_meters(uint32_t *ret_n);

/**
 * Go on with a walk through all samples of all metrics.
 *
 * @param walk  zeros at first
 * @param n     look at about so many numbers
 * @return whether there is more
 */
bool cv_ctl_meters_walk(const struct cv_ctl *ctl, struct ctl_meter_sink *sink,
			struct ctl_meter_walk *walk, uint32_t n);

/* ---- what meters.c and meters_paths.c share ---- */

/** What AWS's dimensions name a load balancer by: `net/name/id`. */
const char *cv_ctl_meter_lb_name(const struct cv_model_lb *lb);

/** A zone's name for an account. */
const char *cv_ctl_meter_zone_name(const struct cv_model *model, uint32_t account, uint32_t zone);

/** A number of what is counted. @param what up to WHAT_RESETS */
uint64_t cv_ctl_meter_value(const struct cv_stats_obj_sum *sum, int what);

/* Walks; @see ctl_meter_fn. */
ctl_meter_fn cv_ctl_meter_nodes_walk, cv_ctl_meter_peaks_walk, cv_ctl_meter_lb_peaks_walk,
	cv_ctl_meter_endpoints_walk, cv_ctl_meter_services_walk, cv_ctl_meter_attached_walk;
