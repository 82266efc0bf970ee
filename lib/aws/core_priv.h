/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the dispatcher: what its parts are to each other. Actions need none of it.
 */

#include <pthread.h>

#include "aws_priv.h"

struct aws_creds;
struct aws_idem;
struct aws_limit;
struct aws_sns;

struct cv_aws {
	char *credentials_file, *region;
	time_t (*now)(void);
	struct cv_aws_ops ops;
	pthread_mutex_t lock;    /**< of creds, limit and idem */
	struct aws_creds *creds; /**< shared; cv_aws_creds_get() */
	struct aws_limit *limit;
	struct aws_idem *idem;
	struct cv_notify_key *key; /**< NULL: there is no SNS */
	bool tls;
	uint32_t n_tries;       /**< of a message that no delivery policy is for */
	char *base_url;         /**< NULL: as the caller reached us */
	struct aws_sns *sns;    /**< NULL: there is none; control's */
	_Atomic bool sns_stale; /**< what control has in memory is not what was kept */
	_Atomic uint32_t
		n_sns_calls; /**< calls that changed SNS, of which it is not known if it is kept */
	uint64_t seed[2];    /**< random; keep_seed if none is kept */
	_Atomic uint64_t keep_seed[2]; /**< of client and page tokens, which outlive the process */
	bool kept_stale;               /**< those that were kept could not be read yet */
};

/* ---- dispatch.c ---- */

/**
 * Read the parameters of a request, of its query and of its body.
 *
 * @param[out] ret_twice  a name that is there twice, on -EEXIST
 * @return 0, -EEXIST, or as cv_query_parse()
 */
int cv_aws_params_read(const struct cv_sigv4_request *request, struct cv_query *query,
		       const char **ret_twice);

/* ---- aws.c ---- */

/** Read the client tokens that were kept, and their seed, if that could not be done before.
 *  @threads control */
void cv_aws_kept_again(struct cv_aws *aws, struct cv_ctl *ctl);

/* ---- cloudwatch_wire.c ---- */

/** Tell whether a request is one to CloudWatch in JSON or CBOR. */
bool cv_aws_wire_is(const struct cv_sigv4_request *request);

/** Add the parameters of such a request. @return as cv_query_parse() */
int cv_aws_wire_params(const struct cv_sigv4_request *request, struct cv_query *query);

/** Turn an answer, as another client would get it, into one for such a request. Others stay. */
void cv_aws_wire_answer(const struct cv_sigv4_request *request, struct cv_aws_answer *answer);

/* ---- table.c ---- */

/** The service of a credential scope; NULL if there is none. */
const struct aws_service *cv_aws_service_find(const char *name);

/** The service of an API version; NULL if there is none. */
const struct aws_service *cv_aws_service_of_version(const char *version);

/** An action; NULL if the service has none of that name. */
const struct aws_action *cv_aws_action_find(const struct aws_service *service, const char *name);

/* ---- creds.c: access keys ---- */

/** An access key. */
struct aws_key {
	const char *id, *secret;
	const char *token;     /**< session token; NULL: none */
	const char *principal; /**< IAM ARN */
	char account_id[13];
};

/** Read a file. @return as cv_aws_reload() */
int cv_aws_creds_load(const char *file, struct cv_errs *errs, struct aws_creds **ret_creds);

/** Read text. @return 0, -EINVAL or -ENOMEM */
int cv_aws_creds_parse(const char *text, size_t len, struct cv_errs *errs,
		       struct aws_creds **ret_creds);

/** A key by its id; NULL if there is none. Lives as long as the credentials. */
const struct aws_key *cv_aws_creds_find(const struct aws_creds *creds, const char *id);

/** Take another reference, or drop one; the last frees. Both under the lock of struct cv_aws. */
struct aws_creds *cv_aws_creds_ref(struct aws_creds *creds);
void cv_aws_creds_unref(struct aws_creds *creds);

/* ---- limit.c: rate and replay, under the lock of struct cv_aws ---- */

