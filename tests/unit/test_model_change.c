/* SPDX-License-Identifier: BSD-3-Clause */

/* Every rule by which calls change and remove resources, with AWS's codes. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_model_route.h"
#include "model_priv.h"

#include "model_world.h"

#include "model_check.h"

#define PROV 0
#define CONS 1
#define NOBODY "vpce-0123456789abcdef0"

static uint64_t n_calls, now_s;

static const struct cv_model_by *by_of(uint32_t account)
{
	static struct cv_model_by by;

	n_calls++;
	by = (struct cv_model_by){.account = account, .now = now_s, .random = {n_calls, 7}};
	return &by;
}

static int gone(uint32_t account, enum cv_model_kind kind, const char *ref)
{
	return cv_model_remove(m, by_of(account), kind, ref, &errs);
}

/* A call's subnet of a VPC: the id. */
static const char *make_subnet(uint32_t vpc, const char *cidr, const char *zone)
{
	struct cv_model_subnet_req req = {
		.vpc = vpc, .cidr = prefix(cidr), .zone = zone, .by = by_of(vpc)};

	no_error(cv_model_subnet_add(m, &req, &errs));
	return m->subnets[cv_model_find(m, CV_MODEL_SUBNET, CV_MODEL_NONE,
					m->changes[m->n_changes - 1].id)]
		.id;
}

static const char *make_tg(const char *name)
{
	struct cv_model_tg_req req;

	cv_model_tg_req_init(&req);
	req.name = name;
	req.vpc = m->vpcs[0].id;
	req.port = 80;
	req.by = by_of(PROV);
	no_error(cv_model_tg_add(m, &req, &errs));
	return m->changes[m->n_changes - 1].id;
}

static int add_made_lb(const char *name, const char *subnet, const char *sg)
{
	struct cv_model_place_req place = {.subnet = subnet};
	struct cv_model_lb_req req = {.name = name,
				      .vpc = m->vpcs[0].id,
				      .places = &place,
				      .n_places = 1,
				      .sgs = &sg,
				      .n_sgs = sg != NULL,
				      .by = by_of(PROV)};

	return cv_model_lb_add(m, &req, &errs);
}

static const char *make_lb(const char *name, const char *subnet)
{
	no_error(add_made_lb(name, subnet, NULL));
	return m->changes[m->n_changes - 1].id;
}

static const char *make_listener(const char *lb, const char *tg, uint16_t port)
{
	struct cv_model_listener_req req = {
		.port = port, .target_group = tg, .idle_seconds = 350, .by = by_of(PROV)};
	uint32_t idx = cv_model_find(m, CV_MODEL_LB, CV_MODEL_NONE, lb);

	no_error(cv_model_listener_add(m, idx, &req, &errs));
	return m->lbs[idx].listeners[m->lbs[idx].n_listeners - 1].arn;
}

static const char *make_service(const char *lb, bool acceptance)
{
	struct cv_model_service_req req = {.lbs = &lb,
					   .n_lbs = 1,
					   .principals = STRS("arn:aws:iam::222222222222:root"),
					   .n_principals = 1,
					   .acceptance_required = acceptance,
					   .by = by_of(PROV)};

	no_error(cv_model_service_add(m, &req, &errs));
	return m->changes[m->n_changes - 1].id;
}

static int add_made_endpoint(const char *service, const char *subnet, uint32_t account)
{
	struct cv_model_place_req place = {.subnet = subnet};
	struct cv_model_endpoint_req req = {.vpc = m->vpcs[1].id,
					    .service = service,
					    .places = &place,
					    .n_places = 1,
					    .by = by_of(account)};

	return cv_model_endpoint_add(m, &req, &errs);
}

static const char *make_endpoint(const char *service, const char *subnet)
{
	no_error(add_made_endpoint(service, subnet, CONS));
	return m->changes[m->n_changes - 1].id;
}

static struct cv_model_endpoint *endpoint_at(const char *id)
{
	return &m->endpoints[cv_model_find(m, CV_MODEL_ENDPOINT, CV_MODEL_NONE, id)];
}

/* A load balancer, service and endpoint that calls made: the world in most tests. */
static const char *lb, *tg, *service, *endpoint, *listener;

static void make_all(bool acceptance)
{
	lb = make_lb("made", m->subnets[0].id);
	tg = make_tg("made");
	listener = make_listener(lb, tg, 80);
	service = make_service(lb, acceptance);
	/* Consumer's subnet b is in the provider's subnet a's zone. */
	endpoint = make_endpoint(service, m->subnets[4].id);
}

static int setup(void **state)
{
	(void)state;
	now_s = 1000;
	build_world();
	no_error(cv_model_settle(m, &errs));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cv_model_errs_fini(&errs);
	cv_model_destroy(m);
	return 0;
}

