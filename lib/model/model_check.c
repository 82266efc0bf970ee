/* SPDX-License-Identifier: BSD-3-Clause */

/* How the targets of a group are checked. */

#include "model_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *cv_model_target_state_str(enum cv_model_target_state state)
{
	static const char *const words[] = {
		[CV_MODEL_TARGET_INITIAL] = "initial",
		[CV_MODEL_TARGET_HEALTHY] = "healthy",
		[CV_MODEL_TARGET_UNHEALTHY] = "unhealthy",
		[CV_MODEL_TARGET_UNHEALTHY_DRAINING] = "unhealthy.draining",
		[CV_MODEL_TARGET_DRAINING] = "draining",
		[CV_MODEL_TARGET_UNUSED] = "unused",
		[CV_MODEL_TARGET_UNAVAILABLE] = "unavailable",
	};

	return words[state];
}

const char *cv_model_check_protocol_str(enum cv_model_check_protocol protocol)
{
	static const char *const words[] = {"TCP", "HTTP", "HTTPS"};

	return words[protocol];
}

/* ---- matcher ---- */

/* Reads a code of three digits. @return what follows, or NULL */
static const char *code_scan(const char *text, uint32_t *ret_code)
{
	if (strspn(text, "0123456789") != 3)
		return NULL;
	*ret_code = (uint32_t)((text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0'));
	if (*ret_code < CV_MODEL_CHECK_CODE_MIN || *ret_code > CV_MODEL_CHECK_CODE_MAX)
		return NULL;
	return text + 3;
}

/* Reads one code or range. @return what follows, or NULL */
static const char *range_scan(const char *text, uint32_t *ret_first, uint32_t *ret_last)
{
	const char *p = code_scan(text, ret_first);

	*ret_last = *ret_first;
	if (p != NULL && *p == '-')
		p = code_scan(p + 1, ret_last);
	if (p == NULL || *ret_last < *ret_first)
		return NULL;
	return *p == '\0' || *p == ',' ? p : NULL;
}

bool cv_model_matcher_is(const char *text)
{
	uint32_t first = 0, last = 0;

	for (;;) {
		text = range_scan(text, &first, &last);
		if (text == NULL || *text == '\0')
			return text != NULL;
		text++;
	}
}

bool cv_model_matcher_has(const char *matcher, uint32_t code)
{
	uint32_t first = 0, last = 0;

	for (;;) {
		matcher = range_scan(matcher, &first, &last);
		if (matcher == NULL || (code >= first && code <= last))
			return matcher != NULL;
		if (*matcher == '\0')
			return false;
		matcher++;
	}
}

/* ---- a request ---- */

static void check_bounds(struct model_ctx *ctx, const char *field, uint32_t value, uint32_t min,
			 uint32_t max)
{
	if (value < min || value > max)
		cv_model_err(ctx, EINVAL, "ValidationError", field, "%u is outside %u..%u", value,
			     min, max);
}

/* What stands in a request line: no blank, nothing that is not ASCII. */
static bool is_path(const char *path)
{
	size_t len = strlen(path);

	if (path[0] != '/' || len > CV_MODEL_CHECK_PATH_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (path[i] <= ' ' || path[i] >= 0x7f)
			return false;
	}
	return true;
}

static void check_http(struct model_ctx *ctx, const struct cv_model_check_req *req)
{
	if (req->protocol == CV_MODEL_CHECK_TCP) {
		if (req->path != NULL)
			cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest",
				     "health_check.path",
				     "health check paths are not supported for TCP health checks");
		if (req->matcher != NULL)
			cv_model_err(
				ctx, EINVAL, "InvalidConfigurationRequest", "health_check.matcher",
				"health check matchers are not supported for TCP health checks");
		return;
	}
	if (req->path != NULL && !is_path(req->path))
		cv_model_err(ctx, EINVAL, "ValidationError", "health_check.path",
			     "'%.64s' must begin with '/' and hold at most %d characters, no "
			     "blanks",
			     req->path, CV_MODEL_CHECK_PATH_MAX);
	if (req->matcher != NULL && !cv_model_matcher_is(req->matcher))
		cv_model_err(ctx, EINVAL, "ValidationError", "health_check.matcher",
			     "'%.64s' is no list of codes and ranges within %d-%d, such as "
			     "200,204,300-399",
			     req->matcher, CV_MODEL_CHECK_CODE_MIN, CV_MODEL_CHECK_CODE_MAX);
}

static uint32_t value_or(uint32_t value, uint32_t def)
{
	return value != 0 ? value : def;
}

static void check_times(struct model_ctx *ctx, const struct cv_model_check_req *req,
			const struct cv_model_check *check)
{
	check_bounds(ctx, "health_check.interval_seconds", check->interval_s,
		     CV_MODEL_CHECK_INTERVAL_MIN, CV_MODEL_CHECK_INTERVAL_MAX);
	check_bounds(ctx, "health_check.timeout_seconds", check->timeout_s,
		     CV_MODEL_CHECK_TIMEOUT_MIN, CV_MODEL_CHECK_TIMEOUT_MAX);
	check_bounds(ctx, "health_check.healthy_threshold", check->n_healthy,
		     CV_MODEL_CHECK_THRESHOLD_MIN, CV_MODEL_CHECK_THRESHOLD_MAX);
	check_bounds(ctx, "health_check.unhealthy_threshold", check->n_unhealthy,
		     CV_MODEL_CHECK_THRESHOLD_MIN, CV_MODEL_CHECK_THRESHOLD_MAX);
	if (check->timeout_s > check->interval_s)
		cv_model_err(ctx, EINVAL, "ValidationError", "health_check.timeout_seconds",
			     "the timeout, %u s%s, is longer than the interval, %u s",
			     check->timeout_s, req->timeout_s == 0 ? " if absent" : "",
			     check->interval_s);
}

void cv_model_check_make(struct model_ctx *ctx, const struct cv_model_check_req *req,
			 struct cv_model_check *ret_check)
{
	bool is_http = req->protocol != CV_MODEL_CHECK_TCP;
	struct cv_model_check check = {
		.enabled = req->enabled,
		.protocol = req->protocol,
		.port = req->port,
		.interval_s = value_or(req->interval_s, CV_MODEL_CHECK_INTERVAL),
		.timeout_s = value_or(req->timeout_s, req->protocol == CV_MODEL_CHECK_HTTP
							      ? CV_MODEL_CHECK_TIMEOUT_HTTP
							      : CV_MODEL_CHECK_TIMEOUT),
		.n_healthy = value_or(req->n_healthy, CV_MODEL_CHECK_HEALTHY),
		.n_unhealthy = value_or(req->n_unhealthy, CV_MODEL_CHECK_UNHEALTHY),
	};

	check_times(ctx, req, &check);
	check_http(ctx, req);
	if (is_http && ctx->ret == 0) {
		check.path = cv_model_str(ctx->model, req->path != NULL ? req->path : "/");
		check.matcher = cv_model_str(
			ctx->model, req->matcher != NULL ? req->matcher : CV_MODEL_CHECK_MATCHER);
		if (check.path == NULL || check.matcher == NULL)
			cv_model_oom(ctx);
	}
	*ret_check = check;
}
