/* SPDX-License-Identifier: BSD-3-Clause */

/* What becomes an event: differences between what served and what serves, and what is counted. */

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cv_model_change.h"

#include "ctl_priv.h"

/* So long after its last refusal a pool counts as well again. */
#define QUIET_MS 3000

#define FIELDS(...) ((const struct cv_ctl_field[]){__VA_ARGS__})
#define EVENT(ctl, event, ...)                        \
	cv_ctl_event(ctl, event, FIELDS(__VA_ARGS__), \
		     sizeof(FIELDS(__VA_ARGS__)) / sizeof(struct cv_ctl_field))

/* ---- endpoints ---- */

/* @param was, is  one of them may be NULL */
static void endpoint_event(struct cv_ctl *ctl, const struct cv_model *model,
			   const struct cv_model_endpoint *was, const struct cv_model_endpoint *is)
{
	const struct cv_model_endpoint *any = is != NULL ? is : was;

	EVENT(ctl, "endpoint", {"endpoint", any->id}, {"name", any->name},
	      {"owner", model->accounts[model->vpcs[any->vpc].owner].id},
	      {"service", any->service_name},
	      {"from", was != NULL ? cv_model_state_str(was->state) : NULL},
	      {"to", is != NULL ? cv_model_state_str(is->state) : "gone"});
}

static const struct cv_model_endpoint *endpoint_in(const struct cv_model *model, const char *id)
{
	uint32_t idx = cv_model_find(model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, id);

	return idx != CV_MODEL_NONE ? &model->endpoints[idx] : NULL;
}

/* Tells whether an endpoint stands at the same place in both, as nearly all do between two changes. */
static bool is_same(const struct cv_model *was, const struct cv_model *is, uint32_t idx)
{
	const struct cv_model_endpoint *a, *b;

	if (idx >= was->n_endpoints || idx >= is->n_endpoints)
		return false;
	a = &was->endpoints[idx];
	b = &is->endpoints[idx];
	return a->meta.gone == b->meta.gone && a->state == b->state &&
	       (a->id == b->id || (a->id != NULL && b->id != NULL && strcmp(a->id, b->id) == 0));
}

static void endpoints_notice(struct cv_ctl *ctl, const struct cv_model *was,
			     const struct cv_model *is)
{
	for (uint32_t i = 0; i < was->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &was->endpoints[i];

		if (!is_same(was, is, i) && !endpoint->meta.gone &&
		    endpoint_in(is, endpoint->id) == NULL)
			endpoint_event(ctl, was, endpoint, NULL);
	}
	for (uint32_t i = 0; i < is->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &is->endpoints[i], *before;

		if (is_same(was, is, i) || endpoint->meta.gone)
			continue;
		before = endpoint_in(was, endpoint->id);
		if (before == NULL || before->state != endpoint->state)
			endpoint_event(ctl, is, before, endpoint);
	}
}

/* ---- zones ---- */

static const char *shifted_zone(const struct cv_model *model, uint32_t lb)
{
	uint32_t zone = lb != CV_MODEL_NONE ? model->lbs[lb].shifted_zone : CV_MODEL_NONE;

	return zone != CV_MODEL_NONE ? model->zones[zone].id : "";
}

static void shifts_notice(struct cv_ctl *ctl, const struct cv_model *was, const struct cv_model *is)
{
	for (uint32_t i = 0; i < is->n_lbs; i++) {
		const struct cv_model_lb *lb = &is->lbs[i];
		const char *from, *to;

		if (lb->meta.gone)
			continue;
		from = shifted_zone(was, cv_model_find(was, CV_MODEL_LB, CV_MODEL_NONE, lb->arn));
		to = shifted_zone(is, i);
		if (strcmp(from, to) == 0)
			continue;
		EVENT(ctl, "zone-shift", {"load_balancer", lb->name},
		      {"account", cv_ctl_account_id(is, CV_MODEL_LB, i)},
		      {"zone", *to != '\0' ? to : from}, {"state", *to != '\0' ? "begun" : "ended"},
		      {"by", lb->shift_decided ? "operator" : "file"});
	}
}

void cv_ctl_notice_serve(struct cv_ctl *ctl, const struct cv_conf *next)
{
	if (ctl->conf == NULL)
		return;
	endpoints_notice(ctl, ctl->conf->model, next->model);
	shifts_notice(ctl, ctl->conf->model, next->model);
}

/* ---- reloads, targets, what is kept ---- */

