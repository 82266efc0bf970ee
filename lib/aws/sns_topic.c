/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS: topics, and messages that callers publish. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sns_priv.h"

#define TEXT_MAX 262144 /* of a message, as AWS */
#define SUBJECT_MAX 100
#define PAGE 100

/* ---- attributes ---- */

static int text_set(struct aws_call *call, char **field, const char *value)
{
	char *copy = strdup(value);

	if (copy == NULL)
		return cv_aws_fail(call, "InternalError", "out of memory");
	free(*field);
	*field = copy;
	return 0;
}

/* What culvert does not have, set to that it is off: Terraform always says so. */
static bool is_so_anyway(const char *name, const char *value)
{
	static const char *const kinds[] = {"Application", "Firehose", "HTTP", "Lambda", "SQS"};
	static const struct {
		const char *name, *value;
	} off[] = {
		{"ContentBasedDeduplication", "false"},
		{"FailureFeedbackRoleArn", ""},
		{"FifoTopic", "false"},
		{"KmsMasterKeyId", ""},
		{"SuccessFeedbackRoleArn", ""},
		{"SuccessFeedbackSampleRate", "0"},
		{"TracingConfig", "PassThrough"},
	};
	const char *feedback = name;

	for (size_t i = 0; i < CV_ARRAY_LEN(kinds); i++) {
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			feedback = name + strlen(kinds[i]);
	}
	for (size_t i = 0; i < CV_ARRAY_LEN(off); i++) {
		bool has_kind = strstr(off[i].name, "Feedback") != NULL;

		if (has_kind == (feedback != name) && strcmp(feedback, off[i].name) == 0)
			return strcmp(value, off[i].value) == 0;
	}
	return false;
}

static int attr_set(struct aws_call *call, struct sns_topic *topic, const char *name,
		    const char *value)
{
	const char *wrong;

	if (strcmp(name, "DisplayName") == 0)
		return text_set(call, &topic->display, value);
	if (strcmp(name, "Policy") == 0) {
		if (*value == '\0')
			value = cv_aws_sns_policy_first(call, topic->arn);
		wrong = cv_aws_sns_policy_check(value);
		if (wrong != NULL)
			return cv_aws_fail(call, "InvalidParameter",
					   "Invalid parameter: Policy Error: %s", wrong);
		return text_set(call, &topic->policy, value);
	}
	if (strcmp(name, "DeliveryPolicy") == 0)
		return cv_aws_sns_delivery_set(call, true, &topic->delivery, value);
	if (strcmp(name, "SignatureVersion") == 0 &&
	    (strcmp(value, "1") == 0 || strcmp(value, "2") == 0)) {
		topic->version = value[0] - '0';
		return 0;
	}
	if (is_so_anyway(name, value))
		return 0;
	return cv_aws_fail(call, "InvalidParameter",
			   "Invalid parameter: AttributeName: '%.64s' cannot be set to that here: "
			   "DeliveryPolicy, DisplayName, Policy, SignatureVersion (1 or 2)",
			   name);
}

void cv_aws_sns_entry(struct aws_call *call, const char *key, const char *value)
{
	cv_xml_open(call->out, "entry");
	cv_xml_str(call->out, "key", key);
	cv_xml_str(call->out, "value", value);
	cv_xml_close(call->out);
}

