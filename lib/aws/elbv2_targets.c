/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: targets come, go, and how they are. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cv_health.h"

#include "elbv2_priv.h"

/* ---- targets of a request ---- */

struct targets {
	struct cv_model_target_req *reqs; /* shape [n] */
	uint64_t *keys;                   /* shape [n], the lowest first */
	uint32_t n;
};

static uint64_t key_of(cv_be32_t ip, uint16_t port)
{
	return (uint64_t)port << 32 | ip;
}

static int key_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* AWS: where a target outside of the VPC is, the request has to say. */
static int zone_check(struct aws_call *call, const struct cv_model_target_group *tg,
		      const struct cv_model_target_req *req, const char *id)
{
	if (req->zone != NULL || cv_model_vpc_has(&call->model->vpcs[tg->vpc], req->ip))
		return 0;
	return cv_aws_fail(call, "ValidationError",
			   "The IP address '%.64s' is outside the VPC: an Availability Zone or "
			   "'all' must be specified",
			   id);
}

/* One without a port is that of the group's, whatever others its address has. */
static int target_read(struct aws_call *call, const struct cv_query_node *item,
		       const struct cv_model_target_group *tg, struct cv_model_target_req *req)
{
	const char *id = cv_query_str(item, "Id");

	if (!cv_ip4_parse(id, &req->ip))
		return cv_aws_fail(call, "ValidationError",
				   "The IP address '%.64s' is not a valid IPv4 address", id);
	req->port = (uint16_t)cv_aws_int(item, "Port", tg->port);
	req->zone = cv_query_str(item, "AvailabilityZone");
	return 0;
}

/* @param tg  their group @param add  they are to be added; else they are only looked for */
static int targets_read(struct aws_call *call, const struct cv_model_target_group *tg, bool add,
			struct targets *targets)
{
	struct cv_query_iter iter = {.list = cv_query_at(&call->params, "Targets.member")};
	uint32_t n = cv_query_count(&iter.list);
	int ret;

	targets->n = 0;
	targets->reqs = cv_aws_alloc(call, (n + 1) * sizeof(*targets->reqs));
	targets->keys = cv_aws_alloc(call, (n + 1) * sizeof(*targets->keys));
	if (targets->reqs == NULL || targets->keys == NULL)
		return -EINVAL;
	while (cv_query_next(&iter)) {
		struct cv_model_target_req *req = &targets->reqs[targets->n];

		ret = target_read(call, &iter.item, tg, req);
		if (ret == 0 && add)
			ret = zone_check(call, tg, req, cv_query_str(&iter.item, "Id"));
		if (ret < 0)
			return ret;
		targets->keys[targets->n++] = key_of(req->ip, req->port);
	}
	qsort(targets->keys, targets->n, sizeof(*targets->keys), key_compare);
	return 0;
}

/* Targets that drain take room, too; without this the next plan would fail, for all accounts. */
static int room_check(struct aws_call *call, uint32_t tg, const struct targets *targets)
{
	const struct cv_model *model = call->model;
	uint32_t limit = model->limits[CV_MODEL_TG], n_gone, n_new = 0;

	if (limit == 0 || call->ops == NULL || call->ops->gone == NULL)
		return 0;
	n_gone = call->ops->gone(call->ctl);
	for (uint32_t i = 0; i < targets->n && n_gone > 0; i++)
		n_new += cv_model_target_find(model, tg, targets->reqs[i].ip,
					      targets->reqs[i].port) == CV_MODEL_NONE;
	if (n_new == 0 || (uint64_t)model->n_targets + n_gone + n_new <= limit)
		return 0;
	return cv_aws_fail(call, "TooManyTargets",
			   "The maximum number of targets has been reached: %u that were "
			   "deregistered still drain",
			   n_gone);
}

