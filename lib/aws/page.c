/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Pages: an opaque token says after which entry the next one begins, and that it belongs to the same
 * question. Entries are paged in the order of their keys, which are made of their ids: whatever comes, goes
 * or is numbered anew between two pages, an entry that is there all the time is told once.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_priv.h"

/* The token: key and a keyed hash of it and of the question, as hex. */
#define TOKEN_LEN 32

static uint64_t token_mac(const struct aws_call *call, uint64_t key)
{
	const uint64_t data[] = {key, call->params_hash};

	return cv_siphash(data, sizeof(data), call->aws->keep_seed[0], call->aws->keep_seed[1]);
}

static bool token_read(const struct aws_call *call, const char *text, uint64_t *ret_key)
{
	unsigned long long key, mac;
	int used = 0;

	if (strlen(text) != TOKEN_LEN || strspn(text, "0123456789abcdef") != TOKEN_LEN ||
	    sscanf(text, "%16llx%16llx%n", &mac, &key, &used) != 2 || used != TOKEN_LEN)
		return false;
	*ret_key = key ^ mac; /* not to be read as a number that one may count up */
	return token_mac(call, *ret_key) == mac;
}

int cv_aws_page_read(struct aws_call *call)
{
	bool ec2 = call->service->ec2;
	const char *token = cv_query_str(&call->params, ec2 ? "NextToken" : "Marker");
	struct aws_page *page = &call->page;

	if (token == NULL && !ec2)
		token = cv_query_str(&call->params, "NextToken");
	/* Clients that loop begin with none. */
	if (token != NULL && *token == '\0')
		token = NULL;
	page->limit = (uint32_t)cv_aws_int(&call->params, ec2 ? "MaxResults" : "PageSize",
					   call->action->page_default);
	if (page->limit == 0)
		page->limit = UINT32_MAX;
	page->has_after = token != NULL;
	if (token == NULL || token_read(call, token, &page->after))
		return 0;
	if (ec2)
		return cv_aws_fail(call, "InvalidNextToken", "The token '%.64s' is invalid", token);
	return cv_aws_fail(call, "ValidationError", "The marker '%.64s' is not valid", token);
}

static void key_note(struct aws_call *call, uint64_t key)
{
	struct aws_page *page = &call->page;

	if (page->n == page->cap) {
		uint32_t cap = page->cap == 0 ? 1024 : page->cap * 2;
		uint64_t *keys = reallocarray(page->keys, cap, sizeof(*keys));

		if (keys == NULL) {
			cv_aws_fail(call, call->service->ec2 ? "InternalError" : "InternalFailure",
				    "out of memory");
			return;
		}
		page->keys = keys;
		page->cap = cap;
	}
	page->keys[page->n++] = key;
}

bool cv_aws_page(struct aws_call *call, uint64_t key)
{
	struct aws_page *page = &call->page;
	bool after = !page->has_after || key > page->after;

	switch (page->mode) {
	case AWS_PAGE_ALL:
		page->more = page->n == page->limit;
		page->n += !page->more;
		return !page->more;
	case AWS_PAGE_LOOK:
		if (after)
			key_note(call, key);
		return false;
	case AWS_PAGE_WRITE:
		break;
	}
	return after && page->n > 0 && key <= page->last;
}

bool cv_aws_page_key(struct aws_call *call, const char *id, const char *sub)
{
	uint64_t seed = call->aws->keep_seed[0];

	if (sub != NULL)
		seed ^= cv_siphash(sub, strlen(sub), seed, call->aws->keep_seed[1]);
	return cv_aws_page(call, cv_siphash(id, strlen(id), seed, call->aws->keep_seed[1]));
}

void cv_aws_page_end(struct aws_call *call)
{
	const struct aws_page *page = &call->page;
	const char *name = call->service->ec2 ? "nextToken" : "NextToken";
	unsigned long long mac = token_mac(call, page->last);
	char token[TOKEN_LEN + 1];

	if (page->mode != AWS_PAGE_WRITE || !page->more)
		return;
	if (call->service == &cv_aws_services()[AWS_ELBV2])
		name = "NextMarker";
	snprintf(token, sizeof(token), "%016llx%016llx", mac, (unsigned long long)page->last ^ mac);
	cv_xml_str(call->out, name, token);
}

static int key_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of all that may be told, the first of the limit. */
static void page_choose(struct aws_page *page)
{
	if (page->n > 0)
		qsort(page->keys, page->n, sizeof(*page->keys), key_compare);
	page->more = page->n > page->limit;
	if (page->more)
		page->n = page->limit;
	page->last = page->n > 0 ? page->keys[page->n - 1] : 0;
}

static int pass(struct aws_call *call, enum aws_page_mode mode)
{
	call->page.mode = mode;
	cv_aws_filters_begin(call);
	if (mode != AWS_PAGE_ALL) {
		cv_xml_fini(call->out);
		if (mode == AWS_PAGE_LOOK)
			call->page.n = 0;
	}
	return call->action->handle(call);
}

int cv_aws_page_run(struct aws_call *call)
{
	struct aws_page *page = &call->page;
	int ret = 0;

	page->more = false;
	if (!page->has_after)
		ret = pass(call, AWS_PAGE_ALL);
	if (ret < 0 || (!page->has_after && !page->more))
		return ret;
	/* What is in the page depends on all that follows: look, choose, and only then write. */
	ret = pass(call, AWS_PAGE_LOOK);
	if (ret >= 0 && call->err_code == NULL) {
		page_choose(page);
		ret = pass(call, AWS_PAGE_WRITE);
	}
	free(page->keys);
	page->keys = NULL;
	return ret;
}
