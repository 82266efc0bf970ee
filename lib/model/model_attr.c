/* SPDX-License-Identifier: BSD-3-Clause */

/* Attributes by AWS's keys: one table says which there are, what they may be and where they stand. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* Not a field: kept as text in the resource's meta.attrs. */
#define STORED SIZE_MAX

enum attr_type {
	ATTR_BOOL,
	ATTR_INT,   /* uint32_t, min..max */
	ATTR_OFF,   /* likewise, or 0: `off` */
	ATTR_WORDS, /* an enumeration: position in words */
	ATTR_IPS,   /* secondary addresses of each node of a load balancer, min..max */
	ATTR_TEXT,  /* stored only: any text */
};

struct attr {
	enum cv_model_kind kind;
	const char *key;
	enum attr_type type;
	size_t field; /* offset in the resource, or STORED */
	uint32_t min, max;
	const char *words; /* `a|b|c` */
	const char *def;   /* of what is stored only */
};

#define TG(type, key, field, min, max, words)                                                    \
	{                                                                                        \
		CV_MODEL_TG, key, type, offsetof(struct cv_model_target_group, field), min, max, \
			words, ""                                                                \
	}
#define LB(type, key, field)                                                                \
	{                                                                                   \
		CV_MODEL_LB, key, type, offsetof(struct cv_model_lb, field), 0, 1, NULL, "" \
	}
#define KEEP(kind, type, key, words, def)                 \
	{                                                 \
		kind, key, type, STORED, 0, 0, words, def \
	}
#define HEALTH "target_group_health."
#define UNHEALTHY "target_health_state.unhealthy."
#define LEAST ".minimum_healthy_targets."

static const struct attr attrs[] = {
	TG(ATTR_INT, "deregistration_delay.timeout_seconds", drain.seconds, 0,
	   CV_MODEL_DRAIN_SECONDS_MAX, NULL),
	TG(ATTR_BOOL, "deregistration_delay.connection_termination.enabled", drain.terminate, 0, 1,
	   NULL),
	TG(ATTR_BOOL, "proxy_protocol_v2.enabled", ppv2, 0, 1, NULL),
	TG(ATTR_WORDS, "proxy_protocol_v2.client_to_server.header_placement", placement, 0, 0,
	   "on_first_ack_with_payload|on_first_ack"),
	KEEP(CV_MODEL_TG, ATTR_WORDS, "preserve_client_ip.enabled", "false", "false"),
	TG(ATTR_BOOL, "stickiness.enabled", sticky, 0, 1, NULL),
	KEEP(CV_MODEL_TG, ATTR_WORDS, "stickiness.type", "source_ip", "source_ip"),
	TG(ATTR_WORDS, "load_balancing.cross_zone.enabled", cross_zone, 0, 0,
	   "false|true|use_load_balancer_configuration"),
	TG(ATTR_OFF, HEALTH "dns_failover" LEAST "count", dns_least.count, 1, 1000, NULL),
	TG(ATTR_OFF, HEALTH "dns_failover" LEAST "percentage", dns_least.percent, 1, 100, NULL),
	TG(ATTR_INT, HEALTH "unhealthy_state_routing" LEAST "count", routing_least.count, 1, 1000,
	   NULL),
	TG(ATTR_OFF, HEALTH "unhealthy_state_routing" LEAST "percentage", routing_least.percent, 1,
	   100, NULL),
	TG(ATTR_BOOL, UNHEALTHY "connection_termination.enabled", drain.unhealthy_terminate, 0, 1,
	   NULL),
	TG(ATTR_INT, UNHEALTHY "draining_interval_seconds", drain.unhealthy_seconds, 0,
	   CV_MODEL_UNHEALTHY_SECONDS_MAX, NULL),

	KEEP(CV_MODEL_LB, ATTR_BOOL, "deletion_protection.enabled", NULL, "false"),
	LB(ATTR_BOOL, "load_balancing.cross_zone.enabled", cross_zone),
	LB(ATTR_BOOL, "zonal_shift.config.enabled", zonal_shift),
	KEEP(CV_MODEL_LB, ATTR_BOOL, "access_logs.s3.enabled", NULL, "false"),
	KEEP(CV_MODEL_LB, ATTR_TEXT, "access_logs.s3.bucket", NULL, ""),
	KEEP(CV_MODEL_LB, ATTR_TEXT, "access_logs.s3.prefix", NULL, ""),
	KEEP(CV_MODEL_LB, ATTR_BOOL, "ipv6.deny_all_igw_traffic", NULL, "true"),
	{CV_MODEL_LB, "dns_record.client_routing_policy", ATTR_WORDS,
	 offsetof(struct cv_model_lb, client_routing), 0, 0,
	 "any_availability_zone|partial_availability_zone_affinity|availability_zone_affinity", ""},
	{CV_MODEL_LB, CV_MODEL_ATTR_SECONDARY_IPS, ATTR_IPS, offsetof(struct cv_model_lb, nodes), 0,
	 CV_MODEL_NODE_IPS_MAX - 1, NULL, ""},

	{CV_MODEL_LISTENER, "tcp.idle_timeout.seconds", ATTR_INT,
	 offsetof(struct cv_model_listener, idle_seconds), CV_MODEL_IDLE_SECONDS_MIN,
	 CV_MODEL_IDLE_SECONDS_MAX, NULL, ""},
};

