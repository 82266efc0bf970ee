/* SPDX-License-Identifier: BSD-3-Clause */

/* Which checks there are, and when each is due. */

#include "health_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"

/* New checks are begun at most so many per second, unless that takes longer than an interval. */
#define FIRST_PER_SECOND 1000

/* ---- keys ---- */

/* Two keys are alike by chance once in 2^64 pairs: then one check goes on where the other was. */
static uint64_t key_make(const struct cv_model *model, const struct cv_model_target_group *tg,
			 const struct cv_model_target *target, uint32_t zone)
{
	const char *zone_id = model->zones[zone].id;
	const uint64_t parts[4] = {
		cv_siphash(tg->arn, strlen(tg->arn), 1, 2),
		cv_siphash(zone_id, strlen(zone_id), 3, 4),
		target->ip,
		target->port,
	};

	return cv_siphash(parts, sizeof(parts), 5, 6);
}

static uint64_t text_hash(const char *text)
{
	return text != NULL ? cv_siphash(text, strlen(text), 7, 8) : 0;
}

static uint64_t question_make(const struct cv_model_target_group *tg)
{
	const struct cv_model_check *check = &tg->check;
	const uint64_t parts[5] = {
		check->protocol,           check->port, tg->ppv2, text_hash(check->path),
		text_hash(check->matcher),
	};

	return cv_siphash(parts, sizeof(parts), 9, 10);
}

static uint64_t interval_get(const struct cv_health *health, const struct health_check *check)
{
	uint64_t ms = (uint64_t)health->model->tgs[check->tg].check.interval_s * 1000;

	ms /= health->time_scale;
	return ms > 0 ? ms : 1;
}

/* ---- heap ---- */

static void heap_put(struct cv_health *health, uint32_t pos, uint32_t check)
{
	health->heap[pos] = check;
	health->checks[check].heap = pos;
}

static uint64_t heap_due(const struct cv_health *health, uint32_t pos)
{
	return health->checks[health->heap[pos]].due_ms;
}

static void heap_sift(struct cv_health *health, uint32_t pos)
{
	uint32_t check = health->heap[pos];
	uint64_t due_ms = health->checks[check].due_ms;

	for (;;) {
		uint32_t child = 2 * pos + 1;

		if (child >= health->n_heap)
			break;
		if (child + 1 < health->n_heap &&
		    heap_due(health, child + 1) < heap_due(health, child))
			child++;
		if (heap_due(health, child) >= due_ms)
			break;
		heap_put(health, pos, health->heap[child]);
		pos = child;
	}
	heap_put(health, pos, check);
}

static void heap_make(struct cv_health *health)
{
	for (uint32_t i = health->n_heap / 2; i-- > 0;)
		heap_sift(health, i);
}

/* ---- map ---- */

struct health_check *cv_health_find(const struct cv_health *health, uint64_t key)
{
	for (uint32_t i = (uint32_t)key & health->map_mask;; i = (i + 1) & health->map_mask) {
		uint32_t check = health->map[i];

		if (check == HEALTH_NONE)
			return NULL;
		if (health->checks[check].key == key)
			return &health->checks[check];
	}
}

static void map_put(struct cv_health *health, uint32_t check)
{
	uint32_t i = (uint32_t)health->checks[check].key & health->map_mask;

	while (health->map[i] != HEALTH_NONE)
		i = (i + 1) & health->map_mask;
	health->map[i] = check;
}

struct health_check *cv_health_at(const struct cv_health *health, uint32_t tg, uint32_t target,
				  uint32_t node)
{
	const struct cv_model *model = health->model;

	return &health->checks[health->first[tg] + target * model->lbs[model->tgs[tg].lb].n_nodes +
			       node];
}

/* ---- making ---- */

/* A target in a zone without a node is used by nobody, also with cross-zone balancing. */
static bool is_used(const struct cv_model_lb *lb, const struct cv_model_target_group *tg,
		    const struct cv_model_target *target, uint32_t node)
{
	if (target->zone == CV_MODEL_NONE || target->zone == lb->nodes[node].zone)
		return true;
	return cv_model_is_cross_zone(lb, tg) &&
	       cv_model_node_find(lb, target->zone) != CV_MODEL_NONE;
}

