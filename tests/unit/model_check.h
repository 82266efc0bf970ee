/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What must hold in every model, counted anew from what it shows. After model_world.h.
 */

#include "cv_model_change.h"

struct count {
	uint32_t vpcs[256], living[256], subnets[1024], sgs[1024], services[256], attached[256];
};

static inline void check_found(enum cv_model_kind kind, const char *id, uint32_t i)
{
	assert_int_equal(cv_model_find(m, kind, CV_MODEL_NONE, id), i);
}

/* Counts an address in: no other interface of the VPC may have it. */
static inline void check_addr(uint32_t vpc, cv_be32_t addr, uint32_t subnet)
{
	uint32_t n = 0;

	assert_true(cv_prefix_has(&m->subnets[subnet].cidr, addr));
	assert_int_equal(m->subnets[subnet].vpc, vpc);
	for (uint32_t i = 0; i < m->n_lbs; i++) {
		for (uint32_t k = 0; k < m->lbs[i].n_nodes && m->lbs[i].vpc == vpc; k++) {
			for (uint32_t a = 0; a < m->lbs[i].nodes[k].n_ips; a++)
				n += m->lbs[i].nodes[k].ips[a] == addr;
		}
	}
	for (uint32_t i = 0; i < m->n_endpoints; i++) {
		for (uint32_t k = 0; k < m->endpoints[i].n_enis && m->endpoints[i].vpc == vpc; k++)
			n += m->endpoints[i].enis[k].ip == addr;
	}
	assert_int_equal(n, 1);
}

static inline void check_lb(const struct cv_model_lb *lb, uint32_t idx, struct count *count)
{
	count->vpcs[lb->vpc]++;
	check_found(CV_MODEL_LB, lb->arn, idx);
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		count->subnets[lb->nodes[i].subnet]++;
		assert_int_equal(cv_model_node_find(lb, lb->nodes[i].zone), i);
		for (uint32_t k = 0; k < lb->nodes[i].n_ips; k++)
			check_addr(lb->vpc, lb->nodes[i].ips[k], lb->nodes[i].subnet);
	}
	for (uint32_t i = 0; i < lb->n_sgs; i++)
		count->sgs[lb->sgs[i]]++;
	for (uint32_t i = 0; i < lb->n_listeners; i++) {
		uint32_t at = UINT32_MAX;

		assert_int_equal(cv_model_listener_find(m, lb->listeners[i].arn, &at), idx);
		assert_int_equal(at, i);
		for (uint32_t k = 0; k < lb->listeners[i].n_forwards; k++)
			assert_int_equal(m->tgs[lb->listeners[i].forwards[k].tg].lb, idx);
	}
	if (lb->service != CV_MODEL_NONE) {
		const struct cv_model_service *s = &m->services[lb->service];
		uint32_t n = 0;

		for (uint32_t i = 0; i < s->n_lbs; i++)
			n += s->lbs[i] == idx;
		assert_int_equal(n, 1);
	}
}

static inline void check_endpoint(const struct cv_model_endpoint *one, uint32_t idx,
				  struct count *count)
{
	bool there = one->state != CV_MODEL_DELETING && one->state != CV_MODEL_DELETED;
	bool attached = one->state == CV_MODEL_PENDING_ACCEPTANCE ||
			one->state == CV_MODEL_PENDING || one->state == CV_MODEL_AVAILABLE;

	check_found(CV_MODEL_ENDPOINT, one->id, idx);
	assert_int_equal(there, !cv_model_endpoint_is_over(one));
	if (!there) {
		assert_int_equal(one->n_enis, 0);
		return;
	}
	assert_in_range(one->n_sgs, 1, UINT32_MAX);
	count->vpcs[one->vpc]++;
	if (one->service != CV_MODEL_NONE) {
		assert_false(m->services[one->service].meta.gone);
		count->services[one->service]++;
		count->attached[one->service] += attached;
	} else {
		assert_int_equal(one->state, CV_MODEL_FAILED);
	}
	for (uint32_t i = 0; i < one->n_sgs; i++)
		count->sgs[one->sgs[i]]++;
	for (uint32_t i = 0; i < one->n_enis; i++) {
		const struct cv_model_eni *eni = &one->enis[i];

		count->subnets[eni->subnet]++;
		check_addr(one->vpc, eni->ip, eni->subnet);
		assert_int_equal(eni->zone, m->subnets[eni->subnet].zone);
		if (attached)
			assert_true(eni->lb != CV_MODEL_NONE);
		if (eni->lb == CV_MODEL_NONE)
			continue;
		assert_int_equal(m->lbs[eni->lb].service, one->service);
		assert_true(eni->node < m->lbs[eni->lb].n_nodes);
		assert_int_equal(m->lbs[eni->lb].nodes[eni->node].zone, eni->zone);
	}
}

