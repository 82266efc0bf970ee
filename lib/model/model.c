/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest name and reference that is looked at; ARNs are the longest. */
#define REF_LEN_MAX 200
#define NAME_LEN_MAX 64
#define ELB_NAME_LEN_MAX 32

static const struct model_word words[] = {
	[CV_MODEL_ZONE] = {"zone", NULL, "InvalidParameterValue", "InvalidParameterValue",
			   "InvalidParameterValue"},
	[CV_MODEL_ACCOUNT] = {"account", NULL, "InvalidParameterValue", "InvalidParameterValue",
			      "InvalidParameterValue"},
	[CV_MODEL_VPC] = {"VPC", "vpc-", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed",
			  "InvalidParameterValue"},
	[CV_MODEL_SUBNET] = {"subnet", "subnet-", "InvalidSubnetID.NotFound",
			     "InvalidSubnetID.Malformed", "InvalidParameterValue"},
	[CV_MODEL_SG] = {"security group", "sg-", "InvalidSecurityGroupId.NotFound",
			 "InvalidGroupId.Malformed", "InvalidGroup.Duplicate"},
	[CV_MODEL_TG] = {"target group", NULL, "TargetGroupNotFound", "ValidationError",
			 "DuplicateTargetGroupName"},
	[CV_MODEL_LB] = {"load balancer", NULL, "LoadBalancerNotFound", "ValidationError",
			 "DuplicateLoadBalancerName"},
	[CV_MODEL_SERVICE] = {"endpoint service", "vpce-svc-", "InvalidServiceName",
			      "InvalidVpcEndpointServiceIdId.Malformed", "InvalidParameterValue"},
	[CV_MODEL_ENDPOINT] = {"endpoint", "vpce-", "InvalidVpcEndpointId.NotFound",
			       "InvalidVpcEndpointId.Malformed", "InvalidParameterValue"},
};

const struct model_word *cv_model_word(enum cv_model_kind kind)
{
	return &words[kind];
}

struct cv_model *cv_model_create(const char *region)
{
	struct cv_model *model = calloc(1, sizeof(*model));

	if (model == NULL)
		return NULL;
	model->index = cv_model_index_create();
	if (model->index != NULL)
		model->region = cv_model_str(model, region);
	if (model->region == NULL) {
		cv_model_destroy(model);
		return NULL;
	}
	return model;
}

void cv_model_destroy(struct cv_model *model)
{
	if (model == NULL)
		return;
	for (uint32_t i = 0; i < model->n_accounts; i++)
		free(model->accounts[i].zones);
	for (uint32_t i = 0; i < model->n_vpcs; i++)
		free(model->vpcs[i].cidrs);
	for (uint32_t i = 0; i < model->n_sgs; i++)
		free(model->sgs[i].rules);
	for (uint32_t i = 0; i < model->n_tgs; i++)
		free(model->tgs[i].targets);
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		free(model->lbs[i].nodes);
		free(model->lbs[i].listeners);
		free(model->lbs[i].sgs);
	}
	for (uint32_t i = 0; i < model->n_services; i++) {
		free(model->services[i].lbs);
		free(model->services[i].principals);
	}
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		free(model->endpoints[i].enis);
		free(model->endpoints[i].sgs);
	}
	free(model->zones);
	free(model->accounts);
	free(model->vpcs);
	free(model->subnets);
	free(model->sgs);
	free(model->tgs);
	free(model->lbs);
	free(model->services);
	free(model->endpoints);
	cv_model_index_destroy(model->index);
	free(model);
}

void cv_model_errs_fini(struct cv_model_errs *errs)
{
	free(errs->items);
	memset(errs, 0, sizeof(*errs));
}

void *cv_model_grow(void *items, uint32_t n, size_t size)
{
	if (items != NULL && (n & (n - 1)) != 0)
		return items;
	return realloc(items, (n == 0 ? 1 : (size_t)n * 2) * size);
}

