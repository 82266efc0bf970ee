/* SPDX-License-Identifier: BSD-3-Clause */

/* EC2: security groups and their rules, as clients that manage them go about it: what they are told is
 * what they said, so that they find nothing to change. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aws_world.h"

#define AUTHORIZE "Action=AuthorizeSecurityGroup"
#define REVOKE "Action=RevokeSecurityGroup"
#define GROUPS "Action=DescribeSecurityGroups"
#define RULES "Action=DescribeSecurityGroupRules"
#define NO_PORTS \
	"&IpPermissions.1.IpProtocol=-1&IpPermissions.1.FromPort=0&IpPermissions.1.ToPort=0"
#define PORTS \
	"&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=443&IpPermissions.1.ToPort=443"
#define CIDR(n, cidr) "&IpPermissions.1.IpRanges." #n ".CidrIp=" cidr
#define GROUP(n) "&IpPermissions.1.Groups." #n ".GroupId=%s"

#define TAG                                                    \
	"&TagSpecification.1.ResourceType=security-group-rule" \
	"&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v"

static char sg[128];

static void make_group(const char *name)
{
	ec2(CONS, "Action=CreateSecurityGroup&GroupName=%s&GroupDescription=d&VpcId=%s", name,
	    vpc_c);
	element("groupId", sg);
}

/* ---- aws_security_group ---- */

/* Made, it loses the rule that nobody asked for, then gets its own; each is read back. */
static void group_has_what_was_asked_for(void **state)
{
	(void)state;
	make_group("tf");
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	has("<ipPermissions/><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/>"
	    "<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges/>"
	    "<prefixListIds/></item></ipPermissionsEgress>");
	ec2(CONS, REVOKE "Egress&GroupId=%s" NO_PORTS CIDR(1, "0.0.0.0/0"), sg);
	has("<return>true</return>");
	ec2_fails(CONS, "InvalidPermission.NotFound",
		  REVOKE "Egress&GroupId=%s" NO_PORTS "&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0",
		  sg);
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	has("<ipPermissions/><ipPermissionsEgress/>");
	ec2(CONS,
	    AUTHORIZE "Ingress&GroupId=%s" PORTS CIDR(1, "10.0.0.0/8") CIDR(2, "10.9.0.0/16")
		    GROUP(1) GROUP(2) "&IpPermissions.1.Groups.2.UserId=222222222222"
				      "&IpPermissions.1.IpRanges.1.Description=web",
	    sg, sg, sg_c);
	assert_int_equal(times("<securityGroupRuleId>"), 4);
	ec2(CONS, AUTHORIZE "Egress&GroupId=%s" NO_PORTS CIDR(1, "0.0.0.0/0"), sg);
	has("<isEgress>true</isEgress><ipProtocol>-1</ipProtocol><fromPort>-1</fromPort>"
	    "<toPort>-1</toPort>");
	/* What one permission said is one again: clients look for it so. */
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	has("<ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort>"
	    "<toPort>443</toPort><groups><item><userId>222222222222</userId><groupId>%s</groupId>"
	    "</item><item><userId>222222222222</userId><groupId>%s</groupId></item></groups>"
	    "<ipRanges><item><cidrIp>10.0.0.0/8</cidrIp><description>web</description></item>"
	    "<item><cidrIp>10.9.0.0/16</cidrIp></item></ipRanges>",
	    sg, sg_c);
	has("<ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/>");
	ec2_fails(CONS, "InvalidPermission.NotFound",
		  REVOKE "Ingress&GroupId=%s" PORTS
			 "&IpPermissions.1.PrefixListIds.1.PrefixListId=pl-1",
		  sg);
	ec2(CONS, REVOKE "Ingress&GroupId=%s" PORTS CIDR(1, "10.9.0.0/16") GROUP(1), sg, sg_c);
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	assert_int_equal(times("<cidrIp>"), 2);
	assert_int_equal(times("<groupId>"), 2);
	ec2(CONS, "Action=DeleteSecurityGroup&GroupId=%s", sg);
	ec2_fails(CONS, "InvalidGroup.NotFound", GROUPS "&GroupId.1=%s", sg);
}

