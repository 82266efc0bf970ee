/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Flows that culvert itself ends: which, and how their ends learn of it.
 *
 * No sequence number of an established flow is kept, for no packet of it needs one. So an end that is to
 * be reset is asked first, by a segment that it finds too old and must acknowledge (RFC 9293 section
 * 3.10.7.4, as for a keepalive); the RST then answers that acknowledgement, with the very number that
 * RFC 5961 demands. An end that does not answer is told with its next packet.
 */

#include "dp_path.h"
#include "dp_vxlan.h"

/* The target's first sequence number is known from its SYN-ACK; the client's from its SYN. */
static void dp_client_reset(struct cv_dp_worker *w, const struct cv_flow *flow,
			    const struct cv_tcp_cold *cold)
{
	struct dp_bare seg = {.seq = cold->ack_c - 1, .ack = flow->tcp.isn1, .flags = CV_TCP_ACK};

	if (flow->tcp.state == CV_TCP_SYN_SENT)
		seg = (struct dp_bare){.ack = flow->tcp.isn1, .flags = CV_TCP_RST | CV_TCP_ACK};
	dp_bare_send(w, flow, DP_CLIENT, &seg);
}

static void dp_target_reset(struct cv_dp_worker *w, const struct cv_flow *flow,
			    const struct cv_tcp_cold *cold)
{
	uint32_t next = flow->tcp.isn1 - flow->tcp.hdr_len;
	struct dp_bare seg = {.seq = next - 1, .ack = cold->ack_c, .flags = CV_TCP_ACK};

	/* It can have had no more than the SYN. */
	if (dp_is_half_open(flow))
		seg = (struct dp_bare){.seq = next, .flags = CV_TCP_RST};
	dp_bare_send(w, flow, DP_TARGET, &seg);
}

void dp_flow_kill(struct cv_dp_worker *w, uint32_t idx, uint8_t how, enum cv_event event)
{
	struct cv_flow *flow = &w->flows->flows[idx];
	const struct cv_tcp_cold *cold = &w->flows->cold[idx].tcp;

	if (how != CV_VIEW_END_RESET || flow->tcp.state >= CV_TCP_CLOSED) {
		dp_flow_end(w, idx, event);
		return;
	}
	dp_client_reset(w, flow, cold);
	dp_target_reset(w, flow, cold);
	dp_event(w, event);
	if (dp_is_half_open(flow))
		dp_half_open_add(w, flow, -1);
	dp_end_count(w, idx);
	flow->idle_s = 0;
	flow->tcp.state = CV_TCP_RESET;
	flow->last_ms = (uint32_t)w->now_ms;
}

static bool dp_local_is(const struct cv_view *view, uint16_t vpc, cv_be32_t ip, uint32_t endpoint)
{
	const struct cv_view_local *local = cv_view_local_find(view, vpc, ip);

	return local != NULL && local->endpoint == endpoint;
}

/* Its addresses on both sides must still be ours: they may be another's by now. */
static bool dp_has_place(const struct cv_dp_worker *w, const struct cv_flow *flow)
{
	const struct cv_view_spec *spec = &w->view->spec;
	const struct cv_view_endpoint *ep = &spec->endpoints[dp_endpoint(w, flow)];

	return ep->used && ep->verdict == CV_DROP_NONE && spec->vpcs[flow->client_vpc].used &&
	       spec->vpcs[flow->target_vpc].used &&
	       dp_local_is(w->view, flow->client_vpc, flow->dialled_ip, dp_endpoint(w, flow)) &&
	       dp_local_is(w->view, flow->target_vpc, flow->node_ip, CV_VIEW_DIRECT) &&
	       dp_client_is_current(w, flow);
}

static uint8_t dp_end_of(uint8_t setting)
{
	return setting == CV_VIEW_END_KEEP ? CV_VIEW_END_SILENT : setting;
}

/* A target that is gone has no group: it drains. */
static bool dp_is_closed(const struct cv_view_spec *spec, const struct cv_flow_cold *cold)
{
	const struct cv_view_listener *listener = &spec->listeners[cold->listener];
	const struct cv_view_target *target = &spec->targets[cold->target];

	for (uint32_t i = 0; target->used && i < listener->n_closed; i++) {
		if (spec->forwards[listener->closed_first + i].group == target->group)
			return true;
	}
	return false;
}

uint8_t dp_flow_fate(const struct cv_dp_worker *w, uint32_t idx, enum cv_event *ret_event)
{
	const struct cv_view_spec *spec = &w->view->spec;
	const struct cv_flow *flow = &w->flows->flows[idx];
	const struct cv_flow_cold *cold = &w->flows->cold[idx];

	if (dp_is_killed(flow))
		return CV_VIEW_END_KEEP;
	*ret_event = CV_EV_FLOW_END_FLUSH;
	if (!dp_has_place(w, flow))
		return dp_end_of(spec->settings.end_endpoint);
	if (spec->targets[cold->target].end) {
		*ret_event = CV_EV_FLOW_END_TARGET;
		return dp_end_of(spec->settings.end_target);
	}
	if (dp_is_closed(spec, cold))
		return dp_end_of(spec->settings.end_target);
	return spec->listeners[cold->listener].used ? CV_VIEW_END_KEEP
						    : spec->settings.end_listener;
}
