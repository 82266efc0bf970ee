/* SPDX-License-Identifier: BSD-3-Clause */

/* From a configuration to what serves: plan, publish, retire. */

#include <errno.h>
#include <stdlib.h>

#include "cv_conf_doc.h"
#include "cv_model_change.h"

#include "show_priv.h"

/* SNAT pools ended per second at most. */
#define POOLS_REAPED_MAX 256

_Static_assert((int)CV_CONF_LISTENER_KEEP == CV_VIEW_END_KEEP &&
		       (int)CV_CONF_LISTENER_SILENT == CV_VIEW_END_SILENT &&
		       (int)CV_CONF_LISTENER_RESET == CV_VIEW_END_RESET,
	       "the same words in the same order");

static uint8_t end_get(enum cv_conf_end end)
{
	return end == CV_CONF_END_RESET ? CV_VIEW_END_RESET : CV_VIEW_END_SILENT;
}

static struct cv_plan_cfg plan_cfg_get(const struct cv_ctl *ctl, const struct cv_conf *conf,
				       struct cv_plan_port *ports)
{
	static const enum cv_plan_host hosts[] = {
		[CV_CONF_HOST_NEEDED] = CV_PLAN_HOST_NEEDED,
		[CV_CONF_HOST_ALWAYS] = CV_PLAN_HOST_ALWAYS,
		[CV_CONF_HOST_NEVER] = CV_PLAN_HOST_NEVER,
	};
	const struct cv_conf_settings *s = &conf->settings;
	const struct cv_host_ports host_ports =
		cv_host_ports_get(s->snat_port_first, s->snat_n_ports);
	uint32_t n_services;
	const struct cv_plan_service *services = cv_ctl_dns_services(conf, &n_services);

	for (uint32_t i = 0; i < conf->dpdk.n_ports; i++) {
		ports[i].name = conf->dpdk.ports[i].name;
		ports[i].mtu = (uint16_t)conf->dpdk.ports[i].mtu;
		ports[i].snat_map = ctl->snat_maps[i];
	}
	return (struct cv_plan_cfg){
		.ports = ports,
		.n_ports = (uint16_t)conf->dpdk.n_ports,
		.mss_clamp = s->mss_clamp,
		.endpoint_mtu = s->endpoint_mtu,
		.time_scale = s->lab_time_scale,
		.host = hosts[s->host],
		.services = services,
		.n_services = n_services,
		.snat =
			{
				.port_first = s->snat_port_first,
				.n_ports = (uint16_t)s->snat_n_ports,
				.rest_ms = s->snat_rest_seconds * 1000,
				.n_slices = (uint16_t)conf->dpdk.workers,
				.one_thread = conf->dpdk.workers == 1,
				.seed = ctl->snat_seed,
			},
		.view =
			{
				.syn_ms = s->syn_seconds * 1000,
				.fin_ms = s->fin_seconds * 1000,
				.linger_ms = s->linger_ms,
				.half_open_max = s->half_open_max > 0 ? s->half_open_max
								      : conf->limits.flows / 4,
				.host_port_first = host_ports.first,
				.host_port_last = host_ports.last,
				.icmp_too_big = s->icmp_too_big,
				.exhausted_reset =
					s->snat_on_exhaustion == CV_CONF_EXHAUSTION_RESET,
				.end_idle = end_get(s->end_idle),
				.end_target = end_get(s->end_target),
				.end_endpoint = end_get(s->end_endpoint),
				.end_listener = (uint8_t)s->end_listener,
			},
	};
}

static int plan_build(struct cv_ctl *ctl, const struct cv_conf *conf, struct cv_health *health,
		      uint64_t gen, struct cv_errs *errs, struct cv_plan **ret_plan)
{
	struct cv_plan_port ports[CV_DP_PORTS_MAX];
	struct cv_plan_cfg cfg = plan_cfg_get(ctl, conf, ports);
	const struct cv_plan_in in = {
		.model = conf->model,
		.cfg = &cfg,
		.slots = ctl->slots,
		.registry = ctl->registry,
		.neigh = ctl->neigh,
		.fars = ctl->fars,
		.target_state = cv_health_state,
		.target_state_arg = health,
		.ends = ctl->drains.ends,
		.n_ends = ctl->drains.n_ends,
		.sweep = ctl->sweep,
		.gen = gen,
	};

	return cv_plan_build(&in, errs, ret_plan);
}