#define ATTRS_N ((uint32_t)CV_ARRAY_LEN(attrs))

void cv_model_tg_req_init(struct cv_model_tg_req *req)
{
	*req = (struct cv_model_tg_req){
		.cross_zone = CV_MODEL_CROSS_ZONE_LB,
		.drain = {.seconds = 300, .unhealthy_terminate = true},
		.dns_least = {.count = 1},
		.routing_least = {.count = 1},
		.check = {.enabled = true},
	};
}

/* The element in which an attribute's field stands, writable. */
static char *resource_of(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx,
			 uint32_t listener)
{
	if (kind == CV_MODEL_TG)
		return (char *)&model->tgs[idx];
	if (kind == CV_MODEL_LB)
		return (char *)&model->lbs[idx];
	return (char *)&model->lbs[idx].listeners[listener];
}

static const char *stored(const struct cv_model_meta *meta, const struct attr *attr)
{
	for (uint32_t i = 0; i < meta->n_attrs; i++) {
		if (strcmp(meta->attrs[i].key, attr->key) == 0)
			return meta->attrs[i].value;
	}
	return attr->def;
}

/* The n-th of `a|b|c` into buf. */
static void word_at(const char *words, uint32_t n, char *buf, size_t cap)
{
	while (n-- > 0)
		words += strcspn(words, "|") + 1;
	snprintf(buf, cap, "%.*s", (int)strcspn(words, "|"), words);
}

static uint32_t word_find(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (uint32_t i = 0;; i++) {
		size_t n = strcspn(words, "|");

		if (n == len && memcmp(words, word, len) == 0)
			return i;
		if (words[n] == '\0')
			return CV_MODEL_NONE;
		words += n + 1;
	}
}

/* What every node has beside its primary address. */
static uint32_t secondary_get(const struct cv_model_lb *lb)
{
	uint32_t n = CV_MODEL_NODE_IPS_MAX;

	for (uint32_t i = 0; i < lb->n_nodes; i++)
		n = lb->nodes[i].n_ips < n ? lb->nodes[i].n_ips : n;
	return n - 1;
}

static void value_get(const struct attr *attr, const char *resource, char *buf, size_t cap)
{
	uint32_t value;
	bool flag;

	if (attr->type == ATTR_BOOL) {
		memcpy(&flag, resource + attr->field, sizeof(flag));
		snprintf(buf, cap, "%s", flag ? "true" : "false");
		return;
	}
	if (attr->type == ATTR_IPS) {
		snprintf(buf, cap, "%u", secondary_get((const struct cv_model_lb *)resource));
		return;
	}
	memcpy(&value, resource + attr->field, sizeof(value));
	if (attr->type == ATTR_WORDS)
		word_at(attr->words, value, buf, cap);
	else if (attr->type == ATTR_OFF && value == 0)
		snprintf(buf, cap, "off");
	else
		snprintf(buf, cap, "%u", value);
}

bool cv_model_attr_at(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx,
		      uint32_t listener, uint32_t i, struct cv_model_attr *ret_attr)
{
	for (uint32_t k = 0; k < ATTRS_N; k++) {
		const struct attr *attr = &attrs[k];

		if (attr->kind != kind || i-- > 0)
			continue;
		ret_attr->key = attr->key;
		ret_attr->value = ret_attr->buf;
		if (attr->field == STORED)
			ret_attr->value = stored(cv_model_meta(model, kind, idx, listener), attr);
		else
			value_get(attr, resource_of(model, kind, idx, listener), ret_attr->buf,
				  sizeof(ret_attr->buf));
		return true;
	}
	return false;
}

bool cv_model_lb_is_protected(const struct cv_model_lb *lb)
{
	for (uint32_t i = 0; i < lb->meta.n_attrs; i++) {
		if (strcmp(lb->meta.attrs[i].key, "deletion_protection.enabled") == 0)
			return strcmp(lb->meta.attrs[i].value, "true") == 0;
	}
	return false;
}

static const struct attr *attr_find(enum cv_model_kind kind, const char *key)
{
	for (uint32_t i = 0; i < ATTRS_N; i++) {
		if (attrs[i].kind == kind && strcmp(attrs[i].key, key) == 0)
			return &attrs[i];
	}
	return NULL;
}

