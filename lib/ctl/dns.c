/* SPDX-License-Identifier: BSD-3-Clause */

/* DNS: which names there are, from the model and the plan, and how the server does. */

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cv_dns_server.h"
#include "cv_model_dns.h"
#include "cv_model_names.h"

#include "show_priv.h"
#include "verify_priv.h"

#define DNS_PORT 53
/* Nodes of a load balancer, ENIs of an endpoint: one per zone at most. */
#define ZONES_MAX 64

_Static_assert((int)CV_MODEL_CLIENT_ANY == CV_DNS_ANY &&
		       (int)CV_MODEL_CLIENT_PARTIAL == CV_DNS_PARTIAL &&
		       (int)CV_MODEL_CLIENT_OWN == CV_DNS_OWN,
	       "the same words in the same order");

const struct cv_plan_service *cv_ctl_dns_services(const struct cv_conf *conf, uint32_t *ret_n)
{
	static const struct cv_plan_service services[] = {
		{IPPROTO_UDP, DNS_PORT},
		{IPPROTO_TCP, DNS_PORT},
	};

	*ret_n = conf->dns.enabled ? CV_ARRAY_LEN(services) : 0;
	return services;
}

/* ---- names ---- */

static uint16_t vpc_slot(const struct cv_ctl *ctl, uint32_t vpc)
{
	return (uint16_t)cv_plan_slot(ctl->plan, CV_PLAN_VPC, 0, vpc);
}

static bool is_in_dns(const struct cv_ctl *ctl, uint32_t lb, uint32_t node)
{
	return ctl->plan->nodes[cv_plan_slot(ctl->plan, CV_PLAN_NODE, lb, node)].in_dns;
}

/* Adds a name. One that cannot be, or is there already, is left out. @return 0 or -ENOMEM */
static int name_add(struct cv_dns_data *data, const struct cv_dns_name *name)
{
	return cv_dns_data_name_add(data, name) == -ENOMEM ? -ENOMEM : 0;
}

static int lb_add(const struct cv_ctl *ctl, struct cv_dns_data *data, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_lb *lb = &model->lbs[idx];
	struct cv_dns_addr addrs[ZONES_MAX];
	char buf[CV_MODEL_DNS_LEN];
	struct cv_dns_name name = {
		.vpc = ctl->conf->dns.everywhere ? CV_DNS_EVERYWHERE : vpc_slot(ctl, lb->vpc),
		.name = cv_model_lb_dns(model, idx, CV_MODEL_NONE, buf),
		.affinity = (enum cv_dns_affinity)lb->client_routing,
		.addrs = addrs,
	};
	int ret;

	for (uint32_t i = 0; i < lb->n_nodes && i < ZONES_MAX; i++)
		addrs[name.n_addrs++] = (struct cv_dns_addr){
			.ip = lb->nodes[i].ips[0],
			.zone = lb->nodes[i].zone,
			.on = is_in_dns(ctl, idx, i),
		};
	ret = name_add(data, &name);
	for (uint32_t i = 0; ret == 0 && i < lb->n_nodes && i < ZONES_MAX; i++) {
		name.name = cv_model_lb_dns(model, idx, i, buf);
		name.addrs = &addrs[i];
		name.n_addrs = 1;
		ret = name_add(data, &name);
	}
	return ret;
}

/* The name that the service's owner has proven to be its own. */
static int private_add(const struct cv_ctl *ctl, struct cv_dns_data *data,
		       const struct cv_model_endpoint *e, const char *regional)
{
	const struct cv_model_vpc *vpc = &ctl->conf->model->vpcs[e->vpc];
	const struct cv_model_service *service;
	struct cv_dns_name name = {.vpc = vpc_slot(ctl, e->vpc), .alias = regional};

	if (!e->private_dns || e->service == CV_MODEL_NONE || !vpc->dns_support ||
	    !vpc->dns_hostnames)
		return 0;
	service = &ctl->conf->model->services[e->service];
	name.name = service->private_dns_name;
	if (name.name == NULL || service->dns_state != CV_MODEL_DNS_VERIFIED)
		return 0;
	return name_add(data, &name);
}