static void what_the_file_made_is_not_for_calls_to_change(void **state)
{
	static const enum cv_model_kind kinds[] = {CV_MODEL_VPC, CV_MODEL_SUBNET, CV_MODEL_SG,
						   CV_MODEL_TG,  CV_MODEL_LB,     CV_MODEL_SERVICE};
	const char *ids[] = {m->vpcs[0].id, m->subnets[0].id, m->sgs[1].id,
			     m->tgs[0].arn, m->lbs[0].arn,    m->services[0].id};
	struct cv_model_sg_change rules = {.sg = m->sgs[1].id};
	struct cv_model_service_change change = {
		.service = m->services[0].id, .acceptance_required = 0, .dns_state = CV_MODEL_KEEP};
	struct cv_model_listener_req port = {.port = 81};
	const char *what = "comes from the configuration file";

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(kinds); i++)
		refused(gone(PROV, kinds[i], ids[i]), -EPERM, "OperationNotPermitted", what);
	refused(gone(CONS, CV_MODEL_ENDPOINT, m->endpoints[0].id), -EPERM, "OperationNotPermitted",
		what);
	refused(gone(PROV, CV_MODEL_LISTENER, m->lbs[0].listeners[0].arn), -EPERM,
		"OperationNotPermitted", what);
	refused(cv_model_sg_change(m, by_of(PROV), &rules, &errs), -EPERM, "OperationNotPermitted",
		what);
	refused(cv_model_service_change(m, by_of(PROV), &change, &errs), -EPERM,
		"OperationNotPermitted", what);
	refused(cv_model_listener_change(m, by_of(PROV), m->lbs[0].listeners[0].arn, &port, &errs),
		-EPERM, "OperationNotPermitted", what);
}

static void what_others_use_does_not_go(void **state)
{
	const char *subnet = make_subnet(0, "10.0.7.0/28", "use1-az1");

	(void)state;
	make_all(true);
	no_error(add_made_lb("second", subnet, NULL));
	refused(gone(PROV, CV_MODEL_SUBNET, subnet), -EBUSY, "DependencyViolation",
		"has dependencies");
	refused(gone(PROV, CV_MODEL_TG, tg), -EBUSY, "ResourceInUse", "in use");
	refused(gone(PROV, CV_MODEL_LB, lb), -EBUSY, "ResourceInUse", "another service");
	refused(gone(PROV, CV_MODEL_SERVICE, service), -EBUSY, "ExistingVpcEndpointConnections",
		"existing active VPC Endpoint connections!");
}

static void what_nobody_uses_goes_and_makes_room(void **state)
{
	const char *subnet = make_subnet(0, "10.0.7.0/28", "use1-az1");
	uint32_t idx = cv_model_find(m, CV_MODEL_SUBNET, CV_MODEL_NONE, subnet), n = m->n_subnets;

	(void)state;
	make_all(true);
	no_error(cv_model_reject_by(m, by_of(PROV), service, endpoint, &errs));
	no_error(gone(PROV, CV_MODEL_SERVICE, service));
	assert_int_equal(endpoint_at(endpoint)->state, CV_MODEL_FAILED);
	check_all();
	no_error(gone(PROV, CV_MODEL_LB, lb));
	no_error(gone(PROV, CV_MODEL_TG, tg));
	no_error(gone(PROV, CV_MODEL_SUBNET, subnet));
	check_all();
	make_subnet(0, "10.0.7.0/28", "use1-az1");
	assert_int_equal(m->n_subnets, n);
	assert_false(m->subnets[idx].meta.gone);
}

static void others_resources_do_not_exist(void **state)
{
	static const struct cv_model_tag tag = {"k", "v"};
	struct cv_model_tags_change tags = {.set = &tag, .n_set = 1};

	(void)state;
	make_all(true);
	refused(gone(CONS, CV_MODEL_LB, lb), -ENOENT, "LoadBalancerNotFound", "does not exist");
	refused(gone(CONS, CV_MODEL_TG, tg), -ENOENT, "TargetGroupNotFound", "does not exist");
	refused(gone(CONS, CV_MODEL_LISTENER, listener), -ENOENT, "ListenerNotFound",
		"does not exist");
	refused(gone(CONS, CV_MODEL_SERVICE, service), -ENOENT,
		"InvalidVpcEndpointServiceId.NotFound", "does not exist");
	refused(gone(PROV, CV_MODEL_ENDPOINT, endpoint), -ENOENT, "InvalidVpcEndpointId.NotFound",
		"does not exist");
	refused(gone(PROV, CV_MODEL_ENDPOINT, "vpce-x"), -EINVAL, "InvalidVpcEndpointId.Malformed",
		"vpce-x");
	refused(gone(CONS, CV_MODEL_VPC, m->vpcs[0].id), -ENOENT, "InvalidVpcID.NotFound", "");
	refused(cv_model_accept_by(m, by_of(CONS), service, endpoint, &errs), -ENOENT,
		"InvalidVpcEndpointServiceId.NotFound", "");
	tags.ref = lb;
	refused(cv_model_tags_change(m, by_of(CONS), &tags, &errs), -ENOENT, "LoadBalancerNotFound",
		"");
	/* A name is each account's own, and the service is seen by those who are allowed. */
	assert_true(cv_model_service_is_seen(m, by_of(CONS), 1));
	assert_true(cv_model_service_is_seen(m, by_of(PROV), 1));
	assert_int_equal(cv_model_owner(m, CV_MODEL_LISTENER, 1), PROV);
}

