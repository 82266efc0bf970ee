/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: tags of all resources. */

#include <errno.h>
#include <string.h>

#include "ec2_priv.h"

/* Kinds that EC2 tags, in the order in which they are told. */
static const struct {
	enum cv_model_kind kind;
	const char *type;
} kinds[] = {
	{CV_MODEL_VPC, "vpc"},
	{CV_MODEL_SUBNET, "subnet"},
	{CV_MODEL_SG, "security-group"},
	{CV_MODEL_SERVICE, "vpc-endpoint-service"},
	{CV_MODEL_ENDPOINT, "vpc-endpoint"},
};

static const struct ec2_kind *const by_id[] = {
	&cv_aws_ec2_service, /* before the endpoints, whose prefix is the beginning of its own */
	&cv_aws_ec2_endpoint, &cv_aws_ec2_vpc, &cv_aws_ec2_subnet, &cv_aws_ec2_sg,
};

static bool is_rule(const char *id)
{
	return strncmp(id, cv_aws_ec2_rule.prefix, strlen(cv_aws_ec2_rule.prefix)) == 0;
}

/* Rules have tags, and nothing else of what resources have. What is found is to be changed. */
static int rule_find(struct aws_call *call, const char *id, const struct cv_model_meta **ret)
{
	struct cv_model_meta *meta = cv_aws_alloc(call, sizeof(*meta));
	struct ec2_rule_place place;

	if (meta == NULL || cv_aws_ec2_rule_place(call, id, &place) < 0)
		return -EINVAL;
	/* Rules are changed with their group. */
	if (!call->model->sgs[place.sg].meta.api && !call->model->sgs[place.sg].of_vpc)
		return cv_aws_fail(call, "OperationNotPermitted",
				   "security group '%.64s' comes from the configuration file: "
				   "change it there and reload",
				   call->model->sgs[place.sg].id);
	meta->tags = place.rule->tags;
	meta->n_tags = place.rule->n_tags;
	*ret = meta;
	return 0;
}

/* A resource of the caller's by id, whatever it is. */
static int resource_find(struct aws_call *call, const char *id, const struct cv_model_meta **ret)
{
	if (is_rule(id))
		return rule_find(call, id, ret);
	for (size_t i = 0; i < CV_ARRAY_LEN(by_id); i++) {
		uint32_t idx;
		int found;

		if (strncmp(id, by_id[i]->prefix, strlen(by_id[i]->prefix)) != 0)
			continue;
		found = cv_aws_ec2_find(call, by_id[i], id, &idx);
		if (found == 0)
			*ret = cv_model_meta(call->model, by_id[i]->kind, idx, 0);
		return found;
	}
	return cv_aws_fail(call, "InvalidID", "The ID '%.150s' is not valid", id);
}

/* ---- CreateTags ---- */

/* The tags of a request. With `any`, a tag without a value stands for whatever value there is. */
static int tags_read(struct aws_call *call, bool any, struct cv_model_tag **ret_tags,
		     uint32_t *ret_n)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "Tag")};
	uint32_t n = cv_query_count(&iter.list);
	struct cv_model_tag *tags = cv_aws_alloc(call, (n + 1) * sizeof(*tags));

	*ret_n = 0;
	if (tags == NULL)
		return -EINVAL;
	while (cv_query_next(&iter)) {
		struct cv_model_tag *tag = &tags[(*ret_n)++];

		tag->key = cv_query_str(&iter.item, "Key");
		tag->value = cv_query_str(&iter.item, "Value");
		if (tag->value == NULL && !any)
			tag->value = "";
		if (tag->key == NULL)
			return cv_aws_fail(call, "MissingParameter",
					   "The request must contain the parameter Tag.Key");
		if (strncmp(tag->key, "aws:", 4) == 0)
			return cv_aws_fail(
				call, "InvalidParameterValue",
				"Tag keys starting with 'aws:' are reserved for internal use");
	}
	*ret_tags = tags;
	return 0;
}

static uint32_t n_after(const struct cv_model_meta *meta, const struct cv_model_tag *tags,
			uint32_t n)
{
	uint32_t n_tags = meta->n_tags;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = 0;

		while (k < meta->n_tags && strcmp(meta->tags[k].key, tags[i].key) != 0)
			k++;
		n_tags += k == meta->n_tags;
	}
	return n_tags;
}