static int endpoint_add(const struct cv_ctl *ctl, struct cv_dns_data *data, uint32_t idx)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_endpoint *e = &model->endpoints[idx];
	struct cv_dns_addr addrs[ZONES_MAX];
	char buf[CV_MODEL_DNS_LEN];
	struct cv_dns_name name = {
		.vpc = ctl->conf->dns.everywhere ? CV_DNS_EVERYWHERE : vpc_slot(ctl, e->vpc),
		.name = cv_model_endpoint_dns(model, idx, CV_MODEL_NONE, buf),
		.addrs = addrs,
	};
	int ret;

	for (uint32_t i = 0; i < e->n_enis && i < ZONES_MAX; i++)
		addrs[name.n_addrs++] = (struct cv_dns_addr){
			.ip = e->enis[i].ip,
			.zone = e->enis[i].zone,
			.on = is_in_dns(ctl, e->enis[i].lb, e->enis[i].node),
		};
	ret = name_add(data, &name);
	if (ret == 0)
		ret = private_add(ctl, data, e, name.name);
	for (uint32_t i = 0; ret == 0 && i < e->n_enis && i < ZONES_MAX; i++) {
		name.name = cv_model_endpoint_dns(model, idx, i, buf);
		name.addrs = &addrs[i];
		name.n_addrs = 1;
		ret = name_add(data, &name);
	}
	return ret;
}

static int vpcs_add(const struct cv_ctl *ctl, struct cv_dns_data *data)
{
	const struct cv_model *model = ctl->conf->model;
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < model->n_vpcs; i++) {
		const struct cv_model_vpc *vpc = &model->vpcs[i];
		struct cv_dns_vpc row;

		if (vpc->meta.gone || vpc->n_cidrs == 0 || !vpc->dns_support)
			continue;
		row = (struct cv_dns_vpc){
			.slot = vpc_slot(ctl, i),
			.name = vpc->name,
			.ip = cv_model_dns_server(vpc),
		};
		ret = cv_dns_data_vpc_add(data, &row);
		row.ip = cv_be32(CV_MODEL_DNS_LINK_LOCAL);
		if (ret == 0)
			ret = cv_dns_data_vpc_add(data, &row);
	}
	for (uint32_t i = 0; ret == 0 && i < model->n_subnets; i++) {
		const struct cv_model_subnet *subnet = &model->subnets[i];
		struct cv_dns_subnet row;

		if (subnet->meta.gone)
			continue;
		row = (struct cv_dns_subnet){
			.vpc = vpc_slot(ctl, subnet->vpc),
			.cidr = subnet->cidr,
			.zone = subnet->zone,
		};
		ret = cv_dns_data_subnet_add(data, &row);
	}
	return ret;
}

/* Names of private addresses, which AWS's resolver asks nobody outside for. @source RFC 6303 */
static int reverse_zones_add(struct cv_dns_data *data)
{
	static const char *const nets[] = {"10", "168.192", "254.169"};
	char name[32];
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < CV_ARRAY_LEN(nets); i++) {
		snprintf(name, sizeof(name), "%s.in-addr.arpa", nets[i]);
		ret = cv_dns_data_zone_add(data, name);
	}
	for (uint32_t i = 16; ret == 0 && i < 32; i++) {
		snprintf(name, sizeof(name), "%u.172.in-addr.arpa", i);
		ret = cv_dns_data_zone_add(data, name);
	}
	return ret;
}

/* @source AWS: VPC user guide, "DNS attributes for your VPC" */
static int own_add(const struct cv_model *model, struct cv_dns_data *data)
{
	char name[CV_MODEL_DNS_LEN];

	if (strcmp(model->region, "us-east-1") == 0)
		snprintf(name, sizeof(name), "ec2.internal");
	else
		snprintf(name, sizeof(name), "%.64s.compute.internal", model->region);
	return cv_dns_data_own_add(data, name);
}

static int zones_add(const struct cv_ctl *ctl, struct cv_dns_data *data)
{
	const struct cv_conf_dns *dns = &ctl->conf->dns;
	char buf[CV_MODEL_DNS_LEN];
	int ret;

	ret = cv_dns_data_zone_add(data, cv_model_endpoint_zone_dns(ctl->conf->model, buf));
	if (ret != -ENOMEM)
		ret = cv_dns_data_zone_add(data, cv_model_lb_zone_dns(ctl->conf->model, buf));
	if (ret != -ENOMEM)
		ret = reverse_zones_add(data);
	if (ret != -ENOMEM)
		ret = own_add(ctl->conf->model, data);
	for (uint32_t i = 0; ret != -ENOMEM && i < dns->n_forwarders; i++) {
		const struct cv_dns_forwarder row = {dns->forwarders[i].ip,
						     dns->forwarders[i].port};

		ret = cv_dns_data_forwarder_add(data, &row);
	}
	return ret == -ENOMEM ? ret : 0;
}

