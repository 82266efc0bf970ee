/* SPDX-License-Identifier: BSD-3-Clause */

/* What of DNS follows from ids, beside the names. */

#include "cv_model_dns.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cv_base.h"
#include "model_change_priv.h"

/* AWS's own id of the zone in which us-east-1 has the names of its endpoints. */
#define HOSTED_ZONE_US_EAST_1 "Z7HUB22UULQXV"
#define SERVER_OFFSET 2

static const char lower[] = "abcdefghijklmnopqrstuvwxyz0123456789";
static const char upper[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* n characters that look random and follow from a text. */
static void chars_derive(const char *alphabet, const char *basis, const char *use, uint32_t n,
			 char *buf)
{
	uint64_t seed = cv_siphash(use, strlen(use), 1, 2);

	for (uint32_t i = 0; i < n; i++) {
		uint64_t hash = cv_siphash(basis, strlen(basis), seed, i);

		buf[i] = alphabet[hash % (sizeof(lower) - 1)];
	}
	buf[n] = '\0';
}

cv_be32_t cv_model_dns_server(const struct cv_model_vpc *vpc)
{
	return cv_be32(cv_be32_host(vpc->cidrs[0].addr) + SERVER_OFFSET);
}

bool cv_model_dns_has(const struct cv_model_vpc *vpc, cv_be32_t addr)
{
	return addr == cv_be32(CV_MODEL_DNS_LINK_LOCAL) || addr == cv_model_dns_server(vpc);
}

const char *cv_model_hosted_zone(const char *basis, char *buf)
{
	if (strcmp(basis, "us-east-1") == 0) {
		snprintf(buf, CV_MODEL_HOSTED_ZONE_LEN, "%s", HOSTED_ZONE_US_EAST_1);
		return buf;
	}
	buf[0] = 'Z';
	chars_derive(upper, basis, "zone", 12, buf + 1);
	return buf;
}

void cv_model_dns_proof(const struct cv_model_service *service, char *name, char *value)
{
	char basis[320];

	snprintf(basis, sizeof(basis), "%.40s/%.255s", service->id,
		 service->private_dns_name != NULL ? service->private_dns_name : "");
	name[0] = '_';
	chars_derive(lower, basis, "proof name", 20, name + 1);
	memcpy(value, "vpce:", 5);
	chars_derive(lower, basis, "proof value", 20, value + 5);
}

int cv_model_dns_state_set(struct cv_model *model, const struct cv_model_by *by,
			   const char *service, enum cv_model_dns_state state,
			   struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SERVICE};
	uint32_t idx;

	cv_model_begin(&ctx, by);
	idx = cv_model_subject(&ctx, CV_MODEL_SERVICE, service);
	if (idx == CV_MODEL_NONE)
		return cv_model_end(&ctx);
	if (model->services[idx].private_dns_name == NULL)
		cv_model_err(&ctx, EINVAL, "InvalidParameter", "private_dns_name",
			     "The service %s has no private DNS name to be verified", service);
	else if (model->services[idx].dns_state != state)
		cv_model_touch(&ctx, CV_MODEL_SERVICE, idx);
	if (ctx.ret == 0)
		model->services[idx].dns_state = state;
	return cv_model_end(&ctx);
}
