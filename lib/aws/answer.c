/* SPDX-License-Identifier: BSD-3-Clause */

/* Answers in the two shapes of XML. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core_priv.h"

#define TYPE_EC2 "text/xml;charset=UTF-8"
#define TYPE_QUERY "text/xml"

static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/* By EC2, and by the others: 400, if it is not here. */
static const struct {
	const char *code;
	unsigned int ec2, query;
} statuses[] = {
	{"AuthFailure", 401, 401},
	{"AuthorizationError", 403, 403},
	{"DryRunOperation", 412, 412},
	{"HealthUnavailable", 500, 500},
	{"InternalError", 500, 500},
	{"InternalFailure", 500, 500},
	{"InvalidClientTokenId", 403, 403},
	{"MissingAuthenticationToken", 403, 403},
	{"NotFound", 404, 404},
	{"OptInRequired", 401, 403},
	{"RequestLimitExceeded", 503, 503},
	{"ResourceNotFound", 404, 404},
	{"ServiceUnavailable", 503, 503},
	{"SignatureDoesNotMatch", 403, 403},
	{"SubscriptionLimitExceeded", 403, 403},
	{"TopicLimitExceeded", 403, 403},
	{"Unavailable", 503, 503},
	{"UnauthorizedOperation", 403, 403},
};

unsigned int cv_aws_status(const struct aws_service *service, const char *code)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(statuses); i++) {
		if (strcmp(statuses[i].code, code) == 0)
			return service->ec2 ? statuses[i].ec2 : statuses[i].query;
	}
	return 400;
}

static void request_id_make(char *id)
{
	uint8_t b[16] = {0};

	/* Only a name: without random numbers all requests have the same one. */
	if (getrandom(b, sizeof(b), GRND_NONBLOCK) < 0)
		memset(b, 0, sizeof(b));
	snprintf(id, CV_AWS_REQUEST_ID_LEN,
		 "%02x%02x%02x%02x-%02x%02x-4%x%02x-%x%x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		 b[2], b[3], b[4], b[5], b[6] & 15, b[7], 8 | (b[8] & 3), b[8] >> 4, b[9], b[10],
		 b[11], b[12], b[13], b[14], b[15]);
}

static void answer_take(struct cv_xml *xml, const struct aws_service *service, unsigned int status,
			struct cv_aws_answer *answer)
{
	answer->status = status;
	answer->type = service->ec2 ? TYPE_EC2 : TYPE_QUERY;
	answer->text = cv_xml_take(xml, &answer->len);
}

void cv_aws_answer_make(const struct aws_call *call, const char *inside, size_t len,
			struct cv_aws_answer *answer)
{
	const struct aws_service *service = call->service;
	char root[128], result[128];
	struct cv_xml xml;

	request_id_make(answer->request_id);
	snprintf(root, sizeof(root), "%sResponse", call->action->name);
	snprintf(result, sizeof(result), "%sResult", call->action->name);
	cv_xml_init(&xml, "");
	cv_xml_raw(&xml, declaration, sizeof(declaration) - 1);
	cv_xml_open_ns(&xml, root, service->ns);
	if (service->ec2) {
		cv_xml_str(&xml, "requestId", answer->request_id);
		cv_xml_raw(&xml, inside, len);
	} else {
		cv_xml_open(&xml, result);
		cv_xml_raw(&xml, inside, len);
		cv_xml_close(&xml);
		cv_xml_open(&xml, "ResponseMetadata");
		cv_xml_str(&xml, "RequestId", answer->request_id);
		cv_xml_close(&xml);
	}
	cv_xml_close(&xml);
	answer_take(&xml, service, 200, answer);
}

void cv_aws_answer_error(const struct aws_service *service, unsigned int status, const char *code,
			 const char *text, struct cv_aws_answer *answer)
{
	struct cv_xml xml;

	if (status == 0)
		status = cv_aws_status(service, code);
	request_id_make(answer->request_id);
	cv_xml_init(&xml, "");
	cv_xml_raw(&xml, declaration, sizeof(declaration) - 1);
	if (service->ec2) {
		cv_xml_open(&xml, "Response");
		cv_xml_open(&xml, "Errors");
	} else {
		cv_xml_open_ns(&xml, "ErrorResponse", service->ns);
	}
	cv_xml_open(&xml, "Error");
	if (!service->ec2)
		cv_xml_str(&xml, "Type", status < 500 ? "Sender" : "Receiver");
	cv_xml_str(&xml, "Code", code);
	cv_xml_str(&xml, "Message", text);
	cv_xml_close(&xml);
	if (service->ec2)
		cv_xml_close(&xml);
	cv_xml_str(&xml, service->ec2 ? "RequestID" : "RequestId", answer->request_id);
	cv_xml_close(&xml);
	answer_take(&xml, service, status, answer);
}
