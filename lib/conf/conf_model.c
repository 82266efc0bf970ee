/* SPDX-License-Identifier: BSD-3-Clause */

/* The resources: from the document, by the model's operations, to a model. */

#include "conf_priv.h"

#include "cv_conf_doc.h"
#include "cv_model_ops.h"
#include "cv_model_pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Hands one of the model's errors on, with path and line. */
static void report_one(struct conf_run *run, uint32_t node, const struct cv_model_err *err)
{
	struct cv_errs *errs = err->err == 0 ? &run->conf->warnings : run->errs;
	char text[sizeof(err->text) + sizeof(err->hint) + 4];

	snprintf(text, sizeof(text), "%s%s%s", err->text, err->hint[0] != '\0' ? "; " : "",
		 err->hint);
	cv_conf_err_at(run, errs, node, err->field, text);
}

void cv_conf_report(struct conf_run *run, uint32_t node, struct cv_model_errs *errs)
{
	for (uint32_t i = 0; i < errs->n; i++)
		report_one(run, node, &errs->items[i]);
	cv_model_errs_fini(errs);
}

/*
 * Ends an addition: reports, and reserves the name of what could not be added.
 * scope is the VPC of a subnet or security group. Returns whether it was added.
 */
static bool finish(struct conf_run *run, enum cv_model_kind kind, uint32_t scope, uint32_t node,
		   int ret, struct cv_model_errs *errs)
{
	static const char *const refs[] = {"name", "id", "arn"};

	cv_conf_report(run, node, errs);
	if (ret == -ENOMEM)
		run->oom = true;
	if (ret == 0)
		return true;
	for (size_t i = 0; i < CV_ARRAY_LEN(refs) && run->by == NULL; i++) {
		uint32_t ref = cv_conf_doc_child(&run->doc, node, refs[i], strlen(refs[i]));
		const char *text =
			ref == CONF_NONE ? NULL : json_string_value(run->doc.nodes[ref].value);

		if (text != NULL)
			cv_model_reserve(run->conf->model, kind, i == 0 ? scope : CV_MODEL_NONE,
					 text);
	}
	return false;
}

/* The resource just added: the last, or one in the place of another that did not fit. */
static uint32_t last_of(const struct conf_run *run, enum cv_model_kind kind, const char *arn,
			uint32_t n)
{
	return run->by == NULL ? n - 1 : cv_model_find(run->conf->model, kind, CV_MODEL_NONE, arn);
}

static void restore_endpoint(const struct conf_run *run, struct cv_model_endpoint_req *req)
{
	if (run->restore == NULL)
		return;
	req->state = run->restore->state;
	req->state_since = run->restore->state_since;
	req->private_dns = run->restore->private_dns;
	req->eni_lbs = run->restore->eni_lbs;
}

/* Calls build for each object of a list; arg is the index of what the list belongs to. */
static void each(struct conf_run *run, uint32_t list,
		 void (*build)(struct conf_run *, uint32_t node, uint32_t arg), uint32_t arg)
{
	if (cv_conf_count(run, list) == 0)
		return;
	for (uint32_t i = list + 1; i != CONF_NONE; i = cv_conf_doc_next(&run->doc, i)) {
		if (run->doc.nodes[i].is_object)
			build(run, i, arg);
	}
}

static bool is_spoiled(const struct conf_run *run, uint32_t node)
{
	return run->doc.nodes[node].spoiled;
}

static void build_zones(struct conf_run *run, uint32_t list)
{
	if (cv_conf_count(run, list) == 0)
		return;
	for (uint32_t i = list + 1; i != CONF_NONE; i = cv_conf_doc_next(&run->doc, i)) {
		const char *id = json_string_value(run->doc.nodes[i].value);
		struct cv_model_errs errs = {0};

		if (id == NULL || is_spoiled(run, i))
			continue;
		if (cv_model_zone_add(run->conf->model, id, &errs) == -ENOMEM)
			run->oom = true;
		for (uint32_t k = 0; k < errs.n; k++)
			errs.items[k].field[0] = '\0';
		cv_conf_report(run, i, &errs);
	}
}

