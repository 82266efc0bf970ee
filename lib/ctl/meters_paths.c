/* SPDX-License-Identifier: BSD-3-Clause */

/* AWS's metrics of load balancers, endpoints and services, from what is counted by path. */

#include "cv_model_change.h"

#include "meters_priv.h"
#include "show_priv.h"

/* ---- load balancers ---- */

/* Why a node refused a SYN that it should have taken. Not here: who may not come, and what is not ready. */
static const enum cv_drop rejections[] = {CV_DROP_NO_TARGET, CV_DROP_PORT_ALLOCATION,
					  CV_DROP_SYN_FLOOD, CV_DROP_FLOW_TABLE_FULL};

static uint64_t rejected(const struct cv_ctl *ctl, uint32_t slot)
{
	uint64_t n = 0;

	for (size_t i = 0; i < CV_ARRAY_LEN(rejections); i++)
		n += cv_ctl_drops_get(ctl, CV_PLAN_NODE, slot, rejections[i]);
	return n;
}

static uint64_t node_value(const struct cv_ctl *ctl, uint32_t slot, int what)
{
	static const enum cv_path_event events[] = {
		[WHAT_CLIENT_RST] = CV_PATH_CLIENT_RST, [WHAT_TARGET_RST] = CV_PATH_TARGET_RST,
		[WHAT_ELB_RST] = CV_PATH_ELB_RST,       [WHAT_SG_TCP] = CV_PATH_SG_TCP,
		[WHAT_SG_ICMP] = CV_PATH_SG_ICMP,       [WHAT_UNHEALTHY] = CV_PATH_UNHEALTHY,
	};
	struct cv_stats_obj_sum sum;

	switch (what) {
	case WHAT_HEALTHY:
		return ctl->plan->nodes[slot].healthy;
	case WHAT_REJECTED:
		return rejected(ctl, slot);
	case WHAT_ERRORS:
		return cv_ctl_drops_get(ctl, CV_PLAN_NODE, slot, CV_DROP_PORT_ALLOCATION);
	case WHAT_ACTIVE:
	case WHAT_NEW:
	case WHAT_BYTES:
	case WHAT_PACKETS:
		sum = cv_ctl_counts_get(ctl, CV_PLAN_NODE, slot);
		return cv_ctl_meter_value(&sum, what);
	default:
		return cv_ctl_events_get(ctl, CV_PLAN_NODE, slot, events[what]);
	}
}

/* Dimensions: load balancer, zone. @param node  index; CV_MODEL_NONE: of all */
static void node_take(const struct cv_ctl *ctl, const struct ctl_meter *meter,
		      struct ctl_meter_sink *sink, uint32_t lb_idx, uint32_t node, uint64_t value)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_lb *lb = &model->lbs[lb_idx];
	uint32_t owner = cv_model_owner(model, CV_MODEL_LB, lb_idx);
	struct ctl_sample sample = {
		.account = owner,
		.dims = {{"LoadBalancer", cv_ctl_meter_lb_name(lb)}, {"AvailabilityZone", NULL}},
		.n_dims = 2,
		.value = value,
	};

	if (node != CV_MODEL_NONE)
		sample.dims[1].value = cv_ctl_meter_zone_name(model, owner, lb->nodes[node].zone);
	sink->take(sink, meter, &sample);
}

/* A look at a path is less than what else is done for a number. */
#define PATHS_PER_NUMBER 16

uint32_t cv_ctl_meter_nodes_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
				 struct ctl_meter_sink *sink, uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;
	uint32_t n_paths = 0;

	if (i >= model->n_lbs)
		return 0;
	for (uint32_t k = 0; k < model->lbs[i].n_nodes; k++) {
		uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_NODE, i, k);

		node_take(ctl, meter, sink, i, k, node_value(ctl, slot, meter->what));
		n_paths += cv_ctl_count_paths(ctl, CV_PLAN_NODE, slot);
	}
	return 1 + model->lbs[i].n_nodes + n_paths / PATHS_PER_NUMBER;
}