static void new_rules_are_for_ipv4(void **state)
{
	static const struct {
		const char *word, *code;
	} protocols[] = {
		{"icmpv6", "UnsupportedOperation"},   {"58", "UnsupportedOperation"},
		{"255", "UnsupportedOperation"},      {"256", "InvalidParameterValue"},
		{"frob", "InvalidParameterValue"},    {"6x", "InvalidParameterValue"},
		{"TCP%206", "InvalidParameterValue"},
	};

	(void)state;
	make_group("x");
	ec2_fails(CONS, "UnsupportedOperation",
		  AUTHORIZE "Ingress&GroupId=%s" NO_PORTS
			    "&IpPermissions.1.Ipv6Ranges.1.CidrIpv6=::/0",
		  sg);
	ec2_fails(CONS, "UnsupportedOperation",
		  AUTHORIZE "Egress&GroupId=%s" NO_PORTS
			    "&IpPermissions.1.PrefixListIds.1.PrefixListId=pl-1",
		  sg);
	ec2_fails(CONS, "UnsupportedOperation",
		  AUTHORIZE
		  "Ingress&GroupId=%s&IpProtocol=icmp&FromPort=8&ToPort=0&CidrIp=10.0.0.0/8",
		  sg);
	for (size_t i = 0; i < CV_ARRAY_LEN(protocols); i++)
		ec2_fails(CONS, protocols[i].code,
			  AUTHORIZE
			  "Ingress&GroupId=%s&IpProtocol=%s&FromPort=1&ToPort=2&CidrIp=10.0.0.0/8",
			  sg, protocols[i].word);
	ec2(CONS,
	    AUTHORIZE "Ingress&GroupId=%s&IpProtocol=icmp&FromPort=-1&ToPort=-1&CidrIp=10.0.0.0/8",
	    sg);
	ec2(CONS,
	    AUTHORIZE "Ingress&GroupId=%s&IpProtocol=17&FromPort=53&ToPort=53&CidrIp=10.0.0.0/8",
	    sg);
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	has("<ipProtocol>icmp</ipProtocol><fromPort>-1</fromPort><toPort>-1</toPort>");
	has("<ipProtocol>udp</ipProtocol><fromPort>53</fromPort><toPort>53</toPort>");
}

/* ---- aws_security_group_rule ---- */

static void descriptions_are_changed_by_what_the_rule_is(void **state)
{
	static const char *const words[] = {"Ingress", "Egress"};

	(void)state;
	make_group("x");
	for (int i = 0; i < 2; i++) {
		ec2(CONS,
		    AUTHORIZE "%s&GroupId=%s" PORTS CIDR(1, "10.1.0.0/16")
			    GROUP(1) "&IpPermissions.1.IpRanges.1.Description=old",
		    words[i], sg, sg_c);
		ec2(CONS,
		    "Action=UpdateSecurityGroupRuleDescriptions%s&GroupId=%s" PORTS CIDR(
			    1, "10.1.0.0/16") GROUP(1) "&IpPermissions.1.IpRanges.1.Description=new"
						       "&IpPermissions.1.Groups.1.Description=of",
		    words[i], sg, sg_c);
		assert_string_equal(got, "<return>true</return>");
		ec2_fails(CONS, "InvalidPermission.NotFound",
			  "Action=UpdateSecurityGroupRuleDescriptions%s&GroupId=%s" PORTS CIDR(
				  1, "10.2.0.0/16"),
			  words[i], sg);
		ec2_fails(CONS, "MissingParameter",
			  "Action=UpdateSecurityGroupRuleDescriptions%s&GroupId=%s", words[i], sg);
	}
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	assert_int_equal(times("<description>new</description>"), 2);
	assert_int_equal(times("<description>of</description>"), 2);
	has_not("old");
	/* Without one, there is none any more. */
	ec2(CONS,
	    "Action=UpdateSecurityGroupRuleDescriptionsEgress&GroupId=%s" PORTS CIDR(1,
										     "10.1.0.0/16"),
	    sg);
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	assert_int_equal(times("<description>new</description>"), 1);
}

/* ---- aws_vpc_security_group_ingress_rule, ..._egress_rule ---- */

