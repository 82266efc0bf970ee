/* SPDX-License-Identifier: BSD-3-Clause */

/* Copies for somebody to look at. None of this runs unless there is a capture. */

#include <errno.h>
#include <stdlib.h>

#include "dp_capture.h"
#include "dp_path.h"

/* What is known of a packet. */
struct dp_known {
	uint32_t endpoint; /* CV_VIEW_NONE: not known */
	cv_be32_t client_ip, target_ip;
	cv_be16_t target_port, port; /* 0: not known */
	bool target_side;
};

/* A packet's two ends, by the headers of its frame. */
struct dp_ends {
	uint16_t vpc;
	bool has_ports;
	cv_be32_t ours, theirs;
	cv_be16_t our_port, their_port;
};

/* ---- the worker's side ---- */

static bool dp_capture_wants(const struct cv_dp_capture_filter *f, const struct dp_known *k)
{
	return (f->endpoint == CV_VIEW_NONE || f->endpoint == k->endpoint) &&
	       (f->client_ip == 0 || f->client_ip == k->client_ip) &&
	       (f->port == 0 || f->port == k->port) &&
	       (f->target_ip == 0 ||
		(f->target_ip == k->target_ip && f->target_port == k->target_port));
}

/* @param head side, direction, drop and port; the rest is filled here */
static void dp_capture_put(struct cv_dp_worker *w, const struct rte_mbuf *m,
			   const struct dp_known *known, struct dp_capture_head head)
{
	struct dp_capture_part *part = &w->capture->parts[w->id];
	uint16_t n = RTE_MIN(m->data_len, w->capture->filter.snap_len);
	struct cv_pkt_rec rec = {.ip = &part->rec, .len = (uint16_t)(sizeof(part->rec.head) + n)};

	if (!dp_capture_wants(&w->capture->filter, known))
		return;
	head.tsc = rte_rdtsc();
	head.endpoint = known->endpoint;
	head.target_side = known->target_side;
	head.len = m->data_len;
	part->rec.head = head;
	memcpy(part->rec.data, rte_pktmbuf_mtod(m, const void *), n);
	if (!cv_pkt_ring_put(part->ring, &rec))
		atomic_fetch_add_explicit(&part->missed, 1, memory_order_relaxed);
}

static struct dp_known dp_flow_known(const struct cv_dp_worker *w, const struct cv_flow *flow,
				     bool target_side)
{
	return (struct dp_known){
		.endpoint = dp_endpoint(w, flow),
		.client_ip = flow->client_ip,
		.target_ip = flow->target_ip,
		.target_port = flow->target_port,
		.port = flow->dialled_port,
		.target_side = target_side,
	};
}

/* Without a flow, the client's side still tells the endpoint. */
static struct dp_known dp_client_known(const struct cv_dp_worker *w, const struct dp_ends *e)
{
	const struct cv_view_local *at = cv_view_local_find(w->view, e->vpc, e->ours);

	return (struct dp_known){
		.endpoint = at != NULL ? at->endpoint : CV_VIEW_NONE,
		.client_ip = e->theirs,
		.port = e->our_port,
	};
}

static struct dp_known dp_target_known(cv_be32_t ip, cv_be16_t port)
{
	return (struct dp_known){.endpoint = CV_VIEW_NONE,
				 .target_ip = ip,
				 .target_port = port,
				 .target_side = true};
}

void dp_capture_received(struct cv_dp_worker *w, const struct dp_pkt *pkts, uint16_t n)
{
	if (w->capture->filter.drop != CV_DROP_NONE)
		return;
	for (uint16_t i = 0; i < n; i++) {
		const struct dp_pkt *p = &pkts[i];
		const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
		const struct dp_ends ends = {p->vpc,          true,          p->ip->dst_addr,
					     p->ip->src_addr, tcp->dst_port, tcp->src_port};
		struct dp_known known;

		if (p->flow != CV_FLOW_NONE && dp_is_flow(w, p))
			known = dp_flow_known(w, &w->flows->flows[p->flow], p->side == DP_TARGET);
		else if (dp_is_foreign(w, p))
			continue; /* the worker that it is handed to keeps it */
		else if (p->side == DP_TARGET)
			known = dp_target_known(ends.theirs, ends.their_port);
		else
			known = dp_client_known(w, &ends);
		dp_capture_put(w, p->m, &known, (struct dp_capture_head){.port = p->m->port});
	}
}

