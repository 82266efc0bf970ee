/* SPDX-License-Identifier: BSD-3-Clause */

/* Rules of security groups. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"

static void tags_read(struct conf_run *run, uint32_t map, struct cv_model_rule *rule)
{
	const struct conf_doc *doc = &run->doc;
	size_t n = map != CONF_NONE ? json_object_size(doc->nodes[map].value) : 0;

	if (n == 0)
		return;
	rule->tags = calloc(n, sizeof(*rule->tags));
	if (rule->tags == NULL) {
		run->oom = true;
		return;
	}
	for (uint32_t i = cv_conf_doc_first(doc, map); i != CONF_NONE && rule->n_tags < n;
	     i = cv_conf_doc_next(doc, i)) {
		struct cv_model_tag *tag = &rule->tags[rule->n_tags];
		char *key = strndup(doc->nodes[i].key, doc->nodes[i].key_len);

		tag->key = key;
		tag->value = json_string_value(doc->nodes[i].value);
		if (key == NULL)
			run->oom = true;
		else
			rule->n_tags++;
	}
}

static void rule_read(struct conf_run *run, uint32_t node, struct cv_model_rule *rule)
{
	static const enum cv_model_protocol protocols[] = {CV_MODEL_TCP, CV_MODEL_PROTOCOL_ALL,
							   CV_MODEL_UDP, CV_MODEL_ICMP};
	uint32_t ports = cv_conf_node(run, node, "ports");
	uint32_t cidr = cv_conf_node(run, node, "cidr");
	const char *id = cv_conf_str(run, node, "id");
	uint32_t first = 0, last = UINT16_MAX;

	if (ports != CONF_NONE)
		(void)cv_conf_ports(run->doc.nodes[ports].value, &first, &last);
	rule->cidr = cv_conf_prefix(run, cidr);
	rule->port_first = (uint16_t)first;
	rule->port_last = (uint16_t)last;
	rule->protocol = protocols[cv_conf_choice(run, node, "protocol")];
	rule->group = cv_conf_str(run, node, "security_group");
	rule->description = cv_conf_str(run, node, "description");
	if (id != NULL)
		snprintf(rule->id, sizeof(rule->id), "%s", id);
	tags_read(run, cv_conf_node(run, node, "tags"), rule);
	if ((cidr == CONF_NONE) == (rule->group == NULL))
		cv_conf_err(run, node, "a rule has either \"cidr\" or \"security_group\"");
}

struct cv_model_rule *cv_conf_rules(struct conf_run *run, uint32_t list, uint32_t *ret_n)
{
	uint32_t n = cv_conf_count(run, list), k = 0;
	struct cv_model_rule *rules = calloc((size_t)n + 1, sizeof(*rules));

	*ret_n = 0;
	if (rules == NULL) {
		run->oom = true;
		return NULL;
	}
	for (uint32_t i = cv_conf_doc_first(&run->doc, list); i != CONF_NONE && k < n;
	     i = cv_conf_doc_next(&run->doc, i))
		rule_read(run, i, &rules[k++]);
	*ret_n = k;
	return rules;
}

void cv_conf_rules_free(struct cv_model_rule *rules, uint32_t n)
{
	for (uint32_t i = 0; rules != NULL && i < n; i++) {
		for (uint32_t k = 0; k < rules[i].n_tags; k++)
			free((char *)(uintptr_t)rules[i].tags[k].key);
		free(rules[i].tags);
	}
	free(rules);
}
