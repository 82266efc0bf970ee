/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * AWS's metrics from what is counted anyway: source ports by node and target, endpoints, targets' health.
 * Nothing is counted for them.
 */

#include <stdlib.h>
#include <string.h>

#include "cv_model_change.h"

#include "meters_priv.h"
#include "show_priv.h"

#define NLB "AWS/NetworkELB"
#define ENDPOINTS "AWS/PrivateLinkEndpoints"
#define SERVICES "AWS/PrivateLinkServices"

enum what {
	WHAT_ACTIVE,
	WHAT_NEW,
	WHAT_ERRORS,
	WHAT_BYTES,
	WHAT_PACKETS,
	WHAT_DROPS,
	WHAT_RESETS,
	WHAT_BLOCKED,
	WHAT_HEALTHY,
	WHAT_UNHEALTHY,
};

/* ---- names ---- */

/* What AWS's dimensions have of an ARN. */
static const char *after(const char *arn, const char *part)
{
	const char *found = strstr(arn, part);

	return found != NULL ? found + strlen(part) : arn;
}

static const char *lb_name(const struct cv_model_lb *lb)
{
	return after(lb->arn, ":loadbalancer/");
}

static const char *tg_name(const struct cv_model_target_group *tg)
{
	return after(tg->arn, ":targetgroup/") - strlen("targetgroup/");
}

/* Zones go by their owner's names for them. */
static const char *zone_name(const struct cv_model *model, uint32_t account, uint32_t zone)
{
	const struct cv_model_account *a = &model->accounts[account];

	for (uint32_t i = 0; i < a->n_zones; i++) {
		if (a->zones[i].zone == zone)
			return a->zones[i].name;
	}
	return model->zones[zone].id;
}

/* ---- source ports ---- */

/* A node's address. */
struct node_ip {
	cv_be32_t ip;
	uint16_t vpc;   /* slot */
	uint32_t first; /* place of the node's first address, as the model lists them */
};

static int node_ip_cmp(const void *a, const void *b)
{
	const struct node_ip *x = a, *y = b;

	if (x->vpc != y->vpc)
		return x->vpc < y->vpc ? -1 : 1;
	return x->ip < y->ip ? -1 : x->ip > y->ip;
}

static struct node_ip *node_ips_get(const struct cv_ctl *ctl, uint32_t *ret_n)
{
	const struct cv_model *model = ctl->conf->model;
	struct node_ip *ips;
	uint32_t n = 0;

	for (uint32_t i = 0; i < model->n_lbs; i++) {
		for (uint32_t k = 0; k < model->lbs[i].n_nodes; k++)
			n += model->lbs[i].nodes[k].n_ips;
	}
	ips = calloc((size_t)n + 1, sizeof(*ips));
	*ret_n = 0;
	for (uint32_t i = 0; ips != NULL && i < model->n_lbs; i++) {
		const struct cv_model_lb *lb = &model->lbs[i];

		for (uint32_t k = 0; k < lb->n_nodes; k++) {
			uint32_t first = *ret_n;

			for (uint32_t j = 0; j < lb->nodes[k].n_ips; j++)
				ips[(*ret_n)++] = (struct node_ip){
					lb->nodes[k].ips[j],
					(uint16_t)cv_plan_slot(ctl->plan, CV_PLAN_VPC, 0, lb->vpc),
					first};
		}
	}
	if (ips != NULL)
		qsort(ips, *ret_n, sizeof(*ips), node_ip_cmp);
	return ips;
}

static uint64_t pool_value(const struct cv_ctl *ctl, const struct cv_snat_pool *pool, int what)
{
	struct cv_snat_counts counts;

	cv_snat_counts(pool, cv_dp_now_ms(ctl->dp), &counts);
	if (what == WHAT_ACTIVE)
		return counts.used;
	return what == WHAT_NEW ? counts.taken : counts.errors;
}

static uint32_t lb_owner(const struct cv_model *model, uint32_t lb)
{
	return cv_model_owner(model, CV_MODEL_LB, lb);
}

/* Dimensions: load balancer, zone. */
static void node_take(const struct cv_ctl *ctl, const struct ctl_meter *meter,
		      struct ctl_meter_sink *sink, uint32_t lb_idx, uint32_t node, uint64_t value)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_lb *lb = &model->lbs[lb_idx];
	uint32_t owner = lb_owner(model, lb_idx);
	const struct ctl_sample sample = {
		.account = owner,
		.dims = {{"LoadBalancer", lb_name(lb)},
			 {"AvailabilityZone", zone_name(model, owner, lb->nodes[node].zone)}},
		.n_dims = 2,
		.value = value,
	};

	sink->take(sink, meter, &sample);
}

