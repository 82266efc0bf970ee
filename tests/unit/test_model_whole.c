/* SPDX-License-Identifier: BSD-3-Clause */

/* Endpoints, acceptance, addresses, and what only the whole shows. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"
#include "cv_base.h"
#include "cv_model_ops.h"
#include "model_world.h"

static int setup(void **state)
{
	(void)state;
	build_world();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cv_model_errs_fini(&errs);
	cv_model_destroy(m);
	m = NULL;
	return 0;
}

static void endpoints_are_checked(void **state)
{
	struct cv_model_endpoint_req req = {
		.name = "x", .vpc = "c", .service = "web", .places = PLACES({"a"}), .n_places = 1};

	(void)state;
	assert_int_equal(add_endpoint("x", "c", "nope", PLACES({"a"}), 1), -ENOENT);
	one_error("InvalidServiceName", "service",
		  "The Vpc Endpoint Service 'nope' does not exist");
	assert_int_equal(add_endpoint("x", "q", "web", PLACES({"a"}), 1), -ENOENT);
	one_error("InvalidVpcID.NotFound", "vpc", "there is no VPC 'q'");
	assert_int_equal(add_endpoint("ep", "c", "web", PLACES({"a"}), 1), -EEXIST);
	one_error("InvalidParameterValue", "name", "already exists");
	assert_int_equal(add_endpoint("x", "c", "web", PLACES({"a"}, {"a"}), 2), -EINVAL);
	one_error("DuplicateSubnetsInSameZone", "subnets[1].subnet",
		  "are in one availability zone (use1-az2)");
	assert_int_equal(add_endpoint("x", "c", "web", PLACES({"a", IPS(ip("10.0.1.10")), 1}), 1),
			 -EEXIST);
	one_error("InvalidIPAddress.InUse", "subnets[0].ip", "by an endpoint's ENI");
	assert_int_equal(add_endpoint("x", "c", "web", PLACES({"a", IPS(ip("10.0.2.10")), 1}), 1),
			 -EINVAL);
	one_error("InvalidParameter", "subnets[0].ip", "outside subnet 'a'");
	no_error(add_subnet("c", "z", "10.0.9.0/24", "use1-az3", NULL));
	assert_int_equal(add_endpoint("x", "c", "web", PLACES({"a"}, {"z"}), 2), -EINVAL);
	assert_string_equal(errs.items[0].hint,
			    "subnet 'z' is in use1-az3 (use1-az3), where no load "
			    "balancer of 'web' has a node");
	one_error("InvalidParameter", "subnets[1].subnet",
		  "does not support the availability zone of the subnet: subnet-");
	req.id = "vpce-0123456789ABCDEF0";
	assert_int_equal(cv_model_endpoint_add(m, &req, &errs), -EINVAL);
	one_error("InvalidVpcEndpointId.Malformed", "id", "is no endpoint id");
	req.id = "vpce-0123456789abcdef0";
	req.sgs = STRS("none");
	req.n_sgs = 1;
	assert_int_equal(cv_model_endpoint_add(m, &req, &errs), -ENOENT);
	one_error("InvalidSecurityGroupId.NotFound", "security_groups[0]", "in VPC 'c'");
	req.sgs = STRS("sg");
	req.service = m->services[0].service_name;
	no_error(cv_model_endpoint_add(m, &req, &errs));
	assert_string_equal(m->endpoints[1].id, "vpce-0123456789abcdef0");
	assert_int_equal(m->endpoints[1].sgs[0], 3);
}

/* As AWS: to one who is not allowed, the service does not exist. Only the operator's hint says more. */
static void principals_are_checked(void **state)
{
	struct cv_model_endpoint_req req = {
		.name = "x", .vpc = "c", .service = "web", .places = PLACES({"a"}), .n_places = 1};
	struct cv_model_endpoint_req other = {
		.name = "x", .vpc = "v", .service = "web", .places = PLACES({"a"}), .n_places = 1};

	(void)state;
	req.principal = "arn:aws:iam::222222222222:user/a/b";
	assert_int_equal(cv_model_endpoint_add(m, &req, &errs), -EINVAL);
	one_error("InvalidPrincipal", "principal", "is no principal");
	req.principal = "arn:aws:iam::333333333333:root";
	assert_int_equal(cv_model_endpoint_add(m, &req, &errs), -EINVAL);
	assert_string_equal(
		errs.items[0].hint,
		"VPC 'c' belongs to account 222222222222, the principal to 333333333333");
	one_error("InvalidVpcID.NotFound", "vpc", "The vpc ID 'vpc-");
	no_error(add_account("333333333333", "third", "use1-az1", "use1-az2"));
	no_error(add_vpc("v", "third", "10.0.0.0/16", 33));
	no_error(add_subnet("v", "a", "10.0.1.0/24", "us-east-1a", NULL));
	assert_int_equal(cv_model_endpoint_add(m, &other, &errs), -EINVAL);
	assert_string_equal(errs.items[0].hint,
			    "principal arn:aws:iam::333333333333:root is not allowed; "
			    "'web' allows arn:aws:iam::222222222222:root");
	one_error("InvalidServiceName", "service",
		  "The Vpc Endpoint Service 'com.amazonaws.vpce.us-east-1.");
	no_error(add_lb("l", "p", PLACES({"a"}), 1));
	no_error(add_service("closed", "l", NULL));
	other.service = "closed";
	assert_int_equal(cv_model_endpoint_add(m, &other, &errs), -EINVAL);
	assert_non_null(strstr(errs.items[0].hint, "'closed' allows nobody"));
	one_error("InvalidServiceName", "service", "does not exist");
	/* Its own account is always allowed. */
	other.vpc = "p";
	other.name = "own";
	no_error(cv_model_endpoint_add(m, &other, &errs));
	req.principal = "arn:aws:iam::222222222222:role/x";
	no_error(cv_model_endpoint_add(m, &req, &errs));
	assert_string_equal(m->endpoints[2].principal, "arn:aws:iam::222222222222:role/x");
}

