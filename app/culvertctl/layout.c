/* SPDX-License-Identifier: BSD-3-Clause */

#include "layout.h"

#include <string.h>

static const struct culvertctl_col ports_cols[] = {
	{"PORT", "name", FORM_TEXT},
	{"DRIVER", "driver", FORM_TEXT},
	{"LINK", "link", FORM_TEXT},
	{"MBIT/S", "mbps", FORM_COUNT},
	{"MTU", "mtu", FORM_COUNT},
	{"MAC", "mac", FORM_TEXT},
	{"RXQ", "rx_queues", FORM_COUNT},
	{"TXQ", "tx_queues", FORM_COUNT},
	{"RSS", "rss", FORM_TEXT},
	{"RX PKTS", "rx_packets", FORM_COUNT},
	{"RX BYTES", "rx_bytes", FORM_BYTES},
	{"TX PKTS", "tx_packets", FORM_COUNT},
	{"TX BYTES", "tx_bytes", FORM_BYTES},
	{"MISSED", "rx_missed", FORM_COUNT},
	{"RX ERR", "rx_errors", FORM_COUNT},
	{"TX ERR", "tx_errors", FORM_COUNT},
	{0},
};

static const struct culvertctl_section ports[] = {
	{
		.rows = "ports",
		.none = "no ports",
		.cols = ports_cols,
	},
	{0},
};

static const struct culvertctl_col vpcs_cols[] = {
	{"VPC", "id", FORM_TEXT},      {"NAME", "name", FORM_TEXT},
	{"OWNER", "owner", FORM_TEXT}, {"CIDRS", "cidrs", FORM_TEXT},
	{"PORT", "port", FORM_TEXT},   {"VLAN", "vlan", FORM_COUNT},
	{"VNI", "vni", FORM_COUNT},    {"VTEP", "vtep", FORM_TEXT},
	{"MTU", "mtu", FORM_COUNT},    {0},
};

static const struct culvertctl_col vpcs_subnets_cols[] = {
	{"SUBNET", "id", FORM_TEXT},       {"NAME", "name", FORM_TEXT},
	{"VPC", "^name", FORM_TEXT},       {"CIDR", "cidr", FORM_TEXT},
	{"AZ ID", "az_id", FORM_TEXT},     {"AZ", "az_name", FORM_TEXT},
	{"GATEWAY", "gateway", FORM_TEXT}, {0},
};

static const struct culvertctl_section vpcs[] = {
	{
		.rows = "vpcs",
		.none = "no VPCs",
		.cols = vpcs_cols,
	},
	{
		.rows = "vpcs",
		.inner = "subnets",
		.title = "subnets",
		.none = "no subnets",
		.cols = vpcs_subnets_cols,
	},
	{0},
};

static const struct culvertctl_col load_balancers_cols[] = {
	{"LOAD BALANCER", "name", FORM_TEXT},
	{"ACCOUNT", "account", FORM_TEXT},
	{"VPC", "vpc", FORM_TEXT},
	{"CROSS-ZONE", "cross_zone", FORM_TEXT},
	{"SERVICE", "service", FORM_TEXT},
	{"ZONES", "nodes.az_id", FORM_TEXT},
	{"ARN", "arn", FORM_TEXT},
	{0},
};

static const struct culvertctl_col load_balancers_nodes_cols[] = {
	{"LOAD BALANCER", "^name", FORM_TEXT},
	{"ACCOUNT", "^account", FORM_TEXT},
	{"AZ ID", "az_id", FORM_TEXT},
	{"SUBNET", "subnet", FORM_TEXT},
	{"IPS", "ips", FORM_TEXT},
	{"HEALTHY", "healthy", FORM_TEXT},
	{"SHIFTED", "zonal_shift", FORM_TEXT},
	{"IN DNS", "in_dns", FORM_TEXT},
	{0},
};

static const struct culvertctl_col load_balancers_listeners_cols[] = {
	{"LOAD BALANCER", "^name", FORM_TEXT},
	{"ACCOUNT", "^account", FORM_TEXT},
	{"PORT", "port", FORM_COUNT},
	{"TARGET GROUP", "target_group", FORM_TEXT},
	{"WEIGHTS", "forward", FORM_TEXT},
	{"IDLE S", "idle_seconds", FORM_COUNT},
	{"ACTIVE", "active_flows", FORM_COUNT},
	{"NEW", "new_flows", FORM_COUNT},
	{0},
};

