/* SPDX-License-Identifier: BSD-3-Clause */

/* Health checks: those that are due to the probes, results to the health, new states to a new plan. */

#include "ctl_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define BATCH 256
/* Plans after changed states: apart by so long, and by so many times what the last one took. */
#define PLAN_GAP_MS 50
#define PLAN_GAP_TIMES 4
/* Changes logged in a second at most. */
#define LINES_MAX 200

int cv_ctl_checks_build(const struct cv_ctl *ctl, const struct cv_conf *conf,
			struct cv_health **ret_health)
{
	const struct cv_health_cfg cfg = {.time_scale = conf->settings.lab_time_scale};

	return cv_health_build(ctl->health, conf->model, &cfg, cv_clock_ms(), ret_health);
}

int cv_ctl_probe(struct cv_ctl *ctl, int (*open)(void *arg, uint16_t vpc), void *arg)
{
	const struct cv_probe_cfg cfg = {.open = open, .open_arg = arg};
	struct epoll_event event = {.events = EPOLLIN};
	int ret = cv_probe_create(&cfg, &ctl->checks.probe);

	if (ret < 0)
		return ret;
	event.data.fd = cv_probe_fd(ctl->checks.probe);
	if (epoll_ctl(ctl->epoll_fd, EPOLL_CTL_ADD, event.data.fd, &event) == 0)
		return 0;
	ret = -errno;
	cv_ctl_checks_stop(ctl);
	return ret;
}

void cv_ctl_checks_start(struct cv_ctl *ctl)
{
	int ret;

	if (ctl->checks.probe != NULL || ctl->host == NULL)
		return;
	ret = cv_ctl_probe(ctl, cv_ctl_host_open, ctl->host);
	if (ret < 0)
		cv_log(CV_LOG_ERR, "no health checks can be made: %s", strerror(-ret));
}

void cv_ctl_checks_stop(struct cv_ctl *ctl)
{
	cv_probe_destroy(ctl->checks.probe);
	ctl->checks.probe = NULL;
}

/* ---- changes ---- */

static void change_log(struct cv_ctl *ctl, const struct cv_health_change *change, uint64_t now_ms)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_target_group *tg = &model->tgs[change->tg];
	const struct cv_model_target *target = &tg->targets[change->target];
	uint32_t zone = model->lbs[change->lb].nodes[change->node].zone;
	struct ctl_checks *checks = &ctl->checks;
	struct cv_health_info info;
	char addr[CV_NET_STR_LEN];

	cv_health_zone_get(ctl->health, change->tg, change->target, zone, &info);
	cv_ctl_notice_target(ctl, change, info.text);
	if (now_ms >= checks->lines_ms + 1000) {
		if (checks->n_lines > LINES_MAX)
			cv_log(CV_LOG_NOTICE, "%u more targets changed state",
			       checks->n_lines - LINES_MAX);
		checks->lines_ms = now_ms;
		checks->n_lines = 0;
	}
	if (++checks->n_lines > LINES_MAX)
		return;
	cv_log(change->to == CV_MODEL_TARGET_HEALTHY ? CV_LOG_NOTICE : CV_LOG_WARNING,
	       "target %s of %s is %s in %s, was %s%s%s",
	       cv_ctl_addr_str(target->ip, target->port, addr), tg->name,
	       cv_model_target_state_str(change->to), model->zones[zone].id,
	       cv_model_target_state_str(change->from), info.text != NULL ? ": " : "",
	       info.text != NULL ? info.text : "");
}

static void changed(struct cv_ctl *ctl, const struct cv_health_change *change, uint64_t now_ms)
{
	change_log(ctl, change, now_ms);
	if (ctl->checks.plan_ms == 0)
		ctl->checks.plan_ms = ctl->checks.ready_ms > now_ms ? ctl->checks.ready_ms : now_ms;
}

/* ---- probes ---- */

static void result_take(struct cv_ctl *ctl, const struct cv_probe_result *from, uint64_t now_ms)
{
	static const enum cv_health_outcome outcomes[] = {
		[CV_PROBE_CONNECTED] = CV_HEALTH_OK,      [CV_PROBE_ANSWERED] = CV_HEALTH_CODE,
		[CV_PROBE_TIMEOUT] = CV_HEALTH_TIMEOUT,   [CV_PROBE_FAILED] = CV_HEALTH_FAILED,
		[CV_PROBE_INTERNAL] = CV_HEALTH_INTERNAL,
	};
	struct cv_health_result result = {
		.key = from->key,
		.turn = from->turn,
		.outcome = outcomes[from->outcome],
		.code = from->code,
	};
	struct cv_health_change change;

	snprintf(result.text, sizeof(result.text), "%s", from->text);
	if (cv_health_take(ctl->health, &result, now_ms, &change))
		changed(ctl, &change, now_ms);
}

