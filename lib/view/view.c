/* SPDX-License-Identifier: BSD-3-Clause */

#include "cv_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cv_view_hot.h"

/* A view this large is worth huge pages: workers probe its indexes at random. */
#define HUGE_PAGE_LEN ((size_t)2 << 20)

#define VLANS 4096
/* Pools whose places in the index are fetched ahead. */
#define POOLS_AHEAD 16

/* A block that is handed out piece by piece. With base NULL it only adds up how much is needed. */
struct carve {
	uint8_t *base;
	size_t used;
};

static size_t align_up(size_t len, size_t align)
{
	return (len + align - 1) & ~(align - 1);
}

static void *carve(struct carve *c, size_t n, size_t size)
{
	void *at = c->base != NULL ? c->base + c->used : NULL;

	c->used += align_up(n * size, CV_CACHE_LINE);
	return at;
}

static void *carve_copy(struct carve *c, const void *from, size_t n, size_t size)
{
	void *at = carve(c, n, size);

	if (at != NULL && n != 0)
		memcpy(at, from, n * size);
	return at;
}

/* Smallest power of two that n entries fill at most half, and that always holds a free slot. */
static uint32_t index_len(uint32_t n)
{
	uint32_t len = 8;

	while (len < 2 * (uint64_t)n)
		len *= 2;
	return len;
}

static void check_group_rules(const struct cv_view_spec *spec, uint32_t first, uint32_t n)
{
	cv_assert(first <= spec->n_sg_rules && n <= spec->n_sg_rules - first);
}

static void check_rule_ips(const struct cv_view_spec *spec)
{
	for (uint32_t i = 0; i < spec->n_sg_rules; i++) {
		const struct cv_view_sg_rule *rule = &spec->sg_rules[i];

		cv_assert(rule->n_ips == 0 || (rule->ip_first <= spec->n_sg_ips &&
					       rule->n_ips <= spec->n_sg_ips - rule->ip_first));
	}
}

static bool is_vxlan(const struct cv_view_spec *spec, uint32_t vpc)
{
	return vpc < spec->tunnels.n_vxlans && spec->tunnels.vxlans[vpc].on;
}

static void check_tunnels(const struct cv_view_spec *spec)
{
	const struct cv_view_tunnels *t = &spec->tunnels;

	for (uint32_t i = 0; i < t->n_vxlans; i++) {
		const struct cv_view_vxlan *v = &t->vxlans[i];

		if (!v->on)
			continue;
		cv_assert(i < spec->n_vpcs && spec->vpcs[i].port == spec->n_ports);
		cv_assert(v->under < spec->n_vpcs && spec->vpcs[v->under].port < spec->n_ports);
		cv_assert(v->under < t->n_vxlans && t->vxlans[v->under].is_under);
		cv_assert(v->peer_first <= t->n_peers && v->n_peers <= t->n_peers - v->peer_first);
	}
	for (uint32_t i = 0; i < t->n_peers; i++)
		cv_assert(t->peers[i].neigh < spec->n_neigh);
}

static void check_addresses(const struct cv_view_spec *spec)
{
	uint32_t i;

	cv_assert(spec->n_vpcs < CV_VIEW_NO_VPC);
	for (i = 0; i < spec->n_vpcs; i++) {
		if (spec->vpcs[i].used)
			cv_assert(spec->vpcs[i].port < spec->n_ports + is_vxlan(spec, i) &&
				  spec->vpcs[i].vlan < VLANS);
	}
	for (i = 0; i < spec->n_locals; i++) {
		const struct cv_view_local *l = &spec->locals[i];

		cv_assert(l->vpc < spec->n_vpcs && l->endpoint < spec->n_endpoints);
		cv_assert(l->node < spec->n_nodes || l->node == CV_VIEW_NONE);
		cv_assert(cv_view_path_slot(l->path) < spec->n_paths);
	}
	for (i = 0; i < spec->n_paths; i++)
		cv_assert(spec->paths[i].endpoint < spec->n_endpoints);
	cv_assert(spec->n_endpoints > CV_VIEW_DIRECT && spec->endpoints[CV_VIEW_DIRECT].used);
	check_rule_ips(spec);
	for (i = 0; i < spec->n_endpoints; i++)
		check_group_rules(spec, spec->endpoints[i].sg_first, spec->endpoints[i].sg_n);
	for (i = 0; i < spec->n_nodes; i++) {
		const struct cv_view_node *n = &spec->nodes[i];

		check_group_rules(spec, n->sg_first, n->sg_n);
		if (!n->used)
			continue;
		cv_assert(n->vpc < spec->n_vpcs && n->zone < spec->n_zones && n->n_ips >= 1);
		cv_assert(n->ip_first <= spec->n_node_ips &&
			  n->n_ips <= spec->n_node_ips - n->ip_first);
	}
}

