/* SPDX-License-Identifier: BSD-3-Clause */

#include "api_priv.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_JSON "application/json"
#define TYPE_PCAPNG "application/x-pcapng"
#define TYPE_PROMETHEUS "text/plain; version=0.0.4; charset=utf-8"

/* A path and who answers it. A path that ends in `/` stands for all below it. */
struct route {
	const char *path;
	const char *methods; /* of the Allow header */
	void (*handle)(const struct cv_api_ops *ops, const struct api_request *request,
		       const char *rest, struct api_answer *answer);
};

static void answer_json(struct api_answer *answer, unsigned int status, json_t *root)
{
	answer->status = status;
	answer->type = TYPE_JSON;
	answer->text = NULL;
	answer->len = 0;
	/* Without a text, the server says that memory ran out. */
	if (root != NULL)
		(void)cv_ctl_json_write(root, &answer->text, &answer->len);
	json_decref(root);
}

static json_t *error_json(unsigned int status, const char *message)
{
	return json_pack("{s:{s:i,s:s}}", "error", "status", (int)status, "message",
			 message != NULL ? message : "");
}

static void answer_error(struct api_answer *answer, unsigned int status, const char *message)
{
	answer_json(answer, status, error_json(status, message));
}

/* An error, and a list of what would have been right, which is taken over. */
static void answer_choice(struct api_answer *answer, unsigned int status, const char *message,
			  json_t *valid)
{
	json_t *root = error_json(status, message);

	if (json_object_set_new(json_object_get(root, "error"), "valid", valid) < 0) {
		json_decref(root);
		root = NULL;
	}
	answer_json(answer, status, root);
}

/* What the operations' codes mean in HTTP, and to people when the operation gives no text. */
static void answer_failure(struct api_answer *answer, int ret, struct cv_ctl_reply *reply)
{
	static const struct {
		int err;
		unsigned int status;
		const char *text;
	} known[] = {
		{EINVAL, 400, "a parameter is not valid"},
		{ENOENT, 404, "there is no such thing"},
		{EBUSY, 409, "somebody else does that now"},
		{EAGAIN, 503, "too many requests wait: try again"},
		{ETIMEDOUT, 504, "the control thread did not answer in time"},
		{ECANCELED, 503, "culvertd is stopping"},
		{ENOMEM, 500, "out of memory"},
	};
	unsigned int status = 500;
	const char *text = strerror(-ret);

	for (size_t i = 0; i < CV_ARRAY_LEN(known); i++) {
		if (known[i].err != -ret)
			continue;
		status = known[i].status;
		text = known[i].text;
	}
	answer_error(answer, status, reply->text != NULL ? reply->text : text);
	free(reply->text);
}

static void answer_reply(struct api_answer *answer, int ret, const char *type,
			 struct cv_ctl_reply *reply)
{
	if (ret < 0) {
		answer_failure(answer, ret, reply);
		return;
	}
	answer->status = 200;
	answer->type = type;
	answer->text = reply->text;
	answer->len = reply->len;
}