static int data_fill(const struct cv_ctl *ctl, struct cv_dns_data *data)
{
	const struct cv_model *model = ctl->conf->model;
	int ret = zones_add(ctl, data);

	cv_dns_data_rate_set(data, ctl->conf->dns.rate);

	if (ret == 0)
		ret = vpcs_add(ctl, data);
	for (uint32_t i = 0; ret == 0 && i < model->n_lbs; i++)
		if (!model->lbs[i].meta.gone)
			ret = lb_add(ctl, data, i);
	/* What is not available does not answer: its name does not lead there. Without an ENI there is
	 * none. */
	for (uint32_t i = 0; ret == 0 && i < model->n_endpoints; i++)
		if (!model->endpoints[i].meta.gone &&
		    model->endpoints[i].state == CV_MODEL_AVAILABLE &&
		    model->endpoints[i].n_enis > 0)
			ret = endpoint_add(ctl, data, i);
	return ret;
}

/* ---- the server ---- */

static int socket_open(void *host, uint16_t vpc, int type)
{
	return cv_host_socket(host, vpc, AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int server_start(struct cv_ctl *ctl)
{
	const struct cv_dns_server_cfg cfg = {
		.open = socket_open,
		.open_arg = ctl->host,
		.port = DNS_PORT,
	};

	return ctl->dns.server != NULL ? 0 : cv_dns_server_create(&cfg, &ctl->dns.server);
}

static void server_stop(struct cv_ctl *ctl)
{
	cv_dns_server_destroy(ctl->dns.server);
	cv_dns_data_put(ctl->dns.data);
	ctl->dns.server = NULL;
	ctl->dns.data = NULL;
}

void cv_ctl_dns_stop(struct cv_ctl *ctl)
{
	cv_ctl_verify_stop(ctl);
	server_stop(ctl);
}

void cv_ctl_dns_changed(struct cv_ctl *ctl)
{
	ctl->dns.due = true;
}

void cv_ctl_dns_tick(struct cv_ctl *ctl)
{
	struct cv_dns_data *data;
	int ret;

	cv_ctl_verify_tick(ctl, cv_clock_ms());
	if (!ctl->dns.due || ctl->host == NULL)
		return;
	if (!ctl->conf->dns.enabled) {
		/* Names are verified without it, too. */
		server_stop(ctl);
		ctl->dns.due = false;
		return;
	}
	data = cv_dns_data_create();
	ret = data != NULL ? data_fill(ctl, data) : -ENOMEM;
	if (ret == 0)
		ret = server_start(ctl);
	if (ret < 0) {
		if (ctl->dns.err != ret)
			cv_log(CV_LOG_ERR, "DNS stays as it was, and is tried again: %s",
			       strerror(-ret));
		cv_dns_data_put(data);
	} else {
		cv_dns_data_put(ctl->dns.data);
		ctl->dns.data = data;
		cv_dns_server_publish(ctl->dns.server, cv_dns_data_get(data));
		ctl->dns.due = false;
	}
	ctl->dns.err = ret;
}

/* ---- how it stands ---- */

static json_t *server_json(struct cv_ctl *ctl, const struct cv_dns_vpc *vpc)
{
	int err = cv_dns_server_state(ctl->dns.server, vpc->slot, vpc->ip);
	/* Published, but not taken by the server yet. */
	bool is_making = err == -EAGAIN || err == -ENOENT;

	return json_pack("{s:s, s:o, s:s, s:o}", "vpc", vpc->name, "address",
			 cv_ctl_json_ip(vpc->ip), "state",
			 err == 0    ? "up"
			 : is_making ? "making"
				     : "failed",
			 "error", cv_ctl_json_text(err == 0 || is_making ? NULL : strerror(-err)));
}

static json_t *name_json(struct cv_ctl *ctl, const struct cv_dns_name *name)
{
	static const char *const routings[] = {"any", "partial", "own"};
	json_t *answer = json_array(), *left_out = json_array();
	bool any_on = false;

	for (uint32_t i = 0; i < name->n_addrs; i++)
		any_on = any_on || name->addrs[i].on;
	for (uint32_t i = 0; i < name->n_addrs; i++)
		cv_ctl_json_add(ctl, name->addrs[i].on || !any_on ? answer : left_out,
				cv_ctl_json_ip(name->addrs[i].ip));
	if (name->alias != NULL)
		cv_ctl_json_add(ctl, answer, cv_ctl_json_text(name->alias));
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", name->name, "vpc",
			 name->vpc == CV_DNS_EVERYWHERE ? "*" : cv_ctl_vpc_name(ctl, name->vpc),
			 "zone_affinity", routings[name->affinity], "answer", answer, "left_out",
			 left_out);
}

int cv_ctl_show_dns(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *servers = json_array(), *names = json_array(), *forwarders = json_array();
	char buf[2 * CV_DNS_TEXT_LEN];
	struct cv_dns_name name;
	uint32_t n = 0, pos = 0;

	if (ctl->dns.data != NULL) {
		const struct cv_dns_vpc *vpcs = cv_dns_data_vpcs(ctl->dns.data, &n);

		for (uint32_t i = 0; i < n; i++)
			cv_ctl_json_add(ctl, servers, server_json(ctl, &vpcs[i]));
		while (cv_dns_data_name_next(ctl->dns.data, &pos, &name, buf))
			cv_ctl_json_add(ctl, names, name_json(ctl, &name));
	}
	for (uint32_t i = 0; i < ctl->conf->dns.n_forwarders; i++)
		cv_ctl_json_add(ctl, forwarders,
				cv_ctl_json_addr(ctl->conf->dns.forwarders[i].ip,
						 ctl->conf->dns.forwarders[i].port));
	show->root = json_pack("{s:b, s:o, s:o, s:o}", "enabled", (int)ctl->conf->dns.enabled,
			       "forwarders", forwarders, "servers", servers, "names", names);
	return 0;
}

/* ---- metrics ---- */

static const char *rcode_name(uint32_t rcode)
{
	static const char *const names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
					    "NXDOMAIN", "NOTIMP",  "REFUSED"};

	return rcode < CV_ARRAY_LEN(names) ? names[rcode] : rcode == 16 ? "BADVERS" : NULL;
}

