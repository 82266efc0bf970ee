/* SPDX-License-Identifier: BSD-3-Clause */

/* SNS: policies, what is signed, what is delivered. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "notify_priv.h"
#include "sns_priv.h"

#define TOPIC "arn:aws:sns:us-east-1:111111111111:t"
#define SOURCE "arn:aws:ec2:us-east-1:111111111111:vpc-endpoint-service/vpce-svc-1"

static const struct sns_ask vpce = {
	.service = "vpce.amazonaws.com",
	.account = "111111111111",
	.source = SOURCE,
	.action = "SNS:Publish",
	.resource = TOPIC,
};

#define POLICY(effect, rest) \
	"{\"Effect\":\"" effect "\",\"Principal\":{\"Service\":\"vpce.amazonaws.com\"}," rest "}"
#define ONE(effect, rest) "{\"Statement\":" POLICY(effect, rest) "}"
#define PUBLISH "\"Action\":\"SNS:Publish\""
#define UNLESS(condition)                                                      \
	"{\"Statement\":[" POLICY("Allow", PUBLISH) "," POLICY("Deny", PUBLISH \
							       ",\"Condition\":" condition) "]}"

static void policies_allow(void **state)
{
	static const struct {
		bool allowed;
		const char *policy;
	} cases[] = {
		{true, ONE("Allow", PUBLISH)},
		{true, ONE("Allow", "\"Action\":[\"sns:Get*\",\"sns:publish\"]")},
		{true, ONE("Allow", PUBLISH ",\"Resource\":\"arn:aws:sns:*:t\"")},
		{true, ONE("Allow", PUBLISH ",\"Condition\":{\"ArnLike\":{\"aws:SourceArn\":"
					    "\"arn:aws:ec2:*:vpc-endpoint-service/*\"},"
					    "\"StringEquals\":{\"aws:SourceAccount\":"
					    "\"111111111111\"}}")},
		{true, "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\"," PUBLISH "}]}"},
		{false, ONE("Deny", PUBLISH)},
		{false,
		 "{\"Statement\":[" POLICY("Allow", PUBLISH) "," POLICY("Deny", PUBLISH) "]}"},
		{false, ONE("Allow", "\"Action\":\"SNS:Subscribe\"")},
		{false, ONE("Allow", PUBLISH ",\"Resource\":\"" TOPIC "2\"")},
		{false, ONE("Allow", PUBLISH ",\"Condition\":{\"StringEquals\":{"
					     "\"aws:SourceAccount\":\"222222222222\"}}")},
		{false, ONE("Allow", PUBLISH ",\"Condition\":{\"StringNotLike\":{"
					     "\"aws:SourceArn\":\"*\"}}")},
		{false, ONE("Allow", PUBLISH ",\"Condition\":{\"Bool\":{\"aws:x\":\"true\"}}")},
		{false, "{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
			"\"s3.amazonaws.com\"}," PUBLISH "}}"},
		{false,
		 "{\"Statement\":[" POLICY(
			 "Allow",
			 PUBLISH) ",{\"Effect\":\"Deny\",\"NotPrincipal\":{\"AWS\":\"1\"}," PUBLISH
				  "}]}"},
		{false,
		 "{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"*\"}," PUBLISH
		 ",\"Condition\":{\"StringEquals\":{\"AWS:SourceOwner\":"
		 "\"111111111111\"}}}}"},
		/* What is not understood. */
		{false, ONE("Allow", PUBLISH ",\"NotResource\":\"" TOPIC "2\"")},
		{false, ONE("Allow", PUBLISH ",\"NotAction\":\"SNS:Subscribe\"")},
		{false, ONE("Allow", PUBLISH ",\"Condition\":\"never\"")},
		{false, ONE("Allow", PUBLISH ",\"Condition\":{\"StringEquals\":\"never\"}")},
		{false, "{\"Statement\":[" POLICY("Allow", PUBLISH) "," POLICY(
				"Deny", PUBLISH ",\"Condition\":[\"always\"]") "]}"},
		{false, UNLESS("{\"StringEquals\":{\"sns:Protocol\":\"http\"}}")},
		{false, UNLESS("{\"StringEquals\":{\"aws:SourceAccount\":111111111111}}")},
		{false, UNLESS("{\"StringEquals\":{\"aws:SourceAccount\":[222222222222]}}")},
		{true, UNLESS("{\"StringEquals\":{\"aws:SourceAccount\":\"222222222222\"}}")},
		{true, UNLESS("{\"StringEquals\":{\"sns:Protocol\":\"http\","
			      "\"aws:SourceAccount\":\"222222222222\"}}")},
		{false, ONE("Allow", PUBLISH ",\"Condition\":{\"StringNotEquals\":{"
					     "\"sns:Protocol\":\"http\"}}")},
		{false, ONE("Allow", PUBLISH ",\"Condition\":{\"StringNotEquals\":{"
					     "\"aws:SourceAccount\":222222222222}}")},
		{false, "{}"},
		{false, "no JSON"},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		if (cv_aws_sns_policy_allows(cases[i].policy, &vpce) != cases[i].allowed)
			fail_msg("%s", cases[i].policy);
	}
}

