/* SPDX-License-Identifier: BSD-3-Clause */

/* ELBv2: target groups and how their targets are checked. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elbv2_priv.h"

/* ---- what is told ---- */

static void check_write(struct aws_call *call, const struct cv_model_check *check)
{
	struct cv_xml *out = call->out;

	cv_xml_str(out, "HealthCheckProtocol", cv_model_check_protocol_str(check->protocol));
	cv_xml_str(out, "HealthCheckPort",
		   check->port != 0 ? cv_aws_fmt(call, "%u", check->port) : "traffic-port");
	cv_xml_bool(out, "HealthCheckEnabled", check->enabled);
	cv_xml_int(out, "HealthCheckIntervalSeconds", check->interval_s);
	cv_xml_int(out, "HealthCheckTimeoutSeconds", check->timeout_s);
	cv_xml_int(out, "HealthyThresholdCount", check->n_healthy);
	cv_xml_int(out, "UnhealthyThresholdCount", check->n_unhealthy);
	cv_xml_str(out, "HealthCheckPath", check->path);
	if (check->matcher == NULL)
		return;
	cv_xml_open(out, "Matcher");
	cv_xml_str(out, "HttpCode", check->matcher);
	cv_xml_close(out);
}

static void tg_write(struct aws_call *call, const struct cv_model_target_group *tg)
{
	struct cv_xml *out = call->out;

	cv_xml_item(out);
	cv_xml_str(out, "TargetGroupArn", tg->arn);
	cv_xml_str(out, "TargetGroupName", tg->name);
	cv_xml_str(out, "Protocol", "TCP");
	cv_xml_int(out, "Port", tg->port);
	cv_xml_str(out, "VpcId", call->model->vpcs[tg->vpc].id);
	check_write(call, &tg->check);
	cv_xml_open(out, "LoadBalancerArns");
	if (tg->lb != CV_MODEL_NONE)
		cv_xml_item_str(out, call->model->lbs[tg->lb].arn);
	cv_xml_close(out);
	cv_xml_str(out, "TargetType", "ip");
	cv_xml_str(out, "IpAddressType", "ipv4");
	cv_xml_close(out);
}

static void tg_answer(struct aws_call *call, uint32_t idx)
{
	cv_xml_open(call->out, "TargetGroups");
	tg_write(call, &call->model->tgs[idx]);
	cv_xml_close(call->out);
}

/* ---- CreateTargetGroup ---- */

static int kind_check(struct aws_call *call)
{
	static const struct {
		const char *param, *value, *absent, *code, *say;
	} rows[] = {
		{"TargetType", "ip", "instance", "InvalidConfigurationRequest",
		 "culvert's targets are IP addresses, say TargetType=ip"},
		{"Protocol", "TCP", "", "InvalidConfigurationRequest", "culvert forwards TCP"},
		{"IpAddressType", "ipv4", "ipv4", "InvalidConfigurationRequest",
		 "culvert's targets are ipv4"},
		{"Port", NULL, "", "ValidationError", "A port must be specified"},
		{"VpcId", NULL, "", "ValidationError", "A VPC ID must be specified"},
	};

	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		const char *value = cv_query_str(&call->params, rows[i].param);

		if (value == NULL && (rows[i].value == NULL || *rows[i].absent == '\0'))
			return cv_aws_fail(call, "ValidationError", "%s must be specified",
					   rows[i].param);
		if (value == NULL)
			value = rows[i].absent;
		if (rows[i].value != NULL && strcmp(value, rows[i].value) != 0)
			return cv_aws_fail(call, rows[i].code, "%s '%.32s' is not supported: %s",
					   rows[i].param, value, rows[i].say);
	}
	return 0;
}

static enum cv_model_check_protocol protocol_of(const char *word)
{
	if (strcmp(word, "HTTP") == 0)
		return CV_MODEL_CHECK_HTTP;
	return strcmp(word, "HTTPS") == 0 ? CV_MODEL_CHECK_HTTPS : CV_MODEL_CHECK_TCP;
}

static int protocol_read(struct aws_call *call, struct cv_model_check_req *req)
{
	const char *word = cv_query_str(&call->params, "HealthCheckProtocol");

	if (word == NULL)
		return 0;
	if (strcmp(word, "TCP") != 0 && strncmp(word, "HTTP", 4) != 0)
		return cv_aws_fail(call, "InvalidConfigurationRequest",
				   "The health check protocol '%s' is not one of TCP, HTTP, HTTPS",
				   word);
	if (protocol_of(word) != CV_MODEL_CHECK_TCP && req->protocol == CV_MODEL_CHECK_TCP)
		req->path = req->matcher = NULL; /* their defaults */
	req->protocol = protocol_of(word);
	if (req->protocol == CV_MODEL_CHECK_TCP)
		req->path = req->matcher = NULL;
	return 0;
}

