/* SPDX-License-Identifier: BSD-3-Clause */

#include "model_change_priv.h"

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
	[CV_MODEL_LISTENER] = {"listener", NULL, "ListenerNotFound", "ValidationError",
			       "DuplicateListener"},
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
	model->quotas = (struct cv_model_quotas)CV_MODEL_QUOTAS_DEFAULT;
	model->index = cv_model_index_create();
	if (model->index != NULL)
		model->region = cv_model_str(model, region);
	if (model->region == NULL) {
		cv_model_destroy(model);
		return NULL;
	}
	return model;
}

static void metas_free(struct cv_model *model)
{
	for (enum cv_model_kind kind = CV_MODEL_VPC; kind <= CV_MODEL_ENDPOINT; kind++) {
		for (uint32_t i = 0; cv_model_name_of(model, kind, i) != NULL; i++) {
			struct cv_model_meta *meta = cv_model_meta_at(model, kind, i);

			free(meta->tags);
			free(meta->attrs);
		}
	}
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		for (uint32_t k = 0; k < model->lbs[i].n_listeners; k++) {
			free(model->lbs[i].listeners[k].meta.tags);
			free(model->lbs[i].listeners[k].meta.attrs);
		}
	}
}

void cv_model_destroy(struct cv_model *model)
{
	if (model == NULL)
		return;
	metas_free(model);
	free(model->changes);
	for (uint32_t i = 0; i < model->n_accounts; i++)
		free(model->accounts[i].zones);
	for (uint32_t i = 0; i < model->n_vpcs; i++) {
		free(model->vpcs[i].cidrs);
		free(model->vpcs[i].vxlan.peers);
	}
	for (uint32_t i = 0; i < model->n_sgs; i++) {
		cv_model_rules_free(NULL, model->sgs[i].rules, model->sgs[i].n_rules);
		cv_model_rules_free(NULL, model->sgs[i].egress, model->sgs[i].n_egress);
	}
	for (uint32_t i = 0; i < model->n_tgs; i++) {
		free(model->tgs[i].targets);
		free(model->tgs[i].dropped);
	}
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
	cv_model_pools_free(model);
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
	static const int order[] = {-ENOMEM, -EINVAL, -EPERM,  -EBUSY,
				    -ENOSPC, -EEXIST, -ENOENT, -ECANCELED};

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
const char *cv_model_name_of(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
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

static bool is_elb(enum cv_model_kind kind)
{
	return kind == CV_MODEL_LB || kind == CV_MODEL_TG || kind == CV_MODEL_LISTENER;
}

/* Lists what could have been meant: the first few names of the kind. */
static void hint_known(struct model_ctx *ctx, struct cv_model_err *err, uint32_t scope,
		       enum cv_model_kind kind)
{
	char list[144] = "";
	const char *name;
	uint32_t n = 0;

	for (uint32_t i = 0; n < 16 && (name = cv_model_name_of(ctx->model, kind, i)) != NULL;
	     i++) {
		if (name[0] == '\0' || !in_scope(ctx->model, kind, scope, i) ||
		    !cv_model_is_mine(ctx, kind, i))
			continue;
		cv_list_add(list, sizeof(list), name);
		n++;
	}
	if (list[0] != '\0')
		cv_model_hint(err, "known: %s", list);
	else
		cv_model_hint(err, "there is no %s yet", words[kind].noun);
}

/* ELBv2 has words of its own for what is EC2's. */
static const char *unknown_code(const struct model_ctx *ctx, enum cv_model_kind kind)
{
	if (ctx->by == NULL || !is_elb(ctx->kind) || is_elb(kind))
		return words[kind].not_found;
	if (kind == CV_MODEL_SUBNET)
		return "SubnetNotFound";
	return kind == CV_MODEL_SG ? "InvalidSecurityGroup" : "ValidationError";
}

/* Whoever may not use a service cannot even see that it exists; a stored endpoint has seen it. */
static bool is_seen(const struct model_ctx *ctx, uint32_t service)
{
	return ctx->by == NULL || ctx->by->restore ||
	       cv_model_service_is_seen(ctx->model, ctx->by, service);
}

uint32_t cv_model_resolve(struct model_ctx *ctx, enum cv_model_kind kind, uint32_t scope,
			  const char *ref, const char *field)
{
	uint32_t idx = find_raw(ctx->model, kind, scope, ref);
	const char *code = unknown_code(ctx, kind);
	struct cv_model_err *err;

	if (idx == MODEL_RESERVED) {
		ctx->ret = graver(ctx->ret, -ECANCELED);
		return CV_MODEL_NONE;
	}
	if (idx != CV_MODEL_NONE &&
	    (kind == CV_MODEL_SERVICE ? is_seen(ctx, idx) : cv_model_is_mine(ctx, kind, idx)))
		return idx;
	if (kind == CV_MODEL_SERVICE)
		err = cv_model_err(ctx, ENOENT, code, field,
				   "The Vpc Endpoint Service '%s' does not exist", ref);
	else if (scope != CV_MODEL_NONE)
		err = cv_model_err(ctx, ENOENT, code, field, "there is no %s '%s' in VPC '%s'",
				   words[kind].noun, ref, ctx->model->vpcs[scope].name);
	else
		err = cv_model_err(ctx, ENOENT, code, field, "there is no %s '%s'",
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

/* EC2's rule for groups that calls make. */
static bool sg_name_is_good(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= 255 && strncmp(name, "sg-", 3) != 0 &&
	       strspn(name, " ._-:/()#,@[]+=&;{}!$*0123456789abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len;
}

void cv_model_check_name(struct model_ctx *ctx, uint32_t scope, const char *name)
{
	const struct model_word *word = &words[ctx->kind];
	struct model_key key = {.kind = ctx->kind, .scope = scope, .str = name};
	uint32_t idx;

	if (name == NULL && ctx->by != NULL)
		return; /* it goes by its id */
	if (ctx->kind == CV_MODEL_SG && ctx->by != NULL ? !sg_name_is_good(name)
							: !name_is_good(ctx->kind, name)) {
		bool elb = is_elb(ctx->kind);

		cv_model_err(
			ctx, EINVAL, elb ? "ValidationError" : "InvalidParameterValue", "name",
			elb ? "'%.64s' is no %s name: 1 to 32 letters, digits and inner hyphens"
			    : "'%.64s' is no %s name: 1 to 64 letters, digits, '.', '_' and '-'",
			name, word->noun);
		return;
	}
	if (is_elb(ctx->kind) && ctx->by != NULL)
		return; /* the API's names are each account's own */
	idx = cv_model_index_get(ctx->model->index, &key);
	if (idx != CV_MODEL_NONE)
		cv_model_err(ctx, EEXIST, word->taken, "name", "%s '%s' already exists", word->noun,
			     name);
}

void cv_model_random(const struct model_ctx *ctx, const char *basis, char *buf)
{
	uint64_t hash = cv_siphash(basis, strlen(basis), ctx->by->random[0], ctx->by->random[1]);

	snprintf(buf, 40, "%016llx%016llx", (unsigned long long)hash,
		 (unsigned long long)(ctx->by->random[0] ^ hash));
}

const char *cv_model_id(struct model_ctx *ctx, const char *id, const char *basis)
{
	const struct model_word *word = &words[ctx->kind];
	struct model_key key = {.kind = ctx->kind, .scope = CV_MODEL_NONE};
	bool derived = id == NULL;
	const char *copy;
	char buf[64];

	if (derived && ctx->by != NULL) {
		char random[40];

		cv_model_random(ctx, basis, random);
		cv_id_derive(word->id_prefix, random, 17, buf, sizeof(buf));
		id = buf;
	} else if (derived) {
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
	static const char *const text[CV_MODEL_STATE_N] = {
		[CV_MODEL_PENDING_ACCEPTANCE] = "pendingAcceptance",
		[CV_MODEL_AVAILABLE] = "available",
		[CV_MODEL_REJECTED] = "rejected",
		[CV_MODEL_PENDING] = "pending",
		[CV_MODEL_DELETING] = "deleting",
		[CV_MODEL_DELETED] = "deleted",
		[CV_MODEL_FAILED] = "failed",
		[CV_MODEL_EXPIRED] = "expired",
	};

	return text[state];
}

const char *cv_model_placement_str(enum cv_model_placement placement)
{
	return placement == CV_MODEL_ON_FIRST_ACK ? "on_first_ack" : "on_first_ack_with_payload";
}
