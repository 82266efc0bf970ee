/* SPDX-License-Identifier: BSD-3-Clause */

/* Endpoint services, endpoints, principals, acceptance. */

#include "model_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ACCOUNT_LEN 12

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
	snprintf(basis, sizeof(basis), "%s/%.64s", model->region, req->name);
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

static void publish_service(struct model_ctx *ctx, const struct cv_model_service *service)
{
	struct cv_model *model = ctx->model;
	uint32_t idx = model->n_services++;
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
	struct cv_model_service *services;

	service_parts(&ctx, req, &service);
	services = cv_model_grow(model->services, model->n_services, sizeof(*services));
	if (services != NULL)
		model->services = services;
	service.name = cv_model_str(model, req->name);
	service.service_name = cv_model_strf(model, "com.amazonaws.vpce.%s.%s", model->region,
					     service.id != NULL ? service.id : "");
	if (services == NULL || service.name == NULL || service.service_name == NULL ||
	    cv_model_index_room(model->index, 3 + req->n_principals) != 0)
		cv_model_oom(&ctx);
	if (ctx.ret != 0) {
		free(service.lbs);
		free(service.principals);
		return ctx.ret;
	}
	publish_service(&ctx, &service);
	return 0;
}

bool cv_model_service_is_in_zone(const struct cv_model *model, uint32_t service, uint32_t zone)
{
	const struct cv_model_service *s = &model->services[service];

	for (uint32_t i = 0; i < s->n_lbs; i++) {
		if (cv_model_node_find(&model->lbs[s->lbs[i]], zone) != CV_MODEL_NONE)
			return true;
	}
	return false;
}

/* Checks one subnet of a new endpoint against the service and the endpoint's other subnets. */
static void check_eni(struct model_ctx *ctx, const struct cv_model_endpoint_req *req,
		      const struct cv_model_endpoint *endpoint, uint32_t i)
{
	const struct cv_model *model = ctx->model;
	const struct cv_model_place_req *place = &req->places[i];
	struct cv_model_eni *eni = &endpoint->enis[i];
	const char *field = cv_model_at(ctx, "subnets[%u].subnet", i);

	eni->zone = CV_MODEL_NONE;
	eni->subnet = cv_model_resolve(ctx, CV_MODEL_SUBNET, endpoint->vpc, place->subnet, field);
	if (eni->subnet == CV_MODEL_NONE)
		return;
	eni->zone = model->subnets[eni->subnet].zone;
	for (uint32_t j = 0; j < i; j++) {
		if (endpoint->enis[j].zone == eni->zone)
			cv_model_err(ctx, EINVAL, "DuplicateSubnetsInSameZone", field,
				     "subnets '%s' and '%s' are in one availability zone (%s)",
				     req->places[j].subnet, place->subnet,
				     model->zones[eni->zone].id);
	}
	if (place->n_ips > 0) {
		eni->ip = place->ips[0];
		cv_model_check_addr(ctx, eni->subnet, eni->ip,
				    cv_model_at(ctx, "subnets[%u].ip", i));
	}
	if (endpoint->service == CV_MODEL_NONE ||
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

/* As AWS: who is not allowed cannot even see that the service exists. */
static void check_allowed(struct model_ctx *ctx, const struct cv_model_endpoint *endpoint)
{
	const struct cv_model_service *service = &ctx->model->services[endpoint->service];
	struct cv_model_err *err;
	char list[128] = "";

	if (cv_model_principal_allowed(ctx->model, endpoint->service, endpoint->principal))
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
	const char *rest = NULL;
	const char *owner, *account;

	if (endpoint->vpc == CV_MODEL_NONE)
		return;
	owner = model->accounts[model->vpcs[endpoint->vpc].owner].id;
	endpoint->principal = req->principal != NULL
				      ? cv_model_str(ctx->model, req->principal)
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
			     req->principal);
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

static void endpoint_parts(struct model_ctx *ctx, const struct cv_model_endpoint_req *req,
			   struct cv_model_endpoint *endpoint)
{
	char basis[256];

	cv_model_check_name(ctx, CV_MODEL_NONE, req->name);
	snprintf(basis, sizeof(basis), "%s/%.64s", ctx->model->region, req->name);
	endpoint->id = cv_model_id(ctx, req->id, basis);
	endpoint->vpc = cv_model_resolve(ctx, CV_MODEL_VPC, CV_MODEL_NONE, req->vpc, "vpc");
	endpoint->service =
		cv_model_resolve(ctx, CV_MODEL_SERVICE, CV_MODEL_NONE, req->service, "service");
	check_principal(ctx, req, endpoint);
	if (req->n_places == 0)
		cv_model_err(ctx, EINVAL, "InvalidParameter", "subnets",
			     "an endpoint needs a subnet");
	endpoint->n_enis = req->n_places;
	endpoint->n_sgs = req->n_sgs;
	if (endpoint->vpc == CV_MODEL_NONE)
		return;
	endpoint->enis = calloc(req->n_places + 1, sizeof(*endpoint->enis));
	if (endpoint->enis == NULL) {
		cv_model_oom(ctx);
		return;
	}
	for (uint32_t i = 0; i < req->n_places; i++)
		check_eni(ctx, req, endpoint, i);
	endpoint->sgs = cv_model_resolve_all(ctx, CV_MODEL_SG, endpoint->vpc, req->sgs, req->n_sgs);
}

/* Names the ENIs and gives each its load balancer. Only after every check. */
static void finish_enis(struct model_ctx *ctx, struct cv_model_endpoint *endpoint)
{
	for (uint32_t i = 0; i < endpoint->n_enis; i++) {
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
		cv_model_eni_choose(ctx->model, endpoint->service, eni);
	}
}

int cv_model_endpoint_add(struct cv_model *model, const struct cv_model_endpoint_req *req,
			  struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_ENDPOINT};
	struct cv_model_endpoint endpoint = {.state = CV_MODEL_AVAILABLE};
	struct cv_model_endpoint *endpoints;

	endpoint_parts(&ctx, req, &endpoint);
	if (ctx.ret == 0)
		finish_enis(&ctx, &endpoint);
	endpoints = cv_model_grow(model->endpoints, model->n_endpoints, sizeof(*endpoints));
	if (endpoints != NULL)
		model->endpoints = endpoints;
	endpoint.name = cv_model_str(model, req->name);
	if (endpoints == NULL || endpoint.name == NULL ||
	    cv_model_index_room(model->index, 2 + req->n_places) != 0)
		cv_model_oom(&ctx);
	if (ctx.ret != 0) {
		free(endpoint.enis);
		free(endpoint.sgs);
		return ctx.ret;
	}
	if (model->services[endpoint.service].acceptance_required)
		endpoint.state = CV_MODEL_PENDING_ACCEPTANCE;
	for (uint32_t i = 0; i < endpoint.n_enis; i++) {
		if (endpoint.enis[i].ip != 0)
			cv_model_addr_put(model, endpoint.vpc, endpoint.enis[i].ip, MODEL_ADDR_ENI);
	}
	endpoints[model->n_endpoints] = endpoint;
	cv_model_publish(&ctx, CV_MODEL_NONE, endpoint.name, endpoint.id, model->n_endpoints++);
	return 0;
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
			      model->services[endpoint->service].name);
		return ctx.ret;
	}
	endpoint->state = state;
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
