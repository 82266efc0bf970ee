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
		cv_plan_sgs_row(b, ep->sgs, ep->n_sgs, &to->sg_first, &to->sg_n);
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
			cv_plan_sgs_row(b, lb->sgs, lb->n_sgs, &proto.sg_first, &proto.sg_n);
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
		err = cv_plan_sgs_fill(b);
	if (err == 0)
		err = fill_endpoints(b);
	if (err == 0)
		err = fill_nodes(b, n_ips);
	return err;
}
