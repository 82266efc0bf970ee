/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Checks of targets that drain. AWS lets their flows go on while they are healthy. The model knows them no
 * more, so all that a check needs was copied when they were removed.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_priv.h"

/* Keys of probes: CV_HEALTH_KEY_OTHERS, the target's slot, the node's number here. */
#define KEY_NODE_BITS 8
#define NODES_MAX (1u << KEY_NODE_BITS)

struct drain_node {
	cv_be32_t ip;
	uint32_t turn;         /* of the last probe */
	uint8_t n_good, n_bad; /* in a row */
	bool in_flight, bad;
};

struct ctl_drain_check {
	uint32_t n_refs;
	struct cv_probe_req req; /* its path is our own */
	char *path, *matcher;
	uint32_t interval_ms, n_healthy, n_unhealthy;
	uint64_t next_ms; /* 0: not yet known */
	uint32_t n_nodes;
	struct drain_node nodes[]; /* shape [n_nodes] */
};

/*
 * Only those nodes have a say that the target was healthy for: what flows others still have they keep because
 * no target is healthy.
 */
static void nodes_fill(const struct cv_ctl *ctl, const struct cv_model_lb *lb, uint32_t tg,
		       uint32_t target, struct ctl_drain_check *check)
{
	struct cv_health_info info;

	for (uint32_t i = 0; i < lb->n_nodes && check->n_nodes < NODES_MAX; i++) {
		cv_health_zone_get(ctl->health, tg, target, lb->nodes[i].zone, &info);
		if (info.state == CV_MODEL_TARGET_HEALTHY)
			check->nodes[check->n_nodes++].ip = lb->nodes[i].ips[0];
	}
}

int cv_ctl_drain_check_make(const struct cv_ctl *ctl, uint32_t tg_idx, uint32_t target,
			    struct ctl_drain_check **ret_check)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_target_group *tg = &model->tgs[tg_idx];
	const struct cv_model_lb *lb = &model->lbs[tg->lb];
	struct ctl_drain_check *check;

	*ret_check = NULL;
	if (!tg->check.enabled || !tg->drain.unhealthy_terminate)
		return 0;
	check = calloc(1, sizeof(*check) + lb->n_nodes * sizeof(check->nodes[0]));
	if (check == NULL)
		return -ENOMEM;
	check->n_refs = 1;
	cv_ctl_checks_req(ctl, tg->lb, tg_idx, target,
			  tg->check.port != 0 ? tg->check.port : tg->targets[target].port,
			  &check->req);
	check->interval_ms = tg->check.interval_s * 1000 / ctl->conf->settings.lab_time_scale;
	check->n_healthy = tg->check.n_healthy;
	check->n_unhealthy = tg->check.n_unhealthy;
	nodes_fill(ctl, lb, tg_idx, target, check);
	if ((tg->check.path != NULL && (check->path = strdup(tg->check.path)) == NULL) ||
	    (tg->check.matcher != NULL && (check->matcher = strdup(tg->check.matcher)) == NULL)) {
		cv_ctl_drain_check_put(check);
		return -ENOMEM;
	}
	check->req.path = check->path;
	*ret_check = check;
	return 0;
}

struct ctl_drain_check *cv_ctl_drain_check_get(struct ctl_drain_check *check)
{
	if (check != NULL)
		check->n_refs++;
	return check;
}

void cv_ctl_drain_check_put(struct ctl_drain_check *check)
{
	if (check == NULL || --check->n_refs > 0)
		return;
	free(check->path);
	free(check->matcher);
	free(check);
}

uint16_t cv_ctl_drain_check_vpc(const struct ctl_drain_check *check)
{
	return check->req.vpc;
}

