/* SPDX-License-Identifier: BSD-3-Clause */

/* What calls make and remove again costs nothing: whoever calls cannot fill the memory. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "alloc_fail.h"

#include "cv_model_pool.h"
#include "model_change_priv.h"

#include "aws_world.h"

#define TAGGED(type)                                                            \
	"&TagSpecification.1.ResourceType=" type                                \
	"&TagSpecification.1.Tag.1.Key=env&TagSpecification.1.Tag.1.Value=prod" \
	"&TagSpecification.1.Tag.2.Key=owner&TagSpecification.1.Tag.2.Value=nobody"

/* Where the sanitizer has malloc for itself nothing is counted, and it watches the calls. */

/* What the first round needs stays: tables that have grown. */
#define ROUNDS 3

/* Blocks of memory that are not given back by a round, once there was one. */
static long blocks_of(void (*round)(void))
{
	long n = 0;

	round();
	for (int i = 0; i < ROUNDS; i++) {
		/* The answer to the last call is the test's. */
		free(got);
		got = NULL;
		cv_model_changes_clear(m);
		alloc_watch(0);
		round();
		free(got);
		got = NULL;
		cv_model_changes_clear(m);
		n += alloc_live;
	}
	return n;
}

static void group_round(void)
{
	char id[128];

	ec2(CONS,
	    "Action=CreateSecurityGroup&GroupName=g&GroupDescription=d&VpcId=%s" TAGGED(
		    "security-group"),
	    vpc_c);
	ec2(CONS, "Action=DeleteSecurityGroup&GroupId=%s", element("groupId", id));
}

static void service_round(void)
{
	char id[128];

	ec2(PROV,
	    "Action=CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1=%s"
	    "&PrivateDnsName=db.example.com" TAGGED("vpc-endpoint-service"),
	    lb_free);
	element("serviceId", id);
	ec2(PROV, "Action=DeleteVpcEndpointServiceConfigurations&ServiceId.1=%s", id);
}

static void bad_service_round(void)
{
	ec2_fails(PROV, "InvalidParameter",
		  "Action=CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1=%s"
		  "&PrivateDnsName=UPPER" TAGGED("vpc-endpoint-service"),
		  lb_free);
}

static void removed_resources_leave_nothing(void **state)
{
	(void)state;
	assert_int_equal(blocks_of(group_round), 0);
	assert_int_equal(blocks_of(service_round), 0);
	assert_int_equal(blocks_of(bad_service_round), 0);
}

/* ---- calls at random ---- */

#define PHASES 40
#define CALLS 1000

static uint64_t seed = 1;

