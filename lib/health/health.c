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

static uint64_t text_hash(const char *text, uint64_t seed)
{
	return text != NULL ? cv_siphash(text, strlen(text), seed, seed + 1) : 0;
}

/* Two keys are alike by chance once in 2^63 pairs: then one check goes on where the other was. */
static uint64_t key_make(uint64_t group, uint64_t zone, const struct cv_model_target *target)
{
	const uint64_t parts[4] = {group, zone, target->ip, target->port};

	return cv_siphash(parts, sizeof(parts), 5, 6) & ~CV_HEALTH_KEY_OTHERS;
}

static uint64_t question_make(const struct cv_model_target_group *tg)
{
	const struct cv_model_check *check = &tg->check;
	const uint64_t parts[5] = {
		check->protocol,
		check->port,
		tg->ppv2,
		text_hash(check->path, 7),
		text_hash(check->matcher, 7),
	};

	return cv_siphash(parts, sizeof(parts), 9, 10);
}

static uint64_t interval_get(const struct cv_health *health, const struct health_check *check)
{
	uint64_t ms = (uint64_t)health->model->tgs[check->tg].check.interval_s * 1000;

	if (health->time_scale > 1)
		ms /= health->time_scale;
	return ms > 0 ? ms : 1;
}

/* ---- heap ---- */

static void heap_put(struct cv_health *health, uint32_t pos, struct health_due due)
{
	health->heap[pos] = due;
	health->checks[due.check].heap = pos;
}

static void heap_sift(struct cv_health *health, uint32_t pos)
{
	const struct health_due due = health->heap[pos];

	for (;;) {
		uint32_t child = 2 * pos + 1;

		if (child >= health->n_heap)
			break;
		if (child + 1 < health->n_heap &&
		    health->heap[child + 1].due_ms < health->heap[child].due_ms)
			child++;
		if (health->heap[child].due_ms >= due.due_ms)
			break;
		heap_put(health, pos, health->heap[child]);
		pos = child;
	}
	heap_put(health, pos, due);
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

	if (health->groups[tg + 1].first == health->groups[tg].first)
		return NULL;
	return &health->checks[health->groups[tg].first +
			       target * model->lbs[model->tgs[tg].lb].n_nodes + node];
}

/* ---- making ---- */

/* A target in a zone without a node is used by nobody, also with cross-zone balancing. */
bool cv_health_is_used(const struct cv_model_lb *lb, const struct cv_model_target_group *tg,
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

	if (model->tgs[tg].meta.gone || !model->tgs[tg].check.enabled)
		return 0;
	return lb != CV_MODEL_NONE ? model->tgs[tg].n_targets * model->lbs[lb].n_nodes : 0;
}

static int memory_get(struct cv_health *health)
{
	const struct cv_model *model = health->model;
	uint32_t cap = 16;

	health->groups = calloc(model->n_tgs + 1, sizeof(*health->groups));
	if (health->groups == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < model->n_tgs; i++)
		health->groups[i + 1].first = health->groups[i].first + checks_count(model, i);
	health->n_checks = health->groups[model->n_tgs].first;
	while (cap < 2 * health->n_checks)
		cap *= 2;
	health->map_mask = cap - 1;
	health->map = malloc(cap * sizeof(*health->map));
	/* Not zeroed: each is filled, and there are many. */
	health->heap = malloc(((size_t)health->n_checks + 1) * sizeof(*health->heap));
	health->checks = malloc(((size_t)health->n_checks + 1) * sizeof(*health->checks));
	if (health->map == NULL || health->heap == NULL || health->checks == NULL)
		return -ENOMEM;
	memset(health->map, 0xff, cap * sizeof(*health->map));
	return 0;
}

/* What a health is made of, and where in the old one the next check most likely is. */
struct making {
	struct cv_health *health;
	const struct cv_health *from; /* NULL: there was none */
	uint32_t at;                  /* check in it */
	uint64_t *zones;              /* hashes of the zones' ids */
	uint64_t now_ms;
};

/* The check that went by this key. Most stand in the order in which they stood. */
static const struct health_check *old_find(struct making *make, uint64_t key)
{
	const struct cv_health *from = make->from;
	const struct health_check *old;

	if (from == NULL)
		return NULL;
	if (make->at < from->n_checks && from->checks[make->at].key == key)
		old = &from->checks[make->at];
	else
		old = cv_health_find(from, key);
	if (old == NULL)
		return NULL;
	make->at = (uint32_t)(old - from->checks) + 1;
	return old->heap != HEALTH_NONE ? old : NULL;
}

/*
 * Go on where a check of the same name was. One that asks something else counts from the beginning.
 *
 * @return when it is due
 */
static uint64_t check_inherit(const struct making *make, struct health_check *check,
			      const struct health_check *from)
{
	struct cv_health *health = make->health;
	uint64_t due_ms = make->from->heap[from->heap].due_ms;
	uint64_t latest_ms = make->now_ms + interval_get(health, check);

	check->state = from->state;
	check->begun = from->begun;
	check->drain_ms = from->drain_ms;
	check->checked_ms = from->checked_ms;
	check->text = from->text;
	if (check->text != NULL) {
		check->text->n_refs++;
		health->n_texts++;
	}
	if (check->state == CV_MODEL_TARGET_UNHEALTHY_DRAINING &&
	    check->drain_ms < health->drain_next_ms)
		health->drain_next_ms = check->drain_ms;
	if (health->groups[check->tg].question != make->from->groups[from->tg].question)
		return make->now_ms;
	check->turn = from->turn;
	check->in_flight = from->in_flight;
	check->n_good = from->n_good;
	check->n_bad = from->n_bad;
	check->n_lost = from->n_lost;
	return due_ms < latest_ms ? due_ms : latest_ms;
}

