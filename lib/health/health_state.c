/* SPDX-License-Identifier: BSD-3-Clause */

/* What results make of a target, and what is said about it. */

#include "health_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"

/* A check that cannot be made so often in a row leaves a new target's health unknown. */
#define LOST_MAX 2

/* ---- results ---- */

static bool is_success(const struct cv_health *health, const struct health_check *check,
		       const struct cv_health_result *result)
{
	const char *matcher = health->model->tgs[check->tg].check.matcher;

	if (result->outcome == CV_HEALTH_CODE)
		return matcher != NULL && cv_model_matcher_has(matcher, result->code);
	return result->outcome == CV_HEALTH_OK;
}

static void count_up(uint8_t *counter)
{
	if (*counter < UINT8_MAX)
		(*counter)++;
}

static enum cv_model_target_state after_success(struct health_check *check,
						const struct cv_model_check *cfg)
{
	count_up(&check->n_good);
	check->n_bad = 0;
	check->n_lost = 0;
	/* One success is enough unless checks have failed before. */
	if (check->state != CV_MODEL_TARGET_UNHEALTHY &&
	    check->state != CV_MODEL_TARGET_UNHEALTHY_DRAINING)
		return CV_MODEL_TARGET_HEALTHY;
	return check->n_good >= cfg->n_healthy ? CV_MODEL_TARGET_HEALTHY
					       : (enum cv_model_target_state)check->state;
}

/* Flows of a new target there are none: nothing drains. */
static enum cv_model_target_state after_failure(struct cv_health *health,
						struct health_check *check, uint64_t now_ms)
{
	const struct cv_model_target_group *tg = &health->model->tgs[check->tg];

	count_up(&check->n_bad);
	check->n_good = 0;
	check->n_lost = 0;
	if (check->state == CV_MODEL_TARGET_UNHEALTHY ||
	    check->state == CV_MODEL_TARGET_UNHEALTHY_DRAINING ||
	    check->n_bad < tg->check.n_unhealthy)
		return (enum cv_model_target_state)check->state;
	if (check->state == CV_MODEL_TARGET_INITIAL || tg->drain.unhealthy_terminate ||
	    tg->drain.unhealthy_seconds == 0)
		return CV_MODEL_TARGET_UNHEALTHY;
	check->drain_ms =
		now_ms + (uint64_t)tg->drain.unhealthy_seconds * 1000 / health->time_scale;
	if (check->drain_ms < health->drain_next_ms)
		health->drain_next_ms = check->drain_ms;
	/* A search under way may have passed this check. */
	if (check->drain_ms < health->drain_seen_ms)
		health->drain_seen_ms = check->drain_ms;
	return CV_MODEL_TARGET_UNHEALTHY_DRAINING;
}

/* What we cannot check is not the target's fault: what was known of it holds. */
static enum cv_model_target_state after_loss(struct health_check *check)
{
	count_up(&check->n_lost);
	if (check->state == CV_MODEL_TARGET_INITIAL && check->n_lost >= LOST_MAX)
		return CV_MODEL_TARGET_UNAVAILABLE;
	return (enum cv_model_target_state)check->state;
}

static bool change_make(const struct cv_health *health, struct health_check *check,
			enum cv_model_target_state to, struct cv_health_change *ret_change)
{
	if (check->state == to)
		return false;
	*ret_change = (struct cv_health_change){
		.lb = health->model->tgs[check->tg].lb,
		.node = check->node,
		.tg = check->tg,
		.target = check->target,
		.from = (enum cv_model_target_state)check->state,
		.to = to,
	};
	check->state = (uint8_t)to;
	return true;
}

/* Without memory the reason is not told. */
static void text_set(struct cv_health *health, struct health_check *check, const char *words)
{
	struct health_text *text = check->text;

	if (text != NULL && strcmp(text->text, words) == 0)
		return;
	health->n_texts -= text != NULL;
	cv_health_text_drop(text);
	check->text = NULL;
	if (words[0] == '\0')
		return;
	text = malloc(sizeof(*text));
	if (text == NULL)
		return;
	text->n_refs = 1;
	snprintf(text->text, sizeof(text->text), "%s", words);
	check->text = text;
	health->n_texts++;
}

static void reason_set(struct cv_health *health, struct health_check *check,
		       const struct cv_health_result *result)
{
	char words[CV_HEALTH_TEXT_LEN];

	if (result->outcome == CV_HEALTH_CODE)
		snprintf(words, sizeof(words), "HTTP code %u, not %.60s", result->code,
			 health->model->tgs[check->tg].check.matcher);
	else
		snprintf(words, sizeof(words), "%s", result->text);
	text_set(health, check, words);
}

