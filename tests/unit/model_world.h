/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A small region to test the model on, and short ways to add to it. After cmocka.h, in test programs.
 */

#include <stdio.h>
#include <string.h>

#include "cv_model_ops.h"

#define STRS(...) ((const char *const[]){__VA_ARGS__})
#define IPS(...) ((const cv_be32_t[]){__VA_ARGS__})
#define PLACES(...) ((const struct cv_model_place_req[]){__VA_ARGS__})
#define NO_PLACE ((const struct cv_model_place_req *)NULL)

/** The model under test. */
static struct cv_model *m;
/** What its operations say. */
static struct cv_model_errs errs;

static inline cv_be32_t ip(const char *text)
{
	cv_be32_t addr = 0;

	assert_true(cv_ip4_parse(text, &addr));
	return addr;
}

static inline struct cv_prefix prefix(const char *text)
{
	struct cv_prefix p = {0};

	assert_int_equal(cv_prefix_parse(text, &p), 0);
	return p;
}

/* Exactly one error, of this kind; the list is empty again afterwards. */
static inline void one_error(const char *code, const char *field, const char *text)
{
	if (errs.n != 1)
		for (uint32_t i = 0; i < errs.n; i++)
			print_error("%s: %s\n", errs.items[i].field, errs.items[i].text);
	assert_int_equal(errs.n, 1);
	assert_string_equal(errs.items[0].code, code);
	assert_string_equal(errs.items[0].field, field);
	if (strstr(errs.items[0].text, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, errs.items[0].text);
	cv_model_errs_fini(&errs);
}

static inline void no_error(int ret)
{
	for (uint32_t i = 0; i < errs.n; i++)
		print_error("%s: %s\n", errs.items[i].field, errs.items[i].text);
	assert_int_equal(errs.n, 0);
	assert_int_equal(ret, 0);
}

static inline int add_account(const char *id, const char *name, const char *a, const char *b)
{
	struct cv_model_account_req req = {
		.id = id,
		.name = name,
		.zone_names = STRS("us-east-1a", "us-east-1b"),
		.zone_ids = (const char *const[]){a, b},
		.n_zones = a == NULL ? 0 : 2,
	};

	return cv_model_account_add(m, &req, &errs);
}

static inline int add_vpc(const char *name, const char *owner, const char *cidr, uint16_t vlan)
{
	struct cv_prefix cidrs[] = {prefix(cidr)};
	struct cv_model_vpc_req req = {.name = name,
				       .owner = owner,
				       .cidrs = cidrs,
				       .n_cidrs = 1,
				       .port = "p0",
				       .vlan = vlan};

	return cv_model_vpc_add(m, &req, &errs);
}

static inline int add_subnet(const char *vpc, const char *name, const char *cidr, const char *zone,
			     const char *gateway)
{
	struct cv_model_subnet_req req = {
		.name = name,
		.vpc = cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, vpc),
		.cidr = prefix(cidr),
		.zone = zone,
		.gateway = gateway == NULL ? 0 : ip(gateway),
	};

	return cv_model_subnet_add(m, &req, &errs);
}

static inline int add_sg(const char *vpc, const char *name)
{
	struct cv_model_rule rules[] = {{prefix("10.0.0.0/8"), 80, 443}};
	struct cv_model_sg_req req = {
		.name = name,
		.vpc = cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, vpc),
		.rules = rules,
		.n_rules = 1,
	};

	return cv_model_sg_add(m, &req, &errs);
}

static inline int add_tg(const char *name, const char *vpc)
{
	struct cv_model_tg_req req = {
		.name = name, .vpc = vpc, .port = 80, .cross_zone = CV_MODEL_CROSS_ZONE_LB};

	return cv_model_tg_add(m, &req, &errs);
}

static inline int add_target(const char *tg, const char *addr, uint16_t port, const char *zone)
{
	struct cv_model_target_req req = {.ip = ip(addr), .port = port, .zone = zone};

	return cv_model_target_add(m, cv_model_find(m, CV_MODEL_TG, CV_MODEL_NONE, tg), &req,
				   &errs);
}

static inline int add_lb(const char *name, const char *vpc, const struct cv_model_place_req *places,
			 uint32_t n)
{
	struct cv_model_lb_req req = {.name = name, .vpc = vpc, .places = places, .n_places = n};

	return cv_model_lb_add(m, &req, &errs);
}

static inline int add_listener(const char *lb, uint16_t port, const char *tg, uint32_t idle)
{
	struct cv_model_listener_req req = {.port = port, .target_group = tg, .idle_seconds = idle};

	return cv_model_listener_add(m, cv_model_find(m, CV_MODEL_LB, CV_MODEL_NONE, lb), &req,
				     &errs);
}

static inline int add_service(const char *name, const char *lb, const char *principal)
{
	struct cv_model_service_req req = {
		.name = name,
		.lbs = &lb,
		.n_lbs = 1,
		.principals = &principal,
		.n_principals = principal == NULL ? 0 : 1,
		.acceptance_required = true,
	};

	return cv_model_service_add(m, &req, &errs);
}

static inline int add_endpoint(const char *name, const char *vpc, const char *service,
			       const struct cv_model_place_req *places, uint32_t n)
{
	struct cv_model_endpoint_req req = {
		.name = name, .vpc = vpc, .service = service, .places = places, .n_places = n};

	return cv_model_endpoint_add(m, &req, &errs);
}

/*
 * A provider (VPC p: subnets a and b in az1 and az2, c in az2; load balancer web in a and b, target
 * group web; service web) and a consumer whose zones have the other names (VPC c: subnets a, b).
 */
static inline void build_world(void)
{
	m = cv_model_create("us-east-1");
	assert_non_null(m);
	no_error(cv_model_zone_add(m, "use1-az1", &errs));
	no_error(cv_model_zone_add(m, "use1-az2", &errs));
	no_error(cv_model_zone_add(m, "use1-az3", &errs));
	no_error(add_account("111111111111", "prov", "use1-az1", "use1-az2"));
	no_error(add_account("222222222222", "cons", "use1-az2", "use1-az1"));
	no_error(add_vpc("p", "prov", "10.0.0.0/16", 0));
	no_error(add_subnet("p", "a", "10.0.1.0/24", "us-east-1a", NULL));
	no_error(add_subnet("p", "b", "10.0.2.0/24", "us-east-1b", "10.0.2.1"));
	no_error(add_subnet("p", "c", "10.0.3.0/24", "us-east-1b", NULL));
	no_error(add_sg("p", "sg"));
	no_error(add_tg("web", "p"));
	no_error(add_target("web", "10.0.1.21", 0, NULL));
	no_error(add_target("web", "10.0.2.21", 8080, NULL));
	no_error(add_lb("web", "p",
			PLACES({"a", IPS(ip("10.0.1.10")), 1}, {"b", IPS(ip("10.0.2.10")), 1}), 2));
	no_error(add_listener("web", 80, "web", 350));
	no_error(add_service("web", "web", "arn:aws:iam::222222222222:root"));
	no_error(add_vpc("c", "cons", "10.0.0.0/16", 7));
	no_error(add_subnet("c", "a", "10.0.1.0/24", "us-east-1a", NULL));
	no_error(add_subnet("c", "b", "10.0.2.0/24", "us-east-1b", NULL));
	no_error(add_sg("c", "sg"));
	no_error(add_endpoint("ep", "c", "web",
			      PLACES({"a", IPS(ip("10.0.1.10")), 1}, {"b", NULL, 0}), 2));
}
