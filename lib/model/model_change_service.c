/* SPDX-License-Identifier: BSD-3-Clause */

/* Endpoint services, permissions, endpoints and their connections go and change. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

bool cv_model_service_is_seen(const struct cv_model *model, const struct cv_model_by *by,
			      uint32_t service)
{
	char root[96];

	if (by->account == CV_MODEL_NONE || model->services[service].owner == by->account)
		return true;
	if (by->principal != NULL)
		return cv_model_principal_allowed(model, service, by->principal);
	snprintf(root, sizeof(root), "arn:%s:iam::%s:root", cv_model_partition(model->region),
		 model->accounts[by->account].id);
	return cv_model_principal_allowed(model, service, root);
}

/* ---- endpoints ---- */

/* ENIs and users end; what is left is what DescribeVpcEndpoints shows of a deleted one. */
static void endpoint_empty(struct cv_model *model, struct cv_model_endpoint *endpoint)
{
	cv_model_enis_release(model, endpoint, 0);
	cv_model_endpoint_uses(model, endpoint, -1);
	for (uint32_t i = 0; i < endpoint->n_enis; i++)
		cv_model_str_free(model, endpoint->enis[i].id);
	free(endpoint->enis);
	free(endpoint->sgs);
	endpoint->enis = NULL;
	endpoint->sgs = NULL;
	endpoint->n_enis = endpoint->n_sgs = 0;
}

static struct cv_model_account *owner_of(struct cv_model *model,
					 const struct cv_model_endpoint *endpoint)
{
	return &model->accounts[model->vpcs[endpoint->vpc].owner];
}

static void deleted_count(struct cv_model *model, const struct cv_model_endpoint *endpoint,
			  int more)
{
	model->n_deleted += (uint32_t)more;
	owner_of(model, endpoint)->n_deleted += (uint32_t)more;
}

void cv_model_endpoint_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model_endpoint *endpoint = &ctx->model->endpoints[idx];

	if (cv_model_endpoint_is_over(endpoint)) {
		cv_model_err(ctx, ENOENT, "InvalidVpcEndpoint.NotFound", "",
			     "The Vpc Endpoint Id '%s' does not exist", endpoint->id);
		return;
	}
	cv_model_state_set(ctx->model, endpoint, CV_MODEL_DELETING, ctx->by->now);
	endpoint_empty(ctx->model, endpoint);
	ctx->model->vpcs[endpoint->vpc].n_endpoints--;
	deleted_count(ctx->model, endpoint, 1);
	cv_model_touch(ctx, CV_MODEL_ENDPOINT, idx);
}

void cv_model_endpoint_vanish(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model_endpoint *endpoint = &ctx->model->endpoints[idx];

	deleted_count(ctx->model, endpoint, -1);
	cv_model_str_free(ctx->model, endpoint->principal);
	cv_model_str_free(ctx->model, endpoint->service_name);
	cv_model_vanish(ctx, CV_MODEL_ENDPOINT, idx, CV_MODEL_NONE);
	ctx->model->endpoints[idx].service = CV_MODEL_NONE;
	ctx->model->endpoints[idx].state = CV_MODEL_DELETED;
}

static bool endpoint_advance(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model_endpoint *endpoint = &ctx->model->endpoints[idx];
	uint64_t now = ctx->by->now;
	uint64_t age = now > endpoint->state_since ? now - endpoint->state_since : 0;

	switch (endpoint->state) {
	case CV_MODEL_PENDING:
		cv_model_state_set(ctx->model, endpoint, CV_MODEL_AVAILABLE, now);
		break;
	case CV_MODEL_DELETING:
		cv_model_state_set(ctx->model, endpoint, CV_MODEL_DELETED, now);
		return true;
	case CV_MODEL_DELETED:
		/* Who deletes many sees them for less long: they take memory. */
		if (age < CV_MODEL_DELETED_SECONDS &&
		    owner_of(ctx->model, endpoint)->n_deleted <= CV_MODEL_DELETED_EACH)
			return false;
		cv_model_endpoint_vanish(ctx, idx);
		return true;
	case CV_MODEL_PENDING_ACCEPTANCE:
		/* The file's requests wait as long as they stand there. */
		if (endpoint->state_since == 0 || age < CV_MODEL_EXPIRE_SECONDS)
			return false;
		cv_model_state_set(ctx->model, endpoint, CV_MODEL_EXPIRED, now);
		break;
	default:
		return false;
	}
	cv_model_touch(ctx, CV_MODEL_ENDPOINT, idx);
	return true;
}

