/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * DNS names of load balancers, endpoint services and endpoints, as AWS forms them. The one place that
 * forms them: the APIs show what the DNS responder answers.
 *
 * @threads as cv_model.h
 * @source  "Access an AWS service using an interface VPC endpoint"; "Network Load Balancers", DNS name
 */

#include <stddef.h>
#include <stdint.h>

#include "cv_model.h"

/** Bytes that hold any of the names, and the final NUL. */
#define CV_MODEL_DNS_LEN 256

/**
 * An endpoint's name: `vpce-<id>-<8 characters>.vpce-svc-<id>.<region>.vpce.amazonaws.com`, and the
 * same of one zone: `vpce-<id>-<8 characters>-<zone as the consumer names it>.vpce-svc-...`.
 *
 * @param      endpoint  index
 * @param      eni       index into its ENIs; CV_MODEL_NONE: the regional name
 * @param[out] buf       shape [CV_MODEL_DNS_LEN]
 * @return buf
 */
const char *cv_model_endpoint_dns(const struct cv_model *model, uint32_t endpoint, uint32_t eni,
				  char *buf);

/**
 * A load balancer's name: `<name>-<id>.elb.<region>.amazonaws.com`, and the same of one zone:
 * `<zone as the owner names it>.<name>-<id>.elb...`. The id is the one in the ARN.
 *
 * @param      lb    index
 * @param      node  index into its nodes; CV_MODEL_NONE: the regional name
 * @param[out] buf   shape [CV_MODEL_DNS_LEN]
 * @return buf
 */
const char *cv_model_lb_dns(const struct cv_model *model, uint32_t lb, uint32_t node, char *buf);

/**
 * The base of the names of a service's endpoints: `vpce-svc-<id>.<region>.vpce.amazonaws.com`.
 *
 * @param      service  index
 * @param[out] buf      shape [CV_MODEL_DNS_LEN]
 * @return buf
 */
const char *cv_model_service_dns(const struct cv_model *model, uint32_t service, char *buf);

/** What all names of endpoints end in: `<region>.vpce.amazonaws.com`. @return buf */
const char *cv_model_endpoint_zone_dns(const struct cv_model *model, char *buf);

/** What all names of load balancers end in: `elb.<region>.amazonaws.com`. @return buf */
const char *cv_model_lb_zone_dns(const struct cv_model *model, char *buf);