static void who_is_not_allowed_sees_no_service(void **state)
{
	struct cv_model_permissions_change req = {.remove = STRS("arn:aws:iam::222222222222:root"),
						  .n_remove = 1};

	(void)state;
	make_all(false);
	req.service = service;
	no_error(cv_model_permissions_change(m, by_of(PROV), &req, &errs));
	assert_false(cv_model_service_is_seen(m, by_of(CONS), 1));
	refused(add_made_endpoint(service, m->subnets[4].id, CONS), -ENOENT, "InvalidServiceName",
		"does not exist");
	/* What there is goes on. */
	assert_true(cv_model_advance(m, now_s));
	assert_int_equal(endpoint_at(endpoint)->state, CV_MODEL_AVAILABLE);
	req.remove = NULL;
	req.n_remove = 0;
	req.add = STRS("nobody");
	req.n_add = 1;
	refused(cv_model_permissions_change(m, by_of(PROV), &req, &errs), -EINVAL,
		"InvalidPrincipal", "nobody");
}

static void endpoints_pass_through_their_states(void **state)
{
	struct cv_model_endpoint *ep;

	(void)state;
	make_all(true);
	ep = endpoint_at(endpoint);
	assert_int_equal(ep->state, CV_MODEL_PENDING_ACCEPTANCE);
	no_error(cv_model_accept_by(m, by_of(PROV), service, endpoint, &errs));
	assert_int_equal(ep->state, CV_MODEL_PENDING);
	assert_true(cv_model_advance(m, now_s));
	assert_int_equal(ep->state, CV_MODEL_AVAILABLE);
	assert_false(cv_model_advance(m, now_s));
	no_error(cv_model_accept_by(m, by_of(PROV), service, endpoint, &errs));
	assert_int_equal(ep->state, CV_MODEL_AVAILABLE);
	no_error(cv_model_reject_by(m, by_of(PROV), service, endpoint, &errs));
	assert_int_equal(ep->state, CV_MODEL_REJECTED);
	assert_int_equal(m->services[1].n_attached, 0);
	no_error(cv_model_accept_by(m, by_of(PROV), service, endpoint, &errs));
	assert_int_equal(ep->state, CV_MODEL_PENDING);
	no_error(gone(CONS, CV_MODEL_ENDPOINT, endpoint));
	assert_int_equal(ep->state, CV_MODEL_DELETING);
	check_all();
	assert_true(cv_model_advance(m, now_s));
	assert_int_equal(ep->state, CV_MODEL_DELETED);
	refused(gone(CONS, CV_MODEL_ENDPOINT, endpoint), -ENOENT, "InvalidVpcEndpoint.NotFound",
		"");
	refused(cv_model_accept_by(m, by_of(PROV), service, endpoint, &errs), -EINVAL,
		"InvalidState", "'deleted' and cannot be accepted");
	assert_false(cv_model_advance(m, now_s + CV_MODEL_DELETED_SECONDS - 1));
	assert_true(cv_model_advance(m, now_s + CV_MODEL_DELETED_SECONDS));
	assert_true(ep->meta.gone);
	check_all();
}

static void a_request_that_nobody_answers_expires(void **state)
{
	(void)state;
	make_all(true);
	assert_false(cv_model_advance(m, now_s + CV_MODEL_EXPIRE_SECONDS - 1));
	assert_true(cv_model_advance(m, now_s + CV_MODEL_EXPIRE_SECONDS));
	assert_int_equal(endpoint_at(endpoint)->state, CV_MODEL_EXPIRED);
	/* The file's own waits as long as the file says so. */
	assert_int_equal(m->endpoints[0].state, CV_MODEL_PENDING_ACCEPTANCE);
	refused(cv_model_accept_by(m, by_of(PROV), service, endpoint, &errs), -EINVAL,
		"InvalidState", "expired");
	refused(cv_model_accept_by(m, by_of(PROV), service, NOBODY, &errs), -ENOENT,
		"InvalidVpcEndpointId.NotFound", NOBODY);
	refused(cv_model_reject_by(m, by_of(PROV), service, "x", &errs), -EINVAL,
		"InvalidVpcEndpointId.Malformed", "x");
}

