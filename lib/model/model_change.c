/* SPDX-License-Identifier: BSD-3-Clause */

/* What all changes share: subjects, owners, users, places, tags, the list of changes. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* Where the resources of a kind are, and what each has. */
struct table {
	size_t items, n;                  /* in struct cv_model */
	size_t size, name, id, vpc, meta; /* of an element; vpc 0: none */
};

#define TABLE(array, type, name, id, vpc)                                               \
	{                                                                               \
		offsetof(struct cv_model, array), offsetof(struct cv_model, n_##array), \
			sizeof(type), offsetof(type, name), offsetof(type, id), vpc,    \
			offsetof(type, meta)                                            \
	}

static const struct table tables[CV_MODEL_KIND_N] = {
	[CV_MODEL_VPC] = TABLE(vpcs, struct cv_model_vpc, name, id, 0),
	[CV_MODEL_SUBNET] = TABLE(subnets, struct cv_model_subnet, name, id,
				  offsetof(struct cv_model_subnet, vpc)),
	[CV_MODEL_SG] = TABLE(sgs, struct cv_model_security_group, name, id,
			      offsetof(struct cv_model_security_group, vpc)),
	[CV_MODEL_TG] = TABLE(tgs, struct cv_model_target_group, name, arn,
			      offsetof(struct cv_model_target_group, vpc)),
	[CV_MODEL_LB] =
		TABLE(lbs, struct cv_model_lb, name, arn, offsetof(struct cv_model_lb, vpc)),
	[CV_MODEL_SERVICE] = TABLE(services, struct cv_model_service, name, id, 0),
	[CV_MODEL_ENDPOINT] = TABLE(endpoints, struct cv_model_endpoint, name, id,
				    offsetof(struct cv_model_endpoint, vpc)),
};

static char *items_of(const struct cv_model *model, enum cv_model_kind kind)
{
	char *items;

	memcpy(&items, (const char *)model + tables[kind].items, sizeof(items));
	return items;
}

uint32_t cv_model_count(const struct cv_model *model, enum cv_model_kind kind)
{
	uint32_t n;

	memcpy(&n, (const char *)model + tables[kind].n, sizeof(n));
	return n;
}

static char *at(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
{
	cv_assert(tables[kind].size != 0 && idx < cv_model_count(model, kind));
	return items_of(model, kind) + (size_t)idx * tables[kind].size;
}

struct cv_model_meta *cv_model_meta_at(struct cv_model *model, enum cv_model_kind kind,
				       uint32_t idx)
{
	return (struct cv_model_meta *)(void *)(at(model, kind, idx) + tables[kind].meta);
}

const struct cv_model_meta *cv_model_meta(const struct cv_model *model, enum cv_model_kind kind,
					  uint32_t idx, uint32_t listener)
{
	if (kind == CV_MODEL_LISTENER)
		return &model->lbs[idx].listeners[listener].meta;
	if (tables[kind].size == 0)
		return NULL;
	return (const struct cv_model_meta *)(const void *)(at(model, kind, idx) +
							    tables[kind].meta);
}

const char *cv_model_id_at(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
{
	const char *id;

	memcpy(&id, at(model, kind, idx) + tables[kind].id, sizeof(id));
	return id;
}

const char *cv_model_name_at(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
{
	const char *name;

	memcpy(&name, at(model, kind, idx) + tables[kind].name, sizeof(name));
	return name;
}

/* ---- operations ---- */

bool cv_model_changes_room(struct model_ctx *ctx, uint32_t n_more)
{
	struct cv_model *model = ctx->model;
	uint32_t n = model->n_changes;

	for (uint32_t i = 0; i < n_more; i++, n++) {
		struct cv_model_change *changes =
			cv_model_grow(model->changes, n, sizeof(*changes));

		if (changes == NULL) {
			cv_model_oom(ctx);
			return false;
		}
		model->changes = changes;
	}
	return true;
}

void cv_model_begin(struct model_ctx *ctx, const struct cv_model_by *by)
{
	ctx->by = by;
	ctx->mark = cv_model_str_mark(ctx->model);
	if (by == NULL)
		return;
	/* An operation changes few resources, but for a service's end: that makes its own room. */
	(void)cv_model_changes_room(ctx, 8);
	if (by->n_tags > 0) {
		ctx->tags = cv_model_tags_copy(ctx, by->tags, by->n_tags, 0);
		ctx->n_tags = ctx->tags != NULL ? by->n_tags : 0;
	}
}

int cv_model_end(struct model_ctx *ctx)
{
	if (ctx->ret != 0 && ctx->mark != cv_model_str_mark(ctx->model))
		cv_model_str_undo(ctx->model, ctx->mark);
	/* What made nothing has given its tags to nothing; the undo has taken the texts already. */
	if (ctx->ret == 0 && ctx->tags != NULL)
		cv_model_tags_free(ctx->model, ctx->tags, ctx->n_tags);
	else
		free(ctx->tags);
	ctx->tags = NULL;
	return ctx->ret;
}

uint32_t cv_model_place(struct model_ctx *ctx)
{
	struct cv_model *model = ctx->model;
	const struct table *table = &tables[ctx->kind];
	uint32_t *free_first = cv_model_free_first(model, ctx->kind);
	uint32_t idx = *free_first;
	uint32_t n = cv_model_count(model, ctx->kind);
	void *items;

	if (idx != CV_MODEL_NONE) {
		*free_first = cv_model_meta_at(model, ctx->kind, idx)->next_free;
		model->n_gone[ctx->kind]--;
		return idx;
	}
	items = cv_model_grow(items_of(model, ctx->kind), n, table->size);
	if (items == NULL) {
		cv_model_oom(ctx);
		return CV_MODEL_NONE;
	}
	memcpy((char *)model + table->items, &items, sizeof(items));
	memset((char *)items + (size_t)n * table->size, 0, table->size);
	idx = n++;
	memcpy((char *)model + table->n, &n, sizeof(n));
	return idx;
}

void cv_model_publish(struct model_ctx *ctx, uint32_t scope, const char *name, const char *id,
		      uint32_t idx)
{
	struct model_key key = {.kind = ctx->kind, .scope = scope, .str = name};
	struct cv_model_meta *meta;

	if (name != NULL)
		cv_model_index_put(ctx->model->index, &key, idx);
	key.scope = CV_MODEL_NONE;
	key.str = id;
	cv_model_index_put(ctx->model->index, &key, idx);
	if (tables[ctx->kind].size == 0)
		return;
	meta = cv_model_meta_at(ctx->model, ctx->kind, idx);
	*meta = (struct cv_model_meta){.tags = ctx->tags, .n_tags = ctx->n_tags};
	ctx->tags = NULL;
	if (ctx->by == NULL)
		return;
	meta->api = true;
	meta->created = ctx->by->now;
	cv_model_touch(ctx, ctx->kind, idx);
}

bool cv_model_is_mine(const struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx)
{
	if (ctx->by == NULL || ctx->by->account == CV_MODEL_NONE || kind == CV_MODEL_ZONE ||
	    kind == CV_MODEL_ACCOUNT)
		return true;
	return cv_model_owner(ctx->model, kind, idx) == ctx->by->account;
}

uint32_t cv_model_owner(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
{
	uint32_t vpc;

	if (kind == CV_MODEL_ACCOUNT)
		return idx;
	if (kind == CV_MODEL_LISTENER)
		kind = CV_MODEL_LB;
	if (kind == CV_MODEL_SERVICE)
		return model->services[idx].owner;
	if (kind == CV_MODEL_VPC)
		return model->vpcs[idx].owner;
	memcpy(&vpc, at(model, kind, idx) + tables[kind].vpc, sizeof(vpc));
	return model->vpcs[vpc].owner;
}

/* The code for a service that is spoken of by its id is not that of one by its name. */
static const char *not_found_code(enum cv_model_kind kind)
{
	return kind == CV_MODEL_SERVICE ? "InvalidVpcEndpointServiceId.NotFound"
					: cv_model_word(kind)->not_found;
}

uint32_t cv_model_subject(struct model_ctx *ctx, enum cv_model_kind kind, const char *ref)
{
	const struct model_word *word = cv_model_word(kind);
	uint32_t idx = cv_model_find(ctx->model, kind, CV_MODEL_NONE, ref);
	bool anyone = ctx->by == NULL || ctx->by->account == CV_MODEL_NONE;

	if (idx != CV_MODEL_NONE && cv_model_is_mine(ctx, kind, idx))
		return idx;
	if (word->id_prefix != NULL && !anyone && !cv_id_is(ref, word->id_prefix, 17))
		cv_model_err(ctx, EINVAL, word->malformed, "", "Invalid id: \"%.64s\"", ref);
	else
		cv_model_err(ctx, ENOENT, not_found_code(kind), "",
			     "The %s '%.150s' does not exist", word->noun, ref);
	return CV_MODEL_NONE;
}

bool cv_model_check_mutable(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx)
{
	if (ctx->by == NULL || cv_model_meta_at(ctx->model, kind, idx)->api ||
	    (kind == CV_MODEL_SG && ctx->model->sgs[idx].of_vpc))
		return true;
	cv_model_err(ctx, EPERM, "OperationNotPermitted", "",
		     "%s '%.150s' comes from the configuration file: change it there and reload",
		     cv_model_word(kind)->noun, cv_model_id_at(ctx->model, kind, idx));
	return false;
}

void cv_model_use(struct cv_model *model, enum cv_model_kind kind, uint32_t idx, int more)
{
	struct cv_model_meta *meta;

	if (idx == CV_MODEL_NONE)
		return;
	meta = cv_model_meta_at(model, kind, idx);
	cv_assert(more > 0 || meta->n_users > 0);
	meta->n_users += (uint32_t)more;
}

void cv_model_touch(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct cv_model_meta *meta = cv_model_meta_at(model, kind, idx);

	if (ctx->by == NULL)
		return;
	meta->runtime = !meta->api;
	if (ctx->by->restore || meta->change != 0)
		return;
	model->changes[model->n_changes++] = (struct cv_model_change){
		.kind = kind, .idx = idx, .id = cv_model_id_at(model, kind, idx)};
	meta->change = model->n_changes;
}

void cv_model_changes_clear(struct cv_model *model)
{
	for (uint32_t i = 0; i < model->n_changes; i++) {
		const struct cv_model_change *change = &model->changes[i];

		if (change->idx == CV_MODEL_NONE)
			cv_model_str_free(model, change->id);
		else
			cv_model_meta_at(model, change->kind, change->idx)->change = 0;
	}
	/* Growing by doubling begins anew. */
	free(model->changes);
	model->changes = NULL;
	model->n_changes = 0;
}

void cv_model_place_free(struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
{
	static const char empty[] = "";
	struct cv_model_meta *meta = cv_model_meta_at(model, kind, idx);
	const char *none = empty;
	char *item = at(model, kind, idx);

	memset(item, 0, tables[kind].size);
	memcpy(item + tables[kind].name, &none, sizeof(none));
	memcpy(item + tables[kind].id, &none, sizeof(none));
	meta->gone = true;
	meta->next_free = *cv_model_free_first(model, kind);
	*cv_model_free_first(model, kind) = idx;
	model->n_gone[kind]++;
}

void cv_model_vanish(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx, uint32_t scope)
{
	struct cv_model *model = ctx->model;
	const char *name = cv_model_name_at(model, kind, idx);
	const char *id = cv_model_id_at(model, kind, idx);
	struct model_key key = {.kind = kind, .scope = CV_MODEL_NONE, .str = id};
	struct cv_model_meta *meta = cv_model_meta_at(model, kind, idx);
	uint32_t change = meta->change;

	if (cv_model_index_get(model->index, &key) == idx)
		cv_model_index_remove(model->index, &key);
	key.scope = scope;
	key.str = name;
	if (cv_model_index_get(model->index, &key) == idx)
		cv_model_index_remove(model->index, &key);
	if (name != id)
		cv_model_str_free(model, name);
	cv_model_tags_free(model, meta->tags, meta->n_tags);
	cv_model_tags_free(model, meta->attrs, meta->n_attrs);
	if (change != 0)
		model->changes[change - 1].idx = CV_MODEL_NONE;
	else
		cv_model_str_free(model, id);
	cv_model_place_free(model, kind, idx);
}

int cv_model_remove(struct cv_model *model, const struct cv_model_by *by, enum cv_model_kind kind,
		    const char *ref, struct cv_model_errs *errs)
{
	static void (*const removes[CV_MODEL_KIND_N])(struct model_ctx *, uint32_t) = {
		[CV_MODEL_VPC] = cv_model_vpc_remove,
		[CV_MODEL_SUBNET] = cv_model_subnet_remove,
		[CV_MODEL_SG] = cv_model_sg_remove,
		[CV_MODEL_TG] = cv_model_tg_remove,
		[CV_MODEL_LB] = cv_model_lb_remove,
		[CV_MODEL_SERVICE] = cv_model_service_remove,
		[CV_MODEL_ENDPOINT] = cv_model_endpoint_remove,
	};
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = kind};
	uint32_t listener = 0, idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, kind, ref);
	if (idx == CV_MODEL_NONE ||
	    !cv_model_check_mutable(&ctx, kind == CV_MODEL_LISTENER ? CV_MODEL_LB : kind, idx) ||
	    ctx.ret != 0)
		return cv_model_end(&ctx);
	if (kind == CV_MODEL_LISTENER) {
		(void)cv_model_listener_find(model, ref, &listener);
		cv_model_listener_remove(&ctx, idx, listener);
	} else {
		cv_assert(removes[kind] != NULL);
		removes[kind](&ctx, idx);
	}
	return cv_model_end(&ctx);
}

enum cv_model_kind cv_model_kind_of(const char *ref)
{
	static const struct {
		const char *prefix;
		enum cv_model_kind kind;
	} ids[] = {
		{"vpce-svc-", CV_MODEL_SERVICE},
		{"vpce-", CV_MODEL_ENDPOINT},
		{"vpc-", CV_MODEL_VPC},
		{"subnet-", CV_MODEL_SUBNET},
		{"sg-", CV_MODEL_SG},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(ids); i++) {
		if (strncmp(ref, ids[i].prefix, strlen(ids[i].prefix)) == 0)
			return ids[i].kind;
	}
	if (strncmp(ref, "arn:", 4) != 0)
		return CV_MODEL_KIND_N;
	if (strstr(ref, ":listener/") != NULL)
		return CV_MODEL_LISTENER;
	if (strstr(ref, ":loadbalancer/") != NULL)
		return CV_MODEL_LB;
	return strstr(ref, ":targetgroup/") != NULL ? CV_MODEL_TG : CV_MODEL_KIND_N;
}
