/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packets of a flow that need more than rewriting: handshake, header splice, close. What to do is
 * decided by lib/tcp; here it is done to the bytes.
 */

#include "dp_path.h"
#include "dp_vxlan.h"

enum cv_event dp_flow_expiry(const struct cv_dp_worker *w, const struct cv_flow *flow)
{
	const struct cv_view_settings *set = &w->view->spec.settings;
	uint32_t age = (uint32_t)w->now_ms - flow->last_ms;

	switch ((enum cv_tcp_state)flow->tcp.state) {
	case CV_TCP_SYN_SENT:
	case CV_TCP_SYN_RCVD:
		/* Since the first SYN: repeated ones do not stretch it. */
		age = (uint32_t)w->now_ms - flow->start_ms;
		return age > set->syn_ms ? CV_EV_FLOW_END_SYN : CV_EV_N;
	case CV_TCP_FIN_BOTH:
		return age > set->fin_ms ? CV_EV_FLOW_END_FIN : CV_EV_N;
	case CV_TCP_CLOSED:
		return age > set->linger_ms ? CV_EV_FLOW_END_FIN : CV_EV_N;
	case CV_TCP_RESET:
		return age > set->linger_ms ? CV_EV_FLOW_END_RST : CV_EV_N;
	default:
		return age > flow->idle_s * 1000u ? CV_EV_FLOW_END_IDLE : CV_EV_N;
	}
}

void dp_flow_end(struct cv_dp_worker *w, uint32_t idx, enum cv_event event)
{
	struct cv_flow *flow = &w->flows->flows[idx];
	struct cv_snat_pool *pool = cv_view_pool_find(w->view, flow->target_vpc, flow->node_ip,
						      flow->target_ip, flow->target_port);
	uint32_t age = (uint32_t)w->now_ms - flow->last_ms;
	bool closed = flow->tcp.state >= CV_TCP_CLOSED;

	/* A pool stays in every view for as long as flows hold its ports. */
	cv_assert(pool != NULL);
	/* The port of a closed flow rests since the close, not since the end of its linger. */
	cv_snat_free(pool, cv_be16_host(flow->node_port), w->now_ms - (closed ? age : 0));
	if (dp_is_half_open(flow))
		dp_half_open_add(w, flow, -1);
	dp_entry_add(w, flow, -1);
	/* Of one that was killed it was counted then. */
	if (!dp_is_killed(flow))
		dp_event(w, event);
	if (!cv_tcp_is_over(&flow->tcp))
		dp_end_count(w, idx);
	dp_client_forget(w, flow->client_mac);
	cv_flow_close(w->flows, idx);
}

/* Adds to a packet's TCP checksum. */
static void dp_csum_add(struct rte_tcp_hdr *tcp, uint32_t diff)
{
	tcp->cksum = cv_csum_apply(tcp->cksum, diff);
}

/* The packet is now `len` bytes of IP: fixes lengths and what they do to the checksums. */
static void dp_len_set(struct dp_pkt *p, uint16_t len)
{
	cv_be16_t from = p->ip->total_length, to = cv_be16(len);

	p->ip->hdr_checksum = cv_csum_apply(p->ip->hdr_checksum, cv_csum_diff16(from, to));
	dp_csum_add(dp_tcp_hdr(p), cv_csum_diff16(cv_be16((uint16_t)(p->len - DP_IP_LEN)),
						  cv_be16((uint16_t)(len - DP_IP_LEN))));
	p->ip->total_length = to;
	p->len = len;
}

/* Moves the frame's headers by n bytes (towards the end if positive) beside their payload. */
static void dp_headers_move(struct dp_pkt *p, int n)
{
	uint8_t *from = rte_pktmbuf_mtod(p->m, uint8_t *);
	size_t len = (size_t)((uint8_t *)dp_tcp_hdr(p) - from) + dp_tcp_len(dp_tcp_hdr(p));

	memmove(from + n, from, len);
	p->m->data_off = (uint16_t)(p->m->data_off + n);
	p->m->data_len = (uint16_t)(p->m->data_len - n);
	p->m->pkt_len = p->m->data_len;
	p->ip = (struct rte_ipv4_hdr *)(void *)((uint8_t *)p->ip + n);
}

