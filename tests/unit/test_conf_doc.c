/* SPDX-License-Identifier: BSD-3-Clause */

/* Documents: what calls made comes back over the file, whatever the file has become. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "cv_model_cidr.h"
#include "cv_model_note.h"

#include "conf_doc_world.h"

/* Makes one of each kind by calls, nothing at its default. */
static void make_net(void)
{
	struct cv_prefix cidr = prefix("10.9.0.0/16"), more = prefix("10.10.0.0/16");
	struct cv_model_rule rules[] = {{prefix("10.0.0.0/8"), 80, 443},
					{.protocol = CV_MODEL_PROTOCOL_ALL, .group = "default"},
					{prefix("10.9.0.0/16"), 1, 2, CV_MODEL_UDP}};
	struct cv_model_tag rule_tags[] = {{"of", "a rule"}, {"k", ""}};
	struct cv_model_tag tags[] = {{"Name", "net"}, {"k", ""}};
	struct cv_model_by by = *by_of(0);
	struct cv_model_vpc_req vpc = {.owner = "111111111111",
				       .cidrs = &cidr,
				       .n_cidrs = 1,
				       .port = "p0",
				       .vlan = 9,
				       .no_dns_hostnames = true,
				       .by = &by};
	struct cv_model_subnet_req subnet = {.vpc = 2,
					     .cidr = prefix("10.9.1.0/24"),
					     .zone = "use1-az1",
					     .gateway = ip("10.9.1.1")};
	struct cv_model_sg_req sg = {.name = "in and out",
				     .vpc = 2,
				     .rules = rules,
				     .n_rules = CV_ARRAY_LEN(rules),
				     .egress = rules};

	rules[0].description = "what it is for";
	rules[0].tags = rule_tags;
	rules[0].n_tags = 2;

	by.tags = tags;
	by.n_tags = 2;
	no_error(cv_model_vpc_add(m, &vpc, &errs));
	no_error(cv_model_cidr_add(m, by_of(0), m->vpcs[2].id, &more, &errs));
	subnet.by = by_of(0);
	no_error(cv_model_subnet_add(m, &subnet, &errs));
	subnet.cidr = prefix("10.10.2.0/24");
	subnet.zone = "use1-az2";
	subnet.gateway = 0;
	subnet.by = by_of(0);
	no_error(cv_model_subnet_add(m, &subnet, &errs));
	sg.by = by_of(0);
	no_error(cv_model_sg_add(m, &sg, &errs));
	/* The VPCs' own: the file's and the call's. */
	for (uint32_t i = 1; i < 3; i++) {
		struct cv_model_sg_change change = {
			.sg = m->sgs[i].id, .remove = m->sgs[i].rules, .n_remove = 1};

		assert_true(m->sgs[i].of_vpc);
		change.add = rules;
		change.n_add = CV_ARRAY_LEN(rules);
		no_error(cv_model_sg_change(m, by_of(0), &change, &errs));
		change.egress = true;
		change.remove = m->sgs[i].egress;
		change.add = &rules[2];
		change.n_add = 1;
		no_error(cv_model_sg_change(m, by_of(0), &change, &errs));
	}
}

#define UNHEALTHY "target_health_state.unhealthy."

static void make_tg(void)
{
	static const struct cv_model_tag attrs[] = {
		{"proxy_protocol_v2.enabled", "true"},
		{"stickiness.enabled", "true"},
		{"deregistration_delay.timeout_seconds", "17"},
		{"target_group_health.dns_failover.minimum_healthy_targets.count", "2"},
		{"target_group_health.dns_failover.minimum_healthy_targets.percentage", "off"},
		{"load_balancing.cross_zone.enabled", "true"},
		{"preserve_client_ip.enabled", "false"},
		{UNHEALTHY "connection_termination.enabled", "false"},
		{UNHEALTHY "draining_interval_seconds", "6"},
	};
	static const struct cv_model_tag ends = {UNHEALTHY "connection_termination.enabled",
						 "true"};
	struct cv_model_tg_req req;
	struct cv_model_target_req targets[] = {{.ip = ip("10.9.1.20")},
						{.ip = ip("192.168.1.1"), .port = 7}};
	struct cv_model_targets_change change = {.add = targets, .n_add = 2};
	struct cv_model_attrs_change set = {
		.kind = CV_MODEL_TG, .attrs = attrs, .n_attrs = CV_ARRAY_LEN(attrs)};

	cv_model_tg_req_init(&req);
	req.name = "made";
	req.vpc = m->vpcs[2].id;
	req.port = 81;
	req.check.protocol = CV_MODEL_CHECK_HTTP;
	req.check.port = 99;
	req.check.path = "/up";
	req.check.matcher = "200";
	req.check.interval_s = 11;
	req.check.timeout_s = 3;
	req.by = by_of(0);
	no_error(cv_model_tg_add(m, &req, &errs));
	set.ref = change.tg = m->tgs[1].arn;
	no_error(cv_model_attrs_change(m, by_of(0), &set, &errs));
	set.attrs = &ends;
	set.n_attrs = 1;
	no_error(cv_model_attrs_change(m, by_of(0), &set, &errs));
	no_error(cv_model_targets_change(m, by_of(0), &change, &errs));
}

