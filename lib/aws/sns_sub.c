/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS: subscriptions. A receiver confirms by visiting a URL that was sent to it, without a signature. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "sns_priv.h"

#define TOKEN_LEN 64
#define PAGE 100
#define PENDING "PendingConfirmation"
#define ENDPOINT_MAX 2048
/* The topic's owner is told of the subscriptions of others, too: not their passwords. */
#define SHOWN_MAX (ENDPOINT_MAX + 8)

/* ---- Subscribe ---- */

static int endpoint_check(struct aws_call *call, const char *protocol, const char *endpoint)
{
	size_t len = strlen(protocol);

	if (strcmp(protocol, "http") != 0 && strcmp(protocol, "https") != 0)
		return cv_aws_fail(call, "InvalidParameter",
				   "Invalid parameter: Does not support this protocol string: "
				   "%.32s: culvert delivers by http and https",
				   protocol);
	if (strncmp(endpoint, protocol, len) != 0 || strncmp(endpoint + len, "://", 3) != 0 ||
	    endpoint[len + 3] == '\0')
		return cv_aws_fail(call, "InvalidParameter",
				   "Invalid parameter: Endpoint must match the specified protocol");
	for (const char *c = endpoint; *c != '\0'; c++) {
		if (*c <= ' ' || *c > '~')
			return cv_aws_fail(call, "InvalidParameter",
					   "Invalid parameter: Endpoint is no URL");
	}
	return 0;
}

static bool token_make(char *token)
{
	uint8_t bytes[TOKEN_LEN / 2];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return false;
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(token + 2 * i, 3, "%02x", bytes[i]);
	return true;
}

static struct sns_sub *sub_make(struct aws_call *call, const struct sns_topic *topic)
{
	struct sns_sub *sub = calloc(1, sizeof(*sub));
	char token[TOKEN_LEN + 1];

	if (sub != NULL && token_make(token) && call->base != NULL) {
		snprintf(sub->owner, sizeof(sub->owner), "%s", call->caller.account_id);
		sub->created = call->now;
		sub->arn = strdup(cv_aws_fmt(call, "%s:%s", topic->arn, cv_aws_sns_id(call)));
		sub->topic = strdup(topic->arn);
		sub->protocol = strdup(cv_query_str(&call->params, "Protocol"));
		sub->endpoint = strdup(cv_query_str(&call->params, "Endpoint"));
		sub->base = strdup(call->base);
		sub->token = strdup(token);
		sub->delivery = strdup("");
		if (sub->arn != NULL && sub->topic != NULL && sub->protocol != NULL &&
		    sub->endpoint != NULL && sub->base != NULL && sub->token != NULL &&
		    sub->delivery != NULL)
			return sub;
	}
	cv_aws_sns_sub_free(sub);
	cv_aws_fail(call, "InternalError", "the subscription cannot be made now");
	return NULL;
}

static int attr_set(struct aws_call *call, struct sns_sub *sub, const char *name, const char *value)
{
	bool yes = strcasecmp(value, "true") == 0;

	if (strcmp(name, "DeliveryPolicy") == 0)
		return cv_aws_sns_delivery_set(call, false, &sub->delivery, value);
	if (strcmp(name, "RawMessageDelivery") != 0 || (!yes && strcasecmp(value, "false") != 0))
		return cv_aws_fail(call, "InvalidParameter",
				   "Invalid parameter: AttributeName: '%.64s' cannot be set to "
				   "that here: DeliveryPolicy, RawMessageDelivery (true or false)",
				   name);
	sub->raw = yes;
	return 0;
}

static int attrs_read(struct aws_call *call, struct sns_sub *sub)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "Attributes.entry")};
	int ret = 0;

	while (ret == 0 && cv_query_next(&iter))
		ret = attr_set(call, sub, cv_query_str(&iter.item, "key"),
			       cv_query_str(&iter.item, "value"));
	return ret < 0 ? ret : cv_aws_sns_delivery_check(call, sub);
}

static int confirmation_send(struct aws_call *call, const struct sns_topic *topic,
			     const struct sns_sub *sub)
{
	const struct sns_text text = {
		.type = "SubscriptionConfirmation",
		.message = cv_aws_fmt(call,
				      "You have chosen to subscribe to the topic %s.\nTo confirm "
				      "the subscription, visit the SubscribeURL included in this "
				      "message.",
				      topic->arn),
		.token = sub->token,
		.id = cv_aws_sns_id(call),
	};

	return cv_aws_sns_send(call, topic, sub, &text);
}

/* Those of the topic are counted, stale ones dropped; the one that asks for the same is found. */
static int subs_look(struct aws_call *call, const struct sns_topic *topic,
		     struct sns_sub **ret_same)
{
	struct aws_sns *sns = call->aws->sns;
	const char *endpoint = cv_query_str(&call->params, "Endpoint");
	uint32_t n = 0, n_own = 0;

