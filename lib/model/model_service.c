/* SPDX-License-Identifier: BSD-3-Clause */

/* Endpoint services, endpoints, principals, acceptance. */

#include "model_change_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT_LEN 12

static bool is_restored(const struct model_ctx *ctx)
{
	return ctx->by != NULL && ctx->by->restore;
}

/* The account id inside an IAM ARN, or NULL; *ret_rest is what follows the account's colon. */
static const char *arn_account(const char *text, const char **ret_rest)
{
	const char *account;

	if (strncmp(text, "arn:aws", 7) != 0)
		return NULL;
	text += 7;
	text += strspn(text, "-abcdefghijklmnopqrstuvwxyz");
	if (strncmp(text, ":iam::", 6) != 0)
		return NULL;
	account = text + 6;
	if (strspn(account, "0123456789") != ACCOUNT_LEN || account[ACCOUNT_LEN] != ':')
		return NULL;
	*ret_rest = account + ACCOUNT_LEN + 1;
	return account;
}

bool cv_model_principal_is(const char *text)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+=,.@_-";
	const char *rest;
	size_t len;

	if (arn_account(text, &rest) == NULL)
		return false;
	if (strcmp(rest, "root") == 0)
		return true;
	if (strncmp(rest, "user/", 5) != 0 && strncmp(rest, "role/", 5) != 0)
		return false;
	len = strspn(rest + 5, good);
	return len >= 1 && len <= 64 && rest[5 + len] == '\0';
}

bool cv_model_principal_allowed(const struct cv_model *model, uint32_t service,
				const char *principal)
{
	struct model_key key = {.kind = MODEL_KEY_PRINCIPAL, .scope = service, .str = "*"};
	const char *rest;
	char root[128];

	if (cv_model_index_get(model->index, &key) != CV_MODEL_NONE)
		return true;
	key.str = principal;
	if (cv_model_index_get(model->index, &key) != CV_MODEL_NONE)
		return true;
	if (arn_account(principal, &rest) == NULL || rest - principal > 100)
		return false;
	snprintf(root, sizeof(root), "%.*sroot", (int)(rest - principal), principal);
	key.str = root;
	return cv_model_index_get(model->index, &key) != CV_MODEL_NONE;
}

static void check_principals(struct model_ctx *ctx, const struct cv_model_service_req *req,
			     struct cv_model_service *service)
{
	for (uint32_t i = 0; i < req->n_principals; i++) {
		const char *text = req->principals[i];

		if (strcmp(text, "*") != 0 && !cv_model_principal_is(text))
			cv_model_err(
				ctx, EINVAL, "InvalidPrincipal",
				cv_model_at(ctx, "allowed_principals[%u]", i),
				"'%.80s' is no principal: arn:aws:iam::ACCOUNT:root, ...:user/NAME, "
				"...:role/NAME (without a path) or *",
				text);
		service->principals[i] = cv_model_str(ctx->model, text);
		if (service->principals[i] == NULL)
			cv_model_oom(ctx);
	}
}

/* The load balancers are free, differ, and have one owner, who then owns the service. */
static void check_service_lbs(struct model_ctx *ctx, struct cv_model_service *service)
{
	const struct cv_model *model = ctx->model;
	const struct cv_model_lb *first;

	if (service->lbs == NULL)
		return;
	first = &model->lbs[service->lbs[0]];
	service->owner = model->vpcs[first->vpc].owner;
	for (uint32_t i = 0; i < service->n_lbs; i++) {
		const struct cv_model_lb *lb = &model->lbs[service->lbs[i]];
		const char *field = cv_model_at(ctx, "load_balancers[%u]", i);

		if (lb->service != CV_MODEL_NONE)
			cv_model_err(ctx, EINVAL, "InvalidParameter", field,
				     "load balancer '%s' is already in endpoint service '%s'",
				     lb->name, model->services[lb->service].name);
		if (model->vpcs[lb->vpc].owner != service->owner)
			cv_model_err(ctx, EINVAL, "InvalidParameter", field,
				     "load balancer '%s' belongs to account '%s', '%s' to '%s'",
				     lb->name, model->accounts[model->vpcs[lb->vpc].owner].name,
				     first->name, model->accounts[service->owner].name);
		for (uint32_t j = 0; j < i; j++) {
			if (service->lbs[j] == service->lbs[i])
				cv_model_err(ctx, EEXIST, "InvalidParameter", field,
					     "load balancer '%s' is listed twice", lb->name);
		}
	}
}

