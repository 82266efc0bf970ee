/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static void builds_the_world(void **state)
{
	const struct cv_model_endpoint *ep = &m->endpoints[0];
	const struct cv_model_lb *lb = &m->lbs[0];

	(void)state;
	assert_int_equal(m->n_zones, 3);
	assert_int_equal(m->n_accounts, 2);
	assert_int_equal(m->n_vpcs, 2);
	assert_int_equal(m->n_subnets, 5);
	assert_int_equal(m->n_sgs, 4); /* each VPC has one of its own */
	assert_string_equal(m->region, "us-east-1");
	assert_int_equal(m->vpcs[0].vlan, 0);
	assert_int_equal(m->vpcs[1].vlan, 7);
	assert_int_equal(m->vpcs[1].owner, 1);
	assert_int_equal(m->subnets[3].zone, 1); /* the consumer's us-east-1a is use1-az2 */
	assert_int_equal(m->subnets[1].gateway, ip("10.0.2.1"));
	assert_int_equal(m->sgs[1].rules[0].port_last, 443);
	assert_int_equal(m->tgs[0].targets[0].port, 80);
	assert_int_equal(m->tgs[0].targets[1].port, 8080);
	assert_int_equal(m->tgs[0].targets[1].zone, 1);
	assert_int_equal(m->tgs[0].lb, 0);
	assert_int_equal(lb->n_nodes, 2);
	assert_int_equal(lb->nodes[1].zone, 1);
	assert_int_equal(lb->nodes[1].ips[0], ip("10.0.2.10"));
	assert_int_equal(lb->service, 0);
	assert_int_equal(lb->listeners[0].idle_seconds, 350);
	assert_int_equal(ep->state, CV_MODEL_PENDING_ACCEPTANCE);
	assert_int_equal(ep->enis[0].zone, 1);
	assert_int_equal(ep->enis[0].node, 1);
	assert_int_equal(ep->enis[1].node, 0);
	assert_int_equal(ep->enis[0].ip, ip("10.0.1.10"));
	assert_string_equal(ep->principal, "arn:aws:iam::222222222222:root");
}

/* Ids outlive restarts and versions: these never change. */
static void ids_are_stable(void **state)
{
	(void)state;
	assert_string_equal(m->vpcs[0].id, "vpc-b2eb7efd76358625e");
	assert_string_equal(m->subnets[0].id, "subnet-c0e24c42372b4c943");
	assert_string_equal(m->subnets[3].id, "subnet-5bc2e3f42b975b540");
	assert_string_equal(m->sgs[0].id, "sg-776118cc7ee166aa6");
	assert_string_equal(m->sgs[1].id, "sg-6221c4ac00a1614ee");
	assert_string_equal(
		m->tgs[0].arn,
		"arn:aws:elasticloadbalancing:us-east-1:111111111111:targetgroup/web/6a208e7a1bf33761");
	assert_string_equal(
		m->lbs[0].arn,
		"arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/web/44358b9262f306ee");
	assert_string_equal(m->lbs[0].listeners[0].arn,
			    "arn:aws:elasticloadbalancing:us-east-1:111111111111:listener/net/web/"
			    "44358b9262f306ee/a93ede36781b1d9d");
	assert_string_equal(m->services[0].service_name,
			    "com.amazonaws.vpce.us-east-1.vpce-svc-3352aebf729b44481");
	assert_string_equal(m->services[0].id, "vpce-svc-3352aebf729b44481");
	assert_string_equal(m->endpoints[0].id, "vpce-ddccf45f7da053fd2");
	assert_string_equal(m->endpoints[0].enis[0].id, "eni-ff8ed14f47fe6e1b2");
}

