/* SPDX-License-Identifier: BSD-3-Clause */

/* Everything but the model: DPDK, limits, settings, control. */

#include "conf_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void build_devices(struct conf_run *run, uint32_t node, struct cv_conf_port *port)
{
	uint32_t devices = cv_conf_node(run, node, "devices");
	const char *device = cv_conf_str(run, node, "device");

	if ((device == NULL) == (devices == CONF_NONE)) {
		cv_conf_err(run, node, "port '%s' needs either 'device' or 'devices'", port->name);
		return;
	}
	if (device == NULL) {
		port->devices = cv_conf_strs(run, devices, &port->n_devices);
		return;
	}
	port->devices = calloc(1, sizeof(*port->devices));
	if (port->devices == NULL) {
		run->oom = true;
		return;
	}
	port->devices[0] = device;
	port->n_devices = 1;
}

static void build_port(struct conf_run *run, uint32_t node, struct cv_conf_port *port)
{
	port->name = cv_conf_str(run, node, "name");
	port->queues = cv_conf_u32(run, node, "queues");
	port->mtu = cv_conf_u32(run, node, "mtu");
	port->rx_desc = cv_conf_u32(run, node, "rx_desc");
	port->tx_desc = cv_conf_u32(run, node, "tx_desc");
	port->promiscuous = cv_conf_bool(run, node, "promiscuous");
	port->steering = cv_conf_bool(run, node, "steering");
	if (!run->doc.nodes[node].spoiled)
		build_devices(run, node, port);
}

/* The same device, whatever its arguments. */
static bool same_device(const char *a, const char *b)
{
	size_t len = strcspn(a, ",");

	return len == strcspn(b, ",") && memcmp(a, b, len) == 0;
}

/* The value of a device's argument, NULL if it has none. */
static const char *device_arg(const char *device, const char *key)
{
	size_t len = strlen(key);

	while (*(device += strcspn(device, ",")) != '\0') {
		device++;
		if (strncmp(device, key, len) == 0)
			return device + len;
	}
	return NULL;
}

/* The first queue of an AF_XDP device; it has one, of an interface. */
static long device_queue(const char *device)
{
	const char *queue = device_arg(device, "start_queue=");

	if (strncmp(device, "net_af_xdp", strlen("net_af_xdp")) != 0)
		return -1;
	return queue == NULL ? 0 : strtol(queue, NULL, 10);
}

/* Each frame of an interface would come once by each device, but for AF_XDP's of other queues. */
static bool same_interface(const char *a, const char *b)
{
	const char *iface = device_arg(a, "iface="), *other = device_arg(b, "iface=");
	long queue = device_queue(a), queue_other = device_queue(b);

	return iface != NULL && other != NULL && same_device(iface, other) &&
	       (queue < 0 || queue_other < 0 || queue == queue_other);
}

static void check_interfaces(struct conf_run *run, uint32_t node, const struct cv_conf_port *port,
			     const struct cv_conf_port *other)
{
	for (uint32_t i = 0; i < port->n_devices; i++) {
		const char *iface = device_arg(port->devices[i], "iface=");

		for (uint32_t j = 0; j < other->n_devices; j++) {
			if (!same_interface(port->devices[i], other->devices[j]))
				continue;
			cv_conf_err(
				run, node,
				"interface '%.*s' is already port '%s': attach VPCs to VLANs of one "
				"port, or give each port an interface",
				(int)strcspn(iface, ","), iface, other->name);
			return;
		}
	}
}

/* A device serves one port; a name names one. Ports are few: comparing all pairs will do. */
static void check_port_pair(struct conf_run *run, uint32_t node, const struct cv_conf_port *port,
			    const struct cv_conf_port *other)
{
	if (port->name != NULL && other->name != NULL && strcmp(port->name, other->name) == 0)
		cv_conf_err(run, node, "a port named '%s' already exists", port->name);
	for (uint32_t i = 0; i < port->n_devices; i++) {
		for (uint32_t j = 0; j < other->n_devices; j++) {
			if (same_device(port->devices[i], other->devices[j]))
				cv_conf_err(run, node, "device '%.*s' is already port '%s'",
					    (int)strcspn(port->devices[i], ","), port->devices[i],
					    other->name);
		}
	}
	check_interfaces(run, node, port, other);
}

