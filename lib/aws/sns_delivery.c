/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS: delivery policies of topics and subscriptions, what they may say, and which of them counts. */

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sns_priv.h"

/* Bounds of AWS. */
#define RETRIES_MAX 100
#define DELAY_MAX 3600
#define RATE_MAX INT32_MAX

/* What a policy says. */
struct given {
	bool has_retry;
	struct cv_notify_retry retry; /* AWS's values for what is left out */
	uint32_t per_second;          /* 0: nothing */
	const char *type;             /* NULL: nothing */
	bool alone;                   /* a topic's: those of subscriptions do not count */
};

/* A policy under examination. */
struct reading {
	bool of_topic;
	struct given given;
	char wrong[200];
};

/* Content types, and whether more than the bare message may go as such. */
static const struct {
	const char *name;
	bool any;
} types[] = {
	{CV_NOTIFY_TYPE, true},
	{"text/plain", true},
	{"application/json", true},
	{"text/css", false},
	{"text/csv", false},
	{"text/html", false},
	{"text/xml", false},
	{"application/atom+xml", false},
	{"application/octet-stream", false},
	{"application/soap+xml", false},
	{"application/x-www-form-urlencoded", false},
	{"application/xhtml+xml", false},
	{"application/xml", false},
};

static int CV_PRINTF(2, 3) wrong(struct reading *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->wrong, sizeof(r->wrong), fmt, ap);
	va_end(ap);
	return -EINVAL;
}

/* ---- reading ---- */

static const char *retry_name(const struct reading *r)
{
	return r->of_topic ? "http.defaultHealthyRetryPolicy" : "healthyRetryPolicy";
}

static int number_read(struct reading *r, const char *path, const char *name, const json_t *json,
		       const json_int_t bounds[2], uint32_t *ret_n)
{
	json_int_t n = json_integer_value(json);

	if (!json_is_integer(json))
		return wrong(r, "%s.%s must be an integer", path, name);
	if (n < bounds[0])
		return wrong(r, "%s.%s must be greater than or equal to %d", path, name,
			     (int)bounds[0]);
	if (n > bounds[1])
		return wrong(r, "%s.%s must be less than or equal to %d", path, name,
			     (int)bounds[1]);
	*ret_n = (uint32_t)n;
	return 0;
}

static int backoff_read(struct reading *r, const json_t *json)
{
	const char *text = json_string_value(json);

	for (int i = 0; text != NULL && i < CV_NOTIFY_BACKOFF_N; i++) {
		if (strcmp(text, cv_notify_backoff_str((enum cv_notify_backoff)i)) == 0) {
			r->given.retry.backoff = (enum cv_notify_backoff)i;
			return 0;
		}
	}
	return wrong(r,
		     "%s.backoffFunction must be one of linear, arithmetic, geometric, exponential",
		     retry_name(r));
}

static int retry_member(struct reading *r, const char *name, const json_t *json)
{
	struct cv_notify_retry *retry = &r->given.retry;
	const struct {
		const char *name;
		uint32_t *n;
		json_int_t bounds[2];
	} numbers[] = {
		{"minDelayTarget", &retry->min_s, {1, DELAY_MAX}},
		{"maxDelayTarget", &retry->max_s, {1, DELAY_MAX}},
		{"numRetries", &retry->n, {0, RETRIES_MAX}},
		{"numNoDelayRetries", &retry->n_no_delay, {0, RETRIES_MAX}},
		{"numMinDelayRetries", &retry->n_min_delay, {0, RETRIES_MAX}},
		{"numMaxDelayRetries", &retry->n_max_delay, {0, RETRIES_MAX}},
	};

	if (json_is_null(json))
		return 0;
	if (strcmp(name, "backoffFunction") == 0)
		return backoff_read(r, json);
	for (size_t i = 0; i < CV_ARRAY_LEN(numbers); i++) {
		if (strcmp(name, numbers[i].name) == 0)
			return number_read(r, retry_name(r), name, json, numbers[i].bounds,
					   numbers[i].n);
	}
	return wrong(r, "Unexpected JSON member: %.64s", name);
}

static int retry_read(struct reading *r, json_t *json)
{
	struct cv_notify_retry *retry = &r->given.retry;
	const char *name;
	json_t *value;
	uint64_t sum;

	*retry = (struct cv_notify_retry){.n = 3, .min_s = 20, .max_s = 20};
	r->given.has_retry = true;
	json_object_foreach(json, name, value)
	{
		if (retry_member(r, name, value) < 0)
			return -EINVAL;
	}
	if (retry->min_s > retry->max_s)
		return wrong(r, "%s.maxDelayTarget must be greater than or equal to minDelayTarget",
			     retry_name(r));
	if (retry->n_no_delay + retry->n_min_delay + retry->n_max_delay > retry->n)
		return wrong(r,
			     "%s.numRetries must be greater than or equal to the sum of "
			     "numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries",
			     retry_name(r));
	sum = cv_notify_retry_sum(retry);
	if (sum > DELAY_MAX)
		return wrong(r, "%s: its delays add up to %llu seconds, more than %d",
			     retry_name(r), (unsigned long long)sum, DELAY_MAX);
	return 0;
}

