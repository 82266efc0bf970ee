/* SPDX-License-Identifier: BSD-3-Clause */

/* Documents: put over the model of a file, by the same readers as the file's own elements. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf_priv.h"

#include "cv_conf_doc.h"
#include "cv_model_change.h"
#include "cv_model_note.h"

/* Tags and the like of one document, at most; AWS's limit of tags is 50. */
#define TAGS_MAX 64

/* Runs a document's resource through the schema and its builder. */
static void resource_read(struct conf_run *run, enum cv_model_kind kind, uint32_t owner,
			  json_t *resource)
{
	static const char *const rows[CV_MODEL_KIND_N] = {
		[CV_MODEL_VPC] = "vpcs[]",
		[CV_MODEL_SUBNET] = "vpcs[].subnets[]",
		[CV_MODEL_SG] = "vpcs[].security_groups[]",
		[CV_MODEL_TG] = "target_groups[]",
		[CV_MODEL_LB] = "load_balancers[]",
		[CV_MODEL_SERVICE] = "endpoint_services[]",
		[CV_MODEL_ENDPOINT] = "endpoints[]",
	};
	char *text = json_dumps(resource, JSON_COMPACT);
	int ret = -ENOMEM;

	if (text != NULL)
		ret = cv_conf_doc_init(&run->doc, text, strlen(text), json_incref(resource));
	if (ret == 0) {
		run->root_row = cv_conf_row_find(rows[kind]);
		cv_conf_validate(run);
		if (run->doc.nodes[0].is_object)
			cv_conf_build_one(run, kind, owner);
		cv_conf_doc_fini(&run->doc);
	} else if (ret == -ENOMEM) {
		run->oom = true;
	}
	free(text);
}

static uint32_t tags_get(const json_t *object, struct cv_model_tag *tags)
{
	uint32_t n = 0;
	const char *key;
	json_t *value;

	/* jansson's macro needs a writable object, and changes none. */
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		if (n < TAGS_MAX && json_is_string(value))
			tags[n++] = (struct cv_model_tag){key, json_string_value(value)};
	}
	return n;
}

static enum cv_model_state state_get(const json_t *runtime)
{
	const char *word = json_string_value(json_object_get(runtime, "state"));

	for (int state = 0; word != NULL && state < CV_MODEL_STATE_N; state++) {
		if (strcmp(word, cv_model_state_str((enum cv_model_state)state)) == 0)
			return state == CV_MODEL_PENDING ? CV_MODEL_AVAILABLE
							 : (enum cv_model_state)state;
	}
	return CV_MODEL_FAILED;
}

/* What is no error keeps nothing out. */
static void errs_take(struct conf_run *run, struct cv_model_errs *errs)
{
	for (uint32_t i = 0; i < errs->n; i++) {
		const struct cv_model_err *err = &errs->items[i];

		if (err->err == 0)
			cv_errs_add(&run->conf->warnings, run->restore->id, 0, "%s", err->text);
		else
			cv_errs_add(run->errs, err->field, 0, "%s", err->text);
	}
	cv_model_errs_fini(errs);
}

/* ---- what is beside the resource ---- */

static void tags_apply(struct conf_run *run, const char *ref, const json_t *object)
{
	struct cv_model_tag tags[TAGS_MAX];
	struct cv_model_tags_change req = {.ref = ref, .set = tags};
	struct cv_model_errs errs = {0};

	req.n_set = tags_get(object, tags);
	if (req.n_set > 0)
		(void)cv_model_tags_change(run->conf->model, run->by, &req, &errs);
	errs_take(run, &errs);
}

static void attrs_apply(struct conf_run *run, enum cv_model_kind kind, const char *ref,
			const json_t *object)
{
	struct cv_model_tag attrs[TAGS_MAX];
	struct cv_model_attrs_change req = {.kind = kind, .ref = ref, .attrs = attrs};
	struct cv_model_errs errs = {0};

	req.n_attrs = tags_get(object, attrs);
	if (req.n_attrs > 0)
		(void)cv_model_attrs_change(run->conf->model, run->by, &req, &errs);
	errs_take(run, &errs);
}

