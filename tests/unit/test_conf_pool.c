/* SPDX-License-Identifier: BSD-3-Clause */

/* Attachments that the file sets aside for VPCs which calls make. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cv_conf_doc.h"
#include "cv_model_change.h"
#include "cv_model_pool.h"

#include "model_world.h"

#define HEAD                                                                        \
	"{'region':'us-east-1','zones':['use1-az1'],'accounts':["                   \
	"{'id':'111111111111','name':'prov'},{'id':'222222222222','name':'cons'}]," \
	"'dpdk':{'ports':[{'name':'p0','device':'net_null0'},"                      \
	"{'name':'p1','device':'net_null1'},{'name':'p2','device':'net_null2'}]},"  \
	"'vpcs':[{'name':'c','owner':'cons','cidrs':['10.0.0.0/16'],"               \
	"'attachment':{'port':'p0','vlan':7}}%s],'vpc_attachments':[%s]}"

#define TUNNEL "{'port':'p1','vlan':30,'vxlan':{'vnis':'100-101','vtep':'%s'%s}}"

static struct cv_conf *conf;
static struct cv_errs said;
static uint64_t n_calls;

static struct cv_conf *parse(const char *vpcs, const char *pools, const struct cv_conf_docs *docs)
{
	char text[4096];

	snprintf(text, sizeof(text), HEAD, vpcs, pools);
	for (char *p = text; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	cv_errs_fini(&said);
	return cv_conf_parse_over(text, strlen(text), docs, &said);
}

static void load(const char *pools)
{
	conf = parse("", pools, NULL);
	for (size_t i = 0; i < said.n; i++)
		print_error("%s: %s\n", said.items[i].path, said.items[i].text);
	assert_non_null(conf);
	m = conf->model;
}

static void refused(const char *pools, const char *path, const char *text)
{
	assert_null(parse("", pools, NULL));
	for (size_t i = 0; i < said.n; i++) {
		if (strcmp(said.items[i].path, path) == 0 &&
		    strstr(said.items[i].text, text) != NULL)
			return;
	}
	fail_msg("%s: no '%s' but %zu others, %s: %s", path, text, said.n,
		 said.n > 0 ? said.items[0].path : "", said.n > 0 ? said.items[0].text : "");
}

static int teardown(void **state)
{
	(void)state;
	cv_conf_destroy(conf);
	conf = NULL;
	cv_errs_fini(&said);
	cv_model_errs_fini(&errs);
	return 0;
}

/* Makes a VPC of an account on what it is given. @return its index */
static uint32_t make(uint32_t account, const char *port, uint16_t vlan, uint32_t vni)
{
	const struct cv_prefix cidr = prefix("10.0.0.0/16");
	struct cv_model_by by = {.account = account, .now = 7, .random = {7, ++n_calls}};
	struct cv_model_vpc_req req = {
		.owner = m->accounts[account].id, .cidrs = &cidr, .n_cidrs = 1, .by = &by};

	assert_int_equal(cv_model_pool_take(m, account, &req), 0);
	assert_string_equal(req.port, port);
	assert_int_equal(req.vlan, vlan);
	assert_int_equal(req.vxlan.vni, vni);
	no_error(cv_model_vpc_add(m, &req, &errs));
	return m->changes[m->n_changes - 1].idx;
}

static void none_left(uint32_t account, int ret)
{
	struct cv_model_vpc_req req = {0};

	assert_int_equal(cv_model_pool_take(m, account, &req), ret);
	assert_null(req.port);
}

static void wrong_ranges_are_refused(void **state)
{
	(void)state;
	refused("{'port':'p9','vlans':5}", "vpc_attachments[0].port", "no port 'p9'");
	refused("{'port':'p0'},{'port':'p0','vlan':5}", "vpc_attachments[1].vlan",
		"without `vxlan`");
	refused("{'port':'p0','vlans':'5-6','vxlan':{'vnis':1,'vtep':'10.9.0.1'}}",
		"vpc_attachments[0].vlans", "with `vxlan`");
	refused("{'port':'p0','vlans':'6-5'}", "vpc_attachments[0].vlans", "no number or range");
	refused("{'port':'p0','accounts':['prov','who']}", "vpc_attachments[0].accounts[1]", "who");
	refused("{'port':'p1','vxlan':{'vnis':1,'vtep':'10.9.0.1','peers':['10.9.0.2','10.9.0.1']}}",
		"vpc_attachments[0].vxlan.peers[1]", "our own address");
}

