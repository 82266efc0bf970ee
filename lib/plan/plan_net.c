/* SPDX-License-Identifier: BSD-3-Clause */

#include "plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cv_drops.h"
#include "cv_ppv2.h"

/* IP and TCP header without options: what an MSS leaves out of a packet. */
#define HEADERS_LEN 40

static uint32_t slot_of(const struct plan_build *b, enum cv_plan_kind kind, uint32_t idx)
{
	return cv_plan_slot(b->plan, kind, 0, idx);
}

static int port_find(const struct plan_build *b, const char *name, uint16_t *ret_port)
{
	const struct cv_plan_cfg *cfg = b->in->cfg;

	for (uint16_t i = 0; i < cfg->n_ports; i++) {
		if (strcmp(cfg->ports[i].name, name) == 0) {
			*ret_port = i;
			return 0;
		}
	}
	return -ENOENT;
}

uint16_t cv_plan_mss_max(const struct cv_plan_cfg *cfg, uint16_t mtu)
{
	uint32_t mss = mtu > HEADERS_LEN ? (uint32_t)mtu - HEADERS_LEN : 0;

	if (cfg->mss_clamp == 0)
		return UINT16_MAX;
	return (uint16_t)(cfg->mss_clamp < mss ? cfg->mss_clamp : mss);
}

static uint16_t mtu_by_endpoint(const struct cv_plan_cfg *cfg, uint16_t mtu)
{
	return cfg->endpoint_mtu > 0 && cfg->endpoint_mtu < mtu ? (uint16_t)cfg->endpoint_mtu : mtu;
}

static int fill_vpcs(struct plan_build *b)
{
	const struct cv_plan_cfg *cfg = b->in->cfg;
	int err = 0;

	b->spec.n_vpcs = b->plan->n_slots[CV_PLAN_VPC];
	b->vpcs = cv_plan_mem_get(&b->tmp, b->spec.n_vpcs, sizeof(*b->vpcs));
	if (b->vpcs == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->model->n_vpcs; i++) {
		const struct cv_model_vpc *vpc = &b->model->vpcs[i];
		char path[CV_ERR_PATH_LEN];
		uint16_t port;

		if (vpc->meta.gone)
			continue;
		if (port_find(b, vpc->port, &port) != 0) {
			snprintf(path, sizeof(path), "vpcs[%u].attachment.port", i);
			cv_errs_add(b->errs, path, 0, "no port is called \"%s\"", vpc->port);
			err = -EINVAL;
			continue;
		}
		b->vpcs[slot_of(b, CV_PLAN_VPC, i)] = (struct cv_view_vpc){
			.used = true,
			.port = port,
			.vlan = vpc->vlan,
			.mac_prefix = cv_mac_prefix(vpc->id),
			.mss_max = cv_plan_mss_max(cfg, cfg->ports[port].mtu),
			.mtu = cfg->ports[port].mtu,
		};
	}
	if (err == 0)
		err = cv_plan_vxlan_fill(b);
	for (uint32_t i = 0; err == 0 && i < b->spec.n_vpcs; i++)
		b->vpcs[i].mtu_by_endpoint = mtu_by_endpoint(cfg, b->vpcs[i].mtu);
	return err;
}

/* ---- security groups ---- */

/* What carries a group, by group: addresses of ENIs and of nodes. */
struct members {
	uint32_t *first; /* shape [groups + 1]: where each group's begin */
	cv_be32_t *ips;
};

/* Calls back for each address that carries a group. */
static void members_each(const struct cv_model *m, struct members *members,
			 void (*take)(struct members *members, uint32_t sg, cv_be32_t ip))
{
	for (uint32_t i = 0; i < m->n_endpoints; i++) {
		const struct cv_model_endpoint *ep = &m->endpoints[i];

		for (uint32_t k = 0; k < ep->n_enis * ep->n_sgs; k++)
			take(members, ep->sgs[k / ep->n_enis], ep->enis[k % ep->n_enis].ip);
	}
	for (uint32_t i = 0; i < m->n_lbs; i++) {
		const struct cv_model_lb *lb = &m->lbs[i];

		for (uint32_t k = 0; k < lb->n_nodes * lb->n_sgs; k++) {
			const struct cv_model_node *node = &lb->nodes[k % lb->n_nodes];

			for (uint32_t j = 0; j < node->n_ips; j++)
				take(members, lb->sgs[k / lb->n_nodes], node->ips[j]);
		}
	}
}

static void member_count(struct members *members, uint32_t sg, cv_be32_t ip)
{
	(void)ip;
	members->first[sg + 1]++;
}