static void finds_by_every_reference(void **state)
{
	(void)state;
	assert_int_equal(cv_model_find(m, CV_MODEL_ACCOUNT, CV_MODEL_NONE, "222222222222"), 1);
	assert_int_equal(cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, m->vpcs[1].id), 1);
	assert_int_equal(cv_model_find(m, CV_MODEL_SUBNET, 0, "a"), 0);
	assert_int_equal(cv_model_find(m, CV_MODEL_SUBNET, 1, "a"), 3);
	assert_int_equal(cv_model_find(m, CV_MODEL_SUBNET, 1, m->subnets[3].id), 3);
	assert_int_equal(cv_model_find(m, CV_MODEL_SUBNET, 0, m->subnets[3].id), CV_MODEL_NONE);
	assert_int_equal(cv_model_find(m, CV_MODEL_SUBNET, CV_MODEL_NONE, m->subnets[3].id), 3);
	assert_int_equal(cv_model_find(m, CV_MODEL_SG, 0, m->sgs[3].id), CV_MODEL_NONE);
	assert_int_equal(cv_model_find(m, CV_MODEL_LB, CV_MODEL_NONE, m->lbs[0].arn), 0);
	assert_int_equal(cv_model_find(m, CV_MODEL_TG, CV_MODEL_NONE, m->tgs[0].arn), 0);
	assert_int_equal(
		cv_model_find(m, CV_MODEL_SERVICE, CV_MODEL_NONE, m->services[0].service_name), 0);
	assert_int_equal(cv_model_find(m, CV_MODEL_SERVICE, CV_MODEL_NONE, m->services[0].id), 0);
	assert_int_equal(cv_model_find(m, CV_MODEL_ENDPOINT, CV_MODEL_NONE, m->endpoints[0].id), 0);
	assert_int_equal(cv_model_find(m, CV_MODEL_ENDPOINT, CV_MODEL_NONE, "no"), CV_MODEL_NONE);
}

static void zones_and_accounts_are_checked(void **state)
{
	struct cv_model_account_req req = {
		.id = "333333333333",
		.zone_names = STRS("x", "x", "y", "z"),
		.zone_ids = STRS("use1-az1", "use1-az2", "use1-az1", "use1-az9"),
		.n_zones = 4,
	};

	(void)state;
	assert_int_equal(cv_model_zone_add(m, "use1-az1", &errs), -EEXIST);
	one_error("InvalidParameterValue", "name", "already exists");
	assert_int_equal(cv_model_zone_add(m, "a b", &errs), -EINVAL);
	one_error("InvalidParameterValue", "name", "is no zone name");
	assert_int_equal(add_account("11111111111", "n", NULL, NULL), -EINVAL);
	one_error("InvalidParameterValue", "id", "12 digits");
	assert_int_equal(add_account("11111111111x", "n", NULL, NULL), -EINVAL);
	one_error("InvalidParameterValue", "id", "12 digits");
	assert_int_equal(add_account("111111111111", "n", NULL, NULL), -EEXIST);
	one_error("InvalidParameterValue", "id", "already exists");
	assert_int_equal(add_account("444444444444", "prov", NULL, NULL), -EEXIST);
	one_error("InvalidParameterValue", "name", "already exists");
	assert_int_equal(add_account("444444444444", "n", "use1-az1", "use1-az9"), -ENOENT);
	one_error("InvalidParameterValue", "zones.us-east-1b", "there is no zone 'use1-az9'");
	assert_int_equal(cv_model_account_add(m, &req, &errs), -EEXIST);
	assert_int_equal(errs.n, 3);
	assert_non_null(strstr(errs.items[0].text, "zone name 'x' is given twice"));
	assert_non_null(strstr(errs.items[1].text, "zone 'use1-az1' already has the name 'x'"));
	assert_non_null(strstr(errs.items[2].hint, "known: use1-az1, use1-az2, use1-az3"));
	assert_int_equal(m->n_accounts, 2);
}

