/* SPDX-License-Identifier: BSD-3-Clause */

/* Life of control, and its loop. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cv_model_ops.h"

#include "show_priv.h"

#define POOLS_DYING_MAX 256
#define SLOTS_MORE_MIN 256
#define SLOTS_MORE_MAX 16384

static void signals_get(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
}

int cv_ctl_signals_block(void)
{
	sigset_t set;

	signals_get(&set);
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	return -pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static int fd_watch(struct cv_ctl *ctl, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(ctl->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int fds_open(struct cv_ctl *ctl)
{
	sigset_t set;

	signals_get(&set);
	ctl->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ctl->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	ctl->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ctl->epoll_fd < 0 || ctl->signal_fd < 0 || ctl->stop_fd < 0)
		return -errno;
	if (fd_watch(ctl, ctl->signal_fd) < 0 || fd_watch(ctl, ctl->stop_fd) < 0 ||
	    fd_watch(ctl, ctl->queue.event_fd) < 0)
		return -errno;
	return 0;
}

/* What calls remove keeps its slot until nothing names it: room for others meanwhile. */
static uint32_t slots_with_more(const struct cv_conf *conf, uint32_t n)
{
	uint32_t more = n;

	if (conf->api.n_listen == 0)
		return n;
	if (more < SLOTS_MORE_MIN)
		more = SLOTS_MORE_MIN;
	if (more > SLOTS_MORE_MAX)
		more = SLOTS_MORE_MAX;
	return n + more < CV_PLAN_SLOTS_MAX ? n + more : CV_PLAN_SLOTS_MAX - 1;
}

static int tables_make(struct cv_ctl *ctl, const struct cv_conf *conf)
{
	const struct cv_plan_limits limits = {
		.endpoints = slots_with_more(conf, conf->limits.endpoints),
		.listeners = slots_with_more(conf, conf->limits.listeners),
		.targets = conf->limits.targets,
	};

	ctl->slots = cv_plan_slots_create(&limits);
	ctl->registry = cv_snat_registry_create();
	ctl->pub = cv_view_pub_create(conf->dpdk.workers);
	ctl->dying = calloc(POOLS_DYING_MAX, sizeof(struct cv_snat_pool *));
	if (ctl->slots == NULL || ctl->registry == NULL || ctl->pub == NULL || ctl->dying == NULL)
		return -ENOMEM;
	ctl->neigh = calloc(cv_plan_slots_cap(ctl->slots, CV_PLAN_NEIGH), sizeof(*ctl->neigh));
	ctl->fars = calloc(cv_plan_slots_cap(ctl->slots, CV_PLAN_NEIGH), sizeof(*ctl->fars));
	return ctl->neigh != NULL && ctl->fars != NULL ? 0 : -ENOMEM;
}