/* Of a packet between a node and a target, whose flow may have ended with it. */
static struct dp_known dp_pool_known(const struct cv_dp_worker *w, const struct cv_snat_pool *pool,
				     const struct dp_ends *e)
{
	uint32_t word = cv_snat_owner(pool, cv_be16_host(e->our_port));
	uint64_t ips = (uint64_t)e->ours << 32 | e->theirs;
	uint32_t ports = (uint32_t)e->our_port << 16 | e->their_port;

	if (word != CV_SNAT_NONE && word >> 24 == w->id) {
		const struct cv_flow *flow = &w->flows->flows[word & CV_FLOW_MAX];

		if (cv_flow_is_target_side(flow, e->vpc, ips, ports))
			return dp_flow_known(w, flow, true);
	}
	return dp_target_known(e->theirs, e->their_port);
}

static struct dp_known dp_ends_known(const struct cv_dp_worker *w, const struct dp_ends *e)
{
	const struct cv_flow_key key = {
		.client_ip = e->theirs,
		.dialled_ip = e->ours,
		.client_port = e->their_port,
		.dialled_port = e->our_port,
		.vpc = e->vpc,
	};
	const struct cv_snat_pool *pool;
	uint32_t idx;

	if (!e->has_ports)
		return dp_client_known(w, e);
	pool = cv_view_pool_find(w->view, e->vpc, e->ours, e->theirs, e->their_port);
	if (pool != NULL)
		return dp_pool_known(w, pool, e);
	idx = cv_flow_find(w->flows, &key, cv_flow_hash(w->flows, &key));
	if (idx != CV_FLOW_NONE)
		return dp_flow_known(w, &w->flows->flows[idx], false);
	return dp_client_known(w, e);
}

/* The frame inside, if an IP packet to or from one of our VTEPs carries one; NULL if not. */
static const uint8_t *dp_inside(const struct cv_dp_worker *w, const struct rte_ipv4_hdr *ip,
				const uint8_t *end, bool sent, uint16_t *vpc)
{
	const uint8_t *udp = (const uint8_t *)(ip + 1), *l2 = udp + 16;
	cv_be16_t port;
	uint32_t vni;

	if (cv_view_vxlan_find(w->view, *vpc) == NULL || ip->next_proto_id != IPPROTO_UDP ||
	    l2 + RTE_ETHER_HDR_LEN > end)
		return NULL;
	memcpy(&port, udp + 2, sizeof(port));
	memcpy(&vni, udp + 12, sizeof(vni));
	if (port != RTE_BE16(CV_VXLAN_PORT))
		return NULL;
	*vpc = cv_view_vni_find(w->view, *vpc, cv_be32_host(vni) >> 8);
	return *vpc != CV_VIEW_NO_VPC && (sent || cv_view_is_vxlan(w->view, *vpc)) ? l2 : NULL;
}

static bool dp_ip_ends(const struct rte_ipv4_hdr *ip, const uint8_t *end, bool sent,
		       struct dp_ends *e)
{
	cv_be16_t ports[2] = {0};

	if ((const uint8_t *)(ip + 1) > end || ip->version_ihl != 0x45)
		return false;
	e->has_ports = ip->next_proto_id == IPPROTO_TCP &&
		       (const uint8_t *)(ip + 1) + DP_TCP_LEN <= end &&
		       (ip->fragment_offset & RTE_BE16(0x3fff)) == 0;
	if (e->has_ports)
		memcpy(ports, ip + 1, sizeof(ports));
	e->ours = sent ? ip->src_addr : ip->dst_addr;
	e->theirs = sent ? ip->dst_addr : ip->src_addr;
	e->our_port = ports[!sent];
	e->their_port = ports[sent];
	return true;
}

/*
 * Reads a frame, and one that it carries in VXLAN. Returns false if no IP packet between us and somebody is
 * in it. One to a group is none; nor is one that waits for its outer headers, with a ticket for a MAC.
 */
