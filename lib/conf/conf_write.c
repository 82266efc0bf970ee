/* SPDX-License-Identifier: BSD-3-Clause */

/* Documents: a resource of the model in the words of the schema. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"

#include "cv_conf_doc.h"
#include "cv_model_change.h"

/* Every helper takes NULL for "memory ran out" and hands it on, so that only the end is looked at. */

static void put(json_t **object, const char *key, json_t *value)
{
	if (json_object_set_new(*object, key, value) != 0) {
		json_decref(*object);
		*object = NULL;
	}
}

static void add(json_t **array, json_t *value)
{
	if (json_array_append_new(*array, value) != 0) {
		json_decref(*array);
		*array = NULL;
	}
}

static json_t *ip_json(cv_be32_t ip)
{
	char text[CV_NET_STR_LEN];

	return json_string(cv_ip4_str(ip, text));
}

static json_t *prefix_json(const struct cv_prefix *prefix)
{
	char text[CV_NET_STR_LEN];

	return json_string(cv_prefix_str(prefix, text));
}

/* By name, the VPC's own group is found whoever made it: the file may come to have one, or not. */
static const char *sg_ref(const struct cv_model_security_group *sg)
{
	return strcmp(sg->name, CV_MODEL_SG_DEFAULT) == 0 ? sg->name : sg->id;
}

static json_t *ids_json(const struct cv_model *model, enum cv_model_kind kind, const uint32_t *idx,
			uint32_t n)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		add(&list, json_string(kind == CV_MODEL_SG ? sg_ref(&model->sgs[idx[i]])
							   : model->lbs[idx[i]].arn));
	return list;
}

static json_t *tags_json(const struct cv_model_tag *tags, uint32_t n)
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < n; i++)
		put(&object, tags[i].key, json_string(tags[i].value));
	return object;
}

static bool is_stored(const struct cv_model_meta *meta, const char *key)
{
	for (uint32_t i = 0; i < meta->n_attrs; i++) {
		if (strcmp(meta->attrs[i].key, key) == 0)
			return true;
	}
	return false;
}

/* An attribute's value as the schema has it: a number, a literal or a word. */
static json_t *value_json(const char *value)
{
	if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
		return json_boolean(value[0] == 't');
	if (value[0] != '\0' && strspn(value, "0123456789") == strlen(value))
		return json_integer(atoll(value));
	return json_string(value);
}

/* Those attributes for which the schema has a key. */
static json_t *attrs_json(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx,
			  uint32_t listener)
{
	static const char *const paths[CV_MODEL_KIND_N] = {
		[CV_MODEL_TG] = "target_groups[].attributes.",
		[CV_MODEL_LB] = "load_balancers[].attributes.",
		[CV_MODEL_LISTENER] = "load_balancers[].listeners[].attributes.",
	};
	const struct cv_model_meta *meta = cv_model_meta(model, kind, idx, listener);
	json_t *object = json_object();
	struct cv_model_attr attr;
	char path[160];

	for (uint32_t i = 0; cv_model_attr_at(model, kind, idx, listener, i, &attr); i++) {
		snprintf(path, sizeof(path), "%s%s", paths[kind], attr.key);
		/* Which addresses they are says how many. */
		if (strcmp(attr.key, CV_MODEL_ATTR_SECONDARY_IPS) != 0 &&
		    !is_stored(meta, attr.key) && cv_conf_row_find(path) != CONF_NONE)
			put(&object, attr.key, value_json(attr.value));
	}
	return object;
}

static json_t *vxlan_json(const struct cv_model_vxlan *vxlan)
{
	json_t *peers = json_array(), *object;

	for (uint32_t i = 0; i < vxlan->n_peers; i++)
		add(&peers, ip_json(vxlan->peers[i]));
	object = json_pack("{s:I, s:o, s:o}", "vni", (json_int_t)vxlan->vni, "vtep",
			   ip_json(vxlan->vtep), "peers", peers);
	if (vxlan->gateway != 0)
		put(&object, "gateway", ip_json(vxlan->gateway));
	return object;
}