static void rule_lives_by_its_id(const char *word, const char *other)
{
	char id[128];

	make_group(word);
	ec2(CONS, AUTHORIZE "%s&GroupId=%s" PORTS CIDR(1, "10.1.0.0/16") TAG, word, sg);
	element("securityGroupRuleId", id);
	ec2(CONS, RULES "&SecurityGroupRuleId.1=%s", id);
	assert_int_equal(times("<securityGroupRuleId>"), 1);
	has("<isEgress>%s</isEgress>", word[0] == 'E' ? "true" : "false");
	has("<cidrIpv4>10.1.0.0/16</cidrIpv4><tagSet><item><key>k</key><value>v</value></item></tagSet>");
	ec2(CONS, RULES "&Filter.1.Name=tag:k&Filter.1.Value.1=v");
	assert_int_equal(times("<securityGroupRuleId>"), 1);
	ec2(CONS,
	    "Action=ModifySecurityGroupRules&GroupId=%s&SecurityGroupRule.1.SecurityGroupRuleId=%s"
	    "&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=tcp"
	    "&SecurityGroupRule.1.SecurityGroupRule.FromPort=80"
	    "&SecurityGroupRule.1.SecurityGroupRule.ToPort=81"
	    "&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.2.0.0/16"
	    "&SecurityGroupRule.1.SecurityGroupRule.Description=two",
	    sg, id);
	assert_string_equal(got, "<return>true</return>");
	/* It is the same rule: id and tags stay. */
	ec2(CONS, RULES "&SecurityGroupRuleId.1=%s", id);
	has("<fromPort>80</fromPort><toPort>81</toPort><cidrIpv4>10.2.0.0/16</cidrIpv4>"
	    "<description>two</description><tagSet><item><key>k</key>");
	/* An equal rule is another one. */
	ec2(CONS, AUTHORIZE "%s&GroupId=%s" PORTS CIDR(1, "10.1.0.0/16"), word, sg);
	has_not("%s", id);
	ec2_fails(
		CONS, "InvalidPermission.Duplicate",
		"Action=ModifySecurityGroupRules&GroupId=%s&SecurityGroupRule.1.SecurityGroupRuleId=%s"
		"&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=tcp"
		"&SecurityGroupRule.1.SecurityGroupRule.FromPort=443"
		"&SecurityGroupRule.1.SecurityGroupRule.ToPort=443"
		"&SecurityGroupRule.1.SecurityGroupRule.CidrIpv4=10.1.0.0/16",
		sg, id);
	ec2_fails(
		CONS, "InvalidParameterValue",
		"Action=ModifySecurityGroupRules&GroupId=%s&SecurityGroupRule.1.SecurityGroupRuleId=%s"
		"&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1"
		"&SecurityGroupRule.1.SecurityGroupRule.ReferencedGroupId=%s",
		sg, id, sg_c);
	ec2(CONS,
	    "Action=UpdateSecurityGroupRuleDescriptions%s&GroupId=%s"
	    "&SecurityGroupRuleDescription.1.SecurityGroupRuleId=%s"
	    "&SecurityGroupRuleDescription.1.Description=three",
	    word, sg, id);
	ec2(CONS, RULES "&SecurityGroupRuleId.1=%s", id);
	has("<description>three</description>");
	ec2_fails(PROV, "InvalidSecurityGroupRuleId.NotFound", RULES "&SecurityGroupRuleId.1=%s",
		  id);
	ec2_fails(CONS, "InvalidSecurityGroupRuleId.NotFound",
		  REVOKE "%s&GroupId=%s&SecurityGroupRuleId.1=%s", other, sg, id);
	ec2(CONS, REVOKE "%s&GroupId=%s&SecurityGroupRuleId.1=%s", word, sg, id);
	ec2_fails(CONS, "InvalidSecurityGroupRuleId.NotFound", RULES "&SecurityGroupRuleId.1=%s",
		  id);
	assert_non_null(strstr(err_text, id));
	ec2_fails(CONS, "InvalidSecurityGroupRuleId.Malformed",
		  RULES "&SecurityGroupRuleId.1=sg-1");
}

static void ingress_rule_lives_by_its_id(void **state)
{
	(void)state;
	rule_lives_by_its_id("Ingress", "Egress");
}