static void check_forwards(const struct cv_view_spec *spec, const struct cv_view_listener *l)
{
	cv_assert(l->forward_first <= spec->n_forwards &&
		  l->n_forwards <= spec->n_forwards - l->forward_first);
	for (uint32_t i = 0; i < l->n_forwards; i++) {
		const struct cv_view_forward *f = &spec->forwards[l->forward_first + i];

		cv_assert(f->group < spec->n_groups && f->zone_first <= spec->n_choices &&
			  spec->n_zones <= spec->n_choices - f->zone_first);
		cv_assert(i + 1 < l->n_forwards || f->last == UINT32_MAX);
	}
	cv_assert(l->closed_first <= spec->n_forwards &&
		  l->n_closed <= spec->n_forwards - l->closed_first);
}

static void check_hosts(const struct cv_view_spec *spec)
{
	for (uint32_t i = 0; i < spec->n_hosts; i++) {
		const struct cv_view_host *h = &spec->hosts[i];

		cv_assert(h->service_first <= spec->n_services &&
			  h->n_services <= spec->n_services - h->service_first);
	}
}

static void check_targets(const struct cv_view_spec *spec)
{
	uint32_t i;

	for (i = 0; i < spec->n_listeners; i++) {
		const struct cv_view_listener *l = &spec->listeners[i];

		if (!l->used || l->group == CV_VIEW_NONE)
			continue;
		cv_assert(l->group < spec->n_groups);
		cv_assert(l->zone_first <= spec->n_choices &&
			  spec->n_zones <= spec->n_choices - l->zone_first);
		check_forwards(spec, l);
	}
	for (i = 0; i < spec->n_choices; i++)
		cv_assert(spec->choices[i].first <= spec->n_choice_targets &&
			  spec->choices[i].n <= spec->n_choice_targets - spec->choices[i].first);
	for (i = 0; i < spec->n_choice_targets; i++)
		cv_assert(spec->choice_targets[i] < spec->n_targets &&
			  spec->targets[spec->choice_targets[i]].used);
	for (i = 0; i < spec->n_targets; i++) {
		if (spec->targets[i].used)
			cv_assert(spec->targets[i].vpc < spec->n_vpcs &&
				  spec->targets[i].neigh < spec->n_neigh);
	}
	for (i = 0; i < spec->n_pools; i++)
		cv_assert(spec->pools[i].key.node_ip != 0 && spec->pools[i].pool != NULL);
}

/* Mark the ports that carry a VLAN. @return how many do */
static uint32_t vlan_ports(const struct cv_view_spec *spec, bool *has_vlan)
{
	uint32_t n = 0;
	uint32_t i;

	memset(has_vlan, 0, (size_t)UINT16_MAX + 1);
	for (i = 0; i < spec->n_vpcs; i++) {
		const struct cv_view_vpc *vpc = &spec->vpcs[i];

		if (!vpc->used || vpc->vlan == 0 || has_vlan[vpc->port])
			continue;
		has_vlan[vpc->port] = true;
		n++;
	}
	return n;
}

#define COPY(field, n_field) \
	(v->spec.field = carve_copy(c, spec->field, spec->n_field, sizeof(*spec->field)))

/*
 * Give each part its place, and copy the arrays. Run twice: once to know the size, once for real, when
 * v is the first thing in the block.
 *
 * @return room for the VLAN tables
 */
static uint16_t *lay_out(struct carve *c, const struct cv_view_spec *spec, uint32_t n_vlan_ports,
			 struct cv_view *v)
{
	uint16_t *vlans;

