/* SPDX-License-Identifier: BSD-3-Clause */

/* Which changes of a configuration need a restart: what the EAL, the ports and fixed tables are made of. */

#include <string.h>

#include "ctl_priv.h"

static void differs(struct cv_errs *errs, const char *path, const char *from, const char *to)
{
	cv_errs_add(errs, path, 0, "a change needs a restart: runs with %s, the file says %s", from,
		    to);
}

static void number_check(struct cv_errs *errs, const char *path, int64_t from, int64_t to)
{
	char a[24], b[24];

	if (from == to)
		return;
	snprintf(a, sizeof(a), "%lld", (long long)from);
	snprintf(b, sizeof(b), "%lld", (long long)to);
	differs(errs, path, a, b);
}

static void text_check(struct cv_errs *errs, const char *path, const char *from, const char *to)
{
	if (strcmp(from, to) != 0)
		differs(errs, path, from, to);
}

static const char *or_nothing(const char *text)
{
	return text != NULL ? text : "nothing";
}

static void flag_check(struct cv_errs *errs, const char *path, bool from, bool to)
{
	if (from != to)
		differs(errs, path, from ? "true" : "false", to ? "true" : "false");
}

static void list_check(struct cv_errs *errs, const char *path, const char *const *from,
		       uint32_t n_from, const char *const *to, uint32_t n_to)
{
	bool same = n_from == n_to;

	for (uint32_t i = 0; same && i < n_from; i++)
		same = strcmp(from[i], to[i]) == 0;
	if (!same)
		cv_errs_add(errs, path, 0, "a change needs a restart");
}

static void devices_check(struct cv_errs *errs, uint32_t i, const struct cv_conf_port *from,
			  const struct cv_conf_port *to)
{
	char path[CV_ERR_PATH_LEN];

	snprintf(path, sizeof(path), "dpdk.ports[%u].device%s", i, to->n_devices > 1 ? "s" : "");
	if (from->n_devices == 1 && to->n_devices == 1)
		text_check(errs, path, from->devices[0], to->devices[0]);
	else
		list_check(errs, path, from->devices, from->n_devices, to->devices, to->n_devices);
}

static void port_check(struct cv_errs *errs, uint32_t i, const struct cv_conf_port *from,
		       const struct cv_conf_port *to)
{
	const struct {
		const char *key;
		uint32_t from, to;
	} numbers[] = {
		{"queues", from->queues, to->queues},
		{"mtu", from->mtu, to->mtu},
		{"rx_desc", from->rx_desc, to->rx_desc},
		{"tx_desc", from->tx_desc, to->tx_desc},
		{"promiscuous", from->promiscuous, to->promiscuous},
		{"steering", from->steering, to->steering},
	};
	char path[CV_ERR_PATH_LEN];

	snprintf(path, sizeof(path), "dpdk.ports[%u].name", i);
	text_check(errs, path, from->name, to->name);
	devices_check(errs, i, from, to);
	for (size_t j = 0; j < CV_ARRAY_LEN(numbers); j++) {
		snprintf(path, sizeof(path), "dpdk.ports[%u].%s", i, numbers[j].key);
		number_check(errs, path, numbers[j].from, numbers[j].to);
	}
}

/* Nodes keep their addresses: flows hold their ports, and AWS never takes one away either. */
static void node_ips_check(struct cv_errs *errs, const struct cv_model *from,
			   const struct cv_model_lb *lb, const struct cv_model *to, uint32_t to_idx)
{
	char path[CV_ERR_PATH_LEN];

	snprintf(path, sizeof(path),
		 "load_balancers[%u].attributes.secondary_ips.auto_assigned.per_subnet", to_idx);
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		const char *zone = from->zones[lb->nodes[i].zone].id;

		for (uint32_t j = 0; j < to->lbs[to_idx].n_nodes; j++) {
			const struct cv_model_node *node = &to->lbs[to_idx].nodes[j];

			if (strcmp(to->zones[node->zone].id, zone) != 0 ||
			    node->n_ips >= lb->nodes[i].n_ips)
				continue;
			cv_errs_add(errs, path, 0,
				    "the number of secondary addresses can only be raised while "
				    "culvertd runs: the node in %s has %u, the file says %u",
				    zone, lb->nodes[i].n_ips - 1, node->n_ips - 1);
			return;
		}
	}
}

/* ARNs are unique; load balancers most often stand where they stood. */
static void lbs_check(struct cv_errs *errs, const struct cv_model *from, const struct cv_model *to)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < from->n_lbs; i++) {
		for (uint32_t n = 0; n < to->n_lbs; n++, at = at + 1 < to->n_lbs ? at + 1 : 0) {
			if (strcmp(from->lbs[i].arn, to->lbs[at].arn) != 0)
				continue;
			node_ips_check(errs, from, &from->lbs[i], to, at);
			break;
		}
	}
}

static void cores_check(struct cv_errs *errs, const struct cv_conf_dpdk *from,
			const struct cv_conf_dpdk *to)
{
	if (from->n_cores != to->n_cores ||
	    (from->n_cores > 0 &&
	     memcmp(from->cores, to->cores, from->n_cores * sizeof(*from->cores)) != 0))
		cv_errs_add(errs, "dpdk.cores", 0, "a change needs a restart");
}