	*ret_same = NULL;
	for (uint32_t i = sns->n_subs; i-- > 0;) {
		struct sns_sub *sub = sns->subs[i];

		if (!sub->confirmed && sub->created + SNS_CONFIRM_SECONDS < call->now) {
			if (cv_aws_sns_sub_drop(call, sub) < 0)
				return -EINVAL;
			continue;
		}
		n_own += strcmp(sub->owner, call->caller.account_id) == 0;
		if (strcmp(sub->topic, topic->arn) != 0)
			continue;
		n++;
		if (strcmp(sub->endpoint, endpoint) == 0 &&
		    strcmp(sub->owner, call->caller.account_id) == 0)
			*ret_same = sub;
	}
	if (*ret_same == NULL && n >= SNS_SUBS_MAX)
		return cv_aws_fail(call, "SubscriptionLimitExceeded",
				   "The topic has %d subscriptions: no more", SNS_SUBS_MAX);
	if (*ret_same == NULL && n_own >= SNS_SUBS_OWN_MAX)
		return cv_aws_fail(call, "SubscriptionLimitExceeded",
				   "The account has %d subscriptions: no more", SNS_SUBS_OWN_MAX);
	return 0;
}

/* One that is there is not changed by asking for it again; only attributes that are given are compared. */
static int same_check(struct aws_call *call, const struct sns_sub *sub)
{
	struct sns_sub want = *sub;
	int ret;

	want.delivery = strdup(sub->delivery);
	if (want.delivery == NULL)
		return cv_aws_fail(call, "InternalError", "out of memory");
	ret = attrs_read(call, &want);
	if (ret == 0 &&
	    (want.raw != sub->raw || !cv_aws_sns_json_same(want.delivery, sub->delivery)))
		ret = cv_aws_fail(call, "InvalidParameter",
				  "Invalid parameter: Attributes Reason: Subscription already "
				  "exists with different attributes");
	free(want.delivery);
	return ret;
}

static int sub_new(struct aws_call *call, const struct sns_topic *topic, struct sns_sub **ret_sub)
{
	struct sns_sub *sub = sub_make(call, topic);
	int ret;

	if (sub == NULL)
		return -EINVAL;
	ret = attrs_read(call, sub);
	if (ret == 0)
		ret = cv_aws_sns_sub_put(call, sub);
	if (ret < 0)
		cv_aws_sns_sub_free(sub);
	else
		*ret_sub = sub;
	return ret;
}

static int subscribe(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "TopicArn");
	const struct sns_topic *topic = cv_aws_sns_topic(call->aws->sns, arn);
	const struct sns_ask ask = {
		.account = call->caller.account_id,
		.principal = call->caller.principal,
		.action = "SNS:Subscribe",
		.resource = arn,
	};
	struct sns_sub *sub;
	int ret = endpoint_check(call, cv_query_str(&call->params, "Protocol"),
				 cv_query_str(&call->params, "Endpoint"));

	if (ret < 0)
		return ret;
	if (topic == NULL || (strcmp(topic->account, call->caller.account_id) != 0 &&
			      !cv_aws_sns_policy_allows(topic->policy, &ask))) {
		cv_aws_sns_topic_own(call, arn);
		return -EINVAL;
	}
	ret = subs_look(call, topic, &sub);
	if (ret == 0)
		ret = sub == NULL ? sub_new(call, topic, &sub) : same_check(call, sub);
	if (ret == 0 && !sub->confirmed)
		ret = confirmation_send(call, topic, sub);
	if (ret < 0)
		return ret;
	if (sub->confirmed || cv_aws_bool(&call->params, "ReturnSubscriptionArn", false))
		cv_xml_str(call->out, "SubscriptionArn", sub->arn);
	else
		cv_xml_str(call->out, "SubscriptionArn", "pending confirmation");
	return 0;
}

/* ---- ConfirmSubscription, Unsubscribe ---- */