static void services_change_by_the_rules(void **state)
{
	const char *other = make_lb("other", m->subnets[1].id), *file = m->lbs[0].arn;
	struct cv_model_service_change req = {.acceptance_required = CV_MODEL_KEEP,
					      .dns_state = CV_MODEL_KEEP};

	(void)state;
	make_all(true);
	req.service = service;
	req.add_lbs = &file;
	req.n_add_lbs = 1;
	refused(cv_model_service_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidParameter",
		"already in another");
	req.add_lbs = STRS("arn:none");
	refused(cv_model_service_change(m, by_of(PROV), &req, &errs), -ENOENT,
		"InvalidNetworkLoadBalancerArn.NotFound", "arn:none");
	req.add_lbs = &other;
	assert_false(cv_model_service_is_in_zone(m, 1, 1));
	no_error(cv_model_service_change(m, by_of(PROV), &req, &errs));
	assert_true(cv_model_service_is_in_zone(m, 1, 1));
	req.n_add_lbs = 0;
	req.remove_lbs = &other;
	req.n_remove_lbs = 1;
	refused(cv_model_service_change(m, by_of(PROV), &req, &errs), -EBUSY,
		"ExistingVpcEndpointConnections", "existing active");
	no_error(cv_model_reject_by(m, by_of(PROV), service, endpoint, &errs));
	no_error(cv_model_service_change(m, by_of(PROV), &req, &errs));
	req.remove_lbs = &lb;
	refused(cv_model_service_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidParameter",
		"At least one");
	req.n_remove_lbs = 0;
	req.private_dns_name = "Bad";
	refused(cv_model_service_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidParameter",
		"Bad");
	req.service = "vpce-svc-0123456789abcdef0";
	refused(cv_model_service_change(m, by_of(PROV), &req, &errs), -ENOENT,
		"InvalidVpcEndpointServiceId.NotFound", "");
	req.service = "vpce-svc-1";
	refused(cv_model_service_change(m, by_of(PROV), &req, &errs), -EINVAL,
		"InvalidVpcEndpointServiceIdId.Malformed", "");
}

static void endpoints_change_by_the_rules(void **state)
{
	struct cv_model_endpoint_change req = {.private_dns = CV_MODEL_KEEP};
	struct cv_model_place_req place = {.subnet = m->subnets[3].id};
	const char *b = m->subnets[4].id;

	(void)state;
	make_all(false);
	req.endpoint = endpoint;
	req.add_places = &place;
	req.n_add_places = 1;
	refused(cv_model_endpoint_change(m, by_of(CONS), &req, &errs), -EINVAL, "InvalidParameter",
		"does not support the availability zone of the subnet");
	place.subnet = b;
	refused(cv_model_endpoint_change(m, by_of(CONS), &req, &errs), -EINVAL,
		"DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the");
	req.n_add_places = 0;
	req.n_remove_subnets = 1;
	req.remove_subnets = STRS("subnet-x");
	refused(cv_model_endpoint_change(m, by_of(CONS), &req, &errs), -ENOENT,
		"InvalidSubnetId.NotFound", "");
	req.n_remove_subnets = 0;
	req.private_dns = 1;
	refused(cv_model_endpoint_change(m, by_of(CONS), &req, &errs), -EINVAL, "InvalidParameter",
		"does not provide a private DNS name");
	req.private_dns = CV_MODEL_KEEP;
	req.add_sgs = STRS("sg-x");
	req.n_add_sgs = 1;
	refused(cv_model_endpoint_change(m, by_of(CONS), &req, &errs), -ENOENT,
		"InvalidSecurityGroupId.NotFound", "sg-x");
	req.add_sgs = STRS("sg");
	no_error(cv_model_endpoint_change(m, by_of(CONS), &req, &errs));
	assert_int_equal(endpoint_at(endpoint)->n_sgs, 2);
	check_all();
	no_error(cv_model_reject_by(m, by_of(PROV), service, endpoint, &errs));
	refused(cv_model_endpoint_change(m, by_of(CONS), &req, &errs), -EINVAL, "InvalidState",
		"rejected");
}