/* The account's map as two parallel lists; names are copied, for the document's are not terminated. */
static void build_account_zones(struct conf_run *run, uint32_t map,
				struct cv_model_account_req *req, char (*names)[40],
				const char *pairs[][64])
{
	uint32_t n = 0;

	for (uint32_t i = cv_conf_doc_first(&run->doc, map); i != CONF_NONE && n < 64;
	     i = cv_conf_doc_next(&run->doc, i)) {
		const struct conf_node *node = &run->doc.nodes[i];

		snprintf(names[n], sizeof(names[n]), "%.*s",
			 (int)(node->key_len < 39 ? node->key_len : 39), node->key);
		pairs[0][n] = names[n];
		pairs[1][n++] = json_string_value(node->value);
	}
	req->zone_names = pairs[0];
	req->zone_ids = pairs[1];
	req->n_zones = n;
}

static void build_account(struct conf_run *run, uint32_t node, uint32_t arg)
{
	struct cv_model_account_req req = {
		.id = cv_conf_str(run, node, "id"),
		.name = cv_conf_str(run, node, "name"),
	};
	struct cv_model_errs errs = {0};
	const char *pairs[2][64];
	char names[64][40];
	int ret = -ECANCELED;

	(void)arg;
	if (!is_spoiled(run, node)) {
		build_account_zones(run, cv_conf_node(run, node, "zones"), &req, names, pairs);
		ret = cv_model_account_add(run->conf->model, &req, &errs);
	}
	finish(run, CV_MODEL_ACCOUNT, CV_MODEL_NONE, node, ret, &errs);
}

static void build_subnet(struct conf_run *run, uint32_t node, uint32_t vpc)
{
	struct cv_model_subnet_req req = {
		.by = run->by,
		.name = cv_conf_str(run, node, "name"),
		.id = cv_conf_str(run, node, "id"),
		.vpc = vpc,
		.cidr = cv_conf_prefix(run, cv_conf_node(run, node, "cidr")),
		.zone = cv_conf_str(run, node, "zone"),
		.gateway = cv_conf_ip(run, cv_conf_node(run, node, "gateway")),
	};
	struct cv_model_errs errs = {0};
	int ret = -ECANCELED;

	if (!is_spoiled(run, node))
		ret = cv_model_subnet_add(run->conf->model, &req, &errs);
	finish(run, CV_MODEL_SUBNET, vpc, node, ret, &errs);
}

static void build_sg(struct conf_run *run, uint32_t node, uint32_t vpc)
{
	struct cv_model_sg_req req = {
		.by = run->by,
		.name = cv_conf_str(run, node, "name"),
		.id = cv_conf_str(run, node, "id"),
		.vpc = vpc,
	};
	struct cv_model_errs errs = {0};
	struct cv_model_rule *rules = NULL, *egress = NULL;
	int ret = -ECANCELED;

	if (!is_spoiled(run, node)) {
		req.rules = rules =
			cv_conf_rules(run, cv_conf_node(run, node, "ingress"), &req.n_rules);
		if (cv_conf_node(run, node, "egress") != CONF_NONE)
			req.egress = egress = cv_conf_rules(run, cv_conf_node(run, node, "egress"),
							    &req.n_egress);
	}
	if (!is_spoiled(run, node) && !run->oom)
		ret = cv_model_sg_add(run->conf->model, &req, &errs);
	finish(run, CV_MODEL_SG, vpc, node, ret, &errs);
	cv_conf_rules_free(rules, req.n_rules);
	cv_conf_rules_free(egress, req.n_egress);
}

