/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_lb.h"

#include <stddef.h>

bool cv_lb_weights_build(const uint16_t *weights, uint32_t n, uint64_t *ret_below)
{
	uint64_t total = 0, sum = 0;

	for (uint32_t i = 0; i < n; i++)
		total += weights[i];
	if (total == 0)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		sum += weights[i];
		ret_below[i] = (sum << 32) / total;
	}
	return true;
}

bool cv_lb_is_below(const struct cv_lb_least *least, uint32_t n_fit, uint32_t n)
{
	return n_fit < least->count || (uint64_t)n_fit * 100 < (uint64_t)n * least->percent;
}

static bool is_in(const struct cv_lb_scope *scope, const struct cv_lb_target *target)
{
	return target->fit != CV_LB_NEVER && (scope->cross_zone || target->zone == scope->zone);
}

uint32_t cv_lb_list_build(const struct cv_lb_target *targets, uint32_t n,
			  const struct cv_lb_scope *scope, uint32_t *ret_idx, bool *ret_fail_open)
{
	uint32_t n_scope = 0;
	uint32_t n_fit = 0;
	bool fail_open;

	for (uint32_t i = 0; i < n; i++) {
		if (!is_in(scope, &targets[i]))
			continue;
		n_scope++;
		if (targets[i].fit == CV_LB_FIT)
			ret_idx[n_fit++] = i;
	}
	fail_open =
		n_fit < n_scope && (n_fit == 0 || cv_lb_is_below(&scope->least, n_fit, n_scope));
	if (ret_fail_open != NULL)
		*ret_fail_open = fail_open;
	if (!fail_open)
		return n_fit;
	for (uint32_t i = 0, n_listed = 0; n_listed < n_scope; i++) {
		if (is_in(scope, &targets[i]))
			ret_idx[n_listed++] = i;
	}
	return n_scope;
}
