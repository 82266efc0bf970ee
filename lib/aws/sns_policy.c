/* SPDX-License-Identifier: BSD-3-Clause */

/* Access policies of topics. What is not understood allows nothing, and denies. */

#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "sns_priv.h"

/* Tells whether one of a text or a list of texts fits. */
static bool any(const json_t *texts, bool (*fits)(const char *text, const void *arg),
		const void *arg)
{
	size_t i;
	const json_t *text;

	if (json_is_string(texts))
		return fits(json_string_value(texts), arg);
	json_array_foreach(texts, i, text)
	{
		if (json_is_string(text) && fits(json_string_value(text), arg))
			return true;
	}
	return false;
}

static bool pattern_fits(const char *pattern, const void *arg)
{
	return cv_aws_glob(pattern, arg);
}

/* Actions have no case. */
static bool action_fits(const char *pattern, const void *arg)
{
	char lower[2][64];
	const char *const texts[2] = {pattern, arg};

	for (size_t i = 0; i < 2; i++) {
		size_t k = 0;

		for (; texts[i][k] != '\0' && k < sizeof(lower[i]) - 1; k++)
			lower[i][k] = (char)(texts[i][k] |
					     (texts[i][k] >= 'A' && texts[i][k] <= 'Z' ? 0x20 : 0));
		lower[i][k] = '\0';
	}
	return cv_aws_glob(lower[0], lower[1]);
}

static bool text_fits(const char *text, const void *arg)
{
	return arg != NULL && strcmp(text, arg) == 0;
}

static bool text_case_fits(const char *text, const void *arg)
{
	return arg != NULL && strcasecmp(text, arg) == 0;
}

static bool glob_fits(const char *pattern, const void *arg)
{
	return arg != NULL && cv_aws_glob(pattern, arg);
}

static bool account_fits(const char *text, const void *arg)
{
	const struct sns_ask *ask = arg;
	size_t len = strlen(text);

	if (strcmp(text, "*") == 0 || strcmp(text, ask->account) == 0 ||
	    strcmp(text, ask->principal) == 0)
		return true;
	/* arn:aws:iam::ACCOUNT:root stands for the account. */
	return len > 18 && strncmp(text, "arn:aws", 7) == 0 &&
	       strcmp(text + len - 5, ":root") == 0 &&
	       strncmp(text + len - 17, ask->account, 12) == 0;
}

static bool principal_fits(const json_t *principal, const struct sns_ask *ask)
{
	if (json_is_string(principal))
		return strcmp(json_string_value(principal), "*") == 0;
	if (ask->service != NULL)
		return any(json_object_get(principal, "Service"), text_fits, ask->service) ||
		       any(json_object_get(principal, "AWS"), text_fits, "*");
	return any(json_object_get(principal, "AWS"), account_fits, ask);
}

static bool are_texts(const json_t *texts)
{
	size_t i;
	const json_t *text;

	json_array_foreach(texts, i, text)
	{
		if (!json_is_string(text))
			return false;
	}
	return json_is_string(texts) || json_is_array(texts);
}

/* @return whether the key is understood; its value is NULL if the request has none */
static bool key_value(const char *key, const struct sns_ask *ask, const char **value)
{
	if (strcasecmp(key, "aws:SourceArn") == 0)
		*value = ask->source;
	/* The first policy of a topic goes by the owner: it must not let services in. */
	else if (strcasecmp(key, "aws:SourceOwner") == 0)
		*value = ask->service == NULL ? ask->account : NULL;
	else if (strcasecmp(key, "aws:SourceAccount") == 0)
		*value = ask->account;
	else if (strcasecmp(key, "aws:PrincipalArn") == 0)
		*value = ask->principal;
	else
		return false;
	return true;
}

static const struct {
	const char *name;
	bool (*fits)(const char *text, const void *arg);
	bool negated; /* one that fits is one too many */
} operators[] = {
	{"StringEquals", text_fits, false}, {"StringEqualsIgnoreCase", text_case_fits, false},
	{"StringLike", glob_fits, false},   {"ArnEquals", glob_fits, false},
	{"ArnLike", glob_fits, false},      {"StringNotEquals", text_fits, true},
	{"StringNotLike", glob_fits, true}, {"ArnNotEquals", glob_fits, true},
	{"ArnNotLike", glob_fits, true},
};