static void policies_are_checked(void **state)
{
	(void)state;
	assert_null(cv_aws_sns_policy_check(ONE("Allow", PUBLISH)));
	assert_non_null(cv_aws_sns_policy_check("{"));
	assert_non_null(cv_aws_sns_policy_check("{\"Statement\":[]}"));
	assert_non_null(cv_aws_sns_policy_check(ONE("Perhaps", PUBLISH)));
	assert_non_null(cv_aws_sns_policy_check(ONE("Allow", "\"Resource\":\"*\"")));
	assert_non_null(
		cv_aws_sns_policy_check("{\"Statement\":{\"Effect\":\"Allow\"," PUBLISH "}}"));
}

static struct cv_notify_message message_make(void)
{
	return (struct cv_notify_message){
		.type = "Notification",
		.id = "id",
		.topic = TOPIC,
		.subject = "subject",
		.message = "a\nb",
		.time = "2026-11-21T21:30:11.000Z",
		.base = "http://127.0.0.1:1",
		.subscription = TOPIC ":s",
		.version = 1,
	};
}

static void canonical_has_members_in_order(void **state)
{
	struct cv_notify_message message = message_make();
	char *text = cv_notify_canonical(&message);

	(void)state;
	assert_string_equal(text,
			    "Message\na\nb\nMessageId\nid\nSubject\nsubject\nTimestamp\n"
			    "2026-11-21T21:30:11.000Z\nTopicArn\n" TOPIC "\nType\nNotification\n");
	free(text);
	message.type = "SubscriptionConfirmation";
	message.token = "tok";
	text = cv_notify_canonical(&message);
	assert_string_equal(text, "Message\na\nb\nMessageId\nid\nSubscribeURL\nhttp://127.0.0.1:1/"
				  "?Action=ConfirmSubscription&TopicArn=" TOPIC
				  "&Token=tok\nTimestamp\n2026-11-21T21:30:11.000Z\nToken\ntok\n"
				  "TopicArn\n" TOPIC "\nType\nSubscriptionConfirmation\n");
	free(text);
}

