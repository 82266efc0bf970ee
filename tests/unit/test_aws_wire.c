/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * CloudWatch in JSON and CBOR. The bodies are those that the AWS SDK for JavaScript 3.1164 sent; in CBOR with
 * its AwsSmithyRpcV2CborProtocol, as the SDKs for Go, Java and others speak.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core_priv.h"

#define OPERATION "/service/GraniteServiceVersion20100801/operation/"
#define BODY_LEN_MAX 1024

static uint8_t body[BODY_LEN_MAX];
static size_t body_len;

static const struct cv_sigv4_header json_headers[] = {
	{"content-type", "application/x-amz-json-1.0"},
	{"x-amz-target", "GraniteServiceVersion20100801.GetMetricData"}};
static const struct cv_sigv4_header cbor_headers[] = {{"smithy-protocol", "rpc-v2-cbor"},
						      {"accept", "application/cbor"},
						      {"content-type", "application/cbor"}};

static const struct cv_sigv4_request json_request = {
	.method = "POST", .path = "/", .query = "", .headers = json_headers, .n_headers = 2};

static struct cv_sigv4_request cbor_request(const char *path)
{
	return (struct cv_sigv4_request){.method = "POST",
					 .path = path,
					 .query = "",
					 .headers = cbor_headers,
					 .n_headers = 3,
					 .body = body,
					 .body_len = body_len};
}

static void body_set(const char *hex)
{
	body_len = strlen(hex) / 2;
	assert_true(body_len <= sizeof(body));
	for (size_t i = 0; i < body_len; i++) {
		unsigned int byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		body[i] = (uint8_t)byte;
	}
}

/* What a request comes to: NAME=VALUE, a line each. */
static void comes_to(const struct cv_sigv4_request *request, const char *want)
{
	struct cv_query query = {0};
	char text[2048] = "";
	size_t at = 0;

	assert_true(cv_aws_wire_is(request));
	assert_int_equal(cv_aws_wire_params(request, &query), 0);
	for (uint32_t i = 0; i < query.n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s=%s\n",
				       query.params[i].name, query.params[i].value);
	assert_string_equal(text, want);
	cv_query_fini(&query);
}

#define METRIC_DATA                                                               \
	"Version=2010-08-01\nAction=GetMetricData\n"                              \
	"MetricDataQueries.member.1.Id=m1\n"                                      \
	"MetricDataQueries.member.1.MetricStat.Metric.Namespace=AWS/NetworkELB\n" \
	"MetricDataQueries.member.1.MetricStat.Metric.MetricName=NewFlowCount\n"  \
	"MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Name="  \
	"LoadBalancer\n"                                                          \
	"MetricDataQueries.member.1.MetricStat.Metric.Dimensions.member.1.Value=" \
	"net/a/b\n"                                                               \
	"MetricDataQueries.member.1.MetricStat.Period=60\n"                       \
	"MetricDataQueries.member.1.MetricStat.Stat=Sum\n"                        \
	"MetricDataQueries.member.1.ReturnData=true\n"                            \
	"StartTime=2023-11-14T22:13:20Z\nEndTime=2023-11-14T23:13:20Z\n"          \
	"ScanBy=TimestampDescending\nMaxDatapoints=1000\n"

static const char metric_data_json[] =
	"{\"MetricDataQueries\":[{\"Id\":\"m1\",\"MetricStat\":{\"Metric\":{\"Namespace\":"
	"\"AWS/NetworkELB\",\"MetricName\":\"NewFlowCount\",\"Dimensions\":[{\"Name\":"
	"\"LoadBalancer\",\"Value\":\"net/a/b\"}]},\"Period\":60,\"Stat\":\"Sum\"},"
	"\"ReturnData\":true}],\"StartTime\":1700000000.123,\"EndTime\":1700003600,"
	"\"ScanBy\":\"TimestampDescending\",\"MaxDatapoints\":1000}";