static void egress_rule_lives_by_its_id(void **state)
{
	(void)state;
	rule_lives_by_its_id("Egress", "Ingress");
}

static void rule_may_name_a_group(void **state)
{
	char id[128], other[128];

	(void)state;
	make_group("named");
	element("groupId", other);
	make_group("x");
	ec2(CONS, AUTHORIZE "Ingress&GroupId=%s" NO_PORTS GROUP(1), sg, other);
	element("securityGroupRuleId", id);
	ec2(CONS, RULES "&SecurityGroupRuleId.1=%s", id);
	has("<referencedGroupInfo><groupId>%s</groupId><userId>222222222222</userId>"
	    "</referencedGroupInfo>",
	    other);
	has_not("cidrIpv4");
	ec2(CONS,
	    "Action=ModifySecurityGroupRules&GroupId=%s&SecurityGroupRule.1.SecurityGroupRuleId=%s"
	    "&SecurityGroupRule.1.SecurityGroupRule.IpProtocol=-1"
	    "&SecurityGroupRule.1.SecurityGroupRule.ReferencedGroupId=%s"
	    "&SecurityGroupRule.1.SecurityGroupRule.Description=d",
	    sg, id, other);
	/* What is named stays. */
	ec2_fails(CONS, "DependencyViolation", "Action=DeleteSecurityGroup&GroupId=%s", other);
	ec2_fails(CONS, "InvalidGroup.NotFound", AUTHORIZE "Ingress&GroupId=%s" NO_PORTS GROUP(1),
		  sg, "sg-00000000000000000");
	ec2(CONS, GROUPS "&Filter.1.Name=ip-permission.group-id&Filter.1.Value.1=%s", other);
	assert_int_equal(times("<groupName>"), 1);
	ec2(CONS, AUTHORIZE "Egress&GroupId=%s" NO_PORTS GROUP(1), sg, other);
	ec2(CONS, REVOKE "Ingress&GroupId=%s" NO_PORTS GROUP(1), sg, other);
	ec2_fails(CONS, "DependencyViolation", "Action=DeleteSecurityGroup&GroupId=%s", other);
	assert_non_null(strstr(err_text, "has a dependent object"));
	ec2(CONS, "Action=DeleteSecurityGroup&GroupId=%s", sg);
	ec2(CONS, "Action=DeleteSecurityGroup&GroupId=%s", other);
}

/* What is stored calls the VPC's own group by its name: it is the same for those who know its id. */
static void group_goes_by_name_and_id(void **state)
{
	const struct cv_model_by stored = {.account = CV_MODEL_NONE, .restore = true};
	const struct cv_model_rule rule = {.protocol = CV_MODEL_PROTOCOL_ALL, .group = "default"};
	struct cv_model_sg_req req = {.name = "stored",
				      .id = "sg-00000000000000001",
				      .rules = &rule,
				      .n_rules = 1,
				      .by = &stored};
	const char *own = id_of(CV_MODEL_SG, "c", "default");

	(void)state;
	req.vpc = cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, vpc_c);
	no_error(cv_model_sg_add(m, &req, &errs));
	ec2(CONS, GROUPS "&GroupId.1=%s", req.id);
	has("<groups><item><userId>222222222222</userId><groupId>%s</groupId></item></groups>",
	    own);
	ec2_fails(CONS, "InvalidPermission.Duplicate",
		  AUTHORIZE "Ingress&GroupId=%s" NO_PORTS GROUP(1), req.id, own);
	ec2(CONS, REVOKE "Ingress&GroupId=%s" NO_PORTS GROUP(1), req.id, own);
	ec2(CONS, GROUPS "&GroupId.1=%s", req.id);
	has("<ipPermissions/>");
}

/* ---- aws_default_security_group ---- */