static void check_make(struct making *make, struct health_check *check, bool used)
{
	struct cv_health *health = make->health;
	const struct health_check *old = old_find(make, check->key);
	struct health_due due = {UINT64_MAX, (uint32_t)(check - health->checks)};

	if (!used)
		return;
	check->state = CV_MODEL_TARGET_INITIAL;
	if (old != NULL)
		due.due_ms = check_inherit(make, check, old);
	heap_put(health, health->n_heap++, due);
	map_put(health, due.check);
}

static void group_make(struct making *make, uint32_t idx)
{
	struct cv_health *health = make->health;
	const struct cv_model_target_group *tg = &health->model->tgs[idx];
	struct health_group *group = &health->groups[idx];
	struct health_check *check = &health->checks[group->first];
	const struct cv_model_lb *lb;
	uint64_t name;

	if (group[1].first == group->first)
		return;
	lb = &health->model->lbs[tg->lb];
	name = text_hash(tg->arn, 1);
	group->question = question_make(tg);
	for (uint32_t i = 0; i < tg->n_targets; i++) {
		for (uint32_t node = 0; node < lb->n_nodes; node++, check++) {
			*check = (struct health_check){
				.key = key_make(name, make->zones[lb->nodes[node].zone],
						&tg->targets[i]),
				.tg = idx,
				.target = i,
				.node = (uint16_t)node,
				.heap = HEALTH_NONE,
				.state = CV_MODEL_TARGET_UNUSED,
			};
			check_make(make, check, cv_health_is_used(lb, tg, &tg->targets[i], node));
		}
	}
}

/* The order among new checks is that of their keys: any, but not the order of the targets. */
static void first_spread(struct cv_health *health, uint64_t now_ms)
{
	uint64_t n_new = 0;

	for (uint32_t i = 0; i < health->n_heap; i++)
		n_new += health->heap[i].due_ms == UINT64_MAX;
	for (uint32_t i = 0; n_new > 0 && i < health->n_heap; i++) {
		const struct health_check *check = &health->checks[health->heap[i].check];
		uint64_t span_ms = n_new * 1000 / FIRST_PER_SECOND;

		if (health->heap[i].due_ms != UINT64_MAX)
			continue;
		if (span_ms > interval_get(health, check))
			span_ms = interval_get(health, check);
		health->heap[i].due_ms = now_ms + (check->key >> 32) % (span_ms + 1);
	}
}

static uint64_t *zones_hash(const struct cv_model *model)
{
	uint64_t *zones = malloc((model->n_zones + 1) * sizeof(*zones));

	for (uint32_t i = 0; zones != NULL && i < model->n_zones; i++)
		zones[i] = text_hash(model->zones[i].id, 3);
	return zones;
}

int cv_health_build(const struct cv_health *from, const struct cv_model *model,
		    const struct cv_health_cfg *cfg, uint64_t now_ms, struct cv_health **ret_health)
{
	struct cv_health *health = calloc(1, sizeof(*health));
	struct making make = {
		.health = health, .from = from, .zones = zones_hash(model), .now_ms = now_ms};

	if (health == NULL || make.zones == NULL)
		goto fail;
	health->model = model;
	health->time_scale = cfg->time_scale > 0 ? cfg->time_scale : 1;
	health->turns = from != NULL ? from->turns : 0;
	health->drain_next_ms = UINT64_MAX;
	if (memory_get(health) != 0)
		goto fail;
	for (uint32_t i = 0; i < model->n_tgs; i++)
		group_make(&make, i);
	free(make.zones);
	first_spread(health, now_ms);
	heap_make(health);
	*ret_health = health;
	return 0;

fail:
	free(make.zones);
	cv_health_destroy(health);
	return -ENOMEM;
}

void cv_health_text_drop(struct health_text *text)
{
	if (text != NULL && --text->n_refs == 0)
		free(text);
}

void cv_health_destroy(struct cv_health *health)
{
	if (health == NULL)
		return;
	for (uint32_t i = 0; health->n_texts > 0; i++) {
		health->n_texts -= health->checks[i].text != NULL;
		cv_health_text_drop(health->checks[i].text);
	}
	free(health->groups);
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

	while (n < n_max && health->n_heap > 0 && health->heap[0].due_ms <= now_ms) {
		struct health_check *check = &health->checks[health->heap[0].check];
		const struct cv_model_target_group *tg = &health->model->tgs[check->tg];

		health->heap[0].due_ms = next_due(health, check, now_ms);
		heap_sift(health, 0);
		if (check->in_flight)
			continue; /* it waits for a socket: this turn is left out */
		check->in_flight = true;
		check->begun = true;
		check->turn = ++health->turns;
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
	uint64_t due_ms = health->n_heap > 0 ? health->heap[0].due_ms : UINT64_MAX;

	return due_ms < health->drain_next_ms ? due_ms : health->drain_next_ms;
}