struct aws_limit *cv_aws_limit_create(uint32_t rate, uint32_t burst);
void cv_aws_limit_destroy(struct aws_limit *limit);

/** Take a token from a key's bucket. @return whether there was one */
bool cv_aws_limit_take(struct aws_limit *limit, const char *key_id, uint64_t now_ms);

/** A signature may come again within so many seconds: the same call twice in the same second has it. */
#define AWS_REPLAY_SECONDS 15

/**
 * Remember a signature that was verified.
 *
 * @param sig      its first 16 hex digits as a number
 * @param forget   when it is too old anyway
 * @return false if it is a replay
 */
bool cv_aws_limit_is_fresh(struct aws_limit *limit, uint64_t sig, time_t now, time_t forget);

/* ---- auth.c ---- */

/** What an authenticated request is. */
struct aws_auth {
	const struct aws_service
		*service;        /**< never NULL: of the scope, else what it seems to be for */
	struct aws_creds *creds; /**< a reference, NULL if it failed */
	const struct aws_key *key;
	bool is_read;         /**< its parameters are */
	const char *err_code; /**< NULL: authenticated */
	char err_text[256];
};

/**
 * Find out who calls which service, before what a request says is read: what it is for is in its signature.
 *
 * @param[out] query  of a short request that is not signed for one of the services, its parameters: they
 *                    tell what to answer as, and whether it may come from anybody
 */
void cv_aws_authenticate(struct cv_aws *aws, const struct cv_sigv4_request *request,
			 struct cv_query *query, struct aws_auth *auth);

/* ---- check.c ---- */

/** Check all parameters against the action's declaration. @return 0, or what cv_aws_fail() returns */
int cv_aws_check(struct aws_call *call);

/* ---- filter.c, page.c, value.c ---- */

/** Read and check the filters. @return as cv_aws_fail() */
int cv_aws_filters_read(struct aws_call *call);

/** Begin another run: what matching took before is forgotten, unless it was too much. */
void cv_aws_filters_begin(struct aws_call *call);

/** Tell, once all is matched, whether it could be: patterns may take too long. @return as cv_aws_fail() */
int cv_aws_filters_end(struct aws_call *call);

/** Read page size and token. @return as cv_aws_fail() */
int cv_aws_page_read(struct aws_call *call);

/** Run the action's handler, as often as a page takes. @return what it returned */
int cv_aws_page_run(struct aws_call *call);

/** Free the call's memory. */
void cv_aws_call_fini(struct aws_call *call);

/* ---- idem.c: client tokens, under the lock of struct cv_aws ---- */

struct aws_idem *cv_aws_idem_create(void);
void cv_aws_idem_destroy(struct aws_idem *idem);

/**
 * Look up a client token.
 *
 * @param[out] ret_text  the answer of then, or NULL: a new token; lives until the next call
 * @return 0, or what cv_aws_fail() returns (the token came with other parameters)
 */
int cv_aws_idem_find(struct aws_idem *idem, struct aws_call *call, const char **ret_text,
		     size_t *ret_len);

/** Remember an answer, and keep it. Without memory, the token is forgotten. */
void cv_aws_idem_add(struct aws_idem *idem, const struct aws_call *call, const char *text,
		     size_t len);

/** Take a token that was kept. @param idem  struct aws_idem @return 0 or -ENOMEM */
int cv_aws_idem_load(void *idem, const char *key, const char *value, size_t len);

/** Forget a token: what it stood for was not kept. */
void cv_aws_idem_remove(struct aws_idem *idem, const struct aws_call *call);

/* ---- answer.c ---- */

/** Finish an answer whose inside is written. */
void cv_aws_answer_make(const struct aws_call *call, const char *inside, size_t len,
			struct cv_aws_answer *answer);

/** An error in the service's shape. @param status  0: what the code says */
void cv_aws_answer_error(const struct aws_service *service, unsigned int status, const char *code,
			 const char *text, struct cv_aws_answer *answer);
