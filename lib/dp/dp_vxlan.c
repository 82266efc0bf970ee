/* SPDX-License-Identifier: BSD-3-Clause */

/* VXLAN: out of a tunnel, back through it, into it, and the table of clients behind it. @source RFC 7348 */

#include <stdlib.h>

#include <rte_udp.h>
#include <rte_vxlan.h>

#include "dp_vxlan.h"

/* Headers between the outer IP header and the frame. */
#define DP_OUTER_LEN \
	(DP_IP_LEN + (uint16_t)(sizeof(struct rte_udp_hdr) + sizeof(struct rte_vxlan_hdr)))
#define DP_TTL 64
/* Flag I: the VNI is valid. */
#define DP_VXLAN_FLAGS RTE_BE32(0x08000000)
/* Source ports, as RFC 6335 has them for such use. */
#define DP_SPORT_FIRST 49152
#define DP_ECN 3
#define DP_BROADCAST 0xffffffffffffULL
#define DP_MAC_BITS 48

/** A client behind a remote VTEP, with flows. */
struct dp_client {
	uint64_t mac_vpc;   /**< as in struct cv_far */
	uint64_t outer_mac; /**< where frames of its VTEP came from */
	cv_be32_t vtep;
	uint32_t refs; /**< flows; 0: free */
	uint32_t
		next; /**< number of the next one in the bucket, or of the next free one; 0: none */
};

/* Clients of a worker that have flows: their MACs by VPC and VTEP. Numbers from 1: 0 ends a chain. */
struct dp_clients {
	uint32_t n_max;
	uint32_t n_used; /* numbers ever given out */
	uint32_t free;
	uint32_t *buckets;        /* shape [n_max] */
	struct dp_client items[]; /* shape [n_max + 1] */
};

/* Where a frame goes. */
struct dp_far {
	uint64_t mac;       /* inside */
	uint64_t outer_mac; /* with CV_NEIGH_KNOWN if it is known */
	cv_be32_t vtep;
	uint16_t vpc;
};

/* ---- out of a tunnel ---- */

/* RFC 6040 section 4.2: what the underlay marked the packet must keep. */
static enum cv_drop dp_ecn_pass(uint8_t outer, struct rte_ipv4_hdr *ip)
{
	uint8_t inner = ip->type_of_service;
	cv_be16_t from, to;

	if ((outer & DP_ECN) != DP_ECN || (inner & DP_ECN) == DP_ECN)
		return CV_DROP_NONE;
	if ((inner & DP_ECN) == 0)
		return CV_DROP_VXLAN_HEADER;
	memcpy(&from, ip, 2);
	ip->type_of_service = inner | DP_ECN;
	memcpy(&to, ip, 2);
	ip->hdr_checksum = cv_csum_apply(ip->hdr_checksum, cv_csum_diff16(from, to));
	return CV_DROP_NONE;
}

enum cv_drop dp_vxlan_open(const struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t under,
			   uint16_t ip_ofs, uint16_t *ret_vpc, uint16_t *ret_ofs)
{
	const struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, ip_ofs);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(const void *)(ip + 1);
	const struct rte_vxlan_hdr *vxlan = (const struct rte_vxlan_hdr *)(const void *)(udp + 1);
	uint16_t len = cv_be16_host(ip->total_length), vpc, type;
	uint8_t *l2 = rte_pktmbuf_mtod_offset(m, uint8_t *, ip_ofs + DP_OUTER_LEN);

	if (ip->next_proto_id != IPPROTO_UDP)
		return CV_DROP_PROTOCOL;
	if (len < DP_OUTER_LEN + RTE_ETHER_HDR_LEN || len > m->data_len - ip_ofs)
		return CV_DROP_RUNT;
	if (dp_ip_sum(ip) != 0xffff)
		return CV_DROP_IP_HEADER;
	if (udp->dst_port != RTE_BE16(CV_VXLAN_PORT))
		return CV_DROP_PROTOCOL;
	if (cv_be16_host(udp->dgram_len) != len - DP_IP_LEN ||
	    (vxlan->vx_flags & DP_VXLAN_FLAGS) == 0)
		return CV_DROP_VXLAN_HEADER;
	vpc = cv_view_vni_find(w->view, under, rte_be_to_cpu_32(vxlan->vx_vni) >> 8);
	if (vpc == CV_VIEW_NO_VPC || w->view->spec.tunnels.vxlans[vpc].vtep != ip->dst_addr)
		return CV_DROP_VXLAN_VNI;
	if (ip->src_addr == ip->dst_addr ||
	    dp_is_bad_source(ip->src_addr, rte_pktmbuf_mtod(m, const uint8_t *)))
		return CV_DROP_SOURCE;
	m->data_len = (uint16_t)(ip_ofs + len);
	m->pkt_len = m->data_len;
	*ret_vpc = vpc;
	*ret_ofs = (uint16_t)(ip_ofs + DP_OUTER_LEN);
	memcpy(&type, l2 + 12, 2);
	if (type == DP_TYPE_IPV4 && len >= DP_OUTER_LEN + RTE_ETHER_HDR_LEN + DP_IP_LEN)
		return dp_ecn_pass(ip->type_of_service,
				   (struct rte_ipv4_hdr *)(void *)(l2 + RTE_ETHER_HDR_LEN));
	return CV_DROP_NONE;
}