static int throttle_read(struct reading *r, json_t *json)
{
	const json_int_t bounds[2] = {1, RATE_MAX};
	const char *name;
	json_t *value;

	json_object_foreach(json, name, value)
	{
		if (json_is_null(value))
			continue;
		if (strcmp(name, "maxReceivesPerSecond") != 0)
			return wrong(r, "Unexpected JSON member: %.64s", name);
		if (number_read(r, r->of_topic ? "http.defaultThrottlePolicy" : "throttlePolicy",
				name, value, bounds, &r->given.per_second) < 0)
			return -EINVAL;
	}
	return 0;
}

static int request_read(struct reading *r, json_t *json)
{
	const char *name;
	json_t *value;

	json_object_foreach(json, name, value)
	{
		const char *text = json_string_value(value);

		if (json_is_null(value))
			continue;
		if (strcmp(name, "headerContentType") != 0)
			return wrong(r, "Unexpected JSON member: %.64s", name);
		for (size_t i = 0; text != NULL && i < CV_ARRAY_LEN(types); i++) {
			if (strcmp(text, types[i].name) == 0 && (types[i].any || !r->of_topic))
				r->given.type = types[i].name;
		}
		if (r->given.type == NULL)
			return wrong(r, "%s.headerContentType is not supported",
				     r->of_topic ? "http.defaultRequestPolicy" : "requestPolicy");
	}
	return 0;
}

/* Members of `http`, or of a subscription's policy. */
static int member_read(struct reading *r, const char *name, json_t *json)
{
	const struct {
		const char *of_topic, *of_sub;
		int (*read)(struct reading *r, json_t *json);
	} parts[] = {
		{"defaultHealthyRetryPolicy", "healthyRetryPolicy", retry_read},
		{"defaultThrottlePolicy", "throttlePolicy", throttle_read},
		{"defaultRequestPolicy", "requestPolicy", request_read},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(parts); i++) {
		if (strcmp(name, r->of_topic ? parts[i].of_topic : parts[i].of_sub) != 0)
			continue;
		if (json_is_null(json))
			return 0;
		return json_is_object(json) ? parts[i].read(r, json)
					    : wrong(r, "%s must be a JSON object", name);
	}
	/* As AWS tells them: nothing. */
	if (json_is_null(json) &&
	    strcmp(name, r->of_topic ? "defaultSicklyRetryPolicy" : "sicklyRetryPolicy") == 0)
		return 0;
	if (!r->of_topic && json_is_false(json) && strcmp(name, "guaranteed") == 0)
		return 0;
	if (r->of_topic && strcmp(name, "disableSubscriptionOverrides") == 0) {
		r->given.alone = json_is_true(json);
		return json_is_boolean(json) ? 0 : wrong(r, "http.%s must be a boolean", name);
	}
	return wrong(r, "Unexpected JSON member: %.64s", name);
}

static int members_read(struct reading *r, json_t *json)
{
	const char *name;
	json_t *value;

	json_object_foreach(json, name, value)
	{
		if (member_read(r, name, value) < 0)
			return -EINVAL;
	}
	return 0;
}

/* @param text  empty: it says nothing */
static int policy_read(struct reading *r, const char *text)
{
	json_t *json = *text != '\0' ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	const char *name;
	json_t *value;
	int ret = 0;

	if (*text == '\0')
		return 0;
	if (!json_is_object(json))
		ret = wrong(r, "failed to parse JSON");
	if (ret == 0 && !r->of_topic)
		ret = members_read(r, json);
	if (ret == 0 && r->of_topic) {
		json_object_foreach(json, name, value)
		{
			if (strcmp(name, "http") != 0)
				ret = wrong(r, "Unexpected JSON member: %.64s", name);
			else if (!json_is_object(value))
				ret = wrong(r, "http must be a JSON object");
			if (ret == 0)
				ret = members_read(r, value);
			if (ret < 0)
				break;
		}
	}
	json_decref(json);
	return ret;
}

/* Both as kept: they are right. */
static void effective_get(const struct sns_topic *topic, const struct sns_sub *sub,
			  struct given *ret_given)
{
	struct reading of_topic = {.of_topic = true}, of_sub = {0};
	const struct given *own = &of_sub.given;

