/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS: tags of topics. */

#include <errno.h>
#include <string.h>

#include "sns_priv.h"

/* The tags of the request, with SNS's codes for what is wrong with them. */
static int tags_read(struct aws_call *call, const struct cv_model_tag **ret_tags, uint32_t *ret_n)
{
	int ret = cv_aws_tags(call, NULL, ret_tags, ret_n);

	if (ret < 0)
		call->err_code = strcmp(call->err_code, "TooManyTags") == 0 ? "TagLimitExceeded"
									    : "InvalidParameter";
	return ret;
}

int cv_aws_sns_tags_set(struct aws_call *call, struct sns_topic *topic)
{
	const struct cv_model_tag *tags;
	uint32_t n;

	if (tags_read(call, &tags, &n) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		if (json_object_set_new(topic->tags, tags[i].key, json_string(tags[i].value)) < 0)
			return cv_aws_fail(call, "InternalError", "out of memory");
	}
	if (json_object_size(topic->tags) > CV_MODEL_TAGS_MAX)
		return cv_aws_fail(call, "TagLimitExceeded", "A topic has at most %d tags",
				   CV_MODEL_TAGS_MAX);
	return 0;
}

int cv_aws_sns_tags_same(struct aws_call *call, const struct sns_topic *topic)
{
	const struct cv_model_tag *tags;
	uint32_t n;
	bool same;

	if (tags_read(call, &tags, &n) < 0)
		return -EINVAL;
	same = n == 0 || n == json_object_size(topic->tags);
	for (uint32_t i = 0; same && i < n; i++) {
		const char *value = json_string_value(json_object_get(topic->tags, tags[i].key));

		same = value != NULL && strcmp(value, tags[i].value) == 0;
	}
	return same ? 0
		    : cv_aws_fail(call, "InvalidParameter",
				  "Invalid parameter: Tags Reason: Topic already exists with "
				  "different tags");
}

static struct sns_topic *topic_find(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "ResourceArn");

	if (cv_aws_sns_topic(call->aws->sns, arn) != NULL)
		return cv_aws_sns_topic_own(call, arn);
	if (cv_aws_sns_arn_check(call, "ResourceArn") == 0)
		cv_aws_fail(call, "ResourceNotFound", "Resource does not exist");
	return NULL;
}

static int tag_resource(struct aws_call *call)
{
	struct sns_topic *topic = topic_find(call);
	const struct cv_model_tag *tags;
	json_t *before;
	uint32_t n;
	int ret;

	if (topic == NULL || tags_read(call, &tags, &n) < 0)
		return -EINVAL;
	if (n == 0)
		return cv_aws_fail(call, "InvalidParameter",
				   "Invalid parameter: Tags Reason: no tags given");
	before = json_copy(topic->tags);
	if (before == NULL)
		return cv_aws_fail(call, "InternalError", "out of memory");
	ret = cv_aws_sns_tags_set(call, topic);
	if (ret < 0) {
		json_decref(topic->tags);
		topic->tags = before;
		return ret;
	}
	json_decref(before);
	return cv_aws_sns_topic_put(call, topic);
}

static int untag_resource(struct aws_call *call)
{
	struct sns_topic *topic = topic_find(call);
	const char *const *keys;
	uint32_t n;

	if (topic == NULL)
		return -EINVAL;
	keys = cv_aws_strs(call, "TagKeys.member", &n);
	for (uint32_t i = 0; i < n; i++)
		json_object_del(topic->tags, keys[i]);
	return cv_aws_sns_topic_put(call, topic);
}

static int list_tags(struct aws_call *call)
{
	struct sns_topic *topic = topic_find(call);
	const char *key;
	json_t *value;

	if (topic == NULL)
		return -EINVAL;
	cv_xml_open(call->out, "Tags");
	json_object_foreach(topic->tags, key, value)
	{
		cv_xml_item(call->out);
		cv_xml_str(call->out, "Key", key);
		cv_xml_str(call->out, "Value", json_string_value(value));
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
	return 0;
}

/* ---- the table ---- */

#define RESOURCE AWS_STR("ResourceArn", AWS_REQUIRED, 1, 1011)

static const struct aws_param tag_params[] = {RESOURCE, AWS_MEMBER_TAGS};
static const struct aws_param untag_params[] = {RESOURCE,
						AWS_STR("TagKeys.member.N", AWS_REQUIRED, 1, 128)};
static const struct aws_param list_params[] = {RESOURCE};

static const struct aws_action actions[] = {
	{
		.name = "ListTagsForResource",
		.handle = list_tags,
		AWS_PARAMS(list_params),
		.answers = "Tags.Key Tags.Value",
	},
	{
		.name = "TagResource",
		.handle = tag_resource,
		.flags = AWS_CHANGES,
		AWS_PARAMS(tag_params),
	},
	{
		.name = "UntagResource",
		.handle = untag_resource,
		.flags = AWS_CHANGES,
		AWS_PARAMS(untag_params),
	},
};

const struct aws_group cv_aws_sns_tags_group = {AWS_SNS, actions, CV_ARRAY_LEN(actions)};
