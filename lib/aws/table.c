/* SPDX-License-Identifier: BSD-3-Clause */

/* The tables: services, and the groups of actions. A new file of actions adds its group here. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core_priv.h"

static const struct aws_group *const groups[] = {
	&cv_aws_cloudwatch_group,   &cv_aws_ec2_cidr_group,     &cv_aws_ec2_conn_group,
	&cv_aws_ec2_endpoint_group, &cv_aws_ec2_eni_group,      &cv_aws_ec2_net_group,
	&cv_aws_ec2_none_group,     &cv_aws_ec2_notify_group,   &cv_aws_ec2_offer_group,
	&cv_aws_ec2_service_group,  &cv_aws_ec2_sg_group,       &cv_aws_ec2_sg_show_group,
	&cv_aws_ec2_tags_group,     &cv_aws_ec2_vpc_group,      &cv_aws_elbv2_attrs_group,
	&cv_aws_elbv2_lb_group,     &cv_aws_elbv2_limits_group, &cv_aws_elbv2_listener_group,
	&cv_aws_elbv2_rules_group,  &cv_aws_elbv2_tags_group,   &cv_aws_elbv2_targets_group,
	&cv_aws_elbv2_tg_group,     &cv_aws_elbv2_tls_group,    &cv_aws_sns_sub_group,
	&cv_aws_sns_tags_group,     &cv_aws_sns_topic_group,    &cv_aws_sts_group,
};

static const struct aws_service services[AWS_N_SERVICES] = {
	[AWS_EC2] = {"ec2", "2016-11-15", "http://ec2.amazonaws.com/doc/2016-11-15/", true, "ec2"},
	[AWS_ELBV2] = {"elasticloadbalancing", "2015-12-01",
		       "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/", false, "elbv2"},
	[AWS_STS] = {"sts", "2011-06-15", "https://sts.amazonaws.com/doc/2011-06-15/", false,
		     "sts"},
	[AWS_SNS] = {"sns", "2010-03-31", "http://sns.amazonaws.com/doc/2010-03-31/", false, "sns"},
	[AWS_CLOUDWATCH] = {"monitoring", "2010-08-01",
			    "http://monitoring.amazonaws.com/doc/2010-08-01/", false, "cloudwatch"},
};

const struct aws_service *cv_aws_services(void)
{
	return services;
}

const struct aws_service *cv_aws_service_find(const char *name)
{
	for (size_t i = 0; i < AWS_N_SERVICES; i++) {
		if (strcmp(services[i].name, name) == 0)
			return &services[i];
	}
	return NULL;
}

const struct aws_service *cv_aws_service_of_version(const char *version)
{
	for (size_t i = 0; i < AWS_N_SERVICES; i++) {
		if (strcmp(services[i].version, version) == 0)
			return &services[i];
	}
	return NULL;
}

const struct aws_action *cv_aws_action_find(const struct aws_service *service, const char *name)
{
	for (size_t i = 0; i < CV_ARRAY_LEN(groups); i++) {
		const struct aws_group *group = groups[i];

		for (uint32_t k = 0; &services[group->service] == service && k < group->n; k++) {
			if (strcmp(group->actions[k].name, name) == 0)
				return &group->actions[k];
		}
	}
	return NULL;
}

static void words_print(FILE *out, const char *kind, const char *words)
{
	while (words != NULL && *words != '\0') {
		size_t len = strcspn(words, " ");

		fprintf(out, "%s %.*s\n", kind, (int)len, words);
		words += len;
		words += *words == ' ';
	}
}

static void action_print(FILE *out, const struct aws_service *service,
			 const struct aws_action *action)
{
	fprintf(out, "action %s %s\n", service->model, action->name);
	for (uint32_t i = 0; i < action->n_params; i++) {
		const struct aws_param *param = &action->params[i];
		bool refused = param->type == AWS_TYPE_REFUSE || param->type == AWS_TYPE_LATE;

		if (strchr(param->name, '*') == NULL)
			fprintf(out, "%s %s\n", refused ? "refuse" : "in", param->name);
	}
	words_print(out, "out", action->answers);
	for (size_t i = 0; action->filters != NULL && action->filters[i] != NULL; i++)
		fprintf(out, "filter %s\n", action->filters[i]);
}

char *cv_aws_table(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < CV_ARRAY_LEN(groups); i++) {
		for (uint32_t k = 0; k < groups[i]->n; k++)
			action_print(out, &services[groups[i]->service], &groups[i]->actions[k]);
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
