/* SPDX-License-Identifier: BSD-3-Clause */

/* Attachments for VPCs that calls make. */

#include "cv_model_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_priv.h"

static void ranges_check(struct model_ctx *ctx, const struct cv_model_pool_req *req)
{
	if (req->vlan_first > req->vlan_last || req->vlan_last > 4094)
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "vlans",
			     "VLANs %u-%u are no range within 1..4094", req->vlan_first,
			     req->vlan_last);
	if (req->vxlan.vni > req->vni_last || req->vni_last > 0xffffff)
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "vxlan.vnis",
			     "VNIs %u-%u are no range within 1..16777215", req->vxlan.vni,
			     req->vni_last);
	if (req->vxlan.vni != 0 && req->vlan_first != req->vlan_last)
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "vlan",
			     "one VLAN carries VXLAN, not several");
	for (uint32_t i = 0; i < req->vxlan.n_peers; i++) {
		if (req->vxlan.peers[i] == req->vxlan.vtep)
			cv_model_err(ctx, EINVAL, "InvalidParameterValue",
				     cv_model_at(ctx, "vxlan.peers[%u]", i),
				     "the peer is our own address");
	}
}

/* Takes copies of the lists. @return false if memory ran out */
static bool parts_copy(const struct cv_model_pool_req *req, struct cv_model_pool *pool)
{
	pool->vxlan.peers = calloc((size_t)req->vxlan.n_peers + 1, sizeof(*pool->vxlan.peers));
	if (pool->vxlan.peers == NULL)
		return false;
	if (req->vxlan.n_peers > 0)
		memcpy(pool->vxlan.peers, req->vxlan.peers,
		       req->vxlan.n_peers * sizeof(*pool->vxlan.peers));
	return true;
}

int cv_model_pool_add(struct cv_model *model, const struct cv_model_pool_req *req,
		      struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_VPC};
	struct cv_model_pool pool = {.vlan_first = req->vlan_first,
				     .vlan_last = req->vlan_last,
				     .vxlan = req->vxlan,
				     .vni_last = req->vni_last,
				     .n_accounts = req->n_accounts};
	struct cv_model_pool *pools;

	cv_model_begin(&ctx, NULL);
	ranges_check(&ctx, req);
	pool.accounts = calloc((size_t)req->n_accounts + 1, sizeof(*pool.accounts));
	if (pool.accounts == NULL)
		cv_model_oom(&ctx);
	for (uint32_t i = 0; pool.accounts != NULL && i < req->n_accounts; i++)
		pool.accounts[i] =
			cv_model_resolve(&ctx, CV_MODEL_ACCOUNT, CV_MODEL_NONE, req->accounts[i],
					 cv_model_at(&ctx, "accounts[%u]", i));
	if (ctx.ret != 0) {
		free(pool.accounts);
		return cv_model_end(&ctx);
	}
	pools = cv_model_grow(model->pools, model->n_pools, sizeof(*pools));
	if (pools != NULL)
		model->pools = pools;
	pool.port = cv_model_str(model, req->port);
	if (pools == NULL || pool.port == NULL || !parts_copy(req, &pool)) {
		free(pool.accounts);
		cv_model_oom(&ctx);
		return cv_model_end(&ctx);
	}
	pools[model->n_pools++] = pool;
	return cv_model_end(&ctx);
}

void cv_model_pools_free(struct cv_model *model)
{
	for (uint32_t i = 0; i < model->n_pools; i++) {
		free(model->pools[i].accounts);
		free(model->pools[i].vxlan.peers);
	}
	free(model->pools);
	model->pools = NULL;
	model->n_pools = 0;
}

static bool is_for(const struct cv_model_pool *pool, uint32_t account)
{
	for (uint32_t i = 0; i < pool->n_accounts; i++) {
		if (pool->accounts[i] == account)
			return true;
	}
	return pool->n_accounts == 0;
}

/* Tells whether no VPC is there, and nothing that would be in its way: what carries VXLAN is nobody's
 * VPC. */
static bool is_free(const struct cv_model *model, const char *port, uint16_t vlan, uint32_t vni)
{
	struct model_key key = cv_model_attach_key(port, vlan, vni);
	struct model_key other = cv_model_attach_key(port, vlan, 0);

	if (vni == 0)
		other.kind = MODEL_KEY_UNDER;
	return cv_model_index_get(model->index, &key) == CV_MODEL_NONE &&
	       cv_model_index_get(model->index, &other) == CV_MODEL_NONE;
}

static bool pool_take(const struct cv_model *model, const struct cv_model_pool *pool,
		      struct cv_model_vpc_req *req)
{
	uint32_t vlan = pool->vlan_first, vni = pool->vxlan.vni;

	/* One of the two ranges has one member: it is a walk along the other. No more steps than VPCs. */
	while (!is_free(model, pool->port, (uint16_t)vlan, vni)) {
		if (vlan < pool->vlan_last)
			vlan++;
		else if (vni < pool->vni_last)
			vni++;
		else
			return false;
	}
	req->port = pool->port;
	req->vlan = (uint16_t)vlan;
	req->vxlan = pool->vxlan;
	req->vxlan.vni = vni;
	return true;
}

/* Tells whether calls have made as many VPCs as they may: of this account, or of all. */
static bool quota_is_used(const struct cv_model *model, uint32_t account)
{
	uint32_t n_own = 0, n_all = 0;

	for (uint32_t i = 0; i < model->n_vpcs; i++) {
		if (model->vpcs[i].meta.gone || !model->vpcs[i].meta.api)
			continue;
		n_all++;
		n_own += model->vpcs[i].owner == account;
	}
	return n_own >= CV_MODEL_POOL_VPCS_EACH || n_all >= CV_MODEL_POOL_VPCS_MAX;
}

int cv_model_pool_take(const struct cv_model *model, uint32_t account, struct cv_model_vpc_req *req)
{
	int ret = -ENOENT;

	for (uint32_t i = 0; i < model->n_pools; i++) {
		if (!is_for(&model->pools[i], account))
			continue;
		if (ret == -ENOENT && quota_is_used(model, account))
			return -EDQUOT;
		if (pool_take(model, &model->pools[i], req))
			return 0;
		ret = -ENOSPC;
	}
	return ret;
}

static bool pool_has(const struct cv_model_pool *pool, const struct cv_model_vpc_req *req)
{
	return strcmp(pool->port, req->port) == 0 && pool->vlan_first == req->vlan &&
	       req->vxlan.vni >= pool->vxlan.vni && req->vxlan.vni <= pool->vni_last;
}

void cv_model_pool_follow(const struct cv_model *model, struct cv_model_vpc_req *req)
{
	uint32_t owner = cv_model_find(model, CV_MODEL_ACCOUNT, CV_MODEL_NONE, req->owner);
	uint32_t vni = req->vxlan.vni;
	const struct cv_model_pool *found = NULL;

	/* Ranges may overlap: the first for the owner, or else the first. */
	for (uint32_t i = 0; vni != 0 && i < model->n_pools; i++) {
		const struct cv_model_pool *pool = &model->pools[i];

		if (pool_has(pool, req) &&
		    (found == NULL || (is_for(pool, owner) && !is_for(found, owner))))
			found = pool;
	}
	if (found == NULL)
		return;
	req->vxlan = found->vxlan;
	req->vxlan.vni = vni;
}