	(void)carve(c, 1, sizeof(*v));
	v->spec = *spec;
	v->mem = c->base;
	v->local_mask = index_len(spec->n_locals) - 1;
	v->pool_mask = index_len(spec->n_pools) - 1;
	v->listener_mask = index_len(spec->n_listeners) - 1;
	v->ports = carve(c, spec->n_ports, sizeof(*v->ports));
	vlans = carve(c, (size_t)n_vlan_ports * VLANS, sizeof(*vlans));
	v->local_idx = carve(c, (size_t)v->local_mask + 1, sizeof(*v->local_idx));
	v->pool_idx = carve(c, (size_t)v->pool_mask + 1, sizeof(*v->pool_idx));
	v->listener_idx = carve(c, (size_t)v->listener_mask + 1, sizeof(*v->listener_idx));
	COPY(vpcs, n_vpcs);
	COPY(locals, n_locals);
	COPY(paths, n_paths);
	COPY(endpoints, n_endpoints);
	COPY(sg_rules, n_sg_rules);
	COPY(sg_ips, n_sg_ips);
	COPY(nodes, n_nodes);
	COPY(node_ips, n_node_ips);
	COPY(listeners, n_listeners);
	COPY(forwards, n_forwards);
	COPY(choices, n_choices);
	COPY(choice_targets, n_choice_targets);
	COPY(groups, n_groups);
	COPY(targets, n_targets);
	COPY(pools, n_pools);
	COPY(hosts, n_hosts);
	COPY(services, n_services);
	v->vni_mask = index_len(spec->tunnels.n_vxlans) - 1;
	v->vni_idx = carve(c, (size_t)v->vni_mask + 1, sizeof(*v->vni_idx));
	COPY(tunnels.vxlans, tunnels.n_vxlans);
	COPY(tunnels.peers, tunnels.n_peers);
	return vlans;
}

static int index_ports(struct cv_view *v, const bool *has_vlan, uint16_t *vlans)
{
	uint32_t i;

	for (i = 0; i < v->spec.n_ports; i++) {
		v->ports[i].untagged = CV_VIEW_NO_VPC;
		v->ports[i].vlan = NULL;
		if (!has_vlan[i])
			continue;
		v->ports[i].vlan = vlans;
		memset(vlans, 0xff, VLANS * sizeof(*vlans));
		vlans += VLANS;
	}
	for (i = 0; i < v->spec.n_vpcs; i++) {
		const struct cv_view_vpc *vpc = &v->spec.vpcs[i];
		struct cv_view_port *port = &v->ports[vpc->port];
		uint16_t *at = &port->untagged;

		if (!vpc->used || is_vxlan(&v->spec, i))
			continue;
		/* The const is for readers; the table is ours until the view is handed out. */
		if (vpc->vlan != 0)
			at = (uint16_t *)(uintptr_t)&port->vlan[vpc->vlan];
		if (*at != CV_VIEW_NO_VPC)
			return -EEXIST;
		*at = (uint16_t)i;
	}
	return 0;
}

static int index_locals(struct cv_view *v)
{
	uint32_t i, at;

	for (i = 0; i <= v->local_mask; i++)
		v->local_idx[i].key = CV_VIEW_KEY_FREE;
	for (i = 0; i < v->spec.n_locals; i++) {
		uint64_t key = cv_view_local_key(v->spec.locals[i].vpc, v->spec.locals[i].ip);

		at = cv_view_mix(key) & v->local_mask;
		while (v->local_idx[at].key != CV_VIEW_KEY_FREE) {
			if (v->local_idx[at].key == key)
				return -EEXIST;
			at = (at + 1) & v->local_mask;
		}
		v->local_idx[at] = (struct cv_view_local_slot){.key = key, .local = i};
	}
	return 0;
}

static int index_listeners(struct cv_view *v)
{
	uint32_t i, at;

	for (i = 0; i <= v->listener_mask; i++)
		v->listener_idx[i].key = CV_VIEW_KEY_FREE;
	for (i = 0; i < v->spec.n_listeners; i++) {
		const struct cv_view_listener *l = &v->spec.listeners[i];
		uint64_t key = cv_view_listener_key(l->lb, l->port);

		if (!l->used)
			continue;
		at = cv_view_mix(key) & v->listener_mask;
		while (v->listener_idx[at].key != CV_VIEW_KEY_FREE) {
			if (v->listener_idx[at].key == key)
				return -EEXIST;
			at = (at + 1) & v->listener_mask;
		}
		v->listener_idx[at] = (struct cv_view_listener_slot){.key = key, .listener = i};
	}
	return 0;
}