/* first[sg] is the end of the group's so far: in the end, where the next one's begin. */
static void member_add(struct members *members, uint32_t sg, cv_be32_t ip)
{
	members->ips[members->first[sg]++] = ip;
}

/* @return false if memory ran out */
static bool members_get(struct plan_build *b, struct members *members)
{
	const struct cv_model *m = b->model;

	members->first = cv_plan_mem_get(&b->tmp, m->n_sgs + 2, sizeof(*members->first));
	if (members->first == NULL)
		return false;
	members_each(m, members, member_count);
	for (uint32_t i = 0; i < m->n_sgs; i++)
		members->first[i + 1] += members->first[i];
	members->ips =
		cv_plan_mem_get(&b->tmp, members->first[m->n_sgs] + 1, sizeof(*members->ips));
	if (members->ips == NULL)
		return false;
	members_each(m, members, member_add);
	memmove(&members->first[1], &members->first[0], m->n_sgs * sizeof(*members->first));
	members->first[0] = 0;
	return true;
}

/* The i-th prefix that a rule admits. The hosts of a VPC, which only the operator knows, have the group
 * that AWS gives who asks for none: `default`. @return false past the last */
static bool peer_at(const struct plan_build *b, const struct members *members, uint32_t vpc,
		    const struct cv_model_rule *rule, uint32_t i, struct cv_prefix *ret)
{
	const struct cv_model_vpc *v = &b->model->vpcs[vpc];
	uint32_t sg;

	if (rule->group == NULL) {
		*ret = rule->cidr;
		return i == 0;
	}
	sg = cv_model_rule_group(b->model, vpc, rule);
	if (sg == CV_MODEL_NONE)
		return false;
	if (strcmp(b->model->sgs[sg].name, "default") == 0) {
		if (i < v->n_cidrs)
			*ret = v->cidrs[i];
		return i < v->n_cidrs;
	}
	i += members->first[sg];
	if (i < members->first[sg + 1])
		*ret = (struct cv_prefix){.addr = members->ips[i], .len = 32};
	return i < members->first[sg + 1];
}

/* Adds the rules of a group. @param to  NULL: only count @return how many */
static uint32_t add_group(const struct plan_build *b, const struct members *members, uint32_t idx,
			  struct cv_view_sg_rule *to)
{
	const struct cv_model_security_group *sg = &b->model->sgs[idx];
	struct cv_prefix from;
	uint32_t n = 0;

	for (uint32_t i = 0; i < sg->n_rules; i++) {
		const struct cv_model_rule *rule = &sg->rules[i];

		if (rule->protocol != CV_MODEL_TCP && rule->protocol != CV_MODEL_PROTOCOL_ALL)
			continue;
		for (uint32_t k = 0; peer_at(b, members, sg->vpc, rule, k, &from); k++, n++) {
			if (to != NULL)
				to[n] = (struct cv_view_sg_rule){
					.from = from,
					.port_first = rule->port_first,
					.port_last = rule->port_last,
				};
		}
	}
	return n;
}

/* Rules at most: each group once, and the sum for who has several groups. */
static uint32_t rules_max(const struct plan_build *b)
{
	const struct cv_model *m = b->model;
	uint32_t n = b->sg_first[m->n_sgs];

	for (uint32_t i = 0; i < m->n_endpoints; i++) {
		for (uint32_t k = 0; k < m->endpoints[i].n_sgs && m->endpoints[i].n_sgs > 1; k++)
			n += b->sg_first[m->endpoints[i].sgs[k] + 1] -
			     b->sg_first[m->endpoints[i].sgs[k]];
	}
	for (uint32_t i = 0; i < m->n_lbs; i++) {
		for (uint32_t k = 0; k < m->lbs[i].n_sgs && m->lbs[i].n_sgs > 1; k++)
			n += b->sg_first[m->lbs[i].sgs[k] + 1] - b->sg_first[m->lbs[i].sgs[k]];
	}
	return n;
}

static int fill_groups(struct plan_build *b)
{
	const struct cv_model *m = b->model;
	struct members members;

	b->sg_first = cv_plan_mem_get(&b->tmp, m->n_sgs + 1, sizeof(*b->sg_first));
	if (b->sg_first == NULL || !members_get(b, &members))
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_sgs; i++)
		b->sg_first[i + 1] = b->sg_first[i] + add_group(b, &members, i, NULL);
	b->rules = cv_plan_mem_get(&b->tmp, rules_max(b), sizeof(*b->rules));
	if (b->rules == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_sgs; i++)
		(void)add_group(b, &members, i, &b->rules[b->sg_first[i]]);
	b->spec.n_sg_rules = b->sg_first[m->n_sgs];
	return 0;
}