static void build_vpc(struct conf_run *run, uint32_t node, uint32_t arg)
{
	struct cv_model *model = run->conf->model;
	uint32_t cidrs = cv_conf_node(run, node, "cidrs");
	uint32_t vxlan = cv_conf_node(run, node, "attachment.vxlan");
	struct cv_prefix prefixes[64];
	cv_be32_t peers[CV_MODEL_PEERS_MAX];
	struct cv_model_vpc_req req = {
		.by = run->by,
		.name = cv_conf_str(run, node, "name"),
		.id = cv_conf_str(run, node, "id"),
		.owner = cv_conf_str(run, node, "owner"),
		.cidrs = prefixes,
		.port = cv_conf_str(run, node, "attachment.port"),
		.vlan = (uint16_t)cv_conf_u32(run, node, "attachment.vlan"),
		.no_dns_support = !cv_conf_bool(run, node, "enable_dns_support"),
		.no_dns_hostnames = !cv_conf_bool(run, node, "enable_dns_hostnames"),
	};
	struct cv_model_errs errs = {0};
	int ret = -ECANCELED;

	(void)arg;
	if (!is_spoiled(run, node)) {
		for (uint32_t i = cidrs + 1; i != CONF_NONE; i = cv_conf_doc_next(&run->doc, i))
			prefixes[req.n_cidrs++] = cv_conf_prefix(run, i);
		cv_conf_check_port_name(run, cv_conf_node(run, node, "attachment.port"));
		if (vxlan != CONF_NONE) {
			req.vxlan = cv_conf_vxlan(run, vxlan, peers);
			req.vxlan.vni = cv_conf_u32(run, vxlan, "vni");
		}
		if (run->by != NULL)
			cv_model_pool_follow(model, &req);
		ret = cv_model_vpc_add(model, &req, &errs);
	}
	if (!finish(run, CV_MODEL_VPC, CV_MODEL_NONE, node, ret, &errs))
		return;
	each(run, cv_conf_node(run, node, "subnets"), build_subnet, model->n_vpcs - 1);
	each(run, cv_conf_node(run, node, "security_groups"), build_sg, model->n_vpcs - 1);
}

static void build_target(struct conf_run *run, uint32_t node, uint32_t tg)
{
	struct cv_model_target_req req = {
		.ip = cv_conf_ip(run, cv_conf_node(run, node, "ip")),
		.port = (uint16_t)cv_conf_u32(run, node, "port"),
		.zone = cv_conf_str(run, node, "zone"),
		.by = run->by,
	};
	struct cv_model_errs errs = {0};

	if (is_spoiled(run, node))
		return;
	if (cv_model_target_add(run->conf->model, tg, &req, &errs) == -ENOMEM)
		run->oom = true;
	cv_conf_report(run, node, &errs);
}

#define LEAST(action, of) "attributes.target_group_health." action ".minimum_healthy_targets." of

static struct cv_model_least least_get(struct conf_run *run, uint32_t tg, bool dns)
{
	return (struct cv_model_least){
		.count = cv_conf_u32(run, tg,
				     dns ? LEAST("dns_failover", "count")
					 : LEAST("unhealthy_state_routing", "count")),
		.percent = cv_conf_u32(run, tg,
				       dns ? LEAST("dns_failover", "percentage")
					   : LEAST("unhealthy_state_routing", "percentage")),
	};
}

static struct cv_model_drain drain_get(struct conf_run *run, uint32_t tg)
{
	return (struct cv_model_drain){
		.seconds = cv_conf_u32(run, tg, "attributes.deregistration_delay.timeout_seconds"),
		.terminate = cv_conf_bool(
			run, tg, "attributes.deregistration_delay.connection_termination.enabled"),
		.unhealthy_terminate = cv_conf_bool(
			run, tg,
			"attributes.target_health_state.unhealthy.connection_termination.enabled"),
		.unhealthy_seconds = cv_conf_u32(
			run, tg,
			"attributes.target_health_state.unhealthy.draining_interval_seconds"),
	};
}

static struct cv_model_check_req check_req(struct conf_run *run, uint32_t node)
{
	uint32_t port_node = cv_conf_node(run, node, "health_check.port");
	uint32_t port = 0;