static void notes_apply(struct conf_run *run, enum cv_model_kind kind, const char *ref,
			const json_t *object)
{
	struct cv_model_tag notes[TAGS_MAX];
	struct cv_model_errs errs = {0};
	uint32_t n = tags_get(object, notes);

	for (uint32_t i = 0; i < n; i++)
		(void)cv_model_note_set(run->conf->model, run->by, kind, ref, &notes[i], &errs);
	errs_take(run, &errs);
}

static bool has_notes(enum cv_model_kind kind)
{
	return kind == CV_MODEL_SERVICE || kind == CV_MODEL_ENDPOINT || kind == CV_MODEL_SG;
}

static void listeners_apply(struct conf_run *run, const json_t *listeners)
{
	const char *arn;
	json_t *tags;

	json_object_foreach((json_t *)(uintptr_t)listeners, arn, tags) tags_apply(run, arn, tags);
}

static void sticky_apply(struct conf_run *run, const json_t *listeners)
{
	const char *arn;
	json_t *seconds;

	json_object_foreach((json_t *)(uintptr_t)listeners, arn, seconds)
		cv_model_listener_sticky_set(run->conf->model, arn,
					     (uint32_t)json_integer_value(seconds));
}

/* Documents of before have none: then all are told, as they were. */
static void asked_apply(struct conf_run *run, const char *arn, const json_t *asked)
{
	for (size_t i = 0; i < json_array_size(asked); i++) {
		json_int_t n = json_integer_value(json_array_get(asked, i));

		if (n >= 0 && n <= CV_MODEL_NODE_IPS_MAX)
			cv_model_node_asked_set(run->conf->model, arn, (uint32_t)i, (uint32_t)n);
	}
}

static void service_apply(struct conf_run *run, const char *id, const json_t *runtime)
{
	struct cv_model_service_change req = {
		.service = id,
		.acceptance_required = CV_MODEL_KEEP,
		.private_dns_name = json_string_value(json_object_get(runtime, "private_dns_name")),
		.dns_state = (int)json_integer_value(json_object_get(runtime, "dns_state")),
	};
	struct cv_model_errs errs = {0};

	if (req.dns_state < 0 || req.dns_state > CV_MODEL_DNS_ASKED)
		req.dns_state = CV_MODEL_DNS_UNVERIFIED;
	(void)cv_model_service_change(run->conf->model, run->by, &req, &errs);
	errs_take(run, &errs);
}

static uint32_t target_reqs(const json_t *list, struct cv_model_target_req **ret_reqs)
{
	uint32_t n = (uint32_t)json_array_size(list);
	struct cv_model_target_req *reqs = calloc((size_t)n + 1, sizeof(*reqs));

	*ret_reqs = reqs;
	for (uint32_t i = 0; reqs != NULL && i < n; i++) {
		const json_t *target = json_array_get(list, i);
		const char *ip = json_string_value(json_object_get(target, "ip"));

		if (ip != NULL)
			(void)cv_ip4_parse(ip, &reqs[i].ip);
		reqs[i].port = (uint16_t)json_integer_value(json_object_get(target, "port"));
		reqs[i].zone = json_string_value(json_object_get(target, "zone"));
	}
	return reqs != NULL ? n : 0;
}

/* Targets that calls registered with a group of the file, and those of the file that they took out. */
static void targets_apply(struct conf_run *run, const char *arn, const json_t *runtime)
{
	struct cv_model_target_req *add, *gone;
	struct cv_model_targets_change req = {.tg = arn};
	struct cv_model_errs errs = {0};

	req.n_add = target_reqs(json_object_get(runtime, "registered"), &add);
	req.n_remove = target_reqs(json_object_get(runtime, "deregistered"), &gone);
	req.add = add;
	req.remove = gone;
	if (add == NULL || gone == NULL)
		run->oom = true;
	else
		(void)cv_model_targets_change(run->conf->model, run->by, &req, &errs);
	errs_take(run, &errs);
	free(add);
	free(gone);
}

/* An endpoint of the file that was accepted or rejected since stays so, whatever the file says. */
static void decision_apply(struct conf_run *run, uint32_t idx, const json_t *runtime)
{
	struct cv_model *model = run->conf->model;
	const struct cv_model_endpoint *endpoint = &model->endpoints[idx];
	enum cv_model_state state = state_get(runtime);
	const char *service = model->services[endpoint->service].id;
	struct cv_model_by by = *run->by;
	struct cv_model_errs errs = {0};

	by.now = (uint64_t)json_integer_value(json_object_get(runtime, "state_since"));
	if (state == CV_MODEL_AVAILABLE)
		(void)cv_model_accept_by(model, &by, service, endpoint->id, &errs);
	else if (state == CV_MODEL_REJECTED)
		(void)cv_model_reject_by(model, &by, service, endpoint->id, &errs);
	errs_take(run, &errs);
}