bool cv_model_advance(struct cv_model *model, uint64_t now)
{
	const struct cv_model_by by = {.account = CV_MODEL_NONE, .now = now};
	struct cv_model_errs errs = {0};
	bool changed = false;

	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		struct model_ctx ctx = {.model = model, .errs = &errs, .kind = CV_MODEL_ENDPOINT};

		if (model->endpoints[i].meta.gone ||
		    model->endpoints[i].state == CV_MODEL_AVAILABLE)
			continue;
		cv_model_begin(&ctx, &by);
		/* Without memory for the list of changes it waits for the next turn. */
		if (ctx.ret == 0)
			changed = endpoint_advance(&ctx, i) || changed;
		(void)cv_model_end(&ctx);
	}
	return changed;
}

/* ---- connections ---- */

/* The service and one of its endpoints, both by id. */
static uint32_t connection_find(struct model_ctx *ctx, const char *service, const char *ref)
{
	uint32_t s = cv_model_subject(ctx, CV_MODEL_SERVICE, service);
	uint32_t idx = cv_model_find(ctx->model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, ref);

	if (s == CV_MODEL_NONE)
		return CV_MODEL_NONE;
	if (idx != CV_MODEL_NONE && ctx->model->endpoints[idx].service == s)
		return idx;
	if (!cv_id_is(ref, "vpce-", 17))
		cv_model_err(ctx, EINVAL, "InvalidVpcEndpointId.Malformed", "",
			     "Invalid Id: \"%.64s\"", ref);
	else
		cv_model_err(ctx, ENOENT, "InvalidVpcEndpointId.NotFound", "",
			     "The Vpc Endpoint Id '%s' does not exist", ref);
	return CV_MODEL_NONE;
}

/* An ENI whose load balancer left the service meanwhile gets another. */
static void enis_complete(struct cv_model *model, struct cv_model_endpoint *endpoint)
{
	for (uint32_t i = 0; i < endpoint->n_enis; i++) {
		struct cv_model_eni *eni = &endpoint->enis[i];

		if (eni->lb == CV_MODEL_NONE || model->lbs[eni->lb].service != endpoint->service) {
			eni->node = CV_MODEL_NONE;
			cv_model_eni_choose(model, endpoint->service, eni);
		}
	}
}

static void decide_check(struct model_ctx *ctx, const struct cv_model_endpoint *endpoint,
			 bool accept)
{
	bool attached = cv_model_state_is_attached(endpoint->state);

	if (!attached && endpoint->state != CV_MODEL_REJECTED)
		cv_model_err(ctx, EINVAL, "InvalidState", "",
			     "The endpoint '%s' is in the state '%s' and cannot be %s",
			     endpoint->id, cv_model_state_str(endpoint->state),
			     accept ? "accepted" : "rejected");
	/* While it was rejected another may have got the name that it had. */
	else if (accept && !attached && endpoint->private_dns && !ctx->by->restore)
		cv_model_check_private_name(ctx, endpoint->vpc, endpoint->service);
}

static int decide(struct model_ctx *ctx, const char *service, const char *ref, bool accept)
{
	struct cv_model *model = ctx->model;
	uint32_t idx = connection_find(ctx, service, ref);
	struct cv_model_endpoint *endpoint;
	bool attached;

	if (idx == CV_MODEL_NONE)
		return cv_model_end(ctx);
	endpoint = &model->endpoints[idx];
	decide_check(ctx, endpoint, accept);
	if (ctx->ret != 0)
		return cv_model_end(ctx);
	attached = cv_model_state_is_attached(endpoint->state);
	if (accept && (!attached || endpoint->state == CV_MODEL_PENDING_ACCEPTANCE)) {
		enis_complete(model, endpoint);
		/* What is put back has been served already. */
		cv_model_state_set(model, endpoint,
				   ctx->by->restore ? CV_MODEL_AVAILABLE : CV_MODEL_PENDING,
				   ctx->by->now);
	} else if (!accept && attached) {
		cv_model_state_set(model, endpoint, CV_MODEL_REJECTED, ctx->by->now);
	}
	cv_model_touch(ctx, CV_MODEL_ENDPOINT, idx);
	return cv_model_end(ctx);
}

