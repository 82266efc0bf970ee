/* SPDX-License-Identifier: BSD-3-Clause */

/* The kernel's sockets on our addresses: what the view wants of lib/host, and how that stands. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/socket.h>

#include "show_priv.h"

/* An order under construction. The rows of one VPC stand together. */
struct order {
	const struct cv_view_spec *spec;
	const struct ctl_drains *drains;
	struct cv_host_vpc *vpcs; /* shape [n_vpcs] */
	uint32_t n_vpcs;
	uint32_t *at;     /* by VPC slot: its place in vpcs; UINT32_MAX: none */
	uint16_t *lb_vpc; /* by load balancer slot */
	cv_be32_t *addrs;
	struct cv_host_peer *peers;
	uint16_t *reserved;
};

void cv_ctl_host_start(struct cv_ctl *ctl)
{
	struct cv_pkt_ring *ups[CV_DP_WORKERS_MAX], *downs[CV_DP_WORKERS_MAX];
	struct cv_host_cfg cfg = {
		.n_workers = ctl->conf->dpdk.workers,
		.ups = ups,
		.downs = downs,
		.neigh = ctl->neigh,
	};
	int ret;

	for (uint32_t i = 0; i < cfg.n_workers; i++)
		cv_dp_host_rings_get(ctl->dp, i, &ups[i], &downs[i]);
	ret = cv_host_create(&cfg, &ctl->host);
	if (ret < 0)
		cv_log(CV_LOG_ERR, "no sockets of the kernel on our addresses: %s", strerror(-ret));
	cv_ctl_host_sync(ctl);
}

