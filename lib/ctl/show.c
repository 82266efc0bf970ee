/* SPDX-License-Identifier: BSD-3-Clause */

/* From a question on an API thread to control and back. */

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "show_priv.h"

#define TIMEOUT_MS 5000
#define TIMEOUT_FLOWS_MS 20000

static const struct ctl_show_kind kinds[] = {
	{"ports", cv_ctl_show_ports, 0, TIMEOUT_MS},
	{"vpcs", cv_ctl_show_vpcs, 0, TIMEOUT_MS},
	{"load-balancers", cv_ctl_show_lbs, 0, TIMEOUT_MS},
	{"targets", cv_ctl_show_targets, 0, TIMEOUT_MS},
	{"services", cv_ctl_show_services, 0, TIMEOUT_MS},
	{"endpoints", cv_ctl_show_endpoints, CTL_SHOW_ENDPOINT | CTL_SHOW_STATE, TIMEOUT_MS},
	{"flows", cv_ctl_show_flows,
	 CTL_SHOW_ENDPOINT | CTL_SHOW_TARGET | CTL_SHOW_STATE | CTL_SHOW_LIMIT, TIMEOUT_FLOWS_MS},
	{"snat", cv_ctl_show_snat, CTL_SHOW_TARGET, TIMEOUT_MS},
	{"drops", cv_ctl_show_drops, 0, TIMEOUT_MS},
	{"workers", cv_ctl_show_workers, CTL_SHOW_STAGES, TIMEOUT_MS},
	{"neighbours", cv_ctl_show_neighbours, 0, TIMEOUT_MS},
	{"host", cv_ctl_show_host, 0, TIMEOUT_MS},
	{"dns", cv_ctl_show_dns, 0, TIMEOUT_MS},
	{"steering", cv_ctl_show_steering, 0, TIMEOUT_MS},
	{"config", cv_ctl_show_config, 0, TIMEOUT_MS},
	{"state", cv_ctl_show_state, 0, TIMEOUT_MS},
};

static const struct ctl_show_kind metrics_kind = {"metrics", cv_ctl_show_metrics, 0,
						  TIMEOUT_FLOWS_MS};

const char *const *cv_ctl_whats(void)
{
	static const char *const whats[] = {
		"ports", "vpcs",     "load-balancers", "targets", "services",   "endpoints",
		"flows", "snat",     "drops",          "workers", "neighbours", "host",
		"dns",   "steering", "config",         "state",   NULL,
	};

	_Static_assert(CV_ARRAY_LEN(whats) == CV_ARRAY_LEN(kinds) + 1, "one name per kind");
	return whats;
}

int cv_ctl_show_refuse(struct ctl_show *show, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&show->text, fmt, ap) < 0)
		show->text = NULL;
	va_end(ap);
	return show->text != NULL ? err : -ENOMEM;
}

static void show_destroy(struct ctl_cmd *cmd)
{
	struct ctl_show *show = (struct ctl_show *)cmd;

	json_decref(show->root);
	free(show->endpoint);
	free(show->target);
	free(show->state);
	free(show->text);
	cv_ctl_show_clear(show);
	free(show);
}

int cv_ctl_show_add(struct ctl_show *show, const char *text, size_t len)
{
	while (len > 0) {
		struct ctl_chunk *chunk = show->last_chunk;
		size_t n;

		if (chunk == NULL || chunk->len == CTL_CHUNK_BYTES) {
			chunk = malloc(sizeof(*chunk) + CTL_CHUNK_BYTES);
			if (chunk == NULL)
				return -ENOMEM;
			chunk->next = NULL;
			chunk->len = 0;
			*(show->chunks == NULL ? &show->chunks : &show->last_chunk->next) = chunk;
			show->last_chunk = chunk;
		}
		n = CTL_CHUNK_BYTES - chunk->len;
		n = len < n ? len : n;
		memcpy(chunk->text + chunk->len, text, n);
		chunk->len += n;
		show->len += n;
		text += n;
		len -= n;
	}
	return 0;
}

void cv_ctl_show_clear(struct ctl_show *show)
{
	while (show->chunks != NULL) {
		struct ctl_chunk *chunk = show->chunks;

		show->chunks = chunk->next;
		show->len -= chunk->len;
		free(chunk);
	}
	show->last_chunk = NULL;
}

/* @return 0 or -ENOMEM */
static int chunks_join(struct ctl_show *show)
{
	char *end = show->text = malloc(show->len + 1);

	if (end == NULL)
		return -ENOMEM;
	for (const struct ctl_chunk *chunk = show->chunks; chunk != NULL; chunk = chunk->next) {
		memcpy(end, chunk->text, chunk->len);
		end += chunk->len;
	}
	*end = '\0';
	return 0;
}