static int confirm(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "TopicArn");
	const char *token = cv_query_str(&call->params, "Token");
	const char *guard = cv_query_str(&call->params, "AuthenticateOnUnsubscribe");
	struct aws_sns *sns = call->aws->sns;
	struct sns_sub *sub = NULL;
	int ret = 0;

	if (cv_aws_sns_topic(sns, arn) == NULL)
		return cv_aws_sns_no_topic(call);
	for (uint32_t i = 0; sub == NULL && i < sns->n_subs; i++) {
		if (strcmp(sns->subs[i]->topic, arn) == 0 &&
		    cv_sigv4_is_equal(sns->subs[i]->token, token))
			sub = sns->subs[i];
	}
	if (sub == NULL || (!sub->confirmed && sub->created + SNS_CONFIRM_SECONDS < call->now))
		return cv_aws_fail(call, "InvalidParameter", "Invalid parameter: Token");
	if (!sub->confirmed) {
		sub->confirmed = true;
		/* Only a signed request can be asked for again. */
		sub->guarded = guard != NULL && strcasecmp(guard, "true") == 0 &&
			       *call->caller.account_id != '\0';
		ret = cv_aws_sns_sub_put(call, sub);
	}
	cv_xml_str(call->out, "SubscriptionArn", sub->arn);
	return ret;
}

static int unsubscribe(struct aws_call *call)
{
	struct aws_sns *sns = call->aws->sns;
	const char *arn = cv_query_str(&call->params, "SubscriptionArn");
	struct sns_sub *sub = cv_aws_sns_sub(sns, arn);
	const struct sns_topic *topic = sub != NULL ? cv_aws_sns_topic(sns, sub->topic) : NULL;
	const char *account = call->caller.account_id;

	if (topic == NULL)
		return cv_aws_sns_arn_check(call, "SubscriptionArn"); /* else as AWS: gone */
	if (*account == '\0'
		    ? sub->guarded || !sub->confirmed
		    : strcmp(account, sub->owner) != 0 && strcmp(account, topic->account) != 0)
		return cv_aws_fail(call, "AuthorizationError",
				   "not authorized to perform: SNS:Unsubscribe on resource: %s",
				   arn);
	return cv_aws_sns_sub_drop(call, sub);
}

/* ---- attributes ---- */

/* A subscription that the caller, or the owner of its topic, asks for. */
static struct sns_sub *sub_own(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "SubscriptionArn");
	struct sns_sub *sub = cv_aws_sns_sub(call->aws->sns, arn);
	const struct sns_topic *topic =
		sub != NULL ? cv_aws_sns_topic(call->aws->sns, sub->topic) : NULL;
	const char *account = call->caller.account_id;

	if (topic == NULL) {
		if (cv_aws_sns_arn_check(call, "SubscriptionArn") == 0)
			cv_aws_fail(call, "NotFound", "Subscription does not exist");
		return NULL;
	}
	if (strcmp(account, sub->owner) == 0 || strcmp(account, topic->account) == 0)
		return sub;
	cv_aws_fail(call, "AuthorizationError",
		    "User: %s is not authorized to perform: SNS:%s on resource: %s",
		    call->caller.principal, call->action->name, topic->arn);
	return NULL;
}

static int get_attributes(struct aws_call *call)
{
	const struct sns_sub *sub = sub_own(call);
	char shown[SHOWN_MAX];

	if (sub == NULL)
		return -EINVAL;
	cv_notify_url_mask(sub->endpoint, false, shown, sizeof(shown));
	cv_xml_open(call->out, "Attributes");
	cv_aws_sns_entry(call, "SubscriptionArn", sub->arn);
	cv_aws_sns_entry(call, "TopicArn", sub->topic);
	cv_aws_sns_entry(call, "Owner", sub->owner);
	cv_aws_sns_entry(call, "Protocol", sub->protocol);
	cv_aws_sns_entry(call, "Endpoint", shown);
	cv_aws_sns_entry(call, "PendingConfirmation", sub->confirmed ? "false" : "true");
	cv_aws_sns_entry(call, "ConfirmationWasAuthenticated", sub->guarded ? "true" : "false");
	cv_aws_sns_entry(call, "RawMessageDelivery", sub->raw ? "true" : "false");
	cv_aws_sns_delivery_tell(call, cv_aws_sns_topic(call->aws->sns, sub->topic), sub);
	cv_xml_close(call->out);
	return 0;
}

static int set_attributes(struct aws_call *call)
{
	const char *value = cv_query_str(&call->params, "AttributeValue");
	struct sns_sub *sub = sub_own(call);
	struct sns_sub before;
	int ret;

	if (sub == NULL)
		return -EINVAL;
	before = *sub;
	sub->delivery = strdup(before.delivery);
	if (sub->delivery == NULL)
		ret = cv_aws_fail(call, "InternalError", "out of memory");
	else
		ret = attr_set(call, sub, cv_query_str(&call->params, "AttributeName"),
			       value != NULL ? value : "");
	if (ret == 0)
		ret = cv_aws_sns_delivery_check(call, sub);
	if (ret == 0)
		ret = cv_aws_sns_sub_put(call, sub);
	free(ret < 0 ? sub->delivery : before.delivery);
	if (ret < 0)
		*sub = before;
	return ret;
}

/* ---- lists ---- */