static void make_lb(void)
{
	static const struct cv_model_tag attrs[] = {
		{"deletion_protection.enabled", "true"},
		{"load_balancing.cross_zone.enabled", "true"},
	};
	static const struct cv_model_tag idle = {"tcp.idle_timeout.seconds", "99"};
	const char *sg = m->sgs[3].id;
	struct cv_model_place_req places[] = {{.subnet = m->subnets[3].id},
					      {.subnet = m->subnets[4].id}};
	struct cv_model_lb_req req = {.name = "made",
				      .vpc = m->vpcs[2].id,
				      .places = places,
				      .n_places = 2,
				      .n_secondary = 1,
				      .sgs = &sg,
				      .n_sgs = 1,
				      .by = by_of(0)};
	struct cv_model_listener_req listener = {
		.port = 82, .target_group = m->tgs[1].arn, .idle_seconds = 350};
	struct cv_model_attrs_change set = {.kind = CV_MODEL_LB, .attrs = attrs, .n_attrs = 2};
	struct cv_model_tag tag = {"on", "listener"};
	struct cv_model_tags_change tags = {.set = &tag, .n_set = 1};

	no_error(cv_model_lb_add(m, &req, &errs));
	listener.by = by_of(0);
	no_error(cv_model_listener_add(m, 1, &listener, &errs));
	set.ref = m->lbs[1].arn;
	no_error(cv_model_attrs_change(m, by_of(0), &set, &errs));
	set = (struct cv_model_attrs_change){.kind = CV_MODEL_LISTENER,
					     .attrs = &idle,
					     .n_attrs = 1,
					     .ref = m->lbs[1].listeners[0].arn};
	no_error(cv_model_attrs_change(m, by_of(0), &set, &errs));
	tags.ref = m->lbs[1].listeners[0].arn;
	no_error(cv_model_tags_change(m, by_of(0), &tags, &errs));
}

static void make_service(void)
{
	const char *lb = m->lbs[1].arn;
	struct cv_model_service_req req = {.lbs = &lb,
					   .n_lbs = 1,
					   .principals = STRS("*"),
					   .n_principals = 1,
					   .acceptance_required = true,
					   .by = by_of(0)};
	struct cv_model_service_change change = {.acceptance_required = CV_MODEL_KEEP,
						 .private_dns_name = "x.example.com",
						 .dns_state = CV_MODEL_DNS_VERIFIED};
	const struct cv_model_tag payer = {"payer_responsibility", "ServiceOwner"};
	struct cv_model_place_req place = {.subnet = "a"};
	struct cv_model_endpoint_req endpoint = {
		.vpc = m->vpcs[0].id, .places = &place, .n_places = 1, .private_dns = true};

	no_error(cv_model_service_add(m, &req, &errs));
	change.service = m->services[1].id;
	no_error(cv_model_service_change(m, by_of(0), &change, &errs));
	no_error(cv_model_note_set(m, by_of(0), CV_MODEL_SERVICE, change.service, &payer, &errs));
	endpoint.service = m->services[1].service_name;
	endpoint.by = by_of(1);
	no_error(cv_model_endpoint_add(m, &endpoint, &errs));
	endpoint.by = by_of(1);
	endpoint.private_dns = false; /* a VPC has a name once */
	no_error(cv_model_endpoint_add(m, &endpoint, &errs));
	endpoint.by = by_of(1);
	endpoint.n_places = 0;
	no_error(cv_model_endpoint_add(m, &endpoint, &errs));
	no_error(cv_model_accept_by(m, by_of(0), m->services[1].id, m->endpoints[1].id, &errs));
	assert_true(cv_model_advance(m, 6000));
}

