/* SPDX-License-Identifier: BSD-3-Clause */

/* The dispatcher's parts: access keys, limits, client tokens, patterns, pages, declarations. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_model_ops.h"

#include "core_priv.h"

/* ---- a call without a server ---- */

static struct cv_aws aws = {.seed = {1, 2}};
static struct cv_query query;
static struct cv_xml out;
static struct aws_call call;

/* Parameters that a test's action takes. */
static const struct aws_param params[] = {
	AWS_DRY_RUN,
	AWS_CLIENT_TOKEN,
	AWS_FILTERS,
	AWS_PAGES(5, 1000),
	AWS_TAG_SPECS,
	AWS_ID("VpcId", AWS_REQUIRED),
	AWS_STR("Name", 0, 2, 4),
	AWS_ID("SubnetId.N", AWS_REQUIRED),
	AWS_INT("Port", 0, 1, 65535),
	AWS_DOUBLE("Ratio", 0),
	AWS_ENUM("Type", 0, "Gateway|Interface"),
	AWS_TIME("At", 0),
	AWS_ID("Targets.member.N.Id", AWS_REQUIRED),
	AWS_INT("Targets.member.N.Port", 0, 1, 65535),
	AWS_REFUSE("PolicyDocument"),
};
static const char *const filters[] = {"vpc-id", "tag-key", "tag:*", NULL};
static const struct aws_action action = {
	.name = "Test", AWS_PARAMS(params), .filters = filters, .page_default = 2};

static void call_make(enum aws_service_id service, const char *text)
{
	const char *twice;

	cv_aws_call_fini(&call);
	cv_query_fini(&query);
	cv_xml_fini(&out);
	assert_int_equal(cv_query_parse(&query, text, strlen(text)), 0);
	assert_int_equal(cv_query_sort(&query, &twice), 0);
	cv_xml_init(&out, "item");
	call = (struct aws_call){
		.params = cv_query_root(&query),
		.out = &out,
		.service = &cv_aws_services()[service],
		.action = &action,
		.caller = {"AKID", "arn:aws:iam::111111111111:root", "111111111111"},
		.now = 1000000,
		.aws = &aws,
	};
}

static int teardown(void **state)
{
	(void)state;
	cv_aws_call_fini(&call);
	cv_query_fini(&query);
	cv_xml_fini(&out);
	return 0;
}

#define GOOD "VpcId=v&SubnetId.1=s"

