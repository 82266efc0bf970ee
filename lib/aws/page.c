/* SPDX-License-Identifier: BSD-3-Clause */

/* Pages: an opaque token says where the next one begins, and that it belongs to the same question. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core_priv.h"

/* The token: position and a keyed hash of it and of the question, as hex. */
#define TOKEN_LEN 32

static uint64_t token_mac(const struct aws_call *call, uint64_t pos)
{
	const uint64_t data[] = {pos, call->params_hash};

	return cv_siphash(data, sizeof(data), call->aws->seed[0], call->aws->seed[1]);
}

static bool token_read(const struct aws_call *call, const char *text, uint64_t *ret_pos)
{
	unsigned long long pos, mac;
	int used = 0;

	if (strlen(text) != TOKEN_LEN || strspn(text, "0123456789abcdef") != TOKEN_LEN ||
	    sscanf(text, "%16llx%16llx%n", &mac, &pos, &used) != 2 || used != TOKEN_LEN)
		return false;
	*ret_pos = pos ^ mac; /* not to be read as a number that one may count up */
	return token_mac(call, *ret_pos) == mac;
}

int cv_aws_page_read(struct aws_call *call)
{
	bool ec2 = call->service->ec2;
	const char *token = cv_query_str(&call->params, ec2 ? "NextToken" : "Marker");
	struct aws_page *page = &call->page;

	if (token == NULL && !ec2)
		token = cv_query_str(&call->params, "NextToken");
	page->limit = (uint32_t)cv_aws_int(&call->params, ec2 ? "MaxResults" : "PageSize",
					   call->action->page_default);
	if (page->limit == 0)
		page->limit = UINT32_MAX;
	if (token == NULL || token_read(call, token, &page->from))
		return 0;
	if (ec2)
		return cv_aws_fail(call, "InvalidNextToken", "The token '%.64s' is invalid", token);
	return cv_aws_fail(call, "ValidationError", "The marker '%.64s' is not valid", token);
}

bool cv_aws_page(struct aws_call *call, uint64_t pos)
{
	struct aws_page *page = &call->page;

	if (page->more || pos < page->from)
		return false;
	if (page->n == page->limit) {
		page->more = true;
		page->next = pos;
		return false;
	}
	page->n++;
	return true;
}

void cv_aws_page_end(struct aws_call *call)
{
	const struct aws_page *page = &call->page;
	const char *name = call->service->ec2 ? "nextToken" : "NextToken";
	unsigned long long mac = token_mac(call, page->next);
	char token[TOKEN_LEN + 1];

	if (!page->more)
		return;
	if (call->service == &cv_aws_services()[AWS_ELBV2])
		name = "NextMarker";
	snprintf(token, sizeof(token), "%016llx%016llx", mac, (unsigned long long)page->next ^ mac);
	cv_xml_str(call->out, name, token);
}
