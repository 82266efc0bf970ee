/* SPDX-License-Identifier: BSD-3-Clause */

/* Which VPCs have sockets of the kernel on our addresses, and on which ports these answer. */

#include <errno.h>

#include "cv_model_dns.h"

#include "plan_priv.h"

/* A VPC's DNS server has two addresses. */
#define N_SERVERS 2

/* The model's VPCs by need: shape [n_vpcs]. */
static void needs_find(const struct plan_build *b, bool *needs)
{
	const struct cv_model *m = b->model;
	enum cv_plan_host how = b->in->cfg->host;

	for (uint32_t i = 0; how == CV_PLAN_HOST_ALWAYS && i < m->n_lbs; i++)
		needs[m->lbs[i].vpc] = true;
	for (uint32_t i = 0; how != CV_PLAN_HOST_NEVER && i < m->n_tgs; i++) {
		const struct cv_model_target_group *tg = &m->tgs[i];

		if (tg->check.enabled && tg->lb != CV_MODEL_NONE && tg->n_targets > 0)
			needs[tg->vpc] = true;
	}
}

static void server_add(struct plan_build *b, uint16_t slot, cv_be32_t ip)
{
	const struct cv_plan_cfg *cfg = b->in->cfg;
	struct cv_view_host *host = &b->hosts[slot];

	for (uint32_t i = 0; i < cfg->n_services; i++, host->n_services++)
		b->services[b->spec.n_services++] = (struct cv_view_service){
			.ip = ip,
			.port = cv_be16(cfg->services[i].port),
			.proto = cfg->services[i].proto,
		};
	b->locals[b->spec.n_locals++] = (struct cv_view_local){
		.ip = ip,
		.vpc = slot,
		.kind = CV_VIEW_SERVICE,
		.endpoint = CV_VIEW_DIRECT,
		.node = CV_VIEW_NONE,
	};
}

static void services_add(struct plan_build *b, const struct cv_model_vpc *vpc, uint16_t slot)
{
	const struct cv_plan_cfg *cfg = b->in->cfg;

	if (cfg->n_services == 0 || cfg->host == CV_PLAN_HOST_NEVER || vpc->n_cidrs == 0 ||
	    !vpc->dns_support)
		return;
	b->hosts[slot].on = true;
	b->hosts[slot].service_first = b->spec.n_services;
	server_add(b, slot, cv_model_dns_server(vpc));
	server_add(b, slot, cv_be32(CV_MODEL_DNS_LINK_LOCAL));
}

int cv_plan_host_fill(struct plan_build *b)
{
	const struct cv_model *m = b->model;
	bool *needs = cv_plan_mem_get(&b->tmp, m->n_vpcs, sizeof(*needs));

	b->spec.n_hosts = b->plan->n_slots[CV_PLAN_VPC];
	b->hosts = cv_plan_mem_get(&b->tmp, b->spec.n_hosts, sizeof(*b->hosts));
	b->services =
		cv_plan_mem_get(&b->tmp, (size_t)m->n_vpcs * N_SERVERS * b->in->cfg->n_services,
				sizeof(*b->services));
	if (needs == NULL || b->hosts == NULL || b->services == NULL)
		return -ENOMEM;
	needs_find(b, needs);
	for (uint32_t i = 0; i < m->n_vpcs; i++) {
		uint16_t slot;

		if (m->vpcs[i].meta.gone)
			continue;
		slot = (uint16_t)cv_plan_slot(b->plan, CV_PLAN_VPC, 0, i);
		b->hosts[slot].on = needs[i];
		services_add(b, &m->vpcs[i], slot);
	}
	return 0;
}