static int port_read(struct aws_call *call, struct cv_model_check_req *req)
{
	const char *text = cv_query_str(&call->params, "HealthCheckPort");
	size_t n = text != NULL ? strspn(text, "0123456789") : 0;
	unsigned long port;

	if (text == NULL)
		return 0;
	req->port = 0;
	if (strcmp(text, "traffic-port") == 0)
		return 0;
	port = n > 0 && n <= 5 && text[n] == '\0' ? strtoul(text, NULL, 10) : 0;
	if (port < 1 || port > UINT16_MAX)
		return cv_aws_fail(call, "ValidationError",
				   "Health check port '%.32s' must be '1-65535' or 'traffic-port'",
				   text);
	req->port = (uint16_t)port;
	return 0;
}

/* What the request says of checks, over what they are. */
static int check_read(struct aws_call *call, struct cv_model_check_req *req)
{
	const struct cv_query_node *params = &call->params;
	const char *path = cv_query_str(params, "HealthCheckPath");
	const char *matcher = cv_query_str(params, "Matcher.HttpCode");
	int ret;

	if (!cv_aws_bool(params, "HealthCheckEnabled", true))
		return cv_aws_fail(
			call, "InvalidConfigurationRequest",
			"Health check enabled must be true for target groups with target "
			"type 'ip'");
	ret = protocol_read(call, req);
	if (ret == 0)
		ret = port_read(call, req);
	if (path != NULL)
		req->path = path;
	if (matcher != NULL)
		req->matcher = matcher;
	req->interval_s =
		(uint32_t)cv_aws_int(params, "HealthCheckIntervalSeconds", req->interval_s);
	req->timeout_s = (uint32_t)cv_aws_int(params, "HealthCheckTimeoutSeconds", req->timeout_s);
	req->n_healthy = (uint32_t)cv_aws_int(params, "HealthyThresholdCount", req->n_healthy);
	req->n_unhealthy =
		(uint32_t)cv_aws_int(params, "UnhealthyThresholdCount", req->n_unhealthy);
	return ret;
}

static uint32_t named_find(const struct aws_call *call, const char *name)
{
	const struct cv_model *model = call->model;

	for (uint32_t i = 0; i < model->n_tgs; i++) {
		if (!model->tgs[i].meta.gone && strcmp(model->tgs[i].name, name) == 0 &&
		    cv_model_owner(model, CV_MODEL_TG, i) == call->account)
			return i;
	}
	return CV_MODEL_NONE;
}

static bool number_is(uint32_t asked, uint32_t def, uint32_t is)
{
	return (asked != 0 ? asked : def) == is;
}

static bool text_is(const char *asked, const char *def, const char *is)
{
	if (asked == NULL)
		asked = def;
	return is != NULL ? asked != NULL && strcmp(asked, is) == 0 : asked == NULL;
}

static bool check_is_same(const struct cv_model_check *check, const struct cv_model_check_req *req)
{
	bool tcp = req->protocol == CV_MODEL_CHECK_TCP;

	return check->protocol == req->protocol && check->port == req->port &&
	       number_is(req->interval_s, CV_MODEL_CHECK_INTERVAL, check->interval_s) &&
	       number_is(req->timeout_s,
			 req->protocol == CV_MODEL_CHECK_HTTP ? CV_MODEL_CHECK_TIMEOUT_HTTP
							      : CV_MODEL_CHECK_TIMEOUT,
			 check->timeout_s) &&
	       number_is(req->n_healthy, CV_MODEL_CHECK_HEALTHY, check->n_healthy) &&
	       number_is(req->n_unhealthy, CV_MODEL_CHECK_UNHEALTHY, check->n_unhealthy) &&
	       text_is(req->path, tcp ? NULL : "/", check->path) &&
	       text_is(req->matcher, tcp ? NULL : CV_MODEL_CHECK_MATCHER, check->matcher);
}

static int tg_make(struct aws_call *call, const struct cv_model_tg_req *req, uint32_t *ret_idx)
{
	struct cv_model_errs errs = {0};
	int ret;

	*ret_idx = named_find(call, req->name);
	if (*ret_idx != CV_MODEL_NONE) {
		const struct cv_model_target_group *tg = &call->model->tgs[*ret_idx];

		if (strcmp(call->model->vpcs[tg->vpc].id, req->vpc) == 0 && tg->port == req->port &&
		    check_is_same(&tg->check, &req->check))
			return 0;
		return cv_aws_fail(call, "DuplicateTargetGroupName",
				   "A target group with the same name '%s' exists, but with "
				   "different settings",
				   req->name);
	}
	ret = cv_aws_elb_end(call, &errs, cv_model_tg_add(call->model, req, &errs));
	if (ret == 0)
		*ret_idx = named_find(call, req->name);
	return ret;
}

