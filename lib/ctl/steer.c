/* SPDX-License-Identifier: BSD-3-Clause */

/* Interfaces shared with the host: which frames are ours. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "show_priv.h"

/* Addresses that an answer lists per port. */
#define LISTED_MAX 1000

/* Our addresses behind a port. @return their number */
static uint32_t addrs_get(const struct cv_view_spec *spec, uint32_t port,
			  struct cv_steer_addr *addrs)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < spec->n_locals; i++) {
		const struct cv_view_local *local = &spec->locals[i];
		const struct cv_view_vpc *vpc = &spec->vpcs[local->vpc];
		struct cv_steer_addr *addr = &addrs[n];

		if (vpc->port != port)
			continue;
		addr->ip = local->ip;
		addr->vlan = vpc->vlan;
		cv_mac_of_ip(vpc->mac_prefix | (local->kind == CV_VIEW_NODE ? CV_MAC_NODE : 0),
			     local->ip, addr->mac);
		n++;
	}
	return n;
}

static int sync_all(struct cv_ctl *ctl)
{
	const struct cv_view_spec *spec = cv_view_spec_get(cv_view_pub_current(ctl->pub));
	struct cv_steer_addr *addrs = calloc((size_t)spec->n_locals + 1, sizeof(*addrs));
	int ret = 0;

	if (addrs == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < CV_DP_PORTS_MAX; i++) {
		if (ctl->steers[i] != NULL) {
			int rc = cv_steer_sync(ctl->steers[i], addrs, addrs_get(spec, i, addrs));

			ret = rc < 0 ? rc : ret;
		}
	}
	free(addrs);
	return ret;
}

static bool is_shared(const struct cv_ctl *ctl)
{
	for (uint32_t i = 0; i < CV_DP_PORTS_MAX; i++) {
		if (ctl->steers[i] != NULL)
			return true;
	}
	return false;
}

void cv_ctl_steer_sync(struct cv_ctl *ctl)
{
	int was = ctl->steer_failed;

	if (!is_shared(ctl))
		return;
	ctl->steer_failed = sync_all(ctl);
	if (ctl->steer_failed == was)
		return;
	if (ctl->steer_failed == 0)
		cv_log(CV_LOG_NOTICE, "all addresses are steered to us again");
	else
		cv_log(CV_LOG_ERR,
		       "addresses on an interface shared with the host cannot be reached: %s",
		       ctl->steer_failed == -ENOSPC
			       ? "there are too many: set limits.endpoints higher and restart"
			       : "the kernel has no memory for them; trying again");
}

void cv_ctl_steer_tick(struct cv_ctl *ctl)
{
	if (ctl->steer_failed != 0)
		cv_ctl_steer_sync(ctl);
}

static json_t *addrs_json(struct cv_ctl *ctl, const struct cv_steer *steer)
{
	json_t *list = json_array();
	uint32_t n;
	const struct cv_steer_addr *addrs = cv_steer_addrs(steer, &n);

	for (uint32_t i = 0; i < n && i < LISTED_MAX; i++)
		cv_ctl_json_add(ctl, list,
				json_pack("{s:o, s:i, s:o}", "ip", cv_ctl_json_ip(addrs[i].ip),
					  "vlan", addrs[i].vlan, "mac",
					  cv_ctl_json_mac(addrs[i].mac)));
	return list;
}

static json_t *steer_json(struct cv_ctl *ctl, uint32_t port)
{
	const struct cv_steer *steer = ctl->steers[port];
	struct cv_steer_info info;

	cv_steer_info(steer, &info);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "port",
			 ctl->conf->dpdk.ports[port].name, "interface", info.iface, "mode",
			 info.native ? "native" : "generic", "n_addresses",
			 (json_int_t)info.n_addrs, "max_addresses", (json_int_t)info.n_addrs_max,
			 "ipv4", (json_int_t)info.counts.ipv4, "arp", (json_int_t)info.counts.arp,
			 "vxlan", (json_int_t)info.counts.vxlan, "host",
			 (json_int_t)info.counts.host, "deaf", (json_int_t)info.counts.deaf,
			 "addresses", addrs_json(ctl, steer));
}

int cv_ctl_show_steering(struct cv_ctl *ctl, struct ctl_show *show)
{
	json_t *ports = json_array();

	for (uint32_t i = 0; i < CV_DP_PORTS_MAX; i++) {
		if (ctl->steers[i] != NULL)
			cv_ctl_json_add(ctl, ports, steer_json(ctl, i));
	}
	show->root = json_pack("{s:o}", "steering", ports);
	return 0;
}