static bool dp_frame_ends(const struct cv_dp_worker *w, const struct rte_mbuf *m, uint16_t port,
			  bool sent, struct dp_ends *e)
{
	const uint8_t *l2 = rte_pktmbuf_mtod(m, const uint8_t *), *end = l2 + m->data_len;
	uint16_t type, vlan = 0, l2_len = RTE_ETHER_HDR_LEN;

	if (m->data_len < l2_len + RTE_VLAN_HLEN || (l2[0] & 1) != 0)
		return false;
	memcpy(&type, l2 + 12, 2);
	if (type == DP_TYPE_VLAN) {
		memcpy(&vlan, l2 + 14, 2);
		vlan = cv_be16_host(vlan) & 4095;
		memcpy(&type, l2 + 16, 2);
		l2_len += RTE_VLAN_HLEN;
	}
	e->vpc = cv_view_vpc_find(w->view, port, vlan);
	if (type != DP_TYPE_IPV4 || !dp_ip_ends((const void *)(l2 + l2_len), end, sent, e))
		return false;
	l2 = dp_inside(w, (const void *)(l2 + l2_len), end, sent, &e->vpc);
	if (l2 == NULL)
		return true;
	memcpy(&type, l2 + 12, 2);
	return type == DP_TYPE_IPV4 &&
	       dp_ip_ends((const void *)(l2 + RTE_ETHER_HDR_LEN), end, sent, e);
}

void dp_capture_sent(struct cv_dp_worker *w, uint16_t port, struct rte_mbuf *const *pkts,
		     uint16_t n)
{
	const struct dp_capture_head head = {.port = port, .sent = true};

	if (w->capture->filter.drop != CV_DROP_NONE)
		return;
	for (uint16_t i = 0; i < n; i++) {
		struct dp_known known;
		struct dp_ends ends;

		if (!dp_frame_ends(w, pkts[i], port, true, &ends) || !ends.has_ports)
			continue;
		known = dp_ends_known(w, &ends);
		dp_capture_put(w, pkts[i], &known, head);
	}
}

static void dp_drop_put(struct cv_dp_worker *w, const struct rte_mbuf *m,
			struct dp_capture_head head)
{
	const enum cv_drop want = w->capture->filter.drop;
	struct dp_known known = {.endpoint = CV_VIEW_NONE};
	struct dp_ends ends;

	if (want != head.drop && want != CV_DP_CAPTURE_DROPS)
		return;
	if (dp_frame_ends(w, m, head.port, head.sent, &ends))
		known = dp_ends_known(w, &ends);
	dp_capture_put(w, m, &known, head);
}

void dp_capture_dropped(struct cv_dp_worker *w, const struct rte_mbuf *m, enum cv_drop reason)
{
	/* What a worker made, and could not even gather, came by no port and has no bytes yet. */
	if (reason == CV_DROP_ARP_CONSUMED || reason == CV_DROP_HOST_TAKEN ||
	    m->port >= w->n_ports || m->nb_segs > 1)
		return;
	dp_drop_put(w, m, (struct dp_capture_head){.port = m->port, .drop = (uint8_t)reason});
}

void dp_capture_untaken(struct cv_dp_worker *w, uint16_t port, struct rte_mbuf *const *pkts,
			uint16_t n)
{
	const struct dp_capture_head head = {.port = port, .sent = true, .drop = CV_DROP_TX_FULL};

	for (uint16_t i = 0; i < n; i++)
		dp_drop_put(w, pkts[i], head);
}

void dp_capture_set(struct cv_dp_worker *w, struct cv_dp_capture *capture, bool on)
{
	struct dp_capture_part *part = &capture->parts[w->id];

	w->capture = on ? capture : NULL;
	atomic_store_explicit(on ? &part->begun : &part->done, true, memory_order_release);
}

/* ---- control's side ---- */

static int dp_capture_tell(struct cv_dp_capture *capture, unsigned int worker, bool on)
{
	struct dp_cmd cmd = {.kind = DP_CMD_CAPTURE, .on = on, .capture = capture};
	struct rte_ring *cmds = capture->dp->workers[worker]->cmds;

	return rte_ring_sp_enqueue_elem(cmds, &cmd, sizeof(cmd)) == 0 ? 0 : -EAGAIN;
}

int cv_dp_capture_create(struct cv_dp *dp, const struct cv_dp_capture_filter *filter,
			 struct cv_dp_capture **ret_capture)
{
	struct cv_dp_capture *capture = calloc(1, sizeof(*capture));

