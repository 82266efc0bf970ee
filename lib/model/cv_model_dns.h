/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Hosted zones, and the proof of a private DNS name. Both follow from ids: nothing is stored. The names
 * themselves: cv_model_names.h.
 *
 * @threads as the model
 * @source  AWS: "Access AWS services through AWS PrivateLink", "Manage DNS names for VPC endpoint services"
 */

#include "cv_model_ops.h"

/** Bytes of a hosted zone's id with its NUL. */
#define CV_MODEL_HOSTED_ZONE_LEN 16

/** Bytes of either half of a TXT record's proof, with its NUL. */
#define CV_MODEL_DNS_PROOF_LEN 32

/** The address that the DNS server has in every VPC, host order: 169.254.169.253. */
#define CV_MODEL_DNS_LINK_LOCAL 0xa9fea9fdu

/** The address that the DNS server has in a VPC beside that: the third of its first CIDR. */
cv_be32_t cv_model_dns_server(const struct cv_model_vpc *vpc);

/** Tell whether the DNS server has this address in a VPC: nobody else may have it there. */
bool cv_model_dns_has(const struct cv_model_vpc *vpc, cv_be32_t addr);

/**
 * Id of the hosted zone that names lie in.
 *
 * @param      basis  the region for endpoints' names, an endpoint's id for its private name
 * @param[out] buf    shape [CV_MODEL_HOSTED_ZONE_LEN]
 * @return buf
 */
const char *cv_model_hosted_zone(const char *basis, char *buf);

/**
 * The TXT record that proves a service's private DNS name to be its owner's: NAME.DOMAIN (or DOMAIN
 * itself) is to hold VALUE.
 *
 * @param[out] name   shape [CV_MODEL_DNS_PROOF_LEN]: `_` and 20 characters
 * @param[out] value  shape [CV_MODEL_DNS_PROOF_LEN]: `vpce:` and 20 characters
 */
void cv_model_dns_proof(const struct cv_model_service *service, char *name, char *value);

/**
 * Say how the proof of a service's private DNS name stands. Nothing else of the service changes.
 *
 * @param service  id
 * @return 0, or as the operations of cv_model_change.h
 */
int cv_model_dns_state_set(struct cv_model *model, const struct cv_model_by *by,
			   const char *service, enum cv_model_dns_state state,
			   struct cv_model_errs *errs);