static void check_is(enum aws_service_id service, const char *text, const char *code,
		     const char *part)
{
	call_make(service, text);
	if (code == NULL) {
		if (cv_aws_check(&call) != 0)
			fail_msg("%s: %s: %s", text, call.err_code, call.err_text);
		return;
	}
	assert_int_equal(cv_aws_check(&call), -EINVAL);
	assert_string_equal(call.err_code, code);
	if (strstr(call.err_text, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, call.err_text);
}

static void declared_parameters_pass(void **state)
{
	static const char *const good[] = {
		GOOD,
		GOOD "&Action=X&Version=Y&X-Amz-Signature=Z",
		GOOD "&DryRun=TRUE&ClientToken=x",
		GOOD "&Name=ab&Port=1&Type=Interface",
		GOOD "&Name=%C3%BC%C3%BC%C3%BC%C3%BC&Port=65535&Ratio=-1.5e3",
		GOOD "&At=2026-11-21T21:30:11Z",
		GOOD "&Targets.member.1.Id=a&Targets.member.1.Port=9&Targets.member.2.Id=b",
		GOOD "&TagSpecification=",
		"VpcId=v&SubnetId.7=s&Targets=",
		GOOD "&Filter.1.Name=x&Filter.1.Value.1=",
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(good); i++)
		check_is(AWS_EC2, good[i], NULL, NULL);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text, *ec2, *query, *part;
	} rows[] = {
		{"SubnetId.1=s", "MissingParameter", "ValidationError", "VpcId"},
		{"VpcId=v", "MissingParameter", "ValidationError", "SubnetId"},
		{"VpcId=v&SubnetId=s", "UnknownParameter", "ValidationError", "SubnetId"},
		{GOOD "&Targets.member.1.Port=1", "MissingParameter", "ValidationError",
		 "Targets.member.Id"},
		{GOOD "&Nope=1", "UnknownParameter", "ValidationError", "Nope"},
		{GOOD "&VpcId.1=1", "UnknownParameter", "ValidationError", "VpcId.1"},
		{GOOD "&SubnetId.x=1", "UnknownParameter", "ValidationError", "SubnetId.x"},
		{GOOD "&Name=a", "InvalidParameterValue", "ValidationError", "greater than"},
		{GOOD "&Name=abcde", "InvalidParameterValue", "ValidationError", "less than"},
		{GOOD "&Port=0", "InvalidParameterValue", "ValidationError", "greater than"},
		{GOOD "&Port=65536", "InvalidParameterValue", "ValidationError", "less than"},
		{GOOD "&Port=", "InvalidParameterValue", "MalformedInput", "integer"},
		{GOOD "&Port=1x", "InvalidParameterValue", "MalformedInput", "integer"},
		{GOOD "&Port=9999999999999999999", "InvalidParameterValue", "MalformedInput",
		 "integer"},
		{GOOD "&Ratio=nan", "InvalidParameterValue", "MalformedInput", "number"},
		{GOOD "&Type=interface", "InvalidParameterValue", "ValidationError", "one of"},
		{GOOD "&Type=", "InvalidParameterValue", "ValidationError", "one of"},
		{GOOD "&DryRun=1", "InvalidParameterValue", "MalformedInput", "true or false"},
		{GOOD "&At=yesterday", "InvalidParameterValue", "MalformedInput", "ISO 8601"},
		{GOOD "&PolicyDocument={}", "UnsupportedOperation", "ValidationError",
		 "PolicyDocument"},
		{GOOD "&Filter.1.Value.1=x", "MissingParameter", "ValidationError", "Filter.Name"},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		check_is(AWS_EC2, rows[i].text, rows[i].ec2, rows[i].part);
		check_is(AWS_ELBV2, rows[i].text, rows[i].query, rows[i].part);
	}
}

/* ---- filters, tags, times ---- */

static void patterns_match(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool match;
	} rows[] = {
		{"", "", true},           {"", "a", false},
		{"a", "", false},         {"*", "", true},
		{"*", "abc", true},       {"?", "", false},
		{"?", "a", true},         {"a*c", "abbc", true},
		{"a*c", "abcd", false},   {"*a*b*", "xxaxxbxx", true},
		{"*ab", "aab", true},     {"*ab", "aba", false},
		{"\\*", "*", true},       {"\\*", "a", false},
		{"\\?", "?", true},       {"\\?", "a", false},
		{"a\\\\b", "a\\b", true}, {"a**b", "ab", true},
		{"*\\*", "ab*", true},    {"*\\*", "ab", false},
		{"A", "a", false},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		if (cv_aws_glob(rows[i].pattern, rows[i].text) != rows[i].match)
			fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
	}
}

static void filters_all_must_match(void **state)
{
	struct cv_model_tag tags[] = {{"env", "prod"}, {"name", "web"}};
	const struct cv_model_meta meta = {.tags = tags, .n_tags = 2};
	static const struct {
		const char *text;
		bool pass;
	} rows[] = {
		{"", true},
		{"Filter.1.Name=tag-key&Filter.1.Value.1=env", true},
		{"Filter.1.Name=tag-key&Filter.1.Value.1=none", false},
		{"Filter.1.Name=tag:env&Filter.1.Value.1=dev&Filter.1.Value.2=p*", true},
		{"Filter.1.Name=tag:env&Filter.1.Value.1=web", false},
		{"Filter.1.Name=tag:env&Filter.1.Value.1=*&Filter.2.Name=tag:name&Filter.2.Value.1=x",
		 false},
		{"Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1", true},
		{"Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-2", false},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		call_make(AWS_EC2, rows[i].text);
		assert_int_equal(cv_aws_filters_read(&call), 0);
		assert_int_equal(cv_aws_filter_tags(&call, &meta) &&
					 cv_aws_filter(&call, "vpc-id", "vpc-1"),
				 rows[i].pass);
	}
	call_make(AWS_EC2, "Filter.1.Name=vpc-id&Filter.1.Value.1=*");
	assert_int_equal(cv_aws_filters_read(&call), 0);
	assert_false(cv_aws_filter(&call, "vpc-id", NULL));
	call_make(AWS_EC2, "Filter.1.Name=other&Filter.1.Value.1=*");
	assert_int_equal(cv_aws_filters_read(&call), -EINVAL);
	call_make(AWS_EC2, "Filter.1.Name=vpc-id");
	assert_int_equal(cv_aws_filters_read(&call), -EINVAL);
	call_make(AWS_EC2, "Filter.1.Name=tag:&Filter.1.Value.1=*");
	assert_int_equal(cv_aws_filters_read(&call), -EINVAL);
}

