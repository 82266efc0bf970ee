/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Attachments that the operator sets aside for VPCs which API calls make: ranges of VLANs or of VXLAN
 * networks, each for certain accounts. A VPC takes the first that is free and gives it back when it goes.
 *
 * @threads as cv_model.h
 */

#include "cv_model_ops.h"

/** VPCs that calls may have made at a time: of each account, and of all. */
#define CV_MODEL_POOL_VPCS_EACH 100
#define CV_MODEL_POOL_VPCS_MAX 32000

/** A range of attachments: VLANs of a port, VXLAN networks on one, or the port itself. */
struct cv_model_pool {
	const char *port;               /**< name of a port in `dpdk.ports` */
	uint16_t vlan_first, vlan_last; /**< 0: untagged; alike with VXLAN, which it carries */
	struct cv_model_vxlan vxlan;    /**< with the first VNI; VNI 0: not in VXLAN */
	uint32_t vni_last;              /**< 0: not in VXLAN */
	uint32_t *accounts;             /**< shape [n_accounts] */
	uint32_t n_accounts;            /**< 0: every account */
};

/** Request: a range of attachments. */
struct cv_model_pool_req {
	const char *port;
	uint16_t vlan_first, vlan_last; /**< 0: untagged */
	struct cv_model_vxlan
		vxlan; /**< with the first VNI; VNI 0: none; peers stay the caller's */
	uint32_t vni_last;
	const char *const *accounts; /**< shape [n_accounts]; names or ids */
	uint32_t n_accounts;
};

/** Add a range. Ranges may overlap each other and what VPCs of the file have: those are not free. */
int cv_model_pool_add(struct cv_model *model, const struct cv_model_pool_req *req,
		      struct cv_model_errs *errs);

/**
 * Find a free attachment for a VPC of an account.
 *
 * @param[out] req  port, vlan and vxlan are set; they are the model's, until its next operation
 * @return 0, or
 *   -ENOENT  no range is for this account
 *   -EDQUOT  calls have made all VPCs that they may, of the account or of all
 *   -ENOSPC  all attachments of its ranges are taken
 */
int cv_model_pool_take(const struct cv_model *model, uint32_t account,
		       struct cv_model_vpc_req *req);

/**
 * Let a VPC that took an attachment follow what the file says of its range now: our VTEP, the router, the
 * peers. One whose range is no longer there stays as it was. Of several ranges it is the first for the owner.
 *
 * @param req  owner, port, vlan and vni say which; the rest of vxlan may be set, to what is the model's
 */
void cv_model_pool_follow(const struct cv_model *model, struct cv_model_vpc_req *req);