/* Removes n bytes from the front of the payload. An odd n swaps the bytes of the rest's sum. */
static void dp_payload_trim(struct dp_pkt *p, uint16_t n)
{
	uint8_t *payload = (uint8_t *)dp_tcp_hdr(p) + dp_tcp_len(dp_tcp_hdr(p));
	uint16_t left = (uint16_t)(p->len - (payload - (uint8_t *)p->ip) - n);
	uint16_t before = cv_csum_fold(cv_csum_add(payload, (size_t)n + left, 0));
	uint16_t after = cv_csum_fold(cv_csum_add(payload + n, left, 0));

	dp_csum_add(dp_tcp_hdr(p), cv_csum_diff16(before, after));
	dp_headers_move(p, n);
	dp_len_set(p, (uint16_t)(p->len - n));
}

/* Puts the PROXY header in front of the payload. */
static void dp_header_insert(struct cv_dp_worker *w, struct dp_pkt *p, const struct cv_flow *flow)
{
	uint8_t *header;

	dp_headers_move(p, -CV_PPV2_AWS_LEN);
	header = (uint8_t *)dp_tcp_hdr(p) + dp_tcp_len(dp_tcp_hdr(p));
	dp_csum_add(dp_tcp_hdr(p), dp_header_put(w, flow, header));
	dp_len_set(p, (uint16_t)(p->len + CV_PPV2_AWS_LEN));
}

static void dp_numbers_set(struct rte_tcp_hdr *tcp, const struct cv_tcp_seg *seg,
			   const struct cv_tcp_act *act)
{
	if (act->seq != seg->seq) {
		rte_be32_t seq = rte_cpu_to_be_32(act->seq);

		dp_csum_add(tcp, cv_csum_diff32(tcp->sent_seq, seq));
		tcp->sent_seq = seq;
	}
	if ((seg->flags & CV_TCP_ACK) != 0 && act->ack != seg->ack) {
		rte_be32_t ack = rte_cpu_to_be_32(act->ack);

		dp_csum_add(tcp, cv_csum_diff32(tcp->recv_ack, ack));
		tcp->recv_ack = ack;
	}
	if (act->less != 0) {
		rte_be16_t wnd = rte_cpu_to_be_16((uint16_t)(seg->wnd - act->less));

		dp_csum_add(tcp, cv_csum_diff16(tcp->rx_win, wnd));
		tcp->rx_win = wnd;
	}
}

/* The most that a SYN may ask for on the side of a VPC: what endpoints drop, nobody should send. */
static uint16_t dp_mss_clamp(const struct cv_view_vpc *vpc, unsigned int hops)
{
	const uint16_t headers = DP_IP_LEN + DP_TCP_LEN;

	if (hops != DP_HOPS_ENDPOINT || vpc->mss_max == UINT16_MAX ||
	    vpc->mtu_by_endpoint <= headers)
		return vpc->mss_max;
	return RTE_MIN(vpc->mss_max, (uint16_t)(vpc->mtu_by_endpoint - headers));
}

static void dp_options_edit(struct cv_dp_worker *w, struct dp_pkt *p, const struct cv_flow *flow,
			    struct cv_tcp_opts *opts, const struct cv_tcp_act *act)
{
	const struct cv_view_vpc *vpcs = w->view->spec.vpcs;
	struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
	uint8_t *bytes = (uint8_t *)tcp + DP_TCP_LEN;

	if ((tcp->tcp_flags & RTE_TCP_SYN_FLAG) != 0) {
		unsigned int hops = dp_hops(flow->path);
		uint16_t max = RTE_MIN(dp_mss_clamp(&vpcs[flow->client_vpc], hops),
				       dp_mss_clamp(&vpcs[flow->target_vpc], hops));
		uint32_t diff = cv_tcp_mss_clamp(bytes, opts, max);

		if (diff != 0) {
			dp_csum_add(tcp, diff);
			dp_event(w, CV_EV_MSS_CLAMPED);
		}
	}
	if ((act->edit & CV_TCP_EDIT_TFO) != 0)
		dp_csum_add(tcp, cv_tcp_tfo_strip(bytes, opts));
	if ((act->edit & CV_TCP_EDIT_SACK) != 0)
		dp_csum_add(tcp, cv_tcp_sack_raise(bytes, opts, flow->tcp.isn1));
}