static void default_group_is_emptied_and_filled(void **state)
{
	(void)state;
	ec2(CONS,
	    GROUPS "&Filter.1.Name=group-name&Filter.1.Value.1=default"
		   "&Filter.2.Name=vpc-id&Filter.2.Value.1=%s",
	    vpc_c);
	element("groupId", sg);
	has("<groupDescription>default VPC security group</groupDescription>");
	ec2(CONS, REVOKE "Ingress&GroupId=%s" NO_PORTS GROUP(1), sg, sg);
	ec2(CONS, REVOKE "Egress&GroupId=%s" NO_PORTS CIDR(1, "0.0.0.0/0"), sg);
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	has("<ipPermissions/><ipPermissionsEgress/>");
	ec2(CONS, AUTHORIZE "Ingress&GroupId=%s" PORTS CIDR(1, "10.0.0.0/8"), sg);
	ec2_fails(CONS, "CannotDelete", "Action=DeleteSecurityGroup&GroupId=%s", sg);
}

static void all_filters_are_known(void **state)
{
	static const char *const some[] = {
		"ip-permission.cidr",           "ip-permission.protocol",
		"ip-permission.from-port",      "ip-permission.to-port",
		"egress.ip-permission.cidr",    "egress.ip-permission.protocol",
		"egress.ip-permission.to-port", "egress.ip-permission.from-port",
	};
	static const char *const values[] = {"10.7.0.0/16", "udp", "7", "9"};

	(void)state;
	make_group("x");
	ec2(CONS,
	    AUTHORIZE "Ingress&GroupId=%s&IpProtocol=udp&FromPort=7&ToPort=9&CidrIp=10.7.0.0/16",
	    sg);
	ec2(CONS,
	    AUTHORIZE "Egress&GroupId=%s&IpProtocol=udp&FromPort=7&ToPort=9&CidrIp=10.7.0.0/16",
	    sg);
	for (size_t i = 0; i < CV_ARRAY_LEN(some); i++) {
		const char *value = strstr(some[i], "cidr") != NULL       ? values[0]
				    : strstr(some[i], "protocol") != NULL ? values[1]
				    : strstr(some[i], "from") != NULL     ? values[2]
									  : values[3];

		ec2(CONS, GROUPS "&Filter.1.Name=%s&Filter.1.Value.1=%s", some[i], value);
		assert_int_equal(times("<groupName>"), 1);
		has("<groupId>%s</groupId>", sg);
	}
	ec2(CONS, GROUPS "&Filter.1.Name=ip-permission.ipv6-cidr&Filter.1.Value.1=*");
	assert_string_equal(got, "<securityGroupInfo/>");
}

static void rules_are_tagged(void **state)
{
	char id[128];

	(void)state;
	make_group("x");
	ec2(CONS, AUTHORIZE "Egress&GroupId=%s" PORTS CIDR(1, "10.1.0.0/16"), sg);
	element("securityGroupRuleId", id);
	ec2(CONS,
	    "Action=CreateTags&ResourceId.1=%s&ResourceId.2=%s&Tag.1.Key=a&Tag.1.Value=1"
	    "&Tag.2.Key=b&Tag.2.Value=2",
	    id, sg);
	ec2(CONS, "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=b&Tag.1.Value=3&Tag.2.Key=c", id);
	ec2(CONS, RULES "&SecurityGroupRuleId.1=%s", id);
	has("<tagSet><item><key>a</key><value>1</value></item><item><key>b</key><value>3</value>"
	    "</item><item><key>c</key><value/></item></tagSet>");
	ec2(CONS, "Action=DescribeTags&Filter.1.Name=resource-type"
		  "&Filter.1.Value.1=security-group-rule");
	assert_int_equal(times("<resourceId>"), 3);
	/* One with another value stays. */
	ec2(CONS, "Action=DeleteTags&ResourceId.1=%s&Tag.1.Key=a&Tag.1.Value=9&Tag.2.Key=b", id);
	ec2(CONS, RULES "&SecurityGroupRuleId.1=%s", id);
	has("<tagSet><item><key>a</key><value>1</value></item><item><key>c</key>");
	ec2(CONS, "Action=DeleteTags&ResourceId.1=%s", id);
	ec2(CONS, RULES "&SecurityGroupRuleId.1=%s", id);
	has("<tagSet/>");
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	has("<tagSet><item><key>a</key><value>1</value></item><item><key>b</key>");
	ec2_fails(PROV, "InvalidSecurityGroupRuleId.NotFound",
		  "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=a", id);
	/* Those of the file are not for calls to change. */
	ec2(CONS, RULES "&Filter.1.Name=group-id&Filter.1.Value.1=%s", sg_c);
	element("securityGroupRuleId", id);
	ec2_fails(CONS, "OperationNotPermitted", "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=a",
		  id);
	/* Nor is anything else that the request names. */
	ec2_fails(CONS, "OperationNotPermitted",
		  "Action=CreateTags&ResourceId.1=%s&ResourceId.2=%s&Tag.1.Key=z", sg, id);
	ec2_fails(CONS, "OperationNotPermitted",
		  "Action=DeleteTags&ResourceId.1=%s&ResourceId.2=%s&Tag.1.Key=a", sg, id);
	ec2(CONS, GROUPS "&GroupId.1=%s", sg);
	has("<tagSet><item><key>a</key><value>1</value></item><item><key>b</key><value>2</value>"
	    "</item></tagSet>");
}

