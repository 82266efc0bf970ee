/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * AWS's metrics: the table of them, and those of target groups. What goes by load balancers, endpoints and
 * services is in meters_paths.c.
 */

#include <stdlib.h>
#include <string.h>

#include "cv_model_change.h"

#include "meters_priv.h"
#include "show_priv.h"

#define NLB "AWS/NetworkELB"
#define ENDPOINTS "AWS/PrivateLinkEndpoints"
#define SERVICES "AWS/PrivateLinkServices"

/* ---- names ---- */

/* What AWS's dimensions have of an ARN. */
static const char *after(const char *arn, const char *part)
{
	const char *found = strstr(arn, part);

	return found != NULL ? found + strlen(part) : arn;
}

const char *cv_ctl_meter_lb_name(const struct cv_model_lb *lb)
{
	return after(lb->arn, ":loadbalancer/");
}

static const char *tg_name(const struct cv_model_target_group *tg)
{
	return after(tg->arn, ":targetgroup/") - strlen("targetgroup/");
}

/* Zones go by their owner's names for them. */
const char *cv_ctl_meter_zone_name(const struct cv_model *model, uint32_t account, uint32_t zone)
{
	const struct cv_model_account *a = &model->accounts[account];

	for (uint32_t i = 0; i < a->n_zones; i++) {
		if (a->zones[i].zone == zone)
			return a->zones[i].name;
	}
	return model->zones[zone].id;
}

/* ---- target groups ---- */

/* What of a group a number is of. */
struct tg_part {
	uint32_t tg;
	const struct cv_model_node *node; /* NULL: all of them */
	uint32_t part;                    /* as in struct ctl_sample */
};

/* Dimensions: load balancer, target group, zone. */
static void tg_take(const struct cv_ctl *ctl, const struct ctl_meter *meter,
		    struct ctl_meter_sink *sink, const struct tg_part *of, uint64_t value)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_target_group *tg = &model->tgs[of->tg];
	uint32_t owner = cv_model_owner(model, CV_MODEL_TG, of->tg);
	struct ctl_sample sample = {
		.account = owner,
		.dims = {{"LoadBalancer", cv_ctl_meter_lb_name(&model->lbs[tg->lb])},
			 {"TargetGroup", tg_name(tg)},
			 {"AvailabilityZone", NULL}},
		.n_dims = 3,
		.value = value,
		.part = of->part,
	};

	if (of->node != NULL)
		sample.dims[2].value = cv_ctl_meter_zone_name(model, owner, of->node->zone);
	sink->take(sink, meter, &sample);
}

static uint64_t flows_value(const struct cv_stats_obj_sum *sum, int what)
{
	return what == WHAT_ACTIVE ? cv_ctl_count_active(sum) : sum->new_flows;
}

static uint32_t targets_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			     struct ctl_meter_sink *sink, uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;
	const struct tg_part all = {i, NULL, 0};
	uint64_t value = 0;

	if (i >= model->n_tgs)
		return 0;
	if (model->tgs[i].lb == CV_MODEL_NONE)
		return 1;
	for (uint32_t k = 0; k < model->tgs[i].n_targets; k++) {
		uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_TARGET, i, k);
		const struct cv_stats_obj_sum sum = cv_ctl_counts_get(ctl, CV_PLAN_TARGET, slot);
		const struct tg_part part = {i, NULL, slot + 1};

		value += flows_value(&sum, meter->what);
		if (sink->parts)
			tg_take(ctl, meter, sink, &part, flows_value(&sum, meter->what));
	}
	if (!sink->parts)
		tg_take(ctl, meter, sink, &all, value);
	return 1 + model->tgs[i].n_targets;
}

/* Targets that get nothing since their zone is shifted away. @param zone  CV_MODEL_NONE: in all zones */
static uint64_t shifted_count(const struct cv_model *model, uint32_t tg, uint32_t zone)
{
	const struct cv_model_target_group *group = &model->tgs[tg];
	uint32_t shifted = model->lbs[group->lb].shifted_zone;
	uint64_t n = 0;

	if (shifted == CV_MODEL_NONE || (zone != CV_MODEL_NONE && zone != shifted))
		return 0;
	for (uint32_t i = 0; i < group->n_targets; i++)
		n += group->targets[i].zone == shifted;
	return n;
}

