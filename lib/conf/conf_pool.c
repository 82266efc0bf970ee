/* SPDX-License-Identifier: BSD-3-Clause */

/* Where VPCs are attached, and attachments for those that calls make. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cv_model_pool.h"

#include "conf_priv.h"

/* Ports whose entries are wrong may have any name: then nothing can be said. */
void cv_conf_check_port_name(struct conf_run *run, uint32_t node)
{
	const struct cv_conf_dpdk *dpdk = &run->conf->dpdk;
	const char *port = node != CONF_NONE ? json_string_value(run->doc.nodes[node].value) : NULL;
	char known[128] = "";

	for (uint32_t i = 0; i < dpdk->n_ports; i++) {
		const char *name = dpdk->ports[i].name;

		if (name == NULL || port == NULL || strcmp(name, port) == 0)
			return;
		cv_list_add(known, sizeof(known), name);
	}
	if (dpdk->n_ports > 0)
		cv_conf_err(run, node, "dpdk.ports has no port '%s'; known: %s", port, known);
}

struct cv_model_vxlan cv_conf_vxlan(struct conf_run *run, uint32_t at, cv_be32_t *peers)
{
	struct cv_model_vxlan vxlan = {.peers = peers};
	uint32_t list, gateway;

	vxlan.vtep = cv_conf_ip(run, cv_conf_node(run, at, "vtep"));
	gateway = cv_conf_doc_child(&run->doc, at, "gateway", 7);
	if (gateway != CONF_NONE)
		vxlan.gateway = cv_conf_ip(run, gateway);
	list = cv_conf_doc_child(&run->doc, at, "peers", 5);
	for (uint32_t i = list != CONF_NONE ? cv_conf_doc_first(&run->doc, list) : CONF_NONE;
	     i != CONF_NONE; i = cv_conf_doc_next(&run->doc, i))
		peers[vxlan.n_peers++] = cv_conf_ip(run, i);
	return vxlan;
}

/* @return false, with an error: what carries VXLAN is one network */
static bool check_vlans(struct conf_run *run, uint32_t node, bool vxlan)
{
	uint32_t vlans = cv_conf_doc_child(&run->doc, node, "vlans", 5);
	uint32_t vlan = cv_conf_doc_child(&run->doc, node, "vlan", 4);

	if (vxlan && vlans != CONF_NONE)
		cv_conf_err(run, vlans, "with `vxlan`, `vlan` says what carries it");
	else if (!vxlan && vlan != CONF_NONE)
		cv_conf_err(run, vlan, "without `vxlan`, `vlans` says which there are");
	else
		return true;
	return false;
}

static void range_get(struct conf_run *run, uint32_t node, uint32_t *first, uint32_t *last)
{
	uint32_t n_rows;

	if (node != CONF_NONE)
		(void)cv_conf_range(run->doc.nodes[node].value,
				    &cv_conf_schema(&n_rows)[run->doc.nodes[node].row], first,
				    last);
}

static void pool_add(struct conf_run *run, uint32_t node, struct cv_model_pool_req *req)
{
	struct cv_model_errs errs = {0};
	const char **accounts = cv_conf_strs(run, cv_conf_doc_child(&run->doc, node, "accounts", 8),
					     &req->n_accounts);

	req->accounts = accounts;
	if (cv_model_pool_add(run->conf->model, req, &errs) == -ENOMEM)
		run->oom = true;
	cv_conf_report(run, node, &errs);
	free(accounts);
}

void cv_conf_build_pool(struct conf_run *run, uint32_t node, uint32_t arg)
{
	uint32_t vxlan = cv_conf_doc_child(&run->doc, node, "vxlan", 5);
	cv_be32_t peers[CV_MODEL_PEERS_MAX];
	struct cv_model_pool_req req = {.port = cv_conf_str(run, node, "port")};
	uint32_t vlan_first = 0, vlan_last = 0;

	(void)arg;
	if (run->doc.nodes[node].spoiled || !check_vlans(run, node, vxlan != CONF_NONE))
		return;
	cv_conf_check_port_name(run, cv_conf_node(run, node, "port"));
	if (vxlan != CONF_NONE) {
		req.vxlan = cv_conf_vxlan(run, vxlan, peers);
		range_get(run, cv_conf_node(run, vxlan, "vnis"), &req.vxlan.vni, &req.vni_last);
		vlan_first = vlan_last = cv_conf_u32(run, node, "vlan");
	} else {
		range_get(run, cv_conf_node(run, node, "vlans"), &vlan_first, &vlan_last);
	}
	req.vlan_first = (uint16_t)vlan_first;
	req.vlan_last = (uint16_t)vlan_last;
	pool_add(run, node, &req);
}