#define TS "TagSpecification.1.ResourceType=vpc-endpoint&TagSpecification.1.Tag."

static void tags_are_read_and_checked(void **state)
{
	const struct cv_model_tag *tags;
	uint32_t n;
	static const char *const wrong[] = {
		"TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=a",
		"TagSpecification.1.Tag.1.Key=a",
		TS "1.Key=aws:x",
		TS "1.Key=AWS:x",
		TS "1.Value=x",
		TS "1.Key=a&TagSpecification.1.Tag.2.Key=a",
	};

	(void)state;
	call_make(AWS_EC2,
		  TS "1.Key=a&TagSpecification.1.Tag.1.Value=b&TagSpecification.1.Tag.2.Key=c");
	assert_int_equal(cv_aws_tags(&call, "vpc-endpoint", &tags, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(tags[0].value, "b");
	assert_string_equal(tags[1].key, "c");
	assert_string_equal(tags[1].value, "");
	for (size_t i = 0; i < CV_ARRAY_LEN(wrong); i++) {
		call_make(AWS_EC2, wrong[i]);
		assert_int_equal(cv_aws_tags(&call, "vpc-endpoint", &tags, &n), -EINVAL);
	}
	call_make(AWS_ELBV2, "Tags.member.1.Key=a&Tags.member.1.Value=b");
	assert_int_equal(cv_aws_tags(&call, NULL, &tags, &n), 0);
	assert_int_equal(n, 1);
}

static void times_are_read(void **state)
{
	static const struct {
		const char *text;
		time_t at;
	} rows[] = {
		{"2026-11-21T21:30:11Z", 1795296611},
		{"2026-11-21T21:30:11.123Z", 1795296611},
		{"2026-11-21T22:30:11+01:00", 1795296611},
		{"2026-11-21T12:00:11-0930", 1795296611},
		{"2026-11-21T21:30:11", 1795296611},
		{"2026-11-21T21:30Z", 1795296600},
		{"1795296611", 1795296611},
		{"1795296611.5", 1795296611},
		{"0", 0},
	};
	static const char *const wrong[] = {"",
					    "x",
					    "2026-11-21",
					    "2026-11-21T21:30:11X",
					    "1e999",
					    "2026-11-21T21:30:11.Z",
					    "2026-11-21T21:30:11+1"};
	time_t at;

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		assert_true(cv_aws_time_parse(rows[i].text, &at));
		assert_int_equal(at, rows[i].at);
	}
	for (size_t i = 0; i < CV_ARRAY_LEN(wrong); i++) {
		if (cv_aws_time_parse(wrong[i], &at))
			fail_msg("'%s'", wrong[i]);
	}
}

/* ---- pages ---- */

static uint32_t pages_n, pages_taken;

static int pages_handle(struct aws_call *of)
{
	pages_taken = 0;
	for (uint32_t i = 0; i < pages_n; i++)
		pages_taken += cv_aws_page(of, i);
	cv_aws_page_end(of);
	return 0;
}

/* The positions of one page of 0..n-1; *ret_token is what leads on. */
static uint32_t page_get(const char *text, uint32_t n, uint64_t hash, char *token)
{
	static struct aws_action listing;
	size_t len;
	char *xml;

	call_make(AWS_EC2, text);
	call.params_hash = hash;
	assert_int_equal(cv_aws_page_read(&call), 0);
	listing = *call.action;
	listing.handle = pages_handle;
	call.action = &listing;
	pages_n = n;
	assert_int_equal(cv_aws_page_run(&call), 0);
	xml = cv_xml_take(&out, &len);
	token[0] = '\0';
	(void)sscanf(xml, "<nextToken>%32[0-9a-f]</nextToken>", token);
	free(xml);
	return pages_taken;
}

static void pages_lead_to_the_end(void **state)
{
	char token[40], text[64], other[40];

	(void)state;
	assert_int_equal(page_get("", 5, 7, token), 2);
	assert_int_equal(strlen(token), 32);
	snprintf(text, sizeof(text), "NextToken=%s", token);
	assert_int_equal(page_get(text, 5, 7, other), 2);
	assert_string_not_equal(token, other);
	snprintf(text, sizeof(text), "NextToken=%s", other);
	assert_int_equal(page_get(text, 5, 7, token), 1);
	assert_string_equal(token, "");
	assert_int_equal(page_get("MaxResults=5", 5, 7, token), 5);
	assert_string_equal(token, "");
	/* Another question, or a changed token. */
	call_make(AWS_EC2, text);
	call.params_hash = 8;
	assert_int_equal(cv_aws_page_read(&call), -EINVAL);
	assert_string_equal(call.err_code, "InvalidNextToken");
	text[12] ^= 1;
	call_make(AWS_EC2, text);
	call.params_hash = 7;
	assert_int_equal(cv_aws_page_read(&call), -EINVAL);
}

/* ---- client tokens ---- */

static void token_brings_the_answer_back(void **state)
{
	struct aws_idem *idem = cv_aws_idem_create();
	const char *text;
	size_t len;

	(void)state;
	call_make(AWS_EC2, "ClientToken=t");
	call.params_hash = 1;
	assert_int_equal(cv_aws_idem_find(idem, &call, &text, &len), 0);
	assert_null(text);
	cv_aws_idem_add(idem, &call, "answer", 6);
	assert_int_equal(cv_aws_idem_find(idem, &call, &text, &len), 0);
	assert_string_equal(text, "answer");
	call.params_hash = 2;
	assert_int_equal(cv_aws_idem_find(idem, &call, &text, &len), -EINVAL);
	assert_string_equal(call.err_code, "IdempotentParameterMismatch");
	call.caller.account_id = "222222222222";
	assert_int_equal(cv_aws_idem_find(idem, &call, &text, &len), 0);
	assert_null(text);
	call.caller.account_id = "111111111111";
	call.params_hash = 1;
	call.now += 86401;
	assert_int_equal(cv_aws_idem_find(idem, &call, &text, &len), 0);
	assert_null(text);
	cv_aws_idem_add(idem, &call, "new", 3);
	cv_aws_idem_remove(idem, &call);
	assert_int_equal(cv_aws_idem_find(idem, &call, &text, &len), 0);
	assert_null(text);
	cv_aws_idem_destroy(idem);
}

/* As many as there may be, and as many again: the older half is gone, the newer is there. */
static void tokens_are_bounded(void **state)
{
	struct aws_idem *idem = cv_aws_idem_create();
	char name[32], want[32];
	const char *text;
	size_t len;

	(void)state;
	for (int i = 0; i < 2 * 16384; i++) {
		snprintf(name, sizeof(name), "ClientToken=%d", i);
		call_make(AWS_EC2, name);
		cv_aws_idem_add(idem, &call, name, strlen(name));
		if (i % 3 == 0)
			cv_aws_idem_remove(idem, &call);
	}
	for (int i = 0; i < 2 * 16384; i++) {
		snprintf(want, sizeof(want), "ClientToken=%d", i);
		call_make(AWS_EC2, want);
		assert_int_equal(cv_aws_idem_find(idem, &call, &text, &len), 0);
		if (i < 16384 || i % 3 == 0)
			assert_null(text);
		else
			assert_string_equal(text, want);
	}
	cv_aws_idem_destroy(idem);
}

/* ---- limits ---- */

static void bucket_fills_again(void **state)
{
	struct aws_limit *limit = cv_aws_limit_create(10, 3);
	char key[16];

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(cv_aws_limit_take(limit, "a", 1000));
	assert_false(cv_aws_limit_take(limit, "a", 1000));
	assert_true(cv_aws_limit_take(limit, "b", 1000));
	assert_false(cv_aws_limit_take(limit, "a", 1099));
	assert_true(cv_aws_limit_take(limit, "a", 1100));
	assert_false(cv_aws_limit_take(limit, "a", 1100));
	for (int i = 0; i < 3; i++)
		assert_true(cv_aws_limit_take(limit, "a", 100000));
	assert_false(cv_aws_limit_take(limit, "a", 100000));
	/* Many other keys push out those that were idle, and these begin anew. */
	for (int i = 0; i < 300; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_true(cv_aws_limit_take(limit, key, 100001 + (uint64_t)i));
	}
	cv_aws_limit_destroy(limit);
	limit = cv_aws_limit_create(0, 1);
	for (int i = 0; i < 1000; i++)
		assert_true(cv_aws_limit_take(limit, "a", 1));
	cv_aws_limit_destroy(limit);
}

static void signature_is_used_up_after_a_while(void **state)
{
	struct aws_limit *limit = cv_aws_limit_create(0, 1);

	(void)state;
	assert_true(cv_aws_limit_is_fresh(limit, 42, 1000, 1300));
	assert_true(cv_aws_limit_is_fresh(limit, 42, 1000 + AWS_REPLAY_SECONDS, 1300));
	assert_false(cv_aws_limit_is_fresh(limit, 42, 1001 + AWS_REPLAY_SECONDS, 1300));
	assert_false(cv_aws_limit_is_fresh(limit, 42, 1300, 1300));
	assert_true(cv_aws_limit_is_fresh(limit, 43, 1300, 1600));
	/* Others of its set do not push it out. */
	for (uint64_t i = 1; i < 8; i++)
		assert_true(cv_aws_limit_is_fresh(limit, 43 + i * 32768, 1301, 1601));
	assert_false(cv_aws_limit_is_fresh(limit, 43, 1320, 1600));
	cv_aws_limit_destroy(limit);
}

/* ---- access keys ---- */

#define KEY(id) "{\"access_key_id\": \"" id "\", \"secret_access_key\": \"s\", \"principal\": "
#define ROOT "\"arn:aws:iam::111111111111:root\"}"

static void keys_are_found(void **state)
{
	static const char text[] =
		"{\"keys\": [" KEY("AKIAEXAMPLE00000002") "\"arn:aws:iam::222222222222:user/u\"},\n" KEY(
			"AKIAEXAMPLE00000001") ROOT "]}";
	struct cv_errs errs = {0};
	struct aws_creds *creds;
	const struct aws_key *key;

	(void)state;
	assert_int_equal(cv_aws_creds_parse(text, strlen(text), &errs, &creds), 0);
	key = cv_aws_creds_find(creds, "AKIAEXAMPLE00000002");
	assert_string_equal(key->account_id, "222222222222");
	assert_string_equal(key->principal, "arn:aws:iam::222222222222:user/u");
	assert_null(key->token);
	assert_string_equal(cv_aws_creds_find(creds, "AKIAEXAMPLE00000001")->account_id,
			    "111111111111");
	assert_null(cv_aws_creds_find(creds, "AKIAEXAMPLE00000003"));
	cv_aws_creds_unref(creds);
}

static void wrong_keys_are_told_with_their_line(void **state)
{
	static const struct {
		const char *text, *path;
		int line;
	} rows[] = {
		{"", "", 1},
		{"[]", "", 1},
		{"{}", "", 1},
		{"{\"keys\": 1}", "", 1},
		{"{\"keys\": [], \"more\": 1}", "", 1},
		{"{\"keys\": [\n1]}", "keys[0]", 0},
		{"{\"keys\": [\n{\"access_key_id\": \"AKIAEXAMPLE00000001\",\n"
		 "\"principal\": " ROOT "]}",
		 "keys[0].secret_access_key", 2},
		{"{\"keys\": [" KEY("AKIA") ROOT "]}", "keys[0].access_key_id", 1},
		{"{\"keys\": [" KEY("AKIAEXAMPLE0000/001") ROOT "]}", "keys[0].access_key_id", 1},
		{"{\"keys\": [" KEY("AKIAEXAMPLE00000001") ROOT
		 ",\n" KEY("AKIAEXAMPLE00000002") "\"root\"}]}",
		 "keys[1].principal", 2},
		{"{\"keys\": [" KEY("AKIAEXAMPLE00000001") ROOT ",\n" KEY("AKIAEXAMPLE00000001")
			 ROOT "]}",
		 "keys", 0},
		{"{\"keys\": [{\"{\": \"\\\"}\", \"access_key_id\": 1}]}", "keys[0].{", 1},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		struct cv_errs errs = {0};
		struct aws_creds *creds = NULL;

		assert_int_equal(
			cv_aws_creds_parse(rows[i].text, strlen(rows[i].text), &errs, &creds),
			-EINVAL);
		assert_null(creds);
		assert_true(errs.n > 0);
		assert_string_equal(errs.items[0].path, rows[i].path);
		assert_int_equal(errs.items[0].line, rows[i].line);
		cv_errs_fini(&errs);
	}
}

/* Looking for the line of each of them would take most of an hour. */
static void many_keys_are_read_at_once(void **state)
{
	const size_t n = 26000, each = 220;
	char *text = malloc(n * each + 32);
	size_t len = (size_t)sprintf(text, "{\"keys\": [");
	struct cv_errs errs = {0};
	struct aws_creds *creds = NULL;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, each,
					"%s{\"access_key_id\": \"AKIAEXAMPLE%09zu\","
					"\n\"secret_access_key\": \"%040zu\", \"principal\": " ROOT,
					i > 0 ? "," : "", i, i);
	len += (size_t)sprintf(text + len, "]}");
	assert_int_equal(cv_aws_creds_parse(text, len, &errs, &creds), 0);
	assert_non_null(cv_aws_creds_find(creds, "AKIAEXAMPLE000025999"));
	cv_aws_creds_unref(creds);
	free(text);
}