bool cv_health_take(struct cv_health *health, const struct cv_health_result *result,
		    uint64_t now_ms, struct cv_health_change *ret_change)
{
	struct health_check *check = cv_health_find(health, result->key);
	enum cv_model_target_state to;

	if (check == NULL || check->heap == HEALTH_NONE || !check->in_flight ||
	    check->turn != result->turn)
		return false;
	check->in_flight = false;
	check->checked_ms = now_ms;
	if (is_success(health, check, result)) {
		text_set(health, check, "");
		to = after_success(check, &health->model->tgs[check->tg].check);
		return change_make(health, check, to, ret_change);
	}
	reason_set(health, check, result);
	to = result->outcome == CV_HEALTH_INTERNAL ? after_loss(check)
						   : after_failure(health, check, now_ms);
	return change_make(health, check, to, ret_change);
}

bool cv_health_tick(struct cv_health *health, uint64_t now_ms, struct cv_health_change *ret_change)
{
	if (now_ms < health->drain_next_ms)
		return false;
	if (health->drain_at == 0)
		health->drain_seen_ms = UINT64_MAX;
	/* Many may end at once: each call goes on where the last one found one. */
	for (uint32_t i = health->drain_at; i < health->n_checks; i++) {
		struct health_check *check = &health->checks[i];

		if (check->state != CV_MODEL_TARGET_UNHEALTHY_DRAINING)
			continue;
		if (check->drain_ms <= now_ms) {
			health->drain_at = i + 1;
			return change_make(health, check, CV_MODEL_TARGET_UNHEALTHY, ret_change);
		}
		if (check->drain_ms < health->drain_seen_ms)
			health->drain_seen_ms = check->drain_ms;
	}
	health->drain_next_ms = health->drain_seen_ms;
	health->drain_at = 0;
	return false;
}

/* ---- what is said ---- */

static void info_fill(enum cv_model_target_state state, bool begun, bool enabled,
		      struct cv_health_info *info)
{
	static const struct {
		const char *reason, *description;
	} words[] = {
		[CV_MODEL_TARGET_INITIAL] = {"Elb.InitialHealthChecking",
					     "Initial health checks in progress"},
		[CV_MODEL_TARGET_UNHEALTHY] = {"Target.FailedHealthChecks", "Health checks failed"},
		[CV_MODEL_TARGET_UNHEALTHY_DRAINING] = {"Target.FailedHealthChecks",
							"Health checks failed"},
		[CV_MODEL_TARGET_DRAINING] = {"Target.DeregistrationInProgress",
					      "Target deregistration is in progress"},
		[CV_MODEL_TARGET_UNUSED] = {"Target.NotInUse",
					    "Target is in an Availability Zone that is not enabled "
					    "for the load balancer"},
		[CV_MODEL_TARGET_UNAVAILABLE] = {"Elb.InternalError",
						 "Health checks failed due to an internal error"},
	};

	info->state = state;
	info->reason = words[state].reason;
	info->description = words[state].description;
	if (state == CV_MODEL_TARGET_INITIAL && !begun) {
		info->reason = "Elb.RegistrationInProgress";
		info->description = "Target registration is in progress";
	}
	if (state == CV_MODEL_TARGET_UNAVAILABLE && !enabled) {
		info->reason = "Target.HealthCheckDisabled";
		info->description = "Health checks are disabled";
	}
}

static void info_not_in_use(struct cv_health_info *info)
{
	info_fill(CV_MODEL_TARGET_UNUSED, false, true, info);
	info->description =
		"Target group is not configured to receive traffic from the load balancer";
}

static const char *text_get(const struct health_check *check)
{
	return check->text != NULL ? check->text->text : NULL;
}

/* The load balancer that uses a group, or NULL. */
static const struct cv_model_lb *lb_get(const struct cv_health *health, uint32_t tg)
{
	const struct cv_model *model = health->model;
	uint32_t lb = model->tgs[tg].lb;

	if (model->tgs[tg].meta.gone || lb == CV_MODEL_NONE || model->lbs[lb].n_nodes == 0)
		return NULL;
	return &model->lbs[lb];
}

