/* SPDX-License-Identifier: BSD-3-Clause */

/* Connections that the operator or the file decides on, told as those that calls decide on. */

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "cv_model_change.h"

#include "ctl_priv.h"

void cv_ctl_on_connection(struct cv_ctl *ctl, const struct cv_ctl_tell *tell)
{
	ctl->tell = *tell;
}

int cv_ctl_tell(struct cv_ctl *ctl, struct cv_model *model, const char *endpoint, const char *word)
{
	if (ctl->tell.connection == NULL)
		return 0;
	return ctl->tell.connection(ctl->tell.arg, ctl, model, endpoint, word);
}

void cv_ctl_tell_sent(struct cv_ctl *ctl)
{
	if (ctl->tell.sent != NULL)
		ctl->tell.sent(ctl->tell.arg);
}

/* ---- a new file ---- */

/* Endpoints of calls stay as they are: whether they fit the file or wait is nobody's decision. */
static const struct cv_model_endpoint *of_file(const struct cv_model *model, uint32_t idx)
{
	const struct cv_model_endpoint *endpoint = &model->endpoints[idx];

	return endpoint->meta.gone || endpoint->meta.api ? NULL : endpoint;
}

static const struct cv_model_endpoint *counterpart(const struct cv_model *model, const char *id)
{
	uint32_t idx = cv_model_find(model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, id);

	return idx != CV_MODEL_NONE ? &model->endpoints[idx] : NULL;
}

static bool is_accepted(const struct cv_model_endpoint *endpoint)
{
	return endpoint->state == CV_MODEL_PENDING || endpoint->state == CV_MODEL_AVAILABLE;
}

static int tell_ended(struct cv_ctl *ctl, const struct cv_model *next)
{
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < ctl->model->n_endpoints; i++) {
		const struct cv_model_endpoint *was = of_file(ctl->model, i);

		if (was != NULL && counterpart(next, was->id) == NULL)
			ret = cv_ctl_tell(ctl, ctl->model, was->id, "Delete");
	}
	return ret;
}

static int tell_one(struct cv_ctl *ctl, struct cv_model *next,
		    const struct cv_model_endpoint *endpoint)
{
	const struct cv_model_endpoint *was = counterpart(ctl->model, endpoint->id);
	enum cv_model_state before = was != NULL ? was->state : CV_MODEL_PENDING_ACCEPTANCE;
	bool by_request = endpoint->service != CV_MODEL_NONE &&
			  next->services[endpoint->service].acceptance_required;
	int ret = was == NULL ? cv_ctl_tell(ctl, next, endpoint->id, "Connect") : 0;

	/* Where nobody has to accept, nobody does. */
	if (ret == 0 && is_accepted(endpoint) && before != CV_MODEL_PENDING &&
	    before != CV_MODEL_AVAILABLE && (by_request || was != NULL))
		ret = cv_ctl_tell(ctl, next, endpoint->id, "Accept");
	if (ret == 0 && endpoint->state == CV_MODEL_REJECTED && before != CV_MODEL_REJECTED)
		ret = cv_ctl_tell(ctl, next, endpoint->id, "Reject");
	return ret;
}

void cv_ctl_tell_reload(struct cv_ctl *ctl, const struct cv_conf *next)
{
	int ret;

	if (ctl->tell.connection == NULL)
		return;
	ret = tell_ended(ctl, next->model);
	for (uint32_t i = 0; ret == 0 && i < next->model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = of_file(next->model, i);

		if (endpoint != NULL)
			ret = tell_one(ctl, next->model, endpoint);
	}
	if (ret < 0)
		cv_log(CV_LOG_ERR,
		       "out of memory: not everybody can be notified of what the file changes");
}

void cv_ctl_tell_metrics(const struct cv_ctl *ctl, FILE *out)
{
	struct cv_ctl_notified n = {0};
	const struct {
		const char *result;
		uint64_t value;
	} results[] = {
		{"delivered", offsetof(struct cv_ctl_notified, delivered)},
		{"retried", offsetof(struct cv_ctl_notified, retried)},
		{"given_up", offsetof(struct cv_ctl_notified, given_up)},
		{"dropped", offsetof(struct cv_ctl_notified, dropped)},
	};

	if (ctl->tell.counts == NULL)
		return;
	ctl->tell.counts(ctl->tell.arg, &n);
	fprintf(out,
		"# HELP culvert_notifications_total Messages to receivers, by what became of a "
		"try; dropped: the oldest, when too many waited.\n"
		"# TYPE culvert_notifications_total counter\n");
	for (size_t i = 0; i < CV_ARRAY_LEN(results); i++) {
		uint64_t value;

		memcpy(&value, (const char *)&n + results[i].value, sizeof(value));
		fprintf(out, "culvert_notifications_total{result=\"%s\"} %llu\n", results[i].result,
			(unsigned long long)value);
	}
	fprintf(out,
		"# HELP culvert_notifications_waiting Messages that wait for their receivers.\n"
		"# TYPE culvert_notifications_waiting gauge\nculvert_notifications_waiting %llu\n",
		(unsigned long long)n.waiting);
}