/* Reads a value. Returns whether it may be. */
static bool value_parse(const struct attr *attr, const char *text, uint32_t *ret)
{
	size_t n = strspn(text, "0123456789");

	switch (attr->type) {
	case ATTR_BOOL:
		*ret = word_find("false|true", text);
		return *ret != CV_MODEL_NONE;
	case ATTR_WORDS:
		*ret = word_find(attr->words, text);
		return *ret != CV_MODEL_NONE;
	case ATTR_TEXT:
		return strlen(text) <= 255;
	default:
		break;
	}
	*ret = 0;
	if (attr->type == ATTR_OFF && strcmp(text, "off") == 0)
		return true;
	if (n < 1 || n > 9 || text[n] != '\0')
		return false;
	*ret = (uint32_t)strtoul(text, NULL, 10);
	return *ret >= attr->min && *ret <= attr->max;
}

static void value_set(const struct attr *attr, char *resource, uint32_t value)
{
	bool flag = value != 0;

	if (attr->type == ATTR_BOOL)
		memcpy(resource + attr->field, &flag, sizeof(flag));
	else
		memcpy(resource + attr->field, &value, sizeof(value));
}

static void attrs_check(struct model_ctx *ctx, const struct cv_model_attrs_change *req)
{
	/* Terraform leaves an attribute out when it reads just these words. */
	static const char *const nouns[CV_MODEL_KIND_N] = {
		[CV_MODEL_TG] = "Target group",
		[CV_MODEL_LB] = "Load balancer",
		[CV_MODEL_LISTENER] = "Listener",
	};

	for (uint32_t i = 0; i < req->n_attrs; i++) {
		const struct attr *attr = attr_find(req->kind, req->attrs[i].key);
		uint32_t value;

		if (attr == NULL)
			cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest",
				     cv_model_at(ctx, "attributes[%u]", i),
				     "%s attribute key '%.100s' is not recognized",
				     nouns[req->kind], req->attrs[i].key);
		else if (!value_parse(attr, req->attrs[i].value, &value))
			cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest",
				     cv_model_at(ctx, "attributes[%u]", i),
				     "'%.64s' is not a valid value for attribute '%s'",
				     req->attrs[i].value, attr->key);
	}
}

/* Makes room for what is stored, so that nothing can fail after. The strings are ctx's to undo. */
static struct cv_model_tag *stored_make(struct model_ctx *ctx,
					const struct cv_model_attrs_change *req,
					const struct cv_model_meta *meta)
{
	struct cv_model_tag *list =
		calloc((size_t)meta->n_attrs + 2 * (size_t)req->n_attrs + 1, sizeof(*list));

	if (list == NULL) {
		cv_model_oom(ctx);
		return NULL;
	}
	if (meta->n_attrs > 0)
		memcpy(list, meta->attrs, meta->n_attrs * sizeof(*list));
	/* Behind the room for all: copies of what is asked. */
	for (uint32_t i = 0; i < req->n_attrs; i++) {
		struct cv_model_tag *copy = &list[meta->n_attrs + req->n_attrs + i];

		if (attr_find(req->kind, req->attrs[i].key)->field != STORED)
			continue;
		copy->key = cv_model_str(ctx->model, req->attrs[i].key);
		copy->value = cv_model_str(ctx->model, req->attrs[i].value);
		if (copy->key == NULL || copy->value == NULL)
			cv_model_oom(ctx);
	}
	return list;
}

static void stored_set(struct cv_model *model, struct cv_model_tag *list, uint32_t *n,
		       struct cv_model_tag tag)
{
	for (uint32_t i = 0; i < *n; i++) {
		if (strcmp(list[i].key, tag.key) != 0)
			continue;
		cv_model_str_free(model, list[i].value);
		cv_model_str_free(model, tag.key);
		list[i].value = tag.value;
		return;
	}
	list[(*n)++] = tag;
}

static void attrs_serve(struct cv_model *model, const struct cv_model_attrs_change *req,
			char *resource, struct cv_model_meta *meta, struct cv_model_tag *list)
{
	const struct cv_model_tag *copies = &list[meta->n_attrs + req->n_attrs];

	for (uint32_t i = 0; i < req->n_attrs; i++) {
		const struct attr *attr = attr_find(req->kind, req->attrs[i].key);
		uint32_t value;

		(void)value_parse(attr, req->attrs[i].value, &value);
		if (attr->type == ATTR_IPS)
			continue; /* they have been taken */
		if (attr->field != STORED)
			value_set(attr, resource, value);
		else
			stored_set(model, list, &meta->n_attrs, copies[i]);
	}
	free(meta->attrs);
	meta->attrs = list;
}