static void service_parts(struct model_ctx *ctx, const struct cv_model_service_req *req,
			  struct cv_model_service *service)
{
	struct cv_model *model = ctx->model;
	char basis[256];

	cv_model_check_name(ctx, CV_MODEL_NONE, req->name);
	snprintf(basis, sizeof(basis), "%s/%.64s", model->region,
		 req->name != NULL ? req->name : "");
	service->id = cv_model_id(ctx, req->id, basis);
	if (req->n_lbs == 0)
		cv_model_err(ctx, EINVAL, "InvalidParameter", "load_balancers",
			     "an endpoint service needs a load balancer");
	service->principals = calloc(req->n_principals + 1, sizeof(*service->principals));
	if (service->principals == NULL)
		cv_model_oom(ctx);
	else
		check_principals(ctx, req, service);
	service->n_principals = req->n_principals;
	service->n_lbs = req->n_lbs;
	service->lbs = cv_model_resolve_all(ctx, CV_MODEL_LB, CV_MODEL_NONE, req->lbs, req->n_lbs);
	check_service_lbs(ctx, service);
}

static void publish_service(struct model_ctx *ctx, const struct cv_model_service *service,
			    uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct model_key key = {.kind = CV_MODEL_SERVICE, .scope = CV_MODEL_NONE};

	model->services[idx] = *service;
	cv_model_publish(ctx, CV_MODEL_NONE, service->name, service->id, idx);
	key.str = service->service_name;
	cv_model_index_put(model->index, &key, idx);
	key.kind = MODEL_KEY_PRINCIPAL;
	key.scope = idx;
	for (uint32_t i = 0; i < service->n_principals; i++) {
		key.str = service->principals[i];
		cv_model_index_put(model->index, &key, i);
	}
	for (uint32_t i = 0; i < service->n_lbs; i++)
		model->lbs[service->lbs[i]].service = idx;
}

int cv_model_service_add(struct cv_model *model, const struct cv_model_service_req *req,
			 struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SERVICE};
	struct cv_model_service service = {.acceptance_required = req->acceptance_required};
	uint32_t idx = CV_MODEL_NONE;

	cv_model_begin(&ctx, req->by);
	service_parts(&ctx, req, &service);
	if (ctx.ret == 0)
		service.zones = cv_model_service_zones(model, &service);
	if (is_restored(&ctx))
		service.zones &= req->zones;
	service.name = req->name != NULL ? cv_model_str(model, req->name) : service.id;
	service.service_name = cv_model_strf(model, "com.amazonaws.vpce.%s.%s", model->region,
					     service.id != NULL ? service.id : "");
	if (ctx.ret == 0 && service.name != NULL && service.service_name != NULL &&
	    cv_model_index_room(model->index, 3 + req->n_principals) == 0)
		idx = cv_model_place(&ctx);
	if (idx == CV_MODEL_NONE) {
		if (ctx.ret == 0)
			cv_model_oom(&ctx);
		free(service.lbs);
		free(service.principals);
		return cv_model_end(&ctx);
	}
	publish_service(&ctx, &service, idx);
	return cv_model_end(&ctx);
}

bool cv_model_service_is_in_zone(const struct cv_model *model, uint32_t service, uint32_t zone)
{
	return zone != CV_MODEL_NONE && (model->services[service].zones >> zone & 1) != 0;
}

uint64_t cv_model_service_zones(const struct cv_model *model,
				const struct cv_model_service *service)
{
	uint64_t zones = 0;

	for (uint32_t i = 0; i < service->n_lbs; i++) {
		const struct cv_model_lb *lb = &model->lbs[service->lbs[i]];

		for (uint32_t n = 0; n < lb->n_nodes; n++)
			zones |= UINT64_C(1) << lb->nodes[n].zone;
	}
	return zones;
}