int cv_model_accept_by(struct cv_model *model, const struct cv_model_by *by, const char *service,
		       const char *endpoint, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_ENDPOINT};

	cv_model_begin(&ctx, by);
	return decide(&ctx, service, endpoint, true);
}

int cv_model_reject_by(struct cv_model *model, const struct cv_model_by *by, const char *service,
		       const char *endpoint, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_ENDPOINT};

	cv_model_begin(&ctx, by);
	return decide(&ctx, service, endpoint, false);
}

/* ---- services ---- */

static struct model_key principal_key(uint32_t service, const char *text)
{
	return (struct model_key){.kind = MODEL_KEY_PRINCIPAL, .scope = service, .str = text};
}

/* What is left of its endpoints has nothing to wait for. */
static void orphans_fail(struct model_ctx *ctx, uint32_t service)
{
	struct cv_model *model = ctx->model;

	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		struct cv_model_endpoint *endpoint = &model->endpoints[i];

		if (endpoint->meta.gone || endpoint->service != service)
			continue;
		for (uint32_t k = 0; k < endpoint->n_enis; k++)
			endpoint->enis[k].lb = endpoint->enis[k].node = CV_MODEL_NONE;
		endpoint->service = CV_MODEL_NONE;
		if (cv_model_endpoint_is_over(endpoint))
			continue;
		cv_model_state_set(model, endpoint, CV_MODEL_FAILED, ctx->by->now);
		cv_model_touch(ctx, CV_MODEL_ENDPOINT, i);
	}
}

void cv_model_service_remove(struct model_ctx *ctx, uint32_t idx)
{
	struct cv_model *model = ctx->model;
	struct cv_model_service *service = &model->services[idx];
	struct model_key key = {.kind = CV_MODEL_SERVICE, .scope = CV_MODEL_NONE};

	if (service->n_attached > 0) {
		cv_model_err(ctx, EBUSY, "ExistingVpcEndpointConnections", "",
			     "Service has existing active VPC Endpoint connections!");
		return;
	}
	if (!cv_model_changes_room(ctx, service->meta.n_users + 2))
		return;
	cv_model_touch(ctx, CV_MODEL_SERVICE, idx);
	orphans_fail(ctx, idx);
	for (uint32_t i = 0; i < service->n_lbs; i++)
		model->lbs[service->lbs[i]].service = CV_MODEL_NONE;
	for (uint32_t i = 0; i < service->n_principals; i++) {
		struct model_key principal = principal_key(idx, service->principals[i]);

		cv_model_index_remove(model->index, &principal);
		cv_model_str_free(model, service->principals[i]);
	}
	key.str = service->service_name;
	cv_model_index_remove(model->index, &key);
	cv_model_str_free(model, service->service_name);
	cv_model_str_free(model, service->private_dns_name);
	free(service->lbs);
	free(service->principals);
	cv_model_vanish(ctx, CV_MODEL_SERVICE, idx, CV_MODEL_NONE);
}

/* Takes load balancers out of the list. */
static void lbs_remove(struct model_ctx *ctx, const struct cv_model_service_change *req,
		       struct cv_model_service *service)
{
	for (uint32_t i = 0; i < req->n_remove_lbs; i++) {
		const char *field = cv_model_at(ctx, "remove_load_balancers[%u]", i);
		uint32_t lb =
			cv_model_find(ctx->model, CV_MODEL_LB, CV_MODEL_NONE, req->remove_lbs[i]);
		uint32_t k = 0;

		while (k < service->n_lbs && (lb == CV_MODEL_NONE || service->lbs[k] != lb))
			k++;
		if (k == service->n_lbs)
			cv_model_err(ctx, ENOENT, "InvalidNetworkLoadBalancerArn.NotFound", field,
				     "load balancer '%.150s' is not associated with the service",
				     req->remove_lbs[i]);
		else
			memmove(&service->lbs[k], &service->lbs[k + 1],
				(--service->n_lbs - k) * sizeof(*service->lbs));
	}
	if (req->n_remove_lbs > 0 && service->n_attached > 0)
		cv_model_err(ctx, EBUSY, "ExistingVpcEndpointConnections", "remove_load_balancers",
			     "Service has existing active VPC Endpoint connections!");
	if (ctx->ret == 0 && service->n_lbs == 0)
		cv_model_err(ctx, EINVAL, "InvalidParameter", "remove_load_balancers",
			     "At least one load balancer must remain associated");
}

