/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS: topics and subscriptions, in memory and as documents; messages into the outbox. */

#include <errno.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "sns_priv.h"

#define KEY_TOPIC "sns/topic/"
#define KEY_SUB "sns/sub/"

/* ---- finding ---- */

struct sns_topic *cv_aws_sns_topic(const struct aws_sns *sns, const char *arn)
{
	for (uint32_t i = 0; arn != NULL && i < sns->n_topics; i++) {
		if (strcmp(sns->topics[i]->arn, arn) == 0)
			return sns->topics[i];
	}
	return NULL;
}

struct sns_sub *cv_aws_sns_sub(const struct aws_sns *sns, const char *arn)
{
	for (uint32_t i = 0; arn != NULL && i < sns->n_subs; i++) {
		if (strcmp(sns->subs[i]->arn, arn) == 0)
			return sns->subs[i];
	}
	return NULL;
}

/* arn:aws:sns:REGION:ACCOUNT:NAME */
#define ARN_PARTS 6

int cv_aws_sns_arn_check(struct aws_call *call, const char *param)
{
	const char *arn = cv_query_str(&call->params, param);
	int n = 1;

	for (; *arn != '\0'; arn++)
		n += *arn == ':';
	if (n >= ARN_PARTS)
		return 0;
	return cv_aws_fail(call, "InvalidParameter",
			   "Invalid parameter: %s Reason: An ARN must have at least %d elements, "
			   "not %d",
			   param, ARN_PARTS, n);
}

int cv_aws_sns_no_topic(struct aws_call *call)
{
	const char *param =
		cv_query_str(&call->params, "TopicArn") != NULL ? "TopicArn" : "TargetArn";
	int ret = cv_aws_sns_arn_check(call, param);

	return ret < 0 ? ret : cv_aws_fail(call, "NotFound", "Topic does not exist");
}

struct sns_topic *cv_aws_sns_topic_own(struct aws_call *call, const char *arn)
{
	struct sns_topic *topic = cv_aws_sns_topic(call->aws->sns, arn);

	if (topic == NULL)
		cv_aws_sns_no_topic(call);
	else if (strcmp(topic->account, call->caller.account_id) == 0)
		return topic;
	else
		cv_aws_fail(call, "AuthorizationError",
			    "User: %s is not authorized to perform: SNS:%s on resource: %s",
			    call->caller.principal, call->action->name, arn);
	return NULL;
}

/* ---- memory ---- */

void cv_aws_sns_topic_free(struct sns_topic *topic)
{
	if (topic == NULL)
		return;
	free(topic->arn);
	free(topic->policy);
	free(topic->display);
	free(topic->delivery);
	json_decref(topic->tags);
	free(topic);
}

void cv_aws_sns_sub_free(struct sns_sub *sub)
{
	if (sub == NULL)
		return;
	free(sub->arn);
	free(sub->topic);
	free(sub->protocol);
	free(sub->endpoint);
	free(sub->base);
	free(sub->token);
	free(sub->delivery);
	free(sub);
}

void cv_aws_sns_fini(struct aws_sns *sns)
{
	for (uint32_t i = 0; i < sns->n_topics; i++)
		cv_aws_sns_topic_free(sns->topics[i]);
	for (uint32_t i = 0; i < sns->n_subs; i++)
		cv_aws_sns_sub_free(sns->subs[i]);
	free(sns->topics);
	free(sns->subs);
	sns->topics = NULL;
	sns->subs = NULL;
	sns->n_topics = sns->n_subs = 0;
}

static int topic_add(struct aws_sns *sns, struct sns_topic *topic)
{
	struct sns_topic **topics =
		realloc(sns->topics, (sns->n_topics + 1) * sizeof(struct sns_topic *));

	if (topics == NULL)
		return -ENOMEM;
	sns->topics = topics;
	sns->topics[sns->n_topics++] = topic;
	return 0;
}

