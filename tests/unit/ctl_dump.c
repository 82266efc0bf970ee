/* SPDX-License-Identifier: BSD-3-Clause */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl_dump.h"

#include "cv_drops.h"
#include "cv_model_pool.h"
#include "show_priv.h"

#define NAME_LEN 400

/* What is being written. */
struct dump {
	struct cv_ctl *ctl;
	const struct cv_model *m;
	const struct cv_view_spec *s;
	char names[8][NAME_LEN];
	unsigned int n_names;
};

static json_t *pack(const char *fmt, ...)
{
	json_error_t error;
	json_t *json;
	va_list ap;

	va_start(ap, fmt);
	json = json_vpack_ex(&error, 0, fmt, ap);
	va_end(ap);
	if (json == NULL)
		fail_msg("%s: %s", fmt, error.text);
	return json;
}

/* Room for a name: good for the next seven. */
static char *room(struct dump *d)
{
	return d->names[d->n_names++ % CV_ARRAY_LEN(d->names)];
}

static const char *ip_str(struct dump *d, cv_be32_t ip)
{
	return cv_ip4_str(ip, room(d));
}

/* ---- names of slots ---- */

static const struct cv_plan_obj *obj(const struct dump *d, enum cv_plan_kind kind, uint32_t slot)
{
	if (slot >= d->ctl->plan->n_slots[kind])
		return NULL;
	return d->ctl->plan->objs[kind][slot].idx != CV_MODEL_NONE ? &d->ctl->plan->objs[kind][slot]
								   : NULL;
}

static const char *vpc_name(struct dump *d, uint16_t slot)
{
	const struct cv_plan_obj *o = obj(d, CV_PLAN_VPC, slot);
	char *name = room(d);

	snprintf(name, NAME_LEN, "%s%s",
		 o == NULL       ? "none"
		 : o->owner == 1 ? "under "
				 : "",
		 o != NULL ? d->m->vpcs[o->idx].id : "");
	return name;
}

static const char *lb_name(struct dump *d, uint32_t slot)
{
	const struct cv_plan_obj *o = obj(d, CV_PLAN_LB, slot);

	return o != NULL ? d->m->lbs[o->idx].arn : "none";
}

static const char *endpoint_name(struct dump *d, uint32_t slot)
{
	const struct cv_plan_obj *o = obj(d, CV_PLAN_ENDPOINT, slot);

	return slot == CV_VIEW_DIRECT ? "direct" : o != NULL ? d->m->endpoints[o->idx].id : "none";
}

static const char *group_name(struct dump *d, uint32_t slot)
{
	const struct cv_plan_obj *o = obj(d, CV_PLAN_GROUP, slot);

	return o != NULL ? d->m->tgs[o->idx].arn : "none";
}

static const char *node_name(struct dump *d, uint32_t slot)
{
	const struct cv_plan_obj *o = obj(d, CV_PLAN_NODE, slot);
	char *name = room(d);

	snprintf(name, NAME_LEN, "none");
	if (o != NULL)
		snprintf(name, NAME_LEN, "%s %s", d->m->lbs[o->owner].arn,
			 d->m->zones[d->m->lbs[o->owner].nodes[o->idx].zone].id);
	return name;
}

static const char *target_name(struct dump *d, uint32_t slot)
{
	const struct cv_plan_obj *o = obj(d, CV_PLAN_TARGET, slot);
	const struct cv_model_target *t;
	char *name = room(d), ip[CV_NET_STR_LEN];

	snprintf(name, NAME_LEN, "none");
	if (o != NULL) {
		t = &d->m->tgs[o->owner].targets[o->idx];
		snprintf(name, NAME_LEN, "%s %s:%u", d->m->tgs[o->owner].arn, cv_ip4_str(t->ip, ip),
			 t->port);
	}
	return name;
}

/* ---- the view ---- */

static json_t *rules_dump(struct dump *d, uint32_t first, uint32_t n)
{
	json_t *list = json_array();
	char text[CV_NET_STR_LEN];

	for (uint32_t i = first; i < first + n; i++) {
		const struct cv_view_sg_rule *r = &d->s->sg_rules[i];

		json_array_append_new(list, pack("[s,i,i]", cv_prefix_str(&r->from, text),
						 r->port_first, r->port_last));
		for (uint32_t k = 0; k < r->n_ips; k++)
			json_array_append_new(
				list, json_string(cv_ip4_str(d->s->sg_ips[r->ip_first + k], text)));
	}
	return list;
}