static bool same_receivers(const struct cv_conf_api *a, const struct cv_conf_api *b)
{
	bool same = a->has_receivers == b->has_receivers && a->n_receivers == b->n_receivers;

	for (uint32_t i = 0; same && i < a->n_receivers; i++)
		same = a->receivers[i].addr == b->receivers[i].addr &&
		       a->receivers[i].len == b->receivers[i].len;
	return same;
}

static void notifications_check(struct cv_errs *errs, const struct cv_conf_api *from,
				const struct cv_conf_api *to)
{
	if (!same_receivers(from, to))
		cv_errs_add(errs, "api.notifications.receivers", 0, "a change needs a restart");
	number_check(errs, "api.notifications.messages", from->n_messages, to->n_messages);
	number_check(errs, "api.notifications.tries", from->n_tries, to->n_tries);
	text_check(errs, "api.notifications.url", or_nothing(from->base_url),
		   or_nothing(to->base_url));
}

static void api_check(struct cv_errs *errs, const struct cv_conf_api *from,
		      const struct cv_conf_api *to)
{
	const struct {
		const char *path;
		uint32_t from, to;
	} numbers[] = {
		{"api.limits.requests_per_second", from->requests_per_second,
		 to->requests_per_second},
		{"api.limits.burst", from->burst, to->burst},
		{"api.limits.body_bytes", from->body_bytes, to->body_bytes},
		{"api.limits.connections", from->connections, to->connections},
		{"api.limits.connections_per_client", from->connections_per_client,
		 to->connections_per_client},
		{"api.limits.request_seconds", from->request_seconds, to->request_seconds},
		{"api.limits.idle_seconds", from->idle_seconds, to->idle_seconds},
	};
	const struct {
		const char *path, *from, *to;
	} texts[] = {
		{"api.credentials_file", from->credentials_file, to->credentials_file},
		{"api.tls.cert", from->tls_cert, to->tls_cert},
		{"api.tls.key", from->tls_key, to->tls_key},
	};

	list_check(errs, "api.listen", from->listen, from->n_listen, to->listen, to->n_listen);
	for (size_t i = 0; i < CV_ARRAY_LEN(numbers); i++)
		number_check(errs, numbers[i].path, numbers[i].from, numbers[i].to);
	for (size_t i = 0; i < CV_ARRAY_LEN(texts); i++)
		text_check(errs, texts[i].path, or_nothing(texts[i].from), or_nothing(texts[i].to));
	notifications_check(errs, from, to);
}

/* Limits are lengths of tables, and source ports are in pools that hold those of flows. */
static void tables_check(struct cv_errs *errs, const struct cv_conf *from, const struct cv_conf *to)
{
	number_check(errs, "limits.flows", from->limits.flows, to->limits.flows);
	number_check(errs, "limits.endpoints", from->limits.endpoints, to->limits.endpoints);
	number_check(errs, "limits.targets", from->limits.targets, to->limits.targets);
	number_check(errs, "limits.listeners", from->limits.listeners, to->limits.listeners);
	number_check(errs, "settings.snat.port_first", from->settings.snat_port_first,
		     to->settings.snat_port_first);
	number_check(errs, "settings.snat.n_ports", from->settings.snat_n_ports,
		     to->settings.snat_n_ports);
}

static void dpdk_check(struct cv_errs *errs, const struct cv_conf_dpdk *a,
		       const struct cv_conf_dpdk *b)
{
	number_check(errs, "dpdk.workers", a->workers, b->workers);
	number_check(errs, "dpdk.main_core", a->main_core, b->main_core);
	cores_check(errs, a, b);
	flag_check(errs, "dpdk.huge_pages", a->huge_pages, b->huge_pages);
	number_check(errs, "dpdk.memory_mb", a->memory_mb, b->memory_mb);
	number_check(errs, "dpdk.mbufs", a->mbufs, b->mbufs);
	list_check(errs, "dpdk.eal_args", a->eal_args, a->n_eal_args, b->eal_args, b->n_eal_args);
	if (a->n_ports != b->n_ports)
		cv_errs_add(errs, "dpdk.ports", 0,
			    "a change needs a restart: runs with %u ports, the file has %u",
			    a->n_ports, b->n_ports);
	for (uint32_t i = 0; i < a->n_ports && i < b->n_ports; i++)
		port_check(errs, i, &a->ports[i], &b->ports[i]);
}

bool cv_ctl_restart_is_spared(const struct cv_conf *from, const struct cv_conf *to,
			      struct cv_errs *errs)
{
	size_t n = errs->n;

	/* Ids and ARNs are derived from it: with another one everything is another thing. */
	text_check(errs, "region", from->model->region, to->model->region);
	lbs_check(errs, from->model, to->model);
	dpdk_check(errs, &from->dpdk, &to->dpdk);
	tables_check(errs, from, to);
	api_check(errs, &from->api, &to->api);
	text_check(errs, "control.socket", from->control.socket, to->control.socket);
	text_check(errs, "control.state",
		   from->control.state != NULL ? from->control.state : "none",
		   to->control.state != NULL ? to->control.state : "none");
	return errs->n == n && !errs->truncated;
}