static void one_request_shows_all_its_mistakes(void **state)
{
	struct cv_model_endpoint_req req = {
		.name = "b@d",
		.id = "vpce-1",
		.principal = "me",
		.vpc = "c",
		.service = "nope",
		.places = PLACES({"nowhere"}, {"a", IPS(ip("10.0.1.1")), 1}),
		.n_places = 2,
		.sgs = STRS("none"),
		.n_sgs = 1,
	};

	(void)state;
	assert_int_equal(cv_model_endpoint_add(m, &req, &errs), -EINVAL);
	assert_int_equal(errs.n, 7);
	assert_int_equal(m->n_endpoints, 1);
	assert_int_equal(cv_model_find(m, CV_MODEL_ENDPOINT, CV_MODEL_NONE, "b@d"), CV_MODEL_NONE);
}

static void acceptance_moves_between_states(void **state)
{
	const struct cv_model_endpoint *ep = &m->endpoints[0];

	(void)state;
	assert_string_equal(cv_model_state_str(ep->state), "pendingAcceptance");
	no_error(cv_model_accept(m, 0, "ep", &errs));
	assert_string_equal(cv_model_state_str(ep->state), "available");
	no_error(cv_model_accept(m, 0, "ep", &errs));
	assert_int_equal(ep->state, CV_MODEL_AVAILABLE);
	no_error(cv_model_reject(m, 0, ep->id, &errs));
	assert_string_equal(cv_model_state_str(ep->state), "rejected");
	no_error(cv_model_accept(m, 0, ep->id, &errs));
	assert_int_equal(ep->state, CV_MODEL_AVAILABLE);
	assert_int_equal(cv_model_accept(m, 0, "no", &errs), -ENOENT);
	one_error("InvalidVpcEndpointId.NotFound", "", "there is no endpoint 'no'");
	no_error(add_lb("l", "p", PLACES({"a"}), 1));
	no_error(add_service("other", "l", "*"));
	assert_int_equal(cv_model_reject(m, 1, "ep", &errs), -ENOENT);
	assert_string_equal(errs.items[0].hint, "it belongs to service 'web'");
	one_error("InvalidVpcEndpointId.NotFound", "", "there is no endpoint 'ep' of this service");
	assert_int_equal(ep->state, CV_MODEL_AVAILABLE);
	assert_string_equal(cv_model_placement_str(CV_MODEL_ON_FIRST_ACK), "on_first_ack");
	assert_string_equal(cv_model_placement_str(CV_MODEL_ON_FIRST_ACK_WITH_PAYLOAD),
			    "on_first_ack_with_payload");
}