/* A load balancer that an operator shifted, or whose shift was ended, stays so. */
static void shift_apply(struct conf_run *run, uint32_t idx, const json_t *runtime)
{
	const char *zone = json_string_value(json_object_get(runtime, "zonal_shift"));
	struct cv_model_errs errs = {0};

	if (zone != NULL)
		(void)cv_model_zonal_shift(run->conf->model, run->by, idx,
					   *zone != '\0' ? zone : NULL, &errs);
	errs_take(run, &errs);
}

static void file_apply(struct conf_run *run, const struct cv_conf_doc *doc, uint32_t idx,
		       const json_t *runtime)
{
	tags_apply(run, doc->id, json_object_get(runtime, "tags"));
	if (has_notes(doc->kind))
		notes_apply(run, doc->kind, doc->id, json_object_get(runtime, "attributes"));
	if (doc->kind == CV_MODEL_LB) {
		listeners_apply(run, json_object_get(runtime, "listener_tags"));
		shift_apply(run, idx, runtime);
	}
	if (doc->kind == CV_MODEL_TG)
		targets_apply(run, doc->id, runtime);
	if (doc->kind == CV_MODEL_ENDPOINT)
		decision_apply(run, idx, runtime);
}

/* ---- a call's resource ---- */

static void restore_endpoint(struct conf_restore *restore, const json_t *runtime)
{
	const json_t *lbs = json_object_get(runtime, "eni_load_balancers");

	restore->state = state_get(runtime);
	restore->state_since =
		(uint64_t)json_integer_value(json_object_get(runtime, "state_since"));
	restore->private_dns = json_is_true(json_object_get(runtime, "private_dns"));
	for (size_t i = 0; i < json_array_size(lbs) && i < CV_ARRAY_LEN(restore->eni_lbs); i++)
		restore->eni_lbs[i] = json_string_value(json_array_get(lbs, i));
}

static void restore_service(const struct cv_model *model, struct conf_restore *restore,
			    const json_t *runtime)
{
	const json_t *zones = json_object_get(runtime, "zones");

	for (size_t i = 0; i < json_array_size(zones); i++) {
		const char *id = json_string_value(json_array_get(zones, i));
		uint32_t zone = id == NULL ? CV_MODEL_NONE
					   : cv_model_find(model, CV_MODEL_ZONE, CV_MODEL_NONE, id);

		if (zone != CV_MODEL_NONE)
			restore->zones |= UINT64_C(1) << zone;
	}
}

static void call_apply(struct conf_run *run, const struct cv_conf_doc *doc, json_t *resource,
		       const json_t *runtime)
{
	struct cv_model *model = run->conf->model;
	const char *vpc = json_string_value(json_object_get(runtime, "vpc"));
	uint32_t owner = CV_MODEL_NONE;

	if (doc->kind == CV_MODEL_SUBNET || doc->kind == CV_MODEL_SG) {
		if (vpc != NULL)
			owner = cv_model_find(model, CV_MODEL_VPC, CV_MODEL_NONE, vpc);
		if (owner == CV_MODEL_NONE) {
			cv_errs_add(run->errs, NULL, 0, "there is no VPC '%s'",
				    vpc != NULL ? vpc : "");
			return;
		}
	}
	resource_read(run, doc->kind, owner, resource);
	if (run->errs->n > 0 || run->oom)
		return;
	tags_apply(run, doc->id, json_object_get(runtime, "tags"));
	if (doc->kind == CV_MODEL_TG || doc->kind == CV_MODEL_LB)
		attrs_apply(run, doc->kind, doc->id, json_object_get(runtime, "attributes"));
	if (has_notes(doc->kind))
		notes_apply(run, doc->kind, doc->id, json_object_get(runtime, "attributes"));
	if (doc->kind == CV_MODEL_LB) {
		listeners_apply(run, json_object_get(runtime, "listener_tags"));
		sticky_apply(run, json_object_get(runtime, "listener_sticky_seconds"));
		asked_apply(run, doc->id, json_object_get(runtime, "addresses_asked"));
	}
	if (doc->kind == CV_MODEL_SERVICE)
		service_apply(run, doc->id, runtime);
}