static const char metric_data_cbor[] =
	"a5714d6574726963446174615175657269657381a3624964626d316a4d657472696353746174a3664d65747269"
	"63a3694e616d6573706163656e4157532f4e6574776f726b454c426a4d65747269634e616d656c4e6577466c6f"
	"77436f756e746a44696d656e73696f6e7381a2644e616d656c4c6f616442616c616e6365726556616c7565676e"
	"65742f612f6266506572696f64183c64537461746353756d6a52657475726e44617461f569537461727454696d"
	"65c1fb41d954fc4007df3b67456e6454696d65c11a6553ff10665363616e42797354696d657374616d70446573"
	"63656e64696e676d4d617844617461706f696e74731903e8";

static const char list_metrics_cbor[] =
	"a3694e616d65737061636561586a44696d656e73696f6e7381a2644e616d656c4c6f616442616c616e63657265"
	"56616c7565676e65742f612f6275496e636c7564654c696e6b65644163636f756e7473f4";

static void requests_of_the_sdk_are_read(void **state)
{
	struct cv_sigv4_request request = json_request;

	(void)state;
	request.body = metric_data_json;
	request.body_len = sizeof(metric_data_json) - 1;
	comes_to(&request, METRIC_DATA);
	body_set(metric_data_cbor);
	request = cbor_request(OPERATION "GetMetricData");
	comes_to(&request, METRIC_DATA);
	body_set(list_metrics_cbor);
	request = cbor_request("/base" OPERATION "ListMetrics");
	comes_to(&request, "Version=2010-08-01\nAction=ListMetrics\nNamespace=X\n"
			   "Dimensions.member.1.Name=LoadBalancer\n"
			   "Dimensions.member.1.Value=net/a/b\nIncludeLinkedAccounts=false\n");
	body_set("a0");
	request = cbor_request(OPERATION "ListMetrics");
	comes_to(&request, "Version=2010-08-01\nAction=ListMetrics\n");
	/* With nothing to say a client may leave out the body, and its type. */
	request.body_len = 0;
	request.n_headers = 2;
	comes_to(&request, "Version=2010-08-01\nAction=ListMetrics\n");
}

/* An action is a value like others: nothing of a path gets into the other parameters. */
static void paths_are_no_parameters(void **state)
{
	struct cv_sigv4_request request = cbor_request(OPERATION "A&B=c%20/d");

	(void)state;
	request.body_len = 0;
	comes_to(&request, "Version=2010-08-01\nAction=A&B=c%20/d\n");
}

static void other_requests_are_not_ours(void **state)
{
	static const char *const paths[] = {"/", "/service/Other/operation/ListMetrics",
					    "/service/GraniteServiceVersion20100801/ListMetrics"};
	struct cv_sigv4_request request;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(paths); i++) {
		request = cbor_request(paths[i]);
		assert_false(cv_aws_wire_is(&request));
	}
	request = cbor_request(OPERATION "ListMetrics");
	assert_true(cv_aws_wire_is(&request));
	request.headers++; /* without the name of the protocol */
	request.n_headers = 2;
	assert_false(cv_aws_wire_is(&request));
	request = json_request;
	request.n_headers = 1;
	assert_false(cv_aws_wire_is(&request));
}

/* Cut anywhere, and with something behind it. */
static void broken_bodies_are_refused(void **state)
{
	struct cv_sigv4_request request;
	struct cv_query query = {0};
	size_t whole;

	(void)state;
	body_set(metric_data_cbor);
	whole = body_len;
	request = cbor_request(OPERATION "GetMetricData");
	for (size_t len = 1; len < whole; len++) {
		request.body_len = len;
		assert_int_equal(cv_aws_wire_params(&request, &query), -EILSEQ);
	}
	request.body_len = whole + 1;
	assert_int_equal(cv_aws_wire_params(&request, &query), -EILSEQ);
	body_set("80"); /* a list */
	request.body_len = 1;
	assert_int_equal(cv_aws_wire_params(&request, &query), -EILSEQ);
	cv_query_fini(&query);
}

#define MANY 1000000

static size_t n_taken;

static void *take(size_t size)
{
	n_taken += size;
	return malloc(size);
}