static uint32_t checks_count(const struct cv_model *model, uint32_t tg)
{
	uint32_t lb = model->tgs[tg].lb;

	if (model->tgs[tg].meta.gone)
		return 0;
	return lb != CV_MODEL_NONE ? model->tgs[tg].n_targets * model->lbs[lb].n_nodes : 0;
}

static int memory_get(struct cv_health *health)
{
	const struct cv_model *model = health->model;
	uint32_t cap = 16;

	health->first = calloc(model->n_tgs + 1, sizeof(*health->first));
	if (health->first == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < model->n_tgs; i++)
		health->first[i + 1] = health->first[i] + checks_count(model, i);
	health->n_checks = health->first[model->n_tgs];
	while (cap < 2 * health->n_checks)
		cap *= 2;
	health->map_mask = cap - 1;
	health->map = malloc(cap * sizeof(*health->map));
	health->heap = calloc(health->n_checks + 1, sizeof(*health->heap));
	health->checks = calloc(health->n_checks + 1, sizeof(*health->checks));
	if (health->map == NULL || health->heap == NULL || health->checks == NULL)
		return -ENOMEM;
	memset(health->map, 0xff, cap * sizeof(*health->map));
	return 0;
}

/* Go on where a check of the same name was. One that asks something else counts from the beginning. */
static void check_inherit(const struct cv_health *health, struct health_check *check,
			  const struct health_check *from, uint64_t now_ms)
{
	bool is_same = check->question == from->question;

	check->turn = from->turn;
	if (from->heap == HEALTH_NONE)
		return; /* it was not checked then */
	check->state = from->state;
	check->begun = from->begun;
	check->due_ms = from->due_ms;
	check->drain_ms = from->drain_ms;
	check->checked_ms = from->checked_ms;
	memcpy(check->text, from->text, sizeof(check->text));
	if (is_same) {
		check->in_flight = from->in_flight;
		check->n_good = from->n_good;
		check->n_bad = from->n_bad;
		check->n_lost = from->n_lost;
	} else {
		check->turn++;
		check->due_ms = now_ms;
	}
	if (check->due_ms > now_ms + interval_get(health, check))
		check->due_ms = now_ms + interval_get(health, check);
}

static void check_make(struct cv_health *health, const struct cv_health *from,
		       struct health_check *check, uint64_t now_ms)
{
	const struct cv_model *model = health->model;
	const struct cv_model_target_group *tg = &model->tgs[check->tg];
	const struct cv_model_lb *lb = &model->lbs[tg->lb];
	const struct cv_model_target *target = &tg->targets[check->target];
	const struct health_check *old;

	check->heap = HEALTH_NONE;
	check->key = key_make(model, tg, target, lb->nodes[check->node].zone);
	check->question = question_make(tg);
	check->due_ms = UINT64_MAX; /* not yet known */
	check->state = CV_MODEL_TARGET_UNUSED;
	old = from != NULL ? cv_health_find(from, check->key) : NULL;
	if (is_used(lb, tg, target, check->node)) {
		check->state =
			tg->check.enabled ? CV_MODEL_TARGET_INITIAL : CV_MODEL_TARGET_UNAVAILABLE;
		if (tg->check.enabled)
			heap_put(health, health->n_heap++, (uint32_t)(check - health->checks));
	}
	if (old != NULL && check->heap != HEALTH_NONE)
		check_inherit(health, check, old, now_ms);
	else if (old != NULL)
		check->turn = old->turn + 1;
	if (check->state == CV_MODEL_TARGET_UNHEALTHY_DRAINING &&
	    check->drain_ms < health->drain_next_ms)
		health->drain_next_ms = check->drain_ms;
}