/* ---- the best ten seconds of a minute ---- */

static uint64_t peak_value(const struct ctl_peaks *peaks, uint32_t slot, int what)
{
	if (slot >= peaks->n)
		return 0;
	return what == WHAT_BYTES ? peaks->items[slot].top_bytes : peaks->items[slot].top_pkts;
}

uint32_t cv_ctl_meter_peaks_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
				 struct ctl_meter_sink *sink, uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;

	if (i >= model->n_lbs)
		return 0;
	for (uint32_t k = 0; k < model->lbs[i].n_nodes; k++) {
		uint32_t slot = cv_plan_slot(ctl->plan, CV_PLAN_NODE, i, k);

		node_take(ctl, meter, sink, i, k,
			  peak_value(&ctl->watch.node_peaks, slot, meter->what));
	}
	return 1 + model->lbs[i].n_nodes;
}

uint32_t cv_ctl_meter_lb_peaks_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
				    struct ctl_meter_sink *sink, uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;

	if (i >= model->n_lbs)
		return 0;
	if (!model->lbs[i].meta.gone)
		node_take(ctl, meter, sink, i, CV_MODEL_NONE,
			  peak_value(&ctl->watch.lb_peaks,
				     cv_plan_slot(ctl->plan, CV_PLAN_LB, 0, i), meter->what));
	return 1;
}

/* ---- endpoints and services ---- */

/* A path of an endpoint, and what it leads through. */
struct way {
	uint32_t slot;
	bool gone;         /* no ENI takes it any more; flows may */
	uint32_t lb, node; /* CV_MODEL_NONE: none, or gone */
	uint32_t subnet;   /* CV_MODEL_NONE: not known, or several */
};

static void way_find(const struct cv_ctl *ctl, uint32_t endpoint, uint32_t slot, struct way *ret)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_endpoint *ep = &model->endpoints[endpoint];
	uint32_t node = ctl->plan->paths[slot].node, zone = CV_MODEL_NONE, n = 0;

	*ret = (struct way){slot, true, CV_MODEL_NONE, CV_MODEL_NONE, CV_MODEL_NONE};
	if (node != CV_VIEW_NONE && ctl->plan->objs[CV_PLAN_NODE][node].idx != CV_MODEL_NONE) {
		ret->lb = ctl->plan->objs[CV_PLAN_NODE][node].owner;
		ret->node = ctl->plan->objs[CV_PLAN_NODE][node].idx;
		zone = model->lbs[ret->lb].nodes[ret->node].zone;
	}
	for (uint32_t i = 0; i < ep->n_enis; i++) {
		bool takes = cv_plan_slot(ctl->plan, CV_PLAN_PATH, endpoint, i) == slot;

		if (!takes && ep->enis[i].zone != zone)
			continue;
		ret->gone = ret->gone && !takes;
		ret->subnet = n++ == 0 ? ep->enis[i].subnet : CV_MODEL_NONE;
	}
}

typedef void way_fn(const struct cv_ctl *ctl, uint32_t endpoint, const struct way *way,
		    struct ctl_sample *sample);

static void way_take(const struct cv_ctl *ctl, const struct ctl_meter *meter,
		     struct ctl_meter_sink *sink, uint32_t i, uint32_t path, way_fn *fill)
{
	const struct cv_stats_obj_sum sum = cv_ctl_counts_get(ctl, CV_PLAN_PATH, path);
	struct ctl_sample sample = {
		.value = cv_ctl_meter_value(&sum, meter->what),
		.part = path + 1,
		.idle = sum.new_flows == 0 && sum.drops == 0,
	};
	struct way way;

	way_find(ctl, i, path, &way);
	if (way.gone && !sink->parts)
		return;
	fill(ctl, i, &way, &sample);
	sink->take(sink, meter, &sample);
}

/* Calls for each path of an endpoint that is counted. */
static uint32_t ways_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
			  struct ctl_meter_sink *sink, uint32_t i, way_fn *fill)
{
	const struct cv_model *model = ctl->conf->model;
	uint32_t path, n = 1;

