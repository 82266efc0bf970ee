/* SPDX-License-Identifier: BSD-3-Clause */

/* From a request to an answer. */

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <strings.h>
#include <sys/random.h>

#include "cv_model_ops.h"

#include "sns_priv.h"

#define TYPE_FORM "application/x-www-form-urlencoded"

/* What does not make another question of a request. */
static const char *const ways[] = {"ClientToken", "DryRun",    "Marker",
				   "MaxResults",  "NextToken", "PageSize"};

int cv_aws_fail(struct aws_call *call, const char *code, const char *fmt, ...)
{
	va_list ap;

	call->err_code = code;
	call->err_status = 0;
	va_start(ap, fmt);
	vsnprintf(call->err_text, sizeof(call->err_text), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

int cv_aws_fail_model(struct aws_call *call, const struct cv_model_errs *errs, int ret)
{
	for (uint32_t i = 0; i < errs->n; i++) {
		const struct cv_model_err *err = &errs->items[i];

		if (err->err != 0)
			return cv_aws_fail(call, err->code, "%s", err->text);
	}
	return cv_aws_fail(call, call->service->ec2 ? "InternalError" : "InternalFailure", "%s",
			   ret == -ENOMEM ? "out of memory" : "the request cannot be carried out");
}

static bool is_dry(const struct aws_call *call)
{
	return cv_aws_bool(&call->params, "DryRun", false);
}

int cv_aws_dry(struct aws_call *call)
{
	if (!is_dry(call))
		return 0;
	return cv_aws_fail(call, "DryRunOperation",
			   "Request would have succeeded, but DryRun flag is set.");
}

/* ---- parameters ---- */

static const char *header_find(const struct cv_sigv4_request *request, const char *name)
{
	for (uint32_t i = 0; i < request->n_headers; i++) {
		if (strcasecmp(request->headers[i].name, name) == 0)
			return request->headers[i].value;
	}
	return NULL;
}

static bool type_is_form(const struct cv_sigv4_request *request)
{
	const char *type = header_find(request, "content-type");
	size_t len = sizeof(TYPE_FORM) - 1;

	if (type == NULL)
		return request->body_len == 0;
	if (strncasecmp(type, TYPE_FORM, len) != 0)
		return false;
	type += len;
	return *type == '\0' || *type == ';' || *type == ' ';
}

/* What is wrong with the request as a whole. */
struct fault {
	unsigned int status;
	const char *code;
	char text[256];
};

static bool CV_PRINTF(4, 5)
	fault_set(struct fault *fault, unsigned int status, const char *code, const char *fmt, ...)
{
	va_list ap;

	fault->status = status;
	fault->code = code;
	va_start(ap, fmt);
	vsnprintf(fault->text, sizeof(fault->text), fmt, ap);
	va_end(ap);
	return false;
}

static bool unreadable(struct fault *fault, bool wire)
{
	if (wire)
		return fault_set(
			fault, 400, "SerializationException",
			"The body is not a structure in the protocol's form, or has too many "
			"values");
	return fault_set(fault, 400, "MalformedQueryString",
			 "The parameters are not form-encoded UTF-8 text");
}

/* What can be said of a request without reading its parameters. */
static bool form_check(const struct cv_sigv4_request *request, struct fault *fault)
{
	bool post = strcmp(request->method, "POST") == 0;

	if (!post && strcmp(request->method, "GET") != 0)
		return fault_set(fault, 405, "InvalidAction", "The method must be POST or GET");
	if (post && !cv_aws_wire_is(request) && !type_is_form(request))
		return fault_set(
			fault, 415, "InvalidRequest",
			"The Content-Type must be " TYPE_FORM
			": culvert speaks the query protocols, and CloudWatch in JSON 1.0 and CBOR, too");
	if (!post && request->body_len > 0)
		return fault_set(fault, 400, "InvalidRequest", "A GET request must have no body");
	return true;
}

int cv_aws_params_read(const struct cv_sigv4_request *request, struct cv_query *query,
		       const char **ret_twice)
{
	bool post = strcmp(request->method, "POST") == 0;
	int ret = cv_query_parse(query, request->query, strlen(request->query));

	if (ret == 0 && post && cv_aws_wire_is(request))
		ret = cv_aws_wire_params(request, query);
	else if (ret == 0 && post)
		ret = cv_query_parse(query, request->body, request->body_len);
	return ret == 0 ? cv_query_sort(query, ret_twice) : ret;
}

static bool params_read(const struct cv_sigv4_request *request, struct cv_query *query,
			struct fault *fault)
{
	const char *twice = "";

	switch (cv_aws_params_read(request, query, &twice)) {
	case 0:
		return true;
	case -EEXIST:
		return fault_set(fault, 400, "InvalidParameterValue",
				 "The parameter %.128s is there more than once", twice);
	case -ENOMEM:
		return fault_set(fault, 500, "InternalError", "out of memory");
	case -E2BIG:
		return fault_set(fault, 400, "InvalidRequest", "More than %d parameters",
				 CV_QUERY_PARAMS_MAX);
	case -ENAMETOOLONG:
		return fault_set(fault, 400, "InvalidRequest",
				 "The name of a parameter is too long");
	default:
		return unreadable(fault, cv_aws_wire_is(request));
	}
}

static bool is_way(const char *name)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(ways); i++) {
		if (strcmp(ways[i], name) == 0)
			return true;
	}
	return strncmp(name, "X-Amz-", 6) == 0;
}