static json_t *vpc_json(const struct cv_model *model, uint32_t idx)
{
	const struct cv_model_vpc *vpc = &model->vpcs[idx];
	json_t *attachment = json_pack("{s:s}", "port", vpc->port);
	json_t *cidrs = json_array();

	for (uint32_t i = 0; i < vpc->n_cidrs; i++)
		add(&cidrs, prefix_json(&vpc->cidrs[i]));
	if (vpc->vlan != 0)
		put(&attachment, "vlan", json_integer(vpc->vlan));
	if (vpc->vxlan.vni != 0)
		put(&attachment, "vxlan", vxlan_json(&vpc->vxlan));
	return json_pack("{s:s, s:s, s:s, s:o, s:b, s:b, s:o}", "name", vpc->name, "id", vpc->id,
			 "owner", model->accounts[vpc->owner].id, "cidrs", cidrs,
			 "enable_dns_support", (int)vpc->dns_support, "enable_dns_hostnames",
			 (int)vpc->dns_hostnames, "attachment", attachment);
}

static json_t *subnet_json(const struct cv_model *model, uint32_t idx)
{
	const struct cv_model_subnet *subnet = &model->subnets[idx];
	json_t *object = json_pack("{s:s, s:s, s:o, s:s}", "name", subnet->name, "id", subnet->id,
				   "cidr", prefix_json(&subnet->cidr), "zone", subnet->zone_name);

	if (subnet->gateway != 0)
		put(&object, "gateway", ip_json(subnet->gateway));
	return object;
}

static json_t *rule_json(const struct cv_model *model, uint32_t vpc,
			 const struct cv_model_rule *rule)
{
	static const char *const protocols[] = {"tcp", "all", "udp", "icmp"};
	uint32_t group = cv_model_rule_group(model, vpc, rule);
	json_t *object;
	char ports[16];

	snprintf(ports, sizeof(ports), "%u-%u", rule->port_first, rule->port_last);
	object = json_pack("{s:s, s:s, s:s}", "id", rule->id, "protocol", protocols[rule->protocol],
			   "ports", ports);
	if (rule->group == NULL)
		put(&object, "cidr", prefix_json(&rule->cidr));
	else
		put(&object, "security_group",
		    json_string(group != CV_MODEL_NONE ? sg_ref(&model->sgs[group]) : rule->group));
	if (rule->description != NULL)
		put(&object, "description", json_string(rule->description));
	if (rule->n_tags > 0)
		put(&object, "tags", tags_json(rule->tags, rule->n_tags));
	return object;
}

static json_t *sg_json(const struct cv_model *model, uint32_t idx)
{
	const struct cv_model_security_group *sg = &model->sgs[idx];
	json_t *rules = json_array(), *egress = json_array();

	for (uint32_t i = 0; i < sg->n_rules; i++)
		add(&rules, rule_json(model, sg->vpc, &sg->rules[i]));
	for (uint32_t i = 0; i < sg->n_egress; i++)
		add(&egress, rule_json(model, sg->vpc, &sg->egress[i]));
	return json_pack("{s:s, s:s, s:o, s:o}", "name", sg->name, "id", sg->id, "ingress", rules,
			 "egress", egress);
}

static json_t *target_json(const struct cv_model *model, const struct cv_model_target_group *tg,
			   const struct cv_model_target *target)
{
	json_t *object =
		json_pack("{s:o, s:i}", "ip", ip_json(target->ip), "port", (int)target->port);

	/* In a subnet it is the subnet's when it is read; it may be without one by then. */
	if (target->zone != CV_MODEL_NONE)
		put(&object, "zone", json_string(model->zones[target->zone].id));
	else if (!cv_model_vpc_has(&model->vpcs[tg->vpc], target->ip))
		put(&object, "zone", json_string("all"));
	return object;
}

/* All of a group's targets, or only those that calls registered. */
static json_t *targets_json(const struct cv_model *model, const struct cv_model_target_group *tg,
			    bool all)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < tg->n_targets; i++) {
		if (all || tg->targets[i].api)
			add(&list, target_json(model, tg, &tg->targets[i]));
	}
	return list;
}

