/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: certificates and policies of TLS, of which there are none: culvert's listeners are TCP. */

#include <errno.h>

#include "elbv2_priv.h"

static int describe_policies(struct aws_call *call)
{
	uint32_t n;
	const char *const *names = cv_aws_strs(call, "Names.member", &n);

	if (n > 0)
		return cv_aws_fail(call, "SSLPolicyNotFound",
				   "One or more SSL policies not found: %.128s", names[0]);
	cv_xml_open(call->out, "SslPolicies");
	cv_xml_close(call->out);
	return 0;
}

static int listener_check(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "ListenerArn");

	return cv_aws_elb_find(call, CV_MODEL_LISTENER, arn, NULL) == CV_MODEL_NONE ? -EINVAL : 0;
}

static int describe_certificates(struct aws_call *call)
{
	if (listener_check(call) < 0)
		return -EINVAL;
	cv_xml_open(call->out, "Certificates");
	cv_xml_close(call->out);
	return 0;
}

static int add_certificates(struct aws_call *call)
{
	if (listener_check(call) < 0)
		return -EINVAL;
	return cv_aws_fail(call, "ValidationError",
			   "Certificates cannot be specified for TCP listeners");
}

/* As with all that is taken away: what is not there is as good as removed. */
static int remove_certificates(struct aws_call *call)
{
	return listener_check(call);
}

#define CERTIFICATE_PARAMS                                                              \
	AWS_ID("ListenerArn", AWS_REQUIRED),                                            \
		AWS_STR("Certificates.member.N.CertificateArn", AWS_REQUIRED, 1, 2048), \
		AWS_BOOL("Certificates.member.N.IsDefault")

static const struct aws_param policies_params[] = {
	AWS_STR("Names.member.N", 0, 1, 255),
	AWS_ENUM("LoadBalancerType", 0, "application|network|gateway"), AWS_MARKER_PAGES};
static const struct aws_param describe_params[] = {AWS_ID("ListenerArn", AWS_REQUIRED),
						   AWS_MARKER_PAGES};
static const struct aws_param change_params[] = {CERTIFICATE_PARAMS};

static const struct aws_action actions[] = {
	{
		.name = "DescribeSSLPolicies",
		.handle = describe_policies,
		AWS_PARAMS(policies_params),
	},
	{
		.name = "DescribeListenerCertificates",
		.handle = describe_certificates,
		AWS_PARAMS(describe_params),
	},
	{
		.name = "AddListenerCertificates",
		.handle = add_certificates,
		AWS_PARAMS(change_params),
	},
	{
		.name = "RemoveListenerCertificates",
		.handle = remove_certificates,
		AWS_PARAMS(change_params),
	},
};

const struct aws_group cv_aws_elbv2_tls_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