static void lbs_add(struct model_ctx *ctx, const struct cv_model_service_change *req, uint32_t idx,
		    struct cv_model_service *service)
{
	const struct cv_model *model = ctx->model;

	for (uint32_t i = 0; i < req->n_add_lbs; i++) {
		const char *field = cv_model_at(ctx, "add_load_balancers[%u]", i);
		uint32_t lb = cv_model_find(model, CV_MODEL_LB, CV_MODEL_NONE, req->add_lbs[i]);
		bool twice = false;

		if (lb == CV_MODEL_NONE ||
		    cv_model_owner(model, CV_MODEL_LB, lb) != service->owner) {
			cv_model_err(ctx, ENOENT, "InvalidNetworkLoadBalancerArn.NotFound", field,
				     "The load balancer '%.150s' does not exist", req->add_lbs[i]);
			continue;
		}
		for (uint32_t k = 0; k < service->n_lbs; k++)
			twice = twice || service->lbs[k] == lb;
		if (model->lbs[lb].service != CV_MODEL_NONE && model->lbs[lb].service != idx)
			cv_model_err(ctx, EINVAL, "InvalidParameter", field,
				     "load balancer '%s' is already in another endpoint service",
				     model->lbs[lb].arn);
		else if (!twice)
			service->lbs[service->n_lbs++] = lb;
	}
}

/* A lower-case DNS name, with `*` as its first label at most; what DNS can carry, RFC 1035 2.3.4. */
static bool dns_name_is_good(const char *name)
{
	bool fits = strlen(name) <= 253;
	uint32_t n_labels = 0;

	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	for (;; name++, n_labels++) {
		size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_");

		fits = fits && len > 0 && len <= 63;
		name += len;
		if (!fits || *name != '.')
			break;
	}
	return fits && *name == '\0' && n_labels > 0;
}

static bool is_same_name(const char *a, const char *b)
{
	return a != NULL && strcmp(a, b) == 0;
}

/* Consumers rely on a name: it goes when nobody is connected, and is no other while one has it. */
static void private_dns_check(struct model_ctx *ctx, const char *name, uint32_t idx)
{
	const struct cv_model *model = ctx->model;
	const struct cv_model_service *service = &model->services[idx];
	bool used = *name == '\0' && service->n_attached > 0;

	if (service->private_dns_name == NULL || is_same_name(service->private_dns_name, name) ||
	    ctx->by == NULL || ctx->by->restore)
		return;
	for (uint32_t i = 0; i < model->n_endpoints && service->n_attached > 0; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];

		used = used || (endpoint->service == idx && endpoint->private_dns &&
				cv_model_state_is_attached(endpoint->state));
	}
	if (used)
		cv_model_err(ctx, EBUSY, "ExistingVpcEndpointConnections", "private_dns_name",
			     "Service has existing active VPC Endpoint connections!");
}

static void private_dns_make(struct model_ctx *ctx, const struct cv_model_service_change *req,
			     struct cv_model_service *service)
{
	bool same = req->private_dns_name != NULL &&
		    is_same_name(service->private_dns_name, req->private_dns_name);

	if (req->dns_state != CV_MODEL_KEEP)
		service->dns_state = (enum cv_model_dns_state)req->dns_state;
	if (req->private_dns_name == NULL)
		return;
	service->private_dns_name = NULL;
	if (req->dns_state == CV_MODEL_KEEP && !same)
		service->dns_state = CV_MODEL_DNS_UNVERIFIED;
	if (req->private_dns_name[0] == '\0')
		return;
	/* One that was kept was taken before: the service goes on without DNS for it. */
	if (!ctx->by->restore && !dns_name_is_good(req->private_dns_name))
		cv_model_err(ctx, EINVAL, "InvalidParameter", "private_dns_name",
			     "'%.64s' is no valid private DNS name", req->private_dns_name);
	service->private_dns_name = cv_model_str(ctx->model, req->private_dns_name);
	if (service->private_dns_name == NULL)
		cv_model_oom(ctx);
}