static json_t *check_json(const struct cv_model_check *check)
{
	static const char *const protocols[] = {"TCP", "HTTP", "HTTPS"};
	json_t *object = json_pack("{s:b, s:s, s:I, s:I, s:I, s:I}", "enabled", (int)check->enabled,
				   "protocol", protocols[check->protocol], "interval_seconds",
				   (json_int_t)check->interval_s, "timeout_seconds",
				   (json_int_t)check->timeout_s, "healthy_threshold",
				   (json_int_t)check->n_healthy, "unhealthy_threshold",
				   (json_int_t)check->n_unhealthy);

	if (check->port != 0)
		put(&object, "port", json_integer(check->port));
	if (check->path != NULL)
		put(&object, "path", json_string(check->path));
	if (check->matcher != NULL)
		put(&object, "matcher", json_string(check->matcher));
	return object;
}

static json_t *tg_json(const struct cv_model *model, uint32_t idx)
{
	const struct cv_model_target_group *tg = &model->tgs[idx];

	return json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:o}", "name", tg->name, "arn", tg->arn,
			 "vpc", model->vpcs[tg->vpc].id, "port", (int)tg->port, "attributes",
			 attrs_json(model, CV_MODEL_TG, idx, 0), "health_check",
			 check_json(&tg->check), "targets", targets_json(model, tg, true));
}

static json_t *listener_json(const struct cv_model *model, uint32_t lb, uint32_t idx)
{
	const struct cv_model_listener *l = &model->lbs[lb].listeners[idx];
	json_t *forward = json_array();

	for (uint32_t i = 0; i < l->n_forwards; i++)
		add(&forward,
		    json_pack("{s:s, s:i}", "target_group", model->tgs[l->forwards[i].tg].arn,
			      "weight", (int)l->forwards[i].weight));
	return json_pack("{s:s, s:i, s:o, s:{s:b}, s:o}", "arn", l->arn, "port", (int)l->port,
			 "forward", forward, "target_group_stickiness", "enabled",
			 (int)l->sticky_group, "attributes",
			 attrs_json(model, CV_MODEL_LISTENER, lb, idx));
}

static json_t *node_json(const struct cv_model *model, const struct cv_model_node *node)
{
	json_t *ips = json_array();

	for (uint32_t i = 0; i < node->n_ips; i++)
		add(&ips, ip_json(node->ips[i]));
	return json_pack("{s:s, s:o}", "subnet", model->subnets[node->subnet].id, "ips", ips);
}

static json_t *lb_json(const struct cv_model *model, uint32_t idx)
{
	const struct cv_model_lb *lb = &model->lbs[idx];
	json_t *nodes = json_array(), *listeners = json_array(), *object;

	for (uint32_t i = 0; i < lb->n_nodes; i++)
		add(&nodes, node_json(model, &lb->nodes[i]));
	for (uint32_t i = 0; i < lb->n_listeners; i++)
		add(&listeners, listener_json(model, idx, i));
	object = json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:o, s:o}", "name", lb->name, "arn",
			   lb->arn, "vpc", model->vpcs[lb->vpc].id, "subnets", nodes,
			   "security_groups", ids_json(model, CV_MODEL_SG, lb->sgs, lb->n_sgs),
			   "enforce_security_group_inbound_rules_on_private_link_traffic",
			   (int)lb->sg_on_privatelink, "attributes",
			   attrs_json(model, CV_MODEL_LB, idx, 0), "listeners", listeners);
	if (lb->shifted_zone != CV_MODEL_NONE)
		put(&object, "zonal_shift",
		    json_pack("{s:s}", "away_from", model->zones[lb->shifted_zone].id));
	return object;
}

static json_t *service_json(const struct cv_model *model, uint32_t idx)
{
	const struct cv_model_service *service = &model->services[idx];
	json_t *principals = json_array();

	for (uint32_t i = 0; i < service->n_principals; i++)
		add(&principals, json_string(service->principals[i]));
	return json_pack("{s:s, s:s, s:o, s:o, s:b}", "name", service->name, "id", service->id,
			 "load_balancers",
			 ids_json(model, CV_MODEL_LB, service->lbs, service->n_lbs),
			 "allowed_principals", principals, "acceptance_required",
			 (int)service->acceptance_required);
}