	if (port_node != CONF_NONE)
		(void)cv_conf_check_port(run->doc.nodes[port_node].value, &port);
	return (struct cv_model_check_req){
		.enabled = cv_conf_bool(run, node, "health_check.enabled"),
		.protocol = cv_conf_choice(run, node, "health_check.protocol"),
		.port = (uint16_t)port,
		.path = cv_conf_str(run, node, "health_check.path"),
		.matcher = cv_conf_str(run, node, "health_check.matcher"),
		.interval_s = cv_conf_u32(run, node, "health_check.interval_seconds"),
		.timeout_s = cv_conf_u32(run, node, "health_check.timeout_seconds"),
		.n_healthy = cv_conf_u32(run, node, "health_check.healthy_threshold"),
		.n_unhealthy = cv_conf_u32(run, node, "health_check.unhealthy_threshold"),
	};
}

static void build_tg(struct conf_run *run, uint32_t node, uint32_t arg)
{
	struct cv_model_tg_req req = {
		.by = run->by,
		.name = cv_conf_str(run, node, "name"),
		.arn = cv_conf_str(run, node, "arn"),
		.vpc = cv_conf_str(run, node, "vpc"),
		.port = (uint16_t)cv_conf_u32(run, node, "port"),
		.ppv2 = cv_conf_bool(run, node, "attributes.proxy_protocol_v2.enabled"),
		.placement = cv_conf_choice(
			run, node,
			"attributes.proxy_protocol_v2.client_to_server.header_placement"),
		.cross_zone =
			cv_conf_choice(run, node, "attributes.load_balancing.cross_zone.enabled"),
		.dns_least = least_get(run, node, true),
		.routing_least = least_get(run, node, false),
		.sticky = cv_conf_bool(run, node, "attributes.stickiness.enabled"),
		.drain = drain_get(run, node),
		.check = check_req(run, node),
	};
	struct cv_model_errs errs = {0};
	int ret = -ECANCELED;

	(void)arg;
	if (!is_spoiled(run, node))
		ret = cv_model_tg_add(run->conf->model, &req, &errs);
	if (finish(run, CV_MODEL_TG, CV_MODEL_NONE, node, ret, &errs))
		each(run, cv_conf_node(run, node, "targets"), build_target,
		     last_of(run, CV_MODEL_TG, req.arn, run->conf->model->n_tgs));
}

/* Subnets with their addresses: a list of a load balancer's `ips`, or an endpoint's one `ip`. */
struct places {
	struct cv_model_place_req *reqs; /* shape [n] */
	cv_be32_t (*ips)[CV_MODEL_NODE_IPS_MAX];
	uint32_t n;
};

static void places_fini(struct places *places)
{
	free(places->reqs);
	free(places->ips);
}

static bool places_init(struct conf_run *run, uint32_t list, struct places *places)
{
	uint32_t n = cv_conf_count(run, list);

	*places = (struct places){0};
	places->reqs = calloc(n + 1, sizeof(*places->reqs));
	places->ips = calloc(n + 1, sizeof(*places->ips));
	if (places->reqs == NULL || places->ips == NULL) {
		run->oom = true;
		places_fini(places);
		return false;
	}
	for (uint32_t i = cv_conf_doc_first(&run->doc, list); i != CONF_NONE;
	     i = cv_conf_doc_next(&run->doc, i)) {
		struct cv_model_place_req *req = &places->reqs[places->n];
		uint32_t ip = cv_conf_doc_child(&run->doc, i, "ip", 2);
		uint32_t ips = cv_conf_doc_child(&run->doc, i, "ips", 3);

		req->subnet = cv_conf_str(run, i, "subnet");
		req->ips = places->ips[places->n];
		if (ip != CONF_NONE)
			places->ips[places->n][req->n_ips++] = cv_conf_ip(run, ip);
		for (ip = cv_conf_doc_first(&run->doc, ips); ip != CONF_NONE;
		     ip = cv_conf_doc_next(&run->doc, ip))
			places->ips[places->n][req->n_ips++] = cv_conf_ip(run, ip);
		places->n++;
	}
	return true;
}