static void without_acceptance_endpoints_are_available(void **state)
{
	const char *any = "*", *lb = "l";
	struct cv_model_service_req req = {
		.name = "open", .lbs = &lb, .n_lbs = 1, .principals = &any, .n_principals = 1};

	(void)state;
	no_error(add_lb("l", "p", PLACES({"a"}, {"b"}), 2));
	no_error(cv_model_service_add(m, &req, &errs));
	no_error(add_endpoint("x", "c", "open", PLACES({"a"}), 1));
	assert_int_equal(m->endpoints[1].state, CV_MODEL_AVAILABLE);
	no_error(cv_model_reject(m, 1, "x", &errs));
	assert_int_equal(m->endpoints[1].state, CV_MODEL_REJECTED);
}

/* Several load balancers: an ENI has one of those in its zone, and all of them get ENIs. */
static void enis_spread_over_load_balancers(void **state)
{
	const char *lbs[] = {"l1", "l2", "l3"}, *any = "*";
	struct cv_model_service_req req = {
		.name = "many", .lbs = lbs, .n_lbs = 3, .principals = &any, .n_principals = 1};
	uint32_t n_of[4] = {0};

	(void)state;
	no_error(add_lb("l1", "p", PLACES({"a"}, {"b"}), 2));
	no_error(add_lb("l2", "p", PLACES({"c"}), 1));
	no_error(add_lb("l3", "p", PLACES({"a"}), 1));
	no_error(cv_model_service_add(m, &req, &errs));
	for (int i = 0; i < 64; i++) {
		const struct cv_model_endpoint *ep;
		char name[16];

		snprintf(name, sizeof(name), "e%d", i);
		no_error(add_endpoint(name, "c", "many", PLACES({"a"}, {"b"}), 2));
		ep = &m->endpoints[m->n_endpoints - 1];
		for (int k = 0; k < 2; k++) {
			const struct cv_model_eni *eni = &ep->enis[k];

			assert_int_equal(m->lbs[eni->lb].nodes[eni->node].zone, eni->zone);
			n_of[eni->lb]++;
		}
	}
	assert_int_equal(n_of[0], 0);
	assert_true(n_of[1] > 32 && n_of[2] > 16 && n_of[3] > 16);
}

static void cross_zone_is_the_groups_or_the_load_balancers(void **state)
{
	struct cv_model_lb lb = {.cross_zone = false};
	struct cv_model_target_group tg = {.cross_zone = CV_MODEL_CROSS_ZONE_LB};

	(void)state;
	assert_false(cv_model_is_cross_zone(&lb, &tg));
	lb.cross_zone = true;
	assert_true(cv_model_is_cross_zone(&lb, &tg));
	tg.cross_zone = CV_MODEL_CROSS_ZONE_OFF;
	assert_false(cv_model_is_cross_zone(&lb, &tg));
	lb.cross_zone = false;
	tg.cross_zone = CV_MODEL_CROSS_ZONE_ON;
	assert_true(cv_model_is_cross_zone(&lb, &tg));
}

static void settling_gives_free_addresses(void **state)
{
	cv_be32_t first, again;

	(void)state;
	assert_int_equal(m->endpoints[0].enis[1].ip, 0);
	no_error(cv_model_settle(m, &errs));
	first = m->endpoints[0].enis[1].ip;
	assert_true(cv_prefix_has(&m->subnets[4].cidr, first));
	assert_int_equal(m->endpoints[0].enis[0].ip, ip("10.0.1.10"));
	no_error(cv_model_settle(m, &errs));
	assert_int_equal(m->endpoints[0].enis[1].ip, first);
	/* The address is the ENI's own: another endpoint before it makes no difference. */
	teardown(NULL);
	build_world();
	m->endpoints[0].enis[1].ip = 0;
	no_error(add_endpoint("another", "c", "web", PLACES({"b"}), 1));
	no_error(cv_model_settle(m, &errs));
	again = m->endpoints[0].enis[1].ip;
	assert_int_equal(again, first);
	assert_int_not_equal(m->endpoints[1].enis[0].ip, first);
}

/* A /28 has eleven addresses; the twelfth interface finds none, and nobody gets a reserved one. */
static void settling_fills_a_subnet_exactly(void **state)
{
	struct cv_prefix net = prefix("10.0.15.0/28");
	uint32_t seen = 0;

	(void)state;
	no_error(add_subnet("c", "tiny", "10.0.15.0/28", "us-east-1a", NULL));
	for (int i = 0; i < 11; i++) {
		char name[16];

		snprintf(name, sizeof(name), "e%d", i);
		no_error(add_endpoint(name, "c", "web", PLACES({"tiny"}), 1));
	}
	no_error(cv_model_settle(m, &errs));
	for (uint32_t i = 1; i < m->n_endpoints; i++) {
		cv_be32_t addr = m->endpoints[i].enis[0].ip;

		assert_true(cv_prefix_has(&net, addr));
		seen |= UINT32_C(1) << (cv_be32_host(addr) & 15);
	}
	assert_int_equal(seen, 0x7ff0);
	no_error(add_endpoint("more", "c", "web", PLACES({"tiny"}), 1));
	no_error(add_endpoint("and-more", "c", "web", PLACES({"tiny"}), 1));
	assert_int_equal(cv_model_settle(m, &errs), -ENOSPC);
	assert_int_equal(errs.items[0].kind, CV_MODEL_ENDPOINT);
	assert_int_equal(errs.items[0].idx, 12);
	one_error("InsufficientFreeAddressesInSubnet", "subnets[0]",
		  "no free address is left in subnet 'tiny'");
}