static int sub_add(struct aws_sns *sns, struct sns_sub *sub)
{
	struct sns_sub **subs = realloc(sns->subs, (sns->n_subs + 1) * sizeof(struct sns_sub *));

	if (subs == NULL)
		return -ENOMEM;
	sns->subs = subs;
	sns->subs[sns->n_subs++] = sub;
	return 0;
}

/* ---- reading what is kept ---- */

static int topic_take(struct aws_sns *sns, const json_t *json)
{
	struct sns_topic *topic = calloc(1, sizeof(*topic));
	const char *arn, *policy, *display, *account, *delivery = "";
	json_t *tags = NULL;

	if (topic == NULL)
		return -ENOMEM;
	if (json_unpack((json_t *)(uintptr_t)json, "{s:s,s:s,s:s,s:s,s:i,s?s,s?o}", "arn", &arn,
			"policy", &policy, "display", &display, "account", &account, "version",
			&topic->version, "delivery", &delivery, "tags", &tags) < 0) {
		free(topic);
		return 0;
	}
	topic->arn = strdup(arn);
	topic->policy = strdup(policy);
	topic->display = strdup(display);
	topic->delivery = strdup(delivery);
	topic->tags = json_is_object(tags) ? json_incref(tags) : json_object();
	snprintf(topic->account, sizeof(topic->account), "%s", account);
	if (topic->arn == NULL || topic->policy == NULL || topic->display == NULL ||
	    topic->delivery == NULL || topic->tags == NULL || topic_add(sns, topic) < 0) {
		cv_aws_sns_topic_free(topic);
		return -ENOMEM;
	}
	return 0;
}

static int sub_take(struct aws_sns *sns, const json_t *json)
{
	struct sns_sub *sub = calloc(1, sizeof(*sub));
	const char *arn, *topic, *protocol, *endpoint, *base, *token, *owner, *delivery = "";
	int confirmed = 0, guarded = 0, raw = 0;
	json_int_t created = 0;

	if (sub == NULL)
		return -ENOMEM;
	if (json_unpack((json_t *)(uintptr_t)json,
			"{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:b,s:I,s?s}", "arn", &arn, "topic",
			&topic, "protocol", &protocol, "endpoint", &endpoint, "base", &base,
			"token", &token, "owner", &owner, "confirmed", &confirmed, "guarded",
			&guarded, "raw", &raw, "created", &created, "delivery", &delivery) < 0) {
		free(sub);
		return 0;
	}
	sub->arn = strdup(arn);
	sub->topic = strdup(topic);
	sub->protocol = strdup(protocol);
	sub->endpoint = strdup(endpoint);
	sub->base = strdup(base);
	sub->token = strdup(token);
	sub->delivery = strdup(delivery);
	snprintf(sub->owner, sizeof(sub->owner), "%s", owner);
	sub->confirmed = confirmed != 0;
	sub->guarded = guarded != 0;
	sub->raw = raw != 0;
	sub->created = created;
	if (sub->arn == NULL || sub->topic == NULL || sub->protocol == NULL ||
	    sub->endpoint == NULL || sub->base == NULL || sub->token == NULL ||
	    sub->delivery == NULL || sub_add(sns, sub) < 0) {
		cv_aws_sns_sub_free(sub);
		return -ENOMEM;
	}
	return 0;
}

static int kept_take(void *arg, const char *key, const char *value, size_t len)
{
	struct aws_sns *sns = arg;
	bool is_topic = strncmp(key, KEY_TOPIC, strlen(KEY_TOPIC)) == 0;
	json_t *json;
	int ret;

	if (!is_topic && strncmp(key, KEY_SUB, strlen(KEY_SUB)) != 0)
		return 0;
	json = json_loadb(value, len, 0, NULL);
	ret = is_topic ? topic_take(sns, json) : sub_take(sns, json);
	json_decref(json);
	return ret;
}

