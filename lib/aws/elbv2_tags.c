/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: tags of load balancers, target groups and listeners. */

#include <errno.h>
#include <string.h>

#include "elbv2_priv.h"

/* Resources of one request at most, as AWS has it. */
#define ARNS_MAX 20

/* What the request names. */
struct subjects {
	const char *const *arns; /* shape [n] */
	const struct cv_model_meta *metas[ARNS_MAX];
	uint32_t n;
};

static int subjects_read(struct aws_call *call, struct subjects *s)
{
	s->arns = cv_aws_strs(call, "ResourceArns.member", &s->n);
	if (s->n > ARNS_MAX)
		return cv_aws_fail(call, "ValidationError", "A request names at most %d resources",
				   ARNS_MAX);
	for (uint32_t i = 0; i < s->n; i++) {
		enum cv_model_kind kind = cv_model_kind_of(s->arns[i]);
		uint32_t idx, listener = 0;

		if (strstr(s->arns[i], ":listener-rule/") != NULL)
			return cv_aws_fail(call, "RuleNotFound",
					   "A default rule has no tags: %.200s", s->arns[i]);
		if (kind != CV_MODEL_LB && kind != CV_MODEL_TG && kind != CV_MODEL_LISTENER)
			return cv_aws_fail(call, "ValidationError",
					   "'%.200s' is not a valid ARN of a load balancer, target "
					   "group or listener",
					   s->arns[i]);
		idx = cv_aws_elb_find(call, kind, s->arns[i], &listener);
		if (idx == CV_MODEL_NONE)
			return -EINVAL;
		s->metas[i] = cv_model_meta(call->model, kind, idx, listener);
	}
	return 0;
}

static bool has_tag(const struct cv_model_meta *meta, const char *key)
{
	for (uint32_t i = 0; i < meta->n_tags; i++) {
		if (strcmp(meta->tags[i].key, key) == 0)
			return true;
	}
	return false;
}

/* All resources or none: what may fail for one is looked at for all before. */
static int room_check(struct aws_call *call, const struct subjects *s,
		      const struct cv_model_tags_change *req)
{
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t n = s->metas[i]->n_tags;

		for (uint32_t k = 0; k < req->n_set; k++)
			n += !has_tag(s->metas[i], req->set[k].key);
		if (n > CV_MODEL_TAGS_MAX)
			return cv_aws_fail(call, "TooManyTags", "A resource has at most %d tags",
					   CV_MODEL_TAGS_MAX);
	}
	return 0;
}

static int change(struct aws_call *call, const struct subjects *s, struct cv_model_tags_change *req)
{
	int ret = room_check(call, s, req);

	for (uint32_t i = 0; i < s->n && ret == 0; i++) {
		struct cv_model_errs errs = {0};

		req->ref = s->arns[i];
		ret = cv_aws_elb_end(call, &errs,
				     cv_model_tags_change(call->model, &call->by, req, &errs));
	}
	return ret;
}

static int add_tags(struct aws_call *call)
{
	struct cv_model_tags_change req = {0};
	struct subjects s;

	if (subjects_read(call, &s) < 0 || cv_aws_tags(call, NULL, &req.set, &req.n_set) < 0)
		return -EINVAL;
	if (req.n_set == 0)
		return cv_aws_fail(call, "ValidationError", "At least one tag must be specified");
	return change(call, &s, &req);
}

static int remove_tags(struct aws_call *call)
{
	struct cv_model_tags_change req = {0};
	struct cv_model_tag *tags;
	const char *const *keys;
	struct subjects s;

	if (subjects_read(call, &s) < 0)
		return -EINVAL;
	keys = cv_aws_strs(call, "TagKeys.member", &req.n_remove);
	tags = cv_aws_alloc(call, (req.n_remove + 1) * sizeof(*tags));
	if (tags == NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < req.n_remove; i++)
		tags[i].key = keys[i];
	req.remove = tags;
	return change(call, &s, &req);
}

static int describe_tags(struct aws_call *call)
{
	struct cv_xml *out = call->out;
	struct subjects s;

	if (subjects_read(call, &s) < 0)
		return -EINVAL;
	cv_xml_open(out, "TagDescriptions");
	for (uint32_t i = 0; i < s.n; i++) {
		cv_xml_item(out);
		cv_xml_str(out, "ResourceArn", s.arns[i]);
		cv_xml_open(out, "Tags");
		for (uint32_t k = 0; k < s.metas[i]->n_tags; k++) {
			cv_xml_item(out);
			cv_xml_str(out, "Key", s.metas[i]->tags[k].key);
			cv_xml_str(out, "Value", s.metas[i]->tags[k].value);
			cv_xml_close(out);
		}
		cv_xml_close(out);
		cv_xml_close(out);
	}
	cv_xml_close(out);
	return 0;
}

static const struct aws_param add_params[] = {AWS_ID("ResourceArns.member.N", AWS_REQUIRED),
					      AWS_MEMBER_TAGS};
static const struct aws_param remove_params[] = {AWS_ID("ResourceArns.member.N", AWS_REQUIRED),
						 AWS_STR("TagKeys.member.N", AWS_REQUIRED, 1, 128)};
static const struct aws_param describe_params[] = {AWS_ID("ResourceArns.member.N", AWS_REQUIRED)};

static const struct aws_action actions[] = {
	{
		.name = "AddTags",
		.handle = add_tags,
		.flags = AWS_CHANGES,
		AWS_PARAMS(add_params),
	},
	{
		.name = "RemoveTags",
		.handle = remove_tags,
		.flags = AWS_CHANGES,
		AWS_PARAMS(remove_params),
	},
	{
		.name = "DescribeTags",
		.handle = describe_tags,
		AWS_PARAMS(describe_params),
		.answers = "TagDescriptions.ResourceArn TagDescriptions.Tags.Key "
			   "TagDescriptions.Tags.Value",
	},
};

const struct aws_group cv_aws_elbv2_tags_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