/* Counts what happened and starts the timer of a header that no client's data will bring again. */
static void dp_events_apply(struct cv_dp_worker *w, const struct dp_pkt *p, uint32_t idx,
			    const struct cv_tcp_act *act)
{
	struct cv_flow *flow = &w->flows->flows[idx];

	if ((act->events & CV_TCP_EV_HDR_SENT) != 0) {
		dp_event(w, CV_EV_PPV2_SENT);
		if ((flow->tcp.flags & CV_TCP_F_FIRST_ACK) != 0)
			dp_timer_add(w, idx);
	}
	/* A timer that found the flow closed has ended. */
	if ((act->events & CV_TCP_EV_REVIVED) != 0 && cv_tcp_is_timed(&flow->tcp))
		dp_timer_add(w, idx);
	if ((act->events & CV_TCP_EV_HDR_RESENT) != 0)
		dp_event(w, CV_EV_PPV2_RESENT);
	if ((act->events & CV_TCP_EV_RESET) != 0) {
		dp_event(w, p->side == DP_CLIENT ? CV_EV_CLIENT_RST : CV_EV_TARGET_RST);
		dp_path_event(w, flow->path,
			      p->side == DP_CLIENT ? CV_PATH_CLIENT_RST : CV_PATH_TARGET_RST);
		cv_ctr_add(&dp_path_obj(w, flow)->rsts, 1);
	}
}

/* Headroom was eaten by the driver: the header goes out alone, the segment follows. */
static bool dp_header_split(struct cv_dp_worker *w, const struct cv_flow *flow,
			    const struct cv_tcp_seg *seg, struct cv_tcp_act *act)
{
	struct cv_tcp_built built = {
		.seq = act->seq,
		.ack = act->ack,
		.wnd = seg->wnd,
		.flags = CV_TCP_ACK | CV_TCP_PSH,
		.has_ts = seg->opts != NULL && seg->opts->ts_off != CV_TCP_OPT_NONE,
	};

	if (built.has_ts) {
		built.ts_val = seg->opts->ts_val;
		built.ts_ecr = seg->opts->ts_ecr;
	}
	act->seq += CV_PPV2_AWS_LEN;
	return dp_header_send(w, flow, &built);
}

/* Returns false if the header that must come first could not be made: then the segment must not leave. */
static bool dp_act_apply(struct cv_dp_worker *w, struct dp_pkt *p, const struct cv_flow *flow,
			 const struct cv_tcp_seg *seg, struct cv_tcp_opts *opts,
			 struct cv_tcp_act *act)
{
	bool insert = act->hdr == CV_TCP_HDR_IN_SEGMENT;

	if (act->hdr == CV_TCP_HDR_RESEND)
		(void)dp_header_send(w, flow, &act->built);
	if (act->hdr == CV_TCP_HDR_BEFORE && !dp_header_send(w, flow, &act->built))
		return false;
	if (insert && rte_pktmbuf_headroom(p->m) < CV_PPV2_AWS_LEN + RTE_VLAN_HLEN) {
		if (!dp_header_split(w, flow, seg, act))
			return false;
		insert = false;
	}
	dp_numbers_set(dp_tcp_hdr(p), seg, act);
	if (opts != NULL)
		dp_options_edit(w, p, flow, opts, act);
	if (act->trim > 0)
		dp_payload_trim(p, act->trim);
	if (insert)
		dp_header_insert(w, p, flow);
	return true;
}

static struct cv_tcp_seg dp_seg(const struct dp_pkt *p)
{
	const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
	uint16_t tcp_len = dp_tcp_len(tcp);

	return (struct cv_tcp_seg){
		.seq = rte_be_to_cpu_32(tcp->sent_seq),
		.ack = rte_be_to_cpu_32(tcp->recv_ack),
		.wnd = rte_be_to_cpu_16(tcp->rx_win),
		.payload_len = (uint16_t)(p->len - DP_IP_LEN - tcp_len),
		.flags = tcp->tcp_flags,
		.opts_len = (uint8_t)(tcp_len - DP_TCP_LEN),
	};
}