/* What is known of where packets arrive; it is the same as long as the process runs. */
static int rss_learn(struct cv_ctl *ctl)
{
	for (uint16_t i = 0; ctl->io != NULL && i < cv_io_n_ports(ctl->io); i++) {
		ctl->rss[i] = *cv_io_port_rss(ctl->io, i);
		if (!ctl->rss[i].on)
			continue;
		ctl->snat_maps[i] = cv_snat_map_create(&ctl->rss[i]);
		if (ctl->snat_maps[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

int cv_ctl_create(const struct cv_ctl_cfg *cfg, struct cv_conf *conf, struct cv_errs *errs,
		  struct cv_ctl **ret_ctl)
{
	struct cv_ctl *ctl = calloc(1, sizeof(*ctl));
	int ret = -ENOMEM;

	if (ctl == NULL)
		goto fail_conf;
	ctl->epoll_fd = ctl->signal_fd = ctl->stop_fd = -1;
	cv_ctl_ring_init(&ctl->ring);
	ctl->io = cfg->io;
	ctl->tsc_hz = cfg->tsc_hz;
	for (uint32_t i = 0; i < cfg->n_steers; i++)
		ctl->steers[i] = cfg->steers[i];
	ctl->started_ms = cv_clock_ms();
	/*
	 * A restarted process must not take the ports of flows that its targets still hold open.
	 * Without random numbers so early in the boot, the time will do: nothing secret hangs on it.
	 */
	if (getrandom(&ctl->snat_seed, sizeof(ctl->snat_seed), GRND_NONBLOCK) < 0)
		ctl->snat_seed = ctl->started_ms;
	ret = cv_ctl_queue_init(&ctl->queue);
	if (ret < 0) {
		cv_ctl_ring_fini(&ctl->ring);
		free(ctl);
		goto fail_conf;
	}
	ctl->file = strdup(cfg->file);
	ctl->version = strdup(cfg->version);
	ret = ctl->file != NULL && ctl->version != NULL ? fds_open(ctl) : -ENOMEM;
	if (ret == 0)
		ret = cv_ctl_keep_open(ctl, cfg->state, &conf, errs);
	if (ret == 0)
		ret = tables_make(ctl, conf);
	if (ret == 0)
		ret = rss_learn(ctl);
	if (ret == 0)
		ret = cv_ctl_apply(ctl, conf, errs);
	if (ret < 0) {
		cv_ctl_queue_close(&ctl->queue);
		cv_ctl_destroy(ctl);
		goto fail_conf;
	}
	*ret_ctl = ctl;
	return 0;

fail_conf:
	cv_conf_lines(conf, errs, 0);
	cv_conf_destroy(conf);
	if (errs->n == 0)
		cv_errs_add(errs, NULL, 0, "the control thread cannot start: %s", strerror(-ret));
	return ret == -EEXIST || ret == -ENOSPC ? -EINVAL : ret;
}

static void fd_close(int fd)
{
	if (fd >= 0)
		close(fd);
}

void cv_ctl_destroy(struct cv_ctl *ctl)
{
	if (ctl == NULL)
		return;
	cv_ctl_keep_close(ctl);
	cv_ctl_checks_stop(ctl);
	cv_dp_flow_list_destroy(ctl->flows.list);
	cv_ctl_capture_fini(ctl);
	cv_ctl_dns_stop(ctl);
	cv_host_destroy(ctl->host);
	cv_view_pub_destroy(ctl->pub);
	for (uint32_t i = 0; i < ctl->n_dying; i++)
		cv_snat_pool_destroy(ctl->dying[i]);
	free(ctl->dying);
	cv_plan_destroy(ctl->plan);
	cv_plan_slots_destroy(ctl->slots);
	cv_snat_registry_destroy(ctl->registry);
	for (uint32_t i = 0; i < CV_DP_PORTS_MAX; i++)
		cv_snat_map_destroy(ctl->snat_maps[i]);
	cv_ctl_drains_fini(&ctl->drains);
	cv_ctl_watch_fini(&ctl->watch);
	cv_ctl_recycle_fini(&ctl->recycle);
	cv_ctl_neigh_fini(&ctl->neighs);
	free(ctl->neigh);
	free(ctl->fars);
	free(ctl->announces);
	cv_errs_fini(&ctl->last_reload.errs);
	cv_health_destroy(ctl->health);
	cv_conf_destroy(ctl->conf);
	cv_model_destroy(ctl->model);
	cv_ctl_queue_fini(&ctl->queue);
	cv_ctl_ring_fini(&ctl->ring);
	fd_close(ctl->epoll_fd);
	fd_close(ctl->signal_fd);
	fd_close(ctl->stop_fd);
	free(ctl->file);
	free(ctl->version);
	free(ctl);
}

void cv_ctl_dp_cfg(const struct cv_ctl *ctl, struct cv_dp_cfg *dp_cfg)
{
	const struct cv_conf *conf = ctl->conf;

	dp_cfg->n_workers = conf->dpdk.workers;
	dp_cfg->n_flows = conf->limits.flows;
	dp_cfg->n_ports = (uint16_t)conf->dpdk.n_ports;
	dp_cfg->n_obj[CV_STATS_PATH] = cv_plan_slots_cap(ctl->slots, CV_PLAN_PATH);
	dp_cfg->n_obj[CV_STATS_LISTENER] = cv_plan_slots_cap(ctl->slots, CV_PLAN_LISTENER);
	dp_cfg->n_obj[CV_STATS_TARGET] = cv_plan_slots_cap(ctl->slots, CV_PLAN_TARGET);
	dp_cfg->pub = ctl->pub;
	dp_cfg->rss = ctl->rss;
}

const struct cv_conf *cv_ctl_conf(const struct cv_ctl *ctl)
{
	return ctl->conf;
}

void cv_ctl_attach(struct cv_ctl *ctl, struct cv_dp *dp)
{
	ctl->dp = dp;
	cv_ctl_host_start(ctl);
}

void cv_ctl_detach(struct cv_ctl *ctl)
{
	cv_ctl_checks_stop(ctl);
	cv_ctl_dns_stop(ctl);
	cv_host_stop(ctl->host);
}

void cv_ctl_refuse(struct cv_ctl *ctl)
{
	cv_ctl_queue_close(&ctl->queue);
	cv_ctl_ring_close(&ctl->ring);
}

void cv_ctl_on_hup(struct cv_ctl *ctl, void (*fn)(void *arg), void *arg)
{
	ctl->hup_fn = fn;
	ctl->hup_arg = arg;
}

uint32_t cv_ctl_time_scale(const struct cv_ctl *ctl)
{
	return ctl->conf != NULL ? ctl->conf->settings.lab_time_scale : 1;
}

void cv_ctl_stop(struct cv_ctl *ctl)
{
	const uint64_t one = 1;

	/* Fails only when it has been told before, 2^64 times. */
	if (write(ctl->stop_fd, &one, sizeof(one)) < 0)
		cv_assert(errno == EAGAIN);
}

/* ---- the loop ---- */

/* Tells whether to go on. */
static bool signals_take(struct cv_ctl *ctl)
{
	struct signalfd_siginfo info;
	bool go_on = true;

	while (read(ctl->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			cv_ctl_hup(ctl);
		} else {
			cv_log(CV_LOG_NOTICE, "stopping on %s", strsignal((int)info.ssi_signo));
			go_on = false;
		}
	}
	return go_on;
}

static void tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	cv_ctl_arp_tick(ctl, now_ms);
	cv_ctl_capture_tick(ctl, now_ms);
	cv_ctl_drain_tick(ctl, now_ms);
	cv_ctl_dns_tick(ctl);
	cv_ctl_recycle_tick(ctl, now_ms);
	cv_ctl_keep_tick(ctl, now_ms);
	cv_view_pub_reap(ctl->pub);
	ctl->tick_ms = now_ms + (cv_ctl_arp_is_waiting(ctl) ? CTL_TICK_BUSY_MS : CTL_TICK_MS);
	if (now_ms < ctl->second_ms)
		return;
	ctl->second_ms = now_ms + 1000;
	cv_ctl_workers_look(ctl, now_ms);
	cv_ctl_watch_tick(ctl, now_ms);
	cv_ctl_notice_tick(ctl, now_ms);
	cv_ctl_advance_tick(ctl, now_ms);
	cv_ctl_host_look(ctl);
	cv_ctl_steer_tick(ctl);
	cv_ctl_pools_reap(ctl);
}

static int timeout_get(const struct cv_ctl *ctl)
{
	uint64_t now_ms = cv_clock_ms(), next_ms = cv_ctl_checks_next_ms(ctl);

	if (ctl->watch.round.on || cv_ctl_metrics_is_busy(ctl))
		return 0;
	if (cv_ctl_flows_is_busy(ctl) || cv_ctl_stages_is_busy(ctl))
		return CTL_TICK_BUSY_MS;
	next_ms = ctl->tick_ms < next_ms ? ctl->tick_ms : next_ms;
	if (ctl->dirty_ms != 0 && ctl->dirty_ms < next_ms)
		next_ms = ctl->dirty_ms;
	return next_ms > now_ms ? (int)(next_ms - now_ms) : 0;
}

int cv_ctl_run(struct cv_ctl *ctl)
{
	bool go_on = true;
	int ret = 0;

	cv_assert(ctl->dp != NULL);
	cv_ctl_checks_start(ctl);
	while (go_on) {
		struct epoll_event events[8];
		int n = epoll_wait(ctl->epoll_fd, events, CV_ARRAY_LEN(events), timeout_get(ctl));

		if (n < 0 && errno != EINTR) {
			ret = -errno;
			break;
		}
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == ctl->queue.event_fd)
				cv_ctl_queue_run(&ctl->queue, ctl);
			else if (events[i].data.fd == ctl->signal_fd)
				go_on = signals_take(ctl) && go_on;
			else if (events[i].data.fd == ctl->stop_fd)
				go_on = false;
		}
		cv_ctl_flows_poll(ctl);
		cv_ctl_stages_poll(ctl);
		cv_ctl_watch_run(ctl);
		cv_ctl_metrics_run(ctl);
		cv_ctl_keep_run(ctl);
		cv_ctl_hup_run(ctl);
		cv_ctl_follow_tick(ctl, cv_clock_ms());
		cv_ctl_checks_run(ctl, cv_clock_ms());
		if (cv_clock_ms() >= ctl->tick_ms)
			tick(ctl, cv_clock_ms());
	}
	cv_ctl_hup_stop(ctl);
	cv_ctl_keep_flush(ctl);
	cv_ctl_refuse(ctl);
	cv_ctl_flows_stop(ctl);
	cv_ctl_stages_stop(ctl);
	cv_ctl_metrics_stop(ctl);
	cv_ctl_detach(ctl);
	return ret;
}