static json_t *endpoint_json(const struct cv_model *model, uint32_t idx)
{
	const struct cv_model_endpoint *endpoint = &model->endpoints[idx];
	json_t *enis = json_array();

	for (uint32_t i = 0; i < endpoint->n_enis; i++)
		add(&enis,
		    json_pack("{s:s, s:o}", "subnet", model->subnets[endpoint->enis[i].subnet].id,
			      "ip", ip_json(endpoint->enis[i].ip)));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "name", endpoint->name, "id",
			 endpoint->id, "principal", endpoint->principal, "vpc",
			 model->vpcs[endpoint->vpc].id, "service", endpoint->service_name,
			 "subnets", enis, "security_groups",
			 ids_json(model, CV_MODEL_SG, endpoint->sgs, endpoint->n_sgs));
}

/* ---- what the schema has no words for ---- */

static void service_runtime(const struct cv_model *model, uint32_t idx, json_t **runtime)
{
	const struct cv_model_service *service = &model->services[idx];
	json_t *zones = json_array();

	for (uint32_t i = 0; i < model->n_zones; i++) {
		if ((service->zones >> i & 1) != 0)
			add(&zones, json_string(model->zones[i].id));
	}
	put(runtime, "zones", zones);
	put(runtime, "dns_state", json_integer(service->dns_state));
	if (service->private_dns_name != NULL)
		put(runtime, "private_dns_name", json_string(service->private_dns_name));
}

static void endpoint_runtime(const struct cv_model *model, uint32_t idx, json_t **runtime)
{
	const struct cv_model_endpoint *endpoint = &model->endpoints[idx];
	json_t *lbs = json_array();

	for (uint32_t i = 0; i < endpoint->n_enis; i++)
		add(&lbs, json_string(endpoint->enis[i].lb != CV_MODEL_NONE
					      ? model->lbs[endpoint->enis[i].lb].arn
					      : ""));
	put(runtime, "eni_load_balancers", lbs);
	put(runtime, "state", json_string(cv_model_state_str(endpoint->state)));
	put(runtime, "state_since", json_integer((json_int_t)endpoint->state_since));
	put(runtime, "private_dns", json_boolean(endpoint->private_dns));
}

static void lb_runtime(const struct cv_model *model, uint32_t idx, json_t **runtime)
{
	const struct cv_model_lb *lb = &model->lbs[idx];
	json_t *tags = json_object(), *seconds = json_object(), *asked = json_array();

	for (uint32_t i = 0; i < lb->n_nodes; i++)
		add(&asked, json_integer(lb->nodes[i].n_asked));
	put(runtime, "addresses_asked", asked);
	for (uint32_t i = 0; i < lb->n_listeners; i++) {
		const struct cv_model_listener *l = &lb->listeners[i];

		put(&tags, l->arn, tags_json(l->meta.tags, l->meta.n_tags));
		if (l->sticky_seconds != 0)
			put(&seconds, l->arn, json_integer(l->sticky_seconds));
	}
	put(runtime, "listener_tags", tags);
	put(runtime, "listener_sticky_seconds", seconds);
	/* No file says otherwise of a call's. */
	if (lb->shift_decided && !lb->meta.api)
		put(runtime, "zonal_shift",
		    json_string(lb->shifted_zone != CV_MODEL_NONE
					? model->zones[lb->shifted_zone].id
					: ""));
}

static void tg_runtime(const struct cv_model *model, uint32_t idx, json_t **runtime)
{
	const struct cv_model_target_group *tg = &model->tgs[idx];
	json_t *dropped;

	if (tg->meta.api)
		return;
	dropped = json_array();
	for (uint32_t i = 0; i < tg->n_dropped; i++)
		add(&dropped, target_json(model, tg, &tg->dropped[i]));
	put(runtime, "registered", targets_json(model, tg, false));
	put(runtime, "deregistered", dropped);
}

