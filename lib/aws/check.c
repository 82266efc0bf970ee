/* SPDX-License-Identifier: BSD-3-Clause */

/* Parameters against an action's declaration. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core_priv.h"

/* Elements of a list of texts at most, as AWS bounds lists of ids: each of them is looked up. */
#define LIST_MAX 1000

/* What the protocol itself takes, beside what actions declare. */
static const char *const protocol_names[] = {
	"Action",
	"Version",
	"X-Amz-Algorithm",
	"X-Amz-Credential",
	"X-Amz-Date",
	"X-Amz-Expires",
	"X-Amz-Signature",
	"X-Amz-SignedHeaders",
	"X-Amz-Security-Token",
};

/* A name with N for its positions. @param[out] general  shape [CV_QUERY_NAME_LEN_MAX + 1] */
static void name_generalise(const char *name, char *general)
{
	bool first = true;

	for (;;) {
		size_t len = strcspn(name, ".");

		if (!first && cv_query_is_pos(name, len)) {
			*general++ = 'N';
		} else {
			memcpy(general, name, len);
			general += len;
		}
		if (name[len] == '\0')
			break;
		*general++ = '.';
		name += len + 1;
		first = false;
	}
	*general = '\0';
}

static const struct aws_param *param_find(const struct aws_action *action, const char *general)
{
	for (uint32_t i = 0; i < action->n_params; i++) {
		const char *name = action->params[i].name;
		size_t len = strlen(name);

		if (strcmp(name, general) == 0 ||
		    (name[len - 1] == '*' && strncmp(name, general, len - 1) == 0))
			return &action->params[i];
	}
	return NULL;
}

/* An empty list is sent as its bare name by some clients: `SubnetId=`. */
static bool is_empty_list(const struct aws_action *action, const char *general, const char *value)
{
	size_t len = strlen(general);

	for (uint32_t i = 0; *value == '\0' && i < action->n_params; i++) {
		const char *name = action->params[i].name;

		if (strncmp(name, general, len) == 0 &&
		    (strcmp(name + len, ".N") == 0 || strncmp(name + len, ".N.", 3) == 0 ||
		     strcmp(name + len, ".*") == 0 || strncmp(name + len, ".member.N", 9) == 0))
			return true;
	}
	return false;
}

/* ---- values ---- */

static int CV_PRINTF(4, 5) fail_value(struct aws_call *call, const struct cv_query_param *param,
				      bool malformed, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (call->service->ec2)
		return cv_aws_fail(call, "InvalidParameterValue",
				   "Value (%.128s) for parameter %.80s is invalid. %s",
				   param->value, param->name, text);
	return cv_aws_fail(call, malformed ? "MalformedInput" : "ValidationError",
			   "Value '%.128s' at '%.128s' failed to satisfy constraint: %s",
			   param->value, param->name, text);
}