/* Sums up what the pools of each node say, by the place of its first address. */
static void values_sum(const struct cv_ctl *ctl, int what, const struct node_ip *ips, uint32_t n,
		       uint64_t *values)
{
	for (uint32_t i = 0; i < cv_snat_registry_n(ctl->registry); i++) {
		const struct cv_snat_pool *pool = cv_snat_registry_at(ctl->registry, i);
		const struct cv_snat_key *key = cv_snat_pool_key(pool);
		const struct node_ip want = {.ip = key->node_ip, .vpc = key->vpc};
		const struct node_ip *at = bsearch(&want, ips, n, sizeof(*ips), node_ip_cmp);

		if (at != NULL)
			values[at->first] += pool_value(ctl, pool, what);
	}
}

static void pools_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
		       struct ctl_meter_sink *sink)
{
	const struct cv_model *model = ctl->conf->model;
	uint32_t n, first = 0;
	struct node_ip *ips = node_ips_get(ctl, &n);
	uint64_t *values = calloc((size_t)n + 1, sizeof(*values));

	if (ips != NULL && values != NULL)
		values_sum(ctl, meter->what, ips, n, values);
	for (uint32_t i = 0; ips != NULL && values != NULL && i < model->n_lbs; i++) {
		for (uint32_t k = 0; k < model->lbs[i].n_nodes; k++) {
			node_take(ctl, meter, sink, i, k, values[first]);
			first += model->lbs[i].nodes[k].n_ips;
		}
	}
	free(values);
	free(ips);
}

/* ---- target groups ---- */

/* Dimensions: load balancer, target group, zone. @param node  NULL: of all */
static void tg_take(const struct cv_ctl *ctl, const struct ctl_meter *meter,
		    struct ctl_meter_sink *sink, uint32_t tg, const struct cv_model_node *node,
		    uint64_t value)
{
	const struct cv_model *model = ctl->conf->model;
	uint32_t lb = model->tgs[tg].lb, owner = cv_model_owner(model, CV_MODEL_TG, tg);
	const struct ctl_sample sample = {
		.account = owner,
		.dims = {{"LoadBalancer", lb_name(&model->lbs[lb])},
			 {"TargetGroup", tg_name(&model->tgs[tg])},
			 {"AvailabilityZone",
			  node != NULL ? zone_name(model, owner, node->zone) : NULL}},
		.n_dims = 3,
		.value = value,
	};

	sink->take(sink, meter, &sample);
}

static void targets_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			 struct ctl_meter_sink *sink)
{
	const struct cv_model *model = ctl->conf->model;

	for (uint32_t i = 0; i < model->n_tgs; i++) {
		uint64_t value = 0;

		for (uint32_t k = 0; k < model->tgs[i].n_targets; k++) {
			uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_TARGET, i, k);
			const struct cv_stats_obj_sum sum =
				cv_ctl_counts_get(ctl, CV_PLAN_TARGET, slot);

			value += sum.new_flows;
			if (meter->what == WHAT_ACTIVE)
				value -= sum.end_flows;
		}
		if (model->tgs[i].lb != CV_MODEL_NONE)
			tg_take(ctl, meter, sink, i, NULL, value);
	}
}

/* Targets of a group that are as asked. @param zone  as cv_health_state() */
static uint64_t hosts_count(const struct cv_ctl *ctl, uint32_t tg, uint32_t zone, int what)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < ctl->conf->model->tgs[tg].n_targets; i++) {
		enum cv_model_target_state state = cv_health_state(ctl->health, tg, i, zone);

		n += what == WHAT_HEALTHY ? state == CV_MODEL_TARGET_HEALTHY
					  : state == CV_MODEL_TARGET_UNHEALTHY ||
						    state == CV_MODEL_TARGET_UNHEALTHY_DRAINING;
	}
	return n;
}

/* For all zones together: what the nodes say as one, not the sum of it. */
static void hosts_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
		       struct ctl_meter_sink *sink)
{
	const struct cv_model *model = ctl->conf->model;