static void names_are_checked(void **state)
{
	char name[66];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[65] = '\0';
	assert_int_equal(add_vpc(name, "prov", "10.0.0.0/16", 9), -EINVAL);
	one_error("InvalidParameterValue", "name", "is no VPC name");
	name[64] = '\0';
	no_error(add_vpc(name, "prov", "10.0.0.0/16", 9));
	assert_int_equal(add_vpc("", "prov", "10.0.0.0/16", 10), -EINVAL);
	one_error("InvalidParameterValue", "name", "is no VPC name");
	assert_int_equal(add_vpc("p", "prov", "10.0.0.0/16", 10), -EEXIST);
	one_error("InvalidParameterValue", "name", "VPC 'p' already exists");
	no_error(add_vpc("a.b_c-D9", "prov", "10.0.0.0/16", 10));
	name[33] = '\0';
	assert_int_equal(add_tg(name, "p"), -EINVAL);
	one_error("ValidationError", "name", "is no target group name");
	name[32] = '\0';
	no_error(add_tg(name, "p"));
	assert_int_equal(add_tg("a.b", "p"), -EINVAL);
	one_error("ValidationError", "name", "inner hyphens");
	assert_int_equal(add_tg("-a", "p"), -EINVAL);
	one_error("ValidationError", "name", "inner hyphens");
	assert_int_equal(add_lb("a-", "p", PLACES({"a"}), 1), -EINVAL);
	one_error("ValidationError", "name", "inner hyphens");
	assert_int_equal(add_lb("web", "p", PLACES({"a"}), 1), -EEXIST);
	one_error("DuplicateLoadBalancerName", "name", "already exists");
	assert_int_equal(add_tg("web", "p"), -EEXIST);
	one_error("DuplicateTargetGroupName", "name", "already exists");
}

static void vpcs_are_checked(void **state)
{
	struct cv_prefix cidrs[] = {prefix("10.0.0.0/16"), prefix("10.0.128.0/17"),
				    prefix("0.0.0.0/7"), prefix("192.168.0.0/29")};
	struct cv_model_vpc_req req = {.name = "x",
				       .owner = "prov",
				       .cidrs = cidrs,
				       .n_cidrs = 4,
				       .port = "p0",
				       .vlan = 11};

	(void)state;
	assert_int_equal(cv_model_vpc_add(m, &req, &errs), -EINVAL);
	assert_int_equal(errs.n, 3);
	assert_string_equal(errs.items[0].field, "cidrs[1]");
	assert_string_equal(errs.items[0].code, "InvalidVpc.Range");
	assert_non_null(strstr(errs.items[0].text, "10.0.128.0/17 overlaps 10.0.0.0/16"));
	assert_non_null(strstr(errs.items[1].text, "0.0.0.0/7 is no usable size"));
	assert_non_null(strstr(errs.items[2].text, "192.168.0.0/29 is no usable size"));
	cv_model_errs_fini(&errs);
	req.n_cidrs = 0;
	assert_int_equal(cv_model_vpc_add(m, &req, &errs), -EINVAL);
	one_error("InvalidVpc.Range", "cidrs", "needs a CIDR");
	req.n_cidrs = 1;
	req.vlan = 4095;
	assert_int_equal(cv_model_vpc_add(m, &req, &errs), -EINVAL);
	one_error("InvalidParameterValue", "attachment.vlan", "outside 1..4094");
	req.vlan = 4094;
	req.name = "y";
	no_error(cv_model_vpc_add(m, &req, &errs));
	no_error(add_subnet("y", "all", "10.0.0.0/16", "us-east-1a", NULL));
	req.name = "x";
	req.vlan = 7;
	assert_int_equal(cv_model_vpc_add(m, &req, &errs), -EEXIST);
	one_error("InvalidParameterValue", "attachment",
		  "VPC 'c' is already attached to VLAN 7 of port 'p0'");
	req.vlan = 0;
	assert_int_equal(cv_model_vpc_add(m, &req, &errs), -EEXIST);
	one_error("InvalidParameterValue", "attachment",
		  "VPC 'p' is already attached to port 'p0' untagged");
	req.vlan = 11;
	req.owner = "who";
	assert_int_equal(cv_model_vpc_add(m, &req, &errs), -ENOENT);
	one_error("InvalidParameterValue", "owner", "there is no account 'who'");
	req.owner = "prov";
	req.id = "vpc-0123456789abcdefg";
	assert_int_equal(cv_model_vpc_add(m, &req, &errs), -EINVAL);
	one_error("InvalidVpcID.Malformed", "id", "17 hex digits");
	req.id = m->vpcs[0].id;
	assert_int_equal(cv_model_vpc_add(m, &req, &errs), -EEXIST);
	one_error("InvalidParameterValue", "id", "already exists");
	req.id = "vpc-0123456789abcdef0";
	no_error(cv_model_vpc_add(m, &req, &errs));
	assert_string_equal(m->vpcs[3].id, req.id);
	assert_true(cv_model_vpc_has(&m->vpcs[3], ip("10.0.255.255")));
	assert_false(cv_model_vpc_has(&m->vpcs[3], ip("10.1.0.0")));
}