static json_t *runtime_json(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
{
	const struct cv_model_meta *meta = cv_model_meta(model, kind, idx, 0);
	json_t *runtime = json_pack("{s:I, s:o, s:o}", "created", (json_int_t)meta->created, "tags",
				    tags_json(meta->tags, meta->n_tags), "attributes",
				    tags_json(meta->attrs, meta->n_attrs));

	if (kind == CV_MODEL_SUBNET)
		put(&runtime, "vpc", json_string(model->vpcs[model->subnets[idx].vpc].id));
	else if (kind == CV_MODEL_SG)
		put(&runtime, "vpc", json_string(model->vpcs[model->sgs[idx].vpc].id));
	else if (kind == CV_MODEL_TG)
		tg_runtime(model, idx, &runtime);
	else if (kind == CV_MODEL_LB)
		lb_runtime(model, idx, &runtime);
	else if (kind == CV_MODEL_SERVICE)
		service_runtime(model, idx, &runtime);
	else if (kind == CV_MODEL_ENDPOINT)
		endpoint_runtime(model, idx, &runtime);
	return runtime;
}

int cv_conf_doc_write(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx,
		      char **ret_text)
{
	static json_t *(*const resources[CV_MODEL_KIND_N])(const struct cv_model *, uint32_t) = {
		[CV_MODEL_VPC] = vpc_json,
		[CV_MODEL_SUBNET] = subnet_json,
		[CV_MODEL_SG] = sg_json,
		[CV_MODEL_TG] = tg_json,
		[CV_MODEL_LB] = lb_json,
		[CV_MODEL_SERVICE] = service_json,
		[CV_MODEL_ENDPOINT] = endpoint_json,
	};
	const struct cv_model_meta *meta = cv_model_meta(model, kind, idx, 0);
	json_t *root;
	char *text;

	if ((!meta->api && !meta->runtime) ||
	    (kind == CV_MODEL_ENDPOINT && cv_model_endpoint_is_over(&model->endpoints[idx])))
		return -ENOENT;
	root = json_pack("{s:o}", "runtime", runtime_json(model, kind, idx));
	if (meta->api)
		put(&root, "resource", resources[kind](model, idx));
	text = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	if (text == NULL)
		return -ENOMEM;
	*ret_text = text;
	return 0;
}

static int docs_add(struct cv_conf_docs *docs, const struct cv_model *model,
		    enum cv_model_kind kind, uint32_t idx)
{
	struct cv_conf_doc *items;
	char *text = NULL;
	int ret;

	if (cv_model_meta(model, kind, idx, 0)->gone)
		return 0;
	ret = cv_conf_doc_write(model, kind, idx, &text);
	if (ret != 0)
		return ret == -ENOENT ? 0 : ret;
	items = (struct cv_conf_doc *)(uintptr_t)docs->items;
	/* By powers of two. */
	if ((docs->n & (docs->n - 1)) == 0)
		items = realloc(items, (docs->n == 0 ? 1 : docs->n * 2) * sizeof(*items));
	if (items == NULL) {
		free(text);
		return -ENOMEM;
	}
	docs->items = items;
	items[docs->n++] = (struct cv_conf_doc){kind, cv_model_id_at(model, kind, idx), text};
	return 0;
}

int cv_conf_docs_get(const struct cv_model *model, struct cv_conf_docs *ret_docs)
{
	struct cv_conf_docs docs = {0};
	int ret = 0;

	for (enum cv_model_kind kind = CV_MODEL_VPC; kind <= CV_MODEL_ENDPOINT; kind++) {
		for (uint32_t i = 0; i < cv_model_count(model, kind) && ret == 0; i++)
			ret = docs_add(&docs, model, kind, i);
	}
	if (ret != 0)
		cv_conf_docs_fini(&docs);
	else
		*ret_docs = docs;
	return ret;
}

void cv_conf_docs_fini(struct cv_conf_docs *docs)
{
	for (size_t i = 0; i < docs->n; i++)
		free((char *)(uintptr_t)docs->items[i].text);
	free((struct cv_conf_doc *)(uintptr_t)docs->items);
	*docs = (struct cv_conf_docs){0};
}