/* What calls change of the file's: targets, a decision, tags. */
static void change_file(void)
{
	struct cv_model_target_req add = {.ip = ip("10.0.1.30")}, gone = {.ip = ip("10.0.1.21")};
	struct cv_model_targets_change targets = {
		.tg = m->tgs[0].arn, .add = &add, .n_add = 1, .remove = &gone, .n_remove = 1};
	struct cv_model_tag tag = {"of", "file"};
	struct cv_model_tags_change tags = {.ref = m->lbs[0].arn, .set = &tag, .n_set = 1};
	const struct cv_model_notification note = {"vpce-nfn-00000000000000001",
						   "arn:aws:sns:us-east-1:111111111111:t",
						   CV_MODEL_EVENT_ACCEPT | CV_MODEL_EVENT_REJECT};

	no_error(cv_model_targets_change(m, by_of(0), &targets, &errs));
	no_error(cv_model_accept_by(m, by_of(0), m->services[0].id, m->endpoints[0].id, &errs));
	no_error(cv_model_tags_change(m, by_of(0), &tags, &errs));
	no_error(cv_model_notification_set(m, by_of(0), CV_MODEL_SERVICE, m->services[0].id, &note,
					   &errs));
}

static int setup(void **state)
{
	(void)state;
	conf = parse(file_text(""), false);
	make_net();
	make_tg();
	make_lb();
	make_service();
	change_file();
	check_all();
	write_docs();
	cv_conf_destroy(conf);
	conf = NULL;
	return 0;
}

static const char *text_of(enum cv_model_kind kind, const char *id)
{
	for (uint32_t i = 0; i < n_docs; i++) {
		if (docs[i].kind == kind && strcmp(docs[i].id, id) == 0)
			return docs[i].text;
	}
	return NULL;
}

static void what_calls_made_comes_back_as_it_was(void **state)
{
	(void)state;
	conf = parse(file_text(""), true);
	no_warning();
	check_all();
	for (uint32_t i = 0; i < n_docs; i++) {
		uint32_t idx = cv_model_find(m, docs[i].kind, CV_MODEL_NONE, docs[i].id);
		char *text = NULL;

		assert_true(applied[i]);
		assert_int_not_equal(idx, CV_MODEL_NONE);
		if (!cv_model_meta(m, docs[i].kind, idx, 0)->api)
			continue;
		assert_int_equal(cv_conf_doc_write(m, docs[i].kind, idx, &text), 0);
		assert_string_equal(text, docs[i].text);
		free(text);
	}
	assert_int_equal(m->endpoints[1].state + m->endpoints[2].state,
			 CV_MODEL_AVAILABLE + CV_MODEL_PENDING_ACCEPTANCE);
	assert_int_equal(m->n_endpoints, 4);
	assert_int_equal(m->endpoints[1].n_enis + m->endpoints[2].n_enis + m->endpoints[3].n_enis,
			 2);
	assert_int_equal(m->services[1].dns_state, CV_MODEL_DNS_VERIFIED);
	assert_string_equal(cv_model_note(&m->services[1].meta, "payer_responsibility"),
			    "ServiceOwner");
	assert_int_equal(m->lbs[1].listeners[0].idle_seconds, 99);
	assert_string_equal(m->lbs[1].listeners[0].meta.tags[0].value, "listener");
	assert_int_equal(m->lbs[1].meta.n_tags, 0);
	assert_int_equal(m->vpcs[2].meta.n_tags, 2);
	assert_int_equal(m->vpcs[2].meta.created, 5001);
}

static bool has_target(const char *addr)
{
	for (uint32_t i = 0; i < m->tgs[0].n_targets; i++) {
		if (m->tgs[0].targets[i].ip == ip(addr))
			return true;
	}
	return false;
}

static void the_file_is_followed_and_runtime_kept(void **state)
{
	struct cv_model_notification note;

	(void)state;
	conf = parse(file_text(",{'ip':'10.0.1.23'}"), true);
	no_warning();
	assert_true(has_target("10.0.1.30"));
	assert_false(has_target("10.0.1.21"));
	assert_true(has_target("10.0.1.22"));
	assert_true(has_target("10.0.1.23"));
	assert_string_equal(m->lbs[0].meta.tags[0].key, "of");
	/* It is still to be written: the next reload reads it again. */
	assert_true(m->lbs[0].meta.runtime);
	assert_true(cv_model_notification_at(&m->services[0].meta, 0, &note));
	assert_string_equal(note.id, "vpce-nfn-00000000000000001");
	assert_string_equal(note.topic, "arn:aws:sns:us-east-1:111111111111:t");
	assert_int_equal(note.events, CV_MODEL_EVENT_ACCEPT | CV_MODEL_EVENT_REJECT);
	assert_true(m->endpoints[0].state == CV_MODEL_PENDING ||
		    m->endpoints[0].state == CV_MODEL_AVAILABLE);
}