static void subnets_are_checked(void **state)
{
	(void)state;
	assert_int_equal(add_subnet("p", "x", "10.1.0.0/24", "us-east-1a", NULL), -EINVAL);
	one_error("InvalidSubnet.Range", "cidr", "is not inside a CIDR of VPC 'p'");
	assert_int_equal(add_subnet("p", "x", "10.0.1.0/24", "us-east-1a", NULL), -EINVAL);
	one_error("InvalidSubnet.Conflict", "cidr", "overlaps subnet 'a' (10.0.1.0/24)");
	assert_int_equal(add_subnet("p", "x", "10.0.1.128/25", "us-east-1a", NULL), -EINVAL);
	one_error("InvalidSubnet.Conflict", "cidr", "overlaps subnet 'a'");
	assert_int_equal(add_subnet("p", "x", "10.0.0.0/20", "us-east-1a", NULL), -EINVAL);
	one_error("InvalidSubnet.Conflict", "cidr", "10.0.0.0/20 overlaps subnet");
	assert_int_equal(add_subnet("p", "x", "10.0.4.0/29", "us-east-1a", NULL), -EINVAL);
	one_error("InvalidSubnet.Range", "cidr", "is no usable size");
	assert_int_equal(add_subnet("p", "x", "10.0.4.0/24", "us-east-1c", NULL), -ENOENT);
	one_error("InvalidParameterValue", "zone", "account 'prov' has no zone 'us-east-1c'");
	assert_int_equal(add_subnet("p", "x", "10.0.4.0/24", "us-east-1a", "10.0.5.1"), -EINVAL);
	one_error("InvalidParameterValue", "gateway", "outside the subnet's CIDR");
	assert_int_equal(add_subnet("p", "x", "10.0.4.0/24", "us-east-1a", "10.0.4.0"), -EINVAL);
	one_error("InvalidParameterValue", "gateway", "network or broadcast");
	assert_int_equal(add_subnet("p", "x", "10.0.4.0/24", "us-east-1a", "10.0.4.255"), -EINVAL);
	one_error("InvalidParameterValue", "gateway", "network or broadcast");
	assert_int_equal(add_subnet("p", "a", "10.0.4.0/24", "us-east-1a", NULL), -EEXIST);
	one_error("InvalidParameterValue", "name", "subnet 'a' already exists");
	/* A zone may be given by its id, and a router may be a target. */
	no_error(add_target("web", "10.0.4.1", 0, NULL));
	no_error(add_subnet("p", "x", "10.0.4.0/24", "use1-az3", "10.0.4.1"));
	assert_int_equal(m->subnets[m->n_subnets - 1].zone, 2);
}

static void security_groups_are_checked(void **state)
{
	struct cv_model_rule rules[] = {{prefix("0.0.0.0/0"), 80, 80},
					{prefix("10.0.0.0/8"), 81, 80}};
	struct cv_model_sg_req req = {.name = "x", .vpc = 0, .rules = rules, .n_rules = 2};

	(void)state;
	assert_int_equal(cv_model_sg_add(m, &req, &errs), -EINVAL);
	one_error("InvalidParameterValue", "ingress[1].ports", "81-80 run backwards");
	req.n_rules = 0;
	no_error(cv_model_sg_add(m, &req, &errs));
	req.name = "sg";
	assert_int_equal(cv_model_sg_add(m, &req, &errs), -EEXIST);
	one_error("InvalidGroup.Duplicate", "name", "already exists");
	req.name = "y";
	req.id = "sg-1";
	assert_int_equal(cv_model_sg_add(m, &req, &errs), -EINVAL);
	one_error("InvalidGroupId.Malformed", "id", "is no security group id");
}