static int show_run(void *owner, struct ctl_cmd *cmd)
{
	struct ctl_show *show = (struct ctl_show *)cmd;
	struct cv_ctl *ctl = owner;
	int ret;

	ctl->json_failed = false;
	ret = show->kind->fn(ctl, show);
	if (ret == 0 && (ctl->json_failed ||
			 (show->root == NULL && show->text == NULL && show->chunks == NULL)))
		return -ENOMEM;
	return ret;
}

/* Copies a filter. Tells whether it could. */
static bool filter_copy(char **to, const char *from)
{
	if (from == NULL)
		return true;
	*to = strdup(from);
	return *to != NULL;
}

static struct ctl_show *show_create(const struct ctl_show_kind *kind,
				    const struct cv_ctl_query *query)
{
	struct ctl_show *show = calloc(1, sizeof(*show));

	if (show == NULL)
		return NULL;
	cv_ctl_cmd_init(&show->cmd, show_run, show_destroy);
	show->kind = kind;
	if (query == NULL)
		return show;
	show->limit = query->limit;
	show->stages = query->stages;
	show->seconds = query->seconds;
	if (show->stages && show->seconds == 0)
		show->seconds = CV_CTL_STAGES_SECONDS_DEFAULT;
	if (!filter_copy(&show->endpoint, query->endpoint) ||
	    !filter_copy(&show->target, query->target) ||
	    !filter_copy(&show->state, query->state)) {
		show_destroy(&show->cmd);
		return NULL;
	}
	return show;
}

/* Ask control. The text is made here, on the caller's thread, so that a long answer holds up nobody. */
static int show_ask(struct cv_ctl *ctl, struct ctl_show *show, struct cv_ctl_reply *reply)
{
	uint32_t timeout_ms = show->kind->timeout_ms + show->seconds * 1000;
	int ret = cv_ctl_queue_call(&ctl->queue, &show->cmd, timeout_ms);

	if (ret == 0 && show->root != NULL)
		ret = cv_ctl_json_write(show->root, &show->text, &show->len);
	else if (ret == 0 && show->chunks != NULL)
		ret = chunks_join(show);
	if (ret == 0 || ret == -EINVAL || ret == -ENOENT) {
		reply->text = show->text;
		reply->len = ret == 0 ? show->len : strlen(show->text);
		show->text = NULL;
	}
	cv_ctl_cmd_put(&ctl->queue, &show->cmd);
	return ret;
}

/* A refusal that needs no control. */
static int refuse(struct cv_ctl_reply *reply, int err, const char *text, const char *what)
{
	int len = asprintf(&reply->text, "%s: %s", what, text);

	if (len < 0) {
		reply->text = NULL;
		return -ENOMEM;
	}
	reply->len = (size_t)len;
	return err;
}

/* What is wrong with a question of a kind, NULL if nothing is. */
static const char *query_fault(const struct ctl_show_kind *kind, const struct cv_ctl_query *query)
{
	unsigned int given = (query->endpoint != NULL ? CTL_SHOW_ENDPOINT : 0) |
			     (query->target != NULL ? CTL_SHOW_TARGET : 0) |
			     (query->state != NULL ? CTL_SHOW_STATE : 0) |
			     (query->limit != 0 ? CTL_SHOW_LIMIT : 0) |
			     (query->stages || query->seconds != 0 ? CTL_SHOW_STAGES : 0);

	if ((given & ~kind->filters) != 0)
		return "does not take that filter";
	if (query->limit > CV_CTL_FLOWS_MAX)
		return "the limit is too high";
	if (query->seconds != 0 && !query->stages)
		return "seconds go with stages only";
	if (query->seconds > CV_CTL_STAGES_SECONDS_MAX)
		return "so many seconds are too long";
	return NULL;
}

int cv_ctl_show(void *ctl, const struct cv_ctl_query *query, struct cv_ctl_reply *reply)
{
	const struct ctl_show_kind *kind = NULL;
	struct ctl_show *show;
	const char *fault;

	for (size_t i = 0; i < CV_ARRAY_LEN(kinds); i++) {
		if (strcmp(kinds[i].what, query->what) == 0)
			kind = &kinds[i];
	}
	if (kind == NULL)
		return refuse(reply, -ENOENT, "nothing to show has that name", query->what);
	fault = query_fault(kind, query);
	if (fault != NULL)
		return refuse(reply, -EINVAL, fault, query->what);
	show = show_create(kind, query);
	return show != NULL ? show_ask(ctl, show, reply) : -ENOMEM;
}

int cv_ctl_metrics(void *ctl, struct cv_ctl_reply *reply)
{
	struct ctl_show *show = show_create(&metrics_kind, NULL);

	return show != NULL ? show_ask(ctl, show, reply) : -ENOMEM;
}