static void settling_gives_secondaries(void **state)
{
	struct cv_model_lb_req req = {.name = "x",
				      .vpc = "p",
				      .places = PLACES({"a", IPS(ip("10.0.1.5")), 1}, {"b"}),
				      .n_places = 2,
				      .n_secondary = 2};
	const struct cv_model_node *node;

	(void)state;
	no_error(cv_model_lb_add(m, &req, &errs));
	no_error(cv_model_settle(m, &errs));
	node = &m->lbs[1].nodes[0];
	assert_int_equal(node->n_ips, 3);
	assert_int_equal(node->ips[0], ip("10.0.1.5"));
	for (uint32_t i = 1; i < 3; i++) {
		assert_true(cv_prefix_has(&m->subnets[0].cidr, node->ips[i]));
		assert_int_not_equal(node->ips[i], node->ips[0]);
	}
	assert_int_not_equal(node->ips[1], node->ips[2]);
	assert_int_equal(node->ips[3], 0);
	assert_int_equal(m->lbs[1].nodes[1].n_ips, 3);
	/* What was given out is in use. */
	assert_int_equal(
		add_endpoint("x", "c", "web", PLACES({"b", IPS(m->endpoints[0].enis[1].ip), 1}), 1),
		-EEXIST);
	one_error("InvalidIPAddress.InUse", "subnets[0].ip", "by an endpoint's ENI");
}

/* The only warning or error of a check. */
static void one_finding(int ret, enum cv_model_kind kind, uint32_t idx, const char *field,
			const char *text)
{
	assert_int_equal(cv_model_check(m, &errs), ret);
	assert_true(errs.n >= 1);
	assert_int_equal(errs.items[0].kind, kind);
	assert_int_equal(errs.items[0].idx, idx);
	assert_int_equal(errs.items[0].err, -ret);
	one_error(ret == 0 ? "" : "InvalidTarget", field, text);
}

static void the_whole_is_checked(void **state)
{
	(void)state;
	no_error(cv_model_check(m, &errs));
	no_error(add_tg("spare", "p"));
	one_finding(0, CV_MODEL_TG, 1, "", "target group 'spare' is used by no listener");
	no_error(add_listener("web", 81, "spare", 350));
	one_finding(0, CV_MODEL_TG, 1, "targets", "target group 'spare' has no targets");
	no_error(add_target("spare", "10.0.1.30", 0, NULL));
	one_finding(0, CV_MODEL_TG, 1, "targets", "no target is in use1-az2");
	no_error(add_target("spare", "10.0.2.30", 0, NULL));
	no_error(cv_model_check(m, &errs));
	no_error(add_target("spare", "10.0.77.1", 0, "use1-az3"));
	one_finding(0, CV_MODEL_TG, 1, "targets[2]", "it gets no connections");
}

static void empty_things_are_noticed(void **state)
{
	(void)state;
	no_error(add_lb("l", "p", PLACES({"a"}), 1));
	one_finding(0, CV_MODEL_LB, 1, "", "load balancer 'l' has no listeners");
}

/* It is there, as any other, and nobody reaches it. */
static void an_endpoint_may_have_no_interface(void **state)
{
	(void)state;
	no_error(add_endpoint("bare", "c", "web", NO_PLACE, 0));
	assert_int_equal(m->endpoints[1].n_enis, 0);
	assert_int_equal(m->endpoints[1].state, m->endpoints[0].state);
	assert_false(cv_model_endpoint_is_over(&m->endpoints[1]));
	assert_int_equal(m->endpoints[1].n_sgs, 1);
	assert_true(m->sgs[m->endpoints[1].sgs[0]].of_vpc);
	assert_int_equal(m->services[0].n_attached, 2);
	no_error(cv_model_settle(m, &errs));
	one_finding(0, CV_MODEL_ENDPOINT, 1, "subnets",
		    "endpoint 'bare' has no subnets: nobody reaches it");
}

