/* SPDX-License-Identifier: BSD-3-Clause */

/* Signature Version 4: what botocore and AWS's guide signed is accepted; whatever is changed in it, not. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_sigv4.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct vector {
	const char *name, *method, *path, *query, *body, *token, *service;
	struct cv_sigv4_header headers[8];
	uint32_t n_headers;
	bool presigned;
};

#include "sigv4_vectors.h"

static struct cv_sigv4_request request_of(const struct vector *v)
{
	return (struct cv_sigv4_request){
		.method = v->method,
		.path = v->path,
		.query = v->query,
		.headers = v->headers,
		.n_headers = v->n_headers,
		.body = v->body,
		.body_len = strlen(v->body),
	};
}

/* Parse and verify. */
static enum cv_sigv4_fault verdict(const struct cv_sigv4_request *request, const char *secret)
{
	struct cv_sigv4_auth auth;
	enum cv_sigv4_fault fault = cv_sigv4_parse(request, &auth);

	if (fault == CV_SIGV4_OK)
		fault = cv_sigv4_verify(request, &auth, secret);
	assert_true((fault == CV_SIGV4_OK) == (auth.text[0] == '\0'));
	cv_sigv4_auth_fini(&auth);
	return fault;
}

static void botocore_is_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(vectors); i++) {
		const struct vector *v = &vectors[i];
		struct cv_sigv4_request request = request_of(v);
		struct cv_sigv4_auth auth;

		print_message("%s\n", v->name);
		assert_int_equal(cv_sigv4_parse(&request, &auth), CV_SIGV4_OK);
		assert_string_equal(auth.key_id, "AKIDEXAMPLE000000001");
		assert_string_equal(auth.region, "us-east-1");
		assert_string_equal(auth.service, v->service);
		assert_string_equal(auth.date, "20261121T213011Z");
		assert_int_equal(auth.at, 1795296611);
		assert_int_equal(auth.presigned, v->presigned);
		assert_int_equal(auth.expires, v->presigned ? 900 : 0);
		if (v->token == NULL)
			assert_null(auth.token);
		else
			assert_string_equal(auth.token, v->token);
		assert_int_equal(cv_sigv4_verify(&request, &auth, SECRET), CV_SIGV4_OK);
		assert_int_equal(cv_sigv4_verify(&request, &auth, SECRET "x"), CV_SIGV4_MISMATCH);
		cv_sigv4_auth_fini(&auth);
	}
}

/* The example of AWS's General Reference, "Complete Version 4 signing process". */
static void guide_example_is_understood(void **state)
{
	static const struct cv_sigv4_header headers[] = {
		{"Host", "iam.amazonaws.com"},
		{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
		{"X-Amz-Date", "20150830T123600Z"},
		{"Authorization",
		 "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
		 "SignedHeaders=content-type;host;x-amz-date, "
		 "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"},
	};
	const struct cv_sigv4_request request = {
		.method = "GET",
		.path = "/",
		.query = "Action=ListUsers&Version=2010-05-08",
		.headers = headers,
		.n_headers = CV_ARRAY_LEN(headers),
		.body = "",
	};
	struct cv_sigv4_auth auth;
	char *canonical;

	(void)state;
	assert_int_equal(cv_sigv4_parse(&request, &auth), CV_SIGV4_OK);
	canonical = cv_sigv4_canonical(&request, &auth);
	assert_string_equal(canonical,
			    "GET\n/\nAction=ListUsers&Version=2010-05-08\n"
			    "content-type:application/x-www-form-urlencoded; charset=utf-8\n"
			    "host:iam.amazonaws.com\nx-amz-date:20150830T123600Z\n\n"
			    "content-type;host;x-amz-date\n"
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	free(canonical);
	assert_int_equal(cv_sigv4_verify(&request, &auth, SECRET), CV_SIGV4_OK);
	cv_sigv4_auth_fini(&auth);
}

static void query_is_put_in_order(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"b=2&a=1", "a=1&b=2"},
		{"a=2&a=1", "a=1&a=2"},
		{"a&b", "a=&b="},
		{"a=b=c", "a=b%3Dc"},
		{"a=x+y", "a=x%20y"},
		{"a=%7e%41", "a=~A"},
		{"a-b=1&a=2", "a=2&a-b=1"},
		{"&&a=1&", "a=1"},
		{"a=%2f%c3%bc", "a=%2F%C3%BC"},
		{"a=1&X-Amz-Signature=00&b=1", "a=1&b=1"},
	};
	struct cv_sigv4_auth auth = {.signed_headers = "host"};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		const struct cv_sigv4_request request = {
			.method = "GET", .path = "/", .query = rows[i].in, .body = ""};
		char *canonical = cv_sigv4_canonical(&request, &auth);
		char want[128];

		snprintf(want, sizeof(want), "GET\n/\n%s\nhost:\n", rows[i].out);
		assert_memory_equal(canonical, want, strlen(want));
		free(canonical);
	}
}