static json_t *vpcs_dump(struct dump *d)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < d->s->n_vpcs; i++) {
		const struct cv_view_vpc *v = &d->s->vpcs[i];
		const struct cv_view_vxlan none = {0};
		const struct cv_view_vxlan *x =
			i < d->s->tunnels.n_vxlans ? &d->s->tunnels.vxlans[i] : &none;
		json_t *peers;

		if (!v->used)
			continue;
		peers = json_array();
		for (uint32_t k = x->peer_first; k < x->peer_first + x->n_peers; k++)
			json_array_append_new(
				peers,
				pack("[s,s]", ip_str(d, d->s->tunnels.peers[k].ip),
				     ip_str(d, d->ctl->plan->neighs[d->s->tunnels.peers[k].neigh]
						       .ip)));
		json_object_set_new(
			all, vpc_name(d, (uint16_t)i),
			pack("{s:i,s:i,s:i,s:i,s:i,s:i,s:b,s:b,s:b,s:s,s:i,s:s,s:o}", "port",
			     v->port, "vlan", v->vlan, "mac", v->mac_prefix, "mss", v->mss_max,
			     "mtu", v->mtu, "mtu by endpoint", v->mtu_by_endpoint, "host",
			     i < d->s->n_hosts && d->s->hosts[i].on, "vxlan", x->on, "under",
			     x->is_under, "by", x->on ? vpc_name(d, x->under) : "", "vni",
			     (int)x->vni, "vtep", ip_str(d, x->vtep), "peers", peers));
	}
	return all;
}

static json_t *locals_dump(struct dump *d)
{
	json_t *all = json_object();
	char name[NAME_LEN];

	for (uint32_t i = 0; i < d->s->n_locals; i++) {
		const struct cv_view_local *l = &d->s->locals[i];
		const struct cv_view_path *p = &d->s->paths[cv_view_path_slot(l->path)];

		snprintf(name, sizeof(name), "%s %s", vpc_name(d, l->vpc), ip_str(d, l->ip));
		json_object_set_new(
			all, name,
			pack("{s:i,s:s,s:s,s:s,s:s,s:b}", "kind", l->kind, "endpoint",
			     endpoint_name(d, l->endpoint), "node", node_name(d, l->node),
			     "path endpoint", endpoint_name(d, p->endpoint), "path node",
			     node_name(d, p->node), "direct", cv_view_path_is_direct(l->path)));
	}
	return all;
}

static json_t *services_dump(struct dump *d)
{
	json_t *all = json_object();
	char name[NAME_LEN];

	for (uint32_t i = 0; i < d->s->n_hosts; i++) {
		const struct cv_view_host *h = &d->s->hosts[i];

		for (uint32_t k = 0; h->on && k < h->n_services; k++) {
			const struct cv_view_service *v = &d->s->services[h->service_first + k];

			snprintf(name, sizeof(name), "%s %s %u %u", vpc_name(d, (uint16_t)i),
				 ip_str(d, v->ip), cv_be16_host(v->port), v->proto);
			json_object_set_new(all, name, json_true());
		}
	}
	return all;
}

static json_t *endpoints_dump(struct dump *d)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < d->s->n_endpoints; i++) {
		const struct cv_view_endpoint *e = &d->s->endpoints[i];
		char ppv2[2 * CV_PPV2_AWS_LEN + 1];

		if (!e->used)
			continue;
		for (size_t k = 0; k < CV_PPV2_AWS_LEN; k++)
			snprintf(ppv2 + 2 * k, 3, "%02x", e->ppv2[k]);
		json_object_set_new(all, endpoint_name(d, i),
				    pack("{s:s,s:b,s:o,s:s}", "verdict",
					 cv_drop_name((enum cv_drop)e->verdict), "any", e->sg_any,
					 "rules", rules_dump(d, e->sg_first, e->sg_n), "ppv2",
					 ppv2));
	}
	return all;
}