/* Rejected endpoints lose load balancers that leave; the others cannot. */
static void enis_leave(struct cv_model *model, uint32_t service)
{
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		struct cv_model_endpoint *endpoint = &model->endpoints[i];

		for (uint32_t k = 0; k < endpoint->n_enis && endpoint->service == service; k++) {
			if (endpoint->enis[k].lb != CV_MODEL_NONE &&
			    model->lbs[endpoint->enis[k].lb].service != service)
				endpoint->enis[k].lb = endpoint->enis[k].node = CV_MODEL_NONE;
		}
	}
}

static void service_serve(struct model_ctx *ctx, uint32_t idx, struct cv_model_service *to,
			  const struct cv_model_service_change *req)
{
	struct cv_model *model = ctx->model;
	struct cv_model_service *from = &model->services[idx];

	for (uint32_t i = 0; i < from->n_lbs; i++)
		model->lbs[from->lbs[i]].service = CV_MODEL_NONE;
	for (uint32_t i = 0; i < to->n_lbs; i++)
		model->lbs[to->lbs[i]].service = idx;
	free(from->lbs);
	if (req->private_dns_name != NULL)
		cv_model_str_free(model, from->private_dns_name);
	if (!ctx->by->restore)
		to->zones = cv_model_service_zones(model, to);
	*from = *to;
	if (req->n_remove_lbs > 0)
		enis_leave(model, idx);
	cv_model_touch(ctx, CV_MODEL_SERVICE, idx);
}

int cv_model_service_change(struct cv_model *model, const struct cv_model_by *by,
			    const struct cv_model_service_change *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SERVICE};
	struct cv_model_service to;
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_SERVICE, req->service);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, CV_MODEL_SERVICE, idx))
		return cv_model_end(&ctx);
	to = model->services[idx];
	to.lbs = calloc((size_t)to.n_lbs + req->n_add_lbs + 1, sizeof(*to.lbs));
	if (to.lbs == NULL) {
		cv_model_oom(&ctx);
		return cv_model_end(&ctx);
	}
	memcpy(to.lbs, model->services[idx].lbs, to.n_lbs * sizeof(*to.lbs));
	lbs_add(&ctx, req, idx, &to);
	lbs_remove(&ctx, req, &to);
	if (req->private_dns_name != NULL)
		private_dns_check(&ctx, req->private_dns_name, idx);
	private_dns_make(&ctx, req, &to);
	if (req->acceptance_required != CV_MODEL_KEEP)
		to.acceptance_required = req->acceptance_required != 0;
	if (ctx.ret != 0)
		free(to.lbs);
	else
		service_serve(&ctx, idx, &to, req);
	return cv_model_end(&ctx);
}

/* The list as it is to be; strings of its own for what is new. */
static void principals_make(struct model_ctx *ctx, const struct cv_model_permissions_change *req,
			    uint32_t idx, const char **list, uint32_t *n)
{
	const struct cv_model_service *service = &ctx->model->services[idx];

	for (uint32_t i = 0; i < service->n_principals; i++) {
		uint32_t k = 0;

		while (k < req->n_remove && strcmp(req->remove[k], service->principals[i]) != 0)
			k++;
		if (k == req->n_remove)
			list[(*n)++] = service->principals[i];
	}
	for (uint32_t i = 0; i < req->n_add; i++) {
		const char *text = req->add[i];
		uint32_t k = 0;

		if (strcmp(text, "*") != 0 && !cv_model_principal_is(text))
			cv_model_err(ctx, EINVAL, "InvalidPrincipal",
				     cv_model_at(ctx, "add[%u]", i), "Invalid Principal: '%.150s'",
				     text);
		while (k < *n && strcmp(list[k], text) != 0)
			k++;
		if (k < *n)
			continue;
		list[*n] = cv_model_str(ctx->model, text);
		if (list[(*n)++] == NULL)
			cv_model_oom(ctx);
		if (ctx->ret == -ENOMEM)
			return;
	}
}

static void principals_serve(struct cv_model *model, uint32_t idx, const char **list, uint32_t n)
{
	struct cv_model_service *service = &model->services[idx];
	struct model_key key;

	for (uint32_t i = 0; i < service->n_principals; i++) {
		uint32_t k = 0;

		key = principal_key(idx, service->principals[i]);
		cv_model_index_remove(model->index, &key);
		while (k < n && list[k] != service->principals[i])
			k++;
		if (k == n)
			cv_model_str_free(model, service->principals[i]);
	}
	for (uint32_t i = 0; i < n; i++) {
		key = principal_key(idx, list[i]);
		cv_model_index_put(model->index, &key, i);
	}
	free(service->principals);
	service->principals = list;
	service->n_principals = n;
}