/* Which of two results says more: a broken rule, a taken name, an unknown one, a reserved one. */
static int graver(int a, int b)
{
	static const int order[] = {-ENOMEM, -EINVAL, -ENOSPC, -EEXIST, -ENOENT, -ECANCELED};

	for (size_t i = 0; i < CV_ARRAY_LEN(order); i++) {
		if (a == order[i] || b == order[i])
			return order[i];
	}
	return 0;
}

void cv_model_oom(struct model_ctx *ctx)
{
	ctx->ret = -ENOMEM;
}

struct cv_model_err *cv_model_err(struct model_ctx *ctx, int err, const char *code,
				  const char *field, const char *fmt, ...)
{
	struct cv_model_err *items;
	struct cv_model_err *item;
	va_list ap;

	ctx->ret = graver(ctx->ret, -err);
	items = cv_model_grow(ctx->errs->items, ctx->errs->n, sizeof(*items));
	if (items == NULL) {
		cv_model_oom(ctx);
		return NULL;
	}
	ctx->errs->items = items;
	item = &items[ctx->errs->n++];
	*item = (struct cv_model_err){
		.kind = ctx->kind, .idx = CV_MODEL_NONE, .err = err, .code = code};
	snprintf(item->field, sizeof(item->field), "%s", field);
	va_start(ap, fmt);
	vsnprintf(item->text, sizeof(item->text), fmt, ap);
	va_end(ap);
	return item;
}

void cv_model_hint(struct cv_model_err *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
	va_end(ap);
}

const char *cv_model_at(struct model_ctx *ctx, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(ctx->field, sizeof(ctx->field), fmt, ap);
	va_end(ap);
	return ctx->field;
}

static uint32_t find_raw(const struct cv_model *model, enum cv_model_kind kind, uint32_t scope,
			 const char *ref)
{
	struct model_key key = {.kind = kind, .scope = scope, .str = ref};
	uint32_t idx;

	if (strlen(ref) > REF_LEN_MAX)
		return CV_MODEL_NONE;
	idx = cv_model_index_get(model->index, &key);
	if (idx != CV_MODEL_NONE || scope == CV_MODEL_NONE)
		return idx;
	/* Not a name in this VPC: an id, which must be one of this VPC's. */
	key.scope = CV_MODEL_NONE;
	idx = cv_model_index_get(model->index, &key);
	if (idx == CV_MODEL_NONE || idx == MODEL_RESERVED)
		return idx;
	if (kind == CV_MODEL_SUBNET)
		return model->subnets[idx].vpc == scope ? idx : CV_MODEL_NONE;
	return model->sgs[idx].vpc == scope ? idx : CV_MODEL_NONE;
}

uint32_t cv_model_find(const struct cv_model *model, enum cv_model_kind kind, uint32_t scope,
		       const char *ref)
{
	uint32_t idx = find_raw(model, kind, scope, ref);

	return idx == MODEL_RESERVED ? CV_MODEL_NONE : idx;
}