static json_t *nodes_dump(struct dump *d)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < d->s->n_nodes; i++) {
		const struct cv_view_node *n = &d->s->nodes[i];
		const struct cv_plan_node *p = &d->ctl->plan->nodes[i];
		json_t *ips;

		if (!n->used)
			continue;
		ips = json_array();
		for (uint32_t k = 0; k < n->n_ips; k++)
			json_array_append_new(
				ips, json_string(ip_str(d, d->s->node_ips[n->ip_first + k])));
		json_object_set_new(all, node_name(d, i),
				    pack("{s:s,s:s,s:s,s:o,s:b,s:b,s:o,s:b,s:b,s:b}", "vpc",
					 vpc_name(d, n->vpc), "zone", d->m->zones[n->zone].id, "lb",
					 lb_name(d, n->lb), "ips", ips, "any", n->sg_any,
					 "not endpoints", n->sg_not_endpoints, "rules",
					 rules_dump(d, n->sg_first, n->sg_n), "healthy", p->healthy,
					 "shifted", p->shifted, "in dns", p->in_dns));
	}
	return all;
}

static json_t *choices_dump(struct dump *d, uint32_t first)
{
	json_t *zones = json_object();

	for (uint32_t z = 0; z < d->s->n_zones; z++) {
		const struct cv_view_choice *c = &d->s->choices[first + z];
		json_t *list = json_array();

		for (uint32_t k = 0; k < c->n; k++)
			json_array_append_new(
				list,
				json_string(target_name(d, d->s->choice_targets[c->first + k])));
		json_object_set_new(zones, d->m->zones[z].id,
				    pack("{s:b,s:o}", "unhealthy", c->unhealthy, "targets", list));
	}
	return zones;
}

static json_t *listener_dump(struct dump *d, const struct cv_view_listener *l)
{
	json_t *forwards = json_array(), *closed = json_array();

	for (uint32_t k = 0; k < l->n_forwards; k++) {
		const struct cv_view_forward *f = &d->s->forwards[l->forward_first + k];

		json_array_append_new(forwards,
				      pack("{s:s,s:I,s:o}", "group", group_name(d, f->group),
					   "last", (json_int_t)f->last, "zones",
					   choices_dump(d, f->zone_first)));
	}
	for (uint32_t k = 0; k < l->n_closed; k++)
		json_array_append_new(
			closed,
			json_string(group_name(d, d->s->forwards[l->closed_first + k].group)));
	return pack("{s:s,s:i,s:i,s:s,s:b,s:o,s:o,s:o}", "lb", lb_name(d, l->lb), "port", l->port,
		    "idle", l->idle_s, "group", group_name(d, l->group), "sticky", l->sticky_group,
		    "forwards", forwards, "closed", closed, "zones",
		    l->group != CV_VIEW_NONE ? choices_dump(d, l->zone_first) : json_null());
}

static json_t *listeners_dump(struct dump *d)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < d->s->n_listeners; i++) {
		const struct cv_plan_obj *o = obj(d, CV_PLAN_LISTENER, i);

		if (d->s->listeners[i].used)
			json_object_set_new(all, d->m->lbs[o->owner].listeners[o->idx].arn,
					    listener_dump(d, &d->s->listeners[i]));
	}
	return all;
}

static json_t *groups_dump(struct dump *d)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < d->s->n_groups; i++) {
		const struct cv_view_group *g = &d->s->groups[i];

		if (g->used)
			json_object_set_new(
				all, group_name(d, i),
				pack("[b,b,b]", g->proxy_v2, g->on_first_ack, g->sticky));
	}
	return all;
}

static json_t *targets_dump(struct dump *d)
{
	json_t *all = json_object();

	for (uint32_t i = 0; i < d->s->n_targets; i++) {
		const struct cv_view_target *t = &d->s->targets[i];
		const struct cv_plan_neigh *n = &d->ctl->plan->neighs[t->neigh];

		if (!t->used)
			continue;
		json_object_set_new(all, target_name(d, i),
				    pack("{s:s,s:i,s:s,s:s,s:b,s:s,s:s,s:b}", "ip",
					 ip_str(d, t->ip), "port", cv_be16_host(t->port), "vpc",
					 vpc_name(d, t->vpc), "group", group_name(d, t->group),
					 "end", t->end, "next hop", ip_str(d, n->ip), "asked by",
					 ip_str(d, n->sender), "asked", n->used));
	}
	return all;
}

