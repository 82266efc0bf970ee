/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What is only kept of services, endpoints and security groups: attributes that no rule looks at, and,
 * made of them, who is to be notified of connections. They live in struct cv_model_meta's attrs, so they
 * are stored with their resource and go with it.
 *
 * @threads as the model
 */

#include "cv_model_ops.h"

/** Bytes of a value at most. */
#define CV_MODEL_NOTE_LEN 1024

/**
 * Set or remove a kept attribute; of resources from the file notifications only.
 *
 * @param kind  CV_MODEL_SERVICE, CV_MODEL_ENDPOINT, CV_MODEL_SG
 * @param note  key and value; value NULL: removed, if it is there
 * @return as the operations of cv_model_change.h
 */
int cv_model_note_set(struct cv_model *model, const struct cv_model_by *by, enum cv_model_kind kind,
		      const char *ref, const struct cv_model_tag *note, struct cv_model_errs *errs);

/** A kept attribute's value; NULL if it is not there. */
const char *cv_model_note(const struct cv_model_meta *meta, const char *key);

/** What a notification is about; bits of struct cv_model_notification's events. */
enum cv_model_event {
	CV_MODEL_EVENT_ACCEPT = 1,
	CV_MODEL_EVENT_CONNECT = 2,
	CV_MODEL_EVENT_DELETE = 4,
	CV_MODEL_EVENT_REJECT = 8,
};

/** A connection notification of a service, or of an endpoint. */
struct cv_model_notification {
	char id[32];         /**< `vpce-nfn-` + 17 hex */
	const char *topic;   /**< ARN; as long as the model is not changed */
	unsigned int events; /**< of enum cv_model_event */
};

/** AWS's word for one event. @return NULL if it is none */
const char *cv_model_event_str(unsigned int event);

/** The event of AWS's word, 0 if there is none. */
unsigned int cv_model_event_parse(const char *word);

/**
 * The i-th notification of a service or endpoint.
 *
 * @return false past the last
 */
bool cv_model_notification_at(const struct cv_model_meta *meta, uint32_t i,
			      struct cv_model_notification *ret_notification);

/**
 * Make or change a notification.
 *
 * @param kind  CV_MODEL_SERVICE or CV_MODEL_ENDPOINT
 * @param ref   id of the resource
 * @return as the operations of cv_model_change.h
 */
int cv_model_notification_set(struct cv_model *model, const struct cv_model_by *by,
			      enum cv_model_kind kind, const char *ref,
			      const struct cv_model_notification *notification,
			      struct cv_model_errs *errs);

/** End a notification. @return as the operations of cv_model_change.h */
int cv_model_notification_remove(struct cv_model *model, const struct cv_model_by *by,
				 enum cv_model_kind kind, const char *ref, const char *id,
				 struct cv_model_errs *errs);