	if (i >= model->n_endpoints)
		return 0;
	if (cv_model_endpoint_is_over(&model->endpoints[i]) ||
	    model->endpoints[i].service == CV_MODEL_NONE)
		return n;
	path = ctl->plan->endpoint_path[cv_plan_slot(ctl->plan, CV_PLAN_ENDPOINT, 0, i)];
	for (; path != CV_VIEW_NONE; path = ctl->plan->paths[path].endpoint_next, n++)
		way_take(ctl, meter, sink, i, path, fill);
	return n;
}

static void endpoint_fill(const struct cv_ctl *ctl, uint32_t endpoint, const struct way *way,
			  struct ctl_sample *sample)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_endpoint *ep = &model->endpoints[endpoint];

	sample->account = model->vpcs[ep->vpc].owner;
	sample->n_dims = 5;
	sample->dims[0] = (struct cv_points_dim){"Endpoint Type", "Interface"};
	sample->dims[1] = (struct cv_points_dim){"Service Name", ep->service_name};
	sample->dims[2] = (struct cv_points_dim){CTL_METER_ENDPOINT, ep->id};
	sample->dims[3] = (struct cv_points_dim){"VPC Id", model->vpcs[ep->vpc].id};
	sample->dims[4].name = "Subnet Id";
	if (way->subnet != CV_MODEL_NONE)
		sample->dims[4].value = model->subnets[way->subnet].id;
}

uint32_t cv_ctl_meter_endpoints_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
				     struct ctl_meter_sink *sink, uint32_t i)
{
	return ways_walk(ctl, meter, sink, i, endpoint_fill);
}

static void service_fill(const struct cv_ctl *ctl, uint32_t endpoint, const struct way *way,
			 struct ctl_sample *sample)
{
	const struct cv_model *model = ctl->conf->model;
	const struct cv_model_endpoint *ep = &model->endpoints[endpoint];
	const struct cv_model_service *service = &model->services[ep->service];

	sample->account = service->owner;
	sample->n_dims = 4;
	sample->dims[0] = (struct cv_points_dim){"Service Id", service->id};
	sample->dims[1].name = "Az";
	sample->dims[2].name = "Load Balancer Arn";
	sample->dims[3] = (struct cv_points_dim){CTL_METER_ENDPOINT, ep->id};
	if (way->lb == CV_MODEL_NONE)
		return;
	sample->dims[1].value = cv_ctl_meter_zone_name(model, service->owner,
						       model->lbs[way->lb].nodes[way->node].zone);
	sample->dims[2].value = model->lbs[way->lb].arn;
}

uint32_t cv_ctl_meter_services_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
				    struct ctl_meter_sink *sink, uint32_t i)
{
	return ways_walk(ctl, meter, sink, i, service_fill);
}

uint32_t cv_ctl_meter_attached_walk(const struct cv_ctl *ctl, const struct ctl_meter *meter,
				    struct ctl_meter_sink *sink, uint32_t i)
{
	const struct cv_model *model = ctl->conf->model;
	const struct ctl_sample sample = {
		.account = i < model->n_services ? model->services[i].owner : 0,
		.dims = {{"Service Id", i < model->n_services ? model->services[i].id : NULL}},
		.n_dims = 1,
		.value = i < model->n_services ? model->services[i].n_attached : 0,
	};

	if (i >= model->n_services)
		return 0;
	if (!model->services[i].meta.gone)
		sink->take(sink, meter, &sample);
	return 1;
}

uint64_t cv_ctl_meter_value(const struct cv_stats_obj_sum *sum, int what)
{
	switch (what) {
	case WHAT_ACTIVE:
		return cv_ctl_count_active(sum);
	case WHAT_NEW:
		return sum->new_flows;
	case WHAT_BYTES:
		return sum->bytes[0] + sum->bytes[1];
	case WHAT_PACKETS:
		return sum->pkts[0] + sum->pkts[1];
	case WHAT_DROPS:
		return sum->drops;
	default:
		return sum->rsts;
	}
}
