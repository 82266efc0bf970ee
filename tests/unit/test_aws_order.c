/* SPDX-License-Identifier: BSD-3-Clause */

/* A request as a whole: what is said first when much is wrong, and with which HTTP status. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "aws_world.h"

#define KEY_ID "AKIDEXAMPLE000000001"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define DAY "20261121"
#define FORM "application/x-www-form-urlencoded"
#define CBOR_PATH "/service/GraniteServiceVersion20100801/operation/GetMetricData"

/* ---- a client ---- */

static char authorization[512];
static struct cv_sigv4_header headers[6];

static struct cv_sigv4_request request_make(const char *path, const char *type, const char *body)
{
	const struct cv_sigv4_request request = {
		.method = "POST",
		.path = path,
		.query = "",
		.headers = headers,
		.n_headers = 3,
		.body = body,
		.body_len = strlen(body),
	};

	headers[0] = (struct cv_sigv4_header){"Host", "127.0.0.1:1"};
	headers[1] = (struct cv_sigv4_header){"X-Amz-Date", DAY "T213011Z"};
	headers[2] = (struct cv_sigv4_header){"Content-Type", type};
	return request;
}

static void hmac(uint8_t *key, unsigned int *len, const char *text)
{
	uint8_t out[EVP_MAX_MD_SIZE];

	assert_non_null(
		HMAC(EVP_sha256(), key, (int)*len, (const uint8_t *)text, strlen(text), out, len));
	memcpy(key, out, *len);
}

static void hex(const uint8_t *bytes, unsigned int len, char *text)
{
	for (unsigned int i = 0; i < len; i++)
		snprintf(text + (size_t)2 * i, 3, "%02x", bytes[i]);
}

static void signature_set(struct cv_sigv4_request *request, const char *service, const char *sig)
{
	snprintf(authorization, sizeof(authorization),
		 "AWS4-HMAC-SHA256 Credential=" KEY_ID "/" DAY "/us-east-1/%s/aws4_request, "
		 "SignedHeaders=content-type;host;x-amz-date, Signature=%s",
		 service, sig);
	headers[3] = (struct cv_sigv4_header){"Authorization", authorization};
	request->n_headers = 4;
}

static void sign(struct cv_sigv4_request *request, const char *service)
{
	uint8_t key[EVP_MAX_MD_SIZE] = "AWS4" SECRET, hash[EVP_MAX_MD_SIZE];
	unsigned int len = sizeof("AWS4" SECRET) - 1, hash_len;
	char sig[CV_SIGV4_HEX_LEN + 1] = "", text[512];
	struct cv_sigv4_auth auth;
	char *canonical;

	memset(sig, '0', CV_SIGV4_HEX_LEN);
	signature_set(request, service, sig);
	assert_int_equal(cv_sigv4_parse(request, &auth), CV_SIGV4_OK);
	canonical = cv_sigv4_canonical(request, &auth);
	assert_non_null(canonical);
	assert_int_equal(
		EVP_Digest(canonical, strlen(canonical), hash, &hash_len, EVP_sha256(), NULL), 1);
	hex(hash, hash_len, sig);
	snprintf(text, sizeof(text),
		 "AWS4-HMAC-SHA256\n" DAY "T213011Z\n" DAY "/us-east-1/%s/aws4_request\n%s",
		 service, sig);
	hmac(key, &len, DAY);
	hmac(key, &len, "us-east-1");
	hmac(key, &len, service);
	hmac(key, &len, "aws4_request");
	hmac(key, &len, text);
	hex(key, len, sig);
	signature_set(request, service, sig);
	free(canonical);
	cv_sigv4_auth_fini(&auth);
}

/* ---- a server ---- */

static time_t then(void)
{
	return 1795296611;
}

static int control(void *arg, bool change, cv_aws_fn *fn, void *fn_arg)
{
	(void)arg;
	(void)change;
	return fn(NULL, m, fn_arg);
}

static struct cv_aws *server_make(const char *principal, uint32_t burst)
{
	char file[] = "/tmp/culvert-test-order-XXXXXX";
	const struct cv_aws_cfg cfg = {
		.credentials_file = file,
		.region = "us-east-1",
		.now = then,
		.rate = burst > 0,
		.burst = burst,
		.ops = {.call = control},
	};
	struct cv_aws *server = NULL;
	struct cv_errs why = {0};
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	dprintf(fd,
		"{\"keys\": [{\"access_key_id\": \"" KEY_ID "\", \"secret_access_key\": \"" SECRET
		"\", \"principal\": \"%s\"}]}",
		principal);
	close(fd);
	assert_int_equal(cv_aws_create(&cfg, &why, &server), 0);
	unlink(file);
	return server;
}

