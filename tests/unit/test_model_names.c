/* SPDX-License-Identifier: BSD-3-Clause */

/* DNS names, as AWS forms them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cv_base.h"
#include "cv_model_change.h"
#include "cv_model_names.h"
#include "cv_model_ops.h"
#include "model_world.h"

static char name[CV_MODEL_DNS_LEN];

static int setup(void **state)
{
	(void)state;
	build_world();
	no_error(cv_model_settle(m, &errs));
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

/* `vpce-<id>-<8 characters>[-zone].vpce-svc-<id>.<region>.vpce.amazonaws.com` */
static void endpoint_has_regional_and_zonal_names(void **state)
{
	const struct cv_model_endpoint *e = &m->endpoints[0];
	const char *svc = strstr(e->service_name, "vpce-svc-");
	char want[512], regional[CV_MODEL_DNS_LEN];
	size_t len = strlen(e->id);

	(void)state;
	cv_model_endpoint_dns(m, 0, CV_MODEL_NONE, regional);
	assert_memory_equal(regional, e->id, len);
	assert_int_equal(regional[len], '-');
	assert_int_equal(strspn(regional + len + 1, "abcdefghijklmnopqrstuvwxyz0123456789"), 8);
	snprintf(want, sizeof(want), "%.*s.%s.%s.vpce.amazonaws.com", (int)len + 9, regional, svc,
		 m->region);
	assert_string_equal(regional, want);
	for (uint32_t i = 0; i < e->n_enis; i++) {
		snprintf(want, sizeof(want), "%.*s-%s.%s.%s.vpce.amazonaws.com", (int)len + 9,
			 regional, m->subnets[e->enis[i].subnet].zone_name, svc, m->region);
		assert_string_equal(cv_model_endpoint_dns(m, 0, i, name), want);
	}
	/* The same for ever. */
	assert_string_equal(cv_model_endpoint_dns(m, 0, CV_MODEL_NONE, name), regional);
}

static void load_balancer_has_regional_and_zonal_names(void **state)
{
	const struct cv_model_lb *lb = &m->lbs[0];
	char want[512];

	(void)state;
	snprintf(want, sizeof(want), "%s-%s.elb.%s.amazonaws.com", lb->name,
		 strrchr(lb->arn, '/') + 1, m->region);
	assert_string_equal(cv_model_lb_dns(m, 0, CV_MODEL_NONE, name), want);
	snprintf(want, sizeof(want), "%s.%s-%s.elb.%s.amazonaws.com",
		 m->subnets[lb->nodes[0].subnet].zone_name, lb->name, strrchr(lb->arn, '/') + 1,
		 m->region);
	assert_string_equal(cv_model_lb_dns(m, 0, 0, name), want);
}

/* A file may give a zone's id; names are in the words of the account all the same. */
static void zones_given_by_id_have_their_account_s_name(void **state)
{
	(void)state;
	no_error(add_subnet("c", "by-id", "10.0.9.0/24", "use1-az2", NULL));
	assert_string_equal(m->subnets[m->n_subnets - 1].zone_name, "us-east-1a");
	no_error(add_subnet("p", "by-id", "10.0.9.0/24", "use1-az2", NULL));
	assert_string_equal(m->subnets[m->n_subnets - 1].zone_name, "us-east-1b");
	/* It has no name for this one. */
	no_error(add_subnet("p", "nameless", "10.0.10.0/24", "use1-az3", NULL));
	assert_string_equal(m->subnets[m->n_subnets - 1].zone_name, "use1-az3");
}

static void suffixes_of_names(void **state)
{
	char want[512];

	(void)state;
	snprintf(want, sizeof(want), "%s.%s.vpce.amazonaws.com", m->services[0].id, m->region);
	assert_string_equal(cv_model_service_dns(m, 0, name), want);
	snprintf(want, sizeof(want), "%s.vpce.amazonaws.com", m->region);
	assert_string_equal(cv_model_endpoint_zone_dns(m, name), want);
	snprintf(want, sizeof(want), "elb.%s.amazonaws.com", m->region);
	assert_string_equal(cv_model_lb_zone_dns(m, name), want);
}

static void client_routing_is_an_attribute(void **state)
{
	static const char *const words[] = {
		"any_availability_zone",
		"partial_availability_zone_affinity",
		"availability_zone_affinity",
	};

	(void)state;
	assert_int_equal(m->lbs[0].client_routing, CV_MODEL_CLIENT_ANY);
	for (uint32_t i = 0; i < CV_ARRAY_LEN(words); i++) {
		struct cv_model_tag tag = {"dns_record.client_routing_policy", words[i]};
		struct cv_model_attrs_change req = {
			.kind = CV_MODEL_LB, .ref = m->lbs[0].arn, .attrs = &tag, .n_attrs = 1};

		no_error(cv_model_attrs_change(m, NULL, &req, &errs));
		assert_int_equal(m->lbs[0].client_routing, i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(endpoint_has_regional_and_zonal_names, setup,
						teardown),
		cmocka_unit_test_setup_teardown(load_balancer_has_regional_and_zonal_names, setup,
						teardown),
		cmocka_unit_test_setup_teardown(zones_given_by_id_have_their_account_s_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(suffixes_of_names, setup, teardown),
		cmocka_unit_test_setup_teardown(client_routing_is_an_attribute, setup, teardown),
	};

	return cmocka_run_group_tests_name("model names", tests, NULL, NULL);
}