/* A call hears it in AWS's words, the author of a file in the file's. */
static void err_same_zone(struct model_ctx *ctx, const struct cv_model_place_req *place,
			  const struct cv_model_eni *eni, const struct cv_model_eni *before,
			  const char *field)
{
	const struct cv_model_subnet *subnet = &ctx->model->subnets[eni->subnet];
	const struct cv_model_subnet *other = &ctx->model->subnets[before->subnet];

	if (ctx->by != NULL)
		cv_model_err(ctx, EINVAL, "DuplicateSubnetsInSameZone", field,
			     "Found another VPC endpoint subnet in the availability zone of %s. "
			     "VPC endpoint subnets should be in different availability zones "
			     "supported by the VPC endpoint service.",
			     subnet->id);
	else
		cv_model_err(ctx, EINVAL, "DuplicateSubnetsInSameZone", field,
			     "subnets '%s' and '%s' are in one availability zone (%s)",
			     strcmp(place->subnet, subnet->id) == 0 ? other->id : other->name,
			     place->subnet, ctx->model->zones[eni->zone].id);
}

/* Checks one subnet of a new endpoint against the service and the endpoint's other subnets. */
void cv_model_check_eni(struct model_ctx *ctx, const struct cv_model_place_req *place,
			const struct cv_model_endpoint *endpoint, uint32_t i)
{
	const struct cv_model *model = ctx->model;
	struct cv_model_eni *eni = &endpoint->enis[i];
	const char *field = cv_model_at(ctx, "subnets[%u].subnet", i);

	eni->zone = CV_MODEL_NONE;
	eni->subnet = cv_model_resolve(ctx, CV_MODEL_SUBNET, endpoint->vpc, place->subnet, field);
	if (eni->subnet == CV_MODEL_NONE)
		return;
	eni->zone = model->subnets[eni->subnet].zone;
	for (uint32_t j = 0; j < i; j++) {
		if (endpoint->enis[j].zone == eni->zone)
			err_same_zone(ctx, place, eni, &endpoint->enis[j], field);
	}
	if (place->n_ips > 0) {
		eni->ip = place->ips[0];
		cv_model_check_addr(ctx, eni->subnet, eni->ip,
				    cv_model_at(ctx, "subnets[%u].ip", i));
	}
	if (endpoint->service == CV_MODEL_NONE || is_restored(ctx) ||
	    cv_model_service_is_in_zone(model, endpoint->service, eni->zone))
		return;
	cv_model_hint(
		cv_model_err(
			ctx, EINVAL, "InvalidParameter", cv_model_at(ctx, "subnets[%u].subnet", i),
			"The VPC endpoint service %s does not support the availability zone of the "
			"subnet: %s.",
			model->services[endpoint->service].service_name,
			model->subnets[eni->subnet].id),
		"subnet '%s' is in %s (%s), where no load balancer of '%s' has a node",
		place->subnet, model->subnets[eni->subnet].zone_name, model->zones[eni->zone].id,
		model->services[endpoint->service].name);
}

/* As AWS: who is not allowed cannot even see that the service exists; its own account is. */
static void check_allowed(struct model_ctx *ctx, const struct cv_model_endpoint *endpoint)
{
	const struct cv_model_service *service = &ctx->model->services[endpoint->service];
	struct cv_model_err *err;
	char list[128] = "";

	if (is_restored(ctx) || ctx->model->vpcs[endpoint->vpc].owner == service->owner ||
	    cv_model_principal_allowed(ctx->model, endpoint->service, endpoint->principal))
		return;
	err = cv_model_err(ctx, EINVAL, "InvalidServiceName", "service",
			   "The Vpc Endpoint Service '%s' does not exist", service->service_name);
	for (uint32_t i = 0; i < service->n_principals && i < 16; i++)
		cv_list_add(list, sizeof(list), service->principals[i]);
	cv_model_hint(err, "principal %s is not allowed; '%s' allows %s", endpoint->principal,
		      service->name, service->n_principals == 0 ? "nobody" : list);
}

static void check_principal(struct model_ctx *ctx, const struct cv_model_endpoint_req *req,
			    struct cv_model_endpoint *endpoint)
{
	const struct cv_model *model = ctx->model;
	const char *principal = req->principal;
	const char *rest = NULL;
	const char *owner, *account;