static void target_groups_are_checked(void **state)
{
	struct cv_model_tg_req req = {.name = "x", .vpc = "p", .port = 0};

	(void)state;
	assert_int_equal(cv_model_tg_add(m, &req, &errs), -EINVAL);
	one_error("ValidationError", "port", "outside 1..65535");
	req.port = 1;
	req.vpc = "q";
	assert_int_equal(cv_model_tg_add(m, &req, &errs), -ENOENT);
	one_error("InvalidVpcID.NotFound", "vpc", "there is no VPC 'q'");
	req.vpc = "p";
	req.arn =
		"arn:aws:elasticloadbalancing:us-east-1:222222222222:targetgroup/x/0123456789abcdef";
	assert_int_equal(cv_model_tg_add(m, &req, &errs), -EINVAL);
	one_error("ValidationError", "arn", "is not this target group's ARN");
	req.arn =
		"arn:aws:elasticloadbalancing:us-east-1:111111111111:targetgroup/x/0123456789abcdef";
	no_error(cv_model_tg_add(m, &req, &errs));
	assert_string_equal(m->tgs[1].arn, req.arn);
}

static void targets_are_checked(void **state)
{
	static const char *const public[] = {"9.255.255.255",  "11.0.0.0",        "172.15.255.255",
					     "172.32.0.0",     "192.167.255.255", "192.169.0.0",
					     "100.63.255.255", "100.128.0.0"};
	static const char *const private[] = {"10.0.0.0",       "172.16.0.0",      "172.31.255.255",
					      "192.168.0.0",    "192.168.255.255", "100.64.0.0",
					      "100.127.255.255"};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(public); i++) {
		assert_int_equal(add_target("web", public[i], 0, NULL), -EINVAL);
		one_error("InvalidTarget", "ip", "is not private");
	}
	for (size_t i = 0; i < CV_ARRAY_LEN(private); i++)
		no_error(add_target("web", private[i], 0, NULL));
	assert_int_equal(add_target("web", "10.0.1.21", 80, NULL), -EEXIST);
	one_error("InvalidTarget", "", "10.0.1.21:80 is already in group 'web'");
	no_error(add_target("web", "10.0.1.21", 81, NULL));
	assert_int_equal(add_target("web", "10.0.1.10", 0, NULL), -EINVAL);
	one_error("InvalidTarget", "ip", "is a load balancer node");
	no_error(add_tg("other", "c"));
	assert_int_equal(add_target("other", "10.0.1.10", 0, NULL), -EINVAL);
	one_error("InvalidTarget", "ip", "is an endpoint's ENI");
	assert_int_equal(add_target("web", "10.0.1.22", 0, "all"), -EINVAL);
	one_error("ValidationError", "zone", "'all' is for targets outside");
	assert_int_equal(add_target("web", "10.0.1.22", 0, "us-east-1b"), -EINVAL);
	one_error("ValidationError", "zone", "is not the zone of the target's subnet 'a'");
	assert_int_equal(add_target("web", "10.0.1.22", 0, "mars"), -ENOENT);
	one_error("ValidationError", "zone", "has no zone 'mars'");
	no_error(add_target("web", "10.0.1.22", 0, "us-east-1a"));
	no_error(add_target("web", "10.0.77.1", 0, "use1-az2"));
	assert_int_equal(m->tgs[0].targets[m->tgs[0].n_targets - 1].zone, 1);
	no_error(add_target("web", "10.0.77.2", 0, "all"));
	assert_int_equal(m->tgs[0].targets[m->tgs[0].n_targets - 1].zone, CV_MODEL_NONE);
}