	for (uint32_t i = 0; i < model->n_tgs; i++) {
		if (model->tgs[i].lb != CV_MODEL_NONE)
			tg_take(ctl, meter, sink, i, NULL,
				hosts_count(ctl, i, CV_MODEL_NONE, meter->what));
	}
}

static void zones_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
		       struct ctl_meter_sink *sink)
{
	const struct cv_model *model = ctl->conf->model;

	for (uint32_t i = 0; i < model->n_tgs; i++) {
		const struct cv_model_lb *lb;

		if (model->tgs[i].lb == CV_MODEL_NONE)
			continue;
		lb = &model->lbs[model->tgs[i].lb];
		for (uint32_t k = 0; k < lb->n_nodes; k++)
			tg_take(ctl, meter, sink, i, &lb->nodes[k],
				hosts_count(ctl, i, lb->nodes[k].zone, meter->what));
	}
}

/* ---- endpoints ---- */

/* What an endpoint's flows are counted as. */
static uint64_t endpoint_value(const struct cv_ctl *ctl, uint32_t endpoint, int what)
{
	uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_ENDPOINT, 0, endpoint);
	const struct cv_stats_obj_sum sum = cv_ctl_counts_get(ctl, CV_PLAN_ENDPOINT, slot);

	switch (what) {
	case WHAT_ACTIVE:
		return sum.new_flows - sum.end_flows;
	case WHAT_NEW:
		return sum.new_flows;
	case WHAT_BYTES:
		return sum.bytes[0] + sum.bytes[1];
	case WHAT_PACKETS:
		return sum.pkts[0] + sum.pkts[1];
	case WHAT_DROPS:
		return sum.drops;
	case WHAT_BLOCKED:
		return cv_ctl_drops_get(ctl, CV_PLAN_ENDPOINT, slot, CV_DROP_SECURITY_GROUP);
	default:
		return sum.rsts;
	}
}

/* The load balancer that serves all of its ENIs; CV_MODEL_NONE: several do. */
static uint32_t endpoint_lb(const struct cv_model_endpoint *endpoint)
{
	for (uint32_t i = 1; i < endpoint->n_enis; i++) {
		if (endpoint->enis[i].lb != endpoint->enis[0].lb)
			return CV_MODEL_NONE;
	}
	return endpoint->n_enis > 0 ? endpoint->enis[0].lb : CV_MODEL_NONE;
}

static bool is_counted(const struct cv_model_endpoint *endpoint)
{
	return endpoint->n_enis > 0 && endpoint->service != CV_MODEL_NONE;
}

static void endpoints_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			   struct ctl_meter_sink *sink)
{
	const struct cv_model *model = ctl->conf->model;

	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];
		struct ctl_sample sample = {
			.dims = {{"Endpoint Type", "Interface"},
				 {"Service Name", endpoint->service_name},
				 {"VPC Endpoint Id", endpoint->id}},
			.n_dims = 5,
		};

		if (!is_counted(endpoint))
			continue;
		sample.account = model->vpcs[endpoint->vpc].owner;
		sample.dims[3] = (struct cv_points_dim){"VPC Id", model->vpcs[endpoint->vpc].id};
		sample.dims[4].name = "Subnet Id";
		if (endpoint->n_enis == 1)
			sample.dims[4].value = model->subnets[endpoint->enis[0].subnet].id;
		sample.value = endpoint_value(ctl, i, meter->what);
		sink->take(sink, meter, &sample);
	}
}

static void services_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			  struct ctl_meter_sink *sink)
{
	const struct cv_model *model = ctl->conf->model;

	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];
		uint32_t lb = endpoint_lb(endpoint);
		struct ctl_sample sample = {
			.dims = {{"Service Id", NULL},
				 {"Az", NULL},
				 {"Load Balancer Arn", NULL},
				 {"VPC Endpoint Id", endpoint->id}},
			.n_dims = 4,
		};

		if (!is_counted(endpoint))
			continue;
		sample.account = model->services[endpoint->service].owner;
		sample.dims[0].value = model->services[endpoint->service].id;
		if (endpoint->n_enis == 1)
			sample.dims[1].value =
				zone_name(model, sample.account, endpoint->enis[0].zone);
		if (lb != CV_MODEL_NONE)
			sample.dims[2].value = model->lbs[lb].arn;
		sample.value = endpoint_value(ctl, i, meter->what);
		sink->take(sink, meter, &sample);
	}
}

