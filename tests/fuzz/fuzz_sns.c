/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Policies of topics and orders of the outbox on any bytes: what is no policy allows nothing, a refusal of
 * everything wins over whatever else is said, and an order that is read is written back as it was.
 */

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"

#include "notify_priv.h"
#include "sns_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define TOPIC "arn:aws:sns:us-east-1:111111111111:t"

static const struct sns_ask asks[] = {
	{.service = "vpce.amazonaws.com",
	 .account = "111111111111",
	 .source = "arn:aws:ec2:us-east-1:111111111111:vpc-endpoint-service/vpce-svc-1",
	 .action = "SNS:Publish",
	 .resource = TOPIC},
	{.account = "222222222222",
	 .principal = "arn:aws:iam::222222222222:user/alice",
	 .action = "SNS:Subscribe",
	 .resource = TOPIC},
};

/* The same statements and one that refuses everything to everybody. NULL: it has no list of them. */
static char *refuse_all(const char *policy)
{
	json_t *root = json_loads(policy, 0, NULL), *list = json_object_get(root, "Statement");
	char *text = NULL;

	if (json_is_array(list) &&
	    json_array_append_new(list, json_pack("{s:s, s:{s:s, s:s}, s:s}", "Effect", "Deny",
						  "Principal", "AWS", "*", "Service",
						  "vpce.amazonaws.com", "Action", "*")) == 0)
		text = json_dumps(root, 0);
	json_decref(root);
	return text;
}

static void policy_check(const char *text)
{
	const char *wrong = cv_aws_sns_policy_check(text);
	char *refused = refuse_all(text);
	json_t *root = json_loads(text, 0, NULL);

	cv_assert(wrong == NULL || *wrong != '\0');
	for (size_t i = 0; i < CV_ARRAY_LEN(asks); i++) {
		bool allowed = cv_aws_sns_policy_allows(text, &asks[i]);

		cv_assert(!allowed || (root != NULL && strstr(text, "Statement") != NULL));
		cv_assert(refused == NULL || !cv_aws_sns_policy_allows(refused, &asks[i]));
	}
	json_decref(root);
	free(refused);
}

static void order_check(const char *text)
{
	struct notify_order order, again;
	struct cv_notify_policy policy;
	char *written;

	if (cv_notify_order_read(text, &order) < 0)
		return;
	policy.retry = order.has_retry ? &order.retry : NULL;
	policy.per_second = order.per_second;
	policy.type = order.type;
	written = cv_notify_order(order.url, order.raw, &policy, &order.message);
	cv_assert(written != NULL && cv_notify_order_read(written, &again) == 0);
	cv_assert(strcmp(order.url, again.url) == 0 && order.raw == again.raw &&
		  strcmp(order.message.message, again.message.message) == 0 &&
		  order.message.version == again.message.version &&
		  order.has_retry == again.has_retry && order.per_second == again.per_second);
	for (uint32_t i = 0; order.has_retry && i < order.retry.n; i++)
		cv_assert(cv_notify_retry_wait(&order.retry, i) <= NOTIFY_WAIT_MAX);
	json_decref(again.json);
	json_decref(order.json);
	free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	cv_assert(text != NULL);
	memcpy(text, data, len);
	text[len] = '\0';
	policy_check(text);
	order_check(text);
	free(text);
	return 0;
}