/* All that can be wrong, before the first resource is changed. */
static int create_check(struct aws_call *call, const char *const *ids, uint32_t n_ids,
			const struct cv_model_tag *tags, uint32_t n)
{
	if (n == 0)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter Tag");
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if (strcmp(tags[i].key, tags[k].key) == 0)
				return cv_aws_fail(call, "InvalidParameterValue",
						   "Duplicate tag key '%.128s' specified.",
						   tags[i].key);
		}
	}
	for (uint32_t i = 0; i < n_ids; i++) {
		const struct cv_model_meta *meta = NULL;

		if (resource_find(call, ids[i], &meta) < 0)
			return -EINVAL;
		if (n_after(meta, tags, n) > CV_MODEL_TAGS_MAX)
			return cv_aws_fail(call, "TagLimitExceeded",
					   "A resource has at most %d tags", CV_MODEL_TAGS_MAX);
	}
	return 0;
}

static bool is_among(const struct cv_model_tag *tags, uint32_t n, const struct cv_model_tag *tag)
{
	uint32_t i = 0;

	while (i < n && (strcmp(tags[i].key, tag->key) != 0 ||
			 (tags[i].value != NULL && strcmp(tags[i].value, tag->value) != 0)))
		i++;
	return i < n;
}

/* The tags that a rule will have; those that stay are the model's. */
static int rule_tags(struct aws_call *call, const struct cv_model_tags_change *req,
		     struct cv_model_rule *rule)
{
	struct cv_model_tag *tags =
		cv_aws_alloc(call, ((size_t)rule->n_tags + req->n_set + 1) * sizeof(*tags));
	uint32_t n = 0;

	if (tags == NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < rule->n_tags; i++) {
		uint32_t k = 0;

		while (k < req->n_set && strcmp(req->set[k].key, rule->tags[i].key) != 0)
			k++;
		if (k == req->n_set && !is_among(req->remove, req->n_remove, &rule->tags[i]))
			tags[n++] = rule->tags[i];
	}
	for (uint32_t i = 0; i < req->n_set; i++)
		tags[n++] = req->set[i];
	rule->tags = tags;
	rule->n_tags = n;
	return 0;
}

static int rule_change(struct aws_call *call, const struct cv_model_tags_change *req,
		       struct cv_model_errs *errs)
{
	struct cv_model_rule *rule = cv_aws_alloc(call, sizeof(*rule));
	struct cv_model_sg_change change = {.set = rule, .n_set = 1};
	struct ec2_rule_place place;

	if (rule == NULL || cv_aws_ec2_rule_place(call, req->ref, &place) < 0)
		return -EINVAL;
	*rule = *place.rule;
	change.sg = call->model->sgs[place.sg].id;
	change.egress = place.egress;
	if (rule_tags(call, req, rule) < 0)
		return -EINVAL;
	return cv_model_sg_change(call->model, &call->by, &change, errs);
}

static int tags_change(struct aws_call *call, const struct cv_model_tags_change *req)
{
	struct cv_model_errs errs = {0};
	int ret = is_rule(req->ref) ? rule_change(call, req, &errs)
				    : cv_model_tags_change(call->model, &call->by, req, &errs);

	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret;
}