/* @return what values took, in bytes. @param head, @param end  around MANY times of what */
static size_t cost_of(struct cv_sigv4_request request, const char *head, const char *what,
		      const char *end)
{
	size_t len = strlen(what), at = strlen(head);
	char *text = malloc(at + MANY * len + strlen(end) + 1);
	struct cv_query query = {0};

	memcpy(text, head, at);
	for (size_t i = 0; i < MANY; i++, at += len)
		memcpy(text + at, what, len);
	memcpy(text + at, end, strlen(end) + 1);
	request.body = text;
	request.body_len = at + strlen(end);
	n_taken = 0;
	json_set_alloc_funcs(take, free);
	assert_int_equal(cv_aws_wire_params(&request, &query), -EILSEQ);
	json_set_alloc_funcs(malloc, free);
	cv_query_fini(&query);
	free(text);
	return n_taken;
}

/* Before it is known who asks, a body costs a few times what it is long, and not some hundred times. */
static void bodies_do_not_grow(void **state)
{
	static const char *const cbor[] = {"\xa0", "\x80", "\x60"};
	static const char *const json[] = {"{},", "[],", "\"\",", "0,", "[{}],"};
	struct cv_sigv4_request request = cbor_request(OPERATION "ListMetrics");

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cbor); i++)
		assert_in_range(cost_of(request, "\xa1\x61x\x9f", cbor[i], "\xff"), 1, 5 * MANY);
	for (size_t i = 0; i < CV_ARRAY_LEN(json); i++)
		assert_int_equal(cost_of(json_request, "{\"x\":[", json[i], "0]}"), 0);
	assert_int_equal(cost_of(json_request, "", "[", "0"), 0);
	assert_int_equal(cost_of(json_request, "", "{\"x\":", "0"), 0);
}

/* ---- answers ---- */

#define ENTRY(p, value) "<entry><key>" p "</key><value>" value "</value></entry>"
#define POINT(inside)                                                                       \
	"<?xml version=\"1.0\"?>\n<GetMetricStatisticsResponse><GetMetricStatisticsResult>" \
	"<Label>ActiveFlowCount</Label><Datapoints><member>" inside                         \
	"<Unit>Count</Unit></member></Datapoints></GetMetricStatisticsResult>"              \
	"<ResponseMetadata><RequestId>x</RequestId></ResponseMetadata>"                     \
	"</GetMetricStatisticsResponse>"

static struct cv_aws_answer answer_make(const char *xml, unsigned int status)
{
	return (struct cv_aws_answer){
		.status = status, .type = "text/xml", .text = strdup(xml), .len = strlen(xml)};
}

static void is_json(const char *xml, unsigned int status, const char *want)
{
	struct cv_aws_answer answer = answer_make(xml, status);

	cv_aws_wire_answer(&json_request, &answer);
	assert_string_equal(answer.text, want);
	assert_int_equal(answer.len, strlen(want));
	assert_string_equal(answer.type, "application/x-amz-json-1.0");
	assert_null(answer.protocol);
	assert_string_equal(answer.query_error,
			    status == 200 ? "" : "InvalidParameterValue;Sender");
	free(answer.text);
}

static void is_cbor(const char *xml, unsigned int status, const char *want)
{
	const struct cv_sigv4_request request = cbor_request(OPERATION "ListMetrics");
	struct cv_aws_answer answer = answer_make(xml, status);

	body_set(want);
	cv_aws_wire_answer(&request, &answer);
	assert_int_equal(answer.len, body_len);
	assert_memory_equal(answer.text, body, body_len);
	assert_string_equal(answer.type, "application/cbor");
	assert_string_equal(answer.protocol, "rpc-v2-cbor");
	assert_string_equal(answer.query_error,
			    status == 200 ? "" : "InvalidParameterValue;Sender");
	free(answer.text);
}

static void percentiles_are_an_object(void **state)
{
	(void)state;
	is_json(POINT("<Timestamp>2026-11-22T13:58:00Z</Timestamp><Sum>3.0</Sum>"
		      "<ExtendedStatistics>" ENTRY("p50", "1.5")
			      ENTRY("p99", "2.0") "</ExtendedStatistics>"),
		200,
		"{\"Label\":\"ActiveFlowCount\",\"Datapoints\":[{\"Timestamp\":1795355880,\"Sum\":3.0,"
		"\"ExtendedStatistics\":{\"p50\":1.5,\"p99\":2.0},\"Unit\":\"Count\"}]}");
}