static void dp_miss(struct cv_dp_worker *w, struct dp_pkt *p)
{
	if (p->side == DP_CLIENT)
		dp_client_miss(w, p);
	else
		dp_target_miss(w, p);
}

/* The flow was over before this packet came: it is a packet of no flow. */
static void dp_expired(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t idx, enum cv_event why)
{
	dp_flow_end(w, idx, why);
	dp_miss(w, p);
}

static void dp_drop_flow(struct cv_dp_worker *w, const struct dp_pkt *p, const struct cv_flow *flow,
			 enum cv_drop reason)
{
	dp_path_drop(w, flow->path, reason);
	dp_drop(w, p->m, reason);
}

/* A header is to go, and the endpoint that it names went with the last view: its place there is empty. */
static inline bool dp_header_is_lost(const struct cv_dp_worker *w, const struct cv_flow *flow)
{
	return !w->view->spec.endpoints[dp_endpoint(w, flow)].used;
}

/* Does with such a flow what the recheck is about to do. Returns false if it is another. */
static bool dp_end_headless(struct cv_dp_worker *w, uint32_t idx)
{
	enum cv_event event = CV_EV_FLOW_END_FLUSH;
	uint8_t how;

	if (!dp_header_is_lost(w, &w->flows->flows[idx]))
		return false;
	how = dp_flow_fate(w, idx, &event);
	dp_flow_kill(w, idx, how, event);
	return true;
}

/* A packet of a flow that culvert ended, or forgot just now. A client may come back at once. */
static void dp_killed_packet(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t idx)
{
	const uint8_t flags = dp_tcp_hdr(p)->tcp_flags;
	const struct cv_flow *flow = &w->flows->flows[idx];

	if (flow->node_port == 0) {
		dp_miss(w, p);
	} else if (p->side == DP_CLIENT &&
		   (flags & (CV_TCP_SYN | CV_TCP_ACK | CV_TCP_RST)) == CV_TCP_SYN) {
		dp_expired(w, p, idx, CV_EV_N);
	} else if ((flags & CV_TCP_RST) != 0) {
		dp_drop_flow(w, p, flow, CV_DROP_STRAY_RST);
	} else {
		dp_path_drop(w, flow->path, CV_DROP_STRAY);
		dp_rst_reply(w, p, flow->path, CV_DROP_STRAY);
	}
}

/* Drops a packet that could not be forwarded. Returns false if it could. */
static bool dp_drop_stuck(struct cv_dp_worker *w, const struct dp_pkt *p,
			  const struct cv_flow *flow)
{
	uint64_t neigh;
	enum cv_drop reason = dp_forward_check(w, p, flow, &neigh);

	if (reason == CV_DROP_NONE)
		return false;
	dp_drop_flow(w, p, flow, reason);
	return true;
}

/* Ethernet padding goes: what stands behind the payload from here on is payload. */
static void dp_padding_cut(const struct dp_pkt *p)
{
	p->m->data_len = (uint16_t)((uint8_t *)p->ip - rte_pktmbuf_mtod(p->m, uint8_t *) + p->len);
	p->m->pkt_len = p->m->data_len;
}

/* Asks lib/tcp, and keeps count of handshakes that it finds finished, and of flows that are over. */
static enum cv_tcp_verdict dp_tcp_judge(struct cv_dp_worker *w, const struct dp_pkt *p,
					uint32_t idx, const struct cv_tcp_seg *seg,
					struct cv_tcp_act *ret_act)
{
	struct cv_flow *flow = &w->flows->flows[idx];
	struct cv_tcp_cold *cold = &w->flows->cold[idx].tcp;
	const struct cv_tcp before = flow->tcp;
	enum cv_tcp_verdict verdict;

	if (p->side == DP_CLIENT)
		verdict = cv_tcp_c2t(&flow->tcp, cold, seg, ret_act);
	else
		verdict = cv_tcp_t2c(&flow->tcp, cold, seg, ret_act);
	if (before.state <= CV_TCP_SYN_RCVD && !dp_is_half_open(flow))
		dp_half_open_add(w, flow, -1);
	if (flow->tcp.state >= CV_TCP_CLOSED && !cv_tcp_is_over(&before) &&
	    cv_tcp_is_over(&flow->tcp))
		dp_end_count(w, idx);
	return verdict;
}

