/* SPDX-License-Identifier: BSD-3-Clause */

/* What DNS asks of the model: the switches of a VPC, private names, addresses that its server has. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_model_change.h"
#include "cv_model_dns.h"

#include "model_world.h"

#include "model_check.h"

#define PROV 0
#define CONS 1
#define NAME "x.example.com"

static const char *vpc, *subnet, *service;
static uint64_t n_calls;

static const struct cv_model_by *by_of(uint32_t account)
{
	static struct cv_model_by by;

	n_calls++;
	by = (struct cv_model_by){.account = account, .now = 1000, .random = {n_calls, 7}};
	return &by;
}

static const char *made(int ret)
{
	no_error(ret);
	return m->changes[m->n_changes - 1].id;
}

static int switch_set(const char *of, int support, int hostnames)
{
	const struct cv_model_vpc_change req = {of, support, hostnames};

	return cv_model_vpc_change(m, by_of(CONS), &req, &errs);
}

/* A VPC that a call made, in it a subnet in the zone of the service's load balancer. */
static int setup(void **state)
{
	const struct cv_prefix cidr = prefix("10.9.0.0/16");
	struct cv_model_vpc_req req = {
		.owner = "222222222222", .cidrs = &cidr, .n_cidrs = 1, .port = "p9"};
	struct cv_model_subnet_req net = {.cidr = prefix("10.9.0.0/24"), .zone = "use1-az1"};
	struct cv_model_service_change change = {
		.acceptance_required = 0, .private_dns_name = NAME, .dns_state = CV_MODEL_KEEP};
	const char *lb;
	struct cv_model_service_req offer = {
		.lbs = &lb, .n_lbs = 1, .principals = STRS("*"), .n_principals = 1};
	struct cv_model_place_req place;
	struct cv_model_lb_req lb_req = {.name = "made", .places = &place, .n_places = 1};

	(void)state;
	build_world();
	no_error(cv_model_settle(m, &errs));
	req.by = by_of(CONS);
	vpc = made(cv_model_vpc_add(m, &req, &errs));
	net.by = by_of(CONS);
	net.vpc = cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, vpc);
	subnet = made(cv_model_subnet_add(m, &net, &errs));
	place = (struct cv_model_place_req){.subnet = m->subnets[0].id};
	lb_req.vpc = m->vpcs[0].id;
	lb_req.by = by_of(PROV);
	lb = made(cv_model_lb_add(m, &lb_req, &errs));
	offer.by = by_of(PROV);
	service = made(cv_model_service_add(m, &offer, &errs));
	change.service = service;
	no_error(cv_model_service_change(m, by_of(PROV), &change, &errs));
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

static void verify(void)
{
	const struct cv_model_service_change change = {.service = service,
						       .acceptance_required = CV_MODEL_KEEP,
						       .dns_state = CV_MODEL_DNS_VERIFIED};

	no_error(cv_model_service_change(m, by_of(PROV), &change, &errs));
}

static int endpoint_add(bool private_dns)
{
	struct cv_model_place_req place = {.subnet = subnet};
	struct cv_model_endpoint_req req = {.vpc = vpc,
					    .service = service,
					    .places = &place,
					    .n_places = 1,
					    .private_dns = private_dns,
					    .by = by_of(CONS)};

	return cv_model_endpoint_add(m, &req, &errs);
}

static const struct cv_model_vpc *vpc_at(void)
{
	return &m->vpcs[cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, vpc)];
}

static void switches_change_one_by_one(void **state)
{
	(void)state;
	assert_true(vpc_at()->dns_support && vpc_at()->dns_hostnames);
	no_error(switch_set(vpc, CV_MODEL_KEEP, 0));
	assert_true(vpc_at()->dns_support);
	assert_false(vpc_at()->dns_hostnames);
	no_error(switch_set(vpc, 0, CV_MODEL_KEEP));
	assert_false(vpc_at()->dns_support || vpc_at()->dns_hostnames);
	no_error(switch_set(vpc, 1, 1));
	assert_true(vpc_at()->dns_support && vpc_at()->dns_hostnames);
	no_error(switch_set(vpc, 1, CV_MODEL_KEEP));
	assert_true(vpc_at()->dns_support && vpc_at()->dns_hostnames);
	refused(switch_set("vpc-0123456789abcdef0", 1, 1), -ENOENT, "InvalidVpcID.NotFound", "");
	refused(switch_set(m->vpcs[0].id, 1, 1), -ENOENT, "InvalidVpcID.NotFound", "");
	/* One of the file stays as the file has it. */
	no_error(switch_set(m->vpcs[1].id, 1, 1));
	refused(switch_set(m->vpcs[1].id, 0, CV_MODEL_KEEP), -EPERM, "OperationNotPermitted",
		"configuration file");
}