/*
 * Publish a plan's view; the plan and the neighbours that it wants become control's.
 * @param model  that the plan is made from
 */
static int plan_serve(struct cv_ctl *ctl, struct cv_plan *plan, const struct cv_model *model)
{
	struct ctl_neigh_table neighs;
	struct cv_view *view;
	int ret;

	ret = cv_ctl_neigh_build(&ctl->neighs, plan->neighs, plan->n_slots[CV_PLAN_NEIGH],
				 cv_clock_ms(), &neighs);
	if (ret < 0)
		return ret;
	view = cv_plan_view_take(plan);
	ret = cv_ctl_announce_add(ctl, view, cv_view_pub_current(ctl->pub), cv_clock_ms());
	if (ret == 0)
		ret = cv_view_pub_publish(ctl->pub, view);
	if (ret < 0) {
		cv_view_destroy(view);
		cv_ctl_neigh_fini(&neighs);
		return ret;
	}
	cv_ctl_neigh_fini(&ctl->neighs);
	ctl->neighs = neighs;
	cv_ctl_arp_settle(ctl, cv_clock_ms());
	cv_plan_destroy(ctl->plan);
	ctl->plan = plan;
	ctl->plan_model = model;
	ctl->draining = cv_plan_pools_n(plan) < cv_snat_registry_n(ctl->registry);
	cv_ctl_steer_sync(ctl); /* before the addresses are announced, which the next tick does */
	cv_ctl_host_sync(ctl);
	cv_ctl_dns_changed(ctl);
	cv_ctl_recycle_note(ctl);
	return 0;
}

/* Zones have other places, or none, in another file. */
static void zones_follow(struct ctl_drains *drains, const struct cv_model *from,
			 const struct cv_model *to)
{
	for (uint32_t i = 0; i < drains->n; i++) {
		struct ctl_drain *drain = &drains->items[i];
		uint32_t zone = CV_MODEL_NONE;

		for (uint32_t k = 0; drain->zone != CV_MODEL_NONE && k < to->n_zones; k++) {
			if (strcmp(to->zones[k].id, from->zones[drain->zone].id) == 0)
				zone = k;
		}
		drain->zone = zone;
	}
}

/* Plan a configuration and publish it. What is beside it, ctl->conf and ctl->gen, is the caller's. */
static int serve(struct cv_ctl *ctl, const struct cv_conf *conf, struct cv_errs *errs)
{
	uint32_t n_announces = ctl->n_announces;
	struct ctl_drains drains = {0}, old = ctl->drains;
	struct cv_health *health;
	struct cv_plan *plan;
	int ret = cv_ctl_checks_build(ctl, conf, &health);

	if (ret < 0)
		goto fail;
	ret = plan_build(ctl, conf, health, ctl->gen + 1, errs, &plan);
	if (ret < 0) {
		cv_health_destroy(health);
		return ret;
	}
	ret = cv_ctl_drains_next(ctl, plan, conf->model, &drains);
	if (ret == 0 && ctl->conf != NULL)
		zones_follow(&drains, ctl->conf->model, conf->model);
	if (ret == 0) {
		/* What serves asks who drains. */
		drains.due = old.due;
		ctl->drains = drains;
		ret = plan_serve(ctl, plan, conf->model);
	}
	if (ret < 0) {
		ctl->drains = old;
		cv_ctl_drains_fini(&drains);
		ctl->n_announces = n_announces;
		ctl->draining = true; /* pools that only this plan wanted */
		cv_plan_destroy(plan);
		cv_health_destroy(health);
		goto fail;
	}
	cv_ctl_notice_serve(ctl, conf);
	cv_health_destroy(ctl->health);
	ctl->health = health;
	cv_ctl_drains_fini(&old);
	return 0;

fail:
	cv_errs_add(errs, NULL, 0, "out of memory");
	return ret;
}

int cv_ctl_apply(struct cv_ctl *ctl, struct cv_conf *conf, struct cv_errs *errs)
{
	struct cv_model *model = conf->model;
	int ret = -ENOMEM;

	conf->model = cv_model_snapshot(model);
	if (conf->model == NULL)
		cv_errs_add(errs, NULL, 0, "out of memory");
	else
		ret = serve(ctl, conf, errs);
	if (ret < 0) {
		cv_model_destroy(conf->model);
		conf->model = model;
		return ret;
	}
	cv_conf_destroy(ctl->conf);
	cv_model_destroy(ctl->model);
	cv_model_snapshot_end(model, true);
	ctl->conf = conf;
	ctl->model = model;
	ctl->dirty_ms = 0;
	ctl->gen++;
	ctl->loads++;
	ctl->loaded_at = time(NULL);
	return 0;
}