static int get_attributes(struct aws_call *call)
{
	const struct aws_sns *sns = call->aws->sns;
	const struct sns_topic *topic =
		cv_aws_sns_topic_own(call, cv_query_str(&call->params, "TopicArn"));
	uint32_t n[2] = {0, 0};

	if (topic == NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < sns->n_subs; i++) {
		if (strcmp(sns->subs[i]->topic, topic->arn) == 0)
			n[sns->subs[i]->confirmed]++;
	}
	cv_xml_open(call->out, "Attributes");
	cv_aws_sns_entry(call, "Policy", topic->policy);
	cv_aws_sns_entry(call, "Owner", topic->account);
	cv_aws_sns_entry(call, "SubscriptionsPending", cv_aws_fmt(call, "%u", n[0]));
	cv_aws_sns_entry(call, "SubscriptionsConfirmed", cv_aws_fmt(call, "%u", n[1]));
	cv_aws_sns_entry(call, "SubscriptionsDeleted", "0");
	cv_aws_sns_entry(call, "TopicArn", topic->arn);
	cv_aws_sns_entry(call, "DisplayName", topic->display);
	cv_aws_sns_entry(call, "SignatureVersion", topic->version == 2 ? "2" : "1");
	cv_aws_sns_delivery_tell(call, topic, NULL);
	cv_xml_close(call->out);
	return 0;
}

static int set_attributes(struct aws_call *call)
{
	const char *value = cv_query_str(&call->params, "AttributeValue");
	struct sns_topic *topic =
		cv_aws_sns_topic_own(call, cv_query_str(&call->params, "TopicArn"));
	int ret;

	if (topic == NULL)
		return -EINVAL;
	ret = attr_set(call, topic, cv_query_str(&call->params, "AttributeName"),
		       value != NULL ? value : "");
	return ret < 0 ? ret : cv_aws_sns_topic_put(call, topic);
}

/* ---- making ---- */

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= 256 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") ==
		       len;
}

static struct sns_topic *topic_make(struct aws_call *call, const char *arn)
{
	struct sns_topic *topic = calloc(1, sizeof(*topic));

	if (topic != NULL) {
		topic->version = 1;
		topic->arn = strdup(arn);
		topic->policy = strdup(cv_aws_sns_policy_first(call, arn));
		topic->display = strdup("");
		topic->delivery = strdup("");
		topic->tags = json_object();
		snprintf(topic->account, sizeof(topic->account), "%s", call->caller.account_id);
		if (topic->arn != NULL && topic->policy != NULL && topic->display != NULL &&
		    topic->delivery != NULL && topic->tags != NULL)
			return topic;
	}
	cv_aws_sns_topic_free(topic);
	cv_aws_fail(call, "InternalError", "out of memory");
	return NULL;
}

static int attrs_read(struct aws_call *call, struct sns_topic *topic)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "Attributes.entry")};
	int ret = 0;

	while (ret == 0 && cv_query_next(&iter))
		ret = attr_set(call, topic, cv_query_str(&iter.item, "key"),
			       cv_query_str(&iter.item, "value"));
	return ret;
}

/* One that is there is not changed by making it again; only attributes that are given are compared. */
static int same_check(struct aws_call *call, const struct sns_topic *topic)
{
	struct sns_topic *want = topic_make(call, topic->arn);
	int ret = want != NULL ? 0 : -EINVAL;

	if (ret == 0)
		ret = text_set(call, &want->policy, topic->policy);
	if (ret == 0)
		ret = text_set(call, &want->display, topic->display);
	if (ret == 0)
		ret = text_set(call, &want->delivery, topic->delivery);
	if (ret == 0) {
		want->version = topic->version;
		ret = attrs_read(call, want);
	}
	if (ret == 0 &&
	    (want->version != topic->version || strcmp(want->display, topic->display) != 0 ||
	     !cv_aws_sns_json_same(want->delivery, topic->delivery) ||
	     !cv_aws_sns_json_same(want->policy, topic->policy)))
		ret = cv_aws_fail(call, "InvalidParameter",
				  "Invalid parameter: Attributes Reason: Topic already exists with "
				  "different attributes");
	if (ret == 0)
		ret = cv_aws_sns_tags_same(call, topic);
	cv_aws_sns_topic_free(want);
	return ret;
}