static const struct culvertctl_section load_balancers[] = {
	{
		.rows = "load_balancers",
		.none = "no load balancers",
		.cols = load_balancers_cols,
	},
	{
		.rows = "load_balancers",
		.inner = "nodes",
		.title = "nodes",
		.none = "no nodes",
		.cols = load_balancers_nodes_cols,
	},
	{
		.rows = "load_balancers",
		.inner = "listeners",
		.title = "listeners",
		.none = "no listeners",
		.cols = load_balancers_listeners_cols,
	},
	{0},
};

static const struct culvertctl_col targets_cols[] = {
	{"TARGET GROUP", "name", FORM_TEXT},
	{"ACCOUNT", "account", FORM_TEXT},
	{"VPC", "vpc", FORM_TEXT},
	{"LOAD BALANCER", "load_balancer", FORM_TEXT},
	{"PROXY V2", "proxy_protocol_v2", FORM_TEXT},
	{"HEADER", "header_placement", FORM_TEXT},
	{"CHECK", "health_check.protocol", FORM_TEXT},
	{"PORT", "health_check.port", FORM_TEXT},
	{"CHECKED", "health_check.enabled", FORM_TEXT},
	{"ARN", "arn", FORM_TEXT},
	{0},
};

static const struct culvertctl_col targets_targets_cols[] = {
	{"TARGET", "target", FORM_TEXT},
	{"GROUP", "^name", FORM_TEXT},
	{"ACCOUNT", "^account", FORM_TEXT},
	{"AZ ID", "az_id", FORM_TEXT},
	{"STATE", "state", FORM_TEXT},
	{"REASON", "reason", FORM_TEXT},
	{"BY ZONE", "states", FORM_TEXT},
	{"LAST FAILURE", "last_failure", FORM_TEXT},
	{"NEXT HOP", "next_hop", FORM_TEXT},
	{"MAC", "mac", FORM_TEXT},
	{"NEIGHBOUR", "neighbour", FORM_TEXT},
	{"ACTIVE", "active_flows", FORM_COUNT},
	{"NEW", "new_flows", FORM_COUNT},
	{0},
};

static const struct culvertctl_section targets[] = {
	{
		.rows = "target_groups",
		.none = "no target groups",
		.cols = targets_cols,
	},
	{
		.rows = "target_groups",
		.inner = "targets",
		.title = "targets",
		.none = "no targets",
		.cols = targets_targets_cols,
	},
	{0},
};

static const struct culvertctl_col services_cols[] = {
	{"SERVICE", "id", FORM_TEXT},
	{"NAME", "name", FORM_TEXT},
	{"OWNER", "owner", FORM_TEXT},
	{"LOAD BALANCERS", "load_balancers", FORM_TEXT},
	{"ACCEPTANCE", "acceptance_required", FORM_TEXT},
	{"AVAILABLE", "endpoints.available", FORM_COUNT},
	{"PENDING", "endpoints.pendingAcceptance", FORM_COUNT},
	{"REJECTED", "endpoints.rejected", FORM_COUNT},
	{"PRINCIPALS", "principals", FORM_TEXT},
	{0},
};

static const struct culvertctl_section services[] = {
	{
		.rows = "services",
		.none = "no services",
		.cols = services_cols,
	},
	{0},
};

static const struct culvertctl_col endpoints_cols[] = {
	{"ENDPOINT", "id", FORM_TEXT},
	{"NAME", "name", FORM_TEXT},
	{"STATE", "state", FORM_TEXT},
	{"SERVICE", "service", FORM_TEXT},
	{"OWNER", "owner", FORM_TEXT},
	{"ENIS", "enis.ip", FORM_TEXT},
	{"AZ IDS", "enis.az_id", FORM_TEXT},
	{"ACTIVE", "active_flows", FORM_COUNT},
	{"NEW", "new_flows", FORM_COUNT},
	{"TO TARGET", "bytes_to_target", FORM_BYTES},
	{"TO CLIENT", "bytes_to_client", FORM_BYTES},
	{"DROPS", "drops", FORM_COUNT},
	{"VERDICT", "verdict", FORM_TEXT},
	{"DROPPED FOR", "drops_by_reason", FORM_TEXT},
	{0},
};

static const struct culvertctl_section endpoints[] = {
	{
		.rows = "endpoints",
		.none = "no endpoints",
		.cols = endpoints_cols,
	},
	{0},
};

static const struct culvertctl_col flows_cols[] = {
	{"CLIENT", "client", FORM_TEXT},      {"DIALLED", "dialled", FORM_TEXT},
	{"NODE", "node", FORM_TEXT},          {"TARGET", "target", FORM_TEXT},
	{"STATE", "state", FORM_TEXT},        {"ENDPOINT", "endpoint", FORM_TEXT},
	{"PROXY", "proxy_header", FORM_TEXT}, {"IDLE", "idle_ms", FORM_MS},
	{"WORKER", "worker", FORM_COUNT},     {0},
};

