/* SPDX-License-Identifier: BSD-3-Clause */

/* Filters and tags. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core_priv.h"

/* As AWS has them. */
#define FILTERS_MAX 50
#define FILTER_VALUES_MAX 200
#define TAGS_MAX 50

/* Steps of matching that one run of an action may take, some 50 ms: control has other things to do. */
#define STEPS_MAX (UINT64_C(30) * 1000 * 1000)

struct aws_filter {
	const char *name;
	const char **values; /* shape [n_values] */
	uint32_t n_values;
	uint64_t steps; /* of the first: those of all */
};

/* Adds what it takes to *steps: up to the product of the lengths. */
static bool glob(const char *pattern, const char *text, uint64_t *steps)
{
	const char *star = NULL, *from = NULL;

	for (;; ++*steps) {
		char want = *pattern;
		bool exact = false;

		if (want == '*') {
			star = ++pattern;
			from = text;
			continue;
		}
		if (want == '\\' && pattern[1] != '\0') {
			want = pattern[1];
			exact = true;
		}
		if (*text == '\0' && want == '\0')
			return true;
		if (*text != '\0' && want != '\0' && (want == *text || (want == '?' && !exact))) {
			pattern += exact ? 2 : 1;
			text++;
			continue;
		}
		/* Only the last star is tried again: those before took as little as they could. */
		if (star == NULL || *from == '\0')
			return false;
		pattern = star;
		text = ++from;
	}
}

bool cv_aws_glob(const char *pattern, const char *text)
{
	uint64_t steps = 0;

	return glob(pattern, text, &steps);
}

static bool name_is_known(const char *const *names, const char *name)
{
	for (; names != NULL && *names != NULL; names++) {
		if (strcmp(*names, "tag:*") == 0 && strncmp(name, "tag:", 4) == 0 &&
		    name[4] != '\0')
			return true;
		if (strcmp(*names, name) == 0)
			return true;
	}
	return names == NULL;
}

static int filter_read(struct aws_call *call, const struct cv_query_node *item,
		       struct aws_filter *filter)
{
	struct cv_query_iter iter = {.list = cv_query_at(item, "Value")};
	uint32_t n = cv_query_count(&iter.list);

	filter->name = cv_query_str(item, "Name");
	if (filter->name == NULL)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter Filter.Name");
	if (!name_is_known(call->action->filters, filter->name))
		return cv_aws_fail(call,
				   /* PrivateLink's actions have a code of their own for it. */
				   strstr(call->action->name, "VpcEndpoint") != NULL
					   ? "InvalidFilter"
					   : "InvalidParameterValue",
				   "The filter '%.128s' is invalid", filter->name);
	if (n == 0)
		return cv_aws_fail(call, "InvalidParameterValue",
				   "The filter '%.128s' has no value", filter->name);
	if (n > FILTER_VALUES_MAX)
		return cv_aws_fail(call, "FilterLimitExceeded",
				   "The filter '%.128s' has more than %d values", filter->name,
				   FILTER_VALUES_MAX);
	filter->values = cv_aws_alloc(call, n * sizeof(*filter->values));
	if (filter->values == NULL)
		return -EINVAL;
	while (cv_query_next(&iter)) {
		const char *value = cv_query_value(&iter.item);

		filter->values[filter->n_values++] = value != NULL ? value : "";
	}
	return 0;
}

int cv_aws_filters_read(struct aws_call *call)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "Filter")};
	uint32_t n = cv_query_count(&iter.list);

	if (n == 0)
		return 0;
	if (n > FILTERS_MAX)
		return cv_aws_fail(call, "FilterLimitExceeded", "A request has at most %d filters",
				   FILTERS_MAX);
	call->filters = cv_aws_alloc(call, n * sizeof(*call->filters));
	if (call->filters == NULL)
		return -EINVAL;
	while (cv_query_next(&iter)) {
		int ret = filter_read(call, &iter.item, &call->filters[call->n_filters]);

		if (ret < 0)
			return ret;
		call->n_filters++;
	}
	return 0;
}

/* Once the steps are used up, nothing passes, and the call fails in the end. */
static bool filter_passes(const struct aws_call *call, const struct aws_filter *filter,
			  const char *const *values, uint32_t n)
{
	uint64_t *steps = &call->filters[0].steps;

	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; values[i] != NULL && k < filter->n_values; k++) {
			if (++*steps > STEPS_MAX)
				return false;
			if (glob(filter->values[k], values[i], steps))
				return true;
		}
	}
	return false;
}

void cv_aws_filters_begin(struct aws_call *call)
{
	if (call->n_filters > 0 && call->filters[0].steps <= STEPS_MAX)
		call->filters[0].steps = 0;
}

int cv_aws_filters_end(struct aws_call *call)
{
	if (call->n_filters == 0 || call->filters[0].steps <= STEPS_MAX)
		return 0;
	return cv_aws_fail(call, "FilterLimitExceeded",
			   "The filters take too long: use fewer values and wildcards");
}