static void what_does_not_fit_is_reported_and_left_out(void **state)
{
	char text[4096];

	(void)state;
	/* The file has lost the provider, and has VLAN 9 for itself. */
	snprintf(text, sizeof(text),
		 HEAD "{'name':'x','owner':'cons','cidrs':['10.0.0.0/16'],"
		      "'attachment':{'port':'p0','vlan':9}}]}");
	conf = parse(text, true);
	assert_true(conf->warnings.n >= 5);
	check_all();
	assert_int_equal(m->n_lbs - m->n_gone[CV_MODEL_LB], 0);
	assert_int_equal(m->n_services - m->n_gone[CV_MODEL_SERVICE], 0);
	for (uint32_t i = 0; i < n_docs; i++) {
		if (docs[i].kind == CV_MODEL_ENDPOINT &&
		    cv_model_find(m, CV_MODEL_ENDPOINT, CV_MODEL_NONE, docs[i].id) != CV_MODEL_NONE)
			assert_true(applied[i]);
		else
			assert_false(applied[i]);
	}
	/* The consumer still has its endpoints: their service has gone. */
	assert_int_equal(m->n_endpoints - m->n_gone[CV_MODEL_ENDPOINT], 3);
	assert_int_equal(m->endpoints[0].state, CV_MODEL_FAILED);
}

static void a_broken_document_is_reported(void **state)
{
	static const char *const broken[] = {"",
					     "[]",
					     "{",
					     "{}",
					     "{\"resource\":7}",
					     "{\"resource\":{\"name\":\"q\"}}",
					     "{\"resource\":{\"id\":5},\"runtime\":[]}"};

	(void)state;
	for (uint32_t i = 0; i < CV_ARRAY_LEN(broken); i++) {
		struct cv_conf_doc kept = docs[0];

		docs[0].text = broken[i];
		conf = parse(file_text(""), true);
		assert_false(applied[0]);
		assert_true(conf->warnings.n > 0);
		check_all();
		cv_conf_destroy(conf);
		conf = NULL;
		docs[0] = kept;
	}
}

static void every_attribute_is_written(void **state)
{
	const char *text = NULL;

	(void)state;
	conf = parse(file_text(""), true);
	text = text_of(CV_MODEL_TG, m->tgs[1].arn);
	assert_non_null(strstr(text, "\"proxy_protocol_v2.enabled\":true"));
	assert_non_null(strstr(text, "\"deregistration_delay.timeout_seconds\":17"));
	assert_non_null(strstr(text, "\"path\":\"/up\""));
	assert_non_null(strstr(text, "\"preserve_client_ip.enabled\":\"false\""));
	/* The file's own resources have a document only for what calls changed. */
	assert_null(strstr(text_of(CV_MODEL_TG, m->tgs[0].arn), "resource"));
	assert_null(text_of(CV_MODEL_VPC, m->vpcs[0].id));
}

#define SHIFTABLE                                                                        \
	"{'name':'p','owner':'prov','cidrs':['10.0.0.0/16'],'attachment':{'port':'p0'}," \
	"'subnets':[{'name':'a','cidr':'10.0.1.0/24','zone':'use1-az1'},"                \
	"{'name':'b','cidr':'10.0.2.0/24','zone':'use1-az2'}]}],"                        \
	"'load_balancers':[{'name':'web','vpc':'p','subnets':[{'subnet':'a'},{'subnet':" \
	"'b'}],'attributes':{'zonal_shift.config.enabled':true}%s}]}"

static void shift_by_hand(const char *zone)
{
	const struct cv_model_by by = {.account = CV_MODEL_NONE, .now = 5000};

	no_error(cv_model_zonal_shift(m, &by, 0, zone, &errs));
	forget_docs();
	write_docs();
	assert_int_equal(n_docs, 1);
	cv_conf_destroy(conf);
}