/* Characters, not bytes. */
static int64_t characters_count(const char *text)
{
	int64_t n = 0;

	for (; *text != '\0'; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

static int str_check(struct aws_call *call, const struct aws_param *row,
		     const struct cv_query_param *param)
{
	int64_t n = characters_count(param->value);

	if (n < row->min)
		return fail_value(call, param, false,
				  "Member must have length greater than or equal to %lld",
				  (long long)row->min);
	if (n > row->max)
		return fail_value(call, param, false,
				  "Member must have length less than or equal to %lld",
				  (long long)row->max);
	return 0;
}

static int int_check(struct aws_call *call, const struct aws_param *row,
		     const struct cv_query_param *param)
{
	const char *digits = param->value + (*param->value == '-');
	long long value;

	if (*digits == '\0' || strlen(digits) > 18 ||
	    strspn(digits, "0123456789") != strlen(digits))
		return fail_value(call, param, true, "Member must be an integer");
	value = strtoll(param->value, NULL, 10);
	if (value < row->min)
		return fail_value(call, param, false,
				  "Member must have value greater than or equal to %lld",
				  (long long)row->min);
	if (value > row->max)
		return fail_value(call, param, false,
				  "Member must have value less than or equal to %lld",
				  (long long)row->max);
	return 0;
}

static int enum_check(struct aws_call *call, const struct aws_param *row,
		      const struct cv_query_param *param)
{
	const char *choice = row->choices;
	size_t len = strlen(param->value);

	while (*choice != '\0') {
		size_t own = strcspn(choice, "|");

		if (own == len && memcmp(choice, param->value, len) == 0)
			return 0;
		choice += own;
		choice += *choice == '|';
	}
	return fail_value(call, param, false, "Member must be one of: %s", row->choices);
}

static int double_check(struct aws_call *call, const struct cv_query_param *param)
{
	char *end;

	if (strspn(param->value, "0123456789+-.eE") == strlen(param->value) &&
	    *param->value != '\0') {
		(void)strtod(param->value, &end);
		if (*end == '\0')
			return 0;
	}
	return fail_value(call, param, true, "Member must be a number");
}

static int value_check(struct aws_call *call, const struct aws_param *row,
		       const struct cv_query_param *param)
{
	time_t at;

	switch (row->type) {
	case AWS_TYPE_STR:
		return str_check(call, row, param);
	case AWS_TYPE_INT:
		return int_check(call, row, param);
	case AWS_TYPE_DOUBLE:
		return double_check(call, param);
	case AWS_TYPE_BOOL:
		if (strcasecmp(param->value, "true") == 0 || strcasecmp(param->value, "false") == 0)
			return 0;
		return fail_value(call, param, true, "Member must be true or false");
	case AWS_TYPE_ENUM:
		return enum_check(call, row, param);
	case AWS_TYPE_TIME:
		if (cv_aws_time_parse(param->value, &at))
			return 0;
		return fail_value(call, param, true, "Member must be a time in ISO 8601");
	case AWS_TYPE_LATE:
		return 0;
	case AWS_TYPE_REFUSE:
		break;
	}
	return cv_aws_fail(call, call->service->ec2 ? "UnsupportedOperation" : "ValidationError",
			   "The parameter %.80s is not supported here", param->name);
}

/* ---- what must be there ---- */

static int fail_missing(struct aws_call *call, const char *path, const char *name)
{
	const char *dot = *path != '\0' ? "." : "";

	if (call->service->ec2)
		return cv_aws_fail(call, "MissingParameter",
				   "The request must contain the parameter %s%s%s", path, dot,
				   name);
	return cv_aws_fail(call, "ValidationError", "%s%s%s is required: member must not be null",
			   path, dot, name);
}

/* What a path of a declaration asks for below a place: `Tags.member.N.Key`, `VpcId`, `SubnetId.N`. */
static int required_check(struct aws_call *call, const struct cv_query_node *at, const char *name)
{
	const char *list_end = strstr(name, ".N");
	bool last = list_end != NULL && list_end[2] == '\0';
	struct cv_query_iter iter = {0};
	char list[CV_QUERY_NAME_LEN_MAX + 1];

	if (list_end == NULL || last) {
		snprintf(list, sizeof(list), "%.*s",
			 (int)(last ? (size_t)(list_end - name) : strlen(name)), name);
		iter.list = cv_query_at(at, list);
		if (last ? cv_query_count(&iter.list) > 0 : cv_query_value(&iter.list) != NULL)
			return 0;
		return fail_missing(call, "", list);
	}
	snprintf(list, sizeof(list), "%.*s", (int)(list_end - name), name);
	iter.list = cv_query_at(at, list);
	while (cv_query_next(&iter)) {
		/* One level of elements is enough for what AWS asks for. */
		if (strstr(list_end + 3, ".N") == NULL &&
		    cv_query_str(&iter.item, list_end + 3) == NULL)
			return fail_missing(call, list, list_end + 3);
	}
	return 0;
}

static bool is_protocol(const char *name)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(protocol_names); i++) {
		if (strcmp(protocol_names[i], name) == 0)
			return true;
	}
	return false;
}

/* Elements of one list follow each other: parameters are sorted. */
static int list_check(struct aws_call *call, const char *general, const char *before, uint32_t *n)
{
	size_t len = strlen(general);

	*n = strcmp(general, before) == 0 ? *n + 1 : 1;
	if (*n <= LIST_MAX || len < 2 || strcmp(general + len - 2, ".N") != 0)
		return 0;
	return cv_aws_fail(call, call->service->ec2 ? "InvalidParameterValue" : "ValidationError",
			   "The list %.80s has more than %d elements", general, LIST_MAX);
}

int cv_aws_check(struct aws_call *call)
{
	const struct aws_action *action = call->action;
	char before[CV_QUERY_NAME_LEN_MAX + 1] = "";
	uint32_t n_alike = 0;

	for (uint32_t i = 0; i < call->params.n; i++) {
		const struct cv_query_param *param = &call->params.params[i];
		char general[CV_QUERY_NAME_LEN_MAX + 1];
		const struct aws_param *row;
		int ret;

		name_generalise(param->name, general);
		row = param_find(action, general);
		if (row == NULL &&
		    (is_protocol(param->name) || is_empty_list(action, general, param->value)))
			continue;
		if (row == NULL)
			return cv_aws_fail(
				call, call->service->ec2 ? "UnknownParameter" : "ValidationError",
				"The parameter %.128s is not recognized", param->name);
		ret = value_check(call, row, param);
		if (ret == 0)
			ret = list_check(call, general, before, &n_alike);
		if (ret < 0)
			return ret;
		strcpy(before, general);
	}
	for (uint32_t i = 0; i < action->n_params; i++) {
		if ((action->params[i].flags & AWS_REQUIRED) != 0) {
			int ret = required_check(call, &call->params, action->params[i].name);

			if (ret < 0)
				return ret;
		}
	}
	return 0;
}