static int load(const char *file)
{
	struct cv_errs errs = {0};
	struct aws_creds *creds = NULL;
	int ret = cv_aws_creds_load(file, &errs, &creds);

	assert_true((ret == 0) == (creds != NULL));
	assert_true((ret == 0) == (errs.n == 0));
	cv_aws_creds_unref(creds);
	cv_errs_fini(&errs);
	return ret;
}

static void file_must_be_nobody_elses(void **state)
{
	char file[] = "/tmp/culvert-test-keys-XXXXXX";
	int fd = mkstemp(file);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "{\"keys\": []}", 12), 12);
	close(fd);
	assert_int_equal(load(file), 0);
	assert_int_equal(chmod(file, 0640), 0);
	assert_int_equal(load(file), -EINVAL);
	assert_int_equal(chmod(file, 0604), 0);
	assert_int_equal(load(file), -EINVAL);
	assert_int_equal(chmod(file, 0400), 0);
	assert_int_equal(load(file), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(file, 12345, 0), 0);
		assert_int_equal(load(file), -EACCES);
		assert_int_equal(chmod(file, 0644), 0);
		assert_int_equal(load(file), -EINVAL);
	}
	unlink(file);
	assert_int_equal(load(file), -ENOENT);
	assert_int_equal(load("/tmp"), -EINVAL);
}