int cv_ctl_follow(struct cv_ctl *ctl, struct cv_errs *errs)
{
	struct cv_conf next = *ctl->conf;
	int ret;

	cv_model_advance(ctl->model, (uint64_t)time(NULL));
	next.model = cv_model_snapshot(ctl->model);
	if (next.model == NULL) {
		cv_errs_add(errs, NULL, 0, "out of memory");
		return -ENOMEM;
	}
	ret = serve(ctl, &next, errs);
	if (ret == 0) {
		cv_model_destroy(ctl->conf->model);
		ctl->conf->model = next.model;
		ctl->gen++;
	} else {
		cv_model_destroy(next.model);
	}
	cv_model_snapshot_end(ctl->model, ret == 0);
	return ret;
}

int cv_ctl_replan(struct cv_ctl *ctl)
{
	uint32_t n_announces = ctl->n_announces;
	struct cv_errs errs = {0};
	struct cv_plan *plan;
	int ret;

	ctl->sweep++;
	ret = plan_build(ctl, ctl->conf, ctl->health, ctl->gen, &errs, &plan);
	cv_errs_fini(&errs);
	if (ret < 0)
		return ret;
	ret = plan_serve(ctl, plan, ctl->conf->model);
	if (ret < 0) {
		ctl->n_announces = n_announces;
		ctl->draining = true;
		cv_plan_destroy(plan);
	}
	return ret;
}

static void pool_free(void *pool)
{
	cv_snat_pool_destroy(pool);
}

/* Leave the dying pools out of the view, then free them once no worker can look one up. */
static void dying_end(struct cv_ctl *ctl)
{
	struct cv_errs errs = {0};
	struct cv_plan *plan;

	if (plan_build(ctl, ctl->conf, ctl->health, ctl->gen, &errs, &plan) == 0) {
		if (plan_serve(ctl, plan, ctl->conf->model) < 0) {
			cv_plan_destroy(plan);
			goto out; /* no memory now: the next second will do */
		}
		while (ctl->n_dying > 0 &&
		       cv_view_pub_retire(ctl->pub, ctl->dying[ctl->n_dying - 1], pool_free) == 0)
			ctl->n_dying--;
	}
out:
	cv_errs_fini(&errs);
}

void cv_ctl_pools_reap(struct cv_ctl *ctl)
{
	/* A view that wants a pool may still be read: wait until all but the last are gone. */
	if ((!ctl->draining && ctl->n_dying == 0) || cv_view_pub_reap(ctl->pub) > 0)
		return;
	/* Those that stay would take others' places, and be missing in the page. */
	if (cv_ctl_metrics_walks_pools(ctl))
		return;
	ctl->n_dying += cv_snat_registry_reap(ctl->registry, cv_plan_pool_is_wanted, ctl->plan,
					      cv_dp_now_ms(ctl->dp), ctl->dying + ctl->n_dying,
					      POOLS_REAPED_MAX - ctl->n_dying);
	if (ctl->n_dying > 0)
		dying_end(ctl);
}

/* ---- reload ---- */

const char *cv_ctl_counts_str(const struct cv_ctl *ctl, char *buf, size_t cap)
{
	const struct cv_model *m = ctl->conf->model;
	uint32_t by_state[CV_MODEL_STATE_N] = {0}, n_listeners = 0, n_targets = 0;

	for (uint32_t i = 0; i < m->n_endpoints; i++)
		by_state[m->endpoints[i].state] += !m->endpoints[i].meta.gone;
	for (uint32_t i = 0; i < m->n_lbs; i++)
		n_listeners += m->lbs[i].n_listeners;
	for (uint32_t i = 0; i < m->n_tgs; i++)
		n_targets += m->tgs[i].n_targets;
	snprintf(
		buf, cap,
		"generation %llu: VPCs %u, load balancers %u, listeners %u, targets %u, services %u, "
		"endpoints %u (available %u, pending %u, rejected %u)",
		(unsigned long long)ctl->gen, m->n_vpcs - m->n_gone[CV_MODEL_VPC],
		m->n_lbs - m->n_gone[CV_MODEL_LB], n_listeners, n_targets,
		m->n_services - m->n_gone[CV_MODEL_SERVICE],
		m->n_endpoints - m->n_gone[CV_MODEL_ENDPOINT], by_state[CV_MODEL_AVAILABLE],
		by_state[CV_MODEL_PENDING_ACCEPTANCE], by_state[CV_MODEL_REJECTED]);
	return buf;
}

