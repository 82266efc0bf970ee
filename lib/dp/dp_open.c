/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packets of no flow: a SYN may open one, a stray gets an RST, the rest is dropped, each for one
 * named reason.
 */

#include <errno.h>

#include "cv_lb.h"
#include "dp_path.h"
#include "dp_vxlan.h"

/* What a client's SYN leads to, as far as the view decides it. */
struct dp_route {
	const struct cv_view_local *local;
	const struct cv_view_node *node;
	uint32_t listener;
	uint32_t group; /* once a target is picked */
	bool unhealthy; /* likewise: it was picked though no target is healthy */
};

/* A rule that names a group costs the logarithm of what has the group. */
static bool dp_sg_ips_have(const struct cv_view *view, const struct cv_view_sg_rule *rule,
			   cv_be32_t from)
{
	const cv_be32_t *ips = &view->spec.sg_ips[rule->ip_first];
	uint32_t low = 0, high = rule->n_ips;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (ips[mid] == from)
			return true;
		if (ips[mid] < from)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static bool dp_sg_rule_has(const struct cv_view *view, const struct cv_view_sg_rule *rule,
			   cv_be32_t from)
{
	return rule->n_ips == 0 ? cv_prefix_has(&rule->from, from)
				: dp_sg_ips_have(view, rule, from);
}

static bool dp_sg_allows(const struct cv_view *view, bool any, uint32_t first, uint32_t n,
			 const struct cv_flow_key *key)
{
	uint16_t port = cv_be16_host(key->dialled_port);

	if (any)
		return true;
	for (uint32_t i = first; i < first + n; i++) {
		const struct cv_view_sg_rule *rule = &view->spec.sg_rules[i];

		if (port >= rule->port_first && port <= rule->port_last &&
		    dp_sg_rule_has(view, rule, key->client_ip))
			return true;
	}
	return false;
}

/* The checks that depend on the dialled address and port only, in AWS's order. */
static enum cv_drop dp_route_find(const struct cv_dp_worker *w, const struct cv_flow_key *key,
				  struct dp_route *ret_route)
{
	const struct cv_view *view = w->view;
	const struct cv_view_spec *spec = &view->spec;
	const struct cv_view_endpoint *ep;
	const struct cv_view_local *local = cv_view_local_find(view, key->vpc, key->dialled_ip);

	if (local == NULL)
		return CV_DROP_NO_ADDRESS;
	ret_route->local = local;
	ep = &spec->endpoints[local->endpoint];
	if (!ep->used)
		return CV_DROP_NO_ADDRESS;
	if (ep->verdict != CV_DROP_NONE)
		return (enum cv_drop)ep->verdict;
	if (local->node == CV_VIEW_NONE)
		return CV_DROP_NO_NODE;
	ret_route->node = &spec->nodes[local->node];
	ret_route->listener =
		cv_view_listener_find(view, ret_route->node->lb, cv_be16_host(key->dialled_port));
	return ret_route->listener == CV_VIEW_NONE ? CV_DROP_NO_LISTENER : CV_DROP_NONE;
}

static bool dp_endpoint_allows(const struct cv_view *view, const struct dp_route *route,
			       const struct cv_flow_key *key)
{
	const struct cv_view_endpoint *ep = &view->spec.endpoints[route->local->endpoint];

	return dp_sg_allows(view, ep->sg_any, ep->sg_first, ep->sg_n, key);
}

static bool dp_node_allows(const struct cv_view *view, const struct dp_route *route,
			   const struct cv_flow_key *key)
{
	const struct cv_view_node *node = route->node;
	bool any = node->sg_any ||
		   (node->sg_not_endpoints && route->local->endpoint != CV_VIEW_DIRECT);

	return dp_sg_allows(view, any, node->sg_first, node->sg_n, key);
}

static bool dp_route_allows(const struct cv_view *view, const struct dp_route *route,
			    const struct cv_flow_key *key)
{
	return dp_endpoint_allows(view, route, key) && dp_node_allows(view, route, key);
}

/* The group that a listener's weights give a flow. At most CV_LB_WEIGHTS_MAX steps. */
static const struct cv_view_forward *dp_forward_pick(const struct cv_view_spec *spec,
						     const struct cv_view_listener *listener,
						     const struct cv_lb_key *key, uint32_t hash)
{
	const struct cv_view_forward *forward = &spec->forwards[listener->forward_first];

	if (listener->sticky_group)
		hash = cv_lb_source_hash(key->src_ip);
	hash = cv_lb_rehash(hash);
	while (hash > forward->last)
		forward++;
	return forward;
}

/* Target slot for a new flow, CV_VIEW_NONE if its group has none for the node's zone. */
static uint32_t dp_target_pick(const struct cv_dp_worker *w, struct dp_route *route,
			       const struct cv_flow_key *key, uint32_t isn)
{
	const struct cv_view_spec *spec = &w->view->spec;
	const struct cv_view_listener *listener = &spec->listeners[route->listener];
	const struct cv_view_choice *choice;
	uint32_t zone_first = listener->zone_first;
	struct cv_lb_key lb = {
		.src_ip = key->client_ip,
		.dst_ip = key->dialled_ip,
		.src_port = key->client_port,
		.dst_port = key->dialled_port,
		.tcp_seq = isn,
		.proto = IPPROTO_TCP,
	};
	uint32_t hash = cv_lb_hash(&lb, w->lb_seed);

	route->group = listener->group;
	if (listener->n_forwards > 0) {
		const struct cv_view_forward *f = dp_forward_pick(spec, listener, &lb, hash);

		route->group = f->group;
		zone_first = f->zone_first;
	}
	if (route->group == CV_VIEW_NONE)
		return CV_VIEW_NONE;
	choice = &spec->choices[zone_first + route->node->zone];
	if (choice->n == 0)
		return CV_VIEW_NONE;
	route->unhealthy = choice->unhealthy;
	if (spec->groups[route->group].sticky)
		hash = cv_lb_source_hash(lb.src_ip);
	return spec->choice_targets[choice->first + cv_lb_pick(hash, choice->n)];
}

/*
 * A port towards the target from one of the node's addresses: start with one chosen by the flow's hash,
 * so that all carry an equal share, and try the others before giving up.
 */
static enum cv_drop dp_port_alloc(struct cv_dp_worker *w, const struct cv_view_node *node,
				  const struct cv_view_target *target, uint32_t idx, uint64_t hash)
{
	const struct cv_view_spec *spec = &w->view->spec;
	struct cv_flow *flow = &w->flows->flows[idx];
	uint32_t start = cv_lb_pick((uint32_t)hash, node->n_ips);
	struct cv_snat_pool *first = NULL;

	for (uint32_t i = 0; i < node->n_ips; i++) {
		uint32_t n = start + i < node->n_ips ? start + i : start + i - node->n_ips;
		cv_be32_t ip = spec->node_ips[node->ip_first + n];
		struct cv_snat_pool *pool =
			cv_view_pool_find(w->view, target->vpc, ip, target->ip, target->port);
		uint16_t port;

		cv_assert(pool != NULL);
		first = i == 0 ? pool : first;
		if (cv_snat_try(pool, w->id % pool->n_slices, w->now_ms, dp_owner_word(w, idx),
				&port) == 0) {
			flow->node_ip = ip;
			flow->node_port = cv_be16(port);
			return CV_DROP_NONE;
		}
	}
	/* Once, however many addresses were tried. */
	cv_snat_refused(first, w->id % first->n_slices);
	dp_event(w, CV_EV_PORT_ALLOC_ERR);
	return CV_DROP_PORT_ALLOCATION;
}

/* Largest payload with options that a packet into a VPC may carry; MSS clamping may be off. */
static uint16_t dp_mss_max(const struct cv_view_vpc *vpc, unsigned int hops)
{
	uint16_t mtu = hops == DP_HOPS_ENDPOINT ? vpc->mtu_by_endpoint : vpc->mtu;
	uint16_t fits = mtu > DP_IP_LEN + DP_TCP_LEN ? (uint16_t)(mtu - DP_IP_LEN - DP_TCP_LEN) : 0;

	return RTE_MIN(vpc->mss_max, fits);
}

/* Fills the rest of a flow that has its key and its port. */
static void dp_flow_fill(struct cv_dp_worker *w, const struct dp_pkt *p,
			 const struct dp_route *route, uint32_t target_slot, uint32_t idx)
{
	const struct cv_view_spec *spec = &w->view->spec;
	const struct cv_view_target *target = &spec->targets[target_slot];
	const struct cv_view_listener *listener = &spec->listeners[route->listener];
	const struct cv_view_group *group = &spec->groups[route->group];
	struct cv_flow *flow = &w->flows->flows[idx];
	struct cv_flow_cold *cold = &w->flows->cold[idx];
	uint32_t diff;

	flow->target_vpc = target->vpc;
	flow->target_ip = target->ip;
	flow->target_port = target->port;
	flow->neigh = target->neigh;
	diff = cv_csum_diff32(flow->client_ip, flow->node_ip) +
	       cv_csum_diff32(flow->dialled_ip, flow->target_ip);
	flow->l3_delta = cv_csum_fold(diff);
	diff += cv_csum_diff16(flow->client_port, flow->node_port) +
		cv_csum_diff16(flow->dialled_port, flow->target_port);
	flow->l4_delta = cv_csum_fold(diff);
	flow->idle_s = listener->idle_s;
	flow->last_ms = (uint32_t)w->now_ms;
	flow->start_ms = (uint32_t)w->now_ms;
	flow->path = route->local->path;
	cold->listener = route->listener;
	cold->target = target_slot;
	cv_tcp_init(&flow->tcp, &cold->tcp, rte_be_to_cpu_32(dp_tcp_hdr(p)->sent_seq),
		    group->proxy_v2 ? CV_PPV2_AWS_LEN : 0, group->on_first_ack,
		    dp_mss_max(&spec->vpcs[target->vpc], dp_hops(flow->path)));
	dp_half_open_add(w, flow, 1);
	dp_entry_add(w, flow, 1);
	dp_event(w, CV_EV_FLOW_NEW);
	cv_ctr_add(&dp_path_obj(w, flow)->new_flows, 1);
	if (route->unhealthy)
		dp_path_event(w, flow->path, CV_PATH_UNHEALTHY);
	cv_ctr_add(&w->stats->obj[CV_STATS_LISTENER][cold->listener].new_flows, 1);
	cv_ctr_add(&w->stats->obj[CV_STATS_TARGET][cold->target].new_flows, 1);
}

static enum cv_drop dp_flow_open(struct cv_dp_worker *w, struct dp_pkt *p,
				 const struct cv_flow_key *key)
{
	const struct cv_view_spec *spec = &w->view->spec;
	uint32_t target, idx;
	struct dp_route route;
	enum cv_drop reason = dp_route_find(w, key, &route);

	if (reason != CV_DROP_NONE)
		return reason;
	if (!dp_endpoint_allows(w->view, &route, key))
		return CV_DROP_SECURITY_GROUP;
	if (!dp_node_allows(w->view, &route, key)) {
		dp_event(w, CV_EV_SG_BLOCKED_TCP);
		dp_path_event(w, route.local->path, CV_PATH_SG_TCP);
		return CV_DROP_SECURITY_GROUP;
	}
	target = dp_target_pick(w, &route, key, rte_be_to_cpu_32(dp_tcp_hdr(p)->sent_seq));
	if (target == CV_VIEW_NONE)
		return CV_DROP_NO_TARGET;
	/* A SYN that could not leave takes no port. */
	reason = dp_out_check(w, p, dp_hops(route.local->path), spec->targets[target].vpc);
	if (reason == CV_DROP_NONE && !dp_neigh_is_known(w, spec->targets[target].neigh))
		reason = CV_DROP_NEIGHBOUR;
	if (reason != CV_DROP_NONE)
		return reason;
	if (dp_is_crowded(w, route.local->path))
		return CV_DROP_FLOW_TABLE_FULL;
	idx = cv_flow_open(w->flows, key, p->hash);
	if (idx == CV_FLOW_NONE)
		return CV_DROP_FLOW_TABLE_FULL;
	dp_client_note(w, p, w->flows->flows[idx].client_mac);
	reason = dp_port_alloc(w, route.node, &spec->targets[target], idx, p->hash >> 32);
	if (reason != CV_DROP_NONE) {
		dp_client_forget(w, w->flows->flows[idx].client_mac);
		cv_flow_close(w->flows, idx);
		cv_ctr_add(&w->stats->obj[CV_STATS_LISTENER][route.listener].drops, 1);
		cv_ctr_add(&w->stats->obj[CV_STATS_TARGET][target].drops, 1);
		return reason;
	}
	dp_flow_fill(w, p, &route, target, idx);
	p->flow = idx;
	return CV_DROP_NONE;
}

/* Charges a dropped packet to the path that it was on, if there is one. */
static void dp_drop_charge(struct cv_dp_worker *w, const struct cv_flow_key *key,
			   enum cv_drop reason)
{
	const struct cv_view_local *local = cv_view_local_find(w->view, key->vpc, key->dialled_ip);

	if (local != NULL)
		dp_path_drop(w, local->path, reason);
}

/* Rules are of TCP; one for all of its ports is one for everything. */
static bool dp_node_allows_icmp(const struct cv_view *view, const struct cv_view_node *node,
				cv_be32_t from)
{
	for (uint32_t i = node->sg_first; i < node->sg_first + node->sg_n; i++) {
		const struct cv_view_sg_rule *rule = &view->spec.sg_rules[i];

		if (rule->port_first == 0 && rule->port_last == UINT16_MAX &&
		    dp_sg_rule_has(view, rule, from))
			return true;
	}
	return node->sg_any;
}

void dp_other_charge(struct cv_dp_worker *w, const struct rte_ipv4_hdr *ip, uint16_t vpc,
		     enum cv_drop reason)
{
	const struct cv_view_local *local = cv_view_local_find(w->view, vpc, ip->dst_addr);
	const struct cv_view_node *node;

	if (local == NULL)
		return;
	dp_path_drop(w, local->path, reason);
	if (reason != CV_DROP_ICMP || local->node == CV_VIEW_NONE)
		return;
	node = &w->view->spec.nodes[local->node];
	if (node->sg_not_endpoints && local->endpoint != CV_VIEW_DIRECT)
		return;
	if (!dp_node_allows_icmp(w->view, node, ip->src_addr))
		dp_path_event(w, local->path, CV_PATH_SG_ICMP);
}

/* A reset to a segment of no flow counts where it was sent to. */
static void dp_rst_local(struct cv_dp_worker *w, struct dp_pkt *p, enum cv_drop reason)
{
	const struct cv_view_local *local = cv_view_local_find(w->view, p->vpc, p->ip->dst_addr);

	dp_rst_reply(w, p, local != NULL ? local->path : CV_VIEW_PATH_NONE, reason);
}

static void dp_stray(struct cv_dp_worker *w, struct dp_pkt *p, const struct cv_flow_key *key)
{
	struct dp_route route;
	enum cv_drop reason = dp_route_find(w, key, &route);

	if (reason == CV_DROP_NONE) {
		bool rst = (dp_tcp_hdr(p)->tcp_flags & RTE_TCP_RST_FLAG) != 0;

		reason = rst ? CV_DROP_STRAY_RST : CV_DROP_STRAY;
		/* Who may not connect learns nothing, not even by a reset. */
		if (!dp_route_allows(w->view, &route, key))
			reason = CV_DROP_SECURITY_GROUP;
	}
	dp_drop_charge(w, key, reason);
	if (reason == CV_DROP_STRAY)
		dp_rst_local(w, p, CV_DROP_STRAY);
	else
		dp_drop(w, p->m, reason);
}

static bool dp_source_is_bad(const struct cv_dp_worker *w, const struct dp_pkt *p)
{
	return dp_is_bad_source(p->ip->src_addr, dp_l2(w, p));
}

void dp_refuse(struct cv_dp_worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	cv_ctr_add(&w->stats->drop[CV_DROP_SYN_FLOOD], n);
	for (uint16_t i = 0; w->capture != NULL && i < n; i++)
		dp_capture_dropped(w, pkts[i], CV_DROP_SYN_FLOOD);
	rte_pktmbuf_free_bulk(pkts, n);
}

void dp_client_miss(struct cv_dp_worker *w, struct dp_pkt *p)
{
	struct cv_flow_key key = dp_key(p);
	bool first = dp_is_first(p);
	enum cv_drop reason;

	/* One that an earlier packet of the burst left no room for. */
	if (dp_is_tight(w) && dp_is_refused(w, p)) {
		dp_drop(w, p->m, CV_DROP_SYN_FLOOD);
		return;
	}
	/* An earlier packet of the same burst may have opened it. */
	p->flow = cv_flow_find(w->flows, &key, p->hash);
	if (p->flow != CV_FLOW_NONE) {
		dp_flow_packet(w, p);
		return;
	}
	if (dp_source_is_bad(w, p)) {
		dp_drop_charge(w, &key, CV_DROP_SOURCE);
		dp_drop(w, p->m, CV_DROP_SOURCE);
		return;
	}
	if (dp_host_take(w, p))
		return;
	if (!first) {
		dp_stray(w, p, &key);
		return;
	}
	reason = dp_flow_open(w, p, &key);
	if (reason == CV_DROP_NONE) {
		dp_tcp_packet(w, p, p->flow);
		return;
	}
	dp_drop_charge(w, &key, reason);
	if (reason == CV_DROP_PORT_ALLOCATION && w->view->spec.settings.exhausted_reset)
		dp_rst_local(w, p, reason);
	else
		dp_drop(w, p->m, reason);
}

bool dp_is_foreign(const struct cv_dp_worker *w, const struct dp_pkt *p)
{
	const struct cv_flow_key key = dp_key(p);
	struct dp_pkt dialling = *p;
	struct dp_route route;

	if (w->n_workers == 1)
		return false;
	if (p->side == DP_TARGET) {
		if (dp_source_is_bad(w, p) || dp_route_find(w, &key, &route) == CV_DROP_NO_LISTENER)
			return false;
		dialling.hash = cv_flow_hash(w->flows, &key);
	}
	return dp_owner(w, &dialling) != w->id;
}

/* Tells whether flows have or had ports such as a target's packet goes to. Those of a process before, too. */
static bool dp_is_snat_port(const struct dp_pkt *p)
{
	uint16_t port = cv_be16_host(dp_tcp_hdr(p)->dst_port);

	return (uint16_t)(port - p->pool->port_first) < p->pool->n_ports;
}

/*
 * The source is a target, but no flow has that port. It may still be a client: a host that is target and
 * client at once. That is so if it dials a listener.
 */
void dp_target_miss(struct cv_dp_worker *w, struct dp_pkt *p)
{
	struct cv_flow_key key = dp_key(p);
	const uint8_t flags = dp_tcp_hdr(p)->tcp_flags;
	struct dp_route route;
	uint32_t owner;

	if (dp_source_is_bad(w, p)) {
		dp_drop_charge(w, &key, CV_DROP_SOURCE);
		dp_drop(w, p->m, CV_DROP_SOURCE);
		return;
	}
	if (dp_host_take(w, p))
		return;
	if (dp_route_find(w, &key, &route) == CV_DROP_NO_LISTENER) {
		enum cv_drop reason = CV_DROP_STRAY;

		if (!dp_is_snat_port(p) ||
		    (flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG)) == RTE_TCP_SYN_FLAG)
			reason = CV_DROP_NO_LISTENER;
		else if ((flags & RTE_TCP_RST_FLAG) != 0)
			reason = CV_DROP_STRAY_RST;
		dp_drop_charge(w, &key, reason);
		if (reason == CV_DROP_STRAY)
			dp_rst_local(w, p, reason);
		else
			dp_drop(w, p->m, reason);
		return;
	}
	p->side = DP_CLIENT;
	p->hash = cv_flow_hash(w->flows, &key);
	owner = dp_owner(w, p);
	if (owner != w->id) {
		dp_handoff(w, p->m, owner, DP_AS_CLIENT);
		return;
	}
	dp_client_miss(w, p);
}