/* ---- a signed request, from end to end ---- */

struct vector {
	const char *name, *method, *path, *query, *body, *token, *service;
	struct cv_sigv4_header headers[8];
	uint32_t n_headers;
	bool presigned;
};

#include "sigv4_vectors.h"

static time_t then(void)
{
	return 1795296611;
}

static struct cv_model *world;

/* What control returns; 0: it runs the function. */
static int control_ret;

static int control_call(void *arg, bool change, cv_aws_fn *fn, void *fn_arg)
{
	(void)arg;
	assert_false(change);
	return control_ret != 0 ? control_ret : fn(NULL, world, fn_arg);
}

static void answer_is(struct cv_aws *server, const struct vector *v, unsigned int status,
		      const char *part)
{
	const struct cv_sigv4_request request = {
		.method = v->method,
		.path = v->path,
		.query = v->query,
		.headers = v->headers,
		.n_headers = v->n_headers,
		.body = v->body,
		.body_len = strlen(v->body),
	};
	struct cv_aws_answer answer;

	cv_aws_handle(server, &request, &answer);
	assert_int_equal(answer.status, status);
	assert_int_equal(strlen(answer.request_id), CV_AWS_REQUEST_ID_LEN - 1);
	assert_string_equal(answer.type, "text/xml;charset=UTF-8");
	if (strstr(answer.text, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, answer.text);
	free(answer.text);
}

static struct cv_aws *server_make(const char *principal, char *file)
{
	struct cv_aws_cfg cfg = {.region = "us-east-1", .rate = 1000, .burst = 1000, .now = then};
	struct cv_aws *server = NULL;
	struct cv_errs errs = {0};
	int fd = mkstemp(file);

	assert_true(fd >= 0);
	dprintf(fd,
		"{\"keys\": [{\"access_key_id\": \"AKIDEXAMPLE000000001\", \"secret_access_key\": "
		"\"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\", \"principal\": \"%s\"}]}",
		principal);
	close(fd);
	cfg.credentials_file = file;
	cfg.ops.call = control_call;
	assert_int_equal(cv_aws_create(&cfg, &errs, &server), 0);
	unlink(file);
	/* Without its file it keeps its keys. */
	assert_int_equal(cv_aws_reload(server, &errs), -ENOENT);
	cv_errs_fini(&errs);
	return server;
}

static void control_decides(void **state)
{
	static const struct {
		int ret;
		unsigned int status;
		const char *part;
	} rows[] = {
		{-EAGAIN, 503, "<Code>Unavailable</Code>"},
		{-ETIMEDOUT, 503, "<Code>Unavailable</Code>"},
		{-ECANCELED, 503, "is stopping"},
		{-EROFS, 503, "cannot keep changes now"},
		{-ENOMEM, 500, "<Code>InternalError</Code>"},
		{-EIO, 500, "<Code>InternalError</Code>"},
		{0, 200, "<vpcSet/></DescribeVpcsResponse>"},
	};
	const struct cv_model_account_req account = {.id = "111111111111"};
	char file[] = "/tmp/culvert-test-keys-XXXXXX", other[] = "/tmp/culvert-test-keys-XXXXXX";
	struct cv_aws *server = server_make("arn:aws:iam::111111111111:root", file);
	struct cv_model_errs errs = {0};

	(void)state;
	world = cv_model_create("us-east-1");
	assert_int_equal(cv_model_account_add(world, &account, &errs), 0);
	for (size_t i = 0; i < CV_ARRAY_LEN(rows); i++) {
		control_ret = rows[i].ret;
		answer_is(server, &vectors[0], rows[i].status, rows[i].part);
	}
	/* The key of the other vector has no token. */
	answer_is(server, &vectors[1], 401, "<Code>AuthFailure</Code>");
	cv_aws_destroy(server);
	server = server_make("arn:aws:iam::999999999999:root", other);
	answer_is(server, &vectors[0], 401, "<Code>OptInRequired</Code>");
	cv_aws_destroy(server);
	cv_model_destroy(world);
}

static void table_lists_every_action(void **state)
{
	char *text = cv_aws_table();

	(void)state;
	assert_non_null(strstr(text, "action ec2 DescribeVpcs\n"));
	assert_non_null(strstr(text, "out vpcSet.vpcId\n"));
	assert_non_null(strstr(text, "filter vpc-id\n"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(declared_parameters_pass, teardown),
		cmocka_unit_test_teardown(what_is_wrong_is_named, teardown),
		cmocka_unit_test(patterns_match),
		cmocka_unit_test_teardown(filters_all_must_match, teardown),
		cmocka_unit_test_teardown(tags_are_read_and_checked, teardown),
		cmocka_unit_test(times_are_read),
		cmocka_unit_test_teardown(pages_lead_to_the_end, teardown),
		cmocka_unit_test_teardown(token_brings_the_answer_back, teardown),
		cmocka_unit_test_teardown(tokens_are_bounded, teardown),
		cmocka_unit_test(bucket_fills_again),
		cmocka_unit_test(signature_is_used_up_after_a_while),
		cmocka_unit_test(keys_are_found),
		cmocka_unit_test(wrong_keys_are_told_with_their_line),
		cmocka_unit_test(many_keys_are_read_at_once),
		cmocka_unit_test(file_must_be_nobody_elses),
		cmocka_unit_test(control_decides),
		cmocka_unit_test(table_lists_every_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