void dp_vxlan_trim(struct rte_mbuf *m, uint16_t ip_ofs)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, ip_ofs);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(void *)(ip + 1);

	ip->total_length = cv_be16((uint16_t)(m->data_len - ip_ofs));
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~dp_ip_sum(ip);
	udp->dgram_len = cv_be16((uint16_t)(m->data_len - ip_ofs - DP_IP_LEN));
}

/* The outer IP header before a frame that came from a tunnel. */
static const struct rte_ipv4_hdr *dp_outer_ip(const uint8_t *l2)
{
	return (const struct rte_ipv4_hdr *)(const void *)(l2 - DP_OUTER_LEN);
}

cv_be32_t dp_vxlan_vtep(const uint8_t *l2)
{
	return dp_outer_ip(l2)->src_addr;
}

/* Where the frames of a VPC's underlay have their source MAC, before the IP header. */
static unsigned int dp_outer_src_ofs(const struct cv_dp_worker *w, uint16_t vpc)
{
	const struct cv_view_spec *spec = &w->view->spec;

	return spec->vpcs[spec->tunnels.vxlans[vpc].under].vlan == 0 ? 8 : 12;
}

static uint64_t dp_outer_mac(const struct cv_dp_worker *w, uint16_t vpc, const uint8_t *l2)
{
	uint64_t mac = 0;

	memcpy(&mac, l2 - DP_OUTER_LEN - dp_outer_src_ofs(w, vpc), 6);
	return mac | CV_NEIGH_KNOWN;
}

/* ---- into a tunnel ---- */

/* Packets of a flow take one way through the underlay: their source port says which. */
static cv_be16_t dp_sport(const uint8_t *l2)
{
	const struct rte_ipv4_hdr *ip =
		(const struct rte_ipv4_hdr *)(const void *)(l2 + RTE_ETHER_HDR_LEN);
	uint16_t type;

	memcpy(&type, l2 + 12, 2);
	if (type != DP_TYPE_IPV4)
		return cv_be16(DP_SPORT_FIRST);
	return cv_be16((uint16_t)(DP_SPORT_FIRST +
				  (cv_view_mix(dp_ips(ip) + (uint64_t)dp_ports(ip) * 0x9e3779b1) &
				   (UINT16_MAX - DP_SPORT_FIRST))));
}

/* Gets room in front of a frame. That of a PROXY header has taken it; then the frame moves up. */
static bool dp_room_make(struct rte_mbuf *m, uint16_t need)
{
	uint16_t have = rte_pktmbuf_headroom(m);
	const uint8_t *from = rte_pktmbuf_mtod(m, const uint8_t *);

	if (have >= need)
		return true;
	if (rte_pktmbuf_tailroom(m) < need - have)
		return false;
	memmove(rte_pktmbuf_mtod_offset(m, uint8_t *, need - have), from, m->data_len);
	m->data_off = need;
	return true;
}

