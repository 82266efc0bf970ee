/* SPDX-License-Identifier: BSD-3-Clause */

/* STS: who am I. */

#include <string.h>

#include "aws_priv.h"

/* A role's key is a session of the role. */
static int get_caller_identity(struct aws_call *call)
{
	const char *principal = call->caller.principal, *account = call->caller.account_id;
	const char *name = strrchr(principal, '/');
	char id[24];

	if (name == NULL) {
		cv_xml_str(call->out, "Arn", principal);
		cv_xml_str(call->out, "UserId", account);
	} else if (strstr(principal, ":role/") != NULL) {
		cv_id_derive("AROA", principal, 17, id, sizeof(id));
		cv_xml_str(
			call->out, "Arn",
			cv_aws_fmt(call, "arn:aws:sts::%s:assumed-role%s/culvert", account, name));
		cv_xml_str(call->out, "UserId", cv_aws_fmt(call, "%s:culvert", id));
	} else {
		cv_id_derive("AIDA", principal, 17, id, sizeof(id));
		cv_xml_str(call->out, "Arn", principal);
		cv_xml_str(call->out, "UserId", id);
	}
	cv_xml_str(call->out, "Account", account);
	return 0;
}

static const struct aws_action actions[] = {
	{
		.name = "GetCallerIdentity",
		.handle = get_caller_identity,
		.flags = AWS_NO_MODEL,
		.answers = "Arn UserId Account",
	},
};

const struct aws_group cv_aws_sts_group = {AWS_STS, actions, CV_ARRAY_LEN(actions)};