static int change(struct aws_call *call, bool add)
{
	struct cv_model_targets_change req = {.tg = cv_query_str(&call->params, "TargetGroupArn")};
	uint32_t idx = cv_aws_elb_find(call, CV_MODEL_TG, req.tg, NULL);
	struct cv_model_errs errs = {0};
	struct targets targets;

	if (idx == CV_MODEL_NONE || targets_read(call, &call->model->tgs[idx], add, &targets) < 0)
		return -EINVAL;
	if (targets.n == 0)
		return cv_aws_fail(call, "ValidationError",
				   "At least one target must be specified");
	if (add) {
		req.add = targets.reqs;
		req.n_add = targets.n;
		if (room_check(call, idx, &targets) < 0)
			return -EINVAL;
	} else {
		req.remove = targets.reqs;
		req.n_remove = targets.n;
	}
	return cv_aws_elb_end(call, &errs,
			      cv_model_targets_change(call->model, &call->by, &req, &errs));
}

static int register_targets(struct aws_call *call)
{
	return change(call, true);
}

static int deregister_targets(struct aws_call *call)
{
	return change(call, false);
}

/* ---- DescribeTargetHealth ---- */

/* What is known of a group: the model's, and that of what serves. */
struct known {
	const struct cv_model_target_group *tg;
	const struct cv_model *served; /* NULL: nothing */
	const struct cv_health *health;
	uint32_t idx, served_tg; /* CV_MODEL_NONE: it does not serve */
};

static void known_get(struct aws_call *call, uint32_t idx, struct known *known)
{
	*known = (struct known){
		.tg = &call->model->tgs[idx], .idx = idx, .served_tg = CV_MODEL_NONE};
	known->served = cv_aws_elb_served(call, &known->health);
	if (known->served != NULL)
		known->served_tg =
			cv_model_find(known->served, CV_MODEL_TG, CV_MODEL_NONE, known->tg->arn);
}

/* One that the data plane does not have yet is being registered, or serves nothing. */
static void health_get(const struct known *known, uint32_t target, struct cv_health_info *info)
{
	const struct cv_model_target *t = &known->tg->targets[target];
	uint32_t there = CV_MODEL_NONE;

	if (known->served_tg != CV_MODEL_NONE && known->health != NULL)
		there = cv_model_target_find(known->served, known->served_tg, t->ip, t->port);
	if (there != CV_MODEL_NONE) {
		cv_health_get(known->health, known->served_tg, there, info);
		return;
	}
	*info = (struct cv_health_info){
		.state = CV_MODEL_TARGET_INITIAL,
		.reason = "Elb.RegistrationInProgress",
		.description = "Target registration is in progress",
	};
	if (known->tg->lb != CV_MODEL_NONE)
		return;
	info->state = CV_MODEL_TARGET_UNUSED;
	info->reason = "Target.NotInUse";
	info->description =
		"Target group is not configured to receive traffic from the load balancer";
}

/* Clients that know no such member, as Debian's, pass it over. Where the data plane is told of a shift
 * nothing is left to DNS alone, so there is no `zonal_shift_delegated_to_dns`. */
static void override_write(struct aws_call *call, const struct known *known, uint32_t zone)
{
	const struct cv_model_lb *lb =
		known->tg->lb != CV_MODEL_NONE ? &call->model->lbs[known->tg->lb] : NULL;
	bool shifted = lb != NULL && zone != CV_MODEL_NONE && lb->shifted_zone == zone;
	struct cv_xml *out = call->out;

	cv_xml_open(out, "AdministrativeOverride");
	cv_xml_str(out, "State", shifted ? "zonal_shift_active" : "no_override");
	cv_xml_str(out, "Reason",
		   shifted ? "AdministrativeOverride.ZonalShiftActive"
			   : "AdministrativeOverride.NoOverride");
	cv_xml_str(out, "Description",
		   shifted ? "A zonal shift away from its Availability Zone is active for target"
			   : "No override is currently active on target");
	cv_xml_close(out);
}

static void target_write(struct aws_call *call, const struct cv_model_target *target,
			 const char *zone)
{
	struct cv_xml *out = call->out;
	char text[CV_NET_STR_LEN];

	cv_xml_open(out, "Target");
	cv_xml_str(out, "Id", cv_ip4_str(target->ip, text));
	cv_xml_int(out, "Port", target->port);
	cv_xml_str(out, "AvailabilityZone", zone);
	cv_xml_close(out);
}

