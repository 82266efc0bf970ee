/* SPDX-License-Identifier: BSD-3-Clause */

/* DNS names, from ids alone: so they stay what they are through every change. */

#include <stdio.h>
#include <string.h>

#include "cv_base.h"
#include "cv_model_names.h"

/* Characters of an endpoint's name that its id does not tell. */
#define SUFFIX_LEN 8

static void suffix_get(const char *id, char *buf)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	uint64_t hash = cv_siphash(id, strlen(id), 0x646e73, 0x6e616d65);

	for (int i = 0; i < SUFFIX_LEN; i++, hash /= sizeof(digits) - 1)
		buf[i] = digits[hash % (sizeof(digits) - 1)];
	buf[SUFFIX_LEN] = '\0';
}

/* What follows the last of a character, or all. */
static const char *after(const char *text, char c)
{
	const char *last = strrchr(text, c);

	return last != NULL ? last + 1 : text;
}

const char *cv_model_endpoint_zone_dns(const struct cv_model *model, char *buf)
{
	snprintf(buf, CV_MODEL_DNS_LEN, "%s.vpce.amazonaws.com", model->region);
	return buf;
}

const char *cv_model_lb_zone_dns(const struct cv_model *model, char *buf)
{
	snprintf(buf, CV_MODEL_DNS_LEN, "elb.%s.amazonaws.com", model->region);
	return buf;
}

const char *cv_model_endpoint_dns(const struct cv_model *model, uint32_t endpoint, uint32_t eni,
				  char *buf)
{
	const struct cv_model_endpoint *e = &model->endpoints[endpoint];
	const char *zone =
		eni != CV_MODEL_NONE ? model->subnets[e->enis[eni].subnet].zone_name : NULL;
	char suffix[SUFFIX_LEN + 1];

	suffix_get(e->id, suffix);
	snprintf(buf, CV_MODEL_DNS_LEN, "%s-%s%s%s.%s.%s.vpce.amazonaws.com", e->id, suffix,
		 zone != NULL ? "-" : "", zone != NULL ? zone : "", after(e->service_name, '.'),
		 model->region);
	return buf;
}

const char *cv_model_lb_dns(const struct cv_model *model, uint32_t lb, uint32_t node, char *buf)
{
	const struct cv_model_lb *l = &model->lbs[lb];
	const char *zone =
		node != CV_MODEL_NONE ? model->subnets[l->nodes[node].subnet].zone_name : NULL;

	snprintf(buf, CV_MODEL_DNS_LEN, "%s%s%s-%s.elb.%s.amazonaws.com", zone != NULL ? zone : "",
		 zone != NULL ? "." : "", l->name, after(l->arn, '/'), model->region);
	return buf;
}

const char *cv_model_service_dns(const struct cv_model *model, uint32_t service, char *buf)
{
	snprintf(buf, CV_MODEL_DNS_LEN, "%s.%s.vpce.amazonaws.com", model->services[service].id,
		 model->region);
	return buf;
}
