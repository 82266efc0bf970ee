/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/** @file A listing of flows: made by control, filled by the workers. */

#include "dp_priv.h"

/** One worker's part. Its worker writes until done is set, then control reads. */
struct dp_list_part {
	_Atomic bool done;
	uint32_t n;
	uint64_t matched;
	struct cv_dp_flow_info *infos; /**< shape [n_max] */
};

struct cv_dp_flow_list {
	struct cv_dp_flow_filter filter;
	uint32_t n_max;
	unsigned int n_parts;
	struct dp_list_part *parts; /**< shape [n_parts], one per worker */
};
