/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Security groups, as rules that workers look through. A rule that names a group stays one rule: it leads
 * to the addresses that have the group, which stand once, sorted, whoever names them. So what a plan
 * takes grows with what there is, never with the product of rules and members.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "plan_priv.h"

/* Who has which group. */
struct members {
	uint32_t *first; /* shape [groups + 1]: where each group's addresses begin */
	cv_be32_t *ips;
	bool *carried; /* shape [groups]: something has it, so that its rules count */
	bool *sorted;  /* likewise: its addresses are */
};

/* Calls back for each address that has a group. */
static void members_each(const struct cv_model *m, struct members *members,
			 void (*take)(struct members *members, uint32_t sg, cv_be32_t ip))
{
	for (uint32_t i = 0; i < m->n_endpoints; i++) {
		const struct cv_model_endpoint *ep = &m->endpoints[i];

		if (ep->meta.gone)
			continue;
		for (uint32_t k = 0; k < ep->n_enis * ep->n_sgs; k++)
			take(members, ep->sgs[k / ep->n_enis], ep->enis[k % ep->n_enis].ip);
	}
	for (uint32_t i = 0; i < m->n_lbs; i++) {
		const struct cv_model_lb *lb = &m->lbs[i];

		if (lb->meta.gone)
			continue;
		for (uint32_t k = 0; k < lb->n_nodes * lb->n_sgs; k++) {
			const struct cv_model_node *node = &lb->nodes[k % lb->n_nodes];

			for (uint32_t j = 0; j < node->n_ips; j++)
				take(members, lb->sgs[k / lb->n_nodes], node->ips[j]);
		}
	}
}

static void member_count(struct members *members, uint32_t sg, cv_be32_t ip)
{
	(void)ip;
	members->first[sg + 1]++;
	members->carried[sg] = true;
}

/* first[sg] is the end of the group's so far: in the end, where the next one's begin. */
static void member_add(struct members *members, uint32_t sg, cv_be32_t ip)
{
	members->ips[members->first[sg]++] = ip;
}

/* @return false if memory ran out */
static bool members_get(struct plan_build *b, struct members *members)
{
	const struct cv_model *m = b->model;

	members->first = cv_plan_mem_get(&b->tmp, m->n_sgs + 2, sizeof(*members->first));
	members->carried = cv_plan_mem_get(&b->tmp, m->n_sgs + 1, sizeof(*members->carried));
	members->sorted = cv_plan_mem_get(&b->tmp, m->n_sgs + 1, sizeof(*members->sorted));
	if (members->first == NULL || members->carried == NULL || members->sorted == NULL)
		return false;
	members_each(m, members, member_count);
	for (uint32_t i = 0; i < m->n_sgs; i++)
		members->first[i + 1] += members->first[i];
	members->ips =
		cv_plan_mem_get(&b->tmp, members->first[m->n_sgs] + 1, sizeof(*members->ips));
	if (members->ips == NULL)
		return false;
	members_each(m, members, member_add);
	memmove(&members->first[1], &members->first[0], m->n_sgs * sizeof(*members->first));
	members->first[0] = 0;
	b->sg_ips = members->ips;
	b->spec.n_sg_ips = members->first[m->n_sgs];
	return true;
}

static int by_ip(const void *a, const void *b)
{
	cv_be32_t left = *(const cv_be32_t *)a, right = *(const cv_be32_t *)b;

	return (left > right) - (left < right);
}

static void members_sort(struct members *members, uint32_t sg)
{
	uint32_t first = members->first[sg];

	if (members->sorted[sg])
		return;
	members->sorted[sg] = true;
	qsort(&members->ips[first], members->first[sg + 1] - first, sizeof(*members->ips), by_ip);
}

/*
 * Adds what a rule that names a group admits. The hosts of a VPC, which only the operator knows, have the
 * group that AWS gives who asks for none.
 */
static uint32_t add_peers(const struct plan_build *b, struct members *members, uint32_t vpc,
			  const struct cv_model_rule *rule, struct cv_view_sg_rule *to)
{
	const struct cv_model_vpc *v = &b->model->vpcs[vpc];
	uint32_t sg = cv_model_rule_group(b->model, vpc, rule);
	struct cv_view_sg_rule one = {.port_first = rule->port_first, .port_last = rule->port_last};

	if (sg == CV_MODEL_NONE)
		return 0;
	if (strcmp(b->model->sgs[sg].name, CV_MODEL_SG_DEFAULT) == 0) {
		for (uint32_t i = 0; to != NULL && i < v->n_cidrs; i++) {
			one.from = v->cidrs[i];
			to[i] = one;
		}
		return v->n_cidrs;
	}
	one.ip_first = members->first[sg];
	one.n_ips = members->first[sg + 1] - one.ip_first;
	if (one.n_ips == 0) /* none would be a prefix */
		return 0;
	if (to != NULL) {
		members_sort(members, sg);
		*to = one;
	}
	return 1;
}

