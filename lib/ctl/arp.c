/* SPDX-License-Identifier: BSD-3-Clause */

/* Neighbours and announcements: what is learned, asked and said by ARP. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_priv.h"

/* Events taken per turn at most, so that a flood of ARP leaves time for the rest. */
#define EVENTS_MAX 1024
#define EVENTS_BURST 64
#define ASKS_BURST 64

/* Whether a view has this address; most often it stands where it stood. */
static bool local_is(const struct cv_view *view, const struct cv_view_local *local, uint32_t at)
{
	const struct cv_view_spec *spec = cv_view_spec_get(view);

	if (at < spec->n_locals && spec->locals[at].vpc == local->vpc &&
	    spec->locals[at].ip == local->ip)
		return true;
	return cv_view_has_local(view, local->vpc, local->ip);
}

int cv_ctl_announce_add(struct cv_ctl *ctl, const struct cv_view *view, const struct cv_view *old,
			uint64_t now_ms)
{
	const struct cv_view_spec *spec = cv_view_spec_get(view);
	size_t n = ctl->n_announces + spec->n_locals;
	struct ctl_announce *list = realloc(ctl->announces, (n + 1) * sizeof(*list));

	if (list == NULL)
		return -ENOMEM;
	ctl->announces = list;
	for (uint32_t i = 0; i < spec->n_locals; i++) {
		const struct cv_view_local *local = &spec->locals[i];

		if (old != NULL && local_is(old, local, i))
			continue;
		list[ctl->n_announces++] =
			(struct ctl_announce){.ip = local->ip, .vpc = local->vpc, .due_ms = now_ms};
	}
	return 0;
}

static void announce_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	/* After 0, 1 and 3 seconds: a switch port may take a while to forward. */
	static const uint32_t gap_ms[CTL_ANNOUNCE_ROUNDS] = {1000, 2000, 0};
	uint32_t n = 0, i;

	for (i = 0; i < ctl->n_announces; i++) {
		struct ctl_announce item = ctl->announces[i];

		if (item.due_ms <= now_ms) {
			if (cv_dp_arp_announce(ctl->dp, item.vpc, item.ip) < 0)
				break;
			item.due_ms = now_ms + gap_ms[item.round];
			item.round++;
		}
		if (item.round < CTL_ANNOUNCE_ROUNDS)
			ctl->announces[n++] = item;
	}
	/* The ring was full: the rest is for the next turn. */
	memmove(&ctl->announces[n], &ctl->announces[i],
		(ctl->n_announces - i) * sizeof(*ctl->announces));
	ctl->n_announces = n + ctl->n_announces - i;
}

static const struct cv_view_tunnels *tunnels_of(const struct cv_ctl *ctl)
{
	return &cv_view_spec_get(cv_view_pub_current(ctl->pub))->tunnels;
}

static bool is_vxlan(const struct cv_ctl *ctl, uint16_t vpc)
{
	return vpc < tunnels_of(ctl)->n_vxlans && tunnels_of(ctl)->vxlans[vpc].on;
}

/* A VTEP as a peer of a VPC in VXLAN; NULL if it is none. */
static const struct cv_view_peer *peer_find(const struct cv_ctl *ctl, uint16_t vpc, cv_be32_t vtep)
{
	const struct cv_view_tunnels *t = tunnels_of(ctl);
	const struct cv_view_vxlan *vxlan = &t->vxlans[vpc];

	for (uint32_t i = vxlan->peer_first; i < vxlan->peer_first + vxlan->n_peers; i++) {
		if (t->peers[i].ip == vtep)
			return &t->peers[i];
	}
	return NULL;
}

static uint64_t far_vtep(const struct cv_view_peer *peer)
{
	return (uint64_t)peer->neigh << 32 | peer->ip;
}

/*
 * The word by which workers reach a neighbour; 0 if what was heard is not to be believed. In VXLAN it is
 * only from behind a VTEP that the VPC has as a peer: else anybody in the network that carries it could
 * draw its packets.
 */
static uint64_t neigh_word(struct cv_ctl *ctl, const struct cv_dp_neigh_event *event, uint32_t slot)
{
	const struct cv_view_peer *peer;
	uint64_t mac = 0;

	memcpy(&mac, event->mac, sizeof(event->mac));
	/* A worker may have had another view. */
	if (is_vxlan(ctl, event->vpc) != (event->vtep != 0))
		return 0;
	if (event->vtep == 0)
		return mac;
	peer = peer_find(ctl, event->vpc, event->vtep);
	if (peer == NULL)
		return 0;
	atomic_store_explicit(&ctl->fars[slot].mac_vpc, mac | (uint64_t)event->vpc << 48,
			      memory_order_relaxed);
	atomic_store_explicit(&ctl->fars[slot].vtep, far_vtep(peer), memory_order_relaxed);
	return cv_ticket(CV_TICKET_NEIGH, slot);
}