static uint32_t rnd(uint32_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

/* Calls by the account that has what is spoken of, mostly; {words} are filled in. */
static struct template
{
	enum aws_service_id service;
	const char *principal;
	const char *text;
	uint32_t n_good;
}
templates[] = {
	{AWS_EC2, PROV,
	 "CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1={lb}&PrivateDnsName={dns}"
	 "{vpc-endpoint-service tags}"},
	{AWS_EC2, PROV,
	 "CreateVpcEndpointServiceConfiguration&NetworkLoadBalancerArn.1={lb}"
	 "&AcceptanceRequired=false{vpc-endpoint-service tags}"},
	{AWS_EC2, PROV,
	 "ModifyVpcEndpointServiceConfiguration&ServiceId={service}&PrivateDnsName={dns}"},
	{AWS_EC2, PROV,
	 "ModifyVpcEndpointServiceConfiguration&ServiceId={service}&RemovePrivateDnsName=true"},
	{AWS_EC2, PROV,
	 "ModifyVpcEndpointServiceConfiguration&ServiceId={service}"
	 "&AddNetworkLoadBalancerArn.1={lb}"},
	{AWS_EC2, PROV,
	 "ModifyVpcEndpointServiceConfiguration&ServiceId={service}"
	 "&RemoveNetworkLoadBalancerArn.1={lb}"},
	{AWS_EC2, PROV,
	 "ModifyVpcEndpointServicePermissions&ServiceId={service}&AddAllowedPrincipals.1=" CONS
	 "&AddAllowedPrincipals.2=arn:aws:iam::{n}22222222222:root"},
	{AWS_EC2, PROV,
	 "ModifyVpcEndpointServicePermissions&ServiceId={service}"
	 "&RemoveAllowedPrincipals.1=arn:aws:iam::{n}22222222222:root"},
	{AWS_EC2, PROV,
	 "ModifyVpcEndpointServicePayerResponsibility&ServiceId={service}"
	 "&PayerResponsibility=ServiceOwner"},
	{AWS_EC2, PROV, "StartVpcEndpointServicePrivateDnsVerification&ServiceId={service}"},
	{AWS_EC2, PROV,
	 "CreateVpcEndpointConnectionNotification&ServiceId={service}&ConnectionEvents.1=Accept"
	 "&ConnectionNotificationArn=arn:aws:sns:us-east-1:111111111111:t{n}"},
	{AWS_EC2, CONS,
	 "CreateVpcEndpointConnectionNotification&VpcEndpointId={endpoint}&ConnectionEvents.1=Delete"
	 "&ConnectionNotificationArn=arn:aws:sns:us-east-1:222222222222:t{n}"},
	{AWS_EC2, CONS,
	 "CreateVpcEndpoint&VpcEndpointType=Interface&VpcId={vpc}&ServiceName={name}"
	 "&SubnetId.1={subnet}&SecurityGroupId.1={sg}{vpc-endpoint tags}"},
	{AWS_EC2, CONS,
	 "CreateVpcEndpoint&VpcEndpointType=Interface&VpcId={vpc}&ServiceName={name}"
	 "&SubnetId.1={subnet}&PrivateDnsEnabled={bool}&DnsOptions.DnsRecordIpType=service-defined"
	 "{vpc-endpoint tags}"},
	{AWS_EC2, CONS,
	 "CreateVpcEndpoint&VpcEndpointType=Interface&VpcId={vpc}&ServiceName={name}"
	 "{vpc-endpoint tags}"},
	{AWS_EC2, CONS, "ModifyVpcEndpoint&VpcEndpointId={endpoint}&AddSubnetId.1={subnet}"},
	{AWS_EC2, CONS, "ModifyVpcEndpoint&VpcEndpointId={endpoint}&RemoveSubnetId.1={its subnet}"},
	{AWS_EC2, CONS,
	 "ModifyVpcEndpoint&VpcEndpointId={endpoint}&AddSecurityGroupId.1={made sg}"},
	{AWS_EC2, CONS,
	 "ModifyVpcEndpoint&VpcEndpointId={endpoint}&RemoveSecurityGroupId.1={its sg}"},
	{AWS_EC2, PROV,
	 "AcceptVpcEndpointConnections&VpcEndpointId.1={endpoint}&ServiceId={its service}"},
	{AWS_EC2, PROV,
	 "RejectVpcEndpointConnections&VpcEndpointId.1={endpoint}&ServiceId={its service}"},
	{AWS_EC2, CONS, "DeleteVpcEndpoints&VpcEndpointId.1={endpoint}"},
	{AWS_EC2, PROV, "DeleteVpcEndpointServiceConfigurations&ServiceId.1={service}"},
	{AWS_EC2, CONS,
	 "CreateSecurityGroup&GroupName=g{n}&GroupDescription=d&VpcId={vpc}{security-group tags}"},
	{AWS_EC2, CONS,
	 "AuthorizeSecurityGroupIngress&GroupId={made sg}&IpPermissions.1.IpProtocol=tcp"
	 "&IpPermissions.1.FromPort={n}&IpPermissions.1.ToPort=9"
	 "&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"
	 "&IpPermissions.1.IpRanges.1.Description=what"},
	{AWS_EC2, CONS,
	 "RevokeSecurityGroupIngress&GroupId={made sg}&IpPermissions.1.IpProtocol=tcp"
	 "&IpPermissions.1.FromPort={n}&IpPermissions.1.ToPort=9"
	 "&IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8"},
	{AWS_EC2, CONS, "DeleteSecurityGroup&GroupId={made sg}"},
	{AWS_EC2, CONS,
	 "CreateSubnet&VpcId={vpc}&CidrBlock=10.0.{n}0.0/24&AvailabilityZone=us-east-1a"
	 "{subnet tags}"},
	{AWS_EC2, CONS, "DeleteSubnet&SubnetId={subnet}"},
	{AWS_EC2, CONS, "CreateVpc&CidrBlock=10.0.0.0/16{vpc tags}"},
	{AWS_EC2, CONS, "DeleteVpc&VpcId={vpc}"},
	{AWS_EC2, CONS, "CreateTags&ResourceId.1={endpoint}&Tag.1.Key=k{n}&Tag.1.Value={n}"},
	{AWS_EC2, CONS, "CreateTags&ResourceId.1={made sg}&Tag.1.Key=k{n}&Tag.2.Key=aws:bad"},
	{AWS_EC2, PROV, "CreateTags&ResourceId.1={service}&Tag.1.Key=k{n}&Tag.2.Key=k{n}"},
	{AWS_EC2, CONS, "DeleteTags&ResourceId.1={endpoint}&Tag.1.Key=k{n}"},
	{AWS_EC2, CONS, "DescribeVpcEndpoints&Filter.1.Name=tag:k{n}&Filter.1.Value.1=*"},
	{AWS_EC2, PROV, "DescribeVpcEndpointServiceConfigurations&MaxResults=5"},
	{AWS_EC2, CONS, "DescribeSecurityGroups"},
	{AWS_EC2, CONS, "DescribeVpcEndpointServices&MaxResults=1"},
	{AWS_EC2, PROV, "DescribeVpcEndpointConnections"},
	{AWS_ELBV2, PROV,
	 "CreateLoadBalancer&Type=network&Name=l{n}&Subnets.member.1={prov subnet}{members}"},
	{AWS_ELBV2, PROV,
	 "CreateTargetGroup&TargetType=ip&Protocol=TCP&VpcId={prov vpc}&Port=8{n}&Name=t{n}"
	 "{members}"},
	{AWS_ELBV2, PROV,
	 "CreateListener&LoadBalancerArn={lb}&Protocol=TCP&Port=8{n}"
	 "&DefaultActions.member.1.Type=forward&DefaultActions.member.1.TargetGroupArn={tg}"
	 "{members}"},
	{AWS_ELBV2, PROV, "ModifyListener&ListenerArn={listener}&Port=8{n}"},
	{AWS_ELBV2, PROV, "DeleteListener&ListenerArn={listener}"},
	{AWS_ELBV2, PROV,
	 "RegisterTargets&TargetGroupArn={tg}&Targets.member.1.Id=10.0.1.10{n}"
	 "&Targets.member.2.Id=10.0.2.10{n}"},
	{AWS_ELBV2, PROV, "DeregisterTargets&TargetGroupArn={tg}&Targets.member.1.Id=10.0.1.10{n}"},
	{AWS_ELBV2, PROV,
	 "ModifyTargetGroupAttributes&TargetGroupArn={tg}"
	 "&Attributes.member.1.Key=deregistration_delay.timeout_seconds"
	 "&Attributes.member.1.Value=1{n}"},
	{AWS_ELBV2, PROV, "AddTags&ResourceArns.member.1={lb}{members}"},
	{AWS_ELBV2, PROV,
	 "RemoveTags&ResourceArns.member.1={lb}&TagKeys.member.1=env&TagKeys.member.2=owner"},
	{AWS_ELBV2, PROV, "DescribeTargetHealth&TargetGroupArn={tg}"},
	{AWS_ELBV2, PROV, "DeleteTargetGroup&TargetGroupArn={tg}"},
	{AWS_ELBV2, PROV, "DeleteLoadBalancer&LoadBalancerArn={lb}"},
};

/* The id of a resource that a call made, or what such an id could be. */
static const char *made_id(enum cv_model_kind kind)
{
	uint32_t n = cv_model_count(m, kind);

	for (uint32_t tries = 0; n > 0 && tries < 8; tries++) {
		uint32_t i = rnd(n);

		if (cv_model_meta(m, kind, i, 0)->api && !cv_model_meta(m, kind, i, 0)->gone)
			return cv_model_id_at(m, kind, i);
	}
	return "x";
}

/* The id of any. */
static const char *any_id(enum cv_model_kind kind)
{
	return rnd(2) == 0 ? made_id(kind) : cv_model_id_at(m, kind, rnd(cv_model_count(m, kind)));
}

static const char *subnet_id(uint32_t account)
{
	uint32_t i = rnd(m->n_subnets);

	for (uint32_t tries = 0; tries < 8; tries++, i = rnd(m->n_subnets)) {
		if (!m->subnets[i].meta.gone && m->vpcs[m->subnets[i].vpc].owner == account)
			break;
	}
	return m->subnets[i].id;
}

static const char *listener_arn(void)
{
	const struct cv_model_lb *of = &m->lbs[rnd(m->n_lbs)];

	return of->n_listeners > 0 ? of->listeners[rnd(of->n_listeners)].arn : "x";
}

/* The endpoint that was named last in this call, and what it has. */
static const char *spoken_of;

static const char *part_id(const char *part)
{
	uint32_t i = cv_model_find(m, CV_MODEL_ENDPOINT, CV_MODEL_NONE, spoken_of);
	const struct cv_model_endpoint *of = i != CV_MODEL_NONE ? &m->endpoints[i] : NULL;

	if (of == NULL || cv_model_endpoint_is_over(of) || of->service == CV_MODEL_NONE)
		return "x";
	if (strcmp(part, "service") == 0)
		return m->services[of->service].id;
	if (strcmp(part, "sg") == 0)
		return m->sgs[of->sgs[rnd(of->n_sgs)]].id;
	return of->n_enis > 0 ? m->subnets[of->enis[rnd(of->n_enis)].subnet].id : "x";
}

static const char *service_name(void)
{
	const struct cv_model_service *of = &m->services[rnd(m->n_services)];

	return !of->meta.gone ? of->service_name : "x";
}

static const char *word_value(const char *word)
{
	static const char *const dns[] = {"a.example.com", "b.example.com", "BAD"};

	if (strcmp(word, "lb") == 0)
		return any_id(CV_MODEL_LB);
	if (strcmp(word, "dns") == 0)
		return dns[rnd(3)];
	if (strcmp(word, "service") == 0)
		return made_id(CV_MODEL_SERVICE);
	if (strcmp(word, "name") == 0)
		return service_name();
	if (strcmp(word, "endpoint") == 0)
		return spoken_of = made_id(CV_MODEL_ENDPOINT);
	if (strncmp(word, "its ", 4) == 0)
		return part_id(word + 4);
	if (strcmp(word, "sg") == 0)
		return any_id(CV_MODEL_SG);
	if (strcmp(word, "made sg") == 0)
		return made_id(CV_MODEL_SG);
	if (strcmp(word, "vpc") == 0)
		return rnd(2) == 0 ? vpc_c : made_id(CV_MODEL_VPC);
	if (strcmp(word, "subnet") == 0)
		return subnet_id(1);
	if (strcmp(word, "prov subnet") == 0)
		return subnet_id(0);
	if (strcmp(word, "prov vpc") == 0)
		return vpc_p;
	if (strcmp(word, "tg") == 0)
		return made_id(CV_MODEL_TG);
	if (strcmp(word, "listener") == 0)
		return listener_arn();
	return rnd(2) == 0 ? "true" : "false";
}

/* Tags are asked for in most calls. */
static void tags_add(FILE *out, const char *word)
{
	size_t len = strlen(word) - strlen(" tags");

	if (rnd(4) == 0)
		return;
	if (strcmp(word, "members") == 0)
		fprintf(out, "&Tags.member.1.Key=env&Tags.member.1.Value=prod"
			     "&Tags.member.2.Key=owner&Tags.member.2.Value=nobody");
	else
		fprintf(out,
			"&TagSpecification.1.ResourceType=%.*s&TagSpecification.1.Tag.1.Key=env"
			"&TagSpecification.1.Tag.1.Value=prod&TagSpecification.1.Tag.2.Key=owner",
			(int)len, word);
}

static void words_fill(const char *template, char *buf, size_t cap)
{
	FILE *out = fmemopen(buf, cap, "w");
	char word[64];

	assert_non_null(out);
	fprintf(out, "Action=");
	for (const char *at = template; *at != '\0'; at++) {
		if (*at != '{') {
			fputc(*at, out);
			continue;
		}
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(at + 1, "}"), at + 1);
		at += strcspn(at, "}");
		if (strcmp(word, "n") == 0)
			fprintf(out, "%u", rnd(10));
		else if (strcmp(word, "members") == 0 || strstr(word, " tags") != NULL)
			tags_add(out, word);
		else
			fprintf(out, "%s", word_value(word));
	}
	fclose(out);
}

