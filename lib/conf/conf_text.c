/* SPDX-License-Identifier: BSD-3-Clause */

/* What a person reads: the summary of a configuration, and the reference of the schema. */

#include "conf_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_targets(FILE *f, const struct cv_model *model,
			  const struct cv_model_target_group *tg)
{
	char text[CV_NET_STR_LEN];

	for (uint32_t i = 0; i < tg->n_targets; i++) {
		const struct cv_model_target *target = &tg->targets[i];

		fprintf(f, "        target %s:%u %s\n", cv_ip4_str(target->ip, text), target->port,
			target->zone == CV_MODEL_NONE ? "all zones"
						      : model->zones[target->zone].id);
	}
	if (tg->n_targets == 0)
		fprintf(f, "        no targets\n");
}

static void print_listener(FILE *f, const struct cv_model *model, const struct cv_model_lb *lb,
			   const struct cv_model_listener *listener)
{
	for (uint32_t i = 0; i < listener->n_forwards; i++) {
		const struct cv_model_target_group *tg = &model->tgs[listener->forwards[i].tg];

		fprintf(f, "    listener TCP %u -> %s", listener->port, tg->name);
		if (listener->n_forwards > 1)
			fprintf(f, " weight %u", listener->forwards[i].weight);
		fprintf(f, "  idle %u s  proxy protocol %s%s  cross-zone %s%s\n",
			listener->idle_seconds, tg->ppv2 ? "v2 " : "off",
			tg->ppv2 ? cv_model_placement_str(tg->placement) : "",
			cv_model_is_cross_zone(lb, tg) ? "on" : "off",
			tg->sticky ? "  sticky" : "");
		print_targets(f, model, tg);
	}
}

static void print_lb(FILE *f, const struct cv_model *model, const struct cv_model_lb *lb)
{
	char text[CV_NET_STR_LEN];

	fprintf(f, "  load balancer %s  vpc %s  cross-zone %s\n    %s\n", lb->name,
		model->vpcs[lb->vpc].name, lb->cross_zone ? "on" : "off", lb->arn);
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		const struct cv_model_node *node = &lb->nodes[i];

		fprintf(f, "    node %s", model->zones[node->zone].id);
		for (uint32_t k = 0; k < node->n_ips; k++)
			fprintf(f, " %s", cv_ip4_str(node->ips[k], text));
		fprintf(f, "\n");
	}
	if (lb->shifted_zone != CV_MODEL_NONE)
		fprintf(f, "    shifted away from %s\n", model->zones[lb->shifted_zone].id);
	for (uint32_t i = 0; i < lb->n_listeners; i++)
		print_listener(f, model, lb, &lb->listeners[i]);
}

static void print_service(FILE *f, const struct cv_model *model,
			  const struct cv_model_service *service)
{
	fprintf(f, "service %s  owner %s  acceptance %s\n  %s\n  allows", service->name,
		model->accounts[service->owner].id,
		service->acceptance_required ? "required" : "automatic", service->service_name);
	for (uint32_t i = 0; i < service->n_principals; i++)
		fprintf(f, " %s", service->principals[i]);
	fprintf(f, "%s\n", service->n_principals == 0 ? " nobody" : "");
	for (uint32_t i = 0; i < service->n_lbs; i++)
		print_lb(f, model, &model->lbs[service->lbs[i]]);
}

static void print_endpoint(FILE *f, const struct cv_model *model,
			   const struct cv_model_endpoint *endpoint)
{
	char text[CV_NET_STR_LEN];

	fprintf(f, "endpoint %s  %s  %s\n  service %s  vpc %s  principal %s\n", endpoint->name,
		endpoint->id, cv_model_state_str(endpoint->state),
		endpoint->service != CV_MODEL_NONE ? model->services[endpoint->service].name
						   : endpoint->service_name,
		model->vpcs[endpoint->vpc].name, endpoint->principal);
	for (uint32_t i = 0; i < endpoint->n_enis; i++) {
		const struct cv_model_eni *eni = &endpoint->enis[i];

		fprintf(f, "  %s  %s  %s (%s)\n", eni->id, cv_ip4_str(eni->ip, text),
			model->zones[eni->zone].id, model->subnets[eni->subnet].zone_name);
	}
}

static void print_all(FILE *f, const struct cv_conf *conf)
{
	const struct cv_model *model = conf->model;

	fprintf(f, "region %s  workers %u  ports %u  VPCs %u\n", model->region, conf->dpdk.workers,
		conf->dpdk.n_ports, model->n_vpcs);
	for (uint32_t i = 0; i < model->n_services; i++) {
		if (!model->services[i].meta.gone)
			print_service(f, model, &model->services[i]);
	}
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		if (model->lbs[i].service != CV_MODEL_NONE || model->lbs[i].meta.gone)
			continue;
		fprintf(f, "in no service\n");
		print_lb(f, model, &model->lbs[i]);
	}
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		if (!cv_model_endpoint_is_over(&model->endpoints[i]))
			print_endpoint(f, model, &model->endpoints[i]);
	}
}

