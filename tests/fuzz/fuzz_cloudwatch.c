/* SPDX-License-Identifier: BSD-3-Clause */

/* Any bytes as the body of a request to CloudWatch: in JSON, and in CBOR. */

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct cv_sigv4_request *request)
{
	struct cv_query query = {0};
	int ret = cv_aws_wire_params(request, &query);

	cv_assert(ret == 0 || ret == -EILSEQ || ret == -E2BIG || ret == -ENAMETOOLONG);
	cv_assert(ret < 0 || (query.n >= 2 && query.n <= CV_QUERY_PARAMS_MAX));
	for (uint32_t i = 0; i < query.n; i++) {
		cv_assert(strlen(query.params[i].name) <= CV_QUERY_NAME_LEN_MAX);
		cv_assert(cv_query_is_text(query.params[i].value, strlen(query.params[i].value)));
	}
	cv_query_fini(&query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct cv_sigv4_header json[] = {
		{"content-type", "application/x-amz-json-1.0"},
		{"x-amz-target", "GraniteServiceVersion20100801.ListMetrics"}};
	static const struct cv_sigv4_header cbor[] = {{"smithy-protocol", "rpc-v2-cbor"},
						      {"content-type", "application/cbor"}};
	struct cv_sigv4_request request = {
		.method = "POST",
		.path = "/service/GraniteServiceVersion20100801/operation/ListMetrics",
		.query = "",
		.headers = json,
		.n_headers = 2,
		.body = data,
		.body_len = len,
	};

	check(&request);
	request.headers = cbor;
	check(&request);
	return 0;
}