/* @param registered  false: where it is is not known */
static void health_write(struct aws_call *call, const struct known *known, bool registered,
			 const struct cv_model_target *target, const struct cv_health_info *info)
{
	const char *zone =
		target->zone != CV_MODEL_NONE ? cv_aws_zone_name(call, target->zone) : "all";
	uint16_t port = known->tg->check.port != 0 ? known->tg->check.port : target->port;
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	target_write(call, target, registered ? zone : NULL);
	cv_xml_str(out, "HealthCheckPort", cv_aws_fmt(call, "%u", port));
	cv_xml_open(out, "TargetHealth");
	cv_xml_str(out, "State", cv_model_target_state_str(info->state));
	cv_xml_str(out, "Reason", info->reason);
	cv_xml_str(out, "Description", info->description);
	cv_xml_close(out);
	if (registered)
		override_write(call, known, target->zone);
	cv_xml_close(out);
}

static void draining_write(struct aws_call *call, const struct known *known,
			   struct cv_model_target target)
{
	const struct cv_health_info info = {
		.state = CV_MODEL_TARGET_DRAINING,
		.reason = "Target.DeregistrationInProgress",
		.description = "Target deregistration is in progress",
	};

	health_write(call, known, true, &target, &info);
}

static bool is_asked(const struct targets *asked, cv_be32_t ip, uint16_t port)
{
	uint64_t key = key_of(ip, port);

	return asked->n == 0 ||
	       bsearch(&key, asked->keys, asked->n, sizeof(key), key_compare) != NULL;
}

/* Targets of a group that are deregistered and drain. */
struct drains {
	struct aws_call *call;
	const struct known *known;
	struct cv_model_target *items; /* shape [n]; NULL: they are only counted */
	size_t n;
};

static int target_compare(const void *a, const void *b)
{
	const struct cv_model_target *x = a, *y = b;
	uint64_t x_key = key_of(x->ip, x->port), y_key = key_of(y->ip, y->port);

	return key_compare(&x_key, &y_key);
}

static void drain_add(struct drains *drains, struct cv_model_target target)
{
	if (drains->items != NULL && cv_model_target_find(drains->call->model, drains->known->idx,
							  target.ip, target.port) != CV_MODEL_NONE)
		return;
	if (drains->items != NULL)
		drains->items[drains->n] = target;
	drains->n++;
}

static void drain_take(void *arg, const struct cv_aws_draining *draining)
{
	struct drains *drains = arg;

	if (strcmp(draining->tg_arn, drains->known->tg->arn) == 0)
		drain_add(drains, (struct cv_model_target){.ip = draining->ip,
							   .port = draining->port,
							   .zone = draining->zone});
}

/* Those of the data plane, and those that it is about to be told of. */
static void drains_walk(struct drains *drains)
{
	const struct known *known = drains->known;
	const struct aws_call *call = drains->call;
	const struct cv_model_target_group *was = NULL;

	if (known->served_tg != CV_MODEL_NONE)
		was = &known->served->tgs[known->served_tg];
	if (was != NULL && was->lb == CV_MODEL_NONE)
		was = NULL;
	drains->n = 0;
	for (uint32_t k = 0; was != NULL && k < was->n_targets; k++)
		drain_add(drains, was->targets[k]);
	if (call->ops != NULL && call->ops->draining != NULL)
		call->ops->draining(call->ctl, drain_take, drains);
}

/* Each of them once, in order. */
static int drains_get(struct drains *drains)
{
	size_t n = 0;

	drains_walk(drains);
	drains->items = cv_aws_alloc(drains->call, (drains->n + 1) * sizeof(*drains->items));
	if (drains->items == NULL)
		return -EINVAL;
	drains_walk(drains);
	qsort(drains->items, drains->n, sizeof(*drains->items), target_compare);
	for (size_t i = 0; i < drains->n; i++) {
		if (n == 0 || target_compare(&drains->items[n - 1], &drains->items[i]) != 0)
			drains->items[n++] = drains->items[i];
	}
	drains->n = n;
	return 0;
}

