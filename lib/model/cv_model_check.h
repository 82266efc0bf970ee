/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * How the targets of a group are checked, and the words for what comes of it.
 *
 * @threads as cv_model.h, which includes this
 * @source  "Health checks for Network Load Balancer target groups"; ELBv2 API, CreateTargetGroup
 */

#include <stdbool.h>
#include <stdint.h>

/** Defaults and bounds of a Network Load Balancer's checks; times in seconds. */
#define CV_MODEL_CHECK_INTERVAL 30
#define CV_MODEL_CHECK_INTERVAL_MIN 5
#define CV_MODEL_CHECK_INTERVAL_MAX 300
#define CV_MODEL_CHECK_TIMEOUT 10
#define CV_MODEL_CHECK_TIMEOUT_HTTP 6
#define CV_MODEL_CHECK_TIMEOUT_MIN 2
#define CV_MODEL_CHECK_TIMEOUT_MAX 120
#define CV_MODEL_CHECK_HEALTHY 5
#define CV_MODEL_CHECK_UNHEALTHY 2
#define CV_MODEL_CHECK_THRESHOLD_MIN 2
#define CV_MODEL_CHECK_THRESHOLD_MAX 10
#define CV_MODEL_CHECK_MATCHER "200-399"
#define CV_MODEL_CHECK_CODE_MIN 200
#define CV_MODEL_CHECK_CODE_MAX 599
/** Longest path, in characters. */
#define CV_MODEL_CHECK_PATH_MAX 1024

/** What a check does. */
enum cv_model_check_protocol {
	CV_MODEL_CHECK_TCP,   /**< opens a connection */
	CV_MODEL_CHECK_HTTP,  /**< asks for a path */
	CV_MODEL_CHECK_HTTPS, /**< likewise over TLS, whatever the certificate says */
};

/** How the targets of a group are checked. */
struct cv_model_check {
	bool enabled; /**< false: nobody checks */
	enum cv_model_check_protocol protocol;
	uint16_t port;        /**< 0: the target's own */
	const char *path;     /**< NULL with TCP */
	const char *matcher;  /**< HTTP codes: `200`, `200,202`, `200-399`; NULL with TCP */
	uint32_t interval_s;  /**< from the start of a check to that of the next */
	uint32_t timeout_s;   /**< at most interval_s */
	uint32_t n_healthy;   /**< successes in a row that make an unhealthy target healthy */
	uint32_t n_unhealthy; /**< failures in a row that make a target unhealthy */
};

/** Request: how to check. All zero: not checked, and everything else as AWS's default. */
struct cv_model_check_req {
	bool enabled;
	enum cv_model_check_protocol protocol;
	uint16_t port;       /**< 0: the target's own */
	const char *path;    /**< NULL: `/`; only with HTTP and HTTPS */
	const char *matcher; /**< NULL: `200-399`; only with HTTP and HTTPS */
	uint32_t interval_s; /**< 0: the default, as in all that follow */
	uint32_t timeout_s;
	uint32_t n_healthy;
	uint32_t n_unhealthy;
};

/** State of a target as a node sees it; the words are those of DescribeTargetHealth. */
enum cv_model_target_state {
	CV_MODEL_TARGET_INITIAL,            /**< not yet decided: first checks */
	CV_MODEL_TARGET_HEALTHY,            /**< checks pass */
	CV_MODEL_TARGET_UNHEALTHY,          /**< checks fail */
	CV_MODEL_TARGET_UNHEALTHY_DRAINING, /**< checks fail, established flows may still end */
	CV_MODEL_TARGET_DRAINING,           /**< deregistered, established flows may still end */
	CV_MODEL_TARGET_UNUSED,             /**< no load balancer, or none that may use it */
	CV_MODEL_TARGET_UNAVAILABLE,        /**< not checked: nothing is known */
};

/** The API's word for a state: `initial`, `healthy`, `unhealthy.draining`... */
const char *cv_model_target_state_str(enum cv_model_target_state state);

/** The API's word for a protocol: `TCP`, `HTTP`, `HTTPS`. */
const char *cv_model_check_protocol_str(enum cv_model_check_protocol protocol);

/** Tell whether text is a list of codes and ranges within 200..599, such as `200,202,300-399`. */
bool cv_model_matcher_is(const char *text);

/** Tell whether a matcher accepts an HTTP code. @param matcher  as cv_model_matcher_is() allows */
bool cv_model_matcher_has(const char *matcher, uint32_t code);