/* What serves, as control has it. */
static struct cv_model *serving;

static void follow(void)
{
	struct cv_model *next = cv_model_snapshot(m);

	assert_non_null(next);
	cv_model_destroy(serving);
	serving = next;
	cv_model_snapshot_end(m, true);
	cv_model_changes_clear(m);
}

static void random_call(void)
{
	struct template *template = &templates[rnd(CV_ARRAY_LEN(templates))];
	const char *principal = rnd(16) > 0 ? template->principal : rnd(2) == 0 ? PROV : CONS;
	char text[2048];

	words_fill(template->text, text, sizeof(text));
	template->n_good += calls_make(template->service, principal, text);
	/* What a list has of it. */
	if (strstr(got, "<unsuccessful><item>") != NULL)
		template->n_good--;
}

/* Removes all that calls made of a kind. */
static void kind_clear(enum cv_model_kind kind, enum aws_service_id service, const char *action)
{
	char text[512];

	for (uint32_t i = 0; i < cv_model_count(m, kind); i++) {
		const struct cv_model_meta *meta = cv_model_meta(m, kind, i, 0);

		if (!meta->api || meta->gone ||
		    (kind == CV_MODEL_ENDPOINT && cv_model_endpoint_is_over(&m->endpoints[i])))
			continue;
		snprintf(text, sizeof(text), "Action=%s=%s", action, cv_model_id_at(m, kind, i));
		if (!calls_make(service, cv_model_owner(m, kind, i) == 0 ? PROV : CONS, text) ||
		    strstr(got, "<error>") != NULL)
			fail_msg("%s: %s %s %s", text, err_code, err_text, got);
	}
}