static void load_balancers_change_by_the_rules(void **state)
{
	struct cv_model_place_req places[] = {{.subnet = m->subnets[1].id},
					      {.subnet = m->subnets[2].id}};
	struct cv_model_subnets_set set = {.places = places, .n_places = 1};
	struct cv_model_sgs_set sgs = {
		.sgs = STRS("sg"), .n_sgs = 1, .sg_on_privatelink = CV_MODEL_KEEP};

	(void)state;
	refused(add_made_lb("bad", "subnet-none", NULL), -ENOENT, "SubnetNotFound", "");
	refused(add_made_lb("bad", m->subnets[0].id, "sg-none"), -ENOENT, "InvalidSecurityGroup",
		"");
	make_all(true);
	refused(add_made_lb("made", m->subnets[0].id, NULL), -EEXIST, "DuplicateLoadBalancerName",
		"same name");
	set.lb = lb;
	refused(cv_model_subnets_set(m, by_of(PROV), &set, &errs), -EBUSY,
		"InvalidConfigurationRequest", "VPC endpoints are associated");
	set.n_places = 2;
	refused(cv_model_subnets_set(m, by_of(PROV), &set, &errs), -EINVAL,
		"InvalidConfigurationRequest", "in one availability zone");
	set.n_places = 0;
	refused(cv_model_subnets_set(m, by_of(PROV), &set, &errs), -EINVAL, "ValidationError", "");
	/* A zone that is added is offered once the service is modified. */
	set.n_places = 2;
	places[1].subnet = m->subnets[0].id;
	no_error(cv_model_subnets_set(m, by_of(PROV), &set, &errs));
	check_all();
	assert_false(cv_model_service_is_in_zone(m, 1, 1));
	sgs.lb = lb;
	refused(cv_model_sgs_set(m, by_of(PROV), &sgs, &errs), -EINVAL,
		"InvalidConfigurationRequest", "without any");
	no_error(add_made_lb("groups", m->subnets[0].id, "sg"));
	sgs.lb = m->changes[m->n_changes - 1].id;
	no_error(cv_model_sgs_set(m, by_of(PROV), &sgs, &errs));
	sgs.n_sgs = 0;
	refused(cv_model_sgs_set(m, by_of(PROV), &sgs, &errs), -EINVAL,
		"InvalidConfigurationRequest", "at least one");
}

/* The network that carries VXLAN cannot be a VPC's own. */
static int add_vpc_on_fabric(void)
{
	const struct cv_prefix cidr = prefix("10.77.0.0/16");
	struct cv_model_vpc_req req = {
		.name = "own", .owner = "prov", .cidrs = &cidr, .n_cidrs = 1, .port = "fabric"};

	return cv_model_vpc_add(m, &req, &errs);
}

/* What carries the tunnels is known for good, and is all that stays of the VPCs in them. */
static void vpcs_in_vxlan_leave_nothing(void **state)
{
	const struct cv_prefix cidr = prefix("10.77.0.0/16");
	const void *mark = NULL;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		const char *ids[2] = {NULL, NULL};

		for (uint32_t k = 0; k < 2; k++) {
			struct cv_model_vpc_req req = {.owner = "111111111111",
						       .cidrs = &cidr,
						       .n_cidrs = 1,
						       .port = "fabric",
						       .vxlan = {.vni = 7 + k},
						       .by = by_of(PROV)};

			no_error(cv_model_vpc_add(m, &req, &errs));
			ids[k] = m->changes[m->n_changes - 1].id;
		}
		for (uint32_t k = 0; k < 2; k++)
			no_error(gone(PROV, CV_MODEL_VPC, ids[k]));
		assert_int_equal(add_vpc_on_fabric(), -EEXIST);
		one_error("InvalidParameterValue", "attachment", "carry VXLAN untagged");
		cv_model_changes_clear(m);
		if (i > 0)
			assert_ptr_equal(cv_model_str_mark(m), mark);
		mark = cv_model_str_mark(m);
	}
	check_all();
}

static void a_shift_ends_with_its_zone(void **state)
{
	struct cv_model_place_req places[] = {{.subnet = m->subnets[0].id},
					      {.subnet = m->subnets[1].id}};
	struct cv_model_subnets_set set = {.places = places, .n_places = 2};
	uint32_t idx;

	(void)state;
	no_error(add_subnet("p", "third", "10.0.9.0/24", "use1-az3", NULL));
	no_error(add_made_lb("shifted", m->subnets[0].id, NULL));
	set.lb = m->changes[m->n_changes - 1].id;
	idx = cv_model_find(m, CV_MODEL_LB, CV_MODEL_NONE, set.lb);
	no_error(cv_model_subnets_set(m, by_of(PROV), &set, &errs));
	m->lbs[idx].zonal_shift = true;
	no_error(cv_model_zonal_shift(m, by_of(PROV), idx, "use1-az2", &errs));
	/* What is left alone goes on. */
	no_error(cv_model_subnets_set(m, by_of(PROV), &set, &errs));
	assert_int_equal(m->lbs[idx].shifted_zone, 1);
	assert_true(m->lbs[idx].shift_decided);
	places[1].subnet = m->subnets[m->n_subnets - 1].id;
	no_error(cv_model_subnets_set(m, by_of(PROV), &set, &errs));
	assert_int_equal(m->lbs[idx].shifted_zone, CV_MODEL_NONE);
	assert_false(m->lbs[idx].shift_decided);
	/* No other zone is left: a shift would leave none. */
	no_error(cv_model_zonal_shift(m, by_of(PROV), idx, "use1-az1", &errs));
	set.n_places = 1;
	no_error(cv_model_subnets_set(m, by_of(PROV), &set, &errs));
	assert_int_equal(m->lbs[idx].shifted_zone, CV_MODEL_NONE);
}

