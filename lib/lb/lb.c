/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_lb.h"

#include <stddef.h>

uint32_t cv_lb_list_build(const struct cv_lb_target *targets, uint32_t n, uint16_t zone,
			  bool cross_zone, uint32_t *ret_idx, bool *ret_fail_open)
{
	uint32_t n_scope = 0;
	uint32_t n_eligible = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!cross_zone && targets[i].zone != zone)
			continue;
		n_scope++;
		if (targets[i].eligible)
			ret_idx[n_eligible++] = i;
	}
	if (ret_fail_open != NULL)
		*ret_fail_open = n_eligible == 0 && n_scope > 0;
	if (n_eligible > 0)
		return n_eligible;
	for (uint32_t i = 0, n_listed = 0; i < n && n_listed < n_scope; i++) {
		if (cross_zone || targets[i].zone == zone)
			ret_idx[n_listed++] = i;
	}
	return n_scope;
}