	if (endpoint->vpc == CV_MODEL_NONE)
		return;
	if (ctx->by != NULL && !ctx->by->restore)
		principal = ctx->by->principal;
	owner = model->accounts[model->vpcs[endpoint->vpc].owner].id;
	endpoint->principal = principal != NULL
				      ? cv_model_str(ctx->model, principal)
				      : cv_model_strf(ctx->model, "arn:%s:iam::%s:root",
						      cv_model_partition(model->region), owner);
	if (endpoint->principal == NULL) {
		cv_model_oom(ctx);
		return;
	}
	if (!cv_model_principal_is(endpoint->principal)) {
		cv_model_err(ctx, EINVAL, "InvalidPrincipal", "principal",
			     "'%.80s' is no principal: arn:aws:iam::ACCOUNT:root, ...:user/NAME or "
			     "...:role/NAME",
			     endpoint->principal);
		return;
	}
	account = arn_account(endpoint->principal, &rest);
	if (strncmp(account, owner, ACCOUNT_LEN) != 0) {
		cv_model_hint(cv_model_err(ctx, EINVAL, "InvalidVpcID.NotFound", "vpc",
					   "The vpc ID '%s' does not exist",
					   model->vpcs[endpoint->vpc].id),
			      "VPC '%s' belongs to account %s, the principal to %.12s",
			      model->vpcs[endpoint->vpc].name, owner, account);
		return;
	}
	if (endpoint->service != CV_MODEL_NONE)
		check_allowed(ctx, endpoint);
}

/* Tells whether an attached endpoint of a VPC has a private name already. */
static bool is_name_taken(const struct cv_model *model, uint32_t vpc, const char *name)
{
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *e = &model->endpoints[i];
		const char *other;

		if (e->meta.gone || e->vpc != vpc || !e->private_dns ||
		    e->service == CV_MODEL_NONE || !cv_model_state_is_attached(e->state))
			continue;
		other = model->services[e->service].private_dns_name;
		if (other != NULL && strcmp(other, name) == 0)
			return true;
	}
	return false;
}

void cv_model_check_private_name(struct model_ctx *ctx, uint32_t vpc, uint32_t service)
{
	const char *name = ctx->model->services[service].private_dns_name;

	if (name != NULL && is_name_taken(ctx->model, vpc, name))
		cv_model_err(ctx, EINVAL, "InvalidParameter", "private_dns",
			     "private-dns-enabled cannot be set because there is already a "
			     "conflicting DNS domain for %s in the VPC %s",
			     name, ctx->model->vpcs[vpc].id);
}

void cv_model_check_private_dns(struct model_ctx *ctx, uint32_t vpc, uint32_t service)
{
	const struct cv_model_service *s = &ctx->model->services[service];
	const struct cv_model_vpc *v = &ctx->model->vpcs[vpc];

	if (!v->dns_support || !v->dns_hostnames)
		cv_model_err(ctx, EINVAL, "InvalidParameter", "private_dns",
			     "Enabling private DNS requires both enableDnsSupport and "
			     "enableDnsHostnames VPC attributes set to true for %s",
			     v->id);
	if (s->private_dns_name == NULL || s->dns_state != CV_MODEL_DNS_VERIFIED)
		cv_model_err(ctx, EINVAL, "InvalidParameter", "private_dns",
			     "Private DNS can't be enabled because the service %s does not provide "
			     "a private DNS name.",
			     s->service_name);
	else
		cv_model_check_private_name(ctx, vpc, service);
}

/* The service of a new endpoint. That of a stored one may have gone since: then it has failed. */
static void endpoint_service(struct model_ctx *ctx, const struct cv_model_endpoint_req *req,
			     struct cv_model_endpoint *endpoint)
{
	struct cv_model *model = ctx->model;

	if (is_restored(ctx)) {
		endpoint->service =
			cv_model_find(model, CV_MODEL_SERVICE, CV_MODEL_NONE, req->service);
		endpoint->state = req->state;
		endpoint->state_since = req->state_since;
		if (endpoint->service == CV_MODEL_NONE) {
			endpoint->state = CV_MODEL_FAILED;
			endpoint->service_name = cv_model_str(model, req->service);
		}
	} else {
		endpoint->service = cv_model_resolve(ctx, CV_MODEL_SERVICE, CV_MODEL_NONE,
						     req->service, "service");
		if (ctx->by != NULL)
			endpoint->state_since = ctx->by->now;
	}
	if (endpoint->service != CV_MODEL_NONE)
		endpoint->service_name =
			cv_model_str(model, model->services[endpoint->service].service_name);
	if (endpoint->service_name == NULL && ctx->ret == 0)
		cv_model_oom(ctx);
}