/* Where nothing is checked, the model says all. @param check of cv_health_at() */
static enum cv_model_target_state state_get(const struct cv_health *health,
					    const struct health_check *check, uint32_t tg_idx,
					    uint32_t target, uint32_t node)
{
	const struct cv_model_target_group *tg = &health->model->tgs[tg_idx];

	if (check != NULL)
		return (enum cv_model_target_state)check->state;
	return cv_health_is_used(&health->model->lbs[tg->lb], tg, &tg->targets[target], node)
		       ? CV_MODEL_TARGET_UNAVAILABLE
		       : CV_MODEL_TARGET_UNUSED;
}

void cv_health_zone_get(const struct cv_health *health, uint32_t tg, uint32_t target, uint32_t zone,
			struct cv_health_info *ret_info)
{
	const struct cv_model_lb *lb = lb_get(health, tg);
	uint32_t node = lb != NULL ? cv_model_node_find(lb, zone) : CV_MODEL_NONE;
	const struct health_check *check;

	*ret_info = (struct cv_health_info){0};
	if (node == CV_MODEL_NONE) {
		info_not_in_use(ret_info);
		return;
	}
	check = cv_health_at(health, tg, target, node);
	info_fill(state_get(health, check, tg, target, node), check != NULL && check->begun,
		  check != NULL, ret_info);
	if (check == NULL)
		return;
	ret_info->text = text_get(check);
	ret_info->checked_ms = check->checked_ms;
}

/* What the nodes say together, by how many say what. */
static enum cv_model_target_state together(const uint32_t *n)
{
	uint32_t n_unhealthy = n[CV_MODEL_TARGET_UNHEALTHY] + n[CV_MODEL_TARGET_UNHEALTHY_DRAINING];

	if (n_unhealthy > n[CV_MODEL_TARGET_HEALTHY])
		return n[CV_MODEL_TARGET_UNHEALTHY] > 0 ? CV_MODEL_TARGET_UNHEALTHY
							: CV_MODEL_TARGET_UNHEALTHY_DRAINING;
	if (n[CV_MODEL_TARGET_HEALTHY] > 0)
		return CV_MODEL_TARGET_HEALTHY;
	if (n[CV_MODEL_TARGET_INITIAL] > 0)
		return CV_MODEL_TARGET_INITIAL;
	return n[CV_MODEL_TARGET_UNAVAILABLE] > 0 ? CV_MODEL_TARGET_UNAVAILABLE
						  : CV_MODEL_TARGET_UNUSED;
}

static enum cv_model_target_state together_get(const struct cv_health *health,
					       const struct cv_model_lb *lb, uint32_t tg,
					       uint32_t target)
{
	uint32_t n[CV_MODEL_TARGET_UNAVAILABLE + 1] = {0};

	for (uint32_t i = 0; i < lb->n_nodes; i++)
		n[state_get(health, cv_health_at(health, tg, target, i), tg, target, i)]++;
	return together(n);
}

void cv_health_get(const struct cv_health *health, uint32_t tg, uint32_t target,
		   struct cv_health_info *ret_info)
{
	const struct cv_model_lb *lb = lb_get(health, tg);
	enum cv_model_target_state state;
	bool begun = false;

	*ret_info = (struct cv_health_info){0};
	if (lb == NULL) {
		info_not_in_use(ret_info);
		return;
	}
	state = together_get(health, lb, tg, target);
	for (uint32_t i = 0; i < lb->n_nodes; i++) {
		const struct health_check *check = cv_health_at(health, tg, target, i);

		if (check == NULL)
			break;
		begun = begun || check->begun;
		if (check->checked_ms > ret_info->checked_ms)
			ret_info->checked_ms = check->checked_ms;
		if (check->state == state && ret_info->text == NULL)
			ret_info->text = text_get(check);
	}
	info_fill(state, begun, health->model->tgs[tg].check.enabled, ret_info);
}

enum cv_model_target_state cv_health_state(void *arg, uint32_t tg, uint32_t target, uint32_t zone)
{
	const struct cv_health *health = arg;
	const struct cv_model_lb *lb = lb_get(health, tg);
	uint32_t node;

	if (lb == NULL)
		return CV_MODEL_TARGET_UNUSED;
	if (zone == CV_MODEL_NONE)
		return together_get(health, lb, tg, target);
	node = cv_model_node_find(lb, zone);
	if (node == CV_MODEL_NONE)
		return CV_MODEL_TARGET_UNUSED;
	return state_get(health, cv_health_at(health, tg, target, node), tg, target, node);
}
