/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * The AWS APIs, from a request as it came to an answer as it goes out: who calls (Signature Version 4
 * and a file of access keys), which action of which service, its parameters checked against the
 * action's declaration, the action itself on the control thread, XML.
 *
 * No sockets: api brings requests here. Several services share one address and are told apart by the
 * service in the credential scope.
 *
 * @threads create, destroy, reload: control. cv_aws_handle(): any.
 * @source  AWS: EC2, Elastic Load Balancing 2015-12-01, STS, SNS, CloudWatch API references; wire names
 *          and shapes as botocore's service models have them
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "cv_base.h"
#include "cv_sigv4.h"

struct cv_ctl;
struct cv_health;
struct cv_model;
struct cv_notify_key;
struct cv_points;

/** Bytes of a request id with its NUL: a random UUID. */
#define CV_AWS_REQUEST_ID_LEN 37

/**
 * What an action does on control.
 *
 * @param ctl    control; NULL in tests
 * @param model  the model that serves
 * @param arg    as given
 * @return 0, or -errno: then nothing may have been changed
 */
typedef int cv_aws_fn(struct cv_ctl *ctl, struct cv_model *model, void *arg);

/** A deregistered target whose flows drain. */
struct cv_aws_draining {
	const char *tg_arn;
	uint32_t ip;   /**< network byte order */
	uint16_t port; /**< host order */
	uint32_t zone; /**< as in struct cv_model_target */
};

/** Takes one of them. */
typedef void cv_aws_draining_fn(void *arg, const struct cv_aws_draining *draining);

/** Takes what is kept. @return 0, or -errno to stop */
typedef int cv_aws_kept_fn(void *arg, const char *key, const char *value, size_t len);

/** How actions reach control, and what it knows beside the model. call: by several threads at once. */
struct cv_aws_ops {
	/**
	 * Have a function carried out on control and wait until it is done, and until what it changed is
	 * durable and served.
	 *
	 * @param change  it may change the model
	 * @return what fn returned; or, with fn never begun, -EAGAIN (too much waits), -ECANCELED
	 *         (stopping), -ETIMEDOUT, -ENOMEM; or -EROFS: nothing is changed, it cannot be kept
	 */
	int (*call)(void *arg, bool change, cv_aws_fn *fn, void *fn_arg);
	void *arg;
	/**
	 * What serves: as the model was a moment ago, with the health of its targets. NULL here: nothing
	 * does. Called within a call, as draining is.
	 */
	const struct cv_model *(*served)(struct cv_ctl *ctl, const struct cv_health **ret_health);
	/** AWS's metrics over time, up to now. @return NULL if there are none */
	const struct cv_points *(*points)(struct cv_ctl *ctl);
	/** Go through the targets that drain. NULL here: none does. */
	void (*draining)(struct cv_ctl *ctl, cv_aws_draining_fn *fn, void *fn_arg);
	/** Targets that are gone from the model and still take room. NULL here: none. */
	uint32_t (*gone)(struct cv_ctl *ctl);
	/** Listeners that may be made now. NULL here: any number. */
	uint32_t (*listeners_room)(struct cv_ctl *ctl);
	/** Why changes are refused with -EROFS, for people, into buf, shape [cap]. NULL here: unknown. */
	void (*why)(void *arg, char *buf, size_t cap);
	/** Keep a value with what a call changes, or forget it (NULL). Within a call. NULL here: nothing is
	 * kept. @return 0 or -ENOMEM */
	int (*keep)(struct cv_ctl *ctl, const char *key, const char *value, size_t len);
	/** Go through what is kept, oldest first. @return 0 or -errno */
	int (*kept)(void *arg, cv_aws_kept_fn *fn, void *fn_arg);
	/** The seed as it is kept, once `kept` has succeeded that failed at first. NULL here: as it was. */
	void (*seed)(struct cv_ctl *ctl, uint64_t *ret_seed);
	/** Put a message into the outbox with what a call changes. Within a call. NULL here: there is none.
	 * @return 0 or -ENOMEM */
	int (*send)(struct cv_ctl *ctl, const char *queue, const char *text);
	/** Take back what waits in a queue of the outbox. Within a call. NULL here: it stays.
	 * @return 0 or -ENOMEM */
	int (*unsend)(struct cv_ctl *ctl, const char *queue);
	/** Something that was sent is durable: deliver it. @threads any */
	void (*sent)(void *sent_arg);
	void *sent_arg;
};

