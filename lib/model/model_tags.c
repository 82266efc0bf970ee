/* SPDX-License-Identifier: BSD-3-Clause */

/* Tags of all resources. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

static bool is_elb(enum cv_model_kind kind)
{
	return kind == CV_MODEL_TG || kind == CV_MODEL_LB || kind == CV_MODEL_LISTENER;
}

static uint32_t tag_find(const struct cv_model_tag *tags, uint32_t n, const char *key)
{
	uint32_t i = 0;

	while (i < n && strcmp(tags[i].key, key) != 0)
		i++;
	return i < n ? i : CV_MODEL_NONE;
}

/* Characters count, as with AWS: not bytes. */
static void tag_check(struct model_ctx *ctx, const struct cv_model_tag *tag, const char *field)
{
	const char *code = is_elb(ctx->kind) ? "ValidationError" : "InvalidParameterValue";
	int64_t key_len = cv_utf8_count(tag->key);
	int64_t value_len = tag->value != NULL ? cv_utf8_count(tag->value) : 0;

	if (key_len < 0 || value_len < 0)
		cv_model_err(ctx, EINVAL, code, field, "Tag keys and values must be UTF-8 text");
	else if (key_len < 1 || key_len > CV_MODEL_TAG_KEY_MAX)
		cv_model_err(ctx, EINVAL, code, field, "Tag keys have 1 to %d characters, not %d",
			     CV_MODEL_TAG_KEY_MAX, (int)key_len);
	else if (strncmp(tag->key, "aws:", 4) == 0)
		cv_model_err(ctx, EINVAL, code, field,
			     "Tag keys starting with 'aws:' are reserved for internal use");
	if (value_len > CV_MODEL_TAG_VALUE_MAX)
		cv_model_err(ctx, EINVAL, code, field, "Tag values have at most %d characters",
			     CV_MODEL_TAG_VALUE_MAX);
}

static void tags_check(struct model_ctx *ctx, const struct cv_model_tag *tags, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *field = cv_model_at(ctx, "tags[%u]", i);

		tag_check(ctx, &tags[i], field);
		if (tag_find(tags, i, tags[i].key) != CV_MODEL_NONE)
			cv_model_err(ctx, EEXIST,
				     is_elb(ctx->kind) ? "DuplicateTagKeys"
						       : "InvalidParameterValue",
				     field, "Duplicate tag key '%.128s' specified", tags[i].key);
	}
}

static void tags_count(struct model_ctx *ctx, uint32_t n)
{
	if (n > CV_MODEL_TAGS_MAX)
		cv_model_err(ctx, EINVAL, is_elb(ctx->kind) ? "TooManyTags" : "TagLimitExceeded",
			     "tags", "A resource has at most %d tags", CV_MODEL_TAGS_MAX);
}

struct cv_model_tag *cv_model_tags_copy(struct model_ctx *ctx, const struct cv_model_tag *tags,
					uint32_t n, uint32_t n_more)
{
	struct cv_model_tag *copy = calloc((size_t)n + n_more + 1, sizeof(*copy));

	if (copy == NULL) {
		cv_model_oom(ctx);
		return NULL;
	}
	tags_check(ctx, tags, n);
	tags_count(ctx, n);
	for (uint32_t i = 0; i < n; i++) {
		copy[i].key = cv_model_str(ctx->model, tags[i].key);
		copy[i].value =
			cv_model_str(ctx->model, tags[i].value != NULL ? tags[i].value : "");
		if (copy[i].key == NULL || copy[i].value == NULL)
			cv_model_oom(ctx);
	}
	return copy;
}

void cv_model_tags_free(struct cv_model *model, struct cv_model_tag *tags, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		cv_model_str_free(model, tags[i].key);
		cv_model_str_free(model, tags[i].value);
	}
	free(tags);
}

/* How many there will be. */
static uint32_t n_after(const struct cv_model_meta *meta, const struct cv_model_tags_change *req)
{
	uint32_t n = meta->n_tags;

	for (uint32_t i = 0; i < req->n_set; i++)
		n += tag_find(meta->tags, meta->n_tags, req->set[i].key) == CV_MODEL_NONE;
	return n;
}

static void tag_set(struct cv_model *model, struct cv_model_meta *meta, struct cv_model_tag tag)
{
	uint32_t at = tag_find(meta->tags, meta->n_tags, tag.key);

	if (at == CV_MODEL_NONE) {
		meta->tags[meta->n_tags++] = tag;
		return;
	}
	cv_model_str_free(model, meta->tags[at].value);
	cv_model_str_free(model, tag.key);
	meta->tags[at].value = tag.value;
}

static void tag_remove(struct cv_model *model, struct cv_model_meta *meta,
		       const struct cv_model_tag *tag)
{
	uint32_t at = tag_find(meta->tags, meta->n_tags, tag->key);

	if (at == CV_MODEL_NONE ||
	    (tag->value != NULL && strcmp(tag->value, meta->tags[at].value) != 0))
		return;
	cv_model_str_free(model, meta->tags[at].key);
	cv_model_str_free(model, meta->tags[at].value);
	meta->tags[at] = meta->tags[--meta->n_tags];
}

static int tags_change(struct model_ctx *ctx, const struct cv_model_tags_change *req,
		       struct cv_model_meta *meta)
{
	struct cv_model_tag *set = cv_model_tags_copy(ctx, req->set, req->n_set, 0);
	struct cv_model_tag *tags;

	tags_count(ctx, n_after(meta, req));
	tags = ctx->ret == 0 ? realloc(meta->tags,
				       ((size_t)meta->n_tags + req->n_set + 1) * sizeof(*tags))
			     : NULL;
	if (tags == NULL) {
		if (ctx->ret == 0)
			cv_model_oom(ctx);
		free(set);
		return ctx->ret;
	}
	meta->tags = tags;
	for (uint32_t i = 0; i < req->n_set; i++)
		tag_set(ctx->model, meta, set[i]);
	for (uint32_t i = 0; i < req->n_remove; i++)
		tag_remove(ctx->model, meta, &req->remove[i]);
	free(set);
	return 0;
}

int cv_model_tags_change(struct cv_model *model, const struct cv_model_by *by,
			 const struct cv_model_tags_change *req, struct cv_model_errs *errs)
{
	enum cv_model_kind kind = cv_model_kind_of(req->ref);
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = kind};
	uint32_t idx, listener = 0;

	if (kind == CV_MODEL_KIND_N) {
		ctx.kind = CV_MODEL_VPC;
		cv_model_err(&ctx, EINVAL, "InvalidID", "", "The ID '%.150s' is not valid",
			     req->ref);
		return ctx.ret;
	}
	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, kind, req->ref);
	if (idx == CV_MODEL_NONE)
		return cv_model_end(&ctx);
	if (kind == CV_MODEL_LISTENER) {
		(void)cv_model_listener_find(model, req->ref, &listener);
		(void)tags_change(&ctx, req, &model->lbs[idx].listeners[listener].meta);
		kind = CV_MODEL_LB;
	} else {
		(void)tags_change(&ctx, req, cv_model_meta_at(model, kind, idx));
	}
	if (ctx.ret == 0)
		cv_model_touch(&ctx, kind, idx);
	return cv_model_end(&ctx);
}