	if (capture == NULL)
		return -ENOMEM;
	*capture = (struct cv_dp_capture){.filter = *filter,
					  .dp = dp,
					  .tsc = rte_rdtsc(),
					  .tsc_per_ms = dp->tsc_per_ms,
					  .n_parts = dp->n_workers};
	capture->parts = aligned_alloc(CV_CACHE_LINE, dp->n_workers * sizeof(*capture->parts));
	if (capture->parts != NULL)
		memset(capture->parts, 0, dp->n_workers * sizeof(*capture->parts));
	for (unsigned int i = 0; i < dp->n_workers && capture->parts != NULL; i++) {
		capture->parts[i].ring = cv_pkt_ring_create(CV_DP_CAPTURE_RING);
		if (capture->parts[i].ring == NULL) {
			cv_dp_capture_destroy(capture);
			return -ENOMEM;
		}
	}
	if (capture->parts == NULL) {
		cv_dp_capture_destroy(capture);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		if (rte_ring_free_count(dp->workers[i]->cmds) == 0) {
			cv_dp_capture_destroy(capture);
			return -EAGAIN;
		}
	}
	/* Control is the only one that fills these rings: there still is room. */
	for (unsigned int i = 0; i < dp->n_workers; i++)
		(void)dp_capture_tell(capture, i, true);
	*ret_capture = capture;
	return 0;
}

int cv_dp_capture_stop(struct cv_dp_capture *capture)
{
	int ret = 0;

	for (unsigned int i = 0; i < capture->n_parts; i++) {
		struct dp_capture_part *part = &capture->parts[i];

		if (!part->told)
			part->told = dp_capture_tell(capture, i, false) == 0;
		if (!part->told)
			ret = -EAGAIN;
	}
	return ret;
}

bool cv_dp_capture_has_begun(const struct cv_dp_capture *capture)
{
	for (unsigned int i = 0; i < capture->n_parts; i++)
		if (!atomic_load_explicit(&capture->parts[i].begun, memory_order_acquire))
			return false;
	return true;
}

bool cv_dp_capture_is_done(const struct cv_dp_capture *capture)
{
	for (unsigned int i = 0; i < capture->n_parts; i++)
		if (!atomic_load_explicit(&capture->parts[i].done, memory_order_acquire))
			return false;
	return true;
}

bool cv_dp_capture_peek(struct cv_dp_capture *capture, struct cv_dp_capture_pkt *ret_pkt)
{
	struct cv_pkt_rec rec, first = {0};
	struct dp_capture_head head, first_head = {0};

	for (unsigned int i = 0; i < capture->n_parts; i++) {
		if (!cv_pkt_ring_peek(capture->parts[i].ring, &rec))
			continue;
		memcpy(&head, rec.ip, sizeof(head));
		if (first.ip != NULL && first_head.tsc <= head.tsc)
			continue;
		first = rec;
		first_head = head;
		capture->current = i;
	}
	if (first.ip == NULL)
		return false;
	*ret_pkt = (struct cv_dp_capture_pkt){
		.ns = (uint64_t)((unsigned __int128)(first_head.tsc - capture->tsc) * 1000000 /
				 capture->tsc_per_ms),
		.endpoint = first_head.endpoint,
		.port = first_head.port,
		.len = first_head.len,
		.n = (uint16_t)(first.len - sizeof(head)),
		.target_side = first_head.target_side,
		.sent = first_head.sent,
		.drop = (enum cv_drop)first_head.drop,
		.data = (const uint8_t *)first.ip + sizeof(head),
	};
	return true;
}

void cv_dp_capture_pop(struct cv_dp_capture *capture)
{
	cv_pkt_ring_pop(capture->parts[capture->current].ring);
}

uint64_t cv_dp_capture_missed(const struct cv_dp_capture *capture)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < capture->n_parts; i++)
		sum += atomic_load_explicit(&capture->parts[i].missed, memory_order_relaxed);
	return sum;
}

void cv_dp_capture_destroy(struct cv_dp_capture *capture)
{
	if (capture == NULL)
		return;
	for (unsigned int i = 0; capture->parts != NULL && i < capture->n_parts; i++)
		cv_pkt_ring_destroy(capture->parts[i].ring);
	free(capture->parts);
	free(capture);
}