static void vlans_are_taken_in_turn_and_given_back(void **state)
{
	struct cv_model_by by = {.account = 0};
	uint32_t vpc;

	(void)state;
	/* VLAN 7 is a VPC's of the file. */
	load("{'port':'p0','vlans':'6-8','accounts':['prov']},{'port':'p1'}");
	make(0, "p0", 6, 0);
	vpc = make(0, "p0", 8, 0);
	assert_true(m->vpcs[vpc].meta.api);
	make(0, "p1", 0, 0);
	none_left(0, -ENOSPC);
	none_left(1, -ENOSPC);
	no_error(cv_model_remove(m, &by, CV_MODEL_VPC, m->vpcs[vpc].id, &errs));
	none_left(1, -ENOSPC);
	make(0, "p0", 8, 0);
}

static void ranges_are_for_their_accounts(void **state)
{
	(void)state;
	load("{'port':'p0','vlans':6,'accounts':['111111111111']}");
	none_left(1, -ENOENT);
	make(0, "p0", 6, 0);
	teardown(state);
	load("");
	none_left(0, -ENOENT);
}

static void tunnels_are_taken_beside_what_carries_them(void **state)
{
	uint32_t vpc;

	(void)state;
	load("{'port':'p1','vxlan':{'vnis':'100-101','vtep':'10.9.0.1','gateway':'10.9.0.2',"
	     "'peers':['10.8.0.1','10.8.0.2']}},{'port':'p1','vlans':'1-2'},{'port':'p1'}");
	vpc = make(0, "p1", 0, 100);
	assert_int_equal(m->vpcs[vpc].vxlan.vtep, ip("10.9.0.1"));
	assert_int_equal(m->vpcs[vpc].vxlan.gateway, ip("10.9.0.2"));
	assert_int_equal(m->vpcs[vpc].vxlan.n_peers, 2);
	assert_int_equal(m->vpcs[vpc].vxlan.peers[1], ip("10.8.0.2"));
	make(1, "p1", 0, 101);
	make(1, "p1", 1, 0);
	make(1, "p1", 2, 0);
	/* The port untagged carries the tunnels. */
	none_left(1, -ENOSPC);
	teardown(state);
	/* And the other way round. */
	load("{'port':'p1'},{'port':'p1','vxlan':{'vnis':7,'vtep':'10.9.0.1'}}");
	make(0, "p1", 0, 0);
	none_left(0, -ENOSPC);
}

/* Reads the file anew with another list of ranges, and what was made put over it. */
static void reload(const char *vpcs, const char *pools)
{
	struct cv_conf_docs docs = {0};
	struct cv_conf *next;

	assert_int_equal(cv_conf_docs_get(m, &docs), 0);
	next = parse(vpcs, pools, &docs);
	assert_non_null(next);
	cv_conf_docs_fini(&docs);
	cv_conf_destroy(conf);
	conf = next;
	m = conf->model;
}

static void a_vpc_follows_its_range(void **state)
{
	char pools[512];

	(void)state;
	snprintf(pools, sizeof(pools), TUNNEL, "10.9.0.1", ",'peers':['10.9.0.5']");
	load(pools);
	make(0, "p1", 30, 100);
	snprintf(pools, sizeof(pools), "{'port':'p2','vlans':'1-9'}," TUNNEL, "10.9.0.9",
		 ",'gateway':'10.9.0.2','peers':['10.9.0.5','10.9.0.6']");
	reload("", pools);
	assert_int_equal(m->n_vpcs, 2);
	assert_int_equal(m->vpcs[1].vxlan.vni, 100);
	assert_int_equal(m->vpcs[1].vxlan.vtep, ip("10.9.0.9"));
	assert_int_equal(m->vpcs[1].vxlan.gateway, ip("10.9.0.2"));
	assert_int_equal(m->vpcs[1].vxlan.n_peers, 2);
	/* It is taken, and what is free goes on from there. */
	make(1, "p2", 1, 0);
	/* Without its range it stays as it was. */
	reload("", "{'port':'p1','vlan':30,'vxlan':{'vnis':'101-200','vtep':'10.9.0.1'}}");
	assert_int_equal(m->n_vpcs, 3);
	assert_int_equal(m->vpcs[1].vxlan.vtep + m->vpcs[2].vxlan.vtep, ip("10.9.0.9"));
	assert_int_equal(conf->warnings.n, 0);
}