/* Whole words: what reads them next need not wait for their parts. */
static void dp_outer_put(struct cv_dp_worker *w, struct rte_mbuf *m, const struct dp_far *far)
{
	const struct cv_view_vxlan *vxlan = &w->view->spec.tunnels.vxlans[far->vpc];
	const struct cv_view_vpc *under = &w->view->spec.vpcs[vxlan->under];
	uint8_t *l2 = rte_pktmbuf_mtod(m, uint8_t *), *ip = l2 - DP_OUTER_LEN, tos = 0;
	uint16_t len = (uint16_t)(m->data_len + DP_OUTER_LEN), type;
	uint64_t first, second, udp, head;

	memcpy(&type, l2 + 12, 2);
	/* Class and ECN of the packet inside: the underlay treats it alike (RFC 6040, normal mode). */
	if (type == DP_TYPE_IPV4)
		tos = l2[RTE_ETHER_HDR_LEN + 1];
	first = 0x45 | (uint64_t)tos << 8 | (uint64_t)cv_be16(len) << 16 |
		(uint64_t)RTE_BE16(RTE_IPV4_HDR_DF_FLAG) << 48;
	second = DP_TTL | IPPROTO_UDP << 8 | (uint64_t)vxlan->vtep << 32;
	second |= (uint64_t)(uint16_t)~dp_sum(first, second, far->vtep) << 16;
	udp = dp_sport(l2) | (uint64_t)RTE_BE16(CV_VXLAN_PORT) << 16 |
	      (uint64_t)cv_be16((uint16_t)(len - DP_IP_LEN)) << 32;
	head = DP_VXLAN_FLAGS | (uint64_t)rte_cpu_to_be_32(vxlan->vni << 8) << 32;
	memcpy(ip, &first, 8);
	memcpy(ip + 8, &second, 8);
	memcpy(ip + 16, &far->vtep, 4);
	memcpy(ip + 20, &udp, 8);
	memcpy(ip + 28, &head, 8);
	dp_l2_put(m, ip, under, far->outer_mac, vxlan->vtep, 0);
	dp_send(w, m, under->port);
}

/* Writes the outer headers and gathers the frame for its port. */
static void dp_enter(struct cv_dp_worker *w, struct rte_mbuf *m, const struct dp_far *far)
{
	const struct cv_view_spec *spec = &w->view->spec;
	const uint16_t need = DP_OUTER_LEN + RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN;
	const struct cv_view_vpc *under;

	if (!cv_view_is_vxlan(w->view, far->vpc) || (far->outer_mac & CV_NEIGH_KNOWN) == 0) {
		dp_drop(w, m, CV_DROP_NEIGHBOUR);
		return;
	}
	under = &spec->vpcs[spec->tunnels.vxlans[far->vpc].under];
	if (m->data_len + DP_OUTER_LEN > under->mtu || !dp_room_make(m, need)) {
		dp_drop(w, m, CV_DROP_TOO_BIG);
		return;
	}
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), &far->mac, 6);
	dp_outer_put(w, m, far);
}

void dp_vxlan_send(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc,
		   const struct cv_view_peer *peer)
{
	const struct dp_far far = {
		.mac = DP_BROADCAST,
		.outer_mac = dp_neigh(w, peer->neigh),
		.vtep = peer->ip,
		.vpc = vpc,
	};

	dp_enter(w, m, &far);
}

void dp_vxlan_back(struct cv_dp_worker *w, struct rte_mbuf *m, uint16_t vpc, uint16_t ofs)
{
	const uint8_t *l2 = rte_pktmbuf_mtod_offset(m, const uint8_t *, ofs);
	struct dp_far far = {
		.outer_mac = dp_outer_mac(w, vpc, l2),
		.vtep = dp_vxlan_vtep(l2),
		.vpc = vpc,
	};

	memcpy(&far.mac, l2, 6);
	(void)rte_pktmbuf_adj(m, ofs);
	dp_enter(w, m, &far);
}

void dp_vxlan_note(const struct cv_dp_worker *w, const uint8_t *l2, struct cv_pkt_rec *rec)
{
	rec->vtep = dp_vxlan_vtep(l2);
	rec->vtep_mac = dp_outer_mac(w, rec->vpc, l2);
}