/* One that names no group has the VPC's own. */
static void endpoint_sgs(struct model_ctx *ctx, const struct cv_model_endpoint_req *req,
			 struct cv_model_endpoint *endpoint)
{
	static const char *const own[] = {CV_MODEL_SG_DEFAULT};
	const char *const *sgs = req->n_sgs > 0 ? req->sgs : own;

	endpoint->n_sgs = req->n_sgs > 0 ? req->n_sgs : 1;
	endpoint->sgs = cv_model_resolve_all(ctx, CV_MODEL_SG, endpoint->vpc, sgs, endpoint->n_sgs);
	/* The file's own admits what its rules say, and the VPC's CIDRs only if they do. */
	if (req->n_sgs == 0 && ctx->by == NULL && endpoint->sgs != NULL &&
	    !ctx->model->sgs[endpoint->sgs[0]].of_vpc)
		cv_model_err(ctx, 0, "", "security_groups",
			     "endpoint '%.64s' names no security group: it has the file's "
			     "'default', whose rules say who may connect",
			     req->name != NULL ? req->name : "");
}

void cv_model_check_sgs(struct model_ctx *ctx, uint32_t n)
{
	if (ctx->by != NULL && !ctx->by->restore && n > CV_MODEL_ENDPOINT_SGS_MAX)
		cv_model_err(ctx, EINVAL, "SecurityGroupsPerInterfaceLimitExceeded",
			     "security_groups",
			     "The maximum number of security groups per interface has been "
			     "reached: it is %d.",
			     CV_MODEL_ENDPOINT_SGS_MAX);
}

/* One account's endpoints are bounded by its VPCs', so that they leave room for the others'. */
static void check_quotas(struct model_ctx *ctx, uint32_t vpc)
{
	const struct cv_model *model = ctx->model;
	uint32_t limit = model->limits[CV_MODEL_ENDPOINT], each = model->limits[CV_MODEL_VPC];
	uint32_t n_gone = model->n_gone[CV_MODEL_ENDPOINT] + model->n_deleted;

	if (limit != 0 && model->n_endpoints - n_gone >= limit)
		cv_model_err(ctx, EINVAL, "VpcEndpointLimitExceeded", "",
			     "The maximum number of VPC endpoints has been reached.");
	else if (!is_restored(ctx) && vpc != CV_MODEL_NONE && each != 0 &&
		 model->vpcs[vpc].n_endpoints >= each)
		cv_model_err(ctx, EINVAL, "VpcEndpointLimitExceeded", "",
			     "The maximum number of VPC endpoints has been reached: a VPC has at "
			     "most %u.",
			     each);
}

static void endpoint_parts(struct model_ctx *ctx, const struct cv_model_endpoint_req *req,
			   struct cv_model_endpoint *endpoint)
{
	char basis[256];

	cv_model_check_name(ctx, CV_MODEL_NONE, req->name);
	snprintf(basis, sizeof(basis), "%s/%.64s", ctx->model->region,
		 req->name != NULL ? req->name : "");
	endpoint->id = cv_model_id(ctx, req->id, basis);
	endpoint->vpc = cv_model_resolve(ctx, CV_MODEL_VPC, CV_MODEL_NONE, req->vpc, "vpc");
	endpoint_service(ctx, req, endpoint);
	check_principal(ctx, req, endpoint);
	if (ctx->by != NULL)
		check_quotas(ctx, endpoint->vpc);
	cv_model_check_sgs(ctx, req->n_sgs);
	if (req->private_dns && !is_restored(ctx) && endpoint->service != CV_MODEL_NONE &&
	    endpoint->vpc != CV_MODEL_NONE)
		cv_model_check_private_dns(ctx, endpoint->vpc, endpoint->service);
	endpoint->private_dns = req->private_dns;
	endpoint->n_enis = req->n_places;
	if (endpoint->vpc == CV_MODEL_NONE)
		return;
	endpoint->enis = calloc(req->n_places + 1, sizeof(*endpoint->enis));
	if (endpoint->enis == NULL) {
		cv_model_oom(ctx);
		return;
	}
	for (uint32_t i = 0; i < req->n_places; i++)
		cv_model_check_eni(ctx, &req->places[i], endpoint, i);
	endpoint_sgs(ctx, req, endpoint);
}

