/* SPDX-License-Identifier: BSD-3-Clause */

/* What happens to connections, told to the topics of their notifications. */

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cv_model_change.h"
#include "cv_model_note.h"

#include "sns_priv.h"

#define VPCE "vpce.amazonaws.com"

/* An event of a connection. */
struct event {
	uint32_t endpoint;
	const char *word; /* Connect, Accept, Reject, Delete */
	unsigned int bit;
};

/* The service or endpoint whose notification it is. */
struct whose {
	const struct cv_model_meta *meta;
	const char *account, *arn;
};

static bool may_publish(const struct sns_topic *topic, const char *account, const char *source)
{
	const struct sns_ask ask = {
		.service = VPCE,
		.account = account,
		.source = source,
		.action = "SNS:Publish",
		.resource = topic->arn,
	};

	return cv_aws_sns_policy_allows(topic->policy, &ask);
}

int cv_aws_sns_topic_check(struct aws_call *call, const char *topic_arn, const char *source)
{
	const struct sns_topic *topic;

	if (call->aws->sns == NULL)
		return 0;
	topic = cv_aws_sns_topic(call->aws->sns, topic_arn);
	if (topic == NULL)
		return cv_aws_fail(call, "InvalidParameter", "The topic %.150s does not exist",
				   topic_arn);
	if (!may_publish(topic, call->caller.account_id, source))
		return cv_aws_fail(call, "InvalidParameter",
				   "The policy of the topic %.150s does not let " VPCE
				   " do SNS:Publish for %.150s",
				   topic_arn, source);
	return 0;
}

const char *cv_aws_sns_source(struct aws_call *call, enum cv_model_kind kind, uint32_t idx)
{
	const struct cv_model *model = call->model;
	uint32_t owner = cv_model_owner(model, kind, idx);

	return cv_aws_fmt(call, "arn:aws:ec2:%s:%s:%s/%s", call->region, model->accounts[owner].id,
			  kind == CV_MODEL_SERVICE ? "vpc-endpoint-service" : "vpc-endpoint",
			  kind == CV_MODEL_SERVICE ? model->services[idx].id
						   : model->endpoints[idx].id);
}

/* culvert's own words: AWS does not document its. */
static char *event_text(struct aws_call *call, const struct event *event,
			const struct cv_model_notification *notification)
{
	const struct cv_model *model = call->model;
	const struct cv_model_endpoint *endpoint = &model->endpoints[event->endpoint];
	const struct cv_model_service *service =
		endpoint->service != CV_MODEL_NONE ? &model->services[endpoint->service] : NULL;
	char at[40];
	struct tm tm;
	json_t *json;
	char *text;

	gmtime_r(&call->now, &tm);
	strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json = json_pack("{s:s,s:s,s:s,s:s*,s:s,s:s,s:s,s:s,s:s,s:s}", "EventType", event->word,
			 "ConnectionNotificationId", notification->id, "Region", call->region,
			 "ServiceId", service != NULL ? service->id : NULL, "ServiceName",
			 endpoint->service_name, "VpcEndpointId", endpoint->id, "VpcEndpointOwner",
			 model->accounts[model->vpcs[endpoint->vpc].owner].id, "VpcEndpointState",
			 cv_model_state_str(endpoint->state), "Principal",
			 endpoint->principal != NULL ? endpoint->principal : "", "Timestamp", at);
	text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}

static int notify_one(struct aws_call *call, const struct event *event, const struct whose *whose,
		      const struct cv_model_notification *notification)
{
	struct aws_sns *sns = call->aws->sns;
	const struct sns_topic *topic = cv_aws_sns_topic(sns, notification->topic);
	struct sns_text text = {
		.type = "Notification",
		.subject = cv_aws_fmt(call, "VPC endpoint %s: %s",
				      call->model->endpoints[event->endpoint].id, event->word),
		.id = cv_aws_sns_id(call),
	};
	char *message;
	int ret;

	/* What the policy said when the notification was made may have changed since. */
	if (topic == NULL || !may_publish(topic, whose->account, whose->arn)) {
		sns->n_denied++;
		return 0;
	}
	message = event_text(call, event, notification);
	if (message == NULL)
		return cv_aws_fail(call, "InternalError", "out of memory");
	text.message = message;
	ret = cv_aws_sns_publish(call, topic, &text);
	free(message);
	sns->n_events++;
	return ret;
}

static void notify_all(struct aws_call *call, const struct event *event, enum cv_model_kind kind,
		       uint32_t idx)
{
	const struct cv_model *model = call->model;
	const struct whose whose = {
		.meta = cv_model_meta(model, kind, idx, 0),
		.account = model->accounts[cv_model_owner(model, kind, idx)].id,
		.arn = cv_aws_sns_source(call, kind, idx),
	};
	struct cv_model_notification notification;

	for (uint32_t i = 0; cv_model_notification_at(whose.meta, i, &notification); i++) {
		if ((notification.events & event->bit) != 0 &&
		    notify_one(call, event, &whose, &notification) < 0)
			return;
	}
}

void cv_aws_sns_event(struct aws_call *call, const char *endpoint_id, const char *word)
{
	const struct cv_model *model = call->model;
	const struct event event = {
		.endpoint = cv_model_find(model, CV_MODEL_ENDPOINT, CV_MODEL_NONE, endpoint_id),
		.word = word,
		.bit = cv_model_event_parse(word),
	};

	if (call->aws->sns == NULL || event.endpoint == CV_MODEL_NONE)
		return;
	if (model->endpoints[event.endpoint].service != CV_MODEL_NONE)
		notify_all(call, &event, CV_MODEL_SERVICE,
			   model->endpoints[event.endpoint].service);
	notify_all(call, &event, CV_MODEL_ENDPOINT, event.endpoint);
}

int cv_aws_tell(struct cv_aws *aws, struct cv_ctl *ctl, struct cv_model *model,
		const char *endpoint, const char *word)
{
	struct aws_call call = {
		.model = model,
		.ctl = ctl,
		.ops = &aws->ops,
		.account = CV_MODEL_NONE,
		.region = aws->region,
		.now = aws->now(),
		.aws = aws,
	};
	int ret;

	if (aws->sns == NULL)
		return 0;
	cv_aws_sns_again(aws);
	cv_aws_sns_event(&call, endpoint, word);
	ret = call.err_code != NULL ? -ENOMEM : 0;
	cv_aws_call_fini(&call);
	return ret;
}
