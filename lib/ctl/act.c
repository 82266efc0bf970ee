/* SPDX-License-Identifier: BSD-3-Clause */

/* What an operator does by hand: the same operations of the model as a call of the AWS APIs. */

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cv_model_change.h"
#include "cv_model_route.h"

#include "ctl_priv.h"

/* An order on its way: what was asked, and what is said about it. */
struct act {
	const struct act_kind *kind;
	const struct cv_ctl_order *order;
	char *text;
	bool done; /* text says what was done, not what is wrong */
};

struct act_kind {
	const char *name;
	int (*fn)(struct cv_ctl *ctl, struct cv_model *model, struct act *act);
	bool endpoint, target, group, balancer, zone; /* what has to be given */
};

static int CV_PRINTF(3, 4) say(struct act *act, int ret, const char *fmt, ...)
{
	va_list ap;

	free(act->text);
	va_start(ap, fmt);
	if (vasprintf(&act->text, fmt, ap) < 0)
		act->text = NULL;
	va_end(ap);
	return act->text != NULL ? ret : -ENOMEM;
}

/* The model's refusal; its first error is what matters, with the hint that operators may see. */
static int refused(struct act *act, int ret, struct cv_model_errs *errs)
{
	int err = ret == -ENOMEM ? ret : ret == -ENOENT ? -ENOENT : -EINVAL;

	if (err != -ENOMEM)
		err = errs->n == 0 ? say(act, err, "%s", strerror(-ret))
				   : say(act, err, "%s%s%s", errs->items[0].text,
					 errs->items[0].hint[0] != '\0' ? ": " : "",
					 errs->items[0].hint);
	cv_model_errs_fini(errs);
	return err;
}

static struct cv_model_by operator_now(void)
{
	return (struct cv_model_by){.account = CV_MODEL_NONE, .now = (uint64_t)time(NULL)};
}

static uint32_t find(struct cv_model *model, struct act *act, enum cv_model_kind kind,
		     const char *what, const char *ref)
{
	uint32_t idx = cv_model_find(model, kind, CV_MODEL_NONE, ref);

	if (idx == CV_MODEL_NONE)
		(void)say(act, 0, "there is no %s '%.80s'", what, ref);
	return idx;
}

/* ---- load balancers and target groups: their names are each account's own ---- */

/* A thing by its name, for one account (`web`, or `111122223333/web`). */
struct named {
	enum cv_model_kind kind;
	const char *what, *ref; /* its noun; as the operator wrote it */
	const char *name;       /* the part of ref behind the account */
};

static const char *arn_of(const struct cv_model *model, enum cv_model_kind kind, uint32_t idx)
{
	return kind == CV_MODEL_LB ? model->lbs[idx].arn : model->tgs[idx].arn;
}

/* The account that ref names before its '/', by id or name. */
static bool is_accounts(const struct cv_model *model, const struct named *named, uint32_t idx)
{
	const struct cv_model_account *account =
		&model->accounts[cv_model_owner(model, named->kind, idx)];
	size_t len = (size_t)(named->name - named->ref);

	if (len == 0)
		return true;
	len--; /* the '/' */
	return (strlen(account->id) == len && strncmp(account->id, named->ref, len) == 0) ||
	       (strlen(account->name) == len && strncmp(account->name, named->ref, len) == 0);
}

static bool is_named(const struct cv_model *model, const struct named *named, uint32_t idx)
{
	const bool lb = named->kind == CV_MODEL_LB;
	const struct cv_model_meta *meta = lb ? &model->lbs[idx].meta : &model->tgs[idx].meta;
	const char *name = lb ? model->lbs[idx].name : model->tgs[idx].name;

	return !meta->gone && strcmp(name, named->name) == 0 && is_accounts(model, named, idx);
}

/* Several accounts have one of that name: which are there. */
static int which(const struct cv_model *model, struct act *act, const struct named *named,
		 uint32_t n)
{
	int ret =
		say(act, -EINVAL,
		    "there are several %ss '%.80s': say which by ACCOUNT/NAME or ARN:", named->what,
		    named->ref);

	for (uint32_t i = 0; ret == -EINVAL && i < n; i++) {
		char *before = act->text;

		if (!is_named(model, named, i))
			continue;
		act->text = NULL;
		ret = say(act, ret, "%s %s", before, arn_of(model, named->kind, i));
		free(before);
	}
	return ret;
}