static void shifts_by_hand_stand_over_the_file(void **state)
{
	char plain[2048], away[2048];

	(void)state;
	snprintf(plain, sizeof(plain), HEAD SHIFTABLE, "");
	snprintf(away, sizeof(away), HEAD SHIFTABLE, ",'zonal_shift':{'away_from':'use1-az2'}");
	conf = parse(away, false);
	assert_int_equal(m->lbs[0].shifted_zone, 1);
	assert_false(m->lbs[0].shift_decided);
	cv_conf_destroy(conf);
	conf = parse(plain, false);
	shift_by_hand("use1-az1");
	conf = parse(away, true);
	assert_true(applied[0]);
	assert_int_equal(m->lbs[0].shifted_zone, 0);
	assert_true(m->lbs[0].shift_decided);
	shift_by_hand(NULL);
	conf = parse(away, true);
	assert_true(applied[0]);
	assert_int_equal(m->lbs[0].shifted_zone, CV_MODEL_NONE);
	assert_true(m->lbs[0].shift_decided);
}

static void all_applied(void)
{
	for (uint32_t i = 0; i < n_docs; i++)
		assert_true(applied[i]);
	check_all();
}

static void doc_put(uint32_t at, json_t *root)
{
	free((void *)(uintptr_t)docs[at].text);
	docs[at].text = json_dumps(root, 0);
	json_decref(root);
}

static void a_shift_that_does_not_fit_is_left_out_alone(void **state)
{
	uint32_t at = 0;
	json_t *root;

	(void)state;
	while (at < n_docs && docs[at].kind != CV_MODEL_LB)
		at++;
	assert_true(at < n_docs);
	root = json_loads(docs[at].text, 0, NULL);
	json_object_set_new(json_object_get(root, "resource"), "zonal_shift",
			    json_pack("{s:s}", "away_from", "use1-az9"));
	doc_put(at, root);
	conf = parse(file_text(""), true);
	all_applied();
	assert_int_equal(conf->warnings.n, 1);
	assert_string_equal(conf->warnings.items[0].path, docs[at].id);
	assert_non_null(strstr(conf->warnings.items[0].text, "no node in 'use1-az9'"));
	at = cv_model_find(m, CV_MODEL_LB, CV_MODEL_NONE, docs[at].id);
	assert_int_not_equal(at, CV_MODEL_NONE);
	assert_int_equal(m->lbs[at].shifted_zone, CV_MODEL_NONE);
	assert_int_equal(m->lbs[at].n_listeners, 1);
}

/* Puts a value into the runtime part of a stored document. */
static void runtime_set(const char *id, const char *key, json_t *value)
{
	uint32_t at = 0;
	json_t *root;

	while (at < n_docs && strcmp(docs[at].id, id) != 0)
		at++;
	assert_true(at < n_docs);
	root = json_loads(docs[at].text, 0, NULL);
	assert_int_equal(json_object_set_new(json_object_get(root, "runtime"), key, value), 0);
	doc_put(at, root);
}

static void a_note_that_the_file_has_no_place_for_goes(void **state)
{
	struct cv_model_notification note;
	const char *id;

	(void)state;
	conf = parse(file_text(""), false);
	id = strdup(m->services[0].id);
	cv_conf_destroy(conf);
	runtime_set(id, "attributes",
		    json_pack("{s:s, s:s}", "payer_responsibility", "ServiceOwner",
			      "notification.vpce-nfn-00000000000000001", "3 arn:aws:sns:x:1:t"));
	conf = parse(file_text(""), true);
	no_warning();
	all_applied();
	assert_null(cv_model_note(&m->services[0].meta, "payer_responsibility"));
	assert_true(cv_model_notification_at(&m->services[0].meta, 0, &note));
	free((void *)(uintptr_t)id);
}

/* Of a version that took names which DNS cannot carry: the service and who uses it stay. */
static void a_name_that_was_taken_once_keeps_nothing_out(void **state)
{
#define LABEL_64 "a123456789b123456789c123456789d123456789e123456789f123456789abcd"
	uint32_t at = 0;

	(void)state;
	while (at < n_docs && strstr(docs[at].text, "x.example.com") == NULL)
		at++;
	assert_true(at < n_docs);
	assert_int_equal(docs[at].kind, CV_MODEL_SERVICE);
	runtime_set(docs[at].id, "private_dns_name", json_string(LABEL_64 ".example.com"));
	conf = parse(file_text(""), true);
	no_warning();
	all_applied();
	assert_string_equal(m->services[1].private_dns_name, LABEL_64 ".example.com");
	assert_int_equal(m->endpoints[1].state + m->endpoints[2].state,
			 CV_MODEL_AVAILABLE + CV_MODEL_PENDING_ACCEPTANCE);
}