static void load_balancers_are_checked(void **state)
{
	struct cv_model_lb_req req = {
		.name = "x", .vpc = "p", .places = PLACES({"a"}), .n_places = 1, .n_secondary = 7};

	(void)state;
	assert_int_equal(add_lb("x", "p", NO_PLACE, 0), -EINVAL);
	one_error("ValidationError", "subnets", "needs a subnet");
	assert_int_equal(add_lb("x", "q", PLACES({"a"}), 1), -ENOENT);
	one_error("InvalidVpcID.NotFound", "vpc", "there is no VPC 'q'");
	assert_int_equal(add_lb("x", "p", PLACES({"z"}), 1), -ENOENT);
	one_error("InvalidSubnetID.NotFound", "subnets[0].subnet",
		  "there is no subnet 'z' in VPC 'p'");
	assert_int_equal(add_lb("x", "p", PLACES({"a"}, {"b"}, {"c"}), 3), -EINVAL);
	one_error("InvalidConfigurationRequest", "subnets[2].subnet",
		  "subnets 'b' and 'c' are in one availability zone (use1-az2)");
	assert_int_equal(add_lb("x", "p", PLACES({"a", IPS(ip("10.0.2.5")), 1}), 1), -EINVAL);
	one_error("InvalidParameter", "subnets[0].ips[0]", "outside subnet 'a'");
	assert_int_equal(add_lb("x", "p", PLACES({"a", IPS(ip("10.0.1.3")), 1}), 1), -EINVAL);
	one_error("InvalidParameter", "subnets[0].ips[0]", "reserved");
	assert_int_equal(add_lb("x", "p", PLACES({"a", IPS(ip("10.0.1.255")), 1}), 1), -EINVAL);
	one_error("InvalidParameter", "subnets[0].ips[0]", "reserved");
	assert_int_equal(add_lb("x", "p", PLACES({"a", IPS(ip("10.0.1.10")), 1}), 1), -EEXIST);
	one_error("InvalidIPAddress.InUse", "subnets[0].ips[0]", "by a load balancer node");
	assert_int_equal(add_lb("x", "p", PLACES({"a", IPS(ip("10.0.1.21")), 1}), 1), -EEXIST);
	one_error("InvalidIPAddress.InUse", "subnets[0].ips[0]", "by a target");
	assert_int_equal(add_lb("x", "p", PLACES({"a", IPS(ip("10.0.1.5"), ip("10.0.1.5")), 2}), 1),
			 -EEXIST);
	one_error("InvalidIPAddress.InUse", "subnets[0].ips[1]", "the same address twice");
	no_error(cv_model_lb_add(m, &req, &errs));
	assert_int_equal(m->lbs[1].nodes[0].n_ips, 8);
	req.name = "y";
	req.places = PLACES({"a", IPS(ip("10.0.1.5"), ip("10.0.1.6")), 2});
	assert_int_equal(cv_model_lb_add(m, &req, &errs), -EINVAL);
	one_error("InvalidConfigurationRequest", "subnets[0].ips", "9 addresses");
	req.n_secondary = 0;
	req.sgs = STRS("sg", "nope");
	req.n_sgs = 2;
	assert_int_equal(cv_model_lb_add(m, &req, &errs), -ENOENT);
	assert_string_equal(errs.items[0].hint, "known: default, sg");
	one_error("InvalidSecurityGroupId.NotFound", "security_groups[1]",
		  "there is no security group 'nope'");
	req.n_sgs = 1;
	req.arn = "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/y/12";
	assert_int_equal(cv_model_lb_add(m, &req, &errs), -EINVAL);
	one_error("ValidationError", "arn", "16 hex digits");
	req.arn = NULL;
	no_error(cv_model_lb_add(m, &req, &errs));
	assert_int_equal(m->lbs[2].sgs[0], 1);
	assert_int_equal(cv_model_node_find(&m->lbs[2], 0), 0);
	assert_int_equal(cv_model_node_find(&m->lbs[2], 1), CV_MODEL_NONE);
}