/* Targets of a group that are as asked. @param zone  as cv_health_state() */
static uint64_t hosts_count(const struct cv_ctl *ctl, uint32_t tg, uint32_t zone, int what)
{
	uint64_t n = 0;

	if (what == WHAT_SHIFTED)
		return shifted_count(ctl->conf->model, tg, zone);
	for (uint32_t i = 0; i < ctl->conf->model->tgs[tg].n_targets; i++) {
		enum cv_model_target_state state = cv_health_state(ctl->health, tg, i, zone);

		n += what == WHAT_HEALTHY ? state == CV_MODEL_TARGET_HEALTHY
					  : state == CV_MODEL_TARGET_UNHEALTHY ||
						    state == CV_MODEL_TARGET_UNHEALTHY_DRAINING;
	}
	return n;
}

/* AWS reports shifts of load balancers only that may be shifted. */
static bool hosts_told(const struct cv_model *model, uint32_t tg, int what)
{
	uint32_t lb = model->tgs[tg].lb;

	return lb != CV_MODEL_NONE && (what != WHAT_SHIFTED || model->lbs[lb].zonal_shift);
}

/* For all zones together: what the nodes say as one, not the sum of it. */
static uint32_t hosts_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			   struct ctl_meter_sink *sink, uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;

	if (i >= model->n_tgs)
		return 0;
	if (!hosts_told(model, i, meter->what))
		return 1;
	tg_take(ctl, meter, sink, &(struct tg_part){i, NULL, 0},
		hosts_count(ctl, i, CV_MODEL_NONE, meter->what));
	return 1 + model->tgs[i].n_targets;
}

static uint32_t zones_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			   struct ctl_meter_sink *sink, uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_lb *lb;

	if (i >= model->n_tgs)
		return 0;
	if (!hosts_told(model, i, meter->what))
		return 1;
	lb = &model->lbs[model->tgs[i].lb];
	for (uint32_t k = 0; k < lb->n_nodes; k++)
		tg_take(ctl, meter, sink, &(struct tg_part){i, &lb->nodes[k], 0},
			hosts_count(ctl, i, lb->nodes[k].zone, meter->what));
	return 1 + lb->n_nodes * model->tgs[i].n_targets;
}

/* ---- the table ---- */

/* What a counter goes by, and the sets of dimensions by which there are series. */
#define SETS_NODE    \
	3,           \
	{            \
		1, 3 \
	}