static void all_clear(void)
{
	kind_clear(CV_MODEL_ENDPOINT, AWS_EC2, "DeleteVpcEndpoints&VpcEndpointId.1");
	kind_clear(CV_MODEL_SERVICE, AWS_EC2, "DeleteVpcEndpointServiceConfigurations&ServiceId.1");
	kind_clear(CV_MODEL_LB, AWS_ELBV2, "DeleteLoadBalancer&LoadBalancerArn");
	kind_clear(CV_MODEL_TG, AWS_ELBV2, "DeleteTargetGroup&TargetGroupArn");
	kind_clear(CV_MODEL_SG, AWS_EC2, "DeleteSecurityGroup&GroupId");
	kind_clear(CV_MODEL_SUBNET, AWS_EC2, "DeleteSubnet&SubnetId");
	kind_clear(CV_MODEL_VPC, AWS_EC2, "DeleteVpc&VpcId");
	for (uint32_t i = 0; i < m->n_lbs; i++) {
		char text[512];

		if (m->lbs[i].meta.gone)
			continue;
		snprintf(text, sizeof(text),
			 "Action=RemoveTags&ResourceArns.member.1=%s&TagKeys.member.1=env"
			 "&TagKeys.member.2=owner",
			 m->lbs[i].arn);
		assert_true(calls_make(AWS_ELBV2, PROV, text));
	}
	calls_now += CV_MODEL_DELETED_SECONDS + 1;
	cv_model_advance(m, (uint64_t)calls_now);
	calls_now += CV_MODEL_DELETED_SECONDS + 1;
	cv_model_advance(m, (uint64_t)calls_now);
	/* What was given back before the last of them is free after the next but one. */
	for (int i = 0; i < 3; i++)
		follow();
	free(got);
	got = NULL;
}