/* Those that are wanted: others only drain. */
static json_t *pools_dump(struct dump *d)
{
	json_t *all = json_object();
	char name[NAME_LEN];

	for (uint32_t i = 0; i < d->s->n_pools; i++) {
		const struct cv_view_pool *p = &d->s->pools[i];
		struct cv_snat_cfg cfg = cv_snat_pool_cfg(p->pool);

		if (!cv_plan_pool_is_wanted(p->pool, d->ctl->plan))
			continue;
		snprintf(name, sizeof(name), "%s %s %s:%u", vpc_name(d, p->key.vpc),
			 ip_str(d, p->key.node_ip), ip_str(d, p->key.target_ip),
			 cv_be16_host(p->key.target_port));
		json_object_set_new(
			all, name,
			pack("[i,i,I]", cfg.port_first, cfg.n_ports, (json_int_t)cfg.rest_ms));
	}
	return all;
}

static json_t *settings_dump(const struct cv_view_settings *s)
{
	return pack("{s:I,s:I,s:I,s:I,s:i,s:i,s:b,s:b,s:i,s:i,s:i,s:i}", "syn",
		    (json_int_t)s->syn_ms, "fin", (json_int_t)s->fin_ms, "linger",
		    (json_int_t)s->linger_ms, "half open", (json_int_t)s->half_open_max,
		    "host first", s->host_port_first, "host last", s->host_port_last, "too big",
		    s->icmp_too_big, "exhausted", s->exhausted_reset, "idle", s->end_idle, "target",
		    s->end_target, "endpoint", s->end_endpoint, "listener", s->end_listener);
}

static json_t *view_dump(struct dump *d)
{
	return pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "vpcs", vpcs_dump(d), "locals",
		    locals_dump(d), "services", services_dump(d), "endpoints", endpoints_dump(d),
		    "nodes", nodes_dump(d), "listeners", listeners_dump(d), "groups",
		    groups_dump(d), "targets", targets_dump(d), "pools", pools_dump(d), "settings",
		    settings_dump(&d->s->settings));
}

/* ---- what people are shown ---- */

static json_t *shown(struct cv_ctl *ctl, int (*fn)(struct cv_ctl *, struct ctl_show *))
{
	struct ctl_show show = {0};

	assert_int_equal(fn(ctl, &show), 0);
	assert_non_null(show.root);
	return show.root;
}

static json_t *accounts_dump(const struct cv_model *m)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->n_accounts; i++) {
		const struct cv_model_account *a = &m->accounts[i];

		json_array_append_new(list, pack("[s,s]", a->id, a->name));
		for (uint32_t k = 0; k < a->n_zones; k++)
			json_array_append_new(list, pack("[s,s]", a->zones[k].name,
							 m->zones[a->zones[k].zone].id));
	}
	return list;
}

static json_t *offers_dump(const struct cv_model *m)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->n_services; i++) {
		const struct cv_model_service *v = &m->services[i];

		json_array_append_new(list, pack("[s,b]", v->id, v->acceptance_required));
		for (uint32_t k = 0; k < v->n_principals; k++)
			json_array_append_new(list, json_string(v->principals[k]));
	}
	for (uint32_t i = 0; i < m->n_lbs; i++)
		json_array_append_new(
			list, pack("[i,b]", m->lbs[i].client_routing, m->lbs[i].zonal_shift));
	for (uint32_t i = 0; i < m->n_sgs; i++)
		json_array_append_new(list, pack("[s,s]", m->sgs[i].id, m->sgs[i].name));
	for (uint32_t i = 0; i < m->n_vpcs; i++)
		json_array_append_new(
			list, pack("[b,b]", m->vpcs[i].dns_support, m->vpcs[i].dns_hostnames));
	return list;
}

/* How targets are checked and drain. */
static json_t *checks_dump(const struct cv_model *m)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->n_tgs; i++) {
		const struct cv_model_target_group *t = &m->tgs[i];
		const struct cv_model_check *c = &t->check;

		json_array_append_new(list, pack("[b,i,i,s?,s?,i,i,i,i]", c->enabled, c->protocol,
						 c->port, c->path, c->matcher, c->interval_s,
						 c->timeout_s, c->n_healthy, c->n_unhealthy));
		json_array_append_new(list, pack("[b,b,i,i,i,i,i,i]", t->drain.terminate,
						 t->drain.unhealthy_terminate, t->drain.seconds,
						 t->drain.unhealthy_seconds, t->dns_least.count,
						 t->dns_least.percent, t->routing_least.count,
						 t->routing_least.percent));
	}
	return list;
}