static int topic_new(struct aws_call *call, const char *arn)
{
	const struct aws_sns *sns = call->aws->sns;
	struct sns_topic *topic;
	uint32_t n = 0;
	int ret;

	for (uint32_t i = 0; i < sns->n_topics; i++)
		n += strcmp(sns->topics[i]->account, call->caller.account_id) == 0;
	if (n >= SNS_TOPICS_MAX)
		return cv_aws_fail(call, "TopicLimitExceeded", "The account has %d topics: no more",
				   SNS_TOPICS_MAX);
	topic = topic_make(call, arn);
	if (topic == NULL)
		return -EINVAL;
	ret = attrs_read(call, topic);
	if (ret == 0)
		ret = cv_aws_sns_tags_set(call, topic);
	if (ret == 0)
		ret = cv_aws_sns_topic_put(call, topic);
	if (ret < 0)
		cv_aws_sns_topic_free(topic);
	return ret;
}

static int create_topic(struct aws_call *call)
{
	const char *name = cv_query_str(&call->params, "Name");
	const char *arn = cv_aws_fmt(call, "arn:aws:sns:%s:%s:%s", call->region,
				     call->caller.account_id, name);
	const struct sns_topic *topic;
	int ret;

	if (!is_name(name))
		return cv_aws_fail(call, "InvalidParameter", "Invalid parameter: Topic Name");
	topic = cv_aws_sns_topic(call->aws->sns, arn);
	ret = topic == NULL ? topic_new(call, arn) : same_check(call, topic);
	if (ret == 0)
		cv_xml_str(call->out, "TopicArn", arn);
	return ret;
}

/* One that is not there is no error, as AWS. */
static int delete_topic(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "TopicArn");
	struct sns_topic *topic;

	if (cv_aws_sns_topic(call->aws->sns, arn) == NULL)
		return cv_aws_sns_arn_check(call, "TopicArn");
	topic = cv_aws_sns_topic_own(call, arn);
	return topic != NULL ? cv_aws_sns_topic_drop(call, topic) : -EINVAL;
}

static int list_topics(struct aws_call *call)
{
	const struct aws_sns *sns = call->aws->sns;

	cv_xml_open(call->out, "Topics");
	for (uint32_t i = 0; i < sns->n_topics; i++) {
		if (strcmp(sns->topics[i]->account, call->caller.account_id) != 0 ||
		    !cv_aws_page_key(call, sns->topics[i]->arn, NULL))
			continue;
		cv_xml_item(call->out);
		cv_xml_str(call->out, "TopicArn", sns->topics[i]->arn);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- Publish ---- */

/* As AWS: one line of ASCII. A line break would make it look as if more had been signed. */
static bool is_subject(const char *text)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			return false;
	}
	return *text != ' ' && *text != '\0' && strlen(text) <= SUBJECT_MAX;
}

static int text_check(struct aws_call *call, const struct sns_text *text)
{
	if (text->subject != NULL && !is_subject(text->subject))
		return cv_aws_fail(call, "InvalidParameter", "Invalid parameter: Subject");
	if (*text->message == '\0')
		return cv_aws_fail(call, "InvalidParameter", "Invalid parameter: Empty message");
	if (strlen(text->message) > TEXT_MAX)
		return cv_aws_fail(call, "InvalidParameter", "Invalid parameter: Message too long");
	return 0;
}

static int publish(struct aws_call *call)
{
	const char *topic_arn = cv_query_str(&call->params, "TopicArn");
	const char *target = cv_query_str(&call->params, "TargetArn");
	const char *arn = topic_arn != NULL ? topic_arn : target;
	const struct sns_topic *topic = cv_aws_sns_topic(call->aws->sns, arn);
	const struct sns_text text = {
		.type = "Notification",
		.subject = cv_query_str(&call->params, "Subject"),
		.message = cv_query_str(&call->params, "Message"),
		.id = cv_aws_sns_id(call),
	};
	const struct sns_ask ask = {
		.account = call->caller.account_id,
		.principal = call->caller.principal,
		.action = "SNS:Publish",
		.resource = arn,
	};
	int ret = text_check(call, &text);

	if (ret < 0)
		return ret;
	if (arn == NULL || (topic_arn != NULL && target != NULL))
		return cv_aws_fail(call, "InvalidParameter",
				   "Invalid parameter: TopicArn or TargetArn Reason: %s",
				   arn == NULL ? "no value for required parameter"
					       : "only one of them may be given");
	if (topic == NULL)
		return cv_aws_sns_no_topic(call);
	if (strcmp(topic->account, call->caller.account_id) != 0 &&
	    !cv_aws_sns_policy_allows(topic->policy, &ask)) {
		cv_aws_sns_topic_own(call, arn);
		return -EINVAL;
	}
	ret = cv_aws_sns_publish(call, topic, &text);
	if (ret == 0)
		cv_xml_str(call->out, "MessageId", text.id);
	return ret;
}

