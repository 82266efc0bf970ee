/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * What the tests of Elastic Load Balancing share: calls of it, and short ways to make what they need. After
 * cmocka.h, in test programs.
 */

#include "aws_world.h"

#define NOBODY "arn:aws:iam::333333333333:root"
#define ARN "arn:aws:elasticloadbalancing:us-east-1:111111111111:"
#define NONE_LB ARN "loadbalancer/net/none/0123456789abcdef"
#define NONE_TG ARN "targetgroup/none/0123456789abcdef"
#define NONE_LISTENER ARN "listener/net/none/0123456789abcdef/0123456789abcdef"
#define CREATE_LB "Action=CreateLoadBalancer&Type=network&Name="
#define CREATE_TG "Action=CreateTargetGroup&TargetType=ip&Protocol=TCP&VpcId="
#define FORWARD "DefaultActions.member.1.Type=forward&DefaultActions.member.1."
#define GROUPS "DefaultActions.member.1.ForwardConfig.TargetGroups.member."

static char lb[256], tg[256], listener[256];
static const char *web_tg, *sub_pb, *sub_pc;

static inline void CV_PRINTF(2, 3) elb(const char *principal, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must(AWS_ELBV2, principal, fmt, ap);
	va_end(ap);
}

static inline void CV_PRINTF(3, 4)
	elb_fails(const char *principal, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	calls_must_fail(AWS_ELBV2, principal, code, fmt, ap);
	va_end(ap);
}

/* As element(), of any length up to 255. */
static inline void long_element(const char *name, char *buf)
{
	char open[96];
	const char *at;

	snprintf(open, sizeof(open), "<%s>", name);
	at = strstr(got, open);
	assert_non_null(at);
	snprintf(buf, 256, "%.*s", (int)strcspn(at + strlen(open), "<"), at + strlen(open));
}

/* The i-th address of a load balancer's node in a subnet; "" if it has none. */
static inline const char *node_ip(const char *arn, const char *subnet, uint32_t i, char *buf)
{
	const struct cv_model_lb *of = &m->lbs[cv_model_find(m, CV_MODEL_LB, CV_MODEL_NONE, arn)];

	buf[0] = '\0';
	for (uint32_t k = 0; k < of->n_nodes; k++) {
		if (strcmp(m->subnets[of->nodes[k].subnet].id, subnet) == 0 &&
		    i < of->nodes[k].n_ips)
			cv_ip4_str(of->nodes[k].ips[i], buf);
	}
	return buf;
}

static inline void make_lb(const char *name)
{
	elb(PROV, CREATE_LB "%s&Subnets.member.1=%s", name, sub_pa);
	long_element("LoadBalancerArn", lb);
}

static inline void make_tg(const char *name)
{
	elb(PROV, CREATE_TG "%s&Port=80&Name=%s", vpc_p, name);
	long_element("TargetGroupArn", tg);
}

static inline void make_listener(unsigned int port)
{
	elb(PROV,
	    "Action=CreateListener&LoadBalancerArn=%s&Protocol=TCP&Port=%u&" FORWARD
	    "TargetGroupArn=%s",
	    lb, port, tg);
	long_element("ListenerArn", listener);
}

static inline int start(void **state)
{
	setup(state);
	web_tg = m->tgs[0].arn;
	sub_pb = id_of(CV_MODEL_SUBNET, "p", "b");
	sub_pc = id_of(CV_MODEL_SUBNET, "p", "c");
	lb[0] = tg[0] = listener[0] = '\0';
	return 0;
}