static void answer_is(struct cv_aws *server, const struct cv_sigv4_request *request,
		      unsigned int status, const char *part)
{
	struct cv_aws_answer answer;

	cv_aws_handle(server, request, &answer);
	assert_non_null(answer.text);
	if (strstr(answer.text, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, answer.text);
	assert_int_equal(answer.status, status);
	free(answer.text);
}

/* ---- tests ---- */

/* What cannot be read, in the forms that there are. */
static const struct {
	const char *path, *type, *body;
} unreadable[] = {
	{"/", FORM, "Action=%zz"},
	{"/", FORM, "Action=DescribeVpcs&Action=DescribeVpcs"},
	{"/", FORM, "\xff"},
	{CBOR_PATH, "application/cbor", "\xff"},
};

static void the_signature_comes_before_what_is_signed(void **state)
{
	struct cv_aws *server = server_make(CONS, 0);
	char zeros[CV_SIGV4_HEX_LEN + 1] = "";

	(void)state;
	memset(zeros, '0', CV_SIGV4_HEX_LEN);
	for (size_t i = 0; i < CV_ARRAY_LEN(unreadable); i++) {
		struct cv_sigv4_request request =
			request_make(unreadable[i].path, unreadable[i].type, unreadable[i].body);

		if (strcmp(unreadable[i].path, "/") != 0)
			headers[5] = (struct cv_sigv4_header){"smithy-protocol", "rpc-v2-cbor"};
		else
			headers[5] = (struct cv_sigv4_header){"x-other", ""};
		headers[3] = headers[4] = headers[5];
		request.n_headers = 4;
		answer_is(server, &request, 403, "MissingAuthenticationToken");
		/* Signed by somebody who does not know the secret. */
		signature_set(&request, "ec2", zeros);
		request.n_headers = 6;
		answer_is(server, &request, 401, "AuthFailure");
		signature_set(&request, "elasticloadbalancing", zeros);
		request.n_headers = 6;
		answer_is(server, &request, 403, "SignatureDoesNotMatch");
	}
	cv_aws_destroy(server);
}

static void signed_is(struct cv_aws *server, struct cv_sigv4_request *request, const char *service,
		      unsigned int status, const char *text)
{
	sign(request, service);
	answer_is(server, request, status, text);
}

static void what_is_signed_is_told_what_is_wrong(void **state)
{
	struct cv_aws *server = server_make(CONS, 0);
	struct cv_sigv4_request request = request_make("/", FORM, "Action=%zz");

	(void)state;
	signed_is(server, &request, "ec2", 400,
		  "<Response><Errors><Error><Code>MalformedQueryString<");
	signed_is(server, &request, "elasticloadbalancing", 400,
		  "<Type>Sender</Type><Code>MalformedQueryString</Code>");
	request = request_make("/", FORM, "Action=DescribeVpcs&Action=DescribeVpcs");
	signed_is(server, &request, "ec2", 400, "Action is there more than once");
	request = request_make("/", FORM, "Action=DescribeVpcs&Version=2016-11-15");
	signed_is(server, &request, "ec2", 200, "<DescribeVpcsResponse ");
	cv_aws_destroy(server);
}

/* What is unreadable counts as well. */
static void the_rate_comes_before_what_is_signed(void **state)
{
	struct cv_aws *server = server_make(CONS, 1);
	struct cv_sigv4_request request = request_make("/", FORM, "Action=%zz");

	(void)state;
	signed_is(server, &request, "ec2", 400, "MalformedQueryString");
	/* As many as a second lets pass, and a slow machine's some more. */
	for (int i = 0; i < 1000; i++) {
		struct cv_aws_answer answer;

		cv_aws_handle(server, &request, &answer);
		free(answer.text);
		if (answer.status == 503)
			break;
		assert_int_equal(answer.status, 400);
		assert_true(i < 999);
	}
	cv_aws_destroy(server);
}

/* Of a stranger only what is short is read: what it is for. */
static void strangers_are_heard_shortly(void **state)
{
	static char body[10000];
	struct cv_aws *server = server_make(CONS, 0);
	struct cv_sigv4_request request;
	int at = snprintf(body, sizeof(body), "Version=2011-06-15&Action=GetCallerIdentity&X=");

	(void)state;
	request = request_make("/", FORM, body);
	answer_is(server, &request, 403, "<ErrorResponse xmlns=\"https://sts.");
	memset(body + at, 'x', sizeof(body) - 1 - (size_t)at);
	request = request_make("/", FORM, body);
	answer_is(server, &request, 403, "<Response><Errors><Error><Code>MissingAuthentication");
	cv_aws_destroy(server);
}

static void status_is_that_of_aws(void **state)
{
	struct cv_aws *server = server_make(CONS, 0);
	struct cv_sigv4_request request;
	char eni[128], body[256];

	(void)state;
	make_service();
	make_endpoint();
	ec2(CONS, "Action=DescribeNetworkInterfaces");
	snprintf(body, sizeof(body),
		 "Version=2016-11-15&Action=ModifyNetworkInterfaceAttribute&Description.Value=x"
		 "&NetworkInterfaceId=%s",
		 element("networkInterfaceId", eni));
	request = request_make("/", FORM, body);
	/* The key is right: it must not be taken for one that has expired. */
	signed_is(server, &request, "ec2", 400, "<Code>AuthFailure</Code>");
	cv_aws_destroy(server);
	/* An account that is not one of the appliance. */
	server = server_make("arn:aws:iam::999999999999:root", 0);
	request = request_make("/", FORM, "Action=DescribeVpcs&Version=2016-11-15");
	signed_is(server, &request, "ec2", 401, "<Code>OptInRequired</Code>");
	request = request_make("/", FORM, "Action=DescribeAccountLimits&Version=2015-12-01");
	signed_is(server, &request, "elasticloadbalancing", 403, "<Code>OptInRequired</Code>");
	request = request_make("/", FORM, "Action=RunInstances&Version=2016-11-15");
	signed_is(server, &request, "ec2", 400, "<Code>InvalidAction</Code>");
	cv_aws_destroy(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_signature_comes_before_what_is_signed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_signed_is_told_what_is_wrong, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_rate_comes_before_what_is_signed, setup,
						teardown),
		cmocka_unit_test_setup_teardown(strangers_are_heard_shortly, setup, teardown),
		cmocka_unit_test_setup_teardown(status_is_that_of_aws, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