/* What calls may make. */
static json_t *room_dump(const struct cv_model *m)
{
	json_t *list = json_array();
	char ip[CV_NET_STR_LEN];

	for (uint32_t i = 0; i < m->n_pools; i++) {
		const struct cv_model_pool *p = &m->pools[i];

		json_array_append_new(list, pack("[s,i,i,i,i,s]", p->port, p->vlan_first,
						 p->vlan_last, (int)p->vxlan.vni, (int)p->vni_last,
						 cv_ip4_str(p->vxlan.vtep, ip)));
		json_array_append_new(list, json_string(cv_ip4_str(p->vxlan.gateway, ip)));
		for (uint32_t k = 0; k < p->vxlan.n_peers; k++)
			json_array_append_new(list, json_string(cv_ip4_str(p->vxlan.peers[k], ip)));
		for (uint32_t k = 0; k < p->n_accounts; k++)
			json_array_append_new(list, json_string(m->accounts[p->accounts[k]].id));
	}
	for (int kind = 0; kind < CV_MODEL_KIND_N; kind++)
		json_array_append_new(list, json_integer(m->limits[kind]));
	json_array_append_new(list, pack("[i,i,i,i,i,i]", m->quotas.lbs, m->quotas.tgs,
					 m->quotas.listeners, m->quotas.lb_targets,
					 m->quotas.zone_targets, m->quotas.tg_targets));
	return list;
}

/* Targets that are gone and drain are no part of what a new process serves. */
static json_t *targets_shown(struct cv_ctl *ctl)
{
	json_t *root = shown(ctl, cv_ctl_show_targets), *group, *target;
	size_t i, k;

	json_array_foreach(json_object_get(root, "target_groups"), i, group)
	{
		json_t *targets = json_object_get(group, "targets");

		for (k = json_array_size(targets); k-- > 0;) {
			target = json_array_get(targets, k);
			if (json_object_get(target, "draining_seconds") != NULL)
				json_array_remove(targets, k);
		}
	}
	return root;
}

json_t *dump_get(struct cv_ctl *ctl)
{
	struct dump d = {.ctl = ctl,
			 .m = ctl->conf->model,
			 .s = cv_view_spec_get(cv_view_pub_current(ctl->pub))};

	return pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:b,s:i}", "view", view_dump(&d),
		    "accounts", accounts_dump(d.m), "offers", offers_dump(ctl->model), "checks",
		    checks_dump(d.m), "room", room_dump(ctl->model), "vpcs",
		    shown(ctl, cv_ctl_show_vpcs), "load balancers", shown(ctl, cv_ctl_show_lbs),
		    "targets", targets_shown(ctl), "services", shown(ctl, cv_ctl_show_services),
		    "endpoints", shown(ctl, cv_ctl_show_endpoints), "dns",
		    shown(ctl, cv_ctl_show_dns), "names everywhere", ctl->conf->dns.everywhere,
		    "queries", (int)ctl->conf->dns.rate);
}

/* ---- differences ---- */

static bool differ(json_t *a, json_t *b, char *path, size_t len, size_t cap);

static bool member_differs(json_t *a, json_t *b, const char *key, char *path, size_t len,
			   size_t cap)
{
	size_t add = (size_t)snprintf(path + len, cap - len, ".%s", key);

	if (differ(a, b, path, len + add < cap ? len + add : cap - 1, cap))
		return true;
	path[len] = '\0';
	return false;
}

static bool differ(json_t *a, json_t *b, char *path, size_t len, size_t cap)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_equal(a, b))
		return false;
	if (json_is_object(a) && json_is_object(b)) {
		json_object_foreach(a, key, value)
		{
			if (member_differs(value, json_object_get(b, key), key, path, len, cap))
				return true;
		}
	}
	if (json_is_array(a) && json_array_size(a) == json_array_size(b)) {
		json_array_foreach(a, i, value)
		{
			if (member_differs(value, json_array_get(b, i), "[]", path, len, cap))
				return true;
		}
	}
	if (len + 2 < cap) {
		char *x = json_dumps(a, JSON_ENCODE_ANY), *y = json_dumps(b, JSON_ENCODE_ANY);

		snprintf(path + len, cap - len, ": %s, %s", x != NULL ? x : "nothing",
			 y != NULL ? y : "nothing");
		free(x);
		free(y);
	}
	return true;
}

const char *dump_differs(json_t *a, json_t *b)
{
	static char path[2000];

	path[0] = '\0';
	(void)differ(a, b, path, 0, sizeof(path));
	return path;
}