static void listeners_are_checked(void **state)
{
	(void)state;
	assert_int_equal(add_listener("web", 80, "web", 350), -EEXIST);
	one_error("DuplicateListener", "port", "already has a listener on port 80");
	assert_int_equal(add_listener("web", 0, "web", 350), -EINVAL);
	one_error("ValidationError", "port", "outside 1..65535");
	assert_int_equal(add_listener("web", 81, "web", 59), -EINVAL);
	one_error("InvalidConfigurationRequest", "attributes.tcp.idle_timeout.seconds",
		  "outside 60..6000");
	assert_int_equal(add_listener("web", 81, "web", 6001), -EINVAL);
	one_error("InvalidConfigurationRequest", "attributes.tcp.idle_timeout.seconds",
		  "outside 60..6000");
	assert_int_equal(add_listener("web", 81, "no", 350), -ENOENT);
	one_error("TargetGroupNotFound", "target_group", "there is no target group 'no'");
	no_error(add_tg("theirs", "c"));
	assert_int_equal(add_listener("web", 81, "theirs", 350), -EINVAL);
	one_error("InvalidConfigurationRequest", "target_group",
		  "is in VPC 'c', the load balancer in 'p'");
	no_error(add_lb("x", "p", PLACES({"a"}), 1));
	assert_int_equal(add_listener("x", 80, "web", 350), -EINVAL);
	one_error("TargetGroupAssociationLimit", "target_group",
		  "already used by load balancer 'web'");
	no_error(add_listener("web", 81, "web", 60));
	no_error(add_listener("web", 65535, m->tgs[0].arn, 6000));
	assert_int_equal(m->lbs[0].n_listeners, 3);
	assert_string_not_equal(m->lbs[0].listeners[0].arn, m->lbs[0].listeners[1].arn);
}

static void services_are_checked(void **state)
{
	static const char *const bad[] = {"arn:aws:iam::222222222222:user/a/b",
					  "222222222222",
					  "",
					  "arn:aws:iam::22222222222:root",
					  "arn:aws:iam::222222222222:group/x",
					  "arn:aws:iam::222222222222:role/",
					  "arn:aws:sts::222222222222:root"};
	struct cv_model_service_req req = {.name = "x", .lbs = STRS("l", "l"), .n_lbs = 2};

	(void)state;
	assert_int_equal(add_service("x", "web", NULL), -EINVAL);
	one_error("InvalidParameter", "load_balancers[0]", "is already in endpoint service 'web'");
	assert_int_equal(add_service("x", "no", NULL), -ENOENT);
	one_error("LoadBalancerNotFound", "load_balancers[0]", "there is no load balancer 'no'");
	no_error(add_lb("l", "p", PLACES({"c"}), 1));
	assert_int_equal(cv_model_service_add(m, &req, &errs), -EEXIST);
	one_error("InvalidParameter", "load_balancers[1]", "listed twice");
	no_error(add_lb("theirs", "c", PLACES({"a"}), 1));
	req.lbs = STRS("l", "theirs");
	assert_int_equal(cv_model_service_add(m, &req, &errs), -EINVAL);
	one_error("InvalidParameter", "load_balancers[1]",
		  "belongs to account 'cons', 'l' to 'prov'");
	req.n_lbs = 0;
	assert_int_equal(cv_model_service_add(m, &req, &errs), -EINVAL);
	one_error("InvalidParameter", "load_balancers", "needs a load balancer");
	for (size_t i = 0; i < CV_ARRAY_LEN(bad); i++) {
		assert_false(cv_model_principal_is(bad[i]));
		assert_int_equal(add_service("x", "l", bad[i]), -EINVAL);
		one_error("InvalidPrincipal", "allowed_principals[0]", "is no principal");
	}
	req.n_lbs = 1;
	req.id = "vpce-svc-0";
	assert_int_equal(cv_model_service_add(m, &req, &errs), -EINVAL);
	one_error("InvalidVpcEndpointServiceIdId.Malformed", "id", "vpce-svc- and 17");
	req.id = "vpce-svc-0123456789abcdef0";
	no_error(cv_model_service_add(m, &req, &errs));
	assert_string_equal(m->services[1].service_name,
			    "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0");
	assert_int_equal(add_service("web", "theirs", NULL), -EEXIST);
	one_error("InvalidParameterValue", "name", "already exists");
	assert_true(cv_model_service_is_in_zone(m, 1, 1));
	assert_false(cv_model_service_is_in_zone(m, 1, 0));
}