/* A stored ENI goes on with its load balancer, as long as that serves its zone. */
static void restore_lb(const struct cv_model *model, uint32_t service, const char *arn,
		       struct cv_model_eni *eni)
{
	uint32_t lb = cv_model_find(model, CV_MODEL_LB, CV_MODEL_NONE, arn);

	if (lb == CV_MODEL_NONE || model->lbs[lb].service != service ||
	    cv_model_node_find(&model->lbs[lb], eni->zone) == CV_MODEL_NONE)
		return;
	eni->lb = lb;
	eni->node = cv_model_node_find(&model->lbs[lb], eni->zone);
}

void cv_model_enis_finish(struct model_ctx *ctx, struct cv_model_endpoint *endpoint, uint32_t first)
{
	for (uint32_t i = first; i < endpoint->n_enis; i++) {
		struct cv_model_eni *eni = &endpoint->enis[i];
		char basis[128], id[32];

		snprintf(basis, sizeof(basis), "%s/%s", endpoint->id,
			 ctx->model->subnets[eni->subnet].id);
		cv_id_derive("eni-", basis, 17, id, sizeof(id));
		eni->id = cv_model_str(ctx->model, id);
		if (eni->id == NULL) {
			cv_model_oom(ctx);
			return;
		}
		eni->lb = eni->node = CV_MODEL_NONE;
		if (endpoint->service != CV_MODEL_NONE)
			cv_model_eni_choose(ctx->model, endpoint->service, eni);
	}
}

/* Addresses that the request did not give stay open until the whole of the file is known. */
bool cv_model_enis_claim(struct model_ctx *ctx, struct cv_model_endpoint *endpoint, uint32_t first)
{
	for (uint32_t i = first; i < endpoint->n_enis; i++) {
		if (endpoint->enis[i].ip != 0)
			cv_model_addr_put(ctx->model, endpoint->vpc, endpoint->enis[i].ip,
					  MODEL_ADDR_ENI);
	}
	if (ctx->by == NULL || ctx->by->restore)
		return true;
	cv_model_settle_endpoint(ctx, endpoint);
	if (ctx->ret == 0)
		return true;
	cv_model_enis_release(ctx->model, endpoint, first);
	return false;
}

void cv_model_enis_release(struct cv_model *model, const struct cv_model_endpoint *endpoint,
			   uint32_t first)
{
	for (uint32_t i = first; i < endpoint->n_enis; i++) {
		if (endpoint->enis[i].ip != 0)
			cv_model_addr_drop(model, endpoint->vpc, endpoint->enis[i].ip);
	}
}

void cv_model_endpoint_uses(struct cv_model *model, const struct cv_model_endpoint *endpoint,
			    int more)
{
	for (uint32_t i = 0; i < endpoint->n_enis; i++)
		cv_model_use(model, CV_MODEL_SUBNET, endpoint->enis[i].subnet, more);
	for (uint32_t i = 0; i < endpoint->n_sgs; i++)
		cv_model_use(model, CV_MODEL_SG, endpoint->sgs[i], more);
	cv_model_use(model, CV_MODEL_VPC, endpoint->vpc, more);
	cv_model_use(model, CV_MODEL_SERVICE, endpoint->service, more);
}

bool cv_model_endpoint_is_over(const struct cv_model_endpoint *endpoint)
{
	return endpoint->state == CV_MODEL_DELETING || endpoint->state == CV_MODEL_DELETED;
}

bool cv_model_state_is_attached(enum cv_model_state state)
{
	return state == CV_MODEL_PENDING_ACCEPTANCE || state == CV_MODEL_PENDING ||
	       state == CV_MODEL_AVAILABLE;
}

void cv_model_state_set(struct cv_model *model, struct cv_model_endpoint *endpoint,
			enum cv_model_state state, uint64_t now)
{
	int more = (int)cv_model_state_is_attached(state) -
		   (int)cv_model_state_is_attached(endpoint->state);