/* By ARN, or by a name, which must be of one only. @return 0, or -errno with the reason said */
static int pick(const struct cv_model *model, struct act *act, enum cv_model_kind kind,
		const char *ref, uint32_t *ret_idx)
{
	const uint32_t n = kind == CV_MODEL_LB ? model->n_lbs : model->n_tgs;
	const char *slash = strchr(ref, '/');
	const struct named named = {
		.kind = kind,
		.what = kind == CV_MODEL_LB ? "load balancer" : "target group",
		.ref = ref,
		.name = slash != NULL ? slash + 1 : ref,
	};
	uint32_t idx = CV_MODEL_NONE;

	if (strncmp(ref, "arn:", 4) == 0) {
		idx = cv_model_find(model, kind, CV_MODEL_NONE, ref);
	} else {
		for (uint32_t i = 0; i < n; i++) {
			if (!is_named(model, &named, i))
				continue;
			if (idx != CV_MODEL_NONE)
				return which(model, act, &named, n);
			idx = i;
		}
	}
	if (idx == CV_MODEL_NONE)
		return say(act, -ENOENT, "there is no %s '%.160s'", named.what, ref);
	*ret_idx = idx;
	return 0;
}

static int decide(struct cv_ctl *ctl, struct cv_model *model, struct act *act, bool accept)
{
	uint32_t idx = find(model, act, CV_MODEL_ENDPOINT, "endpoint", act->order->endpoint);
	const struct cv_model_by by = operator_now();
	struct cv_model_errs errs = {0};
	const struct cv_model_endpoint *endpoint;
	enum cv_model_state before;
	const char *service;
	int ret;

	if (idx == CV_MODEL_NONE)
		return -ENOENT;
	endpoint = &model->endpoints[idx];
	before = endpoint->state;
	if (endpoint->service == CV_MODEL_NONE)
		return say(act, -EINVAL, "the service of endpoint %s is gone", endpoint->id);
	service = model->services[endpoint->service].id;
	ret = accept ? cv_model_accept_by(model, &by, service, endpoint->id, &errs)
		     : cv_model_reject_by(model, &by, service, endpoint->id, &errs);
	if (ret < 0)
		return refused(act, ret, &errs);
	cv_model_errs_fini(&errs);
	if (endpoint->state != before &&
	    cv_ctl_tell(ctl, model, endpoint->id, accept ? "Accept" : "Reject") < 0)
		cv_log(CV_LOG_ERR, "out of memory: nobody is notified that endpoint %s is %s",
		       endpoint->id, accept ? "accepted" : "rejected");
	return say(act, 0, "endpoint %s is %s", endpoint->id, accept ? "accepted" : "rejected");
}

static int act_accept(struct cv_ctl *ctl, struct cv_model *model, struct act *act)
{
	return decide(ctl, model, act, true);
}

static int act_reject(struct cv_ctl *ctl, struct cv_model *model, struct act *act)
{
	return decide(ctl, model, act, false);
}

/* `ip` or `ip:port`. */
static bool target_parse(const char *text, struct cv_model_target_req *req)
{
	const char *colon = strchr(text, ':');
	size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);
	char ip[16], *end;
	unsigned long port = 0;

	if (len >= sizeof(ip))
		return false;
	memcpy(ip, text, len);
	ip[len] = '\0';
	if (colon != NULL) {
		port = strtoul(colon + 1, &end, 10);
		if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port < 1 || port > 65535)
			return false;
	}
	req->port = (uint16_t)port;
	return cv_ip4_parse(ip, &req->ip);
}

/* Deregistering what is not registered is no mistake to AWS; an operator wants to know. */
static bool has_target(const struct cv_model_target_group *tg,
		       const struct cv_model_target_req *req)
{
	for (uint32_t i = 0; i < tg->n_targets; i++)
		if (tg->targets[i].ip == req->ip &&
		    (req->port == 0 || tg->targets[i].port == req->port))
			return true;
	return false;
}

static int act_drain(struct cv_ctl *ctl, struct cv_model *model, struct act *act)
{
	const char *group = act->order->group, *target = act->order->target;
	struct cv_model_target_req req = {0};
	struct cv_model_targets_change change = {.remove = &req, .n_remove = 1};
	const struct cv_model_by by = operator_now();
	struct cv_model_errs errs = {0};
	uint32_t idx = CV_MODEL_NONE;
	int ret;

	(void)ctl;
	if (!target_parse(target, &req))
		return say(act, -EINVAL, "'%.40s' is not a target: 10.0.1.21 or 10.0.1.21:80",
			   target);
	ret = pick(model, act, CV_MODEL_TG, group, &idx);
	if (ret < 0)
		return ret;
	if (!has_target(&model->tgs[idx], &req))
		return say(act, -ENOENT, "target group '%s' has no target %s", model->tgs[idx].name,
			   target);
	change.tg = model->tgs[idx].arn;
	ret = cv_model_targets_change(model, &by, &change, &errs);
	if (ret < 0)
		return refused(act, ret, &errs);
	cv_model_errs_fini(&errs);
	return say(act, 0,
		   "target %s of '%s' is deregistered: it gets no new connections, and drains",
		   target, model->tgs[idx].name);
}