static void private_name_needs_both_switches(void **state)
{
	(void)state;
	verify();
	no_error(switch_set(vpc, CV_MODEL_KEEP, 0));
	refused(endpoint_add(true), -EINVAL, "InvalidParameter",
		"both enableDnsSupport and enableDnsHostnames");
	no_error(switch_set(vpc, 0, 1));
	refused(endpoint_add(true), -EINVAL, "InvalidParameter",
		"both enableDnsSupport and enableDnsHostnames");
	no_error(endpoint_add(false));
	no_error(switch_set(vpc, 1, CV_MODEL_KEEP));
	no_error(endpoint_add(true));
}

static void private_name_is_there_once_in_a_vpc(void **state)
{
	struct cv_model_endpoint_change change = {.private_dns = 1};
	const char *first, *second;

	(void)state;
	refused(endpoint_add(true), -EINVAL, "InvalidParameter", "does not provide a private DNS");
	verify();
	first = made(endpoint_add(true));
	refused(endpoint_add(true), -EINVAL, "InvalidParameter",
		"there is already a conflicting DNS domain for " NAME " in the VPC");
	second = made(endpoint_add(false));
	change.endpoint = second;
	refused(cv_model_endpoint_change(m, by_of(CONS), &change, &errs), -EINVAL,
		"InvalidParameter", "conflicting DNS domain");
	/* Who has it already may say so again, and gives it up by leaving. */
	change.endpoint = first;
	no_error(cv_model_endpoint_change(m, by_of(CONS), &change, &errs));
	no_error(cv_model_remove(m, by_of(CONS), CV_MODEL_ENDPOINT, first, &errs));
	change.endpoint = second;
	no_error(cv_model_endpoint_change(m, by_of(CONS), &change, &errs));
}

static int name_set(const char *name)
{
	const struct cv_model_service_change change = {.service = service,
						       .acceptance_required = CV_MODEL_KEEP,
						       .private_dns_name = name,
						       .dns_state = CV_MODEL_KEEP};

	return cv_model_service_change(m, by_of(PROV), &change, &errs);
}

static const struct cv_model_service *service_at(void)
{
	return &m->services[cv_model_find(m, CV_MODEL_SERVICE, CV_MODEL_NONE, service)];
}

static void private_name_stays_while_it_is_used(void **state)
{
	const char *user, *other;

	(void)state;
	other = made(endpoint_add(false));
	/* What nobody has may be another, but goes with the last connection only. */
	no_error(name_set("other.example.com"));
	no_error(name_set(NAME));
	refused(name_set(""), -EBUSY, "ExistingVpcEndpointConnections", "");
	verify();
	user = made(endpoint_add(true));
	refused(name_set("other.example.com"), -EBUSY, "ExistingVpcEndpointConnections", "");
	refused(name_set(""), -EBUSY, "ExistingVpcEndpointConnections", "");
	assert_string_equal(service_at()->private_dns_name, NAME);
	assert_int_equal(service_at()->dns_state, CV_MODEL_DNS_VERIFIED);
	/* To say the same again changes nothing. */
	no_error(name_set(NAME));
	assert_int_equal(service_at()->dns_state, CV_MODEL_DNS_VERIFIED);
	no_error(cv_model_reject_by(m, by_of(PROV), service, user, &errs));
	no_error(name_set("other.example.com"));
	assert_int_equal(service_at()->dns_state, CV_MODEL_DNS_UNVERIFIED);
	no_error(cv_model_reject_by(m, by_of(PROV), service, other, &errs));
	no_error(name_set(""));
	assert_null(service_at()->private_dns_name);
	no_error(name_set(NAME));
}

#define LABEL_61 "a123456789b123456789c123456789d123456789e123456789f123456789g"
#define LABEL_63 LABEL_61 "h_"

static void private_name_is_what_dns_can_carry(void **state)
{
	static const char *const bad[] = {"Bad",
					  "com",
					  ".com",
					  "a..b",
					  "a.b.",
					  "*",
					  "*.",
					  "a.*.b",
					  "*a.b",
					  "a b.c",
					  LABEL_63 "x.y",
					  "y." LABEL_63 "x",
					  LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61 "x"};
	static const char *const good[] = {"a.b", "*.a.b", LABEL_63 ".x",
					   LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_61};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(bad); i++)
		refused(name_set(bad[i]), -EINVAL, "InvalidParameter", "no valid private DNS name");
	for (size_t i = 0; i < CV_ARRAY_LEN(good); i++)
		no_error(name_set(good[i]));
}