/* What is told of the change waits for delivery with it, and goes if it is not made. */
static int reload_apply(struct cv_ctl *ctl, struct cv_conf *conf, struct cv_errs *errs)
{
	size_t n_kept = ctl->keep.next.n;
	int ret;

	if (cv_ctl_keep_is_good(ctl))
		cv_ctl_tell_reload(ctl, conf);
	ret = cv_ctl_apply(ctl, conf, errs);
	if (ret < 0)
		cv_store_batch_cut(&ctl->keep.next, n_kept);
	else if (!cv_ctl_keep_is_good(ctl))
		cv_log(CV_LOG_WARNING,
		       "nobody is notified of what the new file decides: the state cannot be kept");
	return ret;
}

/* Nobody compares with this file once the next one is read: what was told is kept before that is said. */
static void reload_tell(struct cv_ctl *ctl)
{
	if (ctl->keep.next.n == 0)
		return;
	cv_ctl_keep_flush(ctl);
	cv_ctl_tell_sent(ctl);
}

static int reload(struct cv_ctl *ctl, struct cv_errs *errs)
{
	struct cv_conf_docs docs = {0};
	size_t first = errs->n;
	struct cv_conf *conf;
	int ret;

	ret = cv_ctl_keep_docs(ctl, &docs, errs);
	if (ret < 0)
		return ret;
	conf = cv_conf_load_over(ctl->file, &docs, errs);
	if (conf == NULL) {
		ret = -EINVAL;
	} else if (!cv_ctl_restart_is_spared(ctl->conf, conf, errs)) {
		ret = -EBUSY;
	} else {
		cv_model_enis_keep(conf->model, ctl->conf->model);
		ret = reload_apply(ctl, conf, errs);
	}
	if (ret == 0) {
		cv_ctl_keep_note(ctl, &docs, &conf->warnings);
		cv_ctl_keep_enis_put(ctl, ctl->model);
	}
	cv_ctl_keep_docs_fini(&docs);
	if (ret < 0) {
		if (conf != NULL)
			cv_conf_lines(conf, errs, first);
		cv_conf_destroy(conf);
		/* What the plan refuses is wrong in the file, whichever way. */
		return ret == -EBUSY || ret == -ENOMEM ? ret : -EINVAL;
	}
	reload_tell(ctl);
	return 0;
}

static void errs_log(const struct cv_errs *errs, enum cv_log_level level)
{
	char text[CV_ERR_PATH_LEN + CV_ERR_TEXT_LEN + 32];

	for (size_t i = 0; i < errs->n; i++)
		cv_log(level, "%s", cv_err_str(&errs->items[i], text, sizeof(text)));
}

static void errs_copy(struct cv_errs *to, const struct cv_errs *from, size_t first)
{
	cv_errs_fini(to);
	for (size_t i = first; i < from->n; i++)
		cv_errs_add(to, from->items[i].path, from->items[i].line, "%s",
			    from->items[i].text);
}

int cv_ctl_reload(struct cv_ctl *ctl, struct cv_errs *errs)
{
	size_t first = errs->n;
	char text[256];
	int ret = reload(ctl, errs);

	ctl->last_reload.at = time(NULL);
	ctl->last_reload.ret = ret;
	errs_copy(&ctl->last_reload.errs, errs, first);
	cv_ctl_notice_reload(ctl);
	if (ret == 0) {
		errs_log(&ctl->conf->warnings, CV_LOG_WARNING);
		cv_log(CV_LOG_NOTICE, "reloaded %s, %s", ctl->file,
		       cv_ctl_counts_str(ctl, text, sizeof(text)));
	} else {
		errs_log(&ctl->last_reload.errs, CV_LOG_ERR);
		cv_log(CV_LOG_ERR,
		       "reload of %s refused (%zu errors), generation %llu goes on serving",
		       ctl->file, ctl->last_reload.errs.n, (unsigned long long)ctl->gen);
	}
	return ret;
}