/* The groups of `forward`. @return how many; more than fit are an error of the schema */
static uint32_t forwards_get(struct conf_run *run, uint32_t list, struct cv_model_forward_req *reqs)
{
	uint32_t n = 0;

	for (uint32_t i = cv_conf_doc_first(&run->doc, list);
	     i != CONF_NONE && n < CV_MODEL_FORWARDS_MAX; i = cv_conf_doc_next(&run->doc, i)) {
		reqs[n++] = (struct cv_model_forward_req){
			.target_group = cv_conf_str(run, i, "target_group"),
			.weight = cv_conf_u32(run, i, "weight"),
		};
	}
	return n;
}

static void build_listener(struct conf_run *run, uint32_t node, uint32_t lb)
{
	struct cv_model_forward_req forwards[CV_MODEL_FORWARDS_MAX];
	const struct cv_conf_settings *set = &run->conf->settings;
	struct cv_model_listener_req req = {
		.by = run->by,
		.port = (uint16_t)cv_conf_u32(run, node, "port"),
		.target_group = cv_conf_str(run, node, "target_group"),
		.forwards = forwards,
		.sticky_group = cv_conf_bool(run, node, "target_group_stickiness.enabled"),
		.arn = cv_conf_str(run, node, "arn"),
		.idle_seconds = cv_conf_u32(run, node, "attributes.tcp.idle_timeout.seconds"),
	};
	struct cv_model_errs errs = {0};
	char text[CV_ERR_TEXT_LEN];
	uint32_t snat_last = set->snat_port_first + set->snat_n_ports - 1;

	if (is_spoiled(run, node))
		return;
	req.n_forwards = forwards_get(run, cv_conf_node(run, node, "forward"), forwards);
	if (cv_model_listener_add(run->conf->model, lb, &req, &errs) == -ENOMEM)
		run->oom = true;
	cv_conf_report(run, node, &errs);
	if (req.port < set->snat_port_first || req.port > snat_last)
		return;
	snprintf(
		text, sizeof(text),
		"%u is also one of the source ports towards targets, %u..%u (settings.snat): a target "
		"that is itself a client of this node may be mistaken for an answering one",
		req.port, set->snat_port_first, snat_last);
	cv_conf_err_at(run, &run->conf->warnings, node, "port", text);
}

static void shift_lb(struct conf_run *run, uint32_t node, uint32_t lb)
{
	const char *away_from = cv_conf_str(run, node, "zonal_shift.away_from");
	struct cv_model_errs errs = {0};

	if (away_from == NULL)
		return;
	(void)cv_model_zonal_shift(run->conf->model, run->by, lb, away_from, &errs);
	/* One that was kept and no longer fits does not take its load balancer along. */
	for (uint32_t i = 0; run->by != NULL && i < errs.n; i++)
		cv_errs_add(&run->conf->warnings, run->conf->model->lbs[lb].arn, 0,
			    "a zonal shift does not fit and is left out: %s", errs.items[i].text);
	if (run->by != NULL)
		cv_model_errs_fini(&errs);
	else
		cv_conf_report(run, node, &errs);
}

