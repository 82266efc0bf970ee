/* SPDX-License-Identifier: BSD-3-Clause */

/* Attributes that are only kept, and notifications made of them. */

#include "cv_model_note.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_change_priv.h"

/* Of one resource; what reads stored ones takes no more. */
#define NOTES_MAX 60

/* A notification is an attribute of this name and its id: `EVENTS ARN`, the former a number. */
#define NOTIFICATION "notification."

static uint32_t note_find(const struct cv_model_meta *meta, const char *key)
{
	uint32_t i = 0;

	while (i < meta->n_attrs && strcmp(meta->attrs[i].key, key) != 0)
		i++;
	return i < meta->n_attrs ? i : CV_MODEL_NONE;
}

const char *cv_model_note(const struct cv_model_meta *meta, const char *key)
{
	uint32_t i = note_find(meta, key);

	return i != CV_MODEL_NONE ? meta->attrs[i].value : NULL;
}

static void note_remove(struct cv_model *model, struct cv_model_meta *meta, uint32_t i)
{
	if (i == CV_MODEL_NONE)
		return;
	cv_model_str_free(model, meta->attrs[i].key);
	cv_model_str_free(model, meta->attrs[i].value);
	meta->attrs[i] = meta->attrs[--meta->n_attrs];
}

static void note_put(struct model_ctx *ctx, struct cv_model_meta *meta,
		     const struct cv_model_tag *note)
{
	struct cv_model_tag copy = {cv_model_str(ctx->model, note->key),
				    cv_model_str(ctx->model, note->value)};
	struct cv_model_tag *attrs = NULL;

	if (strlen(note->value) >= CV_MODEL_NOTE_LEN)
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "", "The value is too long");
	if (meta->n_attrs >= NOTES_MAX && note_find(meta, note->key) == CV_MODEL_NONE)
		cv_model_err(ctx, EINVAL, "ResourceLimitExceeded", "",
			     "A resource has at most %d notifications and other attributes",
			     NOTES_MAX);
	if (copy.key == NULL || copy.value == NULL)
		cv_model_oom(ctx);
	if (ctx->ret == 0) {
		attrs = realloc(meta->attrs, ((size_t)meta->n_attrs + 1) * sizeof(*attrs));
		if (attrs == NULL)
			cv_model_oom(ctx);
	}
	if (attrs == NULL)
		return;
	meta->attrs = attrs;
	note_remove(ctx->model, meta, note_find(meta, note->key));
	meta->attrs[meta->n_attrs++] = copy;
}

static bool is_notification(const struct cv_model_tag *note)
{
	return strncmp(note->key, NOTIFICATION, strlen(NOTIFICATION)) == 0;
}

/* Earlier versions put attributes on the file's resources; the rest of their documents is still good. */
static bool is_outdated(const struct model_ctx *ctx, enum cv_model_kind kind, uint32_t idx,
			const struct cv_model_tag *note)
{
	return ctx->by != NULL && ctx->by->restore && !is_notification(note) &&
	       !cv_model_meta(ctx->model, kind, idx, 0)->api &&
	       (kind != CV_MODEL_SG || !ctx->model->sgs[idx].of_vpc);
}

int cv_model_note_set(struct cv_model *model, const struct cv_model_by *by, enum cv_model_kind kind,
		      const char *ref, const struct cv_model_tag *note, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = kind};
	struct cv_model_meta *meta;
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, kind, ref);
	if (idx == CV_MODEL_NONE || ctx.ret != 0 || is_outdated(&ctx, kind, idx, note) ||
	    (!is_notification(note) && !cv_model_check_mutable(&ctx, kind, idx)))
		return cv_model_end(&ctx);
	meta = cv_model_meta_at(model, kind, idx);
	if (note->value != NULL)
		note_put(&ctx, meta, note);
	else
		note_remove(model, meta, note_find(meta, note->key));
	if (ctx.ret == 0)
		cv_model_touch(&ctx, kind, idx);
	return cv_model_end(&ctx);
}

/* ---- notifications ---- */

static const struct {
	unsigned int event;
	const char *word;
} events[] = {
	{CV_MODEL_EVENT_ACCEPT, "Accept"},
	{CV_MODEL_EVENT_CONNECT, "Connect"},
	{CV_MODEL_EVENT_DELETE, "Delete"},
	{CV_MODEL_EVENT_REJECT, "Reject"},
};

const char *cv_model_event_str(unsigned int event)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(events); i++) {
		if (events[i].event == event)
			return events[i].word;
	}
	return NULL;
}

unsigned int cv_model_event_parse(const char *word)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(events); i++) {
		if (strcmp(events[i].word, word) == 0)
			return events[i].event;
	}
	return 0;
}

bool cv_model_notification_at(const struct cv_model_meta *meta, uint32_t i,
			      struct cv_model_notification *ret_notification)
{
	for (uint32_t k = 0; k < meta->n_attrs; k++) {
		const struct cv_model_tag *attr = &meta->attrs[k];
		char *end;

		if (strncmp(attr->key, NOTIFICATION, strlen(NOTIFICATION)) != 0 || i-- > 0)
			continue;
		ret_notification->events = (unsigned int)strtoul(attr->value, &end, 10);
		ret_notification->topic = *end == ' ' ? end + 1 : end;
		snprintf(ret_notification->id, sizeof(ret_notification->id), "%s",
			 attr->key + strlen(NOTIFICATION));
		return true;
	}
	return false;
}

int cv_model_notification_set(struct cv_model *model, const struct cv_model_by *by,
			      enum cv_model_kind kind, const char *ref,
			      const struct cv_model_notification *notification,
			      struct cv_model_errs *errs)
{
	char key[64], value[CV_MODEL_NOTE_LEN + 1];
	const struct cv_model_tag note = {key, value};

	snprintf(key, sizeof(key), NOTIFICATION "%s", notification->id);
	snprintf(value, sizeof(value), "%u %s", notification->events, notification->topic);
	return cv_model_note_set(model, by, kind, ref, &note, errs);
}

int cv_model_notification_remove(struct cv_model *model, const struct cv_model_by *by,
				 enum cv_model_kind kind, const char *ref, const char *id,
				 struct cv_model_errs *errs)
{
	char key[64];
	const struct cv_model_tag note = {key, NULL};

	snprintf(key, sizeof(key), NOTIFICATION "%s", id);
	return cv_model_note_set(model, by, kind, ref, &note, errs);
}