/* The rules of several groups in one row; one group's are there already and shared by its users. */
static void flatten(struct plan_build *b, const uint32_t *sgs, uint32_t n_sgs, uint32_t *ret_first,
		    uint32_t *ret_n)
{
	*ret_first = b->spec.n_sg_rules;
	for (uint32_t i = 0; i < n_sgs; i++) {
		uint32_t first = b->sg_first[sgs[i]], n = b->sg_first[sgs[i] + 1] - first;

		if (n_sgs == 1) {
			*ret_first = first;
			*ret_n = n;
			return;
		}
		memcpy(&b->rules[b->spec.n_sg_rules], &b->rules[first], n * sizeof(*b->rules));
		b->spec.n_sg_rules += n;
	}
	*ret_n = b->spec.n_sg_rules - *ret_first;
}

static enum cv_drop verdict(enum cv_model_state state)
{
	switch (state) {
	case CV_MODEL_AVAILABLE:
	case CV_MODEL_PENDING: /* it is on the way there, or was there before a change */
		return CV_DROP_NONE;
	case CV_MODEL_PENDING_ACCEPTANCE:
		return CV_DROP_ENDPOINT_PENDING;
	case CV_MODEL_REJECTED:
		return CV_DROP_ENDPOINT_REJECTED;
	default:
		return CV_DROP_ENDPOINT_STATE;
	}
}

static void add_enis(struct plan_build *b, uint32_t idx, uint32_t slot)
{
	const struct cv_model_endpoint *ep = &b->model->endpoints[idx];

	for (uint32_t i = 0; i < ep->n_enis; i++) {
		const struct cv_model_eni *eni = &ep->enis[i];
		bool has_node = eni->lb != CV_MODEL_NONE && eni->node != CV_MODEL_NONE;

		b->locals[b->spec.n_locals++] = (struct cv_view_local){
			.ip = eni->ip,
			.vpc = (uint16_t)slot_of(b, CV_PLAN_VPC, ep->vpc),
			.kind = CV_VIEW_ENI,
			.endpoint = slot,
			.node = has_node ? cv_plan_slot(b->plan, CV_PLAN_NODE, eni->lb, eni->node)
					 : CV_VIEW_NONE,
			.path = cv_plan_slot(b->plan, CV_PLAN_PATH, idx, i),
		};
	}
}

static int fill_endpoints(struct plan_build *b)
{
	struct cv_view_endpoint *direct;

	b->spec.n_endpoints = b->plan->n_slots[CV_PLAN_ENDPOINT];
	b->endpoints = cv_plan_mem_get(&b->tmp, b->spec.n_endpoints, sizeof(*b->endpoints));
	if (b->endpoints == NULL)
		return -ENOMEM;
	direct = &b->endpoints[CV_VIEW_DIRECT];
	direct->used = true;
	direct->verdict = CV_DROP_NONE;
	direct->sg_any = true;
	cv_ppv2_aws_template(direct->ppv2, NULL);
	for (uint32_t i = 0; i < b->model->n_endpoints; i++) {
		const struct cv_model_endpoint *ep = &b->model->endpoints[i];
		uint32_t slot = slot_of(b, CV_PLAN_ENDPOINT, i);
		struct cv_view_endpoint *to;

		if (slot == CV_VIEW_NONE)
			continue;
		to = &b->endpoints[slot];
		to->used = true;
		to->verdict = (uint8_t)verdict(ep->state);
		flatten(b, ep->sgs, ep->n_sgs, &to->sg_first, &to->sg_n);
		cv_ppv2_aws_template(to->ppv2, ep->id);
		add_enis(b, i, slot);
	}
	return 0;
}

