/* SPDX-License-Identifier: BSD-3-Clause */

#include "plan_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint32_t targets_total(const struct plan_build *b)
{
	return b->plan->priv->first[CV_PLAN_TARGET][b->model->n_tgs];
}

/* What a neighbour is known by. Packed by hand: padding must not be hashed. */
int cv_plan_neigh_slot(struct plan_build *b, uint16_t vpc, cv_be32_t ip, uint32_t *ret_slot)
{
	uint8_t key[sizeof(vpc) + sizeof(ip)];

	memcpy(key, &vpc, sizeof(vpc));
	memcpy(key + sizeof(vpc), &ip, sizeof(ip));
	return cv_plan_slots_get(b->in->slots, CV_PLAN_NEIGH, key, sizeof(key), ret_slot);
}

/* How packets reach a target: the next hop, and who asks for it. */
struct route {
	cv_be32_t next_hop;
	cv_be32_t sender; /* 0: no load balancer uses the target, nobody asks */
};

/*
 * A target in the VPC's CIDRs is its own next hop. Any other is behind the gateway of the subnet of the
 * node in the target's zone, or else of the first node whose subnet has one: a target has one next hop
 * for all nodes, since they share a link.
 *
 * @return false if there is no way
 */
static bool route_find(const struct cv_model *m, const struct cv_model_target_group *tg,
		       const struct cv_model_target *target, struct route *ret_route)
{
	const struct cv_model_lb *lb = tg->lb != CV_MODEL_NONE ? &m->lbs[tg->lb] : NULL;
	bool is_on_link = cv_model_vpc_has(&m->vpcs[tg->vpc], target->ip);
	bool found = is_on_link;

	*ret_route = (struct route){.next_hop = target->ip};
	for (uint32_t i = 0; lb != NULL && i < lb->n_nodes; i++) {
		const struct cv_model_node *node = &lb->nodes[i];
		cv_be32_t gateway = m->subnets[node->subnet].gateway;
		bool is_better = ret_route->sender == 0 || node->zone == target->zone;

		if (!is_better || (!is_on_link && gateway == 0))
			continue;
		ret_route->sender = node->ips[0];
		if (!is_on_link)
			ret_route->next_hop = gateway;
		found = true;
	}
	return found;
}

static int no_route(struct plan_build *b, const struct cv_model_target *target, const char *path)
{
	char ip[CV_NET_STR_LEN];

	cv_errs_add(b->errs, path, 0,
		    "%s is outside its VPC, and no subnet of its load balancer has a gateway",
		    cv_ip4_str(target->ip, ip));
	return -EINVAL;
}

static int fill_target(struct plan_build *b, uint32_t tg_idx, uint32_t idx)
{
	const struct cv_model_target_group *tg = &b->model->tgs[tg_idx];
	const struct cv_model_target *target = &tg->targets[idx];
	uint16_t vpc = (uint16_t)cv_plan_slot(b->plan, CV_PLAN_VPC, 0, tg->vpc);
	uint32_t slot = cv_plan_slot(b->plan, CV_PLAN_TARGET, tg_idx, idx);
	char path[CV_ERR_PATH_LEN];
	struct route route;
	uint32_t neigh;
	bool found = route_find(b->model, tg, target, &route);
	int err = found ? cv_plan_neigh_slot(b, vpc, route.next_hop, &neigh) : 0;

	if (!found && tg->lb == CV_MODEL_NONE)
		return 0; /* its slot waits, unused, for a load balancer */
	if (!found || err != 0) {
		snprintf(path, sizeof(path), "target_groups[%u].targets[%u]", tg_idx, idx);
		if (!found)
			return no_route(b, target, path);
		if (err == -ENOSPC)
			cv_plan_slots_full(b->in->slots, CV_PLAN_NEIGH, b->errs, path);
		return err;
	}
	/* A neighbour that nobody asks for keeps its last MAC: for flows that outlive their listener. */
	if (route.sender != 0) {
		b->neighs[neigh] = (struct cv_plan_neigh){
			.ip = route.next_hop, .sender = route.sender, .vpc = vpc, .used = true};
		b->vpcs[vpc].has_neighs = true;
	}
	b->targets[slot] = (struct cv_view_target){
		.used = true,
		.ip = target->ip,
		.port = cv_be16(target->port),
		.vpc = vpc,
		.group = cv_plan_slot(b->plan, CV_PLAN_GROUP, 0, tg_idx),
		.neigh = neigh,
	};
	return 0;
}

static int fill_targets(struct plan_build *b)
{
	uint32_t n_neighs = cv_plan_slots_n(b->in->slots, CV_PLAN_NEIGH) + targets_total(b) +
			    cv_plan_peers_n(b);
	int err, first_err = 0;

	b->spec.n_targets = b->plan->n_slots[CV_PLAN_TARGET];
	b->targets = cv_plan_mem_get(&b->tmp, b->spec.n_targets, sizeof(*b->targets));
	b->neighs = cv_plan_mem_get(&b->plan->priv->mem, n_neighs, sizeof(*b->neighs));
	if (b->targets == NULL || b->neighs == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->model->n_tgs; i++) {
		for (uint32_t j = 0; j < b->model->tgs[i].n_targets; j++) {
			err = fill_target(b, i, j);
			if (err != 0 && err != -EINVAL)
				return err;
			first_err = first_err == 0 ? err : first_err;
		}
	}
	err = cv_plan_peers_fill(b);
	if (err != 0)
		return err;
	b->plan->neighs = b->neighs;
	b->plan->n_slots[CV_PLAN_NEIGH] = cv_plan_slots_n(b->in->slots, CV_PLAN_NEIGH);
	return first_err;
}

static int fill_groups(struct plan_build *b)
{
	b->spec.n_groups = b->plan->n_slots[CV_PLAN_GROUP];
	b->groups = cv_plan_mem_get(&b->tmp, b->spec.n_groups, sizeof(*b->groups));
	if (b->groups == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < b->model->n_tgs; i++) {
		const struct cv_model_target_group *tg = &b->model->tgs[i];

		if (tg->meta.gone)
			continue;
		b->groups[cv_plan_slot(b->plan, CV_PLAN_GROUP, 0, i)] = (struct cv_view_group){
			.used = true,
			.proxy_v2 = tg->ppv2,
			.on_first_ack = tg->placement == CV_MODEL_ON_FIRST_ACK,
			.sticky = tg->sticky,
		};
	}
	return 0;
}

int cv_plan_targets_fill(struct plan_build *b)
{
	int err = fill_targets(b);

	if (err == 0)
		err = fill_groups(b);
	return err;
}