static bool is_signed(const char *cert_pem, const char *text, const char *sig, const EVP_MD *hash)
{
	BIO *bio = BIO_new_mem_buf(cert_pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char raw[1024];
	bool good;

	assert_int_equal(EVP_DecodeBlock(raw, (const unsigned char *)sig, (int)strlen(sig)), 258);
	good = EVP_DigestVerifyInit(ctx, NULL, hash, NULL, X509_get0_pubkey(cert)) == 1 &&
	       EVP_DigestVerify(ctx, raw, 256, (const unsigned char *)text, strlen(text)) == 1;
	EVP_MD_CTX_free(ctx);
	X509_free(cert);
	BIO_free(bio);
	return good;
}

static void envelopes_are_signed(void **state)
{
	struct cv_notify_message message = message_make();
	struct cv_notify_key *key = NULL, *other = NULL;
	char *key_pem[2], *cert_pem[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(cv_notify_key_make(time(NULL), &key_pem[i], &cert_pem[i]), 0);
	assert_int_equal(cv_notify_key_open(key_pem[0], cert_pem[1], &other), -EINVAL);
	assert_int_equal(cv_notify_key_open("x", cert_pem[0], &other), -EINVAL);
	assert_int_equal(cv_notify_key_open(key_pem[0], cert_pem[0], &key), 0);
	for (message.version = 1; message.version <= 2; message.version++) {
		char *text = cv_notify_envelope(key, &message);
		char *canonical = cv_notify_canonical(&message);
		json_t *json = json_loads(text, 0, NULL);
		const char *sig = json_string_value(json_object_get(json, "Signature"));

		assert_true(is_signed(cert_pem[0], canonical, sig,
				      message.version == 2 ? EVP_sha256() : EVP_sha1()));
		assert_string_equal(json_string_value(json_object_get(json, "SignatureVersion")),
				    message.version == 2 ? "2" : "1");
		assert_string_equal(json_string_value(json_object_get(json, "UnsubscribeURL")),
				    "http://127.0.0.1:1/?Action=Unsubscribe&SubscriptionArn=" TOPIC
				    ":s");
		assert_null(json_object_get(json, "SubscribeURL"));
		assert_null(json_object_get(json, "Token"));
		json_decref(json);
		free(canonical);
		free(text);
	}
	cv_notify_key_close(key);
	for (int i = 0; i < 2; i++) {
		free(key_pem[i]);
		free(cert_pem[i]);
	}
}

static void orders_are_read_as_written(void **state)
{
	struct cv_notify_message message = message_make();
	char *text = cv_notify_order("http://x/", true, NULL, &message);
	struct notify_order order;

	(void)state;
	assert_int_equal(cv_notify_order_read(text, &order), 0);
	assert_string_equal(order.url, "http://x/");
	assert_true(order.raw);
	assert_string_equal(order.message.message, message.message);
	assert_string_equal(order.message.subscription, message.subscription);
	assert_null(order.message.token);
	assert_false(order.has_retry);
	assert_null(order.type);
	assert_int_equal(order.per_second, 0);
	json_decref(order.json);
	free(text);
	assert_int_equal(cv_notify_order_read("{}", &order), -EINVAL);
}

/* What the outbox holds may be older than that, or damaged: it is delivered as if it said nothing. */
static void orders_say_how_they_are_delivered(void **state)
{
	static const char *const bad[] = {"[]",
					  "[3,0,0,0,1]",
					  "[3,2,2,0,1,1,0]",
					  "[3,0,0,0,2,1,0]",
					  "[3,0,0,0,0,1,0]",
					  "[3,0,0,0,1,3601,0]",
					  "[101,0,0,0,1,1,0]",
					  "[3,0,0,0,1,1,4]",
					  "[3,-1,0,0,1,1,0]",
					  "[3,0,0,0,1,1,0,0]",
					  "{}",
					  "7"};
	const struct cv_notify_retry retry = {.n = 9,
					      .n_no_delay = 1,
					      .n_min_delay = 2,
					      .n_max_delay = 3,
					      .min_s = 4,
					      .max_s = 5,
					      .backoff = CV_NOTIFY_GEOMETRIC};
	const struct cv_notify_policy policy = {
		.retry = &retry, .per_second = 7, .type = "text/css"};
	struct cv_notify_message message = message_make();
	char *text = cv_notify_order("http://x/", true, &policy, &message), *worse;
	struct notify_order order;
	json_t *json;

	(void)state;
	assert_int_equal(cv_notify_order_read(text, &order), 0);
	assert_true(order.has_retry);
	assert_memory_equal(&order.retry, &retry, sizeof(retry));
	assert_int_equal(order.per_second, 7);
	assert_string_equal(order.type, "text/css");
	json_decref(order.json);
	json = json_loads(text, 0, NULL);
	free(text);
	for (size_t i = 0; i < CV_ARRAY_LEN(bad); i++) {
		json_object_set_new(json, "retry", json_loads(bad[i], JSON_DECODE_ANY, NULL));
		worse = json_dumps(json, 0);
		assert_int_equal(cv_notify_order_read(worse, &order), 0);
		assert_false(order.has_retry);
		json_decref(order.json);
		free(worse);
	}
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_allow),
		cmocka_unit_test(policies_are_checked),
		cmocka_unit_test(canonical_has_members_in_order),
		cmocka_unit_test(envelopes_are_signed),
		cmocka_unit_test(orders_are_read_as_written),
		cmocka_unit_test(orders_say_how_they_are_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