void cv_ctl_notice_reload(struct cv_ctl *ctl)
{
	const struct ctl_reload *last = &ctl->last_reload;
	char gen[24], line[CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 32];

	snprintf(gen, sizeof(gen), "%" PRIu64, ctl->gen);
	EVENT(ctl, "reload", {"file", ctl->file}, {"result", last->ret == 0 ? "served" : "refused"},
	      {"generation", gen},
	      {"error", last->ret != 0 && last->errs.n > 0
				? cv_err_str(&last->errs.items[0], line, sizeof(line))
				: NULL});
}

void cv_ctl_notice_target(struct cv_ctl *ctl, const struct cv_health_change *change,
			  const char *why)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_target_group *tg = &model->tgs[change->tg];
	const struct cv_model_target *target = &tg->targets[change->target];
	uint32_t zone = model->lbs[change->lb].nodes[change->node].zone;
	char addr[CV_NET_STR_LEN];

	EVENT(ctl, "target", {"target", cv_ctl_addr_str(target->ip, target->port, addr)},
	      {"target_group", tg->name},
	      {"account", cv_ctl_account_id(model, CV_MODEL_TG, change->tg)},
	      {"zone", model->zones[zone].id}, {"from", cv_model_target_state_str(change->from)},
	      {"to", cv_model_target_state_str(change->to)}, {"why", why});
}

void cv_ctl_notice_state(struct cv_ctl *ctl, const char *why)
{
	EVENT(ctl, "state", {"file", ctl->keep.path},
	      {"result", why != NULL ? "changes are refused" : "good"}, {"why", why});
}

/* ---- source ports ---- */

static void refusing_event(struct cv_ctl *ctl, const struct cv_snat_pool *pool, const char *state,
			   uint64_t n)
{
	const struct cv_snat_key *key = cv_snat_pool_key(pool);
	char node[CV_NET_STR_LEN], target[CV_NET_STR_LEN], count[24];

	snprintf(count, sizeof(count), "%" PRIu64, n);
	EVENT(ctl, "port-allocation", {"state", state}, {"node_ip", cv_ip4_str(key->node_ip, node)},
	      {"target", cv_ctl_addr_str(key->target_ip, cv_be16_host(key->target_port), target)},
	      {"vpc", cv_ctl_vpc_name(ctl, key->vpc)}, {"errors", count});
}

/* What was known of a pool; one that is made at the place of another begins anew. */
static struct ctl_refusing known_of(const struct ctl_noticed *noticed,
				    const struct cv_snat_pool *pool, uint64_t errors)
{
	for (uint32_t i = 0; i < noticed->n_refusing; i++) {
		if (noticed->refusing[i].pool == pool && noticed->refusing[i].last <= errors)
			return noticed->refusing[i];
	}
	return (struct ctl_refusing){.pool = pool};
}

static void pool_look(struct cv_ctl *ctl, struct ctl_refusing *refusing, uint64_t errors,
		      uint64_t now_ms)
{
	if (refusing->last == errors)
		return;
	if (refusing->quiet_ms == 0) {
		refusing->first = refusing->last;
		refusing_event(ctl, refusing->pool, "begun", errors - refusing->first);
	}
	refusing->last = errors;
	refusing->quiet_ms = now_ms + QUIET_MS;
}

/* Pools that have ever refused are remembered as long as they are there, with how often. */
static void pools_look(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct ctl_noticed *noticed = &ctl->noticed;
	struct ctl_refusing next[CTL_REFUSING_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < cv_snat_registry_n(ctl->registry) && n < CTL_REFUSING_MAX; i++) {
		const struct cv_snat_pool *pool = cv_snat_registry_at(ctl->registry, i);
		struct cv_snat_counts counts;

		cv_snat_counts(pool, cv_dp_now_ms(ctl->dp), &counts);
		if (counts.errors == 0)
			continue;
		next[n] = known_of(noticed, pool, counts.errors);
		pool_look(ctl, &next[n], counts.errors, now_ms);
		if (next[n].quiet_ms != 0 && now_ms >= next[n].quiet_ms) {
			refusing_event(ctl, pool, "ended", counts.errors - next[n].first);
			next[n].quiet_ms = 0;
		}
		n++;
	}
	memcpy(noticed->refusing, next, n * sizeof(next[0]));
	noticed->n_refusing = n;
}

void cv_ctl_notice_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct ctl_noticed *noticed = &ctl->noticed;
	uint64_t n_errors;
	bool any = false;

	if (ctl->dp == NULL)
		return;
	n_errors = cv_stats_drop_sum(cv_dp_stats(ctl->dp), ctl->conf->dpdk.workers,
				     CV_DROP_PORT_ALLOCATION);
	for (uint32_t i = 0; !any && i < noticed->n_refusing; i++)
		any = noticed->refusing[i].quiet_ms != 0;
	if (!any && n_errors == noticed->n_errors)
		return;
	noticed->n_errors = n_errors;
	pools_look(ctl, now_ms);
}
