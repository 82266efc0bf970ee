/* SPDX-License-Identifier: BSD-3-Clause */

/* Messages as text: what is signed, what is delivered, what lies in the outbox. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"

#include "notify_priv.h"

static bool is_notification(const struct cv_notify_message *message)
{
	return strcmp(message->type, "Notification") == 0;
}

char *cv_notify_url(const struct cv_notify_message *message, bool confirm)
{
	char *url;
	int len;

	if (confirm)
		len = asprintf(&url, "%s/?Action=ConfirmSubscription&TopicArn=%s&Token=%s",
			       message->base, message->topic,
			       message->token != NULL ? message->token : "");
	else
		len = asprintf(&url, "%s/?Action=Unsubscribe&SubscriptionArn=%s", message->base,
			       message->subscription);
	return len >= 0 ? url : NULL;
}

void cv_notify_url_mask(const char *url, bool public, char *buf, size_t size)
{
	const char *host = strstr(url, "://");
	size_t end, user = 0, at = 0;

	/* The authority: up to the path. What of it names the user ends at its last '@'. */
	host = host != NULL ? host + 3 : url;
	end = strcspn(host, "/?#");
	for (size_t i = 0; i < end; i++)
		user = host[i] == '@' ? i + 1 : user;
	if (user > 0) {
		const char *colon = memchr(host, ':', user);
		int len = (int)(colon != NULL ? colon - url : host + user - 1 - url);

		at = (size_t)snprintf(buf, size, "%.*s%s@", len, url, colon != NULL ? ":****" : "");
		host += user;
	} else {
		at = (size_t)snprintf(buf, size, "%.*s", (int)(host - url), url);
	}
	end = public ? strcspn(host, "?") : strlen(host);
	if (at < size)
		snprintf(buf + at, size - at, "%.*s%s", (int)end, host,
			 host[end] != '\0' ? "?****" : "");
}

char *cv_notify_canonical(const struct cv_notify_message *message)
{
	bool notification = is_notification(message);
	char *url = notification ? NULL : cv_notify_url(message, true);
	const struct {
		const char *name, *value;
	} parts[] = {
		{"Message", message->message},
		{"MessageId", message->id},
		{"Subject", notification ? message->subject : NULL},
		{"SubscribeURL", url},
		{"Timestamp", message->time},
		{"Token", notification ? NULL : message->token},
		{"TopicArn", message->topic},
		{"Type", message->type},
	};
	char *text = NULL;
	size_t len;
	FILE *out = notification || url != NULL ? open_memstream(&text, &len) : NULL;

	for (size_t i = 0; out != NULL && i < CV_ARRAY_LEN(parts); i++) {
		if (parts[i].value != NULL)
			fprintf(out, "%s\n%s\n", parts[i].name, parts[i].value);
	}
	free(url);
	if (out != NULL && fclose(out) != 0) {
		free(text);
		text = NULL;
	}
	return text;
}

char *cv_notify_envelope(struct cv_notify_key *key, const struct cv_notify_message *message)
{
	bool notification = is_notification(message);
	char *canonical = cv_notify_canonical(message);
	char path[CV_NOTIFY_PATH_LEN];
	char *sig =
		canonical != NULL ? cv_notify_sign(key, canonical, message->version, path) : NULL;
	char *url = cv_notify_url(message, !notification);
	char *text = NULL;
	json_t *json = NULL;

	if (sig != NULL && url != NULL)
		json = json_pack("{s:s,s:s,s:s*,s:s,s:s*,s:s,s:s*,s:s,s:s,s:s,s:o,s:s}", "Type",
				 message->type, "MessageId", message->id, "Token",
				 notification ? NULL : message->token, "TopicArn", message->topic,
				 "Subject", notification ? message->subject : NULL, "Message",
				 message->message, "SubscribeURL", notification ? NULL : url,
				 "Timestamp", message->time, "SignatureVersion",
				 message->version == 2 ? "2" : "1", "Signature", sig,
				 "SigningCertURL", json_sprintf("%s%s", message->base, path),
				 "UnsubscribeURL", url);
	if (json != NULL && !notification)
		json_object_del(json, "UnsubscribeURL");
	if (json != NULL)
		text = json_dumps(json, JSON_INDENT(2));
	json_decref(json);
	free(url);
	free(sig);
	free(canonical);
	return text;
}