static void check_own_devices(struct conf_run *run, uint32_t node, const struct cv_conf_port *port)
{
	for (uint32_t i = 1; i < port->n_devices; i++) {
		for (uint32_t j = 0; j < i; j++) {
			if (same_device(port->devices[i], port->devices[j]))
				cv_conf_err(run, node, "device '%.*s' is listed twice",
					    (int)strcspn(port->devices[i], ","), port->devices[i]);
			else if (same_interface(port->devices[i], port->devices[j]))
				cv_conf_err(run, node,
					    "device '%.*s' is on an interface that another device "
					    "of the port is on; only AF_XDP's may be, each with "
					    "its start_queue=N",
					    (int)strcspn(port->devices[i], ","), port->devices[i]);
		}
	}
}

static void build_ports(struct conf_run *run, uint32_t list)
{
	struct cv_conf_dpdk *dpdk = &run->conf->dpdk;
	uint32_t n = cv_conf_count(run, list);
	uint32_t node;

	if (n == 0)
		return;
	dpdk->ports = calloc(n, sizeof(*dpdk->ports));
	if (dpdk->ports == NULL) {
		run->oom = true;
		return;
	}
	for (node = list + 1; node != CONF_NONE; node = cv_conf_doc_next(&run->doc, node)) {
		struct cv_conf_port *port = &dpdk->ports[dpdk->n_ports];

		if (!run->doc.nodes[node].is_object)
			continue;
		build_port(run, node, port);
		check_own_devices(run, node, port);
		for (uint32_t i = 0; i < dpdk->n_ports; i++)
			check_port_pair(run, node, port, &dpdk->ports[i]);
		dpdk->n_ports++;
	}
}

static void build_cores(struct conf_run *run, uint32_t dpdk_node)
{
	struct cv_conf_dpdk *dpdk = &run->conf->dpdk;
	uint32_t list = cv_conf_node(run, dpdk_node, "cores");
	uint32_t workers = cv_conf_node(run, dpdk_node, "workers");
	uint32_t n = cv_conf_count(run, list);

	if (n == 0)
		return;
	dpdk->cores = calloc(n, sizeof(*dpdk->cores));
	if (dpdk->cores == NULL) {
		run->oom = true;
		return;
	}
	for (uint32_t i = list + 1; i != CONF_NONE; i = cv_conf_doc_next(&run->doc, i)) {
		uint32_t core = (uint32_t)json_integer_value(run->doc.nodes[i].value);

		for (uint32_t j = 0; j < dpdk->n_cores; j++) {
			if (dpdk->cores[j] == core)
				cv_conf_err(run, i, "core %u is listed twice", core);
		}
		if (dpdk->main_core == (int32_t)core)
			cv_conf_err(run, i, "core %u is the main core; a worker needs its own",
				    core);
		dpdk->cores[dpdk->n_cores++] = core;
	}
	if (workers == CONF_NONE)
		dpdk->workers = n;
	else if (dpdk->workers != n && !run->doc.nodes[workers].spoiled)
		cv_conf_err(run, list, "%u cores for %u workers; each needs one", n, dpdk->workers);
}

static void build_dpdk(struct conf_run *run, uint32_t node)
{
	struct cv_conf_dpdk *dpdk = &run->conf->dpdk;
	uint32_t main_core = cv_conf_node(run, node, "main_core");

	dpdk->workers = cv_conf_u32(run, node, "workers");
	dpdk->main_core =
		main_core == CONF_NONE ? -1 : (int32_t)cv_conf_u32(run, node, "main_core");
	dpdk->huge_pages = cv_conf_bool(run, node, "huge_pages");
	dpdk->memory_mb = cv_conf_u32(run, node, "memory_mb");
	dpdk->mbufs = cv_conf_u32(run, node, "mbufs");
	dpdk->eal_args = cv_conf_strs(run, cv_conf_node(run, node, "eal_args"), &dpdk->n_eal_args);
	build_cores(run, node);
	build_ports(run, cv_conf_node(run, node, "ports"));
}