/* The SDK read these bytes as a label, a date, two numbers and a unit. */
static void answers_are_what_the_sdk_reads(void **state)
{
	(void)state;
	is_cbor(POINT("<Timestamp>2026-11-22T13:58:00Z</Timestamp><Sum>0.0</Sum>"
		      "<ExtendedStatistics>" ENTRY("p99", "0.0") "</ExtendedStatistics>"),
		200,
		"a2654c6162656c6f416374697665466c6f77436f756e746a44617461706f696e747381a46954696d6573"
		"74616d70c1fb41dac0bd3a0000006353756dfb000000000000000072457874656e646564537461746973"
		"74696373a163703939fb000000000000000064556e697465436f756e74");
	is_cbor("<?xml?>\n<R><L><Metrics/></L><ResponseMetadata/></R>", 200,
		"a1674d65747269637380");
	is_cbor("<?xml?>\n<R><L><MetricDataResults><member><Timestamps><member>2026-11-22T13:58:00Z"
		"</member></Timestamps><Values/></member></MetricDataResults></L></R>",
		200,
		"a1714d657472696344617461526573756c747381a26a54696d657374616d707381c1fb41dac0bd3a000000"
		"6656616c75657380");
}

#define ERROR(inside) "<?xml?>\n" inside
#define WHAT "<Code>InvalidParameterValue</Code><Message>No &amp; no</Message>"

/* By the name of the structure in the body, by the query protocol's code in the header. */
static void errors_have_both_names(void **state)
{
	static const char json[] =
		"{\"__type\":\"com.amazonaws.cloudwatch#InvalidParameterValueException\","
		"\"message\":\"No & no\"}";

	(void)state;
	is_json(ERROR("<ErrorResponse><Error><Type>Sender</Type>" WHAT "</Error></ErrorResponse>"),
		400, json);
	/* To whom a request without a signature is for is not known. */
	is_json(ERROR("<Response><Errors><Error>" WHAT "</Error></Errors></Response>"), 400, json);
	is_cbor(ERROR("<ErrorResponse><Error><Type>Sender</Type>" WHAT "</Error></ErrorResponse>"),
		400,
		"a2665f5f747970657837636f6d2e616d617a6f6e6177732e636c6f7564776174636823496e76616c6964506172"
		"616d6574657256616c7565457863657074696f6e676d657373616765674e6f2026206e6f");
}

static void codes_without_a_structure_stay(void **state)
{
	struct cv_aws_answer answer = answer_make(
		"<?xml?>\n<ErrorResponse><Error><Type>Receiver</Type><Code>InternalFailure"
		"</Code><Message>m</Message></Error></ErrorResponse>",
		500);

	(void)state;
	cv_aws_wire_answer(&json_request, &answer);
	assert_string_equal(answer.text, "{\"__type\":\"com.amazonaws.cloudwatch#InternalFailure\","
					 "\"message\":\"m\"}");
	assert_string_equal(answer.query_error, "InternalFailure;Receiver");
	free(answer.text);
}

static void other_answers_stay(void **state)
{
	const struct cv_sigv4_request request = {.method = "POST", .path = "/", .query = ""};
	struct cv_aws_answer answer = answer_make("<a/>", 200);

	(void)state;
	cv_aws_wire_answer(&request, &answer);
	assert_string_equal(answer.text, "<a/>");
	assert_string_equal(answer.type, "text/xml");
	free(answer.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_of_the_sdk_are_read),
		cmocka_unit_test(paths_are_no_parameters),
		cmocka_unit_test(other_requests_are_not_ours),
		cmocka_unit_test(broken_bodies_are_refused),
		cmocka_unit_test(bodies_do_not_grow),
		cmocka_unit_test(percentiles_are_an_object),
		cmocka_unit_test(answers_are_what_the_sdk_reads),
		cmocka_unit_test(errors_have_both_names),
		cmocka_unit_test(codes_without_a_structure_stay),
		cmocka_unit_test(other_answers_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
