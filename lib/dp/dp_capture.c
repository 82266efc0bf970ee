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

/* ---- the worker's side ---- */

static bool dp_capture_wants(const struct cv_dp_capture_filter *f, const struct dp_known *k)
{
	return (f->endpoint == CV_VIEW_NONE || f->endpoint == k->endpoint) &&
	       (f->client_ip == 0 || f->client_ip == k->client_ip) &&
	       (f->port == 0 || f->port == k->port) &&
	       (f->target_ip == 0 ||
		(f->target_ip == k->target_ip && f->target_port == k->target_port));
}

static void dp_capture_put(struct cv_dp_worker *w, const struct rte_mbuf *m, uint16_t port,
			   const struct dp_known *known, bool sent)
{
	struct dp_capture_part *part = &w->capture->parts[w->id];
	uint16_t n = RTE_MIN(m->data_len, w->capture->filter.snap_len);
	struct cv_pkt_rec rec = {.ip = &part->rec, .len = (uint16_t)(sizeof(part->rec.head) + n)};

	if (!dp_capture_wants(&w->capture->filter, known))
		return;
	part->rec.head = (struct dp_capture_head){
		.tsc = rte_rdtsc(),
		.endpoint = known->endpoint,
		.port = port,
		.len = m->data_len,
		.target_side = known->target_side,
		.sent = sent,
	};
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

/* Without a flow, the client's side still tells the endpoint. @param local our address there */
static struct dp_known dp_client_known(const struct cv_dp_worker *w, uint16_t vpc, cv_be32_t local,
				       cv_be32_t client, cv_be16_t port)
{
	const struct cv_view_local *at = cv_view_local_find(w->view, vpc, local);

	return (struct dp_known){
		.endpoint = at != NULL ? at->endpoint : CV_VIEW_NONE,
		.client_ip = client,
		.port = port,
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
	for (uint16_t i = 0; i < n; i++) {
		const struct dp_pkt *p = &pkts[i];
		const struct rte_tcp_hdr *tcp = dp_tcp_hdr(p);
		struct dp_known known;

		if (p->flow != CV_FLOW_NONE && dp_is_flow(w, p))
			known = dp_flow_known(w, &w->flows->flows[p->flow], p->side == DP_TARGET);
		else if (p->side == DP_TARGET)
			known = dp_target_known(p->ip->src_addr, tcp->src_port);
		else
			known = dp_client_known(w, p->vpc, p->ip->dst_addr, p->ip->src_addr,
						tcp->dst_port);
		dp_capture_put(w, p->m, p->m->port, &known, false);
	}
}

/* Of a packet to a target, whose flow may have ended with it. */
static struct dp_known dp_sent_to_target(const struct cv_dp_worker *w,
					 const struct cv_snat_pool *pool, uint16_t vpc,
					 const struct rte_ipv4_hdr *ip,
					 const struct rte_tcp_hdr *tcp)
{
	uint32_t word = cv_snat_owner(pool, cv_be16_host(tcp->src_port));
	uint64_t ips = (uint64_t)ip->src_addr << 32 | ip->dst_addr;
	uint32_t ports = (uint32_t)tcp->src_port << 16 | tcp->dst_port;

	if (word != CV_SNAT_NONE && word >> 24 == w->id) {
		const struct cv_flow *flow = &w->flows->flows[word & CV_FLOW_MAX];

		if (cv_flow_is_target_side(flow, vpc, ips, ports))
			return dp_flow_known(w, flow, true);
	}
	return dp_target_known(ip->dst_addr, tcp->dst_port);
}

static struct dp_known dp_sent_to_client(const struct cv_dp_worker *w, uint16_t vpc,
					 const struct rte_ipv4_hdr *ip,
					 const struct rte_tcp_hdr *tcp)
{
	const struct cv_flow_key key = {
		.client_ip = ip->dst_addr,
		.dialled_ip = ip->src_addr,
		.client_port = tcp->dst_port,
		.dialled_port = tcp->src_port,
		.vpc = vpc,
	};
	uint32_t idx = cv_flow_find(w->flows, &key, cv_flow_hash(w->flows, &key));

	if (idx != CV_FLOW_NONE)
		return dp_flow_known(w, &w->flows->flows[idx], false);
	return dp_client_known(w, vpc, ip->src_addr, ip->dst_addr, tcp->src_port);
}

void dp_capture_sent(struct cv_dp_worker *w, uint16_t port, struct rte_mbuf *const *pkts,
		     uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *l2 = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		uint16_t type, vlan = 0, l2_len = 14, vpc;
		const struct rte_ipv4_hdr *ip;
		const struct rte_tcp_hdr *tcp;
		const struct cv_snat_pool *pool;
		struct dp_known known;

		memcpy(&type, l2 + 12, 2);
		if (type == DP_TYPE_VLAN) {
			memcpy(&vlan, l2 + 14, 2);
			vlan = cv_be16_host(vlan) & 4095;
			memcpy(&type, l2 + 16, 2);
			l2_len = 18;
		}
		ip = (const void *)(l2 + l2_len);
		tcp = (const void *)(ip + 1);
		if (type != DP_TYPE_IPV4 || pkts[i]->data_len < l2_len + DP_IP_LEN + DP_TCP_LEN ||
		    ip->next_proto_id != IPPROTO_TCP)
			continue;
		vpc = cv_view_vpc_find(w->view, port, vlan);
		pool = cv_view_pool_find(w->view, vpc, ip->src_addr, ip->dst_addr, tcp->dst_port);
		known = pool != NULL ? dp_sent_to_target(w, pool, vpc, ip, tcp)
				     : dp_sent_to_client(w, vpc, ip, tcp);
		dp_capture_put(w, pkts[i], port, &known, true);
	}
}

void dp_capture_set(struct cv_dp_worker *w, struct cv_dp_capture *capture, bool on)
{
	w->capture = on ? capture : NULL;
	if (!on)
		atomic_store_explicit(&capture->parts[w->id].done, true, memory_order_release);
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