static void build_snat(struct conf_run *run)
{
	struct cv_conf_settings *set = &run->conf->settings;
	uint32_t node = cv_conf_node(run, 0, "settings.snat");

	set->snat_port_first = (uint16_t)cv_conf_u32(run, 0, "settings.snat.port_first");
	set->snat_n_ports = cv_conf_u32(run, 0, "settings.snat.n_ports");
	set->snat_rest_seconds = cv_conf_u32(run, 0, "settings.snat.rest_seconds");
	set->snat_on_exhaustion = cv_conf_choice(run, 0, "settings.snat.on_exhaustion");
	if (node != CONF_NONE && !run->doc.nodes[node].spoiled &&
	    set->snat_port_first + set->snat_n_ports > 65536)
		cv_conf_err(run, node, "%u ports from %u on end beyond 65535", set->snat_n_ports,
			    set->snat_port_first);
}

static void build_flow_end(struct conf_run *run)
{
	struct cv_conf_settings *set = &run->conf->settings;
	uint32_t scale = cv_conf_node(run, 0, "settings.lab_time_scale");

	set->end_idle = cv_conf_choice(run, 0, "settings.flow_end.idle");
	set->end_target = cv_conf_choice(run, 0, "settings.flow_end.target");
	set->end_endpoint = cv_conf_choice(run, 0, "settings.flow_end.endpoint");
	set->end_listener = cv_conf_choice(run, 0, "settings.flow_end.listener");
	set->lab_time_scale = cv_conf_u32(run, 0, "settings.lab_time_scale");
	if (scale != CONF_NONE && set->lab_time_scale > 1)
		cv_conf_err_at(run, &run->conf->warnings, scale, "",
			       "timeouts run faster than they say: this is for tests only");
}

static void build_forwarder(struct conf_run *run, uint32_t node)
{
	struct cv_conf_dns *dns = &run->conf->dns;
	const char *text = json_string_value(run->doc.nodes[node].value), *colon;
	unsigned long port = 53;
	char ip[32], *end;

	if (text == NULL || dns->n_forwarders == CV_CONF_FORWARDERS_MAX)
		return; /* reported already */
	colon = strchr(text, ':');
	snprintf(ip, sizeof(ip), "%.*s", (int)strcspn(text, ":"), text);
	if (colon != NULL) {
		port = strtoul(colon + 1, &end, 10);
		port = colon[1] < '0' || colon[1] > '9' || *end != '\0' ? 0 : port;
	}
	if (!cv_ip4_parse(ip, &dns->forwarders[dns->n_forwarders].ip) || port == 0 ||
	    port > UINT16_MAX) {
		cv_conf_err(run, node, "'%s' is neither an IPv4 address nor `address:port`", text);
		return;
	}
	dns->forwarders[dns->n_forwarders++].port = (uint16_t)port;
}

static void build_dns(struct conf_run *run)
{
	struct cv_conf_dns *dns = &run->conf->dns;
	uint32_t list = cv_conf_node(run, 0, "dns.forwarders");
	uint32_t node = cv_conf_node(run, 0, "dns.enabled");

	dns->enabled = cv_conf_bool(run, 0, "dns.enabled");
	dns->everywhere = cv_conf_bool(run, 0, "dns.public");
	dns->rate = cv_conf_u32(run, 0, "dns.queries_per_second");
	if (cv_conf_count(run, list) > 0)
		for (uint32_t i = list + 1; i != CONF_NONE; i = cv_conf_doc_next(&run->doc, i))
			build_forwarder(run, i);
	if (dns->enabled && run->conf->settings.host == CV_CONF_HOST_NEVER)
		cv_conf_err(run, node,
			    "needs network namespaces; settings.host.namespaces is 'never'");
}

/* What SubscribeURLs begin with. */
static void check_url(struct conf_run *run, const char *url)
{
	const char *host = url + (strncmp(url, "https://", 8) == 0 ? 8 : 7);

	if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) ||
	    *host == '\0' ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") !=
		    strlen(host))
		cv_conf_err(run, cv_conf_node(run, 0, "api.notifications.url"),
			    "'%.100s' is not like `https://name:port`", url);
}