static uint64_t text_hash(const struct cv_aws *aws, const char *text, uint64_t hash)
{
	return cv_siphash(text, strlen(text), aws->keep_seed[0] ^ hash, aws->keep_seed[1]);
}

/* What is asked, by whom. */
static uint64_t params_hash(const struct cv_aws *aws, const struct aws_call *call)
{
	uint64_t hash = text_hash(aws, call->caller.account_id, 0);

	for (uint32_t i = 0; i < call->params.n; i++) {
		if (is_way(call->params.params[i].name))
			continue;
		hash = text_hash(aws, call->params.params[i].name, hash);
		hash = text_hash(aws, call->params.params[i].value, hash);
	}
	return hash;
}

/* ---- the action ---- */

/* An action on its way to control, and what comes back. */
struct run {
	struct aws_call *call;
	char *inside; /* heap */
	size_t len;
	bool remembered; /* its client token is */
	bool sns;        /* counted as one that changed SNS */
};

static int inside_copy(struct run *run, const char *text, size_t len)
{
	run->inside = malloc(len + 1);
	if (run->inside == NULL)
		return -ENOMEM;
	memcpy(run->inside, text, len + 1);
	run->len = len;
	return 0;
}

static int handler_run(struct run *run)
{
	struct aws_call *call = run->call;
	struct cv_xml out;
	int ret;

	cv_xml_init(&out, call->service->ec2 ? "item" : "member");
	call->out = &out;
	ret = cv_aws_page_run(call);
	if (ret >= 0)
		ret = cv_aws_filters_end(call);
	if (ret >= 0 && call->err_code == NULL)
		ret = cv_aws_dry(call); /* of what only reads */
	/* Memory that an action could not get is a failure whether it noticed or not. */
	if (ret >= 0 && call->err_code != NULL)
		ret = -EINVAL;
	if (ret < 0) {
		cv_xml_fini(&out);
		return ret;
	}
	run->inside = cv_xml_take(&out, &run->len);
	return run->inside != NULL ? 0 : -ENOMEM;
}

static int token_find(struct run *run)
{
	struct cv_aws *aws = run->call->aws;
	const char *text;
	size_t len;
	int ret;

	pthread_mutex_lock(&aws->lock);
	ret = cv_aws_idem_find(aws->idem, run->call, &text, &len);
	if (ret == 0 && text != NULL)
		ret = inside_copy(run, text, len);
	pthread_mutex_unlock(&aws->lock);
	return ret;
}

static bool has_token(const struct aws_call *call)
{
	return (call->action->flags & AWS_CHANGES) != 0 && !is_dry(call) &&
	       cv_query_str(&call->params, "ClientToken") != NULL;
}