static void phase(void)
{
	for (uint32_t i = 0; i < CALLS; i++) {
		random_call();
		if (rnd(10) == 0)
			follow();
		if (rnd(20) == 0)
			cv_model_advance(m, (uint64_t)++calls_now);
	}
	all_clear();
}

static void calls_at_random_leave_nothing(void **state)
{
	static const char *const account[] = {"222222222222"};
	const struct cv_model_pool_req pool = {.port = "p9",
					       .vlan_first = 100,
					       .vlan_last = 103,
					       .accounts = account,
					       .n_accounts = 1};
	long blocks = 0, bytes = 0;

	(void)state;
	no_error(cv_model_pool_add(m, &pool, &errs));
	for (int i = 0; i < PHASES; i++) {
		/* Tables have grown to what they need in the first half. */
		if (i == PHASES / 2) {
			blocks = alloc_live;
			bytes = alloc_bytes;
		}
		phase();
	}
	assert_int_equal(alloc_live, blocks);
	/* They grow yet when more than ever is there at a time. */
	assert_in_range(alloc_bytes, 0, bytes + bytes / 20);
	for (size_t i = 0; i < CV_ARRAY_LEN(templates); i++) {
		if (templates[i].n_good == 0 && strstr(templates[i].text, "aws:bad") == NULL &&
		    strstr(templates[i].text, "Tag.2.Key=k") == NULL)
			fail_msg("never went well: %s", templates[i].text);
	}
	cv_model_destroy(serving);
	serving = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(removed_resources_leave_nothing),
		TEST(calls_at_random_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