/* @param unknown  what one that is not understood is taken for */
static bool operator_holds(const char *name, json_t *keys, const struct sns_ask *ask, bool unknown)
{
	const char *key, *value;
	json_t *values;
	bool holds;

	for (size_t i = 0; i < CV_ARRAY_LEN(operators); i++) {
		if (strcmp(operators[i].name, name) != 0)
			continue;
		if (!json_is_object(keys))
			return unknown;
		json_object_foreach(keys, key, values)
		{
			holds = unknown;
			if (key_value(key, ask, &value) && are_texts(values))
				holds = any(values, operators[i].fits, value) !=
					operators[i].negated;
			if (!holds)
				return false;
		}
		return true;
	}
	return unknown;
}

static bool statement_fits(const json_t *statement, const struct sns_ask *ask, bool deny)
{
	json_t *conditions = json_object_get(statement, "Condition"), *keys;
	const json_t *resource = json_object_get(statement, "Resource");
	const char *name;

	if (!principal_fits(json_object_get(statement, "Principal"), ask) ||
	    !any(json_object_get(statement, "Action"), action_fits, ask->action) ||
	    (resource != NULL && !any(resource, pattern_fits, ask->resource)))
		return false;
	if (conditions != NULL && !json_is_object(conditions))
		return deny;
	json_object_foreach(conditions, name, keys)
	{
		if (!operator_holds(name, keys, ask, deny))
			return false;
	}
	return true;
}

static void statement_weigh(const json_t *statement, const struct sns_ask *ask, bool *allowed,
			    bool *denied)
{
	const char *effect = json_string_value(json_object_get(statement, "Effect"));
	bool deny = effect == NULL || strcmp(effect, "Allow") != 0;

	/* All but some is not understood: a refusal of it is taken as one of all. */
	if (json_object_get(statement, "NotPrincipal") != NULL ||
	    json_object_get(statement, "NotAction") != NULL ||
	    json_object_get(statement, "NotResource") != NULL)
		*denied = *denied || deny;
	else if (statement_fits(statement, ask, deny))
		*(deny ? denied : allowed) = true;
}

bool cv_aws_sns_policy_allows(const char *policy, const struct sns_ask *ask)
{
	json_t *root = json_loads(policy, 0, NULL);
	const json_t *statements = json_object_get(root, "Statement"), *statement;
	bool allowed = false, denied = false;
	size_t i;

	if (json_is_object(statements))
		statement_weigh(statements, ask, &allowed, &denied);
	json_array_foreach(statements, i, statement)
		statement_weigh(statement, ask, &allowed, &denied);
	json_decref(root);
	return allowed && !denied;
}

static const char *statement_check(const json_t *statement)
{
	const char *effect = json_string_value(json_object_get(statement, "Effect"));

	if (effect == NULL || (strcmp(effect, "Allow") != 0 && strcmp(effect, "Deny") != 0))
		return "Effect must be Allow or Deny";
	if (json_object_get(statement, "Principal") == NULL &&
	    json_object_get(statement, "NotPrincipal") == NULL)
		return "a statement needs a Principal";
	if (json_object_get(statement, "Action") == NULL &&
	    json_object_get(statement, "NotAction") == NULL)
		return "a statement needs an Action";
	return NULL;
}

const char *cv_aws_sns_policy_check(const char *policy)
{
	json_t *root = json_loads(policy, JSON_REJECT_DUPLICATES, NULL);
	const json_t *statements = json_object_get(root, "Statement"), *statement;
	const char *wrong = NULL;
	size_t i;

	if (root == NULL)
		wrong = "it is not JSON";
	else if (json_is_object(statements))
		wrong = statement_check(statements);
	else if (json_array_size(statements) == 0)
		wrong = "it has no Statement";
	json_array_foreach(statements, i, statement)
	{
		if (wrong == NULL)
			wrong = statement_check(statement);
	}
	json_decref(root);
	return wrong;
}

const char *cv_aws_sns_policy_first(struct aws_call *call, const char *topic)
{
	return cv_aws_fmt(
		call,
		"{\"Version\":\"2008-10-17\",\"Id\":\"__default_policy_ID\",\"Statement\":[{"
		"\"Sid\":\"__default_statement_ID\",\"Effect\":\"Allow\",\"Principal\":{\"AWS\":"
		"\"*\"},\"Action\":[\"SNS:GetTopicAttributes\",\"SNS:SetTopicAttributes\","
		"\"SNS:AddPermission\",\"SNS:RemovePermission\",\"SNS:DeleteTopic\","
		"\"SNS:Subscribe\",\"SNS:ListSubscriptionsByTopic\",\"SNS:Publish\"],"
		"\"Resource\":\"%s\",\"Condition\":{\"StringEquals\":{\"AWS:SourceOwner\":"
		"\"%s\"}}}]}",
		topic, call->caller.account_id);
}