static void attached_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			  struct ctl_meter_sink *sink)
{
	const struct cv_model *model = ctl->conf->model;

	for (uint32_t i = 0; i < model->n_services; i++) {
		const struct ctl_sample sample = {
			.account = model->services[i].owner,
			.dims = {{"Service Id", model->services[i].id}},
			.n_dims = 1,
			.value = model->services[i].n_attached,
		};

		if (!model->services[i].meta.gone)
			sink->take(sink, meter, &sample);
	}
}

/* What endpoints bring to the load balancer that serves them. */
static void brought_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			 struct ctl_meter_sink *sink)
{
	const struct cv_model *model = ctl->conf->model;
	uint64_t *values = calloc((size_t)model->n_lbs + 1, sizeof(*values));

	for (uint32_t i = 0; values != NULL && i < model->n_endpoints; i++) {
		uint32_t lb = endpoint_lb(&model->endpoints[i]);

		if (is_counted(&model->endpoints[i]) && lb != CV_MODEL_NONE)
			values[lb] += endpoint_value(ctl, i, meter->what);
	}
	for (uint32_t i = 0; values != NULL && i < model->n_lbs; i++) {
		const struct ctl_sample sample = {
			.account = model->lbs[i].meta.gone ? 0 : lb_owner(model, i),
			.dims = {{"LoadBalancer", lb_name(&model->lbs[i])}},
			.n_dims = 1,
			.value = values[i],
		};

		if (!model->lbs[i].meta.gone)
			sink->take(sink, meter, &sample);
	}
	free(values);
}

/* ---- the table ---- */

/* What a counter goes by, and the sets of dimensions by which there are series. */
#define SETS_NODE    \
	3,           \
	{            \
		1, 3 \
	}
#define SETS_LB   \
	1,        \
	{         \
		1 \
	}
#define SETS_TG      \
	3,           \
	{            \
		2, 3 \
	}
#define SETS_HOSTS \
	3,         \
	{          \
		3  \
	}
#define SETS_ZONES \
	7,         \
	{          \
		7  \
	}
#define SETS_ENDPOINT  \
	4,             \
	{              \
		15, 31 \
	}
#define SETS_SERVICE          \
	8,                    \
	{                     \
		1, 3, 5, 7, 9 \
	}

#define PROM_LB "nlb_"
#define PROM_TG "nlb_target_group_"
#define PROM_ENDPOINT "privatelink_endpoint_"
#define PROM_SERVICE "privatelink_service_"

