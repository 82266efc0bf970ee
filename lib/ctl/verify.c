/* SPDX-License-Identifier: BSD-3-Clause */

#include "verify_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cv_dns_lookup.h"
#include "cv_model_dns.h"

/* Names that are looked for at a time; others wait. */
#define LOOKS_MAX 16
/* So long after none could be looked for it is tried again. */
#define AGAIN_MS 5000
#define ID_LEN 64
#define NAME_LEN 256

struct look {
	struct cv_dns_lookup *lookup; /* NULL: it is free */
	char service[ID_LEN];
	char name[NAME_LEN]; /* that the record is to prove */
};

struct ctl_verify {
	struct look looks[LOOKS_MAX];
	uint64_t wait_ms; /* nothing is looked for before */
};

/* The service whose name is being looked for; CV_MODEL_NONE if nobody wants to know any more. */
static uint32_t service_of(const struct cv_ctl *ctl, const struct look *look)
{
	uint32_t idx = cv_model_find(ctl->model, CV_MODEL_SERVICE, CV_MODEL_NONE, look->service);
	const struct cv_model_service *s = idx != CV_MODEL_NONE ? &ctl->model->services[idx] : NULL;

	return s != NULL && s->dns_state == CV_MODEL_DNS_ASKED && s->private_dns_name != NULL &&
			       strcmp(s->private_dns_name, look->name) == 0
		       ? idx
		       : CV_MODEL_NONE;
}

static void said(struct cv_ctl *ctl, const char *service, const char *name, bool found,
		 const char *why)
{
	const struct cv_model_by by = {.account = CV_MODEL_NONE, .now = (uint64_t)time(NULL)};
	struct cv_model_errs errs = {0};
	int ret =
		cv_model_dns_state_set(ctl->model, &by, service,
				       found ? CV_MODEL_DNS_VERIFIED : CV_MODEL_DNS_FAILED, &errs);

	cv_model_errs_fini(&errs);
	if (ret < 0)
		return; /* it is tried again */
	if (found)
		cv_log(CV_LOG_NOTICE, "%s: the private DNS name %s is verified", service, name);
	else
		cv_log(CV_LOG_WARNING, "%s: the private DNS name %s is not verified: %s", service,
		       name, why);
	if (ctl->dirty_ms == 0)
		ctl->dirty_ms = cv_clock_ms() + CTL_FOLLOW_MS;
}

static void look_step(struct cv_ctl *ctl, struct look *look, uint64_t now_ms)
{
	uint32_t idx = service_of(ctl, look);
	int ret = idx != CV_MODEL_NONE ? cv_dns_lookup_step(look->lookup, now_ms) : -ECANCELED;

	if (ret == -EAGAIN)
		return;
	cv_dns_lookup_destroy(look->lookup);
	look->lookup = NULL;
	/* What fails here says nothing of the record: it is looked for again. */
	if (ret == -EIO) {
		cv_log(CV_LOG_WARNING,
		       "%s: the private DNS name %s cannot be looked for now: no sockets, no memory or "
		       "no route to dns.forwarders; trying again",
		       look->service, look->name);
		ctl->dns.verify->wait_ms = now_ms + AGAIN_MS;
	} else if (ret != -ECANCELED) {
		said(ctl, look->service, look->name, ret == 1,
		     ret == 0 ? "there is no such TXT record" : "no resolver answers");
	}
}

/* @return 0, or why it cannot be looked for */
static int look_begin(struct cv_ctl *ctl, struct look *look, const struct cv_model_service *service)
{
	const struct cv_conf_dns *dns = &ctl->conf->dns;
	struct cv_dns_forwarder forwarders[CV_CONF_FORWARDERS_MAX];
	char label[CV_MODEL_DNS_PROOF_LEN], value[CV_MODEL_DNS_PROOF_LEN];
	char name[NAME_LEN + CV_MODEL_DNS_PROOF_LEN];
	struct cv_dns_lookup_req req = {.text = value, .forwarders = forwarders};

	snprintf(look->service, sizeof(look->service), "%s", service->id);
	snprintf(look->name, sizeof(look->name), "%s", service->private_dns_name);
	/* A wildcard is proven by the domain that it stands in. */
	req.names[1] = strncmp(look->name, "*.", 2) == 0 ? look->name + 2 : look->name;
	cv_model_dns_proof(service, label, value);
	snprintf(name, sizeof(name), "%s.%s", label, req.names[1]);
	req.names[0] = name;
	for (uint32_t i = 0; i < dns->n_forwarders; i++)
		forwarders[req.n_forwarders++] =
			(struct cv_dns_forwarder){dns->forwarders[i].ip, dns->forwarders[i].port};
	return cv_dns_lookup_create(&req, &look->lookup);
}

static bool is_looked_for(const struct ctl_verify *verify, const char *service)
{
	for (size_t i = 0; i < LOOKS_MAX; i++)
		if (verify->looks[i].lookup != NULL &&
		    strcmp(verify->looks[i].service, service) == 0)
			return true;
	return false;
}

static struct look *look_free(struct ctl_verify *verify)
{
	for (size_t i = 0; i < LOOKS_MAX; i++)
		if (verify->looks[i].lookup == NULL)
			return &verify->looks[i];
	return NULL;
}

static void looks_begin(struct cv_ctl *ctl)
{
	for (uint32_t i = 0; i < ctl->model->n_services; i++) {
		const struct cv_model_service *s = &ctl->model->services[i];
		struct look *look;
		int ret;

		if (s->meta.gone || s->dns_state != CV_MODEL_DNS_ASKED ||
		    s->private_dns_name == NULL || is_looked_for(ctl->dns.verify, s->id))
			continue;
		look = look_free(ctl->dns.verify);
		if (look == NULL)
			return;
		ret = look_begin(ctl, look, s);
		if (ret == -ENOENT)
			said(ctl, look->service, look->name, false,
			     "there is nobody to ask: dns.forwarders is empty");
		else if (ret == -EINVAL)
			said(ctl, look->service, look->name, false, "it is too long to be proven");
	}
}

void cv_ctl_verify_tick(struct cv_ctl *ctl, uint64_t now_ms)
{
	/* What is found out must be kept. */
	if (ctl->conf == NULL || !cv_ctl_keep_is_good(ctl))
		return;
	if (ctl->dns.verify == NULL)
		ctl->dns.verify = calloc(1, sizeof(*ctl->dns.verify));
	if (ctl->dns.verify == NULL)
		return;
	for (size_t i = 0; i < LOOKS_MAX; i++)
		if (ctl->dns.verify->looks[i].lookup != NULL)
			look_step(ctl, &ctl->dns.verify->looks[i], now_ms);
	if (now_ms >= ctl->dns.verify->wait_ms)
		looks_begin(ctl);
}

void cv_ctl_verify_stop(struct cv_ctl *ctl)
{
	for (size_t i = 0; ctl->dns.verify != NULL && i < LOOKS_MAX; i++)
		cv_dns_lookup_destroy(ctl->dns.verify->looks[i].lookup);
	free(ctl->dns.verify);
	ctl->dns.verify = NULL;
}