/* The order among new checks is that of their keys: any, but not the order of the targets. */
static void first_spread(struct cv_health *health, uint64_t now_ms)
{
	uint64_t n_new = 0;

	for (uint32_t i = 0; i < health->n_heap; i++)
		n_new += health->checks[health->heap[i]].due_ms == UINT64_MAX;
	for (uint32_t i = 0; i < health->n_heap; i++) {
		struct health_check *check = &health->checks[health->heap[i]];
		uint64_t span_ms = n_new * 1000 / FIRST_PER_SECOND;

		if (check->due_ms != UINT64_MAX)
			continue;
		if (span_ms > interval_get(health, check))
			span_ms = interval_get(health, check);
		check->due_ms = now_ms + (check->key >> 32) % (span_ms + 1);
	}
}

int cv_health_build(const struct cv_health *from, const struct cv_model *model,
		    const struct cv_health_cfg *cfg, uint64_t now_ms, struct cv_health **ret_health)
{
	struct cv_health *health = calloc(1, sizeof(*health));

	if (health == NULL)
		return -ENOMEM;
	health->model = model;
	health->time_scale = cfg->time_scale > 0 ? cfg->time_scale : 1;
	health->drain_next_ms = UINT64_MAX;
	if (memory_get(health) != 0) {
		cv_health_destroy(health);
		return -ENOMEM;
	}
	for (uint32_t tg = 0; tg < model->n_tgs; tg++) {
		uint32_t n_nodes = 0;

		if (model->tgs[tg].lb != CV_MODEL_NONE)
			n_nodes = model->lbs[model->tgs[tg].lb].n_nodes;
		for (uint32_t i = health->first[tg]; i < health->first[tg + 1]; i++) {
			health->checks[i].tg = tg;
			health->checks[i].target = (i - health->first[tg]) / n_nodes;
			health->checks[i].node = (i - health->first[tg]) % n_nodes;
			check_make(health, from, &health->checks[i], now_ms);
			map_put(health, i);
		}
	}
	first_spread(health, now_ms);
	heap_make(health);
	*ret_health = health;
	return 0;
}

void cv_health_destroy(struct cv_health *health)
{
	if (health == NULL)
		return;
	free(health->first);
	free(health->checks);
	free(health->heap);
	free(health->map);
	free(health);
}

/* ---- schedule ---- */

/*
 * Each check has its own place within the interval, so that those that began together drift apart and
 * stay apart. The first step there takes between a half and one and a half intervals.
 */
static uint64_t next_due(const struct cv_health *health, const struct health_check *check,
			 uint64_t now_ms)
{
	uint64_t interval = interval_get(health, check);
	uint64_t earliest = now_ms + interval / 2;
	uint64_t place = check->key % interval;

	return earliest + (place + interval - earliest % interval) % interval;
}

uint32_t cv_health_due(struct cv_health *health, uint64_t now_ms, struct cv_health_probe *probes,
		       uint32_t n_max)
{
	uint32_t n = 0;

	while (n < n_max && health->n_heap > 0 && heap_due(health, 0) <= now_ms) {
		struct health_check *check = &health->checks[health->heap[0]];
		const struct cv_model_target_group *tg = &health->model->tgs[check->tg];

		check->due_ms = next_due(health, check, now_ms);
		heap_sift(health, 0);
		if (check->in_flight)
			continue; /* it waits for a socket: this turn is left out */
		check->in_flight = true;
		check->begun = true;
		check->turn++;
		probes[n++] = (struct cv_health_probe){
			.key = check->key,
			.turn = check->turn,
			.lb = tg->lb,
			.node = check->node,
			.tg = check->tg,
			.target = check->target,
			.port = tg->check.port != 0 ? tg->check.port
						    : tg->targets[check->target].port,
		};
	}
	return n;
}

uint64_t cv_health_next_ms(const struct cv_health *health)
{
	uint64_t due_ms = health->n_heap > 0 ? heap_due(health, 0) : UINT64_MAX;

	return due_ms < health->drain_next_ms ? due_ms : health->drain_next_ms;
}