/* Targets that were asked for and are not there: AWS tells of them, too. */
static void strangers_write(const struct drains *drains, const struct targets *asked)
{
	const struct cv_health_info info = {
		.state = CV_MODEL_TARGET_UNUSED,
		.reason = "Target.NotRegistered",
		.description = "Target is not registered to the target group",
	};

	for (uint32_t i = 0; i < asked->n; i++) {
		const struct cv_model_target target = {.ip = asked->reqs[i].ip,
						       .port = asked->reqs[i].port,
						       .zone = CV_MODEL_NONE};

		if (cv_model_target_find(drains->call->model, drains->known->idx, target.ip,
					 target.port) == CV_MODEL_NONE &&
		    bsearch(&target, drains->items, drains->n, sizeof(target), target_compare) ==
			    NULL)
			health_write(drains->call, drains->known, false, &target, &info);
	}
}

static int describe_health(struct aws_call *call)
{
	uint32_t idx = cv_aws_elb_find(call, CV_MODEL_TG,
				       cv_query_str(&call->params, "TargetGroupArn"), NULL);
	struct targets asked;
	struct known known;
	struct drains drains = {.call = call, .known = &known};

	if (idx == CV_MODEL_NONE || targets_read(call, &call->model->tgs[idx], false, &asked) < 0)
		return -EINVAL;
	known_get(call, idx, &known);
	if (drains_get(&drains) < 0)
		return -EINVAL;
	cv_xml_open(call->out, "TargetHealthDescriptions");
	for (uint32_t i = 0; i < known.tg->n_targets; i++) {
		const struct cv_model_target *target = &known.tg->targets[i];
		struct cv_health_info info;

		if (!is_asked(&asked, target->ip, target->port))
			continue;
		health_get(&known, i, &info);
		health_write(call, &known, true, target, &info);
	}
	for (size_t i = 0; i < drains.n; i++) {
		if (is_asked(&asked, drains.items[i].ip, drains.items[i].port))
			draining_write(call, &known, drains.items[i]);
	}
	strangers_write(&drains, &asked);
	cv_xml_close(call->out);
	return 0;
}

/* ---- the table ---- */

#define TARGET_PARAMS                                                                        \
	AWS_ID("TargetGroupArn", AWS_REQUIRED), AWS_ID("Targets.member.N.Id", AWS_REQUIRED), \
		AWS_INT("Targets.member.N.Port", 0, 1, 65535),                               \
		AWS_ID("Targets.member.N.AvailabilityZone", 0)

static const struct aws_param change_params[] = {TARGET_PARAMS,
						 AWS_REFUSE("Targets.member.N.QuicServerId")};
/* Anomalies are looked for with HTTP only, so there is nothing to include. */
static const struct aws_param health_params[] = {
	TARGET_PARAMS, AWS_ENUM("Include.member.N", 0, "AnomalyDetection|All")};

static const struct aws_action actions[] = {
	{
		.name = "RegisterTargets",
		.handle = register_targets,
		.flags = AWS_CHANGES,
		AWS_PARAMS(change_params),
	},
	{
		.name = "DeregisterTargets",
		.handle = deregister_targets,
		.flags = AWS_CHANGES,
		AWS_PARAMS(change_params),
	},
	{
		.name = "DescribeTargetHealth",
		.handle = describe_health,
		AWS_PARAMS(health_params),
		.answers =
			"TargetHealthDescriptions.Target.Id TargetHealthDescriptions.Target.Port "
			"TargetHealthDescriptions.Target.AvailabilityZone "
			"TargetHealthDescriptions.HealthCheckPort "
			"TargetHealthDescriptions.TargetHealth.State "
			"TargetHealthDescriptions.TargetHealth.Reason "
			"TargetHealthDescriptions.TargetHealth.Description "
			"TargetHealthDescriptions.AdministrativeOverride.State "
			"TargetHealthDescriptions.AdministrativeOverride.Reason "
			"TargetHealthDescriptions.AdministrativeOverride.Description",
	},
};

const struct aws_group cv_aws_elbv2_targets_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