/* A SYN of a new connection has the flow's key: what the old one ended by. */
static enum cv_event dp_reopen_event(const struct cv_flow *flow)
{
	if (dp_is_half_open(flow))
		return CV_EV_FLOW_END_SYN;
	return flow->tcp.state == CV_TCP_RESET ? CV_EV_FLOW_END_RST : CV_EV_FLOW_END_FIN;
}

static void dp_tcp_apply(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t idx,
			 const struct cv_tcp_seg *seg, struct cv_tcp_opts *opts,
			 struct cv_tcp_act *act)
{
	struct cv_flow *flow = &w->flows->flows[idx];
	uint32_t last_ms = flow->last_ms;

	if (dp_act_apply(w, p, flow, seg, opts, act))
		dp_forward(w, p, flow);
	else
		dp_drop_flow(w, p, flow, CV_DROP_NO_MBUF);
	/* Stragglers do not keep a closed flow: its time of death stays. */
	if (flow->tcp.state >= CV_TCP_CLOSED && (act->events & CV_TCP_EV_CLOSED) == 0)
		flow->last_ms = last_ms;
}

/* The frame's headers go down by the length of the PROXY header: they are shorter, so nothing overlaps. */
static void dp_headers_lower(struct dp_pkt *p)
{
	const uint8_t *from = rte_pktmbuf_mtod(p->m, const uint8_t *);
	size_t len = (size_t)((uint8_t *)dp_tcp_hdr(p) - from) + dp_tcp_len(dp_tcp_hdr(p));
	uint8_t *to = (uint8_t *)rte_pktmbuf_prepend(p->m, CV_PPV2_AWS_LEN);

	/* What is copied too much the header covers. */
	memcpy(to, from, 64);
	if (len > 64)
		memcpy(to + 64, from + 64, len - 64);
	p->ip = (struct rte_ipv4_hdr *)(void *)((uint8_t *)p->ip - CV_PPV2_AWS_LEN);
}

/*
 * The first data of an ordinary client: the header goes in front of it. What every connection has once
 * takes less than the whole way through lib/tcp. Returns false if the packet is any other, and changes
 * nothing then.
 */
static bool dp_first_data(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t idx,
			  const struct cv_tcp_seg *seg)
{
	struct cv_flow *flow = &w->flows->flows[idx];
	struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
	cv_be16_t from = p->ip->total_length, to = cv_be16((uint16_t)(p->len + CV_PPV2_AWS_LEN));
	uint64_t neigh;
	rte_be32_t seq;
	uint32_t diff;

	if (dp_is_killed(flow) || dp_header_is_lost(w, flow) ||
	    (uint32_t)w->now_ms - flow->last_ms > flow->idle_s * 1000u ||
	    rte_pktmbuf_headroom(p->m) < CV_PPV2_AWS_LEN + RTE_VLAN_HLEN ||
	    dp_forward_check(w, p, flow, &neigh) != CV_DROP_NONE ||
	    !cv_tcp_first_data(&flow->tcp, &w->flows->cold[idx].tcp, seg,
			       (const uint8_t *)(tcp + 1)))
		return false;
	dp_padding_cut(p);
	dp_headers_lower(p);
	tcp = dp_tcp_hdr(p);
	seq = rte_cpu_to_be_32(seg->seq - CV_PPV2_AWS_LEN);
	/* The length in the pseudo header grows as that of IP does. */
	diff = cv_csum_diff16(from, to);
	p->ip->hdr_checksum = cv_csum_apply(p->ip->hdr_checksum, diff);
	diff += cv_csum_diff32(tcp->sent_seq, seq);
	diff += dp_header_put(w, flow, (uint8_t *)tcp + dp_tcp_len(tcp));
	dp_csum_add(tcp, diff);
	tcp->sent_seq = seq;
	p->ip->total_length = to;
	p->len = (uint16_t)(p->len + CV_PPV2_AWS_LEN);
	dp_event(w, CV_EV_PPV2_SENT);
	dp_forward_checked(w, p, flow, neigh);
	return true;
}

