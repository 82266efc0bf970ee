/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: notifications of connections, kept with the service or endpoint that they are about. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cv_model_note.h"

#include "ec2_priv.h"

#define EVENTS_ALL                                                                \
	(CV_MODEL_EVENT_ACCEPT | CV_MODEL_EVENT_CONNECT | CV_MODEL_EVENT_DELETE | \
	 CV_MODEL_EVENT_REJECT)

/* ---- answers ---- */

/* A notification, and the resource that has it. */
struct place {
	enum cv_model_kind kind;
	uint32_t idx;
	const struct cv_model_meta *meta;
	const char *id; /* of the resource */
	struct cv_model_notification notification;
};

static void notification_write(struct aws_call *call, const struct place *place)
{
	struct cv_xml *out = call->out;

	cv_xml_str(out, "connectionNotificationId", place->notification.id);
	cv_xml_str(out, place->kind == CV_MODEL_SERVICE ? "serviceId" : "vpcEndpointId", place->id);
	cv_xml_str(out, "connectionNotificationType", "Topic");
	cv_xml_str(out, "connectionNotificationArn", place->notification.topic);
	cv_xml_open(out, "connectionEvents");
	for (unsigned int event = 1; event <= EVENTS_ALL; event <<= 1) {
		if ((place->notification.events & event) != 0)
			cv_xml_item_str(out, cv_model_event_str(event));
	}
	cv_xml_close(out);
	cv_xml_str(out, "connectionNotificationState", "Enabled");
}

/* ---- walking ---- */

/* The next resource of the caller's that may have notifications: services, then endpoints. */
static bool resource_next(const struct aws_call *call, struct place *place)
{
	const struct cv_model *model = call->model;

	for (;;) {
		uint32_t n =
			place->kind == CV_MODEL_SERVICE ? model->n_services : model->n_endpoints;

		place->idx++;
		if (place->idx >= n) {
			if (place->kind == CV_MODEL_ENDPOINT)
				return false;
			place->kind = CV_MODEL_ENDPOINT;
			place->idx = CV_MODEL_NONE;
			continue;
		}
		place->meta = cv_model_meta(model, place->kind, place->idx, 0);
		if (place->meta->gone || place->meta->n_attrs == 0 ||
		    cv_model_owner(model, place->kind, place->idx) != call->account)
			continue;
		place->id = place->kind == CV_MODEL_SERVICE ? model->services[place->idx].id
							    : model->endpoints[place->idx].id;
		return true;
	}
}

#define PLACE_FIRST                                            \
	{                                                      \
		.kind = CV_MODEL_SERVICE, .idx = CV_MODEL_NONE \
	}

static int notification_find(struct aws_call *call, const char *id, struct place *place)
{
	*place = (struct place)PLACE_FIRST;
	while (resource_next(call, place)) {
		for (uint32_t i = 0; cv_model_notification_at(place->meta, i, &place->notification);
		     i++) {
			if (strcmp(place->notification.id, id) == 0)
				return 0;
		}
	}
	return cv_aws_fail(call, "InvalidConnectionNotification",
			   "The connection notification '%.64s' does not exist", id);
}

/* ---- what requests say ---- */

static int topic_check(struct aws_call *call, const char *topic)
{
	/* arn:aws:sns:REGION:ACCOUNT:NAME */
	const char *prefix = cv_aws_fmt(call, "arn:aws:sns:%s:", call->region);
	size_t len = strlen(prefix);

	if (strncmp(topic, prefix, len) == 0 && strspn(topic + len, "0123456789") == 12 &&
	    topic[len + 12] == ':' && topic[len + 13] != '\0' &&
	    strchr(topic + len + 13, ':') == NULL && strchr(topic, ' ') == NULL)
		return 0;
	return cv_aws_fail(call, "InvalidParameter", "'%.150s' is no ARN of an SNS topic in %s",
			   topic, call->region);
}

static int events_read(struct aws_call *call, unsigned int *ret_events)
{
	uint32_t n;
	const char *const *words = cv_aws_strs(call, "ConnectionEvents", &n);
	unsigned int events = 0;

	for (uint32_t i = 0; i < n; i++) {
		unsigned int event = cv_model_event_parse(words[i]);

		if (event == 0)
			return cv_aws_fail(
				call, "InvalidParameter",
				"'%.64s' is no connection event: Accept, Connect, Delete "
				"or Reject",
				words[i]);
		if ((events & event) != 0)
			return cv_aws_fail(call, "InvalidParameter",
					   "The connection event %s is there twice", words[i]);
		events |= event;
	}
	if (n > 0)
		*ret_events = events;
	return 0;
}

