/* SPDX-License-Identifier: BSD-3-Clause */

/* VPCs in VXLAN, and the networks that carry them, which have slots among the VPCs. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plan_priv.h"

static bool is_in(const struct cv_model_vpc *vpc)
{
	return !vpc->meta.gone && vpc->vxlan.vni != 0;
}

/* A network that carries VXLAN is known by port and VLAN: no id of a VPC is so. */
static size_t under_key(const struct cv_model_vpc *vpc, char *buf, size_t cap)
{
	return (size_t)snprintf(buf, cap, "vxlan %u %s", vpc->vlan, vpc->port) + 1;
}

int cv_plan_unders_assign(struct plan_build *b)
{
	const struct cv_model *m = b->model;

	b->unders = cv_plan_mem_get(&b->tmp, m->n_vpcs, sizeof(*b->unders));
	if (b->unders == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		char key[256], path[CV_ERR_PATH_LEN];
		int err;

		b->unders[i] = CV_VIEW_NONE;
		if (!is_in(&m->vpcs[i]))
			continue;
		err = cv_plan_slots_get(b->in->slots, CV_PLAN_VPC, key,
					under_key(&m->vpcs[i], key, sizeof(key)), &b->unders[i]);
		if (err == -ENOSPC) {
			snprintf(path, sizeof(path), "vpcs[%u].attachment.vxlan", i);
			cv_plan_slots_full(b->in->slots, CV_PLAN_VPC, b->errs, path);
		}
		if (err != 0)
			return err;
	}
	return 0;
}

void cv_plan_unders_list(const struct plan_build *b, struct cv_plan_obj *objs)
{
	for (uint32_t i = 0; i < b->model->n_vpcs; i++) {
		if (b->unders[i] != CV_VIEW_NONE && objs[b->unders[i]].idx == CV_MODEL_NONE)
			objs[b->unders[i]] = (struct cv_plan_obj){.owner = 1, .idx = i};
	}
}

uint32_t cv_plan_peers_n(const struct plan_build *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->model->n_vpcs; i++)
		n += is_in(&b->model->vpcs[i]) ? b->model->vpcs[i].vxlan.n_peers : 0;
	return n;
}

/* Our address in what carries a VPC, unless another VPC has brought it. */
static void vtep_add(struct plan_build *b, uint16_t under, cv_be32_t vtep)
{
	for (uint32_t i = 0; i < b->spec.n_locals; i++) {
		if (b->locals[i].vpc == under && b->locals[i].ip == vtep)
			return;
	}
	b->locals[b->spec.n_locals++] = (struct cv_view_local){
		.ip = vtep,
		.vpc = under,
		.kind = CV_VIEW_SERVICE,
		.endpoint = CV_VIEW_DIRECT,
		.node = CV_VIEW_NONE,
	};
}

int cv_plan_vxlan_fill(struct plan_build *b)
{
	const struct cv_model *m = b->model;
	const struct cv_plan_cfg *cfg = b->in->cfg;

	b->vxlans = cv_plan_mem_get(&b->tmp, b->spec.n_vpcs, sizeof(*b->vxlans));
	if (b->vxlans == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		const struct cv_model_vpc *vpc = &m->vpcs[i];
		uint32_t slot, under = b->unders[i];
		char id[256];

		if (under == CV_VIEW_NONE)
			continue;
		slot = cv_plan_slot(b->plan, CV_PLAN_VPC, 0, i);
		under_key(vpc, id, sizeof(id));
		b->vpcs[under] = b->vpcs[slot];
		b->vpcs[under].mac_prefix = cv_mac_prefix(id);
		b->vxlans[under].is_under = true;
		b->vpcs[slot].port = cfg->n_ports;
		b->vpcs[slot].vlan = 0;
		b->vpcs[slot].mtu = (uint16_t)(b->vpcs[under].mtu - CV_VXLAN_LEN);
		b->vpcs[slot].mss_max = cv_plan_mss_max(cfg, b->vpcs[slot].mtu);
		b->vxlans[slot] = (struct cv_view_vxlan){
			.on = true,
			.under = (uint16_t)under,
			.vni = vpc->vxlan.vni,
			.vtep = vpc->vxlan.vtep,
		};
		vtep_add(b, (uint16_t)under, vpc->vxlan.vtep);
		/* Without any, packets need not ask. */
		b->spec.tunnels.n_vxlans = b->spec.n_vpcs;
	}
	return 0;
}

static int peer_add(struct plan_build *b, uint32_t vpc, cv_be32_t ip, struct cv_view_vxlan *vxlan)
{
	const struct cv_model_vxlan *conf = &b->model->vpcs[vpc].vxlan;
	cv_be32_t hop = conf->gateway != 0 ? conf->gateway : ip;
	char path[CV_ERR_PATH_LEN];
	uint32_t neigh;
	int err = cv_plan_neigh_slot(b, vxlan->under, hop, &neigh);

	if (err == -ENOSPC) {
		snprintf(path, sizeof(path), "vpcs[%u].attachment.vxlan.peers", vpc);
		cv_plan_slots_full(b->in->slots, CV_PLAN_NEIGH, b->errs, path);
	}
	if (err != 0)
		return err;
	b->neighs[neigh] = (struct cv_plan_neigh){
		.ip = hop, .sender = vxlan->vtep, .vpc = vxlan->under, .used = true};
	b->vpcs[vxlan->under].has_neighs = true;
	b->peers[b->spec.tunnels.n_peers++] = (struct cv_view_peer){.ip = ip, .neigh = neigh};
	vxlan->n_peers++;
	return 0;
}

int cv_plan_peers_fill(struct plan_build *b)
{
	const struct cv_model *m = b->model;

	b->peers = cv_plan_mem_get(&b->tmp, cv_plan_peers_n(b), sizeof(*b->peers));
	if (b->peers == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		struct cv_view_vxlan *vxlan;

		if (b->unders[i] == CV_VIEW_NONE)
			continue;
		vxlan = &b->vxlans[cv_plan_slot(b->plan, CV_PLAN_VPC, 0, i)];
		vxlan->peer_first = b->spec.tunnels.n_peers;
		for (uint32_t k = 0; k < m->vpcs[i].vxlan.n_peers; k++) {
			int err = peer_add(b, i, m->vpcs[i].vxlan.peers[k], vxlan);

			if (err != 0)
				return err;
		}
	}
	return 0;
}