/* The first listener that leads to a group: AWS's checks name its port. */
static uint16_t listener_port(const struct cv_model_lb *lb, uint32_t tg, uint16_t port)
{
	for (uint32_t i = 0; i < lb->n_listeners; i++) {
		const struct cv_model_listener *listener = &lb->listeners[i];

		for (uint32_t k = 0; k < listener->n_forwards; k++) {
			if (listener->forwards[k].tg == tg)
				return listener->port;
		}
	}
	return port;
}

void cv_ctl_checks_req(const struct cv_ctl *ctl, uint32_t lb, uint32_t tg_idx, uint32_t target,
		       uint16_t port, struct cv_probe_req *req)
{
	static const enum cv_probe_protocol protocols[] = {
		[CV_MODEL_CHECK_TCP] = CV_PROBE_TCP,
		[CV_MODEL_CHECK_HTTP] = CV_PROBE_HTTP,
		[CV_MODEL_CHECK_HTTPS] = CV_PROBE_HTTPS,
	};
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_target_group *tg = &model->tgs[tg_idx];
	uint32_t scale = ctl->conf->settings.lab_time_scale;

	*req = (struct cv_probe_req){
		.protocol = protocols[tg->check.protocol],
		.ppv2 = tg->ppv2,
		.vpc = (uint16_t)cv_plan_slot(ctl->plan, CV_PLAN_VPC, 0, tg->vpc),
		.ip = tg->targets[target].ip,
		.port = port,
		.host_port = listener_port(&model->lbs[lb], tg_idx, port),
		.timeout_ms = tg->check.timeout_s * 1000 / (scale > 0 ? scale : 1),
		.path = tg->check.path,
	};
}

static int probe_begin(struct cv_ctl *ctl, const struct cv_health_probe *due)
{
	struct cv_probe_req req;

	if (ctl->checks.probe == NULL)
		return -ENOTSUP;
	cv_ctl_checks_req(ctl, due->lb, due->tg, due->target, due->port, &req);
	req.key = due->key;
	req.turn = due->turn;
	req.from = ctl->conf->model->lbs[due->lb].nodes[due->node].ips[0];
	return cv_probe_begin(ctl->checks.probe, &req);
}

static void due_begin(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct cv_health_probe due[BATCH];
	uint32_t n;

	do {
		n = cv_health_due(ctl->health, now_ms, due, BATCH);
		for (uint32_t i = 0; i < n; i++) {
			int ret = probe_begin(ctl, &due[i]);
			struct cv_probe_result result = {
				.key = due[i].key,
				.turn = due[i].turn,
				.outcome = CV_PROBE_INTERNAL,
			};

			if (ret == 0)
				continue;
			snprintf(result.text, sizeof(result.text), "%s",
				 ret == -ENOTSUP ? "no sockets in the VPCs" : strerror(-ret));
			result_take(ctl, &result, now_ms);
		}
	} while (n == BATCH);
}

static void results_take(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct cv_probe_result results[BATCH];
	uint32_t n;

	if (ctl->checks.probe == NULL)
		return;
	do {
		n = cv_probe_results(ctl->checks.probe, results, BATCH);
		for (uint32_t i = 0; i < n; i++) {
			if (!cv_ctl_drain_check_take(ctl, &results[i]))
				result_take(ctl, &results[i], now_ms);
		}
	} while (n == BATCH);
}

/* ---- the loop's part ---- */

static void plan_again(struct cv_ctl *ctl, uint64_t now_ms)
{
	uint64_t took_ms, gap_ms;
	int ret = cv_ctl_replan(ctl);

	took_ms = cv_clock_ms() - now_ms;
	gap_ms = took_ms * PLAN_GAP_TIMES > PLAN_GAP_MS ? took_ms * PLAN_GAP_TIMES : PLAN_GAP_MS;
	ctl->checks.ready_ms = now_ms + took_ms + gap_ms;
	ctl->checks.plan_ms = ret < 0 ? now_ms + 1000 : 0;
}

void cv_ctl_checks_run(struct cv_ctl *ctl, uint64_t now_ms)
{
	struct cv_health_change change;

	results_take(ctl, now_ms);
	while (cv_health_tick(ctl->health, now_ms, &change))
		changed(ctl, &change, now_ms);
	due_begin(ctl, now_ms);
	if (ctl->checks.plan_ms != 0 && now_ms >= ctl->checks.plan_ms)
		plan_again(ctl, now_ms);
}

uint64_t cv_ctl_checks_next_ms(const struct cv_ctl *ctl)
{
	uint64_t next_ms = cv_health_next_ms(ctl->health);

	if (ctl->checks.plan_ms != 0 && ctl->checks.plan_ms < next_ms)
		return ctl->checks.plan_ms;
	return next_ms;
}