/* The one resource that a notification is to be about. */
static int subject_read(struct aws_call *call, struct place *place)
{
	const char *service = cv_query_str(&call->params, "ServiceId");
	const char *endpoint = cv_query_str(&call->params, "VpcEndpointId");

	if ((service == NULL) == (endpoint == NULL))
		return cv_aws_fail(call, "InvalidParameterCombination",
				   "The request must contain either ServiceId or VpcEndpointId");
	place->kind = service != NULL ? CV_MODEL_SERVICE : CV_MODEL_ENDPOINT;
	place->id = service != NULL ? service : endpoint;
	return cv_aws_ec2_find(call, service != NULL ? &cv_aws_ec2_service : &cv_aws_ec2_endpoint,
			       place->id, &place->idx);
}

static int notification_set(struct aws_call *call, const struct place *place)
{
	struct cv_model_errs errs = {0};
	int ret = cv_model_notification_set(call->model, &call->by, place->kind, place->id,
					    &place->notification, &errs);

	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret;
}

/* ---- the actions ---- */

static int create_notification(struct aws_call *call)
{
	struct place place;
	int ret = subject_read(call, &place);

	place.notification.topic = cv_query_str(&call->params, "ConnectionNotificationArn");
	snprintf(place.notification.id, sizeof(place.notification.id), "%s",
		 cv_aws_ec2_id(call, "vpce-nfn-"));
	if (ret == 0)
		ret = topic_check(call, place.notification.topic);
	if (ret == 0)
		ret = events_read(call, &place.notification.events);
	if (ret == 0)
		ret = cv_aws_sns_topic_check(call, place.notification.topic,
					     cv_aws_sns_source(call, place.kind, place.idx));
	if (ret == 0)
		ret = cv_aws_dry(call);
	if (ret == 0)
		ret = notification_set(call, &place);
	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "connectionNotification");
	notification_write(call, &place);
	cv_xml_close(call->out);
	cv_xml_str(call->out, "clientToken", cv_query_str(&call->params, "ClientToken"));
	return 0;
}

static bool notification_passes(const struct aws_call *call, const struct place *place)
{
	bool service = place->kind == CV_MODEL_SERVICE;

	return cv_aws_filter(call, "connection-notification-id", place->notification.id) &&
	       cv_aws_filter(call, "connection-notification-arn", place->notification.topic) &&
	       cv_aws_filter(call, "connection-notification-state", "Enabled") &&
	       cv_aws_filter(call, "connection-notification-type", "Topic") &&
	       cv_aws_filter(call, "service-id", service ? place->id : NULL) &&
	       cv_aws_filter(call, "vpc-endpoint-id", service ? NULL : place->id);
}