static const struct culvertctl_section flows[] = {
	{
		.rows = "flows",
		.none = "no flows",
		.cols = flows_cols,
	},
	{0},
};

static const struct culvertctl_col snat_cols[] = {
	{"NODE IP", "node_ip", FORM_TEXT}, {"TARGET", "target", FORM_TEXT},
	{"VPC", "vpc", FORM_TEXT},         {"PORTS", "ports", FORM_COUNT},
	{"USED", "used", FORM_COUNT},      {"RESTING", "resting", FORM_COUNT},
	{"FREE", "free", FORM_COUNT},      {"ERRORS", "errors", FORM_COUNT},
	{"WANTED", "wanted", FORM_TEXT},   {0},
};

static const struct culvertctl_section snat[] = {
	{
		.rows = "pools",
		.none = "no source port pools",
		.cols = snat_cols,
	},
	{0},
};

static const struct culvertctl_col drops_cols[] = {
	{"REASON", "reason", FORM_TEXT},
	{"PACKETS", "packets", FORM_COUNT},
	{"MEANING", "help", FORM_TEXT},
	{0},
};

static const struct culvertctl_section drops[] = {
	{
		.rows = "drops",
		.none = "nothing was dropped",
		.only_if = "packets",
		.cols = drops_cols,
	},
	{0},
};

static const struct culvertctl_col workers_cols[] = {
	{"WORKER", "id", FORM_COUNT},
	{"BUSY", "busy", FORM_PERCENT},
	{"CYCLES/PKT", "cycles_per_packet", FORM_COUNT},
	{"PKTS/S", "packets_per_second", FORM_COUNT},
	{"PACKETS", "packets", FORM_COUNT},
	{"FLOWS", "flows", FORM_COUNT},
	{"CONFIG", "generation", FORM_COUNT},
	{"SWEPT", "swept_generation", FORM_COUNT},
	{0},
};

static const struct culvertctl_section workers[] = {
	{
		.rows = "workers",
		.none = "no workers",
		.cols = workers_cols,
	},
	{0},
};

static const struct culvertctl_col stages_workers_cols[] = {
	{"WORKER", "id", FORM_COUNT},
	{"BUSY", "busy", FORM_PERCENT},
	{"PACKETS", "packets", FORM_COUNT},
	{"CYCLES/PKT", "cycles_per_packet", FORM_TENTHS},
	{"INSTR/PKT", "instructions_per_packet", FORM_TENTHS},
	{0},
};

static const struct culvertctl_col stages_cols[] = {
	{"WORKER", "^id", FORM_COUNT},
	{"STAGE", "stage", FORM_TEXT},
	{"CYCLES/PKT", "cycles_per_packet", FORM_TENTHS},
	{"SHARE", "share", FORM_PERCENT},
	{"MEANING", "help", FORM_TEXT},
	{0},
};

/* What `show workers --stages` is answered with. */
static const struct culvertctl_section stages[] = {
	{
		.rows = "workers",
		.none = "no workers",
		.cols = stages_workers_cols,
	},
	{
		.rows = "workers",
		.inner = "stages",
		.title = "stages",
		.none = "no packets, so no stage has a cost",
		.cols = stages_cols,
	},
	{0},
};

static const struct culvertctl_col neighbours_cols[] = {
	{"VPC", "vpc", FORM_TEXT},
	{"IP", "ip", FORM_TEXT},
	{"MAC", "mac", FORM_TEXT},
	{"STATE", "state", FORM_TEXT},
	{"HEARD", "heard_ms_ago", FORM_MS},
	{"TRIES", "tries", FORM_COUNT},
	{0},
};

static const struct culvertctl_section neighbours[] = {
	{
		.rows = "neighbours",
		.none = "no neighbours",
		.cols = neighbours_cols,
	},
	{0},
};

static const struct culvertctl_col host_cols[] = {
	{"VPC", "vpc", FORM_TEXT},
	{"STATE", "state", FORM_TEXT},
	{"NAMESPACE", "namespace", FORM_TEXT},
	{"ADDRESSES", "addresses", FORM_TEXT},
	{"PORTS", "ports", FORM_TEXT},
	{"MTU", "mtu", FORM_COUNT},
	{"UP PKTS", "up_packets", FORM_COUNT},
	{"DOWN PKTS", "down_packets", FORM_COUNT},
	{"UP DROPS", "up_drops", FORM_COUNT},
	{"DOWN DROPS", "down_drops", FORM_COUNT},
	{"ERROR", "error", FORM_TEXT},
	{0},
};