static void build_notifications(struct conf_run *run)
{
	struct cv_conf_api *api = &run->conf->api;
	uint32_t list = cv_conf_node(run, 0, "api.notifications.receivers");

	api->has_receivers = list != CONF_NONE;
	for (uint32_t i = cv_conf_count(run, list) > 0 ? list + 1 : CONF_NONE;
	     i != CONF_NONE && api->n_receivers < CV_CONF_RECEIVERS_MAX;
	     i = cv_conf_doc_next(&run->doc, i))
		api->receivers[api->n_receivers++] = cv_conf_prefix(run, i);
	api->local = true;
	for (uint32_t i = 0; i < api->n_listen; i++)
		api->local = api->local && strncmp(api->listen[i], "127.", 4) == 0;
	api->n_messages = cv_conf_u32(run, 0, "api.notifications.messages");
	api->n_tries = cv_conf_u32(run, 0, "api.notifications.tries");
	api->base_url = cv_conf_str(run, 0, "api.notifications.url");
	if (api->base_url != NULL)
		check_url(run, api->base_url);
}

static void build_api(struct conf_run *run)
{
	struct cv_conf_api *api = &run->conf->api;

	if (cv_conf_node(run, 0, "api") == CONF_NONE)
		return;
	api->listen = cv_conf_strs(run, cv_conf_node(run, 0, "api.listen"), &api->n_listen);
	api->credentials_file = cv_conf_str(run, 0, "api.credentials_file");
	api->tls_cert = cv_conf_str(run, 0, "api.tls.cert");
	api->tls_key = cv_conf_str(run, 0, "api.tls.key");
	api->requests_per_second = cv_conf_u32(run, 0, "api.limits.requests_per_second");
	api->burst = cv_conf_u32(run, 0, "api.limits.burst");
	api->body_bytes = cv_conf_u32(run, 0, "api.limits.body_bytes");
	api->connections = cv_conf_u32(run, 0, "api.limits.connections");
	api->connections_per_client = cv_conf_u32(run, 0, "api.limits.connections_per_client");
	api->request_seconds = cv_conf_u32(run, 0, "api.limits.request_seconds");
	api->idle_seconds = cv_conf_u32(run, 0, "api.limits.idle_seconds");
	build_notifications(run);
}

/* Without the APIs there is seldom anything to keep. */
static void build_state(struct conf_run *run)
{
	struct cv_conf *conf = run->conf;
	const char *state = cv_conf_str(run, 0, "control.state");

	if (state == NULL)
		state = conf->api.n_listen > 0 ? CV_CONF_STATE_DEFAULT : "none";
	conf->control.state = strcmp(state, "none") == 0 ? NULL : state;
}

void cv_conf_build_settings(struct conf_run *run)
{
	struct cv_conf *conf = run->conf;
	uint32_t dpdk = cv_conf_node(run, 0, "dpdk");

	if (dpdk != CONF_NONE && run->doc.nodes[dpdk].is_object)
		build_dpdk(run, dpdk);
	conf->limits.flows = cv_conf_u32(run, 0, "limits.flows");
	conf->limits.endpoints = cv_conf_u32(run, 0, "limits.endpoints");
	conf->limits.endpoints_per_vpc = cv_conf_u32(run, 0, "limits.endpoints_per_vpc");
	conf->limits.targets = cv_conf_u32(run, 0, "limits.targets");
	conf->limits.listeners = cv_conf_u32(run, 0, "limits.listeners");
	conf->settings.syn_seconds = cv_conf_u32(run, 0, "settings.timeouts.syn_seconds");
	conf->settings.fin_seconds = cv_conf_u32(run, 0, "settings.timeouts.fin_seconds");
	conf->settings.linger_ms = cv_conf_u32(run, 0, "settings.timeouts.linger_ms");
	conf->settings.mss_clamp = cv_conf_u32(run, 0, "settings.mss_clamp");
	conf->settings.endpoint_mtu = cv_conf_u32(run, 0, "settings.endpoint_mtu");
	conf->settings.icmp_too_big = cv_conf_bool(run, 0, "settings.icmp_too_big");
	conf->settings.half_open_max = cv_conf_u32(run, 0, "settings.half_open_max");
	build_flow_end(run);
	build_snat(run);
	conf->settings.host = cv_conf_choice(run, 0, "settings.host.namespaces");
	conf->control.socket = cv_conf_str(run, 0, "control.socket");
	build_api(run);
	build_dns(run);
	build_state(run);
}