static void listeners_and_targets_change_by_the_rules(void **state)
{
	struct cv_model_target_req targets[] = {{.ip = ip("10.0.1.99")}, {.ip = ip("8.8.8.8")}};
	struct cv_model_targets_change req = {.add = targets, .n_add = 2};
	struct cv_model_listener_req port = {.port = 81};
	struct cv_model_tg_req group = {.name = "made", .vpc = m->vpcs[0].id, .port = 80};
	uint32_t idx;

	(void)state;
	make_all(true);
	idx = cv_model_find(m, CV_MODEL_TG, CV_MODEL_NONE, tg);
	group.by = by_of(PROV);
	refused(cv_model_tg_add(m, &group, &errs), -EEXIST, "DuplicateTargetGroupName", "");
	req.tg = tg;
	refused(cv_model_targets_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidTarget",
		"not private");
	assert_int_equal(m->tgs[idx].n_targets, 0);
	/* Outside the VPC, and the node's subnet has no gateway. */
	targets[1].ip = ip("192.168.1.1");
	refused(cv_model_targets_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidTarget",
		"has a gateway");
	req.n_add = 1;
	no_error(cv_model_targets_change(m, by_of(PROV), &req, &errs));
	no_error(cv_model_targets_change(m, by_of(PROV), &req, &errs));
	assert_int_equal(m->tgs[idx].n_targets, 1);
	m->limits[CV_MODEL_TG] = m->n_targets;
	targets[0].ip = ip("10.0.1.98");
	refused(cv_model_targets_change(m, by_of(PROV), &req, &errs), -EINVAL, "TooManyTargets",
		"");
	req = (struct cv_model_targets_change){.tg = tg, .remove = targets, .n_remove = 1};
	no_error(cv_model_targets_change(m, by_of(PROV), &req, &errs));
	assert_int_equal(m->tgs[idx].n_targets, 1);
	targets[0].ip = ip("10.0.1.99");
	no_error(cv_model_targets_change(m, by_of(PROV), &req, &errs));
	assert_int_equal(m->tgs[idx].n_targets, 0);
	make_listener(lb, tg, 81);
	refused(cv_model_listener_change(m, by_of(PROV), listener, &port, &errs), -EEXIST,
		"DuplicateListener", "81");
	port.port = 0;
	port.target_group = m->tgs[0].arn;
	refused(cv_model_listener_change(m, by_of(PROV), listener, &port, &errs), -EINVAL,
		"TargetGroupAssociationLimit", "");
	m->limits[CV_MODEL_LISTENER] = m->n_listeners;
	port = (struct cv_model_listener_req){
		.port = 99, .target_group = tg, .idle_seconds = 350, .by = by_of(PROV)};
	refused(cv_model_listener_add(m, 1, &port, &errs), -EINVAL, "TooManyListeners", "");
}

static void attributes_are_checked(void **state)
{
	struct cv_model_tag attr = {"deletion_protection.enabled", "true"};
	struct cv_model_attrs_change req = {.kind = CV_MODEL_LB, .attrs = &attr, .n_attrs = 1};
	const char *spare = make_lb("spare", m->subnets[0].id);
	struct cv_model_attr got;
	uint32_t n = 0;

	(void)state;
	req.ref = spare;
	no_error(cv_model_attrs_change(m, by_of(PROV), &req, &errs));
	refused(gone(PROV, CV_MODEL_LB, spare), -EPERM, "OperationNotPermitted",
		"deletion protection");
	attr.value = "maybe";
	refused(cv_model_attrs_change(m, by_of(PROV), &req, &errs), -EINVAL,
		"InvalidConfigurationRequest", "maybe");
	attr = (struct cv_model_tag){"no.such", "1"};
	refused(cv_model_attrs_change(m, by_of(PROV), &req, &errs), -EINVAL,
		"InvalidConfigurationRequest", "no.such");
	attr = (struct cv_model_tag){"deletion_protection.enabled", "false"};
	no_error(cv_model_attrs_change(m, by_of(PROV), &req, &errs));
	while (cv_model_attr_at(m, CV_MODEL_LB, 1, 0, n, &got))
		n++;
	assert_int_equal(n, 9);
	no_error(gone(PROV, CV_MODEL_LB, spare));
	req = (struct cv_model_attrs_change){
		.kind = CV_MODEL_TG, .ref = make_tg("t"), .attrs = &attr, .n_attrs = 1};
	attr = (struct cv_model_tag){"deregistration_delay.timeout_seconds", "3601"};
	refused(cv_model_attrs_change(m, by_of(PROV), &req, &errs), -EINVAL,
		"InvalidConfigurationRequest", "3601");
	attr.value = "3600";
	no_error(cv_model_attrs_change(m, by_of(PROV), &req, &errs));
	assert_int_equal(m->tgs[1].drain.seconds, 3600);
}

