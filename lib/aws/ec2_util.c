/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: what its actions share. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_model_dns.h"
#include "cv_model_names.h"
#include "cv_model_note.h"

#include "ec2_priv.h"

const struct ec2_kind cv_aws_ec2_vpc = {CV_MODEL_VPC, "vpc-", "InvalidVpcID.NotFound",
					"InvalidVpcID.Malformed", "vpc ID"};
const struct ec2_kind cv_aws_ec2_subnet = {CV_MODEL_SUBNET, "subnet-", "InvalidSubnetID.NotFound",
					   "InvalidSubnetID.Malformed", "subnet ID"};
const struct ec2_kind cv_aws_ec2_sg = {CV_MODEL_SG, "sg-", "InvalidGroup.NotFound",
				       "InvalidGroupId.Malformed", "security group"};
const struct ec2_kind cv_aws_ec2_service = {
	CV_MODEL_SERVICE, "vpce-svc-", "InvalidVpcEndpointServiceId.NotFound",
	"InvalidVpcEndpointServiceIdId.Malformed", "VpcEndpointService Id"};
const struct ec2_kind cv_aws_ec2_endpoint = {CV_MODEL_ENDPOINT, "vpce-",
					     "InvalidVpcEndpointId.NotFound",
					     "InvalidVpcEndpointId.Malformed", "Vpc Endpoint Id"};

const struct ec2_kind cv_aws_ec2_rule = {
	CV_MODEL_KIND_N, "sgr-", "InvalidSecurityGroupRuleId.NotFound",
	"InvalidSecurityGroupRuleId.Malformed", "security group rule ID"};

/* ---- names in requests ---- */

static int text_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool cv_aws_ec2_is_wanted(const struct ec2_wanted *wanted, const char *id)
{
	return wanted->n == 0 ||
	       bsearch(&id, wanted->ids, wanted->n, sizeof(*wanted->ids), text_compare) != NULL;
}

bool cv_aws_ec2_take(struct ec2_wanted *wanted, const char *id)
{
	const char *const *at;

	if (wanted->n == 0)
		return true;
	at = bsearch(&id, wanted->ids, wanted->n, sizeof(*wanted->ids), text_compare);
	if (at != NULL)
		wanted->found[at - wanted->ids] = true;
	return at != NULL;
}

const char *cv_aws_ec2_missed(const struct ec2_wanted *wanted)
{
	for (uint32_t i = 0; i < wanted->n; i++) {
		if (!wanted->found[i])
			return wanted->ids[i];
	}
	return NULL;
}

int cv_aws_ec2_id_check(struct aws_call *call, const struct ec2_kind *kind, const char *id)
{
	if (cv_id_is(id, kind->prefix, 17) || cv_id_is(id, kind->prefix, 8))
		return 0;
	return cv_aws_fail(call, kind->malformed, "Invalid id: \"%.64s\" (expecting \"%s...\")", id,
			   kind->prefix);
}

int cv_aws_ec2_unknown(struct aws_call *call, const struct ec2_kind *kind, const char *id)
{
	return cv_aws_fail(call, kind->unknown, "The %s '%.64s' does not exist", kind->what, id);
}

int cv_aws_ec2_find(struct aws_call *call, const struct ec2_kind *kind, const char *id,
		    uint32_t *ret_idx)
{
	uint32_t idx = cv_model_find(call->model, kind->kind, CV_MODEL_NONE, id);
	int ret = cv_aws_ec2_id_check(call, kind, id);

	if (ret < 0)
		return ret;
	if (idx == CV_MODEL_NONE || cv_model_meta(call->model, kind->kind, idx, 0)->gone ||
	    cv_model_owner(call->model, kind->kind, idx) != call->account)
		return cv_aws_ec2_unknown(call, kind, id);
	if (ret_idx != NULL)
		*ret_idx = idx;
	return 0;
}

/* They are looked for in all that there is, and each of them once. */
static void wanted_sort(struct aws_call *call, struct ec2_wanted *wanted)
{
	const char **ids = (const char **)(uintptr_t)wanted->ids;
	uint32_t n = 0;

	wanted->found = cv_aws_alloc(call, (wanted->n + 1) * sizeof(*wanted->found));
	if (wanted->found == NULL)
		wanted->n = 0;
	if (wanted->n > 0)
		qsort(ids, wanted->n, sizeof(*ids), text_compare);
	for (uint32_t i = 0; i < wanted->n; i++) {
		if (n == 0 || strcmp(ids[n - 1], ids[i]) != 0)
			ids[n++] = ids[i];
	}
	wanted->n = n;
}

void cv_aws_ec2_wanted_read(struct aws_call *call, const char *param, struct ec2_wanted *ret_wanted)
{
	ret_wanted->ids = cv_aws_strs(call, param, &ret_wanted->n);
	wanted_sort(call, ret_wanted);
}