/* Flip one byte anywhere in what is signed. */
static void every_byte_counts(void **state)
{
	const struct vector *v = &vectors[1];
	char body[128];

	(void)state;
	for (size_t i = 0; i < strlen(v->body); i++) {
		struct cv_sigv4_request request = request_of(v);

		strcpy(body, v->body);
		body[i] ^= 1;
		request.body = body;
		assert_int_equal(verdict(&request, SECRET), CV_SIGV4_MISMATCH);
	}
	for (uint32_t h = 0; h < v->n_headers; h++) {
		size_t len = strlen(v->headers[h].value);

		for (size_t i = 0; i < len; i++) {
			struct cv_sigv4_header headers[8];
			struct cv_sigv4_request request = request_of(v);
			char value[512];

			memcpy(headers, v->headers, sizeof(headers));
			strcpy(value, v->headers[h].value);
			value[i] ^= 1;
			headers[h].value = value;
			request.headers = headers;
			/* A key's id is not signed, but decides which secret is used. */
			if (strncmp(v->headers[h].name, "Auth", 4) == 0 && i >= 28 && i < 48)
				continue;
			assert_int_not_equal(verdict(&request, SECRET), CV_SIGV4_OK);
		}
	}
}

static void method_path_and_query_count(void **state)
{
	struct cv_sigv4_request request = request_of(&vectors[0]);

	(void)state;
	request.method = "GET";
	assert_int_equal(verdict(&request, SECRET), CV_SIGV4_MISMATCH);
	request = request_of(&vectors[0]);
	request.path = "/x";
	assert_int_equal(verdict(&request, SECRET), CV_SIGV4_MISMATCH);
	request = request_of(&vectors[0]);
	request.query = "DryRun=true";
	assert_int_equal(verdict(&request, SECRET), CV_SIGV4_MISMATCH);
}

/* It is refused as what it is, not for want of memory: clients would send it again and again. */
static void long_queries_are_refused(void **state)
{
	struct cv_sigv4_request request = request_of(&vectors[0]);
	char query[2 * 1024 + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(query); i++)
		query[i] = i % 2 == 0 ? 'a' : '&';
	query[2 * 1024 - 1] = '\0';
	request.query = query;
	assert_int_equal(verdict(&request, SECRET), CV_SIGV4_MISMATCH);
	query[2 * 1024 - 1] = '&';
	query[2 * 1024 + 1] = '\0';
	assert_int_equal(verdict(&request, SECRET), CV_SIGV4_INCOMPLETE);
}

/* The headers of the first vector with one exchanged or added. */
static enum cv_sigv4_fault with_header(const char *name, const char *value)
{
	struct cv_sigv4_request request = request_of(&vectors[0]);
	struct cv_sigv4_header headers[9];
	uint32_t i = 0;

	memcpy(headers, vectors[0].headers, sizeof(vectors[0].headers));
	while (i < request.n_headers && strcmp(headers[i].name, name) != 0)
		i++;
	headers[i] = (struct cv_sigv4_header){name, value};
	request.headers = headers;
	request.n_headers += i == request.n_headers;
	return verdict(&request, SECRET);
}

#define SCOPE "AKIDEXAMPLE000000001/20261121/us-east-1/ec2/aws4_request"
#define SIG "Signature=0000000000000000000000000000000000000000000000000000000000000000"
#define HEADERS "SignedHeaders=content-type;host;x-amz-date"

static void malformed_authorization_is_incomplete(void **state)
{
	static const char *const wrong[] = {
		"",
		"Basic Zm9vOmJhcg==",
		"AWS4-HMAC-SHA512 Credential=" SCOPE ", " HEADERS ", " SIG,
		"AWS4-HMAC-SHA256",
		"AWS4-HMAC-SHA256 " HEADERS ", " SIG,
		"AWS4-HMAC-SHA256 Credential=" SCOPE ", " SIG,
		"AWS4-HMAC-SHA256 Credential=" SCOPE ", " HEADERS,
		"AWS4-HMAC-SHA256 Credential=" SCOPE ", Credential=" SCOPE ", " HEADERS ", " SIG,
		"AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/ec2, " HEADERS ", " SIG,
		"AWS4-HMAC-SHA256 Credential=AKID/20261121/us-east-1/ec2/aws4, " HEADERS ", " SIG,
		"AWS4-HMAC-SHA256 Credential=AKID/2026-121/us-east-1/ec2/aws4_request, " HEADERS
		", " SIG,
		"AWS4-HMAC-SHA256 Credential=/20261121/us-east-1/ec2/aws4_request, " HEADERS
		", " SIG,
		"AWS4-HMAC-SHA256 Credential=" SCOPE
		", SignedHeaders=content-type;x-amz-date, " SIG,
		"AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=host, " SIG,
		"AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=host;host;x-amz-date, " SIG,
		"AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=x-amz-date;host, " SIG,
		"AWS4-HMAC-SHA256 Credential=" SCOPE ", SignedHeaders=Host;x-amz-date, " SIG,
		"AWS4-HMAC-SHA256 Credential=" SCOPE
		", SignedHeaders=host;missing;x-amz-date, " SIG,
		"AWS4-HMAC-SHA256 Credential=" SCOPE ", " HEADERS ", Signature=00",
		"AWS4-HMAC-SHA256 Credential=" SCOPE ", " HEADERS
		", Signature=000000000000000000000000000000000000000000000000000000000000000G",
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(wrong); i++)
		assert_int_equal(with_header("Authorization", wrong[i]), CV_SIGV4_INCOMPLETE);
}