bool cv_aws_filter_any(const struct aws_call *call, const char *name, const char *const *values,
		       uint32_t n)
{
	for (uint32_t i = 0; i < call->n_filters; i++) {
		if (strcmp(call->filters[i].name, name) == 0 &&
		    !filter_passes(call, &call->filters[i], values, n))
			return false;
	}
	return true;
}

bool cv_aws_filter(const struct aws_call *call, const char *name, const char *value)
{
	return cv_aws_filter_any(call, name, &value, 1);
}

bool cv_aws_filter_bool(const struct aws_call *call, const char *name, bool value)
{
	return cv_aws_filter(call, name, value ? "true" : "false");
}

static bool tag_passes(const struct aws_call *call, const struct aws_filter *filter,
		       const struct cv_model_tag *tag)
{
	if (strcmp(filter->name, "tag-key") == 0)
		return filter_passes(call, filter, &tag->key, 1);
	return strcmp(filter->name + 4, tag->key) == 0 &&
	       filter_passes(call, filter, &tag->value, 1);
}

bool cv_aws_filter_tags(const struct aws_call *call, const struct cv_model_meta *meta)
{
	for (uint32_t i = 0; i < call->n_filters; i++) {
		const struct aws_filter *filter = &call->filters[i];
		bool passes = false;

		if (strcmp(filter->name, "tag-key") != 0 && strncmp(filter->name, "tag:", 4) != 0)
			continue;
		for (uint32_t k = 0; k < meta->n_tags && !passes; k++)
			passes = tag_passes(call, filter, &meta->tags[k]);
		if (!passes)
			return false;
	}
	return true;
}

/* ---- tags ---- */

static int tag_check(struct aws_call *call, const struct cv_model_tag *tags, uint32_t n)
{
	const struct cv_model_tag *tag = &tags[n];
	const char *code = call->service->ec2 ? "InvalidParameterValue" : "ValidationError";

	if (tag->key == NULL)
		return cv_aws_fail(call, call->service->ec2 ? "MissingParameter" : code,
				   "The request must contain the parameter Tag.Key");
	if (strncasecmp(tag->key, "aws:", 4) == 0)
		return cv_aws_fail(call, code,
				   "Tag keys starting with 'aws:' are reserved for internal use");
	for (uint32_t i = 0; i < n; i++) {
		if (strcmp(tags[i].key, tag->key) == 0)
			return cv_aws_fail(call, call->service->ec2 ? code : "DuplicateTagKeys",
					   "Duplicate tag key '%.128s' specified.", tag->key);
	}
	return 0;
}

static int tags_read(struct aws_call *call, const struct cv_query_node *list,
		     struct cv_model_tag *tags, uint32_t *n)
{
	struct cv_query_iter iter = {.list = *list};

	while (cv_query_next(&iter)) {
		const char *value = cv_query_str(&iter.item, "Value");
		int ret;

		if (*n == TAGS_MAX)
			return cv_aws_fail(call,
					   call->service->ec2 ? "TagLimitExceeded" : "TooManyTags",
					   "A resource has at most %d tags", TAGS_MAX);
		tags[*n] = (struct cv_model_tag){cv_query_str(&iter.item, "Key"),
						 value != NULL ? value : ""};
		ret = tag_check(call, tags, *n);
		if (ret < 0)
			return ret;
		(*n)++;
	}
	return 0;
}

void cv_aws_tag_set(struct aws_call *call, const struct cv_model_tag *tags, uint32_t n)
{
	cv_xml_open(call->out, "tagSet");
	for (uint32_t i = 0; i < n; i++) {
		cv_xml_item(call->out);
		cv_xml_str(call->out, "key", tags[i].key);
		cv_xml_str(call->out, "value", tags[i].value);
		cv_xml_close(call->out);
	}
	cv_xml_close(call->out);
}

int cv_aws_tags(struct aws_call *call, const char *resource_type,
		const struct cv_model_tag **ret_tags, uint32_t *ret_n)
{
	struct cv_model_tag *tags = cv_aws_alloc(call, TAGS_MAX * sizeof(*tags));
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "TagSpecification")};
	uint32_t n = 0;
	int ret = tags != NULL ? 0 : -EINVAL;

	if (ret == 0 && resource_type == NULL) {
		struct cv_query_node list = cv_query_at(&call->params, "Tags.member");

		ret = tags_read(call, &list, tags, &n);
	}
	while (ret == 0 && resource_type != NULL && cv_query_next(&iter)) {
		struct cv_query_node list = cv_query_at(&iter.item, "Tag");
		const char *type = cv_query_str(&iter.item, "ResourceType");

		if (type == NULL || strcmp(type, resource_type) != 0)
			ret = cv_aws_fail(call, "InvalidParameterValue",
					  "'%.64s' is not a valid taggable resource type for this "
					  "operation.",
					  type != NULL ? type : "");
		else
			ret = tags_read(call, &list, tags, &n);
	}
	if (ret < 0)
		return ret;
	*ret_tags = tags;
	*ret_n = n;
	return 0;
}