/* Its group was the file's, and is in it no longer. */
static void rule_whose_peer_has_gone_is_tagged(void **state)
{
	static const char id[] = "sgr-0123456789abcdef0";
	struct cv_model_rule rule = {.group = "sg-0fedcba9876543210"};
	const struct cv_model_by by = {.restore = true};
	struct cv_model_errs said = {0};
	struct cv_model_sg_req req = {.name = "x", .rules = &rule, .n_rules = 1, .by = &by};

	(void)state;
	req.vpc = cv_model_find(m, CV_MODEL_VPC, CV_MODEL_NONE, vpc_c);
	memcpy(rule.id, id, sizeof(id));
	assert_int_equal(cv_model_sg_add(m, &req, &said), 0);
	ec2(CONS, "Action=CreateTags&ResourceId.1=%s&Tag.1.Key=k&Tag.1.Value=v", id);
	ec2(CONS, RULES "&SecurityGroupRuleId.1=%s", id);
	has("<tagSet><item><key>k</key><value>v</value></item></tagSet>");
	ec2_fails(CONS, "InvalidGroup.NotFound", AUTHORIZE "Ingress&GroupId=%s" PORTS GROUP(1),
		  m->sgs[m->n_sgs - 1].id, "sg-0fedcba9876543211");
}

#define FOR_VPC "Action=GetSecurityGroupsForVpc&VpcId=%s"

/* Those that a console offers for what is made in a VPC. */
static void groups_are_told_for_a_vpc(void **state)
{
	(void)state;
	ec2(CONS, FOR_VPC, vpc_c);
	has("<item><description>");
	has("<groupId>%s</groupId><tagSet/><primaryVpcId>%s</primaryVpcId></item>", sg_c, vpc_c);
	has("<ownerId>222222222222</ownerId>");
	assert_true(times("<item>") >= 2); /* the VPC's own, too */
	ec2(CONS, FOR_VPC "&Filter.1.Name=group-id&Filter.1.Value.1=%s", vpc_c, sg_c);
	assert_int_equal(times("<item>"), 1);
	has("<groupId>%s</groupId>", sg_c);
	ec2(CONS, FOR_VPC "&Filter.1.Name=owner-id&Filter.1.Value.1=111111111111", vpc_c);
	assert_string_equal(got, "<securityGroupForVpcSet/>");
	ec2(CONS, FOR_VPC "&Filter.1.Name=primary-vpc-id&Filter.1.Value.1=%s", vpc_c, vpc_p);
	assert_string_equal(got, "<securityGroupForVpcSet/>");
	ec2_fails(CONS, "InvalidVpcID.NotFound", FOR_VPC, vpc_p);
	ec2_fails(CONS, "MissingParameter", "Action=GetSecurityGroupsForVpc");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(groups_are_told_for_a_vpc),
		TEST(group_has_what_was_asked_for),
		TEST(new_rules_are_for_ipv4),
		TEST(descriptions_are_changed_by_what_the_rule_is),
		TEST(ingress_rule_lives_by_its_id),
		TEST(egress_rule_lives_by_its_id),
		TEST(rule_may_name_a_group),
		TEST(group_goes_by_name_and_id),
		TEST(default_group_is_emptied_and_filled),
		TEST(rules_are_tagged),
		TEST(rule_whose_peer_has_gone_is_tagged),
		TEST(all_filters_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