/* On control. */
static int action_run(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct run *run = arg;
	struct aws_call *call = run->call;
	int ret;

	call->ctl = ctl;
	call->model = model;
	cv_aws_sns_again(call->aws);
	cv_aws_kept_again(call->aws, ctl);
	call->params_hash = params_hash(call->aws, call);
	call->account =
		cv_model_find(model, CV_MODEL_ACCOUNT, CV_MODEL_NONE, call->caller.account_id);
	/* One that came without a signature has none. */
	if (call->account == CV_MODEL_NONE && *call->caller.account_id != '\0')
		return cv_aws_fail(call, "OptInRequired",
				   "The account %s of this access key is not one of the appliance",
				   call->caller.account_id);
	call->by = (struct cv_model_by){
		.account = call->account,
		.principal = call->caller.principal,
		.now = (uint64_t)call->now,
	};
	/* Ids need to be different, not secret: a repeated one is refused by the model. */
	if (getrandom(call->by.random, sizeof(call->by.random), GRND_NONBLOCK) < 0)
		call->by.random[0] = cv_clock_ms();
	if (has_token(call)) {
		ret = token_find(run);
		if (ret < 0 || run->inside != NULL)
			return ret;
	}
	ret = handler_run(run);
	/* Nothing of it is kept: what is in memory may be no longer what is. */
	if (ret < 0 && call->sns_kept)
		atomic_store(&call->aws->sns_stale, true);
	run->sns = ret == 0 && call->sns_kept;
	call->aws->n_sns_calls += run->sns;
	if (ret == 0 && has_token(call)) {
		pthread_mutex_lock(&call->aws->lock);
		cv_aws_idem_add(call->aws->idem, call, run->inside, run->len);
		pthread_mutex_unlock(&call->aws->lock);
		run->remembered = true;
	}
	return ret;
}

static void fail_kept(struct aws_call *call)
{
	const struct cv_aws_ops *ops = &call->aws->ops;
	char why[256] = "";

	if (ops->why != NULL)
		ops->why(ops->arg, why, sizeof(why));
	cv_aws_fail(call, call->service->ec2 ? "Unavailable" : "ServiceUnavailable",
		    "the appliance cannot keep changes now, and makes none%s%s",
		    why[0] != '\0' ? ": its state file: " : ": try again", why);
}

/* Why control did not carry out an action, or could not keep what it did. */
static void fail_control(struct aws_call *call, int ret)
{
	bool ec2 = call->service->ec2;

	if (ret == -EROFS) {
		fail_kept(call);
		return;
	}
	switch (ret) {
	case -EAGAIN:
	case -ETIMEDOUT:
	case -ECANCELED:
		cv_aws_fail(call, ec2 ? "Unavailable" : "ServiceUnavailable", "%s",
			    ret == -ECANCELED ? "culvertd is stopping"
					      : "the appliance is busy: try again");
		break;
	default:
		cv_aws_fail(call, ec2 ? "InternalError" : "InternalFailure", "%s",
			    ret == -ENOMEM ? "out of memory" : "an internal error has occurred");
	}
}

static int run_action(struct run *run)
{
	struct aws_call *call = run->call;
	const struct cv_aws_ops *ops = &call->aws->ops;
	bool changes = (call->action->flags & AWS_CHANGES) != 0 && !is_dry(call);
	int ret;

	if ((call->action->flags & AWS_NO_MODEL) != 0)
		ret = handler_run(run);
	else
		ret = ops->call(ops->arg, changes, action_run, run);
	if (ret < 0 && run->remembered) {
		pthread_mutex_lock(&call->aws->lock);
		cv_aws_idem_remove(call->aws->idem, call);
		pthread_mutex_unlock(&call->aws->lock);
	}
	if (ret < 0 && call->err_code == NULL) {
		if (call->aws->sns != NULL && changes)
			atomic_store(&call->aws->sns_stale, true);
		fail_control(call, ret);
	}
	call->aws->n_sns_calls -= run->sns;
	if (ret == 0 && call->sent && ops->sent != NULL)
		ops->sent(ops->sent_arg);
	return ret;
}

static int action_find(struct aws_call *call)
{
	const char *action = cv_query_str(&call->params, "Action");
	const char *version = cv_query_str(&call->params, "Version");

	if (action == NULL)
		return cv_aws_fail(call, "MissingAction",
				   "The request is missing an action or a required parameter.");
	if (version == NULL && *call->caller.account_id == '\0')
		version = call->service->version; /* URLs that SNS sends have none */
	if (version == NULL)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter Version");
	call->action = cv_aws_action_find(call->service, action);
	if (strcmp(version, call->service->version) != 0) {
		if (call->service->ec2)
			return cv_aws_fail(call, "NoSuchVersion",
					   "The requested version (%.32s) of service %s does not "
					   "exist; there is %s",
					   version, call->service->name, call->service->version);
		return cv_aws_fail(call, "InvalidAction",
				   "Could not find operation %.64s for version %.32s; there is %s",
				   action, version, call->service->version);
	}
	if (call->action != NULL)
		return 0;
	return cv_aws_fail(
		call, "InvalidAction",
		"The action %.64s is not valid for this web service, or culvert does not "
		"support it: doc/api.md lists what there is.",
		action);
}