int cv_ctl_host_open(void *host, uint16_t vpc)
{
	return cv_host_socket(host, vpc, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* ---- the order ---- */

static struct cv_host_vpc *vpc_of(const struct order *o, uint16_t slot)
{
	return o->at[slot] != UINT32_MAX ? &o->vpcs[o->at[slot]] : NULL;
}

/* The address of a node that sockets get: its primary, from which AWS checks targets. */
static bool is_wanted(const struct cv_view_spec *spec, const struct cv_view_local *local)
{
	if (local->kind == CV_VIEW_NODE)
		return local->ip == spec->node_ips[spec->nodes[local->node].ip_first];
	return local->kind == CV_VIEW_SERVICE;
}

static void peer_add(struct order *o, uint16_t slot, cv_be32_t ip, uint32_t neigh)
{
	struct cv_host_vpc *vpc = vpc_of(o, slot);

	if (vpc == NULL)
		return;
	if (o->peers != NULL)
		o->peers[vpc->peers - o->peers + vpc->n_peers] =
			(struct cv_host_peer){.ip = ip, .neigh = neigh};
	vpc->n_peers++;
}

/* Whom sockets dial: targets, and those that drain as long as they are checked. */
static void peers_walk(struct order *o)
{
	const struct cv_view_spec *spec = o->spec;

	for (uint32_t i = 0; i < o->drains->n; i++) {
		const struct ctl_drain *drain = &o->drains->items[i];

		if (drain->check != NULL)
			peer_add(o, cv_ctl_drain_check_vpc(drain->check), drain->ip, drain->neigh);
	}
	for (uint32_t i = 0; i < spec->n_targets; i++) {
		const struct cv_view_target *target = &spec->targets[i];

		if (target->used)
			peer_add(o, target->vpc, target->ip, target->neigh);
	}
}

/* Without arrays it counts, with arrays it fills. */
static void order_walk(struct order *o)
{
	const struct cv_view_spec *spec = o->spec;
	struct cv_host_vpc *vpc;

	for (uint32_t i = 0; i < spec->n_locals; i++) {
		vpc = vpc_of(o, spec->locals[i].vpc);
		if (vpc == NULL || !is_wanted(spec, &spec->locals[i]))
			continue;
		if (o->addrs != NULL)
			o->addrs[vpc->addrs - o->addrs + vpc->n_addrs] = spec->locals[i].ip;
		vpc->n_addrs++;
	}
	peers_walk(o);
	for (uint32_t i = 0; i < spec->n_listeners; i++) {
		const struct cv_view_listener *l = &spec->listeners[i];

		vpc = l->used && o->lb_vpc[l->lb] != CV_VIEW_NO_VPC ? vpc_of(o, o->lb_vpc[l->lb])
								    : NULL;
		if (vpc == NULL)
			continue;
		if (o->reserved != NULL)
			o->reserved[vpc->reserved - o->reserved + vpc->n_reserved] = l->port;
		vpc->n_reserved++;
	}
}

/* Gives each VPC its part of the arrays. */
static int order_split(struct order *o)
{
	size_t n_addrs = 0, n_peers = 0, n_reserved = 0;

	for (uint32_t i = 0; i < o->n_vpcs; i++) {
		n_addrs += o->vpcs[i].n_addrs;
		n_peers += o->vpcs[i].n_peers;
		n_reserved += o->vpcs[i].n_reserved;
	}
	o->addrs = calloc(n_addrs + 1, sizeof(*o->addrs));
	o->peers = calloc(n_peers + 1, sizeof(*o->peers));
	o->reserved = calloc(n_reserved + 1, sizeof(*o->reserved));
	if (o->addrs == NULL || o->peers == NULL || o->reserved == NULL)
		return -ENOMEM;
	n_addrs = n_peers = n_reserved = 0;
	for (uint32_t i = 0; i < o->n_vpcs; i++) {
		struct cv_host_vpc *vpc = &o->vpcs[i];

		vpc->addrs = o->addrs + n_addrs;
		vpc->peers = o->peers + n_peers;
		vpc->reserved = o->reserved + n_reserved;
		n_addrs += vpc->n_addrs;
		n_peers += vpc->n_peers;
		n_reserved += vpc->n_reserved;
		vpc->n_addrs = vpc->n_peers = vpc->n_reserved = 0;
	}
	return 0;
}

static int order_build(struct cv_ctl *ctl, const struct cv_view_spec *spec, struct order *o)
{
	uint32_t n_lbs = ctl->plan->n_slots[CV_PLAN_LB];
	int ret;

	o->spec = spec;
	o->vpcs = calloc((size_t)spec->n_vpcs + 1, sizeof(*o->vpcs));
	o->at = calloc((size_t)spec->n_vpcs + 1, sizeof(*o->at));
	o->lb_vpc = calloc((size_t)n_lbs + 1, sizeof(*o->lb_vpc));
	if (o->vpcs == NULL || o->at == NULL || o->lb_vpc == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < spec->n_vpcs; i++) {
		o->at[i] = UINT32_MAX;
		if (!spec->vpcs[i].used || i >= spec->n_hosts || !spec->hosts[i].on)
			continue;
		o->at[i] = o->n_vpcs;
		o->vpcs[o->n_vpcs++] = (struct cv_host_vpc){
			.slot = (uint16_t)i,
			.mtu = spec->vpcs[i].mtu,
			.name = cv_ctl_vpc_name(ctl, (uint16_t)i),
		};
	}
	for (uint32_t i = 0; i < n_lbs; i++)
		o->lb_vpc[i] = CV_VIEW_NO_VPC;
	for (uint32_t i = 0; i < spec->n_nodes; i++)
		if (spec->nodes[i].used)
			o->lb_vpc[spec->nodes[i].lb] = spec->nodes[i].vpc;
	order_walk(o);
	ret = order_split(o);
	if (ret == 0)
		order_walk(o);
	return ret;
}

static void order_fini(struct order *o)
{
	free(o->vpcs);
	free(o->at);
	free(o->lb_vpc);
	free(o->addrs);
	free(o->peers);
	free(o->reserved);
}

void cv_ctl_host_sync(struct cv_ctl *ctl)
{
	const struct cv_view *view = cv_view_pub_current(ctl->pub);
	struct order o = {.drains = &ctl->drains};
	int ret;

	if (ctl->host == NULL || view == NULL)
		return;
	ret = order_build(ctl, cv_view_spec_get(view), &o);
	if (ret == 0) {
		const struct cv_view_settings *set = &o.spec->settings;
		const struct cv_host_want want = {
			.vpcs = o.vpcs,
			.n_vpcs = o.n_vpcs,
			.ports = {.first = set->host_port_first, .last = set->host_port_last},
		};

		ret = cv_host_sync(ctl->host, &want);
	}
	if (ret < 0)
		cv_log(CV_LOG_ERR, "the kernel's sockets stay as they were: %s", strerror(-ret));
	order_fini(&o);
}

int cv_ctl_host_socket(void *ctl, uint16_t vpc)
{
	const struct cv_ctl *c = ctl;

	if (c->host == NULL)
		return -ENOENT;
	return cv_host_socket(c->host, vpc, AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* ---- how it stands ---- */

void cv_ctl_host_look(struct cv_ctl *ctl)
{
	struct ctl_host_seen now = {0};
	struct cv_host_info *infos = NULL;
	struct cv_host_ports ports;
	uint32_t n = 0;

	if (ctl->host == NULL || cv_host_infos_get(ctl->host, &infos, &n, &ports) < 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		now.n_up += infos[i].state == CV_HOST_UP;
		now.n_failed += infos[i].state == CV_HOST_FAILED;
		if (infos[i].text[0] != '\0')
			memcpy(now.text, infos[i].text, sizeof(now.text));
	}
	free(infos);
	if (memcmp(&now, &ctl->host_seen, sizeof(now)) == 0)
		return;
	if (now.text[0] != '\0')
		cv_log(CV_LOG_WARNING,
		       "sockets of the kernel on our addresses: %u namespaces up, %u failed: %s; "
		       "packets are forwarded all the same",
		       now.n_up, now.n_failed, now.text);
	else if (now.n_up != ctl->host_seen.n_up)
		cv_log(CV_LOG_INFO,
		       "sockets of the kernel on our addresses: %u namespaces up, ports %u-%u",
		       now.n_up, ports.first, ports.last);
	ctl->host_seen = now;
}

static json_t *addrs_json(struct cv_ctl *ctl, uint16_t slot)
{
	const struct cv_view_spec *spec = cv_view_spec_get(cv_view_pub_current(ctl->pub));
	json_t *list = json_array();

	for (uint32_t i = 0; i < spec->n_locals; i++)
		if (spec->locals[i].vpc == slot && is_wanted(spec, &spec->locals[i]))
			cv_ctl_json_add(ctl, list, cv_ctl_json_ip(spec->locals[i].ip));
	return list;
}

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

static json_t *info_json(struct cv_ctl *ctl, const struct cv_host_info *info,
			 struct cv_host_ports ports)
{
	uint64_t up_drops = info->up_unasked + info->up_refused;
	uint64_t down_drops = info->down_no_mac + info->down_full + info->down_foreign;
	char range[16];
	json_t *object;

	snprintf(range, sizeof(range), "%u-%u", ports.first, ports.last);
	object = json_pack("{s:s, s:s, s:o, s:s, s:i, s:o, s:i}", "vpc", info->name, "state",
			   cv_host_state_str(info->state), "namespace",
			   cv_ctl_json_text(or_null(info->path)), "ports", range, "mtu",
			   (int)info->mtu, "addresses", addrs_json(ctl, info->slot), "peers",
			   (int)info->n_peers);
	cv_ctl_json_put(ctl, object, "error", cv_ctl_json_text(or_null(info->text)));
#define PUT(name, value) cv_ctl_json_put(ctl, object, name, json_integer((json_int_t)(value)))
	PUT("up_packets", info->up_pkts);
	PUT("up_bytes", info->up_bytes);
	PUT("up_drops", up_drops);
	PUT("up_unasked", info->up_unasked);
	PUT("up_refused", info->up_refused);
	PUT("down_packets", info->down_pkts);
	PUT("down_bytes", info->down_bytes);
	PUT("down_drops", down_drops);
	PUT("down_no_mac", info->down_no_mac);
	PUT("down_full", info->down_full);
	PUT("down_foreign", info->down_foreign);
#undef PUT
	return object;
}

int cv_ctl_show_host(struct cv_ctl *ctl, struct ctl_show *show)
{
	struct cv_host_info *infos = NULL;
	json_t *list = json_array();
	struct cv_host_ports ports;
	uint32_t n = 0;

	if (ctl->host != NULL && cv_host_infos_get(ctl->host, &infos, &n, &ports) < 0) {
		json_decref(list);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		cv_ctl_json_add(ctl, list, info_json(ctl, &infos[i], ports));
	free(infos);
	show->root = json_pack("{s:o}", "namespaces", list);
	return 0;
}