/* Tells whether what workers have of a neighbour still leads to it. */
static bool is_current(const struct cv_ctl *ctl, uint32_t slot)
{
	uint64_t word = atomic_load_explicit(&ctl->neigh[slot], memory_order_relaxed);
	uint64_t vtep = atomic_load_explicit(&ctl->fars[slot].vtep, memory_order_relaxed);
	uint16_t vpc = ctl->neighs.items[slot].vpc;
	const struct cv_view_peer *peer;

	if (!is_vxlan(ctl, vpc))
		return (uint8_t)word != CV_TICKET_NEIGH;
	peer = peer_find(ctl, vpc, (cv_be32_t)vtep);
	return (uint8_t)word == CV_TICKET_NEIGH && peer != NULL && far_vtep(peer) == vtep;
}

void cv_ctl_arp_settle(struct cv_ctl *ctl, uint64_t now_ms)
{
	for (uint32_t slot = 0; slot < ctl->neighs.n; slot++) {
		const struct ctl_neigh *neigh = &ctl->neighs.items[slot];

		if (neigh->state <= CTL_NEIGH_UNRESOLVED || is_current(ctl, slot))
			continue;
		atomic_store_explicit(&ctl->neigh[slot], 0, memory_order_relaxed);
		cv_ctl_neigh_forget(&ctl->neighs, slot, now_ms);
	}
}

static void learn(struct cv_ctl *ctl, const struct cv_dp_neigh_event *event, uint64_t now_ms)
{
	char ip[CV_NET_STR_LEN], mac[CV_NET_STR_LEN];
	enum ctl_neigh_news news;
	uint64_t word;
	uint32_t slot;

	slot = cv_ctl_neigh_find(&ctl->neighs, event->vpc, event->ip);
	word = slot != UINT32_MAX ? neigh_word(ctl, event, slot) : 0;
	if (word == 0)
		return;
	news = cv_ctl_neigh_hear(&ctl->neighs, event->vpc, event->ip, event->mac, now_ms, &slot);
	if (news == CTL_NEIGH_FOREIGN)
		return;
	atomic_store_explicit(&ctl->neigh[slot], word | CV_NEIGH_KNOWN, memory_order_release);
	if (news == CTL_NEIGH_SAME)
		return;
	cv_log(news == CTL_NEIGH_CHANGED ? CV_LOG_NOTICE : CV_LOG_INFO, "neighbour %s in %s %s %s",
	       cv_ip4_str(event->ip, ip), cv_ctl_vpc_name(ctl, event->vpc),
	       news == CTL_NEIGH_CHANGED ? "moved to"
	       : news == CTL_NEIGH_BACK  ? "answers again as"
					 : "is",
	       cv_mac_str(event->mac, mac));
}

static void learn_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct cv_dp_neigh_event events[EVENTS_BURST];
	unsigned int n, total = 0;

	do {
		n = cv_dp_neigh_burst(ctl->dp, events, EVENTS_BURST);
		for (unsigned int i = 0; i < n; i++)
			learn(ctl, &events[i], now_ms);
		total += n;
	} while (n > 0 && total < EVENTS_MAX);
}

static void stale_log(const struct cv_ctl *ctl, const struct ctl_neigh *neigh)
{
	char ip[CV_NET_STR_LEN], mac[CV_NET_STR_LEN];

	cv_log(CV_LOG_WARNING,
	       "neighbour %s in %s does not answer ARP: forwarding to %s all the same",
	       cv_ip4_str(neigh->ip, ip), cv_ctl_vpc_name(ctl, neigh->vpc),
	       cv_mac_str(neigh->mac, mac));
}

static void ask_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct ctl_neigh_ask asks[ASKS_BURST];
	bool full = false;
	uint32_t n;

	do {
		n = cv_ctl_neigh_due(&ctl->neighs, now_ms, &ctl->neigh_pos, asks, ASKS_BURST);
		for (uint32_t i = 0; i < n; i++) {
			const struct ctl_neigh *neigh = &ctl->neighs.items[asks[i].slot];

			full = full ||
			       cv_dp_arp_request(ctl->dp, neigh->vpc, neigh->sender, neigh->ip) < 0;
			if (full)
				cv_ctl_neigh_unasked(&ctl->neighs, asks[i].slot, now_ms);
			if (asks[i].went_stale)
				stale_log(ctl, neigh);
		}
	} while (n == ASKS_BURST && !full);
}

void cv_ctl_arp_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	learn_tick(ctl, now_ms);
	ask_tick(ctl, now_ms);
	announce_tick(ctl, now_ms);
}

bool cv_ctl_arp_is_waiting(const struct cv_ctl *ctl)
{
	for (uint32_t i = 0; i < ctl->neighs.n; i++) {
		if (ctl->neighs.items[i].state == CTL_NEIGH_UNRESOLVED)
			return true;
	}
	return false;
}