/* Closes a memory stream. @return its text, or NULL if memory ran out at any moment */
static char *finish_text(FILE *f, char **text)
{
	bool bad = ferror(f) != 0;

	if (fclose(f) != 0 || bad) {
		free(*text);
		return NULL;
	}
	return *text;
}

char *cv_conf_summary(const struct cv_conf *conf)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	print_all(f, conf);
	return finish_text(f, &text);
}

static void print_type(FILE *f, const struct conf_row *row)
{
	static const char *const names[] = {
		[CONF_OBJECT] = "object",
		[CONF_MAP] = "object, any keys",
		[CONF_LIST] = "list",
		[CONF_STRING] = "string",
		[CONF_INT] = "integer",
		[CONF_BOOL] = "boolean",
		[CONF_IP] = "IPv4 address",
		[CONF_PREFIX] = "IPv4 prefix",
		[CONF_PORTS] = "port or range",
		[CONF_RANGE] = "number or range",
		[CONF_CHECK_PORT] = "port or `traffic-port`",
		[CONF_LEAST] = "integer or `\"off\"`",
	};
	const char *p = row->choices;

	if (row->type != CONF_ENUM) {
		fprintf(f, "%s", names[row->type]);
		return;
	}
	while (p != NULL) {
		size_t len = strcspn(p, "|");
		bool literal = strncmp(p, "true", len) == 0 || strncmp(p, "false", len) == 0;

		fprintf(f, literal ? "`%.*s`" : "`\"%.*s\"`", (int)len, p);
		p = p[len] == '|' ? p + len + 1 : NULL;
		fprintf(f, "%s", p != NULL ? ", " : "");
	}
}

static void print_bounds(FILE *f, const struct conf_row *row)
{
	static const char *const of[] = {
		[CONF_MAP] = " entries", [CONF_LIST] = " elements", [CONF_STRING] = " characters",
		[CONF_INT] = "",         [CONF_PORTS] = "",         [CONF_LEAST] = "",
		[CONF_RANGE] = "",
	};

	if (row->max == 0 || row->type >= CV_ARRAY_LEN(of) || of[row->type] == NULL)
		return;
	if (row->min != row->max)
		fprintf(f, "%lld..", (long long)row->min);
	fprintf(f, "%lld%s%s%s", (long long)row->max, of[row->type],
		row->unit[0] != '\0' ? " " : "", row->unit);
}

/* Of an object its members say. */
static const char *reload_str(uint32_t i, const struct conf_row *row)
{
	const unsigned int reload = cv_conf_row_reload(i);

	if (row->type == CONF_OBJECT)
		return "";
	return reload == CONF_RESTART ? "restart" : reload == CONF_RAISE ? "if raised" : "yes";
}

static void print_row(FILE *f, uint32_t i, const struct conf_row *row)
{
	fprintf(f, "| `%s` | ", row->path);
	print_type(f, row);
	fprintf(f, " | ");
	print_bounds(f, row);
	fprintf(f, " | ");
	if ((row->flags & CONF_REQUIRED) != 0)
		fprintf(f, "required");
	else if (row->def != NULL)
		fprintf(f, "`%s`", row->def);
	fprintf(f, " | %s | %s |\n", reload_str(i, row), row->help);
}

static void print_reference(FILE *f)
{
	uint32_t n;
	const struct conf_row *rows = cv_conf_schema(&n);
	fprintf(f,
		"# Configuration\n\n"
		"Generated by `tools/gen-conf-doc` from the schema in `lib/conf/conf_schema.c`.\n\n"
		"The file is one JSON object. `culvertd --check -c FILE` reports everything that is wrong "
		"with it,\neach with a JSON path and a line, or prints what it would serve. `[]` stands "
		"for each element of a list,\n`*` for any key.\n\n"
		"What one resource calls another may be its name, its id or its ARN. Ids and ARNs that are "
		"not given\nare derived from the region and the name, and so are the same after every "
		"restart. An address that is not\ngiven is found by hashing the interface's id into its "
		"subnet and taking the next free address: it does\nnot change when other resources come and "
		"go; where two collide, a restart may change it, a reload\n"
		"does not. Give the address where it matters.\n\n"
		"SIGHUP (`systemctl reload culvert`) has the file read again. Column *reload* says what that "
		"does with a changed\nvalue: *yes* serves it from then on, without a break for connections "
		"that it does not concern (doc/behaviour.md);\n*restart* refuses the whole file, names the "
		"value and its line, and leaves everything as it was.\n");
	for (uint32_t i = 1; i < n; i++) {
		const char *key;

		if (cv_conf_row_parent(i, &key) == 0) {
			fprintf(f, "\n## %s\n\n", rows[i].path);
			fprintf(f, "| key | type | bounds | default | reload | meaning |\n"
				   "| --- | --- | --- | --- | --- | --- |\n");
		}
		print_row(f, i, &rows[i]);
	}
}

char *cv_conf_reference(void)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return NULL;
	print_reference(f);
	return finish_text(f, &text);
}