	if (endpoint->service != CV_MODEL_NONE)
		model->services[endpoint->service].n_attached += (uint32_t)more;
	if (endpoint->state != state)
		endpoint->state_since = now;
	endpoint->state = state;
}

static void publish_endpoint(struct model_ctx *ctx, const struct cv_model_endpoint *endpoint,
			     uint32_t idx)
{
	struct cv_model *model = ctx->model;

	model->endpoints[idx] = *endpoint;
	cv_model_publish(ctx, CV_MODEL_NONE, endpoint->name, endpoint->id, idx);
	cv_model_endpoint_uses(model, endpoint, 1);
	model->vpcs[endpoint->vpc].n_endpoints += ctx->by != NULL;
	if (endpoint->service != CV_MODEL_NONE && cv_model_state_is_attached(endpoint->state))
		model->services[endpoint->service].n_attached++;
}

static void first_state(const struct model_ctx *ctx, struct cv_model_endpoint *endpoint)
{
	if (is_restored(ctx))
		return;
	endpoint->state = ctx->by != NULL ? CV_MODEL_PENDING : CV_MODEL_AVAILABLE;
	if (ctx->model->services[endpoint->service].acceptance_required)
		endpoint->state = CV_MODEL_PENDING_ACCEPTANCE;
}

int cv_model_endpoint_add(struct cv_model *model, const struct cv_model_endpoint_req *req,
			  struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_ENDPOINT};
	struct cv_model_endpoint endpoint = {.state = CV_MODEL_AVAILABLE};
	uint32_t idx;

	cv_model_begin(&ctx, req->by);
	endpoint_parts(&ctx, req, &endpoint);
	if (ctx.ret == 0)
		cv_model_enis_finish(&ctx, &endpoint, 0);
	for (uint32_t i = 0; ctx.ret == 0 && is_restored(&ctx) && i < req->n_places; i++) {
		if (req->eni_lbs != NULL && req->eni_lbs[i] != NULL)
			restore_lb(model, endpoint.service, req->eni_lbs[i], &endpoint.enis[i]);
	}
	endpoint.name = req->name != NULL ? cv_model_str(model, req->name) : endpoint.id;
	if ((endpoint.name == NULL && ctx.ret == 0) ||
	    cv_model_index_room(model->index, 4 + req->n_places) != 0)
		cv_model_oom(&ctx);
	if (ctx.ret != 0 || !cv_model_enis_claim(&ctx, &endpoint, 0))
		goto fail;
	idx = cv_model_place(&ctx);
	if (idx == CV_MODEL_NONE) {
		cv_model_enis_release(model, &endpoint, 0);
		goto fail;
	}
	first_state(&ctx, &endpoint);
	publish_endpoint(&ctx, &endpoint, idx);
	return cv_model_end(&ctx);

fail:
	free(endpoint.enis);
	free(endpoint.sgs);
	return cv_model_end(&ctx);
}

static int decide(struct cv_model *model, uint32_t service, const char *ref,
		  enum cv_model_state state, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SERVICE};
	uint32_t idx = cv_model_resolve(&ctx, CV_MODEL_ENDPOINT, CV_MODEL_NONE, ref, "");
	struct cv_model_endpoint *endpoint;

	if (idx == CV_MODEL_NONE)
		return ctx.ret;
	endpoint = &model->endpoints[idx];
	if (endpoint->service != service) {
		cv_model_hint(cv_model_err(&ctx, ENOENT, "InvalidVpcEndpointId.NotFound", "",
					   "there is no endpoint '%s' of this service", ref),
			      "it belongs to service '%s'",
			      endpoint->service != CV_MODEL_NONE
				      ? model->services[endpoint->service].name
				      : endpoint->service_name);
		return ctx.ret;
	}
	cv_model_state_set(model, endpoint, state, 0);
	return 0;
}

int cv_model_accept(struct cv_model *model, uint32_t service, const char *endpoint,
		    struct cv_model_errs *errs)
{
	return decide(model, service, endpoint, CV_MODEL_AVAILABLE, errs);
}

int cv_model_reject(struct cv_model *model, uint32_t service, const char *endpoint,
		    struct cv_model_errs *errs)
{
	return decide(model, service, endpoint, CV_MODEL_REJECTED, errs);
}