void dp_vxlan_answer(struct cv_dp_worker *w, struct rte_mbuf *m, const struct cv_pkt_rec *rec)
{
	const struct dp_far far = {
		.mac = rec->mac,
		.outer_mac = rec->vtep_mac,
		.vtep = rec->vtep,
		.vpc = rec->vpc,
	};

	dp_enter(w, m, &far);
}

static const struct dp_client *dp_client_find(const struct cv_dp_worker *w, uint64_t ticket)
{
	uint32_t id = cv_ticket_id(ticket);

	return id <= w->clients->n_max && w->clients->items[id].refs > 0 ? &w->clients->items[id]
									 : NULL;
}

/* What a ticket stands for. */
static struct dp_far dp_far_get(const struct cv_dp_worker *w, uint64_t ticket)
{
	const struct cv_view_spec *spec = &w->view->spec;
	struct dp_far far = {.vpc = CV_VIEW_NO_VPC};
	const struct dp_client *client;
	uint64_t mac_vpc, vtep;

	if ((uint8_t)ticket == CV_TICKET_CLIENT) {
		client = dp_client_find(w, ticket);
		if (client == NULL)
			return far;
		mac_vpc = client->mac_vpc;
		far.vtep = client->vtep;
		far.outer_mac = client->outer_mac;
	} else {
		const struct cv_far *at;

		if ((uint8_t)ticket != CV_TICKET_NEIGH || spec->tunnels.fars == NULL ||
		    cv_ticket_id(ticket) >= spec->n_neigh)
			return far;
		at = &spec->tunnels.fars[cv_ticket_id(ticket)];
		mac_vpc = atomic_load_explicit(&at->mac_vpc, memory_order_relaxed);
		vtep = atomic_load_explicit(&at->vtep, memory_order_relaxed);
		far.vtep = (cv_be32_t)vtep;
		if (vtep >> 32 < spec->n_neigh)
			far.outer_mac = dp_neigh(w, (uint32_t)(vtep >> 32));
	}
	far.mac = mac_vpc;
	far.vpc = (uint16_t)(mac_vpc >> DP_MAC_BITS);
	return far;
}

void dp_vxlan_flush(struct cv_dp_worker *w)
{
	struct dp_out *out = &w->out[w->n_ports];

	for (uint16_t i = 0; i < out->n; i++) {
		struct rte_mbuf *m = out->pkts[i];
		uint64_t ticket = cv_flow_load64(rte_pktmbuf_mtod(m, void *));
		struct dp_far far = dp_far_get(w, ticket << 16 >> 16);

		dp_enter(w, m, &far);
	}
	out->n = 0;
}

/* ---- clients ---- */

struct dp_clients *dp_clients_create(uint32_t n_flows)
{
	/* A client more while a flow has its new one already, and not given back the one before. */
	const uint32_t n_max = n_flows + 1;
	struct dp_clients *clients;

	/* Pages that nobody uses take no memory. */
	clients = calloc(1, sizeof(*clients) + (n_max + 1) * sizeof(clients->items[0]));
	if (clients == NULL)
		return NULL;
	clients->n_max = n_max;
	clients->buckets = calloc(n_max, sizeof(*clients->buckets));
	if (clients->buckets == NULL) {
		free(clients);
		return NULL;
	}
	return clients;
}

void dp_clients_destroy(struct dp_clients *clients)
{
	if (clients != NULL)
		free(clients->buckets);
	free(clients);
}

/* Clients choose their MACs: without the secret they could all choose one bucket. */
static uint32_t *dp_bucket(const struct cv_dp_worker *w, uint64_t mac_vpc, cv_be32_t vtep)
{
	uint64_t hash = (uint32_t)cv_flow_hash_raw(w->flows->key, mac_vpc, vtep);

	return &w->clients->buckets[hash * w->clients->n_max >> 32];
}

/* Number of a client with another flow. */
static uint32_t dp_client_take(struct cv_dp_worker *w, uint64_t mac_vpc, cv_be32_t vtep)
{
	struct dp_clients *c = w->clients;
	uint32_t *bucket = dp_bucket(w, mac_vpc, vtep), id;

	for (id = *bucket; id != 0; id = c->items[id].next) {
		if (c->items[id].mac_vpc == mac_vpc && c->items[id].vtep == vtep) {
			c->items[id].refs++;
			return id;
		}
	}
	id = c->free;
	if (id != 0) {
		c->free = c->items[id].next;
	} else {
		cv_assert(c->n_used < c->n_max);
		id = ++c->n_used;
	}
	c->items[id] =
		(struct dp_client){.mac_vpc = mac_vpc, .vtep = vtep, .refs = 1, .next = *bucket};
	*bucket = id;
	return id;
}