static int shift(struct cv_ctl *ctl, struct cv_model *model, struct act *act, const char *zone)
{
	const struct cv_model_by by = operator_now();
	struct cv_model_errs errs = {0};
	uint32_t idx = CV_MODEL_NONE;
	int ret = pick(model, act, CV_MODEL_LB, act->order->load_balancer, &idx);

	(void)ctl;
	if (ret < 0)
		return ret;
	if (zone == NULL && model->lbs[idx].shifted_zone == CV_MODEL_NONE)
		return say(act, -EINVAL, "load balancer '%s' is not shifted", model->lbs[idx].name);
	ret = cv_model_zonal_shift(model, &by, idx, zone, &errs);
	if (ret < 0)
		return refused(act, ret, &errs);
	cv_model_errs_fini(&errs);
	if (zone == NULL)
		return say(act, 0, "load balancer '%s' uses all of its zones",
			   model->lbs[idx].name);
	return say(act, 0, "load balancer '%s' is shifted away from %s", model->lbs[idx].name,
		   zone);
}

static int act_shift(struct cv_ctl *ctl, struct cv_model *model, struct act *act)
{
	return shift(ctl, model, act, act->order->zone);
}

static int act_unshift(struct cv_ctl *ctl, struct cv_model *model, struct act *act)
{
	return shift(ctl, model, act, NULL);
}

static const struct act_kind kinds[] = {
	{"accept", act_accept, .endpoint = true},
	{"reject", act_reject, .endpoint = true},
	{"drain", act_drain, .group = true, .target = true},
	{"shift", act_shift, .balancer = true, .zone = true},
	{"unshift", act_unshift, .balancer = true},
};

static int act_run(struct cv_ctl *ctl, struct cv_model *model, void *arg)
{
	struct act *act = arg;
	int ret = act->kind->fn(ctl, model, act);

	act->done = ret == 0;
	return ret;
}

/* What is wrong with an order by its form: what it must have and has not, or has and must not have. */
static const char *fault(const struct act_kind *kind, const struct cv_ctl_order *order)
{
	const struct {
		const char *missing, *surplus;
		bool wanted;
		const char *given;
	} parts[] = {
		{"endpoint is missing", "takes no endpoint", kind->endpoint, order->endpoint},
		{"group is missing", "takes no group", kind->group, order->group},
		{"target is missing", "takes no target", kind->target, order->target},
		{"load-balancer is missing", "takes no load-balancer", kind->balancer,
		 order->load_balancer},
		{"zone is missing", "takes no zone", kind->zone, order->zone},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(parts); i++)
		if (parts[i].wanted != (parts[i].given != NULL))
			return parts[i].wanted ? parts[i].missing : parts[i].surplus;
	return NULL;
}

int cv_ctl_act(void *ctl, const struct cv_ctl_order *order, struct cv_ctl_reply *reply)
{
	struct act act = {.order = order};
	const char *wrong;
	json_t *root;
	int ret;

	for (size_t i = 0; i < CV_ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].name, order->verb) == 0)
			act.kind = &kinds[i];
	if (act.kind == NULL) {
		ret = say(&act, -ENOENT, "%.40s: nothing to do has that name", order->verb);
	} else {
		wrong = fault(act.kind, order);
		ret = wrong != NULL ? say(&act, -EINVAL, "%s: %s", order->verb, wrong)
				    : cv_ctl_call(ctl, true, act_run, &act);
	}
	if (ret == 0) {
		cv_ctl_tell_sent(ctl);
		root = json_pack("{s:s}", "done", act.text != NULL ? act.text : "");
		ret = root != NULL ? cv_ctl_json_write(root, &reply->text, &reply->len) : -ENOMEM;
		json_decref(root);
	} else if (!act.done && (ret == -EINVAL || ret == -ENOENT)) {
		reply->text = act.text;
		reply->len = act.text != NULL ? strlen(act.text) : 0;
		return ret;
	}
	free(act.text);
	return ret;
}