static void a_zone_that_has_gone_keeps_nothing_out(void **state)
{
	const char *arn;

	(void)state;
	conf = parse(file_text(""), false);
	arn = strdup(m->tgs[0].arn);
	cv_conf_destroy(conf);
	runtime_set(arn, "registered",
		    json_pack("[{s:s, s:i, s:s}, {s:s, s:i}]", "ip", "10.0.1.31", "port", 80,
			      "zone", "use1-az9", "ip", "10.0.1.32", "port", 80));
	conf = parse(file_text(""), true);
	all_applied();
	assert_true(has_target("10.0.1.31") && has_target("10.0.1.32"));
	assert_int_equal(conf->warnings.n, 1);
	assert_string_equal(conf->warnings.items[0].path, arn);
	assert_non_null(strstr(conf->warnings.items[0].text, "has no zone 'use1-az9'"));
	free((void *)(uintptr_t)arn);
}

/* Documents of versions that derived the ids of rules have none, and clients know them. */
static void rules_without_ids_keep_those_that_were_told(void **state)
{
	char basis[128], want[40];
	uint32_t at = 0;
	json_t *root;

	(void)state;
	while (at < n_docs && strstr(docs[at].text, "\"in and out\"") == NULL)
		at++;
	assert_true(at < n_docs);
	root = json_loads(docs[at].text, 0, NULL);
	json_object_del(
		json_array_get(json_object_get(json_object_get(root, "resource"), "ingress"), 0),
		"id");
	doc_put(at, root);
	conf = parse(file_text(""), true);
	no_warning();
	snprintf(basis, sizeof(basis), "%s 10.0.0.0/8 80 443", docs[at].id);
	cv_id_derive("sgr-", basis, 17, want, sizeof(want));
	at = cv_model_find(m, CV_MODEL_SG, CV_MODEL_NONE, docs[at].id);
	assert_string_equal(m->sgs[at].rules[0].id, want);
	cv_conf_destroy(conf);
	conf = parse(HEAD
		     "{'name':'x','owner':'cons','cidrs':['10.0.0.0/16'],'attachment':"
		     "{'port':'p0','vlan':9},'security_groups':[{'name':'x','id':"
		     "'sg-0123456789abcdef0','ingress':[{'cidr':'10.1.0.0/16','ports':7}]}]}]}",
		     false);
	cv_id_derive("sgr-", "sg-0123456789abcdef0 10.1.0.0/16 7 7", 17, want, sizeof(want));
	at = cv_model_find(m, CV_MODEL_SG, CV_MODEL_NONE, "sg-0123456789abcdef0");
	assert_string_equal(m->sgs[at].rules[0].id, want);
}

/* Two groups of one name, the older from when the name was not taken: only one can serve. */
static void what_served_keeps_its_name(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct cv_model_tg_req req;

		conf = parse(file_text(""), false);
		cv_model_tg_req_init(&req);
		req.name = "twin";
		req.vpc = m->vpcs[1].id;
		req.port = 80;
		req.by = by_of(0);
		no_error(cv_model_tg_add(m, &req, &errs));
		write_docs();
		cv_conf_destroy(conf);
		conf = NULL;
	}
	assert_int_equal(n_docs, 2);
	for (uint32_t late = 0; late < 2; late++) {
		docs[late].late = true;
		conf = parse(file_text(""), true);
		assert_false(applied[late]);
		assert_true(applied[1 - late]);
		check_all();
		cv_conf_destroy(conf);
		conf = NULL;
		docs[late].late = false;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(shifts_by_hand_stand_over_the_file, teardown),
		cmocka_unit_test_teardown(what_served_keeps_its_name, teardown),
		cmocka_unit_test_setup_teardown(what_calls_made_comes_back_as_it_was, setup,
						teardown),
		cmocka_unit_test_setup_teardown(the_file_is_followed_and_runtime_kept, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_reported_and_left_out, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_shift_that_does_not_fit_is_left_out_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_broken_document_is_reported, setup, teardown),
		cmocka_unit_test_setup_teardown(every_attribute_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(a_note_that_the_file_has_no_place_for_goes, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_name_that_was_taken_once_keeps_nothing_out, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_zone_that_has_gone_keeps_nothing_out, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rules_without_ids_keep_those_that_were_told, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