/* clang-format off */
static const struct ctl_meter meters[] = {
	{NLB, "ActiveFlowCount", "Count", PROM_LB "active_flow_count",
	 "Flows of a node now (AWS: ActiveFlowCount).", true, true, SETS_NODE, pools_walk,
	 WHAT_ACTIVE},
	{NLB, "ActiveFlowCount_TCP", "Count", NULL, NULL, true, true, SETS_NODE, pools_walk,
	 WHAT_ACTIVE},
	{NLB, "NewFlowCount", "Count", PROM_LB "new_flow_count_total",
	 "Flows that a node opened (AWS: NewFlowCount).", false, true, SETS_NODE, pools_walk,
	 WHAT_NEW},
	{NLB, "NewFlowCount_TCP", "Count", NULL, NULL, false, true, SETS_NODE, pools_walk,
	 WHAT_NEW},
	{NLB, "PortAllocationErrorCount", "Count", PROM_LB "port_allocation_error_count_total",
	 "Flows that a node refused for want of a source port (AWS: PortAllocationErrorCount).",
	 false, true, SETS_NODE, pools_walk, WHAT_ERRORS},
	{NLB, "ActiveFlowCount", "Count", PROM_TG "active_flow_count",
	 "Flows to a target group now (AWS: ActiveFlowCount).", true, true, SETS_TG, targets_walk,
	 WHAT_ACTIVE},
	{NLB, "NewFlowCount", "Count", PROM_TG "new_flow_count_total",
	 "Flows opened to a target group (AWS: NewFlowCount).", false, true, SETS_TG, targets_walk,
	 WHAT_NEW},
	{NLB, "HealthyHostCount", "Count", NULL, NULL, true, true, SETS_HOSTS, hosts_walk,
	 WHAT_HEALTHY},
	{NLB, "UnHealthyHostCount", "Count", NULL, NULL, true, true, SETS_HOSTS, hosts_walk,
	 WHAT_UNHEALTHY},
	{NLB, "HealthyHostCount", "Count", NULL, NULL, true, true, SETS_ZONES, zones_walk,
	 WHAT_HEALTHY},
	{NLB, "UnHealthyHostCount", "Count", NULL, NULL, true, true, SETS_ZONES, zones_walk,
	 WHAT_UNHEALTHY},
	{NLB, "ProcessedBytes", "Bytes", PROM_LB "processed_bytes_total",
	 "Bytes of flows through endpoints, both ways (AWS: ProcessedBytes).", false, true, SETS_LB,
	 brought_walk, WHAT_BYTES},
	{NLB, "ProcessedBytes_TCP", "Bytes", NULL, NULL, false, true, SETS_LB, brought_walk,
	 WHAT_BYTES},
	{NLB, "ProcessedPackets", "Count", PROM_LB "processed_packets_total",
	 "Packets of flows through endpoints, both ways (AWS: ProcessedPackets).", false, true,
	 SETS_LB, brought_walk, WHAT_PACKETS},
	{NLB, "SecurityGroupBlockedFlowCount_Inbound_TCP", "Count",
	 PROM_LB "security_group_blocked_flow_count_inbound_tcp_total",
	 "SYNs through endpoints that no security group allowed (AWS: "
	 "SecurityGroupBlockedFlowCount_Inbound_TCP).",
	 false, true, SETS_LB, brought_walk, WHAT_BLOCKED},
	{ENDPOINTS, "ActiveConnections", "Count", PROM_ENDPOINT "active_connections",
	 "Flows of an endpoint now (AWS: ActiveConnections).", true, false, SETS_ENDPOINT,
	 endpoints_walk, WHAT_ACTIVE},
	{ENDPOINTS, "NewConnections", "Count", PROM_ENDPOINT "new_connections_total",
	 "Flows that an endpoint opened (AWS: NewConnections).", false, false, SETS_ENDPOINT,
	 endpoints_walk, WHAT_NEW},
	{ENDPOINTS, "BytesProcessed", "Bytes", PROM_ENDPOINT "bytes_processed_total",
	 "Bytes through an endpoint, both ways (AWS: BytesProcessed).", false, false, SETS_ENDPOINT,
	 endpoints_walk, WHAT_BYTES},
	{ENDPOINTS, "PacketsDropped", "Count", PROM_ENDPOINT "packets_dropped_total",
	 "Packets that an endpoint dropped (AWS: PacketsDropped).", false, false, SETS_ENDPOINT,
	 endpoints_walk, WHAT_DROPS},
	{ENDPOINTS, "RstPacketsReceived", "Count", PROM_ENDPOINT "rst_packets_received_total",
	 "RSTs of an endpoint's flows (AWS: RstPacketsReceived).", false, false, SETS_ENDPOINT,
	 endpoints_walk, WHAT_RESETS},
	{SERVICES, "ActiveConnections", "Count", PROM_SERVICE "active_connections",
	 "Flows to a service now (AWS: ActiveConnections).", true, false, SETS_SERVICE,
	 services_walk, WHAT_ACTIVE},
	{SERVICES, "NewConnections", "Count", PROM_SERVICE "new_connections_total",
	 "Flows opened to a service (AWS: NewConnections).", false, false, SETS_SERVICE,
	 services_walk, WHAT_NEW},
	{SERVICES, "BytesProcessed", "Bytes", PROM_SERVICE "bytes_processed_total",
	 "Bytes to and from a service (AWS: BytesProcessed).", false, false, SETS_SERVICE,
	 services_walk, WHAT_BYTES},
	{SERVICES, "RstPacketsSent", "Count", PROM_SERVICE "rst_packets_sent_total",
	 "RSTs of a service's flows (AWS: RstPacketsSent).", false, false, SETS_SERVICE,
	 services_walk, WHAT_RESETS},
	{SERVICES, "EndpointsCount", "Count", PROM_SERVICE "endpoints_count",
	 "Endpoints attached to a service (AWS: EndpointsCount).", true, true, 1, {1}, attached_walk,
	 0},
};
/* clang-format on */

const struct ctl_meter *cv_ctl_meters(uint32_t *ret_n)
{
	*ret_n = CV_ARRAY_LEN(meters);
	return meters;
}