static int create_tags(struct aws_call *call)
{
	uint32_t n_ids, n;
	const char *const *ids = cv_aws_strs(call, "ResourceId", &n_ids);
	struct cv_model_tag *tags;
	int ret = tags_read(call, false, &tags, &n);

	if (ret == 0)
		ret = create_check(call, ids, n_ids, tags, n);
	for (uint32_t i = 0; ret == 0 && i < n_ids; i++) {
		const struct cv_model_tags_change req = {.ref = ids[i], .set = tags, .n_set = n};

		ret = tags_change(call, &req);
	}
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* ---- DeleteTags ---- */

/* All the tags of a resource, in memory of the call: they go while they are read. */
static int all_tags(struct aws_call *call, const struct cv_model_meta *meta,
		    struct cv_model_tags_change *req)
{
	struct cv_model_tag *tags = cv_aws_alloc(call, (meta->n_tags + 1) * sizeof(*tags));

	if (tags == NULL)
		return -EINVAL;
	for (uint32_t i = 0; i < meta->n_tags; i++)
		tags[i].key = cv_aws_fmt(call, "%s", meta->tags[i].key);
	req->remove = tags;
	req->n_remove = meta->n_tags;
	return 0;
}

static int delete_tags(struct aws_call *call)
{
	uint32_t n_ids, n;
	const char *const *ids = cv_aws_strs(call, "ResourceId", &n_ids);
	const struct cv_model_meta *meta = NULL;
	struct cv_model_tag *tags;
	int ret = tags_read(call, true, &tags, &n);

	for (uint32_t i = 0; ret == 0 && i < n_ids; i++)
		ret = resource_find(call, ids[i], &meta);
	for (uint32_t i = 0; ret == 0 && i < n_ids; i++) {
		struct cv_model_tags_change req = {.ref = ids[i], .remove = tags, .n_remove = n};

		ret = resource_find(call, ids[i], &meta);
		if (ret == 0 && n == 0)
			ret = all_tags(call, meta, &req);
		if (ret == 0)
			ret = tags_change(call, &req);
	}
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

/* ---- DescribeTags ---- */

static void tag_write(struct aws_call *call, const char *id, const char *type,
		      const struct cv_model_tag *tag)
{
	cv_xml_item(call->out);
	cv_xml_str(call->out, "resourceId", id);
	cv_xml_str(call->out, "resourceType", type);
	cv_xml_str(call->out, "key", tag->key);
	cv_xml_str(call->out, "value", tag->value);
	cv_xml_close(call->out);
}

static void resource_tags(struct aws_call *call, const char *type, const char *id,
			  const struct cv_model_meta *meta)
{
	if (!cv_aws_filter(call, "resource-id", id) || !cv_aws_filter(call, "resource-type", type))
		return;
	for (uint32_t i = 0; i < meta->n_tags; i++) {
		struct cv_model_tag tag = meta->tags[i];
		const struct cv_model_meta one = {.tags = &tag, .n_tags = 1};

		if (cv_aws_filter(call, "key", tag.key) &&
		    cv_aws_filter(call, "value", tag.value) &&
		    cv_aws_filter(call, "tag-value", tag.value) && cv_aws_filter_tags(call, &one) &&
		    cv_aws_page_key(call, id, tag.key))
			tag_write(call, id, type, &tag);
	}
}

static void rules_tags(struct aws_call *call, const struct cv_model_rule *rules, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct cv_model_meta meta = {.tags = rules[i].tags,
						   .n_tags = rules[i].n_tags};

		if (meta.n_tags > 0)
			resource_tags(call, "security-group-rule", rules[i].id, &meta);
	}
}

static int describe_tags(struct aws_call *call)
{
	const struct cv_model *model = call->model;

	cv_aws_ec2_page_bound(call);
	cv_xml_open(call->out, "tagSet");
	for (size_t k = 0; k < CV_ARRAY_LEN(kinds); k++) {
		enum cv_model_kind kind = kinds[k].kind;

		for (uint32_t i = 0; i < cv_model_count(model, kind); i++) {
			const struct cv_model_meta *meta = cv_model_meta(model, kind, i, 0);

			if (!meta->gone && meta->n_tags > 0 &&
			    cv_model_owner(model, kind, i) == call->account)
				resource_tags(call, kinds[k].type, cv_model_id_at(model, kind, i),
					      meta);
		}
	}
	for (uint32_t i = 0; i < model->n_sgs; i++) {
		const struct cv_model_security_group *sg = &model->sgs[i];

		if (sg->meta.gone || model->vpcs[sg->vpc].owner != call->account)
			continue;
		rules_tags(call, sg->rules, sg->n_rules);
		rules_tags(call, sg->egress, sg->n_egress);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

/* ---- the table ---- */

static const struct aws_param create_params[] = {
	AWS_DRY_RUN,
	AWS_ID("ResourceId.N", AWS_REQUIRED),
	AWS_STR("Tag.N.Key", AWS_REQUIRED, 1, 128),
	AWS_STR("Tag.N.Value", 0, 0, 256),
};
static const struct aws_param delete_params[] = {
	AWS_DRY_RUN,
	AWS_ID("ResourceId.N", AWS_REQUIRED),
	AWS_STR("Tag.N.Key", 0, 1, 128),
	AWS_STR("Tag.N.Value", 0, 0, 256),
};
static const struct aws_param describe_params[] = {AWS_DRY_RUN, AWS_FILTERS, EC2_PAGES(5)};
static const char *const describe_filters[] = {"key",     "resource-id", "resource-type", "tag:*",
					       "tag-key", "tag-value",   "value",         NULL};

static const struct aws_action actions[] = {
	{
		.name = "CreateTags",
		.handle = create_tags,
		.flags = AWS_CHANGES,
		AWS_PARAMS(create_params),
	},
	{
		.name = "DeleteTags",
		.handle = delete_tags,
		.flags = AWS_CHANGES,
		AWS_PARAMS(delete_params),
	},
	{
		.name = "DescribeTags",
		.handle = describe_tags,
		AWS_PARAMS(describe_params),
		.filters = describe_filters,
		.page_default = EC2_PAGE_MAX,
		.answers =
			"tagSet.resourceId tagSet.resourceType tagSet.key tagSet.value nextToken",
	},
};

const struct aws_group cv_aws_ec2_tags_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