/** Settings. */
struct cv_aws_cfg {
	const char *credentials_file; /**< copied */
	const char *region;           /**< copied */
	uint32_t rate;                /**< requests per second of one access key; 0: any number */
	uint32_t burst;               /**< requests that may come at once beyond that */
	time_t (*now)(void);          /**< clock; NULL: the system's */
	struct cv_aws_ops ops;
	uint64_t seed[2]; /**< the same as long as what is kept; zeros: none */
	/** Signs notifications, its certificate is served. NULL: there is no SNS. Lives longer. */
	struct cv_notify_key *key;
	bool tls; /**< the API is reached by HTTPS */
	/** In messages, of the API without path; copied; NULL: as the caller reached it. */
	const char *base_url;
	/** Tries of a message that no delivery policy is for; 0: 1. */
	uint32_t n_tries;
};

struct cv_aws;

/** An answer. */
struct cv_aws_answer {
	unsigned int status; /**< HTTP */
	const char *type;    /**< content type */
	char *text;          /**< heap, the caller's; NULL: memory ran out */
	size_t len;
	const char *protocol; /**< header `smithy-protocol`; NULL: none */
	char query_error[96]; /**< header `x-amzn-query-error`: `CODE;Sender`; "": none */
	char request_id[CV_AWS_REQUEST_ID_LEN];
};

/**
 * Read the credentials and make the state.
 *
 * @param[out] errs     why not, for people
 * @param[out] ret_aws  untouched on failure
 * @return 0, or what cv_aws_reload() returns
 * @owner  caller; cv_aws_destroy()
 */
int cv_aws_create(const struct cv_aws_cfg *cfg, struct cv_errs *errs, struct cv_aws **ret_aws);

/** Free everything; no request may be under way. NULL is fine. */
void cv_aws_destroy(struct cv_aws *aws);

/**
 * Read the credentials file again. The keys that were read before stay when it is wrong.
 *
 * @param[out] errs  what is wrong, each with a JSON path and a line
 * @return 0, or
 *   -EINVAL  the file is wrong, may be read by others, or cannot be opened for another reason than these:
 *   -EACCES  it belongs to somebody else, or may not be read: it may be right for another user
 *   -ENOENT  there is no such file
 *   -ENOMEM  memory ran out
 * @threads any
 */
int cv_aws_reload(struct cv_aws *aws, struct cv_errs *errs);

/**
 * Tell whether a credentials file can be read.
 *
 * @param[out] errs  what is wrong with it, as cv_aws_reload()
 * @return as cv_aws_reload()
 */
int cv_aws_creds_check(const char *file, struct cv_errs *errs);

/**
 * Answer a request.
 *
 * @param[out] ret_answer  filled in any case
 * @threads any; blocks until control has answered
 */
void cv_aws_handle(struct cv_aws *aws, const struct cv_sigv4_request *request,
		   struct cv_aws_answer *ret_answer);

/**
 * Put what happened to a connection without a call into the outbox, for those who want to know of it.
 *
 * @param model     with the endpoint in it
 * @param endpoint  id
 * @param word      `Connect`, `Accept`, `Reject` or `Delete`
 * @return 0, or -ENOMEM: some may not be told
 * @threads control, within a change
 */
int cv_aws_tell(struct cv_aws *aws, struct cv_ctl *ctl, struct cv_model *model,
		const char *endpoint, const char *word);

/**
 * Refuse a request that could not be read, in the shape of the service that it seems to be for.
 *
 * @param status  HTTP
 * @param code    AWS's error code
 * @param text    why, for people
 */
void cv_aws_refuse(const struct cv_sigv4_request *request, unsigned int status, const char *code,
		   const char *text, struct cv_aws_answer *ret_answer);

/**
 * Every action with what it takes and what it answers, a line each: `service action NAME`,
 * `in PARAMETER`, `out ELEMENT`, `filter NAME`. tools/gen-api-doc compares it with botocore's models.
 *
 * @return text, or NULL if memory ran out
 * @owner  caller; free()
 */
char *cv_aws_table(void);