/* The name by which a person knows a resource; NULL past the last. */
static const char *name_of(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
{
#define TABLE(array, type, field)                                                       \
	{                                                                               \
		offsetof(struct cv_model, array), offsetof(struct cv_model, n_##array), \
			sizeof(type), offsetof(type, field)                             \
	}
	static const struct {
		size_t items, n, size, name;
	} tables[] = {
		[CV_MODEL_ZONE] = TABLE(zones, struct cv_model_zone, id),
		[CV_MODEL_ACCOUNT] = TABLE(accounts, struct cv_model_account, name),
		[CV_MODEL_VPC] = TABLE(vpcs, struct cv_model_vpc, name),
		[CV_MODEL_SUBNET] = TABLE(subnets, struct cv_model_subnet, name),
		[CV_MODEL_SG] = TABLE(sgs, struct cv_model_security_group, name),
		[CV_MODEL_TG] = TABLE(tgs, struct cv_model_target_group, name),
		[CV_MODEL_LB] = TABLE(lbs, struct cv_model_lb, name),
		[CV_MODEL_SERVICE] = TABLE(services, struct cv_model_service, name),
		[CV_MODEL_ENDPOINT] = TABLE(endpoints, struct cv_model_endpoint, name),
	};
#undef TABLE
	const char *base = (const char *)model;
	const char *items;
	const char *name;
	uint32_t n;

	memcpy(&n, base + tables[kind].n, sizeof(n));
	if (idx >= n)
		return NULL;
	memcpy(&items, base + tables[kind].items, sizeof(items));
	memcpy(&name, items + idx * tables[kind].size + tables[kind].name, sizeof(name));
	return name;
}

static bool in_scope(const struct cv_model *model, enum cv_model_kind kind, uint32_t scope,
		     uint32_t idx)
{
	if (kind == CV_MODEL_SUBNET)
		return model->subnets[idx].vpc == scope;
	return kind != CV_MODEL_SG || model->sgs[idx].vpc == scope;
}

/* Lists what could have been meant: the first few names of the kind. */
static void hint_known(struct model_ctx *ctx, struct cv_model_err *err, uint32_t scope,
		       enum cv_model_kind kind)
{
	char list[144] = "";
	const char *name;
	uint32_t n = 0;

	for (uint32_t i = 0; n < 16 && (name = name_of(ctx->model, kind, i)) != NULL; i++) {
		if (!in_scope(ctx->model, kind, scope, i))
			continue;
		cv_list_add(list, sizeof(list), name);
		n++;
	}
	if (list[0] != '\0')
		cv_model_hint(err, "known: %s", list);
	else
		cv_model_hint(err, "there is no %s yet", words[kind].noun);
}

uint32_t cv_model_resolve(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t scope,
			  const char *ref, const char *field)
{
	uint32_t idx = find_raw(ctx->model, kind, scope, ref);
	struct cv_model_err *err;

	if (idx == MODEL_RESERVED) {
		ctx->ret = graver(ctx->ret, -ECANCELED);
		return CV_MODEL_NONE;
	}
	if (idx != CV_MODEL_NONE)
		return idx;
	if (kind == CV_MODEL_SERVICE)
		err = cv_model_err(ctx, ENOENT, words[kind].not_found, field,
				   "The Vpc Endpoint Service '%s' does not exist", ref);
	else if (scope != CV_MODEL_NONE)
		err = cv_model_err(ctx, ENOENT, words[kind].not_found, field,
				   "there is no %s '%s' in VPC '%s'", words[kind].noun, ref,
				   ctx->model->vpcs[scope].name);
	else
		err = cv_model_err(ctx, ENOENT, words[kind].not_found, field, "there is no %s '%s'",
				   words[kind].noun, ref);
	hint_known(ctx, err, scope, kind);
	return CV_MODEL_NONE;
}

uint32_t *cv_model_resolve_all(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t scope,
			       const char *const *refs, uint32_t n)
{
	const char *list = kind == CV_MODEL_LB ? "load_balancers" : "security_groups";
	uint32_t *found;

	if (n == 0)
		return NULL;
	found = calloc(n, sizeof(*found));
	if (found == NULL) {
		cv_model_oom(ctx);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		found[i] = cv_model_resolve(ctx, kind, scope, refs[i],
					    cv_model_at(ctx, "%s[%u]", list, i));
	if (ctx->ret == 0)
		return found;
	free(found);
	return NULL;
}

static bool is_elb(enum cv_model_kind kind)
{
	return kind == CV_MODEL_LB || kind == CV_MODEL_TG;
}

/* ELBv2's names become parts of ARNs, DNS names and metrics, so AWS's narrower rule holds for them. */
static bool name_is_good(enum cv_model_kind kind, const char *name)
{
	static const char good[] =
		"._-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t len = strlen(name);

	if (len < 1 || strspn(name, is_elb(kind) ? good + 2 : good) != len)
		return false;
	if (is_elb(kind))
		return len <= ELB_NAME_LEN_MAX && name[0] != '-' && name[len - 1] != '-';
	return len <= NAME_LEN_MAX;
}

void cv_model_check_name(struct model_ctx *ctx, uint32_t scope, const char *name)
{
	const struct model_word *word = &words[ctx->kind];
	struct model_key key = {.kind = ctx->kind, .scope = scope, .str = name};
	uint32_t idx;

	if (!name_is_good(ctx->kind, name)) {
		bool elb = is_elb(ctx->kind);

		cv_model_err(
			ctx, EINVAL, elb ? "ValidationError" : "InvalidParameterValue", "name",
			elb ? "'%.64s' is no %s name: 1 to 32 letters, digits and inner hyphens"
			    : "'%.64s' is no %s name: 1 to 64 letters, digits, '.', '_' and '-'",
			name, word->noun);
		return;
	}
	idx = cv_model_index_get(ctx->model->index, &key);
	if (idx != CV_MODEL_NONE)
		cv_model_err(ctx, EEXIST, word->taken, "name", "%s '%s' already exists", word->noun,
			     name);
}

const char *cv_model_id(struct model_ctx *ctx, const char *id, const char *basis)
{
	const struct model_word *word = &words[ctx->kind];
	struct model_key key = {.kind = ctx->kind, .scope = CV_MODEL_NONE};
	bool derived = id == NULL;
	const char *copy;
	char buf[64];

	if (derived) {
		cv_id_derive(word->id_prefix, basis, 17, buf, sizeof(buf));
		id = buf;
	} else if (!cv_id_is(id, word->id_prefix, 17)) {
		cv_model_err(ctx, EINVAL, word->malformed, "id",
			     "'%.64s' is no %s id: %s and 17 hex digits", id, word->noun,
			     word->id_prefix);
		return NULL;
	}
	key.str = id;
	if (cv_model_index_get(ctx->model->index, &key) != CV_MODEL_NONE) {
		/* A derived id is taken because the name is: said already. */
		if (!derived || ctx->ret == 0)
			cv_model_err(ctx, EEXIST, word->taken, "id",
				     "%s with id '%s' already exists", word->noun, id);
		return NULL;
	}
	copy = cv_model_str(ctx->model, id);
	if (copy == NULL)
		cv_model_oom(ctx);
	return copy;
}

void cv_model_publish(struct model_ctx *ctx, uint32_t scope, const char *name, const char *id,
		      uint32_t idx)
{
	struct model_key key = {.kind = ctx->kind, .scope = scope, .str = name};

	cv_model_index_put(ctx->model->index, &key, idx);
	key.scope = CV_MODEL_NONE;
	key.str = id;
	cv_model_index_put(ctx->model->index, &key, idx);
}

void cv_model_reserve(struct cv_model *model, enum cv_model_kind kind, uint32_t scope,
		      const char *name)
{
	struct model_key key = {.kind = kind, .scope = scope, .str = name};

	if (strlen(name) > REF_LEN_MAX || cv_model_index_get(model->index, &key) != CV_MODEL_NONE)
		return;
	key.str = cv_model_str(model, name);
	if (key.str != NULL && cv_model_index_room(model->index, 1) == 0)
		cv_model_index_put(model->index, &key, MODEL_RESERVED);
}

const char *cv_model_partition(const char *region)
{
	if (strncmp(region, "cn-", 3) == 0)
		return "aws-cn";
	return strncmp(region, "us-gov-", 7) == 0 ? "aws-us-gov" : "aws";
}

const char *cv_model_state_str(enum cv_model_state state)
{
	static const char *const text[] = {"pendingAcceptance", "available", "rejected"};

	return text[state];
}

const char *cv_model_placement_str(enum cv_model_placement placement)
{
	return placement == CV_MODEL_ON_FIRST_ACK ? "on_first_ack" : "on_first_ack_with_payload";
}
