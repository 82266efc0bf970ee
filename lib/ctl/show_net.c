/* SPDX-License-Identifier: BSD-3-Clause */

/* Ports, VPCs, neighbours. */

#include "show_priv.h"

static json_t *port_json(struct cv_ctl *ctl, const struct cv_io_port_info *info)
{
	json_t *port = json_pack(
		"{s:s, s:s, s:i, s:s, s:I, s:i, s:i, s:i, s:b, s:b, s:b}", "name", info->name,
		"driver", info->driver, "devices", (int)info->n_devices, "link",
		info->link_up ? "up" : "down", "mbps", (json_int_t)info->link_mbps, "mtu",
		(int)info->mtu, "rx_queues", (int)info->n_rx_queues, "tx_queues",
		(int)info->n_tx_queues, "can_rss", (int)info->can_rss, "can_checksum",
		(int)info->can_checksum, "can_tso", (int)info->can_tso);
	const struct {
		const char *name;
		uint64_t value;
	} members[] = {
		{"rx_packets", info->rx_pkts},   {"rx_bytes", info->rx_bytes},
		{"tx_packets", info->tx_pkts},   {"tx_bytes", info->tx_bytes},
		{"rx_missed", info->rx_missed},  {"rx_errors", info->rx_errors},
		{"rx_no_mbuf", info->rx_nombuf}, {"tx_errors", info->tx_errors},
	};

	cv_ctl_json_put(ctl, port, "mac", cv_ctl_json_mac(info->mac));
	cv_ctl_json_put(ctl, port, "rss", json_string(info->rss_on ? "on" : "off"));
	for (size_t i = 0; i < CV_ARRAY_LEN(members); i++)
		cv_ctl_json_put(ctl, port, members[i].name,
				json_integer((json_int_t)members[i].value));
	return port;
}

int cv_ctl_show_ports(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *ports = json_array();

	for (uint32_t i = 0; ctl->io != NULL && i < ctl->conf->dpdk.n_ports; i++) {
		struct cv_io_port_info info;

		cv_io_port_info(ctl->io, (uint16_t)i, &info);
		cv_ctl_json_add(ctl, ports, port_json(ctl, &info));
	}
	show->root = json_pack("{s:o}", "ports", ports);
	return 0;
}

static json_t *subnet_json(const struct cv_model *model, const struct cv_model_subnet *subnet)
{
	char cidr[CV_NET_STR_LEN];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "id", subnet->id, "name", subnet->name,
			 "cidr", cv_prefix_str(&subnet->cidr, cidr), "az_id",
			 model->zones[subnet->zone].id, "az_name", subnet->zone_name, "gateway",
			 subnet->gateway != 0 ? cv_ctl_json_ip(subnet->gateway) : json_null());
}

static json_t *vpc_json(struct cv_ctl *ctl, uint32_t idx)
{
	const struct cv_view_spec *spec = cv_view_spec_get(cv_view_pub_current(ctl->pub));
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_vpc *vpc = &model->vpcs[idx];
	uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_VPC, 0, idx);
	json_t *cidrs = json_array(), *subnets = json_array();

	for (uint32_t i = 0; i < vpc->n_cidrs; i++) {
		char cidr[CV_NET_STR_LEN];

		cv_ctl_json_add(ctl, cidrs, json_string(cv_prefix_str(&vpc->cidrs[i], cidr)));
	}
	for (uint32_t i = 0; i < model->n_subnets; i++) {
		if (model->subnets[i].vpc == idx && !model->subnets[i].meta.gone)
			cv_ctl_json_add(ctl, subnets, subnet_json(model, &model->subnets[i]));
	}
	return json_pack("{s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:i, s:i, s:o}", "id", vpc->id,
			 "name", vpc->name, "owner", model->accounts[vpc->owner].id, "cidrs", cidrs,
			 "port", vpc->port, "vlan",
			 vpc->vlan != 0 ? json_integer(vpc->vlan) : json_null(), "vni",
			 vpc->vxlan.vni != 0 ? json_integer(vpc->vxlan.vni) : json_null(), "vtep",
			 vpc->vxlan.vni != 0 ? cv_ctl_json_ip(vpc->vxlan.vtep) : json_null(), "mtu",
			 (int)spec->vpcs[slot].mtu, "mss_max", (int)spec->vpcs[slot].mss_max,
			 "subnets", subnets);
}

int cv_ctl_show_vpcs(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *vpcs = json_array();

	for (uint32_t i = 0; i < ctl->conf->model->n_vpcs; i++) {
		if (!ctl->conf->model->vpcs[i].meta.gone)
			cv_ctl_json_add(ctl, vpcs, vpc_json(ctl, i));
	}
	show->root = json_pack("{s:o}", "vpcs", vpcs);
	return 0;
}

int cv_ctl_show_neighbours(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *list = json_array();
	uint64_t now_ms = cv_clock_ms();

	for (uint32_t i = 0; i < ctl->neighs.n; i++) {
		const struct ctl_neigh *neigh = &ctl->neighs.items[i];
		bool known = neigh->state > CTL_NEIGH_UNRESOLVED;

		if (neigh->state == CTL_NEIGH_UNUSED)
			continue;
		cv_ctl_json_add(
			ctl, list,
			json_pack("{s:s, s:o, s:o, s:s, s:o, s:i}", "vpc",
				  cv_ctl_vpc_name(ctl, neigh->vpc), "ip", cv_ctl_json_ip(neigh->ip),
				  "mac", known ? cv_ctl_json_mac(neigh->mac) : json_null(), "state",
				  cv_ctl_neigh_state_str((enum ctl_neigh_state)neigh->state),
				  "heard_ms_ago",
				  known ? json_integer((json_int_t)(now_ms - neigh->heard_ms))
					: json_null(),
				  "tries", (int)neigh->tries));
	}
	show->root = json_pack("{s:o}", "neighbours", list);
	return 0;
}