void dp_client_note(struct cv_dp_worker *w, const struct dp_pkt *p, uint8_t *mac)
{
	const uint8_t *l2 = dp_l2(w, p);
	uint64_t word = 0;
	uint32_t id;

	if (!cv_view_is_vxlan(w->view, p->vpc)) {
		memcpy(mac, l2 + 6, 6);
		return;
	}
	memcpy(&word, l2 + 6, 6);
	word |= (uint64_t)p->vpc << DP_MAC_BITS;
	id = dp_client_take(w, word, dp_vxlan_vtep(l2));
	/* The way back to a VTEP is that of its latest new flow. */
	w->clients->items[id].outer_mac = dp_outer_mac(w, p->vpc, l2);
	word = cv_ticket(CV_TICKET_CLIENT, id);
	memcpy(mac, &word, 6);
}

void dp_client_forget(struct cv_dp_worker *w, const uint8_t *mac)
{
	struct dp_clients *c = w->clients;
	uint64_t ticket = 0;
	uint32_t *at, id;

	if (mac[0] != CV_TICKET_CLIENT)
		return;
	memcpy(&ticket, mac, 6);
	id = cv_ticket_id(ticket);
	if (--c->items[id].refs > 0)
		return;
	at = dp_bucket(w, c->items[id].mac_vpc, c->items[id].vtep);
	while (*at != id)
		at = &c->items[*at].next;
	*at = c->items[id].next;
	c->items[id].next = c->free;
	c->free = id;
}

/*
 * Tells whether a client's answers may go to a VTEP: as for neighbours, if the VPC has peers, only to one of
 * them. Else anybody in the network that carries it could draw them away.
 */
static bool dp_may_answer(const struct cv_dp_worker *w, const struct dp_pkt *p,
			  const struct cv_flow *flow)
{
	const struct cv_view_tunnels *tunnels = &w->view->spec.tunnels;
	const struct cv_view_vxlan *vxlan;
	cv_be32_t vtep = dp_vxlan_vtep(dp_l2(w, p));
	uint64_t ticket = 0;

	if (!cv_view_is_vxlan(w->view, p->vpc))
		return true;
	memcpy(&ticket, flow->client_mac, sizeof(flow->client_mac));
	vxlan = &tunnels->vxlans[p->vpc];
	if (vxlan->n_peers == 0 || w->clients->items[cv_ticket_id(ticket)].vtep == vtep)
		return true;
	for (uint32_t i = 0; i < vxlan->n_peers; i++) {
		if (tunnels->peers[vxlan->peer_first + i].ip == vtep)
			return true;
	}
	return false;
}

void dp_client_follow(struct cv_dp_worker *w, const struct dp_pkt *p, struct cv_flow *flow)
{
	uint8_t mac[6];
	uint64_t neigh;

	/* What stays here moves nothing: nobody would learn of it. */
	if (dp_is_bad_source(p->ip->src_addr, dp_l2(w, p)) || !dp_client_is_current(w, flow) ||
	    dp_forward_check(w, p, flow, &neigh) != CV_DROP_NONE || !dp_may_answer(w, p, flow))
		return;
	dp_client_note(w, p, mac);
	/* Where it was or, if it still is there, what was taken just now. */
	dp_client_forget(w, flow->client_mac);
	memcpy(flow->client_mac, mac, sizeof(mac));
}

cv_be32_t dp_client_get(const struct cv_dp_worker *w, const uint8_t *mac, uint8_t *ret_mac)
{
	const struct dp_client *client;
	uint64_t ticket = 0;

	memcpy(ret_mac, mac, 6);
	if (mac[0] != CV_TICKET_CLIENT)
		return 0;
	memcpy(&ticket, mac, 6);
	client = dp_client_find(w, ticket);
	if (client == NULL)
		return 0;
	memcpy(ret_mac, &client->mac_vpc, 6);
	return client->vtep;
}