static const struct culvertctl_section host[] = {
	{
		.rows = "namespaces",
		.none = "no VPC needs sockets of the kernel",
		.cols = host_cols,
	},
	{0},
};

static const struct culvertctl_col dns_servers_cols[] = {
	{"VPC", "vpc", FORM_TEXT},     {"ADDRESS", "address", FORM_TEXT},
	{"STATE", "state", FORM_TEXT}, {"ERROR", "error", FORM_TEXT},
	{0},
};

static const struct culvertctl_col dns_names_cols[] = {
	{"NAME", "name", FORM_TEXT},
	{"SEEN IN", "vpc", FORM_TEXT},
	{"ANSWER", "answer", FORM_TEXT},
	{"LEFT OUT", "left_out", FORM_TEXT},
	{"CLIENT ZONE", "zone_affinity", FORM_TEXT},
	{0},
};

static const struct culvertctl_section dns[] = {
	{
		.rows = "servers",
		.none = "DNS is off",
		.cols = dns_servers_cols,
	},
	{
		.rows = "names",
		.title = "names",
		.none = "nothing has a name",
		.cols = dns_names_cols,
	},
	{0},
};

static const struct culvertctl_col steering_cols[] = {
	{"PORT", "port", FORM_TEXT},
	{"INTERFACE", "interface", FORM_TEXT},
	{"MODE", "mode", FORM_TEXT},
	{"ADDRESSES", "n_addresses", FORM_COUNT},
	{"OUR IPV4", "ipv4", FORM_COUNT},
	{"OUR ARP", "arp", FORM_COUNT},
	{"OUR VXLAN", "vxlan", FORM_COUNT},
	{"HOST'S", "host", FORM_COUNT},
	{"DEAF", "deaf", FORM_COUNT},
	{0},
};

static const struct culvertctl_col steering_addrs_cols[] = {
	{"PORT", "^port", FORM_TEXT},
	{"VLAN", "vlan", FORM_COUNT},
	{"ADDRESS", "ip", FORM_TEXT},
	{"MAC", "mac", FORM_TEXT},
	{0},
};

static const struct culvertctl_section steering[] = {
	{
		.rows = "steering",
		.none = "no port shares its interface with the host",
		.cols = steering_cols,
	},
	{
		.rows = "steering",
		.inner = "addresses",
		.title = "addresses",
		.none = "no addresses",
		.cols = steering_addrs_cols,
	},
	{0},
};

static const struct culvertctl_col state_cols[] = {
	{"FILE", "file", FORM_TEXT},
	{"STATE", "state", FORM_TEXT},
	{"REVISION", "revision", FORM_COUNT},
	{"TRANSACTIONS", "transactions", FORM_COUNT},
	{"FAILURES", "failures", FORM_COUNT},
	{"ERROR", "error", FORM_TEXT},
	{0},
};

static const struct culvertctl_col left_out_cols[] = {
	{"KIND", "kind", FORM_TEXT},
	{"ID", "id", FORM_TEXT},
	{"WHY", "why", FORM_TEXT},
	{0},
};

static const struct culvertctl_col decision_cols[] = {
	{"KIND", "kind", FORM_TEXT},
	{"NAME", "name", FORM_TEXT},
	{"DECISION", "decision", FORM_TEXT},
	{0},
};

static const struct culvertctl_section state[] = {
	{
		.rows = "stores",
		.none = "nothing is kept",
		.cols = state_cols,
	},
	{
		.rows = "left_out",
		.title = "kept, but not in use",
		.none = "all of it is in use",
		.cols = left_out_cols,
	},
	{
		.rows = "decisions",
		.title = "decided by hand or by calls, over the file",
		.none = "the file stands as it is",
		.cols = decision_cols,
	},
	{0},
};

static const struct {
	const char *what;
	const struct culvertctl_section *sections;
} layouts[] = {
	{"state", state},
	{"ports", ports},     {"vpcs", vpcs},         {"load-balancers", load_balancers},
	{"targets", targets}, {"services", services}, {"endpoints", endpoints},
	{"flows", flows},     {"snat", snat},         {"drops", drops},
	{"workers", workers}, {"stages", stages},     {"neighbours", neighbours},
	{"host", host},       {"steering", steering},
	{"dns", dns},
};

const struct culvertctl_section *culvertctl_layout_find(const char *what)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (strcmp(layouts[i].what, what) == 0)
			return layouts[i].sections;
	}
	return NULL;
}
