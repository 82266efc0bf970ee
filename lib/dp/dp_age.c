/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Walks over the flow table, in pieces beside the packets: ageing, rechecking live flows against a new
 * view, and listing for control.
 *
 * Every entry is looked at about once a second (less often in very large tables), in entry order, which the
 * memory prefetcher follows. So a flow needs no timer and no place in a list; whether it has expired is
 * also checked when a packet comes, so the walk's pace changes only when ports and memory come back.
 */

#include "dp_list.h"

/* Milliseconds for one ageing walk of a small table. */
#define DP_WALK_MS 1000
/* Entries per millisecond at most: bounds the walk's share of a core to a few percent. */
#define DP_WALK_PER_MS 4096
/* Entries per piece at most: bounds how long packets wait. */
#define DP_PIECE 64

static void dp_age_one(struct cv_dp_worker *w, uint32_t idx)
{
	const struct cv_flow *flow = &w->flows->flows[idx];
	enum cv_event why;

	if (flow->node_port == 0)
		return;
	why = dp_flow_expiry(w, flow);
	if (why != CV_EV_N)
		dp_flow_end(w, idx, why);
}

static void dp_age_piece(struct cv_dp_worker *w)
{
	struct dp_sweep *s = &w->sweep;
	uint64_t ms = w->now_ms - s->last_ms;
	uint32_t high = w->flows->high;
	uint32_t n;

	if (ms > 0) {
		uint64_t per_ms = high / DP_WALK_MS + 1;
		uint64_t credit = s->credit + RTE_MIN(per_ms, DP_WALK_PER_MS) * RTE_MIN(ms, 1000u);

		s->credit = (uint32_t)RTE_MIN(credit, (uint64_t)high);
		s->last_ms = w->now_ms;
	}
	n = RTE_MIN(s->credit, (uint32_t)DP_PIECE);
	s->credit -= n;
	for (; n > 0; n--) {
		if (s->next >= high)
			s->next = 0;
		dp_age_one(w, s->next++);
	}
}

/* A flow may go on as long as its endpoint forwards; listeners and targets that went let it drain. */
static bool dp_flow_may_live(const struct cv_dp_worker *w, const struct cv_flow *flow)
{
	const struct cv_view_spec *spec = &w->view->spec;
	const struct cv_view_endpoint *ep = &spec->endpoints[flow->endpoint];
	const struct cv_view_local *local =
		cv_view_local_find(w->view, flow->client_vpc, flow->dialled_ip);

	/* The address may be another endpoint's by now. */
	return ep->used && ep->verdict == CV_DROP_NONE && spec->vpcs[flow->client_vpc].used &&
	       spec->vpcs[flow->target_vpc].used && local != NULL &&
	       local->endpoint == flow->endpoint;
}

static void dp_recheck_piece(struct cv_dp_worker *w)
{
	struct dp_sweep *s = &w->sweep;
	uint32_t end;

	if (s->gen != w->view->spec.gen) {
		s->gen = w->view->spec.gen;
		s->recheck = 0;
	}
	if (s->recheck == CV_FLOW_NONE)
		return;
	end = RTE_MIN(s->recheck + DP_PIECE, w->flows->high);
	for (uint32_t idx = s->recheck; idx < end; idx++) {
		const struct cv_flow *flow = &w->flows->flows[idx];

		if (flow->node_port != 0 && !dp_flow_may_live(w, flow))
			dp_flow_end(w, idx, CV_EV_FLOW_END_FLUSH);
	}
	s->recheck = end;
	if (end == w->flows->high) {
		s->recheck = CV_FLOW_NONE;
		atomic_store_explicit(&w->stats->swept_gen, s->gen, memory_order_relaxed);
	}
}

static bool dp_list_wants(const struct cv_dp_worker *w, uint32_t idx,
			  const struct cv_dp_flow_filter *filter)
{
	const struct cv_flow *flow = &w->flows->flows[idx];

	return flow->node_port != 0 &&
	       (filter->endpoint == CV_VIEW_NONE || filter->endpoint == flow->endpoint) &&
	       (filter->target == CV_VIEW_NONE || filter->target == w->flows->cold[idx].target) &&
	       (filter->state < 0 || filter->state == flow->tcp.state);
}

static void dp_list_put(const struct cv_dp_worker *w, uint32_t idx, struct cv_dp_flow_info *info)
{
	const struct cv_flow *flow = &w->flows->flows[idx];
	const struct cv_flow_cold *cold = &w->flows->cold[idx];

	*info = (struct cv_dp_flow_info){
		.client_ip = flow->client_ip,
		.dialled_ip = flow->dialled_ip,
		.node_ip = flow->node_ip,
		.target_ip = flow->target_ip,
		.client_port = flow->client_port,
		.dialled_port = flow->dialled_port,
		.node_port = flow->node_port,
		.target_port = flow->target_port,
		.client_vpc = flow->client_vpc,
		.target_vpc = flow->target_vpc,
		.endpoint = flow->endpoint,
		.listener = cold->listener,
		.target = cold->target,
		.idle_ms = (uint32_t)w->now_ms - flow->last_ms,
		.age_ms = (uint32_t)w->now_ms - flow->start_ms,
		.worker = (uint8_t)w->id,
		.state = flow->tcp.state,
		.header_len = flow->tcp.hdr_len,
		.header_done = (flow->tcp.flags & CV_TCP_F_UNACKED) == 0,
	};
	memcpy(info->client_mac, flow->client_mac, 6);
}

static void dp_list_piece(struct cv_dp_worker *w)
{
	struct cv_dp_flow_list *list = w->sweep.list;
	struct dp_list_part *part;
	uint32_t end;

	if (list == NULL)
		return;
	part = &list->parts[w->id];
	end = RTE_MIN(w->sweep.list_next + DP_PIECE, w->flows->high);
	for (uint32_t idx = w->sweep.list_next; idx < end; idx++) {
		if (!dp_list_wants(w, idx, &list->filter))
			continue;
		if (part->n < list->n_max)
			dp_list_put(w, idx, &part->infos[part->n++]);
		part->matched++;
	}
	w->sweep.list_next = end;
	if (end == w->flows->high) {
		w->sweep.list = NULL;
		atomic_store_explicit(&part->done, true, memory_order_release);
	}
}

void dp_list_start(struct cv_dp_worker *w, struct cv_dp_flow_list *list)
{
	w->sweep.list = list;
	w->sweep.list_next = 0;
}

void dp_age(struct cv_dp_worker *w)
{
	dp_age_piece(w);
	dp_recheck_piece(w);
	dp_list_piece(w);
}