static void build_lb(struct conf_run *run, uint32_t node, uint32_t arg)
{
	uint32_t sgs = cv_conf_node(run, node, "security_groups");
	struct cv_model_lb_req req = {
		.by = run->by,
		.name = cv_conf_str(run, node, "name"),
		.arn = cv_conf_str(run, node, "arn"),
		.vpc = cv_conf_str(run, node, "vpc"),
		.n_secondary =
			cv_conf_u32(run, node, "attributes.secondary_ips.auto_assigned.per_subnet"),
		.cross_zone =
			cv_conf_bool(run, node, "attributes.load_balancing.cross_zone.enabled"),
		.sg_on_privatelink = cv_conf_bool(
			run, node, "enforce_security_group_inbound_rules_on_private_link_traffic"),
		.zonal_shift = cv_conf_bool(run, node, "attributes.zonal_shift.config.enabled"),
		.client_routing =
			cv_conf_choice(run, node, "attributes.dns_record.client_routing_policy"),
	};
	struct cv_model_errs errs = {0};
	const char **sg_refs = NULL;
	struct places places = {0};
	int ret = -ECANCELED;

	(void)arg;
	if (!is_spoiled(run, node) &&
	    places_init(run, cv_conf_node(run, node, "subnets"), &places)) {
		req.places = places.reqs;
		req.n_places = places.n;
		req.sgs = sg_refs = cv_conf_strs(run, sgs, &req.n_sgs);
		ret = cv_model_lb_add(run->conf->model, &req, &errs);
		places_fini(&places);
		free(sg_refs);
	}
	if (!finish(run, CV_MODEL_LB, CV_MODEL_NONE, node, ret, &errs))
		return;
	shift_lb(run, node, last_of(run, CV_MODEL_LB, req.arn, run->conf->model->n_lbs));
	each(run, cv_conf_node(run, node, "listeners"), build_listener,
	     last_of(run, CV_MODEL_LB, req.arn, run->conf->model->n_lbs));
}

static void build_service(struct conf_run *run, uint32_t node, uint32_t arg)
{
	struct cv_model_service_req req = {
		.by = run->by,
		.name = cv_conf_str(run, node, "name"),
		.id = cv_conf_str(run, node, "id"),
		.acceptance_required = cv_conf_bool(run, node, "acceptance_required"),
	};
	struct cv_model_errs errs = {0};
	const char **lbs, **principals;
	int ret = -ECANCELED;

	(void)arg;
	if (!is_spoiled(run, node)) {
		req.lbs = lbs =
			cv_conf_strs(run, cv_conf_node(run, node, "load_balancers"), &req.n_lbs);
		req.principals = principals = cv_conf_strs(
			run, cv_conf_node(run, node, "allowed_principals"), &req.n_principals);
		req.zones = run->restore != NULL ? run->restore->zones : 0;
		ret = cv_model_service_add(run->conf->model, &req, &errs);
		free(lbs);
		free(principals);
	}
	finish(run, CV_MODEL_SERVICE, CV_MODEL_NONE, node, ret, &errs);
}

static void build_endpoint(struct conf_run *run, uint32_t node, uint32_t arg)
{
	struct cv_model_endpoint_req req = {
		.by = run->by,
		.name = cv_conf_str(run, node, "name"),
		.id = cv_conf_str(run, node, "id"),
		.principal = cv_conf_str(run, node, "principal"),
		.vpc = cv_conf_str(run, node, "vpc"),
		.service = cv_conf_str(run, node, "service"),
	};
	uint32_t sgs = cv_conf_node(run, node, "security_groups");
	struct cv_model_errs errs = {0};
	const char **sg_refs = NULL;
	struct places places = {0};
	int ret = -ECANCELED;

	(void)arg;
	if (!is_spoiled(run, node) &&
	    places_init(run, cv_conf_node(run, node, "subnets"), &places)) {
		req.places = places.reqs;
		req.n_places = places.n;
		restore_endpoint(run, &req);
		req.sgs = sg_refs = cv_conf_strs(run, sgs, &req.n_sgs);
		ret = cv_model_endpoint_add(run->conf->model, &req, &errs);
		places_fini(&places);
		free(sg_refs);
	}
	finish(run, CV_MODEL_ENDPOINT, CV_MODEL_NONE, node, ret, &errs);
}

/* What a service's lists have said about each endpoint so far. */
enum decision { DECISION_NONE, DECISION_ACCEPT, DECISION_REJECT };