static bool vpc_is_there(const struct aws_call *call, const char *id)
{
	uint32_t idx = CV_MODEL_NONE;

	if (cv_model_kind_of(id) == CV_MODEL_VPC)
		idx = cv_model_find(call->model, CV_MODEL_VPC, CV_MODEL_NONE, id);
	return idx != CV_MODEL_NONE &&
	       cv_model_owner(call->model, CV_MODEL_VPC, idx) == call->account;
}

static int create_tg(struct aws_call *call)
{
	struct cv_model_tg_req req;
	uint32_t idx;
	int ret = kind_check(call);

	if (ret < 0)
		return ret;
	cv_model_tg_req_init(&req);
	req.name = cv_query_str(&call->params, "Name");
	req.vpc = cv_query_str(&call->params, "VpcId");
	req.port = (uint16_t)cv_aws_int(&call->params, "Port", 0);
	req.by = &call->by;
	if (!vpc_is_there(call, req.vpc))
		return cv_aws_fail(call, "ValidationError", "The VPC ID '%.64s' is not found",
				   req.vpc);
	ret = check_read(call, &req.check);
	if (ret == 0)
		ret = cv_aws_tags(call, NULL, &call->by.tags, &call->by.n_tags);
	if (ret == 0)
		ret = tg_make(call, &req, &idx);
	if (ret == 0)
		tg_answer(call, idx);
	return ret;
}

/* ---- the others ---- */

static int wanted_read(struct aws_call *call, struct elb_wanted *arns, struct elb_wanted *names)
{
	arns->texts = cv_aws_strs(call, "TargetGroupArns.member", &arns->n);
	names->texts = cv_aws_strs(call, "Names.member", &names->n);
	if (arns->n > 0 && names->n > 0)
		return cv_aws_fail(
			call, "ValidationError",
			"Target group names and target group ARNs cannot be specified at "
			"the same time");
	for (uint32_t i = 0; i < arns->n; i++) {
		if (cv_aws_elb_find(call, CV_MODEL_TG, arns->texts[i], NULL) == CV_MODEL_NONE)
			return -EINVAL;
	}
	for (uint32_t i = 0; i < names->n; i++) {
		if (named_find(call, names->texts[i]) == CV_MODEL_NONE)
			return cv_aws_fail(call, "TargetGroupNotFound",
					   "One or more target groups not found: %.64s",
					   names->texts[i]);
	}
	return 0;
}

static int describe_tgs(struct aws_call *call)
{
	const char *lb_arn = cv_query_str(&call->params, "LoadBalancerArn");
	const struct cv_model *model = call->model;
	struct elb_wanted arns, names;
	uint32_t lb = CV_MODEL_NONE;
	int ret = wanted_read(call, &arns, &names);

	if (ret == 0 && lb_arn != NULL) {
		lb = cv_aws_elb_find(call, CV_MODEL_LB, lb_arn, NULL);
		ret = lb == CV_MODEL_NONE ? -EINVAL : 0;
	}
	if (ret < 0)
		return ret;
	cv_xml_open(call->out, "TargetGroups");
	for (uint32_t i = 0; i < model->n_tgs; i++) {
		const struct cv_model_target_group *tg = &model->tgs[i];

		if (!tg->meta.gone && cv_model_owner(model, CV_MODEL_TG, i) == call->account &&
		    (lb == CV_MODEL_NONE || tg->lb == lb) && cv_aws_elb_is_wanted(&arns, tg->arn) &&
		    cv_aws_elb_is_wanted(&names, tg->name) && cv_aws_page_key(call, tg->arn, NULL))
			tg_write(call, tg);
	}
	cv_xml_close(call->out);
	cv_aws_page_end(call);
	return 0;
}

static int modify_tg(struct aws_call *call)
{
	const char *arn = cv_query_str(&call->params, "TargetGroupArn");
	uint32_t idx = cv_aws_elb_find(call, CV_MODEL_TG, arn, NULL);
	struct cv_model_errs errs = {0};
	struct cv_model_check_req req;
	int ret;

	if (idx == CV_MODEL_NONE)
		return -EINVAL;
	req = cv_model_check_req_of(&call->model->tgs[idx].check);
	ret = check_read(call, &req);
	if (ret == 0)
		ret = cv_aws_elb_end(
			call, &errs,
			cv_model_check_change(call->model, &call->by, arn, &req, &errs));
	if (ret == 0)
		tg_answer(call, idx);
	return ret;
}