/* A key or value of n characters of several bytes. */
static const char *wide(char *buf, const char *character, uint32_t n)
{
	buf[0] = '\0';
	for (uint32_t i = 0; i < n; i++)
		strcat(buf, character);
	return buf;
}

static void lengths_of_tags_are_in_characters(void **state)
{
	static const char *const no_text[] = {"\xc3(",    "\xe2\x82",         "\xed\xa0\x80",
					      "\xc0\x80", "\xf4\x90\x80\x80", "\xf0\x80\x80\x80",
					      "a\x80"};
	static char key[4 * CV_MODEL_TAG_KEY_MAX + 8], value[4 * CV_MODEL_TAG_VALUE_MAX + 8];
	struct cv_model_tag set[1];
	struct cv_model_tags_change req = {.ref = m->vpcs[0].id, .set = set, .n_set = 1};

	(void)state;
	set[0].key = wide(key, "\xf0\x9f\x90\x9f", CV_MODEL_TAG_KEY_MAX);
	set[0].value = wide(value, "\xe2\x82\xac", CV_MODEL_TAG_VALUE_MAX);
	no_error(cv_model_tags_change(m, by_of(PROV), &req, &errs));
	assert_string_equal(m->vpcs[0].meta.tags[0].key, key);
	assert_string_equal(m->vpcs[0].meta.tags[0].value, value);
	strcat(value, "x");
	refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidParameterValue",
		"256");
	set[0].value = "v";
	strcat(key, "x");
	refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidParameterValue",
		"129");
	for (size_t i = 0; i < CV_ARRAY_LEN(no_text); i++) {
		set[0] = (struct cv_model_tag){no_text[i], "v"};
		refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL,
			"InvalidParameterValue", "UTF-8");
		set[0] = (struct cv_model_tag){"k", no_text[i]};
		refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL,
			"InvalidParameterValue", "UTF-8");
	}
}

static void tags_are_checked(void **state)
{
	static char key[CV_MODEL_TAG_KEY_MAX + 2];
	struct cv_model_tag set[CV_MODEL_TAGS_MAX + 1];
	char names[CV_MODEL_TAGS_MAX + 1][8];
	struct cv_model_tags_change req = {.ref = m->vpcs[0].id, .set = set, .n_set = 1};

	(void)state;
	for (uint32_t i = 0; i < CV_ARRAY_LEN(set); i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", i);
		set[i] = (struct cv_model_tag){names[i], "v"};
	}
	set[0].key = "aws:x";
	refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidParameterValue",
		"reserved");
	memset(key, 'k', sizeof(key) - 1);
	set[0].key = key;
	refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidParameterValue",
		"129");
	set[0].key = names[1];
	req.n_set = 2;
	refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EEXIST, "InvalidParameterValue",
		"Duplicate");
	req.ref = m->lbs[0].arn;
	refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EEXIST, "DuplicateTagKeys", "");
	set[0].key = names[0];
	req.n_set = CV_ARRAY_LEN(set);
	refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL, "TooManyTags", "50");
	req.ref = m->vpcs[0].id;
	refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL, "TagLimitExceeded",
		"50");
	req.n_set = CV_MODEL_TAGS_MAX;
	no_error(cv_model_tags_change(m, by_of(PROV), &req, &errs));
	no_error(cv_model_tags_change(m, by_of(PROV), &req, &errs));
	assert_int_equal(m->vpcs[0].meta.n_tags, CV_MODEL_TAGS_MAX);
	req.set = &set[CV_MODEL_TAGS_MAX];
	req.n_set = 1;
	refused(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL, "TagLimitExceeded",
		"50");
	set[0].value = "other";
	set[1].value = NULL;
	req = (struct cv_model_tags_change){.ref = req.ref, .remove = set, .n_remove = 2};
	no_error(cv_model_tags_change(m, by_of(PROV), &req, &errs));
	assert_int_equal(m->vpcs[0].meta.n_tags, CV_MODEL_TAGS_MAX - 1);
	req.ref = "i-123";
	assert_int_equal(cv_model_tags_change(m, by_of(PROV), &req, &errs), -EINVAL);
	one_error("InvalidID", "", "i-123");
}