static void doc_apply(struct conf_run *run, const struct cv_conf_doc *doc, json_t *root)
{
	json_t *resource = json_object_get(root, "resource");
	const json_t *runtime = json_object_get(root, "runtime");
	struct cv_model *model = run->conf->model;
	uint32_t idx = cv_model_find(model, doc->kind, CV_MODEL_NONE, doc->id);

	if (resource != NULL && !json_is_object(resource))
		cv_errs_add(run->errs, NULL, 0, "its resource is no object");
	else if (resource != NULL &&
		 (idx == CV_MODEL_NONE || (doc->kind == CV_MODEL_SG && model->sgs[idx].of_vpc)))
		call_apply(run, doc, resource, runtime);
	else if (resource != NULL)
		cv_errs_add(run->errs, NULL, 0, "the configuration file has the same id");
	else if (idx != CV_MODEL_NONE)
		file_apply(run, doc, idx, runtime);
	else
		cv_errs_add(run->errs, NULL, 0, "it is no longer in the configuration file");
}

/* What was begun of a resource that does not fit is taken back. */
static void take_back(struct conf_run *run, const struct cv_conf_doc *doc)
{
	struct cv_model *model = run->conf->model;
	uint32_t idx = cv_model_find(model, doc->kind, CV_MODEL_NONE, doc->id);
	struct cv_model_errs errs = {0};

	if (idx != CV_MODEL_NONE && cv_model_meta(model, doc->kind, idx, 0)->api)
		(void)cv_model_remove(model, run->by, doc->kind, doc->id, &errs);
	cv_model_errs_fini(&errs);
}

static bool doc_read(struct conf_run *run, const struct cv_conf_doc *doc)
{
	json_t *root = json_loads(doc->text, 0, NULL);
	const json_t *runtime = json_object_get(root, "runtime");
	struct cv_model_by by = {.account = CV_MODEL_NONE, .restore = true};
	struct conf_restore restore = {.id = doc->id};
	struct cv_errs *errs = run->errs, mine = {0};
	bool known, fits;

	by.now = (uint64_t)json_integer_value(json_object_get(runtime, "created"));
	run->errs = &mine;
	run->by = &by;
	run->restore = &restore;
	if (doc->kind == CV_MODEL_ENDPOINT)
		restore_endpoint(&restore, runtime);
	if (doc->kind == CV_MODEL_SERVICE)
		restore_service(run->conf->model, &restore, runtime);
	known = cv_model_find(run->conf->model, doc->kind, CV_MODEL_NONE, doc->id) != CV_MODEL_NONE;
	if (!json_is_object(root))
		cv_errs_add(&mine, NULL, 0, "it is not JSON");
	else
		doc_apply(run, doc, root);
	fits = mine.n == 0;
	if (!fits && !known)
		take_back(run, doc);
	run->errs = errs;
	run->by = NULL;
	run->restore = NULL;
	for (size_t i = 0; i < mine.n; i++)
		cv_errs_add(&run->conf->warnings, doc->id, 0,
			    "what a call made or changed does not fit the file and is left out: %s",
			    mine.items[i].text);
	cv_errs_fini(&mine);
	json_decref(root);
	return fits;
}

static void docs_read(struct conf_run *run, const struct cv_conf_docs *docs,
		      enum cv_model_kind kind, bool late)
{
	for (size_t i = 0; i < docs->n; i++) {
		const struct cv_conf_doc *doc = &docs->items[i];
		bool fits;

		if (doc->kind != kind || doc->late != late)
			continue;
		fits = doc->text != NULL && doc_read(run, doc);
		if (doc->text == NULL)
			cv_errs_add(&run->conf->warnings, doc->id, 0,
				    "what a call made or changed is damaged in the state file and "
				    "is left out: a backup has it, perhaps");
		if (docs->applied != NULL)
			docs->applied[i] = fits;
	}
}

void cv_conf_replay(struct conf_run *run, const struct cv_conf_docs *docs)
{
	/* What is referred to comes before what refers to it. */
	for (enum cv_model_kind kind = CV_MODEL_VPC; kind <= CV_MODEL_ENDPOINT; kind++) {
		docs_read(run, docs, kind, false);
		docs_read(run, docs, kind, true);
	}
}