/* Append to a list, unless memory ran out before or does so now: a list is whole or NULL. */
static json_t *list_add(json_t *list, json_t *item)
{
	if (list == NULL) {
		json_decref(item);
	} else if (json_array_append_new(list, item) < 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *whats_json(const struct cv_api_ops *ops)
{
	json_t *list = json_array();

	for (const char *const *what = ops->whats; *what != NULL; what++)
		list = list_add(list, json_sprintf("/v1/show/%s", *what));
	return list;
}

static json_t *names_json(const char *const *names)
{
	json_t *list = json_array();

	for (; *names != NULL; names++)
		list = list_add(list, json_string(*names));
	return list;
}

/* A parameter that is a text, and where a question wants it. */
struct text_param {
	const char *name;
	const char **field;
};

static const char unknown[] = "unknown parameter";

/* Puts a text in its place. Tells what is wrong with it, `unknown` if it is none of these, or NULL. */
static const char *text_set(const struct text_param *texts, size_t n, const char *name,
			    const char *value)
{
	if (value == NULL || *value == '\0')
		return "parameter has no value";
	for (size_t i = 0; i < n; i++) {
		if (strcmp(name, texts[i].name) != 0)
			continue;
		if (*texts[i].field != NULL)
			return "parameter is given twice";
		*texts[i].field = value;
		return NULL;
	}
	return unknown;
}

/* As show_set(), for what is no text. */
static const char *setting_set(struct cv_ctl_query *query, const char *name, const char *value)
{
	const struct {
		const char *name;
		uint32_t *field;
		uint32_t max;
		const char *wrong;
	} numbers[] = {
		{"limit", &query->limit, CV_CTL_FLOWS_MAX,
		 "parameter is not a number from 1 to 100000"},
		{"seconds", &query->seconds, CV_CTL_STAGES_SECONDS_MAX,
		 "parameter is not a number from 1 to 10"},
	};

	if (strcmp(name, "stages") == 0) {
		if (query->stages)
			return "parameter is given twice";
		query->stages = true;
		return strcmp(value, "1") == 0 ? NULL : "parameter takes 1 only";
	}
	for (size_t i = 0; i < CV_ARRAY_LEN(numbers); i++) {
		if (strcmp(name, numbers[i].name) != 0)
			continue;
		if (*numbers[i].field != 0)
			return "parameter is given twice";
		if (strspn(value, "0123456789") != strlen(value) || strlen(value) > 6)
			return numbers[i].wrong;
		*numbers[i].field = (uint32_t)strtoul(value, NULL, 10);
		return *numbers[i].field >= 1 && *numbers[i].field <= numbers[i].max
			       ? NULL
			       : numbers[i].wrong;
	}
	return unknown;
}

/* Puts a parameter where a question wants it. Tells what is wrong with it, or NULL. */
typedef const char *param_set_fn(void *query, const char *name, const char *value);

/* Take all parameters of a request; with one that is wrong, answer what it is and which there are. */
static bool params_read(const struct api_request *request, param_set_fn *set, void *query,
			const char *const *names, struct api_answer *answer)
{
	if (request->too_many_params) {
		answer_error(answer, 400, "too many parameters");
		return false;
	}
	for (unsigned int i = 0; i < request->n_params; i++) {
		const char *name = request->params[i].name;
		const char *wrong = set(query, name, request->params[i].value);
		char text[160];

		if (wrong == NULL)
			continue;
		snprintf(text, sizeof(text), "%.60s: %s", name, wrong);
		answer_choice(answer, 400, text, names_json(names));
		return false;
	}
	return true;
}

static const char *show_set(void *arg, const char *name, const char *value)
{
	struct cv_ctl_query *query = arg;
	const struct text_param texts[] = {
		{"endpoint", &query->endpoint},
		{"target", &query->target},
		{"state", &query->state},
	};
	const char *wrong = text_set(texts, CV_ARRAY_LEN(texts), name, value);

	return wrong == unknown ? setting_set(query, name, value) : wrong;
}

static void handle_show(const struct cv_api_ops *ops, const struct api_request *request,
			const char *rest, struct api_answer *answer)
{
	static const char *const names[] = {"endpoint", "target",  "state", "limit",
					    "stages",   "seconds", NULL};
	struct cv_ctl_query query = {.what = rest};
	struct cv_ctl_reply reply = {0};
	const char *const *what = ops->whats;

	while (*what != NULL && strcmp(*what, rest) != 0)
		what++;
	if (*what == NULL) {
		answer_choice(answer, 404, "nothing to show has that name", whats_json(ops));
		return;
	}
	if (params_read(request, show_set, &query, names, answer))
		answer_reply(answer, ops->show(ops->arg, &query, &reply), TYPE_JSON, &reply);
}

static void handle_config(const struct cv_api_ops *ops, const struct api_request *request,
			  const char *rest, struct api_answer *answer)
{
	(void)rest;
	handle_show(ops, request, "config", answer);
}

static void handle_metrics(const struct cv_api_ops *ops, const struct api_request *request,
			   const char *rest, struct api_answer *answer)
{
	struct cv_ctl_reply reply = {0};

	(void)request; /* scrapers may add parameters of their own */
	(void)rest;
	answer_reply(answer, ops->metrics(ops->arg, &reply), TYPE_PROMETHEUS, &reply);
}

static const char *capture_set(void *arg, const char *name, const char *value)
{
	struct cv_ctl_capture_query *query = arg;
	const struct text_param texts[] = {
		{"id", &query->id},         {"endpoint", &query->endpoint},
		{"target", &query->target}, {"client", &query->client},
		{"port", &query->port},     {"snaplen", &query->snaplen},
		{"drops", &query->drops},
	};
	const char *wrong = text_set(texts, CV_ARRAY_LEN(texts), name, value);

	if (wrong != unknown || strcmp(name, "stop") != 0)
		return wrong;
	query->stop = true;
	return strcmp(value, "1") == 0 ? NULL : "parameter takes 1 only";
}

static void handle_capture(const struct cv_api_ops *ops, const struct api_request *request,
			   const char *rest, struct api_answer *answer)
{
	static const char *const names[] = {"id",      "endpoint", "target", "client", "port",
					    "snaplen", "drops",    "stop",   NULL};
	struct cv_ctl_capture_query query = {0};
	struct cv_ctl_reply reply = {0};

	(void)rest;
	if (ops->capture == NULL)
		answer_error(answer, 400, "there is no capture");
	else if (params_read(request, capture_set, &query, names, answer))
		answer_reply(answer, ops->capture(ops->arg, &query, &reply), TYPE_PCAPNG, &reply);
}

static const char *order_set(void *arg, const char *name, const char *value)
{
	struct cv_ctl_order *order = arg;
	const struct text_param texts[] = {
		{"endpoint", &order->endpoint}, {"group", &order->group},
		{"target", &order->target},     {"load-balancer", &order->load_balancer},
		{"zone", &order->zone},
	};

	return text_set(texts, CV_ARRAY_LEN(texts), name, value);
}

static void handle_act(const struct cv_api_ops *ops, const struct api_request *request,
		       const char *rest, struct api_answer *answer)
{
	static const char *const names[] = {"endpoint",      "group", "target",
					    "load-balancer", "zone",  NULL};
	struct cv_ctl_order order = {.verb = rest};
	struct cv_ctl_reply reply = {0};

	if (ops->act == NULL)
		answer_error(answer, 404, "nothing can be done here");
	else if (params_read(request, order_set, &order, names, answer))
		answer_reply(answer, ops->act(ops->arg, &order, &reply), TYPE_JSON, &reply);
}

static const char *events_set(void *arg, const char *name, const char *value)
{
	struct cv_ctl_events_query *query = arg;
	uint64_t wait = query->wait;
	const struct {
		const char *name;
		uint64_t *field;
	} numbers[] = {
		{"boot", &query->boot},
		{"after", &query->after},
		{"since", &query->since_ms},
		{"wait", &wait},
	};

	if (value == NULL || *value == '\0')
		return "parameter has no value";
	for (size_t i = 0; i < CV_ARRAY_LEN(numbers); i++) {
		if (strcmp(name, numbers[i].name) != 0)
			continue;
		if (strspn(value, "0123456789") != strlen(value) || strlen(value) > 19)
			return "parameter is not a number";
		*numbers[i].field = strtoull(value, NULL, 10);
		if (wait > CV_CTL_EVENTS_WAIT_MAX)
			return "so many seconds are too long";
		query->wait = (uint32_t)wait;
		return NULL;
	}
	return unknown;
}

static void handle_events(const struct cv_api_ops *ops, const struct api_request *request,
			  const char *rest, struct api_answer *answer)
{
	static const char *const names[] = {"boot", "after", "since", "wait", NULL};
	struct cv_ctl_events_query query = {0};
	struct cv_ctl_reply reply = {0};

	(void)rest;
	if (ops->events == NULL)
		answer_error(answer, 400, "there are no events");
	else if (params_read(request, events_set, &query, names, answer))
		answer_reply(answer, ops->events(ops->arg, &query, &reply), TYPE_JSON, &reply);
}

static const struct route routes[] = {
	{"/metrics", "GET, HEAD", handle_metrics}, {"/v1/config", "GET, HEAD", handle_config},
	{"/v1/capture", "GET", handle_capture},    {"/v1/events", "GET", handle_events},
	{"/v1/show/", "GET, HEAD", handle_show},   {"/v1/act/", "POST", handle_act},
};

static const struct route *route_find(const char *path, const char **ret_rest)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(routes); i++) {
		const char *own = routes[i].path;
		size_t len = strlen(own);
		bool below = own[len - 1] == '/';

		if (below ? strncmp(path, own, len) != 0 : strcmp(path, own) != 0)
			continue;
		*ret_rest = path + len;
		return &routes[i];
	}
	return NULL;
}

/* Tell whether a list such as "GET, HEAD" names a method. */
static bool is_listed(const char *list, const char *method)
{
	size_t len = strlen(method);

	while (len > 0 && *list != '\0') {
		size_t word = strcspn(list, ",");

		if (word == len && strncmp(list, method, len) == 0)
			return true;
		list += word;
		list += strspn(list, ", ");
	}
	return false;
}

void cv_api_route(const struct cv_api_ops *ops, const struct api_request *request,
		  struct api_answer *ret_answer)
{
	const char *rest;
	const struct route *route = route_find(request->path, &rest);

	*ret_answer = (struct api_answer){.status = 500, .type = TYPE_JSON};
	if (route == NULL) {
		json_t *valid = whats_json(ops);

		for (size_t i = 0; i < CV_ARRAY_LEN(routes); i++) {
			if (routes[i].handle != handle_show)
				valid = list_add(valid, json_string(routes[i].path));
		}
		answer_choice(ret_answer, 404, "no such path", valid);
	} else if (!is_listed(route->methods, request->method)) {
		answer_error(ret_answer, 405, "the path does not take that method");
		ret_answer->allow = route->methods;
	} else {
		route->handle(ops, request, rest, ret_answer);
	}
}