#define SETS_NODE_ONLY \
	3,             \
	{              \
		3      \
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
	 "Flows of a node now (AWS: ActiveFlowCount).", true, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_ACTIVE},
	{NLB, "ActiveFlowCount_TCP", "Count", NULL, NULL, true, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_ACTIVE},
	{NLB, "NewFlowCount", "Count", PROM_LB "new_flow_count_total",
	 "Flows that a node opened (AWS: NewFlowCount).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_NEW},
	{NLB, "NewFlowCount_TCP", "Count", NULL, NULL, false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_NEW},
	{NLB, "PortAllocationErrorCount", "Count", PROM_LB "port_allocation_error_count_total",
	 "Flows that a node refused for want of a source port (AWS: "
	 "PortAllocationErrorCount).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_ERRORS},
	{NLB, "RejectedFlowCount", "Count", PROM_LB "rejected_flow_count_total",
	 "SYNs that a node let in but had no target, port or room for (AWS: "
	 "RejectedFlowCount).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_REJECTED},
	{NLB, "RejectedFlowCount_TCP", "Count", NULL, NULL, false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_REJECTED},
	{NLB, "UnhealthyRoutingFlowCount", "Count", PROM_LB "unhealthy_routing_flow_count_total",
	 "Flows opened while too few targets were healthy (AWS: "
	 "UnhealthyRoutingFlowCount).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_UNHEALTHY},
	{NLB, "ProcessedBytes", "Bytes", PROM_LB "processed_bytes_total",
	 "IP bytes of a node's flows, both ways (AWS: ProcessedBytes).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_BYTES},
	{NLB, "ProcessedBytes_TCP", "Bytes", NULL, NULL, false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_BYTES},
	{NLB, "ProcessedPackets", "Count", PROM_LB "processed_packets_total",
	 "Packets of a node's flows, both ways (AWS: ProcessedPackets).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_PACKETS},
	{NLB, "TCP_Client_Reset_Count", "Count", PROM_LB "tcp_client_reset_count_total",
	 "RSTs from clients (AWS: TCP_Client_Reset_Count).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_CLIENT_RST},
	{NLB, "TCP_Target_Reset_Count", "Count", PROM_LB "tcp_target_reset_count_total",
	 "RSTs from targets (AWS: TCP_Target_Reset_Count).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_TARGET_RST},
	{NLB, "TCP_ELB_Reset_Count", "Count", PROM_LB "tcp_elb_reset_count_total",
	 "RSTs that culvert made (AWS: TCP_ELB_Reset_Count).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_ELB_RST},
	{NLB, "SecurityGroupBlockedFlowCount_Inbound_TCP", "Count",
	 PROM_LB "security_group_blocked_flow_count_inbound_tcp_total",
	 "SYNs that the load balancer's security groups refused (AWS: "
	 "SecurityGroupBlockedFlowCount_Inbound_TCP).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_SG_TCP},
	{NLB, "SecurityGroupBlockedFlowCount_Inbound_ICMP", "Count",
	 PROM_LB "security_group_blocked_flow_count_inbound_icmp_total",
	 "ICMP packets that the load balancer's security groups do not allow (AWS: "
	 "SecurityGroupBlockedFlowCount_Inbound_ICMP).", false, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_SG_ICMP},
	{NLB, "ZonalHealthStatus", "Count", PROM_LB "zonal_health_status",
	 "1 if a node has the healthy targets that DNS asks for (AWS: "
	 "ZonalHealthStatus).", true, true, SETS_NODE,
	 cv_ctl_meter_nodes_walk, WHAT_HEALTHY},
	{NLB, "PeakBytesPerSecond", "Bytes/Second", PROM_LB "peak_bytes_per_second",
	 "Bytes of a node's flows a second, in the best 10 of the minute (AWS: "
	 "PeakBytesPerSecond).", true, true, SETS_NODE_ONLY,
	 cv_ctl_meter_peaks_walk, WHAT_BYTES},
	{NLB, "PeakBytesPerSecond", "Bytes/Second", NULL, NULL, true, true, SETS_LB,
	 cv_ctl_meter_lb_peaks_walk, WHAT_BYTES},
	{NLB, "PeakPacketsPerSecond", "Count/Second", PROM_LB "peak_packets_per_second",
	 "Packets of a node's flows a second, in the best 10 of the minute (AWS: "
	 "PeakPacketsPerSecond).", true, true, SETS_NODE_ONLY,
	 cv_ctl_meter_peaks_walk, WHAT_PACKETS},
	{NLB, "PeakPacketsPerSecond", "Count/Second", NULL, NULL, true, true, SETS_LB,
	 cv_ctl_meter_lb_peaks_walk, WHAT_PACKETS},
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
	{NLB, "HealthyHostCount", "Count", "healthy_host_count",
	 "Targets that a node's checks find healthy (AWS: HealthyHostCount).", true, true,
	 SETS_ZONES, zones_walk, WHAT_HEALTHY},
	{NLB, "UnHealthyHostCount", "Count", "unhealthy_host_count",
	 "Targets that a node's checks find unhealthy (AWS: UnHealthyHostCount).", true, true,
	 SETS_ZONES, zones_walk, WHAT_UNHEALTHY},
	{NLB, "ActiveZonalShiftHostCount", "Count", NULL, NULL, true, true, SETS_HOSTS, hosts_walk,
	 WHAT_SHIFTED},
	{NLB, "ActiveZonalShiftHostCount", "Count", PROM_TG "active_zonal_shift_host_count",
	 "Targets without new flows since their zone is shifted away (AWS: ActiveZonalShiftHostCount).",
	 true, true, SETS_ZONES, zones_walk, WHAT_SHIFTED},
	{ENDPOINTS, "ActiveConnections", "Count", PROM_ENDPOINT "active_connections",
	 "Flows of an endpoint now (AWS: ActiveConnections).", true, false, SETS_ENDPOINT,
	 cv_ctl_meter_endpoints_walk, WHAT_ACTIVE},
	{ENDPOINTS, "NewConnections", "Count", PROM_ENDPOINT "new_connections_total",
	 "Flows that an endpoint opened (AWS: NewConnections).", false, false, SETS_ENDPOINT,
	 cv_ctl_meter_endpoints_walk, WHAT_NEW},
	{ENDPOINTS, "BytesProcessed", "Bytes", PROM_ENDPOINT "bytes_processed_total",
	 "Bytes through an endpoint, both ways (AWS: BytesProcessed).", false, false, SETS_ENDPOINT,
	 cv_ctl_meter_endpoints_walk, WHAT_BYTES},
	{ENDPOINTS, "PacketsDropped", "Count", PROM_ENDPOINT "packets_dropped_total",
	 "Packets that an endpoint dropped (AWS: PacketsDropped).", false, false, SETS_ENDPOINT,
	 cv_ctl_meter_endpoints_walk, WHAT_DROPS},
	{ENDPOINTS, "RstPacketsReceived", "Count", PROM_ENDPOINT "rst_packets_received_total",
	 "RSTs of an endpoint's flows (AWS: RstPacketsReceived).", false, false, SETS_ENDPOINT,
	 cv_ctl_meter_endpoints_walk, WHAT_RESETS},
	{SERVICES, "ActiveConnections", "Count", PROM_SERVICE "active_connections",
	 "Flows to a service now (AWS: ActiveConnections).", true, false, SETS_SERVICE,
	 cv_ctl_meter_services_walk, WHAT_ACTIVE},
	{SERVICES, "NewConnections", "Count", PROM_SERVICE "new_connections_total",
	 "Flows opened to a service (AWS: NewConnections).", false, false, SETS_SERVICE,
	 cv_ctl_meter_services_walk, WHAT_NEW},
	{SERVICES, "BytesProcessed", "Bytes", PROM_SERVICE "bytes_processed_total",
	 "Bytes to and from a service (AWS: BytesProcessed).", false, false, SETS_SERVICE,
	 cv_ctl_meter_services_walk, WHAT_BYTES},
	{SERVICES, "RstPacketsSent", "Count", PROM_SERVICE "rst_packets_sent_total",
	 "RSTs of a service's flows (AWS: RstPacketsSent).", false, false, SETS_SERVICE,
	 cv_ctl_meter_services_walk, WHAT_RESETS},
	{SERVICES, "EndpointsCount", "Count", PROM_SERVICE "endpoints_count",
	 "Endpoints attached to a service (AWS: EndpointsCount).", true, true, 1, {1},
	 cv_ctl_meter_attached_walk,
	 0},
};
/* clang-format on */

const struct ctl_meter *cv_ctl_meters(uint32_t *ret_n)
{
	*ret_n = CV_ARRAY_LEN(meters);
	return meters;
}

bool cv_ctl_meters_walk(const struct cv_ctl *ctl, struct ctl_meter_sink *sink,
			struct ctl_meter_walk *walk, uint32_t n)
{
	for (uint32_t done = 0; walk->meter < CV_ARRAY_LEN(meters);) {
		const struct ctl_meter *meter = &meters[walk->meter];
		uint32_t looked;

		if (done >= n)
			return true;
		looked = meter->walk(ctl, meter, sink, walk->i++);
		done += looked;
		if (looked == 0)
			*walk = (struct ctl_meter_walk){walk->meter + 1, 0};
	}
	return false;
}