void cv_ctl_drain_check_run(struct cv_ctl *ctl, struct ctl_drain *drain, uint64_t now_ms)
{
	struct ctl_drain_check *check = drain->check;

	if (ctl->checks.probe == NULL)
		return;
	/* Not all that were removed together at once. */
	if (check->next_ms == 0)
		check->next_ms = now_ms + drain->slot % (check->interval_ms + 1);
	if (now_ms < check->next_ms)
		return;
	check->next_ms = now_ms + check->interval_ms;
	for (uint32_t i = 0; i < check->n_nodes; i++) {
		struct drain_node *node = &check->nodes[i];

		if (node->in_flight)
			continue;
		check->req.key = CV_HEALTH_KEY_OTHERS | (uint64_t)drain->slot << KEY_NODE_BITS | i;
		check->req.turn = node->turn = ++ctl->checks.turns;
		check->req.from = node->ip;
		/* No memory now: the next turn will do. */
		node->in_flight = cv_probe_begin(ctl->checks.probe, &check->req) == 0;
	}
}

/* As together with its other nodes a target that serves is judged. */
static bool is_sick(const struct ctl_drain_check *check)
{
	uint32_t n_bad = 0;

	for (uint32_t i = 0; i < check->n_nodes; i++)
		n_bad += check->nodes[i].bad;
	return n_bad > check->n_nodes - n_bad;
}

static void sick_set(struct cv_ctl *ctl, struct ctl_drain *drain, const char *why)
{
	char addr[CV_NET_STR_LEN];

	cv_log(CV_LOG_NOTICE, "target %s of %s, which drains, is unhealthy, its flows end%s%s",
	       cv_ctl_addr_str(drain->ip, drain->port, addr), drain->group,
	       why[0] != '\0' ? ": " : "", why);
	drain->sick = true;
	drain->sweep = ctl->sweep + 1;
	ctl->drains.due = true;
	cv_ctl_drain_check_put(drain->check);
	drain->check = NULL;
	/* Whatever plan comes next ends them. */
	cv_ctl_drains_ends(&ctl->drains);
}

static int by_slot(const void *key, const void *item)
{
	uint32_t slot = *(const uint32_t *)key;
	const struct ctl_drain *drain = item;

	return (slot > drain->slot) - (slot < drain->slot);
}

static bool is_good(const struct ctl_drain_check *check, const struct cv_probe_result *result)
{
	return result->outcome == CV_PROBE_CONNECTED ||
	       (result->outcome == CV_PROBE_ANSWERED && check->matcher != NULL &&
		cv_model_matcher_has(check->matcher, result->code));
}

static void node_judge(const struct ctl_drain_check *check, struct drain_node *node, bool good)
{
	uint8_t *n = good ? &node->n_good : &node->n_bad;

	*n += *n < UINT8_MAX;
	if (good)
		node->n_bad = 0;
	else
		node->n_good = 0;
	if (*n >= (good ? check->n_healthy : check->n_unhealthy))
		node->bad = !good;
}

bool cv_ctl_drain_check_take(struct cv_ctl *ctl, const struct cv_probe_result *result)
{
	const struct ctl_drains *drains = &ctl->drains;
	uint32_t slot = (uint32_t)(result->key >> KEY_NODE_BITS), i = result->key % NODES_MAX;
	struct ctl_drain_check *check;
	struct ctl_drain *drain;
	struct drain_node *node;

	if ((result->key & CV_HEALTH_KEY_OTHERS) == 0)
		return false;
	drain = drains->n == 0 ? NULL
			       : bsearch(&slot, drains->items, drains->n, sizeof(*drain), by_slot);
	check = drain != NULL ? drain->check : NULL;
	if (check == NULL || i >= check->n_nodes || check->nodes[i].turn != result->turn)
		return true;
	node = &check->nodes[i];
	node->in_flight = false;
	/* What we cannot check is not the target's fault. */
	if (result->outcome == CV_PROBE_INTERNAL)
		return true;
	node_judge(check, node, is_good(check, result));
	if (is_sick(check))
		sick_set(ctl, drain, result->text);
	return true;
}
