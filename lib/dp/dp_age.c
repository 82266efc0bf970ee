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
#include "dp_path.h"
#include "dp_vxlan.h"

/* Milliseconds for one ageing walk of a small table. */
#define DP_WALK_MS 1000u
/* Entries per millisecond at most: bounds the walk's share of a core to a few percent. */
#define DP_WALK_PER_MS 4096
/*
 * Entries that a walk which is behind catches up on at most. It falls behind where packets take all of the
 * time, and what it then looked at beside those that come next would cost each of them as much as its
 * forwarding does.
 */
#define DP_WALK_BEHIND 65536u
/*
 * With fewer than this part of a table free, so many entries more are looked at for each flow that is wanted:
 * they need room. A full table that nobody wants more of is not walked faster.
 */
#define DP_WALK_HURRY 8
#define DP_LOOKS_PER_FLOW 16
/*
 * Entries per piece at most, and of these such as end: bounds how long packets wait. In a turn of many
 * packets more, or flows would come in faster than they can end: ageing looks at an entry more for each
 * packet, and ends a flow more for each that was opened.
 */
#define DP_PIECE 64
#define DP_ENDS_PIECE 16
/* Packets beyond which a recheck, which costs more than a look, has bigger pieces too. */
#define DP_RECHECK_PKTS 128

/* Flows that are over. */
struct dp_over {
	uint32_t idx[DP_ENDS_PIECE];
	enum cv_event why[DP_ENDS_PIECE];
	uint32_t n;
};

/*
 * Starts to load what the end of a flow needs: lines anywhere, those of all that end in a piece at once.
 * Only finding the pool early as well makes it worth it, for what is guessed wrong there waits for nothing.
 */
static void dp_over_prefetch(const struct cv_dp_worker *w, uint32_t idx)
{
	const struct cv_flow *flow = &w->flows->flows[idx];
	uint64_t rest = cv_flow_load32(&flow->client_port) | (uint64_t)flow->client_vpc << 32;
	uint64_t hash = cv_flow_hash_raw(w->flows->key, cv_flow_load64(&flow->client_ip), rest);

	cv_flow_bucket_prefetch(w->flows, hash);
	__builtin_prefetch(&w->flows->cold[idx]);
	__builtin_prefetch(cv_view_pool_find(w->view, flow->target_vpc, flow->node_ip,
					     flow->target_ip, flow->target_port));
}

/*
 * Looks at up to n entries, which are no more than there are: none twice. Ends at `most` that are over.
 * Returns how many it looked at.
 */
static uint32_t dp_over_find(struct cv_dp_worker *w, uint32_t n, uint32_t most,
			     struct dp_over *over)
{
	struct dp_sweep *s = &w->sweep;
	uint32_t looked = 0;

	over->n = 0;
	most = RTE_MIN(most, (uint32_t)DP_ENDS_PIECE);
	while (looked < n && over->n < most) {
		uint32_t idx = s->next < w->flows->high ? s->next : 0;
		const struct cv_flow *flow = &w->flows->flows[idx];
		enum cv_event why;

		s->next = idx + 1;
		looked++;
		if (flow->node_port == 0)
			continue;
		why = dp_flow_expiry(w, flow);
		if (why == CV_EV_N)
			continue;
		dp_over_prefetch(w, idx);
		over->idx[over->n] = idx;
		over->why[over->n++] = why;
	}
	return looked;
}

static void dp_over_end(struct cv_dp_worker *w, const struct dp_over *over)
{
	for (uint32_t i = 0; i < over->n; i++) {
		if (over->why[i] == CV_EV_FLOW_END_IDLE)
			dp_flow_kill(w, over->idx[i], w->view->spec.settings.end_idle,
				     over->why[i]);
		else
			dp_flow_end(w, over->idx[i], over->why[i]);
	}
}

/* Flows that clients wanted since this was asked last, whether or not there was room for them. */
static uint32_t dp_wanted(struct cv_dp_worker *w)
{
	uint64_t before = w->sweep.wanted;

	w->sweep.wanted = cv_ctr_get(&w->stats->ev[CV_EV_FLOW_NEW]) +
			  cv_ctr_get(&w->stats->drop[CV_DROP_FLOW_TABLE_FULL]);
	return (uint32_t)(w->sweep.wanted - before);
}

