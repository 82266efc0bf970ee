/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Actions called on the small region of model_world.h, without a server: after cmocka.h and
 * model_world.h, in test programs.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#include "core_priv.h"

/** Principals of the two accounts of build_world(). */
#define PROV "arn:aws:iam::111111111111:root"
#define CONS "arn:aws:iam::222222222222:root"

/** The answer to the last call: the inside of the response; "" after a failure. */
static char *got;
/** The error code and text of the last call, "" after success. */
static char err_code[64], err_text[512];

static struct cv_aws calls_aws = {.seed = {1, 2}};
static uint64_t calls_n;
static time_t calls_now = 1795296611; /* 2026-11-21T21:30:11Z */

static inline int calls_answer(struct aws_call *call)
{
	int ret = cv_aws_check(call);

	if (ret == 0)
		ret = cv_aws_filters_read(call);
	if (ret == 0)
		ret = cv_aws_page_read(call);
	if (ret == 0)
		ret = cv_aws_page_run(call);
	if (ret == 0)
		ret = cv_aws_filters_end(call);
	return ret == 0 && call->err_code != NULL ? -EINVAL : ret;
}

/* Calls an action, as it would be on the wire. Returns whether it succeeded. */
static inline bool calls_make(enum aws_service_id service, const char *principal, const char *text)
{
	struct cv_query query = {0};
	struct cv_xml out;
	struct aws_call call = {
		.out = &out,
		.model = m,
		.service = &cv_aws_services()[service],
		.caller = {.key_id = "AKID", .principal = principal},
		.region = "us-east-1",
		.now = calls_now,
		.params_hash = 1,
		.ops = &calls_aws.ops,
		.aws = &calls_aws,
		.base = "http://127.0.0.1:1",
	};
	const char *twice;
	char account[13];
	size_t len;

	snprintf(account, sizeof(account), "%.12s", strstr(principal, "::") + 2);
	call.caller.account_id = account;
	call.account = cv_model_find(m, CV_MODEL_ACCOUNT, CV_MODEL_NONE, account);
	call.by = (struct cv_model_by){.account = call.account,
				       .principal = principal,
				       .now = (uint64_t)calls_now,
				       .random = {++calls_n, 7}};
	assert_int_equal(cv_query_parse(&query, text, strlen(text)), 0);
	assert_int_equal(cv_query_sort(&query, &twice), 0);
	call.params = cv_query_root(&query);
	call.action = cv_aws_action_find(call.service, cv_query_str(&call.params, "Action"));
	assert_non_null(call.action);
	cv_xml_init(&out, call.service->ec2 ? "item" : "member");
	free(got);
	got = NULL;
	err_code[0] = err_text[0] = '\0';
	if (calls_answer(&call) == 0) {
		got = cv_xml_take(&out, &len);
	} else {
		assert_non_null(call.err_code);
		snprintf(err_code, sizeof(err_code), "%s", call.err_code);
		snprintf(err_text, sizeof(err_text), "%s", call.err_text);
		cv_xml_fini(&out);
	}
	cv_aws_call_fini(&call);
	cv_query_fini(&query);
	if (got == NULL)
		got = strdup("");
	assert_non_null(got);
	return err_code[0] == '\0';
}

/* A call that must succeed. */
static inline void CV_PRINTF(3, 0)
	calls_must(enum aws_service_id service, const char *principal, const char *fmt, va_list ap)
{
	static char text[4096];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (!calls_make(service, principal, text))
		fail_msg("%s: %s: %s", text, err_code, err_text);
}

/* A call that must fail with a code. */
static inline void CV_PRINTF(4, 0)
	calls_must_fail(enum aws_service_id service, const char *principal, const char *code,
			const char *fmt, va_list ap)
{
	static char text[4096];

	vsnprintf(text, sizeof(text), fmt, ap);
	if (calls_make(service, principal, text))
		fail_msg("%s: no error but %s", text, got);
	if (strcmp(err_code, code) != 0)
		fail_msg("%s: %s (%s), not %s", text, err_code, err_text, code);
}

/* A call of EC2 that must succeed. */
static inline void CV_PRINTF(2, 3) ec2(const char *principal, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must(AWS_EC2, principal, fmt, ap);
	va_end(ap);
}

/* A call of EC2 that must fail with a code. */
static inline void CV_PRINTF(3, 4)
	ec2_fails(const char *principal, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must_fail(AWS_EC2, principal, code, fmt, ap);
	va_end(ap);
}

/* The answer has a text. */
static inline void CV_PRINTF(1, 2) has(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strstr(got, text) == NULL)
		fail_msg("'%s' is not in %s", text, got);
}

static inline void CV_PRINTF(1, 2) has_not(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (strstr(got, text) != NULL)
		fail_msg("'%s' is in %s", text, got);
}

/* How often the answer has a text. */
static inline uint32_t times(const char *text)
{
	uint32_t n = 0;

	for (const char *at = got; (at = strstr(at, text)) != NULL; at += strlen(text))
		n++;
	return n;
}

/* The text of the first element of a name, into buf, shape [128]. */
static inline const char *element(const char *name, char *buf)
{
	char open[96];
	const char *at;

	snprintf(open, sizeof(open), "<%s>", name);
	at = strstr(got, open);
	if (at == NULL)
		fail_msg("no %s in %s", name, got);
	snprintf(buf, 128, "%.*s", (int)strcspn(at + strlen(open), "<"), at + strlen(open));
	return buf;
}
