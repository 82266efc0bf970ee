/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside control: metrics in Prometheus text format.
 */

#include "show_priv.h"

/** Bytes of a sample's labels; what is longer is cut off. */
#define LABELS_LEN 512

/** A metric of objects that there are many of. */
struct ctl_metric {
	const char *name, *type, *help;
	/**
	 * Write the samples of one object.
	 *
	 * @param i  its place in the model that serves, or in control; one that is gone has none
	 * @return about how many numbers were written, at least 1; 0: there is no such place
	 */
	uint32_t (*write)(const struct cv_ctl *ctl, FILE *out, const struct ctl_metric *metric,
			  uint32_t i);
	int what;   /**< for write */
	bool pools; /**< its places are those of the registry of pools */
};

/** Those metrics. @return shape [*ret_n] */
const struct ctl_metric *cv_ctl_metrics_of_objects(uint32_t *ret_n);

/** Write what comes before the samples of a metric. */
void cv_ctl_metric_head(FILE *out, const char *name, const char *type, const char *help);

/** Add `name="value"` to labels, shape [LABELS_LEN], which begins as "". */
void cv_ctl_metric_label(char *labels, const char *name, const char *value);

/** Write a sample. */
void cv_ctl_metric_value(FILE *out, const char *name, const char *labels, uint64_t value);