static void dp_age_piece(struct cv_dp_worker *w, uint32_t pkts)
{
	struct dp_sweep *s = &w->sweep;
	uint64_t ms = w->now_ms - s->last_ms;
	uint32_t high = w->flows->high, most = RTE_MIN(high, DP_WALK_BEHIND);
	uint32_t wanted = dp_wanted(w), n, ends = DP_ENDS_PIECE + wanted;

	if (ms > 0) {
		uint32_t per_ms = RTE_MIN(high / DP_WALK_MS + 1, (uint32_t)DP_WALK_PER_MS);

		s->credit = (uint32_t)RTE_MIN(s->credit + per_ms * RTE_MIN(ms, 1000u), most);
		s->last_ms = w->now_ms;
	}
	if (w->flows->n > w->n_flows - w->n_flows / DP_WALK_HURRY)
		s->credit = RTE_MIN(s->credit + DP_LOOKS_PER_FLOW * wanted, most);
	n = RTE_MIN(s->credit, DP_PIECE + pkts);
	s->credit -= n;
	while (n > 0 && ends > 0) {
		struct dp_over over;

		n -= dp_over_find(w, n, ends, &over);
		dp_over_end(w, &over);
		ends -= over.n;
	}
	s->credit += n;
}

/*
 * A walk under way goes on to its end, by whatever view is newest by then: views may come without pause,
 * and were it begun anew for each, the last entries would never be looked at. It counts for the view that
 * it began under; what it had passed by when the next one came is looked at in the walk after it.
 */
static void dp_recheck_start(struct dp_sweep *s, const struct cv_view_spec *spec)
{
	if (s->recheck != CV_FLOW_NONE || (s->gen == spec->gen && s->sweep == spec->sweep))
		return;
	s->gen = spec->gen;
	s->sweep = spec->sweep;
	s->recheck = 0;
}

/* The way to a flow's target may be another now: by a gateway that takes over from another. */
static void dp_way_follow(const struct cv_dp_worker *w, uint32_t idx)
{
	const struct cv_view_target *target = &w->view->spec.targets[w->flows->cold[idx].target];
	struct cv_flow *flow = &w->flows->flows[idx];

	if (target->used && target->ip == flow->target_ip && target->vpc == flow->target_vpc)
		flow->neigh = target->neigh;
}

static void dp_recheck_piece(struct cv_dp_worker *w, uint32_t pkts)
{
	const uint32_t pieces = RTE_MAX(pkts / DP_RECHECK_PKTS, 1u);
	struct dp_sweep *s = &w->sweep;
	uint32_t n = pieces * DP_PIECE, ends = pieces * DP_ENDS_PIECE;

	dp_recheck_start(s, &w->view->spec);
	if (s->recheck == CV_FLOW_NONE)
		return;
	for (; n > 0 && ends > 0 && s->recheck < w->flows->high; n--) {
		uint32_t idx = s->recheck++;
		enum cv_event event;
		uint8_t how;

		if (w->flows->flows[idx].node_port == 0)
			continue;
		how = dp_flow_fate(w, idx, &event);
		if (how == CV_VIEW_END_KEEP) {
			dp_way_follow(w, idx);
			continue;
		}
		dp_flow_kill(w, idx, how, event);
		ends--;
	}
	if (s->recheck < w->flows->high)
		return;
	s->recheck = CV_FLOW_NONE;
	atomic_store_explicit(&w->stats->swept_gen, s->gen, memory_order_relaxed);
	atomic_store_explicit(&w->stats->swept, s->sweep, memory_order_release);
}

static bool dp_list_wants(const struct cv_dp_worker *w, uint32_t idx,
			  const struct cv_dp_flow_filter *filter)
{
	const struct cv_flow *flow = &w->flows->flows[idx];

	return flow->node_port != 0 &&
	       (filter->endpoint == CV_VIEW_NONE || filter->endpoint == dp_endpoint(w, flow)) &&
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
		.endpoint = dp_endpoint(w, flow),
		.listener = cold->listener,
		.target = cold->target,
		.idle_ms = (uint32_t)w->now_ms - flow->last_ms,
		.age_ms = (uint32_t)w->now_ms - flow->start_ms,
		.worker = (uint8_t)w->id,
		.state = flow->tcp.state,
		.header_len = flow->tcp.hdr_len,
		.header_done = (flow->tcp.flags & CV_TCP_F_UNACKED) == 0,
	};
	info->client_vtep = dp_client_get(w, flow->client_mac, info->client_mac);
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

void dp_age(struct cv_dp_worker *w, uint32_t pkts)
{
	dp_age_piece(w, pkts);
	dp_recheck_piece(w, pkts);
	dp_list_piece(w);
	dp_mark_piece(w);
}