int cv_model_permissions_change(struct cv_model *model, const struct cv_model_by *by,
				const struct cv_model_permissions_change *req,
				struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SERVICE};
	const char **list = NULL;
	uint32_t idx, n = 0;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_SERVICE, req->service);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, CV_MODEL_SERVICE, idx))
		return cv_model_end(&ctx);
	list = calloc((size_t)model->services[idx].n_principals + req->n_add + 1, sizeof(*list));
	if (list == NULL || cv_model_index_room(model->index, req->n_add) != 0)
		cv_model_oom(&ctx);
	else
		principals_make(&ctx, req, idx, list, &n);
	if (n > CV_MODEL_PRINCIPALS_MAX && req->n_add > 0 && by != NULL && !by->restore)
		cv_model_err(&ctx, EINVAL, "ResourceLimitExceeded", "add",
			     "A service allows at most %d principals", CV_MODEL_PRINCIPALS_MAX);
	if (ctx.ret != 0) {
		free(list);
		return cv_model_end(&ctx);
	}
	principals_serve(model, idx, list, n);
	cv_model_touch(&ctx, CV_MODEL_SERVICE, idx);
	return cv_model_end(&ctx);
}

/* ---- ModifyVpcEndpoint ---- */

/* The ENIs that stay, then those that are new. *ret_first is where the latter begin. */
static void enis_make(struct model_ctx *ctx, const struct cv_model_endpoint_change *req,
		      const struct cv_model_endpoint *from, struct cv_model_endpoint *to,
		      uint32_t *ret_first)
{
	const struct cv_model *model = ctx->model;
	to->n_enis = 0;
	for (uint32_t i = 0; i < from->n_enis; i++) {
		uint32_t k = 0;

		while (k < req->n_remove_subnets &&
		       cv_model_find(model, CV_MODEL_SUBNET, from->vpc, req->remove_subnets[k]) !=
			       from->enis[i].subnet)
			k++;
		if (k == req->n_remove_subnets)
			to->enis[to->n_enis++] = from->enis[i];
	}
	*ret_first = to->n_enis;
	for (uint32_t i = 0; i < req->n_add_places; i++) {
		to->enis[to->n_enis] = (struct cv_model_eni){0};
		cv_model_check_eni(ctx, &req->add_places[i], to, to->n_enis);
		to->n_enis++;
	}
}

/* What is to be removed must be there. */
static void removals_check(struct model_ctx *ctx, const struct cv_model_endpoint_change *req,
			   const struct cv_model_endpoint *from)
{
	for (uint32_t i = 0; i < req->n_remove_subnets; i++) {
		uint32_t subnet = cv_model_find(ctx->model, CV_MODEL_SUBNET, from->vpc,
						req->remove_subnets[i]);
		uint32_t k = 0;

		while (k < from->n_enis && from->enis[k].subnet != subnet)
			k++;
		if (k == from->n_enis)
			cv_model_err(ctx, ENOENT, "InvalidSubnetId.NotFound", "remove_subnets",
				     "The subnet '%.64s' is not associated with the VPC endpoint "
				     "%s",
				     req->remove_subnets[i], from->id);
	}
	for (uint32_t i = 0; i < req->n_remove_sgs; i++) {
		uint32_t sg = cv_model_find(ctx->model, CV_MODEL_SG, from->vpc, req->remove_sgs[i]);
		uint32_t k = 0;

		while (k < from->n_sgs && from->sgs[k] != sg)
			k++;
		if (k == from->n_sgs)
			cv_model_err(ctx, EINVAL, "InvalidParameter", "remove_security_groups",
				     "The security group '%.64s' is not associated with the VPC "
				     "endpoint %s",
				     req->remove_sgs[i], from->id);
	}
}