int cv_plan_paths_fill(struct plan_build *b)
{
	struct cv_plan *plan = b->plan;
	uint32_t n = plan->n_slots[CV_PLAN_PATH];
	struct plan_mem **mem = &plan->priv->mem;
	struct cv_plan_path *paths = cv_plan_mem_get(mem, n, sizeof(*paths));
	uint32_t *of_ep = cv_plan_mem_get(mem, plan->n_slots[CV_PLAN_ENDPOINT], sizeof(*of_ep));
	uint32_t *of_node = cv_plan_mem_get(mem, plan->n_slots[CV_PLAN_NODE], sizeof(*of_node));

	b->paths = cv_plan_mem_get(&b->tmp, n, sizeof(*b->paths));
	if (paths == NULL || of_ep == NULL || of_node == NULL || b->paths == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->n_slots[CV_PLAN_ENDPOINT]; i++)
		of_ep[i] = CV_VIEW_NONE;
	for (uint32_t i = 0; i < plan->n_slots[CV_PLAN_NODE]; i++)
		of_node[i] = CV_VIEW_NONE;
	for (uint32_t i = 0; i < n; i++) {
		const struct plan_path_key *key;

		key = cv_plan_slots_key(b->in->slots, CV_PLAN_PATH, i);

		paths[i] = (struct cv_plan_path){CV_VIEW_DIRECT, CV_VIEW_NONE, CV_VIEW_NONE,
						 CV_VIEW_NONE};
		if (key != NULL) {
			paths[i].endpoint = key->endpoint;
			paths[i].node = key->node;
			paths[i].endpoint_next = of_ep[key->endpoint];
			of_ep[key->endpoint] = i;
		}
		if (paths[i].node != CV_VIEW_NONE) {
			paths[i].node_next = of_node[paths[i].node];
			of_node[paths[i].node] = i;
		}
		b->paths[i] = (struct cv_view_path){paths[i].endpoint, paths[i].node};
	}
	b->spec.n_paths = n;
	plan->paths = paths;
	plan->endpoint_path = of_ep;
	plan->node_path = of_node;
	return 0;
}

static void add_node(struct plan_build *b, uint32_t lb_idx, uint32_t idx,
		     const struct cv_view_node *proto)
{
	const struct cv_model_node *node = &b->model->lbs[lb_idx].nodes[idx];
	uint32_t slot = cv_plan_slot(b->plan, CV_PLAN_NODE, lb_idx, idx);
	uint32_t path = cv_plan_slot(b->plan, CV_PLAN_PATH, b->model->n_endpoints + lb_idx, idx);
	struct cv_view_node *to = &b->nodes[slot];

	*to = *proto;
	to->zone = (uint16_t)node->zone;
	to->ip_first = b->spec.n_node_ips;
	to->n_ips = node->n_ips;
	for (uint32_t i = 0; i < node->n_ips; i++) {
		b->node_ips[b->spec.n_node_ips++] = node->ips[i];
		b->locals[b->spec.n_locals++] = (struct cv_view_local){
			.ip = node->ips[i],
			.vpc = to->vpc,
			.kind = CV_VIEW_NODE,
			.endpoint = CV_VIEW_DIRECT,
			.node = slot,
			.path = path | CV_VIEW_PATH_DIRECT,
		};
	}
}

static int fill_nodes(struct plan_build *b, uint32_t n_ips)
{
	b->spec.n_nodes = b->plan->n_slots[CV_PLAN_NODE];
	b->nodes = cv_plan_mem_get(&b->tmp, b->spec.n_nodes, sizeof(*b->nodes));
	b->node_ips = cv_plan_mem_get(&b->tmp, n_ips, sizeof(*b->node_ips));
	if (b->nodes == NULL || b->node_ips == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->model->n_lbs; i++) {
		const struct cv_model_lb *lb = &b->model->lbs[i];
		struct cv_view_node proto = {
			.used = true,
			.vpc = (uint16_t)slot_of(b, CV_PLAN_VPC, lb->vpc),
			.lb = slot_of(b, CV_PLAN_LB, i),
			.sg_any = lb->n_sgs == 0,
			.sg_not_endpoints = !lb->sg_on_privatelink,
		};

		if (lb->n_sgs > 0)
			flatten(b, lb->sgs, lb->n_sgs, &proto.sg_first, &proto.sg_n);
		for (uint32_t j = 0; j < lb->n_nodes; j++)
			add_node(b, i, j, &proto);
	}
	return 0;
}

int cv_plan_net_fill(struct plan_build *b)
{
	const struct cv_model *m = b->model;
	uint32_t n_ips = 0, n_enis = 0, i, j;
	int err;

	for (i = 0; i < m->n_lbs; i++) {
		for (j = 0; j < m->lbs[i].n_nodes; j++)
			n_ips += m->lbs[i].nodes[j].n_ips;
	}
	for (i = 0; i < m->n_endpoints; i++)
		n_enis += m->endpoints[i].n_enis;
	/* Two for the services of each VPC, too, and one for its VTEP. */
	b->locals = cv_plan_mem_get(&b->tmp, (size_t)n_ips + n_enis + 3 * (size_t)m->n_vpcs,
				    sizeof(*b->locals));
	if (b->locals == NULL)
		return -ENOMEM;
	err = fill_vpcs(b);
	if (err == 0)
		err = fill_groups(b);
	if (err == 0)
		err = fill_endpoints(b);
	if (err == 0)
		err = fill_nodes(b, n_ips);
	return err;
}