int cv_aws_sns_load(struct cv_aws *aws)
{
	const struct cv_aws_ops *ops = &aws->ops;
	struct aws_sns read = *aws->sns;
	int ret;

	if (ops->kept == NULL)
		return 0;
	read.topics = NULL;
	read.subs = NULL;
	read.n_topics = read.n_subs = 0;
	ret = ops->kept(ops->arg, kept_take, &read);
	/* Until it can be read, what is in memory is the best that is known. */
	if (ret < 0) {
		cv_aws_sns_fini(&read);
		return ret;
	}
	cv_aws_sns_fini(aws->sns);
	*aws->sns = read;
	return 0;
}

void cv_aws_sns_again(struct cv_aws *aws)
{
	if (!atomic_load(&aws->sns_stale) || atomic_load(&aws->n_sns_calls) > 0)
		return;
	if (cv_aws_sns_load(aws) == 0)
		atomic_store(&aws->sns_stale, false);
}

/* ---- keeping ---- */

/* @param json  taken over; NULL: forget */
static int keep(struct aws_call *call, const char *kind, const char *arn, json_t *json)
{
	const struct cv_aws_ops *ops = &call->aws->ops;
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	bool forget = json == NULL;
	int ret = forget || text != NULL ? 0 : -ENOMEM;

	json_decref(json);
	if (ret == 0 && ops->keep != NULL)
		ret = ops->keep(call->ctl, cv_aws_fmt(call, "%s%s", kind, arn), text,
				text != NULL ? strlen(text) : 0);
	free(text);
	call->sns_kept = true; /* or was about to be: callers change what is in memory first */
	return ret == 0 ? 0 : cv_aws_fail(call, "InternalError", "out of memory");
}

int cv_aws_sns_topic_put(struct aws_call *call, struct sns_topic *topic)
{
	struct aws_sns *sns = call->aws->sns;
	json_t *json = json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:O}", "arn", topic->arn, "policy",
				 topic->policy, "display", topic->display, "account",
				 topic->account, "version", topic->version, "delivery",
				 topic->delivery, "tags", topic->tags);
	bool fresh = cv_aws_sns_topic(sns, topic->arn) == NULL;

	if (json == NULL || (fresh && topic_add(sns, topic) < 0)) {
		json_decref(json);
		return cv_aws_fail(call, "InternalError", "out of memory");
	}
	if (keep(call, KEY_TOPIC, topic->arn, json) == 0)
		return 0;
	sns->n_topics -= fresh;
	return -EINVAL;
}

int cv_aws_sns_sub_put(struct aws_call *call, struct sns_sub *sub)
{
	struct aws_sns *sns = call->aws->sns;
	json_t *json =
		json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:b,s:b,s:b,s:I,s:s}", "arn", sub->arn,
			  "topic", sub->topic, "protocol", sub->protocol, "endpoint", sub->endpoint,
			  "base", sub->base, "token", sub->token, "owner", sub->owner, "confirmed",
			  sub->confirmed, "guarded", sub->guarded, "raw", sub->raw, "created",
			  (json_int_t)sub->created, "delivery", sub->delivery);
	bool fresh = cv_aws_sns_sub(sns, sub->arn) == NULL;

	if (json == NULL || (fresh && sub_add(sns, sub) < 0)) {
		json_decref(json);
		return cv_aws_fail(call, "InternalError", "out of memory");
	}
	if (keep(call, KEY_SUB, sub->arn, json) == 0)
		return 0;
	sns->n_subs -= fresh;
	return -EINVAL;
}

int cv_aws_sns_sub_drop(struct aws_call *call, struct sns_sub *sub)
{
	struct aws_sns *sns = call->aws->sns;
	const struct cv_aws_ops *ops = &call->aws->ops;
	uint32_t i = 0;
	int ret = keep(call, KEY_SUB, sub->arn, NULL);

	/* What waits for it goes with it. */
	if (ret == 0 && ops->unsend != NULL && ops->unsend(call->ctl, sub->arn) < 0)
		ret = cv_aws_fail(call, "InternalError", "out of memory");
	if (ret < 0)
		return ret;
	while (sns->subs[i] != sub)
		i++;
	memmove(&sns->subs[i], &sns->subs[i + 1], (--sns->n_subs - i) * sizeof(struct sns_sub *));
	cv_aws_sns_sub_free(sub);
	return 0;
}

