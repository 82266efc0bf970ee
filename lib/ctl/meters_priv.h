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
};

struct ctl_meter;

/** Takes samples. */
struct ctl_meter_sink {
	void (*take)(struct ctl_meter_sink *sink, const struct ctl_meter *meter,
		     const struct ctl_sample *sample);
};

/** Gives all samples of a metric. */
typedef void ctl_meter_fn(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			  struct ctl_meter_sink *sink);

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