static void rules_of_groups_are_checked(void **state)
{
	struct cv_model_rule rules[61], one = {prefix("10.1.0.0/16"), 5, 4};
	struct cv_model_sg_req make = {.name = "new group", .vpc = 0, .by = by_of(PROV)};
	struct cv_model_sg_change req = {.add = &one, .n_add = 1};

	(void)state;
	no_error(cv_model_sg_add(m, &make, &errs));
	req.sg = m->changes[m->n_changes - 1].id;
	refused(cv_model_sg_change(m, by_of(PROV), &req, &errs), -EINVAL, "InvalidParameterValue",
		"backwards");
	one.port_last = 5;
	no_error(cv_model_sg_change(m, by_of(PROV), &req, &errs));
	refused(cv_model_sg_change(m, by_of(PROV), &req, &errs), -EEXIST,
		"InvalidPermission.Duplicate", "10.1.0.0/16");
	req = (struct cv_model_sg_change){.sg = req.sg, .remove = &one, .n_remove = 1};
	no_error(cv_model_sg_change(m, by_of(PROV), &req, &errs));
	refused(cv_model_sg_change(m, by_of(PROV), &req, &errs), -ENOENT,
		"InvalidPermission.NotFound", "does not exist");
	for (uint16_t i = 0; i < CV_ARRAY_LEN(rules); i++)
		rules[i] = (struct cv_model_rule){prefix("10.0.0.0/8"), i, i};
	req = (struct cv_model_sg_change){.sg = req.sg, .add = rules, .n_add = 61};
	refused(cv_model_sg_change(m, by_of(PROV), &req, &errs), -EINVAL,
		"RulesPerSecurityGroupLimitExceeded", "");
	make.by = by_of(PROV);
	refused(cv_model_sg_add(m, &make, &errs), -EEXIST, "InvalidGroup.Duplicate", "");
}

static void a_full_subnet_refuses_and_takes_again(void **state)
{
	const char *subnet, *id = NULL;

	(void)state;
	make_all(false);
	subnet = make_subnet(1, "10.0.9.0/28", "use1-az1");
	for (int i = 0; i < 11; i++)
		id = make_endpoint(service, subnet);
	refused(add_made_endpoint(service, subnet, CONS), -ENOSPC,
		"InsufficientFreeAddressesInSubnet", "no free address");
	refused(add_made_endpoint(service, subnet, CONS), -ENOSPC,
		"InsufficientFreeAddressesInSubnet", "no free address");
	no_error(gone(CONS, CV_MODEL_ENDPOINT, id));
	make_endpoint(service, subnet);
	check_all();
	m->limits[CV_MODEL_ENDPOINT] = 1;
	refused(add_made_endpoint(service, subnet, CONS), -EINVAL, "VpcEndpointLimitExceeded", "");
}

static void what_changed_is_listed_once(void **state)
{
	(void)state;
	assert_int_equal(m->n_changes, 0);
	make_all(true);
	/* Load balancer, group, service, endpoint. */
	assert_int_equal(m->n_changes, 4);
	no_error(cv_model_accept_by(m, by_of(PROV), service, endpoint, &errs));
	assert_int_equal(m->n_changes, 4);
	cv_model_changes_clear(m);
	no_error(cv_model_accept_by(m, by_of(PROV), m->services[0].id, m->endpoints[0].id, &errs));
	assert_int_equal(m->n_changes, 1);
	assert_true(m->endpoints[0].meta.runtime);
	no_error(gone(CONS, CV_MODEL_ENDPOINT, endpoint));
	assert_true(cv_model_advance(m, now_s + 1));
	assert_true(cv_model_advance(m, now_s + CV_MODEL_DELETED_SECONDS + 1));
	assert_int_equal(m->changes[1].idx, CV_MODEL_NONE);
	assert_string_equal(m->changes[1].id, endpoint);
	cv_model_changes_clear(m);
	assert_int_equal(cv_model_kind_of(lb), CV_MODEL_LB);
	assert_int_equal(cv_model_kind_of("x"), CV_MODEL_KIND_N);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_the_file_made_is_not_for_calls_to_change),
		TEST(what_others_use_does_not_go),
		TEST(what_nobody_uses_goes_and_makes_room),
		TEST(others_resources_do_not_exist),
		TEST(who_is_not_allowed_sees_no_service),
		TEST(endpoints_pass_through_their_states),
		TEST(a_request_that_nobody_answers_expires),
		TEST(services_change_by_the_rules),
		TEST(endpoints_change_by_the_rules),
		TEST(load_balancers_change_by_the_rules),
		TEST(vpcs_in_vxlan_leave_nothing),
		TEST(a_shift_ends_with_its_zone),
		TEST(listeners_and_targets_change_by_the_rules),
		TEST(attributes_are_checked),
		TEST(lengths_of_tags_are_in_characters),
		TEST(tags_are_checked),
		TEST(rules_of_groups_are_checked),
		TEST(a_full_subnet_refuses_and_takes_again),
		TEST(what_changed_is_listed_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