static inline void check_tg(const struct cv_model_target_group *tg, uint32_t idx)
{
	bool used = false;

	check_found(CV_MODEL_TG, tg->arn, idx);
	for (uint32_t i = 0; tg->lb != CV_MODEL_NONE && i < m->lbs[tg->lb].n_listeners; i++) {
		const struct cv_model_listener *l = &m->lbs[tg->lb].listeners[i];

		for (uint32_t k = 0; k < l->n_forwards; k++)
			used = used || l->forwards[k].tg == idx;
	}
	assert_int_equal(used, tg->lb != CV_MODEL_NONE);
	for (uint32_t i = 0; i < tg->n_targets; i++) {
		for (uint32_t k = 0; k < i; k++)
			assert_false(tg->targets[i].ip == tg->targets[k].ip &&
				     tg->targets[i].port == tg->targets[k].port);
	}
}

#define EACH(array, i)                              \
	for (uint32_t i = 0; i < m->n_##array; i++) \
		if (!m->array[i].meta.gone)

static inline void check_users(const struct count *count)
{
	EACH(vpcs, i)
	{
		check_found(CV_MODEL_VPC, m->vpcs[i].id, i);
		assert_int_equal(m->vpcs[i].meta.n_users, count->vpcs[i]);
	}
	EACH(subnets, i)
	{
		check_found(CV_MODEL_SUBNET, m->subnets[i].id, i);
		assert_int_equal(m->subnets[i].meta.n_users, count->subnets[i]);
	}
	EACH(sgs, i)
	{
		check_found(CV_MODEL_SG, m->sgs[i].id, i);
		assert_int_equal(m->sgs[i].meta.n_users, count->sgs[i]);
	}
	EACH(services, i)
	{
		check_found(CV_MODEL_SERVICE, m->services[i].id, i);
		check_found(CV_MODEL_SERVICE, m->services[i].service_name, i);
		assert_int_equal(m->services[i].meta.n_users, count->services[i]);
		assert_int_equal(m->services[i].n_attached, count->attached[i]);
		assert_true(m->services[i].n_lbs >= 1);
		for (uint32_t k = 0; k < m->services[i].n_lbs; k++)
			assert_int_equal(m->lbs[m->services[i].lbs[k]].service, i);
	}
}

/** Fail unless everything in m fits together. */
static inline void check_all(void)
{
	static struct count count;
	uint32_t n_targets = 0, n_listeners = 0, n_deleted = 0;

	memset(&count, 0, sizeof(count));
	EACH(subnets, i) count.vpcs[m->subnets[i].vpc]++;
	EACH(sgs, i) count.vpcs[m->sgs[i].vpc] += !m->sgs[i].of_vpc;
	EACH(tgs, i)
	{
		count.vpcs[m->tgs[i].vpc]++;
		n_targets += m->tgs[i].n_targets;
		check_tg(&m->tgs[i], i);
	}
	EACH(lbs, i)
	{
		n_listeners += m->lbs[i].n_listeners;
		check_lb(&m->lbs[i], i, &count);
	}
	EACH(endpoints, i) check_endpoint(&m->endpoints[i], i, &count);
	check_users(&count);
	EACH(endpoints, i)
	{
		bool there = !cv_model_endpoint_is_over(&m->endpoints[i]);

		n_deleted += !there;
		if (there && m->endpoints[i].meta.api)
			count.living[m->endpoints[i].vpc]++;
	}
	EACH(vpcs, i) assert_int_equal(m->vpcs[i].n_endpoints, count.living[i]);
	assert_int_equal(m->n_deleted, n_deleted);
	for (uint32_t i = 0; i < m->n_accounts; i++)
		n_deleted -= m->accounts[i].n_deleted;
	assert_int_equal(n_deleted, 0);
	assert_int_equal(m->n_targets, n_targets);
	assert_int_equal(m->n_listeners, n_listeners);
}

/* One refusal, with AWS's code, which changes nothing. */
static inline void refused(int ret, int want, const char *code, const char *text)
{
	assert_int_equal(ret, want);
	assert_true(errs.n >= 1);
	assert_string_equal(errs.items[0].code, code);
	if (strstr(errs.items[0].text, text) == NULL)
		fail_msg("'%s' is not in '%s'", text, errs.items[0].text);
	cv_model_errs_fini(&errs);
	check_all();
}