static inline bool dp_header_went(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t idx,
				  const struct cv_tcp_seg *seg)
{
	return p->side == DP_CLIENT && cv_tcp_wants_header(&w->flows->flows[idx].tcp) &&
	       dp_first_data(w, p, idx, seg);
}

/* A packet of a flow that has expired or that culvert ended. Returns false if it is none. */
static inline bool dp_was_over(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t idx)
{
	const struct cv_flow *flow = &w->flows->flows[idx];
	enum cv_event why = dp_flow_expiry(w, flow);

	if (why == CV_EV_FLOW_END_IDLE && w->view->spec.settings.end_idle == CV_VIEW_END_RESET) {
		dp_flow_kill(w, idx, CV_VIEW_END_RESET, why);
	} else if (why != CV_EV_N) {
		dp_expired(w, p, idx, why);
		return true;
	}
	if (!dp_is_killed(flow))
		return false;
	dp_killed_packet(w, p, idx);
	return true;
}

void dp_tcp_packet(struct cv_dp_worker *w, struct dp_pkt *p, uint32_t idx)
{
	struct cv_flow *flow = &w->flows->flows[idx];
	struct cv_tcp_seg seg = dp_seg(p);
	struct cv_tcp_opts opts;
	struct cv_tcp_act act;
	enum cv_tcp_verdict verdict;

	if (dp_header_went(w, p, idx, &seg))
		return;
	if (dp_was_over(w, p, idx))
		return;
	/*
	 * What cannot leave changes no state: else a RST that stays here would free the port of a connection
	 * that the target still has. A SYN changes none, and may yet open another flow.
	 */
	if ((seg.flags & (CV_TCP_SYN | CV_TCP_ACK)) != CV_TCP_SYN && dp_drop_stuck(w, p, flow))
		return;
	dp_padding_cut(p);
	if (seg.opts_len > 0 && cv_tcp_wants_opts(&flow->tcp, seg.flags) &&
	    cv_tcp_opts_parse((uint8_t *)dp_tcp_hdr(p) + DP_TCP_LEN, seg.opts_len, &opts) == 0)
		seg.opts = &opts;
	verdict = dp_tcp_judge(w, p, idx, &seg, &act);
	if (verdict == CV_TCP_REOPEN) {
		dp_expired(w, p, idx, dp_reopen_event(flow));
		return;
	}
	if (act.hdr != CV_TCP_HDR_NONE && verdict == CV_TCP_FORWARD && dp_end_headless(w, idx)) {
		dp_killed_packet(w, p, idx);
		return;
	}
	dp_events_apply(w, p, idx, &act);
	if (verdict == CV_TCP_FORWARD)
		dp_tcp_apply(w, p, idx, &seg, seg.opts != NULL ? &opts : NULL, &act);
	else
		dp_drop_flow(w, p, flow,
			     verdict == CV_TCP_DROP_SPLICE ? CV_DROP_SPLICE : CV_DROP_TCP_STATE);
}

void dp_timer_add(struct cv_dp_worker *w, uint32_t idx)
{
	const struct cv_flow *flow = &w->flows->flows[idx];
	struct dp_timer *timer;

	if (w->timer_tail - w->timer_head == DP_TIMERS)
		return;
	timer = &w->timers[w->timer_tail++ % DP_TIMERS];
	timer->due_ms = w->now_ms + CV_TCP_TICK_MS;
	timer->flow = idx;
	timer->node_port = flow->node_port;
	timer->start_ms = (uint16_t)flow->start_ms;
}

void dp_tcp_timer(struct cv_dp_worker *w, uint32_t idx)
{
	struct cv_flow *flow = &w->flows->flows[idx];
	struct cv_tcp_act act;

	if (!cv_tcp_is_hdr_unacked(&flow->tcp) || dp_end_headless(w, idx))
		return;
	if (cv_tcp_timer(&flow->tcp, &w->flows->cold[idx].tcp, &act) &&
	    dp_header_send(w, flow, &act.built))
		dp_event(w, CV_EV_PPV2_RESENT);
	/* One that is given up takes no place of another's. */
	if (cv_tcp_is_timed(&flow->tcp))
		dp_timer_add(w, idx);
}