/* ---- the table ---- */

#define TOPIC AWS_STR("TopicArn", AWS_REQUIRED, 1, 512)
#define ATTRS(n)                                                \
	AWS_STR("Attributes.entry.N.key", AWS_REQUIRED, 1, 64), \
		AWS_STR("Attributes.entry.N.value", AWS_REQUIRED, 0, n)

static const struct aws_param create_params[] = {
	AWS_STR("Name", AWS_REQUIRED, 0, 1024),
	ATTRS(30720),
	AWS_MEMBER_TAGS,
	AWS_REFUSE("DataProtectionPolicy"),
};
static const struct aws_param topic_params[] = {TOPIC};
static const struct aws_param list_params[] = {AWS_STR("NextToken", 0, 0, 1024)};
static const struct aws_param set_params[] = {
	TOPIC,
	AWS_STR("AttributeName", AWS_REQUIRED, 1, 64),
	AWS_STR("AttributeValue", 0, 0, 30720),
};
static const struct aws_param publish_params[] = {
	AWS_STR("TopicArn", 0, 1, 512),
	AWS_STR("TargetArn", 0, 1, 512),
	AWS_REFUSE("PhoneNumber"),
	/* Of any length: SNS has its own words for what is wrong with it. */
	AWS_STR("Message", AWS_REQUIRED, 0, INT32_MAX),
	AWS_STR("Subject", 0, 0, INT32_MAX),
	AWS_REFUSE("MessageStructure"),
	AWS_REFUSE("MessageAttributes.entry.N.Name"),
	AWS_REFUSE("MessageAttributes.entry.N.Value.DataType"),
	AWS_REFUSE("MessageAttributes.entry.N.Value.StringValue"),
	AWS_REFUSE("MessageAttributes.entry.N.Value.BinaryValue"),
	AWS_REFUSE("MessageDeduplicationId"),
	AWS_REFUSE("MessageGroupId"),
};

static const struct aws_action actions[] = {
	{
		.name = "CreateTopic",
		.handle = create_topic,
		.flags = AWS_CHANGES,
		AWS_PARAMS(create_params),
		.answers = "TopicArn",
	},
	{
		.name = "DeleteTopic",
		.handle = delete_topic,
		.flags = AWS_CHANGES,
		AWS_PARAMS(topic_params),
	},
	{
		.name = "GetTopicAttributes",
		.handle = get_attributes,
		AWS_PARAMS(topic_params),
		.answers = "Attributes",
	},
	{
		.name = "ListTopics",
		.handle = list_topics,
		AWS_PARAMS(list_params),
		.page_default = PAGE,
		.answers = "Topics.TopicArn NextToken",
	},
	{
		.name = "Publish",
		.handle = publish,
		.flags = AWS_CHANGES,
		AWS_PARAMS(publish_params),
		.answers = "MessageId",
	},
	{
		.name = "SetTopicAttributes",
		.handle = set_attributes,
		.flags = AWS_CHANGES,
		AWS_PARAMS(set_params),
	},
};

const struct aws_group cv_aws_sns_topic_group = {AWS_SNS, actions, CV_ARRAY_LEN(actions)};