static void counter_write(FILE *out, const char *name, const char *help, uint64_t value)
{
	fprintf(out, "# HELP culvert_dns_%s %s\n# TYPE culvert_dns_%s counter\n", name, help, name);
	fprintf(out, "culvert_dns_%s %llu\n", name, (unsigned long long)value);
}

void cv_ctl_dns_metrics(const struct cv_ctl *ctl, FILE *out)
{
	struct cv_dns_stats s;

	if (ctl->dns.server == NULL)
		return;
	cv_dns_server_stats(ctl->dns.server, &s);
	fprintf(out, "# HELP culvert_dns_queries_total Queries of clients in VPCs.\n"
		     "# TYPE culvert_dns_queries_total counter\n");
	fprintf(out, "culvert_dns_queries_total{transport=\"udp\"} %llu\n",
		(unsigned long long)s.queries_udp);
	fprintf(out, "culvert_dns_queries_total{transport=\"tcp\"} %llu\n",
		(unsigned long long)s.queries_tcp);
	fprintf(out, "# HELP culvert_dns_answers_total Our own answers, by code.\n"
		     "# TYPE culvert_dns_answers_total counter\n");
	for (uint32_t i = 0; i <= CV_DNS_RCODE_MAX; i++)
		if (rcode_name(i) != NULL)
			fprintf(out, "culvert_dns_answers_total{rcode=\"%s\"} %llu\n",
				rcode_name(i), (unsigned long long)s.answers[i]);
	counter_write(out, "forwarded_total", "Queries passed on to a resolver.", s.forwarded);
	counter_write(out, "forward_answers_total", "Answers passed back.", s.forward_answers);
	counter_write(out, "forward_timeouts_total", "Resolvers that did not answer in time.",
		      s.forward_timeouts);
	counter_write(out, "forward_full_total", "Queries not passed on: too many waited.",
		      s.forward_full);
	counter_write(out, "drop_no_query_total", "Messages dropped: they were no query.",
		      s.drop_no_query);
	counter_write(out, "drop_rate_total",
		      "Messages dropped: their client asked too often in a second.", s.drop_rate);
	counter_write(out, "drop_send_total", "Answers that could not be sent.", s.drop_send);
	counter_write(out, "tcp_refused_total", "TCP connections closed at once: too many.",
		      s.tcp_refused);
	counter_write(out, "tcp_cut_total", "TCP connections ended for being slow or not DNS.",
		      s.tcp_cut);
}
