/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Health check probes: TCP connects, and HTTP and HTTPS requests by libcurl, thousands at a time, in
 * one thread that waits for nobody.
 *
 * A probe ends with one result: when the connection is made (TCP), when the status line is there
 * (HTTP), or when it fails or its time is over. A connection that has served is ended as an NLB does:
 * FIN at once, what still comes is read, no RST.
 *
 * @threads as each function says
 * @source  "Health checks for Network Load Balancer target groups"; an NLB's TCP check as captured
 */

#include <stdbool.h>
#include <stdint.h>

#include "cv_net.h"

/** Bytes of the text of a result, with the final NUL. */
#define CV_PROBE_TEXT_LEN 96

/**
 * Open a TCP socket from which a VPC's addresses can be reached. Called in the probes' thread.
 *
 * @param vpc  as in the probe
 * @return descriptor, or -EAGAIN (not yet: it is asked again), or another -errno
 */
typedef int cv_probe_open_fn(void *arg, uint16_t vpc);

/** Settings. */
struct cv_probe_cfg {
	cv_probe_open_fn *open; /**< NULL: a socket of the process's own namespace */
	void *open_arg;
	uint32_t n_sockets; /**< at a time; 0: as many as descriptors allow, at most 16384 */
};

/** What a probe does. */
enum cv_probe_protocol { CV_PROBE_TCP, CV_PROBE_HTTP, CV_PROBE_HTTPS };

/** A probe to make. */
struct cv_probe_req {
	uint64_t key;  /**< the caller's, for the result */
	uint32_t turn; /**< likewise */
	enum cv_probe_protocol protocol;
	bool ppv2;           /**< begin with a PROXY v2 header without client */
	uint16_t vpc;        /**< for open */
	cv_be32_t from;      /**< source address; 0: the kernel's choice */
	cv_be32_t ip;        /**< target */
	uint16_t port;       /**< host order */
	uint16_t host_port;  /**< in the Host header, after the source address */
	uint32_t timeout_ms; /**< from when the probe has a socket */
	const char *path;    /**< with HTTP; copied */
};

/** How a probe ended. */
enum cv_probe_outcome {
	CV_PROBE_CONNECTED, /**< TCP */
	CV_PROBE_ANSWERED,  /**< HTTP: there is a code */
	CV_PROBE_TIMEOUT,
	CV_PROBE_FAILED,   /**< refused, reset, malformed; text says what */
	CV_PROBE_INTERNAL, /**< it could not be made here; text says why */
};

/** A result. */
struct cv_probe_result {
	uint64_t key;
	uint32_t turn;
	enum cv_probe_outcome outcome;
	uint16_t code; /**< with CV_PROBE_ANSWERED */
	char text[CV_PROBE_TEXT_LEN];
};

struct cv_probe;

/**
 * Start the thread.
 *
 * @param[out] ret_probe  untouched on failure
 * @return 0, or -ENOMEM, -EMFILE (no descriptor is free), -EAGAIN (no thread can be started)
 * @owner  caller; cv_probe_destroy()
 * @threads control
 */
int cv_probe_create(const struct cv_probe_cfg *cfg, struct cv_probe **ret_probe);

/** End the thread and all probes; NULL is fine. @threads control */
void cv_probe_destroy(struct cv_probe *probe);

/** A descriptor that is readable while results wait. It is the probe's. @threads any */
int cv_probe_fd(const struct cv_probe *probe);

/**
 * Begin a probe. It waits its turn if all sockets are in use.
 *
 * @return 0, or -ENOMEM; then there is no result
 * @threads any
 */
int cv_probe_begin(struct cv_probe *probe, const struct cv_probe_req *req);

/**
 * Take results that wait.
 *
 * @param[out] results  shape [n_max]
 * @return how many; fewer than n_max: no more wait
 * @threads control
 */
uint32_t cv_probe_results(struct cv_probe *probe, struct cv_probe_result *results, uint32_t n_max);