static int describe_notifications(struct aws_call *call)
{
	const char *id = cv_query_str(&call->params, "ConnectionNotificationId");
	struct place place;

	if (id != NULL && notification_find(call, id, &place) < 0)
		return -EINVAL;
	cv_aws_ec2_page_bound(call);
	place = (struct place)PLACE_FIRST;
	cv_xml_open(call->out, "connectionNotificationSet");
	while (resource_next(call, &place)) {
		for (uint32_t i = 0; cv_model_notification_at(place.meta, i, &place.notification);
		     i++) {
			if ((id != NULL && strcmp(place.notification.id, id) != 0) ||
			    !notification_passes(call, &place) ||
			    !cv_aws_page_key(call, place.notification.id, NULL))
				continue;
			cv_xml_item(call->out);
			notification_write(call, &place);
			cv_xml_close(call->out);
		}
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

static int modify_notification(struct aws_call *call)
{
	const char *topic = cv_query_str(&call->params, "ConnectionNotificationArn");
	struct place place;
	int ret = notification_find(call, cv_query_str(&call->params, "ConnectionNotificationId"),
				    &place);

	if (ret == 0)
		ret = events_read(call, &place.notification.events);
	if (ret == 0 && topic != NULL)
		ret = topic_check(call, topic);
	if (ret == 0 && topic != NULL)
		ret = cv_aws_sns_topic_check(call, topic,
					     cv_aws_sns_source(call, place.kind, place.idx));
	if (ret == 0)
		ret = cv_aws_dry(call);
	if (ret < 0)
		return ret;
	/* The old one's text goes while the new one is set. */
	place.notification.topic =
		cv_aws_fmt(call, "%s", topic != NULL ? topic : place.notification.topic);
	ret = notification_set(call, &place);
	return ret < 0 ? ret : cv_aws_ec2_true(call);
}

static int delete_notifications(struct aws_call *call)
{
	uint32_t n;
	const char *const *ids = cv_aws_strs(call, "ConnectionNotificationId", &n);
	struct place at;

	for (uint32_t i = 0; i < n && cv_aws_bool(&call->params, "DryRun", false); i++) {
		if (notification_find(call, ids[i], &at) < 0)
			return -EINVAL;
	}
	if (cv_aws_dry(call) < 0)
		return -EINVAL;
	cv_xml_open(call->out, "unsuccessful");
	for (uint32_t i = 0; i < n; i++) {
		struct cv_model_errs errs = {0};
		struct place place;
		int ret = notification_find(call, ids[i], &place);

		if (ret < 0) {
			cv_aws_ec2_failed(call, ids[i], NULL, ret);
			continue;
		}
		ret = cv_model_notification_remove(call->model, &call->by, place.kind, place.id,
						   ids[i], &errs);
		if (ret < 0)
			cv_aws_ec2_failed(call, ids[i], &errs, ret);
		cv_model_errs_fini(&errs);
	}
	cv_xml_close(call->out);
	return 0;
}

/* ---- the table ---- */

static const struct aws_param create_params[] = {
	AWS_DRY_RUN,
	AWS_CLIENT_TOKEN,
	AWS_ID("ServiceId", 0),
	AWS_ID("VpcEndpointId", 0),
	AWS_STR("ConnectionNotificationArn", AWS_REQUIRED, 1, 512),
	AWS_STR("ConnectionEvents.N", AWS_REQUIRED, 1, 64),
};
static const struct aws_param describe_params[] = {
	AWS_DRY_RUN, AWS_FILTERS, AWS_ID("ConnectionNotificationId", 0), EC2_PAGES(1)};
static const char *const describe_filters[] = {"connection-notification-arn",
					       "connection-notification-id",
					       "connection-notification-state",
					       "connection-notification-type",
					       "service-id",
					       "vpc-endpoint-id",
					       NULL};
static const struct aws_param modify_params[] = {
	AWS_DRY_RUN,
	AWS_ID("ConnectionNotificationId", AWS_REQUIRED),
	AWS_STR("ConnectionNotificationArn", 0, 1, 512),
	AWS_STR("ConnectionEvents.N", 0, 1, 64),
};
static const struct aws_param delete_params[] = {
	AWS_DRY_RUN, AWS_ID("ConnectionNotificationId.N", AWS_REQUIRED)};

/* What is told of a notification, below an element. */
#define NOTIFICATION(at)                                                         \
	at ".connectionNotificationId " at ".serviceId " at ".vpcEndpointId " at \
	   ".connectionNotificationType " at ".connectionNotificationArn " at    \
	   ".connectionEvents " at ".connectionNotificationState "

static const struct aws_action actions[] = {
	{
		.name = "CreateVpcEndpointConnectionNotification",
		.handle = create_notification,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(create_params),
		.answers = NOTIFICATION("connectionNotification") "clientToken",
	},
	{
		.name = "DeleteVpcEndpointConnectionNotifications",
		.handle = delete_notifications,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(delete_params),
		.answers = EC2_UNSUCCESSFUL,
	},
	{
		.name = "DescribeVpcEndpointConnectionNotifications",
		.handle = describe_notifications,
		AWS_PARAMS(describe_params),
		.filters = describe_filters,
		.page_default = EC2_PAGE_MAX,
		.answers = NOTIFICATION("connectionNotificationSet") "nextToken",
	},
	{
		.name = "ModifyVpcEndpointConnectionNotification",
		.handle = modify_notification,
		.flags = AWS_CHANGES | AWS_TRIES,
		AWS_PARAMS(modify_params),
		.answers = "return",
	},
};

const struct aws_group cv_aws_ec2_notify_group = {AWS_EC2, actions, CV_ARRAY_LEN(actions)};
