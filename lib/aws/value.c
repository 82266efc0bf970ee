/* SPDX-License-Identifier: BSD-3-Clause */

/* What handlers read and allocate. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core_priv.h"

struct aws_block {
	struct aws_block *next;
	uint64_t bytes[];
};

void *cv_aws_alloc(struct aws_call *call, size_t len)
{
	struct aws_block *block = calloc(1, sizeof(*block) + len);

	if (block == NULL) {
		cv_aws_fail(call, "InternalError", "out of memory");
		return NULL;
	}
	block->next = call->blocks;
	call->blocks = block;
	return block->bytes;
}

void cv_aws_call_fini(struct aws_call *call)
{
	while (call->blocks != NULL) {
		struct aws_block *next = call->blocks->next;

		free(call->blocks);
		call->blocks = next;
	}
}

const char *cv_aws_fmt(struct aws_call *call, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	text = len >= 0 ? cv_aws_alloc(call, (size_t)len + 1) : NULL;
	if (text == NULL)
		return "";
	va_start(ap, fmt);
	vsnprintf(text, (size_t)len + 1, fmt, ap);
	va_end(ap);
	return text;
}

int64_t cv_aws_int(const struct cv_query_node *at, const char *path, int64_t absent)
{
	const char *text = cv_query_str(at, path);

	return text != NULL ? strtoll(text, NULL, 10) : absent;
}

bool cv_aws_bool(const struct cv_query_node *at, const char *path, bool absent)
{
	const char *text = cv_query_str(at, path);

	return text != NULL ? strcasecmp(text, "true") == 0 : absent;
}

time_t cv_aws_time(const struct cv_query_node *at, const char *path, time_t absent)
{
	const char *text = cv_query_str(at, path);
	time_t value;

	return text != NULL && cv_aws_time_parse(text, &value) ? value : absent;
}

const char *const *cv_aws_strs(struct aws_call *call, const char *path, uint32_t *ret_n)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, path)};
	uint32_t n = cv_query_count(&iter.list);
	const char **strs;

	*ret_n = 0;
	if (n == 0)
		return NULL;
	strs = cv_aws_alloc(call, n * sizeof(*strs));
	if (strs == NULL)
		return NULL;
	while (cv_query_next(&iter)) {
		const char *value = cv_query_value(&iter.item);

		strs[(*ret_n)++] = value != NULL ? value : "";
	}
	return strs;
}

/* Two digits below a bound. */
static bool digits_parse(const char *text, int bound, int *ret)
{
	if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
		return false;
	*ret = (text[0] - '0') * 10 + text[1] - '0';
	return *ret < bound;
}

/* `Z`, `+01:00`, `-0930` or nothing. */
static bool offset_parse(const char *text, long *ret_seconds)
{
	int hours, minutes;
	char sign = text[0];

	*ret_seconds = 0;
	if (sign == '\0' || strcmp(text, "Z") == 0)
		return true;
	if ((sign != '+' && sign != '-') || !digits_parse(text + 1, 24, &hours))
		return false;
	text += 3;
	text += *text == ':';
	if (!digits_parse(text, 60, &minutes) || text[2] != '\0')
		return false;
	*ret_seconds = (hours * 60L + minutes) * (sign == '-' ? -60 : 60);
	return true;
}

bool cv_aws_time_parse(const char *text, time_t *ret_at)
{
	struct tm tm = {0};
	long offset;
	char *end;

	if (*text >= '0' && *text <= '9' && strpbrk(text, "-:T") == NULL) {
		double seconds = strtod(text, &end);

		if (*end != '\0' || seconds > 253402300799.0)
			return false;
		*ret_at = (time_t)seconds;
		return true;
	}
	end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (end == NULL) {
		end = strptime(text, "%Y-%m-%dT%H:%M", &tm);
		if (end == NULL)
			return false;
	}
	if (*end == '.') {
		size_t n = strspn(end + 1, "0123456789");

		if (n == 0)
			return false;
		end += 1 + n;
	}
	if (!offset_parse(end, &offset))
		return false;
	*ret_at = timegm(&tm) - offset;
	return true;
}

const char *cv_aws_zone_name(const struct aws_call *call, uint32_t zone)
{
	const struct cv_model_account *account = &call->model->accounts[call->account];

	for (uint32_t i = 0; i < account->n_zones; i++) {
		if (account->zones[i].zone == zone)
			return account->zones[i].name;
	}
	return call->model->zones[zone].id;
}