int cv_aws_sns_topic_drop(struct aws_call *call, struct sns_topic *topic)
{
	struct aws_sns *sns = call->aws->sns;
	uint32_t i = 0;
	int ret = 0;

	for (uint32_t k = sns->n_subs; ret == 0 && k-- > 0;) {
		if (strcmp(sns->subs[k]->topic, topic->arn) == 0)
			ret = cv_aws_sns_sub_drop(call, sns->subs[k]);
	}
	if (ret == 0)
		ret = keep(call, KEY_TOPIC, topic->arn, NULL);
	if (ret < 0)
		return ret;
	while (sns->topics[i] != topic)
		i++;
	memmove(&sns->topics[i], &sns->topics[i + 1],
		(--sns->n_topics - i) * sizeof(struct sns_topic *));
	cv_aws_sns_topic_free(topic);
	return 0;
}

/* ---- sending ---- */

const char *cv_aws_sns_id(struct aws_call *call)
{
	uint16_t b[8] = {0};

	/* Only a name, as ids of requests. */
	if (getrandom(b, sizeof(b), GRND_NONBLOCK) < 0)
		b[0] = (uint16_t)cv_clock_ms();
	return cv_aws_fmt(call, "%04x%04x-%04x-4%03x-8%03x-%04x%04x%04x", b[0], b[1], b[2],
			  b[3] & 0xfff, b[4] & 0xfff, b[5], b[6], b[7]);
}

int cv_aws_sns_send(struct aws_call *call, const struct sns_topic *topic, const struct sns_sub *sub,
		    const struct sns_text *text)
{
	const struct cv_aws_ops *ops = &call->aws->ops;
	char at[40], stamp[64];
	struct timespec now;
	struct tm tm;
	struct cv_notify_message message = {
		.type = text->type,
		.id = text->id,
		.topic = topic->arn,
		.subject = text->subject,
		.message = text->message,
		.time = stamp,
		.token = text->token,
		.base = sub->base,
		.subscription = sub->arn,
		.version = topic->version,
	};
	struct cv_notify_policy policy;
	struct cv_notify_retry retry;
	char *order;
	int ret;

	if (ops->send == NULL)
		return 0;
	/* Receivers may go by the order of the stamps. */
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(stamp, sizeof(stamp), "%s.%03uZ", at, (unsigned int)(now.tv_nsec / 1000000));
	cv_aws_sns_delivery(topic, sub, &retry, &policy);
	order = cv_notify_order(sub->endpoint, sub->raw && strcmp(text->type, "Notification") == 0,
				&policy, &message);
	ret = order != NULL ? ops->send(call->ctl, sub->arn, order) : -ENOMEM;
	free(order);
	if (ret < 0)
		return cv_aws_fail(call, "InternalError", "out of memory");
	call->sent = true;
	return 0;
}

/* Each subscription gets a copy, and all of them wait in memory until they are written. */
#define PUBLISH_BYTES_MAX (8u << 20)

static bool is_receiver(const struct sns_sub *subscription, const struct sns_topic *topic)
{
	return subscription->confirmed && strcmp(subscription->topic, topic->arn) == 0;
}

int cv_aws_sns_publish(struct aws_call *call, const struct sns_topic *topic,
		       const struct sns_text *text)
{
	const struct aws_sns *sns = call->aws->sns;
	size_t n = 0;
	int ret = 0;

	for (uint32_t i = 0; i < sns->n_subs; i++)
		n += is_receiver(sns->subs[i], topic);
	if (strlen(text->message) * n > PUBLISH_BYTES_MAX)
		return cv_aws_fail(call, "InvalidParameter",
				   "Invalid parameter: Message too long: %zu subscriptions get it, "
				   "and one call may send %u bytes in all",
				   n, PUBLISH_BYTES_MAX);
	for (uint32_t i = 0; ret == 0 && i < sns->n_subs; i++) {
		if (is_receiver(sns->subs[i], topic))
			ret = cv_aws_sns_send(call, topic, sns->subs[i], text);
	}
	return ret;
}