static void unreachable_targets_are_errors(void **state)
{
	(void)state;
	/* Only the node in az2 uses it, whose subnet b has a gateway. */
	no_error(add_target("web", "192.168.1.1", 0, "use1-az2"));
	no_error(cv_model_check(m, &errs));
	no_error(add_target("web", "192.168.1.2", 0, "use1-az1"));
	one_finding(
		-EINVAL, CV_MODEL_TG, 0, "targets[3].ip",
		"192.168.1.2 is outside VPC 'p', and subnet 'a' of load balancer 'web' has no gateway");
	m->tgs[0].n_targets--;
	no_error(add_target("web", "192.168.1.3", 0, NULL));
	one_finding(-EINVAL, CV_MODEL_TG, 0, "targets[3].ip", "subnet 'a'");
	m->tgs[0].n_targets--;
	m->lbs[0].cross_zone = true;
	one_finding(-EINVAL, CV_MODEL_TG, 0, "targets[2].ip", "subnet 'a'");
}

/* A gateway in each subnet where the load balancer has a node is enough. */
static void gateways_reach_what_is_outside(void **state)
{
	(void)state;
	no_error(add_lb("l", "p", PLACES({"b"}), 1));
	no_error(add_tg("t", "p"));
	no_error(add_target("t", "192.168.1.9", 0, NULL));
	no_error(add_listener("l", 80, "t", 350));
	no_error(cv_model_check(m, &errs));
	m->lbs[1].cross_zone = true;
	no_error(cv_model_check(m, &errs));
}

static void closed_services_are_noticed(void **state)
{
	(void)state;
	no_error(add_lb("l", "p", PLACES({"a"}), 1));
	no_error(add_tg("t", "p"));
	no_error(add_target("t", "10.0.1.40", 0, NULL));
	no_error(add_listener("l", 80, "t", 350));
	no_error(add_service("closed", "l", NULL));
	one_finding(0, CV_MODEL_SERVICE, 1, "allowed_principals", "service 'closed' allows nobody");
	/* Unless its own account has an endpoint in it. */
	no_error(add_endpoint("own", "p", "closed", PLACES({"a"}), 1));
	no_error(cv_model_check(m, &errs));
}

static void reserved_names_silence_what_follows(void **state)
{
	(void)state;
	cv_model_reserve(m, CV_MODEL_VPC, CV_MODEL_NONE, "broken");
	assert_int_equal(cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, "broken"), CV_MODEL_NONE);
	assert_int_equal(add_tg("x", "broken"), -ECANCELED);
	assert_int_equal(errs.n, 0);
	assert_int_equal(add_endpoint("x", "broken", "nope", PLACES({"a"}), 1), -ENOENT);
	one_error("InvalidServiceName", "service", "does not exist");
	assert_int_equal(add_vpc("broken", "prov", "10.0.0.0/16", 99), -EEXIST);
	one_error("InvalidParameterValue", "name", "already exists");
	cv_model_reserve(m, CV_MODEL_SUBNET, 0, "s");
	assert_int_equal(add_lb("x", "p", PLACES({"s"}), 1), -ECANCELED);
	assert_int_equal(add_endpoint("x", "c", "web", PLACES({"s"}), 1), -ENOENT);
	one_error("InvalidSubnetID.NotFound", "subnets[0].subnet",
		  "there is no subnet 's' in VPC 'c'");
	/* What exists keeps its name. */
	cv_model_reserve(m, CV_MODEL_VPC, CV_MODEL_NONE, "p");
	assert_int_equal(cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, "p"), 0);
	cv_model_reserve(m, CV_MODEL_ENDPOINT, CV_MODEL_NONE, "gone");
	assert_int_equal(cv_model_accept(m, 0, "gone", &errs), -ECANCELED);
	assert_int_equal(errs.n, 0);
}

static void partitions_follow_the_region(void **state)
{
	const char *names[][2] = {
		{"cn-north-1", "arn:aws-cn:elasticloadbalancing:cn-north-1:"},
		{"us-gov-west-1", "arn:aws-us-gov:elasticloadbalancing:us-gov-west-1:"}};

	(void)state;
	for (int i = 0; i < 2; i++) {
		teardown(NULL);
		m = cv_model_create(names[i][0]);
		assert_non_null(m);
		no_error(cv_model_zone_add(m, "z", &errs));
		no_error(add_account("111111111111", NULL, NULL, NULL));
		assert_string_equal(m->accounts[0].name, "111111111111");
		no_error(add_vpc("p", "111111111111", "10.0.0.0/16", 0));
		no_error(add_tg("t", "p"));
		assert_memory_equal(m->tgs[0].arn, names[i][1], strlen(names[i][1]));
	}
}