static void principals_are_matched(void **state)
{
	static const struct {
		const char *allowed, *who;
		bool yes;
	} cases[] = {
		{"*", "arn:aws:iam::999999999999:user/x", true},
		{"arn:aws:iam::222222222222:root", "arn:aws:iam::222222222222:root", true},
		{"arn:aws:iam::222222222222:root", "arn:aws:iam::222222222222:user/x", true},
		{"arn:aws:iam::222222222222:root", "arn:aws:iam::222222222222:role/x", true},
		{"arn:aws:iam::222222222222:root", "arn:aws:iam::222222222223:role/x", false},
		{"arn:aws:iam::222222222222:root", "arn:aws-cn:iam::222222222222:role/x", false},
		{"arn:aws:iam::222222222222:user/x", "arn:aws:iam::222222222222:user/x", true},
		{"arn:aws:iam::222222222222:user/x", "arn:aws:iam::222222222222:role/x", false},
		{"arn:aws:iam::222222222222:user/x", "arn:aws:iam::222222222222:user/X", false},
		{"arn:aws:iam::222222222222:user/x", "arn:aws:iam::222222222222:user/xx", false},
		{"arn:aws:iam::222222222222:user/x", "arn:aws:iam::222222222222:root", false},
		{"arn:aws:iam::222222222222:role/x", "arn:aws:iam::222222222222:role/x", true},
		{NULL, "arn:aws:iam::222222222222:root", false},
		{"*", "nonsense", true},
		{"arn:aws:iam::222222222222:root", "nonsense", false},
	};
	char arn[200];

	(void)state;
	for (uint32_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		char name[16];

		snprintf(name, sizeof(name), "s%u", i);
		no_error(add_lb(name, "p", PLACES({"c"}), 1));
		no_error(add_service(name, name, cases[i].allowed));
		assert_int_equal(cv_model_principal_allowed(m, m->n_services - 1, cases[i].who),
				 cases[i].yes);
	}
	snprintf(arn, sizeof(arn), "arn:aws%0120d:iam::222222222222:root", 0);
	assert_false(cv_model_principal_allowed(m, 2, arn));
	memset(arn, 'a', sizeof(arn));
	memcpy(arn, "arn:aws", 7);
	memcpy(arn + 130, ":iam::222222222222:root", 24);
	assert_false(cv_model_principal_allowed(m, 2, arn));
	snprintf(arn, sizeof(arn), "arn:aws:iam::222222222222:user/%064d", 0);
	assert_true(cv_model_principal_is(arn));
	snprintf(arn, sizeof(arn), "arn:aws:iam::222222222222:user/%065d", 0);
	assert_false(cv_model_principal_is(arn));
	assert_true(cv_model_principal_is("arn:aws-us-gov:iam::222222222222:role/a+b=c,d.e@f_g-h"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		CASE(builds_the_world),           CASE(ids_are_stable),
		CASE(finds_by_every_reference),   CASE(zones_and_accounts_are_checked),
		CASE(names_are_checked),          CASE(vpcs_are_checked),
		CASE(subnets_are_checked),        CASE(security_groups_are_checked),
		CASE(target_groups_are_checked),  CASE(targets_are_checked),
		CASE(load_balancers_are_checked), CASE(listeners_are_checked),
		CASE(services_are_checked),       CASE(principals_are_matched),
#undef CASE
	};

	return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
