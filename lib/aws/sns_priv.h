/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * SNS, as much of it as connection notifications take: topics with a policy, subscriptions by HTTP and
 * HTTPS, and messages for them, which go to the outbox.
 *
 * Topics and subscriptions are kept as documents under `sns/topic/ARN` and `sns/sub/ARN`; every change
 * is kept first and made then.
 *
 * @threads control
 */

#include <jansson.h>

#include "cv_notify.h"
#include "cv_notify_policy.h"

#include "core_priv.h"

/** Topics of one account, subscriptions of one topic. */
#define SNS_TOPICS_MAX 1000
#define SNS_SUBS_MAX 1000
/** Subscriptions of one account: every event looks at all of them. */
#define SNS_SUBS_OWN_MAX 5000
/** A subscription that nobody confirms is forgotten. */
#define SNS_CONFIRM_SECONDS (3 * 86400)

/** A topic. */
struct sns_topic {
	char *arn, *policy;
	char *display;  /**< attribute DisplayName */
	char *delivery; /**< attribute DeliveryPolicy, JSON; empty: none */
	json_t *tags;   /**< an object of texts */
	char account[13];
	int version; /**< of signatures */
};

/** A subscription. */
struct sns_sub {
	char *arn, *topic;
	char *protocol, *endpoint;
	char *base;     /**< URL of the API, as the subscriber reached it */
	char *token;    /**< confirms it */
	char *delivery; /**< as of a topic */
	char owner[13];
	bool confirmed;
	bool guarded; /**< AuthenticateOnUnsubscribe */
	bool raw;
	int64_t created; /**< seconds since 1970 */
};

/** All of them. */
struct aws_sns {
	struct sns_topic **topics; /**< shape [n_topics] */
	struct sns_sub **subs;     /**< shape [n_subs] */
	uint32_t n_topics, n_subs;
	uint64_t n_events, n_denied; /**< messages of events; those that a policy forbade */
};

/* ---- sns.c: state ---- */

/** Read what is kept. @return 0 or -errno */
int cv_aws_sns_load(struct cv_aws *aws);

/**
 * Read them again, if what is in memory is not what was kept. As long as another call's change is on its way
 * to the disk it would be missing: then later.
 *
 * @threads control
 */
void cv_aws_sns_again(struct cv_aws *aws);

/** Forget all that is in memory. */
void cv_aws_sns_fini(struct aws_sns *sns);

/** A topic by its ARN, NULL if there is none. */
struct sns_topic *cv_aws_sns_topic(const struct aws_sns *sns, const char *arn);

/** Check that a parameter is an ARN at all. @return as cv_aws_fail() */
int cv_aws_sns_arn_check(struct aws_call *call, const char *param);

/** Fail since there is no topic of the ARN that the request gives as TopicArn, or as TargetArn.
 * @return as cv_aws_fail() */
int cv_aws_sns_no_topic(struct aws_call *call);

/** Find a topic that the caller owns. @return NULL: the call has failed */
struct sns_topic *cv_aws_sns_topic_own(struct aws_call *call, const char *arn);

/** A subscription by its ARN, NULL if there is none. */
struct sns_sub *cv_aws_sns_sub(const struct aws_sns *sns, const char *arn);

/** Keep a topic as it is in *topic, and put it among the others if it is new: then it is theirs.
 * @return 0, or what cv_aws_fail() returns */
int cv_aws_sns_topic_put(struct aws_call *call, struct sns_topic *topic);

/** The same for a subscription. */
int cv_aws_sns_sub_put(struct aws_call *call, struct sns_sub *sub);

/** Remove and free. @return 0, or what cv_aws_fail() returns */
int cv_aws_sns_topic_drop(struct aws_call *call, struct sns_topic *topic);
int cv_aws_sns_sub_drop(struct aws_call *call, struct sns_sub *sub);

/** Free one that was not put. */
void cv_aws_sns_topic_free(struct sns_topic *topic);
void cv_aws_sns_sub_free(struct sns_sub *sub);

/** What one message says. */
struct sns_text {
	const char *type, *subject, *message, *token;
	const char *id; /**< cv_aws_sns_id() */
};

/** A fresh id of a message, in memory of the call. */
const char *cv_aws_sns_id(struct aws_call *call);

/** Put a message for one subscription into the outbox. @return 0, or what cv_aws_fail() returns */
int cv_aws_sns_send(struct aws_call *call, const struct sns_topic *topic, const struct sns_sub *sub,
		    const struct sns_text *text);

/** The same for all confirmed subscriptions of a topic. */
int cv_aws_sns_publish(struct aws_call *call, const struct sns_topic *topic,
		       const struct sns_text *text);

/** Write an entry of a map of attributes. */
void cv_aws_sns_entry(struct aws_call *call, const char *key, const char *value);

/* ---- sns_delivery.c ---- */

/** Set a delivery policy, if AWS would take it. @param value  empty: none @return 0, or what
 * cv_aws_fail() returns */
int cv_aws_sns_delivery_set(struct aws_call *call, bool of_topic, char **field, const char *value);

/** Check what a subscription's policy says against its other attributes. @return as above */
int cv_aws_sns_delivery_check(struct aws_call *call, const struct sns_sub *sub);

/** How a message is delivered. @param retry  what ret_policy->retry may point to */
void cv_aws_sns_delivery(const struct sns_topic *topic, const struct sns_sub *sub,
			 struct cv_notify_retry *retry, struct cv_notify_policy *ret_policy);

/** Write the policy as given and as it counts, as attributes. @param sub  NULL: the topic's */
void cv_aws_sns_delivery_tell(struct aws_call *call, const struct sns_topic *topic,
			      const struct sns_sub *sub);

/** Tell whether two texts are the same JSON. */
bool cv_aws_sns_json_same(const char *a, const char *b);

/* ---- sns_tags.c ---- */

/** Add the tags that a request gives. @return 0, or what cv_aws_fail() returns */
int cv_aws_sns_tags_set(struct aws_call *call, struct sns_topic *topic);

/** Check that the tags that a request gives, if any, are those that there are. @return as above */
int cv_aws_sns_tags_same(struct aws_call *call, const struct sns_topic *topic);

/* ---- sns_policy.c ---- */

/** Who asks for what. */
struct sns_ask {
	const char *service;   /**< such as `vpce.amazonaws.com`; NULL: an account */
	const char *account;   /**< 12 digits; with a service, aws:SourceAccount */
	const char *principal; /**< ARN; NULL with a service */
	const char *source;    /**< aws:SourceArn; NULL: none */
	const char *action;    /**< `SNS:Publish` */
	const char *resource;  /**< ARN of the topic */
};

/** Tell whether a policy allows something: one statement does, and none denies it. */
bool cv_aws_sns_policy_allows(const char *policy, const struct sns_ask *ask);

/** Tell whether a text is a policy. @return NULL, or what is wrong */
const char *cv_aws_sns_policy_check(const char *policy);

/** The policy that a topic has from the beginning: its owner may do everything. */
const char *cv_aws_sns_policy_first(struct aws_call *call, const char *topic);