int cv_aws_ec2_wanted_ids(struct aws_call *call, const char *param, const struct ec2_kind *kind,
			  struct ec2_wanted *ret_wanted)
{
	int ret = 0;

	cv_aws_ec2_wanted_read(call, param, ret_wanted);
	for (uint32_t i = 0; ret == 0 && i < ret_wanted->n; i++)
		ret = cv_aws_ec2_id_check(call, kind, ret_wanted->ids[i]);
	return ret;
}

int cv_aws_ec2_wanted(struct aws_call *call, const char *param, const struct ec2_kind *kind,
		      struct ec2_wanted *ret_wanted)
{
	struct ec2_wanted wanted = {0};

	wanted.ids = cv_aws_strs(call, param, &wanted.n);
	for (uint32_t i = 0; i < wanted.n; i++) {
		int ret = cv_aws_ec2_find(call, kind, wanted.ids[i], NULL);

		if (ret < 0)
			return ret;
	}
	wanted_sort(call, &wanted);
	*ret_wanted = wanted;
	return 0;
}

bool cv_aws_ec2_cidr(const char *text, struct cv_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	char addr[CV_NET_STR_LEN], block[CV_NET_STR_LEN];
	cv_be32_t ip;
	int ret = cv_prefix_parse(text, ret_prefix);

	if (ret != -EDOM)
		return ret == 0;
	/* It has the form: an address that fits, and a length. */
	snprintf(addr, sizeof(addr), "%.*s", (int)(slash - text), text);
	if (!cv_ip4_parse(addr, &ip))
		return false;
	ip &= cv_prefix_mask((uint8_t)strtoul(slash + 1, NULL, 10));
	snprintf(block, sizeof(block), "%.15s%.3s", cv_ip4_str(ip, addr), slash);
	return cv_prefix_parse(block, ret_prefix) == 0;
}

/* ---- texts in answers ---- */

const char *cv_aws_ec2_prefix(struct aws_call *call, struct cv_prefix prefix)
{
	char text[CV_NET_STR_LEN];

	return cv_aws_fmt(call, "%s", cv_prefix_str(&prefix, text));
}

const char *cv_aws_ec2_ip(struct aws_call *call, cv_be32_t addr)
{
	char text[CV_NET_STR_LEN];

	return cv_aws_fmt(call, "%s", cv_ip4_str(addr, text));
}

const char *cv_aws_ec2_derived(struct aws_call *call, const char *prefix, const char *basis)
{
	char id[48];

	cv_id_derive(prefix, basis, 17, id, sizeof(id));
	return cv_aws_fmt(call, "%s", id);
}

const char *cv_aws_ec2_id(struct aws_call *call, const char *prefix)
{
	const uint64_t *random = call->by.random;

	return cv_aws_ec2_derived(call, prefix,
				  cv_aws_fmt(call, "%016llx%016llx", (unsigned long long)random[0],
					     (unsigned long long)random[1]));
}

const char *cv_aws_ec2_zone(const struct aws_call *call, uint32_t zone)
{
	const struct cv_model_account *account = &call->model->accounts[call->account];

	for (uint32_t i = 0; i < account->n_zones; i++) {
		if (account->zones[i].zone == zone)
			return account->zones[i].name;
	}
	return account->n_zones == 0 ? call->model->zones[zone].id : NULL;
}

void cv_aws_ec2_empty(struct aws_call *call, const char *name)
{
	cv_xml_open(call->out, name);
	cv_xml_close(call->out);
}

void cv_aws_ec2_list(struct aws_call *call, const char *name, const char *const *texts, uint32_t n)
{
	cv_xml_open(call->out, name);
	for (uint32_t i = 0; i < n; i++) {
		if (texts[i] != NULL)
			cv_xml_item_str(call->out, texts[i]);
	}
	cv_xml_close(call->out);
}

void cv_aws_ec2_zones(struct aws_call *call, uint64_t zones)
{
	const char *names[64];
	uint32_t n = 0;

	for (uint32_t zone = 0; zone < call->model->n_zones && zone < 64; zone++) {
		const char *name = cv_aws_ec2_zone(call, zone);

		if ((zones >> zone & 1) != 0 && name != NULL)
			names[n++] = name;
	}
	qsort(names, n, sizeof(*names), text_compare);
	cv_aws_ec2_list(call, "availabilityZoneSet", names, n);
}

int cv_aws_ec2_dry_all(struct aws_call *call, const struct ec2_kind *kind, const char *const *ids,
		       uint32_t n)
{
	for (uint32_t i = 0; i < n && cv_aws_bool(&call->params, "DryRun", false); i++) {
		if (cv_aws_ec2_find(call, kind, ids[i], NULL) < 0)
			return -EINVAL;
	}
	return cv_aws_dry(call);
}