static void of_several_ranges_a_vpc_follows_its_owners(void **state)
{
	static const char ranges[] =
		"{'port':'p1','vlan':30,'vxlan':{'vnis':'1-9','vtep':'10.9.0.1'},'accounts':['prov']},"
		"{'port':'p1','vlan':30,'vxlan':{'vnis':'1-9','vtep':'10.9.0.2'},'accounts':['cons']}";

	(void)state;
	load(ranges);
	make(1, "p1", 30, 1);
	assert_int_equal(m->vpcs[1].vxlan.vtep, ip("10.9.0.2"));
	reload("", ranges);
	assert_int_equal(m->vpcs[1].vxlan.vtep, ip("10.9.0.2"));
}

/* Adds one as if it had been taken. */
static void add_made(const char *owner, uint32_t vni)
{
	const struct cv_prefix cidr = prefix("10.0.0.0/16");
	struct cv_model_by by = {.account = 0, .now = 7, .random = {7, ++n_calls}};
	struct cv_model_vpc_req req = {.owner = owner,
				       .cidrs = &cidr,
				       .n_cidrs = 1,
				       .port = "p1",
				       .vxlan = {.vni = vni},
				       .by = &by};

	no_error(cv_model_vpc_add(m, &req, &errs));
}

static void accounts_have_a_quota(void **state)
{
	struct cv_model_by by = {.account = 0};
	uint32_t vpc = 0;

	(void)state;
	load("{'port':'p0','vlans':'100-300'}");
	for (uint32_t i = 0; i < CV_MODEL_POOL_VPCS_EACH; i++)
		vpc = make(0, "p0", (uint16_t)(100 + i), 0);
	none_left(0, -EDQUOT);
	make(1, "p0", 200, 0);
	no_error(cv_model_remove(m, &by, CV_MODEL_VPC, m->vpcs[vpc].id, &errs));
	make(0, "p0", 199, 0);
	none_left(0, -EDQUOT);
	/* All together. The file's are not among them. */
	for (uint32_t i = CV_MODEL_POOL_VPCS_EACH + 1; i < CV_MODEL_POOL_VPCS_MAX - 1; i++)
		add_made("111111111111", i);
	make(1, "p0", 201, 0);
	none_left(1, -EDQUOT);
}

static void the_file_comes_first(void **state)
{
	(void)state;
	load("{'port':'p0','vlans':'8-9'}");
	make(0, "p0", 8, 0);
	reload(",{'name':'d','owner':'cons','cidrs':['10.0.0.0/16'],"
	       "'attachment':{'port':'p0','vlan':8}}",
	       "{'port':'p0','vlans':'8-9'}");
	assert_int_equal(m->n_vpcs - m->n_gone[CV_MODEL_VPC], 2);
	assert_int_equal(conf->warnings.n, 1);
	assert_non_null(strstr(conf->warnings.items[0].text, "left out"));
	make(0, "p0", 9, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_teardown(name, teardown)
		CASE(wrong_ranges_are_refused),
		CASE(vlans_are_taken_in_turn_and_given_back),
		CASE(ranges_are_for_their_accounts),
		CASE(tunnels_are_taken_beside_what_carries_them),
		CASE(a_vpc_follows_its_range),
		CASE(of_several_ranges_a_vpc_follows_its_owners),
		CASE(accounts_have_a_quota),
		CASE(the_file_comes_first),
#undef CASE
	};

	return cmocka_run_group_tests_name("conf_pool", tests, NULL, NULL);
}