/* @return NULL: none, or memory ran out */
static json_t *retry_write(const struct cv_notify_policy *policy)
{
	const struct cv_notify_retry *r = policy != NULL ? policy->retry : NULL;

	if (r == NULL)
		return NULL;
	return json_pack("[i,i,i,i,i,i,i]", (int)r->n, (int)r->n_no_delay, (int)r->n_min_delay,
			 (int)r->n_max_delay, (int)r->min_s, (int)r->max_s, (int)r->backoff);
}

/* Whatever is written there: delays end, and tries too. */
static bool retry_read(const json_t *json, struct cv_notify_retry *ret_retry)
{
	uint32_t n[7];

	for (size_t i = 0; i < CV_ARRAY_LEN(n); i++) {
		json_int_t value = json_integer_value(json_array_get(json, i));

		if (value < 0 || value > NOTIFY_WAIT_MAX)
			return false;
		n[i] = (uint32_t)value;
	}
	*ret_retry = (struct cv_notify_retry){
		.n = n[0],
		.n_no_delay = n[1],
		.n_min_delay = n[2],
		.n_max_delay = n[3],
		.min_s = n[4],
		.max_s = n[5],
		.backoff = (enum cv_notify_backoff)n[6],
	};
	return json_array_size(json) == CV_ARRAY_LEN(n) && n[0] <= NOTIFY_RETRIES_MAX &&
	       n[1] + n[2] + n[3] <= n[0] && n[4] >= 1 && n[4] <= n[5] &&
	       n[6] < CV_NOTIFY_BACKOFF_N;
}

char *cv_notify_order(const char *url, bool raw, const struct cv_notify_policy *policy,
		      const struct cv_notify_message *message)
{
	json_t *retry = retry_write(policy);
	json_t *json = json_pack("{s:s,s:b,s:i,s:s,s:s,s:s,s:s*,s:s,s:s,s:s*,s:s,s:s}", "url", url,
				 "raw", raw, "version", message->version, "type", message->type,
				 "id", message->id, "topic", message->topic, "subject",
				 message->subject, "message", message->message, "time",
				 message->time, "token", message->token, "base", message->base,
				 "subscription", message->subscription);
	bool whole = json != NULL && (retry != NULL || policy == NULL || policy->retry == NULL);
	char *text = NULL;

	if (whole && retry != NULL)
		whole = json_object_set(json, "retry", retry) == 0;
	if (whole && policy != NULL && policy->per_second > 0)
		whole = json_object_set_new(json, "rate", json_integer(policy->per_second)) == 0;
	if (whole && policy != NULL && policy->type != NULL)
		whole = json_object_set_new(json, "content", json_string(policy->type)) == 0;
	if (whole)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(retry);
	json_decref(json);
	return text;
}

int cv_notify_order_read(const char *text, struct notify_order *ret_order)
{
	struct notify_order order = {.json = json_loads(text, 0, NULL)};
	struct cv_notify_message *m = &order.message;
	json_int_t rate = 0;
	int raw = 0;

	if (json_unpack(order.json, "{s:s,s:b,s:i,s:s,s:s,s:s,s?s,s:s,s:s,s?s,s:s,s:s,s?I,s?s}",
			"url", &order.url, "raw", &raw, "version", &m->version, "type", &m->type,
			"id", &m->id, "topic", &m->topic, "subject", &m->subject, "message",
			&m->message, "time", &m->time, "token", &m->token, "base", &m->base,
			"subscription", &m->subscription, "rate", &rate, "content",
			&order.type) < 0) {
		json_decref(order.json);
		return -EINVAL;
	}
	order.raw = raw != 0;
	order.has_retry = retry_read(json_object_get(order.json, "retry"), &order.retry);
	order.per_second = rate > 0 && rate <= UINT32_MAX ? (uint32_t)rate : 0;
	*ret_order = order;
	return 0;
}