/* What is drained for a while does not end at once. */
static void drain_check(struct model_ctx *ctx, const struct cv_model_drain *was,
			const struct cv_model_drain *after)
{
	if (after->unhealthy_seconds != was->unhealthy_seconds && after->unhealthy_seconds > 0 &&
	    after->unhealthy_terminate)
		cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest", "attributes",
			     "'%s' can be set only when '%s' is false",
			     UNHEALTHY "draining_interval_seconds",
			     UNHEALTHY "connection_termination.enabled");
}

/* A group's two thresholds depend on each other, its stickiness on that of those who choose it. */
static void group_check(struct model_ctx *ctx, const struct cv_model_attrs_change *req,
			uint32_t idx)
{
	const struct cv_model_target_group *tg = &ctx->model->tgs[idx];
	struct cv_model_target_group after = *tg;

	for (uint32_t i = 0; i < req->n_attrs; i++) {
		const struct attr *attr = attr_find(req->kind, req->attrs[i].key);
		uint32_t value;

		if (attr->field != STORED && value_parse(attr, req->attrs[i].value, &value))
			value_set(attr, (char *)&after, value);
	}
	drain_check(ctx, &tg->drain, &after.drain);
	cv_model_least_check(ctx, &after.dns_least, &after.routing_least);
	if (after.sticky && !tg->sticky)
		cv_model_sticky_check(ctx, idx);
}

/* Gives each node as many addresses, or none of them any. Flows hold those that are there. */
static void ips_raise(struct model_ctx *ctx, struct cv_model_lb *lb, uint32_t n_secondary)
{
	struct cv_model_lb more = *lb;

	if (n_secondary < secondary_get(lb))
		cv_model_err(ctx, EINVAL, "InvalidConfigurationRequest", "attributes",
			     "The value of attribute '%s' can be raised, not lowered: it is %u",
			     CV_MODEL_ATTR_SECONDARY_IPS, secondary_get(lb));
	more.nodes = ctx->ret == 0 ? calloc(lb->n_nodes, sizeof(*more.nodes)) : NULL;
	if (more.nodes == NULL) {
		if (ctx->ret == 0)
			cv_model_oom(ctx);
		return;
	}
	memcpy(more.nodes, lb->nodes, lb->n_nodes * sizeof(*more.nodes));
	for (uint32_t i = 0; i < more.n_nodes; i++) {
		if (more.nodes[i].n_ips <= n_secondary)
			more.nodes[i].n_ips = n_secondary + 1;
	}
	cv_model_settle_lb(ctx, &more);
	if (ctx->ret == 0) {
		memcpy(lb->nodes, more.nodes, lb->n_nodes * sizeof(*more.nodes));
	} else {
		for (uint32_t i = 0; i < lb->n_nodes; i++) {
			for (uint32_t k = lb->nodes[i].n_ips; k < more.nodes[i].n_ips; k++) {
				if (more.nodes[i].ips[k] != 0)
					cv_model_addr_drop(ctx->model, lb->vpc,
							   more.nodes[i].ips[k]);
			}
		}
	}
	free(more.nodes);
}

/* What has to be taken before anything is changed. */
static void lb_prepare(struct model_ctx *ctx, const struct cv_model_attrs_change *req,
		       struct cv_model_lb *lb)
{
	for (uint32_t i = 0; i < req->n_attrs; i++) {
		const struct attr *attr = attr_find(req->kind, req->attrs[i].key);
		uint32_t value;

		if (attr->type == ATTR_IPS && value_parse(attr, req->attrs[i].value, &value))
			ips_raise(ctx, lb, value);
	}
}

int cv_model_attrs_change(struct cv_model *model, const struct cv_model_by *by,
			  const struct cv_model_attrs_change *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = req->kind};
	enum cv_model_kind kind = req->kind == CV_MODEL_LISTENER ? CV_MODEL_LB : req->kind;
	struct cv_model_tag *list = NULL;
	struct cv_model_meta *meta;
	uint32_t idx, listener = 0;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, req->kind, req->ref);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, kind, idx))
		return cv_model_end(&ctx);
	if (req->kind == CV_MODEL_LISTENER)
		(void)cv_model_listener_find(model, req->ref, &listener);
	attrs_check(&ctx, req);
	if (ctx.ret == 0 && kind == CV_MODEL_TG)
		group_check(&ctx, req, idx);
	meta = req->kind == CV_MODEL_LISTENER ? &model->lbs[idx].listeners[listener].meta
					      : cv_model_meta_at(model, kind, idx);
	if (ctx.ret == 0)
		list = stored_make(&ctx, req, meta);
	if (ctx.ret == 0 && req->kind == CV_MODEL_LB)
		lb_prepare(&ctx, req, &model->lbs[idx]);
	if (ctx.ret != 0) {
		free(list);
		return cv_model_end(&ctx);
	}
	attrs_serve(model, req, resource_of(model, req->kind, idx, listener), meta, list);
	cv_model_touch(&ctx, kind, idx);
	return cv_model_end(&ctx);
}