static int index_vnis(struct cv_view *v)
{
	uint32_t i, at;

	for (i = 0; i <= v->vni_mask; i++)
		v->vni_idx[i].key = CV_VIEW_KEY_FREE;
	for (i = 0; i < v->spec.tunnels.n_vxlans; i++) {
		const struct cv_view_vxlan *vxlan = &v->spec.tunnels.vxlans[i];
		uint64_t key = cv_view_vni_key(vxlan->under, vxlan->vni);

		if (!vxlan->on)
			continue;
		at = cv_view_mix(key) & v->vni_mask;
		while (v->vni_idx[at].key != CV_VIEW_KEY_FREE) {
			if (v->vni_idx[at].key == key)
				return -EEXIST;
			at = (at + 1) & v->vni_mask;
		}
		v->vni_idx[at] = (struct cv_view_vni_slot){.key = key, .vpc = (uint16_t)i};
	}
	return 0;
}

/* Its place in the index, fetched while those before it are put there: the index is larger than a cache. */
static void pool_prefetch(const struct cv_view *v, uint32_t i)
{
	const struct cv_snat_key *key = &v->spec.pools[i].key;
	uint64_t ips = cv_view_pool_ips(key->node_ip, key->target_ip);
	uint64_t rest = cv_view_pool_rest(key->vpc, key->target_port);

	__builtin_prefetch(&v->pool_idx[cv_view_pool_mix(ips, rest) & v->pool_mask], 1);
}

static int index_pools(struct cv_view *v)
{
	uint32_t i, at;

	memset(v->pool_idx, 0, ((size_t)v->pool_mask + 1) * sizeof(*v->pool_idx));
	for (i = 0; i < v->spec.n_pools; i++) {
		const struct cv_snat_key *key = &v->spec.pools[i].key;
		struct cv_view_pool_slot slot = {
			.ips = cv_view_pool_ips(key->node_ip, key->target_ip),
			.rest = cv_view_pool_rest(key->vpc, key->target_port),
			.pool = i,
			.ptr = v->spec.pools[i].pool,
		};

		if (i + POOLS_AHEAD < v->spec.n_pools)
			pool_prefetch(v, i + POOLS_AHEAD);
		at = cv_view_pool_mix(slot.ips, slot.rest) & v->pool_mask;
		while (v->pool_idx[at].ips != 0) {
			if (v->pool_idx[at].ips == slot.ips && v->pool_idx[at].rest == slot.rest)
				return -EEXIST;
			at = (at + 1) & v->pool_mask;
		}
		v->pool_idx[at] = slot;
	}
	return 0;
}

static uint8_t *block_alloc(size_t len)
{
	size_t align = len >= HUGE_PAGE_LEN ? HUGE_PAGE_LEN : CV_CACHE_LINE;
	uint8_t *block = aligned_alloc(align, align_up(len, align));

	/* A kernel without huge pages serves small ones: nothing to do about it here. */
	if (block != NULL && len >= HUGE_PAGE_LEN)
		(void)madvise(block, align_up(len, align), MADV_HUGEPAGE);
	return block;
}

int cv_view_create(const struct cv_view_spec *spec, struct cv_view **ret_view)
{
	bool has_vlan[(size_t)UINT16_MAX + 1];
	struct cv_view scratch;
	struct carve c = {0};
	struct cv_view *v;
	uint16_t *vlans;
	uint32_t n_vlan_ports;
	int err;

	check_addresses(spec);
	check_targets(spec);
	check_hosts(spec);
	check_tunnels(spec);
	n_vlan_ports = vlan_ports(spec, has_vlan);
	(void)lay_out(&c, spec, n_vlan_ports, &scratch);
	c.base = block_alloc(c.used);
	if (c.base == NULL)
		return -ENOMEM;
	c.used = 0;
	v = (struct cv_view *)c.base;
	vlans = lay_out(&c, spec, n_vlan_ports, v);
	err = index_ports(v, has_vlan, vlans);
	if (err == 0)
		err = index_locals(v);
	if (err == 0)
		err = index_listeners(v);
	if (err == 0)
		err = index_pools(v);
	if (err == 0)
		err = index_vnis(v);
	if (err != 0) {
		cv_view_destroy(v);
		return err;
	}
	*ret_view = v;
	return 0;
}

void cv_view_destroy(struct cv_view *view)
{
	if (view != NULL)
		free(view->mem);
}

const struct cv_view_spec *cv_view_spec_get(const struct cv_view *view)
{
	return &view->spec;
}

bool cv_view_has_local(const struct cv_view *view, uint16_t vpc, cv_be32_t ip)
{
	return cv_view_local_find(view, vpc, ip) != NULL;
}