int cv_aws_ec2_true(struct aws_call *call)
{
	cv_xml_bool(call->out, "return", true);
	return 0;
}

bool cv_aws_ec2_lacks(const struct aws_call *call, const char *const *names)
{
	bool passes = true;

	for (; passes && call->n_filters > 0 && *names != NULL; names++)
		passes = cv_aws_filter(call, *names, NULL);
	return passes;
}

void cv_aws_ec2_page_bound(struct aws_call *call)
{
	if (call->page.limit > EC2_PAGE_MAX)
		call->page.limit = EC2_PAGE_MAX;
}

/* ---- several at once ---- */

void cv_aws_ec2_failed(struct aws_call *call, const char *id, struct cv_model_errs *errs, int ret)
{
	if (errs != NULL) {
		(void)cv_aws_fail_model(call, errs, ret);
		cv_model_errs_fini(errs);
	}
	cv_xml_item(call->out);
	cv_xml_open(call->out, "error");
	cv_xml_str(call->out, "code", call->err_code);
	cv_xml_str(call->out, "message", call->err_text);
	cv_xml_close(call->out);
	cv_xml_str(call->out, "resourceId", id);
	cv_xml_close(call->out);
	call->err_code = NULL;
}

/* ---- DNS names ---- */

const char *cv_aws_ec2_base_name(struct aws_call *call, uint32_t service)
{
	char name[CV_MODEL_DNS_LEN];

	return cv_aws_fmt(call, "%s", cv_model_service_dns(call->model, service, name));
}

static void dns_entry(struct aws_call *call, const char *name, const char *zone)
{
	cv_xml_item(call->out);
	cv_xml_str(call->out, "dnsName", name);
	cv_xml_str(call->out, "hostedZoneId", zone);
	cv_xml_close(call->out);
}

void cv_aws_ec2_dns_entries(struct aws_call *call, uint32_t idx)
{
	const struct cv_model_endpoint *endpoint = &call->model->endpoints[idx];
	const struct cv_model_service *service = NULL;
	char name[CV_MODEL_DNS_LEN], zone[CV_MODEL_HOSTED_ZONE_LEN];

	cv_xml_open(call->out, "dnsEntrySet");
	if (endpoint->n_enis == 0) {
		cv_xml_close(call->out);
		return;
	}
	cv_model_hosted_zone(call->region, zone);
	dns_entry(call, cv_model_endpoint_dns(call->model, idx, CV_MODEL_NONE, name), zone);
	for (uint32_t i = 0; i < endpoint->n_enis; i++)
		dns_entry(call, cv_model_endpoint_dns(call->model, idx, i, name), zone);
	if (endpoint->private_dns && endpoint->service != CV_MODEL_NONE)
		service = &call->model->services[endpoint->service];
	/* What is not proven is not served. */
	if (service != NULL && service->private_dns_name != NULL &&
	    service->dns_state == CV_MODEL_DNS_VERIFIED)
		dns_entry(call, service->private_dns_name,
			  cv_model_hosted_zone(endpoint->id, zone));
	cv_xml_close(call->out);
}

const char *cv_aws_ec2_dns_state(const struct cv_model_service *service)
{
	switch (service->dns_state) {
	case CV_MODEL_DNS_VERIFIED:
		return "verified";
	case CV_MODEL_DNS_FAILED:
		return "failed";
	default:
		return "pendingVerification";
	}
}

void cv_aws_ec2_private_dns(struct aws_call *call, const struct cv_model_service *service)
{
	char name[CV_MODEL_DNS_PROOF_LEN], value[CV_MODEL_DNS_PROOF_LEN];

	cv_xml_str(call->out, "privateDnsName", service->private_dns_name);
	cv_xml_open(call->out, "privateDnsNameConfiguration");
	if (service->private_dns_name != NULL) {
		cv_model_dns_proof(service, name, value);
		cv_xml_str(call->out, "state", cv_aws_ec2_dns_state(service));
		cv_xml_str(call->out, "type", "TXT");
		cv_xml_str(call->out, "value", value);
		cv_xml_str(call->out, "name", name);
	}
	cv_xml_close(call->out);
}

/* ---- attributes that are only kept ---- */

int cv_aws_ec2_note(struct aws_call *call, enum cv_model_kind kind, const char *id, const char *key,
		    const char *value)
{
	const struct cv_model_tag note = {key, value};
	struct cv_model_errs errs = {0};
	int ret = cv_model_note_set(call->model, &call->by, kind, id, &note, &errs);

	if (ret < 0)
		ret = cv_aws_fail_model(call, &errs, ret);
	cv_model_errs_fini(&errs);
	return ret;
}
