/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Load balancers of ENIs of the file's endpoints: each keeps the one that it has, also over a restart with
 * more of them in the file. Calls' endpoints have it in their documents; a document of the file's would
 * hold their state, too, against what the file says of it.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_model_change.h"
#include "cv_model_route.h"

#include "ctl_priv.h"
#include "keep_priv.h"

/* And the id of an endpoint. Values: for each ENI a line with its id and the ARN. */
#define KEY "eni-lb/"

struct enis {
	struct cv_ctl *ctl;
	const struct cv_model *model;
	struct cv_model *into; /* model, to take; NULL: to put */
	bool *good;            /* shape [model->n_endpoints]; what is kept of it is right; to put */
	struct cv_store_batch *batch;
};

/* @return text, "" if there is nothing to keep, or NULL: memory ran out */
static char *value_write(const struct cv_model *model, const struct cv_model_endpoint *endpoint)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (uint32_t i = 0; out != NULL && !endpoint->meta.api && i < endpoint->n_enis; i++) {
		const struct cv_model_eni *eni = &endpoint->enis[i];

		if (eni->lb != CV_MODEL_NONE)
			fprintf(out, "%s %s\n", eni->id, model->lbs[eni->lb].arn);
	}
	if (out != NULL && fclose(out) != 0) {
		free(text);
		text = NULL;
	}
	return text;
}

static void value_take(struct cv_model *model, uint32_t endpoint, char *text)
{
	char *rest, *line = strtok_r(text, "\n", &rest);

	for (; line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		char *arn = strchr(line, ' ');

		if (arn == NULL)
			continue;
		*arn++ = '\0';
		cv_model_eni_keep(model, endpoint, line, arn);
	}
}

/* @param value  NULL or empty: forget it */
static int value_put(struct cv_store_batch *batch, const char *id, const char *value)
{
	const struct cv_store_op op = {
		.what = value != NULL && *value != '\0' ? CV_STORE_PUT : CV_STORE_DELETE,
		.space = CV_STORE_LOCAL,
		.key = id,
		.value = value,
		.len = value != NULL ? strlen(value) : 0,
		.rev = CV_STORE_ANY,
	};

	return cv_store_batch_add(batch, &op);
}

static int item_take(void *arg, const struct cv_store_item *item)
{
	struct enis *enis = arg;
	const struct cv_model *model = enis->model;
	const char *id = item->key + strlen(KEY);
	char *text = NULL;
	uint32_t idx;
	int ret = 0;

	if (strncmp(item->key, KEY, strlen(KEY)) != 0)
		return 0;
	idx = cv_model_find(model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, id);
	if (enis->into != NULL) {
		text = item->damaged ? NULL : strdup(item->value);
		if (text != NULL && idx != CV_MODEL_NONE && !model->endpoints[idx].meta.api)
			value_take(enis->into, idx, text);
	} else if (idx == CV_MODEL_NONE) {
		ret = value_put(enis->batch, item->key, NULL);
	} else {
		text = value_write(model, &model->endpoints[idx]);
		enis->good[idx] = text != NULL && !item->damaged && strcmp(text, item->value) == 0;
		/* Nothing to keep any more: with nothing to compare it will not be looked at. */
		if (text != NULL && *text == '\0')
			ret = value_put(enis->batch, item->key, NULL);
	}
	free(text);
	return ret;
}

static int items_read(struct enis *enis)
{
	struct cv_errs errs = {0};
	int ret = cv_store_changes(enis->ctl->keep.store,
				   (struct cv_store_since){CV_STORE_LOCAL, 0, .damaged = true},
				   item_take, enis, NULL, &errs);

	if (ret < 0)
		cv_log(CV_LOG_WARNING,
		       "state: the load balancers of the file's endpoints cannot be %s: %s",
		       enis->into != NULL ? "read" : "kept",
		       errs.n > 0 ? errs.items[0].text : strerror(-ret));
	cv_errs_fini(&errs);
	return ret;
}

static bool is_durable(const struct ctl_keep *keep)
{
	return keep->store != NULL && keep->path != NULL;
}

void cv_ctl_keep_enis_take(struct cv_ctl *ctl, struct cv_model *model)
{
	struct enis enis = {.ctl = ctl, .model = model, .into = model};

	if (is_durable(&ctl->keep))
		(void)items_read(&enis);
}

static int changed_put(struct enis *enis)
{
	const struct cv_model *model = enis->model;
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];
		char *text, *key;

		if (enis->good[i] || endpoint->meta.api || endpoint->meta.gone)
			continue;
		text = value_write(model, endpoint);
		if (text == NULL || asprintf(&key, KEY "%s", endpoint->id) < 0) {
			free(text);
			return -ENOMEM;
		}
		if (*text != '\0')
			ret = value_put(enis->batch, key, text);
		free(key);
		free(text);
	}
	return ret;
}

void cv_ctl_keep_enis_put(struct cv_ctl *ctl, const struct cv_model *model)
{
	struct enis enis = {.ctl = ctl, .model = model, .batch = &ctl->keep.next};
	int ret;

	if (!is_durable(&ctl->keep))
		return;
	enis.good = calloc((size_t)model->n_endpoints + 1, sizeof(*enis.good));
	ret = enis.good != NULL ? items_read(&enis) : -ENOMEM;
	if (ret == 0)
		ret = changed_put(&enis);
	if (ret == -ENOMEM)
		cv_log(CV_LOG_WARNING, "state: out of memory: the load balancers of the file's "
				       "endpoints may change with a restart");
	free(enis.good);
}