static void decide(struct conf_run *run, uint32_t node, uint32_t service, enum decision decision,
		   uint8_t *decided)
{
	struct cv_model *model = run->conf->model;
	const char *ref = json_string_value(run->doc.nodes[node].value);
	struct cv_model_errs errs = {0};
	uint32_t idx;
	int ret;

	if (ref == NULL)
		return;
	ret = decision == DECISION_ACCEPT ? cv_model_accept(model, service, ref, &errs)
					  : cv_model_reject(model, service, ref, &errs);
	cv_conf_report(run, node, &errs);
	if (ret != 0)
		return;
	idx = cv_model_find(model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, ref);
	if (decided[idx] == decision)
		cv_conf_err(run, node, "endpoint '%s' is listed twice", ref);
	else if (decided[idx] != DECISION_NONE)
		cv_conf_err(run, node, "endpoint '%s' is both accepted and rejected", ref);
	decided[idx] = (uint8_t)decision;
}

static void build_decisions(struct conf_run *run)
{
	struct cv_model *model = run->conf->model;
	uint32_t list = cv_conf_node(run, 0, "endpoint_services");
	uint8_t *decided = calloc(model->n_endpoints + 1, sizeof(*decided));

	if (decided == NULL) {
		run->oom = true;
		return;
	}
	for (uint32_t s = cv_conf_count(run, list) > 0 ? list + 1 : CONF_NONE; s != CONF_NONE;
	     s = cv_conf_doc_next(&run->doc, s)) {
		const char *name = run->doc.nodes[s].is_object ? cv_conf_str(run, s, "name") : NULL;
		uint32_t service = CV_MODEL_NONE;
		uint32_t i;

		if (name != NULL)
			service = cv_model_find(model, CV_MODEL_SERVICE, CV_MODEL_NONE, name);
		if (service == CV_MODEL_NONE)
			continue;
		i = cv_conf_doc_first(&run->doc, cv_conf_node(run, s, "accept"));
		for (; i != CONF_NONE; i = cv_conf_doc_next(&run->doc, i))
			decide(run, i, service, DECISION_ACCEPT, decided);
		i = cv_conf_doc_first(&run->doc, cv_conf_node(run, s, "reject"));
		for (; i != CONF_NONE; i = cv_conf_doc_next(&run->doc, i))
			decide(run, i, service, DECISION_REJECT, decided);
	}
	free(decided);
}

static void check_limit(struct conf_run *run, const char *list, uint64_t n, uint32_t limit)
{
	uint32_t node = cv_conf_node(run, 0, list);

	if (n > limit && node != CONF_NONE)
		cv_conf_err(run, node, "holds %llu; limits.%s allows %u", (unsigned long long)n,
			    strcmp(list, "target_groups") == 0    ? "targets"
			    : strcmp(list, "load_balancers") == 0 ? "listeners"
								  : "endpoints",
			    limit);
}

static void check_limits(struct conf_run *run)
{
	const struct cv_model *model = run->conf->model;
	uint64_t n_targets = 0, n_listeners = 0;

	for (uint32_t i = 0; i < model->n_tgs; i++)
		n_targets += model->tgs[i].n_targets;
	for (uint32_t i = 0; i < model->n_lbs; i++)
		n_listeners += model->lbs[i].n_listeners;
	check_limit(run, "target_groups", n_targets, run->conf->limits.targets);
	check_limit(run, "load_balancers", n_listeners, run->conf->limits.listeners);
	check_limit(run, "endpoints", model->n_endpoints, run->conf->limits.endpoints);
}

/* The n-th element of the list that makes resources of a kind. */
static uint32_t node_of(struct conf_run *run, enum cv_model_kind kind, uint32_t idx)
{
	static const char *const lists[] = {
		[CV_MODEL_TG] = "target_groups",
		[CV_MODEL_LB] = "load_balancers",
		[CV_MODEL_SERVICE] = "endpoint_services",
		[CV_MODEL_ENDPOINT] = "endpoints",
	};
	uint32_t node;

	if (kind == CV_MODEL_SG)
		return 0; /* they stand in their VPCs, and say which */
	node = cv_conf_doc_first(&run->doc, cv_conf_node(run, 0, lists[kind]));
	while (idx-- > 0 && node != CONF_NONE)
		node = cv_conf_doc_next(&run->doc, node);
	return node == CONF_NONE ? 0 : node;
}