static void rejected_endpoint_has_lost_its_name(void **state)
{
	const char *first, *second;

	(void)state;
	verify();
	first = made(endpoint_add(true));
	no_error(cv_model_reject_by(m, by_of(PROV), service, first, &errs));
	second = made(endpoint_add(true));
	refused(cv_model_accept_by(m, by_of(PROV), service, first, &errs), -EINVAL,
		"InvalidParameter", "conflicting DNS domain");
	no_error(cv_model_accept_by(m, by_of(PROV), service, second, &errs));
	no_error(cv_model_remove(m, by_of(CONS), CV_MODEL_ENDPOINT, second, &errs));
	no_error(cv_model_accept_by(m, by_of(PROV), service, first, &errs));
}

static void addresses_of_the_server_are_taken(void **state)
{
	struct cv_model_place_req place = {
		.subnet = subnet, .ips = IPS(ip("10.9.0.2")), .n_ips = 1};
	struct cv_model_endpoint_req req = {
		.vpc = vpc, .service = service, .places = &place, .n_places = 1};

	(void)state;
	assert_int_equal(cv_model_dns_server(vpc_at()), ip("10.9.0.2"));
	for (uint32_t i = 0; i <= 4; i++) {
		place.ips = IPS(cv_be32(cv_be32_host(ip("10.9.0.0")) + (i < 4 ? i : 255)));
		req.by = by_of(CONS);
		refused(cv_model_endpoint_add(m, &req, &errs), -EINVAL, "InvalidParameter",
			"is reserved: the first four and the last of 10.9.0.0/24");
	}
	assert_int_equal(add_subnet(m->vpcs[0].name, "dns", "10.0.0.0/28", "use1-az1", "10.0.0.2"),
			 -EINVAL);
	one_error("InvalidParameterValue", "gateway", "10.0.0.2 is reserved: the VPC's DNS server");
	assert_int_equal(add_target(m->tgs[0].name, "10.0.0.2", 80, NULL), -EINVAL);
	one_error("InvalidTarget", "ip", "10.0.0.2 is reserved: the VPC's DNS server");
	no_error(add_target(m->tgs[0].name, "10.0.0.3", 80, "all"));
}

/* Where the file has such a network, nobody else gets the address. */
static void address_of_the_server_on_the_link_is_taken(void **state)
{
	(void)state;
	no_error(add_vpc("link", "cons", "169.254.0.0/16", 9));
	no_error(add_subnet("link", "s", "169.254.169.240/28", "use1-az1", NULL));
	assert_int_equal(add_lb("given", "link", PLACES({"s", IPS(ip("169.254.169.253")), 1}), 1),
			 -EINVAL);
	one_error("InvalidParameter", "subnets[0].ips[0]",
		  "169.254.169.253 is reserved: the VPC's DNS server has it");
	for (uint32_t i = 0; i < 10; i++) {
		char name[16];

		snprintf(name, sizeof(name), "lb%u", i);
		no_error(add_lb(name, "link", PLACES({"s", NULL, 0}), 1));
	}
	no_error(cv_model_settle(m, &errs));
	for (uint32_t i = m->n_lbs - 10; i < m->n_lbs; i++)
		assert_int_not_equal(m->lbs[i].nodes[0].ips[0], ip("169.254.169.253"));
	no_error(add_lb("one-more", "link", PLACES({"s", NULL, 0}), 1));
	assert_int_equal(cv_model_settle(m, &errs), -ENOSPC);
	one_error("InsufficientFreeAddressesInSubnet", "subnets[0]", "no free address is left");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(switches_change_one_by_one, setup, teardown),
		cmocka_unit_test_setup_teardown(private_name_needs_both_switches, setup, teardown),
		cmocka_unit_test_setup_teardown(private_name_is_there_once_in_a_vpc, setup,
						teardown),
		cmocka_unit_test_setup_teardown(private_name_stays_while_it_is_used, setup,
						teardown),
		cmocka_unit_test_setup_teardown(private_name_is_what_dns_can_carry, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rejected_endpoint_has_lost_its_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(addresses_of_the_server_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(address_of_the_server_on_the_link_is_taken, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("model_dns", tests, NULL, NULL);
}