/* Adds the rules of a group. @param to  NULL: only count @return how many */
static uint32_t add_group(const struct plan_build *b, struct members *members, uint32_t idx,
			  struct cv_view_sg_rule *to)
{
	const struct cv_model_security_group *sg = &b->model->sgs[idx];
	uint32_t n = 0;

	for (uint32_t i = 0; members->carried[idx] && i < sg->n_rules; i++) {
		const struct cv_model_rule *rule = &sg->rules[i];
		struct cv_view_sg_rule *at = to != NULL ? &to[n] : NULL;

		if (rule->protocol != CV_MODEL_TCP && rule->protocol != CV_MODEL_PROTOCOL_ALL)
			continue;
		if (rule->group != NULL) {
			n += add_peers(b, members, sg->vpc, rule, at);
			continue;
		}
		if (at != NULL)
			*at = (struct cv_view_sg_rule){
				.from = rule->cidr,
				.port_first = rule->port_first,
				.port_last = rule->port_last,
			};
		n++;
	}
	return n;
}

/* Rules of the row that who has these groups needs for itself. */
static uint64_t row_len(const struct plan_build *b, const uint32_t *sgs, uint32_t n_sgs)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < n_sgs && n_sgs > 1; i++)
		n += b->sg_first[sgs[i] + 1] - b->sg_first[sgs[i]];
	return n;
}

/* Rules at most: each group once, and the sum for who has several groups. */
static uint64_t rules_max(const struct plan_build *b)
{
	const struct cv_model *m = b->model;
	uint64_t n = b->sg_first[m->n_sgs];

	for (uint32_t i = 0; i < m->n_endpoints; i++) {
		if (!m->endpoints[i].meta.gone)
			n += row_len(b, m->endpoints[i].sgs, m->endpoints[i].n_sgs);
	}
	for (uint32_t i = 0; i < m->n_lbs; i++) {
		if (!m->lbs[i].meta.gone)
			n += row_len(b, m->lbs[i].sgs, m->lbs[i].n_sgs);
	}
	return n;
}

static int too_many(const struct plan_build *b)
{
	cv_errs_add(b->errs, NULL, 0,
		    "the security groups in use have more than 4294967295 rules; remove some");
	return -ENOSPC;
}

int cv_plan_sgs_fill(struct plan_build *b)
{
	const struct cv_model *m = b->model;
	struct members members;
	uint64_t n = 0;

	b->sg_first = cv_plan_mem_get(&b->tmp, m->n_sgs + 1, sizeof(*b->sg_first));
	if (b->sg_first == NULL || !members_get(b, &members))
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_sgs; i++) {
		n += add_group(b, &members, i, NULL);
		if (n > UINT32_MAX)
			return too_many(b);
		b->sg_first[i + 1] = (uint32_t)n;
	}
	n = rules_max(b);
	if (n > UINT32_MAX)
		return too_many(b);
	b->rules = cv_plan_mem_get(&b->tmp, n, sizeof(*b->rules));
	if (b->rules == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->n_sgs; i++)
		(void)add_group(b, &members, i, &b->rules[b->sg_first[i]]);
	b->spec.n_sg_rules = b->sg_first[m->n_sgs];
	return 0;
}

void cv_plan_sgs_row(struct plan_build *b, const uint32_t *sgs, uint32_t n_sgs, uint32_t *ret_first,
		     uint32_t *ret_n)
{
	*ret_first = b->spec.n_sg_rules;
	for (uint32_t i = 0; i < n_sgs; i++) {
		uint32_t first = b->sg_first[sgs[i]], n = b->sg_first[sgs[i] + 1] - first;

		if (n_sgs == 1) {
			*ret_first = first;
			*ret_n = n;
			return;
		}
		memcpy(&b->rules[b->spec.n_sg_rules], &b->rules[first], n * sizeof(*b->rules));
		b->spec.n_sg_rules += n;
	}
	*ret_n = b->spec.n_sg_rules - *ret_first;
}