static int call_run(struct aws_call *call, struct run *run)
{
	int ret = action_find(call);

	if (ret == 0)
		ret = cv_aws_check(call);
	if (ret == 0)
		ret = cv_aws_filters_read(call);
	if (ret == 0)
		ret = cv_aws_page_read(call);
	if (ret == 0 && (call->action->flags & (AWS_CHANGES | AWS_TRIES)) == AWS_CHANGES)
		ret = cv_aws_dry(call);
	return ret < 0 ? ret : run_action(run);
}

/* Where the caller reached us, for URLs that lead back. @param[out] base  shape [cap] */
static const char *base_get(const struct cv_aws *aws, const struct cv_sigv4_request *request,
			    char *base, size_t cap)
{
	const char *host = header_find(request, "host");

	if (host == NULL || strlen(host) > 255 ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") !=
		    strlen(host))
		return NULL;
	snprintf(base, cap, "%s://%s", aws->tls ? "https" : "http", host);
	return base;
}

static void answer_call(struct cv_aws *aws, const struct cv_sigv4_request *request,
			const struct aws_auth *auth, const struct cv_query *query,
			struct cv_aws_answer *answer)
{
	char base[280];
	struct aws_call call = {
		.params = cv_query_root(query),
		.caller = {auth->key->id, auth->key->principal, auth->key->account_id},
		.service = auth->service,
		.region = aws->region,
		.base = aws->base_url != NULL ? aws->base_url
					      : base_get(aws, request, base, sizeof(base)),
		.now = aws->now(),
		.account = CV_MODEL_NONE,
		.ops = &aws->ops,
		.aws = aws,
	};
	struct run run = {.call = &call};

	call.params_hash = params_hash(aws, &call); /* page tokens are read by it */
	if (call_run(&call, &run) < 0)
		cv_aws_answer_error(call.service, call.err_status, call.err_code, call.err_text,
				    answer);
	else
		cv_aws_answer_make(&call, run.inside, run.len, answer);
	free(run.inside);
	cv_aws_call_fini(&call);
}

/* What signs notifications is for everybody to see. @return false: something else is asked for */
static bool cert_answer(struct cv_aws *aws, const char *path, struct cv_aws_answer *answer)
{
	char *cert = aws->key != NULL ? cv_notify_key_cert(aws->key, path, time(NULL)) : NULL;

	if (cert == NULL)
		return false;
	answer->status = 200;
	answer->type = "application/x-pem-file";
	answer->text = cert;
	answer->len = strlen(cert);
	return true;
}

void cv_aws_handle(struct cv_aws *aws, const struct cv_sigv4_request *request,
		   struct cv_aws_answer *ret_answer)
{
	struct cv_query query = {0};
	struct aws_auth auth;
	struct fault fault;

	*ret_answer = (struct cv_aws_answer){.status = 500};
	if (cert_answer(aws, request->path, ret_answer))
		return;
	if (!form_check(request, &fault)) {
		cv_aws_refuse(request, fault.status, fault.code, fault.text, ret_answer);
		return;
	}
	cv_aws_authenticate(aws, request, &query, &auth);
	if (auth.err_code != NULL)
		cv_aws_answer_error(auth.service, 0, auth.err_code, auth.err_text, ret_answer);
	else if (!auth.is_read && !params_read(request, &query, &fault))
		cv_aws_answer_error(auth.service, fault.status, fault.code, fault.text, ret_answer);
	else
		answer_call(aws, request, &auth, &query, ret_answer);
	cv_aws_wire_answer(request, ret_answer);
	pthread_mutex_lock(&aws->lock);
	cv_aws_creds_unref(auth.creds);
	pthread_mutex_unlock(&aws->lock);
	cv_query_fini(&query);
}

void cv_aws_refuse(const struct cv_sigv4_request *request, unsigned int status, const char *code,
		   const char *text, struct cv_aws_answer *ret_answer)
{
	const struct aws_service *service;
	struct cv_sigv4_auth sig;

	*ret_answer = (struct cv_aws_answer){.status = status};
	cv_sigv4_parse(request, &sig);
	service = cv_aws_service_find(sig.service);
	cv_sigv4_auth_fini(&sig);
	if (service == NULL)
		service = &cv_aws_services()[AWS_EC2];
	cv_aws_answer_error(service, status, code, text, ret_answer);
	cv_aws_wire_answer(request, ret_answer);
}
