/* SPDX-License-Identifier: BSD-3-Clause */

#include "ctl_priv.h"

void cv_ctl_workers_look(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct cv_stats *const *stats = cv_dp_stats(ctl->dp);
	double seconds = (double)(now_ms - ctl->looked_ms) / 1000;

	for (uint32_t i = 0; i < ctl->conf->dpdk.workers; i++) {
		struct ctl_worker *w = &ctl->workers[i];
		uint64_t busy = cv_ctr_get(&stats[i]->tsc_busy);
		uint64_t total = cv_ctr_get(&stats[i]->tsc_total);
		uint64_t pkts = cv_ctr_get(&stats[i]->busy_pkts);
		double d_busy = (double)(busy - w->tsc_busy),
		       d_total = (double)(total - w->tsc_total);
		double d_pkts = (double)(pkts - w->busy_pkts);

		/* The worker adds to one after the other: a turn may be in the first only. */
		w->busy = d_total <= 0 ? 0 : d_busy < d_total ? d_busy / d_total : 1;
		w->cycles_per_pkt = d_pkts > 0 ? d_busy / d_pkts : 0;
		w->pkts_per_s = seconds > 0 ? d_pkts / seconds : 0;
		w->tsc_busy = busy;
		w->tsc_total = total;
		w->busy_pkts = pkts;
	}
	ctl->looked_ms = now_ms;
}