static void sub_write(struct aws_call *call, const struct sns_sub *sub)
{
	char shown[SHOWN_MAX];

	cv_notify_url_mask(sub->endpoint, false, shown, sizeof(shown));
	cv_xml_item(call->out);
	cv_xml_str(call->out, "SubscriptionArn", sub->confirmed ? sub->arn : PENDING);
	cv_xml_str(call->out, "Owner", sub->owner);
	cv_xml_str(call->out, "Protocol", sub->protocol);
	cv_xml_str(call->out, "Endpoint", shown);
	cv_xml_str(call->out, "TopicArn", sub->topic);
	cv_xml_close(call->out);
}

static int list_subs(struct aws_call *call)
{
	const struct aws_sns *sns = call->aws->sns;
	const char *arn = cv_query_str(&call->params, "TopicArn");

	if (arn != NULL && cv_aws_sns_topic_own(call, arn) == NULL)
		return -EINVAL;
	cv_xml_open(call->out, "Subscriptions");
	for (uint32_t i = 0; i < sns->n_subs; i++) {
		const struct sns_sub *sub = sns->subs[i];

		if (arn != NULL ? strcmp(sub->topic, arn) != 0
				: strcmp(sub->owner, call->caller.account_id) != 0)
			continue;
		if ((sub->confirmed || sub->created + SNS_CONFIRM_SECONDS >= call->now) &&
		    cv_aws_page_key(call, sub->arn, NULL))
			sub_write(call, sub);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- the table ---- */

#define TOPIC AWS_STR("TopicArn", AWS_REQUIRED, 1, 512)
#define SUBS                                                                        \
	"Subscriptions.SubscriptionArn Subscriptions.Owner Subscriptions.Protocol " \
	"Subscriptions.Endpoint Subscriptions.TopicArn NextToken"

static const struct aws_param subscribe_params[] = {
	TOPIC,
	AWS_STR("Protocol", AWS_REQUIRED, 1, 32),
	AWS_STR("Endpoint", AWS_REQUIRED, 1, ENDPOINT_MAX),
	AWS_STR("Attributes.entry.N.key", AWS_REQUIRED, 1, 64),
	AWS_STR("Attributes.entry.N.value", AWS_REQUIRED, 0, 30720),
	AWS_BOOL("ReturnSubscriptionArn"),
};
static const struct aws_param confirm_params[] = {
	TOPIC,
	AWS_STR("Token", AWS_REQUIRED, 1, 512),
	AWS_STR("AuthenticateOnUnsubscribe", 0, 1, 8),
};
static const struct aws_param unsubscribe_params[] = {
	AWS_STR("SubscriptionArn", AWS_REQUIRED, 1, 512)};
static const struct aws_param set_params[] = {
	AWS_STR("SubscriptionArn", AWS_REQUIRED, 1, 512),
	AWS_STR("AttributeName", AWS_REQUIRED, 1, 64),
	AWS_STR("AttributeValue", 0, 0, 30720),
};
static const struct aws_param list_params[] = {AWS_STR("NextToken", 0, 0, 1024)};
static const struct aws_param by_topic_params[] = {TOPIC, AWS_STR("NextToken", 0, 0, 1024)};

static const struct aws_action actions[] = {
	{
		.name = "ConfirmSubscription",
		.handle = confirm,
		.flags = AWS_CHANGES | AWS_ANONYMOUS,
		AWS_PARAMS(confirm_params),
		.answers = "SubscriptionArn",
	},
	{
		.name = "GetSubscriptionAttributes",
		.handle = get_attributes,
		AWS_PARAMS(unsubscribe_params),
		.answers = "Attributes",
	},
	{
		.name = "ListSubscriptions",
		.handle = list_subs,
		AWS_PARAMS(list_params),
		.page_default = PAGE,
		.answers = SUBS,
	},
	{
		.name = "ListSubscriptionsByTopic",
		.handle = list_subs,
		AWS_PARAMS(by_topic_params),
		.page_default = PAGE,
		.answers = SUBS,
	},
	{
		.name = "SetSubscriptionAttributes",
		.handle = set_attributes,
		.flags = AWS_CHANGES,
		AWS_PARAMS(set_params),
	},
	{
		.name = "Subscribe",
		.handle = subscribe,
		.flags = AWS_CHANGES,
		AWS_PARAMS(subscribe_params),
		.answers = "SubscriptionArn",
	},
	{
		.name = "Unsubscribe",
		.handle = unsubscribe,
		.flags = AWS_CHANGES | AWS_ANONYMOUS,
		AWS_PARAMS(unsubscribe_params),
	},
};

const struct aws_group cv_aws_sns_sub_group = {AWS_SNS, actions, CV_ARRAY_LEN(actions)};