static int delete_tg(struct aws_call *call)
{
	return cv_aws_elb_delete(call, CV_MODEL_TG, cv_query_str(&call->params, "TargetGroupArn"),
				 true);
}

/* ---- the table ---- */

#define PROTOCOLS "HTTP|HTTPS|TCP|TLS|UDP|TCP_UDP|GENEVE|QUIC|TCP_QUIC"
#define CHECK_PARAMS                                                                         \
	AWS_ENUM("HealthCheckProtocol", 0, PROTOCOLS), AWS_STR("HealthCheckPort", 0, 1, 32), \
		AWS_BOOL("HealthCheckEnabled"), AWS_STR("HealthCheckPath", 0, 1, 1024),      \
		AWS_INT("HealthCheckIntervalSeconds", 0, CV_MODEL_CHECK_INTERVAL_MIN,        \
			CV_MODEL_CHECK_INTERVAL_MAX),                                        \
		AWS_INT("HealthCheckTimeoutSeconds", 0, CV_MODEL_CHECK_TIMEOUT_MIN,          \
			CV_MODEL_CHECK_TIMEOUT_MAX),                                         \
		AWS_INT("HealthyThresholdCount", 0, CV_MODEL_CHECK_THRESHOLD_MIN,            \
			CV_MODEL_CHECK_THRESHOLD_MAX),                                       \
		AWS_INT("UnhealthyThresholdCount", 0, CV_MODEL_CHECK_THRESHOLD_MIN,          \
			CV_MODEL_CHECK_THRESHOLD_MAX),                                       \
		AWS_STR("Matcher.HttpCode", 0, 1, 255), AWS_REFUSE("Matcher.GrpcCode")
#define TG_ANSWERS                                                                        \
	"TargetGroups.TargetGroupArn TargetGroups.TargetGroupName TargetGroups.Protocol " \
	"TargetGroups.Port TargetGroups.VpcId TargetGroups.HealthCheckProtocol "          \
	"TargetGroups.HealthCheckPort TargetGroups.HealthCheckEnabled "                   \
	"TargetGroups.HealthCheckIntervalSeconds TargetGroups.HealthCheckTimeoutSeconds " \
	"TargetGroups.HealthyThresholdCount TargetGroups.UnhealthyThresholdCount "        \
	"TargetGroups.HealthCheckPath TargetGroups.Matcher.HttpCode "                     \
	"TargetGroups.LoadBalancerArns TargetGroups.TargetType TargetGroups.IpAddressType"

static const struct aws_param create_params[] = {
	AWS_STR("Name", AWS_REQUIRED, 1, 255),
	AWS_ENUM("Protocol", 0, PROTOCOLS),
	AWS_REFUSE("ProtocolVersion"),
	AWS_INT("Port", 0, 1, 65535),
	AWS_ID("VpcId", 0),
	CHECK_PARAMS,
	AWS_ENUM("TargetType", 0, "instance|ip|lambda|alb"),
	AWS_MEMBER_TAGS,
	AWS_ENUM("IpAddressType", 0, "ipv4|ipv6"),
};
static const struct aws_param describe_params[] = {AWS_ID("LoadBalancerArn", 0),
						   AWS_ID("TargetGroupArns.member.N", 0),
						   AWS_ID("Names.member.N", 0), AWS_MARKER_PAGES};
static const struct aws_param modify_params[] = {AWS_ID("TargetGroupArn", AWS_REQUIRED),
						 CHECK_PARAMS};
static const struct aws_param arn_params[] = {AWS_ID("TargetGroupArn", AWS_REQUIRED)};

static const struct aws_action actions[] = {
	{
		.name = "CreateTargetGroup",
		.handle = create_tg,
		.flags = AWS_CHANGES,
		AWS_PARAMS(create_params),
		.answers = TG_ANSWERS,
	},
	{
		.name = "DescribeTargetGroups",
		.handle = describe_tgs,
		AWS_PARAMS(describe_params),
		.page_default = 400,
		.answers = TG_ANSWERS " NextMarker",
	},
	{
		.name = "ModifyTargetGroup",
		.handle = modify_tg,
		.flags = AWS_CHANGES,
		AWS_PARAMS(modify_params),
		.answers = TG_ANSWERS,
	},
	{
		.name = "DeleteTargetGroup",
		.handle = delete_tg,
		.flags = AWS_CHANGES,
		AWS_PARAMS(arn_params),
	},
};

const struct aws_group cv_aws_elbv2_tg_group = {AWS_ELBV2, actions, CV_ARRAY_LEN(actions)};