static void endpoint_sgs_make(struct model_ctx *ctx, const struct cv_model_endpoint_change *req,
			      const struct cv_model_endpoint *from, struct cv_model_endpoint *to)
{
	to->n_sgs = 0;
	for (uint32_t i = 0; i < from->n_sgs; i++) {
		uint32_t k = 0;

		while (k < req->n_remove_sgs && cv_model_find(ctx->model, CV_MODEL_SG, from->vpc,
							      req->remove_sgs[k]) != from->sgs[i])
			k++;
		if (k == req->n_remove_sgs)
			to->sgs[to->n_sgs++] = from->sgs[i];
	}
	for (uint32_t i = 0; i < req->n_add_sgs; i++) {
		uint32_t sg = cv_model_resolve(ctx, CV_MODEL_SG, from->vpc, req->add_sgs[i],
					       cv_model_at(ctx, "add_security_groups[%u]", i));
		uint32_t k = 0;

		while (k < to->n_sgs && to->sgs[k] != sg)
			k++;
		if (k == to->n_sgs)
			to->sgs[to->n_sgs++] = sg;
	}
	if (to->n_sgs == 0)
		cv_model_err(ctx, EINVAL, "InvalidParameter", "remove_security_groups",
			     "An endpoint must have at least one security group");
	if (to->n_sgs > from->n_sgs)
		cv_model_check_sgs(ctx, to->n_sgs);
}

static void endpoint_check(struct model_ctx *ctx, const struct cv_model_endpoint_change *req,
			   const struct cv_model_endpoint *from, struct cv_model_endpoint *to,
			   uint32_t *ret_first)
{
	if (!cv_model_state_is_attached(from->state)) {
		cv_model_err(ctx, EINVAL, "InvalidState", "",
			     "The endpoint '%s' is in the state '%s' and cannot be modified",
			     from->id, cv_model_state_str(from->state));
		return;
	}
	removals_check(ctx, req, from);
	enis_make(ctx, req, from, to, ret_first);
	endpoint_sgs_make(ctx, req, from, to);
	if (req->private_dns == 1 && !from->private_dns)
		cv_model_check_private_dns(ctx, from->vpc, from->service);
	if (req->private_dns != CV_MODEL_KEEP)
		to->private_dns = req->private_dns != 0;
	if (ctx->ret == 0)
		cv_model_enis_finish(ctx, to, *ret_first);
	if (ctx->ret == 0)
		(void)cv_model_enis_claim(ctx, to, *ret_first);
}

static void endpoint_serve(struct model_ctx *ctx, uint32_t idx, struct cv_model_endpoint *to,
			   uint32_t first)
{
	struct cv_model *model = ctx->model;
	struct cv_model_endpoint *from = &model->endpoints[idx];

	/* What stays is counted before what goes: nothing is without users in between. */
	cv_model_endpoint_uses(model, to, 1);
	cv_model_endpoint_uses(model, from, -1);
	for (uint32_t i = 0; i < from->n_enis; i++) {
		uint32_t k = 0;

		while (k < first && to->enis[k].id != from->enis[i].id)
			k++;
		if (k < first)
			continue;
		cv_model_addr_drop(model, from->vpc, from->enis[i].ip);
		cv_model_str_free(model, from->enis[i].id);
	}
	free(from->enis);
	free(from->sgs);
	to->meta = from->meta;
	*from = *to;
	if (from->state == CV_MODEL_AVAILABLE)
		cv_model_state_set(model, from, CV_MODEL_PENDING, ctx->by->now);
	cv_model_touch(ctx, CV_MODEL_ENDPOINT, idx);
}

int cv_model_endpoint_change(struct cv_model *model, const struct cv_model_by *by,
			     const struct cv_model_endpoint_change *req, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_ENDPOINT};
	struct cv_model_endpoint *from, to;
	uint32_t idx, first = 0;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_ENDPOINT, req->endpoint);
	if (idx == CV_MODEL_NONE || !cv_model_check_mutable(&ctx, CV_MODEL_ENDPOINT, idx))
		return cv_model_end(&ctx);
	from = &model->endpoints[idx];
	to = *from;
	to.enis = calloc((size_t)from->n_enis + req->n_add_places + 1, sizeof(*to.enis));
	to.sgs = calloc((size_t)from->n_sgs + req->n_add_sgs + 1, sizeof(*to.sgs));
	if (to.enis == NULL || to.sgs == NULL ||
	    cv_model_index_room(model->index, 2 * (size_t)req->n_add_places + 1) != 0)
		cv_model_oom(&ctx);
	else
		endpoint_check(&ctx, req, from, &to, &first);
	if (ctx.ret != 0) {
		free(to.enis);
		free(to.sgs);
		return cv_model_end(&ctx);
	}
	endpoint_serve(&ctx, idx, &to, first);
	return cv_model_end(&ctx);
}