/* With no error so far, the model's resources are the document's, one for one and in order. */
static void settle_and_check(struct conf_run *run)
{
	struct cv_model_errs errs = {0};

	if (run->docs != NULL && run->docs->served != NULL &&
	    cv_model_addrs_keep(run->conf->model, run->docs->served, &errs) == -ENOMEM)
		run->oom = true;
	if (cv_model_settle(run->conf->model, &errs) == -ENOMEM ||
	    cv_model_check(run->conf->model, &errs) == -ENOMEM)
		run->oom = true;
	for (uint32_t i = 0; i < errs.n; i++)
		report_one(run, node_of(run, errs.items[i].kind, errs.items[i].idx),
			   &errs.items[i]);
	cv_model_errs_fini(&errs);
}

void cv_conf_build_one(struct conf_run *run, enum cv_model_kind kind, uint32_t owner)
{
	static void (*const builds[CV_MODEL_KIND_N])(struct conf_run *, uint32_t, uint32_t) = {
		[CV_MODEL_VPC] = build_vpc,
		[CV_MODEL_SUBNET] = build_subnet,
		[CV_MODEL_SG] = build_sg,
		[CV_MODEL_TG] = build_tg,
		[CV_MODEL_LB] = build_lb,
		[CV_MODEL_SERVICE] = build_service,
		[CV_MODEL_ENDPOINT] = build_endpoint,
	};

	builds[kind](run, 0, owner);
}

/* Calls hold to the same limits as the file. */
static void set_limits(struct conf_run *run)
{
	struct cv_model *model = run->conf->model;

	model->limits[CV_MODEL_TG] = run->conf->limits.targets;
	model->limits[CV_MODEL_LISTENER] = run->conf->limits.listeners;
	model->limits[CV_MODEL_VPC] = run->conf->limits.endpoints_per_vpc;
	model->limits[CV_MODEL_ENDPOINT] = run->conf->limits.endpoints;
	model->quotas = (struct cv_model_quotas){
		.lbs = cv_conf_u32(run, 0, "limits.load_balancers_per_account"),
		.tgs = cv_conf_u32(run, 0, "limits.target_groups_per_account"),
		.listeners = cv_conf_u32(run, 0, "limits.listeners_per_load_balancer"),
		.lb_targets = cv_conf_u32(run, 0, "limits.targets_per_load_balancer"),
		.zone_targets = cv_conf_u32(run, 0, "limits.targets_per_zone"),
		.tg_targets = cv_conf_u32(run, 0, "limits.targets_per_target_group"),
	};
}

/* The file's own document stays what errors of the whole are shown by. */
static void replay(struct conf_run *run)
{
	const struct conf_doc doc = run->doc;

	cv_conf_replay(run, run->docs);
	run->doc = doc;
	run->root_row = 0;
}

void cv_conf_build_model(struct conf_run *run)
{
	const char *region = cv_conf_str(run, 0, "region");

	run->conf->model = cv_model_create(region != NULL ? region : "");
	if (run->conf->model == NULL) {
		run->oom = true;
		return;
	}
	build_zones(run, cv_conf_node(run, 0, "zones"));
	each(run, cv_conf_node(run, 0, "accounts"), build_account, 0);
	each(run, cv_conf_node(run, 0, "vpcs"), build_vpc, 0);
	each(run, cv_conf_node(run, 0, "vpc_attachments"), cv_conf_build_pool, 0);
	each(run, cv_conf_node(run, 0, "target_groups"), build_tg, 0);
	each(run, cv_conf_node(run, 0, "load_balancers"), build_lb, 0);
	each(run, cv_conf_node(run, 0, "endpoint_services"), build_service, 0);
	each(run, cv_conf_node(run, 0, "endpoints"), build_endpoint, 0);
	build_decisions(run);
	check_limits(run);
	set_limits(run);
	if (run->errs->n == 0 && !run->oom && run->docs != NULL)
		replay(run);
	if (run->errs->n == 0 && !run->oom)
		settle_and_check(run);
}
