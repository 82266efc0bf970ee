/* SPDX-License-Identifier: BSD-3-Clause */

/* Who calls which service: signature, key, clock, replay, rate; each failure in the service's words. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_priv.h"

/* Bytes of query and body of a request that is not signed. */
#define STRANGER_LEN_MAX 8192

static const char text_key_ec2[] = "AWS was not able to validate the provided access credentials";
static const char text_key_query[] = "The security token included in the request is invalid.";

/* A failure as EC2 and as the others name it. text NULL: what the verifier says. */
struct words {
	const char *ec2, *query;
	const char *ec2_text; /* EC2 does not say what is wrong with a signature */
};

static const struct words faults[] = {
	[CV_SIGV4_MISSING] = {"MissingAuthenticationToken", "MissingAuthenticationToken", NULL},
	[CV_SIGV4_INCOMPLETE] = {"IncompleteSignature", "IncompleteSignature", NULL},
	[CV_SIGV4_SCOPE] = {"AuthFailure", "SignatureDoesNotMatch", NULL},
	[CV_SIGV4_EXPIRED] = {"RequestExpired", "SignatureDoesNotMatch", NULL},
	[CV_SIGV4_BODY] = {"AuthFailure", "SignatureDoesNotMatch", NULL},
	[CV_SIGV4_MISMATCH] = {"AuthFailure", "SignatureDoesNotMatch", text_key_ec2},
	[CV_SIGV4_NO_MEMORY] = {"InternalError", "InternalFailure", "out of memory"},
};

static void refuse(struct aws_auth *auth, const struct words *words, const char *text)
{
	bool ec2 = auth->service->ec2;

	auth->err_code = ec2 ? words->ec2 : words->query;
	if (ec2 && words->ec2_text != NULL)
		text = words->ec2_text;
	snprintf(auth->err_text, sizeof(auth->err_text), "%s", text);
}

/*
 * What anybody may have read. One that has no key gets no more than that: parsers cost memory and time, and
 * ConfirmSubscription and Unsubscribe are short.
 */
static bool stranger_read(const struct cv_sigv4_request *request, struct cv_query *query)
{
	const char *twice;

	if (cv_aws_wire_is(request) ||
	    strlen(request->query) + request->body_len > STRANGER_LEN_MAX)
		return false;
	if (cv_aws_params_read(request, query, &twice) == 0)
		return true;
	cv_query_fini(query);
	return false;
}

/* By the API version, if the signature does not tell. */
static const struct aws_service *service_guess(const struct cv_query_node *params)
{
	const char *version = cv_query_str(params, "Version");
	const struct aws_service *service =
		version != NULL ? cv_aws_service_of_version(version) : NULL;

	return service != NULL ? service : &cv_aws_services()[AWS_EC2];
}

/* The region and the service of the scope are ours. */
static bool scope_check(struct cv_aws *aws, const struct cv_sigv4_auth *sig, struct aws_auth *auth)
{
	char text[192];

	if (cv_aws_service_find(sig->service) == NULL)
		snprintf(text, sizeof(text),
			 "Credential should be scoped to correct service: '%.32s' is none of ec2, "
			 "elasticloadbalancing, monitoring, sns, sts",
			 sig->service);
	else if (strcmp(sig->region, aws->region) != 0)
		snprintf(text, sizeof(text),
			 "Credential should be scoped to a valid region, '%.32s', not '%.32s'.",
			 aws->region, sig->region);
	else
		return true;
	refuse(auth, &faults[CV_SIGV4_SCOPE], text);
	return false;
}

/* The key and its token; a reference to the credentials is kept. */
static bool key_find(struct cv_aws *aws, const struct cv_sigv4_auth *sig, struct aws_auth *auth)
{
	static const struct words unknown = {"AuthFailure", "InvalidClientTokenId", text_key_ec2};
	const char *want;

	pthread_mutex_lock(&aws->lock);
	auth->creds = cv_aws_creds_ref(aws->creds);
	pthread_mutex_unlock(&aws->lock);
	auth->key = cv_aws_creds_find(auth->creds, sig->key_id);
	if (auth->key != NULL) {
		want = auth->key->token;
		if ((want == NULL) == (sig->token == NULL) &&
		    (want == NULL || cv_sigv4_is_equal(want, sig->token)))
			return true;
	}
	refuse(auth, &unknown, text_key_query);
	return false;
}