/* Text of any length is refused or cut, never run over. */
static void long_references_are_harmless(void **state)
{
	char *text = malloc(100001);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 100000);
	text[100000] = '\0';
	assert_int_equal(add_tg("t", text), -ENOENT);
	assert_int_equal(errs.n, 1);
	cv_model_errs_fini(&errs);
	assert_int_equal(add_tg(text, "p"), -EINVAL);
	cv_model_errs_fini(&errs);
	assert_int_equal(add_account("555555555555", text, text, text), -EINVAL);
	cv_model_errs_fini(&errs);
	assert_int_equal(add_service("x", "web", text), -EINVAL);
	cv_model_errs_fini(&errs);
	cv_model_reserve(m, CV_MODEL_VPC, CV_MODEL_NONE, text);
	free(text);
}

static int build_quietly(void)
{
	int ret = 0;

	m = cv_model_create("us-east-1");
	if (m == NULL)
		return -ENOMEM;
#define TRY(call) ret = ret != 0 ? ret : (call)
	TRY(cv_model_zone_add(m, "use1-az1", &errs));
	TRY(cv_model_zone_add(m, "use1-az2", &errs));
	TRY(add_account("111111111111", "prov", "use1-az1", "use1-az2"));
	TRY(add_vpc("p", "prov", "10.0.0.0/16", 0));
	TRY(add_subnet("p", "a", "10.0.1.0/24", "us-east-1a", NULL));
	TRY(add_sg("p", "sg"));
	TRY(add_tg("web", "p"));
	TRY(add_target("web", "10.0.1.21", 0, NULL));
	TRY(add_lb("web", "p", PLACES({"a"}), 1));
	TRY(add_listener("web", 80, "web", 350));
	TRY(add_service("web", "web", "*"));
	TRY(add_endpoint("ep", "p", "web", PLACES({"a"}), 1));
	TRY(cv_model_settle(m, &errs));
	TRY(cv_model_check(m, &errs));
#undef TRY
	return ret;
}

/* Each allocation fails once: the operation says -ENOMEM, and all is given back. */
static void every_allocation_may_fail(void **state)
{
	int reached = 1;
	long n = 0;

	(void)state;
	if (!ALLOC_FAIL)
		skip();
	while (reached) {
		int ret;

		teardown(NULL);
		alloc_watch(++n);
		ret = build_quietly();
		reached = alloc_reached();
		cv_model_destroy(m);
		m = NULL;
		cv_model_errs_fini(&errs);
		assert_int_equal(ret, reached ? -ENOMEM : 0);
		assert_int_equal(alloc_live, 0);
	}
	assert_in_range(n, 20, 200);
}

/* An error that cannot be recorded is still an error. */
static void errors_without_memory_are_errors(void **state)
{
	(void)state;
	if (!ALLOC_FAIL)
		skip();
	alloc_watch(1);
	assert_int_equal(add_listener("web", 80, "web", 350), -ENOMEM);
	assert_true(alloc_reached());
	assert_int_equal(errs.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(endpoints_are_checked),
		CASE(principals_are_checked),
		CASE(one_request_shows_all_its_mistakes),
		CASE(acceptance_moves_between_states),
		CASE(without_acceptance_endpoints_are_available),
		CASE(enis_spread_over_load_balancers),
		CASE(cross_zone_is_the_groups_or_the_load_balancers),
		CASE(settling_gives_free_addresses),
		CASE(settling_fills_a_subnet_exactly),
		CASE(settling_gives_secondaries),
		CASE(the_whole_is_checked),
		CASE(empty_things_are_noticed),
		CASE(an_endpoint_may_have_no_interface),
		CASE(unreachable_targets_are_errors),
		CASE(gateways_reach_what_is_outside),
		CASE(closed_services_are_noticed),
		CASE(reserved_names_silence_what_follows),
		CASE(partitions_follow_the_region),
		CASE(long_references_are_harmless),
		CASE(every_allocation_may_fail),
		CASE(errors_without_memory_are_errors),
#undef CASE
	};

	return cmocka_run_group_tests_name("model_whole", tests, NULL, NULL);
}