	(void)policy_read(&of_topic, topic->delivery);
	*ret_given = of_topic.given;
	if (sub == NULL || ret_given->alone)
		return;
	(void)policy_read(&of_sub, sub->delivery);
	if (own->has_retry) {
		ret_given->has_retry = true;
		ret_given->retry = own->retry;
	}
	if (own->per_second > 0)
		ret_given->per_second = own->per_second;
	if (own->type != NULL)
		ret_given->type = own->type;
}

/* ---- setting ---- */

static int fail(struct aws_call *call, const char *text)
{
	/* As AWS, one text where a resource is made, another where an attribute is set. */
	bool sets = strncmp(call->action->name, "Set", 3) == 0;

	return cv_aws_fail(call, "InvalidParameter", "Invalid parameter: %sDeliveryPolicy: %s",
			   sets ? "" : "Attributes Reason: ", text);
}

int cv_aws_sns_delivery_set(struct aws_call *call, bool of_topic, char **field, const char *value)
{
	struct reading r = {.of_topic = of_topic};
	json_t *json = NULL;
	char *text;

	if (policy_read(&r, value) < 0)
		return fail(call, r.wrong);
	if (*value != '\0')
		json = json_loads(value, 0, NULL);
	text = *value == '\0' ? strdup("") : json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (text == NULL)
		return cv_aws_fail(call, "InternalError", "out of memory");
	free(*field);
	*field = text;
	return 0;
}

int cv_aws_sns_delivery_check(struct aws_call *call, const struct sns_sub *sub)
{
	struct reading r = {0};

	(void)policy_read(&r, sub->delivery);
	for (size_t i = 0; !sub->raw && r.given.type != NULL && i < CV_ARRAY_LEN(types); i++) {
		if (r.given.type == types[i].name && !types[i].any)
			return fail(call, "requestPolicy.headerContentType must be text/plain or "
					  "application/json unless RawMessageDelivery is true");
	}
	return 0;
}

bool cv_aws_sns_json_same(const char *a, const char *b)
{
	json_t *x, *y;
	bool same;

	if (strcmp(a, b) == 0)
		return true;
	x = json_loads(a, 0, NULL);
	y = json_loads(b, 0, NULL);
	same = x != NULL && json_equal(x, y) == 1;
	json_decref(x);
	json_decref(y);
	return same;
}

/* ---- what counts ---- */

void cv_aws_sns_delivery(const struct sns_topic *topic, const struct sns_sub *sub,
			 struct cv_notify_retry *retry, struct cv_notify_policy *ret_policy)
{
	struct given given;

	effective_get(topic, sub, &given);
	*retry = given.retry;
	*ret_policy = (struct cv_notify_policy){.retry = given.has_retry ? retry : NULL,
						.per_second = given.per_second,
						.type = given.type};
}

static json_t *retry_json(const struct cv_notify_retry *retry)
{
	return json_pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:s}", "minDelayTarget", (int)retry->min_s,
			 "maxDelayTarget", (int)retry->max_s, "numRetries", (int)retry->n,
			 "numMaxDelayRetries", (int)retry->n_max_delay, "numNoDelayRetries",
			 (int)retry->n_no_delay, "numMinDelayRetries", (int)retry->n_min_delay,
			 "backoffFunction", cv_notify_backoff_str(retry->backoff));
}

void cv_aws_sns_delivery_tell(struct aws_call *call, const struct sns_topic *topic,
			      const struct sns_sub *sub)
{
	const char *own = sub != NULL ? sub->delivery : topic->delivery;
	struct given given;
	json_t *throttle = NULL, *json;
	const char *type;
	char *text;

	effective_get(topic, sub, &given);
	if (!given.has_retry)
		cv_notify_retry_first(call->aws->n_tries, &given.retry);
	if (given.per_second > 0)
		throttle = json_pack("{s:i}", "maxReceivesPerSecond", (int)given.per_second);
	type = given.type != NULL ? given.type : CV_NOTIFY_TYPE;
	if (sub != NULL)
		json = json_pack("{s:o,s:n,s:o?,s:{s:s},s:b}", "healthyRetryPolicy",
				 retry_json(&given.retry), "sicklyRetryPolicy", "throttlePolicy",
				 throttle, "requestPolicy", "headerContentType", type, "guaranteed",
				 0);
	else
		json = json_pack("{s:{s:o,s:b,s:o*,s:{s:s}}}", "http", "defaultHealthyRetryPolicy",
				 retry_json(&given.retry), "disableSubscriptionOverrides",
				 (int)given.alone, "defaultThrottlePolicy", throttle,
				 "defaultRequestPolicy", "headerContentType", type);
	text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (*own != '\0')
		cv_aws_sns_entry(call, "DeliveryPolicy", own);
	if (text != NULL)
		cv_aws_sns_entry(call, "EffectiveDeliveryPolicy", text);
	free(text);
}