static void date_must_be_one(void **state)
{
	static const char *const wrong[] = {"",
					    "2026-11-21T21:30:11Z",
					    "20261321T213011Z",
					    "20261121T243011Z",
					    "20261121T213011",
					    "Sat, 21 Nov 2026 21:30:11 GMT"};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(wrong); i++)
		assert_int_equal(with_header("X-Amz-Date", wrong[i]), CV_SIGV4_INCOMPLETE);
	assert_int_equal(with_header("X-Amz-Date", "20261122T000000Z"), CV_SIGV4_SCOPE);
	assert_int_equal(with_header("X-Amz-Date", "20261121T213012Z"), CV_SIGV4_MISMATCH);
}

static void amz_headers_must_be_signed(void **state)
{
	(void)state;
	assert_int_equal(with_header("X-Amz-Security-Token", "stolen"), CV_SIGV4_INCOMPLETE);
	assert_int_equal(with_header("x-amz-target", "Other"), CV_SIGV4_INCOMPLETE);
	assert_int_equal(with_header("User-Agent", "other"), CV_SIGV4_OK);
	assert_int_equal(with_header("amz-sdk-request", "attempt=1"), CV_SIGV4_OK);
}

static void unsigned_request_is_missing(void **state)
{
	static const struct cv_sigv4_header host = {"Host", "x"};
	const struct cv_sigv4_request request = {.method = "POST",
						 .path = "/",
						 .query = "",
						 .headers = &host,
						 .n_headers = 1,
						 .body = ""};

	(void)state;
	assert_int_equal(verdict(&request, SECRET), CV_SIGV4_MISSING);
}

static void body_hash_header_must_be_right(void **state)
{
	struct cv_sigv4_auth auth = {.signed_headers = "host"};
	struct cv_sigv4_header header = {
		"X-Amz-Content-Sha256",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"};
	struct cv_sigv4_request request = {.method = "POST",
					   .path = "/",
					   .query = "",
					   .headers = &header,
					   .n_headers = 1,
					   .body = ""};

	(void)state;
	assert_int_equal(cv_sigv4_verify(&request, &auth, SECRET), CV_SIGV4_MISMATCH);
	header.value = "UNSIGNED-PAYLOAD";
	assert_int_equal(cv_sigv4_verify(&request, &auth, SECRET), CV_SIGV4_BODY);
	header.value = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b854";
	assert_int_equal(cv_sigv4_verify(&request, &auth, SECRET), CV_SIGV4_BODY);
}

static void clock_may_differ_by_five_minutes(void **state)
{
	struct cv_sigv4_auth auth = {.date = "20261121T213011Z", .at = 1795296611};

	(void)state;
	assert_int_equal(cv_sigv4_check_time(&auth, auth.at), CV_SIGV4_OK);
	assert_int_equal(cv_sigv4_check_time(&auth, auth.at + 300), CV_SIGV4_OK);
	assert_int_equal(cv_sigv4_check_time(&auth, auth.at - 300), CV_SIGV4_OK);
	assert_int_equal(cv_sigv4_check_time(&auth, auth.at + 301), CV_SIGV4_EXPIRED);
	assert_string_equal(auth.text, "Signature expired: 20261121T213011Z is now earlier than "
				       "20261121T213012Z (20261121T213512Z - 300 sec.)");
	assert_int_equal(cv_sigv4_check_time(&auth, auth.at - 301), CV_SIGV4_EXPIRED);
	assert_string_equal(auth.text, "Signature not yet current: 20261121T213011Z is still later "
				       "than 20261121T213010Z (20261121T212510Z + 5 min.)");
}

static void presigned_expires_when_it_says(void **state)
{
	struct cv_sigv4_auth auth = {
		.date = "20261121T213011Z", .at = 1795296611, .presigned = true, .expires = 900};

	(void)state;
	assert_int_equal(cv_sigv4_check_time(&auth, auth.at + 900), CV_SIGV4_OK);
	assert_int_equal(cv_sigv4_check_time(&auth, auth.at + 901), CV_SIGV4_EXPIRED);
	assert_int_equal(cv_sigv4_check_time(&auth, auth.at - 301), CV_SIGV4_EXPIRED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(botocore_is_understood),
		cmocka_unit_test(guide_example_is_understood),
		cmocka_unit_test(query_is_put_in_order),
		cmocka_unit_test(every_byte_counts),
		cmocka_unit_test(method_path_and_query_count),
		cmocka_unit_test(long_queries_are_refused),
		cmocka_unit_test(malformed_authorization_is_incomplete),
		cmocka_unit_test(date_must_be_one),
		cmocka_unit_test(amz_headers_must_be_signed),
		cmocka_unit_test(unsigned_request_is_missing),
		cmocka_unit_test(body_hash_header_must_be_right),
		cmocka_unit_test(clock_may_differ_by_five_minutes),
		cmocka_unit_test(presigned_expires_when_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