static bool limits_pass(struct cv_aws *aws, const struct cv_sigv4_auth *sig, struct aws_auth *auth)
{
	static const struct words replay = {"RequestExpired", "SignatureDoesNotMatch", NULL};
	static const struct words many = {"RequestLimitExceeded", "Throttling",
					  "Request limit exceeded."};
	time_t now = aws->now(), forget = sig->at + CV_SIGV4_SKEW_SECONDS;
	bool fresh = true, allowed;
	char head[17];

	snprintf(head, sizeof(head), "%.16s", sig->signature);
	pthread_mutex_lock(&aws->lock);
	/* A presigned request is made to be used more than once. */
	if (!sig->presigned)
		fresh = cv_aws_limit_is_fresh(aws->limit, strtoull(head, NULL, 16), now, forget);
	allowed = cv_aws_limit_take(aws->limit, sig->key_id, cv_clock_ms());
	pthread_mutex_unlock(&aws->lock);
	if (!fresh)
		refuse(auth, &replay, "The request was received before: sign it again.");
	else if (!allowed)
		refuse(auth, &many, "Rate exceeded");
	return fresh && allowed;
}

/* A request without a signature may be for one of the actions that take such: then key is that of nobody,
 * whose account is "". */
static void authenticate_nobody(struct cv_aws *aws, const struct cv_query_node *params,
				struct aws_auth *auth)
{
	static const struct words many = {"Throttling", "Throttling", NULL};
	static const struct aws_key nobody = {.id = "", .secret = "", .principal = "*"};
	const struct aws_service *sns = &cv_aws_services()[AWS_SNS];
	const char *name = cv_query_str(params, "Action");
	const struct aws_action *action = name != NULL ? cv_aws_action_find(sns, name) : NULL;
	bool allowed;

	if (aws->sns == NULL || action == NULL || (action->flags & AWS_ANONYMOUS) == 0)
		return;
	pthread_mutex_lock(&aws->lock);
	allowed = cv_aws_limit_take(aws->limit, nobody.id, cv_clock_ms());
	pthread_mutex_unlock(&aws->lock);
	auth->service = sns;
	auth->key = &nobody;
	auth->err_code = NULL;
	if (!allowed)
		refuse(auth, &many, "Rate exceeded");
}

void cv_aws_authenticate(struct cv_aws *aws, const struct cv_sigv4_request *request,
			 struct cv_query *query, struct aws_auth *auth)
{
	struct cv_sigv4_auth sig;
	enum cv_sigv4_fault fault = cv_sigv4_parse(request, &sig);
	struct cv_query_node params;

	*auth = (struct aws_auth){.service = cv_aws_service_find(sig.service)};
	if (auth->service == NULL)
		auth->is_read = stranger_read(request, query);
	params = cv_query_root(query);
	if (auth->service == NULL)
		auth->service = service_guess(&params);
	if (fault == CV_SIGV4_OK) {
		if (!scope_check(aws, &sig, auth) || !key_find(aws, &sig, auth))
			goto end;
		fault = cv_sigv4_check_time(&sig, aws->now());
	}
	if (fault == CV_SIGV4_OK)
		fault = cv_sigv4_verify(request, &sig, auth->key->secret);
	if (fault != CV_SIGV4_OK)
		refuse(auth, &faults[fault], sig.text);
	if (fault == CV_SIGV4_MISSING)
		authenticate_nobody(aws, &params, auth);
	else if (fault == CV_SIGV4_OK)
		limits_pass(aws, &sig, auth);
end:
	cv_sigv4_auth_fini(&sig);
}
